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

TEST_HARNESS_MAIN
