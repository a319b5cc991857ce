#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lint.sh KDIR SOURCES SCRIPTS LIST: all static checks; prints what is not clean.
# KDIR: kernel to build against; SOURCES: a copy of the modules' sources to
# build in; SCRIPTS: directory with checkpatch.pl; LIST: the files to check.

# /// suite
# [lint]
# about = "checkpatch, sparse, W=1, kernel-doc, floors, sphinx and shellcheck"
# run = "tests/lab/lab lint --tap"
# daily = [""]
# host = false
# minutes = 2
# timeout = 900
#
# [lint_changed]
# about = "the same of the files that differ from the main branch"
# run = "tests/lab/lab lint --tap --changed"
# quick = true
# host = false
# minutes = 0.5
# timeout = 900
# ///

kdir=$1 sources=$2 scripts=$3 list=$4
status=0

fail()
{
	echo "lint: $*"
	status=1
}

# Output of a command that has to succeed and to say nothing.
quiet()
{
	what=$1
	shift
	output=$("$@" 2>&1) && [ -z "$output" ] && return
	echo "$output"
	fail "$what"
}

c_files=$(grep -E '\.[ch]$' "$list")
# shellcheck disable=SC2046	# a list of words
sh_files=$(grep -lE '^(#!/bin/(busybox.static )?(ba)?sh|# shellcheck shell=)' /dev/null $(cat "$list"))

# Names of files are on stdin. What is printed has the name in each line.
checkpatch()
{
	quiet checkpatch xargs -r -n 8 -P "$(nproc)" perl "$scripts/checkpatch.pl" \
		--no-tree --strict --terse --no-summary --quiet \
		--max-line-length=100 "$@" --file
}

# User space has no use for the kernel's own types; compat.h is where kernels are told
# apart, by what Kbuild finds in their headers, in macros that hold members of an
# initialiser. Nobody compares versions, which a backport makes wrong.
checkpatch --ignore=PREFER_KERNEL_TYPES,NEW_TYPEDEFS,AVOID_EXTERNS << END
$(echo "$c_files" | grep -E '^(tests|tools)/')
END
checkpatch --ignore=COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED << END
$(echo "$c_files" | grep '/compat\.h$')
END
checkpatch << END
$(echo "$c_files" | grep -vE '^(tests|tools)/|/compat\.h$')
END

# Each file says its licence in its first three lines.
while read -r file; do
	case $file in
	COPYING|NEWS|VERSION|*.rst|*.md|*/modules|*.conf|*.config|*.patch|.gitignore) continue;;
	debian/*|tests/golden/*) continue;;
	esac
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: (*GPL-2.0' ||
		fail "$file: no SPDX line"
done < "$list"

# Warnings are errors: what has one has no object, and is compiled again next time.
modules()
{
	# Without it, modpost looks at everything again.
	rm -f "$sources/Module.symvers"
	make -s -k -j "$(nproc)" -C "$kdir" M="$sources" W=1e C=1 \
		CF=-Wsparse-error KDOCFLAGS=-Werror "$@" modules
}

quiet "W=1 and sparse" modules VFIO_MEDIATE_SAMPLES=m VFIO_MEDIATE_TESTS=m VFIO_MEDIATE_DROP_IN=m

# The driver without migration, of which it needs but one header.
without_migration()
{
	mkdir -p "$sources-part"
	(cd "$sources" && find Kbuild VERSION mediate uapi vfio-pci migration/vfio_ops.h \
		\( -name Kbuild -o -name VERSION -o -name '*.[ch]' ! -name '*.mod.c' \) \
		-exec cp -pu --parents -t "$sources-part" {} +)
	make -s -j "$(nproc)" -C "$kdir" M="$sources-part" VFIO_PCI_MEDIATE_MIGRATION=n \
		W=1e vfio_mediate.ko vfio_pci_mediate.ko
}

quiet "without migration" without_migration

# floors.py has the rules which file may use which.
quiet floors python3 tests/lab/floors.py "$sources"

# What the count of lines that are for mediation only leaves out must be a PF driver.
quiet vendor-lines python3 tests/lab/vendor_lines.py --check

# W=1 has checked the blocks in .c files. -Wall asks for short descriptions and return
# values, too, and headers are not compiled.
kernel_doc=$(echo "$c_files" | grep -vE '^(uapi|tests/selftests)/')
# shellcheck disable=SC2086	# a list of words
[ -z "$kernel_doc" ] ||
	quiet kernel-doc "$kdir/scripts/kernel-doc" -none -Wall -Werror $kernel_doc

# SC1091, SC2317: files of the lab host, functions that ok calls by name.
# shellcheck disable=SC2086	# a list of words
[ -z "$sh_files" ] ||
	quiet shellcheck shellcheck -x -P tests/lab/host -e SC1091,SC2317 $sh_files

exit $status
