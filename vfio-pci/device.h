/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-device state shared by the parts of the driver.
 */

#ifndef VFIO_PCI_MEDIATE_DEVICE_H
#define VFIO_PCI_MEDIATE_DEVICE_H

#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/vfio_pci_core.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mapper.h"
#include "parts.h"
#include "ranges.h"
#include "session.h"
#include "shadow.h"
#include "vfio_mediate.h"

struct eventfd_ctx;
struct task_struct;
struct vpm_device;
struct vpm_irq;
struct vpm_mig;
struct vpm_track;

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
 * struct vpm_decode - Memory decoding for the vendor's own accesses
 * @hardwired:	PCI_COMMAND_MEMORY cannot be set, as of VFs by the standard: their memory is
 *		decoded as the PF's SR-IOV capability says. The bit is left alone.
 * @held:	The vendor has the device quiesced or stopped, or loads its state. Decoding
 *		that was switched on stays on until this ends. Also written without the
 *		lock, by those whom the migration's state_lock has one at a time.
 * @on:		It was switched on for the vendor. User space may have it off.
 * @writers:	Writes of user space to PCI_COMMAND that are under way. What is switched on
 *		meanwhile does not stay on.
 * @unsure:	The device was reset since somebody has looked at its bit. Also written
 *		without the lock.
 *
 * vfio_pci_core's memory_lock protects it.
 */
struct vpm_decode {
	bool hardwired;
	bool held;
	bool on;
	unsigned int writers;
	bool unsure;
};

/**
 * struct vpm_vendor - Calls to the vendor, one at a time
 * @lock:	The vendor lock. Held around all calls that come from a trapped page, and around
 *		those of tracking. The order of locks is at &struct vpm_trap.
 * @memory_user: The task that holds @lock, while the vendor that it calls may read the guest's
 *		memory and mark it dirty. Written by that task alone.
 */
struct vpm_vendor {
	struct mutex lock;	/* see above */
	struct task_struct *memory_user;
};

/**
 * enum vpm_trap_state - How far pages are trapped
 * @VPM_TRAP_OFF:	They are the device's.
 * @VPM_TRAP_SHADOW:	Those who map them get a shadow.
 * @VPM_TRAP_EXACT:	The VMM has said that it does not map them.
 */
enum vpm_trap_state {
	VPM_TRAP_OFF,
	VPM_TRAP_SHADOW,
	VPM_TRAP_EXACT,
};

/**
 * enum vpm_trap_holder - Who wants pages to be trapped
 * @VPM_TRAP_VENDOR:	The vendor, by vfio_mediate_trap().
 * @VPM_TRAP_VMM:	The VMM, by the region of trap_region.h.
 * @VPM_TRAP_TRACKER:	Dirty tracking.
 *
 * Pages are trapped while there is a holder. None ends the hold of another. A reset of the
 * function ends those of the vendor and of the VMM.
 */
enum vpm_trap_holder {
	VPM_TRAP_VENDOR,
	VPM_TRAP_VMM,
	VPM_TRAP_TRACKER,
};

#define VPM_TRAP_NOTIFIERS	2

typedef void (*vpm_trap_notifier)(struct vpm_device *vpm);

/**
 * struct vpm_shadow_page - A page that can be trapped, and has a shadow
 * @shadow:	The shadow.
 * @vpm:	The device.
 * @region:	Index of the BAR.
 * @offset:	Of the page.
 */
struct vpm_shadow_page {
	struct vpm_shadow shadow;
	struct vpm_device *vpm;
	u32 region;
	u64 offset;
};

/**
 * struct vpm_trap_area - Pages with the same registers
 * @region:	Index of the BAR.
 * @offset:	Of the first page.
 * @size:	Bytes.
 * @regs:	What is drained from the shadows of the pages, NULL when they can
 *		have none.
 * @pages:	The shadows, part of &vpm_trap.pages.
 */
struct vpm_trap_area {
	u32 region;
	u64 offset;
	u64 size;
	struct vfio_mediate_reg *regs;
	struct vpm_shadow_page *pages;
};

/**
 * struct vpm_trap - The traps of a device
 * @toggle_lock: Held while the state changes.
 * @fault_lock:	Held for read by page faults, for write while mappings are taken
 *		away and until what they are replaced with is ready.
 * @state:	Written with @toggle_lock, the vendor lock, and @fault_lock for write held; any
 *		of them suffices to read it.
 * @trapped:	Whether accesses through the device file have to look at @state;
 *		those that did not are over after vfio_mediate_synchronize().
 * @gone:	The vendor is, or has not come yet; set under @toggle_lock.
 * @holders:	Bit n: &enum vpm_trap_holder n holds; under @toggle_lock.
 * @notifiers:	Tell the VMM, by its eventfds. Called with @toggle_lock held.
 * @num_notifiers: Number of @notifiers.
 * @areas:	What can be trapped, in the order in which it is drained.
 * @num_areas:	Number of @areas; 0 while the device is not open.
 * @pages:	The shadows of all @areas.
 * @num_pages:	Number of @pages.
 * @shadowable:	Whether all @areas can be shadowed.
 * @no_p2p:	Mappings of pages in @areas cannot be mapped for DMA.
 * @drain_us:	Interval that the vendor asks for, or 0.
 * @drainer:	Thread that drains, while there are shadows; under @toggle_lock.
 * @paused:	The device is being stopped, or is: @drainer sleeps.
 * @resumed:	Where @drainer sleeps then.
 * @mapper:	Who has mapped a page that can be trapped.
 * @vm_ops:	What vfio_pci_core gave the mappings.
 * @eventfd:	Signalled when the state changes; under @toggle_lock.
 *
 * Order of locks: @toggle_lock, the vendor lock, mmap_lock, @fault_lock, then
 * vfio_pci_core's memory_lock. A task that resets the device holds the last.
 */
struct vpm_trap {
	struct mutex toggle_lock;	/* see above */
	struct rw_semaphore fault_lock;
	enum vpm_trap_state state;
	bool trapped;
	bool gone;
	unsigned long holders;
	vpm_trap_notifier notifiers[VPM_TRAP_NOTIFIERS];
	unsigned int num_notifiers;
	struct vpm_trap_area *areas;
	unsigned int num_areas;
	struct vpm_shadow_page *pages;
	unsigned int num_pages;
	bool shadowable;
	bool no_p2p;
	unsigned int drain_us;
	struct task_struct *drainer;
	bool paused;
	wait_queue_head_t resumed;
	struct vpm_mapper mapper;
	const struct vm_operations_struct *vm_ops;
	struct eventfd_ctx *eventfd;
};

/**
 * struct vpm_reset - Resets of a device
 * @call_lock:	Held while the vendor is told that a reset begins. Inside of
 *		vfio_pci_core's memory_lock. Protects @open as well.
 * @open:	The device is open, so that resets are followed up. Written with
 *		@call_lock and &vpm_device.reset_lock held; either suffices to read it.
 *		All below is under &vpm_device.reset_lock.
 * @by_core:	The PCI core is resetting the function.
 * @lost:	The vendor has said that the state is being lost.
 * @function:	The function was reset since the last follow-up: that ends a trap.
 * @unexpected:	And it was not user space who did.
 * @generation:	Number of resets.
 * @pending:	A reset is under way, or has not been followed up. Until it has been,
 *		shadows hold what was written to the device as it was: nothing of that
 *		is written to it. Also read without a lock.
 * @work:	Follows up.
 * @server:	A task that holds the device's lock resets the device on demand.
 * @wanted:	It is asked to.
 * @result:	What came of that.
 * @wait:	Woken when one of the last three or @open has changed.
 */
struct vpm_reset {
	struct mutex call_lock;		/* see above */
	bool open;
	bool by_core;
	bool lost;
	bool function;
	bool unexpected;
	unsigned int generation;
	bool pending;
	struct work_struct work;
	bool server;
	bool wanted;
	int result;
	wait_queue_head_t wait;
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
