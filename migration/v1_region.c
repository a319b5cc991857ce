// SPDX-License-Identifier: GPL-2.0-only
/*
 * The region of protocol v1 as vfio_pci_core sees it.
 */

#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "engine.h"
#include "v1.h"

#define REGION_SIZE	(VPM_V1_DATA_OFFSET + VPM_V1_DATA_SIZE)

/* The members are in the CPU's byte order. */
static int get_member(u64 *value, const char __user *buf, size_t count)
{
	u32 half;
	int ret;

	if (count == sizeof(*value))
		return get_user(*value, (const u64 __user *)buf);

	ret = get_user(half, (const u32 __user *)buf);
	*value = half;

	return ret;
}

static int put_member(u64 value, char __user *buf, size_t count)
{
	if (count == sizeof(value))
		return put_user(value, (u64 __user *)buf);

	return put_user((u32)value, (u32 __user *)buf);
}

static ssize_t rw_member(struct vpm_v1 *v1, char __user *buf, size_t count,
			 u64 offset, bool write)
{
	u64 value = 0;
	int ret = 0;

	if (count != sizeof(u32) && count != sizeof(u64))
		return -EINVAL;

	if (write)
		ret = get_member(&value, buf, count);
	if (!ret)
		ret = vpm_v1_access(v1, offset, count, &value, write);
	if (!ret && !write)
		ret = put_member(value, buf, count);

	return ret ?: count;
}

/* No lock: what comes of two accesses at the same time is for user space to know. */
static ssize_t rw_data(struct vpm_v1 *v1, char __user *buf, size_t count,
		       u64 offset, bool write)
{
	void *data = v1->data + offset - VPM_V1_DATA_OFFSET;
	unsigned long left;

	count = min_t(u64, count, REGION_SIZE - offset);
	if (READ_ONCE(v1->mig->protocol) == VPM_PROTOCOL_V2)
		return -EBUSY;

	left = write ? copy_from_user(data, buf, count) :
		       copy_to_user(buf, data, count);

	return left ? -EFAULT : count;
}

/* It may be the state that is written: what was done to the device before comes first. */
static ssize_t write_member(struct vfio_pci_core_device *core, struct vpm_v1 *v1,
			    char __user *buf, size_t count, u64 offset)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	unsigned int tries = 2;
	ssize_t done;

	/* Once more when it was reset meanwhile. */
	do {
		vpm_reset_flush(vpm);
		vpm_trap_flush(vpm);
		done = rw_member(v1, buf, count, offset, true);
	} while (done == -EAGAIN && --tries);

	return done;
}

static ssize_t region_rw(struct vfio_pci_core_device *core, char __user *buf,
			 size_t count, loff_t *ppos, bool write)
{
	u64 index = VFIO_PCI_OFFSET_TO_INDEX(*ppos) - VFIO_PCI_NUM_REGIONS;
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	struct vpm_v1 *v1;
	ssize_t done;

	index = array_index_nospec(index, core->num_regions);
	v1 = core->region[index].data;
	if (offset >= REGION_SIZE)
		return -EINVAL;

	if (offset >= VPM_V1_DATA_OFFSET)
		done = rw_data(v1, buf, count, offset, write);
	else if (write)
		done = write_member(core, v1, buf, count, offset);
	else
		done = rw_member(v1, buf, count, offset, false);
	if (done > 0)
		*ppos += done;

	return done;
}

static void free_v1(struct vpm_v1 *v1)
{
	mutex_destroy(&v1->lock);
	vpm_mig_put(v1->mig);
	kvfree(v1->data);
	kfree(v1);
}

static void region_release(struct vfio_pci_core_device *core,
			   struct vfio_pci_region *region)
{
	free_v1(region->data);
}

static const struct vfio_pci_regops region_ops = {
	.rw = region_rw,
	.release = region_release,
};

int vpm_v1_region_setup(struct vpm_device *vpm)
{
	u32 flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	u32 subtype = VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED;
	u32 type = VFIO_REGION_TYPE_MIGRATION_DEPRECATED;
	struct vpm_v1 *v1;
	int ret;

	v1 = kzalloc(sizeof(*v1), GFP_KERNEL_ACCOUNT);
	if (!v1)
		return -ENOMEM;
	v1->data = kvzalloc(VPM_V1_DATA_SIZE, GFP_KERNEL_ACCOUNT);
	if (!v1->data) {
		kfree(v1);
		return -ENOMEM;
	}
	mutex_init(&v1->lock);
	v1->mig = vpm->mig;
	vpm_mig_get(v1->mig);

	ret = vfio_pci_core_register_dev_region(&vpm->core, type, subtype,
						&region_ops, REGION_SIZE, flags,
						v1);
	if (ret)
		free_v1(v1);

	return ret;
}
