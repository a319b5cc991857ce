// SPDX-License-Identifier: GPL-2.0-only
/*
 * stop_vf: stops the DMA of a VF of sample_nic without a VMM. Write 1 to stop_vf/PF/vfN in
 * debugfs to stop VF N, and 0 to start it. The VF stays stopped whatever its driver does. The
 * file reads as 1 while the VF is stopped, also by a VMM.
 *
 * There are files for the PFs that are bound to sample_nic when this module is loaded. They fail
 * with ENODEV while the PF is unbound. A write fails with EBUSY while a migration has stopped the
 * VF. A migration that begins or ends during a write is not excluded: do not test the two at once.
 */

#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../vendor-sample-nic/nic.h"

/* A file: VF n of a PF */
struct stop_file {
	struct pci_dev *pdev;
	unsigned int n;
};

/* A PF. There is a reference to it, but it may be unbound. */
struct stop_pf {
	struct list_head node;
	struct pci_dev *pdev;
	struct stop_file file[NIC_MAX_VFS];
};

static LIST_HEAD(stop_pfs);
static struct dentry *stop_dir;

/* This module refers to functions of sample_nic, so the driver remains. */
static const struct device_driver *nic_driver;

/*
 * The caller holds the PF's device lock. Until it is released, the PF cannot be unbound, and VFs
 * cannot be created or removed.
 */
static struct nic_vf *find_vf(const struct stop_file *file)
{
	struct nic *nic;

	if (file->pdev->dev.driver != nic_driver)
		return ERR_PTR(-ENODEV);

	nic = pci_get_drvdata(file->pdev);
	guard(mutex)(&nic->vf_lock);
	if (file->n >= nic->num_vfs)
		return ERR_PTR(-EINVAL);

	return &nic->vf[file->n];
}

static int stop_get(void *data, u64 *val)
{
	const struct stop_file *file = data;
	const struct nic_vf *vf;

	guard(device)(&file->pdev->dev);
	vf = find_vf(file);
	if (IS_ERR(vf))
		return PTR_ERR(vf);

	*val = READ_ONCE(vf->stopped);

	return 0;
}

static int stop_set(void *data, u64 val)
{
	const struct stop_file *file = data;
	struct nic_vf *vf;
	int ret;

	if (val > 1)
		return -EINVAL;

	guard(device)(&file->pdev->dev);
	vf = find_vf(file);
	if (IS_ERR(vf))
		return PTR_ERR(vf);

	scoped_guard(mutex, &vf->nic->vf_lock)
		if (vf->dev && vf->frozen)
			return -EBUSY;

	ret = val ? nic_vf_stop(vf, false) : nic_vf_start(vf);
	if (ret && val)
		nic_vf_start(vf);

	return ret;
}

DEFINE_DEBUGFS_ATTRIBUTE(stop_fops, stop_get, stop_set, "%llu\n");

static int __init add_pf(struct device *dev, void *data)
{
	struct stop_pf *pf = kzalloc(sizeof(*pf), GFP_KERNEL);
	struct dentry *dir;
	unsigned int n;
	char name[8];

	if (!pf)
		return -ENOMEM;

	pf->pdev = pci_dev_get(to_pci_dev(dev));
	list_add(&pf->node, &stop_pfs);
	dir = debugfs_create_dir(dev_name(dev), stop_dir);
	for (n = 0; n < NIC_MAX_VFS; n++) {
		pf->file[n].pdev = pf->pdev;
		pf->file[n].n = n;
		snprintf(name, sizeof(name), "vf%u", n);
		debugfs_create_file_unsafe(name, 0600, dir, &pf->file[n], &stop_fops);
	}

	return 0;
}

static void remove_all(void)
{
	struct stop_pf *pf, *next;

	debugfs_remove(stop_dir);
	list_for_each_entry_safe(pf, next, &stop_pfs, node) {
		pci_dev_put(pf->pdev);
		kfree(pf);
	}
}

static int __init stop_vf_init(void)
{
	struct device_driver *driver = driver_find(NIC_NAME, &pci_bus_type);
	int ret;

	if (!driver)
		return -ENODEV;

	nic_driver = driver;
	stop_dir = debugfs_create_dir("stop_vf", NULL);
	ret = driver_for_each_device(driver, NULL, NULL, add_pf);
	if (ret)
		remove_all();

	return ret;
}
module_init(stop_vf_init);

static void __exit stop_vf_exit(void)
{
	remove_all();
}
module_exit(stop_vf_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test: DMA of VFs of sample_nic is stopped by files in debugfs");
MODULE_IMPORT_NS(NIC_TEST_NS);
