// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of the classic dialect: everything that the device writes to the
 * guest's memory is in it, and nothing that it does not write. The proof is a
 * migration: a second copy of the memory is kept up to date by nothing but the
 * log, which is read and cleared while the device is at work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/vhdb_migration.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define DATA		(512 * PAGE)
#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)

FIXTURE(log)
{
	struct vhdb_classic c;
	int fd;
};

FIXTURE_VARIANT(log)
{
	bool blk;
	__u64 features;
};

FIXTURE_VARIANT_ADD(log, copy_split) { .features = 0 };
FIXTURE_VARIANT_ADD(log, copy_split_event_idx) { .features = F_EVENT };
FIXTURE_VARIANT_ADD(log, copy_packed) { .features = F_EVENT | F_PACKED };
FIXTURE_VARIANT_ADD(log, blk_split) { .blk = true, .features = F_EVENT };
FIXTURE_VARIANT_ADD(log, blk_packed) { .blk = true, .features = F_PACKED };
FIXTURE_VARIANT_ADD(log, copy_iotlb) { .features = F_EVENT | F_PLATFORM };

FIXTURE_VARIANT_ADD(log, blk_iotlb_packed)
{
	.blk = true,
	.features = F_PACKED | F_PLATFORM,
};

FIXTURE_SETUP(log)
{
	struct vhdb_classic *c = &self->c;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_make(c, variant->blk, variant->features, DATA));
	self->fd = c->fd;
	ASSERT_EQ(0, vhdb_classic_setup(c));
	if (variant->features & F_PLATFORM)
		ASSERT_EQ(0, vhdb_iotlb_update(self->fd, c->mem.iova +
					       VHDB_CLASSIC_IOVA, c->mem.size,
					       c->mem.hva, VHOST_ACCESS_RW));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, c->log));
}

FIXTURE_TEARDOWN(log)
{
	vhdb_classic_destroy(&self->c);
}

/* As vhost_dev_set_log() of QEMU does it, on a device that runs */
static int log_on(struct vhdb_classic *c, bool on)
{
	unsigned int i;
	int ret = vhdb_classic_log_all(c, on);

	for (i = 0; !ret && i < c->queues; i++)
		ret = vhdb_classic_log_ring(c, i, on);
	return ret;
}

/* ---- one request: which pages, exactly ---- */

TEST_F(log, off)
{
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	EXPECT_EQ(0, vhdb_classic_log_count(&self->c));
	ASSERT_EQ(0, log_on(&self->c, true));
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 2));
	EXPECT_NE(0, vhdb_classic_log_count(&self->c));
	ASSERT_EQ(0, log_on(&self->c, false));
	vhdb_classic_log_clear(&self->c);
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 3));
	EXPECT_EQ(0, vhdb_classic_log_count(&self->c));
}

/* LOG_ALL alone: the buffers, and nothing of the ring */
TEST_F(log, data_only)
{
	struct vhdb_classic *c = &self->c;
	__u64 end = c->q[0].end;

	ASSERT_EQ(0, vhdb_classic_log_all(c, true));
	vhdb_classic_log_clear(c);
	/* From the last byte of page 2 to the first of page 5 */
	ASSERT_EQ(0, vhdb_classic_do(c, 0, c->data + 3 * PAGE - 512,
				     2 * PAGE + 1024, 1));
	EXPECT_FALSE(vhdb_classic_logged(c, c->data + 1 * PAGE));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data + 2 * PAGE));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data + 3 * PAGE));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data + 4 * PAGE));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data + 5 * PAGE));
	EXPECT_FALSE(vhdb_classic_logged(c, c->data + 6 * PAGE));
	EXPECT_TRUE(vhdb_classic_logged(c, end));
	EXPECT_EQ(0, vhdb_classic_log_count(c));
}

/* VRING_F_LOG alone: the ring, and nothing of the buffers */
TEST_F(log, ring_only)
{
	struct vhdb_classic *c = &self->c;
	struct vhdb_vring *vr = &c->q[0].vring;
	bool packed = variant->features & F_PACKED;

	ASSERT_EQ(0, vhdb_classic_log_ring(c, 0, true));
	/* Till the worker has nothing to do: then it wants to be rung for */
	ASSERT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 1));
	ASSERT_EQ(0, vhdb_classic_log_ring(c, 0, true));
	vhdb_classic_log_clear(c);
	ASSERT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 2));
	/* The used element, or the event area */
	ASSERT_TRUE(vhdb_wait_for(vhdb_classic_logged(c, vr->used_iova)));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	EXPECT_EQ(packed, vhdb_classic_logged(c, vr->desc_iova));
	vhdb_classic_logged(c, vr->used_iova);
	EXPECT_EQ(0, vhdb_classic_log_count(c));
	/* The other queue's is not logged */
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, vhdb_classic_do(c, 1, c->data, PAGE, 2));
	ASSERT_EQ(0, vhdb_classic_log_ring(c, 0, false));
	vhdb_classic_logged(c, vr->used_iova);
	EXPECT_EQ(0, vhdb_classic_log_count(c));
}

/* What is logged is told on the log's eventfd */
TEST_F(log, log_fd)
{
	int fd = eventfd(0, EFD_NONBLOCK), none = -1;

	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD, &fd));
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	EXPECT_EQ(0, vhdb_eventfd_take(fd));
	ASSERT_EQ(0, vhdb_classic_log_all(&self->c, true));
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	EXPECT_EQ(0, vhdb_eventfd_wait(fd));
	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_LOG_FD, &none));
	ASSERT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	EXPECT_EQ(0, vhdb_eventfd_take(fd));
	close(fd);
}

/* A log that is not there: told as an error, and the queue lives */
TEST_F(log, log_without_memory)
{
	struct vhdb_classic *c = &self->c;

	ASSERT_EQ(0, vhdb_classic_log_all(c, true));
	ASSERT_EQ(0, mprotect(c->log, c->log_bytes, PROT_READ));
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 1));
	EXPECT_EQ(0, vhdb_eventfd_wait(c->q[0].vring.err));
	ASSERT_EQ(0, mprotect(c->log, c->log_bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, vhdb_classic_log_count(c));
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 1));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data));
}

/* Another log: nothing goes to the old one when the ioctl has returned */
TEST_F(log, another_log)
{
	struct vhdb_classic *c = &self->c;
	unsigned long *old = c->log;

	ASSERT_EQ(0, log_on(c, true));
	ASSERT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 1));
	c->log = mmap(NULL, c->log_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, c->log);
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, c->log));
	munmap(old, c->log_bytes);
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 1));
	EXPECT_TRUE(vhdb_classic_logged(c, c->data));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_take(c->q[0].vring.err));
}

/* ---- a migration ---- */

/*
 * The end of each request of a queue. The driver makes it 0xff when it submits
 * one, which is for its own VMM to log: where STOP came first it is left so.
 */
static bool same_ends(const struct vhdb_migration *m, unsigned int q)
{
	static const __u8 untouched[VHDB_CLASSIC_HDR] = {
		[0 ... VHDB_CLASSIC_HDR - 1] = 0xff
	};
	struct vhdb_classic *c = m->c;
	size_t bytes = c->blk ? 1 : sizeof(struct vhost_doorbell_copy_trailer);
	unsigned int slot;

	for (slot = 0; slot < VHDB_CLASSIC_NUM; slot++) {
		__u64 end = c->q[q].end + slot * VHDB_CLASSIC_HDR;

		if (memcmp(vhdb_classic_ptr(c, end), untouched, bytes) &&
		    !vhdb_migration_same(m, end, bytes))
			return false;
	}
	return true;
}

/* Keeps both queues busy with writes all over the place */
static int load(struct vhdb_classic *c, unsigned int count)
{
	unsigned int in_flight[2] = {}, i, q, slot = 0;
	int ret = 0;

	for (i = 0; !ret && i < count; i++) {
		/* No two that are under way write the same pages */
		__u64 page = slot++ * 7 % (DATA / PAGE / 8) * 8;

		q = i % 2;
		if (in_flight[q] == 16) {
			ret = vhdb_classic_reap(c, q);
			in_flight[q]--;
		}
		if (!ret)
			ret = vhdb_classic_submit(c, q, c->data + page * PAGE +
						  rand() % 8 * 512,
						  512 * (1 + rand() % 40),
						  rand() % 1900 + 1);
		in_flight[q]++;
		vhdb_vq_kick(&c->q[q].vq);
	}
	for (q = 0; q < 2; q++)
		while (!ret && in_flight[q]--)
			ret = vhdb_classic_reap(c, q);
	return ret;
}

TEST_F(log, migration_under_load)
{
	struct vhdb_classic *c = &self->c;
	struct vhdb_migration m = { .c = c };
	bool packed = variant->features & F_PACKED;
	unsigned int i, round;
	pthread_t thread;

	srand(1);
	m.copy = malloc(c->mem.size);
	ASSERT_NE(NULL, m.copy);
	/* As it is before: some of it was written without a log */
	ASSERT_EQ(0, load(c, 50));
	ASSERT_EQ(0, log_on(c, true));
	memcpy(m.copy, c->mem.hva, c->mem.size);
	ASSERT_EQ(0, pthread_create(&thread, NULL, vhdb_migrate, &m));
	for (round = 0; round < 4; round++) {
		EXPECT_EQ(0, load(c, 250));
		/* An answer is there: what it stands for is logged already */
		for (i = 0; i < 20; i++)
			EXPECT_EQ(0, vhdb_classic_do(c, i % 2, c->data +
						     i * 16 * PAGE, PAGE, i));
	}
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);

	/* The end of it: the guest stands, and so does the device */
	for (i = 0; i < 16; i++)
		EXPECT_EQ(0, vhdb_classic_submit(c, 0, c->data + i * 8 * PAGE,
						 PAGE, i + 77));
	vhdb_vq_kick(&c->q[0].vq);
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	vhdb_migration_pass(&m);
	EXPECT_TRUE(vhdb_migration_same(&m, c->data, DATA));
	for (i = 0; i < 2; i++) {
		const struct vhdb_vring *vr = &c->q[i].vring;

		EXPECT_TRUE(same_ends(&m, i)) {
			TH_LOG("queue %u: status", i);
		}
		EXPECT_TRUE(vhdb_migration_same(&m, vr->used_iova, packed ? 4 :
				 6 + 8 * VHDB_CLASSIC_NUM)) {
			TH_LOG("queue %u: device area", i);
		}
	}
	/* And the log was no more than what there was to send */
	EXPECT_LT(3, m.passes);
	EXPECT_FALSE(vhdb_migration_same(&m, c->q[0].hdr, VHDB_CLASSIC_NUM * VHDB_CLASSIC_HDR));
	free(m.copy);
}

static void *load_some(void *arg)
{
	return (void *)(long)load(arg, 60);
}

/*
 * Turned on while requests are under way: each is either logged, or complete
 * when the ioctl returns.
 */
TEST_F(log, turned_on_under_load)
{
	struct vhdb_classic *c = &self->c;
	struct vhdb_migration m = { .c = c };
	unsigned int round;
	pthread_t thread;
	void *ret;

	m.copy = malloc(c->mem.size);
	ASSERT_NE(NULL, m.copy);
	for (round = 0; round < 12; round++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, load_some, c));
		usleep(round * 500);
		EXPECT_EQ(0, log_on(c, true));
		memcpy(m.copy, c->mem.hva, c->mem.size);
		pthread_join(thread, &ret);
		EXPECT_EQ(0, (long)ret);
		vhdb_migration_pass(&m);
		EXPECT_TRUE(vhdb_migration_same(&m, c->data, DATA));
		EXPECT_EQ(0, log_on(c, false));
	}
	free(m.copy);
}

/* On and off, and for another log: nothing is lost, nobody waits for ever. */
struct flipper {
	struct vhdb_classic *c;
	atomic_bool stop;
	unsigned int flips;
	int err;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!f->err && !atomic_load(&f->stop)) {
		f->err = log_on(f->c, f->flips++ % 2);
		if (!f->err)
			f->err = __vhdb_set_log_base(f->c->fd, f->c->log);
	}
	return NULL;
}

TEST_F(log, turned_on_and_off_under_load)
{
	struct flipper f = { .c = &self->c };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &f));
	for (i = 0; i < 4 || f.flips < 20; i++)
		if (load(&self->c, 100))
			break;
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, f.err);
	EXPECT_GE(i, 4);
}

/* The file is closed with requests under way that are to be logged */
TEST_F(log, closed_while_logging)
{
	unsigned int i;

	ASSERT_EQ(0, log_on(&self->c, true));
	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, vhdb_classic_submit(&self->c, 0, self->c.data +
						 i * 8 * PAGE, 8 * PAGE, i));
	vhdb_vq_kick(&self->c.q[0].vq);
}

TEST_HARNESS_MAIN
