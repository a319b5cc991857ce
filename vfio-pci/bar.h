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
struct vpm_device;
struct vpm_part;

extern const struct vpm_part vpm_bar_part;
extern const struct vpm_part vpm_decode_part;

/**
 * vpm_decode_hold() - Switch memory decoding on for the vendor's own accesses
 * @vpm:	The device, open. Nothing changes where its memory is decoded anyway.
 *
 * Until vpm_decode_release() the vendor's own accesses leave PCI_COMMAND alone, unless user
 * space writes to it. User space reads PCI_COMMAND_MEMORY as set meanwhile where the device
 * has that bit. Its own accesses to BARs depend on what it has written there, but for VFs, of
 * which vfio_pci_core asks nobody: they reach registers meanwhile that read as ones before.
 *
 * Context: Process context, sleeps; memory_lock not held.
 */
void vpm_decode_hold(struct vpm_device *vpm);

/**
 * vpm_decode_release() - Leave memory decoding to user space again
 * @vpm:	The device, open, whether it is held or not.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_release(struct vpm_device *vpm);

/**
 * vpm_decode_begin_write() - User space is about to write to PCI_COMMAND
 * @vpm:	The device, open.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_begin_write(struct vpm_device *vpm);

/**
 * vpm_decode_end_write() - It has written
 * @vpm:	The device, open.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_end_write(struct vpm_device *vpm);

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
