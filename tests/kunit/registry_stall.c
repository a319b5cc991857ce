// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the registry in mediate/: which calls wait for a long callback of a vendor,
 * and which do not.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "registry.h"

/* Upper limit of a call that does not wait, on a slow machine with KASAN */
#define NO_WAIT_LIMIT (10 * HZ)

/* Call of the registry in a thread of its own */
struct async_call {
	struct kunit *test;
	int (*run)(struct async_call *call);
	struct pci_dev *pdev;
	struct vfio_mediate_session *session;
	bool was_detached;
	struct completion done;
};

static int call_thread(void *data)
{
	struct async_call *call = data;

	call->run(call);
	complete_all(&call->done);

	return 0;
}

static void start(struct kunit *test, struct async_call *call,
		  int (*run)(struct async_call *call))
{
	struct task_struct *task;

	call->test = test;
	call->run = run;
	init_completion(&call->done);
	task = kthread_run(call_thread, call, "call");
	KUNIT_EXPECT_FALSE(test, IS_ERR(task));
	if (IS_ERR(task))
		complete_all(&call->done);
}

static bool returns_within(struct async_call *call, unsigned long timeout)
{
	return wait_for_completion_timeout(&call->done, timeout);
}

static int run_open(struct async_call *call)
{
	call->session = vfio_mediate_open(call->pdev, NULL, fake_detached,
					  &call->was_detached);

	return 0;
}

static int run_close(struct async_call *call)
{
	vfio_mediate_close(call->session);

	return 0;
}

static int run_unregister(struct async_call *call)
{
	vfio_pci_unregister_mediate_ops(&ops[0]);

	return 0;
}

static int run_detach(struct async_call *call)
{
	vfio_pci_mediate_detach(&ops[0], call->pdev);

	return 0;
}

/* Another vendor registers, its device is opened and closed, the vendor unregisters. */
static int run_others(struct async_call *call)
{
	struct kunit *test = call->test;
	char name[16] = "";

	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[2]));
	run_open(call);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, call->session);
	KUNIT_EXPECT_TRUE(test, vfio_mediate_name(call->pdev, name, sizeof(name)));
	KUNIT_EXPECT_STREQ(test, name, "fake-2");
	if (!IS_ERR_OR_NULL(call->session))
		vfio_mediate_close(call->session);
	vfio_pci_unregister_mediate_ops(&ops[2]);

	return 0;
}

static void start_others(struct kunit *test, struct async_call *others)
{
	others->pdev = fake_device(test);
	vendor[2].own = others->pdev;
	start(test, others, run_others);
}

/* A long call of the ops: only unregistering waits. */
static void test_stalled_call(struct kunit *test)
{
	struct async_call unregister = {}, others = {}, close = {};
	struct vfio_mediate_session *session[2];
	struct vfio_mediate_device *dev;
	bool was_detached[2] = {};
	unsigned int i;
	int cookie;

	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	for (i = 0; i < 2; i++) {
		session[i] = vfio_mediate_open(fake_device(test), NULL,
					       fake_detached, &was_detached[i]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session[i]);
	}

	vfio_mediate_enter(session[0], &dev, &cookie);
	start(test, &unregister, run_unregister);
	msleep(100);
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, returns_within(&others, NO_WAIT_LIMIT), "others wait");
	for (i = 0; i < 100 && !READ_ONCE(was_detached[1]); i++)
		msleep(100);
	KUNIT_EXPECT_TRUE_MSG(test, READ_ONCE(was_detached[1]),
			      "the vendor's other device is not detached");
	close.session = session[1];
	start(test, &close, run_close);
	KUNIT_EXPECT_TRUE_MSG(test, returns_within(&close, NO_WAIT_LIMIT), "its close waits");
	KUNIT_EXPECT_FALSE(test, returns_within(&unregister, HZ / 10));
	KUNIT_EXPECT_FALSE(test, was_detached[0]);
	vfio_mediate_exit(session[0], cookie);

	wait_for_completion(&unregister.done);
	wait_for_completion(&others.done);
	wait_for_completion(&close.done);
	KUNIT_EXPECT_TRUE(test, was_detached[0]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 2);
	vfio_mediate_close(session[0]);
}

/* A long open, during which the vendor is unregistered. */
static void test_stalled_open(struct kunit *test)
{
	struct async_call open = {}, unregister = {}, others = {};
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
	KUNIT_EXPECT_TRUE_MSG(test, returns_within(&others, NO_WAIT_LIMIT), "others wait");
	KUNIT_EXPECT_FALSE(test, returns_within(&unregister, HZ / 10));

	complete_all(&gate);
	wait_for_completion(&unregister.done);
	wait_for_completion(&open.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, open.session);
	KUNIT_EXPECT_TRUE(test, open.was_detached);
	vfio_mediate_close(open.session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
}

/* A long open of a VF, during which its PF is detached. */
static void test_detach_during_open(struct kunit *test)
{
	struct async_call open = {}, detach = {}, others = {};
	DECLARE_COMPLETION_ONSTACK(gate);

	vendor[0].open_gate = &gate;
	open.pdev = fake_device(test);
	vendor[0].own = open.pdev;
	detach.pdev = open.pdev;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	start(test, &open, run_open);
	msleep(100);
	start(test, &detach, run_detach);
	KUNIT_EXPECT_FALSE(test, returns_within(&detach, HZ / 2));
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, returns_within(&others, NO_WAIT_LIMIT), "others wait");

	complete_all(&gate);
	wait_for_completion(&detach.done);
	wait_for_completion(&open.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, open.session);
	KUNIT_EXPECT_TRUE(test, open.was_detached);
	vfio_mediate_close(open.session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
}

static void test_stalled_release(struct kunit *test)
{
	struct async_call close = {}, unregister = {}, others = {};
	int before = module_refcount(THIS_MODULE);
	DECLARE_COMPLETION_ONSTACK(gate);

	vendor[0].release_gate = &gate;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	close.session = vfio_mediate_open(fake_device(test), NULL, fake_detached,
					  &close.was_detached);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, close.session);
	vendor[0].open_ret = -ENODEV;
	start(test, &close, run_close);
	msleep(100);
	start(test, &unregister, run_unregister);
	start_others(test, &others);
	KUNIT_EXPECT_TRUE_MSG(test, returns_within(&others, NO_WAIT_LIMIT), "others wait");
	KUNIT_EXPECT_FALSE(test, returns_within(&unregister, HZ / 10));

	complete_all(&gate);
	wait_for_completion(&unregister.done);
	wait_for_completion(&close.done);
	wait_for_completion(&others.done);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_EXPECT_FALSE_MSG(test, close.was_detached, "a closed device is detached");
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
