// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts in addition to those of PCI: those of the vendor driver, and the trap interrupt. All
 * of them are eventfds that the kernel signals.
 */

#include <linux/eventfd.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "device.h"
#include "irqs.h"
#include "linux/vfio_mediate.h"

#define MAX_IRQS	16
#define MAX_VECTORS	64

struct vpm_vector {
	struct eventfd_ctx *eventfd;
	bool masked;
	bool pending;
};

struct vpm_irq {
	u32 type;
	u32 subtype;
	u32 count;
	bool automasked;
	/* The trap interrupt */
	bool trap;
	struct vpm_vector *vectors;
};

/* The caller holds irq_lock. */
static void signal_vector(struct vpm_irq *irq, struct vpm_vector *vector)
{
	if (!vector->eventfd)
		return;
	if (vector->masked) {
		vector->pending = true;
		return;
	}
	eventfd_signal(vector->eventfd);
	vector->masked = irq->automasked;
}

static void signal_irq(struct vpm_device *vpm, struct vpm_irq *irq,
		       unsigned int vector)
{
	unsigned long flags;

	spin_lock_irqsave(&vpm->irq_lock, flags);
	signal_vector(irq, &irq->vectors[vector]);
	spin_unlock_irqrestore(&vpm->irq_lock, flags);
}

int vpm_irqs_signal(void *data, unsigned int irq, unsigned int vector)
{
	struct vpm_device *vpm = data;

	/* Pairs with setup_irq(). The vendor driver may signal during set-up. */
	if (irq >= smp_load_acquire(&vpm->num_irqs) ||
	    vector >= vpm->irqs[irq].count || vpm->irqs[irq].trap)
		return -EINVAL;

	signal_irq(vpm, &vpm->irqs[irq], vector);

	return 0;
}

/* The trap interrupt is the last. */
void vpm_irqs_signal_trap(struct vpm_device *vpm)
{
	signal_irq(vpm, &vpm->irqs[vpm->num_irqs - 1], 0);
}

u32 vpm_irqs_trap_index(const struct vpm_device *vpm)
{
	return VFIO_PCI_NUM_IRQS + vpm->num_irqs - 1;
}

static void unmask(struct vpm_device *vpm, struct vpm_irq *irq,
		   struct vpm_vector *vector)
{
	bool pending;

	spin_lock_irq(&vpm->irq_lock);
	pending = vector->pending;
	vector->masked = false;
	vector->pending = false;
	if (pending)
		signal_vector(irq, vector);
	spin_unlock_irq(&vpm->irq_lock);
}

static void mask(struct vpm_device *vpm, struct vpm_vector *vector)
{
	spin_lock_irq(&vpm->irq_lock);
	vector->masked = true;
	spin_unlock_irq(&vpm->irq_lock);
}

static void set_eventfd(struct vpm_device *vpm, struct vpm_vector *vector,
			struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old;

	spin_lock_irq(&vpm->irq_lock);
	old = vector->eventfd;
	vector->eventfd = eventfd;
	if (!eventfd) {
		vector->masked = false;
		vector->pending = false;
	}
	spin_unlock_irq(&vpm->irq_lock);

	if (old)
		eventfd_ctx_put(old);
}

/* Set all eventfds, or none on failure. */
static int set_eventfds(struct vpm_device *vpm, struct vpm_vector *vector,
			unsigned int count, const s32 *fds)
{
	struct eventfd_ctx *eventfds[MAX_VECTORS];
	unsigned int i;
	int ret;

	for (i = 0; i < count; i++) {
		eventfds[i] = NULL;
		if (fds[i] == -1)
			continue;
		eventfds[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(eventfds[i])) {
			ret = PTR_ERR(eventfds[i]);
			goto err_put;
		}
	}
	for (i = 0; i < count; i++)
		set_eventfd(vpm, &vector[i], eventfds[i]);

	return 0;

err_put:
	while (i--)
		if (eventfds[i])
			eventfd_ctx_put(eventfds[i]);
	return ret;
}

static int set_vectors(struct vpm_device *vpm, struct vpm_irq *irq,
		       const struct vfio_irq_set *hdr, const void *data)
{
	u32 type = hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	u32 action = hdr->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	struct vpm_vector *vector =
		&irq->vectors[array_index_nospec(hdr->start, irq->count)];
	const u8 *bools = type == VFIO_IRQ_SET_DATA_BOOL ? data : NULL;
	unsigned int i;

	if (type == VFIO_IRQ_SET_DATA_EVENTFD)
		return action == VFIO_IRQ_SET_ACTION_TRIGGER ?
			set_eventfds(vpm, vector, hdr->count, data) : -EINVAL;

	/* DATA_NONE with a count of 0 removes all eventfds, as for PCI interrupts. */
	if (type == VFIO_IRQ_SET_DATA_NONE && !hdr->count) {
		if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
			return -EINVAL;
		for (i = 0; i < irq->count; i++)
			set_eventfd(vpm, &irq->vectors[i], NULL);
		return 0;
	}

	for (i = 0; i < hdr->count; i++) {
		if (bools && !bools[i])
			continue;
		switch (action) {
		case VFIO_IRQ_SET_ACTION_TRIGGER:
			signal_irq(vpm, irq, hdr->start + i);
			break;
		case VFIO_IRQ_SET_ACTION_MASK:
			mask(vpm, &vector[i]);
			break;
		case VFIO_IRQ_SET_ACTION_UNMASK:
			unmask(vpm, irq, &vector[i]);
			break;
		default:
			return -EINVAL;
		}
	}

	return 0;
}

static struct vpm_irq *find_irq(struct vpm_device *vpm, u32 index)
{
	if (index < VFIO_PCI_NUM_IRQS)
		return ERR_PTR(-ENOTTY);
	index -= VFIO_PCI_NUM_IRQS;
	if (index >= vpm->num_irqs)
		return ERR_PTR(-EINVAL);

	return &vpm->irqs[array_index_nospec(index, vpm->num_irqs)];
}

long vpm_irqs_set(struct vpm_device *vpm, struct vfio_irq_set __user *arg)
{
	unsigned long minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set hdr;
	struct vpm_irq *irq;
	void *data = NULL;
	size_t size = 0;
	int ret;

	if (copy_from_user(&hdr, arg, minsz))
		return -EFAULT;

	irq = find_irq(vpm, hdr.index);
	if (IS_ERR(irq))
		return PTR_ERR(irq);

	ret = vfio_set_irqs_validate_and_prepare(&hdr, irq->count,
						 VFIO_PCI_NUM_IRQS +
						 vpm->num_irqs, &size);
	if (ret)
		return ret;

	if (size) {
		data = memdup_user(&arg->data, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = set_vectors(vpm, irq, &hdr, data);
	kfree(data);

	return ret;
}

long vpm_irqs_info(struct vpm_device *vpm, void __user *arg)
{
	unsigned long minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_mediate_irq_info_cap_type cap = {
		.header.id = VFIO_MEDIATE_IRQ_INFO_CAP_TYPE,
		.header.version = 1,
	};
	struct vfio_mediate_irq_info info = {};
	struct vpm_irq *irq;
	size_t size;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;

	irq = find_irq(vpm, info.index);
	if (IS_ERR(irq))
		return PTR_ERR(irq);
	if (info.argsz < minsz)
		return -EINVAL;

	cap.type = irq->type;
	cap.subtype = irq->subtype;
	info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		     VFIO_MEDIATE_IRQ_INFO_CAPS;
	if (irq->automasked)
		info.flags |= VFIO_IRQ_INFO_AUTOMASKED;
	info.count = irq->count;

	size = min_t(size_t, info.argsz, sizeof(info));
	if (info.argsz >= sizeof(info) + sizeof(cap)) {
		info.cap_offset = sizeof(info);
		if (copy_to_user(arg + sizeof(info), &cap, sizeof(cap)))
			return -EFAULT;
	} else {
		info.argsz = sizeof(info) + sizeof(cap);
	}

	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static int setup_irq(struct vpm_device *vpm, const struct vfio_mediate_irq *from,
		     bool trap)
{
	struct vpm_irq *irq = &vpm->irqs[vpm->num_irqs];

	if (!from->count || from->count > MAX_VECTORS)
		return -EINVAL;

	irq->vectors = kcalloc(from->count, sizeof(*irq->vectors),
			       GFP_KERNEL_ACCOUNT);
	if (!irq->vectors)
		return -ENOMEM;
	irq->type = from->type;
	irq->subtype = from->subtype;
	irq->count = from->count;
	irq->automasked = from->automasked;
	irq->trap = trap;
	/* Pairs with vpm_irqs_signal(). The interrupt is set up. */
	smp_store_release(&vpm->num_irqs, vpm->num_irqs + 1);

	return 0;
}

static int setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		 const struct vfio_pci_mediate_ops *ops)
{
	static const struct vfio_mediate_irq trap_irq = {
		.type = VFIO_MEDIATE_IRQ_TYPE_TRAP,
		.subtype = VFIO_MEDIATE_IRQ_SUBTYPE_TRAP_CHANGED,
		.count = 1,
	};
	bool trap = dev->num_traps;
	unsigned int i;
	int ret;

	if (dev->num_irqs > MAX_IRQS)
		return -EINVAL;
	if (!dev->num_irqs && !trap)
		return 0;

	vpm->irqs = kcalloc(dev->num_irqs + trap, sizeof(*vpm->irqs),
			    GFP_KERNEL_ACCOUNT);
	if (!vpm->irqs)
		return -ENOMEM;

	for (i = 0; i < dev->num_irqs; i++) {
		ret = setup_irq(vpm, &dev->irqs[i], false);
		if (ret)
			return ret;
	}

	return trap ? setup_irq(vpm, &trap_irq, true) : 0;
}

/* No task signals interrupts at this point. */
static void teardown(struct vpm_device *vpm)
{
	struct vpm_irq *irq;
	unsigned int i;

	for (irq = vpm->irqs; irq < vpm->irqs + vpm->num_irqs; irq++) {
		for (i = 0; i < irq->count; i++)
			set_eventfd(vpm, &irq->vectors[i], NULL);
		kfree(irq->vectors);
	}
	kfree(vpm->irqs);
	vpm->irqs = NULL;
	vpm->num_irqs = 0;
}

static int init(struct vpm_device *vpm)
{
	spin_lock_init(&vpm->irq_lock);

	return 0;
}

const struct vpm_part vpm_irqs_part = {
	.init = init,
	.setup = setup,
	.teardown = teardown,
};
