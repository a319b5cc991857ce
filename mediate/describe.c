// SPDX-License-Identifier: GPL-2.0-only
/* Descriptions of devices: their check, and the tables that are made of them. */

#include <linux/align.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "described.h"

static unsigned int num_ring_regs(const struct vfio_mediate_description *desc)
{
	unsigned int r, n = 0;

	for (r = 0; r < desc->num_rings; r++)
		n += desc->rings[r].num_regs;

	return n;
}

static bool has(const struct describe_roles *roles, enum vfio_mediate_role role)
{
	return roles->reg[role] >= 0;
}

/* Find the register of each role. A role but PLAIN and RUN has one register. */
static int find_roles(const struct vfio_mediate_ring *ring, struct describe_roles *roles)
{
	unsigned int i;
	u8 role;

	memset(roles, -1, sizeof(*roles));
	for (i = 0; i < ring->num_regs; i++) {
		role = ring->regs[i].role;
		if (role >= VFIO_MEDIATE_NUM_ROLES)
			return -EINVAL;
		if (role > VFIO_MEDIATE_ROLE_RUN && has(roles, role))
			return -EINVAL;
		roles->reg[role] = i;
	}

	return has(roles, VFIO_MEDIATE_ROLE_BASE) && has(roles, VFIO_MEDIATE_ROLE_LENGTH) &&
	       has(roles, VFIO_MEDIATE_ROLE_HEAD) && has(roles, VFIO_MEDIATE_ROLE_ENABLE) &&
	       has(roles, VFIO_MEDIATE_ROLE_TAIL) ? 0 : -EINVAL;
}

/* Are the registers of all queues where registers can be? */
static bool have_offsets(const struct vfio_mediate_description *desc,
			 const struct vfio_mediate_ring *ring)
{
	unsigned int i;

	for (i = 0; i < ring->num_regs; i++)
		if ((ring->regs[i].offset | desc->stride) % sizeof(u32) ||
		    ring->regs[i].offset + (u64)desc->stride * (desc->num_queues - 1) > U32_MAX)
			return false;

	return true;
}

static int check_ring(const struct vfio_mediate_description *desc, unsigned int r,
		      struct describe_roles *roles)
{
	const struct vfio_mediate_ring *ring = &desc->rings[r];
	const struct vfio_mediate_state_reg *regs = ring->regs;
	u32 length;
	int ret;

	if (!ring->num_regs || ring->num_regs > DESCRIBE_MAX_REGS)
		return -EINVAL;
	ret = find_roles(ring, roles);
	if (ret)
		return ret;
	length = regs[roles->reg[VFIO_MEDIATE_ROLE_LENGTH]].value;
	if (!ring->desc_size || ring->desc_size > VFIO_MEDIATE_DESC_SIZE ||
	    !length || length / ring->desc_size > DESCRIBE_MAX_DESCS ||
	    !regs[roles->reg[VFIO_MEDIATE_ROLE_ENABLE]].value || !have_offsets(desc, ring))
		return -EINVAL;
	if (ring->buffers)
		return ring->done && desc->hold && !has(roles, VFIO_MEDIATE_ROLE_WRITEBACK) ?
		       0 : -EINVAL;

	return !has(roles, VFIO_MEDIATE_ROLE_WRITEBACK) ||
	       regs[roles->reg[VFIO_MEDIATE_ROLE_WRITEBACK]].value ? 0 : -EINVAL;
}

static int add_record(struct vfio_mediate_described *d, enum describe_kind kind, u16 type,
		      unsigned int size)
{
	struct describe_record *record = &d->records[d->num_records];
	unsigned int i;

	if (!size || size > VFIO_MEDIATE_RECORD_MAX || type >= VFIO_MEDIATE_RECORD_TYPES)
		return -EINVAL;
	for (i = 0; i < d->num_records; i++)
		if (d->records[i].type == type)
			return -EINVAL;

	record->kind = kind;
	record->type = type;
	record->offset = d->size;
	record->size = size;
	record->min_size = size;
	record->optional = kind == DESCRIBE_COUNTERS;
	d->size += ALIGN(size, sizeof(u64));
	d->num_records++;

	return 0;
}

static int add_part(struct vfio_mediate_described *d, const struct vfio_mediate_part *part)
{
	struct describe_record *record = &d->records[d->num_records];
	unsigned int i;
	int ret;

	if (part->num_regs > DESCRIBE_MAX_REGS || part->size < part->num_regs * sizeof(u32) ||
	    part->min_size > part->size)
		return -EINVAL;
	for (i = 0; i < part->num_regs; i++)
		if (part->regs[i].role >= VFIO_MEDIATE_NUM_ROLES)
			return -EINVAL;
	ret = add_record(d, DESCRIBE_PART, part->type, part->size);
	if (ret)
		return ret;

	record->part = part;
	record->optional = part->optional;
	if (part->min_size)
		record->min_size = part->min_size;

	return 0;
}

static int add_records(struct vfio_mediate_described *d)
{
	const struct vfio_mediate_description *desc = d->desc;
	unsigned int i;
	int ret = 0;

	if (desc->num_rings)
		ret = add_record(d, DESCRIBE_RINGS, desc->ring_type,
				 desc->num_queues * num_ring_regs(desc) * sizeof(u32));
	for (i = 0; i < desc->num_parts && !ret; i++)
		ret = add_part(d, &desc->parts[i]);
	if (!ret && desc->num_counters)
		ret = add_record(d, DESCRIBE_COUNTERS, desc->counter_type,
				 desc->num_counters * sizeof(u32));

	return ret;
}

static u8 trap_kind(u8 role)
{
	switch (role) {
	case VFIO_MEDIATE_ROLE_ENABLE:
		return VFIO_MEDIATE_ENABLE;
	case VFIO_MEDIATE_ROLE_TAIL:
		return VFIO_MEDIATE_DOORBELL;
	default:
		return VFIO_MEDIATE_CONTROL;
	}
}

/* Add the registers of a ring that are in a page and of a kind. */
static unsigned int add_trap_regs(const struct vfio_mediate_description *desc, unsigned int queue,
				  unsigned int r, u64 page, u8 kind, struct vfio_mediate_reg *to)
{
	const struct vfio_mediate_ring *ring = &desc->rings[r];
	unsigned int i, n = 0;
	u32 offset;

	for (i = 0; i < ring->num_regs; i++) {
		offset = ring->regs[i].offset + queue * desc->stride;
		if (trap_kind(ring->regs[i].role) != kind || ALIGN_DOWN(offset, PAGE_SIZE) != page)
			continue;
		to[n++] = (struct vfio_mediate_reg){
			.offset = offset_in_page(offset),
			.width = sizeof(u32),
			.kind = kind,
			.queue = queue * desc->num_rings + r,
			.value = kind == VFIO_MEDIATE_ENABLE ? ring->regs[i].value : 0,
		};
	}

	return n;
}

/* Add a page with the registers of all rings in it, unless it has been added. */
static struct vfio_mediate_reg *add_trap(struct vfio_mediate_described *d, u64 page,
					 struct vfio_mediate_reg *regs)
{
	static const u8 order[] = {
		VFIO_MEDIATE_CONTROL, VFIO_MEDIATE_ENABLE, VFIO_MEDIATE_DOORBELL,
	};
	const struct vfio_mediate_description *desc = d->desc;
	struct vfio_mediate_trap *trap = &d->traps[d->num_traps];
	unsigned int i, queue, r, k;

	for (i = 0; i < d->num_traps; i++)
		if (d->traps[i].pages.offset == page)
			return regs;

	*trap = (struct vfio_mediate_trap){
		.region = desc->region,
		.pages = { page, PAGE_SIZE },
		.regs = regs,
	};
	for (queue = 0; queue < desc->num_queues; queue++)
		for (r = 0; r < desc->num_rings; r++)
			for (k = 0; k < ARRAY_SIZE(order); k++)
				regs += add_trap_regs(desc, queue, r, page, order[k], regs);
	trap->num_regs = regs - trap->regs;
	d->num_traps++;

	return regs;
}

/* Pages are drained in the order of the first queue's registers: tails come last. */
static int add_traps(struct vfio_mediate_described *d)
{
	const struct vfio_mediate_description *desc = d->desc;
	unsigned int r, queue, i, n = desc->num_queues * num_ring_regs(desc);
	const struct vfio_mediate_ring *ring;
	struct vfio_mediate_reg *regs;

	d->traps = kcalloc(n, sizeof(*d->traps), GFP_KERNEL_ACCOUNT);
	d->trap_regs = kcalloc(n, sizeof(*d->trap_regs), GFP_KERNEL_ACCOUNT);
	if (!d->traps || !d->trap_regs)
		return -ENOMEM;

	regs = d->trap_regs;
	for (queue = 0; queue < desc->num_queues; queue++) {
		for (r = 0; r < desc->num_rings; r++) {
			ring = &desc->rings[r];
			for (i = 0; i < ring->num_regs; i++)
				regs = add_trap(d, ALIGN_DOWN(ring->regs[i].offset +
							      queue * desc->stride, PAGE_SIZE),
						regs);
		}
	}

	return 0;
}

/* Ranges of counters that are neighbours are one. */
static int add_counters(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	const u32 *offset = d->desc->counters;
	struct vfio_mediate_range *range;
	unsigned int i, n = 0;

	d->ranges = kcalloc(d->desc->num_counters, sizeof(*d->ranges), GFP_KERNEL_ACCOUNT);
	d->counter_base = kcalloc(d->desc->num_counters, sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!d->ranges || !d->counter_base)
		return -ENOMEM;

	for (i = 0; i < d->desc->num_counters; i++) {
		if (offset[i] % sizeof(u32) || (i && offset[i] <= offset[i - 1]))
			return -EINVAL;
		/* What former users have counted is not this user's. */
		d->counter_base[i] = -d->desc->read_counter(dev, offset[i]);
		range = &d->ranges[n];
		if (n && range[-1].offset + range[-1].size == offset[i])
			range[-1].size += sizeof(u32);
		else
			d->ranges[n++] = (struct vfio_mediate_range){ offset[i], sizeof(u32) };
	}
	d->region = (struct vfio_mediate_region){
		.index = d->desc->region,
		.ranges = d->ranges,
		.num_ranges = n,
	};

	return 0;
}

static int check(const struct vfio_mediate_description *desc)
{
	if (desc->region > VFIO_PCI_BAR5_REGION_INDEX || !desc->run || !desc->stop ||
	    desc->pre_copy & ~desc->features || desc->num_rings > DESCRIBE_MAX_RINGS ||
	    desc->num_parts > DESCRIBE_MAX_PARTS || (desc->num_counters && !desc->read_counter))
		return -EINVAL;

	return desc->num_rings && (!desc->num_queues || desc->num_queues > DESCRIBE_MAX_QUEUES ||
				   desc->num_queues * desc->num_rings > DESCRIBE_MAX_QUEUES) ?
	       -EINVAL : 0;
}

static int build(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_description *desc = d->desc;
	unsigned int r;
	int ret;

	ret = check(desc);
	for (r = 0; r < desc->num_rings && !ret; r++)
		ret = check_ring(desc, r, &d->roles[r]);
	if (!ret)
		ret = add_records(d);
	if (!ret && desc->num_rings)
		ret = add_traps(d);
	if (!ret && desc->num_counters)
		ret = add_counters(dev);
	if (!ret)
		describe_init_state(d);

	return ret;
}

int vfio_mediate_describe(struct vfio_mediate_device *dev,
			  const struct vfio_mediate_description *desc)
{
	struct vfio_mediate_described *d;
	int ret;

	d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	if (!d)
		return -ENOMEM;

	mutex_init(&d->lock);
	d->desc = desc;
	dev->described = d;
	ret = build(dev);
	if (ret)
		return ret;

	dev->migration = &d->migration;
	if (desc->num_counters) {
		dev->regions = &d->region;
		dev->num_regions = 1;
	}
	if (desc->num_rings) {
		dev->traps = d->traps;
		dev->num_traps = d->num_traps;
		dev->tracking = &describe_tracking_ops;
	}

	return 0;
}
EXPORT_SYMBOL_GPL(vfio_mediate_describe);

/**
 * vfio_mediate_undescribe() - Free what vfio_mediate_describe() has allocated
 * @dev:	The device. No callback runs.
 *
 * Context: Process context.
 */
void vfio_mediate_undescribe(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;

	if (!d)
		return;

	describe_free_state(d);
	describe_free_tracking(d);
	kfree(d->ranges);
	kfree(d->counter_base);
	kfree(d->traps);
	kfree(d->trap_regs);
	mutex_destroy(&d->lock);
	kfree(d);
	dev->described = NULL;
}

/* Return: the number of the counter that an access begins in, or -1. */
static int find_counter(const struct vfio_mediate_description *desc,
			const struct vfio_mediate_access *access)
{
	unsigned int i;

	if (access->region != desc->region)
		return -1;
	for (i = 0; i < desc->num_counters; i++)
		if (desc->counters[i] == ALIGN_DOWN(access->offset, sizeof(u32)))
			return i;

	return -1;
}

/* An access does not cross the end of the range, of which each register is a counter. */
static int counter_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access,
		      unsigned int i)
{
	if (access->write)
		return 0;

	access->value = describe_read_counter(dev, i) >> 8 * (access->offset % sizeof(u32));
	if (access->width > sizeof(u32))
		access->value |= (u64)describe_read_counter(dev, i + 1) << 32;

	return 0;
}

int vfio_mediate_described_rw(struct vfio_mediate_device *dev,
			      struct vfio_mediate_access *access)
{
	struct vfio_mediate_described *d = dev->described;
	int counter = find_counter(d->desc, access);

	if (counter >= 0)
		return counter_rw(dev, access, counter);

	return describe_is_tracked(d, access) ? describe_track_write(dev, access) :
						VFIO_MEDIATE_PASS_THROUGH;
}
EXPORT_SYMBOL_GPL(vfio_mediate_described_rw);
