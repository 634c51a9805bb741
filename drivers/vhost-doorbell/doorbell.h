/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_DOORBELL_H
#define VHDB_DOORBELL_H

#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/wait.h>

struct eventfd_ctx;
struct file;
struct vhdb_work;
struct vhdb_worker;

/**
 * struct vhdb_kick - a doorbell: an eventfd whose signals queue work
 * @wait: our entry in the eventfd's wait queue
 * @poll: carries the entry there
 * @wqh: that wait queue, NULL while not hooked
 * @file: the eventfd, held while hooked
 * @worker: who is woken
 * @work: what it does
 * @dev: for the trace
 * @queue: for the trace
 * @rings: signals seen, since the beginning. Written under @wqh's lock.
 */
struct vhdb_kick {
	wait_queue_entry_t wait;
	poll_table poll;
	wait_queue_head_t *wqh;
	struct file *file;
	struct vhdb_worker *worker;
	struct vhdb_work *work;
	const void *dev;
	u16 queue;
	u64 rings;
};

struct vhdb_call;

/* Where a signal goes: RCU-protected, NULL for nowhere. */
struct vhdb_call_slot {
	struct vhdb_call __rcu *call;
};

void vhdb_kick_init(struct vhdb_kick *kick, struct vhdb_work *work,
		    const void *dev, u16 queue);
int vhdb_kick_hook(struct vhdb_kick *kick, struct vhdb_worker *worker, int fd);
void vhdb_kick_unhook(struct vhdb_kick *kick);

int vhdb_call_set(struct vhdb_call_slot *slot, int fd);
void vhdb_call_signal(struct vhdb_call_slot *slot);

#endif /* VHDB_DOORBELL_H */
