/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks for the tests of kselftest_harness.h that have a message each and are counted.
 *
 * EXPECT_*() shows the two values but not the case, which is what a table of cases needs,
 * and knows no errno. A test says at its end how many checks it has made; one that has
 * made none has failed. _metadata must be in scope, as for EXPECT_*(). All of them return
 * whether the check was good.
 */
#ifndef CHECK_H
#define CHECK_H

#include "kselftest_harness.h"

/* Seconds. The machines that the tests run on are emulated, and may have little of a CPU. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

static unsigned int checks;

static inline const char *check_value(long value, char *text, size_t size)
{
	const char *name = value < 0 ? strerrorname_np(-value) : NULL;

	if (name)
		snprintf(text, size, "-%s", name);
	else
		snprintf(text, size, "%ld", value);

	return text;
}

/* @good must be true */
#define CHECK(good, fmt, ...) ({						\
	bool __good = (good);							\
										\
	checks++;								\
	if (!__good) {								\
		TH_LOG(" " fmt, ##__VA_ARGS__);					\
		_metadata->exit_code = KSFT_FAIL;				\
	}									\
	__good;									\
})

/* A number that must be @want; a negative one is an errno */
#define CHECK_EQ(got, want, fmt, ...) ({					\
	long __got = (got), __want = (want);					\
	char __one[32], __two[32];						\
										\
	checks++;								\
	if (__got != __want) {							\
		TH_LOG(" " fmt ": got %s, want %s", ##__VA_ARGS__,		\
		       check_value(__got, __one, sizeof(__one)),		\
		       check_value(__want, __two, sizeof(__two)));		\
		_metadata->exit_code = KSFT_FAIL;				\
	}									\
	__got == __want;							\
})

/* Two values that must be the same */
#define CHECK_HEX(got, want, fmt, ...) ({					\
	unsigned long long __got = (got), __want = (want);			\
										\
	checks++;								\
	if (__got != __want) {							\
		TH_LOG(" " fmt ": got %#llx, want %#llx", ##__VA_ARGS__,	\
		       __got, __want);						\
		_metadata->exit_code = KSFT_FAIL;				\
	}									\
	__got == __want;							\
})

/* For the end of FIXTURE_TEARDOWN() */
static inline void end_checks(struct __test_metadata *_metadata)
{
	if (_metadata->exit_code == KSFT_PASS && !checks) {
		TH_LOG(" nothing was checked");
		_metadata->exit_code = KSFT_FAIL;
	}
	ksft_print_msg("%u checks\n", checks);
}

#endif /* CHECK_H */
