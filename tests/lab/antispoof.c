/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the model of the 82576 in QEMU leaves out: whether a frame of a pool is sent from
 * one of its own addresses (DTXSWC.MACAS, datasheet 8.14.5; what is not is dropped and
 * noted in WVBR). card.py puts this into a copy of QEMU's hw/net/igb_core.c.
 */
static bool card_is_spoofed(IGBCore *core, PCIDevice *dev, int queue, uint64_t frame)
{
	unsigned int pool = queue % IGB_NUM_VM_POOLS, n;
	uint8_t source[6], own[6];
	uint32_t low, high;

	if (!(core->mac[MRQC] & 1) || !(core->mac[DTXSWC] & BIT(pool)))
		return false;

	pci_dma_read(dev, frame + sizeof(source), source, sizeof(source));
	for (n = 0; n < 24; n++) {
		low = core->mac[n < 16 ? RA + 2 * n : RA2 + 2 * (n - 16)];
		high = core->mac[n < 16 ? RA + 2 * n + 1 : RA2 + 2 * (n - 16) + 1];
		stl_le_p(own, low);
		stw_le_p(own + 4, high & 0xffff);
		/* Valid, and the pool's */
		if (high & BIT(31) && high & BIT(18 + pool) && !memcmp(own, source, sizeof(own)))
			return false;
	}
	core->mac[WVBR] |= BIT(pool);

	return true;
}
