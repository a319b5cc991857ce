// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps of BAR pages while the guest runs.
 *
 * When pages become trapped, their mappings are removed. The next access by a mapping faults in a
 * shadow page. None of this depends on the VMM. Once the trap is reported as on, no access bypasses
 * the vendor driver. A write to a page before the trap never reaches the device after a later
 * write.
 */

#include <linux/eventfd.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "device.h"
#include "events.h"
#include "irqs.h"
#include "params.h"
#include "reset.h"
#include "shadow.h"
#include "trace.h"
#include "trap.h"
#include "vendor.h"

#define DEFAULT_DRAIN_US	200
#define MAX_DRAIN_US	USEC_PER_SEC

bool vpm_trap_overlaps(const struct vpm_trap_area *area, u64 region, u64 offset, u64 size)
{
	return area->region == region && offset < area->offset + area->size &&
	       area->offset < offset + size;
}

struct vpm_trap_area *vpm_trap_find_area(struct vpm_device *vpm, u64 region, u64 offset,
					 u64 size)
{
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_trap_area *area;

	for (area = trap->areas; area < trap->areas + trap->num_areas; area++)
		if (vpm_trap_overlaps(area, region, offset, size))
			return area;

	return NULL;
}

struct vpm_shadow_page *vpm_trap_find_page(struct vpm_trap_area *area, u64 offset)
{
	if (!area->pages)
		return NULL;

	return &area->pages[(offset - area->offset) >> PAGE_SHIFT];
}

bool vpm_trap_can_shadow(struct vpm_device *vpm, u32 region, u64 offset)
{
	return vpm_trap_find_area(vpm, region, offset, 1)->pages;
}

static void drain_pages(struct vpm_device *vpm, bool all)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned int i, writes = 0;

	for (i = 0; i < trap->num_pages; i++) {
		writes += vpm_shadow_drain(&trap->pages[i].shadow, all);
		cond_resched();
	}
	if (writes || all)
		trace_drain(vpm->core.pdev, all, writes);
}

static void drain_with_memory(struct vpm_device *vpm, bool all)
{
	vpm_vendor_memory_begin(&vpm->vendor);
	drain_pages(vpm, all);
	vpm_vendor_memory_end(&vpm->vendor);
}

static unsigned int drain_us(struct vpm_trap *trap)
{
	unsigned int us = vpm_params_drain_us() ?: trap->drain_us ?: DEFAULT_DRAIN_US;

	return min_t(unsigned int, us, MAX_DRAIN_US);
}

void vpm_trap_drain(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	lockdep_assert_held(&vpm->vendor.lock);

	/*
	 * Skip if there is no shadow, if the writes precede a reset, or if reads would resume the
	 * device.
	 */
	if (trap->state == VPM_TRAP_SHADOW && !vpm_reset_pending(vpm) &&
	    !compat_read_flag(vpm->core.pm_runtime_engaged))
		drain_with_memory(vpm, false);
}

static int drainer(void *data)
{
	struct vpm_device *vpm = data;
	struct vpm_trap *trap = &vpm->trap;
	ktime_t interval;

	set_freezable();
	while (!kthread_freezable_should_stop(NULL)) {
		wait_event_freezable(trap->resumed,
				     !READ_ONCE(trap->paused) || kthread_should_stop());
		interval = ns_to_ktime((u64)drain_us(trap) * NSEC_PER_USEC);
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule_hrtimeout_range(&interval, interval / 4,
						 HRTIMER_MODE_REL);
		__set_current_state(TASK_RUNNING);

		mutex_lock(&vpm->vendor.lock);
		vpm_trap_drain(vpm);
		mutex_unlock(&vpm->vendor.lock);
	}

	return 0;
}

void vpm_trap_pause(struct vpm_device *vpm, bool paused)
{
	WRITE_ONCE(vpm->trap.paused, paused);
	wake_up(&vpm->trap.resumed);
}

static void stop_drainer(struct vpm_trap *trap)
{
	if (trap->drainer)
		kthread_stop(trap->drainer);
	trap->drainer = NULL;
}

static int start_drainer(struct vpm_device *vpm)
{
	struct task_struct *task;

	task = kthread_run(drainer, vpm, "vpm-drain/%s",
			   pci_name(vpm->core.pdev));
	if (IS_ERR(task))
		return PTR_ERR(task);
	vpm->trap.drainer = task;

	return 0;
}

/* The vendor lock suffices. User space may keep writing to shadow pages that it has mapped. */
static void fill_shadows(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned int i;

	lockdep_assert_held(&vpm->vendor.lock);

	/* Page faults wait, since they would map the shadow page. */
	vpm_vendor_deny_memory(&vpm->vendor, true);
	for (i = 0; i < trap->num_pages; i++)
		vpm_shadow_fill(&trap->pages[i].shadow);
	vpm_vendor_deny_memory(&vpm->vendor, false);
}

/*
 * Remove all mappings of the pages and take fault_lock for write. A task that accesses a page waits
 * in the fault handler.
 *
 * KVM faults a page in, then looks up the page table entry. If the entry is gone, KVM returns an
 * error to the VMM, which fails. KVM holds mmap_lock meanwhile, so hold mmap_lock here too.
 */
static void zap_and_block_faults(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;
	struct mm_struct *mm = vpm_mapper_lock(&trap->mapper);
	struct vpm_trap_area *area;

	down_write(&trap->fault_lock);

	for (area = trap->areas; area < trap->areas + trap->num_areas; area++)
		unmap_mapping_range(vpm->core.vdev.inode->i_mapping,
				    VFIO_PCI_INDEX_TO_OFFSET(area->region) +
				    area->offset, area->size, true);

	vpm_mapper_unlock(mm);
}

static void set_state(struct vpm_device *vpm, enum vpm_trap_state state)
{
	struct vpm_trap *trap = &vpm->trap;
	bool drained;

	mutex_lock(&vpm->vendor.lock);
	if (state != VPM_TRAP_OFF && !trap->trapped) {
		WRITE_ONCE(trap->trapped, true);
		vfio_mediate_synchronize(vpm->session);
	}

	zap_and_block_faults(vpm);
	drained = trap->state != VPM_TRAP_SHADOW || vpm_reset_pending(vpm);
	/*
	 * Dirty tracking holds the trap, so it is off here. fault_lock may be held, but the vendor
	 * driver cannot access guest memory meanwhile.
	 */
	if (!drained && state == VPM_TRAP_OFF) {
		vpm_vendor_deny_memory(&vpm->vendor, true);
		drain_pages(vpm, true);
		vpm_vendor_deny_memory(&vpm->vendor, false);
	}
	if (state == VPM_TRAP_SHADOW)
		fill_shadows(vpm);
	trap->state = state;
	up_write(&trap->fault_lock);

	/* A vendor driver that tracks dirty pages reads guest memory. Release fault_lock before. */
	if (!drained && state == VPM_TRAP_EXACT)
		drain_with_memory(vpm, true);
	if (state == VPM_TRAP_OFF)
		WRITE_ONCE(trap->trapped, false);
	mutex_unlock(&vpm->vendor.lock);
}

/* Number the state that the VMM is notified of. */
static void notify_vmm(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	trap->sequence++;
	vpm_irqs_signal_trap(vpm);
	if (trap->region_eventfd)
		eventfd_signal(trap->region_eventfd);
}

/* Return: true if pages without a shadow prevent the change. */
static bool is_refused(struct vpm_device *vpm, enum vpm_trap_state state)
{
	if (state != VPM_TRAP_SHADOW || vpm->trap.shadowable)
		return false;

	trace_refused(vpm->core.pdev, "trap", "pages are mapped", -EBUSY);
	pci_info_ratelimited(vpm->core.pdev,
			     "not trapped: the VMM must first unmap pages that cannot be shadowed\n");

	return true;
}

static int change_state(struct vpm_device *vpm, enum vpm_trap_state state)
{
	int ret;

	if (state == vpm->trap.state)
		return 0;
	if (is_refused(vpm, state))
		return -EBUSY;

	if (state == VPM_TRAP_SHADOW) {
		ret = start_drainer(vpm);
		if (ret)
			return ret;
	}
	set_state(vpm, state);
	if (state != VPM_TRAP_SHADOW)
		stop_drainer(&vpm->trap);

	return 0;
}

static int check_usable(struct vpm_trap *trap)
{
	/* Pairs with start() in trap_setup.c. Before start(), no other member is valid. */
	if (smp_load_acquire(&trap->gone))
		return -ENODEV;

	return trap->num_areas ? 0 : -EOPNOTSUPP;
}

/*
 * Notify the VMM and the vendor driver of a change, and of a reset that releases their hold. Do not
 * notify the vendor driver of its own change (@by). The tracker needs no notification, because only
 * the tracker releases its hold.
 */
static void notify_holders(struct vpm_device *vpm, enum vpm_trap_state was, unsigned long by,
			   unsigned long released)
{
	struct vpm_trap *trap = &vpm->trap;
	bool on = trap->state != VPM_TRAP_OFF;
	bool changed = on != (was != VPM_TRAP_OFF);

	if (changed || released & BIT(VPM_TRAP_VMM))
		notify_vmm(vpm);
	if ((changed && !(by & BIT(VPM_TRAP_VENDOR))) || released & BIT(VPM_TRAP_VENDOR))
		vpm_vendor_trap_changed(vpm, on, released & BIT(VPM_TRAP_VENDOR));
}

/* Set holders and state, then notify. @by, @released: see notify_holders(). */
static int set_holders(struct vpm_device *vpm, unsigned long holders,
		       enum vpm_trap_state state, unsigned long by, unsigned long released)
{
	struct vpm_trap *trap = &vpm->trap;
	enum vpm_trap_state was = trap->state;
	int ret;

	lockdep_assert_held(&trap->toggle_lock);

	ret = check_usable(trap);
	if (!ret)
		ret = change_state(vpm, state);
	if (ret)
		return ret;
	trap->holders = holders;
	vpm_events_trap(vpm);
	notify_holders(vpm, was, by, released);

	return 0;
}

static enum vpm_trap_state state_for(const struct vpm_trap *trap, unsigned long holders)
{
	if (!holders)
		return VPM_TRAP_OFF;

	/* Do not give shadows back to a VMM that has unmapped the pages. */
	return trap->state == VPM_TRAP_OFF ? VPM_TRAP_SHADOW : trap->state;
}

int vpm_trap_hold_locked(struct vpm_device *vpm, enum vpm_trap_holder holder, bool hold)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned long holders = trap->holders & ~BIT(holder);

	if (hold)
		holders |= BIT(holder);

	return set_holders(vpm, holders, state_for(trap, holders), BIT(holder), 0);
}

int vpm_trap_hold_exact(struct vpm_device *vpm, u64 sequence)
{
	lockdep_assert_held(&vpm->trap.toggle_lock);

	if (sequence != vpm->trap.sequence)
		return -EAGAIN;

	return set_holders(vpm, vpm->trap.holders | BIT(VPM_TRAP_VMM), VPM_TRAP_EXACT,
			   BIT(VPM_TRAP_VMM), 0);
}

int vpm_trap_ack(struct vpm_device *vpm, u64 sequence)
{
	struct vpm_trap *trap = &vpm->trap;

	lockdep_assert_held(&trap->toggle_lock);

	/* The VMM may have mapped pages since that state. */
	if (sequence != trap->sequence)
		return -EAGAIN;

	return set_holders(vpm, trap->holders,
			   trap->state == VPM_TRAP_OFF ? VPM_TRAP_OFF : VPM_TRAP_EXACT,
			   BIT(VPM_TRAP_VMM), 0);
}

int vpm_trap_host(void *data, bool on)
{
	struct vpm_device *vpm = data;

	guard(mutex)(&vpm->trap.toggle_lock);

	return vpm_trap_hold_locked(vpm, VPM_TRAP_VENDOR, on);
}

int vpm_trap_hold(struct vpm_device *vpm, enum vpm_trap_holder holder)
{
	int ret;

	guard(mutex)(&vpm->trap.toggle_lock);
	ret = vpm_trap_hold_locked(vpm, holder, true);

	return ret == -EOPNOTSUPP ? 0 : ret;
}

void vpm_trap_release(struct vpm_device *vpm, enum vpm_trap_holder holder)
{
	guard(mutex)(&vpm->trap.toggle_lock);
	vpm_trap_hold_locked(vpm, holder, false);
}

void vpm_trap_flush(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	if (!READ_ONCE(trap->trapped))
		return;

	mutex_lock(&vpm->vendor.lock);
	if (trap->state == VPM_TRAP_SHADOW && !vpm_reset_pending(vpm) &&
	    !READ_ONCE(trap->gone) && !compat_read_flag(vpm->core.pm_runtime_engaged))
		drain_with_memory(vpm, true);
	mutex_unlock(&vpm->vendor.lock);
}

int vpm_trap_rw(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_shadow_page *page = NULL;
	struct vpm_trap_area *area;
	int ret = VPM_RETRY;

	mutex_lock(&vpm->vendor.lock);
	if (trap->state == VPM_TRAP_OFF)
		goto out;
	if (trap->state == VPM_TRAP_SHADOW) {
		area = vpm_trap_find_area(vpm, access->region, access->offset,
					  access->width);
		page = vpm_trap_find_page(area, access->offset);
	}

	vpm_vendor_memory_begin(&vpm->vendor);
	/* Writes to the shadow page precede this access. */
	if (page && !vpm_reset_pending(vpm) && !READ_ONCE(trap->gone))
		vpm_shadow_drain(&page->shadow, true);
	ret = vpm_vendor_rw(vpm, access);
	if (page && access->write && !ret)
		vpm_shadow_written(&page->shadow, offset_in_page(access->offset),
				   access->width, access->value);
	vpm_vendor_memory_end(&vpm->vendor);
out:
	mutex_unlock(&vpm->vendor.lock);

	return ret;
}

void vpm_trap_reset_done(struct vpm_device *vpm, bool function)
{
	unsigned long released = function ? BIT(VPM_TRAP_VENDOR) | BIT(VPM_TRAP_VMM) : 0;
	struct vpm_trap *trap = &vpm->trap;
	unsigned long left;

	guard(mutex)(&trap->toggle_lock);

	left = trap->holders & ~released;
	released &= trap->holders;
	if (released)
		set_holders(vpm, left, state_for(trap, left), 0, released);

	guard(mutex)(&vpm->vendor.lock);
	/* After a detach, shadow pages stay filled with ones. */
	if (trap->state == VPM_TRAP_SHADOW && !READ_ONCE(trap->gone))
		fill_shadows(vpm);
}

void vpm_trap_stop(struct vpm_device *vpm, bool detached)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned int i;

	guard(mutex)(&trap->toggle_lock);
	WRITE_ONCE(trap->gone, true);
	stop_drainer(trap);
	if (!detached)
		return;

	guard(mutex)(&vpm->vendor.lock);
	if (trap->state == VPM_TRAP_SHADOW)
		for (i = 0; i < trap->num_pages; i++)
			memset(trap->pages[i].shadow.mem, 0xff, PAGE_SIZE);
}
