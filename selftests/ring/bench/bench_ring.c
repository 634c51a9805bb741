// SPDX-License-Identifier: GPL-2.0
/*
 * What a buffer costs its device: the engine and the kernel's vringh on rings
 * with the same contents.
 *
 *   bench_ring time ROUNDS   raw figures, as tools/bench/figures.py has them:
 *                            nanoseconds for each descriptor
 *   bench_ring count         under callgrind, which counts the instructions of
 *                            the device's side and writes a file for each row;
 *                            prints 'DESCRIPTORS ROW', in that order
 *
 * Metrics are 'alone' (the ring is filled before and emptied after, the device
 * has nobody beside it) and 'pair' (the driver runs on another CPU; both poll).
 * A row is named 'LAYOUT CHAIN bBATCH', with an i behind indirect chains; what
 * vringh does is on a split ring.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <valgrind/callgrind.h>

#include "driver.h"
#include "../stock/vringh.h"

#define NUM		512
/*
 * A round is made of so many short pieces, and their median counts: a piece in
 * which something else had the CPU is then not part of the figure.
 */
#define PIECES		401
#define PAIR_PIECES	51
/* Descriptors of a piece in 'pair'. */
#define PIECE		(2 * NUM)
/* Passes over a ring that are counted. */
#define PASSES		16

static const u32 chains[] = { 1, 2, 3, 16 };
static const u32 batches[] = { 1, BENCH_BATCH_MAX };

static const struct layout {
	const char *name;
	u64 features;
} layouts[] = {
	{ "split", 0 },
	{ "split io", 1ULL << VIRTIO_F_IN_ORDER },
	{ "packed", 1ULL << VIRTIO_F_RING_PACKED },
	{ "packed io",
	  1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_F_IN_ORDER },
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A ring and who serves it. */
struct bench {
	struct bench_driver d;
	struct bench_device dev;
	struct stock_vringh *vringh;
	const char *subject;
	char name[64];
	u32 batch;
};

static void die(const struct bench *b, const char *what)
{
	fprintf(stderr, "bench_ring: %s, %s: %s\n", b->subject, b->name, what);
	exit(1);
}

/* Takes up to @batch buffers and gives them back. Their number. */
static u32 engine_serve(struct bench_device *dev, u32 batch)
{
	int n = vhdb_ring_pop_batch(&dev->ring, dev->chains, batch);
	const struct vhdb_chain *c;

	if (n <= 0)
		return 0;
	for (c = dev->chains; c < dev->chains + n; c++)
		vhdb_ring_push(&dev->ring, c->id, c->count, 0);
	vhdb_ring_publish(&dev->ring);
	return n;
}

/* Serves @nr buffers that are there or will come. What callgrind counts. */
static noinline void serve(struct bench *b, u32 nr)
{
	u32 idle = 0;

	while (nr) {
		/* Not more than is asked for: somebody waits for the rest. */
		u32 batch = nr < b->batch ? nr : b->batch;
		u32 n = b->vringh ? stock_vringh_serve(b->vringh, batch) :
				    engine_serve(&b->dev, batch);

		nr -= n;
		/* Only if both share a CPU is that the way to go on. */
		if (!n && ++idle % 1024 == 0)
			sched_yield();
	}
}

static void bench_init(struct bench *b, const struct layout *l, u32 chain,
		       bool indirect, u32 batch, bool vringh)
{
	struct bench_shape shape = {
		.features = l->features,
		.num = NUM,
		.chain = chain,
		.indirect = indirect,
	};

	memset(b, 0, sizeof(*b));
	b->subject = vringh ? "vringh" : "vhost-doorbell";
	b->batch = batch;
	snprintf(b->name, sizeof(b->name), "%s %u%s b%u",
		 vringh ? "vringh" : l->name, chain, indirect ? "i" : "", batch);
	if (bench_driver_init(&b->d, &shape) ||
	    bench_device_init(&b->dev, &b->d))
		die(b, "no memory");
	if (vringh) {
		b->vringh = stock_vringh_new(NUM, b->d.shape.features,
					     b->d.desc, b->d.driver,
					     b->d.device);
		if (!b->vringh)
			die(b, "no vringh");
	}
}

static void bench_exit(struct bench *b)
{
	if (b->vringh)
		stock_vringh_free(b->vringh);
	bench_device_exit(&b->dev);
	bench_driver_exit(&b->d);
}

/* Buffers that fill the ring, as whole batches. */
static u32 fill(struct bench *b)
{
	u32 nr = b->d.room;

	if (nr > b->batch)
		nr -= nr % b->batch;
	bench_driver_add(&b->d, nr);
	return nr;
}

static void reap(struct bench *b, u32 nr)
{
	if (bench_driver_get(&b->d) != nr)
		die(b, "buffers are missing");
}

/* Whoever is measured gives the same list of pieces, the right one. */
static void check(struct bench *b)
{
	u32 i, nr = fill(b), chain = b->d.shape.chain;
	const struct vhdb_chain *last = &b->dev.chains[b->batch - 1];

	serve(b, nr);
	reap(b, nr);
	for (i = 0; i < chain; i++) {
		u64 addr = 0;
		u32 len = 0;

		if (!b->vringh) {
			addr = last->segs[i].addr;
			len = last->segs[i].len;
		} else if (stock_vringh_piece(b->vringh, i, &addr, &len)) {
			die(b, "pieces are missing");
		}
		if (addr != bench_addr(i) || len != bench_len(i))
			die(b, "another piece");
	}
	if (!b->vringh && (last->nr_out != bench_nr_out(chain) ||
			   last->nr_out + last->nr_in != chain))
		die(b, "another number of pieces");
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, u32 nr)
{
	qsort(values, nr, sizeof(*values), by_size);
	return values[nr / 2];
}

static double time_alone(struct bench *b)
{
	double ns[PIECES], from;
	u32 i, nr;

	for (i = 0; i < PIECES; i++) {
		nr = fill(b);
		from = now_ns();
		serve(b, nr);
		ns[i] = (now_ns() - from) / (nr * b->d.shape.chain);
		reap(b, nr);
	}
	return median(ns, PIECES);
}

/* Buffers of a piece in 'pair'. */
static u32 pair_nr(const struct bench *b)
{
	return PIECE / b->d.shape.chain;
}

/* The driver of 'pair': keeps the ring as full as it can. */
static void pair_driver(struct bench *b)
{
	u32 left = PAIR_PIECES * pair_nr(b), nr, idle = 0;

	while (left || b->d.out) {
		u32 got = bench_driver_get(&b->d);

		nr = b->d.room - b->d.out;
		if (nr > left)
			nr = left;
		if (nr > b->batch)
			nr = b->batch;
		if (nr)
			bench_driver_add(&b->d, nr);
		left -= nr;
		if (!nr && !got && ++idle % 1024 == 0)
			sched_yield();
	}
}

static void on_cpu(int nr)
{
	cpu_set_t have, want;
	int cpu;

	/* The nr-th of those that we may have, if there are as many. */
	if (sched_getaffinity(0, sizeof(have), &have))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &have) || nr--)
			continue;
		CPU_ZERO(&want);
		CPU_SET(cpu, &want);
		sched_setaffinity(0, sizeof(want), &want);
		return;
	}
}

static void *pair_driver_thread(void *arg)
{
	on_cpu(0);
	pair_driver(arg);
	return NULL;
}

struct pair_device {
	struct bench *b;
	double ns;
};

static void *pair_device_thread(void *arg)
{
	struct pair_device *p = arg;
	u32 nr = pair_nr(p->b), i;
	double ns[PAIR_PIECES], from;

	on_cpu(1);
	for (i = 0; i < PAIR_PIECES; i++) {
		from = now_ns();
		serve(p->b, nr);
		ns[i] = (now_ns() - from) / (nr * p->b->d.shape.chain);
	}
	p->ns = median(ns, PAIR_PIECES);
	return NULL;
}

static double time_pair(struct bench *b)
{
	struct pair_device p = { .b = b };
	pthread_t driver, device;

	if (pthread_create(&device, NULL, pair_device_thread, &p) ||
	    pthread_create(&driver, NULL, pair_driver_thread, b))
		die(b, "no threads");
	pthread_join(driver, NULL);
	pthread_join(device, NULL);
	return p.ns;
}

static void count(struct bench *b)
{
	u32 i, nr = 0;

	/* What the check before has cost. */
	CALLGRIND_ZERO_STATS;
	for (i = 0; i < PASSES; i++) {
		nr = fill(b);
		serve(b, nr);
		reap(b, nr);
	}
	printf("%u %s\n", PASSES * nr * b->d.shape.chain, b->name);
	fflush(stdout);
	CALLGRIND_DUMP_STATS_AT(b->name);
}

static void print_figure(const struct bench *b, int round, const char *metric,
			 double ns)
{
	printf("{\"round\":%d,\"row\":\"%s\",\"subject\":\"%s\",", round,
	       b->name, b->subject);
	printf("\"metric\":\"%s\",\"unit\":\"ns\",", metric);
	printf("\"better\":\"lower\",\"value\":%.3f}\n", ns);
	fflush(stdout);
}

static void measure(const struct layout *l, u32 chain, bool indirect,
		    u32 batch, bool vringh, int round)
{
	struct bench b;

	bench_init(&b, l, chain, indirect, batch, vringh);
	check(&b);
	if (round < 0) {
		count(&b);
	} else {
		print_figure(&b, round, "alone", time_alone(&b));
		print_figure(&b, round, "pair", time_pair(&b));
	}
	bench_exit(&b);
}

/* One round of everything; what is compared comes one after the other. */
static void measure_all(int round)
{
	bool turn = round & 1;
	u32 l, c, i, n;

	for (c = 0; c < ARRAY_SIZE(chains); c++)
		for (i = 0; i < 2; i++)
			for (n = 0; n < ARRAY_SIZE(batches); n++) {
				if (turn)
					measure(&layouts[0], chains[c], i,
						batches[n], true, round);
				for (l = 0; l < ARRAY_SIZE(layouts); l++)
					measure(&layouts[l], chains[c], i,
						batches[n], false, round);
				if (!turn)
					measure(&layouts[0], chains[c], i,
						batches[n], true, round);
			}
}

int main(int argc, char **argv)
{
	int rounds, round;

	if (argc == 2 && !strcmp(argv[1], "count")) {
		measure_all(-1);
		return 0;
	}
	rounds = argc == 3 && !strcmp(argv[1], "time") ? atoi(argv[2]) : 0;
	if (rounds < 1) {
		fprintf(stderr, "usage: bench_ring time ROUNDS | count\n");
		return 2;
	}
	for (round = 0; round < rounds; round++)
		measure_all(round);
	return 0;
}
