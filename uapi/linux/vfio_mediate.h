/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Extensions of vfio-pci-mediate to linux/vfio.h: dynamic traps, and interrupts that a
 * vendor adds. Their use is optional: a VMM that knows only linux/vfio.h works with
 * mediated and trapped devices.
 */

#ifndef _LINUX_VFIO_MEDIATE_H
#define _LINUX_VFIO_MEDIATE_H

#include <linux/types.h>
#include <linux/vfio.h>

/*
 * Dynamic traps
 *
 * Some pages of a device's BARs can be trapped while the device is in use. While they are
 * trapped, the host sees what is written to them before the device does. When the trap goes
 * on, the kernel removes the VMM's mappings of these pages. The next access through such a
 * mapping gets a shadow page, which the host drains to the device periodically. A VMM need
 * not do anything.
 *
 * A VMM that cooperates gets exact traps. It
 *
 *  1. listens: it sets an eventfd in the region below, or uses the interrupt below, or both;
 *  2. reads the state when it is signalled, and reads the region infos again: trapped pages
 *     are missing from the sparse mmap capability;
 *  3. unmaps the trapped pages, so that its accesses become reads and writes of the region,
 *     or maps pages that are no longer trapped;
 *  4. acknowledges: it writes VFIO_MEDIATE_TRAP_EXACT to the region, or unmasks the
 *     interrupt. From then on there are no shadow pages, and the host sees each write of the
 *     VMM in order. An access to a trapped page that is still mapped raises SIGBUS.
 *
 * Some pages cannot be shadowed, see VFIO_MEDIATE_TRAP_AREA_SHADOW. To trap a device with
 * such pages, the VMM unmaps the areas of the capability below, then writes ON | EXACT.
 * Until then, other requests to trap fail with EBUSY.
 *
 * The VMM is one of three holders of the traps. The others are the vendor's driver and, while the
 * device is migrated, dirty tracking. Pages are trapped while there is a holder. A reset of the
 * function ends the holds of the VMM and of the vendor's driver. There is none when a device is
 * opened.
 */

/*
 * Type and subtype of the dynamic trap region, in VFIO_REGION_INFO_CAP_TYPE. A device has
 * the region if it has pages that can be trapped.
 */
#define VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP		4
#define VFIO_MEDIATE_REGION_SUBTYPE_DYNAMIC_TRAP_BAR_INFO	1

/**
 * struct vfio_mediate_trap_info - Layout of the dynamic trap region
 * @dt_fd:	Write: an eventfd that is signalled when traps go on or off, and when a reset has
 *		ended the VMM's hold; or -1 to remove it. Read: 0 if there is an eventfd,
 *		otherwise -1.
 * @trap:	Read: state of the traps, VFIO_MEDIATE_TRAP_* flags. Write: take or end the VMM's
 *		hold, which has been done when write() returns, or acknowledge.
 *
 * Values that can be written to @trap:
 *
 * * 0: end the hold. Pages stay trapped while there is another holder: read the state.
 * * ON: hold. Changes nothing else if the state is ON | EXACT.
 * * ON | EXACT: hold, without shadow pages.
 * * EXACT: acknowledge. ON becomes ON | EXACT, off stays off.
 *
 * Errors of a write to @dt_fd:
 *
 * * EBADF: not a file descriptor.
 * * EINVAL: not an eventfd.
 *
 * Errors of a write to @trap:
 *
 * * EBUSY: some pages cannot be shadowed, and EXACT is not requested.
 * * EINTR: the caller is being killed.
 * * EINVAL: another value.
 * * ENODEV: the vendor's driver is gone.
 * * ENOMEM: out of memory.
 *
 * Read or write exactly one member at a time. Other accesses fail with EINVAL.
 */
struct vfio_mediate_trap_info {
	__s32 dt_fd;
	__u32 trap;
#define VFIO_MEDIATE_TRAP_ON	0x1
#define VFIO_MEDIATE_TRAP_EXACT	0x2
};

/*
 * ID of the capability of VFIO_DEVICE_GET_REGION_INFO that lists the pages of a BAR that are
 * trapped while the device is saved. Far from the IDs of linux/vfio.h.
 */
#define VFIO_MEDIATE_REGION_INFO_CAP_SAVING_TRAP	0x8001

/**
 * struct vfio_mediate_trap_area - Pages that are trapped together
 * @offset:	Offset in bytes from the start of the region, page aligned.
 * @size:	Size in bytes, a multiple of the page size.
 * @flags:	VFIO_MEDIATE_TRAP_AREA_* flags.
 * @reserved:	0.
 */
struct vfio_mediate_trap_area {
	__u64 offset;
	__u64 size;
	__u32 flags;
/* The area can be shadowed: it may stay mapped while it is trapped. */
#define VFIO_MEDIATE_TRAP_AREA_SHADOW	0x1
	__u32 reserved;
};

/**
 * struct vfio_mediate_region_info_cap_saving_trap - Pages trapped while saving
 * @header:	ID VFIO_MEDIATE_REGION_INFO_CAP_SAVING_TRAP, version 1.
 * @nr_areas:	Number of @areas.
 * @reserved:	0.
 * @areas:	The areas, in ascending order.
 */
struct vfio_mediate_region_info_cap_saving_trap {
	struct vfio_info_cap_header header;
	__u32 nr_areas;
	__u32 reserved;
	struct vfio_mediate_trap_area areas[];
};

/*
 * Interrupts that a vendor adds
 *
 * VFIO_DEVICE_GET_INFO includes them in num_irqs. Their indexes start at VFIO_PCI_NUM_IRQS.
 * For them, VFIO_DEVICE_GET_IRQ_INFO takes the struct below, and has a capability that says
 * what the interrupt is for. VFIO_DEVICE_SET_IRQS works as for interrupts of PCI:
 * DATA_EVENTFD sets an eventfd, DATA_NONE and DATA_BOOL trigger the interrupt, ACTION_MASK
 * and ACTION_UNMASK mask it. Each vector can be set up separately.
 */

/**
 * struct vfio_mediate_irq_info - struct vfio_irq_info with capabilities
 * @argsz:	In: size of the buffer in bytes, at least that of struct vfio_irq_info. Out:
 *		size needed for all capabilities, if it is larger.
 * @flags:	Out: VFIO_IRQ_INFO_* and VFIO_MEDIATE_IRQ_INFO_FLAG_CAPS.
 * @index:	In: index of the interrupt.
 * @count:	Out: number of vectors.
 * @cap_offset:	Out: offset in bytes of the first capability from the start of the struct, or
 *		0 if the buffer is too small.
 * @reserved:	0.
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
 * struct vfio_mediate_irq_info_cap_type - Type of an added interrupt
 * @header:	ID VFIO_MEDIATE_IRQ_INFO_CAP_TYPE, version 1.
 * @type:	VFIO_MEDIATE_IRQ_TYPE_*, or VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI vendor ID
 *		for a type that the vendor defines.
 * @subtype:	Subtype, depends on @type.
 */
struct vfio_mediate_irq_info_cap_type {
	struct vfio_info_cap_header header;
	__u32 type;
	__u32 subtype;
};

/*
 * Signalled as the eventfd of the region, and masked by that. Unmasking acknowledges: the VMM has
 * acted on the current state.
 */
#define VFIO_MEDIATE_IRQ_TYPE_DYNAMIC_TRAP		1
#define VFIO_MEDIATE_IRQ_SUBTYPE_DYNAMIC_TRAP_CHANGED	1

#endif /* _LINUX_VFIO_MEDIATE_H */
