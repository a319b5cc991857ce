/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's PF driver includes to mediate VFs that are bound to
 * vfio-pci-mediate. It depends on vfio_mediate.ko, not on vfio.
 */

#ifndef VFIO_MEDIATE_H
#define VFIO_MEDIATE_H

struct module;
struct pci_dev;

/**
 * struct vfio_pci_mediate_ops - What a vendor driver does for its VFs
 * @name:	Says who mediates a device, to people and in logs. One word,
 *		unique among the registered ops.
 * @owner:	THIS_MODULE of the code behind the callbacks. Held from a
 *		successful @open until @release has returned, so that the
 *		module cannot be unloaded while a VMM has one of its devices
 *		open.
 * @open:	A VMM opens @pdev. Return 0 to mediate it, with anything in
 *		*@handle, which starts as NULL and is passed to the other
 *		callbacks; -ENODEV when the device is not yours, so that the
 *		next ops are asked; another negative errno when it is yours
 *		but cannot be served, which fails the VMM's open with that
 *		errno. Ops are asked in the order they were registered in,
 *		until one does not return -ENODEV.
 * @release:	The VMM has closed the device, or the ops are being
 *		unregistered while it is open. No callback is running for
 *		@handle, nor will one be called with it again. Comes exactly
 *		once for each successful @open.
 *
 * @open and @release are called in process context and may sleep. The
 * registry's lock is held: do not register or unregister ops from them, nor
 * take a lock that is held around such a call, as is the device lock of the PF
 * where its probe and remove do that. @open is called with the VF enabled, and
 * under the locks of vfio's own open.
 */
struct vfio_pci_mediate_ops {
	const char *name;
	struct module *owner;
	int (*open)(struct pci_dev *pdev, void **handle);
	void (*release)(void *handle);
};

/**
 * vfio_pci_register_mediate_ops() - Offer to mediate devices
 * @ops: To be asked at each open of a device from now on. Must stay until
 *       vfio_pci_unregister_mediate_ops(). Devices that are open already are
 *       not affected.
 *
 * A module that is to be loaded when a VMM opens a device nobody mediates has
 * MODULE_ALIAS("vfio-mediate:vVVVVVVVVdDDDDDDDD"), with the PCI vendor and
 * device ID in eight upper-case hex digits each.
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
 * Context: Process context, may sleep. Waits for callbacks under way.
 */
void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops);

#endif /* VFIO_MEDIATE_H */
