// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity - a transcript of what a vfio PCI driver answers, call by call.
 *
 * Run it on one virtual function under two drivers and compare the output.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

/* A run takes some seconds, most of them in resets of the function */
#define PARITY_TIMEOUT 60

enum exit_code {
	EXIT_COMPLETE,
	EXIT_SET_UP,
	EXIT_USAGE,
};

static sigjmp_buf fault_env;
static bool fault_armed;

static void parity_die(const char *message)
{
	fprintf(stderr, "parity: %s\n", message);
	exit(EXIT_SET_UP);
}

static void parity_add_name(struct parity *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->calls; i++) {
		if (strcmp(p->name[i], name))
			continue;
		fprintf(stderr, "parity: name repeated: %s\n", name);
		p->repeated = true;
	}

	if (p->calls == p->name_room) {
		p->name_room += 1024;
		p->name = realloc(p->name, p->name_room * sizeof(*p->name));
		if (!p->name)
			parity_die("out of memory");
	}

	snprintf(p->name[p->calls++], sizeof(*p->name), "%s", name);
}

__printf(3, 0)
static void parity_line(struct parity *p, const char *result, const char *fmt,
			va_list args)
{
	char name[PARITY_NAME_LEN];

	vsnprintf(name, sizeof(name), fmt, args);
	parity_add_name(p, name);
	printf("%s: %s\n", name, result);
}

static void parity_result(char *text, size_t size, long ret,
			  const char *detail)
{
	const char *name;

	if (ret >= 0) {
		snprintf(text, size, "%ld%s%s", ret, detail ? " " : "",
			 detail ? detail : "");
		return;
	}

	name = strerrorname_np(-ret);
	if (name)
		snprintf(text, size, "-%s (%ld)", name, -ret);
	else
		snprintf(text, size, "%ld (%ld)", ret, -ret);
}

void parity_call(struct parity *p, long ret, const char *detail,
		 const char *fmt, ...)
{
	char text[PARITY_TEXT_LEN];
	va_list args;

	parity_result(text, sizeof(text), ret, detail);
	va_start(args, fmt);
	parity_line(p, text, fmt, args);
	va_end(args);
}

void parity_wrong(struct parity *p, long ret, const char *fmt, ...)
{
	char text[PARITY_TEXT_LEN];
	va_list args;

	if (ret < 0)
		p->wrong++;

	parity_result(text, sizeof(text), ret, NULL);
	va_start(args, fmt);
	parity_line(p, text, fmt, args);
	va_end(args);
}

void parity_text(struct parity *p, const char *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	parity_line(p, text, fmt, args);
	va_end(args);
}

/* Few bytes in the order of memory, more of them as their 64-bit FNV-1a */
const char *parity_data(char *text, const void *data, long len)
{
	const unsigned char *byte = data;
	unsigned long long hash = 0xcbf29ce484222325ull;
	size_t room = PARITY_TEXT_LEN;
	int used;
	long i;

	if (len <= 0)
		return NULL;

	if (len > 16) {
		for (i = 0; i < len; i++)
			hash = (hash ^ byte[i]) * 0x100000001b3ull;
		snprintf(text, room, "fnv1a=%016llx", hash);
		return text;
	}

	used = snprintf(text, room, "data=");
	for (i = 0; i < len; i++)
		used += snprintf(text + used, room - used, "%02x", byte[i]);

	return text;
}

int parity_set_up_failed(const struct parity *p, const char *what, int ret)
{
	fprintf(stderr, "parity: %s: %s: %s\n", p->dev.bdf, what,
		strerror(-ret));
	return ret;
}

long parity_read(struct parity *p, __u32 index, __u64 off, void *buf,
		 size_t len)
{
	return vfio_client_region_read(&p->dev, &p->region[index], buf, len,
				       off);
}

long parity_write(struct parity *p, __u32 index, __u64 off, const void *buf,
		  size_t len)
{
	return vfio_client_region_write(&p->dev, &p->region[index], buf, len,
					off);
}

/* A configuration register, 0 when it cannot be read */
__u32 parity_config(struct parity *p, __u32 off, size_t len)
{
	__u32 val = 0;

	if (parity_read(p, VFIO_PCI_CONFIG_REGION_INDEX, off, &val, len) < 0)
		return 0;

	return val;
}

/* Give each byte of the scratch registers a value of its own */
void parity_fill_scratch(struct parity *p)
{
	__u32 i, val;

	for (i = 0; i < IGBVF_SCRATCH_WORDS; i++) {
		val = 0x13121110 + i * 0x04040404;
		parity_write(p, VFIO_PCI_BAR0_REGION_INDEX,
			     IGBVF_SCRATCH + i * 4, &val, sizeof(val));
	}
}

void parity_show(struct parity *p, __u32 index, __u64 off, size_t len,
		 const char *fmt, ...)
{
	char data[PAGE_4K], text[PARITY_TEXT_LEN], result[PARITY_TEXT_LEN];
	va_list args;
	long ret;

	ret = parity_read(p, index, off, data, len);
	parity_result(result, sizeof(result), ret,
		      parity_data(text, data, ret));
	va_start(args, fmt);
	parity_line(p, result, fmt, args);
	va_end(args);
}

void parity_store(struct parity *p, __u32 index, __u64 off, __u32 val,
		  size_t len, const char *fmt, ...)
{
	char result[PARITY_TEXT_LEN];
	va_list args;

	parity_result(result, sizeof(result),
		      parity_write(p, index, off, &val, len), NULL);
	va_start(args, fmt);
	parity_line(p, result, fmt, args);
	va_end(args);
}

static void fault_arm(bool armed)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&fault_armed, armed, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void stop_on_signal(const char *message)
{
	while (write(STDERR_FILENO, message, strlen(message)) < 0 &&
	       errno == EINTR)
		; /* again */

	_exit(EXIT_SET_UP);
}

static void handle_signal(int sig)
{
	if (sig == SIGALRM)
		stop_on_signal("parity: timed out\n");
	if (!__atomic_load_n(&fault_armed, __ATOMIC_RELAXED))
		stop_on_signal("parity: unexpected SIGBUS\n");

	fault_arm(false);
	siglongjmp(fault_env, sig);
}

/* The atomics stand for one access of just this width */
bool parity_load32(const void *addr, __u32 *val)
{
	if (sigsetjmp(fault_env, 1))
		return false;

	fault_arm(true);
	*val = __atomic_load_n((const __u32 *)addr, __ATOMIC_RELAXED);
	fault_arm(false);
	return true;
}

bool parity_store32(void *addr, __u32 val)
{
	if (sigsetjmp(fault_env, 1))
		return false;

	fault_arm(true);
	__atomic_store_n((__u32 *)addr, val, __ATOMIC_RELAXED);
	fault_arm(false);
	return true;
}

void parity_show_mapped(struct parity *p, const void *addr, const char *fmt,
			...)
{
	char text[PARITY_TEXT_LEN] = "SIGBUS";
	va_list args;
	__u32 val;

	if (parity_load32(addr, &val))
		snprintf(text, sizeof(text), "0x%08x", val);

	va_start(args, fmt);
	parity_line(p, text, fmt, args);
	va_end(args);
}

int parity_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		parity_die("no eventfd");

	return fd;
}

__u64 parity_eventfd_count(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) ? 0 : count;
}

int parity_set_fd(struct parity *p, __u32 index, int fd)
{
	return vfio_client_set_irqs(&p->dev, VFIO_IRQ_SET_DATA_EVENTFD |
				    VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1,
				    &fd, sizeof(fd));
}

int parity_trigger(struct parity *p, __u32 index, __u32 start, __u32 count)
{
	return vfio_client_set_irqs(&p->dev, VFIO_IRQ_SET_DATA_NONE |
				    VFIO_IRQ_SET_ACTION_TRIGGER, index, start,
				    count, NULL, 0);
}

static void parity_find_caps(struct parity *p)
{
	__u32 pos = parity_config(p, PCI_CAPABILITY_LIST, 1) & ~3u;
	int loops;

	for (loops = 0; pos >= PCI_STD_HEADER_SIZEOF && loops < 48; loops++) {
		switch (parity_config(p, pos, 1)) {
		case PCI_CAP_ID_PM:
			p->pm_cap = pos;
			break;
		case PCI_CAP_ID_EXP:
			p->exp_cap = pos;
			break;
		case PCI_CAP_ID_MSIX:
			p->msix_cap = pos;
			break;
		}
		pos = parity_config(p, pos + PCI_CAP_LIST_NEXT, 1) & ~3u;
	}
}

int parity_look_up_device(struct parity *p)
{
	struct vfio_irq_info irq;
	__u32 index, table;
	int ret;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		/*
		 * vfio-pci has no information on a VGA region the device
		 * lacks. To access it nevertheless, take the offset where
		 * vfio-pci would place it.
		 */
		p->region[index] = (struct vfio_client_region) {
			.index = index,
			.offset = (__u64)index << 40,
		};
		ret = vfio_client_get_region(&p->dev, index, &p->region[index]);
		if (ret && index != VFIO_PCI_VGA_REGION_INDEX)
			return parity_set_up_failed(p, "region information",
						    ret);
	}

	parity_find_caps(p);
	if (!p->msix_cap)
		return parity_set_up_failed(p, "no MSI-X capability", -ENODEV);

	table = parity_config(p, p->msix_cap + PCI_MSIX_TABLE, 4);
	p->msix_bar = table & PCI_MSIX_TABLE_BIR;
	p->msix_table = table & PCI_MSIX_TABLE_OFFSET;

	ret = vfio_client_irq_info(&p->dev, VFIO_PCI_MSIX_IRQ_INDEX, &irq);
	if (ret)
		return parity_set_up_failed(p, "MSI-X information", ret);

	p->msix_vectors = irq.count;
	if (!p->msix_vectors || p->msix_bar > VFIO_PCI_BAR5_REGION_INDEX)
		return parity_set_up_failed(p, "no MSI-X vectors", -ENODEV);

	return 0;
}

static unsigned int sysfs_id(const char *bdf, const char *attribute)
{
	unsigned int id = 0;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf,
		 attribute);
	file = fopen(path, "r");
	if (!file)
		return 0;

	if (fscanf(file, "%x", &id) != 1)
		id = 0;
	fclose(file);
	return id;
}

/* The program writes registers: refuse what has other registers there */
static int parity_check_device(const struct parity *p)
{
	if (sysfs_id(p->dev.bdf, "vendor") == IGBVF_VENDOR &&
	    sysfs_id(p->dev.bdf, "device") == IGBVF_DEVICE)
		return 0;

	return parity_set_up_failed(p, "not an 82576 virtual function",
				    -ENODEV);
}

static int parity_run(struct parity *p)
{
	int ret;

	ret = parity_check_device(p);
	if (!ret)
		ret = parity_open(p);
	if (ret)
		return ret;

	parity_read(p, VFIO_PCI_BAR0_REGION_INDEX, IGBVF_SCRATCH, p->scratch,
		    sizeof(p->scratch));
	parity_device_info(p);
	parity_region_info(p);
	parity_irq_info(p);
	parity_hot_reset(p);
	parity_config_hash(p, "opened");
	parity_config_access(p);
	parity_config_write(p);
	parity_bar(p);
	parity_mmap(p);
	parity_decode(p);
	parity_ioeventfd(p);
	parity_irq(p);
	parity_reset(p);
	parity_wrong_calls(p);
	parity_feature(p);
	parity_write(p, VFIO_PCI_BAR0_REGION_INDEX, IGBVF_SCRATCH, p->scratch,
		     sizeof(p->scratch));

	ret = parity_reopen(p);
	if (ret)
		return ret;

	parity_config_hash(p, "reopened");
	vfio_client_close(&p->dev);
	return parity_unbind(p);
}

static void parity_usage(FILE *file)
{
	fputs("usage: parity [--help] [--mode group|cdev] BDF\n"
	      "\n"
	      "Print a transcript of the calls on the 82576 virtual function\n"
	      "BDF (0000:01:10.0), which is bound to a vfio driver.\n"
	      "\n"
	      "  --mode group  open it through its group, the default\n"
	      "  --mode cdev   open it through its device file and an iommufd\n"
	      "  --help        print this help\n"
	      "\n"
	      "Exit code: 0 transcript complete, 1 set-up failed, 2 usage\n",
	      file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "mode", required_argument, NULL, 'm' },
		{ }
	};
	const struct sigaction action = { .sa_handler = handle_signal };
	enum vfio_client_mode mode = VFIO_CLIENT_GROUP;
	struct parity p = { .bad_fd = 1 << 20 };
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "hm:", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			parity_usage(stdout);
			return EXIT_COMPLETE;
		case 'm':
			if (!strcmp(optarg, "group")) {
				mode = VFIO_CLIENT_GROUP;
				break;
			}
			if (!strcmp(optarg, "cdev")) {
				mode = VFIO_CLIENT_CDEV;
				break;
			}
			fprintf(stderr, "parity: no such mode: %s\n", optarg);
			return EXIT_USAGE;
		default:
			parity_usage(stderr);
			return EXIT_USAGE;
		}
	}

	if (argc - optind != 1) {
		parity_usage(stderr);
		return EXIT_USAGE;
	}

	ret = vfio_client_init(&p.dev, argv[optind], mode);
	if (ret == -EINVAL) {
		fprintf(stderr, "parity: not a PCI address: %s\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (ret) {
		fprintf(stderr, "parity: %s: no vfio %s\n", argv[optind],
			mode == VFIO_CLIENT_GROUP ? "group" : "device file");
		return EXIT_SET_UP;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	alarm(PARITY_TIMEOUT);

	ret = parity_run(&p);
	vfio_client_close(&p.dev);
	free(p.name);

	if (ret || p.repeated)
		return EXIT_SET_UP;

	printf("# calls %u\n# wrong %u\n", p.calls, p.wrong);
	return fflush(stdout) ? EXIT_SET_UP : EXIT_COMPLETE;
}
