/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets of a device, whoever resets it: what follows from one, for each part.
 */

#ifndef VFIO_PCI_MEDIATE_RESET_H
#define VFIO_PCI_MEDIATE_RESET_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct pci_dev;
struct vfio_mediate_device;
struct vpm_device;
struct vpm_part;

/**
 * struct vpm_reset - Resets of a device
 * @call_lock:	Held while the vendor is told that a reset begins. Inside of
 *		vfio_pci_core's memory_lock. Protects @open as well.
 * @open:	The device is open, so that resets are followed up. Written with
 *		@call_lock and &vpm_device.reset_lock held; either suffices to read it.
 *		All below is under &vpm_device.reset_lock.
 * @by_core:	The PCI core is resetting the function.
 * @lost:	The vendor has said that the state is being lost.
 * @function:	The function was reset since the last follow-up: that ends a trap.
 * @unexpected:	And it was not user space who did.
 * @generation:	Number of resets.
 * @pending:	A reset is under way, or has not been followed up. Until it has been,
 *		shadows hold what was written to the device as it was: nothing of that
 *		is written to it. Also read without a lock.
 * @work:	Follows up.
 * @server:	A task that holds the device's lock resets the device on demand.
 * @wanted:	It is asked to.
 * @result:	What came of that.
 * @wait:	Woken when one of the last three or @open has changed.
 */
struct vpm_reset {
	struct mutex call_lock;		/* see above */
	bool open;
	bool by_core;
	bool lost;
	bool function;
	bool unexpected;
	unsigned int generation;
	bool pending;
	struct work_struct work;
	bool server;
	bool wanted;
	int result;
	wait_queue_head_t wait;
};

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
 * vpm_reset_by_driver() - The was_reset op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 *
 * Return: See vfio_mediate_was_reset().
 */
int vpm_reset_by_driver(void *data);

/**
 * vpm_reset_lost() - The state_lost op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 *
 * Return: See vfio_mediate_state_lost().
 */
int vpm_reset_lost(void *data);

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
