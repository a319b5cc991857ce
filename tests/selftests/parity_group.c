// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: the device opened through its group and a container.
 */
#define _GNU_SOURCE

#include <string.h>

#include "parity.h"

#define VF_TOKEN " vf_token=00112233-4455-6677-8899-aabbccddeeff"

static void *number(unsigned long val)
{
	return (void *)val;
}

static int group_ioctl(struct parity *p, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(p->dev.group_fd, cmd, arg);
}

static int container_ioctl(struct parity *p, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(p->dev.container_fd, cmd, arg);
}

static int get_device(struct parity *p, void *name)
{
	return parity_drop_fd(group_ioctl(p, VFIO_GROUP_GET_DEVICE_FD, name));
}

static int device_ioctl(struct parity *p, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(p->dev.device_fd, cmd, arg);
}

void parity_group_status(struct parity *p, const char *when)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char text[64];
	int ret;

	ret = group_ioctl(p, VFIO_GROUP_GET_STATUS, &status);
	snprintf(text, sizeof(text), "flags=0x%x", status.flags);
	parity_call(p, ret, text, "group/status/%s", when);
}

static void show_container(struct parity *p)
{
	static const struct {
		const char *name;
		unsigned long extension;
	} extensions[] = {
		{ "0", 0 },
		{ "type1", VFIO_TYPE1_IOMMU },
		{ "spapr-tce", VFIO_SPAPR_TCE_IOMMU },
		{ "type1v2", VFIO_TYPE1v2_IOMMU },
		{ "dma-cc", VFIO_DMA_CC_IOMMU },
		{ "eeh", VFIO_EEH },
		{ "spapr-tce-v2", VFIO_SPAPR_TCE_v2_IOMMU },
		{ "noiommu", VFIO_NOIOMMU_IOMMU },
		{ "unmap-all", VFIO_UNMAP_ALL },
		{ "update-vaddr", VFIO_UPDATE_VADDR },
		{ "unknown", 4711 },
	};
	size_t i;

	parity_call(p, container_ioctl(p, VFIO_GET_API_VERSION, NULL), NULL,
		    "container/api-version");
	for (i = 0; i < ARRAY_SIZE(extensions); i++)
		parity_call(p, container_ioctl(p, VFIO_CHECK_EXTENSION,
					       number(extensions[i].extension)),
			    NULL, "container/extension/%s",
			    extensions[i].name);
}

static void container_without_group(struct parity *p)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	parity_wrong(p, container_ioctl(p, VFIO_SET_IOMMU,
					number(VFIO_TYPE1v2_IOMMU)),
		     "container/without-group/set-iommu");
	parity_wrong(p, container_ioctl(p, VFIO_IOMMU_GET_INFO, &info),
		     "container/without-group/iommu-info");
	parity_wrong(p, container_ioctl(p, VFIO_DEVICE_FEATURE, NULL),
		     "container/without-group/device-ioctl");
}

static void group_without_container(struct parity *p)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int fd;

	parity_wrong(p, parity_try_open(p->dev.group_path),
		     "group/open-again");
	parity_wrong(p, get_device(p, p->dev.bdf),
		     "group/without-container/device-fd");
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_UNSET_CONTAINER, NULL),
		     "group/without-container/unset-container");
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_SET_CONTAINER, NULL),
		     "group/set-container/null");
	fd = -1;
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_SET_CONTAINER, &fd),
		     "group/set-container/minus-one");
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_SET_CONTAINER, &p->bad_fd),
		     "group/set-container/bad-fd");
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_SET_CONTAINER, &p->null_fd),
		     "group/set-container/no-container");
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_GET_STATUS, NULL),
		     "group/status/null");
	status.argsz = sizeof(status) - 1;
	parity_wrong(p, group_ioctl(p, VFIO_GROUP_GET_STATUS, &status),
		     "group/status/argsz-short");
	parity_wrong(p, group_ioctl(p, VFIO_DEVICE_GET_INFO, NULL),
		     "group/device-ioctl");
}

/* The name of a device may be followed by options */
static void group_device_names(struct parity *p)
{
	static const struct {
		const char *name;
		bool own;
		const char *text;
	} names[] = {
		{ "other-device", false, "0000:00:00.0" },
		{ "no-address", false, "vfio" },
		{ "empty", false, "" },
		{ "longer", true, "0" },
		{ "unknown-option", true, " option=1" },
		{ "vf-token-short", true, " vf_token=00112233" },
		{ "vf-token-malformed", true,
		  " vf_token=zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz" },
		{ "vf-token-unused", true, VF_TOKEN },
		{ "vf-token-twice", true, VF_TOKEN VF_TOKEN },
	};
	char name[2 * PAGE_4K];
	void *arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "%s%s",
			 names[i].own ? p->dev.bdf : "", names[i].text);
		parity_wrong(p, get_device(p, name),
			     "group/device-fd/%s", names[i].name);
	}

	parity_wrong(p, get_device(p, p->dev.bdf + 5),
		     "group/device-fd/no-domain");
	parity_wrong(p, get_device(p, NULL), "group/device-fd/null");

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	parity_wrong(p, get_device(p, name),
		     "group/device-fd/longer-than-page");

	arg = parity_cut_short(p->dev.bdf, 4);
	parity_wrong(p, get_device(p, arg), "group/device-fd/unterminated");
	parity_unmap_page(arg);

	snprintf(name, sizeof(name), "%s ", p->dev.bdf);
	parity_call(p, get_device(p, name),
		    NULL, "group/device-fd/trailing-space");
}

static void show_iommu_info(struct parity *p)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	char text[96];
	int ret;

	ret = container_ioctl(p, VFIO_IOMMU_GET_INFO, &info);
	snprintf(text, sizeof(text), "flags=0x%x iova_pgsizes=0x%llx",
		 info.flags, info.iova_pgsizes);
	parity_call(p, ret, text, "container/iommu-info");
}

/* The group hands out the device as often as it is asked for it */
static void group_second_device(struct parity *p)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char text[64];
	int fd, ret;

	fd = group_ioctl(p, VFIO_GROUP_GET_DEVICE_FD, p->dev.bdf);
	parity_call(p, fd < 0 ? fd : 0, NULL, "group/device-fd/second");
	ret = vfio_client_ioctl(fd, VFIO_DEVICE_GET_INFO, &info);
	snprintf(text, sizeof(text), "flags=0x%x", info.flags);
	parity_call(p, ret, text, "group/device-fd/second-info");
	parity_drop_fd(fd);

	parity_wrong(p, group_ioctl(p, VFIO_GROUP_UNSET_CONTAINER, NULL),
		     "group/device-open/unset-container");

	/* What only works on the device file of cdev mode */
	bind.iommufd = p->null_fd;
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_BIND_IOMMUFD, &bind),
		     "group/device-open/bind-iommufd");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
				     &attach),
		     "group/device-open/attach-iommufd");
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				     &detach),
		     "group/device-open/detach-iommufd");

	if (!p->dev.cdev_path[0]) {
		parity_text(p, "absent", "group/device-open/cdev");
		return;
	}

	fd = parity_open_file(p->dev.cdev_path);
	parity_call(p, fd < 0 ? fd : 0, NULL, "group/device-open/cdev");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_GET_INFO, &info),
		     "group/device-open/cdev-info");
	bind.iommufd = parity_open_file("/dev/iommu");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind),
		     "group/device-open/cdev-bind");
	parity_drop_fd(bind.iommufd);
	parity_drop_fd(fd);
}

int parity_open_by_group(struct parity *p)
{
	int ret;

	ret = vfio_client_open_container(&p->dev);
	parity_call(p, ret, NULL, "container/open");
	if (ret)
		return parity_set_up_failed(p, "open /dev/vfio/vfio", ret);

	show_container(p);
	container_without_group(p);

	ret = vfio_client_open_group(&p->dev);
	parity_call(p, ret, NULL, "group/open");
	if (ret)
		return parity_set_up_failed(p, p->dev.group_path, ret);

	parity_group_status(p, "without-container");
	group_without_container(p);

	ret = vfio_client_set_container(&p->dev);
	parity_call(p, ret, NULL, "group/set-container");
	if (ret)
		return parity_set_up_failed(p, "set container", ret);

	parity_group_status(p, "with-container");
	parity_wrong(p, vfio_client_set_container(&p->dev),
		     "group/set-container/again");
	parity_wrong(p, get_device(p, p->dev.bdf),
		     "group/without-iommu/device-fd");
	parity_wrong(p, container_ioctl(p, VFIO_SET_IOMMU, number(4711)),
		     "container/set-iommu/unknown");
	parity_wrong(p, container_ioctl(p, VFIO_SET_IOMMU,
					number(VFIO_SPAPR_TCE_IOMMU)),
		     "container/set-iommu/spapr-tce");

	ret = vfio_client_set_iommu(&p->dev);
	parity_call(p, ret, NULL, "container/set-iommu");
	if (ret)
		return parity_set_up_failed(p, "set type1 v2 IOMMU", ret);

	parity_wrong(p, vfio_client_set_iommu(&p->dev),
		     "container/set-iommu/again");
	show_iommu_info(p);
	group_device_names(p);

	ret = vfio_client_get_device(&p->dev);
	parity_call(p, ret, NULL, "group/device-fd");
	if (ret)
		return parity_set_up_failed(p, "get device", ret);

	parity_file_flags(p);
	group_second_device(p);
	return 0;
}

