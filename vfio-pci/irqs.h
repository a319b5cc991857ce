/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts beyond those of PCI: a vendor's, and the one that tells of traps.
 */

#ifndef VFIO_PCI_MEDIATE_IRQS_H
#define VFIO_PCI_MEDIATE_IRQS_H

#include <linux/types.h>

struct vfio_irq_set;
struct vpm_device;
struct vpm_part;

extern const struct vpm_part vpm_irqs_part;

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

#endif /* VFIO_PCI_MEDIATE_IRQS_H */
