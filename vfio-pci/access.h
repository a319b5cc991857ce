/* SPDX-License-Identifier: GPL-2.0-only */
/* Accesses by the device file to regions that the vendor driver mediates. */

#ifndef VFIO_PCI_MEDIATE_ACCESS_H
#define VFIO_PCI_MEDIATE_ACCESS_H

#include <linux/types.h>

struct vfio_pci_core_device;
struct vpm_device;

/**
 * vpm_access_rw() - Read or write one of the device's own regions that is mediated
 * @vpm:	The device.
 * @buf:	Buffer in user space.
 * @count:	Number of bytes.
 * @ppos:	Position in the device file. Advanced by the number of bytes done.
 * @write:	True to write, false to read.
 *
 * Context: Process context, may sleep.
 * Return: Number of bytes done, or a negative errno when none was.
 */
ssize_t vpm_access_rw(struct vpm_device *vpm, char __user *buf, size_t count,
		      loff_t *ppos, bool write);

/**
 * vpm_access_extra_rw() - Read or write a region that the vendor driver added
 * @core:	The device.
 * @buf:	Buffer in user space.
 * @count:	Number of bytes.
 * @ppos:	Position in the device file. Advanced by the number of bytes done.
 * @write:	True to write, false to read.
 *
 * Context: Process context, may sleep.
 * Return: See vpm_access_rw().
 */
ssize_t vpm_access_extra_rw(struct vfio_pci_core_device *core, char __user *buf,
			    size_t count, loff_t *ppos, bool write);

#endif /* VFIO_PCI_MEDIATE_ACCESS_H */
