/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages between the PF and a VF's driver. Internal to mailbox.c and requests.c. */

#ifndef SAMPLE_NIC_MAILBOX_H
#define SAMPLE_NIC_MAILBOX_H

#include "nic.h"

#define MBX_WORDS		16

/* First word of a message */
#define MSG_ACK			BIT(31)
#define MSG_NACK		BIT(30)
#define MSG_CTS			BIT(29)
#define MSG_INFO		GENMASK(23, 16)
#define MSG_TYPE		GENMASK(15, 0)

#define VF_RESET		0x01
#define VF_SET_MAC_ADDR		0x02
#define   MAC_FILTER_CLR	0x01
#define   MAC_FILTER_ADD	0x02
#define VF_SET_MULTICAST	0x03
#define   MULTICAST_OVERFLOW	0x80
#define VF_SET_VLAN		0x04
#define VF_SET_LPE		0x05
#define VF_SET_PROMISC		0x06
#define   PROMISC_MULTICAST	0x02
#define   PROMISC_UNICAST	0x04
#define PF_CONTROL_MSG		0x0100

u32 nic_mbx_try(struct nic *nic, unsigned int n);
int nic_mbx_acquire(struct nic *nic, unsigned int n);
void nic_mbx_send(struct nic *nic, unsigned int n, const u32 *msg, unsigned int words);
void nic_mbx_clear(struct nic *nic, unsigned int n);

#endif /* SAMPLE_NIC_MAILBOX_H */
