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
 * struct ring_pieces - a buffer's pieces while they are gathered
 * @seg: where the next one goes
 * @end: end of the room
 * @in: the first one that the device writes, NULL as long as there is none
 *
 * To be kept in registers: only a copy's address is taken.
 */
struct ring_pieces {
	struct vhdb_seg *seg;
	struct vhdb_seg *end;
	struct vhdb_seg *in;
};

static __always_inline void pieces_init(struct ring_pieces *p,
					const struct vhdb_ring *ring,
					const struct vhdb_chain *chain)
{
	p->seg = chain->segs;
	p->end = chain->segs + ring->max_segs;
	p->in = NULL;
}

/* Adds what one descriptor, already copied, refers to. */
static __always_inline int pieces_add(struct ring_pieces *p, u64 addr, u32 len,
				      bool write)
{
	/* 2.7.4.2, 2.8.17: what the device writes is behind what it reads */
	if (write) {
		if (!p->in)
			p->in = p->seg;
	} else if (unlikely(p->in)) {
		return -VHDB_RING_EORDER;
	}
	/* Nothing to move, nothing to log, nothing to translate. */
	if (unlikely(!len))
		return 0;
	/* 2.7.4.1, 2.8.18: the device may limit the number of pieces */
	if (unlikely(p->seg == p->end))
		return -VHDB_RING_ETOOBIG;

	p->seg->addr = addr;
	p->seg->len = len;
	p->seg++;
	return 0;
}

static __always_inline void pieces_done(const struct ring_pieces *p,
					struct vhdb_chain *chain)
{
	const struct vhdb_seg *in = p->in ?: p->seg;

	chain->nr_out = in - chain->segs;
	chain->nr_in = p->seg - in;
}

/*
 * 2.7.5.3, 2.8.7: copies an indirect table, whole and once. Its number of
 * entries, or -errno.
 */
static inline int table_fetch(struct vhdb_ring *ring, u64 addr, u32 len)
{
	const u32 size = sizeof(struct vring_desc);
	int err;

	/* 2.7.5.3.1, 2.8.19: only if negotiated */
	if (!ring->indirect)
		return -VHDB_RING_EINDIRECT;
	if (!len || len % size)
		return -VHDB_RING_EINDIRECT;
	if (len > VHDB_RING_INDIRECT_MAX * size)
		return -VHDB_RING_ETOOBIG;
	err = ring->fetch(ring->fetch_data, addr, ring->table, len);
	return err ?: (int)(len / size);
}

/*
 * With IN_ORDER: are there slots for @count more? A driver that offers more
 * than it got back would have two buffers share a slot.
 */
static inline bool ring_room(struct vhdb_ring *ring, u32 count)
{
	if (ring->popped + count - ring->retired_seen <= ring->num)
		return true;
	ring->retired_seen = READ_ONCE(ring->retired);
	return ring->popped + count - ring->retired_seen <= ring->num;
}

#endif /* VHDB_RING_IMPL_H */
