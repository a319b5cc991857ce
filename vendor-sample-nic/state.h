/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a VF as it is migrated: records of version 1, all numbers in
 * little-endian. Newer ones may have more at their end. Documentation/migration.rst lists
 * what is in none of them.
 */

#ifndef SAMPLE_NIC_STATE_H
#define SAMPLE_NIC_STATE_H

#include "nic.h"

struct nic_dirty;
struct vfio_mediate_access;
struct vfio_mediate_device;

#define NIC_STATE_VERSION	1

/* Records were sent in pre-copy. Those that have changed since come again. */
#define NIC_FEATURE_PRE_COPY	BIT_ULL(0)

/* Types of records; the last two may be missing */
#define NIC_REC_QUEUES		1
#define NIC_REC_VF		2
#define NIC_REC_FILTERS		3
#define NIC_REC_COUNTERS	4
#define NIC_REC_GUEST		5

#define NIC_QUEUE_REGS		17
#define NIC_VF_REGS		9
#define NIC_MBX_WORDS		16
#define NIC_COUNTERS		9

/**
 * struct nic_rec_queues - Queue registers
 * @reg:	For each queue pair the registers of queue_regs[], in that order.
 */
struct nic_rec_queues {
	__le32 reg[2][NIC_QUEUE_REGS];
};

/**
 * struct nic_rec_vf - What there is once for each VF
 * @reg:	The registers of vf_regs[], in that order.
 * @mailbox:	V2PMAILBOX as the VF's driver would have read it.
 * @message:	The mailbox's memory.
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
 * struct nic_rec_filters - What the VF receives, see &struct nic_pool
 * @mac:	Its addresses.
 * @port_vlan:	VLAN and priority that the administrator of the source had set.
 * @flags:	NIC_FILTER_*.
 * @max_frame:	Longest frame.
 * @num_vlans:	How many of @vlan are used.
 * @vlan:	VLANs that its driver had asked for, without 0.
 * @mta:	Multicast hashes.
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
 * struct nic_rec_counters - Counters as the VF's driver would have read them
 * @counter:	Those of vf_counters[], in that order.
 */
struct nic_rec_counters {
	__le32 counter[NIC_COUNTERS];
};

/**
 * struct nic_rec_guest - The guest that the state belongs to
 * @id:		&nic_pool.guest, a random number. It proves that a VF of the same PF which
 *		has the same ID, and is stopped, may lose its addresses to this one.
 */
struct nic_rec_guest {
	u8 id[UUID_SIZE];
};

/**
 * struct nic_state - All of it, while it is loaded, or as it has been sent
 * @present:	Bits of the records that have come, or have been sent.
 * @pre_copy:	NIC_FEATURE_PRE_COPY is set in what is loaded.
 * @queues:	NIC_REC_QUEUES.
 * @vf:		NIC_REC_VF.
 * @filters:	NIC_REC_FILTERS.
 * @counters:	NIC_REC_COUNTERS.
 * @guest:	NIC_REC_GUEST.
 */
struct nic_state {
	u32 present;
	bool pre_copy;
	struct nic_rec_queues queues;
	struct nic_rec_vf vf;
	struct nic_rec_filters filters;
	struct nic_rec_counters counters;
	struct nic_rec_guest guest;
};

/**
 * struct nic_saving - A VF whose state is being sent
 * @sent:	What has been.
 * @now:	What the VF has now, of records that were looked at.
 * @next:	Type of the next record, once the VF is stopped.
 */
struct nic_saving {
	struct nic_state sent;
	struct nic_state now;
	unsigned int next;
};

/**
 * struct nic_mediated - A VF that is open
 * @nic:		Its PF.
 * @n:			Its number.
 * @loading:		What is being loaded, NULL before that.
 * @saving:		What has been saved by the migration under way, NULL outside of one.
 * @pre_copy:		Send records while the VF is running.
 * @counter_base:	What is to be added to the device's counters.
 * @dirty:		What it writes to memory, NULL while nobody wants to know. Only
 *			where &vfio_mediate_tracking_ops are called, or writes to trapped
 *			pages.
 */
struct nic_mediated {
	struct nic *nic;
	unsigned int n;
	struct nic_state *loading;
	struct nic_saving *saving;
	bool pre_copy;
	u32 counter_base[NIC_COUNTERS];
	struct nic_dirty *dirty;
};

/* vf_regs.c */
int nic_vf_read(struct vfio_mediate_device *dev, u32 reg, u32 *val);
int nic_vf_write(struct vfio_mediate_device *dev, u32 reg, u32 val);
int nic_vf_read_regs(struct vfio_mediate_device *dev, const u16 *regs, unsigned int n,
		     u32 base, __le32 *vals);
int nic_vf_write_regs(struct vfio_mediate_device *dev, const u16 *regs, unsigned int n,
		      u32 base, const __le32 *vals);
int nic_counters_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);
void nic_counters_reset(struct nic_mediated *m);
int nic_counters_save(struct vfio_mediate_device *dev, void *data);
int nic_counters_apply(struct vfio_mediate_device *dev, const struct nic_rec_counters *rec);

/* migrate.c */
extern const struct vfio_mediate_migration_ops nic_migration_ops;
void nic_v2p_release(struct vfio_mediate_device *dev);

/* replay.c */
void nic_filters_save(struct nic *nic, unsigned int pool, struct nic_rec_filters *rec);
int nic_replay_check(const struct nic_rec_filters *rec);
int nic_replay_allowed(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
		       const uuid_t *guest, const char **what);
int nic_replay(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
	       const char **what);

#endif /* SAMPLE_NIC_STATE_H */
