/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal to vfio_mediate: set-up and tear-down of load.c.
 */

#ifndef VFIO_MEDIATE_LOAD_H
#define VFIO_MEDIATE_LOAD_H

#include <linux/types.h>

extern u32 vfio_mediate_load_timeout_ms;

int vfio_mediate_load_init(void);
void vfio_mediate_load_exit(void);

#endif /* VFIO_MEDIATE_LOAD_H */
