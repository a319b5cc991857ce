// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_hold: opens a device as a VMM does and keeps it open until told to let
 * go, for tests of what happens to a device that is in use.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio_mediate.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_client.h"

static void print_help(FILE *file)
{
	fputs("usage: vfio_hold [--until-requested] BDF\n"
	      "\n"
	      "Open the PCI device BDF through its group and print \"open\", or\n"
	      "\"open: ERRNO\" and end with status 1. Print \"requested\" each time\n"
	      "the device is asked back. Close it and end when standard input\n"
	      "ends; with --until-requested, also when it is asked back.\n"
	      "\n"
	      "Lines of standard input are commands, answered with a value or an\n"
	      "errno: \"reset\"; \"trap N\" holds the trap, or not if N is 0;\n"
	      "\"state\" says whether it is on; \"read OFFSET\" reads 4 bytes of BAR 0,\n"
	      "\"touch OFFSET\" does so by a mapping, after writing them back;\n"
	      "\"power N\" has the device go to the state of power DN.\n",
	      file);
}

static int hold_trap(struct vfio_client *client, bool hold)
{
	struct vfio_device_feature_trap trap = {
		.flags = hold ? VFIO_DEVICE_TRAP_HOLD : VFIO_DEVICE_TRAP_RELEASE,
	};

	return vfio_client_feature(client, VFIO_MEDIATE_FEATURE_TRAP |
				   VFIO_DEVICE_FEATURE_SET, &trap, sizeof(trap));
}

static int is_trapped(struct vfio_client *client, __u32 *value)
{
	struct vfio_device_feature_trap trap;
	int ret;

	ret = vfio_client_feature(client, VFIO_MEDIATE_FEATURE_TRAP |
				  VFIO_DEVICE_FEATURE_GET, &trap, sizeof(trap));
	if (!ret)
		*value = !!(trap.flags & VFIO_DEVICE_TRAP_ON);

	return ret;
}

static int access_bar(struct vfio_client *client, __u64 offset, bool map,
		      __u32 *value)
{
	struct vfio_client_region region;
	__u32 *reg;
	ssize_t ret;
	void *page;

	ret = vfio_client_get_region(client, 0, &region);
	if (ret)
		return ret;

	if (!map) {
		ret = vfio_client_region_read(client, &region, value, 4, offset);
		return ret < 0 ? ret : 0;
	}

	ret = vfio_client_region_mmap(client, &region, 4096, offset & ~4095ull,
				      &page);
	if (ret)
		return ret;
	reg = page + (offset & 4095);
	*value = __atomic_load_n(reg, __ATOMIC_RELAXED);
	__atomic_store_n(reg, *value, __ATOMIC_RELAXED);
	munmap(page, 4096);

	return 0;
}

static int set_power(struct vfio_client *client, __u32 state)
{
	struct vfio_client_region region;
	__u8 at = PCI_CAPABILITY_LIST, cap[2];
	ssize_t ret;

	ret = vfio_client_get_region(client, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	if (!ret)
		ret = vfio_client_region_read(client, &region, &at, 1, at);
	while (ret >= 0 && at) {
		ret = vfio_client_region_read(client, &region, cap, 2, at);
		if (ret >= 0 && cap[0] == PCI_CAP_ID_PM) {
			ret = vfio_client_region_write(client, &region, &state, 2,
						       at + PCI_PM_CTRL);
			return ret < 0 ? ret : 0;
		}
		at = cap[1];
	}

	return ret < 0 ? ret : -ENXIO;
}

static void obey(struct vfio_client *client, const char *line)
{
	unsigned long long number = 0;
	__u32 value = 0;
	char word[16];
	int ret;

	if (sscanf(line, "%15s %lli", word, (long long *)&number) < 1)
		return;

	value = number;
	if (!strcmp(word, "reset"))
		ret = vfio_client_ioctl(client->device_fd, VFIO_DEVICE_RESET, NULL);
	else if (!strcmp(word, "trap"))
		ret = hold_trap(client, value);
	else if (!strcmp(word, "state"))
		ret = is_trapped(client, &value);
	else if (!strcmp(word, "read"))
		ret = access_bar(client, number, false, &value);
	else if (!strcmp(word, "touch"))
		ret = access_bar(client, number, true, &value);
	else if (!strcmp(word, "power"))
		ret = set_power(client, value);
	else
		ret = -EINVAL;

	if (ret < 0)
		printf("%s: %s\n", word, strerrorname_np(-ret));
	else
		printf("%s: %#x\n", word, value);
}

static int hold(struct vfio_client *client, bool until_requested)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN },
	};
	char line[64];
	eventfd_t count;
	int ret;

	ret = vfio_client_set_irqs(client, VFIO_IRQ_SET_DATA_EVENTFD |
				   VFIO_IRQ_SET_ACTION_TRIGGER,
				   VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fds[1].fd,
				   sizeof(fds[1].fd));
	if (ret) {
		fprintf(stderr, "vfio_hold: set REQ: %s\n", strerror(-ret));
		return 1;
	}

	puts("open");
	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents) {
			if (eventfd_read(fds[1].fd, &count))
				return 1;
			puts("requested");
			if (until_requested)
				return 0;
		}
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		obey(client, line);
	}

	return 1;
}

int main(int argc, char **argv)
{
	bool until_requested = false;
	struct vfio_client client;
	int ret;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--until-requested")) {
		until_requested = true;
		argv++;
		argc--;
	}
	if (argc != 2) {
		print_help(stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* What was read ahead would not wake poll(). */
	setvbuf(stdin, NULL, _IONBF, 0);
	ret = vfio_client_open(&client, argv[1], VFIO_CLIENT_GROUP);
	if (ret) {
		printf("open: %s\n", strerrorname_np(-ret));
		return 1;
	}

	ret = hold(&client, until_requested);
	vfio_client_close(&client);

	return ret;
}
