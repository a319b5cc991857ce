// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: vendors that fail or go, and resets, in each state.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>

#include "migrate_fixture.h"

FIXTURE_VARIANT_ADD(migrate, big) { .parameters = STATE_BIG };
FIXTURE_VARIANT_ADD(migrate, small) { .parameters = STATE_SMALL };
FIXTURE_VARIANT_ADD(migrate, cdev) { .parameters = STATE_CDEV, .mode = VFIO_CLIENT_CDEV };

#define PATIENCE 3	/* seconds */

/* What comes of a request while a callback fails, and once more when it does not */
static void fail_once(struct __test_metadata *_metadata, struct migrate *m,
		      const char *callback, int error, __u32 state, int left_in,
		      const char *why)
{
	vendor_fails(callback, error);
	CHECK_EQ(set_state(m, state, NULL), error, "vendor: %s fails %s", callback, why);
	vendor_fails("", 0);
	CHECK_EQ(get_state(m), left_in, "vendor: %s: then it is in %s", callback,
		 state_name(left_in));
}

TEST_F(migrate, vendor)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct stream stream;
	__u8 buf[100000];
	char p2p[4];
	size_t done;
	int fd;

	/* That of a device that is quiesced would be the same */
	param_get("mediator_state", "p2p", p2p, sizeof(p2p));
	if (*p2p == 'Y') {
		fail_once(_metadata, from, "quiesce", -EBUSY, VFIO_DEVICE_STATE_STOP,
			  VFIO_DEVICE_STATE_RUNNING, "on the way to STOP");
		fail_once(_metadata, from, "stop", -EIO, VFIO_DEVICE_STATE_STOP,
			  VFIO_DEVICE_STATE_RUNNING_P2P, "on the way to STOP");
	} else {
		fail_once(_metadata, from, "stop", -EIO, VFIO_DEVICE_STATE_STOP,
			  VFIO_DEVICE_STATE_RUNNING, "on the way to STOP");
	}
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP, NULL), 0, "vendor: STOP");
	fail_once(_metadata, from, "save_begin", -EIO, VFIO_DEVICE_STATE_STOP_COPY,
		  VFIO_DEVICE_STATE_STOP, "on the way to STOP_COPY");
	vendor_fails("run", -EIO);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), -EIO, "vendor: run fails");
	vendor_fails("", 0);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
		 "vendor: and succeeds the next time");
	fail_once(_metadata, from, "stop", -ENOTRECOVERABLE, VFIO_DEVICE_STATE_STOP,
		  VFIO_DEVICE_STATE_ERROR, "for good");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), -EINVAL,
		 "vendor: which stays");
	reset(from);
	CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING, "vendor: until it is reset");

	set_state(from, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	vendor_fails("save", -EREMOTEIO);
	CHECK_EQ(read_parts(fd, buf, sizeof(buf), 10, &done), -EREMOTEIO, "vendor: save fails");
	CHECK_EQ(done, HEADER_SIZE, "vendor: behind the header");
	vendor_fails("", 0);
	CHECK_EQ(read(fd, buf, 1) < 0 ? -errno : 0, -EREMOTEIO, "vendor: and that stays");
	CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_STOP_COPY,
		 "vendor: the state does not change");
	close(fd);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
		 "vendor: the device goes on");

	set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	vendor_fails("pre_copy", -EREMOTEIO);
	CHECK_EQ(read_parts(fd, buf, sizeof(buf), 10, &done), -EREMOTEIO,
		 "vendor: pre_copy fails");
	vendor_fails("", 0);
	close(fd);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);

	fill_state(from, 40);
	fill_state(to, 41);
	stream = save_v2(from, 65536);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	vendor_fails("load_begin", -EOPNOTSUPP);
	CHECK_EQ(load_v2(to, &stream, 10), -EOPNOTSUPP, "vendor: load_begin fails");
	reset(to);
	vendor_fails("load", -EINVAL);
	CHECK_EQ(load_v2(to, &stream, 10000), -EINVAL, "vendor: load fails");
	reset(to);
	vendor_fails("apply", -EADDRINUSE);
	CHECK_EQ(load_v2(to, &stream, 10000), -EADDRINUSE, "vendor: apply fails");
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_RESUMING, "vendor: before the state is left");
	CHECK_EQ(set_state(to, VFIO_DEVICE_STATE_STOP, NULL), -EADDRINUSE,
		 "vendor: which fails, too");
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_ERROR, "vendor: is an ERROR");
	vendor_fails("run", -EIO);
	reset(to);
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_ERROR,
		 "vendor: also after a reset, where it does not run");
	vendor_fails("", 0);
	reset(to);
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_RUNNING, "vendor: or does");
	CHECK(has_state(to, 41), "vendor: nothing was applied");
	CHECK_EQ(load_v2(to, &stream, 10000), 0, "vendor: load in the end");
	CHECK(has_state(to, 40), "vendor: the state");
	set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL);
	free(stream.data);
}

/* As a guest does */
static void reset_by_config(struct migrate *m)
{
	struct vfio_client_region config;
	__u16 control;
	__u8 at, id;

	vfio_client_get_region(&m->dev, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	vfio_client_region_read(&m->dev, &config, &at, 1, PCI_CAPABILITY_LIST);
	while (at) {
		vfio_client_region_read(&m->dev, &config, &id, 1, at);
		if (id == PCI_CAP_ID_EXP)
			break;
		vfio_client_region_read(&m->dev, &config, &at, 1, at + 1);
	}
	if (!at)
		die("no PCI Express capability");

	at += PCI_EXP_DEVCTL;
	vfio_client_region_read(&m->dev, &config, &control, 2, at);
	control |= PCI_EXP_DEVCTL_BCR_FLR;
	vfio_client_region_write(&m->dev, &config, &control, 2, at);
}

static void reset_by_sysfs(struct migrate *m)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", m->dev.bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* What a transfer says that has ended */
static void expect_ended(struct __test_metadata *_metadata, int fd, bool loading,
			 const char *what, __u32 state)
{
	char c = 0;
	long ret = loading ? write(fd, &c, 1) : read(fd, &c, 1);

	CHECK_EQ(ret < 0 ? -errno : ret, -ENODEV, "%s in %s: its file has ended", what,
		 state_name(state));
	close(fd);
}

static void enter_state(struct migrate *m, __u32 state, int *fd)
{
	int ret;

	*fd = -1;
	ret = state == VFIO_DEVICE_STATE_ERROR ? go(m, state, NULL) :
						 set_state(m, state, fd);
	if (ret)
		die("to %s: %s", state_name(state), strerror(-ret));
}

static bool has_p2p(__u32 state)
{
	return state == VFIO_DEVICE_STATE_RUNNING_P2P ||
	       state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

TEST_F(migrate, reset)
{
	struct migrate *from = &self->from;
	static const struct {
		const char *name;
		void (*reset)(struct migrate *m);
	} how[] = {
		{ "reset", reset },
		{ "reset by config space", reset_by_config },
		{ "reset by sysfs", reset_by_sysfs },
	};
	unsigned int i;
	__u32 state;
	char p2p[4];
	int fd;

	param_get("mediator_state", "p2p", p2p, sizeof(p2p));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		for (state = 0; state < VFIO_DEVICE_STATE_NR; state++) {
			if (has_p2p(state) && *p2p != 'Y')
				continue;
			enter_state(from, state, &fd);
			how[i].reset(from);
			CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING,
				 "%s in %s: it runs", how[i].name, state_name(state));
			if (fd >= 0)
				expect_ended(_metadata, fd, state == VFIO_DEVICE_STATE_RESUMING,
					     how[i].name, state);
		}
	}
}

TEST_F(migrate, reset_in_v1)
{
	struct migrate *from = &self->from;
	__u32 state;

	for (state = 0; state <= V1_RESUMING; state++) {
		CHECK_EQ(v1_set(from, state), 0, "reset in v1 state %u", state);
		reset(from);
		CHECK_EQ(v1_get(from), V1_RUNNING, "reset in v1 state %u: it runs", state);
	}
}

/* The device once more, while nobody mediates it */
TEST_F(migrate, unmediated)
{
	struct migrate *m = &self->from;
	struct vfio_region_info *info;
	struct vfio_client client;
	int ret;

	vendor_set("registered", "0");
	munmap(m->state, m->size);
	vfio_client_close(&m->dev);
	ret = vfio_client_open(&client, m->dev.bdf, m->dev.mode);
	CHECK_EQ(ret, 0, "unmediated: open");
	CHECK_EQ(vfio_client_feature_probe(&client, VFIO_DEVICE_FEATURE_MIGRATION,
					   VFIO_DEVICE_FEATURE_GET),
		 -ENOTTY, "unmediated: cannot be migrated by v2");
	CHECK_EQ(vfio_client_region_info(&client, VFIO_PCI_NUM_REGIONS, &info), -EINVAL,
		 "unmediated: nor by v1");
	vfio_client_close(&client);
	vendor_set("registered", "1");
	migrate_open(m, client.bdf, client.mode);
	migrate_reopen(&self->to);
}

static void detach_v1(struct __test_metadata *_metadata, struct migrate *m, __u32 state,
		      int ret)
{
	__u64 value;

	CHECK_EQ(v1_set(m, state), 0, "detach in v1: state %u", state);
	vendor_set("registered", "0");
	CHECK_EQ(v1_get(m), state, "detach in v1: state %u: it stays", state);
	CHECK_EQ(v1_read(m, V1_PENDING, &value), -ENODEV, "detach in v1: pending");
	CHECK_EQ(v1_read(m, V1_OFFSET, &value), -ENODEV, "detach in v1: offset");
	CHECK_EQ(v1_read(m, V1_SIZE, &value), -ENODEV, "detach in v1: size");
	CHECK_EQ(v1_set(m, V1_RUNNING), ret, "detach in v1: state %u: it goes on if it runs",
		 state);
	vendor_set("registered", "1");
	migrate_reopen(m);
}

TEST_F(migrate, detach)
{
	struct migrate *from = &self->from;
	__u32 state, left;
	char p2p[4];
	int fd, ret;

	param_get("mediator_state", "p2p", p2p, sizeof(p2p));
	for (state = 0; state < VFIO_DEVICE_STATE_NR; state++) {
		if (has_p2p(state) && *p2p != 'Y')
			continue;
		enter_state(from, state, &fd);
		vendor_set("registered", "0");
		left = state == VFIO_DEVICE_STATE_RESUMING ? VFIO_DEVICE_STATE_ERROR : state;
		CHECK_EQ(get_state(from), left, "detach in %s: it is in %s", state_name(state),
			 state_name(left));
		if (fd >= 0)
			expect_ended(_metadata, fd, state == VFIO_DEVICE_STATE_RESUMING,
				     "detach", state);
		if (left == VFIO_DEVICE_STATE_ERROR)
			ret = -EINVAL;
		else
			ret = left == VFIO_DEVICE_STATE_RUNNING ||
			      left == VFIO_DEVICE_STATE_PRE_COPY ? 0 : -ENODEV;
		CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), ret,
			 "detach in %s: it goes on if it runs", state_name(state));
		reset(from);
		CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING,
			 "detach in %s: or by a reset", state_name(state));
		CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL), -ENODEV,
			 "detach in %s: after which nobody can stop it", state_name(state));
		vendor_set("registered", "1");
		migrate_reopen(from);
	}
	migrate_reopen(&self->to);
}

TEST_F(migrate, detach_in_v1)
{
	detach_v1(_metadata, &self->from, V1_SAVING, -ENODEV);
	detach_v1(_metadata, &self->from, V1_SAVING | V1_RUNNING, 0);
	migrate_reopen(&self->to);
}

/* A reader or writer whose memory does not come. */
struct stuck {
	int fd;
	void *page;
	bool loading;
	long ret;
};

static void *access_stuck(void *arg)
{
	struct stuck *stuck = arg;

	stuck->ret = stuck->loading ? write(stuck->fd, stuck->page, 8) :
				      read(stuck->fd, stuck->page, 8);
	if (stuck->ret < 0)
		stuck->ret = -errno;

	return NULL;
}

static void *reset_it(void *arg)
{
	reset(arg);

	return NULL;
}

static void *stop_it(void *arg)
{
	set_state(arg, VFIO_DEVICE_STATE_RUNNING, NULL);
	get_state(arg);

	return NULL;
}

static void *detach_it(void *arg)
{
	(void)arg;
	vendor_set("registered", "0");

	return NULL;
}

static void check_stuck(struct __test_metadata *_metadata, struct migrate *m, int uffd,
			void *page, bool loading, void *(*other)(void *arg), const char *name)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)page, .len = PAGE_4K },
	};
	struct stuck stuck = { .page = page, .loading = loading };
	pthread_t accessor, another;
	struct timespec deadline;
	bool free;

	set_state(m, loading ? VFIO_DEVICE_STATE_RESUMING :
			       VFIO_DEVICE_STATE_STOP_COPY, &stuck.fd);
	pthread_create(&accessor, NULL, access_stuck, &stuck);
	usleep(50000);
	pthread_create(&another, NULL, other, m);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE;
	free = !pthread_timedjoin_np(another, NULL, &deadline);
	CHECK(free, "stuck: %s does not wait for a %s", name, loading ? "writer" : "reader");
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	if (!free)
		pthread_join(another, NULL);
	pthread_join(accessor, NULL);
	/* It had got so far already, but for the header, which is all zeros. */
	CHECK_EQ(stuck.ret, loading ? -ENODEV : 8, "stuck: which comes to its end");
	madvise(page, PAGE_4K, MADV_DONTNEED);
	close(stuck.fd);
	vendor_set("registered", "1");
	migrate_reopen(m);
}

TEST_F(migrate, stuck)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct migrate *from = &self->from;
	int uffd, loading;
	void *page;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		SKIP(return, "no userfaultfd here");
	page = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)page;
	reg.range.len = PAGE_4K;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &reg));

	for (loading = 0; loading < 2; loading++) {
		check_stuck(_metadata, from, uffd, page, loading, reset_it, "a reset");
		check_stuck(_metadata, from, uffd, page, loading, detach_it, "a detach");
	}
	check_stuck(_metadata, from, uffd, page, false, stop_it, "another state");
	munmap(page, PAGE_4K);
	close(uffd);
	migrate_reopen(&self->to);
}

TEST_HARNESS_MAIN
