// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: calls no driver for a device answers, and arguments it cannot reach.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static int device_ioctl(struct parity *p, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(p->dev.device_fd, cmd, arg);
}

static void unknown_ioctls(struct parity *p)
{
	static const struct {
		const char *name;
		unsigned long cmd;
	} unknown[] = {
		{ "zero", 0 },
		{ "all-ones", 0xffffffff },
		{ "container-api-version", VFIO_GET_API_VERSION },
		{ "container-check-extension", VFIO_CHECK_EXTENSION },
		{ "container-set-iommu", VFIO_SET_IOMMU },
		{ "group-status", VFIO_GROUP_GET_STATUS },
		{ "group-set-container", VFIO_GROUP_SET_CONTAINER },
		{ "group-unset-container", VFIO_GROUP_UNSET_CONTAINER },
		{ "group-device-fd", VFIO_GROUP_GET_DEVICE_FD },
		{ "gfx-plane", VFIO_DEVICE_QUERY_GFX_PLANE },
		{ "gfx-dmabuf", VFIO_DEVICE_GET_GFX_DMABUF },
		{ "mig-precopy-info", VFIO_MIG_GET_PRECOPY_INFO },
		{ "base-plus-22", _IO(VFIO_TYPE, VFIO_BASE + 22) },
		{ "base-plus-63", _IO(VFIO_TYPE, VFIO_BASE + 63) },
		{ "base-minus-1", _IO(VFIO_TYPE, VFIO_BASE - 1) },
		{ "number-255", _IO(VFIO_TYPE, 255) },
		{ "number-0", _IO(VFIO_TYPE, 0) },
		{ "iommufd-ioas-alloc", _IO(VFIO_TYPE, 0x81) },
		{ "other-type", _IO('v', VFIO_BASE + 7) },
		{ "info-with-size", _IOC(_IOC_READ | _IOC_WRITE, VFIO_TYPE,
					 VFIO_BASE + 7, 16) },
		{ "reset-with-size", _IOC(_IOC_WRITE, VFIO_TYPE,
					  VFIO_BASE + 11, 4) },
		{ "terminal-size", TIOCGWINSZ },
		{ "bytes-to-read", FIONREAD },
	};
	union {
		struct vfio_device_info info;
		char room[PAGE_4K];
	} buf;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		memset(&buf, 0, sizeof(buf));
		buf.info.argsz = sizeof(buf.info);
		parity_wrong(p, device_ioctl(p, unknown[i].cmd, &buf),
			     "ioctl/unknown/%s", unknown[i].name);
	}
}

static const struct {
	const char *name;
	unsigned long cmd;
} pointer_ioctls[] = {
	{ "info", VFIO_DEVICE_GET_INFO },
	{ "region-info", VFIO_DEVICE_GET_REGION_INFO },
	{ "irq-info", VFIO_DEVICE_GET_IRQ_INFO },
	{ "set-irqs", VFIO_DEVICE_SET_IRQS },
	{ "hot-reset-info", VFIO_DEVICE_GET_PCI_HOT_RESET_INFO },
	{ "hot-reset", VFIO_DEVICE_PCI_HOT_RESET },
	{ "ioeventfd", VFIO_DEVICE_IOEVENTFD },
	{ "feature", VFIO_DEVICE_FEATURE },
	{ "bind-iommufd", VFIO_DEVICE_BIND_IOMMUFD },
};

/* Addresses that are not mapped, not the user's, and cut off by a page end */
static void bad_pointers(struct parity *p)
{
	static const __u32 argsz = PAGE_4K;
	unsigned long cmd;
	size_t i;
	void *cut;

	for (i = 0; i < ARRAY_SIZE(pointer_ioctls); i++) {
		cmd = pointer_ioctls[i].cmd;
		parity_wrong(p, device_ioctl(p, cmd, NULL),
			     "pointer/null/%s", pointer_ioctls[i].name);
		parity_wrong(p, device_ioctl(p, cmd, (void *)8),
			     "pointer/first-page/%s", pointer_ioctls[i].name);
		parity_wrong(p, device_ioctl(p, cmd, (void *)-4096l),
			     "pointer/last-page/%s", pointer_ioctls[i].name);
		parity_wrong(p, device_ioctl(p, cmd, (void *)(1ul << 63)),
			     "pointer/kernel/%s", pointer_ioctls[i].name);

		cut = parity_cut_short(&argsz, sizeof(argsz));
		parity_wrong(p, device_ioctl(p, cmd, cut),
			     "pointer/cut-short/%s", pointer_ioctls[i].name);
		parity_unmap_page(cut);
	}
}

/* What can be read but not written: the answer cannot be delivered */
static void read_only_arguments(struct parity *p)
{
	const struct vfio_device_info device = { .argsz = sizeof(device) };
	const struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = CONFIG,
	};
	const struct vfio_region_info msix_region = {
		.argsz = PAGE_4K,
		.index = p->msix_bar,
	};
	const struct vfio_irq_info irq = {
		.argsz = sizeof(irq),
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	const struct vfio_pci_hot_reset_info hot_reset = {
		.argsz = sizeof(hot_reset),
	};
	const struct {
		const char *name;
		unsigned long cmd;
		const void *arg;
		size_t len;
	} calls[] = {
		{ "info", VFIO_DEVICE_GET_INFO, &device, sizeof(device) },
		{ "region-info", VFIO_DEVICE_GET_REGION_INFO, &region,
		  sizeof(region) },
		{ "region-info-caps", VFIO_DEVICE_GET_REGION_INFO,
		  &msix_region, sizeof(msix_region) },
		{ "irq-info", VFIO_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq) },
		{ "hot-reset-info", VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
		  &hot_reset, sizeof(hot_reset) },
	};
	void *arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		arg = parity_read_only(calls[i].arg, calls[i].len);
		parity_wrong(p, device_ioctl(p, calls[i].cmd, arg),
			     "pointer/read-only/%s", calls[i].name);
		parity_unmap_page(arg);
	}

	/* The structure fits in front of the page end, the chain does not */
	arg = parity_cut_short(&msix_region, sizeof(msix_region));
	parity_wrong(p, device_ioctl(p, VFIO_DEVICE_GET_REGION_INFO, arg),
		     "pointer/cut-caps/region-info");
	parity_unmap_page(arg);
}

/* Buffers of read and write, by region; none of these writes a register */
static void bad_buffers(struct parity *p)
{
	const __u32 cmd = PCI_COMMAND, scratch = IGBVF_SCRATCH;
	const struct {
		const char *name;
		__u32 index;
		__u64 off;
	} places[] = {
		{ "config", CONFIG, cmd },
		{ "config-msix", CONFIG, p->msix_cap },
		{ "bar0", BAR0, scratch },
		{ "msix-table", p->msix_bar, p->msix_table },
		{ "absent-bar", VFIO_PCI_BAR2_REGION_INDEX, 0 },
		{ "rom", VFIO_PCI_ROM_REGION_INDEX, 0 },
		{ "vga", VFIO_PCI_VGA_REGION_INDEX, 0xa0000 },
	};
	const struct {
		const char *name;
		void *buf;
	} buffers[] = {
		{ "null", NULL },
		{ "kernel", (void *)(1ul << 63) },
	};
	const char byte = 0;
	void *read_only;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		for (j = 0; j < ARRAY_SIZE(buffers); j++) {
			parity_wrong(p, parity_read(p, places[i].index,
						    places[i].off,
						    buffers[j].buf, 4),
				     "buffer/%s/read-%s", places[i].name,
				     buffers[j].name);
			parity_wrong(p, parity_write(p, places[i].index,
						     places[i].off,
						     buffers[j].buf, 4),
				     "buffer/%s/write-%s", places[i].name,
				     buffers[j].name);
		}

		read_only = parity_read_only(&byte, 1);
		parity_wrong(p, parity_read(p, places[i].index, places[i].off,
					    read_only, 4),
			     "buffer/%s/read-into-read-only", places[i].name);
		parity_unmap_page(read_only);
	}
}

/* A transfer that starts well and runs into the end of a page */
static void cut_buffers(struct parity *p)
{
	__u32 words[2] = {};
	void *cut;

	parity_fill_scratch(p);
	cut = parity_cut_short(words, 4);
	parity_wrong(p, parity_read(p, CONFIG, 0, cut, 8),
		     "buffer/config/read-cut-short");
	parity_wrong(p, parity_read(p, BAR0, IGBVF_SCRATCH + 4, cut, 8),
		     "buffer/bar0/read-cut-short");
	parity_wrong(p, parity_read(p, p->msix_bar, p->msix_table, cut, 8),
		     "buffer/msix-table/read-cut-short");

	/* The first word is written before the second one cannot be read */
	parity_wrong(p, parity_write(p, BAR0, IGBVF_SCRATCH + 4, cut, 8),
		     "buffer/bar0/write-cut-short");
	parity_show(p, BAR0, IGBVF_SCRATCH, 16,
		    "buffer/bar0/write-cut-short/after");
	parity_wrong(p, parity_write(p, CONFIG, PCI_VENDOR_ID, cut, 8),
		     "buffer/config/write-cut-short");
	parity_unmap_page(cut);
}

static void wrong_offsets(struct parity *p)
{
	static const struct {
		const char *name;
		__u64 off;
	} offsets[] = {
		{ "first-beyond", (__u64)VFIO_PCI_NUM_REGIONS << 40 },
		{ "second-beyond", (__u64)(VFIO_PCI_NUM_REGIONS + 1) << 40 },
		{ "last-of-vga", ((__u64)VFIO_PCI_NUM_REGIONS << 40) - 4 },
		{ "index-63", 63ull << 40 },
		{ "index-4096", 4096ull << 40 },
		{ "largest", ~0ull >> 1 },
		{ "negative", 1ull << 63 },
		{ "minus-one", ~0ull },
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
		parity_call(p, result(pwrite(fd, &val, 0, offsets[i].off)),
			    NULL, "offset/%s/write-nothing", offsets[i].name);
	}
}

/* What else one may try on a file; its position is that of BAR 0 */
static void file_calls(struct parity *p)
{
	const __u64 config = p->region[CONFIG].offset;
	struct pollfd poll_fd = { .fd = p->dev.device_fd, .events = POLLIN };
	int fd = p->dev.device_fd;
	char text[PARITY_TEXT_LEN];
	unsigned char data[8] = {};
	struct iovec vec[2] = {
		{ .iov_base = data, .iov_len = 4 },
		{ .iov_base = data + 4, .iov_len = 4 },
	};
	char *cut = parity_cut_short(data, 1);
	long ret;

	parity_wrong(p, result(lseek(fd, 0, SEEK_SET)), "file/seek-set");
	parity_wrong(p, result(lseek(fd, 0, SEEK_CUR)), "file/seek-current");
	parity_wrong(p, result(lseek(fd, 0, SEEK_END)), "file/seek-end");
	parity_wrong(p, result(read(fd, cut + 1, 4)), "file/read-unmapped");
	parity_wrong(p, result(write(fd, cut + 1, 4)), "file/write-unmapped");
	parity_unmap_page(cut);
	parity_call(p, result(read(fd, data, 4)), NULL, "file/read");
	parity_call(p, result(read(fd, data, 0)), NULL, "file/read-nothing");
	parity_call(p, result(write(fd, data, 0)), NULL,
		    "file/write-nothing");
	ret = result(preadv(fd, vec, 2, config));
	parity_call(p, ret, parity_data(text, data, ret), "file/preadv");
	ret = result(poll(&poll_fd, 1, 0));
	snprintf(text, sizeof(text), "revents=0x%x", poll_fd.revents);
	parity_call(p, ret, text, "file/poll");
	parity_wrong(p, result(fsync(fd)), "file/fsync");
	parity_wrong(p, result(ftruncate(fd, 0)), "file/truncate");
	parity_wrong(p, result(fallocate(fd, 0, 0, 1)), "file/allocate");
}

void parity_wrong_calls(struct parity *p)
{
	unknown_ioctls(p);
	bad_pointers(p);
	read_only_arguments(p);
	bad_buffers(p);
	cut_buffers(p);
	wrong_offsets(p);
	file_calls(p);
}
