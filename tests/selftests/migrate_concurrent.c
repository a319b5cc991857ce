// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: all kinds of calls at once, for as long as the environment's
 * CONCURRENT_SECONDS says. What is returned depends on who was faster;
 * that nothing else goes wrong is for the kernel's own checks to say.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate_fixture.h"

FIXTURE_VARIANT_ADD(migrate, concurrent) { .parameters = STATE_CONCURRENT };

#define TIMEOUT	300	/* seconds, more than those of the longest run */

/* The file of the last transfer; anybody may close it and put another here. */
static atomic_int shared_fd = -1;
static atomic_bool stop;

struct worker {
	const char *name;
	void (*work)(struct migrate *m, unsigned int round);
	struct migrate *m;
	unsigned int rounds;
	pthread_t thread;
};

static void share(int fd)
{
	fd = atomic_exchange(&shared_fd, fd);
	if (fd >= 0)
		close(fd);
}

/* Whatever can be reached from wherever it is */
static void work_states(struct migrate *m, unsigned int round)
{
	int fd;

	set_state(m, 1 + (round * 7 + round / 3) % (VFIO_DEVICE_STATE_NR - 1), &fd);
	if (fd >= 0)
		share(fd);
}

static void work_save(struct migrate *m, unsigned int round)
{
	int fd;

	(void)round;
	set_state(m, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (fd >= 0)
		share(fd);
	set_state(m, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	usleep(1000);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static void work_files(struct migrate *m, unsigned int round)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	struct pollfd pollfd = { .events = POLLIN | POLLOUT };
	static __u8 buf[100000];
	int fd;

	(void)m;
	fd = dup(atomic_load(&shared_fd));
	if (fd < 0)
		return;
	pollfd.fd = fd;
	poll(&pollfd, 1, round % 3);
	if (pollfd.revents & POLLOUT)
		(void)!write(fd, buf, 1 + round % 100);
	else
		(void)!read(fd, buf, 1 + round * 997 % sizeof(buf));
	vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
	close(fd);
}

static void work_reset(struct migrate *m, unsigned int round)
{
	(void)round;
	usleep(50000);
	vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL);
}

static void work_v1(struct migrate *m, unsigned int round)
{
	static __u8 data[PAGE_4K];
	__u64 value;

	v1_set(m, round % 5);
	v1_get(m);
	v1_read(m, V1_PENDING, &value);
	v1_read(m, V1_OFFSET, &value);
	v1_read(m, V1_SIZE, &value);
	v1_write(m, V1_SIZE, round % 70000);
	memset(data, round, sizeof(data));
	vfio_client_region_write(&m->dev, &m->v1, data, sizeof(data), PAGE_4K);
}

static void work_sizes(struct migrate *m, unsigned int round)
{
	struct vfio_device_feature_mig_data_size size;

	(void)round;
	vfio_client_feature(&m->dev, VFIO_DEVICE_FEATURE_GET |
			    VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, sizeof(size));
	get_state(m);
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	while (!atomic_load(&stop)) {
		worker->work(worker->m, worker->rounds);
		worker->rounds++;
	}

	return NULL;
}

/* One device by v2, the other by v1; towards the end, the vendor goes. */
TEST_F_TIMEOUT(migrate, all_at_once, TIMEOUT)
{
	unsigned int seconds = env_number("CONCURRENT_SECONDS", 8);
	struct migrate *from = &self->from, *to = &self->to;
	struct worker workers[] = {
		{ .name = "states", .work = work_states, .m = from },
		{ .name = "saving", .work = work_save, .m = from },
		{ .name = "files", .work = work_files, .m = from },
		{ .name = "more files", .work = work_files, .m = from },
		{ .name = "resets", .work = work_reset, .m = from },
		{ .name = "sizes", .work = work_sizes, .m = from },
		{ .name = "v1", .work = work_v1, .m = to },
		{ .name = "more v1", .work = work_v1, .m = to },
		{ .name = "resets with v1", .work = work_reset, .m = to },
	};
	unsigned int i;
	int ret;

	v1_set(to, V1_RUNNING);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		ret = pthread_create(&workers[i].thread, NULL, run, &workers[i]);
		ASSERT_EQ(0, ret);
	}
	sleep(seconds - seconds / 4);
	vendor_set("registered", "0");
	sleep(seconds / 4);
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK(workers[i].rounds, "%u s of all at once: %s", seconds, workers[i].name);
		ksft_print_msg("%s: %u times\n", workers[i].name, workers[i].rounds);
	}
	share(-1);

	vendor_set("registered", "1");
	migrate_reopen(from);
	migrate_reopen(to);
}

TEST_HARNESS_MAIN
