// SPDX-License-Identifier: GPL-2.0
/* See vhdb_dev.h: something to serve. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "vhdb_dev.h"
#include "vhdb_module.h"

/* Enough of the RAM disk to test with; filling more costs time in a VM */
#define RAM_FILL		(8UL << 20)

void vhdb_pattern(void *buf, __u64 sector, size_t bytes)
{
	__u64 word = sector * (VHDB_SECTOR / 8) + 1;
	__u64 *p = buf;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		p[i] = htole64(word++);
}

int vhdb_backing_fill(int fd, __u64 size)
{
	const size_t chunk = 64 << 10;
	__u64 off;
	void *buf;
	int ret = 0;

	/* Aligned: the file may be open with O_DIRECT */
	if (posix_memalign(&buf, 4096, chunk))
		return -ENOMEM;
	for (off = 0; off < size; off += chunk) {
		size_t len = size - off < chunk ? size - off : chunk;

		vhdb_pattern(buf, off / VHDB_SECTOR, chunk);
		if (pwrite(fd, buf, len, off) != (ssize_t)len) {
			ret = errno ? -errno : -EIO;
			break;
		}
	}
	free(buf);
	if (!ret && fsync(fd))
		ret = -errno;
	return ret;
}

static void backing_init(struct vhdb_backing *b)
{
	memset(b, 0, sizeof(*b));
	b->fd = -1;
}

int vhdb_backing_memfd(struct vhdb_backing *b, __u64 size)
{
	int ret = 0;

	backing_init(b);
	b->fd = memfd_create("vhdb-disk", MFD_CLOEXEC);
	if (b->fd < 0)
		return -errno;
	b->size = size;
	if (ftruncate(b->fd, size))
		ret = -errno;
	if (!ret)
		ret = vhdb_backing_fill(b->fd, size);
	if (ret)
		vhdb_backing_free(b);
	return ret;
}

/* Create b->file in @dir and open it */
static int backing_create(struct vhdb_backing *b, const char *dir, __u64 size,
			  int flags)
{
	int fd;

	if (snprintf(b->file, sizeof(b->file), "%s/vhdb-disk-XXXXXX", dir) >=
	    (int)sizeof(b->file))
		return -ENAMETOOLONG;
	fd = mkostemp(b->file, O_CLOEXEC);
	if (fd < 0) {
		b->file[0] = '\0';
		return -errno;
	}
	if (ftruncate(fd, size)) {
		close(fd);
		return -errno;
	}
	close(fd);
	fd = open(b->file, O_RDWR | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

int vhdb_backing_file(struct vhdb_backing *b, const char *dir, __u64 size,
		      int flags)
{
	int ret;

	backing_init(b);
	b->size = size;
	ret = backing_create(b, dir, size, flags);
	if (ret >= 0) {
		b->fd = ret;
		memcpy(b->path, b->file, sizeof(b->path));
		ret = vhdb_backing_fill(b->fd, size);
	}
	if (ret)
		vhdb_backing_free(b);
	return ret;
}

int vhdb_modprobe(const char *arguments)
{
	char command[256], name[64];

	/* A second is lost by asking on a slow machine, and many tests ask. */
	if (sscanf(arguments, "%63[a-z0-9_]", name) == 1 &&
	    vhdb_module_loaded(name))
		return 0;
	/* Root's PATH need not hold the sbin directories */
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/usr/sbin:/sbin modprobe -q %s 2>/dev/null",
		 arguments);
	return system(command) ? -ENODEV : 0;
}

static int backing_open_block(struct vhdb_backing *b, int flags)
{
	b->fd = open(b->path, O_RDWR | O_CLOEXEC | flags);
	if (b->fd < 0)
		return -errno;
	b->block = true;
	if (ioctl(b->fd, BLKGETSIZE64, &b->size))
		return -errno;
	return vhdb_backing_fill(b->fd, b->size < RAM_FILL ? b->size : RAM_FILL);
}

int vhdb_backing_ram(struct vhdb_backing *b, int flags)
{
	int ret;

	backing_init(b);
	snprintf(b->path, sizeof(b->path), "/dev/ram0");
	if (access(b->path, F_OK) &&
	    (vhdb_modprobe("brd rd_nr=2 rd_size=65536") ||
	     !vhdb_wait_for(!access(b->path, F_OK))))
		return -ENODEV;
	ret = backing_open_block(b, flags);
	if (ret)
		vhdb_backing_free(b);
	return ret;
}

/*
 * A loop device on @fd, its path to @path. It goes with its last user when
 * @autoclear.
 */
static int loop_attach(int fd, char *path, size_t len, bool autoclear,
		       __u32 block_size)
{
	struct loop_config config = {
		.fd = fd,
		.block_size = block_size,
		.info.lo_flags = autoclear ? LO_FLAGS_AUTOCLEAR : 0,
	};
	int control, tries, loop, ret = -ENODEV;

	vhdb_modprobe("loop");
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -ENODEV;
	/* Another process may take the free one first */
	for (tries = 0; tries < 16; tries++) {
		int nr = ioctl(control, LOOP_CTL_GET_FREE);

		if (nr < 0)
			break;
		snprintf(path, len, "/dev/loop%d", nr);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			break;
		if (!ioctl(loop, LOOP_CONFIGURE, &config)) {
			close(control);
			return loop;
		}
		ret = -errno;
		close(loop);
		if (ret != -EBUSY)
			break;
	}
	close(control);
	return ret;
}

int vhdb_backing_loop(struct vhdb_backing *b, const char *dir, __u64 size,
		      __u32 block_size)
{
	int fd, ret;

	backing_init(b);
	fd = backing_create(b, dir, size, 0);
	if (fd < 0)
		return fd;
	ret = loop_attach(fd, b->loop, sizeof(b->loop), false, block_size);
	close(fd);
	if (ret < 0) {
		b->loop[0] = '\0';
		goto err_free;
	}
	close(ret);
	snprintf(b->path, sizeof(b->path), "%s", b->loop);
	ret = backing_open_block(b, 0);
	if (ret)
		goto err_free;
	return 0;

err_free:
	vhdb_backing_free(b);
	return ret;
}

void vhdb_backing_free(struct vhdb_backing *b)
{
	if (b->fd > 0)
		close(b->fd);
	if (b->loop[0]) {
		int fd = open(b->loop, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			ioctl(fd, LOOP_CLR_FD);
			close(fd);
		}
	}
	if (b->file[0])
		unlink(b->file);
	backing_init(b);
}

const char *vhdb_tmpdir(void)
{
	const char *dir = getenv("VHDB_TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

int vhdb_ext4_mount(char *dir, size_t dir_len, __u64 bytes)
{
	struct vhdb_backing file;
	char command[128];
	char loop[32];
	int fd, ret;

	backing_init(&file);
	if (snprintf(dir, dir_len, "%s/vhdb-ext4-XXXXXX", vhdb_tmpdir()) >=
	    (int)dir_len)
		return -ENAMETOOLONG;
	vhdb_modprobe("ext4");
	fd = backing_create(&file, vhdb_tmpdir(), bytes, 0);
	if (fd < 0)
		return fd;
	/* The loop device keeps the file once its name is gone */
	ret = loop_attach(fd, loop, sizeof(loop), true, 0);
	close(fd);
	vhdb_backing_free(&file);
	if (ret < 0)
		return ret;
	fd = ret;

	snprintf(command, sizeof(command),
		 "PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -F %s", loop);
	if (system(command)) {
		ret = -ENODEV;
		goto out;
	}
	if (!mkdtemp(dir)) {
		ret = -errno;
		goto out;
	}
	ret = 0;
	if (mount(loop, dir, "ext4", 0, NULL)) {
		ret = -errno;
		rmdir(dir);
	}
out:
	close(fd);
	return ret;
}

void vhdb_ext4_umount(const char *dir)
{
	if (umount2(dir, 0))
		umount2(dir, MNT_DETACH);
	rmdir(dir);
}

unsigned long vhdb_pinned(void)
{
	unsigned long kb, sum = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu kB", &kb) == 1 ||
		    sscanf(line, "VmPin: %lu kB", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum << 10;
}

int vhdb_drop_cap_ipc_lock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int i = CAP_TO_INDEX(CAP_IPC_LOCK);

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[i].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	data[i].permitted &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	data[i].inheritable &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}
