// SPDX-License-Identifier: GPL-2.0-only
/*
 * Admin commands of our own. They go through the guest's admin queue, whose memory is put back
 * afterwards. The guest's vCPUs do not run meanwhile, or spoil their own state.
 */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "nvme.h"

#define WAIT_MS		5000	/* for one command of ours */

/**
 * snv_wait_ready() - Wait for CSTS.RDY
 * @vf:		The VF, locked.
 * @ready:	What it is to be.
 *
 * A device that cannot be disabled is waited for once. Later calls only look, until it is disabled
 * or reset: other tasks wait for the lock meanwhile, and CAP.TO may be two minutes.
 *
 * Return: 0 or a negative errno.
 */
int snv_wait_ready(struct snv_vf *vf, bool ready)
{
	unsigned int ms = vf->stuck ? 0 : (NVME_CAP_TIMEOUT(vf->cap) + 1) * 500;
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	u32 csts;
	int ret;

	for (;;) {
		ret = snv_read_reg(vf, NVME_REG_CSTS, &csts);
		if (ret)
			return ret;
		if (csts == U32_MAX)
			return -ENODEV;
		if (!!(csts & NVME_CSTS_RDY) == ready) {
			vf->stuck = false;
			return 0;
		}
		/* A controller that has failed can still be disabled. */
		if (ready && csts & NVME_CSTS_CFS)
			return -EIO;
		if (time_after(jiffies, end)) {
			vf->stuck = !ready;
			return -ETIMEDOUT;
		}
		/* Until it is disabled, it may write to memory that was the guest's before. */
		if (ready && fatal_signal_pending(current))
			return -EINTR;
		usleep_range(20, 100);
	}
}

/**
 * snv_wait_entry() - Wait until the device has written an entry of a completion queue
 * @vf:		The VF, locked.
 * @cq:		The queue.
 * @pos:	Position of the entry.
 * @cqe:	The entry.
 *
 * Return: 0 or a negative errno.
 */
int snv_wait_entry(struct snv_vf *vf, const struct snv_cq *cq, u32 pos,
		   struct nvme_completion *cqe)
{
	u64 iova = cq->base + pos % cq->depth * SNV_CQE_SIZE;
	unsigned long end = jiffies + msecs_to_jiffies(WAIT_MS);
	int ret;

	for (;;) {
		ret = vfio_mediate_read(vf->dev, iova, cqe, sizeof(*cqe));
		if (ret)
			return ret;
		if (snv_phase(cqe) == snv_phase_at(pos, cq->depth))
			return 0;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(10, 30);
	}
}

/**
 * snv_read_ring() - Read the memory of a queue into a new buffer
 * @vf:		The VF, locked.
 * @base:	IOVA.
 * @size:	Size in bytes.
 *
 * Return: the buffer, or an ERR_PTR().
 */
void *snv_read_ring(struct snv_vf *vf, u64 base, size_t size)
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

/**
 * snv_own_begin() - Begin to use the admin queue
 * @vf:		The VF, locked.
 *
 * Return: 0 or a negative errno.
 */
int snv_own_begin(struct snv_vf *vf)
{
	struct snv_own *own = &vf->own;

	own->asq = snv_read_ring(vf, vf->sq[0]->base, vf->sq[0]->depth * SNV_SQE_SIZE);
	if (IS_ERR(own->asq))
		return PTR_ERR(own->asq);
	own->acq = snv_read_ring(vf, vf->cq[0]->base, vf->cq[0]->depth * SNV_CQE_SIZE);
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

/**
 * snv_own_end() - Put the memory of the admin queue back, with completions that the guest is to see
 * @vf:		The VF, locked.
 *
 * Return: 0 or a negative errno.
 */
int snv_own_end(struct snv_vf *vf)
{
	struct snv_cq *cq = vf->cq[0];
	struct snv_own *own = &vf->own;
	struct nvme_completion *acq = own->acq;
	unsigned int i;
	u32 pos;
	int ret;

	/* The device has fetched commands of ours, too. */
	for (i = 0, pos = cq->pos; i < own->num_extra; i++, pos++) {
		own->extra[i].sq_head = cpu_to_le16(vf->sq[0]->tail);
		own->extra[i].status &= ~cpu_to_le16(1);
		own->extra[i].status |= cpu_to_le16(snv_phase_at(pos, cq->depth));
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
		ret = snv_wait_entry(vf, cq, own->pos, cqe);
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

/**
 * snv_own_execute() - Execute an admin command
 * @vf:		The VF, locked.
 * @sqe:	The command.
 *
 * Return: the status of the command, or a negative errno.
 */
int snv_own_execute(struct snv_vf *vf, struct nvme_command *sqe)
{
	u16 cid = own_cid(vf);
	struct nvme_completion cqe;
	int ret;

	ret = own_put(vf, sqe, cid);
	if (!ret)
		ret = snv_ring(vf, 0, false, vf->own.tail % vf->sq[0]->depth);
	if (!ret)
		ret = own_wait(vf, cid, 1, &cqe);
	if (!ret)
		vf->own.result = le32_to_cpu(cqe.result.u32);

	return ret ?: le16_to_cpu(cqe.status) >> 1;
}

/**
 * snv_own_command() - Execute an admin command that has to succeed
 * @vf:		The VF, locked.
 * @sqe:	The command.
 *
 * Return: 0 or a negative errno.
 */
int snv_own_command(struct snv_vf *vf, struct nvme_command *sqe)
{
	int ret = snv_own_execute(vf, sqe);

	if (!ret)
		return 0;
	dev_err_ratelimited(&vf->dev->pdev->dev, "migration: admin command %#x (%#x, %#x) failed: %pe, status %#x\n",
			    sqe->common.opcode, le32_to_cpu(sqe->common.cdw10),
			    le32_to_cpu(sqe->common.cdw11), ERR_PTR(min(ret, 0)), max(ret, 0));

	return ret < 0 ? ret : -EIO;
}

/**
 * snv_own_delete_sq() - Delete a submission queue
 * @vf:		The VF, locked.
 * @qid:	Queue ID.
 *
 * The device completes or aborts what it has fetched.
 *
 * Return: 0 or a negative errno.
 */
int snv_own_delete_sq(struct snv_vf *vf, unsigned int qid)
{
	struct nvme_command sqe = {
		.delete_queue.opcode = nvme_admin_delete_sq,
		.delete_queue.qid = cpu_to_le16(qid),
	};

	return snv_own_command(vf, &sqe);
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

/**
 * snv_harmless() - Make an admin command that does nothing
 * @sqe:	The command.
 */
void snv_harmless(struct nvme_command *sqe)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->common.opcode = nvme_admin_get_features;
	sqe->common.cdw10 = cpu_to_le32(NVME_FEAT_NUM_QUEUES);
}

/**
 * snv_own_probe() - Find the place of the device in the admin queue
 * @vf:		The VF, locked.
 *
 * The device may have fetched requests for events that we have not seen, as these do not complete.
 * Of several commands it executes those that are in slots it has not got to yet.
 *
 * Return: 0 or a negative errno.
 */
int snv_own_probe(struct snv_vf *vf)
{
	u16 cid = own_cid(vf), first;
	struct snv_sq *sq = vf->sq[0];
	u32 i, n = min_t(u32, SNV_PROBES, sq->depth / 2), hidden;
	struct nvme_completion cqe;
	struct nvme_command sqe;
	int ret = 0;

	snv_harmless(&sqe);
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

/**
 * snv_disable() - Disable the controller
 * @vf:		The VF, locked.
 *
 * Return: 0 or a negative errno.
 */
int snv_disable(struct snv_vf *vf)
{
	int ret = snv_write_reg(vf, NVME_REG_CC, vf->cc & ~NVME_CC_ENABLE);

	return ret ?: snv_wait_ready(vf, false);
}

/**
 * snv_put_back() - Restore memory that commands of ours may have written
 * @vf:		The VF, locked.
 * @iova:	The memory.
 * @mem:	What was in it. It is freed.
 * @size:	Its size.
 * @ret:	What the commands have returned. After an error, one may still write there: the
 *		controller is disabled before. If that fails, the memory is restored all the same.
 *
 * Return: @ret, or a negative errno of the write.
 */
int snv_put_back(struct snv_vf *vf, u64 iova, void *mem, size_t size, int ret)
{
	int err;

	if (ret)
		snv_disable(vf);
	err = vfio_mediate_write(vf->dev, iova, mem, size);
	kvfree(mem);

	return ret ?: err;
}

/**
 * snv_borrow() - Have memory that the device may write
 * @vf:		The VF, locked. It has no I/O in flight.
 * @size:	Bytes that are needed.
 * @loan:	The memory, for snv_give_back().
 *
 * Return: 0, also if there is none, or a negative errno.
 */
int snv_borrow(struct snv_vf *vf, size_t size, struct snv_loan *loan)
{
	const struct snv_sq *sq = snv_big_sq(vf, size);

	*loan = (struct snv_loan) { .size = size };
	if (!sq)
		return 0;
	loan->iova = sq->base;
	loan->mem = snv_read_ring(vf, loan->iova, size);

	return PTR_ERR_OR_ZERO(loan->mem);
}

/**
 * snv_give_back() - Restore the memory that was borrowed
 * @vf:		The VF, locked.
 * @loan:	From a snv_borrow() that returned 0.
 * @ret:	As of snv_put_back().
 *
 * Return: as snv_put_back().
 */
int snv_give_back(struct snv_vf *vf, const struct snv_loan *loan, int ret)
{
	return loan->mem ? snv_put_back(vf, loan->iova, loan->mem, loan->size, ret) : ret;
}
