// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_demo: accesses and mappings of user space.
 */

#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <uapi/linux/vfio.h>

#include "demo.h"

#define STATUS_SPEED_MASK	0xc0
#define STATUS_SPEED_100	0x40

bool demo_stall;
u32 demo_info_answer;
bool demo_info_all;

static u64 width_mask(u8 width)
{
	return ~0ULL >> (64 - 8 * width);
}

/* Access a part of a little-endian register of 8 bytes that is kept in memory. */
static void access_value(u64 *reg, u64 start, struct vfio_mediate_access *access)
{
	unsigned int shift = 8 * (access->offset - start);
	u64 mask = width_mask(access->width);

	if (access->write)
		*reg = (*reg & ~(mask << shift)) | (access->value & mask) << shift;
	else
		access->value = *reg >> shift;
}

static void access_scratch(struct demo *demo, enum demo_scratch which, u64 start,
			   struct vfio_mediate_access *access)
{
	spin_lock(&demo->lock);
	access_value(&demo->scratch[which], start, access);
	spin_unlock(&demo->lock);
}

/* Read the whole register, whichever part is requested. */
static int read_status(struct vfio_mediate_device *dev,
		       struct vfio_mediate_access *access)
{
	struct vfio_mediate_access whole = {
		.region = access->region,
		.width = 4,
		.offset = DEMO_STATUS,
	};
	int ret;

	ret = vfio_mediate_default_rw(dev, &whole);
	if (ret)
		return ret;

	whole.value &= ~(u64)STATUS_SPEED_MASK;
	whole.value |= STATUS_SPEED_100;
	access_value(&whole.value, DEMO_STATUS, access);

	return 0;
}

static int rw_bar(struct vfio_mediate_device *dev,
		  struct vfio_mediate_access *access)
{
	struct demo *demo = dev->handle;

	switch (access->offset) {
	case DEMO_STATUS ... DEMO_STATUS + 3:
		if (!access->write)
			return read_status(dev, access);
		return VFIO_MEDIATE_PASS_THROUGH;
	case DEMO_V2PMAILBOX ... DEMO_V2PMAILBOX + 3:
		return VFIO_MEDIATE_PASS_THROUGH;
	case DEMO_MAILBOX_MEM ... DEMO_MAILBOX_MEM + 7:
		access_scratch(demo, SCRATCH_MAILBOX_MEM, DEMO_MAILBOX_MEM, access);
		return 0;
	case DEMO_SCRATCH ... DEMO_SCRATCH + 7:
		while (READ_ONCE(demo_stall))
			msleep(20);
		access_scratch(demo, SCRATCH_LOW, DEMO_SCRATCH, access);
		return 0;
	case DEMO_SCRATCH64 ... DEMO_SCRATCH64 + 7:
		access_scratch(demo, SCRATCH_64, DEMO_SCRATCH64, access);
		return 0;
	}

	return -EIO;
}

static int rw_config(struct vfio_mediate_access *access)
{
	u64 subsystem = DEMO_SUBSYSTEM;

	if (access->offset == PCI_REVISION_ID) {
		if (access->write)
			return VFIO_MEDIATE_PASS_THROUGH;
		access->value++;
		return 0;
	}

	/* Writes to the subsystem IDs are discarded. */
	if (!access->write)
		access_value(&subsystem, PCI_SUBSYSTEM_VENDOR_ID, access);

	return 0;
}

/* The signature of a ROM, then each byte is its own offset. */
static u8 rom_byte(u64 offset)
{
	return offset == 0 ? 0x55 : offset == 1 ? 0xaa : offset;
}

static int rw_bar5(struct demo *demo, struct vfio_mediate_access *access)
{
	u64 start = ALIGN_DOWN(access->offset, 8);

	spin_lock(&demo->lock);
	access_value(&demo->bar5[start / 8], start, access);
	spin_unlock(&demo->lock);

	return 0;
}

static int rw_rom(struct vfio_mediate_access *access)
{
	unsigned int i;

	if (access->write)
		return -EINVAL;

	access->value = 0;
	for (i = 0; i < access->width; i++)
		access->value |= (u64)rom_byte(access->offset + i) << (8 * i);

	return 0;
}

static int rw_memory(struct vfio_mediate_device *dev,
		     struct vfio_mediate_access *access)
{
	struct demo *demo = dev->handle;
	__le64 value;

	if (!access->write) {
		value = 0;
		memcpy(&value, demo->memory + access->offset, access->width);
		access->value = le64_to_cpu(value);
		return 0;
	}

	value = cpu_to_le64(access->value);
	memcpy(demo->memory + access->offset, &value, access->width);
	if (access->width != 4)
		return 0;

	if (access->offset == DEMO_SIGNAL_VECTOR)
		return vfio_mediate_signal(dev, 0, access->value);
	if (access->offset == DEMO_SIGNAL_OTHER)
		return vfio_mediate_signal(dev, 1, 0);

	return 0;
}

/* Each byte is its own offset. The region is read-only. */
static int rw_pattern(struct vfio_mediate_access *access)
{
	unsigned int i;

	if (access->write)
		return -EIO;

	access->value = 0;
	for (i = 0; i < access->width; i++)
		access->value |= ((access->offset + i) & 0xff) << (8 * i);

	return 0;
}

static bool is_inside(const struct vfio_mediate_range *range,
		      const struct vfio_mediate_access *access)
{
	return access->offset >= range->offset &&
	       access->offset + access->width <= range->offset + range->size;
}

/* Whether an access is naturally aligned and inside a range that this vendor declared. */
static bool as_promised(struct vfio_mediate_device *dev,
			const struct vfio_mediate_access *access)
{
	const struct vfio_mediate_region *region = dev->regions;
	u32 extra = access->region - VFIO_PCI_NUM_REGIONS;
	struct vfio_mediate_range whole = { };
	unsigned int i;

	if (access->width > 8 || !is_power_of_2(access->width) ||
	    access->offset & (access->width - 1))
		return false;
	if (access->write && access->value & ~width_mask(access->width))
		return false;

	if (access->region >= VFIO_PCI_NUM_REGIONS) {
		if (extra < dev->num_extra_regions)
			whole.size = dev->extra_regions[extra].size;
		return is_inside(&whole, access);
	}

	for (i = 0; i < dev->num_traps; i++)
		if (dev->traps[i].region == access->region &&
		    is_inside(&dev->traps[i].pages, access))
			return true;

	for (; region < dev->regions + dev->num_regions; region++)
		for (i = 0; i < region->num_ranges; i++)
			if (region->index == access->region &&
			    is_inside(&region->ranges[i], access))
				return true;

	return false;
}

int demo_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct demo *demo = dev->handle;
	int ret = -EIO;

	if (pci_WARN(dev->pdev, !as_promised(dev, access),
		     "access to region %u, offset %#llx, width %u\n",
		     access->region, access->offset, access->width))
		return -EIO;

	if (demo_trap_covers(demo, access->region, access->offset)) {
		demo_trap_access(demo, access);
		return VFIO_MEDIATE_PASS_THROUGH;
	}

	switch (access->region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		ret = rw_bar(dev, access);
		break;
	case VFIO_PCI_BAR5_REGION_INDEX:
		ret = rw_bar5(demo, access);
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		ret = rw_config(access);
		break;
	case VFIO_PCI_ROM_REGION_INDEX:
		ret = rw_rom(access);
		break;
	case VFIO_PCI_NUM_REGIONS:
		ret = rw_memory(dev, access);
		break;
	case VFIO_PCI_NUM_REGIONS + 1:
		ret = rw_pattern(access);
		break;
	}

	spin_lock(&demo->lock);
	if (ret == VFIO_MEDIATE_PASS_THROUGH)
		demo->passed++;
	else
		demo->emulated++;
	demo->widths[ilog2(access->width)]++;
	spin_unlock(&demo->lock);

	return ret;
}

/*
 * The vendor decides about the whole BAR, including pages with mediated ranges. All ranges
 * are in page 0: a mapping of it would bypass them.
 */
int demo_mmap(struct vfio_mediate_device *dev, u32 region, u64 offset, u64 size,
	      void **memory)
{
	struct demo *demo = dev->handle;

	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		if (offset < PAGE_SIZE)
			return -EACCES;
		return VFIO_MEDIATE_PASS_THROUGH;
	case VFIO_PCI_NUM_REGIONS:
		while (READ_ONCE(demo_stall))
			msleep(20);
		*memory = demo->memory;
		return 0;
	}

	return -EINVAL;
}
