/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: How to write a back end
 *
 * A back end is a struct vhdb_backend. The core calls its run() on a worker
 * thread when a queue's doorbell was rung; run() takes requests with
 * vhdb_vq_next() until there are none, moves their data with the functions
 * below, and each request is given back, exactly once, with
 * vhdb_request_complete(), at once or later, from any context.
 *
 * A back end without queues is no virtio device: it has ioctls of its own, and
 * the core gives it a file and a life.
 *
 * A run has a budget of bytes, so that one queue's work does not keep the
 * worker from the others. What moves its data itself, within run(), looks at
 * vhdb_vq_budget(): when it is used up and the request is not, it leaves the
 * rest for the queue's next run with vhdb_request_defer().
 *
 * Where the guest gives buffers for what comes from elsewhere (packets), run()
 * takes what there is and says so with vhdb_vq_idle(); vhdb_vq_wake() has it
 * called again. What it takes several buffers for, it takes and gives back with
 * vhdb_vq_gather_in() and vhdb_buffers_complete().
 *
 * What stands in the guest's memory is read by copying it once. Pages that
 * outlive the call (for DMA, or for a copy after the I/O) are pinned.
 */
#ifndef _LINUX_VHOST_DOORBELL_H
#define _LINUX_VHOST_DOORBELL_H

#include <linux/bvec.h>
#include <linux/llist.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/wait.h>

/* Pieces of one request at the most; a ring with more of them is broken. */
#define VHDB_SEGS_MAX	1024

struct file;
struct iovec;
struct module;
struct vhdb_bell;
struct vhdb_device;
struct vhdb_log_notes;
struct vhdb_vq;

/**
 * struct vhdb_hook - sees each signal of an eventfd
 * @wait: our entry in the eventfd's wait queue
 * @poll: carries the entry there
 * @wqh: that wait queue, NULL while not hooked
 * @file: the eventfd, held while hooked
 *
 * The wake-up callback finds its hook with container_of(@wait), asks
 * vhdb_hook_rung() and returns 0. It runs in any context, with interrupts off
 * and @wqh's lock held. It signals no eventfd, and takes no lock under which
 * one is signalled: all eventfds share one lock class, and userspace may close
 * the circle.
 */
struct vhdb_hook {
	wait_queue_entry_t wait;
	poll_table poll;
	wait_queue_head_t *wqh;
	struct file *file;
};

void vhdb_hook_init(struct vhdb_hook *hook, wait_queue_func_t wake);
int vhdb_hook_set(struct vhdb_hook *hook, int fd);
void vhdb_hook_clear(struct vhdb_hook *hook);

/**
 * vhdb_hook_rung() - was it a ring that woke a hook?
 * @key: the wake-up callback's argument
 *
 * Readers of an eventfd wake its waiters with EPOLLOUT: not a ring.
 *
 * Context: any.
 * Return: true if the eventfd was signalled.
 */
static inline bool vhdb_hook_rung(const void *key)
{
	return key_to_poll((void *)key) & EPOLLIN;
}

/**
 * struct vhdb_attach - what a device is made from
 * @file: what ATTACH's fd named; the core holds the reference. NULL for a back
 *	end that serves no file.
 * @readonly: VHOST_DOORBELL_ATTACH_RO was given
 * @queues: number of queues
 * @queue_size: largest queue size, in descriptors
 * @logical_block_size: as given, 0 for the back end's choice
 * @serial: as given
 * @features: the feature bits that may be offered
 * @classic: it speaks the classic dialect, or else vhost-vdpa. Where the dialect
 *	is left open: false.
 * @ifindex: as given
 * @mac: as given
 * @dev: for vhdb_config_changed(), until detach()
 */
struct vhdb_attach {
	struct file *file;
	bool readonly;
	u16 queues;
	u32 queue_size;
	u32 logical_block_size;
	char serial[20];
	u64 features;
	bool classic;
	u32 ifindex;
	u8 mac[6];
	struct vhdb_device *dev;
};

/**
 * struct vhdb_pages - pinned pieces of the guest's memory
 * @bvec: the pieces, in order, none across a page
 * @nr: number of pieces
 * @max: room in @bvec
 * @writable: they are written by the device, so they are to be dirtied
 * @few: room for few of them, so that small requests allocate nothing
 */
struct vhdb_pages {
	struct bio_vec *bvec;
	u32 nr;
	u32 max;
	bool writable;
	struct bio_vec few[4];
};

/**
 * struct vhdb_request - one buffer of the driver, from pop to push
 * @vq: its queue
 * @resumed: set by the core: it was deferred, and the rest of it is to be done
 * @bytes_read: set by the back end: payload written to the guest, in bytes
 * @bytes_written: set by the back end: payload read from the guest, in bytes
 * @error: set by the back end: 0, or -errno if it was answered with an error
 *	status; -EOPNOTSUPP and -ENOSPC are counted apart, too
 *
 * Stands first in the back end's own request. The rest is the core's.
 */
struct vhdb_request {
	struct vhdb_vq *vq;
	bool resumed;
	u32 bytes_read;
	u32 bytes_written;
	int error;
	/* private: */
	u8 epoch;
	u16 id;
	u16 count;
	u32 len;
	struct vhdb_log_notes *notes;
	struct llist_node node;
};

/**
 * struct vhdb_buffers - requests that are written together, as one piece
 * @rqs: the requests; room for @max
 * @lens: what is to be written to each of them, in bytes; room for @max
 * @max: how many there may be
 * @iov: all that, as user memory; room for VHDB_SEGS_MAX
 * @nr: how many there are
 * @segs: how many pieces they are
 * @room: bytes of them
 * @last: bytes that the last one has in all
 */
struct vhdb_buffers {
	struct vhdb_request **rqs;
	u32 *lens;
	u32 max;
	struct iovec *iov;
	u32 nr;
	u32 segs;
	u32 room;
	u32 last;
};

/**
 * struct vhdb_backend - a kind of device
 * @name: name for ATTACH
 * @owner: the module
 * @no_file: it serves no file: ATTACH's fd is -1
 * @may_have_no_file: so it may be
 * @is_net: it is a network interface, which ATTACH may tell of; ATTACH has to name
 *	the dialect
 * @own_rate: what its rate limits count is no request: it tells of each by
 *	vhdb_vq_charge_packet()
 * @ioctl: an ioctl of its own, with a number from VHOST_DOORBELL_BACKEND_NR
 *	on; returns -ENOTTY for what is none. Process, one at a time for each
 *	device; may sleep. Optional where there are queues.
 * @attach: makes a device; returns its private data or an ERR_PTR. May sleep.
 * @detach: ends a device. No request is in flight. May sleep.
 * @queues_max: most queues; 0 for a back end that is no virtio device, and
 *	then what follows is not there
 * @queues_step: there are so many queues, or a multiple of it; 0 stands for 1
 * @device_id: virtio device ID
 * @features: every device feature bit that a device may offer
 * @on_request: those of them that are offered only if ATTACH names them
 * @config_size: bytes of the device's configuration space
 * @lens_implied: with VIRTIO_F_IN_ORDER: the driver can tell what was written to
 *	a buffer without being told the length, so one used element may stand
 *	for several buffers
 * @request_size: bytes of the back end's request, &struct vhdb_request first
 * @device_features: the device feature bits that this device offers
 * @negotiated: the driver has chosen these features, ring features included; 0
 *	when it has reset the device. No request is in flight. Optional.
 * @get_config: writes the configuration space (@config_size bytes)
 * @set_config: the driver writes @len bytes at @off, which are within it. What it
 *	cannot write is left alone. 0, or -EINVAL for a value that there is not.
 *	Requests may be in flight. Optional.
 * @update: what the device serves may have changed: looks at it again, and tells
 *	its size now, in bytes. 1 if the configuration space is another now, 0 if
 *	not, -EFBIG if it is smaller than the driver was told. Process, one at a
 *	time for each device; may sleep; requests may be in flight. Optional.
 * @run: serves a queue until vhdb_vq_next() has no more, or until it has
 *	deferred a request. Worker thread with the owner's memory, or the owner
 *	itself, to finish a deferred request before the queue stands still; may
 *	sleep, but other queues wait for it. One at a time for each queue.
 * @set_file: what a queue is served with from now on, NULL for nothing; checks
 *	it and takes a reference of its own. The queue is not served meanwhile.
 *	Process. Optional.
 * @start: a queue is going to be served. Process. Optional.
 * @stop: nobody may wake a queue any more; it is not served. Process; may sleep.
 *	May come more than once, and without @start. Optional.
 * @pending: is there something to do for a queue that was idle? Worker thread.
 *	As @arm, where there is vhdb_vq_idle().
 * @arm: a queue is idle, and not polled: vhdb_vq_wake() is to be called when there
 *	is something to do. Returns true if there is already. Worker thread.
 */
struct vhdb_backend {
	const char *name;
	struct module *owner;
	bool no_file;
	bool may_have_no_file;
	bool is_net;
	bool own_rate;
	long (*ioctl)(void *priv, unsigned int cmd, void __user *argp);
	void *(*attach)(const struct vhdb_attach *attach);
	void (*detach)(void *priv);

	u16 queues_max;
	u16 queues_step;
	u32 device_id;
	u64 features;
	u64 on_request;
	u32 config_size;
	u32 request_size;
	bool lens_implied;
	u64 (*device_features)(void *priv);
	void (*negotiated)(void *priv, u64 features);
	void (*get_config)(void *priv, void *config);
	int (*set_config)(void *priv, u32 off, const u8 *data, u32 len);
	int (*update)(void *priv, u64 *bytes);
	void (*run)(struct vhdb_vq *vq);
	int (*set_file)(void *priv, u16 queue, struct file *file);
	void (*start)(struct vhdb_vq *vq);
	void (*stop)(struct vhdb_vq *vq);
	bool (*pending)(struct vhdb_vq *vq);
	bool (*arm)(struct vhdb_vq *vq);
};

int vhdb_register_backend(const struct vhdb_backend *backend);
void vhdb_unregister_backend(const struct vhdb_backend *backend);
void *vhdb_backend_priv(struct file *file, const struct vhdb_backend *backend);
void vhdb_config_changed(struct vhdb_device *dev);

/* Of a misc device of a back end's own: its file is one of ours, attached. */
struct inode;
struct vhost_doorbell_attach;
int vhdb_open_attached(struct inode *inode, struct file *file,
		       const struct vhost_doorbell_attach *arg);

/* The queue, inside run(). */
struct vhdb_request *vhdb_vq_next(struct vhdb_vq *vq);
void vhdb_vq_expect(struct vhdb_vq *vq, u32 nr);
int vhdb_vq_gather_in(struct vhdb_vq *vq, struct vhdb_buffers *b, u32 need);
void vhdb_buffers_complete(struct vhdb_vq *vq, const struct vhdb_buffers *b);
u32 vhdb_vq_budget(const struct vhdb_vq *vq);
void vhdb_vq_charge(struct vhdb_vq *vq, u32 bytes);
void vhdb_vq_charge_packet(struct vhdb_vq *vq, u32 bytes);
void vhdb_vq_idle(struct vhdb_vq *vq);
void vhdb_vq_give_back(struct vhdb_vq *vq);
void vhdb_vq_put_back(struct vhdb_vq *vq, struct vhdb_request *const *rqs,
		      u32 nr);
void vhdb_vq_too_few(struct vhdb_vq *vq, struct vhdb_request *const *rqs,
		     u32 nr);
void vhdb_request_defer(struct vhdb_request *rq);
void vhdb_vq_break(struct vhdb_vq *vq, int reason);
void vhdb_vq_count_bounce(struct vhdb_vq *vq);
void *vhdb_vq_priv(const struct vhdb_vq *vq);
u16 vhdb_vq_index(const struct vhdb_vq *vq);
u32 vhdb_vq_num(const struct vhdb_vq *vq);
void vhdb_vq_config_changed(struct vhdb_vq *vq);
bool vhdb_vq_has_feature(const struct vhdb_vq *vq, unsigned int bit);

/* The request that vhdb_vq_next() gave last, inside run(). */
u64 vhdb_vq_out_left(const struct vhdb_vq *vq);
u64 vhdb_vq_in_left(const struct vhdb_vq *vq);
void vhdb_vq_in_skip(struct vhdb_vq *vq, u64 len);
int vhdb_vq_copy_from(struct vhdb_vq *vq, void *to, u32 len);
int vhdb_vq_copy_to(struct vhdb_vq *vq, const void *from, u32 len);
int vhdb_vq_iov_out(struct vhdb_vq *vq, struct iovec *iov, u32 max, u32 len);
int vhdb_vq_pin_out(struct vhdb_vq *vq, struct vhdb_pages *pages, u32 len);
int vhdb_vq_pin_in(struct vhdb_vq *vq, struct vhdb_pages *pages, u32 len);

/* Anywhere. */
void vhdb_vq_wake(struct vhdb_vq *vq);
void vhdb_request_complete(struct vhdb_request *rq, u32 len);
void vhdb_pages_init(struct vhdb_pages *pages);
bool vhdb_pages_dirty(const struct vhdb_pages *pages);
void vhdb_pages_redirty(struct vhdb_pages *pages);
void vhdb_pages_release(struct vhdb_pages *pages);

/* For users of the back end "bell": a module that needs its module. */
struct vhdb_bell *vhdb_bell_get(struct file *file);
void vhdb_bell_put(struct vhdb_bell *bell);
void vhdb_bell_ring(struct vhdb_bell *bell);

#endif /* _LINUX_VHOST_DOORBELL_H */
