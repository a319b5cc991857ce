/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writer and parser of the migration stream format of format.h. Independent of devices.
 */

#ifndef VFIO_MEDIATE_STREAM_H
#define VFIO_MEDIATE_STREAM_H

#include <linux/types.h>

#include "format.h"
#include "vfio_mediate_migration.h"

/**
 * struct vpm_identity - Identity and capabilities that a stream must match
 * @name:	Name of the vendor's ops, padded with zeros.
 * @source:	Hardware of the device, as a destination sees it.
 * @version:	Newest state version, which the vendor saves by default.
 * @min_version: Oldest state version that the vendor can load.
 * @features:	Features that the state of the device uses.
 * @known:	All features that the vendor can load.
 * @record_max:	Largest payload of a record in bytes, at least VFIO_MEDIATE_RECORD_MAX.
 */
struct vpm_identity {
	char name[VPM_FORMAT_NAME_SIZE];
	struct vfio_mediate_source source;
	u32 version;
	u32 min_version;
	u64 features;
	u64 known;
	u32 record_max;
};

/**
 * vpm_stream_buffer_size() - Size of a buffer that can hold any record, or the header
 * @id:		Identity of the device.
 *
 * Context: Any.
 * Return: Size in bytes.
 */
static inline size_t vpm_stream_buffer_size(const struct vpm_identity *id)
{
	return sizeof(struct vpm_format_record) + id->record_max;
}

/**
 * vpm_stream_put_header() - Write the header of a stream
 * @buf:	Destination, vpm_stream_buffer_size() bytes.
 * @id:		Identity of the device.
 *
 * Context: Any.
 * Return: Number of bytes written.
 */
size_t vpm_stream_put_header(void *buf, const struct vpm_identity *id);

/**
 * vpm_stream_payload() - Locate the payload of a record
 * @buf:	The record, at the start of a buffer of vpm_stream_buffer_size() bytes.
 *
 * Context: Any.
 * Return: Address of the payload, with room for &vpm_identity.record_max bytes.
 */
static inline void *vpm_stream_payload(void *buf)
{
	return buf + sizeof(struct vpm_format_record);
}

/**
 * vpm_stream_put_record() - Complete a record around its payload
 * @buf:	Destination. The payload is already at vpm_stream_payload().
 * @sequence:	Number of preceding records in the stream.
 * @type:	Type of the record.
 * @flags:	Flags of the record.
 * @length:	Size of the payload in bytes, at most &vpm_identity.record_max.
 *
 * Context: Any.
 * Return: Size of the whole record in bytes.
 */
size_t vpm_stream_put_record(void *buf, u32 sequence, u16 type, u16 flags,
			     u32 length);

/**
 * vpm_stream_put_device() - Write the record that describes the source device
 * @buf:	Destination, vpm_stream_buffer_size() bytes.
 * @source:	The device.
 *
 * The record must be the first.
 *
 * Context: Any.
 * Return: Number of bytes written.
 */
size_t vpm_stream_put_device(void *buf, const struct vfio_mediate_source *source);

/**
 * enum vpm_parser_event - Event that vpm_parser_next() reports
 * @VPM_PARSER_NEED_MORE: The parser needs more bytes.
 * @VPM_PARSER_HEADER:	The header is complete. &vpm_parser.version to &vpm_parser.differs are
 *			valid. Of &vpm_parser.source, only the IDs are.
 * @VPM_PARSER_DEVICE:	The source device is known. The rest of &vpm_parser.source is valid.
 *			&vpm_parser.differs may have changed.
 * @VPM_PARSER_RECORD:	A vendor record is complete. &vpm_parser.type to &vpm_parser.data are
 *			valid.
 * @VPM_PARSER_END:	The stream is complete. Reported once.
 */
enum vpm_parser_event {
	VPM_PARSER_NEED_MORE,
	VPM_PARSER_HEADER,
	VPM_PARSER_DEVICE,
	VPM_PARSER_RECORD,
	VPM_PARSER_END,
};

/**
 * struct vpm_parser - State of a parser
 * @id:		Identity that the stream must match.
 * @buf:	Bytes of the current header or record, vpm_stream_buffer_size() bytes.
 * @have:	Number of bytes in @buf.
 * @want:	Number of bytes in @buf that the next event needs.
 * @header_done: The header was parsed.
 * @ended:	The end record was parsed. No byte may follow.
 * @sequence:	Number of records so far.
 * @reason:	Error text for the log.
 * @in_record:	An error is one of the record whose @type and @length follow.
 * @version:	Header: version of the state.
 * @features:	Header: features that the state uses.
 * @source:	Header: the source device.
 * @differs:	Header: what is known of @source differs from that of @id. The vendor decides
 *		whether they match.
 * @type:	Record: type.
 * @length:	Record: size of the payload in bytes.
 * @optional:	Record: the destination may ignore an unknown type.
 * @data:	Record: the payload, in @buf.
 */
struct vpm_parser {
	const struct vpm_identity *id;
	void *buf;
	size_t have;
	size_t want;
	bool header_done;
	bool ended;
	u32 sequence;
	const char *reason;
	bool in_record;

	u32 version;
	u64 features;
	struct vfio_mediate_source source;
	bool differs;

	u16 type;
	u32 length;
	bool optional;
	void *data;
};

/**
 * vpm_parser_init() - Initialize a parser
 * @parser:	The parser.
 * @id:		Identity that the stream must match.
 * @buf:	Buffer of vpm_stream_buffer_size() bytes.
 *
 * Context: Any.
 */
void vpm_parser_init(struct vpm_parser *parser, const struct vpm_identity *id, void *buf);

/**
 * vpm_parser_next() - Parse the bytes that were added to the buffer
 * @parser:	The parser.
 *
 * Before the call, append up to &vpm_parser.want - &vpm_parser.have bytes at &vpm_parser.buf +
 * &vpm_parser.have, and add their number to &vpm_parser.have. Call this after each such step. Do
 * not call it again after an error. The data of an event is valid until bytes are added.
 *
 * Context: Any. The caller serializes calls.
 * Return:
 * * An &enum vpm_parser_event.
 * * %-EINVAL: Not a migration stream, a corrupt stream, or a stream of another vendor.
 * * %-EMSGSIZE: A record is too long.
 * * %-EOPNOTSUPP: Unknown format, version, feature, flag or record type.
 */
int vpm_parser_next(struct vpm_parser *parser);

#endif /* VFIO_MEDIATE_STREAM_H */
