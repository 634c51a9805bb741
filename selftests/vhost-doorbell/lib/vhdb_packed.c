// SPDX-License-Identifier: GPL-2.0
/*
 * The packed form of a virtqueue, virtio 1.3, 2.8; see vhdb_mock.h.
 *
 * A struct vhdb_vring's indices are positions here: a slot and, in bit 15, the
 * wrap counter. Its areas are those of a packed ring: @desc the descriptors,
 * @avail and @used the driver's and the device's event suppression.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "vhdb_mock.h"

#define WRAP		0x8000
#define F_BOTH		(1 << VRING_PACKED_DESC_F_AVAIL | \
			 1 << VRING_PACKED_DESC_F_USED)

static struct vring_packed_desc *desc_at(struct vhdb_vq *vq, __u16 pos)
{
	return (struct vring_packed_desc *)vq->vr->desc + (pos & ~WRAP);
}

static __u16 step(struct vhdb_vq *vq, __u16 pos, unsigned int n)
{
	unsigned int at = (pos & ~WRAP) + n;

	/* 2.8.1: the wrap counter changes at the end of the ring */
	return at < vq->vr->num ? (pos & WRAP) | at :
				  (~pos & WRAP) | (at - vq->vr->num);
}

static void packed_reset(struct vhdb_vq *vq)
{
	vq->vr->avail_idx = WRAP;
	vq->vr->used_idx = WRAP;
	vq->avail_kicked = WRAP;
	vq->head_pos = WRAP;
}

static void put(struct vring_packed_desc *d, const struct vhdb_buf *buf,
		__u16 id)
{
	d->addr = htole64(buf->addr);
	d->len = htole32(buf->len);
	d->id = htole16(id);
}

/*
 * 2.8.21.1: the flags of the first descriptor that is not published yet wait
 * for that; the device looks at no other before.
 */
static void place(struct vhdb_vq *vq, const struct vhdb_buf *buf, __u16 id,
		  __u16 flags)
{
	__u16 pos = vq->vr->avail_idx;
	struct vring_packed_desc *d = desc_at(vq, pos);

	flags |= 1 << (pos & WRAP ? VRING_PACKED_DESC_F_AVAIL :
				    VRING_PACKED_DESC_F_USED);
	if (buf->in)
		flags |= VRING_DESC_F_WRITE;
	put(d, buf, id);
	if (pos == vq->head_pos)
		vq->head_flags = flags;
	else
		d->flags = htole16(flags);
	vq->vr->avail_idx = step(vq, pos, 1);
}

static int packed_add(struct vhdb_vq *vq, const struct vhdb_buf *buf,
		      unsigned int count, __u64 token, bool indirect)
{
	unsigned int need = indirect ? 1 : count, first, i;
	struct vring_packed_desc *table;
	__u16 id = vq->free_head;
	struct vhdb_buf all;

	if (!count || need > vq->num_free ||
	    (indirect && count > vq->table_len))
		return -ENOSPC;
	vq->free_head = vq->slot[id].next;

	if (indirect) {
		/* 2.8.7: WRITE is the only flag in a table */
		first = id * vq->table_len;
		table = (struct vring_packed_desc *)vq->table + first;
		for (i = 0; i < count; i++) {
			put(&table[i], &buf[i], 0);
			table[i].flags = htole16(buf[i].in ?
						 VRING_DESC_F_WRITE : 0);
		}
		all = VHDB_OUT(vq->table_iova + first * sizeof(*table),
			       count * sizeof(*table));
		place(vq, &all, id, VRING_DESC_F_INDIRECT);
	} else {
		for (i = 0; i < count; i++)
			place(vq, &buf[i], id,
			      i + 1 < count ? VRING_DESC_F_NEXT : 0);
	}
	vq->num_free -= need;
	vhdb_vq_sent(vq, id, buf, count, need, token);
	return id;
}

static void packed_publish(struct vhdb_vq *vq)
{
	if (vq->head_pos == vq->vr->avail_idx)
		return;
	/* 2.8.21.1: all of it is seen before the flags of the first. */
	__atomic_store_n(&desc_at(vq, vq->head_pos)->flags,
			 htole16(vq->head_flags), __ATOMIC_RELEASE);
	vq->head_pos = vq->vr->avail_idx;
}

static bool packed_kick_needed(struct vhdb_vq *vq)
{
	struct vring_packed_desc_event *event = (void *)vq->vr->used;
	union {
		struct vring_packed_desc_event field;
		__u32 both;
	} e;
	__u16 pos = vq->avail_kicked, end = vq->vr->avail_idx;

	/* 2.8.21.2: the flags are seen before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e.both = __atomic_load_n((__u32 *)event, __ATOMIC_RELAXED);
	vq->avail_kicked = end;
	if (le16toh(e.field.flags) != VRING_PACKED_EVENT_FLAG_DESC)
		return le16toh(e.field.flags) == VRING_PACKED_EVENT_FLAG_ENABLE;
	for (; pos != end; pos = step(vq, pos, 1))
		if (pos == le16toh(e.field.off_wrap))
			return true;
	return false;
}

static bool used_at(struct vhdb_vq *vq, __u16 pos)
{
	/* Pairs with the device's barrier before it writes the flags. */
	__u16 flags = le16toh(__atomic_load_n(&desc_at(vq, pos)->flags,
					      __ATOMIC_ACQUIRE));

	return (flags & F_BOTH) == (pos & WRAP ? F_BOTH : 0);
}

static bool packed_more_used(struct vhdb_vq *vq)
{
	return vq->in_flight && (vq->in_batch || used_at(vq, vq->vr->used_idx));
}

static int packed_get(struct vhdb_vq *vq, __u64 *token, __u32 *len)
{
	struct vring_packed_desc *d = desc_at(vq, vq->vr->used_idx);
	int id;

	if (!packed_more_used(vq))
		return 0;
	/* 2.8.4: without WRITE the length says nothing */
	id = vhdb_vq_returned(vq, le16toh(d->id),
			      le16toh(d->flags) & VRING_DESC_F_WRITE ?
			      le32toh(d->len) : 0, len);
	if (id < 0)
		return id;
	*token = vq->slot[id].token;
	vq->vr->used_idx = step(vq, vq->vr->used_idx, vq->slot[id].count);
	vq->num_free += vq->slot[id].count;
	vq->slot[id].next = vq->free_head;
	vq->free_head = id;
	return 1;
}

static void packed_want_signal(struct vhdb_vq *vq, bool on)
{
	struct vring_packed_desc_event event = {
		.flags = htole16(VRING_PACKED_EVENT_FLAG_DISABLE),
	};
	__u32 both;

	if (on && vq->event_idx) {
		event.off_wrap = htole16(vq->vr->used_idx);
		event.flags = htole16(VRING_PACKED_EVENT_FLAG_DESC);
	} else if (on) {
		event.flags = htole16(VRING_PACKED_EVENT_FLAG_ENABLE);
	}
	memcpy(&both, &event, sizeof(both));
	__atomic_store_n((__u32 *)vq->vr->avail, both, __ATOMIC_RELAXED);
}

/* 2.8.2, 2.8.8: from one used descriptor to the next. */
static __u16 packed_used_pos(struct vhdb_vq *vq)
{
	__u16 pos = vq->vr->used_idx;
	unsigned int nr = vq->in_flight, id, last;

	while (nr && used_at(vq, pos)) {
		last = le16toh(desc_at(vq, pos)->id);
		do {
			id = vq->in_order ? vhdb_vq_oldest(vq, nr) : last;
			pos = step(vq, pos, vq->slot[id].count);
			nr--;
		} while (id != last && nr);
	}
	return pos;
}

static unsigned int packed_base(__u16 pos)
{
	return (unsigned int)pos << 16 | pos;
}

const struct vhdb_vq_ops vhdb_vq_packed = {
	.reset		= packed_reset,
	.add		= packed_add,
	.publish	= packed_publish,
	.kick_needed	= packed_kick_needed,
	.more_used	= packed_more_used,
	.get		= packed_get,
	.want_signal	= packed_want_signal,
	.used_pos	= packed_used_pos,
	.base		= packed_base,
};
