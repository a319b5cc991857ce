// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow of one trapped page.
 *
 * The guest writes to the shadow page while a drain reads it, so the order of reads matters. A
 * guest driver sets up a queue, enables the queue, then rings its doorbell:
 *
 *  - Read doorbells before enables. Otherwise the doorbell of a queue that looks disabled would be
 *    lost.
 *  - Read controls after enables. They are then at least as new as the enable.
 *  - Read the doorbell of a newly enabled queue again. The first value may be older than the
 *    set-up.
 */

#include <linux/bitmap.h>
#include <linux/cc_platform.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#ifdef CONFIG_X86
#include <asm/processor.h>
#include <asm/set_memory.h>
#endif

#include "shadow.h"

#define MAX_QUEUES 64

bool vpm_shadow_check(const struct vfio_mediate_reg *regs, unsigned int count)
{
	u64 enables = 0, doorbells = 0;
	unsigned long *used;
	unsigned int i;
	bool good = false;

	used = bitmap_zalloc(PAGE_SIZE / 4, GFP_KERNEL);
	if (!used)
		return false;

	for (i = 0; i < count; i++) {
		unsigned int word = regs[i].offset / 4;
		unsigned int words = regs[i].width / 4;
		u64 queue;

		if (regs[i].width != 4 && regs[i].width != 8)
			goto out;
		if (regs[i].offset % regs[i].width ||
		    regs[i].offset + regs[i].width > PAGE_SIZE)
			goto out;
		if (regs[i].kind > VFIO_MEDIATE_ENABLE ||
		    regs[i].queue >= MAX_QUEUES)
			goto out;
		if (find_next_bit(used, word + words, word) < word + words)
			goto out;
		bitmap_set(used, word, words);

		queue = BIT_ULL(regs[i].queue);
		if (regs[i].kind == VFIO_MEDIATE_CONTROL && enables & queue)
			goto out;
		if (regs[i].kind == VFIO_MEDIATE_ENABLE && doorbells & queue)
			goto out;
		if (regs[i].kind == VFIO_MEDIATE_ENABLE)
			enables |= queue;
		if (regs[i].kind == VFIO_MEDIATE_DOORBELL)
			doorbells |= queue;
	}
	good = true;
out:
	bitmap_free(used);
	return good;
}

/*
 * On other architectures than x86, a cached and an uncached mapping of a page may stay incoherent.
 * With memory encryption, the kernel maps RAM encrypted, but a device mapping is not encrypted.
 */
bool vpm_shadow_possible(void)
{
	return IS_ENABLED(CONFIG_X86) &&
	       !cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT);
}

/*
 * AMD nested paging honours the guest's memory type, which is uncached for a BAR. The kernel maps
 * RAM as cached: change that mapping to uncached.
 *
 * Intel ignores the guest's memory type and maps RAM as cached, unless DMA cannot be made coherent.
 * In that case, the CPU snoops its own caches.
 */
static bool guest_uncached(void)
{
#ifdef CONFIG_X86
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
#else
	return false;
#endif
}

static void free_page_mem(void *mem)
{
#ifdef CONFIG_X86
	/* Leak a page whose memory type cannot be restored. */
	if (guest_uncached() && set_memory_wb((unsigned long)mem, 1))
		return;
#endif
	free_page((unsigned long)mem);
}

static void *alloc_page_mem(void)
{
	void *mem = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

#ifdef CONFIG_X86
	if (mem && guest_uncached() && set_memory_uc((unsigned long)mem, 1)) {
		free_page_mem(mem);
		return NULL;
	}
#endif
	return mem;
}

int vpm_shadow_init(struct vpm_shadow *shadow,
		    const struct vfio_mediate_reg *regs, unsigned int count,
		    vpm_shadow_rw rw)
{
	shadow->regs = regs;
	shadow->num_regs = count;
	shadow->rw = rw;
	shadow->last = kcalloc(count, 2 * sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!shadow->last)
		return -ENOMEM;
	shadow->now = shadow->last + count;

	shadow->mem = alloc_page_mem();
	if (!shadow->mem) {
		kfree(shadow->last);
		shadow->last = NULL;
		return -ENOMEM;
	}

	return 0;
}

void vpm_shadow_free(struct vpm_shadow *shadow)
{
	if (shadow->mem)
		free_page_mem(shadow->mem);
	kfree(shadow->last);
	memset(shadow, 0, sizeof(*shadow));
}

static u64 load(struct vpm_shadow *shadow, const struct vfio_mediate_reg *reg)
{
	void *p = shadow->mem + reg->offset;

	return reg->width == 8 ? le64_to_cpu(READ_ONCE(*(__le64 *)p)) :
				 le32_to_cpu(READ_ONCE(*(__le32 *)p));
}

static void store(struct vpm_shadow *shadow, const struct vfio_mediate_reg *reg,
		  u64 value)
{
	void *p = shadow->mem + reg->offset;

	if (reg->width == 8)
		WRITE_ONCE(*(__le64 *)p, cpu_to_le64(value));
	else
		WRITE_ONCE(*(__le32 *)p, cpu_to_le32(value));
}

static u64 truncated(const struct vfio_mediate_reg *reg, u64 value)
{
	return reg->width == 8 ? value : (u32)value;
}

/* On failure, keep the last value, so that the next drain tries again. */
static bool forward(struct vpm_shadow *shadow, unsigned int i, u64 value)
{
	u64 written = value;

	if (shadow->rw(shadow, &shadow->regs[i], true, &written))
		return false;
	shadow->last[i] = value;

	return true;
}

void vpm_shadow_fill(struct vpm_shadow *shadow)
{
	const struct vfio_mediate_reg *reg = shadow->regs;
	unsigned int i;
	u64 value;

	memset(shadow->mem, 0, PAGE_SIZE);
	for (i = 0; i < shadow->num_regs; i++, reg++) {
		value = 0;
		if (shadow->rw(shadow, reg, false, &value))
			value = 0;
		value = truncated(reg, value);
		shadow->last[i] = value;
		store(shadow, reg, value);
	}
}

static void load_all(struct vpm_shadow *shadow, enum vfio_mediate_reg_kind kind)
{
	unsigned int i;

	for (i = 0; i < shadow->num_regs; i++)
		if (shadow->regs[i].kind == kind)
			shadow->now[i] = load(shadow, &shadow->regs[i]);
	/* If the guest orders its writes, later reads return values that are at least as new. */
	smp_rmb();
}

unsigned int vpm_shadow_drain(struct vpm_shadow *shadow, bool all)
{
	const struct vfio_mediate_reg *reg;
	unsigned int i, writes = 0;
	u64 enabled = 0;
	u64 value;

	load_all(shadow, VFIO_MEDIATE_DOORBELL);
	load_all(shadow, VFIO_MEDIATE_ENABLE);
	for (i = 0, reg = shadow->regs; i < shadow->num_regs; i++, reg++)
		if (reg->kind == VFIO_MEDIATE_ENABLE &&
		    shadow->now[i] & ~shadow->last[i] & reg->value)
			enabled |= BIT_ULL(reg->queue);

	for (i = 0, reg = shadow->regs; i < shadow->num_regs; i++, reg++) {
		bool fresh = enabled & BIT_ULL(reg->queue);

		switch (reg->kind) {
		case VFIO_MEDIATE_DOORBELL:
			value = fresh ? load(shadow, reg) : shadow->now[i];
			if (fresh || value != shadow->last[i])
				writes += forward(shadow, i, value);
			break;
		case VFIO_MEDIATE_CONTROL:
			value = load(shadow, reg);
			if (fresh || (all && value != shadow->last[i]))
				writes += forward(shadow, i, value);
			break;
		case VFIO_MEDIATE_ENABLE:
			if (shadow->now[i] != shadow->last[i])
				writes += forward(shadow, i, shadow->now[i]);
			break;
		}
	}

	return writes;
}

void vpm_shadow_written(struct vpm_shadow *shadow, unsigned int offset,
			unsigned int width, u64 value)
{
	const struct vfio_mediate_reg *reg = shadow->regs;
	__le64 raw = cpu_to_le64(value), last;
	unsigned int i, start, end;

	for (i = 0; i < shadow->num_regs; i++, reg++) {
		start = max_t(unsigned int, offset, reg->offset);
		end = min_t(unsigned int, offset + width,
			    reg->offset + reg->width);
		if (start >= end)
			continue;
		memcpy(shadow->mem + start, (void *)&raw + (start - offset),
		       end - start);
		/*
		 * Do not use the current value: a pending store of the guest must still be drained.
		 */
		last = cpu_to_le64(shadow->last[i]);
		memcpy((void *)&last + (start - reg->offset),
		       (void *)&raw + (start - offset), end - start);
		shadow->last[i] = le64_to_cpu(last);
	}
}
