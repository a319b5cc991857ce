/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor declares of regions, and mappings of them.
 */

#ifndef VFIO_PCI_MEDIATE_REGIONS_H
#define VFIO_PCI_MEDIATE_REGIONS_H

struct vm_area_struct;
struct vpm_device;
struct vpm_part;

extern const struct vpm_part vpm_regions_part;

/**
 * vpm_regions_mmap() - Map a part of one of the device's own regions
 * @vpm:	The device.
 * @vma:	Where to.
 *
 * Return: 0 or a negative errno.
 */
int vpm_regions_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

#endif /* VFIO_PCI_MEDIATE_REGIONS_H */
