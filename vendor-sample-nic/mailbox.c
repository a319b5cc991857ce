// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mailbox of each VF, as igbvf speaks it: 16 words of memory, bits to own them,
 * to say that there is a message, and that it was taken. The VF asks, the PF
 * answers. The VF's driver is not to be believed: a message is copied before it is
 * looked at, and one that makes no sense is refused without a word in the log.
 *
 * Each VF has one message served, then there is a pause: the interrupt is masked as
 * long as there are messages, and they are looked for from a work item. It must not
 * depend on timers of the CPU: igbvf waits for the answer with its bottom halves off,
 * which may be those of this host.
 */

#include <linux/delay.h>
#include <linux/unaligned.h>

#include "nic.h"
#include "vfio_mediate.h"

#define MBX_WORDS		16
#define MBX_PATIENCE_US		5000	/* until it is taken from a VF that keeps it */

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

static u32 nic_try_mailbox(struct nic *nic, unsigned int n)
{
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_PFU);

	return nic_rd(nic, P2VMAILBOX(n));
}

/*
 * Own the memory of a mailbox. A driver has it for a moment, to write a message. It is not
 * waited for, as vf_lock is held: after -EAGAIN the work item comes again, after its pause.
 */
static int nic_take_mailbox(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	ktime_t now = ktime_get();

	if (nic_try_mailbox(nic, n) & P2VMAILBOX_PFU) {
		vf->busy_since = 0;
		return 0;
	}
	vf->busy_since = vf->busy_since ?: now;
	if (ktime_us_delta(now, vf->busy_since) < MBX_PATIENCE_US)
		return -EAGAIN;
	vf->busy_since = 0;

	return -ETIMEDOUT;
}

/* The mailbox is owned, and is no longer after this. */
static void nic_send(struct nic *nic, unsigned int n, const u32 *msg, unsigned int words)
{
	unsigned int i;

	for (i = 0; i < words; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, msg[i]);
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_STS);
}

static void nic_clear_mailbox(struct nic *nic, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < MBX_WORDS; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, 0);
}

/**
 * nic_forget_mailbox() - Clear the mailbox of a VF, and requests in it
 * @nic:	The PF.
 * @n:		The VF, which is being closed.
 *
 * Context: vf_lock is held.
 */
void nic_forget_mailbox(struct nic *nic, unsigned int n)
{
	nic->vf[n].busy_since = 0;
	nic->vf[n].untold = false;
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_RVFU);
	nic_wr(nic, MBVFICR, MBVFICR_REQ(n) | MBVFICR_ACK(n));
	nic_clear_mailbox(nic, n);
}

/* The VF was reset. Its driver may have written a message already: keep it. */
static void nic_vf_flr(struct nic *nic, unsigned int n)
{
	nic_vf_reset(nic, n, false);
	nic_hw_forget_vf(nic, n);
	if (!(nic_try_mailbox(nic, n) & P2VMAILBOX_PFU))
		return;

	if (!(nic_rd(nic, MBVFICR) & MBVFICR_REQ(n)))
		nic_clear_mailbox(nic, n);
	nic_wr(nic, P2VMAILBOX(n), 0);
}

/**
 * nic_vf_notify() - Tell a VF how things stand
 * @nic:	The PF.
 * @n:		The VF.
 *
 * Its driver takes the link for up when it reads CTS. When it reads NACK, it resets
 * the VF and starts over.
 *
 * Context: vf_lock is held.
 */
void nic_vf_notify(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	u32 msg = PF_CONTROL_MSG;
	int ret;

	if (!vf->active)
		msg |= MSG_NACK;
	else if (!vf->link_off)
		msg |= MSG_CTS;

	vf->untold = false;
	if (vf->frozen || vf->answer)
		return;
	ret = nic_take_mailbox(nic, n);
	if (ret == -EAGAIN) {
		vf->untold = true;
		queue_work(nic->wq, &nic->mailbox_work);
	}
	if (ret)
		return;

	/* What it has asked is still to be read, and about to be answered. */
	if (nic_rd(nic, MBVFICR) & MBVFICR_REQ(n))
		nic_wr(nic, P2VMAILBOX(n), 0);
	else
		nic_send(nic, n, &msg, 1);
}

/**
 * nic_vf_answer() - Tell a VF's driver that its reset is complete, if it waits for that
 * @nic:	The PF.
 * @n:		The VF.
 *
 * Context: vf_lock is held.
 */
void nic_vf_answer(struct nic *nic, unsigned int n)
{
	const u8 *mac = nic->pool[n].mac[0];
	u32 reply[3] = { VF_RESET };

	if (!nic->vf[n].answer)
		return;

	nic->vf[n].answer = false;
	if (is_zero_ether_addr(mac) || !nic->vf[n].active) {
		reply[0] |= MSG_NACK;
	} else {
		reply[0] |= MSG_ACK;
		reply[1] = get_unaligned_le32(mac);
		reply[2] = get_unaligned_le16(mac + 4);
	}
	nic_clear_mailbox(nic, n);
	nic_send(nic, n, reply, ARRAY_SIZE(reply));
}

/*
 * The VF's driver then sets up its queues, by writing to pages that may be trapped: they
 * must show the reset before.
 */
static void nic_msg_reset(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	/* Not mediated: the host's own driver, or in-tree vfio-pci */
	if (!vf->open)
		nic_pool_set_guest(nic, n, NULL);
	nic_vf_reset(nic, n, true);
	vf->answer = true;
	if (!vf->dev || vfio_mediate_was_reset(vf->dev))
		nic_vf_answer(nic, n);
}

static int nic_msg_mac(struct nic *nic, unsigned int n, const u32 *msg)
{
	u32 info = FIELD_GET(MSG_INFO, msg[0]);
	u8 mac[ETH_ALEN] = {};
	unsigned int i;

	if (info == MAC_FILTER_CLR) {
		for (i = 1; i < NIC_POOL_MACS; i++)
			nic_pool_set_mac(nic, n, i, mac);
		return 0;
	}

	put_unaligned_le32(msg[1], mac);
	put_unaligned_le16(msg[2], mac + 4);
	if (!info)
		return nic_grant_mac(nic, n, mac);

	return info == MAC_FILTER_ADD ? nic_grant_more_macs(nic, n, mac) : -EINVAL;
}

static int nic_msg_multicast(struct nic *nic, unsigned int n, const u32 *msg)
{
	unsigned int info = FIELD_GET(MSG_INFO, msg[0]);
	unsigned int count = info & ~MULTICAST_OVERFLOW;
	DECLARE_BITMAP(mta, NIC_MTA_BITS) = {};
	unsigned int i;
	u16 hash;
	int ret;

	if (count > NIC_POOL_HASHES)
		return -EINVAL;

	for (i = 0; i < count; i++) {
		hash = msg[1 + i / 2] >> (i % 2 * 16);
		if (hash >= NIC_MTA_BITS)
			return -EINVAL;
		__set_bit(hash, mta);
	}

	ret = nic_grant_multicast(nic, n, mta);
	if (ret)
		return ret;

	/* More addresses than fit into a message: they come only with trust. */
	return nic_grant_promisc(nic, n, info & MULTICAST_OVERFLOW && nic->vf[n].trusted,
				 nic->pool[n].uc_promisc);
}

static int nic_msg_vlan(struct nic *nic, unsigned int n, const u32 *msg)
{
	u32 add = FIELD_GET(MSG_INFO, msg[0]);

	return add > 1 ? -EINVAL : nic_grant_vlan(nic, n, msg[1], add);
}

static int nic_msg_promisc(struct nic *nic, unsigned int n, const u32 *msg)
{
	u32 info = FIELD_GET(MSG_INFO, msg[0]);

	if (info & ~(PROMISC_MULTICAST | PROMISC_UNICAST))
		return -EINVAL;

	return nic_grant_promisc(nic, n, info & PROMISC_MULTICAST, info & PROMISC_UNICAST);
}

static int nic_msg_request(struct nic *nic, unsigned int n, const u32 *msg)
{
	/* Nothing is granted before the reset handshake. */
	if (!nic->vf[n].active)
		return -EPERM;

	switch (FIELD_GET(MSG_TYPE, msg[0])) {
	case VF_SET_MAC_ADDR:
		return nic_msg_mac(nic, n, msg);
	case VF_SET_MULTICAST:
		return nic_msg_multicast(nic, n, msg);
	case VF_SET_VLAN:
		return nic_msg_vlan(nic, n, msg);
	case VF_SET_LPE:
		return nic_grant_max_frame(nic, n, msg[1]);
	case VF_SET_PROMISC:
		return nic_msg_promisc(nic, n, msg);
	default:
		return -EINVAL;
	}
}

/* The mailbox is owned. */
static void nic_serve_message(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	u32 msg[MBX_WORDS];
	unsigned int i;
	int ret;

	/* The answer tells it, and is not to be overwritten before it was read. */
	vf->untold = false;
	for (i = 0; i < MBX_WORDS; i++)
		msg[i] = nic_rd(nic, VMBMEM(n) + 4 * i);
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_ACK | P2VMAILBOX_PFU);

	if (msg[0] == VF_RESET) {
		nic_msg_reset(nic, n);
		return;
	}

	ret = nic_msg_request(nic, n, msg);
	if (ret)
		pci_dbg(nic->pdev, "VF %u: message %#x: %pe\n", n, msg[0], ERR_PTR(ret));
	msg[0] &= MSG_INFO | MSG_TYPE;
	msg[0] |= ret ? MSG_NACK : MSG_ACK;
	if (vf->active && !vf->link_off)
		msg[0] |= MSG_CTS;
	nic_send(nic, n, msg, 1);
}

/* Whether there was something to do. Context: vf_lock is held. */
bool nic_serve_vf(struct nic *nic, unsigned int n)
{
	int taken = -EAGAIN;
	u32 flr, mail = 0;

	/* A reset comes before the message that follows it, so look for it last. */
	if (!nic->vf[n].frozen)
		mail = nic_rd(nic, MBVFICR) & (MBVFICR_REQ(n) | MBVFICR_ACK(n));
	flr = nic_rd(nic, VFLRE) & BIT(n);
	if (flr) {
		nic_wr(nic, VFLRE, flr);
		nic_vf_flr(nic, n);
	}
	if (mail & MBVFICR_REQ(n))
		taken = nic_take_mailbox(nic, n);
	/* A message that cannot be read yet is found again. */
	if (mail)
		nic_wr(nic, MBVFICR, taken == -EAGAIN ? mail & ~MBVFICR_REQ(n) : mail);
	if (!taken)
		nic_serve_message(nic, n);
	else if (taken == -ETIMEDOUT)
		/* The VF does not let go of it: no message, then. */
		nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_RVFU);

	return flr || mail;
}

void nic_mailbox_work(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, mailbox_work);
	bool more = false;
	unsigned int n;

	mutex_lock(&nic->vf_lock);
	for (n = 0; n < nic->num_vfs && !nic_gone(nic); n++) {
		more |= nic_serve_vf(nic, n);
		if (nic->vf[n].untold)
			nic_vf_notify(nic, n);
		more |= nic->vf[n].untold;
	}
	mutex_unlock(&nic->vf_lock);

	if (more) {
		usleep_range(1000, 2000);
		queue_work(nic->wq, work);
	} else {
		nic_wr(nic, IMS, INT_VMMB);
	}
}
