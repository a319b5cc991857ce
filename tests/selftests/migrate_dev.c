// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: the devices under test, and what is done with them all the time. Protocol v1
 * is in the order of calls that linux/vfio.h of 5.8 to 5.17 asks for.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrate.h"

#define STATE_TYPE ((__u32)VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x8086)
#define STATE_SUBTYPE 3

static void find_regions(struct migrate *m)
{
	const struct vfio_region_info_cap_type *type;
	struct vfio_client_region region;
	struct vfio_region_info *info;
	__u32 i;

	for (i = VFIO_PCI_NUM_REGIONS;
	     !vfio_client_region_info(&m->dev, i, &info); i++) {
		region = (struct vfio_client_region) {
			.index = i,
			.flags = info->flags,
			.size = info->size,
			.offset = info->offset,
		};
		type = find_cap(info, info->argsz, info->cap_offset,
				VFIO_REGION_INFO_CAP_TYPE);
		if (type && type->type == STATE_TYPE &&
		    type->subtype == STATE_SUBTYPE)
			m->memory = region;
		if (type && type->type == VFIO_REGION_TYPE_MIGRATION_DEPRECATED &&
		    type->subtype == VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED)
			m->v1 = region;
		free(info);
	}
}

void migrate_open(struct migrate *m, const char *bdf, enum vfio_client_mode mode)
{
	void *state;
	int ret;

	memset(m, 0, sizeof(*m));
	ret = open_device(&m->dev, bdf, mode);
	if (ret)
		die("open %s: %s", bdf, strerror(-ret));

	find_regions(m);
	if (!m->v1.size)
		die("%s cannot be migrated", bdf);
	/* Of mediator_state's alone */
	m->size = m->memory.size;
	if (!m->size)
		return;
	ret = vfio_client_region_mmap(&m->dev, &m->memory, m->size, 0, &state);
	if (ret)
		die("map the state of %s: %s", bdf, strerror(-ret));
	m->state = state;
}

void migrate_close(struct migrate *m)
{
	if (m->size)
		munmap(m->state, m->size);
	vfio_client_close(&m->dev);
}

void migrate_reopen(struct migrate *m)
{
	enum vfio_client_mode mode = m->dev.mode;
	char bdf[sizeof(m->dev.bdf)];

	memcpy(bdf, m->dev.bdf, sizeof(bdf));
	migrate_close(m);
	migrate_open(m, bdf, mode);
}

static __u8 byte_at(unsigned int seed, size_t at)
{
	return (at * 2654435761u + seed * 40503u) >> 13;
}

void fill_state(struct migrate *m, unsigned int seed)
{
	size_t i;

	for (i = 0; i < m->size; i++)
		m->state[i] = byte_at(seed, i);
}

bool has_state(struct migrate *m, unsigned int seed)
{
	size_t i;

	for (i = 0; i < m->size; i++)
		if (m->state[i] != byte_at(seed, i))
			return false;

	return true;
}

int set_state(struct migrate *m, __u32 state, int *fd)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state };
	int ret;

	ret = vfio_client_feature(&m->dev, VFIO_DEVICE_FEATURE_SET |
				  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg,
				  sizeof(arg));
	if (ret)
		arg.data_fd = -1;
	if (fd)
		*fd = arg.data_fd;
	else if (arg.data_fd >= 0)
		close(arg.data_fd);

	return ret;
}

int get_state(struct migrate *m)
{
	struct vfio_device_feature_mig_state arg = {};
	int ret;

	ret = vfio_client_feature(&m->dev, VFIO_DEVICE_FEATURE_GET |
				  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg,
				  sizeof(arg));

	return ret ?: (int)arg.device_state;
}

const char *state_name(__u32 state)
{
	static const char * const names[] = {
		"ERROR", "STOP", "RUNNING", "STOP_COPY", "RESUMING",
		"RUNNING_P2P", "PRE_COPY", "PRE_COPY_P2P",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

void reset(struct migrate *m)
{
	int ret = vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL);

	if (ret)
		die("VFIO_DEVICE_RESET: %s", strerror(-ret));
}

int go(struct migrate *m, __u32 state, const struct stream *stream)
{
	int fd, ret;

	if (state == VFIO_DEVICE_STATE_ERROR) {
		ret = set_state(m, VFIO_DEVICE_STATE_RESUMING, NULL);
		if (ret)
			return ret;
		return set_state(m, VFIO_DEVICE_STATE_STOP, NULL) == -EINVAL ?
			0 : -EIO;
	}

	ret = set_state(m, state, &fd);
	if (!ret && state == VFIO_DEVICE_STATE_RESUMING && stream)
		ret = write_parts(fd, stream->data, stream->size, stream->size);
	if (fd >= 0)
		close(fd);

	return ret < 0 ? ret : 0;
}

long read_parts(int fd, __u8 *buf, size_t size, size_t part, size_t *done)
{
	ssize_t now = 1;

	for (*done = 0; *done < size && now > 0;) {
		if (part > size - *done)
			part = size - *done;
		now = read(fd, buf + *done, part);
		if (now > 0)
			*done += now;
	}

	return now < 0 ? -errno : now;
}

long write_parts(int fd, const __u8 *buf, size_t size, size_t part)
{
	size_t done = 0;
	ssize_t now;

	while (done < size) {
		if (part > size - done)
			part = size - done;
		now = write(fd, buf + done, part);
		if (now <= 0)
			return now ? -errno : -EIO;
		done += now;
	}

	return done;
}

struct stream save_v2(struct migrate *m, size_t part)
{
	size_t room = m->size + m->size / 64 + 4096;
	struct stream stream = { .data = malloc(room) };
	int fd, ret;
	long end;

	ret = set_state(m, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (ret || !stream.data)
		die("save: %s", strerror(-ret));
	end = read_parts(fd, stream.data, room, part, &stream.size);
	if (end)
		die("save: it does not end: %ld", end);
	close(fd);

	return stream;
}

int load_v2(struct migrate *m, const struct stream *stream, size_t part)
{
	long ret;
	int fd;

	ret = set_state(m, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (ret)
		return ret;
	ret = write_parts(fd, stream->data, stream->size, part);
	close(fd);
	if (ret < 0)
		return ret;

	return set_state(m, VFIO_DEVICE_STATE_STOP, NULL);
}

int v1_read(struct migrate *m, unsigned int member, __u64 *value)
{
	size_t width = member < V1_PENDING ? 4 : 8;
	ssize_t ret;

	*value = 0;
	ret = vfio_client_region_read(&m->dev, &m->v1, value, width, member);

	return ret < 0 ? ret : ret == (ssize_t)width ? 0 : -EIO;
}

int v1_write(struct migrate *m, unsigned int member, __u64 value)
{
	size_t width = member < V1_PENDING ? 4 : 8;
	ssize_t ret;

	ret = vfio_client_region_write(&m->dev, &m->v1, &value, width, member);

	return ret < 0 ? ret : ret == (ssize_t)width ? 0 : -EIO;
}

int v1_set(struct migrate *m, __u32 state)
{
	return v1_write(m, V1_STATE, state);
}

int v1_get(struct migrate *m)
{
	__u64 value;
	int ret = v1_read(m, V1_STATE, &value);

	return ret ?: (int)value;
}

int v1_save(struct migrate *m, struct stream *stream)
{
	__u64 pending, offset, size;
	int ret;

	for (;;) {
		ret = v1_read(m, V1_PENDING, &pending);
		if (ret || !pending)
			return ret;
		ret = v1_read(m, V1_OFFSET, &offset);
		if (!ret)
			ret = v1_read(m, V1_SIZE, &size);
		if (ret)
			return ret;
		if (!size || offset + size > m->v1.size)
			return -ERANGE;

		if (vfio_client_region_read(&m->dev, &m->v1, stream->data + stream->size, size,
					    offset) != (ssize_t)size)
			return -EIO;
		stream->size += size;
	}
}

int v1_load(struct migrate *m, const struct stream *stream, size_t part)
{
	size_t at, size;
	__u64 offset;
	int ret;

	for (at = 0; at < stream->size; at += size) {
		size = part < stream->size - at ? part : stream->size - at;
		ret = v1_read(m, V1_OFFSET, &offset);
		if (ret)
			return ret;
		if (vfio_client_region_write(&m->dev, &m->v1, stream->data + at, size,
					     offset) != (ssize_t)size)
			return -EIO;
		ret = v1_write(m, V1_SIZE, size);
		if (ret)
			return ret;
	}

	return 0;
}

void vendor_set(const char *name, const char *value)
{
	int ret = param_set("mediator_state", name, value);

	if (ret)
		die("%s=%s: %s", name, value, strerror(-ret));
}

void vendor_fails(const char *callback, int error)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", error);
	vendor_set("error", text);
	vendor_set("fail", callback);
}

unsigned int vendor_get(const char *name)
{
	return param_number("mediator_state", name);
}
