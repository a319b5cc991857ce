// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of data transfers with protocol v2. A file may stay open after its transfer has ended and
 * its device was removed.
 */

#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "file.h"
#include "mig.h"
#include "transfer.h"

static ssize_t save_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;

	return vpm_transfer_read(file->private_data, to, file->f_flags & O_NONBLOCK);
}

static ssize_t load_write(struct kiocb *iocb, struct iov_iter *from)
{
	return vpm_transfer_write(iocb->ki_filp->private_data, from);
}

static bool is_pre_copy(struct vpm_mig *mig)
{
	return mig->state == VFIO_DEVICE_STATE_PRE_COPY ||
	       mig->state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

static __poll_t file_poll(struct file *file, struct poll_table_struct *wait)
{
	struct vpm_transfer *transfer = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &transfer->mig->wait, wait);

	vpm_mig_lock(transfer->mig);
	if (transfer->ended || transfer->error)
		mask = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR;
	else if (transfer->loading)
		mask = EPOLLOUT | EPOLLWRNORM;
	else if (vpm_transfer_is_readable(transfer))
		mask = EPOLLIN | EPOLLRDNORM;
	vpm_mig_unlock(transfer->mig);

	return mask;
}

static int get_precopy_info(struct vpm_transfer *transfer,
			    struct vfio_precopy_info *info)
{
	struct vpm_mig *mig = transfer->mig;
	bool flags = compat_has_precopy_flags(mig->vdev);
	u64 initial, changed;
	int ret;

	/* linux/vfio.h requires -EINVAL outside of pre-copy, even if the transfer has ended. */
	if (!is_pre_copy(mig))
		return -EINVAL;
	if (transfer->ended)
		return -ENODEV;

	ret = vpm_mig_check(mig);
	if (ret)
		return ret;

	ret = vpm_transfer_estimate(transfer, flags, &initial, &changed);
	info->initial_bytes = initial;
	info->dirty_bytes = changed;
	if (flags)
		info->flags = ret > 0 ? COMPAT_PRECOPY_REINIT : 0;

	return min(ret, 0);
}

static long save_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct vpm_transfer *transfer = file->private_data;
	struct vfio_precopy_info info;
	int ret;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	vpm_mig_lock(transfer->mig);
	ret = get_precopy_info(transfer, &info);
	vpm_mig_unlock(transfer->mig);
	if (ret)
		return ret;

	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static int file_release(struct inode *inode, struct file *file)
{
	vpm_transfer_put(file->private_data);

	return 0;
}

static const struct file_operations save_fops = {
	.owner = THIS_MODULE,
	.read_iter = save_read,
	.poll = file_poll,
	.unlocked_ioctl = save_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = file_release,
};

static const struct file_operations load_fops = {
	.owner = THIS_MODULE,
	.write_iter = load_write,
	.poll = file_poll,
	.release = file_release,
};

int vpm_file_create(struct vpm_transfer *transfer)
{
	struct file *file;

	file = anon_inode_getfile("[vfio-pci-mediate-state]",
				  transfer->loading ? &load_fops : &save_fops,
				  transfer,
				  transfer->loading ? O_WRONLY : O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	stream_open(file_inode(file), file);
	vpm_transfer_get(transfer);
	transfer->filp = file;

	return 0;
}
