// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of the virtqueue engine (drivers/vhost-doorbell/ring*.c):
 *
 *   - full and empty rings, the longest chains;
 *   - decisions about notifications, exhaustively around the wrap;
 *   - hooks: what happens between two accesses of the engine, made to happen.
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#include "ring_dev.h"

struct shim_hooks shim_hooks;

/* The ring under test, for hooks. */
static struct dev *hooked;

TEST(sizes)
{
	static const u32 bad[] = {
		0, 3, 5, 6, 7, 12, 255, 257, 32767, 32769, 65535, 65536, 98304,
		1U << 17, 1U << 31, (1U << 31) + 1, ~0U,
	};
	struct dev d;
	size_t i;
	u32 num;

	ASSERT_EQ(0, dev_init(&d, 8, 0, 0, 8));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, dev_attach(&d, bad[i], 0, dev_fetch));
	/* 2.7.6: an index has 16 bits */
	EXPECT_EQ(0, dev_attach(&d, 8, 65535, dev_fetch));
	EXPECT_EQ(-EINVAL, dev_attach(&d, 8, 65536, dev_fetch));
	EXPECT_EQ(-EINVAL, dev_attach(&d, 8, ~0U, dev_fetch));
	dev_exit(&d);

	/* The table of 2.7. */
	for (num = 1; num <= 32768; num *= 2) {
		ASSERT_EQ(0, dev_init(&d, num, 0, 0, 8));
		EXPECT_EQ(num, d.ring.num);
		EXPECT_EQ(mock_split.desc_size(num),
			  vhdb_ring_area_size(0, num, VHDB_AREA_DESC));
		EXPECT_EQ(mock_split.driver_size(num),
			  vhdb_ring_area_size(0, num, VHDB_AREA_DRIVER));
		EXPECT_EQ(mock_split.device_size(num),
			  vhdb_ring_area_size(0, num, VHDB_AREA_DEVICE));
		dev_exit(&d);
	}
}

/* 2.7.10.2: with event indices the flags are 0, whatever was there before. */
TEST_F(ring, flags_at_start)
{
	struct dev *d = &self->d;

	ASSERT_EQ(0, dev_init(d, 8, variant->features, 0, 1));
	memset(d->vq.device, 0xff, sizeof(u16));
	ASSERT_EQ(0, dev_attach(d, 8, 0, dev_fetch));
	EXPECT_EQ(variant->features & F_EVENT_IDX ? 0 : 0xffff,
		  mock_split_used_flags(&d->vq));
	dev_exit(d);
}

/* Empty, full, empty again; at each position of the index. */
TEST_F(ring, full)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	struct dev *d = &self->d;
	struct mock_used used;
	u32 num, i, round;

	for (num = 1; num <= 32768; num *= 2) {
		ASSERT_EQ(0, dev_init(d, num, variant->features, 65535, 1));
		for (round = 0; round <= 65536 / num / SLOWER; round++) {
			ASSERT_FALSE(vhdb_ring_has_work(&d->ring));
			ASSERT_EQ(0, vhdb_ring_pop(&d->ring, &d->chain));
			for (i = 0; i < num; i++)
				ASSERT_EQ(0, mock_add(&d->vq, &buf));
			ASSERT_EQ(-ENOSPC, mock_add(&d->vq, &buf));
			ASSERT_EQ(0, vhdb_ring_pop(&d->ring, &d->chain));
			mock_show(&d->vq);
			for (i = 0; i < num; i++) {
				ASSERT_TRUE(vhdb_ring_has_work(&d->ring));
				ASSERT_EQ(1, vhdb_ring_pop(&d->ring,
							   &d->chain));
				vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
				ASSERT_EQ(0, mock_get(&d->vq, &used));
			}
			ASSERT_EQ(0, vhdb_ring_pop(&d->ring, &d->chain));
			vhdb_ring_publish(&d->ring);
			for (i = 0; i < num; i++)
				ASSERT_EQ(1, mock_get(&d->vq, &used));
			ASSERT_EQ(0, mock_get(&d->vq, &used));
			ASSERT_FALSE(vhdb_ring_publish(&d->ring));
		}
		dev_exit(d);
	}
}

/* The longest chains that there can be. */
TEST_F(ring, longest)
{
	struct dev *d = &self->d;
	struct mock_used used;
	struct mock_seg *segs;
	struct mock_buf buf;
	u32 num, i, nr;

	segs = calloc(32768, sizeof(*segs));
	ASSERT_NE(NULL, segs);
	for (i = 0; i < 32768; i++) {
		segs[i].addr = ADDR(i);
		segs[i].len = i + 1;
	}
	for (num = 1; num <= 32768; num *= 2) {
		nr = variant->features & F_INDIRECT ? 1024 : num;
		ASSERT_EQ(0, dev_init(d, num, variant->features, 0, nr));
		buf = (struct mock_buf){
			.segs = segs,
			.nr_out = nr / 2,
			.nr_in = nr - nr / 2,
			.indirect = variant->features & F_INDIRECT,
			.token = num,
		};
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
		mock_show(&d->vq);
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		ASSERT_EQ(buf.nr_out, d->chain.nr_out);
		ASSERT_EQ(buf.nr_in, d->chain.nr_in);
		for (i = 0; i < nr; i++) {
			ASSERT_EQ(segs[i].addr, d->chain.segs[i].addr);
			ASSERT_EQ(segs[i].len, d->chain.segs[i].len);
		}
		vhdb_ring_push(&d->ring, d->chain.id, 1, 1);
		vhdb_ring_publish(&d->ring);
		ASSERT_EQ(1, mock_get(&d->vq, &used));
		EXPECT_EQ(num, used.token);
		EXPECT_EQ(1, used.len);
		dev_exit(d);
	}
	free(segs);
}

/* Nothing is cut off on the way through a used element. */
TEST_F(ring, used_element)
{
	struct dev *d = &self->d;
	u32 id, len;

	ASSERT_EQ(0, dev_init(d, 32768, variant->features, 65534, 1));
	EXPECT_EQ(65534, vhdb_ring_used_pos(&d->ring));
	vhdb_ring_push(&d->ring, 32767, 1, ~0U);
	vhdb_ring_push(&d->ring, 258, 1, 0x01020304);
	vhdb_ring_push(&d->ring, 0, 1, 0);
	EXPECT_EQ(65534, mock_split_used_idx(&d->vq));
	vhdb_ring_publish(&d->ring);
	EXPECT_EQ(1, mock_split_used_idx(&d->vq));
	EXPECT_EQ(1, vhdb_ring_used_pos(&d->ring));
	mock_split_used(&d->vq, 65534, &id, &len);
	EXPECT_EQ(32767, id);
	EXPECT_EQ(~0U, len);
	mock_split_used(&d->vq, 65535, &id, &len);
	EXPECT_EQ(258, id);
	EXPECT_EQ(0x01020304, len);
	mock_split_used(&d->vq, 0, &id, &len);
	EXPECT_EQ(0, id);
	EXPECT_EQ(0, len);
	dev_exit(d);
}

/* ---- Suppression of notifications ---- */

/* A ring at @pos that has made its first decision, which is always yes. */
static void decided_at(struct __test_metadata *_metadata, struct dev *d,
		       u16 pos)
{
	mock_split_set_used_idx(&d->vq, pos - 1);
	ASSERT_EQ(0, dev_attach(d, d->vq.num, pos, dev_fetch));
	vhdb_ring_push(&d->ring, 0, 1, 0);
	/* Even if the driver asked for none: a second one is harmless. */
	mock_split_set_used_event(&d->vq, pos + 5);
	ASSERT_TRUE(vhdb_ring_publish(&d->ring));
	ASSERT_EQ(pos, mock_split_used_idx(&d->vq));
}

static void decide(struct __test_metadata *_metadata, struct dev *d, u16 old,
		   u32 nr, u16 event)
{
	u32 i;

	mock_split_set_used_event(&d->vq, event);
	for (i = 0; i < nr; i++)
		vhdb_ring_push(&d->ring, 0, 1, 0);
	ASSERT_EQ(model_event(event, old + nr, old),
		  vhdb_ring_publish(&d->ring)) {
		TH_LOG("old %u nr %u event %u", old, nr, event);
	}
}

/* 2.7.7.2: all events x positions around the wrap x batches. */
TEST(signal_events)
{
	u32 event, at, nr;
	struct dev d;
	u16 old;

	ASSERT_EQ(0, dev_init(&d, 8, F_EVENT_IDX, 0, 1));
	for (at = 0; at < 16; at++) {
		old = at - 8;
		for (nr = 1; nr <= 8; nr++)
			for (event = 0; event < 65536; event += SLOWER) {
				decided_at(_metadata, &d, old);
				decide(_metadata, &d, old, nr, event);
			}
	}
	dev_exit(&d);
}

/* 2.7.7.2: all positions x events around them x batches; no restart. */
TEST(signal_positions)
{
	u32 i, nr, delta;
	struct dev d;
	u16 old = 0;

	ASSERT_EQ(0, dev_init(&d, 4, F_EVENT_IDX, 0, 1));
	decided_at(_metadata, &d, old);
	for (nr = 1; nr <= 4; nr++)
		for (delta = 0; delta < 16; delta++)
			/* 65535 steps of each kind, which 1..4 don't divide */
			for (i = 0; i < 65535 / SLOWER; i++, old += nr)
				decide(_metadata, &d, old, nr,
				       old + delta - 8);
	dev_exit(&d);
}

/* The largest batches: half of all positions at once. */
TEST(signal_largest)
{
	u32 event, at;
	struct dev d;
	u16 old;

	ASSERT_EQ(0, dev_init(&d, 32768, F_EVENT_IDX, 0, 1));
	for (at = 0; at < 3; at++) {
		for (event = 0; event < 65536; event += 61 * SLOWER) {
			old = at * 16384 + 32767;
			decided_at(_metadata, &d, old);
			decide(_metadata, &d, old, 32768 - at, event);
		}
	}
	dev_exit(&d);
}

/* 2.7.7.2: without event indices bit 0 of the flags alone decides. */
TEST(signal_flags)
{
	u32 flags, event;
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, 4, 0, 65500, 1));
	for (flags = 0; flags < 65536; flags += SLOWER) {
		mock_split_set_avail_flags(&d.vq, flags);
		/* used_event is ignored */
		event = mock_split_used_idx(&d.vq) + (flags / 2) % 3 - 1;
		mock_split_set_used_event(&d.vq, event);
		vhdb_ring_push(&d.ring, 0, 1, 0);
		ASSERT_EQ(!(flags & 1), vhdb_ring_publish(&d.ring));
		/* Nothing new: no signal whatever the flags say. */
		ASSERT_FALSE(vhdb_ring_publish(&d.ring));
	}
	dev_exit(&d);

	/* With event indices bit 0 of the flags is ignored. */
	ASSERT_EQ(0, dev_init(&d, 4, F_EVENT_IDX, 0, 1));
	for (flags = 0; flags < 2; flags++) {
		mock_split_set_avail_flags(&d.vq, flags);
		decided_at(_metadata, &d, 7);
		decide(_metadata, &d, 7, 1, 7);
		decide(_metadata, &d, 8, 1, 7);
		ASSERT_FALSE(vhdb_ring_publish(&d.ring));
	}
	dev_exit(&d);
}

/* 2.7.10.2: at all positions: what is written, what isn't, what is answered. */
TEST_F(ring, enable_notify)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	bool event_idx = variant->features & F_EVENT_IDX;
	struct dev *d = &self->d;
	struct mock_used used;
	u32 i;
	u16 pos = 0x1234;

	ASSERT_EQ(0, dev_init(d, 4, variant->features, pos, 1));
	for (i = 0; i < 65536 / SLOWER + 10; i++, pos++) {
		vhdb_ring_disable_notify(&d->ring);
		ASSERT_EQ(!event_idx, mock_split_used_flags(&d->vq));
		ASSERT_FALSE(vhdb_ring_enable_notify(&d->ring));
		ASSERT_EQ(0, mock_split_used_flags(&d->vq));
		ASSERT_EQ(event_idx ? pos : 0x1234,
			  mock_split_avail_event(&d->vq));

		/* One came after pop() said that there is none. */
		vhdb_ring_disable_notify(&d->ring);
		ASSERT_EQ(0, vhdb_ring_pop(&d->ring, &d->chain));
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
		mock_show(&d->vq);
		ASSERT_TRUE(vhdb_ring_enable_notify(&d->ring));

		/* One is left of those that were seen already. */
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
		ASSERT_TRUE(vhdb_ring_enable_notify(&d->ring));
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
		vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
		vhdb_ring_publish(&d->ring);
		ASSERT_EQ(1, mock_get(&d->vq, &used));
		ASSERT_EQ(1, mock_get(&d->vq, &used));
		pos++;
	}
	dev_exit(d);
}

/* 2.7.10.2: at all positions: it is rung for the one that is so far ahead. */
TEST_F(ring, notify_ahead)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	struct dev *d = &self->d;
	struct mock_used used;
	u32 i, j, nr;
	u16 pos = 0x1234;

	if (!(variant->features & F_EVENT_IDX))
		return;
	ASSERT_EQ(0, dev_init(d, 4, variant->features, pos, 1));
	for (i = 0; i < 65536 / SLOWER / 4 + 10; i++) {
		nr = i % 4 + 1;
		for (j = 1; j <= nr; j++) {
			ASSERT_FALSE(vhdb_ring_notify_ahead(&d->ring, nr));
			ASSERT_EQ((u16)(pos + nr - 1),
				  mock_split_avail_event(&d->vq));
			ASSERT_EQ(0, mock_add(&d->vq, &buf));
			mock_show(&d->vq);
			ASSERT_EQ(j == nr, mock_need_kick(&d->vq));
		}
		ASSERT_TRUE(vhdb_ring_notify_ahead(&d->ring, nr));
		for (j = 0; j < nr; j++) {
			/* Some were seen before, and one more is there. */
			ASSERT_TRUE(vhdb_ring_notify_ahead(&d->ring, nr - j));
			ASSERT_FALSE(vhdb_ring_notify_ahead(&d->ring,
							    nr - j + 1));
			ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
			vhdb_ring_push(&d->ring, d->chain.id, 1, 0);
		}
		vhdb_ring_publish(&d->ring);
		for (j = 0; j < nr; j++)
			ASSERT_EQ(1, mock_get(&d->vq, &used));
		pos += nr;
	}
	dev_exit(d);
}

/* ---- In the middle of the engine ---- */

static u32 barriers[3];
static u16 idx_at_barrier;

/* How often the driver's index and its other fields were read. */
static u32 reads_idx;
static u32 reads_other;

static void count_reads(const void *p, size_t size)
{
	if (p == (const char *)hooked->vq.driver + 2 && size == 2)
		reads_idx++;
	else
		reads_other++;
}

/* pop: between the index and what it announces. */
static void pop_barrier(enum shim_barrier kind)
{
	if (kind == SHIM_WMB || !reads_idx)
		return;
	barriers[kind]++;
	mock_split_set_avail(&hooked->vq, 0, 1);
	mock_desc_set(hooked->vq.desc, 1, ADDR(1), 11, W, 0);
}

TEST_F(ring, barrier_pop)
{
	struct dev *d = &self->d;

	ASSERT_EQ(0, dev_init(d, 2, variant->features, 0, 1));
	hooked = d;
	mock_desc_set(d->vq.desc, 0, ADDR(0), 10, 0, 0);
	mock_desc_set(d->vq.desc, 1, ADDR(0), 10, 0, 0);
	offer(d, 0);
	shim_hooks.read = count_reads;
	shim_hooks.barrier = pop_barrier;
	ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	shim_hooks.barrier = NULL;
	shim_hooks.read = NULL;
	EXPECT_EQ(1, reads_idx);
	EXPECT_GE(barriers[SHIM_RMB] + barriers[SHIM_MB], 1);
	EXPECT_EQ(1, d->chain.id);
	EXPECT_EQ(1, d->chain.nr_in);
	EXPECT_EQ(11, d->chain.segs[0].len);
	dev_exit(d);
}

/* publish: elements | index | the driver's wish. */
static void publish_barrier(enum shim_barrier kind)
{
	u16 idx = mock_split_used_idx(&hooked->vq);
	u32 id, len;

	barriers[kind]++;
	if (idx == 0) {
		/* The index has not moved; the elements are there. */
		mock_split_used(&hooked->vq, 0, &id, &len);
		if (id == 3 && len == 5)
			idx_at_barrier |= 1;
	} else if (kind == SHIM_MB) {
		/* The index has moved; the wish is still to be read. */
		idx_at_barrier |= 2;
		mock_split_set_used_event(&hooked->vq, 2);
		mock_split_set_avail_flags(&hooked->vq, 0);
	}
}

TEST_F(ring, barrier_publish)
{
	bool event_idx = variant->features & F_EVENT_IDX;
	struct dev *d = &self->d;

	ASSERT_EQ(0, dev_init(d, 4, variant->features, 0, 1));
	hooked = d;
	if (event_idx)
		decided_at(_metadata, d, 65535);
	else
		mock_split_set_used_idx(&d->vq, 65535);
	if (!event_idx)
		ASSERT_EQ(0, dev_attach(d, 4, 65535, dev_fetch));
	vhdb_ring_push(&d->ring, 1, 1, 1);
	vhdb_ring_publish(&d->ring);
	ASSERT_EQ(0, mock_split_used_idx(&d->vq));

	vhdb_ring_push(&d->ring, 3, 1, 5);
	vhdb_ring_push(&d->ring, 2, 1, 6);
	vhdb_ring_push(&d->ring, 1, 1, 6);
	/* Until the last moment the driver wants nothing. */
	mock_split_set_used_event(&d->vq, 1000);
	mock_split_set_avail_flags(&d->vq, 1);
	shim_hooks.barrier = publish_barrier;
	EXPECT_TRUE(vhdb_ring_publish(&d->ring));
	shim_hooks.barrier = NULL;
	EXPECT_EQ(3, idx_at_barrier);
	EXPECT_GE(barriers[SHIM_WMB] + barriers[SHIM_MB], 2);
	dev_exit(d);
}

/* enable_notify: the device's wish | the driver's index. */
static bool kicked;

static void notify_barrier(enum shim_barrier kind)
{
	barriers[kind]++;
	if (kind != SHIM_MB)
		return;
	offer(hooked, 0);
	kicked = mock_need_kick(&hooked->vq);
}

TEST_F(ring, barrier_enable_notify)
{
	struct dev *d = &self->d;
	u32 i;

	ASSERT_EQ(0, dev_init(d, 4, variant->features, 65500, 1));
	hooked = d;
	mock_desc_set(d->vq.desc, 0, ADDR(0), 10, 0, 0);
	for (i = 0; i < 100; i++) {
		vhdb_ring_disable_notify(&d->ring);
		kicked = false;
		barriers[SHIM_MB] = 0;
		shim_hooks.barrier = notify_barrier;
		/* The driver rings, and the device has seen it: both. */
		ASSERT_TRUE(vhdb_ring_enable_notify(&d->ring));
		shim_hooks.barrier = NULL;
		ASSERT_TRUE(kicked);
		ASSERT_EQ(1, barriers[SHIM_MB]);
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	}
	dev_exit(d);
}

/*
 * What is shared costs: the index once a batch, each field of the rest once,
 * but for next, which leads nowhere.
 */
TEST_F(ring, reads)
{
	struct mock_seg seg = { .addr = ADDR(0), .len = 1 };
	struct mock_buf buf = { .segs = &seg, .nr_out = 1 };
	struct dev *d = &self->d;
	u32 i;

	ASSERT_EQ(0, dev_init(d, 64, variant->features, 65500, 1));
	hooked = d;
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, mock_add(&d->vq, &buf));
	mock_show(&d->vq);
	shim_hooks.read = count_reads;
	for (i = 0; i < 64; i++)
		ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	EXPECT_EQ(1, reads_idx);
	EXPECT_EQ(64 * 4, reads_other);
	for (i = 0; i < 64; i++)
		vhdb_ring_push(&d->ring, i, 1, 0);
	EXPECT_EQ(64 * 4, reads_other);
	vhdb_ring_publish(&d->ring);
	EXPECT_EQ(64 * 4 + 1, reads_other);
	shim_hooks.read = NULL;
	dev_exit(d);
}

TEST_HARNESS_MAIN
