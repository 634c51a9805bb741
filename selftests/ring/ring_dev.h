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
#define F_PACKED	(1ULL << VIRTIO_F_RING_PACKED)
#define F_IN_ORDER	(1ULL << VIRTIO_F_IN_ORDER)
/* No feature: the ring's lens_implied. */
#define F_IMPLIED	(1ULL << 63)

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
 * @slots: for the engine's order; an object of exactly the ring's size
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
	struct vhdb_ring_slot *slots;
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

/* Lets the engine take the ring over, at @base. */
static inline int dev_attach(struct dev *d, u32 num, u32 base,
			     int (*fetch)(void *data, u64 addr, void *dst,
					  u32 len))
{
	struct vhdb_ring_config cfg = {
		.num = num,
		.features = d->features,
		.desc = d->vq.desc,
		.driver = d->vq.driver,
		.device = d->vq.device,
		.base = base,
		.slots = d->slots,
		.lens_implied = d->features & F_IMPLIED,
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
	d->slots = malloc(sizeof(*d->slots) * num);
	if (!d->table || !d->chain.segs || !d->slots ||
	    mock_init(&d->vq, features & F_PACKED ? &mock_packed : &mock_split,
		      num, features, pos))
		return -ENOMEM;
	return dev_attach(d, num, mock_base(&d->vq), dev_fetch);
}

static inline void dev_exit(struct dev *d)
{
	mock_exit(&d->vq);
	free(d->chain.segs);
	free(d->slots);
	free(d->table);
}

/* Offers the chain that starts at @head, as the only new one. */
static inline void offer(struct dev *d, u16 head)
{
	mock_split_set_avail(&d->vq, d->vq.next_avail++, head);
	mock_show(&d->vq);
}

/* Positions that a buffer takes: 2.7.9, 2.8.6. */
static inline u32 dev_units(const struct dev *d, u32 count)
{
	return d->features & F_PACKED ? count : 1;
}

/* 2.7.7.2, 2.8.10, one by one: is any at [old, new) the one asked for? */
static inline bool any_event(const struct mock_vq *vq, u16 event, u16 new,
			     u16 old)
{
	for (; old != new; old = mock_step(vq, old, 1))
		if (old == event)
			return true;
	return false;
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

/* Split rings. A ring that a test needs is in self->d. */
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

/* Every combination of features. */
FIXTURE(any) {
	struct dev d;
	u64 seed;
};

FIXTURE_VARIANT(any) {
	u64 features;
};

FIXTURE_VARIANT_ADD(any, split) {
	.features = 0,
};

FIXTURE_VARIANT_ADD(any, split_indirect) {
	.features = F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, split_event_idx) {
	.features = F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, split_indirect_event_idx) {
	.features = F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, split_in_order) {
	.features = F_IN_ORDER,
};

FIXTURE_VARIANT_ADD(any, split_in_order_indirect) {
	.features = F_IN_ORDER | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, split_in_order_event_idx) {
	.features = F_IN_ORDER | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, split_in_order_indirect_event_idx) {
	.features = F_IN_ORDER | F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, split_implied) {
	.features = F_IN_ORDER | F_IMPLIED,
};

FIXTURE_VARIANT_ADD(any, split_implied_indirect) {
	.features = F_IN_ORDER | F_IMPLIED | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, split_implied_event_idx) {
	.features = F_IN_ORDER | F_IMPLIED | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, split_implied_indirect_event_idx) {
	.features = F_IN_ORDER | F_IMPLIED | F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed) {
	.features = F_PACKED,
};

FIXTURE_VARIANT_ADD(any, packed_indirect) {
	.features = F_PACKED | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, packed_event_idx) {
	.features = F_PACKED | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed_indirect_event_idx) {
	.features = F_PACKED | F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed_in_order) {
	.features = F_PACKED | F_IN_ORDER,
};

FIXTURE_VARIANT_ADD(any, packed_in_order_indirect) {
	.features = F_PACKED | F_IN_ORDER | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, packed_in_order_event_idx) {
	.features = F_PACKED | F_IN_ORDER | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed_in_order_indirect_event_idx) {
	.features = F_PACKED | F_IN_ORDER | F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed_implied) {
	.features = F_PACKED | F_IN_ORDER | F_IMPLIED,
};

FIXTURE_VARIANT_ADD(any, packed_implied_indirect) {
	.features = F_PACKED | F_IN_ORDER | F_IMPLIED | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(any, packed_implied_event_idx) {
	.features = F_PACKED | F_IN_ORDER | F_IMPLIED | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(any, packed_implied_indirect_event_idx) {
	.features = F_PACKED | F_IN_ORDER | F_IMPLIED |
		    F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_SETUP(any)
{
	self->seed = 0x9e3779b97f4a7c15ULL;
}

FIXTURE_TEARDOWN(any)
{
}

#endif /* VHDB_RING_DEV_H */
