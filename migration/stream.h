/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing and parsing the format of format.h. Knows of no device.
 */

#ifndef VFIO_MEDIATE_STREAM_H
#define VFIO_MEDIATE_STREAM_H

#include <linux/types.h>

#include "format.h"

/* Room for any record */
#define VPM_STREAM_BUFFER	(sizeof(struct vpm_format_record) + VPM_FORMAT_MAX_LENGTH)

/**
 * struct vpm_identity - What a stream must suit
 * @name:	Of the vendor's ops, with zeros up to its end.
 * @ids:	PCI vendor, device, subsystem vendor and subsystem.
 * @version:	What the vendor saves.
 * @min_version: The oldest that it loads.
 * @features:	What the device's state makes use of.
 * @known:	All features that the vendor knows.
 */
struct vpm_identity {
	char name[VPM_FORMAT_NAME_SIZE];
	u16 ids[4];
	u32 version;
	u32 min_version;
	u64 features;
	u64 known;
};

/**
 * vpm_stream_put_header() - Write the header of a stream
 * @buf:	Where to, with room for VPM_STREAM_BUFFER.
 * @id:		Whose stream it is.
 *
 * Return: Bytes written.
 */
size_t vpm_stream_put_header(void *buf, const struct vpm_identity *id);

/**
 * vpm_stream_payload() - Where the payload of a record is
 * @buf:	The record.
 *
 * Return: The place, with room for VPM_FORMAT_MAX_LENGTH in a buffer of
 * VPM_STREAM_BUFFER.
 */
static inline void *vpm_stream_payload(void *buf)
{
	return buf + sizeof(struct vpm_format_record);
}

/**
 * vpm_stream_put_record() - Write a record around its payload
 * @buf:	Where to. The payload is where vpm_stream_payload() says.
 * @sequence:	Number of records before it.
 * @type:	Its type.
 * @flags:	Its flags.
 * @length:	Bytes of payload, at most VPM_FORMAT_MAX_LENGTH.
 *
 * Return: Bytes of the whole record.
 */
size_t vpm_stream_put_record(void *buf, u32 sequence, u16 type, u16 flags,
			     u32 length);

/**
 * enum vpm_parser_event - What vpm_parser_next() has found
 * @VPM_PARSER_NEED_MORE: More bytes are needed.
 * @VPM_PARSER_HEADER:	The header, see &vpm_parser.version and the members that follow.
 * @VPM_PARSER_RECORD:	A vendor's record, see &vpm_parser.type and the members that follow.
 * @VPM_PARSER_END:	The end of the stream, which comes once.
 */
enum vpm_parser_event {
	VPM_PARSER_NEED_MORE,
	VPM_PARSER_HEADER,
	VPM_PARSER_RECORD,
	VPM_PARSER_END,
};

/**
 * struct vpm_parser - A stream that is being parsed
 * @id:		What the stream must suit.
 * @buf:	Of VPM_STREAM_BUFFER bytes, for what has come of the current item.
 * @have:	Number of bytes in @buf.
 * @want:	Number of bytes that @buf must have for the next event.
 * @opened:	The header has come.
 * @ended:	The end record has come. Nothing may follow.
 * @sequence:	Number of records so far.
 * @why:	What was wrong, for people.
 * @version:	Of the header.
 * @features:	Likewise.
 * @ids:	Likewise.
 * @foreign:	@ids are not those of @id. Whether they suit is for the vendor to say.
 * @type:	Of the record.
 * @length:	Likewise.
 * @optional:	Likewise.
 * @data:	Likewise: the payload, in @buf.
 */
struct vpm_parser {
	const struct vpm_identity *id;
	void *buf;
	size_t have;
	size_t want;
	bool opened;
	bool ended;
	u32 sequence;
	const char *why;

	u32 version;
	u64 features;
	u16 ids[4];
	bool foreign;

	u16 type;
	u32 length;
	bool optional;
	void *data;
};

/**
 * vpm_parser_init() - Prepare for a stream
 * @parser:	What to prepare.
 * @id:		What the stream must suit.
 * @buf:	Of VPM_STREAM_BUFFER bytes.
 */
void vpm_parser_init(struct vpm_parser *parser, const struct vpm_identity *id, void *buf);

/**
 * vpm_parser_next() - Look at what has come
 * @parser:	Between 0 and want - have bytes more have been put at buf + have, and
 *		have has been raised by as many.
 *
 * To be called whenever bytes were added, and not again after an error. What an event points to
 * is there until more bytes are put into buf.
 *
 * Return: &enum vpm_parser_event or a negative errno:
 * -EINVAL: not a stream, corrupt, or of another vendor.
 * -EMSGSIZE: a record is too long.
 * -EOPNOTSUPP: unknown format, version, feature, or type of record.
 */
int vpm_parser_next(struct vpm_parser *parser);

#endif /* VFIO_MEDIATE_STREAM_H */
