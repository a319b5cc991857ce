// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration of a device from open to close, and protocol v2. The VFIO core implements the ioctls of
 * protocol v2.
 */

#include <linux/file.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "container.h"
#include "device.h"
#include "engine.h"
#include "events.h"
#include "migration.h"
#include "reset.h"
#include "track.h"
#include "transfer.h"
#include "trap.h"
#include "v1.h"
#include "vfio_ops.h"

static int change_state(struct vpm_device *vpm, enum vfio_device_mig_state new,
			struct file **file)
{
	struct vpm_mig *mig = vpm->mig;
	struct vpm_transfer *transfer;
	int ret;

	/* Apply earlier resets and register writes of the guest before the change of the state. */
	vpm_reset_flush(vpm);
	vpm_trap_flush(vpm);

	vpm_mig_lock(mig);
	ret = vpm_mig_claim(mig, VPM_PROTOCOL_V2);
	if (!ret)
		ret = vpm_mig_set_state(mig, new);
	transfer = mig->transfer;
	if (!ret && transfer) {
		*file = transfer->filp;
		transfer->filp = NULL;
	}
	vpm_mig_unlock(mig);

	return ret;
}

static struct file *set_state(struct vfio_device *vdev,
			      enum vfio_device_mig_state new)
{
	struct vpm_device *vpm = to_vpm(vdev);
	struct file *file = NULL;
	int ret;

	ret = change_state(vpm, new, &file);
	/* The guest driver reset the device meanwhile. It does not repeat that: retry once. */
	if (ret == -EAGAIN)
		ret = change_state(vpm, new, &file);

	return ret ? ERR_PTR(ret) : file;
}

static int get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	return vpm_migration_state(to_vpm(vdev), state);
}

static int get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct vpm_mig *mig = to_vpm(vdev)->mig;
	s64 size;

	vpm_mig_lock(mig);
	size = vpm_mig_size(mig);
	vpm_mig_unlock(mig);
	if (size < 0)
		return size;
	*length = min_t(u64, size, ULONG_MAX);

	return 0;
}

static const struct vfio_migration_ops mig_ops = {
	.migration_set_state = set_state,
	.migration_get_state = get_state,
	.migration_get_data_size = get_data_size,
};

static int watch_save(struct vpm_mig *mig)
{
	return vpm_track_save(to_vpm(mig->vdev));
}

static int watch_check(struct vpm_mig *mig)
{
	return vpm_track_check(to_vpm(mig->vdev));
}

static int watch_stopped(struct vpm_mig *mig)
{
	return vpm_track_scan_stopped(to_vpm(mig->vdev));
}

static void watch_saved(struct vpm_mig *mig)
{
	vpm_track_save_done(to_vpm(mig->vdev));
}

static void watch_level(struct vpm_mig *mig, enum vpm_level level)
{
	struct vpm_device *vpm = to_vpm(mig->vdev);

	if (level == VPM_RUNNING)
		vpm_decode_release(vpm);
	else
		vpm_decode_hold(vpm);
	/* A quiesced device still handles doorbells, and may write to memory. */
	vpm_trap_pause(vpm, level == VPM_STOPPED);
	vpm_track_pause(vpm, level == VPM_STOPPED);
}

static void watch_state(struct vpm_mig *mig, enum vfio_device_mig_state old)
{
	vpm_events_state(to_vpm(mig->vdev), old, mig->state);
}

/* -EAGAIN is tried again at once. */
static void watch_failed(struct vpm_mig *mig, int error)
{
	if (error != -EAGAIN)
		vpm_events_error(to_vpm(mig->vdev), error);
}

static void watch_finished(struct vpm_mig *mig, struct vpm_outcome *outcome)
{
	vpm_events_migrated(to_vpm(mig->vdev), outcome);
	vpm_stats_log(mig->pdev, outcome);
}

static const struct vpm_mig_watch watch = {
	.level = watch_level,
	.save = watch_save,
	.check = watch_check,
	.stopped = watch_stopped,
	.saved = watch_saved,
	.state = watch_state,
	.failed = watch_failed,
	.finished = watch_finished,
};

static bool has_required_ops(const struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_migration_ops *ops = dev->migration;

	return ops->run && ops->stop && ops->size && ops->save &&
	       ops->load_begin && ops->load && ops->apply &&
	       !ops->pre_copy == !ops->pre_copy_size &&
	       ops->min_version <= ops->version &&
	       (!ops->record_max || ops->record_max >= VFIO_MEDIATE_RECORD_MAX) &&
	       ops->record_max <= VFIO_MEDIATE_RECORD_LIMIT &&
	       !(dev->migration_features & ~ops->features);
}

/* Each of the two locks is enough to read the pointer. */
static void set_mig(struct vpm_device *vpm, struct vpm_mig *mig)
{
	spin_lock(&vpm->reset_lock);
	spin_lock_irq(&vpm->irq_lock);
	vpm->mig = mig;
	spin_unlock_irq(&vpm->irq_lock);
	spin_unlock(&vpm->reset_lock);
}

void vpm_migration_data_ready(void *data)
{
	struct vpm_device *vpm = data;
	unsigned long flags;

	spin_lock_irqsave(&vpm->irq_lock, flags);
	if (vpm->mig)
		vpm_mig_wake(vpm->mig);
	spin_unlock_irqrestore(&vpm->irq_lock, flags);
}

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	struct vfio_device *vdev = &vpm->core.vdev;
	struct pci_dev *pdev = vpm->core.pdev;
	struct vpm_identity id = {
		.source.ids = {
			pdev->vendor, pdev->device,
			pdev->subsystem_vendor, pdev->subsystem_device,
		},
		.features = dev->migration_features,
	};
	struct vpm_mig *mig;
	unsigned int i;
	int vectors;

	if (!dev->migration)
		return 0;
	if (!has_required_ops(dev) || strlen(ops->name) >= sizeof(id.name))
		return -EINVAL;

	strscpy_pad(id.name, ops->name, sizeof(id.name));
	id.version = dev->migration->version;
	id.min_version = dev->migration->min_version;
	id.known = dev->migration->features;
	id.record_max = dev->migration->record_max ?: VFIO_MEDIATE_RECORD_MAX;
	for (i = 0; i < ARRAY_SIZE(id.source.bars); i++)
		id.source.bars[i] = vpm_region_size(vpm, i);
	vectors = pci_msix_vec_count(pdev);
	if (vectors < 0)
		vectors = pci_msi_vec_count(pdev);
	id.source.vectors = max(vectors, 0);

	mig = vpm_mig_create(vdev, pdev, vpm->session, &id);
	if (!mig)
		return -ENOMEM;

	mig->watch = &watch;
	mig->save_version = &vpm->save_version;
	vpm_events_migratable(vpm);
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY;
	if (dev->migration->quiesce)
		vdev->migration_flags |= VFIO_MIGRATION_P2P;
	/* With an iommufd, migration is offered when the device is attached to an IOAS. */
	if (vpm_has_container(vdev))
		vdev->mig_ops = &mig_ops;

	set_mig(vpm, mig);

	return vpm_v1_setup(vpm);
}

void vpm_migration_offer(struct vpm_device *vpm)
{
	if (!vpm->mig)
		return;

	vpm_track_note_domain(vpm);
	/*
	 * The VFIO core does not expect mig_ops to be withdrawn. When dirty tracking becomes
	 * insufficient later, saving is refused instead.
	 */
	if (vpm_track_is_sufficient(vpm))
		WRITE_ONCE(vpm->core.vdev.mig_ops, &mig_ops);
	else
		pci_notice_ratelimited(vpm->core.pdev,
				       "cannot be migrated: neither the IOMMU nor the vendor driver can track dirty pages\n");
}

static void stop(struct vpm_device *vpm)
{
	struct vpm_mig *mig = vpm->mig;

	set_mig(vpm, NULL);
	if (!mig)
		return;

	vpm_mig_close(mig);
	vpm_mig_put(mig);
	vpm->core.vdev.mig_ops = NULL;
	vpm->core.vdev.migration_flags = 0;
}

/* Get the migration with a reference, or NULL. The device may be closed at any time. */
static struct vpm_mig *get_mig(struct vpm_device *vpm)
{
	struct vpm_mig *mig;

	spin_lock(&vpm->reset_lock);
	mig = vpm->mig;
	if (mig)
		vpm_mig_get(mig);
	spin_unlock(&vpm->reset_lock);

	return mig;
}

int vpm_migration_state(struct vpm_device *vpm, enum vfio_device_mig_state *state)
{
	struct vpm_mig *mig = get_mig(vpm);

	if (!mig)
		return -ENODEV;

	vpm_mig_lock(mig);
	*state = mig->state;
	vpm_mig_unlock(mig);
	vpm_mig_put(mig);

	return 0;
}

static bool is_failed(struct vpm_device *vpm)
{
	enum vfio_device_mig_state state = VFIO_DEVICE_STATE_RUNNING;

	vpm_migration_state(vpm, &state);

	return state == VFIO_DEVICE_STATE_ERROR;
}

static void detach(struct vpm_device *vpm)
{
	struct vpm_mig *mig = get_mig(vpm);

	if (!mig)
		return;

	vpm_mig_detach(mig);
	vpm_mig_put(mig);
}

static void reset_note(struct vpm_device *vpm, enum vpm_reset_event event)
{
	lockdep_assert_held(&vpm->reset_lock);

	if (!vpm->mig)
		return;

	if (event == VPM_FUNCTION_RESET)
		vpm_mig_note_reset(vpm->mig);
	else
		vpm_mig_note_loss(vpm->mig, event == VPM_STATE_LOSS_BEGUN);
}

static void reset_resume(struct vpm_device *vpm)
{
	struct vpm_mig *mig = get_mig(vpm);

	if (!mig)
		return;

	/* vpm_mig_lock() handles the reset. */
	vpm_mig_lock(mig);
	vpm_mig_unlock(mig);
	vpm_mig_put(mig);
}

const struct vpm_part vpm_migration_part = {
	.setup = setup,
	.stop = stop,
	.detach = detach,
	.reset_note = reset_note,
	.reset_resume = reset_resume,
	.is_failed = is_failed,
};
