/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration of a device from open to close.
 */

#ifndef VFIO_MEDIATE_MIGRATION_H
#define VFIO_MEDIATE_MIGRATION_H

#include <linux/vfio.h>

struct vpm_device;

/**
 * vpm_migration_offer() - The device has got memory by an iommufd
 * @vpm:	The device, open; the lock of vfio's device set is held.
 *
 * Migration is offered from then on, if user space gets to know what the device writes.
 */
void vpm_migration_offer(struct vpm_device *vpm);

/**
 * vpm_migration_state() - The state of migration of a device
 * @vpm:	The device, open or not.
 * @state:	Where to put it.
 *
 * Context: Process context, sleeps, no lock held.
 * Return: 0, or -ENODEV when the device is not open, or cannot be migrated.
 */
int vpm_migration_state(struct vpm_device *vpm, enum vfio_device_mig_state *state);

#endif /* VFIO_MEDIATE_MIGRATION_H */
