/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration, as the driver's table of parts and its vfio_device_ops see it.
 */

#ifndef VFIO_MEDIATE_VFIO_OPS_H
#define VFIO_MEDIATE_VFIO_OPS_H

#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/types.h>
#include <linux/vfio.h>

struct vpm_part;

#if IS_ENABLED(CONFIG_VFIO_PCI_MEDIATE_MIGRATION)
extern const struct vpm_part vpm_debugfs_part;
extern const struct vpm_part vpm_migration_part;
extern const struct vpm_part vpm_track_part;

/**
 * vpm_track_read() - The read op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @iova:	Where.
 * @buf:	Where to.
 * @size:	Bytes.
 *
 * Return: See vfio_mediate_read().
 */
int vpm_track_read(void *data, u64 iova, void *buf, size_t size);

/**
 * vpm_track_mark() - The mark op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @iova:	The first byte.
 * @size:	Bytes.
 */
void vpm_track_mark(void *data, u64 iova, u64 size);

/**
 * vpm_track_is_possible() - Does the vendor track what the device writes?
 * @vdev:	The device, open.
 *
 * Return: Whether the vendor does, once it is started.
 */
bool vpm_track_is_possible(struct vfio_device *vdev);

/**
 * vpm_dma_unmap() - &vfio_device_ops.dma_unmap
 * @vdev:	The device.
 * @iova:	The first byte.
 * @length:	Bytes.
 *
 * Type1 calls this, and no iommufd does, until none of its pages is pinned.
 */
void vpm_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length);

#if IS_ENABLED(CONFIG_IOMMUFD)
/**
 * vpm_attach_ioas() - &vfio_device_ops.attach_ioas
 * @vdev:	The device.
 * @pt_id:	Of an IOAS, or of an HWPT. Set to what is used.
 *
 * As vfio has it. The memory of an IOAS can be read from then on, and the device can be migrated if
 * user space gets to know what it writes.
 *
 * Return: 0 or a negative errno.
 */
int vpm_attach_ioas(struct vfio_device *vdev, u32 *pt_id);

/**
 * vpm_detach_ioas() - &vfio_device_ops.detach_ioas
 * @vdev:	The device.
 */
void vpm_detach_ioas(struct vfio_device *vdev);
#endif

#else
static inline int vpm_track_read(void *data, u64 iova, void *buf, size_t size)
{
	return -ENODEV;
}

static inline void vpm_track_mark(void *data, u64 iova, u64 size)
{
}

static inline bool vpm_track_is_possible(struct vfio_device *vdev)
{
	return false;
}

#define vpm_dma_unmap	NULL
#endif

#if !IS_ENABLED(CONFIG_VFIO_PCI_MEDIATE_MIGRATION) || !IS_ENABLED(CONFIG_IOMMUFD)
#define vpm_attach_ioas	vfio_iommufd_physical_attach_ioas
#define vpm_detach_ioas	vfio_iommufd_physical_detach_ioas
#endif

#endif /* VFIO_MEDIATE_VFIO_OPS_H */
