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

/*
 * One read of each field: what is checked is what is used. The flags were
 * read, and tell that the descriptor is there.
 */
static __always_inline struct ring_desc
desc_read(const struct vring_packed_desc *d, u16 flags)
{
	return (struct ring_desc){
		.addr = le64_to_cpu(READ_ONCE(d->addr)),
		.len = le32_to_cpu(READ_ONCE(d->len)),
		.flags = flags,
	};
}

/* The same for what was copied already. */
static __always_inline struct ring_desc
desc_copied(const struct vring_packed_desc *d)
{
	return (struct ring_desc){
		.addr = le64_to_cpu(d->addr),
		.len = le32_to_cpu(d->len),
		.flags = le16_to_cpu(d->flags),
	};
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
	ring->shown_slot = ring->last_avail;
	event_write(ring->device_event, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	return 0;
}

/*
 * 2.8.7: gathers what the entries of the indirect table refer to, which was
 * copied: one behind the other, and no flag but WRITE means anything. 0 or
 * -errno.
 */
static __always_inline int table_walk(const struct vring_packed_desc *table,
				      u32 count, struct ring_pieces *pieces)
{
	int err = 0;
	u32 i;

	for (i = 0; i < count && !err; i++) {
		/* The mask is for a mispredicted end of the loop. */
		struct ring_desc d =
			desc_copied(&table[i & (VHDB_RING_INDIRECT_MAX - 1)]);

		err = pieces_add(pieces, &d);
	}
	return err;
}

/**
 * struct ring_pos - a place in the ring
 * @d: descriptor
 * @end: end of the ring
 * @want: AVAIL and USED of one that is available there
 */
struct ring_pos {
	const struct vring_packed_desc *d;
	const struct vring_packed_desc *end;
	u16 want;
};

/* Behind the last slot the wrap counter changes (2.8.1). */
static __always_inline void pos_wrap(const struct vhdb_ring *ring,
				     struct ring_pos *pos)
{
	pos->d = ring->slot;
	pos->want ^= VHDB_PACKED_F_BOTH;
}

/* The available side's. */
static __always_inline struct ring_pos pos_get(const struct vhdb_ring *ring)
{
	return (struct ring_pos){
		.d = ring->slot + ring->last_avail,
		.end = ring->slot + ring->num,
		.want = ring->avail_flags,
	};
}

static __always_inline void pos_set(struct vhdb_ring *ring, struct ring_pos pos)
{
	ring->last_avail = pos.d - ring->slot;
	ring->avail_flags = pos.want;
}

/*
 * Gathers the pieces of the list that begins with @d, at @pos, and moves on
 * behind it, but not around the ring's end. 0 or -errno.
 */
static __always_inline int list_walk(struct vhdb_ring *ring,
				     struct ring_pieces *pieces,
				     struct ring_desc d, struct ring_pos *pos)
{
	const struct vring_packed_desc *head = pos->d, *stop = pos->end;
	u16 flags;
	int err;

	if (d.flags & VRING_DESC_F_INDIRECT) {
		pos->d++;
		/* 2.8.7: WRITE is ignored. */
		err = table_fetch(ring, &d);
		return err > 0 ? table_walk(ring->table, err, pieces) : err;
	}
	for (;;) {
		err = pieces_add(pieces, &d);
		if (unlikely(err))
			return err;
		pos->d++;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (unlikely(pos->d == stop)) {
			/* 2.8.17: no longer than the queue */
			pos_wrap(ring, pos);
			if (stop == head || pos->d == head)
				return -VHDB_RING_ELOOP;
			stop = head;
		}
		/* 2.8.6: in all descriptors of the list; 2.8.15: a MUST */
		flags = le16_to_cpu(READ_ONCE(pos->d->flags));
		if (unlikely(!is_available(flags, pos->want)))
			return -VHDB_RING_EPARTIAL;
		/* 2.8.5, 2.8.19: a list is all direct or one table */
		if (unlikely(flags & VRING_DESC_F_INDIRECT))
			return -VHDB_RING_EINDIRECT;
		d = desc_read(pos->d, flags);
	}
}

static __always_inline int packed_pop(struct vhdb_ring *ring,
				      struct vhdb_chain *chain, u32 max,
				      bool in_order)
{
	struct vhdb_seg *seg = chain->segs, *last = seg + ring->batch_spare;
	struct ring_pos pos = pos_get(ring);
	u32 done = 0;
	int ret;

	do {
		struct ring_pos next = pos;
		struct ring_desc d;
		s32 count = 1;
		u16 flags;

		/* 2.8.15: MUST NOT use what was not made available */
		flags = le16_to_cpu(READ_ONCE(pos.d->flags));
		ret = 0;
		if (!is_available(flags, pos.want))
			break;
		/* The list is read after its first flags. "pop" above. */
		virt_rmb();
		d = desc_read(pos.d, flags);
		chain->segs = seg;
		if (desc_is_single(&d)) {
			chain_single(chain, seg, &d);
			seg++;
			next.d++;
		} else {
			struct ring_pieces pieces = pieces_at(ring, seg);

			ret = list_walk(ring, &pieces, d, &next);
			if (unlikely(ret))
				break;
			pieces_done(&pieces, chain);
			seg = pieces.seg;
			/* It may have gone around the ring's end. */
			count = next.d - pos.d;
			if (count <= 0)
				count += ring->num;
		}
		chain->count = count;
		if (!in_order) {
			/* 2.8.6: the id is in the list's last descriptor */
			chain->id = le16_to_cpu(READ_ONCE(next.d[-1].id));
		} else if (likely(room_take(ring, count))) {
			/* Its first slot stands for it: vhdb_packed_id(). */
			chain->id = pos.d - ring->slot;
		} else {
			ret = -VHDB_RING_EFULL;
			break;
		}
		if (unlikely(next.d == next.end))
			pos_wrap(ring, &next);
		pos = next;
		chain++;
		/* There is max_segs left for another one. */
	} while (++done < max && seg <= last);

	pos_set(ring, pos);
	return done ?: ret;
}

/**
 * vhdb_packed_pop() - vhdb_ring_pop_batch() for this layout
 * @ring: the ring
 * @chains: the buffers
 * @max: their number at the most
 *
 * 2.8.12: descriptors are taken in the order in which they are in the ring.
 * That order is also what the CPU fetches ahead by itself.
 *
 * Context: available side.
 * Return: the number of buffers or -errno.
 */
int vhdb_packed_pop(struct vhdb_ring *ring, struct vhdb_chain *chains, u32 max)
{
	return packed_pop(ring, chains, max, false);
}

/**
 * vhdb_packed_pop_in_order() - the same with IN_ORDER
 * @ring: the ring
 * @chains: the buffers
 * @max: their number at the most
 *
 * Context: available side.
 * Return: the number of buffers or -errno.
 */
int vhdb_packed_pop_in_order(struct vhdb_ring *ring, struct vhdb_chain *chains,
			     u32 max)
{
	return packed_pop(ring, chains, max, true);
}

/* The slot that is @nr behind the next one, and AVAIL and USED in its lap. */
static u32 slot_ahead(const struct vhdb_ring *ring, u32 nr, u16 *flags)
{
	u32 at = ring->last_avail + nr;

	if (at >= ring->num) {
		at -= ring->num;
		*flags ^= VHDB_PACKED_F_BOTH;
	}
	return at;
}

/**
 * vhdb_packed_has_work() - vhdb_ring_has_work() for this layout
 * @ring: the ring
 * @nr: are there so many slots?
 *
 * Context: available side.
 * Return: true if the last of them is available.
 */
bool vhdb_packed_has_work(struct vhdb_ring *ring, u32 nr)
{
	u16 flags = ring->avail_flags;
	u32 at = slot_ahead(ring, nr - 1, &flags);

	return is_available(le16_to_cpu(READ_ONCE(ring->slot[at].flags)),
			    flags);
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
 * @nr: for how many slots
 *
 * 2.8.10: for a certain descriptor only if event indices were negotiated.
 *
 * Context: available side.
 */
void vhdb_packed_enable_notify(struct vhdb_ring *ring, u32 nr)
{
	u16 flags = ring->avail_flags;
	u16 at = slot_ahead(ring, nr - 1, &flags);

	if (flags & VHDB_PACKED_F_AVAIL)
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
