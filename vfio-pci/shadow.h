/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow of one trapped page: RAM that the guest writes to in place of
 * registers, and what the vendor's table says about how it gets from there to the
 * device.
 */

#ifndef VFIO_PCI_MEDIATE_SHADOW_H
#define VFIO_PCI_MEDIATE_SHADOW_H

#include <linux/types.h>

#include "vfio_mediate.h"

struct vpm_shadow;

/**
 * typedef vpm_shadow_rw - Access a register for a shadow
 * @shadow:	The shadow.
 * @reg:	The register.
 * @write:	Whether to write.
 * @value:	What to write, or where to put what is read.
 *
 * Return: 0 or a negative errno.
 */
typedef int (*vpm_shadow_rw)(struct vpm_shadow *shadow,
			     const struct vfio_mediate_reg *reg, bool write,
			     u64 *value);

/**
 * struct vpm_shadow - The shadow of a page
 * @mem:	The page.
 * @regs:	The vendor's table.
 * @num_regs:	Number of @regs.
 * @last:	For each of @regs, what the device has, as far as the guest goes. What
 *		could not be written to it is not in here.
 * @now:	For each of @regs, what was found in @mem; only during a drain.
 * @rw:		How to get at the device.
 *
 * Whoever uses these functions sees to it that there is one at a time; the guest
 * writes to @mem all the time.
 */
struct vpm_shadow {
	void *mem;
	const struct vfio_mediate_reg *regs;
	unsigned int num_regs;
	u64 *last;
	u64 *now;
	vpm_shadow_rw rw;
};

/**
 * vpm_shadow_possible() - Can RAM stand in for registers on this machine?
 *
 * Return: Whether guest, VMM and kernel see the same in a page of RAM that the
 * first two have mapped as a device's.
 */
bool vpm_shadow_possible(void);

/**
 * vpm_shadow_check() - Is a table one that can be drained by?
 * @regs:	The table.
 * @count:	Number of @regs.
 *
 * Return: Whether all registers have a known kind and lie naturally aligned in a
 * page, no two of them overlap, and those of a queue come as controls, enables,
 * doorbells.
 */
bool vpm_shadow_check(const struct vfio_mediate_reg *regs, unsigned int count);

/**
 * vpm_shadow_init() - Make a shadow of a page
 * @shadow:	Zeroed. @regs must stay.
 * @regs:	The table, checked.
 * @count:	Number of @regs.
 * @rw:		How to get at the device.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_shadow_init(struct vpm_shadow *shadow,
		    const struct vfio_mediate_reg *regs, unsigned int count,
		    vpm_shadow_rw rw);

/**
 * vpm_shadow_free() - Undo vpm_shadow_init()
 * @shadow:	Initialised, or zeroed.
 */
void vpm_shadow_free(struct vpm_shadow *shadow);

/**
 * vpm_shadow_fill() - Make a shadow look like the device
 * @shadow:	The shadow. What was written to it, and not drained, is dropped, and so is
 *		what somebody who has it mapped writes meanwhile.
 *
 * Registers that cannot be read, as while memory is disabled, are 0.
 */
void vpm_shadow_fill(struct vpm_shadow *shadow);

/**
 * vpm_shadow_drain() - Bring to the device what the guest has written
 * @shadow:	The shadow.
 * @all:	Also controls of queues that are not enabled: before somebody may
 *		access the device directly.
 */
void vpm_shadow_drain(struct vpm_shadow *shadow, bool all);

/**
 * vpm_shadow_written() - A register was written past the shadow
 * @shadow:	The shadow, drained before that.
 * @offset:	Which, from the start of the page, naturally aligned.
 * @width:	1, 2, 4 or 8.
 * @value:	What the device has now.
 *
 * What the guest finds in the shadow is that, and it is not written again.
 */
void vpm_shadow_written(struct vpm_shadow *shadow, unsigned int offset,
			unsigned int width, u64 value);

#endif /* VFIO_PCI_MEDIATE_SHADOW_H */
