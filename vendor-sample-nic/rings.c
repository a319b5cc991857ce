// SPDX-License-Identifier: GPL-2.0-only
/* Rings of a VF, as vfio_mediate saves, loads and tracks them. */

#include <linux/array_size.h>
#include <linux/minmax.h>

#include "rings.h"

/*
 * Registers of the first queue pair. A VF has two. igbvf uses one of them. The order of registers
 * is that of the records.
 */
#define VF_RING_BYTES		GENMASK(19, 7)
#define TDWBAL_ENABLE		BIT(0)
#define REG(where, what, ...)	{ (where), VFIO_MEDIATE_ROLE_##what, __VA_ARGS__ }

static const struct vfio_mediate_state_reg rx_regs[] = {
	REG(0x2800, BASE), REG(0x2804, BASE_HIGH),	/* RDBAL, RDBAH */
	REG(0x2808, LENGTH, VF_RING_BYTES),		/* RDLEN */
	REG(0x280c, FORMAT), REG(0x2810, HEAD),		/* SRRCTL, RDH */
	REG(0x2814, PLAIN),				/* RXCTL */
	REG(0x2828, ENABLE, XDCTL_ENABLE),		/* RXDCTL */
	REG(0x2818, TAIL),				/* RDT */
};

static const struct vfio_mediate_state_reg tx_regs[] = {
	REG(0x3800, BASE), REG(0x3804, BASE_HIGH),	/* TDBAL, TDBAH */
	REG(0x3808, LENGTH, VF_RING_BYTES),		/* TDLEN */
	REG(0x3810, HEAD), REG(0x3814, PLAIN),		/* TDH, TXCTL */
	REG(0x3838, WRITEBACK, TDWBAL_ENABLE),		/* TDWBAL */
	REG(0x383c, WRITEBACK_HIGH),			/* TDWBAH */
	REG(0x3828, ENABLE, XDCTL_ENABLE),		/* TXDCTL */
	REG(0x3818, TAIL),				/* TDT */
};

#define SRRCTL_BSIZEHEADER	GENMASK(13, 8)		/* in units of 64 bytes */
#define SRRCTL_DESCTYPE		GENMASK(27, 25)
#define DESCTYPE_LEGACY		0
#define DESCTYPE_ONE		1
#define DEFAULT_BUFFER		2048
#define LEGACY_DD		BIT(0)	/* in byte 12 */

static bool nic_rx_done(const void *data, u32 srrctl)
{
	const union nic_rx_desc *desc = data;

	/* QEMU's model writes back advanced descriptors, whatever the type. */
	if (FIELD_GET(SRRCTL_DESCTYPE, srrctl) == DESCTYPE_LEGACY)
		return le16_to_cpu(desc->wb.length) & LEGACY_DD;

	return le32_to_cpu(desc->wb.status_error) & RXD_DD;
}

/*
 * A 32-bit driver may have refilled half of a descriptor: half of the header address is in the
 * place of the length, and is 0 if there is no header.
 */
static unsigned int nic_rx_buffers(const void *posted, const void *done, u32 srrctl,
				   struct vfio_mediate_buffer *buffer)
{
	u32 type = FIELD_GET(SRRCTL_DESCTYPE, srrctl);
	const union nic_rx_desc *desc = posted, *wb = done;
	u32 kib = FIELD_GET(SRRCTL_BSIZEPACKET, srrctl);

	buffer[0].iova = le64_to_cpu(desc->read.pkt_addr);
	buffer[0].size = kib ? kib * 1024 : DEFAULT_BUFFER;
	if (type == DESCTYPE_ONE && wb && wb->wb.length)
		buffer[0].size = min_t(u32, buffer[0].size, le16_to_cpu(wb->wb.length));
	buffer[1].iova = le64_to_cpu(desc->read.hdr_addr);
	buffer[1].size = FIELD_GET(SRRCTL_BSIZEHEADER, srrctl) * 64;

	/* Types differ in where the header goes: count its buffer as well. */
	return type > DESCTYPE_ONE ? 2 : 1;
}

const struct vfio_mediate_ring nic_rings[NIC_NUM_RINGS] = {
	{
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
		.desc_size = sizeof(union nic_rx_desc),
		.done = nic_rx_done,
		.buffers = nic_rx_buffers,
	}, {
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
		.desc_size = sizeof(struct nic_tx_desc),
	},
};
