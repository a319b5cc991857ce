// SPDX-License-Identifier: GPL-2.0-only
/* The mediate ops: callbacks for a VF that a VMM opens through vfio-pci-mediate. */

#include <linux/module.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "dirty.h"
#include "state.h"
#include "vfio_mediate.h"

/* Offsets in BAR 0 of a VF. The last two pages hold nothing but queues. */
#define VF_COUNTERS		0x0f10
#define VF_RX_QUEUES		0x2000
#define VF_TX_QUEUES		0x3000

static bool counters = true;
module_param(counters, bool, 0644);
MODULE_PARM_DESC(counters, "Continue the counters of a VF after a migration. The page of BAR 0 with the counters and the mailbox can then not be mapped. Read when the VF is opened");

static bool tracking = true;
module_param(tracking, bool, 0644);
MODULE_PARM_DESC(tracking, "Track which memory a VF writes while it is migrated. Otherwise all memory is reported as dirty. Read when the VF is opened");

/* Counters only, see nic_counters_rw() */
static const struct vfio_mediate_range ranges[] = {
	{ VF_COUNTERS, 0xc },
	{ VF_COUNTERS + 0x24, 0x4 },
	{ VF_COUNTERS + 0x2c, 0x10 },
	{ VF_COUNTERS + 0x40, 0x4 },
};

static const struct vfio_mediate_region regions[] = {
	{
		.index = VFIO_PCI_BAR0_REGION_INDEX,
		.ranges = ranges,
		.num_ranges = ARRAY_SIZE(ranges),
	},
};

/* A VF has two queue pairs. igbvf uses one of them. */
#define QUEUE0(where, what) \
	{ .offset = 0x800 + (where), .width = 4, .kind = VFIO_MEDIATE_##what, .queue = 0 }
#define QUEUE1(where, what) \
	{ .offset = 0x900 + (where), .width = 4, .kind = VFIO_MEDIATE_##what, .queue = 1 }
#define ENABLE(where, which) \
	{ .offset = (where), .width = 4, .kind = VFIO_MEDIATE_ENABLE, .queue = (which), \
	  .value = XDCTL_ENABLE }

static const struct vfio_mediate_reg rx_regs[] = {
	QUEUE0(0x00, CONTROL), QUEUE0(0x04, CONTROL),	/* RDBAL, RDBAH */
	QUEUE0(0x08, CONTROL), QUEUE0(0x0c, CONTROL),	/* RDLEN, SRRCTL */
	QUEUE0(0x10, CONTROL), QUEUE0(0x14, CONTROL),	/* RDH, RXCTL */
	ENABLE(0x828, 0), QUEUE0(0x18, DOORBELL),	/* RXDCTL, RDT */
	QUEUE1(0x00, CONTROL), QUEUE1(0x04, CONTROL),
	QUEUE1(0x08, CONTROL), QUEUE1(0x0c, CONTROL),
	QUEUE1(0x10, CONTROL), QUEUE1(0x14, CONTROL),
	ENABLE(0x928, 1), QUEUE1(0x18, DOORBELL),
};

static const struct vfio_mediate_reg tx_regs[] = {
	QUEUE0(0x00, CONTROL), QUEUE0(0x04, CONTROL),	/* TDBAL, TDBAH */
	QUEUE0(0x08, CONTROL), QUEUE0(0x10, CONTROL),	/* TDLEN, TDH */
	QUEUE0(0x14, CONTROL),				/* TXCTL */
	QUEUE0(0x38, CONTROL), QUEUE0(0x3c, CONTROL),	/* TDWBAL, TDWBAH */
	ENABLE(0x828, 0), QUEUE0(0x18, DOORBELL),	/* TXDCTL, TDT */
	QUEUE1(0x00, CONTROL), QUEUE1(0x04, CONTROL),
	QUEUE1(0x08, CONTROL), QUEUE1(0x10, CONTROL),
	QUEUE1(0x14, CONTROL),
	QUEUE1(0x38, CONTROL), QUEUE1(0x3c, CONTROL),
	ENABLE(0x928, 1), QUEUE1(0x18, DOORBELL),
};

static const struct vfio_mediate_trap traps[] = {
	{
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { VF_RX_QUEUES, 0x1000 },
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
	}, {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { VF_TX_QUEUES, 0x1000 },
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
	},
};

/* Driver of the PFs, from nic_mediate_register() */
static struct pci_driver *pf_driver __ro_after_init;

/*
 * Claim a VF. If its PF is bound to pf_driver, the PF has a struct nic: probe refuses VFs
 * that exist already, and remove removes all VFs.
 */
static int nic_mediate_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct nic *nic = pci_iov_get_pf_drvdata(pdev, pf_driver);
	struct nic_mediated *vf;

	if (IS_ERR(nic) || READ_ONCE(nic->removing))
		return -ENODEV;

	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;

	vf->nic = nic;
	vf->n = pci_iov_vf_id(pdev);
	nic_vf_open(nic, vf->n);
	nic_counters_reset(vf);
	dev->handle = vf;
	mutex_lock(&nic->vf_lock);
	nic->vf[vf->n].dev = dev;
	mutex_unlock(&nic->vf_lock);
	if (READ_ONCE(counters)) {
		dev->regions = regions;
		dev->num_regions = ARRAY_SIZE(regions);
	}
	dev->migration = &nic_migration_ops;
	if (READ_ONCE(tracking))
		dev->tracking = &nic_tracking_ops;
	dev->traps = traps;
	dev->num_traps = ARRAY_SIZE(traps);

	return 0;
}

/*
 * Return the VF to its reset state. vfio resets it too, except while it closes another
 * device of the bus.
 */
static void nic_mediate_release(struct vfio_mediate_device *dev)
{
	struct nic_mediated *vf = dev->handle;

	nic_vf_close(vf->nic, vf->n);
	nic_v2p_release(dev);
	nic_dirty_free(vf);
	kfree(vf->loading);
	kfree(vf->saving);
	kfree(vf);
}

/* While trapped, track a write of the guest's driver, then do what vfio-pci would have done. */
static int nic_mediate_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct nic_mediated *m = dev->handle;

	if (access->offset < VF_RX_QUEUES)
		return nic_counters_rw(dev, access);
	if (access->write && m->dirty)
		return nic_dirty_write(dev, access);

	return VFIO_MEDIATE_PASS_THROUGH;
}

/* The reset is handled: pages of the VF can be written again. */
static void nic_mediate_reset_done(struct vfio_mediate_device *dev, bool unexpected)
{
	struct nic_mediated *m = dev->handle;

	mutex_lock(&m->nic->vf_lock);
	nic_vf_send_reset_reply(m->nic, m->n);
	if (unexpected) {
		nic_vf_handle_events(m->nic, m->n);
		nic_vf_schedule_notices(m->nic, m->n);
	}
	mutex_unlock(&m->nic->vf_lock);
}

static const struct pci_device_id nic_vf_ids[] = {
	{ PCI_VDEVICE(INTEL, 0x10ca) },
	{ }
};

static const struct vfio_pci_mediate_ops nic_mediate_ops = {
	.name = NIC_NAME,
	.owner = THIS_MODULE,
	.ids = nic_vf_ids,
	.open = nic_mediate_open,
	.release = nic_mediate_release,
	.rw = nic_mediate_rw,
	.reset_done = nic_mediate_reset_done,
};

/**
 * nic_mediate_detach() - Stop to mediate the VFs of a PF
 * @nic:	The PF, which is being removed.
 *
 * When this function returns, no callback runs for these VFs, and none will.
 *
 * Context: Process context, may sleep. The caller does not hold vf_lock.
 */
void nic_mediate_detach(struct nic *nic)
{
	vfio_pci_mediate_detach(&nic_mediate_ops, nic->pdev);
}

/**
 * nic_mediate_register() - Register the mediate ops
 * @driver:	PCI driver of the PFs whose VFs are to be claimed.
 *
 * Context: Process context, may sleep.
 * Return:
 * * 0: success.
 * * Negative errno of vfio_pci_register_mediate_ops().
 */
int nic_mediate_register(struct pci_driver *driver)
{
	pf_driver = driver;

	return vfio_pci_register_mediate_ops(&nic_mediate_ops);
}

/**
 * nic_mediate_unregister() - Unregister the mediate ops
 *
 * Called once no VF is left.
 *
 * Context: Process context, may sleep.
 */
void nic_mediate_unregister(void)
{
	vfio_pci_unregister_mediate_ops(&nic_mediate_ops);
}
