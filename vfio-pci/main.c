// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci-mediate: a vfio bus driver for PCI devices on vfio_pci_core.
 *
 * Without a vendor that mediates a device it behaves as in-tree vfio-pci does,
 * call for call, with one exception: the extra regions of Intel's integrated
 * graphics are built into vfio-pci itself and cannot be offered from here.
 *
 * No modalias is exported on purpose. The driver suits every device, as
 * in-tree vfio-pci does, and tools that pick a driver by alias (libvirt) must
 * not drift from one to the other: the administrator chooses, by
 * driver_override or the ids parameter.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "params.h"
#include "session.h"

struct vpm_device {
	struct vfio_pci_core_device core;
	/* While open: set and cleared by open_device and close_device */
	struct vfio_mediate_session *session;
};

static struct vpm_device *to_vpm(struct vfio_device *vdev)
{
	return container_of(vdev, struct vpm_device, core.vdev);
}

static int vpm_init_device(struct vfio_device *vdev)
{
	vpm_params_apply_device(&to_vpm(vdev)->core);

	return vfio_pci_core_init_dev(vdev);
}

/*
 * The vendor has gone: ask user space to let go of the device. Not the first
 * request as vfio counts them, because that one reports a missing eventfd.
 */
static void vpm_detached(void *data)
{
	struct vpm_device *vpm = data;

	vfio_pci_core_request(&vpm->core.vdev, 1);
}

static int vpm_open_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);
	int ret;

	ret = vfio_pci_core_enable(&vpm->core);
	if (ret)
		return ret;

	vpm->session = vfio_mediate_open(vpm->core.pdev, vpm_detached, vpm);
	if (IS_ERR(vpm->session)) {
		ret = PTR_ERR(vpm->session);
		vpm->session = NULL;
		vfio_pci_core_disable(&vpm->core);
		return ret;
	}

	vfio_pci_core_finish_enable(&vpm->core);

	return 0;
}

static void vpm_close_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);

	vfio_mediate_close(vpm->session);
	vpm->session = NULL;

	vfio_pci_core_close_device(vdev);
}

static const struct vfio_device_ops vpm_ops = {
	.name		= "vfio-pci-mediate",
	.init		= vpm_init_device,
	.release	= vfio_pci_core_release_dev,
	.open_device	= vpm_open_device,
	.close_device	= vpm_close_device,
	.ioctl		= vfio_pci_core_ioctl,
	.device_feature	= vfio_pci_core_ioctl_feature,
	.read		= vfio_pci_core_read,
	.write		= vfio_pci_core_write,
	.mmap		= vfio_pci_core_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
	COMPAT_VFIO_DEVICE_OPS
};

static int vpm_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vpm_device *vpm;
	int ret;

	if (vpm_params_denied(pdev))
		return -EINVAL;

	vpm = vfio_alloc_device(vpm_device, core.vdev, &pdev->dev, &vpm_ops);
	if (IS_ERR(vpm))
		return PTR_ERR(vpm);

	/* vfio_pci_core's error handlers expect the core device here. */
	pci_set_drvdata(pdev, &vpm->core);
	compat_set_pci_ops(&vpm->core);

	ret = vfio_pci_core_register_device(&vpm->core);
	if (ret)
		goto err_put;

	return 0;

err_put:
	vfio_put_device(&vpm->core.vdev);
	return ret;
}

static void vpm_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = pci_get_drvdata(pdev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static int vpm_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	if (!vpm_params_sriov_enabled())
		return -ENOENT;

	return vfio_pci_core_sriov_configure(pci_get_drvdata(pdev), num_vfs);
}

/* Name of the ops that mediate the device, "none" while nobody does. */
static ssize_t mediated_by_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	char name[64] = "none";

	vfio_mediate_name(to_pci_dev(dev), name, sizeof(name));

	return sysfs_emit(buf, "%s\n", name);
}
static DEVICE_ATTR_RO(mediated_by);

static struct attribute *vpm_attrs[] = {
	&dev_attr_mediated_by.attr,
	NULL
};
ATTRIBUTE_GROUPS(vpm);

/* Named at load, see vpm_params_driver_name(). */
static struct pci_driver vpm_driver = {
	.probe			= vpm_probe,
	.remove			= vpm_remove,
	.sriov_configure	= vpm_sriov_configure,
	.err_handler		= &vfio_pci_core_err_handlers,
	.dev_groups		= vpm_groups,
	.driver_managed_dma	= true,
};

static int __init vpm_init(void)
{
	int ret;

	vpm_params_apply_global();

	vpm_driver.name = vpm_params_driver_name();
	ret = pci_register_driver(&vpm_driver);
	if (ret == -EBUSY)
		pr_err("a driver named %s is loaded already%s\n",
		       vpm_driver.name,
		       strcmp(vpm_driver.name, "vfio-pci") ? "" :
		       ": unload in-tree vfio-pci first, or load without drop_in");
	if (ret)
		return ret;

	vpm_params_add_ids(&vpm_driver);

	return 0;
}
module_init(vpm_init);

static void __exit vpm_exit(void)
{
	pci_unregister_driver(&vpm_driver);
}
module_exit(vpm_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("VFIO PCI driver that vendor PF drivers can mediate");
