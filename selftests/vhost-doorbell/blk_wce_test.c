// SPDX-License-Identifier: GPL-2.0
/*
 * The write cache's mode in config space (CONFIG_WCE): what a write is to the
 * storage, a flush or none, by what the driver has chosen. The test's own block
 * device tells.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_testdisk.h"
#include "blk_fixture.h"

#define CONFIG_WCE	VHDB_BIT(VIRTIO_BLK_F_CONFIG_WCE)
#define FLUSH		VHDB_BIT(VIRTIO_BLK_F_FLUSH)
#define WCE		offsetof(struct virtio_blk_config, wce)
#define CONFIG		sizeof(struct virtio_blk_config)

FIXTURE(wce) {
	struct vhdb_disk disk;
	int fd;
};

FIXTURE_SETUP(wce)
{
	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	self->fd = vhdb_present() ? vhdb_testdisk_open() : -ENODEV;
	if (self->fd == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no test module");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(wce)
{
	vhdb_disk_destroy(&self->disk);
	EXPECT_EQ(0, vhdb_testdisk_close(self->fd));
}

static int create(struct vhdb_disk *disk, int fd, const struct vhdb_opts *opts,
		  __u64 features)
{
	int ret = vhdb_disk_create(disk, fd, opts, features, DATA_BYTES);

	return ret ? ret : vhdb_disk_start(disk);
}

static int mode(struct vhdb_disk *disk)
{
	__u8 wce = 0xff;
	int ret = __vhdb_get_config(disk->dev.fd, WCE, 1, &wce);

	return ret ? ret : wce;
}

static int set_mode(struct vhdb_disk *disk, __u8 wce)
{
	return __vhdb_set_config(disk->dev.fd, WCE, 1, &wce);
}

/* A write and zeroes: how many of them were to be stable at once; or -EIO */
static long stable(struct vhdb_disk *disk)
{
	struct virtio_blk_discard_write_zeroes range = {
		.num_sectors = htole32(8),
	};
	long fua = vhdb_testdisk_get("fua");
	struct vhdb_buf data;
	long flushes = vhdb_testdisk_get("flushes");

	if (vhdb_disk_io(disk, 0, T_OUT, 0, disk->data, 512) != OK(1))
		return -EIO;
	memcpy(vhdb_disk_ptr(disk, disk->data), &range, sizeof(range));
	data = VHDB_OUT(disk->data, sizeof(range));
	if (vhdb_disk_iov(disk, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0, &data, 1) !=
	    OK(1))
		return -EIO;
	return vhdb_testdisk_get("fua") - fua +
	       vhdb_testdisk_get("flushes") - flushes;
}

TEST_F(wce, chosen)
{
	struct vhdb_opts opts = { .require = CONFIG_WCE };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL));
	ASSERT_TRUE(disk->dev.features & CONFIG_WCE);
	/* 5.2.5.2: with FLUSH it begins with write-back */
	EXPECT_EQ(1, mode(disk));
	EXPECT_EQ(0, stable(disk));
	ASSERT_EQ(0, set_mode(disk, 0));
	EXPECT_EQ(0, mode(disk));
	EXPECT_EQ(2, stable(disk));
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, 0, disk->data, 512));
	ASSERT_EQ(0, set_mode(disk, 1));
	EXPECT_EQ(0, stable(disk));

	/* Neither is there another mode, nor does a wrong one change anything */
	ASSERT_EQ(0, set_mode(disk, 0));
	EXPECT_EQ(-EINVAL, set_mode(disk, 2));
	EXPECT_EQ(-EINVAL, set_mode(disk, 0x81));
	EXPECT_EQ(-EINVAL, set_mode(disk, 0xff));
	EXPECT_EQ(0, mode(disk));
	EXPECT_EQ(2, stable(disk));
	/* What one driver has chosen is not the next one's */
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	EXPECT_EQ(1, mode(disk));
	EXPECT_EQ(0, stable(disk));
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0));
}

/* Through all of config space at once; what else is in it changes nothing */
TEST_F(wce, with_the_rest_of_config_space)
{
	struct vhdb_opts opts = { .require = CONFIG_WCE };
	struct vhdb_disk *disk = &self->disk;
	__u8 before[CONFIG], config[CONFIG];

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL));
	ASSERT_EQ(0, __vhdb_get_config(disk->dev.fd, 0, CONFIG, before));
	memset(config, 0xff, sizeof(config));
	config[WCE] = 0;
	EXPECT_EQ(0, __vhdb_set_config(disk->dev.fd, 0, CONFIG, config));
	before[WCE] = 0;
	ASSERT_EQ(0, __vhdb_get_config(disk->dev.fd, 0, CONFIG, config));
	EXPECT_EQ(0, memcmp(before, config, CONFIG));
	EXPECT_EQ(2, stable(disk));
	/* Next to it, on either side */
	memset(config, 0xff, sizeof(config));
	EXPECT_EQ(0, __vhdb_set_config(disk->dev.fd, 0, WCE, config));
	EXPECT_EQ(0, __vhdb_set_config(disk->dev.fd, WCE + 1, CONFIG - WCE - 1,
				       config));
	EXPECT_EQ(0, mode(disk));
	/* The last byte of what is written, and the first one */
	config[WCE] = 1;
	EXPECT_EQ(0, __vhdb_set_config(disk->dev.fd, WCE - 3, 4,
				       config + WCE - 3));
	EXPECT_EQ(1, mode(disk));
	config[WCE] = 2;
	EXPECT_EQ(-EINVAL, __vhdb_set_config(disk->dev.fd, WCE, 2, config + WCE));
	EXPECT_EQ(1, mode(disk));
}

/* 5.2.5.2: who cannot flush begins with write-through */
TEST_F(wce, without_flush)
{
	struct vhdb_opts opts = { .require = CONFIG_WCE };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL & ~FLUSH));
	EXPECT_EQ(0, mode(disk));
	EXPECT_EQ(2, stable(disk));
	ASSERT_EQ(0, set_mode(disk, 1));
	EXPECT_EQ(0, stable(disk));
}

/* Not chosen by the driver: what it writes there is of no consequence */
TEST_F(wce, not_negotiated)
{
	struct vhdb_opts opts = { .allow = ALL };
	struct vhdb_disk *disk = &self->disk;
	int before;

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL & ~CONFIG_WCE));
	before = mode(disk);
	EXPECT_EQ(0, set_mode(disk, !before));
	EXPECT_EQ(0, set_mode(disk, 0xff));
	EXPECT_EQ(before, mode(disk));
	EXPECT_EQ(0, stable(disk));
}

TEST_F(wce, offered_if_named)
{
	struct vhdb_opts opts = { .allow = 0 }, ro = { .ro = true, .allow = ALL };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL));
	EXPECT_FALSE(disk->dev.features & CONFIG_WCE);
	vhdb_disk_destroy(disk);

	/* What cannot be written has no cache of writes */
	ASSERT_EQ(0, create(disk, self->fd, &ro, ALL));
	EXPECT_FALSE(disk->dev.features & CONFIG_WCE);
	vhdb_disk_destroy(disk);
	memset(disk, 0, sizeof(*disk));
	ro.require = CONFIG_WCE;
	EXPECT_EQ(-EOPNOTSUPP, create(disk, self->fd, &ro, ALL));
	memset(disk, 0, sizeof(*disk));
	disk->dev.fd = -1;
}

/* 5.2.5.2: not without FLUSH */
TEST_F(wce, not_offered_without_flush)
{
	struct vhdb_opts opts = { .allow = ALL & ~FLUSH };
	struct vhdb_disk *disk = &self->disk;

	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL));
	EXPECT_FALSE(disk->dev.features & (CONFIG_WCE | FLUSH));
	vhdb_disk_destroy(disk);

	memset(disk, 0, sizeof(*disk));
	opts.require = CONFIG_WCE;
	EXPECT_EQ(-EOPNOTSUPP, create(disk, self->fd, &opts, ALL));
	memset(disk, 0, sizeof(*disk));
	opts.require = CONFIG_WCE | FLUSH;
	ASSERT_EQ(0, create(disk, self->fd, &opts, ALL));
	EXPECT_EQ(CONFIG_WCE | FLUSH, disk->dev.features & (CONFIG_WCE | FLUSH));
}

TEST_HARNESS_MAIN
