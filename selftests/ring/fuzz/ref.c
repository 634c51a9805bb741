// SPDX-License-Identifier: GPL-2.0
/*
 * What vhdb_ring_pop() is to answer; see ref.h. The engine's state is taken
 * for granted: where it stands, and what it has read ahead.
 */
#include "ref.h"

/* A descriptor of either layout (2.7.5, 2.8.13). */
struct ref_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 id;
	u16 next;
};

static u64 number(const u8 *p, u32 bytes)
{
	u64 val = 0;

	while (bytes--)
		val = val << 8 | p[bytes];
	return val;
}

static struct ref_desc desc_at(const struct dev *d, const void *table, u32 i)
{
	const u8 *p = (const u8 *)table + 16 * (size_t)i;
	bool packed = d->features & F_PACKED;

	return (struct ref_desc){
		.addr = number(p, 8),
		.len = number(p + 8, 4),
		.flags = number(p + (packed ? 14 : 12), 2),
		.id = number(p + 12, 2),
		.next = number(p + 14, 2),
	};
}

/* False: the chain is against the rules. */
static bool piece(const struct dev *d, struct ref *ref, const struct ref_desc *p,
		  bool *written)
{
	bool write = p->flags & W;

	/* 2.7.4.2, 2.8.17 */
	if (*written && !write)
		return false;
	*written |= write;
	if (!p->len)
		return true;
	if (ref->nr == d->max_segs)
		return false;
	ref->segs[ref->nr].addr = p->addr;
	ref->segs[ref->nr++].len = p->len;
	ref->nr_out += !write;
	return true;
}

/* 2.7.5.3, 2.8.7 */
static bool table(const struct dev *d, struct ref *ref, const struct ref_desc *at,
		  bool *written)
{
	static u8 copy[16 * VHDB_RING_INDIRECT_MAX];
	u32 nr = at->len / 16, i = 0, steps;

	if (!(d->features & F_INDIRECT) || (at->flags & N) || at->len % 16 ||
	    !nr || nr > VHDB_RING_INDIRECT_MAX)
		return false;
	guest_read(at->addr, copy, at->len);

	for (steps = 0; steps < nr; steps++) {
		struct ref_desc e = desc_at(d, copy, i);

		if (d->features & F_PACKED) {
			if (!piece(d, ref, &e, written))
				return false;
			i++;
			continue;
		}
		if ((e.flags & I) || !piece(d, ref, &e, written))
			return false;
		if (!(e.flags & N))
			return true;
		i = e.next;
		if (i >= nr)
			return false;
	}
	return d->features & F_PACKED;
}

/* Slots that buffers in flight leave. */
static u32 room(const struct dev *d)
{
	return d->ring.room + d->ring.retired - d->ring.retired_seen;
}

static bool ref_split(const struct dev *d, struct ref *ref)
{
	const struct vhdb_ring *r = &d->ring;
	bool in_order = d->features & F_IN_ORDER, written = false;
	u16 idx = number((const u8 *)d->vq.driver + 2, 2);
	u32 num = r->num, i;
	struct ref_desc e;

	ref->ret = 0;
	if (r->avail_seen == r->last_avail) {
		if (idx == r->last_avail)
			return true;
		if ((u16)(idx - r->last_avail) > num)
			return false;
	}
	i = number((const u8 *)d->vq.driver + 4 +
		   2 * (size_t)(r->last_avail % num), 2);
	ref->ret = 1;
	ref->id = i;
	if (in_order && r->desc_known && i != r->next_desc)
		return false;
	for (ref->count = 1; ref->count <= num; ref->count++) {
		if (i >= num)
			return false;
		e = desc_at(d, d->vq.desc, i);
		if (e.flags & I) {
			if (!table(d, ref, &e, &written))
				return false;
			break;
		}
		if (!piece(d, ref, &e, &written))
			return false;
		if (!(e.flags & N))
			break;
		/* 2.7.5.2: in order, the one behind, whatever it says. */
		i = in_order ? (i + 1) % num : e.next;
	}
	if (ref->count > num)
		return false;
	if (in_order)
		return ref->count <= room(d);
	/* The head stands for all of it. */
	ref->count = 1;
	return true;
}

static bool ref_packed(const struct dev *d, struct ref *ref)
{
	const struct vhdb_ring *r = &d->ring;
	bool in_order = d->features & F_IN_ORDER, written = false;
	u32 base = vhdb_ring_base(r), i = base & 0x7fff, first = i;
	bool wrap = base & 0x8000;
	struct ref_desc e;

	for (ref->count = 1; ; ref->count++) {
		e = desc_at(d, d->vq.desc, i);
		/* 2.8.1: AVAIL like the wrap counter, USED not */
		if (!!(e.flags & 0x80) != wrap || !!(e.flags & 0x8000) == wrap) {
			ref->ret = 0;
			return ref->count == 1;
		}
		ref->ret = 1;
		if (e.flags & I) {
			if (ref->count > 1 || !table(d, ref, &e, &written))
				return false;
			break;
		}
		if (!piece(d, ref, &e, &written))
			return false;
		if (!(e.flags & N))
			break;
		if (ref->count == r->num)
			return false;
		i++;
		if (i == r->num) {
			i = 0;
			wrap = !wrap;
		}
	}
	ref->id = in_order ? first : e.id;
	return !in_order || ref->count <= room(d);
}

void ref_pop(const struct dev *d, struct ref *ref)
{
	bool ok;

	ref->nr = 0;
	ref->nr_out = 0;
	ok = d->features & F_PACKED ? ref_packed(d, ref) : ref_split(d, ref);
	if (!ok)
		ref->ret = -1;
}
