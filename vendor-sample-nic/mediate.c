// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mediates a VF that a VMM opens through vfio-pci-mediate: its description, from which
 * vfio_mediate saves, loads and tracks it, with what the PF does to run and stop it and what it
 * knows of it; and the mediate ops.
 *
 * Registers are accessed in the VF's own BAR. A stream can therefore do no more than the
 * guest's driver can. State that the PF holds for the VF is subject to the same policy as
 * messages in the VF's mailbox.
 */

#include <linux/module.h>
#include <uapi/linux/vfio.h>

#include "rings.h"
#include "state.h"

static bool counters = true;
module_param(counters, bool, 0644);
MODULE_PARM_DESC(counters, "Continue the counters of a VF after a migration. The page of BAR 0 with the counters and the mailbox can then not be mapped. Read when the VF is opened");

static bool tracking = true;
module_param(tracking, bool, 0644);
MODULE_PARM_DESC(tracking, "Track which memory a VF writes while it is migrated. Otherwise all memory is reported as dirty. Read when the VF is opened");

static bool pre_copy = true;
module_param(pre_copy, bool, 0644);
MODULE_PARM_DESC(pre_copy, "Send records that a destination can check while the VF is running. Turn it off for a destination that does not know this feature of the stream. Read when a migration begins");

/* Registers in BAR 0 of a VF, but those of its queues */
#define VTEICS			0x1520
#define VTEICS_ALL		GENMASK(2, 0)
#define V2PMAILBOX		0x0c40
#define V2PMAILBOX_VFU		BIT(2)
#define V2PMAILBOX_EVENTS	GENMASK(5, 4)	/* P2VMAILBOX_ACK and P2VMAILBOX_STS */

static int nic_vf_read(struct vfio_mediate_device *dev, u32 reg, u32 *val)
{
	return vfio_mediate_read32(dev, VFIO_PCI_BAR0_REGION_INDEX, reg, val);
}

static int nic_vf_write(struct vfio_mediate_device *dev, u32 reg, u32 val)
{
	return vfio_mediate_write32(dev, VFIO_PCI_BAR0_REGION_INDEX, reg, val);
}

/* Read the mailbox's register. That clears the events in it: keep them for the VF's driver. */
static int nic_v2p_read(struct vfio_mediate_device *dev, u32 *val)
{
	struct nic_vf *vf = dev->handle;
	int ret;

	ret = nic_vf_read(dev, V2PMAILBOX, val);
	if (ret)
		return ret;

	guard(mutex)(&vf->nic->vf_lock);
	vf->mbx_unread |= FIELD_GET(V2PMAILBOX_EVENTS, *val);

	return 0;
}

static int nic_migrate_quiesce(struct vfio_mediate_device *dev)
{
	return nic_vf_stop(dev->handle, false);
}

static int nic_migrate_stop(struct vfio_mediate_device *dev)
{
	int ret = nic_vf_stop(dev->handle, true);
	u32 val;

	return ret ? ret : nic_v2p_read(dev, &val);
}

static int nic_migrate_run(struct vfio_mediate_device *dev)
{
	return nic_vf_start(dev->handle);
}

/* Raise all interrupts: some may have been pending, a spurious one does no harm. */
static int nic_migrate_kick(struct vfio_mediate_device *dev)
{
	return nic_vf_write(dev, VTEICS, VTEICS_ALL);
}

/* Frames for the VF are dropped while reception is held. */
static int nic_migrate_hold(struct vfio_mediate_device *dev, bool on)
{
	struct nic_vf *vf = dev->handle;
	unsigned int n = nic_vf_id(vf);
	int ret = 0;

	scoped_guard(mutex, &vf->nic->vf_lock) {
		vf->rx_held = on;
		nic_vf_update(vf->nic, n);
	}
	if (on)
		ret = nic_pool_drain(vf->nic, n, false);

	return nic_gone(vf->nic) ? -ENODEV : ret;
}

/* The addresses of a VF that may send, in its port VLAN or untagged, and in its other VLANs. */
static void nic_migrate_addresses(struct vfio_mediate_device *dev,
				  struct vfio_mediate_announce *announce)
{
	struct nic_rec_filters filters = {};
	struct nic_vf *vf = dev->handle;
	struct nic *nic = vf->nic;
	unsigned int i, v;

	guard(mutex)(&nic->vf_lock);
	if (!nic_vf_is_on(vf))
		return;

	nic_filters_save(nic, nic_vf_id(vf), &filters);
	for (i = 0; i < NIC_POOL_MACS; i++) {
		vfio_mediate_announce_address(announce, nic->netdev, filters.mac[i],
					      le16_to_cpu(filters.port_vlan));
		for (v = 0; v < le16_to_cpu(filters.num_vlans); v++)
			vfio_mediate_announce_address(announce, nic->netdev, filters.mac[i],
						      le16_to_cpu(filters.vlan[v]));
	}
}

static int nic_migrate_save_as(struct vfio_mediate_device *dev, u32 *version, u64 *features)
{
	if (!READ_ONCE(pre_copy))
		*features &= ~NIC_FEATURE_PRE_COPY;

	return 0;
}

/* The ID of the guest. While the VF is open, only a load changes it. */
static int nic_get_guest(struct vfio_mediate_device *dev, void *record)
{
	struct nic_rec_guest *rec = record;
	struct nic_vf *vf = dev->handle;

	export_uuid(rec->id, &vf->nic->pool[nic_vf_id(vf)].guest);

	return 0;
}

/* The VF serves the guest from now on. */
static int nic_put_guest(struct vfio_mediate_device *dev, const void *record)
{
	const struct nic_rec_guest *rec = record;
	struct nic_vf *vf = dev->handle;
	uuid_t guest;

	import_uuid(&guest, rec->id);
	guard(mutex)(&vf->nic->vf_lock);
	nic_pool_set_guest(vf->nic, nic_vf_id(vf), &guest);

	return 0;
}

/* What the guest's driver has requested by mailbox. */
static int nic_get_filters(struct vfio_mediate_device *dev, void *record)
{
	struct nic_rec_filters *rec = record;
	struct nic_vf *vf = dev->handle;

	if (nic_gone(vf->nic))
		return -ENODEV;

	guard(mutex)(&vf->nic->vf_lock);
	rec->flags = cpu_to_le32(FIELD_PREP(NIC_FILTER_ACTIVE, vf->active));
	nic_filters_save(vf->nic, nic_vf_id(vf), rec);

	return 0;
}

static int nic_report_conflict(struct nic_vf *vf, const char *what, int ret)
{
	if (ret == -EADDRINUSE)
		what = "address of another VF";
	if (ret)
		dev_warn_ratelimited(&vf->nic->pdev->dev, "VF %u: loaded state conflicts with its settings: %s: %pe; change them with ip link\n",
				     nic_vf_id(vf), what, ERR_PTR(ret));

	return ret;
}

/*
 * Check the filters early: if they are refused in pre-copy, the VF keeps running at the
 * source.
 */
static int nic_check_filters(struct vfio_mediate_device *dev, const void *record)
{
	const struct nic_rec_guest *known = vfio_mediate_loaded(dev, NIC_REC_GUEST);
	struct nic_vf *vf = dev->handle;
	const char *what;
	uuid_t guest;
	int ret;

	ret = nic_replay_check(record);
	if (ret)
		return ret;

	if (known)
		import_uuid(&guest, known->id);
	guard(mutex)(&vf->nic->vf_lock);
	ret = nic_replay_allowed(vf->nic, nic_vf_id(vf), record, known ? &guest : NULL, &what);

	return nic_report_conflict(vf, what, ret);
}

/* Replay what the guest's driver has requested. */
static int nic_put_filters(struct vfio_mediate_device *dev, const void *record)
{
	struct nic_vf *vf = dev->handle;
	const char *what;
	int ret;

	guard(mutex)(&vf->nic->vf_lock);
	ret = nic_replay(vf->nic, nic_vf_id(vf), record, &what);

	return nic_report_conflict(vf, what, ret);
}

/* The mailbox. */
static int nic_get_vf(struct vfio_mediate_device *dev, void *record)
{
	struct nic_rec_vf *rec = record;
	struct nic_vf *vf = dev->handle;
	unsigned int i, n = nic_vf_id(vf);
	u32 val;
	int ret;

	ret = nic_v2p_read(dev, &val);
	if (ret)
		return ret;

	guard(mutex)(&vf->nic->vf_lock);
	rec->mailbox = cpu_to_le32((val & V2PMAILBOX_VFU) |
				   FIELD_PREP(V2PMAILBOX_EVENTS, vf->mbx_unread));
	for (i = 0; i < NIC_MBX_WORDS; i++)
		rec->message[i] = cpu_to_le32(nic_rd(vf->nic, VMBMEM(n) + 4 * i));
	/*
	 * The vectors are masked now. In QEMU's model VTEIMS reads as the last value
	 * written.
	 */
	rec->reg[NIC_VF_REGS - 1] |= cpu_to_le32(vf->masked_eims >> __ffs(EIMS_VF(n)));

	return nic_gone(vf->nic) ? -ENODEV : 0;
}

/* Set up the mailbox, without the events of this VF's past. Interrupts stay masked. */
static int nic_put_vf(struct vfio_mediate_device *dev, const void *record)
{
	const struct nic_rec_vf *rec = record;
	u32 stale, mailbox = le32_to_cpu(rec->mailbox);
	struct nic_vf *vf = dev->handle;
	unsigned int i;
	int ret;

	ret = nic_vf_read(dev, V2PMAILBOX, &stale);
	if (!ret)
		ret = nic_vf_write(dev, V2PMAILBOX, mailbox & V2PMAILBOX_VFU);

	guard(mutex)(&vf->nic->vf_lock);
	vf->mbx_unread = FIELD_GET(V2PMAILBOX_EVENTS, mailbox);
	for (i = 0; i < NIC_MBX_WORDS; i++)
		nic_wr(vf->nic, VMBMEM(nic_vf_id(vf)) + 4 * i, le32_to_cpu(rec->message[i]));

	return ret;
}

#define REG(where, what)	{ (where), VFIO_MEDIATE_ROLE_##what }

/* In the order of &nic_rec_vf.reg */
static const struct vfio_mediate_state_reg vf_regs[NIC_VF_REGS] = {
	REG(0x0f0c, PLAIN),						/* VFPSRTYPE */
	REG(0x152c, PLAIN), REG(0x1530, PLAIN),				/* VTEIAC, VTEIAM */
	REG(0x1680, PLAIN), REG(0x1684, PLAIN), REG(0x1688, PLAIN),	/* VTEITR */
	REG(0x1700, PLAIN), REG(0x1740, PLAIN),				/* VTIVAR, _MISC */
	REG(0x1524, RUN),						/* VTEIMS */
};

/* Frames and bytes received and sent: first all of them, then those looped back. */
static const u32 vf_counters[] = {
	0xf10, 0xf14, 0xf18, 0xf34, 0xf3c, 0xf40, 0xf44, 0xf48, 0xf50,
};

static u32 nic_read_counter(struct vfio_mediate_device *dev, u32 offset)
{
	struct nic_vf *vf = dev->handle;

	return nic_rd(vf->nic, PVF_COUNTER(nic_vf_id(vf), offset));
}

/* The guest comes before its filters, so that these are checked for it. */
static const struct vfio_mediate_part parts[] = {
	{
		.type = NIC_REC_GUEST,
		.optional = true,
		.early = true,
		.size = sizeof(struct nic_rec_guest),
		.get = nic_get_guest,
		.put = nic_put_guest,
	}, {
		.type = NIC_REC_FILTERS,
		.early = true,
		.size = sizeof(struct nic_rec_filters),
		.get = nic_get_filters,
		.check = nic_check_filters,
		.put = nic_put_filters,
	}, {
		.type = NIC_REC_VF,
		.regs = vf_regs,
		.num_regs = NIC_VF_REGS,
		.size = sizeof(struct nic_rec_vf),
		.get = nic_get_vf,
		.put = nic_put_vf,
	},
};

static const struct vfio_mediate_description description = {
	.version = NIC_STATE_VERSION,
	.min_version = NIC_STATE_VERSION,
	.features = NIC_FEATURE_PRE_COPY,
	.pre_copy = NIC_FEATURE_PRE_COPY,
	.region = VFIO_PCI_BAR0_REGION_INDEX,
	.rings = nic_rings,
	.num_rings = NIC_NUM_RINGS,
	.num_queues = 2,
	.stride = 0x100,
	.ring_type = NIC_REC_QUEUES,
	.parts = parts,
	.num_parts = ARRAY_SIZE(parts),
	.counters = vf_counters,
	.num_counters = ARRAY_SIZE(vf_counters),
	.counter_type = NIC_REC_COUNTERS,
	.read_counter = nic_read_counter,
	.run = nic_migrate_run,
	.quiesce = nic_migrate_quiesce,
	.stop = nic_migrate_stop,
	.kick = nic_migrate_kick,
	.hold = nic_migrate_hold,
	.save_as = nic_migrate_save_as,
	.addresses = nic_migrate_addresses,
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
	unsigned int n = pci_iov_vf_id(pdev);
	int ret;

	if (IS_ERR(nic) || READ_ONCE(nic->removing))
		return -ENODEV;

	dev->handle = &nic->vf[n];
	ret = vfio_mediate_describe(dev, &description);
	if (ret)
		return ret;
	if (!READ_ONCE(counters))
		dev->num_regions = 0;
	if (!READ_ONCE(tracking))
		dev->tracking = NULL;

	guard(mutex)(&nic->vf_lock);
	nic->vf[n].dev = dev;
	nic_pool_set_guest(nic, n, NULL);

	return 0;
}

/*
 * Return the VF to its initial state. vfio resets it too, except while it closes another
 * device of the bus.
 */
static void nic_mediate_release(struct vfio_mediate_device *dev)
{
	struct nic_vf *vf = dev->handle;
	struct nic *nic = vf->nic;
	unsigned int n = nic_vf_id(vf);
	u32 cleared;

	scoped_guard(mutex, &nic->vf_lock) {
		vf->dev = NULL;
		/* The guest of a stopped VF runs elsewhere, and may need its addresses. */
		if (!vf->stopped)
			nic_pool_set_guest(nic, n, NULL);
		nic_vf_init(nic, n);
	}
	/* Only the VF can clear these bits. */
	nic_vf_write(dev, V2PMAILBOX, 0);
	nic_vf_read(dev, V2PMAILBOX, &cleared);
}

/* The reset is handled: pages of the VF can be written again. */
static void nic_mediate_reset_done(struct vfio_mediate_device *dev, bool unexpected)
{
	struct nic_vf *vf = dev->handle;
	unsigned int n = nic_vf_id(vf);

	guard(mutex)(&vf->nic->vf_lock);
	nic_vf_send_reset_reply(vf->nic, n);
	if (unexpected) {
		nic_vf_handle_events(vf->nic, n);
		nic_vf_schedule_notices(vf->nic, n);
	}
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
	.rw = vfio_mediate_described_rw,
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
