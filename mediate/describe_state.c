// SPDX-License-Identifier: GPL-2.0-only
/* Save and load the state of a described device. */

#include <linux/delay.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "described.h"
#include "session.h"

bool vfio_mediate_pre_copy = true;
EXPORT_SYMBOL_NS_GPL(vfio_mediate_pre_copy, VFIO_MEDIATE_HOST_NS);
module_param_named(pre_copy, vfio_mediate_pre_copy, bool, 0644);
MODULE_PARM_DESC(pre_copy, "Send records of described devices that a destination can check while the device is running. Turn it off for a destination that does not know this feature of the stream. Read when a migration begins");

static struct describe_state *alloc_state(struct vfio_mediate_described *d)
{
	return kzalloc(struct_size_t(struct describe_state, data, d->size), GFP_KERNEL_ACCOUNT);
}

static void end_saving(struct vfio_mediate_described *d)
{
	if (!d->saving)
		return;

	kfree(d->saving->sent);
	kfree(d->saving->now);
	kfree(d->saving);
	d->saving = NULL;
}

/* The device runs with the loaded state, or will not: what is pending is dropped. */
static void end_loading(struct vfio_mediate_described *d)
{
	scoped_guard(mutex, &d->lock)
		d->pending = 0;
	kfree(d->loading);
	d->loading = NULL;
}

/* Have the device and the guest's driver go on with what was pending. */
static int kick(struct vfio_mediate_device *dev)
{
	const struct vfio_mediate_description *desc = dev->described->desc;
	int ret = describe_kick_tails(dev);

	return !ret && desc->kick ? min(desc->kick(dev), 0) : ret;
}

static int stop_once(struct vfio_mediate_device *dev, bool quiesce)
{
	struct vfio_mediate_described *d = dev->described;
	int ret = quiesce ? d->desc->quiesce(dev) : d->desc->stop(dev);

	if (ret >= 0) {
		vfio_mediate_announce_stop(&d->announce);
		d->quiesced = quiesce;
		WRITE_ONCE(d->stopped, true);
	}

	return ret;
}

/*
 * A device that could not be stopped goes on as before. If it runs, what is pending may be late:
 * that is no reason to take it for lost.
 */
static int call_stop(struct vfio_mediate_device *dev, bool quiesce)
{
	struct vfio_mediate_described *d = dev->described;
	int ret = stop_once(dev, quiesce), undone;

	if (ret >= 0 || ret == -ENOTRECOVERABLE)
		return ret;

	if (d->stopped) {
		undone = stop_once(dev, d->quiesced);
	} else {
		undone = d->desc->run(dev);
		if (undone >= 0)
			kick(dev);
	}

	return undone < 0 ? -ENOTRECOVERABLE : ret;
}

static int quiesce(struct vfio_mediate_device *dev)
{
	return call_stop(dev, true);
}

static int stop(struct vfio_mediate_device *dev)
{
	return call_stop(dev, false);
}

static int run(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	int ret;

	scoped_guard(mutex, &d->lock) {
		d->untracked |= d->pending & DESCRIBE_PENDING_RINGS;
		ret = describe_write_pending(dev, DESCRIBE_PENDING_RINGS | DESCRIBE_PENDING_RUN);
	}
	if (ret)
		return ret;

	/* From now on, what the device has written may change after it was looked at. */
	WRITE_ONCE(d->stopped, false);
	ret = d->desc->run(dev);
	if (ret < 0) {
		WRITE_ONCE(d->stopped, true);
		return ret;
	}

	ret = kick(dev);
	if (ret && stop_once(dev, d->quiesced) < 0)
		return -ENOTRECOVERABLE;

	return ret;
}

static u64 size(struct vfio_mediate_device *dev)
{
	return dev->described->size;
}

static int save_as(struct vfio_mediate_device *dev, u32 *version, u64 *features)
{
	struct vfio_mediate_described *d = dev->described;
	int ret = 0;

	*features &= ~d->desc->pre_copy;
	if (READ_ONCE(vfio_mediate_pre_copy))
		*features |= d->desc->pre_copy;
	if (d->desc->save_as)
		ret = d->desc->save_as(dev, version, features);
	d->pre_copy = *features & d->desc->pre_copy;

	return ret;
}

static int save_begin(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;

	d->saving = kzalloc(sizeof(*d->saving), GFP_KERNEL_ACCOUNT);
	if (!d->saving)
		return -ENOMEM;
	d->saving->sent = alloc_state(d);
	d->saving->now = alloc_state(d);
	if (d->saving->sent && d->saving->now)
		return 0;

	end_saving(d);

	return -ENOMEM;
}

static void save_end(struct vfio_mediate_device *dev)
{
	end_saving(dev->described);
}

static int get_counters(struct vfio_mediate_device *dev, __le32 *val)
{
	unsigned int i;
	int ret = 0;
	u32 value;

	for (i = 0; i < dev->described->desc->num_counters && !ret; i++) {
		ret = describe_read_counter(dev, i, &value);
		val[i] = cpu_to_le32(value);
	}

	return ret;
}

/* Read a record from the device, to be found in @now of the state that is being saved. */
static int get_record(struct vfio_mediate_device *dev, unsigned int i)
{
	struct vfio_mediate_described *d = dev->described;
	const struct describe_record *record = &d->records[i];
	void *now = d->saving->now->data + record->offset;
	int ret;

	memset(now, 0, record->size);
	if (record->kind == DESCRIBE_COUNTERS)
		ret = get_counters(dev, now);
	else
		ret = describe_read_regs(dev, record);
	if (!ret && record->part && record->part->get)
		ret = min(record->part->get(dev, now), 0);
	if (ret && ret != -EAGAIN && ret != -ERESTARTSYS)
		pci_notice_ratelimited(dev->pdev, "cannot save the record of type %u: %pe\n",
				       record->type, ERR_PTR(ret));

	return ret;
}

/*
 * Read a record from the device. Return 1 if it is to be sent, 0 if the destination has it, or a
 * negative errno.
 */
static int record_changed(struct vfio_mediate_device *dev, unsigned int i)
{
	struct vfio_mediate_described *d = dev->described;
	const struct describe_record *record = &d->records[i];
	struct describe_saving *saving = d->saving;
	int ret;

	ret = get_record(dev, i);
	if (ret)
		return ret;

	return !(saving->sent->present & BIT_ULL(i)) ||
	       memcmp(saving->sent->data + record->offset, saving->now->data + record->offset,
		      record->size);
}

/* Fill a record if it is to be sent. Return as record_changed() does. */
static int save_changed(struct vfio_mediate_device *dev, unsigned int i,
			struct vfio_mediate_record *to)
{
	struct vfio_mediate_described *d = dev->described;
	const struct describe_record *record = &d->records[i];
	struct describe_saving *saving = d->saving;
	int ret = record_changed(dev, i);

	if (ret <= 0)
		return ret;

	to->type = record->type;
	to->optional = record->optional;
	to->length = record->size;
	memcpy(to->data, saving->now->data + record->offset, record->size);
	memcpy(saving->sent->data + record->offset, to->data, record->size);
	saving->sent->present |= BIT_ULL(i);

	return 1;
}

static int save(struct vfio_mediate_device *dev, struct vfio_mediate_record *to)
{
	struct vfio_mediate_described *d = dev->described;
	int ret = 0;

	if (!to->index)
		d->saving->next = 0;
	while (!ret && d->saving->next < d->num_records) {
		ret = save_changed(dev, d->saving->next, to);
		/* After -EAGAIN the same record is tried again. */
		d->saving->next += ret >= 0;
	}

	return ret;
}

static bool is_early(const struct vfio_mediate_described *d, unsigned int i)
{
	return d->pre_copy && d->records[i].early;
}

static int pre_copy(struct vfio_mediate_device *dev, struct vfio_mediate_record *to)
{
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < d->num_records && !ret; i++)
		if (is_early(d, i))
			ret = save_changed(dev, i, to);

	return ret;
}

static bool pre_copy_size(struct vfio_mediate_device *dev, u64 *initial, u64 *changed)
{
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;

	for (i = 0; i < d->num_records; i++) {
		if (!is_early(d, i) || record_changed(dev, i) <= 0)
			continue;
		if (d->saving->sent->present & BIT_ULL(i))
			*changed += d->records[i].size;
		else
			*initial += d->records[i].size;
	}

	return false;
}

static int load_begin(struct vfio_mediate_device *dev, u32 version, u64 features)
{
	struct vfio_mediate_described *d = dev->described;

	d->loading = alloc_state(d);
	d->resend = features & d->desc->pre_copy;

	return d->loading ? 0 : -ENOMEM;
}

static int find_record(const struct vfio_mediate_described *d, u16 type)
{
	unsigned int i;

	for (i = 0; i < d->num_records; i++)
		if (d->records[i].type == type)
			return i;

	return -EOPNOTSUPP;
}

/*
 * Take the content of a record. The source may let an older destination skip one that it does not
 * know: that is not an error.
 */
static int take_record(struct vfio_mediate_device *dev, const struct vfio_mediate_record *from,
		       const struct describe_record *record, void *data)
{
	int ret = vfio_mediate_take_record(from, data, record->size, record->min_size);

	if (ret == -EOPNOTSUPP && !from->optional)
		ret = -EMSGSIZE;
	if (ret == -EMSGSIZE)
		pci_notice_ratelimited(dev->pdev, "record of type %u: %u bytes, %u are known and the rest is not 0\n",
				       from->type, from->length, record->size);
	else if (ret == -EINVAL)
		pci_notice_ratelimited(dev->pdev, "record of type %u: %u bytes, %u are needed\n",
				       from->type, from->length, record->min_size);

	return ret;
}

static int load(struct vfio_mediate_device *dev, const struct vfio_mediate_record *from)
{
	struct vfio_mediate_described *d = dev->described;
	const struct describe_record *record;
	void *data;
	int i, ret;

	i = find_record(d, from->type);
	if (i < 0)
		return i;
	/* After pre-copy, a record that has changed is sent again. */
	if (d->loading->present & BIT_ULL(i) && !d->resend) {
		pci_notice_ratelimited(dev->pdev, "record of type %u: came twice\n", from->type);
		return -EINVAL;
	}

	/* However often user space sends it, this takes the vendor little time. */
	if (d->loading->present & BIT_ULL(i))
		fsleep(1000);
	record = &d->records[i];
	data = d->loading->data + record->offset;
	ret = take_record(dev, from, record, data);
	if (ret)
		return ret;
	d->loading->present |= BIT_ULL(i);

	return record->part && record->part->check ? record->part->check(dev, data) : 0;
}

static int put_counters(struct vfio_mediate_device *dev, const __le32 *val)
{
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;
	int ret = 0;
	u32 value;

	for (i = 0; i < d->desc->num_counters && !ret; i++) {
		ret = describe_device_counter(dev, i, &value);
		if (!ret)
			WRITE_ONCE(d->counter_base[i], le32_to_cpu(val[i]) - value);
	}

	return ret;
}

static int put_record(struct vfio_mediate_device *dev, unsigned int i)
{
	struct vfio_mediate_described *d = dev->described;
	const struct describe_record *record = &d->records[i];
	const void *data = d->loading->data + record->offset;
	int ret = 0;

	if (!(d->loading->present & BIT_ULL(i)))
		return 0;
	if (record->kind == DESCRIBE_COUNTERS)
		ret = put_counters(dev, data);
	if (record->part && record->part->put)
		ret = min(record->part->put(dev, data), 0);
	if (ret)
		pci_notice_ratelimited(dev->pdev, "cannot apply the record of type %u: %pe\n",
				       record->type, ERR_PTR(ret));

	return ret;
}

static int apply(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_described *d = dev->described;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < d->num_records; i++)
		if (!d->records[i].optional && !(d->loading->present & BIT_ULL(i)))
			break;
	if (i < d->num_records) {
		pci_notice_ratelimited(dev->pdev, "record of type %u: is missing\n",
				       d->records[i].type);
		return -EINVAL;
	}

	for (i = 0; i < d->num_records && !ret; i++)
		ret = put_record(dev, i);

	return ret ? ret : describe_apply_regs(dev);
}

static void load_end(struct vfio_mediate_device *dev, int error)
{
	struct vfio_mediate_described *d = dev->described;
	const char *what;

	if (error && d->desc->net)
		d->desc->net->put(dev, NULL, &d->guest, &what);
	end_loading(d);
	if (d->desc->load_end)
		d->desc->load_end(dev, error);
	if (!error && d->desc->net && d->desc->net->netdev)
		vfio_mediate_announce_start(&d->announce);
}

const void *vfio_mediate_loaded(struct vfio_mediate_device *dev, u16 type)
{
	struct vfio_mediate_described *d = dev->described;
	int i = find_record(d, type);

	return i < 0 || !(d->loading->present & BIT_ULL(i)) ? NULL :
		d->loading->data + d->records[i].offset;
}
EXPORT_SYMBOL_GPL(vfio_mediate_loaded);

/**
 * describe_init_state() - Make the callbacks that save and load
 * @d:	The device.
 *
 * Context: Any context.
 */
void describe_init_state(struct vfio_mediate_described *d)
{
	d->migration = (struct vfio_mediate_migration_ops){
		.version = d->desc->version,
		.min_version = d->desc->min_version,
		.features = d->desc->features,
		.run = run,
		.quiesce = d->desc->quiesce ? quiesce : NULL,
		.stop = stop,
		.size = size,
		.save_as = save_as,
		.save_begin = save_begin,
		.save_end = save_end,
		.save = save,
		.pre_copy = d->desc->pre_copy ? pre_copy : NULL,
		.pre_copy_size = d->desc->pre_copy ? pre_copy_size : NULL,
		.load_begin = load_begin,
		.load = load,
		.apply = apply,
		.load_end = load_end,
	};
}

/**
 * describe_free_state() - Free what is being saved or loaded
 * @d:	The device. No callback runs.
 *
 * Context: Process context.
 */
void describe_free_state(struct vfio_mediate_described *d)
{
	end_saving(d);
	end_loading(d);
}
