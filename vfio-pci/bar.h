/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to the registers of a device with values in the kernel, where
 * vfio_pci_core has only buffers of user space.
 */

#ifndef VFIO_PCI_MEDIATE_BAR_H
#define VFIO_PCI_MEDIATE_BAR_H

#include <linux/types.h>

struct pci_dev;
struct vfio_mediate_access;
struct vfio_pci_core_device;

/**
 * vpm_bar_rw() - Access a register in a BAR
 * @core:	The device, open.
 * @access:	Which, in VFIO_PCI_BAR0_REGION_INDEX to _BAR5_REGION_INDEX.
 *
 * As user space would by vfio-pci: the MSI-X table reads as ones and ignores
 * writes.
 *
 * Context: Process context, sleeps; memory_lock not held.
 * Return: 0; -EINVAL when there is no such register; -EIO when the device's memory
 * is disabled or it cannot be woken; -EBUSY, -ENOMEM when its BAR cannot be mapped.
 */
int vpm_bar_rw(struct vfio_pci_core_device *core,
	       struct vfio_mediate_access *access);

/**
 * vpm_is_powered() - Are the device's registers where they should be?
 * @pdev:	The device.
 *
 * Return: Whether it is neither in D3 nor in a state that nobody knows, as while the
 * system sleeps.
 */
bool vpm_is_powered(struct pci_dev *pdev);

/**
 * vpm_memory_enabled() - Does the device answer to accesses to its BARs?
 * @core:	The device, open; memory_lock held.
 *
 * Return: Whether it does, as vfio-pci sees it.
 */
bool vpm_memory_enabled(struct vfio_pci_core_device *core);

#endif /* VFIO_PCI_MEDIATE_BAR_H */
