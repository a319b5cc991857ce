// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_demo: pages that can be trapped, and counts of accesses to them.
 */

#include <linux/bits.h>
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/linux/vfio.h>

#include "demo.h"

#define RX_PAGE		0x2000
#define TX_PAGE		0x3000
#define TRAP_PAGE_SIZE	0x1000

#define QUEUE_ENABLE	BIT(25)

#define REG(number, start, what) \
	{ .queue = (number), .offset = (start), .width = 4, .kind = VFIO_MEDIATE_##what }
#define ENABLE_REG(number, start) \
	{ .queue = (number), .offset = (start), .width = 4, \
	  .kind = VFIO_MEDIATE_ENABLE, .value = QUEUE_ENABLE }

/*
 * The device advances the head, yet it is a control: the driver writes 0 to it between
 * disabling and enabling a queue. igbvf does not read it.
 */
static const struct vfio_mediate_reg rx_regs[] = {
	REG(0, 0x800, CONTROL),		/* RDBAL(0) */
	REG(0, 0x804, CONTROL),		/* RDBAH(0) */
	REG(0, 0x808, CONTROL),		/* RDLEN(0) */
	REG(0, 0x80c, CONTROL),		/* SRRCTL(0) */
	REG(0, 0x810, CONTROL),		/* RDH(0) */
	REG(0, 0x814, CONTROL),		/* RXCTL(0) */
	ENABLE_REG(0, 0x828),		/* RXDCTL(0) */
	REG(0, 0x818, DOORBELL),	/* RDT(0) */
	REG(1, 0x900, CONTROL),		/* RDBAL(1) */
	REG(1, 0x904, CONTROL),		/* RDBAH(1) */
	REG(1, 0x908, CONTROL),		/* RDLEN(1) */
	REG(1, 0x90c, CONTROL),		/* SRRCTL(1) */
	REG(1, 0x910, CONTROL),		/* RDH(1) */
	REG(1, 0x914, CONTROL),		/* RXCTL(1) */
	ENABLE_REG(1, 0x928),		/* RXDCTL(1) */
	REG(1, 0x918, DOORBELL),	/* RDT(1) */
};

static const struct vfio_mediate_reg tx_regs[] = {
	REG(0, 0x800, CONTROL),		/* TDBAL(0) */
	REG(0, 0x804, CONTROL),		/* TDBAH(0) */
	REG(0, 0x808, CONTROL),		/* TDLEN(0) */
	REG(0, 0x810, CONTROL),		/* TDH(0) */
	REG(0, 0x814, CONTROL),		/* TXCTL(0) */
	REG(0, 0x838, CONTROL),		/* TDWBAL(0) */
	REG(0, 0x83c, CONTROL),		/* TDWBAH(0) */
	ENABLE_REG(0, 0x828),		/* TXDCTL(0) */
	REG(0, 0x818, DOORBELL),	/* TDT(0) */
	REG(1, 0x900, CONTROL),		/* TDBAL(1) */
	REG(1, 0x904, CONTROL),		/* TDBAH(1) */
	REG(1, 0x908, CONTROL),		/* TDLEN(1) */
	REG(1, 0x910, CONTROL),		/* TDH(1) */
	REG(1, 0x914, CONTROL),		/* TXCTL(1) */
	REG(1, 0x938, CONTROL),		/* TDWBAL(1) */
	REG(1, 0x93c, CONTROL),		/* TDWBAH(1) */
	ENABLE_REG(1, 0x928),		/* TXDCTL(1) */
	REG(1, 0x918, DOORBELL),	/* TDT(1) */
};

/*
 * Upper halves of base addresses: while the queue is disabled they behave like memory, so
 * a test can write any value, any number of times.
 */
static const struct vfio_mediate_reg rx_hammer_regs[] = {
	REG(0, 0x804, DOORBELL),	/* RDBAH(0) */
	REG(1, 0x904, DOORBELL),	/* RDBAH(1) */
};

static const struct vfio_mediate_reg tx_hammer_regs[] = {
	REG(0, 0x804, DOORBELL),	/* TDBAH(0) */
	REG(1, 0x904, DOORBELL),	/* TDBAH(1) */
};

/* The last one only with traps=noshadow. */
static const struct vfio_mediate_trap net_traps[] = {
	{
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { RX_PAGE, TRAP_PAGE_SIZE },
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
	}, {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { TX_PAGE, TRAP_PAGE_SIZE },
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
	}, {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { 0x1000, TRAP_PAGE_SIZE },
	},
};

static const struct vfio_mediate_trap hammer_traps[] = {
	{
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { RX_PAGE, TRAP_PAGE_SIZE },
		.regs = rx_hammer_regs,
		.num_regs = ARRAY_SIZE(rx_hammer_regs),
	}, {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.pages = { TX_PAGE, TRAP_PAGE_SIZE },
		.regs = tx_hammer_regs,
		.num_regs = ARRAY_SIZE(tx_hammer_regs),
	},
};

static const struct {
	const char *name;
	const struct vfio_mediate_trap *traps;
	unsigned int num_traps;
} choices[] = {
	{ "none", NULL, 0 },
	{ "net", net_traps, ARRAY_SIZE(net_traps) - 1 },
	{ "noshadow", net_traps, ARRAY_SIZE(net_traps) },
	{ "hammer", hammer_traps, ARRAY_SIZE(hammer_traps) },
};

static int find_choice(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(choices); i++)
		if (!strcmp(choices[i].name, name))
			return i;

	return -EINVAL;
}

int demo_traps_check(const char *traps)
{
	return min(find_choice(traps), 0);
}

void demo_traps_set(struct demo *demo, const char *traps)
{
	const struct vfio_mediate_trap *trap;
	int choice = find_choice(traps);
	unsigned int i, j;

	demo->dev->traps = choices[choice].traps;
	demo->dev->num_traps = choices[choice].num_traps;

	for (i = 0; i < demo->dev->num_traps; i++) {
		trap = &demo->dev->traps[i];
		for (j = 0; j < trap->num_regs; j++)
			demo->records[demo->num_records++].offset =
				trap->pages.offset + trap->regs[j].offset;
	}
}

/* These pages have no mediated ranges: accesses come only while they are trapped. */
bool demo_trap_covers(struct demo *demo, u32 region, u64 offset)
{
	const struct vfio_mediate_trap *trap;
	unsigned int i;

	for (i = 0; i < demo->dev->num_traps; i++) {
		trap = &demo->dev->traps[i];
		if (region == trap->region &&
		    offset - trap->pages.offset < trap->pages.size)
			return true;
	}

	return false;
}

void demo_trap_access(struct demo *demo, struct vfio_mediate_access *access)
{
	struct demo_record *record;
	unsigned int i;

	spin_lock(&demo->lock);
	demo->trapped++;
	for (i = 0; access->write && i < demo->num_records; i++) {
		record = &demo->records[i];
		if (record->offset != access->offset)
			continue;
		if (record->writes && access->value < record->last)
			record->backwards++;
		record->writes++;
		record->last = access->value;
		record->sequence = ++demo->sequence;
	}
	spin_unlock(&demo->lock);
}

void demo_count(struct demo *demo, u32 *calls)
{
	spin_lock(&demo->lock);
	(*calls)++;
	spin_unlock(&demo->lock);
}

void demo_count_trap(struct demo *demo, bool on, bool released)
{
	spin_lock(&demo->lock);
	if (on)
		demo->on++;
	else
		demo->off++;
	demo->released += released;
	spin_unlock(&demo->lock);
}

static struct dentry *debugfs_dir;

/*
 * One line per register of the trapped pages: offset, number of writes, last value
 * written, number of writes of a smaller value than the one before, sequence number of the
 * last write. Then counters. A write to the file resets all of them.
 */
static int doorbells_show(struct seq_file *file, void *unused)
{
	struct demo *demo = file->private;
	struct demo_record *record;
	struct demo *copy;
	unsigned int i;

	copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	spin_lock(&demo->lock);
	memcpy(copy, demo, sizeof(*copy));
	spin_unlock(&demo->lock);

	for (i = 0; i < copy->num_records; i++) {
		record = &copy->records[i];
		seq_printf(file, "%#x %u %#llx %u %u\n", record->offset,
			   record->writes, record->last, record->backwards,
			   record->sequence);
	}
	seq_printf(file, "passed %u\nemulated %u\ntrapped %u\n", copy->passed,
		   copy->emulated, copy->trapped);
	seq_printf(file, "prepared %u\nfinished %u\ndone %u\nunexpected %u\n",
		   copy->prepared, copy->finished, copy->done, copy->unexpected);
	seq_printf(file, "on %u\noff %u\nreleased %u\n", copy->on, copy->off,
		   copy->released);
	for (i = 0; i < ARRAY_SIZE(copy->widths); i++)
		seq_printf(file, "width%u %u\n", 1 << i, copy->widths[i]);
	kfree(copy);

	return 0;
}

static int doorbells_open(struct inode *inode, struct file *file)
{
	return single_open(file, doorbells_show, inode->i_private);
}

static ssize_t doorbells_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	struct demo *demo = file_inode(file)->i_private;
	unsigned int i;
	u32 offset;

	spin_lock(&demo->lock);
	for (i = 0; i < demo->num_records; i++) {
		offset = demo->records[i].offset;
		demo->records[i] = (struct demo_record){ .offset = offset };
	}
	demo->sequence = 0;
	demo->passed = 0;
	demo->emulated = 0;
	demo->trapped = 0;
	demo->prepared = 0;
	demo->finished = 0;
	demo->done = 0;
	demo->unexpected = 0;
	demo->on = 0;
	demo->off = 0;
	demo->released = 0;
	memset(demo->widths, 0, sizeof(demo->widths));
	spin_unlock(&demo->lock);

	return count;
}

static const struct file_operations doorbells_fops = {
	.owner = THIS_MODULE,
	.open = doorbells_open,
	.read = seq_read,
	.write = doorbells_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* Report a reset (0) or a loss of state (1). */
static int demo_report(void *data, u64 lost)
{
	struct demo *demo = data;

	return lost ? vfio_mediate_state_lost(demo->dev) : vfio_mediate_was_reset(demo->dev);
}
DEFINE_DEBUGFS_ATTRIBUTE(demo_report_fops, NULL, demo_report, "%llu\n");

void demo_debugfs_init(void)
{
	debugfs_dir = debugfs_create_dir("mediator_demo", NULL);
	/* Not module parameters: writes of these are serialized with those of toggle. */
	debugfs_create_bool("stall", 0600, debugfs_dir, &demo_stall);
	debugfs_create_u32("info_answer", 0600, debugfs_dir, &demo_info_answer);
	debugfs_create_bool("info_all", 0600, debugfs_dir, &demo_info_all);
}

void demo_debugfs_exit(void)
{
	debugfs_remove(debugfs_dir);
}

void demo_debugfs_add(struct demo *demo)
{
	demo->dir = debugfs_create_dir(pci_name(demo->dev->pdev), debugfs_dir);
	debugfs_create_file("doorbells", 0600, demo->dir, demo, &doorbells_fops);
	debugfs_create_file_unsafe("lost", 0200, demo->dir, demo, &demo_report_fops);
}

void demo_debugfs_remove(struct demo *demo)
{
	debugfs_remove(demo->dir);
}
