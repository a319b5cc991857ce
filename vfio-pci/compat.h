/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the supported kernels (6.12 and newer), as macros only. Kbuild checks the
 * headers of the kernel and defines COMPAT_HAS_*.
 */

#ifndef VFIO_PCI_MEDIATE_COMPAT_H
#define VFIO_PCI_MEDIATE_COMPAT_H

#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

/* Map any page frame in a VM_MIXEDMAP mapping. */
#ifdef COMPAT_HAS_PFN_T
#include <linux/pfn_t.h>
#define compat_insert_mixed(vmf, pfn) \
	vmf_insert_mixed((vmf)->vma, (vmf)->address, __pfn_to_pfn_t(pfn, 0))
#else
#define compat_insert_mixed(vmf, pfn) \
	vmf_insert_mixed((vmf)->vma, (vmf)->address, pfn)
#endif

/* Export of BARs as dma-bufs */
#ifdef VFIO_DEVICE_FEATURE_DMA_BUF
#define compat_feature_is_dmabuf(feature)	((feature) == VFIO_DEVICE_FEATURE_DMA_BUF)
#define compat_has_dmabufs(core)		(!list_empty(&(core)->dmabufs))
#else
#define compat_feature_is_dmabuf(feature)	false
#define compat_has_dmabufs(core)		false
#endif

/* User space has requested flags in struct vfio_precopy_info. */
#ifdef VFIO_PRECOPY_INFO_REINIT
#define compat_has_precopy_flags(vdev)		((vdev)->precopy_info_v2)
#define COMPAT_PRECOPY_REINIT			VFIO_PRECOPY_INFO_REINIT
#else
#define compat_has_precopy_flags(vdev)		false
#define COMPAT_PRECOPY_REINIT			0
#endif

/* Older kernels provide crc32c() only in a module that may be missing. */
#ifdef COMPAT_HAS_CRC32C
#define compat_crc32c(crc, data, size)		crc32c(crc, data, size)
#else
#define compat_crc32c(crc, data, size)		__crc32c_le(crc, (const void *)(data), size)
#endif

/*
 * A BAR stays mapped until the device is closed. On older kernels, two tasks must not map a BAR at
 * the same time, so the driver maps BARs on open.
 */
#ifdef COMPAT_HAS_GET_IOMAP
#define compat_map_bar(core, bar)	PTR_ERR_OR_ZERO((__force void *)compat_get_iomap(core, bar))
#define compat_get_iomap(core, bar)	vfio_pci_core_get_iomap(core, bar)
#else
#define compat_map_bar(core, bar)	vfio_pci_core_setup_barmap(core, bar)
#define compat_get_iomap(core, bar)	((core)->barmap[bar] ?: IOMEM_ERR_PTR(-EOPNOTSUPP))
#endif

/* A flag of vfio_pci_core. Older kernels have bit-fields, which READ_ONCE() cannot read. */
#ifdef COMPAT_HAS_PM_BITFIELD
#define compat_read_flag(flag)		(flag)
#else
#define compat_read_flag(flag)		READ_ONCE(flag)
#endif

/* Symbol namespace of iova_bitmap_set() */
#ifdef COMPAT_HAS_UNQUOTED_NS
#define COMPAT_NS_IOMMUFD	IOMMUFD
#else
#define COMPAT_NS_IOMMUFD	"IOMMUFD"
#endif

#endif /* VFIO_PCI_MEDIATE_COMPAT_H */
