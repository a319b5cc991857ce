/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts in addition to those of PCI: those of the vendor driver, and the trap interrupt. */

#ifndef VFIO_PCI_MEDIATE_IRQS_H
#define VFIO_PCI_MEDIATE_IRQS_H

#include <linux/types.h>

struct vfio_irq_set;
struct vpm_device;
struct vpm_part;

extern const struct vpm_part vpm_irqs_part;

/**
 * vpm_irqs_info() - VFIO_DEVICE_GET_IRQ_INFO for an additional interrupt
 * @vpm:	The device.
 * @arg:	The struct vfio_mediate_irq_info in user space.
 *
 * Context: Process context, may sleep.
 * Return:
 * * %0: Success.
 * * %-ENOTTY: The interrupt is one of PCI. Call vfio_pci_core.
 * * Other negative errno: Failure.
 */
long vpm_irqs_info(struct vpm_device *vpm, void __user *arg);

/**
 * vpm_irqs_set() - VFIO_DEVICE_SET_IRQS for an additional interrupt
 * @vpm:	The device.
 * @arg:	The struct vfio_irq_set in user space.
 *
 * Context: Process context, may sleep. Takes irq_lock.
 * Return:
 * * %0: Success.
 * * %-ENOTTY: The interrupt is one of PCI. Call vfio_pci_core.
 * * Other negative errno: Failure.
 */
long vpm_irqs_set(struct vpm_device *vpm, struct vfio_irq_set __user *arg);

/**
 * vpm_irqs_signal() - &vfio_mediate_host_ops.signal
 * @data:	The &struct vpm_device.
 * @irq:	Number of the vendor driver's interrupt.
 * @vector:	Vector of the interrupt.
 *
 * Context: Any context except NMI. Takes irq_lock.
 * Return: 0, or -EINVAL when the vector does not exist.
 */
int vpm_irqs_signal(void *data, unsigned int irq, unsigned int vector);

/**
 * vpm_irqs_signal_trap() - Signal the trap interrupt
 * @vpm:	The device, with pages that can be trapped.
 *
 * Context: Any context except NMI. Takes irq_lock.
 */
void vpm_irqs_signal_trap(struct vpm_device *vpm);

/**
 * vpm_irqs_trap_index() - Index of the trap interrupt for user space
 * @vpm:	The device, with pages that can be trapped.
 *
 * Return: The index.
 */
u32 vpm_irqs_trap_index(const struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_IRQS_H */
