// SPDX-License-Identifier: GPL-2.0
/*
 * The virtqueue engine with a driver that really runs at the same time.
 *
 *   flip     a driver that rewrites its rings without end, in no order, while
 *            the device pops, pushes in any order and publishes: each answer
 *            of the engine is one that some state of them would give
 *   passing  a good driver, millions of buffers: none is lost, none is seen
 *            half, and nobody sleeps for ever for want of a notification
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>

#include "ring_dev.h"

/* Whoever sleeps longer than this was not woken. */
#define LOST_MS	20000

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* ---- flip ---- */

#define FLIP_NUM	8
#define FLIP_SEGS	5
#define FLIP_TABLES	4
#define FLIP_HELD	3
/* Answers of either kind to see, and how long to wait for so many. */
#define FLIP_ANSWERS	(20000 / SLOWER)
#define FLIP_MS		300

/**
 * struct flip - a ring, and a thread that spoils it
 * @d: the ring
 * @tables: what indirect descriptors refer to
 * @pos: where the device is, so that what is there is sometimes good
 * @stop: enough
 * @bad_fetch: a table was fetched that no single reading asks for
 * @held: popped, not pushed
 * @nr_held: how many
 */
struct flip {
	struct dev d;
	struct vring_desc tables[FLIP_TABLES][FLIP_NUM];
	u16 pos;
	bool stop;
	bool bad_fetch;
	struct {
		u16 id;
		u16 count;
	} held[FLIP_HELD];
	u32 nr_held;
};

/* Each field is one of a few, so that a value that is none of them shows. */
static const u32 flip_lens[] = { 0, 1, 16, 48, 128, 129, 0xfffffff0 };
static const u16 flip_flags[] = { 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7 };

static u64 flip_addr(struct flip *f, u64 *seed)
{
	return mock_iova(f->tables[below(seed, FLIP_TABLES)]);
}

static void flip_split(struct flip *f, u16 pos, u64 *seed)
{
	struct mock_vq *vq = &f->d.vq;
	void *table = once_in(seed, 2) ? vq->desc :
		      f->tables[below(seed, FLIP_TABLES)];

	mock_desc_set(table, below(seed, FLIP_NUM), flip_addr(f, seed),
		      flip_lens[below(seed, 7)], flip_flags[below(seed, 14)],
		      below(seed, FLIP_NUM + 1));
	mock_split_set_avail(vq, pos, below(seed, FLIP_NUM + 1));
	mock_split_set_avail_idx(vq, pos + below(seed, FLIP_NUM + 2));
	mock_split_set_used_event(vq, pos);
}

static void flip_packed(struct flip *f, u16 pos, u64 *seed)
{
	u16 at = mock_step(&f->d.vq, pos, below(seed, FLIP_NUM));
	u16 flags = flip_flags[below(seed, 14)] | mock_packed_avail(at);

	/* Now and then of the other lap, or of none. */
	if (once_in(seed, 4))
		flags ^= below(seed, 2) ? 0x8080 : 0x8000;
	if (once_in(seed, 2))
		mock_packed_set(&f->d.vq, at, flip_addr(f, seed),
				flip_lens[below(seed, 7)], rnd(seed), flags);
	else
		mock_packed_set_entry(f->tables[below(seed, FLIP_TABLES)],
				      below(seed, FLIP_NUM), flip_addr(f, seed),
				      flip_lens[below(seed, 7)], rnd(seed),
				      flags);
	mock_packed_set_event(&f->d.vq, rnd(seed), below(seed, 4));
}

static void *flip_driver(void *arg)
{
	struct flip *f = arg;
	u64 seed = 0x2545f4914f6cdd1dULL;
	u16 pos;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		pos = __atomic_load_n(&f->pos, __ATOMIC_RELAXED);
		if (f->d.features & F_PACKED)
			flip_packed(f, pos, &seed);
		else
			flip_split(f, pos, &seed);
	}
	return NULL;
}

static int flip_fetch(void *data, u64 addr, void *dst, u32 len)
{
	struct flip *f = data;
	u64 from = mock_iova(f->tables);

	if (!len || len % 16 || len > 16 * VHDB_RING_INDIRECT_MAX ||
	    (addr - from) % sizeof(f->tables[0]))
		f->bad_fetch = true;
	if (addr < from || addr + len > from + sizeof(f->tables))
		return -EFAULT;
	memcpy(dst, mock_ptr(addr), len);
	return 0;
}

/* Errors that only one of the layouts, or only IN_ORDER, has are not mixed up. */
static bool flip_ret_known(const struct flip *f, int ret)
{
	bool packed = f->d.features & F_PACKED;
	bool in_order = f->d.features & F_IN_ORDER;

	switch (ret) {
	case 0:
	case 1:
	case -VHDB_RING_ELOOP:
	case -VHDB_RING_EORDER:
	case -VHDB_RING_EINDIRECT:
	case -VHDB_RING_ETOOBIG:
		return true;
	case -EFAULT:
		return f->d.features & F_INDIRECT;
	case -VHDB_RING_EJUMP:
	case -VHDB_RING_EINDEX:
		return !packed;
	case -VHDB_RING_EPARTIAL:
		return packed;
	case -VHDB_RING_ESEQUENCE:
		return in_order && !packed;
	case -VHDB_RING_EFULL:
		return in_order;
	default:
		return false;
	}
}

static bool flip_seg_known(struct flip *f, const struct vhdb_seg *seg)
{
	u64 offset = seg->addr - mock_iova(f->tables);
	u32 i;

	if (offset >= sizeof(f->tables) || offset % sizeof(f->tables[0]))
		return false;
	/* The first is 0, and such a piece isn't given. */
	for (i = 1; i < sizeof(flip_lens) / sizeof(*flip_lens); i++)
		if (seg->len == flip_lens[i])
			return true;
	return false;
}

static void flip_got(struct __test_metadata *_metadata, struct flip *f,
		     u64 *seed)
{
	const struct vhdb_chain *c = &f->d.chain;
	u32 i;

	ASSERT_GE(c->count, 1);
	ASSERT_LE(c->count, FLIP_NUM);
	/* A packed ring's id is the driver's affair; in order it is a slot. */
	if (!(f->d.features & F_PACKED) || f->d.features & F_IN_ORDER)
		ASSERT_LT(c->id, FLIP_NUM);
	ASSERT_LE(c->nr_out, FLIP_SEGS);
	ASSERT_LE(c->nr_out + c->nr_in, FLIP_SEGS);
	for (i = 0; i < c->nr_out + c->nr_in; i++)
		ASSERT_TRUE(flip_seg_known(f, &c->segs[i]));

	f->held[f->nr_held].id = c->id;
	f->held[f->nr_held++].count = c->count;
	if (f->nr_held < FLIP_HELD)
		return;
	/* Back in any order. */
	while (f->nr_held) {
		i = below(seed, f->nr_held--);
		vhdb_ring_push(&f->d.ring, f->held[i].id, f->held[i].count, 0);
		f->held[i] = f->held[f->nr_held];
	}
	vhdb_ring_publish(&f->d.ring);
	vhdb_ring_enable_notify(&f->d.ring);
}

/* The ring is broken: a new device goes on, one further. */
static void flip_restart(struct __test_metadata *_metadata, struct flip *f)
{
	struct dev *d = &f->d;
	u32 pos = mock_step(&d->vq, vhdb_ring_base(&d->ring), 1);

	if (d->features & F_PACKED)
		pos |= pos << 16;
	f->nr_held = 0;
	ASSERT_EQ(0, dev_attach(d, FLIP_NUM, pos, flip_fetch));
}

TEST_F(any, flip)
{
	u64 end = now_ms() + FLIP_MS;
	u32 got = 0, refused = 0;
	pthread_t driver;
	struct flip *f;
	struct dev *d;
	int ret;

	f = aligned_alloc(64, (sizeof(*f) + 63) & ~63UL);
	ASSERT_NE(NULL, f);
	memset(f, 0, sizeof(*f));
	d = &f->d;
	ASSERT_EQ(0, dev_init(d, FLIP_NUM, variant->features, 0, FLIP_SEGS));
	ASSERT_EQ(0, dev_attach(d, FLIP_NUM, mock_base(&d->vq), flip_fetch));
	f->pos = d->vq.next_avail;
	ASSERT_EQ(0, pthread_create(&driver, NULL, flip_driver, f));
	/* Both happen, however busy the machine is. */
	while (!got || !refused ||
	       ((got < FLIP_ANSWERS || refused < FLIP_ANSWERS) &&
		now_ms() < end)) {
		ret = vhdb_ring_pop(&d->ring, &d->chain);
		ASSERT_TRUE(flip_ret_known(f, ret)) TH_LOG("ret %d", ret);
		ASSERT_FALSE(f->bad_fetch);
		if (ret == 1) {
			got++;
			flip_got(_metadata, f, &self->seed);
		} else if (ret < 0) {
			refused++;
			flip_restart(_metadata, f);
		} else {
			/* It may be that both have one CPU. */
			sched_yield();
		}
		__atomic_store_n(&f->pos, (u16)vhdb_ring_base(&d->ring),
				 __ATOMIC_RELAXED);
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(driver, NULL));
	dev_exit(d);
	free(f);
}

/* ---- passing ---- */

/**
 * struct pass_slot - a buffer's memory
 * @request: what the driver writes
 * @response: what the device answers
 */
struct pass_slot {
	u64 request;
	u64 response;
};

/**
 * struct pass_done - a request on its way from the worker to the completer
 * @id: as popped
 * @count: as popped
 * @request: IOVA
 * @response: IOVA
 */
struct pass_done {
	u16 id;
	u16 count;
	u64 request;
	u64 response;
};

/**
 * struct pass - a ring between threads
 * @d: the ring: &dev.vq is the driver's, &dev.ring the device's
 * @num: its size
 * @total: buffers to pass
 * @kick: eventfd, driver to device
 * @call: eventfd, device to driver
 * @completer: the used side is a thread of its own
 * @lock: protects the next three, and @stop for the completer
 * @more: @done has become non-empty, or @stop
 * @done: requests for the completer
 * @nr_done: how many
 * @stop: the driver has all it wanted
 * @lost: somebody slept too long, or an answer was wrong
 * @first: eventfd, the driver is about to sleep for the first time
 */
struct pass {
	struct dev d;
	u32 num;
	u64 total;
	int kick;
	int call;
	bool completer;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct pass_done *done;
	u32 nr_done;
	bool stop;
	const char *lost;
	int first;
};

static void ring_bell(int fd)
{
	if (eventfd_write(fd, 1))
		abort();
}

static bool wait_bell(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	eventfd_t val;

	if (poll(&pfd, 1, LOST_MS) != 1)
		return false;
	return !eventfd_read(fd, &val);
}

static void pass_fail(struct pass *p, const char *why)
{
	__atomic_store_n(&p->lost, why, __ATOMIC_RELAXED);
}

static bool pass_failed(struct pass *p)
{
	return __atomic_load_n(&p->lost, __ATOMIC_RELAXED);
}

static u64 answer(u64 request)
{
	return request * 0x9e3779b97f4a7c15ULL + 1;
}

/* Serves one: in the worker, or in the completer. */
static void pass_serve(struct pass *p, const struct pass_done *r)
{
	const u64 *request = mock_ptr(r->request);
	u64 *response = mock_ptr(r->response);

	*response = answer(*request);
	vhdb_ring_push(&p->d.ring, r->id, r->count,
		       sizeof(*response));
}

static void pass_publish(struct pass *p)
{
	if (!vhdb_ring_publish(&p->d.ring))
		return;
	ring_bell(p->call);
}

static void *pass_completer(void *arg)
{
	struct pass_done *batch;
	struct pass *p = arg;
	u64 seed = 77;
	u32 nr, i;

	batch = calloc(p->num, sizeof(*batch));
	if (!batch)
		abort();
	for (;;) {
		pthread_mutex_lock(&p->lock);
		while (!p->nr_done && !p->stop)
			pthread_cond_wait(&p->more, &p->lock);
		nr = p->nr_done;
		memcpy(batch, p->done, nr * sizeof(*batch));
		p->nr_done = 0;
		pthread_mutex_unlock(&p->lock);
		if (!nr)
			break;

		/* In any order. */
		while (nr) {
			i = below(&seed, nr);
			pass_serve(p, &batch[i]);
			batch[i] = batch[--nr];
			if (once_in(&seed, 8))
				pass_publish(p);
		}
		pass_publish(p);
	}
	free(batch);
	return NULL;
}

static void pass_take(struct pass *p, u64 *seed)
{
	const struct vhdb_chain *c = &p->d.chain;
	struct pass_done r;

	if (c->nr_out != 1 || c->nr_in != 1 || c->segs[0].len != sizeof(u64) ||
	    c->segs[1].len != sizeof(u64)) {
		pass_fail(p, "a buffer of another shape");
		return;
	}
	r.id = c->id;
	r.count = c->count;
	r.request = c->segs[0].addr;
	r.response = c->segs[1].addr;
	if (!p->completer) {
		pass_serve(p, &r);
		if (once_in(seed, 8))
			pass_publish(p);
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->done[p->nr_done++] = r;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

static void *pass_worker(void *arg)
{
	struct pass *p = arg;
	u64 seed = 55;
	int ret;

	/*
	 * However fast or slow either side is: the driver sleeps at least once,
	 * with all its buffers out, and has to be woken.
	 */
	if (!wait_bell(p->first)) {
		pass_fail(p, "the driver did not go to sleep");
		return NULL;
	}
	for (;;) {
		/* Now and then late, so that the driver goes to sleep. */
		if (once_in(&seed, 64))
			usleep(1);
		if (below(&seed, 4))
			vhdb_ring_disable_notify(&p->d.ring);
		while ((ret = vhdb_ring_pop(&p->d.ring, &p->d.chain)) == 1)
			pass_take(p, &seed);
		if (!p->completer)
			pass_publish(p);
		if (ret < 0) {
			pass_fail(p, "the ring is broken");
			break;
		}
		if (vhdb_ring_enable_notify(&p->d.ring))
			continue;
		if (__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE))
			break;
		if (!wait_bell(p->kick)) {
			pass_fail(p, "the device was not woken");
			break;
		}
	}
	return NULL;
}

/* The driver adds some, as long as they fit. */
static u64 pass_add(struct pass *p, struct pass_slot *slots, u32 *idle,
		    u32 *nr_idle, u64 next, u64 *seed)
{
	u32 want = 1 + below(seed, p->num), nr;
	struct mock_seg segs[2];
	struct mock_buf buf;
	u32 id;

	for (nr = 0; nr < want && *nr_idle && next < p->total; nr++) {
		id = idle[*nr_idle - 1];
		slots[id].request = next;
		slots[id].response = 0;
		segs[0] = (struct mock_seg){ mock_iova(&slots[id].request), 8 };
		segs[1] = (struct mock_seg){ mock_iova(&slots[id].response), 8 };
		buf = (struct mock_buf){
			.segs = segs, .nr_out = 1, .nr_in = 1, .token = id,
			/* A ring of one holds two pieces no other way. */
			.indirect = (p->d.features & F_INDIRECT) &&
				    (p->num == 1 || below(seed, 2)),
		};
		if (mock_add(&p->d.vq, &buf))
			break;
		--*nr_idle;
		next++;
	}
	if (nr) {
		mock_show(&p->d.vq);
		if (mock_need_kick(&p->d.vq))
			ring_bell(p->kick);
	}
	return next;
}

static void pass_driver(struct pass *p)
{
	struct pass_slot *slots = calloc(p->num, sizeof(*slots));
	u32 *idle = calloc(p->num, sizeof(*idle)), nr_idle;
	u64 seed = 99, next = 0, back = 0;
	struct mock_used used;
	bool slept = false;
	int ret;

	if (!slots || !idle)
		abort();
	for (nr_idle = 0; nr_idle < p->num; nr_idle++)
		idle[nr_idle] = nr_idle;

	while (back < p->total && !pass_failed(p)) {
		u64 before = next;

		next = pass_add(p, slots, idle, &nr_idle, next, &seed);
		if (below(&seed, 2))
			mock_disable_cb(&p->d.vq);
		while ((ret = mock_get(&p->d.vq, &used)) == 1) {
			struct pass_slot *s = &slots[used.token];

			if (used.len != 8 || s->response != answer(s->request))
				pass_fail(p, "a wrong answer");
			idle[nr_idle++] = used.token;
			back++;
		}
		if (ret < 0)
			pass_fail(p, "the device broke the rules");
		if (!p->d.vq.nr_out || (next != before && below(&seed, 4)))
			continue;
		/* All that are out come back: so the last of them may be asked for. */
		if (mock_enable_cb(&p->d.vq, below(&seed, p->d.vq.nr_out)))
			continue;
		if (!slept)
			ring_bell(p->first);
		slept = true;
		if (!wait_bell(p->call))
			pass_fail(p, "the driver was not woken");
	}
	free(idle);
	free(slots);
}

static void pass_run(struct __test_metadata *_metadata, u64 features, u32 num,
		     u64 total, bool completer)
{
	pthread_t worker, second;
	struct pass *p;

	p = aligned_alloc(64, (sizeof(*p) + 63) & ~63UL);
	ASSERT_NE(NULL, p);
	memset(p, 0, sizeof(*p));
	p->num = num;
	p->total = total;
	p->completer = completer;
	p->kick = eventfd(0, 0);
	p->call = eventfd(0, 0);
	p->first = eventfd(0, 0);
	p->done = calloc(num, sizeof(*p->done));
	ASSERT_NE(NULL, p->done);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	ASSERT_EQ(0, dev_init(&p->d, num, features, 65000, 2));

	ASSERT_EQ(0, pthread_create(&worker, NULL, pass_worker, p));
	if (completer)
		ASSERT_EQ(0, pthread_create(&second, NULL, pass_completer, p));
	pass_driver(p);
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	ring_bell(p->kick);
	ASSERT_EQ(0, pthread_join(worker, NULL));
	if (completer)
		ASSERT_EQ(0, pthread_join(second, NULL));

	EXPECT_EQ(NULL, p->lost) {
		TH_LOG("ring of %u: %s", num, p->lost);
	}
	dev_exit(&p->d);
	close(p->first);
	close(p->call);
	close(p->kick);
	free(p->done);
	free(p);
}

static void pass_all(struct __test_metadata *_metadata, u64 features,
		     bool completer)
{
	/* A small ring makes both sides sleep all the time. */
	if (features & F_INDIRECT)
		pass_run(_metadata, features, 1, 8000 / SLOWER, completer);
	pass_run(_metadata, features, 2, 8000 / SLOWER, completer);
	if (features & F_PACKED)
		pass_run(_metadata, features, 7, 25000 / SLOWER, completer);
	pass_run(_metadata, features, 8, 25000 / SLOWER, completer);
	pass_run(_metadata, features, 256, 100000 / SLOWER, completer);
}

/* The worker does it all. */
TEST_F_TIMEOUT(any, passing, 120)
{
	pass_all(_metadata, variant->features, false);
}

/* The used side on a CPU of its own, as with a bio's completion. */
TEST_F_TIMEOUT(any, passing_completer, 120)
{
	pass_all(_metadata, variant->features, true);
}

TEST_HARNESS_MAIN
