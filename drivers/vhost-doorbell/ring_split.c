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
 *   notify:    D writes avail_event or used->flags, then re-reads avail->idx.
 *              Pairs with Dr's barrier between avail->idx and reading those
 *              (2.7.13.4.1).
 */
#include "ring.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#endif

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

/*
 * One read of each field: what is checked is what is used. The caller masks
 * the index, so that a mispredicted bound check reads nothing past the area.
 */
static inline void desc_copy(struct vring_desc *d, const struct vring_desc *from)
{
	d->addr = READ_ONCE(from->addr);
	d->len = READ_ONCE(from->len);
	d->flags = READ_ONCE(from->flags);
	d->next = READ_ONCE(from->next);
}

static inline u16 desc_flags(const struct vring_desc *d)
{
	return le16_to_cpu((__force __le16)d->flags);
}

static inline u16 desc_next(const struct vring_desc *d)
{
	return le16_to_cpu((__force __le16)d->next);
}

static inline u32 desc_len(const struct vring_desc *d)
{
	return le32_to_cpu((__force __le32)d->len);
}

static inline u64 desc_addr(const struct vring_desc *d)
{
	return le64_to_cpu((__force __le64)d->addr);
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
 * vhdb_ring_init() - take over a ring
 * @ring: the ring
 * @cfg: what it is made from
 *
 * The used side goes on where the used index stands, as the driver of a queue
 * that is started for the first time has set it to 0, and one that was
 * stopped left it there.
 *
 * Context: process; nothing else may use @ring.
 * Return: 0, or -EINVAL for a queue size that the layout does not allow.
 */
int vhdb_ring_init(struct vhdb_ring *ring, const struct vhdb_ring_config *cfg)
{
	/* 2.7: a power of 2, at most 32768 */
	if (!cfg->num || cfg->num > VHDB_RING_SIZE_MAX ||
	    (cfg->num & (cfg->num - 1)))
		return -EINVAL;

	*ring = (struct vhdb_ring){
		.num = cfg->num,
		.event_idx = cfg->features & (1ULL << VIRTIO_RING_F_EVENT_IDX),
		.indirect = cfg->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC),
		.max_segs = cfg->max_segs,
		.desc = cfg->desc,
		.avail = cfg->driver,
		.used = cfg->device,
		.table = cfg->table,
		.fetch = cfg->fetch,
		.fetch_data = cfg->fetch_data,
		.last_avail = cfg->base,
		.avail_seen = cfg->base,
	};
	/* 2.7.10.2: with event indices, flags are 0 */
	if (ring->event_idx)
		ring_write16(&ring->used->flags, 0);
	ring->last_used = ring_read16(&ring->used->idx);
	ring->published = ring->last_used;
	return 0;
}

/**
 * vhdb_ring_move() - go on with the same ring, mapped elsewhere
 * @ring: the ring
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 *
 * Context: neither side is running.
 */
void vhdb_ring_move(struct vhdb_ring *ring, void *desc, void *driver,
		    void *device)
{
	ring->desc = desc;
	ring->avail = driver;
	ring->used = device;
}

/* Adds one descriptor, already copied, to the chain. */
static int chain_add(const struct vhdb_ring *ring, struct vhdb_chain *chain,
		     const struct vring_desc *d)
{
	u32 nr = chain->nr_out + chain->nr_in;
	bool in = desc_flags(d) & VRING_DESC_F_WRITE;

	/* 2.7.4.2: what the device writes stands behind what it reads */
	if (!in && chain->nr_in)
		return -VHDB_RING_EORDER;
	/* Nothing to move, nothing to log, nothing to translate. */
	if (!desc_len(d))
		return 0;
	if (nr >= ring->max_segs)
		return -VHDB_RING_ETOOBIG;

	chain->segs[nr].addr = desc_addr(d);
	chain->segs[nr].len = desc_len(d);
	if (in)
		chain->nr_in++;
	else
		chain->nr_out++;
	return 0;
}

/* 2.7.5.3: walks an indirect table, which is copied first, whole and once. */
static int chain_add_indirect(struct vhdb_ring *ring, struct vhdb_chain *chain,
			      const struct vring_desc *d)
{
	u32 len = desc_len(d), i = 0, count, seen;
	int err;

	/* 2.7.5.3.1: only if negotiated, never together with NEXT */
	if (!ring->indirect || (desc_flags(d) & VRING_DESC_F_NEXT))
		return -VHDB_RING_EINDIRECT;
	if (!len || len % sizeof(*ring->table))
		return -VHDB_RING_EINDIRECT;
	count = len / sizeof(*ring->table);
	if (count > VHDB_RING_INDIRECT_MAX)
		return -VHDB_RING_ETOOBIG;

	err = ring->fetch(ring->fetch_data, desc_addr(d), ring->table, len);
	if (err)
		return err;

	for (seen = 0; seen < count; seen++) {
		const struct vring_desc *e;

		/* The mask is for a mispredicted bound check, as in pop(). */
		e = &ring->table[i & (VHDB_RING_INDIRECT_MAX - 1)];

		/* 2.7.5.3.1: no table within a table */
		if (desc_flags(e) & VRING_DESC_F_INDIRECT)
			return -VHDB_RING_EINDIRECT;
		err = chain_add(ring, chain, e);
		if (err)
			return err;
		if (!(desc_flags(e) & VRING_DESC_F_NEXT))
			return 0;
		i = desc_next(e);
		if (i >= count)
			return -VHDB_RING_EINDEX;
	}
	/* More steps than entries: a loop. */
	return -VHDB_RING_ELOOP;
}

/* Reads the driver's index, if all that was known of it is used up. */
static int avail_refresh(struct vhdb_ring *ring)
{
	u16 idx;

	if (ring->avail_seen != ring->last_avail)
		return 1;

	idx = ring_read16(&ring->avail->idx);
	if (idx == ring->last_avail)
		return 0;
	/* 2.7.6.1: a driver cannot have more buffers out than the ring holds */
	if ((u16)(idx - ring->last_avail) > ring->num)
		return -VHDB_RING_EJUMP;
	ring->avail_seen = idx;

	/* Entries and descriptors are read after the index. "pop" above. */
	virt_rmb();
	return 1;
}

/**
 * vhdb_ring_pop() - take the next buffer
 * @ring: the ring
 * @chain: its pieces; @chain->segs is the caller's array, the rest is set
 *
 * After an error the ring is broken: the caller must not use it any more.
 *
 * Context: available side; may sleep if the ring's fetch may.
 * Return: 1 with a buffer, 0 if there is none, -errno (VHDB_RING_E*, or what
 * fetch gave) if the driver broke the rules.
 */
int vhdb_ring_pop(struct vhdb_ring *ring, struct vhdb_chain *chain)
{
	u32 mask = ring->num - 1, seen, i;
	struct vring_desc d;
	int ret;

	ret = avail_refresh(ring);
	if (ret <= 0)
		return ret;

	i = ring_read16(&ring->avail->ring[ring->last_avail & mask]);
	if (i >= ring->num)
		return -VHDB_RING_EINDEX;
	chain->head = i;
	chain->nr_out = 0;
	chain->nr_in = 0;

	for (seen = 0; seen < ring->num; seen++) {
		desc_copy(&d, &ring->desc[i & mask]);
		if (desc_flags(&d) & VRING_DESC_F_INDIRECT)
			ret = chain_add_indirect(ring, chain, &d);
		else
			ret = chain_add(ring, chain, &d);
		if (ret)
			return ret;

		if (!(desc_flags(&d) & VRING_DESC_F_NEXT)) {
			ring->last_avail++;
			return 1;
		}
		i = desc_next(&d);
		if (i >= ring->num)
			return -VHDB_RING_EINDEX;
	}
	/* 2.7.5.2: no loops; more steps than descriptors is one. */
	return -VHDB_RING_ELOOP;
}

/**
 * vhdb_ring_has_work() - is anything available?
 * @ring: the ring
 *
 * For polling: no barrier, a pop() decides.
 *
 * Context: available side.
 * Return: true if the driver's index has moved.
 */
bool vhdb_ring_has_work(struct vhdb_ring *ring)
{
	return ring->avail_seen != ring->last_avail ||
	       ring_read16(&ring->avail->idx) != ring->last_avail;
}

/**
 * vhdb_ring_disable_notify() - ask the driver not to ring
 * @ring: the ring
 *
 * A hint (2.7.10.2). With event indices nothing is written: the driver rings
 * only when it passes avail_event, which stays behind.
 *
 * Context: available side.
 */
void vhdb_ring_disable_notify(struct vhdb_ring *ring)
{
	if (!ring->event_idx)
		ring_write16(&ring->used->flags, VRING_USED_F_NO_NOTIFY);
}

/**
 * vhdb_ring_enable_notify() - ask the driver to ring for the next buffer
 * @ring: the ring
 *
 * Context: available side.
 * Return: true if a buffer came in the meantime; nobody will ring for that
 * one, so the caller goes on serving.
 */
bool vhdb_ring_enable_notify(struct vhdb_ring *ring)
{
	if (ring->event_idx)
		ring_write16(avail_event(ring), ring->last_avail);
	else
		ring_write16(&ring->used->flags, 0);

	/* The wish is seen before the index is looked at. "notify" above. */
	virt_mb();
	return vhdb_ring_has_work(ring);
}

/**
 * vhdb_ring_push() - give a buffer back
 * @ring: the ring
 * @head: its head
 * @len: bytes written to it, counted from its first writable byte
 *
 * The driver sees it after vhdb_ring_publish() only.
 *
 * Context: used side, any.
 */
void vhdb_ring_push(struct vhdb_ring *ring, u16 head, u32 len)
{
	struct vring_used_elem *e;

	e = &ring->used->ring[ring->last_used++ & (ring->num - 1)];
	WRITE_ONCE(e->id, (__force __virtio32)cpu_to_le32(head));
	WRITE_ONCE(e->len, (__force __virtio32)cpu_to_le32(len));
}

/* 2.7.7.2: does the driver want a signal for what was just published? */
static bool want_signal(struct vhdb_ring *ring)
{
	u16 old, event;
	bool valid;

	if (!ring->event_idx)
		return !(ring_read16(&ring->avail->flags) &
			 VRING_AVAIL_F_NO_INTERRUPT);

	old = ring->signalled;
	valid = ring->signalled_valid;
	ring->signalled = ring->last_used;
	ring->signalled_valid = true;
	event = ring_read16(used_event(ring));
	return !valid || vring_need_event(event, ring->last_used, old);
}

/**
 * vhdb_ring_publish() - show the driver all that was pushed
 * @ring: the ring
 *
 * One index write and one decision, however many buffers there are.
 *
 * Context: used side, any.
 * Return: true if the driver is to be signalled.
 */
bool vhdb_ring_publish(struct vhdb_ring *ring)
{
	if (ring->published == ring->last_used)
		return false;

	/* Elements are seen before the index. "publish" above. */
	virt_wmb();
	ring_write16(&ring->used->idx, ring->last_used);
	ring->published = ring->last_used;

	/* The index is seen before the wish is read. "signal" above. */
	virt_mb();
	return want_signal(ring);
}
