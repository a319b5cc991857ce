// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a device, whoever resets it.
 *
 * A reset is noted at once, by whoever resets, with any lock held. What follows from it
 * is done by one work item, which may take all locks: migration is told, then traps and
 * tracking start anew, then the vendor is told. From the note until then nothing that was
 * written to a shadow reaches the device.
 */

#include <linux/vfio_pci_core.h>

#include "device.h"
#include "migration.h"
#include "reset.h"
#include "track.h"
#include "trap.h"

static void update_pending(struct vpm_reset *reset, bool followed_up)
{
	if (reset->by_core || reset->lost || !followed_up)
		WRITE_ONCE(reset->pending, true);
	else
		WRITE_ONCE(reset->pending, false);
}

/* A reset is over. Whether somebody will follow it up. */
static bool note_reset(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;

	lockdep_assert_held(&vpm->reset_lock);

	reset->generation++;
	update_pending(reset, !reset->open);
	if (reset->open)
		queue_work(vpm_wq, &reset->work);

	return reset->open;
}

/* Return: whether all resets that have begun are over, and have been followed up. */
static bool end_follow_up(struct vpm_device *vpm, unsigned int generation)
{
	struct vpm_reset *reset = &vpm->reset;
	bool all;

	spin_lock(&vpm->reset_lock);
	/* Otherwise the work comes again. */
	all = reset->generation == generation;
	update_pending(reset, all);
	all = !reset->pending;
	spin_unlock(&vpm->reset_lock);

	return all;
}

static void tell_vendor(struct vpm_device *vpm, bool done)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	int cookie;

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (ops && done && ops->reset_done)
		ops->reset_done(dev);
	else if (ops && !done && ops->reset_prepare)
		ops->reset_prepare(dev);
	vfio_mediate_exit(vpm->session, cookie);
}

static void follow_up(struct work_struct *work)
{
	struct vpm_reset *reset = container_of(work, struct vpm_reset, work);
	struct vpm_device *vpm = container_of(reset, struct vpm_device, reset);
	bool function, under_way;
	unsigned int generation;

	vpm_migration_reset_done(vpm);

	spin_lock(&vpm->reset_lock);
	generation = reset->generation;
	under_way = reset->by_core || reset->lost;
	function = reset->function;
	if (!under_way)
		reset->function = false;
	spin_unlock(&vpm->reset_lock);
	/* Its registers are not to be read now, and this comes again. */
	if (under_way)
		return;

	vpm_trap_reset_done(vpm, function);
	if (end_follow_up(vpm, generation))
		tell_vendor(vpm, true);
}

bool vpm_reset_pending(struct vpm_device *vpm)
{
	return READ_ONCE(vpm->reset.pending);
}

void vpm_reset_flush(struct vpm_device *vpm)
{
	if (vpm_reset_pending(vpm))
		flush_work(&vpm->reset.work);
}

void vpm_reset_prepare(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;

	spin_lock(&vpm->reset_lock);
	reset->by_core = true;
	update_pending(reset, false);
	spin_unlock(&vpm->reset_lock);

	mutex_lock(&reset->call_lock);
	if (reset->open)
		tell_vendor(vpm, false);
	mutex_unlock(&reset->call_lock);
}

void vpm_reset_done(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;

	spin_lock(&vpm->reset_lock);
	reset->by_core = false;
	reset->function = true;
	vpm_migration_note_reset(vpm);
	note_reset(vpm);
	spin_unlock(&vpm->reset_lock);
}

int vpm_reset_by_driver(struct vfio_mediate_device *dev)
{
	struct vpm_device *vpm = dev->host_data;
	int ret = -ENODEV;

	spin_lock(&vpm->reset_lock);
	vpm->reset.lost = false;
	vpm_migration_note_loss(vpm, false);
	if (note_reset(vpm))
		ret = 0;
	spin_unlock(&vpm->reset_lock);

	return ret;
}

int vpm_reset_lost(struct vfio_mediate_device *dev)
{
	struct vpm_device *vpm = dev->host_data;
	struct vpm_reset *reset = &vpm->reset;
	int ret = -ENODEV;

	spin_lock(&vpm->reset_lock);
	if (reset->open) {
		reset->lost = true;
		update_pending(reset, false);
		vpm_migration_note_loss(vpm, true);
		ret = 0;
	}
	spin_unlock(&vpm->reset_lock);

	return ret;
}

static void set_open(struct vpm_device *vpm, bool open)
{
	struct vpm_reset *reset = &vpm->reset;

	mutex_lock(&reset->call_lock);
	spin_lock(&vpm->reset_lock);
	reset->open = open;
	reset->lost = false;
	reset->function = false;
	update_pending(reset, true);
	spin_unlock(&vpm->reset_lock);
	mutex_unlock(&reset->call_lock);
}

void vpm_reset_start(struct vpm_device *vpm)
{
	set_open(vpm, true);
}

void vpm_reset_stop(struct vpm_device *vpm)
{
	set_open(vpm, false);
	cancel_work_sync(&vpm->reset.work);
}

void vpm_reset_init(struct vpm_device *vpm)
{
	mutex_init(&vpm->reset.call_lock);
	INIT_WORK(&vpm->reset.work, follow_up);
}
