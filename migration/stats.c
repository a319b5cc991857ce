// SPDX-License-Identifier: GPL-2.0-only
/* Figures of a migration: how long it took, how much it transferred, how it ended. */

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/seq_buf.h>
#include <linux/string.h>

#include "names.h"
#include "stats.h"

/* Room for the name and the time of each state */
#define TIMES_SIZE	256

u64 vpm_stats_enter(struct vpm_stats *stats, enum vfio_device_mig_state old)
{
	u64 now = ktime_get_ns();
	u64 spent = stats->since ? now - stats->since : 0;

	stats->since = now;
	if (old == VFIO_DEVICE_STATE_RUNNING)
		memset(stats->outcome.times, 0, sizeof(stats->outcome.times));
	else
		stats->outcome.times[old] += spent;

	return spent;
}

bool vpm_stats_finish(struct vpm_stats *stats, enum vfio_device_mig_state state)
{
	struct vpm_outcome *outcome = &stats->outcome;

	if (!stats->ended)
		return false;
	stats->ended = false;

	if (state == VFIO_DEVICE_STATE_ERROR && !outcome->error)
		outcome->error = -EIO;
	if (outcome->error)
		outcome->outcome = VFIO_MEDIATE_OUTCOME_FAILED;
	else if (stats->complete)
		outcome->outcome = VFIO_MEDIATE_OUTCOME_COMPLETED;
	else
		outcome->outcome = VFIO_MEDIATE_OUTCOME_CANCELLED;

	return true;
}

static void print_times(struct seq_buf *buf, const struct vpm_outcome *outcome)
{
	unsigned int state;

	for (state = 0; state < VFIO_DEVICE_STATE_NR; state++)
		if (outcome->times[state])
			seq_buf_printf(buf, ", %s %llu us", vpm_state_name(state),
				       div_u64(outcome->times[state], NSEC_PER_USEC));
}

void vpm_stats_log(struct pci_dev *pdev, const struct vpm_outcome *outcome)
{
	/* Lines that are left out are no reason for a warning. */
	static struct ratelimit_state limit =
		RATELIMIT_STATE_INIT_FLAGS(limit, DEFAULT_RATELIMIT_INTERVAL,
					   DEFAULT_RATELIMIT_BURST, RATELIMIT_MSG_ON_RELEASE);
	char times[TIMES_SIZE];
	struct seq_buf buf;

	if (!__ratelimit(&limit))
		return;

	seq_buf_init(&buf, times, sizeof(times));
	print_times(&buf, outcome);
	pci_info(pdev, "migration %s %s (%d): %llu bytes, %u records%s, tracked: %s, %llu pages marked\n",
		 outcome->direction == VFIO_MEDIATE_DIRECTION_LOAD ? "in" : "out",
		 vpm_outcome_name(outcome->outcome), outcome->error, outcome->bytes,
		 outcome->records, seq_buf_str(&buf),
		 vpm_tracked_name(outcome->tracked), outcome->pages);
}
