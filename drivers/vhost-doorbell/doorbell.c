// SPDX-License-Identifier: GPL-2.0
/*
 * Doorbells: eventfds that come in (kick) and eventfds that go out (call).
 *
 * In: a hook is an entry in the eventfd's wait queue. It sees each signal, in
 * the context of whoever signals (a vcpu leaving the guest, with interrupts
 * off and the wait queue's lock held). The counter is never read, so a signal
 * needs no one to take it away. A kick is a hook whose signals queue work.
 *
 * All eventfds share one lock class, and a VMM may give one eventfd as kick
 * and as call. Therefore a hook's wake-up callback takes no lock under which
 * any eventfd is signalled; in fact ours take none.
 *
 * Out: the context is read under RCU, so that completions in interrupt
 * context and a VMM that changes its mind do not wait for one another.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/slab.h>

#include <uapi/linux/vhost.h>

#include "compat.h"
#include "doorbell.h"
#include "trace.h"
#include "worker.h"

/**
 * struct vhdb_call - an eventfd to be signalled
 * @ctx: the eventfd; a reference
 * @rcu: for freeing
 */
struct vhdb_call {
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

static void hook_queue(struct file *file, wait_queue_head_t *wqh,
		       poll_table *poll)
{
	struct vhdb_hook *hook = container_of(poll, struct vhdb_hook, poll);

	hook->wqh = wqh;
	add_wait_queue(wqh, &hook->wait);
}

/**
 * vhdb_hook_init() - make a hook that is not on any eventfd
 * @hook: the hook
 * @wake: the wake-up callback; see &struct vhdb_hook for what it may do
 *
 * Context: any.
 */
void vhdb_hook_init(struct vhdb_hook *hook, wait_queue_func_t wake)
{
	*hook = (struct vhdb_hook){};
	init_waitqueue_func_entry(&hook->wait, wake);
	init_poll_funcptr(&hook->poll, hook_queue);
}
EXPORT_SYMBOL_GPL(vhdb_hook_init);

/**
 * vhdb_hook_set() - listen to an eventfd instead of the present one
 * @hook: the hook
 * @fd: the eventfd, or VHOST_FILE_UNBIND for none
 *
 * The file is held while we listen: KVM keeps only its context, so a VMM may
 * close its fd and the rings go on; and the wait queue cannot go away.
 *
 * Listening to the present one goes on without a gap.
 *
 * Context: process; one caller at a time.
 * Return: 1 if the eventfd was signalled before and nobody has read that, or
 * else 0; -EBADF if @fd is not open, -EINVAL if it is not an eventfd, and then
 * nothing has changed.
 */
int vhdb_hook_set(struct vhdb_hook *hook, int fd)
{
	struct file *file = NULL;

	if (fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}

	if (file && file == hook->file) {
		fput(file);
		return !!(vfs_poll(hook->file, NULL) & EPOLLIN);
	}

	vhdb_hook_clear(hook);
	hook->file = file;
	return file ? !!(vfs_poll(file, &hook->poll) & EPOLLIN) : 0;
}
EXPORT_SYMBOL_GPL(vhdb_hook_set);

/**
 * vhdb_hook_clear() - stop listening
 * @hook: the hook
 *
 * Context: process; one caller at a time. Afterwards the wake-up callback is
 * not running and will not run.
 */
void vhdb_hook_clear(struct vhdb_hook *hook)
{
	if (!hook->file)
		return;
	/* Takes the wait queue's lock, under which the callback runs. */
	remove_wait_queue(hook->wqh, &hook->wait);
	fput(hook->file);
	hook->wqh = NULL;
	hook->file = NULL;
}
EXPORT_SYMBOL_GPL(vhdb_hook_clear);

static int kick_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct vhdb_kick *kick = container_of(wait, struct vhdb_kick, hook.wait);

	if (!vhdb_hook_rung(key))
		return 0;
	WRITE_ONCE(kick->rings, kick->rings + 1);
	trace_vhdb_kick(kick->dev, kick->queue);
	vhdb_work_queue(kick->work);
	return 0;
}

/**
 * vhdb_kick_init() - make a doorbell that is not hooked to anything
 * @kick: the doorbell
 * @work: what a ring has done
 * @dev: for the trace
 * @queue: for the trace
 *
 * Context: any.
 */
void vhdb_kick_init(struct vhdb_kick *kick, struct vhdb_work *work,
		    const void *dev, u16 queue)
{
	*kick = (struct vhdb_kick){ .work = work, .dev = dev, .queue = queue };
	vhdb_hook_init(&kick->hook, kick_wake);
}

/**
 * vhdb_kick_hook() - listen to an eventfd instead of the present one
 * @kick: the doorbell
 * @fd: the eventfd, or VHOST_FILE_UNBIND for none
 *
 * Context: process, under the device's mutex.
 * Return: 0 or the errors of vhdb_hook_set().
 */
int vhdb_kick_hook(struct vhdb_kick *kick, int fd)
{
	int rung = vhdb_hook_set(&kick->hook, fd);

	if (rung < 0)
		return rung;
	/* What was rung before we listened may be for us: have a look. */
	if (rung)
		vhdb_work_queue(kick->work);
	return 0;
}

/**
 * vhdb_kick_unhook() - stop listening
 * @kick: the doorbell
 *
 * Context: process, under the device's mutex. Afterwards no ring is heard.
 */
void vhdb_kick_unhook(struct vhdb_kick *kick)
{
	vhdb_hook_clear(&kick->hook);
}

static void call_free(struct rcu_head *rcu)
{
	struct vhdb_call *call = container_of(rcu, struct vhdb_call, rcu);

	eventfd_ctx_put(call->ctx);
	kfree(call);
}

/**
 * vhdb_call_set() - signal another eventfd from now on
 * @slot: whose signals
 * @fd: the eventfd, or VHOST_FILE_UNBIND for none
 *
 * A signal that is under way may still reach the old one.
 *
 * Context: process, under the device's mutex.
 * Return: 0; -EBADF if @fd is not open, -EINVAL if it is not an eventfd,
 * -ENOMEM; then nothing has changed.
 */
int vhdb_call_set(struct vhdb_call_slot *slot, int fd)
{
	struct vhdb_call *call = NULL, *old;
	struct eventfd_ctx *ctx;

	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		call = kmalloc(sizeof(*call), GFP_KERNEL_ACCOUNT);
		if (!call) {
			eventfd_ctx_put(ctx);
			return -ENOMEM;
		}
		call->ctx = ctx;
	}

	/* Writers hold the device's mutex, or are the last user. */
	old = rcu_replace_pointer(slot->call, call, true);
	if (old)
		call_rcu(&old->rcu, call_free);
	return 0;
}

/**
 * vhdb_call_move() - likewise, and signal it if there was a signal before
 * @slot: whose signals
 * @fd: the eventfd, or VHOST_FILE_UNBIND for none
 *
 * A VMM that starts a device may have told it of an eventfd that nobody listens
 * to, or of none yet, and tell of the guest's interrupt only then: what was
 * completed in between, the guest would never hear of. So if there ever was a
 * signal, the new one gets one as well: a driver takes an interrupt for nothing
 * (virtio 1.3, 2.7.7.1), and eventfds are seldom changed.
 *
 * Context: process, under the device's mutex.
 * Return: as vhdb_call_set().
 */
int vhdb_call_move(struct vhdb_call_slot *slot, int fd)
{
	int err = vhdb_call_set(slot, fd);

	if (err || fd == VHOST_FILE_UNBIND)
		return err;
	/* Pairs with vhdb_call_signal(): it sees the new one, or we see it. */
	smp_mb();
	if (READ_ONCE(slot->signalled))
		vhdb_call_signal(slot);
	return 0;
}

/**
 * vhdb_call_forget() - signal nobody any more, and forget that one was due
 * @slot: whose signals
 *
 * Context: process, under the device's mutex.
 */
void vhdb_call_forget(struct vhdb_call_slot *slot)
{
	vhdb_call_set(slot, VHOST_FILE_UNBIND);
	WRITE_ONCE(slot->signalled, false);
}

/**
 * vhdb_call_signal() - signal, if anyone is to be signalled
 * @slot: whose signals
 *
 * Never blocks; a counter that is full stays full. Not to be called from an
 * eventfd's wake-up callback, nor with a lock held that one takes.
 *
 * Context: any.
 */
void vhdb_call_signal(struct vhdb_call_slot *slot)
{
	struct vhdb_call *call;

	WRITE_ONCE(slot->signalled, true);
	/* Before the look at where to: pairs with vhdb_call_move(). */
	smp_mb();
	rcu_read_lock();
	call = rcu_dereference(slot->call);
	if (call)
		vhdb_eventfd_signal(call->ctx);
	rcu_read_unlock();
}
