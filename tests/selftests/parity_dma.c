// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: memory mapped for DMA while the device is open.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/mman.h>

#include <linux/iommufd.h>

#include "parity.h"

/* Outside the windows for interrupts, within the width of any IOMMU */
#define IOVA 0x40000000ull

static void *number(unsigned long val)
{
	return (void *)val;
}

static void map_wrong(struct parity *p, void *memory)
{
	const struct {
		const char *name;
		void *addr;
		__u64 iova;
		__u64 len;
	} wrong[] = {
		{ "mapped-already", memory, IOVA, PAGE_4K },
		{ "overlap", memory, IOVA + PAGE_4K, 4 * PAGE_4K },
		{ "no-length", memory, IOVA + 16 * PAGE_4K, 0 },
		{ "odd-length", memory, IOVA + 16 * PAGE_4K, PAGE_4K + 1 },
		{ "odd-iova", memory, IOVA + 16 * PAGE_4K + 1, PAGE_4K },
		{ "odd-address", (char *)memory + 1, IOVA + 16 * PAGE_4K,
		  PAGE_4K },
		{ "iova-wraps", memory, ~0ull - PAGE_4K + 1, 2 * PAGE_4K },
		{ "no-memory", number(PAGE_4K), IOVA + 16 * PAGE_4K, PAGE_4K },
		{ "interrupt-window", memory, 0xfee00000, PAGE_4K },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		parity_wrong(p, vfio_client_dma_map(&p->dev, wrong[i].addr,
						    wrong[i].iova,
						    wrong[i].len),
			     "dma/map/%s", wrong[i].name);
}

static void dma_unmap(struct parity *p, __u64 iova, __u64 len, bool wrong,
		      const char *name)
{
	char text[64];
	int ret;

	ret = vfio_client_dma_unmap(&p->dev, iova, &len);
	snprintf(text, sizeof(text), "length=0x%llx", len);
	if (wrong)
		parity_wrong(p, ret, "dma/unmap/%s", name);
	else
		parity_call(p, ret, text, "dma/unmap/%s", name);
}

static void map_structure_wrong(struct parity *p)
{
	struct vfio_iommu_type1_dma_map type1 = {
		.argsz = sizeof(type1) - 1,
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.iova = IOVA,
		.size = PAGE_4K,
	};
	struct iommu_ioas_map ioas = {
		.size = sizeof(ioas) - 1,
		.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = p->dev.ioas_id,
		.length = PAGE_4K,
	};
	bool group = p->dev.mode == VFIO_CLIENT_GROUP;
	unsigned long cmd = group ? VFIO_IOMMU_MAP_DMA : IOMMU_IOAS_MAP;
	void *arg = group ? (void *)&type1 : (void *)&ioas;
	int fd = group ? p->dev.container_fd : p->dev.iommufd;

	parity_wrong(p, vfio_client_ioctl(fd, cmd, arg),
		     "dma/map/size-short");

	type1.argsz = sizeof(type1);
	type1.flags |= 1u << 31;
	ioas.size = sizeof(ioas);
	ioas.flags |= 1u << 31;
	parity_wrong(p, vfio_client_ioctl(fd, cmd, arg),
		     "dma/map/unknown-flag");
	parity_wrong(p, vfio_client_ioctl(fd, cmd, NULL), "dma/map/null");
	parity_wrong(p, vfio_client_ioctl(fd, VFIO_DEVICE_GET_INFO, arg),
		     "dma/device-ioctl");
}

void parity_dma(struct parity *p)
{
	void *memory;

	memory = mmap(NULL, 4 * PAGE_4K, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED) {
		parity_call(p, -errno, NULL, "dma/memory");
		return;
	}

	parity_call(p, vfio_client_dma_map(&p->dev, memory, IOVA,
					   4 * PAGE_4K),
		    NULL, "dma/map");
	map_wrong(p, memory);
	map_structure_wrong(p);
	dma_unmap(p, IOVA + PAGE_4K, PAGE_4K, true, "part-of-mapping");
	dma_unmap(p, IOVA, 0, true, "no-length");
	dma_unmap(p, IOVA + 1, PAGE_4K, true, "odd-iova");
	dma_unmap(p, IOVA, 4 * PAGE_4K, false, "whole");
	dma_unmap(p, IOVA, 4 * PAGE_4K, false, "again");
	munmap(memory, 4 * PAGE_4K);
}
