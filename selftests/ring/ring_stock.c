// SPDX-License-Identifier: GPL-2.0
/*
 * The virtqueue engine with the driver that guests have: virtio_ring.c of a
 * kernel's source, compiled from there. Both layouts, all of the features that
 * it knows, chains of any shape, completions in any order.
 *
 *   loop     both sides take turns in one thread, so that each wish to be
 *            told is seen to be granted at once, and a failure comes back
 *   resize   the same, and the queue is reset and gets another size
 *   threads  both run at the same time and sleep when there is nothing to do
 *
 * The environment's BUFFERS says how many buffers each of them passes.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stock_run.h"
#include "kselftest_harness.h"

/* Whoever sleeps longer than this was not woken. */
#define LOST_MS		20000
/* Steps without a buffer that comes back: the two wait for each other. */
#define STUCK_STEPS	100000
/* Seconds that a test may take, with the BUFFERS of `make test-long`. */
#define SECONDS		3600

/* The sanitizers are several times slower; the Makefile says how much. */
#ifndef SLOWER
#define SLOWER	1
#endif

/* Half of them are more than an index of 16 bits can count. */
#define BUFFERS_DEFAULT	(150000 / SLOWER)

static u64 buffers(void)
{
	const char *env = getenv("BUFFERS");

	return env && atoll(env) > 0 ? atoll(env) : BUFFERS_DEFAULT;
}

static const u32 sizes_split[] = { 256, 1, 2, 8, 64, 1024 };
static const u32 sizes_packed[] = { 256, 1, 2, 7, 100, 1000 };
#define SIZES	6

FIXTURE(guest) {
	u64 seed;
	const u32 *sizes;
};

FIXTURE_VARIANT(guest) {
	u64 features;
};

#define F_INDIRECT	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define F_PACKED	(1ULL << VIRTIO_F_RING_PACKED)
#define F_IN_ORDER	(1ULL << VIRTIO_F_IN_ORDER)

FIXTURE_VARIANT_ADD(guest, split) {
	.features = 0,
};

FIXTURE_VARIANT_ADD(guest, split_indirect) {
	.features = F_INDIRECT,
};

FIXTURE_VARIANT_ADD(guest, split_event_idx) {
	.features = F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(guest, split_indirect_event_idx) {
	.features = F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(guest, packed) {
	.features = F_PACKED,
};

FIXTURE_VARIANT_ADD(guest, packed_indirect) {
	.features = F_PACKED | F_INDIRECT,
};

FIXTURE_VARIANT_ADD(guest, packed_event_idx) {
	.features = F_PACKED | F_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(guest, packed_indirect_event_idx) {
	.features = F_PACKED | F_INDIRECT | F_EVENT_IDX,
};

FIXTURE_SETUP(guest)
{
	u64 known = stock_features(variant->features);

	self->seed = 0x9e3779b97f4a7c15ULL;
	self->sizes = variant->features & F_PACKED ? sizes_packed : sizes_split;
	/* Each of them is in the oldest kernel that this is built from. */
	ASSERT_EQ(variant->features, known);
}

FIXTURE_TEARDOWN(guest)
{
}

/* The @i-th set of features of a variant; 0 after the last. */
static u64 features_nth(u64 features, u32 i)
{
	features |= 1ULL << VIRTIO_F_VERSION_1;
	if (i == 0)
		return features;
	/* Kernels that don't know it drop the bit. */
	if (i == 1 && (stock_features(F_IN_ORDER) & F_IN_ORDER))
		return features | F_IN_ORDER;
	return 0;
}

/* ---- loop, resize ---- */

static u32 burst(u64 *seed, u32 num)
{
	return 1 + below(seed, below(seed, 4) ? 4 : num);
}

static void step_add(struct run *r, u64 *seed)
{
	bool asked = r->device_waits, kick;
	u64 from = r->sent;

	kick = driver_add(r, burst(seed, r->dev.num));
	if (asked && r->sent != from && !kick)
		run_fail(r, "no kick for a device that asked for one");
	if (asked && kick)
		device_wake(r);
}

static void step_take(struct run *r, u64 *seed)
{
	u32 held = r->nr_held;

	if (r->device_waits)
		return;
	device_take(r, burst(seed, r->dev.num));
	if (r->nr_held == held && r->nr_held < r->dev.num)
		device_wait(r);
}

static void step_give(struct run *r, u64 *seed)
{
	bool asked = r->driver_waits, signal, all;
	u64 from = r->shown;

	signal = device_give(r, burst(seed, r->dev.num));
	/* In order, what was pushed may be parked. */
	all = r->shown == r->sent;
	if (asked && !signal && r->shown != from &&
	    (all || !(r->delayed || r->features & F_IN_ORDER)))
		run_fail(r, "no signal for a driver that asked for one");
	if (!asked && signal && !(r->features & F_EVENT_IDX))
		run_fail(r, "a signal for a driver that wanted none");
	if (asked && signal)
		driver_wake(r);
}

static void step_get(struct run *r, u64 *seed)
{
	u64 from = r->got;

	if (r->driver_waits)
		return;
	driver_get(r, burst(seed, r->dev.num));
	if (r->got == from)
		driver_wait(r);
}

static void step(struct run *r, u64 *seed)
{
	switch (below(seed, 4)) {
	case 0:
		step_add(r, seed);
		break;
	case 1:
		step_take(r, seed);
		break;
	case 2:
		step_give(r, seed);
		break;
	default:
		step_get(r, seed);
		break;
	}
}

/* Passes r->total buffers; once in @resize steps the queue is reset. */
static void loop(struct run *r, u64 *seed, const u32 *sizes, u32 resize)
{
	u64 last = r->got;
	u32 idle = 0;

	while (r->got < r->total && !run_failed(r)) {
		step(r, seed);
		if (resize && !below(seed, resize)) {
			u32 num = sizes[below(seed, SIZES)];

			/* To the same size is to the driver no reset. */
			if (num != r->dev.num)
				run_resize(r, num);
		}
		idle = r->got == last ? idle + 1 : 0;
		if (idle == STUCK_STEPS)
			run_fail(r, "driver and device wait for each other");
		last = r->got;
	}
}

TEST_F_TIMEOUT(guest, loop, SECONDS)
{
	u64 features;
	u32 i, n;

	for (n = 0; (features = features_nth(variant->features, n)); n++) {
		for (i = 0; i < SIZES; i++) {
			/* Half of them, on a ring that is made once. */
			u64 total = buffers() / (i ? 2 * (SIZES - 1) : 2);
			struct run *r;

			r = run_new(self->sizes[i], features, total, self->seed);
			ASSERT_NE(NULL, r);
			loop(r, &self->seed, self->sizes, 0);
			ASSERT_EQ(NULL, r->fail) {
				TH_LOG("num %u, buffer %llu: %s", r->dev.num,
				       (unsigned long long)r->got, r->fail);
			}
			run_free(r);
		}
	}
}

TEST_F_TIMEOUT(guest, resize, SECONDS)
{
	u64 features;
	struct run *r;
	u32 n;

	for (n = 0; (features = features_nth(variant->features, n)); n++) {
		/* The size that it starts with is the largest. */
		r = run_new(self->sizes[SIZES - 1], features, buffers() / 4,
			    self->seed);
		ASSERT_NE(NULL, r);
		loop(r, &self->seed, self->sizes, 200);
		ASSERT_EQ(NULL, r->fail) {
			TH_LOG("num %u, buffer %llu: %s", r->dev.num,
			       (unsigned long long)r->got, r->fail);
		}
		run_free(r);
	}
}

/* ---- threads ---- */

/**
 * struct pair - a queue whose sides run at the same time
 * @r: the queue
 * @kick: eventfd
 * @call: eventfd
 * @first: eventfd, the driver is about to sleep for the first time, or has ended
 */
struct pair {
	struct run *r;
	int kick;
	int call;
	int first;
};

/* Whatever happens, the other side isn't left waiting for its time to run out. */
static void ring_bell(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void sleep_on(struct run *r, int fd, const char *lost)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	u64 count;

	if (poll(&pfd, 1, LOST_MS) != 1)
		run_fail(r, lost);
	else if (read(fd, &count, sizeof(count)) != sizeof(count))
		abort();
}

static void *pair_driver(void *arg)
{
	struct pair *p = arg;
	struct run *r = p->r;
	bool slept = false;

	while (r->got < r->total && !run_failed(r)) {
		u64 sent = r->sent, got = r->got;

		if (driver_add(r, burst(&r->driver_seed, r->dev.num)))
			ring_bell(p->kick);
		driver_get(r, burst(&r->driver_seed, r->dev.num));
		if (r->sent != sent || r->got != got)
			continue;
		driver_wait(r);
		if (r->driver_waits) {
			if (!slept)
				ring_bell(p->first);
			slept = true;
			sleep_on(r, p->call, "the driver was not woken");
			driver_wake(r);
		}
	}
	ring_bell(p->kick);
	ring_bell(p->first);
	return NULL;
}

static void *pair_device(void *arg)
{
	struct pair *p = arg;
	struct run *r = p->r;

	/* However fast either side is: the driver is woken at least once. */
	sleep_on(r, p->first, "the driver did not go to sleep");
	while (r->shown < r->total && !run_failed(r)) {
		u32 held = r->nr_held;

		device_take(r, burst(&r->device_seed, r->dev.num));
		/* Some are kept, for those behind them to overtake. */
		if (r->nr_held == held || !below(&r->device_seed, 2)) {
			if (device_give(r, burst(&r->device_seed, r->dev.num)))
				ring_bell(p->call);
		}
		if (r->nr_held)
			continue;
		device_wait(r);
		if (r->device_waits && r->shown < r->total) {
			sleep_on(r, p->kick, "the device was not woken");
			device_wake(r);
		}
	}
	ring_bell(p->call);
	return NULL;
}

static void pair_run(struct __test_metadata *_metadata, struct pair *p)
{
	pthread_t driver, device;

	p->kick = eventfd(0, EFD_NONBLOCK);
	p->call = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, p->kick);
	ASSERT_LE(0, p->call);
	p->first = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, p->first);
	ASSERT_EQ(0, pthread_create(&driver, NULL, pair_driver, p));
	ASSERT_EQ(0, pthread_create(&device, NULL, pair_device, p));
	ASSERT_EQ(0, pthread_join(driver, NULL));
	ASSERT_EQ(0, pthread_join(device, NULL));
	close(p->kick);
	close(p->call);
	close(p->first);
}

TEST_F_TIMEOUT(guest, threads, SECONDS)
{
	u64 features;
	u32 i, n;

	for (n = 0; (features = features_nth(variant->features, n)); n++) {
		struct pair p = {};

		/* Not the sizes of one and two: each buffer is two wake-ups. */
		for (i = 0; i < SIZES; i++) {
			if (self->sizes[i] < 4)
				continue;
			p.r = run_new(self->sizes[i], features,
				      buffers() / (SIZES - 2), self->seed);
			ASSERT_NE(NULL, p.r);
			pair_run(_metadata, &p);
			ASSERT_EQ(NULL, p.r->fail) {
				TH_LOG("num %u, buffer %llu: %s",
				       p.r->dev.num,
				       (unsigned long long)p.r->got, p.r->fail);
			}
			run_free(p.r);
		}
	}
}

TEST_HARNESS_MAIN
