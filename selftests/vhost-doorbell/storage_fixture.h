/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk on storage of any kind: device-mapper targets, a file on a file system
 * of its own, SCSI disks that can be pulled; and a second look at it. Whatever a
 * test leaves stalled goes on before the disk is closed, which waits for it. To
 * be included behind the harness and lib/vhdb_mock.h, once.
 */
#ifndef STORAGE_FIXTURE_H
#define STORAGE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <linux/fs.h>

#include "blk_fixture.h"

#define T_FLUSH		VIRTIO_BLK_T_FLUSH
#define T_GET_ID	VIRTIO_BLK_T_GET_ID

#define NO_FLUSH	(~VHDB_BIT(VIRTIO_BLK_F_FLUSH))

/* There need be no udev, so dmsetup makes its device nodes itself. */
static inline int run(const char *format, ...)
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

struct storage_rig {
	struct vhdb_backing backing;	/* below, if it is one of the usual */
	struct vhdb_disk disk;
	bool has_disk;
	int fd;				/* what is attached */
	int peek;
	char dm[32];			/* to be removed, or empty */
	char dm_path[64];
	char dir[64];			/* to be unmounted, or empty */
	bool scsi_debug;
};

static inline void storage_init(struct storage_rig *rig)
{
	rig->fd = -1;
	rig->peek = -1;
	rig->backing.fd = -1;
}

/* It gives whatever is asked for again, if it did not. */
static inline void storage_goes_on(struct storage_rig *rig)
{
	int dir;

	if (rig->dm[0])
		run("dmsetup resume %s", rig->dm);
	dir = ext4_dir[0] ? open(ext4_dir, O_RDONLY | O_CLOEXEC) : -1;
	if (dir < 0)
		return;
	ioctl(dir, FITHAW, 0);
	close(dir);
}

static inline void storage_free(struct storage_rig *rig)
{
	/* Nothing that is stalled may be left: closing waits for it. */
	storage_goes_on(rig);
	if (rig->has_disk)
		vhdb_disk_destroy(&rig->disk);
	if (rig->fd >= 0)
		close(rig->fd);
	if (rig->peek >= 0)
		close(rig->peek);
	if (rig->dm[0])
		run("dmsetup remove %s", rig->dm);
	vhdb_backing_free(&rig->backing);
	if (rig->dir[0]) {
		umount2(rig->dir, MNT_DETACH);
		rmdir(rig->dir);
	}
	if (rig->scsi_debug)
		run("rmmod scsi_debug");
}

FIXTURE(storage) {
	struct storage_rig rig;
};

FIXTURE_SETUP(storage)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	storage_init(&self->rig);
}

FIXTURE_TEARDOWN(storage)
{
	storage_free(&self->rig);
}

/* Attach @path, and have a second look at it by rig->peek. */
static inline int disk_on(struct storage_rig *rig, const char *path, int flags,
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
static inline int dm_create(struct storage_rig *rig, const char *table)
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
#define ON_RAM	"0 " HALF " linear /dev/ram0 0\\n"

/* The first sectors of the RAM disk; behind it storage that fails */
static inline int dm_on_ram(struct storage_rig *rig)
{
	return vhdb_backing_ram_as_is(&rig->backing) ? -ENODEV :
	       dm_create(rig, ON_RAM HALF " " HALF " error\\n");
}

/* A suspended device keeps what it is given. */
static inline int dm_suspend(struct storage_rig *rig)
{
	return run("dmsetup suspend --nolockfs --noflush %s", rig->dm);
}

/* Suspended or not, it goes on with another table. */
static inline int dm_replace(struct storage_rig *rig, const char *table)
{
	if (dm_suspend(rig))
		return -ENODEV;
	return run("printf '%s' | dmsetup reload %s && dmsetup resume %s",
		   table, rig->dm, rig->dm);
}

/* From now on it answers nothing, or no write. */
static inline int storage_stall(struct storage_rig *rig)
{
	int dir, ret;

	if (rig->dm[0])
		return dm_suspend(rig);
	dir = open(ext4_dir, O_RDONLY | O_CLOEXEC);
	ret = dir < 0 || ioctl(dir, FIFREEZE, 0) ? -errno : 0;
	close(dir);
	return ret;
}

static inline __s64 io(struct vhdb_disk *disk, __u32 type, __u64 sector,
		       __u32 len)
{
	return vhdb_disk_io(disk, 0, type, sector, disk->data, len);
}

/* A disk of scsi_debug's, by its name below /sys/block, which may change */
static inline int scsi_name(char *name, size_t len)
{
	glob_t sd;

	if (glob("/sys/bus/pseudo/drivers/scsi_debug/a*/h*/t*/*/block/sd*", 0,
		 NULL, &sd))
		return -ENODEV;
	snprintf(name, len, "%s", strrchr(sd.gl_pathv[0], '/') + 1);
	globfree(&sd);
	return 0;
}

static inline int scsi_create(struct storage_rig *rig, const char *parameters,
			      char *name, size_t len)
{
	char module[128];

	vhdb_modprobe("sd_mod");
	snprintf(module, sizeof(module), "scsi_debug %s", parameters);
	if (vhdb_modprobe(module))
		return -ENODEV;
	rig->scsi_debug = true;
	return vhdb_wait_for(!scsi_name(name, len)) ? 0 : -ENODEV;
}

/* ---- requests by the dozen ---- */

#define MANY		32
#define ALL_OF(n)	((1ULL << (n)) - 1)

/* Which of them were answered how, a bit for each */
struct tally {
	__u64 ok;
	__u64 ioerr;
};

/*
 * @n requests of 4 KiB each, tokens 0 to @n - 1, one behind the other from
 * @sector on; the data of a write depends on @seed and its token.
 */
static inline int submit_many(struct vhdb_disk *disk, __u32 type, __u64 sector,
			      unsigned int n, __u32 seed)
{
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++) {
		struct vhdb_buf data = {
			.addr = disk->data + i * 4096,
			.len = 4096,
			.in = type == T_IN,
		};

		if (type == T_OUT)
			vhdb_fill(vhdb_disk_ptr(disk, data.addr), 4096,
				  seed + i);
		ret = vhdb_disk_submit(disk, 0, type, sector + i * 8, &data, 1,
				       i);
		if (ret)
			return ret;
	}
	vhdb_vq_kick(&disk->q[0].vq);
	return 0;
}

/* Their answers: each one once, and the device counts as many. 0 or -errno */
static inline int reap_many(struct vhdb_disk *disk, unsigned int n,
			    struct tally *tally)
{
	struct vhost_doorbell_stats s;
	__u64 token, bit;
	__s64 answer;

	memset(tally, 0, sizeof(*tally));
	while (n--) {
		answer = vhdb_disk_reap(disk, 0, &token);
		if (answer < 0)
			return answer;
		bit = 1ULL << token;
		if ((tally->ok | tally->ioerr) & bit)
			return -EPROTO;
		if (answer == IOERR)
			tally->ioerr |= bit;
		else if ((answer & 0xff) == VIRTIO_BLK_S_OK)
			tally->ok |= bit;
		else
			return -EIO;
	}
	if (vhdb_disk_poll(disk, 0, NULL) != -EAGAIN)
		return -EPROTO;
	if (vhdb_get_stats(disk->dev.fd, 0, &s))
		return -EIO;
	return s.requests == s.completions ? 0 : -EPROTO;
}

/* Wait until @n requests were taken, altogether. */
static inline int taken(struct vhdb_disk *disk, unsigned int n)
{
	struct vhost_doorbell_stats s;

	return vhdb_wait_for(!vhdb_get_stats(disk->dev.fd, 0, &s) &&
			     s.requests == n) ? 0 : -ETIMEDOUT;
}

#endif /* STORAGE_FIXTURE_H */
