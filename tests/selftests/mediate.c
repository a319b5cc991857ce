// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: options, and the results in TAP.
 */
#define _GNU_SOURCE

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mediate.h"

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

static void print_help(FILE *file)
{
	fputs("usage: mediate [--hammer N | --concurrent SECONDS] BDF [group|cdev]\n"
	      "\n"
	      "Test a VF bound to vfio-pci-mediate and mediated by mediator_demo,\n"
	      "whose parameters say what is to be expected; print TAP.\n"
	      "\n"
	      "  --hammer N            toggle traps N times while doorbells are\n"
	      "                        rung; with traps=hammer\n"
	      "  --concurrent SECONDS  all kinds of calls at once\n",
	      file);
}

static void test_all(struct mediate *m)
{
	test_device_info(m);
	test_region_info(m);
	test_irq_info(m);
	test_bar(m);
	test_config(m);
	test_rom(m);
	test_extra(m);
	test_mmap(m);
	test_irqs(m);
	test_trap_region(m);
	test_trap_pages(m);
	test_trap_shadow(m);
	test_trap_reset(m);
	test_stuck(m);
	test_detach(m);
}

int main(int argc, char **argv)
{
	enum vfio_client_mode mode = VFIO_CLIENT_GROUP;
	unsigned int toggles = 0, seconds = 0;
	struct mediate m;
	int arg = 1, ret;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (argc > 3 && !strcmp(argv[1], "--hammer"))
		toggles = atoi(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "--concurrent"))
		seconds = atoi(argv[2]);
	if (toggles || seconds)
		arg = 3;
	if (argc == arg + 2 && !strcmp(argv[arg + 1], "cdev")) {
		mode = VFIO_CLIENT_CDEV;
	} else if (argc != arg + 1 &&
		   !(argc == arg + 2 && !strcmp(argv[arg + 1], "group"))) {
		print_help(stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 14");
	ret = mediate_open(&m, argv[arg], mode);
	if (ret)
		bail_out("open %s: %s", argv[arg], strerror(-ret));

	if (toggles)
		hammer(&m, toggles);
	else if (seconds)
		concurrent(&m, seconds);
	else
		test_all(&m);

	mediate_close(&m);
	printf("1..%u\n", results);

	return failures ? 1 : 0;
}
