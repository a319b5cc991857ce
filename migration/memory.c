// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a device: VFIO callbacks to attach, detach and unmap, and accesses by the vendor.
 *
 * The access object is attached to the IOAS of the device, or to none. The attachment changes under
 * the lock of the VFIO device set, which open and close also hold. It changes only while accesses
 * to memory are disabled, see vpm_track_detach().
 */

#include <linux/vfio_pci_core.h>

#include "container.h"
#include "device.h"
#include "dirty_log.h"
#include "dma_log.h"
#include "iommufd.h"
#include "logging.h"
#include "migration.h"
#include "track.h"
#include "vendor.h"
#include "vfio_ops.h"

bool vpm_track_is_possible(struct vfio_device *vdev)
{
	return to_vpm(vdev)->track->ops;
}

void vpm_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	vpm_container_unmap(&to_vpm(vdev)->track->container);
}

static int access_memory(struct vpm_device *vpm, u64 iova, void *buf, size_t size, bool write)
{
	lockdep_assert_held(&vpm->vendor.dma_lock);

	if (!vpm->track->readable)
		return -EOPNOTSUPP;
	if (!vpm_has_container(&vpm->core.vdev))
		return vpm_iommufd_rw(vpm->track->access, iova, buf, size, write);

	return vfio_dma_rw(&vpm->core.vdev, iova, buf, size, write);
}

/* Return: true if user space learns of a write at the next report. */
static bool is_reported(const struct vpm_device *vpm)
{
	/* A type1 container marks what vfio_dma_rw() writes. */
	return !vpm->track->saving || vpm_has_container(&vpm->core.vdev) || vpm->track->log ||
	       vpm_dma_log_is_active(vpm);
}

int vpm_track_read(void *data, u64 iova, void *buf, size_t size)
{
	struct vpm_device *vpm = data;

	if (!vpm_vendor_may_use_memory(&vpm->vendor))
		return -ENODEV;
	if (!size)
		return 0;

	guard(rwsem_read)(&vpm->vendor.dma_lock);

	return access_memory(vpm, iova, buf, size, false);
}

int vpm_track_write(void *data, u64 iova, const void *buf, size_t size)
{
	struct vpm_device *vpm = data;
	int ret;

	if (!vpm_vendor_may_use_memory(&vpm->vendor))
		return -ENODEV;
	if (!size)
		return 0;

	guard(rwsem_read)(&vpm->vendor.dma_lock);
	if (!is_reported(vpm))
		return -EOPNOTSUPP;

	ret = access_memory(vpm, iova, (void *)buf, size, true);
	/* Some bytes may have been written even if that has failed. */
	if (vpm->track->log)
		vpm_dirty_log_mark(vpm->track->log, iova, iova + size - 1);
	vpm_dma_log_written(vpm, iova, iova + size - 1);

	return ret;
}

#if IS_ENABLED(CONFIG_IOMMUFD)
static int attach(struct vpm_device *vpm, u32 *pt_id)
{
	struct vfio_device *vdev = &vpm->core.vdev;
	struct iommufd_access *access = vpm->track->access;
	bool was_attached, is_attached;
	u32 id = *pt_id;
	int ret;

	if (!access)
		return vfio_iommufd_physical_attach_ioas(vdev, pt_id);

	was_attached = vpm_track_detach(vpm);
	ret = vfio_iommufd_physical_attach_ioas(vdev, pt_id);
	is_attached = ret ? was_attached : vpm_iommufd_attach(access, id, was_attached);
	if (is_attached) {
		vpm_track_attach(vpm);
		if (vpm->track->ops)
			vpm_logging_offer(vpm);
	}

	return ret;
}

int vpm_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct vpm_device *vpm = to_vpm(vdev);
	int ret = attach(vpm, pt_id);

	if (!ret)
		vpm_migration_offer(vpm);

	return ret;
}

void vpm_detach_ioas(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct iommufd_access *access = vpm->track->access;
	bool was_attached;

	was_attached = access && vpm_track_detach(vpm);
	vfio_iommufd_physical_detach_ioas(vdev);
	if (was_attached)
		vpm_iommufd_detach(access);
}
#endif
