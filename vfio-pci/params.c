// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters of vfio_pci_mediate: those of in-tree vfio-pci, with the same names, formats
 * and permissions, plus drop_in and drain_us.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>

#include "params.h"

static char ids[1024] __initdata;
module_param_string(ids, ids, sizeof(ids), 0);
MODULE_PARM_DESC(ids, "PCI IDs to claim, comma separated: vendor:device[:subvendor[:subdevice[:class[:class_mask]]]], all in hex");

static bool nointxmask;
module_param(nointxmask, bool, 0644);
MODULE_PARM_DESC(nointxmask, "Mask INTx at the interrupt controller instead of in the PCI command register, for devices whose masking is broken");

#ifdef CONFIG_VFIO_PCI_VGA
static bool disable_vga;
module_param(disable_vga, bool, 0444);
MODULE_PARM_DESC(disable_vga, "Do not offer the legacy VGA ranges");
#else
static const bool disable_vga = true;
#endif

static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0644);
MODULE_PARM_DESC(disable_idle_d3, "Do not put unused devices into the D3 power state");

static bool enable_sriov;
#ifdef CONFIG_PCI_IOV
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "Allow VFs to be created on a PF bound to this driver; they work only as far as the PF's user-space driver supports them");
#endif

static bool disable_denylist;
module_param(disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist, "Allow devices with errata that let an untrusted user attack the host");

static bool drop_in;
module_param(drop_in, bool, 0444);
MODULE_PARM_DESC(drop_in, "Register as driver \"vfio-pci\", for clients that accept no other name; in-tree vfio-pci must not be loaded");

static unsigned int drain_us;
module_param(drain_us, uint, 0644);
MODULE_PARM_DESC(drain_us, "Microseconds between two drains of shadowed pages, for all devices; 0 uses the interval of each device's vendor driver");

/* QAT and DSA/IAX generations that in-tree vfio-pci rejects too */
static const struct pci_device_id denylist[] = {
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_DSA_SPR0) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_IAX_SPR0) },
	{ }
};

const char *vpm_params_driver_name(void)
{
	return drop_in ? "vfio-pci" : "vfio-pci-mediate";
}
EXPORT_SYMBOL_GPL(vpm_params_driver_name);

/*
 * Newer kernels keep nointxmask, disable_vga and disable_idle_d3 per device. Older kernels keep one
 * global set in vfio_pci_core, which the last caller overwrites for every vfio driver. Change the
 * global set only if the administrator sets one of the three: loading this module with defaults
 * must not undo the parameters of in-tree vfio-pci.
 */
void vpm_params_apply_global(void)
{
	if (disable_denylist)
		pr_warn("device denylist disabled\n");

#ifdef COMPAT_HAS_GLOBAL_PARAMS
	if (nointxmask || disable_vga || disable_idle_d3)
		vfio_pci_core_set_params(nointxmask, disable_vga, disable_idle_d3);
#endif
}

void vpm_params_apply_device(struct vfio_pci_core_device *core)
{
#ifndef COMPAT_HAS_GLOBAL_PARAMS
	core->nointxmask = nointxmask;
	core->disable_idle_d3 = disable_idle_d3;
#ifdef CONFIG_VFIO_PCI_VGA
	core->disable_vga = disable_vga;
#endif
#endif
}

bool vpm_params_denied(struct pci_dev *pdev)
{
	if (!pci_match_id(denylist, pdev))
		return false;

	if (disable_denylist) {
		pci_warn(pdev, "on the denylist, allowed by disable_denylist\n");
		return false;
	}

	pci_warn(pdev, "on the denylist, not bound: its errata let a user attack the host\n");
	return true;
}

unsigned int vpm_params_drain_us(void)
{
	return READ_ONCE(drain_us);
}

bool vpm_params_sriov_enabled(void)
{
	return enable_sriov;
}

static int __init add_id(struct pci_driver *driver, const char *id)
{
	unsigned int subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID;
	unsigned int vendor, device, class = 0, class_mask = 0;

	if (sscanf(id, "%x:%x:%x:%x:%x:%x", &vendor, &device, &subvendor,
		   &subdevice, &class, &class_mask) < 2)
		return -EINVAL;

	return pci_add_dynid(driver, vendor, device, subvendor, subdevice,
			     class, class_mask, 0);
}

void __init vpm_params_add_ids(struct pci_driver *driver)
{
	char *rest = ids, *id;
	int ret;

	while ((id = strsep(&rest, ","))) {
		if (!*id)
			continue;

		ret = add_id(driver, id);
		if (ret)
			pr_warn("ids: cannot add \"%s\": %pe\n", id,
				ERR_PTR(ret));
		else
			pr_info("ids: added %s\n", id);
	}
}
