// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediator_state: migrates VFs of an 82576 whose state is memory in an added region. Any
 * callback can be made to fail. Calls that break the rules of vfio_mediate_migration.h are
 * counted. It has no module alias, so that only a test loads it.
 */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <uapi/linux/vfio.h>

#include "registered.h"
#include "vfio_mediate.h"

#define STATE_DEVICE_82576_VF	0x10ca
#define STATE_TYPE	(VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI_VENDOR_ID_INTEL)
#define MAX_SIZE	(256 << 20)

/* Types of records */
#define RECORD_CHUNK	1	/* the state, in order */
#define RECORD_HINT	2	/* of pre_copy, ignored by load */
#define RECORD_NEW	3	/* unknown to load, optional, since version 2 */

static unsigned int size = 1 << 20;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "Size of the state of a device in bytes, a multiple of 4096");

static unsigned int record_max;
module_param(record_max, uint, 0644);
MODULE_PARM_DESC(record_max, "Largest record in bytes, or 0, for devices opened from now on");

static unsigned int version = 2;
module_param(version, uint, 0644);
MODULE_PARM_DESC(version, "Version of the state, for devices opened from now on");

static unsigned int min_version = 1;
module_param(min_version, uint, 0644);
MODULE_PARM_DESC(min_version, "Oldest version that can be loaded, for devices opened from now on");

static unsigned int features = 1;
module_param(features, uint, 0644);
MODULE_PARM_DESC(features, "Known features, for devices opened from now on");

static unsigned int used_features;
module_param(used_features, uint, 0644);
MODULE_PARM_DESC(used_features, "Features that the state uses, for devices opened from now on");

static bool p2p = true;
module_param(p2p, bool, 0644);
MODULE_PARM_DESC(p2p, "Offer quiesce, for devices opened from now on");

static bool tracked;
module_param(tracked, bool, 0644);
MODULE_PARM_DESC(tracked, "Track devices, which write nothing, for devices opened from now on");

static bool match;
module_param(match, bool, 0644);
MODULE_PARM_DESC(match, "Load the state of devices that differ, for devices opened from now on");

static unsigned int hints;
module_param(hints, uint, 0644);
MODULE_PARM_DESC(hints, "Number of records that pre_copy writes");

static bool anew;
module_param(anew, bool, 0644);
MODULE_PARM_DESC(anew, "pre_copy writes all records again, once");

static unsigned int late_ms;
module_param(late_ms, uint, 0644);
MODULE_PARM_DESC(late_ms, "Milliseconds until a record is ready that save was asked for, or 0");

static char fail[16];
module_param_string(fail, fail, sizeof(fail), 0644);
MODULE_PARM_DESC(fail, "Name of the callback that fails");

static int error;
module_param(error, int, 0644);
MODULE_PARM_DESC(error, "Return value of that callback, a negative errno");

static unsigned int wrong;
module_param(wrong, uint, 0444);
MODULE_PARM_DESC(wrong, "Number of calls that break the rules");

static unsigned int running;
module_param(running, uint, 0444);
MODULE_PARM_DESC(running, "Number of running devices");

static unsigned int arrivals;
module_param(arrivals, uint, 0444);
MODULE_PARM_DESC(arrivals, "Number of devices that have run with a loaded state");

enum level { RUNNING, QUIESCED, STOPPED };

/* An open device. Migration callbacks of a device are serialized. */
struct state {
	u8 *memory;
	u8 *loaded;	/* state that is being loaded, @arrived bytes so far, or NULL */
	unsigned int arrived;
	unsigned int saved;
	bool told;	/* the record after the state */
	u32 save_version;
	unsigned int hinted;
	bool saving;
	enum level level;
	bool loading;
	bool applied;	/* and has not run yet */
	bool busy;
	struct vfio_mediate_device *dev;
	struct delayed_work late;
	bool ready;
	struct vfio_mediate_extra_region region;
	struct vfio_mediate_migration_ops ops;
};

/* Begin a callback, which must end with leave(). Return: 0, or the errno to fail with. */
static int enter(struct state *state, const char *name, bool allowed)
{
	if (!allowed || state->busy)
		wrong++;
	state->busy = true;

	return strcmp(fail, name) ? 0 : error;
}

static int leave(struct state *state, int ret)
{
	state->busy = false;

	return ret;
}

static int set_level(struct state *state, const char *name, bool allowed,
		     enum level level)
{
	int ret = enter(state, name, allowed);

	/* The state is unknown, but the device does not count as running. */
	if (ret == -ENOTRECOVERABLE)
		level = STOPPED;
	if (!ret || ret == -ENOTRECOVERABLE) {
		running -= state->level == RUNNING;
		running += level == RUNNING;
		state->level = level;
		state->loading = false;
	}

	return leave(state, ret);
}

static int state_run(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;

	return set_level(state, "run", state->level != RUNNING, RUNNING);
}

static int state_quiesce(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;

	return set_level(state, "quiesce", state->level != QUIESCED, QUIESCED);
}

static int state_stop(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;
	enum level before = state->ops.quiesce ? QUIESCED : RUNNING;

	return set_level(state, "stop", state->level == before, STOPPED);
}

static u64 state_size(struct vfio_mediate_device *dev)
{
	return size;
}

static int state_save_as(struct vfio_mediate_device *dev, u32 *version, u64 *features)
{
	struct state *state = dev->handle;

	state->save_version = *version;

	return leave(state, enter(state, "save_as", !state->saving));
}

static int state_save_begin(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;
	int ret;

	ret = enter(state, "save_begin", !state->saving);
	state->saving = !ret;
	state->hinted = 0;

	return leave(state, ret);
}

static void state_save_end(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;

	enter(state, "save_end", state->saving);
	state->saving = false;
	leave(state, 0);
}

static void late_work(struct work_struct *work)
{
	struct state *state = container_of(work, struct state, late.work);

	WRITE_ONCE(state->ready, true);
	vfio_mediate_data_ready(state->dev);
}

/* Return: 0, or -EAGAIN if the next record is ready late_ms from the first call. */
static int check_ready(struct state *state)
{
	if (!late_ms || READ_ONCE(state->ready)) {
		state->ready = false;
		return 0;
	}
	schedule_delayed_work(&state->late, msecs_to_jiffies(late_ms));

	return -EAGAIN;
}

static int state_save(struct vfio_mediate_device *dev,
		      struct vfio_mediate_record *record)
{
	struct state *state = dev->handle;
	unsigned int left;
	int ret;

	ret = enter(state, "save", state->level == STOPPED && state->saving);
	if (!record->index) {
		state->saved = 0;
		state->told = false;
	}
	left = size - state->saved;
	ret = ret ?: check_ready(state);
	if (ret)
		return leave(state, ret);

	record->length = min(left, state->ops.record_max ?: VFIO_MEDIATE_RECORD_MAX);
	if (record->length) {
		record->type = RECORD_CHUNK;
		memcpy(record->data, state->memory + state->saved, record->length);
		state->saved += record->length;
		return leave(state, 1);
	}

	/* One more record after all others */
	if (state->told || state->save_version < 2)
		return leave(state, 0);
	state->told = true;
	record->type = RECORD_NEW;
	record->optional = true;

	return leave(state, 1);
}

static int state_pre_copy(struct vfio_mediate_device *dev,
			  struct vfio_mediate_record *record)
{
	struct state *state = dev->handle;
	int ret;

	ret = enter(state, "pre_copy", state->level != STOPPED && state->saving);
	if (ret || state->hinted >= hints)
		return leave(state, ret);

	state->hinted++;
	record->type = RECORD_HINT;
	record->length = 100;
	memset(record->data, 'h', record->length);

	return leave(state, 1);
}

static bool state_pre_copy_size(struct vfio_mediate_device *dev, u64 *initial,
				u64 *changed)
{
	struct state *state = dev->handle;
	bool begun = anew;

	anew = false;
	if (begun)
		state->hinted = 0;
	*initial = state->hinted < hints ? 100 * (hints - state->hinted) : 0;

	return begun;
}

static int state_match(struct vfio_mediate_device *dev, const struct vfio_mediate_source *source)
{
	struct state *state = dev->handle;

	return leave(state, enter(state, "match", state->level == STOPPED && !state->loaded));
}

static int state_load_begin(struct vfio_mediate_device *dev, u32 version,
			    u64 features)
{
	struct state *state = dev->handle;
	int ret;

	ret = enter(state, "load_begin", state->level == STOPPED && !state->loaded);
	if (ret)
		return leave(state, ret);

	state->loaded = __vmalloc(size, GFP_KERNEL_ACCOUNT);
	state->loading = state->loaded;
	state->arrived = 0;

	return leave(state, state->loaded ? 0 : -ENOMEM);
}

static void state_load_end(struct vfio_mediate_device *dev, int error)
{
	struct state *state = dev->handle;

	enter(state, "load_end", state->loaded && error <= 0 &&
	      (error || (state->level == RUNNING && state->applied)));
	vfree(state->loaded);
	state->loaded = NULL;
	state->loading = false;
	state->applied = false;
	arrivals += !error;
	leave(state, 0);
}

static int load_chunk(struct state *state, const struct vfio_mediate_record *record)
{
	if (record->length > size - state->arrived)
		return -EMSGSIZE;

	memcpy(state->loaded + state->arrived, record->data, record->length);
	state->arrived += record->length;

	return 0;
}

static int state_load(struct vfio_mediate_device *dev,
		      const struct vfio_mediate_record *record)
{
	struct state *state = dev->handle;
	int ret;

	ret = enter(state, "load", state->level == STOPPED && state->loading);
	if (!ret && record->type == RECORD_CHUNK)
		ret = load_chunk(state, record);
	else if (!ret && record->type != RECORD_HINT)
		ret = -EOPNOTSUPP;

	return leave(state, ret);
}

static int state_apply(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;
	int ret;

	ret = enter(state, "apply", state->level == STOPPED && state->loading);
	if (!ret && state->arrived != size)
		ret = -EINVAL;
	if (!ret)
		memcpy(state->memory, state->loaded, size);
	state->loading = false;
	state->applied = !ret;

	return leave(state, ret);
}

static int state_track_start(struct vfio_mediate_device *dev)
{
	return 0;
}

static void state_track_stop(struct vfio_mediate_device *dev)
{
}

static int state_track_scan(struct vfio_mediate_device *dev)
{
	return 0;
}

static const struct vfio_mediate_tracking_ops state_tracking = {
	.start = state_track_start,
	.stop = state_track_stop,
	.scan = state_track_scan,
};

static void state_free(struct state *state)
{
	vfree(state->loaded);
	vfree(state->memory);
	kfree(state);
}

static int state_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	struct state *state;

	if (pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    pdev->device != STATE_DEVICE_82576_VF)
		return -ENODEV;

	state = kzalloc(sizeof(*state), GFP_KERNEL_ACCOUNT);
	if (!state)
		return -ENOMEM;
	state->memory = vmalloc_user(size);
	if (!state->memory) {
		state_free(state);
		return -ENOMEM;
	}

	state->region = (struct vfio_mediate_extra_region) {
		.type = STATE_TYPE,
		.subtype = 3,
		.size = size,
		.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			 VFIO_REGION_INFO_FLAG_MMAP,
	};
	state->ops = (struct vfio_mediate_migration_ops) {
		.version = version,
		.min_version = min_version,
		.features = features,
		.record_max = record_max,
		.run = state_run,
		.quiesce = p2p ? state_quiesce : NULL,
		.stop = state_stop,
		.size = state_size,
		.save_as = state_save_as,
		.save_begin = state_save_begin,
		.save_end = state_save_end,
		.save = state_save,
		.pre_copy = state_pre_copy,
		.pre_copy_size = state_pre_copy_size,
		.match = match ? state_match : NULL,
		.load_begin = state_load_begin,
		.load = state_load,
		.apply = state_apply,
		.load_end = state_load_end,
	};
	state->dev = dev;
	INIT_DELAYED_WORK(&state->late, late_work);
	dev->handle = state;
	dev->extra_regions = &state->region;
	dev->num_extra_regions = 1;
	dev->migration = &state->ops;
	dev->migration_features = used_features;
	dev->tracking = tracked ? &state_tracking : NULL;
	running++;

	return 0;
}

static void state_release(struct vfio_mediate_device *dev)
{
	struct state *state = dev->handle;

	cancel_delayed_work_sync(&state->late);
	wrong += state->busy;
	running -= state->level == RUNNING;
	state_free(state);
}

static int state_rw(struct vfio_mediate_device *dev,
		    struct vfio_mediate_access *access)
{
	struct state *state = dev->handle;
	__le64 value = cpu_to_le64(access->value);

	if (access->write)
		memcpy(state->memory + access->offset, &value, access->width);
	else
		memcpy(&value, state->memory + access->offset, access->width);
	access->value = le64_to_cpu(value);

	return 0;
}

static int state_mmap(struct vfio_mediate_device *dev, u32 region, u64 offset,
		      u64 length, void **memory)
{
	struct state *state = dev->handle;

	*memory = state->memory;

	return 0;
}

static const struct vfio_pci_mediate_ops state_ops = {
	.name = "state",
	.owner = THIS_MODULE,
	.open = state_open,
	.release = state_release,
	.rw = state_rw,
	.mmap = state_mmap,
};

static int __init mediator_state_init(void)
{
	if (!size || size > MAX_SIZE || !PAGE_ALIGNED(size))
		return -EINVAL;

	return register_ops(&state_ops);
}
module_init(mediator_state_init);

static void __exit mediator_state_exit(void)
{
	vfio_pci_unregister_mediate_ops(&state_ops);
}
module_exit(mediator_state_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test mediator: devices with state that can be migrated");
