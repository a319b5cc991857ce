// SPDX-License-Identifier: GPL-2.0-only
/* Stop and start a VF: its DMA, its mailbox and its interrupts. */

#include "nic.h"

/* Handle the mailbox again. Show the VF's driver the events that it has not read. */
static void nic_vf_thaw(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->frozen = false;
	nic_wr(nic, EIMS, vf->masked_eims);
	vf->masked_eims = 0;
	if (vf->mbx_latched)
		nic_wr(nic, P2VMAILBOX(n), vf->mbx_latched);
	else if (vf->active)
		/* Leave this to the work item: the guest waits for its VF to run. */
		vf->notify_pending = true;
	vf->mbx_latched = 0;
	if (vf->notices)
		nic_vfs_notify(nic);
	queue_work(nic->wq, &nic->mailbox_work);
}

/* Undo nic_vf_stop(). */
static int nic_vf_undo_stop(struct nic *nic, unsigned int n, bool stopped, bool frozen)
{
	struct nic_vf *vf = &nic->vf[n];

	if (vf->frozen && !frozen)
		nic_vf_thaw(nic, n);
	else if (!vf->frozen && frozen)
		nic_vf_mask_irqs(nic, n);
	vf->frozen = frozen;
	if (stopped)
		return 0;
	if (nic_pool_resume(nic, n, true))
		return -ENOTRECOVERABLE;

	vf->stopped = false;
	nic_vf_update_dma(nic, n);

	return 0;
}

/**
 * nic_vf_stop() - Stop the DMA of a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @freeze:	Also stop handling the mailbox, and mask the interrupts.
 *
 * DMA stays stopped until nic_vf_start(), whatever the VF's driver does, resets included.
 * Frames in the transmit rings are sent after nic_vf_start(). Frames for the VF are
 * dropped, unless another VF takes its address.
 *
 * When this function returns, everything that the VF has received, and every transmit
 * descriptor that it has written back, is in memory.
 *
 * Context: Process context, may sleep. Takes vf_lock. The caller excludes other starts and
 * stops of the VF.
 * Return:
 * * 0: the VF does no DMA.
 * * -ENODEV: the VF or the PF is gone. The VF is in its previous state.
 * * -ETIMEDOUT: DMA may still be in flight. The VF is in its previous state.
 * * -ENOTRECOVERABLE: stopping has failed, and so has the return to the previous state:
 *   another pool has taken the address.
 */
int nic_vf_stop(struct nic *nic, unsigned int n, bool freeze)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	bool stopped, frozen, quiet;
	int ret = 0;

	if (!vf)
		return -ENODEV;

	stopped = vf->stopped;
	frozen = vf->frozen;
	if (freeze && !frozen) {
		nic_vf_handle_events(nic, n);
		nic_vf_send_reset_reply(nic, n);
		nic_vf_mask_irqs(nic, n);
	} else if (frozen && !freeze) {
		nic_vf_thaw(nic, n);
	}
	vf->frozen = freeze;
	vf->stopped = true;
	nic_vf_update_dma(nic, n);
	nic_pool_suspend(nic, n);
	quiet = vf->dma_idle;
	mutex_unlock(&nic->vf_lock);

	/* Do not block other VFs. Only the caller can start this VF again. */
	if (!quiet)
		ret = nic_pool_drain(nic, n, true);

	mutex_lock(&nic->vf_lock);
	if (nic_gone(nic))
		ret = -ENODEV;
	WRITE_ONCE(vf->dma_idle, !ret);
	if (ret)
		ret = nic_vf_undo_stop(nic, n, stopped, frozen) ?: ret;
	mutex_unlock(&nic->vf_lock);

	return ret;
}

/**
 * nic_vf_start() - Start a VF where it was stopped
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * If the mailbox was frozen, notify the VF's driver, unless it has an event to read.
 *
 * Context: Process context, may sleep. Takes vf_lock. The caller excludes other starts and
 * stops of the VF.
 * Return:
 * * 0: the VF runs.
 * * -ENODEV: the VF is gone.
 * * -EADDRINUSE: another VF has taken the address. The VF remains stopped.
 */
int nic_vf_start(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	int ret = 0;

	if (!vf)
		return -ENODEV;
	if (!vf->stopped)
		goto unlock;

	/* A reset may have changed the address. */
	nic_vf_handle_events(nic, n);
	ret = nic_pool_resume(nic, n, true);
	if (ret) {
		dev_warn_ratelimited(&nic->pdev->dev, "VF %u: cannot start, another VF has its MAC address: %pe; set another one with ip link\n",
				     n, ERR_PTR(ret));
		goto unlock;
	}

	vf->stopped = false;
	nic_vf_update_dma(nic, n);
	if (vf->frozen)
		nic_vf_thaw(nic, n);
unlock:
	mutex_unlock(&nic->vf_lock);
	return ret;
}

/**
 * nic_vf_hold_rx() - Hold the reception of a VF, or release it
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @on:		true: hold. false: release.
 *
 * Frames for the VF are dropped while reception is held. Once it is held, everything that
 * the VF has received is in memory.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 * Return:
 * * 0: success.
 * * -ENODEV: the VF or the PF is gone.
 * * -ETIMEDOUT: the VF may still receive.
 */
int nic_vf_hold_rx(struct nic *nic, unsigned int n, bool on)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	int ret = 0;

	if (!vf)
		return -ENODEV;

	vf->rx_held = on;
	nic_vf_update_dma(nic, n);
	mutex_unlock(&nic->vf_lock);

	if (on)
		ret = nic_pool_drain(nic, n, false);

	return nic_gone(nic) ? -ENODEV : ret;
}
