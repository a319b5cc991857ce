/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses to the memory of a device that is bound to an iommufd.
 */

#ifndef VFIO_MEDIATE_IOMMUFD_H
#define VFIO_MEDIATE_IOMMUFD_H

#include <linux/errno.h>
#include <linux/types.h>

struct iommufd_access;
struct vfio_device;

/* Without IOMMUFD_DRIVER, access objects may be missing. */
#if IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/**
 * vpm_iommufd_create() - Create the iommufd access object of a device
 * @vdev:	The device, being opened.
 * @access:	Set to the access object, or to NULL for a device in a container.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_create(struct vfio_device *vdev, struct iommufd_access **access);

/**
 * vpm_iommufd_destroy() - Destroy an access object
 * @access:	The access object or NULL.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 */
void vpm_iommufd_destroy(struct iommufd_access *access);

/**
 * vpm_iommufd_rw() - Read or write memory by IOVA
 * @access:	The access object, attached.
 * @iova:	IOVA of the first byte.
 * @buf:	The data.
 * @size:	Size in bytes, not 0.
 * @write:	True to write to the memory, false to read.
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_rw(struct iommufd_access *access, u64 iova, void *buf, size_t size, bool write);

/**
 * vpm_iommufd_attach() - Attach an access object to the IOAS of its device
 * @access:	The access object. The caller excludes accesses.
 * @id:		ID of the IOAS or HWPT to which the device is attached.
 * @was_attached: The access object is attached to another IOAS.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 * Return: True if the access object is attached. False after an error, for example if @id is an
 * HWPT.
 */
bool vpm_iommufd_attach(struct iommufd_access *access, u32 id, bool was_attached);

/**
 * vpm_iommufd_detach() - Detach an access object from its IOAS
 * @access:	The access object, attached. The caller excludes accesses.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 */
void vpm_iommufd_detach(struct iommufd_access *access);
#else
static inline int vpm_iommufd_create(struct vfio_device *vdev, struct iommufd_access **access)
{
	*access = NULL;

	return 0;
}

static inline void vpm_iommufd_destroy(struct iommufd_access *access)
{
}

static inline int vpm_iommufd_rw(struct iommufd_access *access, u64 iova, void *buf,
				 size_t size, bool write)
{
	return -EOPNOTSUPP;
}

static inline bool vpm_iommufd_attach(struct iommufd_access *access, u32 id, bool was_attached)
{
	return false;
}

static inline void vpm_iommufd_detach(struct iommufd_access *access)
{
}
#endif

#endif /* VFIO_MEDIATE_IOMMUFD_H */
