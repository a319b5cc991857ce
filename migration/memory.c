// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO callbacks on the memory of a device: attach, detach and unmap.
 *
 * The access object is attached to the IOAS of the device, or to none. The attachment changes under
 * the lock of the VFIO device set, which open and close also hold. It changes only while reads of
 * memory are disabled, see vpm_track_detach().
 */

#include <linux/vfio_pci_core.h>

#include "container.h"
#include "device.h"
#include "iommufd.h"
#include "logging.h"
#include "migration.h"
#include "track.h"
#include "vfio_ops.h"

bool vpm_track_is_possible(struct vfio_device *vdev)
{
	return to_vpm(vdev)->track->ops;
}

void vpm_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	vpm_container_unmap(&to_vpm(vdev)->track->container);
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
