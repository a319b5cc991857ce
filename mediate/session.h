/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal to vfio_mediate and vfio_pci_mediate: sessions, one for each open of a
 * mediated device, and requests for the modules of vendors.
 */

#ifndef VFIO_MEDIATE_SESSION_H
#define VFIO_MEDIATE_SESSION_H

#include <linux/atomic.h>
#include <linux/klist.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "vfio_mediate.h"

struct pci_dev;
struct vfio_mediate_load;

/* Symbol namespace of the functions below. A string since Linux 6.13. */
#ifdef COMPAT_HAS_UNQUOTED_NS
#define VFIO_MEDIATE_HOST_NS	VFIO_MEDIATE_HOST
#else
#define VFIO_MEDIATE_HOST_NS	"VFIO_MEDIATE_HOST"
#endif

/**
 * struct vfio_mediate_host_ops - Functions of vfio_pci_mediate that vendors call
 * @rw:		See vfio_mediate_default_rw().
 * @trap:	See vfio_mediate_trap().
 * @signal:	See vfio_mediate_signal().
 * @read:	See vfio_mediate_read().
 * @write:	See vfio_mediate_write().
 * @mark:	See vfio_mediate_mark() and vfio_mediate_mark_all().
 * @was_reset:	See vfio_mediate_was_reset().
 * @state_lost:	See vfio_mediate_state_lost().
 * @data_ready:	See vfio_mediate_data_ready().
 *
 * The first argument is @data of vfio_mediate_open(). Other arguments, context and return
 * values are those of the function that the vendor calls.
 */
struct vfio_mediate_host_ops {
	int (*rw)(void *data, struct vfio_mediate_access *access);
	int (*trap)(void *data, bool on);
	int (*signal)(void *data, unsigned int irq, unsigned int vector);
	int (*read)(void *data, u64 iova, void *buf, size_t size);
	int (*write)(void *data, u64 iova, const void *buf, size_t size);
	void (*mark)(void *data, u64 iova, u64 size);
	int (*was_reset)(void *data);
	int (*state_lost)(void *data);
	void (*data_ready)(void *data);
};

/**
 * struct vfio_mediate_session - Open device that is mediated
 * @node:	Entry in the registry's list of sessions, from the claim to the end of
 *		vfio_mediate_close().
 * @kref:	References: one of the list, one of a queued @detach_work.
 * @claimed_by:	The ops that claimed the device. Only for comparison.
 * @pf:		The PF of the device, or the device itself. Only for comparison.
 * @lock:	Serializes close and detach. Held until release and @detached have returned.
 *		Outermost of the locks that these take.
 * @calls:	SRCU domain whose read-side sections enclose calls of the ops. Not a lock,
 *		because such a call may come with mmap_lock held. One per session, so that a
 *		long call delays its own session only.
 * @ops:	The ops, NULL after close or detach. Written with @lock and registry_lock
 *		held.
 * @dev:	The device as the vendor sees it.
 * @host:	See vfio_mediate_open().
 * @host_data:	First argument of the functions of @host, and of @detached.
 * @detached:	See vfio_mediate_open().
 * @detach_work: Detaches the device from the ops.
 * @resets:	Number of resets by the PCI core that have begun, and of calls of
 *		vfio_mediate_was_reset() and vfio_mediate_state_lost().
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
	atomic_t resets;
};

/**
 * vfio_mediate_load_start() - Load the vendor module of a device
 * @pdev:	Device that is being bound to vfio-pci-mediate.
 *
 * Requests the module alias "vfio-mediate:v...d..." of the device, and does not wait for
 * modprobe. Called at bind, not at open: any user with access to the device can open it
 * repeatedly.
 *
 * Context: Process context, may sleep. Takes load_lock.
 * Return: The request, to be dropped by vfio_mediate_load_put(), or NULL if out of memory.
 */
struct vfio_mediate_load *vfio_mediate_load_start(struct pci_dev *pdev);

/**
 * vfio_mediate_load_wait() - Wait until modprobe has ended
 * @load:	The request.
 * @removing:	Points to true once the device is being removed. Set it before
 *		vfio_mediate_load_wake().
 *
 * Context: Process context, sleeps for up to a minute. Hold no lock that the vendor module
 * takes when it is loaded, for example when it binds a PF. vfio's locks for opening a device
 * are allowed.
 * Return:
 * * 0: the module has registered its ops, or there is no module.
 * * -EAGAIN: modprobe has not ended in time.
 * * -ENODEV: the device is being removed.
 * * -ERESTARTSYS: the caller is being killed.
 */
int vfio_mediate_load_wait(struct vfio_mediate_load *load, const bool *removing);

/**
 * vfio_mediate_load_wake() - Wake tasks in vfio_mediate_load_wait() that use @removing
 * @load:	Request of the device that is being removed.
 *
 * Context: Any context.
 */
void vfio_mediate_load_wake(struct vfio_mediate_load *load);

/**
 * vfio_mediate_load_put() - Drop a device's reference to a request
 * @load:	The request. A running modprobe continues.
 *
 * Context: Any context.
 */
void vfio_mediate_load_put(struct vfio_mediate_load *load);

/**
 * vfio_mediate_open() - Find the ops that mediate a device
 * @pdev:	Device that is being opened. It must be enabled.
 * @host:	Functions that the vendor may call, or NULL if it calls none.
 * @detached:	Called when the ops are unregistered or detached before
 *		vfio_mediate_close(), after &vfio_pci_mediate_ops.release. Called in process
 *		context with the session's lock held, possibly before this function returns.
 *		Must not close the session.
 * @data:	First argument of @detached and of the functions of @host.
 *
 * Context: Process context, sleeps. Calls &vfio_pci_mediate_ops.open, with none of the
 * registry's locks held.
 * Return:
 * * The session, to be ended by vfio_mediate_close().
 * * NULL: no ops claim the device.
 * * ERR_PTR(-EAGAIN): ops that might have claimed the device belong to a module that is
 *   being unloaded.
 * * ERR_PTR(-ENOMEM): out of memory.
 * * Other ERR_PTR: the ops that claim the device failed with that errno.
 */
struct vfio_mediate_session *
vfio_mediate_open(struct pci_dev *pdev, const struct vfio_mediate_host_ops *host,
		  void (*detached)(void *data), void *data);

/**
 * vfio_mediate_close() - End a session
 * @session: The session, or NULL.
 *
 * Calls &vfio_pci_mediate_ops.release, unless the device was detached.
 *
 * Context: Process context, sleeps. Not inside vfio_mediate_enter(). Takes the session's
 * lock: waits for a detach of this session, and of no other.
 */
void vfio_mediate_close(struct vfio_mediate_session *session);

/**
 * vfio_mediate_enter() - Enter the SRCU read-side section of a session
 * @session: The session.
 * @dev: Set to the device, for the ops' callbacks.
 * @cookie: Set to the argument of vfio_mediate_exit().
 *
 * The ops stay valid until vfio_mediate_exit(), which must follow whatever is returned. The
 * section delays the unregistration of the ops: do not touch user memory inside of it.
 *
 * Context: Any context that may sleep.
 * Return: The ops, or NULL if the device was detached.
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
 * vfio_mediate_exit() - Leave the section that vfio_mediate_enter() entered
 * @session: The session.
 * @cookie: From vfio_mediate_enter().
 *
 * Context: The task that called vfio_mediate_enter().
 */
static inline void vfio_mediate_exit(struct vfio_mediate_session *session,
				     int cookie)
	__releases(&session->calls)
{
	srcu_read_unlock(&session->calls, cookie);
}

/**
 * vfio_mediate_synchronize() - Wait for running read-side sections of a session
 * @session: The session.
 *
 * Sections that were entered before the call have been left when it returns.
 *
 * Context: Process context, sleeps. Not inside vfio_mediate_enter(), and with no lock held
 * that is taken inside of it.
 */
void vfio_mediate_synchronize(struct vfio_mediate_session *session);

/**
 * vfio_mediate_name() - Get the name of the ops that mediate a device
 * @pdev: The device.
 * @buf: Buffer for the name. Unchanged if there is none.
 * @size: Size of @buf in bytes.
 *
 * Context: Process context, may sleep. Takes registry_lock, and waits for no vendor.
 * Return: true if @pdev is open and mediated.
 */
bool vfio_mediate_name(struct pci_dev *pdev, char *buf, size_t size);

#endif /* VFIO_MEDIATE_SESSION_H */
