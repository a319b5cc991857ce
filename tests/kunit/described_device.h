/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of two queues, which has registers and no more, its vendor, who describes it, and a
 * log of what is done to it: for the suite of descriptions.
 */

#ifndef DESCRIBED_DEVICE_H
#define DESCRIBED_DEVICE_H

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio.h>

#include "registry.h"
#include "vfio_mediate_describe.h"

#define RX		0x1000
#define TX		0x2000
#define STRIDE		0x100
#define QUEUES		2
#define ENABLE		BIT(8)
#define SIZE		0x4000

/* Of a ring */
enum { BASE = 0x0, LENGTH = 0x4, HEAD = 0x8, CONTROL = 0xc, ON = 0x10, TAIL = 0x14 };

#define MASK		0x10	/* interrupts, written when the device runs */
#define MODE		0x14
#define COUNTER		0x40	/* two of them, and another one at 0x4c */

#define RECORD_BASIC	16
#define RECORD_EXTRA	17
#define RESEND		BIT_ULL(3)

#define REG(where, what, ...)	{ (where), VFIO_MEDIATE_ROLE_##what, __VA_ARGS__ }

static const struct vfio_mediate_state_reg rx_regs[] = {
	REG(RX + BASE, BASE), REG(RX + LENGTH, LENGTH, 0xfff0), REG(RX + HEAD, HEAD),
	REG(RX + CONTROL, PLAIN), REG(RX + ON, ENABLE, ENABLE), REG(RX + TAIL, TAIL),
};

static const struct vfio_mediate_state_reg tx_regs[] = {
	REG(TX + BASE, BASE), REG(TX + LENGTH, LENGTH, 0xfff0), REG(TX + HEAD, HEAD),
	REG(TX + CONTROL, PLAIN), REG(TX + ON, ENABLE, ENABLE), REG(TX + TAIL, TAIL),
};

static const struct vfio_mediate_state_reg basic_regs[] = { REG(MASK, RUN), REG(MODE, PLAIN) };
static const u32 counters[] = { COUNTER, COUNTER + 4, COUNTER + 12 };

struct basic {
	__le32 reg[ARRAY_SIZE(basic_regs)];
	__le32 own;
};

/**
 * struct described - A device, its vendor, and what is done to it
 * @regs:	Registers.
 * @own:	What the vendor knows of the device, in the record of type RECORD_BASIC.
 * @log:	A letter for each step, see note(). Equal ones in a row are one.
 * @steps:	Length of @log.
 * @errors:	What check, put, run, quiesce, stop and kick return, by their letters.
 * @counted:	Number of counters that the vendor was asked for.
 * @read_error:	What a read of guest memory returns.
 * @broken:	Offset of a register that cannot be read, or 0.
 * @lose_at:	The device is reset when a letter is noted, or 0.
 * @dev:	The device as the vendor has it.
 * @session:	Likewise of the registry, or NULL.
 * @saved:	Records that were saved.
 * @payload:	Their payloads.
 * @num_saved:	Number of @saved.
 */
static struct described {
	u32 regs[SIZE / sizeof(u32)];
	u32 own;
	char log[64];
	unsigned int steps;
	int errors[128];
	unsigned int counted;
	int read_error;
	u64 broken;
	char lose_at;
	struct vfio_mediate_device *dev;
	struct vfio_mediate_session *session;
	struct vfio_mediate_record saved[8];
	u8 payload[8][256];
	unsigned int num_saved;
} *dut;

/* Check, put, plain, disable, enable, tail, mask: and Run, Quiesce, Stop, Kick, Load_end */
static int note(char letter)
{
	if ((!dut->steps || dut->log[dut->steps - 1] != letter) &&
	    dut->steps < sizeof(dut->log) - 1)
		dut->log[dut->steps++] = letter;
	if (letter == dut->lose_at) {
		dut->lose_at = 0;
		vfio_mediate_state_lost(dut->dev);
	}

	return dut->errors[(u8)letter];
}

static void expect_log(struct kunit *test, const char *want)
{
	KUNIT_EXPECT_STREQ(test, dut->log, want);
	memset(dut->log, 0, sizeof(dut->log));
	dut->steps = 0;
}

static u32 *reg(u32 offset)
{
	return &dut->regs[offset / sizeof(u32)];
}

/* The guest's driver has set up the device. */
static void set_up(void)
{
	unsigned int queue, i;
	u32 at;

	for (queue = 0; queue < QUEUES; queue++) {
		for (i = 0; i < 2; i++) {
			at = (i ? TX : RX) + queue * STRIDE;
			*reg(at + BASE) = 0x10000 * (queue + 1) + at;
			*reg(at + LENGTH) = 256;
			*reg(at + HEAD) = 1 + queue;
			*reg(at + CONTROL) = 0x55 + i;
			*reg(at + ON) = ENABLE | 3;
			*reg(at + TAIL) = 5 + queue;
		}
	}
	*reg(MASK) = 7;
	*reg(MODE) = 9;
	dut->own = 0x1234;
}

/* All registers but counters are as after a reset. */
static void clear(void)
{
	memset(reg(0), 0, COUNTER);
	memset(reg(RX), 0, SIZE - RX);
	dut->own = 0;
}

static char letter_of(u32 offset, u32 value)
{
	if (offset == MASK)
		return 'm';
	if (offset < RX)
		return 'w';
	if (offset % STRIDE == ON)
		return value & ENABLE ? 'e' : 'd';

	return offset % STRIDE == TAIL ? 't' : 'w';
}

static int host_rw(void *data, struct vfio_mediate_access *access)
{
	if (!access->write) {
		access->value = *reg(access->offset);
		return dut->broken && access->offset == dut->broken ? -EIO : 0;
	}
	*reg(access->offset) = access->value;
	note(letter_of(access->offset, access->value));

	return 0;
}

static int host_read(void *data, u64 iova, void *buf, size_t size)
{
	memset(buf, 0, size);

	return dut->read_error;
}

static void host_mark(void *data, u64 iova, u64 size)
{
}

static int host_reset(void *data)
{
	return 0;
}

static const struct vfio_mediate_host_ops host_ops = {
	.rw = host_rw,
	.read = host_read,
	.mark = host_mark,
	.was_reset = host_reset,
	.state_lost = host_reset,
};

static int get_basic(struct vfio_mediate_device *dev, void *record)
{
	struct basic *basic = record;

	basic->own = cpu_to_le32(dut->own);

	return 0;
}

static int check_any(struct vfio_mediate_device *dev, const void *record)
{
	return note('c');
}

static int put_basic(struct vfio_mediate_device *dev, const void *record)
{
	const struct basic *basic = record;

	dut->own = le32_to_cpu(basic->own);

	return note('p');
}

static int put_extra(struct vfio_mediate_device *dev, const void *record)
{
	const struct basic *basic = vfio_mediate_loaded(dev, RECORD_BASIC);

	/* Records can refer to each other. */
	return basic ? note('p') : -ENOENT;
}

static u32 read_counter(struct vfio_mediate_device *dev, u32 offset)
{
	dut->counted++;

	return *reg(offset);
}

static int device_run(struct vfio_mediate_device *dev)
{
	return note('R');
}

static int device_stop(struct vfio_mediate_device *dev)
{
	return note('S');
}

static int device_quiesce(struct vfio_mediate_device *dev)
{
	return note('Q');
}

static int device_kick(struct vfio_mediate_device *dev)
{
	return note('K');
}

static void device_load_end(struct vfio_mediate_device *dev, int error)
{
	note('L');
}

static int device_hold(struct vfio_mediate_device *dev, bool on)
{
	return 0;
}

static bool is_done(const void *desc, u32 format)
{
	return false;
}

static unsigned int no_buffers(const void *posted, const void *desc, u32 format,
			       struct vfio_mediate_buffer *buffer)
{
	return 0;
}

static const struct vfio_mediate_ring rings[] = {
	{
		.regs = rx_regs,
		.num_regs = ARRAY_SIZE(rx_regs),
		.desc_size = 16,
		.done = is_done,
		.buffers = no_buffers,
	}, {
		.regs = tx_regs,
		.num_regs = ARRAY_SIZE(tx_regs),
		.desc_size = 16,
	},
};

static const struct vfio_mediate_part parts[] = {
	{
		.type = RECORD_BASIC,
		.regs = basic_regs,
		.num_regs = ARRAY_SIZE(basic_regs),
		.size = sizeof(struct basic),
		.get = get_basic,
		.check = check_any,
		.put = put_basic,
	}, {
		.type = RECORD_EXTRA,
		.optional = true,
		.early = true,
		.size = 16,
		.min_size = 8,
		.check = check_any,
		.put = put_extra,
	},
};

static const struct vfio_mediate_description good = {
	.version = 1,
	.min_version = 1,
	.features = RESEND,
	.pre_copy = RESEND,
	.region = VFIO_PCI_BAR0_REGION_INDEX,
	.rings = rings,
	.num_rings = ARRAY_SIZE(rings),
	.num_queues = QUEUES,
	.stride = STRIDE,
	.parts = parts,
	.num_parts = ARRAY_SIZE(parts),
	.counters = counters,
	.num_counters = ARRAY_SIZE(counters),
	.read_counter = read_counter,
	.run = device_run,
	.quiesce = device_quiesce,
	.stop = device_stop,
	.kick = device_kick,
	.load_end = device_load_end,
	.hold = device_hold,
};

/* What open describes the device by */
static struct vfio_mediate_description desc;

static int device_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	dut->dev = dev;

	return vfio_mediate_describe(dev, &desc);
}

static void device_release(struct vfio_mediate_device *dev)
{
}

static const struct vfio_pci_mediate_ops described_ops = {
	.name = "described",
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.rw = vfio_mediate_described_rw,
};

#endif /* DESCRIBED_DEVICE_H */
