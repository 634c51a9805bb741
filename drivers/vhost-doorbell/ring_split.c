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

/* One read of each field: what is checked is what is used. */
static __always_inline struct ring_desc desc_read(const struct vring_desc *d)
{
	return (struct ring_desc){
		.addr = le64_to_cpu((__force __le64)READ_ONCE(d->addr)),
		.len = le32_to_cpu((__force __le32)READ_ONCE(d->len)),
		.flags = ring_read16(&d->flags),
	};
}

/* The same for what was copied already. */
static __always_inline struct ring_desc desc_copied(const struct vring_desc *d)
{
	return (struct ring_desc){
		.addr = le64_to_cpu((__force __le64)d->addr),
		.len = le32_to_cpu((__force __le32)d->len),
		.flags = le16_to_cpu((__force __le16)d->flags),
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

/*
 * 2.7.5.3: gathers what the entries of the indirect table refer to, which was
 * copied and ends its chain. 0 or -errno.
 */
static __always_inline int table_walk(const struct vring_desc *table, u32 count,
				      struct ring_pieces *pieces)
{
	const struct vring_desc *at = table;
	u32 left, next;
	int err;

	for (left = count; left; left--) {
		struct ring_desc d = desc_copied(at);

		/* 2.7.5.3.1: no table within a table */
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT))
			return -VHDB_RING_EINDIRECT;
		err = pieces_add(pieces, &d);
		if (unlikely(err))
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		next = le16_to_cpu((__force __le16)at->next);
		if (unlikely(next >= count))
			return -VHDB_RING_EINDEX;
		/* The mask is for a mispredicted bound check, as in pop. */
		at = &table[next & (VHDB_RING_INDIRECT_MAX - 1)];
	}
	/* More steps than entries: a loop. */
	return -VHDB_RING_ELOOP;
}

/*
 * How many buffers are available. The driver's index is read when all that it
 * told of before are taken: once for many.
 */
static __always_inline int avail_count(struct vhdb_ring *ring)
{
	u16 count = ring->avail_seen - ring->last_avail, idx;

	if (count)
		return count;
	idx = ring_read16(&ring->avail->idx);
	count = idx - ring->last_avail;
	/*
	 * 2.7.6.1: an index never goes back, and 2.7.13: a driver cannot have
	 * more buffers out than the ring holds.
	 */
	if (count > ring->num)
		return -VHDB_RING_EJUMP;
	ring->avail_seen = idx;
	/* Entries and descriptors are read after the index. "pop" above. */
	virt_rmb();
	return count;
}

/*
 * Reads the available ring's entries for @nr buffers. What all but the first
 * refer to is on its way into the cache when it is looked at.
 */
static __always_inline void heads_read(const struct vhdb_ring *ring,
				       struct vhdb_chain *chain, u32 nr)
{
	const __virtio16 *entries = ring->avail->ring;
	const struct vring_desc *desc = ring->desc;
	u32 mask = ring->num - 1, at = ring->last_avail;

	chain->id = ring_read16(&entries[at & mask]);
	while (--nr) {
		u16 head = ring_read16(&entries[++at & mask]);

		(++chain)->id = head;
		prefetch(&desc[head & mask]);
	}
}

/*
 * 2.7.5.2: with IN_ORDER descriptors follow each other in the table, so each
 * head is known. A driver that has lost count is found out at the batch's
 * first one.
 */
static __always_inline int head_check(struct vhdb_ring *ring)
{
	u32 mask = ring->num - 1;
	u16 head = ring_read16(&ring->avail->ring[ring->last_avail & mask]);

	if (likely(head == ring->next_desc && ring->desc_known))
		return 0;
	if (ring->desc_known)
		return -VHDB_RING_ESEQUENCE;
	/* Only a ring that is gone on with may begin anywhere. */
	if (head > mask)
		return -VHDB_RING_EINDEX;
	/* Nothing was pushed yet, so the other side is ours as well. */
	ring->next_desc = head;
	ring->next_slot = head;
	ring->shown_slot = head;
	ring->desc_known = true;
	return 0;
}

/*
 * Gathers the pieces of the chain that begins with @d, at @i. The number of its
 * descriptors or -errno.
 */
static __always_inline int chain_walk(struct vhdb_ring *ring,
				      struct ring_pieces *pieces,
				      struct ring_desc d, u32 i, bool in_order)
{
	const struct vring_desc *desc = ring->desc, *at = &desc[i];
	u32 mask = ring->num - 1, count;
	int err;

	for (count = 1; !(d.flags & VRING_DESC_F_INDIRECT); count++) {
		err = pieces_add(pieces, &d);
		if (unlikely(err))
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return count;
		/* 2.7.5.2: in order, next is the one behind, whatever it says. */
		i = in_order ? i + 1 : ring_read16(&at->next);
		if (!in_order && unlikely(i > mask))
			return -VHDB_RING_EINDEX;
		/* 2.7.5.2: no loops; more steps than descriptors is one. */
		if (unlikely(count > mask))
			return -VHDB_RING_ELOOP;
		/* The mask is also for a mispredicted bound check. */
		at = &desc[i & mask];
		d = desc_read(at);
	}
	/* 2.7.5.3.2: it may end a chain of direct ones; WRITE is ignored. */
	err = table_fetch(ring, &d);
	if (err > 0)
		err = table_walk(ring->table, err, pieces);
	return err ?: count;
}

static __always_inline int split_pop(struct vhdb_ring *ring,
				     struct vhdb_chain *chain, u32 max,
				     bool in_order)
{
	struct vhdb_seg *seg = chain->segs, *last = seg + ring->batch_spare;
	u32 mask = ring->num - 1, done = 0, head;
	int nr = avail_count(ring), ret;

	if (unlikely(nr <= 0))
		return nr;
	if (nr > max)
		nr = max;
	if (in_order) {
		ret = head_check(ring);
		if (unlikely(ret))
			return ret;
		head = ring->next_desc;
	} else {
		heads_read(ring, chain, nr);
	}

	do {
		struct ring_desc d;

		if (in_order) {
			chain->id = head;
		} else {
			head = chain->id;
			ret = -VHDB_RING_EINDEX;
			if (unlikely(head > mask))
				break;
			/*
			 * For a mispredicted bound check, which must read
			 * nothing past the area.
			 */
			head &= mask;
		}
		d = desc_read(&ring->desc[head]);
		chain->segs = seg;
		if (desc_is_single(&d)) {
			chain_single(chain, seg, &d);
			seg++;
			ret = 1;
		} else {
			struct ring_pieces pieces = pieces_at(ring, seg);

			ret = chain_walk(ring, &pieces, d, head, in_order);
			if (unlikely(ret < 0))
				break;
			pieces_done(&pieces, chain);
			seg = pieces.seg;
		}
		chain->count = in_order ? ret : 1;
		if (in_order) {
			if (unlikely(!room_take(ring, ret))) {
				ret = -VHDB_RING_EFULL;
				break;
			}
			head = (head + ret) & mask;
		}
		chain++;
		/* There is max_segs left for another one. */
	} while (++done < nr && seg <= last);

	ring->last_avail += done;
	if (in_order)
		ring->next_desc = head;
	return done ?: ret;
}

/**
 * vhdb_split_pop() - vhdb_ring_pop_batch() for this layout
 * @ring: the ring
 * @chains: the buffers
 * @max: their number at the most
 *
 * Context: available side.
 * Return: the number of buffers or -errno.
 */
int vhdb_split_pop(struct vhdb_ring *ring, struct vhdb_chain *chains, u32 max)
{
	return split_pop(ring, chains, max, false);
}

/**
 * vhdb_split_pop_in_order() - the same with IN_ORDER
 * @ring: the ring
 * @chains: the buffers
 * @max: their number at the most
 *
 * Descriptors lie one behind the other; the CPU fetches them ahead by itself.
 *
 * Context: available side.
 * Return: the number of buffers or -errno.
 */
int vhdb_split_pop_in_order(struct vhdb_ring *ring, struct vhdb_chain *chains,
			    u32 max)
{
	return split_pop(ring, chains, max, true);
}

/**
 * vhdb_split_has_work() - vhdb_ring_has_work() for this layout
 * @ring: the ring
 * @nr: are there so many?
 *
 * Context: available side.
 * Return: true if the driver's index is so far ahead.
 */
bool vhdb_split_has_work(struct vhdb_ring *ring, u32 nr)
{
	u16 last = ring->last_avail;

	return (u16)(ring->avail_seen - last) >= nr ||
	       (u16)(ring_read16(&ring->avail->idx) - last) >= nr;
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
 * @nr: for how many
 *
 * 2.7.10.2: through avail_event if event indices were negotiated, else
 * through flags.
 *
 * Context: available side.
 */
void vhdb_split_enable_notify(struct vhdb_ring *ring, u32 nr)
{
	if (ring->event_idx)
		ring_write16(avail_event(ring), ring->last_avail + nr - 1);
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
