// SPDX-License-Identifier: GPL-2.0
/*
 * What lies under the disk, and its moods: storage that fails, is slow, full,
 * cut off, read-only, of large blocks, or forgetful until it is flushed; and
 * the RAM disk, which wants sectors in one piece.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"

#define OK(used)	VHDB_ANSWER(VIRTIO_BLK_S_OK, used)
#define IOERR		VHDB_ANSWER(VIRTIO_BLK_S_IOERR, 1)

#define T_IN		VIRTIO_BLK_T_IN
#define T_OUT		VIRTIO_BLK_T_OUT
#define T_FLUSH		VIRTIO_BLK_T_FLUSH
#define T_GET_ID	VIRTIO_BLK_T_GET_ID

#define ALL		(~0ULL)
#define NO_FLUSH	(~VHDB_BIT(VIRTIO_BLK_F_FLUSH))
#define DATA_BYTES	(4UL << 20)

/* An ext4, mounted once for all tests; empty if there is none */
static char ext4_dir[128];

/* There need be no udev, so dmsetup makes its device nodes itself. */
static int run(const char *format, ...)
{
	char command[512] = "export PATH=$PATH:/usr/sbin:/sbin DM_DISABLE_UDEV=1;"
			    "exec >/dev/null 2>&1;";
	size_t len = strlen(command);
	va_list args;

	va_start(args, format);
	vsnprintf(command + len, sizeof(command) - len, format, args);
	va_end(args);
	return system(command) ? -ENODEV : 0;
}

/* ---- a disk on whatever a test says ---- */

struct rig {
	struct vhdb_backing backing;	/* below, if it is one of the usual */
	struct vhdb_disk disk;
	bool has_disk;
	int fd;				/* what is attached */
	int peek;
	char dm[32];			/* to be removed, or empty */
	char dm_path[64];
	char dir[64];			/* to be unmounted, or empty */
	bool scsi_debug;
	int frozen;			/* directory to be thawed, or -1 */
};

FIXTURE(storage) {
	struct rig rig;
};

FIXTURE_SETUP(storage)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	self->rig.fd = -1;
	self->rig.peek = -1;
	self->rig.backing.fd = -1;
	self->rig.frozen = -1;
}

FIXTURE_TEARDOWN(storage)
{
	struct rig *rig = &self->rig;

	/* Nothing that is stalled may be left: closing waits for it. */
	if (rig->frozen >= 0)
		ioctl(rig->frozen, FITHAW, 0);
	if (rig->dm[0])
		run("dmsetup resume %s", rig->dm);
	if (rig->has_disk)
		vhdb_disk_destroy(&rig->disk);
	if (rig->fd >= 0)
		close(rig->fd);
	if (rig->peek >= 0)
		close(rig->peek);
	if (rig->dm[0])
		run("dmsetup remove %s", rig->dm);
	if (rig->dir[0]) {
		umount2(rig->dir, MNT_DETACH);
		rmdir(rig->dir);
	}
	vhdb_backing_free(&rig->backing);
	if (rig->scsi_debug)
		run("rmmod scsi_debug");
}

/* Attach @path, and have a second look at it by rig->peek. */
static int disk_on(struct rig *rig, const char *path, int flags,
		   const struct vhdb_opts *opts, __u64 features)
{
	int ret;

	rig->fd = open(path, (opts && opts->ro ? O_RDONLY : O_RDWR) |
		       O_CLOEXEC | flags);
	if (rig->fd < 0)
		return -errno;
	/* Not every file system has O_DIRECT. */
	rig->peek = open(path, O_RDWR | O_CLOEXEC | O_DIRECT);
	ret = vhdb_disk_create(&rig->disk, rig->fd, opts, features,
			       DATA_BYTES);
	if (ret)
		return ret;
	rig->has_disk = true;
	return vhdb_disk_start(&rig->disk);
}

/* A device-mapper device of our own, at rig->dm_path */
static int dm_create(struct rig *rig, const char *table)
{
	char name[32];

	snprintf(name, sizeof(name), "vhdb-%d", getpid());
	snprintf(rig->dm_path, sizeof(rig->dm_path), "/dev/mapper/%s", name);
	vhdb_modprobe("dm_mod");
	if (run("printf '%s' | dmsetup create %s", table, name))
		return -ENODEV;
	memcpy(rig->dm, name, sizeof(name));
	return vhdb_wait_for(!access(rig->dm_path, F_OK)) ? 0 : -ENODEV;
}

#define HALF	"8192"
#define END	8192		/* sectors */

/* The first sectors of the RAM disk; behind it storage that fails */
static int dm_on_ram(struct rig *rig)
{
	return vhdb_backing_ram_as_is(&rig->backing) ? -ENODEV :
	       dm_create(rig, "0 " HALF " linear /dev/ram0 0\\n"
			 HALF " " HALF " error\\n");
}

static int dm_suspend(struct rig *rig)
{
	return run("dmsetup suspend --nolockfs --noflush %s", rig->dm);
}

static __s64 io(struct vhdb_disk *disk, __u32 type, __u64 sector, __u32 len)
{
	return vhdb_disk_io(disk, 0, type, sector, disk->data, len);
}

static __u64 stat_bounced(struct vhdb_disk *disk)
{
	struct vhost_doorbell_stats s;

	return vhdb_get_stats(disk->dev.fd, 0, &s) ? 0 : s.bounced;
}

/* ---- storage that fails ---- */

TEST_F(storage, bad_half_of_a_disk)
{
	struct rig *rig = &self->rig;
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

static int file_cut_off(struct rig *rig)
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
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, O_DIRECT, NULL, ALL));
	EXPECT_EQ(0, file_cut_off(&self->rig));
}

TEST_F(storage, no_space_left)
{
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
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
	EXPECT_EQ(OK(32769), io(disk, T_IN, 0, 32768));
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 32768, 0));

	/* Room again: it goes on. */
	ASSERT_EQ(0, mount("vhdb", rig->dir, "tmpfs", MS_REMOUNT,
			   "size=2m"));
	EXPECT_EQ(OK(1), io(disk, T_OUT, 31 * 64, 32768));
	close(fd);
}

/* ---- storage that does not answer ---- */

/* Wait until @n requests were taken. */
static int stall(struct vhdb_disk *disk, unsigned int n)
{
	struct vhost_doorbell_stats s;

	return vhdb_wait_for(!vhdb_get_stats(disk->dev.fd, 0, &s) &&
			     s.requests == n) ? 0 : -ETIMEDOUT;
}

/*
 * A suspended device-mapper device keeps what it is given. Sixteen requests
 * fill the ring; the driver then shows a seventeenth, which it may not: it
 * has no descriptor left that is not in flight.
 */
TEST_F(storage, more_in_flight_than_the_ring_holds)
{
	struct vhdb_opts opts = { .queues = 2, .queue_size = 16 };
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	struct vhdb_buf data;
	struct vhost_doorbell_stats s;
	unsigned int i;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, &opts, ALL));
	disk->how = VHDB_INDIRECT;

	ASSERT_EQ(0, dm_suspend(rig));
	for (i = 0; i < 16; i++) {
		data = VHDB_IN(disk->data + i * 512, 512);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, i, &data, 1, i));
	}
	vhdb_vq_kick(&disk->q[0].vq);
	EXPECT_EQ(0, stall(disk, 16));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* The storage hangs; what needs none of it is answered meanwhile. */
	EXPECT_EQ(OK(21), vhdb_disk_io(disk, 1, T_GET_ID, 0,
				       disk->data + 65536, 20));

	vr->avail->ring[vr->avail_idx++ & 15] = vr->avail->ring[0];
	vhdb_vq_ring(&disk->q[0].vq);
	EXPECT_TRUE(vhdb_wait_for(vhdb_status(disk->dev.fd) &
				  VIRTIO_CONFIG_S_NEEDS_RESET));
	EXPECT_EQ(OK(21), vhdb_disk_io(disk, 1, T_GET_ID, 0,
				       disk->data + 65536, 20));

	/* A reset waits for all of it. */
	ASSERT_EQ(0, run("dmsetup resume %s", rig->dm));
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	EXPECT_EQ(OK(513), io(disk, T_IN, 0, 512));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(1, s.broken);
}

TEST_F(storage, stalled_requests_come_back_once)
{
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u32 seen = 0;
	unsigned int i;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));

	ASSERT_EQ(0, dm_suspend(rig));
	for (i = 0; i < 20; i++) {
		struct vhdb_buf data = VHDB_OUT(disk->data + i * 4096, 4096);

		vhdb_fill(vhdb_disk_ptr(disk, data.addr), 4096, i);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_OUT, i * 8, &data, 1,
					      i));
	}
	vhdb_vq_kick(&disk->q[0].vq);
	EXPECT_EQ(0, stall(disk, 20));
	EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	/* In the background, since SUSPEND has to wait for the storage. */
	ASSERT_EQ(0, run("(sleep 0.2; dmsetup resume %s) &",
			 rig->dm));
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	for (i = 0; i < 20; i++) {
		__u64 token;

		ASSERT_EQ(OK(1), vhdb_disk_poll(disk, 0, &token));
		ASSERT_EQ(0, seen & 1u << token);
		seen |= 1u << token;
	}
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, vhdb_peek_check(rig->peek, i * 8, 4096, i));
}

static void *invalidate(void *arg)
{
	struct vhdb_disk *disk = arg;

	return (void *)(long)vhdb_mem_unmap(disk->dev.fd, &disk->mem);
}

TEST_F(storage, invalidate_waits_for_stalled_requests)
{
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	struct vhdb_buf data;
	pthread_t thread;
	void *ret;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));
	ASSERT_EQ(0, vhdb_peek_write(rig->peek, 0, 4096, 1));
	ASSERT_EQ(0, dm_suspend(rig));
	data = VHDB_IN(disk->data, 4096);
	ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, &data, 1, 0));
	vhdb_vq_kick(&disk->q[0].vq);
	ASSERT_EQ(0, stall(disk, 1));

	/* The memory is in use until the request has been given back. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate, disk));
	usleep(50000);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
	EXPECT_EQ(0, vr->used->idx);
	ASSERT_EQ(0, run("dmsetup resume %s", rig->dm));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(1, le16toh(vr->used->idx));
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096, 1));

	/* Nothing of a request can be had now; mapped again, everything can. */
	EXPECT_EQ(VHDB_ANSWER(0, 4097), vhdb_disk_poll(disk, 0, NULL));
	EXPECT_EQ(VHDB_ANSWER(VHDB_UNANSWERED, 0), io(disk, T_IN, 0, 512));
	ASSERT_EQ(0, vhdb_mem_map(disk->dev.fd, &disk->mem, VHOST_ACCESS_RW));
	EXPECT_EQ(OK(513), io(disk, T_IN, 0, 512));
}

/* A write to a frozen file system waits, and nothing else does. */
static int frozen_file(struct rig *rig)
{
	struct vhdb_buf data = VHDB_OUT(rig->disk.data, 4096);
	struct vhdb_disk *disk = &rig->disk;
	int dir = open(ext4_dir, O_RDONLY | O_CLOEXEC);
	int round;

	/* What is taken twice, or never given back, shows by the next freeze. */
	for (round = 0; round < 3; round++) {
		if (io(disk, T_OUT, round * 8, 4096) != OK(1) ||
		    io(disk, T_FLUSH, 0, 0) != OK(1))
			return -1;
		if (ioctl(dir, FIFREEZE, 0))
			return -2;
		rig->frozen = dir;
		if (vhdb_disk_submit(disk, 0, T_OUT, round * 8, &data, 1, 0))
			return -3;
		vhdb_vq_kick(&disk->q[0].vq);
		usleep(20000);
		if (vhdb_disk_poll(disk, 0, NULL) != -EAGAIN)
			return -4;
		if (vhdb_disk_io(disk, 1, T_GET_ID, 0, disk->data + 8192,
				 20) != OK(21) ||
		    vhdb_disk_io(disk, 1, T_IN, 128, disk->data + 8192,
				 4096) != OK(4097))
			return -5;
		if (ioctl(dir, FITHAW, 0))
			return -6;
		rig->frozen = -1;
		if (vhdb_disk_reap(disk, 0, NULL) != OK(1))
			return -7;
	}
	close(dir);
	return 0;
}

TEST_F(storage, frozen_file_system)
{
	struct vhdb_opts opts = { .queues = 2 };

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, 0, &opts,
			     ALL));
	EXPECT_EQ(0, frozen_file(&self->rig));
}

TEST_F(storage, frozen_file_system_direct)
{
	struct vhdb_opts opts = { .queues = 2 };

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, O_DIRECT,
			     &opts, ALL));
	EXPECT_EQ(0, frozen_file(&self->rig));
}

/* ---- kinds of storage ---- */

TEST_F(storage, loop_device)
{
	struct rig *rig = &self->rig;
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
	struct rig *rig = &self->rig;
	char table[64];
	glob_t sd;

	if (vhdb_modprobe("scsi_debug sector_size=4096 dev_size_mb=8 delay=0"))
		SKIP(return, "no scsi_debug");
	rig->scsi_debug = true;
	vhdb_modprobe("sd_mod");
	if (!vhdb_wait_for(!glob("/sys/bus/pseudo/drivers/scsi_debug/a*/h*/t*/*/block/sd*",
				 0, NULL, &sd)))
		SKIP(return, "no disk of scsi_debug's");
	snprintf(table, sizeof(table), "0 8184 linear /dev/%.8s 8\\n",
		 strrchr(sd.gl_pathv[0], '/') + 1);
	globfree(&sd);
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
	struct rig *rig = &self->rig;
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
	struct rig *rig = &self->rig;
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
	struct rig *rig = &self->rig;
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
	struct rig *rig = &self->rig;
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

/* ---- the RAM disk and where data lies ---- */

#define SLOT_BYTES	16384
#define BATCH		64

/*
 * Requests of @len bytes at each offset in the page from @from to @to, in
 * batches; @misaligned counts those that a RAM disk cannot take.
 */
static int sweep(struct vhdb_disk *disk, int peek, __u32 type, __u32 len,
		 unsigned int from, unsigned int to, __u64 *misaligned)
{
	unsigned int off, i, n;

	if (type == T_IN && vhdb_peek_write(peek, 0, len, len))
		return -EIO;
	for (off = from; off < to; off += n) {
		n = to - off < BATCH ? to - off : BATCH;
		for (i = 0; i < n; i++) {
			__u64 at = disk->data + i * SLOT_BYTES + off + i;
			struct vhdb_buf data = VHDB_OUT(at, len);
			char *p = vhdb_disk_ptr(disk, at);

			*misaligned += (off + i) % 512 != 0;
			data.in = type == T_IN;
			memset(p - 8, 0xa5, len + 16);
			if (type == T_OUT)
				vhdb_fill(p, len, off + i);
			if (vhdb_disk_submit(disk, 0, type,
					     type == T_IN ? 0 : i * 32, &data,
					     1, i))
				return -ENOSPC;
		}
		vhdb_vq_kick(&disk->q[0].vq);
		for (i = 0; i < n; i++) {
			__u64 token;

			if (vhdb_disk_reap(disk, 0, &token) !=
			    OK(type == T_IN ? len + 1 : 1))
				return -EPROTO;
		}
		for (i = 0; i < n; i++) {
			char *p = vhdb_disk_ptr(disk, disk->data +
						i * SLOT_BYTES + off + i);

			if (!vhdb_all(p - 8, 8, 0xa5) ||
			    !vhdb_all(p + len, 8, 0xa5))
				return -ERANGE;
			if (type == T_IN ? !vhdb_filled(p, len, len) :
					   vhdb_peek_check(peek, i * 32, len,
							   off + i))
				return -EILSEQ;
		}
	}
	return 0;
}

TEST_F(storage, every_offset_in_the_page)
{
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u64 misaligned = 0;

	if (vhdb_backing_ram_as_is(&rig->backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	/* Room in front of the first */
	disk->data += 4096;
	EXPECT_EQ(0, sweep(disk, rig->peek, T_IN, 512, 0, 4096, &misaligned));
	EXPECT_EQ(0, sweep(disk, rig->peek, T_IN, 4096, 0, 4096,
			   &misaligned));
	EXPECT_EQ(0, sweep(disk, rig->peek, T_OUT, 1536, 0, 512,
			   &misaligned));
	EXPECT_EQ(misaligned, stat_bounced(disk));
}

TEST_F(storage, every_length_at_some_offsets)
{
	static const unsigned int offs[] = { 0, 1, 3, 4, 8, 256, 511, 512,
					     3584, 4095 };
	static const __u32 lens[] = { 512, 1024, 3584, 4096, 4608, 8192 };
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u64 misaligned = 0;
	unsigned int i, j;

	if (vhdb_backing_ram_as_is(&rig->backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	disk->data += 4096;
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			EXPECT_EQ(0, sweep(disk, rig->peek, T_IN, lens[j],
					   offs[i], offs[i] + 1, &misaligned));
			EXPECT_EQ(0, sweep(disk, rig->peek, T_OUT, lens[j],
					   offs[i], offs[i] + 1, &misaligned));
		}
	}
	EXPECT_EQ(misaligned, stat_bounced(disk));
}

TEST_F(storage, odd_pieces_are_bounced)
{
	static const __u32 first[] = { 512, 1024, 100, 1, 511, 256, 1535 };
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u64 bounced = 0;
	unsigned int i;

	if (vhdb_backing_ram_as_is(&rig->backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	for (i = 0; i < ARRAY_SIZE(first); i++) {
		/* Both begin at a page; only their lengths are odd. */
		struct vhdb_buf data[] = {
			VHDB_IN(disk->data, first[i]),
			VHDB_IN(disk->data + 8192, 1536 - first[i]),
		};
		char want[1536];

		bounced += first[i] % 512 != 0;
		vhdb_fill(want, 1536, i);
		ASSERT_EQ(0, vhdb_peek_write(rig->peek, 3, 1536, i));
		ASSERT_EQ(OK(1537), vhdb_disk_iov(disk, 0, T_IN, 3, data, 2));
		EXPECT_EQ(0, memcmp(want, vhdb_disk_ptr(disk, disk->data),
				    first[i]));
		EXPECT_EQ(0, memcmp(want + first[i],
				    vhdb_disk_ptr(disk, disk->data + 8192),
				    1536 - first[i]));
		EXPECT_EQ(bounced, stat_bounced(disk));
	}
}

/* Pages for bounces are few: requests which need many of them take turns. */
TEST_F(storage, large_bounces_take_turns)
{
	struct vhdb_buf data[254];
	struct rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	unsigned int i;

	if (vhdb_backing_ram_as_is(&rig->backing))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, disk_on(rig, rig->backing.path, 0, NULL, ALL));
	disk->how = VHDB_INDIRECT;
	ASSERT_EQ(0, vhdb_peek_write(rig->peek, 253 * 128, 65536, 6));
	for (i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = VHDB_IN(disk->data + 4097, 65536);
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, data,
					      ARRAY_SIZE(data), i));
	vhdb_vq_kick(&disk->q[0].vq);
	for (i = 0; i < 6; i++)
		ASSERT_EQ(OK(254 * 65536 + 1), vhdb_disk_reap(disk, 0, NULL));
	EXPECT_EQ(6, stat_bounced(disk));
	/* The last piece that was copied is the last of the request. */
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data + 4097), 65536,
				6));
}

int main(int argc, char **argv)
{
	int ret;

	if (!vhdb_present() ||
	    vhdb_ext4_mount(ext4_dir, sizeof(ext4_dir), 96UL << 20))
		ext4_dir[0] = '\0';
	ret = test_harness_run(argc, argv);
	if (ext4_dir[0])
		vhdb_ext4_umount(ext4_dir);
	return ret;
}
