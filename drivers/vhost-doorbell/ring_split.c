// SPDX-License-Identifier: GPL-2.0
/*
 * Split virtqueues (virtio 1.3, 2.7), the device's half.
 *
 * Barriers and what they pair with, D being the device and Dr the driver:
 *
 *   pop:       D reads avail->idx, then entries and descriptors. Pairs with
 *              Dr's write barrier between filling them and avail->idx
 *              (2.7.13.3.1).
 *   publish:   D writes used elements, then used->idx. Pairs with Dr's read
 *              barrier after reading used->idx (2.7.14).
 *   signal:    D writes used->idx, then reads used_event or avail->flags.
 *              Pairs with Dr's barrier between writing those and re-reading
 *              used->idx (2.7.7, 2.7.14).
 *   notify:    vhdb_ring_enable_notify().
 */
#include "ring_impl.h"

/*
 * The ring's fields are typed for either byte order by <linux/virtio_ring.h>;
 * with VIRTIO_F_VERSION_1 they are little-endian (2.7.5, 2.7.6, 2.7.8).
 */
static inline u16 ring_read16(const __virtio16 *p)
{
	return le16_to_cpu((__force __le16)READ_ONCE(*p));
}

static inline void ring_write16(__virtio16 *p, u16 val)
{
	WRITE_ONCE(*p, (__force __virtio16)cpu_to_le16(val));
}

/* The same for what was copied already. */
static inline u16 flags_of(const struct vring_desc *d)
{
	return le16_to_cpu((__force __le16)d->flags);
}

static inline u16 next_of(const struct vring_desc *d)
{
	return le16_to_cpu((__force __le16)d->next);
}

static inline u32 len_of(const struct vring_desc *d)
{
	return le32_to_cpu((__force __le32)d->len);
}

static inline u64 addr_of(const struct vring_desc *d)
{
	return le64_to_cpu((__force __le64)d->addr);
}

/* One read of each field: what is checked is what is used. */
static __always_inline struct vring_desc desc_copy(const struct vring_desc *from)
{
	return (struct vring_desc){
		.addr = READ_ONCE(from->addr),
		.len = READ_ONCE(from->len),
		.flags = READ_ONCE(from->flags),
		.next = READ_ONCE(from->next),
	};
}

/* 2.7.6: used_event lies behind the available ring's entries. */
static inline __virtio16 *used_event(const struct vhdb_ring *ring)
{
	return &ring->avail->ring[ring->num];
}

/* 2.7.8: avail_event lies behind the used ring's elements. */
static inline __virtio16 *avail_event(const struct vhdb_ring *ring)
{
	return (__virtio16 *)&ring->used->ring[ring->num];
}

/**
 * vhdb_split_init() - vhdb_ring_init() for this layout
 * @ring: the ring; what both layouts have is set
 * @base: next index of the available ring
 *
 * The used side goes on where the used index stands, as the driver of a queue
 * that is started for the first time has set it to 0, and one that was
 * stopped left it there.
 *
 * Context: process.
 * Return: 0, or -EINVAL if @base is no index.
 */
int vhdb_split_init(struct vhdb_ring *ring, u32 base)
{
	if (base > 0xffff)
		return -EINVAL;
	ring->last_avail = base;
	ring->avail_seen = base;
	/* 2.7.10.2: with event indices, flags are 0 */
	if (ring->event_idx)
		ring_write16(&ring->used->flags, 0);
	ring->last_used = ring_read16(&ring->used->idx);
	return 0;
}

/* 2.7.5.3: walks an indirect table. */
static noinline int pieces_add_table(struct vhdb_ring *ring,
				     struct ring_pieces *pieces,
				     const struct vring_desc *from)
{
	const struct vring_desc *table = ring->table;
	int count, seen, err;
	u32 i = 0;

	/* 2.7.5.3.1: never together with NEXT. 2.7.5.3.2: WRITE is ignored. */
	if (flags_of(from) & VRING_DESC_F_NEXT)
		return -VHDB_RING_EINDIRECT;
	count = table_fetch(ring, addr_of(from), len_of(from));
	if (count < 0)
		return count;

	for (seen = 0; seen < count; seen++) {
		/* The mask is for a mispredicted bound check, as in pop(). */
		const struct vring_desc *d =
			&table[i & (VHDB_RING_INDIRECT_MAX - 1)];

		/* 2.7.5.3.1: no table within a table */
		if (flags_of(d) & VRING_DESC_F_INDIRECT)
			return -VHDB_RING_EINDIRECT;
		err = pieces_add(pieces, addr_of(d), len_of(d),
				 flags_of(d) & VRING_DESC_F_WRITE);
		if (err)
			return err;
		if (!(flags_of(d) & VRING_DESC_F_NEXT))
			return 0;
		i = next_of(d);
		if (i >= count)
			return -VHDB_RING_EINDEX;
	}
	/* More steps than entries: a loop. */
	return -VHDB_RING_ELOOP;
}

/*
 * Reads the next entry of the available ring ahead of time, so that what it
 * refers to is in the cache when it is needed.
 */
static __always_inline void head_fetch(struct vhdb_ring *ring)
{
	u32 mask = ring->num - 1;

	ring->next_head = ring_read16(&ring->avail->ring[ring->last_avail & mask]);
	prefetch(&ring->desc[ring->next_head & mask]);
}

/* Reads the driver's index: once for all that is available. */
static noinline int avail_refresh(struct vhdb_ring *ring)
{
	u16 idx = ring_read16(&ring->avail->idx);

	if (idx == ring->last_avail)
		return 0;
	/*
	 * 2.7.6.1: an index never goes back, and 2.7.13: a driver cannot have
	 * more buffers out than the ring holds.
	 */
	if ((u16)(idx - ring->last_avail) > ring->num)
		return -VHDB_RING_EJUMP;
	ring->avail_seen = idx;

	/* Entries and descriptors are read after the index. "pop" above. */
	virt_rmb();
	head_fetch(ring);
	return 1;
}

/*
 * With IN_ORDER, heads follow each other in the descriptor table (2.7.5). Only
 * a ring that is gone on with may begin anywhere.
 */
static int head_check(struct vhdb_ring *ring, u32 head)
{
	if (!ring->desc_known) {
		/* Nothing was pushed yet, so the other side is ours as well. */
		ring->next_desc = head;
		ring->next_slot = head;
		ring->desc_known = true;
	}
	return head == ring->next_desc ? 0 : -VHDB_RING_ESEQUENCE;
}

static __always_inline int split_pop(struct vhdb_ring *ring,
				     struct vhdb_chain *chain, bool in_order)
{
	u32 num = ring->num, left = num, i;
	struct ring_pieces pieces;
	int ret;

	if (ring->avail_seen == ring->last_avail) {
		ret = avail_refresh(ring);
		if (ret <= 0)
			return ret;
	}
	i = ring->next_head;
	if (unlikely(i >= num))
		return -VHDB_RING_EINDEX;
	if (in_order && head_check(ring, i))
		return -VHDB_RING_ESEQUENCE;
	chain->id = i;
	pieces_init(&pieces, ring, chain);

	for (;;) {
		/*
		 * The mask is for a mispredicted bound check, which must read
		 * nothing past the area.
		 */
		struct vring_desc d = desc_copy(&ring->desc[i & (num - 1)]);

		if (flags_of(&d) & VRING_DESC_F_INDIRECT) {
			/* 2.7.5.3.2: it may end a chain of direct ones */
			struct ring_pieces by_table = pieces;

			ret = pieces_add_table(ring, &by_table, &d);
			if (unlikely(ret))
				return ret;
			pieces = by_table;
			break;
		}
		ret = pieces_add(&pieces, addr_of(&d), len_of(&d),
				 flags_of(&d) & VRING_DESC_F_WRITE);
		if (unlikely(ret))
			return ret;
		if (!(flags_of(&d) & VRING_DESC_F_NEXT))
			break;
		/* 2.7.5.2: in order, next is the one behind */
		if (in_order && next_of(&d) != ((i + 1) & (num - 1)))
			return -VHDB_RING_ESEQUENCE;
		i = next_of(&d);
		if (unlikely(i >= num))
			return -VHDB_RING_EINDEX;
		/* 2.7.5.2: no loops; more steps than descriptors is one. */
		if (unlikely(!--left))
			return -VHDB_RING_ELOOP;
	}

	pieces_done(&pieces, chain);
	chain->count = 1;
	if (in_order) {
		chain->count = num - left + 1;
		if (unlikely(!ring_room(ring, chain->count)))
			return -VHDB_RING_EFULL;
		ring->popped += chain->count;
		ring->next_desc = (i + 1) & (num - 1);
	}
	ring->last_avail++;
	if (ring->last_avail != ring->avail_seen)
		head_fetch(ring);
	return 1;
}

static noinline int split_pop_in_order(struct vhdb_ring *ring,
				       struct vhdb_chain *chain)
{
	return split_pop(ring, chain, true);
}

/**
 * vhdb_split_pop() - vhdb_ring_pop() for this layout
 * @ring: the ring
 * @chain: its pieces
 *
 * Context: available side.
 * Return: 1, 0 or -errno.
 */
int vhdb_split_pop(struct vhdb_ring *ring, struct vhdb_chain *chain)
{
	if (ring->in_order)
		return split_pop_in_order(ring, chain);
	return split_pop(ring, chain, false);
}

/**
 * vhdb_split_has_work() - vhdb_ring_has_work() for this layout
 * @ring: the ring
 *
 * Context: available side.
 * Return: true if the driver's index has moved.
 */
bool vhdb_split_has_work(struct vhdb_ring *ring)
{
	return ring->avail_seen != ring->last_avail ||
	       ring_read16(&ring->avail->idx) != ring->last_avail;
}

/**
 * vhdb_split_disable_notify() - vhdb_ring_disable_notify() for this layout
 * @ring: the ring
 *
 * 2.7.10.2: with event indices flags stay 0: the driver rings only when it
 * passes avail_event, which stays behind.
 *
 * Context: available side.
 */
void vhdb_split_disable_notify(struct vhdb_ring *ring)
{
	if (!ring->event_idx)
		ring_write16(&ring->used->flags, VRING_USED_F_NO_NOTIFY);
}

/**
 * vhdb_split_enable_notify() - the wish of vhdb_ring_enable_notify()
 * @ring: the ring
 *
 * 2.7.10.2: through avail_event if event indices were negotiated, else
 * through flags.
 *
 * Context: available side.
 */
void vhdb_split_enable_notify(struct vhdb_ring *ring)
{
	if (ring->event_idx)
		ring_write16(avail_event(ring), ring->last_avail);
	else
		ring_write16(&ring->used->flags, 0);
}

/* 2.7.7.2: does the driver want a signal for the last @nr buffers? */
static bool want_signal(struct vhdb_ring *ring, u32 nr)
{
	bool first = !ring->told;
	u16 event;

	if (!ring->event_idx)
		return !(ring_read16(&ring->avail->flags) &
			 VRING_AVAIL_F_NO_INTERRUPT);

	ring->told = true;
	event = ring_read16(used_event(ring));
	/* What came before the first is not known: one too many does no harm. */
	return first || vring_need_event(event, ring->last_used,
					 ring->last_used - nr);
}

/**
 * vhdb_split_publish() - vhdb_ring_publish() for this layout
 * @ring: the ring, with a batch
 *
 * Context: used side, any.
 * Return: true if the driver is to be signalled.
 */
bool vhdb_split_publish(struct vhdb_ring *ring)
{
	u32 nr = ring->batch;

	ring->batch = 0;
	/*
	 * Elements are seen before the index (2.7.8.2: a MUST). "publish"
	 * above.
	 */
	virt_wmb();
	ring_write16(&ring->used->idx, ring->last_used);

	/* The index is seen before the wish is read. "signal" above. */
	virt_mb();
	return want_signal(ring, nr);
}
