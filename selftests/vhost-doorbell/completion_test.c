// SPDX-License-Identifier: GPL-2.0
/*
 * Who gives a request back: whoever ends its I/O, or the worker if ATTACH says
 * so. The I/O of the test's own block device ends in the context of this
 * process, when it lets go of it, so that the trace tells the two apart.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_testdisk.h"
#include "blk_fixture.h"
#include "trace_log.h"

#define REQUESTS	8

FIXTURE(completion) {
	struct vhdb_disk disk;
	int fd;
	char log[TRACE_LOG];
};

FIXTURE_VARIANT(completion) {
	__u32 flags;
	__u64 ask;
};

FIXTURE_VARIANT_ADD(completion, end_io) { .flags = 0 };

FIXTURE_VARIANT_ADD(completion, worker) {
	.flags = VHOST_DOORBELL_ATTACH_COMPLETE_WORKER,
};

FIXTURE_VARIANT_ADD(completion, worker_packed_in_order) {
	.flags = VHOST_DOORBELL_ATTACH_COMPLETE_WORKER,
	.ask = VHDB_BIT(VIRTIO_F_RING_PACKED) | VHDB_BIT(VIRTIO_F_IN_ORDER),
};

FIXTURE_SETUP(completion)
{
	struct vhdb_opts opts = {
		.queues = 2,
		.flags = variant->flags,
		.require = variant->ask,
	};

	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	self->fd = vhdb_present() ? vhdb_testdisk_open() : -ENODEV;
	if (self->fd == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no test module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vhdb_disk_create(&self->disk, self->fd, &opts, ALL,
				      DATA_BYTES));
	ASSERT_EQ(0, vhdb_disk_start(&self->disk));
	ASSERT_EQ(0, trace_start());
}

FIXTURE_TEARDOWN(completion)
{
	vhdb_testdisk_set("hold_op", VHDB_OP_NONE);
	EXPECT_EQ(0, trace_end());
	vhdb_disk_destroy(&self->disk);
	EXPECT_EQ(0, vhdb_testdisk_close(self->fd));
}

/* Reads that the storage keeps for now: 0 when it has all of them */
static int put_held(struct vhdb_disk *disk)
{
	struct vhdb_buf data = VHDB_IN(disk->data, 512);
	long before = vhdb_testdisk_get("reads");
	unsigned int i;
	int ret;

	ret = vhdb_testdisk_set("hold_op", VHDB_OP_READ);
	for (i = 0; !ret && i < REQUESTS; i++)
		ret = vhdb_disk_submit(disk, i % 2, T_IN, i, &data, 1, i);
	if (ret)
		return ret;
	vhdb_vq_kick(&disk->q[0].vq);
	vhdb_vq_kick(&disk->q[1].vq);
	return vhdb_wait_for(vhdb_testdisk_get("reads") == before + REQUESTS) ?
	       0 : -ETIMEDOUT;
}

/* Each of them once */
static int take_all(struct vhdb_disk *disk)
{
	unsigned int i, seen = 0;
	__u64 token;

	for (i = 0; i < REQUESTS; i++) {
		if (vhdb_disk_reap(disk, i % 2, &token) != OK(513) ||
		    token >= REQUESTS || (seen & 1U << token))
			return -EIO;
		seen |= 1U << token;
	}
	return vhdb_disk_poll(disk, 0, NULL) == -EAGAIN ? 0 : -EPROTO;
}

/* Completions in the trace by whom: a worker, or else */
static unsigned int completed(char *log, bool by_worker)
{
	unsigned int n = 0;
	char *line, *rest;

	trace_read(log);
	for (line = strtok_r(log, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "vhdb_complete: "))
			n += by_worker == !!strstr(line, " vhdb-");
	return n;
}

TEST_F(completion, by_whom)
{
	bool by_worker = variant->flags;

	ASSERT_EQ(0, put_held(&self->disk));
	EXPECT_EQ(0, completed(self->log, true));
	EXPECT_EQ(0, completed(self->log, false));
	ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
	ASSERT_EQ(0, take_all(&self->disk));
	EXPECT_EQ(REQUESTS, completed(self->log, by_worker));
	EXPECT_EQ(0, completed(self->log, !by_worker));
}

struct ender {
	struct vhdb_disk *disk;
	int (*fn)(int fd);
	int ret;
};

static void *end_it(void *arg)
{
	struct ender *e = arg;

	e->ret = e->fn(e->disk->dev.fd);
	return NULL;
}

/* What waits for requests gets all of them, and each comes once */
TEST_F(completion, suspend_with_requests_in_flight)
{
	struct ender e = { .disk = &self->disk, .fn = __vhdb_suspend };
	struct vhost_doorbell_stats s;
	unsigned int i, rounds = vhdb_rounds(20);
	pthread_t thread;

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, put_held(&self->disk));
		ASSERT_EQ(0, pthread_create(&thread, NULL, end_it, &e));
		if (i % 2)
			usleep(1000);
		ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, e.ret);
		ASSERT_EQ(0, vhdb_get_stats(self->disk.dev.fd,
					    VHOST_DOORBELL_ALL_QUEUES, &s));
		/* All were complete when it returned */
		EXPECT_EQ(REQUESTS * (i + 1), s.completions);
		ASSERT_EQ(0, take_all(&self->disk));
		ASSERT_EQ(0, __vhdb_resume(self->disk.dev.fd));
	}
}

TEST_F(completion, reset_and_close_with_requests_in_flight)
{
	struct ender e = { .disk = &self->disk, .fn = vhdb_reset };
	pthread_t thread;

	ASSERT_EQ(0, put_held(&self->disk));
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_it, &e));
	ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, e.ret);
	ASSERT_EQ(0, vhdb_disk_start(&self->disk));

	ASSERT_EQ(0, put_held(&self->disk));
	e.fn = close;
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_it, &e));
	usleep(1000);
	ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, e.ret);
	self->disk.dev.fd = -1;
}

TEST_HARNESS_MAIN
