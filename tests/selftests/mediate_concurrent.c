// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: all kinds of calls at once, for as long as the environment's CONCURRENT_SECONDS says.
 * Nothing may crash, hang or give a wrong value.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, none) { .parameters = DEMO "traps=none rom=N sparse=N" };

#define TIMEOUT	240	/* seconds, more than those of the longest run */

static atomic_bool stop;

/* One kind of call: a thread that does it over and over */
struct worker {
	const char *name;
	bool (*work)(struct mediate *m, unsigned int round, void **state);
	struct mediate *m;
	pthread_t thread;
	unsigned int rounds;
	unsigned int wrong;
};

static bool work_toggle(struct mediate *m, unsigned int round, void **state)
{
	static const __u32 states[] = { TRAP_ON, TRAP_OFF, TRAP_EXACT, TRAP_OFF,
					TRAP_ON, TRAP_EXACT, TRAP_OFF };
	(void)state;
	usleep(rand() % 300);
	if (!m->irq_trap)
		return true;

	return !trap_set(m, states[round % ARRAY_SIZE(states)]);
}

static bool work_vendor(struct mediate *m, unsigned int round, void **state)
{
	(void)state;
	usleep(rand() % 2000);
	if (!m->irq_trap)
		return true;

	return !demo_toggle(round % 2);
}

/* Whatever the state: an access works or is a SIGBUS. */
static void touch(__u8 *map)
{
	__u32 val;

	load32(map, &val);
	store32(map + REG_RDBAH(0) - RX_PAGE, 1);
	store32(map + REG_TDBAH(1) - RX_PAGE, 2);
}

static __u8 *map_pages(struct mediate *m)
{
	void *addr;

	/* Refused while exact. */
	return try_map(m, &m->region[0], RX_PAGE, 0x2000, MAP_SHARED, &addr) ?
	       NULL : addr;
}

static bool work_fork(struct mediate *m, unsigned int round, void **state)
{
	int status;
	pid_t pid;

	(void)round;
	if (!*state)
		*state = map_pages(m);
	if (!*state)
		return true;

	pid = fork();
	if (!pid) {
		touch(*state);
		touch(*state);
		_exit(0);
	}
	touch(*state);
	usleep(1000);

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

static bool work_mremap(struct mediate *m, unsigned int round, void **state)
{
	__u8 *room;
	void *map;

	(void)round;
	if (!*state)
		*state = map_pages(m);
	if (!*state)
		return true;

	touch(*state);
	room = mmap(NULL, 0x2000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map = mremap(*state, 0x2000, 0x2000, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	if (map == MAP_FAILED)
		return false;
	*state = map;
	touch(map);

	return true;
}

static bool work_mmap(struct mediate *m, unsigned int round, void **state)
{
	__u8 *map = map_pages(m);
	__u32 val;

	(void)state;
	if (!map)
		return true;

	touch(map);
	if (round % 2)
		mprotect(map, 0x1000, PROT_READ);
	load32(map, &val);
	load32(map + 0x1000, &val);

	return !munmap(map, 0x1000) && !munmap(map + 0x1000, 0x1000);
}

static bool work_reset(struct mediate *m, unsigned int round, void **state)
{
	(void)round;
	(void)state;
	usleep(50000);

	return !vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL);
}

/* What is served by the vendor keeps its value, whatever goes on. */
static bool work_values(struct mediate *m, unsigned int round, void **state)
{
	__u32 data[2] = { round, ~round }, got[2], status;
	__u8 id[4];

	(void)state;

	return region_write(m, &m->region[0], DEMO_SCRATCH, data, 8) == 8 &&
	       region_read(m, &m->region[0], DEMO_SCRATCH, got, 8) == 8 &&
	       !memcmp(data, got, 8) &&
	       region_write(m, m->memory, 0x40, data, 8) == 8 &&
	       region_read(m, m->memory, 0x40, got, 8) == 8 &&
	       !memcmp(data, got, 8) &&
	       region_read(m, &m->region[0], REG_STATUS, &status, 4) == 4 &&
	       (status & 0xc0) == 0x40 &&
	       region_read(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 0x2c, id,
			   4) == 4 && id[0] == 0x78;
}

/* Pages that can be trapped, through the file: each access works. */
static bool work_file(struct mediate *m, unsigned int round, void **state)
{
	__u32 val = round;

	(void)state;

	return region_write(m, &m->region[0], REG_RDBAH(1), &val, 4) == 4 &&
	       region_read(m, &m->region[0], REG_RDBAH(1), &val, 4) == 4 &&
	       (val == round || m->traps == TRAPS_NONE);
}

static bool work_irqs(struct mediate *m, unsigned int round, void **state)
{
	__u32 index = round % 2 || !m->irq_trap ? m->irq4 : m->irq_trap;
	int fd = new_eventfd(), none = -1, ret;
	__u32 vector = 0;

	(void)state;
	ret = vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_EVENTFD |
				   VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1, &fd,
				   sizeof(fd));
	region_write(m, m->memory, DEMO_SIGNAL_VECTOR, &vector, 4);
	ret |= vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_NONE |
				    VFIO_IRQ_SET_ACTION_UNMASK, index, 0, 1, NULL,
				    0);
	if (index == m->irq4 && !eventfd_count(fd))
		ret = -1;
	ret |= vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_EVENTFD |
				    VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1,
				    &none, sizeof(none));
	close(fd);

	return !ret;
}

static bool work_info(struct mediate *m, unsigned int round, void **state)
{
	struct vfio_region_info *info;
	bool good;

	(void)round;
	(void)state;
	if (vfio_client_region_info(&m->dev, 0, &info))
		return false;
	good = info->size == BAR0_SIZE;
	free(info);

	return good;
}

/*
 * Read the state and acknowledge it. The sequence never goes back, and the acknowledgment fails
 * only if the sequence has grown.
 */
static bool work_ack(struct mediate *m, unsigned int round, void **state)
{
	static __u64 last;
	struct vfio_device_feature_trap before, after;
	bool good;
	int ret;

	(void)round;
	(void)state;
	if (!m->irq_trap)
		return true;
	if (trap_read(m, &before))
		return false;
	usleep(rand() % 200);
	ret = trap_write(m, VFIO_DEVICE_TRAP_ACK, before.sequence);
	if (trap_read(m, &after))
		return false;

	good = before.sequence >= last && after.sequence >= before.sequence &&
	       before.irq_index == m->irq_trap && after.irq_index == m->irq_trap;
	if (ret == -EAGAIN)
		good &= after.sequence > before.sequence;
	else
		good &= !ret;
	/* A state of the same number is the same, and is acknowledged now. */
	if (after.sequence == before.sequence)
		good &= (before.flags & VFIO_DEVICE_TRAP_ON) ==
			(after.flags & VFIO_DEVICE_TRAP_ON) &&
			!(after.flags & VFIO_DEVICE_TRAP_ON) ==
			!(after.flags & VFIO_DEVICE_TRAP_ACK);
	last = after.sequence;

	return good;
}

static struct worker workers[] = {
	{ .name = "toggle by the VMM", .work = work_toggle },
	{ .name = "toggle by the vendor", .work = work_vendor },
	{ .name = "fork", .work = work_fork },
	{ .name = "mremap", .work = work_mremap },
	{ .name = "mmap and munmap", .work = work_mmap },
	{ .name = "reset", .work = work_reset },
	{ .name = "values that are served", .work = work_values },
	{ .name = "trapped pages through the file", .work = work_file },
	{ .name = "interrupts", .work = work_irqs },
	{ .name = "infos", .work = work_info },
	{ .name = "acknowledgments", .work = work_ack },
};

static void *run(void *arg)
{
	struct worker *worker = arg;
	void *state = NULL;

	while (!atomic_load(&stop)) {
		worker->wrong += !worker->work(worker->m, worker->rounds, &state);
		worker->rounds++;
	}

	return NULL;
}

TEST_F_TIMEOUT(mediate, concurrent, TIMEOUT)
{
	unsigned int seconds = env_number("CONCURRENT_SECONDS", 8);
	struct mediate *m = &self->m;
	unsigned int i;
	__u32 val;
	__u8 *map;

	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i].m = m;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, run, &workers[i]));
	}
	sleep(seconds);
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		if (!CHECK(workers[i].rounds && !workers[i].wrong, "%u s of all at once: %s",
			   seconds, workers[i].name))
			ksft_print_msg("%u rounds, %u wrong\n", workers[i].rounds,
				       workers[i].wrong);
		ksft_print_msg("%s: %u times\n", workers[i].name, workers[i].rounds);
	}
	if (m->irq_trap) {
		demo_toggle(false);
		CHECK_EQ(trap_set(m, TRAP_OFF), 0, "afterwards: nobody holds the trap");
		CHECK_EQ(trap_get(m), TRAP_OFF, "afterwards: the trap is off");
	}
	map = map_pages(m);
	CHECK(map && store32(map + REG_RDBAH(0) - RX_PAGE, 0x55) &&
	      bar_read32(m, REG_RDBAH(0)) == 0x55 &&
	      load32(map + REG_RDBAH(0) - RX_PAGE, &val) && val == 0x55,
	      "afterwards: the device's pages are mapped");
}

TEST_HARNESS_MAIN
