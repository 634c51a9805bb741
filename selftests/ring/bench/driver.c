// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define GIVEN		(EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
			 1ULL << VIRTIO_F_VERSION_1)

/* Whole cache lines, so that no two areas share one. */
static void *area_new(u64 features, u32 num, enum vhdb_area_kind kind)
{
	size_t size = vhdb_ring_area_size(features, num, kind);
	void *p = aligned_alloc(4096, (size + 4095) & ~4095UL);

	if (p)
		memset(p, 0, (size + 4095) & ~4095UL);
	return p;
}

int bench_driver_init(struct bench_driver *d, const struct bench_shape *shape)
{
	u64 features = shape->features | GIVEN;

	memset(d, 0, sizeof(*d));
	d->shape = *shape;
	d->shape.features = features;
	d->slots = shape->indirect ? 1 : shape->chain;
	d->room = shape->num / d->slots;
	d->desc = area_new(features, shape->num, VHDB_AREA_DESC);
	d->driver = area_new(features, shape->num, VHDB_AREA_DRIVER);
	d->device = area_new(features, shape->num, VHDB_AREA_DEVICE);
	d->tables = calloc((size_t)shape->num * shape->chain, sizeof(*d->tables));
	if (!d->desc || !d->driver || !d->device || !d->tables) {
		bench_driver_exit(d);
		return -ENOMEM;
	}
	d->avail_flags = VHDB_PACKED_F_AVAIL;
	d->used_flags = VHDB_PACKED_F_BOTH;
	if (bench_is_packed(d))
		((u16 *)d->driver)[1] = VRING_PACKED_EVENT_FLAG_DISABLE;
	return 0;
}

void bench_driver_exit(struct bench_driver *d)
{
	free(d->desc);
	free(d->driver);
	free(d->device);
	free(d->tables);
}

/* Flags of a buffer's piece @i, in either layout. */
static u16 piece_flags(const struct bench_driver *d, u32 i)
{
	u32 chain = d->shape.chain;

	return (i + 1 < chain ? VRING_DESC_F_NEXT : 0) |
	       (i >= bench_nr_out(chain) ? VRING_DESC_F_WRITE : 0);
}

/* A slot's table; in a packed ring entries just follow each other. */
static struct vring_desc *table_fill(struct bench_driver *d)
{
	struct vring_desc *t = &d->tables[(size_t)d->slot * d->shape.chain];
	struct vring_packed_desc *p = (void *)t;
	u32 i;

	for (i = 0; i < d->shape.chain; i++) {
		u16 flags = piece_flags(d, i);

		t[i].addr = bench_addr(i);
		t[i].len = bench_len(i);
		if (bench_is_packed(d)) {
			p[i].id = 0;
			p[i].flags = flags & VRING_DESC_F_WRITE;
		} else {
			t[i].flags = flags;
			t[i].next = i + 1;
		}
	}
	return t;
}

static void add_split(struct bench_driver *d)
{
	u32 mask = d->shape.num - 1, head = d->slot, i;
	struct vring_avail *avail = d->driver;
	struct vring_desc *desc = d->desc;

	if (d->shape.indirect) {
		desc[head].addr = (uintptr_t)table_fill(d);
		desc[head].len = d->shape.chain * sizeof(*desc);
		desc[head].flags = VRING_DESC_F_INDIRECT;
		d->slot = (head + 1) & mask;
	}
	for (i = 0; !d->shape.indirect && i < d->shape.chain; i++) {
		desc[d->slot].addr = bench_addr(i);
		desc[d->slot].len = bench_len(i);
		desc[d->slot].flags = piece_flags(d, i);
		desc[d->slot].next = (d->slot + 1) & mask;
		d->slot = (d->slot + 1) & mask;
	}
	avail->ring[d->avail++ & mask] = head;
}

/* The head's flags are written last: before, the device sees nothing. */
static void add_packed(struct bench_driver *d)
{
	struct vring_packed_desc *desc = d->desc;
	u32 head = d->slot, chain = d->slots, i;
	u16 head_flags = 0;

	for (i = 0; i < chain; i++) {
		u16 flags = d->avail_flags;

		if (d->shape.indirect) {
			desc[d->slot].addr = (uintptr_t)table_fill(d);
			desc[d->slot].len = d->shape.chain * sizeof(*desc);
			flags |= VRING_DESC_F_INDIRECT;
		} else {
			desc[d->slot].addr = bench_addr(i);
			desc[d->slot].len = bench_len(i);
			flags |= piece_flags(d, i);
		}
		desc[d->slot].id = d->id;
		if (i)
			desc[d->slot].flags = flags;
		else
			head_flags = flags;
		if (++d->slot == d->shape.num) {
			d->slot = 0;
			d->avail_flags ^= VHDB_PACKED_F_BOTH;
		}
	}
	d->id = d->id + 1 == d->shape.num ? 0 : d->id + 1;
	/* Descriptors before the head's flags. Pairs with pop's. */
	virt_wmb();
	WRITE_ONCE(desc[head].flags, head_flags);
}

void bench_driver_add(struct bench_driver *d, u32 nr)
{
	struct vring_avail *avail = d->driver;

	d->out += nr;
	if (bench_is_packed(d)) {
		while (nr--)
			add_packed(d);
		return;
	}
	while (nr--)
		add_split(d);
	/* Entries before the index. Pairs with pop's. */
	virt_wmb();
	WRITE_ONCE(avail->idx, d->avail);
}

static u32 get_split(struct bench_driver *d)
{
	struct vring_used *used = d->device;
	u16 nr = READ_ONCE(used->idx) - (u16)d->last_used;

	d->last_used += nr;
	return nr;
}

/* One used descriptor, which may stand for several buffers. */
static u32 get_packed(struct bench_driver *d)
{
	struct vring_packed_desc *desc = &((struct vring_packed_desc *)d->desc)[d->last_used];
	u32 nr;

	if ((READ_ONCE(desc->flags) & VHDB_PACKED_F_BOTH) != d->used_flags)
		return 0;
	/* Flags before the id. Pairs with publish's. */
	virt_rmb();
	nr = (desc->id + d->shape.num - d->last_id) % d->shape.num + 1;
	d->last_id = (d->last_id + nr) % d->shape.num;
	d->last_used += nr * d->slots;
	if (d->last_used >= d->shape.num) {
		d->last_used -= d->shape.num;
		d->used_flags ^= VHDB_PACKED_F_BOTH;
	}
	return nr;
}

u32 bench_driver_get(struct bench_driver *d)
{
	u32 nr = 0, one;

	if (!bench_is_packed(d)) {
		nr = get_split(d);
	} else {
		while (nr < d->out && (one = get_packed(d)))
			nr += one;
	}
	d->out -= nr;
	return nr;
}

void bench_driver_enable_cb(struct bench_driver *d)
{
	struct vring_avail *avail = d->driver;
	u16 wrap = d->used_flags & VHDB_PACKED_F_USED ?
		   1U << VRING_PACKED_EVENT_F_WRAP_CTR : 0;
	u32 event = (u32)VRING_PACKED_EVENT_FLAG_DESC << 16 |
		    d->last_used | wrap;

	if (bench_is_packed(d))
		WRITE_ONCE(*(u32 *)d->driver, event);
	else
		WRITE_ONCE(avail->ring[d->shape.num], (u16)d->last_used);
	/* The wish before the ring is looked at. Pairs with publish's. */
	virt_mb();
}

bool bench_driver_need_kick(struct bench_driver *d, u32 nr)
{
	u32 num = d->shape.num, event;
	struct vring_used *used = d->device;
	u16 off;

	/* The buffer before the wish is read. Pairs with enable_notify's. */
	virt_mb();
	if (!bench_is_packed(d)) {
		off = READ_ONCE(*(u16 *)&used->ring[num]);
		return vring_need_event(off, d->avail, d->avail - nr);
	}
	event = READ_ONCE(*(u32 *)d->device);
	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE;
	off = event & ~(1U << VRING_PACKED_EVENT_F_WRAP_CTR);
	/* On the other lap than the next slot: that lap began num before. */
	if (!(event >> VRING_PACKED_EVENT_F_WRAP_CTR & 1) !=
	    !(d->avail_flags & VHDB_PACKED_F_AVAIL))
		off -= num;
	return vring_need_event(off, d->slot, d->slot - nr * d->slots);
}

/* ---- the engine on it ---- */

static int device_fetch(void *data, u64 addr, void *dst, u32 len)
{
	memcpy(dst, (void *)(uintptr_t)addr, len);
	return 0;
}

int bench_device_init(struct bench_device *dev, const struct bench_driver *d)
{
	struct vhdb_ring_config cfg = {
		.num = d->shape.num,
		.features = d->shape.features,
		.desc = d->desc,
		.driver = d->driver,
		.device = d->device,
		.base = VHDB_RING_BASE_START(d->shape.features),
		.table = dev->table,
		.max_segs = BENCH_CHAIN_MAX,
		.batch_segs = BENCH_BATCH_MAX * BENCH_CHAIN_MAX,
		.lens_implied = true,
		.fetch = device_fetch,
	};

	dev->chains[0].segs = dev->segs;
	dev->order = calloc(d->shape.num, sizeof(*dev->order));
	cfg.slots = dev->order;
	return dev->order ? vhdb_ring_init(&dev->ring, &cfg) : -ENOMEM;
}

void bench_device_exit(struct bench_device *dev)
{
	free(dev->order);
}
