// SPDX-License-Identifier: GPL-2.0-only
/* Set-up of regions from the declaration of the vendor driver, and mappings of regions. */

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sizes.h>
#include <linux/vfio_pci_core.h>

#include "access.h"
#include "device.h"
#include "regions.h"
#include "trap_map.h"
#include "vendor.h"

#define MAX_EXTRA	16
#define MAX_EXTRA_SIZE	SZ_1G
#define EXTRA_FLAGS	(VFIO_REGION_INFO_FLAG_READ |			\
			 VFIO_REGION_INFO_FLAG_WRITE |			\
			 VFIO_REGION_INFO_FLAG_MMAP)

static int extra_mmap(struct vfio_pci_core_device *core,
		      struct vfio_pci_region *region, struct vm_area_struct *vma)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u32 index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;

	if (offset + vma->vm_end - vma->vm_start > region->size)
		return -EINVAL;
	if (!(region->flags & VFIO_REGION_INFO_FLAG_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vm_flags_clear(vma, VM_MAYWRITE);
	}

	return vpm_vendor_mmap(vpm, vpm_vendor_index(vpm, index), offset, vma);
}

static void extra_release(struct vfio_pci_core_device *core,
			  struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops extra_ops = {
	.rw = vpm_access_extra_rw,
	.mmap = extra_mmap,
	.release = extra_release,
};

int vpm_regions_mmap(struct vpm_device *vpm, struct vm_area_struct *vma)
{
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;
	u64 size = vma->vm_end - vma->vm_start;
	u32 index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	int ret;

	if (index > VFIO_PCI_BAR5_REGION_INDEX || !(vma->vm_flags & VM_SHARED) ||
	    offset + size > PAGE_ALIGN(vpm_region_size(vpm, index)))
		return -EINVAL;
	index = array_index_nospec(index, PCI_STD_NUM_BARS);

	ret = vpm_vendor_allows_mmap(vpm, index, offset, size);
	if (!ret)
		ret = vfio_pci_core_mmap(&vpm->core.vdev, vma);

	return ret ?: vpm_trap_mmap(vpm, vma);
}

static int check_extra(const struct vfio_mediate_extra_region *extra,
		       const struct vfio_pci_mediate_ops *ops)
{
	if (!extra->size || extra->size > MAX_EXTRA_SIZE ||
	    extra->flags & ~EXTRA_FLAGS)
		return -EINVAL;
	if (extra->flags & VFIO_REGION_INFO_FLAG_MMAP &&
	    (!ops->mmap || !PAGE_ALIGNED(extra->size)))
		return -EINVAL;

	return 0;
}

static int setup_extra(struct vpm_device *vpm,
		       const struct vfio_mediate_extra_region *extra)
{
	int ret;

	ret = vfio_pci_core_register_dev_region(&vpm->core, extra->type,
						extra->subtype, &extra_ops,
						extra->size, extra->flags, NULL);
	if (!ret)
		vpm->num_extra++;

	return ret;
}

/* Check a region that the device lacks. */
static int check_added(struct vpm_device *vpm, const struct vfio_mediate_region *from)
{
	if (vpm_region_size(vpm, from->index) || from->size > MAX_EXTRA_SIZE)
		return -EINVAL;
	if (from->index == VFIO_PCI_ROM_REGION_INDEX)
		return PAGE_ALIGNED(from->size) ? 0 : -EINVAL;

	return from->index <= VFIO_PCI_BAR5_REGION_INDEX && from->size >= 16 &&
	       is_power_of_2(from->size) ? 0 : -EINVAL;
}

static int setup_region(struct vpm_device *vpm,
			const struct vfio_mediate_region *from)
{
	struct vpm_region *region;
	bool inside;
	u64 size;
	int ret;

	if (from->index > VFIO_PCI_CONFIG_REGION_INDEX || !from->num_ranges)
		return -EINVAL;

	region = &vpm->region[from->index];
	if (from->size) {
		ret = check_added(vpm, from);
		if (ret)
			return ret;
		region->size = from->size;
	}

	size = vpm_region_size(vpm, from->index);
	ret = vpm_ranges_add(&region->mediated, from->ranges, from->num_ranges,
			     size);
	if (ret)
		return ret;
	if (from->size &&
	    (vpm_ranges_span(&region->mediated, 0, size, &inside) < size ||
	     !inside))
		return -EINVAL;
	region->device_reads = from->device_reads &&
			       from->index > VFIO_PCI_BAR5_REGION_INDEX &&
			       !from->size;
	vpm->mediated |= BIT_ULL(from->index);

	return 0;
}

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	unsigned int i;
	int ret;

	if ((dev->num_regions || dev->num_extra_regions || dev->num_traps) &&
	    !ops->rw)
		return -EINVAL;
	if (dev->num_extra_regions > MAX_EXTRA)
		return -EINVAL;

	for (i = 0; i < dev->num_regions; i++) {
		ret = setup_region(vpm, &dev->regions[i]);
		if (ret)
			return ret;
	}

	vpm->first_extra = VFIO_PCI_NUM_REGIONS + vpm->core.num_regions;
	for (i = 0; i < dev->num_extra_regions; i++) {
		ret = check_extra(&dev->extra_regions[i], ops);
		if (!ret)
			ret = setup_extra(vpm, &dev->extra_regions[i]);
		if (ret)
			return ret;
	}

	return 0;
}

static void teardown(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vpm->region); i++) {
		vpm_ranges_free(&vpm->region[i].mediated);
		vpm_ranges_free(&vpm->region[i].trappable);
		vpm->region[i].size = 0;
		vpm->region[i].device_reads = false;
	}
	vpm->mediated = 0;
	vpm->num_extra = 0;
}

const struct vpm_part vpm_regions_part = {
	.setup = setup,
	.teardown = teardown,
};
