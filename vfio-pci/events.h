/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of a device: in sysfs, by generic netlink and by uevents.
 *
 * No function here waits for a listener, allocates memory or fails. Each takes
 * &vpm_events.lock, which is the innermost lock, so any lock may be held.
 */

#ifndef VFIO_PCI_MEDIATE_EVENTS_H
#define VFIO_PCI_MEDIATE_EVENTS_H

#include <linux/types.h>
#include <linux/vfio.h>

#include "device.h"
#include "status.h"

/* Below the parts whose changes it tells */
extern const struct vpm_part vpm_events_part;

/**
 * vpm_events_opened() - Tell that user space has opened a device
 * @vpm:	The device.
 *
 * Context: Process context.
 */
void vpm_events_opened(struct vpm_device *vpm);

/**
 * vpm_events_closed() - Tell that user space has closed a device
 * @vpm:	The device. Nothing is told unless it was told to be open or claimed.
 *
 * Context: Process context.
 */
void vpm_events_closed(struct vpm_device *vpm);

/**
 * vpm_events_release() - Tell that user space was asked to release a device that is removed
 * @vpm:	The device.
 *
 * Context: Process context.
 */
void vpm_events_release(struct vpm_device *vpm);

/**
 * vpm_events_power() - Tell the power state of a device
 * @vpm:	The device, open. Nothing happens unless the state has changed.
 *
 * Context: Process context.
 */
void vpm_events_power(struct vpm_device *vpm);

/**
 * vpm_events_trap() - Tell the state of a trap and its holders
 * @vpm:	The device. Nothing happens unless one of them has changed.
 *
 * Context: Process context. toggle_lock is held.
 */
void vpm_events_trap(struct vpm_device *vpm);

/**
 * vpm_events_migratable() - Note that a device has a migration state, which is RUNNING
 * @vpm:	The device, being opened.
 *
 * Context: Process context.
 */
void vpm_events_migratable(struct vpm_device *vpm);

/**
 * vpm_events_state() - Tell the migration state of a device
 * @vpm:	The device.
 * @old:	The state before.
 * @state:	The new state.
 *
 * A migration that begins clears the error of the last one.
 *
 * Context: Process context.
 */
void vpm_events_state(struct vpm_device *vpm, enum vfio_device_mig_state old,
		      enum vfio_device_mig_state state);

/**
 * vpm_events_error() - Note why a migration was refused
 * @vpm:	The device.
 * @error:	Negative errno.
 *
 * Context: Process context.
 */
void vpm_events_error(struct vpm_device *vpm, int error);

/**
 * vpm_events_tracked() - Note who tracks the memory that a device writes
 * @vpm:	The device.
 * @tracked:	Who does.
 *
 * Context: Process context.
 */
void vpm_events_tracked(struct vpm_device *vpm, enum vfio_mediate_tracked tracked);

/**
 * vpm_events_migrated() - Tell that a migration has ended on this host
 * @vpm:	The device.
 * @outcome:	Its figures. &vpm_outcome.pages and &vpm_outcome.tracked are filled in.
 *
 * Context: Process context.
 */
void vpm_events_migrated(struct vpm_device *vpm, struct vpm_outcome *outcome);

/**
 * vpm_events_count_pages() - Count pages that the vendor driver has marked dirty
 * @vpm:	The device.
 * @pages:	Number of pages.
 *
 * Context: Process context.
 */
static inline void vpm_events_count_pages(struct vpm_device *vpm, u64 pages)
{
	atomic64_add(pages, &vpm->events->pages);
}

/**
 * vpm_events_status() - Get what is seen of a device from outside
 * @vpm:	The device.
 * @status:	Set to its status.
 *
 * Context: Process context.
 */
void vpm_events_status(struct vpm_device *vpm, struct vpm_status *status);

#endif /* VFIO_PCI_MEDIATE_EVENTS_H */
