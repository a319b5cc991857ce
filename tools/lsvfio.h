/* SPDX-License-Identifier: GPL-2.0-only */
/* What lsvfio knows of a device: from sysfs, and from the device itself while it is open. */

#ifndef LSVFIO_H
#define LSVFIO_H

#include <stdbool.h>

#include <linux/vfio.h>
#include <linux/vfio_mediate.h>
#include <linux/vfio_mediate_trap_region.h>

#define NAME_SIZE	64
#define TEXT_SIZE	256

/* An interrupt, with room for the capabilities that vfio-pci-mediate adds */
union lsvfio_irq {
	struct vfio_mediate_irq_info info;
	__u8 bytes[256];
};

/**
 * struct lsvfio_open - What an open device says of itself
 * @by:			"group" or "cdev".
 * @info:		VFIO_DEVICE_GET_INFO.
 * @region:		VFIO_DEVICE_GET_REGION_INFO with capabilities, NULL where it fails.
 * @irq:		VFIO_DEVICE_GET_IRQ_INFO with capabilities. @argsz is 0 where it fails.
 * @mediated_by:	Contents of the file in sysfs while the device is open.
 * @migration:		VFIO_MIGRATION_*, 0 without protocol v2.
 * @dma_logging:	The device can log the pages that it writes.
 * @container:		The container reports dirty pages.
 * @iommu:		The IOMMU can track dirty pages. Known only of a cdev.
 * @trap:		VFIO_DEVICE_TRAP_*, or -1 if the device has no pages that can be trapped.
 */
struct lsvfio_open {
	const char *by;
	struct vfio_device_info *info;
	struct vfio_region_info **region;
	union lsvfio_irq *irq;
	char mediated_by[NAME_SIZE];
	__u64 migration;
	bool dma_logging;
	bool container;
	bool iommu;
	int trap;
};

/**
 * struct lsvfio_device - A device that a vfio driver is bound to
 * @name:		Name on its bus: the address of a PCI device.
 * @path:		Directory in sysfs.
 * @bus:		Name of the bus.
 * @driver:		Name of the driver.
 * @module:		Module of the driver.
 * @pf:			Address of the PF, if the device is a VF.
 * @pf_driver:		Driver of the PF.
 * @ids:		PCI vendor, device, subsystem vendor and subsystem ID.
 * @group:		IOMMU group, or -1.
 * @group_path:		The group's file in /dev.
 * @cdev_path:		The device's file in /dev.
 * @reset_methods:	As the PCI core lists them.
 * @mediated_by:	Who mediates the device. Empty if the driver has no such file.
 * @migration_state:	State of the migration, as @mediated_by.
 * @tracked:		Who tracks dirty pages now, as @mediated_by.
 * @last_error:		Why the last migration failed, as @mediated_by.
 * @pid:		A process that has the device's group or file open, or 0.
 * @command:		Name of this process.
 * @error:		0, or errno of an open that failed.
 * @open:		What the device itself said. @open.by is NULL if it was not opened.
 */
struct lsvfio_device {
	char name[NAME_SIZE];
	char path[TEXT_SIZE];
	char bus[NAME_SIZE];
	char driver[NAME_SIZE];
	char module[NAME_SIZE];
	char pf[NAME_SIZE];
	char pf_driver[NAME_SIZE];
	unsigned int ids[4];
	int group;
	char group_path[NAME_SIZE];
	char cdev_path[NAME_SIZE];
	char reset_methods[NAME_SIZE];
	char mediated_by[NAME_SIZE];
	char migration_state[NAME_SIZE];
	char tracked[NAME_SIZE];
	char last_error[TEXT_SIZE];
	int pid;
	char command[NAME_SIZE];
	int error;
	struct lsvfio_open open;
};

/**
 * lsvfio_read - Read the first line of a device's file in sysfs
 * @device: the device
 * @name: name of the file
 * @text: returns the line, empty if there is no such file
 * @size: size of @text
 */
void lsvfio_read(const struct lsvfio_device *device, const char *name, char *text, size_t size);

/**
 * lsvfio_query - Open a device, ask it, close it
 * @device: the device. Returns @open, or @error.
 */
void lsvfio_query(struct lsvfio_device *device);

/**
 * lsvfio_free - Free what lsvfio_query() has allocated
 * @device: the device
 */
void lsvfio_free(struct lsvfio_device *device);

/**
 * lsvfio_print_line - Print a device in one line
 * @device: the device
 */
void lsvfio_print_line(const struct lsvfio_device *device);

/**
 * lsvfio_print - Print all that is known of a device, for people
 * @device: the device
 */
void lsvfio_print(const struct lsvfio_device *device);

/**
 * lsvfio_print_json - Print all that is known of devices as a JSON object
 * @devices: the devices
 * @count: number of @devices
 */
void lsvfio_print_json(const struct lsvfio_device *devices, size_t count);

#endif /* LSVFIO_H */
