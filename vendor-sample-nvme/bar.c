// SPDX-License-Identifier: GPL-2.0-only
/* BAR 0: CC and CSTS, doorbells, and the work that enables the controller. */

#include <linux/iopoll.h>
#include <linux/pci.h>
#include <uapi/linux/vfio.h>

#include "nvme.h"

#define FOLLOW_MS	100
#define SETTLE_MS	2000	/* the trap ends when the admin queue has been idle for that long */

/* For &snv_vf.work. A work item may wait for a controller, and for guest memory. */
struct workqueue_struct *snv_wq;

/**
 * snv_read_reg() - Read a register
 * @vf:		The VF.
 * @offset:	Offset in BAR 0.
 * @value:	Value read.
 *
 * Return: 0 or a negative errno of vfio_mediate_read32().
 */
int snv_read_reg(struct snv_vf *vf, u32 offset, u32 *value)
{
	return vfio_mediate_read32(vf->dev, VFIO_PCI_BAR0_REGION_INDEX, offset, value);
}

/**
 * snv_write_reg() - Write a register
 * @vf:		The VF.
 * @offset:	Offset in BAR 0.
 * @value:	Value to write.
 *
 * Return: 0 or a negative errno of vfio_mediate_write32().
 */
int snv_write_reg(struct snv_vf *vf, u32 offset, u32 value)
{
	return vfio_mediate_write32(vf->dev, VFIO_PCI_BAR0_REGION_INDEX, offset, value);
}

/**
 * snv_ring() - Write a doorbell
 * @vf:		The VF.
 * @qid:	Queue ID.
 * @cq:		The doorbell of the completion queue.
 * @value:	Head or tail.
 *
 * Return: 0 or a negative errno of vfio_mediate_write32().
 */
int snv_ring(struct snv_vf *vf, unsigned int qid, bool cq, u32 value)
{
	return snv_write_reg(vf, SNV_DOORBELLS + 8 * qid + 4 * cq, value);
}

/**
 * snv_follow_soon() - Have the work run
 * @vf:		The VF.
 * @delay:	Delay in jiffies.
 */
void snv_follow_soon(struct snv_vf *vf, unsigned long delay)
{
	mod_delayed_work(snv_wq, &vf->work, delay);
}

/**
 * snv_read_reg64() - Read a register of 64 bits
 * @vf:		The VF.
 * @offset:	Offset in BAR 0.
 * @value:	Value read.
 *
 * Return: 0 or a negative errno of vfio_mediate_read32().
 */
int snv_read_reg64(struct snv_vf *vf, u32 offset, u64 *value)
{
	u32 low, high;
	int ret;

	ret = snv_read_reg(vf, offset, &low);
	if (!ret)
		ret = snv_read_reg(vf, offset + 4, &high);
	if (!ret)
		*value = low | (u64)high << 32;

	return ret;
}

/**
 * snv_read_admin_regs() - Read where the admin queue is
 * @vf:	The VF, locked.
 *
 * Return: 0 or a negative errno of snv_read_reg().
 */
int snv_read_admin_regs(struct snv_vf *vf)
{
	int ret;

	ret = snv_read_reg64(vf, NVME_REG_CAP, &vf->cap);
	if (!ret)
		ret = snv_read_reg(vf, NVME_REG_AQA, &vf->aqa);
	if (!ret)
		ret = snv_read_reg64(vf, NVME_REG_ASQ, &vf->asq);

	return ret ?: snv_read_reg64(vf, NVME_REG_ACQ, &vf->acq);
}

/* The driver waits for its controller to be enabled, and nothing is in the way. */
static bool may_enable(const struct snv_vf *vf)
{
	return vf->pending && !vf->stopped && !vf->strange &&
	       !test_bit(SNV_NOTE_RESETTING, &vf->notes);
}

/* Enable the controller for the guest's driver. The lock is held, doorbells are trapped. */
static int snv_enable(struct snv_vf *vf)
{
	int ret = snv_read_admin_regs(vf);

	if (ret)
		return ret;
	if (NVME_CAP_STRIDE(vf->cap))
		snv_refuse(vf, "doorbell stride", NVME_CAP_STRIDE(vf->cap));
	vf->sq[0] = snv_new_sq(0, 0, (vf->aqa & 0xfff) + 1, vf->asq, 0);
	vf->cq[0] = snv_new_cq((vf->aqa >> 16 & 0xfff) + 1, vf->acq, 0, 0);
	if (!vf->sq[0] || !vf->cq[0]) {
		snv_forget(vf);
		return -ENOMEM;
	}
	vf->pending = false;
	vf->enabled = true;
	vf->busy_since = jiffies;

	return snv_write_reg(vf, NVME_REG_CC, vf->cc);
}

static void snv_enable_work(struct snv_vf *vf)
{
	int lost = atomic_read(&vf->lost_traps), ret = 0;

	if (!READ_ONCE(vf->own_trap)) {
		ret = vfio_mediate_trap(vf->dev, true);
		WRITE_ONCE(vf->own_trap, !ret);
	}

	snv_lock(vf);
	if (atomic_read(&vf->lost_traps) != lost) {
		/* A reset meanwhile has ended the trap. */
		WRITE_ONCE(vf->own_trap, false);
		snv_follow_soon(vf, 0);
	} else if (may_enable(vf)) {
		if (ret)
			snv_refuse(vf, "doorbells that cannot be trapped", -ret);
		vf->releasing = false;
		ret = snv_enable(vf);
		if (ret)
			dev_err_ratelimited(&vf->dev->pdev->dev, "controller cannot be enabled: %pe\n",
					    ERR_PTR(ret));
	}
	snv_unlock(vf);
}

/* The driver has its I/O queues, and nothing in the admin queue but requests for events. */
static bool snv_settled(struct snv_vf *vf)
{
	unsigned int qid;

	if (vf->sq[0]->inflight != snv_count_aers(vf->sq[0]) ||
	    time_before(jiffies, vf->busy_since + msecs_to_jiffies(SETTLE_MS)))
		return false;
	for (qid = 1; qid < SNV_QUEUES; qid++)
		if (vf->sq[qid])
			return true;

	return false;
}

/**
 * snv_work() - Enable the controller, follow the admin queue, and end the trap
 * @work:	Member of the VF.
 */
void snv_work(struct work_struct *work)
{
	struct snv_vf *vf = container_of(to_delayed_work(work), struct snv_vf, work);
	bool again, pending, release = false;

	snv_lock(vf);
	pending = may_enable(vf);
	snv_unlock(vf);
	if (pending)
		snv_enable_work(vf);

	snv_lock(vf);
	again = vf->enabled && !vf->stopped;
	if (again) {
		snv_follow(vf);
		/* Leave the pages as they are while they are trapped anyway. */
		release = READ_ONCE(vf->own_trap) && !vf->tracked && snv_settled(vf);
		vf->releasing = release;
	}
	snv_unlock(vf);

	if (release && !vfio_mediate_trap(vf->dev, false)) {
		WRITE_ONCE(vf->own_trap, false);
		snv_lock(vf);
		if (vf->releasing)
			snv_forget_positions(vf);
		vf->releasing = false;
		snv_unlock(vf);
	}
	if (again)
		snv_follow_soon(vf, msecs_to_jiffies(FOLLOW_MS));
}

/* The guest's driver clears CC.EN. The device has stopped DMA when CSTS.RDY is clear. */
static int snv_reset(struct snv_vf *vf)
{
	int ret = 0, err;
	u32 csts;

	if (!vf->stopped || vf->parked) {
		ret = snv_write_reg(vf, NVME_REG_CC, vf->cc);
		if (!ret && vf->enabled &&
		    read_poll_timeout(snv_read_reg, err, err || !(csts & NVME_CSTS_RDY), 100,
				      USEC_PER_SEC, false, vf, NVME_REG_CSTS, &csts))
			dev_warn_ratelimited(&vf->dev->pdev->dev, "controller stays ready\n");
	}
	snv_forget(vf);
	vf->enabled = false;
	vf->pending = false;
	vf->parked = false;
	/* Doorbells of the next queues may have the values of these. */
	set_bit(SNV_NOTE_RESETTING, &vf->notes);
	if (vfio_mediate_was_reset(vf->dev))
		clear_bit(SNV_NOTE_RESETTING, &vf->notes);

	return ret;
}

static int snv_write_cc(struct snv_vf *vf, u32 value)
{
	int ret = 0;

	snv_lock(vf);
	vf->cc = value;
	if (!(value & NVME_CC_ENABLE) && (vf->enabled || vf->pending)) {
		ret = snv_reset(vf);
	} else if (value & NVME_CC_ENABLE && !vf->enabled) {
		vf->pending = true;
		snv_follow_soon(vf, 0);
	} else if (!vf->stopped) {
		ret = snv_write_reg(vf, NVME_REG_CC, value);
	}
	snv_unlock(vf);

	return ret;
}

/* While the device is stopped, the guest sees the registers as they were. */
static int snv_read_cc(struct snv_vf *vf, u32 offset, u32 *value)
{
	int ret;

	snv_lock(vf);
	ret = snv_read_reg(vf, offset, value);
	if (offset == NVME_REG_CC && (vf->pending || vf->stopped))
		*value = vf->cc;
	else if (offset == NVME_REG_CSTS && vf->stopped && vf->enabled)
		*value |= NVME_CSTS_RDY;
	if (offset == NVME_REG_CSTS && vf->strange)
		*value |= NVME_CSTS_CFS;
	snv_unlock(vf);

	return ret;
}

static int snv_rung(struct snv_vf *vf, unsigned int qid, u32 tail)
{
	struct snv_sq *sq;

	/* It may be the first doorbell of a queue that was created just now. */
	if (!vf->sq[qid] && vf->sq[0])
		snv_walk(vf, 0);
	sq = vf->sq[qid];
	if (!sq || tail >= sq->depth)
		return 0;

	return snv_submitted(vf, sq, tail, true);
}

static int snv_write_doorbell(struct snv_vf *vf, struct vfio_mediate_access *access)
{
	unsigned int qid = (access->offset - SNV_DOORBELLS) / 8;
	bool cq = access->offset & 4;
	int ret = 0;
	u32 probe;

	if (qid >= SNV_QUEUES)
		return VFIO_MEDIATE_PASS_THROUGH;
	if (access->width != 4)
		return -EINVAL;

	/*
	 * The trap ends, and mmap_lock may be held: neither lock nor guest memory can be used.
	 * Positions are not known afterwards anyway.
	 */
	if (access->from_shadow &&
	    vfio_mediate_read(vf->dev, READ_ONCE(vf->asq), &probe, sizeof(probe)) == -ENODEV)
		return READ_ONCE(vf->stopped) ? 0 : vfio_mediate_default_rw(vf->dev, access);

	snv_lock(vf);
	if (vf->stopped) {
		if (cq && vf->cq[qid] && access->value < vf->cq[qid]->depth) {
			vf->cq[qid]->head = access->value;
			vf->cq[qid]->held = true;
		} else if (!cq && vf->sq[qid] && access->value < vf->sq[qid]->depth) {
			vf->sq[qid]->held = access->value;
		}
	} else {
		if (!cq)
			ret = snv_rung(vf, qid, access->value);
		else if (vf->cq[qid] && access->value < vf->cq[qid]->depth)
			snv_taken(vf, qid, access->value);
		if (!ret)
			ret = vfio_mediate_default_rw(vf->dev, access);
	}
	snv_unlock(vf);

	return ret;
}

/* A tail and a head at once */
static int snv_write_two(struct snv_vf *vf, const struct vfio_mediate_access *access)
{
	struct vfio_mediate_access half = *access;
	unsigned int i;
	int ret = 0;

	half.width = 4;
	for (i = 0; !ret && i < 2; i++) {
		half.value = (u32)(access->value >> 32 * i);
		half.offset = access->offset + 4 * i;
		ret = snv_write_doorbell(vf, &half);
		if (ret == VFIO_MEDIATE_PASS_THROUGH)
			ret = vfio_mediate_default_rw(vf->dev, &half);
	}

	return ret;
}

/**
 * snv_rw() - Serve an access of the guest's driver
 * @dev:	The device.
 * @access:	The access.
 *
 * Return: as &vfio_pci_mediate_ops.rw.
 */
int snv_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct snv_vf *vf = dev->handle;
	u32 value, reg = access->offset & ~3;
	int ret;

	if (reg >= SNV_DOORBELLS) {
		if (access->write && access->width == 8)
			return snv_write_two(vf, access);
		if (access->write)
			return snv_write_doorbell(vf, access);
		/* Doorbells are not read. No driver writes this value, so each write is seen. */
		access->value = SNV_UNUSED;
		return 0;
	}
	if (access->write && reg == NVME_REG_CC)
		return access->width == 4 ? snv_write_cc(vf, access->value) : -EINVAL;
	if (access->write)
		return VFIO_MEDIATE_PASS_THROUGH;

	ret = snv_read_cc(vf, reg, &value);
	access->value = value >> 8 * (access->offset & 3);

	return ret;
}
