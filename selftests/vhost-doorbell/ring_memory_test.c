// SPDX-License-Identifier: GPL-2.0
/*
 * The memory that rings lie in: every kind of it, the errors of DRIVER_OK for
 * memory that will not do, and what becomes of it while it is pinned. After
 * each refusal the same device starts from good memory, without a reset.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"

#define DISK_SIZE	0x100000
#define PAGE		4096UL

/* Regions apart from the device's own */
#define RING_IOVA	0x400000000ULL
#define BAD_IOVA	0x500000000ULL

FIXTURE(rings)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	struct vhdb_vring *vr;
	int fd;
};

FIXTURE_SETUP(rings)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	self->vr = &self->dev.vring[0];
	self->fd = self->dev.fd;
}

FIXTURE_TEARDOWN(rings)
{
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
}

/* ---- kinds of memory ---- */

enum place {
	NOWHERE,		/* the kind has no file, or brings its own */
	ON_TMPFS,
	ON_EXT4,
};

FIXTURE(kind)
{
	struct vhdb_backing disk;
	struct vhdb_guest_mem mem;
	struct vhdb_dev dev;
	char dir[64];
};

FIXTURE_VARIANT(kind)
{
	enum vhdb_mem_kind kind;
	enum place place;
	int err;
};

FIXTURE_VARIANT_ADD(kind, anonymous)
{
	.kind = VHDB_MEM_ANON,
};

FIXTURE_VARIANT_ADD(kind, memfd)
{
	.kind = VHDB_MEM_MEMFD,
};

FIXTURE_VARIANT_ADD(kind, shared_anonymous)
{
	.kind = VHDB_MEM_SHARED_ANON,
};

FIXTURE_VARIANT_ADD(kind, hugetlb)
{
	.kind = VHDB_MEM_HUGETLB,
};

FIXTURE_VARIANT_ADD(kind, private_file)
{
	.kind = VHDB_MEM_FILE_PRIVATE,
	.place = ON_EXT4,
};

FIXTURE_VARIANT_ADD(kind, shared_file_on_tmpfs)
{
	.kind = VHDB_MEM_FILE_SHARED,
	.place = ON_TMPFS,
};

/* Its pages are written back behind a pin's back */
FIXTURE_VARIANT_ADD(kind, shared_file_on_ext4)
{
	.kind = VHDB_MEM_FILE_SHARED,
	.place = ON_EXT4,
	.err = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(kind, secret)
{
	.kind = VHDB_MEM_SECRET,
	.err = -EOPNOTSUPP,
};

static int mount_place(enum place place, char *dir, size_t len)
{
	if (place == ON_EXT4)
		return vhdb_ext4_mount(dir, len, 32 << 20);
	snprintf(dir, len, "%s/vhdb-tmpfs-XXXXXX", vhdb_tmpdir());
	if (!mkdtemp(dir) || mount("tmpfs", dir, "tmpfs", 0, NULL))
		return -errno;
	return 0;
}

FIXTURE_SETUP(kind)
{
	size_t size = 0x100000;
	int ret;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	if (variant->kind == VHDB_MEM_HUGETLB) {
		size = vhdb_hugepage_size();
		if (!size || vhdb_hugepages_reserve(1))
			SKIP(return, "no huge page to be had");
	}
	if (variant->place != NOWHERE &&
	    mount_place(variant->place, self->dir, sizeof(self->dir)))
		SKIP(return, "no file system of this kind");
	ret = vhdb_mem_alloc(&self->mem, variant->kind, RING_IOVA, size,
			     self->dir);
	if (ret && variant->kind == VHDB_MEM_SECRET)
		SKIP(return, "no memfd_secret");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	ASSERT_EQ(0, vhdb_mem_map(self->dev.fd, &self->mem, VHOST_ACCESS_RW));
}

FIXTURE_TEARDOWN(kind)
{
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
	vhdb_mem_free(&self->mem);
	if (variant->place != NOWHERE)
		vhdb_ext4_umount(self->dir);
}

/* A ring in the memory, buffers in the device's own */
TEST_F(kind, ring)
{
	struct vhdb_vring *vr = &self->dev.vring[0], good = *vr;
	unsigned long pinned = vhdb_pinned();
	int i;

	ASSERT_EQ(0, vhdb_vring_init(vr, 0, VHDB_QUEUE_SIZE, &self->mem,
				     RING_IOVA));
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	EXPECT_EQ(variant->err, vhdb_driver_ok(self->dev.fd));
	if (variant->err) {
		EXPECT_EQ(VHDB_S_FEATURES_OK, vhdb_status(self->dev.fd));
		EXPECT_EQ(pinned, vhdb_pinned());
	} else {
		for (i = 0; i < 300; i++)
			ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
	vhdb_vring_free(vr);
	*vr = good;
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* Each area alone in it, the others in good memory */
TEST_F(kind, one_area)
{
	struct vhdb_vring *vr = &self->dev.vring[0], good = *vr;
	int i;

	for (i = 0; i < 3; i++) {
		*vr = good;
		if (i == 0) {
			vr->desc_iova = RING_IOVA;
			vr->desc = self->mem.hva;
		} else if (i == 1) {
			vr->avail_iova = RING_IOVA;
			vr->avail = self->mem.hva;
		} else {
			vr->used_iova = RING_IOVA;
			vr->used = self->mem.hva;
		}
		vhdb_vring_clear(vr);
		ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
		EXPECT_EQ(variant->err, vhdb_driver_ok(self->dev.fd));
		if (!variant->err)
			EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	}
	*vr = good;
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* Buffers need no more than an ordinary access: they may lie in any of it */
TEST_F(kind, buffers)
{
	struct vhdb_scratch scratch = {
		.hva = self->mem.hva,
		.iova = RING_IOVA,
	};
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	if (variant->kind == VHDB_MEM_SECRET) {
		/* But this: no other than the process may hold its pages */
		scratch = vhdb_dev_scratch(&self->dev, 0);
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  vhdb_blk_io_at(&self->dev.vring[0], &scratch,
					 VIRTIO_BLK_T_IN, 0, RING_IOVA,
					 VHDB_SECTOR));
		EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
		return;
	}
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, vhdb_blk_check_read(&self->dev.vring[0], &scratch,
						 i));
}

/* ---- errors of DRIVER_OK, for each area of the ring ---- */

enum which {
	DESC,
	AVAIL,
	USED,
};

FIXTURE(area)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
	struct vhdb_guest_mem bad;
	int fd;
};

FIXTURE_VARIANT(area)
{
	enum which which;
};

FIXTURE_VARIANT_ADD(area, desc)
{
	.which = DESC,
};

FIXTURE_VARIANT_ADD(area, avail)
{
	.which = AVAIL,
};

FIXTURE_VARIANT_ADD(area, used)
{
	.which = USED,
};

FIXTURE_SETUP(area)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
	ASSERT_EQ(0, vhdb_mem_alloc(&self->bad, VHDB_MEM_ANON, BAD_IOVA,
				    4 * PAGE, NULL));
	self->fd = self->dev.fd;
}

FIXTURE_TEARDOWN(area)
{
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
	vhdb_dev_destroy(&self->dev);
	vhdb_mem_free(&self->bad);
	vhdb_backing_free(&self->disk);
}

/* Tell the device that area @which of ring 0 is at @iova */
static int place_area(struct vhdb_dev *dev, enum which which, __u64 iova)
{
	struct vhdb_vring *vr = &dev->vring[0];

	return __vhdb_set_vring_addr(dev->fd, 0,
				     which == DESC ? iova : vr->desc_iova,
				     which == AVAIL ? iova : vr->avail_iova,
				     which == USED ? iova : vr->used_iova);
}

/*
 * DRIVER_OK with area @which at @iova gives @err and leaves nothing behind;
 * with a good address it then starts. 0, or the number of the line that went
 * wrong.
 */
static int start_fails(struct vhdb_dev *dev, enum which which, __u64 iova,
		       int err)
{
	unsigned long pinned = vhdb_pinned();
	struct vhdb_vring *vr = &dev->vring[0];

	if (vhdb_dev_prepare(dev))
		return __LINE__;
	if (place_area(dev, which, iova))
		return __LINE__;
	if (vhdb_driver_ok(dev->fd) != err)
		return __LINE__;
	if (vhdb_status(dev->fd) != VHDB_S_FEATURES_OK)
		return __LINE__;
	if (vhdb_pinned() != pinned)
		return __LINE__;
	if (place_area(dev, DESC, vr->desc_iova))
		return __LINE__;
	if (vhdb_driver_ok(dev->fd))
		return __LINE__;
	if (vhdb_dev_read(dev, 0, 1))
		return __LINE__;
	return 0;
}

TEST_F(area, not_in_the_map)
{
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EFAULT));
}

TEST_F(area, map_read_only)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RO));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EACCES));
}

TEST_F(area, map_write_only)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_WO));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EACCES));
}

TEST_F(area, memory_read_only)
{
	ASSERT_EQ(0, mprotect(self->bad.hva, self->bad.size, PROT_READ));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EACCES));
}

TEST_F(area, memory_without_access)
{
	ASSERT_EQ(0, mprotect(self->bad.hva, self->bad.size, PROT_NONE));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EACCES));
}

TEST_F(area, memory_gone)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	ASSERT_EQ(0, munmap(self->bad.hva, self->bad.size));
	self->bad.hva = NULL;
	EXPECT_EQ(0, start_fails(&self->dev, variant->which, BAD_IOVA,
				 -EFAULT));
}

/* Begins in the region and ends behind it */
TEST_F(area, crosses_the_end_of_the_map)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which,
				 BAD_IOVA + self->bad.size - 16, -EFAULT));
}

TEST_F(area, crosses_the_end_of_the_memory)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	ASSERT_EQ(0, munmap(self->bad.hva + 2 * PAGE, 2 * PAGE));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which,
				 BAD_IOVA + 2 * PAGE - 16, -EFAULT));
	self->bad.size = 2 * PAGE;
}

TEST_F(area, second_page_read_only)
{
	ASSERT_EQ(0, mprotect(self->bad.hva + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->bad, VHOST_ACCESS_RW));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which,
				 BAD_IOVA + PAGE - 16, -EACCES));
}

TEST_F(area, second_region_read_only)
{
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA, PAGE, self->bad.hva,
				       VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA + PAGE, PAGE,
				       self->bad.hva + 2 * PAGE,
				       VHOST_ACCESS_RO));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which,
				 BAD_IOVA + PAGE - 16, -EACCES));
}

/*
 * The regions meet in the middle of a page, and that page is two pages of this
 * process: no kernel mapping can show them as one.
 */
TEST_F(area, regions_that_do_not_join)
{
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA, PAGE / 2,
				       self->bad.hva, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA + PAGE / 2, 2 * PAGE,
				       self->bad.hva + 2 * PAGE,
				       VHOST_ACCESS_RW));
	EXPECT_EQ(0, start_fails(&self->dev, variant->which,
				 BAD_IOVA + PAGE / 2 - 16, -EOPNOTSUPP));
}

/*
 * Two pages that are one after the other for the guest, and apart and in the
 * other order for this process; the test itself looks at them through a view
 * in the guest's order.
 */
TEST_F(area, spans_two_regions)
{
	struct vhdb_vring *vr = &self->dev.vring[0], good = *vr;
	__u64 iova = BAD_IOVA + PAGE - 1024;
	struct vhdb_guest_mem view;
	void *a, *b;
	int i;

	ASSERT_EQ(0, vhdb_mem_alloc(&view, VHDB_MEM_MEMFD, BAD_IOVA, 2 * PAGE,
				    NULL));
	b = mmap(self->bad.hva, PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, view.fd, PAGE);
	ASSERT_NE(MAP_FAILED, b);
	a = mmap(self->bad.hva + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, view.fd, 0);
	ASSERT_NE(MAP_FAILED, a);
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA, PAGE, a,
				       VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA + PAGE, PAGE, b,
				       VHOST_ACCESS_RW));
	/* So small that each area fits behind the edge of the first page */
	vr->num = 128;
	if (variant->which == DESC) {
		vr->desc_iova = iova;
		vr->desc = vhdb_mem_ptr(&view, iova);
	} else if (variant->which == AVAIL) {
		vr->avail_iova = BAD_IOVA + PAGE - 128;
		vr->avail = vhdb_mem_ptr(&view, vr->avail_iova);
	} else {
		vr->used_iova = iova + 512;
		vr->used = vhdb_mem_ptr(&view, vr->used_iova);
	}
	vhdb_vring_clear(vr);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 300; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	*vr = good;
	vhdb_mem_free(&view);
}

/* The same offset in the page is not promised on the two sides */
TEST_F(area, at_another_offset_in_the_page)
{
	struct vhdb_vring *vr = &self->dev.vring[0], good = *vr;
	void *hva = self->bad.hva + 0x340;
	int i;

	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, BAD_IOVA, 2 * PAGE, hva,
				       VHOST_ACCESS_RW));
	if (variant->which == DESC) {
		vr->desc_iova = BAD_IOVA;
		vr->desc = hva;
	} else if (variant->which == AVAIL) {
		vr->avail_iova = BAD_IOVA;
		vr->avail = hva;
	} else {
		vr->used_iova = BAD_IOVA;
		vr->used = hva;
	}
	vhdb_vring_clear(vr);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 300; i++)
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	*vr = good;
}

/* ---- what is pinned, and on whose account ---- */

TEST_F(rings, pins_are_charged_and_given_back)
{
	unsigned long before = vhdb_pinned();
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_LE(before + vhdb_vring_bytes(VHDB_QUEUE_SIZE), vhdb_pinned());
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(before, vhdb_pinned());
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, vhdb_dev_check(&self->dev));
	ASSERT_EQ(0, __vhdb_set_vring_enable(self->fd, 0, 0));
	EXPECT_EQ(before, vhdb_pinned());
	ASSERT_EQ(0, vhdb_dev_check(&self->dev));
	close(self->fd);
	self->dev.fd = -1;
	EXPECT_EQ(before, vhdb_pinned());
}

/* One queue of two cannot start: neither does the other */
TEST_F(rings, second_queue_fails)
{
	struct vhdb_opts opts = { .queues = 2 };
	unsigned long before = vhdb_pinned();
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, vhdb_dev_prepare(&dev));
	ASSERT_EQ(0, __vhdb_set_vring_addr(dev.fd, 1, BAD_IOVA,
					   BAD_IOVA + PAGE,
					   BAD_IOVA + 2 * PAGE));
	EXPECT_EQ(-EFAULT, vhdb_driver_ok(dev.fd));
	EXPECT_EQ(VHDB_S_FEATURES_OK, vhdb_status(dev.fd));
	EXPECT_EQ(before, vhdb_pinned());
	scratch = vhdb_dev_scratch(&dev, 0);
	__vhdb_blk_put(&dev.vring[0], &scratch, VIRTIO_BLK_T_IN, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(&dev.vring[0]));
	usleep(20000);
	EXPECT_FALSE(__vhdb_blk_done(&dev.vring[0]));
	EXPECT_EQ(0, vhdb_dev_check(&dev));
	vhdb_dev_destroy(&dev);
}

static int limit_memlock(rlim_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	limit.rlim_cur = bytes;
	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

TEST_F(rings, memlock_limit)
{
	unsigned long before = vhdb_pinned();

	ASSERT_EQ(0, vhdb_drop_cap_ipc_lock());
	ASSERT_EQ(0, limit_memlock(0));
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	EXPECT_EQ(-ENOMEM, vhdb_driver_ok(self->fd));
	EXPECT_EQ(VHDB_S_FEATURES_OK, vhdb_status(self->fd));
	EXPECT_EQ(before, vhdb_pinned());

	/* Enough for a part of it */
	ASSERT_EQ(0, limit_memlock(PAGE));
	EXPECT_EQ(-ENOMEM, vhdb_driver_ok(self->fd));
	EXPECT_EQ(before, vhdb_pinned());

	/* Enough, and not used up by what failed or was given back */
	ASSERT_EQ(0, limit_memlock(vhdb_vring_bytes(VHDB_QUEUE_SIZE)));
	EXPECT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_F(rings, memlock_limit_is_of_all_queues)
{
	struct vhdb_opts opts = { .queues = 2 };
	unsigned long before = vhdb_pinned();
	struct vhdb_dev dev;

	ASSERT_EQ(0, vhdb_drop_cap_ipc_lock());
	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	ASSERT_EQ(0, limit_memlock(vhdb_vring_bytes(VHDB_QUEUE_SIZE)));
	ASSERT_EQ(0, vhdb_dev_prepare(&dev));
	EXPECT_EQ(-ENOMEM, vhdb_driver_ok(dev.fd));
	EXPECT_EQ(before, vhdb_pinned());
	ASSERT_EQ(0, limit_memlock(2 * vhdb_vring_bytes(VHDB_QUEUE_SIZE)));
	EXPECT_EQ(0, vhdb_driver_ok(dev.fd));
	EXPECT_EQ(0, vhdb_dev_check(&dev));
	vhdb_dev_destroy(&dev);
}

TEST_F(rings, memlock_limit_does_not_bind_the_privileged)
{
	ASSERT_EQ(0, limit_memlock(0));
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* ---- what the process does to its memory meanwhile ---- */

/* A ring in memory that was never touched: the pin brings it in */
TEST_F(rings, untouched_memory)
{
	ASSERT_EQ(0, madvise(self->dev.mem.hva, self->dev.mem.size,
			     MADV_DONTNEED));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

/* Pinned pages are copied for the child: the parent keeps the device's */
TEST_F(rings, fork_while_running)
{
	int i, status;
	pid_t pid;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			memset(self->dev.mem.hva, 0x55, self->dev.mem.size);
			_exit(0);
		}
		EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* The pin holds the pages, wherever the process still has them mapped */
TEST_F(rings, unmapped_by_the_process_while_running)
{
	struct vhdb_vring *vr = self->vr, good = *vr;
	struct vhdb_guest_mem mem;
	void *view;
	int i;

	ASSERT_EQ(0, vhdb_mem_alloc(&mem, VHDB_MEM_MEMFD, RING_IOVA, 4 * PAGE,
				    NULL));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_vring_init(vr, 0, VHDB_QUEUE_SIZE, &mem, RING_IOVA));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));

	view = mmap(NULL, mem.size, PROT_READ | PROT_WRITE, MAP_SHARED, mem.fd,
		    0);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, munmap(mem.hva, mem.size));
	mem.hva = view;
	vr->desc = vhdb_mem_ptr(&mem, vr->desc_iova);
	vr->avail = vhdb_mem_ptr(&mem, vr->avail_iova);
	vr->used = vhdb_mem_ptr(&mem, vr->used_iova);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, i));

	/* A new start looks anew, and finds nothing */
	ASSERT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	EXPECT_EQ(-EFAULT, vhdb_driver_ok(self->fd));
	vhdb_vring_free(vr);
	*vr = good;
	vhdb_mem_free(&mem);
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* The file shrinks to nothing under the ring; what is pinned stays */
TEST_F(rings, truncated_while_running)
{
	struct vhdb_vring *vr = self->vr, good = *vr;
	struct vhdb_guest_mem mem;
	struct vhdb_scratch scratch = vhdb_dev_scratch(&self->dev, 0);

	ASSERT_EQ(0, vhdb_mem_alloc(&mem, VHDB_MEM_MEMFD, RING_IOVA, 4 * PAGE,
				    NULL));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_vring_init(vr, 0, VHDB_QUEUE_SIZE, &mem, RING_IOVA));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	__vhdb_blk_put(vr, &scratch, VIRTIO_BLK_T_IN, 1, VHDB_SECTOR);
	ASSERT_EQ(0, ftruncate(mem.fd, 0));
	ASSERT_EQ(0, vhdb_vring_kick(vr));
	/* Its used ring cannot be seen any more, but its signal can */
	EXPECT_EQ(0, vhdb_eventfd_wait(vr->call));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	vhdb_vring_free(vr);
	*vr = good;
	vhdb_mem_free(&mem);
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

/* The device's pages and the process's part ways; neither may hurt the host */
TEST_F(rings, discarded_while_running)
{
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
		ASSERT_EQ(0, madvise(self->dev.mem.hva, self->dev.mem.size,
				     MADV_DONTNEED));
		ASSERT_EQ(0, vhdb_vring_kick(self->vr));
		ASSERT_EQ(0, vhdb_dev_restart(&self->dev));
	}
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
}

TEST_HARNESS_MAIN
