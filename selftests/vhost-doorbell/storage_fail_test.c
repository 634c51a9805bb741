// SPDX-License-Identifier: GPL-2.0
/*
 * Storage that fails, comes and goes, is full or cut off: each request is
 * answered once, and the disk is well again when the storage is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "storage_fixture.h"

/* ---- storage that fails ---- */

TEST_F(storage, bad_half_of_a_disk)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int i;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));

	for (i = 0; i < 10; i++) {
		vhdb_fill(vhdb_disk_ptr(disk, disk->data), 8192, i);
		ASSERT_EQ(OK(1), io(disk, T_OUT, END - 16, 8192));
		ASSERT_EQ(IOERR, io(disk, T_OUT, END, 8192));
		ASSERT_EQ(IOERR, io(disk, T_OUT, END - 8, 8192));
		ASSERT_EQ(IOERR, io(disk, T_IN, END + i, 512));
		ASSERT_EQ(IOERR, io(disk, T_IN, END - 1, 1024));
		memset(vhdb_disk_ptr(disk, disk->data), 0, 8192);
		ASSERT_EQ(OK(4097), io(disk, T_IN, END - 16, 4096));
		ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096,
					i));
	}

	/* Good and bad ones in one batch get each their own answer. */
	for (i = 0; i < 60; i++) {
		struct vhdb_buf data = VHDB_IN(disk->data + i * 512, 512);

		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN,
					      i % 3 ? i : END + i, &data, 1,
					      i));
	}
	vhdb_vq_kick(&disk->q[0].vq);
	for (i = 0; i < 60; i++) {
		__u64 token;
		__s64 answer = vhdb_disk_reap(disk, 0, &token);

		ASSERT_EQ(token % 3 ? OK(513) : IOERR, answer);
	}
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/*
 * What is in flight when the storage goes bad fails; what comes when it is well
 * again does not.
 */
TEST_F(storage, comes_and_goes)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int round, n = 0;
	struct tally t;

	if (vhdb_backing_ram_as_is(&rig->backing) || dm_create(rig, ON_RAM))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, round));
		ASSERT_EQ(0, reap_many(disk, MANY, &t));
		EXPECT_EQ(ALL_OF(MANY), t.ok);

		ASSERT_EQ(0, dm_suspend(rig));
		ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, round + 100));
		EXPECT_EQ(0, taken(disk, n + 2 * MANY));
		EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
		ASSERT_EQ(0, dm_replace(rig, "0 " HALF " error\\n"));
		ASSERT_EQ(0, reap_many(disk, MANY, &t));
		EXPECT_EQ(ALL_OF(MANY), t.ioerr);

		ASSERT_EQ(0, dm_replace(rig, ON_RAM));
		ASSERT_EQ(0, submit_many(disk, T_IN, 0, MANY, 0));
		ASSERT_EQ(0, reap_many(disk, MANY, &t));
		EXPECT_EQ(ALL_OF(MANY), t.ok);
		EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096,
					round));
		n += 3 * MANY;
	}
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Block @i of the disk holds what was last written there with success. */
static bool holds(struct vhdb_disk *disk, unsigned int i, __u32 seed)
{
	return vhdb_wait_for(io(disk, T_IN, i * 8, 4096) == OK(4097)) &&
	       vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096, seed);
}

/* A second of every two it fails, in the middle of what is under way, too. */
TEST_F(storage, flakey)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	bool failed = false, back = false;
	__u32 written[MANY] = { 0 }, seed;
	struct tally t;
	unsigned int i;
	__u64 end;

	if (vhdb_backing_ram_as_is(&rig->backing) ||
	    dm_create(rig, "0 " HALF " flakey /dev/ram0 0 1 1\\n"))
		SKIP(return, "no dm-flakey");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));
	end = vhdb_now_ms() + vhdb_timeout_ms();
	for (seed = MANY; !back; seed += MANY) {
		ASSERT_GT(end, vhdb_now_ms());
		ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, seed));
		ASSERT_EQ(0, reap_many(disk, MANY, &t));
		for (i = 0; i < MANY; i++)
			if (t.ok & 1ULL << i)
				written[i] = seed + i;
		back = failed && !t.ioerr;
		failed |= t.ioerr != 0;
	}
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(holds(disk, i, written[i]));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static int file_cut_off(struct storage_rig *rig)
{
	const __u64 size = 1 << 20, half = size / 2;
	struct vhdb_disk *disk = &rig->disk;
	__u64 end = half / VHDB_SECTOR;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		if (io(disk, T_IN, end, 4096) != OK(4097))
			return -1;
		if (ftruncate(rig->fd, half))
			return -2;
		if (io(disk, T_IN, end, 4096) != IOERR ||
		    io(disk, T_IN, end + 9, 512) != IOERR)
			return -3;
		/* Half of it is there; half a request is not enough. */
		if (io(disk, T_IN, end - 8, 8192) != IOERR)
			return -4;
		if (io(disk, T_IN, end - 8, 4096) != OK(4097))
			return -5;
		if (ftruncate(rig->fd, size))
			return -6;
		if (io(disk, T_IN, end, 4096) != OK(4097) ||
		    !vhdb_all(vhdb_disk_ptr(disk, disk->data), 4096, 0))
			return -7;
	}
	return vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET ?
	       -8 : 0;
}

TEST_F(storage, file_truncated_under_us)
{
	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, 0, NULL, ALL));
	EXPECT_EQ(0, file_cut_off(&self->rig));
}

TEST_F(storage, direct_file_truncated_under_us)
{
	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, O_DIRECT, NULL,
			     ALL));
	EXPECT_EQ(0, file_cut_off(&self->rig));
}

TEST_F(storage, no_space_left)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct vhost_doorbell_stats s;
	unsigned int ok = 0, full = 0, i;
	char path[96];
	int fd;

	snprintf(rig->dir, sizeof(rig->dir), "%s/vhdb-full-XXXXXX",
		 vhdb_tmpdir());
	ASSERT_NE(NULL, mkdtemp(rig->dir));
	if (mount("vhdb", rig->dir, "tmpfs", 0, "size=256k"))
		SKIP(return, "no tmpfs");
	snprintf(path, sizeof(path), "%s/disk", rig->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 1 << 20));
	ASSERT_EQ(0, disk_on(rig, path, 0, NULL, ALL));

	/* The image has holes, and the file system cannot fill them all. */
	for (i = 0; i < 32; i++) {
		__s64 answer;

		vhdb_fill(vhdb_disk_ptr(disk, disk->data), 32768, i);
		answer = io(disk, T_OUT, i * 64, 32768);
		ASSERT_TRUE(answer == OK(1) || answer == IOERR);
		if (answer == OK(1))
			ok++;
		else
			full++;
	}
	EXPECT_LE(4, ok);
	EXPECT_LE(20, full);
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(full, s.no_space);
	EXPECT_EQ(32, s.completions);
	EXPECT_EQ(OK(32769), io(disk, T_IN, 0, 32768));
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 32768, 0));

	/* Room again: it goes on. */
	ASSERT_EQ(0, mount("vhdb", rig->dir, "tmpfs", MS_REMOUNT,
			   "size=2m"));
	EXPECT_EQ(OK(1), io(disk, T_OUT, 31 * 64, 32768));
	close(fd);
}

/* Take all the room that a file system has, by a file that is @path. */
static int fill_up(char *path, size_t len)
{
	off_t at = 0, bytes;
	int fd;

	snprintf(path, len, "%s/filler", ext4_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (bytes = 64 << 20; bytes >= 4096; bytes /= 2)
		while (!fallocate(fd, 0, at, bytes))
			at += bytes;
	close(fd);
	return errno == ENOSPC ? 0 : -errno;
}

/* The image has a hole, from 1 MiB on, that nothing is left for. */
static int file_system_full(struct storage_rig *rig)
{
	struct vhdb_disk *disk = &rig->disk;
	struct vhost_doorbell_stats s;
	char path[160];
	struct tally t;
	int ret = 0;

	if (fill_up(path, sizeof(path)))
		return -1;
	if (submit_many(disk, T_OUT, 2048, MANY, 1) ||
	    reap_many(disk, MANY, &t) || t.ioerr != ALL_OF(MANY))
		ret = -2;
	else if (vhdb_get_stats(disk->dev.fd, 0, &s) || s.no_space != MANY)
		ret = -3;
	/* What is there already can be written, and everything read. */
	else if (submit_many(disk, T_OUT, 0, MANY, 2) ||
		 reap_many(disk, MANY, &t) || t.ok != ALL_OF(MANY))
		ret = -4;
	else if (io(disk, T_FLUSH, 0, 0) != OK(1))
		ret = -5;
	else if (io(disk, T_IN, 2048, 4096) != OK(4097) ||
		 !vhdb_all(vhdb_disk_ptr(disk, disk->data), 4096, 0))
		ret = -6;
	unlink(path);
	if (ret)
		return ret;

	/* Freed as soon as the file system has noted it. */
	syncfs(rig->fd);
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), 4096, 3);
	if (!vhdb_wait_for(io(disk, T_OUT, 2048, 4096) == OK(1)) ||
	    io(disk, T_FLUSH, 0, 0) != OK(1))
		return -7;
	return vhdb_peek_check(rig->peek, 2048, 4096, 3) ? -8 : 0;
}

static int full_disk_on(struct storage_rig *rig, int flags)
{
	if (!ext4_dir[0] ||
	    vhdb_backing_file(&rig->backing, ext4_dir, 1 << 20, flags) ||
	    ftruncate(rig->backing.fd, 2 << 20))
		return -ENODEV;
	return disk_on(rig, rig->backing.path, flags, NULL, ALL);
}

TEST_F(storage, file_system_full)
{
	if (full_disk_on(&self->rig, 0))
		SKIP(return, "no ext4");
	EXPECT_EQ(0, file_system_full(&self->rig));
}

TEST_F(storage, file_system_full_direct)
{
	if (full_disk_on(&self->rig, O_DIRECT))
		SKIP(return, "no ext4");
	EXPECT_EQ(0, file_system_full(&self->rig));
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
