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
