/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration state of a device, shared by the state machine, the transfers and both protocols.
 */

#ifndef VFIO_MEDIATE_MIG_H
#define VFIO_MEDIATE_MIG_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#include "stats.h"
#include "stream.h"

struct vfio_mediate_session;
struct vpm_mig;
struct vpm_transfer;

/**
 * enum vpm_protocol - Migration protocol that user space uses for a device
 * @VPM_PROTOCOL_NONE:	User space has used neither protocol so far.
 * @VPM_PROTOCOL_V1:	struct vfio_device_migration_info.
 * @VPM_PROTOCOL_V2:	VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE.
 */
enum vpm_protocol {
	VPM_PROTOCOL_NONE,
	VPM_PROTOCOL_V1,
	VPM_PROTOCOL_V2,
};

/**
 * enum vpm_level - Operating level of a device
 * @VPM_RUNNING:	The device operates fully.
 * @VPM_QUIESCED:	The device operates, but initiates no DMA to other devices.
 * @VPM_STOPPED:	The device is stopped.
 */
enum vpm_level {
	VPM_RUNNING,
	VPM_QUIESCED,
	VPM_STOPPED,
};

/**
 * struct vpm_mig_watch - Callbacks on what happens to a migration
 * @level:	Note the level of the device. Called before the device is quiesced or stopped,
 *		and after it runs again or a change of the level failed. Also called with
 *		VPM_RUNNING when the vendor is gone or the device is closed. May be called
 *		several times in a row with the same level.
 * @save:	Prepare to save a running or quiesced device. Return 0 or a negative errno.
 * @check:	Return a negative errno when dirty pages may have been missed. Called before
 *		a stopped device is saved, and while a running device is saved.
 * @stopped:	Collect the remaining dirty pages of a device that was just stopped. Return 0 or
 *		a negative errno. While the device is not being saved, errors other than -EAGAIN
 *		are ignored.
 * @saved:	Undo @save, after the save has completed or was abandoned. Called once after
 *		one or several calls of @save that returned 0. After a reset the call is
 *		deferred: until user space sets VFIO_DEVICE_STATE_RUNNING, until the next save
 *		ends, or until the vendor is gone or the device is closed.
 * @state:	Tell that the state has changed from @old. May be NULL.
 * @failed:	Tell that a change of the state has failed. May be NULL.
 * @finished:	Tell that a migration has ended. May be NULL.
 *
 * Context: Process context, may sleep. state_lock is held. Not called inside a call to the
 * vendor.
 */
struct vpm_mig_watch {
	void (*level)(struct vpm_mig *mig, enum vpm_level level);
	int (*save)(struct vpm_mig *mig);
	int (*check)(struct vpm_mig *mig);
	int (*stopped)(struct vpm_mig *mig);
	void (*saved)(struct vpm_mig *mig);
	void (*state)(struct vpm_mig *mig, enum vfio_device_mig_state old);
	void (*failed)(struct vpm_mig *mig, int error);
	void (*finished)(struct vpm_mig *mig, struct vpm_outcome *outcome);
};

/**
 * struct vpm_mig - Migration state of a device, from open to close
 * @ref:	References: one of the device, one of each transfer.
 * @state_lock:	Serializes migration callbacks of the vendor. Protects all members below except
 *		@reset, @epoch, @wait and @wakes. User memory is not accessed with the lock held.
 * @pdev:	The PCI device, for log messages. Valid while @session is set.
 * @vdev:	The VFIO device, for the table of arcs. Valid while @session is set.
 * @session:	The vendor's session. NULL once the device is closed.
 * @watch:	The watch callbacks, or NULL.
 * @watched:	&vpm_mig_watch.save has succeeded, and &vpm_mig_watch.saved is still to be called.
 * @id:		Identity that stream headers carry, and must match when they are loaded.
 * @save_version: Version of streams that the administrator has chosen, or 0. Read without a
 *		lock. NULL: none can be chosen. Valid while @session is set.
 * @state:	State that is reported to user space.
 * @level:	Level of the last successful vendor call.
 * @level_unsure: A vendor call to change the level has failed since. The vendor should have
 *		restored @level. The next reset calls &vfio_mediate_migration_ops.run in any case.
 * @protocol:	The protocol that user space used first.
 * @transfer:	The data transfer of @state, or NULL.
 * @stats:	Figures of the current or last migration.
 * @loaded:	A state was loaded, and the device has not run with it yet. The vendor is still
 *		to be told by &vfio_mediate_migration_ops.load_end.
 * @loaded_epoch: @epoch at the start of the transfer that loaded this state.
 * @reset:	The device was reset, and @after_reset has not handled the reset yet.
 *		vpm_mig_lock() handles it before anything else reads the state.
 * @after_reset: Handles a reset. Called by vpm_mig_lock() with @state_lock held.
 * @epoch:	Changes when the device loses its state without a reset of the function, for
 *		example when the PF is reset. Odd while the loss is in progress. Read without a
 *		lock.
 * @wait:	Tasks that wait for data of a transfer, in read() or poll().
 * @wakes:	Number of calls of vpm_mig_wake().
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
	const u32 *save_version;
	enum vfio_device_mig_state state;
	enum vpm_level level;
	bool level_unsure;
	enum vpm_protocol protocol;
	struct vpm_transfer *transfer;
	struct vpm_stats stats;
	bool loaded;
	unsigned int loaded_epoch;
	bool reset;
	void (*after_reset)(struct vpm_mig *mig);
	unsigned int epoch;
	wait_queue_head_t wait;
	atomic_t wakes;
};

/**
 * vpm_mig_alloc() - Allocate the migration state in VFIO_DEVICE_STATE_RUNNING
 * @id:		Identity that its streams must match.
 *
 * Context: Process context, may sleep.
 * Return: The migration, or NULL when memory is exhausted.
 */
struct vpm_mig *vpm_mig_alloc(const struct vpm_identity *id);

/**
 * vpm_mig_get() - Take a reference on a migration
 * @mig:	The migration.
 *
 * Context: Any.
 */
void vpm_mig_get(struct vpm_mig *mig);

/**
 * vpm_mig_put() - Drop the reference of vpm_mig_get(), vpm_mig_alloc() or vpm_mig_create()
 * @mig:	The migration, freed with its last reference.
 *
 * Context: Process context.
 */
void vpm_mig_put(struct vpm_mig *mig);

/**
 * vpm_mig_lock() - Take state_lock and handle a reset that has been noted
 * @mig:	The migration.
 *
 * Context: Process context, may sleep. Takes state_lock. May call the vendor.
 */
void vpm_mig_lock(struct vpm_mig *mig);

/**
 * vpm_mig_unlock() - Release state_lock
 * @mig:	The migration.
 *
 * Context: Process context. Releases state_lock.
 */
void vpm_mig_unlock(struct vpm_mig *mig);

/**
 * vpm_mig_claim() - Claim the migration for a protocol
 * @mig:	The migration.
 * @protocol:	The protocol that user space is about to use.
 *
 * Context: Process context. state_lock is held.
 * Return:
 * * %0: The protocol may be used.
 * * %-EBUSY: User space has used the other protocol.
 */
int vpm_mig_claim(struct vpm_mig *mig, enum vpm_protocol protocol);

/**
 * vpm_mig_check() - Check that the migration of a running device can still succeed
 * @mig:	The migration, being saved while the device runs.
 *
 * On an error in pre-copy, a VMM returns the device to RUNNING. On an error of the arc to
 * STOP_COPY, a VMM resets the device.
 *
 * Context: Process context, may sleep. state_lock is held.
 * Return: 0, or a negative errno when dirty pages may have been missed.
 */
int vpm_mig_check(struct vpm_mig *mig);

/**
 * vpm_mig_note_reset() - Note that the device was reset
 * @mig:	The migration.
 *
 * The next vpm_mig_lock() handles the reset.
 *
 * Context: Any.
 */
void vpm_mig_note_reset(struct vpm_mig *mig);

/**
 * vpm_mig_note_loss() - Note that a loss of the device's state begins or is over
 * @mig:	The migration.
 * @begun:	True when the loss begins, false when it is over.
 *
 * A transfer that is not complete by then fails.
 *
 * Context: Any. The caller serializes calls.
 */
void vpm_mig_note_loss(struct vpm_mig *mig, bool begun);

/**
 * vpm_mig_wake() - Wake the tasks that wait for data of a transfer
 * @mig:	The migration.
 *
 * Context: Any.
 */
void vpm_mig_wake(struct vpm_mig *mig);

/**
 * vpm_mig_size() - Estimate the size of the migration stream of the stopped device
 * @mig:	The migration.
 *
 * Context: Process context, may sleep. state_lock is held.
 * Return: The estimate in bytes, or -ENODEV when the vendor is gone.
 */
s64 vpm_mig_size(struct vpm_mig *mig);

#endif /* VFIO_MEDIATE_MIG_H */
