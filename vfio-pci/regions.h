/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Regions in which a vendor has a say: declaration, access, mmap.
 */

#ifndef VFIO_PCI_MEDIATE_REGIONS_H
#define VFIO_PCI_MEDIATE_REGIONS_H

#include <linux/types.h>

struct vfio_mediate_access;
struct vfio_mediate_device;
struct vfio_pci_mediate_ops;
struct vm_area_struct;
struct vpm_device;

/* Results of an access that are no errors */
#define VPM_NOT_NOW		1	/* not served like this at the moment */
#define VPM_PASS_THROUGH	2	/* to be done with user space's memory */

/**
 * vpm_regions_setup() - Take over what a vendor declares of regions
 * @vpm:	The device, being opened.
 * @dev:	The declaration.
 * @ops:	Who declares it.
 *
 * Return: 0, -EINVAL when the declaration makes no sense, -ENOMEM. Whatever is
 * returned, vpm_regions_teardown() must follow.
 */
int vpm_regions_setup(struct vpm_device *vpm,
		      const struct vfio_mediate_device *dev,
		      const struct vfio_pci_mediate_ops *ops);

/**
 * vpm_regions_teardown() - Undo vpm_regions_setup()
 * @vpm:	The device, closed by vfio_pci_core already.
 */
void vpm_regions_teardown(struct vpm_device *vpm);

/**
 * vpm_region_size() - Size of one of the device's own regions
 * @vpm:	The device.
 * @index:	Its index.
 *
 * Return: Bytes, 0 where there is none.
 */
u64 vpm_region_size(struct vpm_device *vpm, u32 index);

/**
 * vpm_regions_rw() - Read or write a region in which the vendor has a say
 * @vpm:	The device.
 * @buf:	User space's buffer.
 * @count:	Bytes.
 * @ppos:	Position in the device file; advanced.
 * @write:	Which of the two.
 *
 * Return: Number of bytes done, or a negative errno when none was.
 */
ssize_t vpm_regions_rw(struct vpm_device *vpm, char __user *buf, size_t count,
		       loff_t *ppos, bool write);

/**
 * vpm_regions_mmap() - Map a part of a region of the device's own
 * @vpm:	The device.
 * @vma:	Where to.
 *
 * Return: 0 or a negative errno.
 */
int vpm_regions_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

/**
 * vpm_default_rw() - What vfio-pci would do for an access
 * @data:	The &struct vpm_device.
 * @access:	The access.
 *
 * Return: See vfio_mediate_default_rw().
 */
int vpm_default_rw(void *data, struct vfio_mediate_access *access);

/**
 * vpm_vendor_rw() - Let the vendor serve an access
 * @vpm:	The device.
 * @access:	The access.
 *
 * Return: 0 or a negative errno: -ENODEV for a write when the vendor is gone; a
 * read of the device's own regions is then all ones. VPM_PASS_THROUGH for an access
 * to config space or ROM that the vendor passes through.
 */
int vpm_vendor_rw(struct vpm_device *vpm, struct vfio_mediate_access *access);

#endif /* VFIO_PCI_MEDIATE_REGIONS_H */
