/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process that has mapped the pages of a device.
 */

#ifndef VFIO_PCI_MEDIATE_MAPPER_H
#define VFIO_PCI_MEDIATE_MAPPER_H

#include <linux/spinlock.h>

struct mm_struct;

/**
 * struct vpm_mapper - The process that has mapped the pages of a device
 * @lock:	Protects @mm. Innermost lock.
 * @mm:		Address space of the first process that mapped a page, or NULL. Replaced on a later
 *		mapping if that process has exited. Holds a reference to the struct (mmgrab), not to
 *		the address space.
 *
 * A process that runs a guest maps the device first, unless it received the device from a process
 * that has exited.
 */
struct vpm_mapper {
	spinlock_t lock;	/* see above */
	struct mm_struct *mm;
};

/**
 * vpm_mapper_init() - Initialize a mapper
 * @mapper:	The mapper.
 */
void vpm_mapper_init(struct vpm_mapper *mapper);

/**
 * vpm_mapper_note() - Record that a process maps a page
 * @mapper:	The mapper.
 * @mm:		Address space of the process.
 *
 * Context: Process context. Takes @mapper->lock.
 */
void vpm_mapper_note(struct vpm_mapper *mapper, struct mm_struct *mm);

/**
 * vpm_mapper_lock() - Block page faults and mmap() of the process
 * @mapper:	The mapper.
 *
 * Context: Process context, may sleep. Takes mmap_lock for write.
 * Return: Argument of vpm_mapper_unlock(), or NULL when there is no process.
 */
struct mm_struct *vpm_mapper_lock(struct vpm_mapper *mapper);

/**
 * vpm_mapper_unlock() - Undo vpm_mapper_lock()
 * @mm:		Return value of vpm_mapper_lock(). May be NULL.
 *
 * Context: Process context. Releases mmap_lock.
 */
void vpm_mapper_unlock(struct mm_struct *mm);

/**
 * vpm_mapper_forget() - Forget the process on close
 * @mapper:	The mapper of a device that is no longer mapped.
 */
void vpm_mapper_forget(struct vpm_mapper *mapper);

#endif /* VFIO_PCI_MEDIATE_MAPPER_H */
