/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO_MEDIATE_FEATURE_TRAP, by which user space reads and sets the trap. */

#ifndef VFIO_PCI_MEDIATE_TRAP_FEATURE_H
#define VFIO_PCI_MEDIATE_TRAP_FEATURE_H

#include <linux/types.h>

struct vpm_device;

/**
 * vpm_trap_feature() - VFIO_DEVICE_FEATURE with VFIO_MEDIATE_FEATURE_TRAP
 * @vpm:	The device.
 * @flags:	Flags of &struct vfio_device_feature.
 * @arg:	The struct vfio_device_feature_trap in user space.
 * @argsz:	Size of the buffer at @arg in bytes.
 *
 * Context: Process context, may sleep. Takes toggle_lock.
 * Return:
 * * %0: Success.
 * * %-ENOTTY: The device has no page that can be trapped.
 * * Other negative errno: See struct vfio_device_feature_trap.
 */
int vpm_trap_feature(struct vpm_device *vpm, u32 flags, void __user *arg, size_t argsz);

#endif /* VFIO_PCI_MEDIATE_TRAP_FEATURE_H */
