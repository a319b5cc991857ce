// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of dirty pages to a type1 container.
 *
 * The container counts a page as dirty that was pinned. So each dirty page is pinned, and unpinned
 * at once. A pinned page blocks an unmap: type1 calls dma_unmap() and checks again. After ten
 * attempts type1 hits a BUG(). The following rules prevent that:
 *
 * - Only kernel threads pin pages. User space controls the CPU time of its own tasks, so such a
 *   task could be delayed between pin and unpin.
 * - dma_unmap() waits until no page is pinned, but only for a limited time. type1 holds its
 *   device_list_lock meanwhile. Another task may wait for that lock and hold the lock that
 *   unpinning takes: a task that opens or closes a device of the same container, or unmaps memory.
 *   That task continues when dma_unmap() returns. The unpin is then queued for its lock ahead of
 *   the next attempt.
 * - After dma_unmap() no page is pinned for some time. That time grows when dma_unmap() is called
 *   again soon. The attempts of one unmap take seconds in total, and no page is pinned during
 *   nearly all of that time.
 * - A task that gets little CPU time may be so late with each attempt that it meets a pinned page
 *   again. The number of attempts of one task is not visible here. So each device counts all
 *   attempts in its container, and one attempt expires per day. While eight attempts are counted,
 *   no page is pinned, and tracking fails. The count is cleared when the device leaves the
 *   container.
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

/* More than the number of buffers in the rings of a typical NIC, so room is rarely exhausted */
#define MAX_MARKS	16384
/* Limit of one report in pages: doorbells wait for the report. */
#define PART_PAGES	VFIO_PIN_PAGES_MAX_ENTRIES
#define UNPIN_JIFFIES	HZ
#define BACKOFF_MS	10
/* Below the ten attempts of type1: pages that are pinned already may cost some more attempts. */
#define MAX_UNMAPS	8
#define UNMAP_EXPIRE_JIFFIES	(24 * 60 * 60 * HZ)
/* Delay of the checks whether a closed device has left its container; most leave at once */
#define CHECK_LEFT_FIRST_MS	1
#define CHECK_LEFT_MS		100
/* Time limit of a wait for room in the array of marks */
#define ROOM_JIFFIES	(10 * HZ)

static struct workqueue_struct *report_wq;

/* Devices of all containers */
static LIST_HEAD(devices);
/* Innermost lock, not taken in interrupts. See struct vpm_container for what it protects. */
static DEFINE_SPINLOCK(container_lock);

/* Count the unmap attempts of type1 that have not expired. */
static unsigned int count_unmaps(const struct vpm_container *container, u64 now)
{
	if (now >= container->unmap_expiry)
		return 0;

	return DIV_ROUND_UP_ULL(container->unmap_expiry - now, UNMAP_EXPIRE_JIFFIES);
}

/*
 * Return: -EAGAIN when no page may be pinned now, -EBUSY when no page may be pinned for hours,
 * -ESRCH when the task that mapped the memory has exited, otherwise the result of
 * vfio_pin_pages().
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
	else if (now < container->pin_after)
		ret = -EAGAIN;
	container->pinning = !ret;
	spin_unlock(&container_lock);
	if (ret)
		return ret;

	/* Pin for write only: also for a device that may write, but not read. */
	ret = vfio_pin_pages(vdev, iova, n, IOMMU_WRITE, container->pages);
	if (ret > 0)
		vfio_unpin_pages(vdev, iova, ret);

	spin_lock(&container_lock);
	container->pinning = false;
	spin_unlock(&container_lock);
	wake_up(&container->unpinned);

	/* type1 returns -ENODEV when the task that mapped the memory has exited. */
	return ret == -ENODEV ? -ESRCH : ret;
}

/* Return: 0 when all pages are reported or @budget is used up, or a negative errno. */
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
			/* Pinning is all or nothing: bisect for the page that fails. */
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

void vpm_container_drop_marks(struct vpm_container *container)
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

/* Merge adjacent and overlapping marks. */
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
		/* No page may be pinned now: wait. */
		if (!ret && container->count == MAX_MARKS)
			schedule_timeout_uninterruptible(1);
	}

	return min(ret, 0);
}

static bool covers(const struct vpm_pages *mark, const struct vpm_pages *range)
{
	return mark->first <= range->first && mark->last >= range->last;
}

/* Extend a mark by a range that starts inside it or directly after it. */
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
	u16 *index;
	int ret;

	lockdep_assert_held(&container->vpm->vendor.lock);

	if (last - first >= VFIO_MEDIATE_MARK_MAX)
		return -E2BIG;

	/* A ring reuses the same pages in the same order, so look for an existing mark. */
	index = &container->mark_index[hash_64(range.first, VPM_CONTAINER_HASH_BITS)];
	mark = container->marks + *index;
	if (*index < container->count && covers(mark, &range))
		return 0;

	if (container->count && extend(&container->marks[container->count - 1], &range)) {
		*index = container->count - 1;
		return 0;
	}

	ret = make_room(container);
	if (ret)
		return ret;
	*index = container->count;
	container->marks[container->count++] = range;

	return 0;
}

/* device_list_lock of type1 serializes calls. */
void vpm_container_unmap(struct vpm_container *container)
{
	unsigned long backoff;
	u64 now;

	spin_lock(&container_lock);
	now = get_jiffies_64();
	backoff = msecs_to_jiffies(BACKOFF_MS << count_unmaps(container, now));
	container->unmap_expiry = min(max(container->unmap_expiry, now) + UNMAP_EXPIRE_JIFFIES,
				      now + (u64)MAX_UNMAPS * UNMAP_EXPIRE_JIFFIES);
	container->pin_after = now + UNPIN_JIFFIES + backoff;
	spin_unlock(&container_lock);

	wait_event_timeout(container->unpinned, !READ_ONCE(container->pinning),
			   UNPIN_JIFFIES);

	spin_lock(&container_lock);
	container->pin_after = get_jiffies_64() + backoff;
	spin_unlock(&container_lock);
}

/*
 * type1 keeps a device attached to a domain until the device leaves the container. The next domain
 * may have the same address. So leave_work also checks while the device is closed.
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
	container->unmap_expiry = 0;
	spin_unlock(&container_lock);
}

/* All devices of a container share a domain, unless type1 needed several domains. */
static void join(struct vpm_container *container, const void *domain)
{
	struct vpm_container *other;

	spin_lock(&container_lock);
	list_for_each_entry(other, &devices, entry)
		if (other->domain == domain)
			container->unmap_expiry = max(container->unmap_expiry, other->unmap_expiry);
	container->domain = domain;
	list_move(&container->entry, &devices);
	spin_unlock(&container_lock);
}

static int count_device(struct device *dev, void *data)
{
	(*(unsigned int *)data)++;

	return 0;
}

bool vpm_container_is_alone(const struct vpm_container *container)
{
	struct iommu_group *group = iommu_group_get(&container->vpm->core.pdev->dev);
	unsigned int devices = 0;

	if (!group)
		return false;
	iommu_group_for_each_dev(group, &devices, count_device);
	iommu_group_put(group);

	return devices == 1;
}

static void check_left_later(struct vpm_container *container, unsigned int ms)
{
	queue_delayed_work(vpm_wq, &container->leave_work, msecs_to_jiffies(ms));
}

static void leave_work(struct work_struct *work)
{
	struct vpm_container *container = container_of(to_delayed_work(work),
						       struct vpm_container, leave_work);

	if (has_left(container))
		leave(container);
	else
		check_left_later(container, CHECK_LEFT_MS);
}

void vpm_container_enter(struct vpm_container *container)
{
	cancel_delayed_work_sync(&container->leave_work);
	if (has_left(container))
		leave(container);
	join(container, iommu_get_domain_for_dev(&container->vpm->core.pdev->dev));
}

void vpm_container_close(struct vpm_container *container)
{
	if (container->domain)
		check_left_later(container, CHECK_LEFT_FIRST_MS);
}

void vpm_container_release(struct vpm_container *container)
{
	cancel_delayed_work_sync(&container->leave_work);
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
	INIT_DELAYED_WORK(&container->leave_work, leave_work);
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
