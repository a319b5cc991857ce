// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the registry in mediate/.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "registry.h"

static void register_all(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < FAKE_VENDORS; i++)
		KUNIT_ASSERT_EQ(test, 0,
				vfio_pci_register_mediate_ops(&ops[i]));
}

static void test_register_incomplete(struct kunit *test)
{
	static const char * const bad_names[] = { NULL, "", "two words", "a\nb" };
	struct vfio_pci_mediate_ops bad = ops[0];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_pci_register_mediate_ops(NULL));
	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		bad.name = bad_names[i];
		KUNIT_EXPECT_EQ(test, -EINVAL,
				vfio_pci_register_mediate_ops(&bad));
	}
	bad = ops[0];
	bad.open = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_pci_register_mediate_ops(&bad));
	bad = ops[0];
	bad.release = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_pci_register_mediate_ops(&bad));
}

static void test_register_twice(struct kunit *test)
{
	struct vfio_pci_mediate_ops same_name = ops[1];

	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	KUNIT_EXPECT_EQ(test, -EEXIST, vfio_pci_register_mediate_ops(&ops[0]));
	same_name.name = ops[0].name;
	KUNIT_EXPECT_EQ(test, -EEXIST,
			vfio_pci_register_mediate_ops(&same_name));

	vfio_pci_unregister_mediate_ops(&ops[0]);
	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
}

static void test_unregister_unknown(struct kunit *test)
{
	vfio_pci_unregister_mediate_ops(&ops[0]);
	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
}

static void test_no_claim(struct kunit *test)
{
	char name[16] = "untouched";
	struct pci_dev *pdev = fake_device(test);
	unsigned int i;

	for (i = 0; i < FAKE_VENDORS; i++)
		vendor[i].open_ret = -ENODEV;
	register_all(test);
	KUNIT_EXPECT_NULL(test, vfio_mediate_open(pdev, NULL, fake_detached, NULL));
	for (i = 0; i < FAKE_VENDORS; i++) {
		KUNIT_EXPECT_GE(test, vendor[i].opened, 1);
		KUNIT_EXPECT_EQ(test, vendor[i].released, 0);
	}
	KUNIT_EXPECT_FALSE(test, vfio_mediate_name(pdev, name, sizeof(name)));
	KUNIT_EXPECT_STREQ(test, name, "untouched");
	vfio_mediate_close(NULL);
}

static void test_first_claim_wins(struct kunit *test)
{
	struct vfio_mediate_session *session;
	struct pci_dev *pdev = fake_device(test);
	char name[16];

	vendor[0].open_ret = -ENODEV;
	register_all(test);
	session = vfio_mediate_open(pdev, NULL, fake_detached, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[2].opened, 0);
	KUNIT_EXPECT_TRUE(test, vfio_mediate_name(pdev, name, sizeof(name)));
	KUNIT_EXPECT_STREQ(test, name, "fake-1");

	vfio_mediate_close(session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 0);
	KUNIT_EXPECT_EQ(test, vendor[1].released, 1);
	KUNIT_EXPECT_FALSE(test, vfio_mediate_name(pdev, name, sizeof(name)));
}

static void test_error_ends_the_walk(struct kunit *test)
{
	struct pci_dev *pdev = fake_device(test);
	int before = module_refcount(THIS_MODULE);
	struct vfio_mediate_session *session;

	vendor[0].open_ret = -ENODEV;
	vendor[1].open_ret = -EBUSY;
	register_all(test);
	session = vfio_mediate_open(pdev, NULL, fake_detached, NULL);
	KUNIT_EXPECT_EQ(test, -EBUSY, PTR_ERR_OR_ZERO(session));
	if (!IS_ERR(session))
		vfio_mediate_close(session);
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[2].opened, 0);
	KUNIT_EXPECT_EQ(test, vendor[1].released, 0);
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
}

/* A positive return value of open is an error of the vendor. */
static void test_positive_open_ret(struct kunit *test)
{
	struct pci_dev *pdev = fake_device(test);
	int before = module_refcount(THIS_MODULE);
	struct vfio_mediate_session *session;

	vendor[0].open_ret = 1;
	register_all(test);
	session = vfio_mediate_open(pdev, NULL, fake_detached, NULL);
	KUNIT_EXPECT_PTR_EQ(test, session, ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, vendor[0].released, 0);
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
}

static void test_owner_is_pinned(struct kunit *test)
{
	int before = module_refcount(THIS_MODULE);
	struct vfio_mediate_session *session[2];
	struct pci_dev *pdev = fake_device(test);
	unsigned int i;

	register_all(test);
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
	for (i = 0; i < 2; i++) {
		session[i] = vfio_mediate_open(pdev, NULL, fake_detached, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session[i]);
	}
	KUNIT_EXPECT_EQ(test, before + 2, module_refcount(THIS_MODULE));
	for (i = 0; i < 2; i++)
		vfio_mediate_close(session[i]);
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
}

static void test_unregister_detaches(struct kunit *test)
{
	const struct vfio_pci_mediate_ops *entered;
	struct pci_dev *pdev = fake_device(test);
	int before = module_refcount(THIS_MODULE);
	struct vfio_mediate_session *session;
	bool was_detached = false;
	struct vfio_mediate_device *dev;
	char name[16];
	int cookie;

	register_all(test);
	session = vfio_mediate_open(pdev, NULL, fake_detached, &was_detached);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	entered = vfio_mediate_enter(session, &dev, &cookie);
	KUNIT_EXPECT_PTR_EQ(test, entered, &ops[0]);
	KUNIT_EXPECT_PTR_EQ(test, dev->handle, (void *)&vendor[0]);
	vfio_mediate_exit(session, cookie);

	/* Other ops are unregistered: no effect. */
	vfio_pci_unregister_mediate_ops(&ops[1]);
	KUNIT_EXPECT_FALSE(test, was_detached);

	vfio_pci_unregister_mediate_ops(&ops[0]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_EXPECT_TRUE(test, was_detached);
	KUNIT_EXPECT_EQ(test, detached, 1);
	KUNIT_EXPECT_EQ(test, before, module_refcount(THIS_MODULE));
	KUNIT_EXPECT_NULL(test, vfio_mediate_enter(session, &dev, &cookie));
	vfio_mediate_exit(session, cookie);
	KUNIT_EXPECT_FALSE(test, vfio_mediate_name(pdev, name, sizeof(name)));

	/* Registered again, the ops do not get the old session back. */
	KUNIT_EXPECT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	vfio_mediate_close(session);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_EXPECT_EQ(test, detached, 1);
}

/* A driver of two PFs detaches the devices of one. */
static void test_detach_one_pf(struct kunit *test)
{
	struct vfio_mediate_session *session[2], *again;
	int before = module_refcount(THIS_MODULE);
	struct pci_dev *pf[2], *vf[2];
	bool was_detached[2] = {};
	unsigned int i;

	register_all(test);
	for (i = 0; i < 2; i++) {
		pf[i] = fake_device(test);
		vf[i] = fake_device(test);
		vf[i]->is_virtfn = 1;
		vf[i]->physfn = pf[i];
		session[i] = vfio_mediate_open(vf[i], NULL, fake_detached,
					       &was_detached[i]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session[i]);
	}

	vfio_pci_mediate_detach(&ops[1], pf[0]);
	KUNIT_EXPECT_EQ(test, detached, 0);
	vfio_pci_mediate_detach(&ops[0], pf[0]);
	KUNIT_EXPECT_TRUE(test, was_detached[0]);
	KUNIT_EXPECT_FALSE(test, was_detached[1]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	KUNIT_EXPECT_EQ(test, before + 1, module_refcount(THIS_MODULE));

	/* The ops are still registered. */
	again = vfio_mediate_open(vf[0], NULL, fake_detached, &was_detached[0]);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, again);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 3);
	if (!IS_ERR_OR_NULL(again))
		vfio_mediate_close(again);

	vfio_mediate_close(session[0]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 2);
	vfio_mediate_close(session[1]);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 3);
	KUNIT_EXPECT_EQ(test, detached, 1);
}

static int unregister_thread(void *done)
{
	vfio_pci_unregister_mediate_ops(&ops[0]);
	complete_all(done);

	return 0;
}

static void test_unregister_waits(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct vfio_mediate_session *session;
	struct task_struct *task;
	struct vfio_mediate_device *dev;
	int cookie;

	register_all(test);
	session = vfio_mediate_open(fake_device(test), NULL, fake_detached,
				    &(bool){ false });
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);

	KUNIT_EXPECT_NOT_NULL(test,
			      vfio_mediate_enter(session, &dev, &cookie));
	task = kthread_run(unregister_thread, &done, "unregister");
	KUNIT_EXPECT_FALSE(test, IS_ERR(task));
	if (!IS_ERR(task)) {
		KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&done, HZ));
		KUNIT_EXPECT_EQ(test, vendor[0].released, 0);
	}
	vfio_mediate_exit(session, cookie);
	if (!IS_ERR(task))
		wait_for_completion(&done);
	KUNIT_EXPECT_EQ(test, vendor[0].released, 1);
	vfio_mediate_close(session);
}

struct waiter {
	struct vfio_mediate_session *session;
	struct completion done;
};

static int synchronize_thread(void *data)
{
	struct waiter *waiter = data;

	vfio_mediate_synchronize(waiter->session);
	complete_all(&waiter->done);

	return 0;
}

/* A read-side section delays vfio_mediate_synchronize() of its session, and of no other. */
static void test_synchronize_waits(struct kunit *test)
{
	struct vfio_mediate_device *dev;
	struct task_struct *task[2];
	struct waiter waiter[2];
	unsigned int i;
	int cookie;

	register_all(test);
	for (i = 0; i < 2; i++) {
		init_completion(&waiter[i].done);
		waiter[i].session = vfio_mediate_open(fake_device(test), NULL,
						      fake_detached,
						      &(bool){ false });
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, waiter[i].session);
	}

	KUNIT_EXPECT_NOT_NULL(test, vfio_mediate_enter(waiter[0].session, &dev,
						       &cookie));
	for (i = 0; i < 2; i++) {
		task[i] = kthread_run(synchronize_thread, &waiter[i], "wait");
		KUNIT_EXPECT_FALSE(test, IS_ERR(task[i]));
	}
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&waiter[1].done, 20 * HZ));
	KUNIT_EXPECT_EQ(test, 0,
			wait_for_completion_timeout(&waiter[0].done, HZ));
	vfio_mediate_exit(waiter[0].session, cookie);

	for (i = 0; i < 2; i++) {
		if (!IS_ERR(task[i]))
			wait_for_completion(&waiter[i].done);
		vfio_mediate_close(waiter[i].session);
	}
}

/* Ops with IDs are asked for matching devices only, and before ops without IDs. */
static void test_ids(struct kunit *test)
{
	static const struct pci_device_id ids[] = {
		{ PCI_DEVICE_SUB(0xfffe, 0xfffd, 1, PCI_ANY_ID) },
		{ PCI_DEVICE(0xfffe, 0xfffd) },
		{ PCI_DEVICE(0xfffe, 0xfffc) },
		{ }
	};
	static const struct pci_device_id classes[] = {
		{ PCI_DEVICE_CLASS(PCI_CLASS_NETWORK_ETHERNET << 8, ~0) },
		{ }
	};
	struct vfio_pci_mediate_ops named = ops[1], classed = ops[2];
	struct pci_dev *pdev = fake_device(test);
	struct vfio_mediate_session *session;
	bool was_detached = false;

	named.ids = ids;
	classed.ids = classes;
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&classed));
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&ops[0]));
	KUNIT_ASSERT_EQ(test, 0, vfio_pci_register_mediate_ops(&named));
	session = vfio_mediate_open(pdev, NULL, fake_detached, &was_detached);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, session);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 0);
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 1);
	KUNIT_EXPECT_EQ(test, vendor[2].opened, 0);
	vfio_mediate_close(session);

	/* Two IDs match: the ops are asked once. */
	vendor[0].open_ret = -ENODEV;
	vendor[1].open_ret = -ENODEV;
	pdev->subsystem_vendor = 1;
	KUNIT_EXPECT_NULL(test, vfio_mediate_open(pdev, NULL, fake_detached, &was_detached));
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 2);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 1);

	pdev->device = 0xfffb;
	KUNIT_EXPECT_NULL(test, vfio_mediate_open(pdev, NULL, fake_detached, &was_detached));
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 2);
	KUNIT_EXPECT_EQ(test, vendor[0].opened, 2);

	pdev->class = PCI_CLASS_NETWORK_ETHERNET << 8;
	session = vfio_mediate_open(pdev, NULL, fake_detached, &was_detached);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, session);
	KUNIT_EXPECT_EQ(test, vendor[2].opened, 1);
	vfio_mediate_close(session);

	vfio_pci_unregister_mediate_ops(&classed);
	vfio_pci_unregister_mediate_ops(&named);
	pdev->device = 0xfffc;
	KUNIT_EXPECT_NULL(test, vfio_mediate_open(pdev, NULL, fake_detached, &was_detached));
	KUNIT_EXPECT_EQ(test, vendor[1].opened, 2);
}

/* Arguments of the last call of a function of the host */
struct host_call {
	const char *function;
	const void *pointer;
	u64 first;
	u64 second;
};

static void record(struct host_call *call, const char *function, const void *pointer,
		   u64 first, u64 second)
{
	*call = (struct host_call){ function, pointer, first, second };
}

static int host_rw(void *data, struct vfio_mediate_access *access)
{
	record(data, "rw", access, 0, 0);
	return -EIO;
}

static int host_trap(void *data, bool on)
{
	record(data, "trap", NULL, on, 0);
	return -EBUSY;
}

static int host_signal(void *data, unsigned int irq, unsigned int vector)
{
	record(data, "signal", NULL, irq, vector);
	return -EINVAL;
}

static int host_read(void *data, u64 iova, void *buf, size_t size)
{
	record(data, "read", buf, iova, size);
	return -EFAULT;
}

static int host_write(void *data, u64 iova, const void *buf, size_t size)
{
	record(data, "write", buf, iova, size);
	return -EPERM;
}

static void host_mark(void *data, u64 iova, u64 size)
{
	record(data, "mark", NULL, iova, size);
}

static int host_was_reset(void *data)
{
	record(data, "was_reset", NULL, 0, 0);
	return -ENODEV;
}

static int host_state_lost(void *data)
{
	record(data, "state_lost", NULL, 0, 0);
	return -ENXIO;
}

static const struct vfio_mediate_host_ops host_ops = {
	.rw		= host_rw,
	.trap		= host_trap,
	.signal		= host_signal,
	.read		= host_read,
	.write		= host_write,
	.mark		= host_mark,
	.was_reset	= host_was_reset,
	.state_lost	= host_state_lost,
};

static void expect_call(struct kunit *test, struct host_call *call, const char *function,
			const void *pointer, u64 first, u64 second)
{
	KUNIT_ASSERT_NOT_NULL(test, call->function);
	KUNIT_EXPECT_STREQ(test, call->function, function);
	KUNIT_EXPECT_PTR_EQ(test, call->pointer, pointer);
	KUNIT_EXPECT_EQ(test, call->first, first);
	KUNIT_EXPECT_EQ(test, call->second, second);
	memset(call, 0, sizeof(*call));
}

/* What a vendor calls reaches the host, with its data, and so does the result. */
static void test_host_ops(struct kunit *test)
{
	struct vfio_mediate_access access = {};
	struct vfio_mediate_session *session;
	struct vfio_mediate_device *dev;
	struct host_call call = {};
	int cookie;

	register_all(test);
	session = vfio_mediate_open(fake_device(test), &host_ops, fake_detached, &call);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, session);
	vfio_mediate_enter(session, &dev, &cookie);
	vfio_mediate_exit(session, cookie);

	KUNIT_EXPECT_EQ(test, -EIO, vfio_mediate_default_rw(dev, &access));
	expect_call(test, &call, "rw", &access, 0, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY, vfio_mediate_trap(dev, true));
	expect_call(test, &call, "trap", NULL, true, 0);
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_mediate_signal(dev, 3, 4));
	expect_call(test, &call, "signal", NULL, 3, 4);
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_mediate_read(dev, 5, &access, 6));
	expect_call(test, &call, "read", &access, 5, 6);
	KUNIT_EXPECT_EQ(test, -EPERM, vfio_mediate_write(dev, 9, &access, 10));
	expect_call(test, &call, "write", &access, 9, 10);
	vfio_mediate_mark(dev, 7, 8);
	expect_call(test, &call, "mark", NULL, 7, 8);
	vfio_mediate_mark_all(dev);
	expect_call(test, &call, "mark", NULL, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, -ENODEV, vfio_mediate_was_reset(dev));
	expect_call(test, &call, "was_reset", NULL, 0, 0);
	KUNIT_EXPECT_EQ(test, -ENXIO, vfio_mediate_state_lost(dev));
	expect_call(test, &call, "state_lost", NULL, 0, 0);

	vfio_mediate_close(session);
}

static struct kunit_case registry_cases[] = {
	KUNIT_CASE(test_register_incomplete),
	KUNIT_CASE(test_register_twice),
	KUNIT_CASE(test_unregister_unknown),
	KUNIT_CASE(test_no_claim),
	KUNIT_CASE(test_first_claim_wins),
	KUNIT_CASE(test_error_ends_the_walk),
	KUNIT_CASE(test_positive_open_ret),
	KUNIT_CASE(test_owner_is_pinned),
	KUNIT_CASE(test_unregister_detaches),
	KUNIT_CASE(test_detach_one_pf),
	KUNIT_CASE(test_unregister_waits),
	KUNIT_CASE(test_synchronize_waits),
	KUNIT_CASE(test_ids),
	KUNIT_CASE(test_host_ops),
	{ }
};

static struct kunit_suite registry_suite = {
	.name = "registry",
	.init = registry_init,
	.exit = registry_exit,
	.test_cases = registry_cases,
};

kunit_test_suite(registry_suite);

MODULE_IMPORT_NS(VFIO_MEDIATE_HOST_NS);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("KUnit suite of the mediate registry");
