// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a device from any source.
 *
 * The task that resets the device records the reset at once. It may hold any lock. A work item does
 * the follow-up, and may take all locks. It restarts each part of the driver, then notifies the
 * vendor driver. From the record to the end of the follow-up, writes to shadow pages do not reach
 * the device.
 */

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "device.h"
#include "reset.h"
#include "vendor.h"

/* Maximum time to retry a reset while another task holds the device lock */
#define RESET_RETRY_TIMEOUT	(5 * HZ)

static void update_pending(struct vpm_reset *reset, bool followed_up)
{
	WRITE_ONCE(reset->pending, reset->core_resetting || reset->losing_state || !followed_up);
}

static void note_in_parts(struct vpm_device *vpm, enum vpm_reset_event event)
{
	unsigned int i;

	lockdep_assert_held(&vpm->reset_lock);

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->reset_note)
			vpm->parts[i]->reset_note(vpm, event);
}

static void resume_parts(struct vpm_device *vpm)
{
	unsigned int i = vpm->num_parts;

	while (i--)
		if (vpm->parts[i]->reset_resume)
			vpm->parts[i]->reset_resume(vpm);
}

static void restart_parts(struct vpm_device *vpm, bool function)
{
	unsigned int i;

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->reset_done)
			vpm->parts[i]->reset_done(vpm, function);
}

/* Record the end of a reset. Return: true if it will be followed up. */
static bool note_reset(struct vpm_device *vpm, enum vpm_reset_event event)
{
	struct vpm_reset *reset = &vpm->reset;

	lockdep_assert_held(&vpm->reset_lock);

	note_in_parts(vpm, event);
	reset->generation++;
	update_pending(reset, !reset->open);
	if (reset->open)
		queue_work(vpm_wq, &reset->work);

	return reset->open;
}

static void note_function_reset(struct vpm_device *vpm)
{
	vpm->reset.function = true;
	note_reset(vpm, VPM_FUNCTION_RESET);
}

/* Return: true if all resets are over and have been followed up. */
static bool end_follow_up(struct vpm_device *vpm, unsigned int generation, bool *unexpected)
{
	struct vpm_reset *reset = &vpm->reset;
	bool all;

	spin_lock(&vpm->reset_lock);
	/* If another reset ended meanwhile, the work item is queued again. */
	all = reset->generation == generation;
	update_pending(reset, all);
	all = !reset->pending;
	*unexpected = reset->unexpected;
	if (all)
		reset->unexpected = false;
	spin_unlock(&vpm->reset_lock);

	return all;
}

static void follow_up(struct work_struct *work)
{
	struct vpm_reset *reset = container_of(work, struct vpm_reset, work);
	struct vpm_device *vpm = container_of(reset, struct vpm_device, reset);
	bool function, under_way, unexpected;
	unsigned int generation;

	resume_parts(vpm);

	spin_lock(&vpm->reset_lock);
	generation = reset->generation;
	under_way = reset->core_resetting || reset->losing_state;
	function = reset->function;
	if (!under_way)
		reset->function = false;
	spin_unlock(&vpm->reset_lock);
	/* Do not read registers during a reset. The end of the reset queues the work item again. */
	if (under_way)
		return;

	restart_parts(vpm, function);
	if (end_follow_up(vpm, generation, &unexpected))
		vpm_vendor_reset_done(vpm, unexpected);
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

void vpm_reset_prepare(struct pci_dev *pdev)
{
	struct vpm_device *vpm = pci_to_vpm(pdev);
	struct rw_semaphore *memory_lock = &vpm->core.memory_lock;
	struct vpm_reset *reset = &vpm->reset;
	bool unexpected;

	/* vfio_pci_core holds memory_lock for write when user space requests the reset. */
	unexpected = down_read_trylock(memory_lock);
	if (unexpected)
		up_read(memory_lock);

	spin_lock(&vpm->reset_lock);
	reset->core_resetting = true;
	reset->unexpected |= unexpected;
	update_pending(reset, false);
	spin_unlock(&vpm->reset_lock);

	mutex_lock(&reset->call_lock);
	if (reset->open) {
		vpm_vendor_reset_prepare(vpm);
		reset->prepared = true;
	}
	mutex_unlock(&reset->call_lock);
}

void vpm_reset_done(struct pci_dev *pdev)
{
	struct vpm_device *vpm = pci_to_vpm(pdev);
	struct vpm_reset *reset = &vpm->reset;

	/* The follow-up accesses registers: it must not begin before. */
	mutex_lock(&reset->call_lock);
	if (reset->prepared)
		vpm_vendor_reset_finish(vpm);
	reset->prepared = false;
	mutex_unlock(&reset->call_lock);

	spin_lock(&vpm->reset_lock);
	reset->core_resetting = false;
	note_function_reset(vpm);
	spin_unlock(&vpm->reset_lock);
}

void vpm_reset_by_power(struct vpm_device *vpm)
{
	spin_lock(&vpm->reset_lock);
	note_function_reset(vpm);
	spin_unlock(&vpm->reset_lock);
}

int vpm_reset_by_vendor(void *data)
{
	struct vpm_device *vpm = data;
	int ret = -ENODEV;

	spin_lock(&vpm->reset_lock);
	vpm->reset.losing_state = false;
	if (note_reset(vpm, VPM_STATE_LOST))
		ret = 0;
	spin_unlock(&vpm->reset_lock);

	return ret;
}

int vpm_reset_state_lost(void *data)
{
	struct vpm_device *vpm = data;
	struct vpm_reset *reset = &vpm->reset;
	int ret = -ENODEV;

	spin_lock(&vpm->reset_lock);
	if (reset->open) {
		reset->losing_state = true;
		update_pending(reset, false);
		note_in_parts(vpm, VPM_STATE_LOSS_BEGUN);
		ret = 0;
	}
	spin_unlock(&vpm->reset_lock);

	return ret;
}

/* Do the same as vfio_pci_core. Fail in the cases that need internal functions of vfio_pci_core. */
static int reset_function_locked(struct vpm_device *vpm)
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

static void set_serving(struct vpm_device *vpm, bool serving)
{
	struct vpm_reset *reset = &vpm->reset;

	spin_lock(&vpm->reset_lock);
	reset->serving = serving;
	if (!serving && reset->requested) {
		reset->requested = false;
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

	set_serving(vpm, true);
	for (;;) {
		left = wait_event_interruptible_timeout(reset->wait,
							READ_ONCE(reset->requested) ||
							!READ_ONCE(reset->open), left);
		if (left <= 0 || !READ_ONCE(reset->open))
			break;
		ret = reset_function_locked(vpm);
		spin_lock(&vpm->reset_lock);
		reset->result = ret;
		reset->requested = false;
		spin_unlock(&vpm->reset_lock);
		wake_up_all(&reset->wait);
	}
	set_serving(vpm, false);

	return !left && READ_ONCE(reset->open);
}

/*
 * Request a reset from the task that removes the device. That task holds the device lock, which
 * vfio_pci_core would need.
 *
 * Return: 0 or a negative errno. -EAGAIN, as in-tree, when no task serves the request. Also -EAGAIN
 * when the device is unplugged or in a low-power state, exports BARs as dma-bufs, or can only be
 * reset along with other devices.
 */
static int reset_by_remover(struct vpm_device *vpm)
{
	struct vpm_reset *reset = &vpm->reset;
	int ret = -EAGAIN;

	/* The server may not have started yet, or may be between two calls. */
	wait_event_timeout(reset->wait, READ_ONCE(reset->serving), HZ);

	spin_lock(&vpm->reset_lock);
	if (reset->serving && !reset->requested) {
		reset->requested = true;
		ret = 0;
	}
	spin_unlock(&vpm->reset_lock);
	if (ret)
		return ret;

	wake_up_all(&reset->wait);
	/* The server clears @requested when it is done and when it leaves. */
	wait_event(reset->wait, !READ_ONCE(reset->requested));

	return READ_ONCE(reset->result);
}

/*
 * Retry while another task holds the device lock, as the PCI core does during error recovery. A VMM
 * whose migration fails exits if it cannot reset the device.
 */
static long retry_reset(struct vpm_device *vpm)
{
	unsigned long end = jiffies + RESET_RETRY_TIMEOUT;
	long ret = -EAGAIN;

	while (ret == -EAGAIN && !READ_ONCE(vpm->removing) && time_before(jiffies, end)) {
		schedule_timeout_killable(HZ / 100);
		if (fatal_signal_pending(current))
			break;
		ret = vfio_pci_core_ioctl(&vpm->core.vdev, VFIO_DEVICE_RESET, 0);
	}

	return ret;
}

static bool is_failed(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->is_failed && vpm->parts[i]->is_failed(vpm))
			return true;

	return false;
}

long vpm_reset_by_user(struct vpm_device *vpm)
{
	long ret = vfio_pci_core_ioctl(&vpm->core.vdev, VFIO_DEVICE_RESET, 0);

	if (ret == -EAGAIN)
		ret = retry_reset(vpm);
	/*
	 * A VMM exits if its migration fails because the vendor driver is detached and it cannot
	 * reset the device. This is wanted only if this device is the destination of the migration.
	 */
	if (ret == -EAGAIN && READ_ONCE(vpm->removing) && !is_failed(vpm))
		ret = reset_by_remover(vpm);

	return ret;
}

static void set_open(struct vpm_device *vpm, bool open)
{
	struct vpm_reset *reset = &vpm->reset;

	mutex_lock(&reset->call_lock);
	reset->prepared = false;
	spin_lock(&vpm->reset_lock);
	reset->open = open;
	reset->losing_state = false;
	reset->function = false;
	reset->unexpected = false;
	update_pending(reset, true);
	spin_unlock(&vpm->reset_lock);
	mutex_unlock(&reset->call_lock);
	wake_up_all(&reset->wait);
}

static void start(struct vpm_device *vpm)
{
	set_open(vpm, true);
}

static void stop(struct vpm_device *vpm)
{
	set_open(vpm, false);
	cancel_work_sync(&vpm->reset.work);
}

static int init(struct vpm_device *vpm)
{
	spin_lock_init(&vpm->reset_lock);
	mutex_init(&vpm->reset.call_lock);
	init_waitqueue_head(&vpm->reset.wait);
	INIT_WORK(&vpm->reset.work, follow_up);

	return 0;
}

static void release(struct vpm_device *vpm)
{
	mutex_destroy(&vpm->reset.call_lock);
}

const struct vpm_part vpm_reset_part = {
	.init = init,
	.release = release,
	.start = start,
	.stop = stop,
};
