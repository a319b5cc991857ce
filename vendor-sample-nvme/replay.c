// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run the device again. A queue that was just created is at position 0. The guest's driver goes on
 * where it was, so commands that do nothing are executed until the queue has got there.
 */

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "nvme.h"

#define OPCODE_NOP	0x70	/* of an I/O command: reserved, no data */
#define MAX_LAPS	BIT(14)

/**
 * snv_admin_laps() - Find how many commands bring the admin queue to a position
 * @depth:	Slots of the submission queue.
 * @tail:	Its tail.
 * @cq_depth:	Slots of the completion queue.
 * @pos:	Its position, below 2 * @cq_depth.
 * @aers:	Commands that do not complete.
 * @least:	Least number of commands.
 * @total:	The smallest number of commands, including @aers, if there is one.
 *
 * Return: true if there is one.
 */
bool snv_admin_laps(u32 depth, u32 tail, u32 cq_depth, u32 pos, u32 aers, u32 least, u32 *total)
{
	u32 n;

	for (n = tail; n < MAX_LAPS; n += depth) {
		if (n < least || n < aers || (n - aers) % (2 * cq_depth) != pos)
			continue;
		*total = n;
		return true;
	}

	return false;
}

/**
 * snv_admin_fits() - Check whether an admin queue is large enough
 * @depth:	Slots of its submission queue.
 * @features:	Number of features.
 *
 * There is room for commands of ours and for the data of a feature.
 *
 * Return: true if it is.
 */
bool snv_admin_fits(u32 depth, u32 features)
{
	return depth >= 2 * SNV_PROBES &&
	       (!features || depth > features + 2 * SNV_DATA_MAX / SNV_SQE_SIZE);
}

/* Execute commands that do nothing. The slots of @sq hold such commands. */
static int nops(struct snv_vf *vf, const struct snv_sq *sq, const struct snv_cq *cq, u32 count,
		u32 *pos, u32 limit)
{
	struct nvme_completion cqe;
	u32 tail = 0, n;
	int ret;

	while (count) {
		n = min3(count, sq->depth - 1, cq->depth - 1 - (*pos - min(*pos, limit)));
		tail = (tail + n) % sq->depth;
		ret = snv_ring(vf, sq->qid, false, tail);
		if (!ret)
			ret = snv_wait_entry(vf, cq, *pos + n - 1, &cqe);
		if (ret)
			return ret;
		*pos += n;
		count -= n;
		ret = snv_ring(vf, sq->cqid, true, min(*pos, limit) % cq->depth);
		if (ret)
			return ret;
	}

	return 0;
}

static int make_sq(struct snv_vf *vf, const struct snv_sq *sq)
{
	struct nvme_command sqe = {
		.create_sq.opcode = nvme_admin_create_sq,
		.create_sq.prp1 = cpu_to_le64(sq->base),
		.create_sq.sqid = cpu_to_le16(sq->qid),
		.create_sq.qsize = cpu_to_le16(sq->depth - 1),
		.create_sq.sq_flags = cpu_to_le16(sq->flags),
		.create_sq.cqid = cpu_to_le16(sq->cqid),
	};

	return snv_own_command(vf, &sqe);
}

/* Create a submission queue, and have it execute @count commands that do nothing. */
static int lap(struct snv_vf *vf, const struct snv_sq *sq, const struct snv_cq *cq, u32 count,
	       u32 *pos, u32 limit)
{
	size_t size = sq->depth * SNV_SQE_SIZE;
	struct nvme_command *filled;
	void *mem;
	int ret;
	u32 i;

	mem = snv_read_ring(vf, sq->base, size);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	filled = kvcalloc(sq->depth, SNV_SQE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!filled) {
		kvfree(mem);
		return -ENOMEM;
	}
	for (i = 0; i < sq->depth; i++)
		filled[i].common.opcode = OPCODE_NOP;

	ret = vfio_mediate_write(vf->dev, sq->base, filled, size);
	if (!ret)
		ret = make_sq(vf, sq);
	if (!ret)
		ret = nops(vf, sq, cq, count, pos, limit);
	kvfree(filled);

	return snv_put_back(vf, sq->base, mem, size, ret);
}

static u32 unconsumed(const struct snv_cq *cq)
{
	if (cq->head >= cq->depth)
		return 0;

	return (cq->pos + cq->depth - cq->head) % cq->depth;
}

/* Create the queues of one completion queue, and bring them to their positions. */
static int restore_cq(struct snv_vf *vf, unsigned int cqid)
{
	struct nvme_command sqe = { };
	struct snv_cq *cq = vf->cq[cqid];
	size_t size = cq->depth * SNV_CQE_SIZE;
	struct nvme_completion *mem;
	struct snv_sq *first = NULL;
	u32 more, sum = 0, pos = 0, limit;
	unsigned int qid;
	void *zero;
	int ret;

	for (qid = 1; qid < SNV_QUEUES; qid++) {
		if (!vf->sq[qid] || vf->sq[qid]->cqid != cqid)
			continue;
		first = first ?: vf->sq[qid];
		sum += vf->sq[qid]->head;
	}
	mem = snv_read_ring(vf, cq->base, size);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	zero = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!zero) {
		kvfree(mem);
		return -ENOMEM;
	}

	/* Completions that the driver has not seen yet need an interrupt. */
	more = (cq->pos + 2 * cq->depth - sum % (2 * cq->depth)) % (2 * cq->depth);
	if (sum + more < unconsumed(cq) ||
	    (!(sum + more) && memchr_inv(&mem[cq->depth - 1], 0, SNV_CQE_SIZE)))
		more += 2 * cq->depth;
	limit = sum + more - unconsumed(cq);

	ret = vfio_mediate_write(vf->dev, cq->base, zero, size);
	sqe.create_cq.opcode = nvme_admin_create_cq;
	sqe.create_cq.prp1 = cpu_to_le64(cq->base);
	sqe.create_cq.cqid = cpu_to_le16(cqid);
	sqe.create_cq.qsize = cpu_to_le16(cq->depth - 1);
	sqe.create_cq.cq_flags = cpu_to_le16(cq->flags);
	sqe.create_cq.irq_vector = cpu_to_le16(cq->vector);
	if (!ret)
		ret = snv_own_command(vf, &sqe);

	if (!ret && first && more) {
		ret = lap(vf, first, cq, more, &pos, limit);
		if (!ret)
			ret = snv_own_delete_sq(vf, first->qid);
	}
	for (qid = 1; !ret && qid < SNV_QUEUES; qid++)
		if (vf->sq[qid] && vf->sq[qid]->cqid == cqid)
			ret = lap(vf, vf->sq[qid], cq, vf->sq[qid]->head, &pos, limit);

	kvfree(zero);

	return snv_put_back(vf, cq->base, mem, size, ret);
}

/*
 * Set a feature again. All commands before it have completed: the data is in slots of the admin
 * queue, but not in the one of this command.
 */
static int restore_feature(struct snv_vf *vf, struct snv_feature *feature)
{
	u32 slot = vf->own.tail % vf->sq[0]->depth;
	u64 iova = vf->sq[0]->base + (slot < SNV_DATA_MAX / SNV_SQE_SIZE ? SNV_DATA_MAX : 0);
	struct nvme_command sqe = feature->sqe;
	u64 now = ktime_get_boottime_ns(), ms;
	u8 fid = le32_to_cpu(sqe.common.cdw10);
	int ret;

	/* What is kept across resets was kept when the guest has said so. */
	sqe.common.cdw10 &= ~cpu_to_le32(BIT(31));
	if (feature->size) {
		if (fid == NVME_FEAT_TIMESTAMP) {
			ms = get_unaligned_le64(feature->data) & GENMASK_ULL(47, 0);
			ms += div_u64(now - feature->when, NSEC_PER_MSEC);
			put_unaligned_le64(ms & GENMASK_ULL(47, 0), feature->data);
			feature->when = now;
		}
		sqe.common.dptr.prp1 = cpu_to_le64(iova);
		sqe.common.dptr.prp2 = 0;
		ret = vfio_mediate_write(vf->dev, iova, feature->data, feature->size);
		if (ret)
			return ret;
	}

	return snv_own_command(vf, &sqe);
}

static int restore_features(struct snv_vf *vf)
{
	unsigned int i, pass;
	bool first;
	int ret = 0;

	/* The number of queues cannot be set later. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; !ret && i < vf->num_features; i++) {
			first = (le32_to_cpu(vf->features[i].sqe.common.cdw10) & 0xff) ==
				NVME_FEAT_NUM_QUEUES;
			if (first == !pass)
				ret = restore_feature(vf, &vf->features[i]);
		}

	return ret;
}

static int write_regs(struct snv_vf *vf, u32 cc)
{
	const u32 regs[][2] = {
		{ NVME_REG_AQA, vf->aqa },
		{ NVME_REG_ASQ, lower_32_bits(vf->asq) },
		{ NVME_REG_ASQ + 4, upper_32_bits(vf->asq) },
		{ NVME_REG_ACQ, lower_32_bits(vf->acq) },
		{ NVME_REG_ACQ + 4, upper_32_bits(vf->acq) },
		{ NVME_REG_CC, cc },
	};
	unsigned int i;
	int ret;

	ret = snv_wait_ready(vf, false);
	for (i = 0; !ret && i < ARRAY_SIZE(regs); i++)
		ret = snv_write_reg(vf, regs[i][0], regs[i][1]);

	return ret;
}

static int enable(struct snv_vf *vf)
{
	int ret = write_regs(vf, (vf->cc & ~NVME_CC_SHN_MASK) | NVME_CC_ENABLE);

	return ret ?: snv_wait_ready(vf, true);
}

/* Number of admin commands that make the queues and set the features, at most */
static u32 count_commands(const struct snv_vf *vf)
{
	u32 n = vf->num_features + (vf->arriving ? 2 + 2 * vf->num_ns : 0);
	unsigned int qid;

	for (qid = 1; qid < SNV_QUEUES; qid++)
		n += (vf->sq[qid] ? 1 : 0) + (vf->cq[qid] ? 3 : 0);

	return n;
}

/* Requests for events come last: they take slots, and complete when there is an event. */
static int restore_aers(struct snv_vf *vf)
{
	struct nvme_command *asq = vf->own.asq;
	struct snv_sq *sq = vf->sq[0];
	unsigned int n = snv_count_aers(sq);
	u32 i, slot = (sq->tail + sq->depth - n) % sq->depth;

	for (i = 0; i < sq->depth; i++) {
		if (!snv_is_aer(&sq->cmd[i]))
			continue;
		asq[slot] = sq->cmd[i].sqe;
		slot = (slot + 1) % sq->depth;
	}
	vf->own.num_extra = 0;

	return n;
}

/* Bring the device to the state that the model has. */
static int restore(struct snv_vf *vf)
{
	struct snv_sq *sq = vf->sq[0];
	struct snv_cq *cq = vf->cq[0];
	u32 total, aers = snv_count_aers(sq), open = unconsumed(cq);
	struct nvme_command sqe;
	unsigned int qid;
	void *zero;
	int ret, err;

	if (!snv_admin_laps(sq->depth, sq->tail, cq->depth, cq->pos, aers,
			    count_commands(vf) + aers + open, &total))
		return -EOPNOTSUPP;

	zero = kvcalloc(cq->depth, SNV_CQE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!zero)
		return -ENOMEM;
	ret = snv_own_begin(vf);
	if (ret) {
		kvfree(zero);
		return ret;
	}
	vf->own.tail = 0;
	vf->own.pos = 0;
	vf->own.limit = total - aers - open;

	ret = vfio_mediate_write(vf->dev, cq->base, zero, cq->depth * SNV_CQE_SIZE);
	if (!ret)
		ret = enable(vf);
	if (!ret && vf->arriving)
		ret = snv_ident_check(vf);
	if (!ret)
		ret = restore_features(vf);
	for (qid = 1; !ret && qid < SNV_QUEUES; qid++)
		if (vf->cq[qid])
			ret = restore_cq(vf, qid);
	snv_harmless(&sqe);
	while (!ret && vf->own.tail < total - aers)
		ret = snv_own_command(vf, &sqe);
	if (!ret && vf->own.num_extra)
		ret = -EIO;

	if (ret)
		snv_disable(vf);
	aers = restore_aers(vf);
	err = snv_own_end(vf);
	if (!ret && !err && aers)
		ret = snv_ring(vf, 0, false, sq->tail);
	if (!ret && !err && vf->cc & NVME_CC_SHN_MASK)
		ret = snv_write_reg(vf, NVME_REG_CC, vf->cc);
	kvfree(zero);

	return ret ?: err;
}

/* Tell the device of what was rung while it was stopped. */
static int forward_held(struct snv_vf *vf)
{
	struct snv_sq *sq;
	unsigned int qid;
	int ret = 0;
	u32 tail;

	for (qid = 0; !ret && qid < SNV_QUEUES; qid++) {
		sq = vf->sq[qid];
		if (vf->parked && vf->cq[qid] && vf->cq[qid]->held)
			ret = snv_ring(vf, qid, true, vf->cq[qid]->head);
		if (vf->cq[qid])
			vf->cq[qid]->held = false;
		if (ret || !sq || sq->held == SNV_UNUSED)
			continue;
		tail = sq->held;
		snv_bury_done(vf, sq);
		if (tail < sq->depth)
			ret = snv_submitted(vf, sq, tail, true);
		if (!ret)
			ret = snv_ring(vf, qid, false, tail);
		if (!ret)
			sq->held = SNV_UNUSED;
	}

	return ret;
}

/**
 * snv_run() - Run the device
 * @vf:	The VF, locked.
 *
 * Return: 0 or a negative errno. After -ENOTRECOVERABLE the device is in an unknown state.
 */
int snv_run(struct snv_vf *vf)
{
	int ret = 0;

	if (!vf->stopped)
		return 0;
	/* It counts as another device until it has been compared. */
	vf->strange |= vf->arriving;
	if (vf->enabled && !vf->parked) {
		ret = restore(vf);
		if (ret) {
			/* What differs was said. */
			if (ret != -EXDEV)
				dev_err_ratelimited(&vf->dev->pdev->dev,
						    "device cannot be run: %pe\n", ERR_PTR(ret));
			return snv_disable(vf) ? -ENOTRECOVERABLE : ret;
		}
	}
	/* The device runs: there is no way back. */
	if (vf->enabled && forward_held(vf))
		return -ENOTRECOVERABLE;
	if (!vf->enabled)
		ret = write_regs(vf, vf->cc & ~(vf->pending ? NVME_CC_ENABLE : 0));
	if (ret)
		return ret;
	if (vf->parked && vf->passing)
		vf->reason[0] = 0;
	vf->parked = false;
	if (vf->arriving)
		vf->strange = false;
	vf->arriving = false;
	WRITE_ONCE(vf->stopped, false);
	if (!READ_ONCE(vf->own_trap) && !vf->tracked)
		snv_forget_positions(vf);
	snv_follow_soon(vf, 0);

	return 0;
}
