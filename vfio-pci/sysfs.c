// SPDX-License-Identifier: GPL-2.0-only
/* Files of a bound device in sysfs. No reader waits for a vendor driver or a VMM. */

#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "device.h"
#include "events.h"
#include "names.h"
#include "sysfs.h"

static void get_status(struct device *dev, struct vpm_status *status)
{
	vpm_events_status(pci_to_vpm(to_pci_dev(dev)), status);
}

static ssize_t mediated_by_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	char name[64] = "none";

	vfio_mediate_name(to_pci_dev(dev), name, sizeof(name));

	return sysfs_emit(buf, "%s\n", name);
}
static DEVICE_ATTR_RO(mediated_by);

static ssize_t migration_state_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct vpm_status status;

	get_status(dev, &status);

	return sysfs_emit(buf, "%s\n",
			  status.migratable ? vpm_state_name(status.state) : "none");
}
static DEVICE_ATTR_RO(migration_state);

static ssize_t tracked_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vpm_status status;

	get_status(dev, &status);

	return sysfs_emit(buf, "%s\n", vpm_tracked_name(status.tracked));
}
static DEVICE_ATTR_RO(tracked);

static ssize_t last_error_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vpm_status status;

	get_status(dev, &status);

	return sysfs_emit(buf, "%d\n", status.error);
}
static DEVICE_ATTR_RO(last_error);

static ssize_t migration_version_show(struct device *dev,
				      struct device_attribute *attr, char *buf)
{
	struct vpm_device *vpm = pci_to_vpm(to_pci_dev(dev));

	return sysfs_emit(buf, "%u\n", READ_ONCE(vpm->save_version));
}

static ssize_t migration_version_store(struct device *dev, struct device_attribute *attr,
				       const char *buf, size_t count)
{
	struct vpm_device *vpm = pci_to_vpm(to_pci_dev(dev));
	u32 version;
	int ret;

	ret = kstrtou32(buf, 0, &version);
	if (ret)
		return ret;
	WRITE_ONCE(vpm->save_version, version);

	return count;
}
static DEVICE_ATTR_RW(migration_version);

static struct attribute *vpm_sysfs_attrs[] = {
	&dev_attr_mediated_by.attr,
	&dev_attr_migration_state.attr,
	&dev_attr_tracked.attr,
	&dev_attr_last_error.attr,
	&dev_attr_migration_version.attr,
	NULL
};

static const struct attribute_group vpm_sysfs_group = {
	.attrs = vpm_sysfs_attrs,
};

const struct attribute_group *vpm_sysfs_groups[] = {
	&vpm_sysfs_group,
	NULL
};
