// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of vfio-pci/ranges.c.
 */

#include <kunit/test.h>

#include "../../vfio-pci/ranges.c"

#define RANGE(first, length) ((struct vfio_mediate_range) { first, length })

static void test_add(struct kunit *test)
{
	static const struct vfio_mediate_range first[] = {
		{ 0x20, 4 }, { 0x10, 8 },
	};
	static const struct vfio_mediate_range more[] = {
		{ 0x18, 8 }, { 0, 1 }, { 0x24, 1 },
	};
	static const u64 offsets[] = { 0, 0x10, 0x18, 0x20, 0x24 };
	struct vpm_ranges set = {};
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 0, vpm_ranges_add(&set, NULL, 0, 0x40));
	KUNIT_EXPECT_EQ(test, set.count, 0);
	KUNIT_EXPECT_EQ(test, 0, vpm_ranges_add(&set, first, 2, 0x40));
	KUNIT_EXPECT_EQ(test, 0, vpm_ranges_add(&set, more, 3, 0x40));
	KUNIT_ASSERT_EQ(test, set.count, 5);
	for (i = 0; i < set.count; i++)
		KUNIT_EXPECT_EQ(test, set.range[i].offset, offsets[i]);

	vpm_ranges_free(&set);
	KUNIT_EXPECT_EQ(test, set.count, 0);
	KUNIT_EXPECT_NULL(test, set.range);
}

static void test_add_refused(struct kunit *test)
{
	static const struct vfio_mediate_range bad[] = {
		{ 0, 0 },			/* empty */
		{ 0x10, 0 },
		{ 0x10, 1 },			/* overlap */
		{ 0x0f, 2 },
		{ 0x17, 1 },
		{ 0, 0x40 },
		{ 0x11, 2 },
		{ 0x3f, 2 },			/* beyond the end */
		{ 0x40, 1 },
		{ 0x20, U64_MAX },		/* beyond 2^64 */
		{ U64_MAX, 1 },
		{ U64_MAX, U64_MAX },
		{ U64_MAX - 7, 8 },
		{ U64_MAX - 7, 9 },
	};
	struct vpm_ranges set = {};
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set, &RANGE(0x10, 8), 1, 0x40));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    vpm_ranges_add(&set, &bad[i], 1, 0x40),
				    "range %u", i);
		KUNIT_EXPECT_EQ(test, set.count, 1);
		KUNIT_EXPECT_EQ(test, set.range[0].offset, 0x10);
	}
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vpm_ranges_add(&set, bad, VPM_MAX_RANGES, 0x40));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vpm_ranges_add(&set, bad, UINT_MAX, 0x40));

	vpm_ranges_free(&set);
}

/* The last byte of all can be in a range, as long as its end is a u64. */
static void test_top(struct kunit *test)
{
	struct vpm_ranges set = {};
	bool inside;

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set, &RANGE(U64_MAX - 8, 8), 1,
						U64_MAX));
	KUNIT_EXPECT_EQ(test, 4, vpm_ranges_span(&set, U64_MAX - 8, 4, &inside));
	KUNIT_EXPECT_TRUE(test, inside);
	KUNIT_EXPECT_EQ(test, 1, vpm_ranges_span(&set, U64_MAX - 1, 1, &inside));
	KUNIT_EXPECT_TRUE(test, inside);
	KUNIT_EXPECT_EQ(test, 1, vpm_ranges_span(&set, U64_MAX - 9, 9, &inside));
	KUNIT_EXPECT_FALSE(test, inside);
	KUNIT_EXPECT_EQ(test, U64_MAX - 8,
			vpm_ranges_span(&set, 0, U64_MAX, &inside));
	KUNIT_EXPECT_FALSE(test, inside);

	vpm_ranges_free(&set);
}

/* Every access to a small region, against a map with a mark for each byte. */
static void test_span(struct kunit *test)
{
	static const struct vfio_mediate_range ranges[] = {
		{ 0, 1 }, { 3, 4 }, { 7, 2 }, { 12, 1 }, { 19, 5 },
	};
	struct vpm_ranges set = {};
	u64 offset, size, span;
	u8 mark[24] = {};
	unsigned int i;
	bool inside;

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set, ranges, ARRAY_SIZE(ranges),
						sizeof(mark)));
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		memset(mark + ranges[i].offset, i + 1, ranges[i].size);

	for (offset = 0; offset < sizeof(mark); offset++) {
		for (size = 1; offset + size <= sizeof(mark); size++) {
			for (span = 1; span < size; span++)
				if (mark[offset + span] != mark[offset])
					break;
			KUNIT_EXPECT_EQ(test, span,
					vpm_ranges_span(&set, offset, size,
							&inside));
			KUNIT_EXPECT_EQ(test, inside, !!mark[offset]);
		}
	}

	vpm_ranges_free(&set);
	KUNIT_EXPECT_EQ(test, 5, vpm_ranges_span(&set, 0, 5, &inside));
	KUNIT_EXPECT_FALSE(test, inside);
}

static void test_whole_pages(struct kunit *test)
{
	static const struct vfio_mediate_range ranges[] = {
		{ 8, 4 },				/* page 0 */
		{ 2 * PAGE_SIZE - 1, 2 },		/* pages 1 and 2 */
		{ 3 * PAGE_SIZE, PAGE_SIZE },
		{ 6 * PAGE_SIZE + 5, 1 },
		{ 6 * PAGE_SIZE + 7, 1 },
	};
	struct vpm_ranges set = {}, pages = {};

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_whole_pages(&pages, &set,
							8 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, pages.count, 1);
	KUNIT_EXPECT_EQ(test, pages.range[0].offset, 0);
	KUNIT_EXPECT_EQ(test, pages.range[0].size, 8 * PAGE_SIZE);
	vpm_ranges_free(&pages);

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set, ranges, ARRAY_SIZE(ranges),
						8 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_whole_pages(&pages, &set,
							8 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, pages.count, 2);
	KUNIT_EXPECT_EQ(test, pages.range[0].offset, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pages.range[0].size, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pages.range[1].offset, 7 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pages.range[1].size, PAGE_SIZE);
	vpm_ranges_free(&pages);

	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set, &RANGE(7 * PAGE_SIZE, 1), 1,
						8 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_add(&set,
						&RANGE(4 * PAGE_SIZE,
						       2 * PAGE_SIZE), 1,
						8 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_whole_pages(&pages, &set,
							8 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, pages.count, 0);
	vpm_ranges_free(&pages);
	vpm_ranges_free(&set);
}

/* All sets of two ranges and two holes in a small region, byte by byte. */
static void test_subtract(struct kunit *test)
{
	static const u8 marks[] = { 0x00, 0x01, 0x18, 0x3c, 0x81, 0x99, 0xa5, 0xff };
	struct vfio_mediate_range range[8];
	struct vpm_ranges what, rest = {};
	struct vfio_mediate_range hole[8];
	unsigned int i, j, n, bit, got;

	for (i = 0; i < ARRAY_SIZE(marks) * ARRAY_SIZE(marks); i++) {
		u8 from = marks[i / ARRAY_SIZE(marks)], without = marks[i % ARRAY_SIZE(marks)];

		n = 0;
		what = (struct vpm_ranges) { .range = hole };
		for (bit = 0; bit < 8; bit++) {
			if (from & BIT(bit)) {
				if (bit && from & BIT(bit - 1))
					range[n - 1].size++;
				else
					range[n++] = RANGE(bit, 1);
			}
			if (without & BIT(bit)) {
				if (bit && without & BIT(bit - 1))
					hole[what.count - 1].size++;
				else
					hole[what.count++] = RANGE(bit, 1);
			}
		}
		KUNIT_ASSERT_EQ(test, 0, vpm_ranges_subtract(&rest, range, n, &what));
		got = 0;
		for (j = 0; j < rest.count; j++) {
			KUNIT_EXPECT_NE(test, rest.range[j].size, 0);
			KUNIT_EXPECT_EQ(test, got >> rest.range[j].offset, 0);
			got |= GENMASK(rest.range[j].offset + rest.range[j].size - 1,
				       rest.range[j].offset);
		}
		KUNIT_EXPECT_EQ_MSG(test, got, from & ~without, "%#x without %#x", from,
				    without);
		vpm_ranges_free(&rest);
	}
}

/* As many as there can be, each split by a hole. */
static void test_subtract_many(struct kunit *test)
{
	struct vpm_ranges from = {}, what = {}, rest = {};
	unsigned int i;

	from.range = kvcalloc(VPM_MAX_RANGES, sizeof(*from.range), GFP_KERNEL);
	what.range = kvcalloc(VPM_MAX_RANGES, sizeof(*what.range), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, from.range);
	KUNIT_ASSERT_NOT_NULL(test, what.range);
	for (i = 0; i < VPM_MAX_RANGES; i++) {
		from.range[i] = RANGE(8 * i, 7);
		what.range[i] = RANGE(8 * i + 3, 1);
	}
	what.count = VPM_MAX_RANGES;
	KUNIT_ASSERT_EQ(test, 0, vpm_ranges_subtract(&rest, from.range, VPM_MAX_RANGES,
						     &what));
	KUNIT_EXPECT_EQ(test, rest.count, 2 * VPM_MAX_RANGES);
	for (i = 0; i < rest.count; i++) {
		KUNIT_EXPECT_EQ(test, rest.range[i].offset, 4 * i);
		KUNIT_EXPECT_EQ(test, rest.range[i].size, 3);
	}
	vpm_ranges_free(&rest);
	vpm_ranges_free(&what);
	vpm_ranges_free(&from);
}

static void test_are_pages(struct kunit *test)
{
	static const struct vfio_mediate_range good[] = {
		{ 0, PAGE_SIZE }, { PAGE_SIZE, 2 * PAGE_SIZE }, { 4 * PAGE_SIZE, PAGE_SIZE },
	};
	static const struct vfio_mediate_range bad[][2] = {
		{ { PAGE_SIZE, PAGE_SIZE }, { 0, PAGE_SIZE } },
		{ { 0, 2 * PAGE_SIZE }, { PAGE_SIZE, PAGE_SIZE } },
		{ { 0, PAGE_SIZE }, { PAGE_SIZE, 0 } },
		{ { 0, PAGE_SIZE }, { PAGE_SIZE, 8 } },
		{ { 0, PAGE_SIZE }, { PAGE_SIZE + 8, PAGE_SIZE } },
		{ { 0, PAGE_SIZE }, { 7 * PAGE_SIZE, 2 * PAGE_SIZE } },
		{ { 0, PAGE_SIZE }, { PAGE_SIZE, U64_MAX & PAGE_MASK } },
	};
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, vpm_ranges_are_pages(NULL, 0, 8 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, vpm_ranges_are_pages(good, ARRAY_SIZE(good), 8 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, vpm_ranges_are_pages(good, ARRAY_SIZE(good), 4 * PAGE_SIZE));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_FALSE_MSG(test, vpm_ranges_are_pages(bad[i], 2, 8 * PAGE_SIZE),
				       "ranges %u", i);
}

static void test_width(struct kunit *test)
{
	unsigned int offset, size, width;

	for (offset = 0; offset < 16; offset++) {
		for (size = 1; size < 20; size++) {
			width = vpm_access_width(offset, size);
			KUNIT_EXPECT_TRUE(test, is_power_of_2(width));
			KUNIT_EXPECT_LE(test, width, 8);
			KUNIT_EXPECT_LE(test, width, size);
			KUNIT_EXPECT_EQ(test, offset % width, 0);
			/* There is no wider one. */
			KUNIT_EXPECT_TRUE(test, width == 8 || 2 * width > size ||
					  offset % (2 * width));
		}
	}
	KUNIT_EXPECT_EQ(test, 8, vpm_access_width(U64_MAX - 7, U64_MAX));
	KUNIT_EXPECT_EQ(test, 1, vpm_access_width(U64_MAX, U64_MAX));
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE(test_add),
	KUNIT_CASE(test_add_refused),
	KUNIT_CASE(test_top),
	KUNIT_CASE(test_span),
	KUNIT_CASE(test_whole_pages),
	KUNIT_CASE(test_subtract),
	KUNIT_CASE(test_subtract_many),
	KUNIT_CASE(test_are_pages),
	KUNIT_CASE(test_width),
	{ }
};

static struct kunit_suite ranges_suite = {
	.name = "ranges",
	.test_cases = ranges_cases,
};

kunit_test_suite(ranges_suite);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("KUnit suites of vfio-pci-mediate");
