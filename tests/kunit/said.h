/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of the kernel's log, for KUnit suites. */
#ifndef KUNIT_SAID_H
#define KUNIT_SAID_H

#include <kunit/test.h>
#include <linux/kmsg_dump.h>
#include <linux/string.h>

/* Where the last said_begin() has left the log. */
static struct kmsg_dump_iter said_since;

/* Have expect_said() look at what is logged from now on. */
static inline void said_begin(void)
{
	static char line[256];
	size_t len;

	if (!said_since.cur_seq)
		kmsg_dump_rewind(&said_since);
	while (kmsg_dump_get_line(&said_since, false, line, sizeof(line), &len))
		;
}

/* Return: how many lines since said_begin() have @text. */
static inline unsigned int times_said(const char *text)
{
	struct kmsg_dump_iter iter = said_since;
	static char line[256];
	unsigned int n = 0;
	size_t len;

	while (kmsg_dump_get_line(&iter, false, line, sizeof(line), &len))
		n += strnstr(line, text, len) ? 1 : 0;

	return n;
}

/* One line since said_begin() has @text. */
static inline void expect_said(struct kunit *test, const char *text)
{
	KUNIT_EXPECT_EQ_MSG(test, 1, times_said(text), "not said once: %s", text);
}

#endif /* KUNIT_SAID_H */
