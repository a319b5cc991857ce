// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is told of a device: in sysfs, by generic netlink and by uevents.
 *
 * An operation only notes an event, with whatever locks it holds. A work item tells it. Nobody who
 * owns a device can load the host by events: a device has room for a few that are not told yet, and
 * only so many uevents a second. The number of an event shows that others were lost.
 */

#include <linux/kobject.h>
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "device.h"
#include "events.h"
#include "names.h"
#include "netlink.h"
#include "trace.h"

/* A migration has less than this burst. */
#define UEVENT_INTERVAL		(2 * HZ)
#define UEVENT_BURST		32

/* Room in the queue for events that are not limited */
#define RESERVED		4

static_assert(VFIO_MEDIATE_TRAP_STATE_SHADOW == (int)VPM_TRAP_SHADOW);
static_assert(VFIO_MEDIATE_TRAP_STATE_EXACT == (int)VPM_TRAP_EXACT);
static_assert(BIT(VPM_TRAP_VENDOR) == VFIO_MEDIATE_TRAP_HOLDER_VENDOR);
static_assert(BIT(VPM_TRAP_VMM) == VFIO_MEDIATE_TRAP_HOLDER_VMM);
static_assert(BIT(VPM_TRAP_TRACKER) == VFIO_MEDIATE_TRAP_HOLDER_TRACKER);
static_assert(VFIO_MEDIATE_POWER_STATE_UNKNOWN == (__force int)PCI_UNKNOWN);

static int add_figures(struct kobj_uevent_env *env, const struct vpm_event *event)
{
	const struct vpm_outcome *outcome = &event->outcome;

	switch (event->cmd) {
	case VFIO_MEDIATE_CMD_DETACH_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=detach") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_VENDOR=%s", event->vendor);
	case VFIO_MEDIATE_CMD_TRAP_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=trap") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_TRAP=%s", vpm_trap_name(event->trap));
	case VFIO_MEDIATE_CMD_STATE_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=state") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_STATE=%s",
				      vpm_state_name(event->state)) ?:
		       add_uevent_var(env, "VFIO_MEDIATE_TRACKED=%s",
				      vpm_tracked_name(event->tracked));
	case VFIO_MEDIATE_CMD_MIGRATION_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=migration") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_DIRECTION=%s",
				      outcome->direction ? "load" : "save") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_OUTCOME=%s",
				      vpm_outcome_name(outcome->outcome)) ?:
		       add_uevent_var(env, "VFIO_MEDIATE_ERROR=%d", outcome->error);
	case VFIO_MEDIATE_CMD_RESET_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=reset") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_RESET=%s", vpm_reset_name(event->reset)) ?:
		       add_uevent_var(env, "VFIO_MEDIATE_UNEXPECTED=%d", event->unexpected);
	case VFIO_MEDIATE_CMD_RELEASE_NTF:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=release");
	default:
		return add_uevent_var(env, "VFIO_MEDIATE_EVENT=power") ?:
		       add_uevent_var(env, "VFIO_MEDIATE_POWER_STATE=%s",
				      pci_power_name((__force pci_power_t)event->power_state)) ?:
		       add_uevent_var(env, "VFIO_MEDIATE_LOW_POWER=%d", event->low_power);
	}
}

static void send_uevent(struct vpm_events *events, const struct vpm_event *event)
{
	struct kobj_uevent_env *env = kzalloc(sizeof(*env), GFP_KERNEL);

	if (!env)
		return;
	if (!add_uevent_var(env, "VFIO_MEDIATE_SEQ=%llu", event->seq) &&
	    !add_figures(env, event))
		kobject_uevent_env(&events->pdev->dev.kobj, KOBJ_CHANGE, env->envp);
	kfree(env);
}

static bool take_event(struct vpm_events *events, struct vpm_event *event)
{
	bool found;

	spin_lock(&events->lock);
	found = events->count;
	if (found) {
		*event = events->queue[events->first];
		events->first = (events->first + 1) % VPM_EVENTS_MAX;
		events->count--;
	}
	spin_unlock(&events->lock);

	return found;
}

static void tell_events(struct work_struct *work)
{
	struct vpm_events *events = container_of(work, struct vpm_events, work);
	struct vpm_event event;
	unsigned int n;

	for (n = 0; n < VPM_EVENTS_MAX; n++) {
		if (!take_event(events, &event))
			return;
		vpm_netlink_send(events, &event);
		if (event.uevent)
			send_uevent(events, &event);
	}
	/* Events may come as fast as they are told: let other work run. */
	queue_work(vpm_wq, &events->work);
}

/* The owner of a device can cause all events but two as often as it likes. */
static bool is_limited(const struct vpm_event *event)
{
	return event->cmd != VFIO_MEDIATE_CMD_DETACH_NTF &&
	       event->cmd != VFIO_MEDIATE_CMD_RELEASE_NTF;
}

static void queue_event(struct vpm_events *events, struct vpm_event *event)
{
	unsigned int last, limit = VPM_EVENTS_MAX;

	lockdep_assert_held(&events->lock);

	/* A flood leaves room for what its author does not cause. */
	if (is_limited(event))
		limit -= RESERVED;
	if (events->count >= limit)
		return;
	event->seq = events->seq;
	event->time = ktime_get_ns();
	last = (events->first + events->count) % VPM_EVENTS_MAX;
	events->queue[last] = *event;
	events->count++;
	queue_work(vpm_wq, &events->work);
}

static void note_event(struct vpm_events *events, struct vpm_event *event)
{
	events->seq++;
	event->uevent = !is_limited(event) || __ratelimit(&events->uevents);
	if (event->uevent || vpm_netlink_wanted())
		queue_event(events, event);
}

/*
 * Note an open, a claim or a close. User space can open and close a device in a loop, which has to
 * cost what it costs with in-tree vfio-pci: there are no uevents.
 */
static void note_open(struct vpm_events *events, u8 cmd)
{
	struct vpm_event event;

	events->seq++;
	if (!vpm_netlink_wanted())
		return;

	event.cmd = cmd;
	event.uevent = false;
	strscpy(event.vendor, events->status.vendor, sizeof(event.vendor));
	queue_event(events, &event);
}

void vpm_events_opened(struct vpm_device *vpm)
{
	struct vpm_events *events = vpm->events;

	spin_lock(&events->lock);
	events->status.open = true;
	note_open(events, VFIO_MEDIATE_CMD_OPEN_NTF);
	spin_unlock(&events->lock);
}

void vpm_events_closed(struct vpm_device *vpm)
{
	struct vpm_events *events = vpm->events;
	struct vpm_status *status = &events->status;
	bool told;

	spin_lock(&events->lock);
	told = status->open || events->claimed;
	*status = (struct vpm_status){ .error = status->error };
	events->claimed = false;
	if (told)
		note_open(events, VFIO_MEDIATE_CMD_CLOSE_NTF);
	spin_unlock(&events->lock);
}

void vpm_events_release(struct vpm_device *vpm)
{
	struct vpm_event event = { .cmd = VFIO_MEDIATE_CMD_RELEASE_NTF };

	spin_lock(&vpm->events->lock);
	note_event(vpm->events, &event);
	spin_unlock(&vpm->events->lock);
}

void vpm_events_power(struct vpm_device *vpm)
{
	struct vpm_status *status = &vpm->events->status;
	struct vpm_event event = { .cmd = VFIO_MEDIATE_CMD_POWER_NTF };

	event.power_state = (__force u32)READ_ONCE(vpm->core.pdev->current_state);
	event.low_power = compat_read_flag(vpm->core.pm_runtime_engaged);

	spin_lock(&vpm->events->lock);
	if (status->power_state == event.power_state && status->low_power == event.low_power)
		goto unlock;
	status->power_state = event.power_state;
	status->low_power = event.low_power;
	note_event(vpm->events, &event);
unlock:
	spin_unlock(&vpm->events->lock);
}

void vpm_events_trap(struct vpm_device *vpm)
{
	struct vpm_status *status = &vpm->events->status;
	struct vpm_event event = {
		.cmd = VFIO_MEDIATE_CMD_TRAP_NTF,
		.trap = (enum vfio_mediate_trap_state)vpm->trap.state,
		.holders = vpm->trap.holders,
	};

	spin_lock(&vpm->events->lock);
	if (status->trap == event.trap && status->holders == event.holders)
		goto unlock;
	status->trap = event.trap;
	status->holders = event.holders;
	trace_trap(vpm->core.pdev, event.trap, event.holders);
	note_event(vpm->events, &event);
unlock:
	spin_unlock(&vpm->events->lock);
}

void vpm_events_migratable(struct vpm_device *vpm)
{
	spin_lock(&vpm->events->lock);
	vpm->events->status.migratable = true;
	vpm->events->status.state = VFIO_DEVICE_STATE_RUNNING;
	spin_unlock(&vpm->events->lock);
}

static bool begins_migration(enum vfio_device_mig_state old, enum vfio_device_mig_state state)
{
	switch (state) {
	case VFIO_DEVICE_STATE_PRE_COPY:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
	case VFIO_DEVICE_STATE_STOP_COPY:
		return old == VFIO_DEVICE_STATE_RUNNING || old == VFIO_DEVICE_STATE_RUNNING_P2P ||
		       old == VFIO_DEVICE_STATE_STOP;
	case VFIO_DEVICE_STATE_RESUMING:
		return true;
	default:
		return false;
	}
}

void vpm_events_state(struct vpm_device *vpm, enum vfio_device_mig_state old,
		      enum vfio_device_mig_state state)
{
	struct vpm_status *status = &vpm->events->status;
	struct vpm_event event = {
		.cmd = VFIO_MEDIATE_CMD_STATE_NTF,
		.old_state = old,
		.state = state,
	};

	spin_lock(&vpm->events->lock);
	status->state = state;
	if (begins_migration(old, state))
		status->error = 0;
	event.tracked = status->tracked;
	note_event(vpm->events, &event);
	spin_unlock(&vpm->events->lock);
}

void vpm_events_error(struct vpm_device *vpm, int error)
{
	spin_lock(&vpm->events->lock);
	vpm->events->status.error = error;
	spin_unlock(&vpm->events->lock);
}

void vpm_events_tracked(struct vpm_device *vpm, enum vfio_mediate_tracked tracked)
{
	struct vpm_events *events = vpm->events;

	spin_lock(&events->lock);
	events->status.tracked = tracked;
	if (tracked != VFIO_MEDIATE_TRACKED_NO)
		events->tracked = tracked;
	spin_unlock(&events->lock);
}

void vpm_events_migrated(struct vpm_device *vpm, struct vpm_outcome *outcome)
{
	struct vpm_event event = { .cmd = VFIO_MEDIATE_CMD_MIGRATION_NTF };
	struct vpm_events *events = vpm->events;

	spin_lock(&events->lock);
	outcome->tracked = events->tracked;
	events->tracked = events->status.tracked;
	outcome->pages = atomic64_xchg(&events->pages, 0);
	if (outcome->outcome == VFIO_MEDIATE_OUTCOME_FAILED)
		events->status.error = outcome->error;
	event.outcome = *outcome;
	note_event(events, &event);
	spin_unlock(&events->lock);
}

void vpm_events_status(struct vpm_device *vpm, struct vpm_status *status)
{
	spin_lock(&vpm->events->lock);
	*status = vpm->events->status;
	spin_unlock(&vpm->events->lock);
}

/* The vendor driver is not detached before all parts have started. */
static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	struct vpm_events *events = vpm->events;

	spin_lock(&events->lock);
	strscpy(events->status.vendor, ops->name, sizeof(events->status.vendor));
	events->tracked = VFIO_MEDIATE_TRACKED_NO;
	atomic64_set(&events->pages, 0);
	spin_unlock(&events->lock);

	return 0;
}

static void start(struct vpm_device *vpm)
{
	spin_lock(&vpm->events->lock);
	vpm->events->claimed = true;
	note_open(vpm->events, VFIO_MEDIATE_CMD_CLAIM_NTF);
	spin_unlock(&vpm->events->lock);
}

static void detach(struct vpm_device *vpm)
{
	struct vpm_event event = { .cmd = VFIO_MEDIATE_CMD_DETACH_NTF };
	struct vpm_events *events = vpm->events;

	spin_lock(&events->lock);
	strscpy(event.vendor, events->status.vendor, sizeof(event.vendor));
	trace_detach(vpm->core.pdev, event.vendor);
	note_event(events, &event);
	*events->status.vendor = '\0';
	events->status.tracked = VFIO_MEDIATE_TRACKED_NO;
	spin_unlock(&events->lock);
}

/* Resets at open and close belong to these. */
static void reset_note(struct vpm_device *vpm, enum vpm_reset_event kind)
{
	struct vpm_event event = { .cmd = VFIO_MEDIATE_CMD_RESET_NTF };

	lockdep_assert_held(&vpm->reset_lock);

	if (!vpm->reset.open)
		return;
	event.reset = kind == VPM_FUNCTION_RESET ? VFIO_MEDIATE_RESET_KIND_FUNCTION :
		      kind == VPM_STATE_LOST ? VFIO_MEDIATE_RESET_KIND_STATE_LOST :
					       VFIO_MEDIATE_RESET_KIND_STATE_LOSS;
	event.unexpected = kind != VPM_FUNCTION_RESET || vpm->reset.unexpected;
	trace_reset(vpm->core.pdev, event.reset, vpm->reset.generation, event.unexpected);

	spin_lock(&vpm->events->lock);
	note_event(vpm->events, &event);
	spin_unlock(&vpm->events->lock);
}

static int init(struct vpm_device *vpm)
{
	struct vpm_events *events = kzalloc(sizeof(*events), GFP_KERNEL_ACCOUNT);

	if (!events)
		return -ENOMEM;

	/* vfio_pci_core has not set its own pointer yet. */
	events->pdev = to_pci_dev(vpm->core.vdev.dev);
	spin_lock_init(&events->lock);
	ratelimit_state_init(&events->uevents, UEVENT_INTERVAL, UEVENT_BURST);
	/* Log nothing of uevents that are left out. */
	ratelimit_set_flags(&events->uevents, RATELIMIT_MSG_ON_RELEASE);
	INIT_WORK(&events->work, tell_events);
	vpm->events = events;

	return 0;
}

static void registered(struct vpm_device *vpm)
{
	vpm_netlink_add(vpm->events);
}

static void remove(struct vpm_device *vpm)
{
	vpm_netlink_remove(vpm->events);
	/* The close of the device is told before the device is gone. The work may queue itself. */
	while (flush_work(&vpm->events->work))
		;
}

static void release(struct vpm_device *vpm)
{
	kfree(vpm->events);
	vpm->events = NULL;
}

const struct vpm_part vpm_events_part = {
	.load = vpm_netlink_load,
	.unload = vpm_netlink_unload,
	.init = init,
	.release = release,
	.registered = registered,
	.remove = remove,
	.setup = setup,
	.start = start,
	.teardown = vpm_events_closed,
	.detach = detach,
	.reset_note = reset_note,
};
