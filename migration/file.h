/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files through which data transfers go by protocol v2.
 */

#ifndef VFIO_MEDIATE_FILE_H
#define VFIO_MEDIATE_FILE_H

struct vpm_transfer;

/**
 * vpm_file_create() - Give a transfer a file
 * @transfer:	The transfer; the file holds it. &vpm_transfer.filp is the file, until user space
 *		gets it.
 *
 * Return: 0 or a negative errno.
 */
int vpm_file_create(struct vpm_transfer *transfer);

#endif /* VFIO_MEDIATE_FILE_H */
