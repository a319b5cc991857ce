# SPDX-License-Identifier: GPL-2.0-only
"""What the tests on the lab host share: no test imports another test.

    shell, tap, programs    commands; results; programs that print results
    klog, sriov, nic        what the kernel says; PFs and VFs; the card's registers
    net, ports, iproute     addresses and ping; raw frames; what iproute2 shows
    watch, probe, ends      traffic that goes on; with a guest; between two ends
    hold, vmm, spoof        a VF held open; a VMM's own VF; frames in another's name
    guest, hotplug          guests; their VF taken away, and given back
    view, transfer          what a guest sees of its VF; bytes to it and from it
    migration, relay        a guest migrates; what QEMU sends, stopped and changed
    trip, journey           all that is checked of a migration; from where to where
    tracking, refusal       with what a VF writes tracked; without any support
    mutate, outer           streams that are wrong; the monitor of the outer QEMU
"""
