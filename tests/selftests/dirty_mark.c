// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: what becomes of the marks of a vendor that marks what the test says: mediator_marks
 * has no device to follow. SECONDS in the environment is how long mappings come and go.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "dirty.h"

#define MARKS_TYPE	((__u32)VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x8086)
#define MARKS_SUBTYPE	4
#define READ_MEMORY	0
#define MARK_PAGE	8
#define WRITE_MEMORY	16
#define MEMORY		24
#define STOP_WRITES	32

#define SIZE		0x2000000ull	/* of memory */
#define SIZE_PAGES	(SIZE / PAGE_4K)
#define EVERYTHING	(~0ull)
#define SECONDS		env_number("SECONDS", 5)
/* Milliseconds in which a call returns, on a slow machine and with much to be marked */
#define PATIENCE	30000
/* Seconds of a test in which that much may be marked several times */
#define TIMEOUT		240

FIXTURE(mark) {
	struct dirty d;
	__u8 *mem;
};

static void marks_set(const char *name, unsigned long long value)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%llu", value);
	ret = param_set("mediator_marks", name, text);
	if (ret)
		die("%s of mediator_marks: %s", name, strerror(-ret));
}

static void marks(__u64 iova, __u64 size, __u64 stride)
{
	marks_set("mark_size", 0);
	marks_set("mark_iova", iova);
	marks_set("mark_stride", stride);
	marks_set("mark_size", size);
}

/* The vendor has been asked at least once since. */
static void wait_scan(void)
{
	unsigned int scans = param_number("mediator_marks", "scans");
	double end = now() + PATIENCE;

	while (param_number("mediator_marks", "scans") - scans < 2)
		must(now() < end, "no scan comes");
}

static int map(struct vfio_client *c, void *addr, __u64 iova, __u64 size, __u32 flags)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = flags,
		.vaddr = (unsigned long)addr,
		.iova = iova,
		.size = size,
	};

	return vfio_client_ioctl(c->container_fd, VFIO_IOMMU_MAP_DMA, &arg);
}

static int unmap(struct vfio_client *c, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.flags = size ? 0 : VFIO_DMA_UNMAP_FLAG_ALL,
		.iova = iova,
		.size = size,
	};

	return vfio_client_ioctl(c->container_fd, VFIO_IOMMU_UNMAP_DMA, &arg);
}

/* As the module is when it has just been loaded */
static void mark_nothing(void)
{
	must(!param_set("mediator_marks", "start_error", "0"), "start_error");
	must(!param_set("mediator_marks", "scan_error", "0"), "scan_error");
	marks_set("resets", 0);
	marks_set("mark_each", 1);
	marks(0, 0, 0);
}

static void setup_mark(struct dirty *d, __u8 **mem, const char *bdf)
{
	int ret;

	module_load("mediator_marks", "mark_size=0");
	mark_nothing();
	*mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(*mem != MAP_FAILED, "no memory");
	ret = open_device(&d->dev, bdf, VFIO_CLIENT_GROUP);
	if (ret)
		die("open %s: %s", bdf, strerror(-ret));
}

static void teardown_mark(struct __test_metadata *_metadata, struct dirty *d)
{
	double start = now();

	mark_nothing();
	vfio_client_close(&d->dev);
	CHECK(now() - start < PATIENCE, "it takes %.0f ms to close", now() - start);
	end_checks(_metadata);
}

FIXTURE_SETUP(mark)
{
	setup_mark(&self->d, &self->mem, lab_vf(0));
}

FIXTURE_TEARDOWN(mark)
{
	teardown_mark(_metadata, &self->d);
}

static void start_container(struct dirty *d)
{
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "START");
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
}

static void end_container(struct dirty *d)
{
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), "STOP");
}

/**
 * struct churn - A thread that maps and unmaps memory all the time
 * @size: of the mapping; 0: all mappings go, not only its own
 */
struct churn {
	struct vfio_client *c;
	void *mem;
	__u64 iova;
	__u64 size;
	bool all;
	pthread_t thread;
	unsigned int rounds;
	unsigned int errors;
	double worst;
	bool *stop;
};

static void *churn(void *arg)
{
	struct churn *churn = arg;
	double start, took;

	while (!load(churn->stop)) {
		churn->errors += map(churn->c, churn->mem, churn->iova, churn->size,
				     VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) &&
				 !churn->all;
		usleep(churn->rounds % 16 * 1000);
		start = now();
		churn->errors += !!unmap(churn->c, churn->all ? 0 : churn->iova,
					 churn->all ? 0 : churn->size);
		took = now() - start;
		if (took > churn->worst)
			churn->worst = took;
		churn->rounds++;
	}

	return NULL;
}

/* Stopped, and its vendor marks nothing any more. */
static void stop_marked(struct dirty *d)
{
	must(!set_state(d, VFIO_DEVICE_STATE_STOP_COPY), "STOP_COPY");
	marks(0, 0, 0);
}

static unsigned int wrong(const __u64 *bitmap, __u64 first, __u64 end, unsigned int each)
{
	unsigned int n = 0, page;

	for (page = first; page < end; page++)
		n += is_set(bitmap, page - first) != !(page % each);

	return n;
}

/* In two mappings with a hole between, one page of three; then all at once */
TEST_F(mark, exact)
{
	const __u64 half = SIZE / 2, second = half + 0x100000;
	__u64 bitmap[SIZE_PAGES / 64];
	struct dirty *d = &self->d;

	must(!vfio_client_dma_map(&d->dev, self->mem, 0, half), "map");
	must(!vfio_client_dma_map(&d->dev, self->mem + half, second, half), "map");
	marks(0, second + half, 3 * PAGE_4K);
	start_container(d);
	stop_marked(d);
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, 0, half, bitmap), "report");
	CHECK_EQ(wrong(bitmap, 0, half / PAGE_4K, 3), 0, "pages of the first mapping");
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, second, half, bitmap), "report");
	CHECK_EQ(wrong(bitmap, second / PAGE_4K, (second + half) / PAGE_4K, 3), 0,
		 "pages of the second one");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");

	/* From the middle of a page to the first byte of another */
	marks(half - PAGE_4K - 1, second - half + PAGE_4K + 2, 0);
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
	stop_marked(d);
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, 0, half, bitmap), "report");
	CHECK(bits(bitmap, half / PAGE_4K / 64) == 2 && is_set(bitmap, half / PAGE_4K - 1) &&
	      is_set(bitmap, half / PAGE_4K - 2), "the end of the first mapping");
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, second, half, bitmap), "report");
	CHECK(bits(bitmap, half / PAGE_4K / 64) == 1 && is_set(bitmap, 0),
	      "the start of the second one");
	end_container(d);
}

/* What the device may write, but not read, and the other way around */
TEST_F(mark, write_only)
{
	const __u64 part = SIZE / 4, words = part / PAGE_4K / 64;
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct dirty *d = &self->d;

	/* The first one has the container ask for marks. */
	must(!vfio_client_dma_map(&d->dev, self->mem, 0, part), "map");
	must(!map(&d->dev, self->mem + part, part, part, VFIO_DMA_MAP_FLAG_WRITE), "map");
	must(!map(&d->dev, self->mem + 2 * part, 2 * part, part, VFIO_DMA_MAP_FLAG_READ),
	     "map");
	marks(2 * part - 16 * PAGE_4K, 32 * PAGE_4K, 0);
	start_container(d);
	stop_marked(d);
	must(!type1_get(d, 0, 3 * part, bitmap), "report");
	CHECK_EQ(bits(bitmap, words), 1, "pages of another mapping");
	CHECK_EQ(bits(bitmap + words, words), 16, "pages of one that can only be written");
	CHECK_EQ(bits(bitmap + 2 * words, words), 0, "pages of one that can only be read");
	end_container(d);
}

static void find_region(struct vfio_client *c, struct vfio_client_region *region)
{
	const struct vfio_region_info_cap_type *type;
	struct vfio_region_info *info;
	__u32 i;

	for (i = VFIO_PCI_NUM_REGIONS; !vfio_client_region_info(c, i, &info); i++) {
		type = find_cap(info, info->argsz, info->cap_offset,
				VFIO_REGION_INFO_CAP_TYPE);
		if (type && type->type == MARKS_TYPE && type->subtype == MARKS_SUBTYPE) {
			region->index = i;
			region->size = info->size;
			region->offset = info->offset;
			free(info);
			return;
		}
		free(info);
	}
	die("mediator_marks has no region");
}

static void put(struct dirty *d, const struct vfio_client_region *region, __u64 reg, __u64 value)
{
	vfio_client_region_write(&d->dev, region, &value, sizeof(value), reg);
}

/* Return: what the vendor got */
static int access_memory(struct dirty *d, const struct vfio_client_region *region, __u64 reg,
			 __u64 iova)
{
	int result = 1;

	put(d, region, reg, iova);
	vfio_client_region_read(&d->dev, region, &result, sizeof(result), READ_MEMORY);

	return result;
}

static __u64 memory_read(struct dirty *d, const struct vfio_client_region *region)
{
	__u64 value = 0;

	vfio_client_region_read(&d->dev, region, &value, sizeof(value), MEMORY);

	return value;
}

/* The vendor reads and writes what the device could. @mem is at IOVA 0, @limit has no memory. */
static void check_memory(struct __test_metadata *_metadata, struct dirty *d,
			 const struct vfio_client_region *region, __u8 *mem, __u64 limit,
			 const char *when)
{
	__u64 at = PAGE_4K - 4, word = 0x1122334455667788ull;

	memcpy(mem + at, &word, sizeof(word));
	CHECK_EQ(access_memory(d, region, READ_MEMORY, at), 0, "%s: memory is read", when);
	CHECK_HEX(memory_read(d, region), word, "%s: that is what is in two pages", when);
	put(d, region, MEMORY, ~word);
	CHECK_EQ(access_memory(d, region, WRITE_MEMORY, at + 8), 0, "%s: memory is written", when);
	memcpy(&word, mem + at + 8, sizeof(word));
	CHECK_HEX(word, ~0x1122334455667788ull, "%s: user space finds it", when);
	CHECK(access_memory(d, region, READ_MEMORY, limit) < 0, "%s: no memory is read", when);
	CHECK(access_memory(d, region, WRITE_MEMORY, limit) < 0, "%s: no memory is written", when);
}

/* Memory is accessed, and marked, outside of tracking. */
TEST_F(mark, elsewhere)
{
	__u64 bitmap[SIZE_PAGES / 64] = {}, page = 77 * PAGE_4K, constant = SIZE - PAGE_4K;
	struct vfio_client_region region = {};
	struct dirty *d = &self->d;

	find_region(&d->dev, &region);
	must(!map(&d->dev, self->mem, 0, constant, VFIO_DMA_MAP_FLAG_READ |
		  VFIO_DMA_MAP_FLAG_WRITE), "map");
	must(!map(&d->dev, self->mem + constant, constant, PAGE_4K, VFIO_DMA_MAP_FLAG_READ),
	     "map for reads");
	check_memory(_metadata, d, &region, self->mem, SIZE, "not tracked");
	CHECK_EQ(access_memory(d, &region, READ_MEMORY, constant), 0, "read-only memory is read");
	CHECK_EQ(access_memory(d, &region, WRITE_MEMORY, constant), -EPERM,
		 "read-only memory is not written");
	CHECK(access_memory(d, &region, WRITE_MEMORY, constant - 4) < 0,
	      "nor from the page before on");
	put(d, &region, MARK_PAGE, page);

	start_container(d);
	wait_scan();
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), 0, "nothing is dirty");
	put(d, &region, MARK_PAGE, page);
	check_memory(_metadata, d, &region, self->mem, SIZE, "tracked");
	wait_scan();
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	CHECK(bits(bitmap, SIZE_PAGES / 64) == 1 && is_set(bitmap, 1),
	      "what was written is dirty, and nothing is marked outside of tracking");

	put(d, &region, STOP_WRITES, 9 * PAGE_4K - 1);
	must(!set_state(d, VFIO_DEVICE_STATE_STOP_COPY), "STOP_COPY");
	memset(bitmap, 0, sizeof(bitmap));
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	CHECK(bits(bitmap, SIZE_PAGES / 64) == 2 && is_set(bitmap, 8) && is_set(bitmap, 9),
	      "so is what was written when the device was stopped");
	end_container(d);
}

/* A call that may not return: in another process */
static int in_time(struct dirty *d, __u32 state, double patience, double *took)
{
	double start = now();
	int status = 0;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(-set_state(d, state));
	while (!waitpid(pid, &status, WNOHANG) && now() - start < patience)
		usleep(1000);
	*took = now() - start;
	if (*took >= patience) {
		kill(pid, SIGKILL);
		sleep(2);
		if (!waitpid(pid, &status, WNOHANG))
			die("a call that marks does not return, nor can it be killed");
	}

	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* Much more than there is memory */
TEST_F_TIMEOUT(mark, large, TIMEOUT)
{
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct dirty *d = &self->d;
	double took;

	must(!vfio_client_dma_map(&d->dev, self->mem, 4 * SIZE, SIZE), "map");
	marks(0, 8 * SIZE, 0);
	start_container(d);
	CHECK_EQ(in_time(d, VFIO_DEVICE_STATE_STOP_COPY, PATIENCE, &took), 0,
		 "256 MiB are marked");
	ksft_print_msg("STOP_COPY takes %.0f ms\n", took);
	must(!type1_get(d, 4 * SIZE, SIZE, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), SIZE_PAGES, "pages that are reported");
	end_container(d);
}

/*
 * As many buffers, of as many pages, as a guest can have the 82576 write to before it is
 * stopped: with the size of its ring, and its buffers, as large as they can be.
 */
TEST_F_TIMEOUT(mark, flood, TIMEOUT)
{
	const unsigned int buffers = 4095, pages = 32, mappings = 17;
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct dirty *d = &self->d;
	unsigned int i;
	double took;

	for (i = 0; i < mappings; i++)
		must(!vfio_client_dma_map(&d->dev, self->mem, i * SIZE, SIZE), "map");
	marks_set("mark_each", pages * PAGE_4K);
	marks(0, (__u64)buffers * (pages + 1) * PAGE_4K, (pages + 1) * PAGE_4K);
	start_container(d);
	CHECK_EQ(in_time(d, VFIO_DEVICE_STATE_STOP_COPY, 3 * PATIENCE, &took), 0, "STOP_COPY");
	ksft_print_msg("STOP_COPY takes %.0f ms\n", took);
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	CHECK_EQ(SIZE_PAGES - bits(bitmap, SIZE_PAGES / 64), SIZE_PAGES / (pages + 1),
		 "pages that are not marked");
	marks_set("mark_each", 1);
	end_container(d);
}

/* Stopped in the middle */
TEST_F_TIMEOUT(mark, killed, TIMEOUT)
{
	struct dirty *d = &self->d;
	double start;
	pid_t pid;

	must(!vfio_client_dma_map(&d->dev, self->mem, 0, SIZE), "map");
	marks(0, 1ull << 40, 0);
	start_container(d);
	pid = fork();
	if (!pid)
		_exit(-set_state(d, VFIO_DEVICE_STATE_STOP_COPY));
	usleep(500000);
	start = now();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(now() - start < 2000, "killed after %.0f ms", now() - start);
	marks(0, 0, 0);
	end_container(d);

	/* Who only stops it is not told, but nobody may take it for looked at. */
	marks(0, 1ull << 40, 0);
	start_container(d);
	end_container(d);
	pid = fork();
	if (!pid)
		_exit(-set_state(d, VFIO_DEVICE_STATE_STOP));
	usleep(500000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	marks(0, 0, 0);
	CHECK_EQ(get_state(d), VFIO_DEVICE_STATE_STOP, "it is stopped");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EINTR, "and cannot be saved");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
}

/* All memory: a container cannot be told that, and the migration fails. */
TEST_F_TIMEOUT(mark, everything, TIMEOUT)
{
	struct dirty *d = &self->d;
	double took;

	must(!vfio_client_dma_map(&d->dev, self->mem, 0, SIZE), "map");
	marks(0, EVERYTHING, 0);
	start_container(d);
	CHECK_EQ(in_time(d, VFIO_DEVICE_STATE_STOP_COPY, PATIENCE, &took), -E2BIG,
		 "everything is marked");
	ksft_print_msg("STOP_COPY takes %.0f ms\n", took);
	CHECK_EQ(get_state(d), VFIO_DEVICE_STATE_PRE_COPY, "it goes on where it was");
	marks(0, 0, 0);
	end_container(d);
}

/* A log can be told. */
TEST_F(mark, everything_logged)
{
	struct vfio_device_feature_dma_logging_range range = { 0, SIZE };
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct vfio_client_region region = {};
	struct dirty *d = &self->d;

	if (vfio_client_feature_probe(&d->dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				      VFIO_DEVICE_FEATURE_SET))
		SKIP(return, "no logging on this kernel");
	must(!vfio_client_dma_map(&d->dev, self->mem, 0, SIZE), "map");
	must(!log_start_ranges(d, PAGE_4K, &range, 1), "start");
	must(!log_get(d, 0, SIZE, PAGE_4K, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), 0, "nothing was marked");
	find_region(&d->dev, &region);
	check_memory(_metadata, d, &region, self->mem, SIZE, "logged");
	must(!log_get(d, 0, SIZE, PAGE_4K, bitmap), "report");
	CHECK(bits(bitmap, SIZE_PAGES / 64) == 1 && is_set(bitmap, 1),
	      "what was written is logged");
	marks(0, EVERYTHING, 0);
	must(!log_get(d, 0, SIZE, PAGE_4K, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), SIZE_PAGES, "everything was");
	CHECK_EQ(log_end(d), 0, "stop");
}

/* A device that logs by itself, opened in each way */
FIXTURE(device_log) {
	struct dirty d;
	__u8 *mem;
};

FIXTURE_VARIANT(device_log) {
	enum vfio_client_mode mode;
};

FIXTURE_VARIANT_ADD(device_log, group) { .mode = VFIO_CLIENT_GROUP };
FIXTURE_VARIANT_ADD(device_log, cdev) { .mode = VFIO_CLIENT_CDEV };

FIXTURE_SETUP(device_log)
{
	module_load("mediator_marks", "mark_size=0");
	mark_nothing();
	must(!param_set("mediator_marks", "log", "1"), "log");
	self->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(self->mem != MAP_FAILED, "no memory");
	ASSERT_EQ(0, open_device(&self->d.dev, lab_vf(0), variant->mode));
	must(!vfio_client_dma_map(&self->d.dev, self->mem, 0, SIZE), "map");
}

FIXTURE_TEARDOWN(device_log)
{
	must(!param_set("mediator_marks", "log", "0"), "log");
	teardown_mark(_metadata, &self->d);
}

static unsigned int log_bits(struct dirty *d, __u64 iova, __u64 size)
{
	__u64 bitmap[SIZE_PAGES / 64] = {};

	must(!log_get(d, iova, size, PAGE_4K, bitmap), "report");

	return bits(bitmap, SIZE_PAGES / 64);
}

/* The device is told the ranges, asked when it is reported, and nothing is done otherwise. */
TEST_F(device_log, log)
{
	struct vfio_device_feature_dma_logging_range ranges[] = {
		{ 0, SIZE / 4 }, { SIZE / 2, SIZE / 4 },
	};
	struct dirty *d = &self->d;
	unsigned int scans, stops = param_number("mediator_marks", "stops");
	struct vfio_client_region region = {};
	__u64 word = 0;

	if (vfio_client_feature_probe(&d->dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				      VFIO_DEVICE_FEATURE_SET))
		SKIP(return, "no logging on this kernel");

	must(!param_set("mediator_marks", "start_error", "-28"), "start_error");
	CHECK_EQ(log_start_ranges(d, PAGE_4K, ranges, 2), -ENOSPC, "the device cannot log");
	must(!param_set("mediator_marks", "start_error", "0"), "start_error");
	CHECK_EQ(log_start_ranges(d, PAGE_4K, ranges, 2), 0, "it can");
	CHECK_EQ(param_number("mediator_marks", "log_size"), SIZE / 2, "it knows the ranges");
	CHECK_EQ(log_start_ranges(d, PAGE_4K, ranges, 2), -EINVAL, "started twice");
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
	scans = param_number("mediator_marks", "scans");
	usleep(100000);
	CHECK_EQ(param_number("mediator_marks", "scans"), scans, "nothing is asked for");

	CHECK_EQ(log_bits(d, 0, SIZE / 4), 0, "nothing was written");
	CHECK_EQ(param_number("mediator_marks", "scans"), scans + 1, "it was asked");
	marks(0, SIZE, 16 * PAGE_4K);
	CHECK_EQ(log_bits(d, 0, SIZE / 4), SIZE_PAGES / 64, "one page of 16 of a range");
	marks(0, 0, 0);
	CHECK_EQ(log_bits(d, 0, SIZE / 4), 0, "which is reported once");
	must(!set_state(d, VFIO_DEVICE_STATE_STOP_COPY), "STOP_COPY");
	CHECK_EQ(log_bits(d, SIZE / 2, SIZE / 4), SIZE_PAGES / 64, "those of the other range");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");

	must(!param_set("mediator_marks", "scan_error", "-5"), "scan_error");
	CHECK_EQ(log_bits(d, 0, PAGE_4K * 64), 64, "an error: all is reported");
	must(!param_set("mediator_marks", "scan_error", "0"), "scan_error");
	CHECK_EQ(log_bits(d, SIZE / 2, SIZE / 4), SIZE_PAGES / 4, "of each range");
	log_bits(d, 0, SIZE / 4);

	marks(0, 0, 0);
	log_bits(d, 0, SIZE / 4);
	find_region(&d->dev, &region);
	check_memory(_metadata, d, &region, self->mem, SIZE, "the device logs");
	CHECK_EQ(log_bits(d, 0, SIZE / 4), 1, "what the vendor has written is logged");

	scans = param_number("mediator_marks", "log_starts");
	device_reset(d);
	CHECK_EQ(log_bits(d, 0, SIZE / 4), SIZE_PAGES / 4, "a reset: all is reported");
	CHECK_EQ(param_number("mediator_marks", "log_starts"), scans + 1, "it logs again");
	CHECK_EQ(log_bits(d, 0, SIZE / 4), 0, "and reports what is written");

	CHECK_EQ(log_end(d), 0, "stop");
	CHECK_EQ(param_number("mediator_marks", "stops"), stops + 1, "it was told");
	CHECK_EQ(log_get(d, 0, PAGE_4K, PAGE_4K, &word), -EINVAL, "no report");
	CHECK(sysfs_is(lab_vf(0), "tracked", "no"), "sysfs: not tracked");

	CHECK_EQ(log_start_ranges(d, PAGE_4K, ranges, 2), 0, "again");
	CHECK(sysfs_is(lab_vf(0), "tracked", "hardware"), "sysfs: tracked by hardware");
	must(!param_set("mediator_marks", "registered", "0"), "unregister");
	CHECK(sysfs_is(lab_vf(0), "tracked", "no"), "sysfs: the vendor is gone");
	CHECK_EQ(log_bits(d, 0, SIZE / 4), SIZE_PAGES / 4, "all is reported without it");
	must(!param_set("mediator_marks", "registered", "1"), "register");
}

/* Reset by its driver just when it is stopped: once is nothing special, always is too much. */
TEST_F_TIMEOUT(mark, reset, TIMEOUT)
{
	struct dirty *d = &self->d;

	must(!vfio_client_dma_map(&d->dev, self->mem, 0, SIZE), "map");
	start_container(d);
	marks_set("resets", 100);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EAGAIN,
		 "reset whenever it is stopped");
	marks_set("resets", 1);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "reset once");
	marks_set("resets", 0);
	end_container(d);

	/* The same of a device that is only stopped, and saved afterwards */
	marks(0, SIZE, 0);
	marks_set("resets", 1);
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "reset once, stopped only");
	marks_set("resets", 100);
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), -EAGAIN, "always, stopped only");
	marks_set("resets", 0);
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
}

/* Nothing was marked before the vendor fails: all memory counts as written. */
TEST_F(mark, scan_fails)
{
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct dirty *d = &self->d;
	double end = now() + PATIENCE;
	unsigned int scans;

	/* Not the page that is marked at the start */
	must(!vfio_client_dma_map(&d->dev, self->mem, 4 * SIZE, SIZE), "map");
	must(!param_set("mediator_marks", "scan_error", "-42"), "scan_error");
	scans = param_number("mediator_marks", "scans");
	start_container(d);
	/* There is no second one. */
	while (param_number("mediator_marks", "scans") == scans)
		must(now() < end, "no scan comes");
	CHECK_EQ(read_state(), -ENOMSG, "PRE_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "STOP_COPY");
	must(!type1_get(d, 4 * SIZE, SIZE, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), SIZE_PAGES, "all is reported");
	end_container(d);
}

/* More marks than are kept, of a start that then fails: some were reported. */
TEST_F_TIMEOUT(mark, start_fails, TIMEOUT)
{
	const unsigned int mappings = 17;
	struct dirty *d = &self->d;
	unsigned int i, scans, stops;
	double end = now() + PATIENCE;

	for (i = 0; i < mappings; i++)
		must(!vfio_client_dma_map(&d->dev, self->mem, i * SIZE, SIZE), "map");
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "START");
	marks(0, mappings * SIZE, 2 * PAGE_4K);
	must(!param_set("mediator_marks", "start_error", "-71"), "start_error");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -EPROTO, "PRE_COPY");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "STOP");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EPROTO,
		 "what it wrote meanwhile was not reported: STOP_COPY");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	mark_nothing();
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY once it can be tracked");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), 0, "STOP_COPY");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");

	/* The vendor starts, but what it marks cannot be reported. */
	scans = param_number("mediator_marks", "scans");
	must(!param_set("mediator_marks", "scan_error", "-71"), "scan_error");
	while (param_number("mediator_marks", "scans") == scans)
		must(now() < end, "no scan comes");
	usleep(100000);
	marks(0, ~0ull, 0);
	must(!param_set("mediator_marks", "start_error", "1"), "start_error");
	stops = param_number("mediator_marks", "stops");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -E2BIG, "PRE_COPY with marks");
	/* Once because tracking had failed, once because it failed again */
	CHECK_EQ(param_number("mediator_marks", "stops") - stops, 2, "the vendor is stopped");

	/* Of all errors, this one says that the device is lost, but not when a vendor says it. */
	must(!param_set("mediator_marks", "start_error", "-131"), "start_error");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -EIO, "PRE_COPY with ENOTRECOVERABLE");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP), 0, "the device is not lost");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	mark_nothing();
	end_container(d);
}

/* A container tells IOMMU groups apart, not devices. */
FIXTURE(group) {
	struct dirty d;
	__u8 *mem;
};

FIXTURE_SETUP(group)
{
	const char *bdf = getenv("SHARES_GROUP");

	if (!bdf)
		SKIP(return, "no device in $SHARES_GROUP");
	setup_mark(&self->d, &self->mem, bdf);
}

FIXTURE_TEARDOWN(group)
{
	teardown_mark(_metadata, &self->d);
}

TEST_F(group, shared)
{
	__u64 bitmap[SIZE_PAGES / 64] = {};
	struct dirty *d = &self->d;

	must(!vfio_client_dma_map(&d->dev, self->mem, 0, SIZE), "map");
	marks(0, PAGE_4K, 0);
	start_container(d);
	usleep(100000);
	must(!set_state(d, VFIO_DEVICE_STATE_STOP_COPY), "STOP_COPY");
	must(!type1_get(d, 0, SIZE, bitmap), "report");
	CHECK_EQ(bits(bitmap, SIZE_PAGES / 64), SIZE_PAGES,
		 "what the others of its group write is not known: all is reported");
	end_container(d);
}

/*
 * Mappings come and go. That is remembered for the container, or until the VF is bound anew: the
 * next container may be at the same address.
 */
FIXTURE(churn) {
	struct dirty d;
	__u8 *mem;
};

FIXTURE_SETUP(churn)
{
	setup_mark(&self->d, &self->mem, lab_vf(0));
}

FIXTURE_TEARDOWN(churn)
{
	teardown_mark(_metadata, &self->d);
}

/* Into the container of another */
static void join(struct vfio_client *c, struct vfio_client *other, const char *bdf)
{
	int ret = vfio_client_init(c, bdf, VFIO_CLIENT_GROUP);

	if (!ret) {
		c->group_fd = open(c->group_path, O_RDWR | O_CLOEXEC);
		ret = vfio_client_ioctl(c->group_fd, VFIO_GROUP_SET_CONTAINER,
					&other->container_fd);
	}
	if (ret)
		die("put %s into a container: %s", bdf, strerror(-ret));
}

/* Opened and closed while others unmap: type1's lock, and that of its list of devices */
TEST_F_TIMEOUT(churn, opened, TIMEOUT)
{
	/* So that pages of both are pinned together */
	const __u64 first = SIZE / 2 + 0x80000;
	static struct dirty other;
	struct dirty *d = &self->d;
	double end = now() + SECONDS * 1e3, start, worst = 0;
	unsigned int opened = 0;
	bool stop = false;
	int ret;
	struct churn both[] = {
		{ .c = &d->dev, .mem = self->mem, .size = first, .stop = &stop },
		{ .c = &d->dev, .mem = self->mem + first, .iova = first,
		  .size = SIZE - first, .stop = &stop },
	};

	join(&other.dev, &d->dev, lab_vf(1));
	marks(0, SIZE, 0);
	start_container(d);
	ASSERT_EQ(0, pthread_create(&both[0].thread, NULL, churn, &both[0]));
	ASSERT_EQ(0, pthread_create(&both[1].thread, NULL, churn, &both[1]));
	while (now() < end) {
		start = now();
		must(!vfio_client_get_device(&other.dev), "open the other");
		ret = set_state(&other, VFIO_DEVICE_STATE_PRE_COPY);
		must(!ret || ret == -EBUSY, "PRE_COPY");
		usleep(opened % 8 * 5000);
		must(!set_state(&other, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
		close(other.dev.device_fd);
		other.dev.device_fd = -1;
		opened++;
		if (now() - start > worst)
			worst = now() - start;
	}
	store(&stop, true);
	pthread_join(both[0].thread, NULL);
	pthread_join(both[1].thread, NULL);
	ksft_print_msg("%u and %u times unmapped, at most %.0f and %.0f ms\n", both[0].rounds,
		       both[1].rounds, both[0].worst, both[1].worst);
	ksft_print_msg("%u times opened, at most %.0f ms\n", opened, worst);
	CHECK(both[0].rounds >= 5 && both[1].rounds >= 5 && opened >= 3, "all has gone on");
	CHECK_EQ(both[0].errors + both[1].errors, 0, "errors");
	CHECK(both[0].worst < PATIENCE && both[1].worst < PATIENCE && worst < PATIENCE,
	      "none of that takes long");
	end_container(d);
	vfio_client_close(&other.dev);
}

/*
 * Memory is unmapped while its pages are pinned, and type1 looks ten times. However late a task
 * may be each time, it is not to find a page pinned as often as that.
 */
TEST_F_TIMEOUT(churn, given_up, TIMEOUT)
{
	struct dirty *d = &self->d;
	bool stop = false;
	struct churn one = {
		.c = &d->dev, .mem = self->mem, .size = SIZE / 8, .all = true, .stop = &stop,
	};
	double end = now() + 3 * PATIENCE;
	unsigned int rounds;
	int ret;

	marks(0, SIZE / 8, 0);
	start_container(d);
	ASSERT_EQ(0, pthread_create(&one.thread, NULL, churn, &one));
	while ((ret = read_state()) == -ENOMSG && now() < end)
		usleep(10000);
	CHECK_EQ(ret, -EBUSY, "it is not tracked any more");
	rounds = load(&one.rounds);
	end = now() + PATIENCE;
	while (load(&one.rounds) < rounds + 5 && now() < end)
		usleep(10000);
	store(&stop, true);
	pthread_join(one.thread, NULL);
	ksft_print_msg("%u times unmapped until then, then %u times\n", rounds,
		       one.rounds - rounds);
	CHECK(rounds > 5 && one.worst < PATIENCE, "none of them takes long: %.0f ms", one.worst);
	CHECK(one.rounds >= rounds + 5 && !one.errors, "then nothing is in the way");

	must(!map(&d->dev, self->mem, 0, SIZE,
		  VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), "map");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_PRE_COPY), -EBUSY, "nor for now");
	must(!set_state(d, VFIO_DEVICE_STATE_STOP), "STOP");
	CHECK_EQ(set_state(d, VFIO_DEVICE_STATE_STOP_COPY), -EBUSY, "and cannot be saved");
	must(!set_state(d, VFIO_DEVICE_STATE_RUNNING), "RUNNING");
	must(!container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), "STOP");
}

TEST_HARNESS_MAIN
