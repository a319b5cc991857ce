// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: protocol v1, in the order of calls that linux/vfio.h of 5.8 to 5.17
 * asks for.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "migrate.h"

/* How the data section is accessed */
enum how { BY_FILE, BY_MAP };

static __u8 *map_data(struct migrate *m)
{
	void *map;
	int ret = vfio_client_region_mmap(&m->dev, &m->v1, m->v1.size - PAGE_4K,
					  PAGE_4K, &map);

	if (ret)
		bail_out("v1: map: %s", strerror(-ret));

	return map;
}

int v1_save(struct migrate *m, struct stream *stream, const __u8 *map)
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

		if (map)
			memcpy(stream->data + stream->size, map, size);
		else if (vfio_client_region_read(&m->dev, &m->v1,
						 stream->data + stream->size,
						 size, offset) != (ssize_t)size)
			return -EIO;
		stream->size += size;
	}
}

int v1_load(struct migrate *m, const struct stream *stream, __u8 *map, size_t part)
{
	size_t at, size;
	__u64 offset;
	int ret;

	for (at = 0; at < stream->size; at += size) {
		size = part < stream->size - at ? part : stream->size - at;
		ret = v1_read(m, V1_OFFSET, &offset);
		if (ret)
			return ret;
		if (map)
			memcpy(map, stream->data + at, size);
		else if (vfio_client_region_write(&m->dev, &m->v1,
						  stream->data + at, size,
						  offset) != (ssize_t)size)
			return -EIO;
		ret = v1_write(m, V1_SIZE, size);
		if (ret)
			return ret;
	}

	return 0;
}

static void test_live(struct migrate *from, struct migrate *to, enum how how)
{
	const char *name = how == BY_MAP ? "mapped" : "by file";
	__u8 *from_map = how == BY_MAP ? map_data(from) : NULL;
	__u8 *to_map = how == BY_MAP ? map_data(to) : NULL;
	size_t part = how == BY_MAP ? from->v1.size - PAGE_4K : 1000;
	struct stream stream = { .data = malloc(2 * from->size) };

	vendor_set("hints", "2");
	fill_state(from, 10);
	fill_state(to, 11);
	expect(v1_set(from, V1_PRE_COPY), 0, "v1, %s: pre-copy", name);
	expect(v1_get(from), V1_PRE_COPY, "v1, %s: says so", name);
	expect(v1_save(from, &stream, from_map), 0, "v1, %s: save", name);
	expect(stream.size, HEADER_SIZE + 2 * (RECORD_SIZE + 100),
	       "v1, %s: the header and the vendor's", name);
	fill_state(from, 12);
	expect(v1_set(from, V1_SAVING), 0, "v1, %s: stop and copy", name);
	expect(v1_save(from, &stream, from_map), 0, "v1, %s: save the rest", name);
	expect(v1_set(from, V1_STOP), 0, "v1, %s: stop", name);

	/* The destination was never told to stop. */
	expect(v1_set(to, V1_RESUMING), 0, "v1, %s: resuming", name);
	expect(v1_load(to, &stream, to_map, part), 0, "v1, %s: load", name);
	ok(has_state(to, 12), "v1, %s: is applied", name);
	expect(v1_set(to, V1_RUNNING), 0, "v1, %s: running", name);
	ok(has_state(to, 12), "v1, %s: with that state", name);
	expect(v1_get(to), V1_RUNNING, "v1, %s: says so", name);
	expect(v1_set(from, V1_RUNNING), 0, "v1, %s: the source goes on", name);
	vendor_set("hints", "0");
	free(stream.data);
	if (from_map)
		munmap(from_map, from->v1.size - PAGE_4K);
	if (to_map)
		munmap(to_map, to->v1.size - PAGE_4K);
}

/* One that was saved by one protocol and is loaded by the other */
static void test_mixed(struct migrate *from, struct migrate *to)
{
	struct stream stream = { .data = malloc(2 * from->size) };
	struct stream other;

	migrate_reopen(to);
	fill_state(from, 20);
	v1_set(from, V1_SAVING);
	expect(v1_save(from, &stream, NULL), 0, "mixed: save by v1");
	v1_set(from, V1_RUNNING);
	expect(load_v2(to, &stream, 5000), 0, "mixed: load by v2");
	ok(has_state(to, 20), "mixed: the same state");

	migrate_reopen(from);
	migrate_reopen(to);
	fill_state(from, 20);
	other = save_v2(from, 3000);
	ok(other.size == stream.size &&
	   !memcmp(other.data, stream.data, stream.size),
	   "mixed: both protocols save the same bytes");
	v1_set(to, V1_RESUMING);
	expect(v1_load(to, &other, NULL, 65536), 0, "mixed: load by v1");
	expect(v1_set(to, V1_RUNNING), 0, "mixed: running");
	ok(has_state(to, 20), "mixed: the same state again");
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	migrate_reopen(from);
	free(other.data);
	free(stream.data);
}

static void test_wrong(struct migrate *from, struct migrate *to)
{
	static const __u32 states[] = { 5, 6, 7, 8, 9, 0x80000001 };
	struct stream stream = { .data = malloc(2 * from->size) };
	unsigned int i;
	__u8 buf[64];
	__u64 value;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		expect(v1_set(from, states[i]), -EINVAL, "v1: no state %#x",
		       states[i]);
	expect(v1_get(from), V1_RUNNING, "v1: it goes on");
	expect(v1_read(from, V1_RESERVED, &value), 0, "v1: reserved");
	expect(value, 0, "v1: is 0");
	expect(v1_write(from, V1_RESERVED, 7), 0, "v1: and can be written");
	expect(v1_write(from, V1_PENDING, 1), -EINVAL, "v1: write pending");
	expect(v1_write(from, V1_OFFSET, 4096), -EINVAL, "v1: write offset");
	expect(v1_write(from, V1_SIZE, 1), -EINVAL, "v1: load while running");
	for (i = 1; i <= 16; i *= 2)
		expect(vfio_client_region_read(&from->dev, &from->v1, buf, i, 0),
		       i == 4 ? 4 : -EINVAL, "v1: read %u bytes of the state", i);
	expect(vfio_client_region_read(&from->dev, &from->v1, buf, 4, V1_SIZE),
	       -EINVAL, "v1: read half of a member");
	expect(vfio_client_region_read(&from->dev, &from->v1, buf, 8, 32), -EINVAL,
	       "v1: read behind the members");
	expect(vfio_client_region_read(&from->dev, &from->v1, buf, 8,
				       from->v1.size), -EINVAL,
	       "v1: read behind the region");
	expect(vfio_client_region_read(&from->dev, &from->v1, buf, 64,
				       from->v1.size - 16), 16,
	       "v1: read over its end");
	expect(vfio_client_region_read(&from->dev, &from->v1, NULL, 4, 0), -EFAULT,
	       "v1: read to nowhere");
	expect(vfio_client_region_write(&from->dev, &from->v1, NULL, 4, 0), -EFAULT,
	       "v1: write from nowhere");
	expect(vfio_client_region_write(&from->dev, &from->v1, NULL, 4, PAGE_4K),
	       -EFAULT, "v1: write data from nowhere");

	/* Data that was not read, before and after a change of state */
	v1_set(from, V1_SAVING);
	v1_read(from, V1_PENDING, &value);
	v1_read(from, V1_OFFSET, &value);
	v1_read(from, V1_SIZE, &value);
	ok(value, "v1: there is data");
	v1_set(from, V1_RUNNING);
	expect(v1_read(from, V1_SIZE, &value), 0, "v1: none is left of it");
	expect(value, 0, "v1: once it runs again");
	v1_set(from, V1_SAVING);
	expect(v1_save(from, &stream, NULL), 0, "v1: and it starts anew");
	expect(v1_set(from, V1_PRE_COPY), -EINVAL, "v1: not back to pre-copy");
	v1_set(from, V1_RUNNING);

	v1_set(to, V1_RESUMING);
	expect(v1_write(to, V1_SIZE, to->v1.size), -EINVAL, "v1: load too much");
	expect(v1_write(to, V1_SIZE, ~0ull), -EINVAL, "v1: load far too much");
	expect(v1_write(to, V1_SIZE, 0), 0, "v1: load nothing");
	expect(v1_read(to, V1_PENDING, &value), 0, "v1: pending while loading");
	expect(value, 0, "v1: is nothing");
	stream.size--;
	expect(v1_load(to, &stream, NULL, 4000), 0, "v1: load all but a byte");
	expect(v1_set(to, V1_RUNNING), -EINVAL, "v1: which is not enough");
	expect(v1_get(to), V1_ERROR, "v1: but an error");
	expect(v1_set(to, V1_RUNNING), -EINVAL, "v1: until it is reset");
	reset(to);
	expect(v1_get(to), V1_RUNNING, "v1: then it runs");

	stream.size++;
	stream.data[100] ^= 1;
	v1_set(to, V1_RESUMING);
	expect(v1_load(to, &stream, NULL, 65536), -EINVAL, "v1: load a wrong bit");
	expect(v1_write(to, V1_SIZE, 1), -EINVAL, "v1: and no more");
	reset(to);
	expect(v1_write(to, V1_SIZE, 1), -EINVAL, "v1: a reset ends it");
	free(stream.data);
}

void test_v1(struct migrate *from, struct migrate *to)
{
	migrate_reopen(from);
	migrate_reopen(to);
	test_live(from, to, BY_FILE);
	test_live(from, to, BY_MAP);
	test_wrong(from, to);
	test_mixed(from, to);
	migrate_reopen(from);
	migrate_reopen(to);
}
