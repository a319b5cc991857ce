/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracking of dirty pages that the vendor marks. The pages are reported to a type1 container, or to
 * user space by VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 */

#ifndef VFIO_MEDIATE_TRACK_H
#define VFIO_MEDIATE_TRACK_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "container.h"
#include "device.h"

struct iommufd_access;
struct vfio_mediate_device;
struct vfio_mediate_tracking_ops;
struct vpm_device;
struct vpm_dirty_log;

/**
 * struct vpm_track - Dirty tracking of a device
 * @vpm:	The device.
 * @lock:	Serializes start and stop of tracking. Inside of state_lock of the migration,
 *		outside of toggle_lock of the trap.
 * @ops:	The vendor's tracking ops, from open to close, or NULL.
 * @access:	iommufd access object by which the vendor reads memory, or NULL. Protected by the
 *		lock of the VFIO device set.
 * @active:	The vendor was told to start tracking. Written with @lock and the vendor lock held.
 *		The vendor lock also protects all members below, unless stated otherwise.
 * @readable:	The vendor can access the memory of the device. Also written with dma_lock held.
 * @saving:	vpm_track_save() was called, and vpm_track_save_done() was not. Protected by
 *		dma_lock.
 * @iommu_tracks: The IOMMU tracks dirty pages of the HWPT to which the device was attached last.
 * @error:	Why dirty pages may have been missed, a negative errno, or 0.
 * @scan_interrupted: The device was stopped, but the last scan was interrupted. Protected by
 *		state_lock of the migration.
 * @log:	Dirty log of VFIO_DEVICE_FEATURE_DMA_LOGGING_*, or NULL. Also written with
 *		dma_lock held.
 * @container:	Dirty pages that were not reported to the type1 container yet.
 * @paused:	The device is stopped or being stopped, so @scan_work does not scan. Written with
 *		state_lock of the migration held, read without.
 * @scan_work:	Periodic scan by the vendor. Queued only while @active.
 */
struct vpm_track {
	struct vpm_device *vpm;
	struct mutex lock;	/* see above */
	const struct vfio_mediate_tracking_ops *ops;
	struct iommufd_access *access;
	bool active;
	bool readable;
	bool saving;
	bool iommu_tracks;
	int error;
	bool scan_interrupted;
	struct vpm_dirty_log *log;
	struct vpm_container container;
	bool paused;
	struct delayed_work scan_work;
};

/**
 * vpm_track_start_log() - Start tracking for a dirty log
 * @vpm:	The device, open, with tracking ops of its vendor.
 * @log:	The log. vpm_track_stop_log() or the close of the device frees it.
 *
 * Context: Process context, may sleep. Takes @vpm_track.lock.
 * Return:
 * * %0: Tracking is started.
 * * %-EBUSY: The container is told of dirty pages.
 * * %-EINVAL: There is a log already.
 * * %-EOPNOTSUPP: The vendor cannot read the memory of the device.
 * * Another errno of vpm_trap_hold() or of the vendor's ->start().
 */
int vpm_track_start_log(struct vpm_device *vpm, struct vpm_dirty_log *log);

/**
 * vpm_track_stop_log() - Undo vpm_track_start_log()
 * @vpm:	The device, open. It need not have a log.
 *
 * Context: Process context, may sleep. Takes @vpm_track.lock.
 */
void vpm_track_stop_log(struct vpm_device *vpm);

/**
 * vpm_track_scan() - Have the vendor mark the pages that were written since its last scan
 * @vpm:	The device, tracked.
 * @stopped:	The device is stopped: scan to the end, and report all marks.
 *
 * Context: Process context, may sleep. The caller holds the vendor lock.
 * Return: 0 or a negative errno.
 */
int vpm_track_scan(struct vpm_device *vpm, bool stopped);

/**
 * vpm_track_attach() - Enable access to memory after the access object was attached to an IOAS
 * @vpm:	The device, open and mediated.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held. Takes the vendor
 * lock.
 */
void vpm_track_attach(struct vpm_device *vpm);

/**
 * vpm_track_detach() - Disable access to memory before the device is attached elsewhere or detached
 * @vpm:	The device, open.
 *
 * No access to memory is in progress after the return. From now on an active dirty log reports all
 * memory as dirty, until user space starts a new one.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held. Takes the vendor
 * lock.
 * Return: True if memory could be read before.
 */
bool vpm_track_detach(struct vpm_device *vpm);

/**
 * vpm_track_save() - Start tracking before a running device is saved
 * @vpm:	The device.
 *
 * With a dirty log, nothing is started. Otherwise dirty pages are reported to the type1 container.
 * If tracking fails, a container that was never told of a page still reports all memory as dirty,
 * and the save can continue.
 *
 * Context: Process context, may sleep. state_lock is held.
 * Return:
 * * %0: User space can learn all dirty pages.
 * * %-EOPNOTSUPP: User space cannot learn dirty pages, or the device shares its IOMMU group.
 * * %-ESTALE: The container was told of pages before, but the vendor does not track.
 * * Another errno of vpm_trap_hold(), of the vendor's ->start(), or of pinning pages.
 */
int vpm_track_save(struct vpm_device *vpm);

/**
 * vpm_track_save_done() - Stop tracking after a save has ended
 * @vpm:	The device.
 *
 * A container that was told of a page reports only such pages as dirty, until the device leaves
 * it. User space may still be migrating the guest. In that case the device stays tracked until it
 * is closed.
 *
 * Context: Process context, may sleep. state_lock is held.
 */
void vpm_track_save_done(struct vpm_device *vpm);

/**
 * vpm_track_pause() - Suspend or resume the periodic scan
 * @vpm:	The device.
 * @paused:	True when the device is being stopped. vpm_track_scan_stopped() does the last scan.
 *
 * A scan that is in progress is not waited for.
 *
 * Context: Process context, may sleep. state_lock is held. Takes the vendor lock to resume.
 */
void vpm_track_pause(struct vpm_device *vpm, bool paused);

/**
 * vpm_track_check() - Check that no dirty page was missed
 * @vpm:	The device, stopped or being saved while it runs.
 *
 * Context: Process context, may sleep. state_lock is held. Takes the vendor lock.
 * Return:
 * * %0: User space can learn all dirty pages.
 * * %-EOPNOTSUPP: Neither a dirty log nor the IOMMU tracks the device.
 * * %-ESTALE: The container was told of pages before, but the device ran without tracking.
 * * %-EINTR: The last scan of the stopped device was interrupted.
 * * Another errno with which tracking has failed, after the container was told of a page.
 */
int vpm_track_check(struct vpm_device *vpm);

/**
 * vpm_track_note_domain() - Note whether the IOMMU domain of the device tracks dirty pages
 * @vpm:	The device, open, attached to an IOAS or HWPT.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held, which keeps the
 * domain alive. Takes the vendor lock.
 */
void vpm_track_note_domain(struct vpm_device *vpm);

/**
 * vpm_track_is_sufficient() - Check whether user space can learn all dirty pages
 * @vpm:	The device, open.
 *
 * A type1 container is told of dirty pages, or reports all memory as dirty. With an iommufd, either
 * a dirty log must be possible or the IOMMU must track dirty pages.
 *
 * Context: Process context, may sleep. Takes the vendor lock.
 * Return: True if user space can learn all dirty pages.
 */
bool vpm_track_is_sufficient(struct vpm_device *vpm);

/**
 * vpm_track_scan_stopped() - Scan a device after it was stopped and report all its dirty pages
 * @vpm:	The device.
 *
 * Context: Process context, may sleep. state_lock is held. Takes the vendor lock.
 * Return:
 * * %0: All dirty pages are reported, or a dirty log can still report all memory.
 * * %-EAGAIN: The device was reset. Pages that it wrote before are marked by the follow-up.
 * * %-EINTR: The task is being killed.
 * * Another errno of vpm_track_check().
 */
int vpm_track_scan_stopped(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_TRACK_H */
