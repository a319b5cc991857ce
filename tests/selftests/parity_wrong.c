// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: what a driver has to tell from its own calls, regions and pointers.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* Commands of vfio's other files, and what is no command; each gets to the driver */
static void unknown_ioctls(struct parity *p)
{
	static const struct {
		const char *name;
		unsigned long cmd;
	} unknown[] = {
		{ "zero", 0 },
		{ "all-ones", 0xffffffff },
		{ "container-api-version", VFIO_GET_API_VERSION },
		{ "gfx-plane", VFIO_DEVICE_QUERY_GFX_PLANE },
		{ "mig-precopy-info", VFIO_MIG_GET_PRECOPY_INFO },
		{ "base-plus-63", _IO(VFIO_TYPE, VFIO_BASE + 63) },
		{ "other-type", _IO('v', VFIO_BASE + 7) },
		{ "reset-with-size", _IOC(_IOC_WRITE, VFIO_TYPE,
					  VFIO_BASE + 11, 4) },
	};
	char arg[PAGE_4K] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
						  unknown[i].cmd, arg),
			     "ioctl/unknown/%s", unknown[i].name);
}

static void null_pointers(struct parity *p)
{
	static const struct {
		const char *name;
		unsigned long cmd;
	} ioctls[] = {
		{ "info", VFIO_DEVICE_GET_INFO },
		{ "region-info", VFIO_DEVICE_GET_REGION_INFO },
		{ "irq-info", VFIO_DEVICE_GET_IRQ_INFO },
		{ "set-irqs", VFIO_DEVICE_SET_IRQS },
		{ "hot-reset-info", VFIO_DEVICE_GET_PCI_HOT_RESET_INFO },
		{ "hot-reset", VFIO_DEVICE_PCI_HOT_RESET },
		{ "ioeventfd", VFIO_DEVICE_IOEVENTFD },
	};
	const struct {
		const char *name;
		__u32 index;
		__u64 off;
	} places[] = {
		{ "config", CONFIG, PCI_COMMAND },
		{ "bar0", BAR0, IGBVF_SCRATCH },
		{ "msix-table", p->msix_bar, p->msix_table },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
						  ioctls[i].cmd, NULL),
			     "null/%s", ioctls[i].name);

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		parity_wrong(p, parity_read(p, places[i].index, places[i].off,
					    NULL, 4),
			     "null/%s/read", places[i].name);
		parity_wrong(p, parity_write(p, places[i].index, places[i].off,
					     NULL, 4),
			     "null/%s/write", places[i].name);
	}
}

static void wrong_offsets(struct parity *p)
{
	static const struct {
		const char *name;
		__u64 off;
	} offsets[] = {
		{ "first-beyond", (__u64)VFIO_PCI_NUM_REGIONS << 40 },
		{ "last-of-vga", ((__u64)VFIO_PCI_NUM_REGIONS << 40) - 4 },
		{ "index-63", 63ull << 40 },
		{ "index-64", 64ull << 40 },
		{ "largest", ~0ull >> 1 },
	};
	int fd = p->dev.device_fd;
	__u32 val = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		parity_wrong(p, result(pread(fd, &val, 4, offsets[i].off)),
			     "offset/%s/read", offsets[i].name);
		val = 0;
		parity_wrong(p, result(pwrite(fd, &val, 4, offsets[i].off)),
			     "offset/%s/write", offsets[i].name);
		parity_call(p, result(pread(fd, &val, 0, offsets[i].off)),
			    NULL, "offset/%s/read-nothing", offsets[i].name);
	}
}

void parity_wrong_calls(struct parity *p)
{
	unknown_ioctls(p);
	null_pointers(p);
	wrong_offsets(p);
}
