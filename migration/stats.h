/* SPDX-License-Identifier: GPL-2.0-only */
/* Figures of a migration: how long it took, how much it transferred, how it ended. */

#ifndef VFIO_MEDIATE_STATS_H
#define VFIO_MEDIATE_STATS_H

#include <linux/types.h>
#include <linux/vfio.h>

#include "status.h"

struct pci_dev;

/**
 * struct vpm_stats - Figures of the current or last migration of a device
 * @since:	Nanoseconds of CLOCK_MONOTONIC at which the device entered its state, or 0 before
 *		it has left RUNNING for the first time.
 * @ended:	A transfer has ended, and @outcome is to be reported.
 * @complete:	The whole stream was saved and read, or was loaded.
 * @outcome:	The figures.
 */
struct vpm_stats {
	u64 since;
	bool ended;
	bool complete;
	struct vpm_outcome outcome;
};

/**
 * vpm_stats_enter() - Account for a change of the migration state
 * @stats:	The figures.
 * @old:	The state that is left.
 *
 * Context: Process context. state_lock is held.
 * Return: Nanoseconds that the device was in @old, or 0 if nobody knows.
 */
u64 vpm_stats_enter(struct vpm_stats *stats, enum vfio_device_mig_state old);

/**
 * vpm_stats_finish() - Conclude the figures of a transfer that has ended
 * @stats:	The figures.
 * @state:	State of the device.
 *
 * Context: Process context. state_lock is held.
 * Return: True if the figures are to be reported.
 */
bool vpm_stats_finish(struct vpm_stats *stats, enum vfio_device_mig_state state);

/**
 * vpm_stats_log() - Log a migration that has ended
 * @pdev:	The device.
 * @outcome:	The figures.
 *
 * Context: Process context.
 */
void vpm_stats_log(struct pci_dev *pdev, const struct vpm_outcome *outcome);

#endif /* VFIO_MEDIATE_STATS_H */
