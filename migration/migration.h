/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration of a device from open to close.
 */

#ifndef VFIO_MEDIATE_MIGRATION_H
#define VFIO_MEDIATE_MIGRATION_H

#include <linux/vfio.h>

struct vpm_device;

/**
 * vpm_migration_offer() - Offer migration of a device that was attached to an IOAS or HWPT
 * @vpm:	The device, open.
 *
 * Migration is offered only if user space can learn all dirty pages of the device.
 *
 * Context: Process context, may sleep. The lock of the VFIO device set is held.
 */
void vpm_migration_offer(struct vpm_device *vpm);

/**
 * vpm_migration_state() - Get the migration state of a device
 * @vpm:	The device, open or not.
 * @state:	Set to the state.
 *
 * Context: Process context, may sleep. No lock is held. Takes state_lock.
 * Return: 0, or -ENODEV when the device is not open or cannot be migrated.
 */
int vpm_migration_state(struct vpm_device *vpm, enum vfio_device_mig_state *state);

#endif /* VFIO_MEDIATE_MIGRATION_H */
