/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Module parameter that unregisters and registers the ops of a mediator, like a PF driver
 * when its device is unbound and bound. To be included by one file of a module.
 */

#ifndef MEDIATORS_REGISTERED_H
#define MEDIATORS_REGISTERED_H

#include <linux/kstrtox.h>
#include <linux/module.h>

#include "vfio_mediate.h"

/* NULL while the module is being loaded, when parameters can be set already. */
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

	/* The kernel serializes calls of this function. */
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

/* Register the ops for the first time, from the init function of the module. */
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
