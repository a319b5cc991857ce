// SPDX-License-Identifier: GPL-2.0-only
/* Names for the log, sysfs and uevents. */

#include <linux/array_size.h>

#include "names.h"

const char *vpm_state_name(enum vfio_device_mig_state state)
{
	static const char * const names[VFIO_DEVICE_STATE_NR] = {
		[VFIO_DEVICE_STATE_ERROR]	 = "ERROR",
		[VFIO_DEVICE_STATE_STOP]	 = "STOP",
		[VFIO_DEVICE_STATE_RUNNING]	 = "RUNNING",
		[VFIO_DEVICE_STATE_STOP_COPY]	 = "STOP_COPY",
		[VFIO_DEVICE_STATE_RESUMING]	 = "RESUMING",
		[VFIO_DEVICE_STATE_RUNNING_P2P]	 = "RUNNING_P2P",
		[VFIO_DEVICE_STATE_PRE_COPY]	 = "PRE_COPY",
		[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
	};

	/* User space can ask for any number. */
	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *vpm_tracked_name(enum vfio_mediate_tracked tracked)
{
	static const char * const names[] = {
		[VFIO_MEDIATE_TRACKED_NO]	 = "no",
		[VFIO_MEDIATE_TRACKED_CONTAINER] = "container",
		[VFIO_MEDIATE_TRACKED_LOG]	 = "log",
		[VFIO_MEDIATE_TRACKED_HARDWARE]	 = "hardware",
	};

	return names[tracked];
}

const char *vpm_trap_name(enum vfio_mediate_trap_state trap)
{
	static const char * const names[] = {
		[VFIO_MEDIATE_TRAP_STATE_OFF]	 = "off",
		[VFIO_MEDIATE_TRAP_STATE_SHADOW] = "shadow",
		[VFIO_MEDIATE_TRAP_STATE_EXACT]	 = "exact",
	};

	return names[trap];
}

const char *vpm_reset_name(enum vfio_mediate_reset_kind kind)
{
	static const char * const names[] = {
		[VFIO_MEDIATE_RESET_KIND_FUNCTION]   = "function",
		[VFIO_MEDIATE_RESET_KIND_STATE_LOSS] = "state-loss",
		[VFIO_MEDIATE_RESET_KIND_STATE_LOST] = "state-lost",
	};

	return names[kind];
}

const char *vpm_outcome_name(enum vfio_mediate_outcome outcome)
{
	static const char * const names[] = {
		[VFIO_MEDIATE_OUTCOME_COMPLETED] = "completed",
		[VFIO_MEDIATE_OUTCOME_CANCELLED] = "cancelled",
		[VFIO_MEDIATE_OUTCOME_FAILED]	 = "failed",
	};

	return names[outcome];
}
