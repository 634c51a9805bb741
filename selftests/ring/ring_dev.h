/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring with the engine on one side and the mock driver on the other, and
 * the few helpers that the tests share.
 */
#ifndef VHDB_RING_DEV_H
#define VHDB_RING_DEV_H

#include <stdlib.h>
#include <string.h>

#include "mock_driver.h"
#include "../../drivers/vhost-doorbell/ring.h"
#include "kselftest_harness.h"

#define F_INDIRECT	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)

#define N	VRING_DESC_F_NEXT
#define W	VRING_DESC_F_WRITE
#define I	VRING_DESC_F_INDIRECT

/* An address of which each half counts. */
#define ADDR(i)	(0xfedcba9800000000ULL + 0x10001 * (u64)((i) + 1))

/* A descriptor as a test writes it down, in the machine's byte order. */
struct desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/**
 * struct dev - a ring with both of its ends
 * @vq: the driver's
 * @ring: the engine's; not the first, so that its address is no other's
 * @chain: what pop fills; its segs are an object of exactly @max_segs
 * @table: for the engine's indirect tables; an object of exactly their limit
 * @features: negotiated
 * @max_segs: pieces that a buffer may have
 * @fetches: calls of the fetch function
 * @fetch_addr: argument of the last one
 * @fetch_len: argument of the last one
 * @fetch_err: what it answers instead of fetching
 */
struct dev {
	struct mock_vq vq;
	struct vhdb_ring ring;
	struct vhdb_chain chain;
	struct vring_desc *table;
	u64 features;
	u32 max_segs;
	u32 fetches;
	u64 fetch_addr;
	u32 fetch_len;
	int fetch_err;
};

static inline int dev_fetch(void *data, u64 addr, void *dst, u32 len)
{
	struct dev *d = data;

	d->fetches++;
	d->fetch_addr = addr;
	d->fetch_len = len;
	if (d->fetch_err)
		return d->fetch_err;
	memcpy(dst, mock_ptr(addr), len);
	return 0;
}

/* Lets the engine take the ring over, at position @pos of the driver. */
static inline int dev_attach(struct dev *d, u32 num, u16 pos,
			     int (*fetch)(void *data, u64 addr, void *dst,
					  u32 len))
{
	struct vhdb_ring_config cfg = {
		.num = num,
		.features = d->features,
		.desc = d->vq.desc,
		.driver = d->vq.driver,
		.device = d->vq.device,
		.base = pos,
		.table = d->table,
		.max_segs = d->max_segs,
		.fetch = fetch,
		.fetch_data = d,
	};

	return vhdb_ring_init(&d->ring, &cfg);
}

static inline int dev_init(struct dev *d, u32 num, u64 features, u16 pos,
			   u32 max_segs)
{
	memset(d, 0, sizeof(*d));
	d->features = features;
	d->max_segs = max_segs;
	d->table = malloc(sizeof(*d->table) * VHDB_RING_INDIRECT_MAX);
	d->chain.segs = malloc(sizeof(*d->chain.segs) * max_segs);
	if (!d->table || !d->chain.segs ||
	    mock_init(&d->vq, &mock_split, num, features, pos))
		return -ENOMEM;
	return dev_attach(d, num, pos, dev_fetch);
}

static inline void dev_exit(struct dev *d)
{
	mock_exit(&d->vq);
	free(d->chain.segs);
	free(d->table);
}

/* Offers the chain that starts at @head, as the only new one. */
static inline void offer(struct dev *d, u16 head)
{
	mock_split_set_avail(&d->vq, d->vq.next_avail++, head);
	mock_show(&d->vq);
}

/* 2.7.7.2, entry by entry: is any of those at [old, new) the one asked for? */
static inline bool model_event(u16 event, u16 new, u16 old)
{
	for (; old != new; old++)
		if (old == event)
			return true;
	return false;
}

/* xorshift64: the same numbers each time, so that a failure comes back. */
static inline u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number below @n. */
static inline u32 below(u64 *state, u32 n)
{
	return (rnd(state) >> 32) % n;
}

/* True once in @n times. */
static inline bool once_in(u64 *state, u32 n)
{
	return !below(state, n);
}

/* Every combination of features. A ring that a test needs is in self->d. */
FIXTURE(ring) {
	struct dev d;
	u64 seed;
};

FIXTURE_VARIANT(ring) {
	u64 features;
};

FIXTURE_VARIANT_ADD(ring, plain) {
	.features = 0,
};

FIXTURE_VARIANT_ADD(ring, indirect) {
	.features = F_INDIRECT,
};

FIXTURE_VARIANT_ADD(ring, event_idx) {
	.features = F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(ring, indirect_event_idx) {
	.features = F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_SETUP(ring)
{
	self->seed = 0x9e3779b97f4a7c15ULL;
}

FIXTURE_TEARDOWN(ring)
{
}

#endif /* VHDB_RING_DEV_H */
