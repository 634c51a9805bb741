// SPDX-License-Identifier: GPL-2.0
/* What a disk is made of: open a block device or a raw image, safely. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#include "vhdb.h"

/*
 * QEMU's locks on an image: of each of these bytes, a user that does such a
 * thing holds a read lock in the first row; one that does not stand others
 * doing it holds a read lock in the second. We speak the same language, so
 * that an image isn't written by a QEMU and by us at once.
 */
#define IMAGE_USES		100
#define IMAGE_REFUSES		200
#define IMAGE_CONSISTENT_READ	0
#define IMAGE_WRITE		1
#define IMAGE_RESIZE		3

static int lock_byte(int fd, int cmd, short type, off_t byte)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	if (fcntl(fd, cmd, &lock) < 0)
		return -errno;
	if (cmd == F_OFD_GETLK && lock.l_type != F_UNLCK)
		return -EAGAIN;
	return 0;
}

/* 0; -EAGAIN if another uses it; other errors where there are no locks. */
static int lock_image(int fd, bool read_only)
{
	int err = lock_byte(fd, F_OFD_SETLK, F_RDLCK,
			    IMAGE_USES + IMAGE_CONSISTENT_READ);

	/* nobody else may write or resize; if we write, we say so */
	if (!err)
		err = lock_byte(fd, F_OFD_SETLK, F_RDLCK,
				IMAGE_REFUSES + IMAGE_WRITE);
	if (!err)
		err = lock_byte(fd, F_OFD_SETLK, F_RDLCK,
				IMAGE_REFUSES + IMAGE_RESIZE);
	if (!err && !read_only)
		err = lock_byte(fd, F_OFD_SETLK, F_RDLCK,
				IMAGE_USES + IMAGE_WRITE);

	/* with our locks in place, look at the others' */
	if (!err)
		err = lock_byte(fd, F_OFD_GETLK, F_WRLCK,
				IMAGE_REFUSES + IMAGE_CONSISTENT_READ);
	if (!err)
		err = lock_byte(fd, F_OFD_GETLK, F_WRLCK,
				IMAGE_USES + IMAGE_WRITE);
	if (!err)
		err = lock_byte(fd, F_OFD_GETLK, F_WRLCK,
				IMAGE_USES + IMAGE_RESIZE);
	if (!err && !read_only)
		err = lock_byte(fd, F_OFD_GETLK, F_WRLCK,
				IMAGE_REFUSES + IMAGE_WRITE);
	return err;
}

/* Where the device is mounted, to be freed; NULL if it is not. */
static char *mount_point(dev_t dev)
{
	char *line = NULL, *found = NULL, *want;
	size_t size = 0;
	FILE *f;

	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return NULL;
	want = vhdb_printf("%u:%u", major(dev), minor(dev));

	while (!found && getline(&line, &size, f) > 0) {
		char number[32], *where;

		if (sscanf(line, "%*s %*s %31s %*s %ms", number, &where) != 2)
			continue;
		if (!strcmp(number, want))
			found = where;
		else
			free(where);
	}
	free(want);
	free(line);
	fclose(f);
	return found;
}

static void explain_open(const struct vhdb_blk *blk, int err)
{
	vhdb_error("cannot open '%s' for %s: %s", blk->path,
		   blk->read_only ? "reading" : "writing", strerror(err));
	switch (err) {
	case EACCES:
	case EPERM:
		vhdb_hint("run vhdb as root%s",
			  blk->read_only ? "" : ", or attach it read-only: ',ro'");
		break;
	case EROFS:
		vhdb_hint("attach it read-only: ',ro'");
		break;
	case ETXTBSY:
	case EBUSY:
		vhdb_hint("something else uses it");
		break;
	}
}

static void explain_block_busy(const struct vhdb_blk *blk, dev_t dev)
{
	char *where = mount_point(dev);

	if (where) {
		vhdb_error("'%s' is mounted on %s", blk->path, where);
		vhdb_hint("unmount it, or use another device");
	} else {
		vhdb_error("'%s' is in use (swap, RAID, LVM, or another guest's disk)",
			   blk->path);
		vhdb_hint("two users soon damage what is on it: use another device");
		vhdb_hint("if you know that it is safe: ',share=on'");
	}
	free(where);
}

/*
 * An exclusive open claims the device for as long as the guest has it, so
 * that nobody mounts it meanwhile.
 */
static int open_block(const struct vhdb_blk *blk, int flags, dev_t dev)
{
	unsigned long long bytes;
	int fd;

	fd = open(blk->path, flags | (blk->share ? 0 : O_EXCL));
	if (fd < 0) {
		if (errno == EBUSY && !blk->share)
			explain_block_busy(blk, dev);
		else
			explain_open(blk, errno);
		return -1;
	}

	if (ioctl(fd, BLKGETSIZE64, &bytes) == 0 && bytes == 0)
		vhdb_warn("'%s' holds nothing: a loop or drive without a medium?",
			  blk->path);
	return fd;
}

/* Images of other formats would be shown to the guest as they lie there. */
static void warn_format(const struct vhdb_blk *blk, int fd)
{
	static const struct {
		const char *name;
		const char *magic;
	} formats[] = {
		{ "qcow2", "QFI\xfb" },
		{ "vmdk", "KDMV" },
		{ "vhdx", "vhdxfile" },
	};
	/* O_DIRECT wants all of it aligned */
	char *start = aligned_alloc(4096, 4096);
	size_t i;

	if (!start)
		vhdb_out_of_memory();
	if (pread(fd, start, 4096, 0) < 16)
		goto out_free;
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		if (memcmp(start, formats[i].magic, strlen(formats[i].magic)))
			continue;
		vhdb_warn("'%s' looks like %s, but is served as a raw disk",
			  blk->path, formats[i].name);
		vhdb_hint("convert it: `qemu-img convert -O raw %s NEW-IMAGE`",
			  blk->path);
	}
out_free:
	free(start);
}

static int open_file(const struct vhdb_blk *blk, int flags, off_t bytes)
{
	int fd = -1, err;

	if (blk->direct != 0)
		fd = open(blk->path, flags | O_DIRECT);
	if (fd < 0 && blk->direct > 0 && errno == EINVAL) {
		vhdb_error("the file system of '%s' has no O_DIRECT", blk->path);
		vhdb_hint("leave out ',direct=on' to go through the page cache");
		return -1;
	}
	if (fd < 0 && (blk->direct == 0 || errno == EINVAL)) {
		if (blk->direct < 0)
			vhdb_warn("the file system of '%s' has no O_DIRECT: the page cache is used",
				  blk->path);
		fd = open(blk->path, flags);
	}
	if (fd < 0) {
		explain_open(blk, errno);
		return -1;
	}

	err = blk->share ? 0 : lock_image(fd, blk->read_only);
	if (err == -EAGAIN) {
		vhdb_error("'%s' is in use by another guest", blk->path);
		vhdb_hint("stop that one, or use a copy");
		vhdb_hint("if you know that it is safe: ',share=on'");
		close(fd);
		return -1;
	}

	if (!bytes)
		vhdb_warn("'%s' is empty: give it a size with `truncate -s 10G %s`",
			  blk->path, blk->path);
	warn_format(blk, fd);
	return fd;
}

/**
 * vhdb_image_open() - open what a disk is made of
 * @blk: the disk
 *
 * The file holds what keeps others off: a claim on a block device, QEMU's locks
 * on an image. They last as long as the driver has the file.
 *
 * Return: the file descriptor, closed by an exec; -1 after a message.
 */
int vhdb_image_open(const struct vhdb_blk *blk)
{
	int flags = (blk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;

	if (stat(blk->path, &st) < 0) {
		vhdb_error("no disk '%s': %s", blk->path, strerror(errno));
		if (errno == ENOENT)
			vhdb_hint("make an empty raw image with `truncate -s 10G %s`",
				  blk->path);
		return -1;
	}

	if (S_ISBLK(st.st_mode))
		return open_block(blk, flags, st.st_rdev);
	if (S_ISREG(st.st_mode))
		return open_file(blk, flags, st.st_size);

	vhdb_error("'%s' is %s", blk->path,
		   S_ISDIR(st.st_mode) ? "a directory" :
					 "neither a block device nor a file");
	vhdb_hint("give a block device or a raw image");
	return -1;
}
