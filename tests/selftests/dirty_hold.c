// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty_hold: has a VF tracked, and says so, until standard input ends: others do
 * something to the device meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dirty.h"

int main(void)
{
	static struct dirty dirty, *d = &dirty;
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
		;
	vfio_client_close(&d->dev);

	return 0;
}
