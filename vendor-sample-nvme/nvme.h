/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sample_nvme: mediates, migrates and tracks virtual functions of NVMe controllers. The device has
 * no register that tells of its queues, and no command that saves its state. So the module
 *
 *  - follows the admin queue, to know queues, features and asynchronous event requests,
 *  - stops the controller by having each command complete, deleting the I/O submission queues and
 *    clearing CC.EN,
 *  - runs it again by enabling it, repeating the commands that have made its state, and executing
 *    harmless commands until each queue is at the position that the guest's driver expects.
 *
 * CC and CSTS in page 0 of BAR 0 are mediated for life. Page 1 has the doorbells. It is mapped,
 * and trapped from CC.EN until the driver has its I/O queues, and while the VF is tracked.
 */

#ifndef SAMPLE_NVME_H
#define SAMPLE_NVME_H

#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/workqueue.h>

#include "vfio_mediate.h"

#define SNV_NAME		"sample_nvme"
#define SNV_QUEUES		32	/* queue IDs, the admin queue included */
#define SNV_FEATURES		24
#define SNV_NAMESPACES		16
#define SNV_EXTRA		8	/* completions of the guest's in the meantime */
#define SNV_DATA_MAX		512	/* data of a Set Features command */
#define SNV_BATCH		32	/* entries of a queue that are read at once */
#define SNV_FEW			3
#define SNV_MAX_PAGES		1025	/* addresses of a command */
#define SNV_MAX_DATA		0x400000	/* bytes that a command may transfer */
#define SNV_MAX_RANGES		0x40000	/* of all commands */
#define SNV_MAX_DEAD		64	/* queues that are gone */
#define SNV_PROBES		8	/* commands that find the device's place */
#define SNV_LBA_SHIFT		12	/* of a namespace that has not been identified */
#define SNV_DOORBELLS		0x1000
#define SNV_UNUSED		U32_MAX	/* what the shadow of a doorbell is before it is rung */
#define SNV_SQE_SIZE		sizeof(struct nvme_command)
#define SNV_CQE_SIZE		sizeof(struct nvme_completion)

/**
 * enum snv_slot - What is known of the command in a slot of a submission queue
 * @SNV_FREE:		Nothing, or it has completed.
 * @SNV_OLD:		It was in the slot when the queue was first looked at. It may be in flight.
 * @SNV_INFLIGHT:	It was submitted, and has not completed.
 * @SNV_DONE:		It has completed. What it has written is yet to be marked dirty.
 */
enum snv_slot {
	SNV_FREE,
	SNV_OLD,
	SNV_INFLIGHT,
	SNV_DONE,
};

/**
 * struct snv_cmd - Slot of a submission queue
 * @sqe:	The command as the guest's driver has written it.
 * @slot:	One of &enum snv_slot.
 * @error:	Why it is not known where the command writes, or 0.
 * @data:	Data of a Set Features command, or NULL.
 * @count:	Number of ranges that the command writes.
 * @few:	The ranges, if there are at most SNV_FEW.
 * @many:	The ranges, if there are more.
 */
struct snv_cmd {
	struct nvme_command sqe;
	u8 slot;
	int error;
	void *data;
	u32 count;
	struct vfio_mediate_iova_range few[SNV_FEW];
	struct vfio_mediate_iova_range *many;
};

/**
 * struct snv_sq - Submission queue
 * @qid:	Queue ID.
 * @cqid:	ID of its completion queue.
 * @depth:	Number of slots.
 * @base:	IOVA of slot 0.
 * @flags:	Flags of the command that has created it.
 * @head:	Head of the device, as of the last completion that was seen.
 * @tail:	Next slot that the driver will use.
 * @exact:	@tail is known. Otherwise only @head is.
 * @rung:	The doorbell was rung. Before, the driver may not have cleared the memory of the
 *		completion queue yet: Linux does that once the queue was created.
 * @placed:	@head is known.
 * @inflight:	Number of slots that are SNV_INFLIGHT.
 * @held:	Tail that was rung while the device was stopped, or SNV_UNUSED.
 * @next:	Next queue that is to be marked and freed.
 * @cmd:	The slots.
 */
struct snv_sq {
	u16 qid;
	u16 cqid;
	u32 depth;
	u64 base;
	u16 flags;
	u32 head;
	u32 tail;
	bool exact;
	bool rung;
	bool placed;
	u32 inflight;
	u32 held;
	struct snv_sq *next;
	struct snv_cmd *cmd;
};

/**
 * struct snv_cq - Completion queue
 * @depth:	Number of slots.
 * @base:	IOVA of slot 0.
 * @flags:	Flags of the command that has created it.
 * @vector:	Interrupt vector.
 * @pos:	Entries that the device has written, modulo 2 * @depth. The phase of the next one
 *		follows from it.
 * @known:	@pos is known. Otherwise the memory of the queue tells it.
 * @marked:	Value of @pos up to which entries were marked dirty.
 * @head:	Head that the driver has written to the doorbell, or SNV_UNUSED.
 * @held:	@head was written while the device was stopped.
 * @reused:	A submission queue of it was deleted.
 * @next:	Next queue that is to be marked and freed.
 */
struct snv_cq {
	u32 depth;
	u64 base;
	u16 flags;
	u16 vector;
	u32 pos;
	bool known;
	u32 marked;
	u32 head;
	bool held;
	bool reused;
	struct snv_cq *next;
};

/**
 * struct snv_feature - Feature that the guest's driver has set
 * @sqe:	The command.
 * @data:	Its data.
 * @size:	Size of @data in bytes.
 * @lacking:	@data is yet to be read from the device.
 * @when:	Time at which it was set, in ns.
 */
struct snv_feature {
	struct nvme_command sqe;
	u8 data[SNV_DATA_MAX];
	u16 size;
	bool lacking;
	u64 when;
};

#define SNV_IDENT_REGS	BIT(0)
#define SNV_IDENT_CTRL	BIT(1)

/**
 * struct snv_ident - What the driver may rely on, as long as it has the controller
 * @cap:	Register.
 * @version:	Register.
 * @flags:	SNV_IDENT_REGS, and SNV_IDENT_CTRL if fields from @nn on are known. 0: nothing is.
 * @queues:	Number of queues, as Get Features returns it.
 * @nn:		Field of Identify Controller, as those that follow.
 * @sgls:	Support for SGLs.
 * @oacs:	Optional admin commands.
 * @oncs:	Optional commands.
 * @mdts:	Longest transfer.
 * @vwc:	Volatile write cache.
 * @serial:	Of the subsystem.
 * @model:	Of the subsystem.
 * @reserved:	0.
 * @subnqn:	Name of the subsystem.
 */
struct snv_ident {
	__le64 cap;
	__le32 version;
	__le32 flags;
	__le32 queues;
	__le32 nn;
	__le32 sgls;
	__le16 oacs;
	__le16 oncs;
	u8 mdts;
	u8 vwc;
	u8 serial[20];
	u8 model[40];
	u8 reserved[2];
	u8 subnqn[256];
};

/**
 * struct snv_ns - Namespace
 * @nsid:	Its ID.
 * @shift:	Binary logarithm of the size of its blocks, in bytes.
 * @sure:	The device itself has said so while the guest did not run.
 * @blocks:	Number of its blocks, or 0: it is not known which one it is.
 * @nguid:	Which one it is.
 * @eui64:	Likewise.
 * @uuid:	Likewise, or zeros: it has none.
 * @has_list:	The device has said what @uuid is.
 */
struct snv_ns {
	u32 nsid;
	u8 shift;
	bool sure;
	u64 blocks;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
	bool has_list;
};

/**
 * struct snv_own - The admin queue while it is ours
 * @asq:	Copy of the memory of the submission queue.
 * @acq:	Copy of the memory of the completion queue.
 * @tail:	Next slot of the submission queue.
 * @pos:	Entries in the completion queue, as &snv_cq.pos, but not reduced.
 * @result:	Of the last command.
 * @limit:	Value of @pos up to which the head doorbell may be written.
 * @extra:	Completions of the guest's commands that have come meanwhile.
 * @num_extra:	Number of @extra.
 */
struct snv_own {
	void *asq;
	void *acq;
	u32 tail;
	u32 pos;
	u32 result;
	u32 limit;
	struct nvme_completion extra[SNV_EXTRA];
	unsigned int num_extra;
};

/* Bits of &snv_vf.notes */
enum snv_note {
	SNV_NOTE_RESET,		/* the function was reset */
	SNV_NOTE_UNTRAPPED,	/* doorbells have reached the device unseen */
	SNV_NOTE_RESETTING,	/* reset_done is yet to come */
};

/**
 * struct snv_vf - Open VF
 * @dev:	The device.
 * @lock:	Protects all but @notes and @own_trap. @stopped and @asq are also read without.
 *		Held around accesses to guest memory, and around accesses to BARs. Not taken while
 *		a shadow page is filled or emptied, nor in reset_prepare and reset_finish: resets
 *		leave a note, which the next holder of the lock reads.
 * @notes:	Bits of &enum snv_note.
 * @work:	Enables the controller, follows the admin queue, and ends the trap.
 * @own_trap:	The trap is held by us.
 * @lost_traps:	How often a reset has ended that hold.
 * @releasing:	It is about to end.
 * @tracked:	Between start and stop of tracking.
 * @track_error: Why it is not known what the device has written, or 0.
 * @cap:	CAP, which does not change.
 * @cc:		CC as the guest's driver has written it.
 * @pending:	CC.EN is set in @cc, and yet to be set in the device.
 * @enabled:	The device is enabled, or was when it was stopped.
 * @stopped:	Doorbells and CC do not reach the device.
 * @parked:	The device is stopped, but still enabled: what it does cannot be repeated.
 * @stuck:	The device could not be disabled in time.
 * @aqa:		Registers as they were when the device was enabled.
 * @asq:		Registers as they were when the device was enabled.
 * @acq:		Registers as they were when the device was enabled.
 * @busy_since:	Jiffies at which a command was last seen in the admin queue.
 * @reason:	Why the device cannot be migrated, or an empty string.
 * @passing:	@reason is only what the queues were like when the device was stopped.
 * @sq:		Queues by ID.
 * @cq:		Queues by ID.
 * @num_dead:	Number of queues that are gone.
 * @num_ranges:	Number of ranges in memory of their own.
 * @dead_sq:	Queues that are gone. What they have written is yet to be marked.
 * @dead_cq:	Queues that are gone. What they have written is yet to be marked.
 * @features:	Features in the order in which they were set.
 * @num_features: Number of @features.
 * @ns:		Namespaces that are known.
 * @num_ns:	Number of @ns.
 * @ident:	What the controller is, as of when it was stopped.
 * @arriving:	The guest has had another controller.
 * @lost:	It has, and a reset that is not done has come before the loaded state has run.
 * @strange:	The guest cannot go on with this one. It stays disabled: the driver would take
 *		another disk for its own.
 * @own:	The admin queue while it is ours.
 * @acq_copy:	Memory of the admin completion queue when it was last looked at.
 * @acq_pos:	Position of the device then.
 * @loading:	Records of load, or NULL.
 * @pages:	Buffer for the ranges of a command.
 * @batch:	Buffer for entries of a queue.
 */
struct snv_vf {
	struct vfio_mediate_device *dev;
	struct mutex lock;	/* see above */
	unsigned long notes;
	struct delayed_work work;
	bool own_trap;
	atomic_t lost_traps;
	bool releasing;
	bool tracked;
	int track_error;
	u64 cap;
	u32 cc;
	bool pending;
	bool enabled;
	bool stopped;
	bool parked;
	bool stuck;
	u32 aqa;
	u64 asq;
	u64 acq;
	unsigned long busy_since;
	char reason[80];
	bool passing;
	struct snv_sq *sq[SNV_QUEUES];
	struct snv_cq *cq[SNV_QUEUES];
	unsigned int num_dead;
	u32 num_ranges;
	struct snv_sq *dead_sq;
	struct snv_cq *dead_cq;
	struct snv_feature features[SNV_FEATURES];
	unsigned int num_features;
	struct snv_ns ns[SNV_NAMESPACES];
	unsigned int num_ns;
	struct snv_ident ident;
	bool arriving;
	bool lost;
	bool strange;
	struct snv_own own;
	void *acq_copy;
	u32 acq_pos;
	struct snv_state *loading;
	struct vfio_mediate_iova_range pages[SNV_MAX_PAGES];
	union {
		struct nvme_completion cqe[SNV_BATCH];
		struct nvme_command sqe[SNV_BATCH];
	} batch;
};

/* model.c */
void snv_free_ranges(struct snv_vf *vf, struct snv_cmd *cmd);
struct snv_sq *snv_new_sq(u16 qid, u16 cqid, u32 depth, u64 base, u16 flags);
struct snv_cq *snv_new_cq(u32 depth, u64 base, u16 flags, u16 vector);
void snv_free_sq(struct snv_vf *vf, struct snv_sq *sq);
void snv_bury_done(struct snv_vf *vf, struct snv_sq *sq);
void snv_drop_sq(struct snv_vf *vf, unsigned int qid);
void snv_drop_cq(struct snv_vf *vf, unsigned int qid);
void snv_forget(struct snv_vf *vf);
void snv_forget_positions(struct snv_vf *vf);
void snv_free_dead(struct snv_vf *vf);
void snv_clear_cmd(struct snv_vf *vf, struct snv_cmd *cmd);
void snv_refuse(struct snv_vf *vf, const char *what, unsigned int which);
struct snv_sq *snv_big_sq(const struct snv_vf *vf, size_t size);
struct snv_ns *snv_find_ns(struct snv_vf *vf, u32 nsid, bool add);
void snv_lock(struct snv_vf *vf);
void snv_unlock(struct snv_vf *vf);

/* decode.c */
void snv_decode(struct snv_vf *vf, unsigned int qid, struct snv_cmd *cmd);
void snv_mark_cmd(struct snv_vf *vf, struct snv_cmd *cmd);

/* bar.c */
extern struct workqueue_struct *snv_wq;

int snv_read_reg64(struct snv_vf *vf, u32 offset, u64 *value);
int snv_read_reg(struct snv_vf *vf, u32 offset, u32 *value);
int snv_write_reg(struct snv_vf *vf, u32 offset, u32 value);
int snv_ring(struct snv_vf *vf, unsigned int qid, bool cq, u32 value);
int snv_read_admin_regs(struct snv_vf *vf);
void snv_follow_soon(struct snv_vf *vf, unsigned long delay);
void snv_work(struct work_struct *work);
int snv_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access);

/* admin.c */
bool snv_admin_refused(const struct nvme_command *sqe);
void snv_admin_done(struct snv_vf *vf, const struct snv_cmd *cmd,
		    const struct nvme_completion *cqe);
unsigned int snv_take_lba(const u8 *id);
unsigned int snv_feature_size(u8 fid);
bool snv_feature_known(u8 fid);

/* queues.c */
int snv_snapshot(struct snv_vf *vf, struct snv_sq *sq);
int snv_adopt(struct snv_vf *vf, struct snv_sq *sq, const struct nvme_command *sqe);
int snv_submitted(struct snv_vf *vf, struct snv_sq *sq, u32 tail, bool refuse);
int snv_walk(struct snv_vf *vf, unsigned int qid);
void snv_taken(struct snv_vf *vf, unsigned int qid, u32 head);
int snv_follow(struct snv_vf *vf);
int snv_locate(struct snv_vf *vf, unsigned int qid);
u32 snv_locate_in(const struct nvme_completion *cqe, u32 depth);
bool snv_phase_at(u32 pos, u32 depth);
bool snv_phase(const struct nvme_completion *cqe);
bool snv_is_aer(const struct snv_cmd *cmd);
unsigned int snv_count_aers(const struct snv_sq *sq);

/**
 * struct snv_loan - Memory of an I/O submission queue, which the device does not use now
 * @iova:	Where it is.
 * @size:	Its size.
 * @mem:	What was in it, or NULL: no queue is large enough.
 */
struct snv_loan {
	u64 iova;
	size_t size;
	void *mem;
};

/* own.c */
int snv_wait_ready(struct snv_vf *vf, bool ready);
int snv_wait_entry(struct snv_vf *vf, const struct snv_cq *cq, u32 pos,
		   struct nvme_completion *cqe);
void *snv_read_ring(struct snv_vf *vf, u64 base, size_t size);
int snv_own_begin(struct snv_vf *vf);
int snv_own_end(struct snv_vf *vf);
int snv_own_execute(struct snv_vf *vf, struct nvme_command *sqe);
int snv_own_delete_sq(struct snv_vf *vf, unsigned int qid);
int snv_own_command(struct snv_vf *vf, struct nvme_command *sqe);
void snv_harmless(struct nvme_command *sqe);
int snv_own_probe(struct snv_vf *vf);
int snv_disable(struct snv_vf *vf);
int snv_put_back(struct snv_vf *vf, u64 iova, void *mem, size_t size, int ret);
int snv_borrow(struct snv_vf *vf, size_t size, struct snv_loan *loan);
int snv_give_back(struct snv_vf *vf, const struct snv_loan *loan, int ret);

/* ident.c */
int snv_identify_ns(struct snv_vf *vf, u64 iova, u8 *id, u32 nsid, struct snv_ns *ns);
int snv_ident_regs(struct snv_vf *vf, struct snv_ident *ident);
void snv_drop_false_ns(struct snv_vf *vf);
int snv_ident_fetch(struct snv_vf *vf, u64 iova, u8 *id, struct snv_ident *ident);
int snv_ident_check_regs(struct snv_vf *vf, const struct snv_ident *want);
int snv_ident_check(struct snv_vf *vf);

/* stop.c */
int snv_quiesce(struct snv_vf *vf);

/* replay.c */
int snv_run(struct snv_vf *vf);
bool snv_admin_fits(u32 depth, u32 features);
bool snv_admin_laps(u32 depth, u32 tail, u32 cq_depth, u32 pos, u32 aers, u32 least, u32 *total);

/* state.c */
extern const struct vfio_mediate_migration_ops snv_migration_ops;
void snv_state_free(struct snv_vf *vf);

/* track.c */
extern const struct vfio_mediate_tracking_ops snv_tracking_ops;

#endif /* SAMPLE_NVME_H */
