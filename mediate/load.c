// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for the modules of vendors, when devices are bound.
 *
 * modprobe may wait for locks under which devices are bound and unbound, as when the
 * vendor's module binds a PF. So only an open waits for it, and not for ever: it can be
 * killed, ends when the device is removed, and has a limit, as an unbind may wait for what
 * the open holds, like the lock of an IOMMU group of several devices.
 */

#include <linux/kmod.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "load.h"
#include "session.h"

u32 vfio_mediate_patience_ms = 60 * MSEC_PER_SEC;

/**
 * struct vfio_mediate_load - A request for the module that mediates some devices
 * @node:	In loads, until modprobe has ended.
 * @kref:	Held by each device that it was made for, and by @work.
 * @vendor:	PCI vendor ID.
 * @device:	PCI device ID.
 * @work:	Runs modprobe.
 * @over:	modprobe has ended.
 * @wait:	For @over, and for the removal of a device.
 */
struct vfio_mediate_load {
	struct list_head node;
	struct kref kref;
	unsigned short vendor;
	unsigned short device;
	struct work_struct work;
	bool over;
	wait_queue_head_t wait;
};

/* Protects loads, in which each pair of IDs is once. Innermost. */
static DEFINE_MUTEX(load_lock);
static LIST_HEAD(loads);

/* Not a system queue, which must not be flushed when this module is unloaded. */
static struct workqueue_struct *load_wq;

static void destroy_load(struct kref *kref)
{
	kfree(container_of(kref, struct vfio_mediate_load, kref));
}

static void run_modprobe(struct work_struct *work)
{
	struct vfio_mediate_load *load =
		container_of(work, struct vfio_mediate_load, work);
	int ret;

	ret = request_module("vfio-mediate:v%08Xd%08X", load->vendor, load->device);
	/* A positive one is modprobe's: there is no such module. This one: no modprobe. */
	if (ret < 0 && ret != -ENOENT)
		pr_notice_ratelimited("vfio_mediate: no module was looked for to mediate %04x:%04x: %pe\n",
				      load->vendor, load->device, ERR_PTR(ret));

	mutex_lock(&load_lock);
	list_del(&load->node);
	mutex_unlock(&load_lock);

	/* Pairs with is_over(): what the module has registered is seen. */
	smp_store_release(&load->over, true);
	wake_up_all(&load->wait);
	kref_put(&load->kref, destroy_load);
}

static struct vfio_mediate_load *find_load(const struct pci_dev *pdev)
{
	struct vfio_mediate_load *load;

	lockdep_assert_held(&load_lock);

	list_for_each_entry(load, &loads, node)
		if (load->vendor == pdev->vendor && load->device == pdev->device)
			return load;

	return NULL;
}

struct vfio_mediate_load *vfio_mediate_load_start(struct pci_dev *pdev)
{
	struct vfio_mediate_load *load;

	mutex_lock(&load_lock);
	load = find_load(pdev);
	if (load) {
		kref_get(&load->kref);
		goto unlock;
	}

	load = kzalloc(sizeof(*load), GFP_KERNEL);
	if (!load)
		goto unlock;
	kref_init(&load->kref);
	load->vendor = pdev->vendor;
	load->device = pdev->device;
	INIT_WORK(&load->work, run_modprobe);
	init_waitqueue_head(&load->wait);
	list_add(&load->node, &loads);

	kref_get(&load->kref);
	queue_work(load_wq, &load->work);
unlock:
	mutex_unlock(&load_lock);

	return load;
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_load_start, VFIO_MEDIATE_HOST_NS);

static bool is_over(struct vfio_mediate_load *load)
{
	/* Pairs with run_modprobe(). */
	return smp_load_acquire(&load->over);
}

int vfio_mediate_load_wait(struct vfio_mediate_load *load, const bool *removing)
{
	unsigned long patience = msecs_to_jiffies(READ_ONCE(vfio_mediate_patience_ms));
	long left;

	left = wait_event_killable_timeout(load->wait, is_over(load) || READ_ONCE(*removing),
					   patience);
	if (left < 0)
		return left;
	if (!left)
		return -EAGAIN;

	return is_over(load) ? 0 : -ENODEV;
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_load_wait, VFIO_MEDIATE_HOST_NS);

void vfio_mediate_load_wake(struct vfio_mediate_load *load)
{
	wake_up_all(&load->wait);
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_load_wake, VFIO_MEDIATE_HOST_NS);

void vfio_mediate_load_put(struct vfio_mediate_load *load)
{
	kref_put(&load->kref, destroy_load);
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_load_put, VFIO_MEDIATE_HOST_NS);

int __init vfio_mediate_load_init(void)
{
	load_wq = alloc_workqueue("vfio_mediate_load", WQ_UNBOUND, 0);

	return load_wq ? 0 : -ENOMEM;
}

void vfio_mediate_load_exit(void)
{
	destroy_workqueue(load_wq);
}
