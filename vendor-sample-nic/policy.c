// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy: all checks of what the driver of a VF may have. mailbox.c asks for what the
 * driver requests, replay.c for what a loaded state contains. Neither is trusted.
 *
 * Context of all functions: vf_lock is held.
 *
 * Return values: 0; -EINVAL: malformed; -EPERM: not allowed by the administrator, or not
 * before the reset handshake; -ENOSPC: more than the VF's share, or than there is;
 * -EADDRINUSE: address of another pool.
 */

#include "nic.h"

/**
 * nic_allow_mac() - Do the settings of a VF allow an address, whoever has it?
 * @nic:	The PF.
 * @n:		The VF.
 * @mac:	The address.
 * @own:	It is to be the VF's own, not one more.
 */
int nic_allow_mac(struct nic *nic, unsigned int n, const u8 *mac, bool own)
{
	const struct nic_vf *vf = &nic->vf[n];

	if (!is_valid_ether_addr(mac))
		return -EINVAL;
	if (!vf->admin_mac || vf->trusted)
		return 0;

	return own && ether_addr_equal(mac, nic->pool[n].mac[0]) ? 0 : -EPERM;
}

/**
 * nic_allow_vlans() - Do the settings of a VF allow VLANs of its own?
 * @nic:	The PF.
 * @n:		The VF.
 * @count:	How many.
 */
int nic_allow_vlans(struct nic *nic, unsigned int n, unsigned int count)
{
	if (nic->pool[n].port_vlan)
		return -EPERM;

	/* There is one table for all: nobody else is to be left without. */
	return count > NIC_POOL_VLANS && !nic->vf[n].trusted ? -ENOSPC : 0;
}

/**
 * nic_allow_promisc() - Do the settings of a VF allow frames that are not for it?
 * @nic:	The PF.
 * @n:		The VF.
 */
int nic_allow_promisc(struct nic *nic, unsigned int n)
{
	return nic->vf[n].trusted ? 0 : -EPERM;
}

/**
 * nic_grant_mac() - Set the VF's own address
 * @nic:	The PF.
 * @n:		The VF.
 * @mac:	The address.
 */
int nic_grant_mac(struct nic *nic, unsigned int n, const u8 *mac)
{
	int ret = nic_allow_mac(nic, n, mac, true);

	return ret ? ret : nic_pool_request_mac(nic, n, 0, mac);
}

/**
 * nic_grant_extra_mac() - Add one more address
 * @nic:	The PF.
 * @n:		The VF.
 * @mac:	The address.
 */
int nic_grant_extra_mac(struct nic *nic, unsigned int n, const u8 *mac)
{
	unsigned int i, free = 0;
	int ret;

	ret = nic_allow_mac(nic, n, mac, false);
	if (!ret && !nic->vf[n].active)
		ret = -EPERM;
	if (ret)
		return ret;

	for (i = NIC_POOL_MACS - 1; i; i--) {
		if (ether_addr_equal(nic->pool[n].mac[i], mac))
			return 0;
		if (is_zero_ether_addr(nic->pool[n].mac[i]))
			free = i;
	}

	return free ? nic_pool_request_mac(nic, n, free, mac) : -ENOSPC;
}

/**
 * nic_grant_multicast() - Set the multicast addresses
 * @nic:	The PF.
 * @n:		The VF.
 * @mta:	Their hashes, a bit each.
 */
int nic_grant_multicast(struct nic *nic, unsigned int n, const unsigned long *mta)
{
	unsigned int count = bitmap_weight(mta, NIC_MTA_BITS);

	/* A message holds no more. */
	if (count > NIC_POOL_HASHES)
		return -EINVAL;
	if (count && !nic->vf[n].active)
		return -EPERM;

	spin_lock_bh(&nic->filter_lock);
	bitmap_copy(nic->pool[n].mta, mta, NIC_MTA_BITS);
	nic_pool_write(nic, n);
	spin_unlock_bh(&nic->filter_lock);

	return 0;
}

/**
 * nic_grant_vlan() - Join a VLAN, or leave it
 * @nic:	The PF.
 * @n:		The VF.
 * @vid:	The VLAN. Joining VLAN 0 changes nothing: frames with a priority and no
 *		VLAN always come.
 * @on:		Which of the two.
 */
int nic_grant_vlan(struct nic *nic, unsigned int n, u32 vid, bool on)
{
	int ret;

	if (!nic_valid_vlan(vid))
		return -EINVAL;
	if (!nic->vf[n].active)
		return -EPERM;
	ret = nic_allow_vlans(nic, n, on && vid ? nic_pool_num_vlans(nic, n, vid) + 1 : 0);
	if (ret || !vid)
		return ret;

	return nic_pool_set_vlan(nic, n, vid, on);
}

/**
 * nic_grant_vlan_strip() - Strip VLAN tags, as after a VLAN was joined
 * @nic:	The PF.
 * @n:		The VF.
 */
int nic_grant_vlan_strip(struct nic *nic, unsigned int n)
{
	if (!nic->vf[n].active || nic_allow_vlans(nic, n, 0))
		return -EPERM;

	spin_lock_bh(&nic->filter_lock);
	nic->pool[n].vlan_strip = true;
	nic_pool_write(nic, n);
	spin_unlock_bh(&nic->filter_lock);

	return 0;
}

/**
 * nic_grant_max_frame() - Set the longest frame
 * @nic:	The PF.
 * @n:		The VF.
 * @size:	Its bytes, with VLAN tag and FCS.
 */
int nic_grant_max_frame(struct nic *nic, unsigned int n, u32 size)
{
	if (!nic_valid_frame(size))
		return -EINVAL;

	spin_lock_bh(&nic->filter_lock);
	nic->pool[n].max_frame = size;
	nic_pool_write(nic, n);
	spin_unlock_bh(&nic->filter_lock);

	return 0;
}

/**
 * nic_grant_promisc() - Receive frames that are not for the VF
 * @nic:	The PF.
 * @n:		The VF.
 * @multicast:	All multicast frames.
 * @unicast:	Unicast frames that are nobody's.
 */
int nic_grant_promisc(struct nic *nic, unsigned int n, bool multicast, bool unicast)
{
	if ((multicast || unicast) && (!nic->vf[n].active || nic_allow_promisc(nic, n)))
		return -EPERM;

	spin_lock_bh(&nic->filter_lock);
	nic->pool[n].mc_promisc = multicast;
	nic->pool[n].uc_promisc = unicast;
	nic_pool_write(nic, n);
	spin_unlock_bh(&nic->filter_lock);

	return 0;
}
