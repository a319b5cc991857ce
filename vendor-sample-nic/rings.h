/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings of a VF, as vfio_mediate saves, loads and tracks them. */

#ifndef SAMPLE_NIC_RINGS_H
#define SAMPLE_NIC_RINGS_H

#include <linux/bitfield.h>

#include "regs.h"
#include "vfio_mediate_describe.h"

/* Receive and transmit */
#define NIC_NUM_RINGS	2

extern const struct vfio_mediate_ring nic_rings[NIC_NUM_RINGS];

#endif /* SAMPLE_NIC_RINGS_H */
