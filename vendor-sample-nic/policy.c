// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy: all checks of what the driver of a VF may have. requests.c asks for what the
 * driver requests, mediate.c for what a loaded state contains. Neither is trusted.
 *
 * nic_allow_*() checks the settings of the administrator. nic_grant_*() checks a request
 * and applies it.
 */

#include "nic.h"

/* May the VF have an address, as its own one or as another? Other pools may have it. */
static int nic_allow_mac(struct nic *nic, unsigned int n, const u8 *mac, bool own)
{
	const struct nic_vf *vf = &nic->vf[n];

	if (!is_valid_ether_addr(mac))
		return -EINVAL;
	if (is_zero_ether_addr(vf->admin_mac) || vf->trusted)
		return 0;

	return own && ether_addr_equal(mac, vf->admin_mac) ? 0 : -EPERM;
}

/* May the VF have so many VLANs of its own? */
static int nic_allow_vlans(struct nic *nic, unsigned int n, unsigned int count)
{
	if (nic->pool[n].port_vlan)
		return -EPERM;

	/* All pools share one table: leave entries to the others. */
	return count > NIC_POOL_VLANS && !nic->vf[n].trusted ? -ENOSPC : 0;
}

/**
 * nic_grant_mac() - Set the VF's own address
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @mac:	The address.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EINVAL: not a unicast address.
 * * -EPERM: the administrator has set another address, and the VF is not trusted.
 * * -EADDRINUSE: see nic_pool_request_mac().
 */
int nic_grant_mac(struct nic *nic, unsigned int n, const u8 *mac)
{
	int ret = nic_allow_mac(nic, n, mac, true);

	return ret ? ret : nic_pool_request_mac(nic, n, 0, mac);
}

/**
 * nic_grant_extra_mac() - Add an address
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @mac:	The address.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EINVAL: not a unicast address.
 * * -EPERM: the administrator has set an address and the VF is not trusted, or the reset handshake
 *   is not complete.
 * * -ENOSPC: the VF has as many addresses as it can have.
 * * -EADDRINUSE: see nic_pool_request_mac().
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
 * @n:		Number of the VF.
 * @mta:	Their hashes: bits of the multicast table.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EINVAL: more than a message holds.
 * * -EPERM: the reset handshake is not complete.
 */
int nic_grant_multicast(struct nic *nic, unsigned int n, const unsigned long *mta)
{
	unsigned int count = bitmap_weight(mta, NIC_MTA_BITS);

	/* A message cannot hold more. */
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
 * nic_grant_vlan() - Join a VLAN or leave it
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @vid:	The VLAN. VLAN 0 changes nothing: frames that have a priority only are
 *		always received.
 * @on:		true: join. false: leave.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EINVAL: not a VLAN ID.
 * * -EPERM: the administrator has set a VLAN, or the reset handshake is not complete.
 * * -ENOSPC: too many VLANs for this VF, or for the device.
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
 * @n:		Number of the VF.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EPERM: the administrator has set a VLAN, or the reset handshake is not complete.
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
 * nic_grant_max_frame() - Set the length of the longest frame
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @size:	Bytes, with VLAN tag and FCS.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EINVAL: the device does not support this length.
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
 * nic_grant_promisc() - Set promiscuous modes
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @multicast:	Receive all multicast frames.
 * @unicast:	Receive unicast frames that no address matches.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EPERM: the VF is not trusted, or the reset handshake is not complete.
 */
int nic_grant_promisc(struct nic *nic, unsigned int n, bool multicast, bool unicast)
{
	if ((multicast || unicast) && !(nic->vf[n].active && nic->vf[n].trusted))
		return -EPERM;

	spin_lock_bh(&nic->filter_lock);
	nic->pool[n].mc_promisc = multicast;
	nic->pool[n].uc_promisc = unicast;
	nic_pool_write(nic, n);
	spin_unlock_bh(&nic->filter_lock);

	return 0;
}
