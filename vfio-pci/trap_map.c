// SPDX-License-Identifier: GPL-2.0-only
/* Mappings of pages that can be trapped, and their page faults. */

#include <linux/mm.h>
#include <linux/vfio_pci_core.h>

#include "bar.h"
#include "compat.h"
#include "device.h"
#include "trap.h"
#include "trap_map.h"

static bool is_mixed(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MIXEDMAP;
}

static vm_fault_t fault_in(struct vm_fault *vmf, struct vpm_device *vpm, phys_addr_t addr)
{
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&vpm->core.memory_lock);
	if (!vpm->core.pm_runtime_engaged && vpm_memory_enabled(&vpm->core))
		ret = is_mixed(vmf->vma) ?
		      compat_insert_mixed(vmf, PHYS_PFN(addr)) :
		      vmf_insert_pfn(vmf->vma, vmf->address, PHYS_PFN(addr));
	up_read(&vpm->core.memory_lock);

	return ret;
}

/* The fault handler of vfio_pci_core supports only its own mappings. */
static vm_fault_t fault_in_device(struct vm_fault *vmf, struct vpm_device *vpm, u64 pos)
{
	if (!is_mixed(vmf->vma))
		return vpm->trap.vm_ops->fault(vmf);

	return fault_in(vmf, vpm, pci_resource_start(vpm->core.pdev,
						     VFIO_PCI_OFFSET_TO_INDEX(pos)) +
				  (pos & VFIO_PCI_OFFSET_MASK));
}

static vm_fault_t trap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vpm_device *vpm = container_of(vma->vm_private_data,
					      struct vpm_device, core);
	u64 address = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_shadow_page *page;
	struct vpm_trap_area *area;
	vm_fault_t ret;
	u64 pos;

	/* An address below the start of the mapping is harmless: a huge page does not fit there. */
	pos = ((u64)vma->vm_pgoff << PAGE_SHIFT) + address - vma->vm_start;
	area = vpm_trap_find_area(vpm, VFIO_PCI_OFFSET_TO_INDEX(pos),
				  pos & VFIO_PCI_OFFSET_MASK, PAGE_SIZE << order);

	/* Pages that can be trapped must not share a huge page with their neighbours. */
	if (order && (area || is_mixed(vma)))
		return VM_FAULT_FALLBACK;
	if (order)
		return trap->vm_ops->huge_fault(vmf, order);
	if (!area)
		return fault_in_device(vmf, vpm, pos);

	down_read(&trap->fault_lock);
	page = vpm_trap_find_page(area, pos & VFIO_PCI_OFFSET_MASK);
	if (trap->state == VPM_TRAP_OFF)
		ret = fault_in_device(vmf, vpm, pos);
	else if (trap->state == VPM_TRAP_SHADOW && page)
		ret = fault_in(vmf, vpm, virt_to_phys(page->shadow.mem));
	else
		ret = VM_FAULT_SIGBUS;
	up_read(&trap->fault_lock);

	return ret;
}

static vm_fault_t trap_fault(struct vm_fault *vmf)
{
	return trap_huge_fault(vmf, 0);
}

static const struct vm_operations_struct trap_vm_ops = {
	.fault = trap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = trap_huge_fault,
#endif
};

int vpm_trap_mmap(struct vpm_device *vpm, struct vm_area_struct *vma)
{
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 region = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;
	u64 size = vma->vm_end - vma->vm_start;
	struct vpm_trap *trap = &vpm->trap;
	struct vpm_trap_area *area;
	bool refused = false;

	if (!vpm_trap_find_area(vpm, region, offset, size))
		return 0;

	down_read(&trap->fault_lock);
	for (area = trap->areas; area < trap->areas + trap->num_areas; area++)
		if (vpm_trap_overlaps(area, region, offset, size))
			refused |= trap->state == VPM_TRAP_EXACT ||
				   (trap->state == VPM_TRAP_SHADOW &&
				    !area->pages);
	up_read(&trap->fault_lock);
	if (refused)
		return -EBUSY;

	/* vfio_pci_core uses the same vm_ops for each mapping. */
	WRITE_ONCE(trap->vm_ops, vma->vm_ops);
	vma->vm_ops = &trap_vm_ops;
	/*
	 * Type1 maps VM_PFNMAP mappings and pages with a struct page for DMA. The PTEs of a
	 * VM_MIXEDMAP mapping here are special, so Type1 can map neither way.
	 */
	if (trap->no_p2p)
		vm_flags_mod(vma, VM_MIXEDMAP, VM_PFNMAP);
	vpm_mapper_note(&trap->mapper, vma->vm_mm);

	return 0;
}
