// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens a device as a VMM does and asks what it offers. Nothing is changed: the kernel resets the
 * device when it is opened and closed, and nothing else does.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lsvfio.h"
#include "vfio_client.h"

#ifdef VFIO_DEVICE_BIND_IOMMUFD
#include <linux/iommufd.h>
#endif

static __u64 migration_flags(struct vfio_client *client)
{
	struct vfio_device_feature_migration migration = {};

	if (vfio_client_feature(client, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION,
				&migration, sizeof(migration)) < 0)
		return 0;

	return migration.flags;
}

/* Does the container of an open group report dirty pages? */
static bool container_tracks(struct vfio_client *client)
{
	const struct vfio_info_cap_header *cap;
	union {
		struct vfio_iommu_type1_info info;
		__u8 bytes[4096];
	} answer = { .info.argsz = sizeof(answer) };
	__u32 offset;

	if (vfio_client_ioctl(client->container_fd, VFIO_IOMMU_GET_INFO, &answer) ||
	    !(answer.info.flags & VFIO_IOMMU_INFO_CAPS))
		return false;

	offset = answer.info.cap_offset;
	while ((cap = vfio_client_next_cap(&answer, sizeof(answer), &offset)))
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION)
			return true;

	return false;
}

/* Can the IOMMU of a device that is bound to an iommufd track dirty pages? */
static bool iommu_tracks(struct vfio_client *client)
{
#ifdef IOMMU_HWPT_GET_DIRTY_BITMAP
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = client->devid,
	};

	return !vfio_client_ioctl(client->iommufd, IOMMU_GET_HW_INFO, &info) &&
	       info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING;
#else
	return false;
#endif
}

/* Flags of the trap, or -1 if the device has no pages that can be trapped. */
static int read_trap(struct vfio_client *client)
{
	struct vfio_device_feature_trap trap = {};

	if (vfio_client_feature(client, VFIO_DEVICE_FEATURE_GET | VFIO_MEDIATE_FEATURE_TRAP,
				&trap, sizeof(trap)) < 0)
		return -1;

	return trap.flags;
}

static int query_regions(struct vfio_client *client, struct lsvfio_open *open)
{
	__u32 i;

	open->region = calloc(open->info->num_regions, sizeof(*open->region));
	if (!open->region)
		return -ENOMEM;

	/* Fails where the device lacks the region, as VGA ranges. */
	for (i = 0; i < open->info->num_regions; i++)
		vfio_client_region_info(client, i, &open->region[i]);

	return 0;
}

static int query_irqs(struct vfio_client *client, struct lsvfio_open *open)
{
	union lsvfio_irq *irq;
	__u32 i;

	open->irq = calloc(open->info->num_irqs, sizeof(*open->irq));
	if (!open->irq)
		return -ENOMEM;

	for (i = 0; i < open->info->num_irqs; i++) {
		irq = &open->irq[i];
		irq->info.argsz = sizeof(*irq);
		irq->info.index = i;
		if (vfio_client_ioctl(client->device_fd, VFIO_DEVICE_GET_IRQ_INFO, irq))
			irq->info.argsz = 0;
	}

	return 0;
}

static int query(struct vfio_client *client, struct lsvfio_device *device)
{
	struct lsvfio_open *open = &device->open;
	int ret;

	ret = vfio_client_device_info(client, &open->info);
	if (!ret)
		ret = query_regions(client, open);
	if (!ret)
		ret = query_irqs(client, open);
	if (ret)
		return ret;

	lsvfio_read(device, "mediated_by", open->mediated_by, sizeof(open->mediated_by));
	open->trap = read_trap(client);
	open->migration = migration_flags(client);
	open->dma_logging = !vfio_client_feature_probe(client,
						       VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
						       VFIO_DEVICE_FEATURE_SET);
	if (client->mode == VFIO_CLIENT_GROUP)
		open->container = container_tracks(client);
	else
		open->iommu = iommu_tracks(client);
	open->by = client->mode == VFIO_CLIENT_GROUP ? "group" : "cdev";

	return 0;
}

static int query_by(struct lsvfio_device *device, enum vfio_client_mode mode)
{
	struct vfio_client client;
	int ret;

	ret = vfio_client_open(&client, device->name, mode);
	if (ret)
		return ret;

	ret = query(&client, device);
	vfio_client_close(&client);

	return ret;
}

void lsvfio_query(struct lsvfio_device *device)
{
	int ret = -ENODEV;

	if (device->group_path[0])
		ret = query_by(device, VFIO_CLIENT_GROUP);
	/* Without the group's file, a container or a type1 IOMMU: as a VMM with an iommufd. */
	if (ret && ret != -EBUSY && device->cdev_path[0]) {
		lsvfio_free(device);
		ret = query_by(device, VFIO_CLIENT_CDEV);
	}
	device->error = -ret;
}

void lsvfio_free(struct lsvfio_device *device)
{
	struct lsvfio_open *open = &device->open;
	__u32 i;

	for (i = 0; open->region && i < open->info->num_regions; i++)
		free(open->region[i]);
	free(open->region);
	free(open->irq);
	free(open->info);
	memset(open, 0, sizeof(*open));
}
