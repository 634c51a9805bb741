// SPDX-License-Identifier: GPL-2.0
/*
 * Storage that is taken away while a disk is on it: a file system that becomes
 * read-only, a SCSI disk that is put off line or pulled, a loop device that is
 * detached. Each request is answered once, and closing ends.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <linux/loop.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "storage_fixture.h"

/* The disk goes, and with it all that has its storage open. */
static void close_all(struct storage_rig *rig)
{
	vhdb_disk_destroy(&rig->disk);
	rig->has_disk = false;
	close(rig->fd);
	rig->fd = -1;
	if (rig->peek >= 0)
		close(rig->peek);
	rig->peek = -1;
	if (rig->backing.fd >= 0)
		close(rig->backing.fd);
	rig->backing.fd = -1;
}

/* All of MANY requests have the same answer: 0, or -errno. */
static int all_are(struct vhdb_disk *disk, __u32 type, __u64 sector, bool ok)
{
	int ret = submit_many(disk, type, sector, MANY, 7);
	struct tally t;

	if (!ret)
		ret = reap_many(disk, MANY, &t);
	if (!ret && (ok ? t.ok : t.ioerr) != ALL_OF(MANY))
		ret = -EBADMSG;
	return ret;
}

/* ---- a file system that becomes read-only ---- */

static int remount(unsigned long flags)
{
	return mount(NULL, ext4_dir, NULL, MS_REMOUNT | flags, NULL) ?
	       -errno : 0;
}

/* Not while a disk may write there; under one that only reads it may. */
TEST_F(storage, remounted_read_only)
{
	struct vhdb_opts opts = { .ro = true };
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&rig->backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	/* So that the disk is the only one that has it open. */
	close(rig->fd);
	close(rig->peek);
	close(rig->backing.fd);
	rig->fd = -1;
	rig->peek = -1;
	rig->backing.fd = -1;
	EXPECT_EQ(-EBUSY, remount(MS_RDONLY));
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, true));
	EXPECT_EQ(OK(1), io(disk, T_FLUSH, 0, 0));
	vhdb_disk_destroy(disk);
	rig->has_disk = false;

	ASSERT_EQ(0, remount(MS_RDONLY));
	EXPECT_EQ(0, disk_on(rig, rig->backing.path, 0, &opts, ALL));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, true));
	EXPECT_EQ(0, remount(0));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, true));
	EXPECT_EQ(0, remount(MS_RDONLY));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, true));
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, false));
	EXPECT_EQ(0, remount(0));
}

/* It finds an error in itself, and goes read-only, whoever writes there. */
static int file_system_error(const char *dir)
{
	char path[64];
	struct stat st;

	if (stat(dir, &st) ||
	    mount(NULL, dir, NULL, MS_REMOUNT, "errors=remount-ro"))
		return -errno;
	snprintf(path, sizeof(path), "/sys/fs/ext4/loop%u/trigger_fs_error",
		 minor(st.st_dev));
	return vhdb_write_file(path, "vhdb_test");
}

/* A disk on a file with a hole from 1 MiB on, in an ext4 of its own */
static int small_ext4(struct storage_rig *rig, int flags)
{
	if (vhdb_ext4_mount(rig->dir, sizeof(rig->dir), 16 << 20)) {
		rig->dir[0] = '\0';
		return -ENODEV;
	}
	if (vhdb_backing_file(&rig->backing, rig->dir, 1 << 20, flags) ||
	    ftruncate(rig->backing.fd, 2 << 20))
		return -EIO;
	return disk_on(rig, rig->backing.path, flags, NULL, ALL);
}

TEST_F(storage, file_system_gives_up_direct)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct tally t;

	if (small_ext4(rig, O_DIRECT))
		SKIP(return, "no ext4");
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, true));
	ASSERT_EQ(0, file_system_error(rig->dir));
	EXPECT_EQ(0, all_are(disk, T_OUT, 2048, false));
	/* Linux 6.1 still reads, later ones do not. */
	EXPECT_EQ(0, submit_many(disk, T_IN, 0, MANY, 0));
	EXPECT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_TRUE(t.ok == ALL_OF(MANY) || t.ioerr == ALL_OF(MANY));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close_all(rig);
}

/* A write may still find its place in the page cache: the flush tells. */
TEST_F(storage, file_system_gives_up)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct tally t;

	if (small_ext4(rig, 0))
		SKIP(return, "no ext4");
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, true));
	EXPECT_EQ(OK(1), io(disk, T_FLUSH, 0, 0));
	ASSERT_EQ(0, file_system_error(rig->dir));
	EXPECT_EQ(0, submit_many(disk, T_OUT, 2048, MANY, 1));
	EXPECT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_EQ(IOERR, io(disk, T_FLUSH, 0, 0));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close_all(rig);
}

/* ---- a device that is unplugged ---- */

static int scsi_set(const char *name, const char *attribute, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/block/%s/device/%s", name,
		 attribute);
	return vhdb_write_file(path, value);
}

static int scsi_disk_on(struct storage_rig *rig, const char *name)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/dev/%s", name);
	/* It has a name before it can be opened. */
	vhdb_wait_for((ret = disk_on(rig, path, 0, NULL, ALL)) != -ENXIO &&
		      ret != -ENOENT);
	return ret;
}

TEST_F(storage, scsi_disk_off_line)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int i;
	char name[32];

	if (scsi_create(rig, "dev_size_mb=8 delay=0", name, sizeof(name)))
		SKIP(return, "no scsi_debug");
	ASSERT_EQ(0, scsi_disk_on(rig, name));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, all_are(disk, T_OUT, i * 1024, true));
		ASSERT_EQ(0, scsi_set(name, "state", "offline\n"));
		EXPECT_EQ(0, all_are(disk, T_OUT, i * 1024, false));
		EXPECT_EQ(0, all_are(disk, T_IN, 0, false));
		ASSERT_EQ(0, scsi_set(name, "state", "running\n"));
		EXPECT_EQ(0, all_are(disk, T_IN, i * 1024, true));
		EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096,
					7));
	}
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static int scsi_scan(void)
{
	int ret = -ENODEV;
	glob_t scan;

	if (glob("/sys/bus/pseudo/drivers/scsi_debug/a*/h*/scsi_host/h*/scan",
		 0, NULL, &scan))
		return ret;
	ret = vhdb_write_file(scan.gl_pathv[0], "- - -");
	globfree(&scan);
	return ret;
}

/* How long each request takes, once the disk has been looked at */
static int scsi_delay(const char *ns)
{
	return vhdb_write_file("/sys/bus/pseudo/drivers/scsi_debug/ndelay", ns);
}

/*
 * Gone with requests in flight, whose answers take it a while. It does not come
 * back to those who had it open: plugged in again it is another device.
 */
TEST_F(storage, scsi_disk_pulled)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	char name[32];
	struct tally t;

	if (scsi_create(rig, "dev_size_mb=8 delay=0", name, sizeof(name)))
		SKIP(return, "no scsi_debug");
	ASSERT_EQ(0, scsi_disk_on(rig, name));
	EXPECT_EQ(OK(1), io(disk, T_OUT, 0, 4096));
	/* Its module stays as long as the disk does. */
	EXPECT_NE(0, run("rmmod scsi_debug"));

	ASSERT_EQ(0, scsi_delay("200000000"));
	ASSERT_EQ(0, submit_many(disk, T_IN, 0, MANY, 0));
	EXPECT_EQ(0, taken(disk, 1 + MANY));
	ASSERT_EQ(0, scsi_set(name, "delete", "1"));
	EXPECT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_EQ(ALL_OF(MANY), t.ok | t.ioerr);
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, false));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, false));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* A guest that boots anew finds no other. */
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, false));
	EXPECT_EQ(OK(21), io(disk, T_GET_ID, 0, 20));
	close_all(rig);

	ASSERT_EQ(0, scsi_delay("0"));
	ASSERT_EQ(0, scsi_scan());
	ASSERT_TRUE(vhdb_wait_for(!scsi_name(name, sizeof(name))));
	ASSERT_EQ(0, scsi_disk_on(rig, name));
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, true));
	EXPECT_EQ(0, all_are(disk, T_IN, 0, true));
}

/* Detached, a loop device still serves those who have it open. */
TEST_F(storage, loop_device_detached)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	char path[96];
	int fd;

	if (!ext4_dir[0] ||
	    vhdb_backing_loop(&rig->backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no loop device");
	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file",
		 strrchr(rig->backing.loop, '/') + 1);
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	EXPECT_EQ(0, all_are(disk, T_OUT, 0, true));

	fd = open(rig->backing.loop, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioctl(fd, LOOP_CLR_FD));
	close(fd);
	rig->backing.loop[0] = '\0';
	EXPECT_EQ(0, all_are(disk, T_OUT, 512, true));
	EXPECT_EQ(OK(1), io(disk, T_FLUSH, 0, 0));
	EXPECT_EQ(0, all_are(disk, T_IN, 512, true));
	EXPECT_EQ(0, access(path, F_OK));
	close_all(rig);
	EXPECT_TRUE(vhdb_wait_for(access(path, F_OK)));
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
