/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State of an open VF, and the records of its migration.
 *
 * Records have version 1. All numbers are little-endian. Newer versions may append members.
 * Documentation/sample-nic.rst lists the state that no record has.
 */

#ifndef SAMPLE_NIC_STATE_H
#define SAMPLE_NIC_STATE_H

#include "nic.h"

struct nic_dirty;
struct vfio_mediate_access;
struct vfio_mediate_device;

#define NIC_STATE_VERSION	1

/* Records may be sent in pre-copy. Those that have changed since are sent again. */
#define NIC_FEATURE_PRE_COPY	BIT_ULL(0)

/* Types of records. The last two are optional. */
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
 * struct nic_rec_queues - Registers of queues
 * @reg:	Registers of each queue pair, in the order of queue_regs[].
 */
struct nic_rec_queues {
	__le32 reg[2][NIC_QUEUE_REGS];
};

/**
 * struct nic_rec_vf - Registers that a VF has once, and its mailbox
 * @reg:	Registers, in the order of vf_regs[].
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
 * struct nic_rec_counters - Counters, as the VF's driver would read them
 * @counter:	Counters, in the order of vf_counters[].
 */
struct nic_rec_counters {
	__le32 counter[NIC_COUNTERS];
};

/**
 * struct nic_rec_guest - The guest that the state belongs to
 * @id:	&nic_pool.guest, a random number. Another stopped VF of the same PF with this ID
 *	gives up its addresses to this VF.
 */
struct nic_rec_guest {
	u8 id[UUID_SIZE];
};

/**
 * struct nic_state - All records of a VF
 * @present:	Bit mask of the types of records that were loaded or sent.
 * @pre_copy:	NIC_FEATURE_PRE_COPY is set in the loaded stream.
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
 * struct nic_saving - Progress of a migration at the source
 * @sent:	Records, as last sent.
 * @now:	Records, as last read from the VF.
 * @next:	Type of the next record, once the VF is stopped.
 */
struct nic_saving {
	struct nic_state sent;
	struct nic_state now;
	unsigned int next;
};

/**
 * struct nic_mediated - An open VF
 * @nic:		The PF.
 * @n:			Number of the VF.
 * @loading:		State that is being loaded, or NULL.
 * @saving:		Progress of a migration, or NULL if there is none.
 * @pre_copy:		Send records while the VF is running.
 * @counter_base:	Values to add to the device's counters.
 * @dirty:		Dirty tracking, or NULL while the VF is not tracked. Used only by
 *			&struct vfio_mediate_tracking_ops and by writes to trapped pages.
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
