// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions in which a vendor has a say: declaration, access, mmap.
 */

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>
#include <linux/vmalloc.h>

#include "bar.h"
#include "compat.h"
#include "device.h"
#include "regions.h"

#define MAX_EXTRA	16
#define MAX_EXTRA_SIZE	SZ_1G
#define EXTRA_FLAGS	(VFIO_REGION_INFO_FLAG_READ |			\
			 VFIO_REGION_INFO_FLAG_WRITE |			\
			 VFIO_REGION_INFO_FLAG_MMAP)

u64 vpm_region_size(struct vpm_device *vpm, u32 index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return pci_resource_len(vpm->core.pdev, index);
	case VFIO_PCI_ROM_REGION_INDEX:
		return vpm->region[index].rom_size ?:
			pci_resource_len(vpm->core.pdev, PCI_ROM_RESOURCE);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return vpm->core.pdev->cfg_size;
	default:
		return 0;
	}
}

int vpm_default_rw(void *data, struct vfio_mediate_access *access)
{
	struct vpm_device *vpm = data;

	if (access->region <= VFIO_PCI_BAR5_REGION_INDEX)
		return vpm_bar_rw(&vpm->core, access);

	return access->region > VFIO_PCI_CONFIG_REGION_INDEX ? -EINVAL : -EOPNOTSUPP;
}

/* What *pt of the vendor's rw asks for. */
static inline int pass_through(struct vpm_device *vpm,
			       struct vfio_mediate_access *access)
{
	if (access->region > VFIO_PCI_CONFIG_REGION_INDEX)
		return -EIO;
	if (access->region > VFIO_PCI_BAR5_REGION_INDEX)
		return VPM_PASS_THROUGH;

	return vpm_default_rw(vpm, access);
}

static __always_inline int vendor_rw(struct vpm_device *vpm,
				     struct vfio_mediate_access *access)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	bool pt = false;
	int cookie, ret;

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (ops) {
		ret = min(ops->rw(dev, access, &pt), 0);
		if (!ret && pt)
			ret = pass_through(vpm, access);
	} else if (access->write || access->region >= VFIO_PCI_NUM_REGIONS) {
		ret = -ENODEV;
	} else {
		access->value = U64_MAX;
		ret = 0;
	}
	vfio_mediate_exit(vpm->session, cookie);

	return ret;
}

int vpm_vendor_rw(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	return vendor_rw(vpm, access);
}

/*
 * Bytes of a page that can be trapped, but seems not to be. While inside, it is
 * not: the trap is only on when everybody has left who did not know.
 */
static int rw_untrapped(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	struct vfio_mediate_device *dev;
	int ret = VPM_NOT_NOW;
	int cookie;

	vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (!READ_ONCE(vpm->trap.trapped))
		ret = vpm_bar_rw(&vpm->core, access);
	vfio_mediate_exit(vpm->session, cookie);

	return ret;
}

static int rw_trappable(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	int ret;

	do {
		ret = rw_untrapped(vpm, access);
		if (ret == VPM_NOT_NOW)
			ret = vpm_trap_rw(vpm, access);
	} while (ret == VPM_NOT_NOW);

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

/* As copy_from_user(), but with widths that the compiler knows. */
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

/* What the device has, where vfio_pci_core gives it only to user space. */
static int read_core(struct vpm_device *vpm, u32 index, u64 offset,
		     char __user *buf, unsigned int width, u64 *value)
{
	ssize_t done = rw_core(vpm, index, offset, buf, width, false);

	if (done != width)
		return done < 0 ? done : -EIO;

	return get_value(value, buf, width);
}

/*
 * One access that the vendor may be called for. User space's memory is touched
 * here alone, and not inside vfio_mediate_enter(): it may take its time to come,
 * which must not hold up traps and those who unregister.
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
		ret = vendor_rw(vpm, &access);
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

/* How much of an access is served by whom. */
static __always_inline u64 find_part(struct vpm_region *region, u64 offset,
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

static ssize_t rw_part(struct vpm_device *vpm, u32 index, u64 offset,
		       char __user *buf, size_t count, bool write)
{
	enum served_by served_by;
	unsigned int width;

	count = find_part(&vpm->region[index], offset, count, &served_by);
	if (served_by == DEVICE)
		return rw_core(vpm, index, offset, buf, count, write);

	width = vpm_access_width(offset, count);

	return rw_single(vpm, index, offset, buf, width, write, served_by) ?:
		(ssize_t)width;
}

/* An access of any length, anywhere. */
static noinline ssize_t rw_parts(struct vpm_device *vpm, u32 index, u64 offset,
				 char __user *buf, size_t count, bool write)
{
	u64 size = vpm_region_size(vpm, index);
	size_t done = 0;
	ssize_t part;

	if (!count)
		return 0;

	/* In config space, vfio-pci does not cut an access at the end. */
	if (index == VFIO_PCI_CONFIG_REGION_INDEX &&
	    (offset > size || count > size - offset))
		return -EFAULT;
	if (offset >= size || (write && index == VFIO_PCI_ROM_REGION_INDEX))
		return -EINVAL;
	count = min_t(u64, count, size - offset);

	while (done < count) {
		part = rw_part(vpm, index, offset + done, buf + done,
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

ssize_t vpm_regions_rw(struct vpm_device *vpm, char __user *buf, size_t count,
		       loff_t *ppos, bool write)
{
	u32 index = array_index_nospec(VFIO_PCI_OFFSET_TO_INDEX(*ppos),
				       VFIO_PCI_NUM_REGIONS);
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	enum served_by served_by;
	ssize_t done;

	/* Nearly all are of one whole register of a BAR. */
	if (unlikely(index > VFIO_PCI_BAR5_REGION_INDEX || count > 8 ||
		     !is_power_of_2(count) || offset & (count - 1) ||
		     find_part(&vpm->region[index], offset, count,
			       &served_by) < count))
		done = rw_parts(vpm, index, offset, buf, count, write);
	else
		done = rw_single(vpm, index, offset, buf, count, write,
				 served_by) ?: (ssize_t)count;
	if (done > 0)
		*ppos += done;

	return done;
}

static ssize_t extra_rw(struct vfio_pci_core_device *core, char __user *buf,
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

static int extra_mmap(struct vfio_pci_core_device *core,
		      struct vfio_pci_region *region, struct vm_area_struct *vma)
{
	struct vpm_device *vpm = to_vpm(&core->vdev);
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u32 index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;
	const struct vfio_pci_mediate_ops *ops;
	u64 size = vma->vm_end - vma->vm_start;
	struct vfio_mediate_device *dev;
	void *memory = NULL;
	bool pt = false;
	int cookie, ret;

	if (offset + size > region->size)
		return -EINVAL;
	if (!(region->flags & VFIO_REGION_INFO_FLAG_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vm_flags_clear(vma, VM_MAYWRITE);
	}

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	ret = ops ? min(ops->mmap(dev, vpm_vendor_index(vpm, index), offset, size,
				  &memory, &pt), 0) : -ENODEV;
	if (!ret)
		ret = memory && !pt ? remap_vmalloc_range(vma, memory,
							  offset >> PAGE_SHIFT) :
				      -EINVAL;
	vfio_mediate_exit(vpm->session, cookie);

	return ret;
}

static void extra_release(struct vfio_pci_core_device *core,
			  struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops extra_ops = {
	.rw = extra_rw,
	.mmap = extra_mmap,
	.release = extra_release,
};

/* May a part of a BAR be mapped? */
static int ask_mmap(struct vpm_device *vpm, u32 index, u64 offset, u64 size)
{
	const struct vfio_pci_mediate_ops *ops;
	struct vfio_mediate_device *dev;
	bool inside, pt = false;
	void *memory = NULL;
	int cookie, ret = 0;

	ops = vfio_mediate_enter(vpm->session, &dev, &cookie);
	if (!ops)
		ret = -ENODEV;
	else if (ops->mmap)
		ret = min(ops->mmap(dev, index, offset, size, &memory, &pt), 0);
	else
		/* Not where accesses would get past the vendor */
		pt = vpm_ranges_span(&vpm->region[index].mediated, offset, size,
				     &inside) == size && !inside;
	if (!ret && !pt)
		ret = -EINVAL;
	vfio_mediate_exit(vpm->session, cookie);

	return ret;
}

int vpm_regions_mmap(struct vpm_device *vpm, struct vm_area_struct *vma)
{
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;
	u64 size = vma->vm_end - vma->vm_start;
	u32 index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	int ret;

	if (index > VFIO_PCI_BAR5_REGION_INDEX || !(vma->vm_flags & VM_SHARED) ||
	    offset + size > PAGE_ALIGN(vpm_region_size(vpm, index)))
		return -EINVAL;
	index = array_index_nospec(index, PCI_STD_NUM_BARS);

	ret = ask_mmap(vpm, index, offset, size);
	if (!ret)
		ret = vfio_pci_core_mmap(&vpm->core.vdev, vma);

	return ret ?: vpm_trap_mmap(vpm, vma);
}

static int check_extra(const struct vfio_mediate_extra_region *extra,
		       const struct vfio_pci_mediate_ops *ops)
{
	if (!extra->size || extra->size > MAX_EXTRA_SIZE ||
	    extra->flags & ~EXTRA_FLAGS)
		return -EINVAL;
	if (extra->flags & VFIO_REGION_INFO_FLAG_MMAP &&
	    (!ops->mmap || !PAGE_ALIGNED(extra->size)))
		return -EINVAL;

	return 0;
}

static int setup_extra(struct vpm_device *vpm,
		       const struct vfio_mediate_extra_region *extra)
{
	int ret;

	ret = vfio_pci_core_register_dev_region(&vpm->core, extra->type,
						extra->subtype, &extra_ops,
						extra->size, extra->flags, NULL);
	if (!ret)
		vpm->num_extra++;

	return ret;
}

static int setup_region(struct vpm_device *vpm,
			const struct vfio_mediate_region *from)
{
	struct vpm_region *region;
	bool inside;
	u64 size;
	int ret;

	if (from->index > VFIO_PCI_CONFIG_REGION_INDEX || !from->num_ranges)
		return -EINVAL;

	region = &vpm->region[from->index];
	if (from->rom_size) {
		if (from->index != VFIO_PCI_ROM_REGION_INDEX ||
		    vpm_region_size(vpm, from->index) ||
		    from->rom_size > MAX_EXTRA_SIZE ||
		    !PAGE_ALIGNED(from->rom_size))
			return -EINVAL;
		region->rom_size = from->rom_size;
	}

	size = vpm_region_size(vpm, from->index);
	ret = vpm_ranges_add(&region->mediated, from->ranges, from->num_ranges,
			     size);
	if (ret)
		return ret;
	if (from->rom_size &&
	    (vpm_ranges_span(&region->mediated, 0, size, &inside) < size ||
	     !inside))
		return -EINVAL;
	region->device_reads = from->device_reads &&
			       from->index > VFIO_PCI_BAR5_REGION_INDEX &&
			       !from->rom_size;
	vpm->mediated |= BIT_ULL(from->index);

	return 0;
}

int vpm_regions_setup(struct vpm_device *vpm,
		      const struct vfio_mediate_device *dev,
		      const struct vfio_pci_mediate_ops *ops)
{
	unsigned int i;
	int ret;

	if ((dev->num_regions || dev->num_extra_regions || dev->num_traps) &&
	    !ops->rw)
		return -EINVAL;
	if (dev->num_extra_regions > MAX_EXTRA)
		return -EINVAL;

	for (i = 0; i < dev->num_regions; i++) {
		ret = setup_region(vpm, &dev->regions[i]);
		if (ret)
			return ret;
	}

	vpm->first_extra = VFIO_PCI_NUM_REGIONS + vpm->core.num_regions;
	for (i = 0; i < dev->num_extra_regions; i++) {
		ret = check_extra(&dev->extra_regions[i], ops);
		if (!ret)
			ret = setup_extra(vpm, &dev->extra_regions[i]);
		if (ret)
			return ret;
	}

	return 0;
}

void vpm_regions_teardown(struct vpm_device *vpm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vpm->region); i++) {
		vpm_ranges_free(&vpm->region[i].mediated);
		vpm_ranges_free(&vpm->region[i].trappable);
		vpm->region[i].rom_size = 0;
		vpm->region[i].device_reads = false;
	}
	vpm->mediated = 0;
	vpm->num_extra = 0;
}
