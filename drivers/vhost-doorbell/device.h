/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_DEVICE_H
#define VHDB_DEVICE_H

#include <linux/mutex.h>
#include <linux/vhost_doorbell.h>

#include "doorbell.h"
#include "limit.h"
#include "memory.h"
#include "virtqueue.h"

struct dentry;
struct iov_iter;
struct pid;
struct vhost_doorbell_attach;
struct vhost_doorbell_backend_info;
struct vhost_doorbell_stats;

/* Limits that GET_INFO tells. */
#define VHDB_QUEUES_MAX		256
#define VHDB_QUEUE_SIZE_DEFAULT	256
#define VHDB_QUEUE_SIZE_MAX	VHDB_RING_SIZE_MAX

/* What the rings and the transport can do, whatever the back end. */
#define VHDB_RING_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) |		\
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |	\
				 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
				 BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

/*
 * What stock clients of the vdpa dialect would mishandle, or do not know:
 * offered if ATTACH names it. A queue is reset by SET_VRING_ENABLE.
 */
#define VHDB_REQUEST_FEATURES	(BIT_ULL(VIRTIO_F_RING_PACKED) |	\
				 BIT_ULL(VIRTIO_F_IN_ORDER) |		\
				 BIT_ULL(VIRTIO_F_RING_RESET))

/* Without these a driver cannot use a device of ours in the vdpa dialect. */
#define VHDB_NEEDED_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) |		\
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))

/**
 * struct vhdb_device - one open file
 *
 * @mutex: serializes every ioctl and message; the outermost lock
 *
 * Immutable after ATTACH:
 * @backend: what it is; NULL before. Stored last: who finds it without @mutex
 *	(smp_load_acquire()) finds the others, too.
 * @id: a number that no other device has had
 * @debugfs: its folder
 * @priv: the back end's own
 * @file: what it serves; NULL for a back end that serves no file
 * @vqs: the queues
 * @nvqs: number of queues; 0 before, and for what is no virtio device
 * @queue_size: largest queue size
 * @offered: features that the driver may choose from
 * @required: features that it must choose
 * @limit: requests and bytes a second (has a lock of its own)
 *
 * Immutable after SET_OWNER:
 * @mm: the owner's memory (a reference on the struct alone); NULL before
 * @worker: serves all queues
 * @owner: its process, for people
 *
 * Under @mutex:
 * @memory: the owner's memory as the driver sees it (has a lock of its own)
 * @features: what the driver chose
 * @status: virtio device status, without NEEDS_RESET
 * @suspended: between SUSPEND and RESUME
 *
 * Any context:
 * @needs_reset: a queue is broken
 * @config_call: whom to tell about that, or that config space changed. RCU.
 */
struct vhdb_device {
	struct mutex mutex;	/* ioctls, messages; outermost */

	const struct vhdb_backend *backend;
	u32 id;
	struct dentry *debugfs;
	void *priv;
	struct file *file;
	struct vhdb_vq *vqs;
	u16 nvqs;
	u32 queue_size;
	u64 offered;
	u64 required;
	struct vhdb_limit limit;

	struct mm_struct *mm;
	struct vhdb_worker *worker;
	struct pid *owner;

	struct vhdb_memory memory;
	u64 features;
	u8 status;
	bool suspended;

	bool needs_reset;
	struct vhdb_call_slot config_call;
};

struct vhdb_device *vhdb_device_create(void);
void vhdb_device_destroy(struct vhdb_device *dev);
int vhdb_device_attach(struct vhdb_device *dev,
		       const struct vhost_doorbell_attach *arg);
int vhdb_device_set_owner(struct vhdb_device *dev);
bool vhdb_device_owned_by_us(const struct vhdb_device *dev);
bool vhdb_device_running(const struct vhdb_device *dev);
u8 vhdb_device_status(const struct vhdb_device *dev);
int vhdb_device_set_status(struct vhdb_device *dev, u8 status);
int vhdb_device_suspend(struct vhdb_device *dev);
void vhdb_device_resume(struct vhdb_device *dev);
int vhdb_device_map_changed(struct vhdb_device *dev, bool wait);
int vhdb_device_enable_vq(struct vhdb_device *dev, struct vhdb_vq *vq,
			  bool enable);
void vhdb_device_stats(struct vhdb_device *dev, u32 first, u32 last,
		       struct vhost_doorbell_stats *stats);
int vhdb_device_update(struct vhdb_device *dev, u64 *bytes);
void vhdb_device_config_changed(struct vhdb_device *dev);
void vhdb_device_broken(struct vhdb_device *dev);

/* debugfs.c */
void vhdb_debugfs_add(struct vhdb_device *dev);
void vhdb_debugfs_remove(struct vhdb_device *dev);
void vhdb_debugfs_init(void);
void vhdb_debugfs_exit(void);

/* backend.c */
const struct vhdb_backend *vhdb_backend_get(const char *name);
void vhdb_backend_put(const struct vhdb_backend *backend);
unsigned int vhdb_backend_count(void);
int vhdb_backend_describe(struct vhost_doorbell_backend_info *info);

/* ioctl_vdpa.c */
long vhdb_ioctl_vhost(struct vhdb_device *dev, unsigned int cmd,
		      void __user *argp);
ssize_t vhdb_iotlb_write(struct vhdb_device *dev, struct iov_iter *from);

#endif /* VHDB_DEVICE_H */
