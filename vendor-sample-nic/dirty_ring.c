// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors in a guest's memory, and what a VF writes there.
 *
 * Which buffers a VF has is read from the receive ring when its tail moves, and before
 * the device sees that: once it has given a descriptor back, the address is gone. That
 * it has given one back is seen in the ring, or from its driver's using it again. All
 * that is called here is called one at a time.
 */

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "dirty_ring.h"
#include "vfio_mediate.h"

#define DESC_SIZE		sizeof(union nic_rx_desc)
#define SRRCTL_BSIZEHEADER	GENMASK(13, 8)		/* 64 bytes */
#define SRRCTL_DESCTYPE		GENMASK(27, 25)
#define DESCTYPE_LEGACY		0
#define DESCTYPE_ONE		1
#define DEFAULT_BUFFER		2048
#define LEGACY_DD		BIT(0)	/* of byte 12 */
#define TDWB_ENABLE		BIT(0)

static u32 nic_next(const struct nic_dirty_ring *ring, u32 i)
{
	return i + 1 == ring->count ? 0 : i + 1;
}

static u32 nic_distance(const struct nic_dirty_ring *ring, u32 from, u32 to)
{
	return to >= from ? to - from : to + ring->count - from;
}

/* Descriptors from one to before another have been written. */
static void nic_mark_descs(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring,
			   u32 from, u32 to)
{
	if (to < from) {
		vfio_mediate_mark(dev, ring->base + from * DESC_SIZE,
				  (ring->count - from) * DESC_SIZE);
		from = 0;
	}
	vfio_mediate_mark(dev, ring->base + from * DESC_SIZE, (to - from) * DESC_SIZE);
}

static u32 nic_desctype(const struct nic_dirty_ring *ring)
{
	return FIELD_GET(SRRCTL_DESCTYPE, ring->srrctl);
}

/* A buffer has been written, or its first bytes. */
static void nic_mark_buffers(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring,
			     u32 i, u32 length)
{
	u32 kib = FIELD_GET(SRRCTL_BSIZEPACKET, ring->srrctl);
	u32 size = kib ? kib * 1024 : DEFAULT_BUFFER;

	vfio_mediate_mark(dev, ring->posted[i].pkt, min(size, length));
	/* How a header is split is written in one way by all, read in many. */
	if (nic_desctype(ring) > DESCTYPE_ONE)
		vfio_mediate_mark(dev, ring->posted[i].hdr,
				  FIELD_GET(SRRCTL_BSIZEHEADER, ring->srrctl) * 64);
}

static bool nic_desc_done(const struct nic_dirty_ring *ring, const union nic_rx_desc *desc)
{
	/* QEMU's model writes advanced ones, whatever it is told. */
	if (nic_desctype(ring) == DESCTYPE_LEGACY)
		return le16_to_cpu(desc->wb.length) & LEGACY_DD;

	return le32_to_cpu(desc->wb.status_error) & RXD_DD;
}

/*
 * Bytes in the buffer of one that is back. A driver of 32 bits may have prepared half of it for
 * new use: the half of a header's address that is where the length was, which is 0 when there
 * is no header.
 */
static u32 nic_rx_length(const struct nic_dirty_ring *ring, const union nic_rx_desc *desc)
{
	u32 length = le16_to_cpu(desc->wb.length);

	return nic_desctype(ring) == DESCTYPE_ONE && length ? length : U32_MAX;
}

/* Up to NIC_DIRTY_BATCH of them, as many as there are in a row. */
static int nic_read_descs(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring,
			  union nic_rx_desc *desc, u32 from, u32 to, u32 *n)
{
	*n = min3(to > from ? to - from : ring->count - from, (u32)NIC_DIRTY_BATCH,
		  nic_distance(ring, from, to));

	return *n ? vfio_mediate_read(dev, ring->base + from * DESC_SIZE, desc,
				      *n * DESC_SIZE) : 0;
}

/* The first one that the device has was given back; the descriptor is still to be marked. */
static void nic_rx_complete(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
			    u32 length)
{
	nic_mark_buffers(dev, ring, ring->next_to_clean, length);
	if (ring->next_to_mark == ring->next_to_clean)
		ring->next_to_mark = nic_next(ring, ring->next_to_mark);
	ring->next_to_clean = nic_next(ring, ring->next_to_clean);
}

int nic_dirty_rx_post(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 tail)
{
	u32 first = ring->next_to_clean, n, i;
	int ret;

	if (tail >= ring->count)
		return -ERANGE;

	while (ring->tail != tail) {
		ret = nic_read_descs(dev, ring, desc, ring->tail, tail, &n);
		if (ret)
			return ret;
		for (i = 0; i < n; i++) {
			/* A ring is never full: its driver must have got this one back. */
			if (nic_next(ring, ring->tail) == ring->next_to_clean)
				nic_rx_complete(dev, ring, U32_MAX);
			ring->posted[ring->tail].pkt = le64_to_cpu(desc[i].read.pkt_addr);
			ring->posted[ring->tail].hdr = le64_to_cpu(desc[i].read.hdr_addr);
			ring->tail = nic_next(ring, ring->tail);
		}
	}
	nic_mark_descs(dev, ring, first, ring->next_to_clean);

	return 0;
}

int nic_dirty_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		       union nic_rx_desc *desc, u32 tail)
{
	/* Nothing can be received. */
	if (!ring->count)
		return 0;
	if (ring->next_to_clean >= ring->count)
		return -EINVAL;

	ring->posted = kvcalloc(ring->count, sizeof(*ring->posted), GFP_KERNEL);
	if (!ring->posted)
		return -ENOMEM;
	ring->tail = ring->next_to_clean;
	ring->next_to_mark = ring->next_to_clean;
	ring->enabled = true;

	return nic_dirty_rx_post(dev, ring, desc, tail);
}

int nic_dirty_rx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 head, bool stopped)
{
	u32 first = ring->next_to_clean, n, i;
	int ret;

	if (head >= ring->count || nic_distance(ring, ring->next_to_clean, head) >
	    nic_distance(ring, ring->next_to_clean, ring->tail))
		return -EINVAL;

	ret = nic_read_descs(dev, ring, desc, ring->next_to_clean, head, &n);
	if (ret)
		return ret;
	for (i = 0; i < n && nic_desc_done(ring, &desc[i]); i++)
		nic_rx_complete(dev, ring, nic_rx_length(ring, &desc[i]));
	nic_mark_descs(dev, ring, first, ring->next_to_clean);
	if (i == n && ring->next_to_clean != head)
		return 1;

	/* The others are looked at again; only of one that has stopped it is known at once. */
	if (stopped)
		ring->next_to_mark = ring->next_to_clean;
	nic_mark_descs(dev, ring, ring->next_to_mark, head);
	for (; ring->next_to_mark != head; ring->next_to_mark = nic_next(ring, ring->next_to_mark))
		nic_mark_buffers(dev, ring, ring->next_to_mark, U32_MAX);
	if (stopped)
		ring->next_to_clean = head;

	return 0;
}

int nic_dirty_tx_begin(struct nic_dirty_ring *ring)
{
	if (!ring->count)
		return 0;
	if (ring->next_to_clean >= ring->count || ring->tail >= ring->count)
		return -EINVAL;

	ring->outstanding = nic_distance(ring, ring->next_to_clean, ring->tail);
	ring->enabled = true;

	return 0;
}

int nic_dirty_tx_post(struct nic_dirty_ring *ring, u32 tail)
{
	if (tail >= ring->count)
		return -ERANGE;

	ring->outstanding += nic_distance(ring, ring->tail, tail);
	ring->tail = tail;

	return 0;
}

static void nic_mark_head_wb(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring)
{
	if (ring->head_wb & TDWB_ENABLE)
		vfio_mediate_mark(dev, ring->head_wb & ~(u64)TDWB_ENABLE, sizeof(u32));
}

/* The device writes to those that it has sent, at some time before it is stopped. */
int nic_dirty_tx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 head,
		      u64 head_wb, bool stopped)
{
	u32 left, sent;

	if (head >= ring->count)
		return -EINVAL;

	left = nic_distance(ring, head, ring->tail);
	sent = ring->outstanding - left;
	if (stopped || sent >= ring->count)
		vfio_mediate_mark(dev, ring->base, ring->count * DESC_SIZE);
	else
		nic_mark_descs(dev, ring, ring->next_to_clean, head);
	if (ring->head_wb != head_wb)
		nic_mark_head_wb(dev, ring);
	ring->head_wb = head_wb;
	if (stopped || sent)
		nic_mark_head_wb(dev, ring);
	ring->next_to_clean = head;
	ring->outstanding = left;

	return 0;
}

int nic_dirty_ring_end(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring)
{
	unsigned int n;

	if (!ring->enabled)
		return 0;

	for (n = 0; ring->posted && ring->next_to_clean != ring->tail; n++) {
		if (n == NIC_DIRTY_BATCH)
			return 1;
		nic_rx_complete(dev, ring, U32_MAX);
	}
	vfio_mediate_mark(dev, ring->base, ring->count * DESC_SIZE);
	nic_mark_head_wb(dev, ring);
	kvfree(ring->posted);
	*ring = (struct nic_dirty_ring){};

	return 0;
}
