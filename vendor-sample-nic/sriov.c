// SPDX-License-Identifier: GPL-2.0-only
/*
 * SR-IOV: create and remove VFs, and apply the settings that the administrator makes with
 * iproute2.
 */

#include <linux/ethtool.h>
#include <linux/slab.h>

#include "nic.h"
#include "vfio_mediate.h"

/* Program the anti-spoofing checks of VFs, and the switch between pools. */
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

	/* Each queue of the pool has a limit of its own. */
	for (q = n; q < 2 * NIC_NUM_POOLS; q += NIC_NUM_POOLS) {
		nic_wr(nic, RTTDQSEL, q);
		nic_wr(nic, RTTBCNRM, RTTBCNRM_JUMBO);
		nic_wr(nic, RTTBCNRC, val);
	}
}

/**
 * nic_vfs_link_changed() - Handle a change of the link
 * @nic:	The PF.
 *
 * The limits of VFs are fractions of the link's speed: program them again. Notify the VFs'
 * drivers.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vfs_link_changed(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++) {
		nic_write_rate(nic, n);
		nic_vf_notify(nic, n);
	}
}

/**
 * nic_vfs_restart() - Set up all VFs after a reset of the device
 * @nic:	The PF.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vfs_restart(struct nic *nic)
{
	unsigned int n;

	nic_write_dtxswc(nic);
	for (n = 0; n < nic->num_vfs; n++) {
		nic_vf_reset(nic, n, false);
		nic_vf_schedule_notices(nic, n);
		if (nic->vf[n].dev)
			vfio_mediate_was_reset(nic->vf[n].dev);
	}
	nic_vfs_link_changed(nic);
}

static void nic_init_vf(struct nic *nic, unsigned int n)
{
	spin_lock_bh(&nic->stats_lock);
	nic->vf[n].stats = (struct nic_vf_stats){};
	spin_unlock_bh(&nic->stats_lock);

	nic->vf[n].tx_rate = 0;
	eth_zero_addr(nic->vf[n].admin_mac);
	nic->vf[n].spoofchk = true;
	nic->vf[n].trusted = false;
	nic->vf[n].link_off = false;
	nic_pool_set_guest(nic, n, NULL);
	nic_pool_set_port_vlan(nic, n, 0);
	nic_vf_init(nic, n);
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

/**
 * nic_disable_sriov() - Remove all VFs
 * @nic:	The PF.
 *
 * Waits until no VMM has a VF open.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_disable_sriov(struct nic *nic)
{
	pci_disable_sriov(nic->pdev);
	nic_set_num_vfs(nic, 0);
}

/**
 * nic_sriov_configure() - Create VFs or remove them
 * @pdev:	The PF.
 * @num_vfs:	Number of VFs, or 0 to remove all.
 *
 * Called when the administrator writes to sriov_numvfs.
 *
 * Context: Process context, may sleep. The caller holds the PF's device lock. Takes
 * vf_lock.
 * Return:
 * * @num_vfs: success.
 * * Negative errno of pci_enable_sriov(): there are no VFs.
 */
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

/*
 * The rest are callbacks of nic_netdev_ops. RTNL is held; they take vf_lock. They return
 * -EINVAL if there is no such VF.
 */
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

	/* The VF's driver gets the address at its next reset handshake. */
	ret = nic_pool_set_mac(nic, n, 0, mac);
	if (!ret)
		ether_addr_copy(vf->admin_mac, mac);
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

/* A VF has the link of the port. The administrator can force it down, but not up. */
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
	nic_vf_update(nic, n);
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
