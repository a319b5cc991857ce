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

struct vpm_parser;

/**
 * struct vpm_parser_ops - Who takes what a stream has
 * @match:	The header is of a device with other PCI IDs. Does it suit?
 * @header:	The header has come, and suits.
 * @record:	A vendor's record has come. For -EOPNOTSUPP an optional one is
 *		skipped.
 *
 * All return 0 or a negative errno.
 */
struct vpm_parser_ops {
	int (*match)(struct vpm_parser *parser, const u16 ids[4]);
	int (*header)(struct vpm_parser *parser, u32 version, u64 features);
	int (*record)(struct vpm_parser *parser, u16 type, void *data, u32 length,
		      bool optional);
};

/**
 * struct vpm_parser - A stream that is being parsed
 * @ops:	Who takes it.
 * @id:		What it must suit.
 * @buf:	Of VPM_STREAM_BUFFER bytes, for what has come of the current item.
 * @have:	Number of bytes in @buf.
 * @want:	Number of bytes that @buf must have for the next step.
 * @sequence:	Number of records so far.
 * @opened:	The header has come.
 * @ended:	The end record has come. Nothing may follow.
 * @why:	What was wrong, for people.
 */
struct vpm_parser {
	const struct vpm_parser_ops *ops;
	const struct vpm_identity *id;
	void *buf;
	size_t have;
	size_t want;
	u32 sequence;
	bool opened;
	bool ended;
	const char *why;
};

/**
 * vpm_parser_init() - Prepare for a stream
 * @parser:	What to prepare.
 * @ops:	Who takes what the stream has.
 * @id:		What it must suit.
 * @buf:	Of VPM_STREAM_BUFFER bytes.
 */
void vpm_parser_init(struct vpm_parser *parser, const struct vpm_parser_ops *ops,
		     const struct vpm_identity *id, void *buf);

/**
 * vpm_parser_step() - Look at what has come
 * @parser:	Between 0 and want - have bytes more have been put at buf + have, and
 *		have has been raised by as many.
 *
 * To be called until all is parsed, and not again after an error.
 *
 * Return: 0; -EINVAL for what is no stream, is corrupt, or is of another vendor or
 * for another device; -EMSGSIZE for a record that is too long; -EOPNOTSUPP for a
 * format, version, feature or type that is not known; what ops return.
 */
int vpm_parser_step(struct vpm_parser *parser);

#endif /* VFIO_MEDIATE_STREAM_H */
