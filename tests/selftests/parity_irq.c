// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: interrupts, triggered by loopback and counted by eventfds.
 */
#define _GNU_SOURCE

#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define ERR VFIO_PCI_ERR_IRQ_INDEX
#define REQ VFIO_PCI_REQ_IRQ_INDEX

#define NONE VFIO_IRQ_SET_DATA_NONE
#define BOOL VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK VFIO_IRQ_SET_ACTION_MASK
#define UNMASK VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

/* Vectors tried at most, of those the device has */
#define VECTORS 8

/**
 * struct vectors - the eventfds of the MSI-X vectors
 * @fd: eventfd of each vector
 * @spare: an eventfd to replace one with
 * @nr: number of vectors
 */
struct vectors {
	int fd[VECTORS];
	int spare;
	__u32 nr;
};

static int set_fds(struct parity *p, __u32 index, __u32 start, __u32 count,
		   const int *fds)
{
	return vfio_client_set_irqs(&p->dev, EVENTFD | TRIGGER, index, start,
				    count, fds, count * sizeof(*fds));
}

static int trigger_none(struct parity *p, __u32 index, __u32 start,
			__u32 count)
{
	return vfio_client_set_irqs(&p->dev, NONE | TRIGGER, index, start,
				    count, NULL, 0);
}

static int trigger_bool(struct parity *p, __u32 index, __u32 start,
			__u32 count, const __u8 *set)
{
	return vfio_client_set_irqs(&p->dev, BOOL | TRIGGER, index, start,
				    count, set, count);
}

static int disable(struct parity *p, __u32 index)
{
	return trigger_none(p, index, 0, 0);
}

/* How often each eventfd has been signalled since this was last asked */
static void show_counts(struct parity *p, const struct vectors *v,
			const char *name)
{
	char text[PARITY_TEXT_LEN];
	int used = 0;
	__u32 i;

	for (i = 0; i < v->nr; i++)
		used += snprintf(text + used, sizeof(text) - used, "%llu ",
				 parity_eventfd_count(v->fd[i]));
	snprintf(text + used, sizeof(text) - used, "spare %llu",
		 parity_eventfd_count(v->spare));
	parity_text(p, text, "irq/msix/%s/counts", name);
}

/* Trigger all vectors at once and show who has been signalled */
static void loop_back(struct parity *p, const struct vectors *v,
		      const char *name)
{
	parity_call(p, trigger_none(p, MSIX, 0, v->nr), NULL,
		    "irq/msix/%s/loopback", name);
	show_counts(p, v, name);
}

static void show_msix_flags(struct parity *p, const char *name)
{
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX,
		    p->msix_cap + PCI_MSIX_FLAGS, 2, "irq/msix/%s/flags",
		    name);
}

static void each_vector(struct parity *p, const struct vectors *v)
{
	static const __u8 zero, one = 1, many = 255;
	__u8 alternate[VECTORS];
	char name[32];
	__u32 i;

	for (i = 0; i < v->nr; i++) {
		snprintf(name, sizeof(name), "vector-%u/none", i);
		parity_call(p, trigger_none(p, MSIX, i, 1), NULL,
			    "irq/msix/%s", name);
		show_counts(p, v, name);

		snprintf(name, sizeof(name), "vector-%u/bool", i);
		parity_call(p, trigger_bool(p, MSIX, i, 1, &one), NULL,
			    "irq/msix/%s", name);
		show_counts(p, v, name);

		snprintf(name, sizeof(name), "vector-%u/bool-255", i);
		parity_call(p, trigger_bool(p, MSIX, i, 1, &many), NULL,
			    "irq/msix/%s", name);
		show_counts(p, v, name);

		snprintf(name, sizeof(name), "vector-%u/bool-zero", i);
		parity_call(p, trigger_bool(p, MSIX, i, 1, &zero), NULL,
			    "irq/msix/%s", name);
		show_counts(p, v, name);
		alternate[i] = i & 1;
	}

	parity_call(p, trigger_bool(p, MSIX, 0, v->nr, alternate), NULL,
		    "irq/msix/alternate");
	show_counts(p, v, "alternate");
	parity_call(p, trigger_none(p, MSIX, 0, 1), NULL,
		    "irq/msix/twice/first");
	parity_call(p, trigger_none(p, MSIX, 0, 1), NULL,
		    "irq/msix/twice/second");
	show_counts(p, v, "twice");
}

/* Vectors come and go while MSI-X stays enabled */
static void change_vectors(struct parity *p, const struct vectors *v)
{
	const __u32 last = v->nr - 1;
	const int none = -1;
	int removed[VECTORS];

	parity_call(p, set_fds(p, MSIX, 0, 1, &v->spare), NULL,
		    "irq/msix/replace");
	loop_back(p, v, "replaced");
	parity_call(p, set_fds(p, MSIX, 0, 1, v->fd), NULL,
		    "irq/msix/replace-back");
	loop_back(p, v, "replaced-back");
	parity_call(p, set_fds(p, MSIX, last, 1, &none), NULL,
		    "irq/msix/remove-last");
	loop_back(p, v, "removed-last");
	parity_call(p, set_fds(p, MSIX, last, 1, &none), NULL,
		    "irq/msix/remove-last-again");
	parity_call(p, set_fds(p, MSIX, last, 1, &v->fd[last]), NULL,
		    "irq/msix/add-last");
	loop_back(p, v, "added-last");

	memset(removed, 0xff, sizeof(removed));
	parity_call(p, set_fds(p, MSIX, 0, v->nr, removed), NULL,
		    "irq/msix/remove-all");
	loop_back(p, v, "removed-all");
	show_msix_flags(p, "removed-all");
	parity_call(p, set_fds(p, MSIX, 0, v->nr, v->fd), NULL,
		    "irq/msix/add-all");
	loop_back(p, v, "added-all");

	/* The same eventfd may serve two vectors */
	parity_call(p, set_fds(p, MSIX, last, 1, v->fd), NULL,
		    "irq/msix/share");
	loop_back(p, v, "shared");
	parity_call(p, set_fds(p, MSIX, last, 1, &v->fd[last]), NULL,
		    "irq/msix/share-no-more");
}

/* Wrong while MSI-X is enabled; what has been set up must survive it */
static void wrong_when_enabled(struct parity *p, const struct vectors *v)
{
	int fds[VECTORS];

	parity_wrong(p, set_fds(p, INTX, 0, 1, v->fd),
		     "irq/enabled/intx-eventfd");
	parity_wrong(p, set_fds(p, MSI, 0, 1, v->fd),
		     "irq/enabled/msi-eventfd");
	parity_wrong(p, trigger_none(p, INTX, 0, 1),
		     "irq/enabled/intx-trigger");
	parity_wrong(p, trigger_none(p, MSI, 0, 1),
		     "irq/enabled/msi-trigger");
	parity_wrong(p, disable(p, INTX), "irq/enabled/intx-disable");
	parity_wrong(p, disable(p, MSI), "irq/enabled/msi-disable");
	parity_wrong(p, trigger_none(p, MSIX, p->msix_vectors, 1),
		     "irq/enabled/trigger-beyond");
	parity_wrong(p, trigger_none(p, MSIX, 0, p->msix_vectors + 1),
		     "irq/enabled/trigger-too-many");
	loop_back(p, v, "after-wrong");

	/* A set that fails half way takes away all it was given */
	memcpy(fds, v->fd, sizeof(fds));
	fds[v->nr - 1] = p->bad_fd;
	parity_wrong(p, set_fds(p, MSIX, 0, v->nr, fds),
		     "irq/enabled/last-bad-fd");
	loop_back(p, v, "after-last-bad-fd");
	fds[v->nr - 1] = p->null_fd;
	parity_wrong(p, set_fds(p, MSIX, 0, v->nr, fds),
		     "irq/enabled/last-no-eventfd");
	loop_back(p, v, "after-last-no-eventfd");
}

/* Other ways to enable MSI-X than all vectors at once */
static void enable_some(struct parity *p, const struct vectors *v)
{
	const __u32 last = v->nr - 1;
	const int none[VECTORS] = { -1, -1, -1, -1, -1, -1, -1, -1 };

	parity_call(p, set_fds(p, MSIX, 0, 1, v->fd), NULL,
		    "irq/msix/first-only");
	loop_back(p, v, "first-only");
	if (last) {
		parity_call(p, set_fds(p, MSIX, 1, last, v->fd + 1), NULL,
			    "irq/msix/grow");
		loop_back(p, v, "grown");
	}
	parity_call(p, disable(p, MSIX), NULL, "irq/msix/first-only/disable");

	parity_call(p, set_fds(p, MSIX, last, 1, &v->fd[last]), NULL,
		    "irq/msix/last-only");
	loop_back(p, v, "last-only");
	parity_call(p, disable(p, MSIX), NULL, "irq/msix/last-only/disable");

	parity_call(p, set_fds(p, MSIX, 0, v->nr, none), NULL,
		    "irq/msix/without-eventfds");
	show_msix_flags(p, "without-eventfds");
	loop_back(p, v, "without-eventfds");
	parity_call(p, disable(p, MSIX), NULL,
		    "irq/msix/without-eventfds/disable");

	parity_call(p, set_fds(p, MSIX, last, 0, NULL), NULL,
		    "irq/msix/start-without-count");
	show_msix_flags(p, "start-without-count");
	parity_call(p, disable(p, MSIX), NULL,
		    "irq/msix/start-without-count/disable");
}

static void use_msix(struct parity *p, const struct vectors *v)
{
	parity_call(p, set_fds(p, MSIX, 0, v->nr, v->fd), NULL,
		    "irq/msix/enable");
	show_msix_flags(p, "enabled");
	loop_back(p, v, "enabled");
	each_vector(p, v);
	change_vectors(p, v);
	wrong_when_enabled(p, v);
	parity_call(p, disable(p, MSIX), NULL, "irq/msix/disable");
	show_msix_flags(p, "disabled");
	show_counts(p, v, "disabled");
	enable_some(p, v);
}

/* The interrupts for errors and for the request to release the device */
static void use_single(struct parity *p, __u32 index, const char *name)
{
	static const __u8 zero, one = 1;
	int fd = parity_eventfd(), other = parity_eventfd();
	const int none = -1, minus_two = -2;

	parity_wrong(p, trigger_none(p, index, 0, 1), "irq/%s/trigger-unset",
		     name);
	parity_wrong(p, disable(p, index), "irq/%s/disable-unset", name);
	parity_call(p, trigger_bool(p, index, 0, 1, &one), NULL,
		    "irq/%s/bool-unset", name);
	parity_call(p, set_fds(p, index, 0, 1, &none), NULL,
		    "irq/%s/remove-unset", name);

	parity_call(p, set_fds(p, index, 0, 1, &fd), NULL, "irq/%s/set",
		    name);
	parity_call(p, trigger_none(p, index, 0, 1), NULL, "irq/%s/none",
		    name);
	parity_call(p, parity_eventfd_count(fd), NULL, "irq/%s/none/count",
		    name);
	parity_call(p, trigger_bool(p, index, 0, 1, &one), NULL,
		    "irq/%s/bool", name);
	parity_call(p, parity_eventfd_count(fd), NULL, "irq/%s/bool/count",
		    name);
	parity_call(p, trigger_bool(p, index, 0, 1, &zero), NULL,
		    "irq/%s/bool-zero", name);
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "irq/%s/bool-zero/count", name);

	parity_call(p, set_fds(p, index, 0, 1, &other), NULL,
		    "irq/%s/replace", name);
	parity_wrong(p, set_fds(p, index, 0, 1, &minus_two),
		     "irq/%s/minus-two", name);
	parity_wrong(p, set_fds(p, index, 0, 1, &p->bad_fd),
		     "irq/%s/bad-fd", name);
	parity_wrong(p, set_fds(p, index, 0, 1, &p->null_fd),
		     "irq/%s/no-eventfd", name);
	parity_wrong(p, set_fds(p, index, 0, 0, NULL), "irq/%s/no-fds", name);
	parity_wrong(p, trigger_bool(p, index, 0, 0, NULL), "irq/%s/no-bools",
		     name);
	parity_wrong(p, set_fds(p, index, 1, 1, &fd), "irq/%s/start-beyond",
		     name);
	parity_wrong(p, trigger_none(p, index, 0, 2), "irq/%s/too-many", name);
	parity_wrong(p, vfio_client_set_irqs(&p->dev, NONE | MASK, index, 0,
					     1, NULL, 0),
		     "irq/%s/mask", name);
	parity_wrong(p, vfio_client_set_irqs(&p->dev, NONE | UNMASK, index, 0,
					     1, NULL, 0),
		     "irq/%s/unmask", name);
	parity_call(p, trigger_none(p, index, 0, 1), NULL,
		    "irq/%s/replaced/none", name);
	parity_call(p, parity_eventfd_count(fd), NULL,
		    "irq/%s/replaced/count", name);
	parity_call(p, parity_eventfd_count(other), NULL,
		    "irq/%s/replaced/other-count", name);

	parity_call(p, set_fds(p, index, 0, 1, &none), NULL, "irq/%s/remove",
		    name);
	parity_wrong(p, trigger_none(p, index, 0, 1),
		     "irq/%s/trigger-removed", name);
	parity_call(p, set_fds(p, index, 0, 1, &fd), NULL, "irq/%s/set-again",
		    name);
	parity_call(p, disable(p, index), NULL, "irq/%s/disable", name);
	parity_wrong(p, disable(p, index), "irq/%s/disable-again", name);
	close(fd);
	close(other);
}

/* Wrong headers and wrong data, with no interrupt enabled */
static void wrong_when_disabled(struct parity *p)
{
	const __u32 header = sizeof(struct vfio_irq_set);
	const __u32 max = p->msix_vectors;
	const int fd = parity_eventfd();
	const struct {
		const char *name;
		__u32 argsz;
		__u32 flags;
		__u32 index;
		__u32 start;
		__u32 count;
		__s32 fd;
	} wrong[] = {
		{ "argsz-zero", 0, NONE | TRIGGER, MSIX, 0, 1, fd },
		{ "argsz-short", header - 1, NONE | TRIGGER, MSIX, 0, 1, fd },
		{ "eventfd-without-data", header, EVENTFD | TRIGGER, MSIX, 0,
		  1, fd },
		{ "eventfd-data-short", header + 3, EVENTFD | TRIGGER, MSIX,
		  0, 1, fd },
		{ "eventfd-data-for-one", header + 4, EVENTFD | TRIGGER, MSIX,
		  0, max, fd },
		{ "bool-without-data", header, BOOL | TRIGGER, MSIX, 0, 1,
		  fd },
		{ "no-flags", header + 4, 0, MSIX, 0, 1, fd },
		{ "no-data-type", header + 4, TRIGGER, MSIX, 0, 1, fd },
		{ "no-action", header + 4, EVENTFD, MSIX, 0, 1, fd },
		{ "two-data-types", header + 4, EVENTFD | BOOL | TRIGGER,
		  MSIX, 0, 1, fd },
		{ "none-and-bool", header + 4, NONE | BOOL | TRIGGER, MSIX, 0,
		  1, fd },
		{ "all-data-types", header + 4,
		  NONE | BOOL | EVENTFD | TRIGGER, MSIX, 0, 1, fd },
		{ "two-actions", header + 4, EVENTFD | MASK | TRIGGER, MSIX,
		  0, 1, fd },
		{ "all-actions", header + 4,
		  EVENTFD | MASK | UNMASK | TRIGGER, MSIX, 0, 1, fd },
		{ "unknown-flag", header + 4, EVENTFD | TRIGGER | 1u << 6,
		  MSIX, 0, 1, fd },
		{ "last-flag", header + 4, EVENTFD | TRIGGER | 1u << 31, MSIX,
		  0, 1, fd },
		{ "index-beyond", header + 4, EVENTFD | TRIGGER,
		  VFIO_PCI_NUM_IRQS, 0, 1, fd },
		{ "index-last", header + 4, EVENTFD | TRIGGER, ~0u, 0, 1,
		  fd },
		{ "start-beyond", header + 4, EVENTFD | TRIGGER, MSIX, max, 1,
		  fd },
		{ "start-beyond-no-count", header, NONE | TRIGGER, MSIX, max,
		  0, fd },
		{ "start-largest", header + 4, EVENTFD | TRIGGER, MSIX, ~0u,
		  1, fd },
		{ "start-and-count-wrap", header + 4, EVENTFD | TRIGGER, MSIX,
		  ~0u - 1, 3, fd },
		{ "count-largest", header + 4, EVENTFD | TRIGGER, MSIX, 0,
		  ~0u, fd },
		{ "count-wraps-size", header + 4, EVENTFD | TRIGGER, MSIX, 0,
		  1u << 30, fd },
		{ "too-many", header + 64, EVENTFD | TRIGGER, MSIX, 0,
		  max + 1, fd },
		{ "crossing-last", header + 64, EVENTFD | TRIGGER, MSIX,
		  max - 1, 2, fd },
		{ "eventfd-no-count", header, EVENTFD | TRIGGER, MSIX, 0, 0,
		  fd },
		{ "bad-fd", header + 4, EVENTFD | TRIGGER, MSIX, 0, 1,
		  p->bad_fd },
		{ "no-eventfd", header + 4, EVENTFD | TRIGGER, MSIX, 0, 1,
		  p->null_fd },
		{ "device-fd", header + 4, EVENTFD | TRIGGER, MSIX, 0, 1,
		  p->dev.device_fd },
		{ "trigger-disabled", header, NONE | TRIGGER, MSIX, 0, 1,
		  fd },
		{ "bool-disabled", header + 1, BOOL | TRIGGER, MSIX, 0, 1,
		  fd },
		{ "disable-disabled", header, NONE | TRIGGER, MSIX, 0, 0,
		  fd },
		{ "bool-disable", header, BOOL | TRIGGER, MSIX, 0, 0, fd },
		{ "msix-mask-none", header, NONE | MASK, MSIX, 0, 1, fd },
		{ "msix-mask-bool", header + 1, BOOL | MASK, MSIX, 0, 1, fd },
		{ "msix-mask-eventfd", header + 4, EVENTFD | MASK, MSIX, 0, 1,
		  fd },
		{ "msix-unmask-none", header, NONE | UNMASK, MSIX, 0, 1, fd },
		{ "msix-unmask-bool", header + 1, BOOL | UNMASK, MSIX, 0, 1,
		  fd },
		{ "msix-unmask-eventfd", header + 4, EVENTFD | UNMASK, MSIX,
		  0, 1, fd },
		{ "msi-eventfd", header + 4, EVENTFD | TRIGGER, MSI, 0, 1,
		  fd },
		{ "msi-trigger", header, NONE | TRIGGER, MSI, 0, 1, fd },
		{ "msi-disable", header, NONE | TRIGGER, MSI, 0, 0, fd },
		{ "intx-eventfd", header + 4, EVENTFD | TRIGGER, INTX, 0, 1,
		  fd },
		{ "intx-trigger", header, NONE | TRIGGER, INTX, 0, 1, fd },
		{ "intx-disable", header, NONE | TRIGGER, INTX, 0, 0, fd },
		{ "intx-mask", header, NONE | MASK, INTX, 0, 1, fd },
		{ "intx-unmask", header, NONE | UNMASK, INTX, 0, 1, fd },
		{ "intx-unmask-eventfd", header + 4, EVENTFD | UNMASK, INTX,
		  0, 1, fd },
	};
	union {
		struct vfio_irq_set set;
		char room[PAGE_4K];
	} buf;
	void *cut;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		memset(&buf, 0xff, sizeof(buf));
		buf.set.argsz = wrong[i].argsz;
		buf.set.flags = wrong[i].flags;
		buf.set.index = wrong[i].index;
		buf.set.start = wrong[i].start;
		buf.set.count = wrong[i].count;
		memcpy(buf.set.data, &wrong[i].fd, sizeof(wrong[i].fd));
		parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
						  VFIO_DEVICE_SET_IRQS, &buf),
			     "irq/disabled/%s", wrong[i].name);
	}

	buf.set.argsz = header + 4;
	buf.set.flags = EVENTFD | TRIGGER;
	buf.set.index = MSIX;
	buf.set.start = 0;
	buf.set.count = 1;
	cut = parity_cut_short(&buf, header);
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_SET_IRQS, cut),
		     "irq/disabled/cut-data");
	parity_unmap_page(cut);
	cut = parity_cut_short(&buf, header - 4);
	parity_wrong(p, vfio_client_ioctl(p->dev.device_fd,
					  VFIO_DEVICE_SET_IRQS, cut),
		     "irq/disabled/cut-header");
	parity_unmap_page(cut);
	close(fd);
}

void parity_irq(struct parity *p)
{
	struct vectors v = { .spare = parity_eventfd() };
	__u32 i;

	v.nr = p->msix_vectors < VECTORS ? p->msix_vectors : VECTORS;
	for (i = 0; i < v.nr; i++)
		v.fd[i] = parity_eventfd();

	wrong_when_disabled(p);
	use_msix(p, &v);
	use_single(p, ERR, "err");
	use_single(p, REQ, "req");

	for (i = 0; i < v.nr; i++)
		close(v.fd[i]);
	close(v.spare);
}
