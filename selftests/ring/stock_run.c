// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "stock_run.h"

/* What a buffer holds at word @i; the device's answer has other words. */
static u64 word_out(u64 seq, u32 i)
{
	return (seq + 1) * 0x9e3779b97f4a7c15ULL + i;
}

static u64 word_in(u64 seq, u32 i)
{
	return ~word_out(seq, i);
}

/* Words that the device writes, of @room. */
static u32 words_written(u64 seq, u32 room)
{
	return (word_out(seq, 0) >> 40) % (room + 1);
}

void run_fail(struct run *r, const char *what)
{
	const char *none = NULL;

	__atomic_compare_exchange_n(&r->fail, &none, what, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

bool run_failed(struct run *r)
{
	return __atomic_load_n(&r->fail, __ATOMIC_ACQUIRE);
}

static int run_fetch(void *data, u64 addr, void *dst, u32 len)
{
	memcpy(dst, (void *)(uintptr_t)addr, len);
	return 0;
}

/* The device takes the ring over from its start. */
static void run_attach(struct run *r)
{
	struct vhdb_ring_config cfg = {
		.num = r->dev.num,
		.features = r->features,
		.desc = r->dev.desc,
		.driver = r->dev.driver,
		.device = r->dev.device,
		.base = VHDB_RING_BASE_START(r->features),
		.table = r->table,
		.max_segs = RUN_SEGS,
		.slots = r->order,
		.fetch = run_fetch,
	};

	if (vhdb_ring_init(&r->ring, &cfg))
		run_fail(r, "the engine refuses the ring");
	r->nr_held = 0;
	r->shown = r->got;
	r->device_waits = false;
	r->driver_waits = false;
	/* The state in which both find each other. */
	stock_disable_cb(&r->dev);
	vhdb_ring_disable_notify(&r->ring);
}

static void slot_free(struct run *r, struct run_slot *slot)
{
	if (!slot->out)
		run_fail(r, "a buffer came back that was not out");
	slot->out = false;
	r->free[r->nr_free++] = slot - r->slots;
}

/* A queue that is reset gives the device nothing to let go of here. */
static void run_reset(void *data)
{
}

static void run_recycle(void *data, void *token)
{
	struct run *r = data;

	slot_free(r, token);
	r->got++;
}

struct run *run_new(u32 num, u64 features, u64 total, u64 seed)
{
	struct run *r;
	u32 i;

	r = aligned_alloc(64, (sizeof(*r) + 63) & ~63UL);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->slots = calloc(RUN_NUM_MAX, sizeof(*r->slots));
	r->features = features;
	r->total = total;
	r->driver_seed = seed;
	r->device_seed = seed ^ 0x2545f4914f6cdd1dULL;
	r->chain.segs = r->segs;
	r->dev.reset = run_reset;
	r->dev.recycle = run_recycle;
	r->dev.data = r;
	if (!r->slots || stock_create(&r->dev, num, features)) {
		free(r->slots);
		free(r);
		return NULL;
	}
	for (i = 0; i < RUN_NUM_MAX; i++)
		r->free[r->nr_free++] = i;
	run_attach(r);
	return r;
}

void run_free(struct run *r)
{
	stock_destroy(&r->dev);
	free(r->slots);
	free(r);
}

void run_resize(struct run *r, u32 num)
{
	int err = stock_resize(&r->dev, num);

	if (err)
		run_fail(r, "the driver can't resize its queue");
	run_attach(r);
	if (r->sent != r->got)
		run_fail(r, "a reset queue still has buffers");
}

/* ---- the driver's side ---- */

/* Mostly short ones; pieces of odd places, so that none looks like another. */
static void slot_fill(struct run *r, struct run_slot *slot)
{
	u32 max = r->dev.num < RUN_SEGS ? r->dev.num : RUN_SEGS;
	u32 nr, i, j, word = 0;

	nr = 1 + below(&r->driver_seed, below(&r->driver_seed, 8) ? 4 : max);
	if (nr > max)
		nr = max;
	slot->nr_out = below(&r->driver_seed, nr + 1);
	slot->nr_in = nr - slot->nr_out;
	slot->seq = r->sent;
	for (i = 0; i < nr; i++) {
		u32 words = 1 + below(&r->driver_seed, RUN_WORDS);
		u64 *at = slot->words + i * RUN_WORDS;

		slot->segs[i].addr = at;
		slot->segs[i].len = words * sizeof(*at);
		for (j = 0; j < words; j++)
			at[j] = word_out(slot->seq, word++);
	}
}

bool driver_add(struct run *r, u32 max)
{
	u64 from = r->sent;
	bool kick;

	while (max-- && r->nr_free && r->sent < r->total) {
		struct run_slot *slot = &r->slots[r->free[r->nr_free - 1]];

		slot_fill(r, slot);
		slot->out = true;
		r->nr_free--;
		if (stock_add(&r->dev, slot->segs, slot->nr_out, slot->nr_in,
			      slot)) {
			slot->out = false;
			r->nr_free++;
			break;
		}
		r->sent++;
	}
	if (r->sent == from)
		return false;
	kick = stock_need_kick(&r->dev);
	return kick;
}

/* Is the answer all that the device wrote, and nothing else changed? */
static bool slot_answered(const struct run_slot *slot, u32 len)
{
	u32 i, j, word = 0, room = 0, written;

	for (i = slot->nr_out; i < slot->nr_out + slot->nr_in; i++)
		room += slot->segs[i].len / sizeof(u64);
	written = words_written(slot->seq, room);
	if (len != written * sizeof(u64))
		return false;

	for (i = 0; i < slot->nr_out + slot->nr_in; i++) {
		const u64 *at = slot->segs[i].addr;

		for (j = 0; j < slot->segs[i].len / sizeof(*at); j++, word++) {
			if (i >= slot->nr_out && written) {
				if (at[j] != word_in(slot->seq, word))
					return false;
				written--;
			} else if (at[j] != word_out(slot->seq, word)) {
				return false;
			}
		}
	}
	return true;
}

void driver_get(struct run *r, u32 max)
{
	struct run_slot *slot;
	u32 len;

	while (max--) {
		slot = stock_get(&r->dev, &len);
		if (!slot)
			break;
		if (!slot_answered(slot, len))
			run_fail(r, "a buffer came back with another answer");
		slot_free(r, slot);
		r->got++;
	}
	if (stock_broken(&r->dev))
		run_fail(r, "the driver calls the device broken");
}

void driver_wait(struct run *r)
{
	r->delayed = !below(&r->driver_seed, 3);
	r->driver_waits = r->delayed ? stock_enable_cb_delayed(&r->dev) :
				       stock_enable_cb(&r->dev);
}

void driver_wake(struct run *r)
{
	r->driver_waits = false;
	stock_interrupt(&r->dev);
	stock_disable_cb(&r->dev);
}

/* ---- the device's side ---- */

/* Is the chain what the driver offered, and does it hold what it should? */
static bool chain_good(const struct vhdb_chain *c, const struct run_slot *slot)
{
	u32 i, j, word = 0;

	if (!slot->out || c->nr_out != slot->nr_out || c->nr_in != slot->nr_in)
		return false;
	for (i = 0; i < c->nr_out + c->nr_in; i++) {
		const u64 *at = slot->segs[i].addr;

		if (c->segs[i].addr != (uintptr_t)at ||
		    c->segs[i].len != slot->segs[i].len)
			return false;
		for (j = 0; j < slot->segs[i].len / sizeof(*at); j++)
			if (at[j] != word_out(slot->seq, word++))
				return false;
	}
	return true;
}

/* Writes the answer; its bytes. */
static u32 chain_answer(const struct vhdb_chain *c, u64 seq)
{
	u32 i, j, room = 0, word = 0, left, written;

	for (i = 0; i < c->nr_out; i++)
		word += c->segs[i].len / sizeof(u64);
	for (; i < c->nr_out + c->nr_in; i++)
		room += c->segs[i].len / sizeof(u64);
	written = words_written(seq, room);
	left = written;
	for (i = c->nr_out; left; i++) {
		u64 *at = (u64 *)(uintptr_t)c->segs[i].addr;

		for (j = 0; left && j < c->segs[i].len / sizeof(*at); j++) {
			at[j] = word_in(seq, word++);
			left--;
		}
	}
	return written * sizeof(u64);
}

void device_take(struct run *r, u32 max)
{
	struct vhdb_chain *c = &r->chain;

	while (max-- && r->nr_held < r->dev.num) {
		struct run_held *h = &r->held[r->nr_held];
		int ret = vhdb_ring_pop(&r->ring, c);
		u64 offset;

		if (ret < 0)
			run_fail(r, "the engine calls the ring broken");
		if (ret <= 0)
			return;
		offset = c->segs[0].addr - (uintptr_t)r->slots;
		if (offset >= sizeof(*r->slots) * RUN_NUM_MAX) {
			run_fail(r, "a buffer that is none of the driver's");
			return;
		}
		h->slot = &r->slots[offset / sizeof(*r->slots)];
		if (!chain_good(c, h->slot)) {
			run_fail(r, "a buffer of another shape");
			return;
		}
		h->len = chain_answer(c, h->slot->seq);
		h->id = c->id;
		h->count = c->count;
		r->nr_held++;
	}
}

bool device_give(struct run *r, u32 max)
{
	while (max-- && r->nr_held) {
		u32 i = below(&r->device_seed, r->nr_held);
		struct run_held *h = &r->held[i];

		vhdb_ring_push(&r->ring, h->id, h->count, h->len);
		*h = r->held[--r->nr_held];
		r->shown++;
	}
	return vhdb_ring_publish(&r->ring);
}

void device_wait(struct run *r)
{
	r->device_waits = !vhdb_ring_enable_notify(&r->ring);
}

void device_wake(struct run *r)
{
	r->device_waits = false;
	vhdb_ring_disable_notify(&r->ring);
}
