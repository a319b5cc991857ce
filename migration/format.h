/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device's state as a stream of bytes; Documentation/stream-format.rst says
 * more. Shared with the tools: what it includes is there in user space, too.
 */

#ifndef VFIO_MEDIATE_FORMAT_H
#define VFIO_MEDIATE_FORMAT_H

#include <linux/types.h>

/* Not text, and spoilt by whatever takes it for some. */
#define VPM_FORMAT_MAGIC	"\x89VFM\r\n\x1a\n"
#define VPM_FORMAT_MAGIC_SIZE	8
#define VPM_FORMAT		1
#define VPM_FORMAT_NAME_SIZE	32

/**
 * struct vpm_format_header - How a stream starts
 * @magic:	VPM_FORMAT_MAGIC.
 * @format:	VPM_FORMAT, which decides all that follows.
 * @reserved:	0.
 * @version:	Of the vendor's records.
 * @name:	Of the vendor's ops, with zeros up to its end; at least one.
 * @ids:	PCI vendor, device, subsystem vendor and subsystem.
 * @features:	What the vendor's records make use of.
 * @reserved2:	0.
 * @crc:	CRC32C of all before it.
 */
struct vpm_format_header {
	__u8 magic[VPM_FORMAT_MAGIC_SIZE];
	__le16 format;
	__le16 reserved;
	__le32 version;
	__u8 name[VPM_FORMAT_NAME_SIZE];
	__le16 ids[4];
	__le64 features;
	__le32 reserved2;
	__le32 crc;
};

/* Types below this one are the vendor's own. */
#define VPM_FORMAT_END		0x8000

/* Whoever does not know the type of the record may skip it. */
#define VPM_FORMAT_OPTIONAL	0x0001

#define VPM_FORMAT_MAX_LENGTH	65536

/**
 * struct vpm_format_record - What each record starts with
 * @type:	Of the payload.
 * @flags:	VPM_FORMAT_OPTIONAL.
 * @length:	Bytes of payload that follow, up to VPM_FORMAT_MAX_LENGTH.
 * @sequence:	0 for the first record of the stream, then one more each time.
 * @crc:	CRC32C of all before it, and of the payload.
 */
struct vpm_format_record {
	__le16 type;
	__le16 flags;
	__le32 length;
	__le32 sequence;
	__le32 crc;
};

#endif /* VFIO_MEDIATE_FORMAT_H */
