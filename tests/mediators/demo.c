// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_demo: claims VFs of an 82576 without being the driver of their PF. It has no
 * module alias, so that only a test loads it.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <uapi/linux/vfio.h>

#include "demo.h"
#include "registered.h"

#define DEMO_DEVICE_82576	0x10c9
#define DEMO_DEVICE_82576_VF	0x10ca
#define DEMO_TYPE		(VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI_VENDOR_ID_INTEL)

static bool rom;
module_param(rom, bool, 0444);
MODULE_PARM_DESC(rom, "Give the devices an expansion ROM and a BAR 5");

static bool sparse;
module_param(sparse, bool, 0444);
MODULE_PARM_DESC(sparse, "Tell user space that only page 1 of BAR 0 can be mmapped");

static bool dense;
module_param(dense, bool, 0444);
MODULE_PARM_DESC(dense, "Mediate every second byte of pages 0 and 1 of BAR 0: the maximum number of ranges");

static char *traps = "net";
module_param(traps, charp, 0444);
MODULE_PARM_DESC(traps, "Pages that can be trapped: none, net, hammer, noshadow");

static unsigned int drain_us;
module_param(drain_us, uint, 0644);
MODULE_PARM_DESC(drain_us, "Microseconds between two drains, for devices opened from now on");

static bool no_p2p;
module_param(no_p2p, bool, 0444);
MODULE_PARM_DESC(no_p2p, "Pages that can be trapped cannot be mapped for DMA");

static unsigned int finish_ms;
module_param(finish_ms, uint, 0644);
MODULE_PARM_DESC(finish_ms, "Milliseconds that reset_finish waits");

static bool pf;
module_param(pf, bool, 0444);
MODULE_PARM_DESC(pf, "Claim PFs instead of VFs: PFs have power states");

static unsigned int opens;
module_param(opens, uint, 0444);
MODULE_PARM_DESC(opens, "Number of devices claimed");

static unsigned int releases;
module_param(releases, uint, 0444);
MODULE_PARM_DESC(releases, "Number of devices released");

/*
 * Open devices. Release takes the lock, so it cannot be held around vfio_mediate_trap().
 * Instead, a device has a count of users. Release waits until there are none, and removes
 * the device from the list only then: a user finds the next device by it.
 */
static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(devices);
static DECLARE_WAIT_QUEUE_HEAD(unused);

/* In no particular order */
static const struct vfio_mediate_range bar_ranges[] = {
	{ DEMO_SCRATCH64, 8 },
	{ DEMO_STATUS, 4 },
	{ DEMO_MAILBOX_MEM, 8 },
	{ DEMO_SCRATCH, 8 },
	{ DEMO_V2PMAILBOX, 4 },
};

static struct vfio_mediate_range dense_ranges[0x1000];

static const struct vfio_mediate_range config_ranges[] = {
	{ PCI_REVISION_ID, 1 },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4 },
};

static const struct vfio_mediate_range rom_ranges[] = {
	{ 0, DEMO_ROM_SIZE },
};

static const struct vfio_mediate_range bar5_ranges[] = {
	{ 0, DEMO_BAR5_SIZE },
};

/* The last two only with rom=1. */
static const struct vfio_mediate_region regions[] = {
	{
		.index = VFIO_PCI_BAR0_REGION_INDEX,
		.ranges = bar_ranges,
		.num_ranges = ARRAY_SIZE(bar_ranges),
	}, {
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
		.device_reads = true,
		.ranges = config_ranges,
		.num_ranges = ARRAY_SIZE(config_ranges),
	}, {
		.index = VFIO_PCI_ROM_REGION_INDEX,
		.ranges = rom_ranges,
		.num_ranges = ARRAY_SIZE(rom_ranges),
		.size = DEMO_ROM_SIZE,
	}, {
		.index = VFIO_PCI_BAR5_REGION_INDEX,
		.ranges = bar5_ranges,
		.num_ranges = ARRAY_SIZE(bar5_ranges),
		.size = DEMO_BAR5_SIZE,
	},
};

/* For dense=1 */
static const struct vfio_mediate_region dense_region = {
	.index = VFIO_PCI_BAR0_REGION_INDEX,
	.ranges = dense_ranges,
	.num_ranges = ARRAY_SIZE(dense_ranges),
};

static const struct vfio_mediate_extra_region extra_regions[] = {
	{
		.type = DEMO_TYPE,
		.subtype = 1,
		.size = DEMO_MEMORY_SIZE,
		.flags = VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE |
			 VFIO_REGION_INFO_FLAG_MMAP,
	}, {
		.type = DEMO_TYPE,
		.subtype = 2,
		.size = DEMO_PATTERN_SIZE,
		.flags = VFIO_REGION_INFO_FLAG_READ,
	},
};

static const struct vfio_mediate_irq irqs[] = {
	{ .type = DEMO_TYPE, .subtype = 1, .count = 4 },
	{ .type = DEMO_TYPE, .subtype = 2, .count = 1, .automasked = true },
};

static const struct vfio_mediate_range sparse_areas[] = {
	{ 0x1000, 0x1000 },
};

/* A page that each region has */
static const struct vfio_mediate_range first_page[] = {
	{ 0, 0x1000 },
};

static int demo_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct demo *demo;

	if (pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    pdev->device != (pf ? DEMO_DEVICE_82576 : DEMO_DEVICE_82576_VF))
		return -ENODEV;

	demo = kzalloc(sizeof(*demo), GFP_KERNEL_ACCOUNT);
	if (!demo)
		return -ENOMEM;

	demo->memory = vmalloc_user(DEMO_MEMORY_SIZE);
	if (!demo->memory) {
		kfree(demo);
		return -ENOMEM;
	}

	spin_lock_init(&demo->lock);
	demo->dev = dev;

	dev->handle = demo;
	dev->regions = regions;
	dev->num_regions = ARRAY_SIZE(regions) - (rom ? 0 : 2);
	if (dense) {
		dev->regions = &dense_region;
		dev->num_regions = 1;
	}
	dev->extra_regions = extra_regions;
	dev->num_extra_regions = ARRAY_SIZE(extra_regions);
	dev->irqs = irqs;
	dev->num_irqs = ARRAY_SIZE(irqs);
	dev->drain_us = drain_us;
	dev->no_p2p = no_p2p;
	demo_traps_set(demo, traps);
	demo_debugfs_add(demo);

	mutex_lock(&devices_lock);
	list_add_tail(&demo->node, &devices);
	opens++;
	mutex_unlock(&devices_lock);

	return 0;
}

static void demo_release(struct vfio_mediate_device *dev)
{
	struct demo *demo = dev->handle;

	mutex_lock(&devices_lock);
	demo->closing = true;
	mutex_unlock(&devices_lock);
	wait_event(unused, !READ_ONCE(demo->users));

	mutex_lock(&devices_lock);
	list_del(&demo->node);
	releases++;
	mutex_unlock(&devices_lock);

	demo_debugfs_remove(demo);
	vfree(demo->memory);
	kfree(demo);
}

static int demo_get_region_info(struct vfio_mediate_device *dev,
				struct vfio_mediate_region_info *info)
{
	if (sparse && info->region == VFIO_PCI_BAR0_REGION_INDEX) {
		info->areas = sparse_areas;
		info->num_areas = ARRAY_SIZE(sparse_areas);
	}
	if (READ_ONCE(demo_info_all)) {
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			      VFIO_REGION_INFO_FLAG_MMAP;
		info->areas = first_page;
		info->num_areas = ARRAY_SIZE(first_page);
	}

	return demo_info_answer;
}

static void demo_reset_prepare(struct vfio_mediate_device *dev)
{
	struct demo *demo = dev->handle;

	demo_count(demo, &demo->prepared);
}

static void demo_reset_finish(struct vfio_mediate_device *dev)
{
	struct demo *demo = dev->handle;

	msleep(finish_ms);
	demo_count(demo, &demo->finished);
}

static void demo_reset_done(struct vfio_mediate_device *dev, bool unexpected)
{
	struct demo *demo = dev->handle;

	if (unexpected)
		demo_count(demo, &demo->unexpected);
	demo_count(demo, &demo->done);
}

static void demo_trap_changed(struct vfio_mediate_device *dev, bool on, bool released)
{
	demo_count_trap(dev->handle, on, released);
}

static const struct vfio_pci_mediate_ops demo_ops = {
	.name = "demo",
	.owner = THIS_MODULE,
	.open = demo_open,
	.release = demo_release,
	.get_region_info = demo_get_region_info,
	.rw = demo_rw,
	.mmap = demo_mmap,
	.reset_prepare = demo_reset_prepare,
	.reset_finish = demo_reset_finish,
	.reset_done = demo_reset_done,
	.trap_changed = demo_trap_changed,
};

/* Hold or release the trap of all open devices. Return: the first error, or 0. */
static int toggle_all(bool on)
{
	struct demo *demo;
	int ret = 0, err;

	mutex_lock(&devices_lock);
	list_for_each_entry(demo, &devices, node) {
		if (demo->closing)
			continue;

		demo->users++;
		mutex_unlock(&devices_lock);
		err = vfio_mediate_trap(demo->dev, on);
		mutex_lock(&devices_lock);
		if (!--demo->users)
			wake_up_all(&unused);
		if (!ret)
			ret = err;
	}
	mutex_unlock(&devices_lock);

	return ret;
}

static bool toggle;

static int param_set_toggle(const char *val, const struct kernel_param *kp)
{
	int ret;

	if (!mediator_ops)
		return -EAGAIN;

	ret = param_set_bool(val, kp);

	return ret ?: toggle_all(toggle);
}

static const struct kernel_param_ops toggle_ops = {
	.set = param_set_toggle,
	.get = param_get_bool,
};
module_param_cb(toggle, &toggle_ops, &toggle, 0644);
MODULE_PARM_DESC(toggle, "Trap the pages of all open devices, or end the trap");

static int __init mediator_demo_init(void)
{
	unsigned int i;
	int ret;

	ret = demo_traps_check(traps);
	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(dense_ranges); i++)
		dense_ranges[i] = (struct vfio_mediate_range) { 2 * i, 1 };

	demo_debugfs_init();
	ret = register_ops(&demo_ops);
	if (ret)
		demo_debugfs_exit();

	return ret;
}
module_init(mediator_demo_init);

static void __exit mediator_demo_exit(void)
{
	vfio_pci_unregister_mediate_ops(&demo_ops);
	demo_debugfs_exit();
}
module_exit(mediator_demo_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test mediator: uses every feature on the VFs of an 82576");
