// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite of the described example: a guest cannot start a device that is stopped. */

#include <kunit/test.h>

#include "registry.h"

#include "../mediators/described.c"

#define SIZE	0x4000

/**
 * struct device_model - The device, and the records of its state
 * @regs:	Registers of the BAR.
 * @dma:	Device has done DMA: GO and a ring were on when something was written.
 * @busy:	DMA does not end.
 * @session:	The VF, open.
 */
static struct device_model {
	u32 regs[SIZE / sizeof(u32)];
	bool dma;
	bool busy;
	struct vfio_mediate_session *session;
} *model;

static u32 *at(u32 offset)
{
	return &model->regs[offset / sizeof(u32)];
}

static int host_rw(void *data, struct vfio_mediate_access *access)
{
	if (access->write)
		*at(access->offset) = access->value;
	else
		access->value = *at(access->offset);
	model->dma |= *at(CTRL) & CTRL_GO && (*at(RX + 0x10) | *at(TX + 0x10)) & RING_ON;
	*at(STATUS) = model->busy ? STATUS_BUSY : 0;

	return 0;
}

static const struct vfio_mediate_host_ops host_ops = { .rw = host_rw };

static void open_vf(struct kunit *test)
{
	struct pci_dev *pdev = fake_device(test);

	pdev->vendor = vf_ids[0].vendor;
	pdev->device = vf_ids[0].device;
	pdev->resource[BAR].end = SIZE - 1;
	model->session = vfio_mediate_open(pdev, &host_ops, fake_detached, &test->priv);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, model->session);
	*at(RX + 0x10) = RING_ON;
	*at(IRQ_MASK) = 3;
}

/* The guest accesses a register. */
static u64 guest(struct kunit *test, u32 offset, u8 width, bool write, u64 value)
{
	struct vfio_mediate_access access = {
		.offset = offset, .width = width, .write = write, .value = value,
	};

	if (vf_rw(&model->session->dev, &access) == VFIO_MEDIATE_PASS_THROUGH)
		host_rw(NULL, &access);

	return access.value;
}

static void test_stopped(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;
	struct vfio_mediate_device *dev;

	open_vf(test);
	dev = &model->session->dev;
	ops = dev->migration;
	guest(test, CTRL, 4, true, CTRL_GO | 0x10);
	KUNIT_EXPECT_EQ(test, *at(CTRL), CTRL_GO | 0x10);
	KUNIT_EXPECT_TRUE(test, model->dma);

	KUNIT_EXPECT_EQ(test, 0, ops->stop(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), 0x10);
	model->dma = false;
	/* It starts the device by its register, whole and in part, and by its doorbells. */
	guest(test, CTRL, 4, true, CTRL_GO | 0x20);
	guest(test, CTRL, 1, true, CTRL_GO | 0x40);
	guest(test, RX + 0x14, 4, true, 5);
	guest(test, TX + 0x10, 4, true, RING_ON);
	KUNIT_EXPECT_FALSE(test, model->dma);
	KUNIT_EXPECT_EQ(test, *at(CTRL), 0x10);
	KUNIT_EXPECT_EQ(test, guest(test, CTRL, 4, false, 0), CTRL_GO | 0x40);
	KUNIT_EXPECT_EQ(test, guest(test, CTRL + 1, 1, false, 0) & 0xff, 0);

	KUNIT_EXPECT_EQ(test, 0, ops->run(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), CTRL_GO | 0x40);
	KUNIT_EXPECT_TRUE(test, model->dma);
	guest(test, CTRL, 4, true, 0);
	KUNIT_EXPECT_EQ(test, *at(CTRL), 0);

	/* It does not stop: it goes on. */
	guest(test, CTRL, 4, true, CTRL_GO);
	model->busy = true;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, ops->stop(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), CTRL_GO);
	model->busy = false;

	/* A reset is not undone. */
	KUNIT_EXPECT_EQ(test, 0, ops->stop(dev));
	*at(CTRL) = 0;
	vf_reset_finish(dev);
	KUNIT_EXPECT_EQ(test, 0, ops->run(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), 0);
}

/* The destination starts by run, and not before. */
static void test_moved(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;
	static u8 payload[2][64];
	struct vfio_mediate_record record[2] = {
		{ .data = payload[0] }, { .index = 1, .data = payload[1] },
	};
	struct vfio_mediate_device *dev;
	unsigned int i;

	open_vf(test);
	dev = &model->session->dev;
	ops = dev->migration;
	guest(test, CTRL, 4, true, CTRL_GO | 0x10);
	KUNIT_EXPECT_EQ(test, 0, ops->stop(dev));
	KUNIT_EXPECT_EQ(test, 0, ops->save_begin(dev));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 1, ops->save(dev, &record[i]));
	ops->save_end(dev);

	memset(model->regs, 0, sizeof(model->regs));
	model->dma = false;
	vf_reset_finish(dev);
	KUNIT_EXPECT_EQ(test, 0, ops->load_begin(dev, 1, 0));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 0, ops->load(dev, &record[i]));
	KUNIT_EXPECT_EQ(test, 0, ops->apply(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), 0);
	KUNIT_EXPECT_FALSE(test, model->dma);
	KUNIT_EXPECT_EQ(test, 0, ops->run(dev));
	KUNIT_EXPECT_EQ(test, *at(CTRL), CTRL_GO | 0x10);
	KUNIT_EXPECT_EQ(test, *at(IRQ_MASK), 3);
	KUNIT_EXPECT_TRUE(test, model->dma);
	ops->load_end(dev, 0);

	/* A bit that no such device has */
	payload[1][5] = 1;
	KUNIT_EXPECT_EQ(test, 0, ops->load_begin(dev, 1, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, ops->load(dev, &record[1]));
	ops->load_end(dev, -EINVAL);
}

static int model_init(struct kunit *test)
{
	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);

	return model ? 0 : -ENOMEM;
}

static void model_exit(struct kunit *test)
{
	if (model)
		vfio_mediate_close(model->session);
}

static struct kunit_case described_cases[] = {
	KUNIT_CASE(test_stopped),
	KUNIT_CASE(test_moved),
	{ }
};

static struct kunit_suite described_suite = {
	.name = "vfio_mediate_described_example",
	.init = model_init,
	.exit = model_exit,
	.test_cases = described_cases,
};

kunit_test_suite(described_suite);
