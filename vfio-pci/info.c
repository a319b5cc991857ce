// SPDX-License-Identifier: GPL-2.0-only
/*
 * Region info for user space: that of vfio-pci, without the pages that mediation removes, and as
 * the vendor driver changes it.
 */

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "device.h"
#include "info.h"
#include "linux/vfio_mediate.h"
#include "trap.h"
#include "vendor.h"

static int add_sparse(struct vfio_info_cap *caps,
		      const struct vfio_mediate_range *areas, unsigned int count)
{
	struct vfio_region_info_cap_sparse_mmap *cap;
	unsigned int i;
	int ret;

	cap = kzalloc(struct_size(cap, areas, count), GFP_KERNEL_ACCOUNT);
	if (!cap)
		return -ENOMEM;

	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->header.version = 1;
	cap->nr_areas = count;
	for (i = 0; i < count; i++) {
		cap->areas[i].offset = areas[i].offset;
		cap->areas[i].size = areas[i].size;
	}

	ret = vfio_info_add_capability(caps, &cap->header,
				       struct_size(cap, areas, count));
	kfree(cap);

	return ret;
}

/* Region info of vfio-pci */
#ifdef COMPAT_HAS_REGION_INFO_CAPS
static int core_region_info(struct vfio_pci_core_device *core,
			    struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	return vfio_pci_ioctl_get_region_info(&core->vdev, info, caps);
}
#else
/* vfio_pci_core provides only an ioctl. Return the same info, for regions that can be mediated. */
static int core_region_info(struct vfio_pci_core_device *core,
			    struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type type = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
	};
	struct vfio_info_cap_header msix = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};
	u32 rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct vfio_pci_region *region;

	info->offset = VFIO_PCI_INDEX_TO_OFFSET(info->index);
	info->flags = 0;
	switch (info->index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		info->size = pci_resource_len(core->pdev, info->index);
		if (!info->size)
			return 0;
		info->flags = rw;
		if (!core->bar_mmap_supported[info->index])
			return 0;
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
		if (info->index != core->msix_bar)
			return 0;
		return vfio_info_add_capability(caps, &msix, sizeof(msix));
	case VFIO_PCI_ROM_REGION_INDEX:
		info->size = pci_resource_len(core->pdev, PCI_ROM_RESOURCE);
		if (info->size)
			info->flags = VFIO_REGION_INFO_FLAG_READ;
		return 0;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = core->pdev->cfg_size;
		info->flags = rw;
		return 0;
	case VFIO_PCI_VGA_REGION_INDEX:
		return -EINVAL;
	default:
		/* A region that the vendor driver or this driver added */
		region = &core->region[array_index_nospec(info->index -
							  VFIO_PCI_NUM_REGIONS,
							  core->num_regions)];
		info->size = region->size;
		info->flags = region->flags;
		type.type = region->type;
		type.subtype = region->subtype;
		return vfio_info_add_capability(caps, &type.header,
						sizeof(type));
	}
}
#endif

/* Add the capability that lists the pages that can be trapped. */
static int add_trap(struct vpm_device *vpm, u32 index, struct vfio_info_cap *caps)
{
	struct vfio_mediate_region_info_cap_trap *cap;
	struct vpm_ranges *set = &vpm->region[index].trappable;
	unsigned int i;
	int ret;

	cap = kzalloc(struct_size(cap, areas, set->count), GFP_KERNEL_ACCOUNT);
	if (!cap)
		return -ENOMEM;

	cap->header.id = VFIO_MEDIATE_REGION_INFO_CAP_TRAP;
	cap->header.version = 1;
	cap->nr_areas = set->count;
	for (i = 0; i < set->count; i++) {
		cap->areas[i].offset = set->range[i].offset;
		cap->areas[i].size = set->range[i].size;
		if (vpm_trap_can_shadow(vpm, index, set->range[i].offset))
			cap->areas[i].flags = VFIO_MEDIATE_TRAP_AREA_SHADOW;
	}

	ret = vfio_info_add_capability(caps, &cap->header,
				       struct_size(cap, areas, set->count));
	kfree(cap);

	return ret;
}

/* Find the whole pages that reach the device without the vendor driver. */
static int find_areas(struct vpm_device *vpm, u32 index, u64 size,
		      struct vpm_ranges *areas)
{
	static const struct vpm_ranges none;
	struct vpm_ranges pages = {};
	struct vpm_region *region;
	int ret;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return vpm_ranges_whole_pages(areas, &none, size);

	region = &vpm->region[index];
	ret = vpm_ranges_whole_pages(&pages, &region->mediated, PAGE_ALIGN(size));
	if (ret)
		return ret;
	ret = vpm_ranges_subtract(areas, pages.range, pages.count,
				  READ_ONCE(vpm->trap.trapped) ? &region->trappable :
								 &none);
	vpm_ranges_free(&pages);

	return ret;
}

static int ask_vendor(struct vpm_device *vpm,
		      struct vfio_mediate_region_info *answer,
		      struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	CLASS(vpm_call, call)(vpm->session);
	struct vpm_ranges areas = {};
	unsigned int i;
	u64 whole = 0;
	int ret = 0;

	if (call.ops && call.ops->get_region_info)
		ret = min(call.ops->get_region_info(call.dev, answer), 0);
	if (ret)
		return ret;
	if (answer->flags & ~info->flags ||
	    !vpm_ranges_are_pages(answer->areas, answer->num_areas,
				  PAGE_ALIGN(info->size)))
		return -EINVAL;

	/* Pages that the vendor driver chose may be trapped. Remove them. */
	if (info->index < VFIO_PCI_NUM_REGIONS && READ_ONCE(vpm->trap.trapped)) {
		ret = vpm_ranges_subtract(&areas, answer->areas, answer->num_areas,
					  &vpm->region[info->index].trappable);
		if (ret)
			return ret;
		answer->areas = areas.range;
		answer->num_areas = areas.count;
	}

	for (i = 0; i < answer->num_areas; i++)
		whole += answer->areas[i].size;
	if (!answer->num_areas)
		answer->flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
	if (answer->flags & VFIO_REGION_INFO_FLAG_MMAP && whole < info->size)
		ret = add_sparse(caps, answer->areas, answer->num_areas);
	info->flags = answer->flags;
	vpm_ranges_free(&areas);

	return ret;
}

/* Return: true if the region info differs from that of vfio-pci. */
static bool differs(struct vpm_device *vpm, u32 index)
{
	return vpm_is_mediated(vpm, index) || vpm_extra_region(vpm, index);
}

static noinline int info_mediated(struct vpm_device *vpm,
				  struct vfio_region_info *info,
				  struct vfio_info_cap *caps)
{
	struct vfio_mediate_region_info answer;
	struct vpm_ranges areas = {};
	u32 index = info->index;
	int ret;

	ret = core_region_info(&vpm->core, info, caps);
	if (ret || !differs(vpm, index))
		return ret;
	if (index < VFIO_PCI_NUM_REGIONS)
		index = array_index_nospec(index, VFIO_PCI_NUM_REGIONS);

	if (index < VFIO_PCI_NUM_REGIONS && vpm->region[index].size) {
		info->size = vpm->region[index].size;
		info->flags = VFIO_REGION_INFO_FLAG_READ;
		if (index != VFIO_PCI_ROM_REGION_INDEX)
			info->flags |= VFIO_REGION_INFO_FLAG_WRITE;
	}
	if (info->flags & VFIO_REGION_INFO_FLAG_MMAP)
		ret = find_areas(vpm, index, info->size, &areas);
	if (ret)
		return ret;

	answer = (struct vfio_mediate_region_info) {
		.region = vpm_vendor_index(vpm, index),
		.flags = info->flags,
		.size = info->size,
		.areas = areas.range,
		.num_areas = areas.count,
	};
	ret = ask_vendor(vpm, &answer, info, caps);
	vpm_ranges_free(&areas);

	if (!ret && index < VFIO_PCI_NUM_REGIONS &&
	    vpm->region[index].trappable.count)
		ret = add_trap(vpm, index, caps);

	return ret;
}

#ifdef COMPAT_HAS_REGION_INFO_CAPS
int vpm_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		    struct vfio_info_cap *caps)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm->session))
		return core_region_info(&vpm->core, info, caps);

	return info_mediated(vpm, info, caps);
}
#else
long vpm_region_info_ioctl(struct vpm_device *vpm, struct vfio_region_info __user *arg)
{
	unsigned long minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};
	struct vfio_info_cap caps = {};
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	if (!differs(vpm, info.index))
		return -ENOTTY;

	ret = info_mediated(vpm, &info, &caps);
	if (ret)
		goto out;

	if (caps.size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.size) {
			info.argsz = sizeof(info) + caps.size;
			info.cap_offset = 0;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			if (copy_to_user(arg + 1, caps.buf, caps.size))
				ret = -EFAULT;
			info.cap_offset = sizeof(info);
		}
	}
	if (!ret && copy_to_user(arg, &info, minsz))
		ret = -EFAULT;
out:
	kfree(caps.buf);
	return ret;
}
#endif
