# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# TAP 14 for tests in shell: source it, then ok ... and plan at the end.

tap_count=0
tap_failed=0
echo "TAP version 14"

# ok NAME COMMAND...: one test, passed when COMMAND succeeds
ok()
{
	tap_name=$1
	shift
	tap_count=$((tap_count + 1))
	if tap_output=$("$@" 2>&1); then
		echo "ok $tap_count - $tap_name"
	else
		echo "not ok $tap_count - $tap_name"
		echo "$*: $tap_output" | sed 's/^/  # /'
		dmesg | tail -n 5 | sed 's/^/  # /'
		tap_failed=1
	fi
}

# refused COMMAND...: succeeds when COMMAND fails
refused()
{
	! "$@" 2> /dev/null
}

plan()
{
	echo "1..$tap_count"
	exit $tap_failed
}
