// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci.ko: provide the module name vfio_pci to clients that check for it.
 *
 * DPDK uses a device only if its driver is named vfio-pci and /sys/module/vfio_pci exists.
 * vfio_pci_mediate with drop_in=1 provides the driver name. This module provides the directory. Do
 * not install this module in the search path of modprobe: modprobe would load it in place of the
 * in-tree vfio-pci.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "params.h"

static int __init drop_in_init(void)
{
	if (strcmp(vpm_params_driver_name(), "vfio-pci")) {
		pr_err("vfio_pci_mediate is loaded without drop_in=1: reload it with drop_in=1\n");
		return -ENODEV;
	}

	return 0;
}
module_init(drop_in_init);

static void __exit drop_in_exit(void)
{
}
module_exit(drop_in_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_MEDIATE_VERSION);
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Module name vfio_pci for clients that check for it");
