/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls to the vendor driver that mediates a device. */

#ifndef VFIO_PCI_MEDIATE_VENDOR_H
#define VFIO_PCI_MEDIATE_VENDOR_H

#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/types.h>

#include "device.h"

struct vfio_mediate_access;
struct vm_area_struct;

extern const struct vpm_part vpm_vendor_part;

/**
 * struct vpm_call - A call to the vendor driver
 * @session:	The session.
 * @ops:	Ops of the vendor driver, or NULL when it is detached.
 * @dev:	First argument of the ops.
 * @cookie:	Argument of vfio_mediate_exit().
 *
 * CLASS(vpm_call, call)(session) begins a call, which ends with the scope. All calls to the ops of
 * the vendor driver are made this way. vfio_mediate_enter() documents the rules in between.
 */
struct vpm_call {
	struct vfio_mediate_session *session;
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	int cookie;
};

static __always_inline struct vpm_call vpm_call_begin(struct vfio_mediate_session *session)
{
	struct vpm_call call = { .session = session };

	call.ops = vfio_mediate_enter(session, &call.dev, &call.cookie);
	/* sparse does not track the end of a scope. Hide the lock from it. */
	__release(&session->calls);

	return call;
}

static __always_inline void vpm_call_end(const struct vpm_call *call)
{
	__acquire(&call->session->calls);
	vfio_mediate_exit(call->session, call->cookie);
}

DEFINE_CLASS(vpm_call, struct vpm_call, vpm_call_end(&_T),
	     vpm_call_begin(session), struct vfio_mediate_session *session)

/**
 * vpm_vendor_memory_begin() - Permit the vendor driver to mark guest memory dirty
 * @vendor:	Vendor state of the device.
 *
 * Called before a call to the vendor driver that may access guest memory and mark it dirty.
 *
 * Context: Process context. The caller holds the vendor lock, and no lock that a page fault takes,
 * because guest memory may have to be faulted in.
 */
static inline void vpm_vendor_memory_begin(struct vpm_vendor *vendor)
{
	lockdep_assert_held(&vendor->lock);
	WRITE_ONCE(vendor->memory_user, current);
}

/**
 * vpm_vendor_memory_end() - Undo vpm_vendor_memory_begin()
 * @vendor:	Vendor state of the device.
 */
static inline void vpm_vendor_memory_end(struct vpm_vendor *vendor)
{
	WRITE_ONCE(vendor->memory_user, NULL);
}

/**
 * vpm_vendor_may_mark() - Check whether the vendor driver may mark guest memory dirty
 * @vendor:	Vendor state of the device.
 *
 * Called when the current task runs a callback of the vendor driver.
 *
 * Return: True if it may. The current task then holds the vendor lock.
 */
static inline bool vpm_vendor_may_mark(const struct vpm_vendor *vendor)
{
	return READ_ONCE(vendor->memory_user) == current;
}

/**
 * vpm_vendor_deny_memory() - Deny the vendor driver access to guest memory, or allow it again
 * @vendor:	Vendor state of the device.
 * @deny:	True to deny access to the current task, false to allow access.
 *
 * Called around calls to the vendor driver during which page faults are blocked.
 *
 * Context: Process context. The caller holds the vendor lock.
 */
static inline void vpm_vendor_deny_memory(struct vpm_vendor *vendor, bool deny)
{
	lockdep_assert_held(&vendor->lock);
	WRITE_ONCE(vendor->fault_blocker, deny ? current : NULL);
}

/**
 * vpm_vendor_may_use_memory() - Check whether the vendor driver may access guest memory
 * @vendor:	Vendor state of the device.
 *
 * Return: False if the current task blocks page faults.
 */
static inline bool vpm_vendor_may_use_memory(const struct vpm_vendor *vendor)
{
	return READ_ONCE(vendor->fault_blocker) != current;
}

/* Results of an access other than 0 and a negative errno */
#define VPM_RETRY		1	/* trap state changed, try again */
#define VPM_PASS_THROUGH	2	/* access the device with the user buffer */

/**
 * vpm_vendor_default_rw() - &vfio_mediate_host_ops.rw
 * @data:	The &struct vpm_device.
 * @access:	The access.
 *
 * Return: See vfio_mediate_default_rw().
 */
int vpm_vendor_default_rw(void *data, struct vfio_mediate_access *access);

/**
 * vpm_vendor_rw() - Let the vendor driver serve an access
 * @vpm:	The device.
 * @access:	The access.
 *
 * When the vendor driver is detached, a read of one of the device's own regions returns all ones.
 *
 * Context: Process context, may sleep.
 * Return:
 * * %0: The access is done.
 * * %VPM_PASS_THROUGH: The vendor driver passes through an access to config space or ROM.
 * * %-ENODEV: The vendor driver is detached, for a write or for a region that it added.
 * * Other negative errno: Error of the vendor driver or of the pass-through access.
 */
int vpm_vendor_rw(struct vpm_device *vpm, struct vfio_mediate_access *access);

/**
 * vpm_vendor_mmap() - Map a region that the vendor driver added
 * @vpm:	The device.
 * @index:	Region index of the vendor driver.
 * @offset:	Offset of the mapping in the region.
 * @vma:	The mapping.
 *
 * Return:
 * * %0: Mapped.
 * * %-ENODEV: The vendor driver is detached.
 * * %-EINVAL: The vendor driver provides no memory.
 * * Other negative errno: Error of the vendor driver or of the mapping.
 */
int vpm_vendor_mmap(struct vpm_device *vpm, u32 index, u64 offset,
		    struct vm_area_struct *vma);

/**
 * vpm_vendor_allows_mmap() - Check whether a part of a BAR may be mapped
 * @vpm:	The device.
 * @index:	Index of the BAR.
 * @offset:	Offset of the first byte.
 * @size:	Size in bytes.
 *
 * Without an mmap callback of the vendor driver, ranges that are not mediated may be mapped.
 *
 * Return:
 * * %0: The part may be mapped.
 * * %-ENODEV: The vendor driver is detached.
 * * %-EINVAL: The part must not be mapped.
 * * Other negative errno: Error of the vendor driver.
 */
int vpm_vendor_allows_mmap(struct vpm_device *vpm, u32 index, u64 offset, u64 size);

/**
 * vpm_vendor_reset_prepare() - Notify the vendor driver that the function is about to be reset
 * @vpm:	The device, open.
 */
void vpm_vendor_reset_prepare(struct vpm_device *vpm);

/**
 * vpm_vendor_reset_finish() - Notify the vendor driver that the function has been reset
 * @vpm:	The device, open.
 *
 * Context: As for vpm_vendor_reset_prepare().
 */
void vpm_vendor_reset_finish(struct vpm_device *vpm);

/**
 * vpm_vendor_reset_done() - Notify the vendor driver that all resets are followed up
 * @vpm:	The device, open.
 * @unexpected:	User space did not request the reset.
 */
void vpm_vendor_reset_done(struct vpm_device *vpm, bool unexpected);

/**
 * vpm_vendor_trap_changed() - Notify the vendor driver that the trap state changed
 * @vpm:	The device, open.
 * @on:		Pages are trapped.
 * @released:	A reset released the hold of the vendor driver.
 */
void vpm_vendor_trap_changed(struct vpm_device *vpm, bool on, bool released);

#endif /* VFIO_PCI_MEDIATE_VENDOR_H */
