// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: options, and what is run.
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mediate.h"

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

	return end_results();
}
