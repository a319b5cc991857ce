// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mediate: registry of the vendors that mediate devices.
 *
 * A vendor driver depends on this module alone. It needs vfio neither at build time nor at
 * run time.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/hash.h>
#include <linux/klist.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "described.h"
#include "load.h"
#include "session.h"
#include "vfio_mediate.h"

#define ID_HASH_BITS	8

struct registration;

/**
 * struct claim_id - One ID of the devices that registered ops may claim
 * @node:	Entry in the list that list_for_id() returns. A task that calls open of the ops
 *		holds a reference.
 * @entry:	The ops.
 * @id:		The ID, or NULL for any device.
 */
struct claim_id {
	struct klist_node node;
	struct registration *entry;
	const struct pci_device_id *id;
};

/**
 * struct registration - Registered ops
 * @node:	Entry in registry.
 * @ops:	The ops.
 * @open_srcu:	SRCU domain. A read-side section encloses @ops->open, until the session is in
 *		sessions.
 * @num_ids:	Number of @ids.
 * @ids:	One for each of @ops->ids, or one for any device.
 */
struct registration {
	struct list_head node;
	const struct vfio_pci_mediate_ops *ops;
	struct srcu_struct open_srcu;
	unsigned int num_ids;
	struct claim_id ids[] __counted_by(num_ids);
};

static void put_session_node(struct klist_node *node);

/*
 * IDs of registered ops in the order of registration, and sessions. The lists are walked
 * without a lock, because vendors are called on the way: a long call must not delay other
 * ops and sessions.
 *
 * IDs are hashed by vendor and device, so that the cost of an open does not depend on the
 * number of registered ops.
 */
static struct klist id_lists[1 << ID_HASH_BITS];
static DEFINE_KLIST(any_id_list, NULL, NULL);
static DEFINE_KLIST(sessions, NULL, put_session_node);

/*
 * Protects registry, and &vfio_mediate_session.ops outside of vfio_mediate_enter().
 * Innermost lock: no callback is called with it held.
 */
static DEFINE_MUTEX(registry_lock);
static LIST_HEAD(registry);

/* For detach_work. Not a system workqueue: a VMM can delay a work item indefinitely. */
static struct workqueue_struct *detach_wq;

static struct dentry *debugfs_dir;

static struct klist *list_for_device(u32 vendor, u32 device)
{
	return &id_lists[hash_32(vendor << 16 | device, ID_HASH_BITS)];
}

static struct klist *list_for_id(const struct pci_device_id *id)
{
	if (!id || id->vendor == PCI_ANY_ID || id->device == PCI_ANY_ID)
		return &any_id_list;

	return list_for_device(id->vendor, id->device);
}

/* Whether the ID is the first one of its ops that matches the device. */
static bool matches(const struct claim_id *claim, struct pci_dev *pdev)
{
	const struct pci_device_id *id = claim->id;

	if (!id)
		return true;
	/* IDs in one list share a hash, but may be of another vendor. */
	if (id->vendor != PCI_ANY_ID && id->vendor != pdev->vendor)
		return false;

	return pci_match_id(claim->entry->ops->ids, pdev) == id;
}

static struct registration *next_match(struct klist_iter *iter, struct pci_dev *pdev)
{
	struct klist_node *node;
	struct claim_id *claim;

	while ((node = klist_next(iter))) {
		claim = container_of(node, struct claim_id, node);
		if (matches(claim, pdev))
			return claim->entry;
	}

	return NULL;
}

static struct vfio_mediate_session *next_session(struct klist_iter *iter)
{
	struct klist_node *node = klist_next(iter);

	return node ? container_of(node, struct vfio_mediate_session, node) : NULL;
}

static struct registration *find_entry(const struct vfio_pci_mediate_ops *ops)
{
	struct registration *entry;

	lockdep_assert_held(&registry_lock);

	list_for_each_entry(entry, &registry, node)
		if (entry->ops == ops)
			return entry;

	return NULL;
}

static bool name_taken(const char *name)
{
	struct registration *entry;

	lockdep_assert_held(&registry_lock);

	list_for_each_entry(entry, &registry, node)
		if (!strcmp(entry->ops->name, name))
			return true;

	return false;
}

static const struct vfio_pci_mediate_ops *
session_ops(struct vfio_mediate_session *session)
{
	return rcu_dereference_protected(session->ops,
					 lockdep_is_held(&registry_lock));
}

/* Clear the ops of a session. Return: the ops, or NULL if they were cleared before. */
static const struct vfio_pci_mediate_ops *
clear_ops(struct vfio_mediate_session *session)
{
	const struct vfio_pci_mediate_ops *ops;

	lockdep_assert_held(&session->lock);

	mutex_lock(&registry_lock);
	ops = session_ops(session);
	RCU_INIT_POINTER(session->ops, NULL);
	mutex_unlock(&registry_lock);

	return ops;
}

static void destroy_session(struct kref *kref)
{
	struct vfio_mediate_session *session =
		container_of(kref, struct vfio_mediate_session, kref);

	cleanup_srcu_struct(&session->calls);
	mutex_destroy(&session->lock);
	kfree(session);
}

/* Drop the list's reference: the session was closed, and nobody walks past it. */
static void put_session_node(struct klist_node *node)
{
	struct vfio_mediate_session *session =
		container_of(node, struct vfio_mediate_session, node);

	kref_put(&session->kref, destroy_session);
}

static void release(struct vfio_mediate_session *session, const struct vfio_pci_mediate_ops *ops)
{
	vfio_mediate_describe_closing(&session->dev);
	ops->release(&session->dev);
	vfio_mediate_undescribe(&session->dev);
}

/* The work item holds a reference to the session. */
static void detach_session(struct work_struct *work)
{
	struct vfio_mediate_session *session =
		container_of(work, struct vfio_mediate_session, detach_work);
	const struct vfio_pci_mediate_ops *ops;

	mutex_lock(&session->lock);
	ops = clear_ops(session);
	if (ops) {
		synchronize_srcu(&session->calls);
		release(session, ops);
		pci_warn(session->dev.pdev,
			 "no longer mediated by %s: vendor driver unregistered; asking user space to release the device\n",
			 ops->name);
		session->detached(session->host_data);
		module_put(ops->owner);
	}
	mutex_unlock(&session->lock);
	kref_put(&session->kref, destroy_session);
}

static struct registration *create_entry(const struct vfio_pci_mediate_ops *ops)
{
	const struct pci_device_id *id = ops->ids;
	struct registration *entry;
	unsigned int i, count = 0;

	while (id && (id->vendor || id->subvendor || id->class_mask)) {
		count++;
		id++;
	}
	if (!ops->ids)
		count = 1;

	entry = kzalloc(struct_size(entry, ids, count), GFP_KERNEL);
	if (!entry)
		return NULL;
	if (init_srcu_struct(&entry->open_srcu)) {
		kfree(entry);
		return NULL;
	}

	entry->ops = ops;
	entry->num_ids = count;
	for (i = 0; i < count; i++) {
		entry->ids[i].entry = entry;
		entry->ids[i].id = ops->ids ? &ops->ids[i] : NULL;
	}

	return entry;
}

static void destroy_entry(struct registration *entry)
{
	cleanup_srcu_struct(&entry->open_srcu);
	kfree(entry);
}

static void add_ids(struct registration *entry)
{
	struct claim_id *claim;

	for (claim = entry->ids; claim < entry->ids + entry->num_ids; claim++)
		klist_add_tail(&claim->node, list_for_id(claim->id));
}

/* Wait for tasks that call open of the ops. */
static void remove_ids(struct registration *entry)
{
	struct claim_id *claim;

	for (claim = entry->ids; claim < entry->ids + entry->num_ids; claim++)
		klist_remove(&claim->node);
}

int vfio_pci_register_mediate_ops(const struct vfio_pci_mediate_ops *ops)
{
	struct registration *entry;
	int ret = 0;

	if (!ops || !ops->name || !ops->open || !ops->release)
		return -EINVAL;
	if (!*ops->name || strpbrk(ops->name, " \t\n"))
		return -EINVAL;

	entry = create_entry(ops);
	if (!entry)
		return -ENOMEM;

	mutex_lock(&registry_lock);
	if (name_taken(ops->name)) {
		ret = -EEXIST;
	} else {
		list_add_tail(&entry->node, &registry);
		add_ids(entry);
	}
	mutex_unlock(&registry_lock);

	if (ret)
		destroy_entry(entry);

	return ret;
}
EXPORT_SYMBOL_GPL(vfio_pci_register_mediate_ops);

static bool is_session_of(const struct vfio_mediate_session *session,
			  const struct vfio_pci_mediate_ops *ops,
			  const struct pci_dev *pf)
{
	return session->claimed_by == ops && (!pf || session->pf == pf);
}

static void queue_detach(struct vfio_mediate_session *session)
{
	kref_get(&session->kref);
	if (!queue_work(detach_wq, &session->detach_work))
		kref_put(&session->kref, destroy_session);
}

/*
 * Detach the sessions of ops, of one PF or, without @pf, of all. Each session is detached by
 * a work item of its own, so that a long callback of one session delays no other.
 */
static void detach_sessions(const struct vfio_pci_mediate_ops *ops,
			    const struct pci_dev *pf)
{
	struct vfio_mediate_session *session;
	struct klist_iter iter;

	klist_iter_init(&sessions, &iter);
	while ((session = next_session(&iter)))
		if (is_session_of(session, ops, pf))
			queue_detach(session);
	klist_iter_exit(&iter);

	/* A session that is being closed stays in the list until release has returned. */
	klist_iter_init(&sessions, &iter);
	while ((session = next_session(&iter)))
		if (is_session_of(session, ops, pf))
			flush_work(&session->detach_work);
	klist_iter_exit(&iter);
}

void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops)
{
	struct registration *entry;

	mutex_lock(&registry_lock);
	entry = find_entry(ops);
	if (entry)
		list_del(&entry->node);
	mutex_unlock(&registry_lock);
	if (!entry)
		return;

	remove_ids(entry);
	detach_sessions(ops, NULL);
	destroy_entry(entry);
}
EXPORT_SYMBOL_GPL(vfio_pci_unregister_mediate_ops);

void vfio_pci_mediate_detach(const struct vfio_pci_mediate_ops *ops,
			     struct pci_dev *pf)
{
	struct registration *entry;

	mutex_lock(&registry_lock);
	entry = find_entry(ops);
	mutex_unlock(&registry_lock);
	if (!entry)
		return;

	/* An open that started before the ops declined may still claim a device. */
	synchronize_srcu(&entry->open_srcu);
	detach_sessions(ops, pf);
}
EXPORT_SYMBOL_GPL(vfio_pci_mediate_detach);

/**
 * struct open_request - Open of a device
 * @dev:	Initial value of &vfio_mediate_session.dev.
 * @host:	See vfio_mediate_open().
 * @host_data:	@data of vfio_mediate_open().
 * @detached:	See vfio_mediate_open().
 * @session:	NULL until there are ops to be asked.
 * @unloading:	Ops could not be asked, because their module is being unloaded.
 */
struct open_request {
	struct vfio_mediate_device dev;
	const struct vfio_mediate_host_ops *host;
	void *host_data;
	void (*detached)(void *data);
	struct vfio_mediate_session *session;
	bool unloading;
};

static struct vfio_mediate_session *create_session(const struct open_request *request)
{
	struct vfio_mediate_session *session;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return NULL;
	if (init_srcu_struct(&session->calls)) {
		kfree(session);
		return NULL;
	}

	kref_init(&session->kref);
	mutex_init(&session->lock);
	INIT_WORK(&session->detach_work, detach_session);
	session->pf = pci_physfn(request->dev.pdev);
	session->host = request->host;
	session->host_data = request->host_data;
	session->detached = request->detached;

	return session;
}

/* Return: 0 if the ops mediate the device from now on, or a negative errno. */
static int try_open(struct registration *entry, struct open_request *request)
{
	struct vfio_mediate_session *session = request->session;
	const struct vfio_pci_mediate_ops *ops = entry->ops;
	int cookie, ret;

	/* Ops that declined may have changed it. */
	session->dev = request->dev;
	cookie = srcu_read_lock(&entry->open_srcu);
	ret = ops->open(request->dev.pdev, &session->dev);
	if (!ret) {
		session->claimed_by = ops;
		rcu_assign_pointer(session->ops, ops);
		klist_add_tail(&session->node, &sessions);
	} else {
		vfio_mediate_undescribe(&session->dev);
	}
	srcu_read_unlock(&entry->open_srcu, cookie);

	return ret > 0 ? -EINVAL : ret;
}

/* Return: the result of the first ops that do not return -ENODEV, or -ENODEV. */
static int open_first(struct open_request *request, struct klist *list)
{
	struct registration *entry;
	struct klist_iter iter;
	int ret = -ENODEV;

	klist_iter_init(list, &iter);
	while (ret == -ENODEV && (entry = next_match(&iter, request->dev.pdev))) {
		if (!request->session)
			request->session = create_session(request);
		if (!request->session) {
			ret = -ENOMEM;
		} else if (try_module_get(entry->ops->owner)) {
			ret = try_open(entry, request);
			if (ret)
				module_put(entry->ops->owner);
		} else {
			request->unloading = true;
		}
	}
	klist_iter_exit(&iter);

	return ret;
}

struct vfio_mediate_session *
vfio_mediate_open(struct pci_dev *pdev, const struct vfio_mediate_host_ops *host,
		  void (*detached)(void *data), void *data)
{
	struct open_request request = {
		.dev.pdev = pdev,
		.host = host,
		.host_data = data,
		.detached = detached,
	};
	int ret;

	ret = open_first(&request, list_for_device(pdev->vendor, pdev->device));
	if (ret == -ENODEV)
		ret = open_first(&request, &any_id_list);
	if (!ret)
		return request.session;

	if (request.session)
		kref_put(&request.session->kref, destroy_session);
	if (ret != -ENODEV)
		return ERR_PTR(ret);

	/* Ops that could not be asked might have claimed the device. */
	return request.unloading ? ERR_PTR(-EAGAIN) : NULL;
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_open, VFIO_MEDIATE_HOST_NS);

void vfio_mediate_close(struct vfio_mediate_session *session)
{
	const struct vfio_pci_mediate_ops *ops;

	if (!session)
		return;

	mutex_lock(&session->lock);
	ops = clear_ops(session);
	if (ops) {
		release(session, ops);
		module_put(ops->owner);
	}
	mutex_unlock(&session->lock);
	klist_del(&session->node);
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_close, VFIO_MEDIATE_HOST_NS);

void vfio_mediate_synchronize(struct vfio_mediate_session *session)
{
	synchronize_srcu_expedited(&session->calls);
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_synchronize, VFIO_MEDIATE_HOST_NS);

bool vfio_mediate_name(struct pci_dev *pdev, char *buf, size_t size)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_session *session;
	struct klist_iter iter;
	bool found = false;

	klist_iter_init(&sessions, &iter);
	while (!found && (session = next_session(&iter))) {
		if (session->dev.pdev != pdev)
			continue;

		mutex_lock(&registry_lock);
		ops = session_ops(session);
		if (ops)
			strscpy(buf, ops->name, size);
		mutex_unlock(&registry_lock);
		found = ops;
	}
	klist_iter_exit(&iter);

	return found;
}
EXPORT_SYMBOL_NS_GPL(vfio_mediate_name, VFIO_MEDIATE_HOST_NS);

static void show_ops(struct seq_file *file, struct registration *entry)
{
	struct vfio_mediate_session *session;
	struct klist_iter iter;
	unsigned int count = 0;

	klist_iter_init(&sessions, &iter);
	while ((session = next_session(&iter)))
		count += session_ops(session) == entry->ops;
	klist_iter_exit(&iter);

	seq_printf(file, "%s %s %u", entry->ops->name,
		   module_name(entry->ops->owner), count);
	klist_iter_init(&sessions, &iter);
	while ((session = next_session(&iter)))
		if (session_ops(session) == entry->ops)
			seq_printf(file, " %s", pci_name(session->dev.pdev));
	klist_iter_exit(&iter);
	seq_putc(file, '\n');
}

/* One line per ops: name, module, number of open devices, addresses of these. */
static int ops_show(struct seq_file *file, void *unused)
{
	struct registration *entry;

	mutex_lock(&registry_lock);
	list_for_each_entry(entry, &registry, node)
		show_ops(file, entry);
	mutex_unlock(&registry_lock);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ops);

static int __init vfio_mediate_module_init(void)
{
	struct klist *list;
	int ret;

	for (list = id_lists; list < id_lists + ARRAY_SIZE(id_lists); list++)
		klist_init(list, NULL, NULL);

	detach_wq = alloc_workqueue("vfio_mediate", WQ_UNBOUND, 0);
	if (!detach_wq)
		return -ENOMEM;
	ret = vfio_mediate_load_init();
	if (ret) {
		destroy_workqueue(detach_wq);
		return ret;
	}

	debugfs_dir = debugfs_create_dir("vfio_mediate", NULL);
	debugfs_create_file("ops", 0400, debugfs_dir, NULL, &ops_fops);
	debugfs_create_u32("load_timeout_ms", 0600, debugfs_dir, &vfio_mediate_load_timeout_ms);

	return 0;
}
module_init(vfio_mediate_module_init);

static void __exit vfio_mediate_module_exit(void)
{
	debugfs_remove(debugfs_dir);
	vfio_mediate_load_exit();
	destroy_workqueue(detach_wq);
}
module_exit(vfio_mediate_module_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_MEDIATE_VERSION);
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Registry of mediate ops for VFIO PCI devices");
