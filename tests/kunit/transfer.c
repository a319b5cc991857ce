// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of data transfers in migration/: what is saved can be loaded, and
 * what is not whole is not applied; by both protocols.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "migration.h"
#include "said.h"
#include "transfer.h"
#include "vfio_mediate.h"

/* A header, and the record of the device */
#define START		(72 + 16 + 56)
/* These, five records of 1 to 5 bytes, and the end */
#define STREAM_SIZE	(START + FAKE_RECORDS * 16 + FAKE_SIZE + 16)

static struct vpm_transfer *begin(struct kunit *test, struct fake_device *device,
				  enum vfio_device_mig_state state)
{
	struct vpm_transfer *transfer;

	KUNIT_ASSERT_EQ(test, 0, fake_set(device, state));
	transfer = fake_transfer(device);
	KUNIT_ASSERT_NOT_NULL(test, transfer);

	return transfer;
}

/* In parts of any size, the same bytes; loaded in other parts, the same state. */
static void test_parts(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t part, at, size = fake_save(test, device);
	struct vpm_transfer *transfer;
	u8 again[STREAM_SIZE];
	ssize_t done;

	KUNIT_ASSERT_EQ(test, size, STREAM_SIZE);
	for (part = 1; part <= size; part++) {
		KUNIT_ASSERT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
		transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
		for (at = 0; at < size; at += done) {
			done = fake_read(transfer, again + at, min(part, size - at));
			KUNIT_ASSERT_EQ(test, done, min(part, size - at));
		}
		KUNIT_EXPECT_EQ(test, 0, fake_read(transfer, again, 1));
		KUNIT_EXPECT_EQ(test, 0, fake_read(transfer, again, 1));
		KUNIT_EXPECT_MEMEQ(test, again, device->stream, size);
		vpm_transfer_put(transfer);

		fake.applied = 0;
		transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
		for (at = 0; at < size; at += part) {
			KUNIT_EXPECT_EQ(test, fake.applied, 0);
			KUNIT_ASSERT_EQ(test, min(part, size - at),
					fake_write(transfer, device->stream + at,
						   min(part, size - at)));
		}
		KUNIT_EXPECT_EQ(test, fake.applied, 1);
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
		KUNIT_EXPECT_EQ(test, fake.applied, 1);
		vpm_transfer_put(transfer);
	}
	fake_close_device(device);
}

static s64 pending(struct fake_device *device, struct vpm_transfer *transfer)
{
	s64 bytes;

	vpm_mig_lock(device->mig);
	bytes = vpm_transfer_pending(transfer);
	vpm_mig_unlock(device->mig);

	return bytes;
}

/* What is still to be saved: less the more was, and nothing only at the end. */
static void test_pending(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	u8 buf[STREAM_SIZE];
	s64 first;

	transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
	first = pending(device, transfer);
	KUNIT_EXPECT_GE(test, first, STREAM_SIZE);
	KUNIT_EXPECT_EQ(test, STREAM_SIZE - 16,
			fake_read(transfer, buf, STREAM_SIZE - 16));
	KUNIT_EXPECT_EQ(test, first - START - FAKE_SIZE, pending(device, transfer));
	KUNIT_EXPECT_EQ(test, 15, fake_read(transfer, buf, 15));
	KUNIT_EXPECT_EQ(test, 1, pending(device, transfer));
	KUNIT_EXPECT_EQ(test, 1, fake_read(transfer, buf, 15));
	KUNIT_EXPECT_EQ(test, 0, pending(device, transfer));
	vpm_transfer_put(transfer);
	fake_close_device(device);
}

/* Loads what is in device->stream; returns what the first error was. */
static int load(struct kunit *test, struct fake_device *device, size_t size)
{
	struct vpm_transfer *transfer;
	ssize_t done;
	int ret;

	vpm_mig_note_reset(device->mig);
	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	fake.applied = 0;
	done = fake_write(transfer, device->stream, size);
	if (done < 0)
		KUNIT_EXPECT_EQ(test, done, fake_write(transfer, "more", 4));
	ret = fake_set(device, VFIO_DEVICE_STATE_STOP);
	KUNIT_EXPECT_EQ(test, fake_state(device), ret ? VFIO_DEVICE_STATE_ERROR :
			VFIO_DEVICE_STATE_STOP);
	if (done < 0)
		KUNIT_EXPECT_EQ(test, done, ret);
	vpm_transfer_put(transfer);

	return ret;
}

static void test_truncated(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t part, size = fake_save(test, device);

	for (part = 0; part < size; part++) {
		KUNIT_EXPECT_EQ(test, -EINVAL, load(test, device, part));
		KUNIT_EXPECT_EQ(test, fake.applied, 0);
	}
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	KUNIT_EXPECT_EQ(test, fake.applied, 1);
	fake_close_device(device);
}

static void test_bit_flips(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t bit, size = fake_save(test, device);

	for (bit = 0; bit < 8 * size; bit++) {
		device->stream[bit / 8] ^= BIT(bit % 8);
		KUNIT_EXPECT_LT_MSG(test, load(test, device, size), 0, "bit %zu",
				    bit);
		KUNIT_EXPECT_EQ(test, fake.applied, 0);
		device->stream[bit / 8] ^= BIT(bit % 8);
	}
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	fake_close_device(device);
}

static void test_vendor_refuses(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t size = fake_save(test, device);

	fake.load_error = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, load(test, device, size));
	KUNIT_EXPECT_EQ(test, fake.applied, 0);
	fake.load_error = 0;
	fake.apply_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, load(test, device, size));
	KUNIT_EXPECT_EQ(test, fake.applied, 1);

	/* Nothing is tried again. */
	fake.apply_error = -ERESTARTSYS;
	KUNIT_EXPECT_EQ(test, -EINTR, load(test, device, size));
	fake.apply_error = 0;
	fake.load_error = -ERESTARTSYS;
	KUNIT_EXPECT_EQ(test, -EINTR, load(test, device, size));
	fake.load_error = 0;
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	fake_close_device(device);
}

/* Write another record of three bytes in place of the third one. */
static void put_record(u8 *to, u16 type, const char *payload)
{
	u8 record[20] __aligned(8);

	memcpy(vpm_stream_payload(record), payload, 3);
	memcpy(to, record, vpm_stream_put_record(record, 3, type, 0, 3));
}

/* Load a stream in which one record is changed, and expect a line that names it. */
static void expect_named(struct kunit *test, struct fake_device *device, size_t size,
			 const char *line)
{
	said_begin();
	KUNIT_EXPECT_LT(test, load(test, device, size), 0);
	expect_said(test, line);
	KUNIT_EXPECT_EQ(test, 1, times_said("the device state"));
}

/* The record that is refused is named by its type and its length, and nothing else is. */
static void test_named(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t size = fake_save(test, device);
	u8 *third = device->stream + START + 17 + 18;

	/* Lines of other cases have used up the ratelimit. */
	msleep(5100);
	put_record(third, 9, "ccc");
	expect_named(test, device, size,
		     "failed to load the device state: unknown record type or fields (record of type 9, 3 bytes): ");
	put_record(third, 2, "xxx");
	expect_named(test, device, size,
		     "vendor driver failed to load the device state (record of type 2, 3 bytes): ");
	put_record(third, 2, "ccc");
	fake.load_error = -EINVAL;
	expect_named(test, device, size, "vendor driver failed to load the device state: ");
	fake.load_error = 0;
	fake.apply_error = -EBUSY;
	expect_named(test, device, size, "vendor driver failed to load the device state: ");
	fake.apply_error = 0;
	third[16] ^= 1;
	expect_named(test, device, size,
		     "failed to load the device state: corrupt record (record of type 2, 3 bytes): ");
	third[16] ^= 1;
	third[7] = 1;
	expect_named(test, device, size,
		     "failed to load the device state: record is too long (record of type 2, 16777219 bytes): ");
	third[7] = 0;
	device->stream[START - 56 - 1] ^= 1;
	expect_named(test, device, size,
		     "failed to load the device state: corrupt record (record of type 32769, 56 bytes): ");
	device->stream[START - 56 - 1] ^= 1;
	device->stream[0] ^= 1;
	expect_named(test, device, size,
		     "failed to load the device state: bad magic: not a vfio-mediate stream: ");
	device->stream[0] ^= 1;
	expect_named(test, device, size - 1,
		     "failed to load the device state: incomplete stream: ");
	fake_close_device(device);
}

/* How RESUMING is left, and what comes then */
enum leave { RESET, STOP, STOP_RESET, STOP_RUN, STOP_LOAD, STOP_CLOSE };

/* Load in part, leave RESUMING in some way, and expect what the vendor is told. */
static void expect_load_end(struct kunit *test, size_t size, enum leave leave,
			    unsigned int calls, int error)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;

	fake_save(test, device);
	fake.ended = 0;
	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	fake_write(transfer, device->stream, size);
	vpm_transfer_put(transfer);
	KUNIT_EXPECT_EQ(test, fake.ended, 0);
	if (leave != RESET)
		fake_set(device, VFIO_DEVICE_STATE_STOP);
	if (leave > STOP)
		KUNIT_EXPECT_EQ(test, fake.ended, 0);
	fake_forget();
	if (leave == RESET || leave == STOP_RESET) {
		vpm_mig_note_reset(device->mig);
		KUNIT_EXPECT_EQ(test, fake_state(device), VFIO_DEVICE_STATE_RUNNING);
		KUNIT_EXPECT_STREQ(test, fake.log, calls ? "cr" : "r");
	} else if (leave == STOP_RUN) {
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
		KUNIT_EXPECT_STREQ(test, fake.log, "qra");
	} else if (leave == STOP_LOAD) {
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RESUMING));
	} else if (leave == STOP_CLOSE) {
		fake_close_device(device);
	}
	KUNIT_EXPECT_EQ(test, fake.ended, calls);
	if (calls)
		KUNIT_EXPECT_EQ(test, fake.end_error, error);
	if (leave == STOP_CLOSE)
		return;

	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, fake_state(device), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, fake.ended, calls);
	fake_close_device(device);
	KUNIT_EXPECT_EQ(test, fake.ended, calls);
}

/* The vendor is told of the end of each load that it has begun, once, however that ends. */
static void test_load_end(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t size = fake_save(test, device);
	struct vpm_transfer *transfer;

	expect_load_end(test, size, RESET, 1, -ECANCELED);
	expect_load_end(test, size, STOP_RESET, 1, -ECANCELED);
	expect_load_end(test, size, STOP_RUN, 1, 0);
	expect_load_end(test, size, STOP_LOAD, 1, -ECANCELED);
	expect_load_end(test, size, STOP_CLOSE, 1, -ECANCELED);
	expect_load_end(test, size - 1, STOP, 1, -EINVAL);
	expect_load_end(test, size - 1, RESET, 1, -ECANCELED);
	expect_load_end(test, START, RESET, 1, -ECANCELED);
	expect_load_end(test, START - 1, RESET, 0, 0);
	fake.apply_error = -EBUSY;
	expect_load_end(test, size, STOP, 1, -EBUSY);
	expect_load_end(test, size, RESET, 1, -EBUSY);
	fake.apply_error = 0;
	fake.load_error = -EBUSY;
	expect_load_end(test, size, STOP, 0, 0);
	fake.load_error = 0;

	fake.ended = 0;
	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	fake_write(transfer, device->stream, size - 1);
	fake_close_device(device);
	KUNIT_EXPECT_EQ(test, fake.ended, 1);
	KUNIT_EXPECT_EQ(test, fake.end_error, -ECANCELED);
	vpm_transfer_put(transfer);
}

/* The header comes while the device still runs, then what the vendor has. */
static void test_pre_copy(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	u64 initial, changed;
	u8 buf[512];
	ssize_t size;

	fake.pre_copies = 2;
	transfer = begin(test, device, VFIO_DEVICE_STATE_PRE_COPY);
	vpm_mig_lock(device->mig);
	KUNIT_EXPECT_EQ(test, 0, vpm_transfer_estimate(transfer, false, &initial, &changed));
	vpm_mig_unlock(device->mig);
	KUNIT_EXPECT_EQ(test, initial, START + 2 * 4);
	KUNIT_EXPECT_EQ(test, changed, 1);

	KUNIT_EXPECT_EQ(test, START + 8, fake_read(transfer, buf, START + 8));
	size = START + 8;
	size += fake_read(transfer, buf + size, sizeof(buf) - size);
	KUNIT_EXPECT_EQ(test, size, START + 2 * 20);
	KUNIT_EXPECT_EQ(test, -ENOMSG, fake_read(transfer, buf, 1));
	KUNIT_EXPECT_EQ(test, -ENOMSG, fake_read(transfer, buf, 1));
	KUNIT_EXPECT_STREQ(test, fake.log, "");

	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY_P2P));
	KUNIT_EXPECT_EQ(test, -ENOMSG, fake_read(transfer, buf, 1));

	/* What has come since is no part of what was there at first. */
	vpm_mig_lock(device->mig);
	KUNIT_EXPECT_EQ(test, 0, vpm_transfer_estimate(transfer, false, &initial, &changed));
	KUNIT_EXPECT_EQ(test, initial, 0);
	fake.pre_copies++;
	KUNIT_EXPECT_EQ(test, 0, vpm_transfer_estimate(transfer, false, &initial, &changed));
	vpm_mig_unlock(device->mig);
	KUNIT_EXPECT_EQ(test, initial, 0);
	KUNIT_EXPECT_EQ(test, changed, 1 + 4);
	KUNIT_EXPECT_EQ(test, 1, fake_read(transfer, buf + size, 1));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	size += 1 + fake_read(transfer, buf + size + 1, sizeof(buf) - size - 1);
	KUNIT_EXPECT_EQ(test, size, STREAM_SIZE + 3 * 20);
	KUNIT_EXPECT_EQ(test, 0, fake_read(transfer, buf, 1));
	vpm_transfer_put(transfer);

	/* All of it, as it is, is a stream. */
	memcpy(device->stream, buf, size);
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	fake_close_device(device);
}

/* Expect an estimate of the pre-copy data. */
static void expect_estimate(struct kunit *test, struct vpm_transfer *transfer, bool reinit,
			    int want, u64 want_initial, u64 want_changed)
{
	u64 initial, changed;

	vpm_mig_lock(transfer->mig);
	KUNIT_EXPECT_EQ(test, want,
			vpm_transfer_estimate(transfer, reinit, &initial, &changed));
	vpm_mig_unlock(transfer->mig);
	KUNIT_EXPECT_EQ(test, initial, want_initial);
	KUNIT_EXPECT_EQ(test, changed, want_changed);
}

/* Initial data may come anew, which user space is told once. */
static void test_reinit(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	u8 buf[512];

	fake.pre_copies = 2;
	transfer = begin(test, device, VFIO_DEVICE_STATE_PRE_COPY);
	expect_estimate(test, transfer, true, 0, START + 2 * 4, 1);
	KUNIT_EXPECT_EQ(test, START + 2 * 20, fake_read(transfer, buf, sizeof(buf)));
	expect_estimate(test, transfer, true, 0, 0, 1);

	/* poll() and user space that is not told of it do not take the news away. */
	fake.pre_copies = 5;
	fake.anew = true;
	expect_estimate(test, transfer, false, 0, 0, 1 + 3 * 4);
	expect_estimate(test, transfer, true, 1, 3 * 4, 1);
	expect_estimate(test, transfer, true, 0, 3 * 4, 1);

	KUNIT_EXPECT_EQ(test, 20, fake_read(transfer, buf, 20));
	expect_estimate(test, transfer, true, 0, 2 * 4, 1);
	fake.pre_copies++;
	expect_estimate(test, transfer, true, 0, 2 * 4, 1 + 4);
	vpm_transfer_put(transfer);
	fake_close_device(device);
}

/* A header that the vendor decides on when the stream begins. */
static void test_save_as(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_format_header *header = (void *)device->stream;
	u32 chosen = 4;
	size_t size;

	fake.version = 4;
	fake.features = 0x20;
	size = fake_save(test, device);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(header->version), 4);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(header->features), 0x20);
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));

	/* The administrator chooses. */
	device->mig->save_version = &chosen;
	fake.version = 0;
	fake_save(test, device);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(header->version), 4);
	fake.version = 3;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	fake_save(test, device);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(header->version), 3);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	fake.version = 5;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	fake.version = 0;
	chosen = 2;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	chosen = 6;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	chosen = 0;

	/* What makes no sense is not sent. */
	fake.version = 2;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	fake.version = 6;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	fake.version = 5;
	fake.features = 0x40;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_STOP, fake_state(device));
	fake.features = 0x10;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	fake_close_device(device);
}

/* Load into a device that differs. */
static void expect_match(struct kunit *test, struct fake_device *device, size_t size)
{
	fake.begun = 0;
	fake.match_error = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, load(test, device, size));
	KUNIT_EXPECT_EQ(test, fake.begun, 0);
	fake.match_error = 0;
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	KUNIT_EXPECT_EQ(test, fake.begun, 1);
}

/* Of another device, where the vendor takes it. */
static void test_match(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vfio_mediate_source *source = &device->mig->id.source;
	size_t size;

	source->ids[3] = 1;
	source->bars[0] = 0x4000;
	source->vectors = 3;
	size = fake_save(test, device);
	fake.match_error = -EPERM;
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));

	source->ids[3] = 2;
	expect_match(test, device, size);
	KUNIT_EXPECT_EQ(test, fake.source.ids[3], 1);
	KUNIT_EXPECT_TRUE(test, fake.source.sizes);
	KUNIT_EXPECT_EQ(test, fake.source.bars[0], 0x4000);
	KUNIT_EXPECT_EQ(test, fake.source.vectors, 3);
	source->ids[3] = 1;
	source->bars[5] = 0x1000;
	expect_match(test, device, size);
	source->bars[5] = 0;
	source->vectors = 2;
	expect_match(test, device, size);
	fake_close_device(device);
}

/* A source that does not describe its device: nothing but the IDs is known. */
static void test_match_old(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t at, length, size;
	struct {
		struct vpm_format_record record;
		u8 data[FAKE_RECORDS];
	} item;
	u32 i = 0;

	size = fake_save(test, device) - (START - 72);
	memmove(device->stream + 72, device->stream + START, size - 72);
	for (at = 72; at < size; at += length) {
		memcpy(&item, device->stream + at, min(sizeof(item), size - at));
		length = vpm_stream_put_record(&item, i++, le16_to_cpu(item.record.type), 0,
					       le32_to_cpu(item.record.length));
		memcpy(device->stream + at, &item, length);
	}
	device->mig->id.source.vectors = 7;
	fake.match_error = -EPERM;
	KUNIT_EXPECT_EQ(test, 0, load(test, device, size));
	device->mig->id.source.ids[0] = 7;
	expect_match(test, device, size);
	KUNIT_EXPECT_FALSE(test, fake.source.sizes);
	fake_close_device(device);
}

/* Records of a source that knows less, or more, of the same type. */
static void test_take_record(struct kunit *test)
{
	u8 data[6] = { 1, 2, 3, 4 }, to[4];
	struct vfio_mediate_record record = { .data = data };

	for (record.length = 0; record.length <= sizeof(data); record.length++) {
		memset(to, 0xff, sizeof(to));
		KUNIT_EXPECT_EQ(test, record.length < 2 ? -EINVAL : 0,
				vfio_mediate_take_record(&record, to, 4, 2));
		if (record.length < 2)
			continue;
		KUNIT_EXPECT_EQ(test, to[1], 2);
		KUNIT_EXPECT_EQ(test, to[2], record.length > 2 ? 3 : 0);
		KUNIT_EXPECT_EQ(test, to[3], record.length > 3 ? 4 : 0);
	}
	data[5] = 6;
	record.length = 6;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, vfio_mediate_take_record(&record, to, 4, 2));
}

/* The vendor cannot save: the device is none the worse for it. */
static void test_save_fails(struct kunit *test)
{
	static const int passing[] = { -EAGAIN, -ERESTARTSYS };
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	unsigned int i;
	u8 buf[512];

	fake.save_index = 2;
	for (i = 0; i < ARRAY_SIZE(passing); i++) {
		transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
		fake.save_error = passing[i];
		KUNIT_EXPECT_EQ(test, START + 17 + 18,
				fake_read(transfer, buf, sizeof(buf)));
		KUNIT_EXPECT_EQ(test, passing[i],
				fake_read(transfer, buf, sizeof(buf)));
		fake.save_error = 0;
		KUNIT_EXPECT_EQ(test, STREAM_SIZE - START - 17 - 18,
				fake_read(transfer, buf, sizeof(buf)));
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
		vpm_transfer_put(transfer);
	}

	transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
	fake.save_error = -EIO;
	KUNIT_EXPECT_EQ(test, START + 17 + 18, fake_read(transfer, buf, sizeof(buf)));
	KUNIT_EXPECT_EQ(test, -EIO, fake_read(transfer, buf, 1));
	fake.save_error = 0;
	KUNIT_EXPECT_EQ(test, -EIO, fake_read(transfer, buf, 1));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_STOP_COPY, fake_state(device));
	vpm_transfer_put(transfer);

	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, STREAM_SIZE, fake_save(test, device));
	fake_close_device(device);
}

/* A task that reads until it gets no more */
struct reader {
	struct vpm_transfer *transfer;
	struct completion done;
	u8 buf[STREAM_SIZE + 1];
	ssize_t size;	/* bytes read */
	ssize_t ret;	/* of the last read */
};

static int reader_thread(void *data)
{
	struct reader *reader = data;

	reader->size = 0;
	do {
		reader->ret = fake_read_wait(reader->transfer, reader->buf + reader->size,
					     sizeof(reader->buf) - reader->size);
		reader->size += max(reader->ret, 0);
	} while (reader->ret > 0);
	complete(&reader->done);

	return 0;
}

static void reader_start(struct kunit *test, struct reader *reader)
{
	init_completion(&reader->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(reader_thread, reader, "reader")));
}

static bool is_readable(struct vpm_transfer *transfer)
{
	bool readable;

	vpm_mig_lock(transfer->mig);
	readable = vpm_transfer_is_readable(transfer);
	vpm_mig_unlock(transfer->mig);

	return readable;
}

/* Data that is ready later: a reader waits until the vendor has it, or the transfer ends. */
static void test_data_ready(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct reader *reader = kunit_kzalloc(test, sizeof(*reader), GFP_KERNEL);
	struct vpm_transfer *transfer;

	KUNIT_ASSERT_NOT_NULL(test, reader);
	fake.save_index = 2;
	fake.save_error = -EAGAIN;
	transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
	reader->transfer = transfer;
	KUNIT_EXPECT_TRUE(test, is_readable(transfer));
	reader_start(test, reader);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&reader->done, HZ / 10));
	KUNIT_EXPECT_FALSE(test, is_readable(transfer));

	/* Not what it waits for */
	vpm_mig_wake(device->mig);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&reader->done, HZ / 10));

	fake.save_error = 0;
	KUNIT_EXPECT_FALSE(test, is_readable(transfer));
	vpm_mig_wake(device->mig);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&reader->done, 10 * HZ));
	KUNIT_EXPECT_EQ(test, reader->ret, 0);
	KUNIT_EXPECT_EQ(test, reader->size, STREAM_SIZE);
	KUNIT_EXPECT_TRUE(test, is_readable(transfer));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	vpm_transfer_put(transfer);

	fake.save_error = -EAGAIN;
	transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
	reader->transfer = transfer;
	reader_start(test, reader);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&reader->done, HZ / 10));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&reader->done, 10 * HZ));
	KUNIT_EXPECT_EQ(test, reader->ret, -ENODEV);
	KUNIT_EXPECT_EQ(test, reader->size, START + 17 + 18);
	vpm_transfer_put(transfer);

	/* The device loses its state, and the record with it. */
	transfer = begin(test, device, VFIO_DEVICE_STATE_STOP_COPY);
	reader->transfer = transfer;
	reader_start(test, reader);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&reader->done, HZ / 10));
	vpm_mig_note_loss(device->mig, true);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&reader->done, 10 * HZ));
	KUNIT_EXPECT_EQ(test, reader->ret, -EIO);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	wait_for_completion_timeout(&reader->done, HZ);
	vpm_transfer_put(transfer);
	fake_close_device(device);
}

/* One iteration of protocol v1; returns how much was saved by it. */
static size_t v1_iteration(struct kunit *test, struct fake_device *device, u8 *to)
{
	u64 pending, offset, size, again;

	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &pending));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &again));
	KUNIT_EXPECT_EQ(test, pending, again);
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &offset));
	KUNIT_EXPECT_EQ(test, offset, VPM_V1_DATA_OFFSET);
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &size));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &offset));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &again));
	KUNIT_EXPECT_EQ(test, size, again);
	KUNIT_EXPECT_EQ(test, !pending, !size);
	memcpy(to, device->v1.data, size);

	return size;
}

static void v1_load(struct kunit *test, struct fake_device *device, const u8 *from,
		    size_t size, size_t part)
{
	size_t at;

	for (at = 0; at < size; at += part) {
		memcpy(device->v1.data, from + at, min(part, size - at));
		KUNIT_ASSERT_EQ(test, 0, fake_v1_write(device, V1_SIZE,
						       min(part, size - at)));
	}
}

static void test_v1(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	size_t size, part;
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, v1_iteration(test, device, device->stream));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 3));
	size = v1_iteration(test, device, device->stream);
	KUNIT_EXPECT_EQ(test, size, START);

	/* What was not read before the device is stopped can be read after that. */
	fake.pre_copies = 1;
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 2));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, value, 20);
	memcpy(device->stream + size, device->v1.data, value);
	size += value;

	size += v1_iteration(test, device, device->stream + size);
	KUNIT_EXPECT_EQ(test, size, STREAM_SIZE + 20);
	KUNIT_EXPECT_EQ(test, 0, v1_iteration(test, device, device->stream));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 0));
	KUNIT_EXPECT_EQ(test, 0, v1_iteration(test, device, device->stream));

	for (part = 1; part <= size; part += 7) {
		KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 4));
		fake.applied = 0;
		v1_load(test, device, device->stream, size, part);
		KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 1));
		KUNIT_EXPECT_EQ(test, fake.applied, 1);
	}

	/* What was not read is gone when saving begins anew. */
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 3));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 1));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 2));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, value, STREAM_SIZE);

	/* Neither can one load while saving, nor save while loading. */
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_SIZE, 1));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 4));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, value, 0);
	vpm_mig_note_reset(device->mig);

	/* Not all of it, wrong sizes, wrong members, wrong widths */
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 4));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			fake_v1_write(device, V1_SIZE, VPM_V1_DATA_SIZE + 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_SIZE, U64_MAX));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_SIZE, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_PENDING, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_OFFSET, 0));
	v1_load(test, device, device->stream, size - 1, size);
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_STATE, 1));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_STATE, &value));
	KUNIT_EXPECT_EQ(test, value, 6);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_v1_read(device, V1_PENDING, &value));
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_v1_write(device, V1_SIZE, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, vpm_v1_access(&device->v1, 0, 8, &value,
						     false));
	KUNIT_EXPECT_EQ(test, -EINVAL, vpm_v1_access(&device->v1, V1_SIZE, 4,
						     &value, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, vpm_v1_access(&device->v1, V1_SIZE + 4, 4,
						     &value, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, vpm_v1_access(&device->v1, 32, 8, &value,
						     false));
	fake_close_device(device);
}

/* What was loaded in part is nothing. What was loaded and is lost then runs all the same. */
static void test_lost_loading(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	unsigned int i;
	size_t size;

	size = fake_save(test, device);
	for (i = 0; i <= FAKE_RECORDS + 1; i++) {
		bool loaded = i > FAKE_RECORDS;
		int ret = loaded ? 0 : -EIO;

		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RESUMING));
		fake.lose = device->mig;
		fake.lose_index = i;
		transfer = fake_transfer(device);
		KUNIT_EXPECT_EQ_MSG(test, loaded ? size : -EIO,
				    fake_write(transfer, device->stream, size), "record %u", i);
		vpm_transfer_put(transfer);
		fake.lose = NULL;
		if (loaded)
			vpm_mig_note_loss(device->mig, true);
		vpm_mig_note_loss(device->mig, false);

		KUNIT_EXPECT_EQ_MSG(test, ret, fake_set(device, VFIO_DEVICE_STATE_STOP),
				    "record %u", i);
		KUNIT_EXPECT_EQ(test, loaded ? VFIO_DEVICE_STATE_STOP : VFIO_DEVICE_STATE_ERROR,
				fake_state(device));
		fake_forget();
		if (!loaded)
			vpm_mig_note_reset(device->mig);
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
		KUNIT_EXPECT_STREQ(test, fake.log, loaded ? "qra" : "r");
	}
	fake_close_device(device);
}

/* A device that was loaded has arrived when it runs: once, and not when it was reset instead. */
static void test_arrived(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	/* Loaded twice, and saved before it runs */
	fake_go(test, device, VFIO_DEVICE_STATE_RESUMING);
	fake_go(test, device, VFIO_DEVICE_STATE_RESUMING);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING_P2P));
	fake_forget();
	fake.errors[VPM_RUNNING] = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_STREQ(test, fake.log, "r");
	fake.errors[VPM_RUNNING] = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_STREQ(test, fake.log, "rraqsqr");

	fake_go(test, device, VFIO_DEVICE_STATE_RESUMING);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	fake_forget();
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_STREQ(test, fake.log, "crqsqr");
	fake_close_device(device);

	device = fake_open_device(test, false);
	fake_go(test, device, VFIO_DEVICE_STATE_RESUMING);
	device->mig->protocol = VPM_PROTOCOL_NONE;
	fake_forget();
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, VFIO_DEVICE_STATE_V1_RUNNING));
	KUNIT_EXPECT_STREQ(test, fake.log, "ra");
	fake_close_device(device);
}

/* A file may be there longer than the device. */
static void test_closed(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	u8 byte;

	transfer = begin(test, device, VFIO_DEVICE_STATE_PRE_COPY);
	fake_close_device(device);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_read(transfer, &byte, 1));
	vpm_transfer_put(transfer);

	device = fake_open_device(test, true);
	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	fake_close_device(device);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_write(transfer, "x", 1));
	vpm_transfer_put(transfer);
}

static int transfer_init(struct kunit *test)
{
	return fake_register();
}

static void transfer_exit(struct kunit *test)
{
	fake_unregister();
}

/* What the watch is told of a migration that has ended, and how often */
static struct vpm_outcome told;
static unsigned int told_times;

static void watch_level(struct vpm_mig *mig, enum vpm_level level)
{
}

static int watch_nothing(struct vpm_mig *mig)
{
	return 0;
}

static void watch_saved(struct vpm_mig *mig)
{
}

static void watch_finished(struct vpm_mig *mig, struct vpm_outcome *outcome)
{
	told = *outcome;
	told_times++;
}

static const struct vpm_mig_watch outcome_watch = {
	.level = watch_level,
	.save = watch_nothing,
	.check = watch_nothing,
	.stopped = watch_nothing,
	.saved = watch_saved,
	.finished = watch_finished,
};

/* One migration has ended since the last call. */
static void expect_told(struct kunit *test, enum vfio_mediate_direction direction,
			enum vfio_mediate_outcome outcome, int error)
{
	KUNIT_EXPECT_EQ(test, told_times, 1);
	KUNIT_EXPECT_EQ(test, told.direction, direction);
	KUNIT_EXPECT_EQ(test, told.outcome, outcome);
	KUNIT_EXPECT_EQ(test, told.error, error);
	told_times = 0;
}

static void reset_device(struct fake_device *device)
{
	vpm_mig_note_reset(device->mig);
	vpm_mig_lock(device->mig);
	vpm_mig_unlock(device->mig);
}

/* Each migration is told once, when it has ended, with how it has. */
static void test_outcomes(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	struct vpm_transfer *transfer;
	size_t size;

	device->mig->watch = &outcome_watch;
	told_times = 0;
	size = fake_save(test, device);
	KUNIT_EXPECT_EQ(test, told_times, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	expect_told(test, VFIO_MEDIATE_DIRECTION_SAVE, VFIO_MEDIATE_OUTCOME_COMPLETED, 0);
	KUNIT_EXPECT_EQ(test, told.bytes, size);
	/* With the records of the device and of the end */
	KUNIT_EXPECT_EQ(test, told.records, FAKE_RECORDS + 2);
	KUNIT_EXPECT_GT(test, told.times[VFIO_DEVICE_STATE_STOP_COPY], 0);
	KUNIT_EXPECT_EQ(test, told.times[VFIO_DEVICE_STATE_RUNNING], 0);

	/* Not all of it was read. */
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	expect_told(test, VFIO_MEDIATE_DIRECTION_SAVE, VFIO_MEDIATE_OUTCOME_CANCELLED, 0);

	/* A device that is stopped, and not saved, is not migrated. */
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, told_times, 0);

	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	KUNIT_EXPECT_EQ(test, size, fake_write(transfer, device->stream, size));
	vpm_transfer_put(transfer);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, told_times, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	expect_told(test, VFIO_MEDIATE_DIRECTION_LOAD, VFIO_MEDIATE_OUTCOME_COMPLETED, 0);
	KUNIT_EXPECT_EQ(test, told.bytes, size);
	KUNIT_EXPECT_EQ(test, told.records, FAKE_RECORDS + 2);
	KUNIT_EXPECT_GT(test, told.times[VFIO_DEVICE_STATE_STOP], 0);

	/* It is reset before it runs with the state. */
	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	KUNIT_EXPECT_EQ(test, size, fake_write(transfer, device->stream, size));
	vpm_transfer_put(transfer);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	reset_device(device);
	expect_told(test, VFIO_MEDIATE_DIRECTION_LOAD, VFIO_MEDIATE_OUTCOME_CANCELLED, 0);

	transfer = begin(test, device, VFIO_DEVICE_STATE_RESUMING);
	device->stream[0] ^= 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_write(transfer, device->stream, size));
	vpm_transfer_put(transfer);
	KUNIT_EXPECT_EQ(test, told_times, 0);
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_set(device, VFIO_DEVICE_STATE_STOP));
	expect_told(test, VFIO_MEDIATE_DIRECTION_LOAD, VFIO_MEDIATE_OUTCOME_FAILED, -EINVAL);
	reset_device(device);
	KUNIT_EXPECT_EQ(test, told_times, 0);

	/* The vendor goes. */
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	vpm_mig_detach(device->mig);
	expect_told(test, VFIO_MEDIATE_DIRECTION_SAVE, VFIO_MEDIATE_OUTCOME_FAILED, -ENODEV);
	fake_close_device(device);
	KUNIT_EXPECT_EQ(test, told_times, 0);
}

static struct kunit_case transfer_cases[] = {
	KUNIT_CASE(test_parts),
	KUNIT_CASE(test_pending),
	KUNIT_CASE(test_truncated),
	KUNIT_CASE(test_bit_flips),
	KUNIT_CASE(test_vendor_refuses),
	KUNIT_CASE_SLOW(test_named),
	KUNIT_CASE(test_load_end),
	KUNIT_CASE(test_pre_copy),
	KUNIT_CASE(test_reinit),
	KUNIT_CASE(test_save_as),
	KUNIT_CASE(test_match),
	KUNIT_CASE(test_match_old),
	KUNIT_CASE(test_take_record),
	KUNIT_CASE(test_save_fails),
	KUNIT_CASE(test_data_ready),
	KUNIT_CASE(test_outcomes),
	KUNIT_CASE(test_v1),
	KUNIT_CASE(test_lost_loading),
	KUNIT_CASE(test_arrived),
	KUNIT_CASE(test_closed),
	{ }
};

static struct kunit_suite transfer_suite = {
	.name = "migration_transfers",
	.init = transfer_init,
	.exit = transfer_exit,
	.test_cases = transfer_cases,
};

kunit_test_suite(transfer_suite);
