// SPDX-License-Identifier: GPL-2.0-only
/* Stop the device: have each command complete, and the controller disabled. */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "nvme.h"

#define DRAIN_MS	10000	/* for the guest's commands */
#define STABLE_MS	50	/* nothing has completed, if tails are not known */
#define UNEVEN_MS	2000	/* likewise, if the positions look as if something was in flight */

static bool has_cq(const struct snv_vf *vf, const struct snv_sq *sq)
{
	return sq && sq->qid && sq->cqid < SNV_QUEUES && vf->cq[sq->cqid];
}

/* What keeps a queue busy: 1: it is; 2: it may be; 0: nothing. */
static int is_busy(const struct snv_vf *vf, const struct snv_sq *sq)
{
	const struct snv_cq *cq;

	if (!sq->qid)
		return sq->inflight != snv_count_aers(sq);
	if (sq->inflight || (sq->exact && sq->head != sq->tail))
		return 1;
	cq = has_cq(vf, sq) ? vf->cq[sq->cqid] : NULL;
	if (!sq->exact && cq && cq->depth == sq->depth)
		return cq->pos % cq->depth == sq->head ? 0 : 2;

	return 0;
}

/* Look at all queues. Return the number of completions, or a negative errno. */
static int look(struct snv_vf *vf)
{
	unsigned int qid;
	int ret, count = 0;

	ret = snv_follow(vf);
	for (qid = 0; ret >= 0 && qid < SNV_QUEUES; qid++) {
		ret = snv_locate(vf, qid);
		if (!ret)
			ret = snv_walk(vf, qid);
		count += max(ret, 0);
	}

	return ret < 0 ? ret : count;
}

static void report_busy(const struct snv_vf *vf, const struct snv_sq *sq)
{
	unsigned int opcode = 0, cid = 0;
	u32 i;

	for (i = 0; i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_INFLIGHT &&
		    (sq->qid || !snv_is_aer(&sq->cmd[i]))) {
			opcode = sq->cmd[i].sqe.common.opcode;
			cid = sq->cmd[i].sqe.common.command_id;
			break;
		}
	dev_warn_ratelimited(&vf->dev->pdev->dev, "queue %u: command %#x with opcode %#x does not complete, device cannot be stopped\n",
			     sq->qid, cid, opcode);
}

/* Wait until all commands of the guest have completed. */
static int drain(struct snv_vf *vf)
{
	unsigned long now, end = jiffies + msecs_to_jiffies(DRAIN_MS), since = jiffies;
	struct snv_sq *busy;
	unsigned int qid;
	bool exact, uneven;
	int ret;

	for (;;) {
		ret = look(vf);
		if (ret < 0)
			return ret;
		now = jiffies;
		if (ret)
			since = now;
		for (qid = 0, busy = NULL, exact = true, uneven = false; qid < SNV_QUEUES; qid++) {
			if (!vf->sq[qid])
				continue;
			ret = is_busy(vf, vf->sq[qid]);
			if (ret == 1)
				busy = vf->sq[qid];
			uneven |= ret == 2;
			exact &= vf->sq[qid]->exact;
		}
		if (!busy && (exact || time_after(now, since +
			      msecs_to_jiffies(uneven ? UNEVEN_MS : STABLE_MS))))
			return 0;
		if (time_after(now, end)) {
			if (busy)
				report_busy(vf, busy);
			return -ETIMEDOUT;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(100, 300);
	}
}

/*
 * Ask the device what it is, and for the size of blocks, with the memory of a queue that it does
 * not use.
 */
static int ask_device(struct snv_vf *vf)
{
	struct snv_ns have, *ns;
	struct snv_loan loan;
	unsigned int i;
	int ret;
	u8 *id;

	ret = snv_borrow(vf, NVME_IDENTIFY_DATA_SIZE, &loan);
	if (ret)
		return ret;
	for (i = 0; !loan.mem && i < vf->num_ns; i++)
		if (!vf->ns[i].sure && vf->tracked && !vf->track_error)
			vf->track_error = -ENOSPC;
	if (!loan.mem)
		return snv_ident_fetch(vf, 0, NULL, &vf->ident);
	id = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL_ACCOUNT);
	if (!id)
		ret = -ENOMEM;

	if (!ret)
		ret = snv_ident_fetch(vf, loan.iova, id, &vf->ident);
	if (!ret)
		snv_drop_false_ns(vf);
	for (ns = vf->ns; !ret && ns < vf->ns + vf->num_ns; ns++) {
		ret = min(snv_identify_ns(vf, loan.iova, id, ns->nsid, &have), 0);
		if (ret)
			break;
		if (have.shift > ns->shift && !vf->track_error)
			vf->track_error = -ESTALE;
		have.sure = have.shift;
		/* If it is gone, what is in memory may still be of it. */
		have.shift = have.shift ?: ns->shift;
		*ns = have;
	}
	kfree(id);

	return snv_give_back(vf, &loan, ret);
}

/* Ask the device for data of features that was not seen when they were set. */
static int fetch_features(struct snv_vf *vf)
{
	struct snv_feature *feature = vf->features;
	struct nvme_command sqe = { };
	struct snv_loan loan;
	int ret;

	ret = snv_borrow(vf, SNV_DATA_MAX, &loan);
	if (ret || !loan.mem)
		return ret;
	for (; !ret && feature < vf->features + vf->num_features; feature++) {
		if (!feature->lacking)
			continue;
		sqe.common.opcode = nvme_admin_get_features;
		sqe.common.nsid = feature->sqe.common.nsid;
		sqe.common.cdw10 = feature->sqe.common.cdw10 & cpu_to_le32(0xff);
		sqe.common.dptr.prp1 = cpu_to_le64(loan.iova);
		ret = snv_own_command(vf, &sqe);
		if (!ret)
			ret = vfio_mediate_read(vf->dev, loan.iova, feature->data, feature->size);
		if (ret)
			break;
		feature->when = ktime_get_boottime_ns();
		feature->lacking = false;
	}

	return snv_give_back(vf, &loan, ret);
}

static int delete_sqs(struct snv_vf *vf)
{
	unsigned int qid;
	int ret = 0;

	for (qid = 1; !ret && qid < SNV_QUEUES; qid++)
		if (vf->sq[qid])
			ret = snv_own_delete_sq(vf, qid);

	return ret;
}

/* Why the device cannot be run again elsewhere */
static void check_positions(struct snv_vf *vf)
{
	struct snv_sq *sq = vf->sq[0];
	unsigned int i, qid;
	u32 total;

	for (i = 0; i < vf->num_features; i++)
		if (vf->features[i].lacking && !snv_big_sq(vf, SNV_DATA_MAX))
			snv_refuse(vf, "data of feature without queues",
				   le32_to_cpu(vf->features[i].sqe.common.cdw10));
	if (!snv_admin_fits(sq->depth, vf->num_features))
		snv_refuse(vf, "small admin queue", sq->depth);
	if (!snv_admin_laps(sq->depth, sq->tail, vf->cq[0]->depth, vf->cq[0]->pos,
			    snv_count_aers(sq), 0, &total))
		snv_refuse(vf, "position of the admin queue", sq->tail);
	for (qid = 1; qid < SNV_QUEUES; qid++) {
		bool used = vf->cq[qid] && vf->cq[qid]->pos;

		for (i = 1; i < SNV_QUEUES; i++)
			used &= !vf->sq[i] || vf->sq[i]->cqid != qid;
		if (used)
			snv_refuse(vf, "completion queue without submission queue", qid);
		if (vf->sq[qid] && !vf->sq[qid]->placed)
			snv_refuse(vf, "position of queue", qid);
		if (vf->sq[qid] && !has_cq(vf, vf->sq[qid]))
			snv_refuse(vf, "submission queue without completion queue", qid);
	}
}

/**
 * snv_quiesce() - Stop the device
 * @vf:	The VF, locked.
 *
 * Return: 0 or a negative errno. After -ENOTRECOVERABLE the device is in an unknown state.
 */
int snv_quiesce(struct snv_vf *vf)
{
	unsigned int qid;
	int ret, err;
	u32 csts;

	if (vf->stopped)
		return 0;
	if (!vf->enabled) {
		ret = snv_read_admin_regs(vf);
		if (!ret)
			ret = snv_ident_regs(vf, &vf->ident);
		if (!ret)
			WRITE_ONCE(vf->stopped, true);
		return ret;
	}

	ret = snv_read_reg(vf, NVME_REG_CSTS, &csts);
	if (ret)
		return ret;
	vf->passing = !vf->reason[0];
	if (vf->cc & NVME_CC_SHN_MASK) {
		/* The guest's driver may have disabled DMA. */
		snv_refuse(vf, "shutdown of the controller", vf->cc);
	} else if ((csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_RDY) {
		snv_refuse(vf, "controller that is not ready", csts);
	} else {
		ret = drain(vf);
		if (ret == -ETIMEDOUT || ret == -EINTR || ret == -ENOMEM)
			return ret;
		vf->passing = !vf->reason[0];
		if (ret)
			snv_refuse(vf, "unreadable queue", -ret);
		else
			check_positions(vf);
	}
	if (vf->reason[0]) {
		vf->parked = true;
		WRITE_ONCE(vf->stopped, true);
		return 0;
	}

	ret = snv_own_begin(vf);
	if (ret)
		return ret;
	ret = snv_own_probe(vf);
	if (!ret)
		ret = delete_sqs(vf);
	if (!ret)
		ret = ask_device(vf);
	if (!ret)
		ret = fetch_features(vf);
	err = snv_disable(vf);
	/* Nothing that was completed may be lost. */
	err = snv_own_end(vf) ?: err;
	for (qid = 1; !err && qid < SNV_QUEUES; qid++)
		err = min(snv_walk(vf, qid), 0);
	WRITE_ONCE(vf->stopped, true);
	if (!ret && !err)
		return 0;

	dev_err_ratelimited(&vf->dev->pdev->dev, "device cannot be stopped: %pe\n",
			    ERR_PTR(ret ?: err));
	if (err || snv_run(vf))
		return -ENOTRECOVERABLE;

	return ret;
}
