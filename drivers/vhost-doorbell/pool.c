// SPDX-License-Identifier: GPL-2.0
/*
 * A device's workers: from SET_OWNER on one that serves all queues, or one for
 * each if ATTACH has asked for that; and more on request. Each queue has one of
 * them; a worker may have any number.
 */
#include <linux/xarray.h>

#include "device.h"

/* Each queue on its own, and the first one idle. */
static u32 workers_max(const struct vhdb_device *dev)
{
	return dev->nvqs + 1;
}

static int add(struct vhdb_device *dev, u32 *id, const char *name)
{
	struct vhdb_worker *worker;
	int err;

	if (dev->nr_workers == workers_max(dev))
		return -ENOSPC;
	err = xa_alloc(&dev->workers, id, NULL, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	worker = vhdb_worker_create(*id, name);
	if (IS_ERR(worker)) {
		xa_erase(&dev->workers, *id);
		return PTR_ERR(worker);
	}
	/* The place is there. */
	xa_store(&dev->workers, *id, worker, GFP_KERNEL_ACCOUNT);
	dev->nr_workers++;
	return 0;
}

/**
 * vhdb_pool_add() - start another worker
 * @dev: the device
 * @id: out: its number; the lowest that is free, from 0 on
 *
 * Context: process, the owner's; under @dev->mutex.
 * Return: 0; -ENOSPC if there are enough for all queues, -ENOMEM, or what the
 * caller's limits gave.
 */
int vhdb_pool_add(struct vhdb_device *dev, u32 *id)
{
	return add(dev, id, NULL);
}

/* One for each queue; their numbers are the queues'. */
static int start_each(struct vhdb_device *dev)
{
	char name[32];
	u32 i, id;
	int err;

	for (i = 0; i < dev->nvqs; i++) {
		snprintf(name, sizeof(name), "vhdb-d%u.q%u", dev->id, i);
		err = add(dev, &id, name);
		if (err) {
			vhdb_pool_destroy(dev);
			return err;
		}
	}
	for (i = 0; i < dev->nvqs; i++)
		dev->vqs[i].work.worker = xa_load(&dev->workers, i);
	return 0;
}

/**
 * vhdb_pool_start() - the first worker, for all queues; or one for each
 * @dev: the device, without workers
 *
 * Context: process, the one that becomes the owner; under @dev->mutex. Nobody
 * queues anything yet.
 * Return: 0 or the errors of vhdb_pool_add(), and then there is none.
 */
int vhdb_pool_start(struct vhdb_device *dev)
{
	u32 id, i;
	int err;

	if (dev->worker_per_queue)
		return start_each(dev);
	err = add(dev, &id, NULL);
	if (err)
		return err;
	for (i = 0; i < dev->nvqs; i++)
		dev->vqs[i].work.worker = xa_load(&dev->workers, id);
	return 0;
}

/**
 * vhdb_pool_attach() - let another worker serve a queue
 * @vq: the queue, running or not
 * @id: the worker's number
 *
 * Context: process, under the device's mutex.
 * Return: 0 or -ENODEV.
 */
int vhdb_pool_attach(struct vhdb_vq *vq, u32 id)
{
	struct vhdb_worker *worker = xa_load(&vq->dev->workers, id);

	if (!worker)
		return -ENODEV;
	if (vq->work.worker != worker) {
		vhdb_work_move(&vq->work, worker);
		/* The old one may be polling; what it has left is the new one's. */
		vhdb_vq_serve(vq);
	}
	return 0;
}

/**
 * vhdb_pool_free() - end a worker
 * @dev: the device
 * @id: its number
 *
 * Context: process, under @dev->mutex.
 * Return: 0; -ENODEV, or -EBUSY if it has a queue.
 */
int vhdb_pool_free(struct vhdb_device *dev, u32 id)
{
	struct vhdb_worker *worker = xa_load(&dev->workers, id);
	u16 i;

	if (!worker)
		return -ENODEV;
	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i].work.worker == worker)
			return -EBUSY;
	xa_erase(&dev->workers, id);
	dev->nr_workers--;
	vhdb_worker_destroy(worker);
	/* What a queue that it had before still wanted of it. */
	for (i = 0; i < dev->nvqs; i++)
		vhdb_vq_serve(&dev->vqs[i]);
	return 0;
}

/**
 * vhdb_pool_destroy() - end all workers
 * @dev: the device; nobody queues anything any more
 *
 * Context: process.
 */
void vhdb_pool_destroy(struct vhdb_device *dev)
{
	struct vhdb_worker *worker;
	unsigned long id;

	xa_for_each(&dev->workers, id, worker) {
		xa_erase(&dev->workers, id);
		vhdb_worker_destroy(worker);
	}
	dev->nr_workers = 0;
}
