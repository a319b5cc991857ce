/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA logging of devices that know themselves what they write.
 */

#ifndef VFIO_MEDIATE_DMA_LOG_H
#define VFIO_MEDIATE_DMA_LOG_H

#include <linux/types.h>

struct vpm_device;

/**
 * vpm_dma_log_is_offered() - Check whether the device logs what it writes
 * @vpm:	The device, open.
 *
 * Context: Any.
 * Return: True if user space can use VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 */
bool vpm_dma_log_is_offered(const struct vpm_device *vpm);

/**
 * vpm_dma_log_mark() - Mark memory for a report that is in progress
 * @vpm:	The device, open.
 * @first:	IOVA of the first byte.
 * @last:	IOVA of the last byte, not before @first.
 *
 * Context: Any.
 * Return: False if the current task does not report.
 */
bool vpm_dma_log_mark(struct vpm_device *vpm, u64 first, u64 last);

/**
 * vpm_dma_log_is_active() - Check whether user space has started to log what the device writes
 * @vpm:	The device, open.
 *
 * Context: dma_lock of &struct vpm_vendor is held.
 * Return: True if it has.
 */
bool vpm_dma_log_is_active(const struct vpm_device *vpm);

/**
 * vpm_dma_log_written() - Mark memory that the vendor driver has written in place of the device
 * @vpm:	The device, open.
 * @first:	IOVA of the first byte.
 * @last:	IOVA of the last byte, not before @first.
 *
 * Does nothing if there is no log.
 *
 * Context: Process context, may sleep. dma_lock of &struct vpm_vendor is held.
 */
void vpm_dma_log_written(struct vpm_device *vpm, u64 first, u64 last);

#endif /* VFIO_MEDIATE_DMA_LOG_H */
