/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Describe a device that consists of registers, rings and items of its PF driver, and have
 * vfio_mediate.ko save, load and track it. Include it after vfio_mediate.h.
 */

#ifndef VFIO_MEDIATE_DESCRIBE_H
#define VFIO_MEDIATE_DESCRIBE_H

#include <linux/types.h>

#include "vfio_mediate.h"
#include "vfio_mediate_announce.h"
#include "vfio_mediate_filters.h"

/**
 * enum vfio_mediate_described_record - Types of the records that the framework defines
 * @VFIO_MEDIATE_RECORD_RINGS:	For each queue the values of the registers of each ring, 32 bits
 *				each, little-endian.
 * @VFIO_MEDIATE_RECORD_FILTERS: See &struct vfio_mediate_net.
 * @VFIO_MEDIATE_RECORD_COUNTERS: Values of the counters, 32 bits each, little-endian. Optional.
 * @VFIO_MEDIATE_RECORD_GUEST:	See &struct vfio_mediate_net. Optional.
 *
 * All others below VFIO_MEDIATE_RECORD_TYPES are the vendor's. Those below 16 may be needed later.
 */
enum vfio_mediate_described_record {
	VFIO_MEDIATE_RECORD_RINGS	= 1,
	VFIO_MEDIATE_RECORD_FILTERS	= 3,
	VFIO_MEDIATE_RECORD_COUNTERS	= 4,
	VFIO_MEDIATE_RECORD_GUEST	= 5,
};

/**
 * enum vfio_mediate_role - What a register is for
 * @VFIO_MEDIATE_ROLE_PLAIN:	Saved, and written when the state is applied.
 * @VFIO_MEDIATE_ROLE_RUN:	Saved, and written when the device is about to run, after
 *				all others. For registers that start something, such as an
 *				interrupt mask.
 * @VFIO_MEDIATE_ROLE_ENABLE:	Enables a ring if all bits of &vfio_mediate_state_reg.value
 *				are set. Written when the device is about to run.
 * @VFIO_MEDIATE_ROLE_TAIL:	Number of the descriptor after the last one that the device
 *				owns. Written when the device is about to run, after all
 *				enables.
 * @VFIO_MEDIATE_ROLE_HEAD:	Number of the first descriptor that the device has not
 *				completed.
 * @VFIO_MEDIATE_ROLE_BASE:	Low half of the IOVA of the descriptors.
 * @VFIO_MEDIATE_ROLE_BASE_HIGH: High half of it.
 * @VFIO_MEDIATE_ROLE_LENGTH:	Size of a ring in bytes, in the bits of
 *				&vfio_mediate_state_reg.value.
 * @VFIO_MEDIATE_ROLE_FORMAT:	Format of the descriptors, handed to &vfio_mediate_ring.done
 *				and &vfio_mediate_ring.buffers.
 * @VFIO_MEDIATE_ROLE_WRITEBACK: Low half of the IOVA of 32 bits to which the device writes
 *				the head, if the bits of &vfio_mediate_state_reg.value are
 *				set. These bits are not part of the address.
 * @VFIO_MEDIATE_ROLE_WRITEBACK_HIGH: High half of it.
 * @VFIO_MEDIATE_NUM_ROLES:	Number of roles.
 */
enum vfio_mediate_role {
	VFIO_MEDIATE_ROLE_PLAIN,
	VFIO_MEDIATE_ROLE_RUN,
	VFIO_MEDIATE_ROLE_ENABLE,
	VFIO_MEDIATE_ROLE_TAIL,
	VFIO_MEDIATE_ROLE_HEAD,
	VFIO_MEDIATE_ROLE_BASE,
	VFIO_MEDIATE_ROLE_BASE_HIGH,
	VFIO_MEDIATE_ROLE_LENGTH,
	VFIO_MEDIATE_ROLE_FORMAT,
	VFIO_MEDIATE_ROLE_WRITEBACK,
	VFIO_MEDIATE_ROLE_WRITEBACK_HIGH,
	VFIO_MEDIATE_NUM_ROLES,
};

/**
 * struct vfio_mediate_state_reg - Register of 32 bits that is part of the state
 * @offset:	Offset in bytes in &vfio_mediate_description.region, a multiple of 4.
 * @role:	One of &enum vfio_mediate_role.
 * @value:	See the role.
 */
struct vfio_mediate_state_reg {
	u32 offset;
	u8 role;
	u32 value;
};

/**
 * struct vfio_mediate_buffer - Memory that a descriptor has the device write
 * @iova:	IOVA of the first byte.
 * @size:	Size in bytes.
 */
struct vfio_mediate_buffer {
	u64 iova;
	u32 size;
};

/**
 * define VFIO_MEDIATE_DESC_BUFFERS - Largest number of buffers of a descriptor
 */
#define VFIO_MEDIATE_DESC_BUFFERS	4

/**
 * define VFIO_MEDIATE_DESC_SIZE - Largest size of a descriptor, in bytes
 */
#define VFIO_MEDIATE_DESC_SIZE		64

/**
 * struct vfio_mediate_ring - Descriptor ring that each queue of a device has
 * @regs:	Registers of the ring of queue 0, each role once but PLAIN and RUN. The roles
 *		BASE, LENGTH, HEAD, ENABLE and TAIL are required. The pages that have them
 *		are trapped while the device is tracked, and must not have registers that
 *		the guest's driver writes and no ring has.
 * @num_regs:	Number of @regs.
 * @desc_size:	Size of a descriptor in bytes, at most VFIO_MEDIATE_DESC_SIZE.
 *
 * A ring with @buffers is one by which the device receives: it writes buffers and
 * descriptors. Without @buffers, the device only reads buffers, and writes descriptors.
 *
 * The device owns the descriptors from the head up to the tail, and never all of them. It
 * completes them in order, and writes each when it has completed it.
 */
struct vfio_mediate_ring {
	const struct vfio_mediate_state_reg *regs;
	unsigned int num_regs;
	unsigned int desc_size;

	/**
	 * @done: Tell whether the device has written a descriptor.
	 *
	 * Required with @buffers. @desc is from the guest's memory: its content is not to be
	 * trusted, and it is aligned to 8 bytes. @format: value of the register of that role,
	 * or 0.
	 *
	 * Context: Process context.
	 *
	 * Return: true if it has.
	 */
	bool (*done)(const void *desc, u32 format);

	/**
	 * @buffers: Tell what the device may have written by a descriptor.
	 *
	 * @posted: the descriptor as the guest's driver wrote it. @desc: the same after @done
	 * has returned true for it. NULL if the device may have completed it, and what it wrote
	 * there is not known. @buffer: up to VFIO_MEDIATE_DESC_BUFFERS.
	 *
	 * Context: Process context.
	 *
	 * Return: Number of buffers.
	 */
	unsigned int (*buffers)(const void *posted, const void *desc, u32 format,
				struct vfio_mediate_buffer *buffer);
};

/**
 * struct vfio_mediate_part - Record of the state: registers, then what the vendor adds
 * @type:	Type of the record, see &vfio_mediate_record.type. Not one of &enum
 *		vfio_mediate_described_record.
 * @optional:	See &vfio_mediate_record.optional. A state without the record can be applied.
 * @early:	The record is sent in pre-copy, and once more when it has changed. A
 *		destination checks it while the source still runs.
 * @regs:	Registers whose values the record begins with: 32 bits each, little-endian.
 * @num_regs:	Number of @regs.
 * @size:	Size of the record in bytes, @regs included.
 * @min_size:	Size in bytes of the oldest record that can be loaded, see
 *		vfio_mediate_take_record(). 0: @size.
 *
 * The callbacks are optional. Their context is that of the callbacks of &struct
 * vfio_mediate_migration_ops. What they return is handled as there.
 */
struct vfio_mediate_part {
	u16 type;
	bool optional;
	bool early;
	const struct vfio_mediate_state_reg *regs;
	unsigned int num_regs;
	unsigned int size;
	unsigned int min_size;

	/**
	 * @get: Fill a record from the device and from what the PF driver knows of it.
	 *
	 * The registers are filled in, the rest is 0. The device may run if the record is
	 * @early. Otherwise it is stopped. Changes nothing, see
	 * &vfio_mediate_migration_ops.save.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*get)(struct vfio_mediate_device *dev, void *record);

	/**
	 * @check: Check a record that was received, see &vfio_mediate_migration_ops.load.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*check)(struct vfio_mediate_device *dev, const void *record);

	/**
	 * @put: Apply a record, before any register is written.
	 *
	 * The device is stopped, and its rings are still as they were. @check has returned 0
	 * for the record. See &vfio_mediate_migration_ops.apply.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*put)(struct vfio_mediate_device *dev, const void *record);
};

/**
 * struct vfio_mediate_description - A device that vfio_mediate.ko saves, loads and tracks
 * @version:	See &vfio_mediate_migration_ops.version.
 * @min_version: See &vfio_mediate_migration_ops.min_version.
 * @features:	See &vfio_mediate_migration_ops.features.
 * @pre_copy:	Feature of @features, or 0: records are sent in pre-copy, and may be sent
 *		again.
 * @region:	The BAR that has all registers: VFIO_PCI_BAR0_REGION_INDEX to
 *		VFIO_PCI_BAR5_REGION_INDEX.
 * @rings:	Rings of a queue.
 * @num_rings:	Number of @rings.
 * @num_queues:	Number of queues. Together they have at most 64 rings.
 * @stride:	Distance in bytes between the registers of one queue and those of the next.
 * @net:	Filters and guest of a network device, or NULL.
 * @parts:	Other records, in the order in which they are saved.
 * @num_parts:	Number of @parts, at most 31.
 * @counters:	Offsets of counters of 32 bits, ascending. The guest's driver, which cannot
 *		write them, sees them go on after a migration.
 * @num_counters: Number of @counters.
 *
 * A saved state has the records of the rings, of the guest and its filters, of @parts, and of the
 * counters, in this order. &enum vfio_mediate_described_record has their types.
 *
 * When a state is loaded, each record is checked as it comes. A record that is too short is
 * -EINVAL, one that is too long -EMSGSIZE, unless the destination may skip it, and one of an
 * unknown type -EOPNOTSUPP. A log line names the type and the length. When the state is applied,
 * the filters of @net are put, then the records of @parts in their order. Then rings are
 * disabled, and registers of rings and of @parts are written. Registers that start something are
 * written by the first run: those of the roles ENABLE, then TAIL, then RUN. If tracking starts
 * before, it has those of rings written, while the device is stopped. If the device is reset or
 * closed before it runs, or has lost its state, they are not written.
 *
 * A device that was tracked already when its state was loaded is not tracked any more once it
 * runs: scans fail with -ESTALE until tracking starts anew.
 *
 * A device in D3 has no registers: it cannot be saved or loaded then, and a scan fails.
 */
struct vfio_mediate_description {
	u32 version;
	u32 min_version;
	u64 features;
	u64 pre_copy;
	u32 region;
	const struct vfio_mediate_ring *rings;
	unsigned int num_rings;
	unsigned int num_queues;
	u32 stride;
	const struct vfio_mediate_net *net;
	const struct vfio_mediate_part *parts;
	unsigned int num_parts;
	const u32 *counters;
	unsigned int num_counters;

	/**
	 * @read_counter: Read one of @counters.
	 *
	 * Optional. Without it, the registers at @counters are read. Called at open, too, by
	 * vfio_mediate_describe().
	 *
	 * Context: Process context, may sleep.
	 *
	 * Return: Value of the device.
	 */
	u32 (*read_counter)(struct vfio_mediate_device *dev, u32 offset);

	/** @run: See &vfio_mediate_migration_ops.run. Required. */
	int (*run)(struct vfio_mediate_device *dev);

	/**
	 * @quiesce: See &vfio_mediate_migration_ops.quiesce.
	 *
	 * Optional. An error, -ENOTRECOVERABLE included, is handled as one of @stop.
	 */
	int (*quiesce)(struct vfio_mediate_device *dev);

	/**
	 * @stop: See &vfio_mediate_migration_ops.stop.
	 *
	 * Required. If @stop or @quiesce fails, the framework returns the device to the state that
	 * it was in, by @run and @kick, @quiesce or @stop: leave the device such that this works,
	 * and start no DMA. If that fails, too, but for @kick, or the error is -ENOTRECOVERABLE,
	 * user space gets -ENOTRECOVERABLE.
	 */
	int (*stop)(struct vfio_mediate_device *dev);

	/**
	 * @kick: Have the device and the guest's driver go on with what was pending.
	 *
	 * Optional. Called after @run. Raise the interrupts that may have been lost. The
	 * tails of rings without &vfio_mediate_ring.buffers have been written again.
	 *
	 * Return: 0, or a negative errno, upon which the device is stopped again.
	 */
	int (*kick)(struct vfio_mediate_device *dev);

	/** @load_end: See &vfio_mediate_migration_ops.load_end. Optional. */
	void (*load_end)(struct vfio_mediate_device *dev, int error);

	/**
	 * @hold: Hold what the device receives, or let it go on.
	 *
	 * Required if a ring has &vfio_mediate_ring.buffers. Called when tracking starts. From
	 * the return of @hold with @on to the call without, the device must not write
	 * descriptors of such rings.
	 *
	 * Context: That of &vfio_mediate_tracking_ops.start.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*hold)(struct vfio_mediate_device *dev, bool on);

	/**
	 * @save_as: See &vfio_mediate_migration_ops.save_as. Optional.
	 *
	 * @features has @pre_copy, unless the administrator has turned that off.
	 */
	int (*save_as)(struct vfio_mediate_device *dev, u32 *version,
		       u64 *features);
};

/**
 * vfio_mediate_describe() - Have vfio_mediate.ko save, load and track a device
 * @dev:	The device, &vfio_mediate_device.handle is set.
 * @desc:	Its description, valid until release.
 *
 * Sets &vfio_mediate_device.regions for the counters, @traps, @migration and @tracking. The
 * parameters counters and tracking of vfio_mediate.ko leave the first and the last one out. The
 * caller may change them afterwards: set @tracking to NULL, or add regions and traps of its own to
 * copies of the arrays.
 * &vfio_pci_mediate_ops.rw is vfio_mediate_described_rw(), or calls it.
 *
 * Context: Process context, may sleep. From &vfio_pci_mediate_ops.open only.
 * Return:
 * * 0: success. What was allocated is freed after &vfio_pci_mediate_ops.release, and when
 *   @open fails.
 * * -EINVAL: the description breaks a rule, which a log line names.
 * * -ENOMEM: out of memory.
 */
int vfio_mediate_describe(struct vfio_mediate_device *dev,
			  const struct vfio_mediate_description *desc);

/**
 * vfio_mediate_described_rw() - Serve an access to a described device
 * @dev:	The device.
 * @access:	See &vfio_pci_mediate_ops.rw.
 *
 * Context: That of &vfio_pci_mediate_ops.rw.
 * Return: As &vfio_pci_mediate_ops.rw.
 */
int vfio_mediate_described_rw(struct vfio_mediate_device *dev,
			      struct vfio_mediate_access *access);

/**
 * vfio_mediate_loaded() - Get a record that was received
 * @dev:	The device.
 * @type:	Type of a part.
 *
 * Context: From &vfio_mediate_part.check, &vfio_mediate_part.put and &vfio_mediate_net.put only.
 * Return: The record, or NULL if none of this type has been received.
 */
const void *vfio_mediate_loaded(struct vfio_mediate_device *dev, u16 type);

#endif /* VFIO_MEDIATE_DESCRIBE_H */
