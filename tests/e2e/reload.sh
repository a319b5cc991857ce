#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# reload.sh COUNT: loads and unloads the modules COUNT times, each time with a
# VF bound, and shows with kmemleak that nothing is left. (Slab counts say
# little here: KASAN keeps freed objects in quarantine.)

# /// suite
# [reload]
# about = "loading and unloading the modules leaks nothing"
# run = "./reload.sh 20"
# daily = ["debug"]
# needs = ["kmemleak"]
# minutes = 1
# ///

. tap.sh

count=$1
kmemleak=/sys/kernel/debug/kmemleak

unload()
{
	for vf in $LAB_VFS; do
		vfctl unbind "$vf" || return
	done
	modprobe -r sample_nic vfio_pci_mediate vfio_mediate
}

load()
{
	modprobe -a vfio_mediate vfio_pci_mediate sample_nic &&
		vfctl bind "${LAB_VFS%% *}" vfio-pci-mediate
}

cycles()
{
	left=$1
	while [ "$left" -gt 0 ]; do
		load && unload || return
		left=$((left - 1))
	done
}

no_leaks()
{
	# An object must have been unreferenced for 5 s to be reported.
	echo scan > "$kmemleak"
	sleep 6
	echo scan > "$kmemleak"
	cat "$kmemleak"
	! grep -q '^unreferenced object' "$kmemleak"
}

no_module()
{
	! grep -wE 'vfio_mediate|vfio_pci_mediate|sample_nic' /proc/modules
}

ok "modules unloaded" unload
ok "warmed up" cycles 5
echo clear > "$kmemleak"

ok "loaded, VF bound, unbound and unloaded in order, $count times" \
	cycles "$count"

ok "kmemleak finds nothing" no_leaks
ok "no module left" no_module
plan
