// SPDX-License-Identifier: GPL-2.0-only
/*
 * mailbox_fuzz: what a VF of an 82576 can say to its PF by the mailbox, and more.
 *
 * Most messages keep to the protocol and carry nonsense, or something just inside
 * or outside of what the PF may grant; it must answer each, and some answers are
 * known beforehand. Others break the protocol, and need not be answered. After
 * such a message one with a token is sent until its own answer comes back, so that
 * an answer is never taken for that of another message.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mailbox.h"
#include "vfio_client.h"

#define MSG_ECHO	0x00ffffff	/* what an answer repeats */
#define MSG(type, info)	((type) | (info) << 16)

/* Of TYPE_MAC */
#define  MAC_CLEAR	1
#define  MAC_ADD	2
#define TYPE_MULTICAST	0x03
#define  OVERFLOW	0x80
#define TYPE_VLAN	0x04
#define TYPE_MAX_FRAME	0x05
#define TYPE_PROMISC	0x06
#define TYPE_TOKEN	0x7000		/* never granted */
#define TYPE_CONTROL	0x0100		/* the PF's own */
#define LAST_TYPE	0x0a
#define TYPES		(LAST_TYPE + 2)	/* any other is counted together */

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define PATIENCE_MS	5000
#define AGAIN_MS	500
#define SHOWN		10

struct count {
	unsigned int sent, acked, refused, silent;
};

struct fuzz {
	struct vfio_client client;
	struct vfio_client_region bar;
	unsigned long long state;	/* of the random numbers */
	__u32 msg[16];
	__u32 last;			/* whose answer may come twice */
	bool active;			/* after the reset handshake */
	bool trusted;
	struct count counts[TYPES];
	unsigned int broken, resets, wrong, sent;
	double slowest;
};

static __u32 rnd(struct fuzz *f)
{
	f->state = f->state * 6364136223846793005ull + 1442695040888963407ull;

	return f->state >> 32;
}

static __u32 below(struct fuzz *f, __u32 limit)
{
	return rnd(f) % limit;
}

/* True once in n times. */
static bool once_in(struct fuzz *f, __u32 n)
{
	return !below(f, n);
}

static __u32 pick(struct fuzz *f, const __u32 *from, unsigned int n)
{
	return from[below(f, n)];
}

#define PICK(f, ...) \
	pick(f, (const __u32[]){ __VA_ARGS__ }, \
	     sizeof((const __u32[]){ __VA_ARGS__ }) / sizeof(__u32))

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static __u32 rd(struct fuzz *f, unsigned int reg)
{
	__u32 val = ~0;

	vfio_client_region_read(&f->client, &f->bar, &val, sizeof(val), reg);

	return val;
}

static void wr(struct fuzz *f, unsigned int reg, __u32 val)
{
	vfio_client_region_write(&f->client, &f->bar, &val, sizeof(val), reg);
}

static void write_message(struct fuzz *f, const __u32 *msg)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		wr(f, VMBMEM + 4 * i, msg[i]);
}

static void complain(struct fuzz *f, const char *what, __u32 answer)
{
	if (f->wrong++ < SHOWN)
		printf("wrong: %s: message %#x %#x %#x, answer %#x\n", what,
		       f->msg[0], f->msg[1], f->msg[2], answer);
}

/* By the rules: own the memory, write, ask. */
static bool ask(struct fuzz *f, const __u32 *msg)
{
	double end = now() + PATIENCE_MS;

	/* This also forgets answers that nobody waits for. */
	do {
		wr(f, V2PMAILBOX, VFU);
		if (rd(f, V2PMAILBOX) & VFU) {
			write_message(f, msg);
			wr(f, V2PMAILBOX, REQ);
			return true;
		}
		usleep(100);
	} while (now() < end);

	return false;
}

/* First word of the answer to msg; 0 when there is none. */
static __u32 await_answer(struct fuzz *f, __u32 msg)
{
	double end = now() + PATIENCE_MS;
	__u32 got;

	do {
		if (!(rd(f, V2PMAILBOX) & PFSTS)) {
			usleep(50);
			continue;
		}
		got = rd(f, VMBMEM);
		wr(f, V2PMAILBOX, ACK);
		if ((got & MSG_ECHO) == (msg & MSG_ECHO) &&
		    (got & (MSG_ACK | MSG_NACK)))
			return got;
		if ((got & MSG_TYPE) != TYPE_CONTROL && (got & MSG_ECHO) != f->last)
			complain(f, "an answer to something else", got);
	} while (now() < end);

	return 0;
}

/*
 * After this, no answer to anything sent before can come but the token's own. It
 * may have to be sent again: when the PF takes the memory away from a VF, what
 * the VF has asked at that moment is forgotten.
 */
static bool settle(struct fuzz *f)
{
	double end = now() + PATIENCE_MS, again;
	__u32 msg[16] = {}, got;

	wr(f, V2PMAILBOX, 0);
	msg[0] = MSG(TYPE_TOKEN | below(f, 0x1000), below(f, 0x100));
	f->sent++;
	while (now() < end) {
		if (!ask(f, msg))
			return false;
		for (again = now() + AGAIN_MS; now() < again; usleep(50)) {
			if (!(rd(f, V2PMAILBOX) & PFSTS))
				continue;
			got = rd(f, VMBMEM);
			wr(f, V2PMAILBOX, ACK);
			if ((got & MSG_ECHO) == msg[0]) {
				f->last = msg[0];
				return got & MSG_NACK;
			}
		}
	}

	return false;
}

enum expected { UNKNOWN, GRANTED, REFUSED };

static void random_mac(struct fuzz *f)
{
	__u32 info = PICK(f, 0, MAC_CLEAR, MAC_ADD, MAC_ADD, 3, 0xff);

	f->msg[0] = MSG(TYPE_MAC, info);
	/* Sometimes an address that others may have as well. */
	f->msg[1] = once_in(f, 4) ? 0x76005452 : rnd(f);
	if (once_in(f, 3))
		f->msg[1] |= 1;		/* multicast */
	f->msg[2] = once_in(f, 4) ? below(f, 4) << 8 : rnd(f);
	if (once_in(f, 8)) {
		f->msg[1] = once_in(f, 2) ? 0 : ~0;
		f->msg[2] = f->msg[1];
	}
}

static enum expected judge_mac(struct fuzz *f)
{
	__u32 info = f->msg[0] >> 16 & 0xff;

	if (info == MAC_CLEAR)
		return GRANTED;
	if (info > MAC_ADD || f->msg[1] & 1 ||
	    (!f->msg[1] && !(f->msg[2] & 0xffff)))
		return REFUSED;

	return UNKNOWN;
}

static void random_multicast(struct fuzz *f)
{
	__u32 count = PICK(f, 0, 1, 2, 29, 30, 31, 32, 127);
	unsigned int i;

	f->msg[0] = MSG(TYPE_MULTICAST, count | (once_in(f, 3) ? OVERFLOW : 0));
	for (i = 1; i < 16; i++)
		f->msg[i] = once_in(f, 50) ? rnd(f) : rnd(f) & 0x0fff0fff;
}

static enum expected judge_multicast(struct fuzz *f)
{
	__u32 count = f->msg[0] >> 16 & 0x7f, i;

	if (count > 30)
		return REFUSED;
	for (i = 0; i < count; i++)
		if ((f->msg[1 + i / 2] >> i % 2 * 16 & 0xffff) > 0xfff)
			return REFUSED;

	return GRANTED;
}

static void random_vlan(struct fuzz *f)
{
	f->msg[0] = MSG(TYPE_VLAN, PICK(f, 0, 1, 1, 1, 2, 0xff));
	f->msg[1] = once_in(f, 2) ? below(f, 4096) :
		    PICK(f, 0, 1, 4095, 4096, 0x10001, ~0u, 1u << 31);
}

static enum expected judge_vlan(struct fuzz *f)
{
	return f->msg[1] > 4095 || (f->msg[0] >> 16 & 0xff) > 1 ? REFUSED : UNKNOWN;
}

static void random_max_frame(struct fuzz *f)
{
	f->msg[0] = MSG(TYPE_MAX_FRAME, below(f, 2));
	f->msg[1] = PICK(f, 0, 1, 59, 60, 1518, 1522, 9728, 9729, 0x3fff, 0x4000,
			 0x10040, ~0u, rnd(f));
}

static enum expected judge_max_frame(struct fuzz *f)
{
	return f->msg[1] < 60 || f->msg[1] > 9728 ? REFUSED : GRANTED;
}

static void random_promisc(struct fuzz *f)
{
	f->msg[0] = MSG(TYPE_PROMISC, PICK(f, 0, 1, 2, 4, 6, 7, 8, 0xff));
}

static enum expected judge_promisc(struct fuzz *f)
{
	__u32 info = f->msg[0] >> 16 & 0xff;

	if (!info)
		return GRANTED;

	return f->trusted && !(info & ~6u) ? GRANTED : REFUSED;
}

static const struct {
	void (*random)(struct fuzz *f);
	enum expected (*judge)(struct fuzz *f);
} types[] = {
	[TYPE_MAC] = { random_mac, judge_mac },
	[TYPE_MULTICAST] = { random_multicast, judge_multicast },
	[TYPE_VLAN] = { random_vlan, judge_vlan },
	[TYPE_MAX_FRAME] = { random_max_frame, judge_max_frame },
	[TYPE_PROMISC] = { random_promisc, judge_promisc },
};

static void random_message(struct fuzz *f)
{
	__u32 type = below(f, LAST_TYPE + 2);
	unsigned int i;

	for (i = 0; i < 16; i++)
		f->msg[i] = rnd(f);
	if (type > LAST_TYPE) {
		/* Whatever it is, but not by chance the handshake. */
		f->msg[0] |= 0x10;
		return;
	}
	f->msg[0] = type | (once_in(f, 4) ? rnd(f) & 0xff0000 : 0);
	if (type < ARRAY_SIZE(types) && types[type].random &&
	    !once_in(f, 10))
		types[type].random(f);
	/* The flags of an answer, in a question. */
	if (type != TYPE_RESET && once_in(f, 10))
		f->msg[0] |= rnd(f) & 0xff000000;
}

static enum expected judge(struct fuzz *f)
{
	__u32 type = f->msg[0] & MSG_TYPE;

	/* NACK when the VF has no address. */
	if (f->msg[0] == TYPE_RESET)
		return UNKNOWN;
	if (!f->active || type >= ARRAY_SIZE(types) ||
	    !types[type].judge)
		return REFUSED;

	return types[type].judge(f);
}

/* A message that keeps to the protocol is answered. */
static bool send_message(struct fuzz *f)
{
	__u32 type = f->msg[0] & MSG_TYPE, got;
	enum expected want = judge(f);
	struct count *count = &f->counts[type > LAST_TYPE ? LAST_TYPE + 1 : type];
	double start;

	start = now();
	if (!ask(f, f->msg)) {
		complain(f, "the PF does not let go of the mailbox", 0);
		return false;
	}
	count->sent++;
	f->sent++;

	got = await_answer(f, f->msg[0]);
	if (now() - start > f->slowest)
		f->slowest = now() - start;
	if (!got) {
		count->silent++;
		complain(f, "no answer", 0);
		return settle(f);
	}
	count->acked += !!(got & MSG_ACK);
	count->refused += !!(got & MSG_NACK);
	if (want != UNKNOWN && want == (got & MSG_ACK ? REFUSED : GRANTED))
		complain(f, f->active ? "answer" : "answer before the handshake", got);
	if (f->msg[0] == TYPE_RESET)
		f->active = true;
	f->last = f->msg[0] & MSG_ECHO;

	return true;
}

/* What no driver would do. */
static bool break_rules(struct fuzz *f)
{
	unsigned int i, n;

	f->broken++;
	switch (below(f, 6)) {
	case 0:	/* keep the memory while the PF is asked to read it */
		wr(f, V2PMAILBOX, VFU);
		write_message(f, f->msg);
		wr(f, V2PMAILBOX, VFU | REQ);
		usleep(below(f, 8000));
		break;
	case 1:	/* change the message while it is read */
		wr(f, V2PMAILBOX, REQ);
		for (n = below(f, 2000); n; n--)
			wr(f, VMBMEM + below(f, 16) * 4, rnd(f));
		break;
	case 2:	/* ask again and again */
		for (n = below(f, 200); n; n--) {
			wr(f, V2PMAILBOX, VFU);
			wr(f, VMBMEM, f->msg[0] & ~f->msg[1]);
			wr(f, V2PMAILBOX, REQ);
		}
		break;
	case 3:	/* bits of all kinds */
		for (n = below(f, 50); n; n--)
			wr(f, V2PMAILBOX, rnd(f));
		break;
	case 4:	/* acknowledge what was never sent */
		for (n = below(f, 200); n; n--)
			wr(f, V2PMAILBOX, ACK);
		break;
	case 5:	/* reset in the middle of it */
		wr(f, V2PMAILBOX, VFU);
		for (i = 0; i < 16; i++)
			wr(f, VMBMEM + 4 * i, f->msg[i]);
		wr(f, V2PMAILBOX, REQ);
		wr(f, VTCTRL, VTCTRL_RST);
		break;
	}
	f->sent++;
	if (!settle(f)) {
		complain(f, "no answer after the rules were broken", 0);
		return false;
	}
	/* What the PF made of it is for it to know: start over. */
	memset(f->msg, 0, sizeof(f->msg));
	f->msg[0] = TYPE_RESET;

	return send_message(f);
}

static bool reset(struct fuzz *f)
{
	bool by_file = once_in(f, 50);

	f->resets++;
	if (by_file)
		vfio_client_ioctl(f->client.device_fd, VFIO_DEVICE_RESET, NULL);
	else
		wr(f, VTCTRL, VTCTRL_RST);
	/* Served no later than what is asked now. */
	f->active = false;

	return settle(f);
}

static void run(struct fuzz *f, unsigned int messages)
{
	bool good = reset(f);

	while (good && f->sent < messages && f->wrong < 1000) {
		if (once_in(f, 200)) {
			good = reset(f);
			continue;
		}
		random_message(f);
		if (!f->active && once_in(f, 10)) {
			memset(f->msg, 0, sizeof(f->msg));
			f->msg[0] = TYPE_RESET;
		}
		good = once_in(f, 20) ? break_rules(f) : send_message(f);
	}
}

/* Take all VLANs that are to be had, and keep them until standard input ends. */
static int take_vlans(struct fuzz *f)
{
	char byte;
	__u32 vid;

	if (!settle(f))
		return 1;
	memset(f->msg, 0, sizeof(f->msg));
	f->msg[0] = TYPE_RESET;
	send_message(f);
	for (vid = 1; vid < 4096 && !f->wrong; vid += 64) {
		memset(f->msg, 0, sizeof(f->msg));
		f->msg[0] = MSG(TYPE_VLAN, 1);
		f->msg[1] = vid;
		send_message(f);
	}
	printf("VLANs: %u\n", f->counts[TYPE_VLAN].acked);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;

	return f->wrong;
}

static void report(struct fuzz *f, double took)
{
	unsigned int i;

	for (i = 0; i < TYPES; i++) {
		const struct count *count = &f->counts[i];

		printf("type %s%#04x: %u sent, %u ACK, %u NACK, %u none\n",
		       i > LAST_TYPE ? "> " : "", i > LAST_TYPE ? LAST_TYPE : i,
		       count->sent, count->acked, count->refused, count->silent);
	}
	printf("total: %u sent, %u against the rules, %u resets, %u wrong, ",
	       f->sent, f->broken, f->resets, f->wrong);
	printf("%.0f ms, slowest %.0f ms\n", took, f->slowest);
}

int main(int argc, char **argv)
{
	unsigned int messages = 1000;
	struct fuzz f = { .state = 1 };
	bool vlans = false;
	double start;
	int opt, ret;

	while ((opt = getopt(argc, argv, "n:s:tv")) != -1) {
		if (opt == 'n')
			messages = atoi(optarg);
		else if (opt == 's')
			f.state = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			f.trusted = true;
		else if (opt == 'v')
			vlans = true;
		else
			break;
	}
	if (opt != -1 || optind + 1 != argc) {
		fputs("usage: mailbox_fuzz [-n MESSAGES] [-s SEED] [-t] [-v] BDF\n"
		      "-t: the VF is trusted; -v: only take VLANs, and keep them\n",
		      stderr);
		return 2;
	}
	/* Similar seeds shall differ from the start. */
	f.state = (f.state + 1) * 0x9e3779b97f4a7c15ull;
	rnd(&f);

	ret = vfio_client_open(&f.client, argv[optind], VFIO_CLIENT_GROUP);
	if (!ret)
		ret = vfio_client_get_region(&f.client, 0, &f.bar);
	if (ret) {
		printf("open: %s\n", strerror(-ret));
		return 1;
	}

	start = now();
	if (vlans) {
		ret = take_vlans(&f);
	} else {
		run(&f, messages);
		report(&f, now() - start);
		ret = f.wrong || f.sent < messages;
	}
	vfio_client_close(&f.client);

	return ret;
}
