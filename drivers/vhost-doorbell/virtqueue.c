// SPDX-License-Identifier: GPL-2.0
/*
 * A virtqueue: its life, and the worker's run over it.
 *
 * Whoever starts, stops, holds or remaps a queue has the device's mutex. The
 * worker has the queue's mutex for the length of a run, and serves only what
 * is marked @serve. So a queue is brought to a stand-still by clearing @serve
 * under its mutex and then waiting until nothing is in flight; afterwards
 * neither the worker nor a completion touches its ring. A request that a run
 * has deferred is finished then and there, by the owner, who does not depend
 * on a worker for it; if the queue is stopped for good, it is dropped.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include <uapi/linux/vhost.h>

#include "device.h"
#include "trace.h"

/* Where the ring's addresses lead; NULL if they are the owner's own. */
static const struct vhdb_memory *ring_memory(const struct vhdb_vq *vq)
{
	return vhdb_device_is_classic(vq->dev) &&
	       !vhdb_device_has_iotlb(vq->dev) ? NULL : &vq->dev->memory;
}

static size_t area_size(const struct vhdb_vq *vq, enum vhdb_area_kind kind)
{
	return vhdb_ring_area_size(vq->dev->features, vq->num, kind);
}

static bool mapped(const struct vhdb_vq *vq)
{
	return vq->area[VHDB_AREA_DESC].addr;
}

static void unmap_areas(struct vhdb_vq *vq)
{
	int i;

	for (i = 0; i < VHDB_AREAS; i++)
		vhdb_area_unmap(&vq->area[i], vq->dev->mm);
}

static int map_areas(struct vhdb_vq *vq)
{
	int i, err;

	for (i = 0; i < VHDB_AREAS; i++) {
		u32 align = vhdb_ring_area_align(vq->dev->features, i);

		err = vhdb_area_map(&vq->area[i], ring_memory(vq), vq->iova[i],
				    area_size(vq, i));
		/* The user addresses must keep the alignment, too. */
		if (!err && !IS_ALIGNED((unsigned long)vq->area[i].addr, align))
			err = -EINVAL;
		if (err) {
			unmap_areas(vq);
			return err;
		}
	}
	return 0;
}

static bool areas_moved(const struct vhdb_vq *vq)
{
	int i;

	for (i = 0; i < VHDB_AREAS; i++)
		if (vhdb_area_moved(&vq->area[i], ring_memory(vq), vq->iova[i],
				    area_size(vq, i)))
			return true;
	return false;
}

/* Asks for the first part of the ring that is not mapped, if there is one. */
static bool ask_for_ring(struct vhdb_vq *vq)
{
	int i;

	for (i = 0; i < VHDB_AREAS; i++)
		if (vhdb_miss_ask(vq, vq->iova[i], area_size(vq, i),
				  VHDB_READ | VHDB_WRITE) > 0)
			return true;
	return false;
}

/* Is there anything to do for who waits for a counter of requests? */
static bool over_or_left(struct vhdb_vq *vq, const atomic_t *count)
{
	return !atomic_read(count) ||
	       (READ_ONCE(vq->left) && !llist_empty(&vq->done));
}

/* What is complete and was left to the worker; the owner can do it as well. */
static int flush_left(struct vhdb_vq *vq)
{
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	down_read(&vq->dev->memory.sem);
	vhdb_requests_flush(vq, NULL);
	up_read(&vq->dev->memory.sem);
	mutex_unlock(&vq->mutex);
	return 0;
}

/* Waits for a counter of requests in flight. 0, or -EINTR if it may. */
static int wait_inflight(struct vhdb_vq *vq, u8 epoch, bool killable)
{
	atomic_t *count = &vq->inflight[epoch];

	if (!killable) {
		wait_var_event(count, !atomic_read(count));
		return 0;
	}
	for (;;) {
		if (wait_var_event_killable(count, over_or_left(vq, count)))
			return -EINTR;
		if (!atomic_read(count))
			return 0;
		/* The worker may have ended, and the owner live on. */
		if (flush_left(vq))
			return -EINTR;
	}
}

/**
 * vhdb_vq_wait_epoch() - wait for the requests of an epoch
 * @vq: the queue
 * @epoch: one that has ended, so that no new request counts for it
 *
 * Context: process, under the device's mutex.
 * Return: 0, or -EINTR for a fatal signal.
 */
int vhdb_vq_wait_epoch(struct vhdb_vq *vq, u8 epoch)
{
	return wait_inflight(vq, epoch, true);
}

/* Lets the worker serve the queue, or not, as its state has it now. */
static void update_serve(struct vhdb_vq *vq)
{
	mutex_lock(&vq->mutex);
	vq->serve = vq->started && !vq->dev->suspended && !vq->broken &&
		    mapped(vq) && vq->ready;
	vq->ringless = vq->started && !mapped(vq) &&
		       vhdb_device_has_iotlb(vq->dev);
	mutex_unlock(&vq->mutex);
}

/**
 * vhdb_vq_serve() - serve a queue, unless its state forbids it
 * @vq: the queue
 *
 * Context: process, under the device's mutex.
 */
void vhdb_vq_serve(struct vhdb_vq *vq)
{
	if (!vq->started)
		return;
	update_serve(vq);
	/* A ring may have gone by unheard: have a look. */
	if (vq->serve || vq->left)
		vhdb_work_queue(&vq->work);
}

/**
 * vhdb_vq_break() - stop serving a queue whose driver broke the rules
 * @vq: the queue
 * @reason: -errno, for the trace
 *
 * Context: the worker, within the back end's run().
 */
void vhdb_vq_break(struct vhdb_vq *vq, int reason)
{
	lockdep_assert_held(&vq->mutex);

	if (vq->broken)
		return;
	vq->broken = true;
	vq->serve = false;
	vq->run_stats.broken++;
	trace_vhdb_broken(vq->dev, vq->index, reason);
	pr_debug("queue %u is broken: %d\n", vq->index, reason);
	/* Whom the eventfd wakes finds the status as it is now. */
	vhdb_device_broken(vq->dev);
	vhdb_call_signal(&vq->err);
}
EXPORT_SYMBOL_GPL(vhdb_vq_break);

/* Lets the back end serve the queue for as long as the budget lasts. */
static void run(struct vhdb_vq *vq, u32 requests)
{
	lockdep_assert_held(&vq->mutex);

	vq->requests_left = requests;
	vq->expected = VHDB_BATCH;
	if (vq->near_at != vq->dev->memory.removals) {
		vq->near_at = vq->dev->memory.removals;
		vq->near = NULL;
	}
	vq->bytes_left = VHDB_RUN_BYTES;
	vq->missing = false;
	vq->idle = false;
	WRITE_ONCE(vq->runner, current);
	vq->dev->backend->run(vq);
	/* Between runs the ring's base is that of what was served. */
	vhdb_requests_unpop(vq);
	WRITE_ONCE(vq->runner, NULL);
	vhdb_vq_give_back(vq);
}

/* Is the run over, with more to be done or not? */
static bool out_of_budget(const struct vhdb_vq *vq)
{
	return vq->deferred || !vq->requests_left || !vq->bytes_left;
}

/* Most queues are never polled, which is not to cost them anything. */
static bool may_poll(const struct vhdb_vq *vq)
{
	return READ_ONCE(vq->poll_us) || vq->poll.since ||
	       READ_ONCE(vq->poll.by);
}

/* After a run: is there more, or who tells when there is? */
static bool more_to_do(struct vhdb_vq *vq)
{
	u32 ahead = 1;
	bool more;

	if (vq->broken)
		return false;
	/* Out of budget: behind the others, notifications stay off. */
	if (!vq->missing && out_of_budget(vq))
		return true;
	/* So they do over a rate limit, whose timer will call. */
	if (READ_ONCE(vq->throttled))
		return false;
	/* What others wake up for is not to wait. */
	if (!vq->missing && !vq->dev->backend->arm)
		ahead = vhdb_coalesce_ahead(vq);
	/* And while it pays to look out for a buffer. */
	if (!vq->missing && !vq->held && ahead == 1 && may_poll(vq) &&
	    vhdb_poll_start(vq))
		return false;
	/* And where there are buffers, but nothing to be done with them. */
	if (vq->idle)
		return vq->dev->backend->arm(vq);
	/* Otherwise a buffer that came while they were off is ours. */
	more = vhdb_ring_notify_ahead(&vq->ring, ahead);
	if (!more && ahead > 1)
		vhdb_coalesce_wait(vq, ahead);
	if (vq->log.ring)
		vhdb_log_event(vq);
	/* What it waits for starts the next run, or a kick, to ask again. */
	return more && !vq->missing;
}

/* One bounded run. Is there more? */
static bool serve(struct vhdb_vq *vq)
{
	bool more;

	vq->run_stats.wakeups++;
	trace_vhdb_run(vq->dev, vq->index);

	if (may_poll(vq))
		vhdb_poll_begin(vq);
	if (!vq->dev->backend->arm)
		vhdb_coalesce_begin(vq);
	vhdb_ring_disable_notify(&vq->ring);
	if (vq->log.ring)
		vhdb_log_event(vq);
	run(vq, VHDB_RUN_REQUESTS);
	more = more_to_do(vq);
	vhdb_requests_put_held(vq);
	return more;
}

/**
 * vhdb_vq_has_work() - is there something for the worker?
 * @vq: the queue, which was found with nothing to do
 *
 * Context: the worker, under @vq->mutex.
 * Return: true if there is: a buffer or, if that is what it has, something for it.
 */
bool vhdb_vq_has_work(struct vhdb_vq *vq)
{
	return vq->idle ? vq->dev->backend->pending(vq) :
			  vhdb_ring_has_work(&vq->ring);
}

/* The worker's work. */
static void vq_run(struct vhdb_work *work)
{
	struct vhdb_vq *vq = container_of(work, struct vhdb_vq, work);
	struct vhdb_device *dev = vq->dev;
	bool again = false;

	mutex_lock(&vq->mutex);
	if (vq->serve || vq->left) {
		down_read(&dev->memory.sem);
		if (vq->left)
			vhdb_requests_flush(vq, NULL);
		if (vq->serve)
			again = serve(vq);
		up_read(&dev->memory.sem);
	}
	if (vq->ringless) {
		/* A kick: the driver may have mapped it by now. */
		down_read(&dev->memory.sem);
		ask_for_ring(vq);
		up_read(&dev->memory.sem);
	}
	if (again)
		vhdb_work_queue(work);
	mutex_unlock(&vq->mutex);
}

/*
 * Finishes a deferred request, whose queue is not served any more. Whoever
 * wants it to stand still is the owner, so the memory is the right one.
 */
static int finish_deferred(struct vhdb_vq *vq)
{
	while (vq->deferred) {
		if (fatal_signal_pending(current))
			return -EINTR;
		down_read(&vq->dev->memory.sem);
		run(vq, 0);
		up_read(&vq->dev->memory.sem);
		cond_resched();
	}
	return 0;
}

static int wait_both(struct vhdb_vq *vq, bool killable)
{
	int err = wait_inflight(vq, 0, killable);

	return err ?: wait_inflight(vq, 1, killable);
}

/*
 * After this neither the worker nor a completion uses the ring, and all that
 * was taken from it is complete. The owner's context.
 */
static int quiesce(struct vhdb_vq *vq)
{
	int err;

	/* The worker may be waiting for a page of its owner's. */
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	vq->serve = false;
	err = finish_deferred(vq);
	mutex_unlock(&vq->mutex);
	return err ?: wait_both(vq, true);
}

/**
 * vhdb_vq_init() - a queue at ATTACH
 * @vq: the queue, zeroed
 * @dev: its device
 * @index: its index
 *
 * Context: process.
 */
void vhdb_vq_init(struct vhdb_vq *vq, struct vhdb_device *dev, u16 index)
{
	vq->dev = dev;
	vq->index = index;
	vq->num = dev->queue_size;
	vq->poll_us = dev->poll_us;
	vq->left = dev->complete_worker;
	mutex_init(&vq->mutex);
	spin_lock_init(&vq->done_lock);
	init_llist_head(&vq->done);
	init_llist_head(&vq->free);
	vhdb_work_init(&vq->work, vq_run);
	vhdb_coalesce_init(vq);
	vhdb_miss_init(vq);
	vhdb_limit_init(&vq->limit, vq, 1);
	vhdb_kick_init(&vq->kick, &vq->work, dev, index);
}

/**
 * vhdb_vq_reset() - forget what was set up and negotiated
 * @vq: the queue, stopped
 *
 * Counters stay.
 *
 * Context: process, under the device's mutex.
 */
void vhdb_vq_reset(struct vhdb_vq *vq)
{
	vhdb_kick_unhook(&vq->kick);
	vhdb_call_forget(&vq->call);
	vhdb_call_set(&vq->err, VHOST_FILE_UNBIND);
	vq->num = vq->dev->queue_size;
	memset(vq->iova, 0, sizeof(vq->iova));
	vq->has_addr = false;
	vq->enabled = false;
	vq->has_base = false;
	vq->broken = false;
	vq->poll_us = vq->dev->poll_us;
	vq->poll_fixed = false;
	vq->log = (struct vhdb_log){};
	vq->left = vq->dev->complete_worker;
	vhdb_miss_drop(vq);
}

/* The storage that a started queue needs, freed at stop. */
static void free_storage(struct vhdb_vq *vq)
{
	vhdb_requests_free(vq);
	kvfree(vq->segs);
	kvfree(vq->table);
	kvfree(vq->slots);
	vq->segs = NULL;
	vq->table = NULL;
	vq->slots = NULL;
}

static int alloc_storage(struct vhdb_vq *vq)
{
	vq->segs = kvcalloc(VHDB_BATCH_SEGS, sizeof(*vq->segs),
			    GFP_KERNEL_ACCOUNT);
	vq->table = kvcalloc(VHDB_RING_INDIRECT_MAX, sizeof(*vq->table),
			     GFP_KERNEL_ACCOUNT);
	if (!vq->segs || !vq->table || vhdb_requests_alloc(vq))
		goto err_free;
	if (vq->dev->features & BIT_ULL(VIRTIO_F_IN_ORDER)) {
		vq->slots = kvcalloc(vq->num, sizeof(*vq->slots),
				     GFP_KERNEL_ACCOUNT);
		if (!vq->slots)
			goto err_free;
	}
	return 0;

err_free:
	free_storage(vq);
	return -ENOMEM;
}

/* Of a stopped queue: where its ring goes on, or begins. */
static u32 current_base(const struct vhdb_vq *vq)
{
	return vq->has_base ? vq->base :
			      VHDB_RING_BASE_START(vq->dev->features);
}

/* Of a started one that stands still. */
static u32 ring_base(const struct vhdb_vq *vq)
{
	return vq->ready ? vhdb_ring_base(&vq->ring) : current_base(vq);
}

/* Takes the ring over, now that it is mapped. */
static int take_ring(struct vhdb_vq *vq)
{
	struct vhdb_ring_config cfg = {
		.num = vq->num,
		.features = vq->dev->features,
		.desc = vq->area[VHDB_AREA_DESC].addr,
		.driver = vq->area[VHDB_AREA_DRIVER].addr,
		.device = vq->area[VHDB_AREA_DEVICE].addr,
		.base = current_base(vq),
		.table = vq->table,
		.max_segs = VHDB_SEGS_MAX,
		.batch_segs = VHDB_BATCH_SEGS,
		.slots = vq->slots,
		.lens_implied = vq->dev->backend->lens_implied,
		.fetch = vhdb_fetch,
		.fetch_data = vq,
	};
	int err = vhdb_ring_init(&vq->ring, &cfg);

	if (err)
		return err;
	mutex_lock(&vq->mutex);
	vq->ready = true;
	vhdb_poll_reset(vq);
	vhdb_coalesce_reset(vq);
	if (vq->log.ring)
		vhdb_log_event(vq);
	mutex_unlock(&vq->mutex);
	return 0;
}

/**
 * vhdb_vq_start() - pin a queue's ring and get ready to serve it
 * @vq: the queue, which has a ring
 *
 * Where mappings are asked for, a ring that is not mapped yet starts when it is.
 *
 * Context: process, the owner's; under the device's mutex. vhdb_vq_serve()
 * is to follow.
 * Return: 0, also if it is started already; the errors of vhdb_area_map(),
 * -EINVAL, -ENOMEM.
 */
int vhdb_vq_start(struct vhdb_vq *vq)
{
	int err;

	if (vq->started)
		return 0;

	err = alloc_storage(vq);
	if (err)
		return err;
	err = map_areas(vq);
	if (!err)
		err = take_ring(vq);
	else if (err == -EFAULT && vhdb_device_has_iotlb(vq->dev) &&
		 ask_for_ring(vq))
		err = 0;
	if (err)
		goto err_free;

	vq->broken = false;
	vq->idle = false;
	vq->started = true;
	if (vq->dev->backend->start)
		vq->dev->backend->start(vq);
	return 0;

err_free:
	unmap_areas(vq);
	free_storage(vq);
	return err;
}

/**
 * vhdb_vq_stop() - stop serving a queue and give its ring back
 * @vq: the queue
 * @killable: a fatal signal may end the wait for what is in flight
 *
 * What is in flight is completed, what was deferred is not.
 *
 * Context: process, under the device's mutex.
 * Return: 0; -EINTR, and then the queue is not served but still holds its
 * ring: stop it again.
 */
int vhdb_vq_stop(struct vhdb_vq *vq, bool killable)
{
	int err;

	if (!vq->started)
		return 0;
	if (!killable)
		mutex_lock(&vq->mutex);
	else if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	vq->serve = false;
	vq->ringless = false;
	vq->deferred = NULL;
	mutex_unlock(&vq->mutex);
	/* Before it can be freed; no run starts the timer any more. */
	vhdb_coalesce_stop(vq);
	if (vq->dev->backend->stop)
		vq->dev->backend->stop(vq);
	err = wait_both(vq, killable);
	if (err)
		return err;

	vq->base = ring_base(vq);
	vq->has_base = true;
	vq->started = false;
	vq->ready = false;
	vhdb_miss_drop(vq);
	unmap_areas(vq);
	free_storage(vq);
	return 0;
}

/**
 * vhdb_vq_quiet() - nobody has a queue served any more
 * @vq: the queue; its kick is unhooked
 *
 * Context: process. Afterwards its worker may go.
 */
void vhdb_vq_quiet(struct vhdb_vq *vq)
{
	vhdb_limit_stop(&vq->limit);
	/* Nor does a run begin, which starts timers. */
	mutex_lock(&vq->mutex);
	vq->serve = false;
	mutex_unlock(&vq->mutex);
	vhdb_coalesce_stop(vq);
	if (vq->started && vq->dev->backend->stop)
		vq->dev->backend->stop(vq);
}

/**
 * vhdb_vq_free() - the last of a queue
 * @vq: the queue, stopped, its worker gone
 *
 * Context: process.
 */
void vhdb_vq_free(struct vhdb_vq *vq)
{
	vhdb_vq_reset(vq);
	mutex_destroy(&vq->mutex);
}

/**
 * vhdb_vq_hold() - let a queue stand still until vhdb_vq_serve()
 * @vq: the queue
 *
 * Context: process, under the device's mutex.
 * Return: 0 when all that was in flight is complete, or -EINTR.
 */
int vhdb_vq_hold(struct vhdb_vq *vq)
{
	return vq->started ? quiesce(vq) : 0;
}

/**
 * vhdb_vq_get_base() - where the ring stands
 * @vq: the queue
 * @base: out: as of vhdb_ring_base()
 *
 * A queue that runs stands still for it, so that all before it is complete.
 *
 * Context: process, under the device's mutex.
 * Return: 0 or -EINTR.
 */
int vhdb_vq_get_base(struct vhdb_vq *vq, u32 *base)
{
	int err;

	if (!vq->started) {
		*base = current_base(vq);
		return 0;
	}
	err = quiesce(vq);
	*base = ring_base(vq);
	vhdb_vq_serve(vq);
	return err;
}

/**
 * vhdb_vq_remap() - the map has changed: is the ring still where it was?
 * @vq: the queue
 *
 * If it is, the queue notices nothing. If it lost its place, it pauses; if it
 * has one again, it goes on there.
 *
 * Context: process, the owner's; under the device's mutex.
 * Return: 0, also when it pauses; -EINTR.
 */
int vhdb_vq_remap(struct vhdb_vq *vq)
{
	int err;

	if (!vq->started || (mapped(vq) && !areas_moved(vq)))
		return 0;

	err = quiesce(vq);
	if (err)
		return err;
	unmap_areas(vq);
	trace_vhdb_pause(vq->dev, vq->index);

	err = map_areas(vq);
	if (!err && !vq->ready) {
		err = take_ring(vq);
		if (err)
			unmap_areas(vq);
	} else if (!err) {
		vhdb_ring_move(&vq->ring, vq->area[VHDB_AREA_DESC].addr,
			       vq->area[VHDB_AREA_DRIVER].addr,
			       vq->area[VHDB_AREA_DEVICE].addr);
	}
	if (err) {
		/*
		 * It stays paused until the next change. Not mapped is what a
		 * VMM has asked for; anything else it would not expect.
		 */
		if (err != -EFAULT)
			vhdb_call_signal(&vq->err);
		else if (vhdb_device_has_iotlb(vq->dev))
			ask_for_ring(vq);
		update_serve(vq);
		return 0;
	}
	vhdb_vq_serve(vq);
	return 0;
}

/**
 * vhdb_vq_paused() - has the ring no place?
 * @vq: the queue
 *
 * Context: process, under the device's mutex.
 * Return: true if it is started, but not mapped.
 */
bool vhdb_vq_paused(const struct vhdb_vq *vq)
{
	return vq->started && !mapped(vq);
}

/**
 * vhdb_vq_set_log() - log what is written, or no more
 * @vq: the queue, running or not
 * @data: in the guest's buffers
 * @ring: in the ring
 * @ring_addr: guest physical address of the ring's device area
 *
 * In between nothing is in flight, so that each request is either logged, all
 * of it, or was complete before.
 *
 * Context: process, the owner's; under the device's mutex.
 * Return: 0, or -EINTR, and then nothing has changed.
 */
int vhdb_vq_set_log(struct vhdb_vq *vq, bool data, bool ring, u64 ring_addr)
{
	int err = vhdb_vq_hold(vq);

	if (!err) {
		mutex_lock(&vq->mutex);
		vq->log.data = data;
		vq->log.ring = ring;
		vq->log.ring_addr = ring_addr;
		WRITE_ONCE(vq->left, data || ring || vq->dev->complete_worker);
		mutex_unlock(&vq->mutex);
	}
	vhdb_vq_serve(vq);
	return err;
}

/**
 * vhdb_vq_set_log_base() - log elsewhere
 * @vq: the queue, running or not
 * @base: the log
 *
 * Context: process, under the device's mutex.
 * Return: 0, and the old log is not written to any more; or -EINTR.
 */
int vhdb_vq_set_log_base(struct vhdb_vq *vq, u64 base)
{
	/* All that is logged is logged with the mutex held. */
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	vq->log.base = base;
	mutex_unlock(&vq->mutex);
	return 0;
}
