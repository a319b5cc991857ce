// SPDX-License-Identifier: GPL-2.0-only
/*
 * numbered DEVICE FIRST BLOCKS DEPTH: writes numbered blocks until SIGTERM.
 *
 * DEPTH threads write PER blocks of 4 KiB each, one after the other. When all have, the device
 * is flushed, and each thread reads its blocks and compares them. Then the next round begins.
 * Blocks are BLOCKS ones from FIRST on, again and again. A block says its number and its round,
 * so that who sees what the device has written can tell what is missing, what was written
 * twice, and whether a flush came between two rounds. The last line that is printed has the
 * numbers of writes and of rounds. The exit status is 1 when something went wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x44455245424d554eull	/* "NUMBERED" */
#define SIZE 4096
#define WORDS (SIZE / sizeof(uint64_t))
#define PER 4

static int file;
static uint64_t first, blocks, depth, rounds;
static bool over, failed, stop;
static pthread_barrier_t barrier;

static void on_signal(int number)
{
	(void)number;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
}

static void fill(uint64_t *block, uint64_t number)
{
	block[0] = MAGIC;
	block[1] = number;
	block[2] = rounds;
	for (uint64_t i = 3; i < WORDS; i++)
		block[i] = number * WORDS + i;
}

static void wrong(const char *what, uint64_t number, ssize_t got)
{
	fprintf(stderr, "numbered: block %llu cannot be %s: %s\n", (unsigned long long)number,
		what, got < 0 ? strerror(errno) : got < SIZE ? "a part only" : "other data");
	failed = true;
}

static off_t where(uint64_t number)
{
	return (first + number % blocks) * SIZE;
}

static void *work(void *argument)
{
	uint64_t mine = (uintptr_t)argument;
	uint64_t *block = aligned_alloc(SIZE, SIZE), *back = aligned_alloc(SIZE, SIZE);

	while (pthread_barrier_wait(&barrier), !over) {
		uint64_t start = (rounds * depth + mine) * PER;

		for (uint64_t number = start; number < start + PER; number++) {
			ssize_t got;

			fill(block, number);
			got = pwrite(file, block, SIZE, where(number));
			if (got != SIZE)
				wrong("written", number, got);
		}
		pthread_barrier_wait(&barrier);
		/* The main thread flushes. */
		pthread_barrier_wait(&barrier);
		for (uint64_t number = start; number < start + PER; number++) {
			ssize_t got;

			fill(block, number);
			memset(back, 0, SIZE);
			got = pread(file, back, SIZE, where(number));
			if (got != SIZE || memcmp(block, back, SIZE))
				wrong("read", number, got);
		}
		pthread_barrier_wait(&barrier);
	}
	free(block);
	free(back);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	file = argc == 5 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
	if (file < 0) {
		fprintf(stderr, "numbered DEVICE FIRST BLOCKS DEPTH: %s\n", strerror(errno));
		return 2;
	}
	first = strtoull(argv[2], NULL, 0);
	blocks = strtoull(argv[3], NULL, 0);
	depth = strtoull(argv[4], NULL, 0);
	if (!depth || blocks < depth * PER) {
		fprintf(stderr, "numbered: fewer blocks than are written in a round\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	pthread_barrier_init(&barrier, NULL, depth + 1);
	for (uint64_t i = 0; i < depth; i++) {
		if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)i)) {
			perror("numbered");
			return 2;
		}
	}
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && !failed) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		if (fdatasync(file)) {
			perror("numbered: flush");
			failed = true;
		}
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		rounds++;
	}
	over = true;
	pthread_barrier_wait(&barrier);
	printf("%llu writes, %llu rounds%s\n", (unsigned long long)(rounds * depth * PER),
	       (unsigned long long)rounds, failed ? ", of which some failed" : "");
	return failed;
}
