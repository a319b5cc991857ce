/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vfio_mediate.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_VFIO_MEDIATE_NETLINK_H
#define _UAPI_LINUX_VFIO_MEDIATE_NETLINK_H

#define VFIO_MEDIATE_FAMILY_NAME	"vfio_mediate"
#define VFIO_MEDIATE_FAMILY_VERSION	1

/**
 * enum vfio_mediate_tracked - Who tracks the memory that the device writes.
 * @VFIO_MEDIATE_TRACKED_NO: Nobody. All memory counts as written.
 * @VFIO_MEDIATE_TRACKED_CONTAINER: The vendor driver, for the type1 container.
 * @VFIO_MEDIATE_TRACKED_LOG: The vendor driver, for
 *   VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 * @VFIO_MEDIATE_TRACKED_HARDWARE: The IOMMU can, for the HWPT to which the
 *   device is attached.
 */
enum vfio_mediate_tracked {
	VFIO_MEDIATE_TRACKED_NO,
	VFIO_MEDIATE_TRACKED_CONTAINER,
	VFIO_MEDIATE_TRACKED_LOG,
	VFIO_MEDIATE_TRACKED_HARDWARE,
};

/**
 * enum vfio_mediate_trap_state - State of the pages that can be trapped.
 * @VFIO_MEDIATE_TRAP_STATE_OFF: Not trapped.
 * @VFIO_MEDIATE_TRAP_STATE_SHADOW: Trapped. Mappings reach shadow pages.
 * @VFIO_MEDIATE_TRAP_STATE_EXACT: Trapped. The VMM does not map the pages.
 */
enum vfio_mediate_trap_state {
	VFIO_MEDIATE_TRAP_STATE_OFF,
	VFIO_MEDIATE_TRAP_STATE_SHADOW,
	VFIO_MEDIATE_TRAP_STATE_EXACT,
};

/**
 * enum vfio_mediate_trap_holder - Who wants the pages to be trapped.
 */
enum vfio_mediate_trap_holder {
	VFIO_MEDIATE_TRAP_HOLDER_VENDOR = 1,
	VFIO_MEDIATE_TRAP_HOLDER_VMM = 2,
	VFIO_MEDIATE_TRAP_HOLDER_TRACKER = 4,
};

/**
 * enum vfio_mediate_direction - Direction of a migration.
 */
enum vfio_mediate_direction {
	VFIO_MEDIATE_DIRECTION_SAVE,
	VFIO_MEDIATE_DIRECTION_LOAD,
};

/**
 * enum vfio_mediate_outcome - How a migration ended on this host.
 * @VFIO_MEDIATE_OUTCOME_COMPLETED: The whole state was saved, or was loaded
 *   and the device runs.
 * @VFIO_MEDIATE_OUTCOME_CANCELLED: User space gave up without an error of the
 *   device.
 * @VFIO_MEDIATE_OUTCOME_FAILED: There was an error.
 */
enum vfio_mediate_outcome {
	VFIO_MEDIATE_OUTCOME_COMPLETED,
	VFIO_MEDIATE_OUTCOME_CANCELLED,
	VFIO_MEDIATE_OUTCOME_FAILED,
};

/**
 * enum vfio_mediate_reset_kind - What has changed the state of the device.
 * @VFIO_MEDIATE_RESET_KIND_FUNCTION: The function was reset, or lost its state
 *   in a low-power state.
 * @VFIO_MEDIATE_RESET_KIND_STATE_LOSS: The vendor driver says that the device
 *   is losing its state.
 * @VFIO_MEDIATE_RESET_KIND_STATE_LOST: The vendor driver says that the device
 *   has lost its state.
 */
enum vfio_mediate_reset_kind {
	VFIO_MEDIATE_RESET_KIND_FUNCTION,
	VFIO_MEDIATE_RESET_KIND_STATE_LOSS,
	VFIO_MEDIATE_RESET_KIND_STATE_LOST,
};

/**
 * enum vfio_mediate_power_state - Power state of the PCI function.
 */
enum vfio_mediate_power_state {
	VFIO_MEDIATE_POWER_STATE_D0,
	VFIO_MEDIATE_POWER_STATE_D1,
	VFIO_MEDIATE_POWER_STATE_D2,
	VFIO_MEDIATE_POWER_STATE_D3HOT,
	VFIO_MEDIATE_POWER_STATE_D3COLD,
};

enum {
	VFIO_MEDIATE_A_DEV_NAME = 1,
	VFIO_MEDIATE_A_DEV_SEQ,
	VFIO_MEDIATE_A_DEV_TIME,
	VFIO_MEDIATE_A_DEV_OPEN,
	VFIO_MEDIATE_A_DEV_VENDOR,
	VFIO_MEDIATE_A_DEV_STATE,
	VFIO_MEDIATE_A_DEV_OLD_STATE,
	VFIO_MEDIATE_A_DEV_TRACKED,
	VFIO_MEDIATE_A_DEV_ERROR,
	VFIO_MEDIATE_A_DEV_TRAP,
	VFIO_MEDIATE_A_DEV_TRAP_HOLDERS,
	VFIO_MEDIATE_A_DEV_DIRECTION,
	VFIO_MEDIATE_A_DEV_OUTCOME,
	VFIO_MEDIATE_A_DEV_BYTES,
	VFIO_MEDIATE_A_DEV_RECORDS,
	VFIO_MEDIATE_A_DEV_PAGES,
	VFIO_MEDIATE_A_DEV_STATE_TIME,
	VFIO_MEDIATE_A_DEV_RESET,
	VFIO_MEDIATE_A_DEV_UNEXPECTED,
	VFIO_MEDIATE_A_DEV_POWER_STATE,
	VFIO_MEDIATE_A_DEV_LOW_POWER,

	__VFIO_MEDIATE_A_DEV_MAX,
	VFIO_MEDIATE_A_DEV_MAX = (__VFIO_MEDIATE_A_DEV_MAX - 1)
};

enum {
	VFIO_MEDIATE_A_STATE_TIME_STATE = 1,
	VFIO_MEDIATE_A_STATE_TIME_TIME,

	__VFIO_MEDIATE_A_STATE_TIME_MAX,
	VFIO_MEDIATE_A_STATE_TIME_MAX = (__VFIO_MEDIATE_A_STATE_TIME_MAX - 1)
};

enum {
	VFIO_MEDIATE_CMD_DEV_GET = 1,
	VFIO_MEDIATE_CMD_CLAIM_NTF,
	VFIO_MEDIATE_CMD_OPEN_NTF,
	VFIO_MEDIATE_CMD_CLOSE_NTF,
	VFIO_MEDIATE_CMD_DETACH_NTF,
	VFIO_MEDIATE_CMD_TRAP_NTF,
	VFIO_MEDIATE_CMD_STATE_NTF,
	VFIO_MEDIATE_CMD_MIGRATION_NTF,
	VFIO_MEDIATE_CMD_RESET_NTF,
	VFIO_MEDIATE_CMD_RELEASE_NTF,
	VFIO_MEDIATE_CMD_POWER_NTF,

	__VFIO_MEDIATE_CMD_MAX,
	VFIO_MEDIATE_CMD_MAX = (__VFIO_MEDIATE_CMD_MAX - 1)
};

#define VFIO_MEDIATE_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_VFIO_MEDIATE_NETLINK_H */
