// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_MEDIATE_FEATURE_TRAP: user space reads and sets the trap. */

#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "irqs.h"
#include "linux/vfio_mediate.h"
#include "trap.h"
#include "trap_feature.h"

static u32 get_flags(const struct vpm_trap *trap)
{
	u32 flags = 0;

	if (trap->state != VPM_TRAP_OFF)
		flags |= VFIO_DEVICE_TRAP_ON;
	if (trap->state == VPM_TRAP_EXACT)
		flags |= VFIO_DEVICE_TRAP_ACK;
	if (trap->holders & BIT(VPM_TRAP_VMM))
		flags |= VFIO_DEVICE_TRAP_HOLD;

	return flags;
}

static int get_trap(struct vpm_device *vpm, void __user *arg)
{
	struct vfio_device_feature_trap get = {
		.irq_index = vpm_irqs_trap_index(vpm),
	};
	struct vpm_trap *trap = &vpm->trap;

	mutex_lock(&trap->toggle_lock);
	get.flags = get_flags(trap);
	get.sequence = trap->sequence;
	mutex_unlock(&trap->toggle_lock);

	return copy_to_user(arg, &get, sizeof(get)) ? -EFAULT : 0;
}

static int set_trap(struct vpm_device *vpm, const void __user *arg)
{
	struct vfio_device_feature_trap set;

	if (copy_from_user(&set, arg, sizeof(set)))
		return -EFAULT;
	if (set.irq_index || (set.sequence && !(set.flags & VFIO_DEVICE_TRAP_ACK)))
		return -EINVAL;

	guard(mutex)(&vpm->trap.toggle_lock);

	switch (set.flags) {
	case VFIO_DEVICE_TRAP_HOLD:
		return vpm_trap_hold_locked(vpm, VPM_TRAP_VMM, true);
	case VFIO_DEVICE_TRAP_RELEASE:
		return vpm_trap_hold_locked(vpm, VPM_TRAP_VMM, false);
	case VFIO_DEVICE_TRAP_ACK:
		return vpm_trap_ack(vpm, set.sequence);
	case VFIO_DEVICE_TRAP_HOLD | VFIO_DEVICE_TRAP_ACK:
		return vpm_trap_hold_exact(vpm, set.sequence);
	default:
		return -EINVAL;
	}
}

int vpm_trap_feature(struct vpm_device *vpm, u32 flags, void __user *arg, size_t argsz)
{
	int ret;

	if (!vpm->trap.num_areas)
		return -ENOTTY;

	ret = vfio_check_feature(flags, argsz,
				 VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
				 sizeof(struct vfio_device_feature_trap));
	if (ret != 1)
		return ret;

	return flags & VFIO_DEVICE_FEATURE_GET ? get_trap(vpm, arg) : set_trap(vpm, arg);
}
