// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: regions mapped into memory.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parity.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

/* The system call itself: mmap(3) refuses some arguments on its own */
static long call_mmap(struct parity *p, size_t len, int prot, int flags,
		      __u64 off, void **map)
{
	long ret = syscall(SYS_mmap, NULL, len, prot, flags, p->dev.device_fd,
			   off);

	*map = (void *)ret;
	return ret == -1 ? -errno : 0;
}

/* Registers read the same through the mapping as through the file */
static void compare_word(struct parity *p, __u32 bar, const char *map,
			 __u32 off)
{
	const char *text = "disagree";
	__u32 mapped, val;
	long ret;

	ret = parity_read(p, bar, off, &val, sizeof(val));
	if (ret != sizeof(val))
		text = "unread";
	else if (!parity_load32(map + off, &mapped))
		text = "SIGBUS";
	else if (mapped == val)
		text = "agree";

	parity_text(p, text, "mmap/bar%u/compare/%04x", bar, off);
}

static void map_bar0(struct parity *p)
{
	static const __u32 registers[] = {
		IGBVF_STATUS, IGBVF_VTIVAR, IGBVF_RDBAH, IGBVF_TDBAH,
		IGBVF_SCRATCH,
	};
	const __u64 size = p->region[BAR0].size;
	void *map;
	size_t i;
	long ret;

	ret = call_mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			p->region[BAR0].offset, &map);
	parity_call(p, ret, NULL, "mmap/bar0");
	if (ret)
		return;

	parity_fill_scratch(p);
	for (i = 0; i < ARRAY_SIZE(registers); i++)
		compare_word(p, BAR0, map, registers[i]);

	parity_show_mapped(p, map + IGBVF_SCRATCH, "mmap/bar0/load");
	parity_text(p, parity_store32(map + IGBVF_SCRATCH, 0x600dcafe) ?
		    "stored" : "SIGBUS", "mmap/bar0/store");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "mmap/bar0/store/read");
	parity_call(p, munmap(map, size) ? -errno : 0, NULL,
		    "mmap/bar0/munmap");
}

/* A page on its own: its registers are not those of the first */
static void map_one_page(struct parity *p)
{
	__u32 old = 0;
	void *map;
	long ret;

	ret = call_mmap(p, PAGE_4K, PROT_READ | PROT_WRITE, MAP_SHARED,
			p->region[BAR0].offset + 2 * PAGE_4K, &map);
	parity_call(p, ret, NULL, "mmap/third-page");
	if (ret)
		return;

	parity_read(p, BAR0, IGBVF_RDBAH, &old, sizeof(old));
	parity_store(p, BAR0, IGBVF_RDBAH, 0x5a5aa5a5, 4,
		     "mmap/third-page/write");
	parity_show_mapped(p, map + IGBVF_RDBAH - 2 * PAGE_4K,
			   "mmap/third-page/load");
	parity_store(p, BAR0, IGBVF_RDBAH, old, 4, "mmap/third-page/restore");
	munmap(map, PAGE_4K);
}

/* The MSI-X table can be mapped, in contrast to what the file lets one see */
static void map_msix_bar(struct parity *p)
{
	const __u64 size = p->region[p->msix_bar].size;
	void *map;
	long ret;

	ret = call_mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			p->region[p->msix_bar].offset, &map);
	parity_call(p, ret, NULL, "mmap/msix-bar");
	if (ret)
		return;

	compare_word(p, p->msix_bar, map, p->msix_table);
	compare_word(p, p->msix_bar, map, size - 4);
	munmap(map, size);
}

static void map_wrong(struct parity *p)
{
	const struct vfio_client_region *bar0 = &p->region[BAR0];
	const struct {
		const char *name;
		__u64 off;
		size_t len;
		int flags;
	} wrong[] = {
		{ "private", bar0->offset, PAGE_4K, MAP_PRIVATE },
		{ "beyond-end", bar0->offset + bar0->size, PAGE_4K,
		  MAP_SHARED },
		{ "crossing-end", bar0->offset + bar0->size - PAGE_4K,
		  2 * PAGE_4K, MAP_SHARED },
		{ "too-long", bar0->offset, bar0->size + 1, MAP_SHARED },
		{ "much-too-long", bar0->offset, 1ull << 32, MAP_SHARED },
		{ "last-of-region", bar0->offset + (1ull << 40) - PAGE_4K,
		  PAGE_4K, MAP_SHARED },
		{ "into-next-region", bar0->offset + (1ull << 40) - PAGE_4K,
		  2 * PAGE_4K, MAP_SHARED },
		{ "index-beyond",
		  (__u64)VFIO_PCI_NUM_REGIONS << 40, PAGE_4K, MAP_SHARED },
		{ "index-far-beyond", 1ull << 62, PAGE_4K, MAP_SHARED },
	};
	__u32 index;
	void *map;
	size_t i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		ret = call_mmap(p, wrong[i].len, PROT_READ, wrong[i].flags,
				wrong[i].off, &map);
		parity_wrong(p, ret, "mmap/wrong/%s", wrong[i].name);
		if (!ret)
			munmap(map, wrong[i].len);
	}

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		if (p->region[index].flags & VFIO_REGION_INFO_FLAG_MMAP)
			continue;
		ret = call_mmap(p, PAGE_4K, PROT_READ, MAP_SHARED,
				p->region[index].offset, &map);
		parity_wrong(p, ret, "mmap/wrong/region-%u", index);
		if (!ret)
			munmap(map, PAGE_4K);
	}
}

void parity_mmap(struct parity *p)
{
	map_bar0(p);
	map_one_page(p);
	map_msix_bar(p);
	map_wrong(p);
}
