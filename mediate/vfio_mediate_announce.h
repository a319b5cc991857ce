/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Announce a guest that has arrived by migration: RARP requests from its addresses, by which
 * switches learn its new port. The guest's driver does not know that it was migrated, and a guest
 * may be silent.
 *
 * Included by vfio_mediate_describe.h: for a described device with &vfio_mediate_net.netdev all of
 * this is done. The functions are for other devices.
 *
 * In a kernel without CONFIG_INET no frame is sent.
 */

#ifndef VFIO_MEDIATE_ANNOUNCE_H
#define VFIO_MEDIATE_ANNOUNCE_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct net_device;
struct vfio_mediate_announce;
struct vfio_mediate_device;

/**
 * typedef vfio_mediate_addresses_fn - List the addresses of a guest
 * @dev:	The device.
 * @announce:	For vfio_mediate_announce_address(), which is to be called for each address in
 *		each VLAN.
 *
 * Called up to five times, 150 ms apart. While a net_device has no carrier, it is called again
 * until there is one. List what the PF driver lets the guest use, not what the guest asks for.
 * List nothing while the guest must not send.
 *
 * Context: Work item, between open and release. A task that stops or closes the device waits for
 * the callback: take no lock that is held around vfio_mediate_announce_stop(). Do not call that.
 */
typedef void vfio_mediate_addresses_fn(struct vfio_mediate_device *dev,
				       struct vfio_mediate_announce *announce);

/**
 * struct vfio_mediate_announce - Announcement of a guest
 * @work:	Sends a round of frames.
 * @dev:	The device.
 * @addresses:	Lists the addresses.
 * @left:	Number of rounds that are due.
 * @resets:	Number of resets when the guest arrived.
 * @next:	Time of the next round at the earliest, in jiffies.
 * @waiting:	A frame of this round could not be sent for lack of a carrier.
 *
 * Only vfio_mediate.ko uses the members.
 */
struct vfio_mediate_announce {
	struct delayed_work work;
	struct vfio_mediate_device *dev;
	vfio_mediate_addresses_fn *addresses;
	unsigned int left;
	int resets;
	unsigned long next;
	bool waiting;
};

/**
 * vfio_mediate_announce_init() - Initialize an announcement
 * @announce:	The announcement, zeroed.
 * @dev:	The device.
 * @addresses:	Lists the addresses.
 *
 * Context: Process context. In &vfio_pci_mediate_ops.open at the earliest.
 */
void vfio_mediate_announce_init(struct vfio_mediate_announce *announce,
				struct vfio_mediate_device *dev,
				vfio_mediate_addresses_fn *addresses);

/**
 * vfio_mediate_announce_start() - Announce the guest of a device
 * @announce:	The announcement.
 *
 * Call it from &vfio_mediate_migration_ops.load_end if there is no error. Nothing is sent if the
 * parameter announce of vfio_mediate.ko is off. A reset of the device ends the announcement. That
 * does not wait: what is being sent goes out, as the guest is still here.
 *
 * Context: Process context, sleeps. As vfio_mediate_announce_stop().
 */
void vfio_mediate_announce_start(struct vfio_mediate_announce *announce);

/**
 * vfio_mediate_announce_stop() - End an announcement
 * @announce:	The announcement.
 *
 * When the function returns, no frame is being queued, and none will be: frames that followed
 * could contradict those of the host to which the guest goes on. Call it from
 * &vfio_mediate_migration_ops.stop and @quiesce, and at the start of
 * &vfio_pci_mediate_ops.release.
 *
 * Context: Process context, sleeps. Waits for the callback, so hold no lock that it takes.
 */
void vfio_mediate_announce_stop(struct vfio_mediate_announce *announce);

/**
 * vfio_mediate_announce_address() - Send a RARP request from an address
 * @announce:	The announcement.
 * @netdev:	Sends the frame: a port of the switch, such as the PF's. Must not be unregistered
 *		before the device is released or detached.
 * @mac:	The address, of ETH_ALEN bytes. Nothing is sent if it is not that of a host.
 * @tci:	VLAN ID and priority, or 0 for a frame without a tag.
 *
 * If @netdev is down, the announcement ends, and a log line says so.
 *
 * Context: From &vfio_mediate_addresses_fn only. May be called with the vendor's locks held, but
 * for those that @netdev takes to send a frame.
 */
void vfio_mediate_announce_address(struct vfio_mediate_announce *announce,
				   struct net_device *netdev, const u8 *mac, u16 tci);

#endif /* VFIO_MEDIATE_ANNOUNCE_H */
