// SPDX-License-Identifier: GPL-2.0
/*
 * The back end "bell": counts rings.
 *
 * A ring is counted where it is made: of the eventfd in its wake-up callback,
 * in the context of whoever signals (a vcpu leaving the guest, with interrupts
 * off and the wait queue's lock held). There is no worker and nothing
 * coalesces, so rings made are rings counted. The counters are atomic: rings
 * of several sources and the one that reads and resets them need no lock.
 *
 * Telling another eventfd each so many rings has to leave that context, as an
 * eventfd must not be signalled from within the wake-up of one: an irq_work
 * does it, as soon as interrupts are on again.
 *
 * Contexts: ring() any; the irq_work a hard interrupt (a kthread of the
 * processor's on PREEMPT_RT); everything else a process, one at a time for
 * each bell (the device's mutex) but for vhdb_bell_get() and vhdb_bell_put().
 */
#include <linux/eventfd.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <uapi/linux/vhost.h>
#include <uapi/linux/vhost_doorbell.h>

#include <linux/vhost_doorbell.h>

#include "compat.h"

/* The ABI: their sizes are part of the ioctls' numbers. */
static_assert(sizeof(struct vhost_doorbell_bell_hook) == 8);
static_assert(sizeof(struct vhost_doorbell_bell_count) == 32);
static_assert(sizeof(struct vhost_doorbell_bell_call) == 8);

enum source {
	SOURCE_EVENTFD,
	SOURCE_IOCTL,
	SOURCE_KERNEL,
	SOURCES,
};

/**
 * struct bell_call - whom to tell each so many rings
 * @ctx: the eventfd; a reference
 * @every: how many
 * @rings: since it was set, of all sources
 * @work: signals @ctx
 *
 * Made anew by each BELL_CALL, so that a ring sees either all of the old one
 * or all of the new one.
 */
struct bell_call {
	struct eventfd_ctx *ctx;
	u32 every;
	atomic64_t rings;
	struct irq_work work;
};

/**
 * struct vhdb_bell - a bell
 * @ref: one for the file, one for each vhdb_bell_get()
 * @hook: on the eventfd that rings it
 * @rings: since ATTACH or the last reset, by source. Any context.
 * @call: whom to tell. RCU.
 */
struct vhdb_bell {
	struct kref ref;
	struct vhdb_hook hook;
	atomic64_t rings[SOURCES];
	struct bell_call __rcu *call;
};

/*
 * Who is signalling a bell's call eventfd on this processor. What that rings
 * is no reason to signal again: bells in a circle, or one whose kick is its
 * call, would keep the processor in interrupts for ever.
 */
static DEFINE_PER_CPU(struct task_struct *, caller);

/*
 * Also right where it can be preempted: the irq_work's function stays on its
 * processor, and as an interrupt it lets nobody else run there; as a kthread
 * (PREEMPT_RT) it is a task of its own.
 */
static bool rung_by_a_bell(void)
{
	return this_cpu_read(caller) == current;
}

static void call_signal(struct irq_work *work)
{
	struct bell_call *call = container_of(work, struct bell_call, work);

	this_cpu_write(caller, current);
	vhdb_eventfd_signal(call->ctx);
	this_cpu_write(caller, NULL);
}

/* One ring. Any context. */
static void ring(struct vhdb_bell *bell, enum source source)
{
	struct bell_call *call;
	u32 rest;

	atomic64_inc(&bell->rings[source]);

	rcu_read_lock();
	call = rcu_dereference(bell->call);
	if (call && !rung_by_a_bell()) {
		div_u64_rem(atomic64_inc_return(&call->rings), call->every,
			    &rest);
		/* If it is queued already, its signal stands for both. */
		if (!rest)
			irq_work_queue(&call->work);
	}
	rcu_read_unlock();
}

static int bell_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct vhdb_bell *bell = container_of(wait, struct vhdb_bell, hook.wait);

	if (vhdb_hook_rung(key))
		ring(bell, SOURCE_EVENTFD);
	return 0;
}

static struct bell_call *call_create(int fd, u32 every)
{
	struct bell_call *call = kzalloc(sizeof(*call), GFP_KERNEL_ACCOUNT);
	struct eventfd_ctx *ctx;

	if (!call)
		return ERR_PTR(-ENOMEM);
	ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx)) {
		kfree(call);
		return ERR_CAST(ctx);
	}
	call->ctx = ctx;
	call->every = every;
	init_irq_work(&call->work, call_signal);
	return call;
}

/* Tells another one from now on, or none. */
static void call_replace(struct vhdb_bell *bell, struct bell_call *call)
{
	/* One at a time: the device's mutex, or the last user. */
	call = rcu_replace_pointer(bell->call, call, true);
	if (!call)
		return;
	/* Then no ring queues its work any more, and then that has ended. */
	synchronize_rcu();
	irq_work_sync(&call->work);
	eventfd_ctx_put(call->ctx);
	kfree(call);
}

static long set_hook(struct vhdb_bell *bell, const void __user *argp)
{
	struct vhost_doorbell_bell_hook arg;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	ret = vhdb_hook_set(&bell->hook, arg.fd);
	/* What was rung before is nothing to us. */
	return min(ret, 0);
}

static long get_count(struct vhdb_bell *bell, void __user *argp)
{
	struct vhost_doorbell_bell_count arg;
	u64 rings[SOURCES];
	bool reset;
	int i;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if ((arg.flags & ~VHOST_DOORBELL_BELL_COUNT_RESET) || arg.reserved)
		return -EINVAL;

	reset = arg.flags & VHOST_DOORBELL_BELL_COUNT_RESET;
	for (i = 0; i < SOURCES; i++)
		rings[i] = reset ? atomic64_xchg(&bell->rings[i], 0) :
				   atomic64_read(&bell->rings[i]);
	arg.eventfd = rings[SOURCE_EVENTFD];
	arg.ioctl = rings[SOURCE_IOCTL];
	arg.kernel = rings[SOURCE_KERNEL];
	if (!copy_to_user(argp, &arg, sizeof(arg)))
		return 0;

	/* Not told, so not taken away. */
	for (i = 0; i < SOURCES && reset; i++)
		atomic64_add(rings[i], &bell->rings[i]);
	return -EFAULT;
}

static long set_call(struct vhdb_bell *bell, const void __user *argp)
{
	struct vhost_doorbell_bell_call arg;
	struct bell_call *call = NULL;
	bool unbind;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	/* Either both say that there is one, or both that there is none. */
	unbind = arg.fd == VHOST_FILE_UNBIND;
	if (unbind != !arg.every)
		return -EINVAL;
	if (arg.every) {
		call = call_create(arg.fd, arg.every);
		if (IS_ERR(call))
			return PTR_ERR(call);
	}
	call_replace(bell, call);
	return 0;
}

static long bell_ioctl(void *priv, unsigned int cmd, void __user *argp)
{
	struct vhdb_bell *bell = priv;

	switch (cmd) {
	case VHOST_DOORBELL_BELL_HOOK:
		return set_hook(bell, argp);
	case VHOST_DOORBELL_BELL_RING:
		ring(bell, SOURCE_IOCTL);
		return 0;
	case VHOST_DOORBELL_BELL_COUNT:
		return get_count(bell, argp);
	case VHOST_DOORBELL_BELL_CALL:
		return set_call(bell, argp);
	default:
		return -ENOTTY;
	}
}

static void *bell_attach(const struct vhdb_attach *attach)
{
	struct vhdb_bell *bell;

	if (attach->readonly || attach->logical_block_size ||
	    memchr_inv(attach->serial, 0, sizeof(attach->serial)))
		return ERR_PTR(-EINVAL);

	bell = kzalloc(sizeof(*bell), GFP_KERNEL_ACCOUNT);
	if (!bell)
		return ERR_PTR(-ENOMEM);
	kref_init(&bell->ref);
	vhdb_hook_init(&bell->hook, bell_wake);
	return bell;
}

static void bell_detach(void *priv)
{
	struct vhdb_bell *bell = priv;

	vhdb_hook_clear(&bell->hook);
	call_replace(bell, NULL);
	vhdb_bell_put(bell);
}

static const struct vhdb_backend bell_backend = {
	.name = "bell",
	.owner = THIS_MODULE,
	.no_file = true,
	.ioctl = bell_ioctl,
	.attach = bell_attach,
	.detach = bell_detach,
};

/**
 * vhdb_bell_get() - a bell, to be rung by another module
 * @file: a file of vhost-doorbell; the caller holds it for the call
 *
 * The bell stays when userspace closes the file: it can still be rung, but
 * then the count is nobody's and no eventfd is signalled. The caller's module
 * uses our symbols, so we stay as long as it does; it puts its bells before it
 * goes.
 *
 * Context: process; may sleep.
 * Return: the bell, or ERR_PTR(-EINVAL) if @file is none.
 */
struct vhdb_bell *vhdb_bell_get(struct file *file)
{
	struct vhdb_bell *bell = vhdb_backend_priv(file, &bell_backend);

	if (!bell)
		return ERR_PTR(-EINVAL);
	/* The file's own reference lasts as long as the file. */
	kref_get(&bell->ref);
	return bell;
}
EXPORT_SYMBOL_GPL(vhdb_bell_get);

static void bell_free(struct kref *ref)
{
	kfree(container_of(ref, struct vhdb_bell, ref));
}

/**
 * vhdb_bell_put() - the caller rings no more
 * @bell: from vhdb_bell_get()
 *
 * Context: any but NMI.
 */
void vhdb_bell_put(struct vhdb_bell *bell)
{
	kref_put(&bell->ref, bell_free);
}
EXPORT_SYMBOL_GPL(vhdb_bell_put);

/**
 * vhdb_bell_ring() - ring
 * @bell: from vhdb_bell_get()
 *
 * Counted when it returns. Takes no lock and never blocks; may be called from
 * the wake-up callback of an eventfd, with any lock held.
 *
 * Context: any (in an NMI on 64-bit machines only).
 */
void vhdb_bell_ring(struct vhdb_bell *bell)
{
	ring(bell, SOURCE_KERNEL);
}
EXPORT_SYMBOL_GPL(vhdb_bell_ring);

static int __init bell_init(void)
{
	return vhdb_register_backend(&bell_backend);
}
module_init(bell_init);

static void __exit bell_exit(void)
{
	vhdb_unregister_backend(&bell_backend);
}
module_exit(bell_exit);

MODULE_DESCRIPTION("vhost-doorbell: a bell that counts its rings");
MODULE_ALIAS("vhost-doorbell-bell");
MODULE_LICENSE("GPL");
