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

#include "migrate_fixture.h"

FIXTURE_VARIANT_ADD(migrate, big) { .parameters = STATE_BIG };
FIXTURE_VARIANT_ADD(migrate, small) { .parameters = STATE_SMALL };
FIXTURE_VARIANT_ADD(migrate, cdev) { .parameters = STATE_CDEV, .mode = VFIO_CLIENT_CDEV };

static void test_live(struct __test_metadata *_metadata, struct migrate *from,
		      struct migrate *to, size_t part)
{
	struct stream stream = { .data = malloc(2 * from->size) };

	vendor_set("hints", "2");
	fill_state(from, 10);
	fill_state(to, 11);
	CHECK_EQ(v1_set(from, V1_PRE_COPY), 0, "v1, by %zu bytes: pre-copy", part);
	CHECK_EQ(v1_get(from), V1_PRE_COPY, "v1, by %zu bytes: says so", part);
	CHECK_EQ(v1_save(from, &stream), 0, "v1, by %zu bytes: save", part);
	CHECK_EQ(stream.size, HEADER_SIZE + 2 * (RECORD_SIZE + 100),
		 "v1, by %zu bytes: the header and the vendor's", part);
	fill_state(from, 12);
	CHECK_EQ(v1_set(from, V1_SAVING), 0, "v1, by %zu bytes: stop and copy", part);
	CHECK_EQ(v1_save(from, &stream), 0, "v1, by %zu bytes: save the rest", part);
	CHECK_EQ(v1_set(from, V1_STOP), 0, "v1, by %zu bytes: stop", part);

	/* The destination was never told to stop. */
	CHECK_EQ(v1_set(to, V1_RESUMING), 0, "v1, by %zu bytes: resuming", part);
	CHECK_EQ(v1_load(to, &stream, part), 0, "v1, by %zu bytes: load", part);
	CHECK(has_state(to, 12), "v1, by %zu bytes: is applied", part);
	CHECK_EQ(v1_set(to, V1_RUNNING), 0, "v1, by %zu bytes: running", part);
	CHECK(has_state(to, 12), "v1, by %zu bytes: with that state", part);
	CHECK_EQ(v1_get(to), V1_RUNNING, "v1, by %zu bytes: says so", part);
	CHECK_EQ(v1_set(from, V1_RUNNING), 0, "v1, by %zu bytes: the source goes on", part);
	vendor_set("hints", "0");
	free(stream.data);
}

TEST_F(migrate, by_parts)
{
	test_live(_metadata, &self->from, &self->to, 1000);
}

TEST_F(migrate, at_once)
{
	test_live(_metadata, &self->from, &self->to, self->from.v1.size - PAGE_4K);
}

/* One that was saved by one protocol and is loaded by the other */
TEST_F(migrate, mixed)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct stream stream = { .data = malloc(2 * from->size) };
	struct stream other;

	fill_state(from, 20);
	v1_set(from, V1_SAVING);
	CHECK_EQ(v1_save(from, &stream), 0, "mixed: save by v1");
	v1_set(from, V1_RUNNING);
	CHECK_EQ(load_v2(to, &stream, 5000), 0, "mixed: load by v2");
	CHECK(has_state(to, 20), "mixed: the same state");

	migrate_reopen(from);
	migrate_reopen(to);
	fill_state(from, 20);
	other = save_v2(from, 3000);
	CHECK(other.size == stream.size && !memcmp(other.data, stream.data, stream.size),
	      "mixed: both protocols save the same bytes");
	v1_set(to, V1_RESUMING);
	CHECK_EQ(v1_load(to, &other, 65536), 0, "mixed: load by v1");
	CHECK_EQ(v1_set(to, V1_RUNNING), 0, "mixed: running");
	CHECK(has_state(to, 20), "mixed: the same state again");
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
	migrate_reopen(from);
	free(other.data);
	free(stream.data);
}

TEST_F(migrate, wrong)
{
	static const __u32 states[] = { 5, 6, 7, 8, 9, 0x80000001 };
	struct migrate *from = &self->from, *to = &self->to;
	struct stream stream = { .data = malloc(2 * from->size) };
	unsigned int i;
	__u8 buf[64];
	__u64 value;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		CHECK_EQ(v1_set(from, states[i]), -EINVAL, "v1: no state %#x", states[i]);
	CHECK_EQ(v1_get(from), V1_RUNNING, "v1: it goes on");
	CHECK_EQ(v1_read(from, V1_RESERVED, &value), 0, "v1: reserved");
	CHECK_EQ(value, 0, "v1: is 0");
	CHECK_EQ(v1_write(from, V1_RESERVED, 7), 0, "v1: and can be written");
	CHECK_EQ(v1_write(from, V1_PENDING, 1), -EINVAL, "v1: write pending");
	CHECK_EQ(v1_write(from, V1_OFFSET, 4096), -EINVAL, "v1: write offset");
	CHECK_EQ(v1_write(from, V1_SIZE, 1), -EINVAL, "v1: load while running");
	for (i = 1; i <= 16; i *= 2)
		CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, buf, i, 0),
			 i == 4 ? 4 : -EINVAL, "v1: read %u bytes of the state", i);
	CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, buf, 4, V1_SIZE), -EINVAL,
		 "v1: read half of a member");
	CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, buf, 8, 32), -EINVAL,
		 "v1: read behind the members");
	CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, buf, 8, from->v1.size), -EINVAL,
		 "v1: read behind the region");
	CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, buf, 64, from->v1.size - 16),
		 16, "v1: read over its end");
	CHECK_EQ(vfio_client_region_read(&from->dev, &from->v1, NULL, 4, 0), -EFAULT,
		 "v1: read to nowhere");
	CHECK_EQ(vfio_client_region_write(&from->dev, &from->v1, NULL, 4, 0), -EFAULT,
		 "v1: write from nowhere");
	CHECK_EQ(vfio_client_region_write(&from->dev, &from->v1, NULL, 4, PAGE_4K), -EFAULT,
		 "v1: write data from nowhere");

	/* Data that was not read, before and after a change of state */
	v1_set(from, V1_SAVING);
	v1_read(from, V1_PENDING, &value);
	v1_read(from, V1_OFFSET, &value);
	v1_read(from, V1_SIZE, &value);
	CHECK(value, "v1: there is data");
	v1_set(from, V1_RUNNING);
	CHECK_EQ(v1_read(from, V1_SIZE, &value), 0, "v1: none is left of it");
	CHECK_EQ(value, 0, "v1: once it runs again");
	v1_set(from, V1_SAVING);
	CHECK_EQ(v1_save(from, &stream), 0, "v1: and it starts anew");
	CHECK_EQ(v1_set(from, V1_PRE_COPY), -EINVAL, "v1: not back to pre-copy");
	v1_set(from, V1_RUNNING);

	v1_set(to, V1_RESUMING);
	CHECK_EQ(v1_write(to, V1_SIZE, to->v1.size), -EINVAL, "v1: load too much");
	CHECK_EQ(v1_write(to, V1_SIZE, ~0ull), -EINVAL, "v1: load far too much");
	CHECK_EQ(v1_write(to, V1_SIZE, 0), 0, "v1: load nothing");
	CHECK_EQ(v1_read(to, V1_PENDING, &value), 0, "v1: pending while loading");
	CHECK_EQ(value, 0, "v1: is nothing");
	stream.size--;
	CHECK_EQ(v1_load(to, &stream, 4000), 0, "v1: load all but a byte");
	CHECK_EQ(v1_set(to, V1_RUNNING), -EINVAL, "v1: which is not enough");
	CHECK_EQ(v1_get(to), V1_ERROR, "v1: but an error");
	CHECK_EQ(v1_set(to, V1_RUNNING), -EINVAL, "v1: until it is reset");
	reset(to);
	CHECK_EQ(v1_get(to), V1_RUNNING, "v1: then it runs");

	stream.size++;
	stream.data[100] ^= 1;
	v1_set(to, V1_RESUMING);
	CHECK_EQ(v1_load(to, &stream, 65536), -EINVAL, "v1: load a wrong bit");
	CHECK_EQ(v1_write(to, V1_SIZE, 1), -EINVAL, "v1: and no more");
	reset(to);
	CHECK_EQ(v1_write(to, V1_SIZE, 1), -EINVAL, "v1: a reset ends it");
	free(stream.data);
}

TEST_HARNESS_MAIN
