/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VF of an 82576 that mediator_state mediates, for the tests of migration by both
 * protocols, without a VMM.
 */
#ifndef MIGRATE_H
#define MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "testlib.h"
#include "vfio_client.h"

#include "format.h"

#define HEADER_SIZE	sizeof(struct vpm_format_header)
#define RECORD_SIZE	sizeof(struct vpm_format_record)

/* Not in the headers of kernels before 5.18, and gone from those after it */
#define V1_STOP		0u
#define V1_RUNNING	1u
#define V1_SAVING	2u
#define V1_PRE_COPY	3u
#define V1_RESUMING	4u
#define V1_ERROR	6u
#define V1_STATE	0
#define V1_RESERVED	4
#define V1_PENDING	8
#define V1_OFFSET	16
#define V1_SIZE		24

/**
 * struct migrate - a device under test
 * @dev: the device
 * @memory: region with its state
 * @state: the same, mapped
 * @size: bytes of it
 * @v1: region of protocol v1
 */
struct migrate {
	struct vfio_client dev;
	struct vfio_client_region memory;
	__u8 *state;
	size_t size;
	struct vfio_client_region v1;
};

/**
 * struct stream - what was saved of a device, or is to be loaded
 * @data: the bytes
 * @size: how many
 */
struct stream {
	__u8 *data;
	size_t size;
};

/* migrate_dev.c; what fails and is not under test ends the test */
void migrate_open(struct migrate *m, const char *bdf, enum vfio_client_mode mode);
void migrate_close(struct migrate *m);
void migrate_reopen(struct migrate *m);

/* Fill the state with bytes that depend on @seed; are they there? */
void fill_state(struct migrate *m, unsigned int seed);
bool has_state(struct migrate *m, unsigned int seed);

/* Protocol v2; 0 or a negative errno. Without @fd a new file is closed. */
int set_state(struct migrate *m, __u32 state, int *fd);
int get_state(struct migrate *m);
const char *state_name(__u32 state);

/* From RUNNING to a state, what is loaded on the way included */
int go(struct migrate *m, __u32 state, const struct stream *stream);

void reset(struct migrate *m);

/* Read up to @size bytes, in parts of @part; what a read returned that is not more */
long read_parts(int fd, __u8 *buf, size_t size, size_t part, size_t *done);
long write_parts(int fd, const __u8 *buf, size_t size, size_t part);

struct stream save_v2(struct migrate *m, size_t part);
int load_v2(struct migrate *m, const struct stream *stream, size_t part);

/* Protocol v1; 0 or a negative errno */
int v1_read(struct migrate *m, unsigned int member, __u64 *value);
int v1_write(struct migrate *m, unsigned int member, __u64 value);
int v1_set(struct migrate *m, __u32 state);
int v1_get(struct migrate *m);

/* Read until nothing is pending */
int v1_save(struct migrate *m, struct stream *stream);
int v1_load(struct migrate *m, const struct stream *stream, size_t part);

/* Parameters of mediator_state */
void vendor_set(const char *name, const char *value);
void vendor_fails(const char *callback, int error);
unsigned int vendor_get(const char *name);

#endif /* MIGRATE_H */
