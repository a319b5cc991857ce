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

#include "dirty.h"

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

/* Open, and bound, but attached to nothing */
static void bind_vf(struct dirty *d, const char *bdf)
{
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
		bail_out("open %s: %s", bdf, strerror(-ret));
}

static void open_vf(struct dirty *d, const char *bdf)
{
	bind_vf(d, bdf);
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

static void stays_all(struct dirty *d, const char *after)
{
	bool first = reports_all(d);

	ok(first && reports_all(d), "iommufd: %s: all is reported", after);
}

/* Nothing missed, and not because all is reported */
static void is_exact(struct dirty *d, const char *when)
{
	d->missed = 0;
	d->sum_reported = 0;
	start_tracking(d, log_sink);
	pass(d, log_sink, 400, when);
	ok(!d->missed && d->sum_reported < PAGES / 2,
	   "iommufd: %s: %llu pages are reported, %llu are missed", when, d->sum_reported,
	   d->missed);
	must(!log_end(d), "stop");
}

/* It is said when it is known: for an IOAS. */
static void test_offer(struct dirty *d, const char *bdf)
{
	__u32 hwpt;

	bind_vf(d, bdf);
	expect(probe_log(d), -ENOTTY, "iommufd: no logging before it is attached");
	expect(log_start(d), -ENOTTY, "iommufd: nor can it be started");
	must(!alloc_hwpt(d, &hwpt), "HWPT");
	expect(attach(d, hwpt), 0, "iommufd: attach to an HWPT");
	expect(probe_log(d), -ENOTTY, "iommufd: no logging with an HWPT");
	expect(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "iommufd: migrated nevertheless");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	expect(attach(d, d->dev.ioas_id), 0, "iommufd: replace it by an IOAS");
	expect(probe_log(d), 0, "iommufd: logging with an IOAS");
	vfio_client_close(&d->dev);
}

/* Other memory while it is logged: of the same, where the device can go on. */
static void test_replace(struct dirty *d, const char *bdf)
{
	__u32 hwpt, other, first;

	open_vf(d, bdf);
	first = d->dev.ioas_id;
	must(!alloc_hwpt(d, &hwpt), "HWPT");
	start_vf(d);

	start_tracking(d, log_sink);
	vf_quiet(d);
	ok(!reports_all(d), "iommufd: not all is reported before");
	expect(attach(d, hwpt), 0, "iommufd: an HWPT while it is logged");
	stays_all(d, "an HWPT while it is logged");
	vf_traffic(d, 100);
	vf_quiet(d);
	stays_all(d, "with traffic");
	expect(attach(d, first), 0, "iommufd: the IOAS again");
	vf_traffic(d, 100);
	vf_quiet(d);
	stays_all(d, "the IOAS again");
	expect(log_end(d), 0, "iommufd: stop");
	is_exact(d, "started anew");

	must(!attach(d, hwpt), "attach");
	expect(probe_log(d), 0, "iommufd: what was offered stays so");
	expect(log_start(d), -EOPNOTSUPP, "iommufd: but cannot be started with an HWPT");
	expect(log_end(d), 0, "iommufd: nothing to be stopped");
	must(!attach(d, first), "attach");
	is_exact(d, "back at the IOAS");

	start_tracking(d, log_sink);
	expect(attach(d, NO_ID), -ENOENT, "iommufd: attach to nothing that there is");
	stays_all(d, "which failed");
	must(!log_end(d), "stop");
	is_exact(d, "after that");

	/* Read where the device is, not where it was. */
	must(!vfio_client_alloc_ioas(&d->dev, &other), "IOAS");
	d->dev.ioas_id = other;
	must(!map_memory(d), "map");
	start_tracking(d, log_sink);
	vf_quiet(d);
	expect(attach(d, other), 0, "iommufd: another IOAS while it is logged");
	stays_all(d, "another IOAS while it is logged");
	expect(destroy(d, first), -EBUSY, "iommufd: the first one has an HWPT");
	expect(destroy(d, hwpt), 0, "iommufd: the HWPT can be destroyed");
	expect(destroy(d, first), 0, "iommufd: then the IOAS that was left, too");
	must(!log_end(d), "stop");
	is_exact(d, "in the other IOAS");
	close_vf(d);
}

static void test_detach(struct dirty *d, const char *bdf)
{
	open_vf(d, bdf);
	start_vf(d);
	start_tracking(d, log_sink);
	vf_traffic(d, 100);
	vf_quiet(d);
	vf_disable(d);
	expect(vfio_client_detach(&d->dev), 0, "iommufd: detach while it is logged");
	stays_all(d, "detached");
	expect(vfio_client_detach(&d->dev), 0, "iommufd: detach once more");
	expect(log_end(d), 0, "iommufd: stop while detached");
	expect(log_start(d), -EOPNOTSUPP, "iommufd: start while detached");
	expect(destroy(d, d->dev.ioas_id), 0, "iommufd: what it is detached from can be destroyed");
	expect(attach(d, d->dev.ioas_id), -ENOENT, "iommufd: and is gone");

	must(!vfio_client_alloc_ioas(&d->dev, &d->dev.ioas_id), "IOAS");
	must(!map_memory(d), "map");
	expect(attach(d, d->dev.ioas_id), 0, "iommufd: attach to another");
	start_vf(d);
	is_exact(d, "attached again");
	close_vf(d);
}

/* What is in use cannot be destroyed, whatever its ID. */
static void test_ids(struct dirty *d, const char *bdf)
{
	unsigned int gone = 0;
	__u32 id;

	open_vf(d, bdf);
	start_vf(d);
	start_tracking(d, log_sink);
	for (id = 0; id < LAST_ID; id++)
		gone += !destroy(d, id);
	expect(gone, 0, "iommufd: nothing that is used can be destroyed");
	must(!log_end(d), "stop");
	is_exact(d, "nothing has changed");
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
static void test_race(struct dirty *d, const char *bdf)
{
	unsigned int all = 0, exact = 0, refused = 0;
	int status = -1, ret;
	__u32 hwpt;
	pid_t pid;

	open_vf(d, bdf);
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
	note("iommufd: %u times all was reported, %u times not, %u times refused", all, exact,
	     refused);
	expect(status, 0, "iommufd: attached to this and that all the time");
	ok(all && exact, "iommufd: when it was changed while it was logged, all is reported");
	is_exact(d, "afterwards");
	close_vf(d);
}

static void close_device_file(struct dirty *d)
{
	munmap(d->regs, MAPPED_SIZE);
	close(d->dev.device_fd);
	d->dev.device_fd = -1;
}

/* In all orders, while it is logged */
static void test_close(struct dirty *d, const char *bdf)
{
	bind_vf(d, bdf);
	vfio_client_close(&d->dev);

	open_vf(d, bdf);
	start_vf(d);
	start_tracking(d, log_sink);
	close(d->dev.iommufd);
	d->dev.iommufd = -1;
	vf_traffic(d, 100);
	vf_quiet(d);
	ok(!reports_all(d), "iommufd: logged without its file");
	close_vf(d);

	open_vf(d, bdf);
	start_vf(d);
	start_tracking(d, log_sink);
	close_device_file(d);
	expect(destroy(d, d->dev.ioas_id), 0,
	       "iommufd: the IOAS of a closed device can be destroyed");
	vfio_client_close(&d->dev);

	open_vf(d, bdf);
	start_tracking(d, log_sink);
	must(!vfio_client_detach(&d->dev), "detach");
	close_vf(d);

	open_vf(d, bdf);
	start_vf(d);
	is_exact(d, "closed and opened");
	close_vf(d);
}

/* A group whose container is an iommufd */
static void test_compat(struct dirty *d, const char *bdf)
{
	struct vfio_client *c = &d->dev;
	int ret = vfio_client_init(c, bdf, VFIO_CLIENT_GROUP);

	c->container_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (!ret)
		ret = vfio_client_open_in_container(c);
	if (ret)
		bail_out("open %s by its group: %s", bdf, strerror(-ret));
	use_vf(d);
	expect(probe_log(d), 0, "iommufd: logging with an iommufd for a container");
	start_vf(d);
	is_exact(d, "with an iommufd for a container");
	close_vf(d);
}

void test_iommufd(struct dirty *d, const char *bdf, unsigned int packets)
{
	if (access("/dev/iommu", F_OK)) {
		skip("not in this kernel", "iommufd");
		return;
	}

	test_offer(d, bdf);
	open_vf(d, bdf);
	test_log_errors(d);
	test_log_parts(d);
	test_config(d, log_sink, &configs[0], packets);
	test_config(d, log_sink, &configs[2], packets);
	close_vf(d);
	test_replace(d, bdf);
	test_detach(d, bdf);
	test_ids(d, bdf);
	test_race(d, bdf);
	test_close(d, bdf);
	test_compat(d, bdf);
}
