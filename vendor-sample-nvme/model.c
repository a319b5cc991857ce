// SPDX-License-Identifier: GPL-2.0-only
/* What is known of a VF: its queues, namespaces and why it cannot be migrated; and its lock. */

#include <linux/mm.h>
#include <linux/slab.h>

#include "nvme.h"

/**
 * snv_free_ranges() - Forget what memory a command writes
 * @vf:		The VF, locked or not in use.
 * @cmd:	The command.
 */
void snv_free_ranges(struct snv_vf *vf, struct snv_cmd *cmd)
{
	if (cmd->many)
		vf->num_ranges -= cmd->count;
	kvfree(cmd->many);
	cmd->many = NULL;
	cmd->count = 0;
	cmd->error = 0;
}

/**
 * snv_clear_cmd() - Make a slot free
 * @vf:		The VF, locked or not in use.
 * @cmd:	The slot.
 */
void snv_clear_cmd(struct snv_vf *vf, struct snv_cmd *cmd)
{
	snv_free_ranges(vf, cmd);
	kfree(cmd->data);
	cmd->data = NULL;
	cmd->slot = SNV_FREE;
}

/**
 * snv_new_sq() - Allocate a submission queue
 * @qid:	Queue ID.
 * @cqid:	ID of its completion queue.
 * @depth:	Number of slots.
 * @base:	IOVA of slot 0.
 * @flags:	Flags of the command that has created it.
 *
 * Return: the queue, which is empty, or NULL.
 */
struct snv_sq *snv_new_sq(u16 qid, u16 cqid, u32 depth, u64 base, u16 flags)
{
	struct snv_sq *sq = kzalloc(sizeof(*sq), GFP_KERNEL_ACCOUNT);

	if (!sq)
		return NULL;
	sq->cmd = kvcalloc(depth, sizeof(*sq->cmd), GFP_KERNEL_ACCOUNT);
	if (!sq->cmd) {
		kfree(sq);
		return NULL;
	}
	sq->qid = qid;
	sq->cqid = cqid;
	sq->depth = depth;
	sq->base = base;
	sq->flags = flags;
	sq->exact = true;
	sq->placed = true;
	sq->held = SNV_UNUSED;

	return sq;
}

/**
 * snv_new_cq() - Allocate a completion queue
 * @depth:	Number of slots.
 * @base:	IOVA of slot 0.
 * @flags:	Flags of the command that has created it.
 * @vector:	Interrupt vector.
 *
 * Return: the queue, which is empty, or NULL.
 */
struct snv_cq *snv_new_cq(u32 depth, u64 base, u16 flags, u16 vector)
{
	struct snv_cq *cq = kzalloc(sizeof(*cq), GFP_KERNEL_ACCOUNT);

	if (!cq)
		return NULL;
	cq->depth = depth;
	cq->base = base;
	cq->flags = flags;
	cq->vector = vector;
	cq->known = true;
	cq->head = SNV_UNUSED;

	return cq;
}

/**
 * snv_free_sq() - Free a submission queue
 * @vf:	The VF, locked or not in use.
 * @sq:	The queue, or NULL.
 */
void snv_free_sq(struct snv_vf *vf, struct snv_sq *sq)
{
	u32 i;

	if (!sq)
		return;
	for (i = 0; i < sq->depth; i++)
		snv_clear_cmd(vf, &sq->cmd[i]);
	kvfree(sq->cmd);
	kfree(sq);
}

/* Keep a queue that is gone until it was marked, but not any number of them. */
static bool is_kept(struct snv_vf *vf)
{
	if (!vf->tracked)
		return false;
	if (vf->num_dead < SNV_MAX_DEAD) {
		vf->num_dead++;
		return true;
	}
	vf->track_error = vf->track_error ?: -ENOSPC;

	return false;
}

/**
 * snv_bury_done() - Make slots free whose commands have completed and are not marked
 * @vf:	The VF, locked.
 * @sq:	Submission queue.
 *
 * To be called where nothing can be marked, before slots are used again. The next scan finds the
 * commands in a queue that is gone.
 */
void snv_bury_done(struct snv_vf *vf, struct snv_sq *sq)
{
	struct snv_sq *dead;
	u32 i;

	for (i = 0; i < sq->depth && sq->cmd[i].slot != SNV_DONE; i++)
		;
	if (i == sq->depth || !is_kept(vf))
		return;
	dead = snv_new_sq(sq->qid, sq->cqid, sq->depth, sq->base, sq->flags);
	if (!dead) {
		vf->num_dead--;
		vf->track_error = vf->track_error ?: -ENOMEM;
		return;
	}
	for (; i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_DONE)
			swap(sq->cmd[i], dead->cmd[i]);
	dead->next = vf->dead_sq;
	vf->dead_sq = dead;
}

/**
 * snv_drop_sq() - The device has no such submission queue any more
 * @vf:		The VF, locked.
 * @qid:	Queue ID.
 */
void snv_drop_sq(struct snv_vf *vf, unsigned int qid)
{
	struct snv_sq *sq = vf->sq[qid];

	vf->sq[qid] = NULL;
	if (sq && is_kept(vf)) {
		sq->next = vf->dead_sq;
		vf->dead_sq = sq;
	} else {
		snv_free_sq(vf, sq);
	}
}

/**
 * snv_drop_cq() - The device has no such completion queue any more
 * @vf:		The VF, locked.
 * @qid:	Queue ID.
 */
void snv_drop_cq(struct snv_vf *vf, unsigned int qid)
{
	struct snv_cq *cq = vf->cq[qid];

	vf->cq[qid] = NULL;
	if (cq && is_kept(vf)) {
		cq->next = vf->dead_cq;
		vf->dead_cq = cq;
	} else {
		kfree(cq);
	}
}

/**
 * snv_forget() - The controller was reset
 * @vf:	The VF, locked.
 */
void snv_forget(struct snv_vf *vf)
{
	unsigned int i;

	for (i = 0; i < SNV_QUEUES; i++) {
		snv_drop_sq(vf, i);
		snv_drop_cq(vf, i);
	}
	vf->num_features = 0;
	vf->reason[0] = 0;
	kfree(vf->acq_copy);
	vf->acq_copy = NULL;
}

/**
 * snv_forget_positions() - Doorbells of I/O queues reach the device unseen from now on
 * @vf:	The VF, locked.
 */
void snv_forget_positions(struct snv_vf *vf)
{
	struct snv_sq *sq;
	unsigned int qid;
	u32 i;

	for (qid = 1; qid < SNV_QUEUES; qid++) {
		sq = vf->sq[qid];
		if (sq) {
			for (i = 0; i < sq->depth; i++)
				snv_clear_cmd(vf, &sq->cmd[i]);
			sq->inflight = 0;
			sq->exact = false;
			sq->placed = false;
			sq->rung = true;
		}
		if (vf->cq[qid]) {
			vf->cq[qid]->known = false;
			vf->cq[qid]->head = SNV_UNUSED;
		}
	}
}

/**
 * snv_free_dead() - Free queues that are gone
 * @vf:	The VF, locked or not in use.
 */
void snv_free_dead(struct snv_vf *vf)
{
	struct snv_sq *sq;
	struct snv_cq *cq;

	while ((sq = vf->dead_sq)) {
		vf->dead_sq = sq->next;
		snv_free_sq(vf, sq);
	}
	while ((cq = vf->dead_cq)) {
		vf->dead_cq = cq->next;
		kfree(cq);
	}
	vf->num_dead = 0;
}

/**
 * snv_refuse() - The device cannot be migrated until the controller is reset
 * @vf:		The VF, locked.
 * @what:	What it has that cannot be migrated.
 * @which:	Number of that.
 */
void snv_refuse(struct snv_vf *vf, const char *what, unsigned int which)
{
	if (!vf->reason[0])
		snprintf(vf->reason, sizeof(vf->reason), "%s (%#x)", what, which);
}

/**
 * snv_big_sq() - Find an I/O submission queue by the size of its memory
 * @vf:		The VF, locked.
 * @size:	Bytes that it has at least.
 *
 * Return: the queue, or NULL.
 */
struct snv_sq *snv_big_sq(const struct snv_vf *vf, size_t size)
{
	unsigned int qid;

	for (qid = 1; qid < SNV_QUEUES; qid++)
		if (vf->sq[qid] && vf->sq[qid]->depth * SNV_SQE_SIZE >= size)
			return vf->sq[qid];

	return NULL;
}

/**
 * snv_find_ns() - Find a namespace
 * @vf:		The VF, locked.
 * @nsid:	Its ID.
 * @add:	Add it if it is not known.
 *
 * Return: the namespace, or NULL.
 */
struct snv_ns *snv_find_ns(struct snv_vf *vf, u32 nsid, bool add)
{
	struct snv_ns *ns = vf->ns;

	while (ns < vf->ns + vf->num_ns && ns->nsid != nsid)
		ns++;
	if (ns < vf->ns + vf->num_ns)
		return ns;
	if (!add || !nsid || nsid == U32_MAX || vf->num_ns == SNV_NAMESPACES)
		return NULL;

	vf->num_ns++;
	*ns = (struct snv_ns){ .nsid = nsid, .shift = SNV_LBA_SHIFT };

	return ns;
}

/**
 * snv_lock() - Take the lock of a VF
 * @vf:	The VF.
 *
 * Resets and the end of a trap were noted without the lock. They take effect here.
 *
 * Context: Process context, sleeps.
 */
void snv_lock(struct snv_vf *vf)
{
	mutex_lock(&vf->lock);
	if (test_and_clear_bit(SNV_NOTE_RESET, &vf->notes)) {
		snv_forget(vf);
		vf->enabled = false;
		vf->pending = false;
		vf->stopped = false;
		vf->parked = false;
		vf->stuck = false;
		vf->lost |= vf->arriving;
		vf->arriving = false;
		vf->cc = 0;
	}
	if (test_and_clear_bit(SNV_NOTE_UNTRAPPED, &vf->notes))
		snv_forget_positions(vf);
}

/**
 * snv_unlock() - Release the lock of a VF
 * @vf:	The VF.
 *
 * Context: That of snv_lock().
 */
void snv_unlock(struct snv_vf *vf)
{
	mutex_unlock(&vf->lock);
}
