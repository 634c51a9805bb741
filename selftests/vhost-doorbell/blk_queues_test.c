// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's queues as such, driven by a driver that behaves: indices that wrap,
 * signals that are not wanted, many queues at once, one that is reset while the
 * others work. No data but what shows that the right request was answered.
 */
#define _GNU_SOURCE

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

/*
 * Keep the queue full with requests without data until @total were answered;
 * -EBADMSG when one was answered twice. Every @sync-th is a real read.
 */
static int hammer(struct vhdb_disk *disk, unsigned int queue,
		  unsigned int total, unsigned int batch, unsigned int sync)
{
	struct vhdb_disk_queue *q = &disk->q[queue];
	/* Behind what queue_worker() uses */
	struct vhdb_buf data = VHDB_IN(disk->data + queue * 65536 + 61440,
				       512);
	__u8 *seen = calloc(total, 1);
	unsigned int added = 0, done = 0, i;
	int ret = seen ? 0 : -ENOMEM;

	while (!ret && done < total) {
		__u64 token;
		__s64 answer;

		for (i = 0; i < batch && added < total; i++) {
			bool real = sync && added % sync == 0;

			if (vhdb_disk_submit(disk, queue, T_IN, added % 64,
					     &data, real, added))
				break;
			added++;
		}
		if (i)
			vhdb_vq_kick(&q->vq);
		answer = vhdb_disk_reap(disk, queue, &token);
		while (answer >= 0) {
			bool real = sync && token % sync == 0;

			if (answer != OK(real ? 513 : 1) || seen[token]++) {
				answer = -EBADMSG;
				break;
			}
			done++;
			answer = vhdb_disk_poll(disk, queue, &token);
		}
		if (answer != -EAGAIN)
			ret = answer;
	}
	free(seen);
	return ret;
}

FIXTURE(queues) {
	struct rig rig;
};

FIXTURE_VARIANT(queues) {
	__u64 features;
	__u64 ask;
	unsigned int queue_size;
};

FIXTURE_VARIANT_ADD(queues, event_idx) {
	.features = ALL,
};

FIXTURE_VARIANT_ADD(queues, flags) {
	.features = NO_EVENT_IDX,
};

FIXTURE_VARIANT_ADD(queues, packed) {
	.features = ALL, .ask = PACKED,
};

FIXTURE_VARIANT_ADD(queues, packed_flags) {
	.features = NO_EVENT_IDX, .ask = PACKED, .queue_size = 250,
};

FIXTURE_VARIANT_ADD(queues, in_order) {
	.features = ALL, .ask = IN_ORDER,
};

FIXTURE_VARIANT_ADD(queues, packed_in_order) {
	.features = ALL, .ask = PACKED | IN_ORDER, .queue_size = 193,
};

#define QUEUES	4

FIXTURE_SETUP(queues)
{
	struct vhdb_opts opts = {
		.queues = QUEUES,
		.queue_size = variant->queue_size,
		.require = variant->ask,
	};
	int ret = rig_create(&self->rig, RAM, &opts, variant->features);

	if (ret == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no RAM disk");
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(queues)
{
	rig_destroy(&self->rig);
}

TEST_F(queues, indices_wrap)
{
	/* Odd batches, so that each position of the ring sees each case */
	const unsigned int total = 66000, batch = 97;
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_vq *vq = &disk->q[0].vq;
	struct vhost_doorbell_stats s;

	ASSERT_EQ(0, hammer(disk, 0, total, batch, 500));
	ASSERT_EQ(vq->vr->avail_idx, used_idx(disk));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(total, s.requests);
	EXPECT_EQ(total, s.completions);
	EXPECT_EQ(0, s.errors);
	EXPECT_EQ(0, s.broken);
	EXPECT_GE(vq->kicks + 1, s.kicks);

	/* The signals that we saw are those that the device sent. */
	EXPECT_TRUE(vhdb_wait_for((vq->signals +=
				   vhdb_eventfd_take(vq->vr->call),
				   !vhdb_get_stats(disk->dev.fd, 0, &s) &&
				   s.signals == vq->signals)));
	EXPECT_GE(total, s.signals + s.signals_suppressed);
	TH_LOG("%u requests: %llu kicks, %llu saved, %llu signals, %llu saved",
	       total, vq->kicks, vq->kicks_saved, s.signals,
	       s.signals_suppressed);
}

TEST_F(queues, unwanted_signals_are_not_sent)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_vq *vq = &disk->q[0].vq;
	struct vhost_doorbell_stats a, b;
	unsigned int i, n = 500;

	for (i = 0; i < n + 10; i++) {
		__s64 answer;

		/* The first ones tell the device where the driver stands. */
		if (i == 10) {
			ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &a));
			vhdb_eventfd_take(vq->vr->call);
		}
		vhdb_vq_want_signal(vq, false);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, NULL, 0, 0));
		vhdb_vq_kick(vq);
		ASSERT_TRUE(vhdb_wait_for((answer = vhdb_disk_poll(disk, 0,
								   NULL)) !=
					  -EAGAIN));
		ASSERT_EQ(OK(1), answer);
	}
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	EXPECT_EQ(0, vhdb_eventfd_take(vq->vr->call));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &b));
	EXPECT_EQ(0, b.signals - a.signals);
	EXPECT_LE(1, b.signals_suppressed - a.signals_suppressed);
	EXPECT_GE(n, b.signals_suppressed - a.signals_suppressed);
}

struct worker {
	struct vhdb_disk *disk;
	unsigned int queue;
	pthread_t thread;
	int ret;
	bool ended;
};

/* Write, read back and compare, in a part of the disk that is the queue's */
static void *queue_worker(void *arg)
{
	struct worker *w = arg;
	struct vhdb_disk *disk = w->disk;
	__u64 out = disk->data + w->queue * 65536, in = out + 32768;
	unsigned int i;

	for (i = 0; i < 200 && !w->ret; i++) {
		__u64 sector = w->queue * 1024 + i * 3;
		__u32 len = 512 * (1 + i % 16);

		vhdb_fill(vhdb_disk_ptr(disk, out), len, i * 16 + w->queue);
		if (vhdb_disk_io(disk, w->queue, T_OUT, sector, out, len) !=
		    OK(1) ||
		    vhdb_disk_io(disk, w->queue, T_IN, sector, in, len) !=
		    OK(len + 1))
			w->ret = -EIO;
		else if (!vhdb_filled(vhdb_disk_ptr(disk, in), len,
				      i * 16 + w->queue))
			w->ret = -EILSEQ;
	}
	if (!w->ret)
		w->ret = hammer(disk, w->queue, 2000, 50, 7);
	return NULL;
}

TEST_F(queues, all_at_once_from_threads)
{
	struct worker w[QUEUES];
	struct vhost_doorbell_stats all, s;
	__u64 sum = 0;
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		w[i] = (struct worker){ .disk = &self->rig.disk, .queue = i };
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, queue_worker,
					    &w[i]));
	}
	for (i = 0; i < QUEUES; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(0, w[i].ret);
		ASSERT_EQ(0, vhdb_get_stats(self->rig.disk.dev.fd, i, &s));
		EXPECT_EQ(2400, s.completions);
		sum += s.completions;
	}
	ASSERT_EQ(0, vhdb_get_stats(self->rig.disk.dev.fd,
				    VHOST_DOORBELL_ALL_QUEUES, &all));
	EXPECT_EQ(sum, all.completions);
}

static void *hammer_worker(void *arg)
{
	struct worker *w = arg;

	w->ret = hammer(w->disk, w->queue, 3000, 50, 7);
	__atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

/* 2.6.1: a queue is reset and set up again while the others notice nothing */
TEST_F(queues, one_is_reset_while_others_run)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct worker w = { .disk = disk, .queue = 1 };
	struct vhdb_vq *vq = &disk->q[0].vq;
	unsigned int rounds = 0, i;

	ASSERT_EQ(0, pthread_create(&w.thread, NULL, hammer_worker, &w));
	while (rounds < 5 || !__atomic_load_n(&w.ended, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 20; i++)
			ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, NULL,
						      0, i));
		vhdb_vq_kick(vq);
		for (i = 0; i < 20; i++)
			ASSERT_EQ(OK(1), vhdb_disk_reap(disk, 0, NULL));
		ASSERT_EQ(0, __vhdb_set_vring_enable(disk->dev.fd, 0, 0));
		vhdb_vq_reset(vq, vq->event_idx);
		ASSERT_EQ(0, vhdb_vring_setup(disk->dev.fd, vq->vr));
		ASSERT_EQ(0, __vhdb_set_vring_enable(disk->dev.fd, 0, 1));
		rounds++;
	}
	ASSERT_EQ(0, pthread_join(w.thread, NULL));
	EXPECT_EQ(0, w.ret);
}

/* The wait queue's lock and the queue's lock in both orders: must not lock up */
TEST_F(queues, one_eventfd_as_kick_and_call)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	unsigned int i;

	ASSERT_EQ(0, __vhdb_set_vring_call(disk->dev.fd, 0, vr->kick));
	for (i = 0; i < 300; i++) {
		__s64 answer;

		/* Not to be read here: the count is the device's kick, too. */
		vhdb_vq_want_signal(&disk->q[0].vq, true);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0,
					      &VHDB_IN(disk->data, 512), i & 1,
					      0));
		vhdb_vq_ring(&disk->q[0].vq);
		ASSERT_TRUE(vhdb_wait_for((answer = vhdb_disk_poll(disk, 0,
								   NULL)) !=
					  -EAGAIN));
		ASSERT_EQ(OK(i & 1 ? 513 : 1), answer);
	}
}

TEST_F(queues, config_space)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct virtio_blk_config config;

	memset(&config, 0xa5, sizeof(config));
	ASSERT_EQ(0, __vhdb_get_config(disk->dev.fd, 0,
				       offsetof(struct virtio_blk_config,
						num_queues) + 2, &config));
	EXPECT_EQ(sectors(&self->rig.backing), le64toh(config.capacity));
	EXPECT_EQ(SIZE_MAX_BYTES, le32toh(config.size_max));
	/* Header and status have to fit as well (5.2.6.1). */
	EXPECT_EQ(variant->queue_size ? variant->queue_size - 2 : SEG_MAX,
		  le32toh(config.seg_max));
	EXPECT_LE(512, le32toh(config.blk_size));
	EXPECT_EQ(QUEUES, le16toh(config.num_queues));
	/* A RAM disk has no cache that could lose anything. */
	EXPECT_GE(1, config.wce);
	EXPECT_NE(0, disk->dev.features & VHDB_BIT(VIRTIO_BLK_F_MQ));
	EXPECT_EQ(0, disk->dev.features & VHDB_BIT(VIRTIO_BLK_F_RO));
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
