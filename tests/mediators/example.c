// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_example: all that a PF driver adds to mediate its VFs, for the 82576.
 * Documentation/vendor.rst explains it part by part. It would be one file of the PF
 * driver. Here it works beside in-tree igb, which is not involved.
 */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <uapi/linux/vfio.h>

#include "vfio_mediate.h"

/* In BAR 0 of a VF. Nothing but queues is in the last two pages. */
#define STATUS			0x0008
#define V2PMAILBOX		0x0c40
#define RX_QUEUES		0x2000
#define RDT			0x2818
#define TX_QUEUES		0x3000
#define TDT			0x3818

#define STATUS_SPEED_MASK	0xc0
#define STATUS_SPEED_100	0x40
#define QUEUE_ENABLE		BIT(25)	/* RXDCTL, TXDCTL */

/* An open VF */
struct example_vf {
	struct vfio_mediate_device *dev;
	struct list_head node;
	struct work_struct trap_work;
	atomic_t doorbells;
};

/* Protects vfs. Release takes it: do not hold it around vfio_mediate_trap(). */
static DEFINE_MUTEX(vfs_lock);
static LIST_HEAD(vfs);
static bool trap;

/* These come to example_rw() all the time. */
static const struct vfio_mediate_range ranges[] = {
	{ STATUS, 4 },
	{ V2PMAILBOX, 4 },
};

static const struct vfio_mediate_region region = {
	.index = VFIO_PCI_BAR0_REGION_INDEX,
	.ranges = ranges,
	.num_ranges = ARRAY_SIZE(ranges),
};

/* Signalled when the VF writes to its mailbox. */
static const struct vfio_mediate_irq irq = {
	.type = VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI_VENDOR_ID_INTEL,
	.subtype = 1,
	.count = 1,
};

/* These come to example_rw() while trapped. One queue of each is enough here. */
#define REG(where, what) \
	{ .offset = (where), .width = 4, .kind = VFIO_MEDIATE_##what }
#define ENABLE(where) \
	{ .offset = (where), .width = 4, .kind = VFIO_MEDIATE_ENABLE, \
	  .value = QUEUE_ENABLE }

static const struct vfio_mediate_reg rx_regs[] = {
	REG(0x800, CONTROL), REG(0x804, CONTROL),	/* RDBAL, RDBAH */
	REG(0x808, CONTROL), REG(0x80c, CONTROL),	/* RDLEN, SRRCTL */
	REG(0x810, CONTROL), REG(0x814, CONTROL),	/* RDH, RXCTL */
	ENABLE(0x828), REG(0x818, DOORBELL),		/* RXDCTL, RDT */
};

static const struct vfio_mediate_reg tx_regs[] = {
	REG(0x800, CONTROL), REG(0x804, CONTROL),	/* TDBAL, TDBAH */
	REG(0x808, CONTROL), REG(0x810, CONTROL),	/* TDLEN, TDH */
	REG(0x814, CONTROL),				/* TXCTL */
	REG(0x838, CONTROL), REG(0x83c, CONTROL),	/* TDWBAL, TDWBAH */
	ENABLE(0x828), REG(0x818, DOORBELL),		/* TXDCTL, TDT */
};

static const struct vfio_mediate_trap traps[] = {
	{
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { RX_QUEUES, 0x1000 },
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
	}, {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { TX_QUEUES, 0x1000 },
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
	},
};

/* The guest sees 100 Mb/s. It may read the register in parts. */
static int read_status(struct vfio_mediate_device *dev,
		       struct vfio_mediate_access *access)
{
	struct vfio_mediate_access whole = { .offset = STATUS, .width = 4 };
	int ret;

	ret = vfio_mediate_default_rw(dev, &whole);
	if (ret)
		return ret;

	whole.value &= ~(u64)STATUS_SPEED_MASK;
	whole.value |= STATUS_SPEED_100;
	access->value = whole.value >> (8 * (access->offset - STATUS));

	return 0;
}

static int example_rw(struct vfio_mediate_device *dev,
		      struct vfio_mediate_access *access)
{
	struct example_vf *vf = dev->handle;

	switch (access->offset) {
	case STATUS ... STATUS + 3:
		if (!access->write)
			return read_status(dev, access);
		break;
	case V2PMAILBOX ... V2PMAILBOX + 3:
		if (access->write)
			vfio_mediate_signal(dev, 0, 0);
		break;
	case RDT:
	case TDT:
		if (access->write)
			atomic_inc(&vf->doorbells);
		break;
	}

	return VFIO_MEDIATE_PASS_THROUGH;
}

static void example_trap_work(struct work_struct *work)
{
	struct example_vf *vf = container_of(work, struct example_vf, trap_work);
	int ret;

	ret = vfio_mediate_trap(vf->dev, READ_ONCE(trap));
	if (ret)
		pci_dbg(vf->dev->pdev, "trap: %pe\n", ERR_PTR(ret));
}

static const struct pci_device_id example_ids[] = {
	{ PCI_VDEVICE(INTEL, 0x10ca) },		/* VF of an 82576 */
	{ }
};

static int example_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct pci_driver *pf_driver = pci_physfn(pdev)->driver;
	struct example_vf *vf;

	/* A PF driver compares with its own struct pci_driver. */
	if (!pdev->is_virtfn || !pf_driver || strcmp(pf_driver->name, "igb"))
		return -ENODEV;

	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;

	INIT_WORK(&vf->trap_work, example_trap_work);
	vf->dev = dev;
	dev->handle = vf;
	dev->regions = &region;
	dev->num_regions = 1;
	dev->irqs = &irq;
	dev->num_irqs = 1;
	dev->traps = traps;
	dev->num_traps = ARRAY_SIZE(traps);

	mutex_lock(&vfs_lock);
	list_add_tail(&vf->node, &vfs);
	mutex_unlock(&vfs_lock);

	return 0;
}

static void example_release(struct vfio_mediate_device *dev)
{
	struct example_vf *vf = dev->handle;

	/* Remove it from the list, then wait for its work item. */
	mutex_lock(&vfs_lock);
	list_del(&vf->node);
	mutex_unlock(&vfs_lock);
	cancel_work_sync(&vf->trap_work);

	pci_dbg(dev->pdev, "%d doorbells seen\n", atomic_read(&vf->doorbells));
	kfree(vf);
}

static const struct vfio_pci_mediate_ops example_ops = {
	.name = "example",
	.owner = THIS_MODULE,
	.ids = example_ids,
	.open = example_open,
	.release = example_release,
	.rw = example_rw,
};

/* In place of an event for which a PF driver traps, such as a migration. */
static int set_trap(const char *val, const struct kernel_param *kp)
{
	struct example_vf *vf;
	int ret;

	ret = param_set_bool(val, kp);
	if (ret)
		return ret;

	mutex_lock(&vfs_lock);
	list_for_each_entry(vf, &vfs, node)
		schedule_work(&vf->trap_work);
	mutex_unlock(&vfs_lock);

	return 0;
}

static const struct kernel_param_ops trap_ops = {
	.set = set_trap,
	.get = param_get_bool,
};
module_param_cb(trap, &trap_ops, &trap, 0644);
MODULE_PARM_DESC(trap, "Trap the queues of all open VFs, or end the trap");

/* A PF driver does this before pci_register_driver(), */
static int __init example_init(void)
{
	return vfio_pci_register_mediate_ops(&example_ops);
}
module_init(example_init);

/* and this after pci_unregister_driver(). */
static void __exit example_exit(void)
{
	vfio_pci_unregister_mediate_ops(&example_ops);
}
module_exit(example_exit);

/* A PF driver has MODULE_ALIAS("vfio-mediate:v00008086d000010CA"). */
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Example of a PF driver that mediates: VFs of an 82576");
