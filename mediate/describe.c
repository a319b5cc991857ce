// SPDX-License-Identifier: GPL-2.0-only
/* Descriptions of devices: their check, and the tables that are made of them. */

#include <linux/align.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "described.h"
#include "session.h"

bool vfio_mediate_counters = true;
EXPORT_SYMBOL_NS_GPL(vfio_mediate_counters, VFIO_MEDIATE_HOST_NS);
module_param_named(counters, vfio_mediate_counters, bool, 0644);
MODULE_PARM_DESC(counters, "Continue the counters of a described device after a migration. Pages of BARs with counters can then not be mapped. Read when a device is opened");

bool vfio_mediate_tracking = true;
EXPORT_SYMBOL_NS_GPL(vfio_mediate_tracking, VFIO_MEDIATE_HOST_NS);
module_param_named(tracking, vfio_mediate_tracking, bool, 0644);
MODULE_PARM_DESC(tracking, "Track which memory a described device writes while it is migrated. Otherwise all memory is reported as dirty. Read when a device is opened");

/*
 * Log the rule that a description breaks, and where. A rule has a ratelimit of its own: user space
 * can open a device as often as it likes. Return: -EINVAL.
 */
#define invalid(dev, fmt, ...)								\
({											\
	pci_notice_ratelimited((dev)->pdev, "invalid description: " fmt "\n",		\
			       ##__VA_ARGS__);						\
	-EINVAL;									\
})

static const char * const role_names[] = {
	[VFIO_MEDIATE_ROLE_PLAIN]		= "PLAIN",
	[VFIO_MEDIATE_ROLE_RUN]			= "RUN",
	[VFIO_MEDIATE_ROLE_ENABLE]		= "ENABLE",
	[VFIO_MEDIATE_ROLE_TAIL]		= "TAIL",
	[VFIO_MEDIATE_ROLE_HEAD]		= "HEAD",
	[VFIO_MEDIATE_ROLE_BASE]		= "BASE",
	[VFIO_MEDIATE_ROLE_BASE_HIGH]		= "BASE_HIGH",
	[VFIO_MEDIATE_ROLE_LENGTH]		= "LENGTH",
	[VFIO_MEDIATE_ROLE_FORMAT]		= "FORMAT",
	[VFIO_MEDIATE_ROLE_WRITEBACK]		= "WRITEBACK",
	[VFIO_MEDIATE_ROLE_WRITEBACK_HIGH]	= "WRITEBACK_HIGH",
};

static_assert(ARRAY_SIZE(role_names) == VFIO_MEDIATE_NUM_ROLES);

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

/* Check register @i of a ring or a part, which is also at @distance from its offset. */
static int check_reg(struct vfio_mediate_device *dev, const char *what, unsigned int n,
		     const struct vfio_mediate_state_reg *reg, unsigned int i, u64 distance)
{
	u32 bar = dev->described->desc->region;
	u64 size = pci_resource_len(dev->pdev, bar);

	if (reg->role >= VFIO_MEDIATE_NUM_ROLES)
		return invalid(dev, "%s %u, register %u at %#x: unknown role %u", what, n, i,
			       reg->offset, reg->role);
	if (!IS_ALIGNED(reg->offset, sizeof(u32)))
		return invalid(dev, "%s %u, register %u at %#x: not aligned to 4 bytes", what, n,
			       i, reg->offset);
	if (reg->offset + distance + sizeof(u32) > size)
		return invalid(dev, "%s %u, register %u at %#llx: beyond BAR %u of %#llx bytes",
			       what, n, i, reg->offset + distance, bar, size);

	return 0;
}

static int check_regs(struct vfio_mediate_device *dev, const char *what, unsigned int n,
		      const struct vfio_mediate_state_reg *regs, unsigned int num_regs,
		      u64 distance)
{
	unsigned int i;
	int ret = 0;

	if (num_regs > DESCRIBE_MAX_REGS)
		return invalid(dev, "%s %u: %u registers, %u are possible", what, n, num_regs,
			       DESCRIBE_MAX_REGS);
	for (i = 0; i < num_regs && !ret; i++)
		ret = check_reg(dev, what, n, &regs[i], i, distance);

	return ret;
}

/* Find the register of each role. A role but PLAIN and RUN has one register. */
static int find_roles(struct vfio_mediate_device *dev, unsigned int r,
		      struct describe_roles *roles)
{
	static const u8 needed[] = {
		VFIO_MEDIATE_ROLE_BASE, VFIO_MEDIATE_ROLE_LENGTH, VFIO_MEDIATE_ROLE_HEAD,
		VFIO_MEDIATE_ROLE_ENABLE, VFIO_MEDIATE_ROLE_TAIL,
	};
	const struct vfio_mediate_ring *ring = &dev->described->desc->rings[r];
	unsigned int i;
	u8 role;

	memset(roles, -1, sizeof(*roles));
	for (i = 0; i < ring->num_regs; i++) {
		role = ring->regs[i].role;
		if (role > VFIO_MEDIATE_ROLE_RUN && has(roles, role))
			return invalid(dev, "ring %u, register %u at %#x: a second %s", r, i,
				       ring->regs[i].offset, role_names[role]);
		roles->reg[role] = i;
	}
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!has(roles, needed[i]))
			return invalid(dev, "ring %u: no register has the role %s", r,
				       role_names[needed[i]]);

	return 0;
}

/* The value that a register of a role has in the description */
static u32 value_of(const struct vfio_mediate_ring *ring, const struct describe_roles *roles,
		    enum vfio_mediate_role role)
{
	return ring->regs[roles->reg[role]].value;
}

static int check_geometry(struct vfio_mediate_device *dev, unsigned int r,
			  const struct describe_roles *roles)
{
	const struct vfio_mediate_ring *ring = &dev->described->desc->rings[r];
	u32 length = value_of(ring, roles, VFIO_MEDIATE_ROLE_LENGTH);

	if (!ring->desc_size || ring->desc_size > VFIO_MEDIATE_DESC_SIZE)
		return invalid(dev, "ring %u: desc_size is %u, 1 to %u are possible", r,
			       ring->desc_size, VFIO_MEDIATE_DESC_SIZE);
	if (!length)
		return invalid(dev, "ring %u: LENGTH has no bits in value", r);
	if (length / ring->desc_size > DESCRIBE_MAX_DESCS)
		return invalid(dev, "ring %u: LENGTH allows %u descriptors, %u are possible", r,
			       length / ring->desc_size, DESCRIBE_MAX_DESCS);
	if (!value_of(ring, roles, VFIO_MEDIATE_ROLE_ENABLE))
		return invalid(dev, "ring %u: ENABLE has no bits in value", r);

	return 0;
}

static int check_ring(struct vfio_mediate_device *dev, unsigned int r,
		      struct describe_roles *roles)
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	const struct vfio_mediate_ring *ring = &desc->rings[r];
	int ret;

	ret = check_regs(dev, "ring", r, ring->regs, ring->num_regs,
			 (u64)desc->stride * (desc->num_queues - 1));
	if (!ret)
		ret = find_roles(dev, r, roles);
	if (!ret)
		ret = check_geometry(dev, r, roles);
	if (ret)
		return ret;

	if (!ring->buffers)
		return has(roles, VFIO_MEDIATE_ROLE_WRITEBACK) &&
		       !value_of(ring, roles, VFIO_MEDIATE_ROLE_WRITEBACK) ?
		       invalid(dev, "ring %u: WRITEBACK has no bits in value", r) : 0;
	if (!ring->done)
		return invalid(dev, "ring %u: buffers without done", r);
	if (!desc->hold)
		return invalid(dev, "ring %u: buffers without hold", r);

	return has(roles, VFIO_MEDIATE_ROLE_WRITEBACK) ?
	       invalid(dev, "ring %u: buffers and WRITEBACK", r) : 0;
}

static int add_record(struct vfio_mediate_device *dev, enum describe_kind kind, u16 type,
		      unsigned int size)
{
	struct vfio_mediate_described *d = dev->described;
	struct describe_record *record = &d->records[d->num_records];
	unsigned int i;

	if (type >= VFIO_MEDIATE_RECORD_TYPES)
		return invalid(dev, "record of type %#x: types are below %#x", type,
			       VFIO_MEDIATE_RECORD_TYPES);
	if (!size || size > VFIO_MEDIATE_RECORD_MAX)
		return invalid(dev, "record of type %u: %u bytes, 1 to %u are possible", type,
			       size, VFIO_MEDIATE_RECORD_MAX);
	for (i = 0; i < d->num_records; i++)
		if (d->records[i].type == type)
			return invalid(dev, "record of type %u: another one has this type", type);

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

static bool is_vendor_type(u16 type)
{
	switch (type) {
	case VFIO_MEDIATE_RECORD_RINGS:
	case VFIO_MEDIATE_RECORD_FILTERS:
	case VFIO_MEDIATE_RECORD_COUNTERS:
	case VFIO_MEDIATE_RECORD_GUEST:
		return false;
	default:
		return true;
	}
}

static int check_part(struct vfio_mediate_device *dev, unsigned int i)
{
	const struct vfio_mediate_part *part = &dev->described->desc->parts[i];
	int ret;

	if (!is_vendor_type(part->type))
		return invalid(dev, "part %u: type %u is not for parts", i, part->type);
	ret = check_regs(dev, "part", i, part->regs, part->num_regs, 0);
	if (ret)
		return ret;
	if (part->size < part->num_regs * sizeof(u32))
		return invalid(dev, "part %u: size is %u, its %u registers have more", i,
			       part->size, part->num_regs);
	if (part->min_size > part->size)
		return invalid(dev, "part %u: min_size is %u, size is %u", i, part->min_size,
			       part->size);

	return 0;
}

static int add_part(struct vfio_mediate_device *dev, const struct vfio_mediate_part *part)
{
	struct vfio_mediate_described *d = dev->described;
	struct describe_record *record = &d->records[d->num_records];
	int ret;

	ret = add_record(dev, DESCRIBE_PART, part->type, part->size);
	if (ret)
		return ret;

	record->part = part;
	record->optional = part->optional;
	record->early = part->early;
	if (part->min_size)
		record->min_size = part->min_size;

	return 0;
}

static int check_net(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_net *net = dev->described->desc->net;

	if (!net->get || !net->put)
		return invalid(dev, "net: get or put is missing");
	if (!net->num_macs || net->num_macs > VFIO_MEDIATE_FILTER_MACS)
		return invalid(dev, "net: %u addresses, 1 to %u are possible", net->num_macs,
			       VFIO_MEDIATE_FILTER_MACS);
	if (net->num_vlans >= VFIO_MEDIATE_FILTER_VLANS)
		return invalid(dev, "net: %u VLANs, %u are possible", net->num_vlans,
			       VFIO_MEDIATE_FILTER_VLANS - 1);
	if (net->num_hashes > VFIO_MEDIATE_FILTER_HASHES || net->num_hashes % 32)
		return invalid(dev, "net: %u hashes, multiples of 32 up to %u are possible",
			       net->num_hashes, VFIO_MEDIATE_FILTER_HASHES);
	if (net->min_frame > net->max_frame)
		return invalid(dev, "net: min_frame is %u, max_frame is %u", net->min_frame,
			       net->max_frame);

	return 0;
}

/* The guest comes before its filters, which are put for it. */
static int add_net(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	int ret;

	ret = check_net(dev);
	if (ret)
		return ret;

	d->net_parts[0] = (struct vfio_mediate_part){
		.type = VFIO_MEDIATE_RECORD_GUEST,
		.optional = true,
		.early = true,
		.size = UUID_SIZE,
		.get = describe_get_guest,
		.check = describe_check_guest,
	};
	d->net_parts[1] = (struct vfio_mediate_part){
		.type = VFIO_MEDIATE_RECORD_FILTERS,
		.early = true,
		.size = describe_filters_size(d->desc->net),
		.get = describe_get_filters,
		.check = describe_put_filters,
		.put = describe_put_filters,
	};
	ret = add_part(dev, &d->net_parts[0]);

	return ret ? ret : add_part(dev, &d->net_parts[1]);
}

static int add_records(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	unsigned int i;
	int ret = 0;

	if (desc->num_rings)
		ret = add_record(dev, DESCRIBE_RINGS, VFIO_MEDIATE_RECORD_RINGS,
				 desc->num_queues * num_ring_regs(desc) * sizeof(u32));
	if (!ret && desc->net)
		ret = add_net(dev);
	for (i = 0; i < desc->num_parts && !ret; i++) {
		ret = check_part(dev, i);
		if (!ret)
			ret = add_part(dev, &desc->parts[i]);
	}
	if (!ret && desc->num_counters)
		ret = add_record(dev, DESCRIBE_COUNTERS, VFIO_MEDIATE_RECORD_COUNTERS,
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

static int check_counters(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	u64 size = pci_resource_len(dev->pdev, desc->region);
	const u32 *offset = desc->counters;
	unsigned int i;

	for (i = 0; i < desc->num_counters; i++) {
		if (!IS_ALIGNED(offset[i], sizeof(u32)))
			return invalid(dev, "counter %u at %#x: not aligned to 4 bytes", i,
				       offset[i]);
		if (i && offset[i] <= offset[i - 1])
			return invalid(dev, "counter %u at %#x: not after the one before it", i,
				       offset[i]);
		if (offset[i] + (u64)sizeof(u32) > size)
			return invalid(dev, "counter %u at %#x: beyond BAR %u of %#llx bytes", i,
				       offset[i], desc->region, size);
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
	u32 value;
	int ret;

	d->ranges = kcalloc(d->desc->num_counters, sizeof(*d->ranges), GFP_KERNEL_ACCOUNT);
	d->counter_base = kcalloc(d->desc->num_counters, sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!d->ranges || !d->counter_base)
		return -ENOMEM;

	for (i = 0; i < d->desc->num_counters; i++) {
		ret = describe_device_counter(dev, i, &value);
		if (ret)
			return ret;
		/* What former users have counted is not this user's. */
		d->counter_base[i] = -value;
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

static int check_queues(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_description *desc = dev->described->desc;

	if (desc->num_rings > DESCRIBE_MAX_RINGS)
		return invalid(dev, "%u rings, %u are possible", desc->num_rings,
			       DESCRIBE_MAX_RINGS);
	if (!desc->num_rings)
		return 0;
	if (!desc->num_queues || desc->num_queues > DESCRIBE_MAX_QUEUES / desc->num_rings)
		return invalid(dev, "%u queues of %u rings, 1 to %u rings are possible",
			       desc->num_queues, desc->num_rings, DESCRIBE_MAX_QUEUES);

	return IS_ALIGNED(desc->stride, sizeof(u32)) ? 0 :
	       invalid(dev, "stride %#x is not a multiple of 4", desc->stride);
}

static int check(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_description *desc = dev->described->desc;

	if (desc->region > VFIO_PCI_BAR5_REGION_INDEX)
		return invalid(dev, "region %u is not a BAR", desc->region);
	if (!desc->run || !desc->stop)
		return invalid(dev, "run or stop is missing");
	if (desc->min_version > desc->version)
		return invalid(dev, "min_version is %u, version is %u", desc->min_version,
			       desc->version);
	if (desc->pre_copy & ~desc->features)
		return invalid(dev, "pre_copy %#llx is not one of features %#llx", desc->pre_copy,
			       desc->features);
	if (desc->num_parts > DESCRIBE_MAX_PARTS)
		return invalid(dev, "%u parts, %u are possible", desc->num_parts,
			       DESCRIBE_MAX_PARTS);

	return check_queues(dev);
}

static int build(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_description *desc = d->desc;
	unsigned int r;
	int ret;

	ret = check(dev);
	for (r = 0; r < desc->num_rings && !ret; r++)
		ret = check_ring(dev, r, &d->roles[r]);
	if (!ret)
		ret = add_records(dev);
	if (!ret && desc->num_counters)
		ret = check_counters(dev);
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
	uuid_gen(&d->guest);
	vfio_mediate_announce_init(&d->announce, dev, describe_list_addresses);
	d->desc = desc;
	dev->described = d;
	ret = build(dev);
	if (ret)
		return ret;

	dev->migration = &d->migration;
	if (desc->num_counters && READ_ONCE(vfio_mediate_counters)) {
		dev->regions = &d->region;
		dev->num_regions = 1;
	}
	if (desc->num_rings) {
		dev->traps = d->traps;
		dev->num_traps = d->num_traps;
		dev->tracking = READ_ONCE(vfio_mediate_tracking) ? &describe_tracking_ops : NULL;
	}

	return 0;
}
EXPORT_SYMBOL_GPL(vfio_mediate_describe);

/**
 * vfio_mediate_describe_closing() - End what may call the vendor on its own
 * @dev:	The device, of which release is about to be called.
 *
 * Context: Process context, sleeps.
 */
void vfio_mediate_describe_closing(struct vfio_mediate_device *dev)
{
	if (dev->described)
		vfio_mediate_announce_stop(&dev->described->announce);
}

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
	u32 low, high = 0;
	int ret;

	if (access->write)
		return 0;

	ret = describe_read_counter(dev, i, &low);
	if (!ret && access->width > sizeof(u32))
		ret = describe_read_counter(dev, i + 1, &high);
	if (!ret)
		access->value = (u64)high << 32 | low >> 8 * (access->offset % sizeof(u32));

	return ret;
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
