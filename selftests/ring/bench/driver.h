/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver for measurements: as little as fills a ring, in every layout. Its
 * buffers are all alike, lie behind each other in the ring and come back in
 * the order in which they were offered, whether or not IN_ORDER was
 * negotiated, so that each layout holds the same.
 */
#ifndef VHDB_BENCH_DRIVER_H
#define VHDB_BENCH_DRIVER_H

#include "../../../drivers/vhost-doorbell/ring.h"

/* Buffers that a device takes at once, and pieces of one, at the most. */
#define BENCH_BATCH_MAX	32
#define BENCH_CHAIN_MAX	16

/**
 * struct bench_shape - what is on a ring
 * @features: RING_PACKED, IN_ORDER; the rest is given
 * @num: queue size
 * @chain: descriptors of a buffer
 * @indirect: in a table of their own
 */
struct bench_shape {
	u64 features;
	u32 num;
	u32 chain;
	bool indirect;
};

/**
 * struct bench_driver - a ring as its driver sees it
 * @shape: what is on it
 * @slots: slots of the ring that a buffer takes
 * @room: buffers that fit
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 * @tables: an indirect table for each slot
 * @slot: where the next buffer goes
 * @id: packed: its id
 * @avail: split: index of the next buffer
 * @avail_flags: packed: AVAIL and USED of what is made available
 * @last_used: split: index; packed: slot of the next used buffer
 * @last_id: packed: its id
 * @used_flags: packed: AVAIL and USED of it once it is used
 * @out: buffers that the device has
 */
struct bench_driver {
	struct bench_shape shape;
	u32 slots;
	u32 room;
	void *desc;
	void *driver;
	void *device;
	struct vring_desc *tables;
	u32 slot;
	u16 id;
	u16 avail;
	u16 avail_flags;
	u32 last_used;
	u16 last_id;
	u16 used_flags;
	u32 out;
};

/* Pieces of a buffer that the device reads; the others it writes. */
static inline u32 bench_nr_out(u32 chain)
{
	return (chain + 1) / 2;
}

/* A buffer's piece @i, the same in each buffer. */
static inline u64 bench_addr(u32 i)
{
	return 0x100000000ULL + i * 0x10000;
}

static inline u32 bench_len(u32 i)
{
	return 512 + i;
}

static inline bool bench_is_packed(const struct bench_driver *d)
{
	return vhdb_ring_is_packed(d->shape.features);
}

/* 0 or -errno; the ring is empty. */
int bench_driver_init(struct bench_driver *d, const struct bench_shape *shape);
void bench_driver_exit(struct bench_driver *d);
/* Offers @nr buffers, for which there is room. */
void bench_driver_add(struct bench_driver *d, u32 nr);
/* Takes back what is used; the number of buffers. */
u32 bench_driver_get(struct bench_driver *d);
/* A signal for the next used buffer is wanted, or none at all. */
void bench_driver_enable_cb(struct bench_driver *d);
/* Must the driver ring for the last @nr buffers? */
bool bench_driver_need_kick(struct bench_driver *d, u32 nr);

/**
 * struct bench_device - the engine on such a ring
 * @ring: the ring
 * @chains: what pop fills
 * @segs: their pieces
 * @table: for indirect tables
 * @order: for IN_ORDER
 */
struct bench_device {
	struct vhdb_ring ring;
	struct vhdb_chain chains[BENCH_BATCH_MAX];
	struct vhdb_seg segs[BENCH_BATCH_MAX * BENCH_CHAIN_MAX];
	struct vring_desc table[VHDB_RING_INDIRECT_MAX];
	struct vhdb_ring_slot *order;
};

int bench_device_init(struct bench_device *dev, const struct bench_driver *d);
void bench_device_exit(struct bench_device *dev);

#endif /* VHDB_BENCH_DRIVER_H */
