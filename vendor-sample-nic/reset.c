// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFs that are reset without their drivers' doing, as when the PF is: what the PCI core
 * does not restore, and how those who use them get to know.
 */

#include <linux/iopoll.h>
#include <linux/slab.h>

#include "nic.h"
#include "vfio_mediate.h"

/* Times that a driver is told, one each NIC_SERVICE_PERIOD */
#define NIC_RESET_NOTICES	10

/* The next VF of the PF, after one that is let go of. */
static struct pci_dev *nic_next_vf(struct nic *nic, struct pci_dev *vf)
{
	do
		vf = pci_get_device(nic->pdev->vendor, PCI_ANY_ID, vf);
	while (vf && (!vf->is_virtfn || pci_physfn(vf) != nic->pdev));

	return vf;
}

/* Against a reset of the VF; not for as long as it takes to be unbound from a VMM. */
static bool nic_lock_vf_dev(struct pci_dev *vf)
{
	bool locked;

	return !read_poll_timeout(device_trylock, locked, locked, 10000, 500000, false, &vf->dev);
}

/**
 * nic_vfs_save_pci() - Keep the PCI configuration of the VFs
 * @nic:	The PF, about to be reset.
 *
 * A function level reset of the PF takes SR-IOV, and with it the VFs' bus mastering and
 * MSI-X. The PCI core makes the VFs anew, but does not know what they had.
 *
 * Context: Process context, sleeps. The PF's device lock is held.
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
 * nic_vfs_restore_pci() - Restore the PCI configuration of the VFs
 * @nic:	The PF, reset, with its own configuration restored.
 *
 * Context: As for nic_vfs_save_pci().
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

/* The device is about to be reset: what VMMs save or load of VFs is void. With vf_lock. */
void nic_vfs_state_lost(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++)
		if (nic->vf[n].dev)
			vfio_mediate_state_lost(nic->vf[n].dev);
}

/* It has been, and started anew. With vf_lock. */
void nic_vfs_was_reset(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++)
		if (nic->vf[n].dev)
			vfio_mediate_was_reset(nic->vf[n].dev);
}

/*
 * A VF was reset, by whoever; if it is active, its driver knows of that, and has started
 * anew. With vf_lock.
 */
void nic_vf_note_reset(struct nic *nic, unsigned int n, bool active)
{
	struct nic_vf *vf = &nic->vf[n];

	vf->reset_unseen = !active && (vf->reset_unseen || vf->active);
	if (active)
		vf->notices = 0;
}

/* Its driver cannot know, and is to be told. With vf_lock. */
void nic_vf_schedule_notices(struct nic *nic, unsigned int n)
{
	struct nic_vf *vf = &nic->vf[n];

	if (vf->reset_unseen)
		vf->notices = NIC_RESET_NOTICES;
}

/*
 * Have the VFs' drivers look into their mailboxes, also those whose interrupts are not set
 * up any more: whose VF was reset finds NACK there, the others how things stand, and go on.
 * They are bothered for what the host has done, never for what another VF has. With vf_lock.
 */
void nic_vfs_notify(struct nic *nic)
{
	unsigned int n;

	for (n = 0; n < nic->num_vfs; n++)
		nic_vf_notify(nic, n);
	nic_wr(nic, CTRL_EXT, nic_rd(nic, CTRL_EXT) | CTRL_EXT_PFRSTD);
}

/* Not at once: most drivers that have their VF reset know of it, and start it anew. */
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
