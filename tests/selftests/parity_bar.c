// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: BAR, ROM and VGA regions through the device file, and resets.
 */
#define _GNU_SOURCE

#include <string.h>
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
		for (off = 0; off <= 8; off++)
			parity_show(p, BAR0, IGBVF_SCRATCH + off, widths[i],
				    "bar0/read/width-%zu/offset-%zu",
				    widths[i], off);

	parity_show(p, BAR0, IGBVF_SCRATCH, 3, "bar0/read/three-bytes");
	parity_show(p, BAR0, IGBVF_SCRATCH + 1, 7, "bar0/read/seven-bytes");
	parity_show(p, BAR0, IGBVF_SCRATCH, 16, "bar0/read/sixteen-bytes");
	parity_show(p, BAR0, IGBVF_SCRATCH, 32, "bar0/read/all-words");
	parity_show(p, BAR0, IGBVF_SCRATCH, 0, "bar0/read/nothing");
}

static void write_scratch(struct parity *p)
{
	static const unsigned char data[8] = {
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	};
	static const size_t offsets[] = { 0, 1, 2, 3, 4, 6 };
	size_t i, j;
	long ret;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		for (j = 0; j < ARRAY_SIZE(offsets); j++) {
			parity_fill_scratch(p);
			ret = parity_write(p, BAR0, IGBVF_SCRATCH + offsets[j],
					   data, widths[i]);
			parity_call(p, ret, NULL,
				    "bar0/write/width-%zu/offset-%zu",
				    widths[i], offsets[j]);
			parity_show(p, BAR0, IGBVF_SCRATCH, 16,
				    "bar0/write/width-%zu/offset-%zu/after",
				    widths[i], offsets[j]);
		}
	}

	parity_fill_scratch(p);
	parity_call(p, parity_write(p, BAR0, IGBVF_SCRATCH, data, 0), NULL,
		    "bar0/write/nothing");
	parity_show(p, BAR0, IGBVF_SCRATCH, 32, "bar0/write/nothing/after");
}

/* The high half of a ring address takes any value */
static void write_ring_address(struct parity *p, const char *name, __u32 off)
{
	__u32 old = 0;

	parity_read(p, BAR0, off, &old, sizeof(old));
	parity_store(p, BAR0, off, 0x5a5aa5a5, 4, "bar0/%s/write", name);
	parity_show(p, BAR0, off, 4, "bar0/%s/read", name);
	parity_store(p, BAR0, off, 0, 4, "bar0/%s/clear", name);
	parity_show(p, BAR0, off, 4, "bar0/%s/cleared", name);
	parity_write(p, BAR0, off, &old, sizeof(old));
}

static void read_bar_end(struct parity *p, __u32 bar)
{
	__u64 size = p->region[bar].size;
	char data[16];

	parity_show(p, bar, size - 1, 1, "bar%u/end/last-byte", bar);
	parity_show(p, bar, size - 4, 4, "bar%u/end/last-dword", bar);
	parity_show(p, bar, size - 8, 8, "bar%u/end/last-qword", bar);
	parity_show(p, bar, size - 1, 2, "bar%u/end/word-crossing", bar);
	parity_show(p, bar, size - 2, 4, "bar%u/end/dword-crossing", bar);
	parity_show(p, bar, size - 4, 8, "bar%u/end/qword-crossing", bar);
	parity_show(p, bar, size - 3, 16, "bar%u/end/many-crossing", bar);
	parity_show(p, bar, size, 0, "bar%u/end/nothing-beyond", bar);

	memset(data, 0, sizeof(data));
	parity_wrong(p, parity_read(p, bar, size, data, 1),
		     "bar%u/beyond/read-byte", bar);
	parity_wrong(p, parity_read(p, bar, size, data, 4),
		     "bar%u/beyond/read-dword", bar);
	parity_wrong(p, parity_read(p, bar, size + PAGE_4K, data, 4),
		     "bar%u/beyond/read-next-page", bar);
	parity_wrong(p, parity_read(p, bar, (1ull << 40) - 4, data, 4),
		     "bar%u/beyond/read-last-of-region", bar);
	parity_wrong(p, parity_write(p, bar, size, data, 1),
		     "bar%u/beyond/write-byte", bar);
	parity_wrong(p, parity_write(p, bar, size, data, 4),
		     "bar%u/beyond/write-dword", bar);
	parity_wrong(p, parity_write(p, bar, (1ull << 40) - 4, data, 4),
		     "bar%u/beyond/write-last-of-region", bar);
}

/* vfio-pci keeps reads and writes off the MSI-X table */
static void access_msix_table(struct parity *p)
{
	const __u32 bar = p->msix_bar, table = p->msix_table;
	const __u32 end = table + p->msix_vectors * PCI_MSIX_ENTRY_SIZE;
	const __u32 zero[4] = {};
	char data[PAGE_4K], text[PARITY_TEXT_LEN];
	size_t i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		parity_show(p, bar, table, widths[i],
			    "msix-table/read/width-%zu", widths[i]);
		parity_call(p, parity_write(p, bar, table, zero, widths[i]),
			    NULL, "msix-table/write/width-%zu", widths[i]);
		parity_show(p, bar, end - widths[i], widths[i],
			    "msix-table/end/width-%zu", widths[i]);
	}

	parity_show(p, bar, table + 3, 7, "msix-table/read/odd");
	parity_show(p, bar, end - 4, 8, "msix-table/end/crossing-qword");
	parity_show(p, bar, end - 2, 4, "msix-table/end/crossing-dword");
	parity_show(p, bar, end - 1, 2, "msix-table/end/crossing-word");
	parity_show(p, bar, end, 4, "msix-table/behind");
	ret = parity_write(p, bar, table, zero, sizeof(zero));
	parity_call(p, ret, NULL, "msix-table/write/entry");
	parity_show(p, bar, table, 16, "msix-table/read/entry");
	ret = parity_read(p, bar, 0, data, sizeof(data));
	parity_call(p, ret, parity_data(text, data, ret),
		    "msix-table/read/page");
}

static void access_pending_bits(struct parity *p)
{
	__u32 pba = parity_config(p, p->msix_cap + PCI_MSIX_PBA, 4);
	__u32 bar = pba & PCI_MSIX_PBA_BIR;
	__u32 off = pba & PCI_MSIX_PBA_OFFSET;

	if (bar > VFIO_PCI_BAR5_REGION_INDEX)
		return;

	parity_show(p, bar, off, 4, "msix-pba/read/width-4");
	parity_show(p, bar, off, 8, "msix-pba/read/width-8");
	parity_show(p, bar, off, 1, "msix-pba/read/width-1");
}

/* Regions this device does not have */
static void access_absent(struct parity *p)
{
	__u32 val = 0, index;
	size_t i;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		if (index == VFIO_PCI_CONFIG_REGION_INDEX ||
		    p->region[index].size)
			continue;
		for (i = 0; i < ARRAY_SIZE(widths); i++) {
			if (widths[i] > sizeof(val))
				continue;
			parity_wrong(p, parity_read(p, index, 0, &val,
						    widths[i]),
				     "absent/%u/read/width-%zu", index,
				     widths[i]);
		}
		val = 0;
		parity_wrong(p, parity_write(p, index, 0, &val, sizeof(val)),
			     "absent/%u/write", index);
		parity_wrong(p, parity_read(p, index, 0x3c0, &val, 1),
			     "absent/%u/read-vga-port", index);
		parity_call(p, parity_read(p, index, 0, &val, 0), NULL,
			    "absent/%u/read-nothing", index);
	}

	if (!p->region[VFIO_PCI_ROM_REGION_INDEX].size)
		return;

	val = 0;
	parity_show(p, VFIO_PCI_ROM_REGION_INDEX, 0, 64, "rom/read");
	parity_wrong(p, parity_write(p, VFIO_PCI_ROM_REGION_INDEX, 0, &val,
				     sizeof(val)),
		     "rom/write");
}

void parity_bar(struct parity *p)
{
	char data[4 * PAGE_4K];
	__u32 bar;

	read_scratch(p);
	write_scratch(p);
	write_ring_address(p, "rdbah", IGBVF_RDBAH);
	write_ring_address(p, "tdbah", IGBVF_TDBAH);

	for (bar = 0; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
		if (!p->region[bar].size)
			continue;
		read_bar_end(p, bar);

		/* Counters and clocks are among them: compare the length */
		parity_call(p, parity_read(p, bar, 0, data, sizeof(data)),
			    NULL, "bar%u/read/from-start", bar);
	}

	access_msix_table(p);
	access_pending_bits(p);
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
	const __u32 trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
	int fd = parity_eventfd();

	parity_call(p, vfio_client_set_irqs(&p->dev, trigger |
					    VFIO_IRQ_SET_DATA_EVENTFD,
					    VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					    &fd, sizeof(fd)),
		    NULL, "reset/msix/enable");
	parity_call(p, reset(p), NULL, "reset/msix");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX,
		    p->msix_cap + PCI_MSIX_FLAGS, 2, "reset/msix/flags");
	parity_call(p, vfio_client_set_irqs(&p->dev, trigger |
					    VFIO_IRQ_SET_DATA_NONE,
					    VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					    NULL, 0),
		    NULL, "reset/msix/loopback");
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "reset/msix/eventfd-count");
	parity_call(p, vfio_client_set_irqs(&p->dev, trigger |
					    VFIO_IRQ_SET_DATA_NONE,
					    VFIO_PCI_MSIX_IRQ_INDEX, 0, 0,
					    NULL, 0),
		    NULL, "reset/msix/disable");
	close(fd);
}

void parity_reset(struct parity *p)
{
	const __u32 config = VFIO_PCI_CONFIG_REGION_INDEX;
	__u32 command = parity_config(p, PCI_COMMAND, 2);
	__u32 line = parity_config(p, PCI_INTERRUPT_LINE, 1);
	__u32 rdbah = 0;
	void *map;
	int ret;

	ret = vfio_client_region_mmap(&p->dev, &p->region[BAR0],
				      p->region[BAR0].size, 0, &map);
	parity_call(p, ret, NULL, "reset/mmap");

	parity_read(p, BAR0, IGBVF_RDBAH, &rdbah, sizeof(rdbah));
	parity_fill_scratch(p);
	parity_store(p, config, PCI_COMMAND, command | PCI_COMMAND_MASTER, 2,
		     "reset/before/command");
	parity_store(p, config, PCI_INTERRUPT_LINE, 0x5a, 1,
		     "reset/before/interrupt-line");
	parity_store(p, BAR0, IGBVF_RDBAH, 0x5a5aa5a5, 4,
		     "reset/before/rdbah");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "reset/before/scratch");
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "reset/before/mapped");

	parity_call(p, reset(p), NULL, "reset");

	parity_show(p, config, PCI_COMMAND, 2, "reset/after/command");
	parity_show(p, config, PCI_INTERRUPT_LINE, 1,
		    "reset/after/interrupt-line");
	parity_show(p, BAR0, IGBVF_RDBAH, 4, "reset/after/rdbah");
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
	parity_store(p, BAR0, IGBVF_RDBAH, rdbah, 4, "reset/restore/rdbah");

	reset_with_msix(p);
}
