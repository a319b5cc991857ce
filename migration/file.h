/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files through which data transfers go by protocol v2.
 */

#ifndef VFIO_MEDIATE_FILE_H
#define VFIO_MEDIATE_FILE_H

struct file;
struct vpm_transfer;

/**
 * vpm_file_create() - Make a file of a transfer
 * @transfer:	The transfer; held by the file from here on.
 *
 * Return: The file or an ERR_PTR.
 */
struct file *vpm_file_create(struct vpm_transfer *transfer);

#endif /* VFIO_MEDIATE_FILE_H */
