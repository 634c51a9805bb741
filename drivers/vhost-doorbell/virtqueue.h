/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_VIRTQUEUE_H
#define VHDB_VIRTQUEUE_H

#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vhost_doorbell.h>

#include "doorbell.h"
#include "limit.h"
#include "log.h"
#include "memory.h"
#include "ring.h"
#include "worker.h"

struct vhdb_device;

/*
 * One run of a queue ends after this many requests or payload bytes, so that
 * a busy queue leaves the worker to the others.
 */
#define VHDB_RUN_REQUESTS	256
#define VHDB_RUN_BYTES		(8U << 20)

/* Pieces of one request: an indirect table's limit. */
static_assert(VHDB_SEGS_MAX == VHDB_RING_INDIRECT_MAX);

/*
 * Requests that are taken from the ring at once, and the pieces that there is
 * room for. Room for one of the largest is left behind few of a usual size.
 */
#define VHDB_BATCH	32
#define VHDB_BATCH_SEGS	(VHDB_SEGS_MAX + 4 * VHDB_BATCH)

/**
 * struct vhdb_cursor - a place in one direction of a request
 * @seg: next piece
 * @nr: pieces from there on
 * @off: bytes of @seg that are behind us
 * @left: bytes to the end
 */
struct vhdb_cursor {
	const struct vhdb_seg *seg;
	u32 nr;
	u32 off;
	u64 left;
};

/* What became of a queue's question for a mapping. */
enum vhdb_miss_state {
	VHDB_MISS_NONE,
	VHDB_MISS_ASKED,	/* a message that is to be read */
	VHDB_MISS_READ,		/* and that has been */
	VHDB_MISS_DENIED,	/* there is no mapping, the owner says */
};

/**
 * struct vhdb_miss - an address that a queue cannot go on without
 * @state: what became of it
 * @perm: what is going to be done there
 * @iova: the address
 * @link: in the device's list of messages, while VHDB_MISS_ASKED
 *
 * One for each queue, so the owner has no more of them to read than it has
 * queues. Under the device's @msg_lock.
 */
struct vhdb_miss {
	enum vhdb_miss_state state;
	u8 perm;
	u64 iova;
	struct list_head link;
};

/* What is counted with a queue's completion lock held. */
struct vhdb_done_stats {
	u64 completions;
	u64 bytes_read;
	u64 bytes_written;
	u64 signals;
	u64 suppressed;
	u64 errors;
	u64 unsupported;
	u64 no_space;
};

/* What the worker counts, with the queue's mutex held. */
struct vhdb_run_stats {
	u64 wakeups;
	u64 requests;
	u64 bounced;
	u64 broken;
	u64 throttled;
	u64 polls;
	u64 poll_hits;
	u64 poll_ns;
};

/**
 * struct vhdb_poll - how a queue is polled
 * @by: whose list it is in; NULL for none. Written by that worker's thread.
 * @link: in that list
 * @window: how long it is polled, below the limit, in nanoseconds. Read from any
 *	context.
 * @since: when it was found empty; 0 if nobody has waited for a buffer since
 * @tried: what the window was then
 * @until: when the poll is over
 * @on: it was polled when this run of it began
 * @over: the time is over: notifications are to be turned on
 *
 * Under &vhdb_vq.mutex but for what is said.
 */
struct vhdb_poll {
	struct vhdb_worker *by;
	struct list_head link;
	u64 window;
	u64 since;
	u64 tried;
	u64 until;
	bool on;
	bool over;
};

/**
 * struct vhdb_coalesce - how many buffers a queue is rung for at once
 * @timer: ends the wait for them
 * @expired: it has. Written by the timer.
 * @waits: it was started for what the next run will find
 * @over: it had expired when this run began
 * @ahead: how many are worth a try
 * @probing: twice as many are tried each time, until they are too many
 * @tried: after that: requests since one more was tried
 * @began: when the last run began
 * @since: how long before that the one before it did
 * @served: requests that had been taken then
 * @nr: requests of late
 * @time: in which they came, in nanoseconds
 * @busy: which the worker took for them
 *
 * Under &vhdb_vq.mutex but for what is said.
 */
struct vhdb_coalesce {
	struct hrtimer timer;
	bool expired;
	bool waits;
	bool over;
	u32 ahead;
	bool probing;
	u32 tried;
	u64 began;
	u64 since;
	u64 served;
	u32 nr;
	u64 time;
	u64 busy;
};

/**
 * struct vhdb_vq - a virtqueue
 *
 * Immutable after ATTACH:
 * @dev: its device
 * @index: which of the device's queues
 *
 * The set-up, under the device's mutex, changed only while stopped:
 * @num: queue size
 * @iova: where the driver put the areas
 * @has_addr: @iova was set
 * @enabled: the driver wants it served
 * @base: where the ring begins or, stopped, where it ended
 * @has_base: @base counts; else the ring begins where a new one does
 * @kick: the doorbell
 * @poll_us: how long it may be polled before notifications are turned on again,
 *	in microseconds; 0 for not at all. Read by the worker.
 * @poll_fixed: it is polled for just as long. Read by the worker.
 *
 * Under the device's mutex, and @mutex for @serve, @ringless and @broken:
 * @started: between start and stop
 * @ready: the ring was found, and @ring taken over
 * @serve: the worker may serve it
 * @ringless: there is no mapping for the ring: the worker asks for it
 * @broken: the driver broke the rules; not served until it is reset
 *
 * Held by the worker while it serves:
 * @mutex: a run
 *
 * Any context:
 * @left: completions are left to the worker: the device wants it so, or they
 *	are logged first. Changes only while nothing is in flight.
 * @miss: a mapping that is asked for
 *
 * Under @mutex:
 * @log: what is logged
 * @work: the worker's work on this queue
 * @poll: how it is polled
 * @coalesce: how many buffers it is rung for at once
 * @area: the ring's memory
 * @ring: the engine; its used side is under @done_lock
 * @chains: requests that were taken from the ring in one go
 * @nr_chains: how many
 * @next_chain: the first of them that was not looked at yet
 * @expected: no more than so many are taken in one go
 * @near: what is mapped where the last address was looked up
 * @near_at: &vhdb_memory.removals then: after another one it has gone
 * @segs: room for their pieces
 * @table: room for an indirect table
 * @slots: with IN_ORDER, where the engine parks what is early
 * @out: where the back end is in what it reads
 * @in: where the back end is in what it writes
 * @deferred: a request that is to be finished before others are taken; @out
 *	and @in are its. It is not among those in flight: it refers to no
 *	memory but through the map.
 * @missing: a mapping is asked for: nothing to do until it is there
 * @idle: the back end has nothing for the buffers that there are
 * @held: requests that are put back at the end of the run, the last one first
 * @current_rq: the request that was taken last
 * @free_own: free requests that the worker has got from @free
 * @requests_left: budget of this run
 * @bytes_left: budget of this run
 * @runner: the worker while it serves; its own completions are gathered in
 *	@inline_done. Read from any context.
 * @inline_done: requests that were complete before the back end's run() was
 * @run_stats: counters
 *
 * Any context:
 * @throttled: it waits for a rate limit; the timer clears it
 * @limit: its own rate limits (has a lock of its own)
 *
 * For completions, in any context:
 * @call: whom to signal. RCU.
 * @err: whom to tell that the queue is broken. RCU.
 * @requests: storage of the requests, as many as descriptors
 * @free: those that are free: given by completions, taken by the worker
 * @done: complete, and not yet in the used ring
 * @inflight: number of requests between pop and push, for each epoch
 * @done_lock: interrupts off; guards the ring's used side and @done_stats
 * @done_stats: counters
 */
struct vhdb_vq {
	struct vhdb_device *dev;
	u16 index;

	u32 num;
	u64 iova[VHDB_AREAS];
	bool has_addr;
	bool enabled;
	u32 base;
	bool has_base;
	struct vhdb_kick kick;
	u32 poll_us;
	bool poll_fixed;

	bool started;
	bool ready;
	bool serve;
	bool ringless;
	bool broken;

	bool left;
	struct vhdb_miss miss;

	struct mutex mutex;	/* a run of the worker */
	struct vhdb_log log;
	struct vhdb_work work;
	struct vhdb_poll poll;
	struct vhdb_coalesce coalesce;
	struct vhdb_area area[VHDB_AREAS];
	struct vhdb_ring ring;
	struct vhdb_chain chains[VHDB_BATCH];
	u32 nr_chains;
	u32 next_chain;
	u32 expected;
	struct vhost_iotlb_map *near;
	u64 near_at;
	struct vhdb_seg *segs;
	struct vring_desc *table;
	struct vhdb_ring_slot *slots;
	struct vhdb_cursor out;
	struct vhdb_cursor in;
	struct vhdb_request *deferred;
	bool missing;
	bool idle;
	struct llist_node *held;
	struct vhdb_request *current_rq;
	u32 requests_left;
	u32 bytes_left;
	struct task_struct *runner;
	struct llist_node *inline_done;
	struct vhdb_run_stats run_stats;

	bool throttled;
	struct vhdb_limit limit;

	struct vhdb_call_slot call;
	struct vhdb_call_slot err;
	void *requests;
	struct llist_head free;
	struct llist_node *free_own;

	struct llist_head done ____cacheline_aligned_in_smp;
	atomic_t inflight[2];
	spinlock_t done_lock;	/* used side; interrupts off */
	struct vhdb_done_stats done_stats;
};

void vhdb_vq_init(struct vhdb_vq *vq, struct vhdb_device *dev, u16 index);
void vhdb_vq_free(struct vhdb_vq *vq);
void vhdb_vq_reset(struct vhdb_vq *vq);
int vhdb_vq_start(struct vhdb_vq *vq);
int vhdb_vq_stop(struct vhdb_vq *vq, bool killable);
int vhdb_vq_hold(struct vhdb_vq *vq);
void vhdb_vq_serve(struct vhdb_vq *vq);
int vhdb_vq_remap(struct vhdb_vq *vq);
int vhdb_vq_wait_epoch(struct vhdb_vq *vq, u8 epoch);
int vhdb_vq_get_base(struct vhdb_vq *vq, u32 *base);
int vhdb_vq_set_log(struct vhdb_vq *vq, bool data, bool ring, u64 ring_addr);
int vhdb_vq_set_log_base(struct vhdb_vq *vq, u64 base);
void vhdb_vq_quiet(struct vhdb_vq *vq);
bool vhdb_vq_has_work(struct vhdb_vq *vq);
bool vhdb_vq_paused(const struct vhdb_vq *vq);

/* poll.c */
u64 vhdb_poll_window(const struct vhdb_vq *vq);
void vhdb_poll_reset(struct vhdb_vq *vq);
void vhdb_poll_begin(struct vhdb_vq *vq);
bool vhdb_poll_start(struct vhdb_vq *vq);
struct llist_node *vhdb_poll_pass(struct vhdb_worker *worker,
				  struct list_head *polled);
void vhdb_poll_forget(struct list_head *polled);

/* coalesce.c */
void vhdb_coalesce_init(struct vhdb_vq *vq);
void vhdb_coalesce_reset(struct vhdb_vq *vq);
void vhdb_coalesce_stop(struct vhdb_vq *vq);
void vhdb_coalesce_begin(struct vhdb_vq *vq);
u32 vhdb_coalesce_ahead(struct vhdb_vq *vq);
void vhdb_coalesce_wait(struct vhdb_vq *vq, u32 ahead);

/* request.c */
int vhdb_requests_alloc(struct vhdb_vq *vq);
void vhdb_requests_free(struct vhdb_vq *vq);
void vhdb_requests_unpop(struct vhdb_vq *vq);
void vhdb_requests_put_held(struct vhdb_vq *vq);
void vhdb_requests_flush(struct vhdb_vq *vq, struct llist_node *list);

/* data.c */
int vhdb_fetch(void *data, u64 iova, void *to, u32 len);

/* iotlb.c */
void vhdb_miss_init(struct vhdb_vq *vq);
void vhdb_miss_drop(struct vhdb_vq *vq);
int vhdb_miss_ask(struct vhdb_vq *vq, u64 iova, u64 len, u8 perm);

#endif /* VHDB_VIRTQUEUE_H */
