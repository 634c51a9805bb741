// SPDX-License-Identifier: GPL-2.0
/*
 * Bugs on purpose, one for each check that the debug kernel is there for, and
 * failures that are asked for: what selftests/vm/sanitizers loads, in a VM only.
 *
 * Each load commits the one that the parameter names. It says -ENOENT if there is
 * none of this name; a failure that was asked for and did not come is -EILSEQ.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static char *bug = "";
module_param(bug, charp, 0);
MODULE_PARM_DESC(bug, "which one");

#define SIZE		32

/* Parameters, because the compiler must not know them: it would see the bug. */
static int index = SIZE;
module_param(index, int, 0);
MODULE_PARM_DESC(index, "one beyond the end of 32 bytes");
static int bits = 40;
module_param(bits, int, 0);
MODULE_PARM_DESC(bits, "too many to shift an int by");

static char global[SIZE];

static int use_after_free(void)
{
	char *p = kmalloc(SIZE, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	return READ_ONCE(p[3]);
}

static int out_of_heap(void)
{
	char *p = kmalloc(SIZE, GFP_KERNEL);
	int value;

	if (!p)
		return -ENOMEM;
	value = READ_ONCE(p[index]);
	kfree(p);
	return value;
}

static int out_of_stack(void)
{
	char local[SIZE];
	char *p = local;

	OPTIMIZER_HIDE_VAR(p);
	return READ_ONCE(p[index]);
}

static int out_of_global(void)
{
	char *p = global;

	OPTIMIZER_HIDE_VAR(p);
	return READ_ONCE(p[index]);
}

static int out_of_vmalloc(void)
{
	char *p = vmalloc(PAGE_SIZE - SIZE);
	int value;

	if (!p)
		return -ENOMEM;
	value = READ_ONCE(p[PAGE_SIZE - SIZE + index / 4]);
	vfree(p);
	return value;
}

/* Only the order is wrong: nothing waits here. */
static int abba(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);

	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
	return 0;
}

static int atomic_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static int array_bounds(void)
{
	return global[index];
}

static int shift(void)
{
	return 1 << bits;
}

static void never(struct timer_list *timer)
{
}

struct timed {
	struct timer_list timer;
};

/* Set, and freed. (It is never due: the check takes it off the list.) */
static int timer(void)
{
	struct timed *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	timer_setup(&t->timer, never, 0);
	mod_timer(&t->timer, jiffies + 1000 * HZ);
	kfree(t);
	return 0;
}

struct worked {
	struct delayed_work work;
};

static void never_work(struct work_struct *work)
{
}

static int work(void)
{
	struct worked *w = kzalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	INIT_DELAYED_WORK(&w->work, never_work);
	schedule_delayed_work(&w->work, 1000 * HZ);
	kfree(w);
	return 0;
}

/* Several: the address of one may still be on a stack. */
static int leak(void)
{
	int i;

	for (i = 0; i < 8; i++)
		if (!kmalloc(SIZE, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

static int warn(void)
{
	WARN(1, "as asked for\n");
	return 0;
}

#ifdef CONFIG_FAULT_INJECTION
/* By themselves they spare what may sleep, and single pages. */
static int fail_slab(void)
{
	void *p;

	current->fail_nth = 1;
	p = kmalloc(SIZE, GFP_ATOMIC);
	current->fail_nth = 0;
	kfree(p);
	return p ? -EILSEQ : 0;
}

static int fail_page(void)
{
	struct page *page;

	current->fail_nth = 1;
	page = alloc_pages(GFP_ATOMIC, 1);
	current->fail_nth = 0;
	if (page)
		__free_pages(page, 1);
	return page ? -EILSEQ : 0;
}

/* A good address: that of the stack's end, which holds the program's arguments. */
static int fail_usercopy(void)
{
	const void __user *from = (const void __user *)current->mm->start_stack;
	unsigned long left;
	char byte;

	if (copy_from_user(&byte, from, 1))
		return -EFAULT;
	current->fail_nth = 1;
	left = copy_from_user(&byte, from, 1);
	current->fail_nth = 0;
	return left ? 0 : -EILSEQ;
}
#endif

static const struct {
	const char *name;
	int (*commit)(void);
} bugs[] = {
	{ "use_after_free", use_after_free },
	{ "out_of_heap", out_of_heap },
	{ "out_of_stack", out_of_stack },
	{ "out_of_global", out_of_global },
	{ "out_of_vmalloc", out_of_vmalloc },
	{ "abba", abba },
	{ "atomic_sleep", atomic_sleep },
	{ "array_bounds", array_bounds },
	{ "shift", shift },
	{ "timer", timer },
	{ "work", work },
	{ "leak", leak },
	{ "warn", warn },
#ifdef CONFIG_FAULT_INJECTION
	{ "fail_slab", fail_slab },
	{ "fail_page", fail_page },
	{ "fail_usercopy", fail_usercopy },
#endif
};

static int __init vhdb_bad_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		int ret;

		if (strcmp(bug, bugs[i].name))
			continue;
		ret = bugs[i].commit();
		/* What was read where nothing should be is no error. */
		return ret < 0 && (ret == -EILSEQ || ret == -EFAULT || ret == -ENOMEM) ?
		       ret : 0;
	}
	return -ENOENT;
}
module_init(vhdb_bad_init);

static void __exit vhdb_bad_exit(void)
{
}
module_exit(vhdb_bad_exit);

MODULE_DESCRIPTION("bugs on purpose, for a test of the debug kernel");
MODULE_LICENSE("GPL");
