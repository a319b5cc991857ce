// SPDX-License-Identifier: GPL-2.0-only
/* The device as a whole: reset, initial programming, PHY and statistics. */

#include <linux/delay.h>
#include <linux/ethtool.h>
#include <linux/iopoll.h>
#include <linux/mii.h>

#include "nic.h"
#include "vfio_mediate.h"

/* Get the semaphore of the drivers of both functions, then the one of drivers and firmware. */
static int nic_get_semaphore(struct nic *nic)
{
	u32 val;
	int ret;

	ret = read_poll_timeout(nic_rd, val, !(val & SWSM_SMBI), 50, 100000, false, nic, SWSM);
	if (ret)
		return ret;

	nic_wr(nic, SWSM, val | SWSM_SMBI | SWSM_SWESMBI);
	ret = read_poll_timeout(nic_rd, val, val & SWSM_SWESMBI, 50, 100000, false, nic, SWSM);
	if (ret)
		nic_wr(nic, SWSM, 0);

	return ret;
}

static void nic_put_semaphore(struct nic *nic)
{
	nic_wr(nic, SWSM, nic_rd(nic, SWSM) & ~(SWSM_SMBI | SWSM_SWESMBI));
}

static u32 nic_phy_bit(struct nic *nic)
{
	return SW_FW_SYNC_PHY(FIELD_GET(STATUS_LAN_ID, nic_rd(nic, STATUS)));
}

static bool nic_try_get_phy(struct nic *nic)
{
	u32 mine = nic_phy_bit(nic), val;
	bool taken = false;

	if (nic_get_semaphore(nic))
		return false;

	val = nic_rd(nic, SW_FW_SYNC);
	if (!(val & (mine | mine << SW_FW_SYNC_FW_SHIFT))) {
		nic_wr(nic, SW_FW_SYNC, val | mine);
		taken = true;
	}
	nic_put_semaphore(nic);

	return taken;
}

static void nic_put_phy(struct nic *nic)
{
	int ret = nic_get_semaphore(nic);

	nic_wr(nic, SW_FW_SYNC, nic_rd(nic, SW_FW_SYNC) & ~nic_phy_bit(nic));
	if (!ret)
		nic_put_semaphore(nic);
}

/* Do one operation of the MDI interface. The PHY of each port has address 1. */
static int nic_mdic(struct nic *nic, u32 op)
{
	bool taken;
	u32 val;
	int ret;

	ret = read_poll_timeout(nic_try_get_phy, taken, taken, 1000, 1000000, false, nic);
	if (ret)
		return ret;

	nic_wr(nic, MDIC, op | FIELD_PREP(MDIC_PHYADD, 1));
	ret = read_poll_timeout(nic_rd, val, val & MDIC_R, 50, 100000, false, nic, MDIC);
	nic_put_phy(nic);
	if (ret)
		return ret;

	return val & MDIC_E ? -EIO : FIELD_GET(MDIC_DATA, val);
}

/**
 * nic_phy_read() - Read a register of the PHY
 * @nic:	The PF.
 * @reg:	Register, MII_*.
 *
 * Context: Process context, may sleep.
 * Return:
 * * Value of the register.
 * * Negative errno: the PHY does not respond.
 */
int nic_phy_read(struct nic *nic, unsigned int reg)
{
	return nic_mdic(nic, MDIC_OP_READ | FIELD_PREP(MDIC_REGADD, reg));
}

/**
 * nic_phy_write() - Write a register of the PHY
 * @nic:	The PF.
 * @reg:	Register, MII_*.
 * @val:	Value to write.
 *
 * Context: Process context, may sleep.
 * Return:
 * * Not negative: success.
 * * Negative errno: the PHY does not respond.
 */
int nic_phy_write(struct nic *nic, unsigned int reg, u16 val)
{
	return nic_mdic(nic, MDIC_OP_WRITE | FIELD_PREP(MDIC_REGADD, reg) |
			FIELD_PREP(MDIC_DATA, val));
}

/**
 * nic_phy_autoneg() - Restart autonegotiation
 * @nic:	The PF.
 *
 * The device raises LSC when the link comes up.
 *
 * Context: Process context, may sleep.
 * Return:
 * * 0: success.
 * * Negative errno: the PHY does not respond.
 */
int nic_phy_autoneg(struct nic *nic)
{
	int ret = nic_phy_read(nic, MII_BMCR);

	if (ret < 0)
		return ret;

	ret &= ~(BMCR_PDOWN | BMCR_ISOLATE);
	ret = nic_phy_write(nic, MII_BMCR, ret | BMCR_ANENABLE | BMCR_ANRESTART);

	return ret < 0 ? ret : 0;
}

/**
 * nic_read_link() - Read the state of the link
 * @nic:	The PF.
 * @speed:	Speed in Mb/s, SPEED_UNKNOWN if the link is down.
 * @duplex:	DUPLEX_*, DUPLEX_UNKNOWN if the link is down.
 *
 * Context: Any context.
 * Return: Whether the link is up.
 */
bool nic_read_link(struct nic *nic, int *speed, int *duplex)
{
	static const int speeds[] = { SPEED_10, SPEED_100, SPEED_1000, SPEED_1000 };
	u32 status = nic_rd(nic, STATUS);

	*speed = SPEED_UNKNOWN;
	*duplex = DUPLEX_UNKNOWN;
	if (!(status & STATUS_LU) || PCI_POSSIBLE_ERROR(status))
		return false;

	*speed = speeds[FIELD_GET(STATUS_SPEED, status)];
	*duplex = status & STATUS_FD ? DUPLEX_FULL : DUPLEX_HALF;

	return true;
}

/**
 * nic_hw_reset() - Stop all DMA and interrupts, and reset the device
 * @nic:	The PF.
 *
 * The order is: mask interrupts, disable receive and transmit, disable PCIe mastering and
 * wait for pending requests, reset, wait until the NVM is read.
 *
 * VFs read RSTI in their mailbox until nic_hw_start(). The device loads its MAC address
 * from the NVM into the first receive address.
 *
 * State of VFs that VMMs are saving or loading becomes invalid.
 *
 * Context: Process context, may sleep. Takes stats_lock. The caller holds vf_lock, if there are
 * VFs.
 */
void nic_hw_reset(struct nic *nic)
{
	unsigned int i;
	u32 val;

	for (i = 0; i < NIC_MAX_VFS; i++)
		if (nic->vf[i].dev)
			vfio_mediate_state_lost(nic->vf[i].dev);

	nic_wr(nic, IMC, ~0);
	nic_wr(nic, EIMC, ~0);
	nic_wr(nic, RCTL, 0);
	nic_wr(nic, TCTL, TCTL_PSP);
	nic_wr(nic, CTRL, nic_rd(nic, CTRL) | CTRL_GIO_MASTER_DISABLE);
	if (read_poll_timeout(nic_rd, val, !(val & STATUS_GIO_MASTER_EN), 100, 80000, false, nic,
			      STATUS))
		pci_dbg(nic->pdev, "PCIe requests are still pending before the reset\n");
	usleep_range(10000, 11000);

	nic_wr(nic, CTRL, nic_rd(nic, CTRL) | CTRL_RST);
	usleep_range(1000, 2000);
	if (read_poll_timeout(nic_rd, val, val & EECD_AUTO_RD, 1000, 10000, false, nic, EECD))
		pci_dbg(nic->pdev, "the device has not read its NVM after the reset\n");

	nic_wr(nic, IMC, ~0);
	nic_wr(nic, EIMC, ~0);
	nic_rd(nic, ICR);

	/* The counters of VFs restart at zero. */
	spin_lock_bh(&nic->stats_lock);
	for (i = 0; i < NIC_MAX_VFS; i++)
		nic->vf[i].last = (struct nic_vf_stats){};
	spin_unlock_bh(&nic->stats_lock);
}

static void nic_start_interrupts(struct nic *nic)
{
	u32 vectors = GENMASK(nic->num_queues, 0);
	u32 ivar = 0;
	u32 i;

	nic_wr(nic, GPIE, GPIE_MSIX_MODE | GPIE_EIAME | GPIE_PBA | GPIE_NSICR);

	/* The interrupt of a queue masks its own vector. NAPI unmasks it. */
	nic_wr(nic, EIAC, vectors);
	nic_wr(nic, EIAM, vectors);

	/* One register has all queues of the PF's pool. */
	for (i = 0; i < nic->num_queues; i++) {
		ivar |= (i | IVAR_VALID) << (i * IVAR_HIGH + IVAR_RX);
		ivar |= (i | IVAR_VALID) << (i * IVAR_HIGH + IVAR_TX);
		nic_wr(nic, EITR(i), FIELD_PREP(EITR_INTERVAL, 50));
	}
	nic_wr(nic, IVAR(NIC_PF_POOL), ivar);
	nic_wr(nic, IVAR_MISC, (nic->num_queues | IVAR_VALID) << IVAR_MISC_OTHER);
	nic_wr(nic, EITR(nic->num_queues), 0);

	nic_wr(nic, IMS, INT_LSC | INT_VMMB);
	nic_wr(nic, EIMS, BIT(nic->num_queues));
}

/*
 * Offsets from RDBAL(q) and TDBAL(q), in the order in which to write them. The enable bit
 * comes first: the other registers may be written while the queue is disabled.
 */
static const u8 rx_regs[NIC_RX_REGS] = {
	0x28, 0x00, 0x04, 0x08,		/* RXDCTL, RDBAL, RDBAH, RDLEN */
	0x0c, 0x10, 0x14, 0x18,		/* SRRCTL, RDH, RXCTL, RDT */
};

static const u8 tx_regs[NIC_TX_REGS] = {
	0x28, 0x00, 0x04, 0x08,		/* TXDCTL, TDBAL, TDBAH, TDLEN */
	0x10, 0x14, 0x18, 0x38, 0x3c,	/* TDH, TXCTL, TDT, TDWBAL, TDWBAH */
};

/* Read the defaults from the PF's queue, which nothing has written since the reset. */
static void nic_read_queue_defaults(struct nic *nic)
{
	unsigned int i;

	for (i = 0; i < NIC_RX_REGS; i++)
		nic->rx_default[i] = nic_rd(nic, RDBAL(NIC_PF_POOL) + rx_regs[i]);
	for (i = 0; i < NIC_TX_REGS; i++)
		nic->tx_default[i] = nic_rd(nic, TDBAL(NIC_PF_POOL) + tx_regs[i]);
}

/**
 * nic_hw_clear_vf() - Clear all registers that the user of a VF can write
 * @nic:	The PF.
 * @n:		Number of the VF, which was reset or is being closed.
 *
 * A reset of the VF does not clear them. In QEMU's model it clears the enable bits only.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_hw_clear_vf(struct nic *nic, unsigned int n)
{
	unsigned int q, i;

	for (q = n; q < 2 * NIC_NUM_POOLS; q += NIC_NUM_POOLS) {
		for (i = 0; i < NIC_RX_REGS; i++)
			nic_wr(nic, RDBAL(q) + rx_regs[i], nic->rx_default[i]);
		for (i = 0; i < NIC_TX_REGS; i++)
			nic_wr(nic, TDBAL(q) + tx_regs[i], nic->tx_default[i]);
		nic_rd(nic, RQDPC(q));
	}

	nic_wr(nic, EIMC, EIMS_VF(n));
	nic_wr(nic, EICR, EIMS_VF(n));
	/* In QEMU's model all of these read as the last value written. */
	nic_wr(nic, PVTEICS(n), 0);
	nic_wr(nic, PVTEIMS(n), 0);
	nic_wr(nic, PVTEIMC(n), 0);
	nic_wr(nic, PVTEIAC(n), 0);
	nic_wr(nic, PVTEIAM(n), 0);
	nic_wr(nic, PVTEICR(n), 0);
	for (i = 0; i < 3; i++)
		nic_wr(nic, EITR_VF(n, i), 0);
	nic_wr(nic, PVTIVAR(n), 0);
	nic_wr(nic, PVTIVAR_MISC(n), 0);
	nic_wr(nic, PSRTYPE(n), 0);
}

/* Enable VMDq, and RSS within the PF's pool. */
static void nic_start_pools(struct nic *nic)
{
	u32 key[10], reta = 0;
	unsigned int i;

	netdev_rss_key_fill(key, sizeof(key));
	for (i = 0; i < ARRAY_SIZE(key); i++)
		nic_wr(nic, RSSRK(i), key[i]);

	if (nic->num_queues > 1)
		reta = RETA_SECOND_QUEUE << 8 | RETA_SECOND_QUEUE << 24;
	for (i = 0; i < 32; i++)
		nic_wr(nic, RETA(i), reta);

	nic_wr(nic, VT_CTL, FIELD_PREP(VT_CTL_DEF_PL, NIC_PF_POOL) | VT_CTL_REPL_EN);
	nic_wr(nic, MRQC, MRQC_VMDQ_RSS | MRQC_RSS_IPV4 | MRQC_RSS_IPV4_TCP | MRQC_RSS_IPV6 |
	       MRQC_RSS_IPV6_TCP);

	/*
	 * Drop frames of a pool without receive buffers, so that it does not block the
	 * others.
	 */
	nic_wr(nic, QDE, GENMASK(15, 0));
	nic_wr(nic, VFRE, 0);
	nic_wr(nic, VFTE, 0);
	for (i = 0; i < 2 * NIC_NUM_POOLS; i++) {
		nic_wr(nic, RXDCTL(i), 0);
		nic_wr(nic, TXDCTL(i), 0);
	}
}

/**
 * nic_hw_start() - Program the device after a reset
 * @nic:	The PF.
 *
 * When this function returns, the device runs and autonegotiation is under way. VFs may use
 * their mailboxes. No pool is enabled.
 *
 * Context: Process context, may sleep. Takes filter_lock.
 */
void nic_hw_start(struct nic *nic)
{
	u32 ctrl = nic_rd(nic, CTRL);
	int ret;

	/* The PHY determines speed and duplex. Flow control is off. */
	ctrl &= ~(CTRL_FRCSPD | CTRL_FRCDPX | CTRL_GIO_MASTER_DISABLE);
	nic_wr(nic, CTRL, ctrl | CTRL_SLU);

	nic_start_pools(nic);
	nic_read_queue_defaults(nic);
	nic_filters_write(nic);
	nic_wr(nic, RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD | RXCSUM_PCSD);
	nic_wr(nic, RPLOLR, RPLOLR_STRVLAN | RPLOLR_STRCRC);
	nic_wr(nic, RLPML, NIC_MAX_FRAME);
	/* Collision parameters, as autonegotiation may end in half duplex. */
	nic_wr(nic, TCTL, TCTL_EN | TCTL_PSP | TCTL_RTLC | FIELD_PREP(TCTL_CT, 15) |
	       FIELD_PREP(TCTL_COLD, 64));
	nic_wr(nic, RCTL, RCTL_RXEN | RCTL_LPE | RCTL_BAM | RCTL_VFE | RCTL_SECRC);

	nic_start_interrupts(nic);
	nic_wr(nic, MBVFIMR, GENMASK(NIC_NUM_POOLS - 1, 0));
	nic_wr(nic, CTRL_EXT, nic_rd(nic, CTRL_EXT) | CTRL_EXT_DRV_LOAD | CTRL_EXT_PFRSTD);
	nic_flush(nic);

	ret = nic_phy_write(nic, MII_ADVERTISE, ADVERTISE_ALL | ADVERTISE_CSMA);
	if (ret >= 0)
		ret = nic_phy_autoneg(nic);
	if (ret < 0)
		pci_warn(nic->pdev, "the PHY does not respond, the link may stay down: %pe; try ethtool --negotiate\n",
			 ERR_PTR(ret));
}

/**
 * nic_hw_release() - Hand the device over to the firmware
 * @nic:	The PF.
 *
 * Context: Any context.
 */
void nic_hw_release(struct nic *nic)
{
	nic_wr(nic, CTRL_EXT, nic_rd(nic, CTRL_EXT) & ~CTRL_EXT_DRV_LOAD);
}

struct nic_hw_stat {
	const char *name;
	u32 reg;
	u32 high;	/* register of the upper 32 bits, or 0 */
	size_t total;	/* offset in struct rtnl_link_stats64, or 0 */
};

#define TOTAL(member)	offsetof(struct rtnl_link_stats64, member)

static const struct nic_hw_stat hw_stats[] = {
	{ "rx_packets_mac", GPRC },
	{ "tx_packets_mac", GPTC },
	{ "rx_bytes_mac", GORCL, GORCH },
	{ "tx_bytes_mac", GOTCL, GOTCH },
	{ "rx_broadcast", BPRC },
	{ "rx_multicast", MPRC, 0, TOTAL(multicast) },
	{ "tx_broadcast", BPTC },
	{ "tx_multicast", MPTC },
	{ "rx_crc_errors", CRCERRS, 0, TOTAL(rx_crc_errors) },
	{ "rx_align_errors", ALGNERRC, 0, TOTAL(rx_frame_errors) },
	{ "rx_symbol_errors", RXERRC },
	{ "rx_length_errors", RLEC, 0, TOTAL(rx_length_errors) },
	{ "rx_missed", MPC, 0, TOTAL(rx_missed_errors) },
	{ "rx_no_buffer", RNBC },
	{ "rx_undersize", RUC },
	{ "rx_oversize", ROC },
};

/**
 * nic_num_hw_stats() - Count the counters in &nic.hw_stats
 *
 * Context: Any context.
 * Return: Number of counters.
 */
unsigned int nic_num_hw_stats(void)
{
	return ARRAY_SIZE(hw_stats);
}

/**
 * nic_hw_stat_name() - Name a counter in &nic.hw_stats
 * @i:	Index of the counter.
 *
 * Context: Any context.
 * Return: Its name for ethtool.
 */
const char *nic_hw_stat_name(unsigned int i)
{
	return hw_stats[i].name;
}

static void nic_update_vf_stat(struct nic *nic, u64 *sum, u64 *last, u32 reg)
{
	u32 now = nic_rd(nic, reg);

	*sum += (u32)(now - *last);
	*last = now;
}

/**
 * nic_update_stats() - Read the counters of the device and add them up
 * @nic:	The PF.
 *
 * Counters of the device are cleared on read. Counters of VFs wrap around.
 *
 * Context: Process or softirq context. Takes stats_lock.
 */
void nic_update_stats(struct nic *nic)
{
	unsigned int i;
	u64 val;

	spin_lock_bh(&nic->stats_lock);
	if (nic_gone(nic))
		goto unlock;

	for (i = 0; i < ARRAY_SIZE(hw_stats); i++) {
		val = nic_rd(nic, hw_stats[i].reg);
		if (hw_stats[i].high)
			val |= (u64)nic_rd(nic, hw_stats[i].high) << 32;
		nic->hw_stats[i] += val;
	}
	for (i = 0; i < NIC_MAX_VFS; i++) {
		struct nic_vf_stats *sum = &nic->vf[i].stats, *last = &nic->vf[i].last;

		nic_update_vf_stat(nic, &sum->rx_packets, &last->rx_packets, PVFGPRC(i));
		nic_update_vf_stat(nic, &sum->tx_packets, &last->tx_packets, PVFGPTC(i));
		nic_update_vf_stat(nic, &sum->rx_bytes, &last->rx_bytes, PVFGORC(i));
		nic_update_vf_stat(nic, &sum->tx_bytes, &last->tx_bytes, PVFGOTC(i));
		nic_update_vf_stat(nic, &sum->multicast, &last->multicast, PVFMPRC(i));
	}
unlock:
	spin_unlock_bh(&nic->stats_lock);
}

/**
 * nic_add_hw_stats() - Add the counters of the device to the netdev's statistics
 * @nic:	The PF.
 * @stats:	Statistics to add to.
 *
 * Packets and bytes are counted by the rings, see nic_get_stats64().
 *
 * Context: Process or softirq context. Takes stats_lock.
 */
void nic_add_hw_stats(struct nic *nic, struct rtnl_link_stats64 *stats)
{
	unsigned int i;

	nic_update_stats(nic);
	for (i = 0; i < ARRAY_SIZE(hw_stats); i++)
		if (hw_stats[i].total)
			*(u64 *)((void *)stats + hw_stats[i].total) += nic->hw_stats[i];
	stats->rx_errors += stats->rx_crc_errors + stats->rx_frame_errors +
			    stats->rx_length_errors;
}
