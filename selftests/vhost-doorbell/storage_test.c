// SPDX-License-Identifier: GPL-2.0
/*
 * What lies under the disk: loop devices, large blocks, storage that may only be
 * read, and storage that forgets until it is flushed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <linux/fiemap.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "storage_fixture.h"

/* ---- kinds of storage ---- */

TEST_F(storage, loop_device)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int i;

	if (!ext4_dir[0] ||
	    vhdb_backing_loop(&rig->backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no loop device");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	for (i = 0; i < 16; i++) {
		vhdb_fill(vhdb_disk_ptr(disk, disk->data), 65536, i);
		ASSERT_EQ(OK(1), io(disk, T_OUT, i * 128, 65536));
		ASSERT_EQ(OK(1), io(disk, T_FLUSH, 0, 0));
		ASSERT_EQ(0, vhdb_peek_check(rig->peek, i * 128, 65536, i));
		ASSERT_EQ(OK(65537), io(disk, T_IN, i * 128, 65536));
		ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data),
					65536, i));
	}
}

/* Blocks of 4,096 bytes: what is smaller, or between two, is IOERR. */
static int large_blocks(struct vhdb_disk *disk, int peek)
{
	struct virtio_blk_config config = {};
	unsigned int i;

	if (__vhdb_get_config(disk->dev.fd, 0, 24, &config) ||
	    le32toh(config.blk_size) != 4096 || le64toh(config.capacity) % 8)
		return -1;
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), 8192, 5);
	if (io(disk, T_OUT, 16, 8192) != OK(1) ||
	    vhdb_peek_check(peek, 16, 8192, 5))
		return -2;
	for (i = 1; i < 8; i++)
		if (io(disk, T_IN, 16 + i, 4096) != IOERR ||
		    io(disk, T_OUT, 16 + i, 4096) != IOERR ||
		    io(disk, T_IN, 16, i * 512) != IOERR ||
		    io(disk, T_OUT, 16, 4096 + i * 512) != IOERR)
			return -3;
	/* Memory may lie in smaller pieces, anywhere. */
	for (i = 1; i < 4096; i += 455) {
		struct vhdb_buf in[] = {
			VHDB_IN(disk->data + 16384 + i, i),
			VHDB_IN(disk->data + 32768, 4096 - i),
		};
		char want[4096];

		vhdb_fill(want, sizeof(want), 5);
		if (vhdb_disk_iov(disk, 0, T_IN, 16, in, 2) != OK(4097) ||
		    memcmp(want, vhdb_disk_ptr(disk, in[0].addr), i) ||
		    memcmp(want + i, vhdb_disk_ptr(disk, in[1].addr), 4096 - i))
			return -4;
	}
	return vhdb_peek_check(peek, 16, 8192, 5) ? -5 : 0;
}

TEST_F(storage, large_blocks_below_a_partition)
{
	struct storage_rig *rig = &self->rig;
	char table[64], name[32];

	if (scsi_create(rig, "sector_size=4096 dev_size_mb=8 delay=0", name,
			sizeof(name)))
		SKIP(return, "no scsi_debug");
	snprintf(table, sizeof(table), "0 8184 linear /dev/%s 8\\n", name);
	if (dm_create(rig, table))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));
	EXPECT_EQ(0, large_blocks(&rig->disk, rig->peek));
}

TEST_F(storage, large_blocks_asked_for)
{
	struct vhdb_opts opts = { .lbs = 4096 };

	if (vhdb_backing_ram_as_is(&self->rig.backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, 0, &opts, ALL));
	EXPECT_EQ(0, large_blocks(&self->rig.disk, self->rig.peek));
}

TEST_F(storage, capacity_is_whole_blocks)
{
	struct vhdb_opts opts = { .lbs = 4096 };
	__le64 capacity;

	ASSERT_EQ(0, vhdb_backing_file(&self->rig.backing, vhdb_tmpdir(),
				       (1 << 20) + 3 * 512 + 17, 0));
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, 0, &opts, ALL));
	ASSERT_EQ(0, __vhdb_get_config(self->rig.disk.dev.fd, 0, 8, &capacity));
	EXPECT_EQ(2048, le64toh(capacity));
	EXPECT_EQ(OK(4097), io(&self->rig.disk, T_IN, 2040, 4096));
	EXPECT_EQ(IOERR, io(&self->rig.disk, T_IN, 2048, 4096));
}

TEST_F(storage, read_only)
{
	struct vhdb_opts opts = { .ro = true };
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;

	if (vhdb_backing_ram_as_is(&rig->backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, &opts, ALL));
	EXPECT_NE(0, disk->dev.features & VHDB_BIT(VIRTIO_BLK_F_RO));
	ASSERT_EQ(0, vhdb_peek_write(rig->peek, 0, 8192, 1));
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), 8192, 2);
	EXPECT_EQ(IOERR, io(disk, T_OUT, 0, 512));
	EXPECT_EQ(IOERR, io(disk, T_OUT, 0, 8192));
	EXPECT_EQ(0, vhdb_peek_check(rig->peek, 0, 8192, 1));
	EXPECT_EQ(OK(8193), io(disk, T_IN, 0, 8192));
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 8192, 1));
}

/* ---- writes that are to last ---- */

/* Flushes that a whole device has seen: field 16 of its statistics */
static long flushes_seen(const char *dev)
{
	char path[64];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat",
		 strrchr(dev, '/') + 1);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld",
		   &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

TEST_F(storage, flush_reaches_the_device)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	long before;
	unsigned int i;

	if (!ext4_dir[0] ||
	    vhdb_backing_loop(&rig->backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no loop device");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	before = flushes_seen(rig->backing.path);
	ASSERT_LE(0, before);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(OK(1), io(disk, T_OUT, i, 512));
	EXPECT_EQ(before, flushes_seen(rig->backing.path));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(OK(1), io(disk, T_FLUSH, 0, 0));
	EXPECT_LE(before + 4, flushes_seen(rig->backing.path));
}

/* 5.2.6.2: who cannot flush has a disk which writes through. */
TEST_F(storage, writes_through_without_flush)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	long before;
	unsigned int i;

	if (!ext4_dir[0] ||
	    vhdb_backing_loop(&rig->backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no loop device");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, NO_FLUSH));
	before = flushes_seen(rig->backing.path);
	ASSERT_LE(0, before);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(OK(1), io(disk, T_OUT, i, 512));
		EXPECT_LE(before + i + 1, flushes_seen(rig->backing.path));
	}
}

/* Are all extents of the file allocated? ext4 puts it off until write-back. */
static bool file_is_written_back(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent[16];
	} m = {
		.map = { .fm_length = ~0ULL, .fm_extent_count = 16 },
	};
	unsigned int i;

	if (ioctl(fd, FS_IOC_FIEMAP, &m) || !m.map.fm_mapped_extents)
		return false;
	for (i = 0; i < m.map.fm_mapped_extents; i++)
		if (m.extent[i].fe_flags & (FIEMAP_EXTENT_DELALLOC |
					    FIEMAP_EXTENT_UNKNOWN))
			return false;
	return true;
}

TEST_F(storage, file_is_written_through_without_flush)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int i;

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&rig->backing, ext4_dir, 4096, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, ftruncate(rig->backing.fd, 1 << 20));
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, NO_FLUSH));
	for (i = 1; i < 8; i++) {
		ASSERT_EQ(OK(1), io(disk, T_OUT, i * 64, 4096));
		EXPECT_TRUE(file_is_written_back(rig->fd));
	}
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
