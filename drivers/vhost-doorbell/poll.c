// SPDX-License-Identifier: GPL-2.0
/*
 * Looking out for work instead of being rung for it.
 *
 * A queue that was found empty is polled for a while before its notifications
 * are turned on: a buffer that comes meanwhile costs neither the driver an exit
 * nor us a wake-up. How long is up to the queue, below a limit: the window
 * doubles with each hit and is halved by each miss, down to nothing. It comes
 * back when the queue is rung for so soon that polling for as long as the limit
 * allows would have found the buffer. So what is idle costs nothing.
 *
 * A worker polls all of its queues, one look at each in turn, between the works
 * that it is given; those come first. No lock is held from one look to the next.
 * Whoever else wants the CPU ends all of it, as does a signal, or the worker's
 * end.
 */
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "device.h"

/* A poll that is shorter than a wake-up takes is not worth its while. */
#define WINDOW_MIN_NS	(10 * NSEC_PER_USEC)

static u64 limit_of(const struct vhdb_vq *vq)
{
	return READ_ONCE(vq->poll_us) * (u64)NSEC_PER_USEC;
}

/**
 * vhdb_poll_window() - for how long is a queue polled?
 * @vq: the queue
 *
 * Context: any.
 * Return: nanoseconds, 0 for not at all.
 */
u64 vhdb_poll_window(const struct vhdb_vq *vq)
{
	u64 limit = limit_of(vq);

	return READ_ONCE(vq->poll_fixed) ? limit :
	       min(READ_ONCE(vq->poll.window), limit);
}

/* After a poll of @tried ns that hit, or would have if it had been longer. */
static void grow(struct vhdb_vq *vq, u64 tried)
{
	WRITE_ONCE(vq->poll.window,
		   min(max_t(u64, 2 * tried, WINDOW_MIN_NS), limit_of(vq)));
}

static void shrink(struct vhdb_vq *vq)
{
	u64 half = vq->poll.window / 2;

	WRITE_ONCE(vq->poll.window, half < WINDOW_MIN_NS ? 0 : half);
}

/* By the worker's thread that polls it, or when that has ended. */
static void unlink(struct vhdb_vq *vq)
{
	list_del(&vq->poll.link);
	/* Pairs with vhdb_poll_start() on another worker: it is off the list. */
	smp_store_release(&vq->poll.by, NULL);
}

/**
 * vhdb_poll_reset() - a queue begins
 * @vq: the queue, not served yet
 *
 * Context: process, under @vq->mutex.
 */
void vhdb_poll_reset(struct vhdb_vq *vq)
{
	WRITE_ONCE(vq->poll.window, 0);
	vq->poll.since = 0;
	vq->poll.over = false;
}

/**
 * vhdb_poll_begin() - a run of a queue begins: what has polling brought?
 * @vq: the queue
 *
 * Context: the worker, under @vq->mutex, with the ring as the last run left it.
 */
void vhdb_poll_begin(struct vhdb_vq *vq)
{
	struct vhdb_poll *p = &vq->poll;
	struct vhdb_worker *by = READ_ONCE(p->by);
	bool polled = by && by == vhdb_work_ours(&vq->work);
	u64 waited;

	if (polled)
		unlink(vq);
	p->on = polled;
	if (!p->since || !vhdb_vq_has_work(vq))
		return;

	waited = ktime_get_ns() - p->since;
	if (polled) {
		vq->run_stats.poll_hits++;
		vq->run_stats.poll_ns += waited;
	}
	if (polled || waited <= limit_of(vq))
		grow(vq, p->tried);
	p->since = 0;
	p->over = false;
}

/**
 * vhdb_poll_start() - a queue was found empty: poll it, if that may pay
 * @vq: the queue, its notifications off
 *
 * Context: the worker, under @vq->mutex.
 * Return: true if it is polled: notifications stay off, and its work is done
 * again when there is a buffer, or when the time is over.
 */
bool vhdb_poll_start(struct vhdb_vq *vq)
{
	struct vhdb_worker *worker = vhdb_work_ours(&vq->work);
	struct vhdb_poll *p = &vq->poll;
	bool fresh = !p->since;

	if (!READ_ONCE(vq->poll_us)) {
		p->since = 0;
		return false;
	}
	if (p->over) {
		p->over = false;
		return false;
	}
	if (fresh) {
		p->since = ktime_get_ns();
		p->tried = vhdb_poll_window(vq);
		p->until = p->since + p->tried;
	} else if (!p->on) {
		/* It was run, but not for a buffer. */
		return false;
	}
	/*
	 * Another worker may have it in its list for a moment more. Pairs with
	 * unlink(): what is free may be linked.
	 */
	if (!p->tried || need_resched() || !worker || smp_load_acquire(&p->by))
		return false;
	vq->run_stats.polls += fresh;
	WRITE_ONCE(p->by, worker);
	vhdb_worker_poll(worker, &p->link);
	return true;
}

/* The time is over, or the CPU is wanted: notifications are to be turned on. */
static void stop(struct vhdb_vq *vq, bool early, u64 now)
{
	vq->poll.over = true;
	vq->run_stats.poll_ns += now - vq->poll.since;
	if (!early)
		shrink(vq);
}

/* One look at a queue. Is its work to be done? */
static bool look(struct vhdb_vq *vq, struct vhdb_worker *worker, bool early)
{
	bool wanted = true;
	u64 now;

	if (READ_ONCE(vq->work.worker) != worker) {
		/* Notifications are off: whoever has it now turns them on. */
		unlink(vq);
		vhdb_work_queue(&vq->work);
		return false;
	}
	/* It waits for whoever has the lock, and what he makes of the queue. */
	if (!mutex_trylock(&vq->mutex))
		return true;
	now = ktime_get_ns();
	if (!vq->serve) {
		unlink(vq);
		wanted = false;
	} else if (!vhdb_vq_has_work(vq)) {
		wanted = early || now >= vq->poll.until ||
			 !READ_ONCE(vq->poll_us);
		if (wanted)
			stop(vq, early, now);
	}
	mutex_unlock(&vq->mutex);
	return wanted;
}

/**
 * vhdb_poll_pass() - one look at all queues that a worker polls
 * @worker: the worker
 * @polled: its list of them
 *
 * Context: the worker's thread, with the owner's memory or without.
 * Return: the works that are to be done, the last one first; NULL for none.
 */
struct llist_node *vhdb_poll_pass(struct vhdb_worker *worker,
				  struct list_head *polled)
{
	struct llist_node *works = NULL;
	bool early = need_resched();
	struct vhdb_vq *vq, *next;

	list_for_each_entry_safe(vq, next, polled, poll.link) {
		/* Otherwise it is in a list already. */
		if (look(vq, worker, early) && vhdb_work_claim(&vq->work)) {
			vq->work.node.next = works;
			works = &vq->work.node;
		}
	}
	if (!works) {
		cond_resched();
		cpu_relax();
	}
	return works;
}

/**
 * vhdb_poll_forget() - a worker has ended
 * @polled: its list of queues
 *
 * Context: process; no thread uses the list any more.
 */
void vhdb_poll_forget(struct list_head *polled)
{
	struct vhdb_vq *vq, *next;

	list_for_each_entry_safe(vq, next, polled, poll.link)
		unlink(vq);
}
