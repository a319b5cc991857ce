/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trapping pages of BARs while the guest runs.
 */

#ifndef VFIO_PCI_MEDIATE_TRAP_H
#define VFIO_PCI_MEDIATE_TRAP_H

#include <linux/types.h>

#include "device.h"

struct vfio_mediate_access;
struct vpm_part;

extern const struct vpm_part vpm_trap_part;

/**
 * vpm_trap_add_notifier() - Be called when the VMM has to know of a change of traps
 * @vpm:	The device, being opened.
 * @notify:	Called with toggle_lock held when pages are trapped, when they no longer are, and
 *		when a reset has ended the hold of the VMM.
 */
void vpm_trap_add_notifier(struct vpm_device *vpm, vpm_trap_notifier notify);

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
 * Return: 0 or the vendor's errno; VPM_RETRY when the page is not trapped.
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
