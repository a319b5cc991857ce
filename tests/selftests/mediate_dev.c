// SPDX-License-Identifier: GPL-2.0-only
/*
 * mediate: the device under test, what is known of it, and its mediator.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mediate.h"

static __thread sigjmp_buf bus_jump;
static __thread bool bus_expected;

static void expect_sigbus(bool expected)
{
	__atomic_store_n(&bus_expected, expected, __ATOMIC_SEQ_CST);
}

static void on_sigbus(int sig)
{
	if (__atomic_exchange_n(&bus_expected, false, __ATOMIC_SEQ_CST))
		siglongjmp(bus_jump, 1);

	signal(sig, SIG_DFL);
	raise(sig);
}

int demo_param_set(const char *name, const char *value)
{
	return param_set("mediator_demo", name, value);
}

int demo_toggle(bool on)
{
	return demo_param_set("toggle", on ? "1" : "0");
}

void demo_debugfs_set(const char *name, const char *value)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/mediator_demo/%s", name);
	file = fopen(path, "we");
	if (!file || fputs(value, file) < 0 || fclose(file))
		die("%s: %s", path, strerror(errno));
}

bool is_mediated_by(const char *bdf, const char *name)
{
	return sysfs_is(bdf, "mediated_by", name);
}

void wait_drain(void)
{
	usleep(50 * param_number("mediator_demo", "drain_us"));
}

static FILE *demo_open(struct mediate *m, const char *name, const char *how)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/mediator_demo/%s/%s", m->dev.bdf, name);
	file = fopen(path, how);
	if (!file)
		die("%s: %s", path, strerror(errno));

	return file;
}

struct mediate_counts demo_counts(struct mediate *m)
{
	struct mediate_counts counts = {};
	FILE *file = demo_open(m, "doorbells", "re");
	unsigned int val, width;
	char line[128];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "passed %u", &val) == 1)
			counts.passed = val;
		else if (sscanf(line, "emulated %u", &val) == 1)
			counts.emulated = val;
		else if (sscanf(line, "trapped %u", &val) == 1)
			counts.trapped = val;
		else if (sscanf(line, "prepared %u", &val) == 1)
			counts.prepared = val;
		else if (sscanf(line, "finished %u", &val) == 1)
			counts.finished = val;
		else if (sscanf(line, "done %u", &val) == 1)
			counts.done = val;
		else if (sscanf(line, "unexpected %u", &val) == 1)
			counts.unexpected = val;
		else if (sscanf(line, "on %u", &val) == 1)
			counts.on = val;
		else if (sscanf(line, "off %u", &val) == 1)
			counts.off = val;
		else if (sscanf(line, "released %u", &val) == 1)
			counts.released = val;
		else if (sscanf(line, "width%u %u", &width, &val) == 2)
			counts.width[__builtin_ctz(width)] = val;
	}
	fclose(file);

	return counts;
}

struct mediate_record demo_record(struct mediate *m, unsigned int offset)
{
	struct mediate_record record = {}, got;
	FILE *file = demo_open(m, "doorbells", "re");
	unsigned int found;
	char line[128];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "0x%x %u 0x%llx %u %u", &found, &got.writes,
			   &got.last, &got.backwards, &got.sequence) == 5 &&
		    found == offset)
			record = got;
	}
	fclose(file);

	return record;
}

void demo_reset(struct mediate *m)
{
	FILE *file = demo_open(m, "doorbells", "we");

	fputs("0\n", file);
	fclose(file);
}

void demo_say(struct mediate *m, bool lost)
{
	FILE *file = demo_open(m, "lost", "we");

	fputs(lost ? "1\n" : "0\n", file);
	if (fclose(file))
		die("say that the device was reset: %s", strerror(errno));
}

static void find_regions(struct mediate *m)
{
	const struct vfio_region_info_cap_type *type;
	struct vfio_region_info *info;
	__u32 i;
	int ret;

	for (i = 0; i < m->num_regions; i++) {
		ret = vfio_client_region_info(&m->dev, i, &info);
		if (ret && i == VFIO_PCI_VGA_REGION_INDEX)
			continue;
		if (ret)
			die("no info of region %u: %s", i, strerror(-ret));

		m->region[i] = (struct vfio_client_region) {
			.index = i,
			.flags = info->flags,
			.size = info->size,
			.offset = info->offset,
		};
		type = find_cap(info, info->argsz, info->cap_offset,
				VFIO_REGION_INFO_CAP_TYPE);
		if (type && type->type == DEMO_TYPE && type->subtype == 1)
			m->memory = &m->region[i];
		else if (type && type->type == DEMO_TYPE && type->subtype == 2)
			m->pattern = &m->region[i];
		free(info);
	}
}

static void find_irqs(struct mediate *m)
{
	const struct vfio_mediate_irq_info_cap_type *type;
	__u32 i, buf[64];
	struct vfio_mediate_irq_info *info = (void *)buf;
	int ret;

	for (i = VFIO_PCI_NUM_IRQS; i < m->num_irqs; i++) {
		memset(buf, 0, sizeof(buf));
		info->argsz = sizeof(buf);
		info->index = i;
		ret = vfio_client_ioctl(m->dev.device_fd,
					VFIO_DEVICE_GET_IRQ_INFO, info);
		if (ret)
			die("no info of interrupt %u: %s", i, strerror(-ret));

		type = find_cap(info, sizeof(buf), info->cap_offset,
				VFIO_MEDIATE_IRQ_INFO_CAP_TYPE);
		if (type && type->type == DEMO_TYPE && type->subtype == 1)
			m->irq4 = i;
		else if (type && type->type == DEMO_TYPE && type->subtype == 2)
			m->irq_auto = i;
		else if (type &&
			 type->type == VFIO_MEDIATE_IRQ_TYPE_TRAP &&
			 type->subtype ==
			 VFIO_MEDIATE_IRQ_SUBTYPE_TRAP_CHANGED)
			m->irq_trap = i;
	}
}

static void read_parameters(struct mediate *m)
{
	static const char * const names[] = {
		[TRAPS_NONE] = "none", [TRAPS_NET] = "net",
		[TRAPS_NOSHADOW] = "noshadow", [TRAPS_HAMMER] = "hammer",
	};
	char value[32];
	unsigned int i;

	if (!param_get("mediator_demo", "traps", value, sizeof(value)))
		die("mediator_demo is not loaded");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], value))
			m->traps = i;
	m->rom = param_get("mediator_demo", "rom", value, sizeof(value)) &&
		 *value == 'Y';
	m->sparse = param_get("mediator_demo", "sparse", value, sizeof(value)) &&
		    *value == 'Y';
}

void mediate_open(struct mediate *m, const char *bdf, enum vfio_client_mode mode)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	struct vfio_device_info *info;
	int ret;

	memset(m, 0, sizeof(*m));
	read_parameters(m);
	sigaction(SIGBUS, &action, NULL);

	ret = open_device(&m->dev, bdf, mode);
	if (!ret)
		ret = vfio_client_device_info(&m->dev, &info);
	if (ret)
		die("open %s: %s", bdf, strerror(-ret));

	m->num_regions = info->num_regions;
	m->num_irqs = info->num_irqs;
	free(info);
	if (m->num_regions > MAX_REGIONS)
		die("%s has %u regions", bdf, m->num_regions);

	find_regions(m);
	find_irqs(m);
}

void mediate_close(struct mediate *m)
{
	vfio_client_close(&m->dev);
}

long region_read(struct mediate *m, const struct vfio_client_region *region,
		 __u64 off, void *buf, size_t len)
{
	return vfio_client_region_read(&m->dev, region, buf, len, off);
}

long region_write(struct mediate *m, const struct vfio_client_region *region,
		  __u64 off, const void *buf, size_t len)
{
	return vfio_client_region_write(&m->dev, region, buf, len, off);
}

__u32 bar_read32(struct mediate *m, __u64 off)
{
	__u32 val;
	long ret = region_read(m, &m->region[0], off, &val, sizeof(val));

	if (ret != sizeof(val))
		die("read of BAR 0 at %#llx: %ld", off, ret);

	return val;
}

void bar_write32(struct mediate *m, __u64 off, __u32 val)
{
	long ret = region_write(m, &m->region[0], off, &val, sizeof(val));

	if (ret != sizeof(val))
		die("write of BAR 0 at %#llx: %ld", off, ret);
}

int try_map(struct mediate *m, const struct vfio_client_region *region, __u64 off,
	    size_t len, int flags, void **addr)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, flags,
			 m->dev.device_fd, region->offset + off);

	if (map == MAP_FAILED)
		return -errno;

	if (addr)
		*addr = map;
	else
		munmap(map, len);

	return 0;
}

void *bar_map(struct mediate *m, __u64 off, size_t len)
{
	void *addr = NULL;
	int ret = try_map(m, &m->region[0], off, len, MAP_SHARED, &addr);

	if (ret)
		die("map %#zx bytes of BAR 0 at %#llx: %s", len, off, strerror(-ret));

	return addr;
}

bool load32(const void *addr, __u32 *val)
{
	if (sigsetjmp(bus_jump, 1))
		return false;

	expect_sigbus(true);
	*val = __atomic_load_n((const __u32 *)addr, __ATOMIC_SEQ_CST);
	expect_sigbus(false);

	return true;
}

bool store32(void *addr, __u32 val)
{
	if (sigsetjmp(bus_jump, 1))
		return false;

	expect_sigbus(true);
	__atomic_store_n((__u32 *)addr, val, __ATOMIC_RELEASE);
	expect_sigbus(false);

	return true;
}

int trap_read(struct mediate *m, struct vfio_device_feature_trap *state)
{
	memset(state, 0xa5, sizeof(*state));

	return vfio_client_feature(&m->dev, VFIO_MEDIATE_FEATURE_TRAP |
				   VFIO_DEVICE_FEATURE_GET, state, sizeof(*state));
}

int trap_write(struct mediate *m, __u32 flags, __u64 sequence)
{
	struct vfio_device_feature_trap state = { .flags = flags, .sequence = sequence };

	return vfio_client_feature(&m->dev, VFIO_MEDIATE_FEATURE_TRAP |
				   VFIO_DEVICE_FEATURE_SET, &state, sizeof(state));
}

long trap_get(struct mediate *m)
{
	struct vfio_device_feature_trap state;
	int ret = trap_read(m, &state);

	return ret ?: (long)(state.flags & TRAP_EXACT);
}

/* With the sequence that is read before, as often as another task changes the state */
static int write_present(struct mediate *m, __u32 flags)
{
	struct vfio_device_feature_trap state;
	int ret;

	do {
		ret = trap_read(m, &state) ?: trap_write(m, flags, state.sequence);
	} while (ret == -EAGAIN);

	return ret;
}

long trap_set(struct mediate *m, __u32 state)
{
	if (state == TRAP_EXACT)
		return write_present(m, VFIO_DEVICE_TRAP_HOLD | VFIO_DEVICE_TRAP_ACK);

	return trap_write(m, state == TRAP_ON ? VFIO_DEVICE_TRAP_HOLD :
			  VFIO_DEVICE_TRAP_RELEASE, 0);
}

int trap_ack(struct mediate *m)
{
	return write_present(m, VFIO_DEVICE_TRAP_ACK);
}

int trap_listen(struct mediate *m, int fd)
{
	return vfio_client_set_irqs(&m->dev, VFIO_IRQ_SET_DATA_EVENTFD |
				    VFIO_IRQ_SET_ACTION_TRIGGER, m->irq_trap, 0, 1, &fd,
				    sizeof(fd));
}

int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd: %s", strerror(errno));

	return fd;
}

unsigned long long eventfd_count(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) ? 0 : count;
}
