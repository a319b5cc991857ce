/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for the log, sysfs and uevents. */

#ifndef VFIO_PCI_MEDIATE_NAMES_H
#define VFIO_PCI_MEDIATE_NAMES_H

#include <linux/vfio.h>

#include <uapi/linux/vfio_mediate_netlink.h>

/**
 * vpm_state_name() - Name of a migration state, as in debugfs of vfio
 * @state:	The state.
 *
 * Context: Any.
 * Return: The name.
 */
const char *vpm_state_name(enum vfio_device_mig_state state);

/**
 * vpm_tracked_name() - Name of who tracks the memory that a device writes
 * @tracked:	Who does.
 *
 * Context: Any.
 * Return: The name.
 */
const char *vpm_tracked_name(enum vfio_mediate_tracked tracked);

/**
 * vpm_trap_name() - Name of the state of a trap
 * @trap:	The state.
 *
 * Context: Any.
 * Return: The name.
 */
const char *vpm_trap_name(enum vfio_mediate_trap_state trap);

/**
 * vpm_reset_name() - Name of a kind of reset
 * @kind:	The kind.
 *
 * Context: Any.
 * Return: The name.
 */
const char *vpm_reset_name(enum vfio_mediate_reset_kind kind);

/**
 * vpm_outcome_name() - Name of how a migration ended
 * @outcome:	How it ended.
 *
 * Context: Any.
 * Return: The name.
 */
const char *vpm_outcome_name(enum vfio_mediate_outcome outcome);

#endif /* VFIO_PCI_MEDIATE_NAMES_H */
