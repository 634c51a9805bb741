/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtqueue engine: what a virtio device does to a ring, and nothing else.
 *
 * It uses no service of the kernel beyond types, barriers and READ_ONCE, so
 * that the very same object is compiled in userspace (selftests/ring), where
 * it is unit-tested and fuzzed. The three areas of a ring are plain mapped
 * memory here; who mapped them, and who the driver is, is the caller's affair.
 *
 * The driver is hostile. Each field that it can write is read once into a
 * local, checked, and never read again, unless all that came of it is undone:
 * a buffer that is left in the ring is read anew with the next batch. A
 * violation is answered with an error from vhdb_ring_pop_batch(), after which
 * the caller stops using the ring.
 *
 * What the engine does not know is which buffers are out: a driver may offer
 * one twice, or more of them than the ring has descriptors. The caller bounds
 * that, and indexes nothing by an id.
 *
 * A ring has two sides that may run at the same time:
 *
 *   available side: vhdb_ring_pop_batch(), vhdb_ring_unpop(), the notification
 *                   calls. One caller at a time (the queue's worker).
 *   used side:      vhdb_ring_push(), vhdb_ring_publish(). One caller at a
 *                   time (who holds the queue's completion lock).
 *
 * There are two layouts, split (2.7, ring_split.c) and packed (2.8,
 * ring_packed.c), chosen by the negotiated features. With VIRTIO_F_IN_ORDER
 * buffers may be pushed in any order still, and are shown in the order in
 * which they were popped (ring.c).
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#ifndef VHDB_RING_H
#define VHDB_RING_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/prefetch.h>
#include <linux/types.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_config.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
#else
#include "ring_shim.h"
#endif

/* Entries of an indirect table at the most, whatever the queue's size. */
#define VHDB_RING_INDIRECT_MAX	1024

/* 2.7, 2.8: 32768 entries, whatever the layout. */
#define VHDB_RING_SIZE_MAX	32768

/**
 * struct vhdb_seg - one piece of a buffer, in the driver's addresses
 * @addr: address as the driver wrote it (an IOVA)
 * @len: bytes, never zero
 */
struct vhdb_seg {
	u64 addr;
	u32 len;
};

/**
 * struct vhdb_chain - one buffer that the driver made available
 * @segs: its pieces: first those that the device reads, then those that it
 *	writes (2.7.4.2, 2.8.17). Room for the ring's max_segs.
 * @nr_out: pieces that the device reads
 * @nr_in: pieces that the device writes
 * @id: what vhdb_ring_push() wants back, with @count
 * @count: slots of the ring that the buffer takes, at least 1
 */
struct vhdb_chain {
	struct vhdb_seg *segs;
	u32 nr_out;
	u32 nr_in;
	u16 id;
	u16 count;
};

/**
 * struct vhdb_ring_slot - with IN_ORDER: a buffer that was pushed early
 * @len: as pushed
 * @count: slots that it takes, else 0
 */
struct vhdb_ring_slot {
	u32 len;
	u16 count;
};

/**
 * struct vhdb_ring_config - what a ring is made from
 * @num: queue size in descriptors
 * @features: negotiated features
 * @desc: descriptor area
 * @driver: driver area (split: the available ring)
 * @device: device area (split: the used ring)
 * @base: where to go on, as vhdb_ring_base() told, or VHDB_RING_BASE_START()
 * @table: room for VHDB_RING_INDIRECT_MAX descriptors, for indirect tables
 * @max_segs: pieces that a buffer may have, at least 1
 * @batch_segs: room in the &vhdb_chain.segs of a batch; less than @max_segs
 *	stands for that
 * @slots: with VIRTIO_F_IN_ORDER: @num entries; else unused
 * @lens_implied: with VIRTIO_F_IN_ORDER: one used element may stand for all
 *	that is published at once. The driver then takes all but the last to be
 *	used completely (2.7.9, 2.8.8), so this is for devices whose drivers
 *	can tell a buffer's true length without the used element.
 * @fetch: copies @len bytes of the driver's memory at @addr to @dst; 0 or
 *	-errno. Called by vhdb_ring_pop() for an indirect table, whole and once.
 * @fetch_data: first argument of @fetch
 */
struct vhdb_ring_config {
	u32 num;
	u64 features;
	void *desc;
	void *driver;
	void *device;
	u32 base;
	void *table;
	u32 max_segs;
	u32 batch_segs;
	struct vhdb_ring_slot *slots;
	bool lens_implied;
	int (*fetch)(void *data, u64 addr, void *dst, u32 len);
	void *fetch_data;
};

/**
 * struct vhdb_ring - one virtqueue as its device sees it
 * @num: queue size
 * @packed: VIRTIO_F_RING_PACKED negotiated
 * @event_idx: VIRTIO_RING_F_EVENT_IDX negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC negotiated
 * @in_order: VIRTIO_F_IN_ORDER negotiated
 * @lens_implied: as configured
 * @max_segs: as configured
 * @batch_spare: pieces of a batch in front of its last buffer, at the most
 * @desc: descriptor area of a split ring
 * @avail: its driver area
 * @used: its device area
 * @slot: descriptor area of a packed ring
 * @driver_event: driver area of a packed ring
 * @device_event: device area of a packed ring
 * @slots: as configured
 * @table: as configured
 * @fetch: as configured
 * @fetch_data: as configured
 * @last_avail: next position to take: split: index; packed: slot
 * @avail_seen: split: driver's index when it was last read
 * @next_desc: split, in order: where the next head is to be
 * @desc_known: @next_desc counts
 * @avail_flags: packed: AVAIL and USED of a descriptor that is available
 * @room: in order: slots that buffers in flight leave, as of @retired_seen
 * @retired_seen: in order: @retired when it was last read
 * @last_used: next position to write: split: index; packed: slot
 * @used_flags: packed: AVAIL and USED of a descriptor that is used
 * @head: packed: slot of the batch's first used descriptor
 * @head_flags: packed: its flags, which are written last
 * @batch: positions that were filled since the last publish; with
 *	@lens_implied buffers that are to share one
 * @told: a decision to signal was made before
 * @next_slot: in order: id of the buffer that is to be shown next
 * @last_id: in order: id of the last one in @batch, @lens_implied only
 * @last_len: in order: its length
 * @shown_slot: in order: @next_slot at the last publish
 * @parked: in order: buffers that wait for their turn
 * @retired: in order: slots given back so far. Also read by the other side.
 *
 * The first group does not change after vhdb_ring_init(). The two sides,
 * available and used, stand on cache lines of their own, since they run on
 * different CPUs.
 */
struct vhdb_ring {
	u32 num;
	bool packed;
	bool event_idx;
	bool indirect;
	bool in_order;
	bool lens_implied;
	u32 max_segs;
	u32 batch_spare;
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *slot;
	};
	union {
		struct vring_avail *avail;
		u32 *driver_event;
	};
	union {
		struct vring_used *used;
		u32 *device_event;
	};
	struct vhdb_ring_slot *slots;
	void *table;
	int (*fetch)(void *data, u64 addr, void *dst, u32 len);
	void *fetch_data;

	u16 last_avail ____cacheline_aligned_in_smp;
	u16 avail_seen;
	u16 next_desc;
	bool desc_known;
	u16 avail_flags;
	u32 room;
	u32 retired_seen;

	u16 last_used ____cacheline_aligned_in_smp;
	u16 used_flags;
	u16 head;
	u16 head_flags;
	u32 batch;
	bool told;
	u16 next_slot;
	u16 last_id;
	u32 last_len;
	u16 shown_slot;
	u16 parked;
	u32 retired;
};

/**
 * vhdb_ring_used_pos() - up to where has the driver been shown what is used?
 * @ring: the ring
 *
 * Context: used side, any.
 * Return: the position that is written next: split: index; packed: slot.
 */
static inline u16 vhdb_ring_used_pos(const struct vhdb_ring *ring)
{
	return ring->last_used;
}

/* Why a ring is broken; also the values that the tracepoint shows. */
#define VHDB_RING_EJUMP		EOVERFLOW	/* index too far ahead */
#define VHDB_RING_EINDEX	ERANGE		/* descriptor index too large */
#define VHDB_RING_ELOOP		ELOOP		/* chain longer than allowed */
#define VHDB_RING_EORDER	EBADMSG		/* readable after writable */
#define VHDB_RING_EINDIRECT	EPROTO		/* bad use of INDIRECT */
#define VHDB_RING_ETOOBIG	E2BIG		/* more pieces than allowed */
#define VHDB_RING_EPARTIAL	ENODATA		/* part of a chain not available */
#define VHDB_RING_ESEQUENCE	EILSEQ		/* not in order, though promised */
#define VHDB_RING_EFULL		ENOBUFS		/* more out than the ring holds */

/* In the order of SET_VRING_ADDR's meaning, not of its fields. */
enum vhdb_area_kind {
	VHDB_AREA_DESC,
	VHDB_AREA_DRIVER,
	VHDB_AREA_DEVICE,
	VHDB_AREAS,
};

static inline bool vhdb_ring_is_packed(u64 features)
{
	return features & (1ULL << VIRTIO_F_RING_PACKED);
}

/*
 * Where a ring stands that its driver has just made. Packed: position 0 and
 * wrap counter 1 (2.8.1), the available side below, the used side above.
 */
#define VHDB_RING_BASE_START(features) \
	(vhdb_ring_is_packed(features) ? 0x80008000U : 0)

bool vhdb_ring_num_valid(u64 features, u32 num);
size_t vhdb_ring_area_size(u64 features, u32 num, enum vhdb_area_kind kind);
u32 vhdb_ring_area_align(u64 features, enum vhdb_area_kind kind);

int vhdb_ring_init(struct vhdb_ring *ring, const struct vhdb_ring_config *cfg);
void vhdb_ring_move(struct vhdb_ring *ring, void *desc, void *driver,
		    void *device);
u32 vhdb_ring_base(const struct vhdb_ring *ring);

/* ring_split.c */
int vhdb_split_init(struct vhdb_ring *ring, u32 base);
int vhdb_split_pop(struct vhdb_ring *ring, struct vhdb_chain *chains, u32 max);
int vhdb_split_pop_in_order(struct vhdb_ring *ring, struct vhdb_chain *chains,
			    u32 max);
bool vhdb_split_has_work(struct vhdb_ring *ring, u32 nr);
void vhdb_split_disable_notify(struct vhdb_ring *ring);
void vhdb_split_enable_notify(struct vhdb_ring *ring, u32 nr);
bool vhdb_split_publish(struct vhdb_ring *ring);

/* ring_packed.c */
int vhdb_packed_init(struct vhdb_ring *ring, u32 base);
int vhdb_packed_pop(struct vhdb_ring *ring, struct vhdb_chain *chains, u32 max);
int vhdb_packed_pop_in_order(struct vhdb_ring *ring, struct vhdb_chain *chains,
			     u32 max);
bool vhdb_packed_has_work(struct vhdb_ring *ring, u32 nr);
void vhdb_packed_disable_notify(struct vhdb_ring *ring);
void vhdb_packed_enable_notify(struct vhdb_ring *ring, u32 nr);
bool vhdb_packed_publish(struct vhdb_ring *ring);

/* ring.c */
void vhdb_ring_unpop(struct vhdb_ring *ring, const struct vhdb_chain *chains,
		     u32 nr);
void vhdb_ring_gather(struct vhdb_ring *ring);

/**
 * vhdb_ring_pop_batch() - take the next buffers
 * @ring: the ring
 * @chains: room for @max of them. @chains->segs is the caller's array, which
 *	has room for the ring's batch_segs and which all of them share; the rest
 *	is set.
 * @max: how many to take at the most, at least 1
 *
 * A batch ends early where less than max_segs of the array is left, and at a
 * buffer that breaks a rule. The next batch begins with that one; its error
 * means that the ring is broken: the caller must not use it any more.
 *
 * Context: available side; may sleep if the ring's fetch may.
 * Return: the number of buffers, 0 if there is none, -errno (VHDB_RING_E*, or
 * what fetch gave) if the driver broke the rules.
 */
static inline int vhdb_ring_pop_batch(struct vhdb_ring *ring,
				      struct vhdb_chain *chains, u32 max)
{
	if (ring->in_order)
		return ring->packed ?
		       vhdb_packed_pop_in_order(ring, chains, max) :
		       vhdb_split_pop_in_order(ring, chains, max);
	return ring->packed ? vhdb_packed_pop(ring, chains, max) :
			      vhdb_split_pop(ring, chains, max);
}

/**
 * vhdb_ring_pop() - take the next buffer
 * @ring: the ring
 * @chain: as in vhdb_ring_pop_batch(), but max_segs are room enough
 *
 * Context: available side; may sleep if the ring's fetch may.
 * Return: 1 with a buffer, 0 if there is none, -errno.
 */
static inline int vhdb_ring_pop(struct vhdb_ring *ring,
				struct vhdb_chain *chain)
{
	return vhdb_ring_pop_batch(ring, chain, 1);
}

/**
 * vhdb_ring_has_work() - is anything available?
 * @ring: the ring
 *
 * For polling: no barrier, a pop() decides.
 *
 * Context: available side.
 * Return: true if there seems to be a buffer.
 */
static inline bool vhdb_ring_has_work(struct vhdb_ring *ring)
{
	return ring->packed ? vhdb_packed_has_work(ring, 1) :
			      vhdb_split_has_work(ring, 1);
}

/**
 * vhdb_ring_disable_notify() - ask the driver not to ring
 * @ring: the ring
 *
 * A hint: the driver may ring all the same (2.7.10.2, 2.8.10).
 *
 * Context: available side.
 */
static inline void vhdb_ring_disable_notify(struct vhdb_ring *ring)
{
	if (ring->packed)
		vhdb_packed_disable_notify(ring);
	else
		vhdb_split_disable_notify(ring);
}

/**
 * vhdb_ring_notify_ahead() - ask the driver to ring
 * @ring: the ring
 * @nr: when there are so many more: 1 for the next buffer. Packed: so many
 *	slots. More than 1 with event indices only, and up to the queue size;
 *	what comes in front of the last of them is rung for by nobody.
 *
 * Context: available side.
 * Return: true if so many came in the meantime; nobody will ring for those, so
 * the caller goes on serving.
 */
static inline bool vhdb_ring_notify_ahead(struct vhdb_ring *ring, u32 nr)
{
	if (ring->packed)
		vhdb_packed_enable_notify(ring, nr);
	else
		vhdb_split_enable_notify(ring, nr);

	/*
	 * The wish is seen before the ring is looked at. Pairs with the
	 * driver's barrier between making a buffer available and reading the
	 * wish (2.7.13.4.1, 2.8.21.3).
	 */
	virt_mb();
	return ring->packed ? vhdb_packed_has_work(ring, nr) :
			      vhdb_split_has_work(ring, nr);
}

/**
 * vhdb_ring_enable_notify() - ask the driver to ring for the next buffer
 * @ring: the ring
 *
 * Context: available side.
 * Return: true if a buffer came in the meantime; nobody will ring for that
 * one, so the caller goes on serving.
 */
static inline bool vhdb_ring_enable_notify(struct vhdb_ring *ring)
{
	return vhdb_ring_notify_ahead(ring, 1);
}

/* 2.7.8: writes a used element of a split ring that stands for @nr buffers. */
static inline void vhdb_split_put(struct vhdb_ring *ring, u16 id, u32 nr,
				  u32 len)
{
	struct vring_used_elem *e;

	e = &ring->used->ring[ring->last_used & (ring->num - 1)];
	WRITE_ONCE(e->id, (__force __virtio32)cpu_to_le32(id));
	WRITE_ONCE(e->len, (__force __virtio32)cpu_to_le32(len));
	ring->last_used += nr;
	ring->batch += nr;
}

#define VHDB_PACKED_F_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define VHDB_PACKED_F_USED	BIT(VRING_PACKED_DESC_F_USED)
#define VHDB_PACKED_F_BOTH	(VHDB_PACKED_F_AVAIL | VHDB_PACKED_F_USED)

/*
 * Writes a used descriptor of a packed ring that stands for @count slots. The
 * driver looks at the first of a batch only, until that is used (2.8.2): its
 * flags are left to publish.
 */
static inline void vhdb_packed_put(struct vhdb_ring *ring, u16 id, u32 count,
				   u32 len)
{
	u16 flags = ring->used_flags | (len ? VRING_DESC_F_WRITE : 0);
	struct vring_packed_desc *d = &ring->slot[ring->last_used];
	u32 next = ring->last_used + count;

	WRITE_ONCE(d->len, cpu_to_le32(len));
	WRITE_ONCE(d->id, cpu_to_le16(id));
	if (ring->batch) {
		WRITE_ONCE(d->flags, cpu_to_le16(flags));
	} else {
		ring->head = ring->last_used;
		ring->head_flags = flags;
	}
	/* 2.8.1: the wrap counter changes with the last slot. */
	if (next >= ring->num) {
		next -= ring->num;
		ring->used_flags ^= VHDB_PACKED_F_BOTH;
	}
	ring->last_used = next;
	ring->batch += count;
}

/*
 * With IN_ORDER: the id of the buffer whose last slot is the one in front of
 * @next. That is not read before: when the buffer is popped, its slot tells as
 * much. What a driver has made of it since, it gets back.
 */
static inline u16 vhdb_packed_id(const struct vhdb_ring *ring, u32 next)
{
	return le16_to_cpu(READ_ONCE(ring->slot[(next ?: ring->num) - 1].id));
}

/*
 * With IN_ORDER: the buffer whose turn it is. The id is the slot of its first
 * descriptor; in a split ring that is its head, too.
 */
static inline void vhdb_ring_put_in_order(struct vhdb_ring *ring, u16 id,
					  u16 count, u32 len)
{
	u32 next = id + count;

	if (unlikely(next >= ring->num))
		next -= ring->num;
	ring->next_slot = next;
	if (ring->lens_implied) {
		ring->last_id = id;
		ring->last_len = len;
		ring->batch++;
	} else if (ring->packed) {
		vhdb_packed_put(ring, vhdb_packed_id(ring, next), count, len);
	} else {
		vhdb_split_put(ring, id, 1, len);
	}
}

/**
 * vhdb_ring_push() - give a buffer back
 * @ring: the ring
 * @id: its &vhdb_chain.id
 * @count: its &vhdb_chain.count
 * @len: bytes written to it, counted from its first writable byte
 *
 * Each buffer that was popped is pushed once. The driver sees it after
 * vhdb_ring_publish() only.
 *
 * Context: used side, any.
 */
static inline void vhdb_ring_push(struct vhdb_ring *ring, u16 id, u16 count,
				  u32 len)
{
	if (!ring->in_order) {
		if (ring->packed)
			vhdb_packed_put(ring, id, count, len);
		else
			vhdb_split_put(ring, id, 1, len);
	} else if (likely(id == ring->next_slot)) {
		vhdb_ring_put_in_order(ring, id, count, len);
	} else {
		/* Parked, until all before it are there. */
		ring->slots[id].len = len;
		ring->slots[id].count = count;
		ring->parked++;
	}
}

/**
 * vhdb_ring_publish() - show the driver all that was pushed
 * @ring: the ring
 *
 * One release and one decision, however many buffers there are. With
 * IN_ORDER, all that were pushed up to the first one that was not.
 *
 * Context: used side, any.
 * Return: true if the driver is to be signalled.
 */
static inline bool vhdb_ring_publish(struct vhdb_ring *ring)
{
	if (ring->in_order)
		vhdb_ring_gather(ring);
	if (!ring->batch)
		return false;
	return ring->packed ? vhdb_packed_publish(ring) :
			      vhdb_split_publish(ring);
}

#endif /* VHDB_RING_H */
