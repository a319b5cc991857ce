/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Module parameters of vfio_pci_mediate.
 */

#ifndef VFIO_PCI_MEDIATE_PARAMS_H
#define VFIO_PCI_MEDIATE_PARAMS_H

#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

/**
 * vpm_params_driver_name() - Name of the PCI driver
 *
 * Return: "vfio-pci" if the drop_in parameter is set, otherwise "vfio-pci-mediate".
 */
const char *vpm_params_driver_name(void);

/**
 * vpm_params_apply_global() - Pass parameters to vfio_pci_core on module load
 *
 * Passes parameters only on kernels that do not keep them per device. Logs a warning if the
 * denylist is disabled.
 *
 * Context: Module init, before the PCI driver is registered.
 */
void vpm_params_apply_global(void);

/**
 * vpm_params_apply_device() - Copy parameters to a device
 * @core:	The device, not yet registered with vfio.
 *
 * Context: The init callback of struct vfio_device_ops.
 */
void vpm_params_apply_device(struct vfio_pci_core_device *core);

/**
 * vpm_params_add_ids() - Add the IDs of the ids parameter to a PCI driver
 * @driver:	A registered driver. Matching devices without a driver are probed at once.
 *
 * Logs and skips an entry that cannot be parsed or added, as in-tree vfio-pci does.
 *
 * Context: Module init.
 */
void vpm_params_add_ids(struct pci_driver *driver);

/**
 * vpm_params_denied() - Check whether a device is unsafe for user space
 * @pdev:	The device being probed.
 *
 * Logs a warning for each device on the denylist.
 *
 * Return: True if the device is on the denylist and the disable_denylist parameter is not set.
 */
bool vpm_params_denied(struct pci_dev *pdev);

/**
 * vpm_params_sriov_enabled() - Check whether a PF of this driver may create VFs
 *
 * Return: Value of the enable_sriov parameter.
 */
bool vpm_params_sriov_enabled(void);

/**
 * vpm_params_drain_us() - Drain interval of shadow pages
 *
 * Return: Value of the drain_us parameter in microseconds. 0 selects the interval of the vendor
 * driver.
 */
unsigned int vpm_params_drain_us(void);

#endif /* VFIO_PCI_MEDIATE_PARAMS_H */
