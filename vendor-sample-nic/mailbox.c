// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PF's side of the VFs' mailboxes, in the protocol of igbvf.
 *
 * A mailbox has 16 words of memory and a register. The bits of the register own the memory,
 * say that there is a message, and acknowledge a message. This file owns mailboxes and
 * sends messages. requests.c handles the messages of VFs.
 */

#include <linux/unaligned.h>

#include "mailbox.h"

#define MBX_TIMEOUT_US		5000	/* time for which a VF may own its mailbox */

/**
 * nic_mbx_try() - Ask once for the memory of a mailbox
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock.
 * Return: P2VMAILBOX. P2VMAILBOX_PFU is set if the PF owns the memory.
 */
u32 nic_mbx_try(struct nic *nic, unsigned int n)
{
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_PFU);

	return nic_rd(nic, P2VMAILBOX(n));
}

/*
 * Does the PF own the memory of a mailbox? It does so from a reset request to the reply, and
 * during a call of nic_vf_handle_events() and nic_vf_notify().
 */
static bool nic_mbx_owned(struct nic *nic, unsigned int n)
{
	return nic_rd(nic, P2VMAILBOX(n)) & P2VMAILBOX_PFU;
}

/**
 * nic_mbx_acquire() - Own the memory of a mailbox
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * The VF's driver owns the memory while it writes a message. Do not wait for the driver, as
 * vf_lock is held: the work item tries again after its pause.
 *
 * Context: Process context. The caller holds vf_lock.
 * Return:
 * * 0: the PF owns the memory.
 * * -EAGAIN: the VF owns it. Try again from the work item.
 * * -ETIMEDOUT: the VF has owned it for too long.
 */
int nic_mbx_acquire(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	ktime_t now = ktime_get();

	if (nic_mbx_try(nic, n) & P2VMAILBOX_PFU) {
		vf->mbx_busy_since = 0;
		return 0;
	}
	vf->mbx_busy_since = vf->mbx_busy_since ?: now;
	if (ktime_us_delta(now, vf->mbx_busy_since) < MBX_TIMEOUT_US)
		return -EAGAIN;
	vf->mbx_busy_since = 0;

	return -ETIMEDOUT;
}

/**
 * nic_mbx_send() - Send a message and release the mailbox
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @msg:	The message.
 * @words:	Number of words in @msg.
 *
 * Context: Process context. The caller holds vf_lock. The PF owns the mailbox.
 */
void nic_mbx_send(struct nic *nic, unsigned int n, const u32 *msg, unsigned int words)
{
	unsigned int i;

	for (i = 0; i < words; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, msg[i]);
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_STS);
}

/**
 * nic_mbx_clear() - Zero the memory of a mailbox
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock. The PF owns the mailbox.
 */
void nic_mbx_clear(struct nic *nic, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < MBX_WORDS; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, 0);
}

/**
 * nic_mbx_reset() - Clear the mailbox of a VF and its pending events
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_mbx_reset(struct nic *nic, unsigned int n)
{
	nic->vf[n].mbx_busy_since = 0;
	nic->vf[n].notify_pending = false;
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_RVFU);
	nic_wr(nic, MBVFICR, MBVFICR_REQ(n) | MBVFICR_ACK(n));
	nic_mbx_clear(nic, n);
}

/**
 * nic_vf_notify() - Tell a VF's driver the state of its VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Send a control message. CTS tells the driver that the link is up. NACK tells it to reset
 * the VF and to start over.
 *
 * If the VF owns its mailbox, the work item sends the message later. A frozen VF, or one
 * that waits for a reset reply, gets no message.
 *
 * Context: Process context. The caller holds vf_lock.
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

	vf->notify_pending = false;
	if (vf->frozen || nic_mbx_owned(nic, n))
		return;
	ret = nic_mbx_acquire(nic, n);
	if (ret == -EAGAIN) {
		vf->notify_pending = true;
		queue_work(nic->wq, &nic->mailbox_work);
	}
	if (ret)
		return;

	/* The VF's request is still to be read. The reply to it has the state. */
	if (nic_rd(nic, MBVFICR) & MBVFICR_REQ(n))
		nic_wr(nic, P2VMAILBOX(n), 0);
	else
		nic_mbx_send(nic, n, &msg, 1);
}

/**
 * nic_vf_send_reset_reply() - Send the reply to a VF's reset request
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Does nothing if the VF's driver does not wait for one.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_send_reset_reply(struct nic *nic, unsigned int n)
{
	const u8 *mac = nic->pool[n].mac[0];
	u32 reply[3] = { VF_RESET };

	if (!nic_mbx_owned(nic, n))
		return;
	if (is_zero_ether_addr(mac) || !nic->vf[n].active) {
		reply[0] |= MSG_NACK;
	} else {
		reply[0] |= MSG_ACK;
		reply[1] = get_unaligned_le32(mac);
		reply[2] = get_unaligned_le16(mac + 4);
	}
	nic_mbx_clear(nic, n);
	nic_mbx_send(nic, n, reply, ARRAY_SIZE(reply));
}
