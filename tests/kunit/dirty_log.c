// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of migration/dirty_log.c. What is reported goes to user space's memory by
 * an iova_bitmap, the kernel's own, and is compared with a model that knows of no bits.
 */

#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include "compat.h"

#include "../../migration/dirty_log.c"

#define MAX_RANGES	6
#define MODEL_PAGES	512u
#define USER_BYTES	PAGE_SIZE
#define USER_BITS	(USER_BYTES * 8)
#define LAST_PAGE	(U64_MAX >> PAGE_SHIFT)
#define BYTES(page)	((u64)(page) << PAGE_SHIFT)

/**
 * struct world - A log and what is known of it
 * @log:	The log.
 * @tree:	What it was made of.
 * @node:	Likewise.
 * @count:	How many.
 * @user:	Memory of user space.
 * @got:	A copy of it.
 * @base:	Where the model begins.
 * @written:	The model: pages that were written and not reported, for each range.
 */
struct world {
	struct vpm_dirty_log *log;
	struct rb_root_cached tree;
	struct interval_tree_node node[MAX_RANGES];
	unsigned int count;
	u64 __user *user;
	unsigned long *got;
	u64 base;
	bool written[MAX_RANGES][MODEL_PAGES];
};

static void add(struct world *w, u64 start, u64 last)
{
	struct interval_tree_node *node = &w->node[w->count++];

	node->start = start;
	node->last = last;
	interval_tree_insert(node, &w->tree);
}

static long create(struct world *w)
{
	struct vpm_dirty_log *log = vpm_dirty_log_create(&w->tree, w->count);

	if (!IS_ERR(log))
		w->log = log;

	return PTR_ERR_OR_ZERO(log);
}

static void forget(struct world *w)
{
	vpm_dirty_log_free(w->log);
	w->log = NULL;
	w->tree = RB_ROOT_CACHED;
	w->count = 0;
	memset(w->written, 0, sizeof(w->written));
}

/* What is reported of some bytes, in pages of some size, is in @got afterwards. */
static void report_to_user(struct kunit *test, u64 first, u64 last, unsigned long page_size)
{
	struct world *w = test->priv;
	struct iova_bitmap *bitmap;

	KUNIT_ASSERT_EQ(test, 0, clear_user(w->user, USER_BYTES));
	bitmap = iova_bitmap_alloc(first, last - first + 1, page_size, w->user);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bitmap);
	vpm_dirty_log_report(w->log, first, last, bitmap);
	iova_bitmap_free(bitmap);
	KUNIT_ASSERT_EQ(test, 0, copy_from_user(w->got, w->user, USER_BYTES));
}

static unsigned int weight(struct kunit *test, u64 first, u64 last, unsigned long page_size)
{
	struct world *w = test->priv;

	report_to_user(test, first, last, page_size);

	return bitmap_weight(w->got, USER_BITS);
}

static void expect_bits(struct kunit *test, unsigned int from, unsigned int n)
{
	struct world *w = test->priv;

	KUNIT_EXPECT_EQ(test, n, bitmap_weight(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, from, find_first_bit(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, from + n, find_next_zero_bit(w->got, USER_BITS, from));
}

static void test_create(struct kunit *test)
{
	struct world *w = test->priv;

	/* Nothing */
	KUNIT_EXPECT_EQ(test, 0, create(w));
	vpm_dirty_log_mark(w->log, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
	forget(w);
	vpm_dirty_log_free(NULL);

	add(w, BYTES(5), BYTES(9) - 1);
	add(w, BYTES(2), BYTES(3) - 1);
	KUNIT_EXPECT_EQ(test, 0, create(w));
	KUNIT_ASSERT_EQ(test, w->log->count, 2);
	KUNIT_EXPECT_EQ(test, w->log->range[0].first, 2);
	KUNIT_EXPECT_EQ(test, w->log->range[0].last, 2);
	KUNIT_EXPECT_EQ(test, w->log->range[1].first, 5);
	KUNIT_EXPECT_EQ(test, w->log->range[1].last, 8);
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
	forget(w);

	/* A range that is none, alone and behind a good one */
	add(w, BYTES(5), BYTES(5) - 1);
	KUNIT_EXPECT_EQ(test, -EINVAL, create(w));
	forget(w);
	add(w, BYTES(1), BYTES(2) - 1);
	add(w, BYTES(5), BYTES(4));
	KUNIT_EXPECT_EQ(test, -EINVAL, create(w));
	forget(w);

	/* All there is; by one page too many; and too much with the others */
	add(w, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, -E2BIG, create(w));
	forget(w);
	add(w, BYTES(7), BYTES(7) + BYTES(VPM_DIRTY_LOG_MAX * 8ull));
	KUNIT_EXPECT_EQ(test, -E2BIG, create(w));
	forget(w);
	add(w, 0, BYTES(1) - 1);
	add(w, BYTES(1), BYTES(1) + BYTES(VPM_DIRTY_LOG_MAX * 8ull) - 1);
	KUNIT_EXPECT_EQ(test, -E2BIG, create(w));
}

static void test_mark(struct kunit *test)
{
	static const struct {
		u64 first, last;
		unsigned int from, n;
	} marks[] = {
		{ BYTES(10), BYTES(10), 10, 1 },		/* a byte */
		{ BYTES(11) - 1, BYTES(11) - 1, 10, 1 },
		{ BYTES(11) - 1, BYTES(11), 10, 2 },		/* of two pages */
		{ BYTES(15), BYTES(16) - 1, 15, 1 },		/* a page */
		{ BYTES(10), BYTES(20) - 1, 10, 10 },		/* all */
		{ 0, U64_MAX, 10, 10 },				/* more */
		{ 0, BYTES(10), 10, 1 },			/* the first alone */
		{ BYTES(20) - 1, U64_MAX, 19, 1 },		/* the last alone */
		{ 0, BYTES(10) - 1, USER_BITS, 0 },		/* outside */
		{ BYTES(20), U64_MAX, USER_BITS, 0 },
		{ U64_MAX, U64_MAX, USER_BITS, 0 },
	};
	struct world *w = test->priv;
	unsigned int i;

	add(w, BYTES(10), BYTES(20) - 1);
	KUNIT_ASSERT_EQ(test, 0, create(w));
	for (i = 0; i < ARRAY_SIZE(marks); i++) {
		vpm_dirty_log_mark(w->log, marks[i].first, marks[i].last);
		report_to_user(test, 0, BYTES(USER_BITS) - 1, PAGE_SIZE);
		if (marks[i].n)
			expect_bits(test, marks[i].from, marks[i].n);
		else
			KUNIT_EXPECT_TRUE(test, bitmap_empty(w->got, USER_BITS));
		/* It is forgotten. */
		KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(USER_BITS) - 1, PAGE_SIZE));
	}
}

static void test_across_ranges(struct kunit *test)
{
	struct world *w = test->priv;

	/* The last two share page 30. */
	add(w, BYTES(10), BYTES(20) - 1);
	add(w, BYTES(20), BYTES(22) - 1);
	add(w, BYTES(24), BYTES(30) + 511);
	add(w, BYTES(30) + 512, BYTES(31) - 1);
	KUNIT_ASSERT_EQ(test, 0, create(w));

	vpm_dirty_log_mark(w->log, BYTES(19), BYTES(25) - 1);
	report_to_user(test, 0, BYTES(64) - 1, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 4, bitmap_weight(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, 19, find_first_bit(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, 22, find_next_zero_bit(w->got, USER_BITS, 19));
	KUNIT_EXPECT_TRUE(test, test_bit(24, w->got));
	vpm_dirty_log_mark(w->log, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, 10 + 2 + 7, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));

	/* Half of a page is a page. */
	vpm_dirty_log_mark(w->log, BYTES(30), BYTES(30));
	KUNIT_EXPECT_EQ(test, 1, weight(test, BYTES(30) + 512, BYTES(31) - 1, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
}

static void test_parts(struct kunit *test)
{
	struct world *w = test->priv;

	add(w, BYTES(64), BYTES(192) - 1);
	KUNIT_ASSERT_EQ(test, 0, create(w));

	/* What was not asked for is kept. */
	vpm_dirty_log_mark(w->log, BYTES(64), BYTES(192) - 1);
	report_to_user(test, BYTES(100), BYTES(110) - 1, PAGE_SIZE);
	expect_bits(test, 0, 10);
	report_to_user(test, BYTES(64), BYTES(192) - 1, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 118, bitmap_weight(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, 36, find_first_zero_bit(w->got, USER_BITS));
	KUNIT_EXPECT_EQ(test, 46, find_next_bit(w->got, USER_BITS, 36));

	/* From the middle of a page to the middle of another: bits from there on. */
	vpm_dirty_log_mark(w->log, BYTES(100), BYTES(101) - 1);
	report_to_user(test, BYTES(99) + 512, BYTES(103) + 511, PAGE_SIZE);
	expect_bits(test, 0, 2);
	vpm_dirty_log_mark(w->log, BYTES(99), BYTES(100) - 1);
	report_to_user(test, BYTES(99) + 512, BYTES(103) + 511, PAGE_SIZE);
	expect_bits(test, 0, 1);
	vpm_dirty_log_mark(w->log, BYTES(103) + 4000, BYTES(103) + 4000);
	report_to_user(test, BYTES(99) + 512, BYTES(103) + 511, PAGE_SIZE);
	expect_bits(test, 3, 1);
	/* Within one */
	vpm_dirty_log_mark(w->log, BYTES(100), BYTES(101) - 1);
	report_to_user(test, BYTES(100) + 7, BYTES(100) + 7, PAGE_SIZE);
	expect_bits(test, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, weight(test, BYTES(64), BYTES(192) - 1, PAGE_SIZE));

	/* Where there is nothing */
	vpm_dirty_log_mark(w->log, BYTES(64), BYTES(64));
	vpm_dirty_log_mark(w->log, BYTES(191), BYTES(191));
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, weight(test, BYTES(192), BYTES(300) - 1, PAGE_SIZE));

	/* By larger pages than there are */
	report_to_user(test, 0, BYTES(256) - 1, 16 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 2, bitmap_weight(w->got, USER_BITS));
	KUNIT_EXPECT_TRUE(test, test_bit(4, w->got));
	KUNIT_EXPECT_TRUE(test, test_bit(11, w->got));
}

/* The first and the last page of all, which must not be taken for each other */
static void test_ends(struct kunit *test)
{
	struct world *w = test->priv;
	u64 high = BYTES(LAST_PAGE - 63);

	add(w, 0, BYTES(64) - 1);
	add(w, high, U64_MAX);
	KUNIT_ASSERT_EQ(test, 0, create(w));

	vpm_dirty_log_mark(w->log, U64_MAX, U64_MAX);
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
	report_to_user(test, high, U64_MAX, PAGE_SIZE);
	expect_bits(test, 63, 1);
	KUNIT_EXPECT_EQ(test, 0, weight(test, high, U64_MAX, PAGE_SIZE));

	vpm_dirty_log_mark(w->log, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, weight(test, high, U64_MAX, PAGE_SIZE));
	report_to_user(test, 0, BYTES(64) - 1, PAGE_SIZE);
	expect_bits(test, 0, 1);

	vpm_dirty_log_mark(w->log, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, 64, weight(test, high, U64_MAX, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 64, weight(test, 0, BYTES(64) - 1, PAGE_SIZE));
}

/* A tebibyte, of which a byte is written here and there */
static void test_huge(struct kunit *test)
{
	static const u64 pages[] = { 0, 1, 63, 64, 0x7ffffff, 0x8000000, 0xfffffff };
	struct world *w = test->priv;
	const u64 size = 1ull << 40;
	unsigned int i;

	add(w, BYTES(3), BYTES(3) + size - 1);
	KUNIT_ASSERT_EQ(test, 0, create(w));
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		vpm_dirty_log_mark(w->log, BYTES(3 + pages[i]), BYTES(3 + pages[i]));

	/* In pages of 1 GiB from there on: 0, 511, 512 and 1023 */
	report_to_user(test, BYTES(3), BYTES(3) + size - 1, SZ_1G);
	KUNIT_EXPECT_EQ(test, 4, bitmap_weight(w->got, USER_BITS));
	KUNIT_EXPECT_TRUE(test, test_bit(0, w->got));
	KUNIT_EXPECT_TRUE(test, test_bit(511, w->got));
	KUNIT_EXPECT_TRUE(test, test_bit(512, w->got));
	KUNIT_EXPECT_TRUE(test, test_bit(1023, w->got));
	KUNIT_EXPECT_EQ(test, 0, weight(test, BYTES(3), BYTES(3) + size - 1, SZ_1G));

	/* All of it, in one run */
	vpm_dirty_log_mark(w->log, 0, U64_MAX);
	report_to_user(test, BYTES(3), BYTES(3) + size - 1, SZ_1G);
	expect_bits(test, 0, 1024);
}

/*
 * More pages than the kernel's bitmaps have bits: 16 TiB and two pages. Of these the first
 * must not be taken for the one that is 16 TiB after it.
 */
static void test_vast(struct kunit *test)
{
	struct world *w = test->priv;
	const u64 size = (1ull << 44) + BYTES(2);
	const u64 high = size - BYTES(2);

	add(w, 0, size - 1);
	KUNIT_ASSERT_EQ(test, 0, create(w));

	vpm_dirty_log_mark(w->log, high + BYTES(1), size - 1);
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, high - 1, SZ_1G));
	report_to_user(test, high, size - 1, PAGE_SIZE);
	expect_bits(test, 1, 1);

	/* On both sides of where one bitmap ends */
	vpm_dirty_log_mark(w->log, BYTES(SZ_1G) - 1, BYTES(SZ_1G));
	report_to_user(test, BYTES(SZ_1G - 2), BYTES(SZ_1G + 2) - 1, PAGE_SIZE);
	expect_bits(test, 1, 2);

	/* All of it, in one run, is reported once. */
	vpm_dirty_log_mark(w->log, 0, U64_MAX);
	report_to_user(test, 0, size - 1, SZ_1G);
	expect_bits(test, 0, (size >> 30) + 1);
	KUNIT_EXPECT_EQ(test, 0, weight(test, 0, size - 1, SZ_1G));
}

static void model_mark(struct world *w, u64 first, u64 last)
{
	unsigned int i, page;
	u64 start, end;

	for (i = 0; i < w->count; i++) {
		for (page = 0; page < MODEL_PAGES; page++) {
			start = w->base + BYTES(page);
			end = start + PAGE_SIZE - 1;
			/* A page of which the range has something, and the mark too */
			if (w->node[i].start <= end && w->node[i].last >= start &&
			    first <= end && last >= start)
				w->written[i][page] = true;
		}
	}
}

static void model_report(struct world *w, u64 first, u64 last, unsigned long page_size,
			 bool *bits)
{
	unsigned int i, page;
	u64 start, end, at;

	for (i = 0; i < w->count; i++) {
		for (page = 0; page < MODEL_PAGES; page++) {
			start = max(w->base + BYTES(page), first);
			end = min(w->base + BYTES(page) + PAGE_SIZE - 1, last);
			if (!w->written[i][page] || start > end)
				continue;
			w->written[i][page] = false;
			bits[(start - first) / page_size] = true;
			for (at = start; at <= end && at >= start; at += 256)
				bits[(at - first) / page_size] = true;
			bits[(end - first) / page_size] = true;
		}
	}
}

static void walk(struct kunit *test, struct rnd_state *random, u64 base, bool whole_pages)
{
	const u64 size = BYTES(MODEL_PAGES);
	struct world *w = test->priv;
	u64 first, last, longest;
	unsigned long page_size;
	unsigned int i, step;
	bool *bits;

	bits = kunit_kcalloc(test, MODEL_PAGES + 2, sizeof(*bits), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bits);

	/* Ranges with gaps between some of them, up to the end */
	w->base = base;
	for (first = base; w->count < MAX_RANGES; first = last + 1) {
		longest = size / MAX_RANGES;
		last = base + longest * (w->count + 1) - 1;
		if (w->count == MAX_RANGES - 1)
			last = base + size - 1;
		if (w->count % 3)
			first += prandom_u32_state(random) % (longest / 2);
		if (whole_pages) {
			first &= PAGE_MASK;
			last |= ~PAGE_MASK;
			if (w->count && first <= w->node[w->count - 1].last)
				first = w->node[w->count - 1].last + 1;
		}
		add(w, first, last);
	}
	KUNIT_ASSERT_EQ(test, 0, create(w));

	for (step = 0; step < 1500; step++) {
		longest = prandom_u32_state(random) % 4 ? 3 * PAGE_SIZE : size;
		first = base + prandom_u32_state(random) % size;
		last = first + prandom_u32_state(random) % longest;
		last = last < first ? U64_MAX : last;
		if (prandom_u32_state(random) % 3) {
			vpm_dirty_log_mark(w->log, first, last);
			model_mark(w, first, last);
			continue;
		}

		last = min(last, base + size - 1);
		page_size = PAGE_SIZE << prandom_u32_state(random) % 5;
		if (whole_pages) {
			first &= PAGE_MASK;
			last |= ~PAGE_MASK;
		}
		memset(bits, 0, MODEL_PAGES + 2);
		model_report(w, first, last, page_size, bits);
		report_to_user(test, first, last, page_size);
		for (i = 0; i < MODEL_PAGES + 2; i++)
			KUNIT_ASSERT_EQ_MSG(test, bits[i], test_bit(i, w->got),
					    "step %u: bit %u of %#llx to %#llx by %#lx", step, i,
					    first, last, page_size);
		KUNIT_ASSERT_EQ(test, USER_BITS, find_next_bit(w->got, USER_BITS, i));
	}
	forget(w);
}

static void test_walk(struct kunit *test)
{
	struct rnd_state random;

	prandom_seed_state(&random, 4096);
	walk(test, &random, 0, true);
	walk(test, &random, 0, false);
	walk(test, &random, BYTES(0x123456789), false);
	walk(test, &random, BYTES(LAST_PAGE - MODEL_PAGES + 1), true);
}

static int dirty_log_init(struct kunit *test)
{
	struct world *w;
	unsigned long at;

	if (!IS_ENABLED(CONFIG_IOMMUFD_DRIVER))
		kunit_skip(test, "no bitmaps of IOVAs in this kernel");

	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	w->tree = RB_ROOT_CACHED;
	w->got = kunit_kzalloc(test, USER_BYTES, GFP_KERNEL);
	at = kunit_vm_mmap(test, NULL, 0, USER_BYTES, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!w->got || !at || IS_ERR_VALUE(at))
		return -ENOMEM;

	w->user = (u64 __user *)at;
	test->priv = w;

	return 0;
}

static void dirty_log_exit(struct kunit *test)
{
	if (test->priv)
		forget(test->priv);
}

static struct kunit_case dirty_log_cases[] = {
	KUNIT_CASE(test_create),
	KUNIT_CASE(test_mark),
	KUNIT_CASE(test_across_ranges),
	KUNIT_CASE(test_parts),
	KUNIT_CASE(test_ends),
	KUNIT_CASE(test_huge),
	KUNIT_CASE_SLOW(test_vast),
	KUNIT_CASE_SLOW(test_walk),
	{ }
};

static struct kunit_suite dirty_log_suite = {
	.name = "migration_dirty_log",
	.init = dirty_log_init,
	.exit = dirty_log_exit,
	.test_cases = dirty_log_cases,
};

kunit_test_suite(dirty_log_suite);

MODULE_IMPORT_NS(COMPAT_NS_IOMMUFD);
