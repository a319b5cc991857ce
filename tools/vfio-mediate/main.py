#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""vfio-mediate: what a host's administrator does with VFs, see vfio-mediate(8)."""

import argparse
import json
import os
import sys

import binding
import check
import enable
import host
import watch

OK, FOUND, USAGE, FAILED = 0, 1, 2, 3


def print_vf(vf):
    words = [f"  {vf['device']} {vf['driver'] or 'no driver'}"]
    if vf["mediated_by"]:
        words.append(f"mediated by {vf['mediated_by']}")
    if vf["migration_state"] not in ("", "none"):
        words.append(f"state {vf['migration_state']}")
    if vf["tracked"] not in ("", "no"):
        words.append(f"tracked by {vf['tracked']}")
    words += [f"in use by {user['command']} ({user['pid']})" for user in vf["users"]]
    if host.error_text(vf["last_error"]):
        words.append(f"last migration: {host.error_text(vf['last_error'])}")
    print(", ".join(words))


def run_status(args):
    found = host.status(args.open)
    if args.json:
        print(json.dumps(found, indent=2))
        return OK
    for name, about in found["modules"].items():
        text = about["version"] or "loaded" if about["loaded"] else "not loaded"
        print(f"module {name}: {text}{', another one is installed' if about['stale'] else ''}")
    for each in found["ops"]:
        print(f"vendor {each['name']}: module {each['module']}")
    for pf in found["pfs"]:
        print(", ".join([f"{pf['device']} {pf['driver'] or 'no driver'}", *pf["netdevs"]]))
        for vf in pf["vfs"]:
            print_vf(vf)
    if not found["pfs"]:
        print("no VFs: vfio-mediate bind --vfs N PF")
    return OK


def run_check(args):
    device = host.Device(host.address(args.vf))
    found = check.check(device, args.to, args.xml, args.rsh)
    if args.json:
        print(json.dumps({"device": device.name, "problems": len(found.problems),
                          "checks": found}, indent=2))
    else:
        for each in found:
            todo = f" -> {each['todo']}" if each["todo"] else ""
            print(f"{each['result']:<8} {each['check']}: {each['text']}{todo}")
        count = len(found.problems)
        print(f"{device}: {count or 'no'} problem{'' if count == 1 else 's'}")
    return FOUND if found.problems else OK


def each_device(args, action):
    """Calls action for all that are named; one that fails does not stop the others."""
    devices = list(binding.chosen([host.Device(host.address(name)) for name in args.devices]))
    result = OK
    for device in devices:
        try:
            action(device)
        except host.Failure as err:
            print(f"vfio-mediate: {device}: {err}", file=sys.stderr)
            result = FAILED
    return result


def run_bind(args):
    binding.root()
    for name in args.devices if args.vfs else ():
        binding.make_vfs(host.Device(host.address(name)), args.vfs)
    driver = binding.load_driver()
    return each_device(args, lambda device: binding.bind(device, driver, args.force,
                                                         args.persist))


def run_unbind(args):
    binding.root()
    return each_device(args, binding.unbind)


def run_enable(args):
    binding.root()
    enable.enable(args.drop_in, args.alias)
    return OK


def run_disable(_):
    binding.root()
    enable.disable()
    return OK


def run_watch(args):
    names = [host.address(name) for name in args.devices]
    try:
        watch.watch(names, args.json, args.poll, args.count, args.timeout)
    except KeyboardInterrupt:
        pass
    return OK


def run_stream(args):
    program = host.program("vfio-mediate-stream")
    options = [f"--{name}" for name in ("json", "data") if getattr(args, name)]
    sys.stdout.flush()
    os.execv(program, [program, *options, *([args.file] if args.file else [])])


def parser():
    top = argparse.ArgumentParser(
        prog="vfio-mediate", allow_abbrev=False,
        description="Bind VFs to vfio-pci-mediate, and look at them and their migrations.",
        epilog="Exit status: 0 done, nothing found; 1 check has found a problem, or a stream "
               "is not valid; 2 wrong usage; 3 it could not be done.")
    top.add_argument("--version", action="version",
                     version=f"vfio-mediate {host.read(host.HERE / 'version') or 'unversioned'}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, run, text):
        command = commands.add_parser(name, help=text, allow_abbrev=False,
                                      description=f"{text[:1].upper()}{text[1:]}.")
        command.set_defaults(run=run)
        return command

    one = add("status", run_status, "show drivers, vendors, PFs and their VFs")
    one.add_argument("--json", action="store_true", help="print a JSON object")
    one.add_argument("--open", action="store_true",
                     help="open VFs that are free, to see who would mediate them")

    one = add("check", run_check, "say why a guest with a VF could not be migrated")
    one.add_argument("vf", metavar="VF", help="PCI address of the VF")
    one.add_argument("--to", metavar="HOST|VF", default="",
                     help="also look at the destination: a host, by ssh, or a VF of this one")
    one.add_argument("--xml", metavar="FILE", default="",
                     help="also look at the file that virsh migrate --xml is to have")
    one.add_argument("--rsh", metavar="COMMAND", default="ssh", help="use this in place of ssh")
    one.add_argument("--json", action="store_true", help="print a JSON object")

    one = add("bind", run_bind, "bind VFs to vfio-pci-mediate")
    one.add_argument("devices", metavar="VF", nargs="+", help="a VF, or a PF for all of its VFs")
    one.add_argument("--vfs", metavar="N", type=int, help="have the PFs make N VFs first")
    one.add_argument("--force", action="store_true",
                     help="take also a VF whose network interface the host uses")
    one.add_argument("--persist", action="store_true", help="after each boot, too: by driverctl")

    one = add("unbind", run_unbind, "give VFs back to the host's drivers")
    one.add_argument("devices", metavar="VF", nargs="+", help="a VF, or a PF for all of its VFs")

    one = add("enable", run_enable, "load vfio-pci-mediate at each boot")
    one.add_argument("--drop-in", action="store_true",
                     help="under the name vfio-pci, in place of in-tree vfio-pci")
    one.add_argument("--alias", metavar="ID", nargs="*",
                     help="have libvirt take it for VFs with these IDs, such as 8086:10ca; "
                          "without an ID for those of all vendors that are installed. DKMS "
                          "builds it again for that")
    add("disable", run_disable, "undo enable")

    one = add("watch", run_watch, "print what happens to VFs, until it is interrupted")
    one.add_argument("devices", metavar="VF", nargs="*", help="only these VFs")
    one.add_argument("--json", action="store_true", help="print a JSON object a line")
    one.add_argument("--poll", action="store_true", help="read sysfs instead of kernel events")
    one.add_argument("--count", metavar="N", type=int, help="end after N events")
    one.add_argument("--timeout", metavar="SECONDS", type=float, help="end after this time")

    one = add("stream", run_stream, "print and check a migration stream")
    one.add_argument("file", metavar="FILE", nargs="?", help="default: standard input")
    one.add_argument("--json", action="store_true", help="print a JSON object")
    one.add_argument("--data", action="store_true", help="also print the payload of records")
    return top


def main():
    args = parser().parse_args()
    try:
        return args.run(args)
    except host.UsageError as err:
        print(f"vfio-mediate: {err}", file=sys.stderr)
        return USAGE
    except host.Failure as err:
        print(f"vfio-mediate: {err}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
