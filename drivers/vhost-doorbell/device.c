// SPDX-License-Identifier: GPL-2.0
/*
 * A device: one open file, from ATTACH to release.
 *
 * Execution contexts
 * ------------------
 *   ioctl    A process, one at a time for each device (@mutex). The owner's,
 *            where guest memory is involved.
 *   ring     The kick eventfd's wake-up callback: whoever signals it, with
 *            interrupts off. Counts and queues work, takes no lock. A bell's
 *            (bell.c) counts, and leaves its call to an irq_work.
 *   worker   A thread in the owner's memory. Serves the queues, one run after
 *            the other.
 *   timer    Of a rate limit, an interrupt: has queues served again.
 *   end      Where a request's I/O ends: interrupt, softirq, workqueue, or
 *            the worker itself. Completes the request, signals. Leaves that to
 *            the worker while there is something to log, or if ATTACH said so.
 *   RCU      Frees call eventfds.
 *
 * Locks, outermost first
 * ----------------------
 *   lock               kind      protects                         taken by
 *   (su_mutex)         mutex     the named nodes; configfs's      open, configfs
 *   node.lock          mutex     a node's state and attributes    open, configfs,
 *                                                                 release
 *   device.mutex       mutex     life, set-up, map (for writing)  ioctl
 *   vq.mutex           mutex     a queue's run, its serve flag,   ioctl, worker
 *                                what of it is logged
 *   memory.sem         rwsem     the map, for its readers         ioctl, worker
 *   device.msg_lock    spin      what the owner is asked for      ioctl, worker
 *   (mmap_lock)        rwsem     the owner's address space        ioctl, worker
 *   vq.done_lock       spin,irq  used ring, its counters          end, worker
 *   limit.lock         spin,irq  what the rate limits have left   worker
 *   (eventfd's wait    spin,irq  our entry, kick.rings            ring, ioctl
 *    queue's lock)
 *
 *   No eventfd is signalled under done_lock, msg_lock or an eventfd's lock. The
 *   vq.mutex of one queue only is held at a time. memory.sem is written
 *   without any vq.mutex held.
 *
 * Life
 * ----
 *   open       A struct, an empty map.
 *   ATTACH     Back end and file held (module reference); queues made.
 *   SET_OWNER  The caller's memory (mmgrab) and worker threads of its own.
 *   DRIVER_OK  Rings pinned, charged, mapped; served. START in the classic
 *              dialect.
 *   SUSPEND    Served no more, nothing in flight; rings stay pinned.
 *   STOP, GET_VRING_BASE  Classic: nothing in flight, all logged; unpinned.
 *   reset      As after SET_OWNER, with the map kept. Waits for requests.
 *   RESET_OWNER  Classic: as after ATTACH. Waits for requests.
 *   (open of a named node: open and ATTACH at once; see node.c.)
 *   release    Doorbells unhooked, worker ended, requests waited for, rings
 *              unpinned, back end detached, module reference dropped.
 *   owner dies The worker is gone with it; requests in flight complete into
 *              the pinned rings. Release does the rest, whoever calls it.
 *   rmmod      Refused while a file is open or there is a named node (core),
 *              or a file is attached or a node enabled (back end).
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>

#include "device.h"

/**
 * vhdb_device_create() - a device for a file that was opened
 *
 * Context: process.
 * Return: the device, or an ERR_PTR.
 */
struct vhdb_device *vhdb_device_create(void)
{
	struct vhdb_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return ERR_PTR(-ENOMEM);
	if (vhdb_memory_init(&dev->memory)) {
		kfree(dev);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&dev->mutex);
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	spin_lock_init(&dev->msg_lock);
	INIT_LIST_HEAD(&dev->msgs);
	init_waitqueue_head(&dev->msg_wait);
	return dev;
}

/*
 * Nothing is left to a worker any more, who is about to end; nor logged: nobody is
 * there to read it.
 */
static void stop_leaving(struct vhdb_device *dev)
{
	bool any = false;
	u16 i;

	for (i = 0; i < dev->nvqs; i++) {
		any |= dev->vqs[i].left;
		WRITE_ONCE(dev->vqs[i].left, false);
	}
	/* After that, no completion that has seen it otherwise is under way. */
	if (any)
		synchronize_rcu();
}

/**
 * vhdb_device_destroy() - release
 * @dev: the device; no ioctl runs or will run
 *
 * The caller may be anyone, with any memory or none.
 *
 * Context: process; waits for the I/O in flight.
 */
void vhdb_device_destroy(struct vhdb_device *dev)
{
	u16 i;

	/* Nobody looks any more, from here on. */
	vhdb_debugfs_remove(dev);
	for (i = 0; i < dev->nvqs; i++)
		vhdb_kick_unhook(&dev->vqs[i].kick);
	stop_leaving(dev);
	if (dev->nvqs)
		vhdb_limit_stop(&dev->limit);
	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_quiet(&dev->vqs[i]);
	vhdb_pool_destroy(dev);
	for (i = 0; i < dev->nvqs; i++) {
		/* What was left to a worker. */
		vhdb_requests_flush(&dev->vqs[i], NULL);
		vhdb_vq_stop(&dev->vqs[i], false);
		vhdb_vq_free(&dev->vqs[i]);
	}
	vhdb_call_set(&dev->config_call, VHOST_FILE_UNBIND);
	vhdb_call_set(&dev->log_call, VHOST_FILE_UNBIND);

	if (dev->backend) {
		dev->backend->detach(dev->priv);
		if (dev->file)
			fput(dev->file);
		vhdb_backend_put(dev->backend);
	}
	/* For those on their way out of vhdb_request_complete(). */
	synchronize_rcu();
	kvfree(dev->vqs);
	vhdb_memory_free(&dev->memory);
	if (dev->mm)
		mmdrop(dev->mm);
	put_pid(dev->owner);
	mutex_destroy(&dev->mutex);
	kfree(dev);
}

#define ATTACH_FLAGS	(VHOST_DOORBELL_ATTACH_RO |		\
			 VHOST_DOORBELL_ATTACH_COMPLETE_WORKER |	\
			 VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE)

/* What is no virtio device takes nothing of what makes one. */
static int check_no_queues(const struct vhost_doorbell_attach *arg)
{
	if (arg->queues || arg->queue_size || arg->poll_us ||
	    arg->rate_requests || arg->burst_requests || arg->rate_bytes ||
	    arg->burst_bytes)
		return -ERANGE;
	if (arg->flags & ~VHOST_DOORBELL_ATTACH_RO)
		return -EINVAL;
	if (arg->dialect || arg->features_allow || arg->features_require)
		return -EOPNOTSUPP;
	return 0;
}

/* What ATTACH asks for, checked but for what the back end has to check. */
static int check_attach(const struct vhost_doorbell_attach *arg,
			const struct vhdb_backend *backend, bool has_file,
			struct vhdb_attach *attach)
{
	u16 step = backend->queues_step ?: 1;

	*attach = (struct vhdb_attach){
		.readonly = arg->flags & VHOST_DOORBELL_ATTACH_RO,
		.logical_block_size = arg->logical_block_size,
		.features = arg->features_allow ?
			    arg->features_allow | arg->features_require : ~0ULL,
		.classic = arg->dialect == VHOST_DOORBELL_DIALECT_CLASSIC,
		.ifindex = arg->ifindex,
	};
	memcpy(attach->serial, arg->serial, sizeof(attach->serial));
	memcpy(attach->mac, arg->mac, sizeof(attach->mac));

	/* One file, or none. */
	if ((backend->no_file || has_file) && arg->fd != -1)
		return -EINVAL;
	if (!backend->is_net &&
	    (arg->ifindex || memchr_inv(arg->mac, 0, sizeof(arg->mac))))
		return -EINVAL;
	if (backend->is_net && !arg->dialect)
		return -EOPNOTSUPP;
	if (backend->no_file && has_file)
		return -EINVAL;
	if (!backend->queues_max)
		return check_no_queues(arg);

	attach->queues = arg->queues ?: step;
	attach->queue_size = arg->queue_size ?: VHDB_QUEUE_SIZE_DEFAULT;
	if (arg->queues > backend->queues_max || arg->queues % step ||
	    attach->queue_size > VHDB_QUEUE_SIZE_MAX ||
	    !vhdb_ring_num_valid(arg->features_require, attach->queue_size) ||
	    arg->poll_us > VHDB_POLL_US_MAX)
		return -ERANGE;
	return 0;
}

static int make_vqs(struct vhdb_device *dev, const struct vhdb_attach *attach)
{
	u16 i;

	dev->vqs = kvcalloc(attach->queues, sizeof(*dev->vqs),
			    GFP_KERNEL_ACCOUNT);
	if (!dev->vqs)
		return -ENOMEM;
	dev->nvqs = attach->queues;
	dev->queue_size = attach->queue_size;
	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_init(&dev->vqs[i], dev, i);
	return 0;
}

/* What a dialect's clients may choose from, and what they have to choose. */
static u64 dialect_features(const struct vhdb_device *dev,
			    enum vhost_doorbell_dialect dialect, u64 *required)
{
	bool classic = dialect == VHOST_DOORBELL_DIALECT_CLASSIC;
	u64 features = dev->possible;

	*required = dev->require | (classic ? BIT_ULL(VIRTIO_F_VERSION_1) :
					      VHDB_NEEDED_FEATURES);
	if (classic && !dev->allow)
		/* Its clients name what they take. */
		features |= BIT_ULL(VIRTIO_F_RING_PACKED);
	if (dev->allow)
		features &= dev->allow | *required;
	/* About the owner's memory, not the driver's affair. */
	return classic ? features | BIT_ULL(VHOST_F_LOG_ALL) : features;
}

/**
 * vhdb_device_set_dialect() - from now on it is this one
 * @dev: the device, attached
 * @dialect: the dialect. AUTO: what GET_FEATURES answers holds for both, and
 *	what both have is done by the rules of vdpa.
 *
 * Context: process, under @dev->mutex, or before @dev has a back end.
 */
void vhdb_device_set_dialect(struct vhdb_device *dev,
			     enum vhost_doorbell_dialect dialect)
{
	u64 classic_required;

	dev->dialect = dialect;
	dev->offered = dialect_features(dev, dialect, &dev->required);
	if (dialect == VHOST_DOORBELL_DIALECT_AUTO)
		dev->offered &= dialect_features(dev,
						 VHOST_DOORBELL_DIALECT_CLASSIC,
						 &classic_required);
}

static int set_features(struct vhdb_device *dev, void *priv,
			const struct vhdb_backend *backend,
			const struct vhost_doorbell_attach *arg)
{
	dev->allow = arg->features_allow;
	dev->require = arg->features_require;
	dev->possible = backend->device_features(priv) | VHDB_RING_FEATURES |
			VHDB_REQUEST_FEATURES;
	dev->possible &= ~(VHDB_REQUEST_FEATURES | backend->on_request) |
			 dev->allow | dev->require;
	if (dev->require & ~dev->possible)
		return -EOPNOTSUPP;
	vhdb_device_set_dialect(dev, arg->dialect);
	return 0;
}

/* Makes a virtio device of what is attached, if it is one. */
static int make_virtio(struct vhdb_device *dev, void *priv,
		       const struct vhdb_backend *backend,
		       const struct vhost_doorbell_attach *arg,
		       const struct vhdb_attach *attach)
{
	int err;

	if (!backend->queues_max)
		return 0;
	dev->poll_us = arg->poll_us;
	dev->complete_worker = arg->flags &
			       VHOST_DOORBELL_ATTACH_COMPLETE_WORKER;
	dev->worker_per_queue = arg->flags &
				VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE;
	err = set_features(dev, priv, backend, arg);
	if (!err)
		err = make_vqs(dev, attach);
	if (err)
		return err;
	vhdb_limit_init(&dev->limit, dev->vqs, dev->nvqs);
	err = vhdb_limit_set(&dev->limit, arg->rate_requests,
			     arg->burst_requests, arg->rate_bytes,
			     arg->burst_bytes);
	if (err) {
		kvfree(dev->vqs);
		dev->vqs = NULL;
		dev->nvqs = 0;
	}
	return err;
}

/* Numbers of devices: in the order of ATTACH, each for one device ever. */
static atomic_t ids = ATOMIC_INIT(0);

/**
 * vhdb_device_attach() - VHOST_DOORBELL_ATTACH, also for named nodes
 * @dev: the device
 * @arg: the argument, its tail checked
 * @file: what to serve, and then @arg->fd is -1; NULL for what @arg->fd names
 *
 * Context: process, under @dev->mutex.
 * Return: 0 or the errors that the uapi header lists.
 */
int vhdb_device_attach(struct vhdb_device *dev,
		       const struct vhost_doorbell_attach *arg,
		       struct file *file)
{
	const struct vhdb_backend *backend;
	struct vhdb_attach attach;
	void *priv;
	int err;

	if (dev->backend)
		return -EBUSY;
	if ((arg->flags & ~ATTACH_FLAGS) || arg->reserved ||
	    memchr_inv(arg->reserved2, 0, sizeof(arg->reserved2)) ||
	    arg->dialect > VHOST_DOORBELL_DIALECT_CLASSIC ||
	    strnlen(arg->backend, sizeof(arg->backend)) == sizeof(arg->backend))
		return -EINVAL;

	backend = vhdb_backend_get(arg->backend);
	if (!backend)
		return -ENOENT;
	err = check_attach(arg, backend, file, &attach);
	if (err)
		goto err_backend;

	attach.dev = dev;
	/* One fget, held throughout: checked is what is used. */
	if (!backend->no_file &&
	    !(backend->may_have_no_file && !file && arg->fd == -1)) {
		attach.file = file ? get_file(file) : fget(arg->fd);
		if (!attach.file) {
			err = -EBADF;
			goto err_backend;
		}
	}
	priv = backend->attach(&attach);
	if (IS_ERR(priv)) {
		err = PTR_ERR(priv);
		goto err_file;
	}
	err = make_virtio(dev, priv, backend, arg, &attach);
	if (err)
		goto err_detach;

	dev->file = attach.file;
	dev->priv = priv;
	dev->id = atomic_inc_return(&ids) - 1;
	/* Pairs with the one in fop_show_fdinfo(): after all of the above. */
	smp_store_release(&dev->backend, backend);
	vhdb_debugfs_add(dev);
	return 0;

err_detach:
	backend->detach(priv);
err_file:
	if (attach.file)
		fput(attach.file);
err_backend:
	vhdb_backend_put(backend);
	return err;
}

/**
 * vhdb_device_set_owner() - VHOST_SET_OWNER
 * @dev: the device, attached
 *
 * Context: process, the one that becomes the owner; under @dev->mutex.
 * Return: 0; -EBUSY if there is one, the errors of vhdb_pool_start().
 */
int vhdb_device_set_owner(struct vhdb_device *dev)
{
	int err;

	if (dev->mm)
		return -EBUSY;
	err = vhdb_pool_start(dev);
	if (err)
		return err;
	dev->mm = current->mm;
	mmgrab(dev->mm);
	/* For those who look without the mutex: see debugfs.c. */
	WRITE_ONCE(dev->owner, get_pid(task_tgid(current)));
	return 0;
}

/**
 * vhdb_device_owned_by_us() - is the caller the owner?
 * @dev: the device
 *
 * Context: process, under @dev->mutex.
 * Return: true if it shares the owner's memory.
 */
bool vhdb_device_owned_by_us(const struct vhdb_device *dev)
{
	return dev->mm && dev->mm == current->mm;
}

/**
 * vhdb_device_running() - has the driver finished its set-up?
 * @dev: the device
 *
 * Context: process, under @dev->mutex.
 * Return: true between DRIVER_OK and reset, suspended or not.
 */
bool vhdb_device_running(const struct vhdb_device *dev)
{
	return dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

/**
 * vhdb_device_status() - virtio 2.1, the device status field
 * @dev: the device
 *
 * Context: process, under @dev->mutex.
 * Return: the status.
 */
u8 vhdb_device_status(const struct vhdb_device *dev)
{
	return dev->status | (READ_ONCE(dev->needs_reset) ?
			      VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

/**
 * vhdb_device_broken() - 2.1.2: tell the driver that it must reset
 * @dev: the device
 *
 * Context: any.
 */
void vhdb_device_broken(struct vhdb_device *dev)
{
	WRITE_ONCE(dev->needs_reset, true);
	vhdb_call_signal(&dev->config_call);
}

/**
 * vhdb_config_changed() - 2.5: config space is another now
 * @dev: the device
 *
 * Context: any, but an eventfd's wake-up callback.
 */
void vhdb_config_changed(struct vhdb_device *dev)
{
	vhdb_call_signal(&dev->config_call);
}
EXPORT_SYMBOL_GPL(vhdb_config_changed);

/**
 * vhdb_device_update() - VHOST_DOORBELL_UPDATE
 * @dev: the device
 * @bytes: out: the size of what it serves
 *
 * Context: process, under @dev->mutex.
 * Return: 0; -ENODEV before ATTACH, -EOPNOTSUPP for a back end whose devices
 * do not change, -EFBIG.
 */
int vhdb_device_update(struct vhdb_device *dev, u64 *bytes)
{
	int ret;

	if (!dev->backend)
		return -ENODEV;
	if (!dev->backend->update)
		return -EOPNOTSUPP;
	ret = dev->backend->update(dev->priv, bytes);
	if (ret > 0)
		vhdb_config_changed(dev);
	return min(ret, 0);
}

/**
 * vhdb_device_set_features() - the driver has chosen
 * @dev: the device, no queue running
 * @features: what; 0 when it is to choose anew
 *
 * Context: process, under @dev->mutex.
 */
void vhdb_device_set_features(struct vhdb_device *dev, u64 features)
{
	WRITE_ONCE(dev->features, features);
	if (dev->backend->negotiated)
		dev->backend->negotiated(dev->priv, features);
}

static int stop_vqs(struct vhdb_device *dev)
{
	u16 i;
	int err;

	for (i = 0; i < dev->nvqs; i++) {
		err = vhdb_vq_stop(&dev->vqs[i], true);
		if (err)
			return err;
	}
	return 0;
}

/**
 * vhdb_device_reset_owner() - VHOST_RESET_OWNER
 * @dev: the device
 *
 * What the owner has set up is gone; the back end stays.
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0; -ENOMEM, or -EINTR, and then some of the queues are stopped.
 */
int vhdb_device_reset_owner(struct vhdb_device *dev)
{
	struct vhost_iotlb *table;
	int err = stop_vqs(dev);
	struct pid *owner;
	u16 i;

	if (err)
		return err;
	table = vhdb_memory_new_map();
	if (!table)
		return -ENOMEM;
	err = vhdb_memory_set_table(&dev->memory, table, false);
	if (!err)
		err = vhdb_memory_renew(&dev->memory, false);
	if (err)
		return err;

	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_reset(&dev->vqs[i]);
	vhdb_call_set(&dev->log_call, VHOST_FILE_UNBIND);
	vhdb_call_forget(&dev->config_call);
	dev->log_base = 0;
	dev->backend_features = 0;
	vhdb_device_set_features(dev, 0);
	/* Who waits for a message waits in vain. */
	wake_up_interruptible_poll(&dev->msg_wait, EPOLLIN | EPOLLRDNORM);

	vhdb_limit_forget(&dev->limit);
	for (i = 0; i < dev->nvqs; i++)
		vhdb_limit_forget(&dev->vqs[i].limit);
	owner = dev->owner;
	WRITE_ONCE(dev->owner, NULL);
	/*
	 * For those on their way out of vhdb_request_complete(), and those who
	 * look at the owner.
	 */
	synchronize_rcu();
	vhdb_pool_destroy(dev);
	put_pid(owner);
	mmdrop(dev->mm);
	dev->mm = NULL;
	return 0;
}

/* Status 0: all that was negotiated and set up is forgotten, but the map. */
static int reset(struct vhdb_device *dev)
{
	int err = stop_vqs(dev);
	u16 i;

	if (err)
		return err;
	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_reset(&dev->vqs[i]);
	vhdb_call_forget(&dev->config_call);
	/* A client that failed within a batch is to have a fresh start. */
	vhdb_memory_batch_drop(&dev->memory);
	vhdb_device_set_features(dev, 0);
	dev->status = 0;
	dev->suspended = false;
	WRITE_ONCE(dev->needs_reset, false);
	return 0;
}

/* Does a queue start with its device? Classic ones are not enabled apart. */
static bool starts(const struct vhdb_vq *vq)
{
	return !vq->started && vq->has_addr &&
	       (vq->enabled || vhdb_device_is_classic(vq->dev));
}

/**
 * vhdb_device_start_vqs() - start all queues that are set up
 * @dev: the device; some may run already
 *
 * All or none: nothing is served before all are there.
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0; -EBUSY within an IOTLB batch, the errors of vhdb_vq_start().
 */
int vhdb_device_start_vqs(struct vhdb_device *dev)
{
	DECLARE_BITMAP(started, VHDB_QUEUES_MAX) = {};
	unsigned int i;
	int err = 0;

	/* Half a map would be used, and then replaced. */
	if (dev->memory.shadow)
		return -EBUSY;
	for (i = 0; !err && i < dev->nvqs; i++) {
		if (!starts(&dev->vqs[i]))
			continue;
		err = vhdb_vq_start(&dev->vqs[i]);
		if (!err)
			__set_bit(i, started);
	}
	for_each_set_bit(i, started, dev->nvqs) {
		if (err)
			vhdb_vq_stop(&dev->vqs[i], false);
		else
			vhdb_vq_serve(&dev->vqs[i]);
	}
	return err;
}

/**
 * vhdb_device_start_vq() - start one queue that is set up
 * @dev: the device
 * @vq: one of its queues; it may run already
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0; -EBUSY within an IOTLB batch, the errors of vhdb_vq_start().
 */
int vhdb_device_start_vq(struct vhdb_device *dev, struct vhdb_vq *vq)
{
	int err;

	if (dev->memory.shadow)
		return -EBUSY;
	err = vhdb_vq_start(vq);
	if (!err)
		vhdb_vq_serve(vq);
	return err;
}

/**
 * vhdb_device_set_status() - VHOST_VDPA_SET_STATUS
 * @dev: the device
 * @status: the new status
 *
 * 2.1.1: bits are added, and taken away only all together. FEATURES_OK stays
 * off if what was chosen will not do; the driver reads it back (3.1.1).
 *
 * Context: process, the owner's for DRIVER_OK; under @dev->mutex.
 * Return: 0; -EINVAL for a transition that there is not; the errors of
 * vhdb_vq_start(), -EBUSY within an IOTLB batch; -EINTR.
 */
int vhdb_device_set_status(struct vhdb_device *dev, u8 status)
{
	const u8 known = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK |
			 VIRTIO_CONFIG_S_FAILED;
	u8 added;
	int err;

	if (!status)
		return reset(dev);

	/* Ours to set; a client that writes back what it read is fine. */
	status &= ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if ((status & ~known) || (dev->status & ~status))
		return -EINVAL;

	added = status & ~dev->status;
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    (dev->required & ~dev->features))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;

	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
			return -EINVAL;
		err = vhdb_device_start_vqs(dev);
		if (err)
			return err;
	}
	dev->status = status;
	return 0;
}

/**
 * vhdb_device_suspend() - VHOST_VDPA_SUSPEND
 * @dev: the device
 *
 * Context: process, under @dev->mutex.
 * Return: 0 when nothing is in flight any more, also if the device does not
 * run; -EINTR, and then it is suspended in part: try again.
 */
int vhdb_device_suspend(struct vhdb_device *dev)
{
	u16 i;
	int err;

	if (!vhdb_device_running(dev))
		return 0;
	dev->suspended = true;
	for (i = 0; i < dev->nvqs; i++) {
		err = vhdb_vq_hold(&dev->vqs[i]);
		if (err)
			return err;
	}
	return 0;
}

/**
 * vhdb_device_resume() - VHOST_VDPA_RESUME
 * @dev: the device
 *
 * Not suspended is fine.
 *
 * Context: process, under @dev->mutex.
 */
void vhdb_device_resume(struct vhdb_device *dev)
{
	u16 i;

	if (!dev->suspended)
		return;
	dev->suspended = false;
	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_serve(&dev->vqs[i]);
}

/**
 * vhdb_device_enable_vq() - VHOST_VDPA_SET_VRING_ENABLE
 * @dev: the device
 * @vq: one of its queues
 * @enable: serve it, or stop and reset it
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0; -EINVAL for a queue without a ring on a device that runs, -EBUSY
 * within an IOTLB batch, the errors of vhdb_vq_start(), -EINTR.
 */
int vhdb_device_enable_vq(struct vhdb_device *dev, struct vhdb_vq *vq,
			  bool enable)
{
	int err;

	if (!enable && !vq->enabled)
		return 0;
	if (!enable) {
		err = vhdb_vq_stop(vq, true);
		if (err)
			return err;
		vq->enabled = false;
		vq->has_base = false;
		vq->broken = false;
		return 0;
	}

	if (vhdb_device_running(dev) && !vq->started) {
		if (!vq->has_addr)
			return -EINVAL;
		err = vhdb_device_start_vq(dev, vq);
		if (err)
			return err;
	}
	vq->enabled = true;
	return 0;
}

/**
 * vhdb_device_map_changed() - after each change of the memory map
 * @dev: the device
 * @wait: something was taken away: wait for requests that may still use it
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0 or -EINTR.
 */
int vhdb_device_map_changed(struct vhdb_device *dev, bool wait)
{
	u8 old = dev->memory.epoch ^ 1;
	u16 i;
	int err;

	for (i = 0; i < dev->nvqs; i++) {
		err = vhdb_vq_remap(&dev->vqs[i]);
		if (!err && wait)
			err = vhdb_vq_wait_epoch(&dev->vqs[i], old);
		if (err)
			return err;
	}
	return 0;
}

/**
 * vhdb_device_stats() - add up counters
 * @dev: the device, attached
 * @first: first queue
 * @last: last queue
 * @stats: out: the sums; the rest is left alone
 *
 * Context: process, under @dev->mutex.
 */
void vhdb_device_stats(struct vhdb_device *dev, u32 first, u32 last,
		       struct vhost_doorbell_stats *stats)
{
	u32 i;

	for (i = first; i <= last; i++) {
		struct vhdb_vq *vq = &dev->vqs[i];
		struct vhdb_done_stats done;

		spin_lock_irq(&vq->done_lock);
		done = vq->done_stats;
		spin_unlock_irq(&vq->done_lock);

		stats->kicks += READ_ONCE(vq->kick.rings);
		stats->wakeups += READ_ONCE(vq->run_stats.wakeups);
		stats->requests += READ_ONCE(vq->run_stats.requests);
		stats->bounced += READ_ONCE(vq->run_stats.bounced);
		stats->broken += READ_ONCE(vq->run_stats.broken);
		stats->throttled += READ_ONCE(vq->run_stats.throttled);
		stats->polls += READ_ONCE(vq->run_stats.polls);
		stats->poll_hits += READ_ONCE(vq->run_stats.poll_hits);
		stats->poll_ns += READ_ONCE(vq->run_stats.poll_ns);
		stats->completions += done.completions;
		stats->bytes_read += done.bytes_read;
		stats->bytes_written += done.bytes_written;
		stats->signals += done.signals;
		stats->signals_suppressed += done.suppressed;
		stats->errors += done.errors;
		stats->unsupported += done.unsupported;
		stats->no_space += done.no_space;
	}
}
