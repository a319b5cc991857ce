/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What vfio-pci-mediate offers to a VMM beyond linux/vfio.h: dynamic traps, and
 * interrupts that a vendor adds. Nothing here needs to be used: a VMM that knows
 * only linux/vfio.h works with mediated and trapped devices.
 */

#ifndef _LINUX_VFIO_MEDIATE_H
#define _LINUX_VFIO_MEDIATE_H

#include <linux/types.h>
#include <linux/vfio.h>

/*
 * Dynamic trap
 *
 * Some pages of a device's BARs can be trapped while the device is in use: from
 * then on what is written there is seen by the host before the device sees it.
 * Mappings that the VMM has of them are taken away; its next access through one
 * gets a shadow in the page's place, which the host drains to the device every so
 * often, so that a VMM need not do anything. One that takes part instead
 *
 *  1. listens: it gives the region below an eventfd, or uses the interrupt
 *     below, or both;
 *  2. when signalled reads the state, and the infos of the regions again: while
 *     trapped, the trapped pages are missing from their sparse mmap capability;
 *  3. unmaps what is trapped, so that its accesses come as reads and writes of
 *     the region; or maps again what no longer is;
 *  4. says so: by writing VFIO_MEDIATE_TRAP_EXACT to the region, or by unmasking
 *     the interrupt. From then on there is no shadow, and each of its writes is
 *     seen, in its order. Access to a trapped page that it has left mapped is then
 *     a SIGBUS.
 *
 * Some pages cannot be shadowed (see VFIO_MEDIATE_TRAP_AREA_SHADOW). Where there
 * are such pages, trapping is refused with EBUSY until the VMM has said that it
 * does without their mappings: it unmaps what the capability below lists, then
 * writes ON | EXACT itself.
 *
 * Traps are off when a device is opened, and after it is reset.
 */

/*
 * The region, found by VFIO_REGION_INFO_CAP_TYPE. The device has it when it has
 * pages that can be trapped.
 */
#define VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP		4
#define VFIO_MEDIATE_REGION_SUBTYPE_DYNAMIC_TRAP_BAR_INFO	1

/**
 * struct vfio_mediate_trap_info - Layout of the dynamic trap region
 * @dt_fd:	Write an eventfd, to be signalled whenever traps go on or off, or -1
 *		for none any more. EBADF and EINVAL are eventfd_ctx_fdget()'s.
 *		Reads as -1 without and 0 with an eventfd.
 * @trap:	Read: VFIO_MEDIATE_TRAP_* flags of the state. Write: state that is
 *		wanted, which is in force when the write returns: 0, ON, or
 *		ON | EXACT. ON while it is ON | EXACT already changes nothing.
 *		EXACT alone acknowledges: ON becomes ON | EXACT, off stays off.
 *		EINVAL for anything else, EBUSY when pages that cannot be shadowed
 *		would have to be, ENODEV when the vendor's driver is gone, ENOMEM,
 *		EINTR.
 *
 * Each member must be accessed as a whole; other accesses are EINVAL.
 */
struct vfio_mediate_trap_info {
	__s32 dt_fd;
	__u32 trap;
#define VFIO_MEDIATE_TRAP_ON	0x1
#define VFIO_MEDIATE_TRAP_EXACT	0x2
};

/*
 * Capability of VFIO_DEVICE_GET_REGION_INFO: what of a BAR is trapped while the
 * device's state is being saved. Its ID is out of the way of those of linux/vfio.h.
 */
#define VFIO_MEDIATE_REGION_INFO_CAP_SAVING_TRAP	0x8001

/**
 * struct vfio_mediate_trap_area - Pages that are trapped together
 * @offset:	From the start of the region, page aligned.
 * @size:	Bytes.
 * @flags:	VFIO_MEDIATE_TRAP_AREA_*
 * @reserved:	0.
 */
struct vfio_mediate_trap_area {
	__u64 offset;
	__u64 size;
	__u32 flags;
/* May stay mapped while trapped. */
#define VFIO_MEDIATE_TRAP_AREA_SHADOW	0x1
	__u32 reserved;
};

/**
 * struct vfio_mediate_region_info_cap_saving_trap - Body of the capability
 * @header:	ID VFIO_MEDIATE_REGION_INFO_CAP_SAVING_TRAP, version 1.
 * @nr_areas:	Number of @areas.
 * @reserved:	0.
 * @areas:	Ascending.
 */
struct vfio_mediate_region_info_cap_saving_trap {
	struct vfio_info_cap_header header;
	__u32 nr_areas;
	__u32 reserved;
	struct vfio_mediate_trap_area areas[];
};

/*
 * Interrupts that are not PCI's
 *
 * VFIO_DEVICE_GET_INFO counts them in num_irqs. They have the indexes from
 * VFIO_PCI_NUM_IRQS on, and say what they are for in a capability of
 * VFIO_DEVICE_GET_IRQ_INFO, which for them takes the struct below.
 * VFIO_DEVICE_SET_IRQS does all it does for PCI's: DATA_EVENTFD to be signalled,
 * DATA_NONE and DATA_BOOL to signal oneself, ACTION_MASK and _UNMASK. Vectors can
 * be set up one by one.
 */

/**
 * struct vfio_mediate_irq_info - struct vfio_irq_info that can have capabilities
 * @argsz:	In: size of the buffer, at least that of struct vfio_irq_info. Out:
 *		size that is needed for everything, when it is larger.
 * @flags:	VFIO_IRQ_INFO_* and VFIO_MEDIATE_IRQ_INFO_FLAG_CAPS.
 * @index:	In: which interrupt.
 * @count:	Number of vectors.
 * @cap_offset:	From the start of the struct; 0 where @argsz was too small.
 */
struct vfio_mediate_irq_info {
	__u32 argsz;
	__u32 flags;
#define VFIO_MEDIATE_IRQ_INFO_FLAG_CAPS	0x10
	__u32 index;
	__u32 count;
	__u32 cap_offset;
	__u32 reserved;
};

#define VFIO_MEDIATE_IRQ_INFO_CAP_TYPE	3

/**
 * struct vfio_mediate_irq_info_cap_type - What an interrupt is for
 * @header:	ID VFIO_MEDIATE_IRQ_INFO_CAP_TYPE, version 1.
 * @type:	VFIO_MEDIATE_IRQ_TYPE_*, or, defined by a vendor,
 *		VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI vendor ID.
 * @subtype:	Depends on @type.
 */
struct vfio_mediate_irq_info_cap_type {
	struct vfio_info_cap_header header;
	__u32 type;
	__u32 subtype;
};

/*
 * Signalled whenever traps go on or off; masked then, until it is unmasked, which
 * says that the VMM has acted on the state as it is now.
 */
#define VFIO_MEDIATE_IRQ_TYPE_DYNAMIC_TRAP		1
#define VFIO_MEDIATE_IRQ_SUBTYPE_DYNAMIC_TRAP_CHANGED	1

#endif /* _LINUX_VFIO_MEDIATE_H */
