/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the supported kernels (6.12 and newer) lives here,
 * so that the rest of the driver reads as if there were one kernel.
 */

#ifndef VFIO_PCI_MEDIATE_COMPAT_H
#define VFIO_PCI_MEDIATE_COMPAT_H

#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

/* PASID attach and detach through iommufd. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define COMPAT_PASID_OPS						\
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,	\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define COMPAT_PASID_OPS
#endif

/* VF token for cdev users. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define COMPAT_TOKEN_OPS						\
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define COMPAT_TOKEN_OPS
#endif

/* GET_REGION_INFO left the ioctl op; BARs can be exported as dma-buf. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define COMPAT_REGION_OPS						\
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,

static const struct vfio_pci_device_ops compat_pci_ops = {
	.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
};

static inline void compat_set_pci_ops(struct vfio_pci_core_device *core)
{
	core->pci_ops = &compat_pci_ops;
}
#else
#define COMPAT_REGION_OPS
static inline void compat_set_pci_ops(struct vfio_pci_core_device *core) { }
#endif

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
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
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
#else
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
#endif

#endif /* VFIO_PCI_MEDIATE_COMPAT_H */
