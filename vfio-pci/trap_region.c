// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trap region: user space that does not use VFIO_MEDIATE_FEATURE_TRAP reads and sets the trap
 * by struct vfio_mediate_trap_info of linux/vfio_mediate_trap_region.h.
 */

#include <linux/eventfd.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "linux/vfio_mediate_trap_region.h"
#include "trap.h"
#include "trap_region.h"

static u32 get_flags(struct vpm_trap *trap)
{
	switch (trap->state) {
	case VPM_TRAP_SHADOW:
		return VFIO_MEDIATE_TRAP_ON;
	case VPM_TRAP_EXACT:
		return VFIO_MEDIATE_TRAP_ON | VFIO_MEDIATE_TRAP_EXACT;
	default:
		return 0;
	}
}

static int set_flags(struct vpm_device *vpm, u32 flags)
{
	switch (flags) {
	case 0:
		return vpm_trap_hold_locked(vpm, VPM_TRAP_VMM, false);
	case VFIO_MEDIATE_TRAP_ON:
		return vpm_trap_hold_locked(vpm, VPM_TRAP_VMM, true);
	case VFIO_MEDIATE_TRAP_EXACT:
		return vpm_trap_ack(vpm, vpm->trap.region_sequence);
	case VFIO_MEDIATE_TRAP_ON | VFIO_MEDIATE_TRAP_EXACT:
		/* Whatever the state, the VMM has mapped no page that can be trapped. */
		return vpm_trap_hold_exact(vpm, vpm->trap.sequence);
	default:
		return -EINVAL;
	}
}

static int set_eventfd(struct vpm_trap *trap, s32 fd)
{
	struct eventfd_ctx *eventfd = NULL;

	if (fd != -1) {
		eventfd = eventfd_ctx_fdget(fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}

	if (trap->region_eventfd)
		eventfd_ctx_put(trap->region_eventfd);
	trap->region_eventfd = eventfd;

	return 0;
}

static int access_member(struct vpm_device *vpm, loff_t pos, u32 *value,
			 bool write)
{
	struct vpm_trap *trap = &vpm->trap;

	switch (pos) {
	case offsetof(struct vfio_mediate_trap_info, dt_fd):
		if (write)
			return set_eventfd(trap, *value);
		*value = trap->region_eventfd ? 0 : -1;
		return 0;
	case offsetof(struct vfio_mediate_trap_info, trap):
		if (write)
			return set_flags(vpm, *value);
		*value = get_flags(trap);
		trap->region_sequence = trap->sequence;
		return 0;
	default:
		return -EINVAL;
	}
}

static ssize_t trap_region_rw(struct vfio_pci_core_device *core,
			      char __user *buf, size_t count, loff_t *ppos,
			      bool write)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	u32 value = 0;
	int ret;

	if (count != sizeof(value))
		return -EINVAL;
	if (write && copy_from_user(&value, buf, sizeof(value)))
		return -EFAULT;

	mutex_lock(&vpm->trap.toggle_lock);
	ret = access_member(vpm, *ppos & VFIO_PCI_OFFSET_MASK, &value, write);
	mutex_unlock(&vpm->trap.toggle_lock);
	if (ret)
		return ret;

	if (!write && copy_to_user(buf, &value, sizeof(value)))
		return -EFAULT;
	*ppos += sizeof(value);

	return sizeof(value);
}

static void trap_region_release(struct vfio_pci_core_device *core,
				struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops trap_region_ops = {
	.rw = trap_region_rw,
	.release = trap_region_release,
};

int vpm_trap_region_setup(struct vpm_device *vpm)
{
	vpm->trap.region_sequence = vpm->trap.sequence;

	return vfio_pci_core_register_dev_region(&vpm->core,
		VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP,
		VFIO_MEDIATE_REGION_SUBTYPE_DYNAMIC_TRAP_BAR_INFO,
		&trap_region_ops, sizeof(struct vfio_mediate_trap_info),
		VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, NULL);
}

void vpm_trap_region_teardown(struct vpm_device *vpm)
{
	if (vpm->trap.region_eventfd)
		eventfd_ctx_put(vpm->trap.region_eventfd);
	vpm->trap.region_eventfd = NULL;
}
