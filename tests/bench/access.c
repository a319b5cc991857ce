// SPDX-License-Identifier: GPL-2.0-only
/*
 * access: how long operations on a vfio device take, by the time-stamp counter.
 *
 * For a machine whose counter counts instructions (QEMU's -icount shift=0): there
 * all samples of an operation are the same but for those that were interrupted.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include <linux/vfio_mediate.h>

#include "vfio_client.h"

#define MAX_SAMPLES 1000
#define PAGE_SIZE 4096

/**
 * struct target - what an operation works on
 * @client: the open device
 * @region: the region named on the command line
 * @offset: the register, from the start of @region
 * @reg: the register, in a mapping of the page it is in
 * @pages: mappings of those pages of @region that can be trapped
 * @num_pages: number of @pages
 */
struct target {
	struct vfio_client client;
	struct vfio_client_region region;
	__u64 offset;
	__u32 *reg;
	__u32 *pages[16];
	unsigned int num_pages;
};

/**
 * struct operation - something to be timed
 * @name: as given on the command line
 * @samples: how many times it is done
 * @prepare: optional, called once, before the samples
 * @before: optional, called before each sample
 * @run: does it once
 * @finish: optional, undoes @prepare
 *
 * The callbacks return 0 or a negative errno.
 */
struct operation {
	const char *name;
	unsigned int samples;
	int (*prepare)(struct target *target);
	void (*before)(struct target *target);
	int (*run)(struct target *target);
	void (*finish)(struct target *target);
};

static void print_help(FILE *file)
{
	fputs("usage: access BDF OPERATION[/REGION/OFFSET]...\n"
	      "\n"
	      "Do each OPERATION many times on the PCI device BDF, opened through\n"
	      "its group, and print for each a line\n"
	      "\n"
	      "  OPERATION MEDIAN LEAST MOST SAMPLES SAMPLES_AT_MEDIAN IDLE\n"
	      "\n"
	      "with the ticks of the time-stamp counter it took, and those that\n"
	      "the CPU was idle meanwhile, on average. Operations are:\n"
	      "\n"
	      "  read, write    4 bytes at OFFSET of REGION through the file\n"
	      "  load, store    the same through a mapping\n"
	      "  info           VFIO_DEVICE_GET_REGION_INFO of REGION\n"
	      "  open           opening and closing the device\n"
	      "  trap           switching dynamic traps on and off\n"
	      "  trap-mapped    the same, with the pages of REGION that can be\n"
	      "                 trapped mapped, and accessed since the last time\n",
	      file);
}

static int run_nothing(struct target *target)
{
	(void)target;
	return 0;
}

/* What an access to a register of 4 bytes returned, as 0 or a negative errno. */
static int result(ssize_t ret)
{
	if (ret == sizeof(__u32))
		return 0;

	return ret < 0 ? ret : -EIO;
}

static int run_read(struct target *target)
{
	__u32 value;

	return result(vfio_client_region_read(&target->client, &target->region,
					      &value, sizeof(value),
					      target->offset));
}

static int run_write(struct target *target)
{
	const __u32 value = 0;

	return result(vfio_client_region_write(&target->client,
					       &target->region, &value,
					       sizeof(value), target->offset));
}

static int map_page(struct target *target)
{
	__u64 in_page = target->offset % PAGE_SIZE;
	void *map;
	int ret;

	ret = vfio_client_region_mmap(&target->client, &target->region,
				      PAGE_SIZE, target->offset - in_page,
				      &map);
	if (!ret)
		target->reg = (void *)((char *)map + in_page);

	return ret;
}

static void unmap_page(struct target *target)
{
	munmap((void *)((unsigned long)target->reg & -PAGE_SIZE), PAGE_SIZE);
}

static int run_load(struct target *target)
{
	(void)__atomic_load_n(target->reg, __ATOMIC_RELAXED);
	return 0;
}

static int run_store(struct target *target)
{
	__atomic_store_n(target->reg, 0, __ATOMIC_RELAXED);
	return 0;
}

static int run_info(struct target *target)
{
	struct {
		struct vfio_region_info info;
		char capabilities[256];
	} buf = { .info = {
		.argsz = sizeof(buf),
		.index = target->region.index,
	} };

	return vfio_client_ioctl(target->client.device_fd,
				 VFIO_DEVICE_GET_REGION_INFO, &buf);
}

static int close_device(struct target *target)
{
	close(target->client.device_fd);
	target->client.device_fd = -1;
	return 0;
}

static int run_open(struct target *target)
{
	int ret = vfio_client_get_device(&target->client);

	return ret ?: close_device(target);
}

static void open_device(struct target *target)
{
	if (vfio_client_get_device(&target->client))
		fputs("access: cannot open the device again\n", stderr);
}

static const void *find_cap(const struct vfio_region_info *info, __u16 id)
{
	const struct vfio_info_cap_header *cap;
	__u32 offset = info->cap_offset;

	while ((cap = vfio_client_next_cap(info, info->argsz, &offset)))
		if (cap->id == id)
			return cap;

	return NULL;
}

static void unmap_trapped(struct target *target)
{
	while (target->num_pages)
		munmap(target->pages[--target->num_pages], PAGE_SIZE);
}

static int map_area(struct target *target,
		    const struct vfio_mediate_trap_area *area)
{
	__u64 offset;
	void *map;
	int ret;

	for (offset = 0; offset < area->size; offset += PAGE_SIZE) {
		if (target->num_pages ==
		    sizeof(target->pages) / sizeof(*target->pages))
			return -E2BIG;

		ret = vfio_client_region_mmap(&target->client, &target->region,
					      PAGE_SIZE, area->offset + offset,
					      &map);
		if (ret)
			return ret;
		target->pages[target->num_pages++] = map;
	}

	return 0;
}

static int map_trapped(struct target *target)
{
	const struct vfio_mediate_region_info_cap_trap *cap;
	struct vfio_region_info *info;
	__u32 i;
	int ret;

	ret = vfio_client_region_info(&target->client, target->region.index, &info);
	if (ret)
		return ret;

	cap = find_cap(info, VFIO_MEDIATE_REGION_INFO_CAP_TRAP);
	for (i = 0; cap && i < cap->nr_areas && !ret; i++)
		ret = map_area(target, &cap->areas[i]);
	free(info);
	if (!ret && !target->num_pages)
		ret = -ENOENT;
	if (ret)
		unmap_trapped(target);

	return ret;
}

static void touch_trapped(struct target *target)
{
	unsigned int i;

	for (i = 0; i < target->num_pages; i++)
		(void)__atomic_load_n(target->pages[i], __ATOMIC_RELAXED);
}

static int set_trap(struct target *target, __u32 flags)
{
	struct vfio_device_feature_trap trap = { .flags = flags };

	return vfio_client_feature(&target->client, VFIO_MEDIATE_FEATURE_TRAP |
				   VFIO_DEVICE_FEATURE_SET, &trap, sizeof(trap));
}

static int run_trap(struct target *target)
{
	int ret = set_trap(target, VFIO_DEVICE_TRAP_HOLD);

	return ret ?: set_trap(target, VFIO_DEVICE_TRAP_RELEASE);
}

/* The first is what the timing itself takes. */
static const struct operation operations[] = {
	{
		.name = "nothing",
		.samples = MAX_SAMPLES,
		.run = run_nothing,
	}, {
		.name = "read",
		.samples = MAX_SAMPLES,
		.run = run_read,
	}, {
		.name = "write",
		.samples = MAX_SAMPLES,
		.run = run_write,
	}, {
		.name = "load",
		.samples = MAX_SAMPLES,
		.prepare = map_page,
		.run = run_load,
		.finish = unmap_page,
	}, {
		.name = "store",
		.samples = MAX_SAMPLES,
		.prepare = map_page,
		.run = run_store,
		.finish = unmap_page,
	}, {
		.name = "info",
		.samples = MAX_SAMPLES,
		.run = run_info,
	}, {
		.name = "open",
		.samples = 100,
		.prepare = close_device,
		.run = run_open,
		.finish = open_device,
	}, {
		.name = "trap",
		.samples = 100,
		.run = run_trap,
	}, {
		.name = "trap-mapped",
		.samples = 100,
		.prepare = map_trapped,
		.before = touch_trapped,
		.run = run_trap,
		.finish = unmap_trapped,
	},
};

/*
 * For how long tasks have run on the only CPU, in ticks of 1 ns; 0 where the kernel
 * does not say. Of the task that runs now, what was before it last slept.
 */
static __u64 busy_ticks(void)
{
	unsigned long long busy = 0;
	char line[256];
	FILE *file;

	file = fopen("/proc/schedstat", "r");
	if (!file)
		return 0;

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu0 %*u %*u %*u %*u %*u %*u %llu", &busy) == 1)
			break;
	fclose(file);

	return busy;
}

static int compare(const void *a, const void *b)
{
	const __u64 *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Leaves the samples sorted in ticks. */
static int sample(const struct operation *op, struct target *target,
		  __u64 *ticks)
{
	__u64 start;
	unsigned int i;
	int ret = 0;

	if (op->prepare)
		ret = op->prepare(target);
	if (ret)
		return ret;

	/* Once for what is done the first time only. */
	ret = op->run(target);
	for (i = 0; i < op->samples && !ret; i++) {
		if (op->before)
			op->before(target);
		start = __rdtsc();
		ret = op->run(target);
		ticks[i] = __rdtsc() - start;
	}
	if (op->finish)
		op->finish(target);
	if (!ret)
		qsort(ticks, op->samples, sizeof(*ticks), compare);

	return ret;
}

static int measure(const struct operation *op, struct target *target,
		   const char *what)
{
	static __u64 overhead;
	__u64 ticks[MAX_SAMPLES], median, start, total, busy;
	unsigned int i, at_median = 0;
	int ret;

	usleep(1);
	start = __rdtsc();
	busy = busy_ticks();
	ret = sample(op, target, ticks);
	if (ret)
		return ret;
	total = __rdtsc() - start;
	usleep(1);
	busy = busy_ticks() - busy;

	median = ticks[op->samples / 2];
	for (i = 0; i < op->samples; i++)
		at_median += ticks[i] == median;
	if (op == operations)
		overhead = median;
	else
		printf("%s %llu %llu %llu %u %u %llu\n", what,
		       median - overhead, ticks[0] - overhead,
		       ticks[op->samples - 1] - overhead, op->samples,
		       at_median,
		       busy && busy < total ? (total - busy) / op->samples : 0);

	return 0;
}

/* OPERATION[/REGION/OFFSET] */
static int measure_named(struct target *target, const char *what)
{
	unsigned long long offset = 0;
	unsigned int i, region = 0;
	char name[16];
	int ret;

	if (sscanf(what, "%15[^/]/%u/%llx", name, &region, &offset) < 1)
		return -EINVAL;

	ret = vfio_client_get_region(&target->client, region, &target->region);
	if (ret)
		return ret;
	target->offset = offset;

	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, name))
			return measure(&operations[i], target, what);

	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct target target = {};
	int i, ret;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (argc < 3) {
		print_help(stderr);
		return 2;
	}

	ret = vfio_client_open(&target.client, argv[1], VFIO_CLIENT_GROUP);
	if (ret) {
		fprintf(stderr, "access: open: %s\n", strerror(-ret));
		return 1;
	}

	ret = measure(&operations[0], &target, NULL);
	for (i = 2; i < argc && !ret; i++) {
		ret = measure_named(&target, argv[i]);
		if (ret)
			fprintf(stderr, "access: %s: %s\n", argv[i],
				strerror(-ret));
	}
	vfio_client_close(&target.client);

	return ret ? 1 : 0;
}
