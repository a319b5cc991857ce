// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_described: all that mediates, migrates and tracks the VFs of a device that is made up:
 * BAR 0 has one receive and one transmit ring, and a register by which the guest starts and stops
 * the device. Documentation/vendor.rst explains it; tests/kunit/described.c is the device.
 */

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "vfio_mediate.h"
#include "vfio_mediate_describe.h"

#define BAR			VFIO_PCI_BAR0_REGION_INDEX

/* In the first page of the BAR. Nothing that the guest's driver needs often may be in it. */
#define CTRL			0x0000
#define CTRL_GO			BIT(0)	/* DMA and interrupts: rings alone start nothing */
#define CTRL_KNOWN		GENMASK(7, 0)
#define STATUS			0x0004
#define STATUS_BUSY		BIT(0)	/* DMA is in flight */
#define IRQ_MASK		0x0008
#define IRQ_RAISE		0x000c
#define RX_HOLD			0x0010
/* A page for each ring */
#define RX			0x1000
#define TX			0x2000

#define RING_ON			BIT(31)
#define RING_BYTES		GENMASK(19, 4)
#define DESC_SIZE		16

/* A VF that is open */
struct vf {
	struct vfio_mediate_device *dev;
	struct mutex lock;	/* protects what follows, and CTRL */
	bool stopped;
	u32 ctrl;		/* what the guest has in CTRL while the VF is stopped */
};

/* Type of a record. It never changes its meaning. */
#define RECORD_CONTROL	2

/* RECORD_CONTROL: control_regs, then what stop has changed */
struct record_control {
	__le32 irq_mask;
	__le32 ctrl;
};

#define REG(where, what, ...)	{ (where), VFIO_MEDIATE_ROLE_##what, ##__VA_ARGS__ }

static const struct vfio_mediate_state_reg rx_regs[] = {
	REG(RX + 0x00, BASE), REG(RX + 0x04, BASE_HIGH), REG(RX + 0x08, LENGTH, RING_BYTES),
	REG(RX + 0x0c, HEAD), REG(RX + 0x10, ENABLE, RING_ON), REG(RX + 0x14, TAIL),
};

static const struct vfio_mediate_state_reg tx_regs[] = {
	REG(TX + 0x00, BASE), REG(TX + 0x04, BASE_HIGH), REG(TX + 0x08, LENGTH, RING_BYTES),
	REG(TX + 0x0c, HEAD), REG(TX + 0x10, ENABLE, RING_ON), REG(TX + 0x14, TAIL),
};

/* Written when all else is in place, before run. */
static const struct vfio_mediate_state_reg control_regs[] = { REG(IRQ_MASK, RUN) };

/* A descriptor, little-endian as the device has it */
struct desc {
	__le64 iova;
	__le32 size;
	__le32 done;
};

static bool rx_done(const void *desc, u32 format)
{
	const struct desc *rx = desc;

	return rx->done;
}

static unsigned int rx_buffers(const void *posted, const void *desc, u32 format,
			       struct vfio_mediate_buffer *buffer)
{
	const struct desc *rx = posted;

	buffer->iova = le64_to_cpu(rx->iova);
	buffer->size = le32_to_cpu(rx->size);

	return 1;
}

static const struct vfio_mediate_ring rings[] = {
	{
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
		.desc_size = DESC_SIZE,
		.done = rx_done,
		.buffers = rx_buffers,
	}, {
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
		.desc_size = DESC_SIZE,
	},
};

/* Let the guest have in CTRL what it wrote last. */
static int vf_run(struct vfio_mediate_device *dev)
{
	struct vf *vf = dev->handle;
	int ret = 0;

	guard(mutex)(&vf->lock);
	if (vf->stopped)
		ret = vfio_mediate_write32(dev, BAR, CTRL, READ_ONCE(vf->ctrl));
	if (!ret)
		vf->stopped = false;

	return ret;
}

/*
 * Whatever the guest writes, GO stays clear from here to vf_run(): see ctrl_rw(). After an error
 * vf_run() is called.
 */
static int vf_stop(struct vfio_mediate_device *dev)
{
	struct vf *vf = dev->handle;
	int ret, error = 0;
	u32 ctrl, status;

	scoped_guard(mutex, &vf->lock) {
		ret = vfio_mediate_read32(dev, BAR, CTRL, &ctrl);
		if (!ret)
			ret = vfio_mediate_write32(dev, BAR, CTRL, ctrl & ~CTRL_GO);
		if (ret)
			return ret;
		WRITE_ONCE(vf->ctrl, ctrl);
		vf->stopped = true;
	}

	ret = read_poll_timeout(vfio_mediate_read32, error, error || !(status & STATUS_BUSY), 10,
				100000, false, dev, BAR, STATUS, &status);

	return ret ? ret : error;
}

/* CTRL is mediated at all times. User space may access it in parts. */
static int ctrl_rw(struct vf *vf, struct vfio_mediate_access *access)
{
	unsigned int shift = 8 * (access->offset % sizeof(u32));
	u32 mask = GENMASK(8 * access->width - 1, 0) << shift;

	guard(mutex)(&vf->lock);
	if (!vf->stopped)
		return vfio_mediate_default_rw(vf->dev, access);

	if (access->write)
		WRITE_ONCE(vf->ctrl, (vf->ctrl & ~mask) | (access->value << shift & mask));
	else
		access->value = vf->ctrl >> shift;

	return 0;
}

static int vf_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	if (access->region == BAR && ALIGN_DOWN(access->offset, sizeof(u32)) == CTRL)
		return ctrl_rw(dev->handle, access);

	return vfio_mediate_described_rw(dev, access);
}

/* The register has 0 after a reset, so run must not write what was there before. */
static void vf_reset_finish(struct vfio_mediate_device *dev)
{
	struct vf *vf = dev->handle;

	WRITE_ONCE(vf->ctrl, 0);
}

static int control_get(struct vfio_mediate_device *dev, void *record)
{
	struct record_control *control = record;
	struct vf *vf = dev->handle;

	control->ctrl = cpu_to_le32(READ_ONCE(vf->ctrl));

	return 0;
}

static int control_check(struct vfio_mediate_device *dev, const void *record)
{
	const struct record_control *control = record;

	return le32_to_cpu(control->ctrl) & ~CTRL_KNOWN ? -EINVAL : 0;
}

static int control_put(struct vfio_mediate_device *dev, const void *record)
{
	const struct record_control *control = record;
	struct vf *vf = dev->handle;

	WRITE_ONCE(vf->ctrl, le32_to_cpu(control->ctrl));

	return 0;
}

static const struct vfio_mediate_part parts[] = {
	{
		.type = RECORD_CONTROL,
		.regs = control_regs,
		.num_regs = ARRAY_SIZE(control_regs),
		.size = sizeof(struct record_control),
		.get = control_get,
		.check = control_check,
		.put = control_put,
	},
};

/* An interrupt may have been lost. One too many does no harm. */
static int vf_kick(struct vfio_mediate_device *dev)
{
	return vfio_mediate_write32(dev, BAR, IRQ_RAISE, U32_MAX);
}

static int vf_hold(struct vfio_mediate_device *dev, bool on)
{
	return vfio_mediate_write32(dev, BAR, RX_HOLD, on);
}

static const struct vfio_mediate_description description = {
	.version = 1,
	.min_version = 1,
	.region = BAR,
	.rings = rings,
	.num_rings = ARRAY_SIZE(rings),
	.num_queues = 1,
	.parts = parts,
	.num_parts = ARRAY_SIZE(parts),
	.run = vf_run,
	.stop = vf_stop,
	.kick = vf_kick,
	.hold = vf_hold,
};

static const struct vfio_mediate_range ranges[] = { { CTRL, 4 } };

static const struct vfio_mediate_region region = {
	.index = BAR,
	.ranges = ranges,
	.num_ranges = ARRAY_SIZE(ranges),
};

static int vf_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct vf *vf;
	int ret;

	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;

	mutex_init(&vf->lock);
	vf->dev = dev;
	dev->handle = vf;
	ret = vfio_mediate_describe(dev, &description);
	if (ret) {
		kfree(vf);
		return ret;
	}

	/* The description has no counters, so dev->regions is free. */
	dev->regions = &region;
	dev->num_regions = 1;

	return 0;
}

static void vf_release(struct vfio_mediate_device *dev)
{
	kfree(dev->handle);
}

static const struct pci_device_id vf_ids[] = {
	{ PCI_DEVICE(0x1234, 0x5678) },
	{ }
};

static const struct vfio_pci_mediate_ops described_ops = {
	.name = "described-example",
	.owner = THIS_MODULE,
	.ids = vf_ids,
	.open = vf_open,
	.release = vf_release,
	.rw = vf_rw,
	.reset_finish = vf_reset_finish,
};

static int __init described_init(void)
{
	return vfio_pci_register_mediate_ops(&described_ops);
}
module_init(described_init);

static void __exit described_exit(void)
{
	vfio_pci_unregister_mediate_ops(&described_ops);
}
module_exit(described_exit);

/* A PF driver has MODULE_ALIAS("vfio-mediate:v00001234d00005678"). */
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Example of a described device, which is made up");
