// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VF writes to its guest's memory: buffers that it has received into, and
 * descriptors that it has given back.
 *
 * Which buffers a VF has is read from the receive ring when its tail moves, and before
 * the device sees that: once it has given a descriptor back, the address is gone. That
 * it has given one back is seen in the ring, or from its driver's using it again. All
 * that is called here is called one at a time.
 */

#include <linux/iopoll.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "dirty.h"
#include "migrate.h"
#include "vfio_mediate.h"

/* Registers of a VF's BAR 0, of its first queue of each kind */
#define VF_RX_QUEUES		0x2800
#define VF_TX_QUEUES		0x3800
#define VF_QUEUE_SIZE		0x100
#define VF_CA			0x14	/* RXCTL, TXCTL: no business of ours */
#define VF_TAIL			0x18
#define VF_XDCTL		0x28

#define DESC_SIZE		sizeof(union nic_rx_desc)
#define XDLEN			GENMASK(19, 7)
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

/* Bytes in the buffer, if the device has given the descriptor back, or 0. */
static bool nic_given_back(const struct nic_dirty_ring *ring, const union nic_rx_desc *desc,
			   u32 *length)
{
	/* QEMU's model writes advanced ones, whatever it is told. */
	if (nic_desctype(ring) == DESCTYPE_LEGACY) {
		*length = U32_MAX;
		return le16_to_cpu(desc->wb.length) & LEGACY_DD;
	}

	*length = le16_to_cpu(desc->wb.length);

	return le32_to_cpu(desc->wb.status_error) & RXD_DD;
}

/* Up to NIC_DIRTY_BATCH of them, as many as there are in a row. */
static int nic_read_descs(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			  const struct nic_dirty_ring *ring, u32 from, u32 to, u32 *n)
{
	*n = min3(to > from ? to - from : ring->count - from, (u32)NIC_DIRTY_BATCH,
		  nic_distance(ring, from, to));

	return *n ? vfio_mediate_read(dev, ring->base + from * DESC_SIZE, dirty->desc,
				      *n * DESC_SIZE) : 0;
}

/* The first one that the device has was given back; the descriptor is still to be marked. */
static void nic_rx_back(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 length)
{
	nic_mark_buffers(dev, ring, ring->clean, length);
	if (ring->seen == ring->clean)
		ring->seen = nic_next(ring, ring->seen);
	ring->clean = nic_next(ring, ring->clean);
}

/* The device is about to get the descriptors up to a new tail. */
static int nic_rx_post(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
		       struct nic_dirty_ring *ring, u32 tail)
{
	u32 first = ring->clean, n, i;
	int ret;

	if (tail >= ring->count)
		return -ERANGE;

	while (ring->tail != tail) {
		ret = nic_read_descs(dev, dirty, ring, ring->tail, tail, &n);
		if (ret)
			return ret;
		for (i = 0; i < n; i++) {
			/* A ring is never full: its driver must have got this one back. */
			if (nic_next(ring, ring->tail) == ring->clean)
				nic_rx_back(dev, ring, U32_MAX);
			ring->posted[ring->tail].pkt = le64_to_cpu(dirty->desc[i].read.pkt_addr);
			ring->posted[ring->tail].hdr = le64_to_cpu(dirty->desc[i].read.hdr_addr);
			ring->tail = nic_next(ring, ring->tail);
		}
	}
	nic_mark_descs(dev, ring, first, ring->clean);

	return 0;
}

/*
 * Marks what the device has given back. Its head may be ahead of what it has written; and
 * its driver may have prepared a descriptor for new use, but not moved the tail.
 */
static int nic_rx_scan(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
		       struct nic_dirty_ring *ring, u32 head, bool stopped)
{
	u32 first = ring->clean, n, i, length;
	int ret;

	if (head >= ring->count || nic_distance(ring, ring->clean, head) >
	    nic_distance(ring, ring->clean, ring->tail))
		return -EINVAL;

	while (ring->clean != head) {
		ret = nic_read_descs(dev, dirty, ring, ring->clean, head, &n);
		if (ret)
			return ret;
		for (i = 0; i < n && nic_given_back(ring, &dirty->desc[i], &length); i++)
			nic_rx_back(dev, ring, length);
		if (i < n)
			break;
	}

	/* The others are looked at again; only of one that has stopped it is known at once. */
	nic_mark_descs(dev, ring, first, ring->clean);
	if (stopped)
		ring->seen = ring->clean;
	nic_mark_descs(dev, ring, ring->seen, head);
	for (; ring->seen != head; ring->seen = nic_next(ring, ring->seen))
		nic_mark_buffers(dev, ring, ring->seen, U32_MAX);
	if (stopped)
		ring->clean = head;

	return 0;
}

/* The device writes to those that it has sent, at some time before it is stopped. */
static void nic_tx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 head,
			u64 head_copy, bool stopped)
{
	u32 left = nic_distance(ring, head, ring->tail);

	if (stopped || ring->given - left >= ring->count)
		vfio_mediate_mark(dev, ring->base, ring->count * DESC_SIZE);
	else
		nic_mark_descs(dev, ring, ring->clean, head);
	if (head_copy & TDWB_ENABLE && (stopped || head != ring->clean))
		vfio_mediate_mark(dev, head_copy & ~(u64)TDWB_ENABLE, sizeof(u32));
	ring->clean = head;
	ring->given = left;
}

/* Forget a ring that is not in use any more; what it may have written is marked first. */
static void nic_ring_end(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring)
{
	if (!ring->on)
		return;

	vfio_mediate_mark(dev, ring->base, ring->count * DESC_SIZE);
	while (ring->posted && ring->clean != ring->tail)
		nic_rx_back(dev, ring, U32_MAX);
	kvfree(ring->posted);
	*ring = (struct nic_dirty_ring){};
}

static u64 nic_rd64(struct nic *nic, u32 low, u32 high)
{
	return nic_rd(nic, low) | (u64)nic_rd(nic, high) << 32;
}

/* A queue is in use, or about to be: as its registers say. */
static int nic_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			struct nic_dirty_ring *ring, u32 q)
{
	struct nic_mediated *m = dev->handle;
	struct nic *nic = m->nic;
	u32 tail = nic_rd(nic, RDT(q));

	*ring = (struct nic_dirty_ring){
		.base = nic_rd64(nic, RDBAL(q), RDBAH(q)),
		.count = (nic_rd(nic, RDLEN(q)) & XDLEN) / DESC_SIZE,
		.srrctl = nic_rd(nic, SRRCTL(q)),
		.clean = nic_rd(nic, RDH(q)),
	};
	/* Nothing can be received. */
	if (!ring->count)
		return 0;
	if (ring->clean >= ring->count)
		return -EINVAL;

	ring->posted = kvcalloc(ring->count, sizeof(*ring->posted), GFP_KERNEL);
	if (!ring->posted)
		return -ENOMEM;
	ring->tail = ring->clean;
	ring->seen = ring->clean;
	ring->on = true;

	return nic_rx_post(dev, dirty, ring, tail);
}

static int nic_tx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 q)
{
	struct nic_mediated *m = dev->handle;
	struct nic *nic = m->nic;

	*ring = (struct nic_dirty_ring){
		.base = nic_rd64(nic, TDBAL(q), TDBAH(q)),
		.count = (nic_rd(nic, TDLEN(q)) & XDLEN) / DESC_SIZE,
		.tail = nic_rd(nic, TDT(q)),
		.clean = nic_rd(nic, TDH(q)),
	};
	if (!ring->count)
		return 0;
	if (ring->clean >= ring->count || ring->tail >= ring->count)
		return -EINVAL;

	ring->given = nic_distance(ring, ring->clean, ring->tail);
	ring->on = true;

	return 0;
}

static bool nic_queue_enabled(struct nic *nic, bool tx, u32 q)
{
	return nic_rd(nic, tx ? TXDCTL(q) : RXDCTL(q)) & XDCTL_ENABLE;
}

/* The VF's driver enables or disables a queue. Errors are those of the write. */
static int nic_write_xdctl(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			   struct vfio_mediate_access *access, bool tx, unsigned int queue)
{
	struct nic_dirty_ring *ring = tx ? &dirty->tx[queue] : &dirty->rx[queue];
	struct nic_mediated *m = dev->handle;
	u32 q = m->n + NIC_NUM_POOLS * queue;
	struct nic *nic = m->nic;
	bool enabled, on;
	int ret;

	/* It may have been reset. */
	if (!nic_queue_enabled(nic, tx, q))
		nic_ring_end(dev, ring);

	if (access->value & XDCTL_ENABLE && !ring->on) {
		/*
		 * The tail is written once the queue is enabled. Until then it has nothing:
		 * what the tail was for the ring before is none of this one.
		 */
		nic_wr(nic, tx ? TDT(q) : RDT(q), nic_rd(nic, tx ? TDH(q) : RDH(q)));
		ret = tx ? nic_tx_begin(dev, ring, q) : nic_rx_begin(dev, dirty, ring, q);
		dirty->error = dirty->error ?: ret;
	}

	ret = vfio_mediate_default_rw(dev, access);
	on = access->value & XDCTL_ENABLE;
	if (ret || on)
		return ret;

	/* It finishes what it has begun. */
	if (read_poll_timeout(nic_queue_enabled, enabled, !enabled, 10, 10000, false, nic, tx, q))
		dirty->error = dirty->error ?: -ETIMEDOUT;
	nic_ring_end(dev, ring);

	return 0;
}

static int nic_write_tail(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			  struct nic_dirty_ring *ring, u32 tail)
{
	if (!ring->on)
		return 0;
	if (ring->posted)
		return nic_rx_post(dev, dirty, ring, tail);
	if (tail >= ring->count)
		return -ERANGE;

	ring->given += nic_distance(ring, ring->tail, tail);
	ring->tail = tail;

	return 0;
}

/**
 * nic_dirty_write() - The VF's driver writes to one of its queues' registers
 * @dev:	The VF, which is tracked.
 * @access:	The write, in a page that is trapped.
 *
 * Return: 0 when it has been written, or a negative errno.
 */
int nic_dirty_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct nic_mediated *m = dev->handle;
	struct nic_dirty *dirty = m->dirty;
	bool tx = access->offset >= VF_TX_QUEUES;
	u32 offset = access->offset - (tx ? VF_TX_QUEUES : VF_RX_QUEUES);
	unsigned int queue = offset / VF_QUEUE_SIZE;
	struct nic_dirty_ring *ring;
	int ret = 0;

	/* Below the first queue's, it is huge. */
	if (queue >= ARRAY_SIZE(dirty->rx))
		return vfio_mediate_default_rw(dev, access);

	ring = tx ? &dirty->tx[queue] : &dirty->rx[queue];
	offset %= VF_QUEUE_SIZE;
	if (access->width != 4)
		ret = -EOPNOTSUPP;
	else if (offset == VF_XDCTL)
		return nic_write_xdctl(dev, dirty, access, tx, queue);
	else if (offset == VF_TAIL)
		ret = nic_write_tail(dev, dirty, ring, access->value);
	else if (offset < VF_TAIL && offset != VF_CA && ring->on)
		ret = -EBUSY;	/* its base and size, while it is in use */
	dirty->error = dirty->error ?: ret;

	return vfio_mediate_default_rw(dev, access);
}

static int nic_dirty_begin(struct vfio_mediate_device *dev, struct nic_dirty *dirty)
{
	struct nic_mediated *m = dev->handle;
	unsigned int queue;
	int ret = 0;
	u32 q;

	for (queue = 0; queue < ARRAY_SIZE(dirty->rx) && !ret; queue++) {
		q = m->n + NIC_NUM_POOLS * queue;
		if (nic_queue_enabled(m->nic, false, q))
			ret = nic_rx_begin(dev, dirty, &dirty->rx[queue], q);
		if (!ret && nic_queue_enabled(m->nic, true, q))
			ret = nic_tx_begin(dev, &dirty->tx[queue], q);
	}

	return ret;
}

/**
 * nic_dirty_free() - Forget what is known: nobody wants to know any more
 * @m:		The VF, tracked or not.
 */
void nic_dirty_free(struct nic_mediated *m)
{
	unsigned int queue;

	if (!m->dirty)
		return;

	for (queue = 0; queue < ARRAY_SIZE(m->dirty->rx); queue++)
		kvfree(m->dirty->rx[queue].posted);
	kfree(m->dirty);
	m->dirty = NULL;
}

static void nic_dirty_stop(struct vfio_mediate_device *dev)
{
	nic_dirty_free(dev->handle);
}

static int nic_dirty_start(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	bool again = m->dirty;
	unsigned int queue;
	int ret;

	if (!again)
		m->dirty = kzalloc(sizeof(*m->dirty), GFP_KERNEL);
	if (!m->dirty)
		return -ENOMEM;
	for (queue = 0; queue < ARRAY_SIZE(m->dirty->rx); queue++) {
		nic_ring_end(dev, &m->dirty->rx[queue]);
		nic_ring_end(dev, &m->dirty->tx[queue]);
	}

	/* What it has now must be known before it gives some of it back. */
	ret = nic_vf_hold(m->nic, m->n, true);
	if (!ret)
		ret = nic_dirty_begin(dev, m->dirty);
	nic_vf_hold(m->nic, m->n, false);
	if (ret && !again)
		nic_dirty_free(m);

	return ret;
}

static int nic_dirty_scan(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	struct nic_dirty *dirty = m->dirty;
	struct nic *nic = m->nic;
	bool stopped = READ_ONCE(nic->vf[m->n].stopped);
	struct nic_dirty_ring *rx, *tx;
	unsigned int queue;
	u32 head, q;

	for (queue = 0; queue < ARRAY_SIZE(dirty->rx) && !dirty->error; queue++) {
		rx = &dirty->rx[queue];
		tx = &dirty->tx[queue];
		q = m->n + NIC_NUM_POOLS * queue;
		/* A queue that was reset has no head: look afterwards. */
		head = nic_rd(nic, RDH(q));
		if (!nic_queue_enabled(nic, false, q))
			nic_ring_end(dev, rx);
		else if (rx->on)
			dirty->error = nic_rx_scan(dev, dirty, rx, head, stopped);

		head = nic_rd(nic, TDH(q));
		if (!nic_queue_enabled(nic, true, q))
			nic_ring_end(dev, tx);
		else if (tx->on && head >= tx->count)
			dirty->error = dirty->error ?: -EINVAL;
		else if (tx->on)
			nic_tx_scan(dev, tx, head, nic_rd64(nic, TDWBAL(q), TDWBAH(q)), stopped);
	}
	/* All of the above were ones. */
	if (nic_gone(nic))
		return -ENODEV;

	return dirty->error;
}

const struct vfio_mediate_tracking_ops nic_tracking_ops = {
	.start = nic_dirty_start,
	.stop = nic_dirty_stop,
	.scan = nic_dirty_scan,
};
