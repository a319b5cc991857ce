/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-device state shared by the parts of the driver.
 */

#ifndef VFIO_PCI_MEDIATE_DEVICE_H
#define VFIO_PCI_MEDIATE_DEVICE_H

#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "parts.h"
#include "ranges.h"
#include "reset.h"
#include "session.h"
#include "trap.h"
#include "vendor.h"
#include "vfio_mediate.h"

struct vpm_irq;
struct vpm_mig;
struct vpm_track;
struct workqueue_struct;

/*
 * For work on devices: unbound, as it may take its time, and frozen while the system sleeps,
 * as the devices are.
 */
extern struct workqueue_struct *vpm_wq;

/**
 * struct vpm_region - How one of the device's own regions is mediated
 * @mediated:	Bytes that the vendor serves.
 * @trappable:	Pages that can be trapped, from &vpm_trap.
 * @rom_size:	Size of a ROM that the vendor adds, or 0.
 * @device_reads: The device is read before the vendor is called for a read.
 */
struct vpm_region {
	struct vpm_ranges mediated;
	struct vpm_ranges trappable;
	u64 rom_size;
	bool device_reads;
};

/**
 * struct vpm_device - A device bound to vfio-pci-mediate
 * @core:	What vfio_pci_core knows of it.
 * @parts:	The parts of the driver, see &struct vpm_part.
 * @num_parts:	Number of @parts.
 * @removing:	The device is being removed: the device lock is held until nobody has the
 *		device open.
 * @load:	Request for the module that mediates the device. From probe to remove.
 * @session:	The vendor's session; NULL when nobody mediates the device. From open to close,
 *		as all that follows where nothing else is said.
 * @mediated:	Bit n: the vendor serves a part of region n, or can trap it. The one test
 *		that an access to any other region pays.
 * @decode:	Memory decoding for the vendor's own accesses.
 * @region:	The device's own regions.
 * @first_extra: Index of the first region that the vendor added.
 * @num_extra:	Number of regions that the vendor added.
 * @irqs:	Interrupts beyond those of PCI.
 * @num_irqs:	Number of @irqs.
 * @irq_lock:	Protects the vectors of @irqs. Innermost; taken in hard interrupts.
 * @vendor:	Calls to the vendor that come from trapped pages, and from tracking. From probe
 *		to remove.
 * @trap:	The traps. From probe to remove.
 * @reset_lock:	Protects @reset, and @mig against tasks that do not have the device open:
 *		resets and detaches. Innermost, but for the lock of the work queue. Taken in
 *		process context.
 * @reset:	Resets that have not been followed up. From probe to remove.
 * @track:	Dirty tracking; belongs to migration. From probe to remove.
 * @mig:	Migration; NULL when the device cannot be migrated. Belongs to migration.
 */
struct vpm_device {
	struct vfio_pci_core_device core;
	const struct vpm_part * const *parts;
	unsigned int num_parts;
	bool removing;
	struct vfio_mediate_load *load;
	struct vfio_mediate_session *session;
	u64 mediated;
	struct vpm_decode decode;
	struct vpm_region region[VFIO_PCI_NUM_REGIONS];
	unsigned int first_extra;
	unsigned int num_extra;
	struct vpm_irq *irqs;
	unsigned int num_irqs;
	spinlock_t irq_lock;	/* see above */
	struct vpm_vendor vendor;
	struct vpm_trap trap;
	spinlock_t reset_lock;	/* see above */
	struct vpm_reset reset;
	struct vpm_track *track;
	struct vpm_mig *mig;
};

/* The part that has @vpm_wq */
extern const struct vpm_part vpm_device_part;

static inline struct vpm_device *to_vpm(struct vfio_device *vdev)
{
	return container_of(vdev, struct vpm_device, core.vdev);
}

static inline struct vpm_device *pci_to_vpm(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = pci_get_drvdata(pdev);

	return to_vpm(&core->vdev);
}

/**
 * vpm_is_mediated() - Does the vendor serve or trap a part of a region?
 * @vpm: The device, open.
 * @index: Any index that user space may pass.
 *
 * Return: Whether it does.
 */
static inline bool vpm_is_mediated(struct vpm_device *vpm, u64 index)
{
	return index < 64 && vpm->mediated & BIT_ULL(index);
}

/**
 * vpm_mediates_bars() - Does the vendor serve or trap anything but config space?
 * @vpm: The device, open.
 *
 * Return: Whether it does.
 */
static inline bool vpm_mediates_bars(const struct vpm_device *vpm)
{
	return vpm->mediated & ~BIT_ULL(VFIO_PCI_CONFIG_REGION_INDEX);
}

/**
 * vpm_region_size() - Size of one of the device's own regions
 * @vpm:	The device.
 * @index:	Index of the region.
 *
 * Return: Bytes, 0 where there is none.
 */
static inline u64 vpm_region_size(struct vpm_device *vpm, u32 index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return pci_resource_len(vpm->core.pdev, index);
	case VFIO_PCI_ROM_REGION_INDEX:
		return vpm->region[index].rom_size ?:
			pci_resource_len(vpm->core.pdev, PCI_ROM_RESOURCE);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return vpm->core.pdev->cfg_size;
	default:
		return 0;
	}
}

/**
 * vpm_extra_region() - Find a region that the vendor added
 * @vpm: The device, open.
 * @index: Index by which user space knows the region.
 *
 * Return: The region, or NULL when the vendor did not add it.
 */
static inline struct vfio_pci_region *
vpm_extra_region(struct vpm_device *vpm, u64 index)
{
	if (index < vpm->first_extra ||
	    index >= vpm->first_extra + vpm->num_extra)
		return NULL;

	index = array_index_nospec(index - VFIO_PCI_NUM_REGIONS,
				   vpm->core.num_regions);

	return &vpm->core.region[index];
}

/**
 * vpm_vendor_index() - Index by which a vendor knows a region
 * @vpm: The device, open.
 * @index: Index by which user space knows the region.
 *
 * Return: The same for the device's own regions; those that the vendor added are counted from
 * VFIO_PCI_NUM_REGIONS on.
 */
static inline u32 vpm_vendor_index(struct vpm_device *vpm, u32 index)
{
	return vpm_extra_region(vpm, index) ?
		index - vpm->first_extra + VFIO_PCI_NUM_REGIONS : index;
}

#endif /* VFIO_PCI_MEDIATE_DEVICE_H */
