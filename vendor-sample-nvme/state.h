/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the state of a VF. All fields are little-endian. Records come in the order of their
 * types. Those of types SNV_REC_CQ to SNV_REC_NS come once for each queue, feature and namespace.
 */

#ifndef SAMPLE_NVME_STATE_H
#define SAMPLE_NVME_STATE_H

#include "nvme.h"

#define SNV_STATE_VERSION	1
#define SNV_MAX_AERS		16

enum snv_rec {
	SNV_REC_CTRL = 1,
	SNV_REC_CQ,
	SNV_REC_SQ,
	SNV_REC_FEATURE,
	SNV_REC_NS,
	SNV_REC_IDENT,		/* struct snv_ident */
};

#define SNV_REC_ENABLED		BIT(0)	/* the controller is enabled, and has an admin queue */
#define SNV_REC_PENDING		BIT(1)	/* the driver has set CC.EN, which is yet to be done */

/**
 * struct snv_rec_ctrl - Controller and admin queue
 * @cc:		Registers.
 * @aqa:		Registers.
 * @asq:		Registers.
 * @acq:		Registers.
 * @flags:	SNV_REC_ENABLED or SNV_REC_PENDING, or 0.
 * @head:	Head of the submission queue as of the last completion.
 * @tail:	Tail of the submission queue.
 * @held:	Tail that was rung since the device was stopped, or SNV_UNUSED.
 * @cq_pos:	Position in the completion queue.
 * @cq_head:	Head that the driver has written, or SNV_UNUSED.
 * @num_aers:	Number of requests for asynchronous events.
 * @reserved:	0.
 * @aer:	Their command IDs, oldest first.
 */
struct snv_rec_ctrl {
	__le32 cc;
	__le32 aqa;
	__le64 asq;
	__le64 acq;
	__le32 flags;
	__le32 head;
	__le32 tail;
	__le32 held;
	__le32 cq_pos;
	__le32 cq_head;
	__le32 num_aers;
	__le32 reserved;
	__le16 aer[SNV_MAX_AERS];
};

/**
 * struct snv_rec_cq - I/O completion queue
 * @base:	IOVA.
 * @depth:	Number of entries.
 * @pos:	Position.
 * @head:	Head that the driver has written, or SNV_UNUSED.
 * @qid:		As in the command that has created it.
 * @flags:	As in the command that has created it.
 * @vector:	As in the command that has created it.
 * @reserved:	0.
 */
struct snv_rec_cq {
	__le64 base;
	__le32 depth;
	__le32 pos;
	__le32 head;
	__le16 qid;
	__le16 flags;
	__le16 vector;
	__le16 reserved[3];
};

/**
 * struct snv_rec_sq - I/O submission queue
 * @base:	IOVA.
 * @depth:	Number of entries.
 * @head:	Position.
 * @held:	Tail that was rung since the device was stopped, or SNV_UNUSED.
 * @qid:		As in the command that has created it.
 * @cqid:		As in the command that has created it.
 * @flags:	As in the command that has created it.
 * @reserved:	0.
 */
struct snv_rec_sq {
	__le64 base;
	__le32 depth;
	__le32 head;
	__le32 held;
	__le16 qid;
	__le16 cqid;
	__le16 flags;
	__le16 reserved[3];
};

/**
 * struct snv_rec_feature - Feature that was set
 * @nsid:		As in the command.
 * @cdw:		As in the command.
 * @size:	Size of @data in bytes.
 * @age_ms:	Time since it was set.
 * @data:	Its data.
 */
struct snv_rec_feature {
	__le32 nsid;
	__le32 cdw[6];
	__le32 size;
	__le64 age_ms;
	u8 data[SNV_DATA_MAX];
};

#define SNV_REC_NS_UUID		BIT(0)	/* @uuid is known, also if there is none */

/**
 * struct snv_rec_ns - Namespace
 * @nsid:	Its ID.
 * @shift:	Binary logarithm of the size of its blocks.
 * @blocks:	Number of its blocks, or 0: it is not known which one it is.
 * @nguid:	Which one it is.
 * @eui64:	Likewise.
 * @uuid:	Likewise, or zeros: it has none.
 * @flags:	SNV_REC_NS_UUID, or 0.
 * @reserved:	0.
 */
struct snv_rec_ns {
	__le32 nsid;
	__le32 shift;
	__le64 blocks;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
	__le32 flags;
	__le32 reserved;
};

#define SNV_REC_NS_LEAST	offsetof(struct snv_rec_ns, blocks)

#endif /* SAMPLE_NVME_STATE_H */
