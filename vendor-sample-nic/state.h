/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the migration of a VF.
 *
 * Those of queues and counters are in the order of the tables in rings.c and mediate.c. Records
 * have version 1. All numbers are little-endian. Newer versions may append members.
 * Documentation/sample-nic.rst lists the state that no record has.
 */

#ifndef SAMPLE_NIC_STATE_H
#define SAMPLE_NIC_STATE_H

#include "nic.h"

#define NIC_STATE_VERSION	1

/* Records may be sent in pre-copy. Those that have changed since are sent again. */
#define NIC_FEATURE_PRE_COPY	BIT_ULL(0)

/* Types of records. The last two are optional. */
#define NIC_REC_QUEUES		1
#define NIC_REC_VF		2
#define NIC_REC_FILTERS		3
#define NIC_REC_COUNTERS	4
#define NIC_REC_GUEST		5

#define NIC_VF_REGS		9
#define NIC_MBX_WORDS		16

/**
 * struct nic_rec_vf - Registers that a VF has once, and its mailbox
 * @reg:	Registers, in the order of vf_regs[]. The last is VTEIMS.
 * @mailbox:	V2PMAILBOX, as the VF's driver would read it.
 * @message:	Memory of the mailbox.
 */
struct nic_rec_vf {
	__le32 reg[NIC_VF_REGS];
	__le32 mailbox;
	__le32 message[NIC_MBX_WORDS];
};

#define NIC_FILTER_ACTIVE	BIT(0)	/* the reset handshake is complete */
#define NIC_FILTER_VLAN_STRIP	BIT(1)
#define NIC_FILTER_MC_PROMISC	BIT(2)
#define NIC_FILTER_UC_PROMISC	BIT(3)
#define NIC_FILTER_KNOWN	GENMASK(3, 0)

/**
 * struct nic_rec_filters - Receive filters, see &struct nic_pool
 * @mac:	Addresses.
 * @port_vlan:	VLAN and priority that the administrator of the source has set.
 * @flags:	NIC_FILTER_*.
 * @max_frame:	Longest frame.
 * @num_vlans:	Number of entries in @vlan.
 * @vlan:	VLANs that the VF's driver has joined, without VLAN 0.
 * @mta:	Bits of the multicast table.
 */
struct nic_rec_filters {
	u8 mac[NIC_POOL_MACS][ETH_ALEN];
	__le16 port_vlan;
	__le32 flags;
	__le16 max_frame;
	__le16 num_vlans;
	__le16 vlan[NIC_NUM_VLANS];
	__le32 mta[NIC_MTA_BITS / 32];
};

/**
 * struct nic_rec_guest - The guest that the state belongs to
 * @id:	&nic_pool.guest, a random number. Another stopped VF of the same PF with this ID
 *	gives up its addresses to this VF.
 */
struct nic_rec_guest {
	u8 id[UUID_SIZE];
};

/* replay.c */
void nic_filters_save(struct nic *nic, unsigned int pool, struct nic_rec_filters *rec);
int nic_replay_check(const struct nic_rec_filters *rec);
int nic_replay_allowed(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
		       const uuid_t *guest, const char **what);
int nic_replay(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
	       const char **what);

#endif /* SAMPLE_NIC_STATE_H */
