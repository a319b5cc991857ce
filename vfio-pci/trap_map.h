/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings of pages that can be trapped.
 */

#ifndef VFIO_PCI_MEDIATE_TRAP_MAP_H
#define VFIO_PCI_MEDIATE_TRAP_MAP_H

struct vm_area_struct;
struct vpm_device;

/**
 * vpm_trap_mmap() - A mapping with pages that can be trapped
 * @vpm:	The device.
 * @vma:	As vfio_pci_core_mmap() has made it.
 *
 * Return: 0, or -EBUSY when a page of it is trapped and cannot have a shadow.
 */
int vpm_trap_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

#endif /* VFIO_PCI_MEDIATE_TRAP_MAP_H */
