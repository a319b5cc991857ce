// SPDX-License-Identifier: GPL-2.0-only
/* Registers of a VF's own BAR 0, accessed as its driver does, and the counters among them. */

#include <uapi/linux/vfio.h>

#include "state.h"
#include "vfio_mediate.h"

/* Frames and bytes received and sent: first all of them, then those looped back. */
static const u16 vf_counters[NIC_COUNTERS] = {
	0xf10, 0xf14, 0xf18, 0xf34, 0xf3c, 0xf40, 0xf44, 0xf48, 0xf50,
};

/**
 * nic_vf_read() - Read a register of a VF
 * @dev:	The VF.
 * @reg:	Offset in BAR 0.
 * @val:	Value read.
 *
 * Works while user space has disabled the VF's memory space, too.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_vf_read(struct vfio_mediate_device *dev, u32 reg, u32 *val)
{
	struct vfio_mediate_access access = {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.width = 4,
		.own = true,
		.offset = reg,
	};
	int ret = vfio_mediate_default_rw(dev, &access);

	*val = access.value;

	return ret;
}

/**
 * nic_vf_write() - Write a register of a VF
 * @dev:	The VF.
 * @reg:	Offset in BAR 0.
 * @val:	Value to write.
 *
 * Works while user space has disabled the VF's memory space, too.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_vf_write(struct vfio_mediate_device *dev, u32 reg, u32 val)
{
	struct vfio_mediate_access access = {
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.width = 4,
		.write = true,
		.own = true,
		.offset = reg,
		.value = val,
	};

	return vfio_mediate_default_rw(dev, &access);
}

/**
 * nic_vf_read_regs() - Read several registers of a VF
 * @dev:	The VF.
 * @regs:	Offsets from @base.
 * @n:		Number of registers.
 * @base:	Offset in BAR 0.
 * @vals:	Values read.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_vf_read_regs(struct vfio_mediate_device *dev, const u16 *regs, unsigned int n,
		     u32 base, __le32 *vals)
{
	int ret = 0;
	u32 val;

	for (; n && !ret; n--) {
		ret = nic_vf_read(dev, base + *regs++, &val);
		*vals++ = cpu_to_le32(val);
	}

	return ret;
}

/**
 * nic_vf_write_regs() - Write several registers of a VF, in order
 * @dev:	The VF.
 * @regs:	Offsets from @base.
 * @n:		Number of registers.
 * @base:	Offset in BAR 0.
 * @vals:	Values to write.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_vf_write_regs(struct vfio_mediate_device *dev, const u16 *regs, unsigned int n,
		      u32 base, const __le32 *vals)
{
	int ret = 0;

	for (; n && !ret; n--)
		ret = nic_vf_write(dev, base + *regs++, le32_to_cpu(*vals++));

	return ret;
}

/* Read a counter as the VF's driver sees it: it does not restart at a migration. */
static int nic_read_counter(struct vfio_mediate_device *dev, u32 reg, u32 *val)
{
	struct nic_mediated *m = dev->handle;
	unsigned int i;
	int ret;

	ret = nic_vf_read(dev, reg, val);
	for (i = 0; i < NIC_COUNTERS; i++)
		if (vf_counters[i] == reg)
			*val += READ_ONCE(m->counter_base[i]);

	return ret;
}

/**
 * nic_counters_rw() - Access the counters of a VF for its driver
 * @dev:	The VF.
 * @access:	Access in the range of the counters.
 *
 * Writes have no effect. The device's counters cannot be written, so reads add
 * &nic_mediated.counter_base.
 *
 * Context: Process context. Called from &vfio_pci_mediate_ops.rw.
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_counters_rw(struct vfio_mediate_device *dev, struct vfio_mediate_access *access)
{
	u32 reg = ALIGN_DOWN(access->offset, 4), val;
	int ret;

	if (access->write)
		return 0;

	ret = nic_read_counter(dev, reg, &val);
	access->value = val >> 8 * (access->offset - reg);
	if (ret || access->width < 8)
		return ret;

	ret = nic_read_counter(dev, reg + 4, &val);
	access->value |= (u64)val << 32;

	return ret;
}

/**
 * nic_counters_reset() - Let the counters of a VF start at zero
 * @m:	The VF.
 *
 * The device's counters cannot be cleared: subtract what former users have counted.
 *
 * Context: Process context. Called while the VF is opened.
 */
void nic_counters_reset(struct nic_mediated *m)
{
	unsigned int i;

	for (i = 0; i < NIC_COUNTERS; i++)
		m->counter_base[i] = -nic_rd(m->nic, PVF_COUNTER(m->n, vf_counters[i]));
}

/**
 * nic_counters_save() - Save the counters of a VF
 * @dev:	The VF.
 * @data:	&struct nic_rec_counters to fill.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_counters_save(struct vfio_mediate_device *dev, void *data)
{
	struct nic_rec_counters *rec = data;
	unsigned int i;
	int ret = 0;
	u32 val;

	for (i = 0; i < NIC_COUNTERS && !ret; i++) {
		ret = nic_read_counter(dev, vf_counters[i], &val);
		rec->counter[i] = cpu_to_le32(val);
	}

	return ret;
}

/**
 * nic_counters_apply() - Continue at the counters in a record
 * @dev:	The VF.
 * @rec:	The record.
 *
 * Context: That of vfio_mediate_default_rw().
 * Return:
 * * 0: success.
 * * Negative errno of vfio_mediate_default_rw().
 */
int nic_counters_apply(struct vfio_mediate_device *dev, const struct nic_rec_counters *rec)
{
	struct nic_mediated *m = dev->handle;
	unsigned int i;
	int ret = 0;
	u32 val;

	for (i = 0; i < NIC_COUNTERS && !ret; i++) {
		ret = nic_vf_read(dev, vf_counters[i], &val);
		WRITE_ONCE(m->counter_base[i], le32_to_cpu(rec->counter[i]) - val);
	}

	return ret;
}
