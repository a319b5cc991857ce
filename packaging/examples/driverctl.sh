#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# driverctl.sh PF N: create N VFs of PF, such as 0000:01:00.0, and give them to
# vfio-pci-mediate. driverctl does the latter again after each boot, when the VFs exist.

set -e
pf=/sys/bus/pci/devices/$1
echo 0 > "$pf/sriov_drivers_autoprobe"
echo "$2" > "$pf/sriov_numvfs"
for vf in "$pf"/virtfn*; do
	driverctl set-override "$(basename "$(readlink "$vf")")" vfio-pci-mediate
done
