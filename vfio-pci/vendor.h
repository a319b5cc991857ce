/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to the vendor that mediates a device.
 */

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
 * struct vpm_call - A call to the vendor
 * @session:	The session.
 * @ops:	The vendor's ops, NULL when the vendor is gone.
 * @dev:	What the ops are called with.
 * @cookie:	For vfio_mediate_exit().
 *
 * CLASS(vpm_call, call)(session) begins one, which ends with the scope. This is the only way to
 * the vendor's ops. vfio_mediate_enter() says what holds in between.
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
	/* sparse does not see the end of a scope: for it, nothing is held. */
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
 * vpm_vendor_memory_begin() - The vendor is about to be called, and may read memory
 * @vendor:	The device's, with its lock held. No lock is held that a page fault takes: the
 *		memory may have to be faulted in.
 */
static inline void vpm_vendor_memory_begin(struct vpm_vendor *vendor)
{
	lockdep_assert_held(&vendor->lock);
	WRITE_ONCE(vendor->memory_user, current);
}

/**
 * vpm_vendor_memory_end() - Undo vpm_vendor_memory_begin()
 * @vendor:	The device's.
 */
static inline void vpm_vendor_memory_end(struct vpm_vendor *vendor)
{
	WRITE_ONCE(vendor->memory_user, NULL);
}

/**
 * vpm_vendor_may_use_memory() - May the vendor, which is called by this task, read memory?
 * @vendor:	The device's.
 *
 * Return: Whether it may: this task holds the vendor lock then.
 */
static inline bool vpm_vendor_may_use_memory(const struct vpm_vendor *vendor)
{
	return READ_ONCE(vendor->memory_user) == current;
}

/* Results of an access that are no errors */
#define VPM_RETRY		1	/* not served like this at the moment */
#define VPM_PASS_THROUGH	2	/* to be done with user space's memory */

/**
 * vpm_vendor_default_rw() - The rw op of struct vfio_mediate_host_ops
 * @data:	The &struct vpm_device.
 * @access:	The access.
 *
 * Return: See vfio_mediate_default_rw().
 */
int vpm_vendor_default_rw(void *data, struct vfio_mediate_access *access);

/**
 * vpm_vendor_rw() - Have the vendor serve an access
 * @vpm:	The device.
 * @access:	The access.
 *
 * Context: Process context, sleeps.
 * Return: 0 or a negative errno. -ENODEV for a write when the vendor is gone; a read of the
 * device's own regions is then all ones. VPM_PASS_THROUGH for an access to config space or
 * ROM that the vendor passes through.
 */
int vpm_vendor_rw(struct vpm_device *vpm, struct vfio_mediate_access *access);

/**
 * vpm_vendor_mmap() - Ask the vendor for a mapping of a region that it added
 * @vpm:	The device.
 * @index:	Index by which the vendor knows the region.
 * @offset:	Of the mapping.
 * @vma:	The mapping.
 *
 * Return: 0 or a negative errno; -ENODEV when the vendor is gone.
 */
int vpm_vendor_mmap(struct vpm_device *vpm, u32 index, u64 offset,
		    struct vm_area_struct *vma);

/**
 * vpm_vendor_allows_mmap() - Ask the vendor whether a part of a BAR may be mapped
 * @vpm:	The device.
 * @index:	The BAR.
 * @offset:	The first byte.
 * @size:	Bytes.
 *
 * Without an opinion of the vendor's, what it does not mediate may be mapped.
 *
 * Return: 0 or a negative errno; -ENODEV when the vendor is gone, -EINVAL when it says no.
 */
int vpm_vendor_allows_mmap(struct vpm_device *vpm, u32 index, u64 offset, u64 size);

/**
 * vpm_vendor_reset_prepare() - Tell the vendor that the function is about to be reset
 * @vpm:	The device, open.
 */
void vpm_vendor_reset_prepare(struct vpm_device *vpm);

/**
 * vpm_vendor_reset_done() - Tell the vendor that all resets have been followed up
 * @vpm:	The device, open.
 * @unexpected:	User space did not ask for the reset.
 */
void vpm_vendor_reset_done(struct vpm_device *vpm, bool unexpected);

/**
 * vpm_vendor_trap_changed() - Tell the vendor that pages are trapped, or no longer are
 * @vpm:	The device, open.
 * @on:		They are.
 * @released:	A reset has ended the vendor's own hold.
 */
void vpm_vendor_trap_changed(struct vpm_device *vpm, bool on, bool released);

#endif /* VFIO_PCI_MEDIATE_VENDOR_H */
