/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instructions: what a machine with one CPU has executed, whose time-stamp counter counts
 * instructions (QEMU's -icount shift=0,sleep=off).
 *
 * It is never idle: a process of this program runs when no other wants to, and counts. What
 * it has run is subtracted from what the counter says, and the rest is all that the machine
 * has done, interrupts and kernel threads included.
 */
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

#include <linux/types.h>

/**
 * struct span - A while, in ticks of the time-stamp counter
 * @elapsed:	All of it.
 * @work:	Of which the CPU had something to do.
 */
struct span {
	__u64 elapsed;
	__u64 work;
};

/* Once, before all that follows; it ends with a message where they cannot be counted */
void count_instructions(void);

struct span begin(void);
struct span end(struct span since);

/* Sorts them. */
__u64 median(__u64 *values, unsigned int n);

#endif /* INSTRUCTIONS_H */
