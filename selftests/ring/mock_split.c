// SPDX-License-Identifier: GPL-2.0
/*
 * A driver's half of a split virtqueue (virtio 1.3, 2.7); see mock_driver.h.
 */
#include "mock_impl.h"

/* 2.7.5: struct virtq_desc { le64 addr; le32 len; le16 flags; le16 next; } */
void mock_desc_set(void *table, u32 i, u64 addr, u32 len, u16 flags, u16 next)
{
	size_t at = (size_t)i * MOCK_DESC_SIZE;

	store64(table, at, addr);
	store32(table, at + 8, len);
	store16(table, at + 12, flags);
	store16(table, at + 14, next);
}

/* 2.7.6: struct virtq_avail { le16 flags, idx, ring[], used_event; } */
static size_t at_avail(const struct mock_vq *vq, u16 pos)
{
	return 4 + 2 * (size_t)(pos % vq->num);
}

static size_t at_used_event(const struct mock_vq *vq)
{
	return 4 + 2 * (size_t)vq->num;
}

/* 2.7.8: struct virtq_used { le16 flags, idx; { le32 id, len; } ring[]; ... } */
static size_t at_used(const struct mock_vq *vq, u16 pos)
{
	return 4 + 8 * (size_t)(pos % vq->num);
}

static size_t at_avail_event(const struct mock_vq *vq)
{
	return 4 + 8 * (size_t)vq->num;
}

void mock_split_set_avail(struct mock_vq *vq, u16 pos, u16 head)
{
	store16(vq->driver, at_avail(vq, pos), head);
}

void mock_split_set_avail_idx(struct mock_vq *vq, u16 idx)
{
	store16(vq->driver, 2, idx);
}

void mock_split_set_avail_flags(struct mock_vq *vq, u16 flags)
{
	store16(vq->driver, 0, flags);
}

void mock_split_set_used_event(struct mock_vq *vq, u16 pos)
{
	store16(vq->driver, at_used_event(vq), pos);
}

void mock_split_set_used_idx(struct mock_vq *vq, u16 idx)
{
	store16(vq->device, 2, idx);
}

u16 mock_split_used_idx(const struct mock_vq *vq)
{
	return load16(vq->device, 2);
}

u16 mock_split_used_flags(const struct mock_vq *vq)
{
	return load16(vq->device, 0);
}

u16 mock_split_avail_event(const struct mock_vq *vq)
{
	return load16(vq->device, at_avail_event(vq));
}

void mock_split_used(const struct mock_vq *vq, u16 pos, u32 *id, u32 *len)
{
	*id = load32(vq->device, at_used(vq, pos));
	*len = load32(vq->device, at_used(vq, pos) + 4);
}

/* The table of 2.7. */
static size_t split_desc_size(u32 num)
{
	return 16 * (size_t)num;
}

static size_t split_driver_size(u32 num)
{
	return 6 + 2 * (size_t)num;
}

static size_t split_device_size(u32 num)
{
	return 6 + 8 * (size_t)num;
}

static void split_start(struct mock_vq *vq, u16 pos)
{
	/* What was never written is garbage, and the device must not care. */
	memset(vq->desc, 0xa5, split_desc_size(vq->num));
	memset(vq->driver, 0xa5, split_driver_size(vq->num));
	memset(vq->device, 0xa5, split_device_size(vq->num));
	store16(vq->driver, 0, 0);
	store16(vq->driver, 2, pos);
	store16(vq->driver, at_used_event(vq), pos);
	store16(vq->device, 0, 0);
	store16(vq->device, 2, pos);
	store16(vq->device, at_avail_event(vq), pos);
	vq->next_avail = pos;
}

/* 2.7.13.1, placing a buffer into a table of descriptors. */
static void table_fill(void *table, const struct mock_buf *buf, u32 from)
{
	u32 nr = buf->nr_out + buf->nr_in, i;

	for (i = from; i < nr; i++)
		mock_desc_set(table, i - from, buf->segs[i].addr,
			      buf->segs[i].len,
			      (i >= buf->nr_out ? MOCK_F_WRITE : 0) |
			      (i + 1 < nr ? MOCK_F_NEXT : 0), i - from + 1);
}

static int split_add(struct mock_vq *vq, const struct mock_buf *buf)
{
	u32 nr = buf->nr_out + buf->nr_in;
	u32 direct = buf->indirect ? buf->nr_direct : nr;
	u32 count = direct + buf->indirect;
	u32 ids[2] = { 0, 0 }, i;
	struct mock_slot *head;
	u16 flags;

	if (!count || count > vq->nr_free)
		return -ENOSPC;

	ids[0] = mock_slot_take(vq);
	head = &vq->slots[ids[0]];
	mock_sent(vq, ids[0], buf, count);

	/* ids[1] is taken one descriptor ahead, for next. */
	for (i = 0; i < direct; i++) {
		flags = i >= buf->nr_out ? MOCK_F_WRITE : 0;
		if (i + 1 < count) {
			ids[1] = mock_slot_take(vq);
			vq->slots[ids[0]].next = ids[1];
			flags |= MOCK_F_NEXT;
		}
		mock_desc_set(vq->desc, ids[0], buf->segs[i].addr,
			      buf->segs[i].len, flags, ids[1]);
		ids[0] = ids[1];
	}
	if (buf->indirect) {
		head->table = malloc((size_t)MOCK_DESC_SIZE * (nr - direct));
		if (!head->table)
			abort();
		table_fill(head->table, buf, direct);
		mock_desc_set(vq->desc, ids[0], mock_iova(head->table),
			      MOCK_DESC_SIZE * (nr - direct),
			      MOCK_F_INDIRECT, 0xffff);
	}

	/* 2.7.13.2 */
	mock_split_set_avail(vq, vq->next_avail, head - vq->slots);
	vq->next_avail++;
	return 0;
}

/* 2.7.13.3 */
static void split_show(struct mock_vq *vq)
{
	vq->asked = vq->shown;
	vq->shown = vq->next_avail;
	/* 2.7.13.3.1: entries and descriptors are seen before the index */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	mock_split_set_avail_idx(vq, vq->shown);
}

/* 2.7.10.1 */
static bool split_need_kick(struct mock_vq *vq)
{
	u16 event, pos;

	/* 2.7.13.4.1: the index is seen before the device's wish is read */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return vq->asked != vq->shown &&
		       !(mock_split_used_flags(vq) & MOCK_NO_NOTIFY);

	event = mock_split_avail_event(vq);
	for (pos = vq->asked; pos != vq->shown; pos++)
		if (pos == event)
			return true;
	return false;
}

/* 2.7.14 */
static int split_get(struct mock_vq *vq, struct mock_used *used)
{
	u16 idx = mock_split_used_idx(vq);
	u32 id = 0, len = 0;

	if (idx == vq->last_used)
		return 0;
	if ((u16)(idx - vq->last_used) > vq->nr_out)
		return -EPROTO;
	/* The index is read before the elements. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);

	/* 2.7.9: of a batch there is one element, where its first would be. */
	if (!vq->in_batch)
		mock_split_used(vq, vq->last_used, &id, &len);
	vq->last_used++;
	return mock_returned(vq, id, len, used);
}

/* 2.7.7.1 */
static void split_disable_cb(struct mock_vq *vq)
{
	if (!vq->event_idx)
		mock_split_set_avail_flags(vq, MOCK_NO_INTERRUPT);
}

static bool split_enable_cb(struct mock_vq *vq, u16 more)
{
	if (vq->event_idx)
		mock_split_set_used_event(vq, vq->last_used + more);
	else
		mock_split_set_avail_flags(vq, 0);

	/* 2.7.14: the wish is seen before the index is read again */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (u16)(mock_split_used_idx(vq) - vq->last_used) > more;
}

static void split_release(struct mock_vq *vq, u32 id, u32 count)
{
	u32 last = id, n;

	vq->nr_free += count;
	if (vq->in_order)
		return;
	for (n = 1; n < count; n++)
		last = vq->slots[last].next;
	vq->slots[last].next = vq->free;
	vq->free = id;
}

static u16 split_step(const struct mock_vq *vq, u16 pos, u32 n)
{
	return pos + n;
}

static u32 split_base(const struct mock_vq *vq)
{
	return vq->last_used;
}

const struct mock_layout mock_split = {
	.desc_size	= split_desc_size,
	.driver_size	= split_driver_size,
	.device_size	= split_device_size,
	.start		= split_start,
	.step		= split_step,
	.base		= split_base,
	.add		= split_add,
	.show		= split_show,
	.need_kick	= split_need_kick,
	.get		= split_get,
	.release	= split_release,
	.disable_cb	= split_disable_cb,
	.enable_cb	= split_enable_cb,
};
