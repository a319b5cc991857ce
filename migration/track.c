// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracking of dirty pages that the vendor marks.
 *
 * A mark goes to the dirty log if there is one, otherwise to the type1 container. The container
 * counts a page as dirty that was pinned. A mark may be late while the device runs, since user
 * space sends such pages again. All marks must be complete once the device is stopped.
 */

#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "container.h"
#include "device.h"
#include "dirty_log.h"
#include "dma_log.h"
#include "events.h"
#include "iommufd.h"
#include "reset.h"
#include "trace.h"
#include "track.h"
#include "trap.h"
#include "vendor.h"
#include "vfio_ops.h"

/* Interval of scans. It only affects how early dirty pages are sent again. */
#define SCAN_MS		10
/* Limit of one scan: a guest may supply buffers faster than the vendor scans them. */
#define SCANS_AT_ONCE	1024

/* The migration uapi and engine.c give these two a meaning of their own. */
static int user_errno(int error)
{
	return error == -ENOMSG || error == -ENOTRECOVERABLE ? -EIO : error;
}

static void fail_tracking(struct vpm_device *vpm, int error)
{
	struct vpm_track *track = vpm->track;

	lockdep_assert_held(&vpm->vendor.lock);

	/* Log nothing when the VMM is exiting. */
	if (!track->error && error != -ESRCH) {
		trace_refused(vpm->core.pdev, "track", "failed", error);
		pci_notice_ratelimited(vpm->core.pdev,
				       "dirty tracking failed: %pe\n", ERR_PTR(error));
	}
	track->error = track->error ?: user_errno(error);
	/* A dirty log reports all memory instead. A container gets no more reports. */
	if (!track->log)
		vpm_container_drop_marks(&vpm->track->container);
}

static void mark_pages(struct vpm_device *vpm, u64 first, u64 last)
{
	int ret = 0;

	lockdep_assert_held(&vpm->vendor.lock);

	if (vpm->track->log)
		vpm_dirty_log_mark(vpm->track->log, first, last);
	else if (!vpm->track->error)
		ret = vpm_container_mark(&vpm->track->container, first, last);
	if (ret)
		fail_tracking(vpm, ret);
}

static int call_op(struct vpm_device *vpm,
		   int (*op)(const struct vfio_mediate_tracking_ops *ops,
			     struct vfio_mediate_device *dev))
{
	CLASS(vpm_call, call)(vpm->session);
	int ret;

	lockdep_assert_held(&vpm->vendor.lock);

	if (!call.ops)
		return -ENODEV;

	vpm_vendor_memory_begin(&vpm->vendor);
	ret = op(vpm->track->ops, call.dev);
	vpm_vendor_memory_end(&vpm->vendor);

	return ret;
}

static int call_start(const struct vfio_mediate_tracking_ops *ops,
		      struct vfio_mediate_device *dev)
{
	return min(ops->start(dev), 0);
}

static int call_stop(const struct vfio_mediate_tracking_ops *ops,
		     struct vfio_mediate_device *dev)
{
	ops->stop(dev);

	return 0;
}

static int call_scan(const struct vfio_mediate_tracking_ops *ops,
		     struct vfio_mediate_device *dev)
{
	return ops->scan(dev);
}

/* Report a part of the marks. Return: 1 when more are left, 0, or a negative errno. */
static int report_marks(struct vpm_device *vpm)
{
	int ret = vpm_container_report(&vpm->track->container);

	if (ret < 0)
		fail_tracking(vpm, ret);

	return vpm->track->error ?: ret;
}

static int report_all_marks(struct vpm_device *vpm)
{
	int ret = 0;

	while (ret >= 0 && vpm_container_pending(&vpm->track->container)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = report_marks(vpm);
		/* User space is unmapping memory: no page may be pinned now. */
		if (!ret && vpm_container_pending(&vpm->track->container))
			schedule_timeout_killable(1);
	}

	return ret;
}

/* Return: 1 when the vendor has more to scan, 0, or a negative errno. */
static int scan_once(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;
	int ret;

	/* After a reset, ->start() is called again: skip scans until then. */
	if (track->error || vpm_reset_pending(vpm))
		return track->error;

	ret = call_op(vpm, call_scan);
	trace_scan(vpm->core.pdev, ret, atomic64_read(&vpm->events->pages));
	if (ret < 0)
		fail_tracking(vpm, ret);

	return track->error ?: min(ret, 1);
}

int vpm_track_scan(struct vpm_device *vpm, bool stopped)
{
	unsigned int n = 0;
	int ret;

	while ((ret = scan_once(vpm)) > 0) {
		/* While the device runs, leave the rest to the next scan. */
		if (!stopped && ++n == SCANS_AT_ONCE)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		vpm_trap_drain(vpm);
	}

	return ret || !stopped ? ret : report_all_marks(vpm);
}

static void scan_later(struct vpm_track *track, unsigned int ms)
{
	queue_delayed_work(vpm_wq, &track->scan_work, msecs_to_jiffies(ms));
}

static void scan_work(struct work_struct *work)
{
	struct vpm_track *track = container_of(to_delayed_work(work),
					       struct vpm_track, scan_work);
	struct vpm_device *vpm = track->vpm;
	int more;

	/* Do one part per run and drop the lock, so that doorbells are handled in between. */
	guard(mutex)(&vpm->vendor.lock);
	if (!track->active)
		return;

	more = report_marks(vpm);
	if (!more && !READ_ONCE(track->paused))
		more = scan_once(vpm) ?: report_marks(vpm);
	if (more > 0)
		scan_later(track, 0);
	else if (!READ_ONCE(track->paused))
		scan_later(track, SCAN_MS);
}

static void tell_tracked(struct vpm_device *vpm)
{
	enum vfio_mediate_tracked tracked = VFIO_MEDIATE_TRACKED_NO;
	struct vpm_track *track = vpm->track;

	if (track->active)
		tracked = track->log ? VFIO_MEDIATE_TRACKED_LOG : VFIO_MEDIATE_TRACKED_CONTAINER;
	else if (track->iommu_tracks)
		tracked = VFIO_MEDIATE_TRACKED_HARDWARE;
	vpm_events_tracked(vpm, tracked);
}

/* The vendor may be writing to guest memory, and mark that in the log. */
static void set_log(struct vpm_device *vpm, struct vpm_dirty_log *log)
{
	guard(rwsem_write)(&vpm->vendor.dma_lock);
	vpm->track->log = log;
}

/* Start tracking: for a dirty log, or for the container when @log is NULL. */
static int start_tracking(struct vpm_device *vpm, struct vpm_dirty_log *log)
{
	struct vpm_track *track = vpm->track;
	int ret;

	lockdep_assert_held(&track->lock);

	if (!log && !vpm_container_is_alone(&vpm->track->container))
		return -EOPNOTSUPP;

	ret = vpm_trap_hold(vpm, VPM_TRAP_TRACKER);
	if (ret)
		return ret;

	mutex_lock(&vpm->vendor.lock);
	if (!track->readable) {
		pci_notice_ratelimited(vpm->core.pdev,
				       "cannot track dirty pages: attach the device to an IOAS, not an HWPT\n");
		ret = -EOPNOTSUPP;
		goto unlock;
	}
	if (!log) {
		ret = vpm_container_setup(&vpm->track->container);
		if (ret)
			goto unlock;
	}
	track->error = 0;
	set_log(vpm, log);
	WRITE_ONCE(track->active, true);
	ret = call_op(vpm, call_start);
	if (!ret) {
		/* Pin a page: from now on the container reports pinned pages only. */
		if (!log) {
			mark_pages(vpm, 0, 0);
			report_marks(vpm);
		}
		ret = track->error;
		if (ret)
			call_op(vpm, call_stop);
	}
	if (ret) {
		vpm_container_drop_marks(&vpm->track->container);
		WRITE_ONCE(track->active, false);
		set_log(vpm, NULL);
	} else {
		scan_later(track, SCAN_MS);
		tell_tracked(vpm);
	}
unlock:
	mutex_unlock(&vpm->vendor.lock);

	if (ret)
		vpm_trap_release(vpm, VPM_TRAP_TRACKER);

	return ret;
}

/* Unless @pinned_dirty_scope is set, keep tracking if the container reports pinned pages only. */
static void stop_tracking(struct vpm_device *vpm, bool pinned_dirty_scope)
{
	struct vpm_track *track = vpm->track;
	struct vpm_dirty_log *log;

	lockdep_assert_held(&track->lock);

	if (!track->active)
		return;

	mutex_lock(&vpm->vendor.lock);
	if (!pinned_dirty_scope && track->container.pinned_dirty_scope) {
		mutex_unlock(&vpm->vendor.lock);
		return;
	}
	call_op(vpm, call_stop);
	WRITE_ONCE(track->active, false);
	log = track->log;
	set_log(vpm, NULL);
	vpm_container_drop_marks(&vpm->track->container);
	tell_tracked(vpm);
	mutex_unlock(&vpm->vendor.lock);

	cancel_delayed_work_sync(&track->scan_work);
	vpm_trap_release(vpm, VPM_TRAP_TRACKER);
	vpm_dirty_log_free(log);
}

void vpm_track_pause(struct vpm_device *vpm, bool paused)
{
	struct vpm_track *track = vpm->track;

	WRITE_ONCE(track->paused, paused);
	/* Stopping the device must not wait for a scan in progress. */
	if (paused)
		return;

	mutex_lock(&vpm->vendor.lock);
	if (track->active)
		scan_later(track, SCAN_MS);
	mutex_unlock(&vpm->vendor.lock);
}

/* Ask the vendor, too: the device may have got a state since the last scan. */
static bool has_failed(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;

	guard(mutex)(&vpm->vendor.lock);

	return track->error || (!vpm_reset_pending(vpm) && call_op(vpm, call_scan) < 0);
}

static void set_saving(struct vpm_device *vpm, bool saving)
{
	guard(rwsem_write)(&vpm->vendor.dma_lock);
	vpm->track->saving = saving;
}

int vpm_track_save(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;
	int ret = 0;

	set_saving(vpm, true);
	if (!vpm_has_container(&vpm->core.vdev))
		return vpm_track_is_sufficient(vpm) ? 0 : -EOPNOTSUPP;

	track->scan_interrupted = false;
	mutex_lock(&track->lock);
	/* A new save sends all memory: pages that were missed earlier do not matter. */
	if (track->active && !track->log && has_failed(vpm))
		stop_tracking(vpm, true);
	if (track->ops && !track->active)
		ret = start_tracking(vpm, NULL);
	mutex_unlock(&track->lock);
	if (ret) {
		trace_refused(vpm->core.pdev, "track", "cannot start", ret);
		pci_notice_ratelimited(vpm->core.pdev,
				       "cannot start dirty tracking: %pe\n",
				       ERR_PTR(ret));
		mutex_lock(&vpm->vendor.lock);
		track->error = user_errno(ret);
		mutex_unlock(&vpm->vendor.lock);
	}

	return vpm_track_check(vpm);
}

void vpm_track_save_done(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;

	set_saving(vpm, false);
	mutex_lock(&track->lock);
	if (!track->log)
		stop_tracking(vpm, false);
	mutex_unlock(&track->lock);
}

void vpm_track_note_domain(struct vpm_device *vpm)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&vpm->core.pdev->dev);

	mutex_lock(&vpm->vendor.lock);
	vpm->track->iommu_tracks = domain && domain->dirty_ops;
	tell_tracked(vpm);
	mutex_unlock(&vpm->vendor.lock);
}

bool vpm_track_is_sufficient(struct vpm_device *vpm)
{
	bool sufficient;

	if (vpm_has_container(&vpm->core.vdev))
		return true;

	mutex_lock(&vpm->vendor.lock);
	/* Without readable memory, a dirty log reports all memory as dirty. */
	sufficient = (vpm->track->ops && vpm->track->readable) || vpm->track->iommu_tracks ||
		     vpm->track->log || vpm_dma_log_is_offered(vpm);
	mutex_unlock(&vpm->vendor.lock);

	return sufficient;
}

/*
 * Check that a container with pinned pages was told of all dirty pages since. A container without
 * pinned pages reports all memory as dirty.
 */
static int check_reported(struct vpm_device *vpm, bool alone)
{
	struct vpm_track *track = vpm->track;

	lockdep_assert_held(&vpm->vendor.lock);

	if (track->log || !vpm_has_container(&vpm->core.vdev))
		return 0;
	if (track->active && !alone)
		fail_tracking(vpm, -EOPNOTSUPP);
	if (!track->container.pinned_dirty_scope)
		return 0;
	if (track->error || !track->active)
		return track->error ?: -ESTALE;

	return track->scan_interrupted ? -EINTR : 0;
}

int vpm_track_check(struct vpm_device *vpm)
{
	bool alone = vpm_container_is_alone(&vpm->track->container);
	int ret;

	if (!vpm_track_is_sufficient(vpm))
		return -EOPNOTSUPP;

	mutex_lock(&vpm->vendor.lock);
	ret = check_reported(vpm, alone);
	mutex_unlock(&vpm->vendor.lock);

	return ret;
}

static int scan_stopped(struct vpm_device *vpm)
{
	int ret;

	if (!vpm->track->active)
		return 0;

	ret = vpm_track_scan(vpm, true);
	/* The follow-up of a reset marks the pages that were written before. */
	if (!ret && vpm_reset_pending(vpm))
		ret = -EAGAIN;

	/* A dirty log can still report all memory. So does a container without pinned pages. */
	if (vpm->track->log)
		return ret == -EINTR ? ret : 0;
	if (vpm->track->error && !vpm->track->container.pinned_dirty_scope)
		return 0;

	return ret;
}

int vpm_track_scan_stopped(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;
	bool alone = vpm_container_is_alone(&vpm->track->container);
	int ret = -EINTR;

	if (!vpm_track_is_sufficient(vpm))
		return -EOPNOTSUPP;

	track->scan_interrupted = false;
	if (!mutex_lock_killable(&vpm->vendor.lock)) {
		ret = scan_stopped(vpm) ?: check_reported(vpm, alone);
		mutex_unlock(&vpm->vendor.lock);
	}
	track->scan_interrupted = ret == -EINTR;

	return ret;
}

/* The reset has ended tracking in the device: start it again. */
static void reset_done(struct vpm_device *vpm, bool function)
{
	struct vpm_track *track = vpm->track;
	int ret;

	mutex_lock(&vpm->vendor.lock);
	if (track->active) {
		ret = call_op(vpm, call_start);
		if (ret)
			fail_tracking(vpm, ret);
	}
	mutex_unlock(&vpm->vendor.lock);
}

static void detach(struct vpm_device *vpm)
{
	mutex_lock(&vpm->vendor.lock);
	if (vpm->track->active)
		fail_tracking(vpm, -ENODEV);
	mutex_unlock(&vpm->vendor.lock);
}

void vpm_track_mark(void *data, u64 iova, u64 size)
{
	struct vpm_device *vpm = data;
	u64 last;

	if (!size)
		return;
	if (check_add_overflow(iova, size - 1, &last))
		last = U64_MAX;
	if (vpm_dma_log_mark(vpm, iova, last) || !vpm_vendor_may_mark(&vpm->vendor) ||
	    !vpm->track->active)
		return;

	trace_mark(vpm->core.pdev, iova, size);
	if (size <= VFIO_MEDIATE_MARK_MAX)
		vpm_events_count_pages(vpm, (last >> PAGE_SHIFT) - (iova >> PAGE_SHIFT) + 1);
	mark_pages(vpm, iova, last);
}

int vpm_track_start_log(struct vpm_device *vpm, struct vpm_dirty_log *log)
{
	struct vpm_track *track = vpm->track;

	guard(mutex)(&track->lock);

	if (track->log)
		return -EINVAL;
	if (track->active)
		return -EBUSY;

	return start_tracking(vpm, log);
}

void vpm_track_stop_log(struct vpm_device *vpm)
{
	guard(mutex)(&vpm->track->lock);

	if (vpm->track->log)
		stop_tracking(vpm, true);
}

static void set_readable(struct vpm_device *vpm, bool readable)
{
	guard(rwsem_write)(&vpm->vendor.dma_lock);
	vpm->track->readable = readable;
}

void vpm_track_attach(struct vpm_device *vpm)
{
	mutex_lock(&vpm->vendor.lock);
	set_readable(vpm, true);
	mutex_unlock(&vpm->vendor.lock);
}

bool vpm_track_detach(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;
	bool readable;

	mutex_lock(&vpm->vendor.lock);
	readable = track->readable;
	set_readable(vpm, false);
	if (track->active)
		fail_tracking(vpm, -ESTALE);
	mutex_unlock(&vpm->vendor.lock);

	return readable;
}

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *pci_ops)
{
	const struct vfio_mediate_tracking_ops *ops = dev->tracking;
	struct vpm_track *track = vpm->track;

	if (ops && (!ops->start || !ops->stop || !ops->scan))
		return -EINVAL;
	track->ops = ops;
	if (ops || dev->migration) {
		track->error = 0;
		vpm_container_enter(&track->container);
	}

	/* With an iommufd, memory is readable only after the device is attached to an IOAS. */
	if (!vpm_has_container(&vpm->core.vdev))
		return vpm_iommufd_create(&vpm->core.vdev, &track->access);

	set_readable(vpm, true);

	return 0;
}

static void stop_all(struct vpm_device *vpm)
{
	struct vpm_track *track = vpm->track;

	mutex_lock(&track->lock);
	stop_tracking(vpm, true);
	mutex_unlock(&track->lock);
	set_readable(vpm, false);
	track->iommu_tracks = false;
	vpm_iommufd_destroy(track->access);
	track->access = NULL;
	vpm_container_teardown(&track->container);
	track->ops = NULL;
	vpm_container_close(&track->container);
}

static int init(struct vpm_device *vpm)
{
	struct vpm_track *track;

	track = kzalloc(sizeof(*track), GFP_KERNEL_ACCOUNT);
	if (!track)
		return -ENOMEM;

	track->vpm = vpm;
	mutex_init(&track->lock);
	vpm_container_init(&track->container, vpm);
	INIT_DELAYED_WORK(&track->scan_work, scan_work);
	vpm->track = track;

	return 0;
}

static void remove(struct vpm_device *vpm)
{
	vpm_container_release(&vpm->track->container);
}

static void release(struct vpm_device *vpm)
{
	if (vpm->track)
		mutex_destroy(&vpm->track->lock);
	kfree(vpm->track);
	vpm->track = NULL;
}

const struct vpm_part vpm_track_part = {
	.load = vpm_container_load,
	.unload = vpm_container_unload,
	.init = init,
	.release = release,
	.remove = remove,
	.setup = setup,
	.stop = stop_all,
	.detach = detach,
	.reset_done = reset_done,
};
