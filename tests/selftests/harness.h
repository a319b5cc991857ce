/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests that print TAP have in common: results, parameters of modules, and a
 * little of vfio.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

#include <linux/types.h>

/* As in the kernel; in one line checkpatch would have it call itself */
#define printf_format(fmt, args) __format__(__printf__, fmt, args)
#define __printf(fmt, args) __attribute__((printf_format(fmt, args)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define PAGE_4K 4096u

__printf(2, 3)
bool ok(bool passed, const char *fmt, ...);

/* A number that must be @want; a negative one is an errno */
__printf(3, 4)
bool expect(long got, long want, const char *fmt, ...);

/* Two values that must be the same */
__printf(3, 4)
bool expect_hex(unsigned long long got, unsigned long long want,
		const char *fmt, ...);

__printf(2, 3)
void skip(const char *why, const char *fmt, ...);

__printf(1, 2)
void note(const char *fmt, ...);

/* The test cannot go on */
__printf(1, 2)
noreturn void bail_out(const char *fmt, ...);

/* The test cannot go on after so many seconds, from any thread; 0 takes that back */
void end_within(unsigned int seconds);

/* Print the plan; the program's exit status */
int end_results(void);

/* A parameter of a module; 0 or a negative errno, or whether there is one */
int param_set(const char *module, const char *name, const char *value);
bool param_get(const char *module, const char *name, char *value, size_t size);

/* Find a capability of a region or interrupt info; NULL when there is none */
const void *find_cap(const void *info, __u32 size, __u32 offset, __u16 id);

#endif /* HARNESS_H */
