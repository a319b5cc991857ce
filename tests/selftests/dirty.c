// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: a witness of what a VF's tracking says of the memory that the VF writes.
 *
 * A driver in the test has the VF receive and send. Beside its memory there is a
 * copy as a migration's destination would have it: pages go there when they are
 * reported. Once all that was written should have been reported, both are the same,
 * or a page was missed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirty.h"

#define SHOWN		10
#define LATE_MS		5000

const struct config configs[] = {
	[RX_256] = { "256 of 2 KiB", .count = 256, .kib = 2, .queues = 1 },
	[RX_64] = { "64 of 1 KiB, two queues", .count = 64, .kib = 1, .queues = 2 },
	[RX_SPLIT] = { "1024 of 2 KiB, headers split", .count = 1024, .kib = 2, .split = true,
		       .queues = 1, .head = true },
	[RX_HALF] = { "256 of 2 KiB across pages, half filled", .count = 256, .kib = 2,
		      .shift = 1000, .half = true, .queues = 1 },
	[RX_DEFAULT] = { "64 of the default size", .count = 64, .kib = 2, .shift = 1000,
			 .default_size = true, .queues = 1 },
};

static int mig_fd = -1;

int set_state(struct dirty *d, __u32 state)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state };
	int ret;

	ret = vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_SET |
				  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg));
	if (!ret && arg.data_fd >= 0) {
		if (mig_fd >= 0)
			close(mig_fd);
		mig_fd = arg.data_fd;
	}

	return ret;
}

long read_state(void)
{
	static __u8 buf[65536];
	long size = 0, part;

	do {
		part = read(mig_fd, buf, sizeof(buf));
		if (part < 0)
			return -errno;
		size += part;
	} while (part);

	return size;
}

int container_dirty(struct dirty *d, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };

	return vfio_client_ioctl(d->dev.container_fd, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

int get_state(struct dirty *d)
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

int type1_get(struct dirty *d, __u64 iova, __u64 size, __u64 *bitmap)
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

int log_start_ranges(struct dirty *d, __u64 page_size,
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

int log_get(struct dirty *d, __u64 iova, __u64 size, __u64 page_size, __u64 *bitmap)
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

bool is_set(const __u64 *bitmap, unsigned int page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* As if the page of one buffer had not been reported */
static bool pass_over(struct dirty *d, unsigned int page)
{
	if (d->blind && !d->passed_over && page >= LOW_SIZE / PAGE_4K)
		d->passed_over = page;

	/* Page 0, of the ring, is none of them, also while none has been passed over. */
	return d->blind && d->passed_over && page == d->passed_over;
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
		die("%s: no answer: %s", sink->name, strerror(-ret));
	for (page = 0; page < PAGES; page++) {
		if (!is_set(bitmap, page) || pass_over(d, page))
			continue;
		d->sum_reported++;
		memcpy(d->copy + page * PAGE_4K, d->mem + page * PAGE_4K, PAGE_4K);
	}
}

bool differs(struct dirty *d, unsigned int page)
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

/* Whether a page was passed over: that one differs for good. */
static bool is_passed_over(struct dirty *d)
{
	return d->blind && d->passed_over && differs(d, d->passed_over);
}

/* The device is quiet: all that it has written must be reported, now or soon. */
void check(struct dirty *d, const struct sink *sink, bool stopped, const char *when)
{
	unsigned int page, n, late = 0, shown = 0;
	double end = now() + LATE_MS;

	/* What the driver does not know of, as when it did not read a descriptor */
	for (page = 0; !stopped && page < PAGES; page++)
		d->written[page] |= differs(d, page);
	/* That it has stopped must be enough: no time is left for what comes by itself. */
	query(d, sink);
	n = count_different(d);
	while (n > is_passed_over(d) && !sink->exact && !stopped && now() < end) {
		late = n;
		usleep(20000);
		query(d, sink);
		n = count_different(d);
	}
	d->late += late;
	d->missed += n;
	for (page = 0; n && page < PAGES && shown < SHOWN; page++)
		if (differs(d, page) && ++shown)
			ksft_print_msg("%s: %s: missed: %#llx\n", sink->name, when,
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
		die("%s", what);
}

void device_reset(struct dirty *d)
{
	must(!vfio_client_ioctl(d->dev.device_fd, VFIO_DEVICE_RESET, NULL), "VFIO_DEVICE_RESET");
	vf_bus_master(d);
	must(vf_reset(d), "no handshake after VFIO_DEVICE_RESET");
}

void start_tracking(struct dirty *d, const struct sink *sink)
{
	int ret = sink->start(d);

	if (ret)
		die("%s: start: %s", sink->name, strerror(-ret));
	memcpy(d->copy, d->mem, MEM_SIZE);
	memset(d->written, 0, sizeof(d->written));
}

double track(struct dirty *d, const struct sink *sink, const struct config *config,
	     unsigned int packets)
{
	struct config other = *config;
	unsigned long long received, written, reported, transmitted;
	unsigned int part = packets / 8, n;	/* 8.5 of them, with exact 9.5 */
	double start = now(), ratio;

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
	ksft_print_msg("%s, %s: %llu received, %llu sent, %.0f s\n", sink->name, config->name,
		       received, transmitted, (now() - start) / 1e3);
	ksft_print_msg("pages: %llu written, %llu reported, %llu late, %llu missed\n",
		       d->sum_written, d->sum_reported, d->late, d->missed);
	ksft_print_msg("pages under load: %llu written, %llu reported\n", written, reported);

	return ratio;
}

unsigned int bits(const __u64 *bitmap, unsigned int n)
{
	unsigned int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += __builtin_popcountll(bitmap[i]);

	return sum;
}
