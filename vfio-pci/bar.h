/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses to BARs with values in kernel memory. vfio_pci_core accesses BARs only with buffers in
 * user space.
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
 * vpm_decode_hold() - Enable memory decoding for the vendor driver's own accesses
 * @vpm:	The device, open.
 *
 * Does nothing if the device decodes memory already.
 *
 * Until vpm_decode_release(), the vendor driver's own accesses do not write PCI_COMMAND, unless
 * user space writes to it. User space reads PCI_COMMAND_MEMORY as set if the device implements the
 * bit.
 *
 * User space accesses to BARs still depend on the value that user space has written. VFs are the
 * exception, because vfio_pci_core does not check the bit for them. Their registers read as ones
 * before the hold, and are accessible during the hold.
 *
 * Context: Process context, may sleep. Takes memory_lock.
 */
void vpm_decode_hold(struct vpm_device *vpm);

/**
 * vpm_decode_release() - Return control of memory decoding to user space
 * @vpm:	The device, open. Need not be held.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_release(struct vpm_device *vpm);

/**
 * vpm_decode_begin_write() - Begin a user space write to PCI_COMMAND
 * @vpm:	The device, open.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_begin_write(struct vpm_device *vpm);

/**
 * vpm_decode_end_write() - End a user space write to PCI_COMMAND
 * @vpm:	The device, open.
 *
 * Context: As for vpm_decode_hold().
 */
void vpm_decode_end_write(struct vpm_device *vpm);

/**
 * vpm_bar_rw() - Access a register in a BAR
 * @core:	The device, open.
 * @access:	The access, to VFIO_PCI_BAR0_REGION_INDEX to _BAR5_REGION_INDEX.
 *
 * Behaves as an access by vfio-pci: the MSI-X table reads as ones and ignores writes.
 *
 * Context: Process context, may sleep. Takes memory_lock.
 * Return:
 * * %0: The access is done.
 * * %-EINVAL: The register does not exist.
 * * %-EIO: Memory decoding is disabled, or the device cannot be resumed.
 * * %-EBUSY or %-ENOMEM: The BAR cannot be mapped.
 */
int vpm_bar_rw(struct vfio_pci_core_device *core,
	       struct vfio_mediate_access *access);

/**
 * vpm_is_powered() - Check whether the registers of a device are accessible
 * @pdev:	The device.
 *
 * Context: Any.
 * Return: True if the device is neither in D3 nor in an unknown power state, as during system
 * sleep.
 */
bool vpm_is_powered(struct pci_dev *pdev);

/**
 * vpm_memory_enabled() - Check whether a device decodes accesses to its BARs
 * @core:	The device, open.
 *
 * Context: The caller holds memory_lock.
 * Return: True if it does, by the rules of vfio-pci.
 */
bool vpm_memory_enabled(struct vfio_pci_core_device *core);

#endif /* VFIO_PCI_MEDIATE_BAR_H */
