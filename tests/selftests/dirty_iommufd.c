// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: a VF that has its memory by an iommufd, attached to an IOAS, of which it can be
 * logged what is written, or to an HWPT, of which it cannot.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "dirty_fixture.h"

FIXTURE(iommufd) {
	struct dirty d;
};

FIXTURE_SETUP(iommufd)
{
	begin_dirty(&self->d);
}

FIXTURE_TEARDOWN(iommufd)
{
	end_dirty(_metadata, &self->d);
}

#define LAST_ID		32	/* of objects of an iommufd, more than there are */
#define CHANGES_MS	4000
#define NO_ID		(LAST_ID + 1)

static const struct sink *const log_sink = &sinks[SINK_LOG];

static int alloc_hwpt(struct dirty *d, __u32 *id)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.dev_id = d->dev.devid,
		.pt_id = d->dev.ioas_id,
	};
	int ret = vfio_client_ioctl(d->dev.iommufd, IOMMU_HWPT_ALLOC, &alloc);

	*id = alloc.out_hwpt_id;

	return ret;
}

static int destroy(struct dirty *d, __u32 id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return vfio_client_ioctl(d->dev.iommufd, IOMMU_DESTROY, &arg);
}

static int attach(struct dirty *d, __u32 id)
{
	return vfio_client_attach(&d->dev, &id);
}

static int probe_log(struct dirty *d)
{
	return vfio_client_feature_probe(&d->dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
					 VFIO_DEVICE_FEATURE_SET);
}

static int probe_migration(struct dirty *d)
{
	return vfio_client_feature_probe(&d->dev, VFIO_DEVICE_FEATURE_MIGRATION,
					 VFIO_DEVICE_FEATURE_GET);
}

/* Open, and bound, but attached to nothing */
static void bind_vf(struct dirty *d)
{
	const char *bdf = lab_vf(0);
	int ret = vfio_client_init(&d->dev, bdf, VFIO_CLIENT_CDEV);

	if (!ret)
		ret = vfio_client_open_iommufd(&d->dev);
	if (!ret)
		ret = vfio_client_open_cdev(&d->dev);
	if (!ret)
		ret = vfio_client_bind(&d->dev);
	if (!ret)
		ret = vfio_client_alloc_ioas(&d->dev, &d->dev.ioas_id);
	if (ret)
		die("open %s: %s", bdf, strerror(-ret));
}

static void open_vf(struct dirty *d)
{
	bind_vf(d);
	must(!attach(d, d->dev.ioas_id), "attach");
	use_vf(d);
}

static void start_vf(struct dirty *d)
{
	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	vf_traffic(d, 100);
}

static bool reports_all(struct dirty *d)
{
	static __u64 bitmap[PAGES / 64];

	memset(bitmap, 0, sizeof(bitmap));
	must(!log_query(d, bitmap), "report");

	return bits(bitmap, PAGES / 64) == PAGES;
}

static void stays_all(struct __test_metadata *_metadata, struct dirty *d, const char *after)
{
	bool first = reports_all(d);

	CHECK(first && reports_all(d), "%s: all is reported", after);
}

/* Nothing missed, and not because all is reported */
static void is_exact(struct __test_metadata *_metadata, struct dirty *d, const char *when)
{
	d->missed = 0;
	d->sum_reported = 0;
	start_tracking(d, log_sink);
	pass(d, log_sink, 400, when);
	CHECK(!d->missed && d->sum_reported < PAGES / 2,
	      "%s: %llu pages are reported, %llu are missed", when, d->sum_reported, d->missed);
	must(!log_end(d), "stop");
}

/* It is said when it is known: for an IOAS. */
TEST_F(iommufd, offer)
{
	struct dirty *d = &self->d;
	__u32 hwpt;

	bind_vf(d);
	CHECK_EQ(probe_log(d), -ENOTTY, "no logging before it is attached");
	CHECK_EQ(probe_migration(d), -ENOTTY, "nor migration");
	CHECK_EQ(log_start(d), -ENOTTY, "nor can it be started");
	must(!alloc_hwpt(d, &hwpt), "HWPT");
	CHECK_EQ(attach(d, hwpt), 0, "attach to an HWPT");
	CHECK_EQ(probe_log(d), -ENOTTY, "no logging with an HWPT");
	/* A VMM would not be told of a page that the device has written. */
	CHECK_EQ(probe_migration(d), -ENOTTY, "no migration with an HWPT");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -ENOTTY, "nor is it tried");
	CHECK_EQ(attach(d, d->dev.ioas_id), 0, "replace it by an IOAS");
	CHECK_EQ(probe_log(d), 0, "logging with an IOAS");
	CHECK_EQ(probe_migration(d), 0, "migration with an IOAS");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "which begins");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	must(!attach(d, hwpt), "HWPT");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -EOPNOTSUPP,
		 "but not with an HWPT that it has got since");
	CHECK_EQ(get_state(d), VFIO_DEVICE_STATE_RUNNING, "it runs");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "it can be stopped");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EOPNOTSUPP,
		 "but not saved then, either");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "and run again");
	must(!attach(d, d->dev.ioas_id), "IOAS");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "saved with an IOAS");
	must(!attach(d, hwpt), "HWPT");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EOPNOTSUPP,
		 "not to its end with an HWPT that it gets meanwhile");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_RUNNING), 0, "it runs on");
	vfio_client_close(&d->dev);
}

/* Other memory while it is logged: of the same, where the device can go on. */
TEST_F(iommufd, replace)
{
	struct dirty *d = &self->d;
	__u32 hwpt, other, first;

	open_vf(d);
	first = d->dev.ioas_id;
	must(!alloc_hwpt(d, &hwpt), "HWPT");
	start_vf(d);

	start_tracking(d, log_sink);
	vf_quiet(d);
	CHECK(!reports_all(d), "not all is reported before");
	CHECK_EQ(attach(d, hwpt), 0, "an HWPT while it is logged");
	stays_all(_metadata, d, "an HWPT while it is logged");
	vf_traffic(d, 100);
	vf_quiet(d);
	stays_all(_metadata, d, "with traffic");
	CHECK_EQ(attach(d, first), 0, "the IOAS again");
	vf_traffic(d, 100);
	vf_quiet(d);
	stays_all(_metadata, d, "the IOAS again");
	CHECK_EQ(log_end(d), 0, "stop");
	is_exact(_metadata, d, "started anew");

	must(!attach(d, hwpt), "attach");
	CHECK_EQ(probe_log(d), 0, "what was offered stays so");
	CHECK_EQ(log_start(d), -EOPNOTSUPP, "but cannot be started with an HWPT");
	CHECK_EQ(log_end(d), 0, "nothing to be stopped");
	must(!attach(d, first), "attach");
	is_exact(_metadata, d, "back at the IOAS");

	start_tracking(d, log_sink);
	CHECK_EQ(attach(d, NO_ID), -ENOENT, "attach to nothing that there is");
	stays_all(_metadata, d, "which failed");
	must(!log_end(d), "stop");
	is_exact(_metadata, d, "after that");

	/* Read where the device is, not where it was. */
	must(!vfio_client_alloc_ioas(&d->dev, &other), "IOAS");
	d->dev.ioas_id = other;
	must(!map_memory(d), "map");
	start_tracking(d, log_sink);
	vf_quiet(d);
	CHECK_EQ(attach(d, other), 0, "another IOAS while it is logged");
	stays_all(_metadata, d, "another IOAS while it is logged");
	CHECK_EQ(destroy(d, first), -EBUSY, "the first one has an HWPT");
	CHECK_EQ(destroy(d, hwpt), 0, "the HWPT can be destroyed");
	CHECK_EQ(destroy(d, first), 0, "then the IOAS that was left, too");
	must(!log_end(d), "stop");
	is_exact(_metadata, d, "in the other IOAS");
	close_vf(d);
}

TEST_F(iommufd, detach)
{
	struct dirty *d = &self->d;

	open_vf(d);
	start_vf(d);
	start_tracking(d, log_sink);
	vf_traffic(d, 100);
	vf_quiet(d);
	vf_disable(d);
	CHECK_EQ(vfio_client_detach(&d->dev), 0, "detach while it is logged");
	stays_all(_metadata, d, "detached");
	CHECK_EQ(vfio_client_detach(&d->dev), 0, "detach once more");
	CHECK_EQ(log_end(d), 0, "stop while detached");
	CHECK_EQ(log_start(d), -EOPNOTSUPP, "start while detached");
	CHECK_EQ(destroy(d, d->dev.ioas_id), 0, "what it is detached from can be destroyed");
	CHECK_EQ(attach(d, d->dev.ioas_id), -ENOENT, "and is gone");

	must(!vfio_client_alloc_ioas(&d->dev, &d->dev.ioas_id), "IOAS");
	must(!map_memory(d), "map");
	CHECK_EQ(attach(d, d->dev.ioas_id), 0, "attach to another");
	start_vf(d);
	is_exact(_metadata, d, "attached again");
	close_vf(d);
}

/* What is in use cannot be destroyed, whatever its ID. */
TEST_F(iommufd, ids)
{
	struct dirty *d = &self->d;
	unsigned int gone = 0;
	__u32 id;

	open_vf(d);
	start_vf(d);
	start_tracking(d, log_sink);
	for (id = 0; id < LAST_ID; id++)
		gone += !destroy(d, id);
	CHECK_EQ(gone, 0, "nothing that is used can be destroyed");
	must(!log_end(d), "stop");
	is_exact(_metadata, d, "nothing has changed");
	close_vf(d);
}

static int change_all_the_time(struct dirty *d, __u32 hwpt)
{
	double end = now() + CHANGES_MS;
	int errors = 0;

	while (now() < end) {
		errors += !!attach(d, hwpt);
		usleep(below(d, 3000));
		errors += !!attach(d, d->dev.ioas_id);
		usleep(below(d, 100000));
	}

	return !!errors;
}

/*
 * Attached to this and that while another process logs, and the vendor reads rings.
 * Without traffic: a device that writes at such a moment is an error to the IOMMU.
 */
TEST_F(iommufd, race)
{
	unsigned int all = 0, exact = 0, refused = 0;
	struct dirty *d = &self->d;
	int status = -1, ret;
	__u32 hwpt;
	pid_t pid;

	open_vf(d);
	must(!alloc_hwpt(d, &hwpt), "HWPT");
	start_vf(d);
	vf_quiet(d);
	pid = fork();
	if (!pid)
		_exit(change_all_the_time(d, hwpt));
	while (!waitpid(pid, &status, WNOHANG)) {
		ret = log_start(d);
		if (ret) {
			must(ret == -EOPNOTSUPP, "start");
			refused++;
			continue;
		}
		usleep(below(d, 10000));
		if (reports_all(d))
			all++;
		else
			exact++;
		must(!log_end(d), "stop");
	}
	ksft_print_msg("%u times all was reported, %u times not, %u times refused\n", all,
		       exact, refused);
	CHECK_EQ(status, 0, "attached to this and that all the time");
	CHECK(all && exact, "when it was changed while it was logged, all is reported");
	is_exact(_metadata, d, "afterwards");
	close_vf(d);
}

static void close_device_file(struct dirty *d)
{
	munmap(d->regs, MAPPED_SIZE);
	close(d->dev.device_fd);
	d->dev.device_fd = -1;
}

/* In all orders, while it is logged */
TEST_F(iommufd, closed)
{
	struct dirty *d = &self->d;

	bind_vf(d);
	vfio_client_close(&d->dev);

	open_vf(d);
	start_vf(d);
	start_tracking(d, log_sink);
	close(d->dev.iommufd);
	d->dev.iommufd = -1;
	vf_traffic(d, 100);
	vf_quiet(d);
	CHECK(!reports_all(d), "logged without its file");
	close_vf(d);

	open_vf(d);
	start_vf(d);
	start_tracking(d, log_sink);
	close_device_file(d);
	CHECK_EQ(destroy(d, d->dev.ioas_id), 0, "the IOAS of a closed device can be destroyed");
	vfio_client_close(&d->dev);

	open_vf(d);
	start_tracking(d, log_sink);
	must(!vfio_client_detach(&d->dev), "detach");
	close_vf(d);

	open_vf(d);
	start_vf(d);
	is_exact(_metadata, d, "closed and opened");
	close_vf(d);
}

/* A group whose container is an iommufd */
TEST_F(iommufd, compat)
{
	struct dirty *d = &self->d;
	struct vfio_client *c = &d->dev;
	int ret = vfio_client_init(c, lab_vf(0), VFIO_CLIENT_GROUP);

	c->container_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (!ret)
		ret = vfio_client_open_in_container(c);
	if (ret)
		die("open %s by its group: %s", c->bdf, strerror(-ret));
	use_vf(d);
	CHECK_EQ(probe_log(d), 0, "logging with an iommufd for a container");
	start_vf(d);
	is_exact(_metadata, d, "with an iommufd for a container");
	close_vf(d);
}

TEST_HARNESS_MAIN
