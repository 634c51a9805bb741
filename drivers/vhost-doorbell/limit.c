// SPDX-License-Identifier: GPL-2.0
/*
 * Rate limits: requests and bytes a second, for a whole device, and for a queue.
 *
 * What was used is kept as a moment: until when it would have lasted at the
 * rate. As long as that is less than a burst ahead, there is more to be had;
 * after a pause it lies in the past, and counts from now. A request is let in
 * before its size is known, so that one larger than a burst passes, too: the
 * next ones wait the longer.
 *
 * A queue that may not go on leaves its requests in the ring, with notifications
 * off, and a timer has it served again. So nothing is in flight for the sake of
 * a limit, and neither reset nor SUSPEND has to wait for one.
 */
#include <linux/math64.h>

#include "compat.h"
#include "device.h"
#include "limit.h"

static u64 duration(const struct vhdb_rate *r, u64 n)
{
	return div64_u64(n * NSEC_PER_SEC, r->rate);
}

/* When it may go on; what is not later than @now is at once. */
static u64 ready_at(const struct vhdb_rate *r)
{
	if (!r->rate || r->due < r->burst)
		return 0;
	/* A burst of it is used up: not before some of that is over. */
	return r->due - r->burst + 1;
}

static void use(struct vhdb_rate *r, u64 now, u64 n)
{
	if (r->rate)
		r->due = max(r->due, now) + duration(r, n);
}

static enum hrtimer_restart expired(struct hrtimer *timer)
{
	struct vhdb_limit *limit = container_of(timer, struct vhdb_limit, timer);
	u16 i;

	/* Another one first each time: they share what there is. */
	limit->first = (limit->first + 1) % limit->nvqs;
	for (i = 0; i < limit->nvqs; i++) {
		struct vhdb_vq *vq = &limit->vqs[(limit->first + i) %
						 limit->nvqs];

		if (xchg(&vq->throttled, false))
			vhdb_work_queue(&vq->work);
	}
	return HRTIMER_NORESTART;
}

/**
 * vhdb_limit_init() - no limits
 * @limit: a device's or a queue's, zeroed
 * @vqs: the queues that it is for
 * @nvqs: how many
 *
 * Context: process.
 */
void vhdb_limit_init(struct vhdb_limit *limit, struct vhdb_vq *vqs, u16 nvqs)
{
	limit->vqs = vqs;
	limit->nvqs = nvqs;
	spin_lock_init(&limit->lock);
	vhdb_hrtimer_setup(&limit->timer, expired);
}

static int set_rate(struct vhdb_rate *r, u64 rate, u64 burst)
{
	*r = (struct vhdb_rate){};
	if (!rate)
		return burst ? -ERANGE : 0;
	if (rate > VHDB_RATE_MAX || burst > rate * VHDB_BURST_MAX)
		return -ERANGE;
	r->rate = rate;
	/* The product fits after the division only. */
	r->burst = burst ? div64_u64(burst, rate) * NSEC_PER_SEC +
			   duration(r, burst % rate) : NSEC_PER_SEC / 10;
	/* One thing at a time there must be. */
	r->burst = max(r->burst, 1ULL);
	return 0;
}

/**
 * vhdb_limit_set() - at ATTACH, or while it is at work
 * @limit: a device's or a queue's
 * @requests: a second; 0 for any number
 * @requests_burst: at once after a pause; 0 for a tenth of a second's
 * @bytes: payload a second; 0 for any number
 * @bytes_burst: at once after a pause; 0 for a tenth of a second's
 *
 * Context: process, under the device's mutex, or before it has a back end.
 * Return: 0, or -ERANGE, and then nothing has changed.
 */
int vhdb_limit_set(struct vhdb_limit *limit, u64 requests, u64 requests_burst,
		   u64 bytes, u64 bytes_burst)
{
	struct vhdb_rate r, b;
	int err = set_rate(&r, requests, requests_burst);

	if (!err)
		err = set_rate(&b, bytes, bytes_burst);
	if (err)
		return err;
	spin_lock_irq(&limit->lock);
	limit->requests = r;
	limit->bytes = b;
	WRITE_ONCE(limit->on, requests || bytes);
	spin_unlock_irq(&limit->lock);
	return 0;
}

/**
 * vhdb_limit_stop() - have no queue served any more
 * @limit: a device's
 *
 * Context: process; waits for the timer.
 */
void vhdb_limit_stop(struct vhdb_limit *limit)
{
	spin_lock_irq(&limit->lock);
	limit->stopped = true;
	spin_unlock_irq(&limit->lock);
	hrtimer_cancel(&limit->timer);
}

/**
 * vhdb_limit_forget() - have no queue served for the sake of what was
 * @limit: a device's or a queue's; no queue is served, so none starts the timer
 *
 * Context: process; waits for the timer.
 */
void vhdb_limit_forget(struct vhdb_limit *limit)
{
	u16 i;

	hrtimer_cancel(&limit->timer);
	for (i = 0; i < limit->nvqs; i++)
		WRITE_ONCE(limit->vqs[i].throttled, false);
}

static bool reached(struct vhdb_limit *limit, struct vhdb_vq *vq)
{
	u64 ready;

	if (!READ_ONCE(limit->on))
		return false;

	spin_lock_irq(&limit->lock);
	ready = max(ready_at(&limit->requests), ready_at(&limit->bytes));
	if (ready <= ktime_get_ns()) {
		spin_unlock_irq(&limit->lock);
		return false;
	}
	/*
	 * Before the timer is started, which looks at it: one that has been
	 * started for another queue comes no later than this one.
	 */
	WRITE_ONCE(vq->throttled, true);
	if (!limit->stopped)
		hrtimer_start(&limit->timer, ns_to_ktime(ready),
			      HRTIMER_MODE_ABS);
	spin_unlock_irq(&limit->lock);
	return true;
}

/**
 * vhdb_limit_reached() - may a queue take no request now?
 * @vq: the queue
 *
 * If so, it is served again when it may.
 *
 * Context: the worker, within run().
 * Return: true if it may not.
 */
bool vhdb_limit_reached(struct vhdb_vq *vq)
{
	if (!reached(&vq->dev->limit, vq) && !reached(&vq->limit, vq))
		return false;
	vq->run_stats.throttled++;
	return true;
}

static void charge(struct vhdb_limit *limit, u32 requests, u32 bytes)
{
	u64 now;

	if (!READ_ONCE(limit->on))
		return;
	now = ktime_get_ns();
	spin_lock_irq(&limit->lock);
	use(&limit->requests, now, requests);
	use(&limit->bytes, now, bytes);
	spin_unlock_irq(&limit->lock);
}

/**
 * vhdb_limit_charge() - count what a queue has taken
 * @vq: the queue
 * @requests: requests
 * @bytes: payload
 *
 * Context: the worker, within run().
 */
void vhdb_limit_charge(struct vhdb_vq *vq, u32 requests, u32 bytes)
{
	charge(&vq->dev->limit, requests, bytes);
	charge(&vq->limit, requests, bytes);
}
