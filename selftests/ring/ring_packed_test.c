// SPDX-License-Identifier: GPL-2.0
/*
 * What only a packed ring has (drivers/vhost-doorbell/ring_packed.c), and what
 * only IN_ORDER has (ring.c):
 *
 *   - each rule that a driver can break, with neighbours that are allowed;
 *   - decisions about notifications, exhaustively around the wrap;
 *   - what a used descriptor looks like, and when it appears;
 *   - hooks: what happens between two accesses of the engine.
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#include "ring_rule.h"

struct shim_hooks shim_hooks;

/* The ring under test, for hooks. */
static struct dev *hooked;

#define WRAP		0x8000
#define USED_BOTH	0x8080
#define EV_ENABLE	0
#define EV_DISABLE	1
#define EV_DESC		2
#define NOT_AVAIL	0x0100	/* in a rule's flags: not made available */

TEST(sizes_packed)
{
	static const u32 bad[] = { 0, 32769, 65535, 65536, 1U << 31, ~0U };
	struct dev d;
	u32 i;

	ASSERT_EQ(0, dev_init(&d, 8, F_PACKED, 0, 8));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, dev_attach(&d, bad[i], 0, dev_fetch));
	/* 2.8.1: a position is one of the ring's */
	EXPECT_EQ(0, dev_attach(&d, 8, 7 << 16 | 7, dev_fetch));
	EXPECT_EQ(-EINVAL, dev_attach(&d, 8, 7 << 16 | 8, dev_fetch));
	EXPECT_EQ(-EINVAL, dev_attach(&d, 8, 8 << 16 | 7, dev_fetch));
	EXPECT_EQ(-EINVAL, dev_attach(&d, 8, 0xffffffff, dev_fetch));
	dev_exit(&d);

	for (i = 1; i <= 32768; i = i < 300 ? i + 1 : i * 2 - 33) {
		EXPECT_TRUE(vhdb_ring_num_valid(F_PACKED, i));
		EXPECT_EQ(16 * i, vhdb_ring_area_size(F_PACKED, i,
						      VHDB_AREA_DESC));
		EXPECT_EQ(4, vhdb_ring_area_size(F_PACKED, i,
						 VHDB_AREA_DRIVER));
		EXPECT_EQ(4, vhdb_ring_area_size(F_PACKED, i,
						 VHDB_AREA_DEVICE));
	}
	/* 2.8.10.1 and 2.7 */
	EXPECT_EQ(16, vhdb_ring_area_align(F_PACKED, VHDB_AREA_DESC));
	EXPECT_EQ(4, vhdb_ring_area_align(F_PACKED, VHDB_AREA_DRIVER));
	EXPECT_EQ(4, vhdb_ring_area_align(F_PACKED, VHDB_AREA_DEVICE));
	EXPECT_EQ(16, vhdb_ring_area_align(0, VHDB_AREA_DESC));
	EXPECT_EQ(2, vhdb_ring_area_align(0, VHDB_AREA_DRIVER));
	EXPECT_EQ(4, vhdb_ring_area_align(0, VHDB_AREA_DEVICE));
}

/* ---- Rules ---- */

static const struct rule rules[] = { {
	.name = "one to read",
	.desc = { { ADDR(0), 1, 0, 3 }, { 0, 0, NOT_AVAIL, 0 } },
	.ret = 1, .nr_out = 1, .id = 3, .count = 1,
}, {
	.name = "one to write, with an id that is no slot's",
	.desc = { { ADDR(0), 1, W, 0xffff }, { 0, 0, NOT_AVAIL, 0 } },
	.ret = 1, .nr_in = 1, .id = 0xffff, .count = 1,
}, {
	.name = "none",
	.desc = { { ADDR(0), 1, NOT_AVAIL, 0 } },
	.ret = 0,
}, {
	.name = "as long as the queue; the id is that of the last (2.8.6)",
	.desc = { { ADDR(0), 1, N, 9 }, { ADDR(1), 1, N, 8 },
		  { ADDR(2), 1, N | W, 7 }, { ADDR(3), 1, W, 6 } },
	.ret = 1, .nr_out = 2, .nr_in = 2, .id = 6, .count = 4,
}, {
	.name = "no end",
	.desc = { { ADDR(0), 0, N, 0 }, { ADDR(1), 0, N, 0 },
		  { ADDR(2), 0, N, 0 }, { ADDR(3), 0, N, 0 } },
	.ret = -VHDB_RING_ELOOP,
}, {
	.name = "a chain that goes on where nothing is available (2.8.15)",
	.desc = { { ADDR(0), 1, N, 0 }, { ADDR(1), 1, NOT_AVAIL, 0 } },
	.ret = -VHDB_RING_EPARTIAL,
}, {
	.name = "the same at the end of the ring",
	.desc = { { ADDR(0), 1, N, 0 }, { ADDR(1), 1, N, 0 },
		  { ADDR(2), 1, N, 0 }, { ADDR(3), 1, NOT_AVAIL | N, 0 } },
	.ret = -VHDB_RING_EPARTIAL,
}, {
	.name = "read after write (2.8.17)",
	.desc = { { ADDR(0), 1, N | W, 0 }, { ADDR(1), 1, 0, 0 } },
	.ret = -VHDB_RING_EORDER,
}, {
	.name = "pieces of nothing are not seen",
	.desc = { { ADDR(9), 0, N, 0 }, { ADDR(0), 1, N, 0 },
		  { ADDR(1), 1, N | W, 0 }, { ADDR(9), 0, W, 2 } },
	.ret = 1, .nr_out = 1, .nr_in = 1, .id = 2, .count = 4,
}, {
	.name = "indirect not negotiated (2.8.19)",
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "indirect; no flag but WRITE counts in the table (2.8.7)",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 5 }, { 0, 0, NOT_AVAIL, 0 } },
	.table = { { ADDR(0), 1, N | I, 3 }, { ADDR(1), 1, 0, 0xffff },
		   { ADDR(2), 1, 0x80 | W | N, 1 } }, .table_len = 48,
	.ret = 1, .nr_out = 2, .nr_in = 1, .id = 5, .count = 1,
}, {
	.name = "indirect, and WRITE, which is ignored (2.8.7)",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I | W, 5 }, { 0, 0, NOT_AVAIL, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 16,
	.ret = 1, .nr_out = 1, .id = 5, .count = 1,
}, {
	.name = "indirect and next (2.8.19)",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I | N, 0 }, { ADDR(1), 1, 0, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "direct, then indirect (2.8.5)",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N, 0 }, { 0, 0, I, 0 } },
	.table = { { ADDR(1), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "empty table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "table of an entry and a part",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 17,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "table too large by one",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table_len = 16 * (VHDB_RING_INDIRECT_MAX + 1),
	.ret = -VHDB_RING_ETOOBIG,
}, {
	.name = "table cannot be fetched",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table_len = 16, .fetch_err = -EFAULT,
	.ret = -EFAULT,
}, {
	.name = "read after write in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, W, 0 }, { ADDR(1), 1, 0, 0 } },
	.table_len = 32,
	.ret = -VHDB_RING_EORDER,
}, {
	.name = "read after write in a table that goes on",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, W, 0 }, { ADDR(1), 1, 0, 0 },
		   { ADDR(2), 1, W, 0 } },
	.table_len = 48,
	.ret = -VHDB_RING_EORDER,
}, {
	.name = "one piece too many in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, 0, 0 }, { ADDR(1), 1, 0, 0 },
		   { ADDR(2), 1, 0, 0 }, { ADDR(3), 1, 0, 0 },
		   { ADDR(4), 1, 0, 0 } }, .table_len = 80,
	.ret = -VHDB_RING_ETOOBIG,
} };

static void rule_run(struct __test_metadata *_metadata, const struct rule *r,
		     u64 features, u16 pos)
{
	u32 len = r->table_len < sizeof(r->table) ? r->table_len : 0, i;
	struct vring_desc *table = malloc(len);
	const struct desc *t;
	u16 at, flags;
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 4, features, pos, 4));
	d.fetch_err = r->fetch_err;
	for (i = 0; i < len / 16; i++) {
		t = &r->table[i];
		mock_packed_set_entry(table, i, t->addr, t->len, t->next,
				      t->flags);
	}
	at = d.vq.next_avail;
	for (i = 0; i < 4; i++, at = mock_step(&d.vq, at, 1)) {
		t = &r->desc[i];
		flags = t->flags & ~NOT_AVAIL;
		flags |= mock_packed_avail(at) ^
			 (t->flags & NOT_AVAIL ? USED_BOTH : 0);
		mock_packed_set(&d.vq, at,
				t->flags & I ? mock_iova(table) : t->addr,
				t->flags & I ? r->table_len : t->len, t->next,
				flags);
	}
	/* The second time what was not taken is still there. */
	for (i = 0; i < 2; i++) {
		at = d.vq.next_avail;
		ASSERT_EQ(r->ret, vhdb_ring_pop(&d.ring, &d.chain)) {
			TH_LOG("%s, position %u", r->name, pos);
		}
		if (r->ret == 1)
			break;
		EXPECT_EQ(at, vhdb_ring_base(&d.ring) & 0xffff);
	}
	if (r->ret == 1) {
		EXPECT_EQ(r->count, d.chain.count);
		EXPECT_EQ(features & F_IN_ORDER ? at & ~WRAP : r->id,
			  d.chain.id);
		rule_pieces(_metadata, r, &d.chain);
		EXPECT_EQ(mock_step(&d.vq, at, r->count),
			  vhdb_ring_base(&d.ring) & 0xffff);
		/* The used one has the driver's id. */
		vhdb_ring_push(&d.ring, d.chain.id, d.chain.count, 0);
		vhdb_ring_publish(&d.ring);
		mock_packed_get(&d.vq, at & ~WRAP, &len, &d.vq.head, &flags);
		EXPECT_EQ(r->id, d.vq.head);
	}
	dev_exit(&d);
	free(table);
}

TEST(broken_rules_packed)
{
	static const u64 more[] = {
		0, F_EVENT_IDX, F_IN_ORDER, F_IN_ORDER | F_IMPLIED,
	};
	u32 i, f;
	u16 pos;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		for (f = 0; f < sizeof(more) / sizeof(*more); f++)
			for (pos = 0; pos < 8; pos++)
				rule_run(_metadata, &rules[i], F_PACKED |
					 rules[i].features | more[f], pos);
}

/*
 * 2.8.1: of all that the flags can be, one pattern of two bits is available,
 * and it is another one in each lap.
 */
TEST(availability)
{
	u32 flags, lap;
	struct dev d;

	for (lap = 0; lap < 2; lap++) {
		ASSERT_EQ(0, dev_init(&d, 4, F_PACKED | F_INDIRECT, lap * 4,
				      4));
		for (flags = 0; flags < 65536; flags += SLOWER) {
			bool avail = (flags & USED_BOTH) ==
				     (lap ? 0x8000 : 0x0080);

			mock_packed_set(&d.vq, 0, ADDR(0), 1, 0, flags);
			ASSERT_EQ(0, dev_attach(&d, 4, mock_base(&d.vq),
						dev_fetch));
			d.fetch_err = -EFAULT;
			ASSERT_EQ(avail, vhdb_ring_has_work(&d.ring));
			ASSERT_EQ(avail, vhdb_ring_pop(&d.ring, &d.chain) != 0);
		}
		dev_exit(&d);
	}
}

/* ---- Suppression of notifications ---- */

/*
 * 2.8.10: every offset and wrap counter there is x positions of the ring in
 * both laps x batches.
 */
static void signals(struct __test_metadata *_metadata, u32 num)
{
	u32 event, nr, i, start;
	struct dev d;
	u16 old, new;
	bool want;

	ASSERT_EQ(0, dev_init(&d, num, F_PACKED | F_EVENT_IDX, 0, 1));
	for (start = 0; start < 2 * num; start++)
		for (nr = 1; nr <= num; nr++)
			for (event = 0; event < 65536; event += SLOWER) {
				old = start % num | (start < num ? WRAP : 0);
				d.ring.last_used = old & ~WRAP;
				d.ring.used_flags = old & WRAP ? USED_BOTH : 0;
				/* Not the first decision. */
				d.ring.told = true;
				mock_packed_set_event(&d.vq, event, EV_DESC);
				for (i = 0; i < nr; i++)
					vhdb_ring_push(&d.ring, 0, 1, 0);
				new = mock_step(&d.vq, old, nr);
				want = any_event(&d.vq, event, new, old);
				/* No position of the ring: either will do. */
				if ((event & ~WRAP) >= num) {
					vhdb_ring_publish(&d.ring);
					continue;
				}
				ASSERT_EQ(want, vhdb_ring_publish(&d.ring)) {
					TH_LOG("num %u old %x nr %u event %x",
					       num, old, nr, event);
				}
			}
	dev_exit(&d);
}

TEST(signal_events_packed)
{
	signals(_metadata, 1);
	signals(_metadata, 3);
	signals(_metadata, 5);
	signals(_metadata, 8);
}

/* One slot at a time around the largest rings, asked for near the wrap. */
TEST(signal_largest_packed)
{
	static const u32 nums[] = { 32767, 32768 };
	static const s32 delta[] = { -2, -1, 0, 1, 2 };
	u32 n, i, k, step;
	struct dev d;
	u16 old, new, event;

	for (n = 0; n < 2; n++) {
		ASSERT_EQ(0, dev_init(&d, nums[n], F_PACKED | F_EVENT_IDX, 0,
				      1));
		old = d.vq.next_avail;
		d.ring.told = true;
		for (i = 0; i < 40; i++)
			for (k = 0; k < 5; k++) {
				step = i % 2 ? 16381 : 3;
				new = mock_step(&d.vq, old, step);
				event = mock_step(&d.vq, k % 2 ? old : new,
						  (delta[k] + 2 * nums[n]) %
						  (2 * nums[n]));
				mock_packed_set_event(&d.vq, event, EV_DESC);
				vhdb_ring_push(&d.ring, 0, step, 0);
				ASSERT_EQ(any_event(&d.vq, event, new, old),
					  vhdb_ring_publish(&d.ring));
				old = new;
			}
		dev_exit(&d);
	}
}

/* 2.8.10, 2.8.14: every value of the flags, with event indices and without. */
TEST(signal_flags_packed)
{
	u32 flags, f;
	struct dev d;
	bool want;

	for (f = 0; f < 2; f++) {
		ASSERT_EQ(0, dev_init(&d, 4, F_PACKED | (f ? F_EVENT_IDX : 0),
				      0, 1));
		d.ring.told = true;
		for (flags = 0; flags < 65536; flags += SLOWER) {
			/* A position that is not passed. */
			mock_packed_set_event(&d.vq,
					      vhdb_ring_base(&d.ring) >> 16 ^
					      WRAP, flags);
			vhdb_ring_push(&d.ring, 0, 1, 0);
			want = (flags & 3) == EV_DISABLE ? false :
			       (flags & 3) == EV_DESC ? !f : true;
			ASSERT_EQ(want, vhdb_ring_publish(&d.ring)) {
				TH_LOG("flags %x event_idx %u", flags, f);
			}
			ASSERT_FALSE(vhdb_ring_publish(&d.ring));
		}
		dev_exit(&d);
	}
}

/* What came before the first decision is not known. */
TEST(signal_first_packed)
{
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 4, F_PACKED | F_EVENT_IDX, 0, 1));
	mock_packed_set_event(&d.vq, WRAP | 3, EV_DESC);
	vhdb_ring_push(&d.ring, 0, 1, 0);
	EXPECT_TRUE(vhdb_ring_publish(&d.ring));
	vhdb_ring_push(&d.ring, 0, 1, 0);
	EXPECT_FALSE(vhdb_ring_publish(&d.ring));
	dev_exit(&d);
}

/* 2.8.10: what the device asks for, at each position. */
TEST_F(any, enable_notify_packed)
{
	bool event_idx = variant->features & F_EVENT_IDX;
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	u16 pos, off_wrap, flags, i;
	struct dev *d = &self->d;
	struct mock_used used;

	if (!(variant->features & F_PACKED))
		return;
	ASSERT_EQ(0, dev_init(d, 5, variant->features, 3, 1));
	for (i = 0; i < 25; i++) {
		pos = d->vq.next_avail;
		vhdb_ring_disable_notify(&d->ring);
		mock_packed_device_event(&d->vq, &off_wrap, &flags);
		ASSERT_EQ(EV_DISABLE, flags);
		ASSERT_FALSE(vhdb_ring_enable_notify(&d->ring));
		mock_packed_device_event(&d->vq, &off_wrap, &flags);
		ASSERT_EQ(event_idx ? EV_DESC : EV_ENABLE, flags);
		if (event_idx)
			ASSERT_EQ(pos, off_wrap);
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
		mock_show(&d->vq);
		ASSERT_TRUE(mock_need_kick(&d->vq));
		ASSERT_TRUE(vhdb_ring_enable_notify(&d->ring));
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
		vhdb_ring_publish(&d->ring);
		ASSERT_EQ(1, mock_get(&d->vq, &used));
	}
	dev_exit(d);
}

/* 2.8.10: the slot that is so far ahead, at each position, over the end. */
TEST_F(any, notify_ahead_packed)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	u16 off_wrap, flags, want, nr, i, j;
	struct dev *d = &self->d;
	struct mock_used used;

	if (!(variant->features & F_PACKED) ||
	    !(variant->features & F_EVENT_IDX))
		return;
	ASSERT_EQ(0, dev_init(d, 5, variant->features, 3, 1));
	for (i = 0; i < 100; i++) {
		nr = i % 5 + 1;
		want = d->vq.next_avail + nr - 1;
		if ((want & (WRAP - 1)) >= 5)
			want = (want - 5) ^ WRAP;
		for (j = 1; j <= nr; j++) {
			ASSERT_FALSE(vhdb_ring_notify_ahead(&d->ring, nr));
			mock_packed_device_event(&d->vq, &off_wrap, &flags);
			ASSERT_EQ(EV_DESC, flags);
			ASSERT_EQ(want, off_wrap);
			ASSERT_EQ(0, mock_add(&d->vq, &buf));
			mock_show(&d->vq);
			ASSERT_EQ(j == nr, mock_need_kick(&d->vq));
		}
		ASSERT_TRUE(vhdb_ring_notify_ahead(&d->ring, nr));
		for (j = 0; j < nr; j++) {
			ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
			vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
		}
		vhdb_ring_publish(&d->ring);
		for (j = 0; j < nr; j++)
			ASSERT_EQ(1, mock_get(&d->vq, &used));
	}
	dev_exit(d);
}

/* ---- Used descriptors ---- */

/*
 * 2.8.2, 2.8.15: the first of a batch is marked used last, behind a barrier;
 * length, id and WRITE are as they should be.
 */
static u16 flags_at_barrier;

static void batch_barrier(enum shim_barrier kind)
{
	u32 len[3];
	u16 id[3], flags[3], i;

	for (i = 0; i < 3; i++)
		mock_packed_get(&hooked->vq, (i + 2) % 4, &len[i], &id[i],
				&flags[i]);
	if (kind == SHIM_MB) {
		flags_at_barrier |= flags[0] == (USED_BOTH | W) ? 2 : 0;
		/* The flags have moved; the wish is still to be read. */
		mock_packed_set_event(&hooked->vq, 0, EV_ENABLE);
		return;
	}
	/* At the barrier for writes, all is there but the first's flags. */
	if ((flags[0] & USED_BOTH) != USED_BOTH && len[0] == 11 &&
	    id[0] == 0x1234 && flags[1] == USED_BOTH && len[1] == 0 &&
	    id[1] == 7 && flags[2] == W && len[2] == ~0U && id[2] == 0xffff)
		flags_at_barrier |= 1;
}

TEST(used_batch)
{
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 4, F_PACKED, 2, 1));
	hooked = &d;
	mock_packed_set_event(&d.vq, 0, EV_DISABLE);
	EXPECT_EQ(2, vhdb_ring_used_pos(&d.ring));
	vhdb_ring_push(&d.ring, 0x1234, 1, 11);
	vhdb_ring_push(&d.ring, 7, 1, 0);
	vhdb_ring_push(&d.ring, 0xffff, 1, ~0U);
	shim_hooks.barrier = batch_barrier;
	EXPECT_TRUE(vhdb_ring_publish(&d.ring));
	shim_hooks.barrier = NULL;
	EXPECT_EQ(3, flags_at_barrier);
	EXPECT_EQ(1, vhdb_ring_base(&d.ring) >> 16);
	EXPECT_EQ(1, vhdb_ring_used_pos(&d.ring));
	dev_exit(&d);
}

/* pop: between the flags of the first and what they announce. */
static u32 rmbs;

static void pop_barrier(enum shim_barrier kind)
{
	if (rmbs++)
		return;
	mock_packed_set(&hooked->vq, 0, ADDR(1), 11, 9,
			W | mock_packed_avail(WRAP));
}

TEST(barrier_pop_packed)
{
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 2, F_PACKED, 0, 1));
	hooked = &d;
	mock_packed_set(&d.vq, 0, ADDR(0), 10, 1, W | mock_packed_avail(WRAP));
	shim_hooks.barrier = pop_barrier;
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	shim_hooks.barrier = NULL;
	EXPECT_EQ(1, rmbs);
	EXPECT_EQ(ADDR(1), d.chain.segs[0].addr);
	EXPECT_EQ(11, d.chain.segs[0].len);
	EXPECT_EQ(9, d.chain.id);
	dev_exit(&d);
}

static void spoil(const void *p, size_t size)
{
	const char *desc = hooked->vq.desc, *at = p;

	if (at >= desc && at < desc + 16 * hooked->vq.num)
		memset((void *)p, 0xff, size);
}

/* Each field is read once: what the driver does to it later has no effect. */
TEST(read_once_packed)
{
	struct dev d;
	u32 i;

	ASSERT_EQ(0, dev_init(&d, 4, F_PACKED, 1, 4));
	hooked = &d;
	for (i = 0; i < 3; i++)
		mock_packed_set(&d.vq, 1 + i, ADDR(i), i + 1, 40 + i,
				(i < 2 ? N : W) | mock_packed_avail(WRAP));
	shim_hooks.read = spoil;
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	shim_hooks.read = NULL;
	EXPECT_EQ(2, d.chain.nr_out);
	EXPECT_EQ(1, d.chain.nr_in);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(ADDR(i), d.chain.segs[i].addr);
		EXPECT_EQ(i + 1, d.chain.segs[i].len);
	}
	EXPECT_EQ(42, d.chain.id);
	dev_exit(&d);
}

/* ---- In order ---- */

/* 2.7.9, 2.8.8: one element for a batch, at the place of its first. */
TEST_F(any, one_element_for_a_batch)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 100 };
	struct mock_buf buf = { .segs = &seg, .nr_in = 1 };
	struct dev *d = &self->d;
	struct mock_used used;
	u16 ids[4];
	u32 i;

	if (!(variant->features & F_IMPLIED))
		return;
	ASSERT_EQ(0, dev_init(d, 4, variant->features, 1, 1));
	for (i = 0; i < 4; i++) {
		buf.token = i;
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
	}
	mock_show(&d->vq);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		ids[i] = d->chain.id;
	}
	/* Early ones are not shown. */
	vhdb_ring_push(&d->ring, ids[2], 1, 3);
	EXPECT_FALSE(vhdb_ring_publish(&d->ring));
	EXPECT_EQ(0, mock_get(&d->vq, &used));
	vhdb_ring_push(&d->ring, ids[1], 1, 2);
	vhdb_ring_publish(&d->ring);
	EXPECT_EQ(0, mock_get(&d->vq, &used));
	vhdb_ring_push(&d->ring, ids[0], 1, 1);
	vhdb_ring_publish(&d->ring);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, mock_get(&d->vq, &used));
		EXPECT_EQ(i, used.token);
		/* Of those that were skipped the length is not told. */
		EXPECT_EQ(i < 2 ? 100 : 3, used.len);
	}
	EXPECT_EQ(0, mock_get(&d->vq, &used));
	vhdb_ring_push(&d->ring, ids[3], 1, 4);
	vhdb_ring_publish(&d->ring);
	ASSERT_EQ(1, mock_get(&d->vq, &used));
	EXPECT_EQ(3, used.token);
	EXPECT_EQ(4, used.len);
	dev_exit(d);
}

/* A driver that offers more than it got back, while the device waits. */
TEST_F(any, more_than_the_ring_holds)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 100 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	bool packed = variant->features & F_PACKED;
	struct dev *d = &self->d;
	u16 at;
	u32 i;

	if (!(variant->features & F_IN_ORDER))
		return;
	ASSERT_EQ(0, dev_init(d, 4, variant->features, 0, 1));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
	mock_show(&d->vq);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		/* All but the first are done. */
		if (i)
			vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
	}
	vhdb_ring_publish(&d->ring);
	at = d->vq.next_avail;
	if (packed) {
		mock_packed_set(&d->vq, at, ADDR(0), 1, 0,
				mock_packed_avail(at));
	} else {
		mock_split_set_avail(&d->vq, at, 0);
		mock_split_set_avail_idx(&d->vq, at + 1);
	}
	EXPECT_EQ(-VHDB_RING_EFULL, vhdb_ring_pop(&d->ring, &d->chain));
	/* Once the first is done, there is room. */
	vhdb_ring_push(&d->ring, 0, 1, 0);
	vhdb_ring_publish(&d->ring);
	if (packed)
		mock_packed_set(&d->vq, at, ADDR(0), 1, 0,
				mock_packed_avail(at));
	EXPECT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	dev_exit(d);
}

/* 2.7.5: heads and next follow each other in the table. */
TEST(split_in_order_sequence)
{
	struct dev d;
	u32 i;

	ASSERT_EQ(0, dev_init(&d, 4, F_IN_ORDER, 0, 4));
	for (i = 0; i < 4; i++)
		mock_desc_set(d.vq.desc, i, ADDR(i), 1, 0, 0);
	/* The first may be anywhere: a ring that is gone on with. */
	offer(&d, 2);
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	EXPECT_EQ(2, d.chain.id);
	offer(&d, 3);
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	offer(&d, 1);
	ASSERT_EQ(-VHDB_RING_ESEQUENCE, vhdb_ring_pop(&d.ring, &d.chain));
	dev_exit(&d);

	ASSERT_EQ(0, dev_init(&d, 4, F_IN_ORDER, 0, 4));
	for (i = 0; i < 4; i++)
		mock_desc_set(d.vq.desc, i, ADDR(i), 1, i < 2 ? N : 0,
			      i + 1);
	mock_desc_set(d.vq.desc, 3, ADDR(3), 1, N, 0);
	offer(&d, 3);
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	EXPECT_EQ(4, d.chain.count);
	dev_exit(&d);

	/* Anywhere in the table, that is. */
	ASSERT_EQ(0, dev_init(&d, 4, F_IN_ORDER, 0, 4));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, 0, 0);
	for (i = 4; i <= 0xffff; i += i < 8 ? 1 : 0x1fff) {
		offer(&d, i);
		ASSERT_EQ(-VHDB_RING_EINDEX, vhdb_ring_pop(&d.ring, &d.chain));
	}
	dev_exit(&d);

	/* What next says is not looked at: it is the one behind. */
	ASSERT_EQ(0, dev_init(&d, 4, F_IN_ORDER, 0, 4));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, N, 2);
	mock_desc_set(d.vq.desc, 1, ADDR(1), 1, 0, 0);
	mock_desc_set(d.vq.desc, 2, ADDR(2), 1, 0, 0);
	offer(&d, 0);
	ASSERT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	EXPECT_EQ(2, d.chain.count);
	EXPECT_EQ(ADDR(1), d.chain.segs[1].addr);
	dev_exit(&d);
}

TEST_HARNESS_MAIN
