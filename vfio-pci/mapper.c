// SPDX-License-Identifier: GPL-2.0-only
/* The process that has mapped the pages of a device. */

#include <linux/minmax.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "mapper.h"

void vpm_mapper_init(struct vpm_mapper *mapper)
{
	spin_lock_init(&mapper->lock);
}

void vpm_mapper_note(struct vpm_mapper *mapper, struct mm_struct *mm)
{
	mmgrab(mm);
	spin_lock(&mapper->lock);
	if (!mapper->mm || !atomic_read(&mapper->mm->mm_users))
		swap(mapper->mm, mm);
	spin_unlock(&mapper->lock);
	if (mm)
		mmdrop(mm);
}

static struct mm_struct *get_mm(struct vpm_mapper *mapper)
{
	struct mm_struct *mm;

	spin_lock(&mapper->lock);
	mm = mapper->mm;
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	spin_unlock(&mapper->lock);

	return mm;
}

struct mm_struct *vpm_mapper_lock(struct vpm_mapper *mapper)
{
	struct mm_struct *mm = get_mm(mapper);

	if (mm)
		mmap_write_lock(mm);

	return mm;
}

void vpm_mapper_unlock(struct mm_struct *mm)
{
	if (!mm)
		return;

	mmap_write_unlock(mm);
	/* The last reference unmaps the device, which takes locks that may be held here. */
	mmput_async(mm);
}

void vpm_mapper_forget(struct vpm_mapper *mapper)
{
	if (mapper->mm)
		mmdrop(mapper->mm);
	mapper->mm = NULL;
}
