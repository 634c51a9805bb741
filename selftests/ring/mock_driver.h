/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio driver's half of a virtqueue, for tests.
 *
 * Written from the specification (virtio 1.3, 2.7 and 2.8) and from nothing else, in
 * the plainest way: offsets in bytes, decisions entry by entry. It shares no
 * code with the engine, so that the two check each other. Whatever the device
 * does is verified as well: mock_get() refuses what a device may not do.
 *
 * One contract for every layout (struct mock_layout); what only one of them
 * has, for tests that break its rules, is named mock_split_*().
 */
#ifndef VHDB_MOCK_DRIVER_H
#define VHDB_MOCK_DRIVER_H

#include "ring_shim.h"

/*
 * The driver's addresses are those of this process, moved by a constant that
 * leaves no half of them the same: nothing works by chance, and a sanitizer
 * still knows the bounds of each object.
 */
#define MOCK_IOVA_OFFSET	0x0123456789000000ULL

static inline u64 mock_iova(const void *p)
{
	return (u64)(uintptr_t)p + MOCK_IOVA_OFFSET;
}

static inline void *mock_ptr(u64 iova)
{
	return (void *)(uintptr_t)(iova - MOCK_IOVA_OFFSET);
}

/**
 * struct mock_seg - a piece of a buffer
 * @addr: IOVA
 * @len: bytes
 */
struct mock_seg {
	u64 addr;
	u32 len;
};

/**
 * struct mock_buf - a buffer to offer
 * @segs: its pieces, those for the device to read first
 * @nr_out: pieces for the device to read
 * @nr_in: pieces for the device to write
 * @indirect: put them into an indirect table
 * @nr_direct: with @indirect: pieces that stay in front of it (2.7.5.3.2)
 * @token: given back by mock_get()
 */
struct mock_buf {
	const struct mock_seg *segs;
	u32 nr_out;
	u32 nr_in;
	bool indirect;
	u32 nr_direct;
	u64 token;
};

/**
 * struct mock_used - a buffer that came back
 * @token: of its mock_buf
 * @len: as the device wrote it
 */
struct mock_used {
	u64 token;
	u32 len;
};

struct mock_slot;
struct mock_vq;

/**
 * struct mock_layout - a layout of rings
 * @desc_size: bytes of the descriptor area
 * @driver_size: bytes of the driver area
 * @device_size: bytes of the device area
 * @start: set up the areas, as if the ring had run up to position @pos; sets
 *	&mock_vq.next_avail
 * @step: the position @n behind @pos. A position is split: an index; packed:
 *	a slot, and in bit 15 the wrap counter.
 * @base: where a device is to go on, if it has nothing
 * @add: place a buffer; 0 or -ENOSPC. The device does not see it yet.
 * @show: make what was added visible to the device
 * @need_kick: must the driver ring for what the last show() showed?
 * @get: take the next used buffer: 1, 0 (none), -EPROTO (device is wrong)
 * @release: what a buffer took is free again: its slot of &mock_vq.slots, and
 *	how many
 * @disable_cb: notifications of used buffers are not needed
 * @enable_cb: wants one when the position @more behind the next used one was
 *	used; true if it may have been already, and none will come
 */
struct mock_layout {
	size_t (*desc_size)(u32 num);
	size_t (*driver_size)(u32 num);
	size_t (*device_size)(u32 num);
	void (*start)(struct mock_vq *vq, u16 pos);
	u16 (*step)(const struct mock_vq *vq, u16 pos, u32 n);
	u32 (*base)(const struct mock_vq *vq);
	int (*add)(struct mock_vq *vq, const struct mock_buf *buf);
	void (*show)(struct mock_vq *vq);
	bool (*need_kick)(struct mock_vq *vq);
	int (*get)(struct mock_vq *vq, struct mock_used *used);
	void (*release)(struct mock_vq *vq, u32 id, u32 count);
	void (*disable_cb)(struct mock_vq *vq);
	bool (*enable_cb)(struct mock_vq *vq, u16 more);
};

/**
 * struct mock_vq - a virtqueue as its driver sees it
 * @layout: how it is laid out
 * @num: queue size
 * @event_idx: VIRTIO_F_EVENT_IDX negotiated
 * @in_order: VIRTIO_F_IN_ORDER negotiated
 * @desc: descriptor area; this and the next two are objects of their own, of
 *	exactly the size that the specification gives
 * @driver: driver area
 * @device: device area
 * @slots: what the driver knows of each descriptor (packed: of each id); never
 *	read from the ring
 * @free: first free one of @slots
 * @nr_free: free descriptors
 * @order: slots of the buffers, in the order in which they were added
 * @nr_sent: how many were added
 * @in_batch: the last used element was for more than was taken yet
 * @batch_id: what it said
 * @batch_len: what it said
 * @head: packed: position of the first descriptor that is not yet shown
 * @head_flags: its flags
 * @nr_out: buffers that the device has
 * @next_avail: position of the next buffer
 * @shown: position up to which the device was told
 * @asked: value of @shown before the last show()
 * @last_used: position of the next used buffer
 */
struct mock_vq {
	const struct mock_layout *layout;
	u32 num;
	bool event_idx;
	bool in_order;
	void *desc;
	void *driver;
	void *device;
	struct mock_slot *slots;
	u32 free;
	u32 nr_free;
	u32 *order;
	u32 nr_sent;
	bool in_batch;
	u32 batch_id;
	u32 batch_len;
	u16 head;
	u16 head_flags;
	u32 nr_out;
	u16 next_avail;
	u16 shown;
	u16 asked;
	u16 last_used;
};

extern const struct mock_layout mock_split;
extern const struct mock_layout mock_packed;

int mock_init(struct mock_vq *vq, const struct mock_layout *layout, u32 num,
	      u64 features, u16 pos);
void mock_exit(struct mock_vq *vq);
/* The three areas lie elsewhere from now on; the old ones are gone. */
void mock_move(struct mock_vq *vq);

static inline int mock_add(struct mock_vq *vq, const struct mock_buf *buf)
{
	return vq->layout->add(vq, buf);
}

static inline void mock_show(struct mock_vq *vq)
{
	vq->layout->show(vq);
}

static inline bool mock_need_kick(struct mock_vq *vq)
{
	return vq->layout->need_kick(vq);
}

static inline int mock_get(struct mock_vq *vq, struct mock_used *used)
{
	return vq->layout->get(vq, used);
}

/* A device that has nothing goes on here. */
static inline u32 mock_base(const struct mock_vq *vq)
{
	return vq->layout->base(vq);
}

static inline u16 mock_step(const struct mock_vq *vq, u16 pos, u32 n)
{
	return vq->layout->step(vq, pos, n);
}

static inline void mock_disable_cb(struct mock_vq *vq)
{
	vq->layout->disable_cb(vq);
}

static inline bool mock_enable_cb(struct mock_vq *vq, u16 more)
{
	return vq->layout->enable_cb(vq, more);
}

/* Descriptors, anywhere: in the ring or in an indirect table. */
void mock_desc_set(void *table, u32 i, u64 addr, u32 len, u16 flags, u16 next);

/* The fields of a split ring, to write what a good driver would not ... */
void mock_split_set_avail(struct mock_vq *vq, u16 pos, u16 head);
void mock_split_set_avail_idx(struct mock_vq *vq, u16 idx);
void mock_split_set_avail_flags(struct mock_vq *vq, u16 flags);
void mock_split_set_used_event(struct mock_vq *vq, u16 pos);
void mock_split_set_used_idx(struct mock_vq *vq, u16 idx);
/* ... and to see what the device wrote. */
u16 mock_split_used_idx(const struct mock_vq *vq);
u16 mock_split_used_flags(const struct mock_vq *vq);
u16 mock_split_avail_event(const struct mock_vq *vq);
void mock_split_used(const struct mock_vq *vq, u16 pos, u32 *id, u32 *len);

/* The same for a packed ring; positions as of &struct mock_layout. */
void mock_packed_set(struct mock_vq *vq, u16 pos, u64 addr, u32 len, u16 id,
		     u16 flags);
void mock_packed_set_entry(void *table, u32 i, u64 addr, u32 len, u16 id,
			   u16 flags);
/* AVAIL and USED of a descriptor that is available at a position */
u16 mock_packed_avail(u16 pos);
void mock_packed_set_event(struct mock_vq *vq, u16 off_wrap, u16 flags);
void mock_packed_get(const struct mock_vq *vq, u32 slot, u32 *len, u16 *id,
		     u16 *flags);
void mock_packed_device_event(const struct mock_vq *vq, u16 *off_wrap,
			      u16 *flags);

#endif /* VHDB_MOCK_DRIVER_H */
