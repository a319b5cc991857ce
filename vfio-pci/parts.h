/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of a device: one row each in the table in main.c.
 */

#ifndef VFIO_PCI_MEDIATE_PARTS_H
#define VFIO_PCI_MEDIATE_PARTS_H

#include <linux/types.h>

struct vfio_mediate_device;
struct vfio_pci_mediate_ops;
struct vpm_device;

/**
 * enum vpm_reset_event - What has happened to a device's state
 * @VPM_FUNCTION_RESET:	The function was reset, or woke up as after a reset.
 * @VPM_STATE_LOSS_BEGUN: The vendor says that the device is losing its state.
 * @VPM_STATE_LOST:	The vendor says that the device has lost its state.
 */
enum vpm_reset_event {
	VPM_FUNCTION_RESET,
	VPM_STATE_LOSS_BEGUN,
	VPM_STATE_LOST,
};

/**
 * struct vpm_part - A part of a device
 * @load:	Prepare for all devices. Called when the module is loaded. Returns 0 or a
 *		negative errno.
 * @unload:	Undo @load.
 * @init:	Prepare a device. Called once, before vfio knows the device. Returns 0 or a
 *		negative errno. After an error @release is called all the same.
 * @release:	Free what @init allocated. Called once, when nothing uses the device any more.
 * @registered:	The device is registered with vfio.
 * @remove:	The device cannot be opened any more. Stop all work on it.
 * @setup:	Check and copy what the vendor declares. Called while the device is opened,
 *		inside vfio_mediate_enter(). Returns 0, -EINVAL for an invalid declaration,
 *		or another negative errno. @stop and @teardown follow in any case.
 * @start:	All parts are set up. Called inside vfio_mediate_enter(), so that @detach
 *		comes later.
 * @stop:	The device is being closed, or could not be opened. Do not call the vendor
 *		any more.
 * @teardown:	Undo @setup. Called after @stop; the vendor is gone, and nobody has the device
 *		mapped.
 * @detach:	The vendor has gone; the device is still open.
 * @reset_note:	Note an event. Called at once by the task that resets the device, with
 *		&vpm_device.reset_lock held: must not sleep.
 * @reset_resume: Have the device run again. Called before @reset_done, and also while the next
 *		reset is under way.
 * @reset_done:	Start anew after resets. @function: the function was reset. No reset is
 *		under way; another one may begin. What was written to shadow pages must not
 *		reach the device: vpm_reset_pending() is true until all parts are done.
 * @is_failed:	Whether the device is not in the state that its user expects.
 *
 * All but @load and @unload are called with a device, in process context, without any of the
 * driver's locks held where nothing else is said. Each may be NULL. All are called in the order
 * of the table, but for @unload, @release, @remove, @stop, @teardown and @reset_resume, which
 * are called in the reverse order.
 *
 * A part calls only those below it. What is above is reached by the table, or by a callback that
 * the upper part hands in.
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
