// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracking of the memory that a VF writes: receive buffers, and descriptors that it writes
 * back. This file decides when to look at the rings. dirty_ring.c decides what to mark.
 */

#include <linux/iopoll.h>
#include <linux/slab.h>
#include <uapi/linux/vfio.h>

#include "dirty.h"
#include "state.h"
#include "vfio_mediate.h"

/* Registers in BAR 0 of a VF, of its first queue pair */
#define VF_RX_QUEUES		0x2800
#define VF_TX_QUEUES		0x3800
#define VF_QUEUE_SIZE		0x100
#define VF_DCA			0x14	/* RXCTL, TXCTL: not tracked */
#define VF_TAIL			0x18
#define VF_XDCTL		0x28

#define XDLEN			GENMASK(19, 7)

static u64 nic_rd64(struct nic *nic, u32 low, u32 high)
{
	return nic_rd(nic, low) | (u64)nic_rd(nic, high) << 32;
}

/* Track a queue that is enabled, or about to be, from its registers. */
static int nic_rx_begin(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			struct nic_dirty_ring *ring, u32 q)
{
	struct nic_mediated *m = dev->handle;
	struct nic *nic = m->nic;
	u32 tail = nic_rd(nic, RDT(q));

	*ring = (struct nic_dirty_ring){
		.base = nic_rd64(nic, RDBAL(q), RDBAH(q)),
		.count = (nic_rd(nic, RDLEN(q)) & XDLEN) / sizeof(union nic_rx_desc),
		.srrctl = nic_rd(nic, SRRCTL(q)),
		.next_to_clean = nic_rd(nic, RDH(q)),
	};

	return nic_dirty_rx_begin(dev, ring, dirty->desc, tail);
}

static int nic_tx_begin(struct vfio_mediate_device *dev, struct nic_dirty_ring *ring, u32 q)
{
	struct nic_mediated *m = dev->handle;
	struct nic *nic = m->nic;

	*ring = (struct nic_dirty_ring){
		.base = nic_rd64(nic, TDBAL(q), TDBAH(q)),
		.count = (nic_rd(nic, TDLEN(q)) & XDLEN) / sizeof(struct nic_tx_desc),
		.tail = nic_rd(nic, TDT(q)),
		.next_to_clean = nic_rd(nic, TDH(q)),
		.head_wb = nic_rd64(nic, TDWBAL(q), TDWBAH(q)),
	};

	return nic_dirty_tx_begin(ring);
}

/*
 * Retire a ring that is no longer in use. Marking a large ring takes long, and the guest's
 * driver waits in its write to a trapped page: leave receive rings to the next scan.
 */
static void nic_dirty_retire(struct vfio_mediate_device *dev, struct nic_dirty *dirty, bool tx,
			     unsigned int queue)
{
	if (tx) {
		nic_dirty_ring_end(dev, &dirty->tx[queue]);
	} else if (dirty->rx[queue].enabled) {
		while (nic_dirty_ring_end(dev, &dirty->retired[queue]) > 0)
			;
		swap(dirty->retired[queue], dirty->rx[queue]);
	}
}

static bool nic_queue_enabled(struct nic *nic, bool tx, u32 q)
{
	return nic_rd(nic, tx ? TXDCTL(q) : RXDCTL(q)) & XDCTL_ENABLE;
}

/* The VF's driver enables or disables a queue. Return an error of the write only. */
static int nic_write_xdctl(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			   struct vfio_mediate_access *access, bool tx, unsigned int queue)
{
	struct nic_dirty_ring *ring = tx ? &dirty->tx[queue] : &dirty->rx[queue];
	struct nic_mediated *m = dev->handle;
	u32 q = m->n + NIC_NUM_POOLS * queue;
	struct nic *nic = m->nic;
	bool enabled, on;
	int ret;

	/* The queue may have been reset. */
	if (!nic_queue_enabled(nic, tx, q))
		nic_dirty_retire(dev, dirty, tx, queue);

	if (access->value & XDCTL_ENABLE && !ring->enabled) {
		/*
		 * The driver writes the tail once the queue is enabled. Until then the
		 * queue has no descriptors, as the tail in the register belongs to the
		 * previous ring.
		 */
		nic_wr(nic, tx ? TDT(q) : RDT(q), nic_rd(nic, tx ? TDH(q) : RDH(q)));
		ret = tx ? nic_tx_begin(dev, ring, q) : nic_rx_begin(dev, dirty, ring, q);
		dirty->error = dirty->error ?: ret;
	}

	ret = vfio_mediate_default_rw(dev, access);
	on = access->value & XDCTL_ENABLE;
	if (ret || on)
		return ret;

	/* The queue completes the descriptors that it has fetched. */
	if (read_poll_timeout(nic_queue_enabled, enabled, !enabled, 10, 10000, false, nic, tx, q))
		dirty->error = dirty->error ?: -ETIMEDOUT;
	nic_dirty_retire(dev, dirty, tx, queue);

	return 0;
}

static int nic_write_tail(struct vfio_mediate_device *dev, struct nic_dirty *dirty,
			  struct nic_dirty_ring *ring, u32 tail)
{
	if (!ring->enabled)
		return 0;
	if (ring->posted)
		return nic_dirty_rx_post(dev, ring, dirty->desc, tail);

	return nic_dirty_tx_post(ring, tail);
}

/**
 * nic_dirty_write() - Write a queue register for the VF's driver, and track it
 * @dev:	The VF, which is tracked.
 * @access:	Write to a trapped page.
 *
 * An error of the tracking is kept for the next scan.
 *
 * Context: Process context, may sleep. The caller is serialized with the callbacks of
 * &struct vfio_mediate_tracking_ops.
 * Return:
 * * 0: written.
 * * Negative errno of vfio_mediate_default_rw(): not written.
 */
int nic_dirty_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	struct nic_mediated *m = dev->handle;
	struct nic_dirty *dirty = m->dirty;
	bool tx = access->offset >= VF_TX_QUEUES;
	u32 offset = access->offset - (tx ? VF_TX_QUEUES : VF_RX_QUEUES);
	unsigned int queue = offset / VF_QUEUE_SIZE;
	struct nic_dirty_ring *ring;
	int ret = 0;

	/* Wraps around to a huge number for registers below those of the first queue. */
	if (queue >= ARRAY_SIZE(dirty->rx))
		return vfio_mediate_default_rw(dev, access);

	ring = tx ? &dirty->tx[queue] : &dirty->rx[queue];
	offset %= VF_QUEUE_SIZE;
	if (access->width != 4)
		ret = -EOPNOTSUPP;
	else if (offset == VF_XDCTL)
		return nic_write_xdctl(dev, dirty, access, tx, queue);
	else if (offset == VF_TAIL)
		ret = nic_write_tail(dev, dirty, ring, access->value);
	else if (offset < VF_TAIL && offset != VF_DCA && ring->enabled)
		ret = -EBUSY;	/* base and size of a ring in use */
	dirty->error = dirty->error ?: ret;

	return vfio_mediate_default_rw(dev, access);
}

static int nic_dirty_begin(struct vfio_mediate_device *dev, struct nic_dirty *dirty)
{
	struct nic_mediated *m = dev->handle;
	unsigned int queue;
	int ret = 0;
	u32 q;

	for (queue = 0; queue < ARRAY_SIZE(dirty->rx) && !ret; queue++) {
		q = m->n + NIC_NUM_POOLS * queue;
		if (nic_queue_enabled(m->nic, false, q))
			ret = nic_rx_begin(dev, dirty, &dirty->rx[queue], q);
		if (!ret && nic_queue_enabled(m->nic, true, q))
			ret = nic_tx_begin(dev, &dirty->tx[queue], q);
	}

	return ret;
}

/**
 * nic_dirty_free() - Free the tracking of a VF
 * @m:	The VF, tracked or not.
 *
 * Context: Process context. The caller is serialized with nic_dirty_write() and with the
 * callbacks of &struct vfio_mediate_tracking_ops.
 */
void nic_dirty_free(struct nic_mediated *m)
{
	unsigned int queue;

	if (!m->dirty)
		return;

	for (queue = 0; queue < ARRAY_SIZE(m->dirty->rx); queue++) {
		kvfree(m->dirty->rx[queue].posted);
		kvfree(m->dirty->retired[queue].posted);
	}
	kfree(m->dirty);
	m->dirty = NULL;
}

static void nic_dirty_stop(struct vfio_mediate_device *dev)
{
	nic_dirty_free(dev->handle);
}

static int nic_dirty_start(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	bool again = m->dirty;
	unsigned int queue;
	int ret;

	if (!again)
		m->dirty = kzalloc(sizeof(*m->dirty), GFP_KERNEL);
	if (!m->dirty)
		return -ENOMEM;
	for (queue = 0; queue < ARRAY_SIZE(m->dirty->rx); queue++) {
		nic_dirty_retire(dev, m->dirty, false, queue);
		nic_dirty_retire(dev, m->dirty, true, queue);
	}

	/* Read the posted buffers before the device writes descriptors back. */
	ret = nic_vf_hold_rx(m->nic, m->n, true);
	if (!ret)
		ret = nic_dirty_begin(dev, m->dirty);
	nic_vf_hold_rx(m->nic, m->n, false);
	if (ret && !again)
		nic_dirty_free(m);

	return ret;
}

static int nic_dirty_scan(struct vfio_mediate_device *dev)
{
	struct nic_mediated *m = dev->handle;
	struct nic_dirty *dirty = m->dirty;
	struct nic *nic = m->nic;
	/*
	 * Read after the heads: if DMA is idle by then, all writes up to the heads are in
	 * memory.
	 */
	const bool *quiet = &nic->vf[m->n].dma_idle;
	struct nic_dirty_ring *rx, *tx;
	unsigned int queue;
	bool more = false;
	u32 head, q;
	int ret;

	for (queue = 0; queue < ARRAY_SIZE(dirty->rx) && !dirty->error; queue++) {
		rx = &dirty->rx[queue];
		tx = &dirty->tx[queue];
		q = m->n + NIC_NUM_POOLS * queue;
		/* A reset clears the head: check the enable bit after reading the head. */
		head = nic_rd(nic, RDH(q));
		if (!nic_queue_enabled(nic, false, q)) {
			nic_dirty_retire(dev, dirty, false, queue);
		} else if (rx->enabled) {
			ret = nic_dirty_rx_scan(dev, rx, dirty->desc, head,
						READ_ONCE(*quiet));
			dirty->error = min(ret, 0);
			more |= ret > 0;
		}

		head = nic_rd(nic, TDH(q));
		if (!nic_queue_enabled(nic, true, q)) {
			nic_dirty_retire(dev, dirty, true, queue);
		} else if (tx->enabled) {
			ret = nic_dirty_tx_scan(dev, tx, head,
						nic_rd64(nic, TDWBAL(q), TDWBAH(q)),
						READ_ONCE(*quiet));
			dirty->error = dirty->error ?: ret;
		}
		more |= nic_dirty_ring_end(dev, &dirty->retired[queue]) > 0;
	}
	/* All registers above have read as ones. */
	if (nic_gone(nic))
		return -ENODEV;

	return dirty->error ?: more;
}

const struct vfio_mediate_tracking_ops nic_tracking_ops = {
	.start = nic_dirty_start,
	.stop = nic_dirty_stop,
	.scan = nic_dirty_scan,
};
