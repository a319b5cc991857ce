// SPDX-License-Identifier: GPL-2.0-only
/*
 * slow_unpin: delays vfio_unpin_pages(), as if the task had been preempted after
 * vfio_pin_pages().
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned int ms = 5;
module_param(ms, uint, 0644);
MODULE_PARM_DESC(ms, "Milliseconds for which pages stay pinned");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "Number of delayed calls of vfio_unpin_pages()");

static int delay(struct kprobe *probe, struct pt_regs *regs)
{
	hits++;
	mdelay(ms);

	return 0;
}

static struct kprobe unpin = {
	.symbol_name = "vfio_unpin_pages",
	.pre_handler = delay,
};

static int __init slow_unpin_init(void)
{
	return register_kprobe(&unpin);
}
module_init(slow_unpin_init);

static void __exit slow_unpin_exit(void)
{
	unregister_kprobe(&unpin);
}
module_exit(slow_unpin_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Test: pages stay pinned for some milliseconds");
