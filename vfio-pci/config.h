/* SPDX-License-Identifier: GPL-2.0-only */
/* User space writes to the config space of a mediated device. */

#ifndef VFIO_PCI_MEDIATE_CONFIG_H
#define VFIO_PCI_MEDIATE_CONFIG_H

#include <linux/types.h>

struct vpm_device;

/**
 * vpm_config_write() - Write to config space
 * @vpm:	The device, mediated.
 * @buf:	Buffer in user space.
 * @count:	Number of bytes.
 * @ppos:	Position in the device file. Advanced by the number of bytes done.
 *
 * Context: Process context, may sleep. No lock held.
 * Return: Number of bytes done, or a negative errno when none was.
 */
ssize_t vpm_config_write(struct vpm_device *vpm, const char __user *buf, size_t count,
			 loff_t *ppos);

#endif /* VFIO_PCI_MEDIATE_CONFIG_H */
