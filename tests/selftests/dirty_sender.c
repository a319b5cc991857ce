// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty: a process that sends frames to the VF, by the PF's netdev.
 */
#define _GNU_SOURCE

#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "dirty.h"

#define LOST_MS		200

/* Half of them is IP, whose headers are split off. */
static unsigned int make_frame(struct dirty *d, __u8 *frame, const __u8 *noise,
			       unsigned int noise_size)
{
	unsigned int size = 60 + below(d, MAX_FRAME - 59);

	if (!below(d, 4))
		size = below(d, 2) ? MAX_FRAME : 60;
	size = d->sender->size ?: size;
	memcpy(frame, noise + below(d, noise_size - size), size);
	memcpy(frame, vf_mac, 6);
	memcpy(frame + 6, d->pf_mac, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	if (below(d, 2))
		return size;

	frame[12] = 0x08;
	frame[13] = 0x00;
	frame[14] = 0x45;
	frame[16] = (size - 14) >> 8;
	frame[17] = size - 14;
	frame[20] = 0;
	frame[21] = 0;
	frame[22] = 64;
	frame[23] = 17;
	frame[38] = (size - 34) >> 8;
	frame[39] = size - 34;

	return size;
}

static void send_frames(struct dirty *d, int sock)
{
	static __u8 noise[1 << 18], frame[MAX_FRAME];
	unsigned long long lost = 0, seen;
	struct sender *s = d->sender;
	unsigned int i, size;
	double since = 0, idle = 0;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = below(d, 256);

	while (!load(&s->end)) {
		seen = load(&s->seen);
		if (s->sent >= load(&s->target)) {
			if (!idle)
				idle = now();
			if (now() > idle + LOST_MS)
				lost = s->sent - seen;
			usleep(500);
			continue;
		}
		idle = 0;
		/* What was taken for lost was only late. */
		if (seen + lost > s->sent)
			lost = s->sent - seen;
		/* What was lost will not be seen any more. */
		if (s->sent >= seen + lost + load(&s->window)) {
			if (!since)
				since = now();
			if (now() > since + LOST_MS)
				lost = s->sent - seen;
			usleep(100);
			continue;
		}
		since = 0;
		size = make_frame(d, frame, noise, sizeof(noise));
		while (send(sock, frame, size, 0) < 0 && !load(&s->end))
			usleep(200);
		store(&s->sent, s->sent + 1);
	}
}

void sender_start(struct dirty *d, const char *netdev, unsigned int seed)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	struct ifreq ifr = {};
	int sock;

	d->sender = mmap(NULL, sizeof(*d->sender), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sock = socket(AF_PACKET, SOCK_RAW, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", netdev);
	if (d->sender == MAP_FAILED || sock < 0 || ioctl(sock, SIOCGIFHWADDR, &ifr))
		die("%s: no socket", netdev);
	memcpy(d->pf_mac, ifr.ifr_hwaddr.sa_data, 6);
	address.sll_ifindex = if_nametoindex(netdev);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)))
		die("%s: cannot be bound to", netdev);

	d->sender->window = 32;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		d->state = seed;
		send_frames(d, sock);
		_exit(0);
	}
	close(sock);
}
