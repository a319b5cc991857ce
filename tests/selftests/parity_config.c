// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: configuration space.
 */
#define _GNU_SOURCE

#include <linux/pci_regs.h>

#include "parity.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

/* Dwords shown of each extended capability */
#define EXT_CAP_DWORDS 16

static __u32 config_size(const struct parity *p)
{
	__u64 size = p->region[CONFIG].size;

	return size < PCI_CFG_SPACE_EXP_SIZE ? size : PCI_CFG_SPACE_EXP_SIZE;
}

/* Read everything in accesses of one width */
static void hash_config(struct parity *p, size_t width, const char *when)
{
	char data[PCI_CFG_SPACE_EXP_SIZE], text[PARITY_TEXT_LEN];
	__u32 size = config_size(p), off;
	long ret, done = 0;

	for (off = 0; off + width <= size; off += width) {
		ret = parity_read(p, CONFIG, off, data + off, width);
		if (ret < 0) {
			parity_call(p, ret, NULL, "config/%s/hash/width-%zu",
				    when, width);
			return;
		}
		done += ret;
	}

	parity_call(p, done, parity_data(text, data, done),
		    "config/%s/hash/width-%zu", when, width);
}

void parity_config_hash(struct parity *p, const char *when)
{
	hash_config(p, 1, when);
	hash_config(p, 2, when);
	hash_config(p, 4, when);
	parity_show(p, CONFIG, 0, config_size(p), "config/%s/hash/at-once",
		    when);
}

static void show_cap_chain(struct parity *p)
{
	__u32 pos = parity_config(p, PCI_CAPABILITY_LIST, 1);
	unsigned int nr;

	for (nr = 0; pos >= PCI_STD_HEADER_SIZEOF && nr < 48; nr++) {
		parity_show(p, CONFIG, pos, 2, "config/cap/%u@%02x", nr, pos);
		pos = parity_config(p, pos + PCI_CAP_LIST_NEXT, 1);
	}
}

/* The dwords of an extended capability, up to where the next one starts */
static void show_ext_cap(struct parity *p, unsigned int nr, __u32 pos,
			 __u32 next)
{
	__u32 size = config_size(p), off;
	unsigned int i;

	for (i = 0; i < EXT_CAP_DWORDS; i++) {
		off = pos + i * 4;
		if (off >= size || (next > pos && off >= next))
			break;
		parity_show(p, CONFIG, off, 4, "config/ext-cap/%u@%03x/%02x",
			    nr, pos, i * 4);
	}
}

static void show_ext_cap_chain(struct parity *p)
{
	__u32 pos = PCI_CFG_SPACE_SIZE, header, next;
	unsigned int nr;

	for (nr = 0; pos >= PCI_CFG_SPACE_SIZE && nr < 64; nr++) {
		if (pos >= config_size(p))
			break;
		header = parity_config(p, pos, 4);
		next = PCI_EXT_CAP_NEXT(header);
		show_ext_cap(p, nr, pos, next);
		pos = next;
	}
}

void parity_config_read(struct parity *p)
{
	__u32 off;

	for (off = 0; off < PCI_CFG_SPACE_SIZE; off += 4)
		parity_show(p, CONFIG, off, 4, "config/dword/%02x", off);

	show_cap_chain(p);
	show_ext_cap_chain(p);
}

/* Accesses that are odd, but allowed, and those that are not */
void parity_config_access(struct parity *p)
{
	static const struct {
		__u32 off;
		size_t len;
	} reads[] = {
		{ 0x00, 0 }, { 0x00, 3 }, { 0x00, 5 }, { 0x00, 8 },
		{ 0x00, 16 }, { 0x01, 1 }, { 0x01, 2 }, { 0x01, 3 },
		{ 0x01, 4 }, { 0x01, 7 }, { 0x02, 4 }, { 0x02, 8 },
		{ 0x03, 1 }, { 0x03, 2 }, { 0x04, 8 }, { 0x06, 2 },
		{ 0x0e, 4 }, { 0x11, 2 }, { 0x13, 4 }, { 0x33, 13 },
		{ 0x38, 16 }, { 0x3d, 5 }, { 0x3f, 2 }, { 0x6e, 4 },
		{ 0x6f, 16 }, { 0x7a, 8 }, { 0x9f, 2 }, { 0xfe, 4 },
		{ 0xff, 2 }, { 0xff, 1 }, { 0xf1, 15 }, { 0x80, 255 },
		{ 0x00, 64 }, { 0x00, 256 }, { 0x01, 4095 },
	};
	const __u32 size = config_size(p);
	const struct {
		const char *name;
		__u64 off;
		size_t len;
	} beyond[] = {
		{ "first-byte", size, 1 },
		{ "first-dword", size, 4 },
		{ "dword-crossing", size - 2, 4 },
		{ "qword-crossing", size - 4, 8 },
		{ "word-crossing", size - 1, 2 },
		{ "all-and-one", 0, size + 1 },
		{ "all-from-four", 4, size },
		{ "next-page", size + PAGE_4K, 4 },
		{ "last-of-region", (1ull << 40) - 4, 4 },
		{ "last-byte-of-region", (1ull << 40) - 1, 1 },
	};
	char data[2 * PAGE_4K] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reads); i++)
		parity_show(p, CONFIG, reads[i].off, reads[i].len,
			    "config/read/%02x+%zu", reads[i].off,
			    reads[i].len);

	parity_show(p, CONFIG, size - 1, 1, "config/read/last-byte");
	parity_show(p, CONFIG, size - 4, 4, "config/read/last-dword");
	parity_show(p, CONFIG, size, 0, "config/read/nothing-beyond");

	for (i = 0; i < ARRAY_SIZE(beyond); i++)
		parity_wrong(p, parity_read(p, CONFIG, beyond[i].off, data,
					    beyond[i].len),
			     "config/read/beyond/%s", beyond[i].name);

	/* Not the long ones, lest a driver at fault clears all registers */
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		if (beyond[i].len > 8)
			continue;
		parity_wrong(p, parity_write(p, CONFIG, beyond[i].off, data,
					     beyond[i].len),
			     "config/write/beyond/%s", beyond[i].name);
	}
}

/* Write all ones where nothing can be written */
static void write_read_only(struct parity *p)
{
	const struct {
		const char *name;
		__u32 off;
		size_t len;
	} read_only[] = {
		{ "vendor-id", PCI_VENDOR_ID, 2 },
		{ "device-id", PCI_DEVICE_ID, 2 },
		{ "ids", PCI_VENDOR_ID, 4 },
		{ "status", PCI_STATUS, 2 },
		{ "revision", PCI_REVISION_ID, 1 },
		{ "class", PCI_CLASS_DEVICE, 2 },
		{ "class-and-revision", PCI_CLASS_REVISION, 4 },
		{ "header-type", PCI_HEADER_TYPE, 1 },
		{ "cardbus-cis", PCI_CARDBUS_CIS, 4 },
		{ "subsystem-vendor-id", PCI_SUBSYSTEM_VENDOR_ID, 2 },
		{ "subsystem-id", PCI_SUBSYSTEM_ID, 2 },
		{ "capabilities-pointer", PCI_CAPABILITY_LIST, 1 },
		{ "interrupt-pin", PCI_INTERRUPT_PIN, 1 },
		{ "min-gnt", PCI_MIN_GNT, 1 },
		{ "max-lat", PCI_MAX_LAT, 1 },
		{ "msix-header", p->msix_cap, 2 },
		{ "msix-flags", p->msix_cap + PCI_MSIX_FLAGS, 2 },
		{ "msix-table", p->msix_cap + PCI_MSIX_TABLE, 4 },
		{ "msix-pba", p->msix_cap + PCI_MSIX_PBA, 4 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(read_only); i++) {
		parity_store(p, CONFIG, read_only[i].off, ~0u,
			     read_only[i].len, "config/read-only/%s/write",
			     read_only[i].name);
		parity_show(p, CONFIG, read_only[i].off, read_only[i].len,
			    "config/read-only/%s/read", read_only[i].name);
	}
}

/* Write a register, read it, write the old value back and read that */
static void write_and_restore(struct parity *p, const char *name, __u32 off,
			      size_t len, __u32 val)
{
	__u32 old = parity_config(p, off, len);

	parity_store(p, CONFIG, off, val, len, "config/%s/write", name);
	parity_show(p, CONFIG, off, len, "config/%s/read", name);
	parity_store(p, CONFIG, off, old, len, "config/%s/restore", name);
	parity_show(p, CONFIG, off, len, "config/%s/restored", name);
}

static void write_command(struct parity *p)
{
	const __u32 old = parity_config(p, PCI_COMMAND, 2);
	const struct {
		const char *name;
		__u32 set;
		__u32 clear;
	} steps[] = {
		{ "memory-off", 0, PCI_COMMAND_MEMORY },
		{ "memory-on", PCI_COMMAND_MEMORY, 0 },
		{ "master-on", PCI_COMMAND_MASTER, 0 },
		{ "master-off", 0, PCI_COMMAND_MASTER },
		{ "io-on", PCI_COMMAND_IO, 0 },
		{ "io-off", 0, PCI_COMMAND_IO },
		{ "intx-disable-on", PCI_COMMAND_INTX_DISABLE, 0 },
		{ "intx-disable-off", 0, PCI_COMMAND_INTX_DISABLE },
		{ "parity-on", PCI_COMMAND_PARITY, 0 },
		{ "serr-on", PCI_COMMAND_SERR, 0 },
		{ "all-off", 0, 0xffff },
		{ "unchanged", 0, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		parity_store(p, CONFIG, PCI_COMMAND,
			     (old | steps[i].set) & ~steps[i].clear, 2,
			     "config/command/%s/write", steps[i].name);
		parity_show(p, CONFIG, PCI_COMMAND, 2,
			    "config/command/%s/read", steps[i].name);
	}

	write_and_restore(p, "command/low-byte", PCI_COMMAND, 1,
			  (old ^ PCI_COMMAND_MEMORY) & 0xff);
	write_and_restore(p, "command/high-byte", PCI_COMMAND + 1, 1,
			  (old ^ PCI_COMMAND_INTX_DISABLE) >> 8);
	write_and_restore(p, "command/with-status", PCI_COMMAND, 4,
			  old | PCI_COMMAND_MASTER | 0xffff0000);
}

/* A driver sizes a BAR by writing all ones to it */
static void size_bars(struct parity *p)
{
	char name[32];
	__u32 off;

	for (off = PCI_BASE_ADDRESS_0; off <= PCI_BASE_ADDRESS_5; off += 4) {
		snprintf(name, sizeof(name), "bar%u/size",
			 (off - PCI_BASE_ADDRESS_0) / 4);
		write_and_restore(p, name, off, 4, ~0u);
	}
	write_and_restore(p, "rom/size", PCI_ROM_ADDRESS, 4, ~0u);
	write_and_restore(p, "rom/size-disabled", PCI_ROM_ADDRESS, 4,
			  ~(__u32)PCI_ROM_ADDRESS_ENABLE);

	write_and_restore(p, "bar0/address", PCI_BASE_ADDRESS_0, 4,
			  0xfebd1234);
	write_and_restore(p, "bar0/address-high", PCI_BASE_ADDRESS_1, 4,
			  0x00000012);
	write_and_restore(p, "bar0/byte", PCI_BASE_ADDRESS_0 + 3, 1, 0xfe);
	write_and_restore(p, "bar0/word", PCI_BASE_ADDRESS_0 + 2, 2, 0xfeb0);
	write_and_restore(p, "bar0/odd-word", PCI_BASE_ADDRESS_0 + 1, 2,
			  0xffff);
	write_and_restore(p, "bar0/across", PCI_BASE_ADDRESS_0 + 2, 4, ~0u);
}

static void write_pcie(struct parity *p)
{
	__u32 off = p->exp_cap + PCI_EXP_DEVCTL, control;

	if (!p->exp_cap) {
		parity_text(p, "absent", "config/pcie");
		return;
	}

	control = parity_config(p, off, 2);
	write_and_restore(p, "pcie/payload", off, 2,
			  control ^ (PCI_EXP_DEVCTL_PAYLOAD & 0x0020));
	write_and_restore(p, "pcie/header", p->exp_cap, 2, 0xffff);
	write_and_restore(p, "pcie/capabilities", p->exp_cap + PCI_EXP_DEVCAP,
			  4, ~0u);

	/* The reset of the function: the bit reads 0 once it is done */
	parity_fill_scratch(p);
	parity_store(p, CONFIG, off, control | PCI_EXP_DEVCTL_BCR_FLR, 2,
		     "config/pcie/flr/write");
	parity_show(p, CONFIG, off, 2, "config/pcie/flr/read");
	parity_show(p, CONFIG, PCI_COMMAND, 2, "config/pcie/flr/command");
	parity_show(p, VFIO_PCI_BAR0_REGION_INDEX, IGBVF_SCRATCH, 4,
		    "config/pcie/flr/scratch");
}

static void write_ext_cap(struct parity *p)
{
	const __u32 off = PCI_CFG_SPACE_SIZE;
	__u32 mask;

	if (PCI_EXT_CAP_ID(parity_config(p, off, 4)) != PCI_EXT_CAP_ID_ERR) {
		parity_text(p, "absent", "config/aer");
		return;
	}

	write_and_restore(p, "aer/header", off, 4, ~0u);
	write_and_restore(p, "aer/header-byte", off + 3, 1, 0xff);
	mask = parity_config(p, off + PCI_ERR_UNCOR_MASK, 4);
	write_and_restore(p, "aer/uncorrectable-mask",
			  off + PCI_ERR_UNCOR_MASK, 4,
			  mask ^ PCI_ERR_UNC_UNSUP);
	write_and_restore(p, "aer/header-log", off + PCI_ERR_HEADER_LOG, 4,
			  ~0u);
}

static void set_power_state(struct parity *p, const char *name, __u32 state)
{
	__u32 off = p->pm_cap + PCI_PM_CTRL;
	__u32 control = parity_config(p, off, 2);

	/* Writing back a pending PME would acknowledge it */
	control &= ~(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS);
	parity_store(p, CONFIG, off, control | state, 2,
		     "config/power/%s/write", name);
	parity_show(p, CONFIG, off, 2, "config/power/%s/read", name);
	parity_show(p, CONFIG, PCI_VENDOR_ID, 4, "config/power/%s/ids", name);
	parity_show(p, VFIO_PCI_BAR0_REGION_INDEX, IGBVF_SCRATCH, 4,
		    "config/power/%s/scratch", name);
}

static void write_power(struct parity *p)
{
	if (!p->pm_cap) {
		parity_text(p, "absent", "config/power");
		return;
	}

	parity_fill_scratch(p);
	set_power_state(p, "d3hot", 3);
	set_power_state(p, "d0", 0);
	set_power_state(p, "d1", 1);
	set_power_state(p, "d0-again", 0);
	write_and_restore(p, "power/capabilities", p->pm_cap + PCI_PM_PMC, 2,
			  0xffff);
}

void parity_config_write(struct parity *p)
{
	write_read_only(p);
	write_command(p);
	size_bars(p);
	write_and_restore(p, "cache-line-size", PCI_CACHE_LINE_SIZE, 1, 0x20);
	write_and_restore(p, "latency-timer", PCI_LATENCY_TIMER, 1, 0xa0);
	write_and_restore(p, "interrupt-line", PCI_INTERRUPT_LINE, 1, 0x5a);
	write_and_restore(p, "interrupt-line-and-pin", PCI_INTERRUPT_LINE, 2,
			  0x0233);
	write_and_restore(p, "interrupt-dword", PCI_INTERRUPT_LINE, 4,
			  0x12345678);
	write_pcie(p);
	write_ext_cap(p);
	write_power(p);
	parity_config_hash(p, "written");
}
