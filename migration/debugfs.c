// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration files in debugfs. The VFIO core creates them for devices that have mig_ops when they
 * are registered. Devices of this driver have mig_ops only from open to close, and only if
 * mediated. So the driver creates the files itself.
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "migration.h"
#include "names.h"
#include "vfio_ops.h"

#if IS_ENABLED(CONFIG_VFIO_DEBUGFS)
static const struct {
	u64 flag;
	const char *name;
} features[] = {
	{ VFIO_MIGRATION_STOP_COPY, "stop-copy" },
	{ VFIO_MIGRATION_P2P, "p2p" },
	{ VFIO_MIGRATION_PRE_COPY, "pre-copy" },
};

static bool is_offered(struct vpm_device *vpm)
{
	return READ_ONCE(vpm->core.vdev.mig_ops);
}

static int state_show(struct seq_file *seq, void *unused)
{
	struct vpm_device *vpm = seq->private;
	enum vfio_device_mig_state state;

	if (!is_offered(vpm) || vpm_migration_state(vpm, &state))
		return -ENODEV;
	seq_printf(seq, "%s\n", vpm_state_name(state));

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int features_show(struct seq_file *seq, void *unused)
{
	struct vpm_device *vpm = seq->private;
	struct vfio_device *vdev = &vpm->core.vdev;
	unsigned int i;

	for (i = 0; is_offered(vpm) && i < ARRAY_SIZE(features); i++)
		if (READ_ONCE(vdev->migration_flags) & features[i].flag)
			seq_printf(seq, "%s\n", features[i].name);
	if (READ_ONCE(vdev->log_ops))
		seq_puts(seq, "dirty-tracking\n");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(features);

static void registered(struct vpm_device *vpm)
{
	struct dentry *root = vpm->core.vdev.debug_root, *dir;

	if (!root)
		return;

	dir = debugfs_create_dir("migration", root);
	debugfs_create_file("state", 0444, dir, vpm, &state_fops);
	debugfs_create_file("features", 0444, dir, vpm, &features_fops);
}
#endif

const struct vpm_part vpm_debugfs_part = {
#if IS_ENABLED(CONFIG_VFIO_DEBUGFS)
	.registered = registered,
#endif
};
