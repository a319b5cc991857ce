// SPDX-License-Identifier: GPL-2.0-only
/* lsvfio: list devices of vfio drivers, see lsvfio(8). */
#define _GNU_SOURCE

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsvfio.h"

#define CLASS	"/sys/class/vfio-dev"

enum {
	EXIT_SHOWN = 0,
	EXIT_NO_DEVICE = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_OPENED = 3,
	EXIT_FAILED = 4,
};

/* A process that has a file of /dev/vfio open */
struct user {
	struct user *next;
	char path[NAME_SIZE];
	char command[NAME_SIZE];
	int pid;
};

static struct user *users;

static void chomp(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (!file)
		return;
	if (!fgets(text, size, file))
		text[0] = '\0';
	chomp(text);
	fclose(file);
}

void lsvfio_read(const struct lsvfio_device *device, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", device->path, name);
	read_line(path, text, size);
}

/* Last component of what a link in a device's directory leads to, or nothing. */
static void read_link(const struct lsvfio_device *device, const char *name, char *text,
		      size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t length;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", device->path, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = '\0';
	snprintf(text, size, "%s", basename(target));
}

static void add_user(int pid, const char *path)
{
	struct user *user = calloc(1, sizeof(*user));
	char comm[64];

	if (!user)
		return;
	snprintf(comm, sizeof(comm), "/proc/%d/comm", pid);
	read_line(comm, user->command, sizeof(user->command));
	snprintf(user->path, sizeof(user->path), "%s", path);
	user->pid = pid;
	user->next = users;
	users = user;
}

static void find_files(int pid)
{
	char path[PATH_MAX], target[NAME_SIZE];
	struct dirent *entry;
	ssize_t length;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (!strncmp(target, "/dev/vfio/", 10) && strcmp(target, "/dev/vfio/vfio"))
			add_user(pid, target);
	}
	closedir(dir);
}

/* Without privilege, only processes of the same user are found. */
static void find_users(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit(entry->d_name[0]))
			find_files(atoi(entry->d_name));
	closedir(dir);
}

static void free_users(void)
{
	struct user *next;

	for (; users; users = next) {
		next = users->next;
		free(users);
	}
}

static void read_ids(struct lsvfio_device *device)
{
	static const char * const files[] = {
		"vendor", "device", "subsystem_vendor", "subsystem_device",
	};
	char text[NAME_SIZE];
	int i;

	for (i = 0; i < 4; i++) {
		lsvfio_read(device, files[i], text, sizeof(text));
		device->ids[i] = strtoul(text, NULL, 16);
	}
}

static void read_group(struct lsvfio_device *device, const char *number)
{
	char text[NAME_SIZE];
	struct user *user;

	read_link(device, "iommu_group", text, sizeof(text));
	device->group = text[0] ? atoi(text) : -1;
	snprintf(device->group_path, sizeof(device->group_path), "/dev/vfio/%d", device->group);
	if (device->group < 0 || access(device->group_path, F_OK))
		device->group_path[0] = '\0';
	snprintf(device->cdev_path, sizeof(device->cdev_path), "/dev/vfio/devices/%s", number);
	if (access(device->cdev_path, F_OK))
		device->cdev_path[0] = '\0';

	for (user = users; user && !device->pid; user = user->next) {
		if (strcmp(user->path, device->group_path) &&
		    strcmp(user->path, device->cdev_path))
			continue;
		device->pid = user->pid;
		memcpy(device->command, user->command, sizeof(device->command));
	}
}

static void read_pf(struct lsvfio_device *device)
{
	struct lsvfio_device pf;

	read_link(device, "physfn", device->pf, sizeof(device->pf));
	if (!device->pf[0])
		return;
	snprintf(pf.path, sizeof(pf.path), "/sys/bus/pci/devices/%s", device->pf);
	read_link(&pf, "driver", device->pf_driver, sizeof(device->pf_driver));
}

/* Fill in what sysfs has of the device behind an entry of the class, such as vfio0. */
static int read_device(struct lsvfio_device *device, const char *number)
{
	char link[PATH_MAX], path[PATH_MAX];

	memset(device, 0, sizeof(*device));
	snprintf(link, sizeof(link), CLASS "/%s/device", number);
	if (!realpath(link, path) || strlen(path) >= sizeof(device->path))
		return -ENOENT;

	memcpy(device->path, path, strlen(path) + 1);
	snprintf(device->name, sizeof(device->name), "%s", basename(path));
	read_link(device, "subsystem", device->bus, sizeof(device->bus));
	read_link(device, "driver", device->driver, sizeof(device->driver));
	read_link(device, "driver/module", device->module, sizeof(device->module));
	read_group(device, number);
	lsvfio_read(device, "mediated_by", device->mediated_by, sizeof(device->mediated_by));
	lsvfio_read(device, "migration_state", device->migration_state,
		    sizeof(device->migration_state));
	lsvfio_read(device, "tracked", device->tracked, sizeof(device->tracked));
	lsvfio_read(device, "last_error", device->last_error, sizeof(device->last_error));
	if (strcmp(device->bus, "pci"))
		return 0;

	read_ids(device);
	read_pf(device);
	lsvfio_read(device, "reset_method", device->reset_methods, sizeof(device->reset_methods));

	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct lsvfio_device *)a)->name,
		      ((const struct lsvfio_device *)b)->name);
}

static int is_entry(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* All devices, or the one called @name. Return: how many were found, or a negative errno. */
static int find_devices(const char *name, struct lsvfio_device **devices)
{
	struct lsvfio_device *found;
	int entries, i, count = 0;
	struct dirent **entry;

	*devices = NULL;
	entries = scandir(CLASS, &entry, is_entry, NULL);
	/* No vfio driver is loaded, or it has no device. */
	if (entries < 0 && errno == ENOENT)
		return 0;
	if (entries < 0)
		return -errno;

	found = calloc(entries + 1, sizeof(*found));
	for (i = 0; i < entries; i++) {
		if (found && !read_device(&found[count], entry[i]->d_name) &&
		    (!name || !strcmp(name, found[count].name)))
			count++;
		free(entry[i]);
	}
	free(entry);
	if (!found)
		return -ENOMEM;
	qsort(found, count, sizeof(*found), compare);
	*devices = found;

	return count;
}

/* Why a device is not found */
static int explain(const char *name)
{
	struct lsvfio_device device = {};
	char driver[NAME_SIZE];

	snprintf(device.path, sizeof(device.path), "/sys/bus/pci/devices/%s", name);
	if (access(device.path, F_OK)) {
		fprintf(stderr, "lsvfio: %s: no such device\n", name);
		return EXIT_NO_DEVICE;
	}
	read_link(&device, "driver", driver, sizeof(driver));
	if (driver[0])
		fprintf(stderr, "lsvfio: %s: its driver, %s, is not a vfio driver\n", name, driver);
	else
		fprintf(stderr, "lsvfio: %s: no driver is bound to it\n", name);

	return EXIT_NO_DEVICE;
}

static int show(struct lsvfio_device *devices, int count, bool json, bool details, bool open)
{
	int i, ret = EXIT_SHOWN;

	for (i = 0; i < count && details && open; i++) {
		if (devices[i].pid || strcmp(devices[i].bus, "pci"))
			continue;
		lsvfio_query(&devices[i]);
		if (devices[i].error && devices[i].error != EBUSY)
			ret = EXIT_NOT_OPENED;
	}
	if (json)
		lsvfio_print_json(devices, count);
	for (i = 0; i < count && !json; i++)
		details ? lsvfio_print(&devices[i]) : lsvfio_print_line(&devices[i]);

	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "lsvfio: standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}

	return ret;
}

static void print_help(FILE *file)
{
	fputs("usage: lsvfio [-v] [--json] [--no-open] [DEVICE]\n"
	      "\n"
	      "List the devices of vfio drivers, one line each, or show all of DEVICE: a PCI\n"
	      "address, such as 0000:01:10.0 or 01:10.0, or a name on another bus.\n"
	      "\n"
	      "  -v, --verbose  show all of each device\n"
	      "  --json         the same as a JSON object\n"
	      "  --no-open      do not open devices: show only what sysfs has\n"
	      "  --help         print this help\n"
	      "  --version      print the version\n"
	      "\n"
	      "To show all of a device that is not in use, lsvfio opens it for a moment. The\n"
	      "kernel resets the device then.\n"
	      "\n"
	      "Exit status: 0 devices were shown, or there are none; 1 DEVICE does not exist\n"
	      "or has no vfio driver; 2 wrong usage; 3 a device that is not in use could not be\n"
	      "opened; 4 another failure.\n", file);
}

static int list(const char *name, bool json, bool details, bool open)
{
	struct lsvfio_device *devices;
	int count, i, ret;

	find_users();
	count = find_devices(name, &devices);
	free_users();
	if (count < 0) {
		fprintf(stderr, "lsvfio: %s\n", strerror(-count));
		return EXIT_FAILED;
	}

	ret = name && !count ? explain(name) : show(devices, count, json, details, open);
	for (i = 0; i < count; i++)
		lsvfio_free(&devices[i]);
	free(devices);

	return ret;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "verbose", no_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-open", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	bool json = false, details = false, open = true;
	char name[NAME_SIZE] = "";
	int option;

	while ((option = getopt_long(argc, argv, "vhV", options, NULL)) != -1) {
		switch (option) {
		case 'v':
			details = true;
			break;
		case 'j':
			json = true;
			break;
		case 'n':
			open = false;
			break;
		case 'h':
			print_help(stdout);
			return EXIT_SHOWN;
		case 'V':
			puts("lsvfio " VERSION);
			return EXIT_SHOWN;
		default:
			print_help(stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (optind < argc) {
		/* An address without its domain, as lspci prints it */
		bool short_address = strlen(argv[optind]) == 7 && argv[optind][2] == ':';

		snprintf(name, sizeof(name), "%s%s", short_address ? "0000:" : "", argv[optind]);
	}

	return list(optind < argc ? name : NULL, json, json || details || optind < argc, open);
}
