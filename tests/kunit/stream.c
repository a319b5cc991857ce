// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of migration/stream.c: what is written can be parsed, and nothing
 * else can.
 */

#include <kunit/test.h>
#include <linux/slab.h>

#include "../../migration/stream.c"

#define MAX_RECORDS	8
#define MAX_STREAM	512

static const struct vpm_identity identity = {
	.name = "fake",
	.source.ids = { 0x8086, 0x10ca, 0x1af4, 0x1100 },
	.version = 5,
	.min_version = 3,
	.features = 0x10,
	.known = 0x31,
	.record_max = VFIO_MEDIATE_RECORD_MAX,
};

/* What the parser has found. */
static struct {
	unsigned int headers;
	u32 version;
	u64 features;
	unsigned int records;
	u16 type[MAX_RECORDS];
	u32 length[MAX_RECORDS];
	u8 data[MAX_RECORDS][64];
	unsigned int ends;
	/* What the vendor returns for a record of this type */
	u16 odd;
	int error;
	/* The first of the other PCI IDs that match */
	u16 matches;
} got;

static int got_header(const struct vpm_parser *parser)
{
	if (parser->differs && (!got.matches || parser->source.ids[0] != got.matches))
		return -EINVAL;
	got.headers++;
	got.version = parser->version;
	got.features = parser->features;

	return 0;
}

static int got_record(const struct vpm_parser *parser)
{
	if (got.error && parser->type == got.odd)
		return got.error == -EOPNOTSUPP && parser->optional ? 0 : got.error;
	if (got.records == MAX_RECORDS)
		return -ENOSPC;

	got.type[got.records] = parser->type;
	got.length[got.records] = parser->length;
	memcpy(got.data[got.records], parser->data, min(parser->length, 64));
	got.records++;

	return 0;
}

static int next(struct vpm_parser *parser)
{
	int ret = vpm_parser_next(parser);

	if (ret == VPM_PARSER_HEADER)
		return got_header(parser);
	if (ret == VPM_PARSER_RECORD)
		return got_record(parser);
	if (ret == VPM_PARSER_END)
		got.ends++;

	return min(ret, 0);
}

struct stream_test {
	void *buf;	/* of the parser or of the writer */
	void *payload;
	u8 *stream;
	size_t size;
	u32 sequence;
	struct vpm_parser parser;
};

/* Parses so many bytes, in parts; 0 or the first error. */
static int parse_bytes(struct stream_test *t, const u8 *from, size_t size,
		       size_t part)
{
	struct vpm_parser *parser = &t->parser;
	size_t now;
	int ret;

	while (size) {
		now = min3(size, part, parser->want - parser->have);
		memcpy(parser->buf + parser->have, from, now);
		parser->have += now;
		from += now;
		size -= now;
		ret = next(parser);
		if (ret)
			return ret;
	}

	return 0;
}

static int parse_all(struct stream_test *t, const void *from, size_t size,
		     size_t part)
{
	u16 odd = got.odd, matches = got.matches;
	int error = got.error;

	memset(&got, 0, sizeof(got));
	got.matches = matches;
	got.odd = odd;
	got.error = error;
	vpm_parser_init(&t->parser, &identity, t->buf);

	return parse_bytes(t, from, size, part);
}

static void put_header(struct stream_test *t, const struct vpm_identity *id)
{
	t->sequence = 0;
	t->size = vpm_stream_put_header(t->buf, id);
	memcpy(t->stream, t->buf, t->size);
}

static void put_record(struct stream_test *t, u16 type, u16 flags,
		       const void *data, u32 length)
{
	size_t size;

	memcpy(vpm_stream_payload(t->buf), data, length);
	size = vpm_stream_put_record(t->buf, t->sequence++, type, flags, length);
	memcpy(t->stream + t->size, t->buf, size);
	t->size += size;
}

/* Three records of the vendor's, one of them empty and one optional. */
static void put_stream(struct stream_test *t)
{
	put_header(t, &identity);
	put_record(t, 7, 0, "one", 3);
	put_record(t, 0x7fff, 0, NULL, 0);
	put_record(t, 9, VPM_FORMAT_OPTIONAL, "three", 5);
	put_record(t, VPM_FORMAT_END, 0, NULL, 0);
}

static void expect_records(struct kunit *test, unsigned int count)
{
	static const char * const data[] = { "one", "", "three" };
	static const u16 types[] = { 7, 0x7fff, 9 };
	unsigned int i;

	KUNIT_ASSERT_EQ(test, got.records, count);
	for (i = 0; i < count; i++) {
		KUNIT_EXPECT_EQ(test, got.type[i], types[i]);
		KUNIT_ASSERT_EQ(test, got.length[i], strlen(data[i]));
		KUNIT_EXPECT_MEMEQ(test, got.data[i], data[i], got.length[i]);
	}
}

static int stream_init(struct kunit *test)
{
	struct stream_test *t;

	memset(&got, 0, sizeof(got));
	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->buf = kunit_kzalloc(test, vpm_stream_buffer_size(&identity), GFP_KERNEL);
	t->stream = kunit_kzalloc(test, MAX_STREAM + vpm_stream_buffer_size(&identity), GFP_KERNEL);
	if (!t->buf || !t->stream)
		return -ENOMEM;
	put_stream(t);

	return 0;
}

/* The bytes themselves: these and no others have been version 1 from the start. */
static void test_layout(struct kunit *test)
{
	static const u8 want[] = {
		0x89, 'V', 'F', 'M', '\r', '\n', 0x1a, '\n',
		1, 0, 0, 0, 5, 0, 0, 0,
		'f', 'a', 'k', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x86, 0x80, 0xca, 0x10, 0xf4, 0x1a, 0x00, 0x11,
		0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const u8 record[] = { 7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0 };
	struct stream_test *t = test->priv;

	KUNIT_EXPECT_MEMEQ(test, t->stream, want, sizeof(want));
	KUNIT_EXPECT_MEMEQ(test, t->stream + 72, record, sizeof(record));
	KUNIT_EXPECT_MEMEQ(test, t->stream + 88, "one", 3);
	/* The check value of CRC-32C */
	KUNIT_EXPECT_EQ(test, (u32)~compat_crc32c(~0, "123456789", 9), 0xe3069283);
}

static void test_round_trip(struct kunit *test)
{
	struct stream_test *t = test->priv;
	size_t part;

	for (part = 1; part <= t->size; part++) {
		KUNIT_ASSERT_EQ(test, 0, parse_all(t, t->stream, t->size, part));
		KUNIT_EXPECT_TRUE(test, t->parser.ended);
		KUNIT_EXPECT_EQ(test, got.headers, 1);
		KUNIT_EXPECT_EQ(test, got.version, 5);
		KUNIT_EXPECT_EQ(test, got.features, 0x10);
		expect_records(test, 3);
	}
}

/* As long as can be, and then some. */
static void test_length(struct kunit *test)
{
	struct stream_test *t = test->priv;
	struct vpm_format_record *record;
	u8 *big;

	big = kunit_kmalloc(test, identity.record_max, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, big);
	memset(big, 0x5a, identity.record_max);

	put_header(t, &identity);
	put_record(t, 1, 0, big, identity.record_max);
	KUNIT_EXPECT_EQ(test, 0, parse_all(t, t->stream, t->size, SIZE_MAX));
	KUNIT_EXPECT_EQ(test, got.length[0], identity.record_max);

	/* Refused as soon as its length has come. */
	record = (void *)t->stream + sizeof(struct vpm_format_header);
	record->length = cpu_to_le32(identity.record_max + 1);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE,
			parse_all(t, t->stream, sizeof(struct vpm_format_header) +
				  sizeof(*record), SIZE_MAX));
	record->length = cpu_to_le32(U32_MAX);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE,
			parse_all(t, t->stream, sizeof(struct vpm_format_header) +
				  sizeof(*record), SIZE_MAX));
}

static void test_truncated(struct kunit *test)
{
	struct stream_test *t = test->priv;
	size_t size;

	for (size = 0; size < t->size; size++) {
		KUNIT_EXPECT_EQ(test, 0, parse_all(t, t->stream, size, SIZE_MAX));
		KUNIT_EXPECT_FALSE(test, t->parser.ended);
	}
}

/* Each is refused, and what was handed over before it is right. */
static void test_bit_flips(struct kunit *test)
{
	struct stream_test *t = test->priv;
	size_t bit;
	int ret;

	for (bit = 0; bit < t->size * 8; bit++) {
		t->stream[bit / 8] ^= BIT(bit % 8);
		ret = parse_all(t, t->stream, t->size, SIZE_MAX);
		t->stream[bit / 8] ^= BIT(bit % 8);
		KUNIT_EXPECT_TRUE_MSG(test, ret || !t->parser.ended, "bit %zu", bit);
		KUNIT_ASSERT_LE(test, got.records, 3);
		expect_records(test, got.records);
	}
}

/* A stream where bytes were lost, doubled, or swapped at any place. */
static void test_order(struct kunit *test)
{
	struct stream_test *t = test->priv;
	u8 *whole = kunit_kmalloc(test, t->size, GFP_KERNEL);
	size_t at, size = t->size;

	KUNIT_ASSERT_NOT_NULL(test, whole);
	memcpy(whole, t->stream, size);
	for (at = 0; at < size; at++) {
		memcpy(t->stream, whole, at);
		memcpy(t->stream + at, whole + at + 1, size - at - 1);
		KUNIT_EXPECT_TRUE(test,
				  parse_all(t, t->stream, size - 1, SIZE_MAX) ||
				  !t->parser.ended);

		memcpy(t->stream + at, whole + at, 1);
		memcpy(t->stream + at + 1, whole + at, size - at);
		KUNIT_EXPECT_TRUE(test,
				  parse_all(t, t->stream, size + 1, SIZE_MAX) ||
				  !t->parser.ended);
	}

	/* A record by itself is right, but is not the next one. */
	put_header(t, &identity);
	put_record(t, 1, 0, NULL, 0);
	t->sequence = 2;
	put_record(t, VPM_FORMAT_END, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));

	/* Nothing comes after the end. */
	put_stream(t);
	put_record(t, 1, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, size + 1, SIZE_MAX));
}

static int parse_header_of(struct stream_test *t, const struct vpm_identity *id)
{
	put_header(t, id);

	return parse_all(t, t->stream, t->size, SIZE_MAX);
}

static void test_identity(struct kunit *test)
{
	struct stream_test *t = test->priv;
	struct vpm_identity id;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		id = identity;
		id.version = i;
		KUNIT_EXPECT_EQ(test, i < 3 || i > 5 ? -EOPNOTSUPP : 0,
				parse_header_of(t, &id));
	}
	for (i = 0; i < 64; i++) {
		id = identity;
		id.features = BIT_ULL(i);
		KUNIT_EXPECT_EQ(test, identity.known & id.features ? 0 : -EOPNOTSUPP,
				parse_header_of(t, &id));
	}
	for (i = 0; i < ARRAY_SIZE(id.source.ids); i++) {
		id = identity;
		id.source.ids[i]++;
		KUNIT_EXPECT_EQ(test, -EINVAL, parse_header_of(t, &id));
	}
	for (i = 0; i < sizeof(id.name); i++) {
		id = identity;
		id.name[i]++;
		KUNIT_EXPECT_EQ(test, -EINVAL, parse_header_of(t, &id));
	}
	KUNIT_EXPECT_EQ(test, got.headers, 0);

	/* Another device's that the vendor takes, which alone makes it no better. */
	id = identity;
	id.source.ids[0] = 0x1234;
	got.matches = 0x1234;
	KUNIT_EXPECT_EQ(test, 0, parse_header_of(t, &id));
	KUNIT_EXPECT_EQ(test, got.headers, 1);
	id.version = 6;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, parse_header_of(t, &id));
	KUNIT_EXPECT_EQ(test, got.headers, 0);
}

/* Headers of the future, with a checksum that is right. */
static void test_unknown_header(struct kunit *test)
{
	struct stream_test *t = test->priv;
	struct vpm_format_header *header = (void *)t->stream;

	header->reserved = cpu_to_le16(1);
	header->crc = cpu_to_le32(header_crc(header));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));
	put_stream(t);
	header->reserved2 = cpu_to_le32(0x80000000);
	header->crc = cpu_to_le32(header_crc(header));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));
	put_stream(t);
	header->format = cpu_to_le16(2);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));
	put_stream(t);
	memcpy(header->magic, "QEVM", 4);
	header->crc = cpu_to_le32(header_crc(header));
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));
}

/* The record of the device is the first, and may grow. */
static void test_device_record(struct kunit *test)
{
	struct stream_test *t = test->priv;
	u8 device[64] = {};
	u32 length;

	for (length = 55; length <= 64; length++) {
		put_header(t, &identity);
		put_record(t, VPM_FORMAT_DEVICE, VPM_FORMAT_OPTIONAL, device, length);
		KUNIT_EXPECT_EQ(test, length < 56 ? -EINVAL : 0,
				parse_all(t, t->stream, t->size, SIZE_MAX));
	}
	KUNIT_EXPECT_FALSE(test, t->parser.differs);
	KUNIT_EXPECT_TRUE(test, t->parser.source.sizes);

	put_record(t, VPM_FORMAT_DEVICE, VPM_FORMAT_OPTIONAL, device, 56);
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));
	device[8] = 1;
	put_header(t, &identity);
	put_record(t, VPM_FORMAT_DEVICE, VPM_FORMAT_OPTIONAL, device, 56);
	KUNIT_EXPECT_EQ(test, 0, parse_all(t, t->stream, t->size, SIZE_MAX));
	KUNIT_EXPECT_TRUE(test, t->parser.differs);
	KUNIT_EXPECT_EQ(test, t->parser.source.bars[1], 1);
}

/* Records that are not known, by us or by the vendor. */
static void test_unknown_record(struct kunit *test)
{
	struct stream_test *t = test->priv;

	put_header(t, &identity);
	put_record(t, 0x8002, VPM_FORMAT_OPTIONAL, "skip me", 7);
	put_record(t, 0xffff, VPM_FORMAT_OPTIONAL, NULL, 0);
	KUNIT_EXPECT_EQ(test, 0, parse_all(t, t->stream, t->size, SIZE_MAX));
	KUNIT_EXPECT_EQ(test, got.records, 0);
	put_record(t, 0x8002, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));

	put_header(t, &identity);
	put_record(t, 1, 2, NULL, 0);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));
	put_header(t, &identity);
	put_record(t, VPM_FORMAT_END, 0, "x", 1);
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));
	put_header(t, &identity);
	put_record(t, VPM_FORMAT_END, VPM_FORMAT_OPTIONAL, NULL, 0);
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));

	/* The vendor does not know its optional one. */
	put_stream(t);
	got.odd = 9;
	got.error = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, 0, parse_all(t, t->stream, t->size, SIZE_MAX));
	KUNIT_EXPECT_TRUE(test, t->parser.ended);
	expect_records(test, 2);
	got.error = -EINVAL;
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_all(t, t->stream, t->size, SIZE_MAX));
	got.odd = 7;
	got.error = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			parse_all(t, t->stream, t->size, SIZE_MAX));
}

static struct kunit_case stream_cases[] = {
	KUNIT_CASE(test_layout),
	KUNIT_CASE(test_round_trip),
	KUNIT_CASE(test_length),
	KUNIT_CASE(test_truncated),
	KUNIT_CASE(test_bit_flips),
	KUNIT_CASE(test_order),
	KUNIT_CASE(test_identity),
	KUNIT_CASE(test_unknown_header),
	KUNIT_CASE(test_device_record),
	KUNIT_CASE(test_unknown_record),
	{ }
};

static struct kunit_suite stream_suite = {
	.name = "stream",
	.init = stream_init,
	.test_cases = stream_cases,
};

kunit_test_suite(stream_suite);
