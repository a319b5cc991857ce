/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the registry and vfio-pci-mediate: one session per open of a device
 * that somebody mediates. Vendors have no business here.
 */

#ifndef VFIO_MEDIATE_SESSION_H
#define VFIO_MEDIATE_SESSION_H

#include <linux/klist.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "vfio_mediate.h"

struct pci_dev;
struct vfio_mediate_load;

#ifdef COMPAT_HAS_UNQUOTED_NS
#define VFIO_MEDIATE_HOST_NS	VFIO_MEDIATE_HOST
#else
#define VFIO_MEDIATE_HOST_NS	"VFIO_MEDIATE_HOST"
#endif

/**
 * struct vfio_mediate_host_ops - What vfio_pci_mediate does for a vendor
 * @rw:		See vfio_mediate_default_rw().
 * @trap:	See vfio_mediate_trap().
 * @signal:	See vfio_mediate_signal().
 * @read:	See vfio_mediate_read().
 * @mark:	See vfio_mediate_mark() and vfio_mediate_mark_all().
 * @was_reset:	See vfio_mediate_was_reset().
 * @state_lost:	See vfio_mediate_state_lost().
 *
 * The first argument of each is the data given to vfio_mediate_open(). Context and
 * return values are those of the vendor's function.
 */
struct vfio_mediate_host_ops {
	int (*rw)(void *data, struct vfio_mediate_access *access);
	int (*trap)(void *data, bool on);
	int (*signal)(void *data, unsigned int irq, unsigned int vector);
	int (*read)(void *data, u64 iova, void *buf, size_t size);
	void (*mark)(void *data, u64 iova, u64 size);
	int (*was_reset)(void *data);
	int (*state_lost)(void *data);
};

/**
 * struct vfio_mediate_session - An open device that is mediated
 * @node:	In the registry's list of sessions, from the claim until the end of
 *		vfio_mediate_close().
 * @kref:	Held by that list and by a queued @detach_work.
 * @claimed_by:	The ops that have claimed the device; only to be compared with.
 * @pf:		The PF of the device, or the device itself; likewise.
 * @lock:	Held while the ops are taken away, by a close or a detach, until the
 *		release callback and @detached have returned. Outermost of all locks
 *		that these take.
 * @calls:	Read side: around calls into the ops. SRCU and not a lock, because such
 *		a call may come with mmap_lock held. One for each session, so that a
 *		call that takes long delays only its own session.
 * @ops:	NULL once they are unregistered. Changes under @lock and the registry's
 *		lock.
 * @dev:	What the ops' callbacks are called with.
 * @host:	See vfio_mediate_open().
 * @host_data:	First argument of the functions of @host, and of @detached.
 * @detached:	See vfio_mediate_open().
 * @detach_work: Takes the ops away.
 */
struct vfio_mediate_session {
	struct klist_node node;
	struct kref kref;
	const struct vfio_pci_mediate_ops *claimed_by;
	const struct pci_dev *pf;
	struct mutex lock;	/* see above */
	struct srcu_struct calls;
	const struct vfio_pci_mediate_ops __rcu *ops;
	struct vfio_mediate_device dev;
	const struct vfio_mediate_host_ops *host;
	void *host_data;
	void (*detached)(void *data);
	struct work_struct detach_work;
};

/**
 * vfio_mediate_load_start() - Request the module that mediates a device, if there is one
 * @pdev:	Device that is being bound.
 *
 * Requests the module alias "vfio-mediate:v...d...", and does not wait for it. Not at an
 * open, which any user who has the device may repeat at will.
 *
 * Context: Process context.
 * Return: The request, for vfio_mediate_load_put(), or NULL when there is no memory.
 */
struct vfio_mediate_load *vfio_mediate_load_start(struct pci_dev *pdev);

/**
 * vfio_mediate_load_wait() - Wait for the end of a request
 * @load:	The request.
 * @removing:	Set before vfio_mediate_load_wake().
 *
 * Context: Process context, sleeps. Under no lock that a vendor's module takes when it is
 * loaded, as it does when it binds a PF; vfio's locks of an open are none of these.
 * Return: 0 when the module, if there is one, has registered its ops or will not;
 * -ENODEV when the device is being removed; -EAGAIN when it has taken a minute;
 * -ERESTARTSYS when the caller is being killed.
 */
int vfio_mediate_load_wait(struct vfio_mediate_load *load, const bool *removing);

/**
 * vfio_mediate_load_wake() - A device is being removed
 * @load:	Its request.
 */
void vfio_mediate_load_wake(struct vfio_mediate_load *load);

/**
 * vfio_mediate_load_put() - A device needs its request no longer
 * @load:	The request, which goes on if it is under way.
 */
void vfio_mediate_load_put(struct vfio_mediate_load *load);

/**
 * vfio_mediate_open() - Ask the registered ops who mediates a device
 * @pdev:	Device that is being opened, enabled.
 * @host:	What the ops may ask of the caller.
 * @detached:	Called when the mediating ops are unregistered while the
 *		session lasts, after their release callback; in process context, with
 *		the session's lock held. May come before this function returns. Must
 *		not close the session.
 * @data:	First argument of @detached and of the functions of @host.
 *
 * Context: Process context. Calls into vendors, under none of the registry's locks.
 * Return: The session, NULL when nobody mediates @pdev, or an ERR_PTR: the errno of the
 * ops that claimed it but failed; -ENOMEM; -EAGAIN when the module of ops that might have
 * claimed it is being unloaded.
 */
struct vfio_mediate_session *
vfio_mediate_open(struct pci_dev *pdev, const struct vfio_mediate_host_ops *host,
		  void (*detached)(void *data), void *data);

/**
 * vfio_mediate_close() - End a session
 * @session: As returned by vfio_mediate_open(); NULL is allowed.
 *
 * Context: Process context, outside vfio_mediate_enter(). Takes the session's lock, and
 * so waits for a detach of this session, and of no other.
 */
void vfio_mediate_close(struct vfio_mediate_session *session);

/**
 * vfio_mediate_enter() - Begin to call into the ops of a session
 * @session: As returned by vfio_mediate_open().
 * @dev: Where to put what the ops' callbacks are called with.
 * @cookie: Where to put what vfio_mediate_exit() needs.
 *
 * The ops stay valid until vfio_mediate_exit(), which must follow whatever is
 * returned. Being inside holds up their unregistration: user space's memory, which
 * may take its time to come, is not to be touched.
 *
 * Context: Any that may sleep.
 * Return: The ops, or NULL when they are gone.
 */
static inline const struct vfio_pci_mediate_ops *
vfio_mediate_enter(struct vfio_mediate_session *session,
		   struct vfio_mediate_device **dev, int *cookie)
	__acquires(&session->calls)
{
	*cookie = srcu_read_lock(&session->calls);
	*dev = &session->dev;

	return srcu_dereference(session->ops, &session->calls);
}

/**
 * vfio_mediate_exit() - End what vfio_mediate_enter() began
 * @session: The session.
 * @cookie: From vfio_mediate_enter().
 */
static inline void vfio_mediate_exit(struct vfio_mediate_session *session,
				     int cookie)
	__releases(&session->calls)
{
	srcu_read_unlock(&session->calls, cookie);
}

/**
 * vfio_mediate_synchronize() - Wait for those who are inside
 * @session: The session.
 *
 * Whoever is inside @session now, is no longer when this returns.
 *
 * Context: Process context, sleeps; not inside vfio_mediate_enter(), and under no
 * lock that is taken there.
 */
void vfio_mediate_synchronize(struct vfio_mediate_session *session);

/**
 * vfio_mediate_name() - Who mediates a device?
 * @pdev: The device.
 * @buf: Where to put the name of the ops.
 * @size: Room in @buf.
 *
 * Context: Process context. Takes the registry's lock, and waits for no vendor.
 * Return: Whether @pdev is open and mediated; @buf is left alone otherwise.
 */
bool vfio_mediate_name(struct pci_dev *pdev, char *buf, size_t size);

#endif /* VFIO_MEDIATE_SESSION_H */
