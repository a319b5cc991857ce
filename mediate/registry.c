// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mediate: who may mediate devices, and who does.
 *
 * A vendor driver links against this module alone, so that it neither needs
 * vfio at build time nor drags it in at run time.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "session.h"
#include "vfio_mediate.h"

struct registered {
	struct list_head node;
	const struct vfio_pci_mediate_ops *ops;
};

/*
 * Protects both lists, and holds off changes while ops->open and ops->release
 * run. Taken inside the locks of vfio's open and close, and inside the device
 * lock of a PF whose driver unregisters in its remove.
 */
static DEFINE_MUTEX(registry_lock);
static LIST_HEAD(registry);
static LIST_HEAD(sessions);

static struct dentry *debugfs_dir;

static struct registered *find_ops(const struct vfio_pci_mediate_ops *ops)
{
	struct registered *entry;

	list_for_each_entry(entry, &registry, node)
		if (entry->ops == ops)
			return entry;

	return NULL;
}

static bool name_taken(const char *name)
{
	struct registered *entry;

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

int vfio_pci_register_mediate_ops(const struct vfio_pci_mediate_ops *ops)
{
	struct registered *entry;
	int ret = 0;

	if (!ops || !ops->name || !ops->open || !ops->release)
		return -EINVAL;
	if (!*ops->name || strpbrk(ops->name, " \t\n"))
		return -EINVAL;

	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->ops = ops;

	mutex_lock(&registry_lock);
	if (name_taken(ops->name))
		ret = -EEXIST;
	else
		list_add_tail(&entry->node, &registry);
	mutex_unlock(&registry_lock);

	if (ret)
		kfree(entry);

	return ret;
}
EXPORT_SYMBOL_GPL(vfio_pci_register_mediate_ops);

/*
 * Takes the sessions of @ops away from them, all or those of one PF; the sessions
 * themselves stay.
 */
static void detach_sessions(const struct vfio_pci_mediate_ops *ops,
			    struct pci_dev *pf)
{
	struct vfio_mediate_session *session, *next;
	LIST_HEAD(gone);

	list_for_each_entry_safe(session, next, &sessions, node) {
		if (session_ops(session) != ops ||
		    (pf && pci_physfn(session->dev.pdev) != pf))
			continue;
		RCU_INIT_POINTER(session->ops, NULL);
		list_move_tail(&session->node, &gone);
	}

	list_for_each_entry(session, &gone, node) {
		synchronize_srcu(&session->calls);
		ops->release(&session->dev);
		pci_warn(session->dev.pdev, "no longer mediated by %s, which has gone while the device is open\n",
			 ops->name);
		session->detached(session->dev.host_data);
		module_put(ops->owner);
	}
	list_splice(&gone, &sessions);
}

void vfio_pci_unregister_mediate_ops(const struct vfio_pci_mediate_ops *ops)
{
	struct registered *entry;

	mutex_lock(&registry_lock);
	entry = find_ops(ops);
	if (entry) {
		list_del(&entry->node);
		detach_sessions(ops, NULL);
	}
	mutex_unlock(&registry_lock);

	kfree(entry);
}
EXPORT_SYMBOL_GPL(vfio_pci_unregister_mediate_ops);

void vfio_pci_mediate_detach(const struct vfio_pci_mediate_ops *ops,
			     struct pci_dev *pf)
{
	mutex_lock(&registry_lock);
	detach_sessions(ops, pf);
	mutex_unlock(&registry_lock);
}
EXPORT_SYMBOL_GPL(vfio_pci_mediate_detach);

/* The first that does not say -ENODEV decides. */
static int ask_all(struct vfio_mediate_session *session)
{
	const struct vfio_mediate_device fresh = session->dev;
	const struct vfio_pci_mediate_ops *ops;
	struct registered *entry;
	int ret;

	lockdep_assert_held(&registry_lock);

	list_for_each_entry(entry, &registry, node) {
		ops = entry->ops;
		/* On its way out: as if it were not registered any more. */
		if (!try_module_get(ops->owner))
			continue;

		ret = ops->open(fresh.pdev, &session->dev);
		if (!ret) {
			rcu_assign_pointer(session->ops, ops);
			list_add_tail(&session->node, &sessions);
			return 0;
		}

		session->dev = fresh;
		module_put(ops->owner);
		if (ret != -ENODEV)
			return ret;
	}

	return -ENODEV;
}

struct vfio_mediate_session *
vfio_mediate_open(struct pci_dev *pdev, const struct vfio_mediate_host_ops *host,
		  void (*detached)(void *data), void *data)
{
	struct vfio_mediate_session *session;
	int ret;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	ret = init_srcu_struct(&session->calls);
	if (ret) {
		kfree(session);
		return ERR_PTR(ret);
	}

	session->dev.pdev = pdev;
	session->dev.host = host;
	session->dev.host_data = data;
	session->detached = detached;

	mutex_lock(&registry_lock);
	ret = ask_all(session);
	mutex_unlock(&registry_lock);

	if (ret == -ENODEV &&
	    !request_module("vfio-mediate:v%08Xd%08X", pdev->vendor,
			    pdev->device)) {
		mutex_lock(&registry_lock);
		ret = ask_all(session);
		mutex_unlock(&registry_lock);
	}

	if (!ret)
		return session;

	cleanup_srcu_struct(&session->calls);
	kfree(session);

	return ret == -ENODEV ? NULL : ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(vfio_mediate_open);

void vfio_mediate_close(struct vfio_mediate_session *session)
{
	const struct vfio_pci_mediate_ops *ops;

	if (!session)
		return;

	mutex_lock(&registry_lock);
	list_del(&session->node);
	ops = session_ops(session);
	if (ops) {
		ops->release(&session->dev);
		module_put(ops->owner);
	}
	mutex_unlock(&registry_lock);

	cleanup_srcu_struct(&session->calls);
	kfree(session);
}
EXPORT_SYMBOL_GPL(vfio_mediate_close);

void vfio_mediate_synchronize(struct vfio_mediate_session *session)
{
	synchronize_srcu_expedited(&session->calls);
}
EXPORT_SYMBOL_GPL(vfio_mediate_synchronize);

bool vfio_mediate_name(struct pci_dev *pdev, char *buf, size_t size)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_session *session;
	bool found = false;

	mutex_lock(&registry_lock);
	list_for_each_entry(session, &sessions, node) {
		ops = session_ops(session);
		if (session->dev.pdev == pdev && ops) {
			strscpy(buf, ops->name, size);
			found = true;
			break;
		}
	}
	mutex_unlock(&registry_lock);

	return found;
}
EXPORT_SYMBOL_GPL(vfio_mediate_name);

/* One line per ops: name, owner, number of open devices, their addresses. */
static int ops_show(struct seq_file *file, void *unused)
{
	struct vfio_mediate_session *session;
	struct registered *entry;
	unsigned int count;

	mutex_lock(&registry_lock);
	list_for_each_entry(entry, &registry, node) {
		count = 0;
		list_for_each_entry(session, &sessions, node)
			count += session_ops(session) == entry->ops;

		seq_printf(file, "%s %s %u", entry->ops->name,
			   module_name(entry->ops->owner), count);
		list_for_each_entry(session, &sessions, node)
			if (session_ops(session) == entry->ops)
				seq_printf(file, " %s", pci_name(session->dev.pdev));
		seq_putc(file, '\n');
	}
	mutex_unlock(&registry_lock);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ops);

static int __init vfio_mediate_init(void)
{
	debugfs_dir = debugfs_create_dir("vfio_mediate", NULL);
	debugfs_create_file("ops", 0400, debugfs_dir, NULL, &ops_fops);

	return 0;
}
module_init(vfio_mediate_init);

static void __exit vfio_mediate_exit_module(void)
{
	debugfs_remove(debugfs_dir);
}
module_exit(vfio_mediate_exit_module);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Registry of mediate ops for VFIO PCI devices");
