/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What state machine, transfers and protocols of a device's migration share.
 */

#ifndef VFIO_MEDIATE_MIG_H
#define VFIO_MEDIATE_MIG_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include "stream.h"

struct vfio_mediate_session;
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
 * Called with state_lock held, not inside a call to the vendor.
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
 * @after_reset: Called by vpm_mig_lock() then, with @state_lock held.
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
	void (*after_reset)(struct vpm_mig *mig);
	unsigned int epoch;
};

/**
 * vpm_mig_alloc() - Allocate a migration, in VFIO_DEVICE_STATE_RUNNING
 * @id:		What its streams must suit.
 *
 * Return: The migration, or NULL.
 */
struct vpm_mig *vpm_mig_alloc(const struct vpm_identity *id);

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
 * vpm_mig_note_reset() - The device was reset
 * @mig:	The migration. Whoever locks it next deals with that.
 *
 * Context: Any.
 */
void vpm_mig_note_reset(struct vpm_mig *mig);

/**
 * vpm_mig_note_loss() - The device loses its state, or has lost it
 * @mig:	The migration.
 * @begun:	The former. Otherwise a loss that has begun is over.
 *
 * What has been transferred only in part until then cannot be transferred any more.
 *
 * Context: One call at a time.
 */
void vpm_mig_note_loss(struct vpm_mig *mig, bool begun);

/**
 * vpm_mig_size() - How many bytes a stream of the stopped device will have
 * @mig:	The migration; locked.
 *
 * Return: An estimate; -ENODEV when the vendor has gone.
 */
s64 vpm_mig_size(struct vpm_mig *mig);

#endif /* VFIO_MEDIATE_MIG_H */
