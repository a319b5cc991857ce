// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of the suite of sample_nvme, part of nvme.c: controllers that a guest arrives at, and what is
 * left of one when that fails.
 */

#include "nvme_driver.h"

static void identify(struct world *w, u32 nsid)
{
	struct nvme_command sqe = { .identify.opcode = nvme_admin_identify,
				    .identify.nsid = cpu_to_le32(nsid),
				    .identify.dptr.prp1 = cpu_to_le64(BUFFERS) };

	driver_admin(w, &sqe);
}

/* As new */
static void reset_ctrl(struct ctrl *ctrl)
{
	struct snv_vf *vf = ctrl->vf;

	ctrl->hold = 0;
	ctrl->holding = false;
	ctrl->lag = 0;
	ctrl->undying = false;
	ctrl_set_cc(ctrl, 0);
	set_bit(SNV_NOTE_RESET, &vf->notes);
	snv_lock(vf);
	vf->strange = false;
	vf->num_ns = 0;
	snv_unlock(vf);
}

static int load_and_run(struct kunit *test, struct ctrl *to)
{
	int ret = load(test, to) ?: snv_migration_ops.run(&to->session.dev);

	snv_migration_ops.load_end(&to->session.dev, ret);

	return ret;
}

/*
 * Memory is as before when a run fails, by any of its commands, which completes late: as long as
 * the controller is not disabled, it may write.
 */
static void test_put_back_run(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	u8 *before = kunit_kmalloc(test, BUFFERS, GFP_KERNEL);
	unsigned int n;
	bool lags;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, before);
	for (n = 1;; n++) {
		reset_ctrl(from);
		reset_ctrl(to);
		driver_start(test, 64);
		identify(w, 1);
		work(test, 40, false);
		KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
		memcpy(before, w->memory, BUFFERS);
		to->hold = n;
		ret = load_and_run(test, to);
		lags = to->holding;
		kill_current(false);
		/* All that it waits for have completed: the rest are requests for events. */
		if (!ret)
			break;
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINTR, "%u", n);
		KUNIT_EXPECT_FALSE_MSG(test, lags, "%u", n);
		KUNIT_EXPECT_EQ_MSG(test, to->csts & NVME_CSTS_RDY, 0, "%u", n);
		/* But for requests for events, which are written again */
		KUNIT_EXPECT_EQ_MSG(test, memcmp(before + ACQ, w->memory + ACQ, BUFFERS - ACQ), 0,
				    "%u", n);
	}
	KUNIT_EXPECT_GT(test, n, 40);
}

/* Likewise when a device is stopped, which then goes on. Probes complete in order. */
static void test_put_back_stop(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *from = &w->ctrl[0];
	u8 *before = kunit_kmalloc(test, BUFFERS, GFP_KERNEL);
	unsigned int n, i;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, before);
	for (n = SNV_PROBES + 1;; n++) {
		reset_ctrl(from);
		driver_start(test, 64);
		identify(w, 1);
		work(test, 40, false);
		for (i = 0; i < from->vf->num_features; i++)
			from->vf->features[i].lacking = from->vf->features[i].size;
		memcpy(before, w->memory, BUFFERS);
		from->hold = n;
		ret = snv_migration_ops.stop(device(w));
		kill_current(false);
		if (from->hold)
			break;
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINTR, "%u", n);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(before + ACQ, w->memory + ACQ, BUFFERS - ACQ), 0,
				    "%u", n);
		work(test, 5, false);
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, n, SNV_PROBES + 4);
}

/*
 * A controller that cannot be disabled is waited for once, whatever fails, as the guest's accesses
 * wait meanwhile. Memory is put back all the same, and a reset helps.
 */
static void test_undying(struct kunit *test)
{
	/* The first command, one that makes a queue, and one that identifies it to stop it */
	static const unsigned int holds[] = { 1, 12, SNV_PROBES + PAIRS + 2 };
	struct world *w = test->priv;
	struct ctrl *ctrl[] = { &w->ctrl[1], &w->ctrl[1], &w->ctrl[0] };
	u8 *before = kunit_kmalloc(test, BUFFERS, GFP_KERNEL);
	unsigned long since;
	unsigned int i;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, before);
	for (i = 0; i < ARRAY_SIZE(holds); i++) {
		reset_ctrl(&w->ctrl[0]);
		driver_start(test, 64);
		identify(w, 1);
		work(test, 40, false);
		if (ctrl[i] != w->on)
			KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
		memcpy(before, w->memory, BUFFERS);
		ctrl[i]->hold = holds[i];
		ctrl[i]->undying = true;
		since = jiffies;
		if (ctrl[i] == w->on)
			ret = snv_migration_ops.stop(device(w));
		else
			ret = load_and_run(test, ctrl[i]);
		since = jiffies - since;
		kill_current(false);
		KUNIT_EXPECT_EQ_MSG(test, ret, -ENOTRECOVERABLE, "%u", i);
		KUNIT_EXPECT_GE_MSG(test, since, msecs_to_jiffies(READY_MS), "%u", i);
		KUNIT_EXPECT_LT_MSG(test, since, msecs_to_jiffies(2 * READY_MS), "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(before + ACQ, w->memory + ACQ, BUFFERS - ACQ), 0,
				    "%u", i);
		reset_ctrl(ctrl[i]);
	}
	driver_start(test, 64);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_EXPECT_EQ(test, load_and_run(test, &w->ctrl[1]), 0);
}

/**
 * struct edit - What is done to the records of a type
 * @type:	The type.
 * @at:		Offset of a byte.
 * @value:	Its value.
 * @which:	Of these records, from 1 on, or 0: all.
 * @length:	Of the record, or 0: as it is.
 */
struct edit {
	u16 type;
	u32 at;
	u8 value;
	u8 which;
	u32 length;
};

/* Load what is saved, but for an edit. */
static int load_edited(struct kunit *test, struct ctrl *to, const struct edit *edit)
{
	struct vfio_mediate_device *dev = &to->session.dev;
	struct vfio_mediate_record record = { };
	unsigned int count = 0;
	int ret = 0;

	record.data = kunit_kzalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, record.data);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(dev), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
	for (; !ret && snv_migration_ops.save(device(test->priv), &record) > 0; record.index++) {
		if (record.type == edit->type && (!edit->which || ++count == edit->which)) {
			((u8 *)record.data)[edit->at] = edit->value;
			record.length = edit->length ?: record.length;
		}
		ret = snv_migration_ops.load(dev, &record);
	}
	kunit_kfree(test, record.data);

	return ret ?: snv_migration_ops.apply(dev);
}

/* A VF whose driver knows two namespaces, stopped */
static void stopped_source(struct kunit *test)
{
	struct world *w = test->priv;

	driver_start(test, 64);
	identify(w, 1);
	identify(w, 2);
	work(test, 10, false);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
}

/* Fields of the identity that no device has are refused. */
static void test_fields(struct kunit *test)
{
	static const struct edit edits[] = {
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, nsid), 0, 1 },
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, nsid), 1 },	/* both */
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, nsid), NUM_NS + 1, 2 },
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, shift), 8 },
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, shift), 18 },
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, flags), 2 },
		{ SNV_REC_NS, offsetof(struct snv_rec_ns, reserved) + 3, 1 },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, flags), 7 },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, flags), SNV_IDENT_CTRL },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, flags) + 3, 0x80 },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, reserved), 1 },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, reserved) + 1, 1 },
		{ SNV_REC_IDENT, offsetof(struct snv_ident, nn), 1 },
	};
	static const struct edit none;
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1];
	unsigned int i;

	stopped_source(test);
	for (i = 0; i < ARRAY_SIZE(edits); i++) {
		KUNIT_EXPECT_EQ_MSG(test, load_edited(test, to, &edits[i]), -EINVAL, "%u", i);
		snv_migration_ops.load_end(&to->session.dev, -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, load_edited(test, to, &none), 0);
	snv_migration_ops.load_end(&to->session.dev, -ECANCELED);
}

/* A namespace with another UUID is another one, but for streams that do not have it. */
static void test_uuid(struct kunit *test)
{
	static const struct edit old = { SNV_REC_NS,
					 .length = offsetof(struct snv_rec_ns, uuid), .value = 1 };
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	int ret;

	/* The first bytes are equal. */
	from->uuid = 5;
	driver_start(test, 64);
	identify(w, 1);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	to->uuid = 6;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EXDEV);
	to->uuid = 0;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EXDEV);
	to->uuid = 5;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.stop(&to->session.dev), 0);
	KUNIT_EXPECT_EQ(test, to->vf->ns[0].uuid[14], 1);
	KUNIT_EXPECT_EQ(test, to->vf->ns[0].uuid[15], 5);
	reset_ctrl(to);

	to->uuid = 6;
	ret = load_edited(test, to, &old) ?: snv_migration_ops.run(&to->session.dev);
	KUNIT_EXPECT_EQ(test, ret, 0);
	snv_migration_ops.load_end(&to->session.dev, ret);
}

/* Lists that a device may make up. Those with an end in the wrong place have no ID there. */
static void test_list(struct kunit *test)
{
	static const struct {
		u32 at;
		u8 bytes[4];
		bool found;
	} cases[] = {
		{ 0, { NVME_NIDT_UUID, 16 }, true },
		{ 0, { NVME_NIDT_UUID, 15 } },
		{ 0, { NVME_NIDT_UUID, 0 } },
		{ 0, { NVME_NIDT_EUI64, 16 } },
		{ 12, { NVME_NIDT_UUID, 16 }, true },	/* after an EUI64 */
		{ 4096 - 20, { NVME_NIDT_UUID, 16 }, true },
		{ 4096 - 19, { NVME_NIDT_UUID, 16 } },
		{ 4096 - 4, { NVME_NIDT_UUID, 16 } },
	};
	u8 *id = kunit_kmalloc(test, NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL);
	struct snv_ns ns;
	unsigned int i, at, length;

	KUNIT_ASSERT_NOT_NULL(test, id);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(id, 0, NVME_IDENTIFY_DATA_SIZE);
		/* Other descriptors fill what is before. */
		for (at = 0; at < cases[i].at; at += 4 + length) {
			length = min(cases[i].at - at - 4, 8u);
			if (cases[i].at - at - 4 - length < 5)
				length = cases[i].at - at - 4;
			id[at] = NVME_NIDT_EUI64;
			id[at + 1] = length;
		}
		memcpy(id + cases[i].at, cases[i].bytes, sizeof(cases[i].bytes));
		memset(id + min(cases[i].at + 4, 4095u), 7, min(4096 - cases[i].at - 4, 16u));
		memset(&ns, 0, sizeof(ns));
		take_uuid(id, &ns);
		KUNIT_EXPECT_EQ_MSG(test, ns.uuid[15] == 7, cases[i].found, "%u", i);
	}
}

/* Without a list, a destination can do without the record. */
static void test_no_list(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	struct vfio_mediate_record record = { };
	unsigned int i, optional = 0;

	record.data = kunit_kzalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, record.data);
	from->no_list = true;
	to->no_list = true;
	for (i = 0; i < 2; i++) {
		reset_ctrl(from);
		reset_ctrl(to);
		from->no_list = !i;
		stopped_source(test);
		optional = 0;
		record.index = 0;
		for (; snv_migration_ops.save(device(w), &record) > 0; record.index++)
			optional += record.type == SNV_REC_NS && record.optional;
		KUNIT_EXPECT_EQ(test, optional, i ? 0 : 2);
		KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
	}
}

/* A controller that has failed is disabled, too. */
static void test_failed(struct kunit *test)
{
	struct world *w = test->priv;

	driver_start(test, 64);
	w->on->csts |= NVME_CSTS_CFS;
	KUNIT_EXPECT_EQ(test, snv_wait_ready(w->on->vf, false), -ETIMEDOUT);
	w->on->csts = 0;
	KUNIT_EXPECT_EQ(test, snv_wait_ready(w->on->vf, false), 0);
	w->on->csts = NVME_CSTS_CFS;
	KUNIT_EXPECT_EQ(test, snv_wait_ready(w->on->vf, true), -EIO);
}

/* A destination may offer more SGLs than the source. */
static void test_sgls(struct kunit *test)
{
	static const struct {
		u32 want;
		u32 have;
		int ret;
	} cases[] = {
		{ 0, 0x10001, 0 },
		{ 0x10000, 0, 0 },		/* none are supported */
		{ 1, 0, -EXDEV },
		{ 1, 2, -EXDEV },		/* only aligned ones */
		{ 2, 1, 0 },
		{ 1, 3, -EXDEV },
		{ 0x10001, 1, -EXDEV },
		{ 1, 0x3f0005, 0 },
		{ 0x0801, 0x0401, 0 },		/* the threshold */
	};
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		reset_ctrl(from);
		reset_ctrl(to);
		from->sgls = cases[i].want;
		to->sgls = cases[i].have;
		stopped_source(test);
		KUNIT_EXPECT_EQ_MSG(test, load_and_run(test, to), cases[i].ret, "%u", i);
	}
}

/* Of a controller that is disabled, registers are compared. */
static void test_disabled(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1];

	w->on = &w->ctrl[0];
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	to->version = 0x10400;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EXDEV);
	to->version = 0;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
}

/* The driver enables a controller that it must not have. */
static void expect_strange(struct kunit *test, struct ctrl *ctrl)
{
	struct vfio_mediate_access csts = { .offset = NVME_REG_CSTS, .width = 4 };
	struct world *w = test->priv;
	struct ctrl *on = w->on;

	/* The VMM has reset it. */
	ctrl_set_cc(ctrl, 0);
	set_bit(SNV_NOTE_RESET, &ctrl->vf->notes);
	w->on = ctrl;
	driver_write(w, NVME_REG_CC, CC_VALUE);
	flush_delayed_work(&ctrl->vf->work);
	KUNIT_EXPECT_EQ(test, ctrl->csts & NVME_CSTS_RDY, 0);
	KUNIT_EXPECT_EQ(test, snv_rw(device(w), &csts), 0);
	KUNIT_EXPECT_NE(test, csts.value & NVME_CSTS_CFS, 0);
	driver_write(w, NVME_REG_CC, 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.save_begin(device(w)), -EOPNOTSUPP);
	w->on = on;
}

/* Neither a run that was killed nor a header lets the guest have a disk that was not compared. */
static void test_killed(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1];
	struct vfio_mediate_device *dev = &to->session.dev;

	stopped_source(test);
	to->disk = 1;
	to->hold = 1;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EINTR);
	kill_current(false);
	expect_strange(test, to);

	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EXDEV);
	expect_strange(test, to);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(dev), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
	snv_migration_ops.load_end(dev, -ECANCELED);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(dev), 0);
	expect_strange(test, to);

	to->disk = 0;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
	KUNIT_EXPECT_NE(test, to->csts & NVME_CSTS_RDY, 0);

	/* A reset after the state was loaded, and before it runs */
	reset_ctrl(to);
	KUNIT_ASSERT_EQ(test, load(test, to), 0);
	set_bit(SNV_NOTE_RESET, &to->vf->notes);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.run(dev), 0);
	KUNIT_EXPECT_TRUE(test, to->vf->lost);
	/* Another one, before anybody is told of either */
	set_bit(SNV_NOTE_RESET, &to->vf->notes);
	snv_lock(to->vf);
	snv_unlock(to->vf);
	KUNIT_EXPECT_TRUE(test, to->vf->lost);
}

/* A namespace that has gone is not looked for. */
static void test_gone(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];

	stopped_source(test);
	KUNIT_EXPECT_EQ(test, from->vf->ns[0].blocks, 1);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.run(device(w)), 0);
	from->gone = true;
	to->gone = true;
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
}

/* A guest that says it has a namespace which no controller has is migrated all the same. */
static void test_made_up(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];

	driver_start(test, 64);
	identify(w, 1);
	identify(w, NUM_NS + 1);
	identify(w, 2);
	KUNIT_EXPECT_EQ(test, from->vf->num_ns, 3);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
	KUNIT_EXPECT_EQ(test, from->vf->num_ns, 2);
	KUNIT_EXPECT_EQ(test, from->vf->ns[1].nsid, 2);
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), 0);
}

/* A destination that does not say what it is may be any. */
static void test_mute(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1];

	stopped_source(test);
	to->mute = true;
	KUNIT_EXPECT_EQ(test, load_and_run(test, to), -EIO);
	expect_strange(test, to);
}

/* Records of a newer kind, which are left out, do not count. */
static void test_newer(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1];
	struct vfio_mediate_device *dev = &to->session.dev;
	struct vfio_mediate_record record = { };
	unsigned int i, newer = 0;

	stopped_source(test);
	record.data = kunit_kzalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, record.data);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(dev), 0);
	KUNIT_ASSERT_EQ(test, snv_migration_ops.load_begin(dev, 1, 0), 0);
	for (; snv_migration_ops.save(device(w), &record) > 0; record.index++) {
		KUNIT_EXPECT_EQ(test, snv_migration_ops.load(dev, &record), 0);
		if (record.type != SNV_REC_NS || newer)
			continue;
		memset(record.data + record.length, 1, 8);
		record.length += 8;
		for (i = 0; i < 2 * SNV_NAMESPACES; i++, newer++)
			KUNIT_EXPECT_EQ(test, snv_migration_ops.load(dev, &record), -EOPNOTSUPP);
	}
	KUNIT_EXPECT_GT(test, newer, 0);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.apply(dev), 0);
	KUNIT_EXPECT_EQ(test, to->vf->num_ns, 2);
	KUNIT_EXPECT_EQ(test, snv_migration_ops.run(dev), 0);
	snv_migration_ops.load_end(dev, 0);
}

/* The data of a feature is not where its command is, wherever that is in a small queue. */
static void test_feature_data(struct kunit *test)
{
	struct world *w = test->priv;
	struct ctrl *to = &w->ctrl[1], *from = &w->ctrl[0];
	const u64 since = 1000000000000;
	unsigned int n, i;

	for (n = 0; n <= NUM_NS; n++) {
		reset_ctrl(from);
		reset_ctrl(to);
		driver_enable(test, 2 + 2 * SNV_DATA_MAX / SNV_SQE_SIZE);
		memcpy(w->memory + BUFFERS, &since, sizeof(since));
		KUNIT_ASSERT_EQ(test, driver_set_feature(w, NVME_FEAT_TIMESTAMP, 0, BUFFERS), 0);
		for (i = 1; i <= n; i++)
			identify(w, i);
		driver_queue_pair(test, 1, 64);
		KUNIT_ASSERT_EQ(test, snv_migration_ops.stop(device(w)), 0);
		KUNIT_EXPECT_EQ_MSG(test, load_and_run(test, to), 0, "%u", n);
		KUNIT_EXPECT_GE_MSG(test, to->timestamp, since, "%u", n);
		KUNIT_EXPECT_LT_MSG(test, to->timestamp, since + 60000, "%u", n);
	}
}
