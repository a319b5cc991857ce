// SPDX-License-Identifier: GPL-2.0-only
/* The ops: open and release, and resets. bar.c has what the guest's driver reads and writes. */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "nvme.h"

#define SNV_DEVICE_ID	0x0010

/* Always mediated. User space cannot map page 0. */
static const struct vfio_mediate_range ranges[] = {
	{ NVME_REG_CC, 4 },
	{ NVME_REG_CSTS, 4 },
};

static const struct vfio_mediate_region region = {
	.index = VFIO_PCI_BAR0_REGION_INDEX,
	.ranges = ranges,
	.num_ranges = ARRAY_SIZE(ranges),
};

/* Doorbells, see init */
static struct vfio_mediate_reg doorbells[2 * SNV_QUEUES] __ro_after_init;

static const struct vfio_mediate_trap trap = {
	.region = VFIO_PCI_BAR0_REGION_INDEX,
	.pages = { SNV_DOORBELLS, PAGE_SIZE },
	.regs = doorbells,
	.num_regs = ARRAY_SIZE(doorbells),
};

static void snv_reset_prepare(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;

	set_bit(SNV_NOTE_RESETTING, &vf->notes);
}

/* The guest's driver cannot access the device before this has returned. */
static void snv_reset_finish(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;

	set_bit(SNV_NOTE_RESET, &vf->notes);
}

static void snv_reset_done(struct vfio_mediate_device *dev, bool unexpected)
{
	struct snv_vf *vf = dev->handle;

	/* If the VMM does not know, it lets a guest go on here that was not compared. */
	snv_lock(vf);
	vf->strange |= vf->lost && unexpected;
	vf->lost = false;
	snv_unlock(vf);
	clear_bit(SNV_NOTE_RESETTING, &vf->notes);
	snv_follow_soon(vf, 0);
}

static void snv_trap_changed(struct vfio_mediate_device *dev, bool on, bool released)
{
	struct snv_vf *vf = dev->handle;

	if (released) {
		atomic_inc(&vf->lost_traps);
		WRITE_ONCE(vf->own_trap, false);
	}
	if (!on)
		set_bit(SNV_NOTE_UNTRAPPED, &vf->notes);
}

static int snv_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct snv_vf *vf;

	if (!pdev->is_virtfn)
		return -ENODEV;
	if (pci_resource_len(pdev, 0) < SNV_DOORBELLS + PAGE_SIZE)
		return -EINVAL;

	vf = kvzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;

	mutex_init(&vf->lock);
	INIT_DELAYED_WORK(&vf->work, snv_work);
	vf->dev = dev;
	dev->handle = vf;
	dev->regions = &region;
	dev->num_regions = 1;
	dev->traps = &trap;
	dev->num_traps = 1;
	dev->no_p2p = true;
	dev->migration = &snv_migration_ops;
	dev->tracking = &snv_tracking_ops;

	return 0;
}

static void snv_release(struct vfio_mediate_device *dev)
{
	struct snv_vf *vf = dev->handle;

	cancel_delayed_work_sync(&vf->work);
	vf->tracked = false;
	snv_forget(vf);
	snv_free_dead(vf);
	snv_state_free(vf);
	mutex_destroy(&vf->lock);
	kvfree(vf);
}

static const struct pci_device_id snv_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, SNV_DEVICE_ID) },
	{ }
};

static const struct vfio_pci_mediate_ops snv_ops = {
	.name = SNV_NAME,
	.owner = THIS_MODULE,
	.ids = snv_ids,
	.open = snv_open,
	.release = snv_release,
	.rw = snv_rw,
	.reset_prepare = snv_reset_prepare,
	.reset_finish = snv_reset_finish,
	.reset_done = snv_reset_done,
	.trap_changed = snv_trap_changed,
};

static int __init snv_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(doorbells); i++)
		doorbells[i] = (struct vfio_mediate_reg) {
			.offset = 4 * i,
			.width = 4,
			.kind = VFIO_MEDIATE_DOORBELL,
		};

	snv_wq = alloc_workqueue(SNV_NAME, WQ_UNBOUND, 0);
	if (!snv_wq)
		return -ENOMEM;
	ret = vfio_pci_register_mediate_ops(&snv_ops);
	if (ret)
		destroy_workqueue(snv_wq);

	return ret;
}
module_init(snv_init);

static void __exit snv_exit(void)
{
	vfio_pci_unregister_mediate_ops(&snv_ops);
	destroy_workqueue(snv_wq);
}
module_exit(snv_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Sample vendor driver: mediates VFs of QEMU's NVMe controller");
