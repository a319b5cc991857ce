// SPDX-License-Identifier: GPL-2.0-only
/*
 * State machine of a migratable device, for both protocols.
 */

#include <linux/pci.h>

#include "engine.h"
#include "file.h"
#include "names.h"
#include "trace.h"
#include "transfer.h"
#include "vendor.h"

enum transfer_kind {
	NONE,
	SAVING,
	LOADING,
};

/* An arc changes either the level or the kind of transfer, never both. */
static const struct {
	enum vpm_level level;
	enum transfer_kind transfer;
} states[VFIO_DEVICE_STATE_NR] = {
	[VFIO_DEVICE_STATE_ERROR]	 = { VPM_STOPPED, NONE },
	[VFIO_DEVICE_STATE_STOP]	 = { VPM_STOPPED, NONE },
	[VFIO_DEVICE_STATE_RUNNING]	 = { VPM_RUNNING, NONE },
	[VFIO_DEVICE_STATE_STOP_COPY]	 = { VPM_STOPPED, SAVING },
	[VFIO_DEVICE_STATE_RESUMING]	 = { VPM_STOPPED, LOADING },
	[VFIO_DEVICE_STATE_RUNNING_P2P]	 = { VPM_QUIESCED, NONE },
	[VFIO_DEVICE_STATE_PRE_COPY]	 = { VPM_RUNNING, SAVING },
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = { VPM_QUIESCED, SAVING },
};

/* Call the optional ->save_begin() or ->save_end(). */
static int notify_saving(struct vpm_mig *mig, bool begin)
{
	const struct vfio_mediate_migration_ops *ops;

	CLASS(vpm_call, call)(mig->session);
	if (!call.ops)
		return -ENODEV;

	ops = call.dev->migration;
	if (begin && ops->save_begin)
		return min(ops->save_begin(call.dev), 0);
	if (!begin && ops->save_end)
		ops->save_end(call.dev);

	return 0;
}

static int start_watch(struct vpm_mig *mig)
{
	int ret;

	if (!mig->watch)
		return 0;
	if (mig->level == VPM_STOPPED)
		return mig->watch->check(mig);

	ret = mig->watch->save(mig);
	mig->watched = !ret;

	return ret;
}

static void stop_watch(struct vpm_mig *mig)
{
	if (mig->watched)
		mig->watch->saved(mig);
	mig->watched = false;
}

/* Call the optional ->load_end(), after ->load_begin() has succeeded. */
static void notify_load_end(struct vpm_mig *mig, int error)
{
	CLASS(vpm_call, call)(mig->session);

	if (call.ops && call.dev->migration->load_end)
		call.dev->migration->load_end(call.dev, error);
}

/* The device will not run with the state that was loaded, if there is one. */
static void cancel_loaded(struct vpm_mig *mig)
{
	if (mig->loaded)
		notify_load_end(mig, -ECANCELED);
	mig->loaded = false;
}

/* Report a migration that has ended. */
static void finish(struct vpm_mig *mig)
{
	if (vpm_stats_finish(&mig->stats, mig->state) && mig->watch && mig->watch->finished)
		mig->watch->finished(mig, &mig->stats.outcome);
}

/* A state that was loaded, and with which the device has not run */
static void abandon_load(struct vpm_mig *mig)
{
	if (mig->stats.outcome.direction == VFIO_MEDIATE_DIRECTION_LOAD)
		mig->stats.complete = false;
}

/* The destination's figures are complete when the device runs. */
static void enter_state(struct vpm_mig *mig, enum vfio_device_mig_state new)
{
	enum vfio_device_mig_state old = mig->state;
	u64 spent = vpm_stats_enter(&mig->stats, old);

	mig->state = new;
	trace_state(mig->pdev, old, new, spent);
	if (mig->watch && mig->watch->state)
		mig->watch->state(mig, old);
	if (mig->stats.outcome.direction == VFIO_MEDIATE_DIRECTION_SAVE ||
	    new == VFIO_DEVICE_STATE_RUNNING || new == VFIO_DEVICE_STATE_ERROR)
		finish(mig);
}

static void end_transfer(struct vpm_mig *mig)
{
	struct vpm_transfer *transfer = mig->transfer;

	if (!transfer)
		return;

	vpm_transfer_account(transfer, &mig->stats);
	if (!transfer->loading)
		notify_saving(mig, false);
	else if (transfer->begun && !mig->loaded)
		notify_load_end(mig, transfer->error ?: -ECANCELED);
	mig->transfer = NULL;
	vpm_transfer_end(transfer);
}

static void notify_watch(struct vpm_mig *mig, enum vpm_level level)
{
	if (mig->watch)
		mig->watch->level(mig, level);
}

static int call_level(struct vpm_mig *mig, enum vpm_level level)
{
	const struct vfio_mediate_migration_ops *ops;
	int ret;

	CLASS(vpm_call, call)(mig->session);
	mig->level_unsure = false;
	if (!call.ops)
		return -ENODEV;

	ops = call.dev->migration;
	if (level == VPM_RUNNING)
		ret = ops->run(call.dev);
	else if (level == VPM_QUIESCED)
		ret = ops->quiesce(call.dev);
	else
		ret = ops->stop(call.dev);
	mig->level_unsure = ret < 0;

	return ret;
}

static int change_level(struct vpm_mig *mig, enum vpm_level level)
{
	int ret;

	if (level != VPM_RUNNING)
		notify_watch(mig, level);
	ret = call_level(mig, level);
	if (ret >= 0)
		mig->level = level;
	if (level == VPM_RUNNING || ret < 0)
		notify_watch(mig, mig->level);

	return min(ret, 0);
}

/*
 * Called when the device runs. The source is gone by then. If the loaded state was lost, the vendor
 * must make the guest driver restart.
 */
static void end_loaded(struct vpm_mig *mig)
{
	if (!mig->loaded)
		return;

	mig->loaded = false;
	if (READ_ONCE(mig->epoch) != mig->loaded_epoch) {
		mig->stats.outcome.error = -EIO;
		pci_notice_ratelimited(mig->pdev,
				       "device state was lost after it was loaded: the guest driver must restart\n");
	}
	notify_load_end(mig, 0);
}

static int set_level(struct vpm_mig *mig, enum vpm_level level)
{
	enum vpm_level was = mig->level;
	int ret;

	ret = change_level(mig, level);
	if (!ret && level == VPM_RUNNING)
		end_loaded(mig);
	if (ret || level != VPM_STOPPED || !mig->watch)
		return ret;

	ret = mig->watch->stopped(mig);
	/*
	 * Missed dirty pages matter only while the device is being saved. -EAGAIN is reported in
	 * any case: a second attempt can collect the pages.
	 */
	if (!mig->watched && ret != -EAGAIN)
		return 0;
	if (ret && change_level(mig, was))
		return -ENOTRECOVERABLE;

	return ret;
}

/*
 * A PF is saved without its VFs: the destination has none of them. They can be enabled while the
 * PF is saved, too.
 */
static int check_vfs(struct vpm_mig *mig)
{
	int num_vfs = pci_num_vf(mig->pdev);

	if (!num_vfs)
		return 0;

	pci_notice_ratelimited(mig->pdev, "cannot be migrated: it has VFs (%d), whose state would be lost; disable SR-IOV first\n",
			       num_vfs);

	return -EOPNOTSUPP;
}

static int start_transfer(struct vpm_mig *mig, bool loading)
{
	struct vpm_transfer *transfer;
	int ret;

	ret = loading ? 0 : check_vfs(mig);
	if (ret)
		return ret;

	transfer = vpm_transfer_create(mig, loading);
	if (IS_ERR(transfer))
		return PTR_ERR(transfer);

	ret = mig->protocol == VPM_PROTOCOL_V2 ? vpm_file_create(transfer) : 0;
	if (!ret && !loading)
		ret = start_watch(mig);
	if (!ret && !loading)
		ret = notify_saving(mig, true);
	if (!ret) {
		if (loading)
			cancel_loaded(mig);
		mig->transfer = transfer;
		return 0;
	}

	stop_watch(mig);
	vpm_transfer_end(transfer);

	return ret;
}

static void enter_error(struct vpm_mig *mig)
{
	end_transfer(mig);
	stop_watch(mig);
	enter_state(mig, VFIO_DEVICE_STATE_ERROR);
}

/* The level of the device is unknown. VPM_STOPPED makes after_reset() call ->run(). */
static void enter_error_level_unknown(struct vpm_mig *mig)
{
	mig->level = VPM_STOPPED;
	enter_error(mig);
}

static int do_arc(struct vpm_mig *mig, enum vfio_device_mig_state new)
{
	enum transfer_kind kind = states[mig->state].transfer;
	int ret;

	if (states[new].level != states[mig->state].level) {
		ret = kind == SAVING && new == VFIO_DEVICE_STATE_STOP_COPY ? check_vfs(mig) : 0;
		if (!ret)
			ret = set_level(mig, states[new].level);
		if (ret == -ENOTRECOVERABLE)
			enter_error_level_unknown(mig);
		if (ret)
			return ret;
		if (kind == SAVING && new == VFIO_DEVICE_STATE_STOP_COPY)
			vpm_transfer_stopped(mig->transfer);
	} else if (kind == NONE) {
		ret = start_transfer(mig, states[new].transfer == LOADING);
		if (ret == -ENOTRECOVERABLE)
			enter_error_level_unknown(mig);
		if (ret)
			return ret;
	} else if (kind == LOADING) {
		ret = vpm_transfer_loaded(mig->transfer);
		if (ret) {
			enter_error(mig);
			return ret;
		}
		mig->loaded = true;
		mig->loaded_epoch = mig->transfer->epoch;
		end_transfer(mig);
	} else {
		end_transfer(mig);
		stop_watch(mig);
	}

	enter_state(mig, new);

	return 0;
}

static void note_failure(struct vpm_mig *mig, enum vfio_device_mig_state new, int error)
{
	pci_dbg(mig->pdev, "migration: no change to state %u from state %u: %pe\n",
		new, mig->state, ERR_PTR(error));
	trace_refused(mig->pdev, "state", vpm_state_name(new), error);
	if (mig->watch && mig->watch->failed)
		mig->watch->failed(mig, error);
}

int vpm_mig_set_state(struct vpm_mig *mig, enum vfio_device_mig_state new)
{
	enum vfio_device_mig_state next;
	int ret;

	lockdep_assert_held(&mig->state_lock);

	if (!mig->session)
		return -ENODEV;
	/* vfio_mig_get_next_state() warns on VFIO_DEVICE_STATE_ERROR. */
	if (mig->state == VFIO_DEVICE_STATE_ERROR ||
	    new == VFIO_DEVICE_STATE_ERROR)
		return -EINVAL;

	while (mig->state != new) {
		ret = vfio_mig_get_next_state(mig->vdev, mig->state, new, &next);
		if (!ret)
			ret = do_arc(mig, next);
		if (ret) {
			note_failure(mig, new, ret);
			return ret;
		}
	}
	/* A reset during a save has left the watch active. */
	if (new == VFIO_DEVICE_STATE_RUNNING)
		stop_watch(mig);

	return 0;
}

static void after_reset(struct vpm_mig *mig)
{
	int ret = 0;

	if (!mig->session)
		return;

	/* The VMM may not know of the reset and go on sending memory: keep the watch active. */
	end_transfer(mig);
	cancel_loaded(mig);
	abandon_load(mig);
	if (mig->level != VPM_RUNNING || mig->level_unsure)
		ret = set_level(mig, VPM_RUNNING);
	enter_state(mig, ret ? VFIO_DEVICE_STATE_ERROR : VFIO_DEVICE_STATE_RUNNING);
	if (ret)
		pci_notice_ratelimited(mig->pdev, "vendor driver failed to run the device after a reset: %pe\n",
				       ERR_PTR(ret));
}

bool vpm_mig_transfer_lost(const struct vpm_mig *mig)
{
	lockdep_assert_held(&mig->state_lock);

	return mig->state == VFIO_DEVICE_STATE_ERROR ||
	       (states[mig->state].transfer != NONE && !mig->transfer);
}

void vpm_mig_detach(struct vpm_mig *mig)
{
	vpm_mig_lock(mig);
	if (states[mig->state].transfer == LOADING) {
		enter_error(mig);
	} else {
		end_transfer(mig);
		stop_watch(mig);
		abandon_load(mig);
		if (!mig->stats.complete && !mig->stats.outcome.error)
			mig->stats.outcome.error = -ENODEV;
		finish(mig);
	}
	/* The vendor is gone: do not call ->run() after a reset. */
	mig->level = VPM_RUNNING;
	mig->level_unsure = false;
	notify_watch(mig, VPM_RUNNING);
	vpm_mig_unlock(mig);
}

void vpm_mig_close(struct vpm_mig *mig)
{
	vpm_mig_lock(mig);
	vpm_stats_enter(&mig->stats, mig->state);
	end_transfer(mig);
	stop_watch(mig);
	cancel_loaded(mig);
	abandon_load(mig);
	finish(mig);
	notify_watch(mig, VPM_RUNNING);
	mig->session = NULL;
	vpm_mig_unlock(mig);
}

struct vpm_mig *vpm_mig_create(struct vfio_device *vdev, struct pci_dev *pdev,
			       struct vfio_mediate_session *session,
			       const struct vpm_identity *id)
{
	struct vpm_mig *mig = vpm_mig_alloc(id);

	if (!mig)
		return NULL;

	mig->vdev = vdev;
	mig->pdev = pdev;
	mig->session = session;
	mig->after_reset = after_reset;

	return mig;
}
