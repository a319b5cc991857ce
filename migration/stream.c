// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing and parsing the format of format.h. What is parsed comes from user
 * space: nothing of it is believed before it was checked.
 */

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "compat.h"
#include "stream.h"
#include "vfio_mediate.h"

static_assert(sizeof(struct vpm_format_header) == 72);
static_assert(sizeof(struct vpm_format_record) == 16);
static_assert(sizeof(struct vpm_format_header) <= VPM_STREAM_BUFFER);
static_assert(VFIO_MEDIATE_RECORD_MAX == VPM_FORMAT_MAX_LENGTH);
static_assert(VFIO_MEDIATE_RECORD_TYPES == VPM_FORMAT_END);

static u32 header_crc(const struct vpm_format_header *header)
{
	return ~compat_crc32c(~0, header, offsetof(typeof(*header), crc));
}

static u32 record_crc(const struct vpm_format_record *record, u32 length)
{
	u32 crc = compat_crc32c(~0, record, offsetof(typeof(*record), crc));

	return ~compat_crc32c(crc, record + 1, length);
}

size_t vpm_stream_put_header(void *buf, const struct vpm_identity *id)
{
	struct vpm_format_header *header = buf;
	unsigned int i;

	memset(header, 0, sizeof(*header));
	memcpy(header->magic, VPM_FORMAT_MAGIC, VPM_FORMAT_MAGIC_SIZE);
	header->format = cpu_to_le16(VPM_FORMAT);
	header->version = cpu_to_le32(id->version);
	memcpy(header->name, id->name, VPM_FORMAT_NAME_SIZE);
	for (i = 0; i < ARRAY_SIZE(header->ids); i++)
		header->ids[i] = cpu_to_le16(id->ids[i]);
	header->features = cpu_to_le64(id->features);
	header->crc = cpu_to_le32(header_crc(header));

	return sizeof(*header);
}

size_t vpm_stream_put_record(void *buf, u32 sequence, u16 type, u16 flags,
			     u32 length)
{
	struct vpm_format_record *record = buf;

	record->type = cpu_to_le16(type);
	record->flags = cpu_to_le16(flags);
	record->length = cpu_to_le32(length);
	record->sequence = cpu_to_le32(sequence);
	record->crc = cpu_to_le32(record_crc(record, length));

	return sizeof(*record) + length;
}

void vpm_parser_init(struct vpm_parser *parser, const struct vpm_parser_ops *ops,
		     const struct vpm_identity *id, void *buf)
{
	*parser = (struct vpm_parser) {
		.ops = ops,
		.id = id,
		.buf = buf,
		.want = sizeof(struct vpm_format_header),
	};
}

static int refuse(struct vpm_parser *parser, int err, const char *why)
{
	parser->why = why;

	return err;
}

/* 0 when the device can have the state of one with the header's PCI IDs. */
static int match_ids(struct vpm_parser *parser, const struct vpm_format_header *header)
{
	u16 ids[ARRAY_SIZE(header->ids)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = le16_to_cpu(header->ids[i]);

	return memcmp(ids, parser->id->ids, sizeof(ids)) ?
		parser->ops->match(parser, ids) : 0;
}

static int parse_header(struct vpm_parser *parser)
{
	const struct vpm_format_header *header = parser->buf;
	const struct vpm_identity *id = parser->id;
	u32 version = le32_to_cpu(header->version);
	u64 features = le64_to_cpu(header->features);
	int ret;

	if (memcmp(header->magic, VPM_FORMAT_MAGIC, VPM_FORMAT_MAGIC_SIZE))
		return refuse(parser, -EINVAL, "it is none of ours");
	if (header->format != cpu_to_le16(VPM_FORMAT))
		return refuse(parser, -EOPNOTSUPP, "its format is not known");
	if (le32_to_cpu(header->crc) != header_crc(header))
		return refuse(parser, -EINVAL, "its header is corrupt");
	if (header->reserved || header->reserved2)
		return refuse(parser, -EOPNOTSUPP, "its header has more than is known");
	if (memcmp(header->name, id->name, VPM_FORMAT_NAME_SIZE))
		return refuse(parser, -EINVAL, "it is another vendor's");
	ret = match_ids(parser, header);
	if (ret)
		return refuse(parser, ret, "it is another device's");
	if (version < id->min_version)
		return refuse(parser, -EOPNOTSUPP, "its version is too old");
	if (version > id->version)
		return refuse(parser, -EOPNOTSUPP, "its version is too new");
	if (features & ~id->known)
		return refuse(parser, -EOPNOTSUPP, "it has features that are not known");

	parser->opened = true;
	parser->want = sizeof(struct vpm_format_record);

	return parser->ops->header(parser, version, features);
}

/* A whole record, whose checksum is right. */
static int take_record(struct vpm_parser *parser, u32 length)
{
	const struct vpm_format_record *record = parser->buf;
	bool optional = record->flags & cpu_to_le16(VPM_FORMAT_OPTIONAL);
	u16 type = le16_to_cpu(record->type);
	int ret;

	if (record->flags & ~cpu_to_le16(VPM_FORMAT_OPTIONAL))
		return refuse(parser, -EOPNOTSUPP, "a record's flags are not known");
	if (le32_to_cpu(record->sequence) != parser->sequence)
		return refuse(parser, -EINVAL, "records are missing or out of order");
	parser->sequence++;

	if (type == VPM_FORMAT_END) {
		if (length || optional)
			return refuse(parser, -EINVAL, "its end makes no sense");
		parser->ended = true;
		return 0;
	}

	if (type < VPM_FORMAT_END)
		ret = parser->ops->record(parser, type, vpm_stream_payload(parser->buf),
					  length, optional);
	else
		ret = -EOPNOTSUPP;
	if (ret == -EOPNOTSUPP && optional)
		return 0;
	if (ret == -EOPNOTSUPP)
		return refuse(parser, ret, "a record's type is not known");

	return ret;
}

static int parse_record(struct vpm_parser *parser)
{
	const struct vpm_format_record *record = parser->buf;
	u32 length = le32_to_cpu(record->length);

	if (length > VPM_FORMAT_MAX_LENGTH)
		return refuse(parser, -EMSGSIZE, "a record is too long");

	parser->want = sizeof(*record) + length;
	if (parser->have < parser->want)
		return 0;
	if (le32_to_cpu(record->crc) != record_crc(record, length))
		return refuse(parser, -EINVAL, "a record is corrupt");

	parser->want = sizeof(*record);

	return take_record(parser, length);
}

int vpm_parser_step(struct vpm_parser *parser)
{
	int ret;

	if (parser->ended && parser->have)
		return refuse(parser, -EINVAL, "something follows its end");
	if (parser->have < parser->want)
		return 0;

	if (!parser->opened)
		ret = parse_header(parser);
	else
		ret = parse_record(parser);
	/* What is not the start of a longer one is done with. */
	if (!ret && parser->have >= parser->want)
		parser->have = 0;

	return ret;
}
