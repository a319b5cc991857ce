/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_PCI_MEDIATE_PARAMS_H
#define VFIO_PCI_MEDIATE_PARAMS_H

#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

/**
 * vpm_params_driver_name() - Name to register the PCI driver under
 *
 * Return: "vfio-pci" when the drop_in parameter is set, otherwise
 * "vfio-pci-mediate".
 */
const char *vpm_params_driver_name(void);

/**
 * vpm_params_apply_global() - Hand parameters to vfio_pci_core at module load
 *
 * Does something only on kernels where these are not kept per device.
 * Context: Module init, before the PCI driver is registered.
 */
void vpm_params_apply_global(void);

/**
 * vpm_params_apply_device() - Latch parameters into a device being set up
 * @core: The device, not yet registered with vfio.
 *
 * Context: The init op of struct vfio_device_ops.
 */
void vpm_params_apply_device(struct vfio_pci_core_device *core);

/**
 * vpm_params_add_ids() - Add the IDs of the ids parameter to a PCI driver
 * @driver: A registered driver. Matching devices that have no driver yet are
 *          probed at once.
 *
 * An entry that cannot be parsed or added is reported and skipped; the others
 * still count, as with in-tree vfio-pci.
 */
void vpm_params_add_ids(struct pci_driver *driver);

/**
 * vpm_params_denied() - Is a device known to be unsafe in user space's hands?
 * @pdev: The device being probed.
 *
 * Return: true when @pdev is on the denylist and the disable_denylist
 * parameter does not overrule it. Says so in the log in both cases.
 */
bool vpm_params_denied(struct pci_dev *pdev);

/**
 * vpm_params_sriov_enabled() - May VFs be created on a PF bound to us?
 *
 * Return: Value of the enable_sriov parameter.
 */
bool vpm_params_sriov_enabled(void);

/**
 * vpm_params_drain_us() - Interval at which shadows of trapped pages are drained
 *
 * Return: Value of the drain_us parameter, microseconds, 0 for the vendor's choice.
 */
unsigned int vpm_params_drain_us(void);

#endif /* VFIO_PCI_MEDIATE_PARAMS_H */
