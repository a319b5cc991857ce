/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive filters of a network device, and the ID of its guest: what a PF driver holds for a VF
 * and no register of the VF has. Included by vfio_mediate_describe.h.
 */

#ifndef VFIO_MEDIATE_FILTERS_H
#define VFIO_MEDIATE_FILTERS_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <linux/uuid.h>

struct net_device;
struct vfio_mediate_device;

/**
 * define VFIO_MEDIATE_FILTER_MACS - Largest number of addresses
 */
#define VFIO_MEDIATE_FILTER_MACS	32

/**
 * define VFIO_MEDIATE_FILTER_VLANS - Number of VLAN IDs
 */
#define VFIO_MEDIATE_FILTER_VLANS	4096

/**
 * define VFIO_MEDIATE_FILTER_HASHES - Largest number of bits of a multicast table
 */
#define VFIO_MEDIATE_FILTER_HASHES	4096

/**
 * struct vfio_mediate_filters - What a guest's driver has requested
 * @mac:	Addresses. The first one is the device's own. Zero: unused.
 * @port_vlan:	VLAN tag (VID and priority) that the administrator has set, or 0.
 * @max_frame:	Longest frame, in bytes, as the vendor counts them.
 * @active:	The guest's driver has started the function.
 * @vlan_strip:	VLAN tags are stripped from received frames.
 * @mc_promisc:	All multicast frames are received.
 * @uc_promisc:	Unicast frames that no address matches are received.
 * @silent:	The guest must not send: it is not announced. Not part of the state.
 * @vlans:	VLANs that the guest's driver has joined. VLAN 0 is not looked at.
 * @hashes:	Bits of the multicast table.
 *
 * All numbers are in the byte order of the host. With more than 1 KiB, this is not for the stack.
 */
struct vfio_mediate_filters {
	u8 mac[VFIO_MEDIATE_FILTER_MACS][ETH_ALEN];
	u16 port_vlan;
	u16 max_frame;
	bool active;
	bool vlan_strip;
	bool mc_promisc;
	bool uc_promisc;
	bool silent;
	DECLARE_BITMAP(vlans, VFIO_MEDIATE_FILTER_VLANS);
	DECLARE_BITMAP(hashes, VFIO_MEDIATE_FILTER_HASHES);
};

/**
 * struct vfio_mediate_net - A network device whose filters the PF driver holds
 * @num_macs:	Number of addresses in the record, 1 to VFIO_MEDIATE_FILTER_MACS.
 * @num_vlans:	Number of VLANs in the record, below VFIO_MEDIATE_FILTER_VLANS.
 * @num_hashes:	Number of bits in the record, a multiple of 32 up to VFIO_MEDIATE_FILTER_HASHES.
 * @min_frame:	Least value of &vfio_mediate_filters.max_frame.
 * @max_frame:	Largest value of &vfio_mediate_filters.max_frame.
 *
 * The record of type VFIO_MEDIATE_RECORD_FILTERS has, little-endian:
 *
 * * the addresses, of 6 bytes each,
 * * the port VLAN, 16 bits,
 * * flags, 32 bits: @active, @vlan_strip, @mc_promisc and @uc_promisc of &struct
 *   vfio_mediate_filters, from bit 0 up,
 * * the longest frame, and the number of VLANs, 16 bits each,
 * * the VLANs, 16 bits each, ascending; those beyond their number are 0,
 * * the bits of the multicast table, in words of 32 bits.
 *
 * Numbers of 32 bits are aligned to 4 bytes. The record of type VFIO_MEDIATE_RECORD_GUEST is the
 * guest's ID, of UUID_SIZE bytes. It is optional, and never zero.
 *
 * Both are sent in pre-copy, see &vfio_mediate_part.early. A record of filters is refused if an
 * address is neither zero nor that of a host, a VLAN is 0 or beyond 4095, there are more VLANs than
 * @num_vlans, the longest frame is out of range, or an unknown flag is set. Otherwise @put is
 * called: at once, so that a guest whose filters are refused stays at the source, and again when
 * the state is applied. If @put refuses the filters, one log line names what is refused.
 *
 * When a guest has arrived, RARP requests are sent from its addresses: in the port VLAN or without
 * a tag, and in each VLAN that it has joined. See vfio_mediate_announce.h.
 */
struct vfio_mediate_net {
	unsigned int num_macs;
	unsigned int num_vlans;
	unsigned int num_hashes;
	u16 min_frame;
	u16 max_frame;

	/**
	 * @get: Tell what the guest's driver has requested.
	 *
	 * @filters: zeroed.
	 *
	 * Context: That of &vfio_mediate_part.get, or a work item, as &vfio_mediate_addresses_fn.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*get)(struct vfio_mediate_device *dev, struct vfio_mediate_filters *filters);

	/**
	 * @put: Drop what was requested before, and request what was received.
	 *
	 * Called when the record has come, while the guest may still run at the source, and when
	 * the state is applied: settings of the administrator may have changed meanwhile. The
	 * device is stopped. What is granted may be programmed at once. Until the device runs, it
	 * must not keep the addresses of @guest from another device that serves @guest.
	 *
	 * Grant each item as if the guest's driver had requested it. Refuse the filters if their
	 * port VLAN is not what the administrator has set here. If one item is refused, drop all.
	 * From now on the device serves @guest, also if this fails. @what: set it to the name of
	 * what is refused, for the log.
	 *
	 * Without @filters, drop what was requested: the device will not run with the state, see
	 * @error of &vfio_mediate_migration_ops.load_end. @put may not have been called before. The
	 * device goes on to serve @guest. What is returned is not looked at.
	 *
	 * Context: That of &vfio_mediate_part.check, and of &vfio_mediate_migration_ops.load_end.
	 *
	 * Return:
	 * * 0: success.
	 * * -EADDRINUSE: another guest has one of the addresses. @what is then not needed.
	 * * -EPERM, -ENOSPC: settings that ip link can change do not allow them.
	 * * Other negative errno: refused.
	 */
	int (*put)(struct vfio_mediate_device *dev, const struct vfio_mediate_filters *filters,
		   const uuid_t *guest, const char **what);

	/**
	 * @netdev: Get the net_device that announces the guest.
	 *
	 * Optional: without it, no guest is announced. See vfio_mediate_announce_address().
	 *
	 * Context: That of &vfio_mediate_addresses_fn.
	 *
	 * Return: The net_device.
	 */
	struct net_device *(*netdev)(struct vfio_mediate_device *dev);
};

/**
 * vfio_mediate_guest() - Get the ID of the guest that a device serves
 * @dev:	The device. vfio_mediate_describe() has succeeded.
 *
 * A random ID for each open. A state that has the guest's ID brings it along, together with the
 * filters: the same ID as that of another device means that the guest comes from there. It stays
 * if the load fails. Anyone who can read a saved state knows the ID.
 *
 * Context: &vfio_pci_mediate_ops.open, or where callbacks of &struct vfio_mediate_migration_ops
 * may be called.
 * Return: The ID.
 */
const uuid_t *vfio_mediate_guest(const struct vfio_mediate_device *dev);

#endif /* VFIO_MEDIATE_FILTERS_H */
