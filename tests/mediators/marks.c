// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_marks: tracks VFs of an 82576, and a SATA controller. It marks what its module
 * parameters say. An added region reads, writes and marks guest memory outside of tracking. It has
 * no module alias, so that only a test loads it.
 */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "registered.h"
#include "vfio_mediate.h"

#define MARKS_DEVICE_82576_VF	0x10ca
#define MARKS_DEVICE_ICH9_AHCI	0x2922	/* shares its IOMMU group with others */
#define MARKS_TYPE	(VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI_VENDOR_ID_INTEL)

/* Registers of the added region: a write of an IOVA reads, marks or writes there. */
#define READ_MEMORY	0	/* reads as the last return value of an access to memory */
#define MARK_PAGE	8
#define WRITE_MEMORY	16
#define MEMORY		24	/* the 64 bits that are read and written */
#define STOP_WRITES	32	/* the next stop writes MEMORY there; all ones for none */

/* In BAR 0 */
#define RX_PAGE		0x2000
#define RDBAH		0x2804

static unsigned long long mark_iova;
module_param(mark_iova, ullong, 0644);
MODULE_PARM_DESC(mark_iova, "First byte that each scan marks");

static unsigned long long mark_size;
module_param(mark_size, ullong, 0644);
MODULE_PARM_DESC(mark_size, "Number of bytes that each scan marks; 2^64 - 1 for all memory");

static unsigned long long mark_stride;
module_param(mark_stride, ullong, 0644);
MODULE_PARM_DESC(mark_stride, "Mark only mark_each bytes at each multiple of this number, unless 0");

static unsigned long long mark_each = 1;
module_param(mark_each, ullong, 0644);
MODULE_PARM_DESC(mark_each, "Number of bytes to mark at each multiple of mark_stride");

static int start_error;
module_param(start_error, int, 0644);
MODULE_PARM_DESC(start_error, "Return value of start. Unless 0, start marks like a scan");

static int scan_error;
module_param(scan_error, int, 0644);
MODULE_PARM_DESC(scan_error, "Return value of scan. Unless 0, scan marks nothing");

static unsigned int resets;
module_param(resets, uint, 0644);
MODULE_PARM_DESC(resets, "Number of calls of stop, from now on, during which the guest's driver resets the device");

static unsigned int scans;
module_param(scans, uint, 0644);
MODULE_PARM_DESC(scans, "Number of completed scans");

static unsigned int stops;
module_param(stops, uint, 0644);
MODULE_PARM_DESC(stops, "Number of calls of stop");

static bool log;
module_param(log, bool, 0644);
MODULE_PARM_DESC(log, "Devices log by themselves, for devices opened from now on. start, report and stop then do what start, scan and stop do");

static unsigned int log_starts;
module_param(log_starts, uint, 0644);
MODULE_PARM_DESC(log_starts, "Number of calls of start of such devices");

static unsigned long long log_size;
module_param(log_size, ullong, 0644);
MODULE_PARM_DESC(log_size, "Bytes of the ranges of the last one");

static bool trap;
module_param(trap, bool, 0444);
MODULE_PARM_DESC(trap, "Declare a page that can be trapped. Each access to it also reads guest memory at IOVA 0");

static int filled;
module_param(filled, int, 0644);
MODULE_PARM_DESC(filled, "Result of that read when the shadow page was filled last");

static int drained;
module_param(drained, int, 0644);
MODULE_PARM_DESC(drained, "Result of that read when a drain wrote to the page last");

/* Registers of the first receive queue */
static const struct vfio_mediate_reg marks_regs[] = {
	{ .offset = RDBAH - RX_PAGE, .width = 4, .kind = VFIO_MEDIATE_DOORBELL },
};

static const struct vfio_mediate_trap marks_trap = {
	.region = VFIO_PCI_BAR0_REGION_INDEX,
	.pages = { RX_PAGE, 0x1000 },
	.regs = marks_regs,
	.num_regs = ARRAY_SIZE(marks_regs),
};

static const struct vfio_mediate_extra_region marks_region = {
	.type = MARKS_TYPE,
	.subtype = 4,
	.size = PAGE_SIZE,
	.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
};

/*
 * @result:	Last return value of an access to memory.
 * @memory:	Data of the last read and the next write.
 * @stop_writes: IOVA that the next stop writes to, or U64_MAX.
 */
struct marks {
	int result;
	u64 memory;
	u64 stop_writes;
};

static void marks_mark(struct vfio_mediate_device *dev)
{
	u64 at, stride = mark_stride;

	if (mark_size == U64_MAX)
		vfio_mediate_mark_all(dev);
	else if (!stride)
		vfio_mediate_mark(dev, mark_iova, mark_size);
	for (at = 0; stride && at < mark_size; at += stride)
		vfio_mediate_mark(dev, mark_iova + at, mark_each);
}

static int marks_start(struct vfio_mediate_device *dev)
{
	if (start_error)
		marks_mark(dev);

	return start_error;
}

static void marks_stop(struct vfio_mediate_device *dev)
{
	stops++;
}

static int marks_scan(struct vfio_mediate_device *dev)
{
	if (!scan_error)
		marks_mark(dev);
	scans++;

	return scan_error;
}

static const struct vfio_mediate_tracking_ops marks_tracking = {
	.start = marks_start,
	.stop = marks_stop,
	.scan = marks_scan,
};

static int marks_log_start(struct vfio_mediate_device *dev,
			   const struct vfio_mediate_iova_range *ranges, unsigned int num_ranges,
			   u64 *page_size)
{
	unsigned int i;

	log_starts++;
	log_size = 0;
	for (i = 0; i < num_ranges; i++)
		log_size += ranges[i].size;

	return start_error;
}

static int marks_log_report(struct vfio_mediate_device *dev, u64 iova, u64 size)
{
	return marks_scan(dev);
}

static const struct vfio_mediate_dma_log_ops marks_log = {
	.start = marks_log_start,
	.stop = marks_stop,
	.report = marks_log_report,
};

/* The devices have no state. */
static int marks_nothing(struct vfio_mediate_device *dev)
{
	return 0;
}

static int marks_stopped(struct vfio_mediate_device *dev)
{
	struct marks *marks = dev->handle;

	if (marks->stop_writes != U64_MAX)
		marks->result = vfio_mediate_write(dev, marks->stop_writes, &marks->memory,
						   sizeof(marks->memory));
	marks->stop_writes = U64_MAX;
	if (!resets)
		return 0;
	resets--;

	return vfio_mediate_was_reset(dev);
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
	.stop = marks_stopped,
	.size = marks_size,
	.save = marks_save,
	.load_begin = marks_load_begin,
	.load = marks_load,
	.apply = marks_nothing,
};

static int marks_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct marks *marks;

	if (pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    (pdev->device != MARKS_DEVICE_82576_VF && pdev->device != MARKS_DEVICE_ICH9_AHCI))
		return -ENODEV;

	marks = kzalloc(sizeof(*marks), GFP_KERNEL_ACCOUNT);
	if (!marks)
		return -ENOMEM;

	marks->stop_writes = U64_MAX;
	dev->handle = marks;
	dev->extra_regions = &marks_region;
	dev->num_extra_regions = 1;
	dev->migration = &marks_migration;
	if (log)
		dev->dma_log = &marks_log;
	else
		dev->tracking = &marks_tracking;
	dev->traps = &marks_trap;
	dev->num_traps = trap;

	return 0;
}

static void marks_release(struct vfio_mediate_device *dev)
{
	kfree(dev->handle);
}

static void read_trapped(struct vfio_mediate_device *dev,
			 const struct vfio_mediate_access *access)
{
	u32 word;
	int ret = vfio_mediate_read(dev, 0, &word, sizeof(word));

	if (access->write)
		drained = ret;
	else
		filled = ret;
}

/* An access to the added region is not one to a trapped page. */
static int marks_rw(struct vfio_mediate_device *dev,
		    struct vfio_mediate_access *access)
{
	struct marks *marks = dev->handle;

	if (access->region == VFIO_PCI_BAR0_REGION_INDEX) {
		read_trapped(dev, access);
		return VFIO_MEDIATE_PASS_THROUGH;
	}

	if (!access->write) {
		access->value = access->offset == MEMORY ? marks->memory : (u32)marks->result;
		return 0;
	}

	switch (access->offset) {
	case READ_MEMORY:
		marks->result = vfio_mediate_read(dev, access->value, &marks->memory,
						  sizeof(marks->memory));
		break;
	case MARK_PAGE:
		vfio_mediate_mark(dev, access->value, 1);
		break;
	case WRITE_MEMORY:
		marks->result = vfio_mediate_write(dev, access->value, &marks->memory,
						   sizeof(marks->memory));
		break;
	case MEMORY:
		marks->memory = access->value;
		break;
	case STOP_WRITES:
		marks->stop_writes = access->value;
		break;
	}

	return 0;
}

static const struct vfio_pci_mediate_ops marks_ops = {
	.name = "marks",
	.owner = THIS_MODULE,
	.open = marks_open,
	.release = marks_release,
	.rw = marks_rw,
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
