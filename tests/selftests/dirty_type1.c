// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: what a VF writes is reported to a type1 container, all of it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dirty_fixture.h"

#define FAILS_MS	5000

/*
 * These two are the first: a container at the address of one that was told of pages may be
 * taken for it.
 */

/* Version 1 of type1 notes no dirty pages: a device is migrated, and nothing is tracked. */
FIXTURE(version1) {
	struct dirty d;
};

FIXTURE_SETUP(version1)
{
	struct vfio_client *c = &self->d.dev;

	begin_dirty(&self->d);
	ASSERT_EQ(0, vfio_client_init(c, lab_vf(0), VFIO_CLIENT_GROUP));
	c->iommu_type = VFIO_TYPE1_IOMMU;
	ASSERT_EQ(0, vfio_client_open_container(c));
	ASSERT_EQ(0, vfio_client_open_in_container(c));
	use_vf(&self->d);
}

FIXTURE_TEARDOWN(version1)
{
	close_vf(&self->d);
	end_dirty(_metadata, &self->d);
}

TEST_F_TIMEOUT(version1, migrated, TIMEOUT)
{
	struct dirty *d = &self->d;
	unsigned int times;

	CHECK_EQ(container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), -EACCES,
		 "VFIO_TYPE1_IOMMU: no dirty pages");
	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	for (times = 0; times < 2; times++) {
		CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0,
			 "VFIO_TYPE1_IOMMU: PRE_COPY");
		vf_traffic(d, 100);
		CHECK_EQ(read_state(), -ENOMSG, "VFIO_TYPE1_IOMMU: no error");
		CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0,
			 "VFIO_TYPE1_IOMMU: STOP_COPY");
		CHECK(read_state() > 0, "VFIO_TYPE1_IOMMU: all of its state");
		CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0,
			 "VFIO_TYPE1_IOMMU: it runs on");
	}
}

FIXTURE(type1) {
	struct dirty d;
};

FIXTURE_SETUP(type1)
{
	begin_dirty(&self->d);
	ASSERT_EQ(0, open_device(&self->d.dev, lab_vf(0), VFIO_CLIENT_GROUP));
	use_vf(&self->d);
}

FIXTURE_TEARDOWN(type1)
{
	close_vf(&self->d);
	end_dirty(_metadata, &self->d);
}

/* A VF whose driver has just started, tracked under load; what is missed counts from here. */
static void track_anew(struct dirty *d, const char *when)
{
	const struct sink *sink = &sinks[SINK_TYPE1];

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	d->missed = 0;
	d->sum_reported = 0;
	start_tracking(d, sink);
	pass(d, sink, 400, when);
}

/* In PRE_COPY: a tail beyond the ring. Return: what is read, once that has been seen. */
static int break_tracking(struct dirty *d)
{
	double end = now() + FAILS_MS;
	int ret;

	vf_bad_tail(d);
	while ((ret = read_state()) == -ENOMSG && now() < end)
		usleep(10000);

	return ret;
}

/* The vendor finds a ring that makes no sense: all memory counts as written, this time. */
TEST_F_TIMEOUT(type1, start_fails, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	static __u64 bitmap[PAGES / 64];
	struct dirty *d = &self->d;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	vf_bad_tail(d);
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "START");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0,
		 "type1: a tail beyond the ring is no reason not to migrate");
	must(!sink->query(d, bitmap), "report");
	CHECK_EQ(bits(bitmap, PAGES / 64), PAGES, "type1: but all is reported");
	CHECK_EQ(sink->stop(d), 0, "type1: it is cancelled");

	track_anew(d, "after a start that failed");
	CHECK(!d->missed && d->sum_reported < PAGES / 2,
	      "type1: the next time %llu pages are reported, %llu are missed",
	      d->sum_reported, d->missed);
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

TEST_F_TIMEOUT(type1, witness, TIMEOUT)
{
	check_witness(_metadata, &self->d, &sinks[SINK_TYPE1]);
}

TEST_F_TIMEOUT(type1, restarts, TIMEOUT)
{
	check_restarts(_metadata, &self->d, &sinks[SINK_TYPE1]);
}

/* In PRE_COPY, the device is reset: its state is not sent, but memory still is. */
TEST_F_TIMEOUT(type1, reset, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	track_anew(d, "before a reset");
	vf_traffic(d, 50);
	device_reset(d);
	CHECK_EQ(get_state(d), VFIO_DEVICE_STATE_RUNNING, "type1: reset in PRE_COPY: RUNNING");
	check(d, sink, false, "by a reset");
	vf_start(d, &configs[0]);
	pass(d, sink, 400, "after a reset");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "type1: PRE_COPY once more");
	pass(d, sink, 400, "after a reset, in PRE_COPY");

	/* So goes on who does not know that it was reset. */
	device_reset(d);
	vf_start(d, &configs[0]);
	vf_traffic(d, 100);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "type1: reset, and STOP_COPY");
	check(d, sink, true, "after a reset, stopped");
	CHECK_EQ(d->missed, 0, "type1: nothing is missed by resets, or after them");
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

/*
 * A migration that was cancelled, then one that begins while the guest is paused, and
 * goes on while it runs: the device is never in PRE_COPY.
 */
TEST_F_TIMEOUT(type1, without_pre_copy, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	track_anew(d, "before it is cancelled");
	CHECK_EQ(sink->stop(d), 0, "type1: a migration is cancelled");

	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "type1: paused");
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "START");
	memcpy(d->copy, d->mem, MEM_SIZE);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: runs again");
	pass(d, sink, 400, "without PRE_COPY");
	vf_traffic(d, 100);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "type1: and STOP_COPY");
	check(d, sink, true, "without PRE_COPY, stopped");
	CHECK_EQ(d->missed, 0, "type1: nothing is missed without PRE_COPY");
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

/* The container has been told of pages, and expects to be told of all others. */
TEST_F_TIMEOUT(type1, reopened, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	track_anew(d, "before it is closed");
	CHECK_EQ(sink->stop(d), 0, "type1: a migration is cancelled");
	reopen_vf(d);
	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	vf_traffic(d, 100);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "type1: reopened: it can be stopped");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -ESTALE,
		 "type1: reopened: what it wrote before it was tracked was not reported");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: reopened: it runs again");

	track_anew(d, "reopened");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "type1: reopened: STOP_COPY");
	check(d, sink, true, "reopened, stopped");
	CHECK_EQ(d->missed, 0, "type1: reopened: nothing is missed");
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

/* The same, with a vendor that does not track it any more. */
TEST_F_TIMEOUT(type1, untracked, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	track_anew(d, "before its vendor gives up tracking");
	CHECK_EQ(sink->stop(d), 0, "type1: a migration is cancelled");
	must(!param_set("vfio_mediate", "tracking", "0"), "tracking=0");
	reopen_vf(d);
	must(!param_set("vfio_mediate", "tracking", "1"), "tracking=1");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -ESTALE,
		 "type1: without tracking: PRE_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -ESTALE,
		 "type1: without tracking: STOP_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: without tracking: RUNNING");
}

/* Another container takes all for written again, also of a device that is never tracked. */
TEST_F_TIMEOUT(type1, left, TIMEOUT)
{
	struct dirty *d = &self->d;

	track_anew(d, "before it leaves its container");
	close_vf(d);
	/* As fast as another VMM may come */
	usleep(300000);
	must(!open_device(&d->dev, lab_vf(0), VFIO_CLIENT_GROUP), "open it in another");
	use_vf(d);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0,
		 "type1: in another container: STOP_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: in another: RUNNING");
}

/* Tracking fails in PRE_COPY, then when it is to start anew: nothing is known any more. */
TEST_F_TIMEOUT(type1, start_fails_again, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	track_anew(d, "before it fails");
	must(break_tracking(d) == -ERANGE, "tracking does not fail");
	CHECK_EQ(sink->stop(d), 0, "type1: a migration is cancelled");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -ERANGE,
		 "type1: it cannot be tracked any more: PRE_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "type1: nor then: STOP");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -ERANGE, "type1: nor then: STOP_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: nor then: RUNNING");

	track_anew(d, "after its rings make sense again");
	CHECK_EQ(d->missed, 0, "type1: then nothing is missed");
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

/* What cannot be tracked any more is known while the guest still runs. */
TEST_F_TIMEOUT(type1, fails_in_pre_copy, TIMEOUT)
{
	const struct sink *sink = &sinks[SINK_TYPE1];
	struct dirty *d = &self->d;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, sink);
	CHECK_EQ(read_state(), -ENOMSG, "type1: nothing more for now in PRE_COPY");

	CHECK_EQ(break_tracking(d), -ERANGE,
		 "type1: what makes tracking fail can be read in PRE_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "type1: back to RUNNING");
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), "STOP");

	track_anew(d, "after tracking has failed");
	CHECK_EQ(d->missed, 0, "type1: the next migration misses nothing");
	CHECK_EQ(sink->stop(d), 0, "type1: tracking ends");
}

static void reset_pf(void)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", getenv("LAB_PF"));
	file = fopen(path, "we");
	must(file && fputs("1\n", file) >= 0 && !fclose(file), "the PF cannot be reset");
}

/* Its PF is reset: nothing is left of its state, which must not be sent as if it were. */
TEST_F_TIMEOUT(type1, pf_reset, TIMEOUT)
{
	static const struct {
		__u32 before, after;
		const char *name;
	} phases[] = {
		{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY, "in PRE_COPY" },
		{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_STOP_COPY, "before STOP_COPY" },
		{ VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP_COPY, "in STOP_COPY" },
	};
	struct dirty *d = &self->d;
	unsigned long long received;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		must(vf_reset(d), "no handshake");
		vf_start(d, &configs[RX_256]);
		vf_traffic(d, 50);
		CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "PRE_COPY");
		CHECK_EQ(set_state(d, phases[i].before), 0, "%s: state", phases[i].name);
		reset_pf();
		CHECK_EQ(set_state(d, phases[i].after), 0, "%s: state after", phases[i].name);
		CHECK_EQ(read_state(), -EIO, "%s: its state is lost", phases[i].name);
		CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "%s: RUNNING",
			 phases[i].name);
		CHECK(vf_told(d), "%s: its driver is told", phases[i].name);

		/* Without writing to its config space */
		must(vf_reset(d), "no handshake after a reset of the PF");
		vf_start(d, &configs[RX_256]);
		received = d->received;
		vf_traffic(d, 200);
		vf_quiet(d);
		CHECK(d->received > received + 20, "%s: it receives", phases[i].name);
	}

	/* All of it was read before. */
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "STOP_COPY");
	CHECK(read_state() > 0, "its state is read");
	reset_pf();
	CHECK_EQ(read_state(), 0, "and was: it has an end");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "RUNNING at the end");
	must(vf_reset(d), "no handshake at the end");
}

/* The same for each way to set up the rings. Half of them is what a guest's driver has. */
FIXTURE(rings) {
	struct dirty d;
};

FIXTURE_VARIANT(rings) {
	unsigned int config;
	unsigned int part;	/* of all packets */
};

FIXTURE_VARIANT_ADD(rings, of_256) { .config = RX_256, .part = 2 };
FIXTURE_VARIANT_ADD(rings, of_64) { .config = RX_64, .part = 8 };
FIXTURE_VARIANT_ADD(rings, split) { .config = RX_SPLIT, .part = 8 };
FIXTURE_VARIANT_ADD(rings, half) { .config = RX_HALF, .part = 8 };
FIXTURE_VARIANT_ADD(rings, by_default) { .config = RX_DEFAULT, .part = 8 };

FIXTURE_SETUP(rings)
{
	begin_dirty(&self->d);
	ASSERT_EQ(0, open_device(&self->d.dev, lab_vf(0), VFIO_CLIENT_GROUP));
	use_vf(&self->d);
}

FIXTURE_TEARDOWN(rings)
{
	close_vf(&self->d);
	end_dirty(_metadata, &self->d);
}

TEST_F_TIMEOUT(rings, type1, TIMEOUT)
{
	check_config(_metadata, &self->d, &sinks[SINK_TYPE1], &configs[variant->config],
		     PACKETS / variant->part);
}

TEST_HARNESS_MAIN
