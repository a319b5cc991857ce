// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: interrupts, triggered by loopback and counted by eventfds, and writes
 * to a register that an eventfd triggers.
 */
#define _GNU_SOURCE

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX

#define NONE VFIO_IRQ_SET_DATA_NONE
#define BOOL VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK VFIO_IRQ_SET_ACTION_MASK
#define UNMASK VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

/* Vectors tried at most, of those the device has */
#define VECTORS 8

/**
 * struct vectors - the eventfds of the MSI-X vectors
 * @fd: eventfd of each vector
 * @nr: number of vectors
 */
struct vectors {
	int fd[VECTORS];
	__u32 nr;
};

static int set_fds(struct parity *p, __u32 index, __u32 start, __u32 count,
		   const int *fds)
{
	return vfio_client_set_irqs(&p->dev, EVENTFD | TRIGGER, index, start,
				    count, fds, count * sizeof(*fds));
}

/* Trigger all vectors at once and show which have been signalled */
static void loop_back(struct parity *p, const struct vectors *v,
		      const char *name)
{
	char text[PARITY_TEXT_LEN];
	int used = 0;
	__u32 i;

	parity_call(p, parity_trigger(p, MSIX, 0, v->nr), NULL,
		    "irq/msix/%s/loopback", name);
	for (i = 0; i < v->nr; i++)
		used += snprintf(text + used, sizeof(text) - used, "%llu ",
				 parity_eventfd_count(v->fd[i]));
	parity_text(p, text, "irq/msix/%s/counts", name);
}

static void use_msix(struct parity *p, const struct vectors *v)
{
	const __u32 config = VFIO_PCI_CONFIG_REGION_INDEX, last = v->nr - 1;
	static const __u8 one = 1;
	const int none = -1;

	parity_call(p, set_fds(p, MSIX, 0, v->nr, v->fd), NULL,
		    "irq/msix/enable");
	parity_show(p, config, p->msix_cap + PCI_MSIX_FLAGS, 2,
		    "irq/msix/enabled/flags");
	loop_back(p, v, "enabled");
	parity_call(p, vfio_client_set_irqs(&p->dev, BOOL | TRIGGER, MSIX, 0, 1,
					    &one, sizeof(one)),
		    NULL, "irq/msix/bool");
	loop_back(p, v, "bool");
	parity_call(p, set_fds(p, MSIX, last, 1, &none), NULL,
		    "irq/msix/remove-last");
	loop_back(p, v, "removed-last");
	parity_call(p, set_fds(p, MSIX, last, 1, &v->fd[last]), NULL,
		    "irq/msix/add-last");
	loop_back(p, v, "added-last");

	/* Wrong while MSI-X is enabled; what is set up must survive it */
	parity_wrong(p, set_fds(p, INTX, 0, 1, v->fd),
		     "irq/enabled/intx-eventfd");
	parity_wrong(p, set_fds(p, MSI, 0, 1, v->fd),
		     "irq/enabled/msi-eventfd");
	parity_wrong(p, parity_trigger(p, MSIX, p->msix_vectors, 1),
		     "irq/enabled/trigger-beyond");
	parity_wrong(p, set_fds(p, MSIX, 0, 1, &p->bad_fd),
		     "irq/enabled/bad-fd");
	loop_back(p, v, "after-wrong");

	parity_call(p, parity_trigger(p, MSIX, 0, 0), NULL,
		    "irq/msix/disable");
	parity_show(p, config, p->msix_cap + PCI_MSIX_FLAGS, 2,
		    "irq/msix/disabled/flags");
}

/* The interrupts for errors and for the request to release the device */
static void use_single(struct parity *p, __u32 index, const char *name)
{
	int fd = parity_eventfd();

	parity_wrong(p, parity_trigger(p, index, 0, 1), "irq/%s/trigger-unset",
		     name);
	parity_call(p, parity_set_fd(p, index, fd), NULL, "irq/%s/set", name);
	parity_call(p, parity_trigger(p, index, 0, 1), NULL, "irq/%s/trigger",
		    name);
	parity_call(p, parity_eventfd_count(fd), NULL, "irq/%s/count", name);
	parity_wrong(p, parity_set_fd(p, index, p->bad_fd), "irq/%s/bad-fd",
		     name);
	parity_wrong(p, set_fds(p, index, 1, 1, &fd), "irq/%s/start-beyond",
		     name);
	parity_wrong(p, vfio_client_set_irqs(&p->dev, NONE | MASK, index, 0, 1,
					     NULL, 0),
		     "irq/%s/mask", name);
	parity_call(p, parity_set_fd(p, index, -1), NULL, "irq/%s/remove",
		    name);
	parity_wrong(p, parity_trigger(p, index, 0, 1),
		     "irq/%s/trigger-removed", name);
	close(fd);
}

/* With no interrupt enabled */
static void wrong_when_disabled(struct parity *p)
{
	const int fds[] = { parity_eventfd(), -1 };
	const struct {
		const char *name;
		__u32 flags;
		__u32 index;
		__u32 start;
		__u32 count;
	} wrong[] = {
		{ "no-flags", 0, MSIX, 0, 1 },
		{ "no-action", EVENTFD, MSIX, 0, 1 },
		{ "two-data-types", EVENTFD | BOOL | TRIGGER, MSIX, 0, 1 },
		{ "unknown-flag", EVENTFD | TRIGGER | 1u << 6, MSIX, 0, 1 },
		{ "index-beyond", EVENTFD | TRIGGER, VFIO_PCI_NUM_IRQS, 0, 1 },
		{ "index-last", EVENTFD | TRIGGER, ~0u, 0, 1 },
		{ "start-beyond", EVENTFD | TRIGGER, MSIX, p->msix_vectors, 1 },
		{ "count-largest", EVENTFD | TRIGGER, MSIX, 0, ~0u },
		{ "trigger", NONE | TRIGGER, MSIX, 0, 1 },
		{ "disable", NONE | TRIGGER, MSIX, 0, 0 },
		{ "mask", NONE | MASK, MSIX, 0, 1 },
		{ "unmask", NONE | UNMASK, MSIX, 0, 1 },
		{ "msi", EVENTFD | TRIGGER, MSI, 0, 1 },
		{ "intx", EVENTFD | TRIGGER, INTX, 0, 1 },
		{ "intx-unmask", NONE | UNMASK, INTX, 0, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		parity_wrong(p, vfio_client_set_irqs(&p->dev, wrong[i].flags,
						     wrong[i].index,
						     wrong[i].start,
						     wrong[i].count, fds,
						     sizeof(fds)),
			     "irq/disabled/%s", wrong[i].name);
	close(fds[0]);
}

void parity_irq(struct parity *p)
{
	struct vectors v = {};
	__u32 i;

	v.nr = p->msix_vectors < VECTORS ? p->msix_vectors : VECTORS;
	for (i = 0; i < v.nr; i++)
		v.fd[i] = parity_eventfd();

	wrong_when_disabled(p);
	use_msix(p, &v);
	use_single(p, VFIO_PCI_ERR_IRQ_INDEX, "err");
	use_single(p, VFIO_PCI_REQ_IRQ_INDEX, "req");

	for (i = 0; i < v.nr; i++)
		close(v.fd[i]);
}

static int set_ioeventfd(struct parity *p, __u32 width, __u64 offset,
			 __u64 data, int fd)
{
	/* The flag of a width is that width in bytes */
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = width,
		.offset = offset,
		.data = data,
		.fd = fd,
	};

	return vfio_client_ioctl(p->dev.device_fd, VFIO_DEVICE_IOEVENTFD,
				 &ioeventfd);
}

/* Trigger it once while it is set, once after it has been removed */
static void trigger_write(struct parity *p, __u32 width)
{
	__u64 offset = p->region[BAR0].offset + IGBVF_SCRATCH + 8;
	__u64 data = 0xb7b6b5b4b3b2b1b0ull;
	int fd = parity_eventfd();

	if (width < sizeof(data))
		data &= (1ull << width * 8) - 1;

	parity_fill_scratch(p);
	parity_call(p, set_ioeventfd(p, width, offset, data, fd), NULL,
		    "ioeventfd/width-%u/set", width);
	parity_wrong(p, set_ioeventfd(p, width, offset, data, fd),
		     "ioeventfd/width-%u/set-again", width);
	eventfd_write(fd, 1);
	parity_show(p, BAR0, IGBVF_SCRATCH, 32, "ioeventfd/width-%u/after",
		    width);

	parity_fill_scratch(p);
	parity_call(p, set_ioeventfd(p, width, offset, data, -1), NULL,
		    "ioeventfd/width-%u/remove", width);
	eventfd_write(fd, 1);
	parity_show(p, BAR0, IGBVF_SCRATCH, 32,
		    "ioeventfd/width-%u/removed-after", width);
	close(fd);
}

void parity_ioeventfd(struct parity *p)
{
	const __u64 scratch = p->region[BAR0].offset + IGBVF_SCRATCH;
	const __u64 config = p->region[VFIO_PCI_CONFIG_REGION_INDEX].offset;
	const __u64 table = p->region[p->msix_bar].offset + p->msix_table;
	int fd = parity_eventfd();
	__u32 width;

	for (width = 1; width <= 8; width *= 2)
		trigger_write(p, width);

	parity_wrong(p, set_ioeventfd(p, 0, scratch, 0, fd),
		     "ioeventfd/wrong/no-width");
	parity_wrong(p, set_ioeventfd(p, 4, scratch, 0, p->bad_fd),
		     "ioeventfd/wrong/bad-fd");
	parity_wrong(p, set_ioeventfd(p, 4, scratch, 0, -1),
		     "ioeventfd/wrong/remove-unset");
	parity_wrong(p, set_ioeventfd(p, 4, table, 0, fd),
		     "ioeventfd/wrong/msix-table");
	parity_wrong(p, set_ioeventfd(p, 4, config + PCI_INTERRUPT_LINE, 0, fd),
		     "ioeventfd/wrong/config");
	parity_wrong(p, set_ioeventfd(p, 4, (__u64)VFIO_PCI_NUM_REGIONS << 40, 0,
				      fd),
		     "ioeventfd/wrong/index-beyond");
	close(fd);
}
