// SPDX-License-Identifier: GPL-2.0-only
/*
 * Announce a guest that has arrived by migration: send RARP requests from its addresses, so
 * that switches send its frames to this port. The guest's driver does not know that it was
 * migrated, and a guest may be silent.
 */

#include <linux/if_arp.h>
#include <linux/moduleparam.h>
#include <net/arp.h>

#include "state.h"

/* Any of the frames may be lost: send them several times within a second. */
#define NIC_ANNOUNCEMENTS	5
#define NIC_ANNOUNCE_PERIOD	msecs_to_jiffies(150)

static bool announce = true;
module_param(announce, bool, 0644);
MODULE_PARM_DESC(announce, "Announce the addresses of a VF by RARP when it first runs with a loaded state. Read at that time");

static void nic_send_rarp(struct nic *nic, const u8 *mac, u16 tci)
{
	struct sk_buff *skb;

	skb = arp_create(ARPOP_RREQUEST, ETH_P_RARP, 0, nic->netdev, 0, NULL, mac, mac);
	if (!skb)
		return;

	if (tci)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), tci);
	dev_queue_xmit(skb);
}

/* Send one frame for each address in each VLAN of a VF. */
static void nic_announce_vf(struct nic *nic, unsigned int n)
{
	struct nic_rec_filters filters = {};
	unsigned int i, v;

	nic_filters_save(nic, n, &filters);
	for (i = 0; i < NIC_POOL_MACS; i++) {
		if (is_zero_ether_addr(filters.mac[i]))
			continue;
		/* Untagged without a port VLAN */
		nic_send_rarp(nic, filters.mac[i], le16_to_cpu(filters.port_vlan));
		for (v = 0; v < le16_to_cpu(filters.num_vlans); v++)
			nic_send_rarp(nic, filters.mac[i], le16_to_cpu(filters.vlan[v]));
	}
}

/**
 * nic_announce_work() - Send the announcements that are due
 * @work:	&nic.announce_work.
 *
 * A VF that must not send itself is left out. While the PF has no carrier, what is due waits:
 * nic_check_link() queues this work item when the link comes up. vf_lock is held while frames are
 * queued: once nic_vf_stop() has returned, no announcement follows which could contradict that of
 * the host to which the guest was migrated.
 *
 * Context: Work item. Takes vf_lock.
 */
void nic_announce_work(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, announce_work.work);
	bool more = false;
	unsigned int n;

	mutex_lock(&nic->vf_lock);
	for (n = 0; n < nic->num_vfs && netif_carrier_ok(nic->netdev); n++) {
		struct nic_vf *vf = &nic->vf[n];

		if (!vf->announcements)
			continue;
		if (nic_vf_is_on(vf))
			nic_announce_vf(nic, n);
		vf->announcements--;
		more |= vf->announcements;
	}
	if (more)
		queue_delayed_work(nic->wq, &nic->announce_work, NIC_ANNOUNCE_PERIOD);
	mutex_unlock(&nic->vf_lock);
}

/**
 * nic_announce() - Announce the addresses of a VF several times
 * @nic:	The PF.
 * @n:		Number of the VF, which runs.
 *
 * However often this is called, the PF sends at most one round of frames per
 * NIC_ANNOUNCE_PERIOD, and one more after a pause.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_announce(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf;

	if (!READ_ONCE(announce))
		return;
	vf = nic_lock_vf(nic, n);
	if (!vf)
		return;

	if (netif_running(nic->netdev)) {
		vf->announcements = NIC_ANNOUNCEMENTS;
		/* If this work item is pending already, the rest of the period must pass. */
		queue_delayed_work(nic->wq, &nic->announce_work, 0);
	} else {
		dev_notice_ratelimited(&nic->pdev->dev, "VF %u: cannot announce its guest, %s is down; set it up with ip link\n",
				       n, netdev_name(nic->netdev));
	}
	mutex_unlock(&nic->vf_lock);
}
