/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface of vfio_mediate.ko for PF drivers that mediate VFs bound to
 * vfio-pci-mediate. A PF driver depends on vfio_mediate.ko alone, not on vfio.
 */

#ifndef VFIO_MEDIATE_H
#define VFIO_MEDIATE_H

#include <linux/types.h>

#include "vfio_mediate_device.h"
#include "vfio_mediate_memory.h"
#include "vfio_mediate_migration.h"
#include "vfio_mediate_tracking.h"

struct module;
struct pci_dev;
struct pci_device_id;

/**
 * struct vfio_mediate_access - Read or write of a mediated register
 * @region:	VFIO region index, see also &struct vfio_mediate_extra_region.
 * @width:	Width in bytes: 1, 2, 4 or 8. User space chooses it.
 * @write:	true for a write, false for a read.
 * @own:	Issued by the vendor driver, not by user space; performed even when memory
 *		space is disabled. The driver enables memory space of the device for such
 *		an access. From &vfio_mediate_migration_ops.quiesce or @stop to the return
 *		of @run it enables memory space only once. A VF that follows the PCIe
 *		specification has no memory space enable bit. false in an access that
 *		&vfio_pci_mediate_ops.rw gets.
 * @from_shadow: A write that the guest made to a shadow page some time ago.
 *		vfio_mediate_default_rw() discards it and returns 0 if the device was reset
 *		since. false in an access that the vendor makes up.
 * @offset:	Offset in bytes from the start of the region, a multiple of @width.
 * @value:	Value to write or value read: the little-endian register in the byte order
 *		of the CPU. Unused upper bytes are 0 in a write and ignored in a read. See
 *		also &vfio_mediate_region.device_reads.
 *
 * An access of user space is split at the bounds of mediated ranges. Each part is then
 * split into naturally aligned accesses that are as wide as possible.
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
 * define VFIO_MEDIATE_PASS_THROUGH - Pass an access or a mapping through
 *
 * A return value of &vfio_pci_mediate_ops.rw and @mmap: do what vfio-pci would do.
 */
#define VFIO_MEDIATE_PASS_THROUGH	1

/**
 * struct vfio_mediate_region_info - Region info that user space gets
 * @region:	VFIO region index, as in &vfio_mediate_access.region.
 * @flags:	VFIO_REGION_INFO_FLAG_READ, _WRITE and _MMAP. May be cleared, but not set.
 * @size:	Size of the region in bytes. Read-only.
 * @areas:	Areas that user space can map: whole pages in ascending order, without
 *		trapped pages. User space gets them as a sparse mmap capability, unless
 *		they cover the region. May be replaced by another array, which must stay
 *		valid until release.
 * @num_areas:	Number of @areas.
 *
 * User space gets -EINVAL if the vendor's changes break these rules.
 */
struct vfio_mediate_region_info {
	u32 region;
	u32 flags;
	u64 size;
	const struct vfio_mediate_range *areas;
	unsigned int num_areas;
};

/**
 * struct vfio_pci_mediate_ops - Callbacks of a vendor driver that mediates devices
 * @name:	Name of the ops in logs, sysfs and migration streams: one word, unique among
 *		registered ops.
 * @owner:	THIS_MODULE of the module that contains the callbacks. A reference is held
 *		from a successful @open to the return of @release: the module cannot be
 *		unloaded while a VMM has a device open. While the module is being unloaded,
 *		an open of a device that no other ops claim fails with -EAGAIN.
 * @ids:	Optional: devices for which @open is called, as in the table of a PCI driver.
 *		Ops without @ids are asked for every device. Must stay valid as long as the
 *		ops are registered.
 *
 * Each callback says which locks are held. The vendor's locks nest inside of these.
 * Callbacks must not register, unregister or detach ops, which wait for callbacks.
 *
 * Callbacks from @get_region_info on may run at the same time for one device, except for
 * accesses to trapped pages in @rw, which are serialized. They must not take mmap_lock,
 * neither directly nor by touching user memory.
 */
struct vfio_pci_mediate_ops {
	const char *name;
	struct module *owner;
	const struct pci_device_id *ids;

	/**
	 * @open: Claim a device that a VMM opens.
	 *
	 * Ops are asked until one of them does not return -ENODEV. Ops whose @ids name the
	 * vendor and device ID of @pdev are asked first, then all others; both in the order
	 * of registration. To mediate the device, fill in @dev. Threads of the vendor may
	 * use @dev as soon as @open returns 0. @open itself must not call functions with
	 * @dev.
	 *
	 * Context: Process context, may sleep. vfio's locks for opening a device are held.
	 * The device is enabled. May run for several devices at the same time. Take no lock
	 * that is held around vfio_pci_unregister_mediate_ops() or
	 * vfio_pci_mediate_detach().
	 *
	 * Return:
	 *
	 * * 0: the ops mediate the device until @release.
	 * * -ENODEV: the device is not the vendor's. The next ops are asked.
	 * * Other negative errno: the device is the vendor's, but cannot be mediated. The
	 *   open of the VMM fails with that errno.
	 */
	int (*open)(struct pci_dev *pdev, struct vfio_mediate_device *dev);

	/**
	 * @release: Let go of a device.
	 *
	 * Called once for each successful @open, when the VMM has closed the device or the
	 * ops are unregistered or detached. No callback runs for @dev, and none is called
	 * afterwards. @dev is invalid when @release returns.
	 *
	 * Context: Process context, may sleep. The session's lock is held. Take no lock
	 * that is held around vfio_pci_unregister_mediate_ops() or
	 * vfio_pci_mediate_detach().
	 */
	void (*release)(struct vfio_mediate_device *dev);

	/**
	 * @get_region_info: Change the region info that user space gets.
	 *
	 * Optional. Called when user space requests the info of a mediated or added region.
	 * @info contains what user space would get. The callback changes only what user
	 * space sees. @rw and @mmap decide which accesses and mappings succeed.
	 *
	 * Context: Process context, may sleep. No locks held.
	 *
	 * Return: 0, or a negative errno, which user space gets.
	 */
	int (*get_region_info)(struct vfio_mediate_device *dev,
			       struct vfio_mediate_region_info *info);

	/**
	 * @rw: Serve an access to a mediated or added region, or to a trapped page.
	 *
	 * Required if regions are mediated or added, or pages can be trapped. In config space
	 * and ROM, a write that is passed through is taken from user space's buffer again,
	 * which may have changed. An access to an added region cannot be passed through: that
	 * fails with -EIO.
	 *
	 * Context: Process context, may sleep. The lock that serializes accesses to trapped
	 * pages is held for these, and page faults may wait for the callback.
	 *
	 * Return:
	 *
	 * * 0: the access was served.
	 * * VFIO_MEDIATE_PASS_THROUGH: do what vfio-pci would do.
	 * * Negative errno: user space gets it, unless earlier parts of its access succeeded.
	 */
	int (*rw)(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);

	/**
	 * @mmap: Decide whether user space may map a part of a mediated or added region.
	 *
	 * Optional. @offset and @size are in bytes, page aligned and inside the region. For
	 * an added region store the address of the vmalloc_user() area that backs the region
	 * at @memory. Its pages may stay mapped after @release: vfree() handles that.
	 *
	 * Context: Process context, may sleep. mmap_lock of the VMM is held for write.
	 *
	 * Return:
	 *
	 * * 0: map @memory. Only for an added region.
	 * * VFIO_MEDIATE_PASS_THROUGH: map the BAR itself. Only for a BAR.
	 * * Negative errno: user space gets it.
	 */
	int (*mmap)(struct vfio_mediate_device *dev, u32 region, u64 offset,
		    u64 size, void **memory);

	/**
	 * @reset_prepare: Finish register accesses before a reset.
	 *
	 * Optional. Called when the PCI core is about to reset the function.
	 *
	 * Context: Process context, may sleep. The lock of the PCI device is held and, if
	 * user space resets the device, memory_lock for write. Do not call
	 * vfio_mediate_default_rw(), and take no lock that is held around a call of it.
	 */
	void (*reset_prepare)(struct vfio_mediate_device *dev);

	/**
	 * @reset_finish: End what @reset_prepare has begun.
	 *
	 * Optional. Called once for each call of @reset_prepare, when the PCI core has reset the
	 * function. If user space resets the device, nobody can access BARs before the
	 * callback returns: wait here if the PF has to process the reset, too, and set
	 * emulated registers to their initial values. If the device is closed before, @release
	 * is called instead. Resets when the device is opened and closed are not reported:
	 * wait for them in @open.
	 *
	 * Context: Same as @reset_prepare.
	 */
	void (*reset_finish)(struct vfio_mediate_device *dev);

	/**
	 * @reset_done: Start anew after a reset.
	 *
	 * Optional. Called after a reset by the PCI core, when the function has woken up as after
	 * a reset, or after vfio_mediate_was_reset(). Comes later than @reset_finish.
	 * Shadow pages and tracking have started again, and writes of the guest reach the
	 * device from now on. One call may stand for several resets in a row. @unexpected:
	 * the host, not the VMM or the guest, had the PCI core reset the function. Tell the
	 * guest's driver to reinitialize the device.
	 *
	 * Context: Process context, may sleep. No locks held.
	 */
	void (*reset_done)(struct vfio_mediate_device *dev, bool unexpected);

	/**
	 * @trap_changed: The trap of the device's pages has changed.
	 *
	 * Optional. Called when the VMM, the tracker or a reset switches the trap on or off.
	 * Also called when a reset of the function has ended the vendor's hold. Not called
	 * for what vfio_mediate_trap() itself switches. @on: pages are trapped now. @released: the
	 * vendor's hold has ended. If the trap is still needed, arrange for
	 * vfio_mediate_trap() to be called again, for example by a work item.
	 *
	 * Context: Process context, may sleep. The lock under which the trap is switched is
	 * held. Do not call vfio_mediate_trap(), and take no lock that is held around a call
	 * of it. No lock of the vendor is needed.
	 */
	void (*trap_changed)(struct vfio_mediate_device *dev, bool on,
			     bool released);
};

/**
 * vfio_mediate_default_rw() - Access a register in a BAR as vfio-pci would
 * @dev:	The device. The vendor must have declared something in it.
 * @access:	The access. May be the one that &vfio_pci_mediate_ops.rw got, or another.
 *
 * Config space and ROM cannot be accessed: see &vfio_mediate_region.device_reads, and
 * VFIO_MEDIATE_PASS_THROUGH.
 *
 * Context: Process context, sleeps. At any time from &vfio_pci_mediate_ops.open to @release, but
 * for @reset_prepare and @reset_finish.
 * Return:
 * * 0: done.
 * * -EINVAL: the device has no such register.
 * * -EIO: the device is in D3, or its memory space is disabled and
 *   &vfio_mediate_access.own is not set.
 * * -EOPNOTSUPP: the region is config space or ROM.
 */
int vfio_mediate_default_rw(struct vfio_mediate_device *dev,
			    struct vfio_mediate_access *access);

/**
 * vfio_mediate_read32() - Read a register of 32 bits for the vendor driver
 * @dev:	The device.
 * @region:	VFIO region index of a BAR.
 * @offset:	Offset in bytes in the BAR.
 * @value:	Value read.
 *
 * vfio_mediate_default_rw() with &vfio_mediate_access.own.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int vfio_mediate_read32(struct vfio_mediate_device *dev, u32 region,
			u64 offset, u32 *value);

/**
 * vfio_mediate_write32() - Write a register of 32 bits for the vendor driver
 * @dev:	The device.
 * @region:	VFIO region index of a BAR.
 * @offset:	Offset in bytes in the BAR.
 * @value:	Value to write.
 *
 * vfio_mediate_default_rw() with &vfio_mediate_access.own.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int vfio_mediate_write32(struct vfio_mediate_device *dev, u32 region,
			 u64 offset, u32 value);

/**
 * vfio_mediate_trap() - Hold the trap of the device's pages, or end the hold
 * @dev:	The device.
 * @on:		true to hold the trap, false to end the hold.
 *
 * The vendor is one of three holders. The others are the VMM and, from
 * &vfio_mediate_tracking_ops.start to @stop, the tracker. Pages are trapped while anyone
 * holds the trap. @on false ends the vendor's hold, and no other. Holds of one holder are
 * not counted: a second @on true changes nothing.
 *
 * When @on true returns 0, accesses reach the pages only through &vfio_pci_mediate_ops.rw.
 * When @on false returns 0 and nobody else holds the trap, accesses reach the pages
 * directly.
 *
 * A reset of the function ends the holds of vendor and VMM, see
 * &vfio_pci_mediate_ops.trap_changed.
 *
 * Context: Process context, sleeps. Takes the VMM's mmap_lock, which may take long, and
 * calls &vfio_pci_mediate_ops.rw. Call it from no callback, and with no lock held that a
 * callback takes.
 * Return:
 * * 0: done, or there was nothing to do.
 * * -EBUSY: some pages cannot be shadowed, and the VMM has not said that it has unmapped
 *   them.
 * * -EINTR: the caller is being killed.
 * * -ENODEV: the open of the device is not complete, or the device was detached.
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
 * Context: Any context, including hard interrupts. At any time between open and release.
 * Return:
 * * 0: signalled, or user space does not listen.
 * * -EINVAL: there is no such interrupt or vector.
 */
int vfio_mediate_signal(struct vfio_mediate_device *dev, unsigned int irq,
			unsigned int vector);

/**
 * vfio_mediate_was_reset() - Report a reset that the PCI core does not know of
 * @dev:	The device.
 *
 * Call it when the guest's driver has reset the device, for example through a register or
 * a mailbox. Also call it when a loss of state is over, see vfio_mediate_state_lost().
 * Shadow pages are filled from the device again, tracking starts again, and
 * &vfio_pci_mediate_ops.reset_done is called. A trap stays on.
 *
 * Until @reset_done, writes of the guest to trapped pages may be discarded. Let the guest's
 * driver wait until then, for example for the answer to its request.
 *
 * Context: Process context, does not sleep. May be called from callbacks and with the
 * vendor's locks held.
 * Return:
 * * 0: &vfio_pci_mediate_ops.reset_done will be called.
 * * -ENODEV: the open of the device is not complete, the device is being closed, or it was
 *   detached.
 */
int vfio_mediate_was_reset(struct vfio_mediate_device *dev);

/**
 * vfio_mediate_state_lost() - Report that the device is about to lose its state
 * @dev:	The device.
 *
 * Call it before a reset of the PF that clears the registers of the device, and
 * vfio_mediate_was_reset() after that reset. In between, shadow pages are not drained. A
 * migration transfer that is not complete fails, whatever its callbacks return. A state
 * that was loaded, but has not run yet, is lost: &vfio_mediate_migration_ops.run is called
 * as usual.
 *
 * Tell the guest's driver to reinitialize the device once it runs.
 *
 * Context: Same as vfio_mediate_was_reset().
 * Return:
 * * 0: reported.
 * * -ENODEV: same as vfio_mediate_was_reset().
 */
int vfio_mediate_state_lost(struct vfio_mediate_device *dev);

/**
 * vfio_pci_register_mediate_ops() - Register ops that mediate devices
 * @ops: The ops. They must stay valid until vfio_pci_unregister_mediate_ops() returns.
 *
 * The ops are asked at each open of a device from now on. Devices that are open already
 * are not affected.
 *
 * A module with MODULE_ALIAS("vfio-mediate:vVVVVVVVVdDDDDDDDD") is loaded when a device with
 * these IDs is bound to vfio-pci-mediate: PCI vendor and device ID, in eight upper-case hex
 * digits each. An open of the device waits until the module's init function has returned.
 *
 * Context: Process context, may sleep. Takes registry_lock. Not from callbacks.
 * Return:
 * * 0: registered.
 * * -EEXIST: @ops, or other ops of that name, are registered.
 * * -EINVAL: a required member is missing, or the name is not one word.
 * * -ENOMEM: out of memory.
 */
int vfio_pci_register_mediate_ops(const struct vfio_pci_mediate_ops *ops);

/**
 * vfio_pci_unregister_mediate_ops() - Unregister ops
 * @ops: The ops. Nothing happens if they are not registered.
 *
 * Open devices of @ops are detached: @ops->release is called for each, and the VMM is asked
 * to release the device. When the function returns, no callback of @ops is running, and
 * none will be called.
 *
 * Context: Process context, sleeps. Waits for running callbacks of @ops, which may wait for
 * memory of a VMM. Takes no lock for long: other ops and their devices are not affected.
 * Not from callbacks, and with no lock held that a callback takes.
 */
void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops);

/**
 * vfio_pci_mediate_detach() - Detach the open devices of one PF
 * @ops: Registered ops. They must stay registered until the function returns.
 * @pf: The PF. Its VFs are detached, or the PF itself if it is open.
 *
 * For a driver of several PFs, when one of them is unbound. Does for the devices of @pf
 * what vfio_pci_unregister_mediate_ops() does for all. @ops->open must decline devices of
 * @pf before the function is called.
 *
 * Context: Process context, sleeps. Waits for running callbacks of these devices, and for
 * every running @ops->open. Not from callbacks, and with no lock held that a callback
 * takes.
 */
void vfio_pci_mediate_detach(const struct vfio_pci_mediate_ops *ops,
			     struct pci_dev *pf);

#endif /* VFIO_MEDIATE_H */
