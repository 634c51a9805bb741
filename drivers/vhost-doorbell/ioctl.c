// SPDX-License-Identifier: GPL-2.0
/*
 * The two front doors' common part: ioctls of <linux/vhost.h> on our own file.
 *
 * Each dialect is a table, and what they have in common is another; a row also
 * says who may issue the ioctl. The order of the checks is that of the uapi
 * header's list of errors. A number that both dialects have in a table of their
 * own means different things in them.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ioctl.h"

/**
 * vhdb_ioctl_find_vq() - the queue that an argument names
 * @dev: the device
 * @index: userspace's number
 *
 * Context: process, under @dev->mutex.
 * Return: the queue, or NULL.
 */
struct vhdb_vq *vhdb_ioctl_find_vq(struct vhdb_device *dev, u32 index)
{
	if (index >= dev->nvqs)
		return NULL;
	return &dev->vqs[array_index_nospec(index, dev->nvqs)];
}

/**
 * vhdb_ioctl_get_state() - read an argument that is a queue and a number
 * @dev: the device
 * @argp: struct vhost_vring_state
 * @vq: out: the queue
 * @num: out: the number
 *
 * Context: process, under @dev->mutex.
 * Return: 0, -EFAULT, -ENOBUFS.
 */
long vhdb_ioctl_get_state(struct vhdb_device *dev, const void __user *argp,
			  struct vhdb_vq **vq, u32 *num)
{
	struct vhost_vring_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	*vq = vhdb_ioctl_find_vq(dev, state.index);
	*num = state.num;
	return *vq ? 0 : -ENOBUFS;
}

/**
 * vhdb_ioctl_put_num() - the answer to such an argument
 * @argp: struct vhost_vring_state
 * @num: the number
 *
 * Context: process.
 * Return: 0 or -EFAULT.
 */
long vhdb_ioctl_put_num(void __user *argp, u32 num)
{
	struct vhost_vring_state __user *state = argp;

	return put_user(num, &state->num);
}

/**
 * vhdb_ioctl_put_u32() - an answer
 * @argp: where to
 * @val: the answer
 *
 * Context: process.
 * Return: 0 or -EFAULT.
 */
long vhdb_ioctl_put_u32(void __user *argp, u32 val)
{
	return put_user(val, (u32 __user *)argp);
}

/**
 * vhdb_ioctl_put_u64() - an answer
 * @argp: where to
 * @val: the answer
 *
 * Context: process.
 * Return: 0 or -EFAULT.
 */
long vhdb_ioctl_put_u64(void __user *argp, u64 val)
{
	return copy_to_user(argp, &val, sizeof(val)) ? -EFAULT : 0;
}

static long get_features(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_ioctl_put_u64(argp, dev->offered);
}

static long set_owner(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_device_set_owner(dev);
}

/* What cannot be changed under a ring that is in use. */
static long get_idle_state(struct vhdb_device *dev, const void __user *argp,
			   struct vhdb_vq **vq, u32 *num)
{
	long ret = vhdb_ioctl_get_state(dev, argp, vq, num);

	if (ret)
		return ret;
	return (*vq)->started ? -EBUSY : 0;
}

static long set_vring_num(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	u32 num;
	long ret = get_idle_state(dev, argp, &vq, &num);

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
	long ret = get_idle_state(dev, argp, &vq, &num);

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

/**
 * vhdb_ioctl_get_addr() - read the argument of VHOST_SET_VRING_ADDR
 * @dev: the device
 * @argp: struct vhost_vring_addr
 * @vq: out: the queue
 * @addr: out: the argument
 *
 * Context: process, under @dev->mutex.
 * Return: 0, -EFAULT, -ENOBUFS.
 */
long vhdb_ioctl_get_addr(struct vhdb_device *dev, const void __user *argp,
			 struct vhdb_vq **vq, struct vhost_vring_addr *addr)
{
	if (copy_from_user(addr, argp, sizeof(*addr)))
		return -EFAULT;
	*vq = vhdb_ioctl_find_vq(dev, addr->index);
	return *vq ? 0 : -ENOBUFS;
}

/**
 * vhdb_ioctl_check_addr() - can a ring be at these addresses?
 * @vq: the queue
 * @addr: the addresses
 * @iova: out: the areas' addresses
 *
 * What is there is looked up when the queue starts: the memory map may come
 * later.
 *
 * Context: process, under the device's mutex.
 * Return: 0 or -EINVAL.
 */
long vhdb_ioctl_check_addr(const struct vhdb_vq *vq,
			   const struct vhost_vring_addr *addr,
			   u64 iova[VHDB_AREAS])
{
	u64 features = vq->dev->features;
	int i;

	iova[VHDB_AREA_DESC] = addr->desc_user_addr;
	iova[VHDB_AREA_DRIVER] = addr->avail_user_addr;
	iova[VHDB_AREA_DEVICE] = addr->used_user_addr;
	for (i = 0; i < VHDB_AREAS; i++) {
		size_t size = vhdb_ring_area_size(features, vq->num, i);

		/* 2.7, 2.8.10.1: alignments */
		if (!IS_ALIGNED(iova[i], vhdb_ring_area_align(features, i)))
			return -EINVAL;
		if (iova[i] + (size - 1) < iova[i])
			return -EINVAL;
	}
	return 0;
}

/* The queue and the eventfd that an argument names. */
static long get_vring_file(struct vhdb_device *dev, const void __user *argp,
			   struct vhdb_vq **vq, int *fd)
{
	struct vhost_vring_file file;

	if (copy_from_user(&file, argp, sizeof(file)))
		return -EFAULT;
	*vq = vhdb_ioctl_find_vq(dev, file.index);
	*fd = file.fd;
	return *vq ? 0 : -ENOBUFS;
}

static long set_vring_kick(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_kick_hook(&vq->kick, fd);
}

static long set_vring_call(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_call_move(&vq->call, fd);
}

static long set_vring_err(struct vhdb_device *dev, void __user *argp)
{
	struct vhdb_vq *vq;
	int fd;
	long ret = get_vring_file(dev, argp, &vq, &fd);

	return ret ?: vhdb_call_set(&vq->err, fd);
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

/**
 * vhdb_ioctl_get_config() - what the driver reads from config space
 * @dev: the device
 * @argp: struct vhost_vdpa_config
 *
 * Context: process, under @dev->mutex.
 * Return: 0, -EFAULT, -EINVAL, -E2BIG, -ENOMEM.
 */
long vhdb_ioctl_get_config(struct vhdb_device *dev, void __user *argp)
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

/**
 * vhdb_ioctl_set_config() - what the driver writes to config space
 * @dev: the device
 * @argp: struct vhost_vdpa_config
 *
 * It succeeds also where no field can be written by the driver: stock QEMU hands
 * back the whole space, as it was, whenever the guest writes to any of it.
 *
 * Context: process, under @dev->mutex.
 * Return: 0, -EFAULT, -EINVAL, -E2BIG, -ENOMEM.
 */
long vhdb_ioctl_set_config(struct vhdb_device *dev, void __user *argp)
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
	if (dev->backend->set_config)
		ret = dev->backend->set_config(dev->priv, range.off, config,
					       range.len);
	kfree(config);
	return ret;
}

/**
 * vhdb_ioctl_set_config_call() - whom to tell that config space has changed
 * @dev: the device
 * @argp: an eventfd, or -1
 *
 * Context: process, under @dev->mutex.
 * Return: 0, -EFAULT, the errors of vhdb_call_move().
 */
long vhdb_ioctl_set_config_call(struct vhdb_device *dev, void __user *argp)
{
	int fd;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	return vhdb_call_move(&dev->config_call, fd);
}

static u64 backend_features(const struct vhdb_device *dev)
{
	return vhdb_device_is_classic(dev) ?
	       vhdb_ioctls_classic.backend_features :
	       vhdb_ioctls_vdpa.backend_features;
}

static long get_backend_features(struct vhdb_device *dev, void __user *argp)
{
	return vhdb_ioctl_put_u64(argp, backend_features(dev));
}

static long set_backend_features(struct vhdb_device *dev, void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~backend_features(dev))
		return -EOPNOTSUPP;
	dev->backend_features = features;
	return 0;
}

/* What both have, and mean the same by. */
static const struct vhdb_ioctl ioctls[] = {
	{ VHOST_GET_FEATURES, VHDB_ANYONE, get_features },
	{ VHOST_SET_OWNER, VHDB_ANYONE, set_owner },
	{ VHOST_GET_BACKEND_FEATURES, VHDB_ANYONE, get_backend_features },
	{ VHOST_SET_BACKEND_FEATURES, VHDB_NOT_OTHERS, set_backend_features },
	{ VHOST_SET_VRING_NUM, VHDB_OWNER, set_vring_num },
	{ VHOST_SET_VRING_BASE, VHDB_OWNER, set_vring_base },
	{ VHOST_SET_VRING_KICK, VHDB_OWNER, set_vring_kick },
	{ VHOST_SET_VRING_CALL, VHDB_OWNER, set_vring_call },
	{ VHOST_SET_VRING_ERR, VHDB_OWNER, set_vring_err },
};

static const struct vhdb_ioctls ioctls_common = {
	.table = ioctls,
	.nr = ARRAY_SIZE(ioctls),
};

static const struct vhdb_ioctl *find(const struct vhdb_ioctls *ioctls,
				     unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ioctls->nr; i++)
		if (ioctls->table[i].cmd == cmd)
			return &ioctls->table[i];
	return NULL;
}

static int check_who(const struct vhdb_device *dev, enum vhdb_who who)
{
	if (who == VHDB_ANYONE || (who == VHDB_NOT_OTHERS && !dev->mm))
		return 0;
	return vhdb_device_owned_by_us(dev) ? 0 : -EPERM;
}

/* Is it known in the dialect, and does the back end have it? */
static bool is_offered(const struct vhdb_device *dev,
		       const struct vhdb_ioctl *i)
{
	return i && i->fn && dev->nvqs &&
	       (i->cmd != VHOST_NET_SET_BACKEND || dev->backend->set_file);
}

/**
 * vhdb_ioctl_vhost() - an ioctl of <linux/vhost.h>, or our own of a dialect
 * @dev: the device
 * @cmd: the ioctl
 * @argp: its argument
 *
 * Where the dialect is left open, what both have is done as in vdpa, and the
 * first one that only one of them has decides.
 *
 * Context: process, under @dev->mutex.
 * Return: as documented in the uapi header.
 */
long vhdb_ioctl_vhost(struct vhdb_device *dev, unsigned int cmd,
		      void __user *argp)
{
	const struct vhdb_ioctl *common = find(&ioctls_common, cmd);
	const struct vhdb_ioctl *vdpa = common ?: find(&vhdb_ioctls_vdpa, cmd);
	const struct vhdb_ioctl *classic = common ?: find(&vhdb_ioctls_classic,
							  cmd);
	const struct vhdb_ioctl *i = vdpa ?: classic;
	bool decides = false;
	int err;

	if (!i)
		return -ENOTTY;
	if (!dev->backend)
		return -ENODEV;
	if (dev->dialect == VHOST_DOORBELL_DIALECT_AUTO)
		decides = !vdpa || !classic;
	else
		i = vhdb_device_is_classic(dev) ? classic : vdpa;
	if (!is_offered(dev, i))
		return -EOPNOTSUPP;
	err = check_who(dev, i->who);
	if (err)
		return err;
	if (decides) {
		vhdb_device_set_dialect(dev, vdpa ?
					VHOST_DOORBELL_DIALECT_VDPA :
					VHOST_DOORBELL_DIALECT_CLASSIC);
		if (classic)
			vhdb_memory_batch_drop(&dev->memory);
	}
	return i->fn(dev, argp);
}
