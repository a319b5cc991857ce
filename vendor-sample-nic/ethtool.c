// SPDX-License-Identifier: GPL-2.0-only
/* ethtool operations of the PF */

#include <linux/ethtool.h>
#include <linux/linkmode.h>
#include <linux/mii.h>

#include "nic.h"

static void nic_get_drvinfo(struct net_device *netdev, struct ethtool_drvinfo *info)
{
	struct nic *nic = netdev_priv(netdev);

	strscpy(info->driver, NIC_NAME, sizeof(info->driver));
	strscpy(info->version, VFIO_MEDIATE_VERSION, sizeof(info->version));
	strscpy(info->bus_info, pci_name(nic->pdev), sizeof(info->bus_info));
}

static void nic_get_supported(unsigned long *modes)
{
	static const int supported[] = {
		ETHTOOL_LINK_MODE_10baseT_Half_BIT, ETHTOOL_LINK_MODE_10baseT_Full_BIT,
		ETHTOOL_LINK_MODE_100baseT_Half_BIT, ETHTOOL_LINK_MODE_100baseT_Full_BIT,
		ETHTOOL_LINK_MODE_1000baseT_Full_BIT, ETHTOOL_LINK_MODE_Autoneg_BIT,
		ETHTOOL_LINK_MODE_TP_BIT,
	};

	linkmode_set_bit_array(supported, ARRAY_SIZE(supported), modes);
}

static int nic_get_link_ksettings(struct net_device *netdev, struct ethtool_link_ksettings *cmd)
{
	struct nic *nic = netdev_priv(netdev);
	int adv, adv1000, lpa, stat1000;

	adv = nic_phy_read(nic, MII_ADVERTISE);
	adv1000 = nic_phy_read(nic, MII_CTRL1000);
	lpa = nic_phy_read(nic, MII_LPA);
	stat1000 = nic_phy_read(nic, MII_STAT1000);
	if (adv < 0 || adv1000 < 0 || lpa < 0 || stat1000 < 0)
		return -EIO;

	nic_get_supported(cmd->link_modes.supported);
	mii_adv_to_linkmode_adv_t(cmd->link_modes.advertising, adv);
	mii_ctrl1000_mod_linkmode_adv_t(cmd->link_modes.advertising, adv1000);
	linkmode_set_bit(ETHTOOL_LINK_MODE_Autoneg_BIT, cmd->link_modes.advertising);
	linkmode_and(cmd->link_modes.advertising, cmd->link_modes.advertising,
		     cmd->link_modes.supported);
	if (nic_read_link(nic, &cmd->base.speed, &adv)) {
		mii_lpa_to_linkmode_lpa_t(cmd->link_modes.lp_advertising, lpa);
		mii_stat1000_mod_linkmode_lpa_t(cmd->link_modes.lp_advertising, stat1000);
	}
	cmd->base.duplex = adv;
	cmd->base.autoneg = AUTONEG_ENABLE;
	cmd->base.port = PORT_TP;
	cmd->base.phy_address = 1;

	return 0;
}

static int nic_set_link_ksettings(struct net_device *netdev,
				  const struct ethtool_link_ksettings *cmd)
{
	const unsigned long *adv = cmd->link_modes.advertising;
	__ETHTOOL_DECLARE_LINK_MODE_MASK(supported) = {};
	struct nic *nic = netdev_priv(netdev);
	int ret;

	nic_get_supported(supported);
	if (cmd->base.autoneg != AUTONEG_ENABLE || !linkmode_subset(adv, supported))
		return -EOPNOTSUPP;

	ret = nic_phy_write(nic, MII_ADVERTISE, linkmode_adv_to_mii_adv_t(adv) | ADVERTISE_CSMA);
	if (ret >= 0)
		ret = nic_phy_write(nic, MII_CTRL1000, linkmode_adv_to_mii_ctrl1000_t(adv));

	return ret < 0 ? ret : nic_phy_autoneg(nic);
}

static int nic_nway_reset(struct net_device *netdev)
{
	return nic_phy_autoneg(netdev_priv(netdev));
}

static void nic_get_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kring,
			      struct netlink_ext_ack *extack)
{
	struct nic *nic = netdev_priv(netdev);

	ring->rx_max_pending = NIC_MAX_DESCS;
	ring->tx_max_pending = NIC_MAX_DESCS;
	ring->rx_pending = nic->rx_descs;
	ring->tx_pending = nic->tx_descs;
}

/* The length of a ring is a multiple of 128 bytes. */
static int nic_set_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kring,
			     struct netlink_ext_ack *extack)
{
	struct nic *nic = netdev_priv(netdev);
	u16 rx = nic->rx_descs, tx = nic->tx_descs;
	int ret, err;

	nic->rx_descs = ALIGN(max_t(u32, ring->rx_pending, NIC_MIN_DESCS), 8);
	nic->tx_descs = ALIGN(max_t(u32, ring->tx_pending, NIC_MIN_DESCS), 8);
	if (!netif_running(netdev))
		return 0;

	nic_stop(netdev);
	ret = nic_open(netdev);
	if (ret) {
		/* The previous rings fitted into memory a moment ago. */
		nic->rx_descs = rx;
		nic->tx_descs = tx;
		err = nic_open(netdev);
		if (err)
			netdev_err(netdev, "cannot reopen with the previous rings: %pe; set the link down and up to try again\n",
				   ERR_PTR(err));
	}

	return ret;
}

/* A table of count registers, stride bytes apart */
struct nic_reg_table {
	u32 first;
	u32 count;
	u32 stride;
};

/* No register has side effects on read. */
static const struct nic_reg_table reg_tables[] = {
	{ CTRL, 1 }, { STATUS, 1 }, { CTRL_EXT, 1 }, { RCTL, 1 }, { TCTL, 1 }, { RXCSUM, 1 },
	{ GPIE, 1 }, { EIMS, 1 }, { IMS, 1 }, { IVAR(0), 8, 4 }, { IVAR_MISC, 1 },
	{ MRQC, 1 }, { VT_CTL, 1 }, { DTXSWC, 1 }, { RPLOLR, 1 }, { QDE, 1 },
	{ VFRE, 1 }, { VFTE, 1 }, { VMOLR(0), 8, 4 }, { VMVIR(0), 8, 4 },
	{ VLVF(0), NIC_NUM_VLANS, 4 }, { RAL(0), 32, 4 }, { RAL_16(0), 16, 4 },
	{ RDBAL(0), 16, 0x40 }, { RDBAH(0), 16, 0x40 }, { RDLEN(0), 16, 0x40 },
	{ RDH(0), 16, 0x40 }, { RDT(0), 16, 0x40 }, { SRRCTL(0), 16, 0x40 },
	{ RXDCTL(0), 16, 0x40 }, { TDBAL(0), 16, 0x40 }, { TDBAH(0), 16, 0x40 },
	{ TDLEN(0), 16, 0x40 }, { TDH(0), 16, 0x40 }, { TDT(0), 16, 0x40 },
	{ TXDCTL(0), 16, 0x40 },
};

static int nic_get_regs_len(struct net_device *netdev)
{
	unsigned int i;
	int len = 0;

	for (i = 0; i < ARRAY_SIZE(reg_tables); i++)
		len += reg_tables[i].count * sizeof(u32);

	return len;
}

static void nic_get_regs(struct net_device *netdev, struct ethtool_regs *regs, void *buf)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i, n;
	u32 *val = buf;

	regs->version = 1;
	for (i = 0; i < ARRAY_SIZE(reg_tables); i++)
		for (n = 0; n < reg_tables[i].count; n++)
			*val++ = nic_rd(nic, reg_tables[i].first + n * reg_tables[i].stride);
}

static int nic_get_sset_count(struct net_device *netdev, int sset)
{
	struct nic *nic = netdev_priv(netdev);

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;

	return nic_num_hw_stats() + 2 * nic->num_queues;
}

static void nic_get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i;

	for (i = 0; i < nic_num_hw_stats(); i++)
		ethtool_puts(&data, nic_hw_stat_name(i));
	for (i = 0; i < nic->num_queues; i++) {
		ethtool_sprintf(&data, "rx_queue_%u_packets", i);
		ethtool_sprintf(&data, "tx_queue_%u_packets", i);
	}
}

static void nic_get_ethtool_stats(struct net_device *netdev, struct ethtool_stats *stats,
				  u64 *data)
{
	struct nic *nic = netdev_priv(netdev);
	unsigned int i;

	nic_update_stats(nic);
	memcpy(data, nic->hw_stats, nic_num_hw_stats() * sizeof(*data));
	data += nic_num_hw_stats();
	for (i = 0; i < nic->num_queues; i++) {
		*data++ = u64_stats_read(&nic->queue[i].rx.packets);
		*data++ = u64_stats_read(&nic->queue[i].tx.packets);
	}
}

const struct ethtool_ops nic_ethtool_ops = {
	.get_drvinfo = nic_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = nic_get_link_ksettings,
	.set_link_ksettings = nic_set_link_ksettings,
	.nway_reset = nic_nway_reset,
	.get_ringparam = nic_get_ringparam,
	.set_ringparam = nic_set_ringparam,
	.get_regs_len = nic_get_regs_len,
	.get_regs = nic_get_regs,
	.get_sset_count = nic_get_sset_count,
	.get_strings = nic_get_strings,
	.get_ethtool_stats = nic_get_ethtool_stats,
	.get_ts_info = ethtool_op_get_ts_info,
};
