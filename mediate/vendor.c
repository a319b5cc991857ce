// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that a vendor calls for a device that it mediates. All but one are
 * forwarded to the driver that has the device open.
 */

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>

#include "session.h"
#include "vfio_mediate.h"

static struct vfio_mediate_session *session_of(struct vfio_mediate_device *dev)
{
	return container_of(dev, struct vfio_mediate_session, dev);
}

int vfio_mediate_default_rw(struct vfio_mediate_device *dev,
			    struct vfio_mediate_access *access)
{
	struct vfio_mediate_session *session = session_of(dev);

	return session->host->rw(session->host_data, access);
}
EXPORT_SYMBOL_GPL(vfio_mediate_default_rw);

int vfio_mediate_read32(struct vfio_mediate_device *dev, u32 region,
			u64 offset, u32 *value)
{
	struct vfio_mediate_access access = {
		.region = region,
		.width = sizeof(*value),
		.own = true,
		.offset = offset,
	};
	int ret = vfio_mediate_default_rw(dev, &access);

	*value = access.value;

	return ret;
}
EXPORT_SYMBOL_GPL(vfio_mediate_read32);

int vfio_mediate_write32(struct vfio_mediate_device *dev, u32 region,
			 u64 offset, u32 value)
{
	struct vfio_mediate_access access = {
		.region = region,
		.width = sizeof(value),
		.write = true,
		.own = true,
		.offset = offset,
		.value = value,
	};

	return vfio_mediate_default_rw(dev, &access);
}
EXPORT_SYMBOL_GPL(vfio_mediate_write32);

int vfio_mediate_trap(struct vfio_mediate_device *dev, bool on)
{
	struct vfio_mediate_session *session = session_of(dev);

	return session->host->trap(session->host_data, on);
}
EXPORT_SYMBOL_GPL(vfio_mediate_trap);

int vfio_mediate_signal(struct vfio_mediate_device *dev, unsigned int irq,
			unsigned int vector)
{
	struct vfio_mediate_session *session = session_of(dev);

	return session->host->signal(session->host_data, irq, vector);
}
EXPORT_SYMBOL_GPL(vfio_mediate_signal);

int vfio_mediate_read(struct vfio_mediate_device *dev, u64 iova, void *buf,
		      size_t size)
{
	struct vfio_mediate_session *session = session_of(dev);

	return session->host->read(session->host_data, iova, buf, size);
}
EXPORT_SYMBOL_GPL(vfio_mediate_read);

int vfio_mediate_write(struct vfio_mediate_device *dev, u64 iova, const void *buf,
		       size_t size)
{
	struct vfio_mediate_session *session = session_of(dev);

	return session->host->write(session->host_data, iova, buf, size);
}
EXPORT_SYMBOL_GPL(vfio_mediate_write);

void vfio_mediate_mark(struct vfio_mediate_device *dev, u64 iova, u64 size)
{
	struct vfio_mediate_session *session = session_of(dev);

	session->host->mark(session->host_data, iova, size);
}
EXPORT_SYMBOL_GPL(vfio_mediate_mark);

void vfio_mediate_mark_all(struct vfio_mediate_device *dev)
{
	vfio_mediate_mark(dev, 0, U64_MAX);
}
EXPORT_SYMBOL_GPL(vfio_mediate_mark_all);

int vfio_mediate_was_reset(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_session *session = session_of(dev);

	atomic_inc(&session->resets);

	return session->host->was_reset(session->host_data);
}
EXPORT_SYMBOL_GPL(vfio_mediate_was_reset);

int vfio_mediate_state_lost(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_session *session = session_of(dev);

	atomic_inc(&session->resets);

	return session->host->state_lost(session->host_data);
}
EXPORT_SYMBOL_GPL(vfio_mediate_state_lost);

void vfio_mediate_data_ready(struct vfio_mediate_device *dev)
{
	struct vfio_mediate_session *session = session_of(dev);

	session->host->data_ready(session->host_data);
}
EXPORT_SYMBOL_GPL(vfio_mediate_data_ready);

int vfio_mediate_take_record(const struct vfio_mediate_record *record, void *to,
			     size_t size, size_t least)
{
	size_t known = min_t(size_t, record->length, size);

	if (record->length < least)
		return -EINVAL;
	if (memchr_inv(record->data + known, 0, record->length - known))
		return -EOPNOTSUPP;
	memcpy(to, record->data, known);
	memset(to + known, 0, size - known);

	return 0;
}
EXPORT_SYMBOL_GPL(vfio_mediate_take_record);
