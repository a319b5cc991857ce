// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the selftests and their tools have in common.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testlib.h"

#define RETRIES 50
#define RETRY_US 100000

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("# ", stderr);
	vfprintf(stderr, fmt, args);
	fputs("\n", stderr);
	va_end(args);
	exit(KSFT_FAIL);
}

unsigned int env_number(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

const char *lab_vf(unsigned int number)
{
	static char vfs[512];
	char *vf, *rest = vfs;

	snprintf(vfs, sizeof(vfs), "%s", getenv("LAB_VFS") ?: "");
	while ((vf = strsep(&rest, " ")) && number--)
		;
	if (!vf || !*vf)
		die("LAB_VFS does not name enough VFs");

	return vf;
}

/* Of a cdev, vfio says that it is invalid to open it twice. */
static bool is_in_use(enum vfio_client_mode mode, int ret)
{
	return ret == -EBUSY || (ret == -EINVAL && mode == VFIO_CLIENT_CDEV);
}

int open_device(struct vfio_client *c, const char *bdf, enum vfio_client_mode mode)
{
	unsigned int i;
	int ret;

	for (i = 0; i < RETRIES; i++) {
		ret = vfio_client_open(c, bdf, mode);
		if (!is_in_use(mode, ret))
			break;
		usleep(RETRY_US);
	}

	return ret;
}

static int param_open(const char *module, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);

	return open(path, flags | O_CLOEXEC);
}

bool param_get(const char *module, const char *name, char *value, size_t size)
{
	int fd = param_open(module, name, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;

	len = read(fd, value, size - 1);
	close(fd);
	if (len < 0)
		return false;

	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

int param_set(const char *module, const char *name, const char *value)
{
	int fd = param_open(module, name, O_WRONLY), ret;

	if (fd < 0)
		return -errno;

	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

unsigned int param_number(const char *module, const char *name)
{
	char value[32];

	if (!param_get(module, name, value, sizeof(value)))
		die("%s has no parameter %s", module, name);

	return strtoul(value, NULL, 0);
}

void sysfs_line(const char *bdf, const char *name, char *line, size_t size)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	file = fopen(path, "re");
	if (!file || !fgets(line, size, file))
		die("%s: %s", path, strerror(errno));
	fclose(file);
	line[strcspn(line, "\n")] = 0;
}

bool sysfs_is(const char *bdf, const char *name, const char *want)
{
	char line[64];

	sysfs_line(bdf, name, line, sizeof(line));

	return !strcmp(line, want);
}

static bool is_loaded(const char *module, const char *parameters)
{
	char words[256], value[64], *name, *wanted = words;

	snprintf(words, sizeof(words), "%s", parameters);
	while (wanted) {
		name = strsep(&wanted, "=");
		if (!param_get(module, name, value, sizeof(value)) ||
		    strcmp(value, strsep(&wanted, " ")))
			return false;
	}

	return true;
}

void module_load(const char *module, const char *parameters)
{
	char command[512];

	if (is_loaded(module, parameters))
		return;

	snprintf(command, sizeof(command), "modprobe -r %s && modprobe %s %s", module, module,
		 parameters);
	if (system(command) || !is_loaded(module, parameters))
		die("%s cannot be loaded with %s", module, parameters);
}

const void *find_cap(const void *info, __u32 size, __u32 offset, __u16 id)
{
	const struct vfio_info_cap_header *cap;

	while ((cap = vfio_client_next_cap(info, size, &offset)))
		if (cap->id == id)
			return cap;

	return NULL;
}
