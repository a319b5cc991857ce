/* SPDX-License-Identifier: GPL-2.0-only */
/* The trap region, by which user space reads and sets traps. */

#ifndef VFIO_PCI_MEDIATE_TRAP_REGION_H
#define VFIO_PCI_MEDIATE_TRAP_REGION_H

struct vpm_device;

/**
 * vpm_trap_region_setup() - Add the trap region to a device
 * @vpm:	The device, being opened.
 *
 * vfio_pci_core removes the region when the device is closed.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_trap_region_setup(struct vpm_device *vpm);

/**
 * vpm_trap_region_teardown() - Release the eventfd of user space
 * @vpm:	The device, closed.
 */
void vpm_trap_region_teardown(struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_TRAP_REGION_H */
