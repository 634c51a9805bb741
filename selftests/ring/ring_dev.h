/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the unit tests share: rings of every combination of features, and the
 * few helpers around them.
 */
#ifndef VHDB_RING_DEV_H
#define VHDB_RING_DEV_H

#include "dev.h"
#include "kselftest_harness.h"
#include "rnd.h"

/*
 * Sanitizers and counters take time: the Makefile says what part is enough. An
 * odd number, as it is the step through what else is gone through in full.
 */
#ifndef SLOWER
#define SLOWER	1
#endif

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
