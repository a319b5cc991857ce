/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets of a device, whoever resets it: what follows from one, for each part.
 */

#ifndef VFIO_PCI_MEDIATE_RESET_H
#define VFIO_PCI_MEDIATE_RESET_H

#include <linux/types.h>

struct pci_dev;
struct vfio_mediate_device;
struct vpm_device;
struct vpm_part;

/* The uppermost part: resets are followed up while all others are set up. */
extern const struct vpm_part vpm_reset_part;

/**
 * vpm_reset_prepare() - The function is about to be reset: &pci_error_handlers.reset_prepare
 * @pdev:	The device, open or not.
 *
 * Context: Process context; the device's lock is held, memory_lock may be.
 */
void vpm_reset_prepare(struct pci_dev *pdev);

/**
 * vpm_reset_done() - The function has been reset: &pci_error_handlers.reset_done
 * @pdev:	The device, open or not.
 *
 * Context: Process context, memory_lock may be held.
 */
void vpm_reset_done(struct pci_dev *pdev);

/**
 * vpm_reset_by_power() - The function has woken up as after a reset
 * @vpm:	The device, open.
 *
 * Context: As for vpm_reset_done().
 */
void vpm_reset_by_power(struct vpm_device *vpm);

/**
 * vpm_reset_pending() - Is a reset under way, or not followed up?
 * @vpm:	The device.
 *
 * Return: Whether one is. With the vendor lock held, a follow-up does not begin.
 */
bool vpm_reset_pending(struct vpm_device *vpm);

/**
 * vpm_reset_flush() - Wait until the resets up to now have been followed up
 * @vpm:	The device, open; no lock held.
 *
 * One that is still under way is not waited for.
 */
void vpm_reset_flush(struct vpm_device *vpm);

/**
 * vpm_reset_by_vendor() - The was_reset op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 *
 * Return: See vfio_mediate_was_reset().
 */
int vpm_reset_by_vendor(void *data);

/**
 * vpm_reset_state_lost() - The state_lost op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 *
 * Return: See vfio_mediate_state_lost().
 */
int vpm_reset_state_lost(void *data);

/**
 * vpm_reset_serve() - Reset a device that is being removed, whenever that is asked for
 * @vpm:	The device.
 * @timeout:	For how long at most, in jiffies.
 *
 * Context: Process context, sleeps. The device's lock is held.
 * Return: Whether the time is over; false when the device is not open any more, was not
 * mediated, or a signal is pending.
 */
bool vpm_reset_serve(struct vpm_device *vpm, unsigned long timeout);

/**
 * vpm_reset_by_user() - VFIO_DEVICE_RESET
 * @vpm:	The device, open.
 *
 * Context: Process context, sleeps, no lock held.
 * Return: 0 or a negative errno; -EAGAIN when another task has the device locked for long.
 */
long vpm_reset_by_user(struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_RESET_H */
