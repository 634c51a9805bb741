// SPDX-License-Identifier: GPL-2.0
/*
 * The back end "bell": rings made are rings counted, and nothing else is; see
 * bell_rate_test.c for how fast.
 *
 * What did not happen is not waited for: setting no call eventfd waits for the
 * signal that is under way, and a ring is counted when its maker goes on.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_module.h"

#include "bell_fixture.h"

#define MANY		vhdb_rounds(20000)

/* ---- ATTACH, and what a bell is not ---- */

TEST_F(bell, attach_takes_what_a_bell_needs)
{
	struct {
		int error;
		struct vhost_doorbell_attach attach;
	} bad[] = {
		{ EINVAL, { .fd = self->kick } },
		{ EINVAL, { .fd = -2 } },
		{ EINVAL, { .fd = -1, .flags = VHOST_DOORBELL_ATTACH_RO } },
		{ EINVAL, { .fd = -1,
			    .flags = VHOST_DOORBELL_ATTACH_COMPLETE_WORKER } },
		{ EINVAL, { .fd = -1,
			    .flags = VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE } },
		{ EINVAL, { .fd = -1, .serial = "x" } },
		{ EINVAL, { .fd = -1, .logical_block_size = 512 } },
		{ ERANGE, { .fd = -1, .queues = 1 } },
		{ ERANGE, { .fd = -1, .queue_size = 256 } },
		{ ERANGE, { .fd = -1, .poll_us = 1 } },
		{ EOPNOTSUPP, { .fd = -1, .dialect = VHOST_DOORBELL_DIALECT_VDPA } },
		{ EOPNOTSUPP, { .fd = -1, .features_allow = 1 } },
		{ EOPNOTSUPP, { .fd = -1, .features_require = 1 } },
	};
	struct vhost_doorbell_attach good;
	unsigned int i;
	int fd;

	fd = vhdb_open();
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		bad[i].attach.size = sizeof(bad[i].attach);
		memcpy(bad[i].attach.backend, "bell", sizeof("bell"));
		EXPECT_EQ(-bad[i].error, __vhdb_attach(fd, &bad[i].attach)) {
			TH_LOG("row %u", i);
		}
	}
	vhdb_bell_attach_init(&good);
	EXPECT_EQ(0, __vhdb_attach(fd, &good));
	EXPECT_EQ(-EBUSY, __vhdb_attach(fd, &good));
	EXPECT_EQ(0, __vhdb_bell_ring(fd));
	close(fd);
}

TEST_F(bell, backend_info)
{
	struct vhost_doorbell_backend_info info;

	ASSERT_EQ(0, vhdb_backend_find(self->fd, "bell", &info));
	EXPECT_EQ(0, info.device_id);
	EXPECT_EQ(0, info.queues_max);
	EXPECT_EQ(0, info.features);
}

TEST_F(bell, is_no_virtio_device)
{
	static const unsigned long ioctls[] = {
		VHOST_SET_OWNER, VHOST_GET_FEATURES, VHOST_SET_VRING_KICK,
		VHOST_VDPA_GET_DEVICE_ID, VHOST_VDPA_SET_STATUS,
		VHOST_VDPA_GET_VRING_NUM, VHOST_VDPA_GET_CONFIG,
		VHOST_VDPA_SUSPEND, VHOST_SET_MEM_TABLE, VHOST_RESET_OWNER,
	};
	struct vhost_doorbell_stats stats;
	__u64 arg[32] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		EXPECT_EQ(-EOPNOTSUPP, __vhdb_ioctl(self->fd, ioctls[i], arg)) {
			TH_LOG("ioctl 0x%lx", ioctls[i]);
		}
	}
	EXPECT_EQ(-EOPNOTSUPP, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(-EOPNOTSUPP, vhdb_get_stats(self->fd, 0, &stats));
	EXPECT_EQ(-EOPNOTSUPP, vhdb_get_stats(self->fd,
					      VHOST_DOORBELL_ALL_QUEUES, &stats));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 0));
}

/* Numbers of a back end's own: of another one, of none, of nobody */
TEST_F(bell, ioctls_are_the_bells)
{
	struct vhost_doorbell_bell_count count;
	struct vhdb_backing disk;
	int fd;

	fd = vhdb_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENODEV, __vhdb_bell_ring(fd));
	EXPECT_EQ(-ENODEV, __vhdb_bell_hook(fd, self->kick));
	EXPECT_EQ(-ENODEV, __vhdb_bell_call(fd, -1, 0));
	EXPECT_EQ(-ENODEV, vhdb_bell_count(fd, false, &count));
	ASSERT_EQ(0, vhdb_backing_memfd(&disk, 1 << 20));
	ASSERT_EQ(0, vhdb_attach_blk(fd, disk.fd, NULL));
	EXPECT_EQ(-ENOTTY, __vhdb_bell_ring(fd));
	EXPECT_EQ(-ENOTTY, vhdb_bell_count(fd, false, &count));
	vhdb_backing_free(&disk);
	close(fd);

	EXPECT_EQ(-ENOTTY, __vhdb_ioctl(self->fd, _IO(VHOST_DOORBELL_IOCTL, 0x3f),
					NULL));
	EXPECT_EQ(-ENOTTY, __vhdb_ioctl(self->fd, _IO(VHOST_DOORBELL_IOCTL, 0xff),
					NULL));
	/* The right number with another size */
	EXPECT_EQ(-ENOTTY, __vhdb_ioctl(self->fd, _IO(VHOST_DOORBELL_IOCTL, 0x42),
					&count));
}

/* ---- bad arguments ---- */

TEST_F(bell, bad_pointers)
{
	EXPECT_EQ(-EFAULT, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_HOOK, NULL));
	EXPECT_EQ(-EFAULT, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_CALL, NULL));
	EXPECT_EQ(-EFAULT, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_COUNT, NULL));
}

TEST_F(bell, bad_hook)
{
	struct vhost_doorbell_bell_hook hook = { .fd = -1, .reserved = 1 };
	int closed = fcntl(self->call, F_DUPFD, 500);
	int pipes[2];

	close(closed);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_HOOK,
					&hook));
	EXPECT_EQ(-EBADF, __vhdb_bell_hook(self->fd, closed));
	EXPECT_EQ(-EBADF, __vhdb_bell_hook(self->fd, -2));
	EXPECT_EQ(-EBADF, __vhdb_bell_hook(self->fd, INT32_MAX));
	EXPECT_EQ(-EINVAL, __vhdb_bell_hook(self->fd, pipes[0]));
	EXPECT_EQ(-EINVAL, __vhdb_bell_hook(self->fd, self->fd));
	/* What was hooked still is */
	EXPECT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 1, 0, 0));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(bell, bad_call)
{
	int closed = fcntl(self->call, F_DUPFD, 500);
	int pipes[2];

	close(closed);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 1));
	EXPECT_EQ(-EINVAL, __vhdb_bell_call(self->fd, self->kick, 0));
	EXPECT_EQ(-EINVAL, __vhdb_bell_call(self->fd, -1, 1));
	EXPECT_EQ(-EBADF, __vhdb_bell_call(self->fd, closed, 1));
	EXPECT_EQ(-EBADF, __vhdb_bell_call(self->fd, -2, 1));
	EXPECT_EQ(-EINVAL, __vhdb_bell_call(self->fd, pipes[0], 1));
	EXPECT_EQ(-EINVAL, __vhdb_bell_call(self->fd, self->fd, 1));
	/* Who was told still is */
	EXPECT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_wait(self->call));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(bell, bad_count)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct vhost_doorbell_bell_count *count;
	int i;

	count = mmap(NULL, page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, count);
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	for (i = 1; i < 32; i++) {
		count->flags = 1U << i;
		EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd,
						VHOST_DOORBELL_BELL_COUNT, count));
	}
	count->flags = VHOST_DOORBELL_BELL_COUNT_RESET;
	count->reserved = 1;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_COUNT,
					count));
	/* May be read, not written: what can't be told is not taken away */
	count->reserved = 0;
	ASSERT_EQ(0, mprotect(count, page, PROT_READ));
	EXPECT_EQ(-EFAULT, __vhdb_ioctl(self->fd, VHOST_DOORBELL_BELL_COUNT,
					count));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 1, 0));
	munmap(count, page);
}

/* ---- what is a ring ---- */

TEST_F(bell, counts_by_source)
{
	struct vhost_doorbell_bell_count count;
	int i;

	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	/* Not hooked yet */
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 3, 0));
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 5, 3, 0));
	ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
	EXPECT_EQ(5, count.eventfd);
	EXPECT_EQ(3, count.ioctl);
	EXPECT_EQ(0, count.kernel);
	EXPECT_EQ(VHOST_DOORBELL_BELL_COUNT_RESET, count.flags);
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 0));
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 1, 1, 0));
}

TEST_F(bell, hooking_counts_nothing)
{
	int other = eventfd(7, EFD_CLOEXEC);
	int i;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 42));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, other));
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, -1));
		ASSERT_EQ(0, __vhdb_bell_hook(self->fd, -1));
	}
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 0));
	/* Nobody listens */
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	ASSERT_EQ(0, vhdb_eventfd_add(other, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 0));
	/* The one that was hooked last, and once, although hooked twice */
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, other));
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	ASSERT_EQ(0, vhdb_eventfd_add(other, 1));
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 1, 0, 0));
	close(other);
}

/* Readers wake an eventfd's waiters, too; and the bell reads nothing */
TEST_F(bell, reading_counts_nothing)
{
	int i;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 3));
		EXPECT_EQ(0, vhdb_bell_expect(self->fd, i, 0, 0));
		EXPECT_EQ(3, vhdb_eventfd_take(self->kick));
		EXPECT_EQ(0, vhdb_eventfd_take(self->kick));
		EXPECT_EQ(0, vhdb_bell_expect(self->fd, i, 0, 0));
	}
}

TEST_F(bell, semaphore)
{
	int sem = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	int i;

	ASSERT_LE(0, sem);
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, sem));
	ASSERT_EQ(0, vhdb_eventfd_add(sem, 5));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(1, vhdb_eventfd_take(sem));
	EXPECT_EQ(0, vhdb_eventfd_take(sem));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 1, 0, 0));
	close(sem);
}

TEST_F(bell, a_write_is_one_ring)
{
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1000));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 1, 0, 0));
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 0));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 2, 0, 0));
	/* Up to the brim; then one that fails is none */
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 0xfffffffffffffffeULL - 1000));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 3, 0, 0));
	EXPECT_EQ(-EAGAIN, vhdb_eventfd_add(self->kick, 1));
	EXPECT_EQ(-EINVAL, vhdb_eventfd_add(self->kick, ~0ULL));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 3, 0, 0));
}

/* From the kernel (another bell's call), with the counter full */
TEST_F(bell, full_counter_rings)
{
	int other = vhdb_bell_open();
	int i;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 0xfffffffffffffffeULL));
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, __vhdb_bell_call(other, self->kick, 1));
		ASSERT_EQ(0, __vhdb_bell_ring(other));
		ASSERT_EQ(0, __vhdb_bell_call(other, -1, 0));
		EXPECT_EQ(0, vhdb_bell_expect(self->fd, i, 0, 0));
	}
	close(other);
}

TEST_F(bell, many_bells_on_one_eventfd)
{
	int bells[50];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bells); i++) {
		bells[i] = vhdb_bell_open();
		ASSERT_LE(0, bells[i]);
		ASSERT_EQ(0, __vhdb_bell_hook(bells[i], self->kick));
		ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	}
	for (i = 0; i < ARRAY_SIZE(bells); i += 2)
		close(bells[i]);
	ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
	for (i = 1; i < ARRAY_SIZE(bells); i += 2) {
		EXPECT_EQ(0, vhdb_bell_expect(bells[i], ARRAY_SIZE(bells) - i + 1,
					      0, 0));
		close(bells[i]);
	}
}

/* ---- the call eventfd ---- */

TEST_F(bell, call_each_n)
{
	struct vhost_doorbell_bell_count count;
	int i;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 3));
	for (i = 1; i <= 30; i++) {
		/* Of any source */
		ASSERT_EQ(0, i & 1 ? __vhdb_bell_ring(self->fd) :
				     vhdb_eventfd_add(self->kick, 1));
		if (i % 3 == 0)
			ASSERT_EQ(0, vhdb_eventfd_wait(self->call));
		/* A reset of the counts is not one of the call */
		if (i % 4 == 0)
			ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
	}
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(0, vhdb_bell_calls(self->fd, self->call));
}

TEST_F(bell, call_begins_anew)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 3));
		ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
		ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	}
	EXPECT_EQ(0, vhdb_bell_calls(self->fd, self->call));
	ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(0, vhdb_bell_calls(self->fd, self->call));
	/* Above 32 bits nothing is told by mistake */
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 0xffffffff));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	EXPECT_EQ(0, vhdb_bell_calls(self->fd, self->call));
}

TEST_F(bell, calls_may_coalesce)
{
	int i, many = MANY;
	__u64 n;

	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 1));
	for (i = 0; i < many; i++)
		ASSERT_EQ(0, __vhdb_bell_ring(self->fd));
	n = vhdb_bell_calls(self->fd, self->call);
	EXPECT_LE(1, n);
	EXPECT_GE(many, n);
}

/* One eventfd as kick and as call: its own signal is a ring, the last one */
TEST_F(bell, kick_is_call)
{
	struct vhost_doorbell_bell_count count;
	int every, i;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	for (every = 1; every <= 3; every++) {
		ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->kick, every));
		ASSERT_EQ(0, vhdb_bell_count(self->fd, true, &count));
		for (i = 1; i <= 5 * every; i++) {
			ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
			/* Let a signal that is due come before the next ring */
			ASSERT_TRUE(vhdb_wait_for(!vhdb_bell_count(self->fd, false,
								   &count) &&
						  count.eventfd == i + i / every));
		}
		ASSERT_EQ(0, __vhdb_bell_call(self->fd, -1, 0));
		EXPECT_EQ(0, vhdb_bell_expect(self->fd, 5 * every + 5, 0, 0));
	}
}

/* Each one's call is the other's kick */
TEST_F(bell, bells_in_a_circle)
{
	int other = vhdb_bell_open();
	int i;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	ASSERT_EQ(0, __vhdb_bell_hook(other, self->call));
	ASSERT_EQ(0, __vhdb_bell_call(self->fd, self->call, 1));
	ASSERT_EQ(0, __vhdb_bell_call(other, self->kick, 1));
	for (i = 1; i <= 100; i++) {
		struct vhost_doorbell_bell_count count = { 0 };

		ASSERT_EQ(0, vhdb_eventfd_add(self->kick, 1));
		ASSERT_TRUE(vhdb_wait_for(!vhdb_bell_count(other, false, &count) &&
					  count.eventfd == i));
	}
	EXPECT_EQ(100, vhdb_bell_calls(self->fd, self->call));
	ASSERT_EQ(0, __vhdb_bell_call(other, -1, 0));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 100, 0, 0));
	EXPECT_EQ(0, vhdb_bell_expect(other, 100, 0, 0));
	close(other);
}

/* ---- the end ---- */

TEST_F(bell, closed_in_any_order)
{
	int bell, kick, call, i;

	for (i = 0; i < 200; i++) {
		bell = vhdb_bell_open();
		kick = eventfd(0, EFD_CLOEXEC);
		call = i & 1 ? dup(kick) : eventfd(0, EFD_CLOEXEC);
		ASSERT_LE(0, bell);
		ASSERT_EQ(0, __vhdb_bell_hook(bell, kick));
		ASSERT_EQ(0, __vhdb_bell_call(bell, call, 1));
		ASSERT_EQ(0, vhdb_eventfd_add(kick, 1));
		/* A signal may be under way in each of them */
		switch (i % 3) {
		case 0:
			close(bell);
			ASSERT_EQ(0, vhdb_eventfd_add(kick, 1));
			close(kick);
			close(call);
			break;
		case 1:
			close(kick);
			close(call);
			ASSERT_EQ(0, __vhdb_bell_ring(bell));
			close(bell);
			break;
		case 2:
			close(call);
			ASSERT_EQ(0, vhdb_eventfd_add(kick, 1));
			close(bell);
			ASSERT_EQ(0, vhdb_eventfd_add(kick, 1));
			close(kick);
			break;
		}
	}
}

/* The file goes on in another process, which needs no owner's memory */
TEST_F(bell, passed_on)
{
	pid_t child;
	int status;

	ASSERT_EQ(0, __vhdb_bell_hook(self->fd, self->kick));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int bad = __vhdb_bell_ring(self->fd) || vhdb_eventfd_add(self->kick, 1) ||
			  __vhdb_bell_hook(self->fd, self->call) ||
			  vhdb_eventfd_add(self->call, 1) ||
			  vhdb_bell_expect(self->fd, 2, 1, 0);

		_exit(bad);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, vhdb_eventfd_add(self->call, 1));
	EXPECT_EQ(0, vhdb_bell_expect(self->fd, 3, 1, 0));
}

/* ---- rings from the kernel ---- */

FIXTURE(kernel)
{
	int fd;
	int mod;
};

FIXTURE_SETUP(kernel)
{
	self->fd = -1;
	self->mod = vhdb_bell_mod_open();
	if (self->mod == -ENOENT)
		SKIP(return, "VHDB_MODULES doesn't say where "
		     VHDB_MODULE_BELL_TEST " is");
	ASSERT_LE(0, self->mod);
	self->fd = vhdb_bell_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(kernel)
{
	close(self->fd);
	close(self->mod);
	vhdb_module_delete(VHDB_MODULE_BELL_TEST);
}

TEST_F(kernel, rings_from_any_context)
{
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned int context;

	ASSERT_LE(0, call);
	EXPECT_EQ(-ENODEV, vhdb_bell_mod_ring(self->mod, 1, BELL_TEST_PROCESS));
	ASSERT_EQ(0, vhdb_bell_mod_get(self->mod, self->fd));
	for (context = 0; context <= BELL_TEST_INTERRUPT; context++) {
		ASSERT_EQ(0, __vhdb_bell_call(self->fd, call, 10));
		ASSERT_EQ(0, vhdb_bell_mod_ring(self->mod, 9, context));
		EXPECT_EQ(0, vhdb_bell_calls(self->fd, call));
		ASSERT_EQ(0, __vhdb_bell_call(self->fd, call, 10));
		ASSERT_EQ(0, vhdb_bell_mod_ring(self->mod, 10, context));
		EXPECT_EQ(1, vhdb_bell_calls(self->fd, call));
		EXPECT_EQ(0, vhdb_bell_expect(self->fd, 0, 0, 19 * (context + 1)));
	}
	close(call);
}

TEST_F(kernel, only_bells_are_got)
{
	struct vhdb_backing disk;
	int fd = vhdb_open();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, vhdb_bell_mod_get(self->mod, -1));
	EXPECT_EQ(-EINVAL, vhdb_bell_mod_get(self->mod, null));
	EXPECT_EQ(-EINVAL, vhdb_bell_mod_get(self->mod, self->mod));
	EXPECT_EQ(-EINVAL, vhdb_bell_mod_get(self->mod, fd));
	ASSERT_EQ(0, vhdb_backing_memfd(&disk, 1 << 20));
	ASSERT_EQ(0, vhdb_attach_blk(fd, disk.fd, NULL));
	EXPECT_EQ(-EINVAL, vhdb_bell_mod_get(self->mod, fd));
	EXPECT_EQ(0, vhdb_bell_mod_get(self->mod, self->fd));
	vhdb_backing_free(&disk);
	close(fd);
	close(null);
}

/* A bell outlives its file; its eventfds are let go with the file */
TEST_F(kernel, file_closed_first)
{
	int call, i;

	for (i = 0; i < 100; i++) {
		int bell = vhdb_bell_open();
		int mod = open(BELL_TEST_PATH, O_RDWR | O_CLOEXEC);

		ASSERT_LE(0, bell);
		ASSERT_LE(0, mod);
		call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_EQ(0, __vhdb_bell_hook(bell, call));
		ASSERT_EQ(0, __vhdb_bell_call(bell, call, 1));
		ASSERT_EQ(0, vhdb_bell_mod_get(mod, bell));
		ASSERT_EQ(0, vhdb_bell_mod_ring(mod, 1, i % 3));
		close(bell);
		/* Close waits for what is under way */
		vhdb_eventfd_take(call);
		ASSERT_EQ(0, vhdb_bell_mod_ring(mod, 100, i % 3));
		EXPECT_EQ(0, vhdb_eventfd_take(call));
		if (i & 1)
			ASSERT_EQ(0, vhdb_bell_mod_put(mod));
		close(call);
		close(mod);
	}
}

TEST_F(kernel, unloaded_when_nobody_uses_it)
{
	struct vhost_doorbell_attach attach;
	int fd;

	if (!vhdb_module_loaded(VHDB_MODULE_BELL))
		SKIP(return, "the back end is built into the kernel");

	/* A file, a user, a bell without a file: each keeps it */
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_BELL)));
	ASSERT_EQ(0, vhdb_bell_mod_get(self->mod, self->fd));
	close(self->fd);
	EXPECT_TRUE(vhdb_wait_for(!vhdb_module_users(VHDB_MODULE_BELL)));
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_BELL)));
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_BELL_TEST)));
	ASSERT_EQ(0, vhdb_bell_mod_ring(self->mod, 10, BELL_TEST_PROCESS));
	close(self->mod);
	ASSERT_TRUE(vhdb_wait_for(!vhdb_module_users(VHDB_MODULE_BELL_TEST)));
	ASSERT_EQ(0, vhdb_module_delete(VHDB_MODULE_BELL_TEST));

	/* A file alone */
	self->fd = vhdb_bell_open();
	ASSERT_LE(0, self->fd);
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_BELL)));
	EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(VHDB_MODULE_CORE)));
	close(self->fd);

	ASSERT_TRUE(vhdb_wait_for(!vhdb_module_users(VHDB_MODULE_BELL)));
	ASSERT_EQ(0, vhdb_module_delete(VHDB_MODULE_BELL));
	fd = vhdb_open();
	ASSERT_LE(0, fd);
	vhdb_bell_attach_init(&attach);
	EXPECT_EQ(-ENOENT, __vhdb_attach(fd, &attach));
	ASSERT_EQ(0, vhdb_module_load(VHDB_MODULE_BELL));
	EXPECT_EQ(0, __vhdb_attach(fd, &attach));
	EXPECT_EQ(0, __vhdb_bell_ring(fd));
	EXPECT_EQ(0, vhdb_bell_expect(fd, 0, 1, 0));
	close(fd);
	self->fd = -1;
	self->mod = -1;
}

TEST_F(kernel, back_ends_are_checked)
{
	static const int expect[] = {
		[BELL_TEST_WHOLE_PLAIN] = 0,
		[BELL_TEST_WHOLE_QUEUES] = 0,
		[BELL_TEST_NOTHING] = -EINVAL,
		[BELL_TEST_NO_RUN] = -EINVAL,
		[BELL_TEST_NO_REQUEST] = -EINVAL,
		[BELL_TEST_TOO_MANY] = -EINVAL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(expect); i++) {
		EXPECT_EQ(expect[i], __vhdb_ioctl_ul(self->mod,
						     BELL_TEST_REGISTER, i)) {
			TH_LOG("lack %u", i);
		}
	}
}

TEST_HARNESS_MAIN
