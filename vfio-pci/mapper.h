/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process that has a device's pages mapped.
 */

#ifndef VFIO_PCI_MEDIATE_MAPPER_H
#define VFIO_PCI_MEDIATE_MAPPER_H

#include <linux/spinlock.h>

struct mm_struct;

/**
 * struct vpm_mapper - The process that has a device's pages mapped
 * @lock:	Protects @mm. Innermost.
 * @mm:		Of the first that mapped one, among those that had not ended then; or NULL.
 *		A reference to the struct is held, not to the address space.
 *
 * A process that runs a guest maps the device first, unless it got the device from one
 * that has ended.
 */
struct vpm_mapper {
	spinlock_t lock;	/* see above */
	struct mm_struct *mm;
};

/**
 * vpm_mapper_init() - Prepare, once
 * @mapper:	Of a device.
 */
void vpm_mapper_init(struct vpm_mapper *mapper);

/**
 * vpm_mapper_note() - A process maps a page
 * @mapper:	Of the device.
 * @mm:		Of the process.
 */
void vpm_mapper_note(struct vpm_mapper *mapper, struct mm_struct *mm);

/**
 * vpm_mapper_lock() - Keep the process from faulting and mapping
 * @mapper:	Of the device.
 *
 * Context: Process context, sleeps. Takes mmap_lock for write.
 * Return: What vpm_mapper_unlock() must follow with; NULL when there is no process.
 */
struct mm_struct *vpm_mapper_lock(struct vpm_mapper *mapper);

/**
 * vpm_mapper_unlock() - Undo vpm_mapper_lock()
 * @mm:		What that returned; NULL is allowed.
 */
void vpm_mapper_unlock(struct mm_struct *mm);

/**
 * vpm_mapper_forget() - The device is being closed
 * @mapper:	Of the device, which nobody has mapped any more.
 */
void vpm_mapper_forget(struct vpm_mapper *mapper);

#endif /* VFIO_PCI_MEDIATE_MAPPER_H */
