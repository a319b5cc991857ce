// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: a driver of a VF of an 82576, as igbvf goes about it: registers of queues by
 * way of the mapped BAR, those of the mailbox by the file.
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dirty.h"
#include "mailbox.h"

/* In BAR 0 of a VF */
#define MAPPED		0x2000	/* the page where mapped registers begin */
#define RX(queue, reg)	(0x800 + 0x100 * (queue) + (reg))
#define TX(queue, reg)	(0x1800 + 0x100 * (queue) + (reg))
#define  BAL		0x00
#define  BAH		0x04
#define  LEN		0x08
#define  SRRCTL		0x0c
#define   DESC_ONE	0x02000000
#define   DESC_SPLIT	0x04000000
#define   HEADER_256	0x00000400
#define  HEAD		0x10
#define  TAIL		0x18
#define  XDCTL		0x28
#define   ENABLE	0x02000000
#define  WBAL		0x38
#define  WBAH		0x3c

#define DD		0x1
#define EOP		0x2
#define SPH		0x8000	/* of hdr_info, the second 16 bits of a descriptor */
#define TX_DATA		0x00300000
#define TX_EOP_IFCS_RS	0x0b000000
#define TX_DEXT		0x20000000

#define DESC		16u
#define RX_RING		0x00000		/* where things are in memory */
#define TX_RING		0x40000
#define TX_HEAD		0x80000
#define TX_FRAMES	0x90000
#define TX_FRAME	2048u
#define TX_COUNT	128u
#define HEADER_SIZE	256u
#define HEADERS		(LOW_SIZE + HIGH_SIZE / 4 * 3)
#define HEADER_PAGES	(HIGH_SIZE / 4 / PAGE_4K)
#define BATCH		16
#define PATIENCE_MS	5000
#define QUIET_MS	80
#define DISABLE_US	100000	/* longer than the scan of a ring on a slow machine */

const __u8 vf_mac[6] = { 0x52, 0x54, 0x00, 0x76, 0x00, 0x10 };

__u32 below(struct dirty *d, __u32 limit)
{
	d->state = d->state * 6364136223846793005ull + 1442695040888963407ull;

	return (d->state >> 33) % limit;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

__u64 iova_of(unsigned int offset)
{
	return offset < LOW_SIZE ? offset : HIGH_IOVA + offset - LOW_SIZE;
}

/* What the CPU writes, a destination would have as well. */
static void put(struct dirty *d, unsigned int offset, __u64 value)
{
	store((__u64 *)(d->mem + offset), value);
	memcpy(d->copy + offset, &value, sizeof(value));
}

static void note_written(struct dirty *d, unsigned int offset, unsigned int size)
{
	unsigned int page;

	for (page = offset / PAGE_4K; size && page <= (offset + size - 1) / PAGE_4K; page++)
		d->written[page] = 1;
}

static __u32 rd(struct dirty *d, unsigned int reg)
{
	__u32 val = ~0;

	vfio_client_region_read(&d->dev, &d->bar, &val, sizeof(val), reg);

	return val;
}

static void wr(struct dirty *d, unsigned int reg, __u32 val)
{
	vfio_client_region_write(&d->dev, &d->bar, &val, sizeof(val), reg);
}

static void wr_mapped(struct dirty *d, unsigned int reg, __u32 val)
{
	/* After what is in memory, which the register is about */
	store((__u32 *)(d->regs + reg), val);
}

/* First word of the answer; 0 when there is none. */
static __u32 ask(struct dirty *d, const __u32 *msg)
{
	double end = now() + PATIENCE_MS;
	unsigned int i;
	__u32 got;

	do {
		wr(d, V2PMAILBOX, VFU);
		if (now() > end)
			return 0;
	} while (!(rd(d, V2PMAILBOX) & VFU));
	for (i = 0; i < 16; i++)
		wr(d, VMBMEM + 4 * i, msg[i]);
	wr(d, V2PMAILBOX, REQ);

	while (now() < end) {
		usleep(100);
		if (!(rd(d, V2PMAILBOX) & PFSTS))
			continue;
		got = rd(d, VMBMEM);
		wr(d, V2PMAILBOX, ACK);
		if ((got & MSG_TYPE) == (msg[0] & MSG_TYPE) && got & (MSG_ACK | MSG_NACK))
			return got;
	}

	return 0;
}

bool vf_reset(struct dirty *d)
{
	__u32 msg[16] = { TYPE_RESET };
	unsigned int tries;

	wr(d, VTCTRL, VTCTRL_RST);
	usleep(10000);
	/* It has no address yet, which is refused. */
	if (!ask(d, msg))
		return false;

	for (tries = 0; tries < 5; tries++) {
		memset(msg, 0, sizeof(msg));
		msg[0] = TYPE_MAC;
		memcpy(&msg[1], vf_mac, sizeof(vf_mac));
		if (ask(d, msg) & MSG_ACK)
			return true;
		msg[0] = TYPE_RESET;
		ask(d, msg);
	}

	return false;
}

bool vf_told(struct dirty *d)
{
	double end = now() + PATIENCE_MS;

	while (!(rd(d, V2PMAILBOX) & (RSTI | RSTD)))
		if (now() > end)
			return false;

	return rd(d, VMBMEM) & MSG_NACK;
}

void vf_bus_master(struct dirty *d)
{
	__u16 command = 0x6;

	vfio_client_region_write(&d->dev, &d->config_space, &command, sizeof(command), 4);
}

void make_memory(struct dirty *d)
{
	d->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS |
		      MAP_POPULATE, -1, 0);
	d->copy = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	d->pool = calloc(HIGH_SIZE / 1024, sizeof(*d->pool));
	if (d->mem == MAP_FAILED || d->copy == MAP_FAILED || !d->pool)
		die("no memory");
}

int map_memory(struct dirty *d)
{
	int ret = vfio_client_dma_map(&d->dev, d->mem, 0, LOW_SIZE);

	return ret ?: vfio_client_dma_map(&d->dev, d->mem + LOW_SIZE, HIGH_IOVA, HIGH_SIZE);
}

static int use_regs(struct dirty *d)
{
	void *regs;
	int ret;

	ret = vfio_client_get_region(&d->dev, 0, &d->bar);
	if (!ret)
		ret = vfio_client_get_region(&d->dev, VFIO_PCI_CONFIG_REGION_INDEX,
					     &d->config_space);
	if (!ret)
		ret = vfio_client_region_mmap(&d->dev, &d->bar, MAPPED_SIZE, MAPPED, &regs);
	if (!ret)
		d->regs = regs;

	return ret;
}

void use_vf(struct dirty *d)
{
	int ret = use_regs(d) ?: map_memory(d);

	if (ret)
		die("use %s: %s", d->dev.bdf, strerror(-ret));
	vf_bus_master(d);
}

void reopen_vf(struct dirty *d)
{
	int ret;

	munmap(d->regs, MAPPED_SIZE);
	close(d->dev.device_fd);
	d->dev.device_fd = -1;
	ret = vfio_client_get_device(&d->dev) ?: use_regs(d);
	if (ret)
		die("open %s again: %s", d->dev.bdf, strerror(-ret));
	vf_bus_master(d);
}

void close_vf(struct dirty *d)
{
	munmap(d->regs, MAPPED_SIZE);
	vfio_client_close(&d->dev);
}

void vf_open(struct dirty *d, const char *bdf)
{
	int ret;

	make_memory(d);
	ret = open_device(&d->dev, bdf, VFIO_CLIENT_GROUP);
	if (ret)
		die("open %s: %s", bdf, strerror(-ret));
	use_vf(d);
}

static unsigned int buffer_size(const struct config *config)
{
	return config->kib * 1024;
}

static unsigned int buffer_at(struct dirty *d, __u32 slot)
{
	return LOW_SIZE + slot * buffer_size(d->config) + d->config->shift;
}

/* Of as many as there are pages, each is in one of its own. */
static unsigned int header_at(__u32 slot)
{
	return HEADERS + slot % HEADER_PAGES * PAGE_4K + slot / HEADER_PAGES * HEADER_SIZE;
}

static unsigned int after(const struct ring *ring, unsigned int i, unsigned int n)
{
	return (i + n) % ring->count;
}

/* The pages that a slot's buffers are in, of which two may be the same: how many? */
static unsigned int pages_of(struct dirty *d, __u32 slot, unsigned int *pages)
{
	unsigned int at = buffer_at(d, slot);

	pages[0] = at / PAGE_4K;
	pages[1] = (at + buffer_size(d->config) - 1) / PAGE_4K;
	pages[2] = header_at(slot) / PAGE_4K;

	return d->config->split ? 3 : 2;
}

static bool is_taken(struct dirty *d, const bool *taken, __u32 slot)
{
	unsigned int pages[3], n = pages_of(d, slot, pages);

	return taken[pages[0]] || taken[pages[1]] || (n > 2 && taken[pages[2]]);
}

static void take(struct dirty *d, bool *taken, __u32 slot)
{
	unsigned int pages[3], n = pages_of(d, slot, pages);

	while (n--)
		taken[pages[n]] = true;
}

/* With what is in no page that was posted in this round, and shares none, in any order */
static void fill_pool(struct dirty *d)
{
	unsigned int n = HIGH_SIZE / 4 * 3 / buffer_size(d->config) - 2, i, other;
	bool taken[PAGES];
	__u32 slot;

	memcpy(taken, d->posted, sizeof(taken));
	for (i = 0; i < n; i++)
		d->pool[i] = i;
	d->free = 0;
	for (i = 0; i < n; i++) {
		other = i + below(d, n - i);
		slot = d->pool[other];
		d->pool[other] = d->pool[i];
		if (is_taken(d, taken, slot))
			continue;
		take(d, taken, slot);
		d->pool[d->free++] = slot;
	}
}

void vf_round(struct dirty *d)
{
	unsigned int queue, i;
	struct ring *ring;

	memset(d->posted, 0, sizeof(d->posted));
	for (queue = 0; queue < d->config->queues; queue++) {
		ring = &d->rx[queue];
		for (i = ring->clean; i != ring->use; i = after(ring, i, 1))
			take(d, d->posted, ring->slot[i]);
	}
	fill_pool(d);
}

unsigned int vf_room(const struct dirty *d)
{
	unsigned int size = buffer_size(d->config), kept = 2 * BATCH * d->config->queues;

	return d->free > kept ? (d->free - kept) / ((MAX_FRAME + size - 1) / size) : 1;
}

static void refill(struct dirty *d, unsigned int queue)
{
	struct ring *ring = &d->rx[queue];
	unsigned int room, i;

	/* One more than the device has. */
	room = after(ring, ring->clean, ring->count - 1 - ring->use);
	if (d->config->half)
		room = room > ring->count / 2 ? room - ring->count / 2 : 0;
	if (room < BATCH)
		return;

	/* Whoever wants each page to be written once asks for room before. */
	if (!d->free)
		vf_round(d);
	if (room > d->free)
		room = d->free;
	for (i = 0; i < room; i++) {
		__u32 slot = d->pool[--d->free];

		take(d, d->posted, slot);
		ring->slot[ring->use] = slot;
		put(d, ring->desc + ring->use * DESC, iova_of(buffer_at(d, slot)));
		put(d, ring->desc + ring->use * DESC + 8,
		    d->config->split ? iova_of(header_at(slot)) : 0);
		ring->use = after(ring, ring->use, 1);
	}
	wr_mapped(d, RX(queue, TAIL), after(ring, ring->use, ring->count - 1));
}

static bool clean_rx(struct dirty *d, unsigned int queue)
{
	struct ring *ring = &d->rx[queue];
	bool any = false;

	while (ring->clean != ring->use) {
		unsigned int at = ring->desc + ring->clean * DESC;
		__u32 *words = (__u32 *)(d->mem + at);
		__u32 slot = ring->slot[ring->clean];

		if (!(load(&words[2]) & DD))
			break;
		note_written(d, at, DESC);
		note_written(d, buffer_at(d, slot), words[3] & 0xffff);
		if (d->config->split && words[0] >> 16 & SPH)
			note_written(d, header_at(slot), 1);
		d->received += !!(words[2] & EOP);
		ring->clean = after(ring, ring->clean, 1);
		any = true;
	}
	store(&d->sender->seen, d->received);

	return any;
}

static bool clean_tx(struct dirty *d, unsigned int queue)
{
	struct ring *ring = &d->tx[queue];
	bool any = false;

	while (ring->clean != ring->use) {
		unsigned int at = ring->desc + ring->clean * DESC;

		if (d->config->head) {
			if (load((__u32 *)(d->mem + ring->head)) == ring->clean)
				break;
			note_written(d, ring->head, 4);
		} else {
			if (!(load((__u32 *)(d->mem + at + 12)) & DD))
				break;
			note_written(d, at, DESC);
		}
		ring->clean = after(ring, ring->clean, 1);
		any = true;
	}

	return any;
}

void vf_send(struct dirty *d, unsigned int queue, unsigned int n)
{
	struct ring *ring = &d->tx[queue];
	unsigned int size, frame;

	for (; n && after(ring, ring->use, 1) != ring->clean; n--) {
		frame = below(d, 16);
		size = 60 + below(d, MAX_FRAME - 59);
		put(d, ring->desc + ring->use * DESC, iova_of(TX_FRAMES + frame * TX_FRAME));
		put(d, ring->desc + ring->use * DESC + 8,
		    (__u64)size << 46 | TX_DATA | TX_EOP_IFCS_RS | TX_DEXT | size);
		ring->use = after(ring, ring->use, 1);
		d->transmitted++;
	}
	wr_mapped(d, TX(queue, TAIL), ring->use);
}

bool vf_poll(struct dirty *d)
{
	unsigned int queue;
	bool any = false;

	for (queue = 0; queue < d->config->queues; queue++) {
		any |= clean_rx(d, queue);
		refill(d, queue);
		any |= clean_tx(d, queue);
	}

	return any;
}

void vf_quiet(struct dirty *d)
{
	double last = now();

	while (now() < last + QUIET_MS) {
		if (vf_poll(d) || load(&d->sender->sent) < d->sender->target)
			last = now();
		else
			usleep(1000);
	}
}

void vf_traffic(struct dirty *d, unsigned int frames)
{
	unsigned long long target = d->sender->target + frames;

	store(&d->sender->target, target);
	while (load(&d->sender->sent) < target) {
		if (!vf_poll(d))
			usleep(200);
		if (!below(d, 8))
			vf_send(d, below(d, d->config->queues), 1 + below(d, 8));
	}
}

void vf_disable(struct dirty *d)
{
	unsigned int queue;

	for (queue = 0; queue < QUEUES; queue++) {
		wr_mapped(d, RX(queue, XDCTL), 0);
		wr_mapped(d, TX(queue, XDCTL), 0);
	}
	usleep(DISABLE_US);
}

void vf_bad_tail(struct dirty *d)
{
	wr_mapped(d, RX(0, TAIL), 0xffff);
}

static void start_rx(struct dirty *d, unsigned int queue)
{
	const struct config *config = d->config;
	struct ring *ring = &d->rx[queue];
	__u32 srrctl = config->kib | (config->split ? DESC_SPLIT | HEADER_256 : DESC_ONE);
	unsigned int i;

	ring->count = config->count;
	ring->desc = RX_RING + queue * 0x10000;
	ring->use = 0;
	ring->clean = 0;
	for (i = 0; i < ring->count * 2; i++)
		put(d, ring->desc + i * 8, 0);

	wr_mapped(d, RX(queue, BAL), iova_of(ring->desc));
	wr_mapped(d, RX(queue, BAH), iova_of(ring->desc) >> 32);
	wr_mapped(d, RX(queue, LEN), ring->count * DESC);
	wr_mapped(d, RX(queue, SRRCTL), config->default_size ? 0 : srrctl);
	wr_mapped(d, RX(queue, HEAD), 0);
	wr_mapped(d, RX(queue, TAIL), 0);
	wr_mapped(d, RX(queue, XDCTL), ENABLE);
	refill(d, queue);
}

static void start_tx(struct dirty *d, unsigned int queue)
{
	struct ring *ring = &d->tx[queue];
	unsigned int i;

	ring->count = TX_COUNT;
	ring->desc = TX_RING + queue * 0x10000;
	ring->head = TX_HEAD + queue * PAGE_4K;
	ring->use = 0;
	ring->clean = 0;
	for (i = 0; i < ring->count * 2; i++)
		put(d, ring->desc + i * 8, 0);
	put(d, ring->head, 0);

	wr_mapped(d, TX(queue, BAL), iova_of(ring->desc));
	wr_mapped(d, TX(queue, BAH), iova_of(ring->desc) >> 32);
	wr_mapped(d, TX(queue, LEN), ring->count * DESC);
	wr_mapped(d, TX(queue, HEAD), 0);
	wr_mapped(d, TX(queue, TAIL), 0);
	wr_mapped(d, TX(queue, WBAL), d->config->head ? iova_of(ring->head) | 1 : 0);
	wr_mapped(d, TX(queue, WBAH), d->config->head ? iova_of(ring->head) >> 32 : 0);
	wr_mapped(d, TX(queue, XDCTL), ENABLE);
}

static void write_frames(struct dirty *d)
{
	static const __u8 type[] = { ETHERTYPE >> 8, ETHERTYPE & 0xff };
	unsigned int frame;
	__u8 *at;

	for (frame = 0; frame < 16; frame++) {
		at = d->mem + TX_FRAMES + frame * TX_FRAME;
		memcpy(at, d->pf_mac, 6);
		memcpy(at + 6, vf_mac, 6);
		memcpy(at + 12, type, sizeof(type));
		memcpy(d->copy + TX_FRAMES + frame * TX_FRAME, at, TX_FRAME);
	}
}

static void enable(struct dirty *d, const struct config *config)
{
	unsigned int queue;

	d->config = config;
	fill_pool(d);
	write_frames(d);
	/* Tails may be drained late: what is refilled is not there at once. */
	store(&d->sender->window, config->count / 4);
	for (queue = 0; queue < config->queues; queue++) {
		start_rx(d, queue);
		start_tx(d, queue);
	}
	/* So that what was enabled is seen to be. */
	usleep(DISABLE_US);
}

void vf_start(struct dirty *d, const struct config *config)
{
	vf_disable(d);
	enable(d, config);
}

void vf_restart(struct dirty *d)
{
	must(vf_reset(d), "no handshake after VTCTRL.RST");
	enable(d, d->config);
}
