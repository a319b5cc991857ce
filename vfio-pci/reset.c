// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a device, whoever resets it.
 *
 * A reset is noted at once, by whoever resets, with any lock held. What follows from it
 * is done by one work item, which may take all locks: migration is told, then traps and
 * tracking start anew, then the vendor is told. From the note until then nothing that was
 * written to a shadow reaches the device.
 */

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "compat.h"
#include "device.h"
#include "migration.h"
#include "reset.h"
#include "track.h"
#include "trap.h"

static void update_pending(struct vpm_reset *reset, bool followed_up)
{
	WRITE_ONCE(reset->pending, reset->by_core || reset->lost || !followed_up);
}

/* A reset is over. Whether somebody will follow it up. */
static bool note_reset(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;

	lockdep_assert_held(&vpm->reset_lock);

	vpm_decode_note_reset(vpm);
	reset->generation++;
	update_pending(reset, !reset->open);
	if (reset->open)
		queue_work(vpm_wq, &reset->work);

	return reset->open;
}

static void note_function_reset(struct vpm_device *vpm)
{
	vpm->reset.function = true;
	vpm_migration_note_reset(vpm);
	note_reset(vpm);
}

/* Return: whether all resets that have begun are over, and have been followed up. */
static bool end_follow_up(struct vpm_device *vpm, unsigned int generation, bool *unexpected)
{
	struct vpm_reset *reset = &vpm->reset;
	bool all;

	spin_lock(&vpm->reset_lock);
	/* Otherwise the work comes again. */
	all = reset->generation == generation;
	update_pending(reset, all);
	all = !reset->pending;
	*unexpected = reset->unexpected;
	if (all)
		reset->unexpected = false;
	spin_unlock(&vpm->reset_lock);

	return all;
}

static void call_prepare(struct vpm_device *vpm)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	int cookie;

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (ops && ops->reset_prepare)
		ops->reset_prepare(dev);
	vfio_mediate_exit(vpm->session, cookie);
}

static void call_done(struct vpm_device *vpm, bool unexpected)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	int cookie;

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (ops && ops->reset_done)
		ops->reset_done(dev, unexpected);
	vfio_mediate_exit(vpm->session, cookie);
}

static void follow_up(struct work_struct *work)
{
	struct vpm_reset *reset = container_of(work, struct vpm_reset, work);
	struct vpm_device *vpm = container_of(reset, struct vpm_device, reset);
	bool function, under_way, unexpected;
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

	vpm_decode_reset_done(vpm);
	vpm_trap_reset_done(vpm, function);
	if (end_follow_up(vpm, generation, &unexpected))
		call_done(vpm, unexpected);
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
	struct rw_semaphore *memory_lock = &vpm->core.memory_lock;
	struct vpm_reset *reset = &vpm->reset;
	bool unexpected;

	/* vfio_pci_core holds it for write when it is user space who resets. */
	unexpected = down_read_trylock(memory_lock);
	if (unexpected)
		up_read(memory_lock);

	spin_lock(&vpm->reset_lock);
	reset->by_core = true;
	reset->unexpected |= unexpected;
	update_pending(reset, false);
	spin_unlock(&vpm->reset_lock);

	mutex_lock(&reset->call_lock);
	if (reset->open)
		call_prepare(vpm);
	mutex_unlock(&reset->call_lock);
}

void vpm_reset_done(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;

	spin_lock(&vpm->reset_lock);
	reset->by_core = false;
	note_function_reset(vpm);
	spin_unlock(&vpm->reset_lock);
}

void vpm_reset_by_power(struct vpm_device *vpm)
{
	spin_lock(&vpm->reset_lock);
	note_function_reset(vpm);
	spin_unlock(&vpm->reset_lock);
}

int vpm_reset_by_driver(void *data)
{
	struct vpm_device *vpm = data;
	int ret = -ENODEV;

	spin_lock(&vpm->reset_lock);
	vpm->reset.lost = false;
	vpm_migration_note_loss(vpm, false);
	if (note_reset(vpm))
		ret = 0;
	spin_unlock(&vpm->reset_lock);

	return ret;
}

int vpm_reset_lost(void *data)
{
	struct vpm_device *vpm = data;
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

/* What vfio_pci_core does, and what it needs that only the core can do: not then. */
static int reset_removed(struct vpm_device *vpm)
{
	struct vfio_pci_core_device *core = &vpm->core;
	struct pci_dev *pdev = core->pdev;
	int ret = -EAGAIN;

	device_lock_assert(&pdev->dev);

	down_write(&core->memory_lock);
	if (pdev->current_state == PCI_D0 && pci_device_is_present(pdev) &&
	    !compat_has_dmabufs(core) && !pcie_reset_flr(pdev, PCI_RESET_PROBE)) {
		unmap_mapping_range(core->vdev.inode->i_mapping,
				    VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_BAR0_REGION_INDEX),
				    VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_ROM_REGION_INDEX), true);
		pci_cfg_access_lock(pdev);
		ret = pci_reset_function_locked(pdev);
		pci_cfg_access_unlock(pdev);
	}
	up_write(&core->memory_lock);

	return ret;
}

static void set_server(struct vpm_device *vpm, bool server)
{
	struct vpm_reset *reset = &vpm->reset;

	spin_lock(&vpm->reset_lock);
	reset->server = server;
	if (!server && reset->wanted) {
		reset->wanted = false;
		reset->result = -EAGAIN;
	}
	spin_unlock(&vpm->reset_lock);
	wake_up_all(&reset->wait);
}

bool vpm_reset_serve(struct vpm_device *vpm, unsigned long timeout)
{
	struct vpm_reset *reset = &vpm->reset;
	long left = timeout;
	int ret;

	if (!READ_ONCE(reset->open) || signal_pending(current))
		return false;

	set_server(vpm, true);
	for (;;) {
		left = wait_event_interruptible_timeout(reset->wait,
							READ_ONCE(reset->wanted) ||
							!READ_ONCE(reset->open), left);
		if (left <= 0 || !READ_ONCE(reset->open))
			break;
		ret = reset_removed(vpm);
		spin_lock(&vpm->reset_lock);
		reset->result = ret;
		reset->wanted = false;
		spin_unlock(&vpm->reset_lock);
		wake_up_all(&reset->wait);
	}
	set_server(vpm, false);

	return !left && READ_ONCE(reset->open);
}

int vpm_reset_by_remover(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;
	int ret = -EAGAIN;

	/* It may not be there yet, or be about to come again. */
	wait_event_timeout(reset->wait, READ_ONCE(reset->server), HZ);

	spin_lock(&vpm->reset_lock);
	if (reset->server && !reset->wanted) {
		reset->wanted = true;
		ret = 0;
	}
	spin_unlock(&vpm->reset_lock);
	if (ret)
		return ret;

	wake_up_all(&reset->wait);
	/* The server sees to that, or says that it goes. */
	wait_event(reset->wait, !READ_ONCE(reset->wanted));

	return READ_ONCE(reset->result);
}

static void set_open(struct vpm_device *vpm, bool open)
{
	struct vpm_reset *reset = &vpm->reset;

	mutex_lock(&reset->call_lock);
	spin_lock(&vpm->reset_lock);
	reset->open = open;
	reset->lost = false;
	reset->function = false;
	reset->unexpected = false;
	update_pending(reset, true);
	spin_unlock(&vpm->reset_lock);
	mutex_unlock(&reset->call_lock);
	wake_up_all(&reset->wait);
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
	init_waitqueue_head(&vpm->reset.wait);
	INIT_WORK(&vpm->reset.work, follow_up);
}
