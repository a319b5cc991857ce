// SPDX-License-Identifier: GPL-2.0-only
/* Network device of the PF */

#include <linux/interrupt.h>

#include "nic.h"

static irqreturn_t nic_queue_irq(int irq, void *data)
{
	struct nic_queue *q = data;

	napi_schedule(&q->napi);

	return IRQ_HANDLED;
}

static void nic_queue_close(struct nic_queue *q)
{
	free_irq(pci_irq_vector(q->nic->pdev, q->index), q);
	nic_rings_free(q);
}

static int nic_queue_open(struct nic_queue *q)
{
	int irq = pci_irq_vector(q->nic->pdev, q->index);
	int ret;

	ret = nic_rings_alloc(q);
	if (ret)
		return ret;

	ret = request_irq(irq, nic_queue_irq, 0, netdev_name(q->nic->netdev), q);
	if (ret) {
		nic_rings_free(q);
		return ret;
	}
	netif_napi_set_irq(&q->napi, irq);

	return 0;
}

/**
 * nic_open() - Start the traffic of the PF
 * @netdev:	The PF's network device.
 *
 * Called when the link is set up, and to restart traffic.
 *
 * Context: Process context, may sleep. The caller holds RTNL.
 * Return:
 * * 0: success.
 * * Negative errno: out of memory or interrupts.
 */
int nic_open(struct net_device *netdev)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i;
	int ret;

	for (i = 0; i < nic->num_queues; i++) {
		ret = nic_queue_open(&nic->queue[i]);
		if (ret)
			goto close;
	}

	for (i = 0; i < nic->num_queues; i++) {
		nic_queue_start(&nic->queue[i]);
		napi_enable(&nic->queue[i].napi);
	}
	nic_pool_enable(nic, NIC_PF_POOL, true, true);
	nic_wr(nic, EIMS, GENMASK(nic->num_queues - 1, 0));
	nic->opened = true;
	netif_tx_start_all_queues(netdev);
	mod_delayed_work(nic->wq, &nic->service, 0);

	return 0;

close:
	while (i--)
		nic_queue_close(&nic->queue[i]);
	return ret;
}

/**
 * nic_stop() - Stop the traffic of the PF
 * @netdev:	The PF's network device.
 *
 * Called when the link is set down, and before a reset. VFs are not affected.
 *
 * Context: Process context, may sleep. The caller holds RTNL.
 * Return: Always 0.
 */
int nic_stop(struct net_device *netdev)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i;
	int ret;

	if (!nic->opened)
		return 0;

	/* Stop NAPI, which may wake transmit queues, then these queues, then the device. */
	nic_wr(nic, EIMC, GENMASK(nic->num_queues - 1, 0));
	for (i = 0; i < nic->num_queues; i++)
		napi_disable(&nic->queue[i].napi);
	netif_tx_disable(netdev);

	nic_pool_enable(nic, NIC_PF_POOL, false, false);
	ret = nic_pool_drain(nic, NIC_PF_POOL, true);
	if (ret)
		netdev_warn(netdev, "DMA does not stop: %pe; disabling the queues\n", ERR_PTR(ret));
	for (i = 0; i < nic->num_queues; i++) {
		nic_queue_stop(&nic->queue[i]);
		nic_queue_close(&nic->queue[i]);
	}
	nic->opened = false;

	return 0;
}

static void nic_set_rx_mode(struct net_device *netdev)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_pool *pool = &nic->pool[NIC_PF_POOL];
	u8 mac[NIC_POOL_MACS][ETH_ALEN] = {};
	struct netdev_hw_addr *ha;
	unsigned int i = 1;
	bool promisc;

	promisc = netdev->flags & IFF_PROMISC || netdev_uc_count(netdev) >= NIC_POOL_MACS;
	if (!promisc)
		netdev_for_each_uc_addr(ha, netdev)
			ether_addr_copy(mac[i++], ha->addr);
	for (i = 1; i < NIC_POOL_MACS; i++)
		if (nic_pool_set_mac(nic, NIC_PF_POOL, i, mac[i]))
			promisc = true;

	spin_lock_bh(&nic->filter_lock);
	bitmap_zero(pool->mta, NIC_MTA_BITS);
	netdev_for_each_mc_addr(ha, netdev)
		__set_bit(nic_multicast_hash(ha->addr), pool->mta);
	pool->mc_promisc = promisc || netdev->flags & IFF_ALLMULTI;
	pool->uc_promisc = promisc;
	nic_pool_write(nic, NIC_PF_POOL);
	spin_unlock_bh(&nic->filter_lock);
}

static int nic_set_mac_address(struct net_device *netdev, void *addr)
{
	struct nic *nic = netdev_priv(netdev);
	struct sockaddr *sa = addr;
	int ret;

	ret = eth_prepare_mac_addr_change(netdev, addr);
	if (ret)
		return ret;

	ret = nic_pool_set_mac(nic, NIC_PF_POOL, 0, sa->sa_data);
	if (!ret)
		eth_commit_mac_addr_change(netdev, addr);

	return ret;
}

/* A frame may take several receive buffers: only the filter has to know. */
static int nic_change_mtu(struct net_device *netdev, int mtu)
{
	struct nic *nic = netdev_priv(netdev);

	spin_lock_bh(&nic->filter_lock);
	nic->pool[NIC_PF_POOL].max_frame = mtu + NIC_HEADERS;
	nic_pool_write(nic, NIC_PF_POOL);
	spin_unlock_bh(&nic->filter_lock);
	WRITE_ONCE(netdev->mtu, mtu);

	return 0;
}

static int nic_vlan_rx_add_vid(struct net_device *netdev, __be16 proto, u16 vid)
{
	return nic_pool_set_vlan(netdev_priv(netdev), NIC_PF_POOL, vid, true);
}

static int nic_vlan_rx_kill_vid(struct net_device *netdev, __be16 proto, u16 vid)
{
	return nic_pool_set_vlan(netdev_priv(netdev), NIC_PF_POOL, vid, false);
}

static void nic_get_stats64(struct net_device *netdev, struct rtnl_link_stats64 *stats)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i, start;
	u64 packets, bytes;

	for (i = 0; i < nic->num_queues; i++) {
		struct nic_ring *rx = &nic->queue[i].rx, *tx = &nic->queue[i].tx;

		do {
			start = u64_stats_fetch_begin(&rx->syncp);
			packets = u64_stats_read(&rx->packets);
			bytes = u64_stats_read(&rx->bytes);
		} while (u64_stats_fetch_retry(&rx->syncp, start));
		stats->rx_packets += packets;
		stats->rx_bytes += bytes;
		stats->rx_dropped += u64_stats_read(&rx->drops);

		do {
			start = u64_stats_fetch_begin(&tx->syncp);
			packets = u64_stats_read(&tx->packets);
			bytes = u64_stats_read(&tx->bytes);
		} while (u64_stats_fetch_retry(&tx->syncp, start));
		stats->tx_packets += packets;
		stats->tx_bytes += bytes;
	}
	nic_add_hw_stats(nic, stats);
}

static void nic_tx_timeout(struct net_device *netdev, unsigned int txqueue)
{
	struct nic *nic = netdev_priv(netdev);

	queue_work(nic->wq, &nic->reset_work);
}

const struct net_device_ops nic_netdev_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_xmit,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_rx_mode = nic_set_rx_mode,
	.ndo_set_mac_address = nic_set_mac_address,
	.ndo_change_mtu = nic_change_mtu,
	.ndo_vlan_rx_add_vid = nic_vlan_rx_add_vid,
	.ndo_vlan_rx_kill_vid = nic_vlan_rx_kill_vid,
	.ndo_get_stats64 = nic_get_stats64,
	.ndo_tx_timeout = nic_tx_timeout,
	.ndo_set_vf_mac = nic_set_vf_mac,
	.ndo_set_vf_vlan = nic_set_vf_vlan,
	.ndo_set_vf_rate = nic_set_vf_rate,
	.ndo_set_vf_spoofchk = nic_set_vf_spoofchk,
	.ndo_set_vf_trust = nic_set_vf_trust,
	.ndo_set_vf_link_state = nic_set_vf_link_state,
	.ndo_get_vf_config = nic_get_vf_config,
	.ndo_get_vf_stats = nic_get_vf_stats,
};
