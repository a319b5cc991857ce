// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: pages that are trapped while nothing shadows them. See mediate_shadow.c for those
 * that are shadowed, and mediate_trap_state.c for the state of the trap.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, no_p2p) { .parameters = DEMO_NO_P2P };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

/* Page faults that a load takes, -1 when it is a SIGBUS. */
static long faults(const __u8 *addr)
{
	struct rusage before, after;
	bool done;
	__u32 val;

	getrusage(RUSAGE_THREAD, &before);
	done = load32(addr, &val);
	getrusage(RUSAGE_THREAD, &after);

	return done ? after.ru_minflt - before.ru_minflt : -1;
}

/* Which of pages 1 to 3 are in place, from how an access to each goes */
static void expect_faults(struct __test_metadata *_metadata, const __u8 *map, long one,
			  long two, long three, const char *what)
{
	long got[3];
	int i;

	for (i = 0; i < 3; i++)
		got[i] = faults(map + i * PAGE_4K);
	if (!CHECK(got[0] == one && got[1] == two && got[2] == three, "trap: %s", what))
		ksft_print_msg("got %ld %ld %ld, want %ld %ld %ld\n", got[0], got[1], got[2],
			       one, two, three);
}

static void test_faults(struct __test_metadata *_metadata, struct mediate *m, const __u8 *map)
{
	long page1 = m->traps == TRAPS_NOSHADOW;

	/* The first time, the test itself faults, too. */
	faults(map);
	expect_faults(_metadata, map, 0, 1, 1, "mapped pages come by faults");
	expect_faults(_metadata, map, 0, 0, 0, "and stay");
	trap_set(m, TRAP_EXACT);
	expect_faults(_metadata, map, page1 ? -1 : 0, -1, -1,
		      "exact: a page that is not trapped is not touched");
	trap_set(m, TRAP_OFF);
	expect_faults(_metadata, map, page1, 1, 1,
		      "off: nor is it then, and the others return");
	expect_faults(_metadata, map, 0, 0, 0, "off: and stay");
	if (m->traps == TRAPS_NOSHADOW)
		return;

	trap_set(m, TRAP_ON);
	expect_faults(_metadata, map, 0, 1, 1, "shadow: in the place of trapped pages alone");
	expect_faults(_metadata, map, 0, 0, 0, "shadow: and stays");
	trap_set(m, TRAP_OFF);
	expect_faults(_metadata, map, 0, 1, 1, "shadow: gone, in no other place");
}

/* What a child sees of the mapping it has inherited. */
static void test_child(struct __test_metadata *_metadata, struct mediate *m, __u8 *map)
{
	int go[2], status = 0;
	pid_t pid;
	__u32 val;
	char c = 0;

	ASSERT_EQ(0, pipe(go));
	load32(map + PAGE_4K, &val);
	pid = fork();
	if (!pid) {
		bool before = load32(map + PAGE_4K, &val);

		if (read(go[0], &c, 1) != 1)
			_exit(9);
		_exit(before && !load32(map + PAGE_4K, &val) &&
		      load32(map, &val) == (m->traps != TRAPS_NOSHADOW) ? 0 : 1);
	}
	usleep(20000);
	trap_set(m, TRAP_EXACT);
	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status),
	      "trap: a child's mapping is trapped as well");
	trap_set(m, TRAP_OFF);
	close(go[0]);
	close(go[1]);
}

TEST_F(mediate, exact_mappings)
{
	struct mediate *m = &self->m;
	__u32 pages = m->traps == TRAPS_NOSHADOW ? 0xe : 0xc;
	__u8 *map = bar_map(m, 0x1000, 0x3000);
	bool works;
	__u32 val, i;

	bar_write32(m, REG_RDBAH(0), 0x1234);
	test_faults(_metadata, m, map);
	for (i = 1; i < 4; i++)
		load32(map + (i - 1) * PAGE_4K, &val);
	trap_set(m, TRAP_EXACT);
	for (i = 1; i < 4; i++) {
		works = load32(map + (i - 1) * PAGE_4K, &val);
		CHECK(works != !!(pages & 1 << i), "exact: page %u, mapped before, %s", i,
		      pages & 1 << i ? "is a SIGBUS" : "still works");
		works = store32(map + (i - 1) * PAGE_4K, 0);
		CHECK(works != !!(pages & 1 << i), "exact: so for writes to page %u", i);
		CHECK_EQ(try_map(m, &m->region[0], i * PAGE_4K, PAGE_4K, MAP_SHARED, NULL),
			 pages & 1 << i ? -EBUSY : 0, "exact: page %u: map anew", i);
	}
	CHECK_EQ(try_map(m, &m->region[0], 0x1000, 0x3000, MAP_SHARED, NULL), -EBUSY,
		 "exact: pages of which some are trapped: map anew");
	CHECK_EQ(try_map(m, &m->region[3], 0, 0x1000, MAP_SHARED, NULL), 0,
		 "exact: another BAR can be mapped");
	trap_set(m, TRAP_OFF);
	CHECK(load32(map + REG_RDBAH(0) - 0x1000, &val) && val == 0x1234,
	      "exact: when it is off the old mapping works");
	for (i = 1; i < 4; i++)
		CHECK_EQ(try_map(m, &m->region[0], i * PAGE_4K, PAGE_4K, MAP_SHARED, NULL), 0,
			 "exact: when it is off page %u maps", i);
	test_child(_metadata, m, map);
	munmap(map, 0x3000);
}

/* Accesses through the file while trapped come to the vendor one by one. */
TEST_F(mediate, exact_accesses)
{
	struct mediate *m = &self->m;
	__u32 q1 = m->traps == TRAPS_HAMMER ? REG_RDBAH(1) : REG_RDBAL;
	struct mediate_record record;
	struct mediate_counts counts;
	__u64 base = 0x0000567800001000;
	__u32 val;

	demo_reset(m);
	bar_write32(m, REG_RDBAH(0), 1);
	CHECK_EQ(demo_record(m, REG_RDBAH(0)).writes, 0,
		 "exact: nothing comes to the vendor before");
	trap_set(m, TRAP_EXACT);
	bar_write32(m, REG_RDBAH(0), 3);
	bar_write32(m, REG_RDBAH(0), 3);
	bar_write32(m, REG_RDBAH(0), 2);
	record = demo_record(m, REG_RDBAH(0));
	CHECK(record.writes == 3 && record.last == 2 && record.backwards == 1,
	      "exact: each write comes, in its order");
	CHECK_HEX(bar_read32(m, REG_RDBAH(0)), 2, "exact: and reaches the device");
	CHECK_EQ(demo_counts(m).trapped, 4, "exact: as does each read");

	CHECK_EQ(region_write(m, &m->region[0], q1, &base, 4), 4, "exact: another register");
	CHECK_EQ(demo_record(m, q1).writes, 1, "exact: has its own count");
	CHECK_EQ(region_write(m, &m->region[0], REG_RDBAL, &base, 8), 8,
		 "exact: a write of 8 bytes");
	CHECK_HEX(bar_read32(m, REG_RDBAL), 0x1000, "exact: its lower half");
	CHECK_HEX(bar_read32(m, REG_RDBAH(0)), 0x5678, "exact: its upper half");

	demo_reset(m);
	CHECK_EQ(region_read(m, &m->region[0], 0x1ffc, &base, 8), 8,
		 "exact: read across into a trapped page");
	CHECK_EQ(demo_counts(m).trapped, m->traps == TRAPS_NOSHADOW ? 2 : 1,
		 "exact: of which the trapped part comes");
	demo_reset(m);
	bar_read32(m, REG_VTIVAR);
	counts = demo_counts(m);
	CHECK_EQ(counts.trapped, m->traps == TRAPS_NOSHADOW, "exact: no other page does");
	CHECK_EQ(region_read(m, &m->region[0], REG_RDBAH(0), NULL, 4), -EFAULT,
		 "exact: read to no buffer");
	CHECK_EQ(region_write(m, &m->region[0], REG_RDBAH(0), NULL, 4), -EFAULT,
		 "exact: write from no buffer");
	CHECK_HEX(bar_read32(m, REG_RDBAH(0)), 0x5678, "exact: which writes nothing");
	trap_set(m, TRAP_OFF);
	demo_reset(m);
	bar_write32(m, REG_RDBAH(0), 4);
	val = bar_read32(m, REG_RDBAH(0));
	CHECK(val == 4 && !demo_counts(m).trapped,
	      "exact: when it is off nothing comes to the vendor");
}

TEST_F(mediate, reset)
{
	struct mediate *m = &self->m;
	int fd = new_eventfd(), i;
	__u8 *map;
	__u32 val;

	trap_listen(m, fd);
	map = bar_map(m, TX_PAGE, PAGE_4K);
	for (i = 0; i < 2; i++) {
		bool exact = i || m->traps == TRAPS_NOSHADOW;

		trap_set(m, exact ? TRAP_EXACT : TRAP_ON);
		CHECK_EQ(eventfd_count(fd), 1, "reset: trapped, %s",
			 exact ? "exact" : "shadowed");
		load32(map, &val);
		CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
			 "reset: while trapped");
		CHECK_EQ(trap_get(m), TRAP_OFF, "reset: ends the trap");
		CHECK_EQ(eventfd_count(fd), 1, "reset: which is signalled");
		bar_write32(m, REG_TDBAH(0), 0x99 + i);
		CHECK(load32(map + REG_TDBAH(0) - TX_PAGE, &val) && val == 0x99u + i,
		      "reset: the mapping is the device's");
	}
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
		 "reset: without a trap");
	CHECK_EQ(eventfd_count(fd), 0, "reset: of which nobody is told");
	munmap(map, PAGE_4K);
	trap_listen(m, -1);
	close(fd);
}

/* A process that maps a page of the device; with @go, it then waits for the vendor. */
static pid_t start_mapper(struct mediate *m, int mapped, int go)
{
	pid_t pid = fork();
	char c = 0;

	if (pid)
		return pid;
	bar_map(m, RX_PAGE, PAGE_4K);
	if (go < 0)
		_exit(0);
	if (write(mapped, &c, 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	_exit(!!try_map(m, m->memory, 0, PAGE_4K, MAP_SHARED, NULL));
}

static void *trap_off(void *arg)
{
	trap_set(arg, TRAP_OFF);

	return NULL;
}

/*
 * The device was handed over by a process that had mapped it, and is gone. Its mappings
 * are taken away under mmap_lock of the one that has it now: KVM holds that lock while it
 * faults a page in. Here a call of mmap() holds it.
 */
TEST_F(mediate, handed_over)
{
	struct mediate *m = &self->m;
	struct timespec deadline;
	int mapped[2], go[2], status = 1;
	pthread_t thread;
	bool waits;
	pid_t pid;
	char c = 0;

	ASSERT_EQ(0, pipe(mapped));
	ASSERT_EQ(0, pipe(go));
	pid = start_mapper(m, -1, -1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	CHECK_EQ(status, 0, "handed over: mapped by one that goes");

	pid = start_mapper(m, mapped[1], go[0]);
	ASSERT_EQ(1, read(mapped[0], &c, 1));
	CHECK_EQ(trap_set(m, m->traps == TRAPS_NOSHADOW ? TRAP_EXACT : TRAP_ON), 0,
		 "handed over: trapped");
	demo_debugfs_set("stall", "1");
	ASSERT_EQ(1, write(go[1], &c, 1));
	usleep(500000);
	ASSERT_EQ(0, pthread_create(&thread, NULL, trap_off, m));
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec++;
	waits = pthread_timedjoin_np(thread, NULL, &deadline);
	CHECK(waits, "handed over: the trap's end waits for mmap_lock of the one that has it");
	demo_debugfs_set("stall", "0");
	if (waits)
		pthread_join(thread, NULL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	CHECK_EQ(status, 0, "handed over: which comes to its end");
	CHECK_EQ(trap_get(m), TRAP_OFF, "handed over: the trap is off");
	close(mapped[0]);
	close(mapped[1]);
	close(go[0]);
	close(go[1]);
}

TEST_HARNESS_MAIN
