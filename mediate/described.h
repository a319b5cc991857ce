/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal to vfio_mediate: open devices that have a description.
 *
 * describe.c checks the description and makes the tables. describe_state.c saves and loads,
 * describe_track.c tracks. Below them, describe_regs.c accesses the registers of the state, and
 * ring.c tracks one ring. filters.c has the records of network devices.
 */

#ifndef VFIO_MEDIATE_DESCRIBED_H
#define VFIO_MEDIATE_DESCRIBED_H

#include <linux/bits.h>
#include <linux/mutex.h>
#include <linux/uuid.h>

#include "ring.h"
#include "vfio_mediate_describe.h"

/* Module parameters. Tests change them. */
extern bool vfio_mediate_counters;
extern bool vfio_mediate_tracking;
extern bool vfio_mediate_pre_copy;

/* Limits of a description */
#define DESCRIBE_MAX_RINGS	8
#define DESCRIBE_MAX_QUEUES	64	/* of each ring, see &vfio_mediate_reg.queue */
#define DESCRIBE_MAX_PARTS	31
#define DESCRIBE_MAX_DESCS	65536
#define DESCRIBE_MAX_REGS	256

/* Registers of a ring by role: index in &vfio_mediate_ring.regs, or -1 */
struct describe_roles {
	s16 reg[VFIO_MEDIATE_NUM_ROLES];
};

/* Registers of a loaded state that are not written yet: masks of roles */
#define DESCRIBE_PENDING_RINGS	(BIT(VFIO_MEDIATE_ROLE_ENABLE) | BIT(VFIO_MEDIATE_ROLE_TAIL))
#define DESCRIBE_PENDING_RUN	BIT(VFIO_MEDIATE_ROLE_RUN)

enum describe_kind {
	DESCRIBE_RINGS,
	DESCRIBE_PART,
	DESCRIBE_COUNTERS,
};

/**
 * struct describe_record - Record of a described device
 * @kind:	What it has.
 * @type:	See &vfio_mediate_part.type.
 * @optional:	See &vfio_mediate_part.optional.
 * @early:	See &vfio_mediate_part.early.
 * @part:	The part, if it is one: that of the vendor, or of @net_parts.
 * @offset:	Offset in bytes in the buffers that have all records.
 * @size:	Size in bytes.
 * @min_size:	Size in bytes of the oldest record.
 */
struct describe_record {
	enum describe_kind kind;
	u16 type;
	bool optional;
	bool early;
	const struct vfio_mediate_part *part;
	unsigned int offset;
	unsigned int size;
	unsigned int min_size;
};

/**
 * struct describe_state - All records of a device
 * @present:	Bit mask: which of &vfio_mediate_described.records are in @data.
 * @data:	The records.
 */
struct describe_state {
	u64 present;
	u8 data[];
};

/**
 * struct describe_saving - A state that is being saved
 * @next:	Next record, once the device is stopped.
 * @sent:	Records as they were sent.
 * @now:	Records as they were read last.
 */
struct describe_saving {
	unsigned int next;
	struct describe_state *sent;
	struct describe_state *now;
};

/**
 * struct describe_tracking - Rings of a device that is tracked
 * @error:	First error: what the device writes is not known since.
 * @rings:	For each queue, each ring.
 * @retired:	Likewise: rings with buffers that are no longer in use, but not marked yet. In the
 *		same array, after @rings.
 * @batch:	Buffer for VFIO_MEDIATE_RING_BATCH descriptors.
 */
struct describe_tracking {
	int error;
	struct vfio_mediate_track *rings;
	struct vfio_mediate_track *retired;
	u64 batch[VFIO_MEDIATE_RING_BATCH * VFIO_MEDIATE_DESC_SIZE / sizeof(u64)];
};

/**
 * struct vfio_mediate_described - Open device that has a description
 * @desc:		The description.
 * @roles:		For each ring.
 * @ranges:		Ranges of counters.
 * @region:		The region that has them.
 * @traps:		Pages of rings.
 * @num_traps:		Number of @traps.
 * @trap_regs:		Registers of all @traps.
 * @migration:		Callbacks.
 * @net_parts:		Guest and filters of a network device.
 * @records:		Records, in the order in which they are saved.
 * @num_records:	Number of @records.
 * @size:		Size of all records in bytes.
 * @counter_base:	For each counter: what to add to what the device has.
 * @loading:		State that was or is being loaded, or NULL.
 * @resend:		Records of @loading may come again.
 * @saving:		State that is being saved, or NULL.
 * @pre_copy:		Records are sent in pre-copy.
 * @guest:		See vfio_mediate_guest().
 * @stopped:		The device was stopped or quiesced, and has not run since.
 * @quiesced:		The device was quiesced last, not stopped.
 * @resets:		&vfio_mediate_session.resets when @loading was applied.
 * @lock:		Protects @pending, @untracked, and @loading while something is pending: from
 *			callbacks of migration and of tracking, which are not serialized with each
 *			other. Inside of the locks that these hold, outside of those of
 *			vfio_mediate_default_rw().
 * @pending:		Registers of @loading that are not written yet: a mask of roles.
 * @untracked:		Rings were enabled since tracking has started, and not by the guest.
 * @tracking:		Tracking, or NULL. Callbacks that use it are serialized.
 * @announce:		Announcement of the guest.
 */
struct vfio_mediate_described {
	const struct vfio_mediate_description *desc;
	struct describe_roles roles[DESCRIBE_MAX_RINGS];
	struct vfio_mediate_range *ranges;
	struct vfio_mediate_region region;
	struct vfio_mediate_trap *traps;
	unsigned int num_traps;
	struct vfio_mediate_reg *trap_regs;
	struct vfio_mediate_migration_ops migration;
	struct vfio_mediate_part net_parts[2];
	struct describe_record records[DESCRIBE_MAX_PARTS + 4];
	unsigned int num_records;
	unsigned int size;
	u32 *counter_base;
	struct describe_state *loading;
	bool resend;
	struct describe_saving *saving;
	bool pre_copy;
	uuid_t guest;
	bool stopped;
	bool quiesced;
	unsigned int resets;
	struct mutex lock;	/* see above */
	unsigned int pending;
	bool untracked;
	struct describe_tracking *tracking;
	struct vfio_mediate_announce announce;
};

/* describe_regs.c */
int describe_read_regs(struct vfio_mediate_device *dev, const struct describe_record *record);
int describe_apply_regs(struct vfio_mediate_device *dev);
int describe_write_pending(struct vfio_mediate_device *dev, unsigned int what);
int describe_kick_tails(struct vfio_mediate_device *dev);
int describe_device_counter(struct vfio_mediate_device *dev, unsigned int i, u32 *val);
int describe_read_counter(struct vfio_mediate_device *dev, unsigned int i, u32 *val);

/* filters.c */
unsigned int describe_filters_size(const struct vfio_mediate_net *net);
int describe_get_filters(struct vfio_mediate_device *dev, void *record);
int describe_put_filters(struct vfio_mediate_device *dev, const void *record);
int describe_get_guest(struct vfio_mediate_device *dev, void *record);
int describe_check_guest(struct vfio_mediate_device *dev, const void *record);
vfio_mediate_addresses_fn describe_list_addresses;

/* describe_state.c */
void describe_init_state(struct vfio_mediate_described *d);
void describe_free_state(struct vfio_mediate_described *d);

/* describe_track.c */
extern const struct vfio_mediate_tracking_ops describe_tracking_ops;
bool describe_is_tracked(const struct vfio_mediate_described *d,
			 const struct vfio_mediate_access *access);
int describe_track_write(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);
void describe_free_tracking(struct vfio_mediate_described *d);

/* describe.c */
void vfio_mediate_describe_closing(struct vfio_mediate_device *dev);
void vfio_mediate_undescribe(struct vfio_mediate_device *dev);

#endif /* VFIO_MEDIATE_DESCRIBED_H */
