// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: from the ring to the back end, and back to the ring.
 *
 * Completion runs where the work ends, in interrupt context if need be, with
 * no thread hop: a completed request is added to the queue's lock-free list,
 * and whoever found that list empty gives all of it back, under the
 * completion lock: many used elements, one index, one decision to signal.
 * What the worker itself completes during a run is gathered and given back at
 * its end.
 *
 * While there is something to log, or if the device is to be so, the worker gives
 * back what others have completed as well: the log is user memory. The list is
 * the same.
 *
 * When nothing is in flight any more, nobody touches the ring. Somebody may
 * still be on its way out of a completion, having found nothing left to do:
 * that is an RCU section, and the queue is freed after a grace period.
 */
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "cursor.h"
#include "trace.h"

/* By the worker alone, or while the queue stands still. */
static void free_put(struct vhdb_vq *vq, struct vhdb_request *rq)
{
	rq->node.next = vq->free_own;
	vq->free_own = &rq->node;
}

/* The worker is the only taker, so no lock is needed; and takes all at once. */
static struct vhdb_request *free_get(struct vhdb_vq *vq)
{
	struct llist_node *node = vq->free_own ?: llist_del_all(&vq->free);

	if (!node)
		return NULL;
	vq->free_own = node->next;
	return llist_entry(node, struct vhdb_request, node);
}

/**
 * vhdb_requests_alloc() - storage for as many requests as the ring can hold
 * @vq: the queue
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int vhdb_requests_alloc(struct vhdb_vq *vq)
{
	size_t size = vq->dev->backend->request_size;
	u32 i;

	init_llist_head(&vq->free);
	vq->free_own = NULL;
	vq->requests = kvcalloc(vq->num, size, GFP_KERNEL_ACCOUNT);
	if (!vq->requests)
		return -ENOMEM;
	for (i = vq->num; i--;) {
		struct vhdb_request *rq = vq->requests + i * size;

		rq->vq = vq;
		free_put(vq, rq);
	}
	return 0;
}

/**
 * vhdb_requests_free() - the end of that storage
 * @vq: the queue; nothing is in flight
 *
 * Context: process.
 */
void vhdb_requests_free(struct vhdb_vq *vq)
{
	size_t size = vq->dev->backend->request_size;
	u32 i;

	for (i = 0; vq->requests && i < vq->num; i++)
		vhdb_log_free(vq->requests + i * size);
	kvfree(vq->requests);
	vq->requests = NULL;
}

/*
 * Counts requests that look at the owner's memory from here on. All that were taken
 * from the ring in one go are counted at once; an epoch does not end within a run.
 */
static void start(struct vhdb_vq *vq, int nr)
{
	atomic_add(nr, &vq->inflight[vq->dev->memory.epoch]);
}

/* Counts requests that do so no more. From here on the ring may go. */
static void end(struct vhdb_vq *vq, u8 epoch, int nr)
{
	/* wake_up_var() hashes the address alone. */
	if (nr && atomic_sub_and_test(nr, &vq->inflight[epoch]))
		wake_up_var(&vq->inflight[epoch]);
}

/*
 * The next request's pieces. Requests are taken from the ring in batches, no
 * more than the run has left. NULL if there is none or the ring is broken.
 */
static const struct vhdb_chain *chain_next(struct vhdb_vq *vq)
{
	if (vq->next_chain == vq->nr_chains) {
		u32 max = min_t(u32, vq->expected, VHDB_BATCH);
		int ret;

		vq->chains[0].segs = vq->segs;
		ret = vhdb_ring_pop_batch(&vq->ring, vq->chains,
					  min(max, vq->requests_left));
		vq->nr_chains = max(ret, 0);
		vq->next_chain = 0;
		if (ret == -EAGAIN)
			vq->missing = true;
		else if (ret < 0)
			vhdb_vq_break(vq, ret);
		if (ret <= 0)
			return NULL;
		start(vq, ret);
	}
	return &vq->chains[vq->next_chain++];
}

/**
 * vhdb_requests_unpop() - leave in the ring what a run has not come to
 * @vq: the queue
 *
 * Context: the worker, at the end of a run.
 */
void vhdb_requests_unpop(struct vhdb_vq *vq)
{
	u32 nr = vq->nr_chains - vq->next_chain;

	if (!nr)
		return;
	vhdb_ring_unpop(&vq->ring, &vq->chains[vq->next_chain], nr);
	end(vq, vq->dev->memory.epoch, nr);
	vq->nr_chains = 0;
	vq->next_chain = 0;
}

/* No back end takes a request that is longer; it may refuse it unmapped. */
#define MAPPED_BYTES_MAX	SZ_128M

/* As vhdb_miss_ask(), for all that is left under a cursor. */
static int ask_cursor(struct vhdb_vq *vq, const struct vhdb_cursor *c, u8 perm)
{
	u32 i, off = c->off;
	u64 bytes = 0;

	for (i = 0; i < c->nr; i++) {
		const struct vhdb_seg *seg = &c->seg[i];
		int ret;

		bytes += seg->len;
		if (bytes > MAPPED_BYTES_MAX)
			break;
		ret = vhdb_miss_ask(vq, seg->addr + off, seg->len - off, perm);
		if (ret)
			return ret;
		off = 0;
	}
	return 0;
}

/*
 * Where mappings are asked for: is all of the present request mapped? So a back
 * end meets no hole, but for those that the owner cannot fill.
 */
static bool is_mapped(struct vhdb_vq *vq)
{
	int ret;

	if (!vhdb_device_has_iotlb(vq->dev))
		return true;
	ret = ask_cursor(vq, &vq->out, VHDB_READ);
	if (!ret)
		ret = ask_cursor(vq, &vq->in, VHDB_WRITE);
	vq->missing = ret > 0;
	return !vq->missing;
}

/* Takes the next request from the ring; NULL if there is none to be had. */
static struct vhdb_request *take(struct vhdb_vq *vq)
{
	const struct vhdb_chain *chain = chain_next(vq);
	struct vhdb_request *rq;

	if (!chain)
		return NULL;
	vhdb_cursor_init(&vq->out, chain->segs, chain->nr_out);
	vhdb_cursor_init(&vq->in, chain->segs + chain->nr_out, chain->nr_in);
	if (!is_mapped(vq)) {
		/* It stays in the ring, and so does what is behind it. */
		vq->next_chain--;
		return NULL;
	}

	rq = free_get(vq);
	if (!rq) {
		/* 2.7.13: the same buffer twice, or more than the ring has */
		vq->next_chain--;
		vhdb_vq_break(vq, -EBUSY);
		return NULL;
	}

	vq->requests_left--;
	vq->run_stats.requests++;
	if (!vq->dev->backend->own_rate && vhdb_limited(vq))
		vhdb_limit_charge(vq, 1, 0);
	rq->epoch = vq->dev->memory.epoch;
	rq->id = chain->id;
	rq->count = chain->count;
	rq->resumed = false;
	rq->error = 0;
	rq->bytes_read = 0;
	rq->bytes_written = 0;

	trace_vhdb_pop(vq->dev, vq->index, rq->id, chain->nr_out, chain->nr_in);
	return rq;
}

/* @first: of what the rate limits count as one. */
static __always_inline struct vhdb_request *next(struct vhdb_vq *vq, bool first)
{
	struct vhdb_request *rq = vq->deferred;

	if (rq) {
		/* If it is to be finished, a hole makes it fail. */
		if (vq->requests_left && !is_mapped(vq))
			return NULL;
		vq->deferred = NULL;
		rq->resumed = true;
		rq->epoch = vq->dev->memory.epoch;
		start(vq, 1);
	} else {
		if (vq->broken || vq->missing || !vq->requests_left ||
		    !vq->bytes_left)
			return NULL;
		if (first && vhdb_limited(vq) && vhdb_limit_reached(vq))
			return NULL;
		rq = take(vq);
		if (!rq)
			return NULL;
	}
	vq->current_rq = rq;
	return rq;
}

/**
 * vhdb_vq_next() - take the next request
 * @vq: the queue
 *
 * One that was deferred comes first, with &vhdb_request.resumed set; it goes on
 * where it was.
 *
 * Context: the worker, within run().
 * Return: the request, which is the back end's until it completes it; NULL if
 * there is none, the run's budget or a rate limit is used up, the queue is
 * broken, or waits for a mapping.
 */
struct vhdb_request *vhdb_vq_next(struct vhdb_vq *vq)
{
	return next(vq, true);
}
EXPORT_SYMBOL_GPL(vhdb_vq_next);

/**
 * vhdb_vq_expect() - about how many requests are going to be taken
 * @vq: the queue
 * @nr: how many, not 0
 *
 * Requests are read from the ring ahead, many at a time, and what a run has no use
 * for is left in the ring again: much for nothing where a driver gives buffers that
 * are used one by one. From here to the end of the run no more than so many are
 * read at once.
 *
 * Context: the worker, within run().
 */
void vhdb_vq_expect(struct vhdb_vq *vq, u32 nr)
{
	vq->expected = nr;
}
EXPORT_SYMBOL_GPL(vhdb_vq_expect);

/**
 * vhdb_vq_gather_in() - take requests until they have room for so many bytes
 * @vq: the queue; it has no deferred request
 * @b: what was taken is written there, also if there is not enough of it. Who calls
 *	has set @rqs, @lens, @max, @iov.
 * @need: bytes, not 0
 *
 * Context: the worker, within run(); @iov is valid until it returns.
 * Return: 0; -EAGAIN if vhdb_vq_next() has no more now; -ENOMSG for a request that
 * has no room at all, or something to be read: then the queue is broken; -E2BIG if
 * it takes more than @max requests or VHDB_SEGS_MAX pieces; -EFAULT, -EACCES,
 * -ENOMEM if a place may not be written.
 */
int vhdb_vq_gather_in(struct vhdb_vq *vq, struct vhdb_buffers *b, u32 need)
{
	b->nr = 0;
	b->segs = 0;
	b->room = 0;
	do {
		struct vhdb_request *rq;
		u32 len;
		int nr;

		if (b->nr == b->max)
			return -E2BIG;
		rq = next(vq, !b->nr);
		if (!rq)
			return -EAGAIN;
		b->last = min_t(u64, vq->in.left, U32_MAX);
		len = min(b->last, need - b->room);
		b->rqs[b->nr] = rq;
		b->lens[b->nr++] = len;
		if (!len || vq->out.left) {
			vhdb_vq_break(vq, -ENOMSG);
			return -ENOMSG;
		}
		nr = vhdb_cursor_iov(vq, &vq->in, b->iov + b->segs,
				     VHDB_SEGS_MAX - b->segs, len, VHDB_WRITE);
		if (nr < 0)
			return nr;
		b->segs += nr;
		b->room += len;
	} while (b->room < need);
	return 0;
}
EXPORT_SYMBOL_GPL(vhdb_vq_gather_in);

/**
 * vhdb_request_defer() - leave the rest of a request for the queue's next run
 * @rq: the request that vhdb_vq_next() gave last; run() has to return
 *
 * Nothing may be held of the guest's memory, for the map may change: what is
 * left is translated anew. The queue takes no other request before this one is
 * complete. If the queue is stopped (a reset, close) it is forgotten, and
 * never comes back.
 *
 * Context: the worker, within run().
 */
void vhdb_request_defer(struct vhdb_request *rq)
{
	struct vhdb_vq *vq = rq->vq;

	vq->deferred = rq;
	end(vq, rq->epoch, 1);
}
EXPORT_SYMBOL_GPL(vhdb_request_defer);

/**
 * vhdb_vq_budget() - how much may be moved in this run?
 * @vq: the queue
 *
 * Context: the worker, within run().
 * Return: bytes, 0 when it is used up.
 */
u32 vhdb_vq_budget(const struct vhdb_vq *vq)
{
	return vq->bytes_left;
}
EXPORT_SYMBOL_GPL(vhdb_vq_budget);

/**
 * vhdb_vq_charge() - count payload against the run's budget and the rate limit
 * @vq: the queue
 * @bytes: payload of the present request
 *
 * Context: the worker, within run().
 */
void vhdb_vq_charge(struct vhdb_vq *vq, u32 bytes)
{
	vq->bytes_left -= min(bytes, vq->bytes_left);
	if (vhdb_limited(vq))
		vhdb_limit_charge(vq, 0, bytes);
}
EXPORT_SYMBOL_GPL(vhdb_vq_charge);

/**
 * vhdb_vq_charge_packet() - likewise, of what is one for the rate limit
 * @vq: the queue; of a back end that counts for itself
 * @bytes: payload of the packet, in one request or several
 *
 * Context: the worker, within run().
 */
void vhdb_vq_charge_packet(struct vhdb_vq *vq, u32 bytes)
{
	vq->bytes_left -= min(bytes, vq->bytes_left);
	if (vhdb_limited(vq))
		vhdb_limit_charge(vq, 1, bytes);
}
EXPORT_SYMBOL_GPL(vhdb_vq_charge_packet);

/**
 * vhdb_vq_idle() - the back end has nothing for the buffers that there are
 * @vq: the queue; run() has to return
 *
 * No kick is asked for, nor is the queue served before vhdb_vq_wake() is called
 * (see &vhdb_backend.arm), or the queue is polled and there is something.
 *
 * Context: the worker, within run().
 */
void vhdb_vq_idle(struct vhdb_vq *vq)
{
	vq->idle = true;
}
EXPORT_SYMBOL_GPL(vhdb_vq_idle);

/**
 * vhdb_vq_wake() - have a queue served
 * @vq: the queue
 *
 * Context: any, between &vhdb_backend.start and &vhdb_backend.stop; takes no
 * lock but the scheduler's.
 */
void vhdb_vq_wake(struct vhdb_vq *vq)
{
	vhdb_work_queue(&vq->work);
}
EXPORT_SYMBOL_GPL(vhdb_vq_wake);

/**
 * vhdb_vq_give_back() - show the driver what is complete so far
 * @vq: the queue
 *
 * Otherwise what is complete before run() returns is given back then, all at once:
 * one signal for it. A back end whose driver can make use of the first ones while
 * it deals with others gives them back in between.
 *
 * Context: the worker, within run(); takes the queue's completion lock.
 */
void vhdb_vq_give_back(struct vhdb_vq *vq)
{
	struct llist_node *list = vq->inline_done;

	if (!list)
		return;
	vq->inline_done = NULL;
	vhdb_requests_flush(vq, list);
}
EXPORT_SYMBOL_GPL(vhdb_vq_give_back);

/* The last one that was taken goes back into the ring. */
static void put_back(struct vhdb_vq *vq, struct vhdb_request *rq)
{
	const struct vhdb_chain chain = { .id = rq->id, .count = rq->count };

	vhdb_ring_unpop(&vq->ring, &chain, 1);
	/* What it was going to write it has not written. */
	vhdb_log_forget(rq);
	vq->run_stats.requests--;
	end(vq, rq->epoch, 1);
	free_put(vq, rq);
}

/**
 * vhdb_vq_put_back() - leave the last requests in the ring after all
 * @vq: the queue
 * @rqs: the requests that were taken last, in that order
 * @nr: how many
 *
 * The next ones that it gives are these again, read anew. What was written to
 * them is no matter: a driver looks at what is used only. They have used up the
 * run's budget as if they were.
 *
 * Context: the worker, within run().
 */
void vhdb_vq_put_back(struct vhdb_vq *vq, struct vhdb_request *const *rqs,
		      u32 nr)
{
	/* Behind them, nothing may be taken any more. */
	vhdb_requests_unpop(vq);
	while (nr)
		put_back(vq, rqs[--nr]);
}
EXPORT_SYMBOL_GPL(vhdb_vq_put_back);

/**
 * vhdb_vq_too_few() - likewise, until there are more of them
 * @vq: the queue; run() has to return
 * @rqs: the requests that were taken last, after which there was none to be had
 * @nr: how many
 *
 * Run() is called again when the driver has made more available, or if
 * that ended for want of budget, of a mapping, or for a rate limit: then when
 * there is.
 *
 * Context: the worker, within run().
 */
void vhdb_vq_too_few(struct vhdb_vq *vq, struct vhdb_request *const *rqs,
		     u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		rqs[i]->node.next = vq->held;
		vq->held = &rqs[i]->node;
	}
}
EXPORT_SYMBOL_GPL(vhdb_vq_too_few);

/**
 * vhdb_requests_put_held() - the run is over: put back what was held
 * @vq: the queue
 *
 * Not before notifications are on: what makes the driver notify, and what is
 * looked at afterwards, is that there is more than these.
 *
 * Context: the worker, at the end of a run, after vhdb_requests_unpop().
 */
void vhdb_requests_put_held(struct vhdb_vq *vq)
{
	struct vhdb_request *rq, *next;
	struct llist_node *list = vq->held;

	vq->held = NULL;
	llist_for_each_entry_safe(rq, next, list, node)
		put_back(vq, rq);
}

/**
 * vhdb_vq_count_bounce() - count a request that was copied
 * @vq: the queue
 *
 * Context: the worker, within run().
 */
void vhdb_vq_count_bounce(struct vhdb_vq *vq)
{
	vq->run_stats.bounced++;
}
EXPORT_SYMBOL_GPL(vhdb_vq_count_bounce);

/**
 * vhdb_vq_priv() - what the back end's attach() returned
 * @vq: the queue
 *
 * Context: any, until detach().
 * Return: the back end's private data.
 */
void *vhdb_vq_priv(const struct vhdb_vq *vq)
{
	return vq->dev->priv;
}
EXPORT_SYMBOL_GPL(vhdb_vq_priv);

/**
 * vhdb_vq_index() - which of the device's queues is it?
 * @vq: the queue
 *
 * Context: any, until detach().
 * Return: its index, below &vhdb_attach.queues.
 */
u16 vhdb_vq_index(const struct vhdb_vq *vq)
{
	return vq->index;
}
EXPORT_SYMBOL_GPL(vhdb_vq_index);

/**
 * vhdb_vq_num() - how many descriptors does the ring have?
 * @vq: the queue
 *
 * Context: any, from the back end's start() to its stop().
 * Return: its size; no more buffers than that are in it at a time.
 */
u32 vhdb_vq_num(const struct vhdb_vq *vq)
{
	return vq->num;
}
EXPORT_SYMBOL_GPL(vhdb_vq_num);

/**
 * vhdb_vq_config_changed() - tell the driver to read config space again
 * @vq: any queue of the device
 *
 * 2.5, 4.1.5.3: after the change, so that whoever is told reads what is new.
 *
 * Context: any, but an eventfd's wake-up callback.
 */
void vhdb_vq_config_changed(struct vhdb_vq *vq)
{
	vhdb_config_changed(vq->dev);
}
EXPORT_SYMBOL_GPL(vhdb_vq_config_changed);

/**
 * vhdb_vq_has_feature() - was a feature negotiated?
 * @vq: the queue
 * @bit: the feature's number
 *
 * Context: the worker, within run(): it does not change while a queue runs.
 * Return: true if it was.
 */
bool vhdb_vq_has_feature(const struct vhdb_vq *vq, unsigned int bit)
{
	return vq->dev->features & BIT_ULL(bit);
}
EXPORT_SYMBOL_GPL(vhdb_vq_has_feature);

static void count_error(struct vhdb_done_stats *stats, int error)
{
	stats->errors++;
	stats->unsupported += error == -EOPNOTSUPP;
	stats->no_space += error == -ENOSPC;
}

/**
 * vhdb_requests_flush() - give completed requests back to the driver
 * @vq: their queue
 * @list: the requests, latest first; those in @vq->done are taken too
 *
 * Context: any, without the completion lock; while &vhdb_vq.left, the owner's
 * memory, with @vq's mutex and @dev->memory.sem held.
 */
void vhdb_requests_flush(struct vhdb_vq *vq, struct llist_node *list)
{
	struct llist_node *more = llist_del_all(&vq->done);
	struct llist_node *free = NULL, *last = NULL;
	u64 bytes_read = 0, bytes_written = 0;
	struct vhdb_request *rq, *next;
	/* Neither changes while something is in flight, but at release. */
	bool logged = READ_ONCE(vq->left) && (vq->log.data || vq->log.ring);
	int done[2] = {};
	unsigned long flags;
	bool signal = false;
	u16 from, to;
	int i;

	if (!list && !more)
		return;
	/* What is published is in the log already. */
	if (logged) {
		vhdb_log_requests(vq, list);
		vhdb_log_requests(vq, more);
	}

	spin_lock_irqsave(&vq->done_lock, flags);
	from = vhdb_ring_used_pos(&vq->ring);
	for (i = 0; i < 2; i++) {
		list = llist_reverse_order(i ? more : list);
		llist_for_each_entry_safe(rq, next, list, node) {
			trace_vhdb_complete(vq->dev, vq->index, rq->id,
					    rq->len);
			vhdb_ring_push(&vq->ring, rq->id, rq->count,
				       rq->len);
			bytes_read += rq->bytes_read;
			bytes_written += rq->bytes_written;
			if (rq->error)
				count_error(&vq->done_stats, rq->error);
			done[rq->epoch]++;
			rq->node.next = free;
			free = &rq->node;
			last = last ?: free;
		}
	}
	vq->done_stats.completions += done[0] + done[1];
	vq->done_stats.bytes_read += bytes_read;
	vq->done_stats.bytes_written += bytes_written;
	if (done[0] || done[1]) {
		/*
		 * Before the driver sees that there is room for new ones, for
		 * which the worker, on another CPU, takes these.
		 */
		llist_add_batch(free, last, &vq->free);
		signal = vhdb_ring_publish(&vq->ring);
		if (signal)
			vq->done_stats.signals++;
		else
			vq->done_stats.suppressed++;
	}
	to = vhdb_ring_used_pos(&vq->ring);
	spin_unlock_irqrestore(&vq->done_lock, flags);

	if (logged && vq->log.ring)
		vhdb_log_used(vq, from, to);

	/* After unlock: an eventfd may be kick and call at once. */
	if (signal) {
		trace_vhdb_call(vq->dev, vq->index);
		vhdb_call_signal(&vq->call);
	}

	for (i = 0; i < 2; i++)
		end(vq, i, done[i]);
}

/**
 * vhdb_request_complete() - a request has been dealt with
 * @rq: the request; not the caller's any more
 * @len: bytes that were written to it, from its first writable byte on
 *
 * Once for each request that was taken.
 *
 * Context: any, but an eventfd's wake-up callback.
 */
void vhdb_request_complete(struct vhdb_request *rq, u32 len)
{
	struct vhdb_vq *vq = rq->vq;
	u8 epoch = rq->epoch;

	rq->len = len;
	/* In an interrupt, current may be the worker as well. */
	if (in_task() && READ_ONCE(vq->runner) == current) {
		rq->node.next = vq->inline_done;
		vq->inline_done = &rq->node;
		return;
	}
	/*
	 * Once it is in the list, another may give it back, and the queue may
	 * be freed before this one has had its look: that waits for readers.
	 */
	rcu_read_lock();
	if (READ_ONCE(vq->left)) {
		llist_add(&rq->node, &vq->done);
		vhdb_work_queue(&vq->work);
		/* For the owner who waits for it, and can do it himself. */
		wake_up_var(&vq->inflight[epoch]);
	} else if (llist_add(&rq->node, &vq->done)) {
		vhdb_requests_flush(vq, NULL);
	}
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(vhdb_request_complete);

/**
 * vhdb_buffers_complete() - likewise, all of what was gathered
 * @vq: their queue
 * @b: the requests, each written as @b says
 *
 * Context: the worker, within run().
 */
void vhdb_buffers_complete(struct vhdb_vq *vq, const struct vhdb_buffers *b)
{
	struct llist_node *done = vq->inline_done;
	u32 i;

	for (i = 0; i < b->nr; i++) {
		struct vhdb_request *rq = b->rqs[i];

		rq->len = b->lens[i];
		rq->node.next = done;
		done = &rq->node;
	}
	vq->inline_done = done;
}
EXPORT_SYMBOL_GPL(vhdb_buffers_complete);
