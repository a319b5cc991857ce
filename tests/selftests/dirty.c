// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty [-c] [-k] [-n PACKETS] [-s SEED] BDF NETDEV: a witness of what a VF's tracking says
 * of the memory that the VF writes.
 *
 * A driver in this program has the VF receive and send. Beside its memory there is a
 * copy as a migration's destination would have it: pages go there when they are
 * reported. Once all that was written should have been reported, both are the same,
 * or a page was missed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirty.h"

#define SHOWN		10
#define LATE_MS		5000
#define RATIO_GOAL	1.05

const struct config configs[] = {
	{ "256 of 2 KiB", .count = 256, .kib = 2, .queues = 1 },
	{ "64 of 1 KiB, two queues", .count = 64, .kib = 1, .queues = 2 },
	{ "1024 of 2 KiB, headers split", .count = 1024, .kib = 2, .split = true,
	  .queues = 1, .head = true },
	{ "256 of 2 KiB across pages, half filled", .count = 256, .kib = 2,
	  .shift = 1000, .half = true, .queues = 1 },
	{ "64 of the default size", .count = 64, .kib = 2, .shift = 1000,
	  .default_size = true, .queues = 1 },
};

static int get_state(struct dirty *d)
{
	struct vfio_device_feature_mig_state arg = {};
	int ret;

	ret = vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_GET |
				  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg));

	return ret ?: (int)arg.device_state;
}

static int type1_start(struct dirty *d)
{
	int ret = container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);

	return ret ?: set_state(d, VFIO_DEVICE_STATE_PRE_COPY);
}

static int type1_get(struct dirty *d, __u64 iova, __u64 size, __u64 *bitmap)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.head.argsz = sizeof(arg),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get = {
			.iova = iova,
			.size = size,
			.bitmap = {
				.pgsize = PAGE_4K,
				.size = size / PAGE_4K / 8,
				.data = (void *)bitmap,
			},
		},
	};

	return vfio_client_ioctl(d->dev.container_fd, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static int type1_query(struct dirty *d, __u64 *bitmap)
{
	int ret = type1_get(d, 0, LOW_SIZE, bitmap);

	return ret ?: type1_get(d, HIGH_IOVA, HIGH_SIZE, bitmap + LOW_SIZE / PAGE_4K / 64);
}

static int type1_stop(struct dirty *d)
{
	int ret = set_state(d, VFIO_DEVICE_STATE_RUNNING);

	return container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP) ?: ret;
}

static int log_start_ranges(struct dirty *d, __u64 page_size,
			    struct vfio_device_feature_dma_logging_range *ranges, __u32 count)
{
	struct vfio_device_feature_dma_logging_control arg = {
		.page_size = page_size,
		.num_ranges = count,
		.ranges = (unsigned long)ranges,
	};

	return vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_SET |
				   VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &arg, sizeof(arg));
}

static int log_get(struct dirty *d, __u64 iova, __u64 size, __u64 page_size, __u64 *bitmap)
{
	struct vfio_device_feature_dma_logging_report arg = {
		.iova = iova,
		.length = size,
		.page_size = page_size,
		.bitmap = (unsigned long)bitmap,
	};

	return vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_GET |
				   VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &arg, sizeof(arg));
}

int log_end(struct dirty *d)
{
	return vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_SET |
				   VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

int log_start(struct dirty *d)
{
	struct vfio_device_feature_dma_logging_range ranges[] = {
		{ 0, LOW_SIZE }, { HIGH_IOVA, HIGH_SIZE },
	};

	return log_start_ranges(d, PAGE_4K, ranges, ARRAY_SIZE(ranges));
}

int log_query(struct dirty *d, __u64 *bitmap)
{
	int ret = log_get(d, 0, LOW_SIZE, PAGE_4K, bitmap);

	return ret ?: log_get(d, HIGH_IOVA, HIGH_SIZE, PAGE_4K,
			      bitmap + LOW_SIZE / PAGE_4K / 64);
}

static int log_stop(struct dirty *d)
{
	int ret = set_state(d, VFIO_DEVICE_STATE_RUNNING);

	return log_end(d) ?: ret;
}

const struct sink sinks[] = {
	[SINK_TYPE1] = { "type1", false, type1_start, type1_query, type1_stop },
	[SINK_LOG] = { "log", true, log_start, log_query, log_stop },
};

static bool is_set(const __u64 *bitmap, unsigned int page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* As if the page of one buffer had not been reported */
static bool pass_over(struct dirty *d, unsigned int page)
{
	if (d->blind && !d->passed_over && page >= LOW_SIZE / PAGE_4K)
		d->passed_over = page;

	return d->blind && page == d->passed_over;
}

/* Ask, and bring to the copy what is reported. */
static void query(struct dirty *d, const struct sink *sink)
{
	__u64 bitmap[PAGES / 64] = {};
	unsigned int page;
	int ret;

	/* All of this was written before it is asked. */
	for (page = 0; page < PAGES; page++)
		d->sum_written += d->written[page];
	memset(d->written, 0, sizeof(d->written));

	ret = sink->query(d, bitmap);
	if (ret)
		bail_out("%s: no answer: %s", sink->name, strerror(-ret));
	for (page = 0; page < PAGES; page++) {
		if (!is_set(bitmap, page) || pass_over(d, page))
			continue;
		d->sum_reported++;
		memcpy(d->copy + page * PAGE_4K, d->mem + page * PAGE_4K, PAGE_4K);
	}
}

static bool differs(struct dirty *d, unsigned int page)
{
	return memcmp(d->mem + page * PAGE_4K, d->copy + page * PAGE_4K, PAGE_4K);
}

static unsigned int count_different(struct dirty *d)
{
	unsigned int page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += differs(d, page);

	return n;
}

/* The device is quiet: all that it has written must be reported, now or soon. */
static void check(struct dirty *d, const struct sink *sink, bool stopped, const char *when)
{
	unsigned int page, n, late = 0, shown = 0;
	double end = now() + LATE_MS;

	/* What the driver does not know of, as when it did not read a descriptor */
	for (page = 0; !stopped && page < PAGES; page++)
		d->written[page] |= differs(d, page);
	/* That it has stopped must be enough: no time is left for what comes by itself. */
	query(d, sink);
	n = count_different(d);
	while (n && !sink->exact && !stopped && now() < end) {
		late = n;
		usleep(20000);
		query(d, sink);
		n = count_different(d);
	}
	d->late += late;
	d->missed += n;
	for (page = 0; n && page < PAGES && shown < SHOWN; page++)
		if (differs(d, page) && ++shown)
			note("%s: %s: missed: %#llx", sink->name, when,
			     (unsigned long long)iova_of(page * PAGE_4K));
	if (n)
		memcpy(d->copy, d->mem, MEM_SIZE);
	vf_round(d);
}

/*
 * With traffic, asked again and again; then quiet, and checked. And that as often as
 * buffers must be used again, which hides that they were not reported before.
 */
void pass(struct dirty *d, const struct sink *sink, unsigned int frames, const char *when)
{
	unsigned int part, n;

	for (; frames; frames -= n) {
		n = vf_room(d) < frames ? vf_room(d) : frames;
		for (part = 0; part < 8; part++) {
			vf_traffic(d, n / 8);
			query(d, sink);
		}
		vf_quiet(d);
		check(d, sink, false, when);
	}
}

void must(bool good, const char *what)
{
	if (!good)
		bail_out("%s", what);
}

static void device_reset(struct dirty *d)
{
	must(!vfio_client_ioctl(d->dev.device_fd, VFIO_DEVICE_RESET, NULL), "VFIO_DEVICE_RESET");
	vf_bus_master(d);
	must(vf_reset(d), "no handshake after VFIO_DEVICE_RESET");
}

void start_tracking(struct dirty *d, const struct sink *sink)
{
	int ret = sink->start(d);

	if (ret)
		bail_out("%s: start: %s", sink->name, strerror(-ret));
	memcpy(d->copy, d->mem, MEM_SIZE);
	memset(d->written, 0, sizeof(d->written));
}

void test_config(struct dirty *d, const struct sink *sink, const struct config *config,
		 unsigned int packets)
{
	struct config other = *config;
	unsigned long long received, written, reported, transmitted;
	unsigned int part = packets / 8, n;	/* 8.5 of them, with exact 9.5 */
	double start = now(), ratio;
	bool strict;

	d->sum_written = 0;
	d->sum_reported = 0;
	d->missed = 0;
	d->late = 0;
	must(vf_reset(d), "no handshake");
	vf_start(d, config);
	vf_traffic(d, part / 2);
	received = d->received;
	transmitted = d->transmitted;

	/* Buffers that it has already; some are written at this moment. */
	store(&d->sender->target, d->sender->target + 100);
	start_tracking(d, sink);
	vf_quiet(d);
	check(d, sink, false, "at the start");
	pass(d, sink, config->count / 4, "the first buffers");
	pass(d, sink, part * 4, "under load");
	written = d->sum_written;
	reported = d->sum_reported;

	other.count = config->count == 64 ? 256 : 64;
	vf_traffic(d, 20);
	vf_start(d, &other);
	pass(d, sink, part, "after the ring was resized");
	vf_traffic(d, 20);
	vf_start(d, config);
	pass(d, sink, part, "after it was resized back");

	must(vf_reset(d), "no handshake after VTCTRL.RST");
	check(d, sink, false, "after VTCTRL.RST");
	vf_start(d, config);
	pass(d, sink, part, "after VTCTRL.RST, and traffic");

	if (sink->exact) {
		vf_traffic(d, 20);
		device_reset(d);
		check(d, sink, false, "after VFIO_DEVICE_RESET");
		vf_start(d, config);
		pass(d, sink, part, "after VFIO_DEVICE_RESET, and traffic");
		must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
	}

	/* In the middle of all, with what there is room for */
	n = vf_room(d) < part ? vf_room(d) : part;
	pass(d, sink, part - n, "before it is stopped");
	vf_traffic(d, n);
	store(&d->sender->target, d->sender->target + 100);
	must(!set_state(d, VFIO_DEVICE_STATE_STOP_COPY), "STOP_COPY");
	check(d, sink, true, "stopped");
	received = d->received - received;
	transmitted = d->transmitted - transmitted;
	must(!sink->stop(d), "tracking does not end");

	ratio = written ? (double)reported / written : 0;
	note("%s, %s: %llu received, %llu sent, %.0f s", sink->name, config->name, received,
	     transmitted, (now() - start) / 1e3);
	note("pages: %llu written, %llu reported, %llu late, %llu missed", d->sum_written,
	     d->sum_reported, d->late, d->missed);
	note("pages under load: %llu written, %llu reported", written, reported);
	expect(d->missed, 0, "%s, %s: no page is missed", sink->name, config->name);
	/* Whether a header was split off is not asked, nor always how long a frame was. */
	strict = !config->split && !config->shift;
	ok(ratio && (ratio <= RATIO_GOAL || !strict),
	   "%s, %s: under load %.3f pages are reported for each that is written",
	   sink->name, config->name, ratio);
	received = d->received;
	vf_traffic(d, 200);
	vf_quiet(d);
	ok(d->received > received + 20, "%s, %s: it goes on afterwards", sink->name,
	   config->name);
}

/* The witness itself: were a page of all those not reported, that would be seen. */
static void test_witness(struct dirty *d, const struct sink *sink)
{
	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, sink);
	pass(d, sink, 100, "the witness");
	d->missed = 0;
	d->passed_over = 0;
	d->blind = true;
	pass(d, sink, 400, "passed over on purpose");
	d->blind = false;
	expect(d->missed, 1, "%s: that one page is not reported would be seen", sink->name);
	must(!sink->stop(d), "tracking does not end");
}

/* In PRE_COPY, the device is reset: its state is not sent, but memory still is. */
static void test_type1_reset(struct dirty *d)
{
	const struct sink *sink = &sinks[SINK_TYPE1];

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	d->missed = 0;
	start_tracking(d, sink);
	pass(d, sink, 400, "before a reset");
	vf_traffic(d, 50);
	device_reset(d);
	expect(get_state(d), VFIO_DEVICE_STATE_RUNNING, "type1: reset in PRE_COPY: RUNNING");
	check(d, sink, false, "by a reset");
	vf_start(d, &configs[0]);
	pass(d, sink, 400, "after a reset");
	expect(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), 0, "type1: PRE_COPY once more");
	pass(d, sink, 400, "after a reset, in PRE_COPY");

	/* So goes on who does not know that it was reset. */
	device_reset(d);
	vf_start(d, &configs[0]);
	vf_traffic(d, 100);
	expect(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "type1: reset, and STOP_COPY");
	check(d, sink, true, "after a reset, stopped");
	expect(d->missed, 0, "type1: nothing is missed by resets, or after them");
	expect(sink->stop(d), 0, "type1: tracking ends");
}

unsigned int bits(const __u64 *bitmap, unsigned int n)
{
	unsigned int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += __builtin_popcountll(bitmap[i]);

	return sum;
}

void test_log_errors(struct dirty *d)
{
	struct vfio_device_feature_dma_logging_range good = { HIGH_IOVA, HIGH_SIZE };
	struct vfio_device_feature_dma_logging_range bad[2];
	__u64 bitmap[PAGES / 64] = {};

	expect(log_get(d, 0, LOW_SIZE, PAGE_4K, bitmap), -EINVAL, "log: report without start");
	expect(log_end(d), 0, "log: stop without start");
	expect(log_start_ranges(d, 0, &good, 1), -EINVAL, "log: pages of 0");
	expect(log_start_ranges(d, 3 * PAGE_4K, &good, 1), -EINVAL, "log: pages of 12 KiB");
	expect(log_start_ranges(d, PAGE_4K, &good, 0), -EINVAL, "log: no ranges");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA, 0 };
	expect(log_start_ranges(d, PAGE_4K, bad, 1), -EINVAL, "log: a range of nothing");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ 0, 0 };
	ok(log_start_ranges(d, PAGE_4K, bad, 1) < 0, "log: a range of nothing at 0");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA + 512, PAGE_4K };
	expect(log_start_ranges(d, PAGE_4K, bad, 1), -EINVAL, "log: a range that is not aligned");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ -(__u64)PAGE_4K, 2 * PAGE_4K };
	ok(log_start_ranges(d, PAGE_4K, bad, 1) < 0, "log: a range that wraps around");
	bad[0] = good;
	bad[1] = (struct vfio_device_feature_dma_logging_range){ HIGH_IOVA + PAGE_4K, PAGE_4K };
	expect(log_start_ranges(d, PAGE_4K, bad, 2), -EINVAL, "log: ranges that overlap");
	bad[0] = (struct vfio_device_feature_dma_logging_range){ 0, 1ull << 62 };
	expect(log_start_ranges(d, PAGE_4K, bad, 1), -E2BIG, "log: a range of 4 EiB");
	expect(log_get(d, 0, LOW_SIZE, PAGE_4K, bitmap), -EINVAL,
	       "log: none of these has started");

	expect(log_start_ranges(d, 512, &good, 1), 0, "log: pages of 512 become what there is");
	expect(log_start_ranges(d, PAGE_4K, &good, 1), -EINVAL, "log: started twice");
	ok(log_get(d, 0, LOW_SIZE, 512, bitmap) < 0, "log: report of pages of 512");
	ok(log_get(d, -(__u64)PAGE_4K, 2 * PAGE_4K, PAGE_4K, bitmap) < 0,
	   "log: report that wraps around");
	expect(log_end(d), 0, "log: stop");
	expect(log_end(d), 0, "log: stop twice");
}

static bool covers(const __u64 *coarse, const __u64 *fine, unsigned int factor)
{
	unsigned int page;

	for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
		if (is_set(fine, page) && !is_set(coarse, page / factor))
			return false;

	return true;
}

/* Parts of what is logged, in all ways it can be asked for */
void test_log_parts(struct dirty *d)
{
	__u64 one[HIGH_SIZE / PAGE_4K / 64], two[HIGH_SIZE / PAGE_4K / 64];
	const unsigned int words = ARRAY_SIZE(one), half = words / 2;
	unsigned int page, changed = 0, round;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, &sinks[SINK_LOG]);
	for (round = 0; round < 2; round++) {
		vf_traffic(d, 400);
		vf_quiet(d);
		memset(one, 0, sizeof(one));
		memset(two, 0, sizeof(two));
		/* Some of it by pages of 64 KiB, of the rest first a part. */
		if (round) {
			must(!log_get(d, HIGH_IOVA, HIGH_SIZE, 16 * PAGE_4K, one), "report");
			for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
				if (differs(d, LOW_SIZE / PAGE_4K + page))
					two[page / 64] |= 1ull << page % 64;
			ok(bits(two, words) && covers(one, two, 16),
			   "log: all of %u pages reported in %u of 64 KiB",
			   bits(two, words), bits(one, words));
			continue;
		}
		must(!log_get(d, HIGH_IOVA, HIGH_SIZE / 2, PAGE_4K, one), "report");
		must(!log_get(d, HIGH_IOVA, HIGH_SIZE / 2, PAGE_4K, two), "report");
		ok(bits(one, half) && !bits(two, half), "log: the half is reported once");
		must(!log_get(d, HIGH_IOVA + HIGH_SIZE / 2, HIGH_SIZE / 2, PAGE_4K, one + half),
		     "report");
		for (page = 0; page < HIGH_SIZE / PAGE_4K; page++)
			changed += differs(d, LOW_SIZE / PAGE_4K + page) && !is_set(one, page);
		expect(changed, 0, "log: and with the other it is all");
		memcpy(d->copy, d->mem, MEM_SIZE);
	}

	vf_traffic(d, 400);
	vf_quiet(d);
	memset(one, 0, sizeof(one));
	memset(two, 0, sizeof(two));
	expect(log_get(d, HIGH_IOVA + 2048, HIGH_SIZE - PAGE_4K, PAGE_4K, one), 0,
	       "log: report from the middle of a page");
	ok(bits(one, words), "log: of which there is something");
	expect(log_get(d, HIGH_IOVA - 64 * PAGE_4K, HIGH_SIZE, PAGE_4K, two), 0,
	       "log: report of more than is logged");
	expect(bits(two, 1), 0, "log: of the rest, nothing is known");
	expect(log_end(d), 0, "log: stop with traffic gone by");
	expect(log_get(d, 0, LOW_SIZE, PAGE_4K, one), -EINVAL, "log: report after stop");
}

/* Be tracked until standard input ends: others do something to the device. */
static int be_tracked(struct dirty *d)
{
	char byte;

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, &sinks[SINK_TYPE1]);
	vf_traffic(d, 200);
	puts("tracked");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	vfio_client_close(&d->dev);

	return 0;
}

int main(int argc, char **argv)
{
	unsigned int packets = 20000, seed = 1, i;
	static struct dirty d;
	bool keep = false, cdev = false;
	int opt;

	while ((opt = getopt(argc, argv, "ckn:s:")) != -1) {
		if (opt == 'n')
			packets = atoi(optarg);
		else if (opt == 's')
			seed = atoi(optarg);
		else if (opt == 'k')
			keep = true;
		else if (opt == 'c')
			cdev = true;
		else
			break;
	}
	if (opt != -1 || optind + 2 != argc) {
		fputs("usage: dirty [-c] [-k] [-n PACKETS] [-s SEED] BDF NETDEV\n"
		      "PACKETS are sent to the VF by NETDEV, its PF's\n"
		      "-c: by an iommufd, and what is special to that\n"
		      "-k: only track it, until standard input ends\n", stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 14");
	note("seed %u, %u packets", seed, packets);
	d.state = seed * 2654435761u + 1;
	sender_start(&d, argv[optind + 1], seed);
	if (cdev) {
		make_memory(&d);
		test_iommufd(&d, argv[optind], packets);
		store(&d.sender->end, true);
		return end_results();
	}
	vf_open(&d, argv[optind]);
	if (keep)
		return be_tracked(&d);

	/* Half of them as a guest's driver has its rings. */
	for (i = 0; i < ARRAY_SIZE(configs); i++)
		test_config(&d, &sinks[SINK_TYPE1], &configs[i], packets / (i ? 8 : 2));
	test_witness(&d, &sinks[SINK_TYPE1]);
	test_type1_reset(&d);
	if (vfio_client_feature_probe(&d.dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				      VFIO_DEVICE_FEATURE_SET)) {
		skip("not in this kernel", "log");
	} else {
		test_log_errors(&d);
		test_log_parts(&d);
		test_witness(&d, &sinks[SINK_LOG]);
		for (i = 0; i < ARRAY_SIZE(configs); i++)
			test_config(&d, &sinks[SINK_LOG], &configs[i], packets / (i ? 8 : 2));
	}
	note("%llu packets received in all", d.received);
	store(&d.sender->end, true);
	vfio_client_close(&d.dev);

	return end_results();
}
