// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: write 1 to sample_nic-PF/vfN_stop to stop the DMA of a VF, whatever its driver
 * does, and 0 to start it. Not while a VMM migrates the VF.
 */

#include <linux/debugfs.h>

#include "nic.h"

static int nic_stop_get(void *data, u64 *val)
{
	struct nic_vf *vf = data;

	*val = READ_ONCE(vf->stopped);

	return 0;
}

static int nic_stop_set(void *data, u64 val)
{
	struct nic_vf *vf = data;
	int ret;

	if (val > 1 || nic_vf_id(vf) >= READ_ONCE(vf->nic->num_vfs))
		return -EINVAL;

	ret = val ? nic_vf_stop(vf, false) : nic_vf_start(vf);
	if (ret && val)
		nic_vf_start(vf);

	return ret;
}

DEFINE_DEBUGFS_ATTRIBUTE(nic_stop_fops, nic_stop_get, nic_stop_set, "%llu\n");

/**
 * nic_debugfs_add() - Create the files of a PF
 * @nic:	The PF.
 *
 * Context: Process context, may sleep.
 */
void nic_debugfs_add(struct nic *nic)
{
	unsigned int n;
	char name[32];

	snprintf(name, sizeof(name), NIC_NAME "-%s", pci_name(nic->pdev));
	nic->debugfs = debugfs_create_dir(name, NULL);
	for (n = 0; n < NIC_MAX_VFS; n++) {
		snprintf(name, sizeof(name), "vf%u_stop", n);
		debugfs_create_file_unsafe(name, 0600, nic->debugfs, &nic->vf[n], &nic_stop_fops);
	}
}

/**
 * nic_debugfs_remove() - Remove the files of a PF
 * @nic:	The PF.
 *
 * Context: Process context, may sleep.
 */
void nic_debugfs_remove(struct nic *nic)
{
	debugfs_remove(nic->debugfs);
}
