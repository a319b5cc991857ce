/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The region by which user space sees and sets traps.
 */

#ifndef VFIO_PCI_MEDIATE_TRAP_REGION_H
#define VFIO_PCI_MEDIATE_TRAP_REGION_H

#include "trap.h"

/**
 * vpm_trap_region_setup() - Add the region to a device
 * @vpm:	The device, being opened.
 *
 * Return: 0 or -ENOMEM. vfio_pci_core removes it when the device is closed.
 */
int vpm_trap_region_setup(struct vpm_device *vpm);

/**
 * vpm_trap_want() - Trap or do not, as vendor or user space say
 * @vpm:	The device; toggle_lock held.
 * @state:	State that is wanted. VPM_TRAP_SHADOW is met by VPM_TRAP_EXACT.
 *
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_want(struct vpm_device *vpm, enum vpm_trap_state state);

#endif /* VFIO_PCI_MEDIATE_TRAP_REGION_H */
