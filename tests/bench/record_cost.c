// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_cost: what a state of mediator_state costs that is saved and loaded, in instructions of
 * the host. Prints how many bytes its stream has, and those of both ways.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "instructions.h"
#include "migrate.h"

#define TIMES	3
#define PART	0x100000	/* what QEMU reads and writes at once */

static __u64 saves[TIMES], loads[TIMES];

static void change(struct migrate *m, __u32 state, int *fd)
{
	int ret = set_state(m, state, fd);

	if (ret)
		die("to %s: %s", state_name(state), strerror(-ret));
}

static void measure(struct migrate *m, struct stream *stream, size_t room, unsigned int n)
{
	struct span span;
	long ret;
	int fd;

	change(m, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	span = begin();
	ret = read_parts(fd, stream->data, room, PART, &stream->size);
	saves[n] = end(span).work;
	close(fd);
	if (ret || stream->size < m->size)
		die("saved %zu bytes: %ld", stream->size, ret);
	change(m, VFIO_DEVICE_STATE_STOP, NULL);

	change(m, VFIO_DEVICE_STATE_RESUMING, &fd);
	span = begin();
	ret = write_parts(fd, stream->data, stream->size, PART);
	loads[n] = end(span).work;
	close(fd);
	if (ret < 0)
		die("load: %s", strerror(-ret));
	change(m, VFIO_DEVICE_STATE_RUNNING, NULL);
}

int main(int argc, char **argv)
{
	struct stream stream = {};
	struct migrate m;
	unsigned int i;
	size_t room;

	if (argc != 2) {
		fputs("usage: record_cost BDF\n", stderr);
		return 2;
	}

	count_instructions();
	migrate_open(&m, argv[1], VFIO_CLIENT_GROUP);
	room = m.size + m.size / 64 + PART;
	/* No page of it is missing when it is measured. */
	stream.data = mmap(NULL, room, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (stream.data == MAP_FAILED)
		die("no memory");
	for (i = 0; i < TIMES; i++)
		measure(&m, &stream, room, i);
	printf("%zu\t%llu\t%llu\n", stream.size, (unsigned long long)median(saves, TIMES),
	       (unsigned long long)median(loads, TIMES));
	migrate_close(&m);

	return 0;
}
