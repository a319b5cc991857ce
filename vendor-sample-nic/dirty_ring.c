// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings in a guest's memory, and the memory that a VF writes through them.
 *
 * The buffers of a receive ring are read from its descriptors when the tail moves, before
 * the device sees the new tail. Once the device has written a descriptor back, the address
 * in it is lost. That a descriptor was written back is seen in the ring, or follows from
 * the driver's posting it again.
 */

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "dirty_ring.h"
#include "vfio_mediate.h"

#define DESC_SIZE		sizeof(union nic_rx_desc)
#define SRRCTL_BSIZEHEADER	GENMASK(13, 8)		/* in units of 64 bytes */
#define SRRCTL_DESCTYPE		GENMASK(27, 25)
#define DESCTYPE_LEGACY		0
#define DESCTYPE_ONE		1
#define DEFAULT_BUFFER		2048
#define LEGACY_DD		BIT(0)	/* in byte 12 */
#define TDWB_ENABLE		BIT(0)

static u32 nic_next(const struct nic_dirty_ring *ring, u32 i)
{
	return i + 1 == ring->count ? 0 : i + 1;
}

static u32 nic_distance(const struct nic_dirty_ring *ring, u32 from, u32 to)
{
	return to >= from ? to - from : to + ring->count - from;
}

/* Mark the descriptors of [from, to). */
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

/* Mark the first bytes of a packet buffer, and the header buffer. */
static void nic_mark_buffers(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring,
			     u32 i, u32 length)
{
	u32 kib = FIELD_GET(SRRCTL_BSIZEPACKET, ring->srrctl);
	u32 size = kib ? kib * 1024 : DEFAULT_BUFFER;

	vfio_mediate_mark(dev, ring->posted[i].pkt, min(size, length));
	/* Descriptor types differ in where the header goes: mark the header buffer as well. */
	if (nic_desctype(ring) > DESCTYPE_ONE)
		vfio_mediate_mark(dev, ring->posted[i].hdr,
				  FIELD_GET(SRRCTL_BSIZEHEADER, ring->srrctl) * 64);
}

static bool nic_desc_done(const struct nic_dirty_ring *ring, const union nic_rx_desc *desc)
{
	/* QEMU's model writes back advanced descriptors, whatever the type. */
	if (nic_desctype(ring) == DESCTYPE_LEGACY)
		return le16_to_cpu(desc->wb.length) & LEGACY_DD;

	return le32_to_cpu(desc->wb.status_error) & RXD_DD;
}

/*
 * Return the number of bytes in the buffer of a descriptor that was written back, U32_MAX
 * if it is not known. A 32-bit driver may have refilled half of the descriptor: half of the
 * header address is in the place of the length, and is 0 if there is no header.
 */
static u32 nic_rx_length(const struct nic_dirty_ring *ring, const union nic_rx_desc *desc)
{
	u32 length = le16_to_cpu(desc->wb.length);

	return nic_desctype(ring) == DESCTYPE_ONE && length ? length : U32_MAX;
}

/* Read up to NIC_DIRTY_BATCH descriptors that are contiguous in memory. */
static int nic_read_descs(struct vfio_mediate_device *dev, const struct nic_dirty_ring *ring,
			  union nic_rx_desc *desc, u32 from, u32 to, u32 *n)
{
	*n = min3(to > from ? to - from : ring->count - from, (u32)NIC_DIRTY_BATCH,
		  nic_distance(ring, from, to));

	return *n ? vfio_mediate_read(dev, ring->base + from * DESC_SIZE, desc,
				      *n * DESC_SIZE) : 0;
}

/* The first outstanding descriptor was written back. The caller marks the descriptor itself. */
static void nic_rx_complete(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
			    u32 length)
{
	nic_mark_buffers(dev, ring, ring->next_to_clean, length);
	if (ring->next_to_mark == ring->next_to_clean)
		ring->next_to_mark = nic_next(ring, ring->next_to_mark);
	ring->next_to_clean = nic_next(ring, ring->next_to_clean);
}

/**
 * nic_dirty_rx_post() - Read the buffers that the driver posts
 * @dev:	The VF.
 * @ring:	The ring, enabled.
 * @desc:	Buffer for NIC_DIRTY_BATCH descriptors.
 * @tail:	The new tail.
 *
 * Called before the device sees the new tail.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -ERANGE: the tail is not in the ring.
 * * Other negative errno of vfio_mediate_read().
 */
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
			/* A ring is never full: the driver has got this descriptor back. */
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

/**
 * nic_dirty_rx_begin() - Track a receive ring
 * @dev:	The VF.
 * @ring:	The ring. Members base, count and srrctl are set, and next_to_clean to the
 *		head of the device. All others are zero.
 * @desc:	Buffer for NIC_DIRTY_BATCH descriptors.
 * @tail:	Tail of the device.
 *
 * Called when the queue is in use, or about to be enabled. A ring without descriptors is
 * not tracked.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -EINVAL: the head is not in the ring.
 * * -ERANGE: the tail is not in the ring.
 * * -ENOMEM: out of memory.
 * * Other negative errno of vfio_mediate_read().
 */
int nic_dirty_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		       union nic_rx_desc *desc, u32 tail)
{
	/* A ring without descriptors receives nothing. */
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

/**
 * nic_dirty_rx_scan() - Mark receive buffers and descriptors that were written
 * @dev:	The VF.
 * @ring:	The ring, enabled.
 * @desc:	Buffer for NIC_DIRTY_BATCH descriptors.
 * @head:	Head of the device.
 * @stopped:	The device writes no more: mark all that it may have written.
 *
 * The head may be ahead of the device's writes. The driver may have refilled a descriptor,
 * and not moved the tail yet. Each call handles up to NIC_DIRTY_BATCH descriptors.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: done.
 * * 1: there is more to mark, call again.
 * * -EINVAL: the device does not own all descriptors before the head.
 * * Other negative errno of vfio_mediate_read().
 */
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

	/*
	 * The device may still write to buffers up to the head: mark them, and again once
	 * their descriptors are written back. If it is stopped, this is final.
	 */
	if (stopped)
		ring->next_to_mark = ring->next_to_clean;
	nic_mark_descs(dev, ring, ring->next_to_mark, head);
	for (; ring->next_to_mark != head; ring->next_to_mark = nic_next(ring, ring->next_to_mark))
		nic_mark_buffers(dev, ring, ring->next_to_mark, U32_MAX);
	if (stopped)
		ring->next_to_clean = head;

	return 0;
}

/**
 * nic_dirty_tx_begin() - Track a transmit ring
 * @ring:	The ring. Members base, count, tail and head_wb are set, and next_to_clean
 *		to the head of the device. All others are zero.
 *
 * Called when the queue is in use, or about to be enabled. A ring without descriptors is
 * not tracked.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -EINVAL: the head or the tail is not in the ring.
 */
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

/**
 * nic_dirty_tx_post() - Count the descriptors that the driver posts
 * @ring:	The ring, enabled.
 * @tail:	The new tail.
 *
 * Called before the device sees the new tail.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -ERANGE: the tail is not in the ring.
 */
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

/**
 * nic_dirty_tx_scan() - Mark descriptors that were sent
 * @dev:	The VF.
 * @ring:	The ring, enabled.
 * @head:	Head of the device.
 * @head_wb:	TDWBAL and TDWBAH of the device, see &struct nic_dirty_ring.
 * @stopped:	The device writes no more: mark all that it may have written.
 *
 * The device may write back a descriptor that it has sent at any time until it is stopped.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -EINVAL: the head is not in the ring.
 */
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

/**
 * nic_dirty_ring_end() - End the tracking of a ring
 * @dev:	The VF.
 * @ring:	The ring, enabled or not.
 *
 * Called when the queue is no longer in use. Mark all that it may have written. Each call
 * handles up to NIC_DIRTY_BATCH buffers.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: done. The ring is all zero.
 * * 1: there is more to mark, call again.
 */
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
