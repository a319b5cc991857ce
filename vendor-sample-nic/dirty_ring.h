/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors in a guest's memory, and what a VF writes there. Knows of no registers.
 */

#ifndef SAMPLE_NIC_DIRTY_RING_H
#define SAMPLE_NIC_DIRTY_RING_H

#include <linux/types.h>

#include "regs.h"

struct vfio_mediate_device;

/* Of those that are read from the guest's memory at once */
#define NIC_DIRTY_BATCH		64

/**
 * struct nic_posted - Buffers of a receive descriptor
 * @pkt:	Where its packet buffer is.
 * @hdr:	Where its header buffer is, if it has one.
 */
struct nic_posted {
	u64 pkt;
	u64 hdr;
};

/**
 * struct nic_dirty_ring - One direction of a VF's queue
 * @enabled:		It is enabled, and the rest is valid.
 * @base:	Where the descriptors are.
 * @count:	Number of descriptors, not 0.
 * @srrctl:	Receive: size and kind of the buffers.
 * @tail:	Up to here the device has been given descriptors.
 * @next_to_clean:	Up to here it is known that it has given them back, and they are marked.
 *		Equal to @tail when it has none.
 * @next_to_mark:	Receive: up to here the device was seen to have got, and what it may have
 *		written until then is marked; where it is ahead of @next_to_clean, not for good.
 * @outstanding:	Transmit: how many it has been given since @next_to_clean was found.
 * @head_wb:	Transmit: where the device writes its head to, as it was seen last, and in
 *		the lowest bit whether it does.
 * @posted:	Receive: buffers of those from @next_to_clean to @tail.
 */
struct nic_dirty_ring {
	bool enabled;
	u64 base;
	u32 count;
	u32 srrctl;
	u32 tail;
	u32 next_to_clean;
	u32 next_to_mark;
	u32 outstanding;
	u64 head_wb;
	struct nic_posted *posted;
};

/**
 * nic_dirty_rx_begin() - A receive ring is in use, or about to be
 * @dev:	The VF.
 * @ring:	All zero but for base, count, srrctl, and the device's head as clean.
 * @desc:	Room for NIC_DIRTY_BATCH descriptors.
 * @tail:	The device's.
 *
 * A ring of no descriptors stays off.
 *
 * Return: 0, -EINVAL for a head and -ERANGE for a tail that are not in the ring, -ENOMEM,
 * or what reading failed with.
 */
int nic_dirty_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		       union nic_rx_desc *desc, u32 tail);

/**
 * nic_dirty_rx_post() - The device is about to get the descriptors up to a new tail
 * @dev:	The VF.
 * @ring:	Its ring, on.
 * @desc:	Room for NIC_DIRTY_BATCH descriptors.
 * @tail:	The new tail.
 *
 * Return: 0, -ERANGE for a tail that is not in the ring, or what reading failed with.
 */
int nic_dirty_rx_post(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 tail);

/**
 * nic_dirty_rx_scan() - Mark what the device has given back
 * @dev:	The VF.
 * @ring:	Its ring, on.
 * @desc:	Room for NIC_DIRTY_BATCH descriptors.
 * @head:	The device's.
 * @stopped:	It writes no more: mark all that it may have written.
 *
 * Its head may be ahead of what it has written; and its driver may have prepared a
 * descriptor for new use, but not moved the tail.
 *
 * Return: 0; 1 when there is more, after NIC_DIRTY_BATCH of them at most; -EINVAL for a
 * head that is not among what the device has been given, or what reading failed with.
 */
int nic_dirty_rx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 head, bool stopped);

/**
 * nic_dirty_tx_begin() - A transmit ring is in use, or about to be
 * @ring:	All zero but for base, count, the device's tail, its head as clean, and
 *		head_wb.
 *
 * A ring of no descriptors stays off.
 *
 * Return: 0, or -EINVAL for a head or tail that are not in the ring.
 */
int nic_dirty_tx_begin(struct nic_dirty_ring *ring);

/**
 * nic_dirty_tx_post() - The device is about to get the descriptors up to a new tail
 * @ring:	A ring, on.
 * @tail:	The new tail.
 *
 * Return: 0, or -ERANGE for a tail that is not in the ring.
 */
int nic_dirty_tx_post(struct nic_dirty_ring *ring, u32 tail);

/**
 * nic_dirty_tx_scan() - Mark what the device has sent
 * @dev:	The VF.
 * @ring:	Its ring, on.
 * @head:	The device's.
 * @head_wb:	See struct nic_dirty_ring: as it is now.
 * @stopped:	It writes no more: mark all that it may have written.
 *
 * Return: 0, or -EINVAL for a head that is not in the ring.
 */
int nic_dirty_tx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 head,
		      u64 head_wb, bool stopped);

/**
 * nic_dirty_ring_end() - Forget a ring that is not in use any more
 * @dev:	The VF.
 * @ring:	Its ring, on or not. What it may have written is marked first.
 *
 * Return: 0, or 1 when there is more to be marked, after NIC_DIRTY_BATCH buffers.
 */
int nic_dirty_ring_end(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring);

#endif /* SAMPLE_NIC_DIRTY_RING_H */
