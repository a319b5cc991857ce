/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dirty: memory of which it is known what a device has written, and a driver of a VF
 * of an 82576 that has it do so.
 */
#ifndef DIRTY_H
#define DIRTY_H

#include <stdbool.h>

#include <linux/types.h>

#include "testlib.h"
#include "vfio_client.h"

/* Rings, and what is sent, at IOVA 0; buffers that are received into, above 4 GiB */
#define LOW_SIZE	0x100000u
#define HIGH_IOVA	0x180000000ull
#define HIGH_SIZE	0x2000000u
#define MEM_SIZE	(LOW_SIZE + HIGH_SIZE)
#define PAGES		(MEM_SIZE / PAGE_4K)
#define QUEUES		2
#define MAPPED_SIZE	(2 * PAGE_4K)	/* of BAR 0 */
#define ETHERTYPE	0x88b5
#define MAX_FRAME	1514

/* What others read or write at the same time */
#define load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, value)	__atomic_store_n(p, value, __ATOMIC_RELEASE)

/**
 * struct config - How the receive rings are set up
 * @name:	For the report.
 * @count:	Descriptors of a ring.
 * @kib:	Size of a buffer.
 * @shift:	Bytes by which buffers are off their natural alignment.
 * @split:	Headers have buffers of their own.
 * @half:	The driver fills only one half of the ring.
 * @default_size: SRRCTL is 0, as after a reset.
 * @queues:	1 or 2 of each kind.
 * @head:	The device says in memory what it has sent.
 */
struct config {
	const char *name;
	unsigned int count;
	unsigned int kib;
	unsigned int shift;
	bool split;
	bool half;
	bool default_size;
	unsigned int queues;
	bool head;
};

struct ring {
	unsigned int count;
	unsigned int desc;		/* where, from the start of the memory */
	unsigned int use;		/* next to be prepared */
	unsigned int clean;		/* next to be given back */
	unsigned int head;		/* where the device says what it has sent */
	__u32 slot[4096];
};

/**
 * struct sender - Frames for the VF, sent by another process
 * @target:	How many to send in all.
 * @sent:	How many were sent.
 * @seen:	How many were received.
 * @window:	How many may be under way.
 * @size:	Of each in bytes; 0: any.
 * @end:	No more.
 *
 * Shared with that process: to be read by load() and written by store().
 */
struct sender {
	unsigned long long target;
	unsigned long long sent;
	unsigned long long seen;
	unsigned int window;
	unsigned int size;
	bool end;
};

/**
 * struct dirty - A VF, its memory, and what is known of it
 * @mem:	What the device writes to.
 * @copy:	The same as a migration's destination would have it: what this program
 *		writes is written there, too, and pages that are reported are copied.
 * @written:	Pages that the device is known to have written since this was last
 *		asked.
 * @sum_written: Of all times that it was asked.
 * @sum_reported: Pages reported, likewise.
 * @missed:	Pages that were not the same although all should have been reported.
 * @late:	Pages that were reported only at a second question.
 * @blind:	Whether to pass over the first page of a buffer that is reported.
 * @passed_over: That page, or 0.
 * @pool:	Buffers that may be posted in this round, see vf_round().
 * @free:	How many.
 * @posted:	Pages of those that are, or were.
 */
struct dirty {
	struct vfio_client dev;
	struct vfio_client_region bar;
	struct vfio_client_region config_space;
	__u8 *regs;		/* pages 2 and 3 of BAR 0 */
	__u8 *mem;
	__u8 *copy;
	__u8 written[PAGES];
	unsigned long long sum_written;
	unsigned long long sum_reported;
	unsigned long long missed;
	unsigned long long late;
	unsigned long long state;	/* of the random numbers */
	const struct config *config;
	struct ring rx[QUEUES];
	struct ring tx[QUEUES];
	bool blind;
	unsigned int passed_over;
	__u32 *pool;
	unsigned int free;
	bool posted[PAGES];
	unsigned long long received;
	unsigned long long transmitted;
	struct sender *sender;
	__u8 pf_mac[6];
};

/* Random numbers, which decide on buffers and times */
__u32 below(struct dirty *d, __u32 limit);

/* Milliseconds */
double now(void);

/* IOVA of a place in memory */
__u64 iova_of(unsigned int offset);

/* Open the VF by its group, with memory for it to write to */
void vf_open(struct dirty *d, const char *bdf);

/* The same in parts: memory; mapped for the device; an open one made ready; closed */
void make_memory(struct dirty *d);
int map_memory(struct dirty *d);
void use_vf(struct dirty *d);
void close_vf(struct dirty *d);

/* Close it and open it again: its group stays in the container, which keeps its mappings. */
void reopen_vf(struct dirty *d);

/* Ask for a state of migration; tell the container to note what is written, or not to */
int set_state(struct dirty *d, __u32 state);
int container_dirty(struct dirty *d, __u32 flags);

/* Bytes of its state, of which all that is left is read; or a negative errno */
long read_state(void);

/* Reset the VF as its driver would, give it its address; whether the PF has agreed */
bool vf_reset(struct dirty *d);

/* Has its driver been told that others have reset it? */
bool vf_told(struct dirty *d);

/* Set up the rings, and fill them; without them, the device does nothing */
void vf_start(struct dirty *d, const struct config *config);
void vf_disable(struct dirty *d);

/* Reset the VF with its queues enabled, and enable them again with the same values */
void vf_restart(struct dirty *d);

/* Give back more than the receive ring has */
void vf_bad_tail(struct dirty *d);

/*
 * Begin a round: until the next, whatever becomes of the rings, buffers are posted but
 * once, and share no page with another, so that one that is not reported is not reported
 * for another's sake. Without buffers a round begins by itself.
 */
void vf_round(struct dirty *d);

/* For how many frames the buffers of this round will do: 1 or more */
unsigned int vf_room(const struct dirty *d);

/* Take what has come, refill the rings, sometimes send: whether anything was done */
bool vf_poll(struct dirty *d);

/* Send so many frames, of any size, to pf_mac as it was at vf_start() */
void vf_send(struct dirty *d, unsigned int queue, unsigned int n);

/* Poll until so many frames more were sent to the VF, and then until nothing comes */
void vf_traffic(struct dirty *d, unsigned int frames);
void vf_quiet(struct dirty *d);

/* Have the device read and write memory at all */
void vf_bus_master(struct dirty *d);

/* Start the process that sends frames to the VF, from a netdev */
void sender_start(struct dirty *d, const char *netdev, unsigned int seed);

extern const __u8 vf_mac[6];

/**
 * struct sink - Who is told what was written
 * @name:	For the report.
 * @exact:	All is reported that was written before it is asked.
 * @start:	Start tracking.
 * @query:	Ask; sets a bit for each page of the memory.
 * @stop:	Stop tracking.
 */
struct sink {
	const char *name;
	bool exact;
	int (*start)(struct dirty *d);
	int (*query)(struct dirty *d, __u64 *bitmap);
	int (*stop)(struct dirty *d);
};

/* By their place in configs[] */
enum { RX_256, RX_64, RX_SPLIT, RX_HALF, RX_DEFAULT };
extern const struct config configs[];

enum { SINK_TYPE1, SINK_LOG };
extern const struct sink sinks[];

/* The test ends when what the rest depends on does not hold */
void must(bool good, const char *what);

int get_state(struct dirty *d);
void device_reset(struct dirty *d);

/* Ask the container about mappings, which must be inside of what is asked for */
int type1_get(struct dirty *d, __u64 iova, __u64 size, __u64 *bitmap);

/* VFIO_DEVICE_FEATURE_DMA_LOGGING_*, of all memory */
int log_start(struct dirty *d);
int log_query(struct dirty *d, __u64 *bitmap);
int log_end(struct dirty *d);

/* The same of parts, by other page sizes */
int log_start_ranges(struct dirty *d, __u64 page_size,
		     struct vfio_device_feature_dma_logging_range *ranges, __u32 count);
int log_get(struct dirty *d, __u64 iova, __u64 size, __u64 page_size, __u64 *bitmap);

/* How many of so many words' bits are set; whether one is */
unsigned int bits(const __u64 *bitmap, unsigned int n);
bool is_set(const __u64 *bitmap, unsigned int page);

/* Start tracking, with the copy as the memory is */
void start_tracking(struct dirty *d, const struct sink *sink);

/* Whether a page of the memory is not as in the copy */
bool differs(struct dirty *d, unsigned int page);

/*
 * Ask while the device is quiet: what was missed is in d->missed. A device that has
 * stopped must have reported all before; else what is late is given some time.
 */
void check(struct dirty *d, const struct sink *sink, bool stopped, const char *when);

/* With traffic, asked again and again; then quiet, and checked */
void pass(struct dirty *d, const struct sink *sink, unsigned int frames, const char *when);

/*
 * All that can be done to a VF while it is tracked. Return: how many pages were reported
 * under load for each that was written.
 */
double track(struct dirty *d, const struct sink *sink, const struct config *config,
	     unsigned int packets);

#endif /* DIRTY_H */
