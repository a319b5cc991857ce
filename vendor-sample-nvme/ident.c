// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest's driver has read of its controller and keeps for good: limits, number of queues,
 * and which disk it is. A destination is compared with the source. Most of that only commands
 * tell, which need guest memory, so it is done when the device runs, before it has queues.
 */

#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "nvme.h"

/* Identify Controller */
#define ID_SERIAL	4
#define ID_MODEL	24
#define ID_MDTS		77
#define ID_OACS		256
#define ID_NN		516
#define ID_ONCS		520
#define ID_VWC		525
#define ID_SGLS		536
#define ID_SUBNQN	768
/* Identify Namespace */
#define ID_NSZE		0
#define ID_NGUID	104
#define ID_EUI64	120
/* Namespace identification descriptors */
#define DESC_TYPE	0
#define DESC_LENGTH	1
#define DESC_ID		4

#define SGLS_SUPPORT	GENMASK(1, 0)
#define SGLS_ALIGNED	2		/* of SGLS_SUPPORT: addresses and lengths in dwords */
#define SGLS_THRESHOLD	GENMASK(15, 8)	/* advice */

/* Have the device identify itself or a namespace. Returns as snv_own_execute(). */
static int snv_identify(struct snv_vf *vf, u64 iova, u8 cns, u32 nsid, u8 *id)
{
	struct nvme_command sqe = {
		.identify.opcode = nvme_admin_identify,
		.identify.nsid = cpu_to_le32(nsid),
		.identify.dptr.prp1 = cpu_to_le64(iova),
		.identify.cns = cns,
	};
	int ret = snv_own_execute(vf, &sqe);

	return ret ?: vfio_mediate_read(vf->dev, iova, id, NVME_IDENTIFY_DATA_SIZE);
}

/* The list ends with its memory, or with a descriptor without an ID. */
static void take_uuid(const u8 *id, struct snv_ns *ns)
{
	unsigned int at, next;

	for (at = 0; at <= NVME_IDENTIFY_DATA_SIZE - DESC_ID; at = next) {
		next = at + DESC_ID + id[at + DESC_LENGTH];
		if (next == at + DESC_ID || next > NVME_IDENTIFY_DATA_SIZE)
			return;
		if (id[at + DESC_TYPE] == NVME_NIDT_UUID &&
		    id[at + DESC_LENGTH] == sizeof(ns->uuid))
			memcpy(ns->uuid, id + at + DESC_ID, sizeof(ns->uuid));
	}
}

/**
 * snv_identify_ns() - Ask the device which namespace has an ID
 * @vf:		The VF, locked. The admin queue is ours.
 * @iova:	Memory of NVME_IDENTIFY_DATA_SIZE bytes that the device may write.
 * @id:		Buffer as large.
 * @nsid:	The ID.
 * @ns:		The namespace. Without @shift and @blocks, there is none.
 *
 * Return: the status of the command, or a negative errno.
 */
int snv_identify_ns(struct snv_vf *vf, u64 iova, u8 *id, u32 nsid, struct snv_ns *ns)
{
	int ret;

	*ns = (struct snv_ns) { .nsid = nsid };
	ret = snv_identify(vf, iova, NVME_ID_CNS_NS, nsid, id);
	if (ret)
		return ret;
	ns->shift = snv_take_lba(id);
	if (!ns->shift)
		return 0;
	ns->blocks = get_unaligned_le64(id + ID_NSZE);
	memcpy(ns->nguid, id + ID_NGUID, sizeof(ns->nguid));
	memcpy(ns->eui64, id + ID_EUI64, sizeof(ns->eui64));

	/* Controllers before version 1.3 have no such list. */
	ret = snv_identify(vf, iova, NVME_ID_CNS_NS_DESC_LIST, nsid, id);
	ns->has_list = !ret;
	if (!ret)
		take_uuid(id, ns);

	return min(ret, 0);
}

static void take_ctrl(const u8 *id, struct snv_ident *ident)
{
	ident->mdts = id[ID_MDTS];
	ident->vwc = id[ID_VWC];
	memcpy(&ident->oacs, id + ID_OACS, sizeof(ident->oacs));
	memcpy(&ident->oncs, id + ID_ONCS, sizeof(ident->oncs));
	memcpy(&ident->nn, id + ID_NN, sizeof(ident->nn));
	memcpy(&ident->sgls, id + ID_SGLS, sizeof(ident->sgls));
	memcpy(ident->serial, id + ID_SERIAL, sizeof(ident->serial));
	memcpy(ident->model, id + ID_MODEL, sizeof(ident->model));
	memcpy(ident->subnqn, id + ID_SUBNQN, sizeof(ident->subnqn));
	ident->flags |= cpu_to_le32(SNV_IDENT_CTRL);
}

/**
 * snv_drop_false_ns() - Forget namespaces that the device cannot have
 * @vf:	The VF, locked. It is known what it is.
 *
 * A guest may make up the completion of a command that has failed. No destination would take an ID
 * above NN.
 */
void snv_drop_false_ns(struct snv_vf *vf)
{
	unsigned int i, kept = 0;

	if (!(vf->ident.flags & cpu_to_le32(SNV_IDENT_CTRL)))
		return;
	for (i = 0; i < vf->num_ns; i++)
		if (vf->ns[i].nsid <= le32_to_cpu(vf->ident.nn))
			vf->ns[kept++] = vf->ns[i];
	vf->num_ns = kept;
}

/**
 * snv_ident_regs() - Read registers that tell what the device is
 * @vf:		The VF, locked. &snv_vf.cap is known.
 * @ident:	What it is, with SNV_IDENT_REGS.
 *
 * Return: 0 or a negative errno of snv_read_reg().
 */
int snv_ident_regs(struct snv_vf *vf, struct snv_ident *ident)
{
	u32 version;
	int ret;

	memset(ident, 0, sizeof(*ident));
	ret = snv_read_reg(vf, NVME_REG_VS, &version);
	if (ret)
		return ret;
	ident->cap = cpu_to_le64(vf->cap);
	ident->version = cpu_to_le32(version);
	ident->flags = cpu_to_le32(SNV_IDENT_REGS);

	return 0;
}

/**
 * snv_ident_fetch() - Ask the device what it is
 * @vf:		The VF, locked. The admin queue is ours.
 * @iova:	Memory for the answer, of NVME_IDENTIFY_DATA_SIZE bytes, or 0.
 * @id:		Buffer as large.
 * @ident:	What it is.
 *
 * Return: 0 or a negative errno.
 */
int snv_ident_fetch(struct snv_vf *vf, u64 iova, u8 *id, struct snv_ident *ident)
{
	struct nvme_command sqe;
	int ret;

	ret = snv_ident_regs(vf, ident);
	if (ret)
		return ret;

	snv_harmless(&sqe);
	ret = snv_own_command(vf, &sqe);
	if (ret)
		return ret;
	ident->queues = cpu_to_le32(vf->own.result);
	if (!iova)
		return 0;
	ret = snv_identify(vf, iova, NVME_ID_CNS_CTRL, 0, id);
	if (!ret)
		take_ctrl(id, ident);

	return min(ret, 0);
}

/* CAP, but for the time that it takes, is what the driver has made its queues by. */
static const char *regs_differ(const struct snv_ident *want, u64 cap, u32 version)
{
	u64 fixed = ~GENMASK_ULL(31, 24);

	if ((le64_to_cpu(want->cap) ^ cap) & fixed)
		return "capabilities";

	return le32_to_cpu(want->version) != version ? "version" : NULL;
}

/*
 * SGLs that the guest's driver makes can be used as before, and it makes none but those that it
 * was told of: more of them is no harm. The threshold is where SGLs become slow, not a limit.
 */
static bool has_fewer_sgls(u32 want, u32 have)
{
	u32 support = want & SGLS_SUPPORT, got = have & SGLS_SUPPORT;

	if (!support)
		return false;
	/* Who keeps to an alignment can do without. */
	if (got != support && !(support == SGLS_ALIGNED && got == 1))
		return true;

	return want & ~have & ~(SGLS_SUPPORT | SGLS_THRESHOLD);
}

static const char *ctrl_differs(const struct snv_ident *want, const struct snv_ident *have)
{
	u32 queues = le32_to_cpu(want->queues), got = le32_to_cpu(have->queues);

	if ((queues & 0xffff) > (got & 0xffff) || queues >> 16 > got >> 16)
		return "fewer queues";
	if (!(want->flags & have->flags & cpu_to_le32(SNV_IDENT_CTRL)))
		return NULL;
	if (memcmp(want->subnqn, have->subnqn, sizeof(want->subnqn)) ||
	    memcmp(want->serial, have->serial, sizeof(want->serial)) ||
	    memcmp(want->model, have->model, sizeof(want->model)))
		return "another subsystem";
	if (have->mdts && (!want->mdts || want->mdts > have->mdts))
		return "shorter transfers";
	if (want->oacs & ~have->oacs || want->oncs & ~have->oncs)
		return "fewer commands";
	/* A driver does not flush a cache that it does not know of. */
	if (have->vwc & ~want->vwc & BIT(0))
		return "a cache";
	if (le32_to_cpu(want->nn) > le32_to_cpu(have->nn))
		return "fewer namespaces";

	if (has_fewer_sgls(le32_to_cpu(want->sgls), le32_to_cpu(have->sgls)))
		return "fewer SGLs";

	return NULL;
}

static const char *ns_differs(struct snv_vf *vf, u64 iova, u8 *id, int *error)
{
	struct snv_ns have, *ns = vf->ns;
	int ret;

	for (; ns < vf->ns + vf->num_ns; ns++) {
		if (!ns->blocks)
			continue;
		ret = snv_identify_ns(vf, iova, id, ns->nsid, &have);
		if (ret < 0) {
			*error = ret;
			return NULL;
		}
		if (ret)
			return "no such namespace";
		if (have.blocks != ns->blocks || have.shift != ns->shift ||
		    memcmp(have.nguid, ns->nguid, sizeof(have.nguid)) ||
		    memcmp(have.eui64, ns->eui64, sizeof(have.eui64)) ||
		    (ns->has_list && memcmp(have.uuid, ns->uuid, sizeof(have.uuid))))
			return "another namespace";
	}

	return NULL;
}

static int refuse(struct snv_vf *vf, const char *what)
{
	dev_warn_ratelimited(&vf->dev->pdev->dev, "not a device that the guest can go on with: %s\n",
			     what);

	return -EXDEV;
}

/**
 * snv_ident_check_regs() - Compare registers with what was loaded
 * @vf:		The VF, locked.
 * @want:	What was loaded.
 *
 * Return: 0, -EXDEV, or a negative errno of snv_read_reg().
 */
int snv_ident_check_regs(struct snv_vf *vf, const struct snv_ident *want)
{
	const char *what;
	u32 version;
	int ret;

	if (!want->flags)
		return 0;
	ret = snv_read_reg(vf, NVME_REG_VS, &version);
	if (ret)
		return ret;
	what = regs_differ(want, vf->cap, version);

	return what ? refuse(vf, what) : 0;
}

/**
 * snv_ident_check() - Compare the device with what was loaded
 * @vf:	The VF, locked. The admin queue is ours, and the device has no other.
 *
 * Return: 0, -EXDEV, or another negative errno.
 */
int snv_ident_check(struct snv_vf *vf)
{
	const char *what = NULL;
	struct snv_ident have;
	struct snv_loan loan;
	int ret;
	u8 *id;

	id = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL_ACCOUNT);
	if (!id)
		return -ENOMEM;
	ret = snv_borrow(vf, NVME_IDENTIFY_DATA_SIZE, &loan);
	if (!ret) {
		ret = snv_ident_fetch(vf, loan.iova, id, &have);
		if (!ret && loan.mem && vf->ident.flags & ~have.flags & cpu_to_le32(SNV_IDENT_CTRL))
			ret = -EIO;
		if (!ret)
			what = ctrl_differs(&vf->ident, &have);
		if (!ret && !what && loan.mem)
			what = ns_differs(vf, loan.iova, id, &ret);
		ret = snv_give_back(vf, &loan, ret);
	}
	kfree(id);

	return what ? refuse(vf, what) : ret;
}
