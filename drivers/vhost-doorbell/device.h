/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_DEVICE_H
#define VHDB_DEVICE_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/vhost_doorbell.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>

#include "doorbell.h"
#include "limit.h"
#include "memory.h"
#include "virtqueue.h"

struct dentry;
struct iov_iter;
struct pid;
struct vhdb_node;

/* Limits that GET_INFO tells. */
#define VHDB_QUEUES_MAX		256
#define VHDB_QUEUE_SIZE_DEFAULT	256
#define VHDB_QUEUE_SIZE_MAX	VHDB_RING_SIZE_MAX
/*
 * What polling saves, an exit and a wake-up, is a small part of a millisecond;
 * who waits for longer than that had better sleep.
 */
#define VHDB_POLL_US_MAX	1000

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
 * @node: the named node that was opened; NULL for the control node
 * @vqs: the queues
 * @nvqs: number of queues; 0 before, and for what is no virtio device
 * @queue_size: largest queue size
 * @possible: features of the back end, of rings, and of those on request
 * @allow: &vhost_doorbell_attach.features_allow
 * @require: &vhost_doorbell_attach.features_require
 * @poll_us: &vhost_doorbell_attach.poll_us
 * @complete_worker: completions are left to the worker
 * @worker_per_queue: SET_OWNER starts one for each queue
 *
 * Immutable after ATTACH, or once a client has shown which it speaks:
 * @dialect: who may say what
 * @offered: features that the driver may choose from
 * @required: features that it must choose
 * @limit: requests and bytes a second (has a lock of its own)
 *
 * Immutable from SET_OWNER to RESET_OWNER:
 * @mm: the owner's memory (a reference on the struct alone); NULL before
 * @owner: its process, for people. RCU.
 *
 * Under @mutex:
 * @workers: by number
 * @nr_workers: how many
 * @memory: the owner's memory as the driver sees it (has a lock of its own)
 * @features: what the driver chose
 * @backend_features: what the client chose
 * @log_base: the dirty log, a user address; 0 for none
 * @status: virtio device status, without NEEDS_RESET
 * @suspended: between SUSPEND and RESUME
 *
 * Any context:
 * @needs_reset: a queue is broken
 * @config_call: whom to tell about that, or that config space changed. RCU.
 * @log_call: whom to tell that something was logged. RCU.
 * @msg_lock: guards @msgs and the queues' &vhdb_vq.miss
 * @msgs: what is to be read, oldest first
 * @msg_wait: who waits to read
 */
struct vhdb_device {
	struct mutex mutex;	/* ioctls, messages; outermost */

	const struct vhdb_backend *backend;
	u32 id;
	struct dentry *debugfs;
	void *priv;
	struct file *file;
	struct vhdb_node *node;
	struct vhdb_vq *vqs;
	u16 nvqs;
	u32 queue_size;
	u64 possible;
	u64 allow;
	u64 require;
	u32 poll_us;
	bool complete_worker;
	bool worker_per_queue;

	enum vhost_doorbell_dialect dialect;
	u64 offered;
	u64 required;
	struct vhdb_limit limit;

	struct mm_struct *mm;
	struct pid *owner;

	struct xarray workers;
	u32 nr_workers;
	struct vhdb_memory memory;
	u64 features;
	u64 backend_features;
	u64 log_base;
	u8 status;
	bool suspended;

	bool needs_reset;
	struct vhdb_call_slot config_call;
	struct vhdb_call_slot log_call;
	spinlock_t msg_lock;	/* msgs; process context */
	struct list_head msgs;
	wait_queue_head_t msg_wait;
};

/* The classic dialect it is: it was named, or the client has shown it. */
static inline bool vhdb_device_is_classic(const struct vhdb_device *dev)
{
	return dev->dialect == VHOST_DOORBELL_DIALECT_CLASSIC;
}

/*
 * In the classic dialect: are the driver's addresses IOVAs, which the owner is
 * asked for? In the other one they always are, and it is not asked.
 */
static inline bool vhdb_device_has_iotlb(const struct vhdb_device *dev)
{
	return vhdb_device_is_classic(dev) &&
	       (READ_ONCE(dev->features) & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM));
}

struct vhdb_device *vhdb_device_create(void);
void vhdb_device_destroy(struct vhdb_device *dev);
int vhdb_device_attach(struct vhdb_device *dev,
		       const struct vhost_doorbell_attach *arg,
		       struct file *file);
void vhdb_device_set_dialect(struct vhdb_device *dev,
			     enum vhost_doorbell_dialect dialect);
int vhdb_device_set_owner(struct vhdb_device *dev);
int vhdb_device_reset_owner(struct vhdb_device *dev);
int vhdb_device_start_vqs(struct vhdb_device *dev);
void vhdb_device_set_features(struct vhdb_device *dev, u64 features);
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
int vhdb_device_start_vq(struct vhdb_device *dev, struct vhdb_vq *vq);
void vhdb_device_broken(struct vhdb_device *dev);

/* main.c */
extern const struct file_operations vhdb_fops;

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

/* pool.c */
int vhdb_pool_add(struct vhdb_device *dev, u32 *id);
int vhdb_pool_start(struct vhdb_device *dev);
int vhdb_pool_attach(struct vhdb_vq *vq, u32 id);
int vhdb_pool_free(struct vhdb_device *dev, u32 id);
void vhdb_pool_destroy(struct vhdb_device *dev);

/* ioctl.c */
long vhdb_ioctl_vhost(struct vhdb_device *dev, unsigned int cmd,
		      void __user *argp);

/* iotlb.c */
ssize_t vhdb_iotlb_write(struct vhdb_device *dev, struct iov_iter *from);
ssize_t vhdb_iotlb_read(struct vhdb_device *dev, struct iov_iter *to,
			bool nonblock);
__poll_t vhdb_iotlb_poll(struct vhdb_device *dev, struct file *file,
			 poll_table *pt);

/* Is there a rate limit that holds for a queue? */
static inline bool vhdb_limited(const struct vhdb_vq *vq)
{
	return READ_ONCE(vq->dev->limit.on) || READ_ONCE(vq->limit.on);
}

#endif /* VHDB_DEVICE_H */
