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
 * @drain_lock:	Held around everything that reaches the vendor by way of a trapped
 *		page: one such access at a time.
 * @in_memory:	The task that holds @drain_lock, while the vendor that it calls may read
 *		the guest's memory and mark it. Written by that task alone.
 * @fault_lock:	Held for read by page faults, for write while mappings are taken
 *		away and until what they are replaced with is ready.
 * @state:	Written with all three locks held, @fault_lock for write; any of
 *		them suffices to read it.
 * @trapped:	Whether accesses through the device file have to look at @state;
 *		those that did not are over after vfio_mediate_synchronize().
 * @gone:	The vendor is, or has not come yet; set under @toggle_lock.
 * @held:	May not be turned off; under @toggle_lock.
 * @held_only:	It is on for no other reason; likewise.
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
 * Order of locks: @toggle_lock, @drain_lock, mmap_lock, @fault_lock, then
 * vfio_pci_core's memory_lock. A reset holds the last: see reset.h.
 */
struct vpm_trap {
	struct mutex toggle_lock;	/* see above */
	struct mutex drain_lock;	/* see above */
	struct task_struct *in_memory;
	struct rw_semaphore fault_lock;
	enum vpm_trap_state state;
	bool trapped;
	bool gone;
	bool held;
	bool held_only;
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

/**
 * vpm_trap_enter_memory() - The vendor is about to be called, and may read memory
 * @trap:	The device's, with its drain_lock held, and without its fault_lock: memory may
 *		have to be faulted in.
 */
static inline void vpm_trap_enter_memory(struct vpm_trap *trap)
{
	lockdep_assert_held(&trap->drain_lock);
	WRITE_ONCE(trap->in_memory, current);
}

/**
 * vpm_trap_leave_memory() - Undo vpm_trap_enter_memory()
 * @trap:	The device's.
 */
static inline void vpm_trap_leave_memory(struct vpm_trap *trap)
{
	WRITE_ONCE(trap->in_memory, NULL);
}

/**
 * vpm_trap_in_memory() - May the vendor read memory where it is called?
 * @trap:	The device's.
 *
 * Return: Whether it may: the caller then holds drain_lock.
 */
static inline bool vpm_trap_in_memory(const struct vpm_trap *trap)
{
	return READ_ONCE(trap->in_memory) == current;
}

/**
 * vpm_trap_init() - Prepare a device for traps, once
 * @vpm:	The device, not yet registered with vfio.
 */
void vpm_trap_init(struct vpm_device *vpm);

/**
 * vpm_trap_setup() - Take over what a vendor declares of traps
 * @vpm:	The device, being opened. Its mediated ranges are set up.
 * @dev:	The declaration.
 *
 * Return: 0, -EINVAL when the declaration makes no sense, -ENOMEM. Whatever is
 * returned, vpm_trap_teardown() must follow.
 */
int vpm_trap_setup(struct vpm_device *vpm,
		   const struct vfio_mediate_device *dev);

/**
 * vpm_trap_start() - From now on the vendor may trap
 * @vpm:	The device, with all that was declared set up.
 *
 * Context: Inside vfio_mediate_enter(), so that vpm_trap_detach() comes later.
 */
void vpm_trap_start(struct vpm_device *vpm);

/**
 * vpm_trap_stop() - The device is being closed: leave the vendor alone
 * @vpm:	The device, which nobody has mapped any more.
 */
void vpm_trap_stop(struct vpm_device *vpm);

/**
 * vpm_trap_teardown() - Undo vpm_trap_setup()
 * @vpm:	The device, after vpm_trap_stop().
 */
void vpm_trap_teardown(struct vpm_device *vpm);

/**
 * vpm_trap_detach() - The vendor has gone
 * @vpm:	The device, still open.
 *
 * Trapped pages stay trapped: what is mapped reads as all ones.
 */
void vpm_trap_detach(struct vpm_device *vpm);

/**
 * vpm_trap_host() - The trap op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @on:		Trap or do not.
 *
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_host(void *data, bool on);

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
 * @vpm:	The device; drain_lock held.
 *
 * Comes by itself every so often, unless paused; to be called by who holds drain_lock for
 * longer.
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
 * vpm_trap_hold() - Trap, and go on to do so whatever user space and vendor want
 * @vpm:	The device, open; no lock held that the vendor's callbacks take.
 *
 * Nothing happens when there is nothing to be trapped.
 *
 * Return: 0 or a negative errno, see vfio_mediate_trap().
 */
int vpm_trap_hold(struct vpm_device *vpm);

/**
 * vpm_trap_release() - Undo vpm_trap_hold()
 * @vpm:	The device.
 *
 * Who had trapped before, or has since, finds them trapped.
 */
void vpm_trap_release(struct vpm_device *vpm);

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
 * vpm_trap_mmap() - A mapping with pages that can be trapped
 * @vpm:	The device.
 * @vma:	As vfio_pci_core_mmap() has made it.
 *
 * Return: 0, or -EBUSY when a page of it is trapped and cannot have a shadow.
 */
int vpm_trap_mmap(struct vpm_device *vpm, struct vm_area_struct *vma);

/**
 * vpm_trap_reset_done() - The device has been reset: shadows and tracking start anew
 * @vpm:	The device, open, with the reset still pending.
 * @off:	Whether that turns the trap off, unless it is held.
 *
 * What the guest has written to a shadow, and what it writes meanwhile, is dropped.
 *
 * Context: Process context, no lock held.
 */
void vpm_trap_reset_done(struct vpm_device *vpm, bool off);

#endif /* VFIO_PCI_MEDIATE_TRAP_H */
