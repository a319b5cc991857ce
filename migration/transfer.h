/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Data transfer between a device and user space. A saving transfer belongs to one of the saving
 * states, a loading transfer to VFIO_DEVICE_STATE_RESUMING.
 */

#ifndef VFIO_MEDIATE_TRANSFER_H
#define VFIO_MEDIATE_TRANSFER_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "stream.h"

struct file;
struct iov_iter;
struct vpm_mig;
struct vpm_stats;

/**
 * struct vpm_transfer - A data transfer
 * @ref:	References: one of the state while the transfer lasts, one of the file.
 * @mig:	The migration. The transfer holds a reference.
 * @loading:	True for a loading transfer, false for a saving transfer.
 * @lock:	Held while user space reads or writes, including page faults on user memory.
 *		Outside of state_lock. Protects @buf.
 * @buf:	The current header or record, vpm_stream_buffer_size() bytes.
 * @start:	Saving: offset in @buf of the first unread byte. Written with @lock held.
 * @end:	Saving: number of bytes in @buf. Written with @lock held.
 * @bytes:	Bytes of the stream so far. Written with @lock held, or before there is a reader.
 * @ended:	The state of the transfer was left. state_lock of the migration protects @ended and
 *		all members below.
 * @epoch:	&vpm_mig.epoch at the start of the transfer.
 * @error:	The errno with which the transfer has failed, or 0.
 * @complete:	Saving: @buf holds the end record. Loading: the end record has arrived. Unless
 *		@error is set, the device has the new state.
 * @begun:	Loading: &vfio_mediate_migration_ops.load_begin has succeeded.
 * @starved:	Saving: the vendor has no record yet. Written with @lock held, too, like @wakes.
 * @wakes:	Saving: &vpm_mig.wakes before the vendor was last asked for a record.
 * @sequence:	Saving: number of records so far.
 * @index:	Number of records so far that the current callback has saved or loaded.
 * @saved:	Saving: payload bytes of the stopped device so far.
 * @initial:	Saving: the last initial estimate of vpm_transfer_estimate().
 * @anew:	Saving: the vendor has new initial data, of which user space was not told.
 * @parser:	Loading: the parser of the stream.
 * @filp:	The file, until user space gets it.
 */
struct vpm_transfer {
	struct kref ref;
	struct vpm_mig *mig;
	bool loading;
	struct mutex lock;	/* see above */
	void *buf;
	size_t start;
	size_t end;
	u64 bytes;
	bool ended;
	unsigned int epoch;
	int error;
	bool complete;
	bool begun;
	bool starved;
	int wakes;
	u32 sequence;
	u32 index;
	u64 saved;
	u64 initial;
	bool anew;
	struct vpm_parser parser;
	struct file *filp;
};

/**
 * vpm_transfer_create() - Create a transfer
 * @mig:	The migration.
 * @loading:	True for a loading transfer, false for a saving transfer.
 *
 * Context: Process context, may sleep. state_lock is held. A saving transfer calls the vendor.
 * Return: The transfer or an ERR_PTR.
 */
struct vpm_transfer *vpm_transfer_create(struct vpm_mig *mig, bool loading);

/**
 * vpm_transfer_get() - Take a reference on a transfer
 * @transfer:	The transfer.
 *
 * Context: Any.
 */
void vpm_transfer_get(struct vpm_transfer *transfer);

/**
 * vpm_transfer_put() - Drop the reference of vpm_transfer_get()
 * @transfer:	The transfer, freed with its last reference.
 *
 * Context: Process context, may sleep.
 */
void vpm_transfer_put(struct vpm_transfer *transfer);

/**
 * vpm_transfer_end() - End a transfer because its state was left
 * @transfer:	The transfer. The caller must not use it afterwards.
 *
 * Context: Process context. state_lock of the migration is held.
 */
void vpm_transfer_end(struct vpm_transfer *transfer);

/**
 * vpm_transfer_stopped() - Switch a saving transfer from pre-copy to stop-copy
 * @transfer:	The transfer.
 *
 * Records that are read afterwards come from the stopped device.
 *
 * Context: Process context. state_lock of the migration is held.
 */
void vpm_transfer_stopped(struct vpm_transfer *transfer);

/**
 * vpm_transfer_read() - Read a part of the migration stream
 * @transfer:	The saving transfer.
 * @to:		Destination buffer.
 * @nonblock:	Do not wait until the vendor has data.
 *
 * Context: Process context, may sleep. Takes @lock of the transfer, then state_lock. Waits for data
 * with @lock only.
 * Return:
 * * Number of bytes read, %0 at the end of the stream.
 * * %-EAGAIN: The vendor has no data yet, and @nonblock is set.
 * * %-ERESTARTSYS: The wait was interrupted.
 * * %-ENOMSG: No data is available before the device is stopped.
 * * %-ENODEV: The transfer has ended.
 * * %-EFAULT: The destination buffer cannot be written.
 * * Another errno with which the transfer has failed, the vendor's included.
 */
ssize_t vpm_transfer_read(struct vpm_transfer *transfer, struct iov_iter *to, bool nonblock);

/**
 * vpm_transfer_is_readable() - Check whether a read will return at once
 * @transfer:	The saving transfer.
 *
 * Context: Process context, may sleep. state_lock of the migration is held.
 * Return: False if the vendor has no data yet, or none before the device is stopped.
 */
bool vpm_transfer_is_readable(struct vpm_transfer *transfer);

/**
 * vpm_transfer_write() - Write a part of the migration stream
 * @transfer:	The loading transfer.
 * @from:	Source buffer.
 *
 * Context: Process context, may sleep. Takes @lock of the transfer, then state_lock.
 * Return: Number of bytes written. A negative errno when any part of the stream is rejected, even
 * after bytes were consumed.
 */
ssize_t vpm_transfer_write(struct vpm_transfer *transfer, struct iov_iter *from);

/**
 * vpm_transfer_loaded() - Check that the whole stream was loaded and applied
 * @transfer:	The loading transfer.
 *
 * Context: Process context. state_lock of the migration is held.
 * Return:
 * * %0: The device has the new state.
 * * %-EINVAL: The stream is incomplete.
 * * Another errno with which the transfer has failed.
 */
int vpm_transfer_loaded(struct vpm_transfer *transfer);

/**
 * vpm_transfer_account() - Add the figures of a transfer that ends to those of the migration
 * @transfer:	The transfer.
 * @stats:	Figures of the migration.
 *
 * Context: Process context. state_lock of the migration is held.
 */
void vpm_transfer_account(struct vpm_transfer *transfer, struct vpm_stats *stats);

/**
 * vpm_transfer_estimate() - Estimate how much data pre-copy can still read
 * @transfer:	The saving transfer.
 * @reinit:	The caller tells user space of new initial data.
 * @initial:	Set to the initial bytes that were not read yet. Never increases, unless 1 is
 *		returned.
 * @changed:	Set to the bytes that were added or have changed since.
 *
 * Context: Process context, may sleep. state_lock of the migration is held.
 * Return:
 * * %1: There is new initial data, and @reinit is set.
 * * %0: There is none.
 * * %-ENODEV: The vendor is gone.
 */
int vpm_transfer_estimate(struct vpm_transfer *transfer, bool reinit, u64 *initial,
			  u64 *changed);

/**
 * vpm_transfer_pending() - Estimate how much data can be read in the current state
 * @transfer:	The saving transfer.
 *
 * Context: Process context, may sleep. state_lock of the migration is held.
 * Return: The estimate in bytes. 0 only when the current state has no more data.
 */
u64 vpm_transfer_pending(struct vpm_transfer *transfer);

#endif /* VFIO_MEDIATE_TRANSFER_H */
