// SPDX-License-Identifier: GPL-2.0-only
/* Records of a described network device: its receive filters, and the ID of its guest. */

#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/etherdevice.h>
#include <linux/export.h>
#include <linux/if_vlan.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "described.h"

/* Flags in a record of filters */
#define FLAG_ACTIVE	BIT(0)
#define FLAG_VLAN_STRIP	BIT(1)
#define FLAG_MC_PROMISC	BIT(2)
#define FLAG_UC_PROMISC	BIT(3)
#define FLAGS_KNOWN	GENMASK(3, 0)

/* Offsets from the flags in a record of filters. Addresses and port VLAN come before them. */
#define MAX_FRAME	4
#define NUM_VLANS	6
#define VLANS		8

static_assert(VFIO_MEDIATE_FILTER_VLANS == VLAN_N_VID);

static size_t flags_at(const struct vfio_mediate_net *net)
{
	return ALIGN(net->num_macs * ETH_ALEN + sizeof(__le16), sizeof(__le32));
}

static size_t hashes_at(const struct vfio_mediate_net *net)
{
	return ALIGN(flags_at(net) + VLANS + net->num_vlans * sizeof(__le16), sizeof(__le32));
}

/**
 * describe_filters_size() - Get the size of a record of filters
 * @net:	The network device.
 *
 * Context: Any context.
 * Return: Size in bytes.
 */
unsigned int describe_filters_size(const struct vfio_mediate_net *net)
{
	return hashes_at(net) + net->num_hashes / BITS_PER_BYTE;
}

static int encode(const struct vfio_mediate_net *net, const struct vfio_mediate_filters *filters,
		  u8 *record)
{
	u8 *flags = record + flags_at(net), *hashes = record + hashes_at(net);
	unsigned int i, vid = 1, n = 0;

	memcpy(record, filters->mac, net->num_macs * ETH_ALEN);
	put_unaligned_le16(filters->port_vlan, record + net->num_macs * ETH_ALEN);
	put_unaligned_le32((filters->active ? FLAG_ACTIVE : 0) |
			   (filters->vlan_strip ? FLAG_VLAN_STRIP : 0) |
			   (filters->mc_promisc ? FLAG_MC_PROMISC : 0) |
			   (filters->uc_promisc ? FLAG_UC_PROMISC : 0), flags);
	put_unaligned_le16(filters->max_frame, flags + MAX_FRAME);
	for_each_set_bit_from(vid, filters->vlans, VLAN_N_VID) {
		if (n == net->num_vlans)
			return -E2BIG;
		put_unaligned_le16(vid, flags + VLANS + sizeof(__le16) * n++);
	}
	put_unaligned_le16(n, flags + NUM_VLANS);
	for (i = 0; i < net->num_hashes; i += 32)
		put_unaligned_le32(bitmap_read(filters->hashes, i, 32),
				   hashes + i / BITS_PER_BYTE);

	return 0;
}

/* Log what is wrong with a record of filters. Return: -EINVAL. */
#define malformed(dev, fmt, ...)							\
({											\
	pci_notice_ratelimited((dev)->pdev, "record of filters: " fmt "\n",		\
			       ##__VA_ARGS__);						\
	-EINVAL;									\
})

static int decode_macs(struct vfio_mediate_device *dev, const u8 *record,
		       struct vfio_mediate_filters *filters)
{
	const struct vfio_mediate_net *net = dev->described->desc->net;
	unsigned int i;

	memcpy(filters->mac, record, net->num_macs * ETH_ALEN);
	for (i = 0; i < net->num_macs; i++)
		if (!is_zero_ether_addr(filters->mac[i]) && !is_valid_ether_addr(filters->mac[i]))
			return malformed(dev, "address %u is %pM", i, filters->mac[i]);

	return 0;
}

static int decode_vlans(struct vfio_mediate_device *dev, const u8 *flags,
			struct vfio_mediate_filters *filters)
{
	const struct vfio_mediate_net *net = dev->described->desc->net;
	unsigned int i, n = get_unaligned_le16(flags + NUM_VLANS);
	u16 vid;

	if (n > net->num_vlans)
		return malformed(dev, "%u VLANs, %u are possible", n, net->num_vlans);
	for (i = 0; i < n; i++) {
		vid = get_unaligned_le16(flags + VLANS + sizeof(__le16) * i);
		if (!vid || vid >= VLAN_N_VID)
			return malformed(dev, "VLAN %u is %u", i, vid);
		__set_bit(vid, filters->vlans);
	}

	return 0;
}

static int decode_flags(struct vfio_mediate_device *dev, u32 flags,
			struct vfio_mediate_filters *filters)
{
	if (flags & ~FLAGS_KNOWN)
		return malformed(dev, "unknown flags %#lx", flags & ~FLAGS_KNOWN);

	filters->active = flags & FLAG_ACTIVE;
	filters->vlan_strip = flags & FLAG_VLAN_STRIP;
	filters->mc_promisc = flags & FLAG_MC_PROMISC;
	filters->uc_promisc = flags & FLAG_UC_PROMISC;

	return 0;
}

static int decode(struct vfio_mediate_device *dev, const u8 *record,
		  struct vfio_mediate_filters *filters)
{
	const struct vfio_mediate_net *net = dev->described->desc->net;
	const u8 *flags = record + flags_at(net), *hashes = record + hashes_at(net);
	unsigned int i;
	int ret;

	filters->port_vlan = get_unaligned_le16(record + net->num_macs * ETH_ALEN);
	filters->max_frame = get_unaligned_le16(flags + MAX_FRAME);
	if (filters->max_frame < net->min_frame || filters->max_frame > net->max_frame)
		return malformed(dev, "frames of %u bytes, %u to %u are possible",
				 filters->max_frame, net->min_frame, net->max_frame);
	for (i = 0; i < net->num_hashes; i += 32)
		bitmap_write(filters->hashes, get_unaligned_le32(hashes + i / BITS_PER_BYTE), i,
			     32);

	ret = decode_macs(dev, record, filters);
	if (!ret)
		ret = decode_flags(dev, get_unaligned_le32(flags), filters);

	return ret ? ret : decode_vlans(dev, flags, filters);
}

static struct vfio_mediate_filters *alloc_filters(void)
{
	return kzalloc(sizeof(struct vfio_mediate_filters), GFP_KERNEL);
}

/**
 * describe_get_filters() - Fill a record of filters
 * @dev:	The device.
 * @record:	The record, zeroed.
 *
 * Context: That of &vfio_mediate_net.get.
 * Return:
 * * 0: success.
 * * -E2BIG: there are more VLANs than the record has room for.
 * * -ENOMEM: out of memory.
 * * Other negative errno of &vfio_mediate_net.get.
 */
int describe_get_filters(struct vfio_mediate_device *dev, void *record)
{
	struct vfio_mediate_filters *filters __free(kfree) = alloc_filters();
	const struct vfio_mediate_net *net = dev->described->desc->net;
	int ret;

	if (!filters)
		return -ENOMEM;
	ret = net->get(dev, filters);

	return ret < 0 ? ret : encode(net, filters, record);
}

static int report(struct vfio_mediate_device *dev, const char *what, int ret)
{
	bool setting = ret == -EPERM || ret == -EADDRINUSE || ret == -ENOSPC;

	if (ret >= 0)
		return 0;
	if (ret == -EADDRINUSE)
		what = "address of another VF";
	dev_warn_ratelimited(&dev->pdev->dev, "loaded state conflicts with its settings: %s: %pe%s\n",
			     what, ERR_PTR(ret), setting ? "; change them with ip link" : "");

	return ret;
}

/**
 * describe_put_filters() - Check and apply a record of filters, and the guest's ID
 * @dev:	The device, stopped.
 * @record:	The record.
 *
 * Without a record of the guest, the guest is the one that is here.
 *
 * Context: That of &vfio_mediate_net.put.
 * Return:
 * * 0: success.
 * * -EINVAL: malformed.
 * * -ENOMEM: out of memory.
 * * Other negative errno of &vfio_mediate_net.put.
 */
int describe_put_filters(struct vfio_mediate_device *dev, const void *record)
{
	const void *guest = vfio_mediate_loaded(dev, VFIO_MEDIATE_RECORD_GUEST);
	struct vfio_mediate_filters *filters __free(kfree) = alloc_filters();
	struct vfio_mediate_described *d = dev->described;
	const char *what = "filters";
	int ret;

	if (!filters)
		return -ENOMEM;
	ret = decode(dev, record, filters);
	if (ret)
		return ret;
	if (guest)
		import_uuid(&d->guest, guest);

	ret = d->desc->net->put(dev, filters, &d->guest, &what);

	return report(dev, what, ret);
}

/**
 * describe_get_guest() - Fill a record of the guest
 * @dev:	The device.
 * @record:	The record.
 *
 * Context: That of &vfio_mediate_part.get.
 * Return: 0.
 */
int describe_get_guest(struct vfio_mediate_device *dev, void *record)
{
	export_uuid(record, &dev->described->guest);

	return 0;
}

/**
 * describe_check_guest() - Check a record of the guest that was received
 * @dev:	The device.
 * @record:	The record.
 *
 * Context: That of &vfio_mediate_part.check.
 * Return:
 * * 0: success.
 * * -EINVAL: no guest has this ID.
 */
int describe_check_guest(struct vfio_mediate_device *dev, const void *record)
{
	uuid_t guest;

	import_uuid(&guest, record);
	if (!uuid_is_null(&guest))
		return 0;
	pci_notice_ratelimited(dev->pdev, "record of guest: the ID is zero\n");

	return -EINVAL;
}

/**
 * describe_list_addresses() - List the addresses of a network device, to be announced
 * @dev:	The device.
 * @announce:	Its announcement.
 *
 * Context: That of &vfio_mediate_addresses_fn.
 */
void describe_list_addresses(struct vfio_mediate_device *dev,
			     struct vfio_mediate_announce *announce)
{
	struct vfio_mediate_filters *filters __free(kfree) = alloc_filters();
	const struct vfio_mediate_net *net = dev->described->desc->net;
	struct net_device *netdev = net->netdev(dev);
	unsigned int i, vid;

	if (!filters || net->get(dev, filters) < 0 || !filters->active || filters->silent)
		return;

	for (i = 0; i < net->num_macs; i++) {
		vfio_mediate_announce_address(announce, netdev, filters->mac[i],
					      filters->port_vlan);
		vid = 1;
		for_each_set_bit_from(vid, filters->vlans, VLAN_N_VID)
			vfio_mediate_announce_address(announce, netdev, filters->mac[i], vid);
	}
}

const uuid_t *vfio_mediate_guest(const struct vfio_mediate_device *dev)
{
	return &dev->described->guest;
}
EXPORT_SYMBOL_GPL(vfio_mediate_guest);
