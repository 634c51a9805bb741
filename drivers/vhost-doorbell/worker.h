/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_WORKER_H
#define VHDB_WORKER_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/types.h>

struct vhdb_worker;

/**
 * struct vhdb_work - something for a worker to do
 * @node: in the worker's list, while VHDB_WORK_QUEUED is set
 * @flags: VHDB_WORK_QUEUED
 * @worker: who does it. RCU, see vhdb_work_move().
 * @fn: what to do; process context with the owner's memory as current->mm
 */
struct vhdb_work {
	struct llist_node node;
	unsigned long flags;
	struct vhdb_worker *worker;
	void (*fn)(struct vhdb_work *work);
};

#define VHDB_WORK_QUEUED	0

static inline void vhdb_work_init(struct vhdb_work *work,
				  void (*fn)(struct vhdb_work *work))
{
	work->flags = 0;
	work->worker = NULL;
	work->fn = fn;
}

struct vhdb_worker *vhdb_worker_create(u32 id, const char *name);
void vhdb_worker_destroy(struct vhdb_worker *worker);
u32 vhdb_worker_id(const struct vhdb_worker *worker);
void vhdb_worker_poll(struct vhdb_worker *worker, struct list_head *polled);
void vhdb_work_queue(struct vhdb_work *work);
bool vhdb_work_claim(struct vhdb_work *work);
struct vhdb_worker *vhdb_work_ours(const struct vhdb_work *work);
void vhdb_work_move(struct vhdb_work *work, struct vhdb_worker *worker);

#endif /* VHDB_WORKER_H */
