/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_WORKER_H
#define VHDB_WORKER_H

#include <linux/llist.h>
#include <linux/types.h>

struct vhdb_worker;

/**
 * struct vhdb_work - something for a worker to do
 * @node: in the worker's list, while VHDB_WORK_QUEUED is set
 * @flags: VHDB_WORK_QUEUED
 * @fn: what to do; process context with the owner's memory as current->mm
 */
struct vhdb_work {
	struct llist_node node;
	unsigned long flags;
	void (*fn)(struct vhdb_work *work);
};

#define VHDB_WORK_QUEUED	0

static inline void vhdb_work_init(struct vhdb_work *work,
				  void (*fn)(struct vhdb_work *work))
{
	work->flags = 0;
	work->fn = fn;
}

struct vhdb_worker *vhdb_worker_create(void);
void vhdb_worker_destroy(struct vhdb_worker *worker);
void vhdb_worker_queue(struct vhdb_worker *worker, struct vhdb_work *work);

#endif /* VHDB_WORKER_H */
