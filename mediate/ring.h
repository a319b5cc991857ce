/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to vfio_mediate: rings in a guest's memory, and the memory written through them. */

#ifndef VFIO_MEDIATE_RING_H
#define VFIO_MEDIATE_RING_H

#include <linux/types.h>

struct vfio_mediate_device;
struct vfio_mediate_ring;

/* Number of descriptors read from the guest's memory at once */
#define VFIO_MEDIATE_RING_BATCH		64

/**
 * struct vfio_mediate_track - Ring that is tracked
 * @type:		Description of the ring.
 * @enabled:		The ring is tracked. Otherwise all members but @type are zero.
 * @base:		IOVA of the descriptors.
 * @count:		Number of descriptors, not 0.
 * @format:		Value of the register VFIO_MEDIATE_ROLE_FORMAT.
 * @tail:		Descriptor after the last one that the device owns.
 * @next_to_clean:	First descriptor that is not known to be completed. All before it are
 *			marked. Equal to @tail if the device owns none.
 * @next_to_mark:	With buffers: first descriptor whose buffers are not marked at all. Marks
 *			from @next_to_clean up to here are provisional: the device may still
 *			be writing.
 * @outstanding:	Without buffers: number of descriptors posted and not known to be
 *			completed. Larger than @count if the driver has gone round the ring since.
 * @writeback:		IOVA at which the device writes the head, or 0.
 * @posted:		With buffers: copies of the descriptors from @next_to_clean to @tail, as
 *			the driver posted them.
 */
struct vfio_mediate_track {
	const struct vfio_mediate_ring *type;
	bool enabled;
	u64 base;
	u32 count;
	u32 format;
	u32 tail;
	u32 next_to_clean;
	u32 next_to_mark;
	u32 outstanding;
	u64 writeback;
	u8 *posted;
};

int vfio_mediate_ring_begin(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			    void *batch, u32 tail);
int vfio_mediate_ring_post(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			   void *batch, u32 tail);
int vfio_mediate_ring_scan(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring,
			   void *batch, u32 head, u64 writeback, bool stopped);
int vfio_mediate_ring_end(struct vfio_mediate_device *dev, struct vfio_mediate_track *ring);

#endif /* VFIO_MEDIATE_RING_H */
