/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trapping pages of BARs while the guest runs.
 */

#ifndef VFIO_PCI_MEDIATE_TRAP_H
#define VFIO_PCI_MEDIATE_TRAP_H

#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/types.h>

#include "mapper.h"
#include "shadow.h"

struct eventfd_ctx;
struct task_struct;
struct vfio_mediate_access;
struct vfio_mediate_device;
struct vfio_mediate_reg;
struct vm_area_struct;
struct vpm_device;

/**
 * enum vpm_trap_state - How far pages are trapped
 * @VPM_TRAP_OFF:	They are the device's.
 * @VPM_TRAP_SHADOW:	Those who map them get a shadow.
 * @VPM_TRAP_EXACT:	The VMM has said that it does not map them.
 */
enum vpm_trap_state {
	VPM_TRAP_OFF,
	VPM_TRAP_SHADOW,
	VPM_TRAP_EXACT,
};

/**
 * enum vpm_trap_holder - Who wants pages to be trapped
 * @VPM_TRAP_VENDOR:	The vendor, by vfio_mediate_trap().
 * @VPM_TRAP_VMM:	The VMM, by the region of trap_region.h.
 * @VPM_TRAP_TRACKER:	Dirty tracking.
 *
 * Pages are trapped while there is a holder. None ends the hold of another. A reset of the
 * function ends those of the vendor and of the VMM.
 */
enum vpm_trap_holder {
	VPM_TRAP_VENDOR,
	VPM_TRAP_VMM,
	VPM_TRAP_TRACKER,
};

#define VPM_TRAP_NOTIFIERS	2

/**
 * struct vpm_shadow_page - A page that can be trapped, and has a shadow
 * @shadow:	The shadow.
 * @vpm:	The device.
 * @region:	Index of the BAR.
 * @offset:	Of the page.
 */
struct vpm_shadow_page {
	struct vpm_shadow shadow;
	struct vpm_device *vpm;
	u32 region;
	u64 offset;
};

/**
 * struct vpm_trap_area - Pages with the same registers
 * @region:	Index of the BAR.
 * @offset:	Of the first page.
 * @size:	Bytes.
 * @regs:	What is drained from the shadows of the pages, NULL when they can
 *		have none.
 * @pages:	The shadows, part of &vpm_trap.pages.
 */
struct vpm_trap_area {
	u32 region;
	u64 offset;
	u64 size;
	struct vfio_mediate_reg *regs;
	struct vpm_shadow_page *pages;
};

/**
 * struct vpm_trap - The traps of a device
 * @toggle_lock: Held while the state changes.
 * @fault_lock:	Held for read by page faults, for write while mappings are taken
 *		away and until what they are replaced with is ready.
 * @state:	Written with @toggle_lock, the vendor lock, and @fault_lock for write held; any
 *		of them suffices to read it.
 * @trapped:	Whether accesses through the device file have to look at @state;
 *		those that did not are over after vfio_mediate_synchronize().
 * @gone:	The vendor is, or has not come yet; set under @toggle_lock.
 * @holders:	Bit n: &enum vpm_trap_holder n holds; under @toggle_lock.
 * @notifiers:	Tell the VMM, by its eventfds. Called with @toggle_lock held.
 * @num_notifiers: Number of @notifiers.
 * @areas:	What can be trapped, in the order in which it is drained.
 * @num_areas:	Number of @areas; 0 while the device is not open.
 * @pages:	The shadows of all @areas.
 * @num_pages:	Number of @pages.
 * @shadowable:	Whether all @areas can be shadowed.
 * @no_p2p:	Mappings of pages in @areas cannot be mapped for DMA.
 * @drain_us:	Interval that the vendor asks for, or 0.
 * @drainer:	Thread that drains, while there are shadows; under @toggle_lock.
 * @paused:	The device is being stopped, or is: @drainer sleeps.
 * @resumed:	Where @drainer sleeps then.
 * @mapper:	Who has mapped a page that can be trapped.
 * @vm_ops:	What vfio_pci_core gave the mappings.
 * @eventfd:	Signalled when the state changes; under @toggle_lock.
 *
 * Order of locks: @toggle_lock, the vendor lock, mmap_lock, @fault_lock, then
 * vfio_pci_core's memory_lock. A reset holds the last: see reset.h.
 */
struct vpm_trap {
	struct mutex toggle_lock;	/* see above */
	struct rw_semaphore fault_lock;
	enum vpm_trap_state state;
	bool trapped;
	bool gone;
	unsigned long holders;
	void (*notifiers[VPM_TRAP_NOTIFIERS])(struct vpm_device *vpm);
	unsigned int num_notifiers;
	struct vpm_trap_area *areas;
	unsigned int num_areas;
	struct vpm_shadow_page *pages;
	unsigned int num_pages;
	bool shadowable;
	bool no_p2p;
	unsigned int drain_us;
	struct task_struct *drainer;
	bool paused;
	wait_queue_head_t resumed;
	struct vpm_mapper mapper;
	const struct vm_operations_struct *vm_ops;
	struct eventfd_ctx *eventfd;
};

extern const struct vpm_part vpm_trap_part;

/**
 * vpm_trap_add_notifier() - Be called when the VMM has to know of a change of traps
 * @vpm:	The device, being opened.
 * @notify:	Called with toggle_lock held when pages are trapped, when they no longer are, and
 *		when a reset has ended the hold of the VMM.
 */
void vpm_trap_add_notifier(struct vpm_device *vpm, void (*notify)(struct vpm_device *vpm));

/**
 * vpm_trap_stop() - Do not call the vendor any more
 * @vpm:	The device.
 * @detached:	The vendor is gone, and the device still open: shadows read as all ones.
 */
void vpm_trap_stop(struct vpm_device *vpm, bool detached);

/**
 * vpm_trap_host() - The trap op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @on:		Trap or do not.
 *
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_host(void *data, bool on);

/**
 * vpm_trap_hold_locked() - As vpm_trap_hold() or vpm_trap_release()
 * @vpm:	The device; toggle_lock held.
 * @holder:	Who.
 * @hold:	Which of the two.
 *
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_hold_locked(struct vpm_device *vpm, enum vpm_trap_holder holder, bool hold);

/**
 * vpm_trap_hold_exact() - The VMM traps pages that it has not mapped
 * @vpm:	The device; toggle_lock held.
 *
 * Return: 0, -ENODEV, or -EOPNOTSUPP.
 */
int vpm_trap_hold_exact(struct vpm_device *vpm);

/**
 * vpm_trap_ack() - The VMM has acted on the state as it is
 * @vpm:	The device; toggle_lock held.
 *
 * Return: 0 or -ENODEV.
 */
int vpm_trap_ack(struct vpm_device *vpm);

/**
 * vpm_trap_rw() - Access a trapped page through the device file
 * @vpm:	The device.
 * @access:	An access inside a page that can be trapped.
 *
 * Return: 0 or the vendor's errno; VPM_NOT_NOW when the page is not trapped.
 */
int vpm_trap_rw(struct vpm_device *vpm, struct vfio_mediate_access *access);

/**
 * vpm_trap_drain() - Bring to the vendor what has been written to shadows
 * @vpm:	The device; vendor lock held.
 *
 * The drainer does so every so often, unless it is paused. To be called by a task that holds the
 * vendor lock for longer.
 */
void vpm_trap_drain(struct vpm_device *vpm);

/**
 * vpm_trap_flush() - Bring to the vendor what was written to shadows before
 * @vpm:	The device, open; no lock held.
 *
 * Controls of queues that are not enabled included.
 */
void vpm_trap_flush(struct vpm_device *vpm);

/**
 * vpm_trap_pause() - Suspend or resume the drainer
 * @vpm:	The device.
 * @paused:	Whether the device is being stopped, so that doorbells have no effect. What is
 *		written to shadows then waits for vpm_trap_flush(), for an access through the
 *		device file, or for the end of the pause. One more drain may come.
 */
void vpm_trap_pause(struct vpm_device *vpm, bool paused);

/**
 * vpm_trap_hold() - Trap pages until vpm_trap_release()
 * @vpm:	The device, open; no lock held that the vendor's callbacks take.
 * @holder:	Who.
 *
 * Nothing happens when there is nothing to be trapped.
 *
 * Return: 0 or a negative errno, see vfio_mediate_trap().
 */
int vpm_trap_hold(struct vpm_device *vpm, enum vpm_trap_holder holder);

/**
 * vpm_trap_release() - Undo vpm_trap_hold()
 * @vpm:	The device.
 * @holder:	Who. Pages stay trapped while there is another holder.
 */
void vpm_trap_release(struct vpm_device *vpm, enum vpm_trap_holder holder);

/**
 * vpm_trap_overlaps() - Are some bytes in pages that can be trapped?
 * @area:	The pages.
 * @region:	Index of a region.
 * @offset:	The first byte.
 * @size:	Bytes, not 0.
 *
 * Return: Whether one is.
 */
bool vpm_trap_overlaps(const struct vpm_trap_area *area, u64 region, u64 offset, u64 size);

/**
 * vpm_trap_find_area() - Find pages that can be trapped
 * @vpm:	The device.
 * @region:	Index of a region.
 * @offset:	The first byte.
 * @size:	Bytes, not 0.
 *
 * Return: An area that has one of the bytes, or NULL.
 */
struct vpm_trap_area *vpm_trap_find_area(struct vpm_device *vpm, u64 region, u64 offset,
					 u64 size);

/**
 * vpm_trap_find_page() - Find a page's shadow
 * @area:	The page's area.
 * @offset:	Of a byte of the page.
 *
 * Return: The page, or NULL when it can have no shadow.
 */
struct vpm_shadow_page *vpm_trap_find_page(struct vpm_trap_area *area, u64 offset);

/**
 * vpm_trap_can_shadow() - Can a page have a shadow?
 * @vpm:	The device.
 * @region:	BAR.
 * @offset:	Of a page that can be trapped.
 *
 * Return: Whether it can.
 */
bool vpm_trap_can_shadow(struct vpm_device *vpm, u32 region, u64 offset);

/**
 * vpm_trap_reset_done() - &vpm_part.reset_done
 * @vpm:	The device.
 * @function:	The function was reset, which ends the holds of the vendor and of the VMM.
 *
 * What the guest has written to a shadow, and what it writes meanwhile, is dropped.
 */
void vpm_trap_reset_done(struct vpm_device *vpm, bool function);

#endif /* VFIO_PCI_MEDIATE_TRAP_H */
