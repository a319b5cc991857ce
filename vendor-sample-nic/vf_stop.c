// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VF's DMA: stopped, with its mailbox or without, held for a moment, started again.
 */

#include "nic.h"

/* Serve the mailbox again. What the VF's driver has not seen yet, it finds again. */
static void nic_vf_thaw(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->frozen = false;
	nic_wr(nic, EIMS, vf->masked_eims);
	vf->masked_eims = 0;
	if (vf->mbx_latched)
		nic_wr(nic, P2VMAILBOX(n), vf->mbx_latched);
	else if (vf->active)
		/* Told by the work item, as its guest waits to run */
		vf->notify_pending = true;
	vf->mbx_latched = 0;
	if (vf->notices)
		nic_vfs_notify(nic);
	queue_work(nic->wq, &nic->mailbox_work);
}

/* Restore what nic_vf_stop() has changed. */
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
 * nic_vf_stop() - Stop a VF's DMA
 * @nic:	The PF.
 * @n:		The VF.
 * @freeze:	Nor is its mailbox served any more, nor an interrupt raised, from now on.
 *
 * Whatever its driver does, resets included, until nic_vf_start(). What it had queued
 * to be sent is sent then; frames for it are dropped in the meantime, unless another
 * VF comes with its address and gets them. What it has sent itself before, and what it
 * has received, is in memory when this returns.
 *
 * Context: Process context, sleeps.
 * Return: 0 when the VF does no more DMA. -ENODEV when the VF or its PF is gone, or
 * -ETIMEDOUT when it is not certain that it does none: it is as it was before.
 * -ENOTRECOVERABLE when it is not, because the PF has taken its address meanwhile.
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

	/* Others need not wait for it. Nobody but the caller has it start again. */
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
 * nic_vf_start() - Let a VF go on where it was stopped
 * @nic:	The PF.
 * @n:		The VF.
 *
 * When its mailbox was frozen, it is told how things stand, unless it still has to
 * read something else.
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENODEV when the VF is gone, or -EADDRINUSE when another one has come
 * with its address: it remains stopped.
 */
int nic_vf_start(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);
	int ret = 0;

	if (!vf)
		return -ENODEV;
	if (!vf->stopped)
		goto unlock;

	/* If it was reset, its address is not what it was. */
	nic_vf_handle_events(nic, n);
	ret = nic_pool_resume(nic, n, true);
	if (ret) {
		dev_warn_ratelimited(&nic->pdev->dev, "VF %u: another VF has its address now\n", n);
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
 * nic_vf_hold_rx() - Have a VF receive nothing for a moment
 * @nic:	The PF.
 * @n:		The VF.
 * @on:		The moment begins, or ends.
 *
 * Frames for it are dropped meanwhile. What it has received is in memory when the moment
 * has begun.
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENODEV when the VF or its PF is gone, or -ETIMEDOUT when it is not certain
 * that it receives nothing.
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
