// SPDX-License-Identifier: GPL-2.0
/*
 * A driver's half of a packed virtqueue (virtio 1.3, 2.8); see mock_driver.h.
 *
 * A position is a slot and, in bit 15, the wrap counter that goes with it.
 */
#include "mock_impl.h"

#define WRAP		0x8000
#define SLOT		0x7fff
#define F_AVAIL		0x0080
#define F_USED		0x8000
#define EV_ENABLE	0
#define EV_DISABLE	1
#define EV_DESC		2

/* 2.8.13: struct pvirtq_desc { le64 addr; le32 len; le16 id; le16 flags; } */
static size_t at_flags(u32 slot)
{
	return (size_t)slot * MOCK_DESC_SIZE + 14;
}

/* Everything but the flags. */
static void fill(void *table, u32 i, u64 addr, u32 len, u16 id)
{
	size_t at = (size_t)i * MOCK_DESC_SIZE;

	store64(table, at, addr);
	store32(table, at + 8, len);
	store16(table, at + 12, id);
}

void mock_packed_set_entry(void *table, u32 i, u64 addr, u32 len, u16 id,
			   u16 flags)
{
	fill(table, i, addr, len, id);
	store16(table, at_flags(i), flags);
}

void mock_packed_set(struct mock_vq *vq, u16 pos, u64 addr, u32 len, u16 id,
		     u16 flags)
{
	mock_packed_set_entry(vq->desc, pos & SLOT, addr, len, id, flags);
}

void mock_packed_get(const struct mock_vq *vq, u32 slot, u32 *len, u16 *id,
		     u16 *flags)
{
	*flags = load16(vq->desc, at_flags(slot));
	*len = load32(vq->desc, at_flags(slot) - 6);
	*id = load16(vq->desc, at_flags(slot) - 2);
}

/* 2.8.14: { le16 off : 15, wrap : 1; le16 flags : 2, reserved : 14; } */
void mock_packed_set_event(struct mock_vq *vq, u16 off_wrap, u16 flags)
{
	/*
	 * Off while the position changes, so that the device sees no mixture
	 * of old and new.
	 */
	store16(vq->driver, 0, off_wrap);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store16(vq->driver, 2, flags);
}

void mock_packed_device_event(const struct mock_vq *vq, u16 *off_wrap,
			      u16 *flags)
{
	u32 both = mock_load((const u32 *)vq->device);

	/* One look: the device may be writing it. */
	*off_wrap = load16(&both, 0);
	*flags = load16(&both, 2);
}

/* 2.8.1: AVAIL like the wrap counter, USED not. */
u16 mock_packed_avail(u16 pos)
{
	return pos & WRAP ? F_AVAIL : F_USED;
}

/* 2.8.1: both like the wrap counter. */
static u16 used_flags(u16 pos)
{
	return pos & WRAP ? F_AVAIL | F_USED : 0;
}

/* 2.8.10.1 */
static size_t packed_desc_size(u32 num)
{
	return 16 * (size_t)num;
}

static size_t packed_event_size(u32 num)
{
	return 4;
}

static u16 packed_step(const struct mock_vq *vq, u16 pos, u32 n)
{
	while (n--)
		if ((pos & SLOT) + 1U == vq->num)
			pos = ~pos & WRAP;
		else
			pos++;
	return pos;
}

/* Here @pos counts slots since the beginning, when the wrap counter was 1. */
static void packed_start(struct mock_vq *vq, u16 pos)
{
	u32 i;
	u16 at = pos % vq->num | (pos / vq->num % 2 ? 0 : WRAP);

	/* What the last laps left: used, with whatever else. */
	memset(vq->desc, 0xa5, packed_desc_size(vq->num));
	for (i = 0; i < vq->num; i++)
		store16(vq->desc, at_flags(i),
			used_flags(i < (at & SLOT) ? at : ~at) | 0x25);
	store32(vq->driver, 0, 0);
	store32(vq->device, 0, 0);
	vq->next_avail = at;
	vq->head = at;
	/* Ids that are no slots' numbers. */
	for (i = 0; i < vq->num; i++)
		vq->slots[i].next = (i + vq->num - 1) % vq->num;
	vq->free = vq->num / 2;
}

static u32 packed_base(const struct mock_vq *vq)
{
	return (u32)vq->last_used << 16 | vq->last_used;
}

/*
 * 2.8.21.1. The flags of the first descriptor of all that is added are left
 * for show(); a device looks at no other before that.
 */
static void place(struct mock_vq *vq, u64 addr, u32 len, u16 id, u16 flags)
{
	flags |= mock_packed_avail(vq->next_avail);
	fill(vq->desc, vq->next_avail & SLOT, addr, len, id);
	if (vq->next_avail == vq->head)
		vq->head_flags = flags;
	else
		store16(vq->desc, at_flags(vq->next_avail & SLOT), flags);
	vq->next_avail = packed_step(vq, vq->next_avail, 1);
	vq->nr_free--;
}

static int packed_add(struct mock_vq *vq, const struct mock_buf *buf)
{
	u32 nr = buf->nr_out + buf->nr_in, id, i;
	u32 count = buf->indirect ? 1 : nr;
	u16 flags, junk;
	void *table;

	if (!nr || count > vq->nr_free)
		return -ENOSPC;
	id = vq->free;
	vq->free = vq->slots[id].next;
	mock_sent(vq, id, buf, count);

	if (buf->indirect) {
		table = malloc((size_t)MOCK_DESC_SIZE * nr);
		if (!table)
			abort();
		for (i = 0; i < nr; i++)
			/* 2.8.7: the id, and flags but WRITE, mean nothing */
			mock_packed_set_entry(table, i, buf->segs[i].addr,
					      buf->segs[i].len, 0xbad0 + i,
					      i >= buf->nr_out ? MOCK_F_WRITE : 0);
		vq->slots[id].table = table;
		/* 2.8.7: WRITE means nothing either */
		junk = id & 1 ? MOCK_F_WRITE : 0;
		place(vq, mock_iova(table), MOCK_DESC_SIZE * nr, id,
		      MOCK_F_INDIRECT | junk);
		return 0;
	}
	for (i = 0; i < nr; i++) {
		flags = i >= buf->nr_out ? MOCK_F_WRITE : 0;
		if (i + 1 < nr)
			flags |= MOCK_F_NEXT;
		/* 2.8.6: the id is in the last one */
		place(vq, buf->segs[i].addr, buf->segs[i].len,
		      i + 1 < nr ? 0xbad1 : id, flags);
	}
	return 0;
}

static void packed_show(struct mock_vq *vq)
{
	vq->asked = vq->shown;
	vq->shown = vq->next_avail;
	if (vq->head == vq->next_avail)
		return;
	/* 2.8.21.1: all of it is seen before the flags of the first */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store16(vq->desc, at_flags(vq->head & SLOT), vq->head_flags);
	vq->head = vq->next_avail;
}

/* 2.8.21.2 */
static bool packed_need_kick(struct mock_vq *vq)
{
	u16 off_wrap, flags, pos;

	/* The descriptors are seen before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mock_packed_device_event(vq, &off_wrap, &flags);
	if (vq->asked == vq->shown || flags == EV_DISABLE)
		return false;
	/* The device must not use DESC unless it was negotiated. */
	if (flags != EV_DESC || !vq->event_idx)
		return true;
	for (pos = vq->asked; pos != vq->shown; pos = packed_step(vq, pos, 1))
		if (pos == off_wrap)
			return true;
	return false;
}

static bool is_used(const struct mock_vq *vq)
{
	u16 flags = load16(vq->desc, at_flags(vq->last_used & SLOT));

	return vq->nr_out &&
	       (flags & (F_AVAIL | F_USED)) == used_flags(vq->last_used);
}

/* 2.8.22 */
static int packed_get(struct mock_vq *vq, struct mock_used *used)
{
	u32 len = 0;
	u16 id = 0, flags = 0;

	/* 2.8.8: of a batch there is one descriptor, where its first was. */
	if (!vq->in_batch) {
		if (!is_used(vq))
			return 0;
		/* The flags are read before the rest. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		mock_packed_get(vq, vq->last_used & SLOT, &len, &id, &flags);
		/* 2.8.4: without WRITE the length says nothing */
		if (!(flags & MOCK_F_WRITE))
			len = 0;
	}
	return mock_returned(vq, id, len, used);
}

static void packed_release(struct mock_vq *vq, u32 id, u32 count)
{
	vq->last_used = packed_step(vq, vq->last_used, count);
	vq->nr_free += count;
	vq->slots[id].next = vq->free;
	vq->free = id;
}

static void packed_disable_cb(struct mock_vq *vq)
{
	mock_packed_set_event(vq, 0, EV_DISABLE);
}

static bool packed_enable_cb(struct mock_vq *vq, u16 more)
{
	if (vq->event_idx)
		mock_packed_set_event(vq, packed_step(vq, vq->last_used, more),
				      EV_DESC);
	else
		mock_packed_set_event(vq, 0, EV_ENABLE);

	/* 2.8.22: the wish is seen before the flags are read again */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq->in_batch || is_used(vq);
}

const struct mock_layout mock_packed = {
	.desc_size	= packed_desc_size,
	.driver_size	= packed_event_size,
	.device_size	= packed_event_size,
	.start		= packed_start,
	.step		= packed_step,
	.base		= packed_base,
	.add		= packed_add,
	.show		= packed_show,
	.need_kick	= packed_need_kick,
	.get		= packed_get,
	.release	= packed_release,
	.disable_cb	= packed_disable_cb,
	.enable_cb	= packed_enable_cb,
};
