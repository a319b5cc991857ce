// SPDX-License-Identifier: GPL-2.0-only
/* How lsvfio prints devices: one line each, all in words, or as JSON. */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "lsvfio.h"
#include "vfio_client.h"

/* How a list of words or members is continued: nothing before the first one, then this. */
static const char *separator = "";

static const char *separate(void)
{
	const char *now = separator;

	separator = ", ";

	return now;
}

/* Begin a list of words: "  HEAD: " */
static void head(const char *text)
{
	printf("  %s: ", text);
	separator = "";
}

/* Print a word of the list, in the format of printf(). */
#define word(...)	(fputs(separate(), stdout), printf(__VA_ARGS__))

static void end_words(void)
{
	puts(*separator ? "" : "none");
}

static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	putchar('"');
}

/* In an array, a member has no name. */
static void json_name(const char *name)
{
	fputs(separate(), stdout);
	if (!name)
		return;
	json_string(name);
	fputs(": ", stdout);
}

static void json_begin(const char *name, char bracket)
{
	json_name(name);
	putchar(bracket);
	separator = "";
}

static void json_end(char bracket)
{
	putchar(bracket);
	separator = ", ";
}

static void json_text(const char *name, const char *text)
{
	json_name(name);
	if (text && text[0])
		json_string(text);
	else
		fputs("null", stdout);
}

static void json_number(const char *name, unsigned long long number)
{
	json_name(name);
	printf("%llu", number);
}

static void json_bool(const char *name, bool value)
{
	json_name(name);
	fputs(value ? "true" : "false", stdout);
}

/* The words among @words whose bits are set in @flags */
static void flag_words(__u64 flags, const char *const *words, size_t count, bool json)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!(flags >> i & 1) || !words[i])
			continue;
		if (json)
			json_text(NULL, words[i]);
		else
			word("%s", words[i]);
	}
}

static const char *const access_words[] = { "read", "write", "mmap" };
static const char *const migration_words[] = { "stop-copy", "p2p", "pre-copy" };
static const char *const irq_words[] = { "eventfd", "maskable", "automasked", "fixed size" };

static const char *region_name(const struct lsvfio_open *open, __u32 index)
{
	static const char *const names[] = {
		"BAR 0", "BAR 1", "BAR 2", "BAR 3", "BAR 4", "BAR 5", "ROM", "config", "VGA",
	};
	static char name[24];

	if (open->info->flags & VFIO_DEVICE_FLAGS_PCI && index < VFIO_PCI_NUM_REGIONS)
		return names[index];
	snprintf(name, sizeof(name), "region %u", index);

	return name;
}

static const char *irq_name(const struct lsvfio_open *open, __u32 index)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "error", "request" };
	static char name[24];

	if (open->info->flags & VFIO_DEVICE_FLAGS_PCI && index < VFIO_PCI_NUM_IRQS)
		return names[index];
	snprintf(name, sizeof(name), "interrupt %u", index);

	return name;
}

static const char *type_name(__u32 type)
{
	static char name[32];

	switch (type) {
	case VFIO_REGION_TYPE_GFX:
		return "graphics";
	case VFIO_REGION_TYPE_CCW:
		return "CCW";
	case VFIO_REGION_TYPE_MIGRATION_DEPRECATED:
		return "migration protocol v1";
	case VFIO_MEDIATE_REGION_TYPE_DYNAMIC_TRAP:
		return "trap of 2019";
	}
	if (type & VFIO_REGION_TYPE_PCI_VENDOR_TYPE)
		snprintf(name, sizeof(name), "of vendor %04x",
			 type & VFIO_REGION_TYPE_PCI_VENDOR_MASK);
	else
		snprintf(name, sizeof(name), "type %u", type);

	return name;
}

static const char *trap_words(int trap)
{
	if (!(trap & VFIO_DEVICE_TRAP_ON))
		return "off";

	return trap & VFIO_DEVICE_TRAP_ACK ? "on, exact" : "on, shadow pages";
}

static const void *find_cap(const void *info, size_t size, __u32 offset, __u16 id)
{
	const struct vfio_info_cap_header *cap;

	while ((cap = vfio_client_next_cap(info, size, &offset)))
		if (cap->id == id)
			return cap;

	return NULL;
}

static const void *region_cap(const struct vfio_region_info *info, __u16 id)
{
	return find_cap(info, info->argsz, info->cap_offset, id);
}

static const struct vfio_mediate_irq_info_cap_type *irq_type(const union lsvfio_irq *irq)
{
	if (!(irq->info.flags & VFIO_MEDIATE_IRQ_INFO_CAPS))
		return NULL;

	return find_cap(irq, sizeof(*irq), irq->info.cap_offset, VFIO_MEDIATE_IRQ_INFO_CAP_TYPE);
}

static bool is_known(__u16 id)
{
	return id == VFIO_REGION_INFO_CAP_SPARSE_MMAP || id == VFIO_REGION_INFO_CAP_TYPE ||
	       id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE ||
	       id == VFIO_MEDIATE_REGION_INFO_CAP_TRAP;
}

static bool has_region(const struct lsvfio_open *open, __u32 index)
{
	return open->region[index] && open->region[index]->size;
}

static bool speaks_v1(const struct lsvfio_open *open)
{
	const struct vfio_region_info_cap_type *type;
	__u32 i;

	for (i = 0; i < open->info->num_regions; i++) {
		if (!has_region(open, i))
			continue;
		type = region_cap(open->region[i], VFIO_REGION_INFO_CAP_TYPE);
		if (type && type->type == VFIO_REGION_TYPE_MIGRATION_DEPRECATED)
			return true;
	}

	return false;
}

/* A size as lspci prints it */
static void print_size(unsigned long long size)
{
	static const char units[] = " KMGT";
	int unit = 0;

	while (size && !(size & 1023) && unit < 4) {
		size >>= 10;
		unit++;
	}
	if (unit)
		word("%llu%c", size, units[unit]);
	else
		word("%llu bytes", size);
}

static void print_area(__u64 offset, __u64 size)
{
	printf(" %#llx-%#llx", (unsigned long long)offset, (unsigned long long)(offset + size - 1));
}

static void print_areas(const struct vfio_region_info *info)
{
	const struct vfio_mediate_region_info_cap_trap *trap =
		region_cap(info, VFIO_MEDIATE_REGION_INFO_CAP_TRAP);
	const struct vfio_region_info_cap_sparse_mmap *sparse =
		region_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	__u32 i;

	if (sparse) {
		printf("    mmap only of");
		for (i = 0; i < sparse->nr_areas; i++)
			print_area(sparse->areas[i].offset, sparse->areas[i].size);
		putchar('\n');
	}
	if (trap) {
		printf("    can be trapped:");
		for (i = 0; i < trap->nr_areas; i++) {
			print_area(trap->areas[i].offset, trap->areas[i].size);
			printf(trap->areas[i].flags & VFIO_MEDIATE_TRAP_AREA_SHADOW ?
			       " (may stay mapped)" : " (must be unmapped)");
		}
		putchar('\n');
	}
}

static void print_region(const struct lsvfio_open *open, __u32 index)
{
	const struct vfio_region_info *info = open->region[index];
	const struct vfio_region_info_cap_type *type = region_cap(info, VFIO_REGION_INFO_CAP_TYPE);
	const struct vfio_info_cap_header *cap;
	__u32 offset = info->cap_offset;

	head(region_name(open, index));
	print_size(info->size);
	flag_words(info->flags, access_words, 3, false);
	if (region_cap(info, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE))
		word("MSI-X table can be mapped");
	if (type)
		word("%s, subtype %u", type_name(type->type), type->subtype);
	while ((cap = vfio_client_next_cap(info, info->argsz, &offset)))
		if (!is_known(cap->id))
			word("unknown capability %u version %u", cap->id, cap->version);
	end_words();
	print_areas(info);
}

static void print_irq(const struct lsvfio_open *open, __u32 index)
{
	const union lsvfio_irq *irq = &open->irq[index];
	const struct vfio_mediate_irq_info_cap_type *type = irq_type(irq);

	head(irq_name(open, index));
	word("%u vector%s", irq->info.count, irq->info.count == 1 ? "" : "s");
	flag_words(irq->info.flags, irq_words, 4, false);
	if (type && type->type == VFIO_MEDIATE_IRQ_TYPE_TRAP)
		word("trap changed");
	else if (type)
		word("%s, subtype %u", type_name(type->type), type->subtype);
	end_words();
}

static void print_open(const struct lsvfio_device *device)
{
	const struct lsvfio_open *open = &device->open;
	__u32 i;

	printf("  Reset: %s%s%s%s\n", open->info->flags & VFIO_DEVICE_FLAGS_RESET ? "" : "im",
	       "possible", device->reset_methods[0] ? ", methods " : "", device->reset_methods);

	head("Migration");
	flag_words(open->migration, migration_words, 3, false);
	if (open->migration)
		word("protocol v2");
	if (speaks_v1(open))
		word("protocol v1");
	end_words();

	head("Dirty pages");
	if (open->dma_logging)
		word("device (DMA logging)");
	if (open->container)
		word("type1 container");
	if (open->iommu)
		word("IOMMU");
	end_words();

	if (open->trap >= 0)
		printf("  Trap: %s\n", trap_words(open->trap));

	for (i = 0; i < open->info->num_regions; i++)
		if (has_region(open, i))
			print_region(open, i);
	for (i = 0; i < open->info->num_irqs; i++)
		if (open->irq[i].info.argsz && open->irq[i].info.count)
			print_irq(open, i);
}

/* Who mediates: as long as the device was open, that is what counts. */
static const char *mediated_by(const struct lsvfio_device *device)
{
	return device->open.by ? device->open.mediated_by : device->mediated_by;
}

static bool is_busy(const struct lsvfio_device *device)
{
	return device->pid || device->error == EBUSY;
}

static void print_first(const struct lsvfio_device *device)
{
	printf("%s", device->name);
	if (device->ids[0])
		printf(" [%04x:%04x]", device->ids[0], device->ids[1]);
	printf(" %s", device->driver);
	if (device->group >= 0)
		printf(", group %d", device->group);
	if (mediated_by(device)[0])
		printf(", mediated by %s", mediated_by(device));
	if (device->pid)
		printf(", in use by %s (%d)", device->command, device->pid);
	else if (is_busy(device))
		printf(", in use");
	putchar('\n');
}

void lsvfio_print_line(const struct lsvfio_device *device)
{
	print_first(device);
}

static void print_file(const char *name, const char *text)
{
	if (text[0])
		printf("  %s: %s\n", name, text);
}

void lsvfio_print(const struct lsvfio_device *device)
{
	print_first(device);
	if (device->ids[2])
		printf("  Subsystem: %04x:%04x\n", device->ids[2], device->ids[3]);
	if (device->pf[0])
		printf("  PF: %s, driver %s\n", device->pf,
		       device->pf_driver[0] ? device->pf_driver : "none");
	print_file("Module", device->module);
	print_file("Group file", device->group_path);
	print_file("Device file", device->cdev_path);
	print_file("Migration state", device->migration_state);
	print_file("Tracked by", device->tracked);
	if (atoi(device->last_error))
		printf("  Last migration: %s\n", strerror(-atoi(device->last_error)));
	if (device->open.by) {
		print_open(device);
		return;
	}

	print_file("Reset methods", device->reset_methods);
	if (device->error && !is_busy(device))
		printf("  Cannot be opened: %s\n", strerror(device->error));
}

static void json_areas(const struct vfio_region_info *info)
{
	const struct vfio_mediate_region_info_cap_trap *trap =
		region_cap(info, VFIO_MEDIATE_REGION_INFO_CAP_TRAP);
	const struct vfio_region_info_cap_sparse_mmap *sparse =
		region_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	__u32 i;

	if (sparse) {
		json_begin("sparse_mmap", '[');
		for (i = 0; i < sparse->nr_areas; i++) {
			json_begin(NULL, '{');
			json_number("offset", sparse->areas[i].offset);
			json_number("size", sparse->areas[i].size);
			json_end('}');
		}
		json_end(']');
	}
	if (trap) {
		json_begin("trap_areas", '[');
		for (i = 0; i < trap->nr_areas; i++) {
			json_begin(NULL, '{');
			json_number("offset", trap->areas[i].offset);
			json_number("size", trap->areas[i].size);
			json_bool("shadow",
				  trap->areas[i].flags & VFIO_MEDIATE_TRAP_AREA_SHADOW);
			json_end('}');
		}
		json_end(']');
	}
}

static void json_region(const struct lsvfio_open *open, __u32 index)
{
	const struct vfio_region_info *info = open->region[index];
	const struct vfio_region_info_cap_type *type = region_cap(info, VFIO_REGION_INFO_CAP_TYPE);
	const struct vfio_info_cap_header *cap;
	__u32 offset = info->cap_offset;

	json_begin(NULL, '{');
	json_number("index", index);
	json_text("name", region_name(open, index));
	json_number("size", info->size);
	json_begin("access", '[');
	flag_words(info->flags, access_words, 3, true);
	json_end(']');
	json_bool("msix_mappable", region_cap(info, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
	if (type) {
		json_number("type", type->type);
		json_number("subtype", type->subtype);
		json_text("type_name", type_name(type->type));
	}
	json_areas(info);
	json_begin("unknown_capabilities", '[');
	while ((cap = vfio_client_next_cap(info, info->argsz, &offset)))
		if (!is_known(cap->id))
			json_number(NULL, cap->id);
	json_end(']');
	json_end('}');
}

static void json_irq(const struct lsvfio_open *open, __u32 index)
{
	const union lsvfio_irq *irq = &open->irq[index];
	const struct vfio_mediate_irq_info_cap_type *type = irq_type(irq);

	json_begin(NULL, '{');
	json_number("index", index);
	json_text("name", irq_name(open, index));
	json_number("vectors", irq->info.count);
	json_begin("flags", '[');
	flag_words(irq->info.flags, irq_words, 4, true);
	json_end(']');
	if (type) {
		json_number("type", type->type);
		json_number("subtype", type->subtype);
	}
	json_end('}');
}

static void json_open(const struct lsvfio_open *open)
{
	__u32 i;

	json_bool("reset", open->info->flags & VFIO_DEVICE_FLAGS_RESET);
	json_begin("migration", '[');
	flag_words(open->migration, migration_words, 3, true);
	json_end(']');
	json_begin("protocols", '[');
	if (speaks_v1(open))
		json_text(NULL, "v1");
	if (open->migration)
		json_text(NULL, "v2");
	json_end(']');
	json_begin("dirty_pages", '[');
	if (open->dma_logging)
		json_text(NULL, "device");
	if (open->container)
		json_text(NULL, "container");
	if (open->iommu)
		json_text(NULL, "iommu");
	json_end(']');

	json_text("trap", open->trap < 0 ? NULL : trap_words(open->trap));
	json_begin("regions", '[');
	for (i = 0; i < open->info->num_regions; i++)
		if (has_region(open, i))
			json_region(open, i);
	json_end(']');
	json_begin("interrupts", '[');
	for (i = 0; i < open->info->num_irqs; i++)
		if (open->irq[i].info.argsz && open->irq[i].info.count)
			json_irq(open, i);
	json_end(']');
}

static void json_id(const char *name, const unsigned int *ids)
{
	char text[16];

	snprintf(text, sizeof(text), "%04x:%04x", ids[0], ids[1]);
	json_text(name, ids[0] ? text : NULL);
}

static void json_device(const struct lsvfio_device *device)
{
	json_begin(NULL, '{');
	json_text("device", device->name);
	json_text("bus", device->bus);
	json_text("driver", device->driver);
	json_text("module", device->module);
	json_id("id", device->ids);
	json_id("subsystem", device->ids + 2);
	json_text("pf", device->pf);
	json_text("pf_driver", device->pf_driver);
	if (device->group >= 0)
		json_number("iommu_group", device->group);
	else
		json_text("iommu_group", NULL);
	json_text("group_file", device->group_path);
	json_text("device_file", device->cdev_path);
	json_text("mediated_by", mediated_by(device));
	json_text("migration_state", device->migration_state);
	json_text("tracked", device->tracked);
	json_text("last_error", device->last_error);
	json_text("reset_methods", device->reset_methods);
	json_bool("in_use", is_busy(device));
	if (device->pid) {
		json_begin("user", '{');
		json_number("pid", device->pid);
		json_text("command", device->command);
		json_end('}');
	}
	json_text("opened_by", device->open.by);
	json_text("open_error", device->error ? strerrorname_np(device->error) : NULL);
	if (device->open.by)
		json_open(&device->open);
	json_end('}');
}

void lsvfio_print_json(const struct lsvfio_device *devices, size_t count)
{
	size_t i;

	json_begin(NULL, '{');
	json_begin("devices", '[');
	for (i = 0; i < count; i++)
		json_device(&devices[i]);
	json_end(']');
	json_end('}');
	putchar('\n');
}
