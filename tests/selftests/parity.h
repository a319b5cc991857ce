/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parity - a transcript of what a vfio PCI driver answers, call by call.
 *
 * Each call prints one line, "<name>: <result>". Names are unique and neither
 * names nor results depend on the driver, the process or the time, so that
 * the transcripts of two drivers for the same device compare line by line.
 *
 * The calls are those that reach the operations of a vfio PCI driver: .match,
 * .open_device, .close_device, .attach_ioas, .detach_ioas, .ioctl with each of
 * its commands, .get_region_info_caps, .device_feature, .read, .write, .mmap,
 * .request, and a reset. Of each operation there are calls that succeed and
 * calls that are refused, in all regions. What vfio, a container or an iommufd
 * does by itself is left to upstream's VFIO selftests.
 */
#ifndef PARITY_H
#define PARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "vfio_client.h"

/* As in the kernel; in one line checkpatch would have it call itself */
#define printf_format(fmt, args) __format__(__printf__, fmt, args)
#define __printf(fmt, args) __attribute__((printf_format(fmt, args)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define PAGE_4K 4096u

/* Length of a name and of a result in the transcript */
#define PARITY_NAME_LEN 128
#define PARITY_TEXT_LEN 1024

/*
 * Registers of the Intel 82576 virtual function, BAR 0. The mailbox memory is
 * plain memory between the VF and the PF. The PF driver writes its first word
 * when the link changes, hence the words used here are those from 8 on. All that
 * a reset of the function changes, in QEMU's model, is IGBVF_QUEUE_ENABLE.
 */
#define IGBVF_MAILBOX	0x0800
#define IGBVF_SCRATCH	(IGBVF_MAILBOX + 8 * 4)
#define IGBVF_SCRATCH_WORDS 8
#define IGBVF_STATUS	0x0008
#define IGBVF_VTIVAR	0x1700
#define IGBVF_RDBAH	0x2804
#define IGBVF_TDBAH	0x3804
#define IGBVF_TXDCTL	0x3828
#define IGBVF_QUEUE_ENABLE 0x02000000

#define IGBVF_VENDOR	0x8086
#define IGBVF_DEVICE	0x10ca

/**
 * struct parity - state of one transcript
 * @dev: the device
 * @region: the regions of the device, by index
 * @msix_cap: config offset of the MSI-X capability, 0 when absent
 * @pm_cap: config offset of the power management capability, 0 when absent
 * @exp_cap: config offset of the PCI Express capability, 0 when absent
 * @msix_bar: BAR that holds the MSI-X table
 * @msix_table: offset of the MSI-X table in that BAR
 * @msix_vectors: number of MSI-X vectors
 * @scratch: what the scratch registers held before
 * @bad_fd: a number that is no open file descriptor
 * @name: names printed so far
 * @name_room: number of names that fit into @name
 * @calls: number of lines printed
 * @wrong: number of deliberately wrong calls that failed
 * @repeated: a name was printed twice
 */
struct parity {
	struct vfio_client dev;
	struct vfio_client_region region[VFIO_PCI_NUM_REGIONS];
	__u8 msix_cap;
	__u8 pm_cap;
	__u8 exp_cap;
	__u32 msix_bar;
	__u32 msix_table;
	__u32 msix_vectors;
	__u32 scratch[IGBVF_SCRATCH_WORDS];
	int bad_fd;
	char (*name)[PARITY_NAME_LEN];
	size_t name_room;
	unsigned int calls;
	unsigned int wrong;
	bool repeated;
};

/* parity.c: the transcript */

/*
 * Record a call: @ret is its result, a negative one an errno value; @detail
 * goes behind a result that is not an error, NULL for none.
 */
__printf(4, 5)
void parity_call(struct parity *p, long ret, const char *detail,
		 const char *fmt, ...);

/* Record a call that is wrong on purpose and counts when it fails */
__printf(3, 4)
void parity_wrong(struct parity *p, long ret, const char *fmt, ...);

/* Record a call whose result is not a number */
__printf(3, 4)
void parity_text(struct parity *p, const char *text, const char *fmt, ...);

/* Describe @len bytes of data, as such when they are few, else by a hash */
const char *parity_data(char *text, const void *data, long len);

/* Find the regions and capabilities, after every open of the device */
int parity_look_up_device(struct parity *p);

/* Report a failure of the set-up on stderr; returns @ret */
int parity_set_up_failed(const struct parity *p, const char *what, int ret);

/* Access to the device, without a line in the transcript */
long parity_read(struct parity *p, __u32 index, __u64 off, void *buf,
		 size_t len);
long parity_write(struct parity *p, __u32 index, __u64 off, const void *buf,
		  size_t len);
__u32 parity_config(struct parity *p, __u32 off, size_t len);
void parity_fill_scratch(struct parity *p);

/* Access to the device, with a line in the transcript */
__printf(5, 6)
void parity_show(struct parity *p, __u32 index, __u64 off, size_t len,
		 const char *fmt, ...);
__printf(6, 7)
void parity_store(struct parity *p, __u32 index, __u64 off, __u32 val,
		  size_t len, const char *fmt, ...);

/* Access to mapped registers; false when it raised SIGBUS */
bool parity_load32(const void *addr, __u32 *val);
bool parity_store32(void *addr, __u32 val);
__printf(3, 4)
void parity_show_mapped(struct parity *p, const void *addr, const char *fmt,
			...);

/* An eventfd and its counter, 0 when it has not been signalled */
int parity_eventfd(void);
__u64 parity_eventfd_count(int fd);

/* Give the first vector of an interrupt an eventfd, -1 takes it away */
int parity_set_fd(struct parity *p, __u32 index, int fd);

/* Trigger vectors of an interrupt; 0 of them disable it */
int parity_trigger(struct parity *p, __u32 index, __u32 start, __u32 count);

/* parity_open.c: open the device; what is open stays open on failure */
int parity_open(struct parity *p);
int parity_reopen(struct parity *p);

/* parity_info.c */
void parity_device_info(struct parity *p);
void parity_region_info(struct parity *p);
void parity_irq_info(struct parity *p);
void parity_hot_reset(struct parity *p);

/* parity_config.c */
void parity_config_hash(struct parity *p, const char *when);
void parity_config_access(struct parity *p);
void parity_config_write(struct parity *p);

/* parity_mmap.c */
void parity_mmap(struct parity *p);

/* parity_bar.c */
void parity_bar(struct parity *p);
void parity_decode(struct parity *p);
void parity_reset(struct parity *p);

/* parity_irq.c */
void parity_irq(struct parity *p);
void parity_ioeventfd(struct parity *p);

/* parity_feature.c */
void parity_feature(struct parity *p);

/* parity_wrong.c */
void parity_wrong_calls(struct parity *p);

/* parity_unbind.c: the device must be closed, and has no driver afterwards */
int parity_unbind(struct parity *p);

#endif /* PARITY_H */
