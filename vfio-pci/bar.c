// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to the registers of a device with values in the kernel.
 */

#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/pm_runtime.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "compat.h"
#include "vfio_mediate.h"

static bool in_msix_table(struct vfio_pci_core_device *core,
			  struct vfio_mediate_access *access)
{
	return access->region == core->msix_bar &&
	       access->offset < core->msix_offset + core->msix_size &&
	       access->offset + access->width > core->msix_offset;
}

bool vpm_is_powered(struct pci_dev *pdev)
{
	return (__force int)READ_ONCE(pdev->current_state) < (__force int)PCI_D3hot;
}

bool vpm_memory_enabled(struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;
	u16 command = le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]);

	lockdep_assert_held(&core->memory_lock);

	return vpm_is_powered(pdev) &&
	       (pdev->no_command_memory || command & PCI_COMMAND_MEMORY);
}

static int bar_read(void __iomem *io, unsigned int width, u64 *value)
{
	switch (width) {
	case 1:
		*value = ioread8(io);
		return 0;
	case 2:
		*value = ioread16(io);
		return 0;
	case 4:
		*value = ioread32(io);
		return 0;
	case 8:
		*value = ioread64(io);
		return 0;
	default:
		return -EINVAL;
	}
}

static int bar_write(void __iomem *io, unsigned int width, u64 value)
{
	switch (width) {
	case 1:
		iowrite8(value, io);
		return 0;
	case 2:
		iowrite16(value, io);
		return 0;
	case 4:
		iowrite32(value, io);
		return 0;
	case 8:
		iowrite64(value, io);
		return 0;
	default:
		return -EINVAL;
	}
}

/* In line, and what follows is not: most accesses to a BAR come by here. */
static __always_inline int do_rw(void __iomem *io, struct vfio_mediate_access *access)
{
	if (!access->write)
		return bar_read(io, access->width, &access->value);
	if (access->stale && READ_ONCE(*access->stale))
		return 0;

	return bar_write(io, access->width, access->value);
}

/*
 * Whatever user space has done to the command register; VFs have no such bit by the
 * standard, but QEMU's do.
 */
static noinline int own_rw(struct vfio_pci_core_device *core, void __iomem *io,
			   struct vfio_mediate_access *access)
{
	struct pci_dev *pdev = core->pdev;
	int ret = -EIO;
	u16 command;

	down_write(&core->memory_lock);
	if (vpm_is_powered(pdev)) {
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		if (!(command & PCI_COMMAND_MEMORY))
			pci_write_config_word(pdev, PCI_COMMAND,
					      command | PCI_COMMAND_MEMORY);
		ret = do_rw(io, access);
		if (!(command & PCI_COMMAND_MEMORY))
			pci_write_config_word(pdev, PCI_COMMAND, command);
	}
	up_write(&core->memory_lock);

	return ret;
}

int vpm_bar_rw(struct vfio_pci_core_device *core,
	       struct vfio_mediate_access *access)
{
	struct resource *res = &core->pdev->resource[access->region];
	u64 size = pci_resource_len(core->pdev, access->region);
	void __iomem *io;
	int ret;

	if (access->width > size || access->offset > size - access->width ||
	    access->offset & (access->width - 1))
		return -EINVAL;

	if (in_msix_table(core, access)) {
		access->value = U64_MAX;
		return 0;
	}

	ret = compat_get_iomap(core, access->region, &io);
	if (ret)
		return ret;
	io += access->offset;

	if (pm_runtime_resume_and_get(&core->pdev->dev) < 0)
		return -EIO;

	if (unlikely(access->own) && res->flags & IORESOURCE_MEM) {
		ret = own_rw(core, io, access);
		goto put;
	}

	down_read(&core->memory_lock);
	if (res->flags & IORESOURCE_MEM && !vpm_memory_enabled(core))
		ret = -EIO;
	else
		ret = do_rw(io, access);
	up_read(&core->memory_lock);
put:
	pm_runtime_put(&core->pdev->dev);

	return ret;
}
