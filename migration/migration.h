/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver calls for devices that can be migrated. All may be called for any
 * device.
 */

#ifndef VFIO_MEDIATE_MIGRATION_H
#define VFIO_MEDIATE_MIGRATION_H

#include <linux/vfio.h>

struct vfio_mediate_device;
struct vfio_pci_mediate_ops;
struct vpm_device;

/**
 * vpm_migration_setup() - Take over what a vendor declares of migration
 * @vpm:	The device, being opened.
 * @dev:	The declaration.
 * @ops:	Who declares it.
 *
 * Return: 0, -EINVAL when the declaration makes no sense, -ENOMEM. Whatever is
 * returned, vpm_migration_stop() must follow.
 */
int vpm_migration_setup(struct vpm_device *vpm,
			const struct vfio_mediate_device *dev,
			const struct vfio_pci_mediate_ops *ops);

/**
 * vpm_migration_attached() - The device has got memory by an iommufd
 * @vpm:	The device, open; the lock of vfio's device set is held.
 *
 * Migration is offered from then on, if user space gets to know what the device writes.
 */
void vpm_migration_attached(struct vpm_device *vpm);

/**
 * vpm_migration_stop() - The device is being closed: leave the vendor alone
 * @vpm:	The device.
 */
void vpm_migration_stop(struct vpm_device *vpm);

/**
 * vpm_migration_state() - The state of migration of a device
 * @vpm:	The device, open or not.
 * @state:	Where to put it.
 *
 * Context: Process context, sleeps, no lock held.
 * Return: 0, or -ENODEV when the device is not open, or cannot be migrated.
 */
int vpm_migration_state(struct vpm_device *vpm, enum vfio_device_mig_state *state);

/**
 * vpm_migration_debugfs() - Offer the state and the features of migration in debugfs
 * @vpm:	The device, registered with vfio, which removes the files when it is
 *		unregistered.
 */
void vpm_migration_debugfs(struct vpm_device *vpm);

/**
 * vpm_migration_failed() - Is the device not what its user takes it for?
 * @vpm:	The device, open.
 *
 * Return: Whether it is in an error, as when not all of its state was loaded; false when
 * it cannot be migrated.
 */
bool vpm_migration_failed(struct vpm_device *vpm);

/**
 * vpm_migration_detach() - The vendor has gone
 * @vpm:	The device, still open.
 */
void vpm_migration_detach(struct vpm_device *vpm);

/**
 * vpm_migration_note_reset() - The function has been reset
 * @vpm:	The device; reset_lock held.
 */
void vpm_migration_note_reset(struct vpm_device *vpm);

/**
 * vpm_migration_note_loss() - The device's state is being lost, or has been
 * @vpm:	The device; reset_lock held.
 * @begun:	The former.
 */
void vpm_migration_note_loss(struct vpm_device *vpm, bool begun);

/**
 * vpm_migration_reset_done() - Deal with a reset of the function that was noted
 * @vpm:	The device.
 *
 * Context: Process context, no lock held.
 */
void vpm_migration_reset_done(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_MIGRATION_H */
