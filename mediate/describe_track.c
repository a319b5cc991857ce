// SPDX-License-Identifier: GPL-2.0-only
/* Track the rings of a described device: when to look at which. ring.c decides what to mark. */

#include <linux/align.h>
#include <linux/iopoll.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "described.h"

/* A ring of a queue, by number */
struct which {
	unsigned int queue;
	unsigned int ring;
};

static unsigned int count_rings(const struct vfio_mediate_described *d)
{
	return d->desc->num_queues * d->desc->num_rings;
}

static struct vfio_mediate_track *track_of(struct vfio_mediate_described *d,
					   struct vfio_mediate_track *tracks, struct which which)
{
	return &tracks[which.queue * d->desc->num_rings + which.ring];
}

static const struct vfio_mediate_state_reg *find_role(const struct vfio_mediate_described *d,
						      struct which which,
						      enum vfio_mediate_role role)
{
	int i = d->roles[which.ring].reg[role];

	return i < 0 ? NULL : &d->desc->rings[which.ring].regs[i];
}

/*
 * What the device writes by a ring is not known from now on. Log the first error: what has failed,
 * and at which descriptor.
 */
static __printf(5, 6) void fail_ring(struct vfio_mediate_device *dev, struct which which, u32 index,
				     int error, const char *fmt, ...)
{
	struct describe_tracking *tracking = dev->described->tracking;
	struct vfio_mediate_track *ring = track_of(dev->described, tracking->rings, which);
	struct va_format what = { .fmt = fmt };
	va_list args;

	if (tracking->error)
		return;

	tracking->error = error;
	/* The VMM is exiting. */
	if (error == -ESRCH)
		return;

	va_start(args, fmt);
	what.va = &args;
	pci_notice_ratelimited(dev->pdev,
			       "cannot track queue %u, ring %u: %pV, at descriptor %u (IOVA %#llx) of %u: %pe\n",
			       which.queue, which.ring, &what, index,
			       ring->base + (u64)index * ring->type->desc_size, ring->count,
			       ERR_PTR(error));
	va_end(args);
}

/* Read the register of a role, 0 if there is none. */
static int read_role(struct vfio_mediate_device *dev, struct which which,
		     enum vfio_mediate_role role, u32 *value)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_state_reg *reg = find_role(d, which, role);

	*value = 0;

	return reg ? vfio_mediate_read32(dev, d->desc->region,
					 reg->offset + which.queue * d->desc->stride, value) : 0;
}

static int write_role(struct vfio_mediate_device *dev, struct which which,
		      enum vfio_mediate_role role, u32 value)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_state_reg *reg = find_role(d, which, role);

	return vfio_mediate_write32(dev, d->desc->region,
				    reg->offset + which.queue * d->desc->stride, value);
}

static int read_address(struct vfio_mediate_device *dev, struct which which,
			enum vfio_mediate_role low, enum vfio_mediate_role high, u64 *iova)
{
	u32 value[2];
	int ret;

	ret = read_role(dev, which, low, &value[0]);
	if (!ret)
		ret = read_role(dev, which, high, &value[1]);
	*iova = value[0] | (u64)value[1] << 32;

	return ret;
}

static int read_writeback(struct vfio_mediate_device *dev, struct which which, u64 *iova)
{
	const struct vfio_mediate_state_reg *reg;
	int ret;

	*iova = 0;
	reg = find_role(dev->described, which, VFIO_MEDIATE_ROLE_WRITEBACK);
	if (!reg)
		return 0;

	ret = read_address(dev, which, VFIO_MEDIATE_ROLE_WRITEBACK,
			   VFIO_MEDIATE_ROLE_WRITEBACK_HIGH, iova);
	if ((*iova & reg->value) != reg->value)
		*iova = 0;
	*iova &= ~(u64)reg->value;

	return ret;
}

/* Whether a ring is enabled: 1 or 0, or a negative errno. */
static int read_enabled(struct vfio_mediate_device *dev, struct which which)
{
	const struct vfio_mediate_state_reg *reg;
	u32 value;
	int ret;

	reg = find_role(dev->described, which, VFIO_MEDIATE_ROLE_ENABLE);
	ret = read_role(dev, which, VFIO_MEDIATE_ROLE_ENABLE, &value);
	/* A device that is gone reads as ones. */
	if (!ret && value == U32_MAX)
		ret = -ENODEV;
	if (ret) {
		fail_ring(dev, which, 0, ret, "ENABLE cannot be read");
		return ret;
	}

	return (value & reg->value) == reg->value;
}

/* Track a ring that is enabled, or about to be, from its registers. */
static int begin(struct vfio_mediate_device *dev, struct which which)
{
	struct vfio_mediate_described *d = dev->described;
	struct vfio_mediate_track *ring = track_of(d, d->tracking->rings, which);
	u32 length, tail;
	int ret;

	ret = read_address(dev, which, VFIO_MEDIATE_ROLE_BASE, VFIO_MEDIATE_ROLE_BASE_HIGH,
			   &ring->base);
	if (!ret)
		ret = read_role(dev, which, VFIO_MEDIATE_ROLE_LENGTH, &length);
	if (!ret)
		ret = read_role(dev, which, VFIO_MEDIATE_ROLE_FORMAT, &ring->format);
	if (!ret)
		ret = read_role(dev, which, VFIO_MEDIATE_ROLE_HEAD, &ring->next_to_clean);
	if (!ret)
		ret = read_role(dev, which, VFIO_MEDIATE_ROLE_TAIL, &tail);
	if (!ret)
		ret = read_writeback(dev, which, &ring->writeback);
	if (ret) {
		fail_ring(dev, which, 0, ret, "its registers cannot be read");
		return ret;
	}

	length &= find_role(d, which, VFIO_MEDIATE_ROLE_LENGTH)->value;
	ring->count = length / ring->type->desc_size;

	ret = vfio_mediate_ring_begin(dev, ring, d->tracking->batch, tail);
	/* After head and tail, only the memory of what is posted can be wrong. */
	if (ret)
		fail_ring(dev, which, ring->enabled ? ring->tail : ring->next_to_clean, ret,
			  "begun with head %u, tail %u", ring->next_to_clean, tail);

	return ret;
}

/*
 * A ring is no longer in use. To mark one with buffers may take long, and the guest's driver
 * waits in its write to a trapped page: leave it to the next scan.
 */
static void retire(struct vfio_mediate_device *dev, struct which which)
{
	struct vfio_mediate_described *d = dev->described;
	struct vfio_mediate_track *ring = track_of(d, d->tracking->rings, which);
	struct vfio_mediate_track *retired = track_of(d, d->tracking->retired, which);

	if (!ring->posted) {
		vfio_mediate_ring_end(dev, ring);
	} else {
		while (vfio_mediate_ring_end(dev, retired) > 0)
			;
		swap(*retired, *ring);
	}
}

/* The guest's driver enables or disables a ring. Return an error of the write only. */
static int write_enable(struct vfio_mediate_device *dev, struct which which,
			const struct vfio_mediate_state_reg *reg,
			struct vfio_mediate_access *access)
{
	struct vfio_mediate_described *d = dev->described;
	struct vfio_mediate_track *ring = track_of(d, d->tracking->rings, which);
	bool enable = (access->value & reg->value) == reg->value;
	int ret, enabled;
	u32 head;

	enabled = read_enabled(dev, which);
	/* It may have been reset. */
	if (!enabled)
		retire(dev, which);

	if (enable && !ring->enabled) {
		/*
		 * The driver writes the tail once the ring is enabled. Until then it has no
		 * descriptors, as the tail in the register belongs to the previous ring.
		 */
		ret = read_role(dev, which, VFIO_MEDIATE_ROLE_HEAD, &head);
		if (!ret)
			ret = write_role(dev, which, VFIO_MEDIATE_ROLE_TAIL, head);
		if (ret)
			fail_ring(dev, which, 0, ret, "HEAD or TAIL cannot be accessed");
		else
			begin(dev, which);
	}

	ret = vfio_mediate_default_rw(dev, access);
	if (ret || enable)
		return ret;

	/* The device completes the descriptors that it has fetched. */
	if (read_poll_timeout(read_enabled, enabled, enabled <= 0, 10, 10000, false, dev, which))
		fail_ring(dev, which, ring->next_to_clean, -ETIMEDOUT,
			  "disabled, but still on after 10 ms");
	retire(dev, which);

	return 0;
}

/* The guest's driver writes another register, which matters if the ring is in use. */
static void note_write(struct vfio_mediate_device *dev, struct which which,
		       const struct vfio_mediate_state_reg *reg,
		       const struct vfio_mediate_access *access)
{
	struct vfio_mediate_described *d = dev->described;
	struct vfio_mediate_track *ring = track_of(d, d->tracking->rings, which);
	int ret;

	if (access->width != sizeof(u32)) {
		fail_ring(dev, which, 0, -EOPNOTSUPP, "%u bytes written to register %#llx",
			  access->width, access->offset);
		return;
	}
	if (!ring->enabled)
		return;

	switch (reg->role) {
	case VFIO_MEDIATE_ROLE_TAIL:
		ret = vfio_mediate_ring_post(dev, ring, d->tracking->batch, access->value);
		if (ret)
			fail_ring(dev, which, ring->tail, ret, "tail %llu written", access->value);
		break;
	case VFIO_MEDIATE_ROLE_PLAIN:
	case VFIO_MEDIATE_ROLE_RUN:
	case VFIO_MEDIATE_ROLE_WRITEBACK:
	case VFIO_MEDIATE_ROLE_WRITEBACK_HIGH:
		break;
	default:	/* base, size or format */
		fail_ring(dev, which, ring->tail, -EBUSY, "register %#llx written while enabled",
			  access->offset);
	}
}

/* Find the register of a write in the pages of rings, if there is one. */
static const struct vfio_mediate_state_reg *find_reg(const struct vfio_mediate_described *d,
						     u64 offset, struct which *which)
{
	const struct vfio_mediate_description *desc = d->desc;
	const struct vfio_mediate_ring *ring;
	unsigned int queue, r, i;

	for (queue = 0; queue < desc->num_queues; queue++)
		for (r = 0; r < desc->num_rings; r++)
			for (ring = &desc->rings[r], i = 0; i < ring->num_regs; i++)
				if (ring->regs[i].offset + queue * desc->stride ==
				    ALIGN_DOWN(offset, 4)) {
					*which = (struct which){ queue, r };
					return &ring->regs[i];
				}

	return NULL;
}

/**
 * describe_is_tracked() - Check whether an access is to be seen by the tracking
 * @d:		The device.
 * @access:	Access of any kind.
 *
 * Context: That of &vfio_pci_mediate_ops.rw.
 * Return: true for a write to a page of rings, all accesses to which are serialized.
 */
bool describe_is_tracked(const struct vfio_mediate_described *d,
			 const struct vfio_mediate_access *access)
{
	unsigned int i;

	if (!access->write || access->region != d->desc->region)
		return false;
	for (i = 0; i < d->num_traps; i++)
		if (d->traps[i].pages.offset == ALIGN_DOWN(access->offset, PAGE_SIZE))
			return true;

	return false;
}

/**
 * describe_track_write() - Write a register of a ring for the guest's driver, and track it
 * @dev:	The device.
 * @access:	One for which describe_is_tracked() is true.
 *
 * An error of the tracking is kept for the next scan.
 *
 * Context: Process context, may sleep. The caller is serialized with callbacks of tracking.
 * Return:
 * * 0: written.
 * * Negative errno of vfio_mediate_default_rw(): not written.
 */
int describe_track_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct vfio_mediate_described *d = dev->described;
	const struct vfio_mediate_state_reg *reg;
	struct which which;

	reg = d->tracking ? find_reg(d, access->offset, &which) : NULL;
	if (!reg)
		return vfio_mediate_default_rw(dev, access);

	if (reg->role == VFIO_MEDIATE_ROLE_ENABLE && access->width == sizeof(u32))
		return write_enable(dev, which, reg, access);
	note_write(dev, which, reg, access);

	return vfio_mediate_default_rw(dev, access);
}

/* Call @fn for each ring, until it returns a negative errno. Return that, or whether one was 1. */
static int walk_rings(struct vfio_mediate_device *dev,
		      int (*fn)(struct vfio_mediate_device *dev, struct which which))
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	struct which which;
	bool more = false;
	int ret;

	for (which.queue = 0; which.queue < desc->num_queues; which.queue++) {
		for (which.ring = 0; which.ring < desc->num_rings; which.ring++) {
			ret = fn(dev, which);
			if (ret < 0)
				return ret;
			more |= ret;
		}
	}

	return more;
}

static int begin_if_enabled(struct vfio_mediate_device *dev, struct which which)
{
	int enabled = read_enabled(dev, which);

	return enabled > 0 ? begin(dev, which) : enabled;
}

static int retire_ring(struct vfio_mediate_device *dev, struct which which)
{
	retire(dev, which);

	return 0;
}

/**
 * describe_free_tracking() - Free the tracking of a device
 * @d:	The device, tracked or not.
 *
 * Context: Process context. The caller is serialized with callbacks of tracking.
 */
void describe_free_tracking(struct vfio_mediate_described *d)
{
	struct describe_tracking *tracking = d->tracking;
	unsigned int i;

	d->tracking = NULL;
	if (!tracking)
		return;

	for (i = 0; i < 2 * count_rings(d); i++)
		kvfree(tracking->rings[i].posted);
	kfree(tracking->rings);
	kfree(tracking);
}

static int alloc_tracking(struct vfio_mediate_described *d)
{
	unsigned int i, n = count_rings(d);
	struct describe_tracking *tracking;

	tracking = kzalloc(sizeof(*tracking), GFP_KERNEL_ACCOUNT);
	if (!tracking)
		return -ENOMEM;

	tracking->rings = kcalloc(2 * n, sizeof(*tracking->rings), GFP_KERNEL_ACCOUNT);
	if (!tracking->rings) {
		kfree(tracking);
		return -ENOMEM;
	}
	tracking->retired = tracking->rings + n;
	for (i = 0; i < 2 * n; i++)
		tracking->rings[i].type = &d->desc->rings[i % d->desc->num_rings];
	d->tracking = tracking;

	return 0;
}

static int start(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	bool again = d->tracking;
	int ret;

	ret = again ? 0 : alloc_tracking(d);
	if (ret)
		return ret;

	walk_rings(dev, retire_ring);
	/* A loaded device that has not run yet is tracked with its rings enabled. */
	scoped_guard(mutex, &d->lock) {
		d->untracked = false;
		ret = describe_write_pending(dev, DESCRIBE_PENDING_RINGS);
	}
	/* Read the posted descriptors before the device writes them. */
	if (!ret && d->desc->hold)
		ret = d->desc->hold(dev, true);
	if (!ret)
		ret = walk_rings(dev, begin_if_enabled);
	if (d->desc->hold)
		d->desc->hold(dev, false);
	if (ret && !again)
		describe_free_tracking(d);

	return ret;
}

static void stop(struct vfio_mediate_device *dev)
{
	describe_free_tracking(dev->described);
}

static int scan_ring(struct vfio_mediate_device *dev, struct which which)
{
	struct vfio_mediate_described *d = dev->described;
	struct vfio_mediate_track *ring = track_of(d, d->tracking->rings, which);
	struct vfio_mediate_track *retired = track_of(d, d->tracking->retired, which);
	int enabled, ret = 0;
	bool stopped;
	u64 writeback;
	u32 head;

	/* A reset clears the head: ask whether the ring is enabled after the head was read. */
	ret = read_role(dev, which, VFIO_MEDIATE_ROLE_HEAD, &head);
	if (!ret)
		ret = read_writeback(dev, which, &writeback);
	if (ret) {
		fail_ring(dev, which, ring->next_to_clean, ret, "its registers cannot be read");
		return ret;
	}
	enabled = read_enabled(dev, which);
	if (enabled < 0)
		return enabled;

	/* If the device is stopped now, all that it wrote up to this head is in memory. */
	stopped = READ_ONCE(d->stopped);
	if (!enabled)
		retire(dev, which);
	else if (ring->enabled)
		ret = vfio_mediate_ring_scan(dev, ring, d->tracking->batch, head, writeback,
					     stopped);
	if (ret < 0) {
		fail_ring(dev, which, ring->next_to_clean, ret, "scanned up to head %u", head);
		return ret;
	}

	return vfio_mediate_ring_end(dev, retired) > 0 || ret > 0;
}

static int scan(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	bool untracked;

	/* What has become of these rings before they were enabled is not known. */
	scoped_guard(mutex, &d->lock)
		untracked = d->untracked;
	if (untracked && !d->tracking->error) {
		pci_notice_ratelimited(dev->pdev, "cannot track rings of a state that was loaded while the device was tracked\n");
		d->tracking->error = -ESTALE;
	}

	return d->tracking->error ? d->tracking->error : walk_rings(dev, scan_ring);
}

const struct vfio_mediate_tracking_ops describe_tracking_ops = {
	.start = start,
	.stop = stop,
	.scan = scan,
};
