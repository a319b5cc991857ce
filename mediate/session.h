/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the registry and vfio-pci-mediate: one session per open of a device
 * that somebody mediates. Vendors have no business here.
 */

#ifndef VFIO_MEDIATE_SESSION_H
#define VFIO_MEDIATE_SESSION_H

#include <linux/types.h>

struct pci_dev;
struct vfio_mediate_session;
struct vfio_pci_mediate_ops;

/**
 * vfio_mediate_open() - Ask the registered ops who mediates a device
 * @pdev:	Device that is being opened, enabled.
 * @detached:	Called when the mediating ops are unregistered while the
 *		session lasts, after their release callback; process context,
 *		registry's lock held. Must not close the session.
 * @data:	Passed to @detached.
 *
 * Where nobody claims the device, the module alias "vfio-mediate:v...d..." is
 * requested once, and all are asked again.
 *
 * Context: Process context. Takes the registry's lock, inside which it calls
 * into vendors.
 * Return: The session, NULL when nobody mediates @pdev, or an ERR_PTR with the
 * errno of the ops that claimed it but failed, -ENOMEM included.
 */
struct vfio_mediate_session *
vfio_mediate_open(struct pci_dev *pdev, void (*detached)(void *data),
		  void *data);

/**
 * vfio_mediate_close() - End a session
 * @session: As returned by vfio_mediate_open(); NULL is allowed.
 *
 * Context: Process context, outside vfio_mediate_enter(). Takes the registry's
 * lock.
 */
void vfio_mediate_close(struct vfio_mediate_session *session);

/**
 * vfio_mediate_enter() - Begin to call into the ops of a session
 * @session: As returned by vfio_mediate_open().
 * @handle: Where to put the handle for the ops' callbacks.
 * @cookie: Where to put what vfio_mediate_exit() needs.
 *
 * The ops stay valid until vfio_mediate_exit(), which must follow whatever is
 * returned. Being inside holds up their unregistration, but takes no lock: page
 * faults, and locks of mm, are fine.
 *
 * Context: Any that may sleep.
 * Return: The ops, or NULL when they are gone.
 */
const struct vfio_pci_mediate_ops *
vfio_mediate_enter(struct vfio_mediate_session *session, void **handle,
		   int *cookie);

/**
 * vfio_mediate_exit() - End what vfio_mediate_enter() began
 * @session: The session.
 * @cookie: From vfio_mediate_enter().
 */
void vfio_mediate_exit(struct vfio_mediate_session *session, int cookie);

/**
 * vfio_mediate_name() - Who mediates a device?
 * @pdev: The device.
 * @buf: Where to put the name of the ops.
 * @size: Room in @buf.
 *
 * Context: Process context. Takes the registry's lock.
 * Return: Whether @pdev is open and mediated; @buf is left alone otherwise.
 */
bool vfio_mediate_name(struct pci_dev *pdev, char *buf, size_t size);

#endif /* VFIO_MEDIATE_SESSION_H */
