// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: reads and writes of regions that are mediated in part, or added.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, none) { .parameters = DEMO_NONE };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

/* Bytes around a mediated range that are tried, on either side */
#define AROUND	16

/* A range of 8 bytes that mediator_demo keeps in memory */
struct scratch {
	__u32 start;
	const char *name;
};

static const struct scratch scratches[] = {
	{ DEMO_MAILBOX_MEM, "amid the mailbox" },
	{ DEMO_SCRATCH, "aligned to 4" },
	{ DEMO_SCRATCH64, "aligned to 8" },
};

/* Where all but the mediated bytes belong to the device. */
static bool is_scratch(__u32 off)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scratches); i++)
		if (off - scratches[i].start < 8)
			return true;

	return false;
}

/* Length of the part of [off, end) that is all scratch, or all the device's. */
static __u32 part(__u32 off, __u32 end)
{
	__u32 len = 1;

	while (off + len < end && is_scratch(off + len) == is_scratch(off))
		len++;

	return len;
}

static __u8 *model_byte(__u8 *model, __u32 off)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scratches); i++)
		if (off - scratches[i].start < 8)
			return &model[8 * i + off - scratches[i].start];

	return NULL;
}

/* What the device has around a range, as words: the model does it bytewise. */
#define SNAPSHOT_WORDS	((2 * AROUND + 8) / 4)

static void set_device(struct mediate *m, __u32 start, __u32 seed)
{
	__u32 i;

	for (i = start - AROUND; i < start + 8 + AROUND; i += 4)
		if (!is_scratch(i))
			bar_write32(m, i, seed + i * 0x01010101);
}

static void get_device(struct mediate *m, __u32 start, __u32 *words)
{
	__u32 i;

	for (i = 0; i < SNAPSHOT_WORDS; i++)
		words[i] = is_scratch(start - AROUND + 4 * i) ? 0 :
			   bar_read32(m, start - AROUND + 4 * i);
}

/*
 * Every offset and length: what is in the range must be as in the model, all
 * else as when it is read by itself.
 */
static void test_scratch_read(struct __test_metadata *_metadata, struct mediate *m,
			      const struct scratch *scratch, __u8 *model)
{
	unsigned int wrong = 0, tried = 0;
	__u8 got[AROUND], want[AROUND];
	__u32 off, len, i, n;

	set_device(m, scratch->start, 0x10203040);
	for (off = scratch->start - AROUND; off < scratch->start + 8; off++) {
		for (len = 1; len <= AROUND; len++) {
			for (i = 0; i < len; i += n) {
				n = part(off + i, off + len);
				if (is_scratch(off + i)) {
					n = 1;
					want[i] = *model_byte(model, off + i);
				} else if (region_read(m, &m->region[0], off + i,
						       want + i, n) != n) {
					wrong++;
				}
			}
			tried++;
			if (region_read(m, &m->region[0], off, got, len) != len ||
			    memcmp(got, want, len)) {
				if (!wrong++)
					ksft_print_msg("read of %u at %#x\n", len, off);
			}
		}
	}
	CHECK(!wrong, "scratch %s: %u reads of all offsets and lengths", scratch->name, tried);
}

static void test_scratch_write(struct __test_metadata *_metadata, struct mediate *m,
			       const struct scratch *scratch, __u8 *model)
{
	__u32 got[SNAPSHOT_WORDS], want[SNAPSHOT_WORDS];
	unsigned int wrong = 0, tried = 0;
	__u8 data[AROUND], kept[8], expected[8];
	__u32 off, len, i, n;

	for (off = scratch->start - AROUND; off < scratch->start + 8; off++) {
		for (len = 1; len <= AROUND; len += len < 9 ? 1 : 3) {
			for (i = 0; i < len; i++)
				data[i] = tried + 0x11 * i + 1;

			/* What the device gets, part by part. */
			set_device(m, scratch->start, tried);
			for (i = 0; i < len; i += n) {
				n = part(off + i, off + len);
				if (!is_scratch(off + i))
					region_write(m, &m->region[0], off + i,
						     data + i, n);
				else
					for (__u32 j = i; j < i + n; j++)
						*model_byte(model, off + j) =
							data[j];
			}
			get_device(m, scratch->start, want);

			set_device(m, scratch->start, tried);
			if (region_write(m, &m->region[0], off, data, len) != len)
				wrong++;
			get_device(m, scratch->start, got);
			for (i = 0; i < 8; i++) {
				expected[i] = *model_byte(model,
							  scratch->start + i);
				region_read(m, &m->region[0], scratch->start + i,
					    &kept[i], 1);
			}
			tried++;
			if (memcmp(got, want, sizeof(got)) ||
			    memcmp(kept, expected, sizeof(kept))) {
				if (!wrong++)
					ksft_print_msg("write of %u at %#x\n", len, off);
			}
		}
	}
	CHECK(!wrong, "scratch %s: %u writes of offsets and lengths", scratch->name, tried);
}

TEST_F(mediate, scratch)
{
	struct mediate *m = &self->m;
	__u8 model[8 * ARRAY_SIZE(scratches)];
	unsigned int i;

	for (i = 0; i < sizeof(model); i++)
		model[i] = 0xc0 + i;
	for (i = 0; i < ARRAY_SIZE(scratches); i++)
		CHECK_EQ(region_write(m, &m->region[0], scratches[i].start, model + 8 * i, 8),
			 8, "scratch %s: set", scratches[i].name);
	for (i = 0; i < ARRAY_SIZE(scratches); i++) {
		test_scratch_read(_metadata, m, &scratches[i], model);
		test_scratch_write(_metadata, m, &scratches[i], model);
	}
}

/* "As wide as possible", as the vendor sees it. */
TEST_F(mediate, widths)
{
	struct mediate *m = &self->m;
	static const struct {
		__u32 off, len;
		unsigned int width[4];
	} cases[] = {
		{ DEMO_SCRATCH64, 8, { 0, 0, 0, 1 } },
		{ DEMO_SCRATCH64, 4, { 0, 0, 1, 0 } },
		{ DEMO_SCRATCH64, 3, { 1, 1, 0, 0 } },
		{ DEMO_SCRATCH64 + 1, 7, { 1, 1, 1, 0 } },
		{ DEMO_SCRATCH64 - 8, 24, { 0, 0, 1, 1 } },
		{ DEMO_SCRATCH, 8, { 0, 0, 2, 0 } },
		{ DEMO_SCRATCH + 1, 7, { 1, 1, 1, 0 } },
		{ DEMO_SCRATCH - 4, 16, { 0, 0, 2, 0 } },
		{ DEMO_SCRATCH + 7, 1, { 1, 0, 0, 0 } },
	};
	struct mediate_counts counts;
	__u8 buf[32] = {};
	bool good, write;
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		__u32 off = cases[i / 2].off, len = cases[i / 2].len;

		write = i % 2;
		demo_reset(m);
		if (write)
			region_write(m, &m->region[0], off, buf, len);
		else
			region_read(m, &m->region[0], off, buf, len);
		counts = demo_counts(m);
		good = !memcmp(counts.width, cases[i / 2].width,
			       sizeof(counts.width));
		if (!CHECK(good, "%s of %u at %#x: as wide as possible",
			   write ? "write" : "read", len, off))
			ksft_print_msg("%u %u %u %u\n", counts.width[0], counts.width[1],
				       counts.width[2], counts.width[3]);
	}
}

TEST_F(mediate, registers)
{
	struct mediate *m = &self->m;
	struct mediate_counts counts;
	__u32 status;
	__u16 half;
	__u8 byte;

	status = bar_read32(m, REG_STATUS);
	CHECK_HEX(status & 0xc0, 0x40, "STATUS: 100 Mb/s");
	CHECK(status & ~0xc0u, "STATUS: its other bits are the device's");
	CHECK_EQ(region_read(m, &m->region[0], REG_STATUS, &byte, 1), 1, "STATUS: one byte");
	CHECK_HEX(byte, status & 0xff, "STATUS: its first byte");
	CHECK_EQ(region_read(m, &m->region[0], REG_STATUS + 2, &half, 2), 2,
		 "STATUS: two bytes");
	CHECK_HEX(half, status >> 16, "STATUS: its upper half");

	demo_reset(m);
	bar_write32(m, REG_STATUS, ~status);
	CHECK_HEX(bar_read32(m, REG_STATUS), status,
		  "STATUS: a write is passed through, to no effect");
	counts = demo_counts(m);
	CHECK(counts.passed == 1 && counts.emulated == 1,
	      "STATUS: one access passed through, one served");

	demo_reset(m);
	bar_write32(m, REG_V2PMAILBOX, 0);
	bar_read32(m, REG_V2PMAILBOX);
	counts = demo_counts(m);
	CHECK(counts.passed == 2 && !counts.emulated, "mailbox: passed through, and counted");

	demo_reset(m);
	bar_write32(m, REG_VTIVAR, 0x80);
	CHECK_HEX(bar_read32(m, REG_VTIVAR), 0x80, "a register nobody mediates");
	bar_write32(m, REG_VTIVAR, 0);
	counts = demo_counts(m);
	CHECK(!counts.passed && !counts.emulated && !counts.trapped,
	      "and of which the vendor sees nothing");
}

static void test_bounds(struct __test_metadata *_metadata, struct mediate *m,
			const struct vfio_client_region *region, const char *name)
{
	__u8 buf[16] = {};

	CHECK_EQ(region_read(m, region, region->size - 4, buf, 4), 4,
		 "%s: read of the last bytes", name);
	CHECK_EQ(region_read(m, region, region->size - 2, buf, 4), 2,
		 "%s: read over its end is cut", name);
	CHECK_EQ(region_read(m, region, region->size, buf, 4), -EINVAL,
		 "%s: read behind its end", name);
	CHECK_EQ(region_read(m, region, region->size + 4096, buf, 1), -EINVAL,
		 "%s: read far behind its end", name);
	CHECK_EQ(region_write(m, region, region->size, buf, 4), -EINVAL,
		 "%s: write behind its end", name);
	CHECK_EQ(region_read(m, region, 0, buf, 0), 0, "%s: read of nothing", name);
	CHECK_EQ(region_write(m, region, 0, buf, 0), 0, "%s: write of nothing", name);
	CHECK_EQ(region_read(m, region, region->size, buf, 0), 0,
		 "%s: read of nothing behind its end", name);
}

/* A buffer of which only the first bytes are there. */
static void test_buffers(struct __test_metadata *_metadata, struct mediate *m,
			 const struct vfio_client_region *region, __u64 off, const char *name)
{
	__u8 *pages = mmap(NULL, 2 * PAGE_4K, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *end = pages + PAGE_4K;
	__u64 before, after = 0;
	long ret;

	munmap(end, PAGE_4K);
	CHECK_EQ(region_read(m, region, off, end, 4), -EFAULT, "%s: read to no buffer", name);
	CHECK_EQ(region_read(m, region, off, NULL, 1), -EFAULT, "%s: read to NULL", name);
	region_read(m, region, off, &before, 8);
	if (region->flags & VFIO_REGION_INFO_FLAG_WRITE) {
		CHECK_EQ(region_write(m, region, off, end, 4), -EFAULT,
			 "%s: write from no buffer", name);
		CHECK_EQ(region_write(m, region, off, end, 8), -EFAULT,
			 "%s: write of 8 from no buffer", name);
	}
	region_read(m, region, off, &after, 8);
	CHECK_HEX(after, before, "%s: and nothing was written", name);

	/* The first part of the access is done, the second is not. */
	ret = region_read(m, region, off + 4, end - 4, 8);
	CHECK(ret == 4 || ret == -EFAULT, "%s: read to half a buffer: %ld", name, ret);
	mprotect(pages, PAGE_4K, PROT_READ);
	CHECK_EQ(region_read(m, region, off, pages, 4), -EFAULT, "%s: read to read-only memory",
		 name);
	munmap(pages, PAGE_4K);
}

TEST_F(mediate, bounds)
{
	struct vfio_client_region beyond = self->m.region[0];
	struct mediate *m = &self->m;
	__u8 buf[4] = {};

	test_bounds(_metadata, m, &m->region[0], "BAR 0");
	test_buffers(_metadata, m, &m->region[0], DEMO_SCRATCH, "BAR 0");
	CHECK_EQ(region_read(m, &m->region[1], 0, buf, 4), -EINVAL,
		 "BAR 1, which there is not: read");

	beyond.offset = (__u64)m->num_regions << 40;
	CHECK_EQ(region_read(m, &beyond, 0, buf, 4), -EINVAL,
		 "read of a region after the last");
	CHECK_EQ(region_write(m, &beyond, 0, buf, 4), -EINVAL,
		 "write of a region after the last");
}

static unsigned int sysfs_hex(struct mediate *m, const char *name)
{
	char line[64];

	sysfs_line(m->dev.bdf, name, line, sizeof(line));

	return strtoul(line, NULL, 16);
}

TEST_F(mediate, config)
{
	struct mediate *m = &self->m;
	const struct vfio_client_region *config =
		&m->region[VFIO_PCI_CONFIG_REGION_INDEX];
	__u32 revision = sysfs_hex(m, "revision");
	__u32 class = sysfs_hex(m, "class");
	__u32 ids = 0x12345678, word = 0, i;
	struct mediate_counts counts;
	__u8 whole[64], byte, bytes[64];

	CHECK_EQ(region_read(m, config, 8, &byte, 1), 1, "config: revision");
	CHECK_HEX(byte, (revision + 1) & 0xff, "config: one more than it is");
	CHECK_EQ(region_read(m, config, 8, &word, 4), 4, "config: revision and class");
	CHECK_HEX(word, class << 8 | ((revision + 1) & 0xff), "config: class is the device's");
	CHECK_EQ(region_read(m, config, 0x2c, &word, 4), 4, "config: subsystem");
	CHECK_HEX(word, ids, "config: is another");
	CHECK_EQ(region_write(m, config, 0x2c, "\1\2\3\4", 4), 4,
		 "config: write of subsystem succeeds");
	region_read(m, config, 0x2c, &word, 4);
	CHECK_HEX(word, ids, "config: but is dropped");
	byte = 0;
	CHECK_EQ(region_write(m, config, 8, &byte, 1), 1,
		 "config: write of revision is passed through");

	/* Whole, and each byte by itself */
	CHECK_EQ(region_read(m, config, 0, whole, sizeof(whole)), sizeof(whole),
		 "config: 64 bytes at once");
	for (i = 0; i < sizeof(bytes); i++)
		region_read(m, config, i, &bytes[i], 1);
	CHECK(!memcmp(whole, bytes, sizeof(whole)), "config: the same byte by byte");
	CHECK(!memcmp(&whole[0x2c], &ids, 4) && whole[0] == 0x86 &&
	      whole[8] == ((revision + 1) & 0xff),
	      "config: mediated and other bytes in it");
	CHECK_EQ(region_read(m, config, 0x2b, whole, 7), 7,
		 "config: unaligned, over both bounds of a range");
	CHECK(!memcmp(whole, &bytes[0x2b], 7), "config: the same again");

	demo_reset(m);
	region_read(m, config, 0, whole, 8);
	region_read(m, config, 0x30, whole, 16);
	counts = demo_counts(m);
	CHECK(!counts.passed && !counts.emulated,
	      "config: nothing outside the ranges comes to the vendor");

	/* What is not mediated still is virtualised by vfio. */
	region_read(m, config, 0x3c, &byte, 1);
	byte ^= 5;
	region_write(m, config, 0x3c, &byte, 1);
	region_read(m, config, 0x3c, bytes, 1);
	CHECK_HEX(bytes[0], byte, "config: interrupt line can be written");

	CHECK_EQ(region_read(m, config, 4096, whole, 4), -EFAULT,
		 "config: read behind its end, as ever");
	CHECK_EQ(region_read(m, config, 4094, whole, 4), -EFAULT,
		 "config: read over its end, as ever");
	CHECK_EQ(region_read(m, config, 0, whole, 0), 0, "config: read of nothing");
	CHECK_EQ(region_read(m, config, 0x2c, NULL, 4), -EFAULT,
		 "config: read of subsystem to no buffer");
	CHECK_EQ(region_read(m, config, 8, NULL, 1), -EFAULT,
		 "config: read of revision to no buffer");
	CHECK_EQ(region_write(m, config, 0x2c, NULL, 4), -EFAULT,
		 "config: write of subsystem from no buffer");
}

TEST_F(mediate, rom)
{
	struct mediate *m = &self->m;
	const struct vfio_client_region *rom =
		&m->region[VFIO_PCI_ROM_REGION_INDEX];
	__u8 data[4096], want[4096];
	unsigned int i;

	if (!m->rom) {
		CHECK_EQ(region_read(m, rom, 0, data, 4), -EINVAL,
			 "ROM, which there is not: read");
		return;
	}

	for (i = 0; i < sizeof(want); i++)
		want[i] = i;
	want[0] = 0x55;
	want[1] = 0xaa;
	CHECK_EQ(region_read(m, rom, 0, data, sizeof(data)), sizeof(data), "ROM: all of it");
	CHECK(!memcmp(data, want, sizeof(data)), "ROM: what is in it");
	CHECK_EQ(region_read(m, rom, 1, data, 13), 13, "ROM: unaligned");
	CHECK(!memcmp(data, want + 1, 13), "ROM: what is there");
	CHECK_EQ(region_write(m, rom, 0, data, 4), -EINVAL, "ROM: write");
	CHECK_EQ(region_read(m, rom, 4094, data, 4), 2, "ROM: read over its end is cut");
	CHECK_EQ(region_read(m, rom, 4096, data, 4), -EINVAL, "ROM: read behind its end");
	CHECK_EQ(region_read(m, rom, 0, NULL, 4), -EFAULT, "ROM: no buffer");
	CHECK_EQ(try_map(m, rom, 0, 4096, MAP_SHARED, NULL), -EINVAL, "ROM: map");
}

/* A BAR that the device does not have */
TEST_F(mediate, added_bar)
{
	struct mediate *m = &self->m;
	const struct vfio_client_region *bar = &m->region[VFIO_PCI_BAR5_REGION_INDEX];
	__u8 data[32], want[32];
	unsigned int i;

	if (!m->rom) {
		CHECK_EQ(region_read(m, bar, 0, data, 4), -EINVAL,
			 "BAR 5, which there is not: read");
		return;
	}

	for (i = 0; i < sizeof(want); i++)
		want[i] = 3 * i;
	CHECK_EQ(region_write(m, bar, 0, want, sizeof(want)), sizeof(want), "BAR 5: write");
	CHECK_EQ(region_read(m, bar, 0, data, sizeof(data)), sizeof(data), "BAR 5: read");
	CHECK(!memcmp(data, want, sizeof(data)), "BAR 5: what was written");
	CHECK_EQ(region_write(m, bar, 18, "xy", 2), 2, "BAR 5: write 2 bytes");
	CHECK_EQ(region_read(m, bar, 17, data, 5), 5, "BAR 5: unaligned");
	CHECK(data[0] == want[17] && data[1] == 'x' && data[2] == 'y' && data[3] == want[20],
	      "BAR 5: what is there");
	CHECK_EQ(region_read(m, bar, 30, data, 4), 2, "BAR 5: read over its end is cut");
	CHECK_EQ(region_read(m, bar, 32, data, 4), -EINVAL, "BAR 5: read behind its end");
	CHECK_EQ(region_write(m, bar, 32, data, 1), -EINVAL, "BAR 5: write behind its end");
	CHECK_EQ(try_map(m, bar, 0, 4096, MAP_SHARED, NULL), -EINVAL, "BAR 5: map");
}

TEST_F(mediate, extra)
{
	struct mediate *m = &self->m;
	__u8 data[64], got[64];
	__u64 word;
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = 3 * i + 1;
	CHECK_EQ(region_write(m, m->memory, 0x101, data, 61), 61, "memory: unaligned write");
	CHECK_EQ(region_read(m, m->memory, 0x101, got, 61), 61, "memory: unaligned read");
	CHECK(!memcmp(got, data, 61), "memory: keeps what was written");
	demo_reset(m);
	region_read(m, m->memory, 0x200, &word, 8);
	CHECK_EQ(demo_counts(m).width[3], 1, "memory: 8 bytes are one access");
	test_bounds(_metadata, m, m->memory, "memory");
	test_buffers(_metadata, m, m->memory, 0x100, "memory");

	CHECK_EQ(region_read(m, m->pattern, 0, got, 64), 64, "pattern: read");
	for (i = 0; i < 64 && got[i] == i; i++)
		;
	CHECK_EQ(i, 64, "pattern: each byte says where it is");
	CHECK_EQ(region_read(m, m->pattern, 0xffd, got, 9), 3,
		 "pattern: read over its end is cut");
	CHECK(got[0] == 0xfd && got[1] == 0xfe && got[2] == 0xff, "pattern: its last bytes");
	CHECK_EQ(region_read(m, m->pattern, 4096, got, 1), -EINVAL,
		 "pattern: read behind its end");
	CHECK_EQ(region_write(m, m->pattern, 0, data, 4), -EINVAL,
		 "pattern: write of what can only be read");
	CHECK_EQ(region_write(m, m->pattern, 0, data, 0), 0, "pattern: write of nothing");
}

TEST_HARNESS_MAIN
