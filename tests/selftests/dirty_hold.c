// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty_hold: has a VF tracked, and says so, until standard input ends: others do
 * something to the device meanwhile.
 *
 * A q on standard input has the VF quiesced for a while. Another byte takes its memory away,
 * which then does not come when it is accessed. It says so as soon as somebody waits for it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "dirty.h"

#define FRAMES	16

/* In which its rings are looked at some times */
#define QUIET_US	100000

/* In which all that was marked is reported: to report a page it must be there. */
#define SETTLE_US	2000000

/*
 * The frames have the device use its rings, and so the vendor look at them. Ends when what
 * is returned is closed.
 */
static int stall(struct dirty *d)
{
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)d->mem, .len = LOW_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	struct pollfd fault = { .events = POLLIN };

	fault.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fault.fd < 0 || ioctl(fault.fd, UFFDIO_API, &api) ||
	    ioctl(fault.fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	usleep(SETTLE_US);
	if (madvise(d->mem, LOW_SIZE, MADV_REMOVE))
		die("madvise: %s", strerror(errno));

	store(&d->sender->target, load(&d->sender->target) + FRAMES);
	puts(poll(&fault, 1, 10000) == 1 ? "stalled" : "nobody waits");

	return fault.fd;
}

static void quiesce(struct dirty *d)
{
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY_P2P), "PRE_COPY_P2P");
	usleep(QUIET_US);
	must(!set_state(d, VFIO_DEVICE_STATE_PRE_COPY), "PRE_COPY");
	puts("quiesced");
}

int main(void)
{
	static struct dirty dirty, *d = &dirty;
	int fd = -1;
	char byte;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sender_start(d, getenv("LAB_PF_NETDEV") ?: "", 1);
	vf_open(d, lab_vf(0));

	must(vf_reset(d), "no handshake");
	vf_start(d, &configs[0]);
	start_tracking(d, &sinks[SINK_TYPE1]);
	vf_traffic(d, 200);
	puts("tracked");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		if (byte == 'q')
			quiesce(d);
		else
			fd = stall(d);
	if (fd >= 0)
		close(fd);
	vfio_client_close(&d->dev);

	return 0;
}
