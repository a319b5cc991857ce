/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vendor's devices are stopped, saved, loaded and run again. Included by
 * vfio_mediate.h.
 */

#ifndef VFIO_MEDIATE_MIGRATION_OPS_H
#define VFIO_MEDIATE_MIGRATION_OPS_H

#include <linux/types.h>

struct vfio_mediate_device;

/**
 * define VFIO_MEDIATE_RECORD_MAX - Largest payload of a record, in bytes, by default
 */
#define VFIO_MEDIATE_RECORD_MAX		65536

/**
 * define VFIO_MEDIATE_RECORD_LIMIT - Largest &vfio_mediate_migration_ops.record_max, in bytes
 */
#define VFIO_MEDIATE_RECORD_LIMIT	0x800000

/**
 * define VFIO_MEDIATE_RECORD_TYPES - Number of record types that a vendor can use
 */
#define VFIO_MEDIATE_RECORD_TYPES	0x8000

/**
 * struct vfio_mediate_record - Part of a device's state
 * @index:	Number of records that the same callback saved or loaded before in this
 *		stream. 0 marks the first record of a stream.
 * @type:	Type, defined by the vendor, below VFIO_MEDIATE_RECORD_TYPES.
 * @optional:	A destination that does not know @type can do without the record. It gets the
 *		record in @load, and -EOPNOTSUPP from there is not an error.
 * @length:	Size of the payload in bytes, at most &vfio_mediate_migration_ops.record_max.
 * @data:	Payload, in a byte order that does not depend on the host. When saving: a
 *		buffer of that many bytes.
 *
 * A checksum protects a record against accidents, not against its author. When loading,
 * validate every value.
 */
struct vfio_mediate_record {
	u32 index;
	u16 type;
	bool optional;
	u32 length;
	void *data;
};

/**
 * struct vfio_mediate_source - Device from which a stream comes
 * @ids:	PCI vendor, device, subsystem vendor and subsystem ID.
 * @sizes:	The members below are known. They are not if the source driver had no @match.
 * @bars:	Sizes of the BARs in bytes, or 0. The second half of a 64-bit BAR has none.
 * @vectors:	Number of MSI-X vectors, or of MSI vectors of a device without MSI-X.
 */
struct vfio_mediate_source {
	u16 ids[4];
	bool sizes;
	u64 bars[6];
	u16 vectors;
};

/**
 * struct vfio_mediate_migration_ops - Migration of a vendor's devices
 * @version:	Newest version of the state that @save and @pre_copy can write. Raise it when
 *		an older destination could not load the state.
 * @min_version: Oldest version of the state that @load accepts and, with @save_as, that @save
 *		can write.
 * @features:	Features of the state that @load knows: a bit mask defined by the vendor. A
 *		stream that uses another feature is refused.
 * @record_max:	Largest payload of a record in bytes, VFIO_MEDIATE_RECORD_MAX to
 *		VFIO_MEDIATE_RECORD_LIMIT. 0 stands for VFIO_MEDIATE_RECORD_MAX. A state of many
 *		megabytes takes less time in larger records. A destination with a smaller
 *		@record_max refuses them: raise @version when you raise @record_max.
 *
 * Callbacks are required unless marked optional. Return 0, or another value where the
 * callback says so, or a negative errno. A negative errno has these consequences:
 *
 * * @run, @quiesce, @stop, @save_as, @save_begin: user space gets the errno. The device must
 *   be in the state it was in before the call. If it is not, return -ENOTRECOVERABLE: the
 *   device then is in VFIO_DEVICE_STATE_ERROR until it is reset.
 * * @save, @pre_copy: the stream ends. User space gets the errno until it leaves the state.
 *   After -EAGAIN and -ERESTARTSYS the same record is requested again instead. Return -EAGAIN
 *   if the record is not ready yet, and call vfio_mediate_data_ready() once it is. The state of
 *   the device may be changed meanwhile.
 * * @match, @load_begin, @load, @apply: the stream cannot be loaded. User space gets the
 *   errno, or -EINTR for -ERESTARTSYS. Leaving VFIO_DEVICE_STATE_RESUMING ends in
 *   VFIO_DEVICE_STATE_ERROR. Return -EINVAL for malformed data, -EMSGSIZE for data that is
 *   too large, and -EOPNOTSUPP for data of an unknown type.
 *
 * A PF is not saved while it has VFs: user space gets -EOPNOTSUPP before @save_begin or @stop.
 *
 * &vfio_pci_mediate_ops.release may be called in any state: of a stopped device, or, after
 * the ops were unregistered or detached, without @save_end or @load_end. The device is reset
 * before the next open, if it can be reset, and must run then.
 *
 * Context: Process context, may sleep. A lock of the device is held, so calls for one
 * device are serialized. &vfio_pci_mediate_ops.rw and other callbacks may run at the
 * same time. A user space task that waits for a callback cannot be killed, unless the
 * callback checks for signals. Callbacks may call vfio_mediate_signal(),
 * vfio_mediate_data_ready(), and vfio_mediate_default_rw() for BARs. From @stop to the
 * return of @run, set &vfio_mediate_access.own: the guest may not have enabled memory space,
 * or the config space of a destination may be restored after @apply. Callbacks must not call
 * vfio_mediate_trap(), register or unregister ops, or take mmap_lock.
 */
struct vfio_mediate_migration_ops {
	u32 version;
	u32 min_version;
	u64 features;
	u32 record_max;

	/**
	 * @run: Resume operation after @stop or @quiesce.
	 *
	 * Also called after a reset of a device that did not run, or of which @run,
	 * @quiesce or @stop had failed. The device then is in its reset state.
	 *
	 * The device may have lost its state since @stop or @quiesce, see
	 * vfio_mediate_state_lost(). The guest does not know: tell its driver to
	 * reinitialize the device.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*run)(struct vfio_mediate_device *dev);

	/**
	 * @quiesce: Stop initiating DMA, at least to other devices, and wait for DMA in
	 * flight. Register accesses keep working.
	 *
	 * Optional. VFIO_MIGRATION_P2P is offered if it is present. Called while the device
	 * runs or is stopped.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*quiesce)(struct vfio_mediate_device *dev);

	/**
	 * @stop: Stop all DMA and interrupts, freeze the state of the device, and wait for
	 * operations in flight.
	 *
	 * Called while the device runs or, if there is @quiesce, while it is quiesced.
	 * Writes of the guest to trapped pages have reached &vfio_pci_mediate_ops.rw by
	 * then. User space may still access registers. Such writes may be lost, but must
	 * not harm the host or restart the device.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*stop)(struct vfio_mediate_device *dev);

	/**
	 * @size: Estimate the total size of all @save records.
	 *
	 * User space uses it to predict downtime. Called in any state.
	 *
	 * Return: Size in bytes.
	 */
	u64 (*size)(struct vfio_mediate_device *dev);

	/**
	 * @save_as: Choose version and features of a stream.
	 *
	 * Optional. Called when a stream begins, and holds for all its records. @version is
	 * the member of that name on entry, or an older one that the administrator has chosen
	 * for an older destination, by the file migration_version of the device in sysfs. It
	 * may be lowered, but not below @min_version. @features is
	 * &vfio_mediate_device.migration_features on entry. Set it to the features that the
	 * state uses.
	 *
	 * Without @save_as only the member @version can be chosen.
	 *
	 * Return: 0, -EOPNOTSUPP if the device is in a state that @version cannot tell, or
	 * another negative errno.
	 */
	int (*save_as)(struct vfio_mediate_device *dev, u32 *version,
		       u64 *features);

	/**
	 * @save_begin: Prepare to save, for example start to record changes.
	 *
	 * Optional. Called when user space enters a state in which the device is saved. The
	 * device runs, is quiesced or is stopped.
	 *
	 * Return: 0 or a negative errno.
	 */
	int (*save_begin)(struct vfio_mediate_device *dev);

	/**
	 * @save_end: Undo @save_begin.
	 *
	 * Optional. Called when user space leaves the states in which the device is saved,
	 * and when the device is reset in one of them.
	 */
	void (*save_end)(struct vfio_mediate_device *dev);

	/**
	 * @save: Write the next record of the stopped device.
	 *
	 * Do not change the device: it may run again, or be saved again from the start, at
	 * any time.
	 *
	 * Return:
	 *
	 * * 1: @record has been written.
	 * * 0: there are no more records.
	 * * Negative errno: failed.
	 */
	int (*save)(struct vfio_mediate_device *dev,
		    struct vfio_mediate_record *record);

	/**
	 * @pre_copy: Write the next record of the running or quiesced device.
	 *
	 * Optional, requires @pre_copy_size. User space stops the device when it chooses to,
	 * whether or not all records were written.
	 *
	 * Return:
	 *
	 * * 1: @record has been written.
	 * * 0: there is no record at the moment.
	 * * Negative errno: failed.
	 */
	int (*pre_copy)(struct vfio_mediate_device *dev,
			struct vfio_mediate_record *record);

	/**
	 * @pre_copy_size: Estimate the size of all @pre_copy records, in bytes.
	 *
	 * Optional, requires @pre_copy. Set @initial to what remains of the first pass, and
	 * @changed to what has changed since it was written. User space should not stop the
	 * device before @initial is 0.
	 *
	 * Return: true if the first pass has begun anew since the last call, for example because
	 * the guest has reconfigured the device. User space that understands
	 * VFIO_PRECOPY_INFO_REINIT then waits for @initial again. To others, what @initial has
	 * grown by counts as changed.
	 */
	bool (*pre_copy_size)(struct vfio_mediate_device *dev, u64 *initial,
			      u64 *changed);

	/**
	 * @match: Check whether a device that differs has a compatible state.
	 *
	 * Optional. Called before @load_begin when a stream comes from a device whose PCI IDs,
	 * BARs or number of vectors differ, for example because another company made the card.
	 * The guest's driver must be able to go on with this device. If @match is present, the
	 * streams that @save writes tell the sizes of BARs and the number of vectors. Without
	 * @match all that is known must be the same.
	 *
	 * Return: 0 if this device can load the state, or a negative errno.
	 */
	int (*match)(struct vfio_mediate_device *dev,
		     const struct vfio_mediate_source *source);

	/**
	 * @load_begin: Discard records that were loaded before.
	 *
	 * Called when the header of a stream was accepted: its ops' name, PCI IDs,
	 * @version and @features suit. The device is stopped.
	 *
	 * Return: 0 or a negative errno. @load_end follows once after 0, and only then.
	 */
	int (*load_begin)(struct vfio_mediate_device *dev, u32 version,
			  u64 features);

	/**
	 * @load: Validate one record and keep it for @apply.
	 *
	 * Do not touch the hardware: the rest of the stream may be missing or invalid, or
	 * the device may be reset.
	 *
	 * Return:
	 *
	 * * 0: the record is valid.
	 * * -EINVAL: malformed.
	 * * -EMSGSIZE: too large.
	 * * -EOPNOTSUPP: unknown type.
	 * * Other negative errno: failed.
	 */
	int (*load)(struct vfio_mediate_device *dev,
		    const struct vfio_mediate_record *record);

	/**
	 * @apply: Validate the loaded records as a whole and program the device.
	 *
	 * Called at the end of a stream. The device is stopped and stays so. Whatever the
	 * records contain, affect no other device.
	 *
	 * Return: 0 or a negative errno as for @load.
	 */
	int (*apply)(struct vfio_mediate_device *dev);

	/**
	 * @load_end: End what @load_begin has begun, for example free what @load has kept.
	 *
	 * Optional. @error says what has become of the load:
	 *
	 * * 0: the device runs with the loaded state: @run has returned 0 for the first time
	 *   since @apply. The guest is here now, not at the source: announce its addresses,
	 *   by vfio_mediate_announce_start(). vCPUs do not run yet: leave what takes long to a
	 *   work item. The loaded state may have been lost, see vfio_mediate_state_lost().
	 * * -ECANCELED: the device will not run with the loaded state. It was reset or closed
	 *   before, or user space enters VFIO_DEVICE_STATE_RESUMING again. Registers that
	 *   @run was to write must not be written any more. After a reset, the call comes
	 *   before that of @run.
	 * * Other negative errno: the load has failed with that errno. The device is in
	 *   VFIO_DEVICE_STATE_ERROR until it is reset.
	 */
	void (*load_end)(struct vfio_mediate_device *dev, int error);
};

/**
 * vfio_mediate_data_ready() - Wake user space tasks that wait for data of a device
 * @dev:	The device.
 *
 * Call it when a record is ready that &vfio_mediate_migration_ops.save or @pre_copy has
 * returned -EAGAIN for. Also call it when @pre_copy, which had no record left, has new ones.
 * A task that waits in read() requests the record again, one that waits in poll() sees that
 * there is data.
 *
 * Context: Any context, including hard interrupts. At any time between open and release.
 */
void vfio_mediate_data_ready(struct vfio_mediate_device *dev);

/**
 * vfio_mediate_take_record() - Copy the payload of a record whose type may have grown
 * @record:	The record.
 * @to:		Destination, of @size bytes.
 * @size:	Size in bytes of the payload as this vendor driver knows it.
 * @least:	Size in bytes of the oldest payload of this type, at most @size.
 *
 * A type grows at its end, by fields for which 0 means what it meant without them. Fields
 * that an older source does not send are set to 0.
 *
 * Context: Any context.
 * Return:
 * * 0: @to is complete.
 * * -EINVAL: the payload is shorter than @least.
 * * -EOPNOTSUPP: the payload is longer than @size, and the rest is not all 0.
 */
int vfio_mediate_take_record(const struct vfio_mediate_record *record, void *to,
			     size_t size, size_t least);

#endif /* VFIO_MEDIATE_MIGRATION_OPS_H */
