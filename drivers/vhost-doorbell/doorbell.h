/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_DOORBELL_H
#define VHDB_DOORBELL_H

#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/vhost_doorbell.h>

struct vhdb_work;

/**
 * struct vhdb_kick - a doorbell: an eventfd whose signals queue work
 * @hook: on the eventfd
 * @work: what a ring has done
 * @dev: for the trace
 * @queue: for the trace
 * @rings: signals seen, since the beginning. Written under the lock of the
 *	eventfd's wait queue.
 */
struct vhdb_kick {
	struct vhdb_hook hook;
	struct vhdb_work *work;
	const void *dev;
	u16 queue;
	u64 rings;
};

struct vhdb_call;

/**
 * struct vhdb_call_slot - where a signal goes
 * @call: RCU-protected, NULL for nowhere
 * @signalled: somebody was to be signalled, since vhdb_call_forget()
 */
struct vhdb_call_slot {
	struct vhdb_call __rcu *call;
	bool signalled;
};

void vhdb_kick_init(struct vhdb_kick *kick, struct vhdb_work *work,
		    const void *dev, u16 queue);
int vhdb_kick_hook(struct vhdb_kick *kick, int fd);
void vhdb_kick_unhook(struct vhdb_kick *kick);

int vhdb_call_set(struct vhdb_call_slot *slot, int fd);
int vhdb_call_move(struct vhdb_call_slot *slot, int fd);
void vhdb_call_forget(struct vhdb_call_slot *slot);
void vhdb_call_signal(struct vhdb_call_slot *slot);

#endif /* VHDB_DOORBELL_H */
