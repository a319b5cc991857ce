// SPDX-License-Identifier: GPL-2.0-only
/*
 * stop_cost: what is done with a VF while its guest stands still, in instructions of the host.
 *
 * A VF is tracked, receives, and is stopped and saved. Then the state is loaded into the same
 * VF, and that goes on.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "dirty.h"
#include "instructions.h"

#define TIMES		20
#define PACKETS		64	/* that nobody has looked at when it is stopped */
#define WAIT_US		20000

static const struct config config = {
	"256 of 2 KiB", .count = 256, .kib = 2, .queues = 1
};

enum { SOURCE_QUIESCE, SOURCE_STOP, SOURCE_SAVE, READY, LOAD, LOADED, QUIESCE, RUN, STEPS };

static const char * const steps[STEPS] = {
	[SOURCE_QUIESCE] = "source: to PRE_COPY_P2P",
	[SOURCE_STOP] = "source: to STOP_COPY",
	[SOURCE_SAVE] = "source: read the state",
	[READY] = "destination: to RESUMING, before the guest is stopped",
	[LOAD] = "destination: write the state",
	[LOADED] = "destination: to STOP",
	[QUIESCE] = "destination: to RUNNING_P2P",
	[RUN] = "destination: to RUNNING",
};

static __u64 works[STEPS][TIMES], waits[STEPS][TIMES];
static __u8 state[65536];
static ssize_t size;
static int fd = -1;

static bool go(struct dirty *d, __u32 to)
{
	struct vfio_device_feature_mig_state arg = { .device_state = to };

	if (vfio_client_feature(&d->dev, VFIO_DEVICE_FEATURE_SET |
				VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg)))
		return false;
	if (arg.data_fd >= 0) {
		if (fd >= 0)
			close(fd);
		fd = arg.data_fd;
	}

	return true;
}

/* Memory decoding, which QEMU has off until it has loaded a state */
static void set_memory(struct dirty *d, bool on)
{
	__u16 command;

	vfio_client_region_read(&d->dev, &d->config_space, &command, sizeof(command),
				PCI_COMMAND);
	command = on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY;
	vfio_client_region_write(&d->dev, &d->config_space, &command, sizeof(command),
				 PCI_COMMAND);
}

/* What VMMs read in pre-copy */
static bool pre_copy(struct dirty *d)
{
	ssize_t part;

	if (!go(d, VFIO_DEVICE_STATE_PRE_COPY))
		return false;
	for (size = 0; (part = read(fd, state + size, sizeof(state) - size)) > 0; size += part)
		;

	return part < 0 && errno == ENOMSG;
}

static bool save(void)
{
	ssize_t part;

	while ((part = read(fd, state + size, sizeof(state) - size)) > 0)
		size += part;

	return !part;
}

static bool step(struct dirty *d, unsigned int number)
{
	switch (number) {
	case SOURCE_QUIESCE:
		return go(d, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	case SOURCE_STOP:
		return go(d, VFIO_DEVICE_STATE_STOP_COPY);
	case SOURCE_SAVE:
		return save();
	case READY:
		return go(d, VFIO_DEVICE_STATE_RESUMING);
	case LOAD:
		return write(fd, state, size) == size;
	case LOADED:
		return go(d, VFIO_DEVICE_STATE_STOP);
	case QUIESCE:
		return go(d, VFIO_DEVICE_STATE_RUNNING_P2P);
	default:
		return go(d, VFIO_DEVICE_STATE_RUNNING);
	}
}

static void migrate(struct dirty *d, unsigned int n)
{
	struct span span;
	unsigned int i;

	if (!pre_copy(d))
		die("PRE_COPY: %s", strerror(errno));
	usleep(WAIT_US);
	store(&d->sender->target, d->sender->target + PACKETS);
	usleep(WAIT_US);
	vf_poll(d);

	for (i = 0; i < STEPS; i++) {
		if (i == READY || i == QUIESCE)
			set_memory(d, i == QUIESCE);
		span = begin();
		if (!step(d, i))
			die("%s: %s", steps[i], strerror(errno));
		span = end(span);
		works[i][n] = span.work;
		waits[i][n] = span.elapsed - span.work;
		if (i == SOURCE_SAVE && !go(d, VFIO_DEVICE_STATE_STOP))
			die("STOP: %s", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	static struct dirty d;
	unsigned int i;

	if (argc != 3) {
		fputs("usage: stop_cost BDF NETDEV\n"
		      "Migrate a VF to itself; NETDEV, its PF's, sends to it.\n", stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	count_instructions();
	d.state = 1;
	sender_start(&d, argv[2], 1);
	memset(d.pf_mac, 0x02, sizeof(d.pf_mac));
	vf_open(&d, argv[1]);
	if (!vf_reset(&d))
		die("no handshake");
	vf_start(&d, &config);
	if (container_dirty(&d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START))
		die("the container does not note what is written");

	for (i = 0; i < TIMES; i++)
		migrate(&d, i);
	for (i = 0; i < STEPS; i++)
		printf("%s\t%llu\t%llu\n", steps[i],
		       (unsigned long long)median(works[i], TIMES),
		       (unsigned long long)median(waits[i], TIMES));
	store(&d.sender->end, true);
	vfio_client_close(&d.dev);

	return 0;
}
