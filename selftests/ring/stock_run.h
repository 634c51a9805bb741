/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue with the engine on one side and Linux's own virtio_ring.c on the
 * other, what goes over it, and the steps that each side takes.
 */
#ifndef VHDB_STOCK_RUN_H
#define VHDB_STOCK_RUN_H

#include "../../drivers/vhost-doorbell/ring.h"
#include "rnd.h"
#include "stock/driver.h"

/* Pieces of a buffer, their words, and the room for all of them. */
#define RUN_SEGS	32
#define RUN_WORDS	4
#define RUN_NUM_MAX	1024

/**
 * struct run_slot - a buffer of the driver's
 * @words: its memory
 * @segs: its pieces
 * @nr_out: pieces for the device to read
 * @nr_in: pieces for the device to write
 * @seq: what it holds is made from this
 * @out: the device has it
 */
struct run_slot {
	u64 words[RUN_SEGS * RUN_WORDS];
	struct stock_seg segs[RUN_SEGS];
	u32 nr_out;
	u32 nr_in;
	u64 seq;
	bool out;
};

/* What the device holds between pop and push. */
struct run_held {
	struct run_slot *slot;
	u32 len;
	u16 id;
	u16 count;
};

/**
 * struct run - a queue, both of its sides
 * @features: negotiated
 * @dev: the driver's half
 * @ring: the device's half
 * @total: buffers to pass
 * @fail: what went wrong, or NULL
 *
 * The driver's side:
 * @slots: its buffers
 * @free: indices of those that are not out
 * @nr_free: how many
 * @sent: buffers made available so far
 * @got: buffers that came back so far
 * @driver_seed: random numbers
 * @driver_waits: for a signal
 * @delayed: with @driver_waits: most buffers are to be back before it comes
 *
 * The device's side:
 * @chain: what pop fills
 * @segs: its pieces
 * @table: for indirect tables
 * @held: what it has
 * @nr_held: how many
 * @shown: buffers pushed so far and published
 * @device_seed: random numbers
 * @device_waits: for a kick
 */
struct run {
	u64 features;
	struct stock_dev dev;
	struct vhdb_ring ring;
	u64 total;
	const char *fail;

	struct run_slot *slots __attribute__((aligned(64)));
	u16 free[RUN_NUM_MAX];
	u32 nr_free;
	u64 sent;
	u64 got;
	u64 driver_seed;
	bool driver_waits;
	bool delayed;

	struct vhdb_chain chain __attribute__((aligned(64)));
	struct vhdb_seg segs[RUN_SEGS];
	struct vring_desc table[VHDB_RING_INDIRECT_MAX];
	struct vhdb_ring_slot order[RUN_NUM_MAX];
	struct run_held held[RUN_NUM_MAX];
	u32 nr_held;
	u64 shown;
	u64 device_seed;
	bool device_waits;
};

struct run *run_new(u32 num, u64 features, u64 total, u64 seed);
void run_free(struct run *r);
/* The queue is reset and goes on with another size. */
void run_resize(struct run *r, u32 num);

/* The first thing that went wrong is kept. */
void run_fail(struct run *r, const char *what);
bool run_failed(struct run *r);

/* Makes up to @max buffers available; true if the driver has to ring. */
bool driver_add(struct run *r, u32 max);
/* Takes up to @max buffers back and looks at each. */
void driver_get(struct run *r, u32 max);
/* Asks for a signal in one way or the other; then it waits, or not. */
void driver_wait(struct run *r);
void driver_wake(struct run *r);

/* Takes up to @max buffers, looks at each, and answers. */
void device_take(struct run *r, u32 max);
/* Gives up to @max buffers back; true if the driver is to be signalled. */
bool device_give(struct run *r, u32 max);
/* Asks for a kick; then it waits, or not. */
void device_wait(struct run *r);
void device_wake(struct run *r);

#endif /* VHDB_STOCK_RUN_H */
