// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: mappings of regions, and what becomes of them when the vendor goes.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate.h"

static void test_map_bar(struct mediate *m)
{
	const struct vfio_client_region *bar = &m->region[0];
	static const struct {
		__u32 off, len;
		int want;
	} cases[] = {
		{ 0x0000, 0x1000, -EACCES },
		{ 0x0000, 0x4000, -EACCES },
		{ 0x0000, 0x2000, -EACCES },
		{ 0x1000, 0x1000, 0 },
		{ 0x1000, 0x3000, 0 },
		{ 0x2000, 0x1000, 0 },
		{ 0x3000, 0x1000, 0 },
		{ 0x3000, 0x2000, -EINVAL },
		{ 0x4000, 0x1000, -EINVAL },
		{ 0x1000, 0x4000, -EINVAL },
	};
	__u32 *map, val;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		expect(try_map(m, bar, cases[i].off, cases[i].len, MAP_SHARED,
			       NULL), cases[i].want,
		       "BAR 0: map %#x bytes at %#x", cases[i].len, cases[i].off);
	expect(try_map(m, bar, 0x1000, 0x1000, MAP_PRIVATE, NULL), -EINVAL,
	       "BAR 0: map private");
	expect(try_map(m, bar, 0x1800, 0x1000, MAP_SHARED, NULL), -EINVAL,
	       "BAR 0: map from the middle of a page");
	expect(try_map(m, bar, 0x1000, 0, MAP_SHARED, NULL), -EINVAL,
	       "BAR 0: map nothing");
	expect(try_map(m, &m->region[3], 0, 0x4000, MAP_SHARED, NULL), 0,
	       "BAR 3, not mediated: map all of it");
	expect(try_map(m, &m->region[1], 0, 0x1000, MAP_SHARED, NULL), -EINVAL,
	       "BAR 1, which there is not: map");
	expect(try_map(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 0, 0x1000,
		       MAP_SHARED, NULL), -EINVAL, "config space: map");

	map = bar_map(m, 0x1000, 0x1000);
	bar_write32(m, REG_VTIVAR, 0x81);
	val = 0;
	ok(load32(map + (REG_VTIVAR - 0x1000) / 4, &val) && val == 0x81,
	   "BAR 0: what is written by the file is seen in the mapping");
	ok(store32(map + (REG_VTIVAR - 0x1000) / 4, 0x82) &&
	   bar_read32(m, REG_VTIVAR) == 0x82,
	   "BAR 0: and the other way round");
	bar_write32(m, REG_VTIVAR, 0);
	munmap(map, 0x1000);
}

static void test_map_memory(struct mediate *m)
{
	static const struct {
		__u32 off, len;
		int want;
	} cases[] = {
		{ 0x0000, 0x2000, 0 },
		{ 0x0000, 0x1000, 0 },
		{ 0x1000, 0x1000, 0 },
		{ 0x0000, 0x3000, -EINVAL },
		{ 0x1000, 0x2000, -EINVAL },
		{ 0x2000, 0x1000, -EINVAL },
		{ 0x100000, 0x1000, -EINVAL },
	};
	__u8 *both, *second;
	unsigned int i;
	__u32 word;
	void *addr;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		expect(try_map(m, m->memory, cases[i].off, cases[i].len,
			       MAP_SHARED, NULL), cases[i].want,
		       "memory: map %#x bytes at %#x", cases[i].len,
		       cases[i].off);
	expect(try_map(m, m->memory, 0, 0x1000, MAP_PRIVATE, NULL), -EINVAL,
	       "memory: map private");
	expect(try_map(m, m->pattern, 0, 0x1000, MAP_SHARED, NULL), -EINVAL,
	       "pattern: map");
	if (m->trap)
		expect(try_map(m, m->trap, 0, 0x1000, MAP_SHARED, NULL), -EINVAL,
		       "dynamic trap: map");

	if (try_map(m, m->memory, 0, 0x2000, MAP_SHARED, &addr))
		bail_out("memory cannot be mapped");
	both = addr;
	if (try_map(m, m->memory, 0x1000, 0x1000, MAP_SHARED, &addr))
		bail_out("second page of memory cannot be mapped");
	second = addr;

	word = 0x11223344;
	region_write(m, m->memory, 0x20, &word, 4);
	ok(!memcmp(both + 0x20, &word, 4),
	   "memory: what is written is seen in the mapping");
	word = 0x55667788;
	region_write(m, m->memory, 0x1800, &word, 4);
	ok(!memcmp(both + 0x1800, &word, 4) && !memcmp(second + 0x800, &word, 4),
	   "memory: also in that of its second page");
	memset(second + 0x800, 0x99, 4);
	region_read(m, m->memory, 0x1800, &word, 4);
	expect_hex(word, 0x99999999, "memory: what is stored is read");
	munmap(second, 0x1000);
	munmap(both, 0x2000);
}

void test_mmap(struct mediate *m)
{
	test_map_bar(m);
	test_map_memory(m);
}

static int memory_signals(struct mediate *m)
{
	__u32 word = 0;

	return region_write(m, m->memory, DEMO_SIGNAL_VECTOR, &word, 4);
}

/* Mappings that were made before the vendor went */
static void test_detached_mappings(struct mediate *m, __u32 *memory, __u32 *bar,
				   __u32 *page, __u32 state)
{
	__u32 *reg = page + (REG_TDBAH(0) - TX_PAGE) / 4;
	__u32 *vtivar = bar + (REG_VTIVAR - 0x1000) / 4;
	bool untrapped = !state || m->traps != TRAPS_NOSHADOW;
	__u32 val = 0;

	ok(load32(memory + 8, &val) && val == 0xabcd,
	   "detach: the vendor's memory stays mapped");
	ok(store32(memory + 8, 0xdcba) && load32(memory + 8, &val) &&
	   val == 0xdcba, "detach: and can be written");
	ok(store32(vtivar, 0x83) == untrapped &&
	   (!untrapped || (load32(vtivar, &val) && val == 0x83)),
	   "detach: so does the device's, where it is not trapped");
	if (untrapped)
		store32(vtivar, 0);

	switch (state) {
	case TRAP_OFF:
		ok(load32(reg, &val) && val == 0x77 && store32(reg, 0x78) &&
		   bar_read32(m, REG_TDBAH(0)) == 0x78,
		   "detach: what was not trapped still is the device's");
		break;
	case TRAP_ON:
		ok(load32(reg, &val) && val == ~0u,
		   "detach: a shadow then reads as all ones");
		ok(store32(reg, 0x79), "detach: what is written to it is gone");
		break;
	default:
		ok(!load32(reg, &val), "detach: what was trapped stays so");
	}
}

/* Whatever of the device the vendor had a hand in */
static void test_detached_regions(struct mediate *m, __u32 state)
{
	__u32 val = 0, word = 0;
	__u8 byte;

	expect(region_read(m, &m->region[0], 0x0f10, &val, 4), 4,
	       "detach: what was not mediated can be read");
	expect_hex(bar_read32(m, DEMO_SCRATCH), ~0u,
		   "detach: what was mediated reads as all ones");
	expect(region_write(m, &m->region[0], DEMO_SCRATCH, &val, 4), -ENODEV,
	       "detach: and cannot be written");
	expect(region_read(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 8, &byte,
			   1), 1, "detach: the same in config space");
	expect_hex(byte, 0xff, "detach: there, too, all ones");
	expect(region_read(m, m->pattern, 0, &val, 4), -ENODEV,
	       "detach: an added region cannot be read");
	expect(region_write(m, m->memory, DEMO_SIGNAL_VECTOR, &word, 4), -ENODEV,
	       "detach: nor can one be written");
	expect(try_map(m, m->memory, 0, 0x1000, MAP_SHARED, NULL), -ENODEV,
	       "detach: nor mapped anew");
	if (!m->trap)
		return;

	expect(trap_get(m), state, "detach: the state of the trap is as it was");
	expect(trap_set(m, TRAP_ON), -ENODEV, "detach: and stays, on");
	expect(trap_set(m, TRAP_OFF), -ENODEV, "detach: or off");
	if (!state)
		return;
	expect_hex(bar_read32(m, REG_TDBAH(0)), ~0u,
		   "detach: what is trapped reads as all ones");
	expect(region_write(m, &m->region[0], REG_TDBAH(0), &val, 4), -ENODEV,
	       "detach: and cannot be written");
	expect(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
	       "detach: the device can be reset");
}

/* The last test on a device: it is no longer mediated after it. */
void test_detach(struct mediate *m)
{
	__u32 *bar, *memory, *page, state = TRAP_OFF;
	int request = new_eventfd();
	void *addr;

	if (try_map(m, m->memory, 0, 0x2000, MAP_SHARED, &addr))
		bail_out("memory cannot be mapped");
	memory = addr;
	memory[8] = 0xabcd;
	bar = bar_map(m, 0x1000, 0x1000);
	page = bar_map(m, TX_PAGE, 0x1000);
	vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_REQ_IRQ_INDEX,
			     0, 1, &request, sizeof(request));
	bar_write32(m, REG_TDBAH(0), 0x77);
	if (m->traps == TRAPS_NET)
		state = TRAP_ON;
	else if (m->traps == TRAPS_NOSHADOW)
		state = TRAP_EXACT;
	if (state)
		expect(trap_set(m, state), 0, "detach: trapped");
	expect(demo_param_set("registered", "0"), 0,
	       "detach: the vendor goes while its device is open");
	expect(eventfd_count(request), 1, "detach: the device is asked back");

	test_detached_mappings(m, memory, bar, page, state);
	test_detached_regions(m, state);
	expect(demo_param_set("registered", "1"), 0,
	       "detach: the vendor comes back");
	expect_hex(bar_read32(m, DEMO_SCRATCH), ~0u,
		   "detach: but not to this open");
	munmap(memory, 0x2000);
	munmap(bar, 0x1000);
	munmap(page, 0x1000);
	close(request);
}
