// SPDX-License-Identifier: GPL-2.0
/*
 * The list of back ends.
 */
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include <uapi/linux/vhost_doorbell.h>

#include "device.h"

struct entry {
	struct list_head link;
	const struct vhdb_backend *backend;
};

static DEFINE_MUTEX(lock);	/* guards entries */
static LIST_HEAD(entries);

static struct entry *find(const char *name)
{
	struct entry *e;

	lockdep_assert_held(&lock);
	list_for_each_entry(e, &entries, link)
		if (!strcmp(e->backend->name, name))
			return e;
	return NULL;
}

/* Is all there that the core needs? */
static bool is_whole(const struct vhdb_backend *backend)
{
	if (!backend->name || !*backend->name ||
	    strlen(backend->name) >= VHOST_DOORBELL_NAME_MAX ||
	    !backend->attach || !backend->detach)
		return false;
	/* With neither queues nor ioctls it would be good for nothing. */
	if (!backend->queues_max)
		return backend->ioctl;
	return backend->queues_max <= VHDB_QUEUES_MAX &&
	       backend->device_features && backend->get_config &&
	       backend->run && !backend->pending == !backend->arm &&
	       backend->request_size >= sizeof(struct vhdb_request);
}

/**
 * vhdb_register_backend() - offer a kind of device
 * @backend: what it is; stays until vhdb_unregister_backend()
 *
 * Context: process.
 * Return: 0; -EINVAL if something is missing, -EEXIST if the name is taken,
 * -ENOMEM.
 */
int vhdb_register_backend(const struct vhdb_backend *backend)
{
	struct entry *e;
	int err = 0;

	if (!is_whole(backend))
		return -EINVAL;

	e = kmalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->backend = backend;

	mutex_lock(&lock);
	if (find(backend->name)) {
		kfree(e);
		err = -EEXIST;
	} else {
		list_add_tail(&e->link, &entries);
	}
	mutex_unlock(&lock);
	return err;
}
EXPORT_SYMBOL_GPL(vhdb_register_backend);

/**
 * vhdb_unregister_backend() - offer a kind of device no more
 * @backend: as registered
 *
 * Called at the back end's module exit, so that no device uses it: each holds
 * a reference on the module.
 *
 * Context: process.
 */
void vhdb_unregister_backend(const struct vhdb_backend *backend)
{
	struct entry *e;

	mutex_lock(&lock);
	e = find(backend->name);
	if (e && e->backend == backend) {
		list_del(&e->link);
		kfree(e);
	}
	mutex_unlock(&lock);
	/* A last completion in interrupt context may still be on its way out. */
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(vhdb_unregister_backend);

static const struct vhdb_backend *get(const char *name)
{
	const struct vhdb_backend *backend = NULL;
	struct entry *e;

	mutex_lock(&lock);
	e = find(name);
	if (e && try_module_get(e->backend->owner))
		backend = e->backend;
	mutex_unlock(&lock);
	return backend;
}

/**
 * vhdb_backend_get() - find a back end and hold its module
 * @name: its name
 *
 * Context: process; may load a module.
 * Return: the back end, or NULL.
 */
const struct vhdb_backend *vhdb_backend_get(const char *name)
{
	const struct vhdb_backend *backend = get(name);

	if (!backend) {
		request_module("vhost-doorbell-%s", name);
		backend = get(name);
	}
	return backend;
}

/**
 * vhdb_backend_put() - let a back end's module go
 * @backend: from vhdb_backend_get()
 *
 * Context: any.
 */
void vhdb_backend_put(const struct vhdb_backend *backend)
{
	module_put(backend->owner);
}

/**
 * vhdb_backend_count() - how many back ends are there?
 *
 * Context: process.
 * Return: their number.
 */
unsigned int vhdb_backend_count(void)
{
	struct entry *e;
	unsigned int n = 0;

	mutex_lock(&lock);
	list_for_each_entry(e, &entries, link)
		n++;
	mutex_unlock(&lock);
	return n;
}

/**
 * vhdb_backend_describe() - what is the nth back end?
 * @info: @info->index says which; the rest is filled in, but for the size
 *
 * Context: process.
 * Return: 0, or -ENOENT past the end.
 */
int vhdb_backend_describe(struct vhost_doorbell_backend_info *info)
{
	u32 n = info->index;
	struct entry *e;
	int err = -ENOENT;

	mutex_lock(&lock);
	list_for_each_entry(e, &entries, link) {
		if (n--)
			continue;
		strscpy_pad(info->name, e->backend->name, sizeof(info->name));
		info->device_id = e->backend->device_id;
		info->queues_max = e->backend->queues_max;
		info->features = e->backend->features;
		if (e->backend->queues_max)
			info->features |= VHDB_RING_FEATURES |
					  VHDB_REQUEST_FEATURES;
		err = 0;
		break;
	}
	mutex_unlock(&lock);
	return err;
}
