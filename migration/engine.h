/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a device that can be migrated, under both protocols.
 */

#ifndef VFIO_MEDIATE_ENGINE_H
#define VFIO_MEDIATE_ENGINE_H

#include "mig.h"

struct pci_dev;

/**
 * vpm_mig_create() - Prepare to migrate a device
 * @vdev:	The device. Its migration_flags are set before the state is.
 * @pdev:	The same device.
 * @session:	Who mediates it.
 * @id:		What its streams must suit.
 *
 * Return: The migration, in VFIO_DEVICE_STATE_RUNNING, or NULL.
 */
struct vpm_mig *vpm_mig_create(struct vfio_device *vdev, struct pci_dev *pdev,
			       struct vfio_mediate_session *session,
			       const struct vpm_identity *id);

/**
 * vpm_mig_close() - The device is being closed: leave it and the vendor alone
 * @mig:	The migration, of which nobody reports resets any more. Files of its
 *		transfers may stay open.
 */
void vpm_mig_close(struct vpm_mig *mig);

/**
 * vpm_mig_set_state() - Go to a state, by way of others where need be
 * @mig:	The migration; locked.
 * @new:	Where to.
 *
 * The transfer of the new state, if any, is in @mig.
 *
 * Return: 0 or a negative errno; the state is then one on the way, or
 * VFIO_DEVICE_STATE_ERROR.
 */
int vpm_mig_set_state(struct vpm_mig *mig, enum vfio_device_mig_state new);

/**
 * vpm_mig_transfer_lost() - Has a transfer ended without its VMM?
 * @mig:	The migration.
 *
 * Context: Its lock is held.
 * Return: Whether its state has a transfer and there is none, or it is an error.
 */
bool vpm_mig_transfer_lost(const struct vpm_mig *mig);

/**
 * vpm_mig_detach() - The vendor has gone
 * @mig:	The migration.
 *
 * The transfer has ended. The state is what it was, but for an error where it was loaded;
 * from now on it can be left only for one in which the device does the same, or by a reset.
 */
void vpm_mig_detach(struct vpm_mig *mig);

#endif /* VFIO_MEDIATE_ENGINE_H */
