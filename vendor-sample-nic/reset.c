// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that the VFs' drivers have not asked for, such as a reset of the PF. Keep the PCI
 * configuration of VFs, which the PCI core does not restore. Tell the VFs' drivers about
 * the reset.
 */

#include <linux/iopoll.h>
#include <linux/slab.h>

#include "nic.h"

/* notices of a reset, one per NIC_SERVICE_PERIOD */
#define NIC_RESET_NOTICES	10

/* Return the VF after vf, and drop the reference to vf. */
static struct pci_dev *nic_next_vf(struct nic *nic, struct pci_dev *vf)
{
	do
		vf = pci_get_device(nic->pdev->vendor, PCI_ANY_ID, vf);
	while (vf && (!vf->is_virtfn || pci_physfn(vf) != nic->pdev));

	return vf;
}

/*
 * Take the device lock of a VF, which excludes a reset of it. Give up after 0.5 s: an
 * unbind holds the lock until the VMM has closed the VF.
 */
static bool nic_lock_vf_dev(struct pci_dev *vf)
{
	bool locked;

	return !read_poll_timeout(device_trylock, locked, locked, 10000, 500000, false, &vf->dev);
}

/**
 * nic_vfs_save_pci() - Save the PCI configuration of all VFs
 * @nic:	The PF, about to be reset.
 *
 * An FLR of the PF disables SR-IOV and so clears bus mastering and MSI-X of the VFs. The
 * PCI core enables SR-IOV again, but does not restore the VFs' configuration. A VF whose
 * device lock cannot be taken, or that is not in D0, is left out.
 *
 * Context: Process context, may sleep. The caller holds the PF's device lock. Takes the
 * device locks of VFs.
 */
void nic_vfs_save_pci(struct nic *nic)
{
	struct pci_dev *vf = NULL;
	u16 command;

	while ((vf = nic_next_vf(nic, vf))) {
		struct pci_saved_state **state = &nic->vf[pci_iov_vf_id(vf)].pci_state;

		kfree(*state);
		*state = NULL;
		if (!nic_lock_vf_dev(vf))
			continue;
		pci_read_config_word(vf, PCI_COMMAND, &command);
		if (!PCI_POSSIBLE_ERROR(command) && vf->current_state == PCI_D0) {
			pci_save_state(vf);
			*state = pci_store_saved_state(vf);
		}
		device_unlock(&vf->dev);
	}
}

/**
 * nic_vfs_restore_pci() - Restore the PCI configuration of all VFs
 * @nic:	The PF. It was reset, and its own configuration is restored.
 *
 * Context: Process context, may sleep. The caller holds the PF's device lock. Takes the
 * device locks of VFs.
 */
void nic_vfs_restore_pci(struct nic *nic)
{
	struct pci_dev *vf = NULL;
	bool locked;

	while ((vf = nic_next_vf(nic, vf))) {
		struct pci_saved_state **state = &nic->vf[pci_iov_vf_id(vf)].pci_state;

		if (!*state)
			continue;
		locked = nic_lock_vf_dev(vf);
		pci_load_and_free_saved_state(vf, state);
		pci_restore_state(vf);
		if (locked)
			device_unlock(&vf->dev);
	}
}

/**
 * nic_vf_note_reset() - Record a reset of a VF
 * @nic:	The PF.
 * @n:		Number of the VF.
 * @active:	The VF's driver knows of the reset: it has completed the reset handshake.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_note_reset(struct nic *nic, unsigned int n, bool active)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->reset_unseen = !active && (vf->reset_unseen || vf->active);
	if (active)
		vf->notices = 0;
}

/**
 * nic_vf_schedule_notices() - Send notices of a reset from now on
 * @nic:	The PF.
 * @n:		Number of the VF.
 *
 * Does nothing if the VF's driver knows of the reset.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vf_schedule_notices(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	if (vf->reset_unseen)
		vf->notices = NIC_RESET_NOTICES;
}

/**
 * nic_vfs_notify() - Notify the drivers of all VFs
 * @nic:	The PF.
 *
 * Reach drivers whose interrupts are no longer set up, too: PFRSTD makes all drivers look
 * into their mailboxes. The driver of a VF that was reset reads NACK. All others read the
 * state of their link and continue.
 *
 * Call this for an action of the host only, never for an action of another VF.
 *
 * Context: Process context. The caller holds vf_lock.
 */
void nic_vfs_notify(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++)
		nic_vf_notify(nic, n);
	nic_wr(nic, CTRL_EXT, nic_rd(nic, CTRL_EXT) | CTRL_EXT_PFRSTD);
}

/**
 * nic_vfs_send_notices() - Send the notices of resets that are due
 * @nic:	The PF.
 *
 * Called once per NIC_SERVICE_PERIOD. The first notice is sent after one period: most
 * drivers whose VF was reset know of it and complete the reset handshake.
 *
 * Context: Process context, may sleep. Takes vf_lock.
 */
void nic_vfs_send_notices(struct nic *nic)
{
	bool due = false;
	unsigned int n;

	mutex_lock(&nic->vf_lock);
	for (n = 0; n < nic->num_vfs; n++)
		if (nic->vf[n].notices && !nic->vf[n].frozen)
			due |= nic->vf[n].notices-- < NIC_RESET_NOTICES;
	if (due)
		nic_vfs_notify(nic);
	mutex_unlock(&nic->vf_lock);
}
