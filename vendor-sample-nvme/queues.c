// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues in guest memory: what the driver has submitted, and what the device has completed.
 *
 * Commands are read when their doorbell is rung, before the device is told. While doorbells reach
 * the device unseen, commands in the admin queue are found when completions tell that the device
 * has fetched them. Those of I/O queues are not needed then.
 */

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "nvme.h"

#define OPCODE_REFUSED	0x70	/* reserved, no data */

/**
 * snv_phase() - Get the phase of a completion
 * @cqe:	The completion.
 *
 * Return: the phase tag.
 */
bool snv_phase(const struct nvme_completion *cqe)
{
	return le16_to_cpu(cqe->status) & 1;
}

/**
 * snv_phase_at() - Get the phase of an entry that is written
 * @pos:	Its position, which need not be reduced.
 * @depth:	Number of entries of the queue.
 *
 * Return: the phase tag.
 */
bool snv_phase_at(u32 pos, u32 depth)
{
	return pos % (2 * depth) < depth;
}

/**
 * snv_locate_in() - Find the position of the device in the memory of a completion queue
 * @cqe:	The entries, which the driver has cleared before it has created the queue.
 * @depth:	Number of entries.
 *
 * The device may write entries meanwhile. The position then is one that it has had.
 *
 * Return: number of entries that were written, modulo 2 * @depth.
 */
u32 snv_locate_in(const struct nvme_completion *cqe, u32 depth)
{
	bool first = snv_phase(&cqe[0]);
	u32 i;

	for (i = 1; i < depth && snv_phase(&cqe[i]) == first; i++)
		;

	return (first ? i : depth + i) % (2 * depth);
}

static u32 distance(u32 from, u32 to, u32 depth)
{
	return to >= from ? to - from : to + depth - from;
}

/**
 * snv_snapshot() - Look at a queue that is shown to us in the middle
 * @vf:	The VF, locked.
 * @sq:	The queue, whose doorbell is trapped.
 *
 * Each slot may hold a command in flight.
 *
 * Return: 0 or a negative errno of vfio_mediate_read().
 */
int snv_snapshot(struct snv_vf *vf, struct snv_sq *sq)
{
	struct nvme_command *sqe = vf->batch.sqe;
	struct snv_cmd *cmd;
	u32 i, k, n;
	int ret;

	for (i = 0; i < sq->depth; i += n) {
		n = min_t(u32, sq->depth - i, SNV_BATCH);
		ret = vfio_mediate_read(vf->dev, sq->base + i * SNV_SQE_SIZE, sqe,
					n * SNV_SQE_SIZE);
		if (ret)
			return ret;
		for (k = 0, cmd = &sq->cmd[i]; k < n; k++, cmd++) {
			if (cmd->slot == SNV_INFLIGHT || cmd->slot == SNV_DONE ||
			    (cmd->slot == SNV_OLD && !memcmp(&cmd->sqe, &sqe[k], sizeof(*sqe))))
				continue;
			snv_clear_cmd(vf, cmd);
			cmd->sqe = sqe[k];
			cmd->slot = SNV_OLD;
			if (vf->tracked)
				snv_decode(vf, sq->qid, cmd);
		}
	}

	return 0;
}

/* Its completion is that of an unknown command from now on. */
static void drop_old(struct snv_vf *vf, struct snv_sq *sq, u16 cid)
{
	u32 i;

	for (i = 0; i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_OLD && sq->cmd[i].sqe.common.command_id == cid)
			snv_clear_cmd(vf, &sq->cmd[i]);
}

/* Make a slot usable whose command has been fetched, and may still be in flight. */
static int vacate(struct snv_vf *vf, struct snv_sq *sq, struct snv_cmd *cmd, bool may_mark)
{
	struct snv_cmd *other, *free = NULL;

	if (cmd->slot == SNV_DONE && may_mark)
		snv_mark_cmd(vf, cmd);
	if (cmd->slot == SNV_INFLIGHT || cmd->slot == SNV_DONE) {
		/* A command that was only looked at is the one to lose: it hardly is in flight. */
		for (other = sq->cmd; other < sq->cmd + sq->depth; other++)
			if (other->slot == SNV_FREE || (!free && other->slot == SNV_OLD))
				free = other;
		if (!free)
			return -ENOSPC;
		if (free->slot == SNV_OLD)
			drop_old(vf, sq, free->sqe.common.command_id);
		snv_clear_cmd(vf, free);
		*free = *cmd;
		cmd->many = NULL;
		cmd->data = NULL;
	}
	snv_clear_cmd(vf, cmd);

	return 0;
}

/* Read the data of a Set Features command before the device does. */
static void read_data(struct snv_vf *vf, struct snv_cmd *cmd)
{
	unsigned int size = snv_feature_size(le32_to_cpu(cmd->sqe.common.cdw10));
	u64 prp1 = le64_to_cpu(cmd->sqe.common.dptr.prp1);

	/* Data that a driver has split between pages is not known. */
	if (cmd->sqe.common.opcode != nvme_admin_set_features || !size ||
	    size > PAGE_SIZE - offset_in_page(prp1))
		return;
	cmd->data = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (cmd->data && vfio_mediate_read(vf->dev, prp1, cmd->data, size)) {
		kfree(cmd->data);
		cmd->data = NULL;
	}
}

static int submit(struct snv_vf *vf, struct snv_sq *sq, const struct nvme_command *sqe,
		  bool refuse)
{
	struct snv_cmd *cmd = &sq->cmd[sq->tail];
	u8 opcode = OPCODE_REFUSED;
	bool denied;
	int ret;

	/* What cannot be refused is not told to the device. */
	denied = !sq->qid && refuse && snv_admin_refused(sqe);
	if (denied && vfio_mediate_write(vf->dev, sq->base + sq->tail * SNV_SQE_SIZE,
					 &opcode, sizeof(opcode)))
		return -EPERM;
	ret = vacate(vf, sq, cmd, refuse);
	if (ret)
		return ret;

	cmd->sqe = *sqe;
	if (denied)
		cmd->sqe.common.opcode = opcode;
	cmd->slot = SNV_INFLIGHT;
	if (!sq->qid && sqe->common.opcode != nvme_admin_async_event)
		vf->busy_since = jiffies;
	if (!sq->qid && refuse)
		read_data(vf, cmd);
	if (vf->tracked)
		snv_decode(vf, sq->qid, cmd);
	sq->inflight++;
	sq->tail = sq->tail + 1 == sq->depth ? 0 : sq->tail + 1;

	return 0;
}

/**
 * snv_adopt() - Note a command that the device has, and that was not seen
 * @vf:		The VF, locked.
 * @sq:		The admin queue.
 * @sqe:	The command in the next slot, of which the driver has seen no completion.
 *
 * Return: 0 or a negative errno.
 */
int snv_adopt(struct snv_vf *vf, struct snv_sq *sq, const struct nvme_command *sqe)
{
	struct snv_cmd *cmd = &sq->cmd[sq->tail];
	int ret = submit(vf, sq, sqe, false);

	/* The driver does not use the memory of its data for something else yet. */
	if (!ret)
		read_data(vf, cmd);

	return ret;
}

/**
 * snv_submitted() - Read commands that the driver has submitted
 * @vf:		The VF, locked.
 * @sq:		The queue.
 * @tail:	New tail, in the queue.
 * @refuse:	The device does not know of them yet: have it refuse what it must not execute.
 *
 * Return: 0, or a negative errno if the device must not be told of them.
 */
int snv_submitted(struct snv_vf *vf, struct snv_sq *sq, u32 tail, bool refuse)
{
	struct nvme_command *sqe = vf->batch.sqe;
	int ret = 0;
	u32 i, n;

	sq->rung = true;
	if (!sq->exact) {
		ret = snv_snapshot(vf, sq);
		if (!ret)
			ret = snv_locate(vf, sq->cqid);
		sq->exact = true;
		sq->tail = tail;
	}
	/*
	 * Look at all that the driver has seen: it may use slots and IDs of completed commands
	 * again.
	 */
	if (!ret && refuse && sq->tail != tail)
		ret = min(snv_walk(vf, sq->cqid), 0);
	while (!ret && sq->tail != tail) {
		n = min_t(u32, tail > sq->tail ? tail - sq->tail : sq->depth - sq->tail,
			  SNV_BATCH);
		ret = vfio_mediate_read(vf->dev, sq->base + sq->tail * SNV_SQE_SIZE, sqe,
					n * SNV_SQE_SIZE);
		for (i = 0; !ret && i < n; i++)
			ret = submit(vf, sq, &sqe[i], refuse);
	}
	if (!ret || ret == -EPERM)
		return ret;

	/* The device may read what we cannot. */
	vf->track_error = vf->track_error ?: ret;
	snv_refuse(vf, "unreadable queue", sq->qid);
	sq->tail = tail;

	return 0;
}

/* Find commands in the admin queue by the head of the device. */
static void fetched(struct snv_vf *vf, struct snv_sq *sq, u32 head)
{
	u32 lead = distance(sq->head, sq->tail, sq->depth);

	if (distance(sq->head, head, sq->depth) > lead)
		snv_submitted(vf, sq, head, false);
}

/* No two commands in flight have the same ID. The newest commands are the likeliest. */
static struct snv_cmd *find_cmd(struct snv_sq *sq, u16 cid)
{
	struct snv_cmd *cmd;
	u32 i, k = sq->tail;

	for (i = 0; i < sq->depth; i++) {
		k = k ? k - 1 : sq->depth - 1;
		cmd = &sq->cmd[k];
		if (cmd->slot == SNV_INFLIGHT && cmd->sqe.common.command_id == cid)
			return cmd;
	}

	return NULL;
}

static void completed(struct snv_vf *vf, unsigned int cqid, const struct nvme_completion *cqe)
{
	unsigned int qid = le16_to_cpu(cqe->sq_id);
	u32 head = le16_to_cpu(cqe->sq_head);
	struct snv_sq *sq;
	struct snv_cmd *cmd;
	bool found = false;

	sq = qid < SNV_QUEUES ? vf->sq[qid] : NULL;
	if (!sq || sq->cqid != cqid || head >= sq->depth)
		return;

	if (!qid)
		fetched(vf, sq, head);
	sq->head = head;
	sq->placed = true;

	cmd = find_cmd(sq, cqe->command_id);
	if (cmd) {
		sq->inflight--;
		cmd->slot = vf->tracked ? SNV_DONE : SNV_FREE;
		if (!qid)
			snv_admin_done(vf, cmd, cqe);
		return;
	}
	if (!vf->tracked)
		return;

	/* Which of the commands with that ID it was is not known. */
	for (cmd = sq->cmd; cmd < sq->cmd + sq->depth; cmd++) {
		if (cmd->slot != SNV_OLD || cmd->sqe.common.command_id != cqe->command_id)
			continue;
		cmd->slot = SNV_DONE;
		found = true;
	}
	cond_resched();
	if (!found && !vf->track_error) {
		vf->track_error = -ESTALE;
		dev_warn_ratelimited(&vf->dev->pdev->dev, "queue %u: command %#x was never seen, what it has written is unknown\n",
				     qid, le16_to_cpu((__force __le16)cqe->command_id));
	}
}

/* Whether the driver has used a queue, and so has cleared its memory before */
static bool in_use(const struct snv_vf *vf, unsigned int cqid)
{
	unsigned int qid;

	for (qid = 0; qid < SNV_QUEUES; qid++)
		if (vf->sq[qid] && vf->sq[qid]->cqid == cqid && vf->sq[qid]->rung)
			return true;

	return false;
}

/**
 * snv_walk() - Look at what the device has completed
 * @vf:		The VF, locked.
 * @qid:	ID of the completion queue.
 *
 * Return: number of completions, or a negative errno of vfio_mediate_read().
 */
int snv_walk(struct snv_vf *vf, unsigned int qid)
{
	struct snv_cq *cq = qid < SNV_QUEUES ? vf->cq[qid] : NULL;
	struct nvme_completion cqe[8];
	unsigned int i, n, count = 0;
	int ret;

	if (!cq || !cq->known || !in_use(vf, qid))
		return 0;
	do {
		n = min_t(u32, cq->depth - cq->pos % cq->depth, ARRAY_SIZE(cqe));
		ret = vfio_mediate_read(vf->dev,
					cq->base + cq->pos % cq->depth * SNV_CQE_SIZE,
					cqe, n * SNV_CQE_SIZE);
		if (ret)
			return ret;
		for (i = 0; i < n && snv_phase(&cqe[i]) == snv_phase_at(cq->pos, cq->depth); i++) {
			completed(vf, qid, &cqe[i]);
			cq->pos = (cq->pos + 1) % (2 * cq->depth);
		}
		count += i;
	} while (i && i == n && count < 2 * cq->depth);

	return count;
}

/**
 * snv_taken() - The driver has taken completions
 * @vf:		The VF, locked.
 * @qid:	ID of the completion queue, which exists.
 * @head:	Its new head, in the queue.
 *
 * The device may write entries before @head again. Look at those that were not seen: the doorbell
 * of a submission queue, which is drained before this one, mostly has seen them all.
 */
void snv_taken(struct snv_vf *vf, unsigned int qid, u32 head)
{
	struct snv_cq *cq = vf->cq[qid];

	if (cq->head >= cq->depth || distance(cq->head, head, cq->depth) >
				     distance(cq->head, cq->pos % cq->depth, cq->depth))
		snv_walk(vf, qid);
	cq->head = head;
}

/**
 * snv_locate() - Find the position of the device in a completion queue
 * @vf:		The VF, locked.
 * @qid:	ID of the completion queue.
 *
 * Return: 0 or a negative errno.
 */
int snv_locate(struct snv_vf *vf, unsigned int qid)
{
	struct snv_cq *cq = qid < SNV_QUEUES ? vf->cq[qid] : NULL;
	struct nvme_completion *cqe;
	struct snv_sq *sq;
	bool unused;
	u32 i, k;
	int ret;

	if (!cq || cq->known)
		return 0;
	cqe = kvcalloc(cq->depth, SNV_CQE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!cqe)
		return -ENOMEM;

	ret = vfio_mediate_read(vf->dev, cq->base, cqe, cq->depth * SNV_CQE_SIZE);
	if (ret)
		goto out;
	cq->pos = snv_locate_in(cqe, cq->depth);
	cq->marked = cq->pos;
	cq->known = true;
	unused = !cq->pos && !memchr_inv(cqe, 0, cq->depth * SNV_CQE_SIZE);
	for (i = 1; unused && i < SNV_QUEUES; i++)
		if (vf->sq[i] && vf->sq[i]->cqid == qid)
			vf->sq[i]->placed = true;

	/*
	 * The newest completion of each submission queue is the last one that is seen. Entries that
	 * were never written are zero: the admin queue has other completions.
	 */
	for (i = 0, k = cq->pos % cq->depth; i < cq->depth; i++, k++) {
		unsigned int sqid = le16_to_cpu(cqe[k % cq->depth].sq_id);
		u32 head = le16_to_cpu(cqe[k % cq->depth].sq_head);

		sq = sqid < SNV_QUEUES ? vf->sq[sqid] : NULL;
		if (sq && sq->cqid == qid && head < sq->depth) {
			sq->head = head;
			sq->placed = true;
		}
	}
out:
	kvfree(cqe);

	return ret;
}

/**
 * snv_is_aer() - Check whether a slot has a request for an asynchronous event in flight
 * @cmd:	Slot of the admin queue.
 *
 * Return: true if it has.
 */
bool snv_is_aer(const struct snv_cmd *cmd)
{
	return cmd->slot == SNV_INFLIGHT && cmd->sqe.common.opcode == nvme_admin_async_event;
}

/**
 * snv_count_aers() - Count requests for asynchronous events
 * @sq:	The admin queue.
 *
 * Return: number of requests in flight.
 */
unsigned int snv_count_aers(const struct snv_sq *sq)
{
	unsigned int count = 0;
	u32 i;

	for (i = 0; i < sq->depth; i++)
		count += snv_is_aer(&sq->cmd[i]);

	return count;
}

/**
 * snv_follow() - Look at what the admin queue has done
 * @vf:	The VF, locked.
 *
 * If the device has written more completions since the last call than the queue has entries,
 * some commands were missed.
 *
 * Return: 0 or a negative errno of vfio_mediate_read().
 */
int snv_follow(struct snv_vf *vf)
{
	struct snv_cq *cq = vf->cq[0];
	size_t size = cq->depth * SNV_CQE_SIZE;
	u32 i, k, left;
	struct nvme_completion *now;
	int ret;

	if (!in_use(vf, 0))
		return 0;
	ret = snv_walk(vf, 0);
	if (ret < 0)
		return ret;
	now = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!now)
		return -ENOMEM;
	ret = vfio_mediate_read(vf->dev, cq->base, now, size);
	if (ret) {
		kfree(now);
		return ret;
	}

	/*
	 * Entries that the device has not got to since must be those of the last look. It may have
	 * written some more just now.
	 */
	left = cq->depth - min(distance(vf->acq_pos, cq->pos, 2 * cq->depth), cq->depth);
	for (i = 0; vf->acq_copy && i < left; i++) {
		k = (cq->pos + i) % cq->depth;
		if (snv_phase(&now[k]) == snv_phase_at(cq->pos + i, cq->depth))
			continue;
		if (memcmp(&now[k], vf->acq_copy + k * SNV_CQE_SIZE, SNV_CQE_SIZE)) {
			snv_refuse(vf, "admin commands that were missed", 0);
			break;
		}
	}
	kfree(vf->acq_copy);
	vf->acq_copy = now;
	vf->acq_pos = cq->pos;

	return 0;
}
