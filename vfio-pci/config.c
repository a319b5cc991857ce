// SPDX-License-Identifier: GPL-2.0-only
/* User space writes to the config space of a mediated device. */

#include <linux/vfio_pci_core.h>

#include "access.h"
#include "bar.h"
#include "config.h"
#include "device.h"
#include "events.h"
#include "reset.h"
#include "trap.h"

/* Return: true if the device loses its state in its current power state. */
static bool loses_state(struct vpm_device *vpm)
{
	return vpm->core.needs_pm_restore && !vpm_is_powered(vpm->core.pdev);
}

static ssize_t write_config(struct vpm_device *vpm, const char __user *buf, size_t count,
			    loff_t *ppos)
{
	if (vpm_is_mediated(vpm, VFIO_PCI_CONFIG_REGION_INDEX))
		return vpm_access_rw(vpm, (char __user *)buf, count, ppos, true);

	return vfio_pci_core_write(&vpm->core.vdev, buf, count, ppos);
}

/* A write may reset the device or disable its DMA. Forward earlier writes to shadow pages first. */
ssize_t vpm_config_write(struct vpm_device *vpm, const char __user *buf, size_t count,
			 loff_t *ppos)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	bool slept, command;
	ssize_t done;

	vpm_trap_flush(vpm);
	slept = loses_state(vpm);
	command = offset < PCI_COMMAND + 2 && offset + count > PCI_COMMAND;
	if (command)
		vpm_decode_begin_write(vpm);
	done = write_config(vpm, buf, count, ppos);
	if (command)
		vpm_decode_end_write(vpm);
	if (slept && !loses_state(vpm))
		vpm_reset_by_power(vpm);
	vpm_reset_flush(vpm);
	vpm_events_power(vpm);

	return done;
}
