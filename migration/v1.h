/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration protocol v1: the region of struct vfio_device_migration_info, which preceded
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

/* Offset of the data section in the region */
#define VPM_V1_DATA_OFFSET	PAGE_SIZE
#define VPM_V1_DATA_SIZE	SZ_64K

/**
 * struct vpm_v1 - State of the protocol v1 region
 * @mig:	The migration. The region holds a reference.
 * @lock:	Serializes accesses to members of the region. Outside of the lock of a transfer. Not
 *		held while user memory is accessed. Protects @size.
 * @data:	The data section. User space may write to it at any time.
 * @size:	Number of saved bytes in @data for user space to read, or 0.
 */
struct vpm_v1 {
	struct vpm_mig *mig;
	struct mutex lock;	/* see above */
	void *data;
	u64 size;
};

/**
 * vpm_v1_access() - Access a member of struct vfio_device_migration_info
 * @v1:		The region.
 * @offset:	Offset in the region.
 * @width:	Width of the access in bytes.
 * @value:	The value to write, or set to the value that was read.
 * @write:	True for a write, false for a read.
 *
 * Context: Process context, may sleep. Takes @lock of the region, the lock of a transfer and
 * state_lock.
 * Return:
 * * %0: Success.
 * * %-EINVAL: The access is not to a whole member, or not allowed for the member or the state.
 * * %-EBUSY: User space uses protocol v2.
 * * %-ENODEV: The member belongs to a transfer, and the transfer was lost or the state is
 *   VFIO_DEVICE_STATE_ERROR.
 * * Another errno of the state machine or of the transfer.
 */
int vpm_v1_access(struct vpm_v1 *v1, u64 offset, size_t width, u64 *value,
		  bool write);

/**
 * vpm_v1_setup() - Add the protocol v1 region to a device
 * @vpm:	The device, being opened, with its migration set up.
 *
 * vfio_pci_core removes the region when the device is closed.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int vpm_v1_setup(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_V1_H */
