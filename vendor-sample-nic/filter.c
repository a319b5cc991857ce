// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive filters: addresses, multicast hashes, VLANs, and the enable bits of pools.
 * Registers are always programmed from struct nic, so that a reset of the device loses
 * nothing.
 */

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/unaligned.h>

#include "nic.h"

/* Has no VMM the VF of a pool open, and does no driver use it? */
static bool nic_pool_closed(struct nic *nic, const struct nic_pool *p)
{
	return p->idle && !READ_ONCE(nic->vf[p - nic->pool].dev);
}

/*
 * Return a pool that keeps an address from pool p, or NULL.
 * Of the pools of one guest, only one runs. If p is to run, the others have to be idle. A pool
 * that is closed keeps its address from those that ask for it, not from one that has it, too.
 */
static struct nic_pool *nic_mac_owner(struct nic *nic, bool run, bool ask,
				      const struct nic_pool *p, const u8 *mac)
{
	struct nic_pool *other;
	unsigned int i;

	if (is_zero_ether_addr(mac))
		return NULL;

	for (other = nic->pool; other < nic->pool + NIC_NUM_POOLS; other++) {
		if (other == p || other->waiting || (!ask && nic_pool_closed(nic, other)) ||
		    ((other->idle || (p->idle && !run)) && uuid_equal(&other->guest, &p->guest)))
			continue;
		for (i = 0; i < NIC_POOL_MACS; i++)
			if (ether_addr_equal(other->mac[i], mac))
				return other;
	}

	return NULL;
}

/* Does another pool keep one of its addresses from a pool? */
static bool nic_macs_taken(struct nic *nic, const struct nic_pool *p)
{
	unsigned int i;

	for (i = 0; i < NIC_POOL_MACS; i++)
		if (nic_mac_owner(nic, true, false, p, p->mac[i]))
			return true;

	return false;
}

/* Pools that have waited for an address keep it, once no other pool does. */
static void nic_settle_macs(struct nic *nic)
{
	struct nic_pool *p;

	for (p = nic->pool; p < nic->pool + NIC_NUM_POOLS; p++)
		if (p->waiting)
			p->waiting = nic_macs_taken(nic, p);
}

static void nic_write_mac(struct nic *nic, unsigned int pool, unsigned int slot)
{
	/* The PF has the first receive address after a reset, so its addresses come first. */
	unsigned int n = (pool + 1) % NIC_NUM_POOLS * NIC_POOL_MACS + slot;
	const u8 *mac = nic->pool[pool].mac[slot];
	u32 ral = n < 16 ? RAL(n) : RAL_16(n - 16);
	u32 low = get_unaligned_le32(mac);
	u32 high = 0;

	if (!nic->pool[pool].idle && !is_zero_ether_addr(mac))
		high = RAH_AV | FIELD_PREP(RAH_POOLSEL, BIT(pool)) | get_unaligned_le16(mac + 4);
	/*
	 * Leave a correct entry alone. While no entry matches, frames for the address go to
	 * the wire.
	 */
	if (nic_rd(nic, ral) == low && nic_rd(nic, ral + 4) == high)
		return;

	/* Invalidate the entry while its two halves do not match. */
	nic_wr(nic, ral + 4, 0);
	nic_flush(nic);
	nic_wr(nic, ral, low);
	nic_wr(nic, ral + 4, high);
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
 * Program the multicast table, which all pools share. Skip words that have not changed,
 * unless the device was reset (all).
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
	/* QEMU's model also needs the full tables of nic_write_hashes() for these two. */
	if (p->mc_promisc)
		vmolr |= VMOLR_MPME | VMOLR_ROMPE;
	if (p->uc_promisc)
		vmolr |= VMOLR_ROPE;
	if (pool == NIC_PF_POOL && nic->num_queues > 1)
		vmolr |= VMOLR_RSSE;

	nic_wr(nic, VMOLR(pool), vmolr);
	nic_wr(nic, VMVIR(pool), p->port_vlan ? VMVIR_VLANA_DEFAULT | p->port_vlan : 0);
}

/**
 * nic_filters_write() - Program all filters after a reset of the device
 * @nic:	The PF.
 *
 * Context: Process or softirq context. Takes filter_lock.
 */
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

/**
 * nic_filters_init() - Initialize the filters of a PF
 * @nic:	The PF.
 *
 * Context: Called by probe, before anything else uses the filters.
 */
void nic_filters_init(struct nic *nic)
{
	unsigned int i;

	spin_lock_init(&nic->filter_lock);
	for (i = 0; i < NIC_NUM_POOLS; i++)
		nic->pool[i].max_frame = ETH_DATA_LEN + NIC_HEADERS;
	nic->pool[NIC_PF_POOL].vlan_strip = true;
}

/**
 * nic_pool_write() - Program the filters of a pool after &struct nic_pool has changed
 * @nic:	The PF.
 * @pool:	Number of the pool.
 *
 * Context: Process or softirq context. The caller holds filter_lock.
 */
void nic_pool_write(struct nic *nic, unsigned int pool)
{
	lockdep_assert_held(&nic->filter_lock);

	nic_write_pool(nic, pool);
	nic_write_hashes(nic, false);
}

/*
 * Leave all VLANs but the port VLAN. Without a port VLAN, stay in VLAN 0, which is the VLAN
 * of frames that have a priority only.
 */
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

/**
 * nic_pool_reset() - Drop all requests of a VF's driver
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @mac:	Address that is its own from now on, as no driver uses the VF any more. NULL: the
 *		one that it has stays.
 *
 * The administrator's VLAN stays. If another pool keeps @mac, the pool waits for it.
 *
 * Context: Process or softirq context. Takes filter_lock.
 */
void nic_pool_reset(struct nic *nic, unsigned int pool, const u8 *mac)
{
	struct nic_pool *p = &nic->pool[pool];
	unsigned int i;

	spin_lock_bh(&nic->filter_lock);
	for (i = 1; i < NIC_POOL_MACS; i++) {
		eth_zero_addr(p->mac[i]);
		nic_write_mac(nic, pool, i);
	}
	if (mac) {
		ether_addr_copy(p->mac[0], mac);
		p->idle = true;
		p->waiting = nic_macs_taken(nic, p);
		nic_settle_macs(nic);
		nic_write_mac(nic, pool, 0);
	}
	nic_leave_vlans(nic, pool);
	bitmap_zero(p->mta, NIC_MTA_BITS);
	p->max_frame = ETH_DATA_LEN + NIC_HEADERS;
	p->mc_promisc = false;
	p->uc_promisc = false;
	nic_pool_write(nic, pool);
	spin_unlock_bh(&nic->filter_lock);
}

/* Is it the pool of a VF that is stopped, whose addresses the administrator may take? */
static bool nic_pool_stopped(struct nic *nic, const struct nic_pool *p)
{
	return p->idle && READ_ONCE(nic->vf[p - nic->pool].stopped);
}

static int nic_assign_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac,
			  bool admin)
{
	struct nic_pool *p = &nic->pool[pool], *owner;
	bool ask = p == &nic->pool[NIC_PF_POOL] || slot ||
		   !ether_addr_equal(mac, nic->vf[pool].admin_mac);
	int ret = 0;

	spin_lock_bh(&nic->filter_lock);
	while ((owner = nic_mac_owner(nic, false, ask, p, mac)) && admin &&
	       nic_pool_stopped(nic, owner))
		owner->waiting = true;
	if (owner && !(admin && p->idle && owner != &nic->pool[NIC_PF_POOL])) {
		ret = -EADDRINUSE;
	} else {
		ether_addr_copy(p->mac[slot], mac);
		p->waiting = nic_macs_taken(nic, p);
		nic_write_mac(nic, pool, slot);
	}
	nic_settle_macs(nic);
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

/**
 * nic_pool_set_mac() - Assign an address to a pool for the administrator
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @slot:	Index in &nic_pool.mac.
 * @mac:	Address, or zero to remove the one in @slot.
 *
 * The administrator may take an address from the pool of a stopped VF, which then waits for
 * it. If the VF of @pool does not run, it may be given the address of another VF that does, and
 * waits for it. An administrator does so at the destination of a migration, while the guest runs
 * at the source.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EADDRINUSE: the address belongs to the PF, or to another VF that is not stopped.
 */
int nic_pool_set_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac)
{
	return nic_assign_mac(nic, pool, slot, mac, true);
}

/**
 * nic_pool_request_mac() - Assign an address to a pool for the driver of its VF
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @slot:	Index in &nic_pool.mac.
 * @mac:	Address, or zero to remove the one in @slot.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EADDRINUSE: the address belongs to another pool, which runs or serves another guest.
 */
int nic_pool_request_mac(struct nic *nic, unsigned int pool, unsigned int slot, const u8 *mac)
{
	return nic_assign_mac(nic, pool, slot, mac, false);
}

/**
 * nic_pool_set_idle() - Set whether a pool receives for its addresses
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @idle:	true: frames for its addresses go to the wire.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -EADDRINUSE: another pool has one of its addresses. The pool is idle.
 */
int nic_pool_set_idle(struct nic *nic, unsigned int pool, bool idle)
{
	struct nic_pool *p = &nic->pool[pool];
	unsigned int i;
	int ret = 0;

	spin_lock_bh(&nic->filter_lock);
	if (!idle && nic_macs_taken(nic, p))
		ret = -EADDRINUSE;
	p->idle = idle || ret;
	nic_settle_macs(nic);
	for (i = 0; i < NIC_POOL_MACS; i++)
		nic_write_mac(nic, pool, i);
	spin_unlock_bh(&nic->filter_lock);

	return ret;
}

/**
 * nic_pool_set_guest() - Set the guest that a VF serves
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @guest:	ID from a loaded state, or NULL for a new guest.
 *
 * A pool that has an address of another guest waits for it.
 *
 * Context: Process or softirq context. Takes filter_lock.
 */
void nic_pool_set_guest(struct nic *nic, unsigned int pool, const uuid_t *guest)
{
	struct nic_pool *p = &nic->pool[pool];

	spin_lock_bh(&nic->filter_lock);
	if (guest)
		uuid_copy(&p->guest, guest);
	else
		uuid_gen(&p->guest);
	p->waiting = nic_macs_taken(nic, p);
	spin_unlock_bh(&nic->filter_lock);
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
 * nic_pool_num_vlans() - Count the VLANs of a pool
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @except:	VLAN to leave out. VLAN 0 is never counted.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return: Number of VLANs.
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
 * nic_pool_set_vlan() - Let a pool join a VLAN or leave it
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @vid:	The VLAN.
 * @on:		true: join. false: leave.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -ENOSPC: the VLAN table is full.
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
 * nic_pool_set_port_vlan() - Tag all frames of a pool with a VLAN
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @tci:	VLAN and priority, or 0 for untagged frames.
 *
 * The pool leaves all other VLANs.
 *
 * Context: Process or softirq context. Takes filter_lock.
 * Return:
 * * 0: success.
 * * -ENOSPC: the VLAN table is full.
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

/**
 * nic_pool_enable() - Enable or disable reception and transmission of a pool
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @rx:		Enable reception.
 * @tx:		Enable transmission.
 *
 * A reset of a VF clears its bits in the device.
 *
 * Context: Process or softirq context. Takes filter_lock.
 */
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

/* Do the heads of the rings stand still for longer than a frame takes at 1 Gb/s? */
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
 * nic_pool_drain() - Wait until a disabled pool does no DMA
 * @nic:	The PF.
 * @pool:	Number of the pool.
 * @tx:		Wait for transmission too, not for reception only.
 *
 * The device completes the descriptors that it has fetched. Then the heads of the rings
 * stand still.
 *
 * Context: Process context, may sleep.
 * Return:
 * * 0: no DMA is in flight.
 * * -ETIMEDOUT: the heads still move after 100 ms.
 */
int nic_pool_drain(struct nic *nic, unsigned int pool, bool tx)
{
	bool quiet;

	return read_poll_timeout(nic_pool_idle, quiet, quiet, 0, 100000, false, nic, pool,
				 tx);
}

/**
 * nic_multicast_hash() - Hash a multicast address
 * @mac:	The address.
 *
 * Takes bits 47:36 of the address, as the device does with RCTL.MO = 0.
 *
 * Context: Any context.
 * Return: Index of the bit in the multicast table.
 */
unsigned int nic_multicast_hash(const u8 *mac)
{
	return (mac[4] >> 4 | mac[5] << 4) & (NIC_MTA_BITS - 1);
}
