# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU whose 82576 checks who sends, as the card does: built from Debian's source,
with antispoof.c.inc in it, and without the faults that machine.py takes out of Debian's
binary. For what can be shown with no other; it takes some minutes to build."""

import re

from cache import LAB, LabError, cached, run
from trees import inside, tree

# Where it goes: before this function, which calls it for the first part of a frame.
FUNCTION = "static void\nigb_process_tx_desc("
FIRST = re.compile(r"( *)tx->first_olinfo_status = "
                   r"le32_to_cpu\(tx_desc->read\.olinfo_status\);\n")
CALL = ("tx->skip_cp = card_is_spoofed(core, dev, queue_index, "
        "le64_to_cpu(tx_desc->read.buffer_addr));\n")
# See machine.py: the file, the store, and what is to be there.
FAULTS = [
    ("svm_helper.c", r"(case SVM_EVTINJ_TYPE_INTR:\n) *cs->exception_index = vector;\n",
     r"\1"),
    ("fpu_helper.c", r"env->hflags2 &= ~HF2_IGNNE_MASK;", "(void)env;"),
]
OPTIONS = """--prefix=/usr --target-list=x86_64-softmmu --without-default-features
    --enable-slirp --enable-tcg --disable-download --disable-install-blobs
    --firmwarepath=/usr/share/qemu:/usr/share/seabios"""


def edit(path, *changes):
    """Each change is a pattern, which must be there once, and what is to be there."""
    text = path.read_text(encoding="utf-8")
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text)
        if count != 1:
            raise LabError(f"{path.name} is not one that is known: {count} times "
                           f"{pattern}")
    path.write_text(text, encoding="utf-8")


def make(path, log):
    root = tree("qemu-source")
    work = path / "work"
    work.mkdir()

    def step(what, script):
        run(inside(root, ["sh", "-e", "-c", f"cd /work; {script}"],
                   writable=[(work, "/work")]), log, what=f"QEMU, {what}")

    step("source", "mkdir qemu; tar -C qemu --strip-components=1 -xf "
                   "/usr/src/qemu_*.orig.tar.xz")
    code = (LAB / "antispoof.c.inc").read_text(encoding="utf-8")
    edit(work / "qemu/hw/net/igb_core.c",
         (re.escape(FUNCTION), lambda _: f"{code}\n{FUNCTION}"),
         (FIRST, lambda match: match[0] + match[1] + CALL))
    for name, store, new in FAULTS:
        # In a folder that was called sysemu once
        edit(next((work / "qemu/target/i386/tcg").glob(f"sys*/{name}")), (store, new))
    step("configure", f"mkdir build; cd build; ../qemu/configure {' '.join(OPTIONS.split())}")
    step("build", "ninja -C build qemu-system-x86_64")
    (work / "build/qemu-system-x86_64").rename(path / "qemu")
    step("clean", "rm -rf qemu build")
    work.rmdir()


def checking_qemu():
    """Where it is."""
    return cached("checking-qemu", [(LAB / "antispoof.c.inc").read_text(encoding="utf-8"),
                                    repr(FAULTS), CALL, OPTIONS,
                                    tree("qemu-source").name], make) / "qemu"
