// SPDX-License-Identifier: GPL-2.0-only
/* Stop and start a VF: its DMA, its mailbox and its interrupts. */

#include <linux/export.h>

#include "nic.h"

/* Handle the mailbox again. Show the VF's driver the events that it has not read. */
static void nic_vf_thaw(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->frozen = false;
	nic_wr(nic, EIMS, vf->masked_eims);
	vf->masked_eims = 0;
	if (vf->mbx_unread)
		nic_wr(nic, P2VMAILBOX(n), vf->mbx_unread);
	else if (vf->active)
		/* Leave this to the work item: the guest waits for its VF to run. */
		vf->notify_pending = true;
	vf->mbx_unread = 0;
	if (vf->notices)
		nic_vfs_notify(nic);
	queue_work(nic->wq, &nic->mailbox_work);
}

/**
 * nic_vf_stop() - Stop the DMA of a VF
 * @vf:		The VF.
 * @freeze:	Also stop handling the mailbox, and mask the interrupts.
 *
 * DMA stays stopped until nic_vf_start(), whatever the VF's driver does, resets included.
 * Frames in the transmit rings are sent after nic_vf_start(). Frames for the VF go to the wire.
 *
 * When this function returns 0, everything that the VF has received, and every transmit
 * descriptor that it has written back, is in memory. After an error the VF is stopped, too: call
 * nic_vf_start() to undo that.
 *
 * Context: Process context, may sleep. Takes vf_lock. The caller excludes other starts and
 * stops of the VF.
 * Return:
 * * 0: the VF does no DMA.
 * * -ENODEV: the PF is gone.
 * * -ETIMEDOUT: DMA may still be in flight.
 */
int nic_vf_stop(struct nic_vf *vf, bool freeze)
{
	unsigned int n = nic_vf_id(vf);
	struct nic *nic = vf->nic;
	bool quiet;
	int ret = 0;

	scoped_guard(mutex, &nic->vf_lock) {
		if (freeze) {
			nic_vf_handle_events(nic, n);
			nic_vf_send_reset_reply(nic, n);
			vf->masked_eims |= nic_rd(nic, EIMS) & EIMS_VF(n);
			nic_wr(nic, EIMC, EIMS_VF(n));
			vf->frozen = true;
		} else if (vf->frozen) {
			nic_vf_thaw(nic, n);
		}
		quiet = vf->stopped;
		WRITE_ONCE(vf->stopped, true);
		nic_pool_enable(nic, n, false, false);
	}

	/* Do not block other VFs. Only the caller can start this VF again. */
	if (!quiet)
		ret = nic_pool_drain(nic, n, true);
	/* Until its last frame is sent, the VF has its addresses: the device checks them. */
	scoped_guard(mutex, &nic->vf_lock)
		nic_vf_update(nic, n);

	return nic_gone(nic) ? -ENODEV : ret;
}
EXPORT_SYMBOL_NS_GPL(nic_vf_stop, NIC_TEST_NS);

/**
 * nic_vf_start() - Start a VF where it was stopped
 * @vf:		The VF.
 *
 * If the mailbox was frozen, notify the VF's driver, unless it has an event to read.
 *
 * Context: Process context, may sleep. Takes vf_lock. The caller excludes other starts and
 * stops of the VF.
 * Return:
 * * 0: the VF runs.
 * * -EADDRINUSE: another VF has taken the address. The VF remains stopped.
 */
int nic_vf_start(struct nic_vf *vf)
{
	unsigned int n = nic_vf_id(vf);
	struct nic *nic = vf->nic;
	int ret;

	guard(mutex)(&nic->vf_lock);
	/* A reset may have changed the address. */
	nic_vf_handle_events(nic, n);
	WRITE_ONCE(vf->stopped, false);
	ret = nic_vf_update(nic, n);
	if (ret)
		WRITE_ONCE(vf->stopped, true);
	else if (vf->frozen)
		nic_vf_thaw(nic, n);

	return ret;
}
EXPORT_SYMBOL_NS_GPL(nic_vf_start, NIC_TEST_NS);
