// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory a command writes. Addresses are read when the command is submitted, as the driver may
 * use their memory for something else once it has completed.
 */

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "nvme.h"

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

	snv_free_ranges(vf, cmd);
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
