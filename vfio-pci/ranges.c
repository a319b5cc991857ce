// SPDX-License-Identifier: GPL-2.0-only
/* Sets of byte ranges in a region. */

#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "ranges.h"

static int compare(const void *a, const void *b)
{
	const struct vfio_mediate_range *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

int vpm_ranges_add(struct vpm_ranges *set, const struct vfio_mediate_range *add,
		   unsigned int count, u64 size)
{
	struct vfio_mediate_range *all;
	unsigned int i, total;
	u64 end, last = 0;

	if (check_add_overflow(set->count, count, &total) ||
	    total > VPM_MAX_RANGES)
		return -EINVAL;
	if (!count)
		return 0;

	all = kvcalloc(total, sizeof(*all), GFP_KERNEL_ACCOUNT);
	if (!all)
		return -ENOMEM;

	if (set->count)
		memcpy(all, set->range, array_size(set->count, sizeof(*all)));
	memcpy(all + set->count, add, array_size(count, sizeof(*all)));
	sort(all, total, sizeof(*all), compare, NULL);

	for (i = 0; i < total; i++) {
		if (!all[i].size || all[i].offset < last ||
		    check_add_overflow(all[i].offset, all[i].size, &end) ||
		    end > size) {
			kvfree(all);
			return -EINVAL;
		}
		last = end;
	}

	kvfree(set->range);
	set->range = all;
	set->count = total;

	return 0;
}

void vpm_ranges_free(struct vpm_ranges *set)
{
	/* Called for all regions on each close. Most sets are empty. */
	if (!set->range)
		return;

	kvfree(set->range);
	set->range = NULL;
	set->count = 0;
}

int vpm_ranges_whole_pages(struct vpm_ranges *free, const struct vpm_ranges *set,
			   u64 size)
{
	struct vfio_mediate_range *gap;
	u64 start = 0, end;
	unsigned int i;

	gap = kvcalloc(set->count + 1, sizeof(*gap), GFP_KERNEL_ACCOUNT);
	if (!gap)
		return -ENOMEM;

	free->range = gap;
	free->count = 0;
	for (i = 0; i <= set->count; i++) {
		end = i < set->count ? set->range[i].offset : size;
		end = ALIGN_DOWN(end, PAGE_SIZE);
		if (start < end)
			gap[free->count++] = (struct vfio_mediate_range) {
				start, end - start };
		if (i < set->count)
			start = PAGE_ALIGN(set->range[i].offset +
					   set->range[i].size);
	}

	return 0;
}

int vpm_ranges_subtract(struct vpm_ranges *rest, const struct vfio_mediate_range *from,
			unsigned int count, const struct vpm_ranges *what)
{
	const struct vfio_mediate_range *hole = what->range, *end = hole + what->count;
	struct vfio_mediate_range part;
	u64 left;

	/* Each hole splits at most one range. */
	rest->range = kvcalloc(count + what->count + 1, sizeof(*rest->range),
			       GFP_KERNEL_ACCOUNT);
	if (!rest->range)
		return -ENOMEM;

	rest->count = 0;
	for (; count; count--, from++) {
		part.offset = from->offset;
		left = from->size;
		while (left) {
			while (hole < end && hole->offset + hole->size <= part.offset)
				hole++;
			if (hole == end) {
				part.size = left;
			} else if (hole->offset > part.offset) {
				part.size = min(left, hole->offset - part.offset);
			} else {
				part.size = min(left, hole->offset + hole->size -
						      part.offset);
				part.offset += part.size;
				left -= part.size;
				continue;
			}
			rest->range[rest->count++] = part;
			part.offset += part.size;
			left -= part.size;
		}
	}

	return 0;
}

bool vpm_ranges_are_pages(const struct vfio_mediate_range *range, unsigned int count,
			  u64 size)
{
	u64 end, last = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!range[i].size || range[i].offset < last ||
		    !PAGE_ALIGNED(range[i].offset | range[i].size) ||
		    check_add_overflow(range[i].offset, range[i].size, &end) ||
		    end > size)
			return false;
		last = end;
	}

	return true;
}

unsigned int vpm_access_width(u64 offset, u64 size)
{
	unsigned int width = 8;

	while (width > size || offset & (width - 1))
		width /= 2;

	return width;
}
