// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracking of the memory that the device writes: completions, and the data of commands that
 * transfer data to memory. Addresses are read when the command is submitted, as the driver may use
 * their memory for something else once it has completed. They are marked when it has completed.
 */

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "nvme.h"

#define SCAN_CMDS	64	/* commands marked in one part of a scan */
#define SCAN_PAGES	512	/* pages, likewise */
#define TO_MEMORY	2	/* bit of opcodes */
#define PSDT(flags)	((flags) >> 6)
#define SGL_BIT_BUCKET	0x1

enum { IO_MGMT_RECV = 0x12 };

/* Ranges that are being collected in the buffer of the VF */
struct collect {
	struct snv_vf *vf;
	u32 count;
	u64 left;	/* bytes */
};

static int add(struct collect *c, u64 iova, u64 size)
{
	struct vfio_mediate_iova_range *last = c->vf->pages + c->count - 1;

	size = min(size, c->left);
	c->left -= size;
	if (!size)
		return 0;
	if (c->count && last->iova + last->size == iova) {
		last->size += size;
		return 0;
	}
	if (c->count == SNV_MAX_PAGES)
		return -EFBIG;
	c->vf->pages[c->count++] = (struct vfio_mediate_iova_range){ iova, size };

	return 0;
}

static int collect_prp(struct collect *c, const struct nvme_command *sqe, u32 page)
{
	u64 prp1 = le64_to_cpu(sqe->common.dptr.prp1);
	u64 list = le64_to_cpu(sqe->common.dptr.prp2);
	__le64 entry[SNV_BATCH];
	bool hop = false;
	u32 i, n;
	int ret;

	ret = add(c, prp1, page - (prp1 & (page - 1)));
	if (!ret && c->left && c->left <= page)
		return add(c, list, page);

	while (!ret && c->left) {
		/* The last entry of a page of the list may lead to the next one. */
		n = min_t(u64, SNV_BATCH, (page - (list & (page - 1))) / sizeof(*entry));
		n = min_t(u64, n, DIV_ROUND_UP_ULL(c->left, page));
		/* A page of the list that another one leads to is used from its start. */
		if (list & (hop ? page - 1 : 7))
			return -EINVAL;
		hop = false;
		ret = vfio_mediate_read(c->vf->dev, list, entry, n * sizeof(*entry));
		for (i = 0; !ret && i < n && c->left; i++) {
			list += sizeof(*entry);
			if (!(list & (page - 1)) && c->left > page) {
				list = le64_to_cpu(entry[i]);
				hop = true;
				break;
			}
			ret = add(c, le64_to_cpu(entry[i]), page);
		}
	}

	return ret;
}

static int collect_sgl(struct collect *c, const struct nvme_command *sqe)
{
	struct nvme_sgl_desc desc[SNV_BATCH], *d = desc;
	u32 i = 0, n = 1, total = 0;
	u64 next = 0, left = 0;
	int ret = 0;

	desc[0] = sqe->common.dptr.sgl;
	while (!ret && c->left) {
		if (i == n) {
			n = min_t(u64, left / sizeof(*desc), SNV_BATCH);
			if (!n)
				return 0;
			ret = vfio_mediate_read(c->vf->dev, next, desc, n * sizeof(*desc));
			if (ret)
				return ret;
			next += n * sizeof(*desc);
			left -= n * sizeof(*desc);
			i = 0;
		}
		if (++total > SNV_MAX_PAGES)
			return -EFBIG;
		d = &desc[i++];
		switch (d->type >> 4) {
		case NVME_SGL_FMT_DATA_DESC:
			ret = add(c, le64_to_cpu(d->addr), le32_to_cpu(d->length));
			break;
		case SGL_BIT_BUCKET:
			c->left -= min_t(u64, c->left, le32_to_cpu(d->length));
			break;
		case NVME_SGL_FMT_SEG_DESC:
		case NVME_SGL_FMT_LAST_SEG_DESC:
			/* The last descriptor of a segment */
			next = le64_to_cpu(d->addr);
			left = le32_to_cpu(d->length);
			i = n;
			break;
		default:
			ret = -EOPNOTSUPP;
		}
	}

	return ret;
}

static int admin_length(const struct nvme_command *sqe, u64 *length)
{
	u32 cdw10 = le32_to_cpu(sqe->common.cdw10), cdw11 = le32_to_cpu(sqe->common.cdw11);

	switch (sqe->common.opcode) {
	case nvme_admin_get_log_page:
		*length = ((cdw10 >> 16 | (u64)(cdw11 & 0xffff) << 16) + 1) * 4;
		return 0;
	case nvme_admin_identify:
		*length = NVME_IDENTIFY_DATA_SIZE;
		return 0;
	case nvme_admin_get_features:
		*length = snv_feature_size(cdw10);
		if (!*length && !snv_feature_known(cdw10) && sqe->common.dptr.prp1)
			*length = NVME_IDENTIFY_DATA_SIZE;
		return 0;
	case nvme_admin_directive_recv:
		*length = (cdw10 + 1ULL) * 4;
		return 0;
	case nvme_admin_security_recv:
		*length = cdw11;
		return 0;
	case nvme_admin_get_lba_status:
		*length = (le32_to_cpu(sqe->common.cdw12) + 1ULL) * 4;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int io_length(struct snv_vf *vf, const struct nvme_command *sqe, u64 *length)
{
	struct snv_ns *ns;

	switch (sqe->common.opcode) {
	case nvme_cmd_read:
		if (sqe->rw.metadata)
			return -EOPNOTSUPP;
		ns = snv_find_ns(vf, le32_to_cpu(sqe->rw.nsid), true);
		if (!ns)
			return -ENOSPC;
		*length = (le16_to_cpu(sqe->rw.length) + 1ULL) << ns->shift;
		return 0;
	case nvme_cmd_resv_report:
		*length = (le32_to_cpu(sqe->common.cdw10) + 1ULL) * 4;
		return 0;
	case IO_MGMT_RECV:
		*length = (le32_to_cpu(sqe->common.cdw11) + 1ULL) * 4;
		return 0;
	case nvme_cmd_zone_mgmt_recv:
		*length = (le32_to_cpu(sqe->common.cdw12) + 1ULL) * 4;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static void free_ranges(struct snv_vf *vf, struct snv_cmd *cmd)
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
	free_ranges(vf, cmd);
	kfree(cmd->data);
	cmd->data = NULL;
	cmd->slot = SNV_FREE;
}

/**
 * snv_decode() - Find out what memory a command writes
 * @vf:		The VF, locked.
 * @qid:	ID of the queue.
 * @cmd:	The command, which has not been decoded.
 *
 * An error counts when the command has completed.
 */
void snv_decode(struct snv_vf *vf, unsigned int qid, struct snv_cmd *cmd)
{
	const struct nvme_command *sqe = &cmd->sqe;
	struct collect c = { .vf = vf };
	int ret;

	free_ranges(vf, cmd);
	if (!(sqe->common.opcode & TO_MEMORY))
		return;
	ret = qid ? io_length(vf, sqe, &c.left) : admin_length(sqe, &c.left);
	if (!ret && c.left > SNV_MAX_DATA)
		ret = -EFBIG;
	if (!ret && PSDT(sqe->common.flags))
		ret = collect_sgl(&c, sqe);
	else if (!ret)
		ret = collect_prp(&c, sqe, 4096 << (vf->cc >> NVME_CC_MPS_SHIFT & 0xf));
	if (!ret && c.count > SNV_FEW && vf->num_ranges + c.count > SNV_MAX_RANGES)
		ret = -ENOSPC;
	if (!ret && c.count > SNV_FEW) {
		cmd->many = kvmemdup(vf->pages, c.count * sizeof(*vf->pages), GFP_KERNEL_ACCOUNT);
		if (cmd->many)
			vf->num_ranges += c.count;
		else
			ret = -ENOMEM;
	} else if (!ret) {
		memcpy(cmd->few, vf->pages, c.count * sizeof(*vf->pages));
	}
	cmd->count = ret ? 0 : c.count;
	cmd->error = ret;
}

/**
 * snv_mark_cmd() - Mark what a command has written, and make its slot free
 * @vf:		The VF, locked, in a callback that may mark.
 * @cmd:	The command.
 */
void snv_mark_cmd(struct snv_vf *vf, struct snv_cmd *cmd)
{
	const struct vfio_mediate_iova_range *range = cmd->many ?: cmd->few;
	u32 i;

	for (i = 0; i < cmd->count; i++)
		vfio_mediate_mark(vf->dev, range[i].iova, range[i].size);
	if (cmd->error && !vf->track_error) {
		vf->track_error = cmd->error;
		dev_warn_ratelimited(&vf->dev->pdev->dev, "command with opcode %#x of namespace %u writes unknown memory: %pe\n",
				     cmd->sqe.common.opcode, le32_to_cpu(cmd->sqe.common.nsid),
				     ERR_PTR(cmd->error));
	}
	snv_clear_cmd(vf, cmd);
}

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

static int start_queue(struct snv_vf *vf, unsigned int qid)
{
	struct snv_sq *sq = vf->sq[qid];
	int ret = 0;
	u32 i;

	/* What was submitted unseen is in the queue, as long as doorbells are trapped. */
	if (sq && !sq->exact)
		ret = snv_snapshot(vf, sq);
	for (i = 0; sq && i < sq->depth; i++)
		if (sq->cmd[i].slot == SNV_INFLIGHT || sq->cmd[i].slot == SNV_OLD)
			snv_decode(vf, qid, &sq->cmd[i]);
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
