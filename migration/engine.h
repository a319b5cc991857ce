/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a device that can be migrated, under both protocols.
 */

#ifndef VFIO_MEDIATE_ENGINE_H
#define VFIO_MEDIATE_ENGINE_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include "session.h"
#include "stream.h"

struct vpm_mig;
struct vpm_transfer;

/**
 * enum vpm_protocol - By which protocol user space migrates a device
 * @VPM_PROTOCOL_NONE:	It has not said so.
 * @VPM_PROTOCOL_V1:	struct vfio_device_migration_info.
 * @VPM_PROTOCOL_V2:	VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE.
 */
enum vpm_protocol {
	VPM_PROTOCOL_NONE,
	VPM_PROTOCOL_V1,
	VPM_PROTOCOL_V2,
};

/**
 * enum vpm_level - How much of a device operates
 * @VPM_RUNNING:	All of it.
 * @VPM_QUIESCED:	All but DMA to other devices.
 * @VPM_STOPPED:	Nothing.
 */
enum vpm_level {
	VPM_RUNNING,
	VPM_QUIESCED,
	VPM_STOPPED,
};

/**
 * struct vpm_mig_watch - Who wants to know when a device runs, and when a running one is saved
 * @level:	It is about to be quiesced or stopped, or runs, or could not be stopped, or there
 *		is nobody left to stop it: this much of it operates. May come several times in
 *		a row with the same.
 * @save:	It is about to be. May return a negative errno.
 * @check:	Return a negative errno when not all is known that the device has written.
 *		Called when a stopped device is about to be saved, and while a running one
 *		is.
 * @stopped:	It has been stopped, whether it is saved or not. Likewise, if it is.
 * @saved:	It has been, or will not be. Comes after @save, or several, returned 0.
 *		When it was reset, not before user space has it run or be saved.
 *
 * Called with state_lock held, outside vpm_mig_enter().
 */
struct vpm_mig_watch {
	void (*level)(struct vpm_mig *mig, enum vpm_level level);
	int (*save)(struct vpm_mig *mig);
	int (*check)(struct vpm_mig *mig);
	int (*stopped)(struct vpm_mig *mig);
	void (*saved)(struct vpm_mig *mig);
};

/**
 * struct vpm_mig - Migration of a device, from open to close
 * @ref:	The device has one, and each transfer.
 * @state_lock:	Protects all below but @reset and @epoch, and all calls into the vendor.
 *		User space's memory is not touched while it is held.
 * @pdev:	The device, for messages; while there is a @session.
 * @vdev:	Likewise, for what vfio knows of the states.
 * @session:	Who mediates the device; NULL when it is closed.
 * @watch:	Who wants to know, or NULL.
 * @watched:	&vpm_mig_watch.save was called, and &vpm_mig_watch.saved not yet.
 * @id:		What goes into headers of streams, and is expected there.
 * @state:	As user space sees it.
 * @level:	What the vendor was told last.
 * @unsure:	The vendor failed to do something else since. It should have restored
 *		@level; the next reset calls &vfio_mediate_migration_ops.run in any case.
 * @protocol:	The first that was used.
 * @transfer:	The data transfer of the state, NULL when it has none.
 * @loaded:	A state was loaded, at @loaded_epoch, with which it has not run yet.
 * @loaded_epoch: See there.
 * @reset:	The device was reset and this has not been dealt with. vpm_mig_lock()
 *		does, and nobody looks at anything without it.
 * @epoch:	Changes when the device loses its state although nobody has reset it,
 *		as when its PF is reset; odd while it does. Read without a lock.
 */
struct vpm_mig {
	struct kref ref;
	struct mutex state_lock;	/* see above */
	struct pci_dev *pdev;
	struct vfio_device *vdev;
	struct vfio_mediate_session *session;
	const struct vpm_mig_watch *watch;
	bool watched;
	struct vpm_identity id;
	enum vfio_device_mig_state state;
	enum vpm_level level;
	bool unsure;
	enum vpm_protocol protocol;
	struct vpm_transfer *transfer;
	bool loaded;
	unsigned int loaded_epoch;
	bool reset;
	unsigned int epoch;
};

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
 * vpm_mig_get() - Hold on to the memory of a migration
 * @mig:	The migration.
 */
void vpm_mig_get(struct vpm_mig *mig);

/**
 * vpm_mig_put() - Undo vpm_mig_get() or vpm_mig_create()
 * @mig:	The migration.
 */
void vpm_mig_put(struct vpm_mig *mig);

/**
 * vpm_mig_close() - The device is being closed: leave it and the vendor alone
 * @mig:	The migration, of which nobody reports resets any more. Files of its
 *		transfers may stay open.
 */
void vpm_mig_close(struct vpm_mig *mig);

/**
 * vpm_mig_lock() - Take state_lock, and deal with a reset before all else
 * @mig:	The migration.
 */
void vpm_mig_lock(struct vpm_mig *mig);

/**
 * vpm_mig_unlock() - Undo vpm_mig_lock()
 * @mig:	The migration.
 */
void vpm_mig_unlock(struct vpm_mig *mig);

/**
 * vpm_mig_claim() - User space is about to use a protocol
 * @mig:	The migration; locked.
 * @protocol:	Which.
 *
 * Return: 0, or -EBUSY when it has used the other one.
 */
int vpm_mig_claim(struct vpm_mig *mig, enum vpm_protocol protocol);

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
 * vpm_mig_check() - Can the migration of a running device still succeed?
 * @mig:	The migration, saved while the device runs; locked.
 *
 * A VMM that gets an error in pre-copy goes back to RUNNING. One that gets it on the way
 * to stop-copy resets the device.
 *
 * Return: 0, or a negative errno when not all is known that the device has written.
 */
int vpm_mig_check(struct vpm_mig *mig);

/**
 * vpm_mig_lost() - Has a transfer ended without its VMM?
 * @mig:	The migration.
 *
 * Context: Its lock is held.
 * Return: Whether its state has a transfer and there is none, or it is an error.
 */
bool vpm_mig_lost(const struct vpm_mig *mig);

/**
 * vpm_mig_detach() - The vendor has gone
 * @mig:	The migration.
 *
 * The transfer has ended. The state is what it was, but for an error where it was loaded;
 * from now on it can be left only for one in which the device does the same, or by a reset.
 */
void vpm_mig_detach(struct vpm_mig *mig);

/**
 * vpm_mig_reset() - The device was reset
 * @mig:	The migration. Whoever locks it next deals with that.
 *
 * Context: Any.
 */
void vpm_mig_reset(struct vpm_mig *mig);

/**
 * vpm_mig_lose() - The device loses its state, or has lost it
 * @mig:	The migration.
 * @begun:	The former. Otherwise a loss that has begun is over.
 *
 * What has been transferred only in part until then cannot be transferred any more.
 *
 * Context: One call at a time.
 */
void vpm_mig_lose(struct vpm_mig *mig, bool begun);

/**
 * vpm_mig_size() - How many bytes a stream of the stopped device will have
 * @mig:	The migration; locked.
 *
 * Return: An estimate; -ENODEV when the vendor has gone.
 */
s64 vpm_mig_size(struct vpm_mig *mig);

/**
 * vpm_mig_enter() - Begin to call into the vendor
 * @mig:	The migration; locked, of a device that is not closed.
 * @dev:	Where to put what callbacks are called with.
 * @cookie:	For vpm_mig_exit(), which must follow.
 *
 * Return: The callbacks, or NULL when the vendor has gone.
 */
static inline const struct vfio_mediate_migration_ops *
vpm_mig_enter(struct vpm_mig *mig, struct vfio_mediate_device **dev, int *cookie)
	__acquires(&mig->session->calls)
{
	return vfio_mediate_enter(mig->session, dev, cookie) ?
		(*dev)->migration : NULL;
}

/**
 * vpm_mig_exit() - End what vpm_mig_enter() began
 * @mig:	The migration.
 * @cookie:	From vpm_mig_enter().
 */
static inline void vpm_mig_exit(struct vpm_mig *mig, int cookie)
	__releases(&mig->session->calls)
{
	vfio_mediate_exit(mig->session, cookie);
}

#endif /* VFIO_MEDIATE_ENGINE_H */
