// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vfio_mediate.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/vfio_mediate_netlink.h>
#include <linux/vfio.h>

/* VFIO_MEDIATE_CMD_DEV_GET - do */
static const struct nla_policy vfio_mediate_dev_get_nl_policy[VFIO_MEDIATE_A_DEV_NAME + 1] = {
	[VFIO_MEDIATE_A_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 32, },
};

/* Ops table for vfio_mediate */
static const struct genl_split_ops vfio_mediate_nl_ops[] = {
	{
		.cmd		= VFIO_MEDIATE_CMD_DEV_GET,
		.doit		= vfio_mediate_nl_dev_get_doit,
		.policy		= vfio_mediate_dev_get_nl_policy,
		.maxattr	= VFIO_MEDIATE_A_DEV_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VFIO_MEDIATE_CMD_DEV_GET,
		.dumpit	= vfio_mediate_nl_dev_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group vfio_mediate_nl_mcgrps[] = {
	[VFIO_MEDIATE_NLGRP_EVENTS] = { "events", },
};

struct genl_family vfio_mediate_nl_family __ro_after_init = {
	.name		= VFIO_MEDIATE_FAMILY_NAME,
	.version	= VFIO_MEDIATE_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= vfio_mediate_nl_ops,
	.n_split_ops	= ARRAY_SIZE(vfio_mediate_nl_ops),
	.mcgrps		= vfio_mediate_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vfio_mediate_nl_mcgrps),
};
