// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stop and run the device.
 *
 * Both need admin commands of our own. They go through the guest's admin queue, whose memory is
 * put back afterwards. The guest's vCPUs do not run meanwhile, or spoil their own state.
 *
 * A queue that was just created is at position 0. The guest's driver goes on where it was, so
 * commands that do nothing are executed until the queue has got there.
 */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "nvme.h"

#define OPCODE_NOP	0x70	/* of an I/O command: reserved, no data */
#define WAIT_MS		5000	/* for one command of ours */
#define DRAIN_MS	10000	/* for the guest's commands */
#define STABLE_MS	50	/* nothing has completed, if tails are not known */
#define UNEVEN_MS	2000	/* likewise, if the positions look as if something was in flight */
#define MAX_LAPS	(1 << 14)

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
 * Commands of ours are in the first slots, the data of features is in the last ones.
 *
 * Return: true if it is.
 */
bool snv_admin_fits(u32 depth, u32 features)
{
	return depth >= 2 * SNV_PROBES &&
	       (!features || depth > features + 2 * SNV_DATA_MAX / SNV_SQE_SIZE);
}

static int wait_ready(struct snv_vf *vf, bool ready)
{
	unsigned long end = jiffies +
		msecs_to_jiffies((NVME_CAP_TIMEOUT(vf->cap) + 1) * 500);
	u32 csts;
	int ret;

	for (;;) {
		ret = snv_read_reg(vf, NVME_REG_CSTS, &csts);
		if (ret)
			return ret;
		if (csts == U32_MAX)
			return -ENODEV;
		if (!!(csts & NVME_CSTS_RDY) == ready)
			return 0;
		if (csts & NVME_CSTS_CFS)
			return -EIO;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(20, 100);
	}
}

/* Wait until the device has written entry @pos of a completion queue. */
static int wait_entry(struct snv_vf *vf, const struct snv_cq *cq, u32 pos,
		      struct nvme_completion *cqe)
{
	u64 iova = cq->base + pos % cq->depth * SNV_CQE_SIZE;
	unsigned long end = jiffies + msecs_to_jiffies(WAIT_MS);
	int ret;

	for (;;) {
		ret = vfio_mediate_read(vf->dev, iova, cqe, sizeof(*cqe));
		if (ret)
			return ret;
		if (snv_phase(cqe) == (pos % (2 * cq->depth) < cq->depth))
			return 0;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(10, 30);
	}
}

/* Read the memory of a queue into a new buffer. */
static void *read_ring(struct snv_vf *vf, u64 base, size_t size)
{
	void *mem = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!mem)
		return ERR_PTR(-ENOMEM);
	ret = vfio_mediate_read(vf->dev, base, mem, size);
	if (!ret)
		return mem;
	kvfree(mem);

	return ERR_PTR(ret);
}

static int own_begin(struct snv_vf *vf)
{
	struct snv_own *own = &vf->own;

	own->asq = read_ring(vf, vf->sq[0]->base, vf->sq[0]->depth * SNV_SQE_SIZE);
	if (IS_ERR(own->asq))
		return PTR_ERR(own->asq);
	own->acq = read_ring(vf, vf->cq[0]->base, vf->cq[0]->depth * SNV_CQE_SIZE);
	if (IS_ERR(own->acq)) {
		kvfree(own->asq);
		return PTR_ERR(own->acq);
	}
	own->tail = vf->sq[0]->tail;
	own->pos = vf->cq[0]->pos;
	own->limit = U32_MAX;
	own->num_extra = 0;

	return 0;
}

/* Put the memory of the admin queue back, with completions that the guest is to see. */
static int own_end(struct snv_vf *vf)
{
	struct snv_cq *cq = vf->cq[0];
	struct snv_own *own = &vf->own;
	struct nvme_completion *acq = own->acq;
	unsigned int i;
	u32 pos;
	int ret;

	for (i = 0, pos = cq->pos; i < own->num_extra; i++, pos++) {
		own->extra[i].status &= ~cpu_to_le16(1);
		own->extra[i].status |= cpu_to_le16(pos % (2 * cq->depth) < cq->depth);
		acq[pos % cq->depth] = own->extra[i];
	}
	ret = vfio_mediate_write(vf->dev, vf->sq[0]->base, own->asq,
				 vf->sq[0]->depth * SNV_SQE_SIZE);
	if (!ret)
		ret = vfio_mediate_write(vf->dev, cq->base, acq, cq->depth * SNV_CQE_SIZE);
	kvfree(own->asq);
	kvfree(own->acq);
	if (!ret && own->num_extra)
		ret = snv_walk(vf, 0);

	return min(ret, 0);
}

static u16 own_cid(struct snv_vf *vf)
{
	struct snv_sq *sq = vf->sq[0];
	u16 cid = U16_MAX - SNV_PROBES;
	u32 i;

	/* A driver has no more than depth IDs in use. */
	for (i = 0; i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_INFLIGHT &&
		    (u16)(sq->cmd[i].sqe.common.command_id - cid) < SNV_PROBES) {
			cid -= SNV_PROBES;
			i = -1;
		}

	return cid;
}

/* Put a command of ours into the admin queue. */
static int own_put(struct snv_vf *vf, struct nvme_command *sqe, u16 cid)
{
	struct snv_sq *sq = vf->sq[0];
	int ret;

	sqe->common.command_id = cid;
	ret = vfio_mediate_write(vf->dev, sq->base + vf->own.tail % sq->depth * SNV_SQE_SIZE,
				 sqe, sizeof(*sqe));
	if (!ret)
		vf->own.tail++;

	return ret;
}

/* Wait for the completion of a command with an ID of ours. Keep those of the guest's. */
static int own_wait(struct snv_vf *vf, u16 cid, unsigned int cids, struct nvme_completion *cqe)
{
	struct snv_own *own = &vf->own;
	struct snv_cq *cq = vf->cq[0];
	int ret;

	for (;;) {
		ret = wait_entry(vf, cq, own->pos, cqe);
		if (ret)
			return ret;
		own->pos++;
		if (own->pos <= own->limit)
			ret = snv_ring(vf, 0, true, own->pos % cq->depth);
		if (ret)
			return ret;
		if ((u16)(cqe->command_id - cid) < cids)
			return 0;
		if (own->num_extra == SNV_EXTRA)
			return -EIO;
		own->extra[own->num_extra++] = *cqe;
	}
}

/* Execute a command of ours. Return its status, or a negative errno. */
static int own_execute(struct snv_vf *vf, struct nvme_command *sqe)
{
	u16 cid = own_cid(vf);
	struct nvme_completion cqe;
	int ret;

	ret = own_put(vf, sqe, cid);
	if (!ret)
		ret = snv_ring(vf, 0, false, vf->own.tail % vf->sq[0]->depth);
	if (!ret)
		ret = own_wait(vf, cid, 1, &cqe);

	return ret ?: le16_to_cpu(cqe.status) >> 1;
}

static int own_command(struct snv_vf *vf, struct nvme_command *sqe)
{
	int ret = own_execute(vf, sqe);

	if (!ret)
		return 0;
	dev_err_ratelimited(&vf->dev->pdev->dev, "migration: admin command %#x (%#x, %#x) failed: %pe, status %#x\n",
			    sqe->common.opcode, le32_to_cpu(sqe->common.cdw10),
			    le32_to_cpu(sqe->common.cdw11), ERR_PTR(min(ret, 0)), max(ret, 0));

	return ret < 0 ? ret : -EIO;
}

/* Wait for the completion of a command of the guest's, unless it has come. */
static int own_wait_for(struct snv_vf *vf, u16 cid)
{
	struct snv_own *own = &vf->own;
	struct nvme_completion cqe;
	unsigned int i;
	int ret;

	for (i = 0; i < own->num_extra; i++)
		if (own->extra[i].command_id == cid)
			return 0;
	ret = own_wait(vf, cid, 1, &cqe);
	if (!ret && own->num_extra == SNV_EXTRA)
		ret = -EIO;
	if (!ret)
		own->extra[own->num_extra++] = cqe;

	return ret;
}

static void harmless(struct nvme_command *sqe)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->common.opcode = nvme_admin_get_features;
	sqe->common.cdw10 = cpu_to_le32(NVME_FEAT_NUM_QUEUES);
}

/*
 * The device may have fetched requests for events that we have not seen, as these do not complete.
 * Of several commands it executes those that are in slots it has not got to yet.
 */
static int own_probe(struct snv_vf *vf)
{
	u16 cid = own_cid(vf), first;
	struct snv_sq *sq = vf->sq[0];
	u32 i, n = min_t(u32, SNV_PROBES, sq->depth / 2), hidden;
	struct nvme_completion cqe;
	struct nvme_command sqe;
	int ret = 0;

	harmless(&sqe);
	for (i = 0; !ret && i < n; i++)
		ret = own_put(vf, &sqe, cid + i);
	if (!ret)
		ret = snv_ring(vf, 0, false, vf->own.tail % sq->depth);
	if (!ret)
		ret = own_wait(vf, cid, n, &cqe);
	if (ret)
		return ret;

	first = cqe.command_id - cid;
	hidden = first;
	for (i = first + 1; !ret && i < n; i++)
		ret = own_wait(vf, cid, n, &cqe);
	for (i = 0; !ret && i < hidden; i++) {
		const struct nvme_command *asq = vf->own.asq;

		sqe = asq[sq->tail];
		ret = snv_adopt(vf, sq, &sqe);
		if (!ret && sqe.common.opcode != nvme_admin_async_event)
			ret = own_wait_for(vf, sqe.common.command_id);
	}

	return ret;
}

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
		    (sq->qid || sq->cmd[i].sqe.common.opcode != nvme_admin_async_event)) {
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

/* An I/O submission queue whose memory has so many bytes */
static struct snv_sq *big_sq(const struct snv_vf *vf, size_t size)
{
	unsigned int qid;

	for (qid = 1; qid < SNV_QUEUES; qid++)
		if (vf->sq[qid] && vf->sq[qid]->depth * SNV_SQE_SIZE >= size)
			return vf->sq[qid];

	return NULL;
}

/* Ask the device for the size of blocks, with the memory of a queue that it does not use. */
static int verify_namespaces(struct snv_vf *vf)
{
	struct snv_sq *sq = big_sq(vf, NVME_IDENTIFY_DATA_SIZE);
	struct nvme_command sqe;
	unsigned int i, shift;
	int ret = 0, err;
	void *mem;
	u8 *id;

	for (i = 0; !sq && i < vf->num_ns; i++)
		if (!vf->ns[i].sure && vf->tracked && !vf->track_error)
			vf->track_error = -ENOSPC;
	if (!sq || !vf->num_ns)
		return 0;
	mem = read_ring(vf, sq->base, NVME_IDENTIFY_DATA_SIZE);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	id = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL_ACCOUNT);
	if (!id)
		ret = -ENOMEM;

	for (i = 0; !ret && i < vf->num_ns; i++) {
		memset(&sqe, 0, sizeof(sqe));
		sqe.identify.opcode = nvme_admin_identify;
		sqe.identify.nsid = cpu_to_le32(vf->ns[i].nsid);
		sqe.identify.dptr.prp1 = cpu_to_le64(sq->base);
		ret = own_execute(vf, &sqe);
		if (!ret)
			ret = vfio_mediate_read(vf->dev, sq->base, id, NVME_IDENTIFY_DATA_SIZE);
		shift = ret ? 0 : snv_take_lba(id);
		/* It may be gone. */
		ret = min(ret, 0);
		if (shift > vf->ns[i].shift && !vf->track_error)
			vf->track_error = -ESTALE;
		if (shift)
			vf->ns[i].shift = shift;
		vf->ns[i].sure = shift;
	}
	err = vfio_mediate_write(vf->dev, sq->base, mem, NVME_IDENTIFY_DATA_SIZE);
	kvfree(mem);
	kfree(id);

	return ret ?: err;
}

/* Ask the device for data of features that was not seen when they were set. */
static int fetch_features(struct snv_vf *vf)
{
	struct snv_sq *sq = big_sq(vf, SNV_DATA_MAX);
	struct snv_feature *feature = vf->features;
	struct nvme_command sqe = { };
	void *mem;
	int ret = 0, err;

	if (!sq)
		return 0;
	mem = read_ring(vf, sq->base, SNV_DATA_MAX);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	for (; !ret && feature < vf->features + vf->num_features; feature++) {
		if (!feature->lacking)
			continue;
		sqe.common.opcode = nvme_admin_get_features;
		sqe.common.nsid = feature->sqe.common.nsid;
		sqe.common.cdw10 = feature->sqe.common.cdw10 & cpu_to_le32(0xff);
		sqe.common.dptr.prp1 = cpu_to_le64(sq->base);
		ret = own_command(vf, &sqe);
		if (!ret)
			ret = vfio_mediate_read(vf->dev, sq->base, feature->data, feature->size);
		if (ret)
			break;
		feature->when = ktime_get_boottime_ns();
		feature->lacking = false;
	}
	err = vfio_mediate_write(vf->dev, sq->base, mem, SNV_DATA_MAX);
	kvfree(mem);

	return ret ?: err;
}

/* Delete the submission queues: the device completes or aborts what it has fetched. */
static int delete_sqs(struct snv_vf *vf)
{
	struct nvme_command sqe;
	unsigned int qid;
	int ret = 0;

	for (qid = 1; !ret && qid < SNV_QUEUES; qid++) {
		if (!vf->sq[qid])
			continue;
		memset(&sqe, 0, sizeof(sqe));
		sqe.delete_queue.opcode = nvme_admin_delete_sq;
		sqe.delete_queue.qid = cpu_to_le16(qid);
		ret = own_command(vf, &sqe);
	}

	return ret;
}

/* Why the device cannot be run again elsewhere */
static void check_positions(struct snv_vf *vf)
{
	struct snv_sq *sq = vf->sq[0];
	unsigned int i, qid;
	u32 total;

	for (i = 0; i < vf->num_features; i++)
		if (vf->features[i].lacking && !big_sq(vf, SNV_DATA_MAX))
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

static int disable(struct snv_vf *vf)
{
	int ret = snv_write_reg(vf, NVME_REG_CC, vf->cc & ~NVME_CC_ENABLE);

	return ret ?: wait_ready(vf, false);
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

	ret = own_begin(vf);
	if (ret)
		return ret;
	ret = own_probe(vf);
	if (!ret)
		ret = delete_sqs(vf);
	if (!ret)
		ret = verify_namespaces(vf);
	if (!ret)
		ret = fetch_features(vf);
	err = disable(vf);
	/* Nothing that was completed may be lost. */
	err = own_end(vf) ?: err;
	for (qid = 1; !err && qid < SNV_QUEUES; qid++)
		err = min(snv_walk(vf, qid), 0);
	WRITE_ONCE(vf->stopped, true);
	if (!ret && !err)
		return 0;

	dev_err_ratelimited(&vf->dev->pdev->dev, "device cannot be stopped: %pe\n", ERR_PTR(ret ?: err));
	if (err || snv_run(vf))
		return -ENOTRECOVERABLE;

	return ret;
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
			ret = wait_entry(vf, cq, *pos + n - 1, &cqe);
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

	return own_command(vf, &sqe);
}

/* Create a submission queue, and have it execute @count commands that do nothing. */
static int lap(struct snv_vf *vf, const struct snv_sq *sq, const struct snv_cq *cq, u32 count,
	       u32 *pos, u32 limit)
{
	size_t size = sq->depth * SNV_SQE_SIZE;
	struct nvme_command *filled;
	int ret, err;
	void *mem;
	u32 i;

	mem = read_ring(vf, sq->base, size);
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
	err = vfio_mediate_write(vf->dev, sq->base, mem, size);
	kvfree(filled);
	kvfree(mem);

	return ret ?: err;
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
	int ret, err;

	for (qid = 1; qid < SNV_QUEUES; qid++) {
		if (!vf->sq[qid] || vf->sq[qid]->cqid != cqid)
			continue;
		first = first ?: vf->sq[qid];
		sum += vf->sq[qid]->head;
	}
	mem = read_ring(vf, cq->base, size);
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
		ret = own_command(vf, &sqe);

	if (!ret && first && more) {
		ret = lap(vf, first, cq, more, &pos, limit);
		memset(&sqe, 0, sizeof(sqe));
		sqe.delete_queue.opcode = nvme_admin_delete_sq;
		sqe.delete_queue.qid = cpu_to_le16(first->qid);
		if (!ret)
			ret = own_command(vf, &sqe);
	}
	for (qid = 1; !ret && qid < SNV_QUEUES; qid++)
		if (vf->sq[qid] && vf->sq[qid]->cqid == cqid)
			ret = lap(vf, vf->sq[qid], cq, vf->sq[qid]->head, &pos, limit);

	err = vfio_mediate_write(vf->dev, cq->base, mem, size);
	kvfree(zero);
	kvfree(mem);

	return ret ?: err;
}

/* Set a feature again. The data is in slots of the admin queue that are not in use. */
static int restore_feature(struct snv_vf *vf, struct snv_feature *feature)
{
	u64 iova = vf->sq[0]->base +
		   ((vf->sq[0]->depth * SNV_SQE_SIZE - SNV_DATA_MAX) & ~(SNV_DATA_MAX - 1));
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

	return own_command(vf, &sqe);
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

	ret = wait_ready(vf, false);
	for (i = 0; !ret && i < ARRAY_SIZE(regs); i++)
		ret = snv_write_reg(vf, regs[i][0], regs[i][1]);

	return ret;
}

static int enable(struct snv_vf *vf)
{
	int ret = write_regs(vf, (vf->cc & ~NVME_CC_SHN_MASK) | NVME_CC_ENABLE);

	return ret ?: wait_ready(vf, true);
}

/* Number of admin commands that make the queues and set the features, at most */
static u32 count_commands(const struct snv_vf *vf)
{
	u32 n = vf->num_features;
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
		if (sq->cmd[i].slot != SNV_INFLIGHT ||
		    sq->cmd[i].sqe.common.opcode != nvme_admin_async_event)
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
	ret = own_begin(vf);
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
	if (!ret)
		ret = restore_features(vf);
	for (qid = 1; !ret && qid < SNV_QUEUES; qid++)
		if (vf->cq[qid])
			ret = restore_cq(vf, qid);
	harmless(&sqe);
	while (!ret && vf->own.tail < total - aers)
		ret = own_command(vf, &sqe);
	if (!ret && vf->own.num_extra)
		ret = -EIO;

	aers = restore_aers(vf);
	err = own_end(vf);
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
	if (vf->enabled && !vf->parked) {
		ret = restore(vf);
		if (ret) {
			dev_err_ratelimited(&vf->dev->pdev->dev, "device cannot be run: %pe\n",
					    ERR_PTR(ret));
			disable(vf);
			return ret;
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
	WRITE_ONCE(vf->stopped, false);
	if (!READ_ONCE(vf->own_trap) && !vf->tracked)
		snv_forget_positions(vf);
	snv_follow_soon(vf, 0);

	return 0;
}
