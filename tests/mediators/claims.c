// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_claims: registers any number of mediate ops, one of which claims devices. It
 * mediates nothing: it tests which ops are asked, and when. It has no module alias, so that
 * only a test loads it.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "vfio_mediate.h"

/* PCI vendor IDs from here to 0xfffe are not assigned. */
#define NO_VENDOR	0xf000

static unsigned int count = 1;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "Number of ops to register");

static bool named;
module_param(named, bool, 0444);
MODULE_PARM_DESC(named, "Register ops with IDs: of an 82576 VF for the ops that claim, of no device for the others");

static unsigned int last;
module_param(last, uint, 0444);
MODULE_PARM_DESC(last, "Register the ops that claim after all others");

static int verdict;
module_param(verdict, int, 0644);
MODULE_PARM_DESC(verdict, "Return value of open: 0 claims the device, a negative errno does not");

static unsigned int exit_ms;
module_param(exit_ms, uint, 0644);
MODULE_PARM_DESC(exit_ms, "Milliseconds that unloading waits before it unregisters the ops");

static unsigned int opens;
module_param(opens, uint, 0444);
MODULE_PARM_DESC(opens, "Number of devices claimed");

static unsigned int releases;
module_param(releases, uint, 0444);
MODULE_PARM_DESC(releases, "Number of devices released");

/* Protects opens and releases: several devices may be opened and closed at the same time. */
static DEFINE_SPINLOCK(count_lock);

static void count_one(unsigned int *number)
{
	spin_lock(&count_lock);
	(*number)++;
	spin_unlock(&count_lock);
}

static struct vfio_pci_mediate_ops *ops;
static char (*names)[24];
static struct pci_device_id (*ids)[2];

/* Protects registered. Held while ops are registered and unregistered. */
static DEFINE_MUTEX(switch_lock);
static bool registered;

static int answer_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	if (verdict)
		return verdict;

	count_one(&opens);
	dev->handle = pci_dev_get(pdev);

	return 0;
}

static void answer_release(struct vfio_mediate_device *dev)
{
	count_one(&releases);
	pci_dev_put(dev->handle);
}

static int decline_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	return -ENODEV;
}

static void unregister_all(unsigned int number)
{
	while (number--)
		vfio_pci_unregister_mediate_ops(&ops[number]);
}

static int register_all(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = vfio_pci_register_mediate_ops(&ops[i]);
		if (ret) {
			unregister_all(i);
			return ret;
		}
	}

	return 0;
}

/* Like a PF driver when its device is bound and unbound. */
static int set_registered(bool want)
{
	int ret = 0;

	mutex_lock(&switch_lock);
	if (want && !registered)
		ret = register_all();
	else if (!want && registered)
		unregister_all(count);
	if (!ret)
		registered = want;
	mutex_unlock(&switch_lock);

	return ret;
}

static int param_set_registered(const char *val, const struct kernel_param *kp)
{
	bool want;
	int ret;

	ret = kstrtobool(val, &want);
	if (ret)
		return ret;

	/* There are no ops while the module is being loaded. */
	return ops ? set_registered(want) : -EAGAIN;
}

static const struct kernel_param_ops registered_ops = {
	.set = param_set_registered,
	.get = param_get_bool,
};
module_param_cb(registered, &registered_ops, &registered, 0644);
MODULE_PARM_DESC(registered, "Unregister the ops, or register them again");

static int __init mediator_claims_init(void)
{
	unsigned int i, answering = last ? count - 1 : 0;
	int ret;

	if (!count)
		return -EINVAL;

	names = kcalloc(count, sizeof(*names), GFP_KERNEL);
	ids = kcalloc(count, sizeof(*ids), GFP_KERNEL);
	ops = kcalloc(count, sizeof(*ops), GFP_KERNEL);
	if (!names || !ids || !ops) {
		ret = -ENOMEM;
		goto err_free;
	}

	for (i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "claims-%u", i);
		ops[i].name = names[i];
		ops[i].owner = THIS_MODULE;
		ops[i].open = i == answering ? answer_open : decline_open;
		ops[i].release = answer_release;
		if (!named)
			continue;
		ids[i][0] = (struct pci_device_id) { PCI_VDEVICE(INTEL, 0x10ca) };
		if (i != answering)
			ids[i][0].vendor = NO_VENDOR + i;
		ops[i].ids = ids[i];
	}

	ret = set_registered(true);
	if (ret)
		goto err_free;

	return 0;

err_free:
	kfree(ops);
	kfree(ids);
	kfree(names);
	return ret;
}
module_init(mediator_claims_init);

static void __exit mediator_claims_exit(void)
{
	msleep(exit_ms);
	set_registered(false);
	kfree(ops);
	kfree(ids);
	kfree(names);
}
module_exit(mediator_claims_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test mediator: registers ops, claims or declines devices");
