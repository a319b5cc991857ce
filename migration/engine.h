/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State machine of a migratable device, for both protocols.
 */

#ifndef VFIO_MEDIATE_ENGINE_H
#define VFIO_MEDIATE_ENGINE_H

#include "mig.h"

struct pci_dev;

/**
 * vpm_mig_create() - Create the migration state of a device
 * @vdev:	The VFIO device. The caller sets migration_flags before the first state change.
 * @pdev:	The PCI device of @vdev.
 * @session:	The vendor's session.
 * @id:		Identity that its streams must match.
 *
 * Context: Process context, may sleep.
 * Return: The migration in VFIO_DEVICE_STATE_RUNNING, or NULL when memory is exhausted.
 */
struct vpm_mig *vpm_mig_create(struct vfio_device *vdev, struct pci_dev *pdev,
			       struct vfio_mediate_session *session,
			       const struct vpm_identity *id);

/**
 * vpm_mig_close() - End all use of the device and of the vendor
 * @mig:	The migration. Resets are no longer noted on it.
 *
 * Called when the device is closed. Files of transfers may stay open.
 *
 * Context: Process context, may sleep. Takes state_lock.
 */
void vpm_mig_close(struct vpm_mig *mig);

/**
 * vpm_mig_set_state() - Change the state by one or several arcs
 * @mig:	The migration.
 * @new:	The new state.
 *
 * &vpm_mig.transfer is the transfer of the new state, if that state has one.
 *
 * Context: Process context, may sleep. state_lock is held. Calls the vendor.
 * Return: 0 or a negative errno. After an error the device is in a state on the path of arcs,
 * or in VFIO_DEVICE_STATE_ERROR.
 */
int vpm_mig_set_state(struct vpm_mig *mig, enum vfio_device_mig_state new);

/**
 * vpm_mig_transfer_lost() - Check whether a transfer has ended without a request of the VMM
 * @mig:	The migration.
 *
 * Context: Process context. state_lock is held.
 * Return: True when the state is a transfer state without a transfer, or
 * VFIO_DEVICE_STATE_ERROR.
 */
bool vpm_mig_transfer_lost(const struct vpm_mig *mig);

/**
 * vpm_mig_detach() - Handle the detach of the vendor
 * @mig:	The migration.
 *
 * Ends the transfer. VFIO_DEVICE_STATE_RESUMING becomes VFIO_DEVICE_STATE_ERROR, any other state
 * stays. Afterwards only arcs that need no call to the vendor succeed, and a reset.
 *
 * Context: Process context, may sleep. Takes state_lock.
 */
void vpm_mig_detach(struct vpm_mig *mig);

#endif /* VFIO_MEDIATE_ENGINE_H */
