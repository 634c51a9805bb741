// SPDX-License-Identifier: GPL-2.0
/*
 * Config space in the classic dialect, and a ring that is taken away: what a
 * client needs that has the driver's side of the device itself.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"

#define BYTES		(1ULL << 20)
#define PAGE		VHDB_CLASSIC_PAGE

/* struct vhost_vdpa_config with room for all of it */
struct config {
	__u32 off;
	__u32 len;
	__u8 buf[256];
};

static int get(int fd, __u32 off, __u32 len, void *buf)
{
	struct config config = { .off = off, .len = len };
	int ret = __vhdb_ioctl(fd, VHOST_DOORBELL_GET_CONFIG, &config);

	if (!ret && len <= sizeof(config.buf))
		memcpy(buf, config.buf, len);
	return ret;
}

static __u64 capacity(int fd)
{
	__le64 sectors = 0;

	return get(fd, 0, sizeof(sectors), &sectors) ? 0 : le64toh(sectors) * 512;
}

static int update(int fd)
{
	struct vhost_doorbell_update arg = { .size = sizeof(arg) };

	return __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &arg);
}

FIXTURE(disk)
{
	struct vhdb_classic c;
	struct vhdb_backing backing;
	int fd;
	int call;
};

FIXTURE_SETUP(disk)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->backing, BYTES));
	ASSERT_EQ(0, vhdb_classic_create(&self->c, self->backing.fd, 2, 0,
					 64 * PAGE));
	self->fd = self->c.fd;
	self->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, self->call);
	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_DOORBELL_SET_CONFIG_CALL,
				  &self->call));
}

FIXTURE_TEARDOWN(disk)
{
	vhdb_classic_destroy(&self->c);
	vhdb_backing_free(&self->backing);
	close(self->call);
}

TEST_F(disk, is_read)
{
	struct virtio_blk_config config;
	__le16 queues = 0;
	__u8 byte;

	EXPECT_EQ(0, get(self->fd, 0, offsetof(typeof(config), wce), &config));
	EXPECT_EQ(BYTES / 512, le64toh(config.capacity));
	EXPECT_EQ(512, le32toh(config.blk_size));
	EXPECT_EQ(0, get(self->fd, offsetof(typeof(config), num_queues),
			 sizeof(queues), &queues));
	EXPECT_EQ(2, le16toh(queues));

	EXPECT_EQ(-EINVAL, get(self->fd, 0, 0, &byte));
	EXPECT_EQ(-E2BIG, get(self->fd, 4096, 1, &byte));
	EXPECT_EQ(-E2BIG, get(self->fd, 0, 4096, &byte));
	EXPECT_EQ(-E2BIG, get(self->fd, 4, ~0U, &byte));
}

/* The one field that the driver may write is offered on request only */
TEST_F(disk, is_not_written)
{
	struct config config = { .len = 8, .buf = "nothing" };

	EXPECT_EQ(0, __vhdb_ioctl(self->fd, VHOST_DOORBELL_SET_CONFIG, &config));
	EXPECT_EQ(BYTES, capacity(self->fd));
	config.off = 4096;
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_DOORBELL_SET_CONFIG,
				       &config));
}

TEST_F(disk, tells_that_it_has_grown)
{
	int none = -1;

	ASSERT_EQ(0, vhdb_classic_start(&self->c));
	EXPECT_EQ(0, vhdb_eventfd_take(self->call));
	ASSERT_EQ(0, ftruncate(self->backing.fd, 2 * BYTES));
	ASSERT_EQ(0, update(self->fd));
	EXPECT_EQ(1, vhdb_eventfd_take(self->call));
	EXPECT_EQ(2 * BYTES, capacity(self->fd));

	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_DOORBELL_SET_CONFIG_CALL,
				  &none));
	ASSERT_EQ(0, ftruncate(self->backing.fd, 3 * BYTES));
	ASSERT_EQ(0, update(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_take(self->call));
	EXPECT_EQ(3 * BYTES, capacity(self->fd));
}

TEST_F(disk, forgets_whom_to_tell)
{
	ASSERT_EQ(0, __vhdb_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, ftruncate(self->backing.fd, 2 * BYTES));
	ASSERT_EQ(0, update(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_take(self->call));
}

TEST_F(disk, tells_that_a_queue_broke)
{
	struct vhdb_vring *vr = &self->c.q[1].vring;
	struct vhost_doorbell_stats stats;

	ASSERT_EQ(0, vhdb_classic_start(&self->c));
	/* More than there is room for */
	__atomic_store_n(&vr->avail->idx, htole16(VHDB_CLASSIC_NUM + 1),
			 __ATOMIC_RELEASE);
	vhdb_vring_kick(vr);
	EXPECT_EQ(0, vhdb_eventfd_wait(self->call));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, VHOST_DOORBELL_ALL_QUEUES,
				    &stats));
	EXPECT_EQ(1, stats.broken);
}

/* A driver that uses one queue, where there was one that used two */
TEST_F(disk, a_ring_is_taken_away)
{
	unsigned int base;
	int i;

	ASSERT_EQ(0, vhdb_classic_start(&self->c));
	EXPECT_EQ(-EBUSY, __vhdb_classic_addr(self->fd, 1, 0, 0, 0, 0, 0));
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, __vhdb_classic_addr(self->fd, 1, 0, 0, 0, 0, 0));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, vhdb_classic_do(&self->c, 0, self->c.data, PAGE,
					     i));
	/* It does not run: it can be moved */
	EXPECT_EQ(-EBUSY, __vhdb_set_vring_base(self->fd, 0, 0));
	EXPECT_EQ(0, __vhdb_set_vring_base(self->fd, 1, 0));

	/* Nor does anything when none is left; and it comes back */
	ASSERT_EQ(0, __vhdb_stop(self->fd));
	ASSERT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	ASSERT_EQ(0, __vhdb_classic_addr(self->fd, 0, 0, 0, 0, 0, 0));
	EXPECT_EQ(-ENODATA, __vhdb_start(self->fd));
	ASSERT_EQ(0, vhdb_classic_setup_queue(&self->c, 0, base));
	ASSERT_EQ(0, vhdb_classic_setup_queue(&self->c, 1, 0));
	ASSERT_EQ(0, __vhdb_start(self->fd));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, vhdb_classic_do(&self->c, i % 2, self->c.data, PAGE,
					     i));
}

/* They belong to this dialect */
TEST(not_in_vhost_vdpa)
{
	const struct vhdb_opts opts = { .dialect = VHOST_DOORBELL_DIALECT_VDPA };
	struct vhost_doorbell_attach arg;
	struct vhdb_backing backing;
	__u8 byte;
	int fd;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&backing, BYTES));
	fd = vhdb_open();
	EXPECT_EQ(-ENODEV, get(fd, 0, 1, &byte));
	vhdb_attach_init(&arg, backing.fd, &opts);
	ASSERT_EQ(0, __vhdb_attach(fd, &arg));
	EXPECT_EQ(-EOPNOTSUPP, get(fd, 0, 1, &byte));
	close(fd);
	vhdb_backing_free(&backing);
}

TEST_HARNESS_MAIN
