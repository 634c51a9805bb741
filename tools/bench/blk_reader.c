// SPDX-License-Identifier: GPL-2.0
/*
 * A thin load for a disk: requests of one size at random places (or, with "seq",
 * one after the other), past the page cache, so many at a time, for so long. It
 * does next to nothing besides, so that what differs between two disks is not lost
 * in the cost of the load itself.
 *
 *	blk_reader DISK [seq]read|[seq]write BYTES DEPTH JOBS MS
 *
 * Prints "events N ns T p50 T p99 T"; times in ns, latencies of single requests
 * within 1/16 of their value. A JOBS-th of DEPTH * JOBS requests is each thread's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "load.h"

#define DEPTH_MAX	256
#define JOBS_MAX	64

struct job {
	pthread_t thread;
	uint64_t seed;
	uint64_t place;			/* of the next request, if sequential */
	uint64_t requests;
	uint64_t last;			/* when its last request was done */
	struct latencies latencies;
};

static int disk;
static bool writing, sequential;
static size_t bytes;
static unsigned int depth;
static uint64_t places;			/* where a request may start, times bytes */
static uint64_t start, end;
static struct job jobs[JOBS_MAX];

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void submit(aio_context_t ctx, struct job *job, struct iocb *cb)
{
	uint64_t place = sequential ? job->place++ : next_random(&job->seed);

	cb->aio_offset = place % places * bytes;
	cb->aio_data = now();
	if (syscall(SYS_io_submit, ctx, 1, &cb) != 1)
		die("io_submit");
}

static void *run(void *arg)
{
	struct iocb cbs[DEPTH_MAX] = {};
	struct io_event events[DEPTH_MAX];
	struct job *job = arg;
	aio_context_t ctx = 0;
	unsigned int i, flying = 0;
	void *buffers;

	if (syscall(SYS_io_setup, depth, &ctx))
		die("io_setup");
	if (posix_memalign(&buffers, 4096, bytes * depth))
		die("no memory");
	memset(buffers, 0xa5, bytes * depth);
	for (i = 0; i < depth; i++) {
		cbs[i].aio_lio_opcode = writing ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		cbs[i].aio_fildes = disk;
		cbs[i].aio_buf = (uintptr_t)buffers + i * bytes;
		cbs[i].aio_nbytes = bytes;
		submit(ctx, job, &cbs[i]);
		flying++;
	}
	while (flying) {
		int n = syscall(SYS_io_getevents, ctx, 1, depth, events, NULL);
		uint64_t t = now();

		if (n < 1)
			die("io_getevents");
		for (i = 0; i < (unsigned int)n; i++) {
			struct iocb *cb = (struct iocb *)(uintptr_t)events[i].obj;

			if (events[i].res != (int64_t)bytes) {
				errno = events[i].res < 0 ? -events[i].res : EIO;
				die("a request failed");
			}
			latency_add(&job->latencies, t - cb->aio_data);
			job->requests++;
			if (t < end)
				submit(ctx, job, cb);
			else
				flying--;
		}
		job->last = t;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct latencies latencies;
	uint64_t requests = 0, last = 0;
	const char *how = argc == 7 ? argv[2] : "";
	unsigned int i, nr_jobs;

	sequential = !strncmp(how, "seq", 3);
	if (sequential)
		how += 3;
	writing = !strcmp(how, "write");
	if (!writing && strcmp(how, "read")) {
		fprintf(stderr, "usage: blk_reader DISK [seq]read|write BYTES DEPTH JOBS MS\n");
		return 2;
	}
	bytes = strtoul(argv[3], NULL, 0);
	depth = strtoul(argv[4], NULL, 0);
	nr_jobs = strtoul(argv[5], NULL, 0);
	if (!bytes || bytes % 512 || !depth || depth > DEPTH_MAX || !nr_jobs ||
	    nr_jobs > JOBS_MAX) {
		fprintf(stderr, "blk_reader: BYTES: n * 512, DEPTH: up to %d, JOBS: up to %d\n",
			DEPTH_MAX, JOBS_MAX);
		return 2;
	}
	disk = open(argv[1], (writing ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (disk < 0)
		die(argv[1]);
	places = lseek(disk, 0, SEEK_END) / bytes;
	if (!places) {
		fprintf(stderr, "blk_reader: %s is smaller than a request\n", argv[1]);
		return 2;
	}

	start = now();
	end = start + strtoull(argv[6], NULL, 0) * 1000000ULL;
	for (i = 0; i < nr_jobs; i++) {
		/* The same places in each run. */
		jobs[i].seed = 0x9e3779b97f4a7c15ULL * (i + 1);
		jobs[i].place = places * i / nr_jobs;
		if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i]))
			die("no thread");
	}
	for (i = 0; i < nr_jobs; i++) {
		pthread_join(jobs[i].thread, NULL);
		requests += jobs[i].requests;
		latency_sum(&latencies, &jobs[i].latencies);
		if (jobs[i].last > last)
			last = jobs[i].last;
	}
	load_print(requests, last - start, &latencies);
	return 0;
}
