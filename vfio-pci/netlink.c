// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generic netlink family of the devices.
 *
 * Devices are in no network namespace, so the family is in the initial one only. A listener costs
 * time for each event, and learns when guests of others are migrated: it needs CAP_NET_ADMIN there.
 */

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <net/genetlink.h>

#include "netlink.h"
#include "netlink_gen.h"
#include "status.h"

/* Room for the attributes of any event, or of a device */
#define MESSAGE_SIZE	512

/* Protects devices. Outside of &vpm_events.lock. */
static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(devices);

static const struct genl_multicast_group groups[] = {
	[VFIO_MEDIATE_NLGRP_EVENTS] = {
		.name = VFIO_MEDIATE_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static int put_flag(struct sk_buff *skb, int attr, bool set)
{
	return set ? nla_put_flag(skb, attr) : 0;
}

static int put_vendor(struct sk_buff *skb, const char *vendor)
{
	return *vendor ? nla_put_string(skb, VFIO_MEDIATE_A_DEV_VENDOR, vendor) : 0;
}

static int put_time(struct sk_buff *skb, u32 state, u64 time)
{
	struct nlattr *nest = nla_nest_start(skb, VFIO_MEDIATE_A_DEV_STATE_TIME);

	if (!nest || nla_put_u32(skb, VFIO_MEDIATE_A_STATE_TIME_STATE, state) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_STATE_TIME_TIME, time))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);

	return 0;
}

static int put_outcome(struct sk_buff *skb, const struct vpm_outcome *outcome)
{
	unsigned int i;

	if (nla_put_u32(skb, VFIO_MEDIATE_A_DEV_DIRECTION, outcome->direction) ||
	    nla_put_u32(skb, VFIO_MEDIATE_A_DEV_OUTCOME, outcome->outcome) ||
	    nla_put_s32(skb, VFIO_MEDIATE_A_DEV_ERROR, outcome->error) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_DEV_BYTES, outcome->bytes) ||
	    nla_put_u32(skb, VFIO_MEDIATE_A_DEV_RECORDS, outcome->records) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_DEV_PAGES, outcome->pages) ||
	    nla_put_u32(skb, VFIO_MEDIATE_A_DEV_TRACKED, outcome->tracked))
		return -EMSGSIZE;

	for (i = 0; i < ARRAY_SIZE(outcome->times); i++)
		if (outcome->times[i] && put_time(skb, i, outcome->times[i]))
			return -EMSGSIZE;

	return 0;
}

static int put_power(struct sk_buff *skb, u32 power_state, bool low_power)
{
	return nla_put_u32(skb, VFIO_MEDIATE_A_DEV_POWER_STATE, power_state) ?:
	       put_flag(skb, VFIO_MEDIATE_A_DEV_LOW_POWER, low_power);
}

static int put_trap(struct sk_buff *skb, u32 trap, u32 holders)
{
	return nla_put_u32(skb, VFIO_MEDIATE_A_DEV_TRAP, trap) ?:
	       nla_put_u32(skb, VFIO_MEDIATE_A_DEV_TRAP_HOLDERS, holders);
}

/* Put what is special to a kind of events. */
static int put_figures(struct sk_buff *skb, const struct vpm_event *event)
{
	switch (event->cmd) {
	case VFIO_MEDIATE_CMD_CLAIM_NTF:
	case VFIO_MEDIATE_CMD_OPEN_NTF:
	case VFIO_MEDIATE_CMD_DETACH_NTF:
		return put_vendor(skb, event->vendor);
	case VFIO_MEDIATE_CMD_TRAP_NTF:
		return put_trap(skb, event->trap, event->holders);
	case VFIO_MEDIATE_CMD_STATE_NTF:
		return nla_put_u32(skb, VFIO_MEDIATE_A_DEV_OLD_STATE, event->old_state) ?:
		       nla_put_u32(skb, VFIO_MEDIATE_A_DEV_STATE, event->state) ?:
		       nla_put_u32(skb, VFIO_MEDIATE_A_DEV_TRACKED, event->tracked);
	case VFIO_MEDIATE_CMD_MIGRATION_NTF:
		return put_outcome(skb, &event->outcome);
	case VFIO_MEDIATE_CMD_RESET_NTF:
		return nla_put_u32(skb, VFIO_MEDIATE_A_DEV_RESET, event->reset) ?:
		       put_flag(skb, VFIO_MEDIATE_A_DEV_UNEXPECTED, event->unexpected);
	case VFIO_MEDIATE_CMD_POWER_NTF:
		return put_power(skb, event->power_state, event->low_power);
	default:
		return 0;
	}
}

static int fill_event(struct sk_buff *skb, const struct vpm_events *events,
		      const struct vpm_event *event)
{
	void *header = genlmsg_put(skb, 0, 0, &vfio_mediate_nl_family, 0, event->cmd);

	if (!header ||
	    nla_put_string(skb, VFIO_MEDIATE_A_DEV_NAME, pci_name(events->pdev)) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_DEV_SEQ, event->seq) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_DEV_TIME, event->time) ||
	    put_figures(skb, event))
		return -EMSGSIZE;
	genlmsg_end(skb, header);

	return 0;
}

bool vpm_netlink_wanted(void)
{
	return genl_has_listeners(&vfio_mediate_nl_family, &init_net,
				  VFIO_MEDIATE_NLGRP_EVENTS);
}

void vpm_netlink_send(const struct vpm_events *events, const struct vpm_event *event)
{
	struct sk_buff *skb;

	if (!vpm_netlink_wanted())
		return;
	skb = genlmsg_new(MESSAGE_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (WARN_ON_ONCE(fill_event(skb, events, event)))
		nlmsg_free(skb);
	else
		genlmsg_multicast(&vfio_mediate_nl_family, skb, 0,
				  VFIO_MEDIATE_NLGRP_EVENTS, GFP_KERNEL);
}

static int fill_device(struct sk_buff *skb, struct vpm_events *events, u32 portid, u32 seq,
		       int flags)
{
	struct vpm_status status;
	void *header;
	u64 last;

	spin_lock(&events->lock);
	status = events->status;
	last = events->seq;
	spin_unlock(&events->lock);

	header = genlmsg_put(skb, portid, seq, &vfio_mediate_nl_family, flags,
			     VFIO_MEDIATE_CMD_DEV_GET);
	if (!header)
		return -EMSGSIZE;
	if (nla_put_string(skb, VFIO_MEDIATE_A_DEV_NAME, pci_name(events->pdev)) ||
	    nla_put_uint(skb, VFIO_MEDIATE_A_DEV_SEQ, last) ||
	    put_flag(skb, VFIO_MEDIATE_A_DEV_OPEN, status.open) ||
	    put_vendor(skb, status.vendor) ||
	    (status.migratable &&
	     nla_put_u32(skb, VFIO_MEDIATE_A_DEV_STATE, status.state)) ||
	    nla_put_u32(skb, VFIO_MEDIATE_A_DEV_TRACKED, status.tracked) ||
	    nla_put_s32(skb, VFIO_MEDIATE_A_DEV_ERROR, status.error) ||
	    put_trap(skb, status.trap, status.holders) ||
	    put_power(skb, (__force u32)READ_ONCE(events->pdev->current_state),
		      status.low_power)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);

	return 0;
}

int vfio_mediate_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct vpm_events *events;
	struct sk_buff *reply;
	int ret = -ENODEV;

	if (GENL_REQ_ATTR_CHECK(info, VFIO_MEDIATE_A_DEV_NAME))
		return -EINVAL;
	reply = genlmsg_new(MESSAGE_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;

	mutex_lock(&devices_lock);
	list_for_each_entry(events, &devices, node) {
		if (nla_strcmp(info->attrs[VFIO_MEDIATE_A_DEV_NAME], pci_name(events->pdev)))
			continue;
		ret = fill_device(reply, events, info->snd_portid, info->snd_seq, 0);
		break;
	}
	mutex_unlock(&devices_lock);

	if (ret) {
		nlmsg_free(reply);
		return ret;
	}

	return genlmsg_reply(reply, info);
}

/* args[0] of the callback counts the devices of earlier calls. */
int vfio_mediate_nl_dev_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vpm_events *events;
	long index = 0;
	int ret = 0;

	mutex_lock(&devices_lock);
	list_for_each_entry(events, &devices, node) {
		if (index++ < cb->args[0])
			continue;
		ret = fill_device(skb, events, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  NLM_F_MULTI);
		if (ret)
			break;
		cb->args[0] = index;
	}
	mutex_unlock(&devices_lock);

	return ret && !skb->len ? ret : skb->len;
}

void vpm_netlink_add(struct vpm_events *events)
{
	mutex_lock(&devices_lock);
	list_add_tail(&events->node, &devices);
	mutex_unlock(&devices_lock);
}

void vpm_netlink_remove(struct vpm_events *events)
{
	mutex_lock(&devices_lock);
	list_del(&events->node);
	mutex_unlock(&devices_lock);
}

int vpm_netlink_load(void)
{
	/* The specification has no words for these two. */
	vfio_mediate_nl_family.netnsok = false;
	vfio_mediate_nl_family.mcgrps = groups;

	return genl_register_family(&vfio_mediate_nl_family);
}

void vpm_netlink_unload(void)
{
	genl_unregister_family(&vfio_mediate_nl_family);
}
