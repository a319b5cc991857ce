// SPDX-License-Identifier: GPL-2.0-only
/* State of a VF: lookup, DMA and reset. */

#include "nic.h"

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
 * nic_vf_update() - Let a VF send and receive according to its state
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock.
 * Return:
 * * 0: success.
 * * -EADDRINUSE: the VF is to run, and another pool has its address. The VF is off.
 */
int nic_vf_update(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];
	int ret = nic_pool_set_idle(nic, n, !vf->active || vf->stopped);
	bool on = !ret && nic_vf_is_on(vf);

	nic_pool_enable(nic, n, on && !vf->rx_held, on);
	if (ret)
		dev_warn_ratelimited(&nic->pdev->dev, "VF %u: cannot start, another VF has its MAC address: %pe; set another one with ip link\n",
				     n, ERR_PTR(ret));

	return ret;
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
	struct nic_vf *vf = &nic->vf[n];

	nic_vf_note_reset(nic, n, active);
	nic_pool_reset(nic, n, active ? NULL : vf->admin_mac);
	vf->masked_eims = 0;
	vf->mbx_unread = 0;
	vf->active = active;
	/* Without its address the VF's driver has to try again. */
	if (nic_vf_update(nic, n))
		vf->active = false;
}

/**
 * nic_vf_init() - Return a VF to its initial state, for its next user
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * The settings of the administrator stay.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_init(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	WRITE_ONCE(vf->stopped, false);
	vf->frozen = false;
	nic_vf_reset(nic, n, false);
	nic_hw_clear_vf(nic, n);
	nic_mbx_reset(nic, n);
	vf->reset_unseen = false;
	vf->notices = 0;
}
