// SPDX-License-Identifier: GPL-2.0
/*
 * Rings bells from within the kernel, as another module does, for bell_test.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include <linux/vhost_doorbell.h>

#include "vhdb_bell_test_mod.h"

/**
 * struct ringer - one open file
 * @mutex: GET and PUT against each other
 * @bell: what it rings, or NULL
 * @rings: what @work does
 * @work: rings in an interrupt
 */
struct ringer {
	struct mutex mutex;	/* for @bell, @rings, @work */
	struct vhdb_bell *bell;
	u32 rings;
	struct irq_work work;
};

static void ring_in_interrupt(struct irq_work *work)
{
	struct ringer *ringer = container_of(work, struct ringer, work);

	while (ringer->rings--)
		vhdb_bell_ring(ringer->bell);
}

static long get_bell(struct ringer *ringer, const void __user *argp)
{
	struct vhdb_bell *bell;
	struct file *file;
	int fd;

	if (ringer->bell)
		return -EBUSY;
	if (get_user(fd, (const int __user *)argp))
		return -EFAULT;
	file = fget(fd);
	if (!file)
		return -EBADF;
	bell = vhdb_bell_get(file);
	fput(file);
	if (IS_ERR(bell))
		return PTR_ERR(bell);
	ringer->bell = bell;
	return 0;
}

static long ring_bell(struct ringer *ringer, const void __user *argp)
{
	static DEFINE_SPINLOCK(lock);
	struct bell_test_ring arg;
	unsigned long flags;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (!ringer->bell)
		return -ENODEV;

	switch (arg.context) {
	case BELL_TEST_PROCESS:
		while (arg.rings--)
			vhdb_bell_ring(ringer->bell);
		return 0;
	case BELL_TEST_LOCKED:
		spin_lock_irqsave(&lock, flags);
		while (arg.rings--)
			vhdb_bell_ring(ringer->bell);
		spin_unlock_irqrestore(&lock, flags);
		return 0;
	case BELL_TEST_INTERRUPT:
		ringer->rings = arg.rings;
		irq_work_queue(&ringer->work);
		irq_work_sync(&ringer->work);
		return 0;
	}
	return -EINVAL;
}

static void *no_attach(const struct vhdb_attach *attach)
{
	return ERR_PTR(-ENXIO);
}

static void no_detach(void *priv)
{
}

static long no_ioctl(void *priv, unsigned int cmd, void __user *argp)
{
	return -ENOTTY;
}

static u64 no_features(void *priv)
{
	return 0;
}

static void no_config(void *priv, void *config)
{
}

static void no_run(struct vhdb_vq *vq)
{
}

static long try_register(unsigned long lack)
{
	struct vhdb_backend backend = {
		.name = "bell-test",
		.owner = THIS_MODULE,
		.attach = no_attach,
		.detach = no_detach,
		.queues_max = 1,
		.request_size = sizeof(struct vhdb_request),
		.device_features = no_features,
		.get_config = no_config,
		.run = no_run,
	};
	int err;

	switch (lack) {
	case BELL_TEST_WHOLE_PLAIN:
		backend = (struct vhdb_backend){
			.name = "bell-test",
			.owner = THIS_MODULE,
			.attach = no_attach,
			.detach = no_detach,
			.ioctl = no_ioctl,
		};
		break;
	case BELL_TEST_WHOLE_QUEUES:
		break;
	case BELL_TEST_NOTHING:
		backend.queues_max = 0;
		break;
	case BELL_TEST_NO_RUN:
		backend.run = NULL;
		break;
	case BELL_TEST_NO_REQUEST:
		backend.request_size--;
		break;
	case BELL_TEST_TOO_MANY:
		backend.queues_max = 257;
		break;
	default:
		return -ENOTTY;
	}
	err = vhdb_register_backend(&backend);
	if (!err)
		vhdb_unregister_backend(&backend);
	return err;
}

static long put_bell(struct ringer *ringer)
{
	if (!ringer->bell)
		return -ENODEV;
	vhdb_bell_put(ringer->bell);
	ringer->bell = NULL;
	return 0;
}

static long fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ringer *ringer = file->private_data;
	void __user *argp = (void __user *)arg;
	long ret = -ENOTTY;

	mutex_lock(&ringer->mutex);
	switch (cmd) {
	case BELL_TEST_GET:
		ret = get_bell(ringer, argp);
		break;
	case BELL_TEST_PUT:
		ret = put_bell(ringer);
		break;
	case BELL_TEST_RING:
		ret = ring_bell(ringer, argp);
		break;
	case BELL_TEST_REGISTER:
		ret = try_register(arg);
		break;
	}
	mutex_unlock(&ringer->mutex);
	return ret;
}

static int fop_open(struct inode *inode, struct file *file)
{
	struct ringer *ringer = kzalloc(sizeof(*ringer), GFP_KERNEL);

	if (!ringer)
		return -ENOMEM;
	mutex_init(&ringer->mutex);
	init_irq_work(&ringer->work, ring_in_interrupt);
	file->private_data = ringer;
	return 0;
}

static int fop_release(struct inode *inode, struct file *file)
{
	struct ringer *ringer = file->private_data;

	put_bell(ringer);
	kfree(ringer);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = fop_open,
	.release = fop_release,
	.unlocked_ioctl = fop_ioctl,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhdb-bell-test",
	.fops = &fops,
	.mode = 0600,
};
module_misc_device(misc);

MODULE_DESCRIPTION("vhost-doorbell: rings bells, for bell_test");
MODULE_LICENSE("GPL");
