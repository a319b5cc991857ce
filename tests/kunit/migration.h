/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake vendor, whose device has some records of state, for the suites of
 * migration/.
 */

#ifndef KUNIT_MIGRATION_H
#define KUNIT_MIGRATION_H

#include <linux/types.h>

#include "engine.h"
#include "v1.h"
#include "vfio_mediate.h"

struct kunit;

#define FAKE_RECORDS	5
#define FAKE_SIZE	(FAKE_RECORDS * (FAKE_RECORDS + 1) / 2)

/*
 * What the vendor was told, a letter each: r(un), q(uiesce), s(top), and at the end of a load
 * a(rrived) or c(ancelled), which is any error.
 */
#define FAKE_LOG	64

/**
 * struct fake_vendor - What it was called for, and what it is to answer
 * @log:	Calls of run, quiesce, stop and load_end.
 * @calls:	Number of them.
 * @saving:	save_begin less save_end.
 * @errors:	What they return, by &enum vpm_level.
 * @num_vfs:	Number of VFs of the device.
 * @begin_error: What save_begin returns.
 * @save_error:	What save returns for record @save_index.
 * @save_index:	Which.
 * @pre_copies:	Number of records that pre_copy has.
 * @pre_copied:	Number of records it has given.
 * @anew:	The next pre_copy_size says that the first pass has begun anew.
 * @version:	What save_as sets, if not 0.
 * @features:	Likewise.
 * @match_error: What match returns.
 * @source:	What it was asked about.
 * @begun:	Calls of load_begin.
 * @ended:	Calls of load_end.
 * @end_error:	What the last one was told.
 * @loaded:	Records that were loaded, as bits.
 * @load_error:	What load_begin returns.
 * @apply_error: What apply returns.
 * @lose:	Loses its state when record @lose_index is saved or loaded, or at apply if
 *		that is FAKE_RECORDS; or NULL.
 * @lose_index:	Which.
 * @applied:	Calls of apply.
 */
struct fake_vendor {
	char log[FAKE_LOG];
	unsigned int calls;
	int saving;
	int errors[3];
	int num_vfs;
	int begin_error;
	int save_error;
	unsigned int save_index;
	unsigned int pre_copies;
	unsigned int pre_copied;
	bool anew;
	u32 version;
	u64 features;
	int match_error;
	struct vfio_mediate_source source;
	unsigned int begun;
	unsigned int ended;
	int end_error;
	unsigned int loaded;
	int load_error;
	int apply_error;
	struct vpm_mig *lose;
	unsigned int lose_index;
	unsigned int applied;
};

extern struct fake_vendor fake;

/**
 * struct fake_device - A device that it mediates
 * @vdev:	As much of one as is looked at.
 * @session:	From the registry.
 * @mig:	What is under test.
 * @v1:		Its region, without vfio_pci_core.
 * @stream:	What was saved of it, with room.
 */
struct fake_device {
	struct vfio_device *vdev;
	struct vfio_mediate_session *session;
	struct vpm_mig *mig;
	struct vpm_v1 v1;
	u8 stream[1024];
};

/* Open a device, with P2P or without; close it again. */
struct fake_device *fake_open_device(struct kunit *test, bool p2p);
void fake_close_device(struct fake_device *device);
int fake_register(void);
void fake_unregister(void);

/* Forget what the vendor was told. */
void fake_forget(void);

/* A change of state by protocol v2; its file is closed. */
int fake_set(struct fake_device *device, enum vfio_device_mig_state state);
enum vfio_device_mig_state fake_state(struct fake_device *device);

/* The transfer, so that it stays when its state is left; NULL when there is none. */
struct vpm_transfer *fake_transfer(struct fake_device *device);

/* VFIO_MIG_GET_PRECOPY_INFO */
int fake_precopy_info(struct vpm_transfer *transfer);

/* Without a wait for the vendor, or with one */
ssize_t fake_read(struct vpm_transfer *transfer, void *to, size_t size);
ssize_t fake_read_wait(struct vpm_transfer *transfer, void *to, size_t size);
ssize_t fake_write(struct vpm_transfer *transfer, const void *from, size_t size);

/* Save all of a device that is stopped; returns the size. */
size_t fake_save(struct kunit *test, struct fake_device *device);

/* From RUNNING to any state; what is loaded on the way is complete. */
void fake_go(struct kunit *test, struct fake_device *device,
	     enum vfio_device_mig_state state);

int fake_v1_read(struct fake_device *device, u64 offset, u64 *value);
int fake_v1_write(struct fake_device *device, u64 offset, u64 value);

#define V1_STATE	offsetof(struct vfio_device_migration_info, device_state)
#define V1_PENDING	offsetof(struct vfio_device_migration_info, pending_bytes)
#define V1_OFFSET	offsetof(struct vfio_device_migration_info, data_offset)
#define V1_SIZE		offsetof(struct vfio_device_migration_info, data_size)

#endif /* KUNIT_MIGRATION_H */
