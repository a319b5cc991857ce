// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci.ko: a module of that name, for clients that look for one.
 *
 * DPDK takes a device whose driver is called vfio-pci, and only while there is
 * /sys/module/vfio_pci. vfio_pci_mediate with drop_in=1 is such a driver; this module
 * adds the directory. It must not be where modprobe finds it: modprobe would load it
 * in place of in-tree vfio-pci.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "params.h"

static int __init drop_in_init(void)
{
	if (strcmp(vpm_params_driver_name(), "vfio-pci")) {
		pr_err("vfio_pci_mediate was loaded without drop_in=1\n");
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
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("The name vfio_pci, for clients that look for a module of that name");
