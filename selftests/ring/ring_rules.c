// SPDX-License-Identifier: GPL-2.0
/*
 * Each rule that a driver can break, with its neighbours that are allowed: the
 * virtqueue engine (drivers/vhost-doorbell/ring*.c) answers with the error
 * that ring.h gives to it.
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#include "ring_rule.h"

struct shim_hooks shim_hooks;

/* The last three descriptors' flags are set so that nothing ends by luck. */
static const struct rule rules[] = { {
	.name = "one to read",
	.desc = { { ADDR(0), 1, 0, 0xffff } },
	.ret = 1, .nr_out = 1,
}, {
	.name = "one to write",
	.desc = { { ADDR(0), 1, W, 0xffff } },
	.ret = 1, .nr_in = 1,
}, {
	.name = "last descriptor as head",
	.desc = { [3] = { ADDR(0), 1, 0, 4 } }, .head = 3,
	.ret = 1, .nr_out = 1,
}, {
	.name = "head out of range",
	.head = 4,
	.ret = -VHDB_RING_EINDEX,
}, {
	.name = "head far out of range",
	.head = 0xffff,
	.ret = -VHDB_RING_EINDEX,
}, {
	.name = "head out of range, masked it would be good",
	.desc = { { ADDR(0), 1, 0, 0 } }, .head = 0x100,
	.ret = -VHDB_RING_EINDEX,
}, {
	.name = "as long as the queue",
	.desc = { { ADDR(0), 1, N, 3 }, { ADDR(3), 1, W, 0 },
		  { ADDR(2), 1, N | W, 1 }, { ADDR(1), 1, N, 2 } },
	.ret = 1, .nr_out = 2, .nr_in = 2,
}, {
	.name = "next out of range",
	.desc = { { ADDR(0), 1, N, 4 } },
	.ret = -VHDB_RING_EINDEX,
}, {
	.name = "next out of range in a chain",
	.desc = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N | W, 0x8001 } },
	.ret = -VHDB_RING_EINDEX,
}, {
	.name = "loop of one",
	.desc = { { ADDR(0), 0, N, 0 } },
	.ret = -VHDB_RING_ELOOP,
}, {
	.name = "loop of two",
	.desc = { { ADDR(0), 0, N | W, 1 }, { ADDR(1), 0, N | W, 0 } },
	.ret = -VHDB_RING_ELOOP,
}, {
	.name = "loop that the head isn't part of",
	.desc = { [1] = { ADDR(1), 0, N, 3 }, { ADDR(0), 1, N, 3 },
		  { ADDR(0), 0, N, 1 } }, .head = 2,
	.ret = -VHDB_RING_ELOOP,
}, {
	.name = "loop of pieces",
	.desc = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		  { ADDR(2), 1, N, 3 }, { ADDR(3), 1, N, 0 } },
	.ret = -VHDB_RING_ELOOP,
}, {
	.name = "read after write",
	.desc = { { ADDR(0), 1, N | W, 1 }, { ADDR(1), 1, 0, 0 } },
	.ret = -VHDB_RING_EORDER,
}, {
	.name = "read of nothing after write",
	.desc = { { ADDR(0), 1, N | W, 1 }, { ADDR(1), 0, 0, 0 } },
	.ret = -VHDB_RING_EORDER,
}, {
	.name = "pieces of nothing are not seen",
	.desc = { { ADDR(9), 0, N, 1 }, { ADDR(0), 1, N, 2 },
		  { ADDR(1), 1, N | W, 3 }, { ADDR(9), 0, W, 0 } },
	.ret = 1, .nr_out = 1, .nr_in = 1,
}, {
	.name = "a buffer of nothing",
	.desc = { { ADDR(9), 0, N, 1 }, { ADDR(9), 0, W, 0 } },
	.ret = 1,
}, {
	.name = "indirect not negotiated",
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "indirect",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0xffff } },
	.table = { { ADDR(0), 1, N, 2 }, { ADDR(2), 1, W, 0xffff },
		   { ADDR(1), 1, N, 1 } }, .table_len = 48,
	.ret = 1, .nr_out = 2, .nr_in = 1, .fetches = 1,
}, {
	.name = "indirect, and WRITE, which is ignored (2.7.5.3.2)",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I | W, 0xffff } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, W, 2 } },
	.table_len = 32,
	.ret = 1, .nr_out = 1, .nr_in = 1, .fetches = 1,
}, {
	.name = "direct ones, then indirect (2.7.5.3.2)",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		  { 0, 0, I, 0 } },
	.table = { { ADDR(2), 1, W, 0 } }, .table_len = 16,
	.ret = 1, .nr_out = 2, .nr_in = 1, .fetches = 1,
}, {
	.name = "indirect at the end of a chain as long as the queue",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		  { ADDR(2), 1, N, 3 }, { 0, 0, I, 0 } },
	.table = { { ADDR(3), 1, 0, 0 } }, .table_len = 16,
	.ret = 1, .nr_out = 4, .fetches = 1,
}, {
	.name = "write, then read in the table",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N | W, 1 }, { 0, 0, I, 0 } },
	.table = { { ADDR(2), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EORDER, .fetches = 1,
}, {
	.name = "read after write, both in the table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N | W, 1 }, { ADDR(2), 1, 0, 0 } },
	.table_len = 32,
	.ret = -VHDB_RING_EORDER, .fetches = 1,
}, {
	.name = "indirect and next",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I | N, 1 }, { ADDR(1), 1, 0, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "table in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 16, I, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_EINDIRECT, .fetches = 1,
}, {
	.name = "table in a table, second entry, with a next",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(0), 0, I | N | W, 0 } },
	.table_len = 32,
	.ret = -VHDB_RING_EINDIRECT, .fetches = 1,
}, {
	.name = "empty table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.ret = -VHDB_RING_EINDIRECT,
}, {
	.name = "table of a part of an entry",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, 0, 0 } }, .table_len = 8,
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
	.name = "table too large by 65,536",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table_len = 16 * (65536 + 1),
	.ret = -VHDB_RING_ETOOBIG,
}, {
	.name = "table of almost 4 GiB",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table_len = 0xfffffff0,
	.ret = -VHDB_RING_ETOOBIG,
}, {
	.name = "table cannot be fetched",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table_len = 16, .fetch_err = -EFAULT,
	.ret = -EFAULT, .fetches = 1,
}, {
	.name = "table cannot be fetched, other error",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N, 1 }, { 0, 0, I, 0 } },
	.table_len = 16, .fetch_err = -EAGAIN,
	.ret = -EAGAIN, .fetches = 1,
}, {
	.name = "next out of range in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 2 }, { ADDR(1), 1, 0, 0 },
		   { ADDR(2), 1, 0, 0 } }, .table_len = 32,
	.ret = -VHDB_RING_EINDEX, .fetches = 1,
}, {
	.name = "next far out of range in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 0xffff } }, .table_len = 16,
	.ret = -VHDB_RING_EINDEX, .fetches = 1,
}, {
	.name = "next out of range in a table, though not in the queue",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, 0, 0 } },
	.table_len = 16,
	.ret = -VHDB_RING_EINDEX, .fetches = 1,
}, {
	.name = "loop in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 0, N, 1 }, { ADDR(1), 0, N, 0 } },
	.table_len = 32,
	.ret = -VHDB_RING_ELOOP, .fetches = 1,
}, {
	.name = "loop of pieces in a table, as many as allowed",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		   { ADDR(2), 1, N, 3 }, { ADDR(3), 1, N, 0 } },
	.table_len = 64,
	.ret = -VHDB_RING_ELOOP, .fetches = 1,
}, {
	.name = "loop of one in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 0 } }, .table_len = 16,
	.ret = -VHDB_RING_ELOOP, .fetches = 1,
}, {
	.name = "as many pieces as allowed, in a table, and one of nothing",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		   { ADDR(2), 1, N | W, 3 }, { ADDR(9), 0, N | W, 4 },
		   { ADDR(3), 1, W, 5 } }, .table_len = 80,
	.ret = 1, .nr_out = 2, .nr_in = 2, .fetches = 1,
}, {
	.name = "one piece too many, in a table",
	.features = F_INDIRECT,
	.desc = { { 0, 0, I, 0 } },
	.table = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		   { ADDR(2), 1, N | W, 3 }, { ADDR(3), 1, N | W, 4 },
		   { ADDR(4), 1, W, 5 } }, .table_len = 80,
	.ret = -VHDB_RING_ETOOBIG, .fetches = 1,
}, {
	.name = "one piece too many, direct and in a table",
	.features = F_INDIRECT,
	.desc = { { ADDR(0), 1, N, 1 }, { ADDR(1), 1, N, 2 },
		  { ADDR(2), 1, N, 3 }, { 0, 0, I, 0 } },
	.table = { { ADDR(3), 1, N | W, 1 }, { ADDR(4), 1, W, 5 } },
	.table_len = 32,
	.ret = -VHDB_RING_ETOOBIG, .fetches = 1,
} };

static void rule_check(struct __test_metadata *_metadata, const struct rule *r,
		       struct dev *d, u16 pos, int again)
{
	ASSERT_EQ(r->ret, vhdb_ring_pop(&d->ring, &d->chain)) {
		TH_LOG("%s, position %u", r->name, pos);
	}
	EXPECT_EQ(r->fetches * again, d->fetches) {
		TH_LOG("%s", r->name);
	}
	if (r->fetches)
		EXPECT_EQ(r->table_len, d->fetch_len);
	if (r->ret != 1)
		return;
	EXPECT_EQ(r->head, d->chain.id);
	rule_pieces(_metadata, r, &d->chain);
}

static void rule_run(struct __test_metadata *_metadata, const struct rule *r,
		     u64 features, u16 pos)
{
	struct vring_desc *table = NULL;
	const struct desc *t;
	struct dev d;
	u32 i, len;

	ASSERT_EQ(0, dev_init(&d, 4, features, pos, 4));
	d.fetch_err = r->fetch_err;
	len = r->table_len < sizeof(r->table) / sizeof(*t) * 16 ?
		r->table_len : 0;
	if (len) {
		/* An object of exactly that size. */
		table = malloc(len);
		ASSERT_NE(NULL, table);
		for (i = 0; i < len / 16; i++) {
			t = &r->table[i];
			mock_desc_set(table, i, t->addr, t->len, t->flags,
				      t->next);
		}
	}
	for (i = 0; i < 4; i++) {
		t = &r->desc[i];
		if (t->flags & I)
			mock_desc_set(d.vq.desc, i, mock_iova(table),
				      r->table_len, t->flags, t->next);
		else
			mock_desc_set(d.vq.desc, i, t->addr, t->len, t->flags,
				      t->next);
	}
	offer(&d, r->head);
	rule_check(_metadata, r, &d, pos, 1);
	if (r->fetches)
		EXPECT_EQ(mock_iova(table), d.fetch_addr);
	/* What was not taken is still there, and still as bad. */
	if (r->ret < 0)
		rule_check(_metadata, r, &d, pos, 2);
	else
		EXPECT_EQ(0, vhdb_ring_pop(&d.ring, &d.chain));
	dev_exit(&d);
	free(table);
}

TEST(broken_rules)
{
	static const u16 pos[] = { 0, 1, 3, 4, 32767, 32768, 65535 };
	u32 i, p;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		for (p = 0; p < sizeof(pos) / sizeof(*pos); p++) {
			rule_run(_metadata, &rules[i], rules[i].features,
				 pos[p]);
			rule_run(_metadata, &rules[i],
				 rules[i].features | F_EVENT_IDX, pos[p]);
		}
}

/* Limits that a ring of 4 does not reach: the largest ring, table and both. */
TEST(largest)
{
	u32 max = VHDB_RING_INDIRECT_MAX, i;
	struct vring_desc *table;
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 32768, F_INDIRECT, 65535, 4));
	table = malloc(sizeof(*table) * max);
	ASSERT_NE(NULL, table);

	/* A loop of zeroes through the whole of it, and a table at its end. */
	for (i = 0; i < 32768; i++)
		mock_desc_set(d.vq.desc, i, ADDR(9), 0, N, (i + 1) % 32768);
	offer(&d, 0);
	EXPECT_EQ(-VHDB_RING_ELOOP, vhdb_ring_pop(&d.ring, &d.chain));

	mock_desc_set(d.vq.desc, 32767, mock_iova(table), 16 * max, I, 0);
	for (i = 0; i < max; i++)
		mock_desc_set(table, i, ADDR(9), 0, N, (i + 1) % max);
	EXPECT_EQ(-VHDB_RING_ELOOP, vhdb_ring_pop(&d.ring, &d.chain));

	mock_desc_set(table, max - 1, ADDR(0), 7, W, 0);
	EXPECT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	EXPECT_EQ(0, d.chain.nr_out);
	EXPECT_EQ(1, d.chain.nr_in);
	EXPECT_EQ(ADDR(0), d.chain.segs[0].addr);
	EXPECT_EQ(7, d.chain.segs[0].len);

	offer(&d, 32768);
	EXPECT_EQ(-VHDB_RING_EINDEX, vhdb_ring_pop(&d.ring, &d.chain));
	dev_exit(&d);
	free(table);
}

/* A ring of one: every chain that goes on is a loop. */
TEST(smallest)
{
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 1, 0, 65535, 4));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, N, 0);
	offer(&d, 0);
	EXPECT_EQ(-VHDB_RING_ELOOP, vhdb_ring_pop(&d.ring, &d.chain));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, N, 1);
	EXPECT_EQ(-VHDB_RING_EINDEX, vhdb_ring_pop(&d.ring, &d.chain));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, 0, 1);
	EXPECT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	dev_exit(&d);

	/* 2.7.4.1: room for one piece, though a piece of nothing is none. */
	ASSERT_EQ(0, dev_init(&d, 2, 0, 0, 1));
	mock_desc_set(d.vq.desc, 0, ADDR(0), 1, N, 1);
	mock_desc_set(d.vq.desc, 1, ADDR(0), 0, 0, 0);
	offer(&d, 0);
	EXPECT_EQ(1, vhdb_ring_pop(&d.ring, &d.chain));
	EXPECT_EQ(1, d.chain.nr_out + d.chain.nr_in);
	mock_desc_set(d.vq.desc, 1, ADDR(0), 1, 0, 0);
	offer(&d, 0);
	EXPECT_EQ(-VHDB_RING_ETOOBIG, vhdb_ring_pop(&d.ring, &d.chain));
	dev_exit(&d);

	EXPECT_EQ(-EINVAL, dev_init(&d, 2, 0, 0, 0));
	dev_exit(&d);
}

/* 2.7.13: all jumps of the index, around the wrap, in rings of all sizes. */
TEST_F(ring, index_jump)
{
	static const u16 pos[] = { 0, 1, 32767, 32768, 65535 };
	struct dev *d = &self->d;
	u32 num, p, jump;
	int want;

	for (num = 1; num <= 32768; num *= 2) {
		ASSERT_EQ(0, dev_init(d, num, variant->features, 0, 1));
		/* Whichever is taken, it is a good one. */
		for (jump = 0; jump < num; jump++) {
			mock_desc_set(d->vq.desc, jump, ADDR(0), 1, 0, 0);
			mock_split_set_avail(&d->vq, jump, jump);
		}
		for (p = 0; p < sizeof(pos) / sizeof(*pos); p++)
			for (jump = 0; jump < 65536; jump += SLOWER) {
				mock_split_set_avail_idx(&d->vq, pos[p] + jump);
				ASSERT_EQ(0, dev_attach(d, num, pos[p],
							dev_fetch));
				want = !jump ? 0 : jump <= num ? 1 :
					-VHDB_RING_EJUMP;
				ASSERT_EQ(want, vhdb_ring_pop(&d->ring,
							      &d->chain));
				ASSERT_EQ(want < 0 || jump > 1,
					  vhdb_ring_has_work(&d->ring));
				/* One that is refused is not taken later. */
				if (want < 0) {
					ASSERT_EQ(want,
						  vhdb_ring_pop(&d->ring,
								&d->chain));
				}
			}
		dev_exit(d);
	}
}

/* Also an index that jumps, or goes back, after it was good. */
TEST_F(ring, index_jump_later)
{
	struct dev *d = &self->d;
	u16 pos = 65530;
	u32 i;

	ASSERT_EQ(0, dev_init(d, 4, variant->features, pos, 1));
	for (i = 0; i < 4; i++)
		mock_desc_set(d->vq.desc, i, ADDR(0), 1, 0, 0);
	for (i = 0; i < 20; i++, pos++) {
		offer(d, i % 4);
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		ASSERT_EQ(i % 4, d->chain.id);
	}
	/* 2.7.6.1: an index is not decremented */
	mock_split_set_avail_idx(&d->vq, pos - 1);
	EXPECT_EQ(-VHDB_RING_EJUMP, vhdb_ring_pop(&d->ring, &d->chain));
	mock_split_set_avail_idx(&d->vq, pos + 5);
	EXPECT_EQ(-VHDB_RING_EJUMP, vhdb_ring_pop(&d->ring, &d->chain));
	mock_split_set_avail_idx(&d->vq, pos + 4);
	EXPECT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	/* What was seen stays seen, so nobody waits for a ring for it. */
	mock_split_set_avail_idx(&d->vq, pos + 1);
	EXPECT_TRUE(vhdb_ring_has_work(&d->ring));
	EXPECT_TRUE(vhdb_ring_enable_notify(&d->ring));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	EXPECT_EQ(-VHDB_RING_EJUMP, vhdb_ring_pop(&d->ring, &d->chain));
	dev_exit(d);
}

TEST_HARNESS_MAIN
