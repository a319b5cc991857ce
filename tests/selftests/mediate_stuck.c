// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: a user whose memory does not come, be it by userfaultfd or by FUSE. An
 * access of his waits for it; nobody else may have to.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

#define PATIENCE	3	/* seconds */

struct stuck {
	struct mediate *m;
	const struct vfio_client_region *region;
	__u64 off;
	size_t len;
	bool write;
	void *buf;
	long ret;
};

static void *access_stuck(void *arg)
{
	struct stuck *s = arg;

	if (s->write)
		s->ret = region_write(s->m, s->region, s->off, s->buf, s->len);
	else
		s->ret = region_read(s->m, s->region, s->off, s->buf, s->len);

	return NULL;
}

static void *toggle(void *arg)
{
	trap_set(arg, TRAP_ON);
	trap_set(arg, TRAP_OFF);

	return NULL;
}

/* Memory that is there only once it is given; NULL where that cannot be had. */
static void *missing_page(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *page;

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0)
		return NULL;

	page = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)page;
	reg.range.len = PAGE_4K;
	if (ioctl(*uffd, UFFDIO_API, &api) ||
	    ioctl(*uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));

	return page;
}

static void give_page(int uffd, void *page)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)page, .len = PAGE_4K },
	};

	if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
		die("userfaultfd: %s", strerror(errno));
}

static void test_access(struct __test_metadata *_metadata, struct mediate *m, int uffd,
			struct stuck *s, const char *name)
{
	pthread_t accessor, toggler;
	struct timespec deadline;
	bool free;

	s->m = m;
	pthread_create(&accessor, NULL, access_stuck, s);
	usleep(50000);
	pthread_create(&toggler, NULL, toggle, m);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE;
	free = !pthread_timedjoin_np(toggler, NULL, &deadline);
	CHECK(free, "stuck: %s: does not hold up a trap", name);
	give_page(uffd, s->buf);
	if (!free)
		pthread_join(toggler, NULL);
	pthread_join(accessor, NULL);
	CHECK_EQ(s->ret, s->len, "stuck: %s: and comes to its end", name);
	madvise(s->buf, PAGE_4K, MADV_DONTNEED);
}

TEST_F(mediate, stuck)
{
	struct mediate *m = &self->m;
	const struct vfio_client_region *config =
		&m->region[VFIO_PCI_CONFIG_REGION_INDEX];
	const struct {
		const char *name;
		struct stuck stuck;
	} cases[] = {
		{ "read of a page that can be trapped",
		  { .region = m->region, .off = REG_RDBAH(0), .len = 4 } },
		{ "write of a page that can be trapped",
		  { .region = m->region, .off = REG_RDBAH(0), .len = 4,
		    .write = true } },
		{ "read of mediated registers",
		  { .region = m->region, .off = DEMO_SCRATCH, .len = 8 } },
		{ "write of mediated registers",
		  { .region = m->region, .off = DEMO_SCRATCH, .len = 8,
		    .write = true } },
		{ "read of config space, passed through",
		  { .region = config, .off = 8, .len = 1 } },
		{ "write of config space, passed through",
		  { .region = config, .off = 8, .len = 1, .write = true } },
		{ "read of config space, served",
		  { .region = config, .off = 0x2c, .len = 4 } },
		{ "read of an added region",
		  { .region = m->memory, .off = 0x80, .len = 8 } },
	};
	struct stuck stuck;
	unsigned int i;
	void *page;
	int uffd;

	page = missing_page(&uffd);
	if (!page)
		SKIP(return, "no userfaultfd here");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		stuck = cases[i].stuck;
		stuck.buf = page;
		test_access(_metadata, m, uffd, &stuck, cases[i].name);
	}
	munmap(page, PAGE_4K);
	close(uffd);
}

/* What somebody with another device wants. */
struct other {
	int open;
	int unmediated;		/* devices that nobody mediates */
};

static void *use_other(void *arg)
{
	struct other *other = arg;
	struct vfio_client client;
	unsigned int i;

	other->open = open_device(&client, lab_vf(1), VFIO_CLIENT_GROUP);
	for (i = 0; i < 2; i++)
		other->unmediated += is_mediated_by(lab_vf(i), "none");
	if (!other->open)
		vfio_client_close(&client);

	return NULL;
}

static void *unregister(void *arg)
{
	*(int *)arg = demo_param_set("registered", "0");

	return NULL;
}

static bool joins(pthread_t thread)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE;

	return !pthread_timedjoin_np(thread, NULL, &deadline);
}

/*
 * The vendor goes while an access of the VMM's is under way: others open their devices
 * meanwhile, and see who mediates them.
 */
static void test_going(struct __test_metadata *_metadata, struct stuck *s,
		       bool waits, void (*end)(void *arg), void *arg, const char *name)
{
	pthread_t accessor, unregisterer, user;
	struct other other = {};
	bool gone, free;
	int ret = -1;

	pthread_create(&accessor, NULL, access_stuck, s);
	usleep(100000);
	pthread_create(&unregisterer, NULL, unregister, &ret);
	usleep(100000);
	pthread_create(&user, NULL, use_other, &other);
	free = joins(user);
	CHECK(free, "going: %s: others open and close their devices", name);
	gone = joins(unregisterer);
	CHECK_EQ(gone, !waits, "going: %s: %s by the vendor", name,
		 waits ? "is waited for" : "is not waited for");
	end(arg);
	if (!free)
		pthread_join(user, NULL);
	if (!gone)
		pthread_join(unregisterer, NULL);
	pthread_join(accessor, NULL);
	CHECK_EQ(ret, 0, "going: %s: the vendor goes", name);
	CHECK_EQ(other.open, 0, "going: %s: another device could be opened", name);
	CHECK_EQ(other.unmediated, 2, "going: %s: nobody mediates either", name);
	CHECK_EQ(demo_param_set("registered", "1"), 0, "going: %s: the vendor is back", name);
}

static void end_stall(void *arg)
{
	(void)arg;
	demo_debugfs_set("stall", "0");
}

TEST_F(mediate, vendor_stalls)
{
	char buf[8] = {};
	struct stuck stuck = {
		.m = &self->m, .region = self->m.region, .off = DEMO_SCRATCH,
		.len = sizeof(buf), .write = true, .buf = buf,
	};

	demo_debugfs_set("stall", "1");
	test_going(_metadata, &stuck, true, end_stall, NULL, "a write that its vendor delays");
}

struct page_given {
	int uffd;
	void *page;
};

static void end_page(void *arg)
{
	struct page_given *given = arg;

	give_page(given->uffd, given->page);
}

TEST_F(mediate, user_stalls)
{
	struct stuck stuck = {
		.m = &self->m, .region = self->m.region, .off = DEMO_SCRATCH, .len = 8,
		.write = true,
	};
	struct page_given given;

	given.page = missing_page(&given.uffd);
	if (!given.page)
		SKIP(return, "no userfaultfd here");
	stuck.buf = given.page;
	test_going(_metadata, &stuck, false, end_page, &given,
		   "a write whose bytes do not come");
	munmap(given.page, PAGE_4K);
	close(given.uffd);
}

TEST_HARNESS_MAIN
