// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: protocol v2, and what user space is told of both protocols.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migrate_fixture.h"

FIXTURE_VARIANT_ADD(migrate, big) { .parameters = STATE_BIG };
FIXTURE_VARIANT_ADD(migrate, small) { .parameters = STATE_SMALL };
FIXTURE_VARIANT_ADD(migrate, cdev) { .parameters = STATE_CDEV, .mode = VFIO_CLIENT_CDEV };
FIXTURE_VARIANT_ADD(migrate, concurrent) { .parameters = STATE_CONCURRENT };

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET

/* VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFO in version 2, which headers may lack */
#define PRECOPY_FLAGS 12
#define PRECOPY_REINIT 1

static void test_v1_info(struct __test_metadata *_metadata, struct migrate *m)
{
	__u64 value;
	void *map;

	CHECK_EQ(m->v1.flags & 7, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
		 "v1: flags of the region");
	CHECK_EQ(vfio_client_region_mmap(&m->dev, &m->v1, PAGE_4K, 0, &map), -EINVAL,
		 "v1: its members cannot be mapped");
	CHECK_EQ(vfio_client_region_mmap(&m->dev, &m->v1, PAGE_4K, PAGE_4K, &map), -EINVAL,
		 "v1: nor can its data");

	/* As a VMM does that is only looking, or does not migrate at all */
	CHECK_EQ(v1_get(m), V1_RUNNING, "v1: running at first");
	CHECK_EQ(v1_read(m, V1_PENDING, &value), 0, "v1: pending bytes");
	CHECK_EQ(value, 0, "v1: none");
	CHECK_EQ(v1_read(m, V1_OFFSET, &value), 0, "v1: data offset");
	CHECK_EQ(value, PAGE_4K, "v1: is behind the members");
}

TEST_F(migrate, info)
{
	struct vfio_device_feature_mig_data_size size = {};
	struct vfio_device_feature_migration flags = {};
	__u64 want = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY;
	struct migrate *from = &self->from;
	char p2p[4];

	param_get("mediator_state", "p2p", p2p, sizeof(p2p));
	if (*p2p == 'Y')
		want |= VFIO_MIGRATION_P2P;
	CHECK_EQ(vfio_client_feature_probe(&from->dev, VFIO_DEVICE_FEATURE_MIGRATION, GET), 0,
		 "v2: probe of the feature");
	CHECK_EQ(vfio_client_feature_probe(&from->dev, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
					   GET | SET),
		 0, "v2: probe of the state");
	CHECK_EQ(vfio_client_feature(&from->dev, GET | VFIO_DEVICE_FEATURE_MIGRATION, &flags,
				     sizeof(flags)),
		 0, "v2: the feature");
	CHECK_HEX(flags.flags, want, "v2: its flags");
	CHECK_EQ(vfio_client_feature(&from->dev, GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size,
				     sizeof(size)),
		 0, "v2: data size");
	CHECK(size.stop_copy_length >= from->size && size.stop_copy_length < from->size + 65536,
	      "v2: is about right: %llu", (unsigned long long)size.stop_copy_length);
	CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING, "v2: running at first");
	test_v1_info(_metadata, from);

	/* None of that was a use. */
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "v2: running, again");
	CHECK_EQ(v1_get(from), -EBUSY, "v1: busy once v2 is used");
	CHECK_EQ(v1_set(from, V1_STOP), -EBUSY, "v1: also to change the state");
	migrate_reopen(from);
	CHECK_EQ(v1_set(from, V1_RUNNING), 0, "v1: running, again");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP, NULL), -EBUSY,
		 "v2: busy once v1 is used");
	CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING, "v2: but can be read");
	migrate_reopen(from);
}

static int precopy_info(int fd, struct vfio_precopy_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);

	return vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, info);
}

static int poll_for(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&pollfd, 1, 0);

	return pollfd.revents;
}

/* What a live migration does */
static void test_live(struct __test_metadata *_metadata, struct migrate *from,
		      struct migrate *to, size_t part)
{
	struct vfio_precopy_info info;
	unsigned int arrivals = vendor_get("arrivals");
	int fd, out, ret, hints = 3;
	struct stream stream = {};
	size_t size, done;
	long end;

	vendor_set("hints", "3");
	fill_state(from, part);
	fill_state(to, part + 1);
	stream.data = malloc(2 * from->size);
	ret = set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	ASSERT_TRUE(CHECK_EQ(ret, 0, "live, %zu: PRE_COPY", part));
	CHECK_EQ(precopy_info(fd, &info), 0, "live, %zu: info", part);
	CHECK_EQ(info.initial_bytes, HEADER_SIZE + hints * 100, "live, %zu: initial bytes",
		 part);
	CHECK_EQ(info.dirty_bytes, 0, "live, %zu: dirty bytes", part);
	CHECK_EQ(poll_for(fd), POLLIN, "live, %zu: there is something", part);
	end = read_parts(fd, stream.data, from->size, part, &size);
	CHECK_EQ(end, -ENOMSG, "live, %zu: then there is no more for now", part);
	CHECK_EQ(size, HEADER_SIZE + hints * (RECORD_SIZE + 100),
		 "live, %zu: and was the header and the vendor's", part);
	CHECK_EQ(poll_for(fd), 0, "live, %zu: poll says so, too", part);
	precopy_info(fd, &info);
	CHECK_EQ(info.initial_bytes, 0, "live, %zu: no initial bytes are left", part);

	/* A destination takes that at once. */
	ret = set_state(to, VFIO_DEVICE_STATE_RESUMING, &out);
	CHECK_EQ(ret, 0, "live, %zu: RESUMING", part);
	CHECK_EQ(poll_for(out), POLLOUT, "live, %zu: that can be written", part);
	CHECK_EQ(write_parts(out, stream.data, size, part), size,
		 "live, %zu: what came so far is taken", part);

	fill_state(from, part + 2);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0, "live, %zu: STOP_COPY",
		 part);
	CHECK_EQ(poll_for(fd), POLLIN, "live, %zu: there is more", part);
	CHECK_EQ(precopy_info(fd, &info), -EINVAL, "live, %zu: no info", part);
	end = read_parts(fd, stream.data, 2 * from->size, part, &done);
	CHECK_EQ(end, 0, "live, %zu: until its end", part);
	CHECK_EQ(read(fd, stream.data + done, 1), 0, "live, %zu: which stays", part);
	CHECK_EQ(poll_for(fd), POLLIN, "live, %zu: and can be read", part);
	CHECK_EQ(write_parts(out, stream.data, done - 1, part), done - 1,
		 "live, %zu: the rest is taken", part);
	CHECK(has_state(to, part + 1), "live, %zu: nothing is applied yet", part);
	CHECK_EQ(write(out, stream.data + done - 1, 1), 1, "live, %zu: and its last byte",
		 part);
	CHECK(has_state(to, part + 2), "live, %zu: then all of it is", part);
	CHECK_EQ(vendor_get("arrivals"), arrivals, "live, %zu: it has not arrived", part);
	CHECK_EQ(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
		 "live, %zu: the destination runs", part);
	CHECK_EQ(vendor_get("arrivals"), arrivals + 1, "live, %zu: it has arrived", part);
	CHECK(has_state(to, part + 2), "live, %zu: with the last state", part);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP, NULL), 0, "live, %zu: STOP", part);
	CHECK_EQ(read(fd, stream.data, 1) < 0 ? -errno : 0, -ENODEV,
		 "live, %zu: which ended the transfer", part);
	CHECK(poll_for(fd) & POLLERR, "live, %zu: as poll says", part);
	CHECK_EQ(precopy_info(fd, &info), -EINVAL, "live, %zu: still no info", part);
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
		 "live, %zu: the source could go on", part);
	CHECK_EQ(vendor_get("arrivals"), arrivals + 1, "live, %zu: which is no arrival", part);
	free(stream.data);
	close(out);
	close(fd);
	vendor_set("hints", "0");
}

TEST_F(migrate, wrong_states)
{
	struct vfio_device_feature_mig_state arg = {};
	struct migrate *m = &self->from;
	int fd;

	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_ERROR, NULL), -EINVAL,
		 "v2: nobody asks for ERROR");
	CHECK_EQ(set_state(m, 8, NULL), -EINVAL, "v2: nor for a state 8");
	CHECK_EQ(set_state(m, ~0u, NULL), -EINVAL, "v2: nor for state ~0");
	CHECK_EQ(vfio_client_feature(&m->dev, SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg,
				     4),
		 -EINVAL, "v2: half an argument");
	CHECK_EQ(get_state(m), VFIO_DEVICE_STATE_RUNNING, "v2: nothing has changed");

	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_STOP_COPY, &fd), 0, "v2: STOP_COPY");
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_PRE_COPY, NULL), -EINVAL,
		 "v2: not from there to PRE_COPY");
	CHECK_EQ(get_state(m), VFIO_DEVICE_STATE_STOP_COPY, "v2: it is where it was");
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0,
		 "v2: the same state once more is no error");
	close(fd);
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "v2: RUNNING");
}

TEST_F(migrate, live)
{
	static const size_t parts[] = { 1 << 21, 65536, 4096, 777 };
	struct migrate *from = &self->from, *to = &self->to;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		test_live(_metadata, from, to, parts[i]);
}

/* Data that the vendor has only later: read() and poll() wait for it. */
TEST_F(migrate, late)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct stream stream = { .data = malloc(2 * from->size) };
	struct pollfd wait = { .events = POLLIN };
	size_t done;
	long end;

	vendor_set("late_ms", "30");
	fill_state(from, 5);
	ASSERT_EQ(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, &wait.fd), 0);
	fcntl(wait.fd, F_SETFL, O_RDONLY | O_NONBLOCK);
	CHECK_EQ(read(wait.fd, stream.data, from->size), HEADER_SIZE,
		 "late: only the header is there");
	CHECK_EQ(read(wait.fd, stream.data, 1) < 0 ? -errno : 0, -EAGAIN,
		 "late: no wait with O_NONBLOCK");
	CHECK_EQ(poll_for(wait.fd), 0, "late: poll has nothing");
	CHECK_EQ(poll(&wait, 1, 5000), 1, "late: it is woken");
	stream.size = HEADER_SIZE;
	CHECK_EQ(read(wait.fd, stream.data + stream.size, 1), 1, "late: then there is data");
	stream.size++;

	fcntl(wait.fd, F_SETFL, O_RDONLY);
	end = read_parts(wait.fd, stream.data + stream.size, 2 * from->size - stream.size, 65536,
			 &done);
	CHECK_EQ(end, 0, "late: all that comes later is waited for");
	stream.size += done;
	close(wait.fd);
	vendor_set("late_ms", "0");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "late: RUNNING");
	CHECK_EQ(load_v2(to, &stream, 65536), 0, "late: it can be loaded");
	CHECK(has_state(to, 5), "late: and is the state");
	set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL);
	free(stream.data);
}

/* Newer kernels have flags there, for those who ask for them. */
TEST_F(migrate, precopy_flags)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info), .flags = 0x55 };
	struct migrate *m = &self->from;
	int fd;

	set_state(m, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
	CHECK_EQ(info.flags, 0x55, "info: flags that nobody asked for");
	close(fd);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
}

TEST_F(migrate, precopy_flags_asked)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info), .flags = 0x55 };
	struct migrate *m = &self->from;
	int fd;

	if (vfio_client_feature(&m->dev, SET | PRECOPY_FLAGS, NULL, 0))
		SKIP(return, "not with this kernel");

	set_state(m, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
	CHECK_EQ(info.flags, 0, "info: flags are 0");
	close(fd);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
}

/* The vendor begins anew amid pre-copy. */
TEST_F(migrate, precopy_anew)
{
	struct migrate *m = &self->from;
	struct vfio_precopy_info info;
	bool asked;
	__u8 *data;
	size_t size;
	int fd;

	asked = !vfio_client_feature(&m->dev, SET | PRECOPY_FLAGS, NULL, 0);
	data = malloc(m->size);
	vendor_set("hints", "3");
	set_state(m, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	precopy_info(fd, &info);
	CHECK_EQ(info.initial_bytes, HEADER_SIZE + 300, "anew: initial bytes");
	read_parts(fd, data, m->size, 4096, &size);
	precopy_info(fd, &info);
	CHECK_EQ(info.initial_bytes, 0, "anew: all of them were read");
	CHECK_EQ(poll_for(fd), 0, "anew: there is no more");

	vendor_set("anew", "1");
	CHECK_EQ(poll_for(fd), POLLIN, "anew: then there is");
	precopy_info(fd, &info);
	CHECK_EQ(info.flags, asked ? PRECOPY_REINIT : 0, "anew: flags");
	CHECK_EQ(info.initial_bytes, asked ? 300 : 0, "anew: initial bytes, again");
	CHECK_EQ(info.dirty_bytes, asked ? 0 : 300, "anew: dirty bytes");
	precopy_info(fd, &info);
	CHECK_EQ(info.flags, 0, "anew: it is told once");
	CHECK_EQ(info.initial_bytes, asked ? 300 : 0, "anew: the bytes stay");
	read_parts(fd, data, m->size, 4096, &size);
	CHECK_EQ(size, 3 * (RECORD_SIZE + 100), "anew: they can be read");
	precopy_info(fd, &info);
	CHECK_EQ(info.initial_bytes + info.dirty_bytes, 0, "anew: and are gone");
	close(fd);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
	vendor_set("hints", "0");
	free(data);
}

/* What can be done to the files that should not. */
TEST_F(migrate, files)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct vfio_precopy_info info = { .argsz = 8 };
	int in, out;
	char c = 0;

	set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &in);
	set_state(to, VFIO_DEVICE_STATE_RESUMING, &out);
	CHECK_EQ(write(in, &c, 1) < 0 ? -errno : 0, -EBADF, "files: write to save");
	CHECK_EQ(read(out, &c, 1) < 0 ? -errno : 0, -EBADF, "files: read to load");
	CHECK_EQ(pread(in, &c, 1, 0) < 0 ? -errno : 0, -ESPIPE, "files: pread");
	CHECK_EQ(pwrite(out, &c, 1, 0) < 0 ? -errno : 0, -ESPIPE, "files: pwrite");
	CHECK_EQ(lseek(in, 0, SEEK_SET) < 0 ? -errno : 0, -ESPIPE, "files: lseek");
	CHECK_EQ(mmap(NULL, 4096, PROT_READ, MAP_SHARED, in, 0) == MAP_FAILED ? -errno : 0,
		 -ENODEV, "files: mmap");
	CHECK_EQ(fcntl(in, F_GETFL) & O_ACCMODE, O_RDONLY, "files: read-only");
	CHECK_EQ(fcntl(out, F_GETFL) & O_ACCMODE, O_WRONLY, "files: write-only");
	CHECK_EQ(fcntl(in, F_GETFD), FD_CLOEXEC, "files: closed by exec");

	CHECK_EQ(vfio_client_ioctl(in, VFIO_MIG_GET_PRECOPY_INFO, &info), -EINVAL,
		 "files: info that is too short");
	CHECK_EQ(vfio_client_ioctl(in, VFIO_MIG_GET_PRECOPY_INFO, NULL), -EFAULT,
		 "files: info to nowhere");
	CHECK_EQ(vfio_client_ioctl(in, VFIO_DEVICE_RESET, NULL), -ENOTTY,
		 "files: another ioctl");
	info.argsz = sizeof(info);
	CHECK_EQ(vfio_client_ioctl(out, VFIO_MIG_GET_PRECOPY_INFO, &info), -ENOTTY,
		 "files: info where nothing is saved");
	CHECK_EQ(read(in, &c, 0), 0, "files: read of nothing");
	CHECK_EQ(write(out, &c, 0), 0, "files: write of nothing");
	close(in);
	close(out);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	reset(to);
}

/* What user space's memory does not take is not lost. */
TEST_F(migrate, faults)
{
	struct migrate *from = &self->from, *to = &self->to;
	__u8 *page = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 want[HEADER_SIZE], *edge = page + PAGE_4K;
	struct stream stream = save_v2(from, 65536);
	int fd;

	munmap(edge, PAGE_4K);
	memcpy(want, stream.data, sizeof(want));
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	set_state(from, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	CHECK_EQ(read(fd, edge, 16) < 0 ? -errno : 0, -EFAULT, "faults: read");
	CHECK_EQ(read(fd, edge - 10, 16), 10, "faults: read of a part");
	CHECK_EQ(read(fd, page, sizeof(want) - 10), sizeof(want) - 10,
		 "faults: and of the next");
	CHECK(!memcmp(edge - 10, want, 10) && !memcmp(page, want + 10, sizeof(want) - 10),
	      "faults: nothing is lost");
	close(fd);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);

	set_state(to, VFIO_DEVICE_STATE_RESUMING, &fd);
	CHECK_EQ(write(fd, edge, 16) < 0 ? -errno : 0, -EFAULT, "faults: write");
	memcpy(edge - 10, stream.data, 10);
	CHECK_EQ(write(fd, edge - 10, 16), 10, "faults: write of a part");
	CHECK_EQ(write_parts(fd, stream.data + 10, stream.size - 10, 9999), stream.size - 10,
		 "faults: and of the rest");
	CHECK_EQ(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "faults: which is a whole");
	close(fd);
	munmap(page, PAGE_4K);
	free(stream.data);
}

struct reader {
	int fd;
	size_t done;
	pthread_t thread;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	__u8 buf[4000];
	ssize_t now;

	while ((now = read(reader->fd, buf, sizeof(buf))) > 0)
		reader->done += now;

	return NULL;
}

/* Two openers of the device, and two readers of the file. */
TEST_F(migrate, two)
{
	struct migrate *m = &self->from;
	struct stream stream = save_v2(m, 65536);
	struct reader reader[2] = {};
	unsigned int i;
	int fd;

	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
	set_state(m, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	for (i = 0; i < 2; i++) {
		reader[i].fd = dup(fd);
		pthread_create(&reader[i].thread, NULL, read_all, &reader[i]);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(reader[i].thread, NULL);
		close(reader[i].fd);
	}
	CHECK_EQ(reader[0].done + reader[1].done, stream.size,
		 "two readers: get it all between them");
	close(fd);
	free(stream.data);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);

	if (m->dev.mode != VFIO_CLIENT_GROUP)
		return;
	fd = m->dev.device_fd;
	CHECK_EQ(vfio_client_get_device(&m->dev), 0, "two openers: the second");
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_STOP, NULL), 0, "two openers: STOP");
	close(m->dev.device_fd);
	m->dev.device_fd = fd;
	CHECK_EQ(get_state(m), VFIO_DEVICE_STATE_STOP, "two openers: see the same state");
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
		 "two openers: and change it");
}

/* Files and devices are closed at all times. */
TEST_F(migrate, closed)
{
	struct migrate *from = &self->from, *to = &self->to;
	char c;
	int fd;

	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_PRE_COPY, NULL), 0,
		 "close: the file in PRE_COPY");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0,
		 "close: does not matter to STOP_COPY");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "close: nor to RUNNING");
	CHECK_EQ(set_state(to, VFIO_DEVICE_STATE_RESUMING, NULL), 0,
		 "close: the file in RESUMING");
	CHECK_EQ(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), -EINVAL,
		 "close: then nothing was loaded");
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_ERROR, "close: which is an ERROR");

	set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	migrate_reopen(from);
	CHECK_EQ(read(fd, &c, 1) < 0 ? -errno : 0, -ENODEV,
		 "close: the device, and read its file");
	CHECK(poll_for(fd) & POLLERR, "close: and poll it");
	close(fd);
	CHECK_EQ(get_state(from), VFIO_DEVICE_STATE_RUNNING, "close: it runs again");

	migrate_reopen(to);
	CHECK_EQ(get_state(to), VFIO_DEVICE_STATE_RUNNING, "close: also after an ERROR");
	set_state(to, VFIO_DEVICE_STATE_RESUMING, &fd);
	migrate_reopen(to);
	CHECK_EQ(write(fd, "x", 1) < 0 ? -errno : 0, -ENODEV,
		 "close: the device, and write to its file");
	close(fd);
}

TEST_HARNESS_MAIN
