// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filters in a migrated state. The source saves what the guest's driver has requested by
 * mailbox. The destination replays these requests, and policy.c grants or refuses each of
 * them.
 */

#include "state.h"

/**
 * nic_filters_save() - Save the filters of a VF
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @rec:	Record to fill. NIC_FILTER_ACTIVE is left alone.
 *
 * Context: Process or softirq context. Takes filter_lock.
 */
void nic_filters_save(struct nic *nic, unsigned int pool, struct nic_rec_filters *rec)
{
	const struct nic_pool *p = &nic->pool[pool];
	u32 words[NIC_MTA_BITS / 32];
	unsigned int i, n = 0;
	u32 flags = 0;

	spin_lock_bh(&nic->filter_lock);
	memcpy(rec->mac, p->mac, sizeof(rec->mac));
	rec->port_vlan = cpu_to_le16(p->port_vlan);
	rec->max_frame = cpu_to_le16(p->max_frame);
	for (i = 0; i < NIC_NUM_VLANS && !p->port_vlan; i++)
		if (nic->vlan_pools[i] & BIT(pool) && nic->vlan_id[i])
			rec->vlan[n++] = cpu_to_le16(nic->vlan_id[i]);
	rec->num_vlans = cpu_to_le16(n);
	bitmap_to_arr32(words, p->mta, NIC_MTA_BITS);
	cpu_to_le32_array(words, ARRAY_SIZE(words));
	memcpy(rec->mta, words, sizeof(words));
	flags |= FIELD_PREP(NIC_FILTER_VLAN_STRIP, p->vlan_strip);
	flags |= FIELD_PREP(NIC_FILTER_MC_PROMISC, p->mc_promisc);
	flags |= FIELD_PREP(NIC_FILTER_UC_PROMISC, p->uc_promisc);
	spin_unlock_bh(&nic->filter_lock);
	rec->flags |= cpu_to_le32(flags);
}

/**
 * nic_replay_check() - Check that a record is well-formed
 * @rec:	The record.
 *
 * The settings of the VF do not matter here.
 *
 * Context: Any context.
 * Return:
 * * 0: well-formed.
 * * -EINVAL: malformed.
 */
int nic_replay_check(const struct nic_rec_filters *rec)
{
	unsigned int n = le16_to_cpu(rec->num_vlans), i;

	for (i = 0; i < NIC_POOL_MACS; i++)
		if (!is_zero_ether_addr(rec->mac[i]) && !is_valid_ether_addr(rec->mac[i]))
			return -EINVAL;
	if (n > NIC_NUM_VLANS || !nic_valid_frame(le16_to_cpu(rec->max_frame)))
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!rec->vlan[i] || !nic_valid_vlan(le16_to_cpu(rec->vlan[i])))
			return -EINVAL;

	return le32_to_cpu(rec->flags) & ~NIC_FILTER_KNOWN ? -EINVAL : 0;
}

/**
 * nic_replay_allowed() - Check whether a record would be granted to a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @rec:	Record that has passed nic_replay_check().
 * @guest:	ID of the guest that the record belongs to. NULL if it is not known: other
 *		pools may then still have its addresses.
 * @what:	Name of the refused item, for a log line.
 *
 * Changes nothing. The settings of the VF may change before nic_replay(), which decides.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: yes.
 * * Negative errno: no, see policy.c.
 */
int nic_replay_allowed(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
		       const uuid_t *guest, const char **what)
{
	u32 flags = le32_to_cpu(rec->flags);
	unsigned int i;
	int ret = 0;

	*what = "VLAN";
	if (le16_to_cpu(rec->port_vlan) != nic->pool[n].port_vlan)
		return -EPERM;

	*what = "address";
	if (is_zero_ether_addr(rec->mac[0]) && nic->vf[n].admin_mac)
		return -EPERM;
	for (i = 0; i < NIC_POOL_MACS && !ret; i++) {
		if (is_zero_ether_addr(rec->mac[i]))
			continue;
		ret = nic_allow_mac(nic, n, rec->mac[i], !i);
		if (!ret && guest)
			ret = nic_pool_check_mac(nic, n, rec->mac[i], guest);
	}
	if (ret)
		return ret;

	*what = "VLANs of its own";
	if (rec->num_vlans || flags & NIC_FILTER_VLAN_STRIP)
		ret = nic_allow_vlans(nic, n, le16_to_cpu(rec->num_vlans));
	if (ret)
		return ret;

	*what = "promiscuous mode";
	if (flags & (NIC_FILTER_MC_PROMISC | NIC_FILTER_UC_PROMISC))
		ret = nic_allow_promisc(nic, n);

	return ret;
}

/* Drop all requests, as a reset does. If active, a reset handshake has followed. */
static void nic_replay_begin(struct nic *nic, unsigned int n, bool active)
{
	static const u8 none[ETH_ALEN];
	struct nic_vf *vf = &nic->vf[n];

	nic_pool_reset(nic, n);
	if (!vf->admin_mac)
		nic_pool_set_mac(nic, n, 0, none);
	vf->active = active;
	vf->masked_eims = 0;
	vf->mbx_unread = 0;
	nic_vf_update(nic, n);
}

static int nic_replay_macs(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec)
{
	unsigned int i;
	int ret = 0;

	if (!is_zero_ether_addr(rec->mac[0]))
		ret = nic_grant_mac(nic, n, rec->mac[0]);
	for (i = 1; i < NIC_POOL_MACS && !ret; i++)
		if (!is_zero_ether_addr(rec->mac[i]))
			ret = nic_grant_extra_mac(nic, n, rec->mac[i]);

	return ret;
}

static int nic_replay_vlans(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < le16_to_cpu(rec->num_vlans) && !ret; i++)
		ret = nic_grant_vlan(nic, n, le16_to_cpu(rec->vlan[i]), true);
	/* The tags are stripped also after the driver has left all VLANs. */
	if (!ret && le32_to_cpu(rec->flags) & NIC_FILTER_VLAN_STRIP)
		ret = nic_grant_vlan_strip(nic, n);

	return ret;
}

static int nic_replay_multicast(struct nic *nic, unsigned int n,
				const struct nic_rec_filters *rec)
{
	DECLARE_BITMAP(mta, NIC_MTA_BITS);
	u32 words[NIC_MTA_BITS / 32];

	memcpy(words, rec->mta, sizeof(words));
	le32_to_cpu_array(words, ARRAY_SIZE(words));
	bitmap_from_arr32(mta, words, NIC_MTA_BITS);

	return nic_grant_multicast(nic, n, mta);
}

static int nic_replay_all(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
			  const char **what)
{
	u32 flags = le32_to_cpu(rec->flags);
	int ret;

	/*
	 * The VF serves the guest now. A request for an address of another guest is refused
	 * below.
	 */
	ret = nic_replay_allowed(nic, n, rec, NULL, what);
	if (ret)
		return ret;

	nic_replay_begin(nic, n, flags & NIC_FILTER_ACTIVE);
	*what = "address";
	ret = nic_replay_macs(nic, n, rec);
	if (ret)
		return ret;
	*what = "VLANs of its own";
	ret = nic_replay_vlans(nic, n, rec);
	if (ret)
		return ret;
	*what = "multicast addresses";
	ret = nic_replay_multicast(nic, n, rec);
	if (ret)
		return ret;
	*what = "promiscuous mode";
	ret = nic_grant_promisc(nic, n, flags & NIC_FILTER_MC_PROMISC,
				flags & NIC_FILTER_UC_PROMISC);
	if (ret)
		return ret;
	*what = "longest frame";

	return nic_grant_max_frame(nic, n, le16_to_cpu(rec->max_frame));
}

/**
 * nic_replay() - Replay the requests in a record
 * @nic:	The PF.
 * @n:		Number of the VF, which is stopped.
 * @rec:	Record that has passed nic_replay_check().
 * @what:	Name of the refused item, for a log line.
 *
 * If a request is refused, undo all: the VF is then as after a reset.
 *
 * Context: Process context. The caller holds vf_lock. Takes filter_lock.
 * Return:
 * * 0: success.
 * * Negative errno: a request was refused, see policy.c.
 */
int nic_replay(struct nic *nic, unsigned int n, const struct nic_rec_filters *rec,
	       const char **what)
{
	int ret = nic_replay_all(nic, n, rec, what);

	if (ret)
		nic_replay_begin(nic, n, false);

	return ret;
}
