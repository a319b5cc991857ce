/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface of migration to the table of parts and to vfio_device_ops of the driver.
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
extern const struct vpm_part vpm_logging_part;
extern const struct vpm_part vpm_dma_log_part;
extern const struct vpm_part vpm_migration_part;
extern const struct vpm_part vpm_track_part;

/**
 * vpm_track_read() - Implement the read op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @iova:	IOVA of the first byte.
 * @buf:	Destination buffer.
 * @size:	Size in bytes.
 *
 * Context: Process context, may sleep. See vfio_mediate_read().
 * Return: See vfio_mediate_read().
 */
int vpm_track_read(void *data, u64 iova, void *buf, size_t size);

/**
 * vpm_track_write() - Implement the write op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @iova:	IOVA of the first byte.
 * @buf:	The data.
 * @size:	Size in bytes.
 *
 * Context: Process context, may sleep. See vfio_mediate_write().
 * Return: See vfio_mediate_write().
 */
int vpm_track_write(void *data, u64 iova, const void *buf, size_t size);

/**
 * vpm_track_mark() - Implement the mark op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @iova:	IOVA of the first byte.
 * @size:	Size in bytes.
 *
 * Context: Process context, may sleep. See vfio_mediate_mark().
 */
void vpm_track_mark(void *data, u64 iova, u64 size);

/**
 * vpm_migration_data_ready() - Implement the data_ready op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 *
 * Context: Any. Takes irq_lock. See vfio_mediate_data_ready().
 */
void vpm_migration_data_ready(void *data);

/**
 * vpm_track_is_possible() - Check whether the vendor can track dirty pages
 * @vdev:	The device, open.
 *
 * Context: Any.
 * Return: True if the vendor has tracking ops for the device.
 */
bool vpm_track_is_possible(struct vfio_device *vdev);

/**
 * vpm_dma_unmap() - Implement &vfio_device_ops.dma_unmap
 * @vdev:	The device.
 * @iova:	IOVA of the first byte.
 * @length:	Size in bytes.
 *
 * Type1 calls this for a mapping with pinned pages, repeatedly, until no page of the mapping is
 * pinned. An iommufd never calls this.
 *
 * Context: Process context, may sleep. device_list_lock of type1 is held.
 */
void vpm_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length);

#if IS_ENABLED(CONFIG_IOMMUFD)
/**
 * vpm_attach_ioas() - Implement &vfio_device_ops.attach_ioas
 * @vdev:	The device.
 * @pt_id:	ID of an IOAS or HWPT. Set to the ID of the HWPT that is used.
 *
 * Attaches the device like the VFIO core. If @pt_id is an IOAS, the vendor can read its memory
 * afterwards. Migration is offered if user space can learn all dirty pages.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 * Return: 0 or a negative errno.
 */
int vpm_attach_ioas(struct vfio_device *vdev, u32 *pt_id);

/**
 * vpm_detach_ioas() - Implement &vfio_device_ops.detach_ioas
 * @vdev:	The device.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 */
void vpm_detach_ioas(struct vfio_device *vdev);
#endif

#else
static inline void vpm_migration_data_ready(void *data)
{
}

static inline int vpm_track_read(void *data, u64 iova, void *buf, size_t size)
{
	return -ENODEV;
}

static inline int vpm_track_write(void *data, u64 iova, const void *buf, size_t size)
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
