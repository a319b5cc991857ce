/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings in a guest's memory, and the memory that a VF writes through them. */

#ifndef SAMPLE_NIC_DIRTY_RING_H
#define SAMPLE_NIC_DIRTY_RING_H

#include <linux/types.h>

#include "regs.h"

struct vfio_mediate_device;

/* Number of descriptors read from the guest's memory at once */
#define NIC_DIRTY_BATCH		64

/**
 * struct nic_posted - Buffers of a receive descriptor
 * @pkt:	IOVA of the packet buffer.
 * @hdr:	IOVA of the header buffer, if there is one.
 */
struct nic_posted {
	u64 pkt;
	u64 hdr;
};

/**
 * struct nic_dirty_ring - One direction of a VF's queue pair
 * @enabled:		The ring is tracked. Otherwise all members are zero.
 * @base:		IOVA of the descriptors.
 * @count:		Number of descriptors, not 0.
 * @srrctl:		Receive: size and type of the buffers.
 * @tail:		Descriptor after the last one that the device owns.
 * @next_to_clean:	First descriptor that is not known to be written back. All before it
 *			are marked. Equal to @tail if the device owns none.
 * @next_to_mark:	Receive: first descriptor whose buffers are not marked at all. Marks
 *			from @next_to_clean up to here are provisional: the device may still
 *			be writing.
 * @outstanding:	Transmit: number of descriptors posted and not known to be sent. Larger
 *			than @count if the driver has gone round the ring since.
 * @head_wb:		Transmit: TDWBAL and TDWBAH as last read: address of the head
 *			write-back. Bit 0 enables it.
 * @posted:		Receive: buffers of the descriptors from @next_to_clean to @tail.
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

int nic_dirty_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		       union nic_rx_desc *desc, u32 tail);
int nic_dirty_rx_post(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 tail);
int nic_dirty_rx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring,
		      union nic_rx_desc *desc, u32 head, bool stopped);
int nic_dirty_tx_begin(struct nic_dirty_ring *ring);
int nic_dirty_tx_post(struct nic_dirty_ring *ring, u32 tail);
int nic_dirty_tx_scan(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 head,
		      u64 head_wb, bool stopped);
int nic_dirty_ring_end(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring);

#endif /* SAMPLE_NIC_DIRTY_RING_H */
