// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: streams that are wrong, and one that is old.
 */
#define _GNU_SOURCE

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "migrate_fixture.h"

FIXTURE_VARIANT_ADD(migrate, big) { .parameters = STATE_BIG };
FIXTURE_VARIANT_ADD(migrate, small) { .parameters = STATE_SMALL };
FIXTURE_VARIANT_ADD(migrate, cdev) { .parameters = STATE_CDEV, .mode = VFIO_CLIENT_CDEV };

/* Cuts and bits that are tried, besides those at the bounds of records */
#define SAMPLES 24

static void fix_header(struct stream *stream)
{
	struct vpm_format_header *header = (void *)stream->data;

	header->crc = htole32(~crc32c(~0, header, HEADER_SIZE - 4));
}

static void fix_record(struct vpm_format_record *record)
{
	__u32 crc = crc32c(~0, record, RECORD_SIZE - 4);

	record->crc = htole32(~crc32c(crc, record + 1, le32toh(record->length)));
}

static struct vpm_format_record *find_record(const struct stream *stream, unsigned int number)
{
	struct vpm_format_record *record;
	size_t at = HEADER_SIZE;

	while (at + RECORD_SIZE <= stream->size) {
		record = (void *)(stream->data + at);
		if (!number--)
			return record;
		at += RECORD_SIZE + le32toh(record->length);
	}

	return NULL;
}

static struct stream copy_stream(const struct stream *stream)
{
	struct stream copy = { malloc(stream->size), stream->size };

	if (!copy.data)
		die("no memory");
	memcpy(copy.data, stream->data, stream->size);

	return copy;
}

/* What is to be spoilt, for a device that has another state */
static struct stream save(struct migrate *from, struct migrate *to)
{
	struct stream stream;

	fill_state(from, 30);
	fill_state(to, 31);
	stream = save_v2(from, 65536);
	set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);

	return stream;
}

/* All kinds of headers: told from the first bytes, before anything else comes. */
TEST_F(migrate, headers)
{
	static const struct {
		const char *name;
		size_t at;
		int want;
	} headers[] = {
		{ "magic", 0, -EINVAL },
		{ "format", offsetof(struct vpm_format_header, format), -EOPNOTSUPP },
		{ "reserved", offsetof(struct vpm_format_header, reserved),
		  -EOPNOTSUPP },
		{ "reserved2", offsetof(struct vpm_format_header, reserved2),
		  -EOPNOTSUPP },
		{ "newer version", offsetof(struct vpm_format_header, version) + 1,
		  -EOPNOTSUPP },
		{ "another vendor's", offsetof(struct vpm_format_header, name),
		  -EINVAL },
		{ "PCI vendor", offsetof(struct vpm_format_header, ids), -EINVAL },
		{ "PCI device", offsetof(struct vpm_format_header, ids) + 2,
		  -EINVAL },
		{ "PCI subsystem vendor",
		  offsetof(struct vpm_format_header, ids) + 4, -EINVAL },
		{ "PCI subsystem", offsetof(struct vpm_format_header, ids) + 6,
		  -EINVAL },
		{ "feature", offsetof(struct vpm_format_header, features) + 3,
		  -EOPNOTSUPP },
	};
	struct stream bad, stream = save(&self->from, &self->to);
	struct vpm_format_header *header;
	struct migrate *m = &self->to;
	unsigned int i;
	int fd;

	for (i = 0; i <= ARRAY_SIZE(headers); i++) {
		bad = copy_stream(&stream);
		header = (void *)bad.data;
		if (i < ARRAY_SIZE(headers))
			bad.data[headers[i].at] ^= 0x40;
		else
			header->version = 0;
		fix_header(&bad);
		set_state(m, VFIO_DEVICE_STATE_RESUMING, &fd);
		if (i < ARRAY_SIZE(headers))
			CHECK_EQ(write_parts(fd, bad.data, HEADER_SIZE, 9), headers[i].want,
				 "header: %s", headers[i].name);
		else
			CHECK_EQ(write_parts(fd, bad.data, HEADER_SIZE, 9), -EOPNOTSUPP,
				 "header: older version");
		CHECK_EQ(write_parts(fd, bad.data, 1, 1) < 0, 1,
			 "header: and nothing more is taken");
		close(fd);
		free(bad.data);
		reset(m);
	}
	free(stream.data);
}

static void test_cut(struct __test_metadata *_metadata, struct migrate *m,
		     const struct stream *stream, size_t size)
{
	struct stream part = { stream->data, size };
	int ret = load_v2(m, &part, 4096);

	CHECK_EQ(ret, -EINVAL, "cut: after %zu of %zu", size, stream->size);
	CHECK_EQ(get_state(m), VFIO_DEVICE_STATE_ERROR, "cut: after %zu: state", size);
	reset(m);
}

/* At the bounds of records, and at some places in between */
TEST_F(migrate, cuts)
{
	struct stream stream = save(&self->from, &self->to);
	struct vpm_format_record *record;
	struct migrate *m = &self->to;
	unsigned int i;
	size_t at;

	for (i = 0; (record = find_record(&stream, i)) && i < SAMPLES; i++) {
		at = (__u8 *)record - stream.data;
		test_cut(_metadata, m, &stream, at);
		test_cut(_metadata, m, &stream, at + 1);
		test_cut(_metadata, m, &stream, at + RECORD_SIZE - 1);
	}
	for (i = 0; i < SAMPLES; i++)
		test_cut(_metadata, m, &stream, i * (stream.size - 1) / (SAMPLES - 1));
	CHECK(has_state(m, 31), "cuts: and the state is as it was");
	free(stream.data);
}

TEST_F(migrate, flips)
{
	struct stream bad = save(&self->from, &self->to);
	struct migrate *m = &self->to;
	unsigned int i;
	size_t bit;
	int ret;

	for (i = 0; i < SAMPLES; i++) {
		bit = i * 8 * (bad.size - 1) / (SAMPLES - 1) + i % 8;
		bad.data[bit / 8] ^= 1 << bit % 8;
		ret = load_v2(m, &bad, 65536);
		bad.data[bit / 8] ^= 1 << bit % 8;
		CHECK(ret < 0, "flips: bit %zu: got %d", bit, ret);
		reset(m);
	}
	CHECK(has_state(m, 31), "flips: the state is as it was");
	free(bad.data);
}

static void expect_load(struct __test_metadata *_metadata, struct migrate *m,
			struct stream *stream, int want, const char *name)
{
	int ret = load_v2(m, stream, 1 << 20);

	CHECK_EQ(ret, want, "records: %s", name);
	CHECK(has_state(m, 31) != !want, "records: %s: the state", name);
	if (ret)
		reset(m);
	else
		fill_state(m, 31);
	free(stream->data);
}

/* Records whose checksums are right, but nothing else is. */
TEST_F(migrate, records)
{
	struct stream bad, saved = save(&self->from, &self->to), *stream = &saved;
	struct vpm_format_record *record;
	struct migrate *m = &self->to;

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->type = htole16(0x7777);
	fix_record(record);
	expect_load(_metadata, m, &bad, -EOPNOTSUPP, "a type that the vendor does not know");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->type = htole16(0x9000);
	fix_record(record);
	expect_load(_metadata, m, &bad, -EOPNOTSUPP, "a type that nobody knows");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->type = htole16(0x9000);
	record->flags = htole16(VPM_FORMAT_OPTIONAL);
	fix_record(record);
	expect_load(_metadata, m, &bad, -EINVAL, "one that may be skipped, but not here");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->flags = htole16(0x8000);
	fix_record(record);
	expect_load(_metadata, m, &bad, -EOPNOTSUPP, "flags that are not known");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->length = htole32((param_number("mediator_state", "record_max") ?: 65536) + 1);
	expect_load(_metadata, m, &bad, -EMSGSIZE, "a length that is too much");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->length = htole32(~0u);
	expect_load(_metadata, m, &bad, -EMSGSIZE, "a length that is far too much");

	bad = copy_stream(stream);
	record = find_record(&bad, 0);
	record->sequence = htole32(1);
	fix_record(record);
	expect_load(_metadata, m, &bad, -EINVAL, "a number that is not its own");

	/* Twice the first chunk: more than the device has */
	bad = copy_stream(stream);
	bad.data = realloc(bad.data, 2 * bad.size);
	record = find_record(&bad, 0);
	memcpy(bad.data + HEADER_SIZE + RECORD_SIZE + le32toh(record->length),
	       stream->data + HEADER_SIZE, stream->size - HEADER_SIZE);
	bad.size += RECORD_SIZE + le32toh(record->length);
	for (__u32 i = 0; (record = find_record(&bad, i)); i++) {
		record->sequence = htole32(i);
		fix_record(record);
	}
	expect_load(_metadata, m, &bad, -EMSGSIZE, "more than the device has");

	bad = copy_stream(stream);
	bad.data = realloc(bad.data, bad.size + 1);
	bad.data[bad.size++] = 0;
	CHECK_EQ(load_v2(m, &bad, 1 << 20), -EINVAL, "records: a byte behind the end");
	CHECK_EQ(set_state(m, VFIO_DEVICE_STATE_RUNNING, NULL), -EINVAL,
		 "records: too late for the state, but it does not run");
	reset(m);
	fill_state(m, 31);
	free(bad.data);

	bad = copy_stream(stream);
	expect_load(_metadata, m, &bad, 0, "all as it should be");
	reset(m);
	free(saved.data);
}

/* A device whose vendor takes the state of others says what it is like. */
TEST_F(migrate, match)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct vpm_format_record *record;
	struct vpm_format_device *device;
	struct stream bad, stream;

	vendor_set("match", "1");
	migrate_reopen(from);
	stream = save(from, to);
	record = find_record(&stream, 0);
	ASSERT_EQ(le16toh(record->type), VPM_FORMAT_DEVICE);
	device = (void *)(record + 1);
	CHECK_EQ(le64toh(device->bars[0]), 16384, "match: size of BAR 0");
	CHECK_EQ(le16toh(device->vectors), 3, "match: number of vectors");
	expect_load(_metadata, to, &(struct stream){ copy_stream(&stream).data, stream.size }, 0,
		    "match: the same device");

	bad = copy_stream(&stream);
	device = (void *)(find_record(&bad, 0) + 1);
	device->vectors = htole16(5);
	fix_record(find_record(&bad, 0));
	expect_load(_metadata, to, &bad, -EINVAL, "match: more vectors, nobody decides");

	migrate_reopen(to);
	fill_state(to, 31);
	bad = copy_stream(&stream);
	device = (void *)(find_record(&bad, 0) + 1);
	device->vectors = htole16(5);
	fix_record(find_record(&bad, 0));
	vendor_fails("match", -EPERM);
	CHECK_EQ(load_v2(to, &bad, 4096), -EPERM, "match: more vectors, refused");
	vendor_fails("", 0);
	reset(to);
	expect_load(_metadata, to, &bad, 0, "match: more vectors, accepted");

	vendor_set("match", "0");
	migrate_reopen(from);
	migrate_reopen(to);
	free(stream.data);
}

/* Choose the version of streams; 0 or a negative errno */
static int choose_version(struct migrate *m, const char *version)
{
	char path[128];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/migration_version", m->dev.bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, version, strlen(version)) < 0 ? -errno : 0;
	close(fd);

	return ret;
}

/* An administrator has an older version written, for a destination that knows no newer one. */
TEST_F(migrate, older_version)
{
	struct migrate *from = &self->from, *to = &self->to;
	struct stream old, new = save(from, to);
	unsigned int count = 0;
	int fd;

	CHECK_EQ(choose_version(from, "1"), 0, "version: choose an older one");
	old = save(from, to);
	CHECK_EQ(le32toh(((struct vpm_format_header *)new.data)->version), 2, "version: newest");
	CHECK_EQ(le32toh(((struct vpm_format_header *)old.data)->version), 1, "version: older");
	while (find_record(&new, count))
		count++;
	CHECK(!find_record(&old, count - 1) && find_record(&old, count - 2),
	      "version: the older one has no new record");

	vendor_set("version", "1");
	migrate_reopen(to);
	fill_state(to, 31);
	CHECK_EQ(load_v2(to, &new, 4096), -EOPNOTSUPP, "version: too new for the destination");
	reset(to);
	expect_load(_metadata, to, &old, 0, "version: which takes the older one");
	vendor_set("version", "2");
	migrate_reopen(to);

	CHECK_EQ(choose_version(from, "3"), 0, "version: choose one that is not known");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_STOP_COPY, &fd), -EOPNOTSUPP,
		 "version: nothing is saved");
	CHECK_EQ(choose_version(from, "x"), -EINVAL, "version: no number");
	CHECK_EQ(choose_version(from, "0"), 0, "version: the newest, again");
	CHECK_EQ(set_state(from, VFIO_DEVICE_STATE_RUNNING, NULL), 0, "version: it runs");
	free(new.data);
}

/* A stream that migrate --save made long ago, for a device like this one */
FIXTURE(golden) {
	struct migrate to;
};

FIXTURE_SETUP(golden)
{
	module_load("mediator_state", "size=4096 p2p=Y hints=0");
	migrate_open(&self->to, lab_vf(0), VFIO_CLIENT_GROUP);
}

FIXTURE_TEARDOWN(golden)
{
	migrate_close(&self->to);
	end_checks(_metadata);
}

TEST_F(golden, golden)
{
	struct stream stream = { .data = malloc(1 << 22) };
	struct vpm_format_header *header = (void *)stream.data;
	FILE *file = fopen("golden/state.stream", "re");
	struct migrate *to = &self->to;

	ASSERT_NE(NULL, stream.data);
	ASSERT_NE(NULL, file)
	TH_LOG("golden/state.stream: %m");
	stream.size = fread(stream.data, 1, 1 << 22, file);
	fclose(file);

	fill_state(to, 2);
	CHECK_EQ(load_v2(to, &stream, 4096), 0, "golden: %zu bytes of format %u", stream.size,
		 le16toh(header->format));
	CHECK(has_state(to, 1), "golden: are the state that was saved then");
	free(stream.data);
}

TEST_HARNESS_MAIN
