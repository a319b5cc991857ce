// SPDX-License-Identifier: GPL-2.0-only
/*
 * sample_nic: PF driver for the Intel 82576. The PCI driver: probe, remove, power
 * management, error recovery, and the service and reset work.
 */

#include <linux/ethtool.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "nic.h"
#include "vfio_mediate.h"

#define NIC_DEV_ID_82576	0x10c9
#define NIC_SERVICE_PERIOD	(2 * HZ)

static void nic_check_link(struct nic *nic)
{
	int speed, duplex;
	bool up;

	up = nic_read_link(nic, &speed, &duplex);
	if (up == netif_carrier_ok(nic->netdev) && speed == nic->speed)
		return;

	nic->speed = speed;
	if (up) {
		netdev_info(nic->netdev, "link up, %d Mb/s, %s duplex\n", speed,
			    duplex == DUPLEX_FULL ? "full" : "half");
		netif_carrier_on(nic->netdev);
	} else {
		netdev_info(nic->netdev, "link down\n");
		netif_carrier_off(nic->netdev);
	}

	mutex_lock(&nic->vf_lock);
	nic_vfs_link_changed(nic);
	mutex_unlock(&nic->vf_lock);
}

static void nic_service(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, service.work);

	nic_check_link(nic);
	nic_vfs_send_notices(nic);
	nic_update_stats(nic);
	queue_delayed_work(nic->wq, &nic->service, NIC_SERVICE_PERIOD);
}

static irqreturn_t nic_other_irq(int irq, void *data)
{
	struct nic *nic = data;
	u32 cause = nic_rd(nic, ICR);

	if (cause & INT_LSC)
		mod_delayed_work(nic->wq, &nic->service, 0);
	if (cause & INT_VMMB) {
		/* Stays masked until nic_mailbox_work() finds no more events. */
		nic_wr(nic, IMC, INT_VMMB);
		queue_work(nic->wq, &nic->mailbox_work);
	}
	nic_wr(nic, EIMS, BIT(nic->num_queues));

	return IRQ_HANDLED;
}

/* Reset and start the device. VFs start over. Settings of the administrator are kept. */
static void nic_restart_hw(struct nic *nic)
{
	mutex_lock(&nic->vf_lock);
	nic_hw_reset(nic);
	nic_hw_start(nic);
	nic_vfs_restart(nic);
	mutex_unlock(&nic->vf_lock);
}

/* Stop the netdev, the device and all work. Config space still works after this. */
static void nic_halt(struct nic *nic)
{
	cancel_work_sync(&nic->reset_work);

	rtnl_lock();
	netif_device_detach(nic->netdev);
	if (netif_running(nic->netdev))
		nic_stop(nic->netdev);
	rtnl_unlock();

	mutex_lock(&nic->vf_lock);
	nic_hw_reset(nic);
	mutex_unlock(&nic->vf_lock);
	cancel_work_sync(&nic->mailbox_work);
	cancel_delayed_work_sync(&nic->service);
}

static int nic_restart(struct nic *nic)
{
	int ret = 0;

	nic_restart_hw(nic);

	rtnl_lock();
	if (netif_running(nic->netdev))
		ret = nic_open(nic->netdev);
	if (!ret)
		netif_device_attach(nic->netdev);
	rtnl_unlock();
	mod_delayed_work(nic->wq, &nic->service, 0);

	return ret;
}

/* Reset the device after a transmit timeout. */
static void nic_reset_work(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, reset_work);
	struct net_device *netdev = nic->netdev;
	int ret;

	rtnl_lock();
	if (netif_running(netdev) && netif_device_present(netdev)) {
		netdev_warn(netdev, "transmit timeout, resetting the device\n");
		nic_stop(netdev);
		/* Without bus mastering the device hangs, and interrupts are lost. */
		pci_set_master(nic->pdev);
		nic_restart_hw(nic);
		ret = nic_open(netdev);
		if (ret)
			netdev_err(netdev, "cannot reopen after a transmit timeout: %pe; set the link down and up to try again\n",
				   ERR_PTR(ret));
	}
	rtnl_unlock();
}

static int nic_read_mac(struct nic *nic)
{
	u32 low = nic_rd(nic, RAL(0)), high = nic_rd(nic, RAH(0));
	u8 mac[ETH_ALEN] = { low, low >> 8, low >> 16, low >> 24, high, high >> 8 };

	if (is_valid_ether_addr(mac)) {
		eth_hw_addr_set(nic->netdev, mac);
	} else {
		eth_hw_addr_random(nic->netdev);
		pci_warn(nic->pdev, "no MAC address in the NVM, using random address %pM\n",
			 nic->netdev->dev_addr);
	}

	return nic_pool_set_mac(nic, NIC_PF_POOL, 0, nic->netdev->dev_addr);
}

static void nic_init_netdev(struct nic *nic)
{
	struct net_device *netdev = nic->netdev;
	unsigned int i;

	SET_NETDEV_DEV(netdev, &nic->pdev->dev);
	netdev->netdev_ops = &nic_netdev_ops;
	netdev->ethtool_ops = &nic_ethtool_ops;
	netdev->hw_features = NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_RXCSUM;
	netdev->vlan_features = NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM;
	netdev->features = netdev->hw_features | NETIF_F_HW_VLAN_CTAG_TX |
			   NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_FILTER;
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = NIC_MAX_FRAME - NIC_HEADERS;
	netif_carrier_off(netdev);

	for (i = 0; i < nic->num_queues; i++) {
		struct nic_queue *q = &nic->queue[i];

		q->nic = nic;
		q->index = i;
		q->hw = NIC_PF_POOL + i * NIC_NUM_POOLS;
		u64_stats_init(&q->rx.syncp);
		u64_stats_init(&q->tx.syncp);
		netif_napi_add(netdev, &q->napi, nic_poll);
	}
}

static void nic_init(struct nic *nic, struct pci_dev *pdev, struct net_device *netdev)
{
	unsigned int n;

	nic->pdev = pdev;
	nic->netdev = netdev;
	nic->rx_descs = NIC_DEFAULT_DESCS;
	nic->tx_descs = NIC_DEFAULT_DESCS;
	nic->speed = SPEED_UNKNOWN;
	mutex_init(&nic->vf_lock);
	spin_lock_init(&nic->stats_lock);
	INIT_DELAYED_WORK(&nic->service, nic_service);
	INIT_WORK(&nic->mailbox_work, nic_mailbox_work);
	INIT_WORK(&nic->reset_work, nic_reset_work);
	for (n = 0; n < NIC_MAX_VFS; n++)
		nic->vf[n].nic = nic;
	nic_filters_init(nic);
	pci_set_drvdata(pdev, nic);
}

static int nic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct net_device *netdev;
	struct nic *nic;
	int irq, ret;

	/* VFs that another driver has created are unknown to this one. */
	if (pci_num_vf(pdev)) {
		pci_err(pdev, "cannot probe, VFs exist already: write 0 to sriov_numvfs first\n");
		return -EBUSY;
	}

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;

	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;

	netdev = devm_alloc_etherdev_mqs(dev, sizeof(*nic), NIC_MAX_QUEUES, NIC_MAX_QUEUES);
	if (!netdev)
		return -ENOMEM;

	nic = netdev_priv(netdev);
	nic_init(nic, pdev, netdev);
	nic->hw_stats = devm_kcalloc(dev, nic_num_hw_stats(), sizeof(u64), GFP_KERNEL);
	if (!nic->hw_stats)
		return -ENOMEM;

	nic->regs = pcim_iomap_region(pdev, 0, NIC_NAME);
	if (IS_ERR(nic->regs))
		return PTR_ERR(nic->regs);

	nic->wq = alloc_workqueue("%s", WQ_UNBOUND, 0, pci_name(pdev));
	if (!nic->wq)
		return -ENOMEM;

	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 2, NIC_MAX_QUEUES + 1, PCI_IRQ_MSIX);
	if (ret < 0)
		goto destroy_wq;

	nic->num_queues = ret - 1;
	netif_set_real_num_tx_queues(netdev, nic->num_queues);
	netif_set_real_num_rx_queues(netdev, nic->num_queues);
	nic_init_netdev(nic);

	nic_hw_reset(nic);
	ret = nic_read_mac(nic);
	if (ret)
		goto free_vectors;

	irq = pci_irq_vector(pdev, nic->num_queues);
	ret = request_irq(irq, nic_other_irq, 0, pci_name(pdev), nic);
	if (ret)
		goto free_vectors;

	nic_hw_start(nic);
	ret = register_netdev(netdev);
	if (ret)
		goto reset;

	pci_sriov_set_totalvfs(pdev, NIC_MAX_VFS);
	pci_save_state(pdev);
	queue_delayed_work(nic->wq, &nic->service, 0);

	return 0;

reset:
	nic_hw_reset(nic);
	nic_hw_release(nic);
	free_irq(irq, nic);
	cancel_work_sync(&nic->mailbox_work);
	cancel_delayed_work_sync(&nic->service);
free_vectors:
	pci_free_irq_vectors(pdev);
destroy_wq:
	destroy_workqueue(nic->wq);
	return ret;
}

static void nic_remove(struct pci_dev *pdev)
{
	struct nic *nic = pci_get_drvdata(pdev);

	/* From now on a VF that is open, or is opened, is not mediated. */
	WRITE_ONCE(nic->removing, true);
	vfio_pci_mediate_detach(&nic_mediate_ops, pdev);
	nic_disable_sriov(nic);

	disable_delayed_work_sync(&nic->service);
	unregister_netdev(nic->netdev);

	nic_hw_reset(nic);
	nic_hw_release(nic);
	free_irq(pci_irq_vector(pdev, nic->num_queues), nic);
	cancel_work_sync(&nic->mailbox_work);
	cancel_work_sync(&nic->reset_work);
	pci_free_irq_vectors(pdev);
	destroy_workqueue(nic->wq);
}

static void nic_shutdown(struct pci_dev *pdev)
{
	nic_halt(pci_get_drvdata(pdev));
}

static int nic_suspend(struct device *dev)
{
	nic_halt(dev_get_drvdata(dev));

	return 0;
}

static int nic_resume(struct device *dev)
{
	return nic_restart(dev_get_drvdata(dev));
}

static DEFINE_SIMPLE_DEV_PM_OPS(nic_pm_ops, nic_suspend, nic_resume);

static pci_ers_result_t nic_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct nic *nic = pci_get_drvdata(pdev);

	nic_vfs_save_pci(nic);
	nic_halt(nic);

	switch (state) {
	case pci_channel_io_normal:
		/* A reset of the device is enough. It is done on resume. */
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_perm_failure:
		return PCI_ERS_RESULT_DISCONNECT;
	default:
		return PCI_ERS_RESULT_NEED_RESET;
	}
}

static pci_ers_result_t nic_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	nic_vfs_restore_pci(pci_get_drvdata(pdev));

	return PCI_ERS_RESULT_RECOVERED;
}

static void nic_error_resume(struct pci_dev *pdev)
{
	int ret = nic_restart(pci_get_drvdata(pdev));

	if (ret)
		pci_err(pdev, "cannot restart after a reset: %pe; write 1 to reset in sysfs to try again\n",
			ERR_PTR(ret));
}

/* The administrator resets the function. */
static void nic_reset_prepare(struct pci_dev *pdev)
{
	struct nic *nic = pci_get_drvdata(pdev);

	nic_vfs_save_pci(nic);
	nic_halt(nic);
}

static void nic_reset_done(struct pci_dev *pdev)
{
	nic_vfs_restore_pci(pci_get_drvdata(pdev));
	nic_error_resume(pdev);
}

static const struct pci_error_handlers nic_error_handlers = {
	.error_detected = nic_error_detected,
	.slot_reset = nic_slot_reset,
	.resume = nic_error_resume,
	.reset_prepare = nic_reset_prepare,
	.reset_done = nic_reset_done,
};

/* No MODULE_DEVICE_TABLE: igb is the driver that is loaded for the card. */
static const struct pci_device_id nic_ids[] = {
	{ PCI_VDEVICE(INTEL, NIC_DEV_ID_82576) },
	{ }
};

static struct pci_driver nic_driver = {
	.name = NIC_NAME,
	.id_table = nic_ids,
	.probe = nic_probe,
	.remove = nic_remove,
	.sriov_configure = nic_sriov_configure,
	.shutdown = nic_shutdown,
	.driver.pm = pm_sleep_ptr(&nic_pm_ops),
	.err_handler = &nic_error_handlers,
};

/* The mediate ops are registered before the first VF exists, and until the last one is gone. */
static int __init nic_module_init(void)
{
	int ret = nic_mediate_register(&nic_driver);

	if (ret)
		return ret;

	ret = pci_register_driver(&nic_driver);
	if (ret)
		vfio_pci_unregister_mediate_ops(&nic_mediate_ops);

	return ret;
}
module_init(nic_module_init);

static void __exit nic_module_exit(void)
{
	pci_unregister_driver(&nic_driver);
	vfio_pci_unregister_mediate_ops(&nic_mediate_ops);
}
module_exit(nic_module_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_MEDIATE_VERSION);
MODULE_AUTHOR("The vfio-mediate developers");
MODULE_DESCRIPTION("Sample mediating PF driver for the Intel 82576");
