/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_IOCTL_H
#define VHDB_IOCTL_H

#include "device.h"

/* Newer than the oldest kernel that we build on. */
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

/* Linux 6.17, commit 333c515d1896 ("vhost-net: allow configuring extended features") */
#ifndef VHOST_GET_FEATURES_ARRAY
struct vhost_features_array {
	__u64 count;
	__u64 features[];
};

#define VHOST_GET_FEATURES_ARRAY	_IOR(VHOST_VIRTIO, 0x83, \
					     struct vhost_features_array)
#define VHOST_SET_FEATURES_ARRAY	_IOW(VHOST_VIRTIO, 0x83, \
					     struct vhost_features_array)
#endif

/* Who may issue an ioctl. */
enum vhdb_who {
	VHDB_ANYONE,		/* also before there is an owner */
	VHDB_NOT_OTHERS,	/* anyone while there is no owner, then he alone */
	VHDB_OWNER,		/* he alone */
};

/**
 * struct vhdb_ioctl - an ioctl of a dialect
 * @cmd: its number
 * @who: who may issue it
 * @fn: what it does, under the device's mutex; NULL if it is known and not
 *	offered
 */
struct vhdb_ioctl {
	unsigned int cmd;
	enum vhdb_who who;
	long (*fn)(struct vhdb_device *dev, void __user *argp);
};

/**
 * struct vhdb_ioctls - a dialect
 * @table: its ioctls
 * @nr: number of them
 * @backend_features: what its clients may choose of the transport
 */
struct vhdb_ioctls {
	const struct vhdb_ioctl *table;
	unsigned int nr;
	u64 backend_features;
};

extern const struct vhdb_ioctls vhdb_ioctls_vdpa;
extern const struct vhdb_ioctls vhdb_ioctls_classic;

struct vhdb_vq *vhdb_ioctl_find_vq(struct vhdb_device *dev, u32 index);
long vhdb_ioctl_get_state(struct vhdb_device *dev, const void __user *argp,
			  struct vhdb_vq **vq, u32 *num);
long vhdb_ioctl_put_num(void __user *argp, u32 num);
long vhdb_ioctl_put_u32(void __user *argp, u32 val);
long vhdb_ioctl_put_u64(void __user *argp, u64 val);
long vhdb_ioctl_get_addr(struct vhdb_device *dev, const void __user *argp,
			 struct vhdb_vq **vq, struct vhost_vring_addr *addr);
long vhdb_ioctl_check_addr(const struct vhdb_vq *vq,
			   const struct vhost_vring_addr *addr,
			   u64 iova[VHDB_AREAS]);
long vhdb_ioctl_get_config(struct vhdb_device *dev, void __user *argp);
long vhdb_ioctl_set_config(struct vhdb_device *dev, void __user *argp);
long vhdb_ioctl_set_config_call(struct vhdb_device *dev, void __user *argp);

#endif /* VHDB_IOCTL_H */
