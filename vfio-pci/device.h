/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of vfio-pci-mediate, and what its parts have of each other.
 */

#ifndef VFIO_PCI_MEDIATE_DEVICE_H
#define VFIO_PCI_MEDIATE_DEVICE_H

#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "ranges.h"
#include "reset.h"
#include "session.h"
#include "track.h"
#include "trap.h"
#include "vfio_mediate.h"

struct vpm_irq;
struct vpm_mig;
struct workqueue_struct;

/*
 * For work on devices, on any CPU, that may take its time. Frozen while the system sleeps:
 * the devices do then as well.
 */
extern struct workqueue_struct *vpm_wq;

/**
 * struct vpm_region - One of the device's own regions, as it is mediated
 * @mediated:	Bytes that the vendor serves.
 * @trappable:	Pages that can be trapped, those of &vpm_trap.
 * @rom_size:	Of a ROM that the device does not have itself.
 * @device_reads: What the device has is read before the vendor is asked.
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
 * @removing:	It is being removed: the device's lock is held until nobody has it open.
 * @load:	Request for the module that mediates it. From probe to remove.
 * @session:	Who mediates it; NULL when nobody does. From open to close, like
 *		all that follows but for @trap and @track.
 * @mediated:	Bit n: region n is the vendor's business. The one test that an
 *		access to any other region pays.
 * @decode:	Memory decoding for the vendor's own accesses.
 * @region:	The device's own regions.
 * @first_extra: Index of the first region that the vendor added.
 * @num_extra:	Number of regions that the vendor added.
 * @irqs:	Interrupts beyond those of PCI.
 * @num_irqs:	Number of @irqs.
 * @irq_lock:	Protects the vectors of @irqs. Innermost; taken in hard interrupts.
 * @trap:	What can be trapped.
 * @track:	What is known of what it writes.
 * @reset_lock:	Protects @reset, and @mig against those who do not have the device
 *		open: resets and detaches. Innermost, but for that of the work queue.
 *		Taken in process context.
 * @reset:	Resets that have not been followed up.
 * @mig:	Its migration; NULL when it cannot be migrated.
 */
struct vpm_device {
	struct vfio_pci_core_device core;
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
	struct vpm_trap trap;
	struct vpm_track track;
	spinlock_t reset_lock;	/* see above */
	struct vpm_reset reset;
	struct vpm_mig *mig;
};

static inline struct vpm_device *to_vpm(struct vfio_device *vdev)
{
	return container_of(vdev, struct vpm_device, core.vdev);
}

/**
 * vpm_is_mediated() - Is a region the vendor's business?
 * @vpm: The device, open.
 * @index: Any index that user space may come with.
 *
 * Return: Whether it is.
 */
static inline bool vpm_is_mediated(struct vpm_device *vpm, u64 index)
{
	return index < 64 && vpm->mediated & BIT_ULL(index);
}

/**
 * vpm_mediates_bars() - Is any region but the config space the vendor's business?
 * @vpm: The device, open.
 *
 * Return: Whether one is.
 */
static inline bool vpm_mediates_bars(const struct vpm_device *vpm)
{
	return vpm->mediated & ~BIT_ULL(VFIO_PCI_CONFIG_REGION_INDEX);
}

/**
 * vpm_extra_region() - A region that the vendor added
 * @vpm: The device, open.
 * @index: Index that user space knows it by.
 *
 * Return: The region, or NULL when it is none of those.
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
 * vpm_vendor_index() - Index that a vendor knows a region by
 * @vpm: The device, open.
 * @index: Index that user space knows it by.
 *
 * Return: The same for the device's own regions; the vendor's are counted from
 * VFIO_PCI_NUM_REGIONS on.
 */
static inline u32 vpm_vendor_index(struct vpm_device *vpm, u32 index)
{
	return vpm_extra_region(vpm, index) ?
		index - vpm->first_extra + VFIO_PCI_NUM_REGIONS : index;
}

#endif /* VFIO_PCI_MEDIATE_DEVICE_H */
