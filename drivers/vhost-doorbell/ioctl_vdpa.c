// SPDX-License-Identifier: GPL-2.0
/*
 * Front door: the vhost-vdpa ioctls and IOTLB messages, as <linux/vhost.h>
 * has them for /dev/vhost-vdpa-N, on our own file.
 *
 * Each ioctl is a row of a table, which also says who may issue it. The
 * order of the checks is that of the uapi header's list of errors.
 */
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>

#include "device.h"

/* Newer than the oldest kernel that we build on. */
#ifndef VHOST_VDPA_RESUME
#define VHOST_VDPA_RESUME		_IO(VHOST_VIRTIO, 0x7E)
#endif
#ifndef VHOST_VDPA_GET_VRING_SIZE
#define VHOST_VDPA_GET_VRING_SIZE	_IOWR(VHOST_VIRTIO, 0x82, \
					      struct vhost_vring_state)
#endif
#ifndef VHOST_NEW_WORKER
struct vhost_worker_state {
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER		_IOR(VHOST_VIRTIO, 0x8, \
					     struct vhost_worker_state)
#define VHOST_FREE_WORKER		_IOW(VHOST_VIRTIO, 0x9, \
					     struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER	_IOW(VHOST_VIRTIO, 0x15, \
					     struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER		_IOWR(VHOST_VIRTIO, 0x16, \
					      struct vhost_vring_worker)
#endif
#ifndef VHOST_BACKEND_F_RESUME
#define VHOST_BACKEND_F_RESUME			0x5
#endif
#ifndef VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK
#define VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK	0x6
#endif

#define BACKEND_FEATURES	(BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) | \
				 BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH) |	\
				 BIT_ULL(VHOST_BACKEND_F_SUSPEND) |	\
				 BIT_ULL(VHOST_BACKEND_F_RESUME) |	\
				 BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK))

/* The queue that an argument names; it is userspace's number. */
static struct vhdb_vq *find_vq(struct vhdb_device *dev, u32 index)
{
	if (index >= dev->nvqs)
		return NULL;
	return &dev->vqs[array_index_nospec(index, dev->nvqs)];
}

/* An argument that is a queue and a number. */
static long get_vring_state(struct vhdb_device *dev, const void __user *argp,
			    struct vhdb_vq **vq, u32 *num)
{
	struct vhost_vring_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	*vq = find_vq(dev, state.index);
	*num = state.num;
	return *vq ? 0 : -ENOBUFS;
}

/* The answer to such an argument. */
static long put_vring_num(void __user *argp, u32 num)
{
	struct vhost_vring_state __user *state = argp;

	return put_user(num, &state->num);
}

static long put_u32(void __user *argp, u32 val)
{
	return put_user(val, (u32 __user *)argp);
}

static long put_u64(void __user *argp, u64 val)
{
	return copy_to_user(argp, &val, sizeof(val)) ? -EFAULT : 0;
}

static long get_features(struct vhdb_device *dev, void __user *argp)
{
	return put_u64(argp, dev->offered);
}

static long set_features(struct vhdb_device *dev, void __user *argp)
{
	u64 features;

	/* 3.1.1: what FEATURES_OK has confirmed stays. */
	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return -EBUSY;
	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~dev->offered)
		return -EINVAL;
	dev->features = features;
	return 0;
}

static long get_backend_features(struct vhdb_device *dev, void __user *argp)
{
	return put_u64(argp, BACKEND_FEATURES);
}

static long set_backend_features(struct vhdb_device *dev, void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~BACKEND_FEATURES)
		return -EOPNOTSUPP;
	return 0;
}

static long set_owner(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_device_set_owner(dev);
}

static long get_device_id(struct vhdb_device *dev, void __user *argp)
{
	return put_u32(argp, dev->backend->device_id);
}

static long get_status(struct vhdb_device *dev, void __user *argp)
{
	return put_user(vhdb_device_status(dev), (u8 __user *)argp);
}

static long set_status(struct vhdb_device *dev, void __user *argp)
{
	u8 status;

	if (get_user(status, (u8 __user *)argp))
		return -EFAULT;
	/* It pins the caller's memory. */
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !vhdb_device_owned_by_us(dev))
		return -EPERM;
	return vhdb_device_set_status(dev, status);
}

/* Reads and checks the header of a config access. */
static long config_range(struct vhdb_device *dev, const void __user *argp,
			 struct vhost_vdpa_config *config)
{
	u32 size = dev->backend->config_size;

	if (copy_from_user(config, argp, offsetof(struct vhost_vdpa_config, buf)))
		return -EFAULT;
	if (!config->len)
		return -EINVAL;
	if (config->off > size || config->len > size - config->off)
		return -E2BIG;
	return 0;
}

static long get_config(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vdpa_config range;
	void *config;
	long ret;

	ret = config_range(dev, argp, &range);
	if (ret)
		return ret;
	config = kzalloc(dev->backend->config_size, GFP_KERNEL);
	if (!config)
		return -ENOMEM;
	dev->backend->get_config(dev->priv, config);
	if (copy_to_user(argp + offsetof(struct vhost_vdpa_config, buf),
			 config + range.off, range.len))
		ret = -EFAULT;
	kfree(config);
	return ret;
}

/*
 * No field can be written by the driver. It succeeds all the same: stock QEMU
 * hands back the whole space whenever the guest writes to any of it.
 */
static long set_config(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vdpa_config range;
	void *config;
	long ret;

	ret = config_range(dev, argp, &range);
	if (ret)
		return ret;
	config = memdup_user(argp + offsetof(struct vhost_vdpa_config, buf),
			     range.len);
	if (IS_ERR(config))
		return PTR_ERR(config);
	kfree(config);
	return 0;
}

static long set_vring_enable(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 enable;
	long ret = get_vring_state(dev, argp, &vq, &enable);

	if (ret)
		return ret;
	if (enable > 1)
		return -EINVAL;
	return vhdb_device_enable_vq(dev, vq, enable);
}

static long get_vring_num(struct vhdb_device *dev, void __user *argp)
{
	return put_user((u16)dev->queue_size, (u16 __user *)argp);
}

/* One queue's size, where GET_VRING_NUM is that of all. */
static long get_vring_size(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = get_vring_state(dev, argp, &vq, &num);

	return ret ?: put_vring_num(argp, dev->queue_size);
}

static long set_config_call(struct vhdb_device *dev, void __user *argp)
{
	int fd;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	return vhdb_call_set(&dev->config_call, fd);
}

static long get_iova_range(struct vhdb_device *dev, void __user *argp)
{
	static const struct vhost_vdpa_iova_range range = {
		.first = 0,
		.last = U64_MAX,
	};

	return copy_to_user(argp, &range, sizeof(range)) ? -EFAULT : 0;
}

static long get_config_size(struct vhdb_device *dev, void __user *argp)
{
	return put_u32(argp, dev->backend->config_size);
}

static long get_vqs_count(struct vhdb_device *dev, void __user *argp)
{
	return put_u32(argp, dev->nvqs);
}

/* One group of queues, one address space. */
static long get_one(struct vhdb_device *dev, void __user *argp)
{
	return put_u32(argp, 1);
}

static long get_vring_group(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = get_vring_state(dev, argp, &vq, &num);

	return ret ?: put_vring_num(argp, 0);
}

static long set_group_asid(struct vhdb_device *dev, void __user *argp)
{
	return -EOPNOTSUPP;
}

static long suspend(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_device_suspend(dev);
}

static long resume(struct vhdb_device *dev, void __user *argp)
{
	vhdb_device_resume(dev);
	return 0;
}

/* What cannot be changed under a ring that is in use. */
static long get_idle_vring_state(struct vhdb_device *dev,
				 const void __user *argp, struct vhdb_vq **vq,
				 u32 *num)
{
	long ret = get_vring_state(dev, argp, vq, num);

	if (ret)
		return ret;
	return (*vq)->started ? -EBUSY : 0;
}

static long set_vring_num(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = get_idle_vring_state(dev, argp, &vq, &num);

	if (ret)
		return ret;
	if (num > dev->queue_size || !vhdb_ring_num_valid(dev->features, num))
		return -EINVAL;
	vq->num = num;
	return 0;
}

static long set_vring_base(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = get_idle_vring_state(dev, argp, &vq, &num);

	if (ret)
		return ret;
	/*
	 * Packed: the available side below, the used side above. Clients that
	 * know the first only mean it for both.
	 */
	if (!vhdb_ring_is_packed(dev->features) && num > U16_MAX)
		return -EINVAL;
	if (vhdb_ring_is_packed(dev->features) && num <= U16_MAX)
		num |= num << 16;
	vq->base = num;
	vq->has_base = true;
	return 0;
}

static long get_vring_base(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num, base;
	long ret = get_vring_state(dev, argp, &vq, &num);

	if (!ret)
		ret = vhdb_vq_get_base(vq, &base);
	return ret ?: put_vring_num(argp, base);
}

/*
 * Addresses are the driver's (IOVAs): they come before the memory map, and
 * are translated at DRIVER_OK.
 */
static long set_vring_addr(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vring_addr addr;
	u64 iova[VHDB_AREAS];
	struct vhdb_vq *vq;
	int i;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	vq = find_vq(dev, addr.index);
	if (!vq)
		return -ENOBUFS;
	if (vq->started)
		return -EBUSY;

	iova[VHDB_AREA_DESC] = addr.desc_user_addr;
	iova[VHDB_AREA_DRIVER] = addr.avail_user_addr;
	iova[VHDB_AREA_DEVICE] = addr.used_user_addr;
	/* No dirty log in this dialect. */
	if (addr.flags)
		return -EINVAL;
	for (i = 0; i < VHDB_AREAS; i++) {
		size_t size = vhdb_ring_area_size(dev->features, vq->num, i);

		/* 2.7, 2.8.10.1: alignments */
		if (!IS_ALIGNED(iova[i], vhdb_ring_area_align(dev->features, i)))
			return -EINVAL;
		if (iova[i] + (size - 1) < iova[i])
			return -EINVAL;
	}

	memcpy(vq->iova, iova, sizeof(vq->iova));
	vq->has_addr = true;
	return 0;
}

/* The queue and the eventfd that an argument names. */
static long get_vring_file(struct vhdb_device *dev, const void __user *argp,
			   struct vhdb_vq **vq, int *fd)
{
	struct vhost_vring_file file;

	if (copy_from_user(&file, argp, sizeof(file)))
		return -EFAULT;
	*vq = find_vq(dev, file.index);
	*fd = file.fd;
	return *vq ? 0 : -ENOBUFS;
}

static long set_vring_kick(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_kick_hook(&vq->kick, dev->worker, fd);
}

static long set_vring_call(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_call_set(&vq->call, fd);
}

static long set_vring_err(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_call_set(&vq->err, fd);
}

/* Who may issue an ioctl. */
enum who {
	ANYONE,		/* also before there is an owner */
	NOT_OTHERS,	/* anyone while there is no owner, then he alone */
	OWNER,		/* he alone */
};

static const struct vhost_ioctl {
	unsigned int cmd;
	enum who who;
	long (*fn)(struct vhdb_device *dev, void __user *argp);
} ioctls[] = {
	{ VHOST_GET_FEATURES, ANYONE, get_features },
	{ VHOST_SET_FEATURES, NOT_OTHERS, set_features },
	{ VHOST_GET_BACKEND_FEATURES, ANYONE, get_backend_features },
	{ VHOST_SET_BACKEND_FEATURES, NOT_OTHERS, set_backend_features },
	{ VHOST_SET_OWNER, ANYONE, set_owner },
	{ VHOST_SET_VRING_NUM, OWNER, set_vring_num },
	{ VHOST_SET_VRING_ADDR, OWNER, set_vring_addr },
	{ VHOST_SET_VRING_BASE, OWNER, set_vring_base },
	{ VHOST_GET_VRING_BASE, OWNER, get_vring_base },
	{ VHOST_SET_VRING_KICK, OWNER, set_vring_kick },
	{ VHOST_SET_VRING_CALL, OWNER, set_vring_call },
	{ VHOST_SET_VRING_ERR, OWNER, set_vring_err },

	{ VHOST_VDPA_GET_DEVICE_ID, ANYONE, get_device_id },
	{ VHOST_VDPA_GET_STATUS, ANYONE, get_status },
	{ VHOST_VDPA_SET_STATUS, NOT_OTHERS, set_status },
	{ VHOST_VDPA_GET_CONFIG, ANYONE, get_config },
	{ VHOST_VDPA_SET_CONFIG, NOT_OTHERS, set_config },
	{ VHOST_VDPA_GET_CONFIG_SIZE, ANYONE, get_config_size },
	{ VHOST_VDPA_SET_CONFIG_CALL, OWNER, set_config_call },
	{ VHOST_VDPA_SET_VRING_ENABLE, OWNER, set_vring_enable },
	{ VHOST_VDPA_GET_VRING_NUM, ANYONE, get_vring_num },
	{ VHOST_VDPA_GET_VRING_SIZE, ANYONE, get_vring_size },
	{ VHOST_VDPA_GET_IOVA_RANGE, ANYONE, get_iova_range },
	{ VHOST_VDPA_GET_VQS_COUNT, ANYONE, get_vqs_count },
	{ VHOST_VDPA_GET_GROUP_NUM, ANYONE, get_one },
	{ VHOST_VDPA_GET_AS_NUM, ANYONE, get_one },
	{ VHOST_VDPA_GET_VRING_GROUP, ANYONE, get_vring_group },
	{ VHOST_VDPA_SET_GROUP_ASID, OWNER, set_group_asid },
	{ VHOST_VDPA_SUSPEND, OWNER, suspend },
	{ VHOST_VDPA_RESUME, OWNER, resume },

	/* The classic dialect's: refused as what they are. */
	{ VHOST_RESET_OWNER },
	{ VHOST_SET_MEM_TABLE },
	{ VHOST_SET_LOG_BASE },
	{ VHOST_SET_LOG_FD },
	{ VHOST_SET_VRING_ENDIAN },
	{ VHOST_GET_VRING_ENDIAN },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT },
	{ VHOST_GET_VRING_BUSYLOOP_TIMEOUT },
	{ VHOST_NEW_WORKER },
	{ VHOST_FREE_WORKER },
	{ VHOST_ATTACH_VRING_WORKER },
	{ VHOST_GET_VRING_WORKER },
	{ VHOST_NET_SET_BACKEND },
};

/**
 * vhdb_ioctl_vhost() - an ioctl of <linux/vhost.h>
 * @dev: the device
 * @cmd: the ioctl
 * @argp: its argument
 *
 * Context: process, under @dev->mutex.
 * Return: as documented in the uapi header.
 */
long vhdb_ioctl_vhost(struct vhdb_device *dev, unsigned int cmd,
		      void __user *argp)
{
	const struct vhost_ioctl *i;

	for (i = ioctls; i < ioctls + ARRAY_SIZE(ioctls); i++) {
		if (i->cmd != cmd)
			continue;
		if (!dev->backend)
			return -ENODEV;
		if (!i->fn || !dev->nvqs)
			return -EOPNOTSUPP;
		if (i->who == OWNER && !vhdb_device_owned_by_us(dev))
			return -EPERM;
		if (i->who == NOT_OTHERS && dev->mm &&
		    !vhdb_device_owned_by_us(dev))
			return -EPERM;
		return i->fn(dev, argp);
	}
	return -ENOTTY;
}

/* One change of the map; see vhdb_memory_*() for the errors. */
static int iotlb_msg(struct vhdb_device *dev, const struct vhost_iotlb_msg *msg)
{
	bool wait = false;
	int err;

	switch (msg->type) {
	case VHOST_IOTLB_UPDATE:
		err = vhdb_memory_update(&dev->memory, msg->iova, msg->size,
					 msg->uaddr, msg->perm);
		break;
	case VHOST_IOTLB_INVALIDATE:
		err = vhdb_memory_invalidate(&dev->memory, msg->iova,
					     msg->size, &wait);
		break;
	case VHOST_IOTLB_BATCH_BEGIN:
		return vhdb_memory_batch_begin(&dev->memory);
	case VHOST_IOTLB_BATCH_END:
		err = vhdb_memory_batch_end(&dev->memory);
		wait = true;
		break;
	default:
		return -EINVAL;
	}
	/* Within a batch, nothing has changed yet. */
	if (err || dev->memory.shadow)
		return err;
	return vhdb_device_map_changed(dev, wait);
}

/**
 * vhdb_iotlb_write() - an IOTLB message
 * @dev: the device
 * @from: struct vhost_msg or struct vhost_msg_v2
 *
 * Context: process, under @dev->mutex.
 * Return: bytes taken; -EINVAL for what is no whole message, -ENODEV,
 * -EOPNOTSUPP, -EPERM, the errors of vhdb_memory_update() and its like, -EINTR.
 */
ssize_t vhdb_iotlb_write(struct vhdb_device *dev, struct iov_iter *from)
{
	size_t len = iov_iter_count(from);
	struct vhost_msg_v2 msg;
	int err;

	/* The two differ in what lies between type and message. */
	static_assert(offsetof(struct vhost_msg, iotlb) ==
		      offsetof(struct vhost_msg_v2, iotlb));
	static_assert(sizeof(struct vhost_msg) == sizeof(struct vhost_msg_v2));

	if (!dev->backend)
		return -ENODEV;
	if (!dev->nvqs)
		return -EOPNOTSUPP;
	if (!vhdb_device_owned_by_us(dev))
		return -EPERM;
	if (len < sizeof(msg))
		return -EINVAL;
	if (!copy_from_iter_full(&msg, sizeof(msg), from))
		return -EFAULT;
	if (msg.type == VHOST_IOTLB_MSG_V2 ? msg.asid != 0 :
					     msg.type != VHOST_IOTLB_MSG)
		return -EINVAL;
	err = iotlb_msg(dev, &msg.iotlb);
	return err ?: sizeof(msg);
}
