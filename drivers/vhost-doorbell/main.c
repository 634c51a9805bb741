// SPDX-License-Identifier: GPL-2.0
/*
 * The module, its character device, and our own ioctls.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include <uapi/linux/vhost_doorbell.h>

#include "compat.h"
#include "device.h"
#include "node.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The ABI: sizes never change below what was released. */
static_assert(sizeof(struct vhost_doorbell_info) ==
	      VHOST_DOORBELL_INFO_SIZE_V1);
static_assert(sizeof(struct vhost_doorbell_backend_info) ==
	      VHOST_DOORBELL_BACKEND_INFO_SIZE_V1);
static_assert(sizeof(struct vhost_doorbell_attach) ==
	      VHOST_DOORBELL_ATTACH_SIZE_V3);
static_assert(sizeof(struct vhost_doorbell_stats) ==
	      VHOST_DOORBELL_STATS_SIZE_V3);
static_assert(sizeof(struct vhost_doorbell_update) ==
	      VHOST_DOORBELL_UPDATE_SIZE_V1);
static_assert(sizeof(struct vhost_doorbell_rate) ==
	      VHOST_DOORBELL_RATE_SIZE_V1);

/* The user's size of a struct that begins with it, or -errno. */
static long user_size(const void __user *argp, u32 first_version)
{
	u32 size;

	if (get_user(size, (const u32 __user *)argp))
		return -EFAULT;
	if (size < first_version)
		return -EINVAL;
	/* Nothing that grows a field at a time needs more than a page. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	return size;
}

static long copy_in(void *to, size_t ksize, const void __user *argp,
		    u32 first_version)
{
	long usize = user_size(argp, first_version);

	if (usize < 0)
		return usize;
	return copy_struct_from_user(to, ksize, argp, usize) ?: usize;
}

/* What the user's struct does not have is not told. */
static long copy_out(void __user *argp, long usize, const void *from,
		     size_t ksize)
{
	if (copy_to_user(argp, from, min_t(size_t, usize, ksize)))
		return -EFAULT;
	return 0;
}

static long get_info(void __user *argp)
{
	struct vhost_doorbell_info arg = {}, info = {
		.size = sizeof(info),
		.abi_version = VHOST_DOORBELL_ABI_VERSION,
		.capabilities = VHOST_DOORBELL_CAP_VDPA |
				VHOST_DOORBELL_CAP_CLASSIC |
				VHOST_DOORBELL_CAP_POLL,
		.ring_features = VHDB_RING_FEATURES | VHDB_REQUEST_FEATURES,
		.backends = vhdb_backend_count(),
		.queues_max = VHDB_QUEUES_MAX,
		.queue_size_max = VHDB_QUEUE_SIZE_MAX,
		.iotlb_max = vhdb_iotlb_max,
		.poll_us_max = VHDB_POLL_US_MAX,
	};
	long usize = copy_in(&arg, sizeof(arg), argp,
			     VHOST_DOORBELL_INFO_SIZE_V1);

	return usize < 0 ? usize : copy_out(argp, usize, &info, sizeof(info));
}

static long backend_info(void __user *argp)
{
	struct vhost_doorbell_backend_info info = {};
	long usize;
	int err;

	usize = copy_in(&info, sizeof(info), argp,
			VHOST_DOORBELL_BACKEND_INFO_SIZE_V1);
	if (usize < 0)
		return usize;
	err = vhdb_backend_describe(&info);
	if (err)
		return err;
	info.size = sizeof(info);
	return copy_out(argp, usize, &info, sizeof(info));
}

static long attach(struct vhdb_device *dev, const void __user *argp)
{
	struct vhost_doorbell_attach arg = {};
	long usize;

	usize = copy_in(&arg, sizeof(arg), argp, VHOST_DOORBELL_ATTACH_SIZE_V1);
	return usize < 0 ? usize : vhdb_device_attach(dev, &arg, NULL);
}

static long get_stats(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_doorbell_stats stats = {}, arg = {};
	u32 first, last;
	long usize;

	if (!dev->backend)
		return -ENODEV;
	if (!dev->nvqs)
		return -EOPNOTSUPP;
	usize = copy_in(&arg, sizeof(arg), argp, VHOST_DOORBELL_STATS_SIZE_V1);
	if (usize < 0)
		return usize;

	stats.size = sizeof(stats);
	stats.queue = arg.queue;
	if (arg.queue == VHOST_DOORBELL_ALL_QUEUES) {
		first = 0;
		last = dev->nvqs - 1;
	} else if (arg.queue < dev->nvqs) {
		first = array_index_nospec(arg.queue, dev->nvqs);
		last = first;
	} else {
		return -ENOBUFS;
	}
	vhdb_device_stats(dev, first, last, &stats);
	return copy_out(argp, usize, &stats, sizeof(stats));
}

static long update(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_doorbell_update update = {};
	long usize, ret;

	if (!dev->backend)
		return -ENODEV;
	usize = copy_in(&update, sizeof(update), argp,
			VHOST_DOORBELL_UPDATE_SIZE_V1);
	if (usize < 0)
		return usize;
	if (update.flags)
		return -EINVAL;
	ret = vhdb_device_update(dev, &update.bytes);
	if (ret)
		return ret;
	update.size = sizeof(update);
	return copy_out(argp, usize, &update, sizeof(update));
}

/* Limits of one queue, beside those of all. */
static long set_rate(struct vhdb_device *dev, const void __user *argp)
{
	struct vhost_doorbell_rate arg = {};
	struct vhdb_vq *vq;
	long usize;
	int err;

	if (!dev->backend)
		return -ENODEV;
	if (!dev->nvqs)
		return -EOPNOTSUPP;
	usize = copy_in(&arg, sizeof(arg), argp, VHOST_DOORBELL_RATE_SIZE_V1);
	if (usize < 0)
		return usize;
	if (arg.queue >= dev->nvqs)
		return -ENOBUFS;
	vq = &dev->vqs[array_index_nospec(arg.queue, dev->nvqs)];
	err = vhdb_limit_set(&vq->limit, arg.requests, arg.burst_requests,
			     arg.bytes, arg.burst_bytes);
	if (err)
		return err;
	/* What waits for the old one need not any more. */
	WRITE_ONCE(vq->throttled, false);
	vhdb_vq_serve(vq);
	return 0;
}

static long backend_ioctl(struct vhdb_device *dev, unsigned int cmd,
			  void __user *argp)
{
	if (!dev->backend)
		return -ENODEV;
	if (!dev->backend->ioctl)
		return -ENOTTY;
	return dev->backend->ioctl(dev->priv, cmd, argp);
}

/*
 * The number of an ioctl of ours holds the size of the struct's first
 * version, so that it stays when the struct grows.
 */
static long ioctl_own(struct vhdb_device *dev, unsigned int cmd,
		      void __user *argp)
{
	switch (cmd) {
	case VHOST_DOORBELL_GET_INFO:
		return get_info(argp);
	case VHOST_DOORBELL_BACKEND_INFO:
		return backend_info(argp);
	case VHOST_DOORBELL_ATTACH:
		return attach(dev, argp);
	case VHOST_DOORBELL_GET_STATS:
		return get_stats(dev, argp);
	case VHOST_DOORBELL_UPDATE:
		return update(dev, argp);
	case VHOST_DOORBELL_SET_RATE:
		return set_rate(dev, argp);
	case VHOST_DOORBELL_START:
	case VHOST_DOORBELL_STOP:
	case VHOST_DOORBELL_GET_CONFIG:
	case VHOST_DOORBELL_SET_CONFIG:
	case VHOST_DOORBELL_SET_CONFIG_CALL:
		return vhdb_ioctl_vhost(dev, cmd, argp);
	default:
		if (_IOC_NR(cmd) >= VHOST_DOORBELL_BACKEND_NR)
			return backend_ioctl(dev, cmd, argp);
		return -ENOTTY;
	}
}

static long fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhdb_device *dev = file->private_data;
	void __user *argp = (void __user *)arg;
	long ret;

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	if (_IOC_TYPE(cmd) == VHOST_DOORBELL_IOCTL)
		ret = ioctl_own(dev, cmd, argp);
	else
		ret = vhdb_ioctl_vhost(dev, cmd, argp);
	mutex_unlock(&dev->mutex);
	return ret;
}

/* IOTLB messages. */
static ssize_t fop_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vhdb_device *dev = iocb->ki_filp->private_data;
	ssize_t ret;

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	ret = vhdb_iotlb_write(dev, from);
	mutex_unlock(&dev->mutex);
	return ret;
}

static ssize_t fop_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;

	return vhdb_iotlb_read(file->private_data, to,
			       (file->f_flags & O_NONBLOCK) ||
			       (iocb->ki_flags & IOCB_NOWAIT));
}

static __poll_t fop_poll(struct file *file, poll_table *pt)
{
	return vhdb_iotlb_poll(file->private_data, file, pt);
}

static int fop_open(struct inode *inode, struct file *file)
{
	struct vhdb_device *dev = vhdb_device_create();

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	/* It was the misc device's. */
	file->private_data = dev;
	return nonseekable_open(inode, file);
}

static int fop_release(struct inode *inode, struct file *file)
{
	struct vhdb_device *dev = file->private_data;
	struct vhdb_node *node = dev->node;

	vhdb_device_destroy(dev);
	if (node)
		vhdb_node_closed(node);
	return 0;
}

/* How one finds the device that a process's file is: what is immutable. */
static void fop_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vhdb_device *dev = file->private_data;
	/* Pairs with the one at the end of vhdb_device_attach(). */
	const struct vhdb_backend *backend = smp_load_acquire(&dev->backend);

	if (!backend)
		return;
	seq_printf(m, "vhdb-id:\t%u\n", dev->id);
	seq_printf(m, "vhdb-backend:\t%s\n", backend->name);
	seq_printf(m, "vhdb-queues:\t%u\n", dev->nvqs);
	if (dev->node)
		seq_printf(m, "vhdb-node:\t%s\n",
			   config_item_name(&dev->node->item));
	if (dev->file) {
		seq_puts(m, "vhdb-backing:\t");
		seq_file_path(m, dev->file, "\n");
		seq_putc(m, '\n');
	}
}

/* Of the control node, and of named nodes once they are open. */
const struct file_operations vhdb_fops = {
	.owner = THIS_MODULE,
	.open = fop_open,
	.release = fop_release,
	.unlocked_ioctl = fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = fop_read_iter,
	.write_iter = fop_write_iter,
	.poll = fop_poll,
	.show_fdinfo = fop_show_fdinfo,
	.llseek = noop_llseek,
};

/**
 * vhdb_backend_priv() - what a back end has made of a file
 * @file: any file; the caller holds it
 * @backend: the back end that asks, registered
 *
 * Context: process; sleeps while an ioctl of @file runs.
 * Return: what @backend's attach() returned, valid for as long as @file is
 * held; NULL if the file is none of ours, or none of @backend's.
 */
void *vhdb_backend_priv(struct file *file, const struct vhdb_backend *backend)
{
	struct vhdb_device *dev = file->private_data;
	void *priv = NULL;

	if (file->f_op != &vhdb_fops)
		return NULL;
	mutex_lock(&dev->mutex);
	if (dev->backend == backend)
		priv = dev->priv;
	mutex_unlock(&dev->mutex);
	return priv;
}
EXPORT_SYMBOL_GPL(vhdb_backend_priv);

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhost-doorbell",
	.nodename = "vhost-doorbell/control",
	.fops = &vhdb_fops,
	.mode = 0600,
};

static int __init vhdb_init(void)
{
	int err;

	/* A device may come as soon as the node is there. */
	vhdb_debugfs_init();
	err = vhdb_nodes_init();
	if (err)
		goto err_debugfs;
	err = misc_register(&misc);
	if (err)
		goto err_nodes;
	return 0;

err_nodes:
	vhdb_nodes_exit();
err_debugfs:
	vhdb_debugfs_exit();
	return err;
}
module_init(vhdb_init);

static void __exit vhdb_exit(void)
{
	misc_deregister(&misc);
	vhdb_nodes_exit();
	vhdb_debugfs_exit();
	/* Call eventfds are freed by a function of this module. */
	rcu_barrier();
}
module_exit(vhdb_exit);

module_param_named(iotlb_max, vhdb_iotlb_max, uint, 0444);
MODULE_PARM_DESC(iotlb_max, "Entries of a device's memory map at the most (default 4096)");

MODULE_DESCRIPTION("The device side of virtio, in the kernel");
MODULE_LICENSE("GPL");
