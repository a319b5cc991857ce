// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA logging of devices whose hardware or firmware knows what they write. The vendor marks that in
 * a dirty log, from which it is reported. Nothing is trapped, and nothing is scanned periodically.
 *
 * When the device cannot tell what it has written, all memory is reported.
 */

#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "dirty_log.h"
#include "dma_log.h"
#include "events.h"
#include "reset.h"
#include "vendor.h"
#include "vfio_ops.h"

/**
 * struct vpm_dma_log - DMA logging of a device
 * @lock:	Serializes calls of the vendor's ops. Protects all members below, unless stated
 *		otherwise. Outside of the vendor's locks and of the locks of user memory.
 * @ops:	The vendor's ops, from open to close, or NULL.
 * @log:	What was written and is not reported yet. NULL while the device does not log. Also
 *		written with dma_lock of &struct vpm_vendor held.
 * @ranges:	What is logged.
 * @num_ranges:	Number of @ranges.
 * @page_size:	Page size that the vendor has answered.
 * @error:	Why the device does not log, although it should, a negative errno, or 0.
 * @reporter:	The task that runs the vendor's report, or NULL. Also read without @lock.
 */
struct vpm_dma_log {
	struct mutex lock;	/* see above */
	const struct vfio_mediate_dma_log_ops *ops;
	struct vpm_dirty_log *log;
	struct vfio_mediate_iova_range *ranges;
	unsigned int num_ranges;
	u64 page_size;
	int error;
	struct task_struct *reporter;
};

bool vpm_dma_log_is_offered(const struct vpm_device *vpm)
{
	return vpm->dma_log->ops;
}

bool vpm_dma_log_is_active(const struct vpm_device *vpm)
{
	lockdep_assert_held(&vpm->vendor.dma_lock);

	return vpm->dma_log->log;
}

void vpm_dma_log_written(struct vpm_device *vpm, u64 first, u64 last)
{
	lockdep_assert_held(&vpm->vendor.dma_lock);

	if (vpm->dma_log->log)
		vpm_dirty_log_mark(vpm->dma_log->log, first, last);
}

bool vpm_dma_log_mark(struct vpm_device *vpm, u64 first, u64 last)
{
	struct vpm_dma_log *dma = vpm->dma_log;

	/* The task that runs the report holds the lock. */
	if (READ_ONCE(dma->reporter) != current)
		return false;
	vpm_dirty_log_mark(dma->log, first, last);

	return true;
}

#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
static int call_start(struct vpm_device *vpm)
{
	CLASS(vpm_call, call)(vpm->session);
	struct vpm_dma_log *dma = vpm->dma_log;
	int ret;

	lockdep_assert_held(&dma->lock);

	if (!call.ops)
		return -ENODEV;

	ret = min(dma->ops->start(call.dev, dma->ranges, dma->num_ranges, &dma->page_size), 0);
	if (ret || is_power_of_2(dma->page_size))
		return ret;
	dma->ops->stop(call.dev);

	return -EIO;
}

/* Have the vendor mark what the device has written. */
static int call_report(struct vpm_device *vpm, u64 iova, u64 size)
{
	CLASS(vpm_call, call)(vpm->session);
	struct vpm_dma_log *dma = vpm->dma_log;
	int ret;

	lockdep_assert_held(&dma->lock);

	if (!call.ops)
		return -ENODEV;

	WRITE_ONCE(dma->reporter, current);
	ret = min(dma->ops->report(call.dev, iova, size), 0);
	WRITE_ONCE(dma->reporter, NULL);

	return ret;
}

/* The vendor may be writing to guest memory, and mark that in the log. */
static void set_log(struct vpm_device *vpm, struct vpm_dirty_log *log)
{
	guard(rwsem_write)(&vpm->vendor.dma_lock);
	vpm->dma_log->log = log;
}

static void free_log(struct vpm_device *vpm)
{
	struct vpm_dma_log *dma = vpm->dma_log;
	struct vpm_dirty_log *log = dma->log;

	set_log(vpm, NULL);
	vpm_dirty_log_free(log);
	kvfree(dma->ranges);
	dma->ranges = NULL;
}

/* Stop. @log is what was started, and may have failed since. */
static void stop_log(struct vpm_device *vpm)
{
	CLASS(vpm_call, call)(vpm->session);
	struct vpm_dma_log *dma = vpm->dma_log;

	lockdep_assert_held(&dma->lock);

	if (!dma->log)
		return;
	if (call.ops && !dma->error)
		dma->ops->stop(call.dev);
	free_log(vpm);
}

static int copy_ranges(struct vpm_dma_log *dma, struct rb_root_cached *ranges, u32 count)
{
	struct interval_tree_node *node;
	unsigned int n = 0;

	dma->ranges = kvcalloc(count, sizeof(*dma->ranges), GFP_KERNEL_ACCOUNT);
	if (!dma->ranges)
		return -ENOMEM;

	for (node = interval_tree_iter_first(ranges, 0, ULONG_MAX); node && n < count;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX), n++)
		dma->ranges[n] = (struct vfio_mediate_iova_range) {
			.iova = node->start,
			.size = node->last - node->start + 1,
		};
	dma->num_ranges = n;

	return 0;
}

static int start_log(struct vpm_device *vpm, struct rb_root_cached *ranges, u32 count,
		     u64 page_size)
{
	struct vpm_dma_log *dma = vpm->dma_log;
	struct vpm_dirty_log *log;
	int ret;

	log = vpm_dirty_log_create(ranges, count);
	if (IS_ERR(log))
		return PTR_ERR(log);

	set_log(vpm, log);
	dma->error = 0;
	dma->page_size = page_size;
	ret = copy_ranges(dma, ranges, count);
	if (!ret)
		ret = call_start(vpm);
	if (ret)
		free_log(vpm);

	return ret;
}

static int log_start(struct vfio_device *vdev, struct rb_root_cached *ranges, u32 count,
		     u64 *page_size)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct vpm_dma_log *dma = vpm->dma_log;
	int ret;

	if (!is_power_of_2(*page_size))
		return -EINVAL;

	guard(mutex)(&dma->lock);
	if (dma->log)
		return -EINVAL;
	ret = start_log(vpm, ranges, count, *page_size);
	if (ret)
		return ret;

	*page_size = max_t(u64, dma->page_size, PAGE_SIZE);
	vpm_events_tracked(vpm, VFIO_MEDIATE_TRACKED_HARDWARE);

	return 0;
}

static int log_stop(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);

	guard(mutex)(&vpm->dma_log->lock);
	stop_log(vpm);
	vpm_events_tracked(vpm, VFIO_MEDIATE_TRACKED_NO);

	return 0;
}

static void mark_all(struct vpm_device *vpm, int error)
{
	pci_notice_ratelimited(vpm->core.pdev, "DMA logging failed, all memory is reported: %pe\n",
			       ERR_PTR(error));
	vpm_dirty_log_mark(vpm->dma_log->log, 0, U64_MAX);
}

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova, unsigned long length,
			      struct iova_bitmap *dirty)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct vpm_dma_log *dma = vpm->dma_log;
	int ret;

	guard(mutex)(&dma->lock);
	if (!dma->log)
		return -EINVAL;
	if (!length)
		return 0;

	if (!vpm_reset_pending(vpm)) {
		ret = dma->error ?: call_report(vpm, iova, length);
		if (ret)
			mark_all(vpm, ret);
	}
	/* The follow-up of a reset has the device log again, and marks what was written before. */
	if (vpm_reset_pending(vpm))
		vpm_dirty_log_mark(dma->log, iova, iova + length - 1);
	vpm_dirty_log_report(dma->log, iova, iova + length - 1, dirty);

	return 0;
}

static const struct vfio_log_ops log_ops = {
	.log_start = log_start,
	.log_stop = log_stop,
	.log_read_and_clear = log_read_and_clear,
};

/* The reset may have ended logging in the device: start it again. */
static void reset_done(struct vpm_device *vpm, bool function)
{
	struct vpm_dma_log *dma = vpm->dma_log;

	guard(mutex)(&dma->lock);
	if (!dma->log)
		return;
	dma->error = call_start(vpm);
	vpm_dirty_log_mark(dma->log, 0, U64_MAX);
}

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *pci_ops)
{
	const struct vfio_mediate_dma_log_ops *ops = dev->dma_log;

	if (!ops)
		return 0;
	if (dev->tracking || !ops->start || !ops->stop || !ops->report)
		return -EINVAL;

	vpm->dma_log->ops = ops;
	vpm->core.vdev.log_ops = &log_ops;

	return 0;
}

static void stop(struct vpm_device *vpm)
{
	struct vpm_dma_log *dma = vpm->dma_log;

	if (!dma->ops)
		return;

	mutex_lock(&dma->lock);
	stop_log(vpm);
	mutex_unlock(&dma->lock);
	vpm->core.vdev.log_ops = NULL;
	dma->ops = NULL;
}
#endif

static int init(struct vpm_device *vpm)
{
	vpm->dma_log = kzalloc(sizeof(*vpm->dma_log), GFP_KERNEL_ACCOUNT);
	if (!vpm->dma_log)
		return -ENOMEM;
	mutex_init(&vpm->dma_log->lock);

	return 0;
}

static void release(struct vpm_device *vpm)
{
	if (vpm->dma_log)
		mutex_destroy(&vpm->dma_log->lock);
	kfree(vpm->dma_log);
	vpm->dma_log = NULL;
}

const struct vpm_part vpm_dma_log_part = {
	.init = init,
	.release = release,
	/* Without the feature, all memory counts as dirty. */
#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
	.setup = setup,
	.stop = stop,
	.reset_done = reset_done,
#endif
};
