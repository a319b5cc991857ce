// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mediate: the registry between vendor PF drivers and vfio-pci-mediate.
 *
 * A vendor driver links against this module alone, so that it neither needs
 * vfio at build time nor drags it in at run time.
 */

#include <linux/module.h>

static int __init vfio_mediate_init(void)
{
	return 0;
}
module_init(vfio_mediate_init);

static void __exit vfio_mediate_exit(void)
{
}
module_exit(vfio_mediate_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Registry of mediate ops for VFIO PCI devices");
