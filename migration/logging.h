/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO_DEVICE_FEATURE_DMA_LOGGING_*: user space reads the dirty log of a device. */

#ifndef VFIO_MEDIATE_LOGGING_H
#define VFIO_MEDIATE_LOGGING_H

struct vpm_device;

/**
 * vpm_logging_offer() - Offer the dirty log to user space
 * @vpm:	The device, open, with tracking ops of its vendor.
 *
 * The VFIO core does not expect log_ops to be withdrawn: the log is offered until the device is
 * closed. Does nothing on a kernel without CONFIG_IOMMUFD_DRIVER.
 *
 * Context: Any.
 */
void vpm_logging_offer(struct vpm_device *vpm);

#endif /* VFIO_MEDIATE_LOGGING_H */
