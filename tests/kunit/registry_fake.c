// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fake vendors and devices for the KUnit suites of the registry.
 */

#include <linux/completion.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "registry.h"

struct fake_vendor vendor[FAKE_VENDORS];
unsigned int detached;

static int fake_open(unsigned int i, struct vfio_mediate_device *dev)
{
	if (vendor[i].own && vendor[i].own != dev->pdev)
		return -ENODEV;

	vendor[i].opened++;
	if (vendor[i].open_gate)
		wait_for_completion(vendor[i].open_gate);
	if (vendor[i].open_ret)
		return vendor[i].open_ret;

	dev->handle = &vendor[i];
	return 0;
}

static int open_0(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	return fake_open(0, dev);
}

static int open_1(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	return fake_open(1, dev);
}

static int open_2(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	return fake_open(2, dev);
}

/* The handle is the fake vendor. */
static void fake_release(struct vfio_mediate_device *dev)
{
	struct fake_vendor *own = dev->handle;

	if (own->release_gate)
		wait_for_completion(own->release_gate);
	own->released++;
}

const struct vfio_pci_mediate_ops ops[FAKE_VENDORS] = {
	{ .name = "fake-0", .owner = THIS_MODULE, .open = open_0, .release = fake_release },
	{ .name = "fake-1", .owner = THIS_MODULE, .open = open_1, .release = fake_release },
	{ .name = "fake-2", .owner = THIS_MODULE, .open = open_2, .release = fake_release },
};

void fake_detached(void *data)
{
	detached++;
	*(bool *)data = true;
}

struct pci_dev *fake_device(struct kunit *test)
{
	struct pci_dev *pdev;

	pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->vendor = 0xfffe;
	pdev->device = 0xfffd;
	pdev->dev.init_name = "kunit";

	return pdev;
}

int registry_init(struct kunit *test)
{
	memset(vendor, 0, sizeof(vendor));
	detached = 0;

	return 0;
}

void registry_exit(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < FAKE_VENDORS; i++)
		vfio_pci_unregister_mediate_ops(&ops[i]);
}
