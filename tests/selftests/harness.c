// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tests that print TAP have in common: results, parameters of modules, and a
 * little of vfio.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "vfio_client.h"

static unsigned int results, failures;

static void result(bool passed, const char *fmt, va_list args, const char *end)
{
	results++;
	failures += !passed;
	printf("%sok %u - ", passed ? "" : "not ", results);
	vprintf(fmt, args);
	printf("%s\n", end);
}

bool ok(bool passed, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	result(passed, fmt, args, "");
	va_end(args);

	return passed;
}

static const char *number(char *text, size_t size, long val)
{
	const char *name = val < 0 ? strerrorname_np(-val) : NULL;

	if (name)
		snprintf(text, size, "-%s", name);
	else
		snprintf(text, size, "%ld", val);

	return text;
}

bool expect(long got, long want, const char *fmt, ...)
{
	char one[32], two[32];
	va_list args;

	va_start(args, fmt);
	result(got == want, fmt, args, "");
	va_end(args);
	if (got != want)
		printf("  # got %s, want %s\n", number(one, sizeof(one), got),
		       number(two, sizeof(two), want));

	return got == want;
}

bool expect_hex(unsigned long long got, unsigned long long want,
		const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	result(got == want, fmt, args, "");
	va_end(args);
	if (got != want)
		printf("  # got %#llx, want %#llx\n", got, want);

	return got == want;
}

void skip(const char *why, const char *fmt, ...)
{
	char end[96];
	va_list args;

	snprintf(end, sizeof(end), " # SKIP %s", why);
	va_start(args, fmt);
	result(true, fmt, args, end);
	va_end(args);
}

void note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

void bail_out(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("Bail out! ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(1);
}

static void too_late(int sig)
{
	static const char text[] = "Bail out! it does not end\n";

	(void)sig;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

void end_within(unsigned int seconds)
{
	signal(SIGALRM, too_late);
	alarm(seconds);
}

int end_results(void)
{
	printf("1..%u\n", results);

	return failures ? 1 : 0;
}

bool param_get(const char *module, const char *name, char *value, size_t size)
{
	char path[96];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
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
	char path[96];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

const void *find_cap(const void *info, __u32 size, __u32 offset, __u16 id)
{
	const struct vfio_info_cap_header *cap;

	while ((cap = vfio_client_next_cap(info, size, &offset)))
		if (cap->id == id)
			return cap;

	return NULL;
}
