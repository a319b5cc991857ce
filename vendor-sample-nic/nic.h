/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of sample_nic share.
 *
 * The device is cut into eight pools of two queue pairs each: pool n has the
 * queues n and n + 8. VF n is pool n; the PF is always the last pool, whether
 * there are VFs or not, so that making VFs leaves the PF's queues alone. The
 * device runs from probe to remove: taking the netdev down stops the PF's pool,
 * not the VFs.
 *
 * Order of locks: RTNL, vf_lock, filter_lock. The netdev's address lock is
 * outside filter_lock.
 */

#ifndef SAMPLE_NIC_NIC_H
#define SAMPLE_NIC_NIC_H

#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/u64_stats_sync.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>

#include "regs.h"

#define NIC_NAME		"sample_nic"
#define NIC_NUM_POOLS		8
#define NIC_PF_POOL		7
#define NIC_MAX_VFS		7
#define NIC_MAX_QUEUES		2
#define NIC_POOL_MACS		3	/* a share of the 24 receive addresses */
#define NIC_NUM_VLANS		32
#define NIC_POOL_VLANS		4	/* a VF's share of them, unless it is trusted */
#define NIC_MTA_BITS		4096
#define NIC_POOL_HASHES		30	/* as many as a message holds */
#define NIC_MAX_FRAME		9728
#define NIC_HEADERS		(ETH_HLEN + VLAN_HLEN + ETH_FCS_LEN)
#define NIC_RX_REGS		8
#define NIC_TX_REGS		9
#define NIC_MIN_DESCS		64
#define NIC_MAX_DESCS		4096
#define NIC_DEFAULT_DESCS	256

struct nic;
struct page_pool;
struct vfio_mediate_device;

/**
 * struct nic_ring - One direction of a queue
 * @desc:		The descriptors, in coherent memory.
 * @dma:		Where the device finds them.
 * @pages:		Receive: the page of each descriptor, NULL if it has none.
 * @tx:			Transmit: what is to be undone for each descriptor.
 * @count:		Number of descriptors.
 * @next_to_use:	The first one that the device does not own.
 * @next_to_clean:	The first one that the device has not given back.
 * @skb:		Receive: a frame of which the last buffer is still to come.
 * @discard:		Receive: the rest of the frame is not wanted.
 * @pool:		Receive: where @pages come from.
 * @syncp:		Of the counters below.
 * @packets:		Frames passed on, or sent.
 * @bytes:		Their bytes, without FCS.
 * @drops:		Receive: frames lost for want of memory or in error.
 */
struct nic_ring {
	union {
		void *desc;
		union nic_rx_desc *rx_desc;
		struct nic_tx_desc *tx_desc;
	};
	dma_addr_t dma;
	union {
		struct page **pages;
		struct nic_tx_buf *tx;
	};
	u16 count;
	u16 next_to_use;
	u16 next_to_clean;
	bool discard;
	struct sk_buff *skb;
	struct page_pool *pool;

	struct u64_stats_sync syncp;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t drops;
};

/**
 * struct nic_queue - A queue pair of the PF, with its interrupt and NAPI
 * @nic:	Whose.
 * @index:	Of the netdev's queues, of the interrupt vector and its bit in EIMS.
 * @hw:		The device's number of the queue.
 * @napi:	Cleans @tx, receives from @rx.
 * @rx:		Receive ring.
 * @tx:		Transmit ring.
 */
struct nic_queue {
	struct nic *nic;
	unsigned int index;
	unsigned int hw;
	struct napi_struct napi;
	struct nic_ring rx;
	struct nic_ring tx;
};

/**
 * struct nic_pool - What a pool receives and how
 * @mac:	Its addresses, the first being its own; zero if there is none.
 * @mac_seq:	When it took each of them, by &nic.last_mac_seq. If several pools have the same
 *		address, it belongs to the pool that took it last.
 * @guest:	Random ID of the guest that a VF serves, or served last. Two pools have
 *		the same ID only if the state of one was loaded into the other.
 * @mta:	Bits of the multicast table that it wants.
 * @max_frame:	Longest frame, with VLAN tag and FCS.
 * @port_vlan:	VLAN tag (VID and priority) of all its frames, or 0.
 * @vlan_strip:	Whether it takes part in VLANs, whose tags are then stripped.
 * @mc_promisc:	Wants all multicast frames.
 * @uc_promisc:	Wants unicast frames that are nobody's.
 * @suspended:	Its DMA is stopped. The administrator, or another pool of the same
 *		guest, may take its addresses.
 */
struct nic_pool {
	u8 mac[NIC_POOL_MACS][ETH_ALEN];
	u64 mac_seq[NIC_POOL_MACS];
	uuid_t guest;
	DECLARE_BITMAP(mta, NIC_MTA_BITS);
	u16 max_frame;
	u16 port_vlan;
	bool vlan_strip;
	bool mc_promisc;
	bool uc_promisc;
	bool suspended;
};

/**
 * struct nic_vf_stats - Counters of a VF
 * @rx_packets:		Frames received.
 * @tx_packets:		Frames sent.
 * @rx_bytes:		Bytes received.
 * @tx_bytes:		Bytes sent.
 * @multicast:		Multicast frames received.
 */
struct nic_vf_stats {
	u64 rx_packets;
	u64 tx_packets;
	u64 rx_bytes;
	u64 tx_bytes;
	u64 multicast;
};

/**
 * struct nic_vf - What the PF knows of a VF
 * @nic:	Its PF.
 * @dev:	What it is to vfio-mediate; NULL while no VMM has it open.
 * @stats:	Since the VF was made.
 * @last:	The 32-bit counters as they were read last.
 * @tx_rate:	Limit in Mb/s, or 0.
 * @admin_mac:	Its address was set by the administrator.
 * @spoofchk:	Frames with a source address or VLAN that is not its own are dropped.
 * @trusted:	May change an address set by the administrator; may be promiscuous.
 * @link_off:	The administrator has taken its link away.
 * @open:	A VMM has it open, and it is mediated.
 * @active:	Its driver has completed the reset handshake.
 * @stopped:	It may do no DMA, by nic_vf_stop().
 * @dma_idle:	Nor is any under way from before: what it has written is in memory. Read
 *		without a lock.
 * @frozen:	Neither is its mailbox served.
 * @rx_held:	Receives nothing for the moment, see nic_vf_hold_rx().
 * @masked_eims:	Its bits of EIMS, which are masked while it is @frozen.
 * @mbx_latched: What its driver is still to find in its mailbox: P2VMAILBOX_STS, _ACK.
 * @mbx_busy_since:	Since when its mailbox has not been to be had; 0 when it was the last time.
 * @notify_pending:	It is yet to be told how things stand, by the work item.
 * @reset_reply:	Its driver has said that it has reset the VF, and waits for the answer; the
 *		PF owns its mailbox.
 * @reset_unseen:	It was reset since its driver last said that it is there.
 * @notices:	Times that its driver will be told, unless it says so again.
 * @pci_state:	Its PCI configuration, while the PF is reset, or NULL.
 */
struct nic_vf {
	struct nic *nic;
	struct vfio_mediate_device *dev;
	struct nic_vf_stats stats;
	struct nic_vf_stats last;
	unsigned int tx_rate;
	bool admin_mac;
	bool spoofchk;
	bool trusted;
	bool link_off;
	bool open;
	bool active;
	bool stopped;
	bool dma_idle;
	bool frozen;
	bool rx_held;
	u32 masked_eims;
	u32 mbx_latched;
	ktime_t mbx_busy_since;
	bool notify_pending;
	bool reset_reply;
	bool reset_unseen;
	unsigned int notices;
	struct pci_saved_state *pci_state;
};

/**
 * struct nic - A PF
 * @pdev:		The PCI function.
 * @netdev:		Its network device.
 * @regs:		BAR 0.
 * @num_queues:		Queue pairs, of vectors 0 and up; the next vector is for the
 *			rest.
 * @queue:		The queue pairs.
 * @rx_default:		Registers of a receive queue that nobody has used yet.
 * @tx_default:		Those of a transmit queue.
 * @rx_descs:		Size of receive rings, from the next open on.
 * @tx_descs:		Size of transmit rings, likewise.
 * @opened:		The PF's rings exist. Not so, with the netdev up, after a reset for
 *			which there was no memory: a transmit timeout then tries again.
 * @wq:		Runs the work items below.
 * @service:		Watches the link and collects statistics.
 * @reset_work:		Resets the device after a transmit timeout.
 * @stats_lock:		Protects @hw_stats and the statistics of VFs.
 * @hw_stats:		Counters of the device, in the order of ethtool's strings.
 * @speed:		Of the link in Mb/s, or SPEED_UNKNOWN.
 * @filter_lock:	Protects @pool, the VLAN table and all registers that are
 *			made of them, VFRE and VFTE. Taken with bottom halves off.
 * @pool:		The pools: VFs, then the PF.
 * @last_mac_seq:		How often an address was taken.
 * @mta:		The multicast table, as it was written.
 * @uta_full:		All bits of the unicast table were written.
 * @vlan_id:		VLANs of VLVF.
 * @vlan_pools:		The pools in each, 0 if the entry is free.
 * @vf_lock:		Protects @vf, @num_vfs and the mailboxes. Sleeps.
 * @num_vfs:		VFs that exist.
 * @vf:			The VFs.
 * @mailbox_work:	Serves the mailboxes.
 * @debugfs:		Its directory there.
 * @removing:		The PF is being removed; its VFs are no longer mediated.
 */
struct nic {
	struct pci_dev *pdev;
	struct net_device *netdev;
	void __iomem *regs;
	unsigned int num_queues;
	struct nic_queue queue[NIC_MAX_QUEUES];
	u32 rx_default[NIC_RX_REGS];
	u32 tx_default[NIC_TX_REGS];
	u16 rx_descs;
	u16 tx_descs;
	bool opened;
	struct workqueue_struct *wq;
	struct delayed_work service;
	struct work_struct reset_work;

	spinlock_t stats_lock;		/* statistics */
	u64 *hw_stats;
	int speed;

	spinlock_t filter_lock;		/* what goes to which pool */
	struct nic_pool pool[NIC_NUM_POOLS];
	u64 last_mac_seq;
	u32 mta[NIC_MTA_BITS / 32];
	bool uta_full;
	u16 vlan_id[NIC_NUM_VLANS];
	u8 vlan_pools[NIC_NUM_VLANS];

	struct mutex vf_lock;		/* VFs and mailboxes */
	unsigned int num_vfs;
	struct nic_vf vf[NIC_MAX_VFS];
	struct work_struct mailbox_work;
	struct dentry *debugfs;
	bool removing;
};

static inline u32 nic_rd(const struct nic *nic, u32 reg)
{
	return readl(nic->regs + reg);
}

static inline void nic_wr(const struct nic *nic, u32 reg, u32 val)
{
	writel(val, nic->regs + reg);
}

/* A device that is gone, or in an error state, reads as ones. */
static inline bool nic_gone(const struct nic *nic)
{
	return PCI_POSSIBLE_ERROR(nic_rd(nic, STATUS));
}

/* Writes have reached the device when this returns. */
static inline void nic_flush(const struct nic *nic)
{
	nic_rd(nic, STATUS);
}

/* hw.c */
void nic_hw_reset(struct nic *nic);
void nic_hw_start(struct nic *nic);
void nic_hw_clear_vf(struct nic *nic, unsigned int n);
void nic_hw_release(struct nic *nic);
int nic_phy_read(struct nic *nic, unsigned int reg);
int nic_phy_write(struct nic *nic, unsigned int reg, u16 val);
int nic_phy_autoneg(struct nic *nic);
bool nic_read_link(struct nic *nic, int *speed, int *duplex);
unsigned int nic_num_hw_stats(void);
const char *nic_hw_stat_name(unsigned int i);
void nic_update_stats(struct nic *nic);
void nic_add_hw_stats(struct nic *nic, struct rtnl_link_stats64 *stats);

/* filter.c */
void nic_filters_init(struct nic *nic);
void nic_filters_write(struct nic *nic);
void nic_pool_reset(struct nic *nic, unsigned int pool);
void nic_pool_write(struct nic *nic, unsigned int pool);
int nic_pool_set_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac);
int nic_pool_request_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac);
int nic_pool_check_mac(struct nic *nic, unsigned int pool, const u8 *mac, const uuid_t *guest);
void nic_pool_set_guest(struct nic *nic, unsigned int pool, const uuid_t *guest);
void nic_pool_suspend(struct nic *nic, unsigned int pool);
int nic_pool_resume(struct nic *nic, unsigned int pool, bool back);
unsigned int nic_pool_num_vlans(struct nic *nic, unsigned int pool, u16 except);
int nic_pool_set_vlan(struct nic *nic, unsigned int pool, u16 vid, bool on);
int nic_pool_set_port_vlan(struct nic *nic, unsigned int pool, u16 tci);
void nic_pool_enable(struct nic *nic, unsigned int pool, bool rx, bool tx);
int nic_pool_drain(struct nic *nic, unsigned int pool, bool tx);
unsigned int nic_multicast_hash(const u8 *mac);

/* txrx.c */
int nic_rings_alloc(struct nic_queue *q);
void nic_rings_free(struct nic_queue *q);
void nic_queue_start(struct nic_queue *q);
void nic_queue_stop(struct nic_queue *q);
int nic_poll(struct napi_struct *napi, int budget);
netdev_tx_t nic_xmit(struct sk_buff *skb, struct net_device *netdev);

/* netdev.c */
extern const struct net_device_ops nic_netdev_ops;
int nic_open(struct net_device *netdev);
int nic_stop(struct net_device *netdev);

/* ethtool.c */
extern const struct ethtool_ops nic_ethtool_ops;

/* vf.c */
struct nic_vf *nic_lock_vf(struct nic *nic, int n);
void nic_vf_update_dma(struct nic *nic, unsigned int n);
void nic_vf_reset(struct nic *nic, unsigned int n, bool active);
void nic_vf_mask_irqs(struct nic *nic, unsigned int n);
void nic_vf_open(struct nic *nic, unsigned int n);
void nic_vf_close(struct nic *nic, unsigned int n);

/* vf_stop.c */
int nic_vf_stop(struct nic *nic, unsigned int n, bool freeze);
int nic_vf_start(struct nic *nic, unsigned int n);
int nic_vf_hold_rx(struct nic *nic, unsigned int n, bool on);

/* sriov.c */
int nic_sriov_configure(struct pci_dev *pdev, int num_vfs);
void nic_disable_sriov(struct nic *nic);
void nic_vfs_link_changed(struct nic *nic);
void nic_vfs_restart(struct nic *nic);
int nic_set_vf_mac(struct net_device *netdev, int n, u8 *mac);
int nic_set_vf_vlan(struct net_device *netdev, int n, u16 vlan, u8 qos, __be16 proto);
int nic_set_vf_rate(struct net_device *netdev, int n, int min_rate, int max_rate);
int nic_set_vf_spoofchk(struct net_device *netdev, int n, bool on);
int nic_set_vf_trust(struct net_device *netdev, int n, bool on);
int nic_set_vf_link_state(struct net_device *netdev, int n, int state);
int nic_get_vf_config(struct net_device *netdev, int n, struct ifla_vf_info *info);
int nic_get_vf_stats(struct net_device *netdev, int n, struct ifla_vf_stats *stats);

/* What a VF can be granted at all */
static inline bool nic_valid_vlan(u32 vid)
{
	return vid < VLAN_N_VID;
}

static inline bool nic_valid_frame(u32 size)
{
	return size >= ETH_ZLEN && size <= NIC_MAX_FRAME;
}

/* policy.c */
int nic_allow_mac(struct nic *nic, unsigned int n, const u8 *mac, bool own);
int nic_allow_vlans(struct nic *nic, unsigned int n, unsigned int count);
int nic_allow_promisc(struct nic *nic, unsigned int n);
int nic_grant_mac(struct nic *nic, unsigned int n, const u8 *mac);
int nic_grant_extra_mac(struct nic *nic, unsigned int n, const u8 *mac);
int nic_grant_multicast(struct nic *nic, unsigned int n, const unsigned long *mta);
int nic_grant_vlan(struct nic *nic, unsigned int n, u32 vid, bool on);
int nic_grant_vlan_strip(struct nic *nic, unsigned int n);
int nic_grant_max_frame(struct nic *nic, unsigned int n, u32 size);
int nic_grant_promisc(struct nic *nic, unsigned int n, bool multicast, bool unicast);

/* reset.c */
void nic_vfs_save_pci(struct nic *nic);
void nic_vfs_restore_pci(struct nic *nic);
void nic_vfs_state_lost(struct nic *nic);
void nic_vfs_was_reset(struct nic *nic);
void nic_vf_note_reset(struct nic *nic, unsigned int n, bool active);
void nic_vf_schedule_notices(struct nic *nic, unsigned int n);
void nic_vfs_notify(struct nic *nic);
void nic_vfs_send_notices(struct nic *nic);

/* mailbox.c */
void nic_mbx_reset(struct nic *nic, unsigned int n);
void nic_vf_notify(struct nic *nic, unsigned int n);
void nic_vf_send_reset_reply(struct nic *nic, unsigned int n);

/* requests.c */
bool nic_vf_handle_events(struct nic *nic, unsigned int n);
void nic_mailbox_work(struct work_struct *work);

/* mediate.c */
void nic_mediate_detach(struct nic *nic);
int nic_mediate_register(struct pci_driver *driver);
void nic_mediate_unregister(void);

/* debugfs.c */
void nic_debugfs_add(struct nic *nic);
void nic_debugfs_remove(struct nic *nic);
void nic_debugfs_init(void);
void nic_debugfs_exit(void);

#endif /* SAMPLE_NIC_NIC_H */
