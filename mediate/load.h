/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the registry's module does for load.c when it is loaded and unloaded.
 */

#ifndef VFIO_MEDIATE_LOAD_H
#define VFIO_MEDIATE_LOAD_H

#include <linux/types.h>

/*
 * For how long vfio_mediate_load_wait() waits. In debugfs, so that a test of what follows need
 * not take a minute.
 */
extern u32 vfio_mediate_patience_ms;

/**
 * vfio_mediate_load_init() - Prepare for requests
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_mediate_load_init(void);

/**
 * vfio_mediate_load_exit() - Wait for the end of all requests
 *
 * Context: Process context, with nobody left to make one.
 */
void vfio_mediate_load_exit(void);

#endif /* VFIO_MEDIATE_LOAD_H */
