/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the engine's own files share, and nobody else sees.
 */
#ifndef VHDB_RING_IMPL_H
#define VHDB_RING_IMPL_H

#include "ring.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#endif

/* Packed: the wrap counter beside a position (2.8.14). */
#define RING_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

/**
 * struct ring_desc - a descriptor that was read, in the machine's byte order
 * @addr: address
 * @len: bytes
 * @flags: VRING_DESC_F_*
 */
struct ring_desc {
	u64 addr;
	u32 len;
	u16 flags;
};

/* Many buffers are one piece of memory. */
static __always_inline bool desc_is_single(const struct ring_desc *d)
{
	return !(d->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) &&
	       d->len;
}

static __always_inline void chain_single(struct vhdb_chain *chain,
					 struct vhdb_seg *seg,
					 const struct ring_desc *d)
{
	u32 write = !!(d->flags & VRING_DESC_F_WRITE);

	seg->addr = d->addr;
	seg->len = d->len;
	chain->nr_out = write ^ 1;
	chain->nr_in = write;
}

/**
 * struct ring_pieces - a buffer's pieces while they are gathered
 * @seg: where the next one goes
 * @end: end of the room
 * @in: the first one that the device writes, NULL as long as there is none
 *
 * To be kept in registers: what takes it is inlined, with its callers.
 */
struct ring_pieces {
	struct vhdb_seg *seg;
	struct vhdb_seg *end;
	struct vhdb_seg *in;
};

/* Adds what one descriptor, already copied, refers to. */
static __always_inline int pieces_add(struct ring_pieces *p,
				      const struct ring_desc *d)
{
	/* 2.7.4.2, 2.8.17: what the device writes is behind what it reads */
	if (d->flags & VRING_DESC_F_WRITE) {
		if (!p->in)
			p->in = p->seg;
	} else if (unlikely(p->in)) {
		return -VHDB_RING_EORDER;
	}
	/* Nothing to move, nothing to log, nothing to translate. */
	if (unlikely(!d->len))
		return 0;
	/* 2.7.4.1, 2.8.18: the device may limit the number of pieces */
	if (unlikely(p->seg == p->end))
		return -VHDB_RING_ETOOBIG;

	p->seg->addr = d->addr;
	p->seg->len = d->len;
	p->seg++;
	return 0;
}

static __always_inline struct ring_pieces
pieces_at(const struct vhdb_ring *ring, struct vhdb_seg *seg)
{
	return (struct ring_pieces){
		.seg = seg,
		.end = seg + ring->max_segs,
		.in = NULL,
	};
}

static __always_inline void pieces_done(const struct ring_pieces *p,
					struct vhdb_chain *chain)
{
	const struct vhdb_seg *in = p->in ?: p->seg;

	chain->nr_out = in - chain->segs;
	chain->nr_in = p->seg - in;
}

/*
 * 2.7.5.3, 2.8.7: copies the indirect table that @d refers to, whole and once.
 * Its number of entries, or -errno.
 */
static __always_inline int table_fetch(struct vhdb_ring *ring,
				       const struct ring_desc *d)
{
	const u32 size = sizeof(struct vring_desc);
	int err;

	/* 2.7.5.3.1, 2.8.19: only if negotiated, and never with NEXT */
	if (unlikely(!ring->indirect || (d->flags & VRING_DESC_F_NEXT)))
		return -VHDB_RING_EINDIRECT;
	if (unlikely(!d->len || d->len % size))
		return -VHDB_RING_EINDIRECT;
	if (unlikely(d->len > VHDB_RING_INDIRECT_MAX * size))
		return -VHDB_RING_ETOOBIG;
	err = ring->fetch(ring->fetch_data, d->addr, ring->table, d->len);
	return err ?: (int)(d->len / size);
}

/*
 * With IN_ORDER: takes @count of the slots that buffers in flight leave. A
 * driver that offers more than it got back would have two buffers share one.
 */
static __always_inline bool room_take(struct vhdb_ring *ring, u32 count)
{
	if (unlikely(ring->room < count)) {
		u32 retired = READ_ONCE(ring->retired);

		ring->room += retired - ring->retired_seen;
		ring->retired_seen = retired;
		if (ring->room < count)
			return false;
	}
	ring->room -= count;
	return true;
}

#endif /* VHDB_RING_IMPL_H */
