// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty_cost: what it takes to know what a VF writes, in instructions of the host.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "dirty.h"
#include "instructions.h"

#define MODULE		"vfio_pci_mediate"
#define RX_TAIL		0x818	/* in the mapped pages, of the first queue */
#define TX_TAIL		0x1818
#define SAMPLES		1000
#define SETTLE_US	20000
#define IDLE_US		200000
#define PACKETS		4000
#define RECEIVES	5	/* times so many */
#define FRAME_SIZE	60u
#define WAIT_US		200	/* between two looks for packets */
#define LOST_MS		400
#define DOORBELLS_US	100000
#define LATENCIES	100

static const struct config config = {
	"256 of 2 KiB", .count = 256, .kib = 2, .queues = 1
};

/* A second: doorbells; packets, of which 0 is as many as the CPU can */
static const unsigned int doorbell_rates[] = { 1000, 10000, 50000 };
static const unsigned int packet_rates[] = { 0, 20000 };

static void do_nothing(__u32 *reg, __u32 value)
{
	(void)reg;
	(void)value;
}

static void do_load(__u32 *reg, __u32 value)
{
	(void)value;
	(void)__atomic_load_n(reg, __ATOMIC_RELAXED);
}

static void do_store(__u32 *reg, __u32 value)
{
	__atomic_store_n(reg, value, __ATOMIC_RELAXED);
}

typedef void (*access_fn)(__u32 *reg, __u32 value);

__attribute__((__noipa__))
static __u64 time_access(access_fn access, __u32 *reg, __u32 value)
{
	__u64 ticks[SAMPLES], start;
	unsigned int i;

	for (i = 0; i < SAMPLES; i++) {
		start = __rdtsc();
		access(reg, value);
		ticks[i] = __rdtsc() - start;
	}

	return median(ticks, SAMPLES);
}

/* The first access after the trap was switched faults, and is counted by itself. */
static void measure_access(struct dirty *d, const char *phase, unsigned int offset,
			   const char *name)
{
	__u32 *reg = (__u32 *)(d->regs + offset), value;
	__u64 first = __rdtsc(), nothing;

	value = load(reg);
	first = __rdtsc() - first;
	nothing = time_access(do_nothing, reg, 0);
	printf("access %s register=%s load=%llu store=%llu first=%llu\n", phase, name,
	       (unsigned long long)(time_access(do_load, reg, 0) - nothing),
	       (unsigned long long)(time_access(do_store, reg, value) - nothing),
	       (unsigned long long)first);
}

/* What the kernel says of the thread that drains, if there is one */
static bool find_drainer(char *path, size_t size)
{
	struct dirent *entry;
	bool found = false;
	char line[64];
	FILE *file;
	DIR *proc;

	proc = opendir("/proc");
	while (proc && !found && (entry = readdir(proc))) {
		snprintf(path, size, "/proc/%s/status", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		found = fgets(line, sizeof(line), file) && strstr(line, "vpm-drain/");
		fclose(file);
	}
	if (proc)
		closedir(proc);

	return found;
}

/* How often a thread has slept */
static unsigned long long count_sleeps(const char *path)
{
	unsigned long long count = 0;
	char line[128];
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return 0;

	while (fgets(line, sizeof(line), file))
		sscanf(line, "voluntary_ctxt_switches: %llu", &count);
	fclose(file);

	return count;
}

static void measure_idle(const char *phase)
{
	unsigned long long drains = 0;
	bool drained;
	struct span span;
	char path[300];

	usleep(SETTLE_US);
	drained = find_drainer(path, sizeof(path));
	if (drained)
		drains = count_sleeps(path);
	span = begin();
	usleep(IDLE_US);
	span = end(span);
	if (drained)
		drains = count_sleeps(path) - drains;
	printf("idle %s elapsed=%llu work=%llu drains=%llu\n", phase,
	       (unsigned long long)span.elapsed, (unsigned long long)span.work, drains);
}

static void measure_receive(struct dirty *d, const char *phase, unsigned int rate)
{
	unsigned long long first = d->received, target = d->sender->target, due = PACKETS;
	double start = now(), last = start;
	struct span span = begin();

	while (d->received < first + PACKETS && now() < last + LOST_MS) {
		if (rate)
			due = (now() - start) * rate / 1000;
		store(&d->sender->target, target + (due < PACKETS ? due : PACKETS));
		if (vf_poll(d))
			last = now();
		else
			usleep(WAIT_US);
	}
	span = end(span);
	printf("receive %s rate=%u elapsed=%llu work=%llu packets=%llu lost=%llu\n", phase, rate,
	       (unsigned long long)span.elapsed, (unsigned long long)span.work,
	       d->received - first, first + PACKETS - d->received);
	/* So that the sender learns of those that were lost */
	if (d->received < first + PACKETS)
		usleep(2 * LOST_MS * 1000);
	vf_quiet(d);
}

/* One frame each so often: they go to nobody, so that only sending them counts. */
static void measure_doorbells(struct dirty *d, const char *phase, unsigned int rate)
{
	unsigned int n = (unsigned long long)DOORBELLS_US * rate / 1000000, i;
	struct timespec next;
	struct span span;

	clock_gettime(CLOCK_MONOTONIC, &next);
	span = begin();
	for (i = 0; i < n; i++) {
		next.tv_nsec += 1000000000 / rate;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		vf_poll(d);
		vf_send(d, 0, 1);
	}
	span = end(span);
	printf("doorbells %s rate=%u elapsed=%llu work=%llu doorbells=%u\n", phase, rate,
	       (unsigned long long)span.elapsed, (unsigned long long)span.work, n);
	vf_quiet(d);
}

/* From a doorbell until the frame is seen to have been sent */
static void measure_latency(struct dirty *d, const char *phase)
{
	__u64 ticks[LATENCIES], middle;
	unsigned int i;

	for (i = 0; i < LATENCIES; i++) {
		usleep(below(d, 1000));
		ticks[i] = __rdtsc();
		vf_send(d, 0, 1);
		while (!vf_poll(d))
			usleep(5);
		ticks[i] = __rdtsc() - ticks[i];
	}
	middle = median(ticks, LATENCIES);
	printf("latency %s median=%llu most=%llu\n", phase, (unsigned long long)middle,
	       (unsigned long long)ticks[LATENCIES - 1]);
}

static void measure(struct dirty *d, const char *phase)
{
	unsigned int i, n;

	measure_access(d, phase, RX_TAIL, "RDT");
	measure_access(d, phase, TX_TAIL, "TDT");
	measure_idle(phase);
	for (i = 0; i < ARRAY_SIZE(packet_rates); i++)
		for (n = 0; n < RECEIVES; n++)
			measure_receive(d, phase, packet_rates[i]);
	for (i = 0; i < ARRAY_SIZE(doorbell_rates); i++)
		measure_doorbells(d, phase, doorbell_rates[i]);
	measure_latency(d, phase);
}

static void measure_tracked(struct dirty *d, const char *us)
{
	if (param_set(MODULE, "drain_us", us))
		die("drain_us: %s", us);
	if (container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START) ||
	    set_state(d, VFIO_DEVICE_STATE_PRE_COPY))
		die("tracking does not start");
	measure(d, us);
	if (set_state(d, VFIO_DEVICE_STATE_RUNNING) ||
	    container_dirty(d, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP))
		die("tracking does not end");
	if (param_set(MODULE, "drain_us", "0"))
		die("drain_us: 0");
}

static void start_driver(struct dirty *d)
{
	if (!vf_reset(d))
		die("no handshake");
	vf_start(d, &config);
}

/* Once tracked, a VF is until it is closed. */
static void open_anew(struct dirty *d, const char *bdf)
{
	int ret;

	close_vf(d);
	ret = open_device(&d->dev, bdf, VFIO_CLIENT_GROUP);
	if (ret)
		die("open it anew: %s", strerror(-ret));
	use_vf(d);
	start_driver(d);
}

int main(int argc, char **argv)
{
	static struct dirty d;
	int i;

	if (argc < 3) {
		fputs("usage: dirty_cost BDF NETDEV [MICROSECONDS...]\n"
		      "Measure before and after the VF is tracked, and meanwhile with\n"
		      "each interval between two drains; NETDEV, its PF's, sends to it.\n",
		      stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	count_instructions();
	d.state = 1;
	sender_start(&d, argv[2], 1);
	store(&d.sender->size, FRAME_SIZE);
	memset(d.pf_mac, 0x02, sizeof(d.pf_mac));
	vf_open(&d, argv[1]);
	start_driver(&d);

	measure(&d, "before");
	for (i = 3; i < argc; i++)
		measure_tracked(&d, argv[i]);
	open_anew(&d, argv[1]);
	measure(&d, "after");
	store(&d.sender->end, true);
	vfio_client_close(&d.dev);

	return 0;
}
