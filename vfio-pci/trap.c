// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trapping pages of BARs while the guest runs.
 *
 * Where pages are trapped, their mappings have been taken away, and the next
 * access through one faults in a shadow. Whatever the VMM knows or does, from the
 * moment the trap is reported as on nothing reaches the pages past the vendor, and
 * nothing that was written to one before is written after what comes later.
 */

#include <linux/eventfd.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "device.h"
#include "irqs.h"
#include "params.h"
#include "regions.h"
#include "reset.h"
#include "shadow.h"
#include "track.h"
#include "trap.h"
#include "trap_region.h"

#define MAX_PAGES	1024
#define DRAIN_US	200
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

static int page_rw(struct vpm_shadow *shadow, const struct vfio_mediate_reg *reg,
		   bool write, u64 *value)
{
	struct vpm_shadow_page *page =
		container_of(shadow, struct vpm_shadow_page, shadow);
	struct vfio_mediate_access access = {
		.region = page->region,
		.offset = page->offset + reg->offset,
		.width = reg->width,
		.write = write,
		.value = *value,
		.from_shadow = write,
	};
	int ret;

	ret = vpm_vendor_rw(page->vpm, &access);
	*value = access.value;

	return ret;
}

static void drain_pages(struct vpm_trap *trap, bool all)
{
	unsigned int i;

	for (i = 0; i < trap->num_pages; i++) {
		vpm_shadow_drain(&trap->pages[i].shadow, all);
		cond_resched();
	}
}

static void drain(struct vpm_trap *trap, bool all)
{
	vpm_trap_enter_memory(trap);
	drain_pages(trap, all);
	vpm_trap_leave_memory(trap);
}

static unsigned int drain_us(struct vpm_trap *trap)
{
	unsigned int us = vpm_params_drain_us() ?: trap->drain_us ?: DRAIN_US;

	return min_t(unsigned int, us, MAX_DRAIN_US);
}

void vpm_trap_drain(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	lockdep_assert_held(&trap->drain_lock);

	/* Otherwise nobody can have written, or reading would wake the device. */
	if (trap->state == VPM_TRAP_SHADOW && !vpm_reset_pending(vpm) &&
	    !READ_ONCE(vpm->core.pm_runtime_engaged))
		drain(trap, false);
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

		mutex_lock(&trap->drain_lock);
		vpm_trap_drain(vpm);
		mutex_unlock(&trap->drain_lock);
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

/* With drain_lock alone: who has the pages mapped may go on to write to them. */
static void fill(struct vpm_trap *trap)
{
	unsigned int i;

	lockdep_assert_held(&trap->drain_lock);

	for (i = 0; i < trap->num_pages; i++)
		vpm_shadow_fill(&trap->pages[i].shadow);
}

/*
 * Takes fault_lock for write, with all mappings of the pages gone: who touches one
 * waits in the fault handler.
 *
 * KVM faults a page in, then looks up what it got, and has the VMM fail when that
 * is gone in between. It holds mmap_lock meanwhile: so must who takes it away.
 */
static void hold_faults(struct vpm_device *vpm)
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

	mutex_lock(&trap->drain_lock);
	if (state != VPM_TRAP_OFF && !trap->trapped) {
		WRITE_ONCE(trap->trapped, true);
		vfio_mediate_synchronize(vpm->session);
	}

	hold_faults(vpm);
	drained = trap->state != VPM_TRAP_SHADOW || vpm_reset_pending(vpm);
	/* It is not tracked then, so no memory need be read under fault_lock. */
	if (!drained && state == VPM_TRAP_OFF)
		drain_pages(trap, true);
	if (state == VPM_TRAP_SHADOW)
		fill(trap);
	trap->state = state;
	up_write(&trap->fault_lock);

	/* Without fault_lock: a vendor who notes what is written reads memory. */
	if (!drained && state == VPM_TRAP_EXACT)
		drain(trap, true);
	if (state == VPM_TRAP_OFF)
		WRITE_ONCE(trap->trapped, false);
	mutex_unlock(&trap->drain_lock);
}

static void tell(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	if (trap->eventfd)
		eventfd_signal(trap->eventfd);
	vpm_irqs_signal_trap(vpm);
}

static int trap_set(struct vpm_device *vpm, enum vpm_trap_state state)
{
	struct vpm_trap *trap = &vpm->trap;
	bool was_on = trap->state != VPM_TRAP_OFF;
	bool on = state != VPM_TRAP_OFF;
	int ret;

	lockdep_assert_held(&trap->toggle_lock);

	/* Pairs with vpm_trap_start(): before it, nothing else can be trusted. */
	if (smp_load_acquire(&trap->gone))
		return -ENODEV;
	if (!trap->num_areas)
		return -EOPNOTSUPP;
	if (!on && trap->held)
		return -EBUSY;
	/* A VMM that does without a shadow does not get one back by itself. */
	if (state == VPM_TRAP_SHADOW && was_on)
		return 0;
	if (state == trap->state)
		return 0;
	if (state == VPM_TRAP_SHADOW && !trap->shadowable) {
		pci_info_ratelimited(vpm->core.pdev,
				     "not trapped: the VMM must first unmap pages that cannot be shadowed\n");
		return -EBUSY;
	}

	if (state == VPM_TRAP_SHADOW) {
		ret = start_drainer(vpm);
		if (ret)
			return ret;
	}
	set_state(vpm, state);
	if (state != VPM_TRAP_SHADOW)
		stop_drainer(trap);

	if (on != was_on)
		tell(vpm);

	return 0;
}

int vpm_trap_want(struct vpm_device *vpm, enum vpm_trap_state state)
{
	int ret = trap_set(vpm, state);

	if (!ret)
		vpm->trap.held_only = false;

	return ret;
}

int vpm_trap_host(void *data, bool on)
{
	struct vpm_device *vpm = data;
	int ret;

	mutex_lock(&vpm->trap.toggle_lock);
	ret = vpm_trap_want(vpm, on ? VPM_TRAP_SHADOW : VPM_TRAP_OFF);
	mutex_unlock(&vpm->trap.toggle_lock);

	return ret;
}

int vpm_trap_hold(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;
	bool was_on;
	int ret;

	mutex_lock(&trap->toggle_lock);
	was_on = trap->state != VPM_TRAP_OFF;
	ret = trap_set(vpm, VPM_TRAP_SHADOW);
	if (!ret) {
		trap->held = true;
		trap->held_only = !was_on;
	}
	mutex_unlock(&trap->toggle_lock);

	return ret == -EOPNOTSUPP ? 0 : ret;
}

void vpm_trap_release(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	mutex_lock(&trap->toggle_lock);
	trap->held = false;
	if (trap->held_only)
		trap_set(vpm, VPM_TRAP_OFF);
	trap->held_only = false;
	mutex_unlock(&trap->toggle_lock);
}

int vpm_trap_ack(struct vpm_device *vpm)
{
	if (vpm->trap.state == VPM_TRAP_OFF)
		return 0;

	return trap_set(vpm, VPM_TRAP_EXACT);
}

void vpm_trap_flush(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	if (!READ_ONCE(trap->trapped))
		return;

	mutex_lock(&trap->drain_lock);
	if (trap->state == VPM_TRAP_SHADOW && !vpm_reset_pending(vpm) &&
	    !READ_ONCE(trap->gone) && !READ_ONCE(vpm->core.pm_runtime_engaged))
		drain(trap, true);
	mutex_unlock(&trap->drain_lock);
}

int vpm_trap_rw(struct vpm_device *vpm, struct vfio_mediate_access *access)
{
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_shadow_page *page = NULL;
	struct vpm_trap_area *area;
	int ret = VPM_NOT_NOW;

	mutex_lock(&trap->drain_lock);
	if (trap->state == VPM_TRAP_OFF)
		goto out;
	if (trap->state == VPM_TRAP_SHADOW) {
		area = vpm_trap_find_area(vpm, access->region, access->offset,
					  access->width);
		page = vpm_trap_find_page(area, access->offset);
	}

	vpm_trap_enter_memory(trap);
	/* What was written through the shadow was written earlier. */
	if (page && !vpm_reset_pending(vpm) && !READ_ONCE(trap->gone))
		vpm_shadow_drain(&page->shadow, true);
	ret = vpm_vendor_rw(vpm, access);
	if (page && access->write && !ret)
		vpm_shadow_written(&page->shadow, offset_in_page(access->offset),
				   access->width, access->value);
	vpm_trap_leave_memory(trap);
out:
	mutex_unlock(&trap->drain_lock);

	return ret;
}

void vpm_trap_reset_done(struct vpm_device *vpm, bool off)
{
	struct vpm_trap *trap = &vpm->trap;

	mutex_lock(&trap->toggle_lock);
	if (off && !trap->held)
		trap_set(vpm, VPM_TRAP_OFF);

	mutex_lock(&trap->drain_lock);
	/* Those of a vendor that has gone are ones. */
	if (trap->state == VPM_TRAP_SHADOW && !trap->gone)
		fill(trap);
	mutex_unlock(&trap->drain_lock);

	vpm_track_again(vpm);
	mutex_unlock(&trap->toggle_lock);
}

void vpm_trap_detach(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned int i;

	mutex_lock(&trap->toggle_lock);
	trap->gone = true;
	stop_drainer(trap);
	mutex_lock(&trap->drain_lock);
	if (trap->state == VPM_TRAP_SHADOW)
		for (i = 0; i < trap->num_pages; i++)
			memset(trap->pages[i].shadow.mem, 0xff, PAGE_SIZE);
	mutex_unlock(&trap->drain_lock);
	mutex_unlock(&trap->toggle_lock);
}

static int setup_pages(struct vpm_device *vpm, struct vpm_trap_area *area,
		       unsigned int num_regs)
{
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_shadow_page *page;
	u64 offset;
	int ret;

	area->pages = &trap->pages[trap->num_pages];
	for (offset = 0; offset < area->size; offset += PAGE_SIZE) {
		page = &trap->pages[trap->num_pages];
		page->vpm = vpm;
		page->region = area->region;
		page->offset = area->offset + offset;
		ret = vpm_shadow_init(&page->shadow, area->regs, num_regs,
				      page_rw);
		if (ret)
			return ret;
		trap->num_pages++;
	}

	return 0;
}

static int setup_area(struct vpm_device *vpm, const struct vfio_mediate_trap *from)
{
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_trap_area *area = &trap->areas[trap->num_areas];
	struct vpm_region *region;
	bool inside;

	if (from->region > VFIO_PCI_BAR5_REGION_INDEX || !from->pages.size ||
	    !PAGE_ALIGNED(from->pages.offset | from->pages.size))
		return -EINVAL;

	region = &vpm->region[from->region];
	if (vpm_ranges_span(&region->mediated, from->pages.offset,
			    from->pages.size, &inside) < from->pages.size ||
	    inside)
		return -EINVAL;

	area->region = from->region;
	area->offset = from->pages.offset;
	area->size = from->pages.size;
	trap->num_areas++;
	/* In config space the guest may reset the device. */
	vpm->mediated |= BIT_ULL(from->region) |
			 BIT_ULL(VFIO_PCI_CONFIG_REGION_INDEX);

	if (!from->regs || !vpm_shadow_possible()) {
		trap->shadowable = false;
		return 0;
	}

	if (!from->num_regs || from->num_regs > PAGE_SIZE / 4)
		return -EINVAL;
	area->regs = kmemdup_array(from->regs, from->num_regs,
				   sizeof(*from->regs), GFP_KERNEL_ACCOUNT);
	if (!area->regs)
		return -ENOMEM;
	if (!vpm_shadow_check(area->regs, from->num_regs))
		return -EINVAL;

	return setup_pages(vpm, area, from->num_regs);
}

/* All of a BAR at once: adding to a set takes as long as what is in it. */
static int setup_ranges(struct vpm_device *vpm, const struct vfio_mediate_device *dev)
{
	struct vfio_mediate_range *pages;
	unsigned int bar, i, n;
	int ret = 0;

	pages = kvcalloc(dev->num_traps, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	for (bar = 0; bar < PCI_STD_NUM_BARS && !ret; bar++) {
		for (i = 0, n = 0; i < dev->num_traps; i++)
			if (dev->traps[i].region == bar)
				pages[n++] = dev->traps[i].pages;
		ret = vpm_ranges_add(&vpm->region[bar].trappable, pages, n,
				     pci_resource_len(vpm->core.pdev, bar));
	}
	kvfree(pages);

	return ret;
}

int vpm_trap_setup(struct vpm_device *vpm,
		   const struct vfio_mediate_device *dev)
{
	struct vpm_trap *trap = &vpm->trap;
	u64 pages = 0;
	unsigned int i;
	int ret;

	trap->shadowable = true;
	trap->no_p2p = dev->no_p2p;
	trap->drain_us = dev->drain_us;
	if (!dev->num_traps)
		return 0;
	if (dev->num_traps > MAX_PAGES)
		return -EINVAL;

	for (i = 0; i < dev->num_traps; i++) {
		pages += dev->traps[i].pages.size >> PAGE_SHIFT;
		if (pages > MAX_PAGES)
			return -EINVAL;
	}

	trap->areas = kcalloc(dev->num_traps, sizeof(*trap->areas),
			      GFP_KERNEL_ACCOUNT);
	trap->pages = kcalloc(pages, sizeof(*trap->pages), GFP_KERNEL_ACCOUNT);
	if (!trap->areas || !trap->pages)
		return -ENOMEM;

	ret = setup_ranges(vpm, dev);
	if (ret)
		return ret;
	for (i = 0; i < dev->num_traps; i++) {
		ret = setup_area(vpm, &dev->traps[i]);
		if (ret)
			return ret;
	}

	return vpm_trap_region_setup(vpm);
}

void vpm_trap_start(struct vpm_device *vpm)
{
	/* No toggle_lock, which is held around vfio_mediate_synchronize(). */
	smp_store_release(&vpm->trap.gone, false);
}

void vpm_trap_stop(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	mutex_lock(&trap->toggle_lock);
	trap->gone = true;
	stop_drainer(trap);
	mutex_unlock(&trap->toggle_lock);
}

void vpm_trap_teardown(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;
	unsigned int i;

	for (i = 0; i < trap->num_pages; i++)
		vpm_shadow_free(&trap->pages[i].shadow);
	kfree(trap->pages);
	trap->pages = NULL;
	trap->num_pages = 0;

	for (i = 0; i < trap->num_areas; i++)
		kfree(trap->areas[i].regs);
	kfree(trap->areas);
	trap->areas = NULL;
	trap->num_areas = 0;

	if (trap->eventfd)
		eventfd_ctx_put(trap->eventfd);
	trap->eventfd = NULL;
	vpm_mapper_forget(&trap->mapper);
	trap->state = VPM_TRAP_OFF;
	trap->trapped = false;
}

void vpm_trap_init(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	mutex_init(&trap->toggle_lock);
	mutex_init(&trap->drain_lock);
	init_rwsem(&trap->fault_lock);
	init_waitqueue_head(&trap->resumed);
	vpm_mapper_init(&trap->mapper);
	trap->gone = true;
}
