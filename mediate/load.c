// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads the modules of vendors when devices are bound.
 *
 * modprobe may wait for locks under which devices are bound and unbound, for example when
 * the vendor's module binds a PF. So a bind does not wait for modprobe, but an open does.
 * The wait ends when the task is killed, when the device is removed, and after a timeout:
 * an unbind may wait for locks that the open holds, for example the lock of an IOMMU group
 * of several devices.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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

/* Timeout of vfio_mediate_load_wait(). Writable in debugfs, for tests. */
u32 vfio_mediate_load_timeout_ms = 60 * MSEC_PER_SEC;

/**
 * struct vfio_mediate_load - Request for the vendor module of devices with the same IDs
 * @node:	Entry in loads, until modprobe has ended.
 * @kref:	References: one of each bound device, one of @work.
 * @vendor:	PCI vendor ID.
 * @device:	PCI device ID.
 * @work:	Runs modprobe.
 * @done:	modprobe has ended.
 * @wait:	Wait queue of tasks that wait for @done or for the removal of their device.
 */
struct vfio_mediate_load {
	struct list_head node;
	struct kref kref;
	unsigned short vendor;
	unsigned short device;
	struct work_struct work;
	bool done;
	wait_queue_head_t wait;
};

/* Protects loads, which has one request for each pair of IDs. Innermost lock. */
static DEFINE_MUTEX(load_lock);
static LIST_HEAD(loads);

/* Not a system workqueue: it is flushed when this module is unloaded. */
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
	/* Positive: modprobe found no such module. -ENOENT: there is no modprobe. */
	if (ret < 0 && ret != -ENOENT)
		pr_notice_ratelimited("cannot run modprobe for %04x:%04x: %pe; load the vendor driver manually\n",
				      load->vendor, load->device, ERR_PTR(ret));

	mutex_lock(&load_lock);
	list_del(&load->node);
	mutex_unlock(&load_lock);

	/* Pairs with is_done(): a waiting open sees the ops that the module registered. */
	smp_store_release(&load->done, true);
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

static bool is_done(struct vfio_mediate_load *load)
{
	/* Pairs with run_modprobe(). */
	return smp_load_acquire(&load->done);
}

int vfio_mediate_load_wait(struct vfio_mediate_load *load, const bool *removing)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(vfio_mediate_load_timeout_ms));
	long left;

	left = wait_event_killable_timeout(load->wait, is_done(load) || READ_ONCE(*removing),
					   timeout);
	if (left < 0)
		return left;
	if (!left)
		return -EAGAIN;

	return is_done(load) ? 0 : -ENODEV;
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

/* Return: 0 or -ENOMEM. */
int __init vfio_mediate_load_init(void)
{
	load_wq = alloc_workqueue("vfio_mediate_load", WQ_UNBOUND, 0);

	return load_wq ? 0 : -ENOMEM;
}

/* Wait for all requests. No device is bound, so nobody makes new ones. */
void vfio_mediate_load_exit(void)
{
	destroy_workqueue(load_wq);
}
