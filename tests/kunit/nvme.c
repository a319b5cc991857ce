// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of sample_nvme: two controllers, a guest's memory, and the guest's driver, which
 * goes from one to the other and counts what becomes of its commands.
 */

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../vendor-sample-nvme/bar.c"
#include "../../vendor-sample-nvme/model.c"
#include "../../vendor-sample-nvme/decode.c"
#include "../../vendor-sample-nvme/admin.c"
#include "../../vendor-sample-nvme/queues.c"
#include "../../vendor-sample-nvme/own.c"
#include "../../vendor-sample-nvme/ident.c"
#include "../../vendor-sample-nvme/stop.c"
#include "../../vendor-sample-nvme/replay.c"
#include "../../vendor-sample-nvme/state.c"
#include "../../vendor-sample-nvme/track.c"

#include "nvme_driver.h"
#include "nvme_arrive.c"

/* Have the device stopped, and its state loaded by the other one, or not. */
static void move(struct kunit *test, bool away)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[w->on == &w->ctrl[0]];
	u8 *before = kunit_kmalloc(test, BUFFERS, GFP_KERNEL);
	unsigned int overruns = w->on->overruns + to->overruns;

	KUNIT_ASSERT_NOT_NULL(test, before);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.save_begin(device(w)), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.quiesce(device(w)), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_ASSERT_STREQ(test, w->on->vf->reason, "");
	KUNIT_EXPECT_EQ(test, w->on->csts & NVME_CSTS_RDY, 0);
	memcpy(before, w->memory, BUFFERS);

	if (away) {
		KUNIT_ASSERT_EQ(test, load(test, to), 0);
		/* The source is closed. */
		snv_forget(w->on->vf);
		w->on->vf->enabled = false;
		w->on->vf->stopped = false;
		w->on = to;
	}
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(device(w)), 0);
	if (away)
		snv_migration_ops.load_end(device(w), 0);
	/* But for requests for events, which are written again */
	KUNIT_EXPECT_EQ(test, memcmp(before + ACQ, w->memory + ACQ, BUFFERS - ACQ), 0);
	KUNIT_EXPECT_EQ(test, w->on->overruns + to->overruns, overruns);
	KUNIT_EXPECT_EQ(test, w->on->num_aers, 1);
	KUNIT_EXPECT_EQ(test, w->on->aer[0], 600);
	KUNIT_EXPECT_EQ(test, w->on->features[NVME_FEAT_ASYNC_EVENT], 0x100);
	KUNIT_EXPECT_EQ(test, w->on->data[511], 255);
	kunit_kfree(test, before);
}

/* There and back, with any number of commands in between */
static void test_moves(struct kunit *test)
{
	static const u32 depths[] = { 2, 3, 32, 64, 256 };
	struct world *w = test->priv;
	unsigned int d, i;

	for (d = 0; d < ARRAY_SIZE(depths); d++) {
		driver_start(test, depths[d]);
		for (i = 0; i < 12; i++) {
			bool mapped = i % 3 == 2;

			if (mapped)
				snv_forget_positions(w->on->vf);
			else if (i)
				snv_track_start(device(w));
			work(test, chance(w, 3 * depths[d]) + (i > 8 ? depths[d] : 0), mapped);
			if (i % 4 == 1)
				driver_set_feature(w, NVME_FEAT_ASYNC_EVENT, 0x100, 0);
			move(test, i & 1);
			if (!mapped && i)
				snv_track_stop(device(w));
		}
		work(test, 5, true);
		driver_write(w, NVME_REG_CC, 0);
	}
}

/* What was rung while the device was stopped is executed once. */
static void test_held(struct kunit *test)
{
	struct world *w = test->priv;

	driver_start(test, 32);
	work(test, 40, false);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	driver_read(w, 1, 5, 1);
	driver_ring(w, 1, false);
	KUNIT_EXPECT_EQ(test, driver_reap(w, 1, false), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(device(w)), 0);
	driver_reap(w, 1, false);
	expect_all_once(test, 1, 5, 1, 0);
}

/* Completions that the driver has not taken yet are still there. */
static void test_not_taken(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int i;

	driver_start(test, 32);
	work(test, 45, false);
	for (i = 0; i < 20; i++)
		driver_read(w, 2, i, 1);
	driver_ring(w, 2, false);
	move(test, true);
	KUNIT_EXPECT_EQ(test, driver_reap(w, 2, true), 20);
	expect_all_once(test, 2, 0, 20, 0);
	work(test, 70, true);
}

/* A command that was not seen, and does not complete, is aborted: the driver repeats it. */
static void test_aborted(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int i;

	driver_start(test, 32);
	work(test, 37, false);
	snv_forget_positions(w->on->vf);
	w->on->slow = true;
	for (i = 0; i < 3; i++)
		driver_read(w, 1, i, 1);
	driver_ring(w, 1, true);
	move(test, false);
	driver_reap(w, 1, true);
	expect_all_once(test, 1, 0, 3, NVME_SC_ABORT_QUEUE);
}

/* A command that was seen and does not complete: the device goes on. */
static void test_timeout(struct kunit *test)
{
	struct world *w = test->priv;

	driver_start(test, 32);
	work(test, 37, false);
	w->on->slow = true;
	driver_read(w, 1, 7, 1);
	driver_ring(w, 1, false);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.quiesce(device(w)), -ETIMEDOUT);
	ctrl_complete(w->on, 0);
	driver_reap(w, 1, false);
	expect_all_once(test, 1, 7, 1, 0);
	move(test, true);
}

/* A request for events that the driver has sent unseen is found, and sent again. */
static void test_hidden_aer(struct kunit *test)
{
	struct nvme_command sqe = { .common.opcode = nvme_admin_async_event };
	struct world *w = test->priv;

	driver_start(test, 32);
	snv_forget_positions(w->on->vf);
	driver_submit(w, 0, &sqe, 601);
	driver_ring(w, 0, true);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(device(w)), 0);
	KUNIT_EXPECT_EQ(test, w->on->num_aers, 2);
	KUNIT_EXPECT_EQ(test, w->on->aer[0], 600);
	KUNIT_EXPECT_EQ(test, w->on->aer[1], 601);
	KUNIT_EXPECT_EQ(test, driver_set_feature(w, NVME_FEAT_ASYNC_EVENT, 0x100, 0), 0);
}

/* A feature that the driver has set unseen, and whose command has not completed, has its data. */
static void test_hidden_feature(struct kunit *test)
{
	struct nvme_command sqe = {
		.features.opcode = nvme_admin_set_features,
		.features.dptr.prp1 = cpu_to_le64(BUFFERS),
		.features.fid = cpu_to_le32(NVME_FEAT_HOST_BEHAVIOR),
	};
	struct world *w = test->priv;

	driver_start(test, 64);
	snv_forget_positions(w->on->vf);
	memset(w->memory + BUFFERS, 0x5a, 512);
	w->on->late = true;
	driver_submit(w, 0, &sqe, 700);
	driver_ring(w, 0, true);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_EXPECT_EQ(test, w->on->data[511], 0);
	KUNIT_EXPECT_EQ(test, load_and_run(test, &w->ctrl[1]), 0);
	KUNIT_EXPECT_EQ(test, w->ctrl[1].data[511], 0x5a);
	KUNIT_EXPECT_EQ(test, driver_reap(w, 0, false), 1);
	expect_all_once(test, 0, 700, 1, 0);
}

static void test_refused(struct kunit *test)
{
	struct nvme_command sqe = { .common.opcode = nvme_admin_dbbuf };
	struct world *w = test->priv;

	driver_start(test, 32);
	KUNIT_EXPECT_EQ(test, driver_admin(w, &sqe), NVME_SC_INVALID_OPCODE);
	KUNIT_EXPECT_EQ(test, w->on->dbbuf, 0);

	/* Unseen, it is executed, and the device cannot be migrated. */
	driver_submit(w, 0, &sqe, 700);
	driver_ring(w, 0, true);
	driver_reap(w, 0, true);
	KUNIT_EXPECT_EQ(test, w->on->dbbuf, 1);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.save_begin(device(w)), -EOPNOTSUPP);
	driver_write(w, NVME_REG_CC, 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.save_begin(device(w)), 0);
}

/* A controller that the guest cannot go on with is refused, and stays disabled. */
static void test_another(struct kunit *test)
{
	struct nvme_command sqe = { .identify.opcode = nvme_admin_identify,
				    .identify.nsid = cpu_to_le32(1),
				    .identify.dptr.prp1 = cpu_to_le64(BUFFERS) };
	struct vfio_mediate_access csts = { .offset = NVME_REG_CSTS, .width = 4 };
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	int i, ret;

	from->queues = 0x30003;
	from->oncs = 4;
	driver_start(test, 64);
	driver_admin(w, &sqe);
	work(test, 40, false);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	for (i = 0; i < 4; i++) {
		to->queues = i == 0 ? 0x30002 : 0x30003;
		to->disk = i == 1;
		to->oncs = i == 2 ? 2 : 4;
		to->version = i == 3 ? 0x10400 : 0;
		ret = load(test, to) ?: snv_migration_ops.run(&to->session.dev);
		snv_migration_ops.load_end(&to->session.dev, ret);
		KUNIT_EXPECT_EQ_MSG(test, ret, -EXDEV, "%d", i);
		KUNIT_EXPECT_EQ(test, to->csts & NVME_CSTS_RDY, 0);
		if (i < 3) {
			KUNIT_EXPECT_EQ(test, snv_rw(&to->session.dev, &csts), 0);
			KUNIT_EXPECT_NE(test, csts.value & NVME_CSTS_CFS, 0);
			w->on = to;
			driver_write(w, NVME_REG_CC, 0);
			driver_write(w, NVME_REG_CC, CC_VALUE);
			w->on = from;
			snv_work(&to->vf->work.work);
			KUNIT_EXPECT_EQ(test, to->csts & NVME_CSTS_RDY, 0);
			to->vf->cc = 0;
			to->vf->pending = false;
		}
	}
	/* More of everything is no harm. */
	to->queues = 0x40003;
	to->oncs = 6;
	to->version = 0;
	KUNIT_EXPECT_EQ(test, load(test, to), 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.run(&to->session.dev), 0);
	w->on = to;
	KUNIT_EXPECT_EQ(test, driver_set_feature(w, NVME_FEAT_ASYNC_EVENT, 0x100, 0), 0);
}

/* Each page that was written is marked, and no other but those of queues. */
static void test_tracking(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int round, i, n, page;
	struct nvme_command sqe = { .identify.opcode = nvme_admin_identify,
				    .identify.nsid = cpu_to_le32(1),
				    .identify.dptr.prp1 = cpu_to_le64(BUFFERS) };

	driver_start(test, 32);
	driver_admin(w, &sqe);
	work(test, 35, false);
	snv_forget_positions(w->on->vf);
	w->on->slow = true;
	/* In flight when tracking starts */
	for (i = 0; i < 3; i++)
		driver_read(w, 1, i, 3);
	driver_ring(w, 1, true);
	bitmap_zero(w->written, PAGES);
	bitmap_zero(w->marked, PAGES);
	KUNIT_ASSERT_EQ(test, snv_tracking_ops.start(device(w)), 0);
	for (round = 0; round < 40; round++) {
		while (w->on->num_pending)
			ctrl_complete(w->on, chance(w, w->on->num_pending));
		while (snv_tracking_ops.scan(device(w)) > 0)
			;
		KUNIT_EXPECT_EQ(test, snv_tracking_ops.scan(device(w)), 0);
		for_each_set_bit(page, w->written, PAGES)
			KUNIT_EXPECT_TRUE_MSG(test, test_bit(page, w->marked),
					      "round %u: page %#x", round, page);
		for_each_set_bit(page, w->marked, PAGES)
			/* First, commands of which only the ID is known are marked together. */
			KUNIT_EXPECT_TRUE_MSG(test, test_bit(page, w->written) || round < 10,
					      "round %u: page %#x too much", round, page);
		driver_reap(w, 1, false);
		bitmap_zero(w->written, PAGES);
		bitmap_zero(w->marked, PAGES);
		n = 1 + chance(w, 15);
		for (i = 0; i < n; i++)
			driver_read(w, 1, i, 1 + chance(w, 14));
		driver_ring(w, 1, false);
	}
	snv_tracking_ops.stop(device(w));
}

/*
 * The driver uses an ID again as soon as it has seen the completion, which nobody else has: the
 * doorbell of the completion queue is drained after that of the submission queue.
 */
static void test_same_id(struct kunit *test)
{
	struct nvme_command identify = { .identify.opcode = nvme_admin_identify,
					 .identify.nsid = cpu_to_le32(1),
					 .identify.dptr.prp1 = cpu_to_le64(BUFFERS) };
	struct nvme_command queue[] = {
		{ .create_cq = { .opcode = nvme_admin_create_cq,
				 .prp1 = cpu_to_le64(RINGS + 0x60000),
				 .cqid = cpu_to_le16(3), .qsize = cpu_to_le16(31),
				 .cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG) } },
		{ .create_sq = { .opcode = nvme_admin_create_sq,
				 .prp1 = cpu_to_le64(RINGS + 0x70000),
				 .sqid = cpu_to_le16(3), .qsize = cpu_to_le16(31),
				 .sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
				 .cqid = cpu_to_le16(3) } },
	};
	struct world *w = test->priv;
	unsigned int i, page;

	driver_start(test, 32);
	driver_admin(w, &identify);
	for (i = 0; i < ARRAY_SIZE(queue); i++) {
		driver_submit(w, 0, &queue[i], 700);
		driver_ring(w, 0, false);
		driver_reap(w, 0, true);
	}
	snv_work(&w->on->vf->work.work);
	KUNIT_EXPECT_NOT_NULL(test, w->on->vf->sq[3]);
	KUNIT_EXPECT_STREQ(test, w->on->vf->reason, "");

	KUNIT_ASSERT_EQ(test, snv_tracking_ops.start(device(w)), 0);
	w->on->slow = true;
	driver_read(w, 1, 5, 1);
	driver_ring(w, 1, false);
	ctrl_complete(w->on, 0);
	driver_reap(w, 1, true);
	/* Two pages, written after the first scan */
	driver_read(w, 1, 5, 2);
	driver_ring(w, 1, false);
	while (snv_tracking_ops.scan(device(w)) > 0)
		;
	bitmap_zero(w->written, PAGES);
	bitmap_zero(w->marked, PAGES);
	ctrl_complete(w->on, 0);
	while (snv_tracking_ops.scan(device(w)) > 0)
		;
	for_each_set_bit(page, w->written, PAGES)
		KUNIT_EXPECT_TRUE_MSG(test, test_bit(page, w->marked), "page %#x", page);
	snv_tracking_ops.stop(device(w));
}

/* Completions are read once: by the doorbell of either queue, whichever comes first. */
static void test_read_once(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int i, reads;

	driver_start(test, 8);
	work(test, 20, false);
	for (i = 0; i < 20; i++) {
		w->on->slow = true;
		driver_read(w, 1, i, 1);
		driver_ring(w, 1, false);
		ctrl_complete(w->on, 0);
		/* The driver sends another command before it takes this completion, or does not. */
		if (i % 3) {
			driver_read(w, 1, 100 + i, 1);
			driver_ring(w, 1, false);
		}
		reads = w->on->reads;
		KUNIT_EXPECT_EQ(test, driver_reap(w, 1, false), 1);
		KUNIT_EXPECT_EQ_MSG(test, w->on->reads - reads, i % 3 ? 0 : 1, "%u", i);
		KUNIT_EXPECT_EQ(test, w->on->vf->sq[1]->inflight, i % 3 ? 1 : 0);
		if (i % 3) {
			ctrl_complete(w->on, 0);
			driver_reap(w, 1, false);
		}
		KUNIT_EXPECT_EQ(test, w->on->vf->sq[1]->inflight, 0);
	}
}

/* What a command has written is marked even if its slot is used again before the next scan. */
static void test_held_again(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int i, page, depth = 64;

	driver_start(test, depth);
	identify(w, 1);
	KUNIT_ASSERT_EQ(test, snv_tracking_ops.start(device(w)), 0);
	bitmap_zero(w->written, PAGES);
	bitmap_zero(w->marked, PAGES);
	/* Each of the first ones writes where no other does. */
	for (i = 0; i < depth - 1; i++)
		driver_read(w, 1, i < 3 ? i : 16 * i + 3, 2);
	driver_ring(w, 1, false);
	KUNIT_ASSERT_EQ(test, driver_reap(w, 1, false), depth - 1);

	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	for (i = 0; i < 3; i++)
		driver_read(w, 1, i + 4, 1);
	driver_ring(w, 1, false);
	/* Only callbacks of tracking may mark. */
	w->on->no_marks = true;
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(device(w)), 0);
	w->on->no_marks = false;
	while (snv_tracking_ops.scan(device(w)) > 0)
		;
	KUNIT_EXPECT_EQ(test, snv_tracking_ops.scan(device(w)), 0);
	for_each_set_bit(page, w->written, PAGES)
		KUNIT_EXPECT_TRUE_MSG(test, test_bit(page, w->marked), "page %#x", page);
	snv_tracking_ops.stop(device(w));
	KUNIT_EXPECT_EQ(test, w->on->vf->num_dead, 0);
}

static void test_locate(struct kunit *test)
{
	static const u32 depths[] = { 2, 3, 7, 64 };
	struct nvme_completion *cqe = kunit_kcalloc(test, 64, sizeof(*cqe), GFP_KERNEL);
	unsigned int d, i;
	u32 pos;

	for (d = 0; d < ARRAY_SIZE(depths); d++) {
		memset(cqe, 0, 64 * sizeof(*cqe));
		for (pos = 0, i = 0; i < 5 * depths[d]; i++, pos++) {
			KUNIT_EXPECT_EQ(test, snv_locate_in(cqe, depths[d]),
					pos % (2 * depths[d]));
			cqe[i % depths[d]].status = cpu_to_le16(i / depths[d] % 2 ? 0 : 1);
		}
	}
}

static void test_laps(struct kunit *test)
{
	struct world *w = test->priv;
	u32 depth, cq_depth, aers, n, total, least;
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		depth = 2 + chance(w, 60);
		cq_depth = 2 + chance(w, 60);
		aers = chance(w, min(depth, 4u));
		n = aers + chance(w, 3000);
		least = chance(w, 500);
		KUNIT_ASSERT_TRUE(test, snv_admin_laps(depth, n % depth, cq_depth,
						       (n - aers) % (2 * cq_depth), aers, least,
						       &total));
		KUNIT_EXPECT_GE(test, total, least);
		KUNIT_EXPECT_EQ(test, total % depth, n % depth);
		KUNIT_EXPECT_EQ(test, (total - aers) % (2 * cq_depth),
				(n - aers) % (2 * cq_depth));
	}
	/* Parities that no history has */
	KUNIT_EXPECT_FALSE(test, snv_admin_laps(32, 1, 32, 0, 0, 0, &total));
}

/* A stream with any field changed is refused, or only hurts its own guest. */
static void test_records(struct kunit *test)
{
	struct world *w = test->priv;
	struct vfio_mediate_device *dev = &w->ctrl[1].session.dev;
	struct vfio_mediate_record record = { };
	unsigned int i, k, n, which, accepted = 0;
	u32 *word;

	driver_start(test, 32);
	work(test, 40, false);
	record.data = kunit_kmalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(dev), 0);
	for (i = 0; i < 3000; i++) {
		which = chance(w, 6);
		KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
		for (n = 0; record.index = n, snv_migration_ops.save(device(w), &record) > 0; n++) {
			k = chance(w, record.length / 4);
			word = record.data;
			if (n == which)
				word[k] = chance(w, 2) ? chance(w, 70) :
							 prandom_u32_state(&w->random);
			snv_migration_ops.load(dev, &record);
		}
		if (!snv_migration_ops.apply(dev))
			accepted++;
		snv_migration_ops.load_end(dev, -ECANCELED);
	}
	KUNIT_EXPECT_GT(test, accepted, 0);
	KUNIT_EXPECT_LT(test, accepted, 2500);

	/* Nothing, and a queue without a controller */
	KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.apply(dev), -EINVAL);
	snv_migration_ops.load_end(dev, -EINVAL);
}

static void nvme_exit(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int i;

	if (!w)
		return;
	for (i = 0; i < 2; i++) {
		if (!w->ctrl[i].vf)
			continue;
		cancel_delayed_work_sync(&w->ctrl[i].vf->work);
		w->ctrl[i].vf->tracked = false;
		snv_forget(w->ctrl[i].vf);
		snv_free_dead(w->ctrl[i].vf);
		snv_state_free(w->ctrl[i].vf);
		kvfree(w->ctrl[i].vf);
	}
	vfree(w->memory);
	kvfree(w);
}

static int nvme_init(struct kunit *test)
{
	struct world *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	struct pci_dev *pdev;
	unsigned int i;

	if (!w)
		return -ENOMEM;
	test->priv = w;
	w->memory = vzalloc(MEMORY);
	if (!w->memory)
		return -ENOMEM;
	prandom_seed_state(&w->random, 1);
	for (i = 0; i < 2; i++) {
		struct ctrl *ctrl = &w->ctrl[i];
		struct snv_vf *vf = kvzalloc(sizeof(*vf), GFP_KERNEL);

		pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
		if (!vf || !pdev)
			return -ENOMEM;
		pdev->dev.init_name = "nvme";
		ctrl->world = w;
		ctrl->vf = vf;
		ctrl->session.host = &world_ops;
		ctrl->session.host_data = ctrl;
		ctrl->session.dev.pdev = pdev;
		ctrl->session.dev.handle = vf;
		vf->dev = &ctrl->session.dev;
		mutex_init(&vf->lock);
		INIT_DELAYED_WORK(&vf->work, snv_work);
	}

	return 0;
}

static int nvme_suite_init(struct kunit_suite *suite)
{
	snv_wq = alloc_workqueue("nvme_kunit", WQ_UNBOUND, 0);

	return snv_wq ? 0 : -ENOMEM;
}

static void nvme_suite_exit(struct kunit_suite *suite)
{
	if (snv_wq)
		destroy_workqueue(snv_wq);
}

static struct kunit_case nvme_cases[] = {
	KUNIT_CASE_SLOW(test_moves),
	KUNIT_CASE(test_held),
	KUNIT_CASE(test_not_taken),
	KUNIT_CASE_SLOW(test_aborted),
	KUNIT_CASE_SLOW(test_timeout),
	KUNIT_CASE(test_hidden_aer),
	KUNIT_CASE(test_hidden_feature),
	KUNIT_CASE(test_refused),
	KUNIT_CASE(test_another),
	KUNIT_CASE_SLOW(test_put_back_run),
	KUNIT_CASE_SLOW(test_put_back_stop),
	KUNIT_CASE_SLOW(test_undying),
	KUNIT_CASE(test_fields),
	KUNIT_CASE(test_uuid),
	KUNIT_CASE(test_list),
	KUNIT_CASE(test_no_list),
	KUNIT_CASE_SLOW(test_failed),
	KUNIT_CASE(test_sgls),
	KUNIT_CASE(test_disabled),
	KUNIT_CASE(test_killed),
	KUNIT_CASE(test_gone),
	KUNIT_CASE(test_made_up),
	KUNIT_CASE(test_mute),
	KUNIT_CASE(test_newer),
	KUNIT_CASE(test_feature_data),
	KUNIT_CASE(test_tracking),
	KUNIT_CASE(test_same_id),
	KUNIT_CASE(test_read_once),
	KUNIT_CASE(test_held_again),
	KUNIT_CASE(test_locate),
	KUNIT_CASE(test_laps),
	KUNIT_CASE(test_records),
	{ }
};

static struct kunit_suite nvme_suite = {
	.name = "sample_nvme",
	.suite_init = nvme_suite_init,
	.suite_exit = nvme_suite_exit,
	.init = nvme_init,
	.exit = nvme_exit,
	.test_cases = nvme_cases,
};

kunit_test_suite(nvme_suite);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("KUnit suite of sample_nvme");
