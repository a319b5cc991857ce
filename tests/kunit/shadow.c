// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of vfio-pci/shadow.c: a guest that writes to a shadow, and a device
 * that logs what reaches it.
 */

#include <kunit/test.h>

#include "../../vfio-pci/shadow.c"

#define LOG 32

enum {
	BASE, LENGTH, CONTROL, TAIL, OTHER_ENABLE, OTHER_TAIL, HIGH, BIG
};

static const struct vfio_mediate_reg table[] = {
	[BASE] = { 0x800, 4, VFIO_MEDIATE_CONTROL, 0 },
	[LENGTH] = { 0x808, 4, VFIO_MEDIATE_CONTROL, 0 },
	[CONTROL] = { 0x828, 4, VFIO_MEDIATE_ENABLE, 0, BIT(25) },
	[TAIL] = { 0x818, 4, VFIO_MEDIATE_DOORBELL, 0 },
	[OTHER_ENABLE] = { 0x928, 4, VFIO_MEDIATE_ENABLE, 1, BIT(25) },
	[OTHER_TAIL] = { 0x918, 4, VFIO_MEDIATE_DOORBELL, 1 },
	[HIGH] = { 0xff4, 4, VFIO_MEDIATE_DOORBELL, 3 },
	[BIG] = { 0xff8, 8, VFIO_MEDIATE_DOORBELL, 2 },
};

/* What the device has, and what was written to it, as (register, value). */
static struct {
	u64 value[ARRAY_SIZE(table)];
	unsigned int reg[LOG];
	u64 written[LOG];
	unsigned int writes;
	bool broken;
	/* Runs when a register is written, as a guest on another CPU may. */
	void (*meanwhile)(struct vpm_shadow *shadow);
} device;

static int device_rw(struct vpm_shadow *shadow,
		     const struct vfio_mediate_reg *reg, bool write, u64 *value)
{
	unsigned int i = reg - shadow->regs;

	if (device.broken)
		return -EIO;
	if (!write) {
		*value = device.value[i];
		return 0;
	}

	device.value[i] = *value;
	if (device.writes < LOG) {
		device.reg[device.writes] = i;
		device.written[device.writes] = *value;
	}
	device.writes++;
	if (device.meanwhile)
		device.meanwhile(shadow);

	return 0;
}

static void guest_write(struct vpm_shadow *shadow, unsigned int i, u32 value)
{
	*(__le32 *)(shadow->mem + table[i].offset) = cpu_to_le32(value);
}

static u32 guest_read(struct vpm_shadow *shadow, unsigned int i)
{
	return le32_to_cpu(*(__le32 *)(shadow->mem + table[i].offset));
}

static void expect_log(struct kunit *test, unsigned int count,
		       const unsigned int *regs, const u64 *values)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, device.writes, count);
	for (i = 0; i < count; i++) {
		KUNIT_EXPECT_EQ(test, device.reg[i], regs[i]);
		KUNIT_EXPECT_EQ(test, device.written[i], values[i]);
	}
	device.writes = 0;
}

#define EXPECT_LOG(test, ...)						\
do {									\
	const u64 _log[] = { __VA_ARGS__ };				\
	unsigned int _regs[LOG], _n;					\
	u64 _values[LOG];						\
									\
	for (_n = 0; _n < ARRAY_SIZE(_log) / 2; _n++) {			\
		_regs[_n] = _log[2 * _n];				\
		_values[_n] = _log[2 * _n + 1];				\
	}								\
	expect_log(test, _n, _regs, _values);				\
} while (0)

static struct vpm_shadow *new_shadow(struct kunit *test)
{
	struct vpm_shadow *shadow = test->priv;

	KUNIT_ASSERT_EQ(test, 0, vpm_shadow_init(shadow, table,
						 ARRAY_SIZE(table), device_rw));
	vpm_shadow_fill(shadow);
	KUNIT_EXPECT_EQ(test, device.writes, 0);

	return shadow;
}

static int shadow_test_init(struct kunit *test)
{
	memset(&device, 0, sizeof(device));
	test->priv = kunit_kzalloc(test, sizeof(struct vpm_shadow), GFP_KERNEL);

	return test->priv ? 0 : -ENOMEM;
}

static void shadow_test_exit(struct kunit *test)
{
	if (test->priv)
		vpm_shadow_free(test->priv);
}

static void test_check(struct kunit *test)
{
	static const struct vfio_mediate_reg bad[] = {
		{ 0, 1, VFIO_MEDIATE_DOORBELL },
		{ 0, 2, VFIO_MEDIATE_DOORBELL },
		{ 0, 0, VFIO_MEDIATE_DOORBELL },
		{ 0, 16, VFIO_MEDIATE_DOORBELL },
		{ 2, 4, VFIO_MEDIATE_DOORBELL },
		{ 4, 8, VFIO_MEDIATE_DOORBELL },
		{ PAGE_SIZE, 4, VFIO_MEDIATE_DOORBELL },
		{ PAGE_SIZE - 4, 8, VFIO_MEDIATE_DOORBELL },
		{ 0, 4, VFIO_MEDIATE_ENABLE + 1 },
		{ 0, 4, VFIO_MEDIATE_DOORBELL, 64 },
	};
	static const struct vfio_mediate_reg overlap[][2] = {
		{ { 8, 4 }, { 8, 4 } }, { { 8, 8 }, { 12, 4 } },
		{ { 12, 4 }, { 8, 8 } },
		{ { 0, 4, VFIO_MEDIATE_ENABLE }, { 4, 4, VFIO_MEDIATE_CONTROL } },
		{ { 0, 4, VFIO_MEDIATE_DOORBELL }, { 4, 4, VFIO_MEDIATE_ENABLE } },
	};
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, vpm_shadow_check(table, ARRAY_SIZE(table)));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_FALSE_MSG(test, vpm_shadow_check(&bad[i], 1),
				       "register %u", i);
	for (i = 0; i < ARRAY_SIZE(overlap); i++)
		KUNIT_EXPECT_FALSE_MSG(test, vpm_shadow_check(overlap[i], 2),
				       "pair %u", i);
}

static void test_fill(struct kunit *test)
{
	struct vpm_shadow *shadow;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		device.value[i] = 0x1000 + i;
	shadow = new_shadow(test);
	for (i = 0; i < BIG; i++)
		KUNIT_EXPECT_EQ(test, guest_read(shadow, i), 0x1000 + i);

	/* What the guest has only read is not written. */
	vpm_shadow_drain(shadow, true);
	KUNIT_EXPECT_EQ(test, device.writes, 0);

	device.broken = true;
	vpm_shadow_fill(shadow);
	for (i = 0; i < BIG; i++)
		KUNIT_EXPECT_EQ(test, guest_read(shadow, i), 0);
}

static void test_doorbell(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	guest_write(shadow, TAIL, 1);
	guest_write(shadow, TAIL, 2);
	guest_write(shadow, OTHER_TAIL, 7);
	*(__le64 *)(shadow->mem + 0xff8) = cpu_to_le64(0x123456789abcdefULL);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, TAIL, 2, OTHER_TAIL, 7, BIG, 0x123456789abcdefULL);

	guest_write(shadow, TAIL, 2);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test);
}

static void set_up_queue(struct vpm_shadow *shadow)
{
	guest_write(shadow, BASE, 0x4000);
	guest_write(shadow, LENGTH, 0x100);
	guest_write(shadow, TAIL, 0);
}

static void test_enable(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	/* Set up, but not enabled: nothing reaches the device. */
	set_up_queue(shadow);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test);

	/* Enabled: controls, enable and tail in the order of the table. */
	guest_write(shadow, CONTROL, BIT(25) | 8);
	guest_write(shadow, TAIL, 15);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100, CONTROL, BIT(25) | 8,
		   TAIL, 15);

	/* A change that does not enable is one write. */
	guest_write(shadow, CONTROL, BIT(25) | 9);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, CONTROL, BIT(25) | 9);

	/* Off and on with nothing changed: all of it again, even a tail of 0. */
	guest_write(shadow, TAIL, 0);
	guest_write(shadow, CONTROL, 0);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, CONTROL, 0, TAIL, 0);
	guest_write(shadow, CONTROL, BIT(25));
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100, CONTROL, BIT(25), TAIL, 0);

	/* The other queue is no concern of this one. */
	guest_write(shadow, OTHER_ENABLE, BIT(25));
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, OTHER_ENABLE, BIT(25), OTHER_TAIL, 0);
}

static void ring_twice(struct vpm_shadow *shadow)
{
	device.meanwhile = NULL;
	guest_write(shadow, TAIL, 20);
}

/* What the guest does while it is drained comes in this drain or the next. */
static void test_meanwhile(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	set_up_queue(shadow);
	guest_write(shadow, CONTROL, BIT(25));
	device.meanwhile = ring_twice;
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100, CONTROL, BIT(25), TAIL, 20);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test);

	guest_write(shadow, CONTROL, BIT(25) | 1);
	guest_write(shadow, TAIL, 21);
	device.meanwhile = ring_twice;
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, CONTROL, BIT(25) | 1, TAIL, 21);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, TAIL, 20);
}

/* When the shadow is given up, what was set up so far must not be lost. */
static void test_last_drain(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	set_up_queue(shadow);
	vpm_shadow_drain(shadow, true);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100);
	vpm_shadow_drain(shadow, true);
	EXPECT_LOG(test);
}

static void test_written(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	vpm_shadow_written(shadow, table[TAIL].offset, 4, 30);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, TAIL), 30);
	vpm_shadow_written(shadow, table[TAIL].offset, 2, 31);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, TAIL), 31);
	vpm_shadow_written(shadow, table[TAIL].offset + 3, 1, 1);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, TAIL), 0x0100001f);
	vpm_shadow_written(shadow, 0x100, 8, U64_MAX);
	/* A write to more than the register */
	vpm_shadow_written(shadow, table[HIGH].offset - 4, 8, 40ULL << 32 | 5);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, HIGH), 40);
	vpm_shadow_drain(shadow, true);
	EXPECT_LOG(test);

	/* An older value is a change like any other. */
	guest_write(shadow, TAIL, 2);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, TAIL, 2);
}

/* What the device did not take is written as soon as it does, in order. */
static void test_broken(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	set_up_queue(shadow);
	guest_write(shadow, CONTROL, BIT(25));
	guest_write(shadow, OTHER_TAIL, 7);
	guest_write(shadow, HIGH, 5);
	device.broken = true;
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test);
	device.broken = false;
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100, CONTROL, BIT(25), TAIL, 0,
		   OTHER_TAIL, 7, HIGH, 5);
	vpm_shadow_drain(shadow, true);
	EXPECT_LOG(test);
}

/* A store since the last drain is not taken for a part of what is written past it. */
static void test_written_store(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	guest_write(shadow, TAIL, 0x50000);
	vpm_shadow_written(shadow, table[TAIL].offset, 2, 31);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, TAIL), 0x5001f);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, TAIL, 0x5001f);
}

/* A driver that resets its device enables its queue with the value that it had. */
static void test_reset(struct kunit *test)
{
	struct vpm_shadow *shadow = new_shadow(test);

	set_up_queue(shadow);
	guest_write(shadow, CONTROL, BIT(25));
	guest_write(shadow, TAIL, 15);
	guest_write(shadow, BIG, 3);
	vpm_shadow_drain(shadow, false);
	device.writes = 0;

	memset(device.value, 0, sizeof(device.value));
	/* Before it was seen that it has reset it: of no use to the device. */
	guest_write(shadow, TAIL, 16);
	vpm_shadow_fill(shadow);
	KUNIT_EXPECT_EQ(test, guest_read(shadow, CONTROL), 0);
	vpm_shadow_drain(shadow, true);
	EXPECT_LOG(test);

	set_up_queue(shadow);
	guest_write(shadow, CONTROL, BIT(25));
	guest_write(shadow, TAIL, 15);
	guest_write(shadow, BIG, 3);
	vpm_shadow_drain(shadow, false);
	EXPECT_LOG(test, BASE, 0x4000, LENGTH, 0x100, CONTROL, BIT(25), TAIL, 15, BIG, 3);
}

static struct kunit_case shadow_cases[] = {
	KUNIT_CASE(test_check),
	KUNIT_CASE(test_fill),
	KUNIT_CASE(test_doorbell),
	KUNIT_CASE(test_enable),
	KUNIT_CASE(test_meanwhile),
	KUNIT_CASE(test_last_drain),
	KUNIT_CASE(test_written),
	KUNIT_CASE(test_broken),
	KUNIT_CASE(test_written_store),
	KUNIT_CASE(test_reset),
	{ }
};

static struct kunit_suite shadow_suite = {
	.name = "shadow",
	.init = shadow_test_init,
	.exit = shadow_test_exit,
	.test_cases = shadow_cases,
};

kunit_test_suite(shadow_suite);
