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

bool vpm_memory_enabled(struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;
	u16 command = le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]);

	lockdep_assert_held(&core->memory_lock);

	return pdev->current_state != PCI_D3hot &&
	       pdev->current_state != PCI_D3cold &&
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

	io = compat_get_iomap(core, access->region);
	if (IS_ERR(io))
		return PTR_ERR(io);
	io += access->offset;

	if (pm_runtime_resume_and_get(&core->pdev->dev) < 0)
		return -EIO;

	down_read(&core->memory_lock);
	if (res->flags & IORESOURCE_MEM && !vpm_memory_enabled(core))
		ret = -EIO;
	else if (!access->write)
		ret = bar_read(io, access->width, &access->value);
	else if (access->stale && READ_ONCE(*access->stale))
		ret = 0;
	else
		ret = bar_write(io, access->width, access->value);
	up_read(&core->memory_lock);

	pm_runtime_put(&core->pdev->dev);

	return ret;
}
