/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvfio of 7.2.13 calls calloc_assert(), which it does not define: a fix came
 * to that stable series without what it builds on. Included before any of its
 * files where its headers do not have it.
 */
#ifndef CALLOC_ASSERT_H
#define CALLOC_ASSERT_H

#include <stdlib.h>

#define calloc_assert(count, size) ({			\
	void *__memory = calloc(count, size);		\
							\
	VFIO_ASSERT_NOT_NULL(__memory);			\
	__memory;					\
})

#endif /* CALLOC_ASSERT_H */
