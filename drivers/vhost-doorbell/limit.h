/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_LIMIT_H
#define VHDB_LIMIT_H

#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct vhdb_vq;

/* Beyond it a second's worth in nanoseconds would not fit 64 bits. */
#define VHDB_RATE_MAX	BIT_ULL(34)
/* Seconds that may be used up at once. */
#define VHDB_BURST_MAX	60

/**
 * struct vhdb_rate - so much of something a second
 * @rate: how much; 0 for no limit
 * @burst: how long a pause may be made up for, nanoseconds
 * @due: until when what was used would have lasted at @rate
 */
struct vhdb_rate {
	u64 rate;
	u64 burst;
	u64 due;
};

/**
 * struct vhdb_limit - rate limits, of a device or of one queue
 * @on: there are any. Read from any context.
 * @vqs: whose they are
 * @nvqs: how many
 * @lock: guards the rest; interrupts off
 * @requests: requests a second
 * @bytes: payload a second
 * @timer: when there is more; it has the queues that wait served
 * @stopped: it is not started any more
 * @first: which queue is served first then
 */
struct vhdb_limit {
	bool on;
	struct vhdb_vq *vqs;
	u16 nvqs;
	spinlock_t lock;	/* guards the rest; interrupts off */
	struct vhdb_rate requests;
	struct vhdb_rate bytes;
	struct hrtimer timer;
	bool stopped;
	u16 first;
};

void vhdb_limit_init(struct vhdb_limit *limit, struct vhdb_vq *vqs, u16 nvqs);
int vhdb_limit_set(struct vhdb_limit *limit, u64 requests, u64 requests_burst,
		   u64 bytes, u64 bytes_burst);
void vhdb_limit_stop(struct vhdb_limit *limit);
void vhdb_limit_forget(struct vhdb_limit *limit);
bool vhdb_limit_reached(struct vhdb_vq *vq);
void vhdb_limit_charge(struct vhdb_vq *vq, u32 requests, u32 bytes);

#endif /* VHDB_LIMIT_H */
