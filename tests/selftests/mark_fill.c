// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: a vendor that reads the guest's memory for each register of a trapped page. While a
 * shadow is filled it may not, as locks are held then that a page fault takes.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "dirty.h"

#define PATIENCE	10000	/* ms */
#define RX_PAGE		0x2000
#define RDBAH		0x804	/* in that page */

static int result(const char *name)
{
	char value[32];

	must(param_get("mediator_marks", name, value, sizeof(value)), name);

	return atoi(value);
}

/* Reads of memory that follow have another result, unless there are none. */
static void forget(void)
{
	must(!param_set("mediator_marks", "filled", "1") &&
	     !param_set("mediator_marks", "drained", "1"), "forget");
}

/* What a drain has got of a register that the guest has written */
static int wait_drained(__u8 *page)
{
	double end = now() + PATIENCE;

	__atomic_add_fetch((__u32 *)(page + RDBAH), 1, __ATOMIC_RELAXED);
	while (result("drained") > 0 && now() < end)
		usleep(1000);

	return result("drained");
}

TEST(fill)
{
	static struct dirty d;
	void *mem, *page;

	module_load("mediator_marks", "mark_size=0 trap=Y");
	mem = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, open_device(&d.dev, lab_vf(0), VFIO_CLIENT_GROUP));
	must(!vfio_client_dma_map(&d.dev, mem, 0, PAGE_4K), "map");
	must(!vfio_client_get_region(&d.dev, 0, &d.bar) &&
	     !vfio_client_region_mmap(&d.dev, &d.bar, PAGE_4K, RX_PAGE, &page), "BAR 0");
	must(!container_dirty(&d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "START");

	forget();
	must(!set_state(&d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
	CHECK_EQ(result("filled"), -ENODEV, "memory read when a shadow is filled at first");
	CHECK_EQ(wait_drained(page), 0, "memory read when it is drained");

	forget();
	must(!vfio_client_ioctl(d.dev.device_fd, VFIO_DEVICE_RESET, NULL), "reset");
	CHECK_EQ(result("filled"), -ENODEV, "memory read when it is filled after a reset");
	CHECK_EQ(wait_drained(page), 0, "memory read when it is drained then: it is still tracked");

	munmap(page, PAGE_4K);
	vfio_client_close(&d.dev);
	end_checks(_metadata);
}

TEST_HARNESS_MAIN
