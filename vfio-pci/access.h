/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes of regions that the vendor mediates.
 */

#ifndef VFIO_PCI_MEDIATE_ACCESS_H
#define VFIO_PCI_MEDIATE_ACCESS_H

#include <linux/types.h>

struct vfio_pci_core_device;
struct vpm_device;

/**
 * vpm_access_rw() - Read or write one of the device's own regions, which is mediated
 * @vpm:	The device.
 * @buf:	User space's buffer.
 * @count:	Bytes.
 * @ppos:	Position in the device file; advanced.
 * @write:	Which of the two.
 *
 * Return: Number of bytes done, or a negative errno when none was.
 */
ssize_t vpm_access_rw(struct vpm_device *vpm, char __user *buf, size_t count,
		      loff_t *ppos, bool write);

/**
 * vpm_access_extra_rw() - Read or write a region that the vendor added
 * @core:	The device.
 * @buf:	User space's buffer.
 * @count:	Bytes.
 * @ppos:	Position in the device file; advanced.
 * @write:	Which of the two.
 *
 * Return: See vpm_access_rw().
 */
ssize_t vpm_access_extra_rw(struct vfio_pci_core_device *core, char __user *buf,
			    size_t count, loff_t *ppos, bool write);

#endif /* VFIO_PCI_MEDIATE_ACCESS_H */
