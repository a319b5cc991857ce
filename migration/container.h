/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that a device has written, reported to its type1 container.
 */

#ifndef VFIO_MEDIATE_CONTAINER_H
#define VFIO_MEDIATE_CONTAINER_H

#include <linux/list.h>
#include <linux/types.h>
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

/* Bits of the hash of a page */
#define VPM_CONTAINER_PLACES	10

/**
 * struct vpm_container - Pages that a type1 container has yet to be told of
 * @vpm:	The device.
 * @marks:	The pages, ranges in any order. Allocated from the first time that the
 *		device is tracked until it is closed.
 * @count:	Number of @marks.
 * @places:	By the hash of a page: where in @marks it may be. Only a hint: marks
 *		that were reported make room for others.
 * @pages:	What vfio_pin_pages() returns.
 * @work:	Reports a part of @marks for a task of user space.
 * @result:	What @work returns: see vpm_container_report().
 * @pinned_dirty_scope:	The container has been told of a page once: from then on until the device
 *		leaves it, it takes for written only what it is told of. Stays when the
 *		device is closed, which need not leave the container.
 * @domain:	What the device was attached to when it was opened last. Only compared: it
 *		may be gone.
 * @left_work:	Looks whether the device has left the container while it is closed.
 * @entry:	Links the devices of all containers.
 * @pinning:	Pages are pinned, or are about to be.
 * @resume:	In jiffies: no page is pinned before.
 * @forgotten:	In jiffies: when all of type1's attempts to unmap are forgotten.
 * @unpinned:	Woken when @pinning becomes false.
 *
 * A spinlock in container.c, the innermost of all, protects @entry, @pinning, @resume and
 * @forgotten. @domain and @left_work belong to open and close, and @pinned_dirty_scope does while the
 * device is closed. The device's vendor lock protects the rest. @work runs only while a task that
 * holds the vendor lock waits for it.
 */
struct vpm_container {
	struct vpm_device *vpm;
	struct vpm_pages *marks;
	unsigned int count;
	u16 places[1 << VPM_CONTAINER_PLACES];
	struct page **pages;
	struct work_struct work;
	int result;
	bool pinned_dirty_scope;
	const void *domain;
	struct delayed_work left_work;
	struct list_head entry;
	bool pinning;
	u64 resume;
	u64 forgotten;
	wait_queue_head_t unpinned;
};

/**
 * vpm_container_init() - Prepare a device, once
 * @container:	Of the device, zeroed.
 * @vpm:	The device, not yet registered with vfio.
 */
void vpm_container_init(struct vpm_container *container, struct vpm_device *vpm);

/**
 * vpm_container_release() - Undo vpm_container_init()
 * @container:	Of the device, which cannot be opened any more.
 */
void vpm_container_release(struct vpm_container *container);

/**
 * vpm_container_enter() - The device is being opened
 * @container:	Of the device, in a container, the last one or another, or in none.
 */
void vpm_container_enter(struct vpm_container *container);

/**
 * vpm_container_close() - The device is being closed
 * @container:	Of the device, not tracked.
 */
void vpm_container_close(struct vpm_container *container);

/**
 * vpm_container_setup() - Prepare for marks
 * @container:	Of the device, open, with a type1 container; vendor lock held.
 *
 * May be called again. vpm_container_teardown() must follow when the device is closed.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_container_setup(struct vpm_container *container);

/**
 * vpm_container_teardown() - Undo vpm_container_setup()
 * @container:	Of the device, not tracked.
 */
void vpm_container_teardown(struct vpm_container *container);

/**
 * vpm_container_mark() - Have pages reported
 * @container:	Of the device; vendor lock held.
 * @first:	First byte.
 * @last:	Last byte, not before @first.
 *
 * The report may come later, with vpm_container_report().
 *
 * Return: 0 or a negative errno:
 * -E2BIG: more than VFIO_MEDIATE_MARK_MAX bytes.
 * -EBUSY: the user unmaps memory all the time, so that no page can be pinned.
 * Others: those of vpm_container_report().
 */
int vpm_container_mark(struct vpm_container *container, u64 first, u64 last);

/**
 * vpm_container_report() - Report a part of what is marked
 * @container:	Of the device; vendor lock held.
 *
 * Pages that are not mapped, or not for writing, are dropped: the device cannot write
 * to them. So are such that have no struct page: type1 can pin none, and does not tell them
 * from those that are not mapped.
 *
 * Return: 1 when there is more to be reported, 0 when there is not, or not now, or a
 * negative errno: -EBUSY when no page may be pinned for hours, -ESRCH when the user has ended,
 * otherwise that of vfio_pin_pages().
 */
int vpm_container_report(struct vpm_container *container);

/**
 * vpm_container_pending() - Is something marked that was not reported?
 * @container:	Of the device; vendor lock held.
 *
 * Return: Whether there is.
 */
bool vpm_container_pending(const struct vpm_container *container);

/**
 * vpm_container_forget() - Report no more of what is marked
 * @container:	Of the device; vendor lock held.
 */
void vpm_container_forget(struct vpm_container *container);

/**
 * vpm_container_unmap() - A mapping is about to go in which pages are pinned
 * @container:	Of the device, open or not.
 *
 * When it returns no page is pinned, unless that takes longer than a second, and no page
 * will be for some time: after eight calls not for hours, so that tracking fails. A call is
 * forgotten each day, and all are once the device has left its container.
 *
 * Context: &vfio_device_ops.dma_unmap: type1's device_list_lock is held.
 */
void vpm_container_unmap(struct vpm_container *container);

/**
 * vpm_container_load() - The module is being loaded
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_container_load(void);

/**
 * vpm_container_unload() - Undo vpm_container_load()
 */
void vpm_container_unload(void);

#endif /* VFIO_MEDIATE_CONTAINER_H */
