// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VF is to the PF: whether it may do DMA, its reset, who has it open.
 */

#include "nic.h"

/* The VF, with vf_lock held; NULL if there is none of that number. */
struct nic_vf *nic_lock_vf(struct nic *nic, int n)
{
	mutex_lock(&nic->vf_lock);
	if (n >= 0 && n < nic->num_vfs)
		return &nic->vf[n];

	mutex_unlock(&nic->vf_lock);
	return NULL;
}

/* Context: vf_lock is held. */
void nic_vf_update_dma(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	bool on = vf->active && !vf->link_off && !vf->stopped;

	if (!vf->stopped)
		WRITE_ONCE(vf->dma_idle, false);
	nic_pool_enable(nic, n, on && !vf->rx_held, on);
}

/**
 * nic_vf_reset() - A VF was reset, or its driver says that it is there
 * @nic:	The PF.
 * @n:		The VF.
 * @active:	The latter.
 *
 * Context: vf_lock is held.
 */
void nic_vf_reset(struct nic *nic, unsigned int n, bool active)
{
	static const u8 none[ETH_ALEN];
	struct nic_vf *vf = &nic->vf[n];

	nic_vf_note_reset(nic, n, active);
	nic_pool_reset(nic, n);
	if (!active && !vf->admin_mac)
		nic_pool_set_mac(nic, n, 0, none);
	/* While it was stopped, another VF may have come with its address. */
	if (!vf->stopped && nic_pool_resume(nic, n, false))
		active = false;
	vf->active = active;
	vf->masked_eims = 0;
	vf->mbx_latched = 0;
	nic_vf_update_dma(nic, n);
}

/**
 * nic_vf_mask_irqs() - Mask the vectors of a VF until its mailbox is served again
 * @nic:	The PF.
 * @n:		The VF.
 *
 * Context: vf_lock is held.
 */
void nic_vf_mask_irqs(struct nic *nic, unsigned int n)
{
	nic->vf[n].masked_eims |= nic_rd(nic, EIMS) & EIMS_VF(n);
	nic_wr(nic, EIMC, EIMS_VF(n));
}

/* A VMM opens a VF: it serves a new guest. */
void nic_vf_open(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = true;
	nic_pool_set_guest(nic, n, NULL);
	mutex_unlock(&nic->vf_lock);
}

/* Nobody uses it any more: its next user finds it as after a reset. */
void nic_vf_close(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = false;
	vf->dev = NULL;
	/* Nobody waits for it any more: the mailbox is the next user's. */
	if (vf->reset_reply)
		nic_wr(nic, P2VMAILBOX(n), 0);
	vf->reset_reply = false;
	vf->stopped = false;
	vf->frozen = false;
	nic_vf_reset(nic, n, false);
	/* One that still waits for an address is known by the guest that has taken it along. */
	if (!nic->pool[n].suspended)
		nic_pool_set_guest(nic, n, NULL);
	nic_hw_clear_vf(nic, n);
	nic_mbx_reset(nic, n);
	vf->reset_unseen = false;
	vf->notices = 0;
	mutex_unlock(&nic->vf_lock);
}
