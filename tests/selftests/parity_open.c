// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: opening the device, closing it and opening it again.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "parity.h"

int parity_open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int parity_drop_fd(int fd)
{
	if (fd < 0)
		return fd;

	close(fd);
	return 0;
}

int parity_try_open(const char *path)
{
	return parity_drop_fd(parity_open_file(path));
}

void parity_file_flags(struct parity *p)
{
	int ret;

	ret = fcntl(p->dev.device_fd, F_GETFD);
	parity_call(p, ret < 0 ? -errno : ret, NULL, "device-fd/getfd");
	ret = fcntl(p->dev.device_fd, F_GETFL);
	parity_call(p, ret < 0 ? -errno : ret & O_ACCMODE, NULL,
		    "device-fd/access-mode");
}

int parity_open(struct parity *p)
{
	int ret;

	if (p->dev.mode == VFIO_CLIENT_GROUP)
		ret = parity_open_by_group(p);
	else
		ret = parity_open_by_cdev(p);
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
	parity_call(p, vfio_client_set_irqs(&p->dev,
					    VFIO_IRQ_SET_DATA_EVENTFD |
					    VFIO_IRQ_SET_ACTION_TRIGGER,
					    VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					    &trigger, sizeof(trigger)),
		    NULL, "reopen/leave/msix");
	parity_call(p, vfio_client_set_irqs(&p->dev,
					    VFIO_IRQ_SET_DATA_EVENTFD |
					    VFIO_IRQ_SET_ACTION_TRIGGER,
					    VFIO_PCI_REQ_IRQ_INDEX, 0, 1,
					    &trigger, sizeof(trigger)),
		    NULL, "reopen/leave/req");
	parity_call(p, vfio_client_ioctl(p->dev.device_fd,
					 VFIO_DEVICE_IOEVENTFD, &ioeventfd),
		    NULL, "reopen/leave/ioeventfd");
}

/* Close the device with all its state and open it again */
int parity_reopen(struct parity *p)
{
	const __u32 loopback = VFIO_IRQ_SET_DATA_NONE |
			       VFIO_IRQ_SET_ACTION_TRIGGER;
	int trigger = parity_eventfd(), write_register = parity_eventfd();
	int ret;

	leave_state(p, trigger, write_register);
	ret = close(p->dev.device_fd);
	p->dev.device_fd = -1;
	parity_call(p, ret < 0 ? -errno : 0, NULL, "reopen/close");

	if (p->dev.mode == VFIO_CLIENT_GROUP) {
		ret = vfio_client_get_device(&p->dev);
		parity_call(p, ret, NULL, "reopen/device-fd");
	} else {
		ret = vfio_client_open_cdev(&p->dev);
		parity_call(p, ret, NULL, "reopen/open");
		if (!ret)
			ret = vfio_client_bind(&p->dev);
		parity_call(p, ret, NULL, "reopen/bind");
		if (!ret)
			ret = parity_attach(p, p->dev.ioas_id, "reopened");
	}
	if (ret)
		return parity_set_up_failed(p, "open again", ret);

	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2,
		    "reopen/command");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_LINE, 1,
		    "reopen/interrupt-line");
	parity_show(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_0, 4,
		    "reopen/bar0");
	parity_wrong(p, vfio_client_set_irqs(&p->dev, loopback,
					     VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					     NULL, 0),
		     "reopen/msix-loopback");
	parity_wrong(p, vfio_client_set_irqs(&p->dev, loopback,
					     VFIO_PCI_REQ_IRQ_INDEX, 0, 1,
					     NULL, 0),
		     "reopen/req-loopback");
	parity_call(p, parity_eventfd_count(trigger), NULL,
		    "reopen/eventfd-count");
	close(trigger);
	close(write_register);

	return parity_look_up_device(p);
}

static void close_file(struct parity *p, int *fd, const char *name)
{
	int ret = close(*fd);

	*fd = -1;
	parity_call(p, ret < 0 ? -errno : 0, NULL, "close/%s", name);
}

void parity_close(struct parity *p)
{
	close_file(p, &p->dev.device_fd, "device");

	if (p->dev.mode == VFIO_CLIENT_GROUP) {
		parity_group_status(p, "device-closed");
		parity_call(p, vfio_client_ioctl(p->dev.group_fd,
						 VFIO_GROUP_UNSET_CONTAINER,
						 NULL),
			    NULL, "close/unset-container");
		parity_group_status(p, "container-unset");
		close_file(p, &p->dev.group_fd, "group");
		close_file(p, &p->dev.container_fd, "container");
	} else {
		close_file(p, &p->dev.iommufd, "iommufd");
	}

	if (p->dev.group_path[0])
		parity_call(p, parity_try_open(p->dev.group_path), NULL,
			    "close/group-open-again");
	else
		parity_text(p, "absent", "close/group-open-again");
}
