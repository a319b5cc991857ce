/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of a bound device in sysfs. */

#ifndef VFIO_PCI_MEDIATE_SYSFS_H
#define VFIO_PCI_MEDIATE_SYSFS_H

struct attribute_group;

/* Value of &pci_driver.dev_groups */
extern const struct attribute_group *vpm_sysfs_groups[];

#endif /* VFIO_PCI_MEDIATE_SYSFS_H */
