// SPDX-License-Identifier: GPL-2.0
/*
 * The classic dialect with VIRTIO_F_ACCESS_PLATFORM: the driver's addresses are
 * IOVAs, which the device asks its owner for when it needs them. Here the owner
 * is a thread that answers, or one that does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define DATA		(64 * PAGE)
#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_INDIRECT	VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)
#define MSG_V2		VHDB_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)

FIXTURE(miss)
{
	struct vhdb_classic c;
	int fd;
};

FIXTURE_VARIANT(miss)
{
	bool blk;
	__u64 features;
};

FIXTURE_VARIANT_ADD(miss, copy_split) { .features = F_EVENT };
FIXTURE_VARIANT_ADD(miss, copy_packed) { .features = F_PACKED };
FIXTURE_VARIANT_ADD(miss, blk_split) { .blk = true };
FIXTURE_VARIANT_ADD(miss, blk_packed) { .blk = true, .features = F_PACKED };

FIXTURE_SETUP(miss)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_make(&self->c, variant->blk,
				       variant->features | F_PLATFORM |
				       F_INDIRECT, DATA));
	self->fd = self->c.fd;
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, __vhdb_set_backend_features(self->fd, MSG_V2));
	ASSERT_EQ(0, vhdb_classic_setup(&self->c));
}

FIXTURE_TEARDOWN(miss)
{
	vhdb_classic_destroy(&self->c);
}

/* A question, waited for: 1, 0 if there is none, or -errno */
static int ask(int fd, struct vhost_iotlb_msg *miss)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct vhost_msg_v2 msg;
	ssize_t n;

	if (poll(&pfd, 1, vhdb_timeout_ms()) != 1)
		return 0;
	n = read(fd, &msg, sizeof(msg));
	if (n < 0)
		return -errno;
	if (n != sizeof(msg) || msg.type != VHOST_IOTLB_MSG_V2 || msg.asid ||
	    msg.iotlb.type != VHOST_IOTLB_MISS)
		return -EPROTO;
	*miss = msg.iotlb;
	return 1;
}

static bool asked(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN);
}

/* Maps the page of an IOVA, as a vIOMMU of 4 KiB pages would */
static int map_page(const struct vhdb_classic *c, __u64 iova)
{
	__u64 gpa = (iova - VHDB_CLASSIC_IOVA) & ~(PAGE - 1);
	void *hva = vhdb_classic_ptr(c, gpa);

	return hva ? vhdb_iotlb_update(c->fd, gpa + VHDB_CLASSIC_IOVA, PAGE, hva,
				       VHOST_ACCESS_RW) : -ERANGE;
}

static int map_all(const struct vhdb_classic *c)
{
	return vhdb_iotlb_update(c->fd, c->mem.iova + VHDB_CLASSIC_IOVA,
				 c->mem.size, c->mem.hva, VHOST_ACCESS_RW);
}

static int deny(int fd, __u64 iova)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = {
			.type = VHOST_IOTLB_ACCESS_FAIL,
			.iova = iova & ~(PAGE - 1),
			.size = PAGE,
		},
	};

	return __vhdb_msg_v2(fd, &msg);
}

/* ---- one who answers ---- */

struct owner {
	const struct vhdb_classic *c;
	atomic_bool stop;
	unsigned int answers;
	int err;
};

static void *answer(void *arg)
{
	struct owner *o = arg;
	struct vhost_iotlb_msg miss;

	while (!o->err && !atomic_load(&o->stop)) {
		if (!asked(o->c->fd)) {
			vhdb_relax();
			continue;
		}
		o->err = ask(o->c->fd, &miss) == 1 ? map_page(o->c, miss.iova) :
						     -EPROTO;
		o->answers++;
	}
	return NULL;
}

/* Nothing is mapped: ring, header, data, status are asked for, page by page */
TEST_F(miss, everything_on_demand)
{
	struct owner o = { .c = &self->c };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer, &o));
	for (i = 0; i < 100; i++) {
		if (i % 20 == 19)
			EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, 0, ~0ULL));
		if (vhdb_classic_do(&self->c, i % 2, self->c.data +
				    i % 8 * 4 * PAGE + 100, 3 * PAGE / 512 * 512,
				    i))
			break;
	}
	EXPECT_EQ(100, i);
	atomic_store(&o.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, o.err);
	EXPECT_LT(20, o.answers);
}

/* ---- what is asked, and how ---- */

TEST_F(miss, ring)
{
	struct vhdb_vring *vr = &self->c.q[0].vring;
	struct vhost_iotlb_msg miss;

	EXPECT_FALSE(asked(self->fd));
	ASSERT_EQ(0, vhdb_classic_submit(&self->c, 0, self->c.data, PAGE, 3));
	vhdb_vq_publish(&self->c.q[0].vq);
	ASSERT_EQ(0, __vhdb_start(self->fd));
	/* Both queues ask, in turn */
	ASSERT_EQ(1, ask(self->fd, &miss));
	EXPECT_EQ(vhdb_classic_addr(&self->c, vr->desc_iova), miss.iova);
	EXPECT_EQ(VHOST_ACCESS_RW, miss.perm);
	ASSERT_EQ(1, ask(self->fd, &miss));
	EXPECT_EQ(vhdb_classic_addr(&self->c, self->c.q[1].vring.desc_iova),
		  miss.iova);
	EXPECT_FALSE(asked(self->fd));
	/* It starts when all of it is there, and serves what is in it */
	ASSERT_EQ(0, map_all(&self->c));
	EXPECT_EQ(0, vhdb_classic_reap(&self->c, 0));
	EXPECT_EQ(0, vhdb_classic_do(&self->c, 1, self->c.data, PAGE, 3));
	EXPECT_FALSE(asked(self->fd));
}

/* An owner that had no answer is asked again with the next ring */
TEST_F(miss, ring_is_asked_for_again)
{
	struct vhost_iotlb_msg miss, again;

	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(1, ask(self->fd, &again));
	vhdb_vring_kick(&self->c.q[0].vring);
	ASSERT_EQ(1, ask(self->fd, &again));
	EXPECT_EQ(miss.iova, again.iova);
	/* However often, it is one question */
	vhdb_vring_kick(&self->c.q[0].vring);
	vhdb_vring_kick(&self->c.q[0].vring);
	ASSERT_EQ(1, ask(self->fd, &again));
	ASSERT_EQ(0, map_all(&self->c));
	EXPECT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 3));
}

/* All but the data */
static int start_without_data(struct vhdb_classic *c)
{
	int ret = map_all(c);

	if (!ret)
		ret = __vhdb_start(c->fd);
	if (!ret)
		ret = vhdb_iotlb_invalidate(c->fd, vhdb_classic_addr(c, c->data),
					    DATA);
	return ret;
}

TEST_F(miss, data_buffers)
{
	struct vhdb_classic *c = &self->c;
	struct vhost_iotlb_msg miss;
	__u64 iova = vhdb_classic_addr(c, c->data);

	ASSERT_EQ(0, start_without_data(c));
	EXPECT_FALSE(asked(self->fd));
	ASSERT_EQ(0, vhdb_classic_submit(c, 0, c->data + 512, 2 * PAGE, 5));
	vhdb_vq_kick(&c->q[0].vq);
	ASSERT_EQ(1, ask(self->fd, &miss));
	EXPECT_EQ(iova + 512, miss.iova);
	EXPECT_EQ(VHOST_ACCESS_WO, miss.perm);
	/* The other queue does not wait for it */
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, iova + 32 * PAGE, PAGE,
				       vhdb_classic_ptr(c, c->data + 32 * PAGE),
				       VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_classic_do(c, 1, c->data + 32 * PAGE, PAGE, 6));

	ASSERT_EQ(0, map_page(c, iova));
	ASSERT_EQ(1, ask(self->fd, &miss));
	EXPECT_EQ(iova + PAGE, miss.iova);
	ASSERT_EQ(0, map_page(c, iova + PAGE));
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(0, map_page(c, iova + 2 * PAGE));
	EXPECT_EQ(0, vhdb_classic_reap(c, 0));
	EXPECT_TRUE(vhdb_classic_right(c, vhdb_classic_ptr(c, c->data + 512),
				       2 * PAGE, 5));
}

/* Answered within a batch: all at its end */
TEST_F(miss, batch)
{
	struct vhdb_classic *c = &self->c;
	__u64 iova = vhdb_classic_addr(c, c->data);
	struct vhost_iotlb_msg miss;

	ASSERT_EQ(0, start_without_data(c));
	ASSERT_EQ(0, vhdb_classic_submit(c, 0, c->data, 2 * PAGE, 5));
	vhdb_vq_kick(&c->q[0].vq);
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	ASSERT_EQ(0, map_page(c, iova));
	ASSERT_EQ(0, map_page(c, iova + PAGE));
	EXPECT_FALSE(asked(self->fd));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(0, vhdb_classic_reap(c, 0));
	EXPECT_FALSE(asked(self->fd));
}

/* The owner cannot either: the request fails, the queue lives */
TEST_F(miss, access_fail)
{
	struct vhdb_classic *c = &self->c;
	struct vhost_iotlb_msg miss;

	ASSERT_EQ(0, start_without_data(c));
	ASSERT_EQ(0, vhdb_classic_submit(c, 0, c->data, PAGE, 5));
	vhdb_vq_kick(&c->q[0].vq);
	ASSERT_EQ(1, ask(self->fd, &miss));
	/* Not what was asked for */
	ASSERT_EQ(0, deny(self->fd, miss.iova + PAGE));
	ASSERT_EQ(0, deny(self->fd, miss.iova));
	EXPECT_LT(0, vhdb_classic_reap(c, 0));
	ASSERT_EQ(0, map_page(c, miss.iova));
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 5));
	EXPECT_EQ(0, vhdb_eventfd_take(c->q[0].vring.err));
}

TEST_F(miss, access_fail_of_a_ring)
{
	struct vhost_iotlb_msg miss;

	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(0, deny(self->fd, miss.iova));
	EXPECT_EQ(0, vhdb_eventfd_wait(self->c.q[0].vring.err));
	ASSERT_EQ(0, map_all(&self->c));
	EXPECT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 5));
}

/* Mapped, but not for that: no question, an error */
TEST_F(miss, not_writable)
{
	struct vhdb_classic *c = &self->c;

	ASSERT_EQ(0, start_without_data(c));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, vhdb_classic_addr(c, c->data),
				       PAGE, vhdb_classic_ptr(c, c->data),
				       VHOST_ACCESS_RO));
	EXPECT_LT(0, vhdb_classic_do(c, 0, c->data, PAGE, 5));
	EXPECT_FALSE(asked(self->fd));
	/* The same again for writing takes its place */
	ASSERT_EQ(0, map_page(c, vhdb_classic_addr(c, c->data)));
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, 5));
}

/* Somewhere else now: what was there before is not touched any more */
TEST_F(miss, update_replaces)
{
	struct vhdb_classic *c = &self->c;
	__u64 iova = vhdb_classic_addr(c, c->data);
	__u8 *old = vhdb_classic_ptr(c, c->data);
	__u8 *new = vhdb_classic_ptr(c, c->data + 8 * PAGE);

	ASSERT_EQ(0, map_all(c));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, iova, PAGE, new,
				       VHOST_ACCESS_RW));
	memset(old, 0x5a, PAGE);
	EXPECT_EQ(-EILSEQ, vhdb_classic_do(c, 0, c->data, PAGE, 7));
	EXPECT_TRUE(vhdb_all(old, PAGE, 0x5a));
	EXPECT_TRUE(vhdb_classic_right(c, new, PAGE, 7));
	/* Rings and the rest of that mapping are asked for again, if need be */
	EXPECT_EQ(0, map_page(c, iova));
}

/* An indirect table that is not mapped is asked for, too */
TEST_F(miss, indirect_table)
{
	struct vhdb_classic *c = &self->c;
	struct vhdb_vq *vq = &c->q[0].vq;
	__u64 table = c->data + 40 * PAGE;
	struct vhdb_buf bad = VHDB_OUT(vhdb_classic_addr(c, c->data), 1);
	struct vhost_iotlb_msg miss;

	vq->table_iova = vhdb_classic_addr(c, table);
	vq->table = vhdb_classic_ptr(c, table);
	vq->table_len = 4;
	ASSERT_EQ(0, start_without_data(c));
	ASSERT_LE(0, vhdb_vq_add(vq, &bad, 1, 0, VHDB_INDIRECT));
	vhdb_vq_kick(vq);
	ASSERT_EQ(1, ask(self->fd, &miss));
	EXPECT_EQ(vq->table_iova, miss.iova & ~(PAGE - 1));
	EXPECT_EQ(VHOST_ACCESS_RO, miss.perm);
	EXPECT_EQ(0, vhdb_eventfd_take(c->q[0].vring.err));
	/* There it is; what it leads to is a request that breaks the rules */
	ASSERT_EQ(0, map_page(c, miss.iova));
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(0, map_page(c, miss.iova));
	EXPECT_EQ(0, vhdb_eventfd_wait(c->q[0].vring.err));
}

/* What waits for a mapping was not taken: the next one finds it in the ring */
TEST_F(miss, stopped_while_it_waits)
{
	struct vhdb_classic *c = &self->c;
	struct vhdb_vq *vq = &c->q[0].vq;
	struct vhost_iotlb_msg miss;
	unsigned int before, base;

	ASSERT_EQ(0, start_without_data(c));
	before = vq->ops->base(vq->ops->used_pos(vq));
	ASSERT_EQ(0, vhdb_classic_submit(c, 0, c->data, PAGE, 5));
	vhdb_vq_kick(vq);
	ASSERT_EQ(1, ask(self->fd, &miss));
	ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(before, base);
	EXPECT_FALSE(asked(self->fd));
	ASSERT_EQ(0, map_page(c, miss.iova));
	ASSERT_EQ(0, vhdb_classic_setup_queue(c, 0, base));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	EXPECT_EQ(0, vhdb_classic_reap(c, 0));
}

/* A ring that loses its place while it is at work */
TEST_F(miss, ring_is_unmapped)
{
	struct vhdb_classic *c = &self->c;
	__u64 used = vhdb_classic_addr(c, c->q[0].vring.used_iova);
	struct vhost_iotlb_msg miss;
	unsigned int i;

	ASSERT_EQ(0, map_all(c));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, i));
		ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, used, PAGE));
		ASSERT_EQ(1, ask(self->fd, &miss));
		EXPECT_EQ(used, miss.iova);
		ASSERT_EQ(0, map_page(c, miss.iova));
	}
	EXPECT_EQ(0, vhdb_classic_do(c, 0, c->data, PAGE, i));
}

/* A map that is full: the oldest entry goes, and is asked for when needed */
TEST_F(miss, full_map)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	struct owner o = { .c = &self->c };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, __vhdb_get_info(self->fd, &info));
	ASSERT_EQ(0, map_all(&self->c));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer, &o));
	for (i = 0; i < info.iotlb_max + 10; i++)
		if (vhdb_iotlb_update(self->fd, (1ULL << 50) + 2 * i * PAGE,
				      PAGE, self->c.mem.hva, VHOST_ACCESS_RW))
			break;
	EXPECT_EQ(info.iotlb_max + 10, i);
	EXPECT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 3));
	atomic_store(&o.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, o.err);
}

/* SET_FEATURES begins with an empty IOTLB, as QEMU expects */
TEST_F(miss, empty_after_set_features)
{
	struct vhost_iotlb_msg miss;

	ASSERT_EQ(0, map_all(&self->c));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, vhdb_classic_setup(&self->c));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	EXPECT_EQ(1, ask(self->fd, &miss));
}

/* ---- reading ---- */

TEST_F(miss, read)
{
	struct vhost_msg msg;
	struct vhost_msg_v2 v2;

	EXPECT_EQ(-1, read(self->fd, &msg, sizeof(msg)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_TRUE(asked(self->fd));
	EXPECT_EQ(0, read(self->fd, &msg, sizeof(msg) - 1));
	ASSERT_EQ(sizeof(v2), read(self->fd, &v2, sizeof(v2)));
	EXPECT_EQ(VHOST_IOTLB_MSG_V2, v2.type);
	EXPECT_TRUE(vhdb_all(v2.padding + sizeof(v2.iotlb),
			     sizeof(v2.padding) - sizeof(v2.iotlb), 0));

	/* A client that has not asked for the newer form gets the older one */
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	EXPECT_FALSE(asked(self->fd));
	ASSERT_EQ(0, __vhdb_set_backend_features(self->fd, 0));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	ASSERT_EQ(sizeof(msg), read(self->fd, &msg, sizeof(msg)));
	EXPECT_EQ(VHOST_IOTLB_MSG, msg.type);
	EXPECT_EQ(VHOST_IOTLB_MISS, msg.iotlb.type);
}

static void *read_one(void *arg)
{
	struct vhost_msg_v2 msg;
	int fd = *(int *)arg;

	return (void *)(read(fd, &msg, sizeof(msg)) < 0 ? -(long)errno : 0L);
}

/* Whoever waits is woken by a question, and when there will be none */
TEST_F(miss, read_waits)
{
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_one, &self->fd));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	pthread_join(thread, &ret);
	EXPECT_EQ(0, (long)ret);

	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_one, &self->fd));
	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
	pthread_join(thread, &ret);
	/* -EPERM if it came too late to wait */
	EXPECT_TRUE((long)ret == -EBADFD || (long)ret == -EPERM);
}

TEST_F(miss, messages_that_are_none)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .type = VHOST_IOTLB_MISS, .size = PAGE },
	};

	EXPECT_EQ(-EINVAL, __vhdb_msg_v2(self->fd, &msg));
	msg.iotlb.type = VHOST_IOTLB_ACCESS_FAIL;
	EXPECT_EQ(0, __vhdb_msg_v2(self->fd, &msg));
	msg.iotlb.size = 0;
	EXPECT_EQ(-EINVAL, __vhdb_msg_v2(self->fd, &msg));
	msg.iotlb.type = VHOST_IOTLB_UPDATE;
	EXPECT_EQ(-EINVAL, __vhdb_msg_v2(self->fd, &msg));
	/* Without an IOTLB there are no messages */
	ASSERT_EQ(0, __vhdb_set_features(self->fd,
					 VHDB_BIT(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(-EOPNOTSUPP, map_all(&self->c));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));
	EXPECT_EQ(-1, read(self->fd, &msg, sizeof(msg)));
	EXPECT_EQ(EBADFD, errno);
}

TEST_HARNESS_MAIN
