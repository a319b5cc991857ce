// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: the state of the trap: what user space reads and sets by its feature, and how it is
 * told of changes.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, no_p2p) { .parameters = DEMO_NO_P2P };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

/* Take part: act on the state until it is the one that is acknowledged. */
static int follow(struct mediate *m, void (*map)(struct mediate *m, bool on))
{
	struct vfio_device_feature_trap state;
	int ret;

	do {
		ret = trap_read(m, &state);
		if (ret)
			return ret;
		map(m, state.flags & VFIO_DEVICE_TRAP_ON);
		ret = trap_write(m, VFIO_DEVICE_TRAP_ACK, state.sequence);
	} while (ret == -EAGAIN);

	return ret;
}

static int feature(struct mediate *m, __u32 op, void *data, size_t size)
{
	return vfio_client_feature(&m->dev, VFIO_MEDIATE_FEATURE_TRAP | op, data, size);
}

/* Everything that user space can do wrong, in state @sequence */
static void test_wrong(struct __test_metadata *_metadata, struct mediate *m, __u64 sequence)
{
	const __u32 on = VFIO_DEVICE_TRAP_ON, hold = VFIO_DEVICE_TRAP_HOLD,
		    ack = VFIO_DEVICE_TRAP_ACK, release = VFIO_DEVICE_TRAP_RELEASE;
	const struct {
		const char *what;
		struct vfio_device_feature_trap set;
		int want;
	} wrong[] = {
		{ "no flag", { .flags = 0 }, -EINVAL },
		{ "ON", { .flags = on }, -EINVAL },
		{ "ON | HOLD", { .flags = on | hold }, -EINVAL },
		{ "HOLD | RELEASE", { .flags = hold | release }, -EINVAL },
		{ "ACK | RELEASE", { .flags = ack | release, .sequence = sequence }, -EINVAL },
		{ "ACK | RELEASE of another state",
		  { .flags = ack | release, .sequence = sequence + 1 }, -EINVAL },
		{ "flag 4", { .flags = 1 << 4 }, -EINVAL },
		{ "HOLD and flag 31", { .flags = hold | 1u << 31 }, -EINVAL },
		{ "all flags", { .flags = ~0u }, -EINVAL },
		{ "HOLD with a sequence", { .flags = hold, .sequence = sequence }, -EINVAL },
		{ "RELEASE with a sequence", { .flags = release, .sequence = sequence }, -EINVAL },
		{ "HOLD with an interrupt", { .flags = hold, .irq_index = m->irq_trap }, -EINVAL },
		{ "ACK with an interrupt",
		  { .flags = ack, .irq_index = 1, .sequence = sequence }, -EINVAL },
		{ "ACK of none", { .flags = ack }, -EAGAIN },
		{ "ACK of the next", { .flags = ack, .sequence = sequence + 1 }, -EAGAIN },
		{ "ACK of the one before", { .flags = ack, .sequence = sequence - 1 }, -EAGAIN },
		{ "ACK of it and 2^32",
		  { .flags = ack, .sequence = sequence + (1ull << 32) }, -EAGAIN },
		{ "HOLD | ACK of the next",
		  { .flags = hold | ack, .sequence = sequence + 1 }, -EAGAIN },
	};
	struct vfio_device_feature_trap state, after;
	unsigned int i;

	ASSERT_EQ(0, trap_read(m, &state));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		after = wrong[i].set;
		CHECK_EQ(feature(m, VFIO_DEVICE_FEATURE_SET, &after, sizeof(after)),
			 wrong[i].want, "feature: set %s", wrong[i].what);
		ASSERT_EQ(0, trap_read(m, &after));
		CHECK(!memcmp(&state, &after, sizeof(state)), "feature: which changes nothing");
	}
	for (i = 0; i < sizeof(state); i++) {
		CHECK_EQ(feature(m, VFIO_DEVICE_FEATURE_GET, &after, i), -EINVAL,
			 "feature: get %u bytes", i);
		CHECK_EQ(feature(m, VFIO_DEVICE_FEATURE_SET, &after, i), -EINVAL,
			 "feature: set %u bytes", i);
	}
}

/* Of a call whose struct ends where user space's memory does */
static int call_at_end(struct mediate *m, __u32 op, size_t readable)
{
	struct vfio_device_feature *call;
	__u8 *pages;
	int ret;

	pages = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (pages == MAP_FAILED || munmap(pages + PAGE_4K, PAGE_4K))
		die("mmap: %s", strerror(errno));
	call = (void *)(pages + PAGE_4K - readable);
	call->argsz = sizeof(*call) + sizeof(struct vfio_device_feature_trap);
	call->flags = VFIO_MEDIATE_FEATURE_TRAP | op;
	ret = vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_FEATURE, call);
	munmap(pages, PAGE_4K);

	return ret;
}

TEST_F(mediate, feature)
{
	struct vfio_device_feature_trap large[2];
	struct vfio_device_feature_trap state;
	struct mediate *m = &self->m;
	size_t header = sizeof(struct vfio_device_feature);

	CHECK_EQ(vfio_client_feature_probe(&m->dev, VFIO_MEDIATE_FEATURE_TRAP,
					   VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET),
		 0, "feature: probe get and set");
	CHECK_EQ(feature(m, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET, &state,
			 sizeof(state)), -EINVAL, "feature: get and set at once");
	CHECK_EQ(feature(m, 0, &state, sizeof(state)), -EINVAL, "feature: neither");
	CHECK_EQ(trap_read(m, &state), 0, "feature: get");
	CHECK(!state.flags && state.irq_index == m->irq_trap && state.sequence == 1,
	      "feature: state of a device that was just opened");
	test_wrong(_metadata, m, 1);

	CHECK_EQ(call_at_end(m, VFIO_DEVICE_FEATURE_GET, header), -EFAULT,
		 "feature: get to nowhere");
	CHECK_EQ(call_at_end(m, VFIO_DEVICE_FEATURE_GET, header + 8), -EFAULT,
		 "feature: get to half a buffer");
	CHECK_EQ(call_at_end(m, VFIO_DEVICE_FEATURE_SET, header), -EFAULT,
		 "feature: set from nowhere");
	CHECK_EQ(call_at_end(m, VFIO_DEVICE_FEATURE_SET, header + 8), -EFAULT,
		 "feature: set from half a buffer");

	memset(large, 0xa5, sizeof(large));
	CHECK_EQ(feature(m, VFIO_DEVICE_FEATURE_GET, large, sizeof(large)), 0,
		 "feature: get into a larger buffer");
	CHECK(!memcmp(large, &state, sizeof(state)) && large[1].flags == 0xa5a5a5a5u,
	      "feature: of which the rest is as it was");

	ASSERT_EQ(0, trap_set(m, TRAP_EXACT));
	ASSERT_EQ(0, trap_read(m, &state));
	CHECK(state.flags == (TRAP_EXACT | VFIO_DEVICE_TRAP_HOLD) && state.sequence == 2,
	      "feature: state of a device that is trapped");
	test_wrong(_metadata, m, 2);
	trap_set(m, TRAP_OFF);
}

/* The traps of a device that is opened again start anew. */
TEST_F(mediate, reopened)
{
	struct vfio_device_feature_trap state;
	struct mediate *m = &self->m;

	trap_set(m, TRAP_EXACT);
	mediate_close(m);
	mediate_open(m, lab_vf(0), variant->mode);
	CHECK_EQ(trap_read(m, &state), 0, "reopened: get");
	CHECK(!state.flags && state.sequence == 1, "reopened: nobody holds, and it is state 1");
}

static __u64 sequence(struct mediate *m)
{
	struct vfio_device_feature_trap state;
	int ret = trap_read(m, &state);

	if (ret)
		die("read the state of the trap: %s", strerror(-ret));

	return state.sequence;
}

/*
 * A step from one state to the next. Each new one has the next number, which is signalled: nothing
 * may change between two steps of a test.
 */
static void step(struct __test_metadata *_metadata, struct mediate *m, const char *how,
		 long ret, long want_ret, long want_state, int fd, unsigned int changes)
{
	static __u64 last = 1;
	__u64 now = sequence(m);

	CHECK_EQ(ret, want_ret, "trap: %s", how);
	CHECK_EQ(trap_get(m), want_state, "trap: state after %s", how);
	CHECK_EQ(eventfd_count(fd), changes, "trap: signals after %s", how);
	CHECK_EQ(now, last + changes, "trap: sequence after %s", how);
	last = now;
}

TEST_F(mediate, states)
{
	struct mediate *m = &self->m;
	bool shadow = m->traps != TRAPS_NOSHADOW;
	int fd = new_eventfd();

	CHECK_EQ(trap_listen(m, fd), 0, "trap: listen");
	step(_metadata, m, "off at first", 0, 0, TRAP_OFF, fd, 0);
	step(_metadata, m, "off when off", trap_set(m, TRAP_OFF), 0, TRAP_OFF, fd, 0);
	step(_metadata, m, "acknowledged when off", trap_ack(m), 0, TRAP_OFF, fd, 0);

	if (shadow) {
		step(_metadata, m, "on", trap_set(m, TRAP_ON), 0, TRAP_ON, fd, 1);
		step(_metadata, m, "on when on", trap_set(m, TRAP_ON), 0, TRAP_ON, fd, 0);
		step(_metadata, m, "acknowledged", trap_ack(m), 0, TRAP_EXACT, fd, 0);
		step(_metadata, m, "off again", trap_set(m, TRAP_OFF), 0, TRAP_OFF, fd, 1);
		step(_metadata, m, "on once more", trap_set(m, TRAP_ON), 0, TRAP_ON, fd, 1);
		step(_metadata, m, "exact when on", trap_set(m, TRAP_EXACT), 0, TRAP_EXACT, fd,
		     0);
	} else {
		step(_metadata, m, "on without shadow", trap_set(m, TRAP_ON), -EBUSY, TRAP_OFF,
		     fd, 0);
		step(_metadata, m, "on by the vendor without shadow", demo_toggle(true), -EBUSY,
		     TRAP_OFF, fd, 0);
		step(_metadata, m, "exact without shadow", trap_set(m, TRAP_EXACT), 0,
		     TRAP_EXACT, fd, 1);
	}
	step(_metadata, m, "on when exact", trap_set(m, TRAP_ON), 0, TRAP_EXACT, fd, 0);
	step(_metadata, m, "acknowledged when exact", trap_ack(m), 0, TRAP_EXACT, fd, 0);
	step(_metadata, m, "exact when exact", trap_set(m, TRAP_EXACT), 0, TRAP_EXACT, fd, 0);
	step(_metadata, m, "on by the vendor when exact", demo_toggle(true), 0, TRAP_EXACT, fd,
	     0);
	step(_metadata, m, "off while the vendor holds", trap_set(m, TRAP_OFF), 0, TRAP_EXACT, fd,
	     0);
	step(_metadata, m, "off by the vendor, too", demo_toggle(false), 0, TRAP_OFF, fd, 1);
	step(_metadata, m, "off by the vendor when off", demo_toggle(false), 0, TRAP_OFF, fd,
	     0);
	step(_metadata, m, "exact from off", trap_set(m, TRAP_EXACT), 0, TRAP_EXACT, fd, 1);
	step(_metadata, m, "off by the vendor, which does not hold", demo_toggle(false), 0,
	     TRAP_EXACT, fd, 0);
	step(_metadata, m, "off when exact", trap_set(m, TRAP_OFF), 0, TRAP_OFF, fd, 1);
	if (shadow) {
		step(_metadata, m, "on by the vendor", demo_toggle(true), 0, TRAP_ON, fd, 1);
		step(_metadata, m, "on by the vendor when on", demo_toggle(true), 0, TRAP_ON,
		     fd, 0);
		step(_metadata, m, "acknowledged, by the vendor", trap_ack(m), 0, TRAP_EXACT, fd,
		     0);
		step(_metadata, m, "off by the VMM, which does not hold", trap_set(m, TRAP_OFF), 0,
		     TRAP_EXACT, fd, 0);
		step(_metadata, m, "exact, too", trap_set(m, TRAP_EXACT), 0, TRAP_EXACT, fd, 0);
		step(_metadata, m, "off by the vendor, not by the VMM", demo_toggle(false), 0,
		     TRAP_EXACT, fd, 0);
		step(_metadata, m, "off, last", trap_set(m, TRAP_OFF), 0, TRAP_OFF, fd, 1);
	} else {
		/* What was said of the last trap does not hold for the next. */
		step(_metadata, m, "on by the vendor, after exact", demo_toggle(true), -EBUSY,
		     TRAP_OFF, fd, 0);
	}
	trap_listen(m, -1);
	trap_set(m, TRAP_ON);
	trap_set(m, TRAP_OFF);
	CHECK_EQ(eventfd_count(fd), 0, "trap: on and off while nobody listens");
	close(fd);
}

/*
 * The trap goes off and on again between what the VMM reads and its acknowledgment: it may have
 * mapped pages meanwhile, and has not seen that they are trapped again.
 */
TEST_F(mediate, old_sequence)
{
	struct mediate *m = &self->m;
	bool shadow = m->traps != TRAPS_NOSHADOW;
	__u32 hold = VFIO_DEVICE_TRAP_HOLD, ack = VFIO_DEVICE_TRAP_ACK;
	int fd = new_eventfd();
	__u64 seen;

	trap_listen(m, fd);
	seen = sequence(m);
	CHECK_EQ(seen, 1, "sequence: 1 at first");
	if (shadow) {
		step(_metadata, m, "by the vendor", demo_toggle(true), 0, TRAP_ON, fd, 1);
		step(_metadata, m, "acknowledged as off", trap_write(m, ack, seen), -EAGAIN,
		     TRAP_ON, fd, 0);
		seen = sequence(m);
		step(_metadata, m, "off", demo_toggle(false), 0, TRAP_OFF, fd, 1);
		step(_metadata, m, "acknowledged as on", trap_write(m, ack, seen), -EAGAIN,
		     TRAP_OFF, fd, 0);
		step(_metadata, m, "and on", demo_toggle(true), 0, TRAP_ON, fd, 1);
		step(_metadata, m, "acknowledged as the trap before", trap_write(m, ack, seen),
		     -EAGAIN, TRAP_ON, fd, 0);
		step(_metadata, m, "held as the trap before", trap_write(m, hold | ack, seen),
		     -EAGAIN, TRAP_ON, fd, 0);
		step(_metadata, m, "held by nobody then", demo_toggle(false), 0, TRAP_OFF, fd, 1);
		demo_toggle(true);
		seen = sequence(m);
		step(_metadata, m, "acknowledged as it is", trap_write(m, ack, seen), 0,
		     TRAP_EXACT, fd, 1);
		step(_metadata, m, "once more", trap_write(m, ack, seen), 0, TRAP_EXACT, fd, 0);
		step(_metadata, m, "off by the vendor", demo_toggle(false), 0, TRAP_OFF, fd, 1);
	}

	seen = sequence(m);
	step(_metadata, m, "held as it is", trap_write(m, hold | ack, seen), 0, TRAP_EXACT, fd, 1);
	step(_metadata, m, "held as off", trap_write(m, hold | ack, seen), -EAGAIN, TRAP_EXACT, fd,
	     0);
	seen = sequence(m);
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
		 "sequence: reset");
	step(_metadata, m, "acknowledged before a reset", trap_write(m, ack, seen), -EAGAIN,
	     TRAP_OFF, fd, 1);
	trap_listen(m, -1);
	close(fd);
}

/* Masked and unmasked by user space as any other interrupt. It is not masked by itself. */
TEST_F(mediate, irq)
{
	struct mediate *m = &self->m;
	__u32 on = m->traps != TRAPS_NOSHADOW ? TRAP_ON : TRAP_EXACT;
	int fd = new_eventfd();
	int i;

	CHECK_EQ(trap_listen(m, fd), 0, "trap irq: listen");
	for (i = 0; i < 2; i++) {
		trap_set(m, on);
		trap_set(m, TRAP_OFF);
	}
	CHECK_EQ(eventfd_count(fd), 4, "trap irq: signalled at each change");
	vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK,
			     m->irq_trap, 0, 1, NULL, 0);
	trap_set(m, on);
	CHECK_EQ(eventfd_count(fd), 0, "trap irq: masked");
	vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
			     m->irq_trap, 0, 1, NULL, 0);
	CHECK_EQ(eventfd_count(fd), 1, "trap irq: unmasked");
	CHECK_EQ(trap_get(m), on, "trap irq: which acknowledges nothing");
	trap_set(m, TRAP_OFF);
	trap_listen(m, -1);
	close(fd);
}

/* The page that a VMM has mapped while it is not trapped */
static __u8 *page;
static unsigned int rounds;

static void remap(struct mediate *m, bool on)
{
	if (on && page) {
		munmap(page, PAGE_4K);
		page = NULL;
	} else if (!on && !page) {
		page = bar_map(m, RX_PAGE, PAGE_4K);
	}
	/* Meanwhile the vendor ends its trap, and traps anew. */
	if (!rounds++) {
		demo_toggle(false);
		demo_toggle(true);
	}
}

TEST_F(mediate, followed)
{
	struct mediate *m = &self->m;
	int fd = new_eventfd();

	if (m->traps == TRAPS_NOSHADOW)
		SKIP(return, "the vendor cannot trap by itself");
	trap_listen(m, fd);
	rounds = 1;
	CHECK_EQ(follow(m, remap), 0, "followed: off");
	CHECK(page && rounds == 2, "followed: the page is mapped at once");
	rounds = 0;
	demo_toggle(true);
	CHECK_EQ(eventfd_count(fd), 1, "followed: signalled");
	CHECK_EQ(follow(m, remap), 0, "followed: on");
	CHECK_EQ(rounds, 2, "followed: again, since the state has changed");
	CHECK_EQ(trap_get(m), TRAP_EXACT, "followed: acknowledged");
	CHECK_EQ(eventfd_count(fd), 2, "followed: signalled for what was seen");
	CHECK_EQ(follow(m, remap), 0, "followed: with nothing new");
	demo_toggle(false);
	CHECK_EQ(follow(m, remap), 0, "followed: off again");
	CHECK(page, "followed: the page is mapped again");
	trap_listen(m, -1);
	close(fd);
}

static void expect_told(struct __test_metadata *_metadata, struct mediate *m, unsigned int on,
			unsigned int off, unsigned int released, const char *when)
{
	struct mediate_counts counts = demo_counts(m);

	if (!CHECK(counts.on == on && counts.off == off && counts.released == released,
		   "holders: what the vendor is told, %s", when))
		ksft_print_msg("got %u %u %u, want %u %u %u\n", counts.on, counts.off,
			       counts.released, on, off, released);
}

/* A holder's trap is ended by itself, or by a reset, and it is told of all but its own. */
TEST_F(mediate, holders)
{
	struct mediate *m = &self->m;
	__u32 on = m->traps == TRAPS_NOSHADOW ? TRAP_EXACT : TRAP_ON;
	int fd = new_eventfd();

	trap_listen(m, fd);
	demo_reset(m);
	step(_metadata, m, "holders: the VMM's", trap_set(m, on), 0, on, fd, 1);
	expect_told(_metadata, m, 1, 0, 0, "when the VMM traps");
	step(_metadata, m, "holders: the vendor's, too", demo_toggle(true), 0, on, fd, 0);
	step(_metadata, m, "holders: not the VMM's", trap_set(m, TRAP_OFF), 0, on, fd, 0);
	expect_told(_metadata, m, 1, 0, 0, "when nothing changes");
	step(_metadata, m, "holders: not the vendor's", demo_toggle(false), 0, TRAP_OFF, fd, 1);
	expect_told(_metadata, m, 1, 0, 0, "of what it does itself");
	step(_metadata, m, "holders: the VMM's again", trap_set(m, on), 0, on, fd, 1);
	step(_metadata, m, "holders: which ends", trap_set(m, TRAP_OFF), 0, TRAP_OFF, fd, 1);
	expect_told(_metadata, m, 2, 1, 0, "when the VMM does not trap any more");

	step(_metadata, m, "holders: both", trap_set(m, on) ?: demo_toggle(true), 0, on, fd, 1);
	demo_reset(m);
	step(_metadata, m, "holders: of both, reset",
	     vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0, TRAP_OFF, fd, 1);
	expect_told(_metadata, m, 0, 1, 1, "when a reset has ended its hold");
	trap_set(m, on);
	demo_reset(m);
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
		 "holders: of the VMM alone, reset");
	expect_told(_metadata, m, 0, 1, 0, "when a reset has ended the VMM's");
	trap_listen(m, -1);
	close(fd);
}

/* The vendor has gone: nothing is acknowledged any more. */
TEST_F(mediate, ack_gone)
{
	struct mediate *m = &self->m;

	CHECK_EQ(trap_set(m, TRAP_EXACT), 0, "gone: trapped");
	CHECK_EQ(demo_param_set("registered", "0"), 0, "gone: the vendor");
	CHECK_EQ(trap_ack(m), -ENODEV, "gone: acknowledge");
	CHECK_EQ(trap_write(m, VFIO_DEVICE_TRAP_ACK, 1), -EAGAIN, "gone: another state");
	CHECK_EQ(demo_param_set("registered", "1"), 0, "gone: the vendor is back");
}

TEST_HARNESS_MAIN
