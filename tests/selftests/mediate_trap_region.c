// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: the dynamic trap region, in place of the feature that the other tests use.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio_mediate_trap_region.h>

#include "mediate_fixture.h"

FIXTURE_VARIANT_ADD(mediate, net) { .parameters = DEMO_NET };
FIXTURE_VARIANT_ADD(mediate, noshadow) { .parameters = DEMO_NOSHADOW };
FIXTURE_VARIANT_ADD(mediate, cdev) { .parameters = DEMO_NET_ROM, .mode = VFIO_CLIENT_CDEV };

#define ON	VFIO_MEDIATE_TRAP_ON
#define EXACT	VFIO_MEDIATE_TRAP_EXACT

static const struct vfio_client_region *find(struct mediate *m)
{
	const struct vfio_client_region *found = NULL;
	const struct vfio_region_info_cap_type *type;
	struct vfio_region_info *info;
	__u32 i;

	for (i = VFIO_PCI_NUM_REGIONS; i < m->num_regions; i++) {
		if (vfio_client_region_info(&m->dev, i, &info))
			die("no info of region %u", i);
		type = find_cap(info, info->argsz, info->cap_offset, VFIO_REGION_INFO_CAP_TYPE);
		if (type && type->type == VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP &&
		    type->subtype == VFIO_MEDIATE_REGION_SUBTYPE_DYNAMIC_TRAP_BAR_INFO)
			found = &m->region[i];
		free(info);
	}
	if (!found)
		die("no dynamic trap region");

	return found;
}

static long write_member(struct mediate *m, __u64 member, __u32 value)
{
	long ret = region_write(m, find(m), member, &value, sizeof(value));

	return ret == sizeof(value) ? 0 : ret < 0 ? ret : -EIO;
}

static long read_member(struct mediate *m, __u64 member)
{
	__s32 value;
	long ret = region_read(m, find(m), member, &value, sizeof(value));

	return ret == sizeof(value) ? value : ret < 0 ? ret : -EIO;
}

static long set_dt_fd(struct mediate *m, int fd)
{
	return write_member(m, offsetof(struct vfio_mediate_trap_info, dt_fd), fd);
}

static long get_dt_fd(struct mediate *m)
{
	return read_member(m, offsetof(struct vfio_mediate_trap_info, dt_fd));
}

static long set(struct mediate *m, __u32 flags)
{
	return write_member(m, offsetof(struct vfio_mediate_trap_info, trap), flags);
}

static long get(struct mediate *m)
{
	return read_member(m, offsetof(struct vfio_mediate_trap_info, trap));
}

TEST_F(mediate, members)
{
	struct mediate *m = &self->m;
	const struct vfio_client_region *region = find(m);
	static const struct {
		__u32 off, len;
	} wrong[] = {
		{ 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 8 }, { 1, 4 }, { 2, 4 },
		{ 4, 1 }, { 4, 2 }, { 4, 8 }, { 6, 2 }, { 7, 1 }, { 3, 2 },
		{ 8, 4 }, { 4096, 4 },
	};
	__u8 buf[8] = {};
	unsigned int i;

	CHECK_EQ(region->size, sizeof(struct vfio_mediate_trap_info), "trap region: size");
	CHECK_HEX(region->flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		  VFIO_REGION_INFO_FLAG_CAPS, "trap region: flags");
	CHECK_EQ(try_map(m, region, 0, PAGE_4K, MAP_SHARED, NULL), -EINVAL, "trap region: map");
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK_EQ(region_read(m, region, wrong[i].off, buf, wrong[i].len), -EINVAL,
			 "trap region: read of %u at %u", wrong[i].len, wrong[i].off);
		CHECK_EQ(region_write(m, region, wrong[i].off, buf, wrong[i].len), -EINVAL,
			 "trap region: write of %u at %u", wrong[i].len, wrong[i].off);
	}
	CHECK_EQ(region_read(m, region, 0, buf, 0), 0, "trap region: read of nothing");
	for (i = 0; i < 8; i += 4) {
		CHECK_EQ(region_read(m, region, i, NULL, 4), -EFAULT,
			 "trap region: read at %u to no buffer", i);
		CHECK_EQ(region_write(m, region, i, NULL, 4), -EFAULT,
			 "trap region: write at %u from no buffer", i);
	}
}

TEST_F(mediate, dt_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), other = new_eventfd();
	struct mediate *m = &self->m;
	int fd = new_eventfd();

	CHECK_EQ(get_dt_fd(m), -1, "dt_fd: none");
	CHECK_EQ(set_dt_fd(m, 9999), -EBADF, "dt_fd: a file that is not open");
	CHECK_EQ(set_dt_fd(m, -2), -EBADF, "dt_fd: no file at all");
	CHECK_EQ(set_dt_fd(m, null), -EINVAL, "dt_fd: not an eventfd");
	CHECK_EQ(get_dt_fd(m), -1, "dt_fd: still none");
	CHECK_EQ(set_dt_fd(m, -1), 0, "dt_fd: none where there was none");
	CHECK_EQ(set_dt_fd(m, fd), 0, "dt_fd: an eventfd");
	CHECK_EQ(get_dt_fd(m), 0, "dt_fd: there is one");
	CHECK_EQ(set_dt_fd(m, 9999), -EBADF, "dt_fd: a bad one");
	CHECK_EQ(get_dt_fd(m), 0, "dt_fd: does not take it away");
	CHECK_EQ(set_dt_fd(m, other), 0, "dt_fd: another");
	set(m, ON | EXACT);
	CHECK(!eventfd_count(fd) && eventfd_count(other) == 1,
	      "dt_fd: the other is signalled, not the one");
	CHECK_EQ(trap_listen(m, fd), 0, "dt_fd: the interrupt as well");
	set(m, 0);
	CHECK(eventfd_count(fd) == 1 && eventfd_count(other) == 1, "dt_fd: both are signalled");
	trap_listen(m, -1);
	CHECK_EQ(set_dt_fd(m, -1), 0, "dt_fd: none any more");
	set(m, ON | EXACT);
	set(m, 0);
	CHECK(!eventfd_count(fd) && !eventfd_count(other), "dt_fd: none is signalled any more");
	CHECK_EQ(get_dt_fd(m), -1, "dt_fd: none");
	close(null);
	close(other);
	close(fd);
}

/* The region and the feature are two views of one trap. */
TEST_F(mediate, values)
{
	static const __u32 wrong[] = { 4, 5, 6, 7, 0x100, 0x80000000, ~0u };
	struct vfio_device_feature_trap state;
	struct mediate *m = &self->m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		CHECK_EQ(set(m, wrong[i]), -EINVAL, "trap region: write %#x", wrong[i]);
	CHECK_EQ(get(m), 0, "trap region: off");
	CHECK_EQ(set(m, ON), m->traps == TRAPS_NOSHADOW ? -EBUSY : 0, "trap region: on");
	CHECK_EQ(get(m), m->traps == TRAPS_NOSHADOW ? 0 : ON, "trap region: is it on");
	CHECK_EQ(set(m, ON | EXACT), 0, "trap region: exact");
	CHECK_EQ(get(m), ON | EXACT, "trap region: is it exact");
	ASSERT_EQ(0, trap_read(m, &state));
	CHECK_HEX(state.flags, TRAP_EXACT | VFIO_DEVICE_TRAP_HOLD,
		  "trap region: the feature sees that");
	CHECK_EQ(trap_set(m, TRAP_OFF), 0, "trap region: off by the feature");
	CHECK_EQ(get(m), 0, "trap region: is it off");
}

/* An acknowledgment is of the state that was read last. */
TEST_F(mediate, old_state)
{
	struct mediate *m = &self->m;

	if (m->traps == TRAPS_NOSHADOW)
		SKIP(return, "the vendor cannot trap by itself");
	CHECK_EQ(set(m, EXACT), 0, "trap region: acknowledged when off");
	demo_toggle(true);
	CHECK_EQ(set(m, EXACT), -EAGAIN, "trap region: acknowledged before it is read");
	CHECK_EQ(get(m), ON, "trap region: on");
	demo_toggle(false);
	demo_toggle(true);
	CHECK_EQ(set(m, EXACT), -EAGAIN, "trap region: acknowledged after off and on");
	CHECK_EQ(trap_get(m), TRAP_ON, "trap region: which changes nothing");
	CHECK_EQ(get(m), ON, "trap region: on again");
	CHECK_EQ(set(m, EXACT), 0, "trap region: acknowledged as it is");
	CHECK_EQ(get(m), ON | EXACT, "trap region: exact");
	demo_toggle(false);
	demo_toggle(true);
	CHECK_EQ(set(m, ON | EXACT), 0, "trap region: held without shadow, whatever it is");
	demo_toggle(false);
	CHECK_EQ(set(m, 0), 0, "trap region: off");
}

TEST_HARNESS_MAIN
