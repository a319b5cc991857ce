// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data transfer between a device and user space. A saving transfer belongs to one of the saving
 * states, a loading transfer to VFIO_DEVICE_STATE_RESUMING.
 */

#include <linux/file.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "mig.h"
#include "trace.h"
#include "transfer.h"
#include "vendor.h"

#define REASON_LOST	"device state was lost in a reset"

/*
 * Called at most once per transfer, since the error is sticky. @record: the one that has failed, if
 * it is a record that has.
 */
static void log_failure(struct vpm_transfer *transfer, int err, const char *reason,
			const struct vfio_mediate_record *record)
{
	const char *verb = transfer->loading ? "load" : "save";
	struct pci_dev *pdev = transfer->mig->pdev;
	char which[48] = "";

	trace_refused(pdev, verb, reason ?: "vendor driver failed", err);
	if (record)
		scnprintf(which, sizeof(which), " (record of type %u, %u bytes)", record->type,
			  record->length);
	if (reason)
		pci_notice_ratelimited(pdev, "failed to %s the device state: %s%s: %pe\n",
				       verb, reason, which, ERR_PTR(err));
	else
		pci_notice_ratelimited(pdev, "vendor driver failed to %s the device state%s: %pe\n",
				       verb, which, ERR_PTR(err));
}

static int fail_record(struct vpm_transfer *transfer, int err, const char *reason,
		       const struct vfio_mediate_record *record)
{
	if (err != -EAGAIN && err != -ERESTARTSYS) {
		transfer->error = err;
		log_failure(transfer, err, reason, record);
	}

	return err;
}

static int fail_transfer(struct vpm_transfer *transfer, int err, const char *reason)
{
	return fail_record(transfer, err, reason, NULL);
}

/* Call this after each exchange with the device. If it returns true, the data is invalid. */
static bool is_lost(struct vpm_transfer *transfer)
{
	unsigned int epoch;

	/* Order the exchange before the read of the epoch. Pairs with vpm_mig_note_loss(). */
	smp_mb();
	epoch = READ_ONCE(transfer->mig->epoch);

	return epoch != transfer->epoch || epoch & 1;
}

static bool is_stop_copy(struct vpm_transfer *transfer)
{
	return transfer->mig->state == VFIO_DEVICE_STATE_STOP_COPY;
}

static int save_record(struct vpm_transfer *transfer,
		       struct vfio_mediate_record *record)
{
	CLASS(vpm_call, call)(transfer->mig->session);
	const struct vfio_mediate_migration_ops *ops;

	if (!call.ops)
		return -ENODEV;

	ops = call.dev->migration;
	if (is_stop_copy(transfer))
		return ops->save(call.dev, record);

	return ops->pre_copy ? ops->pre_copy(call.dev, record) : 0;
}

/*
 * Fill the buffer with the next record, after the previous record was read.
 *
 * Return: 1 or a negative errno.
 */
static int next_record(struct vpm_transfer *transfer)
{
	struct vfio_mediate_record record = {
		.index = transfer->index,
		.data = vpm_stream_payload(transfer->buf),
	};
	int ret;

	transfer->starved = false;
	if (!is_stop_copy(transfer)) {
		ret = vpm_mig_check(transfer->mig);
		if (ret)
			return fail_transfer(transfer, ret, "dirty pages may be missing");
	}

	transfer->wakes = atomic_read(&transfer->mig->wakes);
	ret = save_record(transfer, &record);
	transfer->starved = ret == -EAGAIN;
	if (is_lost(transfer))
		return fail_transfer(transfer, -EIO, REASON_LOST);
	if (ret < 0)
		return fail_transfer(transfer, ret, NULL);
	if (!ret && !is_stop_copy(transfer))
		return -ENOMSG;
	if (!ret) {
		record.type = VPM_FORMAT_END;
		record.length = 0;
		record.optional = false;
		transfer->complete = true;
	} else if (record.type >= VFIO_MEDIATE_RECORD_TYPES ||
		   record.length > transfer->mig->id.record_max) {
		return fail_record(transfer, -EIO, "invalid record from the vendor driver",
				   &record);
	}

	transfer->start = 0;
	transfer->end = vpm_stream_put_record(transfer->buf, transfer->sequence,
					      record.type,
					      record.optional ?
					      VPM_FORMAT_OPTIONAL : 0,
					      record.length);
	trace_record(transfer->mig->pdev, false, transfer->sequence, record.type, record.length);
	transfer->bytes += transfer->end;
	transfer->sequence++;
	transfer->index++;
	if (is_stop_copy(transfer))
		transfer->saved += record.length;

	return 1;
}

/* Return: 1 when the buffer has data, 0 at the end of the stream, or a negative errno. */
static int refill(struct vpm_transfer *transfer)
{
	int ret;

	vpm_mig_lock(transfer->mig);
	if (transfer->ended)
		ret = -ENODEV;
	else if (transfer->start < transfer->end)
		ret = 1;
	else if (transfer->complete)
		ret = 0;
	else
		ret = transfer->error ?: next_record(transfer);
	vpm_mig_unlock(transfer->mig);

	return ret;
}

static bool is_woken(struct vpm_transfer *transfer)
{
	return atomic_read(&transfer->mig->wakes) != transfer->wakes;
}

/* Fill the buffer, and wait for the vendor if need be. Return: as for refill(). */
static int refill_wait(struct vpm_transfer *transfer, bool nonblock)
{
	int ret;

	for (;;) {
		ret = refill(transfer);
		if (ret != -EAGAIN || nonblock || !transfer->starved)
			return ret;
		/* A vendor may wake this task as often as it is asked. */
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
		ret = wait_event_interruptible(transfer->mig->wait, is_woken(transfer));
		if (ret)
			return ret;
	}
}

ssize_t vpm_transfer_read(struct vpm_transfer *transfer, struct iov_iter *to, bool nonblock)
{
	ssize_t done = 0;
	size_t part;
	int ret = 0;

	mutex_lock(&transfer->lock);
	while (iov_iter_count(to)) {
		ret = refill_wait(transfer, nonblock || done);
		if (ret <= 0)
			break;
		part = copy_to_iter(transfer->buf + transfer->start,
				    transfer->end - transfer->start, to);
		if (!part) {
			ret = -EFAULT;
			break;
		}
		WRITE_ONCE(transfer->start, transfer->start + part);
		done += part;
		if (signal_pending(current))
			break;
	}
	mutex_unlock(&transfer->lock);

	return done ?: ret;
}

/*
 * Any error of the vendor fails the transfer for good. -ERESTARTSYS would restart the system
 * call, which would then return the stored -ERESTARTSYS to user space: use -EINTR.
 */
static int load_result(int ret)
{
	return ret == -ERESTARTSYS ? -EINTR : min(ret, 0);
}

/*
 * Let the vendor begin to load, unless it has. @known: no more will be known of the source device.
 * A vendor that takes the state of other devices decides only then.
 */
static int load_begin(struct vpm_transfer *transfer, bool known)
{
	CLASS(vpm_call, call)(transfer->mig->session);
	struct vpm_parser *parser = &transfer->parser;
	const struct vfio_mediate_migration_ops *ops;
	int ret = 0;

	if (!call.ops)
		return -ENODEV;

	ops = call.dev->migration;
	if (ops->match && (!known || transfer->begun))
		return 0;

	if (parser->differs)
		ret = ops->match ? load_result(ops->match(call.dev, &parser->source)) : -EINVAL;
	if (ret) {
		parser->in_record = false;
		parser->reason = "saved from an incompatible device";
		return ret;
	}
	if (transfer->begun)
		return 0;

	ret = load_result(ops->load_begin(call.dev, parser->version, parser->features));
	transfer->begun = !ret;
	parser->in_record &= !ret;

	return ret;
}

static int load_record(struct vpm_transfer *transfer)
{
	CLASS(vpm_call, call)(transfer->mig->session);
	struct vpm_parser *parser = &transfer->parser;
	struct vfio_mediate_record record = {
		.index = transfer->index++,
		.type = parser->type,
		.optional = parser->optional,
		.length = parser->length,
		.data = parser->data,
	};
	int ret;

	if (!call.ops)
		return -ENODEV;

	ret = load_result(call.dev->migration->load(call.dev, &record));
	if (ret != -EOPNOTSUPP)
		return ret;
	if (parser->optional)
		return 0;
	parser->reason = "unknown record type or fields";

	return ret;
}

/*
 * Apply the state when the end record arrives, not when RESUMING is left. By then a VMM may
 * already have released the source.
 */
static int apply(struct vpm_transfer *transfer)
{
	CLASS(vpm_call, call)(transfer->mig->session);

	transfer->complete = true;
	transfer->parser.in_record = false;

	return call.ops ? load_result(call.dev->migration->apply(call.dev)) : -ENODEV;
}

static int load_next(struct vpm_transfer *transfer)
{
	int ret = vpm_parser_next(&transfer->parser);

	if (ret == VPM_PARSER_RECORD || ret == VPM_PARSER_END)
		trace_record(transfer->mig->pdev, true, transfer->parser.sequence - 1,
			     transfer->parser.type, transfer->parser.length);

	switch (ret) {
	case VPM_PARSER_HEADER:
		return load_begin(transfer, false);
	case VPM_PARSER_DEVICE:
		return load_begin(transfer, true);
	case VPM_PARSER_RECORD:
		return load_begin(transfer, true) ?: load_record(transfer);
	case VPM_PARSER_END:
		return load_begin(transfer, true) ?: apply(transfer);
	default:
		return ret;
	}
}

/* state_lock is held for one step of the parser. The transfer may end between two steps. */
static int parse(struct vpm_transfer *transfer)
{
	struct vpm_parser *parser = &transfer->parser;
	struct vfio_mediate_record record;
	bool complete;
	int ret;

	vpm_mig_lock(transfer->mig);
	complete = transfer->complete;
	ret = transfer->ended ? -ENODEV : transfer->error;
	if (!ret) {
		ret = load_next(transfer);
		/*
		 * Loss of a state that was applied earlier does not fail the transfer. The guest
		 * driver restarts instead, see end_loaded().
		 */
		if (!complete && is_lost(transfer)) {
			ret = -EIO;
			parser->reason = REASON_LOST;
			parser->in_record = false;
		}
		if (ret) {
			record.type = parser->type;
			record.length = parser->length;
			transfer->error = ret;
			log_failure(transfer, ret, parser->reason,
				    parser->in_record ? &record : NULL);
		}
	}
	vpm_mig_unlock(transfer->mig);

	return ret;
}

ssize_t vpm_transfer_write(struct vpm_transfer *transfer, struct iov_iter *from)
{
	struct vpm_parser *parser = &transfer->parser;
	ssize_t done = 0;
	size_t part;
	int ret;

	mutex_lock(&transfer->lock);
	ret = parse(transfer);
	while (!ret && iov_iter_count(from)) {
		/* Ignore other signals: with protocol v1 a partial write would lose data. */
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		part = copy_from_iter(parser->buf + parser->have,
				      parser->want - parser->have, from);
		if (!part) {
			ret = done ? 0 : -EFAULT;
			break;
		}
		parser->have += part;
		WRITE_ONCE(transfer->bytes, transfer->bytes + part);
		done += part;
		ret = parse(transfer);
	}
	mutex_unlock(&transfer->lock);

	return ret ?: done;
}

int vpm_transfer_loaded(struct vpm_transfer *transfer)
{
	if (transfer->error)
		return transfer->error;

	return transfer->complete ? 0 : fail_transfer(transfer, -EINVAL, "incomplete stream");
}

void vpm_transfer_account(struct vpm_transfer *transfer, struct vpm_stats *stats)
{
	struct vpm_outcome *outcome = &stats->outcome;

	stats->ended = true;
	stats->complete = transfer->complete &&
			  (transfer->loading ||
			   READ_ONCE(transfer->start) == READ_ONCE(transfer->end));
	outcome->direction = transfer->loading ? VFIO_MEDIATE_DIRECTION_LOAD :
						 VFIO_MEDIATE_DIRECTION_SAVE;
	outcome->error = transfer->error;
	outcome->bytes = READ_ONCE(transfer->bytes);
	outcome->records = transfer->loading ? transfer->parser.sequence : transfer->sequence;
}

int vpm_transfer_estimate(struct vpm_transfer *transfer, bool reinit, u64 *initial,
			  u64 *changed)
{
	CLASS(vpm_call, call)(transfer->mig->session);

	*initial = 0;
	*changed = 0;
	if (!call.ops)
		return -ENODEV;
	if (call.dev->migration->pre_copy &&
	    call.dev->migration->pre_copy_size(call.dev, initial, changed))
		transfer->anew = true;

	/* A concurrent read can change both members. An estimate tolerates that. */
	*initial += READ_ONCE(transfer->end) - READ_ONCE(transfer->start);
	if (reinit && transfer->anew) {
		transfer->anew = false;
		transfer->initial = *initial;
		return 1;
	}
	/* A VMM waits for the initial bytes, so report any growth as changed bytes. */
	if (*initial > transfer->initial)
		*changed += *initial - transfer->initial;
	*initial = min(*initial, transfer->initial);
	transfer->initial = *initial;

	return 0;
}

u64 vpm_transfer_pending(struct vpm_transfer *transfer)
{
	u64 initial, changed, buffered;
	s64 size;

	if (!is_stop_copy(transfer)) {
		vpm_transfer_estimate(transfer, false, &initial, &changed);
		return initial + changed;
	}

	buffered = READ_ONCE(transfer->end) - READ_ONCE(transfer->start);
	if (transfer->complete)
		return buffered;

	/* At least the end record is still to be read. */
	size = vpm_mig_size(transfer->mig) - (s64)transfer->saved;

	return buffered + max_t(s64, size, sizeof(struct vpm_format_record));
}

bool vpm_transfer_is_readable(struct vpm_transfer *transfer)
{
	if (READ_ONCE(transfer->start) < READ_ONCE(transfer->end))
		return true;
	if (transfer->starved && !is_woken(transfer))
		return false;

	return is_stop_copy(transfer) || vpm_transfer_pending(transfer);
}

void vpm_transfer_stopped(struct vpm_transfer *transfer)
{
	transfer->index = 0;
	vpm_mig_wake(transfer->mig);
}

/*
 * Write the stream header into the buffer of a saving transfer. If another device might load the
 * stream, a description of this device follows.
 */
static int put_header(struct vpm_transfer *transfer)
{
	CLASS(vpm_call, call)(transfer->mig->session);
	struct vpm_identity id = transfer->mig->id;
	const struct vfio_mediate_migration_ops *ops;
	u32 chosen = 0;
	int ret = 0;

	if (!call.ops)
		return -ENODEV;

	ops = call.dev->migration;
	if (transfer->mig->save_version)
		chosen = READ_ONCE(*transfer->mig->save_version);
	if (chosen && chosen != id.version) {
		if (!ops->save_as || chosen > id.version || chosen < id.min_version) {
			log_failure(transfer, -EOPNOTSUPP,
				    "the vendor driver has no such migration_version", NULL);
			return -EOPNOTSUPP;
		}
		id.version = chosen;
	}
	chosen = id.version;
	if (ops->save_as)
		ret = min(ops->save_as(call.dev, &id.version, &id.features), 0);
	if (ret)
		return ret;

	if (id.version < id.min_version || id.version > chosen || id.features & ~id.known)
		return -EIO;
	transfer->end = vpm_stream_put_header(transfer->buf, &id);
	if (ops->match) {
		transfer->end += vpm_stream_put_device(transfer->buf + transfer->end, &id.source);
		transfer->sequence++;
	}
	transfer->bytes = transfer->end;

	return 0;
}

struct vpm_transfer *vpm_transfer_create(struct vpm_mig *mig, bool loading)
{
	struct vpm_transfer *transfer;
	int ret = -ENOMEM;

	transfer = kzalloc(sizeof(*transfer), GFP_KERNEL_ACCOUNT);
	if (!transfer)
		return ERR_PTR(ret);
	/* Zeroed: user space reads the bytes of a record that the vendor does not write. */
	transfer->buf = kvzalloc(vpm_stream_buffer_size(&mig->id), GFP_KERNEL_ACCOUNT);
	if (!transfer->buf)
		goto err_free;

	kref_init(&transfer->ref);
	mutex_init(&transfer->lock);
	transfer->mig = mig;
	transfer->loading = loading;
	transfer->initial = U64_MAX;
	transfer->epoch = READ_ONCE(mig->epoch);
	ret = 0;
	if (loading)
		vpm_parser_init(&transfer->parser, &mig->id, transfer->buf);
	else
		ret = put_header(transfer);
	if (ret)
		goto err_destroy;

	vpm_mig_get(mig);

	return transfer;

err_destroy:
	mutex_destroy(&transfer->lock);
err_free:
	kvfree(transfer->buf);
	kfree(transfer);
	return ERR_PTR(ret);
}

void vpm_transfer_get(struct vpm_transfer *transfer)
{
	kref_get(&transfer->ref);
}

static void free_transfer(struct kref *ref)
{
	struct vpm_transfer *transfer = container_of(ref, struct vpm_transfer, ref);

	vpm_mig_put(transfer->mig);
	mutex_destroy(&transfer->lock);
	kvfree(transfer->buf);
	kfree(transfer);
}

void vpm_transfer_put(struct vpm_transfer *transfer)
{
	kref_put(&transfer->ref, free_transfer);
}

void vpm_transfer_end(struct vpm_transfer *transfer)
{
	transfer->ended = true;
	vpm_mig_wake(transfer->mig);
	/* User space never got the file. */
	if (transfer->filp)
		fput(transfer->filp);
	transfer->filp = NULL;
	vpm_transfer_put(transfer);
}
