// SPDX-License-Identifier: GPL-2.0-only
/* Registers that are part of a described device's state. */

#include <linux/array_size.h>
#include <linux/lockdep.h>
#include <linux/pci.h>

#include "described.h"
#include "session.h"

/* Masks of roles */
#define ALL_ROLES	(BIT(VFIO_MEDIATE_NUM_ROLES) - 1)
#define ALL_PENDING	(DESCRIBE_PENDING_RINGS | DESCRIBE_PENDING_RUN)

typedef int (*describe_reg_fn)(struct vfio_mediate_device *dev,
			       const struct vfio_mediate_state_reg *reg, u32 offset, __le32 *val);

/* Call @fn for registers that have one of @roles, a mask, until it does not return 0. */
static int walk_table(struct vfio_mediate_device *dev, const struct vfio_mediate_state_reg *reg,
		      unsigned int num_regs, u32 base, __le32 *val, unsigned int roles,
		      describe_reg_fn fn)
{
	int ret = 0;

	for (; num_regs && !ret; num_regs--, reg++, val++)
		if (BIT(reg->role) & roles)
			ret = fn(dev, reg, reg->offset + base, val);

	return ret;
}

/* The same for all registers of a record */
static int walk_regs(struct vfio_mediate_device *dev, struct describe_state *state,
		     const struct describe_record *record, unsigned int roles, describe_reg_fn fn)
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	__le32 *val = (__le32 *)(state->data + record->offset);
	const struct vfio_mediate_ring *ring;
	unsigned int queue;
	int ret;

	if (record->part)
		return walk_table(dev, record->part->regs, record->part->num_regs, 0, val, roles,
				  fn);
	if (record->kind != DESCRIBE_RINGS)
		return 0;

	for (queue = 0; queue < desc->num_queues; queue++) {
		for (ring = desc->rings; ring < desc->rings + desc->num_rings; ring++) {
			ret = walk_table(dev, ring->regs, ring->num_regs, queue * desc->stride,
					 val, roles, fn);
			if (ret)
				return ret;
			val += ring->num_regs;
		}
	}

	return 0;
}

/* The same for all records that were loaded */
static int walk_loaded(struct vfio_mediate_device *dev, unsigned int roles, describe_reg_fn fn)
{
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < d->num_records && !ret; i++)
		if (d->loading->present & BIT_ULL(i))
			ret = walk_regs(dev, d->loading, &d->records[i], roles, fn);

	return ret;
}

static int read_reg(struct vfio_mediate_device *dev, const struct vfio_mediate_state_reg *reg,
		    u32 offset, __le32 *val)
{
	u32 value;
	int ret;

	ret = vfio_mediate_read32(dev, dev->described->desc->region, offset, &value);
	*val = cpu_to_le32(value);
	/* A device that is gone reads as ones. */
	if (!ret && value == U32_MAX && !pci_device_is_present(dev->pdev))
		ret = -ENODEV;

	return ret;
}

static int write_reg(struct vfio_mediate_device *dev, u32 offset, u32 value)
{
	return vfio_mediate_write32(dev, dev->described->desc->region, offset, value);
}

static int disable_reg(struct vfio_mediate_device *dev, const struct vfio_mediate_state_reg *reg,
		       u32 offset, __le32 *val)
{
	return write_reg(dev, offset, le32_to_cpu(*val) & ~reg->value);
}

static int apply_reg(struct vfio_mediate_device *dev, const struct vfio_mediate_state_reg *reg,
		     u32 offset, __le32 *val)
{
	return write_reg(dev, offset, le32_to_cpu(*val));
}

/* A register that is not written yet reads as if it were. */
static int read_pending_reg(struct vfio_mediate_device *dev,
			    const struct vfio_mediate_state_reg *reg, u32 offset, __le32 *val)
{
	struct vfio_mediate_described *d = dev->described;
	size_t at = (u8 *)val - d->saving->now->data;

	*val = *(__le32 *)(d->loading->data + at);

	return 0;
}

/**
 * describe_read_regs() - Read the registers of a record
 * @dev:	The device.
 * @record:	One of &vfio_mediate_described.records. The values go to @now of
 *		&vfio_mediate_described.saving.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * -ENODEV: the device is gone.
 * * Other negative errno of vfio_mediate_default_rw().
 */
int describe_read_regs(struct vfio_mediate_device *dev, const struct describe_record *record)
{
	struct vfio_mediate_described *d = dev->described;
	int ret;

	ret = walk_regs(dev, d->saving->now, record, ALL_ROLES, read_reg);
	if (ret)
		return ret;

	guard(mutex)(&d->lock);

	return walk_regs(dev, d->saving->now, record, d->pending, read_pending_reg);
}

/* Was the device reset since its state was applied, so that it has no part of it any more? */
static bool was_reset(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_session *session =
		container_of(dev, struct vfio_mediate_session, dev);

	/* Order writes of registers before the read. A reset is counted before it begins. */
	smp_mb();

	return atomic_read(&session->resets) != dev->described->resets;
}

/**
 * describe_apply_regs() - Disable rings, and write registers of the loaded records
 * @dev:	The device.
 *
 * Registers that start something are left to describe_write_pending().
 *
 * Context: That of vfio_mediate_default_rw().
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int describe_apply_regs(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	int ret;

	d->resets = atomic_read(&container_of(dev, struct vfio_mediate_session, dev)->resets);
	ret = walk_loaded(dev, BIT(VFIO_MEDIATE_ROLE_ENABLE), disable_reg);
	if (!ret)
		ret = walk_loaded(dev, ALL_ROLES & ~ALL_PENDING, apply_reg);
	if (ret)
		return ret;

	guard(mutex)(&d->lock);
	d->pending = ALL_PENDING;

	return 0;
}

/**
 * describe_write_pending() - Write registers that start something, if they are pending
 * @dev:	The device, stopped.
 * @what:	DESCRIBE_PENDING_RINGS, and DESCRIBE_PENDING_RUN if the device is about to run.
 *
 * If the device was reset since the state was applied, nothing is written any more.
 *
 * Context: That of vfio_mediate_default_rw(). The caller holds &vfio_mediate_described.lock.
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int describe_write_pending(struct vfio_mediate_device *dev, unsigned int what)
{
	static const u8 order[] = {
		VFIO_MEDIATE_ROLE_ENABLE, VFIO_MEDIATE_ROLE_TAIL, VFIO_MEDIATE_ROLE_RUN,
	};
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;
	int ret = 0;

	lockdep_assert_held(&d->lock);

	if (d->pending && was_reset(dev))
		d->pending = 0;
	what &= d->pending;
	if (!what)
		return 0;

	for (i = 0; i < ARRAY_SIZE(order) && !ret; i++)
		ret = walk_loaded(dev, what & BIT(order[i]), apply_reg);
	if (ret)
		return ret;

	d->pending &= ~what;
	/* Some of these writes may have come after a reset, which has cleared the bases. */
	return was_reset(dev) ? walk_loaded(dev, BIT(VFIO_MEDIATE_ROLE_ENABLE), disable_reg) : 0;
}

/**
 * describe_kick_tails() - Write the tails of rings without buffers again
 * @dev:	The device, which has just begun to run.
 *
 * Some devices look at such a ring only when the tail is written.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int describe_kick_tails(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_description *desc = d->desc;
	const struct vfio_mediate_ring *ring;
	unsigned int queue, r;
	u32 offset, value;
	int ret = 0;

	for (queue = 0; queue < desc->num_queues; queue++) {
		for (r = 0; r < desc->num_rings && !ret; r++) {
			ring = &desc->rings[r];
			if (ring->buffers)
				continue;
			offset = ring->regs[d->roles[r].reg[VFIO_MEDIATE_ROLE_TAIL]].offset +
				 queue * desc->stride;
			ret = vfio_mediate_read32(dev, desc->region, offset, &value);
			if (!ret)
				ret = write_reg(dev, offset, value);
		}
	}

	return ret;
}

/**
 * describe_device_counter() - Read a counter as the device has it
 * @dev:	The device.
 * @i:		Number of the counter.
 * @val:	Its value. 0 after an error.
 *
 * Context: That of &vfio_mediate_description.read_counter.
 * Return: 0 or a negative errno of vfio_mediate_default_rw().
 */
int describe_device_counter(struct vfio_mediate_device *dev, unsigned int i, u32 *val)
{
	const struct vfio_mediate_description *desc = dev->described->desc;

	*val = 0;
	if (!desc->read_counter)
		return vfio_mediate_read32(dev, desc->region, desc->counters[i], val);
	*val = desc->read_counter(dev, desc->counters[i]);

	return 0;
}

/**
 * describe_read_counter() - Read a counter as the guest's driver sees it
 * @dev:	The device.
 * @i:		Number of the counter.
 * @val:	Its value, which does not start anew at a migration.
 *
 * Context: That of &vfio_mediate_description.read_counter.
 * Return: As describe_device_counter().
 */
int describe_read_counter(struct vfio_mediate_device *dev, unsigned int i, u32 *val)
{
	int ret = describe_device_counter(dev, i, val);

	*val += READ_ONCE(dev->described->counter_base[i]);

	return ret;
}
