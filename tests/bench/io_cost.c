// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_cost: what reads and writes of 4 KiB cost a VF of an NVMe controller, in instructions of the
 * host. It is driven from here: one pair of queues for I/O, mapped doorbells, an interrupt.
 *
 * Whether a command completes before anybody waits for it is chance, and makes a difference. So
 * this sleeps first, each time.
 *
 * Prints for each kind of I/O: how many, instructions and interrupts of all of them, how often this
 * has slept, and the instructions that the host could have executed in all that time. A VF that can
 * be migrated does it all once more as if that had begun: what it writes is tracked.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "dirty.h"
#include "instructions.h"

#define TIMES		320	/* that so many commands as the depth are sent at once */
#define BLOCKS		8	/* of 512 bytes, of each I/O */
#define AREA		0x4000	/* places of BLOCKS that are read and written */
#define SETTLED		4	/* s until doorbells are not trapped any more */
#define READY_MS	10000
#define WAIT_US		2000	/* until commands have completed, mostly */
#define TRACKED		"tracked, "

/* Registers and commands of the NVM Express base specification, 3.1 and 5 */
#define CAP		0x00
#define CC		0x14
#define CSTS		0x1c
#define AQA		0x24
#define ASQ		0x28
#define ACQ		0x30
#define DOORBELLS	0x1000
#define CC_ENABLE	(6 << 16 | 4 << 20 | 1)	/* entries of 64 and 16 bytes */
#define CREATE_SQ	0x01
#define CREATE_CQ	0x05
#define IDENTIFY	0x06	/* a namespace */
#define WRITE		0x01
#define READ		0x02
#define CONTIGUOUS	1
#define INTERRUPTS	2
#define VECTOR		1

#define DEPTH		64
#define PAGE		0x1000
/* Places in the memory of the device */
#define ADMIN		0
#define IO		(2 * PAGE)
#define DATA		(4 * PAGE)
#define MEMORY		(DATA + DEPTH * PAGE)

struct command {
	__u8 opcode, flags;
	__u16 id;
	__u32 nsid, reserved[4];
	__u64 prp1, prp2;
	__u32 word[6];
};

struct completion {
	__u32 result, reserved;
	__u16 head, sq, id, status;
};

struct queue {
	unsigned int number, tail, pos;
	struct command *sq;
	const struct completion *cq;	/* to be read by load() */
};

struct nvme {
	struct vfio_client dev;
	struct vfio_client_region bar;
	__u8 *memory;
	__u32 *doorbells;	/* to be written by store() */
	unsigned int stride;	/* of doorbells, in words */
	int event;
	struct queue admin, io;
};

static const struct {
	const char *name;
	__u8 opcode;
	unsigned int depth;
} kinds[] = {
	{ "none", 0, 0 },
	{ "read, depth 1", READ, 1 }, { "write, depth 1", WRITE, 1 },
	{ "read, depth 32", READ, 32 }, { "write, depth 32", WRITE, 32 },
};

static __u64 reg_read(struct nvme *n, __u64 at, size_t size)
{
	__u64 value = 0;

	if (vfio_client_region_read(&n->dev, &n->bar, &value, size, at) != (ssize_t)size)
		die("cannot read %#llx", (unsigned long long)at);

	return value;
}

static void reg_write(struct nvme *n, __u64 at, __u64 value, size_t size)
{
	if (vfio_client_region_write(&n->dev, &n->bar, &value, size, at) != (ssize_t)size)
		die("cannot write %#llx", (unsigned long long)at);
}

static void enable(struct nvme *n, bool on)
{
	unsigned int ms;

	reg_write(n, CC, on ? CC_ENABLE : 0, 4);
	for (ms = 0; (reg_read(n, CSTS, 4) & 1) != on; ms++) {
		if (ms == READY_MS)
			die("CSTS is %#llx", (unsigned long long)reg_read(n, CSTS, 4));
		usleep(1000);
	}
}

static void init_queue(struct nvme *n, struct queue *q, unsigned int number, size_t at)
{
	q->number = number;
	q->sq = (void *)(n->memory + at);
	q->cq = (void *)(n->memory + at + PAGE);
}

static void set_up_memory(struct nvme *n)
{
	struct vfio_client_region config;
	__u16 command;
	int ret;

	n->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (n->memory == MAP_FAILED)
		die("no memory");
	ret = vfio_client_dma_map(&n->dev, n->memory, 0, MEMORY);
	if (!ret)
		ret = vfio_client_get_region(&n->dev, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	if (ret)
		die("DMA: %s", strerror(-ret));
	vfio_client_region_read(&n->dev, &config, &command, sizeof(command), PCI_COMMAND);
	command |= PCI_COMMAND_MASTER;
	vfio_client_region_write(&n->dev, &config, &command, sizeof(command), PCI_COMMAND);
}

static void set_up_interrupts(struct nvme *n)
{
	const int events[VECTOR + 1] = { eventfd(0, 0), n->event = eventfd(0, 0) };
	int ret = vfio_client_set_irqs(&n->dev, VFIO_IRQ_SET_DATA_EVENTFD |
				       VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0,
				       VECTOR + 1, events, sizeof(events));

	if (ret)
		die("interrupts: %s", strerror(-ret));
}

static void ring(struct nvme *n, const struct queue *q, bool completed, unsigned int value)
{
	store(&n->doorbells[(2 * q->number + completed) * n->stride], value % DEPTH);
}

/* Without the doorbell */
static void submit(struct queue *q, const struct command *command)
{
	q->sq[q->tail++ % DEPTH] = *command;
}

/* Take what has completed. Return: how many commands. */
static unsigned int reap(struct nvme *n, struct queue *q)
{
	const struct completion *c;
	unsigned int count = 0;
	__u16 status;

	for (;; count++, q->pos++) {
		c = &q->cq[q->pos % DEPTH];
		status = load(&c->status);
		if ((status & 1) == (q->pos / DEPTH & 1))
			break;
		if (status >> 1)
			die("command %u: status %#x", c->id, status >> 1);
	}
	if (count)
		ring(n, q, true, q->pos);

	return count;
}

static void execute(struct nvme *n, struct command *command)
{
	unsigned int ms;

	command->id = n->admin.tail;
	submit(&n->admin, command);
	ring(n, &n->admin, false, n->admin.tail);
	for (ms = 0; !reap(n, &n->admin); ms++) {
		if (ms == READY_MS)
			die("admin command %#x does not complete", command->opcode);
		usleep(1000);
	}
}

static void create(struct nvme *n, __u8 opcode, size_t at, __u32 how)
{
	struct command command = {
		.opcode = opcode, .prp1 = at, .word = { (DEPTH - 1) << 16 | 1, how },
	};

	execute(n, &command);
}

static void start(struct nvme *n, const char *bdf)
{
	/* A device that is tracked has to know how large blocks are. */
	struct command identify = { .opcode = IDENTIFY, .nsid = 1, .prp1 = DATA };
	void *doorbells;
	int ret;

	ret = vfio_client_open(&n->dev, bdf, VFIO_CLIENT_GROUP);
	if (!ret)
		ret = vfio_client_get_region(&n->dev, VFIO_PCI_BAR0_REGION_INDEX, &n->bar);
	if (!ret)
		ret = vfio_client_region_mmap(&n->dev, &n->bar, PAGE, DOORBELLS, &doorbells);
	if (ret)
		die("%s: %s", bdf, strerror(-ret));

	n->doorbells = doorbells;
	set_up_memory(n);
	set_up_interrupts(n);
	init_queue(n, &n->admin, 0, ADMIN);
	init_queue(n, &n->io, 1, IO);

	enable(n, false);
	n->stride = 1 << (reg_read(n, CAP, 8) >> 32 & 0xf);
	reg_write(n, AQA, (DEPTH - 1) << 16 | (DEPTH - 1), 4);
	reg_write(n, ASQ, ADMIN, 8);
	reg_write(n, ACQ, ADMIN + PAGE, 8);
	enable(n, true);
	create(n, CREATE_CQ, IO + PAGE, VECTOR << 16 | INTERRUPTS | CONTIGUOUS);
	create(n, CREATE_SQ, IO, n->io.number << 16 | CONTIGUOUS);
	execute(n, &identify);
	sleep(SETTLED);
}

/* Have it tracked what the device writes. Return: whether it can be. */
static bool track_vf(struct nvme *n)
{
	struct vfio_iommu_type1_dirty_bitmap start = {
		.argsz = sizeof(start), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};
	struct vfio_device_feature_mig_state state = {
		.device_state = VFIO_DEVICE_STATE_PRE_COPY,
	};
	int ret;

	if (vfio_client_feature_probe(&n->dev, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				      VFIO_DEVICE_FEATURE_SET))
		return false;
	ret = vfio_client_ioctl(n->dev.container_fd, VFIO_IOMMU_DIRTY_PAGES, &start);
	if (!ret)
		ret = vfio_client_feature(&n->dev, VFIO_DEVICE_FEATURE_SET |
					  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &state,
					  sizeof(state));
	if (ret)
		die("cannot be tracked: %s", strerror(-ret));

	return true;
}

static void submit_io(struct nvme *n, __u8 opcode, unsigned int number)
{
	const struct command command = {
		.opcode = opcode, .id = number, .nsid = 1, .prp1 = DATA + number % DEPTH * PAGE,
		.word = { random() % AREA * BLOCKS, 0, BLOCKS - 1 },
	};

	submit(&n->io, &command);
}

/* Wait until something has completed. Return: number of interrupts. */
static __u64 wait_io(struct nvme *n)
{
	__u64 count;

	usleep(WAIT_US);
	if (read(n->event, &count, sizeof(count)) != sizeof(count))
		die("no interrupt: %s", strerror(errno));

	return count;
}

static void measure(struct nvme *n, const char *how, unsigned int kind)
{
	unsigned int depth = kinds[kind].depth, i, done;
	unsigned int sleeps = 0;
	__u64 interrupts = 0;
	struct span span = begin();

	for (i = 0; i < TIMES; i++) {
		for (done = 0; done < depth; done++)
			submit_io(n, kinds[kind].opcode, n->io.tail);
		if (depth)
			ring(n, &n->io, false, n->io.tail);
		else
			usleep(WAIT_US);
		for (done = 0; done < depth; done += reap(n, &n->io), sleeps++)
			interrupts += wait_io(n);
	}
	span = end(span);
	printf("%s%s\t%u\t%llu\t%llu\t%u\t%llu\n", how, kinds[kind].name, TIMES * (depth ?: 1),
	       (unsigned long long)span.work, (unsigned long long)interrupts,
	       depth ? sleeps : TIMES, (unsigned long long)span.elapsed);
}

int main(int argc, char **argv)
{
	static struct nvme n;
	unsigned int i;

	if (argc != 2) {
		fputs("usage: io_cost BDF\nRead and write the namespace of an NVMe VF.\n", stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	start(&n, argv[1]);
	/* From now on nothing is idle, and sleeps take as long as they say. */
	count_instructions();
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		measure(&n, "", i);
	if (track_vf(&n))
		for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			measure(&n, TRACKED, i);
	enable(&n, false);
	vfio_client_close(&n.dev);

	return 0;
}
