/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's PF driver includes to mediate VFs that are bound to
 * vfio-pci-mediate. It depends on vfio_mediate.ko, not on vfio.
 */

#ifndef VFIO_MEDIATE_H
#define VFIO_MEDIATE_H

#include <linux/types.h>

struct module;
struct pci_dev;
struct vfio_mediate_device;

/**
 * struct vfio_mediate_range - Bytes of a region
 * @offset:	First byte, from the start of the region.
 * @size:	Number of bytes, not 0.
 */
struct vfio_mediate_range {
	u64 offset;
	u64 size;
};

/**
 * struct vfio_mediate_region - A region of the device that is mediated in part
 * @index:	VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_CONFIG_REGION_INDEX.
 * @ranges:	Accesses to these bytes go to &vfio_pci_mediate_ops.rw, all others
 *		to the device. Ranges may not overlap. Pages that hold a part of
 *		one cannot be mmapped, unless &vfio_pci_mediate_ops.mmap lets it
 *		be: a sparse mmap capability says so to user space.
 * @num_ranges:	Number of @ranges, not 0.
 * @rom_size:	For VFIO_PCI_ROM_REGION_INDEX of a device that has no expansion
 *		ROM: size of the one it gets, a multiple of the page size; all
 *		of it must be in @ranges. Otherwise 0.
 * @device_reads: For config space and the device's own ROM: reads in @ranges may
 *		want what the device has, by vfio_mediate_default_rw(). It is then
 *		read into user space's buffer before the vendor is called.
 */
struct vfio_mediate_region {
	u32 index;
	const struct vfio_mediate_range *ranges;
	unsigned int num_ranges;
	u64 rom_size;
	bool device_reads;
};

/**
 * struct vfio_mediate_extra_region - A region that the vendor adds
 * @type:	Type that user space finds it by, in VFIO_REGION_INFO_CAP_TYPE;
 *		for a region of the vendor's own definition
 *		VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI vendor ID.
 * @subtype:	Subtype, likewise.
 * @size:	Bytes, up to 1 GiB; a multiple of the page size if it can be
 *		mmapped.
 * @flags:	VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP. The last needs
 *		&vfio_pci_mediate_ops.mmap.
 *
 * In callbacks the first of them is region VFIO_PCI_NUM_REGIONS, and so on. For
 * user space that number may differ; it looks for @type and @subtype.
 */
struct vfio_mediate_extra_region {
	u32 type;
	u32 subtype;
	u64 size;
	u32 flags;
};

/**
 * struct vfio_mediate_irq - An interrupt that the vendor adds
 * @type:	Type that user space finds it by, see
 *		VFIO_MEDIATE_IRQ_INFO_CAP_TYPE in linux/vfio_mediate.h.
 * @subtype:	Subtype, likewise.
 * @count:	Number of vectors, 1 to 64.
 * @automasked:	A signalled vector is masked until user space unmasks it; what
 *		comes in between is signalled then, once.
 */
struct vfio_mediate_irq {
	u32 type;
	u32 subtype;
	u32 count;
	bool automasked;
};

/**
 * enum vfio_mediate_reg_kind - What a register of a shadowed page means
 * @VFIO_MEDIATE_DOORBELL:	Written to the device whenever its value changed,
 *				and after its queue was enabled.
 * @VFIO_MEDIATE_KICK:		Written to the device whenever it was written, even
 *				the same value; of several writes between two
 *				drains, the last. Holds &vfio_mediate_reg.value
 *				while nothing was written, which therefore cannot be
 *				written.
 * @VFIO_MEDIATE_CONTROL:	Written to the device just before its queue is
 *				enabled, changed or not; and, where it changed, when
 *				the page is no longer to be shadowed.
 * @VFIO_MEDIATE_ENABLE:	Written to the device whenever its value changed.
 *				Its queue is enabled when a bit of
 *				&vfio_mediate_reg.value goes from 0 to 1.
 * @VFIO_MEDIATE_MIRROR:	Read from the device again at each drain. Writes
 *				to it are lost.
 */
enum vfio_mediate_reg_kind {
	VFIO_MEDIATE_DOORBELL,
	VFIO_MEDIATE_KICK,
	VFIO_MEDIATE_CONTROL,
	VFIO_MEDIATE_ENABLE,
	VFIO_MEDIATE_MIRROR,
};

/**
 * struct vfio_mediate_reg - A register of a page that can be shadowed
 * @offset:	From the start of the page; a multiple of @width.
 * @width:	4 or 8 bytes.
 * @kind:	An &enum vfio_mediate_reg_kind.
 * @queue:	Which @VFIO_MEDIATE_CONTROL, @VFIO_MEDIATE_ENABLE and
 *		@VFIO_MEDIATE_DOORBELL of the page belong together: 0 to 63.
 * @value:	For @VFIO_MEDIATE_ENABLE and @VFIO_MEDIATE_KICK, see there.
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
 * @pages:	Which pages. Mediated ranges may not be in them.
 * @regs:	The registers of such a page (of each, where there are several),
 *		in the order in which they are to be written to the device: for
 *		each queue controls, then enables, then doorbells. NULL
 *		when the pages cannot be shadowed, as where reading has side
 *		effects: then they can be trapped only once the VMM has said that
 *		it has unmapped them.
 * @num_regs:	Number of @regs.
 *
 * While trapped, accesses to these pages come to &vfio_pci_mediate_ops.rw. From a
 * VMM that has them mmapped they come by way of a shadow: a page of RAM in the
 * place of the device's, from which @regs are drained every so often. What the
 * guest writes elsewhere in it is not seen. A queue that is disabled and enabled
 * again between two drains is not seen to be.
 */
struct vfio_mediate_trap {
	u32 region;
	struct vfio_mediate_range pages;
	const struct vfio_mediate_reg *regs;
	unsigned int num_regs;
};

/**
 * struct vfio_mediate_access - A read or write of a mediated register
 * @region:	VFIO region index, see also &struct vfio_mediate_extra_region.
 * @offset:	From the start of the region, a multiple of @width.
 * @width:	1, 2, 4 or 8 bytes. User space decides it.
 * @write:	Whether it is a write.
 * @value:	What is written, or where to put what is read, in the CPU's byte
 *		order of the little-endian register. Upper bytes are zero in a
 *		write and ignored in a read.
 *
 * An access of user space is cut at the bounds of ranges, and then into naturally
 * aligned parts that are as wide as possible.
 */
struct vfio_mediate_access {
	u32 region;
	u8 width;
	bool write;
	u64 offset;
	u64 value;
	/* private: what the device has there, for vfio-pci-mediate */
	const u64 *device;
	/* private: whether the device was reset since the guest wrote this */
	const bool *stale;
};

/**
 * struct vfio_mediate_region_info - What user space is told of a region
 * @region:	Index, as in &vfio_mediate_access.region.
 * @flags:	VFIO_REGION_INFO_FLAG_READ, _WRITE and _MMAP may be changed.
 * @size:	For information.
 * @areas:	What can be mmapped, in ascending order, page aligned; told to user
 *		space as a sparse mmap capability when it is less than all. May be
 *		replaced; what it points to must stay until release.
 * @num_areas:	Number of @areas.
 */
struct vfio_mediate_region_info {
	u32 region;
	u32 flags;
	u64 size;
	const struct vfio_mediate_range *areas;
	unsigned int num_areas;
};

/**
 * struct vfio_mediate_host_ops - What vfio-pci-mediate does for the vendor
 * @rw:		See vfio_mediate_default_rw().
 * @trap:	See vfio_mediate_trap().
 * @signal:	See vfio_mediate_signal().
 */
struct vfio_mediate_host_ops {
	int (*rw)(struct vfio_mediate_device *dev,
		  struct vfio_mediate_access *access);
	int (*trap)(struct vfio_mediate_device *dev, bool on);
	int (*signal)(struct vfio_mediate_device *dev, unsigned int irq,
		      unsigned int vector);
};

/**
 * struct vfio_mediate_device - A device that is open and mediated
 * @pdev:		The device.
 * @host:		For the inline functions below.
 * @handle:		The vendor's own.
 * @regions:		Regions of the device that are mediated.
 * @num_regions:	Number of @regions.
 * @extra_regions:	Regions that are added.
 * @num_extra_regions:	Number of @extra_regions, at most 16.
 * @irqs:		Interrupts that are added.
 * @num_irqs:		Number of @irqs, at most 16.
 * @traps:		Pages that can be trapped, at most 1024 in all, in the order
 *			in which they are drained.
 * @num_traps:		Number of @traps.
 * @drain_us:		Microseconds between two drains of the shadows, unless the
 *			drain_us parameter of vfio_pci_mediate says otherwise. 0 for
 *			that module's default.
 *
 * &vfio_pci_mediate_ops.open sets all but the first two, which start as zero, and
 * nothing changes them afterwards. What they point to is copied before any other
 * callback comes.
 */
struct vfio_mediate_device {
	struct pci_dev *pdev;
	const struct vfio_mediate_host_ops *host;
	void *handle;
	const struct vfio_mediate_region *regions;
	unsigned int num_regions;
	const struct vfio_mediate_extra_region *extra_regions;
	unsigned int num_extra_regions;
	const struct vfio_mediate_irq *irqs;
	unsigned int num_irqs;
	const struct vfio_mediate_trap *traps;
	unsigned int num_traps;
	unsigned int drain_us;
	/* private: vfio-pci-mediate's own */
	void *host_data;
};

/**
 * struct vfio_pci_mediate_ops - What a vendor driver does for its VFs
 * @name:	Says who mediates a device, to people and in logs. One word,
 *		unique among the registered ops.
 * @owner:	THIS_MODULE of the code behind the callbacks. Held from a
 *		successful @open until @release has returned, so that the
 *		module cannot be unloaded while a VMM has one of its devices
 *		open.
 * @open:	A VMM opens @pdev. Return 0 to mediate it, having set in @dev what
 *		is to be mediated; -ENODEV when the device is not yours, so that
 *		the next ops are asked; another negative errno when it is yours
 *		but cannot be served, which fails the VMM's open with that
 *		errno. Ops are asked in the order they were registered in,
 *		until one does not return -ENODEV.
 * @release:	The VMM has closed the device, or the ops are being
 *		unregistered while it is open. No callback is running for
 *		@dev, nor will one be called with it again, and @dev itself is
 *		about to go. Comes exactly once for each successful @open.
 * @get_region_info: Optional. User space asks for the info of a mediated or added
 *		region. @info holds what it would be told; change it, or not.
 *		It is only told: what accesses and mappings are served is for @rw
 *		and @mmap to say. Return 0 or a negative errno for user space.
 * @rw:		Needed where regions are mediated or added, or pages trapped. An
 *		access to such a register. Serve it and return 0; or set *@pt,
 *		which is false on entry, and return 0 to have done what vfio-pci
 *		would have done; or return a negative errno, which user space
 *		gets unless earlier parts of its access succeeded. An added
 *		region has nothing behind it to pass through to: setting *@pt is
 *		-EIO there.
 * @mmap:	Optional. User space maps @size bytes at @offset of a mediated or
 *		added region, both page aligned, inside the region. For an added
 *		region set *@memory to an area of vmalloc_user() that has its
 *		bytes, from the first on; its pages may stay mapped after
 *		@release: vfree() takes care of that. For a BAR set *@pt, false
 *		on entry, to map the device's own. Or return a negative errno;
 *		what fits neither is -EINVAL.
 *
 * Groups of callbacks that a vendor may do without, such as those of a migration,
 * will be pointers to structs of their own.
 *
 * @open and @release are called in process context and may sleep. The
 * registry's lock is held: do not register or unregister ops from them, nor
 * take a lock that is held around such a call, as is the device lock of the PF
 * where its probe and remove do that. @open is called with the VF enabled, and
 * under the locks of vfio's own open; it must not call into @dev->host.
 *
 * The other callbacks are called in process context, may sleep, and may run at
 * the same time as each other for one device, but for accesses to trapped pages,
 * of which there is one at a time. They must not take mmap_lock, directly or by
 * touching user memory: @mmap comes with it held for write, @rw with locks that a
 * page fault takes. They must not (un)register ops.
 */
struct vfio_pci_mediate_ops {
	const char *name;
	struct module *owner;
	int (*open)(struct pci_dev *pdev, struct vfio_mediate_device *dev);
	void (*release)(struct vfio_mediate_device *dev);
	int (*get_region_info)(struct vfio_mediate_device *dev,
			       struct vfio_mediate_region_info *info);
	int (*rw)(struct vfio_mediate_device *dev,
		  struct vfio_mediate_access *access, bool *pt);
	int (*mmap)(struct vfio_mediate_device *dev, u32 region, u64 offset,
		    u64 size, void **memory, bool *pt);
};

/**
 * vfio_mediate_default_rw() - Do what vfio-pci would do for an access
 * @dev:	The device.
 * @access:	Which; may differ from the one that the vendor was called with.
 *
 * For BARs it may be called at any time between open and release. For config space
 * and ROM it serves only to read, in &vfio_pci_mediate_ops.rw with the access that
 * it was called with, where &vfio_mediate_region.device_reads is set; the value
 * comes by way of user space's buffer, where another thread of the same user may
 * have changed it. Likewise a write that is passed through there is taken from that
 * buffer again.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for a register that the device does not have; -EIO when its
 * memory is disabled; -EOPNOTSUPP where the above does not allow it.
 */
static inline int vfio_mediate_default_rw(struct vfio_mediate_device *dev,
					  struct vfio_mediate_access *access)
{
	return dev->host->rw(dev, access);
}

/**
 * vfio_mediate_trap() - Trap the pages that can be trapped, or stop trapping
 * @dev:	The device.
 * @on:		Which of the two.
 *
 * When it returns 0, no access to the pages reaches the device but through
 * &vfio_pci_mediate_ops.rw, or all do so directly again. There is one state for
 * vendor and VMM: the VMM may change it, as it may reset the device, which ends
 * a trap.
 *
 * Context: Process context, sleeps. Takes the VMM's mmap_lock, which may take its
 * time, and calls rw. Not from the vendor's callbacks, and under no lock that they
 * take.
 * Return: 0, also when nothing had to be done; -EOPNOTSUPP when the device has no
 * pages that can be trapped; -EBUSY when some cannot be shadowed and the VMM has
 * not said that it has unmapped them; -ENOMEM; -EINTR when the caller is being
 * killed; -ENODEV before the open that @dev comes from is complete, and after a
 * detach.
 */
static inline int vfio_mediate_trap(struct vfio_mediate_device *dev, bool on)
{
	return dev->host->trap(dev, on);
}

/**
 * vfio_mediate_signal() - Signal an added interrupt to user space
 * @dev:	The device.
 * @irq:	Position in &vfio_mediate_device.irqs.
 * @vector:	Vector of that interrupt.
 *
 * Context: Any between open and release, hard interrupt included.
 * Return: 0, also when user space does not listen, or -EINVAL.
 */
static inline int vfio_mediate_signal(struct vfio_mediate_device *dev,
				      unsigned int irq, unsigned int vector)
{
	return dev->host->signal(dev, irq, vector);
}

/**
 * vfio_pci_register_mediate_ops() - Offer to mediate devices
 * @ops: To be asked at each open of a device from now on. Must stay until
 *       vfio_pci_unregister_mediate_ops(). Devices that are open already are
 *       not affected.
 *
 * A module that is to be loaded when a VMM opens a device nobody mediates has
 * MODULE_ALIAS("vfio-mediate:vVVVVVVVVdDDDDDDDD"), with the PCI vendor and
 * device ID in eight upper-case hex digits each.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL when a member of @ops is missing or @name is not one word,
 * -EEXIST when @ops, or others of the same name, are registered already.
 */
int vfio_pci_register_mediate_ops(const struct vfio_pci_mediate_ops *ops);

/**
 * vfio_pci_unregister_mediate_ops() - Stop mediating
 * @ops: Registered before; otherwise nothing happens.
 *
 * Devices that are open through @ops are detached: @ops->release is called for
 * each, and its VMM is asked to release the device. When this returns no
 * callback of @ops is running, and none will be called again.
 *
 * Context: Process context, may sleep. Waits for callbacks under way.
 */
void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops);

/**
 * vfio_pci_mediate_detach() - Stop mediating the VFs of one PF
 * @ops: Registered.
 * @pf: The PF that is going; its VFs, or itself.
 *
 * For a driver of several PFs, of which one is unbound while the ops stay
 * registered: what vfio_pci_unregister_mediate_ops() does, for the devices of @pf.
 * From before this is called, @ops->open must decline them.
 *
 * Context: Process context, may sleep. Waits for callbacks under way.
 */
void vfio_pci_mediate_detach(const struct vfio_pci_mediate_ops *ops,
			     struct pci_dev *pf);

#endif /* VFIO_MEDIATE_H */
