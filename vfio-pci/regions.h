/* SPDX-License-Identifier: GPL-2.0-only */
/* Set-up of regions from the declaration of the vendor driver, and mappings of regions. */

#ifndef VFIO_PCI_MEDIATE_REGIONS_H
#define VFIO_PCI_MEDIATE_REGIONS_H

struct vm_area_struct;
struct vpm_device;
struct vpm_part;

extern const struct vpm_part vpm_regions_part;

/**
 * vpm_regions_mmap() - Map a part of one of the device's own regions
 * @vpm:	The device.
 * @vma:	The mapping.
 *
 * Context: Process context, may sleep. The caller holds mmap_lock for write.
 * Return: 0 or a negative errno.
 */
int vpm_regions_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

#endif /* VFIO_PCI_MEDIATE_REGIONS_H */
