// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of the state machine of migration/, and of data transfers, without a
 * device.
 */

#include <kunit/test.h>
#include <linux/string.h>

#include "migration.h"
#include "said.h"
#include "transfer.h"

#define STATES	VFIO_DEVICE_STATE_NR

/* A letter for each state, in their order */
static const char letters[] = "ESRCLQPq";

/*
 * The way from one state to another, as linux/vfio.h describes it: the arcs, and of
 * their combinations the shortest without a state of saving on the way. NULL where
 * there is none.
 */
static const char * const ways[STATES][STATES] = {
	/*	  E	S	R	 C	 L	 Q	P	 q */
	/* E */ { NULL,	NULL,	NULL,	 NULL,	 NULL,	 NULL,	NULL,	 NULL },
	/* S */ { NULL,	"",	"QR",	 "C",	 "L",	 "Q",	"QRP",	 "Qq" },
	/* R */ { NULL,	"QS",	"",	 "QSC",	 "QSL",	 "Q",	"P",	 "Qq" },
	/* C */ { NULL,	"S",	"SQR",	 "",	 "SL",	 "SQ",	NULL,	 NULL },
	/* L */ { NULL,	"S",	"SQR",	 "SC",	 "",	 "SQ",	"SQRP",	 "SQq" },
	/* Q */ { NULL,	"S",	"R",	 "SC",	 "SL",	 "",	"RP",	 "q" },
	/* P */ { NULL,	"RQS",	"R",	 "qC",	 "RQSL", "RQ",	"",	 "q" },
	/* q */ { NULL,	"QS",	"QR",	 "C",	 "QSL",	 "Q",	"P",	 "" },
};

/* The same without P2P. */
static const char * const plain_ways[STATES][STATES] = {
	/*	  E	S	R	 C	 L	 Q	P	 q */
	/* E */ { NULL,	NULL,	NULL,	 NULL,	 NULL,	 NULL,	NULL,	 NULL },
	/* S */ { NULL,	"",	"R",	 "C",	 "L",	 NULL,	"RP",	 NULL },
	/* R */ { NULL,	"S",	"",	 "SC",	 "SL",	 NULL,	"P",	 NULL },
	/* C */ { NULL,	"S",	"SR",	 "",	 "SL",	 NULL,	NULL,	 NULL },
	/* L */ { NULL,	"S",	"SR",	 "SC",	 "",	 NULL,	"SRP",	 NULL },
	/* Q */ {},
	/* P */ { NULL,	"RS",	"R",	 "C",	 "RSL",	 NULL,	"",	 NULL },
	/* q */ {},
};

/* What the vendor is told when a state is entered. */
static char level_of(char state)
{
	switch (state) {
	case 'R':
	case 'P':
		return 'r';
	case 'Q':
	case 'q':
		return 'q';
	default:
		return 's';
	}
}

static bool is_saving(char state)
{
	return strchr("CPq", state);
}

static void check_way(struct kunit *test, unsigned int from, unsigned int to,
		      bool p2p)
{
	const char *way = p2p ? ways[from][to] : plain_ways[from][to];
	struct fake_device *device = fake_open_device(test, p2p);
	struct vpm_transfer *before, *after;
	char want[FAKE_LOG] = "", at = letters[from];
	bool goes_on = true, loaded = at == 'L';
	unsigned int applied, calls = 0;
	const char *next;

	fake_go(test, device, from);
	before = fake_transfer(device);
	KUNIT_EXPECT_EQ(test, !!before, is_saving(at) || at == 'L');
	fake_forget();
	applied = fake.applied;

	for (next = way; next && *next; next++) {
		if (level_of(*next) != level_of(at))
			want[calls++] = level_of(*next);
		if (loaded && level_of(*next) == 'r')
			want[calls++] = 'a';
		loaded &= level_of(*next) != 'r';
		goes_on &= is_saving(at) && is_saving(*next);
		at = *next;
	}
	KUNIT_EXPECT_EQ_MSG(test, way ? 0 : -EINVAL, fake_set(device, to),
			    "%c to %c", letters[from], letters[to]);
	KUNIT_EXPECT_STREQ_MSG(test, want, fake.log, "%c to %c", letters[from],
			       letters[to]);
	KUNIT_EXPECT_EQ(test, letters[fake_state(device)], at);
	KUNIT_EXPECT_EQ(test, fake.saving, is_saving(at));

	after = fake_transfer(device);
	KUNIT_EXPECT_EQ(test, !!after, is_saving(at) || at == 'L');
	KUNIT_EXPECT_EQ_MSG(test, before == after, goes_on || (!before && !after),
			    "%c to %c", letters[from], letters[to]);
	KUNIT_EXPECT_EQ(test, fake.applied, applied);
	if (before && before != after) {
		u8 byte;

		KUNIT_EXPECT_EQ(test, -ENODEV, before->loading ?
				fake_write(before, "", 1) :
				fake_read(before, &byte, 1));
	}

	if (before)
		vpm_transfer_put(before);
	if (after)
		vpm_transfer_put(after);
	fake_close_device(device);
}

/* Every state from every state. */
static void test_ways(struct kunit *test)
{
	unsigned int from, to, p2p;

	for (p2p = 0; p2p < 2; p2p++)
		for (from = 0; from < STATES; from++)
			for (to = 0; to < STATES; to++)
				if (p2p || !strchr("Qq", letters[from]))
					check_way(test, from, to, p2p);
}

static void test_no_states(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	KUNIT_EXPECT_EQ(test, -EINVAL, fake_set(device, STATES));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_set(device, UINT_MAX));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	fake_close_device(device);
}

/* Protocol v1: each value of device_state from each state that it can be in. */
static void test_v1_ways(struct kunit *test)
{
	static const enum vfio_device_mig_state states[] = {
		VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING,
		VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_PRE_COPY,
		VFIO_DEVICE_STATE_RESUMING,
	};
	struct fake_device *device;
	u64 from, to, value;
	bool good;

	for (from = 0; from <= VFIO_DEVICE_STATE_V1_RESUMING; from++) {
		for (to = 0; to <= 16; to++) {
			device = fake_open_device(test, true);
			fake_go(test, device, states[from]);
			device->mig->protocol = VPM_PROTOCOL_NONE;
			fake_v1_read(device, V1_STATE, &value);
			KUNIT_EXPECT_EQ(test, value, from);

			good = to <= VFIO_DEVICE_STATE_V1_RESUMING &&
			       ways[states[from]][states[to]];
			KUNIT_EXPECT_EQ_MSG(test, good ? 0 : -EINVAL,
					    fake_v1_write(device, V1_STATE, to),
					    "%llu to %llu", from, to);
			fake_v1_read(device, V1_STATE, &value);
			KUNIT_EXPECT_EQ(test, value, good ? to : from);
			fake_close_device(device);
		}
	}
}

static void test_reset(struct kunit *test)
{
	struct vpm_transfer *transfer;
	struct fake_device *device;
	unsigned int state;
	const char *want;
	u8 byte;

	for (state = 0; state < STATES; state++) {
		device = fake_open_device(test, true);
		fake_go(test, device, state);
		transfer = fake_transfer(device);
		want = level_of(letters[state]) != 'r' ? "r" : "";
		if (state == VFIO_DEVICE_STATE_RESUMING)
			want = "cr";
		fake_forget();

		vpm_mig_note_reset(device->mig);
		fake_state(device);
		KUNIT_EXPECT_STREQ_MSG(test, want, fake.log, "%c", letters[state]);
		KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING,
				fake_state(device));
		KUNIT_EXPECT_EQ(test, fake.saving, 0);
		if (transfer) {
			KUNIT_EXPECT_EQ(test, -ENODEV, transfer->loading ?
					fake_write(transfer, "", 1) :
					fake_read(transfer, &byte, 1));
			vpm_transfer_put(transfer);
		}

		/* And all can begin anew. */
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
		fake_close_device(device);
	}
}

/* What was called of a watch, a letter each */
static char watched[16];
static int watch_error;

static int watch_save(struct vpm_mig *mig)
{
	strlcat(watched, "s", sizeof(watched));

	return 0;
}

static int watch_check(struct vpm_mig *mig)
{
	strlcat(watched, "c", sizeof(watched));

	return watch_error;
}

static int watch_stopped(struct vpm_mig *mig)
{
	strlcat(watched, "t", sizeof(watched));

	return watch_error;
}

static void watch_saved(struct vpm_mig *mig)
{
	strlcat(watched, "d", sizeof(watched));
}

static enum vpm_level watch_level;

static void watch_note_level(struct vpm_mig *mig, enum vpm_level level)
{
	watch_level = level;
}

static const struct vpm_mig_watch watch = {
	.level = watch_note_level,
	.save = watch_save,
	.check = watch_check,
	.stopped = watch_stopped,
	.saved = watch_saved,
};

/* What was written is not known: it can be stopped, but not saved. */
static void test_watch_fails(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	device->mig->watch = &watch;
	watched[0] = '\0';
	watch_error = -EIO;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, VPM_STOPPED, watch_level);
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_STOP, fake_state(device));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, VPM_RUNNING, watch_level);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	KUNIT_EXPECT_EQ(test, VPM_RUNNING, watch_level);
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_PRE_COPY_P2P, fake_state(device));
	KUNIT_EXPECT_EQ(test, VPM_QUIESCED, watch_level);
	KUNIT_EXPECT_STREQ(test, watched, "tcst");
	watch_error = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));

	/* This is not for good: whoever stops it is to try again, though he saves nothing. */
	watch_error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, -EAGAIN, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING_P2P, fake_state(device));
	watch_error = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	fake_close_device(device);
}

/* It is told as soon as it is known, and not when the guest has been stopped. */
static void test_watch_fails_early(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	u8 buf[sizeof(struct vpm_format_header) + sizeof(struct vpm_format_record) +
	       sizeof(struct vpm_format_device) + 1];
	struct vpm_transfer *transfer;

	device->mig->watch = &watch;
	fake.pre_copies = 1;
	watch_error = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	transfer = fake_transfer(device);
	KUNIT_ASSERT_NOT_NULL(test, transfer);
	KUNIT_EXPECT_EQ(test, 0, fake_precopy_info(transfer));
	KUNIT_EXPECT_EQ(test, 1, fake_read(transfer, buf, 1));

	watch_error = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, fake_precopy_info(transfer));
	/* The rest of what is there already */
	KUNIT_EXPECT_EQ(test, sizeof(buf) - 2, fake_read(transfer, buf, sizeof(buf)));
	KUNIT_EXPECT_EQ(test, -EIO, fake_read(transfer, buf, sizeof(buf)));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_PRE_COPY, fake_state(device));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	watch_error = 0;
	vpm_transfer_put(transfer);
	fake_close_device(device);
}

/* The same by v1 */
static void test_v1_watch_fails_early(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	u64 value;

	device->mig->watch = &watch;
	watch_error = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE,
					       VFIO_DEVICE_STATE_V1_RUNNING |
					       VFIO_DEVICE_STATE_V1_SAVING));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &value));
	watch_error = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, fake_v1_read(device, V1_PENDING, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE,
					       VFIO_DEVICE_STATE_V1_RUNNING));
	watch_error = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &value));
	fake_close_device(device);
}

/* Who watches a device that is saved goes on to when it is reset. */
static void test_reset_watched(struct kunit *test)
{
	static const struct {
		enum vfio_device_mig_state states[3];
		const char *log;
	} ways[] = {
		{ { VFIO_DEVICE_STATE_RUNNING }, "sd" },
		{ { VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING }, "ssd" },
		{ { VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING }, "std" },
		{ { VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY,
		    VFIO_DEVICE_STATE_STOP }, "stcd" },
		{ { VFIO_DEVICE_STATE_STOP_COPY }, "stc" },
		{ {}, "s" },
	};
	struct fake_device *device;
	unsigned int i, step;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		device = fake_open_device(test, true);
		device->mig->watch = &watch;
		watched[0] = '\0';
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
		vpm_mig_note_reset(device->mig);
		fake_state(device);
		KUNIT_EXPECT_STREQ(test, watched, "s");
		for (step = 0; step < 3 && ways[i].states[step]; step++)
			KUNIT_EXPECT_EQ(test, 0, fake_set(device, ways[i].states[step]));
		KUNIT_EXPECT_STREQ(test, watched, ways[i].log);
		fake_close_device(device);
		KUNIT_EXPECT_EQ(test, watched[strlen(watched) - 1], 'd');
	}
}

/* Whoever comes before the work does what it would do. */
static void test_reset_is_first(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	fake_go(test, device, VFIO_DEVICE_STATE_STOP);
	mutex_lock(&device->mig->state_lock);
	vpm_mig_note_reset(device->mig);
	mutex_unlock(&device->mig->state_lock);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_STREQ(test, fake.log, "qsrqs");
	fake_close_device(device);
}

static void test_reset_fails(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	fake_go(test, device, VFIO_DEVICE_STATE_STOP);
	fake.errors[VPM_RUNNING] = -EIO;
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_ERROR, fake_state(device));
	fake.errors[VPM_RUNNING] = 0;
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	fake_close_device(device);
}

/* A vendor that could not stop a device may have stopped half of it. */
static void test_reset_after_failure(struct kunit *test)
{
	static const struct {
		enum vfio_device_mig_state from, to;
		enum vpm_level fails;
	} arcs[] = {
		{ VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, VPM_QUIESCED },
		{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, VPM_QUIESCED },
		{ VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_STOP, VPM_STOPPED },
		{ VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING_P2P, VPM_QUIESCED },
		{ VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING, VPM_RUNNING },
	};
	struct fake_device *device;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arcs); i++) {
		device = fake_open_device(test, true);
		fake_go(test, device, arcs[i].from);
		fake.errors[arcs[i].fails] = -EIO;
		KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, arcs[i].to));
		KUNIT_EXPECT_EQ(test, arcs[i].from, fake_state(device));
		fake.errors[arcs[i].fails] = 0;
		fake_forget();
		vpm_mig_note_reset(device->mig);
		KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
		KUNIT_EXPECT_STREQ_MSG(test, fake.log, "r", "%c to %c",
				       letters[arcs[i].from], letters[arcs[i].to]);

		/* Once: it is known to run now. */
		fake_forget();
		vpm_mig_note_reset(device->mig);
		KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
		KUNIT_EXPECT_STREQ(test, fake.log, "");
		fake_close_device(device);
	}
}

static int save_all(struct fake_device *device)
{
	struct vpm_transfer *transfer = fake_transfer(device);
	ssize_t size;

	do
		size = fake_read(transfer, device->stream, sizeof(device->stream));
	while (size > 0);
	vpm_transfer_put(transfer);

	return size;
}

/* What was saved is nothing when the device loses its state before all of it is read. */
static void test_lost_saving(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	unsigned int i;

	for (i = 0; i < FAKE_RECORDS; i++) {
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
		fake.lose = device->mig;
		fake.lose_index = i;
		KUNIT_EXPECT_EQ_MSG(test, -EIO, save_all(device), "record %u", i);
		fake.lose = NULL;
		vpm_mig_note_loss(device->mig, false);
		KUNIT_EXPECT_EQ_MSG(test, -EIO, save_all(device), "record %u, later", i);

		/* It goes on, and may be saved anew. */
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
		KUNIT_EXPECT_EQ(test, 0, save_all(device));
		KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	}

	/* Before it was stopped, and while it loses its state. */
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	vpm_mig_note_loss(device->mig, true);
	KUNIT_EXPECT_EQ(test, -EIO, save_all(device));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, -EIO, save_all(device));
	vpm_mig_note_loss(device->mig, false);
	KUNIT_EXPECT_EQ(test, -EIO, save_all(device));
	/* When nothing was being lost, nothing is over. */
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	vpm_mig_note_loss(device->mig, false);
	KUNIT_EXPECT_EQ(test, 0, save_all(device));
	fake_close_device(device);
}

/* How far one comes on the way to RUNNING without a vendor */
static unsigned int without_transfer(unsigned int state)
{
	if (state == VFIO_DEVICE_STATE_STOP_COPY)
		return VFIO_DEVICE_STATE_STOP;

	return state == VFIO_DEVICE_STATE_PRE_COPY_P2P ? VFIO_DEVICE_STATE_RUNNING_P2P : state;
}

static void test_detach(struct kunit *test)
{
	struct vpm_transfer *transfer;
	struct fake_device *device;
	unsigned int state, left;
	u64 value;
	int ret;
	u8 byte;

	for (state = 0; state < STATES; state++) {
		device = fake_open_device(test, true);
		fake_go(test, device, state);
		transfer = fake_transfer(device);
		left = transfer && transfer->loading ? VFIO_DEVICE_STATE_ERROR : state;
		if (left == VFIO_DEVICE_STATE_ERROR)
			ret = -EINVAL;
		else
			ret = left == VFIO_DEVICE_STATE_RUNNING ||
			      left == VFIO_DEVICE_STATE_PRE_COPY ? 0 : -ENODEV;
		fake_unregister();
		fake_forget();

		/* It is where it was, and runs if it did. */
		KUNIT_EXPECT_EQ(test, left, fake_state(device));
		KUNIT_EXPECT_EQ(test, ret, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
		KUNIT_EXPECT_EQ(test, ret ? without_transfer(left) :
				VFIO_DEVICE_STATE_RUNNING, fake_state(device));
		KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_read(device, V1_STATE, &value));
		if (transfer) {
			KUNIT_EXPECT_EQ(test, -ENODEV, transfer->loading ?
					fake_write(transfer, "", 1) :
					fake_read(transfer, &byte, 1));
			vpm_transfer_put(transfer);
		}

		/* It works again, but nobody can stop it. */
		vpm_mig_note_reset(device->mig);
		KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING,
				fake_state(device));
		KUNIT_EXPECT_EQ(test, -ENODEV,
				fake_set(device, VFIO_DEVICE_STATE_STOP));
		KUNIT_EXPECT_STREQ(test, fake.log, "");
		fake_close_device(device);
		KUNIT_ASSERT_EQ(test, 0, fake_register());
	}
}

/* A device that has VFs is not saved, whether these come before or meanwhile; it can be loaded. */
static void test_vfs(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	fake.num_vfs = 2;
	said_begin();
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	KUNIT_EXPECT_STREQ(test, fake.log, "");
	expect_said(test, "kunit: cannot be migrated: it has VFs (2), whose state would be lost");
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_STOP, fake_state(device));
	KUNIT_EXPECT_EQ(test, fake.saving, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RESUMING));
	vpm_mig_note_reset(device->mig);

	/* The device still runs. */
	fake.num_vfs = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_PRE_COPY_P2P));
	fake.num_vfs = 1;
	fake_forget();
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_PRE_COPY_P2P, fake_state(device));
	KUNIT_EXPECT_STREQ(test, fake.log, "");
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, fake.saving, 0);
	fake_close_device(device);
}

static void test_vendor_fails(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);

	/* Half of the way is done. */
	fake.errors[VPM_STOPPED] = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING_P2P, fake_state(device));
	fake.errors[VPM_STOPPED] = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));

	fake.begin_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_STOP, fake_state(device));
	fake.begin_error = 0;

	fake.errors[VPM_RUNNING] = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING_P2P, fake_state(device));
	fake.errors[VPM_RUNNING] = -ENOTRECOVERABLE;
	KUNIT_EXPECT_EQ(test, -ENOTRECOVERABLE,
			fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_ERROR, fake_state(device));
	fake.errors[VPM_RUNNING] = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	fake_forget();
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	KUNIT_EXPECT_STREQ(test, fake.log, "r");
	fake_close_device(device);

	/* Nor can one whose vendor lost it while saving was to begin. */
	device = fake_open_device(test, true);
	fake.begin_error = -ENOTRECOVERABLE;
	KUNIT_EXPECT_EQ(test, -ENOTRECOVERABLE,
			fake_set(device, VFIO_DEVICE_STATE_PRE_COPY));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_ERROR, fake_state(device));
	KUNIT_EXPECT_EQ(test, fake.saving, 0);
	fake.begin_error = 0;
	fake_forget();
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	KUNIT_EXPECT_STREQ(test, fake.log, "r");
	fake_close_device(device);

	/* One that ran, as far as is known, is told to run, too. */
	device = fake_open_device(test, false);
	fake_go(test, device, VFIO_DEVICE_STATE_ERROR);
	fake_forget();
	vpm_mig_note_reset(device->mig);
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	KUNIT_EXPECT_STREQ(test, fake.log, "r");
	fake_close_device(device);
}

static void test_protocols(struct kunit *test)
{
	struct fake_device *device = fake_open_device(test, true);
	u64 value;

	/* To look claims nothing. */
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_STATE, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_PENDING, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, 0, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_SIZE, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, fake_v1_write(device, V1_STATE, 6));
	KUNIT_EXPECT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_RUNNING));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_read(device, V1_STATE, &value));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_read(device, V1_PENDING, &value));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_read(device, V1_OFFSET, &value));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_read(device, V1_SIZE, &value));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_write(device, V1_SIZE, 1));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_v1_write(device, V1_STATE, 1));
	fake_close_device(device);

	device = fake_open_device(test, true);
	KUNIT_EXPECT_EQ(test, 0, fake_v1_write(device, V1_STATE, 1));
	KUNIT_EXPECT_EQ(test, -EBUSY, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_EXPECT_EQ(test, VFIO_DEVICE_STATE_RUNNING, fake_state(device));
	fake_close_device(device);
}

static int migration_init(struct kunit *test)
{
	return fake_register();
}

static void migration_exit(struct kunit *test)
{
	fake_unregister();
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(test_ways),
	KUNIT_CASE(test_no_states),
	KUNIT_CASE(test_v1_ways),
	KUNIT_CASE(test_reset),
	KUNIT_CASE(test_watch_fails),
	KUNIT_CASE(test_watch_fails_early),
	KUNIT_CASE(test_v1_watch_fails_early),
	KUNIT_CASE(test_reset_watched),
	KUNIT_CASE(test_reset_is_first),
	KUNIT_CASE(test_reset_fails),
	KUNIT_CASE(test_reset_after_failure),
	KUNIT_CASE(test_lost_saving),
	KUNIT_CASE(test_detach),
	KUNIT_CASE(test_vfs),
	KUNIT_CASE(test_vendor_fails),
	KUNIT_CASE(test_protocols),
	{ }
};

static struct kunit_suite state_suite = {
	.name = "migration_states",
	.init = migration_init,
	.exit = migration_exit,
	.test_cases = state_cases,
};

kunit_test_suite(state_suite);
