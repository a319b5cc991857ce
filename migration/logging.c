// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_DEVICE_FEATURE_DMA_LOGGING_*: user space reads the dirty log of a device. */

#include <linux/cleanup.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/vfio_pci_core.h>

#include "container.h"
#include "device.h"
#include "dirty_log.h"
#include "logging.h"
#include "reset.h"
#include "track.h"
#include "vfio_ops.h"

static int log_start(struct vfio_device *vdev, struct rb_root_cached *ranges,
		     u32 count, u64 *page_size)
{
	struct vpm_dirty_log *log;
	int ret;

	if (!is_power_of_2(*page_size))
		return -EINVAL;

	log = vpm_dirty_log_create(ranges, count);
	if (IS_ERR(log))
		return PTR_ERR(log);

	ret = vpm_track_start_log(to_vpm(vdev), log);
	if (ret)
		vpm_dirty_log_free(log);
	else
		*page_size = PAGE_SIZE;

	return ret;
}

static int log_stop(struct vfio_device *vdev)
{
	vpm_track_stop_log(to_vpm(vdev));

	return 0;
}

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova,
			      unsigned long length, struct iova_bitmap *dirty)
{
	struct vpm_device *vpm = to_vpm(vdev);

	guard(mutex)(&vpm->vendor.lock);

	if (!vpm->track->log)
		return -EINVAL;
	if (!length)
		return 0;

	if (vpm_track_scan(vpm, false) || vpm_reset_pending(vpm))
		iova_bitmap_set(dirty, iova, length);
	else
		vpm_dirty_log_report(vpm->track->log, iova, iova + length - 1, dirty);

	return 0;
}

static const struct vfio_log_ops log_ops = {
	.log_start = log_start,
	.log_stop = log_stop,
	.log_read_and_clear = log_read_and_clear,
};

void vpm_logging_offer(struct vpm_device *vpm)
{
	if (IS_ENABLED(CONFIG_IOMMUFD_DRIVER))
		WRITE_ONCE(vpm->core.vdev.log_ops, &log_ops);
}

/* With an iommufd, the log is offered when the device is attached. See memory.c. */
static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	if (dev->tracking && vpm_has_container(&vpm->core.vdev))
		vpm_logging_offer(vpm);

	return 0;
}

static void stop(struct vpm_device *vpm)
{
	vpm->core.vdev.log_ops = NULL;
}

const struct vpm_part vpm_logging_part = {
	.setup = setup,
	.stop = stop,
};
