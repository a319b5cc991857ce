// SPDX-License-Identifier: GPL-2.0-only
/* Calls to the vendor driver that mediates a device. */

#include <linux/mm.h>
#include <linux/vfio_pci_core.h>
#include <linux/vmalloc.h>

#include "bar.h"
#include "device.h"
#include "vendor.h"

int vpm_vendor_default_rw(void *data, struct vfio_mediate_access *access)
{
	struct vpm_device *vpm = data;

	if (access->region <= VFIO_PCI_BAR5_REGION_INDEX)
		return vpm_bar_rw(&vpm->core, access);

	return access->region > VFIO_PCI_CONFIG_REGION_INDEX ? -EINVAL : -EOPNOTSUPP;
}

/* Serve an access that the rw callback of the vendor driver passes through. */
static inline int pass_through(struct vpm_device *vpm,
			       struct vfio_mediate_access *access)
{
	if (access->region > VFIO_PCI_CONFIG_REGION_INDEX)
		return -EIO;
	if (access->region > VFIO_PCI_BAR5_REGION_INDEX)
		return VPM_PASS_THROUGH;

	return vpm_vendor_default_rw(vpm, access);
}

int vpm_vendor_rw(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	CLASS(vpm_call, call)(vpm->session);
	int ret;

	if (!call.ops) {
		if (access->write || access->region >= VFIO_PCI_NUM_REGIONS)
			return -ENODEV;
		access->value = U64_MAX;
		return 0;
	}

	ret = call.ops->rw(call.dev, access);
	if (ret == VFIO_MEDIATE_PASS_THROUGH)
		return pass_through(vpm, access);

	return min(ret, 0);
}

int vpm_vendor_mmap(struct vpm_device *vpm, u32 index, u64 offset,
		    struct vm_area_struct *vma)
{
	CLASS(vpm_call, call)(vpm->session);
	void *memory = NULL;
	int ret;

	if (!call.ops)
		return -ENODEV;

	ret = call.ops->mmap(call.dev, index, offset, vma->vm_end - vma->vm_start, &memory);
	if (ret < 0)
		return ret;

	return memory && !ret ? remap_vmalloc_range(vma, memory, offset >> PAGE_SHIFT) :
				-EINVAL;
}

int vpm_vendor_allows_mmap(struct vpm_device *vpm, u32 index, u64 offset, u64 size)
{
	CLASS(vpm_call, call)(vpm->session);
	void *memory = NULL;
	bool inside;
	int ret;

	if (!call.ops)
		return -ENODEV;

	if (call.ops->mmap) {
		ret = call.ops->mmap(call.dev, index, offset, size, &memory);
		if (ret == VFIO_MEDIATE_PASS_THROUGH)
			return 0;
		return ret < 0 ? ret : -EINVAL;
	}

	/* Do not map mediated ranges: accesses would bypass the vendor driver. */
	return vpm_ranges_span(&vpm->region[index].mediated, offset, size, &inside) == size &&
	       !inside ? 0 : -EINVAL;
}

void vpm_vendor_reset_prepare(struct vpm_device *vpm)
{
	CLASS(vpm_call, call)(vpm->session);

	if (!call.ops)
		return;

	atomic_inc(&vpm->session->resets);
	if (call.ops->reset_prepare)
		call.ops->reset_prepare(call.dev);
}

void vpm_vendor_reset_finish(struct vpm_device *vpm)
{
	CLASS(vpm_call, call)(vpm->session);

	if (call.ops && call.ops->reset_finish)
		call.ops->reset_finish(call.dev);
}

void vpm_vendor_reset_done(struct vpm_device *vpm, bool unexpected)
{
	CLASS(vpm_call, call)(vpm->session);

	if (call.ops && call.ops->reset_done)
		call.ops->reset_done(call.dev, unexpected);
}

void vpm_vendor_trap_changed(struct vpm_device *vpm, bool on, bool released)
{
	CLASS(vpm_call, call)(vpm->session);

	if (call.ops && call.ops->trap_changed)
		call.ops->trap_changed(call.dev, on, released);
}

static int init(struct vpm_device *vpm)
{
	mutex_init(&vpm->vendor.lock);
	init_rwsem(&vpm->vendor.dma_lock);

	return 0;
}

static void release(struct vpm_device *vpm)
{
	mutex_destroy(&vpm->vendor.lock);
}

const struct vpm_part vpm_vendor_part = {
	.init = init,
	.release = release,
};
