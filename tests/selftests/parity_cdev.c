// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: the device opened through its device file and an iommufd.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "parity.h"

/* A flag no structure of the vfio interface defines */
#define UNKNOWN_FLAG 0x80000000u

static int device_ioctl(struct parity *p, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(p->dev.device_fd, cmd, arg);
}

/* Until it is bound the device file answers nothing but the bind */
static void cdev_unbound(struct parity *p)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_DEVICE_FEATURE_PROBE,
	};
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char byte = 0;
	void *map;

	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_GET_INFO, &info),
		     "cdev/unbound/info");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_RESET, NULL),
		     "cdev/unbound/reset");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_FEATURE, &feature),
		     "cdev/unbound/feature");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				     &detach),
		     "cdev/unbound/detach");
	parity_wrong(p, device_ioctl(p, VFIO_GET_API_VERSION, NULL),
		     "cdev/unbound/unknown-ioctl");
	parity_wrong(p, pread(p->dev.device_fd, &byte, 1, 0) < 0 ? -errno : 0,
		     "cdev/unbound/read");
	parity_wrong(p, pwrite(p->dev.device_fd, &byte, 1, 0) < 0 ? -errno : 0,
		     "cdev/unbound/write");
	map = mmap(NULL, PAGE_4K, PROT_READ, MAP_SHARED, p->dev.device_fd, 0);
	parity_wrong(p, map == MAP_FAILED ? -errno : 0, "cdev/unbound/mmap");
	if (map != MAP_FAILED)
		munmap(map, PAGE_4K);
}

static void cdev_bind_wrong(struct parity *p)
{
	struct vfio_device_bind_iommufd bind;
	struct {
		const char *name;
		__u32 argsz;
		__u32 flags;
		int iommufd;
	} wrong[] = {
		{ "argsz-zero", 0, 0, p->dev.iommufd },
		{ "argsz-short", sizeof(bind) - 1, 0, p->dev.iommufd },
		{ "unknown-flag", sizeof(bind), UNKNOWN_FLAG, p->dev.iommufd },
		{ "minus-one", sizeof(bind), 0, -1 },
		{ "bad-fd", sizeof(bind), 0, p->bad_fd },
		{ "no-iommufd", sizeof(bind), 0, p->null_fd },
		{ "device-fd", sizeof(bind), 0, p->dev.device_fd },
	};
	void *arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		bind = (struct vfio_device_bind_iommufd) {
			.argsz = wrong[i].argsz,
			.flags = wrong[i].flags,
			.iommufd = wrong[i].iommufd,
		};
		parity_wrong(p, device_ioctl(p, VFIO_DEVICE_BIND_IOMMUFD,
					     &bind),
			     "cdev/bind/%s", wrong[i].name);
	}

	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_BIND_IOMMUFD, NULL),
		     "cdev/bind/null");

	bind = (struct vfio_device_bind_iommufd) {
		.argsz = sizeof(bind),
		.iommufd = p->dev.iommufd,
	};
	arg = parity_read_only(&bind, sizeof(bind));
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_BIND_IOMMUFD, arg),
		     "cdev/bind/read-only");
	parity_unmap_page(arg);
}

/* The device belongs to the file that bound it first */
static void cdev_bound(struct parity *p)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd;

	bind.iommufd = p->dev.iommufd;
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_BIND_IOMMUFD, &bind),
		     "cdev/bind/again");

	fd = parity_open_file(p->dev.cdev_path);
	parity_call(p, fd < 0 ? fd : 0, NULL, "cdev/second/open");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_GET_INFO, &info),
		     "cdev/second/info");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind),
		     "cdev/second/bind");
	bind.iommufd = parity_open_file("/dev/iommu");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind),
		     "cdev/second/bind-other-iommufd");
	parity_drop_fd(bind.iommufd);
	parity_drop_fd(fd);

	if (p->dev.group_path[0])
		parity_wrong(p, parity_try_open(p->dev.group_path),
			     "cdev/bound/group-open");
	else
		parity_text(p, "absent", "cdev/bound/group-open");
}

static void cdev_attach_wrong(struct parity *p)
{
	struct vfio_device_attach_iommufd_pt attach;
	struct vfio_device_detach_iommufd_pt detach;
	const struct {
		const char *name;
		__u32 argsz;
		__u32 flags;
		__u32 pt_id;
	} wrong[] = {
		{ "argsz-zero", 0, 0, p->dev.ioas_id },
		{ "argsz-short", 11, 0, p->dev.ioas_id },
		{ "unknown-flag", 12, UNKNOWN_FLAG, p->dev.ioas_id },
		{ "no-such-id", 12, 0, 4711 },
		{ "id-zero", 12, 0, 0 },
		{ "id-of-device", 12, 0, p->dev.devid },
	};
	void *arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		attach = (struct vfio_device_attach_iommufd_pt) {
			.argsz = wrong[i].argsz,
			.flags = wrong[i].flags,
			.pt_id = wrong[i].pt_id,
		};
		parity_wrong(p, device_ioctl(p, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
					     &attach),
			     "cdev/attach/%s", wrong[i].name);
	}

	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL),
		     "cdev/attach/null");
	attach = (struct vfio_device_attach_iommufd_pt) {
		.argsz = sizeof(attach),
		.pt_id = p->dev.ioas_id,
	};
	arg = parity_read_only(&attach, sizeof(attach));
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_ATTACH_IOMMUFD_PT, arg),
		     "cdev/attach/read-only");
	parity_unmap_page(arg);

	detach = (struct vfio_device_detach_iommufd_pt) { .argsz = 7 };
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				     &detach),
		     "cdev/detach/argsz-short");
	detach = (struct vfio_device_detach_iommufd_pt) {
		.argsz = 8,
		.flags = UNKNOWN_FLAG,
	};
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				     &detach),
		     "cdev/detach/unknown-flag");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL),
		     "cdev/detach/null");
}

/*
 * The ids of an iommufd are numbered from 1, hence the same in each run. What
 * is compared nevertheless is only which of them are equal.
 */
int parity_attach(struct parity *p, __u32 ioas_id, const char *name)
{
	__u32 pt_id = ioas_id;
	int ret;

	ret = vfio_client_attach(&p->dev, &pt_id);
	parity_call(p, ret, pt_id == ioas_id ? "pt_id=ioas" : "pt_id=other",
		    "cdev/attach/%s", name);
	return ret;
}

int parity_open_by_cdev(struct parity *p)
{
	__u32 other_ioas;
	int ret;

	ret = vfio_client_open_iommufd(&p->dev);
	parity_call(p, ret, NULL, "iommufd/open");
	if (ret)
		return parity_set_up_failed(p, "open /dev/iommu", ret);

	ret = vfio_client_open_cdev(&p->dev);
	parity_call(p, ret, NULL, "cdev/open");
	if (ret)
		return parity_set_up_failed(p, p->dev.cdev_path, ret);

	cdev_unbound(p);
	cdev_bind_wrong(p);

	ret = vfio_client_bind(&p->dev);
	parity_call(p, ret, NULL, "cdev/bind");
	if (ret)
		return parity_set_up_failed(p, "bind to the iommufd", ret);

	parity_file_flags(p);
	cdev_bound(p);

	ret = vfio_client_alloc_ioas(&p->dev, &p->dev.ioas_id);
	if (!ret)
		ret = vfio_client_alloc_ioas(&p->dev, &other_ioas);
	if (ret)
		return parity_set_up_failed(p, "allocate address space", ret);

	parity_call(p, vfio_client_detach(&p->dev), NULL,
		    "cdev/detach/unattached");
	cdev_attach_wrong(p);
	parity_attach(p, p->dev.ioas_id, "first");
	parity_attach(p, p->dev.ioas_id, "same-again");
	parity_attach(p, other_ioas, "replace");
	parity_call(p, vfio_client_detach(&p->dev), NULL, "cdev/detach");
	parity_call(p, vfio_client_detach(&p->dev), NULL,
		    "cdev/detach/again");

	ret = parity_attach(p, p->dev.ioas_id, "after-detach");
	if (ret)
		return parity_set_up_failed(p, "attach", ret);

	return 0;
}

