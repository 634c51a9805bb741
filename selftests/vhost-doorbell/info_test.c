// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver tells about itself: GET_INFO, BACKEND_INFO and GET_STATS,
 * and how their structs may grow.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000

/* A page whose first bytes may be had, followed by one that may not */
static void *guard_pages(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE))
		return NULL;
	return p;
}

/* Room for a struct of a later version: zeros behind what is known today */
struct later {
	union {
		struct vhost_doorbell_info info;
		struct vhost_doorbell_backend_info backend;
		struct vhost_doorbell_stats stats;
		__u8 bytes[512];
	};
};

static bool all_bytes(const void *buf, size_t len, __u8 byte)
{
	const __u8 *p = buf;

	while (len && *p == byte) {
		p++;
		len--;
	}
	return !len;
}

FIXTURE(file)
{
	int fd;
	struct vhdb_backing disk;
	struct vhost_doorbell_attach attach;	/* a good one */
};

FIXTURE_SETUP(file)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	self->fd = vhdb_open();
	ASSERT_LT(0, self->fd);
	vhdb_attach_init(&self->attach, self->disk.fd, NULL);
}

FIXTURE_TEARDOWN(file)
{
	close(self->fd);
	vhdb_backing_free(&self->disk);
}

/* ---- GET_INFO ---- */

TEST_F(file, info_fields)
{
	struct vhost_doorbell_info info;
	struct vhost_vring_state state;

	memset(&info, 0xff, sizeof(info));
	info.size = sizeof(info);
	ASSERT_EQ(0, __vhdb_get_info(self->fd, &info));
	EXPECT_LE(VHOST_DOORBELL_INFO_SIZE_V1, info.size);
	EXPECT_LE(1, info.abi_version);
	EXPECT_TRUE(info.capabilities & VHOST_DOORBELL_CAP_VDPA);
	EXPECT_TRUE(info.ring_features & VHDB_BIT(VIRTIO_F_VERSION_1));
	EXPECT_TRUE(info.ring_features & VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM));
	EXPECT_TRUE(info.ring_features & VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC));
	EXPECT_TRUE(info.ring_features & VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
	EXPECT_LT(0, info.queues_max);
	EXPECT_LE(VHDB_QUEUE_SIZE, info.queue_size_max);
	EXPECT_EQ(0, info.queue_size_max & (info.queue_size_max - 1));
	/* QEMU's vhost asks for room for as many memory slots */
	EXPECT_LE(509, info.iotlb_max);
	EXPECT_EQ(!!(info.capabilities & VHOST_DOORBELL_CAP_POLL),
		  !!info.poll_us_max);
	EXPECT_EQ(0, info.reserved);

	/* It told the truth about what is not offered yet */
	state.index = 0;
	EXPECT_EQ(-ENODEV, __vhdb_ioctl(self->fd, VHOST_SET_VRING_NUM, &state));
}

TEST_F(file, info_size_too_small)
{
	struct vhost_doorbell_info info = {};

	EXPECT_EQ(-EINVAL, __vhdb_get_info(self->fd, &info));
	info.size = VHOST_DOORBELL_INFO_SIZE_V1 - 1;
	EXPECT_EQ(-EINVAL, __vhdb_get_info(self->fd, &info));
	info.size = sizeof(info);
	EXPECT_EQ(0, __vhdb_get_info(self->fd, &info));
}

TEST_F(file, info_size_of_the_future)
{
	struct later later = { .info.size = sizeof(later) };

	ASSERT_EQ(0, __vhdb_get_info(self->fd, &later.info));
	/* The kernel says what it knows and leaves the rest */
	EXPECT_EQ(sizeof(later.info), later.info.size);
	EXPECT_TRUE(all_bytes(later.bytes + sizeof(later.info),
			      sizeof(later) - sizeof(later.info), 0));
}

TEST_F(file, info_nonzero_tail)
{
	struct later later = { .info.size = sizeof(later) };

	later.bytes[sizeof(later) - 1] = 1;
	EXPECT_EQ(-E2BIG, __vhdb_get_info(self->fd, &later.info));
}

/* Refused for its size, before anything is written */
TEST_F(file, info_absurd_size)
{
	struct vhost_doorbell_info *info = guard_pages();
	size_t page = sysconf(_SC_PAGESIZE);

	ASSERT_NE(NULL, info);
	info = (void *)info + page - sizeof(*info);
	info->size = 0xffffffff;
	EXPECT_EQ(-E2BIG, __vhdb_get_info(self->fd, info));
	EXPECT_EQ(0, info->abi_version);
	info->size = 1U << 30;
	EXPECT_EQ(-E2BIG, __vhdb_get_info(self->fd, info));
	EXPECT_EQ(0, info->abi_version);
}

TEST_F(file, info_writes_no_more_than_asked)
{
	struct later later;

	memset(&later, 0xa5, sizeof(later));
	later.info.size = VHOST_DOORBELL_INFO_SIZE_V1;
	ASSERT_EQ(0, __vhdb_get_info(self->fd, &later.info));
	EXPECT_TRUE(all_bytes(later.bytes + VHOST_DOORBELL_INFO_SIZE_V1,
			      sizeof(later) - VHOST_DOORBELL_INFO_SIZE_V1,
			      0xa5));
}

TEST_F(file, info_bad_pointer)
{
	struct vhost_doorbell_info *info = guard_pages();
	size_t page = sysconf(_SC_PAGESIZE);

	ASSERT_NE(NULL, info);
	EXPECT_EQ(-EFAULT, __vhdb_get_info(self->fd, NULL));
	EXPECT_EQ(-EFAULT, __vhdb_get_info(self->fd, (void *)info + page));
	/* The size may be read, the rest may not */
	info = (void *)info + page - sizeof(__u64);
	info->size = sizeof(*info);
	EXPECT_EQ(-EFAULT, __vhdb_get_info(self->fd, info));
	/* May be read and not written */
	info = guard_pages();
	ASSERT_NE(NULL, info);
	info->size = sizeof(*info);
	ASSERT_EQ(0, mprotect(info, page, PROT_READ));
	EXPECT_EQ(-EFAULT, __vhdb_get_info(self->fd, info));
}

/* ---- BACKEND_INFO ---- */

TEST_F(file, backend_info_blk)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	struct vhost_doorbell_backend_info backend;
	__u64 features;

	/* Whether or not its module was loaded before, it is now */
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, vhdb_backend_find(self->fd, "blk", &backend));
	EXPECT_LE(VHOST_DOORBELL_BACKEND_INFO_SIZE_V1, backend.size);
	EXPECT_TRUE(all_bytes(backend.name + 3, sizeof(backend.name) - 3, 0));
	EXPECT_EQ(VIRTIO_ID_BLOCK, backend.device_id);
	ASSERT_EQ(0, __vhdb_get_info(self->fd, &info));
	EXPECT_LT(backend.index, info.backends);
	EXPECT_LT(0, backend.queues_max);
	EXPECT_LE(backend.queues_max, info.queues_max);
	/* What a device offers is among what its back end may offer */
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_EQ(0, features & ~backend.features);
	EXPECT_TRUE(backend.features & VHDB_BIT(VIRTIO_F_VERSION_1));
	EXPECT_TRUE(backend.features & VHDB_BIT(VIRTIO_BLK_F_FLUSH));
}

TEST_F(file, backend_info_past_the_end)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	struct vhost_doorbell_backend_info backend = {};

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, __vhdb_get_info(self->fd, &info));
	backend.size = sizeof(backend);
	backend.index = info.backends;
	EXPECT_EQ(-ENOENT, __vhdb_backend_info(self->fd, &backend));
	backend.index = 0xffffffff;
	EXPECT_EQ(-ENOENT, __vhdb_backend_info(self->fd, &backend));
	backend.index = info.backends - 1;
	EXPECT_EQ(0, __vhdb_backend_info(self->fd, &backend));
}

TEST_F(file, backend_info_sizes)
{
	struct vhost_doorbell_backend_info backend = {};
	struct later later = { .backend.size = sizeof(later) };

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(-EINVAL, __vhdb_backend_info(self->fd, &backend));
	backend.size = VHOST_DOORBELL_BACKEND_INFO_SIZE_V1 - 1;
	EXPECT_EQ(-EINVAL, __vhdb_backend_info(self->fd, &backend));
	EXPECT_EQ(0, __vhdb_backend_info(self->fd, &later.backend));
	EXPECT_EQ(sizeof(later.backend), later.backend.size);
	memset(&later, 0, sizeof(later));
	later.backend.size = sizeof(later);
	later.bytes[sizeof(later.backend)] = 1;
	EXPECT_EQ(-E2BIG, __vhdb_backend_info(self->fd, &later.backend));
}

/* ---- GET_STATS ---- */

TEST_F(file, stats_before_attach)
{
	struct vhost_doorbell_stats stats;

	EXPECT_EQ(-ENODEV, vhdb_get_stats(self->fd, 0, &stats));
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, vhdb_get_stats(self->fd, 0, &stats));
}

TEST_F(file, stats_start_at_zero)
{
	struct later later;

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	memset(&later, 0xff, sizeof(later));
	later.stats.size = sizeof(later.stats);
	later.stats.queue = 0;
	ASSERT_EQ(0, __vhdb_get_stats(self->fd, &later.stats));
	EXPECT_TRUE(all_bytes(&later.stats.kicks, sizeof(later.stats) -
			      offsetof(typeof(later.stats), kicks), 0));
	EXPECT_TRUE(all_bytes(later.bytes + sizeof(later.stats),
			      sizeof(later) - sizeof(later.stats), 0xff));
}

TEST_F(file, stats_sizes)
{
	struct vhost_doorbell_stats stats = {};
	struct later later = { .stats.size = sizeof(later) };

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(-EINVAL, __vhdb_get_stats(self->fd, &stats));
	stats.size = VHOST_DOORBELL_STATS_SIZE_V1 - 1;
	EXPECT_EQ(-EINVAL, __vhdb_get_stats(self->fd, &stats));
	EXPECT_EQ(0, __vhdb_get_stats(self->fd, &later.stats));
	EXPECT_EQ(sizeof(stats), later.stats.size);
	memset(&later, 0, sizeof(later));
	later.stats.size = sizeof(later);
	later.bytes[sizeof(stats)] = 1;
	EXPECT_EQ(-E2BIG, __vhdb_get_stats(self->fd, &later.stats));
}

TEST_F(file, stats_no_such_queue)
{
	struct vhost_doorbell_stats stats;

	self->attach.queues = 2;
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, vhdb_get_stats(self->fd, 1, &stats));
	EXPECT_EQ(-ENOBUFS, vhdb_get_stats(self->fd, 2, &stats));
	EXPECT_EQ(-ENOBUFS, vhdb_get_stats(self->fd, 0xfffffffe, &stats));
	EXPECT_EQ(0, vhdb_get_stats(self->fd, VHOST_DOORBELL_ALL_QUEUES,
				    &stats));
}

TEST_F(file, stats_count_and_survive_a_reset)
{
	struct vhost_doorbell_stats one, all;
	struct vhdb_opts opts = { .queues = 2 };
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;
	unsigned int i;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	for (i = 0; i < 10; i++) {
		scratch = vhdb_dev_scratch(&dev, i & 1);
		ASSERT_EQ(0, vhdb_blk_check_read(&dev.vring[i & 1], &scratch,
						 i));
	}
	ASSERT_EQ(0, vhdb_reset(dev.fd));
	ASSERT_EQ(0, vhdb_get_stats(dev.fd, 1, &one));
	ASSERT_EQ(0, vhdb_get_stats(dev.fd, VHOST_DOORBELL_ALL_QUEUES, &all));
	EXPECT_EQ(5, one.requests);
	EXPECT_EQ(5, one.completions);
	EXPECT_EQ(5 * VHDB_SECTOR, one.bytes_read);
	EXPECT_EQ(0, one.bytes_written);
	EXPECT_EQ(0, one.errors);
	EXPECT_EQ(0, one.broken);
	/* Kicks may meet each other, and each request asked for its signal */
	EXPECT_LE(1, one.kicks);
	EXPECT_GE(5, one.kicks);
	EXPECT_EQ(5, one.signals);
	EXPECT_EQ(10, all.requests);
	EXPECT_EQ(10, all.signals);
	EXPECT_EQ(10 * VHDB_SECTOR, all.bytes_read);
	EXPECT_EQ(VHOST_DOORBELL_ALL_QUEUES, all.queue);
	vhdb_dev_destroy(&dev);
}

TEST_HARNESS_MAIN
