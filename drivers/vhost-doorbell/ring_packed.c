// SPDX-License-Identifier: GPL-2.0
/*
 * Packed virtqueues (virtio 1.3, 2.8), the device's half.
 *
 * Barriers and what they pair with, D being the device and Dr the driver:
 *
 *   pop:       D reads the flags of a list's first descriptor, then the rest
 *              of the list. Pairs with Dr's barrier before it writes those
 *              flags, which it does last (2.8.6, 2.8.21.1).
 *   publish:   D writes used descriptors, then the flags of the first. Pairs
 *              with Dr's read barrier after reading those (2.8.22).
 *   signal:    D writes those flags, then reads the driver's event area.
 *              Pairs with Dr's barrier between writing that and re-reading
 *              the flags (2.8.22).
 *   notify:    vhdb_ring_enable_notify().
 */
#include "ring_impl.h"

/* 2.8.1: AVAIL is like the driver's wrap counter, USED is not. */
static inline bool is_available(u16 flags, u16 want)
{
	return (flags & VHDB_PACKED_F_BOTH) == want;
}

/* 2.8.14: both fields in one access. */
union event {
	struct vring_packed_desc_event field;
	u32 both;
};

static inline void event_write(u32 *area, u16 off_wrap, u16 flags)
{
	union event event = {
		.field.off_wrap = cpu_to_le16(off_wrap),
		.field.flags = cpu_to_le16(flags),
	};

	WRITE_ONCE(*area, event.both);
}

/**
 * vhdb_packed_init() - vhdb_ring_init() for this layout
 * @ring: the ring; what both layouts have is set
 * @base: both positions, as of vhdb_ring_base()
 *
 * Context: process.
 * Return: 0, or -EINVAL if a position is none of the ring.
 */
int vhdb_packed_init(struct vhdb_ring *ring, u32 base)
{
	u16 avail = base, used = base >> 16;

	ring->last_avail = avail & ~RING_WRAP;
	ring->last_used = used & ~RING_WRAP;
	if (ring->last_avail >= ring->num || ring->last_used >= ring->num)
		return -EINVAL;
	ring->avail_flags = avail & RING_WRAP ? VHDB_PACKED_F_AVAIL :
						VHDB_PACKED_F_USED;
	ring->used_flags = used & RING_WRAP ? VHDB_PACKED_F_BOTH : 0;
	ring->next_slot = ring->last_avail;
	event_write(ring->device_event, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	return 0;
}

/*
 * 2.8.7: an indirect table: one entry behind the other, and no flag but WRITE
 * means anything.
 */
static noinline int pieces_add_table(struct vhdb_ring *ring,
				     struct ring_pieces *pieces, u64 addr,
				     u32 len)
{
	const struct vring_packed_desc *table = ring->table;
	int count = table_fetch(ring, addr, len), i, err;

	for (i = 0; i < count; i++) {
		/* The mask is for a mispredicted end of the loop. */
		const struct vring_packed_desc *d =
			&table[i & (VHDB_RING_INDIRECT_MAX - 1)];

		err = pieces_add(pieces, le64_to_cpu(d->addr),
				 le32_to_cpu(d->len),
				 le16_to_cpu(d->flags) & VRING_DESC_F_WRITE);
		if (err)
			return err;
	}
	return count < 0 ? count : 0;
}

static __always_inline int packed_pop(struct vhdb_ring *ring,
				      struct vhdb_chain *chain, bool in_order)
{
	u16 first = ring->last_avail, want = ring->avail_flags, flags;
	u32 num = ring->num, i = first, count = 1;
	const struct vring_packed_desc *d = &ring->slot[i];
	struct ring_pieces pieces;
	int ret;

	/* 2.8.15: MUST NOT use a descriptor that was not made available */
	flags = le16_to_cpu(READ_ONCE(d->flags));
	if (!is_available(flags, want))
		return 0;
	/* The descriptors are read after the flags of the first. "pop" above. */
	virt_rmb();
	pieces_init(&pieces, ring, chain);

	for (;;) {
		/* One read of each field: what is checked is what is used. */
		u64 addr = le64_to_cpu(READ_ONCE(d->addr));
		u32 len = le32_to_cpu(READ_ONCE(d->len));

		if (flags & VRING_DESC_F_INDIRECT) {
			struct ring_pieces by_table = pieces;

			/* 2.8.5, 2.8.19: a list is all direct or one table */
			if (count > 1 || (flags & VRING_DESC_F_NEXT))
				return -VHDB_RING_EINDIRECT;
			/* 2.8.7: WRITE is ignored */
			ret = pieces_add_table(ring, &by_table, addr, len);
			pieces = by_table;
		} else {
			ret = pieces_add(&pieces, addr, len,
					 flags & VRING_DESC_F_WRITE);
		}
		if (unlikely(ret))
			return ret;
		/* 2.8.1: behind the last one the wrap counter changes. */
		if (unlikely(++i == num)) {
			i = 0;
			want ^= VHDB_PACKED_F_BOTH;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			break;
		/* 2.8.17: no longer than the queue */
		if (unlikely(count == num))
			return -VHDB_RING_ELOOP;
		count++;
		d = &ring->slot[i];
		/* 2.8.6: in all descriptors of the list; 2.8.15: a MUST */
		flags = le16_to_cpu(READ_ONCE(d->flags));
		if (unlikely(!is_available(flags, want)))
			return -VHDB_RING_EPARTIAL;
	}

	pieces_done(&pieces, chain);
	/* 2.8.6: the id is in the last descriptor of the list */
	chain->id = le16_to_cpu(READ_ONCE(d->id));
	chain->count = count;
	if (in_order) {
		if (unlikely(!ring_room(ring, count)))
			return -VHDB_RING_EFULL;
		ring->popped += count;
		ring->slots[first].id = chain->id;
		chain->id = first;
	}
	ring->last_avail = i;
	ring->avail_flags = want;
	return 1;
}

static noinline int packed_pop_in_order(struct vhdb_ring *ring,
					struct vhdb_chain *chain)
{
	return packed_pop(ring, chain, true);
}

/**
 * vhdb_packed_pop() - vhdb_ring_pop() for this layout
 * @ring: the ring
 * @chain: its pieces
 *
 * 2.8.12: descriptors are taken in the order in which they are in the ring.
 * That order is also what the CPU fetches ahead by itself.
 *
 * Context: available side.
 * Return: 1, 0 or -errno.
 */
int vhdb_packed_pop(struct vhdb_ring *ring, struct vhdb_chain *chain)
{
	if (ring->in_order)
		return packed_pop_in_order(ring, chain);
	return packed_pop(ring, chain, false);
}

/**
 * vhdb_packed_has_work() - vhdb_ring_has_work() for this layout
 * @ring: the ring
 *
 * Context: available side.
 * Return: true if the next descriptor is available.
 */
bool vhdb_packed_has_work(struct vhdb_ring *ring)
{
	const struct vring_packed_desc *d = &ring->slot[ring->last_avail];

	return is_available(le16_to_cpu(READ_ONCE(d->flags)),
			    ring->avail_flags);
}

/**
 * vhdb_packed_disable_notify() - vhdb_ring_disable_notify() for this layout
 * @ring: the ring
 *
 * Context: available side.
 */
void vhdb_packed_disable_notify(struct vhdb_ring *ring)
{
	event_write(ring->device_event, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/**
 * vhdb_packed_enable_notify() - the wish of vhdb_ring_enable_notify()
 * @ring: the ring
 *
 * 2.8.10: for a certain descriptor only if event indices were negotiated.
 *
 * Context: available side.
 */
void vhdb_packed_enable_notify(struct vhdb_ring *ring)
{
	u16 at = ring->last_avail;

	if (ring->avail_flags & VHDB_PACKED_F_AVAIL)
		at |= RING_WRAP;
	if (ring->event_idx)
		event_write(ring->device_event, at, VRING_PACKED_EVENT_FLAG_DESC);
	else
		event_write(ring->device_event, 0,
			    VRING_PACKED_EVENT_FLAG_ENABLE);
}

/* 2.8.10: does the driver want a signal for the last @nr slots? */
static bool want_signal(struct vhdb_ring *ring, u32 nr)
{
	union event event = { .both = READ_ONCE(*ring->driver_event) };
	u16 off_wrap = le16_to_cpu(event.field.off_wrap);
	s32 at = off_wrap & (RING_WRAP - 1), end = ring->last_used;
	bool wrap = off_wrap & RING_WRAP, first = !ring->told;

	ring->told = true;
	/* 2.8.14: the upper 14 bits are reserved */
	switch (le16_to_cpu(event.field.flags) & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		break;
	default:
		return true;
	}
	/*
	 * 2.8.10: DESC is valid with event indices only. What came before the
	 * first decision is not known. One signal too many does no harm.
	 */
	if (first || !ring->event_idx)
		return true;
	/* In terms of the present lap: the one before it is below 0. */
	if (wrap != !!(ring->used_flags & VHDB_PACKED_F_USED))
		at -= ring->num;
	return at < end && at >= end - (s32)nr;
}

/**
 * vhdb_packed_publish() - vhdb_ring_publish() for this layout
 * @ring: the ring, with a batch
 *
 * Context: used side, any.
 * Return: true if the driver is to be signalled.
 */
bool vhdb_packed_publish(struct vhdb_ring *ring)
{
	struct vring_packed_desc *head = &ring->slot[ring->head];
	u32 nr = ring->batch;

	ring->batch = 0;
	/* Used descriptors are seen before the first's flags. "publish". */
	virt_wmb();
	/* 2.8.15: after this the device MUST NOT change the descriptor. */
	WRITE_ONCE(head->flags, cpu_to_le16(ring->head_flags));

	/* The flags are seen before the wish is read. "signal" above. */
	virt_mb();
	return want_signal(ring, nr);
}
