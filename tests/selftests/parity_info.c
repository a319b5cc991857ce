// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: information on the device, its regions and its interrupts.
 */
#define _GNU_SOURCE

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "parity.h"

/* Room for an info structure and any chain of capabilities behind it */
union info_buffer {
	struct vfio_device_info device;
	struct vfio_region_info region;
	struct vfio_irq_info irq;
	struct vfio_pci_hot_reset_info hot_reset_info;
	struct vfio_pci_hot_reset hot_reset;
	char room[PAGE_4K];
};

/* Text that is written piece by piece and cut where its room ends */
struct pieces {
	char text[PARITY_TEXT_LEN];
	size_t used;
};

__printf(2, 3)
static void add(struct pieces *pieces, const char *fmt, ...)
{
	size_t room = sizeof(pieces->text) - pieces->used;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(pieces->text + pieces->used, room, fmt, args);
	va_end(args);

	if (len > 0)
		pieces->used += (size_t)len < room ? (size_t)len : room - 1;
}

static void add_sparse_areas(struct pieces *pieces, const void *cap,
			     size_t room)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = cap;
	__u32 i;

	if (room < sizeof(*sparse))
		return;

	add(pieces, " areas=%u", sparse->nr_areas);
	for (i = 0; i < sparse->nr_areas; i++) {
		if (room < sizeof(*sparse) +
			   (i + 1) * sizeof(sparse->areas[0]))
			break;
		add(pieces, " 0x%llx+0x%llx", sparse->areas[i].offset,
		    sparse->areas[i].size);
	}
}

/* The capability chain of a region or, with @device set, of the device */
static void add_caps(struct pieces *pieces, const void *info, size_t size,
		     __u32 offset, bool device)
{
	const struct vfio_region_info_cap_type *type;
	const struct vfio_info_cap_header *cap;
	size_t room;

	while ((cap = vfio_client_next_cap(info, size, &offset))) {
		room = size - ((const char *)cap - (const char *)info);
		add(pieces, " [cap=%u version=%u", cap->id, cap->version);
		if (device) {
			add(pieces, "]");
			continue;
		}

		switch (cap->id) {
		case VFIO_REGION_INFO_CAP_SPARSE_MMAP:
			add_sparse_areas(pieces, cap, room);
			break;
		case VFIO_REGION_INFO_CAP_TYPE:
			type = (const void *)cap;
			if (room >= sizeof(*type))
				add(pieces, " type=0x%x subtype=0x%x",
				    type->type, type->subtype);
			break;
		case VFIO_REGION_INFO_CAP_MSIX_MAPPABLE:
			add(pieces, " msix-mappable");
			break;
		}
		add(pieces, "]");
	}
}

static const char *describe_device(struct pieces *pieces,
				   const struct vfio_device_info *info,
				   size_t room)
{
	*pieces = (struct pieces) {};
	add(pieces, "argsz=0x%x flags=0x%x regions=%u irqs=%u cap_offset=%u",
	    info->argsz, info->flags, info->num_regions, info->num_irqs,
	    info->cap_offset);
	add_caps(pieces, info, room, info->cap_offset, true);
	return pieces->text;
}

void parity_device_info(struct parity *p)
{
	static const __u32 sizes[] = { 15, 16, sizeof(struct vfio_device_info) };
	struct vfio_device_info *info;
	union info_buffer buf;
	struct pieces pieces;
	size_t i;
	int ret;

	ret = vfio_client_device_info(&p->dev, &info);
	parity_call(p, ret, ret ? NULL : describe_device(&pieces, info,
							 info->argsz),
		    "device/info");
	if (!ret)
		free(info);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&buf, 0, sizeof(buf));
		buf.device.argsz = sizes[i];
		ret = vfio_client_ioctl(p->dev.device_fd, VFIO_DEVICE_GET_INFO,
					&buf);
		parity_call(p, ret, describe_device(&pieces, &buf.device,
						    sizeof(buf)),
			    "device/info/argsz-%u", sizes[i]);
	}
}

static const char *describe_region(struct pieces *pieces,
				   const struct vfio_region_info *info,
				   size_t room)
{
	*pieces = (struct pieces) {};
	add(pieces,
	    "argsz=0x%x flags=0x%x size=0x%llx offset=0x%llx cap_offset=%u",
	    info->argsz, info->flags, info->size, info->offset,
	    info->cap_offset);
	add_caps(pieces, info, room, info->cap_offset, false);
	return pieces->text;
}

static int region_info(struct parity *p, union info_buffer *buf, __u32 index,
		       __u32 argsz)
{
	memset(buf, 0, sizeof(*buf));
	buf->region.argsz = argsz;
	buf->region.index = index;
	return vfio_client_ioctl(p->dev.device_fd,
				 VFIO_DEVICE_GET_REGION_INFO, buf);
}

static void show_region(struct parity *p, __u32 index)
{
	const __u32 exact = sizeof(struct vfio_region_info);
	struct vfio_region_info *info;
	union info_buffer buf;
	struct pieces pieces;
	int ret;

	ret = vfio_client_region_info(&p->dev, index, &info);
	parity_call(p, ret, ret ? NULL : describe_region(&pieces, info,
							 info->argsz),
		    "region/%u/info", index);
	if (!ret)
		free(info);

	/* Room for the structure only, whether it has capabilities or not */
	ret = region_info(p, &buf, index, exact);
	parity_call(p, ret, describe_region(&pieces, &buf.region, exact),
		    "region/%u/info/argsz-exact", index);
	parity_wrong(p, region_info(p, &buf, index, exact - 1),
		     "region/%u/info/argsz-short", index);
}

void parity_region_info(struct parity *p)
{
	static const __u32 beyond[] = { 63, 64, 0x80000000, ~0u };
	struct vfio_device_info *info;
	__u32 index, regions;
	union info_buffer buf;
	size_t i;

	if (vfio_client_device_info(&p->dev, &info))
		return;
	regions = info->num_regions;
	free(info);

	for (index = 0; index < regions; index++)
		show_region(p, index);

	parity_wrong(p, region_info(p, &buf, regions, sizeof(buf)),
		     "region/first-beyond/info");
	for (i = 0; i < ARRAY_SIZE(beyond); i++)
		parity_wrong(p, region_info(p, &buf, beyond[i], sizeof(buf)),
			     "region/%u/info/beyond", beyond[i]);
}

static int irq_info(struct parity *p, union info_buffer *buf, __u32 index,
		    __u32 argsz)
{
	memset(buf, 0, sizeof(*buf));
	buf->irq.argsz = argsz;
	buf->irq.index = index;
	return vfio_client_ioctl(p->dev.device_fd, VFIO_DEVICE_GET_IRQ_INFO,
				 buf);
}

static void show_irq(struct parity *p, __u32 index, __u32 argsz)
{
	union info_buffer buf;
	char text[96];
	int ret;

	ret = irq_info(p, &buf, index, argsz);
	snprintf(text, sizeof(text), "argsz=0x%x flags=0x%x count=%u",
		 buf.irq.argsz, buf.irq.flags, buf.irq.count);
	parity_call(p, ret, text, "irq/%u/info", index);
}

void parity_irq_info(struct parity *p)
{
	static const __u32 beyond[] = { VFIO_PCI_NUM_IRQS, 63, ~0u };
	const __u32 exact = sizeof(struct vfio_irq_info);
	union info_buffer buf;
	__u32 index;
	size_t i;

	for (index = 0; index < VFIO_PCI_NUM_IRQS; index++) {
		show_irq(p, index, exact);
		parity_wrong(p, irq_info(p, &buf, index, exact - 1),
			     "irq/%u/info/argsz-short", index);
	}

	for (i = 0; i < ARRAY_SIZE(beyond); i++)
		parity_wrong(p, irq_info(p, &buf, beyond[i], exact),
			     "irq/%u/info/beyond", beyond[i]);
}

/*
 * Group numbers and device ids depend on what else has been bound since boot.
 * Compare whether they are those of this device.
 */
static const char *dependent_owner(const struct parity *p, __u32 flags,
				   const struct vfio_pci_dependent_device *dep)
{
	if (!(flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID))
		return (int)dep->group_id == p->dev.group_id ?
			"own-group" : "other-group";

	if (dep->devid == p->dev.devid)
		return "own-id";
	if (dep->devid == (__u32)VFIO_PCI_DEVID_OWNED)
		return "owned";
	if (dep->devid == (__u32)VFIO_PCI_DEVID_NOT_OWNED)
		return "not-owned";
	return "other-id";
}

static void show_hot_reset_info(struct parity *p)
{
	const struct vfio_pci_dependent_device *dep;
	union info_buffer buf = { .hot_reset_info.argsz = sizeof(buf) };
	struct pieces pieces = {};
	__u32 i;
	int ret;

	ret = vfio_client_ioctl(p->dev.device_fd,
				VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &buf);
	add(&pieces, "flags=0x%x count=%u", buf.hot_reset_info.flags,
	    buf.hot_reset_info.count);
	for (i = 0; !ret && i < buf.hot_reset_info.count; i++) {
		dep = &buf.hot_reset_info.devices[i];
		add(&pieces, " %04x:%02x:%02x.%x=%s", dep->segment, dep->bus,
		    dep->devfn >> 3, dep->devfn & 7,
		    dependent_owner(p, buf.hot_reset_info.flags, dep));
	}
	parity_call(p, ret, pieces.text, "hot-reset/info");
}

/*
 * Neither may reset anything: a device file of cdev mode resets with count 0,
 * so that is only called in group mode, where it is refused.
 */
void parity_hot_reset(struct parity *p)
{
	const __u32 header = sizeof(struct vfio_pci_hot_reset);
	union info_buffer buf = {};

	show_hot_reset_info(p);

	buf.hot_reset.argsz = header + 4;
	buf.hot_reset.count = 1;
	buf.hot_reset.group_fds[0] = p->bad_fd;
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_PCI_HOT_RESET, &buf),
		     "hot-reset/bad-fd");
	if (p->dev.mode != VFIO_CLIENT_GROUP)
		return;

	buf.hot_reset.argsz = header;
	buf.hot_reset.count = 0;
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_PCI_HOT_RESET, &buf),
		     "hot-reset/count-zero");
}
