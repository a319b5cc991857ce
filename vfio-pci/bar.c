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
#include "device.h"
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

static bool user_enabled(struct vfio_pci_core_device *core)
{
	return le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]) & PCI_COMMAND_MEMORY;
}

bool vpm_memory_enabled(struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;

	lockdep_assert_held(&core->memory_lock);

	return vpm_is_powered(pdev) && (pdev->no_command_memory || user_enabled(core));
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
static __always_inline int do_rw(struct vpm_device *vpm, void __iomem *io,
				 struct vfio_mediate_access *access)
{
	if (!access->write)
		return bar_read(io, access->width, &access->value);
	if (access->from_shadow && READ_ONCE(vpm->reset.pending))
		return 0;

	return bar_write(io, access->width, access->value);
}

/* User space's bit in vfio_pci_core's copy is the device's, if no reset came between. */
static bool decodes(struct vpm_device *vpm)
{
	struct vpm_decode *decode = &vpm->decode;

	lockdep_assert_held(&vpm->core.memory_lock);

	if (decode->hardwired)
		return true;
	if (READ_ONCE(decode->unsure))
		return false;

	return user_enabled(&vpm->core) || (decode->on && !decode->writers);
}

/*
 * The upper byte is left to those who mask INTx, and do not take memory_lock.
 * Return: whether it was on already.
 */
static bool switch_on(struct vpm_device *vpm)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u8 command;

	/* A reset that comes after this is seen by the next access. */
	xchg(&vpm->decode.unsure, false);
	pci_read_config_byte(pdev, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MEMORY)
		return true;
	pci_write_config_byte(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);

	return false;
}

static void switch_off(struct vpm_device *vpm)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u8 command;

	pci_read_config_byte(pdev, PCI_COMMAND, &command);
	pci_write_config_byte(pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
}

/* Memory decoding is on when it returns. Return: whether to switch it off after use. */
static bool begin_decode(struct vpm_device *vpm)
{
	struct vpm_decode *decode = &vpm->decode;
	bool was_on;

	lockdep_assert_held_write(&vpm->core.memory_lock);

	if (decodes(vpm))
		return false;

	was_on = switch_on(vpm);
	decode->on = READ_ONCE(decode->held) && !decode->writers;

	return !was_on && !decode->on;
}

static void end_decode(struct vpm_device *vpm)
{
	switch_off(vpm);
	/* A reset has switched it off, of which user space does not know. */
	if (user_enabled(&vpm->core))
		WRITE_ONCE(vpm->decode.unsure, true);
}

static noinline int own_rw_switched(struct vpm_device *vpm, void __iomem *io,
				    struct vfio_mediate_access *access)
{
	struct vfio_pci_core_device *core = &vpm->core;
	int ret = -EIO;
	bool off;

	down_write(&core->memory_lock);
	if (vpm_is_powered(core->pdev)) {
		off = begin_decode(vpm);
		ret = do_rw(vpm, io, access);
		if (off)
			end_decode(vpm);
	}
	up_write(&core->memory_lock);

	return ret;
}

/* Whatever user space has done to PCI_COMMAND */
static noinline int own_rw(struct vpm_device *vpm, void __iomem *io,
			   struct vfio_mediate_access *access)
{
	struct vfio_pci_core_device *core = &vpm->core;
	int ret = -EIO;
	bool on;

	down_read(&core->memory_lock);
	on = decodes(vpm);
	if (on && vpm_is_powered(core->pdev))
		ret = do_rw(vpm, io, access);
	up_read(&core->memory_lock);

	return on ? ret : own_rw_switched(vpm, io, access);
}

void vpm_decode_hold(struct vpm_device *vpm)
{
	struct vfio_pci_core_device *core = &vpm->core;
	struct device *dev = &core->pdev->dev;
	bool on;

	WRITE_ONCE(vpm->decode.held, true);
	/* Most often there is nothing to be done, and those who access BARs do not wait. */
	down_read(&core->memory_lock);
	on = decodes(vpm);
	up_read(&core->memory_lock);
	/* A device that does not wake up is left as it is, and so are its registers. */
	if (on || pm_runtime_resume_and_get(dev) < 0)
		return;

	down_write(&core->memory_lock);
	if (vpm_is_powered(core->pdev) && begin_decode(vpm))
		end_decode(vpm);
	up_write(&core->memory_lock);
	pm_runtime_put(dev);
}

void vpm_decode_release(struct vpm_device *vpm)
{
	struct vfio_pci_core_device *core = &vpm->core;
	struct vpm_decode *decode = &vpm->decode;
	struct device *dev = &core->pdev->dev;
	bool on, awake;

	WRITE_ONCE(decode->held, false);
	/* Who switches it on from now on switches it off again. */
	down_read(&core->memory_lock);
	on = decode->on;
	up_read(&core->memory_lock);
	if (!on)
		return;

	awake = pm_runtime_resume_and_get(dev) >= 0;
	down_write(&core->memory_lock);
	if (decode->on && awake && vpm_is_powered(core->pdev)) {
		if (!user_enabled(core))
			switch_off(vpm);
		decode->on = false;
	}
	up_write(&core->memory_lock);
	if (awake)
		pm_runtime_put(dev);
}

/*
 * vfio_pci_core is going to write what user space wants, which may be anything: until it has,
 * an access of the vendor's switches memory decoding on and off by itself.
 */
void vpm_decode_begin_write(struct vpm_device *vpm)
{
	down_write(&vpm->core.memory_lock);
	vpm->decode.writers++;
	up_write(&vpm->core.memory_lock);
}

void vpm_decode_end_write(struct vpm_device *vpm)
{
	down_write(&vpm->core.memory_lock);
	vpm->decode.writers--;
	vpm->decode.on = false;
	up_write(&vpm->core.memory_lock);
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

	if (unlikely(access->own) && res->flags & IORESOURCE_MEM) {
		ret = own_rw(to_vpm(&core->vdev), io, access);
		goto put;
	}

	down_read(&core->memory_lock);
	if (res->flags & IORESOURCE_MEM && !vpm_memory_enabled(core))
		ret = -EIO;
	else
		ret = do_rw(to_vpm(&core->vdev), io, access);
	up_read(&core->memory_lock);
put:
	pm_runtime_put(&core->pdev->dev);

	return ret;
}

/* Find out whether the device has PCI_COMMAND_MEMORY. */
static int decode_setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
			const struct vfio_pci_mediate_ops *ops)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u16 command;

	vpm->decode = (struct vpm_decode){};
	if (!pdev->no_command_memory)
		return 0;

	/* The PCI core has tried to set it. QEMU's VFs have it, and need it. */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	vpm->decode.hardwired = !(command & PCI_COMMAND_MEMORY);

	return 0;
}

static void decode_reset_note(struct vpm_device *vpm, enum vpm_reset_event event)
{
	if (event != VPM_STATE_LOSS_BEGUN)
		WRITE_ONCE(vpm->decode.unsure, true);
}

/* Look at the bit after a reset, so that no access has to. */
static void decode_reset_done(struct vpm_device *vpm, bool function)
{
	struct vfio_pci_core_device *core = &vpm->core;

	down_write(&core->memory_lock);
	if (!vpm_is_powered(core->pdev) || vpm->decode.hardwired)
		goto unlock;
	if (user_enabled(core)) {
		if (begin_decode(vpm))
			end_decode(vpm);
	} else if (!READ_ONCE(vpm->decode.held)) {
		/* The PCI core may have restored what it was while that was held. */
		switch_off(vpm);
		vpm->decode.on = false;
	}
unlock:
	up_write(&core->memory_lock);
}

const struct vpm_part vpm_decode_part = {
	.setup = decode_setup,
	.reset_note = decode_reset_note,
	.reset_done = decode_reset_done,
};

/* A vendor that declares nothing does nothing with registers either. */
static bool declares(const struct vfio_mediate_device *dev)
{
	return dev->num_regions || dev->num_extra_regions || dev->num_irqs ||
	       dev->num_traps || dev->migration || dev->tracking;
}

/*
 * On some kernels a BAR is mapped by the first access, be it the vendor's, user space's or
 * an mmap(), and a second one at the same time fails. So all are mapped now. Where that
 * fails, accesses to a BAR that is not mediated fail as with vfio-pci.
 */
static int bar_setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		     const struct vfio_pci_mediate_ops *ops)
{
	unsigned int bar;
	int ret;

	if (!declares(dev))
		return 0;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (!pci_resource_len(vpm->core.pdev, bar))
			continue;
		ret = compat_map_bar(&vpm->core, bar);
		if (ret && vpm_is_mediated(vpm, bar))
			return ret;
	}

	return 0;
}

const struct vpm_part vpm_bar_part = {
	.setup = bar_setup,
};
