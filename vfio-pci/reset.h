/* SPDX-License-Identifier: GPL-2.0-only */
/* Resets of a device from any source, and their follow-up in each part of the driver. */

#ifndef VFIO_PCI_MEDIATE_RESET_H
#define VFIO_PCI_MEDIATE_RESET_H

#include <linux/types.h>

struct pci_dev;
struct vfio_mediate_device;
struct vpm_device;
struct vpm_part;

/* The uppermost part. Resets are followed up only while all other parts are set up. */
extern const struct vpm_part vpm_reset_part;

/**
 * vpm_reset_prepare() - &pci_error_handlers.reset_prepare
 * @pdev:	The device, open or not.
 *
 * Called when the function is about to be reset.
 *
 * Context: Process context, may sleep. The device lock is held. memory_lock may be held.
 */
void vpm_reset_prepare(struct pci_dev *pdev);

/**
 * vpm_reset_done() - &pci_error_handlers.reset_done
 * @pdev:	The device, open or not.
 *
 * Called when the function has been reset.
 *
 * Context: As for vpm_reset_prepare(). Takes reset_lock.
 */
void vpm_reset_done(struct pci_dev *pdev);

/**
 * vpm_reset_by_power() - Record that the function lost its state in a low-power state
 * @vpm:	The device, open.
 *
 * Called when the function has left that state.
 *
 * Context: Process context. memory_lock may be held. Takes reset_lock.
 */
void vpm_reset_by_power(struct vpm_device *vpm);

/**
 * vpm_reset_pending() - Check whether a reset is in progress or not followed up
 * @vpm:	The device.
 *
 * Context: Any. While the caller holds the vendor lock, a follow-up does not begin.
 * Return: True if there is such a reset.
 */
bool vpm_reset_pending(struct vpm_device *vpm);

/**
 * vpm_reset_flush() - Wait for the follow-up of all earlier resets
 * @vpm:	The device, open.
 *
 * Does not wait for a reset that is in progress.
 *
 * Context: Process context, may sleep. No lock held.
 */
void vpm_reset_flush(struct vpm_device *vpm);

/**
 * vpm_reset_by_vendor() - &vfio_mediate_host_ops.was_reset
 * @data:	The &struct vpm_device.
 *
 * Context: Process context. Takes reset_lock.
 * Return: See vfio_mediate_was_reset().
 */
int vpm_reset_by_vendor(void *data);

/**
 * vpm_reset_state_lost() - &vfio_mediate_host_ops.state_lost
 * @data:	The &struct vpm_device.
 *
 * Context: Process context. Takes reset_lock.
 * Return: See vfio_mediate_state_lost().
 */
int vpm_reset_state_lost(void *data);

/**
 * vpm_reset_serve() - Serve reset requests while the device is being removed
 * @vpm:	The device.
 * @timeout:	Maximum time in jiffies.
 *
 * Context: Process context, may sleep. The caller holds the device lock.
 * Return:
 * * True: The time is over.
 * * False: The device is closed or not mediated, or a signal is pending.
 */
bool vpm_reset_serve(struct vpm_device *vpm, unsigned long timeout);

/**
 * vpm_reset_by_user() - VFIO_DEVICE_RESET
 * @vpm:	The device, open.
 *
 * Context: Process context, may sleep. No lock held.
 * Return:
 * * %0: The device was reset.
 * * %-EAGAIN: Another task holds the device lock for too long.
 * * Other negative errno: Error of vfio_pci_core.
 */
long vpm_reset_by_user(struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_RESET_H */
