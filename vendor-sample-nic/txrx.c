// SPDX-License-Identifier: GPL-2.0-only
/* Rings of the PF: memory, transmit, receive, NAPI. */

#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>

#include "nic.h"

/* A receive buffer is a page with room for the headroom and tailroom of build_skb(). */
#define NIC_RX_OFFSET		(NET_SKB_PAD + NET_IP_ALIGN)
#define NIC_RX_BUFFER		3072

/* A frame needs a context descriptor and one per part. One descriptor is never used. */
#define NIC_TX_NEEDED		(MAX_SKB_FRAGS + 3)

/*
 * The device pads frames that have at least this length. Do not pad them in software:
 * QEMU's model includes padding in the checksum.
 */
#define NIC_TX_SHORTEST		17

/**
 * struct nic_tx_buf - Mapping to undo when a descriptor is done
 * @dma:	DMA address of the mapping.
 * @len:	Length of the mapping, 0 for a context descriptor.
 * @last:	In the first descriptor of a frame: index of the last one.
 * @frag:	Mapped as a page.
 * @skb:	In the last descriptor of a frame: the frame.
 */
struct nic_tx_buf {
	DEFINE_DMA_UNMAP_ADDR(dma);
	DEFINE_DMA_UNMAP_LEN(len);
	u16 last;
	bool frag;
	struct sk_buff *skb;
};

static u16 nic_ring_next(const struct nic_ring *ring, u16 i)
{
	return i + 1 == ring->count ? 0 : i + 1;
}

/*
 * Return the number of descriptors that the driver may fill. Called at both ends of the
 * ring.
 */
static unsigned int nic_ring_free(const struct nic_ring *ring)
{
	int used = READ_ONCE(ring->next_to_use) - READ_ONCE(ring->next_to_clean);

	return ring->count - 1 - (used < 0 ? used + ring->count : used);
}

static void nic_ring_count(struct nic_ring *ring, unsigned int packets, unsigned int bytes)
{
	u64_stats_update_begin(&ring->syncp);
	u64_stats_add(&ring->packets, packets);
	u64_stats_add(&ring->bytes, bytes);
	u64_stats_update_end(&ring->syncp);
}

static int nic_ring_alloc(struct nic_queue *q, struct nic_ring *ring, u16 count, size_t item)
{
	ring->count = count;
	ring->next_to_use = 0;
	ring->next_to_clean = 0;
	ring->discard = false;

	ring->pages = kvcalloc(count, item, GFP_KERNEL);
	if (!ring->pages)
		return -ENOMEM;

	ring->desc = dma_alloc_coherent(&q->nic->pdev->dev, count * sizeof(struct nic_tx_desc),
					&ring->dma, GFP_KERNEL);
	if (!ring->desc) {
		kvfree(ring->pages);
		ring->pages = NULL;
		return -ENOMEM;
	}

	return 0;
}

static void nic_ring_free_memory(struct nic_queue *q, struct nic_ring *ring)
{
	dma_free_coherent(&q->nic->pdev->dev, ring->count * sizeof(struct nic_tx_desc),
			  ring->desc, ring->dma);
	kvfree(ring->pages);
	ring->desc = NULL;
	ring->pages = NULL;
}

/**
 * nic_rings_alloc() - Allocate the rings of a queue pair
 * @q:	The queue pair.
 *
 * Context: Process context, may sleep.
 * Return:
 * * 0: success.
 * * Negative errno: out of memory.
 */
int nic_rings_alloc(struct nic_queue *q)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.pool_size = q->nic->rx_descs,
		.nid = NUMA_NO_NODE,
		.dev = &q->nic->pdev->dev,
		.napi = &q->napi,
		.netdev = q->nic->netdev,
		.queue_idx = q->index,
		.dma_dir = DMA_FROM_DEVICE,
		.offset = NIC_RX_OFFSET,
		.max_len = NIC_RX_BUFFER,
	};
	int ret;

	BUILD_BUG_ON(NIC_RX_OFFSET + NIC_RX_BUFFER > SKB_WITH_OVERHEAD(PAGE_SIZE));

	ret = nic_ring_alloc(q, &q->tx, q->nic->tx_descs, sizeof(*q->tx.tx));
	if (ret)
		return ret;

	ret = nic_ring_alloc(q, &q->rx, q->nic->rx_descs, sizeof(*q->rx.pages));
	if (ret)
		goto free_tx;

	q->rx.pool = page_pool_create(&params);
	if (IS_ERR(q->rx.pool)) {
		ret = PTR_ERR(q->rx.pool);
		goto free_rx;
	}

	return 0;

free_rx:
	nic_ring_free_memory(q, &q->rx);
free_tx:
	nic_ring_free_memory(q, &q->tx);
	return ret;
}

static void nic_tx_unmap(struct nic_queue *q, struct nic_tx_buf *buf)
{
	struct device *dev = &q->nic->pdev->dev;

	if (!dma_unmap_len(buf, len))
		return;
	if (buf->frag)
		dma_unmap_page(dev, dma_unmap_addr(buf, dma), dma_unmap_len(buf, len),
			       DMA_TO_DEVICE);
	else
		dma_unmap_single(dev, dma_unmap_addr(buf, dma), dma_unmap_len(buf, len),
				 DMA_TO_DEVICE);
	dma_unmap_len_set(buf, len, 0);
}

/**
 * nic_rings_free() - Free the rings of a queue pair
 * @q:	The queue pair.
 *
 * Called once the device no longer uses them.
 *
 * Context: Process context, may sleep.
 */
void nic_rings_free(struct nic_queue *q)
{
	struct nic_ring *tx = &q->tx, *rx = &q->rx;
	u16 i;

	for (i = tx->next_to_clean; i != tx->next_to_use; i = nic_ring_next(tx, i)) {
		nic_tx_unmap(q, &tx->tx[i]);
		dev_kfree_skb_any(tx->tx[i].skb);
	}
	netdev_tx_reset_queue(netdev_get_tx_queue(q->nic->netdev, q->index));
	nic_ring_free_memory(q, tx);

	for (i = 0; i < rx->count; i++)
		if (rx->pages[i])
			page_pool_put_full_page(rx->pool, rx->pages[i], false);
	dev_kfree_skb_any(rx->skb);
	rx->skb = NULL;
	page_pool_destroy(rx->pool);
	nic_ring_free_memory(q, rx);
}

/* Give a page to each descriptor that has none. Return false if memory runs out. */
static bool nic_rx_refill(struct nic_queue *q)
{
	unsigned int free = nic_ring_free(&q->rx);
	struct nic_ring *ring = &q->rx;
	u16 i = ring->next_to_use;
	struct page *page;

	if (!free)
		return true;

	for (; free; free--) {
		page = page_pool_dev_alloc_pages(ring->pool);
		if (!page)
			break;
		ring->pages[i] = page;
		ring->rx_desc[i].read.pkt_addr =
			cpu_to_le64(page_pool_get_dma_addr(page) + NIC_RX_OFFSET);
		/* Clears RXD_DD. */
		ring->rx_desc[i].read.hdr_addr = 0;
		i = nic_ring_next(ring, i);
	}
	ring->next_to_use = i;
	nic_wr(q->nic, RDT(q->hw), i);

	return !free;
}

static void nic_write_ring(struct nic *nic, const struct nic_ring *ring, u32 base)
{
	nic_wr(nic, base, lower_32_bits(ring->dma));
	nic_wr(nic, base + RDBAH(0) - RDBAL(0), upper_32_bits(ring->dma));
	nic_wr(nic, base + RDLEN(0) - RDBAL(0), ring->count * sizeof(struct nic_tx_desc));
	nic_wr(nic, base + RDH(0) - RDBAL(0), 0);
	nic_wr(nic, base + RDT(0) - RDBAL(0), 0);
}

static void nic_wait_queue(struct nic *nic, u32 reg, u32 want)
{
	u32 val;

	if (read_poll_timeout(nic_rd, val, (val & XDCTL_ENABLE) == want, 20, 10000, false, nic,
			      reg))
		netdev_dbg(nic->netdev, "queue control register %#x is still %#x after 10 ms\n",
			   reg, val);
}

/**
 * nic_queue_start() - Enable a queue pair of the device
 * @q:	The queue pair.
 *
 * The rings are allocated, and the pool is not enabled.
 *
 * Context: Process context. The caller holds RTNL.
 */
void nic_queue_start(struct nic_queue *q)
{
	u32 ctl = FIELD_PREP(XDCTL_PTHRESH, 8) | FIELD_PREP(XDCTL_WTHRESH, 1) | XDCTL_ENABLE;
	struct nic *nic = q->nic;

	nic_write_ring(nic, &q->tx, TDBAL(q->hw));
	nic_wr(nic, TXDCTL(q->hw), ctl | FIELD_PREP(XDCTL_HTHRESH, 1));
	nic_wait_queue(nic, TXDCTL(q->hw), XDCTL_ENABLE);

	nic_write_ring(nic, &q->rx, RDBAL(q->hw));
	nic_wr(nic, SRRCTL(q->hw), SRRCTL_DESCTYPE_ADV | SRRCTL_DROP_EN |
	       FIELD_PREP(SRRCTL_BSIZEPACKET, NIC_RX_BUFFER / 1024));
	nic_wr(nic, RXDCTL(q->hw), ctl | FIELD_PREP(XDCTL_HTHRESH, 8));
	nic_wait_queue(nic, RXDCTL(q->hw), XDCTL_ENABLE);
	nic_rx_refill(q);
}

/**
 * nic_queue_stop() - Disable a queue pair of the device
 * @q:	The queue pair.
 *
 * NAPI and the transmit queue are stopped, and the pool does no DMA.
 *
 * Context: Process context. The caller holds RTNL.
 */
void nic_queue_stop(struct nic_queue *q)
{
	nic_wr(q->nic, TXDCTL(q->hw), 0);
	nic_wr(q->nic, RXDCTL(q->hw), 0);
	nic_wait_queue(q->nic, TXDCTL(q->hw), 0);
	nic_wait_queue(q->nic, RXDCTL(q->hw), 0);
}

static bool nic_tx_wants_csum(struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_PARTIAL;
}

/*
 * Fill the context descriptor, which has the checksum and the VLAN tag. It precedes the
 * data.
 */
static u16 nic_tx_context(struct nic_ring *ring, struct sk_buff *skb, u16 i)
{
	u32 type = TXD_DTYP_CTXT | TXD_DCMD_DEXT;
	u32 lens;

	lens = FIELD_PREP(TXD_CTXT_MACLEN, skb_network_offset(skb));
	if (skb_vlan_tag_present(skb))
		lens |= FIELD_PREP(TXD_CTXT_VLAN, skb_vlan_tag_get(skb));
	if (nic_tx_wants_csum(skb)) {
		lens |= FIELD_PREP(TXD_CTXT_IPLEN,
				   skb_checksum_start_offset(skb) - skb_network_offset(skb));
		if (skb->csum_offset == offsetof(struct tcphdr, check))
			type |= TXD_TUCMD_L4T_TCP;
		if (vlan_get_protocol(skb) == htons(ETH_P_IP))
			type |= TXD_TUCMD_IPV4;
	}

	ring->tx_desc[i].addr = cpu_to_le64(lens);
	ring->tx_desc[i].cmd_type_len = cpu_to_le32(type);
	ring->tx_desc[i].olinfo_status = 0;

	return nic_ring_next(ring, i);
}

/* Map the frame, from descriptor i on. Return its last descriptor, or a negative errno. */
static int nic_tx_map(struct nic_queue *q, struct sk_buff *skb, u16 i, u32 cmd, u32 olinfo)
{
	struct device *dev = &q->nic->pdev->dev;
	unsigned int len = skb_headlen(skb), f;
	struct nic_ring *ring = &q->tx;
	u16 first = i, last = i;
	dma_addr_t dma;

	dma = dma_map_single(dev, skb->data, len, DMA_TO_DEVICE);
	for (f = 0;; f++) {
		if (dma_mapping_error(dev, dma))
			goto unmap;
		ring->tx[i].frag = f;
		dma_unmap_addr_set(&ring->tx[i], dma, dma);
		dma_unmap_len_set(&ring->tx[i], len, len);
		ring->tx_desc[i].addr = cpu_to_le64(dma);
		ring->tx_desc[i].cmd_type_len = cpu_to_le32(cmd | len);
		ring->tx_desc[i].olinfo_status = cpu_to_le32(olinfo);
		last = i;
		i = nic_ring_next(ring, i);
		if (f == skb_shinfo(skb)->nr_frags)
			break;
		len = skb_frag_size(&skb_shinfo(skb)->frags[f]);
		dma = skb_frag_dma_map(dev, &skb_shinfo(skb)->frags[f], 0, len, DMA_TO_DEVICE);
	}
	ring->tx_desc[last].cmd_type_len |= cpu_to_le32(TXD_DCMD_EOP | TXD_DCMD_RS);

	return last;

unmap:
	for (; first != i; first = nic_ring_next(ring, first))
		nic_tx_unmap(q, &ring->tx[first]);
	return -ENOMEM;
}

/**
 * nic_xmit() - Send a frame
 * @skb:	The frame.
 * @netdev:	The PF's network device.
 *
 * Context: Callback of nic_netdev_ops. The transmit queue is locked.
 * Return:
 * * NETDEV_TX_OK: sent or dropped.
 * * NETDEV_TX_BUSY: the ring is full.
 */
netdev_tx_t nic_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct netdev_queue *txq = skb_get_tx_queue(netdev, skb);
	u32 cmd = TXD_DTYP_DATA | TXD_DCMD_IFCS | TXD_DCMD_DEXT;
	struct nic *nic = netdev_priv(netdev);
	struct nic_queue *q = &nic->queue[skb_get_queue_mapping(skb)];
	struct nic_ring *ring = &q->tx;
	u16 first = ring->next_to_use;
	u32 olinfo;
	int last;
	u16 i;

	if (nic_ring_free(ring) < NIC_TX_NEEDED) {
		netif_tx_stop_queue(txq);
		return NETDEV_TX_BUSY;
	}
	if (skb_put_padto(skb, NIC_TX_SHORTEST))
		goto dropped;

	i = first;
	olinfo = FIELD_PREP(TXD_PAYLEN, skb->len);
	if (skb_vlan_tag_present(skb))
		cmd |= TXD_DCMD_VLE;
	if (nic_tx_wants_csum(skb))
		olinfo |= TXD_POPTS_TXSM;
	if (skb_vlan_tag_present(skb) || nic_tx_wants_csum(skb))
		i = nic_tx_context(ring, skb, i);

	last = nic_tx_map(q, skb, i, cmd, olinfo);
	if (last < 0) {
		dev_core_stats_tx_dropped_inc(netdev);
		dev_kfree_skb_any(skb);
		goto dropped;
	}
	ring->tx[first].last = last;
	ring->tx[last].skb = skb;

	/* Pairs with nic_clean_tx(): the frame is in the ring before the index includes it. */
	smp_store_release(&ring->next_to_use, nic_ring_next(ring, last));
	skb_tx_timestamp(skb);
	netif_txq_maybe_stop(txq, nic_ring_free(ring), NIC_TX_NEEDED, 2 * NIC_TX_NEEDED);
	if (__netdev_tx_sent_queue(txq, skb->len, netdev_xmit_more()))
		nic_wr(nic, TDT(q->hw), ring->next_to_use);

	return NETDEV_TX_OK;

dropped:
	/* The frames before this one may rely on its doorbell. */
	if (!netdev_xmit_more())
		nic_wr(nic, TDT(q->hw), ring->next_to_use);
	return NETDEV_TX_OK;
}

static void nic_clean_tx(struct nic_queue *q, int budget)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	unsigned int packets = 0, bytes = 0;
	struct nic_ring *ring = &q->tx;
	u16 i = ring->next_to_clean;
	u16 last;

	/* Pairs with nic_xmit(). */
	while (i != smp_load_acquire(&ring->next_to_use)) {
		last = ring->tx[i].last;
		if (!(READ_ONCE(ring->tx_desc[last].olinfo_status) & cpu_to_le32(TXD_DD)))
			break;

		packets++;
		bytes += ring->tx[last].skb->len;
		napi_consume_skb(ring->tx[last].skb, budget);
		ring->tx[last].skb = NULL;
		for (; i != nic_ring_next(ring, last); i = nic_ring_next(ring, i))
			nic_tx_unmap(q, &ring->tx[i]);
		WRITE_ONCE(ring->next_to_clean, i);
	}

	nic_ring_count(ring, packets, bytes);
	netif_txq_completed_wake(txq, packets, bytes, nic_ring_free(ring), 2 * NIC_TX_NEEDED);
}

/* Add a buffer to the frame that is being received. Return false if that fails. */
static bool nic_rx_add(struct nic_ring *ring, struct page *page, unsigned int len)
{
	struct sk_buff *skb = ring->skb;

	if (skb) {
		if (skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS)
			return false;
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, NIC_RX_OFFSET, len,
				PAGE_SIZE);
		return true;
	}

	skb = napi_build_skb(page_address(page), PAGE_SIZE);
	if (!skb)
		return false;
	skb_mark_for_recycle(skb);
	skb_reserve(skb, NIC_RX_OFFSET);
	__skb_put(skb, len);
	ring->skb = skb;

	return true;
}

static void nic_rx_finish(struct nic_queue *q, const union nic_rx_desc *desc, u32 status)
{
	struct net_device *netdev = q->nic->netdev;
	struct sk_buff *skb = q->rx.skb;
	bool discard = q->rx.discard;

	q->rx.skb = NULL;
	q->rx.discard = false;
	if (discard || (status & RXD_RXE)) {
		dev_kfree_skb_any(skb);
		u64_stats_update_begin(&q->rx.syncp);
		u64_stats_inc(&q->rx.drops);
		u64_stats_update_end(&q->rx.syncp);
		return;
	}

	if ((netdev->features & NETIF_F_RXCSUM) && (status & (RXD_L4CS | RXD_UDPCS)) &&
	    !(status & (RXD_L4E | RXD_IPE)))
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (status & RXD_VP)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), le16_to_cpu(desc->wb.vlan));
	skb_record_rx_queue(skb, q->index);
	nic_ring_count(&q->rx, 1, skb->len);
	skb->protocol = eth_type_trans(skb, netdev);
	napi_gro_receive(&q->napi, skb);
}

static int nic_clean_rx(struct nic_queue *q, int budget)
{
	struct nic_ring *ring = &q->rx;
	union nic_rx_desc *desc;
	struct page *page;
	int done = 0;
	u32 status;
	u16 len, i;

	while (done < budget && ring->next_to_clean != ring->next_to_use) {
		i = ring->next_to_clean;
		desc = &ring->rx_desc[i];
		status = le32_to_cpu(READ_ONCE(desc->wb.status_error));
		if (!(status & RXD_DD))
			break;

		/* Read the rest of the descriptor after RXD_DD. */
		dma_rmb();
		len = min_t(u16, le16_to_cpu(desc->wb.length), NIC_RX_BUFFER);
		page = ring->pages[i];
		ring->pages[i] = NULL;
		page_pool_dma_sync_for_cpu(ring->pool, page, 0, len);
		if (ring->discard || !nic_rx_add(ring, page, len)) {
			page_pool_put_full_page(ring->pool, page, true);
			ring->discard = true;
		}
		ring->next_to_clean = nic_ring_next(ring, i);

		if (status & RXD_EOP) {
			nic_rx_finish(q, desc, status);
			done++;
		}
	}

	return done;
}

/**
 * nic_poll() - Clean the rings of a queue pair
 * @napi:	&nic_queue.napi.
 * @budget:	Limit of received frames.
 *
 * Context: Softirq, NAPI.
 * Return: Number of received frames, or @budget to be polled again.
 */
int nic_poll(struct napi_struct *napi, int budget)
{
	struct nic_queue *q = container_of(napi, struct nic_queue, napi);
	int done;

	nic_clean_tx(q, budget);
	if (!budget)
		return 0;
	done = nic_clean_rx(q, budget);

	/* Without buffers there is no interrupt: poll again. */
	if (!nic_rx_refill(q))
		done = budget;
	if (done < budget && napi_complete_done(napi, done))
		nic_wr(q->nic, EIMS, BIT(q->index));

	return done;
}
