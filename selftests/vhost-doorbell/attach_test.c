// SPDX-License-Identifier: GPL-2.0
/*
 * ATTACH: its struct, and what a device then is. After each one that is refused
 * a good one proves that the file was left as it was. File descriptors and
 * fields are attach_refused_test's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000

/* A page whose first bytes may be had, followed by one that may not */
static void *guard_pages(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE))
		return NULL;
	return p;
}

/* Room for a struct of a later version: zeros behind what is known today */
struct later {
	union {
		struct vhost_doorbell_attach attach;
		__u8 bytes[512];
	};
};

FIXTURE(file)
{
	int fd;
	struct vhdb_backing disk;
	struct vhost_doorbell_attach attach;	/* a good one */
};

FIXTURE_SETUP(file)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	self->fd = vhdb_open();
	ASSERT_LT(0, self->fd);
	vhdb_attach_init(&self->attach, self->disk.fd, NULL);
}

FIXTURE_TEARDOWN(file)
{
	close(self->fd);
	vhdb_backing_free(&self->disk);
}

/* ---- ATTACH: the struct ---- */

TEST_F(file, attach_unknown_backend)
{
	struct vhost_doorbell_attach attach = self->attach;

	snprintf(attach.backend, sizeof(attach.backend), "nosuch");
	EXPECT_EQ(-ENOENT, __vhdb_attach(self->fd, &attach));
	memset(attach.backend, 0, sizeof(attach.backend));
	EXPECT_EQ(-ENOENT, __vhdb_attach(self->fd, &attach));
	/* A prefix of a name is another name, and so is a longer one */
	snprintf(attach.backend, sizeof(attach.backend), "bl");
	EXPECT_EQ(-ENOENT, __vhdb_attach(self->fd, &attach));
	snprintf(attach.backend, sizeof(attach.backend), "blk2");
	EXPECT_EQ(-ENOENT, __vhdb_attach(self->fd, &attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

TEST_F(file, attach_unterminated_backend)
{
	struct vhost_doorbell_attach attach = self->attach;

	memset(attach.backend, 'b', sizeof(attach.backend));
	EXPECT_EQ(-EINVAL, __vhdb_attach(self->fd, &attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

TEST_F(file, attach_size_too_small)
{
	struct vhost_doorbell_attach attach = self->attach;

	attach.size = 0;
	EXPECT_EQ(-EINVAL, __vhdb_attach(self->fd, &attach));
	attach.size = VHOST_DOORBELL_ATTACH_SIZE_V1 - 1;
	EXPECT_EQ(-EINVAL, __vhdb_attach(self->fd, &attach));
	attach.size = VHOST_DOORBELL_ATTACH_SIZE_V1;
	EXPECT_EQ(0, __vhdb_attach(self->fd, &attach));
}

/* The limits that GET_INFO tells are the ones that ATTACH has */
TEST_F(file, attach_past_the_limits)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };
	struct vhost_doorbell_backend_info blk;
	struct vhost_doorbell_attach attach;
	int other;

	/* Sees to it that the back end is there to be asked about */
	other = vhdb_open();
	ASSERT_LT(0, other);
	ASSERT_EQ(0, __vhdb_attach(other, &self->attach));
	ASSERT_EQ(0, __vhdb_get_info(self->fd, &info));
	ASSERT_EQ(0, vhdb_backend_find(self->fd, "blk", &blk));
	close(other);

	attach = self->attach;
	attach.queues = blk.queues_max + 1;
	EXPECT_EQ(-ERANGE, __vhdb_attach(self->fd, &attach));
	attach = self->attach;
	attach.queue_size = info.queue_size_max * 2;
	EXPECT_EQ(-ERANGE, __vhdb_attach(self->fd, &attach));
	attach = self->attach;
	attach.poll_us = info.poll_us_max + 1;
	EXPECT_EQ(-ERANGE, __vhdb_attach(self->fd, &attach));

	attach = self->attach;
	attach.queues = blk.queues_max;
	attach.queue_size = info.queue_size_max;
	attach.poll_us = info.poll_us_max;
	EXPECT_EQ(0, __vhdb_attach(self->fd, &attach));
}

TEST_F(file, attach_queue_size_no_power_of_two)
{
	struct vhost_doorbell_attach attach = self->attach;

	attach.queue_size = 3;
	EXPECT_EQ(-ERANGE, __vhdb_attach(self->fd, &attach));
	attach.queue_size = 255;
	EXPECT_EQ(-ERANGE, __vhdb_attach(self->fd, &attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

TEST_F(file, attach_bad_pointer)
{
	struct vhost_doorbell_attach *attach = guard_pages();
	size_t page = sysconf(_SC_PAGESIZE);

	ASSERT_NE(NULL, attach);
	EXPECT_EQ(-EFAULT, __vhdb_attach(self->fd, NULL));
	EXPECT_EQ(-EFAULT, __vhdb_attach(self->fd, (void *)attach + page));

	attach = (void *)attach + page - offsetof(typeof(*attach), poll_us);
	attach->size = sizeof(*attach);
	EXPECT_EQ(-EFAULT, __vhdb_attach(self->fd, attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

/* The tail that a longer struct promises must be there to be looked at */
TEST_F(file, attach_unreadable_tail)
{
	struct vhost_doorbell_attach *attach = guard_pages();
	size_t page = sysconf(_SC_PAGESIZE);

	ASSERT_NE(NULL, attach);
	attach = (void *)attach + page - sizeof(*attach);
	*attach = self->attach;
	attach->size = sizeof(*attach) + 8;
	EXPECT_EQ(-EFAULT, __vhdb_attach(self->fd, attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

TEST_F(file, attach_longer_struct_zero_tail)
{
	struct later later = { .attach = self->attach };

	later.attach.size = sizeof(later);
	EXPECT_EQ(0, __vhdb_attach(self->fd, &later.attach));
}

TEST_F(file, attach_longer_struct_nonzero_tail)
{
	struct later later = { .attach = self->attach };

	/* First and last byte of what the kernel does not know */
	later.attach.size = sizeof(later);
	later.bytes[sizeof(later.attach)] = 1;
	EXPECT_EQ(-E2BIG, __vhdb_attach(self->fd, &later.attach));
	later.bytes[sizeof(later.attach)] = 0;
	later.bytes[sizeof(later) - 1] = 1;
	EXPECT_EQ(-E2BIG, __vhdb_attach(self->fd, &later.attach));
	/* What lies behind the size that was told is nobody's business */
	later.attach.size = sizeof(later) - 1;
	EXPECT_EQ(0, __vhdb_attach(self->fd, &later.attach));
}

/* Refused for its size, without a look at what would lie there */
TEST_F(file, attach_absurd_size)
{
	struct vhost_doorbell_attach *attach = guard_pages();
	size_t page = sysconf(_SC_PAGESIZE);

	ASSERT_NE(NULL, attach);
	attach = (void *)attach + page - sizeof(*attach);
	*attach = self->attach;
	attach->size = 0xffffffff;
	EXPECT_EQ(-E2BIG, __vhdb_attach(self->fd, attach));
	attach->size = 1U << 30;
	EXPECT_EQ(-E2BIG, __vhdb_attach(self->fd, attach));
	EXPECT_EQ(0, __vhdb_attach(self->fd, &self->attach));
}

TEST_F(file, attach_twice)
{
	__u32 id;

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(-EBUSY, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, __vhdb_set_owner(self->fd));
	EXPECT_EQ(-EBUSY, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, __vhdb_get_device_id(self->fd, &id));
	EXPECT_EQ(VIRTIO_ID_BLOCK, id);
}

TEST_F(file, attach_block_size_below_the_device)
{
	struct vhdb_backing loop;
	struct vhost_doorbell_attach attach;

	if (vhdb_backing_loop(&loop, vhdb_tmpdir(), DISK_SIZE, 4096))
		SKIP(return, "no loop device of 4,096-byte blocks");
	vhdb_attach_init(&attach, loop.fd, NULL);
	attach.logical_block_size = 512;
	EXPECT_EQ(-EINVAL, __vhdb_attach(self->fd, &attach));
	attach.logical_block_size = 2048;
	EXPECT_EQ(-EINVAL, __vhdb_attach(self->fd, &attach));
	attach.logical_block_size = 0;
	EXPECT_EQ(0, __vhdb_attach(self->fd, &attach));
	close(self->fd);
	self->fd = vhdb_open();
	vhdb_backing_free(&loop);
}

/* ---- ATTACH: what works, and what the device then says ---- */

static int blk_config(int fd, struct virtio_blk_config *config)
{
	__u32 size;
	int ret = __vhdb_get_config_size(fd, &size);

	if (ret)
		return ret;
	memset(config, 0, sizeof(*config));
	if (size > sizeof(*config))
		size = sizeof(*config);
	return __vhdb_get_config(fd, 0, size, config);
}

TEST_F(file, attach_defaults)
{
	struct virtio_blk_config config;
	__u32 count;
	__u16 num;

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, __vhdb_get_vqs_count(self->fd, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, __vhdb_get_vring_num(self->fd, &num));
	EXPECT_EQ(VHDB_QUEUE_SIZE, num);
	ASSERT_EQ(0, blk_config(self->fd, &config));
	EXPECT_EQ(DISK_SIZE / VHDB_SECTOR, config.capacity);
	EXPECT_EQ(512, config.blk_size);
}

TEST_F(file, attach_queues_and_size)
{
	struct virtio_blk_config config;
	__u64 features;
	__u32 count;
	__u16 num;

	self->attach.queues = 2;
	self->attach.queue_size = 64;
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, __vhdb_get_vqs_count(self->fd, &count));
	EXPECT_EQ(2, count);
	EXPECT_EQ(0, __vhdb_get_vring_num(self->fd, &num));
	EXPECT_EQ(64, num);
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_TRUE(features & VHDB_BIT(VIRTIO_BLK_F_MQ));
	ASSERT_EQ(0, blk_config(self->fd, &config));
	EXPECT_EQ(2, config.num_queues);
	EXPECT_EQ(62, config.seg_max);
}

TEST_F(file, attach_read_only)
{
	struct vhost_doorbell_attach attach;
	char path[64];
	__u64 features;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->disk.fd);
	fd = open(path, O_RDONLY);
	ASSERT_LT(0, fd);
	vhdb_attach_init(&attach, fd, &(struct vhdb_opts){ .ro = true });
	ASSERT_EQ(0, __vhdb_attach(self->fd, &attach));
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_TRUE(features & VHDB_BIT(VIRTIO_BLK_F_RO));
}

TEST_F(file, attach_writable_has_no_ro)
{
	__u64 features;

	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_FALSE(features & VHDB_BIT(VIRTIO_BLK_F_RO));
}

/* Capacity is told in sectors, and is a whole number of logical blocks */
TEST_F(file, attach_capacity_is_rounded_down)
{
	struct virtio_blk_config config;

	ASSERT_EQ(0, ftruncate(self->disk.fd, 3 * 4096 + 1000));
	self->attach.logical_block_size = 4096;
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, blk_config(self->fd, &config));
	EXPECT_EQ(3 * 8, config.capacity);
	EXPECT_EQ(4096, config.blk_size);
}

TEST_F(file, attach_features_allow)
{
	__u64 features, want = VHDB_F_REQUIRED | VHDB_BIT(VIRTIO_BLK_F_FLUSH);

	self->attach.features_allow = want;
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_TRUE(features & VHDB_BIT(VIRTIO_BLK_F_FLUSH));
	EXPECT_FALSE(features & VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC));
	EXPECT_FALSE(features & VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
	EXPECT_FALSE(features & VHDB_BIT(VIRTIO_BLK_F_SEG_MAX));
}

/* What is required is offered, whatever is allowed */
TEST_F(file, attach_features_require)
{
	__u64 features;

	self->attach.features_allow = VHDB_F_REQUIRED;
	self->attach.features_require = VHDB_BIT(VIRTIO_BLK_F_FLUSH);
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	ASSERT_EQ(0, __vhdb_get_features(self->fd, &features));
	EXPECT_TRUE(features & VHDB_BIT(VIRTIO_BLK_F_FLUSH));

	/* A driver without it is refused, one with it is not */
	ASSERT_EQ(0, __vhdb_set_owner(self->fd));
	EXPECT_EQ(-EPROTO, vhdb_negotiate(self->fd, VHDB_F_REQUIRED, NULL));
	EXPECT_EQ(0, vhdb_negotiate(self->fd, ~0ULL, NULL));
}

/* Drive the device to a disk read, from whatever process this is */
static int serve_one_read(int fd)
{
	struct vhdb_dev dev;
	int ret;

	ret = __vhdb_set_owner(fd);
	if (!ret)
		ret = vhdb_dev_adopt(&dev, fd, NULL);
	return ret ? ret : vhdb_dev_check(&dev);
}

/* Exit status of a child that runs @fn on @fd; its errno, if it failed */
static int in_child(int (*fn)(int fd), int fd)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-fn(fd) & 0xff);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* The device has a reference of its own: the fd may go */
TEST_F(file, attach_then_close_the_backing)
{
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	vhdb_backing_free(&self->disk);
	EXPECT_EQ(0, serve_one_read(self->fd));
}

TEST_F(file, attach_then_a_child_drives)
{
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, in_child(serve_one_read, self->fd));
	/* It was the owner, and we are not it */
	EXPECT_EQ(-EBUSY, __vhdb_set_owner(self->fd));
	EXPECT_EQ(-EPERM, __vhdb_set_vring_num(self->fd, 0, 16));
}

static struct vhost_doorbell_attach *child_attach;

static int attach_it(int fd)
{
	return __vhdb_attach(fd, child_attach);
}

/* The other way round: a privileged helper attaches and is gone */
TEST_F(file, a_child_attaches_then_we_drive)
{
	child_attach = &self->attach;
	ASSERT_EQ(0, in_child(attach_it, self->fd));
	EXPECT_EQ(-EBUSY, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, serve_one_read(self->fd));
}

TEST_F(file, attach_block_device)
{
	struct virtio_blk_config config;
	struct vhdb_backing ram;

	if (vhdb_backing_ram(&ram, 0))
		SKIP(return, "no RAM disk");
	ASSERT_EQ(0, vhdb_attach_blk(self->fd, ram.fd, NULL));
	ASSERT_EQ(0, blk_config(self->fd, &config));
	EXPECT_EQ(ram.size / VHDB_SECTOR, config.capacity);
	vhdb_backing_free(&ram);
	EXPECT_EQ(0, serve_one_read(self->fd));
}

TEST_F(file, attach_direct_file)
{
	struct vhdb_backing file;
	char dir[64];

	if (vhdb_ext4_mount(dir, sizeof(dir), 32 << 20))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, vhdb_backing_file(&file, dir, DISK_SIZE, O_DIRECT));
	EXPECT_EQ(0, vhdb_attach_blk(self->fd, file.fd, NULL));
	EXPECT_EQ(0, serve_one_read(self->fd));
	close(self->fd);
	self->fd = vhdb_open();
	vhdb_backing_free(&file);
	vhdb_ext4_umount(dir);
}

/* 20 bytes are a serial without a NUL */
TEST_F(file, attach_serial)
{
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;
	struct vhdb_opts opts = { .serial = "0123456789abcdefghij" };

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	scratch = vhdb_dev_scratch(&dev, 0);
	EXPECT_EQ(0, vhdb_blk_io(&dev.vring[0], &scratch, VIRTIO_BLK_T_GET_ID,
				 0, VIRTIO_BLK_ID_BYTES));
	EXPECT_EQ(0, memcmp((char *)scratch.hva + VHDB_SCRATCH_DATA,
			    opts.serial, VIRTIO_BLK_ID_BYTES));
	vhdb_dev_destroy(&dev);
}

TEST_F(file, attach_auto_dialect)
{
	__u32 id;

	self->attach.dialect = VHOST_DOORBELL_DIALECT_AUTO;
	ASSERT_EQ(0, __vhdb_attach(self->fd, &self->attach));
	EXPECT_EQ(0, __vhdb_get_device_id(self->fd, &id));
	EXPECT_EQ(0, serve_one_read(self->fd));
}

TEST_HARNESS_MAIN
