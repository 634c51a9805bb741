// SPDX-License-Identifier: GPL-2.0
/*
 * What ATTACH refuses: file descriptors that nothing can be served from, and
 * fields of its struct. After each a good one proves that the file was left as
 * it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000

/* ---- the file descriptor ---- */

static int fd_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int fd_pipe(void)
{
	int fds[2];

	/* The write end stays open, it goes with the process */
	return pipe(fds) ? -1 : fds[0];
}

static int fd_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int fd_char_device(void)
{
	return open("/dev/zero", O_RDWR);
}

static int fd_eventfd(void)
{
	return eventfd(0, 0);
}

static int fd_itself(void)
{
	return vhdb_open();
}

static int fd_path(void)
{
	int memfd = memfd_create("path", 0);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	return open(path, O_PATH);
}

static int reopen_memfd(int flags)
{
	int memfd = memfd_create("mode", 0);
	char path[64];

	if (memfd < 0 || ftruncate(memfd, DISK_SIZE))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	return open(path, flags);
}

static int fd_write_only(void)
{
	return reopen_memfd(O_WRONLY);
}

static int fd_read_only(void)
{
	return reopen_memfd(O_RDONLY);
}

static int fd_append(void)
{
	return reopen_memfd(O_RDWR | O_APPEND);
}

static int fd_closed(void)
{
	int fd = eventfd(0, 0);

	close(fd);
	return fd;
}

static int fd_none(void)
{
	return -1;
}

static int fd_beyond_the_table(void)
{
	return 0x7fffffff;
}

static int fd_block_read_only(void)
{
	struct vhdb_backing ram;
	int fd;

	if (vhdb_backing_ram(&ram, 0))
		return -2;
	fd = open(ram.path, O_RDONLY);
	vhdb_backing_free(&ram);
	return fd;
}

FIXTURE(bad_fd)
{
	int fd;
	struct vhdb_backing disk;
};

FIXTURE_VARIANT(bad_fd)
{
	int (*open)(void);
	__u32 flags;
	int err;
};

FIXTURE_VARIANT_ADD(bad_fd, directory)
{
	.open = fd_directory,
	.err = -EISDIR,
};

FIXTURE_VARIANT_ADD(bad_fd, directory_ro)
{
	.open = fd_directory,
	.flags = VHOST_DOORBELL_ATTACH_RO,
	.err = -EISDIR,
};

FIXTURE_VARIANT_ADD(bad_fd, pipe)
{
	.open = fd_pipe,
	.flags = VHOST_DOORBELL_ATTACH_RO,
	.err = -ENOTBLK,
};

FIXTURE_VARIANT_ADD(bad_fd, socket)
{
	.open = fd_socket,
	.err = -ENOTBLK,
};

FIXTURE_VARIANT_ADD(bad_fd, char_device)
{
	.open = fd_char_device,
	.err = -ENOTBLK,
};

FIXTURE_VARIANT_ADD(bad_fd, eventfd)
{
	.open = fd_eventfd,
	.err = -ENOTBLK,
};

FIXTURE_VARIANT_ADD(bad_fd, itself)
{
	.open = fd_itself,
	.err = -ENOTBLK,
};

FIXTURE_VARIANT_ADD(bad_fd, path_only)
{
	.open = fd_path,
	.flags = VHOST_DOORBELL_ATTACH_RO,
	.err = -EBADF,
};

FIXTURE_VARIANT_ADD(bad_fd, write_only)
{
	.open = fd_write_only,
	.err = -EBADF,
};

FIXTURE_VARIANT_ADD(bad_fd, write_only_ro)
{
	.open = fd_write_only,
	.flags = VHOST_DOORBELL_ATTACH_RO,
	.err = -EBADF,
};

/* Each write would go to the end of the file */
FIXTURE_VARIANT_ADD(bad_fd, append)
{
	.open = fd_append,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_fd, closed)
{
	.open = fd_closed,
	.err = -EBADF,
};

FIXTURE_VARIANT_ADD(bad_fd, none)
{
	.open = fd_none,
	.err = -EBADF,
};

FIXTURE_VARIANT_ADD(bad_fd, beyond_the_table)
{
	.open = fd_beyond_the_table,
	.err = -EBADF,
};

FIXTURE_VARIANT_ADD(bad_fd, file_read_only)
{
	.open = fd_read_only,
	.err = -EROFS,
};

FIXTURE_VARIANT_ADD(bad_fd, block_read_only)
{
	.open = fd_block_read_only,
	.err = -EROFS,
};

FIXTURE_SETUP(bad_fd)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	self->fd = vhdb_open();
	ASSERT_LT(0, self->fd);
}

FIXTURE_TEARDOWN(bad_fd)
{
	close(self->fd);
	vhdb_backing_free(&self->disk);
}

TEST_F(bad_fd, refused)
{
	struct vhost_doorbell_attach attach;
	int fd = variant->open();
	__u32 id;

	if (fd == -2)
		SKIP(return, "no RAM disk");
	vhdb_attach_init(&attach, fd, NULL);
	attach.flags = variant->flags;
	EXPECT_EQ(variant->err, __vhdb_attach(self->fd, &attach));
	EXPECT_EQ(-ENODEV, __vhdb_get_device_id(self->fd, &id));
	EXPECT_EQ(-ENODEV, __vhdb_set_owner(self->fd));

	EXPECT_EQ(0, vhdb_attach_blk(self->fd, self->disk.fd, NULL));
	EXPECT_EQ(0, __vhdb_get_device_id(self->fd, &id));
}

/* ---- the other fields ---- */

FIXTURE(bad_field)
{
	int fd;
	struct vhdb_backing disk;
};

/* What differs from a good struct */
FIXTURE_VARIANT(bad_field)
{
	struct vhost_doorbell_attach bad;
	int err;
};

FIXTURE_VARIANT_ADD(bad_field, unknown_flag)
{
	.bad.flags = 1U << 3,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, top_flag)
{
	.bad.flags = 1U << 31,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, reserved)
{
	.bad.reserved = 1,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, unknown_dialect)
{
	.bad.dialect = 3,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, require_unknown)
{
	.bad.features_require = VHDB_BIT(63),
	.err = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(bad_field, queues_most)
{
	.bad.queues = 0xffffffff,
	.err = -ERANGE,
};

FIXTURE_VARIANT_ADD(bad_field, queue_size_top)
{
	.bad.queue_size = 1U << 31,
	.err = -ERANGE,
};

FIXTURE_VARIANT_ADD(bad_field, queue_size_65536)
{
	.bad.queue_size = 65536,
	.err = -ERANGE,
};

FIXTURE_VARIANT_ADD(bad_field, poll_most)
{
	.bad.poll_us = 0xffffffff,
	.err = -ERANGE,
};

FIXTURE_VARIANT_ADD(bad_field, lbs_513)
{
	.bad.logical_block_size = 513,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, lbs_256)
{
	.bad.logical_block_size = 256,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, lbs_1536)
{
	.bad.logical_block_size = 1536,
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(bad_field, lbs_8192)
{
	.bad.logical_block_size = 8192,
	.err = -EINVAL,
};

FIXTURE_SETUP(bad_field)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	self->fd = vhdb_open();
	ASSERT_LT(0, self->fd);
}

FIXTURE_TEARDOWN(bad_field)
{
	close(self->fd);
	vhdb_backing_free(&self->disk);
}

TEST_F(bad_field, refused)
{
	struct vhost_doorbell_attach attach;
	__u32 id;

	attach = variant->bad;
	attach.size = sizeof(attach);
	attach.fd = self->disk.fd;
	memcpy(attach.backend, "blk", sizeof("blk"));
	if (!attach.dialect)
		attach.dialect = VHOST_DOORBELL_DIALECT_VDPA;
	EXPECT_EQ(variant->err, __vhdb_attach(self->fd, &attach));
	EXPECT_EQ(-ENODEV, __vhdb_get_device_id(self->fd, &id));

	EXPECT_EQ(0, vhdb_attach_blk(self->fd, self->disk.fd, NULL));
	EXPECT_EQ(0, __vhdb_get_device_id(self->fd, &id));
}

TEST_HARNESS_MAIN
