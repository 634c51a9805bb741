// SPDX-License-Identifier: GPL-2.0
/*
 * Worker threads.
 *
 * Where the kernel exports vhost_task, a worker is a thread of the owner: in
 * its cgroup, under its limits, stopped and killed with it, ended by exec.
 * Elsewhere (6.1) it is a kthread in the owner's cgroup, which takes the
 * owner's memory while it has something to do; when that is gone, so is the
 * owner, and what is queued is dropped.
 *
 * A worker whose owner is gone does nothing any more. The device notices
 * nothing of it: requests in flight complete where their I/O ends, and the
 * file's release stops the rest.
 */
#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "virtqueue.h"

#ifdef VHDB_HAVE_VHOST_TASK
#include <linux/sched/vhost_task.h>
#endif

/**
 * struct vhdb_worker - a worker thread
 * @works: what is to be done, latest first. Lock-free: added to from any
 *	context (the doorbells' wake-up callbacks), emptied by the thread.
 * @polled: what it looks out for: see poll.c. The thread's own.
 * @thread: the thread, once it runs. Others only compare it with themselves.
 * @id: which of the device's
 * @task: the thread
 * @dead: vhost_task only: it has ended with its owner. RCU: who has seen it
 *	false may still wake the thread.
 * @mm: kthread only: the owner's memory, a reference on the struct alone
 */
struct vhdb_worker {
	struct llist_head works;
	struct list_head polled;
	struct task_struct *thread;
	u32 id;
#ifdef VHDB_HAVE_VHOST_TASK
	struct vhost_task *task;
	bool dead;
#else
	struct task_struct *task;
	struct mm_struct *mm;
#endif
};

static void run_works(struct llist_node *node)
{
	struct vhdb_work *work, *next;

	node = llist_reverse_order(node);
	llist_for_each_entry_safe(work, next, node, node) {
		/* From here on it can be queued again, by fn itself too. */
		clear_bit(VHDB_WORK_QUEUED, &work->flags);
		/*
		 * fn sees what was written before a queueing that found it
		 * still queued: pairs with the one in vhdb_work_queue().
		 */
		smp_mb__after_atomic();
		work->fn(work);
		cond_resched();
	}
}

static void do_works(struct vhdb_worker *worker, struct llist_node *node);

/*
 * What is queued, and one look at what is polled, so that neither waits for the
 * other. Entered in TASK_INTERRUPTIBLE; false lets the caller sleep.
 */
static bool one_round(struct vhdb_worker *worker)
{
	struct llist_node *node = llist_del_all(&worker->works);

	if (!node && list_empty(&worker->polled))
		return false;

	__set_current_state(TASK_RUNNING);
	if (node)
		do_works(worker, node);
	if (!list_empty(&worker->polled)) {
		node = vhdb_poll_pass(worker, &worker->polled);
		if (node)
			do_works(worker, node);
	}
	return true;
}

#ifdef VHDB_HAVE_VHOST_TASK

static void do_works(struct vhdb_worker *worker, struct llist_node *node)
{
	run_works(node);
}

/* Signals and the end are looked at between two of these. */
static bool worker_fn(void *data)
{
	struct vhdb_worker *worker = data;

	WRITE_ONCE(worker->thread, current);
	return one_round(worker);
}

static void worker_killed(void *data)
{
	struct vhdb_worker *worker = data;

	/*
	 * What is queued stays queued: there is no memory left to serve. Not
	 * every kernel lets the thread's struct outlive it until it is
	 * stopped, so nobody may be about to wake it when this returns.
	 */
	WRITE_ONCE(worker->dead, true);
	WRITE_ONCE(worker->thread, NULL);
	synchronize_rcu();
}

static int worker_start(struct vhdb_worker *worker, const char *name)
{
	struct vhost_task *task;

	task = vhost_task_create(worker_fn, worker_killed, worker, name);
	/* NULL before 6.13 and its stable backports, an ERR_PTR since. */
	if (IS_ERR_OR_NULL(task))
		return task ? PTR_ERR(task) : -ENOMEM;

	worker->task = task;
	vhost_task_start(task);
	return 0;
}

static void worker_stop(struct vhdb_worker *worker)
{
	vhost_task_stop(worker->task);
}

static void worker_wake(struct vhdb_worker *worker)
{
	rcu_read_lock();
	if (!READ_ONCE(worker->dead))
		vhost_task_wake(worker->task);
	rcu_read_unlock();
}

#else /* !VHDB_HAVE_VHOST_TASK */

static void do_works(struct vhdb_worker *worker, struct llist_node *node)
{
	/* Without the owner's memory, drop it: see worker_killed(). */
	if (!mmget_not_zero(worker->mm)) {
		vhdb_poll_forget(&worker->polled);
		return;
	}
	kthread_use_mm(worker->mm);
	run_works(node);
	kthread_unuse_mm(worker->mm);
	mmput(worker->mm);
}

static int worker_fn(void *data)
{
	struct vhdb_worker *worker = data;

	WRITE_ONCE(worker->thread, current);
	for (;;) {
		/* Pairs with the wake-up after llist_add() or the stop flag. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!one_round(worker))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int worker_start(struct vhdb_worker *worker, const char *name)
{
	struct task_struct *task;
	int err;

	task = kthread_create(worker_fn, worker, "%s", name);
	if (IS_ERR(task))
		return PTR_ERR(task);

	err = cgroup_attach_task_all(current, task);
	if (err) {
		kthread_stop(task);
		return err;
	}
	worker->task = task;
	worker->mm = current->mm;
	mmgrab(worker->mm);
	wake_up_process(task);
	return 0;
}

static void worker_stop(struct vhdb_worker *worker)
{
	kthread_stop(worker->task);
	mmdrop(worker->mm);
}

static void worker_wake(struct vhdb_worker *worker)
{
	wake_up_process(worker->task);
}

#endif

/**
 * vhdb_worker_create() - start a worker for the calling process
 * @id: which of the device's it is
 * @name: its name; NULL for one made of the caller's id and, from the second one
 *	on, @id
 *
 * Context: process; the caller becomes the thread's owner.
 * Return: the worker, or an ERR_PTR.
 */
struct vhdb_worker *vhdb_worker_create(u32 id, const char *name)
{
	struct vhdb_worker *worker;
	/* What is too long is cut off. */
	char made[32];
	int err;

	worker = kzalloc(sizeof(*worker), GFP_KERNEL_ACCOUNT);
	if (!worker)
		return ERR_PTR(-ENOMEM);
	init_llist_head(&worker->works);
	INIT_LIST_HEAD(&worker->polled);
	worker->id = id;
	if (id)
		snprintf(made, sizeof(made), "vhdb-%d.%u", current->pid, id);
	else
		snprintf(made, sizeof(made), "vhdb-%d", current->pid);

	err = worker_start(worker, name ?: made);
	if (err) {
		kfree(worker);
		return ERR_PTR(err);
	}
	return worker;
}

/**
 * vhdb_worker_destroy() - end a worker
 * @worker: the worker
 *
 * Nothing may queue work to it any more. What is queued may or may not be done;
 * it can be queued again, to another.
 *
 * Context: process; waits for the work that runs now.
 */
void vhdb_worker_destroy(struct vhdb_worker *worker)
{
	struct vhdb_work *work, *next;

	worker_stop(worker);
	vhdb_poll_forget(&worker->polled);
	llist_for_each_entry_safe(work, next, llist_del_all(&worker->works), node)
		clear_bit(VHDB_WORK_QUEUED, &work->flags);
	kfree(worker);
}

/**
 * vhdb_worker_id() - which of the device's is it?
 * @worker: the worker
 *
 * Context: any.
 * Return: the number that it was made with.
 */
u32 vhdb_worker_id(const struct vhdb_worker *worker)
{
	return worker->id;
}

/**
 * vhdb_worker_poll() - look out for something between works
 * @worker: the worker
 * @polled: what, for vhdb_poll_pass()
 *
 * Context: the worker's thread.
 */
void vhdb_worker_poll(struct vhdb_worker *worker, struct list_head *polled)
{
	list_add_tail(polled, &worker->polled);
}

/**
 * vhdb_work_queue() - have something done by its worker
 * @work: what; if it is queued already, once is enough
 *
 * Context: any, also with a wait queue's lock held and interrupts off.
 */
void vhdb_work_queue(struct vhdb_work *work)
{
	struct vhdb_worker *worker;

	/* A full barrier, set or not: pairs with run_works(). */
	if (test_and_set_bit(VHDB_WORK_QUEUED, &work->flags))
		return;
	rcu_read_lock();
	worker = READ_ONCE(work->worker);
	/* Whoever found the list non-empty is covered by an earlier wake-up. */
	if (llist_add(&work->node, &worker->works))
		worker_wake(worker);
	rcu_read_unlock();
}

/**
 * vhdb_work_claim() - is it the caller's to do?
 * @work: what
 *
 * Context: the thread of its worker.
 * Return: true if it was not queued; now it counts as if it were.
 */
bool vhdb_work_claim(struct vhdb_work *work)
{
	return !test_and_set_bit(VHDB_WORK_QUEUED, &work->flags);
}

/**
 * vhdb_work_ours() - is it being done by whom it belongs to?
 * @work: what
 *
 * Context: any thread.
 * Return: the worker whose thread this is, if it is @work's; or NULL.
 */
struct vhdb_worker *vhdb_work_ours(const struct vhdb_work *work)
{
	struct vhdb_worker *worker;

	/* It may just have been moved, and that one freed: see vhdb_work_move() */
	rcu_read_lock();
	worker = READ_ONCE(work->worker);
	if (worker && READ_ONCE(worker->thread) != current)
		worker = NULL;
	rcu_read_unlock();
	return worker;
}

/**
 * vhdb_work_move() - have something done by another worker from now on
 * @work: what; it may be queued or even run
 * @worker: who
 *
 * It may still be done once by the old one, at the same time as by the new
 * one: it has a lock of its own.
 *
 * Context: process; sleeps. Afterwards nobody queues it to the old one.
 */
void vhdb_work_move(struct vhdb_work *work, struct vhdb_worker *worker)
{
	WRITE_ONCE(work->worker, worker);
	synchronize_rcu();
}
