// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: saves the state of a VF, or has another program drive it, line by line.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migrate.h"

#define MAX_SIZE	0x400000	/* of a stream */

struct obedient {
	struct migrate m;
	bool v1;
	int fd;				/* of the transfer, by v2 */
	struct vfio_client_region bar;
	struct vfio_client_region config;
	struct stream stream;
	pthread_t mover;
	__u32 *moving;		/* register that it writes to, or NULL */
	bool moved;			/* it has begun */
};

static long access_bar(struct obedient *o, __u64 reg, __u32 *value, bool write)
{
	long ret = write ?
		vfio_client_region_write(&o->m.dev, &o->bar, value, 4, reg) :
		vfio_client_region_read(&o->m.dev, &o->bar, value, 4, reg);

	return ret < 0 || write ? ret : *value;
}

/*
 * Memory decoding, as a VMM switches it for the guest's PCI core or by itself, in an access of
 * 1, 2 or 4 bytes. The upper 2 of 4 are the status register: zeros do nothing to it.
 */
static long set_memory(struct obedient *o, bool on, __u32 width)
{
	__u32 command = 0;
	long ret;

	width = width ?: 2;
	ret = vfio_client_region_read(&o->m.dev, &o->config, &command, 2, PCI_COMMAND);
	if (ret < 0)
		return ret;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	else
		command &= ~PCI_COMMAND_MEMORY;
	ret = vfio_client_region_write(&o->m.dev, &o->config, &command, width, PCI_COMMAND);

	return ret < 0 ? ret : 0;
}

/* The device may access a file as memory, from IOVA 0 on. */
static long map_file(struct obedient *o, const char *path)
{
	__u32 command = 0;
	struct stat st;
	long ret;
	void *mem;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ret = mem == MAP_FAILED ? -errno : 0;
	close(fd);
	if (!ret)
		ret = vfio_client_dma_map(&o->m.dev, mem, 0, st.st_size);
	if (!ret)
		ret = vfio_client_region_read(&o->m.dev, &o->config, &command, 2, PCI_COMMAND);
	if (ret < 0)
		return ret;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	ret = vfio_client_region_write(&o->m.dev, &o->config, &command, 2, PCI_COMMAND);

	return ret < 0 ? ret : 0;
}

static long change_state(struct obedient *o, __u32 state)
{
	int ret, fd = -1;

	if (o->v1)
		return v1_set(&o->m, state);

	ret = set_state(&o->m, state, &fd);
	/* The transfer goes on from PRE_COPY. */
	if (!ret && fd < 0 && state == VFIO_DEVICE_STATE_STOP_COPY)
		return 0;
	if (o->fd >= 0)
		close(o->fd);
	o->fd = fd;

	return ret;
}

static long save(struct obedient *o, const char *path)
{
	struct stream *stream = &o->stream;
	FILE *file;
	long ret;

	stream->size = 0;
	ret = o->v1 ? v1_save(&o->m, stream) :
		read_parts(o->fd, stream->data, MAX_SIZE, 100, &stream->size);
	/* All that there is in PRE_COPY */
	if (ret && ret != -ENOMSG)
		return ret;

	file = fopen(path, "we");
	if (!file)
		return -errno;
	fwrite(stream->data, stream->size, 1, file);

	return fclose(file) ? -errno : (long)stream->size;
}

static long load(struct obedient *o, const char *path)
{
	struct stream *stream = &o->stream;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	stream->size = fread(stream->data, 1, MAX_SIZE, file);
	fclose(file);

	return o->v1 ? v1_load(&o->m, stream, 100) :
		write_parts(o->fd, stream->data, stream->size, 100);
}

/* Writes other values to a register all the time, as a hostile guest may. */
static void *move_register(void *data)
{
	struct obedient *o = data;
	__u32 *reg;
	__u32 value = 0;

	while ((reg = __atomic_load_n(&o->moving, __ATOMIC_RELAXED))) {
		__atomic_store_n(reg, value, __ATOMIC_RELAXED);
		value = (value + 1) & 0xfff;
		__atomic_store_n(&o->moved, true, __ATOMIC_RELAXED);
	}

	return NULL;
}

static long move(struct obedient *o, __u64 reg)
{
	__u32 *moving = o->moving;
	void *page = NULL;
	long ret;

	if (reg && moving)
		return -EBUSY;
	if (!reg) {
		__atomic_store_n(&o->moving, NULL, __ATOMIC_RELAXED);
		if (!moving)
			return 0;
		pthread_join(o->mover, NULL);
		return munmap((void *)((unsigned long)moving & ~4095ul), 4096) ? -errno : 0;
	}

	ret = vfio_client_region_mmap(&o->m.dev, &o->bar, 4096, reg & ~4095ull, &page);
	if (ret)
		return ret;
	o->moving = page + (reg & 4095);
	o->moved = false;
	ret = -pthread_create(&o->mover, NULL, move_register, o);
	while (!ret && !__atomic_load_n(&o->moved, __ATOMIC_RELAXED))
		usleep(100);

	return ret;
}

static long obey_line(struct obedient *o, const char *word, const char *arg,
		      const char *value)
{
	__u32 number = strtoul(value, NULL, 0);
	__u64 reg = strtoul(arg, NULL, 0);

	if (!strcmp(word, "read"))
		return access_bar(o, reg, &number, false);
	if (!strcmp(word, "write"))
		return access_bar(o, reg, &number, true);
	if (!strcmp(word, "memory"))
		return set_memory(o, reg, number);
	if (!strcmp(word, "dma"))
		return map_file(o, arg);
	if (!strcmp(word, "move"))
		return move(o, reg);
	if (!strcmp(word, "reset"))
		return vfio_client_ioctl(o->m.dev.device_fd, VFIO_DEVICE_RESET, NULL);
	if (!strcmp(word, "state"))
		return o->v1 ? v1_get(&o->m) : get_state(&o->m);
	if (!strcmp(word, "set"))
		return change_state(o, reg);
	if (!strcmp(word, "save"))
		return save(o, arg);
	if (!strcmp(word, "load"))
		return load(o, arg);

	return -EINVAL;
}

static int obey(const char *bdf, bool v1)
{
	struct obedient o = { .v1 = v1, .fd = -1 };
	char line[256], word[16], arg[128], value[32];
	long ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	o.stream.data = malloc(MAX_SIZE);
	migrate_open(&o.m, bdf, VFIO_CLIENT_GROUP);
	if (!o.stream.data || vfio_client_get_region(&o.m.dev, 0, &o.bar) ||
	    vfio_client_get_region(&o.m.dev, VFIO_PCI_CONFIG_REGION_INDEX, &o.config))
		die("%s: no BAR 0", bdf);

	puts("open");
	while (fgets(line, sizeof(line), stdin)) {
		arg[0] = '\0';
		value[0] = '\0';
		if (sscanf(line, "%15s %127s %31s", word, arg, value) < 1)
			continue;
		ret = obey_line(&o, word, arg, value);
		if (ret < 0)
			printf("%s: %s\n", word, strerrorname_np(-ret));
		else
			printf("%s: %ld\n", word, ret);
	}
	migrate_close(&o.m);

	return 0;
}

static int save_file(const char *path, const char *bdf)
{
	struct stream stream;
	struct migrate m;
	FILE *file;

	migrate_open(&m, bdf, VFIO_CLIENT_GROUP);
	fill_state(&m, 1);
	stream = save_v2(&m, 4096);
	migrate_close(&m);

	file = fopen(path, "we");
	if (!file || fwrite(stream.data, stream.size, 1, file) != 1 ||
	    fclose(file)) {
		perror(path);
		return 1;
	}

	return 0;
}

static void print_help(FILE *file)
{
	fputs("usage: migrate --save FILE BDF\n"
	      "       migrate --obey v1|v2 BDF\n"
	      "\n"
	      "For a VF bound to vfio-pci-mediate, whoever mediates it.\n"
	      "\n"
	      "  --save FILE           fill the state of a device of mediator_state, and\n"
	      "                        write to FILE what is saved of it\n"
	      "  --obey v1|v2          open a VF, print \"open\", and do by that protocol\n"
	      "                        what each line of standard input says; answer with\n"
	      "                        0, a number or an errno\n"
	      "\n"
	      "      read REG          register of BAR 0\n"
	      "      write REG VALUE\n"
	      "      memory 0|1        switch memory decoding in config space\n"
	      "      dma FILE          memory of the device, from IOVA 0 on\n"
	      "      move REG          write to it all the time; 0: no longer\n"
	      "      reset\n"
	      "      state             its number in the protocol\n"
	      "      set STATE\n"
	      "      save FILE         the bytes that there were\n"
	      "      load FILE\n",
	      file);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--save"))
		return save_file(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "--obey"))
		return obey(argv[3], !strcmp(argv[2], "v1"));

	print_help(stderr);
	return 2;
}
