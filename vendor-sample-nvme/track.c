// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracking of the memory that the device writes: completions, and the data of commands that
 * transfer data to memory. They are marked when the command has completed.
 */

#include <linux/mm.h>
#include <linux/slab.h>

#include "nvme.h"

#define SCAN_CMDS	64	/* commands marked in one part of a scan */
#define SCAN_PAGES	512	/* pages, likewise */

/* Mark completions from the last marked one on. */
static void mark_cq(struct snv_vf *vf, struct snv_cq *cq)
{
	u32 n, from;

	while (cq->known && cq->marked != cq->pos) {
		from = cq->marked % cq->depth;
		n = (cq->pos + 2 * cq->depth - cq->marked) % (2 * cq->depth);
		n = min(n, cq->depth - from);
		vfio_mediate_mark(vf->dev, cq->base + from * SNV_CQE_SIZE, n * SNV_CQE_SIZE);
		cq->marked = (cq->marked + n) % (2 * cq->depth);
	}
}

static u32 count_pages(const struct snv_cmd *cmd)
{
	const struct vfio_mediate_iova_range *range = cmd->many ?: cmd->few;
	u32 i, pages = 0;

	for (i = 0; i < cmd->count; i++)
		pages += DIV_ROUND_UP_ULL(range[i].size, PAGE_SIZE);

	return pages;
}

/* Mark what commands of a queue have written. @all: also of those that may have been in flight. */
static bool mark_sq(struct snv_vf *vf, struct snv_sq *sq, bool all)
{
	unsigned int n = 0, pages = 0;
	u32 i;

	for (i = 0; i < sq->depth && n < SCAN_CMDS && pages < SCAN_PAGES; i++) {
		if (sq->cmd[i].slot != SNV_DONE && (!all || sq->cmd[i].slot == SNV_FREE))
			continue;
		/* A list that was looked at later may be gone. It hardly was in flight. */
		if (sq->cmd[i].slot == SNV_OLD &&
		    (sq->cmd[i].error == -EINVAL || sq->cmd[i].error == -EFAULT))
			sq->cmd[i].error = 0;
		pages += count_pages(&sq->cmd[i]);
		snv_mark_cmd(vf, &sq->cmd[i]);
		n++;
	}

	return i < sq->depth;
}

/* Mark what queues have written that are gone. Return: true if there is more. */
static bool mark_dead(struct snv_vf *vf)
{
	struct snv_sq *sq = vf->dead_sq;
	struct snv_cq *cq = vf->dead_cq;

	if (sq) {
		if (mark_sq(vf, sq, true))
			return true;
		vf->dead_sq = sq->next;
		vf->num_dead--;
		snv_free_sq(vf, sq);
		return true;
	}
	if (cq) {
		vfio_mediate_mark(vf->dev, cq->base, cq->depth * SNV_CQE_SIZE);
		vf->dead_cq = cq->next;
		vf->num_dead--;
		kfree(cq);
		return true;
	}

	return false;
}

static int start_queue(struct snv_vf *vf, unsigned int qid)
{
	struct snv_sq *sq = vf->sq[qid];
	int ret = 0;
	u32 i;

	for (i = 0; sq && i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_INFLIGHT || sq->cmd[i].slot == SNV_OLD)
			snv_decode(vf, qid, &sq->cmd[i]);
	/*
	 * What was submitted unseen is in the queue, as long as doorbells are trapped. Slots that
	 * are new are decoded.
	 */
	if (sq && !sq->exact)
		ret = snv_snapshot(vf, sq);
	if (!ret)
		ret = snv_locate(vf, qid);
	if (!ret)
		ret = min(snv_walk(vf, qid), 0);
	if (vf->cq[qid])
		vf->cq[qid]->marked = vf->cq[qid]->pos;

	return ret;
}

static int snv_track_start(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	unsigned int qid;
	int ret = 0;

	snv_lock(vf);
	while (mark_dead(vf))
		;
	/* Our own trap has just ended, or is about to: what was rung in between is not known. */
	if (vf->releasing)
		snv_forget_positions(vf);
	vf->releasing = false;
	vf->tracked = true;
	vf->track_error = 0;
	if (vf->enabled)
		ret = snv_follow(vf);
	for (qid = 0; !ret && qid < SNV_QUEUES; qid++)
		ret = start_queue(vf, qid);
	if (!ret)
		ret = vf->track_error;
	if (ret)
		vf->tracked = false;
	snv_unlock(vf);

	return ret;
}

static void snv_track_stop(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	unsigned int qid;
	u32 i;

	snv_lock(vf);
	vf->tracked = false;
	snv_free_dead(vf);
	for (qid = 0; qid < SNV_QUEUES; qid++)
		for (i = 0; vf->sq[qid] && i < vf->sq[qid]->depth; i++)
			if (vf->sq[qid]->cmd[i].slot == SNV_DONE)
				snv_clear_cmd(vf, &vf->sq[qid]->cmd[i]);
	snv_unlock(vf);
}

static int snv_track_scan(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	unsigned int qid;
	bool more = false;
	int ret = 0;

	snv_lock(vf);
	if (vf->enabled && !vf->stopped)
		for (qid = 0; ret >= 0 && qid < SNV_QUEUES; qid++)
			ret = snv_walk(vf, qid);
	for (qid = 0; ret >= 0 && qid < SNV_QUEUES; qid++) {
		if (vf->sq[qid])
			more |= mark_sq(vf, vf->sq[qid], false);
		if (vf->cq[qid])
			mark_cq(vf, vf->cq[qid]);
	}
	more |= mark_dead(vf);
	if (!vf->track_error && ret < 0)
		vf->track_error = ret;
	ret = vf->track_error;
	snv_unlock(vf);

	return ret ?: more;
}

const struct vfio_mediate_tracking_ops snv_tracking_ops = {
	.start = snv_track_start,
	.stop = snv_track_stop,
	.scan = snv_track_scan,
};
