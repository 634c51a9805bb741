// SPDX-License-Identifier: GPL-2.0
/*
 * Batches: what vhdb_ring_pop_batch() gives is what as many single pops give,
 * and what vhdb_ring_unpop() leaves in the ring comes again.
 */
#include "ring_dev.h"

/* Defined where the engine is compiled with hooks. */
struct shim_hooks shim_hooks;

/* Pieces of a buffer, and of a batch in front of its last buffer. */
#define BATCH_SEGS	4
#define BATCH_SPARE	6
#define BATCH_MAX	8
#define BATCH_ROUNDS	20000

/* Of all sizes: both wraps are met in each of their places. */
static const u32 batch_nums[] = { 1, 2, 4, 8, 16 };
static const u32 batch_packed_nums[] = { 1, 2, 3, 7, 16 };

/* Room for batches, of exactly the size that is told. */
static int batch_init(struct dev *d, u32 num, u64 features, u16 pos)
{
	int err = dev_init(d, num, features, pos, BATCH_SEGS);

	if (err)
		return err;
	free(d->chain.segs);
	d->chain.segs = malloc(sizeof(*d->chain.segs) *
			       (BATCH_SEGS + BATCH_SPARE));
	d->batch_segs = BATCH_SEGS + BATCH_SPARE;
	return d->chain.segs ? dev_attach(d, num, mock_base(&d->vq), dev_fetch) :
			       -ENOMEM;
}

static int batch_pop(struct dev *d, struct vhdb_chain *chains, u32 max)
{
	chains[0].segs = d->chain.segs;
	return vhdb_ring_pop_batch(&d->ring, chains, max);
}

/* A buffer of any shape, on both rings. False if there is no room. */
static bool batch_add(struct dev *d, u64 *seed, u64 token)
{
	struct mock_seg segs[BATCH_SEGS];
	struct mock_buf buf = { .segs = segs, .token = token };
	u32 nr = 1 + below(seed, BATCH_SEGS), i;

	/* Single ones are dealt with in another way. */
	if (below(seed, 2))
		nr = 1;
	buf.nr_out = below(seed, nr + 1);
	buf.nr_in = nr - buf.nr_out;
	for (i = 0; i < nr; i++)
		segs[i] = (struct mock_seg){ rnd(seed), 1 + below(seed, 4096) };
	/* Nothing to read: it is not given. */
	if (buf.nr_out && once_in(seed, 8))
		segs[0].len = 0;
	buf.indirect = (d->features & F_INDIRECT) && once_in(seed, 3);
	if (buf.indirect && !(d->features & F_PACKED))
		buf.nr_direct = below(seed, nr);
	if (mock_add(&d[0].vq, &buf))
		return false;
	return !mock_add(&d[1].vq, &buf);
}

static void batch_same(struct __test_metadata *_metadata,
		       const struct vhdb_chain *a, const struct vhdb_chain *b)
{
	u32 i;

	ASSERT_EQ(a->id, b->id);
	ASSERT_EQ(a->count, b->count);
	ASSERT_EQ(a->nr_out, b->nr_out);
	ASSERT_EQ(a->nr_in, b->nr_in);
	for (i = 0; i < a->nr_out + a->nr_in; i++) {
		ASSERT_EQ(a->segs[i].addr, b->segs[i].addr);
		ASSERT_EQ(a->segs[i].len, b->segs[i].len);
	}
}

static u32 min_u32(u32 a, u32 b)
{
	return a < b ? a : b;
}

static u32 writable(const struct vhdb_chain *c)
{
	u32 i, sum = 0;

	for (i = c->nr_out; i < c->nr_out + c->nr_in; i++)
		sum += c->segs[i].len;
	return sum;
}

/*
 * Serves @d[1] in batches and @d[0] one by one, of @there buffers that are
 * available. The number that was taken of each.
 */
static u32 batch_serve(struct __test_metadata *_metadata, struct dev *d,
		       u64 *seed, u32 there)
{
	struct vhdb_chain chains[BATCH_MAX];
	u32 max = 1 + below(seed, BATCH_MAX), keep, i;
	const struct vhdb_chain *last;
	u16 at = d[1].ring.last_avail;
	int n = batch_pop(&d[1], chains, max);

	ASSERT_GE(n, 0);
	ASSERT_LE(n, max);
	ASSERT_LE(n, there);
	if (!n) {
		ASSERT_EQ(0, there);
		return 0;
	}
	last = &chains[n - 1];
	/*
	 * Only for want of room does it end before that. In a split ring it is
	 * all that the driver's index told of when it was last read.
	 */
	if (!(d->features & F_PACKED))
		there = min_u32(there, (u16)(d[1].ring.avail_seen - at));
	if (n < max && n < there)
		ASSERT_GT(last->segs + last->nr_out + last->nr_in,
			  d[1].chain.segs + BATCH_SPARE);

	keep = below(seed, 2) ? n : below(seed, n + 1);
	vhdb_ring_unpop(&d[1].ring, &chains[keep], n - keep);
	for (i = 0; i < keep; i++) {
		ASSERT_EQ(1, vhdb_ring_pop(&d[0].ring, &d[0].chain));
		batch_same(_metadata, &d[0].chain, &chains[i]);
		vhdb_ring_push(&d[0].ring, chains[i].id, chains[i].count,
			       writable(&chains[i]));
		vhdb_ring_push(&d[1].ring, chains[i].id, chains[i].count,
			       writable(&chains[i]));
	}
	/* 2.7.6, 2.8.1: what was left is still the driver's to count on. */
	ASSERT_EQ((u16)vhdb_ring_base(&d[0].ring),
		  (u16)vhdb_ring_base(&d[1].ring));
	return keep;
}

static void batch_rounds(struct __test_metadata *_metadata, u64 features,
			 u64 *seed, u32 num)
{
	u64 sent = 0, popped = 0, shown = 0, back = 0;
	u16 pos = features & F_PACKED ? num - 1 : 65530;
	struct mock_used used[2];
	struct dev d[2];
	u32 i, round;
	bool full;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, batch_init(&d[i], num, features, pos));
	for (round = 0; round < BATCH_ROUNDS; round++) {
		full = false;
		for (i = below(seed, num + 1); i && !full; i--) {
			full = !batch_add(d, seed, sent);
			sent += !full;
		}
		if (below(seed, 2) || full) {
			mock_show(&d[0].vq);
			mock_show(&d[1].vq);
			shown = sent;
		}
		popped += batch_serve(_metadata, d, seed, shown - popped);
		if (below(seed, 2))
			continue;
		ASSERT_EQ(vhdb_ring_publish(&d[0].ring),
			  vhdb_ring_publish(&d[1].ring));
		while (mock_get(&d[0].vq, &used[0]) == 1) {
			ASSERT_EQ(1, mock_get(&d[1].vq, &used[1]));
			ASSERT_EQ(used[0].token, used[1].token);
			ASSERT_EQ(used[0].len, used[1].len);
			ASSERT_EQ(back++, used[1].token);
		}
		ASSERT_EQ(0, mock_get(&d[1].vq, &used[1]));
		ASSERT_EQ(popped, back);
	}
	EXPECT_GT(popped, BATCH_ROUNDS / 8);
	dev_exit(&d[0]);
	dev_exit(&d[1]);
}

TEST_F(any, batches_like_single_ones)
{
	const u32 *nums = variant->features & F_PACKED ? batch_packed_nums :
							 batch_nums;
	u32 i;

	for (i = 0; i < 5; i++)
		batch_rounds(_metadata, variant->features, &self->seed, nums[i]);
}

/* What breaks a rule ends a batch, and is told when it is the first. */
TEST_F(any, broken_in_a_batch)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 100 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	bool packed = variant->features & F_PACKED;
	struct vhdb_chain chains[BATCH_MAX];
	struct dev *d = &self->d;
	u32 base, bad, i;
	u16 at;

	for (bad = 0; bad < 4; bad++) {
		ASSERT_EQ(0, batch_init(d, 4, variant->features, 0));
		at = mock_step(&d->vq, d->vq.next_avail, bad);
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, mock_add(&d->vq, &buf));
		/* 2.7.5.3.1, 2.8.19: a table of no entries */
		if (packed)
			mock_packed_set(&d->vq, at, ADDR(0), 0, 0,
					mock_packed_avail(at) | I);
		else
			mock_desc_set(d->vq.desc, bad, ADDR(0), 0, I, 0);
		/* Packed: what is set above shows the first itself. */
		if (!packed || bad)
			mock_show(&d->vq);
		if (bad) {
			ASSERT_EQ(bad, batch_pop(d, chains, BATCH_MAX));
			for (i = 0; i < bad; i++)
				EXPECT_EQ(1, chains[i].nr_out);
		}
		base = vhdb_ring_base(&d->ring);
		EXPECT_EQ(-VHDB_RING_EINDIRECT,
			  batch_pop(d, chains, BATCH_MAX));
		/* It stays where it is. */
		EXPECT_EQ(base, vhdb_ring_base(&d->ring));
		dev_exit(d);
	}
}

/* 2.7.6: a head that is none, behind others that are. */
TEST(split_head_in_a_batch)
{
	struct vhdb_chain chains[BATCH_MAX];
	struct dev d;
	u32 i;

	ASSERT_EQ(0, batch_init(&d, 4, 0, 0));
	for (i = 0; i < 4; i++) {
		mock_desc_set(d.vq.desc, i, ADDR(i), 1, 0, 0);
		mock_split_set_avail(&d.vq, i, i == 2 ? 4 : 3 - i);
	}
	mock_split_set_avail_idx(&d.vq, 4);
	ASSERT_EQ(2, batch_pop(&d, chains, BATCH_MAX));
	EXPECT_EQ(3, chains[0].id);
	EXPECT_EQ(2, chains[1].id);
	EXPECT_EQ(-VHDB_RING_EINDEX, batch_pop(&d, chains, BATCH_MAX));
	dev_exit(&d);
}

/*
 * 2.7.5.2: in order, the device knows where the next chain is. It looks at an
 * entry of the available ring once a batch.
 */
TEST(split_in_order_heads)
{
	struct vhdb_chain chains[BATCH_MAX];
	struct dev d;
	u32 i;

	ASSERT_EQ(0, batch_init(&d, 4, F_IN_ORDER, 0));
	for (i = 0; i < 4; i++)
		mock_desc_set(d.vq.desc, i, ADDR(i), 1, 0, 0);
	/* Wrong, but for the first. */
	for (i = 0; i < 4; i++)
		mock_split_set_avail(&d.vq, i, 1);
	mock_split_set_avail_idx(&d.vq, 3);
	ASSERT_EQ(3, batch_pop(&d, chains, BATCH_MAX));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(1 + i, chains[i].id);
		EXPECT_EQ(ADDR(1 + i), chains[i].segs->addr);
		vhdb_ring_push(&d.ring, chains[i].id, 1, 0);
	}
	vhdb_ring_publish(&d.ring);
	mock_split_set_avail_idx(&d.vq, 4);
	EXPECT_EQ(-VHDB_RING_ESEQUENCE, batch_pop(&d, chains, BATCH_MAX));
	dev_exit(&d);
}

/* 2.7.6: the first head of all is known by nothing but its bound. */
TEST(split_in_order_first_head)
{
	static const u16 heads[] = { 4, 5, 0x8000, 0xffff };
	struct vhdb_chain chains[BATCH_MAX];
	struct dev d;
	u32 i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, batch_init(&d, 4, F_IN_ORDER, 0));
		mock_split_set_avail(&d.vq, 0, heads[i]);
		mock_split_set_avail_idx(&d.vq, 1);
		EXPECT_EQ(-VHDB_RING_EINDEX, batch_pop(&d, chains, BATCH_MAX));
		dev_exit(&d);
	}
}

/* In order: more out than the ring holds, in the middle of a batch. */
TEST_F(any, full_in_a_batch)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 100 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	bool packed = variant->features & F_PACKED;
	struct vhdb_chain chains[BATCH_MAX];
	struct dev *d = &self->d;
	u16 at;
	u32 i;

	if (!(variant->features & F_IN_ORDER))
		return;
	ASSERT_EQ(0, batch_init(d, 4, variant->features, 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
	mock_show(&d->vq);
	ASSERT_EQ(3, batch_pop(d, chains, BATCH_MAX));
	/* One that there is room for, and one that there is not. */
	ASSERT_EQ(0, mock_add(&d->vq, &buf));
	mock_show(&d->vq);
	at = d->vq.next_avail;
	if (packed) {
		mock_packed_set(&d->vq, at, ADDR(0), 1, 0,
				mock_packed_avail(at));
	} else {
		mock_desc_set(d->vq.desc, 0, ADDR(0), 1, 0, 0);
		mock_split_set_avail(&d->vq, at, 0);
		mock_split_set_avail_idx(&d->vq, at + 1);
	}
	EXPECT_EQ(1, batch_pop(d, chains, BATCH_MAX));
	EXPECT_EQ(-VHDB_RING_EFULL, batch_pop(d, chains, BATCH_MAX));
	dev_exit(d);
}

/* The driver makes each slot available again, in the next lap, once it was seen. */
static struct dev *lapped;
static u32 laps_slot;

static void lap(enum shim_barrier kind)
{
	u32 len;
	u16 id, flags;

	mock_packed_get(&lapped->vq, laps_slot, &len, &id, &flags);
	mock_packed_set(&lapped->vq, laps_slot, ADDR(0), 1, id,
			flags ^ mock_packed_avail(0) ^ mock_packed_avail(0x8000));
	laps_slot = (laps_slot + 1) % lapped->vq.num;
}

/* A batch of more slots than there are: back over the ring's end more than once. */
TEST(unpop_laps_packed)
{
	static const u32 nums[] = { 1, 2, 3, 7 };
	struct vhdb_chain chains[BATCH_MAX];
	struct dev d;
	u32 i, slot, keep, base;

	for (i = 0; i < sizeof(nums) / sizeof(*nums); i++) {
		for (keep = 0; keep <= BATCH_MAX; keep++) {
			ASSERT_EQ(0, batch_init(&d, nums[i], F_PACKED, 0));
			d.ring.batch_spare = BATCH_SPARE + BATCH_SEGS - 1;
			for (slot = 0; slot < nums[i]; slot++)
				mock_packed_set(&d.vq, slot, ADDR(0), 1, 0,
						mock_packed_avail(0x8000));
			lapped = &d;
			laps_slot = 0;
			shim_hooks.barrier = lap;
			ASSERT_EQ(BATCH_MAX, batch_pop(&d, chains, BATCH_MAX));
			shim_hooks.barrier = NULL;
			vhdb_ring_unpop(&d.ring, &chains[keep],
					BATCH_MAX - keep);
			base = keep % nums[i];
			base |= keep / nums[i] % 2 ? 0 : 0x8000;
			EXPECT_EQ(base, vhdb_ring_base(&d.ring) & 0xffff);
			dev_exit(&d);
		}
	}
}

TEST_HARNESS_MAIN
