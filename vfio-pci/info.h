/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space is told of regions.
 */

#ifndef VFIO_PCI_MEDIATE_INFO_H
#define VFIO_PCI_MEDIATE_INFO_H

#include <linux/types.h>

struct vfio_device;
struct vfio_info_cap;
struct vfio_mediate_range;
struct vfio_region_info;

/**
 * vpm_region_info() - Describe a region
 * @vdev:	The device.
 * @info:	The question, and its answer.
 * @caps:	Capabilities are added here.
 *
 * For any region, mediated or not: the get_region_info_caps op of newer kernels.
 *
 * Return: 0 or a negative errno.
 */
int vpm_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		    struct vfio_info_cap *caps);

/**
 * vpm_has_region_info() - Would vpm_region_info() differ from vfio-pci?
 * @vdev:	The device.
 * @index:	A region.
 *
 * Return: Whether the region is mediated, or added by the vendor.
 */
bool vpm_has_region_info(struct vfio_device *vdev, u32 index);

/**
 * vpm_info_add_sparse() - Say what of a region can be mapped
 * @caps:	The capability is added here.
 * @areas:	The areas.
 * @count:	Number of @areas.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_info_add_sparse(struct vfio_info_cap *caps,
			const struct vfio_mediate_range *areas,
			unsigned int count);

#endif /* VFIO_PCI_MEDIATE_INFO_H */
