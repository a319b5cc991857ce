// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_hold: opens a device as a VMM does and keeps it open until told to let
 * go, for tests of what happens to a device that is in use.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfio_client.h"

static void print_help(FILE *file)
{
	fputs("usage: vfio_hold [--until-requested] BDF\n"
	      "\n"
	      "Open the PCI device BDF through its group and print \"open\", or\n"
	      "\"open: ERRNO\" and end with status 1. Print \"requested\" each time\n"
	      "the device is asked back. Close it and end when standard input\n"
	      "ends; with --until-requested, also when it is asked back.\n",
	      file);
}

static int hold(struct vfio_client *client, bool until_requested)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN },
	};
	eventfd_t count;
	char c;
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
		if (fds[0].revents && read(STDIN_FILENO, &c, 1) <= 0)
			return 0;
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
	ret = vfio_client_open(&client, argv[1], VFIO_CLIENT_GROUP);
	if (ret) {
		printf("open: %s\n", strerrorname_np(-ret));
		return 1;
	}

	ret = hold(&client, until_requested);
	vfio_client_close(&client);

	return ret;
}
