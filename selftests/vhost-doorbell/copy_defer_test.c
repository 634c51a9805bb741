// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that are longer than a run of the worker: other queues are served in
 * between, and a queue can be stopped, asked and remapped in between.
 *
 * No test here measures time. What the worker does in which order is arranged
 * by gates: a gate is a page that is not there, which the worker runs into, and
 * where it waits until the test lets it go on.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/vhdb_copy.h"

#define COPY		VHOST_DOORBELL_COPY_OP_COPY
#define FILL		VHOST_DOORBELL_COPY_OP_FILL
#define CRC32C		VHOST_DOORBELL_COPY_OP_CRC32C
#define S(name)		VHOST_DOORBELL_COPY_S_##name
#define TRAILER		sizeof(struct vhost_doorbell_copy_trailer)

#define PACKED		VHDB_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER	VHDB_BIT(VIRTIO_F_IN_ORDER)

#define MIB		(1UL << 20)
#define LONG		(17 * MIB)	/* a long request: three runs */
#define SMALL		LONG		/* where the space for others begins */
#define DATA_BYTES	(LONG + MIB)
#define ROUNDS		4	/* of what may come at any moment */
#define OLD		0x5a
#define NEW		0xa5
#define NEW_WORD	0xa5a5a5a5a5a5a5a5ULL

/* ---- gates ---- */

struct gate {
	int uffd;
	void *page;
	__u64 iova;
};

#define GATE_IOVA(n)	(VHDB_IOVA_BASE + (8ULL << 30) + (n) * 65536ULL)

static int gate_create(struct gate *gate, int fd, unsigned int n)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	gate->iova = GATE_IOVA(n);
	gate->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (gate->uffd < 0 || ioctl(gate->uffd, UFFDIO_API, &api))
		return -errno;
	gate->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (gate->page == MAP_FAILED)
		return -errno;
	reg.range.start = (unsigned long)gate->page;
	reg.range.len = 4096;
	if (ioctl(gate->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return vhdb_iotlb_update(fd, gate->iova, 4096, gate->page,
				 VHOST_ACCESS_RW);
}

/* Waits until somebody stands before it */
static int gate_wait(struct gate *gate)
{
	struct pollfd pfd = { .fd = gate->uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, vhdb_timeout_ms()) != 1)
		return -ETIMEDOUT;
	return read(gate->uffd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -EIO;
}

static int gate_open(struct gate *gate)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)gate->page, .len = 4096 },
	};

	return ioctl(gate->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

/* As it was in the beginning: nobody may be at it */
static int gate_shut(struct gate *gate)
{
	return madvise(gate->page, 4096, MADV_DONTNEED) ? -errno : 0;
}

static void gate_destroy(struct gate *gate)
{
	/* Whoever still waits goes on */
	close(gate->uffd);
	munmap(gate->page, 4096);
}

/* ---- the rig ---- */

/* Queues: the long request's, one that looks at it, two for gates */
enum { LONG_Q, WITNESS_Q, GATE_Q0, GATE_Q1 };

/*
 * Requests one after the other on a queue: all that the worker had queued when
 * this began is done when it ends.
 */
static int use_worker(struct vhdb_copy *c)
{
	const struct vhdb_copy_op op = { .op = FILL, .len = 8 };
	struct vhdb_buf buf = VHDB_IN(c->data + SMALL, 8);
	struct vhdb_copy_answer a;
	int ret, i;

	for (i = 0; i < 8; i++) {
		ret = vhdb_copy_do(c, GATE_Q0, &op, &buf, 1, &a);
		if (ret || a.status != S(OK))
			return ret ? ret : -EIO;
	}
	return 0;
}

FIXTURE(defer) {
	struct vhdb_copy c;
	struct gate gate[2];
	char *space;
};

FIXTURE_VARIANT(defer) {
	__u64 ask;		/* features that are offered on request */
};

FIXTURE_VARIANT_ADD(defer, split) {
	.ask = 0,
};

FIXTURE_VARIANT_ADD(defer, packed) {
	.ask = PACKED,
};

FIXTURE_VARIANT_ADD(defer, in_order) {
	.ask = IN_ORDER,
};

FIXTURE_VARIANT_ADD(defer, packed_in_order) {
	.ask = PACKED | IN_ORDER,
};

FIXTURE_SETUP(defer)
{
	unsigned int i;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	self->c.features = ~0ULL;
	self->c.ask = variant->ask;
	self->c.how = VHDB_INDIRECT;
	ASSERT_EQ(0, vhdb_copy_create(&self->c, DATA_BYTES));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, gate_create(&self->gate[i], self->c.dev.fd, i));
	self->space = self->c.mem.hva;
	ASSERT_EQ(0, vhdb_copy_start(&self->c));
	ASSERT_EQ(variant->ask, self->c.dev.features & (PACKED | IN_ORDER));
	/* The start has queued them all: let that be over */
	ASSERT_EQ(0, use_worker(&self->c));
	memset(self->space, OLD, DATA_BYTES);
}

FIXTURE_TEARDOWN(defer)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		gate_destroy(&self->gate[i]);
	vhdb_copy_destroy(&self->c);
}

/* A request that ends when its gate is opened, and waits for it to be met */
static int stand_before(struct vhdb_copy *c, struct gate *gate, unsigned int q,
			bool wait)
{
	const struct vhdb_copy_op op = { .op = CRC32C, .len = 1 };
	struct vhdb_buf buf = VHDB_OUT(gate->iova, 1);
	int ret = vhdb_copy_submit(c, q, &op, &buf, 1, 0);

	if (ret)
		return ret;
	vhdb_vq_ring(&c->q[q].vq);
	return wait ? gate_wait(gate) : 0;
}

/* The long request: fills the space up to SMALL. Rung, not waited for. */
static int start_long(struct vhdb_copy *c)
{
	const struct vhdb_copy_op op = { .op = FILL, .len = LONG,
					 .arg = NEW_WORD };
	struct vhdb_buf buf = VHDB_IN(c->data, LONG);
	int ret = vhdb_copy_submit(c, LONG_Q, &op, &buf, 1, 0);

	if (!ret)
		vhdb_vq_ring(&c->q[LONG_Q].vq);
	return ret;
}

/*
 * Brings the long request to where it is deferred, with the worker standing
 * before gate 1: gate 0 holds the worker until both are queued.
 */
static int defer_long(struct vhdb_copy *c, struct gate *gate)
{
	int ret = stand_before(c, &gate[0], GATE_Q0, true);

	if (!ret)
		ret = start_long(c);
	if (!ret)
		ret = stand_before(c, &gate[1], GATE_Q1, false);
	if (!ret)
		ret = gate_open(&gate[0]);
	return ret ? ret : gate_wait(&gate[1]);
}

#define ASSERT_DEFERRED()					\
do {								\
	ASSERT_EQ(0, defer_long(&self->c, self->gate));		\
	ASSERT_EQ((char)NEW, self->space[0]);			\
	ASSERT_EQ((char)OLD, self->space[LONG - 1]);		\
} while (0)

#define EXPECT_DONE(q)						\
do {								\
	struct vhdb_copy_answer __a;				\
								\
	ASSERT_EQ(0, vhdb_copy_reap(&self->c, q, &__a));	\
	EXPECT_EQ(S(OK), __a.status);				\
} while (0)

/* ---- other queues ---- */

/*
 * All of them are queued behind each other while the worker is held. The
 * witness copies what it sees of the long request: its trailer and its data.
 */
TEST_F(defer, other_queues_are_served_in_between)
{
	const struct vhdb_copy_op op = { .op = COPY, .len = TRAILER + 2 };
	struct vhdb_copy *c = &self->c;
	struct vhdb_copy_slot *slot = vhdb_copy_next_slot(c, LONG_Q);
	struct vhost_doorbell_copy_trailer seen;
	__u64 trailer = c->q[LONG_Q].slot_iova +
			(slot - c->q[LONG_Q].slot) * sizeof(*slot) +
			offsetof(struct vhdb_copy_slot, trailer);
	struct vhdb_buf buf[] = {
		VHDB_OUT(trailer, TRAILER), VHDB_OUT(c->data, 1),
		VHDB_OUT(c->data + LONG - 1, 1),
		VHDB_IN(c->data + SMALL, TRAILER + 2),
	};
	struct vhdb_copy_answer a;

	ASSERT_EQ(0, stand_before(c, &self->gate[0], GATE_Q0, true));
	ASSERT_EQ(0, start_long(c));
	ASSERT_EQ(0, vhdb_copy_submit(c, WITNESS_Q, &op, buf, 4, 0));
	vhdb_vq_ring(&c->q[WITNESS_Q].vq);
	ASSERT_EQ(0, gate_open(&self->gate[0]));

	EXPECT_DONE(WITNESS_Q);
	EXPECT_DONE(GATE_Q0);
	ASSERT_EQ(0, vhdb_copy_reap(c, LONG_Q, &a));
	EXPECT_EQ(S(OK), a.status);
	EXPECT_EQ(LONG + TRAILER, a.used);
	EXPECT_EQ(LONG, a.done);
	EXPECT_TRUE(vhdb_all(self->space, LONG, NEW));
	EXPECT_TRUE(vhdb_all(self->space + SMALL + TRAILER + 2, 4096, OLD));

	/* It was begun, was not finished, and had not been answered */
	memcpy(&seen, self->space + SMALL, TRAILER);
	EXPECT_EQ(S(NONE), seen.status);
	EXPECT_EQ((char)NEW, self->space[SMALL + TRAILER]);
	EXPECT_EQ((char)OLD, self->space[SMALL + TRAILER + 1]);
}

/* The largest there is, of all ops, from many pieces to many */
TEST_F(defer, largest_requests)
{
	const __u64 max = le64toh(self->c.config.max_bytes);
	const __u32 block = le32toh(self->c.config.block);
	const unsigned int n = 100;
	struct vhdb_copy *c = &self->c;
	struct vhdb_buf buf[2 * n];
	struct vhdb_copy_op op = { .op = COPY, .len = max };
	struct vhdb_copy_answer a;
	char *source = malloc(max);
	unsigned int i;
	__u64 at = 0;

	ASSERT_NE(NULL, source);
	/* A source of odd pieces that all lie in the last MiB */
	vhdb_fill(self->space + SMALL, MIB, 5);
	for (i = 0; i < n; i++) {
		__u32 len = i + 1 < n ? max / n - i : max - at;

		buf[i] = VHDB_OUT(c->data + SMALL + i, len < MIB ? len : MIB / 2);
		memcpy(source + at, self->space + SMALL + i, buf[i].len);
		at += buf[i].len;
	}
	ASSERT_GT(max, LONG);
	ASSERT_EQ(max, at);
	op.op = CRC32C;
	ASSERT_EQ(0, vhdb_copy_do(c, LONG_Q, &op, buf, n, &a));
	EXPECT_EQ(S(OK), a.status);
	EXPECT_EQ(vhdb_ref_crc32c(0, source, max), a.crc);
	EXPECT_EQ(max, a.done);

	/* Into the same pieces, over and over, of the long space */
	op = (struct vhdb_copy_op){ .op = COPY, .len = LONG - 7 };
	at = 0;
	for (i = 0; at < op.len; i++) {
		__u64 left = op.len - at;

		buf[i].len = left < buf[i].len ? left : buf[i].len;
		at += buf[i].len;
	}
	at = 0;
	for (unsigned int j = i; at < op.len; j++) {
		__u64 len = 333333 + j;

		len = op.len - at < len ? op.len - at : len;
		buf[j] = VHDB_IN(c->data + at, len);
		at += len;
		i = j + 1;
	}
	ASSERT_GT(2 * n, i);
	ASSERT_EQ(0, vhdb_copy_do(c, LONG_Q, &op, buf, i, &a));
	EXPECT_EQ(S(OK), a.status);
	EXPECT_EQ(op.len + TRAILER, a.used);
	EXPECT_EQ(0, memcmp(self->space, source, op.len));
	EXPECT_TRUE(vhdb_all(self->space + op.len, 7, OLD));
	EXPECT_EQ(0, block % 8);
	free(source);
}

/* Behind a long one, short ones of its queue wait their turn */
TEST_F(defer, its_own_queue_waits)
{
	const struct vhdb_copy_op op = { .op = FILL, .len = 4096 };
	struct vhdb_buf buf = VHDB_IN(self->c.data, 4096);
	unsigned int i;

	ASSERT_EQ(0, start_long(&self->c));
	for (i = 1; i < 50; i++)
		ASSERT_EQ(0, vhdb_copy_submit(&self->c, LONG_Q, &op, &buf, 1, i));
	vhdb_vq_kick(&self->c.q[LONG_Q].vq);
	for (i = 0; i < 50; i++) {
		struct vhdb_copy_answer a;

		ASSERT_EQ(0, vhdb_copy_reap(&self->c, LONG_Q, &a));
		EXPECT_EQ(i, a.token);
		EXPECT_EQ(S(OK), a.status);
	}
	EXPECT_TRUE(vhdb_all(self->space, 4096, 0));
	EXPECT_TRUE(vhdb_all(self->space + 4096, LONG - 4096, NEW));
}

/* ---- a queue that is to stand still ---- */

/* The worker cannot help: it stands before a gate */
TEST_F(defer, get_vring_base_finishes_it)
{
	struct vhdb_vq *vq = &self->c.q[LONG_Q].vq;
	__u16 begin = vq->vr->used_idx;
	unsigned int base;

	ASSERT_DEFERRED();
	ASSERT_EQ(0, __vhdb_get_vring_base(self->c.dev.fd, LONG_Q, &base));
	EXPECT_NE(begin, vq->ops->used_pos(vq));
	EXPECT_EQ(vq->ops->base(vq->ops->used_pos(vq)), base);
	EXPECT_TRUE(vhdb_all(self->space, LONG, NEW));
	EXPECT_DONE(LONG_Q);
	ASSERT_EQ(0, gate_open(&self->gate[1]));
	EXPECT_DONE(GATE_Q1);
	/* The queue goes on */
	memset(self->space, OLD, LONG);
	ASSERT_EQ(0, start_long(&self->c));
	EXPECT_DONE(LONG_Q);
	EXPECT_TRUE(vhdb_all(self->space, LONG, NEW));
}

TEST_F(defer, suspend_finishes_what_was_begun)
{
	struct vhdb_vq *vq = &self->c.q[LONG_Q].vq;
	unsigned int base, begin, i;

	for (i = 0; i < ROUNDS; i++) {
		memset(self->space, OLD, LONG);
		begin = vq->ops->base(vq->vr->used_idx);
		ASSERT_EQ(0, start_long(&self->c));
		usleep(i * 500);
		ASSERT_EQ(0, __vhdb_suspend(self->c.dev.fd));
		ASSERT_EQ(0, __vhdb_get_vring_base(self->c.dev.fd, LONG_Q,
						   &base));
		/* Taken and done, or not taken */
		EXPECT_TRUE(vhdb_all(self->space, LONG,
				     base == begin ? OLD : NEW));
		ASSERT_EQ(0, __vhdb_resume(self->c.dev.fd));
		EXPECT_DONE(LONG_Q);
		EXPECT_TRUE(vhdb_all(self->space, LONG, NEW));
	}
}

TEST_F(defer, disabling_the_queue_drops_it)
{
	struct vhdb_copy *c = &self->c;
	struct vhdb_copy_slot *slot = vhdb_copy_next_slot(c, LONG_Q);
	struct vhdb_vq *vq = &c->q[LONG_Q].vq;
	char *then = malloc(LONG);

	ASSERT_NE(NULL, then);
	ASSERT_DEFERRED();
	ASSERT_EQ(0, __vhdb_set_vring_enable(c->dev.fd, LONG_Q, 0));
	memcpy(then, self->space, LONG);
	ASSERT_EQ(0, gate_open(&self->gate[1]));
	EXPECT_DONE(GATE_Q1);
	EXPECT_DONE(GATE_Q0);
	ASSERT_EQ(0, use_worker(c));
	EXPECT_EQ(0, memcmp(then, self->space, LONG));
	EXPECT_EQ(S(NONE), slot->trailer.status);
	EXPECT_EQ(vq->vr->used_idx, vq->ops->used_pos(vq));
	free(then);

	/* Enabled anew, it knows nothing of the old one */
	ASSERT_EQ(0, vhdb_reset(c->dev.fd));
	memset(self->space, OLD, LONG);
	ASSERT_EQ(0, vhdb_copy_start(c));
	ASSERT_EQ(0, use_worker(c));
	EXPECT_TRUE(vhdb_all(self->space, LONG, OLD));
	ASSERT_EQ(0, start_long(c));
	EXPECT_DONE(LONG_Q);
}

TEST_F(defer, reset_ends_it)
{
	char *then = malloc(LONG);
	unsigned int i;

	ASSERT_NE(NULL, then);
	for (i = 0; i < ROUNDS; i++) {
		memset(self->space, OLD, LONG);
		ASSERT_EQ(0, start_long(&self->c));
		usleep(i * 500);
		ASSERT_EQ(0, vhdb_reset(self->c.dev.fd));
		memcpy(then, self->space, LONG);
		ASSERT_EQ(0, vhdb_copy_start(&self->c));
		ASSERT_EQ(0, use_worker(&self->c));
		EXPECT_EQ(0, memcmp(then, self->space, LONG));
	}
	free(then);
}

/*
 * The last close comes while the request is deferred or the worker goes on with
 * it: what is not done by then never is.
 */
TEST_F(defer, close_ends_it)
{
	char *then = malloc(LONG);
	struct vhdb_copy *c = &self->c, other = {
		.features = ~0ULL, .how = VHDB_INDIRECT,
	};
	struct vhdb_copy_answer a;

	ASSERT_NE(NULL, then);
	ASSERT_DEFERRED();
	ASSERT_EQ(0, gate_open(&self->gate[1]));
	close(c->dev.fd);
	c->dev.fd = -1;
	memcpy(then, self->space, LONG);

	/* As long as the whole of it takes: another one does the same */
	ASSERT_EQ(0, vhdb_copy_create(&other, DATA_BYTES));
	ASSERT_EQ(0, vhdb_copy_start(&other));
	ASSERT_EQ(0, start_long(&other));
	ASSERT_EQ(0, vhdb_copy_reap(&other, LONG_Q, &a));
	EXPECT_EQ(S(OK), a.status);
	EXPECT_EQ(0, memcmp(then, self->space, LONG));
	vhdb_copy_destroy(&other);
	free(then);
}

/* ---- the map changes ---- */

struct unmap {
	int fd;
	__u64 iova;
	pid_t tid;		/* set by the thread */
	int ret;
};

static void *unmap_thread(void *arg)
{
	struct unmap *unmap = arg;

	__atomic_store_n(&unmap->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	unmap->ret = vhdb_iotlb_invalidate(unmap->fd, unmap->iova, MIB);
	return NULL;
}

/* Has the thread begun, and is it waiting for something? */
static bool waits(struct unmap *unmap)
{
	pid_t tid = __atomic_load_n(&unmap->tid, __ATOMIC_ACQUIRE);
	char path[64], stat[512], *state;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	vhdb_read_file(path, stat, sizeof(stat));
	state = strrchr(stat, ')');
	return state && (state[2] == 'D' || state[2] == 'S');
}

/*
 * The end of the destination is taken away while the request is deferred and
 * the worker stands before a gate, with the map in use: INVALIDATE waits for
 * that one, and then for nothing. Returns the long request's status.
 *
 * When the gate opens, either may be the first to have the map. If it was the
 * worker, each time until the request was done, that is fine as well.
 */
static __u32 unmap_the_rest(struct __test_metadata *_metadata,
			    struct vhdb_copy *c, struct gate *gate)
{
	struct unmap unmap = {
		.fd = c->dev.fd, .iova = c->data + LONG - MIB,
	};
	char *space = c->mem.hva, *end = space + LONG - MIB;
	struct vhdb_copy_answer a;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, unmap_thread, &unmap));
	EXPECT_TRUE(vhdb_wait_for(waits(&unmap)));
	ASSERT_EQ(0, gate_open(&gate[1]));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, unmap.ret);
	memset(end, 0x77, MIB);

	ASSERT_EQ(0, vhdb_copy_reap(c, LONG_Q, &a));
	/* After INVALIDATE nothing is written there */
	EXPECT_TRUE(vhdb_all(end, MIB, 0x77));
	EXPECT_TRUE(vhdb_all(space, LONG - MIB, NEW));
	if (a.status == S(OK)) {
		EXPECT_EQ(LONG, a.done);
		EXPECT_EQ(LONG + TRAILER, a.used);
	} else {
		EXPECT_EQ(S(DST_UNMAPPED), a.status);
		EXPECT_EQ(LONG - MIB, a.done);
		EXPECT_EQ(LONG - MIB, a.used);
	}
	return a.status;
}

TEST_F(defer, the_rest_finds_the_new_map)
{
	struct vhdb_copy *c = &self->c;
	__u64 give_up = vhdb_now_ms() + vhdb_timeout_ms();
	__u32 status;

	for (;;) {
		ASSERT_DEFERRED();
		status = unmap_the_rest(_metadata, c, self->gate);
		if (status != S(OK))
			break;
		ASSERT_GT(give_up, vhdb_now_ms())
			TH_LOG("INVALIDATE never came before the rest");
		/* Again, with gates that are shut and the map as it was */
		EXPECT_DONE(GATE_Q0);
		EXPECT_DONE(GATE_Q1);
		ASSERT_EQ(0, gate_shut(&self->gate[0]));
		ASSERT_EQ(0, gate_shut(&self->gate[1]));
		ASSERT_EQ(0, vhdb_iotlb_update(c->dev.fd, c->data + LONG - MIB,
					       MIB, self->space + LONG - MIB,
					       VHOST_ACCESS_RW));
		memset(self->space, OLD, DATA_BYTES);
	}
}

/* The same while the request is under way, at any moment */
TEST_F(defer, unmapped_under_way)
{
	struct vhdb_copy *c = &self->c;
	char *end = self->space + LONG - MIB;
	__u64 iova = c->data + LONG - MIB;
	struct vhdb_copy_answer a;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		memset(self->space, OLD, LONG);
		ASSERT_EQ(0, start_long(c));
		usleep(i * 700);
		ASSERT_EQ(0, vhdb_iotlb_invalidate(c->dev.fd, iova, MIB));
		memset(end, 0x77, MIB);
		ASSERT_EQ(0, vhdb_copy_reap(c, LONG_Q, &a));
		EXPECT_TRUE(vhdb_all(end, MIB, 0x77));
		EXPECT_TRUE(a.status == S(OK) || a.status == S(DST_UNMAPPED));
		EXPECT_EQ(a.status == S(OK) ? LONG : LONG - MIB, a.done);
		ASSERT_EQ(0, vhdb_iotlb_update(c->dev.fd, iova, MIB, end,
					       VHOST_ACCESS_RW));
	}
}

TEST_HARNESS_MAIN
