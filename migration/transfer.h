/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A data transfer: what user space saves while a device is in one of the saving
 * states, or loads while it is in VFIO_DEVICE_STATE_RESUMING.
 */

#ifndef VFIO_MEDIATE_TRANSFER_H
#define VFIO_MEDIATE_TRANSFER_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "stream.h"

struct file;
struct iov_iter;
struct vpm_mig;

/**
 * struct vpm_transfer - A data transfer
 * @ref:	The state has one while it lasts, and a file.
 * @mig:	Whose it is.
 * @loading:	Which of the two.
 * @lock:	Held while user space reads or writes, page faults in its memory
 *		included. state_lock is inside. Protects @buf.
 * @buf:	The header or record that is being read or written, of
 *		VPM_STREAM_BUFFER bytes.
 * @start:	Saving: what of @buf is read. Written with @lock held.
 * @end:	Saving: bytes in @buf. Likewise.
 * @ended:	The state that it belongs to has been left. This and all below
 *		are under the migration's state_lock.
 * @epoch:	&vpm_mig.epoch when it began.
 * @error:	Why it cannot go on, 0 while it can.
 * @complete:	Saving: the end is in @buf. Loading: it has come, and if there is no
 *		@error, all is in the device.
 * @sequence:	Saving: records so far.
 * @index:	Records so far that came from, or went to, the same callback.
 * @saved:	Saving: bytes of payload from the stopped device.
 * @initial:	Saving: what vpm_transfer_estimate() has said last.
 * @parser:	Loading.
 * @filp:	Its file, until user space gets it.
 * @wait:	Woken when what poll() says may have changed.
 */
struct vpm_transfer {
	struct kref ref;
	struct vpm_mig *mig;
	bool loading;
	struct mutex lock;	/* see above */
	void *buf;
	size_t start;
	size_t end;
	bool ended;
	unsigned int epoch;
	int error;
	bool complete;
	u32 sequence;
	u32 index;
	u64 saved;
	u64 initial;
	struct vpm_parser parser;
	struct file *filp;
	wait_queue_head_t wait;
};

/**
 * vpm_transfer_create() - Begin a transfer
 * @mig:	Whose it is; locked.
 * @loading:	Which way.
 *
 * Return: The transfer or an ERR_PTR.
 */
struct vpm_transfer *vpm_transfer_create(struct vpm_mig *mig, bool loading);

/**
 * vpm_transfer_get() - Hold on to the memory of a transfer
 * @transfer:	The transfer.
 */
void vpm_transfer_get(struct vpm_transfer *transfer);

/**
 * vpm_transfer_put() - Undo vpm_transfer_get()
 * @transfer:	The transfer.
 */
void vpm_transfer_put(struct vpm_transfer *transfer);

/**
 * vpm_transfer_end() - The state that a transfer belongs to has been left
 * @transfer:	The transfer, whose migration is locked; not to be used any more.
 */
void vpm_transfer_end(struct vpm_transfer *transfer);

/**
 * vpm_transfer_stopped() - What is read next comes from the stopped device
 * @transfer:	The transfer, whose migration is locked.
 */
void vpm_transfer_stopped(struct vpm_transfer *transfer);

/**
 * vpm_transfer_read() - Save a part of the device's state
 * @transfer:	The transfer.
 * @to:		Where to.
 *
 * Return: Bytes, 0 at the end; -ENOMSG when there is nothing before the device is
 * stopped; -ENODEV when the transfer has ended; -EFAULT; the vendor's errno.
 */
ssize_t vpm_transfer_read(struct vpm_transfer *transfer, struct iov_iter *to);

/**
 * vpm_transfer_write() - Load a part of a device's state
 * @transfer:	The transfer.
 * @from:	The part.
 *
 * Return: Bytes; a negative errno as soon as anything in it was wrong.
 */
ssize_t vpm_transfer_write(struct vpm_transfer *transfer, struct iov_iter *from);

/**
 * vpm_transfer_loaded() - Whether all was written, and is in the device
 * @transfer:	The transfer, whose migration is locked.
 *
 * Return: 0 or a negative errno.
 */
int vpm_transfer_loaded(struct vpm_transfer *transfer);

/**
 * vpm_transfer_estimate() - How much can be saved before the device is stopped
 * @transfer:	The transfer, whose migration is locked.
 * @initial:	Bytes that were there at first and have not been given yet. Never more
 *		than the last time.
 * @changed:	Bytes that have come since, or are no longer right.
 *
 * Return: 0 or -ENODEV.
 */
int vpm_transfer_estimate(struct vpm_transfer *transfer, u64 *initial,
			  u64 *changed);

/**
 * vpm_transfer_pending() - How much is still to be saved
 * @transfer:	The transfer, whose migration is locked.
 *
 * Return: Bytes, as an estimate; 0 only when there is nothing more to be read in
 * the state that the device is in.
 */
u64 vpm_transfer_pending(struct vpm_transfer *transfer);

#endif /* VFIO_MEDIATE_TRANSFER_H */
