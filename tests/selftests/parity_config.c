// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: configuration space.
 */
#define _GNU_SOURCE

#include <linux/pci_regs.h>

#include "parity.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static __u32 config_size(const struct parity *p)
{
	__u64 size = p->region[CONFIG].size;

	return size < PCI_CFG_SPACE_EXP_SIZE ? size : PCI_CFG_SPACE_EXP_SIZE;
}

/* All of it, in accesses of one width */
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

/* Accesses that are odd, but allowed, and those that are not */
void parity_config_access(struct parity *p)
{
	static const struct {
		__u32 off;
		size_t len;
	} reads[] = {
		{ 0x00, 0 }, { 0x00, 3 }, { 0x00, 4 }, { 0x00, 8 },
		{ 0x01, 2 }, { 0x01, 4 }, { 0x01, 4095 }, { 0x02, 8 },
		{ 0x04, 2 }, { 0x10, 4 }, { 0x3d, 5 }, { 0xff, 2 },
	};
	const __u32 size = config_size(p);
	const struct {
		const char *name;
		__u64 off;
	} beyond[] = {
		{ "first-dword", size },
		{ "dword-crossing", size - 2 },
		{ "last-of-region", (1ull << 40) - 4 },
	};
	char data[4] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reads); i++)
		parity_show(p, CONFIG, reads[i].off, reads[i].len,
			    "config/read/%02x+%zu", reads[i].off,
			    reads[i].len);

	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		parity_wrong(p, parity_read(p, CONFIG, beyond[i].off, data,
					    sizeof(data)),
			     "config/read/beyond/%s", beyond[i].name);
		parity_wrong(p, parity_write(p, CONFIG, beyond[i].off, data,
					     sizeof(data)),
			     "config/write/beyond/%s", beyond[i].name);
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

/* The reset of the function: the bit reads 0 once it is done */
static void reset_function(struct parity *p)
{
	const __u32 bar0 = VFIO_PCI_BAR0_REGION_INDEX;
	__u32 off = p->exp_cap + PCI_EXP_DEVCTL;

	if (!p->exp_cap) {
		parity_text(p, "absent", "config/flr");
		return;
	}

	parity_store(p, bar0, IGBVF_TXDCTL, IGBVF_QUEUE_ENABLE, 4,
		     "config/flr/enable");
	parity_show(p, bar0, IGBVF_TXDCTL, 4, "config/flr/before");
	parity_store(p, CONFIG, off,
		     parity_config(p, off, 2) | PCI_EXP_DEVCTL_BCR_FLR, 2,
		     "config/flr/write");
	parity_show(p, CONFIG, off, 2, "config/flr/read");
	parity_show(p, CONFIG, PCI_COMMAND, 2, "config/flr/command");
	parity_show(p, bar0, IGBVF_TXDCTL, 4, "config/flr/after");
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
}

void parity_config_write(struct parity *p)
{
	const __u32 command = parity_config(p, PCI_COMMAND, 2);

	write_and_restore(p, "ids", PCI_VENDOR_ID, 4, ~0u);
	write_and_restore(p, "command/memory", PCI_COMMAND, 2,
			  command ^ PCI_COMMAND_MEMORY);
	write_and_restore(p, "command/master", PCI_COMMAND, 2,
			  command ^ PCI_COMMAND_MASTER);
	write_and_restore(p, "command/high-byte", PCI_COMMAND + 1, 1,
			  (command ^ PCI_COMMAND_INTX_DISABLE) >> 8);
	write_and_restore(p, "bar0/size", PCI_BASE_ADDRESS_0, 4, ~0u);
	write_and_restore(p, "bar0/across", PCI_BASE_ADDRESS_0 + 2, 4, ~0u);
	write_and_restore(p, "rom/size", PCI_ROM_ADDRESS, 4, ~0u);
	write_and_restore(p, "interrupt-line-and-pin", PCI_INTERRUPT_LINE, 2,
			  0x0233);
	write_and_restore(p, "msix-flags", p->msix_cap + PCI_MSIX_FLAGS, 2,
			  0xffff);
	reset_function(p);
	write_power(p);
	parity_config_hash(p, "written");
}
