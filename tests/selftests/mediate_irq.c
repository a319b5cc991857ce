// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: interrupts that are not PCI's.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, none) { .parameters = DEMO_NONE };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, sparse) { .parameters = DEMO_SPARSE };
FIXTURE_VARIANT_ADD(mediate, hammer) { .parameters = DEMO_HAMMER };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOLS	VFIO_IRQ_SET_DATA_BOOL
#define FDS	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

static int set(struct mediate *m, __u32 index, __u32 flags, __u32 start,
	       __u32 count, const void *data, size_t size)
{
	return vfio_client_set_irqs(&m->dev, flags, index, start, count, data,
				    size);
}

static int set_fd(struct mediate *m, __u32 index, __u32 vector, int fd)
{
	return set(m, index, FDS | TRIGGER, vector, 1, &fd, sizeof(fd));
}

/* The device signals a vector of either interrupt. */
static long signal_vector(struct mediate *m, __u32 vector)
{
	return region_write(m, m->memory, DEMO_SIGNAL_VECTOR, &vector, 4);
}

static void signal_other(struct mediate *m)
{
	__u32 word = 1;

	if (region_write(m, m->memory, DEMO_SIGNAL_OTHER, &word, 4) != 4)
		die("the automasked interrupt cannot be signalled");
}

static void expect_counts(struct __test_metadata *_metadata, int *fds, unsigned int a,
			  unsigned int b, unsigned int c, unsigned int d, const char *what)
{
	unsigned long long got[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		got[i] = eventfd_count(fds[i]);
	if (!CHECK(got[0] == a && got[1] == b && got[2] == c && got[3] == d, "irq of 4: %s",
		   what))
		ksft_print_msg("got %llu %llu %llu %llu, want %u %u %u %u\n", got[0], got[1],
			       got[2], got[3], a, b, c, d);
}

static void check_wrong(struct __test_metadata *_metadata, struct mediate *m, __u32 index,
			__u32 count, const char *name)
{
	struct vfio_irq_set hdr = { .index = index };
	int fds[4], zeros[4] = {}, null, i;

	for (i = 0; i < 4; i++)
		fds[i] = new_eventfd();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);

	hdr.argsz = sizeof(hdr) - 1;
	hdr.flags = NONE | TRIGGER;
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_SET_IRQS, &hdr), -EINVAL,
		 "%s: argsz too small", name);
	CHECK_EQ(set(m, index, NONE | TRIGGER, count, 1, NULL, 0), -EINVAL,
		 "%s: vector after the last", name);
	CHECK_EQ(set(m, index, NONE | TRIGGER, count, 0, NULL, 0), -EINVAL,
		 "%s: none from after the last", name);
	CHECK_EQ(set(m, index, NONE | TRIGGER, 0, count + 1, NULL, 0), -EINVAL,
		 "%s: one vector too many", name);
	CHECK_EQ(set(m, index, NONE | TRIGGER, 1, ~0u - 1, NULL, 0), -EINVAL,
		 "%s: start and count that overflow", name);
	CHECK_EQ(set(m, index, NONE | TRIGGER | 1 << 6, 0, 1, NULL, 0), -EINVAL,
		 "%s: a flag that there is not", name);
	CHECK_EQ(set(m, index, NONE | BOOLS | TRIGGER, 0, 1, zeros, 16), -EINVAL,
		 "%s: two kinds of data", name);
	CHECK_EQ(set(m, index, TRIGGER, 0, 1, zeros, 16), -EINVAL, "%s: no kind of data", name);
	CHECK_EQ(set(m, index, BOOLS | TRIGGER, 0, 1, NULL, 0), -EINVAL,
		 "%s: no room for booleans", name);
	CHECK_EQ(set(m, index, FDS | TRIGGER, 0, 1, fds, 3), -EINVAL,
		 "%s: no room for eventfds", name);
	CHECK_EQ(set(m, index, NONE, 0, 1, NULL, 0), -EINVAL, "%s: no action", name);
	CHECK_EQ(set(m, index, NONE | MASK | UNMASK, 0, 1, NULL, 0), -EINVAL, "%s: two actions",
		 name);
	CHECK_EQ(set(m, index, NONE | MASK | TRIGGER, 0, 1, NULL, 0), -EINVAL,
		 "%s: two other actions", name);
	CHECK_EQ(set(m, index, NONE | MASK, 0, 0, NULL, 0), -EINVAL, "%s: mask none", name);
	CHECK_EQ(set(m, index, FDS | MASK, 0, 1, fds, 4), -EINVAL, "%s: mask by an eventfd",
		 name);
	CHECK_EQ(set(m, index, FDS | UNMASK, 0, 1, fds, 4), -EINVAL, "%s: unmask by an eventfd",
		 name);
	CHECK_EQ(set_fd(m, index, 0, 9999), -EBADF, "%s: a file that is not open", name);
	CHECK_EQ(set_fd(m, index, 0, null), -EINVAL, "%s: not an eventfd", name);
	CHECK_EQ(set_fd(m, index, 0, -1), 0, "%s: none where there was none", name);
	CHECK_EQ(set(m, m->num_irqs, NONE | TRIGGER, 0, 0, NULL, 0), -EINVAL,
		 "%s: interrupt after the last", name);
	CHECK_EQ(vfio_client_ioctl(m->dev.device_fd, VFIO_DEVICE_SET_IRQS, (void *)8), -EFAULT,
		 "%s: no buffer", name);

	close(null);
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

TEST_F(mediate, vectors)
{
	__u8 bools[4] = { 1, 0, 1, 0 };
	struct mediate *m = &self->m;
	__u32 index = m->irq4;
	int fds[4], i, mixed[2], null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (i = 0; i < 4; i++)
		fds[i] = new_eventfd();

	CHECK_EQ(signal_vector(m, 0), 4, "irq of 4: signalled while nobody listens");
	CHECK_EQ(set(m, index, FDS | TRIGGER, 0, 4, fds, sizeof(fds)), 0,
		 "irq of 4: all vectors at once");
	expect_counts(_metadata, fds, 0, 0, 0, 0, "none is signalled by that");
	for (i = 0; i < 4; i++)
		signal_vector(m, i);
	expect_counts(_metadata, fds, 1, 1, 1, 1, "each vector its eventfd");
	signal_vector(m, 2);
	signal_vector(m, 2);
	signal_vector(m, 2);
	expect_counts(_metadata, fds, 0, 0, 3, 0, "one three times");
	CHECK_EQ(signal_vector(m, 4), -EINVAL, "irq of 4: vector that there is not");
	CHECK_EQ(signal_vector(m, ~0), -EINVAL, "irq of 4: nor that");
	expect_counts(_metadata, fds, 0, 0, 0, 0, "nothing came of them");

	CHECK_EQ(set(m, index, NONE | TRIGGER, 1, 2, NULL, 0), 0,
		 "irq of 4: trigger two by hand");
	expect_counts(_metadata, fds, 0, 1, 1, 0, "those two");
	CHECK_EQ(set(m, index, BOOLS | TRIGGER, 0, 4, bools, 4), 0,
		 "irq of 4: trigger by booleans");
	expect_counts(_metadata, fds, 1, 0, 1, 0, "those that are true");

	CHECK_EQ(set_fd(m, index, 1, -1), 0, "irq of 4: take one away");
	for (i = 0; i < 4; i++)
		signal_vector(m, i);
	expect_counts(_metadata, fds, 1, 0, 1, 1, "all but that one");
	CHECK_EQ(set_fd(m, index, 1, fds[0]), 0, "irq of 4: an eventfd for two");
	signal_vector(m, 0);
	signal_vector(m, 1);
	expect_counts(_metadata, fds, 2, 0, 0, 0, "it is signalled by both");
	CHECK_EQ(set_fd(m, index, 1, fds[1]), 0, "irq of 4: replace one");
	signal_vector(m, 1);
	expect_counts(_metadata, fds, 0, 1, 0, 0, "the new one is signalled");

	mixed[0] = fds[2];
	mixed[1] = null;
	CHECK_EQ(set(m, index, FDS | TRIGGER, 0, 2, mixed, sizeof(mixed)), -EINVAL,
		 "irq of 4: the second of two is no eventfd");
	signal_vector(m, 0);
	signal_vector(m, 1);
	expect_counts(_metadata, fds, 1, 1, 0, 0, "then both stay as they were");
	CHECK_EQ(set(m, index, FDS | TRIGGER, 0, 4, fds, sizeof(fds)), 0, "irq of 4: all anew");

	CHECK_EQ(set(m, index, NONE | TRIGGER, 0, 0, NULL, 0), 0, "irq of 4: take all away");
	for (i = 0; i < 4; i++)
		signal_vector(m, i);
	expect_counts(_metadata, fds, 0, 0, 0, 0, "none is left");

	close(null);
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

TEST_F(mediate, mask)
{
	__u8 bools[4] = { 0, 1, 1, 0 };
	struct mediate *m = &self->m;
	__u32 index = m->irq4;
	int fds[4], i;

	for (i = 0; i < 4; i++)
		fds[i] = new_eventfd();
	set(m, index, FDS | TRIGGER, 0, 4, fds, sizeof(fds));

	CHECK_EQ(set(m, index, NONE | MASK, 1, 1, NULL, 0), 0, "irq of 4: mask one");
	for (i = 0; i < 4; i++) {
		signal_vector(m, i);
		signal_vector(m, i);
	}
	expect_counts(_metadata, fds, 2, 0, 2, 2, "all but the masked one");
	CHECK_EQ(set(m, index, NONE | UNMASK, 1, 1, NULL, 0), 0, "irq of 4: unmask it");
	expect_counts(_metadata, fds, 0, 1, 0, 0, "what came meanwhile is signalled, once");
	CHECK_EQ(set(m, index, NONE | UNMASK, 0, 4, NULL, 0), 0,
		 "irq of 4: unmask what is not masked");
	expect_counts(_metadata, fds, 0, 0, 0, 0, "nothing comes of that");
	set(m, index, NONE | MASK, 0, 4, NULL, 0);
	set(m, index, NONE | UNMASK, 0, 4, NULL, 0);
	expect_counts(_metadata, fds, 0, 0, 0, 0, "nor of masking and unmasking");

	CHECK_EQ(set(m, index, BOOLS | MASK, 0, 4, bools, 4), 0, "irq of 4: mask by booleans");
	for (i = 0; i < 4; i++)
		signal_vector(m, i);
	expect_counts(_metadata, fds, 1, 0, 0, 1, "those that are false");
	bools[1] = 0;
	bools[3] = 1;
	CHECK_EQ(set(m, index, BOOLS | UNMASK, 0, 4, bools, 4), 0,
		 "irq of 4: unmask by booleans");
	expect_counts(_metadata, fds, 0, 0, 1, 0, "one of two that were masked");
	set(m, index, NONE | UNMASK, 0, 4, NULL, 0);
	expect_counts(_metadata, fds, 0, 1, 0, 0, "then the other");

	set(m, index, NONE | TRIGGER, 0, 0, NULL, 0);
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

TEST_F(mediate, automasked)
{
	struct mediate *m = &self->m;
	int fd = new_eventfd();
	__u32 index = m->irq_auto;

	CHECK_EQ(set_fd(m, index, 0, fd), 0, "automasked irq: listen");
	signal_other(m);
	CHECK_EQ(eventfd_count(fd), 1, "automasked irq: signalled");
	signal_other(m);
	signal_other(m);
	CHECK_EQ(eventfd_count(fd), 0, "automasked irq: then masked");
	CHECK_EQ(set(m, index, NONE | UNMASK, 0, 1, NULL, 0), 0, "automasked irq: unmask");
	CHECK_EQ(eventfd_count(fd), 1,
		 "automasked irq: what came meanwhile is signalled, once");
	signal_other(m);
	CHECK_EQ(eventfd_count(fd), 0, "automasked irq: and masked again");
	set(m, index, NONE | UNMASK, 0, 1, NULL, 0);
	CHECK_EQ(eventfd_count(fd), 1, "automasked irq: until it is unmasked");
	CHECK_EQ(set(m, index, NONE | UNMASK, 0, 1, NULL, 0), 0,
		 "automasked irq: unmask with nothing pending");
	CHECK_EQ(eventfd_count(fd), 0, "automasked irq: nothing comes of that");
	signal_other(m);
	CHECK_EQ(eventfd_count(fd), 1, "automasked irq: but now one does");

	set(m, index, NONE | TRIGGER, 0, 0, NULL, 0);
	set(m, index, NONE | UNMASK, 0, 1, NULL, 0);
	close(fd);
}

TEST_F(mediate, wrong)
{
	struct mediate *m = &self->m;

	check_wrong(_metadata, m, m->irq4, 4, "irq of 4");
	check_wrong(_metadata, m, m->irq_auto, 1, "automasked irq");
	if (m->irq_trap)
		check_wrong(_metadata, m, m->irq_trap, 1, "trap irq");
}

TEST_F(mediate, ioeventfd)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = self->m.region[0].offset + REG_VTIVAR,
		.fd = new_eventfd(),
	};

	CHECK_EQ(vfio_client_ioctl(self->m.dev.device_fd, VFIO_DEVICE_IOEVENTFD, &ioeventfd),
		 -EOPNOTSUPP, "ioeventfd: not with a mediated device");
	close(ioeventfd.fd);
}

TEST_HARNESS_MAIN
