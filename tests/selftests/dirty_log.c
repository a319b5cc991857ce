// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: what a VF writes is reported by VFIO_DEVICE_FEATURE_DMA_LOGGING_*, all of it,
 * whatever the VF is opened through.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>

#include "dirty_fixture.h"

FIXTURE(log) {
	struct dirty d;
};

FIXTURE_VARIANT(log) {
	enum vfio_client_mode mode;
};

FIXTURE_VARIANT_ADD(log, group) { .mode = VFIO_CLIENT_GROUP };
FIXTURE_VARIANT_ADD(log, cdev) { .mode = VFIO_CLIENT_CDEV };

FIXTURE_SETUP(log)
{
	begin_dirty(&self->d);
	ASSERT_EQ(0, open_device(&self->d.dev, lab_vf(0), variant->mode));
	use_vf(&self->d);
}

FIXTURE_TEARDOWN(log)
{
	close_vf(&self->d);
	end_dirty(_metadata, &self->d);
}

TEST_F(log, errors)
{
	struct vfio_device_feature_dma_logging_range good = { HIGH_IOVA, HIGH_SIZE };
	struct vfio_device_feature_dma_logging_range bad[2];
	__u64 bitmap[PAGES / 64] = {};
	struct dirty *d = &self->d;

	CHECK_EQ(log_get(d, 0, LOW_SIZE, PAGE_4K, bitmap), -EINVAL, "log: report without start");
	CHECK_EQ(log_end(d), 0, "log: stop without start");
	CHECK_EQ(log_start_ranges(d, 0, &good, 1), -EINVAL, "log: pages of 0");
	CHECK_EQ(log_start_ranges(d, 3 * PAGE_4K, &good, 1), -EINVAL, "log: pages of 12 KiB");
	CHECK_EQ(log_start_ranges(d, PAGE_4K, &good, 0), -EINVAL, "log: no ranges");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA, 0 };
	CHECK_EQ(log_start_ranges(d, PAGE_4K, bad, 1), -EINVAL, "log: a range of nothing");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ 0, 0 };
	CHECK(log_start_ranges(d, PAGE_4K, bad, 1) < 0, "log: a range of nothing at 0");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA + 512, PAGE_4K };
	CHECK_EQ(log_start_ranges(d, PAGE_4K, bad, 1), -EINVAL, "log: a range that is not aligned");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ -(__u64)PAGE_4K, 2 * PAGE_4K };
	CHECK(log_start_ranges(d, PAGE_4K, bad, 1) < 0, "log: a range that wraps around");
	bad[0] = good;
	bad[1] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA + PAGE_4K, PAGE_4K };
	CHECK_EQ(log_start_ranges(d, PAGE_4K, bad, 2), -EINVAL, "log: ranges that overlap");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ 0, 1ull << 62 };
	CHECK_EQ(log_start_ranges(d, PAGE_4K, bad, 1), -E2BIG, "log: a range of 4 EiB");
	CHECK_EQ(log_get(d, 0, LOW_SIZE, PAGE_4K, bitmap), -EINVAL,
		 "log: none of these has started");

	CHECK_EQ(log_start_ranges(d, 512, &good, 1), 0, "log: pages of 512 become what there is");
	CHECK_EQ(log_start_ranges(d, PAGE_4K, &good, 1), -EINVAL, "log: started twice");
	CHECK(log_get(d, 0, LOW_SIZE, 512, bitmap) < 0, "log: report of pages of 512");
	CHECK(log_get(d, -(__u64)PAGE_4K, 2 * PAGE_4K, PAGE_4K, bitmap) < 0,
	      "log: report that wraps around");
	CHECK_EQ(log_end(d), 0, "log: stop");
	CHECK_EQ(log_end(d), 0, "log: stop twice");
}

static bool covers(const __u64 *coarse, const __u64 *fine, unsigned int factor)
{
	unsigned int page;

	for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
		if (is_set(fine, page) && !is_set(coarse, page / factor))
			return false;

	return true;
}

/* Parts of what is logged, in all ways it can be asked for */
TEST_F_TIMEOUT(log, parts, TIMEOUT)
{
	__u64 one[HIGH_SIZE / PAGE_4K / 64], two[HIGH_SIZE / PAGE_4K / 64];
	const unsigned int words = ARRAY_SIZE(one), half = words / 2;
	unsigned int page, changed = 0, round;
	struct dirty *d = &self->d;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, &sinks[SINK_LOG]);
	for (round = 0; round < 2; round++) {
		vf_traffic(d, 400);
		vf_quiet(d);
		memset(one, 0, sizeof(one));
		memset(two, 0, sizeof(two));
		/* Some of it by pages of 64 KiB, of the rest first a part. */
		if (round) {
			must(!log_get(d, HIGH_IOVA, HIGH_SIZE, 16 * PAGE_4K, one), "report");
			for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
				if (differs(d, LOW_SIZE / PAGE_4K + page))
					two[page / 64] |= 1ull << page % 64;
			CHECK(bits(two, words) && covers(one, two, 16),
			      "log: all of %u pages reported in %u of 64 KiB",
			      bits(two, words), bits(one, words));
			continue;
		}
		must(!log_get(d, HIGH_IOVA, HIGH_SIZE / 2, PAGE_4K, one), "report");
		must(!log_get(d, HIGH_IOVA, HIGH_SIZE / 2, PAGE_4K, two), "report");
		CHECK(bits(one, half) && !bits(two, half), "log: the half is reported once");
		must(!log_get(d, HIGH_IOVA + HIGH_SIZE / 2, HIGH_SIZE / 2, PAGE_4K, one + half),
		     "report");
		for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
			changed += differs(d, LOW_SIZE / PAGE_4K + page) && !is_set(one, page);
		CHECK_EQ(changed, 0, "log: and with the other it is all");
		memcpy(d->copy, d->mem, MEM_SIZE);
	}

	vf_traffic(d, 400);
	vf_quiet(d);
	memset(one, 0, sizeof(one));
	memset(two, 0, sizeof(two));
	CHECK_EQ(log_get(d, HIGH_IOVA + 2048, HIGH_SIZE - PAGE_4K, PAGE_4K, one), 0,
		 "log: report from the middle of a page");
	CHECK(bits(one, words), "log: of which there is something");
	CHECK_EQ(log_get(d, HIGH_IOVA - 64 * PAGE_4K, HIGH_SIZE, PAGE_4K, two), 0,
		 "log: report of more than is logged");
	CHECK_EQ(bits(two, 1), 0, "log: of the rest, nothing is known");
	CHECK_EQ(log_end(d), 0, "log: stop with traffic gone by");
	CHECK_EQ(log_get(d, 0, LOW_SIZE, PAGE_4K, one), -EINVAL, "log: report after stop");
}

TEST_F_TIMEOUT(log, restarts, TIMEOUT)
{
	check_restarts(_metadata, &self->d, &sinks[SINK_LOG]);
}

TEST_F_TIMEOUT(log, witness, TIMEOUT)
{
	check_witness(_metadata, &self->d, &sinks[SINK_LOG]);
}

/* The same for each way to set up the rings. Half of them is what a guest's driver has. */
FIXTURE(rings) {
	struct dirty d;
};

FIXTURE_VARIANT(rings) {
	unsigned int config;
	unsigned int part;	/* of all packets */
	enum vfio_client_mode mode;
};

FIXTURE_VARIANT_ADD(rings, of_256) { .config = RX_256, .part = 2 };
FIXTURE_VARIANT_ADD(rings, of_64) { .config = RX_64, .part = 8 };
FIXTURE_VARIANT_ADD(rings, split) { .config = RX_SPLIT, .part = 8 };
FIXTURE_VARIANT_ADD(rings, half) { .config = RX_HALF, .part = 8 };
FIXTURE_VARIANT_ADD(rings, by_default) { .config = RX_DEFAULT, .part = 8 };
FIXTURE_VARIANT_ADD(rings, cdev_of_256) { RX_256, 8, VFIO_CLIENT_CDEV };
FIXTURE_VARIANT_ADD(rings, cdev_split) { RX_SPLIT, 8, VFIO_CLIENT_CDEV };

FIXTURE_SETUP(rings)
{
	begin_dirty(&self->d);
	ASSERT_EQ(0, open_device(&self->d.dev, lab_vf(0), variant->mode));
	use_vf(&self->d);
}

FIXTURE_TEARDOWN(rings)
{
	close_vf(&self->d);
	end_dirty(_metadata, &self->d);
}

TEST_F_TIMEOUT(rings, log, TIMEOUT)
{
	check_config(_metadata, &self->d, &sinks[SINK_LOG], &configs[variant->config],
		     PACKETS / variant->part);
}

TEST_HARNESS_MAIN
