// SPDX-License-Identifier: GPL-2.0
/*
 * The engine against a driver that breaks the rules, driven by a fuzzer.
 *
 * An input is a program: what the ring is like, then steps of driver and
 * device. It starts as good behaviour, where each buffer must come back as it
 * was sent. Then one thing is broken and another, at rest or (hooks) in the
 * middle of a pop, and the engine must still answer as the specification has it
 * (ref.c), read no more than a ring holds, write only where a device may, and
 * leave the sanitizers nothing to say.
 *
 * FUZZ_LAYOUT is F_PACKED or 0.
 */
#include <stdio.h>
#include <malloc.h>
#include <sanitizer/asan_interface.h>

#include "ref.h"
#include "../mock_impl.h"

#define SEGS		8	/* pieces of one of our buffers, at the most */
#define MAX_NUM		64
#define BATCH_MAX	8	/* buffers of a batch */
#define BATCH_SPARE	5	/* pieces in front of its last one */

#define fallthrough	__attribute__((__fallthrough__))

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n",		\
				__FILE__, __LINE__, #cond);		\
			abort();					\
		}							\
	} while (0)

/**
 * struct fuzz - one run
 * @in: rest of the input
 * @left: its length
 * @d: the ring
 * @honest: nothing was broken yet
 * @dead: the engine found something wrong, or the input's end
 * @held: popped, not pushed
 * @nr_held: how many
 * @sent: buffers that the driver added
 * @shown: buffers that the device was told of
 * @popped: buffers that the device took
 * @out: of a buffer, its number modulo 256: pieces that the device reads
 * @in_segs: pieces that the device writes
 * @segs: all of them
 * @batch: room for the pieces of a batch, and no more
 * @asked: buffers that a pop may take
 * @reads: single reads since the last pop began
 * @at: read at which something breaks, 0: none
 * @spoil: what was read is spoilt at once
 */
struct fuzz {
	const u8 *in;
	size_t left;
	struct dev d;
	bool honest;
	bool dead;
	struct {
		u16 id;
		u16 count;
		u32 writable;
	} held[MAX_NUM];
	u32 nr_held;
	u32 sent;
	u32 shown;
	u32 popped;
	u32 out[256];
	u32 in_segs[256];
	struct mock_seg segs[256][SEGS];
	struct vhdb_seg *batch;
	u32 asked;
	u32 reads;
	u32 at;
	bool spoil;
};

static struct fuzz f;

static u32 next(void)
{
	if (!f.left) {
		f.dead = true;
		return 0;
	}
	f.left--;
	return *f.in++;
}

static u32 next16(void)
{
	u32 low = next();

	return next() << 8 | low;
}

/*
 * An indirect table of the mock's is read as it is; all else that a driver
 * may name holds descriptors that depend on where they are.
 */
void guest_read(u64 addr, void *dst, u32 len)
{
	static const u8 flags[8] = { 0, N, N, N | W, W, N, I, N | W };
	u8 *to = dst;
	u32 i, have = 0;
	void *table;

	for (i = 0; i < f.d.vq.num && !have; i++) {
		table = f.d.vq.slots[i].table;
		if (table && mock_iova(table) == addr)
			have = malloc_usable_size(table);
	}
	have = have < len ? have : len;
	memcpy(dst, mock_ptr(addr), have);
	for (i = have; i < len; i++) {
		to[i] = 0;
		/* flags of either layout; a length that is sometimes 0 */
		if ((i & 15) == 12 || (i & 15) == 14)
			to[i] = flags[(i / 16 + addr) & 7];
		else if ((i & 15) < 8)
			to[i] = i;
		else if ((i & 15) == 8)
			to[i] = (i / 16 + (addr >> 3)) & 3;
	}
}

/* What is behind the table's end is not to be looked at. */
static int fetch(void *data, u64 addr, void *dst, u32 len)
{
	size_t room = sizeof(*f.d.table) * VHDB_RING_INDIRECT_MAX;

	ASAN_UNPOISON_MEMORY_REGION(dst, room);
	guest_read(addr, dst, len);
	if (len < room)
		ASAN_POISON_MEMORY_REGION((u8 *)dst + len, room - len);
	return 0;
}

/* Sometimes what is likely to matter, sometimes anything. */
static u64 value(u32 bytes)
{
	u32 how = next(), i;
	u64 val;

	switch (how & 7) {
	case 0: return next();
	case 1: return f.d.ring.num + (s32)(next() % 5) - 2;
	case 2: return (1ULL << next() % 64) + next() % 3 - 1;
	case 3: return f.d.ring.last_avail + next() % 5 - 2;
	case 4: return 16ULL * (VHDB_RING_INDIRECT_MAX + next() % 3 - 1);
	case 5: return 16ULL * (next() % 8);
	default:
		for (i = 0, val = 0; i < bytes; i++)
			val = val << 8 | next();
		return val;
	}
}

/* One field of a descriptor: address, length, flags, next or id. */
static void break_desc(void *area, size_t size)
{
	static const u8 at[] = { 0, 8, 12, 14, 12, 14, 14, 12 };
	static const u8 bytes[] = { 8, 4, 2, 2, 2, 2, 2, 2 };
	u32 field = next() % 8;
	u32 len = bytes[field];
	u8 *p = (u8 *)area + 16 * (next16() % (size / 16)) + at[field];
	u64 val, old = 0;

	memcpy(&old, p, len);
	switch (next() % 4) {
	case 0: /* one bit, those of flags above all */
		val = old ^ 1ULL << next() % (len == 2 ? 3 : 8 * len);
		break;
	case 1:
		val = old ^ 1ULL << (next() & 1 ? 7 : 15);
		break;
	case 2:
		val = old + (s32)(next() % 9) - 4;
		break;
	default:
		val = value(len);
	}
	memcpy(p, &val, len);
}

/* A descriptor that is none of a table becomes one, of a likely length. */
static void break_into_table(void *area, size_t size)
{
	u8 *p = (u8 *)area + 16 * (next16() % (size / 16));
	u32 flags = f.d.features & F_PACKED ? 14 : 12;
	u32 len = 16 * (next() % 9);

	p[flags] = (p[flags] | I) & (next() & 1 ? ~N : ~0);
	memcpy(p + 8, &len, sizeof(len));
}

/* 16 bits, anywhere. */
static void break_word(void *area, size_t size, size_t at)
{
	u16 val = value(2);

	memcpy((u8 *)area + (at % (size / 2)) * 2, &val, 2);
}

static void break_one(void)
{
	struct mock_vq *vq = &f.d.vq;
	size_t driver = vq->layout->driver_size(vq->num);
	size_t device = vq->layout->device_size(vq->num), i, slot;
	void *table;

	f.honest = false;
	switch (next() % 8) {
	case 0: /* the index, or the event */
		break_word(vq->driver, driver, 1);
		break;
	case 1:
		break_word(vq->driver, driver, next16());
		break;
	case 2:
		break_word(vq->device, device, next16());
		break;
	case 3:
	case 4: /* an indirect table */
		slot = next();
		for (i = 0; i < vq->num; i++) {
			table = vq->slots[(i + slot) % vq->num].table;
			if (table) {
				break_desc(table, malloc_usable_size(table));
				return;
			}
		}
		break;
	case 5:
		break_into_table(vq->desc, 16 * (size_t)vq->num);
		break;
	default:
		break_desc(vq->desc, 16 * (size_t)vq->num);
	}
}

static bool within(const void *p, const void *area, size_t size)
{
	return (const u8 *)p >= (const u8 *)area &&
	       (const u8 *)p < (const u8 *)area + size;
}

/* Called with each single read of the engine's. */
static void on_read(const void *p, size_t size)
{
	const struct mock_vq *vq = &f.d.vq;

	if (f.spoil && (within(p, vq->desc, vq->layout->desc_size(vq->num)) ||
			within(p, vq->driver, vq->layout->driver_size(vq->num))))
		memset((void *)p, 0xff, size);
	/* Each descriptor, of ring and of table, and the ring's own fields. */
	CHECK(++f.reads <= f.asked * (4 * (f.d.ring.num + 1) + 8));
	if (f.at && !--f.at)
		break_one();
}

struct shim_hooks shim_hooks = { .read = on_read };

static void send_one(void)
{
	u32 shape = next(), nr, i, n = f.sent % 256;
	struct mock_buf buf = {
		.segs = f.segs[n],
		.nr_out = shape & 3,
		.nr_in = shape >> 2 & 3,
		.token = f.sent,
	};

	nr = buf.nr_out + buf.nr_in;
	buf.indirect = (shape & 0x10) && (f.d.features & F_INDIRECT) && nr;
	/* 2.7.5.3.2: direct ones in front of the table */
	if (buf.indirect && !(f.d.features & F_PACKED))
		buf.nr_direct = (shape >> 5) % nr;
	if (nr > f.d.max_segs || f.sent - f.popped >= 256)
		return;
	for (i = 0; i < nr; i++)
		f.segs[n][i] = (struct mock_seg){ ADDR(f.sent + i), 1 + i };
	if (mock_add(&f.d.vq, &buf))
		return;
	f.out[n] = buf.nr_out;
	f.in_segs[n] = buf.nr_in;
	f.sent++;
}

static void show(void)
{
	mock_show(&f.d.vq);
	mock_need_kick(&f.d.vq);
	f.shown = f.sent;
}

/* Nothing was broken: the next buffer, as it was sent. */
static void check_sent(int ret)
{
	const struct vhdb_chain *c = &f.d.chain;
	u32 n = f.popped % 256, i;

	CHECK(ret == (f.popped != f.shown));
	if (!ret)
		return;
	CHECK(c->nr_out == f.out[n] && c->nr_in == f.in_segs[n]);
	for (i = 0; i < c->nr_out + c->nr_in; i++)
		CHECK(c->segs[i].addr == f.segs[n][i].addr &&
		      c->segs[i].len == f.segs[n][i].len);
}

static void check_ref(int ret, const struct ref *ref)
{
	const struct vhdb_chain *c = &f.d.chain;
	u32 i;

	CHECK((ret < 0 ? -1 : ret) == ref->ret);
	if (ret <= 0)
		return;
	CHECK(c->id == ref->id && c->count == ref->count);
	CHECK(c->nr_out == ref->nr_out && c->nr_out + c->nr_in == ref->nr);
	for (i = 0; i < ref->nr; i++)
		CHECK(c->segs[i].addr == ref->segs[i].addr &&
		      c->segs[i].len == ref->segs[i].len);
}

/* What holds whatever happened, also while it happened. */
static void check_any(const struct vhdb_chain *c)
{
	u32 i;

	CHECK(c->nr_out + c->nr_in <= f.d.max_segs);
	for (i = 0; i < c->nr_out + c->nr_in; i++)
		CHECK(c->segs[i].len);
	CHECK(c->count && c->count <= f.d.ring.num);
	if (!(f.d.features & F_PACKED) || (f.d.features & F_IN_ORDER))
		CHECK(c->id < f.d.ring.num);
}

static int pop(u32 at)
{
	struct vhdb_chain *c = &f.d.chain;
	static struct ref ref;
	u32 i, writable = 0;
	int ret;

	/* What the engine leaves to its caller. */
	if (f.nr_held == f.d.ring.num)
		return 0;
	ref_pop(&f.d, &ref);
	f.reads = 0;
	f.at = at;
	ret = vhdb_ring_pop(&f.d.ring, c);
	CHECK(ret <= 1 && ret > -4096);
	if (ret > 0)
		check_any(c);
	if (!at || f.at)
		check_ref(ret, &ref);
	f.at = 0;
	if (f.honest)
		check_sent(ret);
	f.dead |= ret < 0;
	if (ret <= 0)
		return ret;
	for (i = c->nr_out; i < c->nr_out + c->nr_in; i++)
		writable += c->segs[i].len;
	f.held[f.nr_held].id = c->id;
	f.held[f.nr_held].count = c->count;
	f.held[f.nr_held++].writable = writable;
	f.popped++;
	return ret;
}

/* The same buffer, wherever its pieces are. */
static void check_same(const struct vhdb_chain *a, const struct vhdb_chain *b)
{
	u32 i;

	CHECK(a->id == b->id && a->count == b->count);
	CHECK(a->nr_out == b->nr_out && a->nr_in == b->nr_in);
	for (i = 0; i < a->nr_out + a->nr_in; i++)
		CHECK(a->segs[i].addr == b->segs[i].addr &&
		      a->segs[i].len == b->segs[i].len);
}

/*
 * A batch, all of which is left in the ring. Then as many buffers one by one,
 * which are the same, unless something broke at @at.
 */
static void pop_batch(u32 max, u32 at)
{
	struct vhdb_chain chains[BATCH_MAX] = { { .segs = f.batch } };
	u32 left = f.d.ring.num - f.nr_held, base, i;
	int n, ret;

	if (max > left)
		max = left;
	if (!max || f.dead)
		return;
	base = vhdb_ring_base(&f.d.ring);
	f.reads = 0;
	f.asked = max;
	f.at = at;
	n = vhdb_ring_pop_batch(&f.d.ring, chains, max);
	at = at && !f.at;
	f.at = 0;
	f.asked = 1;
	CHECK(n <= (s32)max && n > -4096);
	for (i = 0; (s32)i < n; i++)
		check_any(&chains[i]);
	if (n > 0)
		vhdb_ring_unpop(&f.d.ring, chains, n);
	CHECK(vhdb_ring_base(&f.d.ring) == base);
	for (i = 0; i < max && !f.dead; i++) {
		ret = pop(0);
		/* 2.7.5.2: heads are known in order: a batch looks at one. */
		if (at || (i && ret == -VHDB_RING_ESEQUENCE))
			continue;
		/* A batch is never empty if there is anything. */
		if (!i)
			CHECK(ret == (n > 0 ? 1 : n));
		if ((s32)i < n) {
			CHECK(ret == 1);
			check_same(&f.d.chain, &chains[i]);
		}
	}
}

/* What the driver wrote, as it was. */
static u8 driver_before[16 * MAX_NUM], desc_before[16 * MAX_NUM];

static void areas_save(void)
{
	const struct mock_vq *vq = &f.d.vq;

	memcpy(driver_before, vq->driver, vq->layout->driver_size(vq->num));
	memcpy(desc_before, vq->desc, vq->layout->desc_size(vq->num));
}

/* The driver spoils all that was read: what was there first is the answer. */
static void pop_spoilt(void)
{
	const struct mock_vq *vq = &f.d.vq;

	areas_save();
	f.spoil = true;
	pop(0);
	f.spoil = false;
	memcpy(vq->driver, driver_before, vq->layout->driver_size(vq->num));
	memcpy(vq->desc, desc_before, vq->layout->desc_size(vq->num));
}

static void push(void)
{
	u32 which, all;

	if (!f.nr_held)
		return;
	which = next() % f.nr_held;
	all = f.held[which].writable;
	/* What one element stands for is used completely: see lens_implied. */
	vhdb_ring_push(&f.d.ring, f.held[which].id, f.held[which].count,
		       f.d.features & F_IMPLIED ? all : all / 2);
	f.held[which] = f.held[--f.nr_held];
}

/* The device's calls that write: they write to what is the device's only. */
static void publish(void (*call)(void))
{
	const struct mock_vq *vq = &f.d.vq;

	areas_save();
	f.reads = 0;
	call();
	CHECK(!memcmp(driver_before, vq->driver,
		      vq->layout->driver_size(vq->num)));
	if (!(f.d.features & F_PACKED))
		CHECK(!memcmp(desc_before, vq->desc,
			      vq->layout->desc_size(vq->num)));
}

static void call_publish(void)
{
	vhdb_ring_publish(&f.d.ring);
}

static void call_notify(void)
{
	bool there;

	if (next() & 1) {
		vhdb_ring_disable_notify(&f.d.ring);
		return;
	}
	there = vhdb_ring_enable_notify(&f.d.ring);
	CHECK(there == vhdb_ring_has_work(&f.d.ring));
	if (f.honest)
		CHECK(there == (f.popped != f.shown));
}

static void get(void)
{
	struct mock_used used;
	int ret;

	while ((ret = mock_get(&f.d.vq, &used)) > 0)
		;
	CHECK(!f.honest || !ret);
	if (next() & 1)
		mock_enable_cb(&f.d.vq, next() % 4);
	else
		mock_disable_cb(&f.d.vq);
}

/* Stops the ring, moves it, and goes on: nothing may be out. */
static void restart(void)
{
	u32 base = vhdb_ring_base(&f.d.ring);

	if (f.nr_held)
		return;
	f.reads = 0;
	call_publish();
	base = vhdb_ring_base(&f.d.ring);
	mock_move(&f.d.vq);
	f.reads = 0;
	CHECK(!dev_attach(&f.d, f.d.ring.num, base, fetch));
}

static void step(void)
{
	u32 n;

	switch (next() % 16) {
	case 0 ... 2:
		send_one();
		break;
	case 3: /* and at once */
		send_one();
		fallthrough;
	case 4:
		show();
		break;
	case 5:
	case 6:
		pop(0);
		break;
	case 7:
		n = next();
		pop_batch(1 + n % BATCH_MAX, n / BATCH_MAX);
		break;
	case 8: /* something breaks during the pop */
		n = next() % 24;
		if (n < 16)
			pop(1 + n);
		else
			pop_spoilt();
		break;
	case 9:
		push();
		break;
	case 10:
		while (f.nr_held && !f.dead)
			push();
		fallthrough;
	case 11:
		publish(call_publish);
		break;
	case 12:
		publish(call_notify);
		break;
	case 13:
		get();
		break;
	case 14:
		break_one();
		break;
	default:
		restart();
	}
}

int FUZZ_ENTRY(const u8 *data, size_t size);

/* libFuzzer calls it. */
int FUZZ_ENTRY(const u8 *data, size_t size)
{
	u64 features = FUZZ_LAYOUT;
	u32 flags, num, pos;

	memset(&f, 0, sizeof(f));
	f.in = data;
	f.left = size;
	f.asked = 1;
	flags = next();
	if (flags & 1)
		features |= F_INDIRECT;
	if (flags & 2)
		features |= F_EVENT_IDX;
	if (flags & 4)
		features |= F_IN_ORDER;
	if ((flags & 12) == 12)
		features |= F_IMPLIED;
	num = next() % MAX_NUM + 1;
	if (!(features & F_PACKED))
		num = 1 << num % 7;
	pos = next16();
	if (features & F_PACKED)
		pos %= 2 * num;
	if (dev_init(&f.d, num, features, pos, 1 + next() % (2 * SEGS)))
		abort();
	f.d.batch_segs = f.d.max_segs + BATCH_SPARE;
	f.batch = malloc(sizeof(*f.batch) * f.d.batch_segs);
	if (!f.batch)
		abort();
	CHECK(!dev_attach(&f.d, num, mock_base(&f.d.vq), fetch));
	f.honest = true;
	while (!f.dead)
		step();
	ASAN_UNPOISON_MEMORY_REGION(f.d.table, sizeof(*f.d.table) *
				    VHDB_RING_INDIRECT_MAX);
	free(f.batch);
	dev_exit(&f.d);
	return 0;
}
