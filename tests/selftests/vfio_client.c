// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small client library for the vfio device interface, see vfio_client.h.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_client.h"

/* A program for users is also built where the headers know no device files. */
#ifdef VFIO_DEVICE_BIND_IOMMUFD
#include <linux/iommufd.h>
#endif

#define SYSFS_DEVICES "/sys/bus/pci/devices"

static int client_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void client_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int client_open_into(int *fd, const char *path)
{
	int ret = client_open(path);

	if (ret < 0)
		return ret;

	*fd = ret;
	return 0;
}

static void client_find_group(struct vfio_client *c)
{
	char path[96], target[256];
	const char *number;
	ssize_t len;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/iommu_group", c->bdf);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return;

	target[len] = '\0';
	number = strrchr(target, '/');
	if (!number || sscanf(number, "/%d", &c->group_id) != 1)
		return;

	snprintf(c->group_path, sizeof(c->group_path), "/dev/vfio/%d",
		 c->group_id);
}

static void client_find_cdev(struct vfio_client *c)
{
	struct dirent *entry;
	unsigned int number;
	char path[96];
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s/vfio-dev", c->bdf);
	dir = opendir(path);
	if (!dir)
		return;

	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "vfio%u", &number) != 1)
			continue;
		snprintf(c->cdev_path, sizeof(c->cdev_path),
			 "/dev/vfio/devices/vfio%u", number);
		break;
	}
	closedir(dir);
}

int vfio_client_init(struct vfio_client *c, const char *bdf,
		     enum vfio_client_mode mode)
{
	unsigned int domain, bus, dev, fn;
	char path[96];
	int end = 0;

	memset(c, 0, sizeof(*c));
	c->mode = mode;
	c->group_id = -1;
	c->container_fd = -1;
	c->group_fd = -1;
	c->iommufd = -1;
	c->device_fd = -1;

	if (sscanf(bdf, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn,
		   &end) != 4 || bdf[end])
		return -EINVAL;

	snprintf(c->bdf, sizeof(c->bdf), "%04x:%02x:%02x.%x", domain, bus,
		 dev, fn);
	snprintf(path, sizeof(path), SYSFS_DEVICES "/%s", c->bdf);
	if (access(path, F_OK))
		return -ENODEV;

	client_find_group(c);
	client_find_cdev(c);

	if (mode == VFIO_CLIENT_GROUP && !c->group_path[0])
		return -ENODEV;
	if (mode == VFIO_CLIENT_CDEV && !c->cdev_path[0])
		return -ENODEV;

	return 0;
}

int vfio_client_open_container(struct vfio_client *c)
{
	return client_open_into(&c->container_fd, "/dev/vfio/vfio");
}

int vfio_client_join_container(struct vfio_client *c)
{
	int ret;

	ret = client_open_into(&c->group_fd, c->group_path);
	if (!ret)
		ret = vfio_client_ioctl(c->group_fd, VFIO_GROUP_SET_CONTAINER,
					&c->container_fd);
	if (!ret)
		ret = vfio_client_ioctl(c->container_fd, VFIO_SET_IOMMU,
					(void *)(unsigned long)(c->iommu_type ?:
								VFIO_TYPE1v2_IOMMU));

	return ret;
}

int vfio_client_get_device(struct vfio_client *c)
{
	int ret = vfio_client_ioctl(c->group_fd, VFIO_GROUP_GET_DEVICE_FD,
				    c->bdf);

	if (ret < 0)
		return ret;

	c->device_fd = ret;
	return 0;
}

int vfio_client_open_iommufd(struct vfio_client *c)
{
	return client_open_into(&c->iommufd, "/dev/iommu");
}

int vfio_client_open_cdev(struct vfio_client *c)
{
	return client_open_into(&c->device_fd, c->cdev_path);
}

#ifdef VFIO_DEVICE_BIND_IOMMUFD
int vfio_client_bind(struct vfio_client *c)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = c->iommufd,
	};
	int ret;

	ret = vfio_client_ioctl(c->device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (ret)
		return ret;

	c->devid = bind.out_devid;
	return 0;
}

int vfio_client_alloc_ioas(struct vfio_client *c, __u32 *ioas_id)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int ret;

	ret = vfio_client_ioctl(c->iommufd, IOMMU_IOAS_ALLOC, &alloc);
	if (ret)
		return ret;

	*ioas_id = alloc.out_ioas_id;
	return 0;
}

int vfio_client_attach(struct vfio_client *c, __u32 *pt_id)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = *pt_id,
	};
	int ret;

	ret = vfio_client_ioctl(c->device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
				&attach);
	if (ret)
		return ret;

	*pt_id = attach.pt_id;
	return 0;
}

int vfio_client_detach(struct vfio_client *c)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};

	return vfio_client_ioctl(c->device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				 &detach);
}

static int client_ioas_map(struct vfio_client *c, void *addr, __u64 iova,
			   __u64 len)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = c->ioas_id,
		.user_va = (unsigned long)addr,
		.length = len,
		.iova = iova,
	};

	return vfio_client_ioctl(c->iommufd, IOMMU_IOAS_MAP, &map);
}
#else
int vfio_client_bind(struct vfio_client *c)
{
	return -EOPNOTSUPP;
}

int vfio_client_alloc_ioas(struct vfio_client *c, __u32 *ioas_id)
{
	return -EOPNOTSUPP;
}

int vfio_client_attach(struct vfio_client *c, __u32 *pt_id)
{
	return -EOPNOTSUPP;
}

static int client_ioas_map(struct vfio_client *c, void *addr, __u64 iova,
			   __u64 len)
{
	return -EOPNOTSUPP;
}
#endif

int vfio_client_open_in_container(struct vfio_client *c)
{
	return vfio_client_join_container(c) ?: vfio_client_get_device(c);
}

static int client_open_by_group(struct vfio_client *c)
{
	return vfio_client_open_container(c) ?: vfio_client_open_in_container(c);
}

static int client_open_by_cdev(struct vfio_client *c)
{
	__u32 pt_id;
	int ret;

	ret = vfio_client_open_iommufd(c);
	if (!ret)
		ret = vfio_client_open_cdev(c);
	if (!ret)
		ret = vfio_client_bind(c);
	if (!ret)
		ret = vfio_client_alloc_ioas(c, &c->ioas_id);
	if (ret)
		return ret;

	pt_id = c->ioas_id;
	return vfio_client_attach(c, &pt_id);
}

int vfio_client_open(struct vfio_client *c, const char *bdf,
		     enum vfio_client_mode mode)
{
	int ret;

	ret = vfio_client_init(c, bdf, mode);
	if (ret)
		return ret;

	if (mode == VFIO_CLIENT_GROUP)
		ret = client_open_by_group(c);
	else
		ret = client_open_by_cdev(c);
	if (ret)
		vfio_client_close(c);

	return ret;
}

void vfio_client_close(struct vfio_client *c)
{
	client_close(&c->device_fd);
	client_close(&c->group_fd);
	client_close(&c->container_fd);
	client_close(&c->iommufd);
}

int vfio_client_ioctl(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/*
 * The info calls that carry capabilities share their first member: argsz, in
 * which the kernel returns the size it would have needed. Start with the size
 * of the bare structure and call again as long as that grows.
 */
static int client_sized_info(struct vfio_client *c, unsigned long cmd,
			     const void *request, size_t size, void **info)
{
	__u32 argsz = size;
	__u32 *buf;
	int ret;

	for (;;) {
		buf = calloc((argsz + sizeof(*buf) - 1) / sizeof(*buf), sizeof(*buf));
		if (!buf)
			return -ENOMEM;

		memcpy(buf, request, size);
		buf[0] = argsz;
		ret = vfio_client_ioctl(c->device_fd, cmd, buf);
		if (ret || buf[0] <= argsz)
			break;

		argsz = buf[0];
		free(buf);
	}

	if (ret) {
		free(buf);
		return ret;
	}

	buf[0] = argsz;
	*info = buf;
	return 0;
}

int vfio_client_device_info(struct vfio_client *c,
			    struct vfio_device_info **info)
{
	const struct vfio_device_info request = {};
	void *buf;
	int ret;

	ret = client_sized_info(c, VFIO_DEVICE_GET_INFO, &request,
				sizeof(request), &buf);
	if (!ret)
		*info = buf;

	return ret;
}

int vfio_client_region_info(struct vfio_client *c, __u32 index,
			    struct vfio_region_info **info)
{
	const struct vfio_region_info request = { .index = index };
	void *buf;
	int ret;

	ret = client_sized_info(c, VFIO_DEVICE_GET_REGION_INFO, &request,
				sizeof(request), &buf);
	if (!ret)
		*info = buf;

	return ret;
}

int vfio_client_irq_info(struct vfio_client *c, __u32 index,
			 struct vfio_irq_info *info)
{
	*info = (struct vfio_irq_info) {
		.argsz = sizeof(*info),
		.index = index,
	};

	return vfio_client_ioctl(c->device_fd, VFIO_DEVICE_GET_IRQ_INFO, info);
}

const struct vfio_info_cap_header *vfio_client_next_cap(const void *info,
							size_t size,
							__u32 *offset)
{
	const struct vfio_info_cap_header *cap;

	if (!*offset || *offset > size || size - *offset < sizeof(*cap))
		return NULL;

	cap = (const void *)((const char *)info + *offset);
	*offset = cap->next > *offset ? cap->next : 0;
	return cap;
}

int vfio_client_get_region(struct vfio_client *c, __u32 index,
			   struct vfio_client_region *region)
{
	struct vfio_region_info *info;
	int ret;

	ret = vfio_client_region_info(c, index, &info);
	if (ret)
		return ret;

	region->index = index;
	region->flags = info->flags;
	region->size = info->size;
	region->offset = info->offset;
	free(info);
	return 0;
}

ssize_t vfio_client_region_read(struct vfio_client *c,
				const struct vfio_client_region *region,
				void *buf, size_t len, __u64 off)
{
	ssize_t ret = pread(c->device_fd, buf, len, region->offset + off);

	return ret < 0 ? -errno : ret;
}

ssize_t vfio_client_region_write(struct vfio_client *c,
				 const struct vfio_client_region *region,
				 const void *buf, size_t len, __u64 off)
{
	ssize_t ret = pwrite(c->device_fd, buf, len, region->offset + off);

	return ret < 0 ? -errno : ret;
}

int vfio_client_region_mmap(struct vfio_client *c,
			    const struct vfio_client_region *region,
			    size_t len, __u64 off, void **addr)
{
	void *map;

	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, c->device_fd,
		   region->offset + off);
	if (map == MAP_FAILED)
		return -errno;

	*addr = map;
	return 0;
}

int vfio_client_set_irqs(struct vfio_client *c, __u32 flags, __u32 index,
			 __u32 start, __u32 count, const void *data,
			 size_t size)
{
	struct vfio_irq_set *set;
	int ret;

	set = calloc(1, sizeof(*set) + size);
	if (!set)
		return -ENOMEM;

	set->argsz = sizeof(*set) + size;
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (size)
		memcpy(set->data, data, size);

	ret = vfio_client_ioctl(c->device_fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return ret;
}

int vfio_client_feature(struct vfio_client *c, __u32 flags, void *data,
			size_t size)
{
	struct vfio_device_feature *feature;
	int ret;

	feature = calloc(1, sizeof(*feature) + size);
	if (!feature)
		return -ENOMEM;

	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, data, size);

	ret = vfio_client_ioctl(c->device_fd, VFIO_DEVICE_FEATURE, feature);
	if (ret >= 0 && size)
		memcpy(data, feature->data, size);
	free(feature);
	return ret;
}

int vfio_client_feature_probe(struct vfio_client *c, __u32 feature, __u32 ops)
{
	return vfio_client_feature(c, feature | ops | VFIO_DEVICE_FEATURE_PROBE,
				   NULL, 0);
}

int vfio_client_dma_map(struct vfio_client *c, void *addr, __u64 iova,
			__u64 len)
{
	struct vfio_iommu_type1_dma_map type1 = {
		.argsz = sizeof(type1),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (unsigned long)addr,
		.iova = iova,
		.size = len,
	};

	if (c->mode == VFIO_CLIENT_GROUP)
		return vfio_client_ioctl(c->container_fd, VFIO_IOMMU_MAP_DMA,
					 &type1);

	return client_ioas_map(c, addr, iova, len);
}
