// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mailbox of each VF, as igbvf speaks it: 16 words of memory, bits to own them,
 * to say that there is a message, and that it was taken. What the PF has to say goes
 * out here; what the VF asks for is requests.c's.
 */

#include <linux/unaligned.h>

#include "mailbox.h"

#define MBX_TIMEOUT_US		5000	/* until it is taken from a VF that keeps it */

u32 nic_mbx_try(struct nic *nic, unsigned int n)
{
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_PFU);

	return nic_rd(nic, P2VMAILBOX(n));
}

/*
 * Own the memory of a mailbox. A driver has it for a moment, to write a message. It is not
 * waited for, as vf_lock is held: after -EAGAIN the work item comes again, after its pause.
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

/* The mailbox is owned, and is no longer after this. */
void nic_mbx_send(struct nic *nic, unsigned int n, const u32 *msg, unsigned int words)
{
	unsigned int i;

	for (i = 0; i < words; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, msg[i]);
	nic_wr(nic, P2VMAILBOX(n), P2VMAILBOX_STS);
}

void nic_mbx_clear(struct nic *nic, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < MBX_WORDS; i++)
		nic_wr(nic, VMBMEM(n) + 4 * i, 0);
}

/**
 * nic_mbx_reset() - Clear the mailbox of a VF, and requests in it
 * @nic:	The PF.
 * @n:		The VF, which is being closed.
 *
 * Context: vf_lock is held.
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

	vf->notify_pending = false;
	if (vf->frozen || vf->reset_reply)
		return;
	ret = nic_mbx_acquire(nic, n);
	if (ret == -EAGAIN) {
		vf->notify_pending = true;
		queue_work(nic->wq, &nic->mailbox_work);
	}
	if (ret)
		return;

	/* What it has asked is still to be read, and about to be answered. */
	if (nic_rd(nic, MBVFICR) & MBVFICR_REQ(n))
		nic_wr(nic, P2VMAILBOX(n), 0);
	else
		nic_mbx_send(nic, n, &msg, 1);
}

/**
 * nic_vf_send_reset_reply() - Tell a VF's driver that its reset is complete, if it waits for that
 * @nic:	The PF.
 * @n:		The VF.
 *
 * Context: vf_lock is held.
 */
void nic_vf_send_reset_reply(struct nic *nic, unsigned int n)
{
	const u8 *mac = nic->pool[n].mac[0];
	u32 reply[3] = { VF_RESET };

	if (!nic->vf[n].reset_reply)
		return;

	nic->vf[n].reset_reply = false;
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
