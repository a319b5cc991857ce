/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VF writes to its guest's memory.
 */

#ifndef SAMPLE_NIC_DIRTY_H
#define SAMPLE_NIC_DIRTY_H

#include <linux/types.h>

#include "regs.h"

struct nic;
struct nic_mediated;
struct vfio_mediate_access;
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
 * @on:		It is enabled, and the rest is valid.
 * @base:	Where the descriptors are.
 * @count:	Number of descriptors, not 0.
 * @srrctl:	Receive: size and kind of the buffers.
 * @tail:	Up to here the device has been given descriptors.
 * @clean:	Up to here it is known that it has given them back, and they are marked.
 *		Equal to @tail when it has none.
 * @seen:	Receive: up to here the device was seen to have got, and what it may have
 *		written until then is marked; where it is ahead of @clean, not for good.
 * @given:	Transmit: how many it has been given since @clean was found.
 * @posted:	Receive: buffers of those from @clean to @tail.
 */
struct nic_dirty_ring {
	bool on;
	u64 base;
	u32 count;
	u32 srrctl;
	u32 tail;
	u32 clean;
	u32 seen;
	u32 given;
	struct nic_posted *posted;
};

/**
 * struct nic_dirty - What is known of a VF while it is tracked
 * @rx:		Receive queues.
 * @tx:		Transmit queues.
 * @error:	Something happened after which nothing is known.
 * @desc:	Descriptors as they are in the guest's memory.
 */
struct nic_dirty {
	struct nic_dirty_ring rx[2];
	struct nic_dirty_ring tx[2];
	int error;
	union nic_rx_desc desc[NIC_DIRTY_BATCH];
};

extern const struct vfio_mediate_tracking_ops nic_tracking_ops;
int nic_dirty_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);
void nic_dirty_free(struct nic_mediated *m);

#endif /* SAMPLE_NIC_DIRTY_H */
