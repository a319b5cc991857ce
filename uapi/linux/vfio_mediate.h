/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Extensions of vfio-pci-mediate to linux/vfio.h: traps of pages, and interrupts that a vendor
 * adds. Their use is optional: a VMM that knows only linux/vfio.h works with mediated and
 * trapped devices.
 *
 * Numbers in spaces of linux/vfio.h count from the top of the space down. linux/vfio.h counts
 * up: what it gives out next has no other meaning here.
 */

#ifndef _LINUX_VFIO_MEDIATE_H
#define _LINUX_VFIO_MEDIATE_H

#include <linux/types.h>
#include <linux/vfio.h>

/*
 * Traps
 *
 * Some pages of a device's BARs can be trapped while the device is in use. While they are
 * trapped, the host sees what is written to them before the device does. When pages become
 * trapped, the kernel removes user space's mappings of them. The next access through such a
 * mapping gets a shadow page, which the host drains to the device periodically. User space
 * need not do anything.
 *
 * User space that takes part gets exact traps. It
 *
 *  1. sets an eventfd for the interrupt @irq_index of struct vfio_device_feature_trap, then
 *     reads the state by VFIO_DEVICE_FEATURE_GET;
 *  2. when the eventfd is signalled, reads the state, then the region infos: trapped pages
 *     are missing from the sparse mmap capability;
 *  3. unmaps the trapped pages, so that its accesses become reads and writes of the region,
 *     or maps pages that are no longer trapped;
 *  4. acknowledges the state that it has read, by VFIO_DEVICE_FEATURE_SET. From then on there
 *     are no shadow pages, and the host sees each write in order. An access to a trapped page
 *     that is still mapped raises SIGBUS.
 *
 * User space is one of three holders of the trap. The others are the vendor's driver and,
 * while the device is migrated, dirty tracking. Pages are trapped while there is a holder. A
 * holder cannot end the hold of another. A reset of the function ends the holds of user space
 * and of the vendor's driver. There is none when a device is opened.
 */

/**
 * struct vfio_device_feature_trap - State of the device's trap
 * @flags:	VFIO_DEVICE_TRAP_* flags, see below.
 * @irq_index:	GET: index of the interrupt that is signalled whenever @sequence grows. It has
 *		one vector, for VFIO_DEVICE_SET_IRQS. SET: 0.
 * @sequence:	GET: number of the state. It is 1 when the device is opened. It grows when
 *		pages become trapped, when they are no longer trapped, and when a reset ends
 *		user space's hold. SET: number of the state that is acknowledged, otherwise 0.
 *
 * VFIO_DEVICE_FEATURE_PROBE tells whether the device has pages that can be trapped. The
 * capability VFIO_MEDIATE_REGION_INFO_CAP_TRAP of a region lists them.
 *
 * VFIO_DEVICE_FEATURE_GET returns the state:
 *
 * * VFIO_DEVICE_TRAP_ON: pages are trapped.
 * * VFIO_DEVICE_TRAP_HOLD: user space holds the trap.
 * * VFIO_DEVICE_TRAP_ACK: pages are trapped, and user space has acknowledged that. There are
 *   no shadow pages.
 *
 * VFIO_DEVICE_FEATURE_SET takes one of:
 *
 * * VFIO_DEVICE_TRAP_HOLD: hold the trap. Pages are trapped when the call returns.
 * * VFIO_DEVICE_TRAP_RELEASE: end the hold. Pages stay trapped while there is another holder.
 * * VFIO_DEVICE_TRAP_ACK: acknowledge @sequence. If pages are trapped in this state, user
 *   space has unmapped them.
 * * VFIO_DEVICE_TRAP_HOLD | VFIO_DEVICE_TRAP_ACK: acknowledge @sequence, and hold the trap
 *   without shadow pages. User space has unmapped all pages that can be trapped.
 *
 * Errors:
 *
 * * EAGAIN: @sequence is not the number of the present state. Nothing has changed. Read the
 *   state again.
 * * EBUSY: some pages cannot be shadowed, see VFIO_MEDIATE_TRAP_AREA_SHADOW. Hold and
 *   acknowledge in one call.
 * * EFAULT: the struct cannot be read or written.
 * * EINTR: the caller is being killed.
 * * EINVAL: argsz is too small, other flags, or a member is not 0 that has to be.
 * * ENODEV: the vendor's driver is gone.
 * * ENOMEM: out of memory.
 * * ENOTTY: the device has no pages that can be trapped.
 */
struct vfio_device_feature_trap {
	__u32 flags;
#define VFIO_DEVICE_TRAP_ON		0x1
#define VFIO_DEVICE_TRAP_HOLD		0x2
#define VFIO_DEVICE_TRAP_ACK		0x4
#define VFIO_DEVICE_TRAP_RELEASE	0x8
	__u32 irq_index;
	__aligned_u64 sequence;
};

#define VFIO_MEDIATE_FEATURE_TRAP	0xffff

/* ID of the capability of VFIO_DEVICE_GET_REGION_INFO that lists pages that can be trapped */
#define VFIO_MEDIATE_REGION_INFO_CAP_TRAP	0xffff

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
 * struct vfio_mediate_region_info_cap_trap - Pages of a region that can be trapped
 * @header:	ID VFIO_MEDIATE_REGION_INFO_CAP_TRAP, version 1.
 * @nr_areas:	Number of @areas.
 * @reserved:	0.
 * @areas:	The areas, in ascending order.
 */
struct vfio_mediate_region_info_cap_trap {
	struct vfio_info_cap_header header;
	__u32 nr_areas;
	__u32 reserved;
	struct vfio_mediate_trap_area areas[];
};

/*
 * Interrupts that a vendor adds
 *
 * VFIO_DEVICE_GET_INFO includes them in num_irqs. Their indexes start at VFIO_PCI_NUM_IRQS.
 * For them, VFIO_DEVICE_GET_IRQ_INFO takes the struct below.
 * A capability of VFIO_DEVICE_GET_IRQ_INFO says what the interrupt is for.
 *
 * VFIO_DEVICE_SET_IRQS works as for interrupts of PCI: DATA_EVENTFD sets an eventfd, DATA_NONE
 * and DATA_BOOL trigger the interrupt, ACTION_MASK and ACTION_UNMASK mask it. Each vector can
 * be set up separately.
 */

/**
 * struct vfio_mediate_irq_info - struct vfio_irq_info with capabilities
 * @argsz:	In: size of the buffer in bytes, at least that of struct vfio_irq_info. Out:
 *		size needed for all capabilities, if it is larger.
 * @flags:	Out: VFIO_IRQ_INFO_* and VFIO_MEDIATE_IRQ_INFO_CAPS.
 * @index:	In: index of the interrupt.
 * @count:	Out: number of vectors.
 * @cap_offset:	Out: offset in bytes of the first capability from the start of the struct, or
 *		0 if the buffer is too small.
 * @reserved:	0.
 */
struct vfio_mediate_irq_info {
	__u32 argsz;
	__u32 flags;
#define VFIO_MEDIATE_IRQ_INFO_CAPS	0x80000000
	__u32 index;
	__u32 count;
	__u32 cap_offset;
	__u32 reserved;
};

#define VFIO_MEDIATE_IRQ_INFO_CAP_TYPE	0xffff

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

/* The interrupt of struct vfio_device_feature_trap */
#define VFIO_MEDIATE_IRQ_TYPE_TRAP		1
#define VFIO_MEDIATE_IRQ_SUBTYPE_TRAP_CHANGED	1

#endif /* _LINUX_VFIO_MEDIATE_H */
