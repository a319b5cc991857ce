# SPDX-License-Identifier: GPL-2.0-only
"""What is taken out of the kernel's source package, which no other package carries."""

from cache import cached, run
from trees import inside, tree

SOURCE = "linux-source-6.12"


def taken(name, what, depth, *paths):
    """Directory with paths of the source, less the first so many parts of each."""
    root = tree("build-trixie")
    files = " ".join(f"{SOURCE}/{path}" for path in paths)
    script = (f"tar -C /to --strip-components={depth} -xf /usr/src/{SOURCE}.tar.xz "
              f"{files}")
    return cached(name, [script, root.name], lambda path, log: run(
        inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")]), log,
        what=what))


def kernel_scripts():
    """checkpatch and what it reads."""
    return taken("kernel-scripts", "checkpatch", 2, "scripts/checkpatch.pl",
                 "scripts/spelling.txt", "scripts/const_structs.checkpatch")


def selftest_headers():
    """kselftest_harness.h and what it includes."""
    return taken("selftest-headers", "selftests' headers", 4,
                 "tools/testing/selftests/kselftest.h",
                 "tools/testing/selftests/kselftest_harness.h")
