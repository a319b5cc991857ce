/* SPDX-License-Identifier: GPL-2.0-only */
/* What is seen of a device from outside, and events that are to be told. */

#ifndef VFIO_PCI_MEDIATE_STATUS_H
#define VFIO_PCI_MEDIATE_STATUS_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/ratelimit_types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include <uapi/linux/vfio_mediate_netlink.h>

struct pci_dev;

/* Size of the name of mediate ops. Longer ones are truncated. */
#define VPM_VENDOR_SIZE		64

/* Events of a device that are yet to be told. More at a time are lost. */
#define VPM_EVENTS_MAX		32

/**
 * struct vpm_outcome - Figures of a migration that has ended on this host
 * @direction:	Whether the state was saved or loaded.
 * @outcome:	How the migration ended.
 * @error:	Negative errno, or 0.
 * @bytes:	Bytes of the stream.
 * @records:	Records of the stream, the end included.
 * @pages:	Pages that the vendor driver has marked dirty.
 * @tracked:	Who has tracked the device.
 * @times:	Nanoseconds in each state since the device left RUNNING.
 */
struct vpm_outcome {
	enum vfio_mediate_direction direction;
	enum vfio_mediate_outcome outcome;
	int error;
	u64 bytes;
	u32 records;
	u64 pages;
	enum vfio_mediate_tracked tracked;
	u64 times[VFIO_DEVICE_STATE_NR];
};

/**
 * struct vpm_event - An event
 * @cmd:	VFIO_MEDIATE_CMD_*_NTF. Tells which of the members below are valid, as the
 *		specification of the netlink family does.
 * @uevent:	Send a uevent, too.
 * @seq:	Number of the event.
 * @time:	Nanoseconds of CLOCK_MONOTONIC.
 * @vendor:	Name of the mediate ops, or "".
 * @old_state:	Migration state before.
 * @state:	Migration state.
 * @tracked:	Who tracks the device.
 * @trap:	State of the trap.
 * @holders:	Bit mask of &enum vfio_mediate_trap_holder.
 * @outcome:	Figures of the migration.
 * @reset:	Kind of reset.
 * @unexpected:	User space has not requested the reset.
 * @power_state: A &enum vfio_mediate_power_state.
 * @low_power:	User space has allowed a low-power state.
 */
struct vpm_event {
	u8 cmd;
	bool uevent;
	u64 seq;
	u64 time;
	union {
		char vendor[VPM_VENDOR_SIZE];
		struct {
			enum vfio_device_mig_state old_state;
			enum vfio_device_mig_state state;
			enum vfio_mediate_tracked tracked;
		};
		struct {
			enum vfio_mediate_trap_state trap;
			u32 holders;
		};
		struct vpm_outcome outcome;
		struct {
			enum vfio_mediate_reset_kind reset;
			bool unexpected;
		};
		struct {
			u32 power_state;
			bool low_power;
		};
	};
};

/**
 * struct vpm_status - State of a device as seen from outside
 * @open:	User space has the device open.
 * @vendor:	Name of the mediate ops, or "" when the device is not mediated.
 * @migratable:	The device has a migration state.
 * @state:	Migration state.
 * @tracked:	Who tracks the device.
 * @error:	Negative errno of the last migration, or 0.
 * @trap:	State of the trap.
 * @holders:	Bit mask of &enum vfio_mediate_trap_holder.
 * @power_state: A &enum vfio_mediate_power_state.
 * @low_power:	User space has allowed a low-power state.
 */
struct vpm_status {
	bool open;
	char vendor[VPM_VENDOR_SIZE];
	bool migratable;
	enum vfio_device_mig_state state;
	enum vfio_mediate_tracked tracked;
	int error;
	enum vfio_mediate_trap_state trap;
	u32 holders;
	u32 power_state;
	bool low_power;
};

/**
 * struct vpm_events - Status of a device, and its events
 * @pdev:	The device.
 * @node:	Entry in the list of all devices, protected by a lock of netlink.c.
 * @lock:	Protects all members below, except @pages. Innermost lock, taken in process context.
 * @status:	The status.
 * @seq:	Number of the last event.
 * @first:	Index of the oldest entry of @queue.
 * @count:	Number of valid entries of @queue.
 * @queue:	Events that are yet to be told.
 * @claimed:	That the device is mediated was told.
 * @uevents:	Limits uevents: udev runs programs for them.
 * @tracked:	Who has tracked the device since the last migration ended.
 * @pages:	Pages marked dirty since the last migration ended.
 * @work:	Tells the events, so that nothing waits for a listener.
 */
struct vpm_events {
	struct pci_dev *pdev;
	struct list_head node;
	spinlock_t lock;	/* see above */
	struct vpm_status status;
	u64 seq;
	unsigned int first;
	unsigned int count;
	struct vpm_event queue[VPM_EVENTS_MAX];
	bool claimed;
	struct ratelimit_state uevents;
	enum vfio_mediate_tracked tracked;
	atomic64_t pages;
	struct work_struct work;
};

#endif /* VFIO_PCI_MEDIATE_STATUS_H */
