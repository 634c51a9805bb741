// SPDX-License-Identifier: GPL-2.0
/*
 * Setting a device up: status, features, reset, config space. Whatever was
 * refused, the device is then brought up anew and serves a read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "dev_fixture.h"

/* ---- status (virtio spec 1.3, 2.1, 3.1) ---- */

TEST_F(dev, status_bits_are_added)
{
	EXPECT_EQ(0, vhdb_status(self->fd));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VIRTIO_CONFIG_S_ACKNOWLEDGE));
	EXPECT_EQ(VIRTIO_CONFIG_S_ACKNOWLEDGE, vhdb_status(self->fd));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(self->fd));
	/* The same once more is no change */
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(self->fd));
	EXPECT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(0, vhdb_status(self->fd));
}

TEST_F(dev, status_bits_are_not_removed)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, VHDB_S_FEATURES_OK));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, VHDB_S_DRIVER));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd,
					     VHDB_S_DRIVER_OK &
					     ~VIRTIO_CONFIG_S_ACKNOWLEDGE));
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, status_unknown_bits)
{
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, 0x10));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, 0x20));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, 0x10 | VHDB_S_DRIVER));
	EXPECT_EQ(0, vhdb_status(self->fd));
}

/* Only the device sets NEEDS_RESET; a driver that reads and ors writes it */
TEST_F(dev, status_needs_reset_written_back)
{
	ASSERT_EQ(0, __vhdb_set_status(self->fd, VIRTIO_CONFIG_S_ACKNOWLEDGE));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER |
				       VIRTIO_CONFIG_S_NEEDS_RESET));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(self->fd));
}

TEST_F(dev, status_failed)
{
	ASSERT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER |
				       VIRTIO_CONFIG_S_FAILED));
	EXPECT_EQ(VHDB_S_DRIVER | VIRTIO_CONFIG_S_FAILED,
		  vhdb_status(self->fd));
}

TEST_F(dev, driver_ok_needs_features_ok)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	ASSERT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER));
	ASSERT_EQ(0, __vhdb_set_features(self->fd, features));
	EXPECT_EQ(-EINVAL, __vhdb_set_status(self->fd, VHDB_S_DRIVER |
					     VIRTIO_CONFIG_S_DRIVER_OK));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(self->fd));
}

/* cloud-hypervisor writes all four bits in one go */
TEST_F(dev, status_all_at_once)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	ASSERT_EQ(0, __vhdb_set_features(self->fd, features));
	ASSERT_EQ(0, vhdb_vring_setup(self->fd, self->vr));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_DRIVER_OK));
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 7));
}

/* QEMU looks at the status before it takes the file */
TEST_F(dev, status_before_owner)
{
	int fd = vhdb_open();

	ASSERT_LT(0, fd);
	ASSERT_EQ(0, vhdb_attach_blk(fd, self->disk.fd, NULL));
	EXPECT_EQ(0, vhdb_status(fd));
	EXPECT_EQ(0, __vhdb_set_status(fd, VHDB_S_DRIVER));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(fd));
	EXPECT_EQ(0, vhdb_reset(fd));
	EXPECT_EQ(0, __vhdb_set_owner(fd));
	close(fd);
}

/* ---- features ---- */

static int features_ok(int fd, __u64 features)
{
	int ret = vhdb_reset(fd);

	if (!ret)
		ret = __vhdb_set_status(fd, VHDB_S_DRIVER);
	if (!ret)
		ret = __vhdb_set_features(fd, features);
	if (!ret)
		ret = __vhdb_set_status(fd, VHDB_S_FEATURES_OK);
	return ret ? ret : vhdb_status(fd);
}

/* A refusal is told by the bit that does not come, not by an error (2.2) */
TEST_F(dev, features_ok_refused_without_version_1)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_EQ(VHDB_S_DRIVER, features_ok(self->fd, features &
					     ~VHDB_BIT(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(-EINVAL, vhdb_driver_ok(self->fd));
}

TEST_F(dev, features_ok_refused_without_access_platform)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_EQ(VHDB_S_DRIVER,
		  features_ok(self->fd, features &
			      ~VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM)));
	EXPECT_EQ(-EINVAL, vhdb_driver_ok(self->fd));
	/* The driver may think again without a reset */
	EXPECT_EQ(0, __vhdb_set_features(self->fd, features));
	EXPECT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_FEATURES_OK));
	EXPECT_EQ(VHDB_S_FEATURES_OK, vhdb_status(self->fd));
}

TEST_F(dev, features_not_offered)
{
	__u64 offered;
	int bit;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &offered));
	for (bit = 0; bit < 64; bit++) {
		if (offered & VHDB_BIT(bit))
			continue;
		EXPECT_EQ(-EINVAL, __vhdb_set_features(self->fd, offered |
						       VHDB_BIT(bit))) {
			TH_LOG("bit %d", bit);
		}
	}
	EXPECT_EQ(0, __vhdb_set_features(self->fd, offered));
}

/* Safe with stock clients (D4): neither is offered unless asked for */
TEST_F(dev, features_for_stock_clients)
{
	__u64 offered;

	ASSERT_EQ(0, __vhdb_get_features(self->fd, &offered));
	EXPECT_EQ(VHDB_F_REQUIRED, offered & VHDB_F_REQUIRED);
	EXPECT_FALSE(offered & VHDB_BIT(VIRTIO_F_RING_RESET));
	EXPECT_FALSE(offered & VHDB_BIT(VIRTIO_F_RING_PACKED));
	EXPECT_FALSE(offered & VHDB_BIT(VIRTIO_BLK_F_CONFIG_WCE));
	EXPECT_FALSE(offered & VHDB_BIT(VHOST_F_LOG_ALL));
}

TEST_F(dev, features_are_fixed_by_features_ok)
{
	__u64 features;

	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, &features));
	EXPECT_EQ(-EBUSY, __vhdb_set_features(self->fd, features));
	EXPECT_EQ(-EBUSY, __vhdb_set_features(self->fd, VHDB_F_REQUIRED));
	EXPECT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(0, __vhdb_set_features(self->fd, VHDB_F_REQUIRED));
}

/* ---- reset ---- */

TEST_F(dev, reset_clears_the_ring)
{
	unsigned int base, size;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(0, base);

	/* Neither address nor enable is left: nothing starts */
	ASSERT_EQ(0, __vhdb_set_vring_num(self->fd, 0, 16));
	ASSERT_EQ(0, __vhdb_set_vring_base(self->fd, 0, 77));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(0, base);
	EXPECT_EQ(0, __vhdb_get_vring_size(self->fd, 0, &size));
	EXPECT_EQ(VHDB_QUEUE_SIZE, size);
}

/* Unless told otherwise a ring is as large as it can be, also after a reset */
TEST_F(dev, reset_clears_the_ring_size)
{
	int i;

	ASSERT_EQ(0, __vhdb_set_vring_num(self->fd, 0, 16));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	ASSERT_EQ(0, __vhdb_set_vring_addr(self->fd, 0, self->vr->desc_iova,
					   self->vr->avail_iova,
					   self->vr->used_iova));
	ASSERT_EQ(0, __vhdb_set_vring_kick(self->fd, 0, self->vr->kick));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	/* A ring of 16 would look for the 17th at the place of the first */
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
}

TEST_F(dev, reset_clears_features)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	/* With none acknowledged FEATURES_OK is refused */
	ASSERT_EQ(0, __vhdb_set_status(self->fd, VHDB_S_FEATURES_OK));
	EXPECT_EQ(VHDB_S_DRIVER, vhdb_status(self->fd));
}

TEST_F(dev, reset_clears_enable)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	vhdb_vring_clear(self->vr);
	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	ASSERT_EQ(0, vhdb_vring_setup(self->fd, self->vr));
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	usleep(50000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	/* Nothing is lost by waiting */
	EXPECT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

TEST_F(dev, reset_clears_the_call_eventfd)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_eventfd_wait(self->vr->call));
	ASSERT_EQ(0, vhdb_reset(self->fd));

	/* Everything but the call eventfd */
	vhdb_vring_clear(self->vr);
	ASSERT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
	ASSERT_EQ(0, __vhdb_set_vring_num(self->fd, 0, self->vr->num));
	ASSERT_EQ(0, __vhdb_set_vring_addr(self->fd, 0, self->vr->desc_iova,
					   self->vr->avail_iova,
					   self->vr->used_iova));
	ASSERT_EQ(0, __vhdb_set_vring_kick(self->fd, 0, self->vr->kick));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 1));
	ASSERT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	/* Drained: a signal would have come */
	EXPECT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, vhdb_eventfd_take(self->vr->call));
}

TEST_F(dev, reset_clears_the_kick_eventfd)
{
	struct vhost_doorbell_stats before, after;
	int old = self->vr->kick;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &before));
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	ASSERT_EQ(0, vhdb_get_stats(self->fd, 0, &after));
	EXPECT_EQ(before.kicks, after.kicks);
	vhdb_vring_clear(self->vr);
	self->vr->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LT(0, self->vr->kick);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	close(old);
}

TEST_F(dev, reset_keeps_the_memory_map)
{
	/* vhdb_dev_check() maps nothing anew */
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(-EEXIST, vhdb_mem_map(self->fd, &self->dev.mem,
					VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_F(dev, reset_many_times)
{
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, vhdb_dev_restart(&self->dev));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* ---- config space ---- */

TEST_F(dev, config_every_window)
{
	__u8 whole[256], part[256];
	__u32 size, off, len;

	ASSERT_EQ(0, __vhdb_get_config_size(self->fd, &size));
	ASSERT_LE(36, size);		/* up to num_queues */
	ASSERT_GE(sizeof(whole), size);
	ASSERT_EQ(0, __vhdb_get_config(self->fd, 0, size, whole));
	for (off = 0; off < size; off++) {
		for (len = 1; len <= size - off; len++) {
			memset(part, 0xa5, sizeof(part));
			ASSERT_EQ(0, __vhdb_get_config(self->fd, off, len,
						       part));
			ASSERT_EQ(0, memcmp(part, whole + off, len)) {
				TH_LOG("offset %u, length %u", off, len);
			}
		}
	}
}

TEST_F(dev, config_over_the_end)
{
	__u8 buf[512];
	__u32 size, off;

	ASSERT_EQ(0, __vhdb_get_config_size(self->fd, &size));
	for (off = 0; off <= size; off++) {
		EXPECT_EQ(-E2BIG, __vhdb_get_config(self->fd, off,
						    size - off + 1, buf));
		EXPECT_EQ(-E2BIG, __vhdb_set_config(self->fd, off,
						    size - off + 1, buf));
	}
	EXPECT_EQ(-E2BIG, __vhdb_get_config(self->fd, 0xffffffff, 1, buf));
	/* Offset plus length is small again */
	EXPECT_EQ(-E2BIG, __vhdb_get_config(self->fd, 0xfffffffc, 8, buf));
	EXPECT_EQ(-E2BIG, __vhdb_set_config(self->fd, 0xfffffffc, 8, buf));
}

TEST_F(dev, config_length_huge)
{
	struct vhost_vdpa_config config = { .len = 0xffffffff };

	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_VDPA_GET_CONFIG,
				       &config));
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(self->fd, VHOST_VDPA_SET_CONFIG,
				       &config));
}

TEST_F(dev, config_length_zero)
{
	__u8 buf[1];

	EXPECT_EQ(-EINVAL, __vhdb_get_config(self->fd, 0, 0, buf));
	EXPECT_EQ(-EINVAL, __vhdb_set_config(self->fd, 0, 0, buf));
}

/* QEMU hands its old config back and takes a failure for fatal */
TEST_F(dev, config_set_changes_nothing)
{
	__u8 before[256], after[256], ones[256];
	__u32 size;

	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(0, __vhdb_get_config_size(self->fd, &size));
	ASSERT_EQ(0, __vhdb_get_config(self->fd, 0, size, before));
	EXPECT_EQ(0, __vhdb_set_config(self->fd, 0, size, before));
	EXPECT_EQ(0, __vhdb_set_config(self->fd, 0, size, ones));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, __vhdb_set_config(self->fd, 0, size, ones));
	ASSERT_EQ(0, __vhdb_get_config(self->fd, 0, size, after));
	EXPECT_EQ(0, memcmp(before, after, size));
}

TEST_HARNESS_MAIN
