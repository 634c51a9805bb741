// SPDX-License-Identifier: GPL-2.0
/*
 * Front door 1: the classic vhost ioctls, as <linux/vhost.h> has them for
 * /dev/vhost-net and its like, on our own file.
 *
 * Where a client can tell the difference, they do what those of the kernel's
 * own vhost do; where not, that is said in the uapi header. What has no number
 * there: START, which in vhost belongs to each device, STOP, and config space,
 * which vhost leaves to userspace.
 */
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost_iotlb.h>

#include "ioctl.h"

#define BACKEND_FEATURES	(BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) | \
				 BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH))

static bool is_running(const struct vhdb_device *dev)
{
	u16 i;

	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i].started)
			return true;
	return false;
}

/* Is all within the log that is going to be logged there? */
static bool log_fits(const struct vhdb_device *dev, u64 base, u64 features)
{
	u16 i;

	if ((features & BIT_ULL(VHOST_F_LOG_ALL)) &&
	    !vhdb_log_fits_table(base, &dev->memory))
		return false;
	for (i = 0; i < dev->nvqs; i++) {
		const struct vhdb_vq *vq = &dev->vqs[i];

		if (vq->log.ring &&
		    !vhdb_log_fits_ring(vq, base, vq->log.ring_addr))
			return false;
	}
	return true;
}

static int log_data(struct vhdb_device *dev, bool on)
{
	u16 i;

	for (i = 0; i < dev->nvqs; i++) {
		struct vhdb_vq *vq = &dev->vqs[i];
		int err = vhdb_vq_set_log(vq, on, vq->log.ring,
					  vq->log.ring_addr);

		if (err)
			return err;
	}
	return 0;
}

/* While queues run, it is about the log, and nothing else. */
static int change_log(struct vhdb_device *dev, u64 features)
{
	int err;

	if ((features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL))
		return -EBUSY;
	if (features == dev->features)
		return 0;
	if (!log_fits(dev, dev->log_base, features))
		return -EFAULT;
	err = log_data(dev, features & BIT_ULL(VHOST_F_LOG_ALL));
	if (!err)
		WRITE_ONCE(dev->features, features);
	return err;
}

static int change_features(struct vhdb_device *dev, u64 features)
{
	bool iotlb = features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	u64 diff = features ^ dev->features;
	int err;
	u16 i;

	if (features & ~dev->offered)
		return -EOPNOTSUPP;
	if (is_running(dev))
		return change_log(dev, features);

	/* The IOTLB starts empty: what it had may have gone meanwhile. */
	err = vhdb_memory_renew(&dev->memory, !iotlb);
	if (!err)
		err = log_data(dev, features & BIT_ULL(VHOST_F_LOG_ALL));
	if (err)
		return err;
	/* Addresses that have been set were of the other kind. */
	if (diff & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))
		for (i = 0; i < dev->nvqs; i++)
			dev->vqs[i].has_addr = false;
	vhdb_device_set_features(dev, features);
	wake_up_interruptible_poll(&dev->msg_wait, EPOLLIN | EPOLLRDNORM);
	return 0;
}

static long set_features(struct vhdb_device *dev, void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	return change_features(dev, features);
}

/* Of words beyond the first, which we have no features for. */
#define ARRAY_MAX	(PAGE_SIZE / sizeof(u64))

static long get_features_array(struct vhdb_device *dev, void __user *argp)
{
	u64 __user *word = argp;
	u64 count;

	if (copy_from_user(&count, word, sizeof(count)))
		return -EFAULT;
	if (count > ARRAY_MAX)
		return -E2BIG;
	if (!count)
		return 0;
	if (clear_user(word + 2, (count - 1) * sizeof(count)))
		return -EFAULT;
	return vhdb_ioctl_put_u64(word + 1, dev->offered);
}

static long set_features_array(struct vhdb_device *dev, void __user *argp)
{
	u64 __user *word = argp;
	u64 count, features = 0;
	int zero = 1;

	if (copy_from_user(&count, word, sizeof(count)))
		return -EFAULT;
	if (count > ARRAY_MAX)
		return -E2BIG;
	if (count && copy_from_user(&features, word + 1, sizeof(features)))
		return -EFAULT;
	if (count > 1)
		zero = check_zeroed_user(word + 2, (count - 1) * sizeof(count));
	if (zero <= 0)
		return zero ?: -EOPNOTSUPP;
	return change_features(dev, features);
}

static long reset_owner(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_device_reset_owner(dev);
}

static int fill_table(struct vhost_iotlb *table,
		      const struct vhost_memory_region *region, u32 nr)
{
	int err = 0;

	for (; !err && nr; region++, nr--)
		err = vhdb_memory_add(table, region->guest_phys_addr,
				      region->memory_size,
				      region->userspace_addr,
				      VHDB_READ | VHDB_WRITE);
	return err;
}

/* A log that is in use has to have room for what is new. */
static bool log_fits_regions(const struct vhdb_device *dev,
			     const struct vhost_memory_region *region, u32 nr)
{
	if (!(dev->features & BIT_ULL(VHOST_F_LOG_ALL)) || !is_running(dev))
		return true;
	for (; nr; region++, nr--)
		if (!vhdb_log_fits(dev->log_base, region->guest_phys_addr,
				   region->memory_size))
			return false;
	return true;
}

static long set_mem_table(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_memory __user *user = argp;
	struct vhost_memory_region *regions;
	struct vhost_memory memory;
	struct vhost_iotlb *table;
	long err;

	if (copy_from_user(&memory, user, sizeof(memory)))
		return -EFAULT;
	if (memory.padding)
		return -EINVAL;
	if (memory.nregions > vhdb_iotlb_max)
		return -E2BIG;
	regions = vmemdup_user(user->regions,
			       memory.nregions * sizeof(*regions));
	if (IS_ERR(regions))
		return PTR_ERR(regions);
	table = vhdb_memory_new_map();
	err = table ? fill_table(table, regions, memory.nregions) : -ENOMEM;
	if (!err && !log_fits_regions(dev, regions, memory.nregions))
		err = -EFAULT;
	kvfree(regions);
	if (err) {
		vhost_iotlb_free(table);
		return err;
	}
	/* The old table stays until this one is there, as a whole. */
	err = vhdb_memory_set_table(&dev->memory, table,
				    !vhdb_device_has_iotlb(dev));
	if (err || vhdb_device_has_iotlb(dev))
		return err;
	return vhdb_device_map_changed(dev, true);
}

static long set_log_base(struct vhdb_device *dev, void __user *argp)
{
	u64 base;
	u16 i;

	if (copy_from_user(&base, argp, sizeof(base)))
		return -EFAULT;
	if (base != (unsigned long)base ||
	    !access_ok((void __user *)(unsigned long)base, 1))
		return -EFAULT;
	if (is_running(dev) && !log_fits(dev, base, dev->features))
		return -EFAULT;
	for (i = 0; i < dev->nvqs; i++)
		if (vhdb_vq_set_log_base(&dev->vqs[i], base))
			return -EINTR;
	dev->log_base = base;
	return 0;
}

static long set_log_fd(struct vhdb_device *dev, void __user *argp)
{
	int fd;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	return vhdb_call_set(&dev->log_call, fd);
}

/*
 * No ring can have all of its areas at 0. A driver that was reset may use fewer
 * queues than the one before it: what those had is not to be served as a ring.
 */
static int forget_addr(struct vhdb_vq *vq)
{
	int err;

	if (vq->started)
		return -EBUSY;
	err = vhdb_vq_set_log(vq, vq->log.data, false, 0);
	if (!err)
		vq->has_addr = false;
	return err;
}

/*
 * Addresses are the owner's own, or IOVAs if there is an IOTLB. While the queue
 * runs it stays where it is: the same ones again turn its log on or off.
 */
static long set_vring_addr(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vring_addr addr;
	u64 iova[VHDB_AREAS];
	struct vhdb_vq *vq;
	bool log;
	long ret = vhdb_ioctl_get_addr(dev, argp, &vq, &addr);

	if (ret)
		return ret;
	if (addr.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(addr.log_guest_addr, VRING_USED_ALIGN_SIZE))
		return -EINVAL;
	if (!(addr.desc_user_addr | addr.avail_user_addr | addr.used_user_addr))
		return forget_addr(vq);
	ret = vhdb_ioctl_check_addr(vq, &addr, iova);
	if (ret)
		return ret;
	if (vq->started && memcmp(vq->iova, iova, sizeof(iova)))
		return -EBUSY;

	log = addr.flags & BIT(VHOST_VRING_F_LOG);
	if (vq->started && log &&
	    !vhdb_log_fits_ring(vq, dev->log_base, addr.log_guest_addr))
		return -EINVAL;
	ret = vhdb_vq_set_log(vq, vq->log.data, log, addr.log_guest_addr);
	if (ret)
		return ret;
	memcpy(vq->iova, iova, sizeof(vq->iova));
	vq->has_addr = true;
	return 0;
}

/* Nothing in flight, nothing deferred, all of it logged, and unpinned. */
static int stop_vq(struct vhdb_vq *vq)
{
	int err = vhdb_vq_hold(vq);

	return err ?: vhdb_vq_stop(vq, true);
}

/* A queue that runs is stopped by it. */
static long get_vring_base(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num, base;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	if (!ret)
		ret = stop_vq(vq);
	if (!ret)
		ret = vhdb_vq_get_base(vq, &base);
	return ret ?: vhdb_ioctl_put_num(argp, base);
}

static long set_vring_endian(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	if (ret)
		return ret;
	if (vq->started)
		return -EBUSY;
	/* Virtio 1 is little-endian (1.4), and older drivers are not served. */
	switch (num) {
	case VHOST_VRING_LITTLE_ENDIAN:
		return 0;
	case VHOST_VRING_BIG_ENDIAN:
		return -EPROTONOSUPPORT;
	default:
		return -EINVAL;
	}
}

static long get_vring_endian(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	return ret ?: vhdb_ioctl_put_num(argp, VHOST_VRING_LITTLE_ENDIAN);
}

static long set_busyloop_timeout(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	if (ret)
		return ret;
	/* What its clients ask for is neither bounded nor adapted. */
	WRITE_ONCE(vq->poll_fixed, true);
	WRITE_ONCE(vq->poll_us, num);
	return 0;
}

static long get_busyloop_timeout(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	return ret ?: vhdb_ioctl_put_num(argp, vq->poll_us);
}

static long new_worker(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_worker_state state;
	int err = vhdb_pool_add(dev, &state.worker_id);

	if (err)
		return err;
	if (!copy_to_user(argp, &state, sizeof(state)))
		return 0;
	/* Nobody knows its number. */
	vhdb_pool_free(dev, state.worker_id);
	return -EFAULT;
}

static long free_worker(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_worker_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	return vhdb_pool_free(dev, state.worker_id);
}

static long attach_vring_worker(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vring_worker arg;
	struct vhdb_vq *vq;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	vq = vhdb_ioctl_find_vq(dev, arg.index);
	return vq ? vhdb_pool_attach(vq, arg.worker_id) : -ENOBUFS;
}

static long get_vring_worker(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vring_worker arg;
	struct vhdb_vq *vq;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	vq = vhdb_ioctl_find_vq(dev, arg.index);
	if (!vq)
		return -ENOBUFS;
	arg.worker_id = vhdb_worker_id(vq->work.worker);
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* The place of DRIVER_OK, and of a device's own SET_BACKEND or SET_ENDPOINT. */
static long start(struct vhdb_device *dev, void __user *argp)
{
	bool any = false;
	u16 i;

	if (dev->required & ~dev->features)
		return -EPROTO;
	for (i = 0; i < dev->nvqs; i++)
		any |= dev->vqs[i].has_addr;
	if (!any)
		return -ENODATA;
	if (!log_fits(dev, dev->log_base, dev->features))
		return -EFAULT;
	return vhdb_device_start_vqs(dev);
}

static long stop(struct vhdb_device *dev, void __user *argp)
{
	int err = 0;
	u16 i;

	for (i = 0; !err && i < dev->nvqs; i++)
		err = stop_vq(&dev->vqs[i]);
	return err;
}

/* Vhost-net's START and STOP, for one queue, and what it is to be served with. */
static int start_with(struct vhdb_vq *vq, struct file *file)
{
	const struct vhdb_backend *backend = vq->dev->backend;
	struct vhdb_device *dev = vq->dev;
	int err;

	if (dev->required & ~dev->features)
		return -EPROTO;
	if (!vq->has_addr)
		return -ENODATA;
	if (!log_fits(dev, dev->log_base, dev->features))
		return -EFAULT;
	/* If it runs, with another file from now on. */
	err = vhdb_vq_hold(vq);
	if (!err)
		err = backend->set_file(dev->priv, vq->index, file);
	if (vq->started) {
		vhdb_vq_serve(vq);
		return err;
	}
	if (!err)
		err = vhdb_device_start_vq(dev, vq);
	return err;
}

static long net_set_backend(struct vhdb_device *dev, void __user *argp)
{
	const struct vhdb_backend *backend = dev->backend;
	struct vhost_vring_file arg;
	struct vhdb_vq *vq;
	struct file *file;
	long ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	vq = vhdb_ioctl_find_vq(dev, arg.index);
	if (!vq)
		return -ENOBUFS;
	if (arg.fd == VHOST_FILE_UNBIND) {
		ret = stop_vq(vq);
		return ret ?: backend->set_file(dev->priv, vq->index, NULL);
	}
	/* One fget, held throughout: checked is what is used. */
	file = fget(arg.fd);
	if (!file)
		return -EBADF;
	ret = start_with(vq, file);
	fput(file);
	return ret;
}

static const struct vhdb_ioctl ioctls[] = {
	{ VHOST_SET_FEATURES, VHDB_NOT_OTHERS, set_features },
	{ VHOST_SET_VRING_ADDR, VHDB_OWNER, set_vring_addr },
	{ VHOST_GET_VRING_BASE, VHDB_OWNER, get_vring_base },

	{ VHOST_GET_FEATURES_ARRAY, VHDB_ANYONE, get_features_array },
	{ VHOST_SET_FEATURES_ARRAY, VHDB_NOT_OTHERS, set_features_array },
	{ VHOST_RESET_OWNER, VHDB_OWNER, reset_owner },
	{ VHOST_SET_MEM_TABLE, VHDB_OWNER, set_mem_table },
	{ VHOST_SET_LOG_BASE, VHDB_OWNER, set_log_base },
	{ VHOST_SET_LOG_FD, VHDB_OWNER, set_log_fd },
	{ VHOST_SET_VRING_ENDIAN, VHDB_OWNER, set_vring_endian },
	{ VHOST_GET_VRING_ENDIAN, VHDB_OWNER, get_vring_endian },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, VHDB_OWNER, set_busyloop_timeout },
	{ VHOST_GET_VRING_BUSYLOOP_TIMEOUT, VHDB_OWNER, get_busyloop_timeout },
	{ VHOST_NEW_WORKER, VHDB_OWNER, new_worker },
	{ VHOST_FREE_WORKER, VHDB_OWNER, free_worker },
	{ VHOST_ATTACH_VRING_WORKER, VHDB_OWNER, attach_vring_worker },
	{ VHOST_GET_VRING_WORKER, VHDB_OWNER, get_vring_worker },
	{ VHOST_DOORBELL_START, VHDB_OWNER, start },
	{ VHOST_DOORBELL_STOP, VHDB_OWNER, stop },
	{ VHOST_DOORBELL_GET_CONFIG, VHDB_ANYONE, vhdb_ioctl_get_config },
	{ VHOST_DOORBELL_SET_CONFIG, VHDB_NOT_OTHERS, vhdb_ioctl_set_config },
	{ VHOST_DOORBELL_SET_CONFIG_CALL, VHDB_OWNER,
	  vhdb_ioctl_set_config_call },
	{ VHOST_NET_SET_BACKEND, VHDB_OWNER, net_set_backend },
};

const struct vhdb_ioctls vhdb_ioctls_classic = {
	.table = ioctls,
	.nr = ARRAY_SIZE(ioctls),
	.backend_features = BACKEND_FEATURES,
};
