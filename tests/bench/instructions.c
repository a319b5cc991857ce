// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "dirty.h"
#include "instructions.h"

#define SETTLE_US	20000

/* Rounds of two instructions */
static __u64 *idle_rounds;

static __u64 idle_ticks(void)
{
	return load(idle_rounds) * 2;
}

struct span begin(void)
{
	return (struct span){ .elapsed = __rdtsc(), .work = idle_ticks() };
}

struct span end(struct span since)
{
	__u64 elapsed = __rdtsc() - since.elapsed;

	return (struct span){ elapsed, elapsed - (idle_ticks() - since.work) };
}

static void start_idle(void)
{
	const struct sched_param none = {};

	idle_rounds = mmap(NULL, sizeof(*idle_rounds), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (idle_rounds == MAP_FAILED)
		die("no memory");
	if (fork())
		return;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		_exit(1);
	asm volatile("1: incq %0; jmp 1b" : "+m"(*idle_rounds));
}

/* That ticks are instructions, and that somebody counts those of nobody */
static void check_machine(void)
{
	__u64 rounds = 100000, start = __rdtsc();
	struct span span;

	asm volatile("1: dec %0; jnz 1b" : "+r"(rounds));
	start = __rdtsc() - start;
	if (start < 200000 || start > 400000 || sysconf(_SC_NPROCESSORS_ONLN) != 1)
		die("not a machine that counts instructions: %llu",
		    (unsigned long long)start);
	span = begin();
	usleep(SETTLE_US);
	span = end(span);
	if (span.work > span.elapsed / 2)
		die("nobody counts what is idle: %llu of %llu",
		    (unsigned long long)span.work, (unsigned long long)span.elapsed);
}

static int compare(const void *a, const void *b)
{
	const __u64 *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

__u64 median(__u64 *ticks, unsigned int n)
{
	qsort(ticks, n, sizeof(*ticks), compare);

	return ticks[n / 2];
}

void count_instructions(void)
{
	/* Sleeps are as long as they are said to be. */
	prctl(PR_SET_TIMERSLACK, 1);
	start_idle();
	check_machine();
}
