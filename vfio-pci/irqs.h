/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts beyond those of PCI: a vendor's, and the one that tells of traps.
 */

#ifndef VFIO_PCI_MEDIATE_IRQS_H
#define VFIO_PCI_MEDIATE_IRQS_H

#include <linux/types.h>

struct vfio_irq_set;
struct vfio_mediate_device;
struct vpm_device;

/**
 * vpm_irqs_setup() - Take over what a vendor declares of interrupts
 * @vpm:	The device, being opened.
 * @dev:	The declaration.
 * @trap:	Whether to add the one that tells of traps.
 *
 * Return: 0, -EINVAL when the declaration makes no sense, -ENOMEM. Whatever is
 * returned, vpm_irqs_teardown() must follow.
 */
int vpm_irqs_setup(struct vpm_device *vpm, const struct vfio_mediate_device *dev,
		   bool trap);

/**
 * vpm_irqs_teardown() - Undo vpm_irqs_setup(), and forget all eventfds
 * @vpm:	The device. Nobody signals any more.
 */
void vpm_irqs_teardown(struct vpm_device *vpm);

/**
 * vpm_irqs_info() - VFIO_DEVICE_GET_IRQ_INFO for an added interrupt
 * @vpm:	The device.
 * @arg:	User space's struct vfio_mediate_irq_info.
 *
 * Return: 0 or a negative errno; -ENOTTY for an interrupt of PCI.
 */
long vpm_irqs_info(struct vpm_device *vpm, void __user *arg);

/**
 * vpm_irqs_set() - VFIO_DEVICE_SET_IRQS for an added interrupt
 * @vpm:	The device.
 * @arg:	User space's struct vfio_irq_set.
 *
 * Return: 0 or a negative errno; -ENOTTY for an interrupt of PCI.
 */
long vpm_irqs_set(struct vpm_device *vpm, struct vfio_irq_set __user *arg);

/**
 * vpm_irqs_signal() - Signal a vendor's interrupt
 * @data:	The &struct vpm_device.
 * @irq:	Which.
 * @vector:	Vector of it.
 *
 * Return: 0 or -EINVAL.
 */
int vpm_irqs_signal(void *data, unsigned int irq, unsigned int vector);

/**
 * vpm_irqs_signal_trap() - Signal that traps have changed
 * @vpm:	The device, with pages that can be trapped.
 */
void vpm_irqs_signal_trap(struct vpm_device *vpm);

#endif /* VFIO_PCI_MEDIATE_IRQS_H */
