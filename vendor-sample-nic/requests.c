// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of VFs: function level resets and mailbox messages.
 *
 * The driver of a VF is not trusted. A message is copied before it is parsed. A malformed
 * message is refused without a log line.
 *
 * The work item handles one message of each VF, then pauses. The mailbox interrupt stays
 * masked as long as there are messages. The work item must not depend on timers of a CPU:
 * igbvf waits for the reply with bottom halves disabled, possibly those of this host.
 */

#include <linux/delay.h>
#include <linux/unaligned.h>

#include "mailbox.h"
#include "vfio_mediate.h"

/* Handle an FLR. The VF's driver may already have written a message: keep it. */
static void nic_vf_handle_flr(struct nic *nic, unsigned int n)
{
	nic_vf_reset(nic, n, false);
	nic_hw_clear_vf(nic, n);
	if (!(nic_mbx_try(nic, n) & P2VMAILBOX_PFU))
		return;

	if (!(nic_rd(nic, MBVFICR) & MBVFICR_REQ(n)))
		nic_mbx_clear(nic, n);
	nic_wr(nic, P2VMAILBOX(n), 0);
}

/*
 * Handle VF_RESET. After the reply, the driver writes to pages that may be trapped. These
 * pages must show the reset before: vfio-mediate calls nic_mediate_reset_done(), which
 * sends the reply.
 */
static void nic_msg_reset(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	/* Not mediated: the VF is bound to the host's driver or to in-tree vfio-pci. */
	if (!vf->dev)
		nic_pool_set_guest(nic, n, NULL);
	nic_vf_reset(nic, n, true);
	if (!vf->dev || vfio_mediate_was_reset(vf->dev))
		nic_vf_send_reset_reply(nic, n);
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

	return info == MAC_FILTER_ADD ? nic_grant_extra_mac(nic, n, mac) : -EINVAL;
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

	/* More addresses than a message holds: receive all multicast frames, if trusted. */
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
	/* Grant nothing before the reset handshake. */
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

/* Handle a message and reply to it. The PF owns the mailbox. */
static void nic_vf_handle_message(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	u32 msg[MBX_WORDS];
	unsigned int i;
	int ret;

	/* The reply has the state. A notification would overwrite it. */
	vf->notify_pending = false;
	for (i = 0; i < MBX_WORDS; i++)
		msg[i] = nic_rd(nic, VMBMEM(n) + 4 * i);
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_ACK | P2VMAILBOX_PFU);

	if (msg[0] == VF_RESET) {
		nic_msg_reset(nic, n);
		return;
	}

	ret = nic_msg_request(nic, n, msg);
	if (ret)
		pci_dbg(nic->pdev, "VF %u: message %#x refused: %pe\n", n, msg[0], ERR_PTR(ret));
	msg[0] &= MSG_INFO | MSG_TYPE;
	msg[0] |= ret ? MSG_NACK : MSG_ACK;
	if (vf->active && !vf->link_off)
		msg[0] |= MSG_CTS;
	nic_mbx_send(nic, n, msg, 1);
}

/**
 * nic_vf_handle_events() - Handle an FLR and one message of a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Messages of a frozen VF are left for later.
 *
 * Context: Process context. The caller holds vf_lock.
 * Return: Whether there was an event.
 */
bool nic_vf_handle_events(struct nic *nic, unsigned int n)
{
	int taken = -EAGAIN;
	u32 flr, mail = 0;

	if (nic_gone(nic))
		return false;

	/* A reset precedes the message that follows it: read VFLRE after MBVFICR. */
	if (!nic->vf[n].frozen)
		mail = nic_rd(nic, MBVFICR) & (MBVFICR_REQ(n) | MBVFICR_ACK(n));
	flr = nic_rd(nic, VFLRE) & BIT(n);
	if (flr) {
		nic_wr(nic, VFLRE, flr);
		nic_vf_handle_flr(nic, n);
	}
	if (mail & MBVFICR_REQ(n))
		taken = nic_mbx_acquire(nic, n);
	/* Leave the request pending if the message cannot be read yet. */
	if (mail)
		nic_wr(nic, MBVFICR, taken == -EAGAIN ? mail & ~MBVFICR_REQ(n) : mail);
	if (!taken)
		nic_vf_handle_message(nic, n);
	else if (taken == -ETIMEDOUT)
		/* The VF does not release its mailbox: drop the message. */
		nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_RVFU);

	return flr || mail;
}

/**
 * nic_mailbox_work() - Handle the events of all VFs
 * @work:	&nic.mailbox_work.
 *
 * Queued by the mailbox interrupt, which stays masked until no VF has an event left.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_mailbox_work(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, mailbox_work);
	bool more = false;
	unsigned int n;

	mutex_lock(&nic->vf_lock);
	for (n = 0; n < nic->num_vfs; n++) {
		more |= nic_vf_handle_events(nic, n);
		if (nic->vf[n].notify_pending)
			nic_vf_notify(nic, n);
		more |= nic->vf[n].notify_pending;
	}
	mutex_unlock(&nic->vf_lock);

	if (more) {
		usleep_range(1000, 2000);
		queue_work(nic->wq, work);
	} else {
		nic_wr(nic, IMS, INT_VMMB);
	}
}
