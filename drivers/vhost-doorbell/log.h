/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_LOG_H
#define VHDB_LOG_H

#include <linux/types.h>

#include "memory.h"
#include "ring.h"

struct llist_node;
struct vhdb_request;
struct vhdb_vq;

/**
 * struct vhdb_log - what of a queue is logged, and where
 * @base: the log, a user address
 * @ring_addr: guest physical address of the ring's device area
 * @data: what is written to the guest's buffers (VHOST_F_LOG_ALL)
 * @ring: what is written to the ring (VHOST_VRING_F_LOG)
 *
 * Under the queue's mutex. @data and @ring change only while nothing of the
 * queue is in flight.
 */
struct vhdb_log {
	u64 base;
	u64 ring_addr;
	bool data;
	bool ring;
};

bool vhdb_log_fits(u64 base, u64 addr, u64 len);
bool vhdb_log_fits_table(u64 base, const struct vhdb_memory *memory);
bool vhdb_log_fits_ring(const struct vhdb_vq *vq, u64 base, u64 ring_addr);
int vhdb_log_note(struct vhdb_vq *vq, u64 iova, const struct vhdb_piece *piece);
void vhdb_log_requests(struct vhdb_vq *vq, struct llist_node *list);
void vhdb_log_used(struct vhdb_vq *vq, u16 from, u16 to);
void vhdb_log_event(struct vhdb_vq *vq);
void vhdb_log_forget(struct vhdb_request *rq);
void vhdb_log_free(struct vhdb_request *rq);

#endif /* VHDB_LOG_H */
