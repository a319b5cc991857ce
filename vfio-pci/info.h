/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space is told of regions.
 */

#ifndef VFIO_PCI_MEDIATE_INFO_H
#define VFIO_PCI_MEDIATE_INFO_H

#include <linux/types.h>

struct vfio_device;
struct vfio_info_cap;
struct vfio_region_info;
struct vpm_device;

#ifdef COMPAT_HAS_REGION_INFO_CAPS
/**
 * vpm_region_info() - Describe a region: &vfio_device_ops.get_region_info_caps
 * @vdev:	The device.
 * @info:	The question, and its answer.
 * @caps:	Capabilities are added here.
 *
 * Return: 0 or a negative errno.
 */
int vpm_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		    struct vfio_info_cap *caps);
#else
/**
 * vpm_region_info_ioctl() - VFIO_DEVICE_GET_REGION_INFO
 * @vpm:	The device, mediated.
 * @arg:	User space's struct.
 *
 * Return: 0 or a negative errno; -ENOTTY for a region of which vfio-pci says all there is.
 */
long vpm_region_info_ioctl(struct vpm_device *vpm, struct vfio_region_info __user *arg);
#endif

#endif /* VFIO_PCI_MEDIATE_INFO_H */
