/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Protocol v1: the region of struct vfio_device_migration_info, as it was before
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE.
 */

#ifndef VFIO_MEDIATE_V1_H
#define VFIO_MEDIATE_V1_H

#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct vpm_device;
struct vpm_mig;

/* Where the data section starts */
#define VPM_V1_DATA_OFFSET	PAGE_SIZE
#define VPM_V1_DATA_SIZE	SZ_64K

/**
 * struct vpm_v1 - What the region has beyond the state machine
 * @mig:	The migration.
 * @lock:	Held around accesses to members, not around those to user space's
 *		memory. Outside of a transfer's lock. Protects @size.
 * @data:	The data section. User space may write to it at any time.
 * @size:	Bytes in @data that were saved and are to be read; 0 when none are.
 */
struct vpm_v1 {
	struct vpm_mig *mig;
	struct mutex lock;	/* see above */
	void *data;
	u64 size;
};

/**
 * vpm_v1_access() - Access the part of the region that is not data
 * @v1:		The region.
 * @offset:	In the region.
 * @width:	Of the access.
 * @value:	What is written, or where to put what is read.
 * @write:	Which of the two.
 *
 * Return: 0; -EINVAL for anything but a member as a whole; -EBUSY when protocol v2
 * is in use; -ENODEV for all but the state in VFIO_DEVICE_STATE_ERROR; what the state
 * machine and transfers return.
 */
int vpm_v1_access(struct vpm_v1 *v1, u64 offset, size_t width, u64 *value,
		  bool write);

/**
 * vpm_v1_setup() - Add the region to a device
 * @vpm:	The device, being opened, with its migration. vfio_pci_core takes the
 *		region away again when it closes the device.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_v1_setup(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_V1_H */
