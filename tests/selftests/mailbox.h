/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox of a VF of an 82576, as the VF has it.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

/* In BAR 0 of a VF */
#define VTCTRL		0x0000
#define  VTCTRL_RST	0x04000000
#define VMBMEM		0x0800
#define V2PMAILBOX	0x0c40
#define  REQ		0x01
#define  ACK		0x02
#define  VFU		0x04
#define  PFSTS		0x10
#define  RSTI		0x40
#define  RSTD		0x80

#define MSG_ACK		0x80000000
#define MSG_NACK	0x40000000
#define MSG_TYPE	0xffff

#define TYPE_RESET	0x01
#define TYPE_MAC	0x02

#endif /* MAILBOX_H */
