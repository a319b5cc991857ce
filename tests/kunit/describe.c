// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite of descriptions: what is done to a device that is described, and when. */

#include <kunit/test.h>
#include <linux/module.h>

#include "described.h"
#include "described_device.h"
#include "said.h"

static int open_device(struct kunit *test)
{
	struct pci_dev *pdev = fake_device(test);

	pdev->resource[VFIO_PCI_BAR0_REGION_INDEX].end = SIZE - 1;
	dut->session = vfio_mediate_open(pdev, &host_ops, fake_detached, &test->priv);
	if (!IS_ERR_OR_NULL(dut->session))
		return 0;

	return dut->session ? PTR_ERR(xchg(&dut->session, NULL)) : -ENODEV;
}

static void close_device(void)
{
	vfio_mediate_close(dut->session);
	dut->session = NULL;
}

static void save(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops = dut->dev->migration;
	struct vfio_mediate_record *record;
	u64 features = 0;
	u32 version = 1;
	unsigned int i;
	u8 *buf;
	int ret;

	buf = kunit_kzalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, 0, ops->save_as(dut->dev, &version, &features));
	KUNIT_EXPECT_EQ(test, features, RESEND);
	KUNIT_ASSERT_EQ(test, 0, ops->save_begin(dut->dev));
	for (i = 0; i < ARRAY_SIZE(dut->saved); i++) {
		record = &dut->saved[i];
		*record = (struct vfio_mediate_record){ .index = i, .data = buf };
		ret = ops->save(dut->dev, record);
		KUNIT_ASSERT_GE(test, ret, 0);
		if (!ret)
			break;
		KUNIT_ASSERT_LE(test, record->length, sizeof(dut->payload[0]));
		memcpy(dut->payload[i], buf, record->length);
		record->data = dut->payload[i];
	}
	dut->num_saved = i;
	ops->save_end(dut->dev);
}

/* Load what was saved, but the record of one type. */
static void load_without(struct kunit *test, u64 features, u16 type)
{
	const struct vfio_mediate_migration_ops *ops = dut->dev->migration;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, ops->load_begin(dut->dev, 1, features));
	for (i = 0; i < dut->num_saved; i++)
		if (dut->saved[i].type != type)
			KUNIT_ASSERT_EQ(test, 0, ops->load(dut->dev, &dut->saved[i]));
}

/* A device with a state that was applied, and that has not run */
static void apply(struct kunit *test)
{
	set_up();
	save(test);
	clear();
	load_without(test, 0, 0);
	expect_log(test, "c");
	KUNIT_ASSERT_EQ(test, 0, dut->dev->migration->apply(dut->dev));
	expect_log(test, "pdw");
}

static void expect_ring(struct kunit *test, u32 at, bool on)
{
	KUNIT_EXPECT_EQ(test, *reg(at + LENGTH), 256);
	KUNIT_EXPECT_EQ(test, *reg(at + ON), on ? ENABLE | 3 : 3);
	if (!on)
		KUNIT_EXPECT_EQ(test, *reg(at + TAIL), 0);
	else
		KUNIT_EXPECT_EQ(test, *reg(at + TAIL), at & STRIDE ? 6 : 5);
}

static void expect_rings(struct kunit *test, bool on)
{
	unsigned int queue;

	for (queue = 0; queue < QUEUES; queue++) {
		expect_ring(test, RX + queue * STRIDE, on);
		expect_ring(test, TX + queue * STRIDE, on);
	}
}

/* All checks, all puts, then registers; what starts something by run. */
static void test_order(struct kunit *test)
{
	static u32 before[SIZE / sizeof(u32)];

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	apply(test);
	expect_rings(test, false);
	KUNIT_EXPECT_EQ(test, *reg(MASK), 0);
	KUNIT_EXPECT_EQ(test, *reg(MODE), 9);
	KUNIT_EXPECT_EQ(test, dut->own, 0x1234);

	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->run(dut->dev));
	expect_log(test, "etmRtK");
	expect_rings(test, true);
	KUNIT_EXPECT_EQ(test, *reg(MASK), 7);
	memcpy(before, dut->regs, sizeof(before));
	clear();
	set_up();
	KUNIT_EXPECT_MEMEQ(test, before, dut->regs, sizeof(before));
	dut->dev->migration->load_end(dut->dev, 0);
	expect_log(test, "L");

	/* That was once. */
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->stop(dut->dev));
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->run(dut->dev));
	expect_log(test, "SRtK");
}

/* What is saved of a device that was loaded, and has not run, is the same. */
static void test_save_pending(struct kunit *test)
{
	static u8 payload[8][256];

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	apply(test);
	KUNIT_EXPECT_EQ(test, dut->num_saved, 4);
	memcpy(payload, dut->payload, sizeof(payload));
	memset(dut->payload, 0, sizeof(dut->payload));
	save(test);
	KUNIT_EXPECT_EQ(test, dut->num_saved, 4);
	KUNIT_EXPECT_MEMEQ(test, payload, dut->payload, sizeof(payload));
	dut->dev->migration->load_end(dut->dev, -ECANCELED);
}

static void expect_nothing_starts(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->run(dut->dev));
	expect_rings(test, false);
	KUNIT_EXPECT_EQ(test, *reg(MASK), 0);
}

static void expect_dropped(struct kunit *test, int (*lose)(struct vfio_mediate_device *dev))
{
	apply(test);
	lose(dut->dev);
	expect_nothing_starts(test);
	expect_log(test, "RtK");
	dut->dev->migration->load_end(dut->dev, 0);
	expect_log(test, "L");
}

/* What waits for the first run is dropped when the device is reset before, or loses its state. */
static void test_drop(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	ops = dut->dev->migration;
	apply(test);
	ops->load_end(dut->dev, -ECANCELED);
	expect_nothing_starts(test);
	expect_log(test, "LRtK");

	expect_dropped(test, vfio_mediate_state_lost);
	expect_dropped(test, vfio_mediate_was_reset);

	/* Reset while rings are enabled: they do not stay so. */
	apply(test);
	dut->lose_at = 'e';
	KUNIT_EXPECT_EQ(test, 0, ops->run(dut->dev));
	expect_log(test, "etmdRtK");
	KUNIT_EXPECT_EQ(test, *reg(RX + ON), 3);
	KUNIT_EXPECT_EQ(test, *reg(TX + STRIDE + ON), 3);
	ops->load_end(dut->dev, 0);

	/* Closed before it runs */
	expect_log(test, "L");
	apply(test);
	close_device();
	expect_log(test, "");
}

static void expect_refused(struct kunit *test, u16 type, unsigned int length, u8 fill, int error)
{
	const struct vfio_mediate_migration_ops *ops = dut->dev->migration;
	static u8 data[512];
	struct vfio_mediate_record record = { .type = type, .length = length, .data = data };

	memset(data, fill, sizeof(data));
	char line[64];

	snprintf(line, sizeof(line), "kunit: record of type %u: %u bytes, ", type, length);
	load_without(test, 0, type);
	said_begin();
	KUNIT_EXPECT_EQ_MSG(test, error, ops->load(dut->dev, &record), "type %u, %u bytes of %u",
			    type, length, fill);
	/* The framework says it of a type that is not known. */
	KUNIT_EXPECT_EQ(test, times_said(line), error && error != -EOPNOTSUPP);
	ops->load_end(dut->dev, error ?: -ECANCELED);
}

/* Each check of a record, and nothing is done to the device. */
static void test_refused(struct kunit *test)
{
	const unsigned int rings_size = QUEUES * 2 * ARRAY_SIZE(rx_regs) * sizeof(u32);
	struct vfio_mediate_record extra = {
		.type = RECORD_EXTRA, .length = 17, .optional = true,
	};
	const struct vfio_mediate_migration_ops *ops;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	ops = dut->dev->migration;
	set_up();
	save(test);
	clear();

	expect_refused(test, 9, 4, 0, -EOPNOTSUPP);
	expect_refused(test, VFIO_MEDIATE_RECORD_RINGS, rings_size - 1, 0, -EINVAL);
	expect_refused(test, VFIO_MEDIATE_RECORD_RINGS, rings_size, 0xff, 0);
	expect_refused(test, VFIO_MEDIATE_RECORD_RINGS, rings_size + 1, 0xff, -EMSGSIZE);
	expect_refused(test, VFIO_MEDIATE_RECORD_RINGS, rings_size + 1, 0, 0);
	expect_refused(test, RECORD_BASIC, sizeof(struct basic) - 1, 0, -EINVAL);
	expect_refused(test, RECORD_EXTRA, 7, 0, -EINVAL);
	expect_refused(test, RECORD_EXTRA, 8, 0xff, 0);
	expect_refused(test, RECORD_EXTRA, 17, 0xff, -EMSGSIZE);
	expect_refused(test, VFIO_MEDIATE_RECORD_COUNTERS, 11, 0, -EINVAL);
	expect_refused(test, VFIO_MEDIATE_RECORD_COUNTERS, 13, 1, -EMSGSIZE);
	expect_log(test, "cLcLcLcLcLcLcLcLcLcLcL");

	/* The source allows that it is skipped. */
	extra.data = dut->payload[6];
	memset(extra.data, 0xff, extra.length);
	load_without(test, 0, RECORD_EXTRA);
	said_begin();
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, ops->load(dut->dev, &extra));
	KUNIT_EXPECT_EQ(test, 0, times_said("record of type"));
	ops->load_end(dut->dev, -ECANCELED);
	expect_log(test, "cL");

	/* By the vendor; twice, if the state does not say so */
	KUNIT_ASSERT_EQ(test, 0, ops->load_begin(dut->dev, 1, 0));
	dut->errors['c'] = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, ops->load(dut->dev, &dut->saved[1]));
	dut->errors['c'] = 0;
	ops->load_end(dut->dev, -EPERM);
	load_without(test, 0, 0);
	said_begin();
	KUNIT_EXPECT_EQ(test, -EINVAL, ops->load(dut->dev, &dut->saved[0]));
	expect_said(test, "kunit: record of type 1: came twice");
	ops->load_end(dut->dev, -EINVAL);
	load_without(test, RESEND, 0);
	KUNIT_EXPECT_EQ(test, 0, ops->load(dut->dev, &dut->saved[0]));
	ops->load_end(dut->dev, -ECANCELED);
	expect_log(test, "cLcLcL");

	/* Incomplete: nothing is put. */
	load_without(test, 0, VFIO_MEDIATE_RECORD_RINGS);
	KUNIT_EXPECT_EQ(test, -EINVAL, ops->apply(dut->dev));
	ops->load_end(dut->dev, -EINVAL);
	load_without(test, 0, RECORD_BASIC);
	said_begin();
	KUNIT_EXPECT_EQ(test, -EINVAL, ops->apply(dut->dev));
	expect_said(test, "kunit: record of type 16: is missing");
	ops->load_end(dut->dev, -EINVAL);
	expect_log(test, "cLcL");

	/* Put fails: no register is written, then or by run. */
	load_without(test, 0, RECORD_EXTRA);
	dut->errors['p'] = -EADDRINUSE;
	said_begin();
	KUNIT_EXPECT_EQ(test, -EADDRINUSE, ops->apply(dut->dev));
	expect_said(test, "kunit: cannot apply the record of type 16: ");
	dut->errors['p'] = 0;
	ops->load_end(dut->dev, -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, 0, ops->run(dut->dev));
	expect_log(test, "cpLRtK");
	KUNIT_EXPECT_EQ(test, *reg(MODE), 0);

	/* Optional records need not come. */
	load_without(test, 0, VFIO_MEDIATE_RECORD_COUNTERS);
	KUNIT_EXPECT_EQ(test, 0, ops->apply(dut->dev));
	ops->load_end(dut->dev, -ECANCELED);
}

static u64 read_bar(struct kunit *test, u32 offset, u8 width)
{
	struct vfio_mediate_access access = { .offset = offset, .width = width };

	KUNIT_EXPECT_EQ(test, 0, vfio_mediate_described_rw(dut->dev, &access));

	return access.value;
}

static void expect_counters(struct kunit *test)
{
	struct vfio_mediate_access write = { .offset = COUNTER, .width = 4, .write = true };
	struct vfio_mediate_access other = { .offset = COUNTER + 8, .width = 4 };

	*reg(COUNTER) = 1000;
	*reg(COUNTER + 4) = U32_MAX;
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_EXPECT_EQ(test, dut->dev->num_regions, 1);
	KUNIT_EXPECT_EQ(test, dut->dev->regions->num_ranges, 2);
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER, 4), 0);
	*reg(COUNTER) += 0x12345;
	*reg(COUNTER + 4) += 7;
	*reg(COUNTER + 12) = 3;
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER, 8), 0x700012345);
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER + 1, 1) & 0xff, 0x23);
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER + 2, 2) & 0xffff, 0x1);
	KUNIT_EXPECT_EQ(test, 0, vfio_mediate_described_rw(dut->dev, &write));
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER, 4), 0x12345);
	KUNIT_EXPECT_EQ(test, VFIO_MEDIATE_PASS_THROUGH,
			vfio_mediate_described_rw(dut->dev, &other));
	other.offset = COUNTER;
	other.region = VFIO_PCI_BAR3_REGION_INDEX;
	KUNIT_EXPECT_EQ(test, VFIO_MEDIATE_PASS_THROUGH,
			vfio_mediate_described_rw(dut->dev, &other));

	/* At the destination, whose counters are others */
	set_up();
	save(test);
	*reg(COUNTER) = 5;
	*reg(COUNTER + 4) = 0;
	*reg(COUNTER + 12) = 0x80000000;
	load_without(test, 0, 0);
	KUNIT_ASSERT_EQ(test, 0, dut->dev->migration->apply(dut->dev));
	*reg(COUNTER) += 1;
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER, 8), 0x700012346);
	KUNIT_EXPECT_EQ(test, read_bar(test, COUNTER + 12, 4), 3);
	dut->dev->migration->load_end(dut->dev, -ECANCELED);
	close_device();
}

/* Counters go on for the guest, and do not show what former users have counted. */
static void test_counters(struct kunit *test)
{
	expect_counters(test);
	KUNIT_EXPECT_GT(test, dut->counted, 0);

	/* The same of registers that are counters */
	memset(dut->regs, 0, sizeof(dut->regs));
	dut->counted = 0;
	desc.read_counter = NULL;
	expect_counters(test);
	KUNIT_EXPECT_EQ(test, dut->counted, 0);
}

/* What cannot be read is not a value. */
static void test_broken_counter(struct kunit *test)
{
	struct vfio_mediate_access access = { .offset = COUNTER, .width = 8 };
	const struct vfio_mediate_migration_ops *ops;

	desc.read_counter = NULL;
	dut->broken = COUNTER + 4;
	KUNIT_EXPECT_EQ(test, -EIO, open_device(test));
	dut->broken = 0;
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	ops = dut->dev->migration;
	set_up();
	save(test);
	load_without(test, 0, 0);
	dut->broken = COUNTER + 4;
	said_begin();
	KUNIT_EXPECT_EQ(test, -EIO, ops->apply(dut->dev));
	expect_said(test, "kunit: cannot apply the record of type 4: ");
	ops->load_end(dut->dev, -EIO);
	KUNIT_EXPECT_EQ(test, -EIO, vfio_mediate_described_rw(dut->dev, &access));
	access.width = 4;
	KUNIT_EXPECT_EQ(test, 0, vfio_mediate_described_rw(dut->dev, &access));
}

/* A loaded device that is tracked before it runs is tracked with its rings. */
static void test_tracked(struct kunit *test)
{
	const struct vfio_mediate_tracking_ops *tracking;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	tracking = dut->dev->tracking;
	apply(test);
	KUNIT_EXPECT_EQ(test, 0, tracking->start(dut->dev));
	expect_log(test, "et");
	KUNIT_EXPECT_EQ(test, *reg(MASK), 0);
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->run(dut->dev));
	expect_log(test, "mRtK");
	KUNIT_EXPECT_EQ(test, 0, tracking->scan(dut->dev));
	dut->dev->migration->load_end(dut->dev, 0);
	expect_log(test, "L");

	/* Loaded while it is tracked: what its rings held is not known. */
	apply(test);
	KUNIT_EXPECT_EQ(test, 0, tracking->scan(dut->dev));
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->run(dut->dev));
	said_begin();
	KUNIT_EXPECT_EQ(test, -ESTALE, tracking->scan(dut->dev));
	dut->dev->migration->load_end(dut->dev, 0);
	KUNIT_EXPECT_EQ(test, -ESTALE, tracking->scan(dut->dev));
	expect_said(test, "cannot track rings of a state that was loaded");
	tracking->stop(dut->dev);
	KUNIT_EXPECT_EQ(test, 0, tracking->start(dut->dev));
	KUNIT_EXPECT_EQ(test, 0, tracking->scan(dut->dev));
	/* Closed without a stop */
}

/* Write a register for the guest. */
static void guest_write(struct kunit *test, u32 offset, u8 width, u32 value)
{
	struct vfio_mediate_access access = {
		.offset = offset, .width = width, .write = true, .value = value,
	};

	KUNIT_EXPECT_EQ(test, 0, vfio_mediate_described_rw(dut->dev, &access));
}

/* A write of the guest's driver, after which tracking fails. One line says why, and where. */
static void expect_untracked(struct kunit *test, u32 offset, u8 width, u32 value, int error,
			     const char *line)
{
	const struct vfio_mediate_tracking_ops *tracking = dut->dev->tracking;

	set_up();
	KUNIT_EXPECT_EQ(test, 0, tracking->start(dut->dev));
	said_begin();
	guest_write(test, offset, width, value);
	guest_write(test, offset, width, value);
	KUNIT_EXPECT_EQ_MSG(test, error, tracking->scan(dut->dev), "%s", line);
	KUNIT_EXPECT_EQ(test, error, tracking->scan(dut->dev));
	KUNIT_EXPECT_EQ_MSG(test, 1, times_said(line), "%s", line);
	KUNIT_EXPECT_EQ_MSG(test, 1, times_said("cannot track"), "%s", line);
	tracking->stop(dut->dev);
}

/* Rings of 16 descriptors; those of queue 0 have head 1 and tail 5. */
static void test_untracked(struct kunit *test)
{
	const struct vfio_mediate_tracking_ops *tracking;
	const char *line;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	tracking = dut->dev->tracking;
	line = "queue 0, ring 0: tail 16 written, at descriptor 5 (IOVA 0x11050) of 16: ";
	expect_untracked(test, RX + TAIL, 4, 16, -ERANGE, line);
	line = "queue 1, ring 1: register 0x2108 written while enabled, at descriptor 6 (IOVA 0x2";
	expect_untracked(test, TX + STRIDE + HEAD, 4, 16, -EBUSY, line);
	line = "queue 0, ring 1: 2 bytes written to register 0x2014, at descriptor 0 (IOVA 0x1";
	expect_untracked(test, TX + TAIL, 2, 6, -EOPNOTSUPP, line);
	/* Only the first error is said. */
	dut->read_error = -EFAULT;
	said_begin();
	set_up();
	KUNIT_EXPECT_EQ(test, -EFAULT, tracking->start(dut->dev));
	line = "queue 0, ring 0: begun with head 1, tail 5, at descriptor 1 (IOVA 0x11010) of 16: ";
	expect_said(test, line);
	KUNIT_EXPECT_EQ(test, 1, times_said("cannot track"));
	dut->read_error = 0;

	KUNIT_EXPECT_EQ(test, 0, tracking->start(dut->dev));
	said_begin();
	*reg(TX + HEAD) = 16;
	KUNIT_EXPECT_EQ(test, -EINVAL, tracking->scan(dut->dev));
	line = "queue 0, ring 1: scanned up to head 16, at descriptor 1 (IOVA 0x12010) of 16: ";
	expect_said(test, line);
	tracking->stop(dut->dev);

	/* The device is gone. */
	set_up();
	KUNIT_EXPECT_EQ(test, 0, tracking->start(dut->dev));
	said_begin();
	*reg(TX + STRIDE + ON) = U32_MAX;
	KUNIT_EXPECT_EQ(test, -ENODEV, tracking->scan(dut->dev));
	expect_said(test, "cannot track queue 1, ring 1: ENABLE cannot be read");
	/* Nothing is said when the VMM exits. */
	set_up();
	tracking->stop(dut->dev);
	dut->read_error = -ESRCH;
	said_begin();
	KUNIT_EXPECT_EQ(test, -ESRCH, tracking->start(dut->dev));
	KUNIT_EXPECT_EQ(test, 0, times_said("cannot track"));
}

static void test_run_fails(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	set_up();
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->stop(dut->dev));
	dut->errors['R'] = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, dut->dev->migration->run(dut->dev));
	expect_log(test, "SR");
	dut->errors['R'] = 0;
	dut->errors['K'] = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, dut->dev->migration->run(dut->dev));
	expect_log(test, "RtKS");
	dut->errors['S'] = -EIO;
	KUNIT_EXPECT_EQ(test, -ENOTRECOVERABLE, dut->dev->migration->run(dut->dev));
}

static void expect_stop_fails(struct kunit *test, char letter, int error, const char *log)
{
	const struct vfio_mediate_migration_ops *ops = dut->dev->migration;

	dut->errors[(u8)letter] = -EIO;
	KUNIT_EXPECT_EQ_MSG(test, error, letter == 'S' ? ops->stop(dut->dev) :
			    ops->quiesce(dut->dev), "%s", log);
	dut->errors[(u8)letter] = 0;
	expect_log(test, log);
}

/* A device that cannot be stopped or quiesced is as before: it runs, is quiesced or stopped. */
static void test_stop_fails(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	ops = dut->dev->migration;
	set_up();
	expect_stop_fails(test, 'S', -EIO, "SRtK");
	expect_stop_fails(test, 'Q', -EIO, "QRtK");
	dut->errors['R'] = -EBUSY;
	expect_stop_fails(test, 'S', -ENOTRECOVERABLE, "SR");
	dut->errors['R'] = 0;
	/* It runs as before, whatever comes of what was pending. */
	dut->errors['K'] = -EBUSY;
	expect_stop_fails(test, 'S', -EIO, "SRtK");
	dut->errors['K'] = 0;

	KUNIT_EXPECT_EQ(test, 0, ops->quiesce(dut->dev));
	expect_log(test, "Q");
	expect_stop_fails(test, 'S', -EIO, "SQ");
	dut->errors['Q'] = -EBUSY;
	expect_stop_fails(test, 'S', -ENOTRECOVERABLE, "SQ");
	dut->errors['Q'] = 0;

	KUNIT_EXPECT_EQ(test, 0, ops->stop(dut->dev));
	expect_log(test, "S");
	expect_stop_fails(test, 'Q', -EIO, "QS");
	KUNIT_EXPECT_EQ(test, 0, ops->run(dut->dev));
	expect_log(test, "RtK");

	/* The vendor says so: nothing is tried. */
	dut->errors['S'] = -ENOTRECOVERABLE;
	KUNIT_EXPECT_EQ(test, -ENOTRECOVERABLE, ops->stop(dut->dev));
	expect_log(test, "S");
}

/* Pages of rings, wherever these are: controls, enables and tails of each ring */
static void test_traps(struct kunit *test)
{
	static const u8 want[] = {
		VFIO_MEDIATE_CONTROL, VFIO_MEDIATE_CONTROL, VFIO_MEDIATE_CONTROL,
		VFIO_MEDIATE_CONTROL, VFIO_MEDIATE_ENABLE, VFIO_MEDIATE_DOORBELL,
	};
	const unsigned int n = ARRAY_SIZE(want);
	const struct vfio_mediate_trap *trap;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_ASSERT_EQ(test, dut->dev->num_traps, 2);
	trap = &dut->dev->traps[1];
	KUNIT_EXPECT_EQ(test, trap->pages.offset, TX);
	KUNIT_EXPECT_EQ(test, trap->pages.size, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, trap->num_regs, QUEUES * n);
	for (i = 0; i < trap->num_regs; i++) {
		KUNIT_EXPECT_EQ(test, trap->regs[i].kind, want[i % n]);
		KUNIT_EXPECT_EQ(test, trap->regs[i].queue, i / n * 2 + 1);
		KUNIT_EXPECT_EQ(test, trap->regs[i].offset / STRIDE, i / n);
		KUNIT_EXPECT_EQ(test, trap->regs[i].width, 4);
	}
	KUNIT_EXPECT_EQ(test, trap->regs[n - 2].value, ENABLE);
	close_device();

	/* Each queue in a page, which two rings share */
	desc.stride = TX - RX;
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_ASSERT_EQ(test, dut->dev->num_traps, 3);
	trap = &dut->dev->traps[1];
	KUNIT_EXPECT_EQ(test, trap->pages.offset, TX);
	KUNIT_ASSERT_EQ(test, trap->num_regs, 2 * n);
	KUNIT_EXPECT_EQ(test, trap->regs[0].queue, 1);
	KUNIT_EXPECT_EQ(test, trap->regs[n].queue, 2);
}

static void expect_invalid(struct kunit *test, const char *line, const char *change)
{
	said_begin();
	KUNIT_EXPECT_EQ_MSG(test, -EINVAL, open_device(test), "%s", change);
	KUNIT_EXPECT_EQ_MSG(test, 1, times_said(line), "%s", change);
	KUNIT_EXPECT_EQ_MSG(test, 1, times_said("invalid description"), "%s", change);
	if (dut->session)
		close_device();
}

/* Each rule that a description can break is named, and where it is broken. */
static void test_rules(struct kunit *test)
{
	static const u32 descending[] = { 8, 4 }, odd[] = { 2 }, far[] = { SIZE };
	static const struct vfio_mediate_state_reg no_role[] = { { 0, VFIO_MEDIATE_NUM_ROLES } };
	struct vfio_mediate_state_reg twice[ARRAY_SIZE(rx_regs) + 1], other[ARRAY_SIZE(rx_regs)];
	struct vfio_mediate_ring ring[2];
	struct vfio_mediate_part part[2];

	memcpy(twice, rx_regs, sizeof(rx_regs));
	twice[ARRAY_SIZE(rx_regs)] = (struct vfio_mediate_state_reg)REG(RX + 0x20, TAIL);

#define EXPECT_EINVAL(line, change)							\
	do {										\
		desc = good;								\
		memcpy(ring, rings, sizeof(ring));					\
		memcpy(part, parts, sizeof(part));					\
		memcpy(other, rx_regs, sizeof(other));					\
		desc.rings = ring;							\
		desc.parts = part;							\
		change;									\
		expect_invalid(test, "invalid description: " line, #change);		\
	} while (0)

	EXPECT_EINVAL("region 6 is not a BAR", desc.region = VFIO_PCI_ROM_REGION_INDEX);
	EXPECT_EINVAL("run or stop is missing", desc.run = NULL);
	EXPECT_EINVAL("run or stop is missing", desc.stop = NULL);
	EXPECT_EINVAL("min_version is 2, version is 1", desc.min_version = 2);
	EXPECT_EINVAL("pre_copy 0x20 is not one of features 0x8", desc.pre_copy = BIT_ULL(5));
	EXPECT_EINVAL("0 queues of 2 rings, 1 to 64 rings", desc.num_queues = 0);
	EXPECT_EINVAL("33 queues of 2 rings, 1 to 64 rings", desc.num_queues = 33);
	EXPECT_EINVAL("9 rings, 8 are possible", desc.num_rings = 9);
	EXPECT_EINVAL("32 parts, 31 are possible", desc.num_parts = 32);
	EXPECT_EINVAL("stride 0x2 is not a multiple of 4", desc.stride = 2);
	EXPECT_EINVAL("ring 0, register 0 at 0x100000ff0: beyond BAR 0 of 0x4000 bytes",
		      desc.stride = 0xfffffff0);
	EXPECT_EINVAL("counter 1 at 0x4: not after the one before it",
		      desc.counters = descending; desc.num_counters = 2);
	EXPECT_EINVAL("counter 0 at 0x2: not aligned to 4 bytes",
		      desc.counters = odd; desc.num_counters = 1);
	EXPECT_EINVAL("counter 0 at 0x4000: beyond BAR 0 of 0x4000 bytes",
		      desc.counters = far; desc.num_counters = 1);
	EXPECT_EINVAL("ring 0: no register has the role BASE", ring[0].num_regs = 0);
	EXPECT_EINVAL("ring 0: no register has the role TAIL", ring[0].num_regs = 5);
	EXPECT_EINVAL("ring 0, register 6 at 0x1020: a second TAIL",
		      ring[0].regs = twice; ring[0].num_regs = ARRAY_SIZE(twice));
	EXPECT_EINVAL("ring 0, register 0 at 0x0: unknown role 11",
		      ring[0].regs = no_role; ring[0].num_regs = 1);
	EXPECT_EINVAL("ring 0: desc_size is 0, 1 to 64 are possible", ring[0].desc_size = 0);
	EXPECT_EINVAL("ring 1: desc_size is 65, 1 to 64 are possible",
		      ring[1].desc_size = VFIO_MEDIATE_DESC_SIZE + 1);
	EXPECT_EINVAL("ring 0: buffers without done", ring[0].done = NULL);
	EXPECT_EINVAL("ring 0: buffers without hold", desc.hold = NULL);
	EXPECT_EINVAL("ring 1: LENGTH has no bits in value", ring[1].regs = other;
		      other[1].value = 0);
	EXPECT_EINVAL("ring 1: LENGTH allows 65551 descriptors, 65536 are possible",
		      ring[1].regs = other; other[1].value = 0x1000f0);
	EXPECT_EINVAL("ring 1: ENABLE has no bits in value", ring[1].regs = other;
		      other[4].value = 0);
	EXPECT_EINVAL("ring 1: WRITEBACK has no bits in value", ring[1].regs = other;
		      other[3].role = VFIO_MEDIATE_ROLE_WRITEBACK);
	EXPECT_EINVAL("ring 0: buffers and WRITEBACK", ring[0].regs = other;
		      other[3].role = VFIO_MEDIATE_ROLE_WRITEBACK; other[3].value = 1);
	EXPECT_EINVAL("ring 1, register 3 at 0x1102: not aligned to 4 bytes",
		      ring[1].regs = other; other[3].offset = 0x1102);
	/* Queue 1 has it at 0x4000. */
	EXPECT_EINVAL("ring 0, register 2 at 0x4000: beyond BAR 0 of 0x4000 bytes",
		      ring[0].regs = other; other[2].offset = SIZE - STRIDE);
	EXPECT_EINVAL("part 0: size is 7, its 2 registers have more", part[0].size = 7);
	EXPECT_EINVAL("part 0: 257 registers, 256 are possible", part[0].num_regs = 257);
	EXPECT_EINVAL("part 1, register 0 at 0x0: unknown role 11",
		      part[1].regs = no_role; part[1].num_regs = 1);
	EXPECT_EINVAL("part 0, register 1 at 0x3ffe: not aligned to 4 bytes",
		      part[0].regs = other; other[1].offset = SIZE - 2);
	EXPECT_EINVAL("part 0, register 1 at 0x4000: beyond BAR 0 of 0x4000 bytes",
		      part[0].regs = other; other[1].offset = SIZE);
	EXPECT_EINVAL("record of type 17: another one has this type", part[0].type = part[1].type);
	EXPECT_EINVAL("record of type 0x8000: types are below 0x8000",
		      part[0].type = VFIO_MEDIATE_RECORD_TYPES);
	EXPECT_EINVAL("part 0: type 1 is not for parts", part[0].type = VFIO_MEDIATE_RECORD_RINGS);
	EXPECT_EINVAL("part 1: type 3 is not for parts",
		      part[1].type = VFIO_MEDIATE_RECORD_FILTERS);
	EXPECT_EINVAL("part 1: type 4 is not for parts",
		      part[1].type = VFIO_MEDIATE_RECORD_COUNTERS);
	EXPECT_EINVAL("part 1: type 5 is not for parts", part[1].type = VFIO_MEDIATE_RECORD_GUEST);
	EXPECT_EINVAL("record of type 17: 0 bytes, 1 to 65536 are possible",
		      part[1].size = 0; part[1].min_size = 0);
	EXPECT_EINVAL("part 1: min_size is 17, size is 16", part[1].min_size = 17);
#undef EXPECT_EINVAL
}

/* What the administrator turns off is not declared, and not sent early. */
static void test_parameters(struct kunit *test)
{
	u64 features = RESEND | BIT_ULL(5);
	struct vfio_mediate_record record;
	u32 version = 1;

	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_EXPECT_EQ(test, 1, dut->dev->num_regions);
	KUNIT_EXPECT_NOT_NULL(test, dut->dev->tracking);
	close_device();
	vfio_mediate_counters = false;
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_EXPECT_EQ(test, 0, dut->dev->num_regions);
	KUNIT_EXPECT_NOT_NULL(test, dut->dev->tracking);
	close_device();
	vfio_mediate_tracking = false;
	vfio_mediate_counters = true;
	KUNIT_ASSERT_EQ(test, 0, open_device(test));
	KUNIT_EXPECT_EQ(test, 1, dut->dev->num_regions);
	KUNIT_EXPECT_NULL(test, dut->dev->tracking);
	KUNIT_EXPECT_GT(test, dut->dev->num_traps, 0);

	vfio_mediate_pre_copy = false;
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->save_as(dut->dev, &version, &features));
	KUNIT_EXPECT_EQ(test, features, BIT_ULL(5));
	KUNIT_ASSERT_EQ(test, 0, dut->dev->migration->save_begin(dut->dev));
	record = (struct vfio_mediate_record){ .data = dut->payload[0] };
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->pre_copy(dut->dev, &record));
	dut->dev->migration->save_end(dut->dev);
	vfio_mediate_pre_copy = true;
	KUNIT_EXPECT_EQ(test, 0, dut->dev->migration->save_as(dut->dev, &version, &features));
	KUNIT_EXPECT_EQ(test, features, BIT_ULL(5) | RESEND);
	KUNIT_ASSERT_EQ(test, 0, dut->dev->migration->save_begin(dut->dev));
	KUNIT_EXPECT_EQ(test, 1, dut->dev->migration->pre_copy(dut->dev, &record));
	dut->dev->migration->save_end(dut->dev);
}

static int describe_init(struct kunit *test)
{
	dut = kunit_kzalloc(test, sizeof(*dut), GFP_KERNEL);
	if (!dut)
		return -ENOMEM;
	desc = good;

	return vfio_pci_register_mediate_ops(&described_ops);
}

static void describe_exit(struct kunit *test)
{
	vfio_mediate_counters = true;
	vfio_mediate_tracking = true;
	vfio_mediate_pre_copy = true;
	if (dut && dut->session)
		close_device();
	vfio_pci_unregister_mediate_ops(&described_ops);
}

static struct kunit_case describe_cases[] = {
	KUNIT_CASE(test_order),
	KUNIT_CASE(test_save_pending),
	KUNIT_CASE(test_drop),
	KUNIT_CASE(test_refused),
	KUNIT_CASE(test_counters),
	KUNIT_CASE(test_broken_counter),
	KUNIT_CASE(test_tracked),
	KUNIT_CASE(test_untracked),
	KUNIT_CASE(test_run_fails),
	KUNIT_CASE(test_stop_fails),
	KUNIT_CASE(test_traps),
	KUNIT_CASE(test_parameters),
	KUNIT_CASE(test_rules),
	{ }
};

static struct kunit_suite describe_suite = {
	.name = "vfio_mediate_describe",
	.init = describe_init,
	.exit = describe_exit,
	.test_cases = describe_cases,
};

kunit_test_suite(describe_suite);
