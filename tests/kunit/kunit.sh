#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kunit.sh MODULE...: loads KUnit suites and prints what they report as flat TAP.

# /// suite
# [kunit]
# about = "KUnit suites"
# run = "./kunit.sh vfio_mediate_kunit vfio_pci_mediate_kunit sample_nic_kunit sample_nvme_kunit"
# daily = ["debug"]
# needs = ["kunit"]
# minutes = 0.5
# ///

count=0
failed=0
echo "TAP version 14"
for module; do
	dmesg --clear
	modprobe "$module" || exit
	# Only the cases: their lines are indented below their suite's.
	dmesg --notime | grep -E '^ +(not )?ok [0-9]+ ' > /tmp/results
	while read -r line; do
		count=$((count + 1))
		case $line in not*) failed=1;; esac
		echo "$line" | sed "s/ok [0-9]* */ok $count - $module: /"
	done < /tmp/results
	grep -q '^ *not ok' /tmp/results && dmesg --notime | sed 's/^/  # /'
	modprobe -r "$module"
done
rm -f /tmp/results
echo "1..$count"
[ $count -gt 0 ] && exit $failed
