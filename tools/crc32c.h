/* SPDX-License-Identifier: GPL-2.0-only */
/* CRC32C of RFC 3720, without the inversion of the initial and final value. */

#ifndef CRC32C_H
#define CRC32C_H

#include <stddef.h>

#include <linux/types.h>

static inline __u32 crc32c(__u32 crc, const void *data, size_t size)
{
	const __u8 *byte;
	int bit;

	for (byte = data; size--; byte++) {
		crc ^= *byte;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}

	return crc;
}

#endif /* CRC32C_H */
