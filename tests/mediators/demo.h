/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mediator_demo: uses every feature of vfio_mediate.h on the VFs of an 82576, and is not a
 * NIC driver. The selftest "mediate" depends on each register.
 */

#ifndef MEDIATOR_DEMO_H
#define MEDIATOR_DEMO_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "vfio_mediate.h"

struct dentry;

/* BAR 0: mediated ranges */
#define DEMO_STATUS		0x0008	/* reads a speed of 100 Mb/s */
#define DEMO_MAILBOX_MEM	0x0824	/* 8 emulated bytes inside real memory */
#define DEMO_V2PMAILBOX		0x0c40	/* passed through, counted */
#define DEMO_SCRATCH		0x0e04	/* 8 bytes, not aligned to 8 */
#define DEMO_SCRATCH64		0x0e10	/* 8 bytes, aligned to 8 */

/* Extra region 0: a write of 4 bytes signals */
#define DEMO_MEMORY_SIZE	8192
#define DEMO_SIGNAL_VECTOR	4096	/* vector N of interrupt 0 */
#define DEMO_SIGNAL_OTHER	4100	/* vector 0 of interrupt 1 */

#define DEMO_PATTERN_SIZE	4096	/* extra region 1 */
#define DEMO_ROM_SIZE		4096
#define DEMO_BAR5_SIZE		32	/* memory, which the device does not have */
#define DEMO_SUBSYSTEM		0x12345678

enum demo_scratch {
	SCRATCH_MAILBOX_MEM,
	SCRATCH_LOW,
	SCRATCH_64,
	NUM_SCRATCH
};

/* Writes to a register of a trapped page */
struct demo_record {
	u32 offset;
	u32 writes;
	u64 last;
	u32 backwards;		/* writes of a value less than the one before */
	u32 sequence;		/* number of the last write, counted over all registers */
};

#define DEMO_MAX_RECORDS	48

/* An open device */
struct demo {
	/* Of toggle, see demo.c */
	struct vfio_mediate_device *dev;
	struct list_head node;
	unsigned int users;
	bool closing;

	u8 *memory;
	struct dentry *dir;
	unsigned int num_records;

	spinlock_t lock;	/* protects all below */
	u64 scratch[NUM_SCRATCH];
	u64 bar5[DEMO_BAR5_SIZE / 8];
	struct demo_record records[DEMO_MAX_RECORDS];
	u32 sequence;
	u32 passed;		/* accesses to mediated ranges, by how they were served */
	u32 emulated;
	u32 trapped;		/* accesses to trapped pages */
	u32 widths[4];		/* the same accesses, by width: 1, 2, 4, 8 bytes */
	u32 prepared;		/* calls of reset_prepare, reset_finish, reset_done */
	u32 finished;
	u32 done;
	u32 unexpected;		/* calls of reset_done with unexpected set */
	u32 on;			/* calls of trap_changed with on set, and without */
	u32 off;
	u32 released;		/* calls of trap_changed with released set */
};

/* demo_rw.c */

/* While set, accesses to DEMO_SCRATCH and mmap() of the memory do not return. */
extern bool demo_stall;

/* Return value of get_region_info */
extern u32 demo_info_answer;

/* While set, get_region_info says of each region that it can be read, written and mapped. */
extern bool demo_info_all;

int demo_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);
int demo_mmap(struct vfio_mediate_device *dev, u32 region, u64 offset, u64 size,
	      void **memory);

/* Count a call in a member of demo. */
void demo_count(struct demo *demo, u32 *calls);

/* Count a call of trap_changed. */
void demo_count_trap(struct demo *demo, bool on, bool released);

/* demo_trap.c */

/* Return: 0, or -EINVAL if there is no choice of that name. */
int demo_traps_check(const char *traps);
/* Declare the pages of a choice. */
void demo_traps_set(struct demo *demo, const char *traps);

/* Count an access to a trapped page. */
void demo_trap_access(struct demo *demo, struct vfio_mediate_access *access);
bool demo_trap_covers(struct demo *demo, u32 region, u64 offset);

void demo_debugfs_init(void);
void demo_debugfs_exit(void);
void demo_debugfs_add(struct demo *demo);
void demo_debugfs_remove(struct demo *demo);

#endif /* MEDIATOR_DEMO_H */
