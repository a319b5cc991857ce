// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_marks: VFs of an 82576 that are said to write what the module's parameters
 * say. It has no alias, so that it is loaded only where a test wants it.
 */

#include <linux/module.h>
#include <linux/pci.h>

#include "registered.h"
#include "vfio_mediate.h"

#define MARKS_DEVICE_82576_VF	0x10ca

static unsigned long long mark_iova;
module_param(mark_iova, ullong, 0644);
MODULE_PARM_DESC(mark_iova, "First byte that each scan marks");

static unsigned long long mark_size;
module_param(mark_size, ullong, 0644);
MODULE_PARM_DESC(mark_size, "Bytes that each scan marks, all memory with 2^64 - 1");

static unsigned long long mark_stride;
module_param(mark_stride, ullong, 0644);
MODULE_PARM_DESC(mark_stride, "Marks only some bytes at each multiple of it, unless 0");

static unsigned long long mark_each = 1;
module_param(mark_each, ullong, 0644);
MODULE_PARM_DESC(mark_each, "Bytes that it marks there");

static unsigned int scans;
module_param(scans, uint, 0644);
MODULE_PARM_DESC(scans, "Scans that have ended");

static int marks_start(struct vfio_mediate_device *dev)
{
	return 0;
}

static void marks_stop(struct vfio_mediate_device *dev)
{
}

static int marks_scan(struct vfio_mediate_device *dev)
{
	u64 at, stride = mark_stride;

	if (mark_size == U64_MAX)
		vfio_mediate_mark_all(dev);
	else if (!stride)
		vfio_mediate_mark(dev, mark_iova, mark_size);
	for (at = 0; stride && at < mark_size; at += stride)
		vfio_mediate_mark(dev, mark_iova + at, mark_each);
	scans++;

	return 0;
}

static const struct vfio_mediate_tracking_ops marks_tracking = {
	.start = marks_start,
	.stop = marks_stop,
	.scan = marks_scan,
};

/* There is no state. */
static int marks_nothing(struct vfio_mediate_device *dev)
{
	return 0;
}

static u64 marks_size(struct vfio_mediate_device *dev)
{
	return 0;
}

static int marks_save(struct vfio_mediate_device *dev,
		      struct vfio_mediate_record *record)
{
	return 0;
}

static int marks_load_begin(struct vfio_mediate_device *dev, u32 version,
			    u64 features)
{
	return 0;
}

static int marks_load(struct vfio_mediate_device *dev,
		      const struct vfio_mediate_record *record)
{
	return -EOPNOTSUPP;
}

static const struct vfio_mediate_migration_ops marks_migration = {
	.version = 1,
	.min_version = 1,
	.run = marks_nothing,
	.stop = marks_nothing,
	.size = marks_size,
	.save = marks_save,
	.load_begin = marks_load_begin,
	.load = marks_load,
	.apply = marks_nothing,
};

static int marks_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	if (pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    pdev->device != MARKS_DEVICE_82576_VF)
		return -ENODEV;

	dev->migration = &marks_migration;
	dev->tracking = &marks_tracking;

	return 0;
}

static void marks_release(struct vfio_mediate_device *dev)
{
}

static const struct vfio_pci_mediate_ops marks_ops = {
	.name = "marks",
	.owner = THIS_MODULE,
	.open = marks_open,
	.release = marks_release,
};

static int __init mediator_marks_init(void)
{
	return register_ops(&marks_ops);
}
module_init(mediator_marks_init);

static void __exit mediator_marks_exit(void)
{
	vfio_pci_unregister_mediate_ops(&marks_ops);
}
module_exit(mediator_marks_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test mediator: devices that write what the test says");
