/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The dynamic trap region, for VMMs that do not use VFIO_MEDIATE_FEATURE_TRAP of
 * linux/vfio_mediate.h, which describes traps. Both set the same trap.
 */

#ifndef _LINUX_VFIO_MEDIATE_TRAP_REGION_H
#define _LINUX_VFIO_MEDIATE_TRAP_REGION_H

#include <linux/types.h>

/*
 * Type and subtype of the dynamic trap region, in VFIO_REGION_INFO_CAP_TYPE. A device has
 * the region if it has pages that can be trapped.
 */
#define VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP			0x7fffffff
#define VFIO_MEDIATE_REGION_SUBTYPE_DYNAMIC_TRAP_BAR_INFO	1

/**
 * struct vfio_mediate_trap_info - Layout of the dynamic trap region
 * @dt_fd:	Write: an eventfd that is signalled with the trap's interrupt; or -1 to remove
 *		it. Read: 0 if there is an eventfd, otherwise -1.
 * @trap:	Read: state of the trap, VFIO_MEDIATE_TRAP_* flags. Write: take or end the VMM's
 *		hold, which has been done when write() returns, or acknowledge.
 *
 * Values that can be written to @trap:
 *
 * * 0: end the hold. Pages stay trapped while there is another holder: read the state.
 * * ON: hold. Changes nothing else if the state is ON | EXACT.
 * * ON | EXACT: hold, without shadow pages.
 * * EXACT: acknowledge the state that was last read from @trap. ON becomes ON | EXACT, off
 *   stays off.
 *
 * Errors of a write to @dt_fd:
 *
 * * EBADF: not a file descriptor.
 * * EINVAL: not an eventfd.
 *
 * Errors of a write to @trap:
 *
 * * EAGAIN: the state has changed since @trap was last read, and EXACT alone is written.
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

#endif /* _LINUX_VFIO_MEDIATE_TRAP_REGION_H */
