/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the memory of a device that is bound to an iommufd.
 */

#ifndef VFIO_MEDIATE_IOMMUFD_H
#define VFIO_MEDIATE_IOMMUFD_H

#include <linux/errno.h>
#include <linux/types.h>

struct iommufd_access;
struct vfio_device;

/* Where nobody can log, nobody needs to read. */
#if IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/**
 * vpm_iommufd_create() - Create the object by which a device's memory is read
 * @vdev:	The device, being opened.
 * @access:	Where to put the object; NULL for a device that has a container.
 *
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_create(struct vfio_device *vdev, struct iommufd_access **access);

/**
 * vpm_iommufd_destroy() - Undo vpm_iommufd_create()
 * @access:	The object, or NULL.
 */
void vpm_iommufd_destroy(struct iommufd_access *access);

/**
 * vpm_iommufd_read() - Read memory
 * @access:	The object, attached.
 * @iova:	Where.
 * @buf:	Where to.
 * @size:	Bytes.
 *
 * Return: 0 or a negative errno.
 */
int vpm_iommufd_read(struct iommufd_access *access, u64 iova, void *buf, size_t size);

/**
 * vpm_iommufd_attach() - Attach the object to an IOAS
 * @access:	The object. Nobody reads meanwhile.
 * @id:		What the device is attached to: an IOAS, or an HWPT.
 * @was_attached: The object is attached to another one.
 *
 * Return: Whether the object is attached, as it is not when @id is an HWPT.
 */
bool vpm_iommufd_attach(struct iommufd_access *access, u32 id, bool was_attached);

/**
 * vpm_iommufd_detach() - Detach the object from its IOAS
 * @access:	The object, attached. Nobody reads meanwhile.
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

static inline int vpm_iommufd_read(struct iommufd_access *access, u64 iova, void *buf,
				   size_t size)
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
