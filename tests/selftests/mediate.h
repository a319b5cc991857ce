/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VF of an 82576 that mediator_demo mediates, for the tests of every call that a
 * mediated device adds to those of vfio.
 */
#ifndef MEDIATE_H
#define MEDIATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "testlib.h"
#include "vfio_client.h"

#include <linux/vfio_mediate.h>

/* Registers of BAR 0, of the device and of mediator_demo */
#define REG_VTCTRL	0x0000
#define VTCTRL_RST	0x04000000u
#define REG_STATUS	0x0008
#define REG_MAILBOX_MEM	0x0820	/* plain memory of the device, 32 bytes */
#define DEMO_MAILBOX_MEM 0x0824	/* 8 bytes emulated amid it */
#define REG_V2PMAILBOX	0x0c40
#define DEMO_SCRATCH	0x0e04
#define DEMO_SCRATCH64	0x0e10
#define REG_VTIVAR	0x1700	/* plain memory, in page 1 */
#define RX_PAGE		0x2000
#define TX_PAGE		0x3000
#define REG_RDBAL	0x2800
#define REG_RDBAH(q)	(0x2804 + (q) * 0x100)
#define REG_RDLEN	0x2808
#define REG_RDH		0x2810
#define REG_RDT		0x2818
#define REG_RXDCTL	0x2828
#define REG_TDBAL	0x3800
#define REG_TDBAH(q)	(0x3804 + (q) * 0x100)
#define REG_TDLEN	0x3808
#define REG_TDH		0x3810
#define REG_TDT		0x3818
#define REG_TXDCTL	0x3828
#define QUEUE_ENABLE	0x02000000u
#define BAR0_SIZE	0x4000u

#define DEMO_TYPE ((__u32)VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x8086)
#define DEMO_MEMORY_SIZE 8192u
#define DEMO_SIGNAL_VECTOR 4096
#define DEMO_SIGNAL_OTHER 4100

#define TRAP_OFF	0u
#define TRAP_ON		VFIO_DEVICE_TRAP_ON
#define TRAP_EXACT	(VFIO_DEVICE_TRAP_ON | VFIO_DEVICE_TRAP_ACK)

#define MAX_REGIONS 32

/* Values of mediator_demo's parameter traps */
enum mediate_traps { TRAPS_NONE, TRAPS_NET, TRAPS_NOSHADOW, TRAPS_HAMMER };

/**
 * struct mediate - the device under test
 * @dev: the device
 * @traps: what mediator_demo can trap
 * @rom: whether it gives the device a ROM
 * @sparse: whether it lets only page 1 of BAR 0 be mapped
 * @region: the regions, by index
 * @num_regions: how many there are
 * @num_irqs: likewise
 * @memory: region that holds memory, found by its type
 * @pattern: region that holds a pattern
 * @irq4: interrupt with four vectors
 * @irq_auto: interrupt that masks itself
 * @irq_trap: interrupt that says that traps have changed, 0 when there is none
 */
struct mediate {
	struct vfio_client dev;
	enum mediate_traps traps;
	bool rom;
	bool sparse;
	struct vfio_client_region region[MAX_REGIONS];
	__u32 num_regions;
	__u32 num_irqs;
	struct vfio_client_region *memory;
	struct vfio_client_region *pattern;
	__u32 irq4;
	__u32 irq_auto;
	__u32 irq_trap;
};

/**
 * struct mediate_counts - what mediator_demo has seen, from its debugfs file
 * @passed: accesses to mediated ranges that it passed through
 * @emulated: accesses that it served
 * @trapped: accesses to trapped pages
 * @prepared: resets that were announced
 * @finished: how many of those it was told of at once
 * @done: resets that it was told of
 * @unexpected: how many of those nobody knew of
 * @on: times that it was told that pages are trapped
 * @off: times that it was told that they no longer are
 * @released: how many of these were because a reset ended its hold
 * @width: accesses to mediated ranges of 1, 2, 4, 8 bytes
 */
struct mediate_counts {
	unsigned int passed;
	unsigned int emulated;
	unsigned int trapped;
	unsigned int prepared;
	unsigned int finished;
	unsigned int done;
	unsigned int unexpected;
	unsigned int on;
	unsigned int off;
	unsigned int released;
	unsigned int width[4];
};

/* What it has seen of a register in a trapped page */
struct mediate_record {
	unsigned int writes;
	unsigned long long last;
	unsigned int backwards;
	unsigned int sequence;
};

/* The device and its mediator; what fails and is not under test ends the test */
void mediate_open(struct mediate *m, const char *bdf, enum vfio_client_mode mode);
void mediate_close(struct mediate *m);

long region_read(struct mediate *m, const struct vfio_client_region *region,
		 __u64 off, void *buf, size_t len);
long region_write(struct mediate *m, const struct vfio_client_region *region,
		  __u64 off, const void *buf, size_t len);

/* 32-bit registers of BAR 0 through the file; a failure ends the test */
__u32 bar_read32(struct mediate *m, __u64 off);
void bar_write32(struct mediate *m, __u64 off, __u32 val);

/* Map pages of BAR 0; a failure ends the test */
void *bar_map(struct mediate *m, __u64 off, size_t len);
int try_map(struct mediate *m, const struct vfio_client_region *region, __u64 off,
	    size_t len, int flags, void **addr);

/* Accesses through a mapping; false when they raised SIGBUS */
bool load32(const void *addr, __u32 *val);
bool store32(void *addr, __u32 val);

/* VFIO_MEDIATE_FEATURE_TRAP as it is: 0 or a negative errno */
int trap_read(struct mediate *m, struct vfio_device_feature_trap *state);
int trap_write(struct mediate *m, __u32 flags, __u64 sequence);

/* TRAP_* that it is, or a negative errno */
long trap_get(struct mediate *m);

/* Have it TRAP_*, exact whatever it was before: 0 or a negative errno */
long trap_set(struct mediate *m, __u32 state);

/* Acknowledge whatever state it is in: 0 or a negative errno */
int trap_ack(struct mediate *m);

/* Have its interrupt signal an eventfd, or none: 0 or a negative errno */
int trap_listen(struct mediate *m, int fd);

int demo_param_set(const char *name, const char *value);
int demo_toggle(bool on);

/* Who mediates a device, "none" included, by its sysfs attribute */
bool is_mediated_by(const char *bdf, const char *name);

/* Files of mediator_demo in debugfs, whose values hold for all devices */
void demo_debugfs_set(const char *name, const char *value);

/* Between two drains, with time to spare */
void wait_drain(void);

struct mediate_counts demo_counts(struct mediate *m);
struct mediate_record demo_record(struct mediate *m, unsigned int offset);
void demo_reset(struct mediate *m);

/* Have it say that the device was reset, or loses its state */
void demo_say(struct mediate *m, bool lost);

/* An eventfd that does not block, and its counter, 0 when not signalled */
int new_eventfd(void);
unsigned long long eventfd_count(int fd);

#endif /* MEDIATE_H */
