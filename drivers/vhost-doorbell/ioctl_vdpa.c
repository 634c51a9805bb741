// SPDX-License-Identifier: GPL-2.0
/*
 * Front door 2: the vhost-vdpa ioctls, as <linux/vhost.h> has them for
 * /dev/vhost-vdpa-N, on our own file.
 */
#include <linux/uaccess.h>

#include "ioctl.h"

/* Newer than the oldest kernel that we build on. */
#ifndef VHOST_VDPA_RESUME
#define VHOST_VDPA_RESUME		_IO(VHOST_VIRTIO, 0x7E)
#endif
#ifndef VHOST_VDPA_GET_VRING_SIZE
#define VHOST_VDPA_GET_VRING_SIZE	_IOWR(VHOST_VIRTIO, 0x82, \
					      struct vhost_vring_state)
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
	vhdb_device_set_features(dev, features);
	return 0;
}

static long get_device_id(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_ioctl_put_u32(argp, dev->backend->device_id);
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

static long set_vring_enable(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 enable;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &enable);

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
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	return ret ?: vhdb_ioctl_put_num(argp, dev->queue_size);
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
	return vhdb_ioctl_put_u32(argp, dev->backend->config_size);
}

static long get_vqs_count(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_ioctl_put_u32(argp, dev->nvqs);
}

/* One group of queues, one address space. */
static long get_one(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_ioctl_put_u32(argp, 1);
}

static long get_vring_group(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	return ret ?: vhdb_ioctl_put_num(argp, 0);
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

static long get_vring_base(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num, base;
	long ret = vhdb_ioctl_get_state(dev, argp, &vq, &num);

	if (!ret)
		ret = vhdb_vq_get_base(vq, &base);
	return ret ?: vhdb_ioctl_put_num(argp, base);
}

/* Addresses are the driver's (IOVAs): they come before the memory map. */
static long set_vring_addr(struct vhdb_device *dev, void __user *argp)
{
	struct vhost_vring_addr addr;
	u64 iova[VHDB_AREAS];
	struct vhdb_vq *vq;
	long ret = vhdb_ioctl_get_addr(dev, argp, &vq, &addr);

	if (ret)
		return ret;
	if (vq->started)
		return -EBUSY;
	/* No dirty log in this dialect. */
	if (addr.flags)
		return -EINVAL;
	ret = vhdb_ioctl_check_addr(vq, &addr, iova);
	if (ret)
		return ret;
	memcpy(vq->iova, iova, sizeof(vq->iova));
	vq->has_addr = true;
	return 0;
}

static const struct vhdb_ioctl ioctls[] = {
	{ VHOST_SET_FEATURES, VHDB_NOT_OTHERS, set_features },
	{ VHOST_SET_VRING_ADDR, VHDB_OWNER, set_vring_addr },
	{ VHOST_GET_VRING_BASE, VHDB_OWNER, get_vring_base },

	{ VHOST_VDPA_GET_DEVICE_ID, VHDB_ANYONE, get_device_id },
	{ VHOST_VDPA_GET_STATUS, VHDB_ANYONE, get_status },
	{ VHOST_VDPA_SET_STATUS, VHDB_NOT_OTHERS, set_status },
	{ VHOST_VDPA_GET_CONFIG, VHDB_ANYONE, vhdb_ioctl_get_config },
	{ VHOST_VDPA_SET_CONFIG, VHDB_NOT_OTHERS, vhdb_ioctl_set_config },
	{ VHOST_VDPA_GET_CONFIG_SIZE, VHDB_ANYONE, get_config_size },
	{ VHOST_VDPA_SET_CONFIG_CALL, VHDB_OWNER,
	  vhdb_ioctl_set_config_call },
	{ VHOST_VDPA_SET_VRING_ENABLE, VHDB_OWNER, set_vring_enable },
	{ VHOST_VDPA_GET_VRING_NUM, VHDB_ANYONE, get_vring_num },
	{ VHOST_VDPA_GET_VRING_SIZE, VHDB_ANYONE, get_vring_size },
	{ VHOST_VDPA_GET_IOVA_RANGE, VHDB_ANYONE, get_iova_range },
	{ VHOST_VDPA_GET_VQS_COUNT, VHDB_ANYONE, get_vqs_count },
	{ VHOST_VDPA_GET_GROUP_NUM, VHDB_ANYONE, get_one },
	{ VHOST_VDPA_GET_AS_NUM, VHDB_ANYONE, get_one },
	{ VHOST_VDPA_GET_VRING_GROUP, VHDB_ANYONE, get_vring_group },
	{ VHOST_VDPA_SET_GROUP_ASID, VHDB_OWNER, set_group_asid },
	{ VHOST_VDPA_SUSPEND, VHDB_OWNER, suspend },
	{ VHOST_VDPA_RESUME, VHDB_OWNER, resume },
};

const struct vhdb_ioctls vhdb_ioctls_vdpa = {
	.table = ioctls,
	.nr = ARRAY_SIZE(ioctls),
	.backend_features = BACKEND_FEATURES,
};
