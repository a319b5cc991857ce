/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vendor accesses the memory that a device reaches by DMA. Included by
 * vfio_mediate.h.
 */

#ifndef VFIO_MEDIATE_MEMORY_OPS_H
#define VFIO_MEDIATE_MEMORY_OPS_H

#include <linux/types.h>

struct vfio_mediate_device;

/*
 * Guest memory is accessible while the device is open: in a type1 container always, with an
 * iommufd while the device is attached to an IOAS. An HWPT does not tell its IOAS.
 *
 * A page of guest memory may have to be faulted in, which takes mmap_lock of the VMM and may
 * take as long as user space chooses. Access guest memory from these callbacks only:
 *
 * * &struct vfio_mediate_migration_ops: all. At the source, @run, @quiesce, @stop and @pre_copy
 *   may write, since user space sends what they write; @save must not. At a destination, guest
 *   memory is complete from the first @quiesce or @run after @apply on. Before that, read
 *   nothing: memory may not have arrived. Write nothing: it may be overwritten.
 * * &struct vfio_mediate_tracking_ops: all.
 * * &vfio_pci_mediate_ops.rw, also for accesses to pages that are not trapped. While a shadow
 *   page is filled, or emptied because the trap ends, guest memory is not accessible: reads
 *   and writes fail with -ENODEV.
 * * &vfio_pci_mediate_ops.reset_done.
 * * A kernel thread or a work item of the vendor, which &vfio_pci_mediate_ops.release waits for.
 *
 * Hold no lock that is taken in &vfio_pci_mediate_ops.mmap, @reset_prepare or @reset_finish,
 * nor in @rw if pages can be trapped.
 */

/**
 * vfio_mediate_read() - Read guest memory as the device would
 * @dev:	The device.
 * @iova:	IOVA of the first byte.
 * @buf:	Buffer for the data.
 * @size:	Number of bytes to read. 0 does nothing.
 *
 * On failure the content of @buf is undefined.
 *
 * Context: Process context, sleeps. Only from the callbacks named above.
 * Return:
 * * 0: all bytes were read.
 * * -ENODEV: called while a shadow page is filled, or emptied because the trap ends.
 * * -EOPNOTSUPP: the device is attached to an HWPT, or to nothing, or the kernel cannot read
 *   the memory of an iommufd.
 * * -EPERM: the calling task belongs to another process than the one that mapped the memory.
 *   Kernel threads can read.
 * * Other negative errno: the memory cannot be read, for example because it is not mapped.
 */
int vfio_mediate_read(struct vfio_mediate_device *dev, u64 iova, void *buf,
		      size_t size);

/**
 * vfio_mediate_write() - Write guest memory as the device would
 * @dev:	The device.
 * @iova:	IOVA of the first byte.
 * @buf:	The data.
 * @size:	Number of bytes to write. 0 does nothing.
 *
 * What is written is marked dirty: no vfio_mediate_mark() is needed. On failure, some of the bytes
 * may have been written.
 *
 * Context: As for vfio_mediate_read(). Not from &vfio_mediate_migration_ops.save, @load and
 * @apply.
 * Return:
 * * 0: all bytes were written.
 * * -EOPNOTSUPP: as for vfio_mediate_read(). Or the device is being saved and user space would
 *   not learn of the write, because the IOMMU tracks dirty pages for it.
 * * -EPERM: as for vfio_mediate_read(), or the device may not write to that memory.
 * * Other negative errno: as for vfio_mediate_read().
 */
int vfio_mediate_write(struct vfio_mediate_device *dev, u64 iova, const void *buf,
		       size_t size);

#endif /* VFIO_MEDIATE_MEMORY_OPS_H */
