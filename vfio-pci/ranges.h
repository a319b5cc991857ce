/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets of byte ranges in a region. */

#ifndef VFIO_PCI_MEDIATE_RANGES_H
#define VFIO_PCI_MEDIATE_RANGES_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "vfio_mediate.h"

/**
 * struct vpm_ranges - Set of ranges in ascending order that do not overlap
 * @range:	The ranges, or NULL when there are none.
 * @count:	Number of ranges.
 *
 * A zeroed struct is an empty set.
 */
struct vpm_ranges {
	struct vfio_mediate_range *range;
	unsigned int count;
};

#define VPM_MAX_RANGES	4096

/**
 * vpm_ranges_add() - Add ranges to a set
 * @set:	The set.
 * @add:	Ranges to add, in any order.
 * @count:	Number of ranges to add.
 * @size:	Size of the region.
 *
 * On failure, @set is unchanged.
 *
 * Context: Process context, may sleep.
 * Return:
 * * %0: Success.
 * * %-EINVAL: A range is empty, exceeds @size or overlaps another one, or the set would exceed
 *   VPM_MAX_RANGES.
 * * %-ENOMEM: Out of memory.
 */
int vpm_ranges_add(struct vpm_ranges *set, const struct vfio_mediate_range *add,
		   unsigned int count, u64 size);

/**
 * vpm_ranges_free() - Empty a set and free its memory
 * @set:	The set.
 */
void vpm_ranges_free(struct vpm_ranges *set);

/**
 * vpm_ranges_span() - Find the leading part of an access that is wholly inside or outside of a set
 * @set:	The set.
 * @offset:	Offset of the access.
 * @size:	Size of the access. @offset + @size must not overflow.
 * @inside:	Set to true if the first byte is inside a range, else to false.
 *
 * Return: Number of bytes from @offset, up to @size, that are all inside one range or all outside
 * of any range.
 */
static inline u64 vpm_ranges_span(const struct vpm_ranges *set, u64 offset,
				  u64 size, bool *inside)
{
	unsigned int low = 0, high = set->count, middle;
	const struct vfio_mediate_range *range;

	/* Find the first range that ends after offset. */
	while (low < high) {
		middle = (low + high) / 2;
		range = &set->range[middle];
		if (range->offset + range->size <= offset)
			low = middle + 1;
		else
			high = middle;
	}

	*inside = false;
	if (low == set->count)
		return size;

	range = &set->range[low];
	if (offset < range->offset)
		return min(size, range->offset - offset);

	*inside = true;
	return min(size, range->offset + range->size - offset);
}

/**
 * vpm_ranges_whole_pages() - Find the whole pages that do not overlap a set
 * @free:	Result, an empty set on entry.
 * @set:	The set.
 * @size:	Size of the region, a multiple of the page size.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int vpm_ranges_whole_pages(struct vpm_ranges *free, const struct vpm_ranges *set,
			   u64 size);

/**
 * vpm_ranges_subtract() - Subtract a set from ranges
 * @rest:	Result, an empty set on entry. May exceed VPM_MAX_RANGES.
 * @from:	Ranges in ascending order that do not overlap.
 * @count:	Number of @from.
 * @what:	Set to subtract.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int vpm_ranges_subtract(struct vpm_ranges *rest, const struct vfio_mediate_range *from,
			unsigned int count, const struct vpm_ranges *what);

/**
 * vpm_ranges_are_pages() - Check whether ranges are whole pages in order
 * @range:	The ranges.
 * @count:	Number of ranges.
 * @size:	Size of the region, a multiple of the page size.
 *
 * Return: True if all ranges are whole pages of the region, at least one page each, in ascending
 * order, and do not overlap.
 */
bool vpm_ranges_are_pages(const struct vfio_mediate_range *range, unsigned int count,
			  u64 size);

/**
 * vpm_access_width() - Widest naturally aligned access at an offset
 * @offset:	Offset of the access.
 * @size:	Size of the access, not 0.
 *
 * Return: 1, 2, 4 or 8.
 */
unsigned int vpm_access_width(u64 offset, u64 size);

#endif /* VFIO_PCI_MEDIATE_RANGES_H */
