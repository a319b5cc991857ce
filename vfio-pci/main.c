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
#include <linux/sched/signal.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "compat.h"
#include "container.h"
#include "device.h"
#include "info.h"
#include "iommufd.h"
#include "irqs.h"
#include "migration.h"
#include "params.h"
#include "regions.h"
#include "reset.h"
#include "track.h"
#include "trap.h"

/* As vfio's, between two requests to release a device */
#define REQUEST_INTERVAL	(10 * HZ)
/* For how long a reset is tried of a device that is locked */
#define RESET_PATIENCE		(5 * HZ)

struct workqueue_struct *vpm_wq;

static int vpm_init_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);

	vpm_params_apply_device(&vpm->core);
	spin_lock_init(&vpm->irq_lock);
	spin_lock_init(&vpm->reset_lock);
	vpm_reset_init(vpm);
	vpm_trap_init(vpm);
	vpm_track_init(vpm);

	return vfio_pci_core_init_dev(vdev);
}

/*
 * The vendor has gone: ask user space to let go of the device. Not the first
 * request as vfio counts them, because that one reports a missing eventfd.
 */
static void vpm_detached(void *data)
{
	struct vpm_device *vpm = data;

	vpm_trap_detach(vpm);
	vpm_track_detach(vpm);
	vpm_migration_detach(vpm);
	vfio_pci_core_request(&vpm->core.vdev, 1);
}

static const struct vfio_mediate_host_ops vpm_host_ops = {
	.rw		= vpm_default_rw,
	.trap		= vpm_trap_host,
	.signal		= vpm_irqs_signal,
	.read		= vpm_track_read,
	.mark		= vpm_track_mark,
	.was_reset	= vpm_reset_by_driver,
	.state_lost	= vpm_reset_lost,
};

static void vpm_unmediate(struct vpm_device *vpm)
{
	vpm_irqs_teardown(vpm);
	vpm_trap_teardown(vpm);
	vpm_regions_teardown(vpm);
}

/*
 * On some kernels a BAR is mapped by the first access, be it the vendor's, user space's or
 * an mmap(), and a second one at the same time fails. So all are mapped now. Where that
 * fails, accesses to a BAR that is not mediated fail as with vfio-pci.
 */
static int vpm_map_bars(struct vpm_device *vpm)
{
	unsigned int bar;
	int ret;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (!pci_resource_len(vpm->core.pdev, bar))
			continue;
		ret = compat_map_bar(&vpm->core, bar);
		if (ret && vpm_is_mediated(vpm, bar))
			return ret;
	}

	return 0;
}

/* A vendor that declares nothing does nothing with registers either. */
static bool declares(const struct vfio_mediate_device *dev)
{
	return dev->num_regions || dev->num_extra_regions || dev->num_irqs ||
	       dev->num_traps || dev->migration || dev->tracking;
}

/* Takes over what the vendor has declared. */
static int vpm_mediate(struct vpm_device *vpm)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	int cookie, ret = -EAGAIN;

	/* They may have gone since they claimed the device. */
	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (ops) {
		ret = vpm_regions_setup(vpm, dev, ops);
		if (!ret)
			ret = vpm_trap_setup(vpm, dev);
		if (!ret)
			ret = vpm_irqs_setup(vpm, dev, dev->num_traps);
		if (!ret && declares(dev))
			ret = vpm_map_bars(vpm);
		if (!ret)
			ret = vpm_track_setup(vpm, dev);
		if (!ret)
			ret = vpm_migration_setup(vpm, dev, ops);
		if (!ret)
			vpm_trap_start(vpm);
		if (ret == -EINVAL)
			pci_notice_ratelimited(vpm->core.pdev,
					       "%s mediates it in a way that makes no sense\n",
					    ops->name);
	}
	vfio_mediate_exit(vpm->session, cookie);

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
		vpm_decode_start(vpm);
		ret = vpm_mediate(vpm);
		if (ret)
			goto err_close;
		vpm_reset_start(vpm);
	}

	vfio_pci_core_finish_enable(&vpm->core);

	return 0;

err_close:
	vpm_migration_stop(vpm);
	vpm_track_stop(vpm);
	vpm_trap_stop(vpm);
	vfio_mediate_close(vpm->session);
	vpm->session = NULL;
err_disable:
	vfio_pci_core_disable(&vpm->core);
	vpm_unmediate(vpm);
	return ret;
}

static void vpm_close_device(struct vfio_device *vdev)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm->session)) {
		vfio_pci_core_close_device(vdev);
		return;
	}

	vpm_reset_stop(vpm);
	vpm_migration_stop(vpm);
	vpm_track_stop(vpm);
	vpm_trap_stop(vpm);
	vfio_mediate_close(vpm->session);
	vpm->session = NULL;

	vfio_pci_core_close_device(vdev);
	vpm_unmediate(vpm);
}

static ssize_t vpm_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	struct vpm_device *vpm = to_vpm(vdev);

	if (likely(!vpm_is_mediated(vpm, VFIO_PCI_OFFSET_TO_INDEX(*ppos))))
		return vfio_pci_core_read(vdev, buf, count, ppos);

	return vpm_regions_rw(vpm, buf, count, ppos, false);
}

/* Is it in a state of power from which it comes back as after a reset? */
static bool sleeps(struct vpm_device *vpm)
{
	return vpm->core.needs_pm_restore && !vpm_is_powered(vpm->core.pdev);
}

/*
 * It may reset the device, and shut off its DMA: what the guest has written to shadows
 * before comes first.
 */
static noinline ssize_t write_config(struct vpm_device *vpm, char __user *buf,
				     size_t count, loff_t *ppos)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	bool slept, command;
	ssize_t done;

	vpm_trap_flush(vpm);
	slept = sleeps(vpm);
	command = offset < PCI_COMMAND + 2 && offset + count > PCI_COMMAND;
	if (command)
		vpm_decode_begin_write(vpm);
	done = vpm_regions_rw(vpm, buf, count, ppos, true);
	if (command)
		vpm_decode_end_write(vpm);
	if (slept && !sleeps(vpm))
		vpm_reset_by_power(vpm);
	vpm_reset_flush(vpm);

	return done;
}

static ssize_t vpm_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct vpm_device *vpm = to_vpm(vdev);
	u64 index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);

	if (likely(!vpm_is_mediated(vpm, index)))
		return vfio_pci_core_write(vdev, buf, count, ppos);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return write_config(vpm, (char __user *)buf, count, ppos);

	return vpm_regions_rw(vpm, (char __user *)buf, count, ppos, true);
}

static int vpm_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vpm_device *vpm = to_vpm(vdev);
	u64 index = vma->vm_pgoff >> (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);

	if (!vpm_is_mediated(vpm, index))
		return vfio_pci_core_mmap(vdev, vma);

	return vpm_regions_mmap(vpm, vma);
}

/* VFIO_DEVICE_GET_INFO, with the interrupts that were added. */
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

static struct vpm_device *vpm_of(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = pci_get_drvdata(pdev);

	return to_vpm(&core->vdev);
}

static void prepare_reset(struct pci_dev *pdev)
{
	vpm_reset_prepare(vpm_of(pdev));
}

static void reset_done(struct pci_dev *pdev)
{
	vpm_reset_done(vpm_of(pdev));
}

/*
 * Comes from the task that removes the device, which waits for user space to close it.
 * Until then it resets the device when user space asks for that, see
 * vpm_reset_by_remover().
 */
static void vpm_request(struct vfio_device *vdev, unsigned int count)
{
	do
		vfio_pci_core_request(vdev, count++);
	while (vpm_reset_serve(to_vpm(vdev), REQUEST_INTERVAL));
}

/*
 * Somebody else has locked the device for the moment, as the PCI core has while it recovers from
 * an error. A VMM whose migration fails then ends if it cannot reset the device.
 */
static long reset_again(struct vpm_device *vpm)
{
	unsigned long end = jiffies + RESET_PATIENCE;
	long ret = -EAGAIN;

	while (ret == -EAGAIN && !READ_ONCE(vpm->removing) && time_before(jiffies, end)) {
		schedule_timeout_killable(HZ / 100);
		if (fatal_signal_pending(current))
			break;
		ret = vfio_pci_core_ioctl(&vpm->core.vdev, VFIO_DEVICE_RESET, 0);
	}

	return ret;
}

static noinline long ioctl_mediated(struct vpm_device *vpm, unsigned int cmd,
				    unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	long ret = -ENOTTY;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return vpm_get_info(vpm, uarg);
	case VFIO_DEVICE_GET_REGION_INFO:
		ret = compat_ioctl_region_info(&vpm->core, uarg);
		break;
	case VFIO_DEVICE_GET_IRQ_INFO:
		if (vpm->num_irqs)
			ret = vpm_irqs_info(vpm, uarg);
		break;
	case VFIO_DEVICE_SET_IRQS:
		if (vpm->num_irqs)
			ret = vpm_irqs_set(vpm, uarg);
		break;
	case VFIO_DEVICE_IOEVENTFD:
		/* It would write to registers past the vendor. */
		if (vpm_mediates_bars(vpm))
			return -EOPNOTSUPP;
		break;
	}
	if (ret != -ENOTTY)
		return ret;

	ret = vfio_pci_core_ioctl(&vpm->core.vdev, cmd, arg);
	if (cmd == VFIO_DEVICE_RESET && ret == -EAGAIN)
		ret = reset_again(vpm);
	/*
	 * A VMM whose migration has failed with its vendor may end if it cannot reset the
	 * device; it should if this is where the guest was to go.
	 */
	if (cmd == VFIO_DEVICE_RESET && ret == -EAGAIN && READ_ONCE(vpm->removing) &&
	    !vpm_migration_failed(vpm))
		ret = vpm_reset_by_remover(vpm);
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

	/* A BAR in a dma-buf would be out of the vendor's reach. */
	if (vpm_mediates_bars(vpm) &&
	    compat_feature_is_dmabuf(flags & VFIO_DEVICE_FEATURE_MASK))
		return -EOPNOTSUPP;

	slept = vpm->core.needs_pm_restore && READ_ONCE(vpm->core.pm_runtime_engaged);
	ret = vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	if (slept && !READ_ONCE(vpm->core.pm_runtime_engaged)) {
		vpm_reset_by_power(vpm);
		vpm_reset_flush(vpm);
	}

	return ret;
}

/* Type1 calls this, and no iommufd does, until none of its pages is pinned. */
static void vpm_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	vpm_container_unmap(to_vpm(vdev));
}

static int vpm_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	int ret = vpm_iommufd_attach_ioas(vdev, pt_id);

	if (!ret)
		vpm_migration_attached(to_vpm(vdev));

	return ret;
}

/* .name is the driver's: vfio_pci_core binds VFs of its PFs to a driver of that name. */
static struct vfio_device_ops vpm_ops __ro_after_init = {
	.init		= vpm_init_device,
	.release	= vfio_pci_core_release_dev,
	.open_device	= vpm_open_device,
	.close_device	= vpm_close_device,
	.ioctl		= vpm_ioctl,
	.device_feature	= vpm_device_feature,
	.read		= vpm_read,
	.write		= vpm_write,
	.mmap		= vpm_mmap,
	.request	= vpm_request,
	.match		= vfio_pci_core_match,
	.dma_unmap	= vpm_dma_unmap,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vpm_attach_ioas,
	.detach_ioas	= vpm_iommufd_detach_ioas,
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

	/* Once it is registered, it may be opened. */
	vpm->load = vfio_mediate_load_start(pdev);
	if (!vpm->load) {
		ret = -ENOMEM;
		goto err_put;
	}
	ret = vfio_pci_core_register_device(&vpm->core);
	if (ret)
		goto err_load;

	vpm_migration_debugfs(vpm);

	return 0;

err_load:
	vfio_mediate_load_put(vpm->load);
err_put:
	vfio_put_device(&vpm->core.vdev);
	return ret;
}

static void vpm_remove(struct pci_dev *pdev)
{
	struct vpm_device *vpm = vpm_of(pdev);

	WRITE_ONCE(vpm->removing, true);
	vfio_mediate_load_wake(vpm->load);
	vfio_pci_core_unregister_device(&vpm->core);
	vpm_track_release(vpm);
	vfio_mediate_load_put(vpm->load);
	vfio_put_device(&vpm->core.vdev);
}

static const struct pci_error_handlers vpm_err_handlers = {
	.error_detected	= vfio_pci_core_aer_err_detected,
	.reset_prepare	= prepare_reset,
	.reset_done	= reset_done,
};

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
	.err_handler		= &vpm_err_handlers,
	.dev_groups		= vpm_groups,
	.driver_managed_dma	= true,
};

static int __init vpm_init(void)
{
	int ret;

	vpm_wq = alloc_workqueue("vfio_pci_mediate", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!vpm_wq)
		return -ENOMEM;
	ret = vpm_container_load();
	if (ret) {
		destroy_workqueue(vpm_wq);
		return ret;
	}

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
		vpm_container_unload();
		destroy_workqueue(vpm_wq);
		return ret;
	}

	vpm_params_add_ids(&vpm_driver);

	return 0;
}
module_init(vpm_init);

static void __exit vpm_exit(void)
{
	pci_unregister_driver(&vpm_driver);
	vpm_container_unload();
	destroy_workqueue(vpm_wq);
}
module_exit(vpm_exit);

MODULE_IMPORT_NS(COMPAT_NS_IOMMUFD);
MODULE_IMPORT_NS(VFIO_MEDIATE_HOST_NS);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("VFIO PCI driver that vendor PF drivers can mediate");
