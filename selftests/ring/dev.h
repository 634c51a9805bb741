/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring with the engine on one side and the mock driver on the other.
 */
#ifndef VHDB_DEV_H
#define VHDB_DEV_H

#include <stdlib.h>
#include <string.h>

#include "mock_driver.h"
#include "../../drivers/vhost-doorbell/ring.h"

#define F_INDIRECT	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define F_PACKED	(1ULL << VIRTIO_F_RING_PACKED)
#define F_IN_ORDER	(1ULL << VIRTIO_F_IN_ORDER)
/* No feature: the ring's lens_implied. */
#define F_IMPLIED	(1ULL << 63)

#define N	VRING_DESC_F_NEXT
#define W	VRING_DESC_F_WRITE
#define I	VRING_DESC_F_INDIRECT

/* An address of which each half counts. */
#define ADDR(i)	(0xfedcba9800000000ULL + 0x10001 * (u64)((i) + 1))

/* A descriptor as a test writes it down, in the machine's byte order. */
struct desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/**
 * struct dev - a ring with both of its ends
 * @vq: the driver's
 * @ring: the engine's; not the first, so that its address is no other's
 * @chain: what pop fills; its segs are an object of exactly @max_segs
 * @slots: for the engine's order; an object of exactly the ring's size
 * @table: for the engine's indirect tables; an object of exactly their limit
 * @features: negotiated
 * @max_segs: pieces that a buffer may have
 * @batch_segs: room for those of a batch, if there is more
 * @fetches: calls of the fetch function
 * @fetch_addr: argument of the last one
 * @fetch_len: argument of the last one
 * @fetch_err: what it answers instead of fetching
 */
struct dev {
	struct mock_vq vq;
	struct vhdb_ring ring;
	struct vhdb_chain chain;
	struct vhdb_ring_slot *slots;
	struct vring_desc *table;
	u64 features;
	u32 max_segs;
	u32 batch_segs;
	u32 fetches;
	u64 fetch_addr;
	u32 fetch_len;
	int fetch_err;
};

static inline int dev_fetch(void *data, u64 addr, void *dst, u32 len)
{
	struct dev *d = data;

	d->fetches++;
	d->fetch_addr = addr;
	d->fetch_len = len;
	if (d->fetch_err)
		return d->fetch_err;
	memcpy(dst, mock_ptr(addr), len);
	return 0;
}

/* Lets the engine take the ring over, at @base. */
static inline int dev_attach(struct dev *d, u32 num, u32 base,
			     int (*fetch)(void *data, u64 addr, void *dst,
					  u32 len))
{
	struct vhdb_ring_config cfg = {
		.num = num,
		.features = d->features,
		.desc = d->vq.desc,
		.driver = d->vq.driver,
		.device = d->vq.device,
		.base = base,
		.slots = d->slots,
		.lens_implied = d->features & F_IMPLIED,
		.table = d->table,
		.max_segs = d->max_segs,
		.batch_segs = d->batch_segs,
		.fetch = fetch,
		.fetch_data = d,
	};

	return vhdb_ring_init(&d->ring, &cfg);
}

static inline int dev_init(struct dev *d, u32 num, u64 features, u16 pos,
			   u32 max_segs)
{
	memset(d, 0, sizeof(*d));
	d->features = features;
	d->max_segs = max_segs;
	d->table = malloc(sizeof(*d->table) * VHDB_RING_INDIRECT_MAX);
	d->chain.segs = malloc(sizeof(*d->chain.segs) * max_segs);
	d->slots = malloc(sizeof(*d->slots) * num);
	if (!d->table || !d->chain.segs || !d->slots ||
	    mock_init(&d->vq, features & F_PACKED ? &mock_packed : &mock_split,
		      num, features, pos))
		return -ENOMEM;
	return dev_attach(d, num, mock_base(&d->vq), dev_fetch);
}

static inline void dev_exit(struct dev *d)
{
	mock_exit(&d->vq);
	free(d->chain.segs);
	free(d->slots);
	free(d->table);
}

#endif /* VHDB_DEV_H */
