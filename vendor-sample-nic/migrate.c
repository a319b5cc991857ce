// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration of VFs: callbacks that run, stop, save and load them.
 *
 * Registers are accessed in the VF's own BAR. A stream can therefore do no more than the
 * guest's driver can. State that the PF holds for the VF is subject to the same policy as
 * messages in the VF's mailbox.
 */

#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "state.h"
#include "vfio_mediate.h"

static bool pre_copy = true;
module_param(pre_copy, bool, 0644);
MODULE_PARM_DESC(pre_copy, "Send records that a destination can check while the VF is running. Turn it off for a destination that does not know this feature of the stream. Read when a migration begins");

/* Registers in BAR 0 of a VF */
#define VTEICS			0x1520
#define VTEIMS			0x1524
#define VTEIMC			0x1528
#define VTEIAC			0x152c
#define VTEIAM			0x1530
#define VTEITR(n)		(0x1680 + 4 * (n))
#define VTIVAR			0x1700
#define VTIVAR_MISC		0x1740
#define VTIVAR_VALID(queue)	BIT(8 * (queue) + 7)
#define VTIVAR_VECTOR(ivar, queue) ((ivar) >> 8 * (queue) & 3)
#define VFPSRTYPE		0x0f0c
#define V2PMAILBOX		0x0c40
#define V2PMAILBOX_VFU		BIT(2)
#define V2PMAILBOX_PFSTS	BIT(4)
#define V2PMAILBOX_PFACK	BIT(5)
#define VF_QUEUE(q)		(0x100 * (q))
#define VF_RXDCTL		0x2828
#define VF_TXDCTL		0x3828
#define VF_TDT			0x3818

/* In the order in which to write them: the enable bit before the tail */
static const u16 queue_regs[NIC_QUEUE_REGS] = {
	0x2800, 0x2804, 0x2808,		/* RDBAL, RDBAH, RDLEN */
	0x280c, 0x2810, 0x2814,		/* SRRCTL, RDH, RXCTL */
	VF_RXDCTL, 0x2818,		/* RXDCTL, RDT */
	0x3800, 0x3804, 0x3808,		/* TDBAL, TDBAH, TDLEN */
	0x3810, 0x3814,			/* TDH, TXCTL */
	0x3838, 0x383c,			/* TDWBAL, TDWBAH */
	VF_TXDCTL, VF_TDT,
};

static const u16 vf_regs[NIC_VF_REGS] = {
	VFPSRTYPE, VTEIAC, VTEIAM, VTEITR(0), VTEITR(1), VTEITR(2), VTIVAR, VTIVAR_MISC,
	VTEIMS,
};

/**
 * nic_v2p_release() - Release a mailbox on the side of the VF
 * @dev:	The VF.
 *
 * Clear the bits that only the VF can clear. Called when the VF is closed and no message is
 * in flight.
 *
 * Context: That of vfio_mediate_default_rw().
 */
void nic_v2p_release(struct vfio_mediate_device *dev)
{
	u32 cleared;

	if (!nic_vf_write(dev, V2PMAILBOX, 0))
		nic_vf_read(dev, V2PMAILBOX, &cleared);
}

/* Read the VF's mailbox events, which clears them, and keep them for the VF's driver. */
static int nic_v2p_latch(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	u32 val;
	int ret;

	ret = nic_vf_read(dev, V2PMAILBOX, &val);
	if (ret)
		return ret;

	/* The read has cleared them in the device. */
	mutex_lock(&m->nic->vf_lock);
	if (val & V2PMAILBOX_PFSTS)
		m->nic->vf[m->n].mbx_latched |= P2VMAILBOX_STS;
	if (val & V2PMAILBOX_PFACK)
		m->nic->vf[m->n].mbx_latched |= P2VMAILBOX_ACK;
	mutex_unlock(&m->nic->vf_lock);

	return 0;
}

static int nic_migrate_quiesce(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;

	return nic_vf_stop(m->nic, m->n, false);
}

static int nic_migrate_stop(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	bool quiesced = READ_ONCE(m->nic->vf[m->n].stopped);
	int ret, undone;

	ret = nic_vf_stop(m->nic, m->n, true);
	if (ret)
		return ret;

	ret = nic_v2p_latch(dev);
	if (!ret)
		return 0;

	undone = quiesced ? nic_vf_stop(m->nic, m->n, false) : nic_vf_start(m->nic, m->n);

	return undone ? -ENOTRECOVERABLE : ret;
}

/*
 * Raise the interrupts of all queues. Some may have been pending, and a spurious one does
 * no harm. Write the tails, because a queue of QEMU's model continues only then.
 */
static int nic_raise_pending(struct vfio_mediate_device *dev)
{
	unsigned int queue;
	u32 ivar, val, vectors = 0;
	int ret;

	ret = nic_vf_read(dev, VTIVAR, &ivar);
	/* Receive and transmit interrupts of two queue pairs */
	for (queue = 0; queue < 4; queue++)
		if (ivar & VTIVAR_VALID(queue))
			vectors |= BIT(VTIVAR_VECTOR(ivar, queue));
	if (!ret)
		ret = nic_vf_write(dev, VTEICS, vectors);

	for (queue = 0; queue < 2 && !ret; queue++) {
		ret = nic_vf_read(dev, VF_TDT + VF_QUEUE(queue), &val);
		if (!ret)
			ret = nic_vf_write(dev, VF_TDT + VF_QUEUE(queue), val);
	}

	return ret;
}

static int nic_migrate_run(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	bool frozen = READ_ONCE(m->nic->vf[m->n].frozen);
	int ret;

	ret = nic_vf_start(m->nic, m->n);
	if (ret)
		return ret;

	ret = nic_raise_pending(dev);
	if (ret && nic_vf_stop(m->nic, m->n, frozen))
		return -ENOTRECOVERABLE;

	return ret;
}

static int nic_save_queues(struct vfio_mediate_device *dev, void *data)
{
	struct nic_rec_queues *rec = data;
	int ret;

	ret = nic_vf_read_regs(dev, queue_regs, NIC_QUEUE_REGS, VF_QUEUE(0), rec->reg[0]);
	if (ret)
		return ret;

	return nic_vf_read_regs(dev, queue_regs, NIC_QUEUE_REGS, VF_QUEUE(1), rec->reg[1]);
}

static int nic_save_vf(struct vfio_mediate_device *dev, void *data)
{
	struct nic_rec_vf *rec = data;
	struct nic_mediated *m = dev->handle;
	u32 val, pending, unmasked;
	unsigned int i;
	int ret;

	ret = nic_vf_read_regs(dev, vf_regs, NIC_VF_REGS, 0, rec->reg);
	if (!ret)
		ret = nic_v2p_latch(dev);
	if (!ret)
		ret = nic_vf_read(dev, V2PMAILBOX, &val);
	if (ret)
		return ret;

	mutex_lock(&m->nic->vf_lock);
	pending = m->nic->vf[m->n].mbx_latched;
	unmasked = m->nic->vf[m->n].masked_eims >> __ffs(EIMS_VF(m->n));
	for (i = 0; i < NIC_MBX_WORDS; i++)
		rec->message[i] = cpu_to_le32(nic_rd(m->nic, VMBMEM(m->n) + 4 * i));
	mutex_unlock(&m->nic->vf_lock);

	/*
	 * The vectors are masked now. In QEMU's model VTEIMS reads as the last value
	 * written.
	 */
	rec->reg[NIC_VF_REGS - 1] |= cpu_to_le32(unmasked);

	val &= V2PMAILBOX_VFU;
	if (pending & P2VMAILBOX_STS)
		val |= V2PMAILBOX_PFSTS;
	if (pending & P2VMAILBOX_ACK)
		val |= V2PMAILBOX_PFACK;
	rec->mailbox = cpu_to_le32(val);

	return 0;
}

static int nic_save_filters(struct vfio_mediate_device *dev, void *data)
{
	struct nic_rec_filters *rec = data;
	struct nic_mediated *m = dev->handle;

	memset(rec, 0, sizeof(*rec));
	mutex_lock(&m->nic->vf_lock);
	rec->flags = cpu_to_le32(FIELD_PREP(NIC_FILTER_ACTIVE, m->nic->vf[m->n].active));
	nic_filters_save(m->nic, m->n, rec);
	mutex_unlock(&m->nic->vf_lock);

	return 0;
}

static int nic_save_guest(struct vfio_mediate_device *dev, void *data)
{
	struct nic_rec_guest *rec = data;
	struct nic_mediated *m = dev->handle;

	/* While the VF is open, only a load changes the ID. */
	export_uuid(rec->id, &m->nic->pool[m->n].guest);

	return 0;
}

static const struct {
	int (*save)(struct vfio_mediate_device *dev, void *data);
	u16 offset;
	u16 size;
	bool optional;
} records[] = {
	[NIC_REC_QUEUES] = {
		nic_save_queues, offsetof(struct nic_state, queues), sizeof(struct nic_rec_queues),
	},
	[NIC_REC_VF] = {
		nic_save_vf, offsetof(struct nic_state, vf), sizeof(struct nic_rec_vf),
	},
	[NIC_REC_FILTERS] = {
		nic_save_filters, offsetof(struct nic_state, filters),
		sizeof(struct nic_rec_filters),
	},
	[NIC_REC_COUNTERS] = {
		nic_counters_save, offsetof(struct nic_state, counters),
		sizeof(struct nic_rec_counters),
		.optional = true,
	},
	[NIC_REC_GUEST] = {
		nic_save_guest, offsetof(struct nic_state, guest), sizeof(struct nic_rec_guest),
		.optional = true,
	},
};

/* Records that a destination can check while the VF is running, the guest before its filters */
static const u16 early_records[] = { NIC_REC_GUEST, NIC_REC_FILTERS };

static u64 nic_migrate_size(struct vfio_mediate_device *dev)
{
	unsigned int type;
	u64 size = 0;

	for (type = 1; type < ARRAY_SIZE(records); type++)
		size += records[type].size;

	return size;
}

/*
 * Read a record from the VF. Return 1 if it must be sent, 0 if the destination has it, or a
 * negative errno.
 */
static int nic_record_changed(struct vfio_mediate_device *dev, unsigned int type)
{
	struct nic_mediated *m = dev->handle;
	struct nic_saving *saving = m->saving;
	void *now = (void *)&saving->now + records[type].offset;
	int ret;

	ret = records[type].save(dev, now);
	/* The device is gone, and the record is all ones. */
	if (!ret && nic_gone(m->nic))
		ret = -ENODEV;
	if (ret)
		return ret;

	return !(saving->sent.present & BIT(type)) ||
	       memcmp((void *)&saving->sent + records[type].offset, now, records[type].size);
}

/* Fill a record if it must be sent. Return as nic_record_changed() does. */
static int nic_save_changed(struct vfio_mediate_device *dev, unsigned int type,
			    struct vfio_mediate_record *record)
{
	struct nic_mediated *m = dev->handle;
	struct nic_saving *saving = m->saving;
	int ret = nic_record_changed(dev, type);

	if (ret <= 0)
		return ret;

	record->type = type;
	record->optional = records[type].optional;
	record->length = records[type].size;
	memcpy(record->data, (void *)&saving->now + records[type].offset, record->length);
	memcpy((void *)&saving->sent + records[type].offset, record->data, record->length);
	saving->sent.present |= BIT(type);

	return 1;
}

static int nic_migrate_save_as(struct vfio_mediate_device *dev, u32 *version, u64 *features)
{
	struct nic_mediated *m = dev->handle;

	m->pre_copy = READ_ONCE(pre_copy);
	if (m->pre_copy)
		*features |= NIC_FEATURE_PRE_COPY;

	return 0;
}

static int nic_migrate_save_begin(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;

	m->saving = kzalloc(sizeof(*m->saving), GFP_KERNEL_ACCOUNT);

	return m->saving ? 0 : -ENOMEM;
}

static void nic_migrate_save_end(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;

	kfree(m->saving);
	m->saving = NULL;
}

static int nic_migrate_save(struct vfio_mediate_device *dev, struct vfio_mediate_record *record)
{
	struct nic_mediated *m = dev->handle;
	int ret = 0;

	if (!record->index)
		m->saving->next = 1;
	while (!ret && m->saving->next < ARRAY_SIZE(records)) {
		ret = nic_save_changed(dev, m->saving->next, record);
		m->saving->next += ret >= 0;
	}

	return ret;
}

static int nic_migrate_pre_copy(struct vfio_mediate_device *dev, struct vfio_mediate_record *record)
{
	struct nic_mediated *m = dev->handle;
	unsigned int i;
	int ret = 0;

	for (i = 0; m->pre_copy && !ret && i < ARRAY_SIZE(early_records); i++)
		ret = nic_save_changed(dev, early_records[i], record);

	return ret;
}

static bool nic_migrate_pre_copy_size(struct vfio_mediate_device *dev, u64 *initial, u64 *changed)
{
	struct nic_mediated *m = dev->handle;
	unsigned int i, type;

	for (i = 0; m->pre_copy && i < ARRAY_SIZE(early_records); i++) {
		type = early_records[i];
		if (nic_record_changed(dev, type) <= 0)
			continue;
		if (m->saving->sent.present & BIT(type))
			*changed += records[type].size;
		else
			*initial += records[type].size;
	}

	return false;
}

static int nic_migrate_load_begin(struct vfio_mediate_device *dev, u32 version, u64 features)
{
	struct nic_mediated *m = dev->handle;

	if (!m->loading) {
		m->loading = kzalloc(sizeof(*m->loading), GFP_KERNEL_ACCOUNT);
		if (!m->loading)
			return -ENOMEM;
	}
	m->loading->present = 0;
	m->loading->pre_copy = features & NIC_FEATURE_PRE_COPY;

	return 0;
}

static int nic_report_conflict(struct nic *nic, unsigned int n, const char *what, int ret)
{
	if (ret)
		dev_warn_ratelimited(&nic->pdev->dev, "VF %u: loaded state conflicts with its settings: %s: %pe; change them with ip link\n",
				     n, ret == -EADDRINUSE ? "address of another VF" : what,
				     ERR_PTR(ret));

	return ret;
}

/*
 * Check the filters early: if they are refused in pre-copy, the VF keeps running at the
 * source.
 */
static int nic_load_filters(struct nic *nic, unsigned int n, const struct nic_state *state)
{
	bool known = state->present & BIT(NIC_REC_GUEST);
	const char *what;
	uuid_t guest;
	int ret;

	ret = nic_replay_check(&state->filters);
	if (ret)
		return ret;

	import_uuid(&guest, state->guest.id);
	mutex_lock(&nic->vf_lock);
	ret = nic_replay_allowed(nic, n, &state->filters, known ? &guest : NULL, &what);
	mutex_unlock(&nic->vf_lock);

	return nic_report_conflict(nic, n, what, ret);
}

static int nic_migrate_load(struct vfio_mediate_device *dev,
			    const struct vfio_mediate_record *record)
{
	struct nic_mediated *m = dev->handle;
	struct nic_state *state = m->loading;
	unsigned int type = record->type;
	int ret;

	if (!type || type >= ARRAY_SIZE(records))
		return -EOPNOTSUPP;
	/* After pre-copy, a record that has changed is sent again. */
	if (state->present & BIT(type) && !state->pre_copy)
		return -EINVAL;

	ret = vfio_mediate_take_record(record, (void *)state + records[type].offset,
				       records[type].size, records[type].size);
	if (ret)
		return ret;
	state->present |= BIT(type);

	return type == NIC_REC_FILTERS ? nic_load_filters(m->nic, m->n, state) : 0;
}

static int nic_apply_filters(struct nic *nic, unsigned int n, const struct nic_state *state)
{
	u32 mailbox = le32_to_cpu(state->vf.mailbox);
	struct nic_vf *vf = &nic->vf[n];
	const char *what;
	unsigned int i;
	uuid_t guest;
	int ret;

	if (state->present & BIT(NIC_REC_GUEST)) {
		import_uuid(&guest, state->guest.id);
		nic_pool_set_guest(nic, n, &guest);
	}

	ret = nic_replay(nic, n, &state->filters, &what);
	if (nic_report_conflict(nic, n, what, ret))
		return ret;

	if (mailbox & V2PMAILBOX_PFSTS)
		vf->mbx_latched |= P2VMAILBOX_STS;
	if (mailbox & V2PMAILBOX_PFACK)
		vf->mbx_latched |= P2VMAILBOX_ACK;
	for (i = 0; i < NIC_MBX_WORDS; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, le32_to_cpu(state->vf.message[i]));

	return 0;
}

static int nic_apply_queue(struct vfio_mediate_device *dev, unsigned int queue,
			   const __le32 *vals)
{
	int ret;

	ret = nic_vf_write(dev, VF_RXDCTL + VF_QUEUE(queue), 0);
	if (!ret)
		ret = nic_vf_write(dev, VF_TXDCTL + VF_QUEUE(queue), 0);
	if (ret)
		return ret;

	return nic_vf_write_regs(dev, queue_regs, NIC_QUEUE_REGS, VF_QUEUE(queue), vals);
}

static int nic_apply_registers(struct vfio_mediate_device *dev, const struct nic_state *state)
{
	unsigned int queue;
	u32 stale;
	int ret;

	ret = nic_vf_write(dev, VTEIMC, GENMASK(2, 0));
	for (queue = 0; queue < 2 && !ret; queue++)
		ret = nic_apply_queue(dev, queue, state->queues.reg[queue]);
	if (!ret)
		ret = nic_vf_write_regs(dev, vf_regs, NIC_VF_REGS, 0, state->vf.reg);
	/* Clear events of this VF's past, which are not for the driver that arrives. */
	if (!ret)
		ret = nic_vf_read(dev, V2PMAILBOX, &stale);

	return ret ? ret : nic_vf_write(dev, V2PMAILBOX,
					le32_to_cpu(state->vf.mailbox) & V2PMAILBOX_VFU);
}

static int nic_migrate_apply(struct vfio_mediate_device *dev)
{
	u32 needed = BIT(NIC_REC_QUEUES) | BIT(NIC_REC_VF) | BIT(NIC_REC_FILTERS);
	struct nic_mediated *m = dev->handle;
	struct nic_state *state = m->loading;
	int ret;

	if ((state->present & needed) != needed)
		return -EINVAL;

	mutex_lock(&m->nic->vf_lock);
	ret = nic_apply_filters(m->nic, m->n, state);
	mutex_unlock(&m->nic->vf_lock);
	if (!ret)
		ret = nic_apply_registers(dev, state);
	mutex_lock(&m->nic->vf_lock);
	nic_vf_mask_irqs(m->nic, m->n);
	mutex_unlock(&m->nic->vf_lock);
	if (!ret && state->present & BIT(NIC_REC_COUNTERS))
		ret = nic_counters_apply(dev, &state->counters);

	return ret;
}

static void nic_migrate_load_end(struct vfio_mediate_device *dev, int error)
{
	struct nic_mediated *m = dev->handle;

	if (!error)
		nic_announce(m->nic, m->n);
}

const struct vfio_mediate_migration_ops nic_migration_ops = {
	.version = NIC_STATE_VERSION,
	.min_version = NIC_STATE_VERSION,
	.features = NIC_FEATURE_PRE_COPY,
	.run = nic_migrate_run,
	.quiesce = nic_migrate_quiesce,
	.stop = nic_migrate_stop,
	.size = nic_migrate_size,
	.save_as = nic_migrate_save_as,
	.save_begin = nic_migrate_save_begin,
	.save_end = nic_migrate_save_end,
	.save = nic_migrate_save,
	.pre_copy = nic_migrate_pre_copy,
	.pre_copy_size = nic_migrate_pre_copy_size,
	.load_begin = nic_migrate_load_begin,
	.load = nic_migrate_load,
	.apply = nic_migrate_apply,
	.load_end = nic_migrate_load_end,
};
