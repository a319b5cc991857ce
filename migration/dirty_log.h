/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of some ranges of IOVAs have been written. Knows of no device.
 */

#ifndef VFIO_MEDIATE_DIRTY_LOG_H
#define VFIO_MEDIATE_DIRTY_LOG_H

#include <linux/types.h>

struct iova_bitmap;
struct rb_root_cached;

/* What all bitmaps of a log may take: enough for 32 TiB in pages of 4 KiB. */
#define VPM_DIRTY_LOG_MAX	SZ_1G

struct vpm_dirty_log;

/**
 * vpm_dirty_log_create() - Make a log
 * @ranges:	Interval tree of what is to be logged.
 * @count:	Number of nodes in @ranges.
 *
 * Return: The log, in which nothing is written; -EINVAL for a range that is none,
 * -E2BIG for more than VPM_DIRTY_LOG_MAX, -ENOMEM.
 */
struct vpm_dirty_log *vpm_dirty_log_create(struct rb_root_cached *ranges,
					   unsigned int count);

/**
 * vpm_dirty_log_free() - Undo vpm_dirty_log_create()
 * @log:	The log; NULL is allowed.
 */
void vpm_dirty_log_free(struct vpm_dirty_log *log);

/**
 * vpm_dirty_log_mark() - Something has been written
 * @log:	The log.
 * @first:	First byte.
 * @last:	Last byte, not before @first.
 *
 * What is in none of the ranges is ignored.
 */
void vpm_dirty_log_mark(struct vpm_dirty_log *log, u64 first, u64 last);

/**
 * vpm_dirty_log_report() - Say what has been written, and forget it
 * @log:	The log.
 * @first:	First byte of what is asked for.
 * @last:	Last byte, not before @first.
 * @dirty:	Where to.
 */
void vpm_dirty_log_report(struct vpm_dirty_log *log, u64 first, u64 last,
			  struct iova_bitmap *dirty);

#endif /* VFIO_MEDIATE_DIRTY_LOG_H */
