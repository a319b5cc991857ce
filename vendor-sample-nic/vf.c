// SPDX-License-Identifier: GPL-2.0-only
/* State of a VF: lookup, DMA, reset, open and close. */

#include "nic.h"
#include "vfio_mediate_describe.h"

/**
 * nic_lock_vf() - Take vf_lock and look up a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 * Return:
 * * The VF, with vf_lock held.
 * * NULL, without vf_lock: there is no VF with this number.
 */
struct nic_vf *nic_lock_vf(struct nic *nic, int n)
{
	mutex_lock(&nic->vf_lock);
	if (n >= 0 && n < nic->num_vfs)
		return &nic->vf[n];

	mutex_unlock(&nic->vf_lock);
	return NULL;
}

/**
 * nic_vf_update_dma() - Enable or disable the DMA of a VF according to its state
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_update_dma(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	bool on = nic_vf_is_on(vf);

	if (!vf->stopped)
		WRITE_ONCE(vf->dma_idle, false);
	nic_pool_enable(nic, n, on && !vf->rx_held, on);
}

/**
 * nic_vf_reset() - Reset the PF's state of a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @active:	The VF's driver has completed the reset handshake. If false, the VF was
 *		reset, and its driver has yet to do so.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_reset(struct nic *nic, unsigned int n, bool active)
{
	static const u8 none[ETH_ALEN];
	struct nic_vf *vf = &nic->vf[n];

	nic_vf_note_reset(nic, n, active);
	nic_pool_reset(nic, n);
	if (!active && !vf->admin_mac)
		nic_pool_set_mac(nic, n, 0, none);
	/* While the VF was stopped, another VF may have taken its address. */
	if (!vf->stopped && nic_pool_resume(nic, n, false))
		active = false;
	vf->active = active;
	nic_pool_set_idle(nic, n, !active);
	vf->masked_eims = 0;
	vf->mbx_latched = 0;
	nic_vf_update_dma(nic, n);
}

/**
 * nic_vf_mask_irqs() - Mask the interrupts of a VF while it is frozen
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_mask_irqs(struct nic *nic, unsigned int n)
{
	nic->vf[n].masked_eims |= nic_rd(nic, EIMS) & EIMS_VF(n);
	nic_wr(nic, EIMC, EIMS_VF(n));
}

/**
 * nic_vf_open() - Prepare a VF for a new guest
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @dev:	Its handle in vfio-mediate.
 *
 * Called when a VMM opens the VF.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_vf_open(struct nic *nic, unsigned int n, struct vfio_mediate_device *dev)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = true;
	vf->dev = dev;
	nic_pool_set_guest(nic, n, vfio_mediate_guest(dev));
	mutex_unlock(&nic->vf_lock);
}

/**
 * nic_vf_close() - Return a VF to its reset state for the next user
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Called when the VMM closes the VF.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_vf_close(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = nic_lock_vf(nic, n);

	if (!vf)
		return;

	vf->open = false;
	vf->dev = NULL;
	/* No driver waits for the reply: release the mailbox. */
	if (vf->reset_reply)
		nic_wr(nic, P2VMAILBOX(n), 0);
	vf->reset_reply = false;
	vf->stopped = false;
	vf->frozen = false;
	nic_vf_reset(nic, n, false);
	/*
	 * A pool that is still suspended has lost an address to another VF of its guest:
	 * keep the ID of the guest.
	 */
	if (!nic->pool[n].suspended)
		nic_pool_set_guest(nic, n, NULL);
	nic_hw_clear_vf(nic, n);
	nic_mbx_reset(nic, n);
	vf->reset_unseen = false;
	vf->notices = 0;
	mutex_unlock(&nic->vf_lock);
}
