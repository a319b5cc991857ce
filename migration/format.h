/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Format of the migration stream, see Documentation/stream-format.rst. The user-space tools include
 * this file: include only headers that user space has.
 */

#ifndef VFIO_MEDIATE_FORMAT_H
#define VFIO_MEDIATE_FORMAT_H

#include <linux/types.h>

/* Not valid text. A conversion of text corrupts the magic, so the damage is detected. */
#define VPM_FORMAT_MAGIC	"\x89VFM\r\n\x1a\n"
#define VPM_FORMAT_MAGIC_SIZE	8
#define VPM_FORMAT		1
#define VPM_FORMAT_NAME_SIZE	32

/**
 * struct vpm_format_header - Header of a stream
 * @magic:	VPM_FORMAT_MAGIC.
 * @format:	VPM_FORMAT. Determines the layout of everything that follows.
 * @reserved:	0.
 * @version:	Version of the vendor's records.
 * @name:	Name of the vendor's ops, padded with zeros, terminated by at least one zero.
 * @ids:	PCI vendor, device, subsystem vendor and subsystem IDs.
 * @features:	Features that the vendor's records use.
 * @reserved2:	0.
 * @crc:	CRC32C of all preceding members.
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

/* Type of the end record. Smaller types belong to the vendor. */
#define VPM_FORMAT_END		0x8000

/* Type of the record that describes the source device: only as the first record, optional */
#define VPM_FORMAT_DEVICE	0x8001

#define VPM_FORMAT_BARS		6

/**
 * struct vpm_format_device - Payload of the record that describes the source device
 * @bars:	Sizes of the BARs in bytes, or 0.
 * @vectors:	Number of MSI-X vectors, or of MSI vectors of a device without MSI-X.
 * @reserved:	0.
 *
 * New members are added at the end.
 */
struct vpm_format_device {
	__le64 bars[VPM_FORMAT_BARS];
	__le16 vectors;
	__le16 reserved[3];
};

/* A destination that does not know the type of the record may skip the record. */
#define VPM_FORMAT_OPTIONAL	0x0001

/* Largest payload of any vendor's records */
#define VPM_FORMAT_MAX_LENGTH	0x800000

/**
 * struct vpm_format_record - Header of a record
 * @type:	Type of the record.
 * @flags:	VPM_FORMAT_OPTIONAL or 0.
 * @length:	Size of the payload that follows, in bytes, at most VPM_FORMAT_MAX_LENGTH. A
 *		vendor may have a lower limit.
 * @sequence:	Position of the record in the stream, starting at 0.
 * @crc:	CRC32C of all preceding members and of the payload.
 */
struct vpm_format_record {
	__le16 type;
	__le16 flags;
	__le32 length;
	__le32 sequence;
	__le32 crc;
};

#endif /* VFIO_MEDIATE_FORMAT_H */
