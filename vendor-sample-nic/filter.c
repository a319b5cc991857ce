// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which frames go to which pool: addresses, multicast hashes, VLANs, and whether
 * the pool is enabled at all. The registers are always written from what is in
 * struct nic, so that a reset of the device loses nothing.
 */

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/unaligned.h>

#include "nic.h"

/* The pool that an address belongs to, or NULL. */
static struct nic_pool *nic_mac_owner(struct nic *nic, const u8 *mac)
{
	struct nic_pool *owner = NULL;
	unsigned int i, j;
	u64 last = 0;

	if (is_zero_ether_addr(mac))
		return NULL;

	for (i = 0; i < NIC_NUM_POOLS; i++) {
		struct nic_pool *p = &nic->pool[i];

		for (j = 0; j < NIC_POOL_MACS; j++) {
			if (ether_addr_equal(p->mac[j], mac) && p->mac_seq[j] > last) {
				last = p->mac_seq[j];
				owner = p;
			}
		}
	}

	return owner;
}

/* A pool gives up an address to the administrator and to its own guest, if suspended. */
static bool nic_mac_available(struct nic *nic, const struct nic_pool *p, const u8 *mac, bool admin)
{
	const struct nic_pool *owner = nic_mac_owner(nic, mac);

	if (!owner || owner == p)
		return true;

	return owner->suspended && (admin || uuid_equal(&owner->guest, &p->guest));
}

static void nic_write_mac(struct nic *nic, unsigned int pool, unsigned int slot)
{
	/* The first address after a reset is the PF's: so are the first ones here. */
	unsigned int n = (pool + 1) % NIC_NUM_POOLS * NIC_POOL_MACS + slot;
	const u8 *mac = nic->pool[pool].mac[slot];
	u32 ral = n < 16 ? RAL(n) : RAL_16(n - 16);
	u32 low = get_unaligned_le32(mac);
	u32 high = 0;

	if (nic_mac_owner(nic, mac) == &nic->pool[pool])
		high = RAH_AV | FIELD_PREP(RAH_POOLSEL, BIT(pool)) | get_unaligned_le16(mac + 4);
	/* Frames for an address that nobody has go to the wire, be it for a moment. */
	if (nic_rd(nic, ral) == low && nic_rd(nic, ral + 4) == high)
		return;

	/* Not valid while its two halves do not match. */
	nic_wr(nic, ral + 4, 0);
	nic_flush(nic);
	nic_wr(nic, ral, low);
	nic_wr(nic, ral + 4, high);
}

/* An address has another pool now, or none. Nothing happens to those in use. */
static void nic_write_suspended_macs(struct nic *nic)
{
	unsigned int pool, slot;

	for (pool = 0; pool < NIC_NUM_POOLS; pool++)
		for (slot = 0; slot < NIC_POOL_MACS && nic->pool[pool].suspended; slot++)
			nic_write_mac(nic, pool, slot);
}

static void nic_write_vlan(struct nic *nic, unsigned int n)
{
	u16 vid = nic->vlan_id[n];
	u32 bit = BIT(vid % 32);
	u32 vfta, vlvf = 0;

	vfta = nic_rd(nic, VFTA(vid / 32)) & ~bit;
	if (nic->vlan_pools[n]) {
		vfta |= bit;
		vlvf = VLVF_VI_EN | FIELD_PREP(VLVF_POOLSEL, nic->vlan_pools[n]) | vid;
	}
	nic_wr(nic, VLVF(n), vlvf);
	nic_wr(nic, VFTA(vid / 32), vfta);
}

/*
 * There is one multicast table for all pools: what any of them wants. What the device has
 * already is not written again, unless it was reset.
 */
static void nic_write_hashes(struct nic *nic, bool all)
{
	DECLARE_BITMAP(mta, NIC_MTA_BITS) = {};
	u32 words[NIC_MTA_BITS / 32];
	bool unicast = false;
	unsigned int i;

	for (i = 0; i < NIC_NUM_POOLS; i++) {
		bitmap_or(mta, mta, nic->pool[i].mta, NIC_MTA_BITS);
		if (nic->pool[i].mc_promisc)
			bitmap_fill(mta, NIC_MTA_BITS);
		unicast |= nic->pool[i].uc_promisc;
	}

	bitmap_to_arr32(words, mta, NIC_MTA_BITS);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (all || words[i] != nic->mta[i])
			nic_wr(nic, MTA(i), words[i]);
	memcpy(nic->mta, words, sizeof(words));

	for (i = 0; i < ARRAY_SIZE(words) && (all || unicast != nic->uta_full); i++)
		nic_wr(nic, UTA(i), unicast ? ~0 : 0);
	nic->uta_full = unicast;
}

static void nic_write_pool(struct nic *nic, unsigned int pool)
{
	const struct nic_pool *p = &nic->pool[pool];
	u32 vmolr = VMOLR_STRCRC | VMOLR_BAM | VMOLR_LPE | FIELD_PREP(VMOLR_RLPML, p->max_frame);

	if (p->port_vlan || p->vlan_strip)
		vmolr |= VMOLR_STRVLAN;
	if (!p->port_vlan)
		vmolr |= VMOLR_AUPE;
	if (!bitmap_empty(p->mta, NIC_MTA_BITS))
		vmolr |= VMOLR_ROMPE;
	/* The card needs no full table for these two, QEMU's model does. */
	if (p->mc_promisc)
		vmolr |= VMOLR_MPME | VMOLR_ROMPE;
	if (p->uc_promisc)
		vmolr |= VMOLR_ROPE;
	if (pool == NIC_PF_POOL && nic->num_queues > 1)
		vmolr |= VMOLR_RSSE;

	nic_wr(nic, VMOLR(pool), vmolr);
	nic_wr(nic, VMVIR(pool), p->port_vlan ? VMVIR_VLANA_DEFAULT | p->port_vlan : 0);
}

/* Write all that a reset of the device has cleared. */
void nic_filters_write(struct nic *nic)
{
	unsigned int i, slot;

	spin_lock_bh(&nic->filter_lock);
	for (i = 0; i < NIC_NUM_POOLS; i++) {
		for (slot = 0; slot < NIC_POOL_MACS; slot++)
			nic_write_mac(nic, i, slot);
		nic_write_pool(nic, i);
	}
	for (i = 0; i < NIC_NUM_VLANS; i++)
		nic_write_vlan(nic, i);
	nic_write_hashes(nic, true);
	spin_unlock_bh(&nic->filter_lock);
}

void nic_filters_init(struct nic *nic)
{
	unsigned int i;

	spin_lock_init(&nic->filter_lock);
	for (i = 0; i < NIC_NUM_POOLS; i++)
		nic->pool[i].max_frame = ETH_DATA_LEN + NIC_HEADERS;
	nic->pool[NIC_PF_POOL].vlan_strip = true;
}

/* Bring the registers in line with what has been changed in the pool. */
void nic_pool_write(struct nic *nic, unsigned int pool)
{
	lockdep_assert_held(&nic->filter_lock);

	nic_write_pool(nic, pool);
	nic_write_hashes(nic, false);
}

/* What is received with a priority but without a VLAN has VLAN 0. */
static void nic_leave_vlans(struct nic *nic, unsigned int pool)
{
	unsigned int i;

	nic->pool[pool].vlan_strip = false;
	for (i = 0; i < NIC_NUM_VLANS; i++) {
		if (!(nic->vlan_pools[i] & BIT(pool)) ||
		    nic->vlan_id[i] == (nic->pool[pool].port_vlan & VLAN_VID_MASK))
			continue;
		nic->vlan_pools[i] &= ~BIT(pool);
		nic_write_vlan(nic, i);
	}
}

/* Forget what the driver of a VF has asked for; the administrator's VLAN stays. */
void nic_pool_reset(struct nic *nic, unsigned int pool)
{
	struct nic_pool *p = &nic->pool[pool];
	unsigned int i;

	spin_lock_bh(&nic->filter_lock);
	for (i = 1; i < NIC_POOL_MACS; i++) {
		eth_zero_addr(p->mac[i]);
		nic_write_mac(nic, pool, i);
	}
	nic_leave_vlans(nic, pool);
	bitmap_zero(p->mta, NIC_MTA_BITS);
	p->max_frame = ETH_DATA_LEN + NIC_HEADERS;
	p->mc_promisc = false;
	p->uc_promisc = false;
	nic_pool_write(nic, pool);
	spin_unlock_bh(&nic->filter_lock);
}

static int nic_assign_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac,
			  bool admin)
{
	struct nic_pool *p = &nic->pool[pool];
	int ret = 0;

	spin_lock_bh(&nic->filter_lock);
	if (nic_mac_available(nic, p, mac, admin)) {
		ether_addr_copy(p->mac[slot], mac);
		p->mac_seq[slot] = ++nic->last_mac_seq;
		nic_write_mac(nic, pool, slot);
		nic_write_suspended_macs(nic);
	} else {
		ret = -EADDRINUSE;
	}
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

/**
 * nic_pool_set_mac() - Give an address to a pool, or take it away
 * @nic:	The PF.
 * @pool:	The pool.
 * @slot:	Which of its addresses.
 * @mac:	The address; zero to take it away.
 *
 * For the administrator, who may take it from a pool that is suspended.
 *
 * Return: 0, or -EADDRINUSE if another pool has it that is not suspended.
 */
int nic_pool_set_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac)
{
	return nic_assign_mac(nic, pool, slot, mac, true);
}

/**
 * nic_pool_request_mac() - Give an address to the pool of a VF whose driver asks for it
 * @nic:	The PF.
 * @pool:	The pool.
 * @slot:	Which of its addresses.
 * @mac:	The address; zero to take it away.
 *
 * Return: 0, or -EADDRINUSE if another pool has it, unless that one is suspended and
 * served the same guest.
 */
int nic_pool_request_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac)
{
	return nic_assign_mac(nic, pool, slot, mac, false);
}

/**
 * nic_pool_check_mac() - Could a pool have an address once its guest is there?
 * @nic:	The PF.
 * @pool:	The pool.
 * @mac:	The address.
 * @guest:	The guest, which may still be in another pool.
 *
 * Return: 0, or -EADDRINUSE if it belongs to the pool of another guest.
 */
int nic_pool_check_mac(struct nic *nic, unsigned int pool, const u8 *mac, const uuid_t *guest)
{
	const struct nic_pool *owner;
	bool may;

	spin_lock_bh(&nic->filter_lock);
	owner = nic_mac_owner(nic, mac);
	may = !owner || owner == &nic->pool[pool] || uuid_equal(&owner->guest, guest);
	spin_unlock_bh(&nic->filter_lock);

	return may ? 0 : -EADDRINUSE;
}

/**
 * nic_pool_set_guest() - Say which guest a VF serves
 * @nic:	The PF.
 * @pool:	The VF's pool.
 * @guest:	ID from a state that is loaded; NULL for a new guest.
 */
void nic_pool_set_guest(struct nic *nic, unsigned int pool, const uuid_t *guest)
{
	spin_lock_bh(&nic->filter_lock);
	if (guest)
		uuid_copy(&nic->pool[pool].guest, guest);
	else
		uuid_gen(&nic->pool[pool].guest);
	spin_unlock_bh(&nic->filter_lock);
}

static void nic_write_pool_macs(struct nic *nic, unsigned int pool, bool suspended)
{
	struct nic_pool *p = &nic->pool[pool];
	unsigned int i;

	if (p->suspended == suspended)
		return;

	p->suspended = suspended;
	for (i = 0; i < NIC_POOL_MACS; i++) {
		if (!suspended)
			p->mac_seq[i] = ++nic->last_mac_seq;
		nic_write_mac(nic, pool, i);
	}
	nic_write_suspended_macs(nic);
}

/**
 * nic_pool_suspend() - The VF of a pool is stopped
 * @nic:	The PF.
 * @pool:	The pool.
 *
 * Until nic_pool_resume(), the administrator or another pool of the same guest may take
 * its addresses. Frames for an address that has not been taken are dropped.
 */
void nic_pool_suspend(struct nic *nic, unsigned int pool)
{
	spin_lock_bh(&nic->filter_lock);
	nic_write_pool_macs(nic, pool, true);
	spin_unlock_bh(&nic->filter_lock);
}

/**
 * nic_pool_resume() - The VF of a pool goes on
 * @nic:	The PF.
 * @pool:	The pool.
 * @back:	Take addresses back from a suspended pool of the same guest. If false,
 *		resume only if no address has been taken.
 *
 * Return: 0, or -EADDRINUSE when another pool has one: the pool remains suspended.
 */
int nic_pool_resume(struct nic *nic, unsigned int pool, bool back)
{
	struct nic_pool *p = &nic->pool[pool];
	const struct nic_pool *owner;
	unsigned int i;
	int ret = 0;

	spin_lock_bh(&nic->filter_lock);
	for (i = 0; i < NIC_POOL_MACS; i++) {
		owner = nic_mac_owner(nic, p->mac[i]);
		if (owner && owner != p && !(back && nic_mac_available(nic, p, p->mac[i], false)))
			ret = -EADDRINUSE;
	}
	if (!ret)
		nic_write_pool_macs(nic, pool, false);
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

static int nic_join_vlan(struct nic *nic, unsigned int pool, u16 vid, bool on)
{
	unsigned int n = NIC_NUM_VLANS, i;

	for (i = 0; i < NIC_NUM_VLANS; i++) {
		if (!nic->vlan_pools[i]) {
			n = min(n, i);
		} else if (nic->vlan_id[i] == vid) {
			n = i;
			break;
		}
	}

	if (n == NIC_NUM_VLANS)
		return on ? -ENOSPC : 0;

	nic->vlan_id[n] = vid;
	if (on)
		nic->vlan_pools[n] |= BIT(pool);
	else
		nic->vlan_pools[n] &= ~BIT(pool);
	nic_write_vlan(nic, n);

	return 0;
}

/**
 * nic_pool_num_vlans() - Count the VLANs that a pool is in
 * @nic:	The PF.
 * @pool:	The pool.
 * @except:	A VLAN that does not count. VLAN 0 never does.
 *
 * Return: their number.
 */
unsigned int nic_pool_num_vlans(struct nic *nic, unsigned int pool, u16 except)
{
	unsigned int count = 0, i;

	spin_lock_bh(&nic->filter_lock);
	for (i = 0; i < NIC_NUM_VLANS; i++)
		if (nic->vlan_pools[i] & BIT(pool) && nic->vlan_id[i] &&
		    nic->vlan_id[i] != except)
			count++;
	spin_unlock_bh(&nic->filter_lock);

	return count;
}

/**
 * nic_pool_set_vlan() - Let a pool into a VLAN, or out
 * @nic:	The PF.
 * @pool:	The pool.
 * @vid:	The VLAN.
 * @on:		Which of the two.
 *
 * Return: 0, or -ENOSPC when the device knows as many VLANs as it can.
 */
int nic_pool_set_vlan(struct nic *nic, unsigned int pool, u16 vid, bool on)
{
	int ret;

	spin_lock_bh(&nic->filter_lock);
	ret = nic_join_vlan(nic, pool, vid, on);
	if (!ret && on) {
		nic->pool[pool].vlan_strip = true;
		nic_write_pool(nic, pool);
	}
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

/**
 * nic_pool_set_port_vlan() - Put all frames of a pool into a VLAN, out of all others
 * @nic:	The PF.
 * @pool:	The pool.
 * @tci:	VLAN and priority; 0 for untagged frames.
 *
 * Return: 0 or -ENOSPC, as above.
 */
int nic_pool_set_port_vlan(struct nic *nic, unsigned int pool, u16 tci)
{
	int ret;

	spin_lock_bh(&nic->filter_lock);
	ret = nic_join_vlan(nic, pool, tci & VLAN_VID_MASK, true);
	if (!ret) {
		nic->pool[pool].port_vlan = tci;
		nic_leave_vlans(nic, pool);
		nic_write_pool(nic, pool);
	}
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

/* The device itself clears a VF's bits when the VF is reset. */
void nic_pool_enable(struct nic *nic, unsigned int pool, bool rx, bool tx)
{
	u32 vfre, vfte;

	spin_lock_bh(&nic->filter_lock);
	vfre = nic_rd(nic, VFRE) & ~BIT(pool);
	vfte = nic_rd(nic, VFTE) & ~BIT(pool);
	if (rx)
		vfre |= BIT(pool);
	if (tx)
		vfte |= BIT(pool);
	nic_wr(nic, VFRE, vfre);
	nic_wr(nic, VFTE, vfte);
	nic_flush(nic);
	spin_unlock_bh(&nic->filter_lock);
}

/* Longer than a frame takes at 1 Gb/s, interrupt moderation left out. */
static bool nic_pool_idle(struct nic *nic, unsigned int pool, bool tx_too)
{
	u32 tx[2], rx[2];

	rx[0] = nic_rd(nic, RDH(pool));
	rx[1] = nic_rd(nic, RDH(pool + NIC_NUM_POOLS));
	tx[0] = nic_rd(nic, TDH(pool));
	tx[1] = nic_rd(nic, TDH(pool + NIC_NUM_POOLS));
	usleep_range(200, 400);

	return rx[0] == nic_rd(nic, RDH(pool)) &&
	       rx[1] == nic_rd(nic, RDH(pool + NIC_NUM_POOLS)) &&
	       (!tx_too || (tx[0] == nic_rd(nic, TDH(pool)) &&
			    tx[1] == nic_rd(nic, TDH(pool + NIC_NUM_POOLS))));
}

/**
 * nic_pool_drain() - Wait until a pool that is not enabled does no more DMA
 * @nic:	The PF.
 * @pool:	The pool.
 * @tx:		Not only of what it receives.
 *
 * The device completes what it has fetched; the heads of the rings stand still
 * when it has.
 *
 * Return: 0 or -ETIMEDOUT.
 */
int nic_pool_drain(struct nic *nic, unsigned int pool, bool tx)
{
	bool quiet;

	return read_poll_timeout(nic_pool_idle, quiet, quiet, 0, 100000, false, nic, pool,
				 tx);
}

/* Bits 47:36 of the address: the table's default, with RCTL.MO = 0. */
unsigned int nic_multicast_hash(const u8 *mac)
{
	return (mac[4] >> 4 | mac[5] << 4) & (NIC_MTA_BITS - 1);
}
