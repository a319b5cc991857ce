// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: what user space is told of regions and interrupts.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, none) { .parameters = DEMO_NONE };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

#define RW	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)
#define MAPPED	VFIO_REGION_INFO_FLAG_MMAP
#define CAPS	VFIO_REGION_INFO_FLAG_CAPS

#define FILL	0xa5

static int device_ioctl(struct mediate *m, unsigned long cmd, void *arg)
{
	return vfio_client_ioctl(m->dev.device_fd, cmd, arg);
}

TEST_F(mediate, device)
{
	struct vfio_device_info info = { .argsz = 8 };
	struct mediate *m = &self->m;
	bool trap = m->traps != TRAPS_NONE;

	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_INFO, &info), -EINVAL,
		 "device info: argsz too small");
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_INFO, (void *)8), -EFAULT,
		 "device info: no buffer");

	memset(&info, 0, sizeof(info));
	info.argsz = sizeof(info);
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_INFO, &info), 0, "device info");
	CHECK_HEX(info.flags & (VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET),
		  VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		  "device info: a PCI device that can be reset");
	CHECK_EQ(info.num_regions, VFIO_PCI_NUM_REGIONS + 2 + trap,
		 "device info: two regions more, and one for traps if there are");
	CHECK_EQ(info.num_irqs, VFIO_PCI_NUM_IRQS + 2 + trap,
		 "device info: two interrupts more, and one for traps");
	CHECK(m->memory && m->pattern, "both added regions are found by type");
	CHECK(m->irq4 && m->irq_auto, "both added interrupts are found by type");
	CHECK_EQ(!!m->irq_trap, trap, "trap interrupt: is there when there is something to trap");
	if (trap)
		return;
	CHECK_EQ(vfio_client_feature_probe(&m->dev, VFIO_MEDIATE_FEATURE_TRAP,
					   VFIO_DEVICE_FEATURE_GET), -ENOTTY,
		 "trap: probed, where there is nothing to trap");
	CHECK_EQ(trap_get(m), -ENOTTY, "trap: read likewise");
	CHECK_EQ(trap_set(m, TRAP_ON), -ENOTTY, "trap: held likewise");
	CHECK_EQ(demo_toggle(true), -EOPNOTSUPP,
		 "trap: by the vendor, where there is nothing to trap");
	CHECK_EQ(demo_toggle(false), -EOPNOTSUPP, "trap: off likewise");
}

static void expect_region(struct __test_metadata *_metadata,
			  const struct vfio_client_region *region, __u64 size, __u32 flags,
			  const char *name)
{
	CHECK_HEX(region->size, size, "%s: size", name);
	CHECK_HEX(region->flags, flags, "%s: flags", name);
}

/* Pages of BAR 0 that may be mapped, one bit each. */
static unsigned int mappable_pages(struct mediate *m, bool trapped)
{
	unsigned int pages = m->sparse ? 0x2 : 0xe;

	if (trapped && m->traps != TRAPS_NONE)
		pages &= m->traps == TRAPS_NOSHADOW ? ~0xe : ~0xc;

	return pages;
}

static void expect_sparse(struct __test_metadata *_metadata, struct mediate *m, bool trapped,
			  const char *when)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info *info;
	unsigned int pages = 0, i;
	bool good = true;
	__u64 page;

	ASSERT_EQ(0, vfio_client_region_info(&m->dev, 0, &info));

	sparse = find_cap(info, info->argsz, info->cap_offset,
			  VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	for (i = 0; sparse && i < sparse->nr_areas; i++) {
		page = sparse->areas[i].offset;
		good &= sparse->areas[i].size && !(page % PAGE_4K) &&
			!(sparse->areas[i].size % PAGE_4K) &&
			page + sparse->areas[i].size <= BAR0_SIZE &&
			(!i || page > sparse->areas[i - 1].offset);
		for (; good && page < sparse->areas[i].offset +
		     sparse->areas[i].size; page += PAGE_4K)
			pages |= 1 << page / PAGE_4K;
	}
	CHECK(good, "BAR 0: sparse areas are ascending pages of it %s", when);
	if (mappable_pages(m, trapped) || (info->flags & MAPPED))
		CHECK(sparse && sparse->header.version == 1, "BAR 0: sparse mmap capability %s",
		      when);
	CHECK_HEX(pages, mappable_pages(m, trapped), "BAR 0: pages that can be mapped %s",
		  when);
	free(info);
}

static void test_trap(struct __test_metadata *_metadata, struct mediate *m)
{
	const struct vfio_mediate_region_info_cap_trap *cap;
	unsigned int pages = 0, shadow = 0, want, i, bit;
	const struct vfio_mediate_trap_area *area;
	struct vfio_region_info *info;
	bool good = true;
	__u64 page;

	ASSERT_EQ(0, vfio_client_region_info(&m->dev, 0, &info));

	cap = find_cap(info, info->argsz, info->cap_offset,
		       VFIO_MEDIATE_REGION_INFO_CAP_TRAP);
	CHECK_EQ(!!cap, m->traps != TRAPS_NONE,
		 "BAR 0: trap capability when there is something to trap");
	for (i = 0; cap && i < cap->nr_areas; i++) {
		area = &cap->areas[i];
		good &= !(area->offset % PAGE_4K) && area->size &&
			!(area->size % PAGE_4K) && !area->reserved &&
			!(area->flags & ~VFIO_MEDIATE_TRAP_AREA_SHADOW) &&
			area->offset + area->size <= BAR0_SIZE &&
			(!i || area->offset > cap->areas[i - 1].offset);
		for (page = area->offset;
		     good && page < area->offset + area->size; page += PAGE_4K) {
			bit = 1 << page / PAGE_4K;
			pages |= bit;
			if (area->flags & VFIO_MEDIATE_TRAP_AREA_SHADOW)
				shadow |= bit;
		}
	}
	if (cap) {
		CHECK(cap->header.version == 1 && !cap->reserved && good,
		      "BAR 0: trap areas are ascending pages of it");
		want = m->traps == TRAPS_NOSHADOW ? 0xe : 0xc;
		CHECK_HEX(pages, want, "BAR 0: pages that can be trapped");
		CHECK_HEX(shadow, 0xc, "BAR 0: of which can be shadowed");
	}
	free(info);

	ASSERT_EQ(0, vfio_client_region_info(&m->dev, 3, &info));
	CHECK(!find_cap(info, info->argsz, info->cap_offset,
			VFIO_MEDIATE_REGION_INFO_CAP_TRAP) &&
		      !find_cap(info, info->argsz, info->cap_offset,
				VFIO_REGION_INFO_CAP_SPARSE_MMAP),
	      "BAR 3, not mediated: neither capability");
	CHECK(find_cap(info, info->argsz, info->cap_offset, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE),
	      "BAR 3: and still that of MSI-X");
	free(info);
}

static void test_region_argsz(struct __test_metadata *_metadata, struct mediate *m, __u32 index,
			      const char *name)
{
	__u8 buf[256], pattern[sizeof(buf)];
	struct vfio_region_info *info = (void *)buf;
	const __u32 least = sizeof(*info);
	__u32 argsz, needed;

	memset(pattern, FILL, sizeof(pattern));
	for (argsz = 0; argsz < least; argsz += 8) {
		*info = (struct vfio_region_info) {
			.argsz = argsz, .index = index,
		};
		CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, info), -EINVAL,
			 "%s: argsz %u is too small", name, argsz);
	}

	memset(buf, FILL, sizeof(buf));
	*info = (struct vfio_region_info) { .argsz = least, .index = index };
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, info), 0,
		 "%s: argsz without room for capabilities", name);
	needed = info->argsz;
	CHECK(needed > least && needed <= sizeof(buf) && (info->flags & CAPS) &&
	      !info->cap_offset,
	      "%s: says how much is needed, and gives none", name);
	CHECK(!memcmp(buf + least, pattern, sizeof(buf) - least),
	      "%s: nothing is written behind argsz", name);
	if (needed <= least || needed > sizeof(buf))
		return;

	memset(buf, FILL, sizeof(buf));
	*info = (struct vfio_region_info) { .argsz = needed - 1, .index = index };
	device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, info);
	CHECK(info->argsz == needed && !info->cap_offset &&
	      !memcmp(buf + least, pattern, sizeof(buf) - least),
	      "%s: one byte less than needed: likewise", name);

	memset(buf, FILL, sizeof(buf));
	*info = (struct vfio_region_info) { .argsz = needed, .index = index };
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, info), 0, "%s: as much as needed",
		 name);
	CHECK(info->argsz == needed && info->cap_offset >= least && info->cap_offset < needed &&
	      !memcmp(buf + needed, pattern, sizeof(buf) - needed),
	      "%s: capabilities fill it, and no more", name);
}

static void test_cap_type(struct __test_metadata *_metadata, struct mediate *m,
			  const struct vfio_client_region *region, __u32 want, __u32 subtype,
			  const char *name)
{
	const struct vfio_region_info_cap_type *type;
	struct vfio_region_info *info;

	ASSERT_EQ(0, vfio_client_region_info(&m->dev, region->index, &info));

	type = find_cap(info, info->argsz, info->cap_offset,
			VFIO_REGION_INFO_CAP_TYPE);
	CHECK(type && type->header.version == 1 && type->type == want &&
	      type->subtype == subtype,
	      "%s: type %#x, subtype %u", name, want, subtype);
	free(info);
}

TEST_F(mediate, regions)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	struct mediate *m = &self->m;
	unsigned int i, j;
	bool apart = true;
	char name[16];

	expect_region(_metadata, &m->region[0], BAR0_SIZE, RW | MAPPED | CAPS, "BAR 0");
	expect_sparse(_metadata, m, false, "before any trap");
	test_trap(_metadata, m);
	for (i = 1; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
		snprintf(name, sizeof(name), "BAR %u", i);
		if (i == 5 && m->rom)
			expect_region(_metadata, &m->region[i], 32, RW, name);
		else if (i == 3)
			expect_region(_metadata, &m->region[i], BAR0_SIZE, RW | MAPPED | CAPS,
				      name);
		else
			expect_region(_metadata, &m->region[i], 0, 0, name);
	}
	expect_region(_metadata, &m->region[VFIO_PCI_CONFIG_REGION_INDEX], 4096, RW,
		      "config space");
	expect_region(_metadata, &m->region[VFIO_PCI_ROM_REGION_INDEX], m->rom ? 4096 : 0,
		      m->rom ? VFIO_REGION_INFO_FLAG_READ : 0, "ROM");
	expect_region(_metadata, m->memory, DEMO_MEMORY_SIZE, RW | MAPPED | CAPS, "memory");
	expect_region(_metadata, m->pattern, 4096, VFIO_REGION_INFO_FLAG_READ | CAPS,
		      "pattern");
	test_cap_type(_metadata, m, m->memory, DEMO_TYPE, 1, "memory");
	test_cap_type(_metadata, m, m->pattern, DEMO_TYPE, 2, "pattern");

	for (i = 0; i < m->num_regions; i++)
		for (j = 0; j < i; j++)
			apart &= !m->region[i].size || !m->region[j].size ||
				 m->region[i].offset + m->region[i].size <=
				 m->region[j].offset ||
				 m->region[j].offset + m->region[j].size <=
				 m->region[i].offset;
	CHECK(apart, "no two regions overlap in the file");

	test_region_argsz(_metadata, m, 0, "BAR 0");
	test_region_argsz(_metadata, m, m->memory->index, "memory");

	info.index = VFIO_PCI_VGA_REGION_INDEX;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL,
		 "region info: VGA, which it has not");
	info.index = m->num_regions;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL,
		 "region info: one after the last");
	info.index = ~0;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL,
		 "region info: the largest index");
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, (void *)8), -EFAULT,
		 "region info: no buffer");

	if (!m->irq_trap || trap_set(m, TRAP_EXACT))
		return;
	expect_sparse(_metadata, m, true, "while trapped");
	trap_set(m, TRAP_OFF);
	expect_sparse(_metadata, m, false, "after a trap");
}

/* What a callback returns that is no errno is not for user space. */
TEST_F(mediate, positive)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	struct mediate *m = &self->m;
	int ret;

	demo_debugfs_set("info_answer", "1");
	ret = device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info);
	demo_debugfs_set("info_answer", "0");
	CHECK_EQ(ret, 0, "region info: get_region_info returns 1");
	CHECK_HEX(info.size, BAR0_SIZE, "region info: it is there");
}

/* A vendor that promises what nobody can do: config space and an added region are not mapped. */
TEST_F(mediate, promised)
{
	const __u32 indexes[] = { 0, VFIO_PCI_CONFIG_REGION_INDEX, self->m.pattern->index };
	struct vfio_region_info info;
	struct mediate *m = &self->m;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(indexes); i++) {
		info = (struct vfio_region_info) { .argsz = sizeof(info), .index = indexes[i] };
		demo_debugfs_set("info_all", "1");
		ret = device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info);
		demo_debugfs_set("info_all", "0");
		CHECK_EQ(ret, i ? -EINVAL : 0, "region info: flags that a vendor adds to region %u",
			 indexes[i]);
	}
}

/* As many ranges as can be mediated: nothing of BAR 0 is left to be mapped while trapped. */
FIXTURE(dense) {
	struct mediate m;
};

FIXTURE_VARIANT(dense) {
	const char *parameters;		/* of mediator_demo */
};

FIXTURE_VARIANT_ADD(dense, dense) {
	.parameters = "dense=Y traps=net rom=N sparse=N",
};

FIXTURE_SETUP(dense)
{
	module_load("mediator_demo", variant->parameters);
	mediate_open(&self->m, lab_vf(0), VFIO_CLIENT_GROUP);
}

FIXTURE_TEARDOWN(dense)
{
	mediate_close(&self->m);
	end_checks(_metadata);
}

TEST_F(dense, trapped)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	struct mediate *m = &self->m;

	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info), 0,
		 "4096 ranges: region info");
	CHECK_HEX(info.flags & MAPPED, MAPPED, "4096 ranges: pages can be mapped");
	CHECK_EQ(trap_set(m, TRAP_ON), 0, "4096 ranges: trapped");
	info.argsz = sizeof(info);
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_REGION_INFO, &info), 0,
		 "4096 ranges: region info while trapped");
	CHECK_HEX(info.flags & MAPPED, 0, "4096 ranges: no page can be mapped then");
	CHECK_EQ(trap_set(m, TRAP_OFF), 0, "4096 ranges: no longer trapped");
}

static void test_irq(struct __test_metadata *_metadata, struct mediate *m, __u32 index,
		     __u32 count, __u32 flags, __u32 type, __u32 subtype, const char *name)
{
	__u8 buf[64], pattern[sizeof(buf)];
	struct vfio_mediate_irq_info *info = (void *)buf;
	const struct vfio_mediate_irq_info_cap_type *cap;
	const __u32 needed = sizeof(*info) + sizeof(*cap);
	const __u32 least = offsetof(struct vfio_irq_info, count) + 4;
	static const __u32 sizes[] = { 16, 20, 23, 24, 28, 39, 40, 41, 64 };
	__u32 argsz, i;
	bool good;

	flags |= VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		 VFIO_MEDIATE_IRQ_INFO_CAPS;
	memset(pattern, FILL, sizeof(pattern));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		argsz = sizes[i];
		memset(buf, FILL, sizeof(buf));
		info->argsz = argsz;
		info->index = index;
		CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, info), 0,
			 "%s: info with argsz %u", name, argsz);
		good = info->index == index && info->count == count &&
		       info->flags == flags;
		if (argsz < needed) {
			good &= info->argsz == needed;
			if (argsz >= sizeof(*info))
				good &= !info->cap_offset;
			if (argsz > sizeof(*info))
				argsz = sizeof(*info);
		} else {
			cap = (void *)(buf + info->cap_offset);
			good &= info->argsz == sizes[i] &&
				info->cap_offset == sizeof(*info) &&
				cap->header.id == VFIO_MEDIATE_IRQ_INFO_CAP_TYPE &&
				cap->header.version == 1 && !cap->header.next &&
				cap->type == type && cap->subtype == subtype;
			argsz = needed;
		}
		if (!CHECK(good, "%s: what argsz %u has room for", name, sizes[i]))
			ksft_print_msg("argsz %u flags %#x count %u cap_offset %u\n",
				       info->argsz, info->flags, info->count, info->cap_offset);
		CHECK(!memcmp(buf + argsz, pattern, sizeof(buf) - argsz),
		      "%s: nothing is written behind argsz %u", name, sizes[i]);
	}

	info->argsz = least - 1;
	info->index = index;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, info), -EINVAL,
		 "%s: argsz too small", name);
}

TEST_F(mediate, interrupts)
{
	struct mediate *m = &self->m;
	__u8 buf[64], pattern[sizeof(buf)];
	struct vfio_irq_info *info = (void *)buf;
	int ret;
	__u32 i;

	/* PCI's are as they were, whatever argsz says. */
	memset(pattern, FILL, sizeof(pattern));
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		memset(buf, FILL, sizeof(buf));
		info->argsz = sizeof(buf);
		info->index = i;
		ret = device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, info);
		CHECK(!ret && !(info->flags & VFIO_MEDIATE_IRQ_INFO_CAPS) &&
		      !memcmp(buf + sizeof(*info), pattern,
			      sizeof(buf) - sizeof(*info)),
		      "PCI interrupt %u: info as ever", i);
	}

	test_irq(_metadata, m, m->irq4, 4, 0, DEMO_TYPE, 1, "irq of 4");
	test_irq(_metadata, m, m->irq_auto, 1, VFIO_IRQ_INFO_AUTOMASKED, DEMO_TYPE, 2,
		 "automasked irq");
	if (m->irq_trap)
		test_irq(_metadata, m, m->irq_trap, 1, 0, VFIO_MEDIATE_IRQ_TYPE_TRAP,
			 VFIO_MEDIATE_IRQ_SUBTYPE_TRAP_CHANGED, "trap irq");

	info->argsz = sizeof(*info);
	info->index = m->num_irqs;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, info), -EINVAL,
		 "irq info: one after the last");
	info->index = ~0;
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, info), -EINVAL,
		 "irq info: the largest index");
	CHECK_EQ(device_ioctl(m, VFIO_DEVICE_GET_IRQ_INFO, (void *)8), -EFAULT,
		 "irq info: no buffer");
}

TEST_HARNESS_MAIN
