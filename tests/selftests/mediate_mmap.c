// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: mappings of regions, and what becomes of them when the vendor goes.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, none) { .parameters = DEMO_NONE };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, no_p2p) { .parameters = DEMO_NO_P2P };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

TEST_F(mediate, bar)
{
	struct mediate *m = &self->m;
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
		CHECK_EQ(try_map(m, bar, cases[i].off, cases[i].len, MAP_SHARED, NULL),
			 cases[i].want, "BAR 0: map %#x bytes at %#x", cases[i].len,
			 cases[i].off);
	CHECK_EQ(try_map(m, bar, 0x1000, 0x1000, MAP_PRIVATE, NULL), -EINVAL,
		 "BAR 0: map private");
	CHECK_EQ(try_map(m, bar, 0x1800, 0x1000, MAP_SHARED, NULL), -EINVAL,
		 "BAR 0: map from the middle of a page");
	CHECK_EQ(try_map(m, bar, 0x1000, 0, MAP_SHARED, NULL), -EINVAL, "BAR 0: map nothing");
	CHECK_EQ(try_map(m, &m->region[3], 0, 0x4000, MAP_SHARED, NULL), 0,
		 "BAR 3, not mediated: map all of it");
	CHECK_EQ(try_map(m, &m->region[1], 0, 0x1000, MAP_SHARED, NULL), -EINVAL,
		 "BAR 1, which there is not: map");
	CHECK_EQ(try_map(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 0, 0x1000, MAP_SHARED,
			 NULL),
		 -EINVAL, "config space: map");

	map = bar_map(m, 0x1000, 0x1000);
	bar_write32(m, REG_VTIVAR, 0x81);
	val = 0;
	CHECK(load32(map + (REG_VTIVAR - 0x1000) / 4, &val) && val == 0x81,
	      "BAR 0: what is written by the file is seen in the mapping");
	CHECK(store32(map + (REG_VTIVAR - 0x1000) / 4, 0x82) &&
	      bar_read32(m, REG_VTIVAR) == 0x82,
	      "BAR 0: and the other way round");
	bar_write32(m, REG_VTIVAR, 0);
	munmap(map, 0x1000);
}

/* For the DMA of another device, once it is there and once it is not */
static int map_for_dma(struct mediate *m, const struct vfio_client_region *region, __u64 off)
{
	static __u64 iova = 0x10000000;
	int ret, again;
	void *map;
	__u32 val;

	if (try_map(m, region, off, PAGE_4K, MAP_SHARED, &map))
		return -ENXIO;
	ret = vfio_client_dma_map(&m->dev, map, iova, PAGE_4K);
	if (!load32(map, &val))
		return -ENXIO;
	again = vfio_client_dma_map(&m->dev, map, iova + PAGE_4K, PAGE_4K);
	iova += 2 * PAGE_4K;
	munmap(map, PAGE_4K);

	return ret == again ? ret : -ENOTUNIQ;
}

TEST_F(mediate, p2p)
{
	bool type1 = variant->mode == VFIO_CLIENT_GROUP;
	struct mediate *m = &self->m;
	char refused[4];

	ASSERT_TRUE(param_get("mediator_demo", "no_p2p", refused, sizeof(refused)));
	/* An iommufd maps BARs by dma-bufs alone. */
	CHECK_EQ(map_for_dma(m, &m->region[3], 0), type1 ? 0 : -EFAULT,
		 "p2p: a page of another BAR");
	CHECK_EQ(map_for_dma(m, &m->region[0], RX_PAGE),
		 type1 && *refused == 'N' ? 0 : -EFAULT,
		 "p2p: a page that can be trapped, the vendor minds: %s", refused);
	if (m->traps != TRAPS_NET)
		return;
	trap_set(m, TRAP_ON);
	CHECK_EQ(map_for_dma(m, &m->region[0], RX_PAGE), -EFAULT, "p2p: a page that is trapped");
	trap_set(m, TRAP_OFF);
}

TEST_F(mediate, memory)
{
	struct mediate *m = &self->m;
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
		CHECK_EQ(try_map(m, m->memory, cases[i].off, cases[i].len, MAP_SHARED, NULL),
			 cases[i].want, "memory: map %#x bytes at %#x", cases[i].len,
			 cases[i].off);
	CHECK_EQ(try_map(m, m->memory, 0, 0x1000, MAP_PRIVATE, NULL), -EINVAL,
		 "memory: map private");
	CHECK_EQ(try_map(m, m->pattern, 0, 0x1000, MAP_SHARED, NULL), -EINVAL, "pattern: map");

	ASSERT_EQ(0, try_map(m, m->memory, 0, 0x2000, MAP_SHARED, &addr));
	both = addr;
	ASSERT_EQ(0, try_map(m, m->memory, 0x1000, 0x1000, MAP_SHARED, &addr));
	second = addr;

	word = 0x11223344;
	region_write(m, m->memory, 0x20, &word, 4);
	CHECK(!memcmp(both + 0x20, &word, 4), "memory: what is written is seen in the mapping");
	word = 0x55667788;
	region_write(m, m->memory, 0x1800, &word, 4);
	CHECK(!memcmp(both + 0x1800, &word, 4) && !memcmp(second + 0x800, &word, 4),
	      "memory: also in that of its second page");
	memset(second + 0x800, 0x99, 4);
	region_read(m, m->memory, 0x1800, &word, 4);
	CHECK_HEX(word, 0x99999999, "memory: what is stored is read");
	munmap(second, 0x1000);
	munmap(both, 0x2000);
}

/* Mappings that were made before the vendor went */
static void test_detached_mappings(struct __test_metadata *_metadata, struct mediate *m,
				   __u32 *memory, __u32 *bar, __u32 *page, __u32 state)
{
	__u32 *reg = page + (REG_TDBAH(0) - TX_PAGE) / 4;
	__u32 *vtivar = bar + (REG_VTIVAR - 0x1000) / 4;
	bool untrapped = !state || m->traps != TRAPS_NOSHADOW;
	__u32 val = 0;

	CHECK(load32(memory + 8, &val) && val == 0xabcd,
	      "detach: the vendor's memory stays mapped");
	CHECK(store32(memory + 8, 0xdcba) && load32(memory + 8, &val) && val == 0xdcba,
	      "detach: and can be written");
	CHECK(store32(vtivar, 0x83) == untrapped &&
	      (!untrapped || (load32(vtivar, &val) && val == 0x83)),
	      "detach: so does the device's, where it is not trapped");
	if (untrapped)
		store32(vtivar, 0);

	switch (state) {
	case TRAP_OFF:
		CHECK(load32(reg, &val) && val == 0x77 && store32(reg, 0x78) &&
		      bar_read32(m, REG_TDBAH(0)) == 0x78,
		      "detach: what was not trapped still is the device's");
		break;
	case TRAP_ON:
		CHECK(load32(reg, &val) && val == ~0u,
		      "detach: a shadow then reads as all ones");
		CHECK(store32(reg, 0x79), "detach: what is written to it is gone");
		break;
	default:
		CHECK(!load32(reg, &val), "detach: what was trapped stays so");
	}
}

/* Whatever of the device the vendor had a hand in */
static void test_detached_regions(struct __test_metadata *_metadata, struct mediate *m,
				  __u32 state)
{
	__u32 val = 0, word = 0;
	__u8 byte;

	CHECK_EQ(region_read(m, &m->region[0], 0x0f10, &val, 4), 4,
		 "detach: what was not mediated can be read");
	CHECK_HEX(bar_read32(m, DEMO_SCRATCH), ~0u,
		  "detach: what was mediated reads as all ones");
	CHECK_EQ(region_write(m, &m->region[0], DEMO_SCRATCH, &val, 4), -ENODEV,
		 "detach: and cannot be written");
	CHECK_EQ(region_read(m, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 8, &byte, 1), 1,
		 "detach: the same in config space");
	CHECK_HEX(byte, 0xff, "detach: there, too, all ones");
	CHECK_EQ(region_read(m, m->pattern, 0, &val, 4), -ENODEV,
		 "detach: an added region cannot be read");
	CHECK_EQ(region_write(m, m->memory, DEMO_SIGNAL_VECTOR, &word, 4), -ENODEV,
		 "detach: nor can one be written");
	CHECK_EQ(try_map(m, m->memory, 0, 0x1000, MAP_SHARED, NULL), -ENODEV,
		 "detach: nor mapped anew");
	if (!m->irq_trap)
		return;

	CHECK_EQ(trap_get(m), state, "detach: the state of the trap is as it was");
	CHECK_EQ(trap_set(m, TRAP_ON), -ENODEV, "detach: and stays, on");
	CHECK_EQ(trap_set(m, TRAP_OFF), -ENODEV, "detach: or off");
	if (!state)
		return;
	CHECK_HEX(bar_read32(m, REG_TDBAH(0)), ~0u,
		  "detach: what is trapped reads as all ones");
	CHECK_EQ(region_write(m, &m->region[0], REG_TDBAH(0), &val, 4), -ENODEV,
		 "detach: and cannot be written");
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_RESET, NULL), 0,
		 "detach: the device can be reset");
}

/* The device is no longer mediated after it. */
TEST_F(mediate, detach)
{
	__u32 *bar, *memory, *page, state = TRAP_OFF;
	struct mediate *m = &self->m;
	int request = new_eventfd();
	void *addr;

	ASSERT_EQ(0, try_map(m, m->memory, 0, 0x2000, MAP_SHARED, &addr));
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
		CHECK_EQ(trap_set(m, state), 0, "detach: trapped");
	CHECK_EQ(demo_param_set("registered", "0"), 0,
		 "detach: the vendor goes while its device is open");
	CHECK_EQ(eventfd_count(request), 1, "detach: the device is asked back");

	test_detached_mappings(_metadata, m, memory, bar, page, state);
	test_detached_regions(_metadata, m, state);
	CHECK_EQ(demo_param_set("registered", "1"), 0, "detach: the vendor comes back");
	CHECK_HEX(bar_read32(m, DEMO_SCRATCH), ~0u, "detach: but not to this open");
	munmap(memory, 0x2000);
	munmap(bar, 0x1000);
	munmap(page, 0x1000);
	close(request);
}

TEST_HARNESS_MAIN
