/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the supported kernels (6.12 and newer) lives here,
 * so that the rest of the driver reads as if there were one kernel. What a kernel
 * has, Kbuild has found in its headers.
 */

#ifndef VFIO_PCI_MEDIATE_COMPAT_H
#define VFIO_PCI_MEDIATE_COMPAT_H

#include <linux/crc32.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "info.h"

/* PASID attach and detach through iommufd. */
#if defined(COMPAT_HAS_PASID) && IS_ENABLED(CONFIG_IOMMUFD)
static inline int compat_pasid_attach_ioas(struct vfio_device *vdev, u32 pasid,
					   u32 *pt_id)
{
	/* What the device writes there would be taken for its own address space. */
	if (to_vpm(vdev)->track.ops)
		return -EOPNOTSUPP;

	return vfio_iommufd_physical_pasid_attach_ioas(vdev, pasid, pt_id);
}

#define COMPAT_PASID_OPS						\
	.pasid_attach_ioas = compat_pasid_attach_ioas,			\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define COMPAT_PASID_OPS
#endif

/* A page frame of any kind, for a mapping with VM_MIXEDMAP. */
#ifdef COMPAT_HAS_PFN_T
#include <linux/pfn_t.h>

static inline vm_fault_t compat_insert_mixed(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_mixed(vmf->vma, vmf->address, __pfn_to_pfn_t(pfn, 0));
}
#else
static inline vm_fault_t compat_insert_mixed(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_mixed(vmf->vma, vmf->address, pfn);
}
#endif

/* VF token for cdev users. */
#ifdef COMPAT_HAS_TOKEN
#define COMPAT_TOKEN_OPS						\
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define COMPAT_TOKEN_OPS
#endif

/* BARs can be exported as dma-buf. */
#ifdef COMPAT_HAS_DMABUF_PHYS
static const struct vfio_pci_device_ops compat_pci_ops = {
	.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
};

static inline void compat_set_pci_ops(struct vfio_pci_core_device *core)
{
	core->pci_ops = &compat_pci_ops;
}
#else
static inline void compat_set_pci_ops(struct vfio_pci_core_device *core) { }
#endif

/* GET_REGION_INFO left the ioctl op. */
#ifdef COMPAT_HAS_REGION_INFO_CAPS
#define COMPAT_REGION_OPS						\
	.get_region_info_caps = vpm_region_info,

/* What vfio-pci says of a region. */
static inline int compat_region_info(struct vfio_pci_core_device *core,
				     struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
{
	return vfio_pci_ioctl_get_region_info(&core->vdev, info, caps);
}

/* VFIO_DEVICE_GET_REGION_INFO for regions that are mediated or added. */
static inline long compat_ioctl_region_info(struct vfio_pci_core_device *core,
					    struct vfio_region_info __user *arg)
{
	return -ENOTTY;
}
#else
#define COMPAT_REGION_OPS

/* These kernels have it only as an ioctl: the same, for what can be mediated. */
static inline int compat_region_info(struct vfio_pci_core_device *core,
				     struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
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
		/* One of those that vpm_has_region_info() knows */
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

/* VFIO_DEVICE_GET_REGION_INFO for regions that are mediated or added. */
static inline long compat_ioctl_region_info(struct vfio_pci_core_device *core,
					    struct vfio_region_info __user *arg)
{
	unsigned long minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};
	struct vfio_info_cap caps = {};
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	if (!vpm_has_region_info(&core->vdev, info.index))
		return -ENOTTY;

	ret = vpm_region_info(&core->vdev, &info, &caps);
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

/* Export of BARs as dma-buf. */
static inline bool compat_feature_is_dmabuf(u32 feature)
{
#ifdef VFIO_DEVICE_FEATURE_DMA_BUF
	return feature == VFIO_DEVICE_FEATURE_DMA_BUF;
#else
	return false;
#endif
}

/* Does somebody have a part of its BARs as a dma-buf? */
static inline bool compat_has_dmabufs(struct vfio_pci_core_device *core)
{
#ifdef VFIO_DEVICE_FEATURE_DMA_BUF
	return !list_empty(&core->dmabufs);
#else
	return false;
#endif
}

/* Has user space asked for flags in struct vfio_precopy_info? */
static inline bool compat_has_precopy_flags(struct vfio_device *vdev)
{
#ifdef VFIO_PRECOPY_INFO_REINIT
	return vdev->precopy_info_v2;
#else
	return false;
#endif
}

/* Older kernels have crc32c() only in a module that need not be there. */
static inline u32 compat_crc32c(u32 crc, const void *data, size_t size)
{
#ifdef COMPAT_HAS_CRC32C
	return crc32c(crc, data, size);
#else
	return __crc32c_le(crc, data, size);
#endif
}

/*
 * The registers of a BAR are mapped until the device is closed: on older kernels not by two
 * tasks at the same time, so at open. Those that were not are -EOPNOTSUPP.
 */
#ifdef COMPAT_HAS_GET_IOMAP
static inline int compat_get_iomap(struct vfio_pci_core_device *core, unsigned int bar,
				   void __iomem **io)
{
	*io = vfio_pci_core_get_iomap(core, bar);

	return IS_ERR(*io) ? PTR_ERR(*io) : 0;
}

static inline int compat_map_bar(struct vfio_pci_core_device *core, unsigned int bar)
{
	void __iomem *io;

	return compat_get_iomap(core, bar, &io);
}
#else
static inline int compat_map_bar(struct vfio_pci_core_device *core, unsigned int bar)
{
	return vfio_pci_core_setup_barmap(core, bar);
}

static inline int compat_get_iomap(struct vfio_pci_core_device *core, unsigned int bar,
				   void __iomem **io)
{
	*io = core->barmap[bar];

	return *io ? 0 : -EOPNOTSUPP;
}
#endif

/* Where iova_bitmap_set() is. */
#ifdef COMPAT_HAS_UNQUOTED_NS
#define COMPAT_NS_IOMMUFD	IOMMUFD
#else
#define COMPAT_NS_IOMMUFD	"IOMMUFD"
#endif

/* Is it by a type1 container, and not by an iommufd, that the device has its memory? */
static inline bool compat_has_container(struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return !vdev->iommufd_device;
#else
	return true;
#endif
}

/* Members of struct vfio_device_ops that only some kernels have. */
#define COMPAT_VFIO_DEVICE_OPS						\
	COMPAT_PASID_OPS						\
	COMPAT_TOKEN_OPS						\
	COMPAT_REGION_OPS

/*
 * nointxmask, disable_vga and disable_idle_d3 are latched per device on newer
 * kernels. Older ones keep one set in vfio_pci_core that the last caller
 * overwrites for every vfio driver, so touch it only when the administrator
 * gave one of the three: loading this module with defaults must not undo what
 * in-tree vfio-pci was told.
 */
#ifdef COMPAT_HAS_GLOBAL_PARAMS
static inline void compat_set_global_params(bool nointxmask, bool disable_vga,
					    bool disable_idle_d3)
{
	if (nointxmask || disable_vga || disable_idle_d3)
		vfio_pci_core_set_params(nointxmask, disable_vga,
					 disable_idle_d3);
}

static inline void compat_set_device_params(struct vfio_pci_core_device *core,
					    bool nointxmask, bool disable_vga,
					    bool disable_idle_d3)
{
}
#else
static inline void compat_set_global_params(bool nointxmask, bool disable_vga,
					    bool disable_idle_d3)
{
}

static inline void compat_set_device_params(struct vfio_pci_core_device *core,
					    bool nointxmask, bool disable_vga,
					    bool disable_idle_d3)
{
	core->nointxmask = nointxmask;
	core->disable_idle_d3 = disable_idle_d3;
#ifdef CONFIG_VFIO_PCI_VGA
	core->disable_vga = disable_vga;
#endif
}
#endif

#endif /* VFIO_PCI_MEDIATE_COMPAT_H */
