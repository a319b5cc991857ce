/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vfio_mediate.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_VFIO_MEDIATE_GEN_H
#define _LINUX_VFIO_MEDIATE_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vfio_mediate_netlink.h>
#include <linux/vfio.h>

int vfio_mediate_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info);
int vfio_mediate_nl_dev_get_dumpit(struct sk_buff *skb,
				   struct netlink_callback *cb);

enum {
	VFIO_MEDIATE_NLGRP_EVENTS,
};

extern struct genl_family vfio_mediate_nl_family;

#endif /* _LINUX_VFIO_MEDIATE_GEN_H */
