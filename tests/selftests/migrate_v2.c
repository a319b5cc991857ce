// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: protocol v2, and what user space is told of both.
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

#include "migrate.h"

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET

/* VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFO in version 2, which headers may lack */
#define PRECOPY_FLAGS 12

static void test_v1_info(struct migrate *m)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info *info;
	__u64 value;
	void *map;

	vfio_client_region_info(&m->dev, m->v1.index, &info);
	sparse = find_cap(info, info->argsz, info->cap_offset,
			  VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ok(sparse && sparse->nr_areas == 1 && sparse->areas[0].offset &&
	   !(sparse->areas[0].offset % PAGE_4K) &&
	   sparse->areas[0].offset + sparse->areas[0].size == m->v1.size,
	   "v1: all but the first page of the region can be mapped");
	free(info);
	expect(m->v1.flags & 7, VFIO_REGION_INFO_FLAG_READ |
	       VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP,
	       "v1: flags of the region");

	expect(vfio_client_region_mmap(&m->dev, &m->v1, PAGE_4K, 0, &map),
	       -EINVAL, "v1: its first page cannot");
	expect(vfio_client_region_mmap(&m->dev, &m->v1, m->v1.size, PAGE_4K, &map),
	       -EINVAL, "v1: nor what is behind its end");

	/* As a VMM does that is only looking, or does not migrate at all */
	expect(v1_get(m), V1_RUNNING, "v1: running at first");
	expect(v1_read(m, V1_PENDING, &value), 0, "v1: pending bytes");
	expect(value, 0, "v1: none");
	expect(v1_read(m, V1_OFFSET, &value), 0, "v1: data offset");
	expect(value, PAGE_4K, "v1: is where it can be mapped");
}

void test_info(struct migrate *from, struct migrate *to)
{
	struct vfio_device_feature_mig_data_size size = {};
	struct vfio_device_feature_migration flags = {};
	__u64 want = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY;
	char p2p[4];

	(void)to;
	param_get("mediator_state", "p2p", p2p, sizeof(p2p));
	if (*p2p == 'Y')
		want |= VFIO_MIGRATION_P2P;
	expect(vfio_client_feature_probe(&from->dev, VFIO_DEVICE_FEATURE_MIGRATION,
					 GET), 0, "v2: probe of the feature");
	expect(vfio_client_feature_probe(&from->dev,
					 VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
					 GET | SET), 0, "v2: probe of the state");
	expect(vfio_client_feature(&from->dev, GET | VFIO_DEVICE_FEATURE_MIGRATION,
				   &flags, sizeof(flags)), 0, "v2: the feature");
	expect_hex(flags.flags, want, "v2: its flags");
	expect(vfio_client_feature(&from->dev, GET |
				   VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size,
				   sizeof(size)), 0, "v2: data size");
	ok(size.stop_copy_length >= from->size &&
	   size.stop_copy_length < from->size + 65536, "v2: is about right: %llu",
	   (unsigned long long)size.stop_copy_length);
	expect(get_state(from), VFIO_DEVICE_STATE_RUNNING, "v2: running at first");
	test_v1_info(from);

	/* None of that was a use. */
	expect(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "v2: running, again");
	expect(v1_get(from), -EBUSY, "v1: busy once v2 is used");
	expect(v1_set(from, V1_STOP), -EBUSY, "v1: also to change the state");
	migrate_reopen(from);
	expect(v1_set(from, V1_RUNNING), 0, "v1: running, again");
	expect(set_state(from, VFIO_DEVICE_STATE_STOP, NULL), -EBUSY,
	       "v2: busy once v1 is used");
	expect(get_state(from), VFIO_DEVICE_STATE_RUNNING, "v2: but can be read");
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
static void test_live(struct migrate *from, struct migrate *to, size_t part)
{
	struct vfio_precopy_info info;
	int fd, out, ret, hints = 3;
	struct stream stream = {};
	size_t size, done;
	long end;

	vendor_set("hints", "3");
	fill_state(from, part);
	fill_state(to, part + 1);
	stream.data = malloc(2 * from->size);
	ret = set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (!expect(ret, 0, "live, %zu: PRE_COPY", part))
		bail_out("no use");
	expect(precopy_info(fd, &info), 0, "live, %zu: info", part);
	expect(info.initial_bytes, HEADER_SIZE + hints * 100,
	       "live, %zu: initial bytes", part);
	expect(info.dirty_bytes, 0, "live, %zu: dirty bytes", part);
	expect(poll_for(fd), POLLIN, "live, %zu: there is something", part);
	end = read_parts(fd, stream.data, from->size, part, &size);
	expect(end, -ENOMSG, "live, %zu: then there is no more for now", part);
	expect(size, HEADER_SIZE + hints * (RECORD_SIZE + 100),
	       "live, %zu: and was the header and the vendor's", part);
	expect(poll_for(fd), 0, "live, %zu: poll says so, too", part);
	precopy_info(fd, &info);
	expect(info.initial_bytes, 0, "live, %zu: no initial bytes are left", part);

	/* A destination takes that at once. */
	ret = set_state(to, VFIO_DEVICE_STATE_RESUMING, &out);
	expect(ret, 0, "live, %zu: RESUMING", part);
	expect(poll_for(out), POLLOUT, "live, %zu: that can be written", part);
	expect(write_parts(out, stream.data, size, part), size,
	       "live, %zu: what came so far is taken", part);

	fill_state(from, part + 2);
	expect(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0,
	       "live, %zu: STOP_COPY", part);
	expect(poll_for(fd), POLLIN, "live, %zu: there is more", part);
	expect(precopy_info(fd, &info), -EINVAL, "live, %zu: no info", part);
	end = read_parts(fd, stream.data, 2 * from->size, part, &done);
	expect(end, 0, "live, %zu: until its end", part);
	expect(read(fd, stream.data + done, 1), 0, "live, %zu: which stays", part);
	expect(poll_for(fd), POLLIN, "live, %zu: and can be read", part);
	expect(write_parts(out, stream.data, done - 1, part), done - 1,
	       "live, %zu: the rest is taken", part);
	ok(has_state(to, part + 1), "live, %zu: nothing is applied yet", part);
	expect(write(out, stream.data + done - 1, 1), 1,
	       "live, %zu: and its last byte", part);
	ok(has_state(to, part + 2), "live, %zu: then all of it is", part);
	expect(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "live, %zu: the destination runs", part);
	ok(has_state(to, part + 2), "live, %zu: with the last state", part);
	expect(set_state(from, VFIO_DEVICE_STATE_STOP, NULL), 0,
	       "live, %zu: STOP", part);
	expect(read(fd, stream.data, 1) < 0 ? -errno : 0, -ENODEV,
	       "live, %zu: which ended the transfer", part);
	ok(poll_for(fd) & POLLERR, "live, %zu: as poll says", part);
	expect(precopy_info(fd, &info), -EINVAL, "live, %zu: still no info", part);
	expect(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "live, %zu: the source could go on", part);
	free(stream.data);
	close(out);
	close(fd);
	vendor_set("hints", "0");
}

static void test_wrong_states(struct migrate *m)
{
	struct vfio_device_feature_mig_state arg = {};
	int fd;

	expect(set_state(m, VFIO_DEVICE_STATE_ERROR, NULL), -EINVAL,
	       "v2: nobody asks for ERROR");
	expect(set_state(m, 8, NULL), -EINVAL, "v2: nor for a state 8");
	expect(set_state(m, ~0u, NULL), -EINVAL, "v2: nor for state ~0");
	expect(vfio_client_feature(&m->dev, SET |
				   VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, 4),
	       -EINVAL, "v2: half an argument");
	expect(get_state(m), VFIO_DEVICE_STATE_RUNNING, "v2: nothing has changed");

	expect(set_state(m, VFIO_DEVICE_STATE_STOP_COPY, &fd), 0, "v2: STOP_COPY");
	expect(set_state(m, VFIO_DEVICE_STATE_PRE_COPY, NULL), -EINVAL,
	       "v2: not from there to PRE_COPY");
	expect(get_state(m), VFIO_DEVICE_STATE_STOP_COPY, "v2: it is where it was");
	expect(set_state(m, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0,
	       "v2: the same state once more is no error");
	close(fd);
	expect(set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "v2: RUNNING");
}

void test_v2(struct migrate *from, struct migrate *to)
{
	static const size_t parts[] = { 1 << 21, 65536, 4096, 777 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		test_live(from, to, parts[i]);
	test_wrong_states(from);
}

/* Newer kernels have flags there, for those who ask for them. */
static void test_precopy_flags(struct migrate *m)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info), .flags = 0x55 };
	int fd;

	set_state(m, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
	expect(info.flags, 0x55, "info: flags that nobody asked for");
	if (vfio_client_feature(&m->dev, SET | PRECOPY_FLAGS, NULL, 0)) {
		skip("not with this kernel", "info: flags");
	} else {
		vfio_client_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
		expect(info.flags, 0, "info: flags are 0");
	}
	close(fd);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);
}

/* What can be done to the files that should not. */
static void test_wrong_calls(struct migrate *from, struct migrate *to)
{
	struct vfio_precopy_info info = { .argsz = 8 };
	int in, out;
	char c = 0;

	set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &in);
	set_state(to, VFIO_DEVICE_STATE_RESUMING, &out);
	expect(write(in, &c, 1) < 0 ? -errno : 0, -EBADF, "files: write to save");
	expect(read(out, &c, 1) < 0 ? -errno : 0, -EBADF, "files: read to load");
	expect(pread(in, &c, 1, 0) < 0 ? -errno : 0, -ESPIPE, "files: pread");
	expect(pwrite(out, &c, 1, 0) < 0 ? -errno : 0, -ESPIPE, "files: pwrite");
	expect(lseek(in, 0, SEEK_SET) < 0 ? -errno : 0, -ESPIPE, "files: lseek");
	expect(mmap(NULL, 4096, PROT_READ, MAP_SHARED, in, 0) == MAP_FAILED ?
	       -errno : 0, -ENODEV, "files: mmap");
	expect(fcntl(in, F_GETFL) & O_ACCMODE, O_RDONLY, "files: read-only");
	expect(fcntl(out, F_GETFL) & O_ACCMODE, O_WRONLY, "files: write-only");
	expect(fcntl(in, F_GETFD), FD_CLOEXEC, "files: closed by exec");

	expect(vfio_client_ioctl(in, VFIO_MIG_GET_PRECOPY_INFO, &info), -EINVAL,
	       "files: info that is too short");
	expect(vfio_client_ioctl(in, VFIO_MIG_GET_PRECOPY_INFO, NULL), -EFAULT,
	       "files: info to nowhere");
	expect(vfio_client_ioctl(in, VFIO_DEVICE_RESET, NULL), -ENOTTY,
	       "files: another ioctl");
	info.argsz = sizeof(info);
	expect(vfio_client_ioctl(out, VFIO_MIG_GET_PRECOPY_INFO, &info), -ENOTTY,
	       "files: info where nothing is saved");
	expect(read(in, &c, 0), 0, "files: read of nothing");
	expect(write(out, &c, 0), 0, "files: write of nothing");
	close(in);
	close(out);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	reset(to);
}

/* What user space's memory does not take is not lost. */
static void test_faults(struct migrate *from, struct migrate *to)
{
	__u8 *page = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 want[HEADER_SIZE], *edge = page + PAGE_4K;
	struct stream stream = save_v2(from, 65536);
	int fd;

	munmap(edge, PAGE_4K);
	memcpy(want, stream.data, sizeof(want));
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	set_state(from, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	expect(read(fd, edge, 16) < 0 ? -errno : 0, -EFAULT, "faults: read");
	expect(read(fd, edge - 10, 16), 10, "faults: read of a part");
	expect(read(fd, page, sizeof(want) - 10), sizeof(want) - 10,
	       "faults: and of the next");
	ok(!memcmp(edge - 10, want, 10) &&
	   !memcmp(page, want + 10, sizeof(want) - 10), "faults: nothing is lost");
	close(fd);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);

	set_state(to, VFIO_DEVICE_STATE_RESUMING, &fd);
	expect(write(fd, edge, 16) < 0 ? -errno : 0, -EFAULT, "faults: write");
	memcpy(edge - 10, stream.data, 10);
	expect(write(fd, edge - 10, 16), 10, "faults: write of a part");
	expect(write_parts(fd, stream.data + 10, stream.size - 10, 9999),
	       stream.size - 10, "faults: and of the rest");
	expect(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "faults: which is a whole");
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
static void test_two(struct migrate *m)
{
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
	expect(reader[0].done + reader[1].done, stream.size,
	       "two readers: get it all between them");
	close(fd);
	free(stream.data);
	set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL);

	if (m->dev.mode != VFIO_CLIENT_GROUP)
		return;
	fd = m->dev.device_fd;
	expect(vfio_client_get_device(&m->dev), 0, "two openers: the second");
	expect(set_state(m, VFIO_DEVICE_STATE_STOP, NULL), 0, "two openers: STOP");
	close(m->dev.device_fd);
	m->dev.device_fd = fd;
	expect(get_state(m), VFIO_DEVICE_STATE_STOP,
	       "two openers: see the same state");
	expect(set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "two openers: and change it");
}

/* Files and devices are closed at all times. */
static void test_close(struct migrate *from, struct migrate *to)
{
	char c;
	int fd;

	expect(set_state(from, VFIO_DEVICE_STATE_PRE_COPY, NULL), 0,
	       "close: the file in PRE_COPY");
	expect(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0,
	       "close: does not matter to STOP_COPY");
	expect(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0,
	       "close: nor to RUNNING");
	expect(set_state(to, VFIO_DEVICE_STATE_RESUMING, NULL), 0,
	       "close: the file in RESUMING");
	expect(set_state(to, VFIO_DEVICE_STATE_RUNNING, NULL), -EINVAL,
	       "close: then nothing was loaded");
	expect(get_state(to), VFIO_DEVICE_STATE_ERROR, "close: which is an ERROR");

	set_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	migrate_reopen(from);
	expect(read(fd, &c, 1) < 0 ? -errno : 0, -ENODEV,
	       "close: the device, and read its file");
	ok(poll_for(fd) & POLLERR, "close: and poll it");
	close(fd);
	expect(get_state(from), VFIO_DEVICE_STATE_RUNNING, "close: it runs again");

	migrate_reopen(to);
	expect(get_state(to), VFIO_DEVICE_STATE_RUNNING,
	       "close: also after an ERROR");
	set_state(to, VFIO_DEVICE_STATE_RESUMING, &fd);
	migrate_reopen(to);
	expect(write(fd, "x", 1) < 0 ? -errno : 0, -ENODEV,
	       "close: the device, and write to its file");
	close(fd);
}

void test_v2_files(struct migrate *from, struct migrate *to)
{
	test_wrong_calls(from, to);
	test_precopy_flags(from);
	test_faults(from, to);
	test_two(from);
	test_close(from, to);
}
