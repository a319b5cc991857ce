// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite of announcements: when the addresses of a guest are listed. No frame is sent. */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#include "registry.h"
#include "said.h"
#include "vfio_mediate_describe.h"

/**
 * struct arrival - A device that has nothing but a guest, and its vendor
 * @rounds:	Number of times that the filters were looked at.
 * @none:	The guest has no address.
 * @inactive:	The guest's driver has not started the device.
 * @silent:	The guest must not send.
 * @port:	Sends for the guest.
 * @dev:	The device as the vendor has it.
 * @session:	Likewise of the registry, or NULL.
 */
static struct arrival {
	unsigned int rounds;
	bool none;
	bool inactive;
	bool silent;
	struct net_device *port;
	struct vfio_mediate_device *dev;
	struct vfio_mediate_session *session;
} *world;

static int succeed(struct vfio_mediate_device *dev)
{
	return 0;
}

static int get_filters(struct vfio_mediate_device *dev, struct vfio_mediate_filters *filters)
{
	static const u8 mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };

	WRITE_ONCE(world->rounds, world->rounds + 1);
	if (!READ_ONCE(world->none))
		ether_addr_copy(filters->mac[1], mac);
	filters->active = !READ_ONCE(world->inactive);
	filters->silent = READ_ONCE(world->silent);

	return 0;
}

static int accept(struct vfio_mediate_device *dev, const struct vfio_mediate_filters *filters,
		  const uuid_t *guest, const char **what)
{
	return 0;
}

static struct net_device *get_port(struct vfio_mediate_device *dev)
{
	return world->port;
}

static const struct vfio_mediate_net net = {
	.num_macs = 2,
	.get = get_filters,
	.put = accept,
	.netdev = get_port,
};

static const struct vfio_mediate_description description = {
	.run = succeed,
	.quiesce = succeed,
	.stop = succeed,
	.net = &net,
};

static int host_reset(void *data)
{
	return 0;
}

static const struct vfio_mediate_host_ops host_ops = {
	.was_reset = host_reset,
};

static int device_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	world->dev = dev;

	return vfio_mediate_describe(dev, &description);
}

/* No callback runs any more. */
static void device_release(struct vfio_mediate_device *dev)
{
	world->dev = NULL;
}

static const struct vfio_pci_mediate_ops arrival_ops = {
	.name = "arrival",
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
};

static void close_device(void)
{
	vfio_mediate_close(world->session);
	world->session = NULL;
}

/* A state is loaded, and does not run. */
static void load(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops = world->dev->migration;
	static u8 data[24];
	struct vfio_mediate_record record = {
		.type = VFIO_MEDIATE_RECORD_FILTERS, .length = sizeof(data), .data = data,
	};

	world->rounds = 0;
	KUNIT_ASSERT_EQ(test, 0, ops->stop(world->dev));
	KUNIT_ASSERT_EQ(test, 0, ops->load_begin(world->dev, 0, 0));
	KUNIT_ASSERT_EQ(test, 0, ops->load(world->dev, &record));
	KUNIT_ASSERT_EQ(test, 0, ops->apply(world->dev));
}

/* A guest arrives, and has been announced at least once: a period after the last round. */
static void arrive(struct kunit *test)
{
	load(test);
	KUNIT_ASSERT_EQ(test, 0, world->dev->migration->run(world->dev));
	world->dev->migration->load_end(world->dev, 0);
	msleep(200);
	KUNIT_EXPECT_GE(test, READ_ONCE(world->rounds), 1);
}

/* How often addresses are listed from now on */
static unsigned int rounds_in(unsigned int ms)
{
	unsigned int before = READ_ONCE(world->rounds);

	msleep(ms);

	return READ_ONCE(world->rounds) - before;
}

static void test_rounds(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops = world->dev->migration;

	load(test);
	ops->load_end(world->dev, -ECANCELED);
	KUNIT_EXPECT_EQ(test, 0, rounds_in(300));
	arrive(test);
	msleep(1500);
	KUNIT_EXPECT_EQ(test, world->rounds, 5);
	/* This is no arrival. */
	KUNIT_EXPECT_EQ(test, 0, ops->stop(world->dev));
	KUNIT_EXPECT_EQ(test, 0, ops->run(world->dev));
	KUNIT_EXPECT_EQ(test, 0, rounds_in(300));
}

static void test_stopped(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops = world->dev->migration;

	arrive(test);
	KUNIT_EXPECT_EQ(test, 0, ops->stop(world->dev));
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
	arrive(test);
	KUNIT_EXPECT_EQ(test, 0, ops->quiesce(world->dev));
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
	arrive(test);
	vfio_mediate_was_reset(world->dev);
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
	arrive(test);
	close_device();
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
}

/* There is at most one round in a period, however often a guest arrives. */
static void test_often(struct kunit *test)
{
	unsigned int i;

	arrive(test);
	for (i = 0; i < 2; i++) {
		load(test);
		KUNIT_ASSERT_EQ(test, 0, world->dev->migration->run(world->dev));
		world->dev->migration->load_end(world->dev, 0);
		KUNIT_EXPECT_EQ(test, 0, rounds_in(5));
	}
	KUNIT_EXPECT_GE(test, rounds_in(1500), 5);
}

/* Without a carrier, a guest that has something to announce waits, and no other one does. */
static void test_port(struct kunit *test)
{
	struct net_device *port = world->port;

	world->none = false;
	arrive(test);
	KUNIT_EXPECT_GE(test, rounds_in(1800), 7);
	/* When nothing waits, all rounds are still due. */
	WRITE_ONCE(world->silent, true);
	KUNIT_EXPECT_GE(test, rounds_in(1800), 5);
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
	WRITE_ONCE(world->silent, false);
	WRITE_ONCE(world->inactive, true);
	arrive(test);
	msleep(1500);
	KUNIT_EXPECT_EQ(test, world->rounds, 5);
	WRITE_ONCE(world->inactive, false);
	arrive(test);
	KUNIT_EXPECT_GE(test, rounds_in(1800), 7);

	said_begin();
	clear_bit(__LINK_STATE_START, &port->state);
	arrive(test);
	KUNIT_EXPECT_EQ(test, 0, rounds_in(500));
	expect_said(test, "cannot announce its guest, ");
	close_device();
}

static int announce_init(struct kunit *test)
{
	struct vfio_mediate_session *session;

	world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	if (!world)
		return -ENOMEM;
	world->none = true;
	world->port = kunit_kzalloc(test, sizeof(*world->port), GFP_KERNEL);
	if (!world->port)
		return -ENOMEM;
	set_bit(__LINK_STATE_START, &world->port->state);
	set_bit(__LINK_STATE_NOCARRIER, &world->port->state);
	if (vfio_pci_register_mediate_ops(&arrival_ops))
		return -EEXIST;

	session = vfio_mediate_open(fake_device(test), &host_ops, fake_detached, &test->priv);
	if (IS_ERR_OR_NULL(session))
		return -ENODEV;
	world->session = session;

	return 0;
}

static void announce_exit(struct kunit *test)
{
	if (world && world->session)
		close_device();
	vfio_pci_unregister_mediate_ops(&arrival_ops);
}

static struct kunit_case announce_cases[] = {
	KUNIT_CASE(test_rounds),
	KUNIT_CASE(test_stopped),
	KUNIT_CASE(test_often),
	KUNIT_CASE(test_port),
	{ }
};

static struct kunit_suite announce_suite = {
	.name = "vfio_mediate_announce",
	.init = announce_init,
	.exit = announce_exit,
	.test_cases = announce_cases,
};

kunit_test_suite(announce_suite);
