// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty log of a set of IOVA ranges.
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "dirty_log.h"

/* Kernel bitmaps count bits in an int, so a larger range is split. */
#define RANGE_MAX_PAGES	((u64)SZ_1G)
/* Upper limit of full bitmaps. The remainder of each range needs one more bitmap. */
#define MAX_FULL_RANGES	(VPM_DIRTY_LOG_MAX * 8ull / RANGE_MAX_PAGES)

struct log_range {
	u64 first;		/* number of the first page */
	u64 last;		/* number of the last page */
	unsigned long *pages;
};

/*
 * @lock: Protects the bitmaps. Of other locks, only those of the user's bitmap are taken inside.
 */
struct vpm_dirty_log {
	struct mutex lock;	/* see above */
	unsigned int count;
	struct log_range range[] __counted_by(count);
};

void vpm_dirty_log_mark(struct vpm_dirty_log *log, u64 first, u64 last)
{
	struct log_range *range;
	u64 from, to;

	guard(mutex)(&log->lock);
	for (range = log->range; range < log->range + log->count; range++) {
		from = max(first >> PAGE_SHIFT, range->first);
		to = min(last >> PAGE_SHIFT, range->last);
		if (from <= to)
			bitmap_set(range->pages, from - range->first,
				   to - from + 1);
	}
}

static void report_range(struct log_range *range, u64 first, u64 last,
			 struct iova_bitmap *dirty)
{
	u64 start = max(first >> PAGE_SHIFT, range->first);
	u64 end = min(last >> PAGE_SHIFT, range->last) + 1;
	u64 from, to, bytes;

	for (from = start; from < end; from = to) {
		from = range->first + find_next_bit(range->pages, end - range->first,
						    from - range->first);
		if (from >= end)
			return;
		to = range->first + find_next_zero_bit(range->pages,
						       end - range->first,
						       from - range->first);
		/* Stay inside the requested bytes, which may start or end inside a page. */
		bytes = max(from << PAGE_SHIFT, first);
		iova_bitmap_set(dirty, bytes,
				min((to << PAGE_SHIFT) - 1, last) - bytes + 1);
		bitmap_clear(range->pages, from - range->first, to - from);
		cond_resched();
	}
}

void vpm_dirty_log_report(struct vpm_dirty_log *log, u64 first, u64 last,
			  struct iova_bitmap *dirty)
{
	unsigned int i;

	guard(mutex)(&log->lock);
	for (i = 0; i < log->count; i++) {
		report_range(&log->range[i], first, last, dirty);
		cond_resched();
	}
}

static int append_range(struct vpm_dirty_log *log, u64 first, u64 last)
{
	struct log_range *range;

	log->count++;
	range = &log->range[log->count - 1];
	range->first = first;
	range->last = last;
	range->pages = kvcalloc(BITS_TO_LONGS(last - first + 1), sizeof(long),
				GFP_KERNEL_ACCOUNT);

	return range->pages ? 0 : -ENOMEM;
}

static int append_ranges(struct vpm_dirty_log *log, struct rb_root_cached *ranges)
{
	struct interval_tree_node *node;
	u64 first, last, end, total = 0;
	int ret;

	for (node = interval_tree_iter_first(ranges, 0, ULONG_MAX); node;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		if (node->last < node->start)
			return -EINVAL;

		first = node->start >> PAGE_SHIFT;
		end = node->last >> PAGE_SHIFT;
		total += BITS_TO_LONGS(end - first + 1) * sizeof(long);
		if (total > VPM_DIRTY_LOG_MAX)
			return -E2BIG;

		for (; first <= end; first = last + 1) {
			last = min(end, first + RANGE_MAX_PAGES - 1);
			ret = append_range(log, first, last);
			if (ret)
				return ret;
		}
	}

	return 0;
}

struct vpm_dirty_log *vpm_dirty_log_create(struct rb_root_cached *ranges,
					   unsigned int count)
{
	struct vpm_dirty_log *log;
	int ret;

	log = kzalloc(struct_size(log, range, count + MAX_FULL_RANGES), GFP_KERNEL_ACCOUNT);
	if (!log)
		return ERR_PTR(-ENOMEM);

	mutex_init(&log->lock);
	ret = append_ranges(log, ranges);
	if (ret) {
		vpm_dirty_log_free(log);
		return ERR_PTR(ret);
	}

	return log;
}

void vpm_dirty_log_free(struct vpm_dirty_log *log)
{
	unsigned int i;

	if (!log)
		return;

	for (i = 0; i < log->count; i++)
		kvfree(log->range[i].pages);
	mutex_destroy(&log->lock);
	kfree(log);
}
