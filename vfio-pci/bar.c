// SPDX-License-Identifier: GPL-2.0-only
/* Accesses to BARs with values in kernel memory, and memory decoding. */

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

static bool user_memory_enabled(struct vfio_pci_core_device *core)
{
	return le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]) & PCI_COMMAND_MEMORY;
}

bool vpm_memory_enabled(struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;

	lockdep_assert_held(&core->memory_lock);

	return vpm_is_powered(pdev) && (pdev->no_command_memory || user_memory_enabled(core));
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

/* Inline, because most accesses to a BAR come here. */
static __always_inline int do_rw(struct vpm_device *vpm, void __iomem *io,
				 struct vfio_mediate_access *access)
{
	if (!access->write)
		return bar_read(io, access->width, &access->value);
	if (access->from_shadow && READ_ONCE(vpm->reset.pending))
		return 0;

	return bar_write(io, access->width, access->value);
}

/*
 * PCI_COMMAND_MEMORY of the virtual config space equals that of the device, unless a reset came in
 * between.
 */
static bool is_decoding(struct vpm_device *vpm)
{
	struct vpm_decode *decode = &vpm->decode;

	lockdep_assert_held(&vpm->core.memory_lock);

	if (decode->hardwired)
		return true;
	if (READ_ONCE(decode->unchecked))
		return false;

	return user_memory_enabled(&vpm->core) || (decode->on && !decode->writers);
}

/*
 * Write the lower byte only: tasks that mask INTx write the upper byte without memory_lock. Return:
 * true if decoding was enabled already.
 */
static bool enable_decoding(struct vpm_device *vpm)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u8 command;

	/* A later reset sets @unchecked again, so the next access checks the bit again. */
	xchg(&vpm->decode.unchecked, false);
	pci_read_config_byte(pdev, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MEMORY)
		return true;
	pci_write_config_byte(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);

	return false;
}

static void disable_decoding(struct vpm_device *vpm)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u8 command;

	pci_read_config_byte(pdev, PCI_COMMAND, &command);
	pci_write_config_byte(pdev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
}

/* Enable memory decoding. Return: true if end_decode() must disable it after use. */
static bool begin_decode(struct vpm_device *vpm)
{
	struct vpm_decode *decode = &vpm->decode;
	bool was_on;

	lockdep_assert_held_write(&vpm->core.memory_lock);

	if (is_decoding(vpm))
		return false;

	was_on = enable_decoding(vpm);
	decode->on = READ_ONCE(decode->held) && !decode->writers;

	return !was_on && !decode->on;
}

static void end_decode(struct vpm_device *vpm)
{
	disable_decoding(vpm);
	/* User space has decoding enabled, but a reset disabled it. Check again. */
	if (user_memory_enabled(&vpm->core))
		WRITE_ONCE(vpm->decode.unchecked, true);
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

/* Do an access of the vendor driver, independent of PCI_COMMAND of user space. */
static noinline int own_rw(struct vpm_device *vpm, void __iomem *io,
			   struct vfio_mediate_access *access)
{
	struct vfio_pci_core_device *core = &vpm->core;
	int ret = -EIO;
	bool on;

	down_read(&core->memory_lock);
	on = is_decoding(vpm);
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
	/* Decoding is usually enabled. Do not block accesses to BARs then. */
	down_read(&core->memory_lock);
	on = is_decoding(vpm);
	up_read(&core->memory_lock);
	/* If the device does not resume, leave it as it is. */
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
	/* From here on, a task that enables decoding disables it after use. */
	down_read(&core->memory_lock);
	on = decode->on;
	up_read(&core->memory_lock);
	if (!on)
		return;

	awake = pm_runtime_resume_and_get(dev) >= 0;
	down_write(&core->memory_lock);
	if (decode->on && awake && vpm_is_powered(core->pdev)) {
		if (!user_memory_enabled(core))
			disable_decoding(vpm);
		decode->on = false;
	}
	up_write(&core->memory_lock);
	if (awake)
		pm_runtime_put(dev);
}

/*
 * vfio_pci_core is about to write a value of user space to PCI_COMMAND. Until the write is done,
 * each access of the vendor driver enables and disables memory decoding by itself.
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
	if (IS_ERR(io)) {
		/* The vendor driver's open comes before the BARs are mapped, see bar_setup(). */
		ret = PTR_ERR(io);
		if (!to_vpm(&core->vdev)->session)
			ret = compat_map_bar(core, access->region);
		if (ret)
			return ret;
		io = compat_get_iomap(core, access->region);
	}
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

/* Detect whether the device implements PCI_COMMAND_MEMORY. */
static int decode_setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
			const struct vfio_pci_mediate_ops *ops)
{
	struct pci_dev *pdev = vpm->core.pdev;
	u16 command;

	vpm->decode = (struct vpm_decode){};
	if (!pdev->no_command_memory)
		return 0;

	/* The PCI core has tried to set the bit. VFs of QEMU implement the bit and need it set. */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	vpm->decode.hardwired = !(command & PCI_COMMAND_MEMORY);

	return 0;
}

static void decode_reset_note(struct vpm_device *vpm, enum vpm_reset_event event)
{
	if (event != VPM_STATE_LOSS_BEGUN)
		WRITE_ONCE(vpm->decode.unchecked, true);
}

/* Check the bit once after a reset, so that accesses need not. */
static void decode_reset_done(struct vpm_device *vpm, bool function)
{
	struct vfio_pci_core_device *core = &vpm->core;

	down_write(&core->memory_lock);
	if (!vpm_is_powered(core->pdev) || vpm->decode.hardwired)
		goto unlock;
	if (user_memory_enabled(core)) {
		if (begin_decode(vpm))
			end_decode(vpm);
	} else if (!READ_ONCE(vpm->decode.held)) {
		/* The PCI core may have restored the bit as it was during a hold. */
		disable_decoding(vpm);
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

/* A vendor driver without a declaration does not access registers. */
static bool has_declaration(const struct vfio_mediate_device *dev)
{
	return dev->num_regions || dev->num_extra_regions || dev->num_irqs ||
	       dev->num_traps || dev->migration || dev->tracking || dev->dma_log;
}

/*
 * On some kernels, the first access or mmap() maps a BAR, and a second one at the same time fails.
 * Map all BARs here. If this fails for a BAR that is not mediated, accesses to it fail as with
 * vfio-pci.
 */
static int bar_setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		     const struct vfio_pci_mediate_ops *ops)
{
	unsigned int bar;
	int ret;

	if (!has_declaration(dev))
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
