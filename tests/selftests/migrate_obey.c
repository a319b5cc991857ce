// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: a device that somebody else drives, line by line.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate.h"

#define MAX_SIZE	0x400000	/* of a stream */

struct obedient {
	struct migrate m;
	bool v1;
	int fd;				/* of the transfer, by v2 */
	struct vfio_client_region bar;
	struct stream stream;
};

static long access_bar(struct obedient *o, __u64 reg, __u32 *value, bool write)
{
	long ret = write ?
		vfio_client_region_write(&o->m.dev, &o->bar, value, 4, reg) :
		vfio_client_region_read(&o->m.dev, &o->bar, value, 4, reg);

	return ret < 0 || write ? ret : *value;
}

static long change_state(struct obedient *o, __u32 state)
{
	int ret, fd = -1;

	if (o->v1)
		return v1_set(&o->m, state);

	ret = set_state(&o->m, state, &fd);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = fd;

	return ret;
}

static long save(struct obedient *o, const char *path)
{
	struct stream *stream = &o->stream;
	FILE *file;
	long ret;

	stream->size = 0;
	ret = o->v1 ? v1_save(&o->m, stream, NULL) :
		read_parts(o->fd, stream->data, MAX_SIZE, 100, &stream->size);
	if (ret)
		return ret;

	file = fopen(path, "we");
	if (!file)
		return -errno;
	fwrite(stream->data, stream->size, 1, file);

	return fclose(file) ? -errno : (long)stream->size;
}

static long load(struct obedient *o, const char *path)
{
	struct stream *stream = &o->stream;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	stream->size = fread(stream->data, 1, MAX_SIZE, file);
	fclose(file);

	return o->v1 ? v1_load(&o->m, stream, NULL, 100) :
		write_parts(o->fd, stream->data, stream->size, 100);
}

static long obey_line(struct obedient *o, const char *word, const char *arg,
		      const char *value)
{
	__u32 number = strtoul(value, NULL, 0);
	__u64 reg = strtoul(arg, NULL, 0);

	if (!strcmp(word, "read"))
		return access_bar(o, reg, &number, false);
	if (!strcmp(word, "write"))
		return access_bar(o, reg, &number, true);
	if (!strcmp(word, "reset"))
		return vfio_client_ioctl(o->m.dev.device_fd, VFIO_DEVICE_RESET, NULL);
	if (!strcmp(word, "state"))
		return o->v1 ? v1_get(&o->m) : get_state(&o->m);
	if (!strcmp(word, "set"))
		return change_state(o, reg);
	if (!strcmp(word, "save"))
		return save(o, arg);
	if (!strcmp(word, "load"))
		return load(o, arg);

	return -EINVAL;
}

int obey(const char *bdf, bool v1)
{
	struct obedient o = { .v1 = v1, .fd = -1 };
	char line[256], word[16], arg[128], value[32];
	long ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	o.stream.data = malloc(MAX_SIZE);
	migrate_open(&o.m, bdf, VFIO_CLIENT_GROUP);
	if (!o.stream.data || vfio_client_get_region(&o.m.dev, 0, &o.bar))
		bail_out("%s: no BAR 0", bdf);

	puts("open");
	while (fgets(line, sizeof(line), stdin)) {
		arg[0] = '\0';
		value[0] = '\0';
		if (sscanf(line, "%15s %127s %31s", word, arg, value) < 1)
			continue;
		ret = obey_line(&o, word, arg, value);
		if (ret < 0)
			printf("%s: %s\n", word, strerrorname_np(-ret));
		else
			printf("%s: %ld\n", word, ret);
	}
	migrate_close(&o.m);

	return 0;
}
