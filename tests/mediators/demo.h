/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mediator_demo: a vendor that is not a NIC driver and uses every feature of
 * vfio_mediate.h on the VFs of an 82576. The selftest "mediate" knows what it
 * offers, register by register.
 */

#ifndef MEDIATOR_DEMO_H
#define MEDIATOR_DEMO_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "vfio_mediate.h"

struct dentry;

/* BAR 0, mediated all the time */
#define DEMO_STATUS		0x0008	/* speed is said to be 100 Mb/s */
#define DEMO_MAILBOX_MEM	0x0824	/* 8 bytes emulated amid real memory */
#define DEMO_V2PMAILBOX		0x0c40	/* passed through, counted */
#define DEMO_SCRATCH		0x0e04	/* 8 bytes, not aligned to 8 */
#define DEMO_SCRATCH64		0x0e10	/* 8 bytes that can be accessed at once */

/* Only with traps=hammer: not a register of the device */
#define DEMO_KICK		0x2840
#define DEMO_KICK_IDLE		0xffffffff

/* Extra region 0: a write of 4 bytes signals */
#define DEMO_MEMORY_SIZE	8192
#define DEMO_SIGNAL_VECTOR	4096	/* vector N of interrupt 0 */
#define DEMO_SIGNAL_OTHER	4100	/* vector 0 of interrupt 1 */

#define DEMO_PATTERN_SIZE	4096	/* extra region 1 */
#define DEMO_ROM_SIZE		4096
#define DEMO_SUBSYSTEM		0x12345678

enum demo_scratch {
	SCRATCH_MAILBOX_MEM,
	SCRATCH_LOW,
	SCRATCH_64,
	NUM_SCRATCH
};

/* What came to a register of a trapped page. */
struct demo_record {
	u32 offset;
	u32 writes;
	u64 last;
	u32 backwards;		/* writes of less than the one before */
	u32 sequence;		/* of the last write, among those to all registers */
};

#define DEMO_MAX_RECORDS	48

/* A device that is open. */
struct demo {
	/* Until release; for toggle, see demo.c */
	struct vfio_mediate_device *dev;
	struct list_head node;
	unsigned int users;
	bool closing;

	u8 *memory;
	struct dentry *dir;
	unsigned int num_records;

	spinlock_t lock;	/* protects all below */
	u64 scratch[NUM_SCRATCH];
	struct demo_record records[DEMO_MAX_RECORDS];
	u32 sequence;
	u32 passed;		/* accesses to mediated ranges, by what was done */
	u32 emulated;
	u32 trapped;		/* accesses to trapped pages */
	u32 widths[4];		/* accesses to mediated ranges of 1, 2, 4, 8 bytes */
	u32 prepared;		/* calls of reset_prepare, reset_done */
	u32 done;
	u32 unexpected;		/* of the latter */
	u32 on;			/* calls of trap_changed */
	u32 off;
	u32 released;		/* of these */
};

/* demo_rw.c */

/* Accesses to DEMO_SCRATCH, and mmap() of the memory, take for as long as this is set. */
extern bool demo_stall;

/* What get_region_info returns. */
extern u32 demo_info_answer;

int demo_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access,
	    bool *pt);
int demo_mmap(struct vfio_mediate_device *dev, u32 region, u64 offset, u64 size,
	      void **memory, bool *pt);

/* Calls of reset_prepare, or of reset_done */
void demo_count_reset(struct demo *demo, bool done, bool unexpected);

/* A call of trap_changed */
void demo_count_trap(struct demo *demo, bool on, bool released);

/* demo_trap.c */

/* Set which pages can be trapped; -EINVAL when @traps is not known. */
int demo_traps_check(const char *traps);
void demo_traps_set(struct demo *demo, const char *traps);

/* An access to a trapped page: true when the register is emulated. */
bool demo_trap_access(struct demo *demo, struct vfio_mediate_access *access);
bool demo_trap_covers(struct demo *demo, u32 region, u64 offset);

void demo_debugfs_init(void);
void demo_debugfs_exit(void);
void demo_debugfs_add(struct demo *demo);
void demo_debugfs_remove(struct demo *demo);

#endif /* MEDIATOR_DEMO_H */
