// SPDX-License-Identifier: GPL-2.0
/*
 * Layouts of rings: what is offered only if ATTACH names it, and how the
 * ioctls that set up a queue change with what was negotiated.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"

#define PACKED		VHDB_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER	VHDB_BIT(VIRTIO_F_IN_ORDER)
#define RESET		VHDB_BIT(40)	/* VIRTIO_F_RING_RESET */
#define ON_REQUEST	(PACKED | IN_ORDER | RESET)
#define BYTES		(1UL << 20)

FIXTURE(layout) {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
};

FIXTURE_SETUP(layout)
{
	memset(&self->disk, 0, sizeof(self->disk));
	self->disk.dev.fd = -1;
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->backing, BYTES));
}

FIXTURE_TEARDOWN(layout)
{
	vhdb_backing_free(&self->backing);
}

static int offered(int backing, __u64 allow, __u64 require, __u64 *features)
{
	struct vhdb_opts opts = { .allow = allow, .require = require };
	int fd = vhdb_open(), ret;

	if (fd < 0)
		return fd;
	ret = vhdb_attach_blk(fd, backing, &opts);
	if (!ret)
		ret = __vhdb_get_features(fd, features);
	close(fd);
	return ret;
}

TEST_F(layout, offered_on_request_only)
{
	static const __u64 bits[] = { PACKED, IN_ORDER, RESET };
	struct vhost_doorbell_backend_info info;
	__u64 plain, got;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, offered(self->backing.fd, 0, 0, &plain));
	EXPECT_EQ(0, plain & ON_REQUEST);
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		ASSERT_EQ(0, offered(self->backing.fd, plain | bits[i], 0,
				     &got));
		EXPECT_EQ(plain | bits[i], got);
		ASSERT_EQ(0, offered(self->backing.fd, 0, bits[i], &got));
		EXPECT_EQ(plain | bits[i], got);
	}
	/* One can learn what there is. */
	fd = vhdb_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_backend_find(fd, "blk", &info));
	EXPECT_EQ(ON_REQUEST, info.features & ON_REQUEST);
	close(fd);
}

static int disk_with(struct vhdb_disk *disk, int backing, __u64 ask,
		     unsigned int queue_size)
{
	struct vhdb_opts opts = { .require = ask, .queue_size = queue_size };
	int ret = vhdb_disk_create(disk, backing, &opts, ~0ULL, 65536);

	return ret ? ret : vhdb_negotiate(disk->dev.fd, ~0ULL,
					  &disk->dev.features);
}

TEST_F(layout, queue_sizes)
{
	static const unsigned int sizes[] = { 3, 7, 100, 255 };
	struct vhdb_opts opts = { .queue_size = 100 };
	struct vhdb_disk *disk = &self->disk;
	unsigned int i;
	int fd = vhdb_open();

	/* At ATTACH, a size that split rings can't have needs packed ones. */
	EXPECT_EQ(-ERANGE, vhdb_attach_blk(fd, self->backing.fd, &opts));
	opts.allow = ~0ULL;
	EXPECT_EQ(-ERANGE, vhdb_attach_blk(fd, self->backing.fd, &opts));
	opts.require = PACKED;
	EXPECT_EQ(0, vhdb_attach_blk(fd, self->backing.fd, &opts));
	close(fd);

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, 0, 256));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-EINVAL, __vhdb_set_vring_num(disk->dev.fd, 0,
							sizes[i]));
	vhdb_disk_destroy(disk);

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, PACKED, 256));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(0, __vhdb_set_vring_num(disk->dev.fd, 0, sizes[i]));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_num(disk->dev.fd, 0, 0));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_num(disk->dev.fd, 0, 257));
	vhdb_disk_destroy(disk);
}

TEST_F(layout, alignment_of_event_areas)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, PACKED, 256));
	EXPECT_EQ(0, __vhdb_set_vring_addr(disk->dev.fd, 0, vr->desc_iova,
					   vr->avail_iova, vr->used_iova));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(disk->dev.fd, 0, vr->desc_iova,
						 vr->avail_iova + 2,
						 vr->used_iova));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_addr(disk->dev.fd, 0, vr->desc_iova,
						 vr->avail_iova,
						 vr->used_iova + 2));
	vhdb_disk_destroy(disk);
}

TEST_F(layout, base_of_a_packed_ring)
{
	static const struct {
		unsigned int set, get;
	} bases[] = {
		{ 0x80008000, 0x80008000 },	/* QEMU: both */
		{ 0x00008000, 0x80008000 },	/* DPDK: one for both */
		{ 0x00000000, 0x00000000 },
		{ 0x00008005, 0x80058005 },
		{ 0x80050005, 0x80050005 },
		{ 0x00030005, 0x00030005 },
	};
	struct vhdb_disk *disk = &self->disk;
	unsigned int i, base = 1;

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, PACKED, 256));
	/* Never set: where a new ring begins. */
	ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));
	EXPECT_EQ(0x80008000, base);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		ASSERT_EQ(0, __vhdb_set_vring_base(disk->dev.fd, 0,
						   bases[i].set));
		ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));
		EXPECT_EQ(bases[i].get, base);
	}
	vhdb_disk_destroy(disk);

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, 0, 256));
	EXPECT_EQ(-EINVAL, __vhdb_set_vring_base(disk->dev.fd, 0, 0x80008000));
	vhdb_disk_destroy(disk);
}

/* A position behind the end of the ring is found out at start. */
TEST_F(layout, base_beyond_the_ring)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, PACKED, 256));
	vhdb_vring_clear(vr);
	vr->avail_idx = 256;
	ASSERT_EQ(0, vhdb_vring_setup(disk->dev.fd, vr));
	ASSERT_EQ(0, __vhdb_set_vring_enable(disk->dev.fd, 0, 1));
	EXPECT_EQ(-EINVAL, vhdb_driver_ok(disk->dev.fd));
	vr->avail_idx = 255;
	ASSERT_EQ(0, vhdb_vring_setup(disk->dev.fd, vr));
	EXPECT_EQ(0, vhdb_driver_ok(disk->dev.fd));
	vhdb_disk_destroy(disk);
}

/* What a packed ring's driver may not do breaks its queue, until a reset. */
TEST_F(layout, broken_packed_ring)
{
	static const struct {
		__u16 first, second;	/* flags, without AVAIL and USED */
		bool second_avail;
	} bad[] = {
		{ VRING_DESC_F_NEXT, 0, false },
		{ VRING_DESC_F_NEXT, VRING_DESC_F_INDIRECT, true },
		{ VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0, true },
		{ VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT, 0, true },
	};
	struct vhdb_disk *disk = &self->disk;
	struct vring_packed_desc *d;
	unsigned int i;

	ASSERT_EQ(0, disk_with(disk, self->backing.fd, PACKED, 8));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(0, vhdb_disk_restart(disk));
		d = (void *)disk->dev.vring[0].desc;
		d[0].addr = htole64(disk->data);
		d[0].len = htole32(16);
		d[1] = d[0];
		d[1].flags = htole16(bad[i].second |
				     bad[i].second_avail << 7);
		__atomic_store_n(&d[0].flags, htole16(bad[i].first | 1 << 7),
				 __ATOMIC_RELEASE);
		vhdb_vring_kick(&disk->dev.vring[0]);
		EXPECT_TRUE(vhdb_wait_for(vhdb_status(disk->dev.fd) &
					  VIRTIO_CONFIG_S_NEEDS_RESET))
			TH_LOG("case %u", i);
	}
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	EXPECT_EQ(VHDB_ANSWER(VIRTIO_BLK_S_OK, 513),
		  vhdb_disk_io(disk, 0, VIRTIO_BLK_T_IN, 0, disk->data, 512));
	vhdb_disk_destroy(disk);
}

TEST_HARNESS_MAIN
