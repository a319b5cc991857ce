/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's PF driver includes to mediate VFs that are bound to
 * vfio-pci-mediate. It depends on vfio_mediate.ko, not on vfio.
 */

#ifndef VFIO_MEDIATE_H
#define VFIO_MEDIATE_H

#include <linux/bits.h>
#include <linux/types.h>

struct module;
struct pci_dev;
struct pci_device_id;
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
 * @device_reads: For config space and the device's own ROM: read from the device
 *		first. &vfio_pci_mediate_ops.rw finds the result in
 *		&vfio_mediate_access.value, and may change it. It comes by way of user
 *		space's buffer, where another thread of the same user may have
 *		changed it, and where that thread may see it.
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
 * place of the device's, from which @regs are drained every so often, unless a
 * migration has the device stopped: then before the next change of state. What the
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
 * @own:	False in what the vendor is called with. When it calls
 *		vfio_mediate_default_rw(): not on behalf of user space, so also when
 *		that has disabled the device's memory. It is then switched on for this
 *		access; or once, from before &vfio_mediate_migration_ops.quiesce or @stop
 *		until @run has returned. VFs by the standard have no such switch.
 * @from_shadow: A write that the guest made to a shadow page some time ago.
 *		vfio_mediate_default_rw() drops it, and returns 0, if the device was
 *		reset since. False in an access of the vendor's own.
 * @value:	What is written, or where to put what is read, in the CPU's byte
 *		order of the little-endian register. Upper bytes are zero in a
 *		write and ignored in a read. See also
 *		&vfio_mediate_region.device_reads.
 *
 * An access of user space is cut at the bounds of ranges, and then into naturally
 * aligned parts that are as wide as possible.
 */
struct vfio_mediate_access {
	u32 region;
	u8 width;
	bool write;
	bool own;
	bool from_shadow;
	u64 offset;
	u64 value;
};

/**
 * struct vfio_mediate_region_info - What user space is told of a region
 * @region:	Index, as in &vfio_mediate_access.region.
 * @flags:	VFIO_REGION_INFO_FLAG_READ, _WRITE and _MMAP may be changed.
 * @size:	For information.
 * @areas:	What can be mmapped, in ascending order, whole pages; told to user
 *		space as a sparse mmap capability when it is less than all, without
 *		what is trapped. May be replaced; what it points to must stay until
 *		release. User space gets -EINVAL when it is not as said here.
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
 * define VFIO_MEDIATE_RECORD_MAX - Bytes that a record of a device's state can have
 */
#define VFIO_MEDIATE_RECORD_MAX		65536

/**
 * define VFIO_MEDIATE_RECORD_TYPES - Number of types that a vendor's records can have
 */
#define VFIO_MEDIATE_RECORD_TYPES	0x8000

/**
 * struct vfio_mediate_record - A part of a device's state
 * @index:	Number of records that were saved before it by the same callback, or
 *		loaded, in this stream: 0 says that a new one has begun.
 * @type:	The vendor's own, below VFIO_MEDIATE_RECORD_TYPES.
 * @optional:	Those who do not know @type may do without it: they are asked to
 *		load it, and that they return -EOPNOTSUPP is no error.
 * @length:	Bytes, up to VFIO_MEDIATE_RECORD_MAX. May be 0.
 * @data:	The bytes, in an order that does not depend on the host. To be saved:
 *		a buffer of VFIO_MEDIATE_RECORD_MAX bytes.
 *
 * What is loaded has arrived as it was saved, as far as a checksum can tell that.
 * Who has written it is another matter: nothing in it can be trusted.
 */
struct vfio_mediate_record {
	u32 index;
	u16 type;
	bool optional;
	u32 length;
	void *data;
};

/**
 * struct vfio_mediate_migration_ops - How a vendor's devices are migrated
 * @version:	The newest of the state that @save and @pre_copy can give. To be raised
 *		when a destination that is older could not load it.
 * @min_version: The oldest that @load takes.
 * @features:	Features of the state that @load knows, a mask of the vendor's own.
 *		A stream says which it uses; where it uses another it is refused.
 * @run:	Let the device operate. It was quiesced or stopped before; or was
 *		reset while it was, or after @run, @quiesce or @stop had failed, and
 *		has the state of a device that was reset. If it lost its state
 *		meanwhile, see vfio_mediate_state_lost(), the guest does not know:
 *		have its driver start anew.
 * @quiesce:	Optional; VFIO_MIGRATION_P2P is offered with it. Have no more DMA of
 *		the device's own begin, to other devices at least, and wait for what
 *		is under way. Accesses to registers are served as ever. It was
 *		running or stopped before.
 * @stop:	Stop the device: no DMA, no interrupts, and nothing that it holds
 *		changes any more by itself. Wait for what is under way. It was
 *		running or, where there is @quiesce, quiesced before. User space may
 *		still access registers, which may lose what it writes, but must do
 *		the host no harm. What the guest had written to trapped pages when
 *		user space asked for the state has come to &vfio_pci_mediate_ops.rw.
 * @size:	Bytes that all records of @save will have together, as far as can be
 *		said now; user space plans its downtime with it. In any state.
 * @save_as:	Optional. A stream is about to begin. @version is the member of that name,
 *		@features are &vfio_mediate_device.migration_features: lower the
 *		version, not below @min_version, so that an older destination can load
 *		the stream; set the features that the state makes use of now. Both hold
 *		for all records of the stream.
 * @save_begin:	Optional. A state in which the device is saved is being entered: start
 *		to note what changes, say. It may be running, quiesced or stopped.
 * @save_end:	Optional. Such a state has been left, or the device was reset in it.
 * @save:	Fill in one record and return 1, or return 0 when all have been given.
 *		The device is stopped. It stays as it is: it may run again, or be
 *		saved once more from the start, at any time.
 * @pre_copy:	Optional, with @pre_copy_size. Fill in one record of what may be sent
 *		while the device is running or quiesced, and return 1; or return 0
 *		when there is nothing at the moment. There is no need to send all:
 *		user space moves on when it wants to.
 * @pre_copy_size: How many bytes @pre_copy can give: at first, and, since it gave
 *		them, for changes.
 * @match:	Optional. A stream has come from a device whose PCI IDs are not the
 *		same: @ids are its vendor, device, subsystem vendor and subsystem.
 *		Return 0 if this device can have its state, as where only the card's
 *		maker differs. Without it all four must be the same.
 * @load_begin:	A stream has come whose header suits: from the same ops' name, for a
 *		device that matches, with a version and features that can be loaded.
 *		Forget what was loaded before, if anything. The device is stopped.
 * @load:	Check one record, and put it aside. The hardware is not to be touched:
 *		the rest of the stream may be missing or wrong, or the device may be
 *		reset.
 * @apply:	The end of the stream has come, and all records were loaded: check that
 *		they make a whole, then put them into the device, which stays
 *		stopped. Whatever they say, it may have an effect on this device
 *		alone.
 *
 * All but the optional ones are needed. Where one returns a negative errno:
 *
 * * @run, @quiesce, @stop, @save_as, @save_begin: user space gets the errno, and the
 *   device is expected to be as it was. If it is not, return -ENOTRECOVERABLE: the device
 *   is then in VFIO_DEVICE_STATE_ERROR until it is reset.
 * * @save, @pre_copy: the stream cannot be continued, and user space gets the errno
 *   until it leaves the state. -EAGAIN and -ERESTARTSYS are not kept: the same
 *   record is asked for again.
 * * @match, @load_begin, @load, @apply: the stream cannot be loaded, whatever the errno;
 *   user space gets it, -EINTR for -ERESTARTSYS, and leaving
 *   VFIO_DEVICE_STATE_RESUMING ends in VFIO_DEVICE_STATE_ERROR. -EINVAL for what
 *   makes no sense, -EMSGSIZE for what is too much, -EOPNOTSUPP for what is not
 *   known.
 *
 * They are called in process context, one at a time for each device, and may sleep;
 * &vfio_pci_mediate_ops.rw and others may run at the same time. They may use
 * vfio_mediate_default_rw() for BARs, even from @stop on: with
 * &vfio_mediate_access.own, as the config space of a destination may be restored
 * after @apply, or the guest not have enabled its memory. And vfio_mediate_signal(),
 * but not vfio_mediate_trap(), and must not take mmap_lock, nor (un)register ops.
 * A user who waits for one waits uninterruptibly unless it sees to that itself.
 *
 * &vfio_pci_mediate_ops.release may come in any state; the device may have been
 * stopped and not run again, or be saved and no @save_end come. It will be reset,
 * if it can be, before somebody else opens it, and be expected to run then.
 */
struct vfio_mediate_migration_ops {
	u32 version;
	u32 min_version;
	u64 features;
	int (*run)(struct vfio_mediate_device *dev);
	int (*quiesce)(struct vfio_mediate_device *dev);
	int (*stop)(struct vfio_mediate_device *dev);
	u64 (*size)(struct vfio_mediate_device *dev);
	int (*save_as)(struct vfio_mediate_device *dev, u32 *version,
		       u64 *features);
	int (*save_begin)(struct vfio_mediate_device *dev);
	void (*save_end)(struct vfio_mediate_device *dev);
	int (*save)(struct vfio_mediate_device *dev,
		    struct vfio_mediate_record *record);
	int (*pre_copy)(struct vfio_mediate_device *dev,
			struct vfio_mediate_record *record);
	void (*pre_copy_size)(struct vfio_mediate_device *dev, u64 *initial,
			      u64 *changed);
	int (*match)(struct vfio_mediate_device *dev, const u16 ids[4]);
	int (*load_begin)(struct vfio_mediate_device *dev, u32 version,
			  u64 features);
	int (*load)(struct vfio_mediate_device *dev,
		    const struct vfio_mediate_record *record);
	int (*apply)(struct vfio_mediate_device *dev);
};

/**
 * struct vfio_mediate_tracking_ops - How it is known what a vendor's devices write
 * @start:	From now on note what the device writes by DMA. Its pages that can be
 *		trapped are trapped. Memory for which it holds an address already, as
 *		buffers that were posted before, counts as well.
 *		Comes again, without a @stop, when the device was reset: mark all that
 *		it may have written before, and start anew.
 * @stop:	Nobody wants to know any more. The pages may still be trapped.
 * @scan:	Call vfio_mediate_mark() for what the device has written and is not
 *		marked. Comes every so often, unless a migration has the device stopped,
 *		and before user space is told. Of what is written while it runs, all
 *		must be marked by the next one; when the device is stopped, or quiesced,
 *		all that it has ever written. What takes long is done in parts: it
 *		returns 1, and comes again as soon as accesses to trapped pages, which
 *		wait meanwhile, have been served.
 *
 * All are needed. @start and @scan may return a negative errno: then it is not known
 * what the device writes. When @start fails user space gets the errno, or is told that all
 * is written; when @scan does, a migration by a type1 container fails, and otherwise
 * all counts as written until tracking is started again.
 *
 * Too much may be marked, too little never: a page that is marked before it is
 * written, and not after, is lost. Addresses and contents of rings are the guest's;
 * nothing in them can be trusted.
 *
 * They are called in process context and may sleep, one at a time for each device,
 * and not while an access to a trapped page is in &vfio_pci_mediate_ops.rw: what they
 * share needs no lock. Callbacks of &struct vfio_mediate_migration_ops may run at the
 * same time, as @scan does when it comes by itself. They may call what such an access
 * may, and vfio_mediate_read() and vfio_mediate_mark().
 *
 * &vfio_pci_mediate_ops.release may come without a @stop.
 */
struct vfio_mediate_tracking_ops {
	int (*start)(struct vfio_mediate_device *dev);
	void (*stop)(struct vfio_mediate_device *dev);
	int (*scan)(struct vfio_mediate_device *dev);
};

/**
 * struct vfio_mediate_device - A device that is open and mediated
 * @pdev:		The device.
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
 * @no_p2p:		Pages that can be trapped, and what is mapped together with them,
 *			cannot be mapped for DMA of other devices. To be set where these
 *			might write to them, as to ring a doorbell: a trap does not see
 *			that, nor does who tracks the device. User space that maps BARs
 *			for others by type1 gets EFAULT; QEMU warns, and goes on.
 * @drain_us:		Microseconds between two drains of the shadows, unless the
 *			drain_us parameter of vfio_pci_mediate says otherwise. 0 for
 *			that module's default.
 * @migration:		How it is migrated; NULL when it cannot be. Must stay until
 *			release. Only for ops whose name has less than 32 bytes.
 * @migration_features:	Features of its state, which a destination must know to
 *			load it; among &vfio_mediate_migration_ops.features.
 * @tracking:		How it is known what it writes; NULL when it is not: user space
 *			then takes all memory for written. Must stay until release.
 *
 * &vfio_pci_mediate_ops.open sets all but @pdev, which start as zero, and nothing
 * changes them afterwards. What they point to is copied before any other
 * callback comes, except for @migration and @tracking.
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
};

/**
 * struct vfio_pci_mediate_ops - What a vendor driver does for its VFs
 * @name:	Says who mediates a device, to people and in logs. One word,
 *		unique among the registered ops.
 * @owner:	THIS_MODULE of the code behind the callbacks. Held from a
 *		successful @open until @release has returned, so that the
 *		module cannot be unloaded while a VMM has one of its devices
 *		open. While it is being unloaded, and @open can no longer be called,
 *		a device that no other ops claim cannot be opened: -EAGAIN.
 * @ids:	Optional. Devices for which @open is called, as in a PCI driver's table;
 *		without it, all. It makes an open of any other device as cheap as without
 *		the ops. Must stay as long as the ops.
 * @open:	A VMM opens @pdev. Return 0 to mediate it, having set in @dev what
 *		is to be mediated; -ENODEV when the device is not yours, so that
 *		the next ops are asked; another negative errno when it is yours
 *		but cannot be served, which fails the VMM's open with that
 *		errno. Ops are asked in the order they were registered in, those first
 *		whose @ids name a vendor and device, until one does not return -ENODEV.
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
 *		-EIO there. In config space and ROM, what is passed through is taken
 *		from user space's buffer again, which may have changed.
 * @mmap:	Optional. User space maps @size bytes at @offset of a mediated or
 *		added region, both page aligned, inside the region. For an added
 *		region set *@memory to an area of vmalloc_user() that has its
 *		bytes, from the first on; its pages may stay mapped after
 *		@release: vfree() takes care of that. For a BAR set *@pt, false
 *		on entry, to map the device's own. Or return a negative errno;
 *		what fits neither is -EINVAL.
 * @reset_prepare: Optional. The PCI core is about to reset the function. Finish
 *		what uses the device's registers. Do not access them by
 *		vfio_mediate_default_rw() here, and take no lock that is held around
 *		that call elsewhere: user space's reset holds the device's memory.
 * @reset_done:	Optional. The device was reset: by the PCI core, or as the vendor has
 *		said by vfio_mediate_was_reset(). Traps and tracking have started
 *		anew. What the guest writes from now on reaches the device. Several
 *		resets in a row may have one @reset_done in common. @unexpected: the
 *		PCI core has reset it for the host, and not for the VMM or the guest:
 *		have the guest's driver start anew.
 * @trap_changed: Optional. The trap of the device's pages went on or off, whoever
 *		asked for it, or a reset of the function ended the vendor's hold. @on:
 *		pages are trapped now. @released: a reset ended the hold of
 *		vfio_mediate_trap(). Call that function again if the trap is still
 *		needed, but not from here: the lock under which traps are switched is
 *		held. No lock of the vendor need be held, and none may be taken that is
 *		held around vfio_mediate_trap().
 *
 * @open and @release are called in process context and may sleep. Unregistering and
 * vfio_pci_mediate_detach() wait for them: do neither from them, nor take a lock that is
 * held around such a call, as is the device lock of the PF where its probe and remove
 * do that. @open is called with the VF enabled, and under the locks of vfio's own open;
 * it must not call functions of this header with @dev. Both may be called for several
 * devices at the same time. Those of one device wait for each other.
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
	const struct pci_device_id *ids;
	int (*open)(struct pci_dev *pdev, struct vfio_mediate_device *dev);
	void (*release)(struct vfio_mediate_device *dev);
	int (*get_region_info)(struct vfio_mediate_device *dev,
			       struct vfio_mediate_region_info *info);
	int (*rw)(struct vfio_mediate_device *dev,
		  struct vfio_mediate_access *access, bool *pt);
	int (*mmap)(struct vfio_mediate_device *dev, u32 region, u64 offset,
		    u64 size, void **memory, bool *pt);
	void (*reset_prepare)(struct vfio_mediate_device *dev);
	void (*reset_done)(struct vfio_mediate_device *dev, bool unexpected);
	void (*trap_changed)(struct vfio_mediate_device *dev, bool on,
			     bool released);
};

/**
 * vfio_mediate_default_rw() - Do what vfio-pci would do for an access
 * @dev:	The device.
 * @access:	Which; may differ from the one that the vendor was called with.
 *
 * For BARs only, at any time between open and release, by a vendor that has declared
 * something in @dev. For config space and ROM see &vfio_mediate_region.device_reads and
 * @pt of &vfio_pci_mediate_ops.rw.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL for a register that the device does not have; -EIO when its
 * memory is disabled, unless &vfio_mediate_access.own, or when it is in D3;
 * -EOPNOTSUPP for config space and ROM.
 */
int vfio_mediate_default_rw(struct vfio_mediate_device *dev,
			    struct vfio_mediate_access *access);

/**
 * vfio_mediate_trap() - Hold or release the trap of the pages that can be trapped
 * @dev:	The device.
 * @on:		true: hold it. false: end the hold.
 *
 * The vendor is one of three holders. The others are the VMM and, between @start and
 * @stop of &struct vfio_mediate_tracking_ops, the tracker. Pages are trapped while
 * anyone holds the trap. @on false ends the vendor's own hold, and no other. Holds are
 * not counted per holder: a second @on true changes nothing.
 *
 * When @on true returns 0, no access to the pages reaches the device but through
 * &vfio_pci_mediate_ops.rw. When @on false returns 0, and nobody else holds the trap,
 * accesses reach the device directly again.
 *
 * A reset of the function ends the holds of vendor and VMM, see
 * &vfio_pci_mediate_ops.trap_changed.
 *
 * Context: Process context, sleeps. Takes the VMM's mmap_lock, which may take its
 * time, and calls rw. Not from the vendor's callbacks, and under no lock that they
 * take.
 * Return:
 * * 0: done, or nothing had to be done.
 * * -EBUSY: some pages cannot be shadowed, and the VMM has not said that it has
 *   unmapped them.
 * * -EINTR: the caller is being killed.
 * * -ENODEV: the open that @dev comes from is not complete, or the device was detached.
 * * -ENOMEM: out of memory.
 * * -EOPNOTSUPP: the device has no pages that can be trapped.
 */
int vfio_mediate_trap(struct vfio_mediate_device *dev, bool on);

/**
 * vfio_mediate_signal() - Signal an added interrupt to user space
 * @dev:	The device.
 * @irq:	Position in &vfio_mediate_device.irqs.
 * @vector:	Vector of that interrupt.
 *
 * Context: Any between open and release, hard interrupt included.
 * Return: 0, also when user space does not listen, or -EINVAL.
 */
int vfio_mediate_signal(struct vfio_mediate_device *dev, unsigned int irq,
			unsigned int vector);

/**
 * vfio_mediate_read() - Read the guest's memory as the device would
 * @dev:	The device.
 * @iova:	Address of the first byte.
 * @buf:	Buffer for what is read.
 * @size:	Bytes.
 *
 * Context: Callbacks of &struct vfio_mediate_tracking_ops, and
 * &vfio_pci_mediate_ops.rw for trapped pages between their start and stop, but for reads
 * of registers that a shadow is filled from. Sleeps.
 * Return: 0, or a negative errno: of @buf nothing can then be used. -ENODEV outside of
 * the above.
 */
int vfio_mediate_read(struct vfio_mediate_device *dev, u64 iova, void *buf,
		      size_t size);

/**
 * define VFIO_MEDIATE_MARK_MAX - Bytes that vfio_mediate_mark() takes at once
 */
#define VFIO_MEDIATE_MARK_MAX	BIT_ULL(40)

/**
 * vfio_mediate_mark() - Report that the device has written to memory
 * @dev:	The device.
 * @iova:	Address of the first byte.
 * @size:	Bytes, up to VFIO_MEDIATE_MARK_MAX. May be 0.
 *
 * Bytes beyond the end of the address space are ignored, and so is memory that the
 * device cannot write. A type1 container does not say what is mapped, so each page of
 * the range is tried: mark no more than what may have been written. A container is told
 * later and in parts; of everything that was marked before the device was stopped, it is
 * told before user space has the device in the new state.
 *
 * Context: As for vfio_mediate_read(); elsewhere it does nothing. When marking fails,
 * it is as if &vfio_mediate_tracking_ops.scan had.
 */
void vfio_mediate_mark(struct vfio_mediate_device *dev, u64 iova, u64 size);

/**
 * vfio_mediate_mark_all() - Report that the device may have written to any memory
 * @dev:	The device.
 *
 * The next report of VFIO_DEVICE_FEATURE_DMA_LOGGING_* has all memory. A type1 container
 * cannot be told: a migration by one fails, with -E2BIG.
 *
 * Context: As for vfio_mediate_mark().
 */
void vfio_mediate_mark_all(struct vfio_mediate_device *dev);

/**
 * vfio_mediate_take_record() - Take the payload of a record that may have grown
 * @record:	The record.
 * @to:		Where to.
 * @size:	Bytes that are known of this type.
 * @least:	Bytes that it has always had, at most @size.
 *
 * A type grows at its end, by fields that mean the same as before when they are 0. What
 * an older source has not sent is 0 here.
 *
 * Context: Any.
 * Return: 0; -EINVAL for less than @least; -EOPNOTSUPP when what is not known is not 0.
 */
int vfio_mediate_take_record(const struct vfio_mediate_record *record, void *to,
			     size_t size, size_t least);

/**
 * vfio_mediate_was_reset() - The device was reset, and not by the PCI core
 * @dev:	The device.
 *
 * Call it when the guest's driver has reset the device by itself, as by a register or
 * a mailbox, and when a loss of state is over, see vfio_mediate_state_lost(). Shadows of
 * trapped pages then start anew with what the device has, tracking starts again, and
 * &vfio_pci_mediate_ops.reset_done is called. A trap stays on.
 *
 * What the guest writes to a trapped page before @reset_done may be dropped. Let the
 * guest's driver wait until then, as for the answer to its request.
 *
 * Context: Process context. Does not sleep; callbacks and the vendor's locks are allowed.
 * Return: 0 when &vfio_pci_mediate_ops.reset_done follows, or -ENODEV before the open that
 * @dev comes from is complete, while @dev is being closed, and after a detach.
 */
int vfio_mediate_was_reset(struct vfio_mediate_device *dev);

/**
 * vfio_mediate_state_lost() - The device loses its state, and nobody has reset it
 * @dev:	The device.
 *
 * Call it before a reset of the PF that takes the device's registers with it, and
 * vfio_mediate_was_reset() after that. In between nothing is drained to trapped pages.
 * A transfer of a migration that is not complete ends in an error, whatever its
 * callbacks have returned meanwhile. A state that was loaded completely, and has not run
 * yet, is lost: &vfio_mediate_migration_ops.run comes as if it were not.
 *
 * Tell the guest's driver once the device runs, so that it starts anew.
 *
 * Context: As for vfio_mediate_was_reset().
 * Return: 0 or -ENODEV, likewise.
 */
int vfio_mediate_state_lost(struct vfio_mediate_device *dev);

/**
 * vfio_pci_register_mediate_ops() - Offer to mediate devices
 * @ops: To be asked at each open of a device from now on. Must stay until
 *       vfio_pci_unregister_mediate_ops(). Devices that are open already are
 *       not affected.
 *
 * A module that is to be loaded when a device is bound to vfio-pci-mediate has
 * MODULE_ALIAS("vfio-mediate:vVVVVVVVVdDDDDDDDD"), with the PCI vendor and
 * device ID in eight upper-case hex digits each. Opens of the device wait until the
 * module's init has returned.
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
 * Context: Process context, may sleep. Waits for callbacks of @ops under way, @open and
 * @release included, for as long as they take: one may wait for memory of its VMM's.
 * Other ops and their devices are not affected.
 */
void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops);

/**
 * vfio_pci_mediate_detach() - Stop mediating the VFs of one PF
 * @ops: Registered, until this returns.
 * @pf: The PF that is going; its VFs, or itself.
 *
 * For a driver of several PFs, of which one is unbound while the ops stay
 * registered: what vfio_pci_unregister_mediate_ops() does, for the devices of @pf.
 * From before this is called, @ops->open must decline them.
 *
 * Context: Process context, may sleep. Waits for the callbacks of these devices, and for
 * each @open of @ops, under way.
 */
void vfio_pci_mediate_detach(const struct vfio_pci_mediate_ops *ops,
			     struct pci_dev *pf);

#endif /* VFIO_MEDIATE_H */
