// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving and loading. A stream is loaded into copies of its records, which are checked as a whole.
 * The device is programmed when it runs, as that needs guest memory.
 */

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/linux/vfio.h>

#include "state.h"

/**
 * struct snv_state - Records that were loaded
 * @has_ctrl:	@ctrl has come.
 * @ctrl:		The records.
 * @cq:		The records.
 * @sq:		The records.
 * @feature:	The records.
 * @ns:		The records.
 * @ident:	The record, or zeros.
 * @has_ident:	@ident has come.
 * @num_cq:	Their number.
 * @num_sq:	Their number.
 * @num_feature:	Their number.
 * @num_ns:	Their number.
 * @applied:	The model of the VF was made of them.
 */
struct snv_state {
	bool has_ctrl;
	struct snv_rec_ctrl ctrl;
	struct snv_rec_cq cq[SNV_QUEUES];
	struct snv_rec_sq sq[SNV_QUEUES];
	struct snv_rec_feature feature[SNV_FEATURES];
	struct snv_rec_ns ns[SNV_NAMESPACES];
	struct snv_ident ident;
	bool has_ident;
	unsigned int num_cq;
	unsigned int num_sq;
	unsigned int num_feature;
	unsigned int num_ns;
	bool applied;
};

/**
 * snv_state_free() - Free what was loaded
 * @vf:	The VF, locked or not in use.
 */
void snv_state_free(struct snv_vf *vf)
{
	kvfree(vf->loading);
	vf->loading = NULL;
}

static void put_ctrl(struct snv_vf *vf, struct snv_rec_ctrl *rec)
{
	struct snv_sq *sq = vf->sq[0];
	unsigned int n = 0;
	u32 i, k;

	rec->cc = cpu_to_le32(vf->cc);
	rec->aqa = cpu_to_le32(vf->aqa);
	rec->asq = cpu_to_le64(vf->asq);
	rec->acq = cpu_to_le64(vf->acq);
	rec->flags = cpu_to_le32((vf->enabled ? SNV_REC_ENABLED : 0) |
				 (vf->pending ? SNV_REC_PENDING : 0));
	if (!vf->enabled)
		return;

	rec->head = cpu_to_le32(sq->head);
	rec->tail = cpu_to_le32(sq->tail);
	rec->held = cpu_to_le32(sq->held);
	rec->cq_pos = cpu_to_le32(vf->cq[0]->pos);
	rec->cq_head = cpu_to_le32(vf->cq[0]->head);
	for (i = 0, k = sq->tail; i < sq->depth; i++, k = (k + 1) % sq->depth)
		if (snv_is_aer(&sq->cmd[k]) && n < SNV_MAX_AERS)
			rec->aer[n++] = (__force __le16)sq->cmd[k].sqe.common.command_id;
	rec->num_aers = cpu_to_le32(n);
}

static void put_cq(const struct snv_cq *cq, unsigned int qid, struct snv_rec_cq *rec)
{
	rec->base = cpu_to_le64(cq->base);
	rec->depth = cpu_to_le32(cq->depth);
	rec->pos = cpu_to_le32(cq->pos);
	rec->head = cpu_to_le32(cq->head);
	rec->qid = cpu_to_le16(qid);
	rec->flags = cpu_to_le16(cq->flags);
	rec->vector = cpu_to_le16(cq->vector);
}

static void put_sq(const struct snv_sq *sq, struct snv_rec_sq *rec)
{
	rec->base = cpu_to_le64(sq->base);
	rec->depth = cpu_to_le32(sq->depth);
	rec->head = cpu_to_le32(sq->head);
	rec->held = cpu_to_le32(sq->held);
	rec->qid = cpu_to_le16(sq->qid);
	rec->cqid = cpu_to_le16(sq->cqid);
	rec->flags = cpu_to_le16(sq->flags);
}

static void put_feature(const struct snv_feature *feature, struct snv_rec_feature *rec)
{
	u64 age = ktime_get_boottime_ns() - feature->when;

	rec->nsid = feature->sqe.common.nsid;
	memcpy(rec->cdw, &feature->sqe.common.cdws, sizeof(rec->cdw));
	rec->size = cpu_to_le32(feature->size);
	rec->age_ms = cpu_to_le64(div_u64(age, NSEC_PER_MSEC));
	memcpy(rec->data, feature->data, sizeof(rec->data));
}

static int put(struct vfio_mediate_record *record, u16 type, u32 length)
{
	record->type = type;
	record->length = length;
	memset(record->data, 0, length);

	return 1;
}

/* Write record @n of the VF. Return 1, or 0 if there is none. */
static int put_record(struct snv_vf *vf, unsigned int n, struct vfio_mediate_record *record)
{
	unsigned int qid;
	int ret;

	if (!n--) {
		ret = put(record, SNV_REC_CTRL, sizeof(struct snv_rec_ctrl));
		put_ctrl(vf, record->data);
		return ret;
	}
	for (qid = 1; qid < SNV_QUEUES; qid++) {
		if (!vf->cq[qid] || n--)
			continue;
		ret = put(record, SNV_REC_CQ, sizeof(struct snv_rec_cq));
		put_cq(vf->cq[qid], qid, record->data);
		return ret;
	}
	for (qid = 1; qid < SNV_QUEUES; qid++) {
		if (!vf->sq[qid] || n--)
			continue;
		ret = put(record, SNV_REC_SQ, sizeof(struct snv_rec_sq));
		put_sq(vf->sq[qid], record->data);
		return ret;
	}
	if (n < vf->num_features) {
		ret = put(record, SNV_REC_FEATURE, sizeof(struct snv_rec_feature));
		put_feature(&vf->features[n], record->data);
		return ret;
	}
	n -= vf->num_features;
	if (n < vf->num_ns) {
		struct snv_rec_ns *rec = record->data;

		ret = put(record, SNV_REC_NS, sizeof(*rec));
		/* A destination that does not know all of it cannot compare it. */
		record->optional = !vf->ns[n].has_list;
		rec->nsid = cpu_to_le32(vf->ns[n].nsid);
		rec->shift = cpu_to_le32(vf->ns[n].shift);
		rec->blocks = cpu_to_le64(vf->ns[n].blocks);
		memcpy(rec->nguid, vf->ns[n].nguid, sizeof(rec->nguid));
		memcpy(rec->eui64, vf->ns[n].eui64, sizeof(rec->eui64));
		memcpy(rec->uuid, vf->ns[n].uuid, sizeof(rec->uuid));
		rec->flags = cpu_to_le32(vf->ns[n].has_list ? SNV_REC_NS_UUID : 0);
		return ret;
	}
	if (n == vf->num_ns && vf->ident.flags) {
		ret = put(record, SNV_REC_IDENT, sizeof(vf->ident));
		record->optional = true;
		memcpy(record->data, &vf->ident, sizeof(vf->ident));
		return ret;
	}

	return 0;
}

static int check_reason(struct snv_vf *vf)
{
	if (vf->strange)
		dev_warn_ratelimited(&vf->dev->pdev->dev, "device cannot be migrated: it is not the one that the guest had\n");
	else if (vf->reason[0])
		dev_warn_ratelimited(&vf->dev->pdev->dev, "device cannot be migrated until its driver resets it: %s\n",
				     vf->reason);
	else
		return 0;

	return -EOPNOTSUPP;
}

static int snv_save_begin(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	int ret = 0;

	snv_lock(vf);
	if (vf->enabled && !vf->stopped)
		ret = snv_follow(vf);
	if (!ret)
		ret = check_reason(vf);
	snv_unlock(vf);

	return ret;
}

static int snv_save(struct vfio_mediate_device *dev, struct vfio_mediate_record *record)
{
	struct snv_vf *vf = dev->handle;
	int ret;

	snv_lock(vf);
	ret = check_reason(vf);
	if (!ret)
		ret = put_record(vf, record->index, record);
	snv_unlock(vf);

	return ret;
}

static u64 snv_size(struct vfio_mediate_device *dev)
{
	return sizeof(struct snv_rec_ctrl) + 8 * sizeof(struct snv_rec_feature) +
	       SNV_QUEUES * (sizeof(struct snv_rec_cq) + sizeof(struct snv_rec_sq));
}

static int snv_load_begin(struct vfio_mediate_device *dev, u32 version, u64 features)
{
	struct snv_vf *vf = dev->handle;
	struct snv_state *state;

	state = kvzalloc(sizeof(*state), GFP_KERNEL_ACCOUNT);
	if (!state)
		return -ENOMEM;

	snv_lock(vf);
	snv_state_free(vf);
	vf->loading = state;
	snv_unlock(vf);

	return 0;
}

/* Copy a record into an array. */
static int take(const struct vfio_mediate_record *record, void *array, unsigned int *count,
		unsigned int max, size_t size, size_t least)
{
	int ret;

	if (*count == max)
		return -EMSGSIZE;

	ret = vfio_mediate_take_record(record, array + *count * size, size, least);
	/* One that is not known, and optional, is not taken. */
	if (!ret)
		(*count)++;

	return ret;
}

static int snv_load(struct vfio_mediate_device *dev, const struct vfio_mediate_record *record)
{
	struct snv_vf *vf = dev->handle;
	struct snv_state *state;
	int ret = -EINVAL;

	snv_lock(vf);
	state = vf->loading;
	if (!state)
		goto out;
	switch (record->type) {
	case SNV_REC_CTRL:
		if (!state->has_ctrl)
			ret = vfio_mediate_take_record(record, &state->ctrl, sizeof(state->ctrl),
						       sizeof(state->ctrl));
		state->has_ctrl = true;
		break;
	case SNV_REC_CQ:
		ret = take(record, state->cq, &state->num_cq, SNV_QUEUES - 1, sizeof(*state->cq),
			   sizeof(*state->cq));
		break;
	case SNV_REC_SQ:
		ret = take(record, state->sq, &state->num_sq, SNV_QUEUES - 1, sizeof(*state->sq),
			   sizeof(*state->sq));
		break;
	case SNV_REC_FEATURE:
		ret = take(record, state->feature, &state->num_feature, SNV_FEATURES,
			   sizeof(*state->feature), sizeof(*state->feature));
		break;
	case SNV_REC_NS:
		ret = take(record, state->ns, &state->num_ns, SNV_NAMESPACES, sizeof(*state->ns),
			   SNV_REC_NS_LEAST);
		break;
	case SNV_REC_IDENT:
		if (!state->has_ident)
			ret = vfio_mediate_take_record(record, &state->ident, sizeof(state->ident),
						       sizeof(state->ident));
		state->has_ident = true;
		break;
	default:
		ret = -EOPNOTSUPP;
	}
out:
	snv_unlock(vf);

	return ret;
}

/* A queue is in whole pages from a page on, and within the address space. */
static bool ring_is_valid(u64 base, u32 depth, u32 max, size_t entry, u32 page)
{
	return depth >= 2 && depth <= max && !(base & (page - 1)) &&
	       base + depth * entry > base;
}

static bool head_is_valid(__le32 head, u32 depth)
{
	return le32_to_cpu(head) < depth || le32_to_cpu(head) == SNV_UNUSED;
}

static int check_ctrl(u64 cap, const struct snv_rec_ctrl *rec)
{
	u32 cc = le32_to_cpu(rec->cc), aqa = le32_to_cpu(rec->aqa);
	u32 mps = cc >> NVME_CC_MPS_SHIFT & 0xf, css = cc >> NVME_CC_CSS_SHIFT & 7;
	u32 depth = (aqa & 0xfff) + 1, cq_depth = (aqa >> 16 & 0xfff) + 1, total;
	u32 flags = le32_to_cpu(rec->flags), aers = le32_to_cpu(rec->num_aers);

	if (flags & ~(SNV_REC_ENABLED | SNV_REC_PENDING) ||
	    flags == (SNV_REC_ENABLED | SNV_REC_PENDING) ||
	    !(cc & NVME_CC_ENABLE) != !flags)
		return -EINVAL;
	if (rec->reserved)
		return -EINVAL;
	if (!(flags & SNV_REC_ENABLED))
		return 0;

	if (mps < NVME_CAP_MPSMIN(cap) || mps > NVME_CAP_MPSMAX(cap) ||
	    !(NVME_CAP_CSS(cap) & BIT(css)))
		return -EINVAL;
	if (!ring_is_valid(le64_to_cpu(rec->asq), depth, 4096, SNV_SQE_SIZE, 4096 << mps) ||
	    !ring_is_valid(le64_to_cpu(rec->acq), cq_depth, 4096, SNV_CQE_SIZE, 4096 << mps))
		return -EINVAL;
	if (le32_to_cpu(rec->head) >= depth || le32_to_cpu(rec->tail) >= depth ||
	    !head_is_valid(rec->held, depth) || le32_to_cpu(rec->cq_pos) >= 2 * cq_depth ||
	    !head_is_valid(rec->cq_head, cq_depth) || aers > SNV_MAX_AERS || aers >= depth)
		return -EINVAL;
	if (!snv_admin_laps(depth, le32_to_cpu(rec->tail), cq_depth, le32_to_cpu(rec->cq_pos), aers,
			    0, &total))
		return -EINVAL;

	return 0;
}

static int check_queues(const struct snv_state *state, u64 cap, u32 vectors)
{
	u32 cc = le32_to_cpu(state->ctrl.cc), max = NVME_CAP_MQES(cap) + 1;
	u32 page = 4096 << (cc >> NVME_CC_MPS_SHIFT & 0xf);
	DECLARE_BITMAP(cqs, SNV_QUEUES) = { };
	DECLARE_BITMAP(sqs, SNV_QUEUES) = { };
	DECLARE_BITMAP(served, SNV_QUEUES) = { };
	unsigned int i, qid;
	u32 depth;

	if (!(le32_to_cpu(state->ctrl.flags) & SNV_REC_ENABLED))
		return state->num_cq || state->num_sq || state->num_feature ? -EINVAL : 0;
	if (!snv_admin_fits((le32_to_cpu(state->ctrl.aqa) & 0xfff) + 1, state->num_feature))
		return -EINVAL;
	if (state->num_cq && (cc >> NVME_CC_IOSQES_SHIFT & 0xff) !=
			     (NVME_NVM_IOSQES | NVME_NVM_IOCQES << 4))
		return -EINVAL;

	for (i = 0; i < state->num_cq; i++) {
		const struct snv_rec_cq *rec = &state->cq[i];

		qid = le16_to_cpu(rec->qid);
		depth = le32_to_cpu(rec->depth);
		if (!qid || qid >= SNV_QUEUES || __test_and_set_bit(qid, cqs) ||
		    !ring_is_valid(le64_to_cpu(rec->base), depth, max, SNV_CQE_SIZE, page) ||
		    le32_to_cpu(rec->pos) >= 2 * depth || !head_is_valid(rec->head, depth) ||
		    le16_to_cpu(rec->vector) >= vectors ||
		    memchr_inv(rec->reserved, 0, sizeof(rec->reserved)) ||
		    (le16_to_cpu(rec->flags) & ~NVME_CQ_IRQ_ENABLED) != NVME_QUEUE_PHYS_CONTIG)
			return -EINVAL;
	}
	for (i = 0; i < state->num_sq; i++) {
		const struct snv_rec_sq *rec = &state->sq[i];

		qid = le16_to_cpu(rec->qid);
		depth = le32_to_cpu(rec->depth);
		if (!qid || qid >= SNV_QUEUES || __test_and_set_bit(qid, sqs) ||
		    le16_to_cpu(rec->cqid) >= SNV_QUEUES ||
		    !test_bit(le16_to_cpu(rec->cqid), cqs) ||
		    !ring_is_valid(le64_to_cpu(rec->base), depth, max, SNV_SQE_SIZE, page) ||
		    le32_to_cpu(rec->head) >= depth || !head_is_valid(rec->held, depth) ||
		    memchr_inv(rec->reserved, 0, sizeof(rec->reserved)) ||
		    (le16_to_cpu(rec->flags) & ~NVME_SQ_PRIO_LOW) != NVME_QUEUE_PHYS_CONTIG)
			return -EINVAL;
		__set_bit(le16_to_cpu(rec->cqid), served);
	}
	/* A position is reached by commands. */
	for (i = 0; i < state->num_cq; i++)
		if (state->cq[i].pos && !test_bit(le16_to_cpu(state->cq[i].qid), served))
			return -EINVAL;

	return 0;
}

static int check_features(const struct snv_state *state)
{
	unsigned int i;

	for (i = 0; i < state->num_feature; i++) {
		u8 fid = le32_to_cpu(state->feature[i].cdw[0]);

		if (!snv_feature_known(fid) ||
		    le32_to_cpu(state->feature[i].size) != snv_feature_size(fid) ||
		    le64_to_cpu(state->feature[i].age_ms) > U32_MAX)
			return -EINVAL;
	}

	return 0;
}

/* What a device is said to be, and its namespaces */
static int check_ident(const struct snv_state *state)
{
	const struct snv_ident *ident = &state->ident;
	const struct snv_rec_ns *ns = state->ns;
	u32 flags = le32_to_cpu(ident->flags), nn = U32_MAX - 1;
	unsigned int i, k;

	if (flags & ~(SNV_IDENT_REGS | SNV_IDENT_CTRL) || flags == SNV_IDENT_CTRL ||
	    memchr_inv(ident->reserved, 0, sizeof(ident->reserved)))
		return -EINVAL;
	if (flags & SNV_IDENT_CTRL)
		nn = min(nn, le32_to_cpu(ident->nn));
	for (i = 0; i < state->num_ns; i++) {
		u32 nsid = le32_to_cpu(ns[i].nsid), shift = le32_to_cpu(ns[i].shift);

		if (!nsid || (nsid > nn && ns[i].blocks) || shift < 9 || shift > 17 ||
		    ns[i].reserved || le32_to_cpu(ns[i].flags) & ~SNV_REC_NS_UUID)
			return -EINVAL;
		for (k = 0; k < i; k++)
			if (ns[k].nsid == ns[i].nsid)
				return -EINVAL;
	}

	return 0;
}

/**
 * snv_state_check() - Check what was loaded as a whole
 * @state:	The records.
 * @cap:	CAP of the device.
 * @vectors:	Number of its interrupt vectors.
 *
 * Return: 0 or -EINVAL.
 */
static int snv_state_check(const struct snv_state *state, u64 cap, u32 vectors)
{
	int ret = -EINVAL;

	if (state->has_ctrl)
		ret = check_ctrl(cap, &state->ctrl);
	if (!ret)
		ret = check_queues(state, cap, vectors);

	return ret ?: check_features(state);
}

static int take_admin(struct snv_vf *vf, const struct snv_rec_ctrl *rec)
{
	struct snv_sq *sq;
	struct snv_cq *cq;
	unsigned int i;

	sq = snv_new_sq(0, 0, (vf->aqa & 0xfff) + 1, vf->asq, 0);
	cq = snv_new_cq((vf->aqa >> 16 & 0xfff) + 1, vf->acq, 0, 0);
	vf->sq[0] = sq;
	vf->cq[0] = cq;
	if (!sq || !cq)
		return -ENOMEM;

	sq->head = le32_to_cpu(rec->head);
	sq->tail = le32_to_cpu(rec->tail);
	sq->held = le32_to_cpu(rec->held);
	cq->pos = le32_to_cpu(rec->cq_pos);
	cq->marked = cq->pos;
	cq->head = le32_to_cpu(rec->cq_head);
	sq->inflight = le32_to_cpu(rec->num_aers);
	sq->rung = sq->tail || cq->pos;
	for (i = 0; i < sq->inflight; i++) {
		struct snv_cmd *cmd =
			&sq->cmd[(sq->tail + sq->depth - sq->inflight + i) % sq->depth];

		cmd->sqe.common.opcode = nvme_admin_async_event;
		cmd->sqe.common.command_id = (__force u16)rec->aer[i];
		cmd->slot = SNV_INFLIGHT;
	}

	return 0;
}

static int take_queues(struct snv_vf *vf, const struct snv_state *state)
{
	const struct snv_rec_cq *rec_cq = state->cq;
	const struct snv_rec_sq *rec_sq = state->sq;
	unsigned int i, qid;
	struct snv_cq *cq;
	struct snv_sq *sq;

	for (i = 0; i < state->num_cq; i++, rec_cq++) {
		cq = snv_new_cq(le32_to_cpu(rec_cq->depth), le64_to_cpu(rec_cq->base),
				le16_to_cpu(rec_cq->flags), le16_to_cpu(rec_cq->vector));
		if (!cq)
			return -ENOMEM;
		vf->cq[le16_to_cpu(rec_cq->qid)] = cq;
		cq->pos = le32_to_cpu(rec_cq->pos);
		cq->marked = cq->pos;
		cq->head = le32_to_cpu(rec_cq->head);
	}
	for (i = 0; i < state->num_sq; i++, rec_sq++) {
		qid = le16_to_cpu(rec_sq->qid);
		sq = snv_new_sq(qid, le16_to_cpu(rec_sq->cqid), le32_to_cpu(rec_sq->depth),
				le64_to_cpu(rec_sq->base), le16_to_cpu(rec_sq->flags));
		if (!sq)
			return -ENOMEM;
		vf->sq[qid] = sq;
		sq->head = le32_to_cpu(rec_sq->head);
		sq->tail = sq->head;
		sq->held = le32_to_cpu(rec_sq->held);
		sq->rung = true;
	}

	return 0;
}

static void take_features(struct snv_vf *vf, const struct snv_state *state)
{
	const struct snv_rec_feature *rec = state->feature;
	struct snv_feature *feature = vf->features;
	u64 now = ktime_get_boottime_ns();
	unsigned int i;

	for (i = 0; i < state->num_feature; i++, rec++, feature++) {
		memset(feature, 0, sizeof(*feature));
		feature->sqe.common.opcode = nvme_admin_set_features;
		feature->sqe.common.nsid = rec->nsid;
		memcpy(&feature->sqe.common.cdws, rec->cdw, sizeof(rec->cdw));
		feature->size = le32_to_cpu(rec->size);
		feature->when = now - le64_to_cpu(rec->age_ms) * NSEC_PER_MSEC;
		memcpy(feature->data, rec->data, sizeof(rec->data));
	}
	vf->num_features = state->num_feature;

	for (i = 0; i < state->num_ns; i++) {
		vf->ns[i] = (struct snv_ns) {
			.nsid = le32_to_cpu(state->ns[i].nsid),
			.shift = le32_to_cpu(state->ns[i].shift),
			.blocks = le64_to_cpu(state->ns[i].blocks),
			.has_list = state->ns[i].flags,
		};
		memcpy(vf->ns[i].nguid, state->ns[i].nguid, sizeof(vf->ns[i].nguid));
		memcpy(vf->ns[i].eui64, state->ns[i].eui64, sizeof(vf->ns[i].eui64));
		memcpy(vf->ns[i].uuid, state->ns[i].uuid, sizeof(vf->ns[i].uuid));
	}
	vf->num_ns = state->num_ns;
}

static void drop_loaded(struct snv_vf *vf)
{
	snv_forget(vf);
	vf->enabled = false;
	vf->pending = false;
	vf->arriving = false;
	vf->cc = 0;
}

static int apply(struct snv_vf *vf, struct snv_state *state)
{
	int vectors = pci_msix_vec_count(vf->dev->pdev), ret;
	u32 csts;
	u64 cap;

	ret = snv_read_reg64(vf, NVME_REG_CAP, &cap);
	if (!ret)
		ret = snv_read_reg(vf, NVME_REG_CSTS, &csts);
	if (ret)
		return ret;
	if (csts & NVME_CSTS_CFS) {
		dev_warn_ratelimited(&vf->dev->pdev->dev, "device is offline: have its PF bring it online\n");
		return -EIO;
	}
	vf->cap = cap;
	ret = check_ident(state);
	if (!ret)
		ret = snv_ident_check_regs(vf, &state->ident);
	if (ret && ret != -EINVAL)
		return ret;
	if (!ret)
		ret = snv_state_check(state, vf->cap, max(vectors, 1));
	if (ret) {
		dev_warn_ratelimited(&vf->dev->pdev->dev, "loaded state does not suit the device\n");
		return ret;
	}

	drop_loaded(vf);
	vf->cc = le32_to_cpu(state->ctrl.cc);
	vf->aqa = le32_to_cpu(state->ctrl.aqa);
	vf->asq = le64_to_cpu(state->ctrl.asq);
	vf->acq = le64_to_cpu(state->ctrl.acq);
	vf->pending = le32_to_cpu(state->ctrl.flags) & SNV_REC_PENDING;
	vf->ident = state->ident;
	vf->arriving = true;
	state->applied = true;
	if (!(le32_to_cpu(state->ctrl.flags) & SNV_REC_ENABLED))
		return 0;

	ret = take_admin(vf, &state->ctrl);
	if (!ret)
		ret = take_queues(vf, state);
	if (ret) {
		drop_loaded(vf);
		return ret;
	}
	take_features(vf, state);
	vf->enabled = true;

	return 0;
}

static int snv_apply(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	int ret;

	snv_lock(vf);
	/* A device that could not be stopped wholly has to be reset before. */
	if (vf->parked)
		ret = -EBUSY;
	else
		ret = vf->loading && vf->stopped ? apply(vf, vf->loading) : -EINVAL;
	snv_unlock(vf);

	return ret;
}

static void snv_load_end(struct vfio_mediate_device *dev, int error)
{
	struct snv_vf *vf = dev->handle;

	snv_lock(vf);
	if (error && vf->loading && vf->loading->applied && vf->stopped)
		drop_loaded(vf);
	snv_state_free(vf);
	snv_unlock(vf);
}

static int snv_stop(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	int ret;

	snv_lock(vf);
	ret = snv_quiesce(vf);
	snv_unlock(vf);

	return ret;
}

static int snv_resume(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;
	int ret;

	snv_lock(vf);
	ret = snv_run(vf);
	snv_unlock(vf);

	return ret;
}

/* A quiesced device is a stopped one. */
const struct vfio_mediate_migration_ops snv_migration_ops = {
	.version = SNV_STATE_VERSION,
	.min_version = SNV_STATE_VERSION,
	.run = snv_resume,
	.quiesce = snv_stop,
	.stop = snv_stop,
	.size = snv_size,
	.save_begin = snv_save_begin,
	.save = snv_save,
	.load_begin = snv_load_begin,
	.load = snv_load,
	.apply = snv_apply,
	.load_end = snv_load_end,
};
