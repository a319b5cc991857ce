// SPDX-License-Identifier: GPL-2.0-only
/*
 * Admin commands: which of them have state that a migration has to take along, which the device
 * must not see, and which it cannot be migrated with.
 *
 * A command counts when its completion says that it has succeeded.
 */

#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/unaligned.h>

#include "nvme.h"

#define CNS_NS		0x00	/* Identify: namespace */
#define ID_NS_FLBAS	26
#define ID_NS_LBAF	128

/**
 * snv_admin_refused() - Check whether the device must not execute a command
 * @sqe:	The command.
 *
 * Doorbells in guest memory would not be seen. Directives have streams, which have state. Doorbells
 * of queues from SNV_QUEUES on are not in the shadow page.
 *
 * Return: true if the driver is to get Invalid Opcode.
 */
bool snv_admin_refused(const struct nvme_command *sqe)
{
	switch (sqe->common.opcode) {
	case nvme_admin_create_cq:
	case nvme_admin_create_sq:
		return le16_to_cpu(sqe->create_cq.cqid) >= SNV_QUEUES;
	case nvme_admin_dbbuf:
	case nvme_admin_directive_send:
		return true;
	default:
		return false;
	}
}

/**
 * snv_feature_size() - Get the size of the data of a feature
 * @fid:	The feature.
 *
 * Return: size in bytes, or 0 if it has none.
 */
unsigned int snv_feature_size(u8 fid)
{
	switch (fid) {
	case NVME_FEAT_AUTO_PST:
		return 256;
	case NVME_FEAT_TIMESTAMP:
		return sizeof(u64);
	case NVME_FEAT_HOST_BEHAVIOR:
		return 512;
	default:
		return 0;
	}
}

/**
 * snv_feature_known() - Check whether a feature can be set again on a destination
 * @fid:	The feature.
 *
 * Return: true if its state is the command and its data.
 */
bool snv_feature_known(u8 fid)
{
	switch (fid) {
	case NVME_FEAT_ARBITRATION:
	case NVME_FEAT_POWER_MGMT:
	case NVME_FEAT_TEMP_THRESH:
	case NVME_FEAT_ERR_RECOVERY:
	case NVME_FEAT_VOLATILE_WC:
	case NVME_FEAT_NUM_QUEUES:
	case NVME_FEAT_IRQ_COALESCE:
	case NVME_FEAT_IRQ_CONFIG:
	case NVME_FEAT_WRITE_ATOMIC:
	case NVME_FEAT_ASYNC_EVENT:
	case NVME_FEAT_AUTO_PST:
	case NVME_FEAT_TIMESTAMP:
	case NVME_FEAT_HOST_BEHAVIOR:
		return true;
	default:
		return false;
	}
}

/* What a feature is set for: a sensor, a vector, or all. */
static u32 feature_key(const struct nvme_command *sqe)
{
	switch (le32_to_cpu(sqe->common.cdw10) & 0xff) {
	case NVME_FEAT_TEMP_THRESH:
		return le32_to_cpu(sqe->common.cdw11) & GENMASK(21, 16);
	case NVME_FEAT_IRQ_CONFIG:
		return le32_to_cpu(sqe->common.cdw11) & GENMASK(15, 0);
	default:
		return 0;
	}
}

static bool same_feature(const struct nvme_command *a, const struct nvme_command *b)
{
	return !((le32_to_cpu(a->common.cdw10) ^ le32_to_cpu(b->common.cdw10)) & 0xff) &&
	       a->common.nsid == b->common.nsid && feature_key(a) == feature_key(b);
}

static void set_feature(struct snv_vf *vf, const struct snv_cmd *cmd)
{
	const struct nvme_command *sqe = &cmd->sqe;
	u8 fid = le32_to_cpu(sqe->common.cdw10);
	unsigned int i, size = snv_feature_size(fid);
	struct snv_feature *feature;

	if (fid == NVME_FEAT_KATO && !sqe->common.cdw11)
		return;
	if (!snv_feature_known(fid)) {
		snv_refuse(vf, "feature", fid);
		return;
	}
	/* The last setting comes last. */
	for (i = 0; i < vf->num_features; i++)
		if (same_feature(&vf->features[i].sqe, sqe)) {
			memmove(&vf->features[i], &vf->features[i + 1],
				(--vf->num_features - i) * sizeof(*feature));
			break;
		}
	if (vf->num_features == SNV_FEATURES) {
		snv_refuse(vf, "number of features", SNV_FEATURES);
		return;
	}

	feature = &vf->features[vf->num_features];
	memset(feature, 0, sizeof(*feature));
	feature->sqe = *sqe;
	feature->size = size;
	feature->when = ktime_get_boottime_ns();
	/* While doorbells are not trapped, the driver may have other data there by now. */
	feature->lacking = size && !cmd->data;
	if (cmd->data)
		memcpy(feature->data, cmd->data, size);
	vf->num_features++;
}

/* A guest may make up completions: trust nothing that the device must have checked. */
static bool queue_is_valid(struct snv_vf *vf, unsigned int qid, u32 depth)
{
	if (qid && qid < SNV_QUEUES && depth >= 2 && depth <= NVME_CAP_MQES(vf->cap) + 1)
		return true;
	snv_refuse(vf, "queue", qid);

	return false;
}

static void create_cq(struct snv_vf *vf, const struct nvme_create_cq *c)
{
	unsigned int qid = le16_to_cpu(c->cqid);
	struct snv_cq *cq;

	if (!queue_is_valid(vf, qid, le16_to_cpu(c->qsize) + 1))
		return;
	cq = snv_new_cq(le16_to_cpu(c->qsize) + 1, le64_to_cpu(c->prp1), le16_to_cpu(c->cq_flags),
			le16_to_cpu(c->irq_vector));
	if (!cq) {
		snv_refuse(vf, "memory for queue", qid);
		return;
	}
	if (!(cq->flags & NVME_QUEUE_PHYS_CONTIG))
		snv_refuse(vf, "queue that is not contiguous", qid);
	cq->known = READ_ONCE(vf->own_trap) || vf->tracked;
	snv_drop_cq(vf, qid);
	vf->cq[qid] = cq;
}

static void create_sq(struct snv_vf *vf, const struct nvme_create_sq *c)
{
	unsigned int qid = le16_to_cpu(c->sqid), cqid = le16_to_cpu(c->cqid);
	struct snv_sq *sq;

	if (!queue_is_valid(vf, qid, le16_to_cpu(c->qsize) + 1))
		return;
	if (!cqid || cqid >= SNV_QUEUES || !vf->cq[cqid]) {
		snv_refuse(vf, "completion queue", cqid);
		return;
	}
	sq = snv_new_sq(qid, cqid, le16_to_cpu(c->qsize) + 1, le64_to_cpu(c->prp1),
			le16_to_cpu(c->sq_flags));
	if (!sq) {
		snv_refuse(vf, "memory for queue", qid);
		return;
	}
	if (!(sq->flags & NVME_QUEUE_PHYS_CONTIG))
		snv_refuse(vf, "queue that is not contiguous", qid);
	sq->exact = READ_ONCE(vf->own_trap) || vf->tracked;
	sq->rung = !sq->exact;
	/* Completions of the queue that had the ID before look like those of this one. */
	if (!sq->exact && vf->cq[cqid]->reused)
		snv_refuse(vf, "queue that was made anew", qid);
	snv_drop_sq(vf, qid);
	vf->sq[qid] = sq;
}

static void delete_queue(struct snv_vf *vf, unsigned int qid, bool cq)
{
	if (!qid || qid >= SNV_QUEUES)
		return;
	if (!cq && vf->sq[qid] && vf->cq[vf->sq[qid]->cqid])
		vf->cq[vf->sq[qid]->cqid]->reused = true;
	if (cq)
		snv_drop_cq(vf, qid);
	else
		snv_drop_sq(vf, qid);
}

/**
 * snv_take_lba() - Get the size of blocks from the data structure of a namespace
 * @id:	The data.
 *
 * Metadata at the end of each block counts as much as the block, at most.
 *
 * Return: the binary logarithm, or 0 if the data is no such structure.
 */
unsigned int snv_take_lba(const u8 *id)
{
	unsigned int format = id[ID_NS_FLBAS] & 0xf;
	unsigned int shift;

	format |= (id[ID_NS_FLBAS] & 0x60) >> 1;
	shift = id[ID_NS_LBAF + 4 * format + 2];
	if (shift < 9 || shift > 16)
		return 0;
	if (id[ID_NS_FLBAS] & BIT(4) && get_unaligned_le16(id + ID_NS_LBAF + 4 * format))
		shift = get_unaligned_le16(id + ID_NS_LBAF + 4 * format) <= BIT(shift) ?
			shift + 1 : 17;

	return shift;
}

/*
 * The driver may have got the data already and use the memory for something else. So this is a
 * guess, which is verified while the guest does not run.
 */
static void identified(struct snv_vf *vf, const struct nvme_command *sqe)
{
	u64 prp1 = le64_to_cpu(sqe->identify.dptr.prp1);
	unsigned int shift;
	struct snv_ns *ns;
	u8 id[ID_NS_LBAF + 64 * 4];

	if (sqe->identify.cns != CNS_NS || offset_in_page(prp1) > PAGE_SIZE - sizeof(id) ||
	    vfio_mediate_read(vf->dev, prp1, id, sizeof(id)))
		return;
	ns = snv_find_ns(vf, le32_to_cpu(sqe->identify.nsid), true);
	shift = snv_take_lba(id);
	if (ns && !ns->sure && shift)
		ns->shift = shift;
}

/**
 * snv_admin_done() - An admin command has completed
 * @vf:		The VF, locked.
 * @cmd:	The command.
 * @cqe:	Its completion.
 */
void snv_admin_done(struct snv_vf *vf, const struct snv_cmd *cmd,
		    const struct nvme_completion *cqe)
{
	const struct nvme_command *sqe = &cmd->sqe;

	if (le16_to_cpu(cqe->status) >> 1)
		return;

	switch (sqe->common.opcode) {
	case nvme_admin_create_cq:
		create_cq(vf, &sqe->create_cq);
		break;
	case nvme_admin_create_sq:
		create_sq(vf, &sqe->create_sq);
		break;
	case nvme_admin_delete_cq:
	case nvme_admin_delete_sq:
		delete_queue(vf, le16_to_cpu(sqe->delete_queue.qid),
			     sqe->common.opcode == nvme_admin_delete_cq);
		break;
	case nvme_admin_set_features:
		set_feature(vf, cmd);
		break;
	case nvme_admin_identify:
		identified(vf, sqe);
		break;
	case nvme_admin_get_log_page:
	case nvme_admin_abort_cmd:
	case nvme_admin_get_features:
	case nvme_admin_async_event:
	case nvme_admin_keep_alive:
	case nvme_admin_directive_recv:
	case nvme_admin_format_nvm:
	case nvme_admin_get_lba_status:
		break;
	default:
		snv_refuse(vf, "admin command", sqe->common.opcode);
	}
}
