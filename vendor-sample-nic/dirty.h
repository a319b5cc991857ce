/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracking of the memory that a VF writes. */

#ifndef SAMPLE_NIC_DIRTY_H
#define SAMPLE_NIC_DIRTY_H

#include <linux/types.h>

#include "dirty_ring.h"

struct nic;
struct nic_mediated;
struct vfio_mediate_access;
struct vfio_mediate_device;

/**
 * struct nic_dirty - Tracking of a VF
 * @rx:		Receive rings.
 * @tx:		Transmit rings.
 * @retired:	Receive rings that are no longer in use, but not completely marked.
 * @error:	First error. The VF's writes are unknown since then.
 * @desc:	Buffer for descriptors from the guest's memory.
 */
struct nic_dirty {
	struct nic_dirty_ring rx[2];
	struct nic_dirty_ring tx[2];
	struct nic_dirty_ring retired[2];
	int error;
	union nic_rx_desc desc[NIC_DIRTY_BATCH];
};

extern const struct vfio_mediate_tracking_ops nic_tracking_ops;
int nic_dirty_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);
void nic_dirty_free(struct nic_mediated *m);

#endif /* SAMPLE_NIC_DIRTY_H */
