// SPDX-License-Identifier: GPL-2.0-only
/* Resources that all parts of the driver share. */

#include <linux/workqueue.h>

#include "device.h"

struct workqueue_struct *vpm_wq;

static int load(void)
{
	vpm_wq = alloc_workqueue("vfio_pci_mediate", WQ_UNBOUND | WQ_FREEZABLE, 0);

	return vpm_wq ? 0 : -ENOMEM;
}

static void unload(void)
{
	destroy_workqueue(vpm_wq);
}

const struct vpm_part vpm_device_part = {
	.load = load,
	.unload = unload,
};
