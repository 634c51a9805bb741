// SPDX-License-Identifier: GPL-2.0
/*
 * The virtqueue engine against two models:
 *
 *   model          the mock driver and the engine pass buffers of every shape,
 *                  in any order; each answer, notifications included, is
 *                  compared with what the specification says
 *   random_chains  descriptors at random, mostly wrong, against a second
 *                  implementation of 2.7.5
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#include "ring_dev.h"

struct shim_hooks shim_hooks;

/* The ring under test, for hooks. */
static struct dev *hooked;

/* ---- The model ---- */

#define MODEL_SEGS	8

/**
 * struct model_buf - a buffer on its way
 * @segs: as offered
 * @nr_out: pieces that the device reads
 * @nr_in: pieces that it writes
 * @head: as popped
 * @count: as popped
 * @len: as pushed
 * @writable: bytes that may be written
 * @done: pushed
 */
struct model_buf {
	struct mock_seg segs[MODEL_SEGS];
	u32 nr_out;
	u32 nr_in;
	u16 head;
	u16 count;
	u32 len;
	u64 writable;
	bool done;
};

/* A list of buffers' numbers, first in first out or in any order. */
struct model_list {
	u32 *ids;
	u32 from;
	u32 to;
};

/**
 * struct model - what is where
 * @bufs: all buffers, as many as fit the ring
 * @idle: not offered
 * @added: offered, not shown to the device
 * @shown: shown to the device, not popped
 * @held: popped, not pushed
 * @order: popped, not published; in that order
 * @pushed: pushed, not published
 * @used: published, not yet fetched by the driver
 * @decided: position of the last decision to signal
 * @first: no decision was made yet
 * @flags: the driver wants no signals
 * @event: position after which it wants one
 * @asleep: the device was told that nothing is there
 * @off: the device asked not to be told
 * @kicks: how often the driver had to ring since the device asked it to
 * @since: how many buffers were shown since
 * @lap: buffers after which a position comes again, at the least
 * @total: buffers that went all the way
 */
struct model {
	struct model_buf *bufs;
	struct model_list idle;
	struct model_list added;
	struct model_list shown;
	struct model_list held;
	struct model_list order;
	struct model_list pushed;
	struct model_list used;
	u16 decided;
	bool first;
	u16 flags;
	u16 event;
	bool asleep;
	bool off;
	u32 kicks;
	u32 since;
	u32 lap;
	u64 total;
};

static u32 list_len(const struct model_list *l)
{
	return l->to - l->from;
}

static void list_put(struct model_list *l, u32 num, u32 id)
{
	l->ids[l->to++ % num] = id;
}

static u32 list_get(struct model_list *l, u32 num)
{
	return l->ids[l->from++ % num];
}

/* Brings a random one to the front. */
static void list_shuffle(struct model_list *l, u32 num, u64 *seed)
{
	u32 at = (l->from + below(seed, list_len(l))) % num;
	u32 id = l->ids[at];

	l->ids[at] = l->ids[l->from % num];
	l->ids[l->from % num] = id;
}

/* Mostly few, now and then as many as there can be. */
static u32 some(u64 *seed, u32 max)
{
	switch (below(seed, 8)) {
	case 0:
		return max;
	case 1:
	case 2:
		return max ? below(seed, max + 1) : 0;
	default:
		return max < 4 ? below(seed, max + 1) : below(seed, 4);
	}
}

static void list_init(struct __test_metadata *_metadata, struct model_list *l,
		      u32 num)
{
	l->ids = calloc(num, sizeof(*l->ids));
	ASSERT_NE(NULL, l->ids);
}

static void model_init(struct __test_metadata *_metadata, struct model *m,
		       u32 num)
{
	u32 i;

	memset(m, 0, sizeof(*m));
	m->bufs = calloc(num, sizeof(*m->bufs));
	ASSERT_NE(NULL, m->bufs);
	list_init(_metadata, &m->idle, num);
	list_init(_metadata, &m->added, num);
	list_init(_metadata, &m->shown, num);
	list_init(_metadata, &m->held, num);
	list_init(_metadata, &m->order, num);
	list_init(_metadata, &m->pushed, num);
	list_init(_metadata, &m->used, num);
	for (i = 0; i < num; i++)
		list_put(&m->idle, num, i);
	m->first = true;
}

static void model_exit(struct model *m)
{
	free(m->used.ids);
	free(m->pushed.ids);
	free(m->order.ids);
	free(m->held.ids);
	free(m->shown.ids);
	free(m->added.ids);
	free(m->idle.ids);
	free(m->bufs);
}

/* The driver makes up a buffer and adds it, if it fits. */
static bool model_add(struct __test_metadata *_metadata, struct dev *d,
		      struct model *m, u64 *seed)
{
	u32 id = m->idle.ids[m->idle.from % d->vq.num], i, nr;
	struct model_buf *b = &m->bufs[id];
	struct mock_buf buf;

	b->nr_out = below(seed, MODEL_SEGS / 2 + 1);
	b->nr_in = below(seed, MODEL_SEGS / 2 + 1);
	if (!b->nr_out && !b->nr_in)
		b->nr_in = 1;
	nr = b->nr_out + b->nr_in;
	for (i = 0; i < nr; i++) {
		b->segs[i].addr = rnd(seed);
		/* 2.7.5.2: 4 GiB in total */
		b->segs[i].len = 1 + below(seed, 1U << below(seed, 28));
		/*
		 * A piece of nothing, anywhere except in front of the device's:
		 * it isn't seen.
		 */
		if (once_in(seed, 16))
			b->segs[i].len = 0;
	}

	buf = (struct mock_buf){
		.segs = b->segs,
		.nr_out = b->nr_out,
		.nr_in = b->nr_in,
		.token = id,
	};
	if (d->features & F_INDIRECT) {
		buf.indirect = below(seed, 2);
		if (!(d->features & F_PACKED) && once_in(seed, 4))
			buf.nr_direct = below(seed, nr);
	}
	if (mock_add(&d->vq, &buf)) {
		/* It never is refused for want of room when there is room. */
		if (!buf.indirect)
			EXPECT_LT(d->vq.nr_free, nr);
		return false;
	}
	list_get(&m->idle, d->vq.num);
	list_put(&m->added, d->vq.num, id);
	return true;
}

/* The driver shows what it added, and rings if it must. */
static void model_show(struct __test_metadata *_metadata, struct dev *d,
		       struct model *m)
{
	u32 nr = list_len(&m->added);
	bool kick;

	mock_show(&d->vq);
	kick = mock_need_kick(&d->vq);
	m->since += nr;
	m->kicks += kick;
	while (list_len(&m->added))
		list_put(&m->shown, d->vq.num, list_get(&m->added, d->vq.num));

	/* A device that sleeps has to be rung for. */
	if (nr && m->asleep)
		ASSERT_TRUE(kick);
	if (!nr)
		ASSERT_FALSE(kick);
	/* One that is awake is left alone. */
	if ((d->features & F_PACKED || !(d->features & F_EVENT_IDX)) && m->off)
		ASSERT_FALSE(kick);
	/* And with event indices, one ring is enough. */
	if ((d->features & F_EVENT_IDX) && m->since < m->lap)
		ASSERT_LE(m->kicks, 1);
	if (nr)
		m->asleep = false;
}

static void model_pop(struct __test_metadata *_metadata, struct dev *d,
		      struct model *m)
{
	const struct model_buf *b;
	u32 id, i, nr = 0, out = 0;

	ASSERT_EQ(1, vhdb_ring_pop(&d->ring, &d->chain));
	id = list_get(&m->shown, d->vq.num);
	b = &m->bufs[id];
	m->bufs[id].head = d->chain.id;
	m->bufs[id].count = d->chain.count;
	m->bufs[id].done = false;
	list_put(&m->held, d->vq.num, id);
	list_put(&m->order, d->vq.num, id);
	for (i = 0; i < b->nr_out + b->nr_in; i++) {
		if (!b->segs[i].len)
			continue;
		ASSERT_EQ(b->segs[i].addr, d->chain.segs[nr].addr);
		ASSERT_EQ(b->segs[i].len, d->chain.segs[nr].len);
		nr++;
		if (i < b->nr_out)
			out++;
	}
	ASSERT_EQ(out, d->chain.nr_out);
	ASSERT_EQ(nr - out, d->chain.nr_in);
}

static void model_push(struct dev *d, struct model *m, u64 *seed)
{
	struct model_buf *b;
	u32 id, i;

	list_shuffle(&m->held, d->vq.num, seed);
	id = list_get(&m->held, d->vq.num);
	b = &m->bufs[id];
	b->writable = 0;
	for (i = b->nr_out; i < b->nr_out + b->nr_in; i++)
		b->writable += b->segs[i].len;
	b->len = below(seed, b->writable + 1);
	b->done = true;
	vhdb_ring_push(&d->ring, b->head, b->count, b->len);
	list_put(&m->pushed, d->vq.num, id);
}

/* What a publish is to show: in order, or in order of the pushes. */
static u16 model_due(struct dev *d, struct model *m, struct model_list *due)
{
	bool in_order = d->features & F_IN_ORDER;
	struct model_list *from = in_order ? &m->order : &m->pushed;
	u32 num = d->vq.num, id, n = 0;
	struct model_buf *b = NULL;
	u16 pos = m->decided;

	while (list_len(from)) {
		id = from->ids[from->from % num];
		if (!m->bufs[id].done)
			break;
		/* One that is skipped counts as used completely (2.7.9). */
		if (b && d->features & F_IMPLIED)
			b->len = b->writable;
		b = &m->bufs[id];
		pos = mock_step(&d->vq, pos, dev_units(d, b->count));
		list_put(due, num, list_get(from, num));
		n++;
	}
	/* The other one of the two lists says nothing. */
	from = in_order ? &m->pushed : &m->order;
	while (n--)
		list_get(from, num);
	return pos;
}

static void model_publish(struct __test_metadata *_metadata, struct dev *d,
			  struct model *m)
{
	u32 before = list_len(&m->used);
	u16 old = m->decided, new = model_due(d, m, &m->used);
	bool want, got;

	got = vhdb_ring_publish(&d->ring);
	if (!(d->features & F_PACKED))
		ASSERT_EQ(new, mock_split_used_idx(&d->vq));
	if (list_len(&m->used) == before)
		want = false;
	else if (m->flags)
		want = false;
	else if (!(d->features & F_EVENT_IDX))
		want = true;
	else
		want = m->first || any_event(&d->vq, m->event, new, old);
	/* A batch may be a lap of the ring, which ends where it began. */
	if (old == new && list_len(&m->used) != before &&
	    (d->features & F_EVENT_IDX))
		want |= got;
	ASSERT_EQ(want, got);
	if (list_len(&m->used) == before)
		return;
	m->first = false;
	m->decided = new;
}

static void model_get(struct __test_metadata *_metadata, struct dev *d,
		      struct model *m)
{
	struct mock_used used;
	u32 id;

	if (!list_len(&m->used)) {
		ASSERT_EQ(0, mock_get(&d->vq, &used));
		return;
	}
	ASSERT_EQ(1, mock_get(&d->vq, &used));
	id = list_get(&m->used, d->vq.num);
	ASSERT_EQ(id, used.token);
	ASSERT_EQ(m->bufs[id].len, used.len);
	list_put(&m->idle, d->vq.num, id);
	m->total++;
}

/* Both sides say what they want to be told. */
static void model_notify(struct __test_metadata *_metadata, struct dev *d,
			 struct model *m, u64 *seed)
{
	bool work = list_len(&m->shown);
	u16 more;

	switch (below(seed, 6)) {
	case 0:
		vhdb_ring_disable_notify(&d->ring);
		m->off = true;
		m->asleep = false;
		break;
	case 1:
		ASSERT_EQ(work, vhdb_ring_enable_notify(&d->ring));
		m->off = false;
		m->asleep = !work;
		m->kicks = 0;
		m->since = list_len(&m->shown);
		break;
	case 2:
		mock_disable_cb(&d->vq);
		/* 2.7.7.1: with event indices a split ring has no "off". */
		if (d->features & F_PACKED || !(d->features & F_EVENT_IDX))
			m->flags = 1;
		break;
	case 3:
		more = below(seed, 2) ? 0 : below(seed, d->vq.num);
		ASSERT_EQ(list_len(&m->used) >
			  (d->features & F_PACKED ? 0 : more),
			  mock_enable_cb(&d->vq, more));
		m->flags = 0;
		m->event = mock_step(&d->vq, d->vq.last_used, more);
		break;
	case 4:
		if (d->features & F_PACKED)
			break;
		/* A driver's mistake in what doesn't concern this ring. */
		if (d->features & F_EVENT_IDX)
			mock_split_set_avail_flags(&d->vq, below(seed, 2));
		else
			mock_split_set_used_event(&d->vq, rnd(seed));
		break;
	default:
		break;
	}
}

/*
 * The device stops and another one takes the ring over. Only where the two
 * sides are at the same position, since there is one number to go on from.
 */
static void model_restart(struct __test_metadata *_metadata, struct dev *d,
			  struct model *m)
{
	u32 base = vhdb_ring_base(&d->ring);

	ASSERT_EQ(m->decided, base & 0xffff);
	if (d->features & F_PACKED)
		ASSERT_EQ(m->decided, base >> 16);
	ASSERT_EQ(0, dev_attach(d, d->vq.num, base, dev_fetch));
	m->first = true;
	m->asleep = false;
	/* A packed ring starts with notifications on, of everything. */
	if (d->features & F_PACKED) {
		m->off = false;
		m->since = m->lap;
	}
}

static void model_run(struct __test_metadata *_metadata, struct dev *d,
		      struct model *m, u64 total, u64 *seed)
{
	u32 i;

	while (m->total < total) {
		for (i = some(seed, list_len(&m->idle)); i; i--)
			if (!model_add(_metadata, d, m, seed))
				break;
		if (below(seed, 2))
			model_show(_metadata, d, m);
		ASSERT_EQ(!!list_len(&m->shown), vhdb_ring_has_work(&d->ring));
		model_notify(_metadata, d, m, seed);

		for (i = some(seed, list_len(&m->shown)); i; i--)
			model_pop(_metadata, d, m);
		if (!list_len(&m->shown))
			ASSERT_EQ(0, vhdb_ring_pop(&d->ring, &d->chain));
		model_notify(_metadata, d, m, seed);

		for (i = some(seed, list_len(&m->held)); i; i--)
			model_push(d, m, seed);
		if (below(seed, 2))
			model_publish(_metadata, d, m);
		model_notify(_metadata, d, m, seed);

		for (i = some(seed, list_len(&m->used)); i; i--)
			model_get(_metadata, d, m);
		if (!list_len(&m->used))
			model_get(_metadata, d, m);

		if (!list_len(&m->held) && !list_len(&m->order) &&
		    !list_len(&m->pushed) && once_in(seed, 64))
			model_restart(_metadata, d, m);
		if (once_in(seed, 64)) {
			mock_move(&d->vq);
			vhdb_ring_move(&d->ring, d->vq.desc, d->vq.driver,
				       d->vq.device);
		}
	}
}

/*
 * Every kind of size, from a position shortly before the wrap of the index,
 * and around more than once.
 */
TEST_F_TIMEOUT(any, model, 300)
{
	static const u32 sizes[] = {
		1, 2, 4, 8, 64, 256, 1024, 32768,
		/* Packed only. */
		3, 5, 7, 100, 1000, 32767,
	};
	bool packed = variant->features & F_PACKED;
	u16 pos = 65536 - 100;
	struct model m;
	u32 i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (!packed && sizes[i] & (sizes[i] - 1))
			continue;
		/* Two laps of the largest take their time. */
		if (SLOWER > 10 && sizes[i] > 1024)
			continue;
		model_init(_metadata, &m, sizes[i]);
		ASSERT_EQ(0, dev_init(&self->d, sizes[i], variant->features,
				      pos, MODEL_SEGS));
		m.decided = self->d.vq.last_used;
		/* Else a packed ring would start with a wish to hear of all. */
		ASSERT_FALSE(mock_enable_cb(&self->d.vq, 0));
		m.event = m.decided;
		/* A slot and its wrap counter come again after two laps. */
		m.lap = packed ? 2 * sizes[i] / MODEL_SEGS : 65536;
		if (packed)
			m.since = m.lap;
		model_run(_metadata, &self->d, &m,
			  (sizes[i] > 1024 ? 65536 : 20000) / SLOWER +
			  2 * sizes[i],
			  &self->seed);
		dev_exit(&self->d);
		model_exit(&m);
	}
}

/* ---- Random descriptors against a second implementation ---- */

#define WALK_NUM	8
#define WALK_TABLES	4
#define WALK_ENTRIES	8
#define WALK_SEGS	6
#define WALK_IOVA	0x5000000000ULL
#define WALK_TABLE_SIZE	(WALK_ENTRIES * 16)

/**
 * struct walk - what the driver wrote, and what it means
 * @desc: the ring's descriptors
 * @tables: the memory in which indirect tables lie, from WALK_IOVA on
 * @head: as offered
 * @segs: pieces
 * @nr_out: to be read
 * @nr_in: to be written
 * @unsure: a piece of nothing stands where its kind may not: that may be
 *	refused, or not
 * @poison: spoil what was read, in order to catch a second look
 */
struct walk {
	struct desc desc[WALK_NUM];
	struct desc tables[WALK_TABLES * WALK_ENTRIES];
	u16 head;
	struct mock_seg segs[WALK_SEGS];
	u32 nr_out;
	u32 nr_in;
	bool unsure;
	bool poison;
};

static struct walk *walked;

static void walk_random(struct desc *d, u32 nr, u64 *seed)
{
	for (; nr; nr--, d++) {
		d->flags = (below(seed, 16) < 10 ? N : 0) |
			   (below(seed, 3) ? 0 : W) |
			   (once_in(seed, 8) ? I : 0);
		/* What is no flag of a split ring means nothing. */
		if (once_in(seed, 4))
			d->flags |= rnd(seed) & 0xfff8;
		d->next = below(seed, once_in(seed, 8) ? 12 : WALK_NUM);
		if (once_in(seed, 64))
			d->next = rnd(seed);
		d->addr = rnd(seed);
		d->len = once_in(seed, 6) ? 0 : 1 + below(seed, 1U << 31);
		if (d->flags & I) {
			if (below(seed, 4))
				d->flags &= ~N;
			d->addr = WALK_IOVA + 16 * below(seed, 32);
			d->len = 16 * (1 + below(seed, WALK_ENTRIES));
			if (once_in(seed, 16))
				d->len = below(seed, 40);
		}
	}
}

static bool walk_piece(struct walk *w, const struct desc *d, bool *written)
{
	bool in = d->flags & W;

	if (!in && *written) {
		if (w->nr_in)
			return false;
		w->unsure = true;
	}
	*written |= in;
	if (!d->len)
		return true;
	if (w->nr_out + w->nr_in == WALK_SEGS)
		return false;
	w->segs[w->nr_out + w->nr_in].addr = d->addr;
	w->segs[w->nr_out + w->nr_in].len = d->len;
	if (in)
		w->nr_in++;
	else
		w->nr_out++;
	return true;
}

/* Follows a chain as 2.7.5 explains it. False: the driver broke a rule. */
static bool walk_chain(struct walk *w, bool may_indirect)
{
	bool seen[2][WALK_TABLES * WALK_ENTRIES] = { { false } };
	const struct desc *table = w->desc, *d;
	u32 nr = WALK_NUM, at = w->head, depth = 0;
	bool written = false;

	for (;;) {
		if (at >= nr || seen[depth][at])
			return false;
		seen[depth][at] = true;
		d = &table[at];
		if (d->flags & I) {
			if (!may_indirect || depth || d->flags & N)
				return false;
			if (!d->len || d->len % 16)
				return false;
			if (d->addr + d->len > WALK_IOVA + sizeof(w->tables))
				return false;
			table = &w->tables[(d->addr - WALK_IOVA) / 16];
			nr = d->len / 16;
			at = 0;
			depth = 1;
			continue;
		}
		if (!walk_piece(w, d, &written))
			return false;
		if (!(d->flags & N))
			return true;
		at = d->next;
	}
}

static int walk_fetch(void *data, u64 addr, void *dst, u32 len)
{
	struct dev *d = data;
	u32 i;

	d->fetches++;
	if (addr < WALK_IOVA || addr + len > WALK_IOVA + sizeof(walked->tables))
		return -EFAULT;
	for (i = 0; i < len / 16; i++) {
		const struct desc *t =
			&walked->tables[(addr - WALK_IOVA) / 16 + i];

		mock_desc_set(dst, i, t->addr, t->len, t->flags, t->next);
	}
	return 0;
}

/*
 * The driver overwrites each field as soon as the device has read it, with
 * something that no good answer comes of.
 */
static void walk_poison(const void *p, size_t size)
{
	const struct dev *d = hooked;
	const char *desc = d->vq.desc, *driver = d->vq.driver, *at = p;

	if (at >= desc && at < desc + d->vq.layout->desc_size(d->vq.num))
		memset((void *)p, 0xff, size);
	if (at >= driver && at < driver + d->vq.layout->driver_size(d->vq.num))
		memset((void *)p, 0xff, size);
}

static void walk_run(struct __test_metadata *_metadata, struct dev *d,
		     struct walk *w, u64 *seed, u32 counts[3])
{
	u32 at = d->vq.next_avail, i;
	bool good;
	int ret;

	walk_random(w->desc, WALK_NUM, seed);
	if (below(seed, 2))
		walk_random(w->tables, WALK_TABLES * WALK_ENTRIES, seed);
	w->head = below(seed, once_in(seed, 32) ? 70000 : WALK_NUM);
	w->nr_out = 0;
	w->nr_in = 0;
	w->unsure = false;
	good = walk_chain(w, d->features & F_INDIRECT);

	for (i = 0; i < WALK_NUM; i++)
		mock_desc_set(d->vq.desc, i, w->desc[i].addr, w->desc[i].len,
			      w->desc[i].flags, w->desc[i].next);
	offer(d, w->head);
	d->fetches = 0;
	if (w->poison)
		shim_hooks.read = walk_poison;
	ret = vhdb_ring_pop(&d->ring, &d->chain);
	shim_hooks.read = NULL;

	ASSERT_LE(d->fetches, 1);
	ASSERT_LE(ret, 1);
	ASSERT_NE(0, ret);
	if (w->unsure && ret < 0)
		good = false;
	ASSERT_EQ(good, ret == 1);
	counts[good ? 0 : w->unsure ? 1 : 2]++;
	if (good) {
		ASSERT_EQ(w->head, d->chain.id);
		ASSERT_EQ(w->nr_out, d->chain.nr_out);
		ASSERT_EQ(w->nr_in, d->chain.nr_in);
		for (i = 0; i < w->nr_out + w->nr_in; i++) {
			ASSERT_EQ(w->segs[i].addr, d->chain.segs[i].addr);
			ASSERT_EQ(w->segs[i].len, d->chain.segs[i].len);
		}
		return;
	}
	/* A broken ring is not used again: here a new device takes over. */
	mock_split_set_avail_idx(&d->vq, at + 1);
	ASSERT_EQ(0, dev_attach(d, WALK_NUM, (u16)(at + 1), walk_fetch));
}

static void walk_all(struct __test_metadata *_metadata, u64 features,
		     u64 *seed, bool poison, u32 rounds)
{
	struct walk w = { .poison = poison };
	u32 counts[3] = { 0 }, i;
	struct dev d;

	ASSERT_EQ(0, dev_init(&d, WALK_NUM, features, 0, WALK_SEGS));
	ASSERT_EQ(0, dev_attach(&d, WALK_NUM, 0, walk_fetch));
	walked = &w;
	hooked = &d;
	walk_random(w.tables, WALK_TABLES * WALK_ENTRIES, seed);
	for (i = 0; i < rounds; i++) {
		/* The index was spoilt as well. */
		walk_run(_metadata, &d, &w, seed, counts);
	}
	dev_exit(&d);
	/* Not all of one kind. */
	EXPECT_GT(counts[0], rounds / 8);
	EXPECT_GT(counts[2], rounds / 8);
}

TEST_F(ring, random_chains)
{
	walk_all(_metadata, variant->features, &self->seed, false,
		 500000 / SLOWER);
}

/*
 * The same, while the driver changes all that the device has read. The answer
 * is that for what was there first, so nothing is read twice; and nothing is
 * written to the descriptors, since the poison would be gone (2.7.5.1).
 */
TEST_F(ring, random_chains_read_once)
{
	walk_all(_metadata, variant->features, &self->seed, true,
		 500000 / SLOWER);
}

TEST_HARNESS_MAIN
