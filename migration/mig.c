// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration state of a device, shared by the state machine, the transfers and both protocols.
 */

#include <linux/slab.h>

#include "mig.h"
#include "vendor.h"

int vpm_mig_claim(struct vpm_mig *mig, enum vpm_protocol protocol)
{
	lockdep_assert_held(&mig->state_lock);

	if (mig->protocol != VPM_PROTOCOL_NONE && mig->protocol != protocol)
		return -EBUSY;
	mig->protocol = protocol;

	return 0;
}

int vpm_mig_check(struct vpm_mig *mig)
{
	lockdep_assert_held(&mig->state_lock);

	return mig->watched ? mig->watch->check(mig) : 0;
}

s64 vpm_mig_size(struct vpm_mig *mig)
{
	s64 size;

	if (!mig->session)
		return -ENODEV;

	CLASS(vpm_call, call)(mig->session);

	if (!call.ops)
		return -ENODEV;
	size = min_t(u64, call.dev->migration->size(call.dev), S64_MAX / 2);

	/* Assume that all records except the last have the maximum length. */
	return size + sizeof(struct vpm_format_header) +
	       (size / mig->id.record_max + 2) *
	       sizeof(struct vpm_format_record);
}

void vpm_mig_lock(struct vpm_mig *mig)
{
	mutex_lock(&mig->state_lock);
	if (xchg(&mig->reset, false))
		mig->after_reset(mig);
}

void vpm_mig_unlock(struct vpm_mig *mig)
{
	mutex_unlock(&mig->state_lock);
}

void vpm_mig_note_reset(struct vpm_mig *mig)
{
	xchg(&mig->reset, true);
}

void vpm_mig_wake(struct vpm_mig *mig)
{
	/* Whoever sees the number also sees the data that it tells of. */
	smp_mb__before_atomic();
	atomic_inc(&mig->wakes);
	wake_up_interruptible(&mig->wait);
}

void vpm_mig_note_loss(struct vpm_mig *mig, bool begun)
{
	unsigned int epoch = mig->epoch;

	WRITE_ONCE(mig->epoch, begun ? epoch | 1 : (epoch + 1) & ~1u);
	/*
	 * Order the epoch before anything that the device does during the loss. Pairs with
	 * is_lost(): a transfer that reads data of the loss also sees the new epoch.
	 */
	smp_mb();
	/* A record that is waited for may be lost. */
	vpm_mig_wake(mig);
}

struct vpm_mig *vpm_mig_alloc(const struct vpm_identity *id)
{
	struct vpm_mig *mig;

	mig = kzalloc(sizeof(*mig), GFP_KERNEL_ACCOUNT);
	if (!mig)
		return NULL;

	kref_init(&mig->ref);
	mutex_init(&mig->state_lock);
	init_waitqueue_head(&mig->wait);
	mig->id = *id;
	mig->state = VFIO_DEVICE_STATE_RUNNING;

	return mig;
}

void vpm_mig_get(struct vpm_mig *mig)
{
	kref_get(&mig->ref);
}

static void free_mig(struct kref *ref)
{
	struct vpm_mig *mig = container_of(ref, struct vpm_mig, ref);

	mutex_destroy(&mig->state_lock);
	kfree(mig);
}

void vpm_mig_put(struct vpm_mig *mig)
{
	kref_put(&mig->ref, free_mig);
}
