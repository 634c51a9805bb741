// SPDX-License-Identifier: GPL-2.0
/*
 * Polling: a queue that was found empty is looked at for a while before its
 * driver has to ring. Nothing here depends on how long that is: what should come
 * is waited for, and a window that nothing ends is longer than a test may take.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

#define DEBUGFS	"/sys/kernel/debug"
#define PAGE	VHDB_CLASSIC_PAGE
#define F_EVENT	VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PACKED VHDB_BIT(VIRTIO_F_RING_PACKED)
/* Longer than the harness waits */
#define FOR_EVER_US	1000000000U
/* Times that something is tried which another process may spoil */
#define TRIES	100000

static struct vhost_doorbell_stats stats_of(int fd, unsigned int queue)
{
	struct vhost_doorbell_stats s;

	if (vhdb_get_stats(fd, queue, &s))
		memset(&s, 0xff, sizeof(s));
	return s;
}

/* How long queue 0 is polled now, as debugfs has it; -1 if it has not */
static long window_of(int fd)
{
	unsigned int queue, size, avail, used;
	char path[96], text[4096], state[16];
	int in_flight;
	long us;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(path, sizeof(path), DEBUGFS "/vhost-doorbell/%ld/queues",
		 vhdb_file_value(path, "vhdb-id:\t", -1));
	vhdb_read_file(path, text, sizeof(text));
	if (!strchr(text, '\n') ||
	    sscanf(strchr(text, '\n'), "%u %u %15s %u %u %d %ld", &queue, &size,
		   state, &avail, &used, &in_flight, &us) != 7)
		return -1;
	return us;
}

/* ---- the window that adapts, on a disk in the vdpa dialect ---- */

FIXTURE(poll) {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
	unsigned int max_us;
};

FIXTURE_VARIANT(poll) {
	__u64 ask;
};

FIXTURE_VARIANT_ADD(poll, split) { .ask = 0 };
FIXTURE_VARIANT_ADD(poll, packed) { .ask = F_PACKED };

FIXTURE_SETUP(poll)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	int fd;

	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	fd = vhdb_open();
	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	mount("none", DEBUGFS, "debugfs", 0, NULL);
	ASSERT_EQ(0, __vhdb_get_info(fd, &info));
	EXPECT_TRUE(info.capabilities & VHOST_DOORBELL_CAP_POLL);
	ASSERT_LT(0, info.poll_us_max);
	self->max_us = info.poll_us_max;
	close(fd);
	/* Its requests end in the worker: nobody else wants a CPU for them */
	if (vhdb_backing_ram_as_is(&self->backing))
		ASSERT_EQ(0, vhdb_backing_memfd(&self->backing, 4 << 20));
}

FIXTURE_TEARDOWN(poll)
{
	vhdb_disk_destroy(&self->disk);
	vhdb_backing_free(&self->backing);
}

static int start(struct vhdb_disk *disk, int backing, __u64 ask,
		 unsigned int poll_us)
{
	struct vhdb_opts opts = {
		.queues = 2,
		.require = ask,
		.poll_us = poll_us,
	};
	int ret = vhdb_disk_create(disk, backing, &opts, ALL, 1 << 20);

	return ret ? ret : vhdb_disk_start(disk);
}

static __s64 read_one(struct vhdb_disk *disk, unsigned int queue)
{
	return vhdb_disk_io(disk, queue, T_IN, 8, disk->data, 512);
}

/* A driver that polls, too: its next request comes as soon as it can */
static __s64 read_at_once(struct vhdb_disk *disk, unsigned int queue)
{
	struct vhdb_buf data = VHDB_IN(disk->data, 512);
	__u64 end = vhdb_now_ms() + vhdb_timeout_ms();
	__s64 ret;

	ret = vhdb_disk_submit(disk, queue, T_IN, 8, &data, 1, 0);
	if (ret)
		return ret;
	vhdb_vq_kick(&disk->q[queue].vq);
	do {
		ret = vhdb_disk_poll(disk, queue, NULL);
	} while (ret == -EAGAIN && vhdb_now_ms() < end);
	return ret;
}

/* Reads, one after the other, until @more of them were found by polling */
static bool hits(struct vhdb_disk *disk, unsigned int queue, __u64 more)
{
	__u64 end = vhdb_now_ms() + vhdb_timeout_ms();
	__u64 want = stats_of(disk->dev.fd, queue).poll_hits + more;
	unsigned int i;

	while (vhdb_now_ms() < end) {
		for (i = 0; i < 20; i++)
			if (read_at_once(disk, queue) != OK(513))
				return false;
		if (stats_of(disk->dev.fd, queue).poll_hits >= want)
			return true;
	}
	return false;
}

TEST_F(poll, finds_what_follows_soon)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_stats s;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, self->max_us));
	EXPECT_TRUE(hits(disk, 0, 5));
	EXPECT_TRUE(hits(disk, 1, 5));
	s = stats_of(disk->dev.fd, 0);
	EXPECT_LE(s.poll_hits, s.polls);
	EXPECT_LT(0, s.poll_ns);
	/* What was found was not rung for: the driver was told that it need not */
	EXPECT_LT(0, disk->q[0].vq.kicks_saved);
}

/* It grows while it hits, shrinks while it does not, and comes back from 0 */
TEST_F(poll, window)
{
	struct vhdb_disk *disk = &self->disk;
	long least = 0, most = 0;
	unsigned int i;
	__u64 polls;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, self->max_us));
	EXPECT_EQ(0, window_of(disk->dev.fd));
	for (i = 0; i < TRIES && (!least || most <= least); i++) {
		ASSERT_EQ(OK(513), read_at_once(disk, 0));
		ASSERT_EQ(OK(513), read_at_once(disk, 0));
		ASSERT_EQ(OK(513), read_at_once(disk, 0));
		most = window_of(disk->dev.fd);
		if (!least)
			least = most;
		ASSERT_LE(0, most);
		ASSERT_GE(self->max_us, most);
	}
	EXPECT_LT(least, most);

	/* Each of these comes when it has been given up */
	for (i = 0; i < 200 && window_of(disk->dev.fd); i++) {
		usleep(5 * self->max_us);
		ASSERT_EQ(OK(513), read_one(disk, 0));
	}
	usleep(5 * self->max_us);
	EXPECT_EQ(0, window_of(disk->dev.fd));
	polls = stats_of(disk->dev.fd, 0).polls;
	for (i = 0; i < 5; i++) {
		usleep(5 * self->max_us);
		ASSERT_EQ(OK(513), read_one(disk, 0));
	}
	/* So a machine that does next to nothing does not poll. */
	EXPECT_EQ(polls, stats_of(disk->dev.fd, 0).polls);
	EXPECT_TRUE(hits(disk, 0, 5));
}

TEST_F(poll, off)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_stats s;
	unsigned int i;

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, 0));
	for (i = 0; i < vhdb_rounds(500); i++)
		ASSERT_EQ(OK(513), read_one(disk, i % 2));
	s = stats_of(disk->dev.fd, VHOST_DOORBELL_ALL_QUEUES);
	EXPECT_EQ(0, s.polls);
	EXPECT_EQ(0, s.poll_hits);
	EXPECT_EQ(0, s.poll_ns);
	EXPECT_EQ(0, window_of(disk->dev.fd));
}

/* In whatever state of the poll these come, nothing is lost or done twice */
TEST_F(poll, suspend_resume_and_reset)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_buf data;
	unsigned int i, rounds = vhdb_rounds(100);

	ASSERT_EQ(0, start(disk, self->backing.fd, variant->ask, self->max_us));
	data = VHDB_IN(disk->data, 512);
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(OK(513), read_one(disk, 0));
		ASSERT_EQ(0, vhdb_disk_submit(disk, 1, T_IN, 0, &data, 1, i));
		vhdb_vq_kick(&disk->q[1].vq);
		ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
		/* Rung or not, while it was told that it need not ring */
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, &data, 1, i));
		vhdb_vq_kick(&disk->q[0].vq);
		ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
		ASSERT_EQ(OK(513), vhdb_disk_reap(disk, 0, NULL));
		ASSERT_EQ(OK(513), vhdb_disk_reap(disk, 1, NULL));
		if (i % 8 == 7)
			ASSERT_EQ(0, vhdb_disk_restart(disk));
	}
	EXPECT_TRUE(hits(disk, 0, 1));
}

/* ---- a window of a fixed length, in the classic dialect ---- */

FIXTURE(fixed) {
	struct vhdb_classic c;
	int fd;
};

FIXTURE_VARIANT(fixed) {
	bool blk;
	__u64 features;
};

FIXTURE_VARIANT_ADD(fixed, copy_split) { .features = F_EVENT };
FIXTURE_VARIANT_ADD(fixed, blk_packed) { .blk = true, .features = F_PACKED };

static int busyloop(int fd, unsigned int queue, unsigned int us)
{
	struct vhost_vring_state state = { .index = queue, .num = us };

	return __vhdb_ioctl(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &state);
}

/* Started, its queues polled for ever once they have been used */
static int start_classic(struct vhdb_classic *c)
{
	int ret = vhdb_classic_start(c);

	if (!ret)
		ret = busyloop(c->fd, 0, FOR_EVER_US);
	return ret ? ret : busyloop(c->fd, 1, FOR_EVER_US);
}

FIXTURE_SETUP(fixed)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_make(&self->c, variant->blk,
				       variant->features, 64 * PAGE));
	self->fd = self->c.fd;
	ASSERT_EQ(0, start_classic(&self->c));
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, self->c.log));
}

FIXTURE_TEARDOWN(fixed)
{
	vhdb_classic_destroy(&self->c);
}

static int do_one(struct vhdb_classic *c, unsigned int queue)
{
	return vhdb_classic_do(c, queue, c->data + queue * PAGE, PAGE, queue);
}

/*
 * Until the queue is polled. It may be given up again at once, when the CPU is
 * wanted: then the next request is rung for, and it begins anew.
 */
static bool polled(struct vhdb_classic *c, unsigned int queue)
{
	__u64 before = stats_of(c->fd, queue).polls;
	unsigned int i, j;

	for (i = 0; i < TRIES; i++) {
		if (do_one(c, queue))
			return false;
		for (j = 0; j < 20; j++) {
			if (stats_of(c->fd, queue).polls > before)
				return true;
			vhdb_relax();
		}
	}
	return false;
}

/* Both queues of a worker are polled at once: neither has to be rung for */
TEST_F(fixed, all_queues_of_a_worker)
{
	struct vhdb_vq *vq[2] = { &self->c.q[0].vq, &self->c.q[1].vq };
	unsigned int i, q, saved[2] = {};

	for (i = 0; i < TRIES && (saved[0] < 3 || saved[1] < 3); i++) {
		for (q = 0; q < 2; q++)
			ASSERT_TRUE(polled(&self->c, q));
		/* Nothing else is under way: it is the poll that they owe it to */
		for (q = 0; q < 2; q++) {
			__u64 hits = stats_of(self->fd, q).poll_hits;
			__u64 before = vq[q]->kicks_saved;

			ASSERT_EQ(0, do_one(&self->c, q));
			saved[q] += vq[q]->kicks_saved > before &&
				    stats_of(self->fd, q).poll_hits > hits;
		}
	}
	EXPECT_LE(3, saved[0]);
	EXPECT_LE(3, saved[1]);
}

/* Nobody waits for the end of a poll, or finds a queue that is not served */
TEST_F(fixed, ioctls_come_first)
{
	struct vhdb_vq *vq = &self->c.q[1].vq;
	unsigned int i, base, id;
	__u64 rung;

	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(polled(&self->c, 0));
		ASSERT_TRUE(polled(&self->c, 1));
		ASSERT_EQ(0, vhdb_classic_table(&self->c));
		ASSERT_EQ(0, do_one(&self->c, i % 2));
		ASSERT_EQ(0, vhdb_classic_log_all(&self->c, true));
		ASSERT_EQ(0, do_one(&self->c, i % 2));
		ASSERT_EQ(0, vhdb_classic_log_all(&self->c, false));
		ASSERT_TRUE(polled(&self->c, 0));
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
		ASSERT_EQ(0, vhdb_classic_setup_queue(&self->c, 0, base));
		ASSERT_EQ(0, __vhdb_start(self->fd));
		ASSERT_EQ(0, do_one(&self->c, 0));
		ASSERT_EQ(0, __vhdb_stop(self->fd));
		ASSERT_EQ(0, __vhdb_start(self->fd));
		ASSERT_TRUE(polled(&self->c, 1));
		/* Off while it polls: it is rung for again */
		rung = vq->kicks;
		ASSERT_EQ(0, busyloop(self->fd, 1, 0));
		ASSERT_TRUE(vhdb_wait_for(do_one(&self->c, 1) ||
					  vq->kicks > rung));
		ASSERT_EQ(0, busyloop(self->fd, 1, FOR_EVER_US));
	}
	/* To another worker, and the old one ends while it polls the other queue */
	for (i = 0; i < 4; i++) {
		struct vhost_vring_state state = { .index = 0 };

		ASSERT_TRUE(polled(&self->c, 0));
		ASSERT_TRUE(polled(&self->c, 1));
		ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_GET_VRING_WORKER,
					  &state));
		id = state.num;
		ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_NEW_WORKER, &state.num));
		for (state.index = 0; state.index < 2; state.index++) {
			ASSERT_EQ(0, __vhdb_ioctl(self->fd,
						  VHOST_ATTACH_VRING_WORKER,
						  &state));
			ASSERT_EQ(0, do_one(&self->c, 0));
			ASSERT_EQ(0, do_one(&self->c, 1));
		}
		ASSERT_TRUE(polled(&self->c, 0));
		ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_FREE_WORKER, &id));
		ASSERT_EQ(0, do_one(&self->c, 0));
	}
	ASSERT_TRUE(polled(&self->c, 0));
	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
}

/* What a device that is polled ends by */
enum ending {
	CLOSE,
	KILL,
	EXEC,
	ENDINGS,
};

static void child(struct vhdb_classic *c, bool blk, __u64 features,
		  enum ending ending)
{
	if (vhdb_classic_make(c, blk, features, 64 * PAGE) ||
	    start_classic(c) || !polled(c, 0) || !polled(c, 1))
		_exit(2);
	if (ending == KILL)
		kill(getpid(), SIGKILL);
	if (ending == EXEC)
		execl("/bin/true", "true", NULL);
	vhdb_classic_destroy(c);
	_exit(ending == CLOSE ? 0 : 3);
}

TEST_F(fixed, ends_with_its_owner)
{
	unsigned int i;

	for (i = 0; i < ENDINGS * 2; i++) {
		enum ending ending = i % ENDINGS;
		int status;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			child(&self->c, variant->blk, variant->features, ending);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(ending == KILL ? SIGKILL : 0, status);
	}
}

TEST_HARNESS_MAIN
