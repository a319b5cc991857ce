/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The region by which user space sees and sets traps.
 */

#ifndef VFIO_PCI_MEDIATE_TRAP_REGION_H
#define VFIO_PCI_MEDIATE_TRAP_REGION_H

struct vpm_device;

/**
 * vpm_trap_region_setup() - Add the region to a device
 * @vpm:	The device, being opened.
 *
 * Return: 0 or -ENOMEM. vfio_pci_core removes the region when the device is closed.
 */
int vpm_trap_region_setup(struct vpm_device *vpm);

/**
 * vpm_trap_region_teardown() - Forget the eventfd that user space has written
 * @vpm:	The device, closed.
 */
void vpm_trap_region_teardown(struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_TRAP_REGION_H */
