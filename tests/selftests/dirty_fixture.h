/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests of dirty tracking: as many frames are sent to the VF as the environment's
 * PACKETS says, by the PF's netdev, and SEED decides on all that is random.
 */
#ifndef DIRTY_FIXTURE_H
#define DIRTY_FIXTURE_H

#include "check.h"
#include "dirty.h"

/* Reports come some milliseconds late. Of few packets, what is late weighs more. */
#define RATIO_GOAL	(PACKETS < 100000 ? 1.15 : 1.05)
#define RESTARTS	5
#define PACKETS		env_number("PACKETS", 20000)
/* Seconds; asked for when a test is registered */
#define TIMEOUT		(300 + PACKETS / 50)

/* What is left to do is to open the VF. */
static inline void begin_dirty(struct dirty *d)
{
	unsigned int seed = env_number("SEED", 1);

	d->state = seed * 2654435761u + 1;
	sender_start(d, getenv("LAB_PF_NETDEV") ?: "", seed);
	make_memory(d);
}

static inline void end_dirty(struct __test_metadata *_metadata, struct dirty *d)
{
	ksft_print_msg("%llu packets received in all\n", d->received);
	store(&d->sender->end, true);
	end_checks(_metadata);
}

static inline void check_config(struct __test_metadata *_metadata, struct dirty *d,
				const struct sink *sink, const struct config *config,
				unsigned int packets)
{
	/* Whether a header was split off is not asked, nor always how long a frame was. */
	bool strict = !config->split && !config->shift;
	double ratio = track(d, sink, config, packets);
	unsigned long long received = d->received;

	CHECK_EQ(d->missed, 0, "no page is missed");
	CHECK(ratio && (ratio <= RATIO_GOAL || !strict),
	      "under load %.3f pages are reported for each that is written", ratio);
	vf_traffic(d, 200);
	vf_quiet(d);
	CHECK(d->received > received + 20, "it goes on afterwards");
}

/* The witness itself: were a page of all those not reported, that would be seen. */
static inline void check_witness(struct __test_metadata *_metadata, struct dirty *d,
				 const struct sink *sink)
{
	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, sink);
	pass(d, sink, 100, "the witness");
	d->missed = 0;
	d->passed_over = 0;
	d->blind = true;
	pass(d, sink, 400, "passed over on purpose");
	d->blind = false;
	CHECK_EQ(d->missed, 1, "that one page is not reported would be seen");
	must(!sink->stop(d), "tracking does not end");
}

/* Resets by the VF's own driver, of which nothing is seen in pages that are trapped */
static inline void check_restarts(struct __test_metadata *_metadata, struct dirty *d,
				  const struct sink *sink)
{
	unsigned long long received;
	unsigned int i, alive = 0;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[RX_256]);
	d->missed = 0;
	start_tracking(d, sink);
	pass(d, sink, 200, "before a restart");
	for (i = 0; i < RESTARTS; i++) {
		vf_traffic(d, below(d, 50));
		vf_restart(d);
		check(d, sink, false, "by a restart");
		received = d->received;
		pass(d, sink, 200, "after a restart");
		alive += d->received > received + 20;
	}
	CHECK_EQ(alive, RESTARTS,
		 "%s: reset with its queues enabled, then enabled with the same values: received",
		 sink->name);
	CHECK_EQ(d->missed, 0, "%s: nothing is missed by that", sink->name);
	must(!sink->stop(d), "tracking does not end");
	received = d->received;
	vf_traffic(d, 200);
	vf_quiet(d);
	CHECK(d->received > received + 20, "%s: it goes on afterwards", sink->name);
}

#endif /* DIRTY_FIXTURE_H */
