// SPDX-License-Identifier: GPL-2.0
/*
 * What the two layouts of rings share: set-up, and IN_ORDER's used side.
 */
#include "ring_impl.h"

/**
 * vhdb_ring_num_valid() - may a queue have this size?
 * @features: negotiated features
 * @num: queue size
 *
 * Context: any.
 * Return: true if the layout allows it: 2.7: a power of 2; 2.8.10.1: any;
 * both at most 32768.
 */
bool vhdb_ring_num_valid(u64 features, u32 num)
{
	if (!num || num > VHDB_RING_SIZE_MAX)
		return false;
	return vhdb_ring_is_packed(features) || !(num & (num - 1));
}

/**
 * vhdb_ring_area_size() - size of one of a ring's areas
 * @features: negotiated features
 * @num: queue size
 * @kind: which area
 *
 * 2.7, 2.8.10.1. The sizes include the event index fields, which are there
 * whether or not VIRTIO_F_EVENT_IDX was negotiated.
 *
 * Context: any.
 * Return: bytes.
 */
size_t vhdb_ring_area_size(u64 features, u32 num, enum vhdb_area_kind kind)
{
	if (kind == VHDB_AREA_DESC)
		return sizeof(struct vring_desc) * (size_t)num;
	if (vhdb_ring_is_packed(features))
		return sizeof(struct vring_packed_desc_event);
	if (kind == VHDB_AREA_DRIVER)
		return sizeof(u16) * (3 + (size_t)num);
	return sizeof(u16) * 3 + sizeof(struct vring_used_elem) * (size_t)num;
}

/**
 * vhdb_ring_area_align() - alignment of one of a ring's areas
 * @features: negotiated features
 * @kind: which area
 *
 * 2.7, 2.8.10.1: the driver MUST keep it.
 *
 * Context: any.
 * Return: bytes, a power of 2.
 */
u32 vhdb_ring_area_align(u64 features, enum vhdb_area_kind kind)
{
	if (kind == VHDB_AREA_DESC)
		return VRING_DESC_ALIGN_SIZE;
	if (vhdb_ring_is_packed(features))
		return sizeof(struct vring_packed_desc_event);
	return kind == VHDB_AREA_DRIVER ? VRING_AVAIL_ALIGN_SIZE :
					  VRING_USED_ALIGN_SIZE;
}

/**
 * vhdb_ring_init() - take over a ring
 * @ring: the ring
 * @cfg: what it is made from
 *
 * Context: process; nothing else may use @ring.
 * Return: 0, or -EINVAL for a queue size or a position that the layout does
 * not allow, and if a buffer may have no piece at all.
 */
int vhdb_ring_init(struct vhdb_ring *ring, const struct vhdb_ring_config *cfg)
{
	u32 i;

	if (!vhdb_ring_num_valid(cfg->features, cfg->num) || !cfg->max_segs)
		return -EINVAL;

	*ring = (struct vhdb_ring){
		.num = cfg->num,
		.packed = vhdb_ring_is_packed(cfg->features),
		.event_idx = cfg->features & (1ULL << VIRTIO_RING_F_EVENT_IDX),
		.indirect = cfg->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC),
		.in_order = cfg->features & (1ULL << VIRTIO_F_IN_ORDER),
		.lens_implied = cfg->lens_implied,
		.max_segs = cfg->max_segs,
		.room = cfg->num,
		.slots = cfg->slots,
		.table = cfg->table,
		.fetch = cfg->fetch,
		.fetch_data = cfg->fetch_data,
	};
	if (cfg->batch_segs > cfg->max_segs)
		ring->batch_spare = cfg->batch_segs - cfg->max_segs;
	vhdb_ring_move(ring, cfg->desc, cfg->driver, cfg->device);
	for (i = 0; ring->in_order && i < ring->num; i++)
		ring->slots[i] = (struct vhdb_ring_slot){};

	return ring->packed ? vhdb_packed_init(ring, cfg->base) :
			      vhdb_split_init(ring, cfg->base);
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
	if (ring->packed) {
		ring->driver_event = driver;
		ring->device_event = device;
	} else {
		ring->avail = driver;
		ring->used = device;
	}
}

/**
 * vhdb_ring_base() - where a ring stands, to go on from there later
 * @ring: the ring
 *
 * Context: neither side is running.
 * Return: split: the next index of the available ring. Packed: next slot and
 * wrap counter (bit 15) of the available side and, from bit 16 on, of the used
 * side.
 */
u32 vhdb_ring_base(const struct vhdb_ring *ring)
{
	u32 avail = ring->last_avail, used = ring->last_used;

	if (!ring->packed)
		return avail;
	/* An available descriptor has AVAIL like the counter, so has a used. */
	if (ring->avail_flags & VHDB_PACKED_F_AVAIL)
		avail |= RING_WRAP;
	if (ring->used_flags & VHDB_PACKED_F_AVAIL)
		used |= RING_WRAP;
	return used << 16 | avail;
}

/**
 * vhdb_ring_unpop() - leave the last buffers of a batch in the ring
 * @ring: the ring
 * @chains: the buffers, the last @nr of the last vhdb_ring_pop_batch()
 * @nr: their number
 *
 * The next batch begins with them, read anew.
 *
 * Context: available side.
 */
void vhdb_ring_unpop(struct vhdb_ring *ring, const struct vhdb_chain *chains,
		     u32 nr)
{
	u32 slots = 0, at, i;

	if (!nr)
		return;
	for (i = 0; i < nr; i++)
		slots += chains[i].count;
	if (ring->in_order) {
		ring->room += slots;
		ring->next_desc = chains->id;
	}
	if (!ring->packed) {
		ring->last_avail -= nr;
		return;
	}
	/*
	 * 2.8.1: back over the ring's end, into the lap before; and further, if
	 * the driver made slots available again before they were used.
	 */
	at = ring->last_avail;
	while (slots > at) {
		at += ring->num;
		ring->avail_flags ^= VHDB_PACKED_F_BOTH;
	}
	ring->last_avail = at - slots;
}

/* With IN_ORDER: those that were parked, and whose turn has come. */
static void unpark(struct vhdb_ring *ring)
{
	struct vhdb_ring_slot *slot = &ring->slots[ring->next_slot];

	while (slot->count) {
		u16 count = slot->count;

		slot->count = 0;
		ring->parked--;
		vhdb_ring_put_in_order(ring, ring->next_slot, count, slot->len);
		slot = &ring->slots[ring->next_slot];
	}
}

/**
 * vhdb_ring_gather() - with IN_ORDER: what can be shown now
 * @ring: the ring
 *
 * Where one used element stands for all, it is written where the first of them
 * would have gone, with the id and length of the last; the others are skipped
 * (2.7.9, 2.8.8).
 *
 * Context: used side, any.
 */
void vhdb_ring_gather(struct vhdb_ring *ring)
{
	u32 slots, nr;

	if (ring->parked)
		unpark(ring);
	nr = ring->batch;
	if (!nr)
		return;

	/* No more than the ring has: all of it, if none is between. */
	slots = ring->next_slot - ring->shown_slot;
	if ((s32)slots <= 0)
		slots += ring->num;
	ring->shown_slot = ring->next_slot;
	if (ring->lens_implied) {
		ring->batch = 0;
		if (ring->packed)
			vhdb_packed_put(ring,
					vhdb_packed_id(ring, ring->next_slot),
					slots, ring->last_len);
		else
			vhdb_split_put(ring, ring->last_id, nr, ring->last_len);
	}
	/*
	 * Before the driver is told. It reuses the slots when it has seen
	 * them used, and whoever pops those has seen what it wrote since:
	 * publish's and pop's barriers order this for room_take(), too.
	 */
	WRITE_ONCE(ring->retired, ring->retired + slots);
}
