// SPDX-License-Identifier: GPL-2.0
/*
 * The classic dialect while queues run: stopping and going on, what may be
 * changed under them, and workers. In both layouts of rings.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"

#define PAGE		VHDB_CLASSIC_PAGE
#define DATA		(64 * PAGE)
#define F_PACKED	VHDB_BIT(VIRTIO_F_RING_PACKED)
#define F_EVENT		VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PLATFORM	VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)

FIXTURE(running)
{
	struct vhdb_classic c;
	int fd;
};

FIXTURE_VARIANT(running)
{
	bool blk;
	__u64 features;
};

FIXTURE_VARIANT_ADD(running, copy_split) { .features = F_EVENT };
FIXTURE_VARIANT_ADD(running, copy_packed) { .features = F_EVENT | F_PACKED };
FIXTURE_VARIANT_ADD(running, blk_split) { .blk = true };
FIXTURE_VARIANT_ADD(running, blk_packed) { .blk = true, .features = F_PACKED };

FIXTURE_SETUP(running)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_make(&self->c, variant->blk,
				       variant->features, DATA));
	self->fd = self->c.fd;
	ASSERT_EQ(0, vhdb_classic_start(&self->c));
}

FIXTURE_TEARDOWN(running)
{
	vhdb_classic_destroy(&self->c);
}

static unsigned int base_now(struct vhdb_classic *c, unsigned int queue)
{
	struct vhdb_vq *vq = &c->q[queue].vq;

	return vq->ops->base(vq->ops->used_pos(vq));
}

/* Each queue at its own address, length and place on the disk */
static int do_one(struct vhdb_classic *c, unsigned int queue, unsigned int i)
{
	return vhdb_classic_do(c, queue, c->data + i % 8 * PAGE * 3 + i % 7 * 512,
			       512 * (1 + i % 5), i % 500);
}

/* Is it in that page of the data? */
static bool page_right(const struct vhdb_classic *c, unsigned int page,
		       __u64 sector)
{
	return vhdb_classic_right(c, vhdb_classic_ptr(c, c->data + page * PAGE),
				  PAGE, sector);
}

TEST_F(running, serves)
{
	unsigned int i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, do_one(&self->c, i % 2, i));
}

/* It stops the queue, and says where; the other one goes on */
TEST_F(running, get_vring_base_and_on)
{
	struct vhdb_vq *vq = &self->c.q[0].vq;
	unsigned int base, again, i, n = 0;

	for (i = 0; i < 5; i++) {
		unsigned int j;

		/* Some before, and some that are there when it stops */
		for (j = 0; j < 7 + i; j++)
			ASSERT_EQ(0, do_one(&self->c, 0, n++));
		for (j = 0; j < 10; j++)
			ASSERT_EQ(0, vhdb_classic_submit(&self->c, 0,
							 self->c.data + j * PAGE,
							 PAGE, j + n));
		vhdb_vq_kick(vq);
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
		/* All that was taken is complete, and nothing else is */
		EXPECT_EQ(base_now(&self->c, 0), base);
		EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &again));
		EXPECT_EQ(base, again);
		/* A ring is not served any more */
		vhdb_vring_kick(&self->c.q[0].vring);
		EXPECT_EQ(0, vhdb_classic_do(&self->c, 1, self->c.data +
					     40 * PAGE, PAGE, i));
		EXPECT_EQ(base_now(&self->c, 0), base);

		ASSERT_EQ(0, vhdb_classic_setup_queue(&self->c, 0, base));
		ASSERT_EQ(0, __vhdb_start(self->fd));
		for (j = 0; j < 10; j++)
			ASSERT_EQ(0, vhdb_classic_reap(&self->c, 0));
		for (j = 0; j < 10; j++)
			EXPECT_TRUE(page_right(&self->c, j, j + n));
	}
}

TEST_F(running, stop_and_start)
{
	unsigned int i, base;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, do_one(&self->c, 0, i));
		ASSERT_EQ(0, vhdb_classic_submit(&self->c, 1, self->c.data, PAGE,
						 i));
		vhdb_vq_kick(&self->c.q[1].vq);
		ASSERT_EQ(0, __vhdb_stop(self->fd));
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 1, &base));
		EXPECT_EQ(base_now(&self->c, 1), base);
		/* Rings may be anywhere from now on, here they stay */
		ASSERT_EQ(0, __vhdb_start(self->fd));
		EXPECT_EQ(0, __vhdb_start(self->fd));
		ASSERT_EQ(0, vhdb_classic_reap(&self->c, 1));
	}
}

/* ADDR again: the same ones; others are for a queue that stands */
TEST_F(running, addr)
{
	const struct vhdb_vring *vr = &self->c.q[0].vring;
	uintptr_t d = (uintptr_t)vr->desc, a = (uintptr_t)vr->avail;
	uintptr_t u = (uintptr_t)vr->used;
	unsigned int base;

	EXPECT_EQ(0, vhdb_classic_log_ring(&self->c, 0, false));
	EXPECT_EQ(-EBUSY, __vhdb_classic_addr(self->fd, 0, d + 16, a, u, 0, 0));
	EXPECT_EQ(-EBUSY, __vhdb_classic_addr(self->fd, 0, d, a + 4, u, 0, 0));
	EXPECT_EQ(-EBUSY, __vhdb_classic_addr(self->fd, 0, d, a, u + 4, 0, 0));
	/* No log to write to */
	EXPECT_EQ(-EINVAL, vhdb_classic_log_ring(&self->c, 0, true));
	EXPECT_EQ(0, do_one(&self->c, 0, 1));
	ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(0, __vhdb_classic_addr(self->fd, 0, d + 16, a, u, 0, 0));
}

TEST_F(running, features)
{
	__u64 all = self->c.features;

	EXPECT_EQ(0, __vhdb_set_features(self->fd, all));
	EXPECT_EQ(-EBUSY, __vhdb_set_features(self->fd, all ^ F_PACKED));
	EXPECT_EQ(-EBUSY, __vhdb_set_features(self->fd, all | F_PLATFORM));
	EXPECT_EQ(-EOPNOTSUPP, __vhdb_set_features(self->fd,
						   all | VHDB_BIT(63)));
	/* LOG_ALL, with a log and without one */
	EXPECT_EQ(-EFAULT, vhdb_classic_log_all(&self->c, true));
	ASSERT_EQ(0, __vhdb_set_log_base(self->fd, self->c.log));
	EXPECT_EQ(0, vhdb_classic_log_all(&self->c, true));
	EXPECT_EQ(0, do_one(&self->c, 0, 1));
	EXPECT_EQ(0, vhdb_classic_log_all(&self->c, false));
	EXPECT_EQ(0, do_one(&self->c, 1, 2));
}

/* ---- the memory table ---- */

struct swapper {
	struct vhdb_classic *c;
	struct vhost_memory_region table[2][64];
	unsigned int nr[2];
	atomic_bool stop;
	unsigned int swaps;
	int err;
};

/* One region, or each page apart and the data twice */
static void make_tables(struct swapper *s)
{
	const struct vhdb_guest_mem *mem = &s->c->mem;
	unsigned int i, n = 16;
	size_t cut = mem->size / PAGE / n * PAGE;

	s->nr[0] = 1;
	s->table[0][0] = (struct vhost_memory_region){
		.guest_phys_addr = mem->iova,
		.memory_size = mem->size,
		.userspace_addr = (uintptr_t)mem->hva,
	};
	for (i = 0; i < n; i++)
		s->table[1][i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->iova + i * cut,
			.memory_size = i + 1 < n ? cut : mem->size - i * cut,
			.userspace_addr = (uintptr_t)mem->hva + i * cut,
		};
	s->nr[1] = n;
}

static void *swap_tables(void *arg)
{
	struct swapper *s = arg;

	while (!s->err && !atomic_load(&s->stop)) {
		unsigned int i = ++s->swaps % 2;

		s->err = __vhdb_set_mem_table(s->c->fd, s->table[i], s->nr[i]);
	}
	return NULL;
}

TEST_F(running, mem_table_under_load)
{
	struct swapper s = { .c = &self->c };
	pthread_t thread;
	unsigned int i;

	make_tables(&s);
	ASSERT_EQ(0, pthread_create(&thread, NULL, swap_tables, &s));
	for (i = 0; i < 300 || s.swaps < 50; i++)
		if (do_one(&self->c, i % 2, i))
			break;
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.err);
	EXPECT_GE(i, 300);
}

/* What is not in the table any more is not written to when it returns */
TEST_F(running, mem_table_without_the_data)
{
	struct vhost_memory_region region = {
		.guest_phys_addr = self->c.mem.iova,
		.memory_size = self->c.data - self->c.mem.iova,
		.userspace_addr = (uintptr_t)self->c.mem.hva,
	};
	__u8 *data = vhdb_classic_ptr(&self->c, self->c.data);

	ASSERT_EQ(0, do_one(&self->c, 0, 1));
	ASSERT_EQ(0, __vhdb_set_mem_table(self->fd, &region, 1));
	memset(data, 0x5a, DATA);
	EXPECT_LT(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	EXPECT_TRUE(vhdb_all(data, DATA, 0x5a));
	/* A refused table changes nothing, the old one comes back as a whole */
	region.memory_size = 0;
	EXPECT_EQ(-EINVAL, __vhdb_set_mem_table(self->fd, &region, 1));
	EXPECT_LT(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE, 1));
	ASSERT_EQ(0, vhdb_classic_table(&self->c));
	EXPECT_EQ(0, do_one(&self->c, 0, 1));
}

/* Rings are where the owner said, whatever the table has */
TEST_F(running, rings_outside_of_the_table)
{
	struct vhost_memory_region region = {
		.guest_phys_addr = self->c.q[0].hdr,
		.memory_size = self->c.mem.size -
			       (self->c.q[0].hdr - self->c.mem.iova),
		.userspace_addr = (uintptr_t)vhdb_classic_ptr(&self->c,
							self->c.q[0].hdr),
	};

	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, __vhdb_set_mem_table(self->fd, &region, 1));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	EXPECT_EQ(0, do_one(&self->c, 0, 1));
}

TEST_F(running, reset_owner)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vhdb_classic_submit(&self->c, 0, self->c.data, PAGE,
						 1));
		vhdb_vq_kick(&self->c.q[0].vq);
		ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
		EXPECT_EQ(-EPERM, __vhdb_start(self->fd));
		ASSERT_EQ(0, __vhdb_set_owner(self->fd));
		/* Nothing of the old set-up is there */
		EXPECT_EQ(-EPROTO, __vhdb_start(self->fd));
		ASSERT_EQ(0, vhdb_classic_setup(&self->c));
		ASSERT_EQ(0, __vhdb_start(self->fd));
		EXPECT_NE(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE,
					     2));
		ASSERT_EQ(0, vhdb_classic_table(&self->c));
		EXPECT_EQ(0, do_one(&self->c, 1, i));
	}
}

/* Whoever broke its ring starts again with a new one */
TEST_F(running, broken_until_it_is_started_again)
{
	struct vhdb_buf bad = VHDB_OUT(self->c.data, 1);

	ASSERT_LE(0, vhdb_vq_add(&self->c.q[0].vq, &bad, 1, 0, VHDB_DIRECT));
	vhdb_vq_kick(&self->c.q[0].vq);
	EXPECT_EQ(0, vhdb_eventfd_wait(self->c.q[0].vring.err));
	EXPECT_EQ(0, do_one(&self->c, 1, 3));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, vhdb_classic_start(&self->c));
	EXPECT_EQ(0, do_one(&self->c, 0, 4));
}

/* ---- busy polling ---- */

/* A buffer that nobody rings for is found while the worker looks out */
TEST_F(running, busyloop)
{
	struct vhost_vring_state state = { .num = 100000000 };
	struct vhdb_vq *vq = &self->c.q[0].vq;
	unsigned int i;

	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
				  &state));
	/* It may stop at any time, when the CPU is wanted; and then it is rung */
	for (i = 0; i < 100000 && vq->kicks_saved < 20; i++)
		ASSERT_EQ(0, do_one(&self->c, 0, i));
	EXPECT_LE(20, vq->kicks_saved);
	/* Nobody waits for the end of that: another queue, the ioctls */
	EXPECT_EQ(0, do_one(&self->c, 1, 1));
	ASSERT_EQ(0, do_one(&self->c, 0, 0));
	EXPECT_EQ(0, vhdb_classic_table(&self->c));
	ASSERT_EQ(0, do_one(&self->c, 0, 0));
	EXPECT_EQ(0, __vhdb_stop(self->fd));
}

/* ---- workers ---- */

static int new_worker(int fd, unsigned int *id)
{
	return __vhdb_ioctl(fd, VHOST_NEW_WORKER, id);
}

static int free_worker(int fd, unsigned int id)
{
	return __vhdb_ioctl(fd, VHOST_FREE_WORKER, &id);
}

static int attach_worker(int fd, unsigned int queue, unsigned int id)
{
	struct vhost_vring_state state = { .index = queue, .num = id };

	return __vhdb_ioctl(fd, VHOST_ATTACH_VRING_WORKER, &state);
}

static int worker_of(int fd, unsigned int queue)
{
	struct vhost_vring_state state = { .index = queue, .num = ~0U };
	int ret = __vhdb_ioctl(fd, VHOST_GET_VRING_WORKER, &state);

	return ret ? ret : state.num;
}

TEST_F(running, workers)
{
	int first = worker_of(self->fd, 0);
	unsigned int id[3], more, i;

	EXPECT_EQ(0, first);
	EXPECT_EQ(first, worker_of(self->fd, 1));
	EXPECT_EQ(-ENODEV, attach_worker(self->fd, 0, 1));
	EXPECT_EQ(-ENODEV, free_worker(self->fd, 1));
	EXPECT_EQ(-EBUSY, free_worker(self->fd, first));

	/* One for each queue, and the first one */
	ASSERT_EQ(0, new_worker(self->fd, &id[0]));
	ASSERT_EQ(0, new_worker(self->fd, &id[1]));
	EXPECT_EQ(-ENOSPC, new_worker(self->fd, &more));
	EXPECT_NE(id[0], id[1]);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, attach_worker(self->fd, i, id[i]));
		EXPECT_EQ(id[i], worker_of(self->fd, i));
		EXPECT_EQ(-EBUSY, free_worker(self->fd, id[i]));
		EXPECT_EQ(0, do_one(&self->c, i, i));
	}
	ASSERT_EQ(0, free_worker(self->fd, first));
	EXPECT_EQ(-ENODEV, free_worker(self->fd, first));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, do_one(&self->c, i % 2, i));
	EXPECT_EQ(0, new_worker(self->fd, &more));
	EXPECT_EQ(first, more);
}

struct mover {
	int fd;
	atomic_bool stop;
	unsigned int moves;
	int err;
};

static void *move_workers(void *arg)
{
	struct mover *m = arg;
	unsigned int id;

	while (!m->err && !atomic_load(&m->stop)) {
		unsigned int queue = m->moves++ % 2;
		int old = worker_of(m->fd, queue);

		m->err = new_worker(m->fd, &id);
		if (!m->err)
			m->err = attach_worker(m->fd, queue, id);
		/* The other queue may be with it still */
		if (!m->err && worker_of(m->fd, !queue) != old)
			m->err = free_worker(m->fd, old);
	}
	return NULL;
}

/* Queues go from one worker to the next while they are served, losing nothing */
TEST_F(running, workers_change_under_load)
{
	struct mover m = { .fd = self->fd };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, move_workers, &m));
	for (i = 0; i < 200 || m.moves < 20; i++)
		if (do_one(&self->c, i % 2, i))
			break;
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, m.err);
	EXPECT_GE(i, 200);
}

/* Is there a task of this name? */
static bool task_exists(const char *name)
{
	char path[280], comm[32];
	struct dirent *task, *proc;
	bool found = false;
	DIR *procs = opendir("/proc"), *tasks;
	FILE *f;

	while (procs && !found && (proc = readdir(procs))) {
		snprintf(path, sizeof(path), "/proc/%s/task", proc->d_name);
		tasks = proc->d_name[0] >= '0' && proc->d_name[0] <= '9' ?
			opendir(path) : NULL;
		while (tasks && !found && (task = readdir(tasks))) {
			snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/comm",
				 proc->d_name, task->d_name);
			f = fopen(path, "r");
			if (f && fgets(comm, sizeof(comm), f))
				found = !strncmp(comm, name, strlen(name)) &&
					comm[strlen(name)] == '\n';
			if (f)
				fclose(f);
		}
		if (tasks)
			closedir(tasks);
	}
	if (procs)
		closedir(procs);
	return found;
}

/* For those who pin threads: which is whose */
TEST_F(running, workers_have_names)
{
	char name[32];
	unsigned int id;

	snprintf(name, sizeof(name), "vhdb-%d", getpid());
	EXPECT_TRUE(task_exists(name));
	ASSERT_EQ(0, new_worker(self->fd, &id));
	snprintf(name, sizeof(name), "vhdb-%d.%u", getpid(), id);
	EXPECT_TRUE(task_exists(name));
	ASSERT_EQ(0, free_worker(self->fd, id));
	EXPECT_TRUE(vhdb_wait_for(!task_exists(name)));
}

TEST_HARNESS_MAIN
