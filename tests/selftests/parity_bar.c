// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: regions through the device file, and resets.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

static const size_t widths[] = { 1, 2, 4, 8 };

static void read_scratch(struct parity *p)
{
	size_t i, off;

	parity_fill_scratch(p);
	for (i = 0; i < ARRAY_SIZE(widths); i++)
		for (off = 0; off <= 1; off++)
			parity_show(p, BAR0, IGBVF_SCRATCH + off, widths[i],
				    "bar0/read/width-%zu/offset-%zu",
				    widths[i], off);

	parity_show(p, BAR0, IGBVF_SCRATCH, 0, "bar0/read/nothing");
	parity_show(p, BAR0, IGBVF_SCRATCH, 32, "bar0/read/all-words");
}

static void write_scratch(struct parity *p)
{
	static const unsigned char data[8] = {
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	};
	size_t i, off;
	long ret;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		for (off = 0; off <= 1; off++) {
			parity_fill_scratch(p);
			ret = parity_write(p, BAR0, IGBVF_SCRATCH + off, data,
					   widths[i]);
			parity_call(p, ret, NULL,
				    "bar0/write/width-%zu/offset-%zu",
				    widths[i], off);
			parity_show(p, BAR0, IGBVF_SCRATCH, 16,
				    "bar0/write/width-%zu/offset-%zu/after",
				    widths[i], off);
		}
	}

	parity_call(p, parity_write(p, BAR0, IGBVF_SCRATCH, data, 0), NULL,
		    "bar0/write/nothing");
}

static void access_bar_end(struct parity *p, __u32 bar)
{
	__u64 size = p->region[bar].size;
	__u32 val = 0;

	parity_show(p, bar, size - 4, 4, "bar%u/end/last-dword", bar);
	parity_show(p, bar, size - 2, 4, "bar%u/end/dword-crossing", bar);
	parity_wrong(p, parity_read(p, bar, size, &val, 4),
		     "bar%u/beyond/read", bar);
	val = 0;
	parity_wrong(p, parity_write(p, bar, size, &val, 4),
		     "bar%u/beyond/write", bar);
	parity_wrong(p, parity_read(p, bar, (1ull << 40) - 4, &val, 4),
		     "bar%u/beyond/read-last-of-region", bar);
}

/* vfio-pci keeps reads and writes off the MSI-X table */
static void access_msix_table(struct parity *p)
{
	const __u32 bar = p->msix_bar, table = p->msix_table;
	const __u32 end = table + p->msix_vectors * PCI_MSIX_ENTRY_SIZE;
	const __u32 zero[4] = {};

	parity_call(p, parity_write(p, bar, table, zero, sizeof(zero)), NULL,
		    "msix-table/write/entry");
	parity_show(p, bar, table, 16, "msix-table/read/entry");
	parity_show(p, bar, end - 4, 8, "msix-table/read/crossing-end");
}

/* Regions that the device does not have */
static void access_absent(struct parity *p)
{
	__u32 val, index;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		if (index == VFIO_PCI_CONFIG_REGION_INDEX ||
		    p->region[index].size)
			continue;
		parity_wrong(p, parity_read(p, index, 0, &val, sizeof(val)),
			     "absent/%u/read", index);
		val = 0;
		parity_wrong(p, parity_write(p, index, 0, &val, sizeof(val)),
			     "absent/%u/write", index);
	}
}

void parity_bar(struct parity *p)
{
	__u32 bar;

	read_scratch(p);
	write_scratch(p);
	for (bar = 0; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++)
		if (p->region[bar].size)
			access_bar_end(p, bar);

	access_msix_table(p);
	access_absent(p);
}

/*
 * With memory decoding off. It has no effect on a virtual function, whose
 * memory space is switched in the physical one.
 */
void parity_decode(struct parity *p)
{
	const __u32 command = parity_config(p, PCI_COMMAND, 2);
	void *map;
	int ret;

	ret = vfio_client_region_mmap(&p->dev, &p->region[BAR0],
				      p->region[BAR0].size, 0, &map);
	parity_call(p, ret, NULL, "decode/mmap");
	parity_fill_scratch(p);
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH, "decode/on/mapped");

	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
		     command & ~PCI_COMMAND_MEMORY, 2, "decode/off");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "decode/off/read");
	parity_store(p, BAR0, IGBVF_SCRATCH, 0x11223344, 4,
		     "decode/off/write");
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "decode/off/mapped");

	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
		     command | PCI_COMMAND_MEMORY, 2, "decode/on-again");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "decode/on-again/read");
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "decode/on-again/mapped");

	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 2,
		     "decode/restore");
	if (!ret)
		munmap(map, p->region[BAR0].size);
}

static int reset(struct parity *p)
{
	return vfio_client_ioctl(p->dev.device_fd, VFIO_DEVICE_RESET, NULL);
}

/* An interrupt that is set up stays set up across a reset */
static void reset_with_msix(struct parity *p)
{
	int fd = parity_eventfd();

	parity_call(p, parity_set_fd(p, VFIO_PCI_MSIX_IRQ_INDEX, fd), NULL,
		    "reset/msix/enable");
	parity_call(p, reset(p), NULL, "reset/msix");
	parity_call(p, parity_trigger(p, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1), NULL,
		    "reset/msix/loopback");
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "reset/msix/eventfd-count");
	parity_call(p, parity_trigger(p, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0), NULL,
		    "reset/msix/disable");
	close(fd);
}

void parity_reset(struct parity *p)
{
	const __u32 config = VFIO_PCI_CONFIG_REGION_INDEX;
	__u32 command = parity_config(p, PCI_COMMAND, 2);
	__u32 line = parity_config(p, PCI_INTERRUPT_LINE, 1);
	__u32 txdctl = 0;
	void *map;
	int ret;

	ret = vfio_client_region_mmap(&p->dev, &p->region[BAR0],
				      p->region[BAR0].size, 0, &map);
	parity_call(p, ret, NULL, "reset/mmap");

	parity_read(p, BAR0, IGBVF_TXDCTL, &txdctl, sizeof(txdctl));
	parity_fill_scratch(p);
	parity_store(p, config, PCI_COMMAND, command | PCI_COMMAND_MASTER, 2,
		     "reset/before/command");
	parity_store(p, config, PCI_INTERRUPT_LINE, 0x5a, 1,
		     "reset/before/interrupt-line");
	parity_store(p, BAR0, IGBVF_TXDCTL, txdctl | IGBVF_QUEUE_ENABLE, 4,
		     "reset/before/enable");
	parity_show(p, BAR0, IGBVF_TXDCTL, 4, "reset/before/txdctl");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "reset/before/scratch");
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "reset/before/mapped");

	parity_call(p, reset(p), NULL, "reset");

	parity_show(p, config, PCI_COMMAND, 2, "reset/after/command");
	parity_show(p, config, PCI_INTERRUPT_LINE, 1,
		    "reset/after/interrupt-line");
	parity_show(p, BAR0, IGBVF_TXDCTL, 4, "reset/after/txdctl");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "reset/after/scratch");
	if (!ret) {
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "reset/after/mapped");
		munmap(map, p->region[BAR0].size);
	}
	parity_config_hash(p, "reset");

	parity_store(p, config, PCI_COMMAND, command, 2,
		     "reset/restore/command");
	parity_store(p, config, PCI_INTERRUPT_LINE, line, 1,
		     "reset/restore/interrupt-line");
	parity_store(p, BAR0, IGBVF_TXDCTL, txdctl, 4, "reset/restore/txdctl");

	reset_with_msix(p);
}
