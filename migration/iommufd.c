// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the memory of a device that is bound to an iommufd.
 *
 * A device is attached to an IOAS, or to an HWPT that was allocated for one. An access
 * object, which reads without IOMMU, can be attached to an IOAS alone, and nobody tells
 * a driver which IOAS an HWPT belongs to. What the HWPT's page tables say must not be
 * read either: they may go, and the memory with them, while they are looked at.
 *
 * The access object is attached to what the device is attached to, or to nothing.
 * That is changed under the lock of vfio's device set, which whoever opens and closes
 * the device also has; and only while track.readable is not set, which keeps those
 * who read away.
 */

#include <linux/iommufd.h>
#include <linux/sched.h>

#include "device.h"
#include "iommufd.h"
#include "track.h"

#if IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/* Called for pages that others have pinned. None are by this access. */
static void unmap(void *data, unsigned long iova, unsigned long length)
{
}

static const struct iommufd_access_ops access_ops = {
	.unmap = unmap,
};

int vpm_iommufd_setup(struct vpm_device *vpm)
{
	struct iommufd_ctx *ictx = vfio_iommufd_device_ictx(&vpm->core.vdev);
	struct iommufd_access *access;
	u32 id;

	if (!ictx)
		return 0;

	access = iommufd_access_create(ictx, &access_ops, vpm, &id);
	if (IS_ERR(access))
		return PTR_ERR(access);
	vpm->track.access = access;

	return 0;
}

void vpm_iommufd_teardown(struct vpm_device *vpm)
{
	struct vpm_track *track = &vpm->track;

	if (!track->access)
		return;

	iommufd_access_destroy(track->access);
	track->access = NULL;
}

int vpm_iommufd_read(struct vpm_device *vpm, u64 iova, void *buf, size_t size)
{
	bool kthread = current->flags & PF_KTHREAD && !current->mm;

	lockdep_assert_held(&vpm->trap.drain_lock);

	return iommufd_access_rw(vpm->track.access, iova, buf, size,
				 kthread ? IOMMUFD_ACCESS_RW_KTHREAD : 0);
}

int vpm_iommufd_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct iommufd_access *access = vpm->track.access;
	bool was_attached, is_attached;
	u32 ioas_id = *pt_id;
	int ret;

	if (!access)
		return vfio_iommufd_physical_attach_ioas(vdev, pt_id);

	was_attached = vpm_track_leave_memory(vpm);
	ret = vfio_iommufd_physical_attach_ioas(vdev, pt_id);
	if (ret)
		is_attached = was_attached;
	else if (was_attached)
		is_attached = !iommufd_access_replace(access, ioas_id);
	else
		is_attached = !iommufd_access_attach(access, ioas_id);

	if (was_attached && !is_attached)
		iommufd_access_detach(access);
	if (is_attached)
		vpm_track_enter_memory(vpm);

	return ret;
}

void vpm_iommufd_detach_ioas(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct iommufd_access *access = vpm->track.access;
	bool was_attached;

	was_attached = access && vpm_track_leave_memory(vpm);
	vfio_iommufd_physical_detach_ioas(vdev);
	if (was_attached)
		iommufd_access_detach(access);
}
#endif
