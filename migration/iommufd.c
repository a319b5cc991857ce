// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to the memory of a device that is bound to an iommufd.
 *
 * A device is attached to an IOAS, or to an HWPT that was allocated for an IOAS. An access object
 * accesses memory without the IOMMU, and can be attached to an IOAS only. A driver cannot find the
 * IOAS of an HWPT. The page tables of an HWPT must not be read instead: user space may free them,
 * and the memory, during the read.
 */

#include <linux/iommufd.h>
#include <linux/sched.h>
#include <linux/vfio.h>

#include "iommufd.h"

#if IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/* Required, but there is nothing to do: this access object pins no pages. */
static void unmap(void *data, unsigned long iova, unsigned long length)
{
}

static const struct iommufd_access_ops access_ops = {
	.unmap = unmap,
};

int vpm_iommufd_create(struct vfio_device *vdev, struct iommufd_access **access)
{
	struct iommufd_ctx *ictx = vfio_iommufd_device_ictx(vdev);
	int ret;
	u32 id;

	*access = NULL;
	if (!ictx)
		return 0;

	*access = iommufd_access_create(ictx, &access_ops, vdev, &id);
	if (!IS_ERR(*access))
		return 0;
	ret = PTR_ERR(*access);
	*access = NULL;

	return ret;
}

void vpm_iommufd_destroy(struct iommufd_access *access)
{
	if (access)
		iommufd_access_destroy(access);
}

int vpm_iommufd_rw(struct iommufd_access *access, u64 iova, void *buf, size_t size, bool write)
{
	unsigned int flags = write ? IOMMUFD_ACCESS_RW_WRITE : IOMMUFD_ACCESS_RW_READ;

	if (current->flags & PF_KTHREAD && !current->mm)
		flags |= IOMMUFD_ACCESS_RW_KTHREAD;

	return iommufd_access_rw(access, iova, buf, size, flags);
}

bool vpm_iommufd_attach(struct iommufd_access *access, u32 id, bool was_attached)
{
	int ret;

	if (!was_attached)
		return !iommufd_access_attach(access, id);

	ret = iommufd_access_replace(access, id);
	if (ret)
		iommufd_access_detach(access);

	return !ret;
}

void vpm_iommufd_detach(struct iommufd_access *access)
{
	iommufd_access_detach(access);
}
#endif
