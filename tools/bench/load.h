/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the loads share: the clock, and how long single events took, known within
 * 1/16 of it.
 */
#ifndef VHDB_BENCH_LOAD_H
#define VHDB_BENCH_LOAD_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 16 buckets for each power of two. */
#define SUB_BITS	4
#define BUCKETS		(64 << SUB_BITS)

struct latencies {
	uint64_t count[BUCKETS];
};

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline unsigned int bucket(uint64_t ns)
{
	unsigned int log;

	if (ns < 1 << SUB_BITS)
		return ns;
	log = 63 - __builtin_clzll(ns);
	return ((log - SUB_BITS + 1) << SUB_BITS) |
	       ((ns >> (log - SUB_BITS)) & ((1 << SUB_BITS) - 1));
}

/* The middle of a bucket. */
static inline uint64_t bucket_ns(unsigned int i)
{
	unsigned int log = (i >> SUB_BITS) + SUB_BITS - 1;
	uint64_t base = (1ULL << SUB_BITS) | (i & ((1 << SUB_BITS) - 1));

	if (i < 1 << SUB_BITS)
		return i;
	return (base << (log - SUB_BITS)) + ((1ULL << (log - SUB_BITS)) >> 1);
}

static inline void latency_add(struct latencies *l, uint64_t ns)
{
	l->count[bucket(ns)]++;
}

static inline void latency_sum(struct latencies *l, const struct latencies *more)
{
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		l->count[i] += more->count[i];
}

/* Of @events in all */
static inline uint64_t latency_percentile(const struct latencies *l,
					  uint64_t events, unsigned int percent)
{
	uint64_t rank = (events * percent + 99) / 100;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		if (rank <= l->count[i])
			return bucket_ns(i);
		rank -= l->count[i];
	}
	return 0;
}

/* What a load prints: so many events, in so long, each of which took so long. */
static inline void load_print(uint64_t nr, uint64_t ns,
			      const struct latencies *l)
{
	printf("events %llu ns %llu p50 %llu p99 %llu\n",
	       (unsigned long long)nr, (unsigned long long)ns,
	       (unsigned long long)latency_percentile(l, nr, 50),
	       (unsigned long long)latency_percentile(l, nr, 99));
}

#endif /* VHDB_BENCH_LOAD_H */
