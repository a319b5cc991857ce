// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mediate/ring.c, with the rings of sample_nic: a guest's memory, of which it
 * is known page by page what a device has written and nobody has marked since; a driver
 * that posts descriptors; and a device that gives them back, or not yet.
 */

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/slab.h>

/* A copy of its own: the other one may be built in as well. */
#define vfio_mediate_ring_begin	test_ring_begin
#define vfio_mediate_ring_post	test_ring_post
#define vfio_mediate_ring_scan	test_ring_scan
#define vfio_mediate_ring_end	test_ring_end
#include "../../mediate/ring.c"
#include "../../vendor-sample-nic/rings.c"

#include "ring_world.h"

static int scan_to(struct world *w, u32 head, bool stopped)
{
	return vfio_mediate_ring_scan(w->dev, &w->ring, w->batch, head, 0, stopped);
}

static int scan(struct world *w, bool stopped)
{
	int ret;

	do {
		ret = scan_to(w, w->head, stopped);
	} while (ret > 0);

	return ret;
}

static void expect_all_marked(struct kunit *test, const char *when)
{
	struct world *w = test->priv;
	unsigned int page = find_first_bit(w->unmarked, PAGES);

	KUNIT_EXPECT_EQ_MSG(test, page, PAGES, "%s: ring of %u, srrctl %#x", when, w->count,
			    w->ring.format);
	bitmap_zero(w->unmarked, PAGES);
}

static void expect_exact(struct kunit *test)
{
	struct world *w = test->priv;

	KUNIT_EXPECT_TRUE(test, bitmap_equal(w->written, w->marked, PAGES));
}

static void expect_nothing_marked(struct kunit *test)
{
	struct world *w = test->priv;

	KUNIT_EXPECT_TRUE(test, bitmap_empty(w->marked, PAGES));
}

static void begin(struct kunit *test, u32 tail)
{
	struct world *w = test->priv;

	KUNIT_ASSERT_EQ(test, 0, vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, tail));
	KUNIT_ASSERT_TRUE(test, w->ring.enabled);
	w->tail = tail;
}

static void end(struct world *w)
{
	while (vfio_mediate_ring_end(w->dev, &w->ring) > 0)
		;
}

static void test_places(struct kunit *test)
{
	static const u32 counts[] = { 8, 16, 72, 4096, 65528 };
	struct vfio_mediate_track ring = {};
	u32 count, step, from, to;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		count = counts[i];
		ring.count = count;
		KUNIT_EXPECT_EQ(test, 1, next_of(&ring, 0));
		KUNIT_EXPECT_EQ(test, count - 1, next_of(&ring, count - 2));
		KUNIT_EXPECT_EQ(test, 0, next_of(&ring, count - 1));
		step = count > 100 ? count / 100 : 1;
		for (from = 0; from < count; from += step)
			for (to = 0; to < count; to += step)
				KUNIT_ASSERT_EQ(test, (to + count - from) % count,
						distance(&ring, from, to));
	}
}

/* Only so much is looked at in one go, and before the next one the tail may move. */
static void test_parts_of_scan(struct kunit *test)
{
	struct world *w = test->priv;
	u32 at, back, parts;
	int ret;

	for (at = 0; at < 256; at += 51) {
		new_ring(w, 256, at, RX_KIND(DESCTYPE_ONE, 2, 0));
		prepare_some(w, 200);
		begin(test, w->use);
		fetch(w, 200);
		give_back_some(w, 200);
		parts = 0;
		do {
			back = w->ring.next_to_clean;
			ret = scan_to(w, w->head, false);
			KUNIT_EXPECT_LE(test, between(w, back, w->ring.next_to_clean),
					VFIO_MEDIATE_RING_BATCH);
			if (!parts++) {
				prepare_some(w, 20);
				KUNIT_EXPECT_EQ(test, 0, post(w));
			}
		} while (ret > 0);
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_GE(test, parts, 200 / VFIO_MEDIATE_RING_BATCH + 1);
		KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, w->head);
		expect_all_marked(test, "in parts");
		end(w);
	}
}

/* What a running device has written is marked by the next scan, and nothing else. */
static void test_exact(struct kunit *test)
{
	struct world *w = test->priv;
	u32 at, i, round;

	for (at = 0; at < 16; at++) {
		new_ring(w, 16, at, RX_KIND(DESCTYPE_ONE, 2, 0));
		for (i = 0; i < 15; i++)
			prepare(w, BUFFERS + 2 * i * PAGE_SIZE + 4000, 0);
		begin(test, w->use);
		expect_nothing_marked(test);
		KUNIT_EXPECT_EQ(test, 0, scan(w, false));
		expect_nothing_marked(test);

		/* Up to the page's end, and beyond it */
		for (round = 0; round < 4; round++) {
			fetch(w, 3);
			give_back(w, 96);
			give_back(w, 2048);
			give_back(w, 97);
			KUNIT_EXPECT_EQ(test, 0, scan(w, false));
			expect_all_marked(test, "running");
			expect_exact(test);
			KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, w->head);
			KUNIT_EXPECT_EQ(test, w->ring.next_to_mark, w->head);
			KUNIT_EXPECT_EQ(test, w->ring.tail, w->tail);
		}
		KUNIT_EXPECT_EQ(test, 0, scan(w, true));
		expect_exact(test);
		end(w);
		KUNIT_EXPECT_FALSE(test, w->ring.enabled);
		KUNIT_EXPECT_NULL(test, w->ring.posted);
	}
}

/* Fetched, written to, not given back: marked as a whole, and once more in the end. */
static void test_head_ahead(struct kunit *test)
{
	struct world *w = test->priv;

	new_ring(w, 8, 5, RX_KIND(DESCTYPE_ONE, 8, 0));
	prepare_some(w, 7);
	begin(test, w->use);
	fetch(w, 4);
	receive(w, 5, 8192);
	receive(w, 7, 100);
	KUNIT_EXPECT_EQ(test, 0, scan(w, false));
	expect_all_marked(test, "ahead");
	KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, 5);
	KUNIT_EXPECT_EQ(test, w->ring.next_to_mark, w->head);

	/* One of them is given back, the others are written to again. */
	give_back(w, 8192);
	KUNIT_EXPECT_EQ(test, 0, scan(w, false));
	expect_all_marked(test, "given back");
	KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, 6);
	receive(w, 6, 8192);
	receive(w, 0, 8192);
	KUNIT_EXPECT_EQ(test, 0, scan(w, true));
	expect_all_marked(test, "stopped");
	KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, w->head);
	end(w);
}

/* The driver prepares for new use what it has got back before that was seen. */
static void test_prepared_again(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int moved;

	for (moved = 0; moved < 2; moved++) {
		new_ring(w, 8, 6, RX_KIND(DESCTYPE_ONE, 2, 0));
		prepare_some(w, 7);
		begin(test, w->use);
		fetch(w, 4);
		KUNIT_EXPECT_EQ(test, 0, scan(w, false));
		give_back_some(w, 4);
		clean_some(w, 4);
		prepare_some(w, 3);
		/* Known from the tail, or else once the device has stopped. */
		if (moved)
			KUNIT_EXPECT_EQ(test, 0, post(w));
		KUNIT_EXPECT_EQ(test, 0, scan(w, !moved));
		if (moved)
			KUNIT_EXPECT_EQ(test, 0, scan(w, true));
		expect_all_marked(test, "prepared again");
		end(w);
	}
}

/* Half of a descriptor is not the device's any more, and says nothing of a length. */
static void test_half_prepared(struct kunit *test)
{
	static const u32 kinds[] = { RX_KIND(DESCTYPE_ONE, 2, 0), RX_KIND(2, 2, 256) };
	struct world *w = test->priv;
	unsigned int kind, at;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (at = 0; at < 8; at++) {
			new_ring(w, 8, at, kinds[kind]);
			prepare(w, BUFFERS + 2 * PAGE_SIZE - 1, BUFFERS + 4 * PAGE_SIZE);
			prepare_some(w, 6);
			begin(test, w->use);
			fetch(w, 1);
			give_back(w, 2048);
			w->desc[at].wb.length = cpu_to_le16(kind);
			w->desc[at].wb.vlan = 0;
			KUNIT_EXPECT_EQ(test, 0, scan(w, false));
			expect_all_marked(test, "half prepared");
			end(w);
		}
	}
}

/* All is posted again at once: with the tail alone it must be known what was written. */
static void test_posted_again(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int round;

	new_ring(w, 128, 100, RX_KIND(DESCTYPE_ONE, 1, 0));
	prepare_some(w, 127);
	begin(test, w->use);
	for (round = 0; round < 5; round++) {
		fetch(w, 127);
		give_back_some(w, 127);
		clean_some(w, 127);
		prepare_some(w, 127);
		KUNIT_EXPECT_EQ(test, 0, post(w));
		/* The rest is known to have come back: a ring is never full. */
		KUNIT_EXPECT_EQ(test, between(w, w->ring.next_to_clean, w->ring.tail), 127);
		KUNIT_EXPECT_EQ(test, 0, scan(w, false));
		KUNIT_EXPECT_EQ(test, 0, scan(w, true));
		expect_all_marked(test, "posted again");
	}
	end(w);
}

static void test_headers(struct kunit *test)
{
	static const u32 kinds[] = { 2, 3, 4, 5, 6, 7 };
	struct world *w = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		new_ring(w, 8, 0, RX_KIND(kinds[i], 2, 256));
		prepare(w, BUFFERS, BUFFERS + 8 * PAGE_SIZE - 2);
		prepare(w, BUFFERS + PAGE_SIZE, BUFFERS + 10 * PAGE_SIZE);
		begin(test, w->use);
		fetch(w, 1);
		give_back(w, 100);
		KUNIT_EXPECT_EQ(test, 0, scan(w, false));
		expect_all_marked(test, "split");
		expect_exact(test);
		end(w);
		KUNIT_EXPECT_EQ(test, w->longest, 2048);
	}
}

static void test_refused(struct kunit *test)
{
	struct world *w = test->priv;
	u32 head;

	new_ring(w, 0, 0, RX_KIND(DESCTYPE_ONE, 2, 0));
	KUNIT_EXPECT_EQ(test, 0, vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, 5));
	KUNIT_EXPECT_FALSE(test, w->ring.enabled);

	new_ring(w, 8, 8, RX_KIND(DESCTYPE_ONE, 2, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, 0));
	KUNIT_EXPECT_FALSE(test, w->ring.enabled);
	new_ring(w, 8, 7, RX_KIND(DESCTYPE_ONE, 2, 0));
	KUNIT_EXPECT_EQ(test, -ERANGE, vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, 8));
	end(w);

	/* From 6 to 1, the device has descriptors. */
	new_ring(w, 8, 6, RX_KIND(DESCTYPE_ONE, 2, 0));
	prepare_some(w, 3);
	begin(test, w->use);
	KUNIT_EXPECT_EQ(test, -ERANGE, post_to(w, 8));
	KUNIT_EXPECT_EQ(test, -ERANGE, post_to(w, U32_MAX));
	for (head = 2; head < 10; head++)
		if (head != 6 && head != 7)
			KUNIT_EXPECT_EQ(test, -EINVAL,
					scan_to(w, head, true));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			scan_to(w, U32_MAX, false));
	expect_nothing_marked(test);
	KUNIT_EXPECT_EQ(test, w->ring.tail, 1);
	KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, 6);

	/* Memory that cannot be read */
	w->error = -EFAULT;
	fetch(w, 1);
	give_back(w, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, scan(w, false));
	prepare_some(w, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, post(w));
	end(w);
	expect_all_marked(test, "the end");
	/* Nothing happens, it has ended. */
	bitmap_zero(w->marked, PAGES);
	end(w);
	expect_nothing_marked(test);
}

/* Contents that make no sense, and drivers that post more than they may */
static void test_hostile(struct kunit *test)
{
	static const u64 addresses[] = {
		0, U64_MAX, U64_MAX - 1, U64_MAX - 2047, U64_MAX - 2048, BIT_ULL(63),
		BASE, PAGES * PAGE_SIZE - 1,
	};
	u32 count, step, which, i, max_mark;
	struct world *w = test->priv;
	u32 *words;
	int ret;

	for (count = 8; count <= 64; count += 8) {
		new_ring(w, count, chance(w, count), RX_KIND(2, 127, 63 * 64));
		words = (u32 *)w->desc;
		max_mark = max(MAX_BUFFER, count * (u32)sizeof(union nic_rx_desc));
		begin(test, w->tail);
		for (step = 0; step < 500; step++) {
			for (i = 0; i < count * 4; i++)
				words[i] = prandom_u32_state(&w->random);
			for (i = chance(w, 2); i < count; i += 2) {
				which = chance(w, ARRAY_SIZE(addresses));
				w->desc[i].read.pkt_addr = cpu_to_le64(addresses[which]);
			}
			ret = post_to(w, chance(w, count + 1));
			if (ret)
				KUNIT_EXPECT_EQ(test, ret, -ERANGE);
			ret = scan_to(w, chance(w, count + 1), !chance(w, 4));
			if (ret < 0)
				KUNIT_EXPECT_EQ(test, ret, -EINVAL);
			KUNIT_ASSERT_LT(test, w->ring.next_to_clean, count);
			KUNIT_ASSERT_LT(test, w->ring.next_to_mark, count);
			KUNIT_ASSERT_LT(test, w->ring.tail, count);
			KUNIT_ASSERT_LE(test,
					between(w, w->ring.next_to_clean, w->ring.next_to_mark),
					between(w, w->ring.next_to_clean, w->ring.tail));
		}
		end(w);
		KUNIT_EXPECT_LE(test, w->longest, max_mark);
	}

	/* A ring at the end of all addresses, which is not memory */
	new_ring(w, 8, 0, RX_KIND(DESCTYPE_ONE, 2, 0));
	w->ring.base = U64_MAX - 127;
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_mediate_ring_begin(w->dev, &w->ring, w->batch, 1));
	end(w);
	KUNIT_EXPECT_EQ(test, w->longest, 128);
}

static void walk(struct kunit *test)
{
	struct world *w = test->priv;
	u32 some = max(w->count / 4, 2), goal = 6 * w->count + 400;

	/* Some was posted before it is tracked. */
	prepare_some(w, chance(w, w->count));
	w->tail = w->use;
	begin(test, w->tail);
	while (w->given_back < goal) {
		switch (chance(w, 8)) {
		case 0:
			prepare_some(w, chance(w, some));
			break;
		case 1:
			prepare_some(w, chance(w, w->count));
			fallthrough;
		case 2:
			KUNIT_ASSERT_EQ(test, 0, post(w));
			break;
		case 3:
			fetch(w, chance(w, some));
			break;
		case 4:
			if (w->back != w->head)
				receive(w, w->back, chance(w, 60));
			break;
		case 5:
			fetch(w, chance(w, some));
			give_back_some(w, chance(w, w->count));
			break;
		case 6:
			clean_some(w, chance(w, w->count));
			break;
		case 7:
			KUNIT_ASSERT_EQ(test, 0, scan(w, false));
			/* It knows all of them, and what it knows is marked. */
			if (w->ring.next_to_clean == w->head && w->back == w->head)
				expect_all_marked(test, "running");
			if (chance(w, 4))
				break;
			give_back_some(w, w->count);
			KUNIT_ASSERT_EQ(test, 0, scan(w, true));
			expect_all_marked(test, "stopped");
			break;
		}
		KUNIT_ASSERT_EQ(test, w->ring.tail, w->tail);
		KUNIT_ASSERT_LE(test,
				between(w, w->ring.next_to_clean, w->ring.next_to_mark),
				between(w, w->ring.next_to_clean, w->head));
		KUNIT_ASSERT_LE(test,
				between(w, w->ring.next_to_clean, w->head),
				between(w, w->ring.next_to_clean, w->tail));
	}

	/* Stopped with some only begun, or disabled */
	fetch(w, some);
	if (w->back != w->head)
		receive(w, w->back, 60);
	if (chance(w, 2))
		KUNIT_ASSERT_EQ(test, 0, scan(w, true));
	else
		end(w);
	expect_all_marked(test, "in the end");
	end(w);
}

static void test_walk(struct kunit *test)
{
	static const u32 counts[] = { 8, 16, 24, 64, 72, 256, 1024, 4096 };
	static const struct {
		u32 srrctl;
		bool advanced;
	} kinds[] = {
		{ RX_KIND(DESCTYPE_ONE, 2, 0) }, { RX_KIND(DESCTYPE_ONE, 16, 0) },
		{ RX_KIND(2, 1, 256) }, { RX_KIND(5, 0, 960) },
		{ RX_KIND(DESCTYPE_LEGACY, 0, 0) }, { RX_KIND(DESCTYPE_LEGACY, 2, 0), true },
	};
	struct world *w = test->priv;
	unsigned int i, kind, times;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
			for (times = counts[i] < 64 ? 20 : 1; times; times--) {
				new_ring(w, counts[i], chance(w, counts[i]),
					 kinds[kind].srrctl);
				w->advanced = kinds[kind].advanced;
				walk(test);
			}
		}
	}
}

static int tx_scan(struct world *w, bool copy, bool stopped)
{
	return vfio_mediate_ring_scan(w->dev, &w->ring, w->batch, w->head,
				      copy ? HEAD_COPY : 0, stopped);
}

static void test_tx(struct kunit *test)
{
	struct world *w = test->priv;

	/* A ring of two pages and parts of two more */
	new_tx_ring(w, 640, 636);
	KUNIT_ASSERT_EQ(test, 0, begin_tx(w));
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, false, false));
	expect_nothing_marked(test);

	/* Around the end, exactly */
	KUNIT_EXPECT_EQ(test, 0, post_to(w, 10));
	w->tail = 10;
	send_some(w, 14);
	write_back(w, 14, false);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, false, false));
	expect_all_marked(test, "around the end");
	expect_exact(test);
	KUNIT_EXPECT_EQ(test, w->ring.outstanding, 0);
	KUNIT_EXPECT_EQ(test, w->ring.next_to_clean, 10);

	/* As many as the ring has, between two scans: the head is where it was. */
	while (w->given_back < 14 + 640) {
		w->tail = after(w, w->tail, 320);
		KUNIT_EXPECT_EQ(test, 0, post_to(w, w->tail));
		send_some(w, 320);
		write_back(w, 320, false);
	}
	KUNIT_EXPECT_EQ(test, w->head, w->ring.next_to_clean);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, false, false));
	expect_all_marked(test, "a whole ring");
	KUNIT_EXPECT_EQ(test, w->ring.outstanding, 0);

	/* Where it says how far it is: only then, and only if it was asked to. */
	bitmap_zero(w->marked, PAGES);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, true, false));
	KUNIT_EXPECT_FALSE(test, test_bit(HEAD_COPY >> PAGE_SHIFT, w->marked));
	w->tail = after(w, w->tail, 1);
	KUNIT_EXPECT_EQ(test, 0, post_to(w, w->tail));
	send_some(w, 1);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, false, false));
	/* Until just now it was. */
	KUNIT_EXPECT_TRUE(test, test_bit(HEAD_COPY >> PAGE_SHIFT, w->marked));
	bitmap_zero(w->marked, PAGES);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, false, true));
	KUNIT_EXPECT_FALSE(test, test_bit(HEAD_COPY >> PAGE_SHIFT, w->marked));
	write_back(w, 1, true);
	KUNIT_EXPECT_EQ(test, 0, tx_scan(w, true, true));
	expect_all_marked(test, "copy of the head");

	KUNIT_EXPECT_EQ(test, -ERANGE, post_to(w, 640));
	KUNIT_EXPECT_EQ(test, -EINVAL, scan_to(w, 640, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, scan_to(w, U32_MAX, true));
	end(w);

	/* It is disabled, or reset, before it was looked at again. */
	new_tx_ring(w, 64, 0);
	w->ring.writeback = HEAD_COPY;
	KUNIT_EXPECT_EQ(test, 0, begin_tx(w));
	w->tail = 5;
	KUNIT_EXPECT_EQ(test, 0, post_to(w, w->tail));
	send_some(w, 5);
	write_back(w, 5, true);
	end(w);
	expect_all_marked(test, "ended");

	new_tx_ring(w, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, begin_tx(w));
	KUNIT_EXPECT_FALSE(test, w->ring.enabled);
	new_tx_ring(w, 8, 8);
	KUNIT_EXPECT_EQ(test, -EINVAL, begin_tx(w));
	new_tx_ring(w, 8, 7);
	w->ring.tail = 8;
	KUNIT_EXPECT_EQ(test, -ERANGE, begin_tx(w));
	KUNIT_EXPECT_FALSE(test, w->ring.enabled);
}

static void walk_tx(struct kunit *test, bool copy)
{
	struct world *w = test->priv;
	bool late = chance(w, 2);
	u32 n;

	/* Some was posted before it is tracked. */
	w->tail = after(w, w->tail, chance(w, w->count));
	w->ring.tail = w->tail;
	KUNIT_ASSERT_EQ(test, 0, begin_tx(w));
	while (w->given_back < 8 * w->count + 400) {
		switch (chance(w, 4)) {
		case 0:
			n = between(w, w->tail, w->back + w->count - 1);
			w->tail = after(w, w->tail, n ? chance(w, n + 1) : 0);
			KUNIT_ASSERT_EQ(test, 0, post_to(w, w->tail));
			break;
		case 1:
			n = chance(w, w->count);
			send_some(w, n);
			write_back(w, late ? chance(w, n + 1) : w->count, copy);
			break;
		case 2:
			write_back(w, chance(w, w->count), copy);
			break;
		case 3:
			/* More than a ring goes by, sometimes. */
			if (chance(w, 8))
				break;
			if (chance(w, 4)) {
				KUNIT_ASSERT_EQ(test, 0, tx_scan(w, copy, false));
				if (!late)
					expect_all_marked(test, "tx, running");
				break;
			}
			write_back(w, w->count, copy);
			KUNIT_ASSERT_EQ(test, 0, tx_scan(w, copy, true));
			expect_all_marked(test, "tx, stopped");
			break;
		}
		KUNIT_ASSERT_EQ(test, w->ring.tail, w->tail);
	}
	write_back(w, w->count, copy);
	KUNIT_ASSERT_EQ(test, 0, tx_scan(w, copy, true));
	expect_all_marked(test, "tx, in the end");
	end(w);
}

static void test_walk_tx(struct kunit *test)
{
	static const u32 counts[] = { 8, 16, 72, 640, 4096 };
	struct world *w = test->priv;
	unsigned int i, times;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (times = 0; times < 20; times++) {
			new_tx_ring(w, counts[i], chance(w, counts[i]));
			walk_tx(test, times % 4 == 3);
		}
	}
}

static int ring_init(struct kunit *test)
{
	struct world *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	w->desc = kunit_kcalloc(test, MAX_COUNT, sizeof(*w->desc), GFP_KERNEL);
	w->unmarked = kunit_kcalloc(test, BITS_TO_LONGS(PAGES), sizeof(long), GFP_KERNEL);
	w->written = kunit_kcalloc(test, BITS_TO_LONGS(PAGES), sizeof(long), GFP_KERNEL);
	w->marked = kunit_kcalloc(test, BITS_TO_LONGS(PAGES), sizeof(long), GFP_KERNEL);
	if (!w->desc || !w->unmarked || !w->written || !w->marked)
		return -ENOMEM;

	w->session.host = &world_ops;
	w->session.host_data = w;
	w->dev = &w->session.dev;
	prandom_seed_state(&w->random, 82576);
	test->priv = w;

	return 0;
}

/* Also of a ring that an assertion has left behind */
static void ring_exit(struct kunit *test)
{
	struct world *w = test->priv;

	if (w)
		kvfree(w->ring.posted);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(test_places),
	KUNIT_CASE(test_parts_of_scan),
	KUNIT_CASE(test_exact),
	KUNIT_CASE(test_head_ahead),
	KUNIT_CASE(test_prepared_again),
	KUNIT_CASE(test_half_prepared),
	KUNIT_CASE(test_posted_again),
	KUNIT_CASE(test_headers),
	KUNIT_CASE(test_refused),
	KUNIT_CASE(test_hostile),
	KUNIT_CASE_SLOW(test_walk),
	KUNIT_CASE(test_tx),
	KUNIT_CASE(test_walk_tx),
	{ }
};

static struct kunit_suite ring_suite = {
	.name = "vfio_mediate_ring",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("KUnit suite of rings that are tracked");
