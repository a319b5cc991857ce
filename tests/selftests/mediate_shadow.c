// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: pages that are trapped while a VMM has them mapped: a shadow is in
 * their place, which is drained to the vendor and the device.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, no_p2p) { .parameters = DEMO_NO_P2P };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

/* Registers of an RX queue in the order in which they are to be written */
static const __u32 rx_order[] = {
	REG_RDBAL, REG_RDBAH(0), REG_RDLEN, 0x280c, REG_RDH, 0x2814, REG_RXDCTL,
	REG_RDT,
};

/* The two pages that can be shadowed, by the register's offset in BAR 0 */
static void put(__u8 *map, __u32 reg, __u32 val)
{
	if (!store32(map + reg - RX_PAGE, val))
		die("SIGBUS at %#x", reg);
}

static __u32 get(__u8 *map, __u32 reg)
{
	__u32 val;

	if (!load32(map + reg - RX_PAGE, &val))
		die("SIGBUS at %#x", reg);

	return val;
}

static void test_enable(struct __test_metadata *_metadata, struct mediate *m, __u8 *map)
{
	struct mediate_record record;
	unsigned int i, last = 0, writes = 0;
	bool ascending = true;

	bar_write32(m, REG_RXDCTL, 0);
	bar_write32(m, REG_RDBAL, 0x3000);
	bar_write32(m, REG_RDBAH(0), 0x11);
	bar_write32(m, REG_RDBAL + 0x100, 0x6000);
	demo_reset(m);
	trap_set(m, TRAP_ON);
	CHECK_HEX(get(map, REG_RDBAH(0)), 0x11, "shadow: starts with what the device has");
	put(map, REG_RDBAL, 0x4000);
	put(map, REG_RDBAH(0), 0x22);
	put(map, REG_RDLEN, 0x1000);
	put(map, REG_RDH, 0);
	CHECK_HEX(get(map, REG_RDBAL), 0x4000, "shadow: reads what was stored");
	wait_drain();
	for (i = 0; i < ARRAY_SIZE(rx_order); i++)
		writes += demo_record(m, rx_order[i]).writes;
	CHECK_EQ(writes, 0, "shadow: control is not written by itself");
	CHECK_HEX(get(map, REG_RDBAL), 0x4000, "shadow: but kept");

	put(map, REG_RXDCTL, QUEUE_ENABLE);
	put(map, REG_RDT, 3);
	wait_drain();
	for (i = 0; i < ARRAY_SIZE(rx_order); i++) {
		record = demo_record(m, rx_order[i]);
		ascending &= record.writes == 1 && record.sequence > last;
		last = record.sequence;
		if (!ascending)
			ksft_print_msg("%#x: %u writes, number %u\n", rx_order[i],
				       record.writes, record.sequence);
	}
	CHECK(ascending,
	      "shadow: at enable each register is written once, in the table's order");
	CHECK_EQ(demo_record(m, REG_RDBAL + 0x100).writes +
			 demo_record(m, REG_RDBAH(1)).writes + demo_record(m, REG_TDBAL).writes,
		 0, "shadow: nothing of other queues");
	CHECK_HEX(demo_record(m, REG_RDBAL).last, 0x4000, "shadow: base as it was stored");

	put(map, REG_RDT, 3);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDT).writes, 1,
		 "shadow: a doorbell of the same value is none");
	put(map, REG_RDT, 4);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDT).writes, 2, "shadow: of another is one");
	CHECK_EQ(demo_record(m, REG_RDBAL).writes, 1, "shadow: no control without enable");

	put(map, REG_RXDCTL, 0);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RXDCTL).writes, 2, "shadow: disable is written");
	CHECK_EQ(demo_record(m, REG_RDBAL).writes, 1, "shadow: without control");
	put(map, REG_RXDCTL, QUEUE_ENABLE);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDBAL).writes, 2,
		 "shadow: enabled again, control again, though not changed");
	CHECK_EQ(demo_record(m, REG_RDT).writes, 3, "shadow: and the doorbell");
	put(map, REG_RXDCTL, QUEUE_ENABLE | 1);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RXDCTL).writes, 4,
		 "shadow: another bit of the enable register is written");
	CHECK_EQ(demo_record(m, REG_RDBAL).writes, 2, "shadow: and enables nothing");
	put(map, REG_RXDCTL, 0);
	put(map, REG_RDBAL + 0x100, 0x5000);
	trap_set(m, TRAP_OFF);
	CHECK_EQ(demo_record(m, REG_RDBAL + 0x100).writes, 1,
		 "shadow: control that changed is written at the end");
	CHECK_EQ(demo_record(m, REG_RDBAL).writes + demo_record(m, REG_RDLEN).writes, 4,
		 "shadow: what did not is not");
	CHECK_HEX(bar_read32(m, REG_RXDCTL) & QUEUE_ENABLE, 0,
		  "shadow: what was stored last has reached the device");
	CHECK_HEX(bar_read32(m, REG_RDBAL), 0x4000, "shadow: so has the base");
	CHECK_HEX(bar_read32(m, REG_RDLEN), 0x1000, "shadow: and the length");
}

/* A register that is written whenever it has changed. */
static __u32 doorbell(struct mediate *m)
{
	return m->traps == TRAPS_HAMMER ? REG_TDBAH(0) : REG_RDT;
}

TEST_F(mediate, ends)
{
	__u8 *map = bar_map(&self->m, RX_PAGE, 0x2000);
	struct mediate *m = &self->m;
	__u32 reg = doorbell(m), val;
	int i;

	for (i = 1; i <= 20; i++) {
		trap_set(m, TRAP_ON);
		put(map, reg, i);
		trap_set(m, TRAP_OFF);
		if (bar_read32(m, reg) != (__u32)i)
			break;
		put(map, reg, 100 + i);
		if (bar_read32(m, reg) != 100u + i)
			break;
	}
	CHECK_EQ(i, 21, "shadow: what is in it is drained when the trap ends");

	demo_reset(m);
	trap_set(m, TRAP_ON);
	put(map, reg, 200);
	trap_set(m, TRAP_EXACT);
	CHECK(demo_record(m, reg).last == 200 && bar_read32(m, reg) == 200,
	      "shadow: and when it becomes exact");
	CHECK(!load32(map + reg - RX_PAGE, &val), "shadow: of which then is no more");
	bar_write32(m, reg, 201);
	trap_set(m, TRAP_OFF);
	CHECK_HEX(get(map, reg), 201, "shadow: then the device's page");

	demo_toggle(true);
	CHECK_HEX(get(map, reg), 201, "shadow: by the vendor: the same");
	put(map, reg, 202);
	demo_toggle(false);
	CHECK_HEX(bar_read32(m, reg), 202, "shadow: drained for the vendor");

	trap_set(m, TRAP_ON);
	put(map, reg, 203);
	wait_drain();
	CHECK_HEX(demo_record(m, reg).last, 203, "shadow: drained by itself");
	CHECK_HEX(bar_read32(m, reg), 203, "shadow: to the device");

	/* Through the file, while others have it mapped */
	put(map, reg, 204);
	CHECK_HEX(bar_read32(m, reg), 204, "shadow: what is stored is read through the file");
	bar_write32(m, reg, 205);
	CHECK_HEX(get(map, reg), 205, "shadow: what is written there is loaded");
	demo_reset(m);
	wait_drain();
	CHECK_EQ(demo_record(m, reg).writes, 0, "shadow: and not drained again");
	trap_set(m, TRAP_OFF);
	CHECK_HEX(bar_read32(m, reg), 205, "shadow: nor at the end");
	munmap(map, 0x2000);
}

/* Mappings made, moved, cut and protected while trapped. */
TEST_F(mediate, mappings)
{
	struct mediate *m = &self->m;
	__u32 reg = doorbell(m), other = REG_TDBAH(1), val;
	__u8 *map, *room, *two;

	trap_set(m, TRAP_ON);
	map = bar_map(m, RX_PAGE, 0x2000);
	put(map, reg, 11);
	CHECK(true, "shadow: can be mapped while it is there");
	two = bar_map(m, RX_PAGE, 0x2000);
	CHECK_HEX(get(two, reg), 11, "shadow: two mappings see the same");
	put(two, reg, 12);
	CHECK_HEX(get(map, reg), 12, "shadow: either way");
	munmap(two, 0x2000);

	room = mmap(NULL, 0x2000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map = mremap(map, 0x2000, 0x2000, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_NE(MAP_FAILED, map);
	CHECK_HEX(get(map, reg), 12, "shadow: is still there after mremap");
	put(map, reg, 13);
	trap_set(m, TRAP_OFF);
	CHECK_HEX(bar_read32(m, reg), 13, "shadow: and drained");
	put(map, reg, 14);
	CHECK_HEX(bar_read32(m, reg), 14, "shadow: moved, then the device's");
	trap_set(m, TRAP_ON);
	put(map, reg, 15);
	demo_reset(m);
	put(map, reg, 16);
	wait_drain();
	CHECK_EQ(demo_record(m, reg).last, 16, "shadow: where it was moved to");

	mprotect(map + 0x1000, 0x1000, PROT_READ);
	load32(map + other - RX_PAGE, &val);
	trap_set(m, TRAP_EXACT);
	CHECK(!load32(map, &val) && !load32(map + 0x1000, &val),
	      "shadow: both parts of a mapping that is two go");
	trap_set(m, TRAP_OFF);
	munmap(map + 0x1000, 0x1000);
	trap_set(m, TRAP_ON);
	CHECK(load32(map, &val), "shadow: half a mapping");
	munmap(map, 0x1000);
	trap_set(m, TRAP_OFF);
	bar_write32(m, reg, 0);
}

/* The administrator's interval in place of the vendor's */
TEST_F(mediate, interval)
{
	__u8 *map = bar_map(&self->m, RX_PAGE, 0x2000);
	struct mediate *m = &self->m;
	__u32 reg = doorbell(m);

	CHECK_EQ(param_set("vfio_pci_mediate", "drain_us", "900000"), 0,
		 "shadow: drain every 0.9 s");
	trap_set(m, TRAP_ON);
	demo_reset(m);
	put(map, reg, 300);
	wait_drain();
	CHECK_EQ(demo_record(m, reg).writes, 0, "shadow: not drained that soon");
	trap_set(m, TRAP_OFF);
	CHECK_HEX(bar_read32(m, reg), 300, "shadow: but at once when it ends");
	CHECK_EQ(param_set("vfio_pci_mediate", "drain_us", "0"), 0,
		 "shadow: leave the interval to the vendor");
	munmap(map, 0x2000);
}

static void sysfs_reset(struct mediate *m)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", m->dev.bdf);
	file = fopen(path, "we");
	if (!file || fputs("1\n", file) < 0 || fclose(file))
		die("%s: %s", path, strerror(errno));
}

static bool wait_done(struct mediate *m, unsigned int done)
{
	int i;

	for (i = 0; i < 500 && demo_counts(m).done < done; i++)
		usleep(10000);

	return demo_counts(m).done == done;
}

/* The guest's driver resets the device; only its vendor sees that. */
static void test_driver_reset(struct __test_metadata *_metadata, struct mediate *m, __u8 *map)
{
	bar_write32(m, REG_RXDCTL, 0);
	trap_set(m, TRAP_ON);
	put(map, REG_RDBAL, 0x4000);
	put(map, REG_RXDCTL, QUEUE_ENABLE);
	put(map, REG_RDT, 3);
	wait_drain();
	CHECK_HEX(bar_read32(m, REG_RXDCTL) & QUEUE_ENABLE, QUEUE_ENABLE,
		  "reset: enabled before");

	demo_reset(m);
	bar_write32(m, REG_VTCTRL, VTCTRL_RST);
	CHECK_HEX(get(map, REG_RXDCTL) & QUEUE_ENABLE, QUEUE_ENABLE,
		  "reset: not seen in a shadow");
	demo_say(m, false);
	CHECK(wait_done(m, 1), "reset by its driver: the vendor is told when it is followed up");
	CHECK_EQ(demo_counts(m).prepared, 0, "reset by its driver: but not that it begins");
	CHECK_EQ(demo_counts(m).finished, 0, "reset by its driver: nothing is to be finished");
	CHECK_EQ(trap_get(m), TRAP_ON, "reset by its driver: the trap stays on");
	CHECK_HEX(get(map, REG_RXDCTL) & QUEUE_ENABLE, 0, "reset by its driver: seen in a shadow");
	put(map, REG_RXDCTL, QUEUE_ENABLE);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RXDCTL).writes, 1, "reset: enabled with the same value");
	CHECK_HEX(bar_read32(m, REG_RXDCTL) & QUEUE_ENABLE, QUEUE_ENABLE,
		  "reset: which reaches the device");

	demo_reset(m);
	demo_say(m, true);
	put(map, REG_RDT, 5);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDT).writes, 0, "state lost: nothing is drained");
	demo_say(m, false);
	CHECK(wait_done(m, 1), "state lost: the vendor is told when that is over");
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDT).writes, 0, "state lost: what was written is dropped");
	put(map, REG_RDT, 6);
	wait_drain();
	CHECK_EQ(demo_record(m, REG_RDT).last, 6, "state lost: afterwards it is drained");
	put(map, REG_RXDCTL, 0);
	trap_set(m, TRAP_OFF);
}

TEST_F(mediate, resets)
{
	__u8 *map = bar_map(&self->m, RX_PAGE, 0x2000);
	struct mediate *m = &self->m;
	__u32 reg = doorbell(m);
	__u8 latency = 0x40;

	if (m->traps == TRAPS_NET)
		test_driver_reset(_metadata, m, map);

	demo_reset(m);
	demo_param_set("finish_ms", "200");
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0, "reset");
	CHECK_EQ(demo_counts(m).finished, 1, "reset: it returns when the vendor has finished it");
	demo_param_set("finish_ms", "0");
	CHECK(wait_done(m, 1) && demo_counts(m).prepared == 1,
	      "reset: the vendor is told that it begins, and that it is done");
	CHECK_EQ(demo_counts(m).unexpected, 0, "reset: by user space");
	sysfs_reset(m);
	CHECK(wait_done(m, 2) && demo_counts(m).prepared == 2, "reset by sysfs: likewise");
	CHECK_EQ(demo_counts(m).finished, 2, "reset by sysfs: finished");
	CHECK_EQ(demo_counts(m).unexpected, 1, "reset by sysfs: user space does not know");

	CHECK_EQ(param_set("vfio_pci_mediate", "drain_us", "900000"), 0,
		 "config space: drain every 0.9 s");
	trap_set(m, TRAP_ON);
	demo_reset(m);
	put(map, reg, 400);
	CHECK_EQ(region_write(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 0x0d, &latency, 1), 1,
		 "config space: a write");
	CHECK_EQ(demo_record(m, reg).last, 400, "config space: does not overtake a doorbell");
	trap_set(m, TRAP_OFF);
	param_set("vfio_pci_mediate", "drain_us", "0");
	munmap(map, 0x2000);
}

TEST_F(mediate, registers)
{
	__u8 *map;

	if (self->m.traps != TRAPS_NET)
		SKIP(return, "doorbells only");
	map = bar_map(&self->m, RX_PAGE, 0x2000);
	test_enable(_metadata, &self->m, map);
	munmap(map, 0x2000);
}

TEST_HARNESS_MAIN
