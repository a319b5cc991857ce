/* SPDX-License-Identifier: GPL-2.0-only */
/* Region info for user space. */

#ifndef VFIO_PCI_MEDIATE_INFO_H
#define VFIO_PCI_MEDIATE_INFO_H

#include <linux/types.h>

struct vfio_device;
struct vfio_info_cap;
struct vfio_region_info;
struct vpm_device;

#ifdef COMPAT_HAS_REGION_INFO_CAPS
/**
 * vpm_region_info() - &vfio_device_ops.get_region_info_caps
 * @vdev:	The device.
 * @info:	Region info. @info->index is set on entry.
 * @caps:	Capability chain to extend.
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vpm_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		    struct vfio_info_cap *caps);
#else
/**
 * vpm_region_info_ioctl() - VFIO_DEVICE_GET_REGION_INFO
 * @vpm:	The device, mediated.
 * @arg:	Struct in user space.
 *
 * Context: Process context, may sleep.
 * Return:
 * * %0: Success.
 * * %-ENOTTY: The region is not mediated. Call vfio_pci_core.
 * * Other negative errno: Failure.
 */
long vpm_region_info_ioctl(struct vpm_device *vpm, struct vfio_region_info __user *arg);
#endif

#endif /* VFIO_PCI_MEDIATE_INFO_H */
