/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small client library for the vfio device interface.
 *
 * One struct vfio_client stands for one PCI device, opened either through its
 * group and a type1 container or through its character device and an iommufd.
 * The library keeps no state outside that structure. Every function that can
 * fail returns a negative errno value.
 */
#ifndef VFIO_CLIENT_H
#define VFIO_CLIENT_H

#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>
#include <linux/vfio.h>

/**
 * enum vfio_client_mode - the interface a device is opened through
 * @VFIO_CLIENT_GROUP: /dev/vfio/GROUP and a type1 v2 container
 * @VFIO_CLIENT_CDEV: /dev/vfio/devices/vfioX and an iommufd
 */
enum vfio_client_mode {
	VFIO_CLIENT_GROUP,
	VFIO_CLIENT_CDEV,
};

/**
 * struct vfio_client - one PCI device and the files it is reached through
 * @mode: interface the device is opened through
 * @bdf: PCI address, as in /sys/bus/pci/devices
 * @group_path: path of the group file, empty when the device has no group
 * @cdev_path: path of the device file, empty when the device has none
 * @group_id: number of the IOMMU group, -1 when the device has no group
 * @container_fd: the type1 container, group mode only
 * @group_fd: the group, group mode only
 * @iommufd: the iommufd, cdev mode only
 * @device_fd: the device
 * @devid: device id returned by VFIO_DEVICE_BIND_IOMMUFD, cdev mode only
 * @ioas_id: id of the address space, cdev mode only
 *
 * File descriptors that are not open are -1.
 */
struct vfio_client {
	enum vfio_client_mode mode;
	char bdf[16];
	char group_path[64];
	char cdev_path[64];
	int group_id;
	int container_fd;
	__u32 iommu_type;	/* of the container, VFIO_TYPE1v2_IOMMU if 0 */
	int group_fd;
	int iommufd;
	int device_fd;
	__u32 devid;
	__u32 ioas_id;
};

/**
 * struct vfio_client_region - where a region is found on the device file
 * @index: region index
 * @flags: VFIO_REGION_INFO_FLAG_*
 * @size: size of the region in bytes
 * @offset: offset of the region on the device file
 */
struct vfio_client_region {
	__u32 index;
	__u32 flags;
	__u64 size;
	__u64 offset;
};

/**
 * vfio_client_init - find the vfio files of a PCI device
 * @c: client to initialise
 * @bdf: PCI address with domain, for example 0000:01:10.0
 * @mode: interface the device will be opened through
 *
 * Nothing is opened.
 *
 * Return: 0, -EINVAL when @bdf is not a PCI address, -ENODEV when there is no
 * such device or it lacks the file @mode asks for.
 */
int vfio_client_init(struct vfio_client *c, const char *bdf,
		     enum vfio_client_mode mode);

/**
 * vfio_client_open_container - open a new container
 * @c: client in group mode
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_open_container(struct vfio_client *c);

/**
 * vfio_client_join_container - open the group, put it into the container, and
 * select the type1 v2 IOMMU
 * @c: client in group mode, with an open container
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_join_container(struct vfio_client *c);

/**
 * vfio_client_get_device - obtain the device file from the group
 * @c: client whose container has its IOMMU
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_get_device(struct vfio_client *c);

/**
 * vfio_client_open_in_container - all steps from the group to the device file
 * @c: client in group mode, with an open container
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_open_in_container(struct vfio_client *c);

/**
 * vfio_client_open_iommufd - open a new iommufd
 * @c: client in cdev mode
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_open_iommufd(struct vfio_client *c);

/**
 * vfio_client_open_cdev - open the device file
 * @c: client in cdev mode
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_open_cdev(struct vfio_client *c);

/**
 * vfio_client_bind - bind the device file to the iommufd
 * @c: client with an open device file and iommufd
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_bind(struct vfio_client *c);

/**
 * vfio_client_alloc_ioas - allocate an address space
 * @c: client with an open iommufd
 * @ioas_id: returns the id of the address space
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_alloc_ioas(struct vfio_client *c, __u32 *ioas_id);

/**
 * vfio_client_attach - attach the device to an address space
 * @c: client bound to its iommufd
 * @pt_id: id of the address space, returns the id of the page table
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_attach(struct vfio_client *c, __u32 *pt_id);

/**
 * vfio_client_detach - detach the device from its address space
 * @c: client bound to its iommufd
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_detach(struct vfio_client *c);

/**
 * vfio_client_open - open a PCI device, ready for use
 * @c: client to initialise
 * @bdf: PCI address with domain, for example 0000:01:10.0
 * @mode: interface to open the device through
 *
 * All the steps above in their order. On failure nothing stays open.
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_open(struct vfio_client *c, const char *bdf,
		     enum vfio_client_mode mode);

/**
 * vfio_client_close - close every file of the client
 * @c: client initialised by vfio_client_init() or vfio_client_open()
 */
void vfio_client_close(struct vfio_client *c);

/**
 * vfio_client_ioctl - call ioctl(2)
 * @fd: file descriptor
 * @cmd: request
 * @arg: argument, a pointer or a number
 *
 * Return: what ioctl(2) returned, or a negative errno.
 */
int vfio_client_ioctl(int fd, unsigned long cmd, void *arg);

/**
 * vfio_client_device_info - VFIO_DEVICE_GET_INFO with its capabilities
 * @c: open client
 * @info: returns the information, to be released with free()
 *
 * The call is repeated with a larger argsz when the kernel asks for it.
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_device_info(struct vfio_client *c,
			    struct vfio_device_info **info);

/**
 * vfio_client_region_info - VFIO_DEVICE_GET_REGION_INFO with its capabilities
 * @c: open client
 * @index: region index
 * @info: returns the information, to be released with free()
 *
 * The call is repeated with a larger argsz when the kernel asks for it.
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_region_info(struct vfio_client *c, __u32 index,
			    struct vfio_region_info **info);

/**
 * vfio_client_irq_info - VFIO_DEVICE_GET_IRQ_INFO
 * @c: open client
 * @index: interrupt index
 * @info: returns the information
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_irq_info(struct vfio_client *c, __u32 index,
			 struct vfio_irq_info *info);

/**
 * vfio_client_next_cap - walk a capability chain
 * @info: an info structure whose first member is argsz
 * @size: size of @info together with the chain
 * @offset: offset of the capability within @info, advanced to the next one
 *
 * Return: the capability, or NULL at the end of the chain or when @offset
 * leaves the structure.
 */
const struct vfio_info_cap_header *vfio_client_next_cap(const void *info,
							size_t size,
							__u32 *offset);

/**
 * vfio_client_get_region - find a region on the device file
 * @c: open client
 * @index: region index
 * @region: returns the region
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_get_region(struct vfio_client *c, __u32 index,
			   struct vfio_client_region *region);

/**
 * vfio_client_region_read - pread(2) of a region
 * @c: open client
 * @region: the region
 * @buf: buffer
 * @len: number of bytes
 * @off: offset within the region
 *
 * Return: number of bytes read, or a negative errno.
 */
ssize_t vfio_client_region_read(struct vfio_client *c,
				const struct vfio_client_region *region,
				void *buf, size_t len, __u64 off);

/**
 * vfio_client_region_write - pwrite(2) of a region
 * @c: open client
 * @region: the region
 * @buf: buffer
 * @len: number of bytes
 * @off: offset within the region
 *
 * Return: number of bytes written, or a negative errno.
 */
ssize_t vfio_client_region_write(struct vfio_client *c,
				 const struct vfio_client_region *region,
				 const void *buf, size_t len, __u64 off);

/**
 * vfio_client_region_mmap - map a part of a region
 * @c: open client
 * @region: the region
 * @len: number of bytes
 * @off: offset within the region
 * @addr: returns the mapping, to be released with munmap()
 *
 * The mapping is shared, readable and writable.
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_region_mmap(struct vfio_client *c,
			    const struct vfio_client_region *region,
			    size_t len, __u64 off, void **addr);

/**
 * vfio_client_set_irqs - VFIO_DEVICE_SET_IRQS
 * @c: open client
 * @flags: VFIO_IRQ_SET_DATA_* and VFIO_IRQ_SET_ACTION_*
 * @index: interrupt index
 * @start: first vector
 * @count: number of vectors
 * @data: event file descriptors or booleans, NULL for none
 * @size: size of @data in bytes
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_set_irqs(struct vfio_client *c, __u32 flags, __u32 index,
			 __u32 start, __u32 count, const void *data,
			 size_t size);

/**
 * vfio_client_feature - VFIO_DEVICE_FEATURE
 * @c: open client
 * @flags: feature number and VFIO_DEVICE_FEATURE_GET, _SET, _PROBE
 * @data: data of the feature, read and written, NULL for none
 * @size: size of @data in bytes
 *
 * Return: what ioctl(2) returned, or a negative errno.
 */
int vfio_client_feature(struct vfio_client *c, __u32 flags, void *data,
			size_t size);

/**
 * vfio_client_feature_probe - ask whether a feature is supported
 * @c: open client
 * @feature: feature number
 * @ops: VFIO_DEVICE_FEATURE_GET, _SET, both or 0
 *
 * Return: 0 when @ops are supported, or a negative errno.
 */
int vfio_client_feature_probe(struct vfio_client *c, __u32 feature, __u32 ops);

/**
 * vfio_client_dma_map - map memory for DMA, readable and writable
 * @c: open client
 * @addr: memory of this process
 * @iova: I/O address
 * @len: number of bytes
 *
 * Return: 0 or a negative errno.
 */
int vfio_client_dma_map(struct vfio_client *c, void *addr, __u64 iova,
			__u64 len);

#endif /* VFIO_CLIENT_H */
