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

#include "nic.h"
#include "rings.h"

#define NIC_STATE_VERSION	1

/* Records may be sent in pre-copy. Those that have changed since are sent again. */
#define NIC_FEATURE_PRE_COPY	BIT_ULL(0)

/* Type of the record of &struct nic_rec_vf */
#define NIC_REC_VF		2

#define NIC_VF_REGS		9
#define NIC_MBX_WORDS		16

/**
 * struct nic_rec_vf - Registers that a VF has once, and its mailbox
 * @reg:	Registers, in the order of vf_regs[]. The last is VTEIMS.
 * @mailbox:	V2PMAILBOX, as the VF's driver would read it.
 * @message:	Memory of the mailbox.
 */
struct nic_rec_vf {
	__le32 reg[NIC_VF_REGS];
	__le32 mailbox;
	__le32 message[NIC_MBX_WORDS];
};

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

/* What the guest's driver has requested by mailbox. */
static int nic_get_filters(struct vfio_mediate_device *dev, struct vfio_mediate_filters *filters)
{
	struct nic_vf *vf = dev->handle;
	unsigned int i, n = nic_vf_id(vf);
	struct nic *nic = vf->nic;
	const struct nic_pool *p = &nic->pool[n];

	guard(mutex)(&nic->vf_lock);
	filters->active = vf->active;
	filters->silent = !nic_vf_is_on(vf);
	spin_lock_bh(&nic->filter_lock);
	memcpy(filters->mac, p->mac, sizeof(p->mac));
	filters->port_vlan = p->port_vlan;
	filters->max_frame = p->max_frame;
	filters->vlan_strip = p->vlan_strip;
	filters->mc_promisc = p->mc_promisc;
	filters->uc_promisc = p->uc_promisc;
	for (i = 0; i < NIC_NUM_VLANS && !p->port_vlan; i++)
		if (nic->vlan_pools[i] & BIT(n))
			__set_bit(nic->vlan_id[i], filters->vlans);
	bitmap_copy(filters->hashes, p->mta, NIC_MTA_BITS);
	spin_unlock_bh(&nic->filter_lock);

	return nic_gone(nic) ? -ENODEV : 0;
}

/* Request all that the guest's driver had requested at the source. */
static int nic_request_filters(struct nic *nic, unsigned int n,
			       const struct vfio_mediate_filters *filters, const char **what)
{
	unsigned int i, vid;
	int ret = 0;

	*what = "VLAN";
	if (filters->port_vlan != nic->pool[n].port_vlan)
		return -EPERM;

	*what = "address";
	if (is_zero_ether_addr(filters->mac[0]) && !is_zero_ether_addr(nic->vf[n].admin_mac))
		return -EPERM;
	for (i = 0; i < NIC_POOL_MACS && !ret; i++)
		if (!is_zero_ether_addr(filters->mac[i]))
			ret = i ? nic_grant_extra_mac(nic, n, filters->mac[i]) :
				  nic_grant_mac(nic, n, filters->mac[i]);
	if (ret)
		return ret;

	*what = "VLANs of its own";
	for_each_set_bit(vid, filters->vlans, VLAN_N_VID) {
		ret = nic_grant_vlan(nic, n, vid, true);
		if (ret)
			return ret;
	}
	/* The tags are stripped also after the driver has left all VLANs. */
	if (filters->vlan_strip)
		ret = nic_grant_vlan_strip(nic, n);
	if (ret)
		return ret;

	*what = "multicast addresses";
	ret = nic_grant_multicast(nic, n, filters->hashes);
	if (ret)
		return ret;

	*what = "promiscuous mode";
	ret = nic_grant_promisc(nic, n, filters->mc_promisc, filters->uc_promisc);
	if (ret)
		return ret;

	*what = "longest frame";

	return nic_grant_max_frame(nic, n, filters->max_frame);
}

static int nic_put_filters(struct vfio_mediate_device *dev,
			   const struct vfio_mediate_filters *filters, const uuid_t *guest,
			   const char **what)
{
	struct nic_vf *vf = dev->handle;
	unsigned int n = nic_vf_id(vf);
	struct nic *nic = vf->nic;
	int ret;

	guard(mutex)(&nic->vf_lock);
	nic_pool_set_guest(nic, n, guest);
	/* A reset drops the address, a reset handshake keeps it. */
	nic_vf_reset(nic, n, false);
	if (!filters)
		return 0;
	if (filters->active)
		nic_vf_reset(nic, n, true);
	ret = nic_request_filters(nic, n, filters, what);
	if (ret)
		nic_vf_reset(nic, n, false);

	return ret;
}

static struct net_device *nic_announce_by(struct vfio_mediate_device *dev)
{
	struct nic_vf *vf = dev->handle;

	return vf->nic->netdev;
}

static const struct vfio_mediate_net net = {
	.num_macs = NIC_POOL_MACS,
	.num_vlans = NIC_NUM_VLANS,
	.num_hashes = NIC_MTA_BITS,
	.min_frame = ETH_ZLEN,
	.max_frame = NIC_MAX_FRAME,
	.get = nic_get_filters,
	.put = nic_put_filters,
	.netdev = nic_announce_by,
};

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

static const struct vfio_mediate_part parts[] = {
	{
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
	.net = &net,
	.parts = parts,
	.num_parts = ARRAY_SIZE(parts),
	.counters = vf_counters,
	.num_counters = ARRAY_SIZE(vf_counters),
	.run = nic_migrate_run,
	.quiesce = nic_migrate_quiesce,
	.stop = nic_migrate_stop,
	.kick = nic_migrate_kick,
	.hold = nic_migrate_hold,
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

	guard(mutex)(&nic->vf_lock);
	nic->vf[n].dev = dev;
	nic_pool_set_guest(nic, n, vfio_mediate_guest(dev));

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

const struct vfio_pci_mediate_ops nic_mediate_ops = {
	.name = NIC_NAME,
	.owner = THIS_MODULE,
	.ids = nic_vf_ids,
	.open = nic_mediate_open,
	.release = nic_mediate_release,
	.rw = vfio_mediate_described_rw,
	.reset_done = nic_mediate_reset_done,
};

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
