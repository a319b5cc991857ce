// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration protocol v1, as in the uapi header of Linux 5.8 to 5.17. A write to device_state
 * changes the state. The stream passes through the data section in parts.
 */

#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "engine.h"
#include "reset.h"
#include "transfer.h"
#include "trap.h"
#include "v1.h"

#define REGION_SIZE	(VPM_V1_DATA_OFFSET + VPM_V1_DATA_SIZE)

#define SAVING		VFIO_DEVICE_STATE_V1_SAVING
#define RUNNING		VFIO_DEVICE_STATE_V1_RUNNING
#define RESUMING	VFIO_DEVICE_STATE_V1_RESUMING

static u32 to_v1(enum vfio_device_mig_state state)
{
	switch (state) {
	case VFIO_DEVICE_STATE_RUNNING:
	case VFIO_DEVICE_STATE_RUNNING_P2P:
		return RUNNING;
	case VFIO_DEVICE_STATE_PRE_COPY:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return RUNNING | SAVING;
	case VFIO_DEVICE_STATE_STOP:
		return VFIO_DEVICE_STATE_V1_STOP;
	case VFIO_DEVICE_STATE_STOP_COPY:
		return SAVING;
	case VFIO_DEVICE_STATE_RESUMING:
		return RESUMING;
	default:
		return VFIO_DEVICE_STATE_SET_ERROR(0);
	}
}

/* Return: The state, or VFIO_DEVICE_STATE_ERROR for a value that user space may not write. */
static enum vfio_device_mig_state from_v1(u64 value)
{
	switch (value) {
	case RUNNING:
		return VFIO_DEVICE_STATE_RUNNING;
	case RUNNING | SAVING:
		return VFIO_DEVICE_STATE_PRE_COPY;
	case VFIO_DEVICE_STATE_V1_STOP:
		return VFIO_DEVICE_STATE_STOP;
	case SAVING:
		return VFIO_DEVICE_STATE_STOP_COPY;
	case RESUMING:
		return VFIO_DEVICE_STATE_RESUMING;
	default:
		return VFIO_DEVICE_STATE_ERROR;
	}
}

static int write_state(struct vpm_v1 *v1, u64 value)
{
	enum vfio_device_mig_state new = from_v1(value);
	struct vpm_mig *mig = v1->mig;
	struct vpm_transfer *before;
	int ret;

	if (new == VFIO_DEVICE_STATE_ERROR)
		return -EINVAL;

	vpm_mig_lock(mig);
	before = mig->transfer;
	/* Hold it: the next one must not be at the same address. */
	if (before)
		vpm_transfer_get(before);
	ret = vpm_mig_claim(mig, VPM_PROTOCOL_V1);
	if (!ret)
		ret = vpm_mig_set_state(mig, new);
	/* From pre-copy to stop-and-copy the transfer stays, and so does unread data. */
	if (mig->transfer != before)
		v1->size = 0;
	vpm_mig_unlock(mig);
	if (before)
		vpm_transfer_put(before);

	return ret;
}

/*
 * Fail if the transfer was lost. Zero pending bytes would tell a saving VMM that the stream is
 * complete.
 */
static int check_usable(struct vpm_mig *mig)
{
	if (mig->protocol == VPM_PROTOCOL_V2)
		return -EBUSY;

	return vpm_mig_transfer_lost(mig) ? -ENODEV : 0;
}

/*
 * Get the transfer of the data section with a reference, or NULL. The lock of the region excludes a
 * change of the state. A reset or detach may end the transfer, which then returns -ENODEV.
 */
static int get_transfer(struct vpm_v1 *v1, bool loading,
			struct vpm_transfer **transfer)
{
	struct vpm_mig *mig = v1->mig;
	int ret;

	vpm_mig_lock(mig);
	ret = check_usable(mig);
	*transfer = mig->transfer;
	if (ret || !*transfer || (*transfer)->loading != loading)
		*transfer = NULL;
	else
		vpm_transfer_get(*transfer);
	vpm_mig_unlock(mig);

	if (!*transfer)
		v1->size = 0;

	return ret;
}

static int read_state(struct vpm_v1 *v1, u64 *value)
{
	struct vpm_mig *mig = v1->mig;
	int ret = 0;

	vpm_mig_lock(mig);
	if (mig->protocol == VPM_PROTOCOL_V2)
		ret = -EBUSY;
	*value = to_v1(mig->state);
	vpm_mig_unlock(mig);

	return ret;
}

/* User space reads pending_bytes after it has read the data of the last iteration. */
static int read_pending(struct vpm_v1 *v1, u64 *value)
{
	struct vpm_mig *mig = v1->mig;
	int ret;

	v1->size = 0;
	*value = 0;
	vpm_mig_lock(mig);
	ret = check_usable(mig);
	if (!ret && mig->transfer && !mig->transfer->loading) {
		if (mig->state != VFIO_DEVICE_STATE_STOP_COPY)
			ret = vpm_mig_check(mig);
		if (!ret)
			*value = vpm_transfer_pending(mig->transfer);
	}
	vpm_mig_unlock(mig);

	return ret;
}

/* While saving, a read of data_offset also fills the data section. */
static int read_offset(struct vpm_v1 *v1, u64 *value)
{
	struct kvec vec = { v1->data, VPM_V1_DATA_SIZE };
	struct vpm_transfer *transfer;
	struct iov_iter iter;
	ssize_t done;
	int ret;

	*value = VPM_V1_DATA_OFFSET;
	ret = get_transfer(v1, false, &transfer);
	if (ret || !transfer)
		return ret;

	if (!v1->size) {
		iov_iter_kvec(&iter, ITER_DEST, &vec, 1, vec.iov_len);
		done = vpm_transfer_read(transfer, &iter, false);
		if (done >= 0)
			v1->size = done;
		else if (done != -ENOMSG)
			ret = done;
	}
	vpm_transfer_put(transfer);

	return ret;
}

static int read_size(struct vpm_v1 *v1, u64 *value)
{
	struct vpm_transfer *transfer;
	int ret;

	ret = get_transfer(v1, false, &transfer);
	*value = v1->size;
	if (transfer)
		vpm_transfer_put(transfer);

	return ret;
}

/* A write of data_size loads that many bytes from the data section. */
static int write_size(struct vpm_v1 *v1, u64 value)
{
	struct kvec vec = { v1->data, value };
	struct vpm_transfer *transfer;
	struct iov_iter iter;
	ssize_t done;
	int ret;

	ret = get_transfer(v1, true, &transfer);
	if (ret)
		return ret;
	if (!transfer)
		return -EINVAL;

	if (value > VPM_V1_DATA_SIZE) {
		ret = -EINVAL;
	} else {
		iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, value);
		done = vpm_transfer_write(transfer, &iter);
		ret = min_t(ssize_t, done, 0);
	}
	vpm_transfer_put(transfer);

	return ret;
}

#define MEMBER(name)	offsetof(struct vfio_device_migration_info, name)

static int access_member(struct vpm_v1 *v1, u64 offset, size_t width, u64 *value,
			 bool write)
{
	if (width != (offset < MEMBER(pending_bytes) ? sizeof(u32) : sizeof(u64)))
		return -EINVAL;

	switch (offset) {
	case MEMBER(device_state):
		return write ? write_state(v1, *value) : read_state(v1, value);
	case MEMBER(reserved):
		if (!write)
			*value = 0;
		return 0;
	case MEMBER(pending_bytes):
		return write ? -EINVAL : read_pending(v1, value);
	case MEMBER(data_offset):
		return write ? -EINVAL : read_offset(v1, value);
	case MEMBER(data_size):
		return write ? write_size(v1, *value) : read_size(v1, value);
	default:
		return -EINVAL;
	}
}

int vpm_v1_access(struct vpm_v1 *v1, u64 offset, size_t width, u64 *value,
		  bool write)
{
	int ret;

	mutex_lock(&v1->lock);
	ret = access_member(v1, offset, width, value, write);
	mutex_unlock(&v1->lock);

	return ret;
}

/* Members are in the byte order of the CPU. */
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

/* No lock: user space must serialize its accesses to the data section. */
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

/* The write may change the state: apply earlier resets and register writes of the guest first. */
static ssize_t write_member(struct vfio_pci_core_device *core, struct vpm_v1 *v1,
			    char __user *buf, size_t count, u64 offset)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	unsigned int tries = 2;
	ssize_t done;

	/* Retry once if the device was reset meanwhile. */
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

int vpm_v1_setup(struct vpm_device *vpm)
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
