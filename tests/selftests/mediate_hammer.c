// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: doorbells that are rung as fast as can be while traps go on and off, so
 * often as the environment's TOGGLES says. None may be lost, come twice or out of order.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO "traps=hammer rom=N sparse=N" };

#define THREADS		4
#define EXACT_WRITES	2000u
#define TIMEOUT		300	/* seconds, for any number of toggles */

struct ringer {
	struct mediate *m;
	pthread_t thread;
	__u32 reg;
	__u32 *addr;	/* NULL: through the file */
	__u32 writes;	/* 0: until told to stop */
	__u32 stored;	/* last value that has been stored */
	bool failed;	/* to write, or to read back what it has written */
};

static struct ringer ringers[THREADS];
static atomic_bool stop;

static __u32 load(const __u32 *addr)
{
	return __atomic_load_n(addr, __ATOMIC_SEQ_CST);
}

static void store(__u32 *addr, __u32 val)
{
	__atomic_store_n(addr, val, __ATOMIC_RELEASE);
}

static void *ring_mapped(void *arg)
{
	struct ringer *r = arg;
	__u32 val = load(&r->stored);

	while (!atomic_load(&stop)) {
		store(r->addr, ++val);
		store(&r->stored, val);
		/* Nobody else writes to it, wherever it is at the moment. */
		if (!(val % 4) && load(r->addr) != val)
			r->failed = true;
		/* Nowhere so fast that it wraps around. */
		__builtin_ia32_pause();
	}

	return NULL;
}

static void *ring_file(void *arg)
{
	struct ringer *r = arg;
	__u32 val = load(&r->stored), i;

	for (i = 0; r->writes ? i < r->writes : !atomic_load(&stop); i++) {
		val++;
		if (region_write(r->m, &r->m->region[0], r->reg, &val, 4) != 4)
			r->failed = true;
		store(&r->stored, val);
	}

	return NULL;
}

static void start(struct mediate *m, void *(*ring)(void *), __u8 *map,
		  __u32 writes)
{
	static const __u32 regs[THREADS] = {
		REG_RDBAH(0), REG_RDBAH(1), REG_TDBAH(0), REG_TDBAH(1),
	};
	int i;

	atomic_store(&stop, false);
	for (i = 0; i < THREADS; i++) {
		ringers[i].m = m;
		ringers[i].reg = regs[i];
		ringers[i].addr = map ? (void *)(map + regs[i] - RX_PAGE) : NULL;
		ringers[i].writes = writes;
		ringers[i].failed = false;
		store(&ringers[i].stored, bar_read32(m, regs[i]));
		if (pthread_create(&ringers[i].thread, NULL, ring, &ringers[i]))
			die("no thread");
	}
}

static void finish(void)
{
	int i;

	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(ringers[i].thread, NULL);
}

/* Every other time by the vendor. */
static long toggle(struct mediate *m, unsigned int i, __u32 state)
{
	return i % 2 ? demo_toggle(state != TRAP_OFF) : trap_set(m, state);
}

/*
 * While rung, turn the trap on and off. What had been stored before a step must
 * have reached the device after it, and the device never goes backwards.
 */
static void toggle_rung(struct __test_metadata *_metadata, struct mediate *m,
			unsigned int toggles, __u32 state, const char *name)
{
	__u32 before[THREADS], seen[THREADS] = {}, now;
	unsigned int i, t, failed = 0, lost = 0, backwards = 0;

	for (t = 0; t < THREADS; t++)
		seen[t] = bar_read32(m, ringers[t].reg);
	for (i = 0; i < toggles; i++) {
		failed += !!toggle(m, state == TRAP_EXACT ? 0 : i, state);
		usleep(rand() % 500);
		for (t = 0; t < THREADS; t++)
			before[t] = load(&ringers[t].stored);
		failed += !!toggle(m, state == TRAP_EXACT ? 0 : i, TRAP_OFF);
		for (t = 0; t < THREADS; t++) {
			now = bar_read32(m, ringers[t].reg);
			lost += now < before[t];
			backwards += now < seen[t];
			seen[t] = now;
		}
		usleep(rand() % 200);
	}
	CHECK_EQ(failed, 0, "%s: %u times on and off", name, toggles);
	CHECK_EQ(lost, 0, "%s: what was stored before it went off was there after", name);
	CHECK_EQ(backwards, 0, "%s: the device never went backwards", name);
}

static void check_end(struct __test_metadata *_metadata, struct mediate *m, const char *name)
{
	struct mediate_record record;
	unsigned int t;
	__u32 last;

	for (t = 0; t < THREADS; t++) {
		record = demo_record(m, ringers[t].reg);
		last = load(&ringers[t].stored);
		CHECK_HEX(bar_read32(m, ringers[t].reg), last,
			  "%s: %#x has the last value stored", name, ringers[t].reg);
		CHECK(record.writes && !record.backwards,
		      "%s: %#x: the vendor saw some writes, none backwards", name,
		      ringers[t].reg);
		CHECK(!ringers[t].failed, "%s: %#x: reads what was stored", name,
		      ringers[t].reg);
		ksft_print_msg("%s: %#x: %u stored, %u seen, %u backwards\n", name,
			       ringers[t].reg, last, record.writes, record.backwards);
	}
}

static void hammer_shadow(struct __test_metadata *_metadata, struct mediate *m, __u8 *map,
			  unsigned int toggles)
{
	demo_reset(m);
	start(m, ring_mapped, map, 0);
	toggle_rung(_metadata, m, toggles, TRAP_ON, "shadow");

	/* The last stores are to the shadow, and drained when it goes. */
	trap_set(m, TRAP_ON);
	wait_drain();
	finish();
	trap_set(m, TRAP_OFF);
	check_end(_metadata, m, "shadow");
}

static void hammer_exact(struct __test_metadata *_metadata, struct mediate *m,
			 unsigned int toggles)
{
	unsigned int t;

	demo_reset(m);
	start(m, ring_file, NULL, 0);
	toggle_rung(_metadata, m, toggles, TRAP_EXACT, "file");
	trap_set(m, TRAP_EXACT);
	usleep(50000);
	finish();
	trap_set(m, TRAP_OFF);
	check_end(_metadata, m, "file");

	trap_set(m, TRAP_EXACT);
	demo_reset(m);
	start(m, ring_file, NULL, EXACT_WRITES);
	finish();
	trap_set(m, TRAP_OFF);
	for (t = 0; t < THREADS; t++)
		CHECK_EQ(demo_record(m, ringers[t].reg).writes, EXACT_WRITES,
			 "exact: %#x: the vendor saw each write", ringers[t].reg);
	check_end(_metadata, m, "exact");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec + ts.tv_nsec / 1e9;
}

TEST_F_TIMEOUT(mediate, doorbells, TIMEOUT)
{
	unsigned int toggles = env_number("TOGGLES", 1000);
	struct mediate *m = &self->m;
	double began = now();
	__u8 *map;
	int t;

	for (t = 0; t < 2; t++) {
		bar_write32(m, REG_RDBAH(t), 0);
		bar_write32(m, REG_TDBAH(t), 0);
	}
	map = bar_map(m, RX_PAGE, 0x2000);
	hammer_shadow(_metadata, m, map, toggles);
	ksft_print_msg("shadow: %.1f s\n", now() - began);
	hammer_exact(_metadata, m, toggles / 10 + 1);
	munmap(map, 0x2000);
	ksft_print_msg("all of it: %.1f s\n", now() - began);
}

TEST_HARNESS_MAIN
