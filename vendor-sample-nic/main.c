// SPDX-License-Identifier: GPL-2.0-only
/*
 * sample_nic: PF driver for the Intel 82576.
 *
 * It registers no PCI driver yet: the PF stays with in-tree igb.
 */

#include <linux/module.h>

static int __init sample_nic_init(void)
{
	return 0;
}
module_init(sample_nic_init);

static void __exit sample_nic_exit(void)
{
}
module_exit(sample_nic_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Sample mediating PF driver for the Intel 82576");
