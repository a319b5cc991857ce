// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFs: made and unmade, what the administrator sets for them by iproute2, and
 * their DMA.
 */

#include <linux/ethtool.h>
#include <linux/slab.h>

#include "nic.h"

/* The VF, with vf_lock held; NULL if there is none of that number. */
static struct nic_vf *nic_lock_vf(struct nic *nic, int n)
{
	mutex_lock(&nic->vf_lock);
	if (n >= 0 && n < nic->num_vfs)
		return &nic->vf[n];

	mutex_unlock(&nic->vf_lock);
	return NULL;
}

/* What a VF is denied by the transmit path, and the switch between pools. */
static void nic_write_dtxswc(struct nic *nic)
{
	u32 dtxswc = 0;
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++)
		if (nic->vf[n].spoofchk)
			dtxswc |= DTXSWC_MAC_SPOOF(n) | DTXSWC_VLAN_SPOOF(n);
	if (nic->num_vfs)
		dtxswc |= DTXSWC_LOOPBACK_EN;
	nic_wr(nic, DTXSWC, dtxswc);
}

static void nic_write_rate(struct nic *nic, unsigned int n)
{
	unsigned int rate = nic->vf[n].tx_rate;
	unsigned int q;
	u32 val = 0;

	if (rate && nic->speed > 0 && rate < nic->speed)
		val = RTTBCNRC_RS_ENA |
		      FIELD_PREP(RTTBCNRC_RF, (nic->speed << RTTBCNRC_RF_SHIFT) / rate);

	/* Of each queue of the pool */
	for (q = n; q < 2 * NIC_NUM_POOLS; q += NIC_NUM_POOLS) {
		nic_wr(nic, RTTDQSEL, q);
		nic_wr(nic, RTTBCNRM, RTTBCNRM_JUMBO);
		nic_wr(nic, RTTBCNRC, val);
	}
}

static void nic_vf_write_dma(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	bool on = vf->active && !vf->link_off && !vf->stopped;

	if (!vf->stopped)
		WRITE_ONCE(vf->quiet, false);
	nic_pool_enable(nic, n, on && !vf->held, on);
}

/**
 * nic_vf_reset() - A VF was reset, or its driver says that it is there
 * @nic:	The PF.
 * @n:		The VF.
 * @active:	The latter.
 *
 * Context: vf_lock is held.
 */
void nic_vf_reset(struct nic *nic, unsigned int n, bool active)
{
	static const u8 none[ETH_ALEN];
	struct nic_vf *vf = &nic->vf[n];

	nic_vf_note_reset(nic, n, active);
	nic_pool_reset(nic, n);
	if (!active && !vf->admin_mac)
		nic_pool_set_mac(nic, n, 0, none);
	/* While it was stopped, another VF may have come with its address. */
	if (!vf->stopped && nic_pool_resume(nic, n, false))
		active = false;
	vf->active = active;
	vf->unmasked = 0;
	vf->mailbox = 0;
	nic_vf_write_dma(nic, n);
}

/* The link has changed: rates are fractions of its speed. Context: vf_lock is held. */
void nic_vfs_link(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++) {
		nic_write_rate(nic, n);
		nic_vf_notify(nic, n);
	}
}

/* The device was reset, and its VFs with it. Context: vf_lock is held. */
void nic_vfs_restart(struct nic *nic)
{
	unsigned int n;

	nic_write_dtxswc(nic);
	for (n = 0; n < nic->num_vfs; n++) {
		/* The mailbox is as after a reset, too. */
		nic->vf[n].answer = false;
		nic_vf_reset(nic, n, false);
		nic_vf_begin_news(nic, n);
	}
	nic_vfs_link(nic);
}

/**
 * nic_vf_mask() - Mask the vectors of a VF until its mailbox is served again
 * @nic:	The PF.
 * @n:		The VF.
 *
 * Context: vf_lock is held.
 */
void nic_vf_mask(struct nic *nic, unsigned int n)
{
	nic->vf[n].unmasked |= nic_rd(nic, EIMS) & EIMS_VF(n);
	nic_wr(nic, EIMC, EIMS_VF(n));
}

/* Serve the mailbox again. What the VF's driver has not seen yet, it finds again. */
static void nic_thaw(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->frozen = false;
	nic_wr(nic, EIMS, vf->unmasked);
	vf->unmasked = 0;
	if (vf->mailbox)
		nic_wr(nic, P2VMAILBOX(n), vf->mailbox);
	else if (vf->active)
		vf->untold = true;	/* told by the work item, as its guest waits to run */
	vf->mailbox = 0;
	if (vf->news)
		nic_vfs_announce(nic);
	queue_work(nic->wq, &nic->mailbox_work);
}

/* Restore what nic_vf_stop() has changed. */
static int nic_vf_unstop(struct nic *nic, unsigned int n, bool stopped, bool frozen)
{
	struct nic_vf *vf = &nic->vf[n];

	if (vf->frozen && !frozen)
		nic_thaw(nic, n);
	else if (!vf->frozen && frozen)
		nic_vf_mask(nic, n);
	vf->frozen = frozen;
	if (stopped)
		return 0;
	if (nic_pool_resume(nic, n, true))
		return -ENOTRECOVERABLE;

	vf->stopped = false;
	nic_vf_write_dma(nic, n);

	return 0;
}

/**
 * nic_vf_stop() - Stop a VF's DMA
 * @nic:	The PF.
 * @n:		The VF.
 * @freeze:	Nor is its mailbox served any more, nor an interrupt raised, from now on.
 *
 * Whatever its driver does, resets included, until nic_vf_start(). What it had queued
 * to be sent is sent then; frames for it are dropped in the meantime, unless another
 * VF comes with its address and gets them. What it has sent itself before, and what it
 * has received, is in memory when this returns.
 *
 * Context: Process context, sleeps.
 * Return: 0 when the VF does no more DMA. -ENODEV when the VF or its PF is gone, or
 * -ETIMEDOUT when it is not certain that it does none: it is as it was before.
 * -ENOTRECOVERABLE when it is not, because the PF has taken its address meanwhile.
 */
int nic_vf_stop(struct nic *nic, unsigned int n, bool freeze)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	bool stopped, frozen, quiet;
	int ret = 0;

	if (!vf)
		return -ENODEV;

	stopped = vf->stopped;
	frozen = vf->frozen;
	if (freeze && !frozen) {
		nic_serve_vf(nic, n);
		nic_vf_answer(nic, n);
		nic_vf_mask(nic, n);
	} else if (frozen && !freeze) {
		nic_thaw(nic, n);
	}
	vf->frozen = freeze;
	vf->stopped = true;
	nic_vf_write_dma(nic, n);
	nic_pool_suspend(nic, n);
	quiet = vf->quiet;
	mutex_unlock(&nic->vf_lock);

	/* Others need not wait for it. Nobody but the caller has it start again. */
	if (!quiet)
		ret = nic_pool_drain(nic, n, true);

	mutex_lock(&nic->vf_lock);
	if (nic_gone(nic))
		ret = -ENODEV;
	WRITE_ONCE(vf->quiet, !ret);
	if (ret)
		ret = nic_vf_unstop(nic, n, stopped, frozen) ?: ret;
	mutex_unlock(&nic->vf_lock);

	return ret;
}

/**
 * nic_vf_start() - Let a VF go on where it was stopped
 * @nic:	The PF.
 * @n:		The VF.
 *
 * When its mailbox was frozen, it is told how things stand, unless it still has to
 * read something else.
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENODEV when the VF is gone, or -EADDRINUSE when another one has come
 * with its address: it remains stopped.
 */
int nic_vf_start(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	int ret = 0;

	if (!vf)
		return -ENODEV;
	if (!vf->stopped)
		goto unlock;

	/* If it was reset, its address is not what it was. */
	nic_serve_vf(nic, n);
	ret = nic_pool_resume(nic, n, true);
	if (ret) {
		dev_warn_ratelimited(&nic->pdev->dev, "VF %u: another VF has its address now\n", n);
		goto unlock;
	}

	vf->stopped = false;
	nic_vf_write_dma(nic, n);
	if (vf->frozen)
		nic_thaw(nic, n);
unlock:
	mutex_unlock(&nic->vf_lock);
	return ret;
}

/**
 * nic_vf_hold() - Have a VF receive nothing for a moment
 * @nic:	The PF.
 * @n:		The VF.
 * @on:		The moment begins, or ends.
 *
 * Frames for it are dropped meanwhile. What it has received is in memory when the moment
 * has begun.
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENODEV when the VF or its PF is gone, or -ETIMEDOUT when it is not certain
 * that it receives nothing.
 */
int nic_vf_hold(struct nic *nic, unsigned int n, bool on)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	int ret = 0;

	if (!vf)
		return -ENODEV;

	vf->held = on;
	nic_vf_write_dma(nic, n);
	mutex_unlock(&nic->vf_lock);

	if (on)
		ret = nic_pool_drain(nic, n, false);

	return nic_gone(nic) ? -ENODEV : ret;
}

/* A VMM opens a VF: it serves a new guest. */
void nic_vf_open(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = true;
	nic_pool_set_guest(nic, n, NULL);
	mutex_unlock(&nic->vf_lock);
}

/* Nobody uses it any more: its next user finds it as after a reset. */
void nic_vf_close(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = false;
	vf->dev = NULL;
	/* Nobody waits for it any more: the mailbox is the next user's. */
	if (vf->answer)
		nic_wr(nic, P2VMAILBOX(n), 0);
	vf->answer = false;
	vf->stopped = false;
	vf->frozen = false;
	nic_vf_reset(nic, n, false);
	/* One that still waits for an address is known by the guest that has taken it along. */
	if (!nic->pool[n].suspended)
		nic_pool_set_guest(nic, n, NULL);
	nic_hw_forget_vf(nic, n);
	nic_forget_mailbox(nic, n);
	vf->orphan = false;
	vf->news = 0;
	mutex_unlock(&nic->vf_lock);
}

static void nic_init_vf(struct nic *nic, unsigned int n)
{
	static const u8 none[ETH_ALEN];

	spin_lock_bh(&nic->stats_lock);
	nic->vf[n].stats = (struct nic_vf_stats){};
	spin_unlock_bh(&nic->stats_lock);

	nic->vf[n].tx_rate = 0;
	nic->vf[n].admin_mac = false;
	nic->vf[n].spoofchk = true;
	nic->vf[n].trusted = false;
	nic->vf[n].link_off = false;
	nic->vf[n].stopped = false;
	nic->vf[n].frozen = false;
	nic->vf[n].busy_since = 0;
	nic->vf[n].untold = false;
	nic_pool_set_guest(nic, n, NULL);
	nic_pool_set_mac(nic, n, 0, none);
	nic_pool_set_port_vlan(nic, n, 0);
	nic_vf_reset(nic, n, false);
	nic->vf[n].orphan = false;
	nic->vf[n].news = 0;
	kfree(nic->vf[n].pci_state);
	nic->vf[n].pci_state = NULL;
	nic_write_rate(nic, n);
}

static void nic_set_num_vfs(struct nic *nic, unsigned int num_vfs)
{
	unsigned int n;

	mutex_lock(&nic->vf_lock);
	for (n = 0; n < NIC_MAX_VFS; n++)
		nic_init_vf(nic, n);
	nic->num_vfs = num_vfs;
	nic_write_dtxswc(nic);
	mutex_unlock(&nic->vf_lock);
}

/* Waits until nobody has a VF open. */
void nic_disable_sriov(struct nic *nic)
{
	pci_disable_sriov(nic->pdev);
	nic_set_num_vfs(nic, 0);
}

int nic_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	struct nic *nic = pci_get_drvdata(pdev);
	int ret;

	if (!num_vfs) {
		nic_disable_sriov(nic);
		return 0;
	}

	nic_set_num_vfs(nic, num_vfs);
	ret = pci_enable_sriov(pdev, num_vfs);
	if (ret) {
		nic_set_num_vfs(nic, 0);
		return ret;
	}

	return num_vfs;
}

int nic_set_vf_mac(struct net_device *netdev, int n, u8 *mac)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf;
	int ret;

	if (!is_zero_ether_addr(mac) && !is_valid_ether_addr(mac))
		return -EINVAL;

	vf = nic_lock_vf(nic, n);
	if (!vf)
		return -EINVAL;

	/* Its driver takes the address over when it starts anew. */
	ret = nic_pool_set_mac(nic, n, 0, mac);
	if (!ret)
		vf->admin_mac = !is_zero_ether_addr(mac);
	mutex_unlock(&nic->vf_lock);

	return ret;
}

int nic_set_vf_vlan(struct net_device *netdev, int n, u16 vlan, u8 qos, __be16 proto)
{
	struct nic *nic = netdev_priv(netdev);
	int ret;

	if (proto != htons(ETH_P_8021Q))
		return -EPROTONOSUPPORT;
	if (vlan >= VLAN_N_VID || qos > 7)
		return -EINVAL;
	if (!nic_lock_vf(nic, n))
		return -EINVAL;

	ret = nic_pool_set_port_vlan(nic, n, vlan | FIELD_PREP(VLAN_PRIO_MASK, qos));
	mutex_unlock(&nic->vf_lock);

	return ret;
}

int nic_set_vf_rate(struct net_device *netdev, int n, int min_rate, int max_rate)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf;

	if (min_rate || max_rate < 0 || max_rate > SPEED_1000)
		return -EINVAL;

	vf = nic_lock_vf(nic, n);
	if (!vf)
		return -EINVAL;

	vf->tx_rate = max_rate;
	nic_write_rate(nic, n);
	mutex_unlock(&nic->vf_lock);

	return 0;
}

int nic_set_vf_spoofchk(struct net_device *netdev, int n, bool on)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return -EINVAL;

	vf->spoofchk = on;
	nic_write_dtxswc(nic);
	mutex_unlock(&nic->vf_lock);

	return 0;
}

int nic_set_vf_trust(struct net_device *netdev, int n, bool on)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return -EINVAL;

	vf->trusted = on;
	if (!on) {
		spin_lock_bh(&nic->filter_lock);
		nic->pool[n].mc_promisc = false;
		nic->pool[n].uc_promisc = false;
		nic_pool_write(nic, n);
		spin_unlock_bh(&nic->filter_lock);
	}
	mutex_unlock(&nic->vf_lock);

	return 0;
}

/* A VF sees the port's link; it can be taken away, but not given without a link. */
int nic_set_vf_link_state(struct net_device *netdev, int n, int state)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf;

	if (state != IFLA_VF_LINK_STATE_AUTO && state != IFLA_VF_LINK_STATE_DISABLE)
		return -EOPNOTSUPP;

	vf = nic_lock_vf(nic, n);
	if (!vf)
		return -EINVAL;

	vf->link_off = state == IFLA_VF_LINK_STATE_DISABLE;
	nic_vf_write_dma(nic, n);
	nic_vf_notify(nic, n);
	mutex_unlock(&nic->vf_lock);

	return 0;
}

int nic_get_vf_config(struct net_device *netdev, int n, struct ifla_vf_info *info)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf = nic_lock_vf(nic, n);
	struct nic_pool *pool;

	if (!vf)
		return -EINVAL;

	pool = &nic->pool[n];
	info->vf = n;
	ether_addr_copy(info->mac, pool->mac[0]);
	info->vlan = pool->port_vlan & VLAN_VID_MASK;
	info->qos = FIELD_GET(VLAN_PRIO_MASK, pool->port_vlan);
	info->max_tx_rate = vf->tx_rate;
	info->spoofchk = vf->spoofchk;
	info->trusted = vf->trusted;
	info->linkstate = vf->link_off ? IFLA_VF_LINK_STATE_DISABLE : IFLA_VF_LINK_STATE_AUTO;
	mutex_unlock(&nic->vf_lock);

	return 0;
}

int nic_get_vf_stats(struct net_device *netdev, int n, struct ifla_vf_stats *stats)
{
	struct nic *nic = netdev_priv(netdev);
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return -EINVAL;

	nic_update_stats(nic);
	spin_lock_bh(&nic->stats_lock);
	stats->rx_packets = vf->stats.rx_packets;
	stats->tx_packets = vf->stats.tx_packets;
	stats->rx_bytes = vf->stats.rx_bytes;
	stats->tx_bytes = vf->stats.tx_bytes;
	stats->multicast = vf->stats.multicast;
	spin_unlock_bh(&nic->stats_lock);
	mutex_unlock(&nic->vf_lock);

	return 0;
}
