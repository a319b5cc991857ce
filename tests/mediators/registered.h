/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parameter of a mediator: its ops are unregistered and registered again, as a PF driver
 * does with its own when its device is unbound and bound. For one file of a module.
 */

#ifndef MEDIATORS_REGISTERED_H
#define MEDIATORS_REGISTERED_H

#include <linux/kstrtox.h>
#include <linux/module.h>

#include "vfio_mediate.h"

/* NULL until the module has been loaded: parameters can be set before. */
static const struct vfio_pci_mediate_ops *mediator_ops;
static bool registered;

static int param_set_registered(const char *val, const struct kernel_param *kp)
{
	bool want;
	int ret;

	if (!mediator_ops)
		return -EAGAIN;

	ret = kstrtobool(val, &want);
	if (ret)
		return ret;

	/* Calls of this are one at a time. */
	if (want && !registered)
		ret = vfio_pci_register_mediate_ops(mediator_ops);
	else if (!want && registered)
		vfio_pci_unregister_mediate_ops(mediator_ops);
	if (!ret)
		registered = want;

	return ret;
}

static const struct kernel_param_ops registered_ops = {
	.set = param_set_registered,
	.get = param_get_bool,
};
module_param_cb(registered, &registered_ops, &registered, 0644);
MODULE_PARM_DESC(registered, "Unregister the ops, or register them again");

/* When the module is loaded. */
static int register_ops(const struct vfio_pci_mediate_ops *own)
{
	int ret = vfio_pci_register_mediate_ops(own);

	if (ret)
		return ret;

	registered = true;
	mediator_ops = own;

	return 0;
}

#endif /* MEDIATORS_REGISTERED_H */
