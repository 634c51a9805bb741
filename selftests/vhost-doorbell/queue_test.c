// SPDX-License-Identifier: GPL-2.0
/*
 * What belongs to a queue: its eventfds, its size, addresses and base, how it
 * stands still and goes on, and that queues are apart. Whatever was refused,
 * the device is then brought up anew and serves a read.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <endian.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "dev_fixture.h"

/* ---- eventfds ---- */

typedef int (*bind_fn)(int fd, unsigned int index, int eventfd);

static int bind_config(int fd, unsigned int index, int eventfd)
{
	return __vhdb_set_config_call(fd, eventfd);
}

static const bind_fn binds[] = {
	__vhdb_set_vring_kick,
	__vhdb_set_vring_call,
	__vhdb_set_vring_err,
	bind_config,
};

TEST_F(dev, eventfd_is_none)
{
	int memfd = memfd_create("no eventfd", 0);
	int fds[2];
	size_t i;

	ASSERT_LT(0, memfd);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < ARRAY_SIZE(binds); i++) {
		EXPECT_EQ(-EINVAL, binds[i](self->fd, 0, memfd));
		EXPECT_EQ(-EINVAL, binds[i](self->fd, 0, fds[1]));
		EXPECT_EQ(-EINVAL, binds[i](self->fd, 0, self->fd));
	}
	/* Those that were bound before still are */
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(0, vhdb_eventfd_wait(self->vr->call));
	close(memfd);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(dev, eventfd_closed)
{
	int closed = eventfd(0, 0);
	size_t i;

	ASSERT_LT(0, closed);
	close(closed);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < ARRAY_SIZE(binds); i++) {
		EXPECT_EQ(-EBADF, binds[i](self->fd, 0, closed));
		EXPECT_EQ(-EBADF, binds[i](self->fd, 0, -2));
		EXPECT_EQ(-EBADF, binds[i](self->fd, 0, 0x7fffffff));
	}
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(0, vhdb_eventfd_wait(self->vr->call));
}

TEST_F(dev, eventfd_unbind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(binds); i++) {
		EXPECT_EQ(0, binds[i](self->fd, 0, -1));
		EXPECT_EQ(0, binds[i](self->fd, 0, -1));
	}
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	for (i = 0; i < ARRAY_SIZE(binds); i++)
		EXPECT_EQ(0, binds[i](self->fd, 0, -1));
}

/* The ioeventfd keeps the context only: the VMM may close its descriptor */
TEST_F(dev, kick_fd_closed_after_it_was_set)
{
	int copy = dup(self->vr->kick);

	ASSERT_LT(0, copy);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	close(self->vr->kick);
	self->vr->kick = copy;
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, kick_replaced_while_running)
{
	int old, i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 20; i++) {
		old = self->vr->kick;
		self->vr->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ASSERT_LT(0, self->vr->kick);
		ASSERT_EQ(0, __vhdb_set_vring_kick(self->fd, 0,
						   self->vr->kick));
		close(old);
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* A count that was there before the fd was bound may stand for a request */
TEST_F(dev, kick_before_it_is_bound)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_kick(self->fd, 0, -1));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	ASSERT_EQ(0, __vhdb_set_vring_kick(self->fd, 0, self->vr->kick));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

/* A request that waits at DRIVER_OK needs no kick (a VMM that restarts) */
TEST_F(dev, request_before_driver_ok)
{
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

TEST_F(dev, call_replaced_while_running)
{
	int other = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_LT(0, other);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_eventfd_wait(self->vr->call));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, other));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(0, vhdb_eventfd_wait(other));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, -1));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_take(self->vr->call));
	EXPECT_EQ(0, vhdb_eventfd_take(other));
	close(other);
}

/*
 * QEMU's generic vdpa device tells of the guest's interrupt after DRIVER_OK; what
 * was completed by then, the guest has to hear of (seen: it never did)
 */
TEST_F(dev, call_set_after_a_completion)
{
	int other = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_LT(0, other);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, -1));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	/* Nothing is in flight any more, nor on its way out */
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, other));
	EXPECT_LT(0, vhdb_eventfd_take(other));
	/* Nor may anybody have listened to that one */
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, self->vr->call));
	EXPECT_LT(0, vhdb_eventfd_take(self->vr->call));
	close(other);
}

/* Where nothing is complete, nobody is called, nor for what was before a reset */
TEST_F(dev, call_set_before_a_completion)
{
	int other = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_LT(0, other);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, other));
	EXPECT_EQ(0, vhdb_eventfd_take(other));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_eventfd_wait(other));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	vhdb_eventfd_take(other);
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, other));
	EXPECT_EQ(0, vhdb_eventfd_take(other));
	close(other);
}

/* All eventfds share a lock class: a wake-up under a lock of ours deadlocks */
TEST_F(dev, one_eventfd_as_kick_and_call)
{
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_call(self->fd, 0, self->vr->kick));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
}

/* A counter at its maximum makes a plain writer block; the device must not */
TEST_F(dev, call_counter_is_full)
{
	__u64 most = 0xfffffffffffffffeULL;
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(sizeof(most), write(self->vr->call, &most, sizeof(most)));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
}

/* ---- ring size, address, base ---- */

TEST_F(dev, ring_size_bad)
{
	static const unsigned int bad[] = {
		0, 3, 255, 257, VHDB_QUEUE_SIZE * 2, 32768, 65536, 0x10100,
		0x80000000, 0xffffffff,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, __vhdb_set_vring_num(self->fd, 0, bad[i])) {
			TH_LOG("size %u", bad[i]);
		}
	}
}

TEST_F(dev, ring_size_good)
{
	unsigned int num;

	for (num = 4; num <= VHDB_QUEUE_SIZE; num *= 2) {
		struct vhdb_vring vr;

		ASSERT_EQ(0, vhdb_vring_init(&vr, 0, num, &self->dev.mem,
					     self->dev.mem.iova));
		ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
		ASSERT_EQ(0, vhdb_vring_setup(self->fd, &vr));
		ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
		ASSERT_EQ(0, vhdb_driver_ok(self->fd));
		EXPECT_EQ(0, vhdb_blk_check_read(&vr, &self->scratch, num)) {
			TH_LOG("size %u", num);
		}
		ASSERT_EQ(0, vhdb_reset(self->fd));
		vhdb_vring_free(&vr);
	}
}

TEST_F(dev, ring_size_from_attach)
{
	struct vhdb_opts opts = { .queue_size = 32 };
	struct vhdb_dev dev;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_num(dev.fd, 0, 64));
	EXPECT_EQ(0, __vhdb_set_vring_num(dev.fd, 0, 32));
	EXPECT_EQ(0, vhdb_dev_check(&dev));
	vhdb_dev_destroy(&dev);
}

/* Alignment as in virtio spec 1.3, 2.7: 16, 2 and 4 */
TEST_F(dev, ring_address_misaligned)
{
	__u64 desc = self->vr->desc_iova;
	__u64 avail = self->vr->avail_iova;
	__u64 used = self->vr->used_iova;
	int i;

	for (i = 1; i < 16; i++)
		EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, desc + i,
							 avail, used));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, desc, avail + 1,
						 used));
	for (i = 1; i < 4; i++)
		EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, desc,
							 avail, used + i));
	EXPECT_EQ(0, __vhdb_set_vring_addr(self->fd, 0, desc + 16, avail + 2,
					   used + 4));
}

TEST_F(dev, ring_address_wraps)
{
	__u64 desc = self->vr->desc_iova;
	__u64 avail = self->vr->avail_iova;
	__u64 used = self->vr->used_iova;

	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, ~0xfULL, avail,
						 used));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, desc, ~0x1ULL,
						 used));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(self->fd, 0, desc, avail,
						 ~0x3ULL));
}

/* The end of a ring depends on its size, which may come last */
TEST_F(dev, ring_address_wraps_by_a_later_size)
{
	__u64 top = 0xfffffffffffff000ULL;

	/*
	 * So that it wraps into memory: the top page, if there may be one that
	 * ends with the last address of all, and the first one.
	 */
	vhdb_iotlb_update(self->fd, top, 0x1000, self->dev.mem.hva,
			  VHOST_ACCESS_RW);
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, 0, 0x10000,
				       self->dev.mem.hva, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	ASSERT_EQ(0, __vhdb_set_vring_num(self->fd, 0, 4));
	ASSERT_EQ(0, __vhdb_set_vring_addr(self->fd, 0, top + 0x800,
					   self->vr->avail_iova,
					   self->vr->used_iova));
	ASSERT_EQ(0, __vhdb_set_vring_num(self->fd, 0, VHDB_QUEUE_SIZE));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	EXPECT_GT(0, vhdb_driver_ok(self->fd));
}

/* There is no dirty log in this dialect */
TEST_F(dev, ring_address_flags)
{
	struct vhost_vring_addr addr = {
		.desc_user_addr = self->vr->desc_iova,
		.avail_user_addr = self->vr->avail_iova,
		.used_user_addr = self->vr->used_iova,
	};

	addr.flags = 1 << VHOST_VRING_F_LOG;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_SET_VRING_ADDR, &addr));
	addr.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(self->fd, VHOST_SET_VRING_ADDR, &addr));
}

/* QEMU sets the addresses before it maps anything */
TEST_F(dev, ring_address_before_the_map)
{
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, ring_base_too_large)
{
	unsigned int base;

	EXPECT_EQ(-EINVAL, __vhdb_set_vring_base(self->fd, 0, 0x10000));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_base(self->fd, 0, 0xffffffff));
	EXPECT_EQ(0, __vhdb_set_vring_base(self->fd, 0, 0xffff));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(0xffff, base);
}

/* A device that goes on where another one stopped, over the wrap-around */
TEST_F(dev, ring_base_is_where_it_starts)
{
	unsigned int base;
	int i;

	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	self->vr->avail_idx = 0xfffb;
	self->vr->used_idx = 0xfffb;
	self->vr->avail->idx = htole16(0xfffb);
	self->vr->used->idx = htole16(0xfffb);
	ASSERT_EQ(0, vhdb_vring_setup(self->fd, self->vr));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	EXPECT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(5, base);
}

/* It stands still for the answer, and then goes on */
TEST_F(dev, ring_base_of_a_running_queue)
{
	unsigned int base;
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 50; i++) {
		__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, i,
			       VHDB_SECTOR);
		ASSERT_EQ(0, vhdb_vring_kick(self->vr));
		ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
		/* What was taken is complete */
		EXPECT_TRUE(base == self->vr->used_idx ||
			    __vhdb_blk_done(self->vr));
		ASSERT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr,
							   &self->scratch));
	}
}

/* ---- suspend, resume, enable ---- */

TEST_F(dev, suspend_stands_still)
{
	unsigned int base;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(1, base);
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	usleep(50000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(1, base);

	/* The kick that came in between is not lost */
	ASSERT_EQ(0, __vhdb_resume(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
	EXPECT_EQ(0, __vhdb_resume(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 2));
}

/* stop and cont by a new start: reset, then NUM, ADDR and the saved BASE */
TEST_F(dev, suspend_then_start_at_the_base)
{
	unsigned int base;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 2));
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(self->vr->avail_idx, base);
	ASSERT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 3));
}

TEST_F(dev, reset_while_suspended)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(0, __vhdb_resume(self->fd));
	EXPECT_EQ(0, __vhdb_suspend(self->fd));
}

/* ATTACH refuses it, but it can be set later: writes go where they are for */
TEST_F(dev, append_set_on_the_open_file)
{
	struct stat st;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, fcntl(self->disk.fd, F_SETFL, O_APPEND));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_OUT, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
	ASSERT_EQ(0, fstat(self->disk.fd, &st));
	EXPECT_EQ(DISK_SIZE, st.st_size);
	ASSERT_EQ(0, fcntl(self->disk.fd, F_SETFL, 0));
}

/* Of use to clients that reset a single queue (D4) */
TEST_F(dev, disable_resets_the_queue)
{
	unsigned int base;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 0));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(0, base);
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
	vhdb_vring_clear(self->vr);
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 2));
}

/* What is enabled between SUSPEND and RESUME waits like the rest */
TEST_F(dev, enable_while_suspended)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 0));
	vhdb_vring_clear(self->vr);
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
		       VHDB_SECTOR);
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	usleep(50000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	ASSERT_EQ(0, __vhdb_resume(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

TEST_F(dev, enable_other_values)
{
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_enable(self->fd, 0, 2));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_enable(self->fd, 0, 0xffffffff));
	EXPECT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 0));
	EXPECT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
}

/* The errors of DRIVER_OK, for one queue */
TEST_F(dev, enable_while_running_at_a_bad_address)
{
	__u64 desc = self->vr->desc_iova;

	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	self->vr->desc_iova = 0x10000;
	ASSERT_EQ(0, vhdb_vring_setup(self->fd, self->vr));
	self->vr->desc_iova = desc;
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(-EFAULT, __vhdb_set_vring_enable(self->fd, 0, 1));
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
}

/* ---- several queues ---- */

TEST_F(dev, apart_from_others)
{
	struct vhdb_opts opts = { .queues = 4 };
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;
	unsigned int i, base;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	for (i = 0; i < 10; i++) {
		scratch = vhdb_dev_scratch(&dev, i % 4);
		ASSERT_EQ(0, vhdb_blk_check_read(&dev.vring[i % 4], &scratch,
						 i));
	}
	ASSERT_EQ(0, __vhdb_suspend(dev.fd));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, __vhdb_get_vring_base(dev.fd, i, &base));
		EXPECT_EQ(i < 2 ? 3 : 2, base);
	}
	EXPECT_EQ(0, vhdb_dev_check(&dev));
	vhdb_dev_destroy(&dev);
}

/* Each of them has to look when it rings */
TEST_F(dev, one_kick_eventfd_for_all_queues)
{
	struct vhdb_opts opts = { .queues = 3 };
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;
	unsigned int i;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	for (i = 1; i < 3; i++)
		ASSERT_EQ(0, __vhdb_set_vring_kick(dev.fd, i,
						   dev.vring[0].kick));
	for (i = 0; i < 3; i++) {
		scratch = vhdb_dev_scratch(&dev, i);
		__vhdb_blk_put(&dev.vring[i], &scratch, VIRTIO_BLK_T_IN, i,
			       VHDB_SECTOR);
	}
	ASSERT_EQ(0, vhdb_vring_kick(&dev.vring[0]));
	for (i = 0; i < 3; i++) {
		scratch = vhdb_dev_scratch(&dev, i);
		EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(&dev.vring[i],
							   &scratch));
	}
	vhdb_dev_destroy(&dev);
}

/* A guest may use fewer queues than there are */
TEST_F(dev, left_disabled)
{
	struct vhdb_opts opts = { .queues = 2 };
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_negotiate(dev.fd, ~0ULL, NULL));
	ASSERT_EQ(0, vhdb_vring_setup(dev.fd, &dev.vring[1]));
	ASSERT_EQ(0, __vhdb_set_vring_enable(dev.fd, 1, 1));
	ASSERT_EQ(0, vhdb_driver_ok(dev.fd));
	scratch = vhdb_dev_scratch(&dev, 1);
	EXPECT_EQ(0, vhdb_blk_check_read(&dev.vring[1], &scratch, 9));
	EXPECT_EQ(0, vhdb_dev_check(&dev));
	vhdb_dev_destroy(&dev);
}

TEST_HARNESS_MAIN
