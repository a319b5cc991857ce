/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow of one trapped page: RAM that the guest writes instead of registers. A register table
 * of the vendor driver tells how to forward the writes to the device.
 */

#ifndef VFIO_PCI_MEDIATE_SHADOW_H
#define VFIO_PCI_MEDIATE_SHADOW_H

#include <linux/types.h>

#include "vfio_mediate.h"

struct vpm_shadow;

/**
 * typedef vpm_shadow_rw - Access a register of the device
 * @shadow:	The shadow.
 * @reg:	The register.
 * @write:	True to write, false to read.
 * @value:	Value to write, or value that was read.
 *
 * Return: 0 or a negative errno.
 */
typedef int (*vpm_shadow_rw)(struct vpm_shadow *shadow,
			     const struct vfio_mediate_reg *reg, bool write,
			     u64 *value);

/**
 * struct vpm_shadow - The shadow of a page
 * @mem:	The shadow page.
 * @regs:	Register table of the vendor driver.
 * @num_regs:	Number of @regs.
 * @last:	Last value of each of @regs that was forwarded to or read from the device. Unchanged
 *		by a failed write.
 * @now:	Value of each of @regs in @mem. Valid during a drain only.
 * @rw:		Callback that accesses the device.
 *
 * The caller serializes all functions below. The guest writes to @mem at any time.
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
 * vpm_shadow_possible() - Check whether RAM can replace registers on this machine
 *
 * Return: True if the guest, the VMM and the kernel see the same content of a page of RAM that the
 * guest and the VMM have mapped as device memory.
 */
bool vpm_shadow_possible(void);

/**
 * vpm_shadow_check() - Check a register table
 * @regs:	The table.
 * @count:	Number of @regs.
 *
 * All registers must have a known kind, lie naturally aligned in a page, and not overlap. The
 * registers of a queue must be ordered: controls, enables, doorbells.
 *
 * Context: Process context, may sleep.
 * Return: True if the table is valid.
 */
bool vpm_shadow_check(const struct vfio_mediate_reg *regs, unsigned int count);

/**
 * vpm_shadow_init() - Initialize the shadow of a page
 * @shadow:	The shadow, zeroed.
 * @regs:	Register table, checked by vpm_shadow_check(). Must stay valid until
 *		vpm_shadow_free().
 * @count:	Number of @regs.
 * @rw:		Callback that accesses the device.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int vpm_shadow_init(struct vpm_shadow *shadow,
		    const struct vfio_mediate_reg *regs, unsigned int count,
		    vpm_shadow_rw rw);

/**
 * vpm_shadow_free() - Undo vpm_shadow_init()
 * @shadow:	The shadow, initialized or zeroed.
 */
void vpm_shadow_free(struct vpm_shadow *shadow);

/**
 * vpm_shadow_fill() - Fill a shadow page from the device
 * @shadow:	The shadow.
 *
 * Drops writes that were not drained, and concurrent writes by a mapping. Registers that cannot be
 * read are 0, for example while memory decoding is disabled.
 */
void vpm_shadow_fill(struct vpm_shadow *shadow);

/**
 * vpm_shadow_drain() - Forward writes of the guest to the device
 * @shadow:	The shadow.
 * @all:	Forward controls of queues that are not enabled too. Needed before the device may be
 *		accessed directly.
 *
 * Return: Number of registers that were written.
 */
unsigned int vpm_shadow_drain(struct vpm_shadow *shadow, bool all);

/**
 * vpm_shadow_written() - Record a register write that bypassed the shadow
 * @shadow:	The shadow, drained before the write.
 * @offset:	Offset in the page, naturally aligned.
 * @width:	1, 2, 4 or 8.
 * @value:	Value that was written to the device.
 *
 * Updates the shadow page. The value is not forwarded again.
 */
void vpm_shadow_written(struct vpm_shadow *shadow, unsigned int offset,
			unsigned int width, u64 value);

#endif /* VFIO_PCI_MEDIATE_SHADOW_H */
