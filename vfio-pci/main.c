// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci-mediate: a vfio bus driver for PCI devices, based on vfio_pci_core.
 *
 * A device that no vendor driver mediates behaves as with in-tree vfio-pci, call for call. The only
 * exception is the extra regions of Intel integrated graphics: they are built into vfio-pci
 * itself.
 *
 * By default the driver exports no modalias. It matches every device, as in-tree vfio-pci does.
 * Tools that pick a driver by alias, such as libvirt, must not switch between the two. The
 * administrator chooses, by driver_override, by the ids parameter, or by building the driver with
 * aliases for some IDs.
 *
 * This file holds the table of parts. No other file of vfio-pci/ uses migration/.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "access.h"
#include "bar.h"
#include "compat.h"
#include "config.h"
#include "device.h"
#include "events.h"
#include "info.h"
#include "irqs.h"
#include "linux/vfio_mediate.h"
#include "params.h"
#include "regions.h"
#include "reset.h"
#include "sysfs.h"
#include "trace.h"
#include "trap.h"
#include "trap_feature.h"
#include "vendor.h"
#include "vfio_ops.h"

/* Interval between two requests to release the device, as in vfio */
#define REQUEST_INTERVAL	(10 * HZ)

/* From the lowest part to the uppermost. See struct vpm_part. */
static const struct vpm_part * const vpm_parts[] = {
	&vpm_device_part,
	&vpm_events_part,
	&vpm_vendor_part,
	&vpm_decode_part,
	&vpm_regions_part,
	&vpm_irqs_part,
	&vpm_trap_part,
	&vpm_bar_part,
#if IS_ENABLED(CONFIG_VFIO_PCI_MEDIATE_MIGRATION)
	&vpm_dma_log_part,
	&vpm_track_part,
	&vpm_logging_part,
	&vpm_migration_part,
	&vpm_debugfs_part,
#endif
	&vpm_reset_part,
};

static int load_parts(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(vpm_parts); i++) {
		if (!vpm_parts[i]->load)
			continue;
		ret = vpm_parts[i]->load();
		if (ret)
			goto err_unload;
	}

	return 0;

err_unload:
	while (i--)
		if (vpm_parts[i]->unload)
			vpm_parts[i]->unload();
	return ret;
}

static void unload_parts(void)
{
	unsigned int i = ARRAY_SIZE(vpm_parts);

	while (i--)
		if (vpm_parts[i]->unload)
			vpm_parts[i]->unload();
}

static int init_parts(struct vpm_device *vpm)
{
	unsigned int i;
	int ret;

	for (i = 0; i < vpm->num_parts; i++) {
		if (!vpm->parts[i]->init)
			continue;
		ret = vpm->parts[i]->init(vpm);
		if (ret)
			return ret;
	}

	return 0;
}

static void release_parts(struct vpm_device *vpm)
{
	unsigned int i = vpm->num_parts;

	while (i--)
		if (vpm->parts[i]->release)
			vpm->parts[i]->release(vpm);
}

static void registered_parts(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->registered)
			vpm->parts[i]->registered(vpm);
}

static void remove_parts(struct vpm_device *vpm)
{
	unsigned int i = vpm->num_parts;

	while (i--)
		if (vpm->parts[i]->remove)
			vpm->parts[i]->remove(vpm);
}

static int setup_parts(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		       const struct vfio_pci_mediate_ops *ops)
{
	unsigned int i;
	int ret;

	for (i = 0; i < vpm->num_parts; i++) {
		if (!vpm->parts[i]->setup)
			continue;
		ret = vpm->parts[i]->setup(vpm, dev, ops);
		if (ret)
			return ret;
	}

	return 0;
}

static void start_parts(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->start)
			vpm->parts[i]->start(vpm);
}

static void stop_parts(struct vpm_device *vpm)
{
	unsigned int i = vpm->num_parts;

	while (i--)
		if (vpm->parts[i]->stop)
			vpm->parts[i]->stop(vpm);
}

static void teardown_parts(struct vpm_device *vpm)
{
	unsigned int i = vpm->num_parts;

	while (i--)
		if (vpm->parts[i]->teardown)
			vpm->parts[i]->teardown(vpm);
}

static void detach_parts(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < vpm->num_parts; i++)
		if (vpm->parts[i]->detach)
			vpm->parts[i]->detach(vpm);
}

static int vpm_init_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);
	int ret;

	vpm->parts = vpm_parts;
	vpm->num_parts = ARRAY_SIZE(vpm_parts);
	vpm_params_apply_device(&vpm->core);
	ret = init_parts(vpm);
	if (!ret)
		ret = vfio_pci_core_init_dev(vdev);
	if (ret)
		release_parts(vpm);

	return ret;
}

static void vpm_release_device(struct vfio_device *vdev)
{
	release_parts(to_vpm(vdev));
	vfio_pci_core_release_dev(vdev);
}

/*
 * The vendor driver is detached: request user space to release the device. Do not pass 0 as the
 * count, because vfio_pci_core then logs a missing eventfd.
 */
static void vpm_detached(void *data)
{
	struct vpm_device *vpm = data;

	detach_parts(vpm);
	vfio_pci_core_request(&vpm->core.vdev, 1);
}

static const struct vfio_mediate_host_ops vpm_host_ops = {
	.rw		= vpm_vendor_default_rw,
	.trap		= vpm_trap_host,
	.signal		= vpm_irqs_signal,
	.read		= vpm_track_read,
	.write		= vpm_track_write,
	.mark		= vpm_track_mark,
	.was_reset	= vpm_reset_by_vendor,
	.state_lost	= vpm_reset_state_lost,
	.data_ready	= vpm_migration_data_ready,
};

/* Set up all parts from the declaration of the vendor driver. */
static int vpm_mediate(struct vpm_device *vpm)
{
	CLASS(vpm_call, call)(vpm->session);
	int ret;

	/* The vendor driver may have been detached since vfio_mediate_open(). */
	if (!call.ops)
		return -EAGAIN;

	ret = setup_parts(vpm, call.dev, call.ops);
	if (!ret)
		start_parts(vpm);
	if (ret == -EINVAL)
		pci_notice_ratelimited(vpm->core.pdev,
				       "%s: invalid mediation declaration\n",
				       call.ops->name);
	if (ret)
		trace_refused(vpm->core.pdev, "open", call.ops->name, ret);

	return ret;
}

static int vpm_open_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);
	int ret;

	ret = vfio_mediate_load_wait(vpm->load, &vpm->removing);
	if (ret)
		return ret;

	ret = vfio_pci_core_enable(&vpm->core);
	if (ret)
		return ret;

	vpm->session = vfio_mediate_open(vpm->core.pdev, &vpm_host_ops,
					 vpm_detached, vpm);
	if (IS_ERR(vpm->session)) {
		ret = PTR_ERR(vpm->session);
		vpm->session = NULL;
		goto err_disable;
	}
	if (vpm->session) {
		ret = vpm_mediate(vpm);
		if (ret)
			goto err_close;
	}

	vfio_pci_core_finish_enable(&vpm->core);
	vpm_events_opened(vpm);

	return 0;

err_close:
	stop_parts(vpm);
	vfio_mediate_close(vpm->session);
	vpm->session = NULL;
err_disable:
	vfio_pci_core_disable(&vpm->core);
	teardown_parts(vpm);
	return ret;
}

static void vpm_close_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm->session)) {
		vfio_pci_core_close_device(vdev);
		vpm_events_closed(vpm);
		return;
	}

	stop_parts(vpm);
	vfio_mediate_close(vpm->session);
	vpm->session = NULL;

	vfio_pci_core_close_device(vdev);
	teardown_parts(vpm);
}

static ssize_t vpm_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm_is_mediated(vpm, VFIO_PCI_OFFSET_TO_INDEX(*ppos))))
		return vfio_pci_core_read(vdev, buf, count, ppos);

	return vpm_access_rw(vpm, buf, count, ppos, false);
}

static ssize_t vpm_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct vpm_device *vpm = to_vpm(vdev);
	u64 index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);

	if (index == VFIO_PCI_CONFIG_REGION_INDEX && vpm->session)
		return vpm_config_write(vpm, buf, count, ppos);
	if (likely(!vpm_is_mediated(vpm, index)))
		return vfio_pci_core_write(vdev, buf, count, ppos);

	return vpm_access_rw(vpm, (char __user *)buf, count, ppos, true);
}

static int vpm_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vpm_device *vpm = to_vpm(vdev);
	u64 index = vma->vm_pgoff >> (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);

	if (!vpm_is_mediated(vpm, index))
		return vfio_pci_core_mmap(vdev, vma);

	return vpm_regions_mmap(vpm, vma);
}

/* VFIO_DEVICE_GET_INFO. Count the additional interrupts. */
static long vpm_get_info(struct vpm_device *vpm,
			 struct vfio_device_info __user *arg)
{
	long ret;

	ret = vfio_pci_core_ioctl(&vpm->core.vdev, VFIO_DEVICE_GET_INFO,
				  (unsigned long)arg);
	if (ret || !vpm->num_irqs)
		return ret;

	return put_user(VFIO_PCI_NUM_IRQS + vpm->num_irqs, &arg->num_irqs);
}

/*
 * Called by the task that removes the device, while it waits for user space to close the device.
 * Meanwhile, this task resets the device when user space requests a reset.
 */
static void vpm_request(struct vfio_device *vdev, unsigned int count)
{
	if (!count)
		vpm_events_release(to_vpm(vdev));
	do
		vfio_pci_core_request(vdev, count++);
	while (vpm_reset_serve(to_vpm(vdev), REQUEST_INTERVAL));
}

/* Return: -ENOTTY to pass the ioctl to vfio_pci_core. */
static long ioctl_own(struct vpm_device *vpm, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return vpm_get_info(vpm, uarg);
#ifndef COMPAT_HAS_REGION_INFO_CAPS
	case VFIO_DEVICE_GET_REGION_INFO:
		return vpm_region_info_ioctl(vpm, uarg);
#endif
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vpm->num_irqs ? vpm_irqs_info(vpm, uarg) : -ENOTTY;
	case VFIO_DEVICE_SET_IRQS:
		return vpm->num_irqs ? vpm_irqs_set(vpm, uarg) : -ENOTTY;
	case VFIO_DEVICE_IOEVENTFD:
		/* An ioeventfd would bypass the vendor driver. */
		return vpm_mediates_bars(vpm) ? -EOPNOTSUPP : -ENOTTY;
	default:
		return -ENOTTY;
	}
}

static noinline long ioctl_mediated(struct vpm_device *vpm, unsigned int cmd,
				    unsigned long arg)
{
	long ret = ioctl_own(vpm, cmd, arg);

	if (ret != -ENOTTY)
		return ret;

	if (cmd == VFIO_DEVICE_RESET)
		ret = vpm_reset_by_user(vpm);
	else
		ret = vfio_pci_core_ioctl(&vpm->core.vdev, cmd, arg);
	/* This ioctl, and some others, may have reset the device. */
	vpm_reset_flush(vpm);

	return ret;
}

static long vpm_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm->session))
		return vfio_pci_core_ioctl(vdev, cmd, arg);

	return ioctl_mediated(vpm, cmd, arg);
}

static int vpm_device_feature(struct vfio_device *vdev, u32 flags,
			      void __user *arg, size_t argsz)
{
	struct vpm_device *vpm = to_vpm(vdev);
	bool slept;
	int ret;

	if ((flags & VFIO_DEVICE_FEATURE_MASK) == VFIO_MEDIATE_FEATURE_TRAP)
		return vpm_trap_feature(vpm, flags, arg, argsz);

	/* Accesses by a dma-buf would bypass the vendor driver. */
	if (vpm_mediates_bars(vpm) &&
	    compat_feature_is_dmabuf(flags & VFIO_DEVICE_FEATURE_MASK))
		return -EOPNOTSUPP;

	slept = vpm->core.needs_pm_restore && compat_read_flag(vpm->core.pm_runtime_engaged);
	ret = vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	if (slept && !compat_read_flag(vpm->core.pm_runtime_engaged)) {
		vpm_reset_by_power(vpm);
		vpm_reset_flush(vpm);
	}
	vpm_events_power(vpm);

	return ret;
}

#if defined(COMPAT_HAS_PASID) && IS_ENABLED(CONFIG_IOMMUFD)
static int vpm_pasid_attach_ioas(struct vfio_device *vdev, u32 pasid, u32 *pt_id)
{
	/* Dirty tracking would take writes to a PASID for writes to the default address space. */
	if (vpm_track_is_possible(vdev))
		return -EOPNOTSUPP;

	return vfio_iommufd_physical_pasid_attach_ioas(vdev, pasid, pt_id);
}
#endif

/* vfio_pci_core binds VFs of its PFs to the driver called .name: use the name of the driver. */
static struct vfio_device_ops vpm_ops __ro_after_init = {
	.init		= vpm_init_device,
	.release	= vpm_release_device,
	.open_device	= vpm_open_device,
	.close_device	= vpm_close_device,
	.ioctl		= vpm_ioctl,
#ifdef COMPAT_HAS_REGION_INFO_CAPS
	.get_region_info_caps = vpm_region_info,
#endif
	.device_feature	= vpm_device_feature,
	.read		= vpm_read,
	.write		= vpm_write,
	.mmap		= vpm_mmap,
	.request	= vpm_request,
	.match		= vfio_pci_core_match,
#ifdef COMPAT_HAS_TOKEN
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
	.dma_unmap	= vpm_dma_unmap,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vpm_attach_ioas,
	.detach_ioas	= vpm_detach_ioas,
#if defined(COMPAT_HAS_PASID) && IS_ENABLED(CONFIG_IOMMUFD)
	.pasid_attach_ioas = vpm_pasid_attach_ioas,
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#endif
};

#ifdef COMPAT_HAS_DMABUF_PHYS
static const struct vfio_pci_device_ops vpm_pci_ops = {
	.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
};
#endif

static int vpm_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vpm_device *vpm;
	int ret;

	if (vpm_params_denied(pdev))
		return -EINVAL;

	vpm = vfio_alloc_device(vpm_device, core.vdev, &pdev->dev, &vpm_ops);
	if (IS_ERR(vpm))
		return PTR_ERR(vpm);

	/* The error handlers of vfio_pci_core expect the core device. */
	pci_set_drvdata(pdev, &vpm->core);
#ifdef COMPAT_HAS_DMABUF_PHYS
	vpm->core.pci_ops = &vpm_pci_ops;
#endif

	/* The device may be opened as soon as it is registered. */
	vpm->load = vfio_mediate_load_start(pdev);
	if (!vpm->load) {
		ret = -ENOMEM;
		goto err_put;
	}
	ret = vfio_pci_core_register_device(&vpm->core);
	if (ret)
		goto err_load;

	registered_parts(vpm);

	return 0;

err_load:
	vfio_mediate_load_put(vpm->load);
err_put:
	vfio_put_device(&vpm->core.vdev);
	return ret;
}

static void vpm_remove(struct pci_dev *pdev)
{
	struct vpm_device *vpm = pci_to_vpm(pdev);

	WRITE_ONCE(vpm->removing, true);
	vfio_mediate_load_wake(vpm->load);
	vfio_pci_core_unregister_device(&vpm->core);
	remove_parts(vpm);
	vfio_mediate_load_put(vpm->load);
	vfio_put_device(&vpm->core.vdev);
}

static const struct pci_error_handlers vpm_err_handlers = {
	.error_detected	= vfio_pci_core_aer_err_detected,
	.reset_prepare	= vpm_reset_prepare,
	.reset_done	= vpm_reset_done,
};

static int vpm_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	if (!vpm_params_sriov_enabled())
		return -ENOENT;

	return vfio_pci_core_sriov_configure(pci_get_drvdata(pdev), num_vfs);
}

/* vpm_init() sets .name. See vpm_params_driver_name(). */
static struct pci_driver vpm_driver = {
	.probe			= vpm_probe,
	.remove			= vpm_remove,
	.sriov_configure	= vpm_sriov_configure,
	.err_handler		= &vpm_err_handlers,
	.dev_groups		= vpm_sysfs_groups,
	.driver_managed_dma	= true,
};

static int __init vpm_init(void)
{
	int ret;

	ret = load_parts();
	if (ret)
		return ret;

	vpm_params_apply_global();

	vpm_driver.name = vpm_params_driver_name();
	vpm_ops.name = (char *)vpm_driver.name;
	ret = pci_register_driver(&vpm_driver);
	if (ret == -EBUSY)
		pr_err("a driver named %s is loaded already%s\n",
		       vpm_driver.name,
		       strcmp(vpm_driver.name, "vfio-pci") ? "" :
		       ": unload in-tree vfio-pci first, or load without drop_in");
	if (ret) {
		unload_parts();
		return ret;
	}

	vpm_params_add_ids(&vpm_driver);

	return 0;
}
module_init(vpm_init);

static void __exit vpm_exit(void)
{
	pci_unregister_driver(&vpm_driver);
	unload_parts();
}
module_exit(vpm_exit);

#ifdef VPM_ALIASES
/* Kbuild lists the IDs: VPM_ALIAS(8086,10CA); ... */
#define VPM_ALIAS(vendor, device) \
	MODULE_ALIAS("vfio_pci:v0000" #vendor "d0000" #device "sv*sd*bc*sc*i*")
VPM_ALIASES
#endif

MODULE_IMPORT_NS(COMPAT_NS_IOMMUFD);
MODULE_IMPORT_NS(VFIO_MEDIATE_HOST_NS);
MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_MEDIATE_VERSION);
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("VFIO PCI driver that vendor PF drivers can mediate");
