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
struct vpm_dma_log;
struct vpm_events;
struct vpm_irq;
struct vpm_mig;
struct vpm_track;

/*
 * Workqueue for work on devices. Unbound, because a work item may run for long. Freezable, because
 * devices are suspended while the system sleeps.
 */
extern struct workqueue_struct *vpm_wq;

/**
 * struct vpm_region - Mediation of one of the device's own regions
 * @mediated:	Byte ranges that the vendor driver serves.
 * @trappable:	Pages that can be trapped. See &struct vpm_trap.
 * @size:	Size of the region if the vendor driver adds it, or 0.
 * @device_reads: Read the device before the vendor driver is called for a read.
 */
struct vpm_region {
	struct vpm_ranges mediated;
	struct vpm_ranges trappable;
	u64 size;
	bool device_reads;
};

/**
 * struct vpm_decode - Memory decoding for the vendor driver's own accesses
 * @hardwired:	The device does not implement PCI_COMMAND_MEMORY, as the standard requires of VFs.
 *		The SR-IOV capability of the PF controls memory decoding. Do not write the bit.
 * @held:	The vendor driver has quiesced or stopped the device, or loads its state. Once
 *		enabled, memory decoding stays enabled until the hold ends. Also written without
 *		memory_lock; the migration's state_lock serializes these writers.
 * @on:		Memory decoding was enabled for the vendor driver. User space may have disabled it.
 * @writers:	Number of user space writes to PCI_COMMAND in progress. If decoding is enabled
 *		meanwhile, it is disabled again after the access.
 * @unchecked:	The device was reset since PCI_COMMAND_MEMORY was last checked. Also written without
 *		memory_lock.
 *
 * The memory_lock of vfio_pci_core protects this struct.
 */
struct vpm_decode {
	bool hardwired;
	bool held;
	bool on;
	unsigned int writers;
	bool unchecked;
};

/**
 * struct vpm_vendor - Serialization of calls to the vendor driver
 * @lock:	The vendor lock. Held around all calls that originate from a trapped page, and
 *		around those of dirty tracking. &struct vpm_trap documents the lock order.
 * @memory_user: Task that holds @lock while it calls a vendor driver that may read guest memory and
 *		mark it dirty. Written by that task only.
 * @fault_blocker: Task that holds @lock and blocks page faults while it calls the vendor driver,
 *		which then must not access guest memory. Written by that task only.
 * @dma_lock:	Held for read while the vendor driver accesses guest memory, for write while that
 *		is enabled or disabled and while a dirty log is added or removed. Only mmap_lock and
 *		the locks of type1 and iommufd are taken inside.
 */
struct vpm_vendor {
	struct mutex lock;	/* see above */
	struct task_struct *memory_user;
	struct task_struct *fault_blocker;
	struct rw_semaphore dma_lock;	/* see above */
};

/**
 * enum vpm_trap_state - State of the pages that can be trapped
 * @VPM_TRAP_OFF: Not trapped. Mappings reach the device.
 * @VPM_TRAP_SHADOW: Trapped. Mappings reach a shadow page.
 * @VPM_TRAP_EXACT: Trapped. The VMM has stated that it does not map the pages.
 */
enum vpm_trap_state {
	VPM_TRAP_OFF,
	VPM_TRAP_SHADOW,
	VPM_TRAP_EXACT,
};

/**
 * enum vpm_trap_holder - Holder of a trap
 * @VPM_TRAP_VENDOR: The vendor driver, by vfio_mediate_trap().
 * @VPM_TRAP_VMM: The VMM, by VFIO_MEDIATE_FEATURE_TRAP or the trap region.
 * @VPM_TRAP_TRACKER: Dirty tracking.
 *
 * Pages are trapped while there is a holder. A holder cannot release the hold of another holder. A
 * function reset releases the holds of the vendor driver and of the VMM.
 */
enum vpm_trap_holder {
	VPM_TRAP_VENDOR,
	VPM_TRAP_VMM,
	VPM_TRAP_TRACKER,
};

/**
 * struct vpm_shadow_page - A page that can be trapped and has a shadow
 * @shadow:	The shadow page.
 * @vpm:	The device.
 * @region:	Index of the BAR.
 * @offset:	Offset of the page in the BAR.
 */
struct vpm_shadow_page {
	struct vpm_shadow shadow;
	struct vpm_device *vpm;
	u32 region;
	u64 offset;
};

/**
 * struct vpm_trap_area - Consecutive pages with the same register table
 * @region:	Index of the BAR.
 * @offset:	Offset of the first page.
 * @size:	Size in bytes.
 * @regs:	Registers to drain from each shadow page. NULL when the pages cannot have shadows.
 * @pages:	Shadow pages of the area, inside &vpm_trap.pages. NULL when there are none.
 */
struct vpm_trap_area {
	u32 region;
	u64 offset;
	u64 size;
	struct vfio_mediate_reg *regs;
	struct vpm_shadow_page *pages;
};

/**
 * struct vpm_trap - Traps of a device
 * @toggle_lock: Held while @state or @sequence changes.
 * @fault_lock:	Held for read by page faults. Held for write while mappings are removed, until their
 *		replacement is ready.
 * @state:	Written with @toggle_lock, the vendor lock, and @fault_lock (write) held. Any one of
 *		them suffices to read it.
 * @trapped:	Accesses through the device file must check @state. vfio_mediate_synchronize() waits
 *		for accesses that have read it as false.
 * @gone:	The vendor driver is detached or not attached yet. Set under @toggle_lock, also
 *		read without.
 * @holders:	Bit n is set while &enum vpm_trap_holder n holds the trap. Protected by
 *		@toggle_lock.
 * @sequence:	Number of the state, as the VMM sees it. Protected by @toggle_lock.
 * @areas:	Areas that can be trapped, in the order in which they are drained.
 * @num_areas:	Number of @areas. 0 while the device is not open.
 * @pages:	Shadow pages of all @areas.
 * @num_pages:	Number of @pages.
 * @shadowable:	All @areas can have shadows.
 * @no_p2p:	Mappings with pages of @areas cannot be mapped for DMA.
 * @drain_us:	Drain interval that the vendor driver requests, in microseconds, or 0.
 * @drainer:	Drain thread. Runs while @state is VPM_TRAP_SHADOW. Protected by @toggle_lock.
 * @paused:	The device is stopped or is being stopped. @drainer sleeps.
 * @resumed:	Wait queue of @drainer while @paused is set.
 * @mapper:	Process that has mapped a page of @areas.
 * @vm_ops:	Operations that vfio_pci_core assigned to the mappings.
 * @region_eventfd: Eventfd of the trap region. Protected by @toggle_lock.
 * @region_sequence: Value of @sequence when the VMM last read the trap region. Likewise.
 *
 * Lock order: @toggle_lock, the vendor lock, mmap_lock, @fault_lock, memory_lock of vfio_pci_core.
 * A task that resets the device holds memory_lock.
 */
struct vpm_trap {
	struct mutex toggle_lock;	/* see above */
	struct rw_semaphore fault_lock;
	enum vpm_trap_state state;
	bool trapped;
	bool gone;
	unsigned long holders;
	u64 sequence;
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
	struct eventfd_ctx *region_eventfd;
	u64 region_sequence;
};

/**
 * struct vpm_reset - Resets of a device
 * @call_lock:	Held while the vendor driver is notified that a reset begins or has ended. Nests
 *		inside memory_lock of vfio_pci_core. Protects @open too.
 * @prepared:	The vendor driver was notified that a reset begins, but not that it has ended.
 *		Protected by @call_lock.
 * @open:	The device is open, and resets are followed up. Written with @call_lock and
 *		&vpm_device.reset_lock held. Either one suffices to read it. &vpm_device.reset_lock
 *		protects all members below.
 * @core_resetting: The PCI core is resetting the function.
 * @losing_state: The vendor driver has reported that the device is losing its state.
 * @function:	The function was reset since the last follow-up. The follow-up releases traps.
 * @unexpected:	A reset that user space did not request has not been reported to the vendor driver
 *		yet.
 * @generation:	Number of resets.
 * @pending:	A reset is in progress or has not been followed up. Shadow pages still hold writes
 *		to the device as it was before the reset. These writes are not forwarded to the
 *		device. Also read without a lock.
 * @work:	Work item that does the follow-up.
 * @serving:	A task that holds the device lock serves reset requests.
 * @requested:	A reset is requested from that task.
 * @result:	Result of the requested reset.
 * @wait:	Woken when @serving, @requested, @result or @open changes.
 */
struct vpm_reset {
	struct mutex call_lock;		/* see above */
	bool prepared;
	bool open;
	bool core_resetting;
	bool losing_state;
	bool function;
	bool unexpected;
	unsigned int generation;
	bool pending;
	struct work_struct work;
	bool serving;
	bool requested;
	int result;
	wait_queue_head_t wait;
};

/**
 * struct vpm_device - A device bound to vfio-pci-mediate
 * @core:	State of vfio_pci_core.
 * @parts:	Table of the parts of the driver. See &struct vpm_part.
 * @num_parts:	Number of @parts.
 * @removing:	The device is being removed. The device lock is held until the device is closed.
 * @load:	Request for the module that mediates the device. Valid from probe to remove.
 * @events:	What is told of the device. Valid from probe to remove.
 * @session:	Session of the vendor driver, or NULL when the device is not mediated. Valid from
 *		open to close, as are all members below unless stated otherwise.
 * @mediated:	Bit n is set when the vendor driver serves or can trap a part of region n. Accesses
 *		to other regions check nothing else.
 * @save_version: Version of migration streams that the administrator has chosen, or 0 for the
 *		newest. Accessed without a lock. Valid from probe to remove.
 * @decode:	Memory decoding for the vendor driver's own accesses.
 * @region:	Mediation of the device's own regions.
 * @first_extra: Index of the first region that the vendor driver added.
 * @num_extra:	Number of regions that the vendor driver added.
 * @irqs:	Interrupts in addition to those of PCI.
 * @num_irqs:	Number of @irqs.
 * @irq_lock:	Protects the vectors of @irqs. Also protects @mig against closing, for
 *		vfio_mediate_data_ready(). Innermost lock. Taken in hard interrupt context.
 * @vendor:	Serialization of calls to the vendor driver. Valid from probe to remove.
 * @trap:	Traps. Valid from probe to remove.
 * @reset_lock:	Protects @reset. Also protects @mig against resets and detaches, which run in tasks
 *		that do not have the device open. Innermost lock except for the lock of the
 *		workqueue. Taken in process context.
 * @reset:	Resets that have not been followed up. Valid from probe to remove.
 * @track:	Dirty tracking, owned by migration. Valid from probe to remove.
 * @dma_log:	DMA logging by the device, owned by migration. Valid from probe to remove.
 * @mig:	Migration state, owned by migration. NULL when the device cannot be migrated.
 */
struct vpm_device {
	struct vfio_pci_core_device core;
	const struct vpm_part * const *parts;
	unsigned int num_parts;
	bool removing;
	struct vfio_mediate_load *load;
	struct vpm_events *events;
	struct vfio_mediate_session *session;
	u64 mediated;
	u32 save_version;
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
	struct vpm_dma_log *dma_log;
	struct vpm_mig *mig;
};

/* Allocates vpm_wq. */
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
 * vpm_is_mediated() - Check whether the vendor driver serves or traps a part of a region
 * @vpm:	The device, open.
 * @index:	Region index from user space. Any value is valid.
 *
 * Return: True if it does.
 */
static inline bool vpm_is_mediated(struct vpm_device *vpm, u64 index)
{
	return index < 64 && vpm->mediated & BIT_ULL(index);
}

/**
 * vpm_mediates_bars() - Check whether a region other than config space is mediated
 * @vpm:	The device, open.
 *
 * Return: True if the vendor driver serves or traps a part of such a region.
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
 * Return: Size in bytes, or 0 when the region does not exist.
 */
static inline u64 vpm_region_size(struct vpm_device *vpm, u32 index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return vpm->region[index].size ?:
			pci_resource_len(vpm->core.pdev, index);
	case VFIO_PCI_ROM_REGION_INDEX:
		return vpm->region[index].size ?:
			pci_resource_len(vpm->core.pdev, PCI_ROM_RESOURCE);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return vpm->core.pdev->cfg_size;
	default:
		return 0;
	}
}

/**
 * vpm_extra_region() - Find a region that the vendor driver added
 * @vpm:	The device, open.
 * @index:	Region index of user space.
 *
 * Return: The region, or NULL when the vendor driver did not add it.
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
 * vpm_vendor_index() - Translate a region index for the vendor driver
 * @vpm:	The device, open.
 * @index:	Region index of user space.
 *
 * Return: The same index for the device's own regions. Regions that the vendor driver added are
 * numbered from VFIO_PCI_NUM_REGIONS.
 */
static inline u32 vpm_vendor_index(struct vpm_device *vpm, u32 index)
{
	return vpm_extra_region(vpm, index) ?
		index - vpm->first_extra + VFIO_PCI_NUM_REGIONS : index;
}

#endif /* VFIO_PCI_MEDIATE_DEVICE_H */
