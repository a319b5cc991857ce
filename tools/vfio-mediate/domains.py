# SPDX-License-Identifier: GPL-2.0-only
"""What libvirt would make of a domain that has a VF: read from its XML."""

import shutil
import xml.etree.ElementTree as tree

from host import DRIVER, OURS, UsageError, libvirt_version, numbers, our_driver, output

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def virsh(*args):
    return output("virsh", "-q", *args) or ""


def address_of(element):
    """The PCI address in a <source>, or nothing."""
    found = element.find("./source/address[@bus]")
    if found is None:
        return ""
    domain, bus, slot, function = (int(found.get(name, "0"), 0)
                                   for name in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"


def pool(interface):
    """The <forward> of the network pool that gives an interface its VF, or None."""
    source = interface.find("./source[@network]")
    if source is None:
        return None
    text = virsh("net-dumpxml", source.get("network"))
    return parse(text, "virsh").find("./forward[@mode='hostdev']") if text else None


def passed(domain):
    """The <hostdev> and <interface> elements of a domain that may be VFs."""
    yield from domain.findall("./devices/hostdev[@type='pci']")
    yield from domain.findall("./devices/interface[@type='hostdev']")
    for interface in domain.findall("./devices/interface[@type='network']"):
        if pool(interface) is not None or overridden(domain, alias_of(interface)):
            yield interface


def alias_of(element):
    alias = element.find("./alias")
    return "" if alias is None else alias.get("name", "")


def overridden(domain, alias):
    """Does a <qemu:override> switch migration on for the device of this alias?"""
    for device in domain.findall(f"./{QEMU}override/{QEMU}device"):
        if device.get("alias") != alias:
            continue
        for option in device.iter(f"{QEMU}property"):
            if option.get("name") in ("enable-migration", "x-enable-migration") and \
                    option.get("value") in ("on", "true"):
                return True
    return False


def picks_ours(device):
    """Does an alias of our module make libvirt prefer it to in-tree vfio-pci?"""
    alias = device.file("modalias").replace("pci:", "vfio_pci:", 1)
    return OURS in (output("modprobe", "-R", alias) or "").split()


def check_element(found, device, domain, element, where):
    """One device of a domain's XML; returns the model of its driver."""
    alias = alias_of(element)
    if overridden(domain, alias):
        found.ok("libvirt", f"{where} has the <qemu:override>")
    else:
        found.problem("libvirt", f"{where} has no <qemu:override> with enable-migration for "
                      f"{alias or 'its VF'}: the guest arrives, and cannot be migrated again",
                      "add it, see admin.rst")
    # Of a pool, the network says how VFs are bound.
    says = pool(element) if element.get("type") == "network" else element
    if says is None:
        return ""
    driver = says.find("./driver")
    model = "" if driver is None else driver.get("model", "")
    if says.get("managed") == "yes" and model != DRIVER and our_driver() != "vfio-pci" and \
            not picks_ours(device):
        found.problem("libvirt", f"{where} has managed='yes' without <driver "
                      f"model='{DRIVER}'/>: libvirt binds the VF to in-tree vfio-pci",
                      "add the model, or write managed='no'")
    return model


def parse(text, where):
    try:
        return tree.fromstring(text)
    except tree.ParseError as err:
        raise UsageError(f"{where}: {err}") from err


def check_file(found, device, path):
    """The XML that is to be given to virsh migrate --xml."""
    try:
        with open(path, encoding="utf-8") as file:
            domain = parse(file.read(), path)
    except OSError as err:
        raise UsageError(f"{path}: {err.strerror}") from err
    elements = list(passed(domain))
    if not elements:
        found.problem("libvirt", f"{path} has no VF", "give the domain its <hostdev>")
    for element in elements:
        check_element(found, device, domain, element, path)


def domain_of(device):
    """Name and XML of the running domain that has a VF, or nothing."""
    for name in virsh("list", "--name").split("\n"):
        text = virsh("dumpxml", name) if name else ""
        if text and any(address_of(each) == device.name for each in passed(parse(text, name))):
            return name, text
    return "", ""


def check_version(found, text, driver, model="", where=""):
    """Does this libvirt accept our driver, which is registered under a name?"""
    release = numbers(text)
    if not release:
        found.unknown("libvirt", f"its version is not known{where}")
    elif release < (9, 7) and driver != "vfio-pci":
        found.problem("libvirt", f"libvirt {text}{where} accepts only a driver called vfio-pci",
                      "vfio-mediate enable --drop-in, and boot")
    elif release < (10,) and model:
        found.problem("libvirt", f"libvirt {text}{where} has no <driver model=>",
                      "write managed='no', and vfio-mediate bind the VF")
    else:
        found.ok("libvirt", f"libvirt {text}{where}")


def check(found, device, path):
    """A file with XML, and, where there is a libvirt, the domain that has the VF."""
    if path:
        check_file(found, device, path)
    if not shutil.which("virsh"):
        return
    name, text = domain_of(device)
    model = ""
    if name:
        domain = parse(text, name)
        for element in passed(domain):
            if address_of(element) == device.name:
                model = check_element(found, device, domain, element, f"domain {name}")
    check_version(found, libvirt_version(), our_driver(), model)


def same_pf(found, device):
    """libvirt sets the MAC address at the destination while the source still has it."""
    text = domain_of(device)[1] if shutil.which("virsh") else ""
    if text and any(address_of(each) == device.name and each.tag == "interface"
                    for each in passed(parse(text, "libvirt"))):
        found.unknown("libvirt", "both VFs belong to one PF, and the domain has an "
                      "<interface>: not every PF driver lets libvirt set its MAC address at "
                      "the destination", "use a VF of another PF, or a <hostdev>")
