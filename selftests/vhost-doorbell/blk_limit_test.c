// SPDX-License-Identifier: GPL-2.0
/*
 * Rate limits. What takes no less than its time is certain on any machine, so
 * that is what is looked at; that it goes on at all is what the library's
 * timeout is for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

#define QUEUES	2

FIXTURE(limit) {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
};

FIXTURE_VARIANT(limit) {
	__u64 ask;
};

FIXTURE_VARIANT_ADD(limit, split) { .ask = 0 };
FIXTURE_VARIANT_ADD(limit, packed) { .ask = VHDB_BIT(VIRTIO_F_RING_PACKED) };

FIXTURE_SETUP(limit)
{
	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->backing, 4 << 20));
}

FIXTURE_TEARDOWN(limit)
{
	vhdb_disk_destroy(&self->disk);
	vhdb_backing_free(&self->backing);
}

struct rates {
	__u32 requests, burst_requests;
	__u64 bytes, burst_bytes;
};

static int start(struct vhdb_disk *disk, int backing, __u64 ask,
		 const struct rates *r)
{
	struct vhdb_opts opts = {
		.queues = QUEUES,
		.require = ask,
		.rate_requests = r->requests,
		.burst_requests = r->burst_requests,
		.rate_bytes = r->bytes,
		.burst_bytes = r->burst_bytes,
	};
	int ret = vhdb_disk_create(disk, backing, &opts, ALL, 1 << 20);

	return ret ? ret : vhdb_disk_start(disk);
}

static __u64 throttled(struct vhdb_disk *disk)
{
	struct vhost_doorbell_stats s;

	return vhdb_get_stats(disk->dev.fd, VHOST_DOORBELL_ALL_QUEUES, &s) ?
	       0 : s.throttled;
}

/* @n reads of @len at once; how long it took until the last was answered */
static __s64 reads_take(struct vhdb_disk *disk, unsigned int queue,
			unsigned int n, __u32 len)
{
	__u64 from = vhdb_now_ms();
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct vhdb_buf data = VHDB_IN(disk->data, len);

		if (vhdb_disk_submit(disk, queue, T_IN, 0, &data, 1, i))
			return -ENOSPC;
	}
	vhdb_vq_kick(&disk->q[queue].vq);
	for (i = 0; i < n; i++)
		if (vhdb_disk_reap(disk, queue, NULL) != OK(len + 1))
			return -EIO;
	return vhdb_now_ms() - from;
}

TEST_F(limit, requests_a_second)
{
	static const struct rates r = { .requests = 100, .burst_requests = 5 };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	/* Six at once, the other 44 one each 10 ms */
	EXPECT_LE(430, reads_take(disk, 0, 50, 512));
	EXPECT_LE(1, throttled(disk));
	/* Not again at once: it is one device, and the burst is used up. */
	EXPECT_LE(100, reads_take(disk, 1, 15, 512));
}

TEST_F(limit, bytes_a_second)
{
	static const struct rates r = {
		.bytes = 1 << 20, .burst_bytes = 64 << 10,
	};
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	/* 640 KiB, 64 of them and what goes past that at once */
	EXPECT_LE(530, reads_take(disk, 0, 40, 16384));
	EXPECT_LE(1, throttled(disk));
	/* What moves no data is not meant. */
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0));
}

TEST_F(limit, larger_than_a_burst)
{
	static const struct rates r = { .bytes = 1 << 20, .burst_bytes = 512 };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	/* The second one waits for the first one's quarter of a second. */
	EXPECT_LE(230, reads_take(disk, 0, 2, 262144));
}

TEST_F(limit, a_burst_needs_no_waiting)
{
	static const struct rates r = { .requests = 1, .burst_requests = 50 };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	ASSERT_LE(0, reads_take(disk, 0, 50, 512));
	EXPECT_EQ(0, throttled(disk));
	/* That was all there is, but for what came meanwhile. */
	EXPECT_LE(800, reads_take(disk, 0, 2, 512));
	EXPECT_LE(1, throttled(disk));
}

TEST_F(limit, both_rates_count)
{
	static const struct rates r = {
		.requests = 10000, .bytes = 1 << 20, .burst_bytes = 4096,
	};
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	EXPECT_LE(270, reads_take(disk, 0, 20, 16384));
}

struct reader {
	struct vhdb_disk *disk;
	unsigned int queue;
	bool *ended;
	unsigned int done;
	int ret;
	pthread_t thread;
};

/* Until one of them has its hundred */
static void *read_on(void *arg)
{
	struct reader *r = arg;
	struct vhdb_buf data = VHDB_IN(r->disk->data, 512);

	while (!__atomic_load_n(r->ended, __ATOMIC_ACQUIRE) && !r->ret) {
		if (vhdb_disk_iov(r->disk, r->queue, T_IN, 0, &data, 1) !=
		    OK(513))
			r->ret = -EIO;
		if (++r->done == 100)
			__atomic_store_n(r->ended, true, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F(limit, queues_share_it)
{
	static const struct rates r = { .requests = 200, .burst_requests = 1 };
	struct vhdb_disk *disk = &self->disk;
	struct reader reader[QUEUES];
	bool ended = false;
	unsigned int i;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &r));
	for (i = 0; i < QUEUES; i++) {
		reader[i] = (struct reader){
			.disk = disk, .queue = i, .ended = &ended,
		};
		ASSERT_EQ(0, pthread_create(&reader[i].thread, NULL, read_on,
					    &reader[i]));
	}
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, pthread_join(reader[i].thread, NULL));
		EXPECT_EQ(0, reader[i].ret);
	}
	/* Neither gets it all. */
	EXPECT_LE(25, reader[0].done);
	EXPECT_LE(25, reader[1].done);
}

/* ---- stopped while it waits ---- */

/* Takes as good as for ever: one, and then one each hour */
static const struct rates hourly = { .bytes = 1, .burst_bytes = 1 };

static int fill_up(struct vhdb_disk *disk)
{
	struct vhdb_buf data = VHDB_IN(disk->data, 4096);
	unsigned int i;

	for (i = 0; i < 10; i++)
		if (vhdb_disk_submit(disk, 0, T_IN, 0, &data, 1, i))
			return -ENOSPC;
	vhdb_vq_kick(&disk->q[0].vq);
	if (vhdb_disk_reap(disk, 0, NULL) != OK(4097))
		return -EIO;
	return vhdb_wait_for(throttled(disk)) ? 0 : -ETIMEDOUT;
}

TEST_F(limit, suspend_and_reset_do_not_wait)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_vq *vq = &disk->q[0].vq;
	unsigned int base;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, &hourly));
	ASSERT_EQ(0, fill_up(disk));
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	/* One was taken; the others are still the ring's. */
	ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));
	EXPECT_EQ(vq->ops->base(vq->ops->used_pos(vq)), base);
	ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
	EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	/* Closed while it waits, too. */
	ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0,
				      &VHDB_IN(disk->data, 512), 1, 0));
	vhdb_vq_kick(vq);
}

/* ---- what ATTACH takes ---- */

TEST(bad_rates)
{
	static const struct {
		struct rates r;
		int ret;
	} tests[] = {
		{ { 0, 1, 0, 0 }, -ERANGE },
		{ { 0, 0, 0, 1 }, -ERANGE },
		{ { 1, 61, 0, 0 }, -ERANGE },
		{ { 1, 60, 0, 0 }, 0 },
		{ { 0, 0, (1ULL << 34) + 1, 0 }, -ERANGE },
		{ { 0, 0, ~0ULL, 0 }, -ERANGE },
		{ { 0, 0, 1ULL << 34, 60ULL << 34 }, 0 },
		{ { 0, 0, 1ULL << 34, (60ULL << 34) + 1 }, -ERANGE },
		{ { 0, 0, 1ULL << 34, ~0ULL }, -ERANGE },
		{ { ~0u, ~0u, 1, 60 }, 0 },
		{ { ~0u, ~0u, 1, 61 }, -ERANGE },
	};
	struct vhdb_backing b;
	unsigned int i;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&b, 1 << 20));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		struct vhdb_opts opts = {
			.rate_requests = tests[i].r.requests,
			.burst_requests = tests[i].r.burst_requests,
			.rate_bytes = tests[i].r.bytes,
			.burst_bytes = tests[i].r.burst_bytes,
		};
		int fd = vhdb_open();

		EXPECT_EQ(tests[i].ret, vhdb_attach_blk(fd, b.fd, &opts))
			TH_LOG("case %u", i);
		close(fd);
	}
	vhdb_backing_free(&b);
}

/* A limit that was refused leaves nothing behind. */
TEST(refused_and_tried_again)
{
	struct vhdb_opts opts = { .rate_requests = 1, .burst_bytes = 1 };
	struct vhdb_backing b;
	int fd = vhdb_open();
	struct vhdb_dev dev;
	unsigned int i;

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&b, 1 << 20));
	ASSERT_EQ(-ERANGE, vhdb_attach_blk(fd, b.fd, &opts));
	ASSERT_EQ(0, vhdb_attach_blk(fd, b.fd, NULL));
	ASSERT_EQ(0, __vhdb_set_owner(fd));
	ASSERT_EQ(0, vhdb_dev_adopt(&dev, fd, NULL));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, vhdb_dev_read(&dev, 0, 0));
	vhdb_dev_destroy(&dev);
	vhdb_backing_free(&b);
}

/* The struct of before they came: no limit */
TEST(attach_of_version_1)
{
	struct vhost_doorbell_attach attach;
	struct vhdb_opts opts = { .rate_requests = 1, .burst_bytes = 1 };
	struct vhdb_backing b;
	int fd = vhdb_open();

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&b, 1 << 20));
	vhdb_attach_init(&attach, b.fd, &opts);
	attach.size = VHOST_DOORBELL_ATTACH_SIZE_V1;
	EXPECT_EQ(0, __vhdb_attach(fd, &attach));
	close(fd);
	vhdb_backing_free(&b);
}

TEST(not_for_a_bell)
{
	struct vhost_doorbell_attach attach = {
		.size = sizeof(attach), .backend = "bell", .fd = -1,
		.rate_requests = 5,
	};
	int fd = vhdb_open();

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	EXPECT_EQ(-ERANGE, __vhdb_attach(fd, &attach));
	attach.rate_requests = 0;
	EXPECT_EQ(0, __vhdb_attach(fd, &attach));
	close(fd);
}

TEST_HARNESS_MAIN
