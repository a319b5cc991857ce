// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: VFIO_DEVICE_FEATURE, low power among them.
 */
#define _GNU_SOURCE

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

/* Features of later kernels than the headers this is built with */
#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF 11
#endif

/* Feature numbers probed: those in use, and one more */
#define FEATURES (VFIO_DEVICE_FEATURE_DMA_BUF + 2)

/* Data of any feature, all zero where nothing else is said */
#define DATA_SIZE 64

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX

static void probe_features(struct parity *p)
{
	__u32 nr;

	for (nr = 0; nr < FEATURES; nr++) {
		parity_call(p, vfio_client_feature_probe(&p->dev, nr, 0), NULL,
			    "feature/%u/probe", nr);
		parity_call(p, vfio_client_feature_probe(&p->dev, nr, GET),
			    NULL, "feature/%u/probe-get", nr);
		parity_call(p, vfio_client_feature_probe(&p->dev, nr, SET),
			    NULL, "feature/%u/probe-set", nr);
		parity_call(p, vfio_client_feature_probe(&p->dev, nr,
							 GET | SET),
			    NULL, "feature/%u/probe-get-set", nr);
	}
}

/* Those that vfio leaves to the driver of the device */
static void wrong_feature_calls(struct parity *p)
{
	const struct vfio_device_low_power_entry_with_wakeup
		minus_one = { .wakeup_eventfd = -1 },
		bad_fd = { .wakeup_eventfd = p->bad_fd };
	const struct {
		const char *name;
		__u32 flags;
		const void *data;
		size_t size;
	} wrong[] = {
		{ "vf-token/get", VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | GET, NULL,
		  16 },
		{ "vf-token/set", VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | SET, NULL,
		  16 },
		{ "vf-token/set-short", VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | SET,
		  NULL, 15 },
		{ "bus-master/set", VFIO_DEVICE_FEATURE_BUS_MASTER | SET, NULL,
		  sizeof(struct vfio_device_feature_bus_master) },
		{ "dma-buf/get", VFIO_DEVICE_FEATURE_DMA_BUF | GET, NULL,
		  DATA_SIZE },
		{ "dma-buf/get-short", VFIO_DEVICE_FEATURE_DMA_BUF | GET, NULL,
		  4 },
		{ "low-power-entry/get",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | GET, NULL, 0 },
		{ "low-power-exit/get",
		  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | GET, NULL, 0 },
		{ "low-power-wakeup/get",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | GET, NULL,
		  sizeof(bad_fd) },
		{ "low-power-wakeup/short",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET,
		  &minus_one, sizeof(minus_one) - 1 },
		{ "low-power-wakeup/no-data",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET, NULL,
		  0 },
		{ "low-power-wakeup/minus-one",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET,
		  &minus_one, sizeof(minus_one) },
		{ "low-power-wakeup/bad-fd",
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET,
		  &bad_fd, sizeof(bad_fd) },
		{ "number-4711/get", 4711 | GET, NULL, DATA_SIZE },
		{ "number-4711/set", 4711 | SET, NULL, DATA_SIZE },
	};
	char data[DATA_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		memset(data, 0, sizeof(data));
		if (wrong[i].data)
			memcpy(data, wrong[i].data, wrong[i].size);
		parity_wrong(p, vfio_client_feature(&p->dev, wrong[i].flags,
						    data, wrong[i].size),
			     "feature/wrong/%s", wrong[i].name);
	}
}

static int low_power(struct parity *p, __u32 feature)
{
	return vfio_client_feature(&p->dev, feature | SET, NULL, 0);
}

/*
 * In low power the registers are still reached through the file, which wakes
 * the device for that time, but no longer through a mapping.
 */
static void use_low_power(struct parity *p)
{
	const __u32 size = p->region[BAR0].size;
	void *map;
	int ret;

	ret = vfio_client_region_mmap(&p->dev, &p->region[BAR0], size, 0,
				      &map);
	parity_call(p, ret, NULL, "low-power/mmap");
	parity_fill_scratch(p);
	if (!ret)
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "low-power/before/mapped");

	parity_call(p, low_power(p, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY), NULL,
		    "low-power/entry");
	parity_wrong(p, low_power(p, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY),
		     "low-power/entry-again");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, 4,
		    "low-power/ids");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "low-power/scratch");
	if (!ret) {
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "low-power/mapped");
		parity_text(p, parity_store32(map + IGBVF_SCRATCH, 1) ?
			    "stored" : "SIGBUS", "low-power/store-mapped");
	}

	parity_call(p, low_power(p, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT), NULL,
		    "low-power/exit");
	parity_call(p, low_power(p, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT), NULL,
		    "low-power/exit-again");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "low-power/after/scratch");
	if (!ret) {
		parity_show_mapped(p, map + IGBVF_SCRATCH,
				   "low-power/after/mapped");
		munmap(map, size);
	}
}

/* When the device sleeps is not ours to tell, hence the count is no result */
static void use_wakeup(struct parity *p)
{
	const __u32 flags = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP |
			    SET;
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = parity_eventfd(),
	};

	parity_call(p, vfio_client_feature(&p->dev, flags, &entry,
					   sizeof(entry)),
		    NULL, "low-power/wakeup-entry");
	parity_call(p, low_power(p, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT), NULL,
		    "low-power/wakeup-exit");
	parity_show(p, BAR0, IGBVF_SCRATCH, 4, "low-power/wakeup-scratch");
	close(entry.wakeup_eventfd);
}

void parity_feature(struct parity *p)
{
	probe_features(p);
	wrong_feature_calls(p);
	use_low_power(p);
	use_wakeup(p);
}
