/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device writes to memory by DMA, as its vendor knows it, for those who migrate
 * it: a type1 container, or user space by VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
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
 * struct vpm_track - Tracking of a device
 * @vpm:	The device.
 * @lock:	Held while it is decided whether to track. Inside of a migration's
 *		state_lock, outside of the trap's toggle_lock.
 * @ops:	The vendor's, from open to close; NULL when there are none.
 * @access:	How memory is read by an iommufd; NULL when that is not asked for. Under
 *		the lock of vfio's device set.
 * @active:	The vendor has been told to start. Written with @lock and the vendor
 *		lock held. The latter, under which the vendor is called,
 *		protects all that follows, too.
 * @readable:	The device's memory can be read.
 * @iommu_tracks: The IOMMU tracks what is written through the HWPT that the device was
 *		attached to last.
 * @error:	Why it is not known what the device has written, or 0.
 * @interrupted: The device has been stopped, and the last look at it was not brought to its
 *		end. Under the migration's state_lock.
 * @log:	Who asks by VFIO_DEVICE_FEATURE_DMA_LOGGING_*, gets his answers from
 *		here; NULL when nobody does.
 * @container:	What is marked, and a type1 container has not been told of.
 * @paused:	The device is being stopped, or is: @scan_work does not scan. Under the
 *		migration's state_lock.
 * @scan_work:	Has the vendor look, every so often; queued while @active only.
 */
struct vpm_track {
	struct vpm_device *vpm;
	struct mutex lock;	/* see above */
	const struct vfio_mediate_tracking_ops *ops;
	struct iommufd_access *access;
	bool active;
	bool readable;
	bool iommu_tracks;
	int error;
	bool interrupted;
	struct vpm_dirty_log *log;
	struct vpm_container container;
	bool paused;
	struct delayed_work scan_work;
};

/**
 * vpm_track_attach() - The device has got memory that can be read
 * @vpm:	The device, open, tracked by its vendor.
 */
void vpm_track_attach(struct vpm_device *vpm);

/**
 * vpm_track_detach() - The device is about to get other memory, or none
 * @vpm:	The device, open.
 *
 * Nobody reads memory any more when it returns. Who logs is told that all is written
 * from now on until he starts anew.
 *
 * Return: Whether memory could be read.
 */
bool vpm_track_detach(struct vpm_device *vpm);

/**
 * vpm_track_save() - The device is about to be saved while it runs
 * @vpm:	The device; state_lock held.
 *
 * Who logs is told by the log; otherwise a type1 container is. When that cannot be, it
 * goes on to take all for written.
 *
 * Return: 0, or a negative errno when it would no longer do so, or nobody does:
 * -EOPNOTSUPP: nobody does, or the device shares its IOMMU group.
 * -ESTALE: the container was told of pages once, and the vendor does not track.
 * Others: those of vpm_trap_hold(), of the vendor's start, and of pinning pages.
 */
int vpm_track_save(struct vpm_device *vpm);

/**
 * vpm_track_save_done() - It has been saved, or will not be
 * @vpm:	The device; state_lock held.
 *
 * A container that was told of pages takes all others for clean until it is left, and
 * user space may go on to migrate the guest. So the device stays tracked until it is
 * closed.
 */
void vpm_track_save_done(struct vpm_device *vpm);

/**
 * vpm_track_pause() - Suspend or resume the periodic scan
 * @vpm:	The device; state_lock held.
 * @paused:	Whether the device is being stopped: vpm_track_scan_stopped() scans once more then.
 */
void vpm_track_pause(struct vpm_device *vpm, bool paused);

/**
 * vpm_track_check() - Is all known that the device has written?
 * @vpm:	The device, stopped or being saved while it runs; state_lock held.
 *
 * Return: 0, or a negative errno when a container that was told of pages has not been
 * told of all: what has made tracking fail, -ESTALE when the device ran without being
 * tracked, or -EINTR.
 */
int vpm_track_check(struct vpm_device *vpm);

/**
 * vpm_track_note_domain() - The device has got memory by an iommufd
 * @vpm:	The device, open; the lock of vfio's device set is held, so that its domain
 *		stays.
 */
void vpm_track_note_domain(struct vpm_device *vpm);

/**
 * vpm_track_is_sufficient() - Does user space get to know what the device writes?
 * @vpm:	The device, open.
 *
 * A type1 container is told, or takes all for written. With an iommufd, there has to be
 * a log, or the IOMMU knows.
 *
 * Return: Whether it does.
 */
bool vpm_track_is_sufficient(struct vpm_device *vpm);

/**
 * vpm_track_scan_stopped() - The device has been stopped
 * @vpm:	The device; state_lock held.
 *
 * Return: 0 when all that it has written is marked, or can be; otherwise a negative
 * errno:
 * -EAGAIN: it was reset, and what it wrote before will be marked soon.
 * -EINTR: the task is being killed.
 * Others: see vpm_track_check().
 */
int vpm_track_scan_stopped(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_TRACK_H */
