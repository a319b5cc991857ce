/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vendor tracks the memory that its devices write by DMA. Included by
 * vfio_mediate.h.
 */

#ifndef VFIO_MEDIATE_TRACKING_OPS_H
#define VFIO_MEDIATE_TRACKING_OPS_H

#include <linux/bits.h>
#include <linux/types.h>

struct vfio_mediate_device;

/**
 * struct vfio_mediate_tracking_ops - Tracking of the DMA writes of a device
 *
 * The vendor calls vfio_mediate_mark() for memory that the device has written. Marking too
 * much is allowed, marking too little loses guest memory. Mark a page after the device has
 * written it: a mark that comes before the write does not count. Addresses, descriptors
 * and ring contents come from the guest: validate them.
 *
 * All callbacks are required. &vfio_pci_mediate_ops.release may be called without a
 * preceding @stop.
 *
 * Context: Process context, may sleep. Calls for one device are serialized with each other
 * and with accesses to trapped pages in &vfio_pci_mediate_ops.rw. Data that only these use
 * needs no lock. Callbacks of &struct vfio_mediate_migration_ops may run at the same
 * time. The callbacks may call vfio_mediate_read(), vfio_mediate_write(),
 * vfio_mediate_mark(), vfio_mediate_mark_all(), vfio_mediate_default_rw() and
 * vfio_mediate_signal(). They must not call vfio_mediate_trap(), register or unregister
 * ops, or take mmap_lock.
 */
struct vfio_mediate_tracking_ops {
	/**
	 * @start: Start to track the device.
	 *
	 * Called when user space starts DMA logging, or starts to save the running device
	 * in a type1 container. The pages of &vfio_mediate_device.traps are trapped by
	 * then. Include memory whose addresses the device already holds, for example
	 * posted receive buffers.
	 *
	 * Also called after a reset of a tracked device, without @stop in between. Mark
	 * all memory that the device may have written before the reset, then start again.
	 *
	 * Return:
	 *
	 * * 0: tracking has started.
	 * * Negative errno: the writes of the device cannot be known. User space gets the
	 *   errno, or all memory is reported dirty.
	 */
	int (*start)(struct vfio_mediate_device *dev);

	/**
	 * @stop: Stop tracking. Pages may remain trapped.
	 */
	void (*stop)(struct vfio_mediate_device *dev);

	/**
	 * @scan: Mark what the device has written and is not marked yet.
	 *
	 * Called periodically, unless a migration has the device stopped, before a tracked
	 * device is saved once more, and before dirty pages are reported to user space. While
	 * the device runs, mark every write by the next call. Once it is stopped or quiesced,
	 * mark all remaining writes.
	 *
	 * Do lengthy work in parts and return 1 in between. Accesses to trapped pages,
	 * which wait for @scan, are served before the next call.
	 *
	 * Return:
	 *
	 * * 0: done.
	 * * 1: call again at once.
	 * * Negative errno: the writes of the device cannot be known. A migration with a
	 *   type1 container fails, and the next one starts tracking again. With DMA logging,
	 *   all memory is reported dirty until tracking is started again.
	 */
	int (*scan)(struct vfio_mediate_device *dev);
};

/**
 * struct vfio_mediate_iova_range - Range of the address space of a device
 * @iova:	First byte.
 * @size:	Size in bytes, not 0.
 */
struct vfio_mediate_iova_range {
	u64 iova;
	u64 size;
};

/**
 * struct vfio_mediate_dma_log_ops - DMA logging by the device
 *
 * For a device whose hardware or firmware knows what the device writes. User space controls it by
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_*, also if the device is in a type1 container. No page is
 * trapped, and nothing is called periodically. Where the kernel has no such feature
 * (CONFIG_IOMMUFD_DRIVER), all memory counts as dirty.
 *
 * All callbacks are required. &vfio_pci_mediate_ops.release may be called without a preceding
 * @stop.
 *
 * Context: Process context, may sleep. Calls for one device are serialized with each other.
 * All other callbacks may run at the same time. The callbacks may call
 * vfio_mediate_default_rw() and vfio_mediate_signal(), and @report vfio_mediate_mark().
 * They must not call vfio_mediate_trap(), register or unregister ops, or take mmap_lock.
 */
struct vfio_mediate_dma_log_ops {
	/**
	 * @start: Start to log.
	 *
	 * @ranges are in ascending order and do not overlap. A device that can log fewer ranges
	 * logs what is between them, too. @page_size is the size in bytes that user space
	 * prefers, a power of two. Set it to the size of the pages that the device logs.
	 *
	 * Also called after a reset of a device that logs, without @stop in between. All memory
	 * is reported as dirty then.
	 *
	 * Return: 0 or a negative errno, which user space gets. After a reset, all memory is
	 * reported as dirty from then on.
	 */
	int (*start)(struct vfio_mediate_device *dev,
		     const struct vfio_mediate_iova_range *ranges, unsigned int num_ranges,
		     u64 *page_size);

	/**
	 * @stop: Stop to log.
	 */
	void (*stop)(struct vfio_mediate_device *dev);

	/**
	 * @report: Mark what the device has written in a range, and forget it.
	 *
	 * Call vfio_mediate_mark() for memory that the device has written since @start or the
	 * last report of it. What is marked outside of the range is reported later. Once the
	 * device is stopped or quiesced, mark all that it has written.
	 *
	 * Return: 0 or a negative errno. All memory is reported as dirty after an error.
	 */
	int (*report)(struct vfio_mediate_device *dev, u64 iova, u64 size);
};

/**
 * define VFIO_MEDIATE_MARK_MAX - Largest size of vfio_mediate_mark(), in bytes
 */
#define VFIO_MEDIATE_MARK_MAX	BIT_ULL(40)

/**
 * vfio_mediate_mark() - Mark memory dirty
 * @dev:	The device, which has written the memory.
 * @iova:	IOVA of the first byte.
 * @size:	Number of bytes, 0 to VFIO_MEDIATE_MARK_MAX.
 *
 * Bytes beyond the end of the address space and memory that the device cannot write are
 * ignored. A type1 container does not tell which memory is mapped, so each page of the
 * range is tried: keep ranges small.
 *
 * A type1 container learns of marks later, and in parts. It learns of all marks made before
 * the device was stopped before user space sees the device in the new state.
 *
 * If marking fails, the writes of the device cannot be known: see
 * &vfio_mediate_tracking_ops.scan.
 *
 * Context: Process context, sleeps. Only from callbacks of &struct
 * vfio_mediate_tracking_ops, from &vfio_pci_mediate_ops.rw for an access to a trapped page
 * while the device is tracked, and from &vfio_mediate_dma_log_ops.report. Not from reads of
 * registers by which a shadow page is filled. Does nothing when called from elsewhere.
 */
void vfio_mediate_mark(struct vfio_mediate_device *dev, u64 iova, u64 size);

/**
 * vfio_mediate_mark_all() - Mark all memory dirty
 * @dev:	The device, which may have written any memory.
 *
 * The next report of VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT covers all memory. A type1
 * container cannot be told: a migration with one fails with -E2BIG.
 *
 * Context: Same as vfio_mediate_mark().
 */
void vfio_mediate_mark_all(struct vfio_mediate_device *dev);

#endif /* VFIO_MEDIATE_TRACKING_OPS_H */
