/* SPDX-License-Identifier: GPL-2.0-only */
/* Traps of BAR pages while the guest runs. */

#ifndef VFIO_PCI_MEDIATE_TRAP_H
#define VFIO_PCI_MEDIATE_TRAP_H

#include <linux/types.h>

#include "device.h"

struct vfio_mediate_access;
struct vpm_part;

extern const struct vpm_part vpm_trap_part;

/**
 * vpm_trap_stop() - Stop calling the vendor driver
 * @vpm:	The device.
 * @detached:	The vendor driver is detached while the device is open. Fill the shadow pages with
 *		ones.
 *
 * Context: Process context, may sleep. Takes toggle_lock, and the vendor lock if @detached.
 */
void vpm_trap_stop(struct vpm_device *vpm, bool detached);

/**
 * vpm_trap_host() - &vfio_mediate_host_ops.trap
 * @data:	The &struct vpm_device.
 * @on:		Hold or release the trap.
 *
 * Context: Process context, may sleep. Takes toggle_lock.
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_host(void *data, bool on);

/**
 * vpm_trap_hold_locked() - Hold or release a trap
 * @vpm:	The device.
 * @holder:	The holder.
 * @hold:	True to hold, false to release.
 *
 * Context: Process context, may sleep. The caller holds toggle_lock.
 * Return: See vfio_mediate_trap().
 */
int vpm_trap_hold_locked(struct vpm_device *vpm, enum vpm_trap_holder holder, bool hold);

/**
 * vpm_trap_hold_exact() - Hold a trap for a VMM that has not mapped the pages
 * @vpm:	The device.
 * @sequence:	Number of the state that the VMM has read.
 *
 * Context: Process context, may sleep. The caller holds toggle_lock.
 * Return:
 * * %0: The pages are trapped without shadows.
 * * %-EAGAIN: The state has another number.
 * * %-ENODEV: The vendor driver is detached.
 * * %-EOPNOTSUPP: The device has no page that can be trapped.
 */
int vpm_trap_hold_exact(struct vpm_device *vpm, u64 sequence);

/**
 * vpm_trap_ack() - Acknowledge the trap state for the VMM
 * @vpm:	The device.
 * @sequence:	Number of the state that the VMM has read.
 *
 * While pages are trapped, their shadows are no longer used: the VMM has unmapped the pages.
 *
 * Context: Process context, may sleep. The caller holds toggle_lock.
 * Return:
 * * %0: Done, or pages are not trapped.
 * * %-EAGAIN: The state has another number.
 * * %-ENODEV: The vendor driver is detached.
 */
int vpm_trap_ack(struct vpm_device *vpm, u64 sequence);

/**
 * vpm_trap_rw() - Access a trapped page through the device file
 * @vpm:	The device.
 * @access:	Access inside a page that can be trapped.
 *
 * Context: Process context, may sleep. Takes the vendor lock.
 * Return:
 * * %0: The access is done.
 * * %VPM_RETRY: The page is not trapped.
 * * Negative errno: Error of vpm_vendor_rw().
 */
int vpm_trap_rw(struct vpm_device *vpm, struct vfio_mediate_access *access);

/**
 * vpm_trap_drain() - Forward writes to shadow pages to the vendor driver
 * @vpm:	The device.
 *
 * The drain thread does this periodically, unless it is paused. A task that holds the vendor lock
 * for long must call this function.
 *
 * Context: Process context, may sleep. The caller holds the vendor lock.
 */
void vpm_trap_drain(struct vpm_device *vpm);

/**
 * vpm_trap_flush() - Forward all earlier writes to shadow pages to the vendor driver
 * @vpm:	The device, open.
 *
 * This includes control registers of queues that are not enabled.
 *
 * Context: Process context, may sleep. No lock held. Takes the vendor lock.
 */
void vpm_trap_flush(struct vpm_device *vpm);

/**
 * vpm_trap_pause() - Pause or resume the drain thread
 * @vpm:	The device.
 * @paused:	The device is being stopped, so doorbells have no effect.
 *
 * While paused, writes to shadow pages wait for vpm_trap_flush(), for an access through the device
 * file, or for the end of the pause. One more drain may run after this function returns.
 */
void vpm_trap_pause(struct vpm_device *vpm, bool paused);

/**
 * vpm_trap_hold() - Trap pages until vpm_trap_release()
 * @vpm:	The device, open.
 * @holder:	The holder.
 *
 * Succeeds without effect when no page can be trapped.
 *
 * Context: Process context, may sleep. Takes toggle_lock. The caller holds no lock that a callback
 * of the vendor driver takes.
 * Return: 0 or a negative errno. See vfio_mediate_trap().
 */
int vpm_trap_hold(struct vpm_device *vpm, enum vpm_trap_holder holder);

/**
 * vpm_trap_release() - Undo vpm_trap_hold()
 * @vpm:	The device.
 * @holder:	The holder. Pages stay trapped while there is another holder.
 *
 * Context: As for vpm_trap_hold().
 */
void vpm_trap_release(struct vpm_device *vpm, enum vpm_trap_holder holder);

/**
 * vpm_trap_overlaps() - Check whether a byte range overlaps an area
 * @area:	The area.
 * @region:	Index of a region.
 * @offset:	Offset of the first byte.
 * @size:	Size in bytes, not 0.
 *
 * Return: True if it does.
 */
bool vpm_trap_overlaps(const struct vpm_trap_area *area, u64 region, u64 offset, u64 size);

/**
 * vpm_trap_find_area() - Find an area that overlaps a byte range
 * @vpm:	The device.
 * @region:	Index of a region.
 * @offset:	Offset of the first byte.
 * @size:	Size in bytes, not 0.
 *
 * Return: The first such area, or NULL.
 */
struct vpm_trap_area *vpm_trap_find_area(struct vpm_device *vpm, u64 region, u64 offset,
					 u64 size);

/**
 * vpm_trap_find_page() - Find the shadow of a page
 * @area:	The area of the page.
 * @offset:	Offset of a byte of the page.
 *
 * Return: The shadow page, or NULL when the page cannot have a shadow.
 */
struct vpm_shadow_page *vpm_trap_find_page(struct vpm_trap_area *area, u64 offset);

/**
 * vpm_trap_can_shadow() - Check whether a page can have a shadow
 * @vpm:	The device.
 * @region:	Index of the BAR.
 * @offset:	Offset of a page that can be trapped.
 *
 * Return: True if it can.
 */
bool vpm_trap_can_shadow(struct vpm_device *vpm, u32 region, u64 offset);

/**
 * vpm_trap_reset_done() - &vpm_part.reset_done
 * @vpm:	The device.
 * @function:	The function was reset. Release the holds of the vendor driver and of the VMM.
 *
 * Drops earlier and concurrent writes of the guest to shadow pages.
 *
 * Context: Process context, may sleep. Takes toggle_lock and the vendor lock.
 */
void vpm_trap_reset_done(struct vpm_device *vpm, bool function);

#endif /* VFIO_PCI_MEDIATE_TRAP_H */
