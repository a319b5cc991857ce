/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's driver, for the suite of sample_nvme: it counts what becomes of its commands. */

#ifndef NVME_DRIVER_H
#define NVME_DRIVER_H

#include <kunit/test.h>

#include "nvme_world.h"

#define CC_VALUE	(NVME_CC_ENABLE | NVME_CC_IOSQES | NVME_CC_IOCQES)

static struct vfio_mediate_device *device(struct world *w)
{
	return &w->on->session.dev;
}

/* A register or, if doorbells are trapped, a doorbell is written by the driver. */
static void driver_write(struct world *w, u32 reg, u32 value)
{
	struct vfio_mediate_access access = { .offset = reg, .width = 4, .write = true,
					      .value = value };

	if (snv_rw(device(w), &access))
		ctrl_write(w->on, reg, value);
}

static void driver_submit(struct world *w, unsigned int qid, struct nvme_command *sqe, u16 cid)
{
	struct driver_queue *q = &w->queue[qid];

	sqe->common.command_id = cid;
	memcpy(w->memory + q->sq + q->tail * sizeof(*sqe), sqe, sizeof(*sqe));
	q->tail = (q->tail + 1) % q->depth;
}

static void driver_ring(struct world *w, unsigned int qid, bool mapped)
{
	u32 reg = SNV_DOORBELLS + 8 * qid;

	if (mapped)
		ctrl_write(w->on, reg, w->queue[qid].tail);
	else
		driver_write(w, reg, w->queue[qid].tail);
}

/* Take completions. Return their number. */
static unsigned int driver_reap(struct world *w, unsigned int qid, bool mapped)
{
	struct driver_queue *q = &w->queue[qid];
	struct nvme_completion *cqe;
	unsigned int count = 0;

	for (;;) {
		cqe = (void *)(w->memory + q->cq + q->head * sizeof(*cqe));
		if ((le16_to_cpu(cqe->status) & 1) != q->phase)
			break;
		q->completed[cqe->command_id % CIDS]++;
		q->status[cqe->command_id % CIDS] = le16_to_cpu(cqe->status) >> 1;
		q->head = (q->head + 1) % q->depth;
		q->phase ^= !q->head;
		count++;
	}
	if (count && mapped)
		ctrl_write(w->on, SNV_DOORBELLS + 8 * qid + 4, q->head);
	else if (count)
		driver_write(w, SNV_DOORBELLS + 8 * qid + 4, q->head);

	return count;
}

/* Execute an admin command. Return its status. */
static u16 driver_admin(struct world *w, struct nvme_command *sqe)
{
	static u16 cid;

	cid = (cid + 1) % 512;
	w->queue[0].status[cid] = U16_MAX;
	driver_submit(w, 0, sqe, cid);
	driver_ring(w, 0, false);
	driver_reap(w, 0, false);

	return w->queue[0].status[cid];
}

static void driver_aer(struct world *w, u16 cid)
{
	struct nvme_command sqe = { .common.opcode = nvme_admin_async_event };

	driver_submit(w, 0, &sqe, cid);
	driver_ring(w, 0, false);
}

static u16 driver_set_feature(struct world *w, u8 fid, u32 value, u64 data)
{
	struct nvme_command sqe = {
		.features.opcode = nvme_admin_set_features,
		.features.dptr.prp1 = cpu_to_le64(data),
		.features.fid = cpu_to_le32(fid),
		.features.dword11 = cpu_to_le32(value),
	};

	return driver_admin(w, &sqe);
}

static void driver_queue_pair(struct kunit *test, unsigned int qid, u32 depth)
{
	struct world *w = test->priv;
	struct driver_queue *q = &w->queue[qid];
	struct nvme_command sqe = { };

	memset(q, 0, sizeof(*q));
	q->sq = RINGS + qid * 0x20000;
	q->cq = q->sq + 0x10000;
	q->depth = depth;
	q->phase = true;
	memset(w->memory + q->cq, 0, depth * SNV_CQE_SIZE);

	sqe.create_cq.opcode = nvme_admin_create_cq;
	sqe.create_cq.prp1 = cpu_to_le64(q->cq);
	sqe.create_cq.cqid = cpu_to_le16(qid);
	sqe.create_cq.qsize = cpu_to_le16(depth - 1);
	sqe.create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_CQ_IRQ_ENABLED);
	KUNIT_ASSERT_EQ(test, driver_admin(w, &sqe), 0);

	memset(&sqe, 0, sizeof(sqe));
	sqe.create_sq.opcode = nvme_admin_create_sq;
	sqe.create_sq.prp1 = cpu_to_le64(q->sq);
	sqe.create_sq.sqid = cpu_to_le16(qid);
	sqe.create_sq.qsize = cpu_to_le16(depth - 1);
	sqe.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG);
	sqe.create_sq.cqid = cpu_to_le16(qid);
	KUNIT_ASSERT_EQ(test, driver_admin(w, &sqe), 0);
}

/* The driver enables the controller, with stale completions in memory as Linux leaves them. */
static void driver_enable(struct kunit *test, u32 depth)
{
	struct world *w = test->priv;
	struct driver_queue *q = &w->queue[0];

	w->on = &w->ctrl[0];
	memset(q, 0, sizeof(*q));
	q->sq = ASQ;
	q->cq = ACQ;
	q->depth = depth;
	q->phase = true;
	memset(w->memory + ACQ, 1, depth * SNV_CQE_SIZE);
	ctrl_write(w->on, NVME_REG_AQA, (depth - 1) << 16 | (depth - 1));
	ctrl_write(w->on, NVME_REG_ASQ, ASQ);
	ctrl_write(w->on, NVME_REG_ACQ, ACQ);
	driver_write(w, NVME_REG_CC, CC_VALUE);
	flush_delayed_work(&w->on->vf->work);
	KUNIT_ASSERT_TRUE(test, w->on->vf->enabled);
	memset(w->memory + ACQ, 0, depth * SNV_CQE_SIZE);
}

/* It sets features, requests an event, and creates its queues. */
static void driver_start(struct kunit *test, u32 depth)
{
	struct world *w = test->priv;
	unsigned int i;

	driver_enable(test, ADMIN);
	for (i = 0; i < 512; i++)
		w->memory[BUFFERS + i] = i;
	KUNIT_ASSERT_EQ(test, driver_set_feature(w, NVME_FEAT_NUM_QUEUES, 0x10001, 0), 0);
	KUNIT_ASSERT_EQ(test, driver_set_feature(w, NVME_FEAT_HOST_BEHAVIOR, 0, BUFFERS), 0);
	memset(w->memory + BUFFERS, 0, 512);
	driver_aer(w, 600);
	for (i = 1; i <= PAIRS; i++)
		driver_queue_pair(test, i, depth);
	KUNIT_ASSERT_EQ(test, driver_set_feature(w, NVME_FEAT_ASYNC_EVENT, 0x100, 0), 0);
}

/* Where a read of so many pages goes: the list at the end of what is its own */
static u64 buffer_of(u16 cid)
{
	return BUFFERS + cid % 16 * 0x10000;
}

static void driver_read(struct world *w, unsigned int qid, u16 cid, unsigned int pages)
{
	struct nvme_command sqe = { .rw.opcode = nvme_cmd_read, .rw.nsid = cpu_to_le32(1) };
	u64 buffer = buffer_of(cid), list = buffer + 0xf000;
	__le64 *entry = (void *)(w->memory + list);
	unsigned int i;

	sqe.rw.dptr.prp1 = cpu_to_le64(buffer);
	sqe.rw.length = cpu_to_le16(pages * (4096 >> SHIFT) - 1);
	sqe.common.cdw14 = cpu_to_le32(cid);
	if (pages == 2)
		sqe.rw.dptr.prp2 = cpu_to_le64(buffer + 4096);
	else if (pages > 2)
		sqe.rw.dptr.prp2 = cpu_to_le64(list);
	/* Not in order, so that they are not one range */
	for (i = 1; pages > 2 && i < pages; i++)
		entry[i - 1] = cpu_to_le64(buffer + (pages - i) * 4096);
	driver_submit(w, qid, &sqe, cid);
}

static void expect_all_once(struct kunit *test, unsigned int qid, unsigned int first,
			    unsigned int count, u16 status)
{
	struct world *w = test->priv;
	unsigned int i;

	for (i = first; i < first + count; i++) {
		KUNIT_EXPECT_EQ_MSG(test, w->queue[qid].completed[i], 1, "queue %u, %u", qid, i);
		KUNIT_EXPECT_EQ_MSG(test, w->queue[qid].status[i], status, "queue %u, %u", qid, i);
		w->queue[qid].completed[i] = 0;
	}
}

/* Load what is saved into another controller. */
static int load(struct kunit *test, struct ctrl *to)
{
	struct vfio_mediate_device *dev = &to->session.dev;
	struct vfio_mediate_record record = { };

	record.data = kunit_kmalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, record.data);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(dev), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
	while (snv_migration_ops.save(device(test->priv), &record) > 0) {
		KUNIT_ASSERT_EQ(test, snv_migration_ops.load(dev, &record), 0);
		record.index++;
	}

	return snv_migration_ops.apply(dev);
}

/* Execute reads on both queues, some at a time. */
static void work(struct kunit *test, unsigned int count, bool mapped)
{
	struct world *w = test->priv;
	unsigned int qid, done, n, i;

	for (qid = 1; qid <= PAIRS; qid++)
		for (done = 0; done < count; done += n) {
			n = min(count - done, 1 + chance(w, min(w->queue[qid].depth - 1, 16u)));
			for (i = 0; i < n; i++)
				driver_read(w, qid, i, 1 + chance(w, 2));
			driver_ring(w, qid, mapped);
			driver_reap(w, qid, mapped);
			expect_all_once(test, qid, 0, n, 0);
		}
}

#endif /* NVME_DRIVER_H */
