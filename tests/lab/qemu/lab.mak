# SPDX-License-Identifier: GPL-2.0-only
# The devices of the lab's machine, for QEMU's --with-devices-x86_64=lab.
CONFIG_I440FX=n
CONFIG_ISAPC=n
CONFIG_MICROVM=n
CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_PCIE_PORT=y
# igb needs e1000x_common.c, which comes with e1000e
CONFIG_E1000E_PCI_EXPRESS=y
CONFIG_IGB_PCI_EXPRESS=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_NVME_PCI=y
