// SPDX-License-Identifier: GPL-2.0
/*
 * The memory map: IOTLB messages good and bad, what a request then finds, the
 * limit, batches. After each test the device is brought up anew and serves a
 * read. Changes under rings that run are remap_test's.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "kselftest_harness.h"
#include "dev_fixture.h"

/* Where nothing ever is */
#define FAR_IOVA	0x7000000000ULL

/* ---- bad messages ---- */

FIXTURE(message)
{
	struct vhdb_backing disk;
	struct vhdb_dev dev;
};

FIXTURE_VARIANT(message)
{
	struct vhost_msg_v2 msg;
	bool keep_uaddr;	/* else a valid one is put in */
	int err;
};

#define V2(_asid, _type, _iova, _size, _uaddr, _perm)			\
	{								\
		.type = VHOST_IOTLB_MSG_V2,				\
		.asid = _asid,						\
		.iotlb = {						\
			.type = _type,					\
			.iova = _iova,					\
			.size = _size,					\
			.uaddr = _uaddr,				\
			.perm = _perm,					\
		},							\
	}

FIXTURE_VARIANT_ADD(message, update_size_zero)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 0, 0, VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, update_wraps)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, 0xfffffffffffff000ULL, 0x2000, 0,
		  VHOST_ACCESS_RW),
	.err = -EINVAL,
};

/* The size that once wrapped to 0 and looped for ever */
FIXTURE_VARIANT_ADD(message, update_everything_and_more)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, 0x1000, 0xffffffffffffffffULL, 0,
		  VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, update_no_permission)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 4096, 0, 0),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, update_permission_4)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 4096, 0, 4),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, update_permission_255)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 4096, 0, 255),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, update_kernel_address)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 4096,
		  0xffff888000000000ULL, VHOST_ACCESS_RW),
	.keep_uaddr = true,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(message, update_address_wraps)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 0x2000,
		  0xfffffffffffff000ULL, VHOST_ACCESS_RW),
	.keep_uaddr = true,
	.err = -EFAULT,
};

/* Starts with the user and ends with the kernel */
FIXTURE_VARIANT_ADD(message, update_address_leaves_user_space)
{
	.msg = V2(0, VHOST_IOTLB_UPDATE, FAR_IOVA, 0xffff800000000000ULL,
		  0x10000, VHOST_ACCESS_RW),
	.keep_uaddr = true,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(message, update_of_another_space)
{
	.msg = V2(1, VHOST_IOTLB_UPDATE, FAR_IOVA, 4096, 0, VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, invalidate_size_zero)
{
	.msg = V2(0, VHOST_IOTLB_INVALIDATE, VHDB_IOVA_BASE, 0, 0, 0),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, invalidate_wraps)
{
	.msg = V2(0, VHOST_IOTLB_INVALIDATE, VHDB_IOVA_BASE,
		  0xffffffffffffff00ULL, 0, 0),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, invalidate_of_another_space)
{
	.msg = V2(7, VHOST_IOTLB_INVALIDATE, VHDB_IOVA_BASE, 4096, 0, 0),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, batch_end_without_begin)
{
	.msg = V2(0, VHOST_IOTLB_BATCH_END, 0, 0, 0, 0),
	.err = -EINVAL,
};

/* Only the kernel sends these */
FIXTURE_VARIANT_ADD(message, miss)
{
	.msg = V2(0, VHOST_IOTLB_MISS, FAR_IOVA, 4096, 0, VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, access_fail)
{
	.msg = V2(0, VHOST_IOTLB_ACCESS_FAIL, FAR_IOVA, 4096, 0,
		  VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, iotlb_type_zero)
{
	.msg = V2(0, 0, FAR_IOVA, 4096, 0, VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, iotlb_type_seven)
{
	.msg = V2(0, 7, FAR_IOVA, 4096, 0, VHOST_ACCESS_RW),
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, type_zero)
{
	.err = -EINVAL,
};

FIXTURE_VARIANT_ADD(message, type_three)
{
	.msg.type = 3,
	.err = -EINVAL,
};

FIXTURE_SETUP(message)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	ASSERT_EQ(0, vhdb_dev_create(&self->dev, self->disk.fd, NULL));
}

FIXTURE_TEARDOWN(message)
{
	EXPECT_EQ(0, vhdb_dev_check(&self->dev));
	vhdb_dev_destroy(&self->dev);
	vhdb_backing_free(&self->disk);
}

TEST_F(message, refused)
{
	struct vhost_msg_v2 msg = variant->msg;

	if (!variant->keep_uaddr)
		msg.iotlb.uaddr = (uintptr_t)self->dev.mem.hva;
	EXPECT_EQ(variant->err, __vhdb_msg_v2(self->dev.fd, &msg));
}

TEST_F(message, refused_while_running)
{
	struct vhost_msg_v2 msg = variant->msg;

	if (!variant->keep_uaddr)
		msg.iotlb.uaddr = (uintptr_t)self->dev.mem.hva;
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(variant->err, __vhdb_msg_v2(self->dev.fd, &msg));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, short_write)
{
	struct vhost_msg_v2 msg =
		V2(0, VHOST_IOTLB_INVALIDATE, FAR_IOVA, 4096, 0, 0);
	static const size_t len[] = { 1, 3, 4, 8, 40, sizeof(msg) - 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(len); i++) {
		EXPECT_EQ(-1, write(self->fd, &msg, len[i])) {
			TH_LOG("length %zu", len[i]);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, __vhdb_msg_v2(self->fd, &msg));
}

/* The older layout has no address space, and its padding is not looked at */
TEST_F(dev, v1_layout)
{
	struct vhost_msg msg;

	memset(&msg, 0xff, sizeof(msg));
	msg.type = VHOST_IOTLB_MSG;
	msg.iotlb.type = VHOST_IOTLB_UPDATE;
	msg.iotlb.iova = self->side.iova;
	msg.iotlb.size = self->side.size;
	msg.iotlb.uaddr = (uintptr_t)self->side.hva;
	msg.iotlb.perm = VHOST_ACCESS_RW;
	EXPECT_EQ(0, __vhdb_msg_v1(self->fd, &msg));
	EXPECT_EQ(-EEXIST, __vhdb_msg_v1(self->fd, &msg));
	msg.iotlb.type = VHOST_IOTLB_INVALIDATE;
	EXPECT_EQ(0, __vhdb_msg_v1(self->fd, &msg));
	EXPECT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
}

/* ---- what is in the map ---- */

/* Answer to a read of one sector to @data: 0, 1 for an I/O error, or < 0 */
static int read_to(struct vhdb_dev *dev, __u64 data, __u32 len)
{
	struct vhdb_scratch scratch = vhdb_dev_scratch(dev, 0);

	return vhdb_blk_io_at(&dev->vring[0], &scratch, VIRTIO_BLK_T_IN, 0,
			      data, len);
}

static int write_from(struct vhdb_dev *dev, __u64 data, __u32 len)
{
	struct vhdb_scratch scratch = vhdb_dev_scratch(dev, 0);

	return vhdb_blk_io_at(&dev->vring[0], &scratch, VIRTIO_BLK_T_OUT, 0,
			      data, len);
}

TEST_F(dev, overlap)
{
	__u64 iova = self->side.iova, size = self->side.size;
	void *hva = self->side.hva;

	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, iova + 2 * PAGE, 4 * PAGE,
				       hva, VHOST_ACCESS_RW));
	/* The same, its head, its tail, its middle, all around it, one byte */
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova + 2 * PAGE,
					     4 * PAGE, hva, VHOST_ACCESS_RW));
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova + PAGE, 2 * PAGE,
					     hva, VHOST_ACCESS_RW));
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova + 5 * PAGE,
					     2 * PAGE, hva, VHOST_ACCESS_RW));
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova + 3 * PAGE, PAGE,
					     hva, VHOST_ACCESS_RW));
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova, size, hva,
					     VHOST_ACCESS_RW));
	EXPECT_EQ(-EEXIST, vhdb_iotlb_update(self->fd, iova + 6 * PAGE - 1,
					     1, hva, VHOST_ACCESS_RW));
	/* Next to it is not over it */
	EXPECT_EQ(0, vhdb_iotlb_update(self->fd, iova, 2 * PAGE, hva,
				       VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_iotlb_update(self->fd, iova + 6 * PAGE, PAGE, hva,
				       VHOST_ACCESS_RW));
	/* And what was there before still is */
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, iova, 7 * PAGE));
}

TEST_F(dev, invalidate_nothing)
{
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, PAGE));
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, 0, PAGE));
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, VHDB_BIT(40)));
}

TEST_F(dev, invalidate_everything)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, 0, ~0ULL));
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	EXPECT_EQ(-EFAULT, vhdb_driver_ok(self->fd));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
}

/* The user address is not looked up before it is used */
TEST_F(dev, update_of_an_unmapped_user_address)
{
	size_t size = self->side.size;
	void *hva = self->side.hva;

	vhdb_mem_free(&self->side);
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, SIDE_IOVA, size, hva,
				       VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, data_not_mapped)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, write_from(&self->dev, SIDE_IOVA,
						 VHDB_SECTOR));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA,
					   VHDB_SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_from(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
}

/* RO and WO are from the device's point of view */
TEST_F(dev, permission_read_only)
{
	__u8 *data = self->side.hva;

	memset(data, 0x77, VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RO));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
	EXPECT_EQ(0x77, data[0]);
	EXPECT_EQ(0x77, data[VHDB_SECTOR - 1]);
	vhdb_pattern(data, 0, VHDB_SECTOR);
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_from(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
}

TEST_F(dev, permission_write_only)
{
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_WO));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, write_from(&self->dev, SIDE_IOVA,
						 VHDB_SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA,
					   VHDB_SECTOR));
}

TEST_F(dev, partial_invalidate_keeps_the_rest)
{
	__u64 iova = self->side.iova;

	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	/* A hole, the head, the tail */
	ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, iova + 4 * PAGE, PAGE));
	ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, iova, PAGE));
	ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, iova + SIDE_SIZE - PAGE,
					   PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, iova, PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, iova + PAGE, 3 * PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, iova + 4 * PAGE,
					      PAGE));
	/* Over the edge of the hole, from either side */
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, iova + 3 * PAGE,
					      2 * PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, iova + 4 * PAGE,
					      2 * PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, iova + 5 * PAGE, PAGE));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  read_to(&self->dev, iova + SIDE_SIZE - PAGE, PAGE));
}

/* What is left of an entry still leads to the right memory */
TEST_F(dev, partial_invalidate_and_refill)
{
	__u64 iova = self->side.iova;
	struct vhdb_guest_mem other;
	__u8 want[3 * PAGE];

	ASSERT_EQ(0, vhdb_mem_alloc(&other, VHDB_MEM_ANON, 0, PAGE, NULL));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, iova + PAGE, PAGE));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, iova + PAGE, PAGE, other.hva,
				       VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, iova, 3 * PAGE));
	vhdb_pattern(want, 0, sizeof(want));
	EXPECT_EQ(0, memcmp(self->side.hva, want, PAGE));
	EXPECT_EQ(0, memcmp(other.hva, want + PAGE, PAGE));
	EXPECT_EQ(0, memcmp(self->side.hva + 2 * PAGE, want + 2 * PAGE, PAGE));
	/* The memory behind the hole was not touched */
	EXPECT_EQ(0, *((__u8 *)self->side.hva + PAGE));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	vhdb_mem_free(&other);
}

TEST_F(dev, invalidate_many_at_once)
{
	__u64 iova = self->side.iova;
	unsigned int i;

	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, vhdb_iotlb_update(self->fd, iova + 2 * i * PAGE,
					       PAGE, self->side.hva,
					       VHOST_ACCESS_RW));
	/* From the middle of the first to the middle of the last */
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, iova + PAGE / 2,
					   30 * PAGE));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, iova, PAGE / 2));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, iova, PAGE));
	for (i = 1; i < 15; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  read_to(&self->dev, iova + 2 * i * PAGE,
				  VHDB_SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  read_to(&self->dev, iova + 30 * PAGE + PAGE / 2, PAGE / 2));
}

/* The part that a ring needs is gone, the rest of its region is not */
TEST_F(dev, partial_invalidate_of_a_ring)
{
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_invalidate(self->fd, self->vr->avail_iova,
					   PAGE));
	EXPECT_EQ(-EFAULT, vhdb_driver_ok(self->fd));
	ASSERT_EQ(0, vhdb_iotlb_update(self->fd, self->vr->avail_iova, PAGE,
				       self->vr->avail, VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

/* ---- the limit ---- */

static __u32 iotlb_max(int fd)
{
	struct vhost_doorbell_info info = { .size = sizeof(info) };

	return __vhdb_get_info(fd, &info) ? 0 : info.iotlb_max;
}

/* Maps pages until it is refused; every other one, so that none can be joined */
static __u32 flood(int fd, void *hva, __u32 most, int *err)
{
	__u32 i;

	for (i = 0; i < most; i++) {
		*err = vhdb_iotlb_update(fd, FAR_IOVA + 2ULL * i * PAGE, PAGE,
					 hva, VHOST_ACCESS_RW);
		if (*err)
			break;
	}
	return i;
}

TEST_F(dev, a_hundred_thousand_entries)
{
	__u32 max = iotlb_max(self->fd), most = max > 100000 ? max : 100000;
	__u32 got;
	int err = 0;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	got = flood(self->fd, self->side.hva, most, &err);
	/* One entry is the region with the rings */
	EXPECT_EQ(max - 1, got);
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, FAR_IOVA +
					   2ULL * (got - 1) * PAGE, PAGE));

	/* One out, one in */
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, PAGE));
	EXPECT_EQ(0, vhdb_iotlb_update(self->fd, SIDE_IOVA, PAGE,
				       self->side.hva, VHOST_ACCESS_RW));
	EXPECT_EQ(-ENOSPC, vhdb_iotlb_update(self->fd, FAR_IOVA, PAGE,
					     self->side.hva, VHOST_ACCESS_RW));

	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, VHDB_BIT(38)));
	EXPECT_EQ(0, vhdb_iotlb_update(self->fd, FAR_IOVA, PAGE,
				       self->side.hva, VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

/* Cutting a hole into an entry makes two of it: there may be no room for both */
TEST_F(dev, split_when_full)
{
	__u64 last;
	__u32 got;
	int err = 0, ret;

	got = flood(self->fd, self->side.hva, iotlb_max(self->fd), &err);
	ASSERT_EQ(-ENOSPC, err);
	last = FAR_IOVA + 2ULL * (got - 1) * PAGE;
	ret = vhdb_iotlb_invalidate(self->fd, last + 1024, 1024);
	EXPECT_TRUE(!ret || ret == -ENOSPC);
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	/* Refused means unchanged, done means done */
	EXPECT_EQ(ret ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR,
		  read_to(&self->dev, last + 1024, 1024));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, last + 2048, 2048));
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, VHDB_BIT(38)));
}

TEST_F(dev, a_hundred_thousand_entries_in_a_batch)
{
	__u32 max = iotlb_max(self->fd), most = max > 100000 ? max : 100000;
	int err = 0;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(max - 1, flood(self->fd, self->side.hva, most, &err));
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, FAR_IOVA, PAGE));
	EXPECT_EQ(0, vhdb_iotlb_invalidate(self->fd, FAR_IOVA, VHDB_BIT(38)));
}

/* ---- batches ---- */

TEST_F(dev, batch_begin_twice)
{
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(-EBUSY, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(-EINVAL, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(0, vhdb_iotlb_batch_end(self->fd));
}

/* A client that failed within a batch starts afresh */
TEST_F(dev, reset_drops_an_open_batch)
{
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(-EINVAL, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, start_with_an_open_batch)
{
	ASSERT_EQ(0, vhdb_dev_prepare(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(-EBUSY, vhdb_driver_ok(self->fd));
	EXPECT_EQ(VHDB_S_FEATURES_OK, vhdb_status(self->fd));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(0, vhdb_driver_ok(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_F(dev, batch_is_invisible_until_its_end)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA,
					   VHDB_SECTOR));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->side));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA,
					   VHDB_SECTOR));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, read_to(&self->dev, SIDE_IOVA,
					      VHDB_SECTOR));
}

/* A bad message in a batch is refused and spoils nothing */
TEST_F(dev, batch_with_a_bad_message)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
	EXPECT_EQ(-EEXIST, vhdb_mem_map(self->fd, &self->dev.mem,
					VHOST_ACCESS_RW));
	EXPECT_EQ(-EINVAL, vhdb_iotlb_update(self->fd, SIDE_IOVA, 0,
					     self->side.hva, VHOST_ACCESS_RW));
	EXPECT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA,
					   VHDB_SECTOR));
}

TEST_F(dev, batch_left_open_at_close)
{
	struct vhdb_dev dev;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, NULL));
		ASSERT_EQ(0, vhdb_dev_start(&dev));
		ASSERT_EQ(0, vhdb_iotlb_batch_begin(dev.fd));
		ASSERT_EQ(0, vhdb_mem_unmap(dev.fd, &dev.mem));
		ASSERT_EQ(0, vhdb_iotlb_update(dev.fd, SIDE_IOVA, SIDE_SIZE,
					       self->side.hva,
					       VHOST_ACCESS_RW));
		vhdb_dev_destroy(&dev);
	}
}

TEST_HARNESS_MAIN
