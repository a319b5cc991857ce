/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty log of a set of IOVA ranges. Independent of devices.
 */

#ifndef VFIO_MEDIATE_DIRTY_LOG_H
#define VFIO_MEDIATE_DIRTY_LOG_H

#include <linux/types.h>

struct iova_bitmap;
struct rb_root_cached;

/* Size limit of all bitmaps of a log: enough for 32 TiB in pages of 4 KiB. */
#define VPM_DIRTY_LOG_MAX	SZ_1G

struct vpm_dirty_log;

/**
 * vpm_dirty_log_create() - Create a dirty log
 * @ranges:	Interval tree of the IOVA ranges to log.
 * @count:	Number of nodes in @ranges.
 *
 * Context: Process context, may sleep.
 * Return:
 * * The log, without dirty pages.
 * * ERR_PTR of %-EINVAL: A range ends before its start.
 * * ERR_PTR of %-E2BIG: The bitmaps would exceed VPM_DIRTY_LOG_MAX.
 * * ERR_PTR of %-ENOMEM: Out of memory.
 */
struct vpm_dirty_log *vpm_dirty_log_create(struct rb_root_cached *ranges,
					   unsigned int count);

/**
 * vpm_dirty_log_free() - Free a dirty log
 * @log:	The log or NULL.
 *
 * Context: Process context, may sleep.
 */
void vpm_dirty_log_free(struct vpm_dirty_log *log);

/**
 * vpm_dirty_log_mark() - Mark pages dirty
 * @log:	The log.
 * @first:	IOVA of the first byte.
 * @last:	IOVA of the last byte, not before @first.
 *
 * Ignores pages outside of the ranges of the log.
 *
 * Context: Any. The caller serializes calls for a log.
 */
void vpm_dirty_log_mark(struct vpm_dirty_log *log, u64 first, u64 last);

/**
 * vpm_dirty_log_report() - Report and clear dirty pages
 * @log:	The log.
 * @first:	IOVA of the first byte to report.
 * @last:	IOVA of the last byte to report, not before @first.
 * @dirty:	Bitmap in which dirty pages are set.
 *
 * Context: Process context, may sleep. The caller serializes calls for a log.
 */
void vpm_dirty_log_report(struct vpm_dirty_log *log, u64 first, u64 last,
			  struct iova_bitmap *dirty);

#endif /* VFIO_MEDIATE_DIRTY_LOG_H */
