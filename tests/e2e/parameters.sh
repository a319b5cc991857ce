#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# parameters.sh: what vfio_pci_mediate's module parameters do, and that it can
# stand in under the name vfio-pci.

# /// suite
# [parameters]
# about = "module parameters and names of the driver"
# run = "./parameters.sh"
# daily = ["6.12"]
# minutes = 0.5
# ///

. tap.sh

pci=/sys/bus/pci
vf=${LAB_VFS%% *}
pf=$pci/devices/$LAB_PF
parameters=/sys/module/vfio_pci_mediate/parameters
drop_in=/lib/modules/drop-in/vfio-pci.ko

# logged TEXT: by the kernel since the last reload
logged()
{
	dmesg | tac | sed '/parameters: reload/q' | grep -F "$1"
}

# driver DEVICE NAME: is DEVICE bound to NAME?
driver()
{
	[ "$(basename "$(readlink "$pci/devices/$1/driver")")" = "$2" ]
}

no_driver()
{
	! [ -e "$pci/devices/$1/driver" ]
}

probe()
{
	echo "$1" > $pci/drivers_probe
}

set_vfs()
{
	echo "$1" > "$pf/sriov_numvfs" && [ "$(vfctl list | wc -l)" = "$1" ]
}

same_mode()
{
	want=$(stat -c %a "/sys/module/vfio_pci/parameters/$1") &&
		[ "$(stat -c %a "$parameters/$1")" = "$want" ]
}

reload()
{
	for each in $LAB_VFS; do
		[ -e "$pci/devices/$each" ] || continue
		vfctl unbind "$each"
		echo > "$pci/devices/$each/driver_override"
	done
	modprobe -r vfio_pci_mediate || return
	echo "parameters: reload $*" > /dev/kmsg
	modprobe vfio_pci_mediate "$@"
}

# vfctl keeps other drivers off new VFs; let them be probed from here on.
echo 1 > "$pf/sriov_drivers_autoprobe"

ok "loads without parameters" reload
ok "and leaves the name vfio-pci alone" [ ! -e $pci/drivers/vfio-pci ]
probe "$vf"
ok "it claims no device by itself" no_driver "$vf"
ok "and advertises itself for none" refused grep vfio_pci_mediate \
	"/lib/modules/$(uname -r)/modules.alias"

other=1234:5678:ffffffff:ffffffff:020000:ffff00
ok "ids: loads" reload ids=8086:10ca,nonsense,,$other
ok "ids: unbound VFs of that ID are claimed" driver "$vf" vfio-pci-mediate
ok "ids: what cannot be parsed is reported" logged 'cannot add "nonsense"'
ok "ids: and the rest counts, up to six fields" logged "added $other"

modprobe vfio_pci
ok "drop_in: refused while in-tree vfio-pci is loaded" \
	refused reload drop_in=1
ok "drop_in: and says what to do" \
	logged 'unload in-tree vfio-pci first, or load without drop_in'
modprobe -r vfio_pci
modprobe vfio_pci_mediate

ok "drop_in: loads without in-tree vfio-pci" reload drop_in=1
ok "drop_in: binds a VF as vfio-pci" vfctl bind "$vf" vfio-pci
ok "drop_in: vfio-pci is this module" [ vfio_pci_mediate = \
	"$(basename "$(readlink $pci/drivers/vfio-pci/module)")" ]
ok "drop_in: in-tree vfio-pci cannot be loaded beside it" \
	refused modprobe vfio_pci

ok "drop_in: a module called vfio_pci can be loaded instead" insmod $drop_in
ok "drop_in: it keeps the driver loaded" refused modprobe -r vfio_pci_mediate
rmmod vfio_pci

ok "back under its own name" reload
ok "drop_in: without it, no module called vfio_pci" refused insmod $drop_in
ok "drop_in: and says why" logged 'vfio_pci_mediate is loaded without drop_in=1'
flags='nointxmask disable_idle_d3 disable_denylist'
modprobe vfio_pci
# Not every kernel is built with it.
[ -e /sys/module/vfio_pci/parameters/disable_vga ] &&
	flags="$flags disable_vga"
modprobe -r vfio_pci
# shellcheck disable=SC2046,SC2086	# lists of words
ok "$flags: load" reload $(printf '%s=1 ' $flags)
ok "disable_denylist: says so" logged "device denylist disabled"
modprobe vfio_pci
for name in $flags enable_sriov; do
	[ "$name" = enable_sriov ] ||
		ok "$name: shows in sysfs" grep -x Y "$parameters/$name"
	ok "$name: mode as with in-tree vfio-pci" same_mode "$name"
done
modprobe -r vfio_pci

# A PF bound to us makes VFs only when the administrator allows it.
set_vfs 0
ok "reloads without parameters" reload
ok "a PF can be bound" vfctl bind "$LAB_PF" vfio-pci-mediate
ok "enable_sriov: no VFs without it" refused set_vfs 1
echo 1 > $parameters/enable_sriov
ok "enable_sriov: VFs with it" set_vfs 1
ok "enable_sriov: and none again" set_vfs 0

# VFs are bound to a driver with the name that the PF's driver tells vfio.
ok "drop_in: reloads, with enable_sriov" reload drop_in=1 enable_sriov=1
ok "drop_in: a PF can be bound" vfctl bind "$LAB_PF" vfio-pci
ok "drop_in: and makes VFs" set_vfs 1
ok "drop_in: which are bound to the same driver" driver "$vf" vfio-pci
ok "drop_in: and none again" set_vfs 0
plan
