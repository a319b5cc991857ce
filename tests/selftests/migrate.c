// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: options, and what is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate.h"

static void print_help(FILE *file)
{
	fputs("usage: migrate [--concurrent SECONDS] BDF BDF [group|cdev]\n"
	      "       migrate --save FILE BDF\n"
	      "       migrate --load FILE BDF\n"
	      "       migrate --obey v1|v2 BDF\n"
	      "\n"
	      "Test two VFs bound to vfio-pci-mediate and mediated by mediator_state;\n"
	      "print TAP.\n"
	      "\n"
	      "  --concurrent SECONDS  all kinds of calls at once\n"
	      "  --save FILE           write what is saved of a device to FILE\n"
	      "  --load FILE           test that FILE can be loaded\n"
	      "  --obey v1|v2          open a VF, whoever mediates it, print \"open\", and\n"
	      "                        do by that protocol what each line of standard\n"
	      "                        input says; answer with 0, a number or an errno\n"
	      "\n"
	      "      read REG          register of BAR 0\n"
	      "      write REG VALUE\n"
	      "      reset\n"
	      "      state             its number in the protocol\n"
	      "      set STATE\n"
	      "      save FILE         the bytes that there were\n"
	      "      load FILE\n",
	      file);
}

static void test_all(struct migrate *from, struct migrate *to)
{
	test_info(from, to);
	test_v2(from, to);
	test_v2_files(from, to);
	test_v1(from, to);
	test_streams(from, to);
	test_vendor(from, to);
	test_reset(from, to);
	test_stuck(from, to);
	test_detach(from, to);
	expect(vendor_get("wrong"), 0, "no callback came when it should not have");
	expect(vendor_get("running"), 2, "both devices run");
}

static int save_file(const char *path, const char *bdf)
{
	struct stream stream;
	struct migrate m;
	FILE *file;

	migrate_open(&m, bdf, VFIO_CLIENT_GROUP);
	fill_state(&m, 1);
	stream = save_v2(&m, 4096);
	migrate_close(&m);

	file = fopen(path, "we");
	if (!file || fwrite(stream.data, stream.size, 1, file) != 1 ||
	    fclose(file)) {
		perror(path);
		return 1;
	}

	return 0;
}

int main(int argc, char **argv)
{
	enum vfio_client_mode mode = VFIO_CLIENT_GROUP;
	struct migrate from, to;
	unsigned int seconds = 0;
	int arg = 1;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--save"))
		return save_file(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "--obey"))
		return obey(argv[3], !strcmp(argv[2], "v1"));

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 14");
	if (argc == 4 && !strcmp(argv[1], "--load")) {
		migrate_open(&to, argv[3], mode);
		test_golden(&to, argv[2]);
		migrate_close(&to);
		return end_results();
	}
	if (argc > 3 && !strcmp(argv[1], "--concurrent")) {
		seconds = atoi(argv[2]);
		arg = 3;
	}
	if (argc == arg + 3 && !strcmp(argv[arg + 2], "cdev")) {
		mode = VFIO_CLIENT_CDEV;
	} else if (argc != arg + 2 &&
		   !(argc == arg + 3 && !strcmp(argv[arg + 2], "group"))) {
		print_help(stderr);
		return 2;
	}

	migrate_open(&from, argv[arg], mode);
	migrate_open(&to, argv[arg + 1], mode);
	if (seconds)
		test_concurrent(&from, &to, seconds);
	else
		test_all(&from, &to);
	migrate_close(&from);
	migrate_close(&to);

	return end_results();
}
