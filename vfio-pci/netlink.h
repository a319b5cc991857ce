/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink family of the devices. See Documentation/netlink/specs/vfio_mediate.yaml. */

#ifndef VFIO_PCI_MEDIATE_NETLINK_H
#define VFIO_PCI_MEDIATE_NETLINK_H

#include <linux/types.h>

struct vpm_event;
struct vpm_events;

/**
 * vpm_netlink_load() - Register the family
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vpm_netlink_load(void);

/**
 * vpm_netlink_unload() - Unregister the family
 *
 * Context: Process context, may sleep. No device is in the list.
 */
void vpm_netlink_unload(void);

/**
 * vpm_netlink_add() - Add a device to those that can be dumped
 * @events:	Its events.
 *
 * Context: Process context, may sleep.
 */
void vpm_netlink_add(struct vpm_events *events);

/**
 * vpm_netlink_remove() - Undo vpm_netlink_add()
 * @events:	Its events, which no dump uses on return.
 *
 * Context: Process context, may sleep.
 */
void vpm_netlink_remove(struct vpm_events *events);

/**
 * vpm_netlink_wanted() - Check whether anybody listens
 *
 * Context: Any.
 * Return: True if a socket is in the group.
 */
bool vpm_netlink_wanted(void);

/**
 * vpm_netlink_send() - Send an event to the group
 * @events:	Events of the device.
 * @event:	The event.
 *
 * A listener whose socket is full gets ENOBUFS from its next read. An event for which there is no
 * memory is lost, which its number tells.
 *
 * Context: Process context, may sleep.
 */
void vpm_netlink_send(const struct vpm_events *events, const struct vpm_event *event);

#endif /* VFIO_PCI_MEDIATE_NETLINK_H */
