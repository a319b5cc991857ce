/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic of byte ranges in a region.
 */

#ifndef VFIO_PCI_MEDIATE_RANGES_H
#define VFIO_PCI_MEDIATE_RANGES_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "vfio_mediate.h"

/**
 * struct vpm_ranges - Ranges in ascending order that do not overlap
 * @range:	The ranges; NULL when there are none.
 * @count:	Their number.
 *
 * All zero is an empty set.
 */
struct vpm_ranges {
	struct vfio_mediate_range *range;
	unsigned int count;
};

#define VPM_MAX_RANGES	4096

/**
 * vpm_ranges_add() - Add to a set
 * @set:	The set.
 * @add:	What to add, in any order.
 * @count:	How many.
 * @size:	Size of the region: nothing may reach beyond.
 *
 * Return: 0; -EINVAL when a range is empty, reaches beyond @size or overlaps
 * another, or when there would be more than VPM_MAX_RANGES; -ENOMEM. @set is as
 * before on failure.
 */
int vpm_ranges_add(struct vpm_ranges *set, const struct vfio_mediate_range *add,
		   unsigned int count, u64 size);

/**
 * vpm_ranges_free() - Make a set empty
 * @set:	The set.
 */
void vpm_ranges_free(struct vpm_ranges *set);

/**
 * vpm_ranges_span() - How far does an access go the same way?
 * @set:	The set.
 * @offset:	Where the access starts.
 * @size:	How long it is; @offset + @size does not overflow.
 * @inside:	Whether its first byte is inside a range.
 *
 * Return: Number of bytes, up to @size, from @offset on that are all inside one
 * range, or all outside of any.
 */
static inline u64 vpm_ranges_span(const struct vpm_ranges *set, u64 offset,
				  u64 size, bool *inside)
{
	unsigned int low = 0, high = set->count, middle;
	const struct vfio_mediate_range *range;

	/* The first range that does not end at or before offset */
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
 * vpm_ranges_whole_pages() - Which pages are free of a set
 * @free:	Where to put them: an empty set.
 * @set:	The set.
 * @size:	Size of the region, a multiple of the page size.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_ranges_whole_pages(struct vpm_ranges *free, const struct vpm_ranges *set,
			   u64 size);

/**
 * vpm_ranges_subtract() - What is left of ranges
 * @rest:	Where to put it: an empty set.
 * @from:	The ranges, in ascending order, which do not overlap.
 * @count:	How many.
 * @what:	What is taken out of them.
 *
 * There may be more than VPM_MAX_RANGES left.
 *
 * Return: 0 or -ENOMEM.
 */
int vpm_ranges_subtract(struct vpm_ranges *rest, const struct vfio_mediate_range *from,
			unsigned int count, const struct vpm_ranges *what);

/**
 * vpm_ranges_are_pages() - Are these whole pages, in order?
 * @range:	The ranges.
 * @count:	How many.
 * @size:	Size of the region, a multiple of the page size.
 *
 * Return: Whether they are in ascending order, do not overlap, and are whole pages of the
 * region, at least one each.
 */
bool vpm_ranges_are_pages(const struct vfio_mediate_range *range, unsigned int count,
			  u64 size);

/**
 * vpm_access_width() - Widest access that an address and a length allow
 * @offset:	Address.
 * @size:	Length, not 0.
 *
 * Return: 1, 2, 4 or 8.
 */
unsigned int vpm_access_width(u64 offset, u64 size);

#endif /* VFIO_PCI_MEDIATE_RANGES_H */
