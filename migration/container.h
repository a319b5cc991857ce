/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports of dirty pages to a type1 container.
 */

#ifndef VFIO_MEDIATE_CONTAINER_H
#define VFIO_MEDIATE_CONTAINER_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct page;
struct vpm_device;

/**
 * struct vpm_pages - A range of pages
 * @first:	Number of the first page.
 * @last:	Number of the last page.
 */
struct vpm_pages {
	u64 first;
	u64 last;
};

/**
 * vpm_has_container() - Check whether a type1 container provides the memory of a device
 * @vdev:	The device, open.
 *
 * Return: True if it does. False if an iommufd does.
 */
static inline bool vpm_has_container(const struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return !vdev->iommufd_device;
#else
	return true;
#endif
}

/* log2 of the number of entries of &vpm_container.mark_index */
#define VPM_CONTAINER_HASH_BITS	10

/**
 * struct vpm_container - A device as seen by its type1 container, and the marks to report
 * @vpm:	The device.
 * @marks:	Marked page ranges that were not reported yet, unordered. Allocated when the device
 *		is tracked first, freed when it is closed.
 * @count:	Number of @marks.
 * @mark_index:	Index into @marks by the hash of a page. Only a hint: reports move the marks.
 * @pages:	Result of vfio_pin_pages().
 * @work:	Reports a part of @marks on behalf of a user-space task.
 * @result:	Return value of @work, see vpm_container_report().
 * @pinned_dirty_scope: The container was told of a page. Until the device leaves the container, the
 *		container reports pinned pages only. Kept when the device is closed, since a closed
 *		device may still be in the container.
 * @domain:	IOMMU domain of the device at the last open. Only compared, never dereferenced: the
 *		domain may be freed.
 * @leave_work:	Checks whether the closed device has left the container.
 * @entry:	Entry in the list of devices of all containers.
 * @pinning:	Pages are pinned or about to be pinned.
 * @pin_after:	Time in jiffies before which no page may be pinned.
 * @unmap_expiry: Time in jiffies at which all unmap attempts of type1 have expired.
 * @unpinned:	Wait queue, woken when @pinning becomes false.
 *
 * A spinlock in container.c, the innermost lock, protects @entry, @pinning, @pin_after and
 * @unmap_expiry. Open and close, which are serialized, own @domain and @leave_work. They also own
 * @pinned_dirty_scope while the device is closed. The vendor lock protects all other members. @work
 * runs only while a holder of the vendor lock waits for it.
 */
struct vpm_container {
	struct vpm_device *vpm;
	struct vpm_pages *marks;
	unsigned int count;
	u16 mark_index[1 << VPM_CONTAINER_HASH_BITS];
	struct page **pages;
	struct work_struct work;
	int result;
	bool pinned_dirty_scope;
	const void *domain;
	struct delayed_work leave_work;
	struct list_head entry;
	bool pinning;
	u64 pin_after;
	u64 unmap_expiry;
	wait_queue_head_t unpinned;
};

/**
 * vpm_container_init() - Initialize the container state of a device
 * @container:	The zeroed container state.
 * @vpm:	The device, not yet registered with VFIO.
 *
 * Context: Any.
 */
void vpm_container_init(struct vpm_container *container, struct vpm_device *vpm);

/**
 * vpm_container_release() - Undo vpm_container_init()
 * @container:	The container state of a device that cannot be opened any more.
 *
 * Context: Process context, may sleep.
 */
void vpm_container_release(struct vpm_container *container);

/**
 * vpm_container_enter() - Note the container of a device that is being opened
 * @container:	The container state of the device. The device may be in its previous container, in
 *		another container, or in none.
 *
 * Context: Process context, may sleep.
 */
void vpm_container_enter(struct vpm_container *container);

/**
 * vpm_container_close() - Start checks whether a closed device leaves its container
 * @container:	The container state of a device that is being closed and is not tracked.
 *
 * Context: Process context.
 */
void vpm_container_close(struct vpm_container *container);

/**
 * vpm_container_setup() - Allocate the memory for marks
 * @container:	The container state of an open device in a type1 container.
 *
 * Does nothing if the memory exists. Call vpm_container_teardown() when the device is closed.
 *
 * Context: Process context, may sleep. The vendor lock is held.
 * Return: 0 or -ENOMEM.
 */
int vpm_container_setup(struct vpm_container *container);

/**
 * vpm_container_teardown() - Undo vpm_container_setup()
 * @container:	The container state of a device that is not tracked.
 *
 * Context: Process context, may sleep.
 */
void vpm_container_teardown(struct vpm_container *container);

/**
 * vpm_container_mark() - Mark pages dirty
 * @container:	The container state of the device.
 * @first:	IOVA of the first byte.
 * @last:	IOVA of the last byte, not before @first.
 *
 * vpm_container_report() reports the pages later. If there is no room for the mark, other marks are
 * reported first.
 *
 * Context: Process context, may sleep. The vendor lock is held.
 * Return:
 * * %0: The pages are marked.
 * * %-E2BIG: The range has more than VFIO_MEDIATE_MARK_MAX bytes.
 * * %-EBUSY: User space keeps unmapping memory, so no page can be pinned.
 * * Another errno of vpm_container_report().
 */
int vpm_container_mark(struct vpm_container *container, u64 first, u64 last);

/**
 * vpm_container_report() - Report a part of the marked pages to the container
 * @container:	The container state of the device.
 *
 * Drops pages that are not mapped or not mapped writable: the device cannot write to them. Also
 * drops pages without a struct page: type1 cannot pin them, and returns the same error as for
 * pages that are not mapped.
 *
 * Context: Process context, may sleep. The vendor lock is held.
 * Return:
 * * %1: More pages are to be reported.
 * * %0: All pages are reported, or no page may be pinned now.
 * * %-EBUSY: No page may be pinned for hours.
 * * %-ESRCH: The task that mapped the memory has exited.
 * * Another errno of vfio_pin_pages().
 */
int vpm_container_report(struct vpm_container *container);

/**
 * vpm_container_pending() - Check for marks that were not reported yet
 * @container:	The container state of the device.
 *
 * Context: Process context. The vendor lock is held.
 * Return: True if there are such marks.
 */
bool vpm_container_pending(const struct vpm_container *container);

/**
 * vpm_container_drop_marks() - Drop all marks without reporting them
 * @container:	The container state of the device.
 *
 * Context: Process context. The vendor lock is held.
 */
void vpm_container_drop_marks(struct vpm_container *container);

/**
 * vpm_container_unmap() - Wait until no page is pinned, since type1 removes a mapping
 * @container:	The container state of the device, open or not.
 *
 * Waits at most a second for pinned pages. No page is pinned for some time after the return. Each
 * call makes that time longer. After eight calls no page is pinned for hours, and tracking fails.
 * One call expires per day. All expire when the device leaves its container.
 *
 * Context: Process context, may sleep. Called for &vfio_device_ops.dma_unmap. device_list_lock of
 * type1 is held.
 */
void vpm_container_unmap(struct vpm_container *container);

/**
 * vpm_container_is_alone() - Check whether a device is the only one of its IOMMU group
 * @container:	The container state of the device, open.
 *
 * A container keeps its dirty scope per group, so other devices would have to be tracked, too.
 *
 * Context: Process context, may sleep.
 * Return: True if the group has one device.
 */
bool vpm_container_is_alone(const struct vpm_container *container);

/**
 * vpm_container_load() - Allocate module-wide resources
 *
 * Context: Process context, at module load.
 * Return: 0 or -ENOMEM.
 */
int vpm_container_load(void);

/**
 * vpm_container_unload() - Undo vpm_container_load()
 *
 * Context: Process context, at module unload.
 */
void vpm_container_unload(void);

#endif /* VFIO_MEDIATE_CONTAINER_H */
