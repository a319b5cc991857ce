/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types and functions shared by the files of sample_nic.
 *
 * The device has eight pools of two queue pairs each. Pool n has the queues n and n + 8. VF
 * n is pool n. The last pool always belongs to the PF, so that creating VFs does not move
 * the PF's queues. The device runs from probe to remove. Closing the netdev stops the PF's
 * pool only.
 *
 * Lock order: RTNL, vf_lock, filter_lock. The netdev's address lock is taken outside
 * filter_lock.
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
#define NIC_POOL_MACS		3	/* the device has 24 receive addresses */
#define NIC_NUM_VLANS		32
#define NIC_POOL_VLANS		4	/* limit of a VF that is not trusted */
#define NIC_MTA_BITS		4096
#define NIC_POOL_HASHES		30	/* limit of a mailbox message */
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
struct vfio_pci_mediate_ops;

/**
 * struct nic_ring - One direction of a queue pair
 * @desc:		Descriptors, in coherent memory.
 * @rx_desc:		Receive: @desc.
 * @tx_desc:		Transmit: @desc.
 * @dma:		DMA address of @desc.
 * @pages:		Receive: page of each descriptor, or NULL.
 * @tx:			Transmit: mappings to undo when a descriptor is done.
 * @count:		Number of descriptors.
 * @next_to_use:	First descriptor that the device does not own.
 * @next_to_clean:	First descriptor that the device has not written back.
 * @skb:		Receive: frame whose last buffer has not arrived yet.
 * @discard:		Receive: drop the rest of the frame.
 * @pool:		Receive: page pool of @pages.
 * @syncp:		Protects the counters below.
 * @packets:		Frames received or sent.
 * @bytes:		Bytes of @packets, without FCS.
 * @drops:		Receive: frames dropped because of an error or lack of memory.
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
 * @nic:	The PF.
 * @index:	Index of the netdev's queue, of the vector and of its bit in EIMS.
 * @hw:		Number of the queue in the device.
 * @napi:	Cleans @tx and receives from @rx.
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
 * struct nic_pool - Receive filters of a pool
 * @mac:	Addresses. The first one is the pool's own. Zero: unused.
 * @guest:	Random ID of the guest that a VF serves, or served last. Two pools have the
 *		same ID only if the state of one was loaded into the other.
 * @mta:	Bits of the multicast table that the pool needs.
 * @max_frame:	Longest frame, with VLAN tag and FCS.
 * @port_vlan:	VLAN tag (VID and priority) of all its frames, or 0. Set by the
 *		administrator.
 * @vlan_strip:	Strip VLAN tags. Set once the pool has joined a VLAN.
 * @mc_promisc:	Receive all multicast frames.
 * @uc_promisc:	Receive unicast frames that no address matches.
 * @waiting:	Another pool keeps one of its addresses. Until it does no more, the pool is @idle,
 *		and keeps none of its addresses from others.
 * @idle:	No driver has completed the reset handshake of the VF, or the VF is stopped. Frames
 *		for its addresses go to the wire: its guest may run elsewhere. Another pool of the
 *		same guest may have them, and run instead.
 */
struct nic_pool {
	u8 mac[NIC_POOL_MACS][ETH_ALEN];
	uuid_t guest;
	DECLARE_BITMAP(mta, NIC_MTA_BITS);
	u16 max_frame;
	u16 port_vlan;
	bool vlan_strip;
	bool mc_promisc;
	bool uc_promisc;
	bool waiting;
	bool idle;
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
 * struct nic_vf - The PF's state of a VF
 * @nic:		The PF.
 * @dev:		The VF's handle in vfio-mediate, or NULL if it is not open, or not
 *			mediated.
 * @stats:		Counters since the VF was created.
 * @last:		32-bit counters of the device, as last read.
 * @tx_rate:		Transmit limit in Mb/s, or 0.
 * @admin_mac:		Address that the administrator has set, or zero.
 * @spoofchk:		Drop frames whose source address or VLAN is not the VF's own.
 * @trusted:		May change an address set by the administrator. May be promiscuous.
 * @link_off:		The administrator has forced the link down.
 * @active:		The VF's driver has completed the reset handshake.
 * @stopped:		DMA is stopped, see nic_vf_stop(). Protected by vf_lock, read without.
 * @frozen:		The mailbox is not handled, and interrupts are masked.
 * @rx_held:		Reception is held, because the VF is being tracked.
 * @masked_eims:	Bits of EIMS to set again when the VF is no longer @frozen.
 * @mbx_unread:		Mailbox events to show the VF's driver when the VF is no longer @frozen:
 *			P2VMAILBOX_STS and P2VMAILBOX_ACK.
 * @mbx_busy_since:	Time since when the VF owns the mailbox, or 0.
 * @notify_pending:	The work item is to call nic_vf_notify().
 * @reset_unseen:	The VF was reset after its driver's last reset handshake.
 * @notices:		Number of notices of a reset still to be sent, unless the driver
 *			completes a reset handshake.
 * @pci_state:		PCI configuration of the VF while the PF is reset, or NULL.
 */
struct nic_vf {
	struct nic *nic;
	struct vfio_mediate_device *dev;
	struct nic_vf_stats stats;
	struct nic_vf_stats last;
	unsigned int tx_rate;
	u8 admin_mac[ETH_ALEN];
	bool spoofchk;
	bool trusted;
	bool link_off;
	bool active;
	bool stopped;
	bool frozen;
	bool rx_held;
	u32 masked_eims;
	u32 mbx_unread;
	ktime_t mbx_busy_since;
	bool notify_pending;
	bool reset_unseen;
	unsigned int notices;
	struct pci_saved_state *pci_state;
};

/**
 * struct nic - A PF
 * @pdev:		The PCI function.
 * @netdev:		The network device.
 * @regs:		BAR 0.
 * @num_queues:		Number of queue pairs. Their vectors are 0 and up. The next vector
 *			is for all other events.
 * @queue:		Queue pairs.
 * @rx_default:		Registers of a receive queue after a reset.
 * @tx_default:		Registers of a transmit queue after a reset.
 * @rx_descs:		Size of the receive rings at the next open.
 * @tx_descs:		Size of the transmit rings at the next open.
 * @opened:		The PF's rings exist. They do not, although the netdev is up, if a
 *			reset failed for lack of memory. A transmit timeout then tries
 *			again.
 * @wq:			Workqueue of the work items below.
 * @service:		Watches the link, collects statistics, and sends notices of resets.
 * @reset_work:		Resets the device after a transmit timeout.
 * @stats_lock:		Protects @hw_stats and the statistics of VFs.
 * @hw_stats:		Counters of the device, in the order of ethtool's strings.
 * @speed:		Speed of the link in Mb/s, or SPEED_UNKNOWN.
 * @filter_lock:	Protects @pool, the VLAN table, all registers that are programmed
 *			from them, VFRE and VFTE. Taken with bottom halves disabled. Inside
 *			vf_lock.
 * @pool:		Pools: VFs, then the PF.
 * @mta:		Multicast table, as last written.
 * @uta_full:		All bits of the unicast table are set.
 * @vlan_id:		VLAN of each VLVF register.
 * @vlan_pools:		Pools in each of these VLANs, 0 if the entry is free.
 * @vf_lock:		Protects @vf, @num_vfs and the mailboxes. Inside RTNL.
 * @num_vfs:		Number of VFs that exist.
 * @vf:			The VFs.
 * @mailbox_work:	Handles the events of VFs.
 * @removing:		The PF is being removed. VFs are not mediated any more.
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

	spinlock_t stats_lock;		/* hw_stats, statistics of VFs */
	u64 *hw_stats;
	int speed;

	spinlock_t filter_lock;		/* pools, VLANs and their registers */
	struct nic_pool pool[NIC_NUM_POOLS];
	u32 mta[NIC_MTA_BITS / 32];
	bool uta_full;
	u16 vlan_id[NIC_NUM_VLANS];
	u8 vlan_pools[NIC_NUM_VLANS];

	struct mutex vf_lock;		/* VFs and mailboxes */
	unsigned int num_vfs;
	struct nic_vf vf[NIC_MAX_VFS];
	struct work_struct mailbox_work;
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

/* Is the device gone, or in an error state? It then reads as all ones. */
static inline bool nic_gone(const struct nic *nic)
{
	return PCI_POSSIBLE_ERROR(nic_rd(nic, STATUS));
}

/* Flush posted writes to the device. */
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
void nic_pool_reset(struct nic *nic, unsigned int pool, const u8 *mac);
void nic_pool_write(struct nic *nic, unsigned int pool);
int nic_pool_set_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac);
int nic_pool_request_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac);
int nic_pool_set_idle(struct nic *nic, unsigned int pool, bool idle);
void nic_pool_set_guest(struct nic *nic, unsigned int pool, const uuid_t *guest);
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

/* May the VF send and receive? The caller holds vf_lock. */
static inline bool nic_vf_is_on(const struct nic_vf *vf)
{
	return vf->active && !vf->link_off && !vf->stopped;
}

/* vf.c */
struct nic_vf *nic_lock_vf(struct nic *nic, int n);

/* Number of a VF */
static inline unsigned int nic_vf_id(const struct nic_vf *vf)
{
	return vf - vf->nic->vf;
}

int nic_vf_update(struct nic *nic, unsigned int n);
void nic_vf_reset(struct nic *nic, unsigned int n, bool active);
void nic_vf_init(struct nic *nic, unsigned int n);

/* vf_stop.c */
int nic_vf_stop(struct nic_vf *vf, bool freeze);
int nic_vf_start(struct nic_vf *vf);
/* Symbol namespace of these two, for a test. A string since Linux 6.13. */
#ifdef COMPAT_HAS_UNQUOTED_NS
#define NIC_TEST_NS	SAMPLE_NIC_TEST
#else
#define NIC_TEST_NS	"SAMPLE_NIC_TEST"
#endif

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

/* Limits of any VF */
static inline bool nic_valid_vlan(u32 vid)
{
	return vid < VLAN_N_VID;
}

static inline bool nic_valid_frame(u32 size)
{
	return size >= ETH_ZLEN && size <= NIC_MAX_FRAME;
}

/* policy.c */
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
extern const struct vfio_pci_mediate_ops nic_mediate_ops;
int nic_mediate_register(struct pci_driver *driver);

#endif /* SAMPLE_NIC_NIC_H */
