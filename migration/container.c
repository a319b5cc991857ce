// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that a device has written, reported to its type1 container.
 *
 * The container takes a page for written that was pinned. So each is pinned, and unpinned
 * at once, as a pinned page is in the way of an unmap: type1 calls dma_unmap() and looks
 * again, and after ten attempts that is a BUG(). Hence
 *
 * - pages are pinned by a thread of the kernel's own, never by a task whose time on a CPU
 *   user space decides, and which might lose it between pin and unpin;
 * - dma_unmap() waits until nothing is pinned. Not for ever: type1 holds its
 *   device_list_lock meanwhile, for which another task may wait that holds the lock
 *   that unpinning takes: one that opens or closes a device of the same container, or
 *   unmaps, too. Once dma_unmap() has returned that task goes on, and the unpin is
 *   queued for the lock ahead of the next attempt;
 * - after dma_unmap() nothing is pinned for some time, which is longer each time that
 *   it is called again soon: the attempts of one unmap last for seconds in all,
 *   and nothing is pinned in nearly all of that time;
 * - a task that gets no time on a CPU may be so late with each attempt that it meets a page
 *   again. How many attempts a task has made is not to be seen, so all that are made in a
 *   container are counted, by each of its devices, and one is forgotten each day. While there
 *   are eight, nothing is pinned, and tracking fails. What a device knows of that ends when it
 *   leaves the container.
 */

#include <linux/hash.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vfio.h>

#include "container.h"
#include "device.h"

/* More than the buffers of an ordinary NIC's rings: a vendor rarely waits for room. */
#define MAX_MARKS	16384
/* Of a part: doorbells have to wait for it. */
#define PART_PAGES	VFIO_PIN_PAGES_MAX_ENTRIES
#define UNPIN_JIFFIES	HZ
#define BACKOFF_MS	10
/* Fewer than type1's ten attempts: what is pinned already may take some more. */
#define MAX_UNMAPS	8
#define FORGET_JIFFIES	(24 * 60 * 60 * HZ)
/* When to look whether a closed device has left its container: mostly it has at once */
#define LEFT_FIRST_MS	1
#define LEFT_MS		100
/* For how long marks may wait for room in the list */
#define ROOM_JIFFIES	(10 * HZ)

static struct workqueue_struct *report_wq;

/* Of all containers' devices */
static LIST_HEAD(entered);
/* Innermost, not taken in interrupts: see struct vpm_container. */
static DEFINE_SPINLOCK(container_lock);

/* Of type1's attempts: how many are not forgotten. */
static unsigned int count_unmaps(const struct vpm_container *container, u64 now)
{
	if (now >= container->forgotten)
		return 0;

	return DIV_ROUND_UP_ULL(container->forgotten - now, FORGET_JIFFIES);
}

/*
 * Return: What vfio_pin_pages() does; -EAGAIN when nothing may be pinned now, -EBUSY when
 * not for hours, -ESRCH when the user has ended.
 */
static int pin_and_unpin(struct vpm_container *container, u64 page, unsigned int n)
{
	struct vfio_device *vdev = &container->vpm->core.vdev;
	u64 iova = page << PAGE_SHIFT, now;
	int ret = 0;

	spin_lock(&container_lock);
	now = get_jiffies_64();
	if (count_unmaps(container, now) >= MAX_UNMAPS)
		ret = -EBUSY;
	else if (now < container->resume)
		ret = -EAGAIN;
	container->pinning = !ret;
	spin_unlock(&container_lock);
	if (ret)
		return ret;

	/* What the device may only write it may have written as well. */
	ret = vfio_pin_pages(vdev, iova, n, IOMMU_WRITE, container->pages);
	if (ret > 0)
		vfio_unpin_pages(vdev, iova, ret);

	spin_lock(&container_lock);
	container->pinning = false;
	spin_unlock(&container_lock);
	wake_up(&container->unpinned);

	/* So type1 says that whoever has mapped the memory has ended. */
	return ret == -ENODEV ? -ESRCH : ret;
}

/* Return: 0 when all is done, or as much as there is @budget for. */
static int report_range(struct vpm_container *container, struct vpm_pages *range,
			unsigned int *budget)
{
	unsigned int batch = VFIO_PIN_PAGES_MAX_ENTRIES, n;
	int ret;

	while (range->first <= range->last && *budget) {
		n = min3(range->last - range->first + 1, (u64)batch, (u64)*budget);
		ret = pin_and_unpin(container, range->first, n);
		if (ret < 0 && ret != -EINVAL && ret != -EPERM)
			return ret;
		if (ret > 0) {
			container->pinned_dirty_scope = true;
			range->first += ret;
			batch = min(2 * n, VFIO_PIN_PAGES_MAX_ENTRIES);
		} else if (n > 1) {
			/* All of them or none: find the one that cannot be pinned. */
			batch = n / 2;
		} else {
			range->first++;
		}
		*budget -= ret > 0 ? ret : 1;
		cond_resched();
	}

	return 0;
}

static int report_part(struct vpm_container *container)
{
	unsigned int budget = PART_PAGES, done;
	int ret = 0;

	for (done = 0; done < container->count && budget; done++) {
		ret = report_range(container, &container->marks[done], &budget);
		if (ret || container->marks[done].first <= container->marks[done].last)
			break;
	}
	container->count -= done;
	memmove(container->marks, container->marks + done,
		container->count * sizeof(*container->marks));

	if (ret == -EAGAIN)
		return 0;

	return ret ?: !!container->count;
}

static void report_work(struct work_struct *work)
{
	struct vpm_container *container = container_of(work, struct vpm_container, work);

	container->result = report_part(container);
}

int vpm_container_report(struct vpm_container *container)
{
	lockdep_assert_held(&container->vpm->vendor.lock);

	if (!container->count)
		return 0;
	if (current->flags & PF_KTHREAD)
		return report_part(container);

	queue_work(report_wq, &container->work);
	flush_work(&container->work);

	return container->result;
}

bool vpm_container_pending(const struct vpm_container *container)
{
	lockdep_assert_held(&container->vpm->vendor.lock);

	return container->count;
}

void vpm_container_forget(struct vpm_container *container)
{
	lockdep_assert_held(&container->vpm->vendor.lock);

	container->count = 0;
}

static int compare(const void *one, const void *two)
{
	const struct vpm_pages *a = one, *b = two;

	if (a->first < b->first)
		return -1;

	return a->first > b->first;
}

/* Neighbours as one, and what was marked twice once */
static void merge(struct vpm_container *container)
{
	struct vpm_pages *to = container->marks, *from;

	sort(container->marks, container->count, sizeof(*to), compare, NULL);
	for (from = to + 1; from < container->marks + container->count; from++)
		if (from->first <= to->last + 1)
			to->last = max(to->last, from->last);
		else
			*++to = *from;
	container->count = to + 1 - container->marks;
}

static int make_room(struct vpm_container *container)
{
	u64 end = get_jiffies_64() + ROOM_JIFFIES;
	int ret = 0;

	if (container->count == MAX_MARKS)
		merge(container);
	while (container->count == MAX_MARKS && ret >= 0) {
		if (time_after64(get_jiffies_64(), end))
			return -EBUSY;
		ret = vpm_container_report(container);
		/* Nothing may be pinned now. */
		if (!ret && container->count == MAX_MARKS)
			schedule_timeout_uninterruptible(1);
	}

	return min(ret, 0);
}

static bool covers(const struct vpm_pages *mark, const struct vpm_pages *range)
{
	return mark->first <= range->first && mark->last >= range->last;
}

/* Of the last page of a mark, or the next one */
static bool extend(struct vpm_pages *mark, const struct vpm_pages *range)
{
	if (range->first < mark->first || range->first > mark->last + 1)
		return false;
	mark->last = max(mark->last, range->last);

	return true;
}

int vpm_container_mark(struct vpm_container *container, u64 first, u64 last)
{
	struct vpm_pages range = { first >> PAGE_SHIFT, last >> PAGE_SHIFT }, *mark;
	u16 *place;
	int ret;

	lockdep_assert_held(&container->vpm->vendor.lock);

	if (last - first >= VFIO_MEDIATE_MARK_MAX)
		return -E2BIG;

	/* A ring has the same pages used again and again, in the same order. */
	place = &container->places[hash_64(range.first, VPM_CONTAINER_PLACES)];
	mark = container->marks + *place;
	if (*place < container->count && covers(mark, &range))
		return 0;

	if (container->count && extend(&container->marks[container->count - 1], &range)) {
		*place = container->count - 1;
		return 0;
	}

	ret = make_room(container);
	if (ret)
		return ret;
	*place = container->count;
	container->marks[container->count++] = range;

	return 0;
}

/* One call at a time: type1 has its list of devices locked. */
void vpm_container_unmap(struct vpm_container *container)
{
	unsigned long off;
	u64 now;

	spin_lock(&container_lock);
	now = get_jiffies_64();
	off = msecs_to_jiffies(BACKOFF_MS << count_unmaps(container, now));
	container->forgotten = min(max(container->forgotten, now) + FORGET_JIFFIES,
				   now + (u64)MAX_UNMAPS * FORGET_JIFFIES);
	container->resume = now + UNPIN_JIFFIES + off;
	spin_unlock(&container_lock);

	wait_event_timeout(container->unpinned, !READ_ONCE(container->pinning),
			   UNPIN_JIFFIES);

	spin_lock(&container_lock);
	container->resume = get_jiffies_64() + off;
	spin_unlock(&container_lock);
}

/*
 * type1 attaches a device to a domain until it leaves the container. The next one may be at the
 * same address: so that is looked at while the device is closed, too.
 */
static bool has_left(struct vpm_container *container)
{
	return container->domain !=
	       iommu_get_domain_for_dev(&container->vpm->core.pdev->dev);
}

static void leave(struct vpm_container *container)
{
	container->pinned_dirty_scope = false;
	container->domain = NULL;
	spin_lock(&container_lock);
	list_del_init(&container->entry);
	container->forgotten = 0;
	spin_unlock(&container_lock);
}

/* Unless more than one domain had to be made for it, all of a container have the same. */
static void join(struct vpm_container *container, const void *domain)
{
	struct vpm_container *other;

	spin_lock(&container_lock);
	list_for_each_entry(other, &entered, entry)
		if (other->domain == domain)
			container->forgotten = max(container->forgotten, other->forgotten);
	container->domain = domain;
	list_move(&container->entry, &entered);
	spin_unlock(&container_lock);
}

static void left_later(struct vpm_container *container, unsigned int ms)
{
	queue_delayed_work(vpm_wq, &container->left_work, msecs_to_jiffies(ms));
}

static void left_work(struct work_struct *work)
{
	struct vpm_container *container = container_of(to_delayed_work(work),
						       struct vpm_container, left_work);

	if (has_left(container))
		leave(container);
	else
		left_later(container, LEFT_MS);
}

void vpm_container_enter(struct vpm_container *container)
{
	cancel_delayed_work_sync(&container->left_work);
	if (has_left(container))
		leave(container);
	join(container, iommu_get_domain_for_dev(&container->vpm->core.pdev->dev));
}

void vpm_container_close(struct vpm_container *container)
{
	if (container->domain)
		left_later(container, LEFT_FIRST_MS);
}

void vpm_container_release(struct vpm_container *container)
{
	cancel_delayed_work_sync(&container->left_work);
	leave(container);
}

void vpm_container_teardown(struct vpm_container *container)
{
	kfree(container->pages);
	container->pages = NULL;
	kvfree(container->marks);
	container->marks = NULL;
	container->count = 0;
}

int vpm_container_setup(struct vpm_container *container)
{
	if (container->marks && container->pages)
		return 0;

	vpm_container_teardown(container);
	container->marks = kvmalloc_array(MAX_MARKS, sizeof(*container->marks),
					  GFP_KERNEL_ACCOUNT);
	container->pages = kmalloc_array(VFIO_PIN_PAGES_MAX_ENTRIES,
					 sizeof(*container->pages), GFP_KERNEL_ACCOUNT);

	return container->marks && container->pages ? 0 : -ENOMEM;
}

void vpm_container_init(struct vpm_container *container, struct vpm_device *vpm)
{
	container->vpm = vpm;

	init_waitqueue_head(&container->unpinned);
	INIT_LIST_HEAD(&container->entry);
	INIT_DELAYED_WORK(&container->left_work, left_work);
	INIT_WORK(&container->work, report_work);
}

int vpm_container_load(void)
{
	report_wq = alloc_workqueue("vpm-report", WQ_UNBOUND, 0);

	return report_wq ? 0 : -ENOMEM;
}

void vpm_container_unload(void)
{
	destroy_workqueue(report_wq);
}
