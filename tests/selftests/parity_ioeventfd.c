// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: writes to a register that an eventfd triggers.
 */
#define _GNU_SOURCE

#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define WIDTHS (VFIO_DEVICE_IOEVENTFD_8 | VFIO_DEVICE_IOEVENTFD_16 | \
		VFIO_DEVICE_IOEVENTFD_32 | VFIO_DEVICE_IOEVENTFD_64)

static int set_ioeventfd(struct parity *p, __u32 flags, __u64 offset,
			 __u64 data, int fd)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = flags,
		.offset = offset,
		.data = data,
		.fd = fd,
	};

	return vfio_client_ioctl(p->dev.device_fd, VFIO_DEVICE_IOEVENTFD,
				 &ioeventfd);
}

/* Trigger it once while it is set, once after it has been removed */
static void trigger_write(struct parity *p, __u32 width)
{
	__u64 offset = p->region[BAR0].offset + IGBVF_SCRATCH + 8;
	__u64 data = 0xb7b6b5b4b3b2b1b0ull;
	int fd = parity_eventfd();
	unsigned int bits;

	/* The flag of a width is that width in bytes */
	bits = width * 8;
	if (width < sizeof(data))
		data &= (1ull << bits) - 1;

	parity_fill_scratch(p);
	parity_call(p, set_ioeventfd(p, width, offset, data, fd), NULL,
		    "ioeventfd/width-%u/set", width);
	parity_wrong(p, set_ioeventfd(p, width, offset, data, fd),
		     "ioeventfd/width-%u/set-again", width);
	parity_call(p, eventfd_write(fd, 1), NULL, "ioeventfd/width-%u/signal",
		    width);
	parity_show(p, BAR0, IGBVF_SCRATCH, 32, "ioeventfd/width-%u/after",
		    width);
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "ioeventfd/width-%u/count", width);

	parity_fill_scratch(p);
	parity_call(p, set_ioeventfd(p, width, offset, data, -1), NULL,
		    "ioeventfd/width-%u/remove", width);
	parity_wrong(p, set_ioeventfd(p, width, offset, data, -1),
		     "ioeventfd/width-%u/remove-again", width);
	parity_call(p, eventfd_write(fd, 1), NULL,
		    "ioeventfd/width-%u/removed-signal", width);
	parity_show(p, BAR0, IGBVF_SCRATCH, 32,
		    "ioeventfd/width-%u/removed-after", width);
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "ioeventfd/width-%u/removed-count", width);
	close(fd);
}

/* An eventfd that was signalled before writes as soon as it is set */
static void set_signalled(struct parity *p)
{
	__u64 offset = p->region[BAR0].offset + IGBVF_SCRATCH;
	int fd = parity_eventfd();

	parity_fill_scratch(p);
	parity_call(p, eventfd_write(fd, 1), NULL,
		    "ioeventfd/signalled/signal");
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset,
				     0x600dcafe, fd),
		    NULL, "ioeventfd/signalled/set");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "ioeventfd/signalled/after");
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset,
				     0x600dcafe, -1),
		    NULL, "ioeventfd/signalled/remove");
	close(fd);
}

/* Two values at one offset are two ioeventfds */
static void set_two(struct parity *p)
{
	__u64 offset = p->region[BAR0].offset + IGBVF_SCRATCH;
	int first = parity_eventfd(), second = parity_eventfd();

	parity_fill_scratch(p);
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset, 1,
				     first),
		    NULL, "ioeventfd/two/first");
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset, 2,
				     second),
		    NULL, "ioeventfd/two/second");
	eventfd_write(second, 1);
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "ioeventfd/two/second-after");
	eventfd_write(first, 1);
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "ioeventfd/two/first-after");

	/* Closing an eventfd removes what is set up on it, in its own time */
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset, 1,
				     -1),
		    NULL, "ioeventfd/two/remove-first");
	parity_call(p, set_ioeventfd(p, VFIO_DEVICE_IOEVENTFD_32, offset, 2,
				     -1),
		    NULL, "ioeventfd/two/remove-second");
	close(first);
	close(second);
}

static void set_wrong(struct parity *p)
{
	const __u64 bar0 = p->region[BAR0].offset;
	const __u64 end = bar0 + p->region[BAR0].size;
	const __u64 table = p->region[p->msix_bar].offset + p->msix_table;
	const __u64 table_end = table +
				p->msix_vectors * PCI_MSIX_ENTRY_SIZE;
	const int fd = parity_eventfd();
	const struct {
		const char *name;
		__u32 flags;
		__u64 offset;
		int fd;
	} wrong[] = {
		{ "no-width", 0, bar0 + IGBVF_SCRATCH, fd },
		{ "two-widths", VFIO_DEVICE_IOEVENTFD_8 |
		  VFIO_DEVICE_IOEVENTFD_32, bar0 + IGBVF_SCRATCH, fd },
		{ "all-widths", WIDTHS, bar0 + IGBVF_SCRATCH, fd },
		{ "unknown-flag", VFIO_DEVICE_IOEVENTFD_32 | 1u << 4,
		  bar0 + IGBVF_SCRATCH, fd },
		{ "last-flag", VFIO_DEVICE_IOEVENTFD_32 | 1u << 31,
		  bar0 + IGBVF_SCRATCH, fd },
		{ "bad-fd", 4, bar0 + IGBVF_SCRATCH, p->bad_fd },
		{ "no-eventfd", 4, bar0 + IGBVF_SCRATCH, p->null_fd },
		{ "device-fd", 4, bar0 + IGBVF_SCRATCH, p->dev.device_fd },
		{ "minus-two", 4, bar0 + IGBVF_SCRATCH, -2 },
		{ "remove-unset", 4, bar0 + IGBVF_SCRATCH, -1 },
		{ "end-crossing-word", 2, end - 1, fd },
		{ "end-crossing-dword", 4, end - 2, fd },
		{ "end-crossing-qword", 8, end - 4, fd },
		{ "beyond-end", 1, end, fd },
		{ "last-of-region", 4, bar0 + (1ull << 40) - 4, fd },
		{ "msix-table", 4, table, fd },
		{ "msix-table-byte", 1, table + 3, fd },
		{ "msix-table-last", 4, table_end - 4, fd },
		{ "msix-table-crossing", 4, table_end - 2, fd },
		{ "config", 4, p->region[VFIO_PCI_CONFIG_REGION_INDEX].offset +
		  PCI_INTERRUPT_LINE, fd },
		{ "rom", 4, p->region[VFIO_PCI_ROM_REGION_INDEX].offset, fd },
		{ "vga", 4, p->region[VFIO_PCI_VGA_REGION_INDEX].offset, fd },
		{ "absent-bar", 4, p->region[VFIO_PCI_BAR2_REGION_INDEX].offset,
		  fd },
		{ "index-beyond", 4, (__u64)VFIO_PCI_NUM_REGIONS << 40, fd },
	};
	struct vfio_device_ioeventfd ioeventfd = {
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = bar0 + IGBVF_SCRATCH,
		.fd = fd,
	};
	void *cut;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		parity_wrong(p, set_ioeventfd(p, wrong[i].flags,
					      wrong[i].offset, 0,
					      wrong[i].fd),
			     "ioeventfd/wrong/%s", wrong[i].name);

	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_IOEVENTFD, &ioeventfd),
		     "ioeventfd/wrong/argsz-zero");
	ioeventfd.argsz = offsetof(struct vfio_device_ioeventfd, fd);
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_IOEVENTFD, &ioeventfd),
		     "ioeventfd/wrong/argsz-short");
	ioeventfd.argsz = sizeof(ioeventfd);
	cut = parity_cut_short(&ioeventfd, ioeventfd.argsz - 8);
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_IOEVENTFD, cut),
		     "ioeventfd/wrong/cut-short");
	parity_unmap_page(cut);
	close(fd);
}

/* Whether an odd offset is refused is up to the driver */
static void set_unaligned(struct parity *p)
{
	__u64 offset = p->region[BAR0].offset + IGBVF_SCRATCH;
	int fd = parity_eventfd();
	__u32 width;
	int ret;

	for (width = 2; width <= 4; width *= 2) {
		ret = set_ioeventfd(p, width, offset + 1, 0, fd);
		parity_call(p, ret, NULL, "ioeventfd/unaligned/width-%u/set",
			    width);
		ret = set_ioeventfd(p, width, offset + 1, 0, -1);
		parity_call(p, ret, NULL,
			    "ioeventfd/unaligned/width-%u/remove", width);
	}
	close(fd);
}

void parity_ioeventfd(struct parity *p)
{
	__u32 width;

	for (width = 1; width <= 8; width *= 2)
		trigger_write(p, width);

	set_signalled(p);
	set_two(p);
	set_wrong(p);
	set_unaligned(p);
}
