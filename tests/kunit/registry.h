/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fake vendors and devices for the KUnit suites of the registry.
 */
#ifndef KUNIT_REGISTRY_H
#define KUNIT_REGISTRY_H

#include <kunit/test.h>

#include "session.h"
#include "vfio_mediate.h"

#define FAKE_VENDORS	3

struct completion;

/**
 * struct fake_vendor - Behaviour of the ops of a vendor, and counts of their calls
 * @open_ret:	Return value of open.
 * @own:	The only device that open does not decline, or NULL for all devices.
 * @open_gate:	Completion that open waits for, or NULL.
 * @release_gate: Completion that release waits for, or NULL.
 * @opened:	Number of calls of open that @own did not decline.
 * @released:	Number of calls of release.
 */
struct fake_vendor {
	int open_ret;
	struct pci_dev *own;
	struct completion *open_gate;
	struct completion *release_gate;
	unsigned int opened;
	unsigned int released;
};

extern struct fake_vendor vendor[FAKE_VENDORS];
extern const struct vfio_pci_mediate_ops ops[FAKE_VENDORS];

/* Number of sessions that were detached. fake_detached() also sets the bool at @data. */
extern unsigned int detached;
void fake_detached(void *data);

struct pci_dev *fake_device(struct kunit *test);

/* Of the suites: reset all counts, unregister all ops. */
int registry_init(struct kunit *test);
void registry_exit(struct kunit *test);

#endif /* KUNIT_REGISTRY_H */
