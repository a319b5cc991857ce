// SPDX-License-Identifier: GPL-2.0-only
/* Announce guests that have arrived by migration. */

#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <net/arp.h>

#include "session.h"
#include "vfio_mediate_announce.h"

/* Any of the frames may be lost: send them several times within a second. */
#define ROUNDS	5
#define PERIOD	msecs_to_jiffies(150)

static bool announce = true;
module_param(announce, bool, 0644);
MODULE_PARM_DESC(announce, "Announce the addresses of a guest by RARP when its device first runs with a loaded state. Read at that time");

static int resets(const struct vfio_mediate_announce *a)
{
	return atomic_read(&container_of(a->dev, struct vfio_mediate_session, dev)->resets);
}

static void send_round(struct work_struct *work)
{
	struct vfio_mediate_announce *a =
		container_of(work, struct vfio_mediate_announce, work.work);

	if (resets(a) != a->resets)
		return;

	a->waiting = false;
	a->next = jiffies + PERIOD;
	a->addresses(a->dev, a);
	if (!a->waiting && a->left)
		a->left--;
	if (a->left)
		schedule_delayed_work(&a->work, PERIOD);
}

void vfio_mediate_announce_init(struct vfio_mediate_announce *a, struct vfio_mediate_device *dev,
				vfio_mediate_addresses_fn *addresses)
{
	INIT_DELAYED_WORK(&a->work, send_round);
	a->dev = dev;
	a->addresses = addresses;
	a->next = jiffies;
}
EXPORT_SYMBOL_GPL(vfio_mediate_announce_init);

/* However often user space loads a state, there is at most one round in a period. */
void vfio_mediate_announce_start(struct vfio_mediate_announce *a)
{
	unsigned long now = jiffies;

	vfio_mediate_announce_stop(a);
	if (!READ_ONCE(announce))
		return;

	a->left = ROUNDS;
	a->resets = resets(a);
	schedule_delayed_work(&a->work, time_after(a->next, now) ? a->next - now : 0);
}
EXPORT_SYMBOL_GPL(vfio_mediate_announce_start);

void vfio_mediate_announce_stop(struct vfio_mediate_announce *a)
{
	cancel_delayed_work_sync(&a->work);
}
EXPORT_SYMBOL_GPL(vfio_mediate_announce_stop);

static void send_rarp(struct net_device *netdev, const u8 *mac, u16 tci)
{
	struct sk_buff *skb;

	skb = arp_create(ARPOP_RREQUEST, ETH_P_RARP, 0, netdev, 0, NULL, mac, mac);
	if (!skb)
		return;

	if (tci)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), tci);
	dev_queue_xmit(skb);
}

void vfio_mediate_announce_address(struct vfio_mediate_announce *a, struct net_device *netdev,
				   const u8 *mac, u16 tci)
{
	if (!a->left || !is_valid_ether_addr(mac))
		return;
	if (!netif_running(netdev)) {
		pci_notice_ratelimited(a->dev->pdev,
				       "cannot announce its guest, %s is down; set it up with ip link\n",
				       netdev_name(netdev));
		a->left = 0;
	} else if (!netif_carrier_ok(netdev)) {
		a->waiting = true;
	} else if (IS_ENABLED(CONFIG_INET)) {
		send_rarp(netdev, mac, tci);
	}
}
EXPORT_SYMBOL_GPL(vfio_mediate_announce_address);
