/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of data transfers with protocol v2.
 */

#ifndef VFIO_MEDIATE_FILE_H
#define VFIO_MEDIATE_FILE_H

struct vpm_transfer;

/**
 * vpm_file_create() - Create the file of a transfer
 * @transfer:	The transfer. The file holds a reference. &vpm_transfer.filp is set to the file.
 *
 * Context: Process context, may sleep. state_lock of the migration is held.
 * Return: 0 or a negative errno.
 */
int vpm_file_create(struct vpm_transfer *transfer);

#endif /* VFIO_MEDIATE_FILE_H */
