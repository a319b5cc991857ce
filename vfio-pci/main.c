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

static int vpm_init_device(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);

	vpm_params_apply_device(core);

	return vfio_pci_core_init_dev(vdev);
}

static int vpm_open_device(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	int ret;

	ret = vfio_pci_core_enable(core);
	if (ret)
		return ret;

	vfio_pci_core_finish_enable(core);

	return 0;
}

static const struct vfio_device_ops vpm_ops = {
	.name		= "vfio-pci-mediate",
	.init		= vpm_init_device,
	.release	= vfio_pci_core_release_dev,
	.open_device	= vpm_open_device,
	.close_device	= vfio_pci_core_close_device,
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
	struct vfio_pci_core_device *core;
	int ret;

	if (vpm_params_denied(pdev))
		return -EINVAL;

	core = vfio_alloc_device(vfio_pci_core_device, vdev, &pdev->dev,
				 &vpm_ops);
	if (IS_ERR(core))
		return PTR_ERR(core);

	/* vfio_pci_core's error handlers expect the core device here. */
	pci_set_drvdata(pdev, core);
	compat_set_pci_ops(core);

	ret = vfio_pci_core_register_device(core);
	if (ret)
		goto err_put;

	return 0;

err_put:
	vfio_put_device(&core->vdev);
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

/* Named at load, see vpm_params_driver_name(). */
static struct pci_driver vpm_driver = {
	.probe			= vpm_probe,
	.remove			= vpm_remove,
	.sriov_configure	= vpm_sriov_configure,
	.err_handler		= &vfio_pci_core_err_handlers,
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
