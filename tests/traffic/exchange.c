// SPDX-License-Identifier: GPL-2.0-only
/*
 * exchange: the two ends of a network exchange data, both ways at once.
 *
 * exchange tcp SIZE PORT [ADDRESS] < SENT > GOT
 *	One connection: sends all of its input, and writes the SIZE bytes it receives.
 *	With an address it connects, for ten seconds if need be; without, it is
 *	connected to. It closes the connection only when both are done.
 * exchange udp COUNT PORT ADDRESS
 *	Sends COUNT numbered packets of many sizes, and counts what comes from the
 *	other end, which has to be given the same number. Prints that as JSON. Sends
 *	as fast as the other end receives: at most 32 packets are on their way at
 *	once, less than any ring or buffer holds, so that none should ever be lost.
 * exchange frame NETDEV TO FROM TEXT
 *	Sends one frame with these addresses.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TIME	10.0	/* s: the other end starts at about the same time */
#define QUIET_TIME	5.0	/* s without a packet: no more will come */
#define LINGER_TIME	0.2	/* s: duplicates of the last ones */
#define HELLO_TIME	0.05	/* s */
#define STALL_TIME	2.0	/* s: packets not acknowledged by then are lost */
#define WINDOW		32	/* packets on their way */
#define BATCH		8	/* packets until the other end is told */
#define FRAME_TYPE	0x88b5	/* for experiments, by IEEE 802 */

#define MAGIC		0x45584348u
#define HELLO		UINT32_MAX	/* a number no packet has */
#define SMALLEST	32
#define LARGEST		1472	/* of what fits into 1500 bytes with IP and UDP */

struct packet {
	uint32_t magic;
	uint32_t number;
	uint32_t heard;		/* how many different ones the sender has received */
	uint32_t data[(LARGEST - 12) / 4];
};

struct udp {
	int fd;
	uint32_t count;
	bool met;		/* the other end has been heard */
	uint32_t sent;
	uint32_t heard;		/* of these, what the other end has received */
	uint32_t missed;	/* of these, what it never will */
	double progress;	/* when one of the three has changed */
	uint8_t *seen;		/* by number */
	uint32_t received;	/* different ones */
	uint32_t told;		/* of these, what the other end knows of */
	uint32_t highest;
	uint32_t duplicated, reordered, corrupted;
	double last;		/* when something was received */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	sin.sin_port = htons(atoi(port));
	if (host && !inet_aton(host, &sin.sin_addr))
		errx(2, "%s: no address", host);

	return sin;
}

static void write_all(int fd, const char *buf, size_t size)
{
	ssize_t done;

	for (; size; buf += done, size -= done) {
		done = write(fd, buf, size);
		if (done < 0)
			err(1, "write");
	}
}

/* Until the end, or that many bytes. */
static void copy(int from, int to, size_t size)
{
	static char buf[1 << 16];
	ssize_t done;

	for (; size; size -= done) {
		done = read(from, buf, size < sizeof(buf) ? size : sizeof(buf));
		if (done < 0)
			err(1, "read");
		if (!done)
			break;
		write_all(to, buf, done);
	}
}

static int tcp_accept(const char *port)
{
	struct sockaddr_in here = address_of(NULL, port);
	int one = 1, fd, server = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (struct sockaddr *)&here, sizeof(here)) || listen(server, 1))
		err(1, "port %s", port);
	fd = accept(server, NULL, NULL);
	if (fd < 0)
		err(1, "accept");

	return fd;
}

static int tcp_connect(const char *host, const char *port)
{
	struct sockaddr_in there = address_of(host, port);
	double end = now() + CONNECT_TIME;
	int fd;

	while (true) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(fd, (struct sockaddr *)&there, sizeof(there)))
			return fd;
		if (errno != ECONNREFUSED || now() > end)
			err(1, "%s port %s", host, port);
		close(fd);
		usleep(50000);
	}
}

static int tcp(size_t size, const char *port, const char *host)
{
	int status, fd = host ? tcp_connect(host, port) : tcp_accept(port);
	pid_t child = fork();

	if (child < 0)
		err(1, "fork");
	if (!child) {
		copy(STDIN_FILENO, fd, SIZE_MAX);
		_exit(0);
	}
	copy(fd, STDOUT_FILENO, size);
	if (waitpid(child, &status, 0) != child)
		err(1, "waitpid");

	return status ? 1 : 0;
}

/* All that the other end needs in order to know the packet is its number. */
static size_t fill(struct packet *packet, uint32_t number)
{
	size_t size = SMALLEST + number * 37u % (LARGEST - SMALLEST + 1), i;
	uint32_t state = number * 2654435761u + 1;
	size_t words = (size - offsetof(struct packet, data) + 3) / 4;

	packet->magic = htonl(MAGIC);
	packet->number = htonl(number);
	for (i = 0; i < words; i++) {
		state = state * 1664525u + 1013904223u;
		packet->data[i] = state;
	}

	return size;
}

static void udp_send(struct udp *udp, uint32_t number)
{
	struct packet packet;
	size_t size = fill(&packet, number);

	packet.heard = htonl(udp->received);
	udp->told = udp->received;
	/* As long as nobody is there, the answer to the last one is an error. */
	while (send(udp->fd, &packet, size, 0) < 0)
		if (errno != ECONNREFUSED && errno != ENOBUFS)
			err(1, "send");
}

static void udp_count(struct udp *udp, uint32_t number)
{
	if (udp->seen[number]) {
		udp->duplicated++;
		return;
	}
	udp->seen[number] = 1;
	udp->received++;
	if (number < udp->highest)
		udp->reordered++;
	else
		udp->highest = number;
	if (udp->received - udp->told >= BATCH)
		udp_send(udp, HELLO);
}

/* Takes one packet; false if there is none. */
static bool udp_take(struct udp *udp)
{
	struct packet packet = {}, want;
	ssize_t size = recv(udp->fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	uint32_t number = ntohl(packet.number), heard = ntohl(packet.heard);

	if (size < 0) {
		if (errno != ECONNREFUSED && errno != EAGAIN)
			err(1, "recv");
		return errno == ECONNREFUSED;
	}
	udp->last = now();
	if ((size_t)size != fill(&want, number) || (number >= udp->count && number != HELLO)) {
		udp->corrupted++;
		return true;
	}
	want.heard = packet.heard;
	if (memcmp(&packet, &want, size) || heard > udp->sent) {
		udp->corrupted++;
		return true;
	}
	udp->met = true;
	if (heard > udp->heard) {
		udp->heard = heard;
		udp->progress = udp->last;
	}
	if (number != HELLO)
		udp_count(udp, number);

	return true;
}

/* Takes what has come, or waits for it until the time is t. */
static void udp_wait(struct udp *udp, double t)
{
	struct pollfd pollfd = { .fd = udp->fd, .events = POLLIN };
	double left = t - now();
	struct timespec ts = {};

	if (left > 0) {
		ts.tv_sec = left;
		ts.tv_nsec = (left - ts.tv_sec) * 1e9;
	}
	if (ppoll(&pollfd, 1, &ts, NULL) > 0)
		while (udp_take(udp))
			;
}

static void udp_meet(struct udp *udp)
{
	double end = now() + CONNECT_TIME, next;

	while (!udp->met) {
		if (now() > end)
			errx(1, "nothing from the other end in %.0f s", CONNECT_TIME);
		udp_send(udp, HELLO);
		next = now() + HELLO_TIME;
		while (!udp->met && now() < next)
			udp_wait(udp, next);
	}
	/* Whoever was heard first may have been deaf until now. */
	udp_send(udp, HELLO);
	udp->progress = now();
}

static void udp_send_all(struct udp *udp)
{
	while (udp->sent < udp->count) {
		if (udp->sent - udp->heard - udp->missed < WINDOW) {
			udp_send(udp, udp->sent++);
			if (udp->sent % BATCH == 0)
				udp_wait(udp, 0);
		} else if (now() < udp->progress + STALL_TIME) {
			udp_wait(udp, udp->progress + STALL_TIME);
		} else {
			udp->missed = udp->sent - udp->heard;
			udp->progress = now();
		}
	}
}

static int udp(uint32_t count, const char *port, const char *host)
{
	struct sockaddr_in here = address_of(NULL, port), there = address_of(host, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	struct udp udp = { .fd = fd, .count = count };
	double start, seconds;

	/* What is damaged is to be counted here, and not thrown away below. */
	setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) ||
	    connect(fd, (struct sockaddr *)&there, sizeof(there)))
		err(1, "port %s", port);
	udp.seen = calloc(count, 1);
	if (!udp.seen)
		err(1, "calloc");

	udp_meet(&udp);
	start = now();
	udp_send_all(&udp);
	seconds = now() - start;
	while (udp.received < count && now() < udp.last + QUIET_TIME)
		udp_wait(&udp, now() + HELLO_TIME);
	/* What was received last is not known to the other end. */
	udp_send(&udp, HELLO);
	for (start = now(); now() < start + LINGER_TIME;)
		udp_wait(&udp, start + LINGER_TIME);

	printf("{\"received\": %u, \"lost\": %u, ", udp.received, count - udp.received);
	printf("\"duplicated\": %u, \"reordered\": %u, ", udp.duplicated, udp.reordered);
	printf("\"corrupted\": %u, \"sent_per_s\": %.0f}\n", udp.corrupted, count / seconds);
	free(udp.seen);

	return 0;
}

static int frame(const char *netdev, const char *to, const char *from, const char *text)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(netdev) };
	struct {
		struct ether_header header;
		char text[100];
	} frame = { .header.ether_type = htons(FRAME_TYPE) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (!ether_aton_r(to, (struct ether_addr *)frame.header.ether_dhost) ||
	    !ether_aton_r(from, (struct ether_addr *)frame.header.ether_shost))
		errx(2, "%s, %s: no addresses", to, from);
	snprintf(frame.text, sizeof(frame.text), "%s", text);
	if (sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		err(1, "%s", netdev);

	return 0;
}

int main(int argc, char **argv)
{
	alarm(120);
	if (argc >= 4 && argc <= 5 && !strcmp(argv[1], "tcp"))
		return tcp(atol(argv[2]), argv[3], argv[4]);
	if (argc == 5 && !strcmp(argv[1], "udp") && atoi(argv[2]) > 0)
		return udp(atoi(argv[2]), argv[3], argv[4]);
	if (argc == 6 && !strcmp(argv[1], "frame"))
		return frame(argv[2], argv[3], argv[4], argv[5]);

	errx(2, "see the head of exchange.c for what it takes");
}
