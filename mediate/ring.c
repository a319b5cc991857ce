// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings in a guest's memory, and the memory that a device writes through them.
 *
 * The descriptors of a ring by which the device receives are copied when the tail moves,
 * before the device sees the new tail. Once the device has written a descriptor, the address in
 * it may be lost. That a descriptor was written is seen in the ring, or follows from the
 * driver's posting it again.
 */

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "ring.h"
#include "vfio_mediate_describe.h"

static u32 next_of(const struct vfio_mediate_track *ring, u32 i)
{
	return i + 1 == ring->count ? 0 : i + 1;
}

static u32 distance(const struct vfio_mediate_track *ring, u32 from, u32 to)
{
	return to >= from ? to - from : to + ring->count - from;
}

static void *posted_at(const struct vfio_mediate_track *ring, u32 i)
{
	return ring->posted + (size_t)i * ring->type->desc_size;
}

static u64 iova_of(const struct vfio_mediate_track *ring, u32 i)
{
	return ring->base + (u64)i * ring->type->desc_size;
}

/* Mark the descriptors of [from, to). */
static void mark_descs(struct vfio_mediate_device *dev, const struct vfio_mediate_track *ring,
		       u32 from, u32 to)
{
	u64 size = ring->type->desc_size;

	if (to < from) {
		vfio_mediate_mark(dev, iova_of(ring, from), (ring->count - from) * size);
		from = 0;
	}
	vfio_mediate_mark(dev, iova_of(ring, from), (to - from) * size);
}

static void mark_all_descs(struct vfio_mediate_device *dev, const struct vfio_mediate_track *ring)
{
	vfio_mediate_mark(dev, ring->base, (u64)ring->count * ring->type->desc_size);
}

static void mark_writeback(struct vfio_mediate_device *dev, const struct vfio_mediate_track *ring)
{
	if (ring->writeback)
		vfio_mediate_mark(dev, ring->writeback, sizeof(u32));
}

/* Mark the buffers of a descriptor. @desc: NULL if it is not known what the device wrote there. */
static void mark_buffers(struct vfio_mediate_device *dev, const struct vfio_mediate_track *ring,
			 u32 i, const void *desc)
{
	struct vfio_mediate_buffer buffers[VFIO_MEDIATE_DESC_BUFFERS];
	unsigned int n;

	n = ring->type->buffers(posted_at(ring, i), desc, ring->format, buffers);
	n = min_t(unsigned int, n, ARRAY_SIZE(buffers));
	while (n--)
		vfio_mediate_mark(dev, buffers[n].iova, buffers[n].size);
}

/* Read some descriptors of [from, to) that are contiguous in memory. */
static int read_descs(struct vfio_mediate_device *dev, const struct vfio_mediate_track *ring,
		      void *batch, u32 from, u32 to, u32 *n)
{
	*n = min3(to > from ? to - from : ring->count - from, (u32)VFIO_MEDIATE_RING_BATCH,
		  distance(ring, from, to));

	return *n ? vfio_mediate_read(dev, iova_of(ring, from), batch,
				      *n * ring->type->desc_size) : 0;
}

/* The first outstanding descriptor was completed. The caller marks the descriptor itself. */
static void complete_desc(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			  const void *desc)
{
	mark_buffers(dev, ring, ring->next_to_clean, desc);
	if (ring->next_to_mark == ring->next_to_clean)
		ring->next_to_mark = next_of(ring, ring->next_to_mark);
	ring->next_to_clean = next_of(ring, ring->next_to_clean);
}

static int post_buffers(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			void *batch, u32 tail)
{
	u32 first = ring->next_to_clean, size = ring->type->desc_size, n, i;
	int ret;

	while (ring->tail != tail) {
		ret = read_descs(dev, ring, batch, ring->tail, tail, &n);
		if (ret)
			return ret;
		for (i = 0; i < n; i++) {
			/* A ring is never full: the driver has got this descriptor back. */
			if (next_of(ring, ring->tail) == ring->next_to_clean)
				complete_desc(dev, ring, NULL);
			memcpy(posted_at(ring, ring->tail), batch + i * size, size);
			ring->tail = next_of(ring, ring->tail);
		}
	}
	mark_descs(dev, ring, first, ring->next_to_clean);

	return 0;
}

/**
 * vfio_mediate_ring_post() - Note what the driver posts
 * @dev:	The device.
 * @ring:	The ring, enabled.
 * @batch:	Buffer for VFIO_MEDIATE_RING_BATCH descriptors.
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
int vfio_mediate_ring_post(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			   void *batch, u32 tail)
{
	if (tail >= ring->count)
		return -ERANGE;
	if (ring->posted)
		return post_buffers(dev, ring, batch, tail);

	ring->outstanding += distance(ring, ring->tail, tail);
	ring->tail = tail;

	return 0;
}

/**
 * vfio_mediate_ring_begin() - Track a ring
 * @dev:	The device.
 * @ring:	The ring. Members type, base, count, format and writeback are set, and
 *		next_to_clean to the head of the device. All others are zero.
 * @batch:	Buffer for VFIO_MEDIATE_RING_BATCH descriptors.
 * @tail:	Tail of the device.
 *
 * Called when the ring is in use, or about to be enabled. A ring without descriptors is
 * not tracked. The device does not write descriptors of a ring with buffers meanwhile.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: success.
 * * -EINVAL: the head is not in the ring.
 * * -ERANGE: the tail is not in the ring.
 * * -ENOMEM: out of memory.
 * * Other negative errno of vfio_mediate_read().
 */
int vfio_mediate_ring_begin(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			    void *batch, u32 tail)
{
	if (!ring->count)
		return 0;
	if (ring->next_to_clean >= ring->count)
		return -EINVAL;
	if (tail >= ring->count)
		return -ERANGE;
	if (ring->type->buffers) {
		ring->posted = kvcalloc(ring->count, ring->type->desc_size, GFP_KERNEL);
		if (!ring->posted)
			return -ENOMEM;
	}
	ring->tail = ring->next_to_clean;
	ring->next_to_mark = ring->next_to_clean;
	ring->enabled = true;

	return vfio_mediate_ring_post(dev, ring, batch, tail);
}

static int scan_buffers(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			void *batch, u32 head, bool stopped)
{
	u32 first = ring->next_to_clean, size = ring->type->desc_size, n, i;
	int ret;

	if (distance(ring, ring->next_to_clean, head) >
	    distance(ring, ring->next_to_clean, ring->tail))
		return -EINVAL;

	ret = read_descs(dev, ring, batch, ring->next_to_clean, head, &n);
	if (ret)
		return ret;
	for (i = 0; i < n && ring->type->done(batch + i * size, ring->format); i++)
		complete_desc(dev, ring, batch + i * size);
	mark_descs(dev, ring, first, ring->next_to_clean);
	if (i == n && ring->next_to_clean != head)
		return 1;

	/*
	 * The device may still write to buffers up to the head: mark them, and again once
	 * their descriptors are written. If it is stopped, this is final.
	 */
	if (stopped)
		ring->next_to_mark = ring->next_to_clean;
	mark_descs(dev, ring, ring->next_to_mark, head);
	for (; ring->next_to_mark != head; ring->next_to_mark = next_of(ring, ring->next_to_mark))
		mark_buffers(dev, ring, ring->next_to_mark, NULL);
	if (stopped)
		ring->next_to_clean = head;

	return 0;
}

/* The device may write a descriptor that it has completed at any time until it is stopped. */
static void scan_completed(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			   u32 head, u64 writeback, bool stopped)
{
	u32 left = distance(ring, head, ring->tail);
	u32 completed = ring->outstanding - left;

	if (stopped || completed >= ring->count)
		mark_all_descs(dev, ring);
	else
		mark_descs(dev, ring, ring->next_to_clean, head);
	if (ring->writeback != writeback)
		mark_writeback(dev, ring);
	ring->writeback = writeback;
	if (stopped || completed)
		mark_writeback(dev, ring);
	ring->next_to_clean = head;
	ring->outstanding = left;
}

/**
 * vfio_mediate_ring_scan() - Mark buffers and descriptors that were written
 * @dev:	The device.
 * @ring:	The ring, enabled.
 * @batch:	Buffer for VFIO_MEDIATE_RING_BATCH descriptors.
 * @head:	Head of the device.
 * @writeback:	IOVA at which the device writes the head, or 0.
 * @stopped:	The device writes no more: mark all that it may have written.
 *
 * The head may be ahead of the device's writes. The driver may have refilled a descriptor,
 * and not moved the tail yet. Each call handles up to VFIO_MEDIATE_RING_BATCH descriptors.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: done.
 * * 1: there is more to mark, call again.
 * * -EINVAL: the head is not in the ring, or the device does not own all descriptors before
 *   it.
 * * Other negative errno of vfio_mediate_read().
 */
int vfio_mediate_ring_scan(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			   void *batch, u32 head, u64 writeback, bool stopped)
{
	if (head >= ring->count)
		return -EINVAL;
	if (ring->posted)
		return scan_buffers(dev, ring, batch, head, stopped);

	scan_completed(dev, ring, head, writeback, stopped);

	return 0;
}

/**
 * vfio_mediate_ring_end() - End the tracking of a ring
 * @dev:	The device.
 * @ring:	The ring, enabled or not.
 *
 * Called when the ring is no longer in use. Mark all that it may have written. Each call
 * handles up to VFIO_MEDIATE_RING_BATCH buffers.
 *
 * Context: Process context, may sleep. The caller serializes all calls.
 * Return:
 * * 0: done. The ring is all zero, but for its type.
 * * 1: there is more to mark, call again.
 */
int vfio_mediate_ring_end(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring)
{
	unsigned int n;

	if (!ring->enabled)
		return 0;

	for (n = 0; ring->posted && ring->next_to_clean != ring->tail; n++) {
		if (n == VFIO_MEDIATE_RING_BATCH)
			return 1;
		complete_desc(dev, ring, NULL);
	}
	mark_all_descs(dev, ring);
	mark_writeback(dev, ring);
	kvfree(ring->posted);
	*ring = (struct vfio_mediate_track){ .type = ring->type };

	return 0;
}
