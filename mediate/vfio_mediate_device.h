/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor declares of a device when a VMM opens it. Included by
 * vfio_mediate.h.
 */

#ifndef VFIO_MEDIATE_DEVICE_H
#define VFIO_MEDIATE_DEVICE_H

#include <linux/types.h>

struct pci_dev;
struct vfio_mediate_described;
struct vfio_mediate_dma_log_ops;
struct vfio_mediate_migration_ops;
struct vfio_mediate_tracking_ops;

/**
 * struct vfio_mediate_range - Range of bytes in a region
 * @offset:	First byte, in bytes from the start of the region.
 * @size:	Size in bytes, not 0.
 */
struct vfio_mediate_range {
	u64 offset;
	u64 size;
};

/**
 * struct vfio_mediate_region - Region of the device with mediated ranges
 * @index:	VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_CONFIG_REGION_INDEX.
 * @ranges:	Mediated ranges, which must not overlap. An access to one of them goes
 *		to &vfio_pci_mediate_ops.rw, any other access goes to the device.
 *		Without &vfio_pci_mediate_ops.mmap, user space cannot map a page that
 *		contains part of a range. The sparse mmap capability tells user space.
 * @num_ranges:	Number of @ranges, not 0.
 * @size:	Size in bytes of a region that the device lacks and the vendor adds, otherwise
 *		0. A BAR has a power of two, from 16 bytes. An expansion ROM has a multiple of
 *		the page size. Both have at most 1 GiB, and @ranges must cover them. User space
 *		cannot map the region, and an access cannot be passed through. The register of
 *		the BAR in config space remains as the device has it: mediate it, too.
 * @device_reads: Read the device before &vfio_pci_mediate_ops.rw is called for a read.
 *		The callback finds the result in &vfio_mediate_access.value and may
 *		change it. Only for config space and for a ROM that the device has.
 *		The result passes through user space's buffer: user space can see it,
 *		and another thread of user space can change it.
 */
struct vfio_mediate_region {
	u32 index;
	const struct vfio_mediate_range *ranges;
	unsigned int num_ranges;
	u64 size;
	bool device_reads;
};

/**
 * struct vfio_mediate_extra_region - Region that the vendor adds
 * @type:	Type in VFIO_REGION_INFO_CAP_TYPE, by which user space finds the region.
 *		VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI vendor ID for a region that the
 *		vendor defines.
 * @subtype:	Subtype in the same capability.
 * @size:	Size in bytes, at most 1 GiB. A multiple of the page size if user space
 *		can map the region.
 * @flags:	VFIO_REGION_INFO_FLAG_READ, _WRITE and _MMAP. The last one requires
 *		&vfio_pci_mediate_ops.mmap.
 *
 * Callbacks know the first extra region as region VFIO_PCI_NUM_REGIONS, the second as
 * the next number, and so on. User space may see another index.
 */
struct vfio_mediate_extra_region {
	u32 type;
	u32 subtype;
	u64 size;
	u32 flags;
};

/**
 * struct vfio_mediate_irq - Interrupt that the vendor adds
 * @type:	Type in VFIO_MEDIATE_IRQ_INFO_CAP_TYPE of linux/vfio_mediate.h, by which
 *		user space finds the interrupt.
 * @subtype:	Subtype in the same capability.
 * @count:	Number of vectors, 1 to 64.
 * @automasked:	Mask a vector when it is signalled. Signals of a masked vector are
 *		merged into one, which is delivered when user space unmasks the vector.
 */
struct vfio_mediate_irq {
	u32 type;
	u32 subtype;
	u32 count;
	bool automasked;
};

/**
 * enum vfio_mediate_reg_kind - How a register of a shadow page is drained
 * @VFIO_MEDIATE_DOORBELL:	Write to the device when the value has changed, and after
 *				the queue was enabled.
 * @VFIO_MEDIATE_CONTROL:	Write to the device just before the queue is enabled, even
 *				if the value has not changed. Also write a changed value
 *				when the shadow ends.
 * @VFIO_MEDIATE_ENABLE:	Write to the device when the value has changed. The queue
 *				is enabled when a bit of &vfio_mediate_reg.value goes
 *				from 0 to 1.
 */
enum vfio_mediate_reg_kind {
	VFIO_MEDIATE_DOORBELL,
	VFIO_MEDIATE_CONTROL,
	VFIO_MEDIATE_ENABLE,
};

/**
 * struct vfio_mediate_reg - Register of a page that can be shadowed
 * @offset:	Offset in bytes from the start of the page, a multiple of @width.
 * @width:	Width in bytes, 4 or 8.
 * @kind:	One of &enum vfio_mediate_reg_kind.
 * @queue:	Number of the queue that the register belongs to, 0 to 63. It relates the
 *		controls, enables and doorbells of one page.
 * @value:	Enable bits of @VFIO_MEDIATE_ENABLE.
 */
struct vfio_mediate_reg {
	u16 offset;
	u8 width;
	u8 kind;
	u8 queue;
	u64 value;
};

/**
 * struct vfio_mediate_trap - Pages of a BAR that can be trapped
 * @region:	VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_BAR5_REGION_INDEX.
 * @pages:	The pages. They must not contain mediated ranges.
 * @regs:	Registers of each of the pages, in the order in which they are drained. For
 *		each queue: controls, then enables, then doorbells. NULL if the pages
 *		cannot be shadowed, for example because a read has side effects. Such
 *		pages can be trapped only after the VMM has unmapped them.
 * @num_regs:	Number of @regs.
 *
 * While pages are trapped, accesses to them go to &vfio_pci_mediate_ops.rw. A VMM that
 * has mapped the pages gets a shadow page: RAM in place of the device's page. Writes of
 * the guest to @regs in the shadow page are drained periodically. While a migration has
 * the device stopped, they are drained before its state changes instead. Writes to other
 * offsets are lost. A queue that is disabled and enabled again between two drains counts
 * as never disabled.
 */
struct vfio_mediate_trap {
	u32 region;
	struct vfio_mediate_range pages;
	const struct vfio_mediate_reg *regs;
	unsigned int num_regs;
};

/**
 * struct vfio_mediate_device - Open device that a vendor mediates
 * @pdev:		The device.
 * @handle:		For the vendor's use.
 * @regions:		Regions of the device with mediated ranges.
 * @num_regions:	Number of @regions.
 * @extra_regions:	Regions that the vendor adds.
 * @num_extra_regions:	Number of @extra_regions, at most 16.
 * @irqs:		Interrupts that the vendor adds.
 * @num_irqs:		Number of @irqs, at most 16.
 * @traps:		Pages that can be trapped, at most 1024 pages in total. Pages are
 *			drained in this order.
 * @num_traps:		Number of @traps.
 * @no_p2p:		Refuse to map the pages of @traps for DMA of other devices. Set it
 *			if another device might write to these pages, for example to ring
 *			a doorbell: a trap does not catch such a write. A mapping that
 *			includes such a page cannot be used for DMA either. A type1
 *			container returns EFAULT to user space; QEMU warns and continues.
 * @drain_us:		Interval between two drains of the shadow pages, in microseconds.
 *			0 selects the default of vfio_pci_mediate. The parameter drain_us
 *			of that module overrides either.
 * @migration:		Migration of the device, or NULL if it cannot be migrated. Requires
 *			&vfio_pci_mediate_ops.name to be shorter than 32 bytes. Must stay
 *			valid until release.
 * @migration_features:	Features of the device's state that a destination must know to load
 *			the state. A subset of &vfio_mediate_migration_ops.features.
 * @tracking:		Tracking of the device's DMA writes by the vendor, or NULL. Must stay
 *			valid until release.
 * @dma_log:		Logging of the device's DMA writes by the device, or NULL. Not together
 *			with @tracking. Without either, all memory counts as dirty. Must stay
 *			valid until release.
 * @described:		For use by vfio_mediate_describe().
 *
 * &vfio_pci_mediate_ops.open sets all members but @pdev. They are zero before, and
 * nothing changes them afterwards. Arrays are copied before any other callback is called.
 */
struct vfio_mediate_device {
	struct pci_dev *pdev;
	void *handle;
	const struct vfio_mediate_region *regions;
	unsigned int num_regions;
	const struct vfio_mediate_extra_region *extra_regions;
	unsigned int num_extra_regions;
	const struct vfio_mediate_irq *irqs;
	unsigned int num_irqs;
	const struct vfio_mediate_trap *traps;
	unsigned int num_traps;
	bool no_p2p;
	unsigned int drain_us;
	const struct vfio_mediate_migration_ops *migration;
	u64 migration_features;
	const struct vfio_mediate_tracking_ops *tracking;
	const struct vfio_mediate_dma_log_ops *dma_log;
	struct vfio_mediate_described *described;
};

#endif /* VFIO_MEDIATE_DEVICE_H */
