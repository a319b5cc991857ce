/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's memory, a device and its driver, for the suite of ring.c, which is
 * included before.
 */

#ifndef RING_WORLD_H
#define RING_WORLD_H

#include <linux/bitmap.h>
#include <linux/prandom.h>

#include "session.h"

#define PAGES		0x10000u	/* IOVAs from 0 that are memory */
#define BASE		0x4380u		/* of a ring */
#define HEAD_COPY	0x2ff8u
#define BUFFERS		0x100000u	/* from here to the end of memory */
#define MAX_BUFFER	(127 * 1024u)
#define MAX_HEADER	(63 * 64u)
#define MAX_COUNT	4096u

#define RX_KIND(kind, kib, header)	((kind) << 25 | (header) / 64 << 8 | (kib))

/**
 * struct world - Memory, a device, its driver, and what is thought of them
 * @session:	Where @dev is.
 * @dev:	What the unit is called with.
 * @ring:	The unit's.
 * @batch:	Likewise.
 * @random:	Where chance comes from.
 * @desc:	The descriptors at BASE, in memory.
 * @unmarked:	Pages written and not marked since.
 * @written:	Pages ever written.
 * @marked:	Pages ever marked.
 * @longest:	Size of the longest mark.
 * @error:	What reading memory fails with.
 * @advanced:	The device writes advanced descriptors back, whatever it is told.
 * @count:	Of descriptors.
 * @tail:	Up to here the device was given descriptors.
 * @head:	Up to here it has fetched them.
 * @back:	Up to here it has given them back.
 * @use:	The next one that the driver prepares.
 * @clean:	The next one that it gets back.
 * @given_back:	How many in all.
 * @fetched:	Buffers of those from @back to @head.
 */
struct world {
	struct vfio_mediate_session session;
	struct vfio_mediate_device *dev;
	struct vfio_mediate_track ring;
	union nic_rx_desc batch[VFIO_MEDIATE_RING_BATCH];
	struct rnd_state random;
	union nic_rx_desc *desc;
	unsigned long *unmarked;
	unsigned long *written;
	unsigned long *marked;
	u64 longest;
	int error;
	bool advanced;
	u32 count;
	u32 tail;
	u32 head;
	u32 back;
	u32 use;
	u32 clean;
	u32 given_back;
	struct {
		u64 pkt;
		u64 hdr;
	} fetched[MAX_COUNT];
};

static u32 chance(struct world *w, u32 limit)
{
	return prandom_u32_state(&w->random) % limit;
}

static int world_read(void *data, u64 iova, void *buf, size_t size)
{
	struct world *w = data;

	if (w->error)
		return w->error;
	if (iova < BASE || iova - BASE + size > w->count * sizeof(*w->desc))
		return -EFAULT;
	memcpy(buf, (void *)w->desc + iova - BASE, size);

	return 0;
}

static void world_mark(void *data, u64 iova, u64 size)
{
	struct world *w = data;
	u64 page;

	w->longest = max(w->longest, size);
	for (page = iova >> PAGE_SHIFT; size && page < PAGES &&
	     page <= (iova + size - 1) >> PAGE_SHIFT; page++) {
		__clear_bit(page, w->unmarked);
		__set_bit(page, w->marked);
	}
}

static const struct vfio_mediate_host_ops world_ops = {
	.read = world_read,
	.mark = world_mark,
};

/* By the device */
static void world_write(struct world *w, u64 iova, u32 size)
{
	u64 page;

	for (page = iova >> PAGE_SHIFT; size && page <= (iova + size - 1) >> PAGE_SHIFT; page++) {
		__set_bit(page, w->unmarked);
		__set_bit(page, w->written);
	}
}

/* A ring on which the device is at some place, with nothing given to it */
static void new_ring(struct world *w, u32 count, u32 at, u32 srrctl)
{
	memset(w->desc, 0, MAX_COUNT * sizeof(*w->desc));
	bitmap_zero(w->unmarked, PAGES);
	bitmap_zero(w->written, PAGES);
	bitmap_zero(w->marked, PAGES);
	w->longest = 0;
	w->error = 0;
	w->advanced = false;
	w->count = count;
	w->tail = at;
	w->head = at;
	w->back = at;
	w->use = at;
	w->clean = at;
	w->given_back = 0;
	w->ring = (struct vfio_mediate_track){
		.type = &nic_rings[0],
		.base = BASE,
		.count = count,
		.format = srrctl,
		.tail = at,
		.next_to_clean = at,
	};
}

static void new_tx_ring(struct world *w, u32 count, u32 at)
{
	new_ring(w, count, at, 0);
	w->ring.type = &nic_rings[1];
}

static int begin_tx(struct world *w)
{
	return vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, w->ring.tail);
}

static u32 after(const struct world *w, u32 i, u32 n)
{
	return (i + n) % w->count;
}

static u32 between(const struct world *w, u32 from, u32 to)
{
	return (to + w->count - from) % w->count;
}

static u32 kind_of(const struct world *w)
{
	return FIELD_GET(SRRCTL_DESCTYPE, w->ring.format);
}

static u32 buffer_size(const struct world *w)
{
	u32 kib = FIELD_GET(SRRCTL_BSIZEPACKET, w->ring.format);

	return kib ? kib * 1024 : 2048;
}

static u32 header_size(const struct world *w)
{
	return FIELD_GET(SRRCTL_BSIZEHEADER, w->ring.format) * 64;
}

static bool is_legacy(const struct world *w)
{
	return kind_of(w) == DESCTYPE_LEGACY && !w->advanced;
}

/* The driver prepares a descriptor. */
static void prepare(struct world *w, u64 pkt, u64 hdr)
{
	w->desc[w->use].read.pkt_addr = cpu_to_le64(pkt);
	w->desc[w->use].read.hdr_addr = cpu_to_le64(hdr);
	w->use = after(w, w->use, 1);
}

static u64 any_buffer(struct world *w)
{
	return BUFFERS + chance(w, PAGES * PAGE_SIZE - BUFFERS - MAX_BUFFER);
}

static void prepare_some(struct world *w, u32 n)
{
	for (n = min(n, between(w, w->use, w->clean + w->count - 1)); n; n--)
		prepare(w, any_buffer(w),
			kind_of(w) > DESCTYPE_ONE ? any_buffer(w) & ~1ull : 0);
}

static int post_to(struct world *w, u32 tail)
{
	return vfio_mediate_ring_post(w->dev, &w->ring, w->batch, tail);
}

static int post(struct world *w)
{
	int ret = post_to(w, w->use);

	if (!ret)
		w->tail = w->use;

	return ret;
}

static void fetch(struct world *w, u32 n)
{
	for (n = min(n, between(w, w->head, w->tail)); n; n--) {
		w->fetched[w->head].pkt = le64_to_cpu(w->desc[w->head].read.pkt_addr);
		w->fetched[w->head].hdr = le64_to_cpu(w->desc[w->head].read.hdr_addr);
		w->head = after(w, w->head, 1);
	}
}

/* The device receives into some buffer that it has fetched. */
static void receive(struct world *w, u32 i, u32 size)
{
	world_write(w, w->fetched[i].pkt, size);
	if (kind_of(w) > DESCTYPE_ONE)
		world_write(w, w->fetched[i].hdr, header_size(w));
}

static void give_back(struct world *w, u32 size)
{
	union nic_rx_desc *desc = &w->desc[w->back];

	receive(w, w->back, size);
	memset(desc, 0xaa, sizeof(*desc));
	if (is_legacy(w)) {
		desc->wb.length = cpu_to_le16(LEGACY_DD | 2);
	} else {
		desc->wb.status_error = cpu_to_le32(RXD_DD | RXD_EOP);
		desc->wb.length = cpu_to_le16(size);
	}
	world_write(w, BASE + w->back * sizeof(*desc), sizeof(*desc));
	w->back = after(w, w->back, 1);
	w->given_back++;
}

static void give_back_some(struct world *w, u32 n)
{
	for (n = min(n, between(w, w->back, w->head)); n; n--)
		give_back(w, 60 + chance(w, min(buffer_size(w), 0xffff) - 59));
}

static bool is_done(const struct world *w)
{
	const union nic_rx_desc *desc = &w->desc[w->clean];

	if (is_legacy(w))
		return le16_to_cpu(desc->wb.length) & LEGACY_DD;

	return le32_to_cpu(desc->wb.status_error) & RXD_DD;
}

/* The driver takes what it got back. */
static void clean_some(struct world *w, u32 n)
{
	for (; n && w->clean != w->use && w->clean != w->back && is_done(w); n--)
		w->clean = after(w, w->clean, 1);
}

/* The device sends; its driver takes what it gets back at once. */
static void send_some(struct world *w, u32 n)
{
	n = min(n, between(w, w->head, w->tail));
	w->head = after(w, w->head, n);
}

static void write_back(struct world *w, u32 n, bool copy)
{
	for (n = min(n, between(w, w->back, w->head)); n; n--) {
		if (copy)
			world_write(w, HEAD_COPY, 4);
		else
			world_write(w, BASE + w->back * sizeof(*w->desc), sizeof(*w->desc));
		w->back = after(w, w->back, 1);
		w->given_back++;
	}
}

#endif /* RING_WORLD_H */
