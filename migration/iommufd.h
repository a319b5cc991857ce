/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the memory of a device that is bound to an iommufd.
 */

#ifndef VFIO_MEDIATE_IOMMUFD_H
#define VFIO_MEDIATE_IOMMUFD_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/vfio.h>

struct vpm_device;

/* Where nobody can log, nobody needs to read. */
#if IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/**
 * vpm_iommufd_setup() - Be prepared to read a device's memory
 * @vpm:	The device, being opened.
 *
 * Does nothing for one that has a container.
 *
 * Return: 0 or a negative errno. Whatever is returned, vpm_iommufd_teardown() must
 * follow.
 */
int vpm_iommufd_setup(struct vpm_device *vpm);

/**
 * vpm_iommufd_teardown() - Undo vpm_iommufd_setup()
 * @vpm:	The device, being closed, no longer tracked.
 */
void vpm_iommufd_teardown(struct vpm_device *vpm);

/**
 * vpm_iommufd_read() - Read the device's memory
 * @vpm:	The device; drain_lock held, and its memory can be read.
 * @iova:	Where.
 * @buf:	Where to.
 * @size:	Bytes.
 *
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_read(struct vpm_device *vpm, u64 iova, void *buf, size_t size);

/**
 * vpm_iommufd_attach_ioas() - &vfio_device_ops.attach_ioas
 * @vdev:	The device.
 * @pt_id:	Of an IOAS, or of an HWPT. Set to what is used.
 *
 * As vfio has it. The memory of an IOAS can be read from then on.
 *
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_attach_ioas(struct vfio_device *vdev, u32 *pt_id);

/**
 * vpm_iommufd_detach_ioas() - &vfio_device_ops.detach_ioas
 * @vdev:	The device.
 */
void vpm_iommufd_detach_ioas(struct vfio_device *vdev);
#else
#define vpm_iommufd_attach_ioas vfio_iommufd_physical_attach_ioas
#define vpm_iommufd_detach_ioas vfio_iommufd_physical_detach_ioas

static inline int vpm_iommufd_setup(struct vpm_device *vpm)
{
	return 0;
}

static inline void vpm_iommufd_teardown(struct vpm_device *vpm)
{
}

static inline int vpm_iommufd_read(struct vpm_device *vpm, u64 iova, void *buf,
				   size_t size)
{
	return -EOPNOTSUPP;
}
#endif

#endif /* VFIO_MEDIATE_IOMMUFD_H */
