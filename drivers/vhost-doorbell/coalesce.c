// SPDX-License-Identifier: GPL-2.0
/*
 * One doorbell, one run and one signal for many requests.
 *
 * Where the storage is faster than the driver, the worker is done with each
 * request before the next one is there: every one of them is rung for, and its
 * completion interrupts the driver while it makes the next. A driver with many
 * requests out gains nothing by that. With EVENT_IDX it can be asked to ring
 * not for the next buffer but for the one that is so many ahead (2.7.10.2,
 * 2.8.10); what comes in front of that one waits for it. A timer ends the wait
 * if it does not come: whatever else is wrong here, nothing is left lying.
 * Nobody looks out for it meanwhile: nothing is polled.
 *
 * How many: it begins when a run finds more than a few, so that there are as
 * many out. The number is doubled until the timer finds fewer, and made smaller
 * then; from time to time one more is tried. It is one, which is no waiting at
 * all, where requests come further apart than it pays to wait for, and if any is
 * still with the storage: then that is what the driver waits for.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "compat.h"
#include "device.h"

/*
 * How long a request may be expected to wait: no longer than the worker takes
 * for so many, as a measure of the machine; and never longer than this.
 */
#define WAIT_COST	256
#define WAIT_MAX_NS	(10 * NSEC_PER_MSEC)
/* Requests that come further apart than so many of them take are not waited for. */
#define GAP_COST	16
/* After a pause like this, what was before tells nothing. */
#define PAUSE_NS	(20 * NSEC_PER_MSEC)
/* Requests that a mean is of, at least; twice as many at the most. */
#define MEAN_OF		64
/* One more is tried after so many requests: what it costs if it is too many. */
#define TRY_AFTER	256
/* So many times what was asked for are a sign of another load. */
#define MANY		4
/* With fewer at a time, it had better go on with one while we have another. */
#define FEW		5

static enum hrtimer_restart expired(struct hrtimer *timer)
{
	struct vhdb_vq *vq = container_of(timer, struct vhdb_vq, coalesce.timer);

	WRITE_ONCE(vq->coalesce.expired, true);
	vhdb_work_queue(&vq->work);
	return HRTIMER_NORESTART;
}

/**
 * vhdb_coalesce_init() - a queue at ATTACH
 * @vq: the queue
 *
 * Context: process.
 */
void vhdb_coalesce_init(struct vhdb_vq *vq)
{
	vhdb_hrtimer_setup(&vq->coalesce.timer, expired);
}

/**
 * vhdb_coalesce_reset() - a queue begins
 * @vq: the queue, not served yet
 *
 * Context: process, under @vq->mutex.
 */
void vhdb_coalesce_reset(struct vhdb_vq *vq)
{
	struct vhdb_coalesce *c = &vq->coalesce;

	c->waits = false;
	c->ahead = 1;
	c->probing = false;
	c->began = 0;
	c->nr = 0;
	c->time = 0;
	c->busy = 0;
}

/**
 * vhdb_coalesce_stop() - have a queue served no more
 * @vq: the queue; no run begins any more
 *
 * Context: process; waits for the timer.
 */
void vhdb_coalesce_stop(struct vhdb_vq *vq)
{
	hrtimer_cancel(&vq->coalesce.timer);
}

/**
 * vhdb_coalesce_begin() - a run of a queue begins
 * @vq: the queue
 *
 * Context: the worker, under @vq->mutex.
 */
void vhdb_coalesce_begin(struct vhdb_vq *vq)
{
	struct vhdb_coalesce *c = &vq->coalesce;
	u64 now;

	if (!vq->ring.event_idx)
		return;
	now = ktime_get_ns();
	c->since = now - c->began;
	c->began = now;
	c->served = vq->run_stats.requests;
	c->over = c->waits && READ_ONCE(c->expired);
	c->waits = false;
}

/* How long requests of late have taken, and how far apart they came. */
static void measure(struct vhdb_coalesce *c, u32 nr)
{
	if (c->since > PAUSE_NS) {
		c->nr = 0;
		c->time = 0;
		c->busy = 0;
		c->probing = true;
		return;
	}
	c->nr += nr;
	c->time += c->since;
	c->busy += ktime_get_ns() - c->began;
	if (c->nr >= 2 * MEAN_OF) {
		c->nr /= 2;
		c->time /= 2;
		c->busy /= 2;
	}
}

/* What a run with @nr requests tells of how many the driver has out. */
static void learn(struct vhdb_coalesce *c, u32 nr, u32 max)
{
	if (c->over) {
		/* Fewer than were asked for, or it was slow to make them. */
		c->ahead -= nr > 1 ? c->ahead / 4 : c->ahead / 2;
		c->probing = false;
		c->tried = 0;
		if (c->ahead < FEW)
			c->ahead = 1;
		return;
	}
	/* It begins, or it has become another load. */
	if (nr >= MANY * c->ahead)
		c->probing = true;
	c->tried += nr;
	if (c->ahead == 1) {
		c->ahead = nr < FEW ? 1 : min(nr, max);
	} else if (c->probing) {
		c->ahead = min(2 * c->ahead, max);
	} else if (c->tried >= TRY_AFTER) {
		c->ahead = min(c->ahead + 1, max);
		c->tried = 0;
	}
}

/* For how many is it worth while to wait? */
static u32 worth(const struct vhdb_coalesce *c)
{
	u64 wait = min_t(u64, c->busy * WAIT_COST, WAIT_MAX_NS * c->nr);

	/* As there are @nr of them in each, sums compare like means. */
	if (!c->time || c->time > c->busy * GAP_COST)
		return 1;
	return clamp_t(u64, div64_u64(wait, c->time), 1, c->ahead);
}

/**
 * vhdb_coalesce_ahead() - for which buffer is the driver to ring?
 * @vq: the queue, found empty at the end of a run
 *
 * Context: the worker, under @vq->mutex.
 * Return: 1 for the next one, 2 for the one behind that, and so on. If it is
 * more than 1, vhdb_coalesce_wait() is to follow.
 */
u32 vhdb_coalesce_ahead(struct vhdb_vq *vq)
{
	u32 nr = vq->run_stats.requests - vq->coalesce.served;
	struct vhdb_coalesce *c = &vq->coalesce;

	if (!vq->ring.event_idx)
		return 1;
	measure(c, nr);
	if (nr || c->over)
		learn(c, nr, max(vq->ring.num / 4, 1U));
	if (atomic_read(&vq->inflight[0]) || atomic_read(&vq->inflight[1]))
		return 1;
	return worth(c);
}

/**
 * vhdb_coalesce_wait() - end the wait for a buffer if it does not come
 * @vq: the queue
 * @ahead: what vhdb_coalesce_ahead() returned
 *
 * Context: the worker, under @vq->mutex.
 */
void vhdb_coalesce_wait(struct vhdb_vq *vq, u32 ahead)
{
	struct vhdb_coalesce *c = &vq->coalesce;
	u64 ns = div_u64(3 * ahead * c->time, 2 * c->nr);

	c->waits = true;
	WRITE_ONCE(c->expired, false);
	hrtimer_start(&c->timer, ns_to_ktime(ktime_get_ns() + ns),
		      HRTIMER_MODE_ABS);
}
