// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the registry in mediate/: a vendor's callback that takes its time, and who
 * waits for it.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "registry.h"

/* Ample for what does not wait, on a slow machine with KASAN */
#define SOON (10 * HZ)

/* Something that may have to wait. */
struct errand {
	struct kunit *test;
	int (*run)(struct errand *errand);
	struct pci_dev *pdev;
	struct vfio_mediate_session *session;
	bool told;
	struct completion done;
};

static int errand_thread(void *data)
{
	struct errand *errand = data;

	errand->run(errand);
	complete_all(&errand->done);

	return 0;
}

static void start(struct kunit *test, struct errand *errand,
		  int (*run)(struct errand *errand))
{
	struct task_struct *task;

	errand->test = test;
	errand->run = run;
	init_completion(&errand->done);
	task = kthread_run(errand_thread, errand, "errand");
	KUNIT_EXPECT_FALSE(test, IS_ERR(task));
	if (IS_ERR(task))
		complete_all(&errand->done);
}

static bool is_done(struct errand *errand, unsigned long patience)
{
	return wait_for_completion_timeout(&errand->done, patience);
}

static int run_open(struct errand *errand)
{
	errand->session = vfio_mediate_open(errand->pdev, NULL, fake_detached,
					    &errand->told);

	return 0;
}

static int run_close(struct errand *errand)
{
	vfio_mediate_close(errand->session);

	return 0;
}

static int run_unregister(struct errand *errand)
{
	vfio_pci_unregister_mediate_ops(&ops[0]);

	return 0;
}

static int run_detach(struct errand *errand)
{
	vfio_pci_mediate_detach(&ops[0], errand->pdev);

	return 0;
}

/* What all others do: a vendor comes, its device is opened and closed, it goes. */
static int run_others(struct errand *errand)
{
	struct kunit *test = errand->test;
	char name[16] = "";

	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[2]));
	run_open(errand);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, errand->session);
	KUNIT_EXPECT_TRUE(test, vfio_mediate_name(errand->pdev, name, sizeof(name)));
	KUNIT_EXPECT_STREQ(test, name, "fake-2");
	if (!IS_ERR_OR_NULL(errand->session))
		vfio_mediate_close(errand->session);
	vfio_pci_unregister_mediate_ops(&ops[2]);

	return 0;
}

static void start_others(struct kunit *test, struct errand *others)
{
	others->pdev = fake_device(test);
	vendor[2].own = others->pdev;
	start(test, others, run_others);
}

/* A call into a vendor takes its time: unregistering waits, and nobody else. */
static void test_stalled_call(struct kunit *test)
{
	struct errand unregister = {}, others = {}, close = {};
	struct vfio_mediate_session *session[2];
	struct vfio_mediate_device *dev;
	bool told[2] = {};
	unsigned int i;
	int cookie;

	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	for (i = 0; i < 2; i++) {
		session[i] = vfio_mediate_open(fake_device(test), NULL,
					       fake_detached, &told[i]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session[i]);
	}

	vfio_mediate_enter(session[0], &dev, &cookie);
	start(test, &unregister, run_unregister);
	msleep(100);
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, is_done(&others, SOON), "others wait");
	for (i = 0; i < 100 && !READ_ONCE(told[1]); i++)
		msleep(100);
	KUNIT_EXPECT_TRUE_MSG(test, READ_ONCE(told[1]),
			      "the vendor's other device is not detached");
	close.session = session[1];
	start(test, &close, run_close);
	KUNIT_EXPECT_TRUE_MSG(test, is_done(&close, SOON), "its close waits");
	KUNIT_EXPECT_FALSE(test, is_done(&unregister, HZ / 10));
	KUNIT_EXPECT_FALSE(test, told[0]);
	vfio_mediate_exit(session[0], cookie);

	wait_for_completion(&unregister.done);
	wait_for_completion(&others.done);
	wait_for_completion(&close.done);
	KUNIT_EXPECT_TRUE(test, told[0]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 2);
	vfio_mediate_close(session[0]);
}

/* A vendor takes its time to open a device, and is unregistered meanwhile. */
static void test_stalled_open(struct kunit *test)
{
	struct errand open = {}, unregister = {}, others = {};
	DECLARE_COMPLETION_ONSTACK(gate);

	vendor[0].open_gate = &gate;
	open.pdev = fake_device(test);
	vendor[0].own = open.pdev;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	start(test, &open, run_open);
	msleep(100);
	start(test, &unregister, run_unregister);
	msleep(100);
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, is_done(&others, SOON), "others wait");
	KUNIT_EXPECT_FALSE(test, is_done(&unregister, HZ / 10));

	complete_all(&gate);
	wait_for_completion(&unregister.done);
	wait_for_completion(&open.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, open.session);
	KUNIT_EXPECT_TRUE(test, open.told);
	vfio_mediate_close(open.session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
}

/* A PF goes while a VF of it is being opened. */
static void test_detach_during_open(struct kunit *test)
{
	struct errand open = {}, detach = {}, others = {};
	DECLARE_COMPLETION_ONSTACK(gate);

	vendor[0].open_gate = &gate;
	open.pdev = fake_device(test);
	vendor[0].own = open.pdev;
	detach.pdev = open.pdev;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	start(test, &open, run_open);
	msleep(100);
	start(test, &detach, run_detach);
	KUNIT_EXPECT_FALSE(test, is_done(&detach, HZ / 2));
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, is_done(&others, SOON), "others wait");

	complete_all(&gate);
	wait_for_completion(&detach.done);
	wait_for_completion(&open.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, open.session);
	KUNIT_EXPECT_TRUE(test, open.told);
	vfio_mediate_close(open.session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
}

static void test_stalled_release(struct kunit *test)
{
	struct errand close = {}, unregister = {}, others = {};
	int before = module_refcount(THIS_MODULE);
	DECLARE_COMPLETION_ONSTACK(gate);

	vendor[0].release_gate = &gate;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	close.session = vfio_mediate_open(fake_device(test), NULL, fake_detached,
					  &close.told);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, close.session);
	vendor[0].verdict = -ENODEV;
	start(test, &close, run_close);
	msleep(100);
	start(test, &unregister, run_unregister);
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, is_done(&others, SOON), "others wait");
	KUNIT_EXPECT_FALSE(test, is_done(&unregister, HZ / 10));

	complete_all(&gate);
	wait_for_completion(&unregister.done);
	wait_for_completion(&close.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_EXPECT_FALSE_MSG(test, close.told, "it is closed, and need not be asked back");
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
}

static struct kunit_case registry_stall_cases[] = {
	KUNIT_CASE(test_stalled_call),
	KUNIT_CASE(test_stalled_open),
	KUNIT_CASE(test_detach_during_open),
	KUNIT_CASE(test_stalled_release),
	{ }
};

static struct kunit_suite registry_stall_suite = {
	.name = "registry_stall",
	.init = registry_init,
	.exit = registry_exit,
	.test_cases = registry_stall_cases,
};

kunit_test_suite(registry_stall_suite);
