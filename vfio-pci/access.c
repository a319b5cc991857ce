// SPDX-License-Identifier: GPL-2.0-only
/* Accesses by the device file to regions that the vendor driver mediates. */

#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "access.h"
#include "bar.h"
#include "device.h"
#include "trap.h"
#include "vendor.h"

/*
 * Access a page that is not trapped at the moment. The trap cannot turn on while this task is
 * inside the call: vfio_mediate_synchronize() waits for tasks that read @trapped as false.
 */
static int rw_untrapped(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	CLASS(vpm_call, call)(vpm->session);

	if (READ_ONCE(vpm->trap.trapped))
		return VPM_RETRY;

	return vpm_bar_rw(&vpm->core, access);
}

static int rw_trappable(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	int ret;

	do {
		ret = rw_untrapped(vpm, access);
		if (ret == VPM_RETRY)
			ret = vpm_trap_rw(vpm, access);
	} while (ret == VPM_RETRY);

	return ret;
}

static ssize_t rw_core(struct vpm_device *vpm, u32 index, u64 offset,
		       char __user *buf, size_t count, bool write)
{
	loff_t pos = VFIO_PCI_INDEX_TO_OFFSET(index) + offset;

	return write ? vfio_pci_core_write(&vpm->core.vdev, buf, count, &pos) :
		       vfio_pci_core_read(&vpm->core.vdev, buf, count, &pos);
}

enum served_by {
	DEVICE,
	VENDOR,
	TRAP,
};

/* Like copy_from_user(), but with widths known at compile time */
static inline int get_value(u64 *value, const char __user *buf,
			    unsigned int width)
{
	__le64 value64;
	__le32 value32;
	__le16 value16;
	u8 value8;
	int ret;

	switch (width) {
	case 8:
		ret = get_user(value64, (const __le64 __user *)buf);
		*value = le64_to_cpu(value64);
		return ret;
	case 4:
		ret = get_user(value32, (const __le32 __user *)buf);
		*value = le32_to_cpu(value32);
		return ret;
	case 2:
		ret = get_user(value16, (const __le16 __user *)buf);
		*value = le16_to_cpu(value16);
		return ret;
	default:
		ret = get_user(value8, (const u8 __user *)buf);
		*value = value8;
		return ret;
	}
}

static inline int put_value(u64 value, char __user *buf, unsigned int width)
{
	switch (width) {
	case 8:
		return put_user(cpu_to_le64(value), (__le64 __user *)buf);
	case 4:
		return put_user(cpu_to_le32(value), (__le32 __user *)buf);
	case 2:
		return put_user(cpu_to_le16(value), (__le16 __user *)buf);
	default:
		return put_user((u8)value, (u8 __user *)buf);
	}
}

/* Read the device by the user buffer: vfio_pci_core can only read to user space. */
static int read_core(struct vpm_device *vpm, u32 index, u64 offset,
		     char __user *buf, unsigned int width, u64 *value)
{
	ssize_t done = rw_core(vpm, index, offset, buf, width, false);

	if (done != width)
		return done < 0 ? done : -EIO;

	return get_value(value, buf, width);
}

/*
 * Do one access that the vendor driver may serve. Access user memory here only, outside of
 * vfio_mediate_enter(). A page fault may take long, and must not delay traps or detaches.
 */
static __always_inline int rw_single(struct vpm_device *vpm, u32 index,
				     u64 offset, char __user *buf,
				     unsigned int width, bool write,
				     enum served_by served_by)
{
	struct vfio_mediate_access access = {
		.region = index,
		.offset = offset,
		.width = width,
		.write = write,
	};
	int ret = 0;

	if (write) {
		ret = get_value(&access.value, buf, width);
	} else if (index < VFIO_PCI_NUM_REGIONS &&
		   vpm->region[index].device_reads) {
		ret = read_core(vpm, index, offset, buf, width, &access.value);
	}
	if (ret)
		return ret;

	if (served_by == VENDOR)
		ret = vpm_vendor_rw(vpm, &access);
	else if (served_by == TRAP)
		ret = rw_trappable(vpm, &access);
	else
		ret = vpm_bar_rw(&vpm->core, &access);
	if (ret == VPM_PASS_THROUGH)
		return min_t(ssize_t, rw_core(vpm, index, offset, buf, width, write),
			     0);
	if (ret || write)
		return ret;

	return put_value(access.value, buf, width);
}

/* Return: number of leading bytes that @served_by serves. */
static __always_inline u64 find_segment(struct vpm_region *region, u64 offset,
					u64 count, enum served_by *served_by)
{
	bool inside;

	count = vpm_ranges_span(&region->mediated, offset, count, &inside);
	*served_by = VENDOR;
	if (inside)
		return count;

	count = vpm_ranges_span(&region->trappable, offset, count, &inside);
	*served_by = inside ? TRAP : DEVICE;

	return count;
}

static ssize_t rw_segment(struct vpm_device *vpm, u32 index, u64 offset,
			  char __user *buf, size_t count, bool write)
{
	enum served_by served_by;
	unsigned int width;

	count = find_segment(&vpm->region[index], offset, count, &served_by);
	if (served_by == DEVICE)
		return rw_core(vpm, index, offset, buf, count, write);

	width = vpm_access_width(offset, count);

	return rw_single(vpm, index, offset, buf, width, write, served_by) ?:
		(ssize_t)width;
}

/* Do an access of any length and alignment. */
static noinline ssize_t rw_segments(struct vpm_device *vpm, u32 index, u64 offset,
				    char __user *buf, size_t count, bool write)
{
	u64 size = vpm_region_size(vpm, index);
	size_t done = 0;
	ssize_t part;

	if (!count)
		return 0;

	/*
	 * vfio-pci rejects an access that crosses the end of config space, and does not truncate
	 * it.
	 */
	if (index == VFIO_PCI_CONFIG_REGION_INDEX &&
	    (offset > size || count > size - offset))
		return -EFAULT;
	if (offset >= size || (write && index == VFIO_PCI_ROM_REGION_INDEX))
		return -EINVAL;
	count = min_t(u64, count, size - offset);

	while (done < count) {
		part = rw_segment(vpm, index, offset + done, buf + done,
				  count - done, write);
		if (part < 0 && !done)
			return part;
		if (part <= 0)
			break;
		done += part;
		if (done < count && fatal_signal_pending(current))
			break;
		cond_resched();
	}

	return done;
}

ssize_t vpm_access_rw(struct vpm_device *vpm, char __user *buf, size_t count,
		      loff_t *ppos, bool write)
{
	u32 index = array_index_nospec(VFIO_PCI_OFFSET_TO_INDEX(*ppos),
				       VFIO_PCI_NUM_REGIONS);
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	enum served_by served_by;
	ssize_t done;

	/* Fast path: one naturally aligned register of a BAR. */
	if (unlikely(index > VFIO_PCI_BAR5_REGION_INDEX || count > 8 ||
		     !is_power_of_2(count) || offset & (count - 1) ||
		     find_segment(&vpm->region[index], offset, count,
				  &served_by) < count))
		done = rw_segments(vpm, index, offset, buf, count, write);
	else
		done = rw_single(vpm, index, offset, buf, count, write,
				 served_by) ?: (ssize_t)count;
	if (done > 0)
		*ppos += done;

	return done;
}

ssize_t vpm_access_extra_rw(struct vfio_pci_core_device *core, char __user *buf,
			    size_t count, loff_t *ppos, bool write)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	u32 index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	struct vfio_pci_region *region = vpm_extra_region(vpm, index);
	unsigned int width;
	size_t done = 0;
	int ret;

	if (offset >= region->size ||
	    !(region->flags & (write ? VFIO_REGION_INFO_FLAG_WRITE :
				       VFIO_REGION_INFO_FLAG_READ)))
		return -EINVAL;
	count = min_t(u64, count, region->size - offset);

	while (done < count) {
		width = vpm_access_width(offset + done, count - done);
		ret = rw_single(vpm, vpm_vendor_index(vpm, index), offset + done,
				buf + done, width, write, VENDOR);
		if (ret && !done)
			return ret;
		if (ret)
			break;
		done += width;
		if (done < count && fatal_signal_pending(current))
			break;
		cond_resched();
	}
	*ppos += done;

	return done;
}
