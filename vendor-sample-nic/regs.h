/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers and descriptors of the Intel 82576 that this driver uses, named as in the
 * datasheet.
 */

#ifndef SAMPLE_NIC_REGS_H
#define SAMPLE_NIC_REGS_H

#include <linux/bits.h>
#include <linux/types.h>

/* Device control and status */
#define CTRL			0x00000
#define CTRL_GIO_MASTER_DISABLE	BIT(2)
#define CTRL_SLU		BIT(6)
#define CTRL_FRCSPD		BIT(11)
#define CTRL_FRCDPX		BIT(12)
#define CTRL_RST		BIT(26)
#define STATUS			0x00008
#define STATUS_FD		BIT(0)
#define STATUS_LU		BIT(1)
#define STATUS_LAN_ID		GENMASK(3, 2)
#define STATUS_SPEED		GENMASK(7, 6)
#define STATUS_GIO_MASTER_EN	BIT(19)
#define EECD			0x00010
#define EECD_AUTO_RD		BIT(9)
#define CTRL_EXT		0x00018
#define CTRL_EXT_PFRSTD		BIT(14)
#define CTRL_EXT_DRV_LOAD	BIT(28)
#define MDIC			0x00020
#define MDIC_DATA		GENMASK(15, 0)
#define MDIC_REGADD		GENMASK(20, 16)
#define MDIC_PHYADD		GENMASK(25, 21)
#define MDIC_OP_WRITE		BIT(26)
#define MDIC_OP_READ		BIT(27)
#define MDIC_R			BIT(28)
#define MDIC_E			BIT(30)
#define SWSM			0x05b50
#define SWSM_SMBI		BIT(0)
#define SWSM_SWESMBI		BIT(1)
#define SW_FW_SYNC		0x05b5c
#define SW_FW_SYNC_PHY(lan)	BIT(1 + (lan))
#define SW_FW_SYNC_FW_SHIFT	16

/* Interrupts: causes of the vector for other events, then the vectors */
#define ICR			0x000c0
#define IMS			0x000d0
#define IMC			0x000d8
#define INT_LSC			BIT(2)
#define INT_VMMB		BIT(8)
#define GPIE			0x01514
#define GPIE_NSICR		BIT(0)
#define GPIE_MSIX_MODE		BIT(4)
#define GPIE_EIAME		BIT(30)
#define GPIE_PBA		BIT(31)
#define EICS			0x01520
#define EIMS			0x01524
#define EIMS_VF(vf)		(GENMASK(24, 22) >> 3 * (vf))
#define EIMC			0x01528
#define EIAC			0x0152c
#define EIAM			0x01530
#define EICR			0x01580
#define EITR(n)			(0x01680 + 4 * (n))
#define EITR_INTERVAL		GENMASK(14, 2)		/* microseconds */
#define IVAR(n)			(0x01700 + 4 * (n))	/* of queues n and n + 8 */
#define IVAR_RX			0
#define IVAR_TX			8
#define IVAR_HIGH		16			/* of queue n + 8 */
#define IVAR_MISC		0x01740
#define IVAR_MISC_OTHER		8
#define IVAR_VALID		BIT(7)

/* Receive and transmit of the whole device */
#define RCTL			0x00100
#define RCTL_RXEN		BIT(1)
#define RCTL_LPE		BIT(5)
#define RCTL_BAM		BIT(15)
#define RCTL_VFE		BIT(18)
#define RCTL_SECRC		BIT(26)
#define TCTL			0x00400
#define TCTL_EN			BIT(1)
#define TCTL_PSP		BIT(3)
#define TCTL_CT			GENMASK(11, 4)
#define TCTL_COLD		GENMASK(21, 12)	/* byte times */
#define TCTL_RTLC		BIT(24)
#define QDE			0x02408
#define RXCSUM			0x05000
#define RXCSUM_IPOFLD		BIT(8)
#define RXCSUM_TUOFLD		BIT(9)
#define RXCSUM_PCSD		BIT(13)
#define RLPML			0x05004
#define MRQC			0x05818
#define MRQC_VMDQ_RSS		5
#define MRQC_RSS_IPV4_TCP	BIT(16)
#define MRQC_RSS_IPV4		BIT(17)
#define MRQC_RSS_IPV6		BIT(20)
#define MRQC_RSS_IPV6_TCP	BIT(21)
#define RETA(n)			(0x05c00 + 4 * (n))
#define RETA_SECOND_QUEUE	BIT(3)
#define RSSRK(n)		(0x05c80 + 4 * (n))

/* Filters */
#define MTA(n)			(0x05200 + 4 * (n))
#define UTA(n)			(0x0a000 + 4 * (n))
#define VFTA(n)			(0x05600 + 4 * (n))
#define RAL(n)			(0x05400 + 8 * (n))	/* 0 to 15 */
#define RAL_16(n)		(0x054e0 + 8 * (n))	/* 16 to 23 */
#define RAH(n)			(RAL(n) + 4)
#define RAH_POOLSEL		GENMASK(25, 18)
#define RAH_AV			BIT(31)
#define VLVF(n)			(0x05d00 + 4 * (n))
#define VLVF_VLAN_ID		GENMASK(11, 0)
#define VLVF_POOLSEL		GENMASK(19, 12)
#define VLVF_VI_EN		BIT(31)

/* Virtualisation */
#define VMBMEM(vf)		(0x00800 + 64 * (vf))
#define P2VMAILBOX(vf)		(0x00c00 + 4 * (vf))
#define P2VMAILBOX_STS		BIT(0)
#define P2VMAILBOX_ACK		BIT(1)
#define P2VMAILBOX_PFU		BIT(3)
#define P2VMAILBOX_RVFU		BIT(4)
#define MBVFICR			0x00c80
#define MBVFICR_REQ(vf)		BIT(vf)
#define MBVFICR_ACK(vf)		BIT(16 + (vf))
#define MBVFIMR			0x00c84
#define VFLRE			0x00c88
#define VFRE			0x00c8c
#define VFTE			0x00c90
#define DTXSWC			0x03500
#define DTXSWC_MAC_SPOOF(pool)	BIT(pool)
#define DTXSWC_VLAN_SPOOF(pool)	BIT(8 + (pool))
#define DTXSWC_LOOPBACK_EN	BIT(31)
#define VMVIR(pool)		(0x03700 + 4 * (pool))
#define VMVIR_VLANA_DEFAULT	BIT(30)
#define VT_CTL			0x0581c
#define VT_CTL_DEF_PL		GENMASK(9, 7)
#define VT_CTL_REPL_EN		BIT(30)
#define VMOLR(pool)		(0x05ad0 + 4 * (pool))
#define VMOLR_RLPML		GENMASK(13, 0)
#define VMOLR_LPE		BIT(16)
#define VMOLR_RSSE		BIT(17)
#define VMOLR_AUPE		BIT(24)
#define VMOLR_ROMPE		BIT(25)
#define VMOLR_ROPE		BIT(26)
#define VMOLR_BAM		BIT(27)
#define VMOLR_MPME		BIT(28)
#define VMOLR_STRVLAN		BIT(30)
#define VMOLR_STRCRC		BIT(31)
#define RPLOLR			0x05af0
#define RPLOLR_STRVLAN		BIT(30)
#define RPLOLR_STRCRC		BIT(31)
#define RTTDQSEL		0x03604
#define RTTBCNRM		0x03690
#define RTTBCNRM_JUMBO		0x14
#define RTTBCNRC		0x036b0
#define RTTBCNRC_RF		GENMASK(27, 0)		/* 14 fractional bits */
#define RTTBCNRC_RF_SHIFT	14
#define RTTBCNRC_RS_ENA		BIT(31)

/* Queues */
#define RDBAL(q)		(0x0c000 + 0x40 * (q))
#define RDBAH(q)		(0x0c004 + 0x40 * (q))
#define RDLEN(q)		(0x0c008 + 0x40 * (q))
#define SRRCTL(q)		(0x0c00c + 0x40 * (q))
#define SRRCTL_BSIZEPACKET	GENMASK(6, 0)		/* in KiB */
#define SRRCTL_DESCTYPE_ADV	BIT(25)
#define SRRCTL_DROP_EN		BIT(31)
#define RDH(q)			(0x0c010 + 0x40 * (q))
#define RDT(q)			(0x0c018 + 0x40 * (q))
#define RXDCTL(q)		(0x0c028 + 0x40 * (q))
#define TDBAL(q)		(0x0e000 + 0x40 * (q))
#define TDBAH(q)		(0x0e004 + 0x40 * (q))
#define TDLEN(q)		(0x0e008 + 0x40 * (q))
#define TDH(q)			(0x0e010 + 0x40 * (q))
#define TDT(q)			(0x0e018 + 0x40 * (q))
#define TXDCTL(q)		(0x0e028 + 0x40 * (q))
#define TDWBAL(q)		(0x0e038 + 0x40 * (q))
#define TDWBAH(q)		(0x0e03c + 0x40 * (q))
#define XDCTL_PTHRESH		GENMASK(4, 0)		/* both directions */
#define XDCTL_HTHRESH		GENMASK(12, 8)
#define XDCTL_WTHRESH		GENMASK(20, 16)
#define XDCTL_ENABLE		BIT(25)

#define RQDPC(q)		(0x0c030 + 0x40 * (q))	/* cleared on read */

/* Registers of a VF's BAR, at their place in the PF's BAR */
#define PVTEICS(vf)		(0x10020 + 0x100 * (vf))
#define PVTEIMS(vf)		(0x10024 + 0x100 * (vf))
#define PVTEIMC(vf)		(0x10028 + 0x100 * (vf))
#define PVTEIAC(vf)		(0x1002c + 0x100 * (vf))
#define PVTEIAM(vf)		(0x10030 + 0x100 * (vf))
#define PVTEICR(vf)		(0x10080 + 0x100 * (vf))
#define PVTIVAR(vf)		(0x11700 + 4 * (vf))
#define PVTIVAR_MISC(vf)		(0x11720 + 4 * (vf))
#define EITR_VF(vf, n)		EITR(22 - 3 * (vf) + (n))
#define PSRTYPE(pool)		(0x05480 + 4 * (pool))

/* Statistics, cleared on read */
#define CRCERRS			0x04000
#define ALGNERRC		0x04004
#define RXERRC			0x0400c
#define MPC			0x04010
#define RLEC			0x04040
#define GPRC			0x04074
#define BPRC			0x04078
#define MPRC			0x0407c
#define GPTC			0x04080
#define GORCL			0x04088
#define GORCH			0x0408c
#define GOTCL			0x04090
#define GOTCH			0x04094
#define RNBC			0x040a0
#define RUC			0x040a4
#define ROC			0x040ac
#define MPTC			0x040f0
#define BPTC			0x040f4

/* Statistics of a VF: 32 bits, wrap around */
#define PVFGPRC(vf)		(0x10010 + 0x100 * (vf))
#define PVFGPTC(vf)		(0x10014 + 0x100 * (vf))
#define PVFGORC(vf)		(0x10018 + 0x100 * (vf))
#define PVFGOTC(vf)		(0x10034 + 0x100 * (vf))
#define PVFMPRC(vf)		(0x1003c + 0x100 * (vf))

/**
 * union nic_rx_desc - Advanced receive descriptor with one buffer
 * @read:	Written by the driver.
 * @wb:		Written back by the device. Overwrites the address of the buffer.
 */
union nic_rx_desc {
	struct {
		__le64 pkt_addr;
		__le64 hdr_addr;
	} read;
	struct {
		__le32 info;
		__le32 rss;
		__le32 status_error;
		__le16 length;
		__le16 vlan;
	} wb;
};

#define RXD_DD			BIT(0)
#define RXD_EOP			BIT(1)
#define RXD_VP			BIT(3)
#define RXD_UDPCS		BIT(4)
#define RXD_L4CS		BIT(5)
#define RXD_L4E			BIT(29)
#define RXD_IPE			BIT(30)
#define RXD_RXE			BIT(31)

/**
 * struct nic_tx_desc - Advanced transmit descriptor, data or context
 * @addr:		DMA address of the data. Context: lengths of headers, VLAN tag.
 * @cmd_type_len:	Command, type and length. Context: type of the packet.
 * @olinfo_status:	Offload information. The device sets TXD_DD in it.
 */
struct nic_tx_desc {
	__le64 addr;
	__le32 cmd_type_len;
	__le32 olinfo_status;
};

#define TXD_DTYP_CTXT		(2 << 20)
#define TXD_DTYP_DATA		(3 << 20)
#define TXD_DCMD_EOP		BIT(24)
#define TXD_DCMD_IFCS		BIT(25)
#define TXD_DCMD_RS		BIT(27)
#define TXD_DCMD_DEXT		BIT(29)
#define TXD_DCMD_VLE		BIT(30)
#define TXD_DD			BIT(0)
#define TXD_POPTS_TXSM		BIT(9)
#define TXD_PAYLEN		GENMASK(31, 14)
#define TXD_CTXT_IPLEN		GENMASK(8, 0)
#define TXD_CTXT_MACLEN		GENMASK(15, 9)
#define TXD_CTXT_VLAN		GENMASK(31, 16)
#define TXD_TUCMD_IPV4		BIT(10)
#define TXD_TUCMD_L4T_TCP	BIT(11)

#endif /* SAMPLE_NIC_REGS_H */
