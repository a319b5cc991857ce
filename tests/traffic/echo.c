// SPDX-License-Identifier: GPL-2.0-only
/*
 * echo PORT: sends back what it gets, by UDP and by two TCP connections at a time.
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UDP, SERVER, TCP, COUNT = TCP + 2 };

static char buf[1 << 16];

static int bound(int type, int port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)))
		err(1, "port %d", port);

	return fd;
}

static void echo_udp(int fd)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	ssize_t size;

	size = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &length);
	if (size >= 0)
		sendto(fd, buf, size, 0, (struct sockaddr *)&peer, length);
}

/* Returns whether the connection goes on. */
static int echo_tcp(int fd)
{
	ssize_t size = read(fd, buf, sizeof(buf)), done, part;

	if (size <= 0)
		return 0;
	for (done = 0; done < size; done += part) {
		part = send(fd, buf + done, size - done, MSG_NOSIGNAL);
		if (part < 0)
			return 0;
	}

	return 1;
}

int main(int argc, char **argv)
{
	struct pollfd fds[COUNT] = {};
	int i;

	if (argc != 2)
		errx(2, "usage: echo PORT");
	fds[UDP].fd = bound(SOCK_DGRAM, atoi(argv[1]));
	fds[SERVER].fd = bound(SOCK_STREAM, atoi(argv[1]));
	for (i = TCP; i < COUNT; i++)
		fds[i].fd = -1;
	if (listen(fds[SERVER].fd, 1))
		err(1, "listen");
	for (i = 0; i < COUNT; i++)
		fds[i].events = POLLIN;

	while (poll(fds, COUNT, -1) > 0) {
		if (fds[UDP].revents)
			echo_udp(fds[UDP].fd);
		for (i = TCP; i < COUNT; i++) {
			if (fds[i].revents && !echo_tcp(fds[i].fd)) {
				close(fds[i].fd);
				fds[i].fd = -1;
			} else if (fds[i].fd < 0 && fds[SERVER].revents) {
				fds[i].fd = accept(fds[SERVER].fd, NULL, NULL);
				break;
			}
		}
	}

	return 1;
}
