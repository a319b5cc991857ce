/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Vendors and devices that the suites of the registry open.
 */
#ifndef KUNIT_REGISTRY_H
#define KUNIT_REGISTRY_H

#include <kunit/test.h>

#include "session.h"
#include "vfio_mediate.h"

#define FAKE_VENDORS	3

struct completion;

/**
 * struct fake_vendor - What the ops of a vendor answer, and how often they were called
 * @verdict:	Of open.
 * @own:	The only device that is not declined; NULL for all.
 * @open_gate:	Open waits for it, unless it is NULL.
 * @release_gate: Likewise release.
 * @opened:	Devices that were not declined for @own.
 * @released:	Devices released.
 */
struct fake_vendor {
	int verdict;
	struct pci_dev *own;
	struct completion *open_gate;
	struct completion *release_gate;
	unsigned int opened;
	unsigned int released;
};

extern struct fake_vendor vendor[FAKE_VENDORS];
extern const struct vfio_pci_mediate_ops ops[FAKE_VENDORS];

/* How many sessions were told that they are detached; each also by what @data is */
extern unsigned int detached;
void fake_detached(void *data);

struct pci_dev *fake_device(struct kunit *test);

/* For the suites: as nothing had been called; nothing is registered */
int registry_init(struct kunit *test);
void registry_exit(struct kunit *test);

#endif /* KUNIT_REGISTRY_H */
