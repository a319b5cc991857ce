/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's memory, an NVMe controller and its driver, for the suite of sample_nvme, whose files
 * are included before. The controller executes a command when its doorbell is rung, or when the
 * test says so. The driver counts how often each of its commands has completed.
 */

#ifndef NVME_WORLD_H
#define NVME_WORLD_H

#include <linux/bitmap.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "session.h"

#define MEMORY		0x200000u
#define PAGES		(MEMORY / 4096)
#define ASQ		0x1000u
#define ACQ		0x2000u
#define ADMIN		32u
#define RINGS		0x10000u	/* of I/O queues, 128 KiB for each pair */
#define BUFFERS		0x100000u
#define PAIRS		2u
#define CIDS		1024u
#define SHIFT		9	/* of the namespace's blocks */
#define PENDING		64u
#define NUM_NS		6u	/* that IDs may be up to */
#define READY_MS	1000	/* what CAP.TO says, and half a second */
#define LAG		3u	/* reads of CSTS until a command that is held has completed */

/* Queue of the controller */
struct ctrl_queue {
	bool exists;
	u64 base;
	u32 depth;
	u32 head;
	u32 tail;
	u32 cqid;
	bool phase;
};

/* Queue pair of the driver */
struct driver_queue {
	u64 sq;
	u64 cq;
	u32 depth;
	u32 tail;
	u32 head;
	bool phase;
	u8 completed[CIDS];
	u16 status[CIDS];
};

/* A controller */
struct ctrl {
	struct world *world;
	struct vfio_mediate_session session;
	struct snv_vf *vf;
	u32 cc;
	u32 csts;
	u32 aqa;
	u64 asq;
	u64 acq;
	struct ctrl_queue sq[4];
	struct ctrl_queue cq[4];
	struct {
		u16 qid;
		struct nvme_command sqe;
	} pending[PENDING];
	unsigned int num_pending;
	bool slow;		/* I/O commands wait for the test */
	bool loses;		/* the next command */
	bool late;		/* the next admin command is executed after another one */
	struct nvme_command after;
	unsigned int hold;	/* the how manieth command from now on is held, or 0 */
	bool holding;		/* until the controller is disabled */
	u16 held_qid;
	struct nvme_command held;
	unsigned int lag;
	bool undying;		/* it cannot be disabled */
	bool no_marks;		/* what is marked does not count */
	unsigned int reads;	/* of memory, by the module */
	u16 aer[8];
	unsigned int num_aers;
	u32 features[256];
	u8 data[512];		/* of Host Behavior Support */
	u64 timestamp;
	u32 queues;		/* what Get Features says of their number */
	u32 version;
	u8 disk;		/* which one its namespace is */
	u8 uuid;		/* likewise, or 0: it has none */
	bool gone;		/* it has no namespace */
	bool no_list;		/* it is from before lists of descriptors */
	bool mute;		/* Identify fails */
	u8 oncs;
	u32 sgls;
	u8 id[4096];		/* answer to Identify */
	unsigned int dbbuf;	/* commands that must not come */
	unsigned int overruns;	/* completions that did not fit */
};

/**
 * struct world - All there is
 * @memory:	Of the guest.
 * @written:	Pages that a controller has written.
 * @marked:	Pages that were marked since.
 * @ctrl:	Source and destination.
 * @on:		The one that the driver has.
 * @queue:	What the driver has, the admin queue first.
 * @executed:	How often each I/O command was executed, by its cdw14.
 * @random:	Where chance comes from.
 */
struct world {
	u8 *memory;
	DECLARE_BITMAP(written, PAGES);
	DECLARE_BITMAP(marked, PAGES);
	struct ctrl ctrl[2];
	struct ctrl *on;
	struct driver_queue queue[1 + PAIRS];
	u8 executed[4096];
	struct rnd_state random;
};

static u32 chance(struct world *w, u32 limit)
{
	return prandom_u32_state(&w->random) % limit;
}

static int world_read(void *data, u64 iova, void *buf, size_t size)
{
	struct ctrl *ctrl = data;

	if (iova > MEMORY || size > MEMORY - iova)
		return -EFAULT;
	memcpy(buf, ctrl->world->memory + iova, size);
	ctrl->reads++;

	return 0;
}

static int world_write(void *data, u64 iova, const void *buf, size_t size)
{
	struct ctrl *ctrl = data;

	if (iova > MEMORY || size > MEMORY - iova)
		return -EFAULT;
	memcpy(ctrl->world->memory + iova, buf, size);
	if (size)
		bitmap_set(ctrl->world->marked, iova / 4096,
			   (iova + size - 1) / 4096 - iova / 4096 + 1);

	return 0;
}

static void world_mark(void *data, u64 iova, u64 size)
{
	struct ctrl *ctrl = data;

	if (size && iova < MEMORY && size <= MEMORY - iova && !ctrl->no_marks)
		bitmap_set(ctrl->world->marked, iova / 4096,
			   (iova + size - 1) / 4096 - iova / 4096 + 1);
}

static void dma(struct ctrl *ctrl, u64 iova, const void *buf, size_t size)
{
	if (iova > MEMORY || size > MEMORY - iova)
		return;
	memcpy(ctrl->world->memory + iova, buf, size);
	bitmap_set(ctrl->world->written, iova / 4096,
		   (iova + size - 1) / 4096 - iova / 4096 + 1);
}

static void ctrl_post(struct ctrl *ctrl, u16 qid, const struct nvme_command *sqe, u16 status,
		      u32 result)
{
	struct ctrl_queue *sq = &ctrl->sq[qid], *cq = &ctrl->cq[sq->cqid];
	struct nvme_completion cqe = {
		.result.u32 = cpu_to_le32(result),
		.sq_head = cpu_to_le16(sq->head),
		.sq_id = cpu_to_le16(qid),
		.command_id = sqe->common.command_id,
		.status = cpu_to_le16(status << 1 | cq->phase),
	};

	if ((cq->tail + 1) % cq->depth == cq->head)
		ctrl->overruns++;
	dma(ctrl, cq->base + cq->tail * sizeof(cqe), &cqe, sizeof(cqe));
	cq->tail = (cq->tail + 1) % cq->depth;
	if (!cq->tail)
		cq->phase = !cq->phase;
}

/* The pages of a command of the driver's, see submit_read() */
static void ctrl_io(struct ctrl *ctrl, u16 qid, const struct nvme_command *sqe)
{
	static const u8 block[4096] = { 0xda };
	u32 left = (le16_to_cpu(sqe->rw.length) + 1) << SHIFT, i;
	u64 prp2 = le64_to_cpu(sqe->rw.dptr.prp2);
	const __le64 *list = (void *)(ctrl->world->memory + prp2 % MEMORY);

	if (sqe->rw.opcode != nvme_cmd_read) {
		ctrl_post(ctrl, qid, sqe, NVME_SC_INVALID_OPCODE, 0);
		return;
	}
	ctrl->world->executed[le32_to_cpu(sqe->common.cdw14) % 4096]++;
	dma(ctrl, le64_to_cpu(sqe->rw.dptr.prp1), block, min(left, 4096u));
	if (left > 4096 && left <= 8192)
		dma(ctrl, prp2, block, left - 4096);
	for (i = 0; left > 8192 && i < left / 4096 - 1; i++)
		dma(ctrl, le64_to_cpu(list[i]), block, 4096);
	ctrl_post(ctrl, qid, sqe, 0, 0);
}

/* Execute command @i that is pending. */
static void ctrl_complete(struct ctrl *ctrl, unsigned int i)
{
	struct nvme_command sqe = ctrl->pending[i].sqe;
	u16 qid = ctrl->pending[i].qid;

	ctrl->pending[i] = ctrl->pending[--ctrl->num_pending];
	ctrl_io(ctrl, qid, &sqe);
}

static u16 ctrl_create(struct ctrl *ctrl, const struct nvme_command *sqe)
{
	bool is_cq = sqe->common.opcode == nvme_admin_create_cq;
	u16 qid = le16_to_cpu(sqe->create_sq.sqid);
	struct ctrl_queue *q = is_cq ? &ctrl->cq[qid % 4] : &ctrl->sq[qid % 4];
	u16 cqid = le16_to_cpu(sqe->create_sq.cqid);

	if (!qid || qid > 3 || q->exists || (!is_cq && (cqid > 3 || !ctrl->cq[cqid].exists)))
		return NVME_SC_QID_INVALID;
	*q = (struct ctrl_queue) {
		.exists = true,
		.base = le64_to_cpu(sqe->create_sq.prp1),
		.depth = le16_to_cpu(sqe->create_sq.qsize) + 1,
		.cqid = cqid,
		.phase = true,
	};

	return 0;
}

static u16 ctrl_delete_sq(struct ctrl *ctrl, u16 qid)
{
	unsigned int i;

	if (!qid || qid > 3 || !ctrl->sq[qid].exists)
		return NVME_SC_QID_INVALID;
	for (i = 0; i < ctrl->num_pending; i++)
		if (ctrl->pending[i].qid == qid) {
			ctrl_post(ctrl, qid, &ctrl->pending[i].sqe, NVME_SC_ABORT_QUEUE, 0);
			ctrl->pending[i--] = ctrl->pending[--ctrl->num_pending];
		}
	ctrl->sq[qid].exists = false;

	return 0;
}

static u16 ctrl_identify(struct ctrl *ctrl, const struct nvme_command *sqe)
{
	u8 *id = ctrl->id;

	if (ctrl->mute)
		return NVME_SC_INVALID_FIELD;
	if (sqe->identify.cns != NVME_ID_CNS_CTRL && ctrl->gone)
		return NVME_SC_INVALID_NS;
	memset(id, 0, sizeof(ctrl->id));
	switch (sqe->identify.cns) {
	case NVME_ID_CNS_NS:
		id[0] = 1;
		id[128 + 2] = SHIFT;
		id[104] = ctrl->disk;
		break;
	case NVME_ID_CNS_CTRL:
		put_unaligned_le32(NUM_NS, id + 516);
		id[520] = ctrl->oncs;
		put_unaligned_le32(ctrl->sgls, id + 536);
		break;
	case NVME_ID_CNS_NS_DESC_LIST:
		if (ctrl->no_list)
			return NVME_SC_INVALID_FIELD;
		/* An EUI64, and a UUID */
		id[0] = 1;
		id[1] = 8;
		if (!ctrl->uuid)
			break;
		id[12] = 3;
		id[13] = 16;
		id[12 + 4 + 14] = le32_to_cpu(sqe->identify.nsid);
		id[12 + 4 + 15] = ctrl->uuid;
		break;
	default:
		return NVME_SC_INVALID_FIELD;
	}
	dma(ctrl, le64_to_cpu(sqe->identify.dptr.prp1), id, sizeof(ctrl->id));

	return 0;
}

static void ctrl_admin(struct ctrl *ctrl, const struct nvme_command *sqe)
{
	u8 fid = le32_to_cpu(sqe->common.cdw10);
	u64 prp1 = le64_to_cpu(sqe->common.dptr.prp1) % MEMORY;
	u16 status = 0;
	u32 result = 0;

	switch (sqe->common.opcode) {
	case nvme_admin_async_event:
		ctrl->aer[ctrl->num_aers++ % 8] = sqe->common.command_id;
		return;
	case nvme_admin_create_cq:
	case nvme_admin_create_sq:
		status = ctrl_create(ctrl, sqe);
		break;
	case nvme_admin_delete_sq:
		status = ctrl_delete_sq(ctrl, le16_to_cpu(sqe->delete_queue.qid));
		break;
	case nvme_admin_set_features:
		ctrl->features[fid] = le32_to_cpu(sqe->common.cdw11);
		if (fid == NVME_FEAT_HOST_BEHAVIOR)
			memcpy(ctrl->data, ctrl->world->memory + prp1, sizeof(ctrl->data));
		else if (fid == NVME_FEAT_TIMESTAMP)
			memcpy(&ctrl->timestamp, ctrl->world->memory + prp1, 8);
		break;
	case nvme_admin_get_features:
		result = fid == NVME_FEAT_NUM_QUEUES ? ctrl->queues : 0;
		if (fid == NVME_FEAT_HOST_BEHAVIOR)
			dma(ctrl, prp1, ctrl->data, sizeof(ctrl->data));
		break;
	case nvme_admin_identify:
		status = ctrl_identify(ctrl, sqe);
		break;
	case nvme_admin_dbbuf:
		ctrl->dbbuf++;
		break;
	default:
		status = NVME_SC_INVALID_OPCODE;
	}
	ctrl_post(ctrl, 0, sqe, status, result);
}

/* Who waits for a command now is killed. The thread itself is not, and goes on afterwards. */
static void kill_current(bool on)
{
	if (on)
		sigaddset(&current->pending.signal, SIGKILL);
	else
		sigdelset(&current->pending.signal, SIGKILL);
	if (on)
		set_thread_flag(TIF_SIGPENDING);
	else
		clear_thread_flag(TIF_SIGPENDING);
}

static void ctrl_fetch(struct ctrl *ctrl, u16 qid)
{
	struct ctrl_queue *sq = &ctrl->sq[qid];
	struct nvme_command sqe;

	while (sq->exists && sq->head != sq->tail) {
		memcpy(&sqe, ctrl->world->memory + sq->base + sq->head * sizeof(sqe), sizeof(sqe));
		sq->head = (sq->head + 1) % sq->depth;
		if (ctrl->hold && !--ctrl->hold) {
			ctrl->holding = true;
			ctrl->held_qid = qid;
			ctrl->held = sqe;
			kill_current(true);
		} else if (ctrl->loses) {
			ctrl->loses = false;
		} else if (!qid && ctrl->late && !ctrl->after.common.opcode) {
			ctrl->after = sqe;
		} else if (!qid) {
			ctrl_admin(ctrl, &sqe);
			if (ctrl->late)
				ctrl_admin(ctrl, &ctrl->after);
			ctrl->late = false;
		} else if (ctrl->slow && sqe.rw.opcode == nvme_cmd_read &&
			   ctrl->num_pending < PENDING) {
			ctrl->pending[ctrl->num_pending].qid = qid;
			ctrl->pending[ctrl->num_pending++].sqe = sqe;
		} else {
			ctrl_io(ctrl, qid, &sqe);
		}
	}
}

static void ctrl_set_cc(struct ctrl *ctrl, u32 cc)
{
	bool enable = cc & ~ctrl->cc & NVME_CC_ENABLE;

	if (ctrl->undying && !(cc & NVME_CC_ENABLE))
		return;
	ctrl->cc = cc;
	/* It becomes disabled when that command has completed. */
	if (!(cc & NVME_CC_ENABLE) && ctrl->holding) {
		ctrl->lag = LAG;
		return;
	}
	if (cc & NVME_CC_ENABLE && !enable)
		return;
	memset(ctrl->sq, 0, sizeof(ctrl->sq));
	memset(ctrl->cq, 0, sizeof(ctrl->cq));
	memset(ctrl->features, 0, sizeof(ctrl->features));
	memset(ctrl->data, 0, sizeof(ctrl->data));
	ctrl->timestamp = 0;
	ctrl->num_pending = 0;
	ctrl->num_aers = 0;
	ctrl->csts = enable ? NVME_CSTS_RDY : 0;
	if (!enable)
		return;
	ctrl->sq[0] = (struct ctrl_queue){ true, ctrl->asq, (ctrl->aqa & 0xfff) + 1 };
	ctrl->cq[0] = (struct ctrl_queue){ true, ctrl->acq, (ctrl->aqa >> 16) + 1,
					   .phase = true };
}

static void ctrl_write(struct ctrl *ctrl, u32 reg, u32 value)
{
	u32 qid = (reg - SNV_DOORBELLS) / 8;

	switch (reg) {
	case NVME_REG_CC:
		ctrl_set_cc(ctrl, value);
		return;
	case NVME_REG_AQA:
		ctrl->aqa = value;
		return;
	case NVME_REG_ASQ:
		ctrl->asq = value;
		return;
	case NVME_REG_ACQ:
		ctrl->acq = value;
		return;
	}
	if (reg < SNV_DOORBELLS || qid > 3)
		return;
	if (reg & 4) {
		ctrl->cq[qid].head = value;
	} else {
		ctrl->sq[qid].tail = value;
		ctrl_fetch(ctrl, qid);
	}
}

/* A command that was held completes, and the controller is disabled. */
static void ctrl_lag(struct ctrl *ctrl)
{
	if (!ctrl->lag || --ctrl->lag)
		return;
	if (ctrl->held_qid)
		ctrl_io(ctrl, ctrl->held_qid, &ctrl->held);
	else
		ctrl_admin(ctrl, &ctrl->held);
	ctrl->holding = false;
	ctrl_set_cc(ctrl, 0);
}

static u32 ctrl_read(struct ctrl *ctrl, u32 reg)
{
	switch (reg) {
	case NVME_REG_CAP:
		return 1023 | 1 << 24;
	case NVME_REG_CAP + 4:
		return 1 << 5;
	case NVME_REG_VS:
		return ctrl->version;
	case NVME_REG_CC:
		return ctrl->cc;
	case NVME_REG_CSTS:
		ctrl_lag(ctrl);
		return ctrl->csts;
	case NVME_REG_AQA:
		return ctrl->aqa;
	case NVME_REG_ASQ:
		return ctrl->asq;
	case NVME_REG_ACQ:
		return ctrl->acq;
	default:
		return 0;
	}
}

static int world_rw(void *data, struct vfio_mediate_access *access)
{
	if (access->write)
		ctrl_write(data, access->offset, access->value);
	else
		access->value = ctrl_read(data, access->offset);

	return 0;
}

static int world_trap(void *data, bool on)
{
	return 0;
}

/* The reset is handled at once. */
static int world_was_reset(void *data)
{
	return -ENODEV;
}

static const struct vfio_mediate_host_ops world_ops = {
	.rw = world_rw,
	.trap = world_trap,
	.read = world_read,
	.write = world_write,
	.mark = world_mark,
	.was_reset = world_was_reset,
};

#endif /* NVME_WORLD_H */
