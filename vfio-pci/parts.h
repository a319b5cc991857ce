/* SPDX-License-Identifier: GPL-2.0-only */
/* Interface of the parts of the driver. main.c holds the table of parts. */

#ifndef VFIO_PCI_MEDIATE_PARTS_H
#define VFIO_PCI_MEDIATE_PARTS_H

#include <linux/types.h>

struct vfio_mediate_device;
struct vfio_pci_mediate_ops;
struct vpm_device;

/**
 * enum vpm_reset_event - Event that affects the state of a device
 * @VPM_FUNCTION_RESET: The function was reset, or lost its state in a low-power state.
 * @VPM_STATE_LOSS_BEGUN: The vendor driver reports that the device is losing its state.
 * @VPM_STATE_LOST: The vendor driver reports that the device has lost its state.
 */
enum vpm_reset_event {
	VPM_FUNCTION_RESET,
	VPM_STATE_LOSS_BEGUN,
	VPM_STATE_LOST,
};

/**
 * struct vpm_part - Callbacks of one part of the driver
 * @load:	Allocate resources shared by all devices. Called when the module is loaded. Returns
 *		0 or a negative errno.
 * @unload:	Undo @load.
 * @init:	Initialize the state of a device. Called once, before the device is registered with
 *		vfio. Returns 0 or a negative errno. @release is called after an error too.
 * @release:	Free the resources of @init. Called once, when the last reference to the device is
 *		gone.
 * @registered:	Called after the device is registered with vfio.
 * @remove:	Stop all work on the device. Called when the device can no longer be opened.
 * @setup:	Check and copy the declaration of the vendor driver. Called on open, inside
 *		vfio_mediate_enter(). Returns 0, -EINVAL for an invalid declaration, or another
 *		negative errno. @stop and @teardown follow in any case.
 * @start:	Called when all parts are set up, inside vfio_mediate_enter(). @detach is therefore
 *		called later.
 * @stop:	Stop calling the vendor driver. Called on close, or when open fails.
 * @teardown:	Undo @setup. Called after @stop. The session is closed, and no mapping of the
 *		device exists.
 * @detach:	Called when the vendor driver is detached while the device is open.
 * @reset_note:	Record an event. Called at once by the task that resets the device or reports the
 *		event, with &vpm_device.reset_lock held. Must not sleep.
 * @reset_resume: Make the device run again. Called before @reset_done. Also called while the next
 *		reset is in progress.
 * @reset_done:	Restart after resets. @function is true when the function was reset. No reset is in
 *		progress on entry, but another one may begin. Do not forward writes to shadow pages
 *		to the device. vpm_reset_pending() returns true until all parts are done.
 * @is_failed:	Return true when the device is not in the state that user space expects.
 *
 * Each callback may be NULL. All callbacks except @load and @unload take a device.
 *
 * @unload, @release, @remove, @stop, @teardown and @reset_resume are called in reverse order of the
 * table. All others are called in the order of the table.
 *
 * A part calls only parts below it in the table. It reaches the parts above by the table, or by a
 * callback that the upper part registers.
 *
 * Context: Process context. No lock of the driver is held, except where stated otherwise.
 */
struct vpm_part {
	int (*load)(void);
	void (*unload)(void);
	int (*init)(struct vpm_device *vpm);
	void (*release)(struct vpm_device *vpm);
	void (*registered)(struct vpm_device *vpm);
	void (*remove)(struct vpm_device *vpm);
	int (*setup)(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		     const struct vfio_pci_mediate_ops *ops);
	void (*start)(struct vpm_device *vpm);
	void (*stop)(struct vpm_device *vpm);
	void (*teardown)(struct vpm_device *vpm);
	void (*detach)(struct vpm_device *vpm);
	void (*reset_note)(struct vpm_device *vpm, enum vpm_reset_event event);
	void (*reset_resume)(struct vpm_device *vpm);
	void (*reset_done)(struct vpm_device *vpm, bool function);
	bool (*is_failed)(struct vpm_device *vpm);
};

#endif /* VFIO_PCI_MEDIATE_PARTS_H */
