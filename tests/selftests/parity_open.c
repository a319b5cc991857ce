// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: opening the device, by its name in a group or by attaching it to an
 * address space; and closing it, and opening it again.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

#define VF_TOKEN " vf_token=00112233-4455-6677-8899-aabbccddeeff"

static int get_device(struct parity *p, const char *name)
{
	int fd = vfio_client_ioctl(p->dev.group_fd, VFIO_GROUP_GET_DEVICE_FD,
				   (void *)name);

	/* A file descriptor is no result to compare */
	if (fd < 0)
		return fd;

	close(fd);
	return 0;
}

/* The driver says whether a name, and the options behind it, mean the device */
static void match_names(struct parity *p)
{
	static const struct {
		const char *name;
		bool own;
		const char *text;
	} names[] = {
		{ "other-device", false, "0000:00:00.0" },
		{ "no-address", false, "vfio" },
		{ "empty", false, "" },
		{ "longer", true, "0" },
		{ "unknown-option", true, " option=1" },
		{ "vf-token-short", true, " vf_token=00112233" },
		{ "vf-token-malformed", true,
		  " vf_token=zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz" },
		{ "vf-token-unused", true, VF_TOKEN },
		{ "vf-token-twice", true, VF_TOKEN VF_TOKEN },
	};
	char name[2 * PAGE_4K];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "%s%s",
			 names[i].own ? p->dev.bdf : "", names[i].text);
		parity_wrong(p, get_device(p, name), "match/%s", names[i].name);
	}

	parity_wrong(p, get_device(p, p->dev.bdf + 5), "match/no-domain");
	snprintf(name, sizeof(name), "%s ", p->dev.bdf);
	parity_call(p, get_device(p, name), NULL, "match/trailing-space");
}

static int open_by_group(struct parity *p)
{
	int ret;

	ret = vfio_client_open_container(&p->dev);
	if (!ret)
		ret = vfio_client_join_container(&p->dev);
	if (ret)
		return parity_set_up_failed(p, "group", ret);

	match_names(p);
	ret = vfio_client_get_device(&p->dev);
	parity_call(p, ret, NULL, "open");
	return ret;
}

/* Which id comes back depends on the iommufd: compare whether it is another */
static int attach_to(struct parity *p, __u32 ioas_id, const char *name)
{
	__u32 pt_id = ioas_id;
	int ret;

	ret = vfio_client_attach(&p->dev, &pt_id);
	parity_call(p, ret, pt_id == ioas_id ? "pt_id=ioas" : "pt_id=other",
		    "attach/%s", name);
	return ret;
}

static void attach_wrong(struct parity *p, __u32 pt_id, const char *name)
{
	parity_wrong(p, vfio_client_attach(&p->dev, &pt_id), "attach/%s", name);
}

static int open_by_cdev(struct parity *p)
{
	__u32 other_ioas;
	int ret;

	ret = vfio_client_open_iommufd(&p->dev);
	if (!ret)
		ret = vfio_client_open_cdev(&p->dev);
	if (ret)
		return parity_set_up_failed(p, "device file", ret);

	ret = vfio_client_bind(&p->dev);
	parity_call(p, ret, NULL, "open");
	if (!ret)
		ret = vfio_client_alloc_ioas(&p->dev, &p->dev.ioas_id);
	if (!ret)
		ret = vfio_client_alloc_ioas(&p->dev, &other_ioas);
	if (ret)
		return parity_set_up_failed(p, "address space", ret);

	parity_call(p, vfio_client_detach(&p->dev), NULL, "detach/unattached");
	attach_wrong(p, 4711, "no-such-id");
	attach_wrong(p, 0, "id-zero");
	attach_wrong(p, p->dev.devid, "id-of-device");
	attach_to(p, p->dev.ioas_id, "first");
	attach_to(p, p->dev.ioas_id, "same-again");
	attach_to(p, other_ioas, "replace");
	attach_wrong(p, 4711, "no-such-id-attached");
	parity_call(p, vfio_client_detach(&p->dev), NULL, "detach");
	parity_call(p, vfio_client_detach(&p->dev), NULL, "detach/again");

	return attach_to(p, p->dev.ioas_id, "after-detach");
}

int parity_open(struct parity *p)
{
	int ret;

	if (p->dev.mode == VFIO_CLIENT_GROUP)
		ret = open_by_group(p);
	else
		ret = open_by_cdev(p);
	if (ret)
		return ret;

	return parity_look_up_device(p);
}

/* Leave as much state behind as the device takes */
static void leave_state(struct parity *p, int trigger, int write_register)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = p->region[VFIO_PCI_BAR0_REGION_INDEX].offset +
			  IGBVF_SCRATCH,
		.data = 1,
		.fd = write_register,
	};

	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
		     PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 2,
		     "reopen/leave/command");
	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_LINE, 0x5a,
		     1, "reopen/leave/interrupt-line");
	parity_store(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_0,
		     0xfebd0000, 4, "reopen/leave/bar0");
	parity_call(p, parity_set_fd(p, VFIO_PCI_MSIX_IRQ_INDEX, trigger), NULL,
		    "reopen/leave/msix");
	parity_call(p, parity_set_fd(p, VFIO_PCI_REQ_IRQ_INDEX, trigger), NULL,
		    "reopen/leave/req");
	parity_call(p, vfio_client_ioctl(p->dev.device_fd,
					 VFIO_DEVICE_IOEVENTFD, &ioeventfd),
		    NULL, "reopen/leave/ioeventfd");
}

/* Close the device with all its state and open it again */
int parity_reopen(struct parity *p)
{
	int trigger = parity_eventfd(), write_register = parity_eventfd();
	int ret;

	leave_state(p, trigger, write_register);
	ret = close(p->dev.device_fd);
	p->dev.device_fd = -1;
	parity_call(p, ret < 0 ? -errno : 0, NULL, "reopen/close");

	if (p->dev.mode == VFIO_CLIENT_GROUP) {
		ret = vfio_client_get_device(&p->dev);
		parity_call(p, ret, NULL, "reopen/open");
	} else {
		ret = vfio_client_open_cdev(&p->dev);
		if (!ret)
			ret = vfio_client_bind(&p->dev);
		parity_call(p, ret, NULL, "reopen/open");
		if (!ret)
			ret = attach_to(p, p->dev.ioas_id, "reopened");
	}
	if (ret)
		return parity_set_up_failed(p, "open again", ret);

	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2,
		    "reopen/command");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_LINE, 1,
		    "reopen/interrupt-line");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_0, 4,
		    "reopen/bar0");
	parity_wrong(p, parity_trigger(p, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1),
		     "reopen/msix-loopback");
	parity_wrong(p, parity_trigger(p, VFIO_PCI_REQ_IRQ_INDEX, 0, 1),
		     "reopen/req-loopback");
	parity_call(p, parity_eventfd_count(trigger), NULL,
		    "reopen/eventfd-count");
	close(trigger);
	close(write_register);

	return parity_look_up_device(p);
}
