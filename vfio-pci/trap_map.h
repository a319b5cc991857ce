/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings of pages that can be trapped. */

#ifndef VFIO_PCI_MEDIATE_TRAP_MAP_H
#define VFIO_PCI_MEDIATE_TRAP_MAP_H

struct vm_area_struct;
struct vpm_device;

/**
 * vpm_trap_mmap() - Prepare a mapping that has pages that can be trapped
 * @vpm:	The device.
 * @vma:	The mapping, set up by vfio_pci_core_mmap().
 *
 * Does nothing when no page of the mapping can be trapped.
 *
 * Context: Process context, may sleep. The caller holds mmap_lock for write.
 * Return:
 * * %0: The mapping is ready.
 * * %-EBUSY: A page of the mapping is trapped and cannot have a shadow.
 */
int vpm_trap_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

#endif /* VFIO_PCI_MEDIATE_TRAP_MAP_H */
