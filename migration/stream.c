// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writer and parser of the migration stream format of format.h. The parser's input comes from user
 * space and is untrusted.
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
static_assert(sizeof(struct vpm_format_device) == 56);
static_assert(sizeof(struct vpm_format_header) <= VFIO_MEDIATE_RECORD_MAX);
static_assert(VFIO_MEDIATE_RECORD_LIMIT == VPM_FORMAT_MAX_LENGTH);
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
		header->ids[i] = cpu_to_le16(id->source.ids[i]);
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

size_t vpm_stream_put_device(void *buf, const struct vfio_mediate_source *source)
{
	struct vpm_format_device *device = vpm_stream_payload(buf);
	unsigned int i;

	memset(device, 0, sizeof(*device));
	for (i = 0; i < ARRAY_SIZE(device->bars); i++)
		device->bars[i] = cpu_to_le64(source->bars[i]);
	device->vectors = cpu_to_le16(source->vectors);

	return vpm_stream_put_record(buf, 0, VPM_FORMAT_DEVICE, VPM_FORMAT_OPTIONAL,
				     sizeof(*device));
}

void vpm_parser_init(struct vpm_parser *parser, const struct vpm_identity *id, void *buf)
{
	*parser = (struct vpm_parser) {
		.id = id,
		.buf = buf,
		.want = sizeof(struct vpm_format_header),
	};
}

static int reject(struct vpm_parser *parser, int err, const char *reason)
{
	parser->reason = reason;

	return err;
}

static int check_header(struct vpm_parser *parser, const struct vpm_format_header *header)
{
	const struct vpm_identity *id = parser->id;

	if (memcmp(header->magic, VPM_FORMAT_MAGIC, VPM_FORMAT_MAGIC_SIZE))
		return reject(parser, -EINVAL, "bad magic: not a vfio-mediate stream");
	if (header->format != cpu_to_le16(VPM_FORMAT))
		return reject(parser, -EOPNOTSUPP, "unknown stream format");
	if (le32_to_cpu(header->crc) != header_crc(header))
		return reject(parser, -EINVAL, "corrupt header");
	if (header->reserved || header->reserved2)
		return reject(parser, -EOPNOTSUPP, "unknown header fields");
	if (memcmp(header->name, id->name, VPM_FORMAT_NAME_SIZE))
		return reject(parser, -EINVAL, "saved by another vendor driver");
	if (parser->version < id->min_version)
		return reject(parser, -EOPNOTSUPP, "state version is too old");
	if (parser->version > id->version)
		return reject(parser, -EOPNOTSUPP, "state version is too new");
	if (parser->features & ~id->known)
		return reject(parser, -EOPNOTSUPP, "unknown state features");

	return 0;
}

static int parse_header(struct vpm_parser *parser)
{
	const struct vpm_format_header *header = parser->buf;
	unsigned int i;
	int ret;

	parser->version = le32_to_cpu(header->version);
	parser->features = le64_to_cpu(header->features);
	for (i = 0; i < ARRAY_SIZE(header->ids); i++)
		parser->source.ids[i] = le16_to_cpu(header->ids[i]);
	parser->differs = memcmp(parser->source.ids, parser->id->source.ids,
				 sizeof(parser->source.ids));

	ret = check_header(parser, header);
	if (ret)
		return ret;
	parser->header_done = true;

	return VPM_PARSER_HEADER;
}

/* Newer sources may know more of their device. */
static int parse_device(struct vpm_parser *parser)
{
	const struct vfio_mediate_source *ours = &parser->id->source;
	struct vfio_mediate_source *source = &parser->source;
	const struct vpm_format_device *device = parser->data;
	unsigned int i;

	if (parser->sequence != 1 || parser->length < sizeof(*device))
		return reject(parser, -EINVAL, "invalid record of the device");

	source->sizes = true;
	for (i = 0; i < ARRAY_SIZE(source->bars); i++) {
		source->bars[i] = le64_to_cpu(device->bars[i]);
		parser->differs |= source->bars[i] != ours->bars[i];
	}
	source->vectors = le16_to_cpu(device->vectors);
	parser->differs |= source->vectors != ours->vectors;

	return VPM_PARSER_DEVICE;
}

/* Handle a complete record with a correct checksum. */
static int handle_record(struct vpm_parser *parser)
{
	const struct vpm_format_record *record = parser->buf;

	if (record->flags & ~cpu_to_le16(VPM_FORMAT_OPTIONAL))
		return reject(parser, -EOPNOTSUPP, "unknown record flags");
	if (le32_to_cpu(record->sequence) != parser->sequence)
		return reject(parser, -EINVAL, "records are missing or out of order");
	parser->sequence++;

	if (parser->type == VPM_FORMAT_END) {
		if (parser->length || parser->optional)
			return reject(parser, -EINVAL, "invalid end record");
		parser->ended = true;
		return VPM_PARSER_END;
	}
	if (parser->type < VPM_FORMAT_END)
		return VPM_PARSER_RECORD;
	if (parser->type == VPM_FORMAT_DEVICE)
		return parse_device(parser);

	/* A framework record that this version does not know: skip it if it is optional. */
	return parser->optional ? VPM_PARSER_NEED_MORE :
				  reject(parser, -EOPNOTSUPP, "unknown record type");
}

static int parse_record(struct vpm_parser *parser)
{
	const struct vpm_format_record *record = parser->buf;

	parser->type = le16_to_cpu(record->type);
	parser->length = le32_to_cpu(record->length);
	parser->optional = record->flags & cpu_to_le16(VPM_FORMAT_OPTIONAL);
	parser->in_record = true;
	parser->data = vpm_stream_payload(parser->buf);

	if (parser->length > parser->id->record_max)
		return reject(parser, -EMSGSIZE, "record is too long");
	parser->want = sizeof(*record) + parser->length;
	if (parser->have < parser->want)
		return VPM_PARSER_NEED_MORE;
	if (le32_to_cpu(record->crc) != record_crc(record, parser->length))
		return reject(parser, -EINVAL, "corrupt record");

	return handle_record(parser);
}

int vpm_parser_next(struct vpm_parser *parser)
{
	int ret;

	parser->in_record = false;
	if (parser->ended && parser->have)
		return reject(parser, -EINVAL, "data after the end record");
	if (parser->have < parser->want)
		return VPM_PARSER_NEED_MORE;

	ret = parser->header_done ? parse_record(parser) : parse_header(parser);
	/* The item is complete, not only the start of a longer record: continue with the next. */
	if (ret >= 0 && parser->have >= parser->want) {
		parser->have = 0;
		parser->want = sizeof(struct vpm_format_record);
	}

	return ret;
}
