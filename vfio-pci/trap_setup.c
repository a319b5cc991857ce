// SPDX-License-Identifier: GPL-2.0-only
/* Set-up of traps from the declaration of the vendor driver. */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "shadow.h"
#include "trap.h"
#include "trap_region.h"
#include "vendor.h"

#define MAX_PAGES	1024

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
	vpm->mediated |= BIT_ULL(from->region);

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

/*
 * Add all ranges of a BAR at once. The cost of each vpm_ranges_add() grows with the size of the
 * set.
 */
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

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	struct vpm_trap *trap = &vpm->trap;
	u64 pages = 0;
	unsigned int i;
	int ret;

	trap->sequence = 1;
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

/*
 * Do not take toggle_lock here, inside vfio_mediate_enter(): vfio_mediate_synchronize() is called
 * with it held.
 */
static void start(struct vpm_device *vpm)
{
	/* Pairs with check_usable() in trap.c. */
	smp_store_release(&vpm->trap.gone, false);
}

static void stop(struct vpm_device *vpm)
{
	vpm_trap_stop(vpm, false);
}

/* Trapped pages stay trapped. Their mappings read as all ones. */
static void detach(struct vpm_device *vpm)
{
	vpm_trap_stop(vpm, true);
}

static void teardown(struct vpm_device *vpm)
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

	vpm_trap_region_teardown(vpm);
	vpm_mapper_forget(&trap->mapper);
	trap->state = VPM_TRAP_OFF;
	trap->trapped = false;
	trap->holders = 0;
}

static int init(struct vpm_device *vpm)
{
	struct vpm_trap *trap = &vpm->trap;

	mutex_init(&trap->toggle_lock);
	init_rwsem(&trap->fault_lock);
	init_waitqueue_head(&trap->resumed);
	vpm_mapper_init(&trap->mapper);
	trap->gone = true;

	return 0;
}

static void release(struct vpm_device *vpm)
{
	mutex_destroy(&vpm->trap.toggle_lock);
}

const struct vpm_part vpm_trap_part = {
	.init = init,
	.release = release,
	.setup = setup,
	.start = start,
	.stop = stop,
	.teardown = teardown,
	.detach = detach,
	.reset_done = vpm_trap_reset_done,
};
