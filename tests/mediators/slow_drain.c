// SPDX-License-Identifier: GPL-2.0-only
/*
 * slow_drain: delays stopping the DMA of a VF of sample_nic, like a busy device. Counts
 * scans by the tracker meanwhile.
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned int ms = 30;
module_param(ms, uint, 0644);
MODULE_PARM_DESC(ms, "Milliseconds by which a drain is delayed");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "Number of scans of a ring during a drain");

static unsigned int early;
module_param(early, uint, 0444);
MODULE_PARM_DESC(early, "Number of these scans that considered the VF stopped");

static unsigned int last;
module_param(last, uint, 0444);
MODULE_PARM_DESC(last, "Number of other scans that considered the VF stopped");

static bool draining;

static int begin_drain(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	WRITE_ONCE(draining, true);
	mdelay(ms);

	return 0;
}

static int end_drain(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	WRITE_ONCE(draining, false);

	return 0;
}

/* The last argument of the function says whether the VF is stopped. */
static int count_scan(struct kprobe *probe, struct pt_regs *regs)
{
	bool stopped = regs_get_kernel_argument(regs, 5) & 1;

	if (READ_ONCE(draining)) {
		hits++;
		early += stopped;
	} else {
		last += stopped;
	}

	return 0;
}

static struct kretprobe drain = {
	.kp.symbol_name = "nic_pool_drain",
	.entry_handler = begin_drain,
	.handler = end_drain,
};

static struct kprobe scan = {
	.symbol_name = "vfio_mediate_ring_scan",
	.pre_handler = count_scan,
};

static int __init slow_drain_init(void)
{
	int ret;

	ret = register_kprobe(&scan);
	if (ret)
		return ret;
	ret = register_kretprobe(&drain);
	if (ret)
		unregister_kprobe(&scan);

	return ret;
}
module_init(slow_drain_init);

static void __exit slow_drain_exit(void)
{
	unregister_kretprobe(&drain);
	unregister_kprobe(&scan);
}
module_exit(slow_drain_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test: stopping a VF of sample_nic takes some milliseconds");
