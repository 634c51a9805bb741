// SPDX-License-Identifier: GPL-2.0
/*
 * The data path of the disk, driven by a driver that behaves: every request,
 * every status, every layout of a request, and queues that are stopped,
 * started and rewired while they work. What the disk did is looked at through
 * another, O_DIRECT file descriptor.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

#define HDR		sizeof(struct virtio_blk_outhdr)

#define NO_INDIRECT	(~VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC))

#define SERIAL		"vhdb-serial-20-bytes"

FIXTURE(blk) {
	struct rig rig;
};

FIXTURE_VARIANT(blk) {
	enum kind kind;
	__u64 features;
	enum vhdb_vq_how how;
	__u64 ask;		/* features that are offered on request */
};

FIXTURE_VARIANT_ADD(blk, ram) {
	.kind = RAM, .features = ALL, .how = VHDB_INDIRECT,
};

FIXTURE_VARIANT_ADD(blk, ram_plain) {
	.kind = RAM, .features = NO_EVENT_IDX & NO_INDIRECT,
	.how = VHDB_DIRECT,
};

FIXTURE_VARIANT_ADD(blk, file) {
	.kind = FILE_BUFFERED, .features = NO_EVENT_IDX, .how = VHDB_INDIRECT,
};

FIXTURE_VARIANT_ADD(blk, file_direct) {
	.kind = FILE_DIRECT, .features = ALL, .how = VHDB_DIRECT,
};

FIXTURE_VARIANT_ADD(blk, packed) {
	.kind = RAM, .features = ALL, .how = VHDB_INDIRECT, .ask = PACKED,
};

FIXTURE_VARIANT_ADD(blk, packed_plain) {
	.kind = FILE_BUFFERED, .features = NO_EVENT_IDX & NO_INDIRECT,
	.how = VHDB_DIRECT, .ask = PACKED,
};

FIXTURE_VARIANT_ADD(blk, in_order) {
	.kind = RAM, .features = ALL, .how = VHDB_DIRECT, .ask = IN_ORDER,
};

FIXTURE_VARIANT_ADD(blk, packed_in_order) {
	.kind = RAM, .features = ALL, .how = VHDB_DIRECT,
	.ask = PACKED | IN_ORDER,
};

FIXTURE_SETUP(blk)
{
	struct vhdb_opts opts = { .serial = SERIAL, .require = variant->ask };
	int ret = rig_create(&self->rig, variant->kind, &opts,
			     variant->features);

	if (ret == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no such backing");
	ASSERT_EQ(0, ret);
	self->rig.disk.how = variant->how;
}

FIXTURE_TEARDOWN(blk)
{
	rig_destroy(&self->rig);
}

/* ---- requests ---- */

TEST_F(blk, in_reads_the_backing)
{
	static const __u32 lens[] = { 512, 1024, 4096, 12800, 65536, 1 << 20 };
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		char *data = vhdb_disk_ptr(disk, disk->data);
		__u32 len = lens[i];

		PEEK_WRITE(i * 3, len, i);
		memset(data, 0xa5, len + 1024);
		ASSERT_EQ(OK(len + 1), vhdb_disk_io(disk, 0, T_IN, i * 3,
						    disk->data + 512, len));
		ASSERT_TRUE(vhdb_filled(data + 512, len, i));
		ASSERT_TRUE(vhdb_all(data, 512, 0xa5));
		ASSERT_TRUE(vhdb_all(data + 512 + len, 512, 0xa5));
	}
}

TEST_F(blk, out_reaches_the_backing)
{
	static const __u32 lens[] = { 512, 1024, 4096, 12800, 65536, 1 << 20 };
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		__u32 len = lens[i];

		PEEK_WRITE(0, 65536, 100);
		vhdb_fill(vhdb_disk_ptr(disk, disk->data), len, i);
		ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 8 + i,
					      disk->data, len));
		ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, VIRTIO_BLK_T_FLUSH, 0,
					      0, 0));
		PEEK_CHECK(8 + i, len, i);
		/* What stands in front of it was left alone. */
		PEEK_CHECK(0, 4096, 100);
		ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), len,
					i));
	}
}

TEST_F(blk, get_id_fits_the_buffer)
{
	static const __u32 lens[] = { 1, 8, 19, 20, 21, 512 };
	struct vhdb_disk *disk = &self->rig.disk;
	char *data = vhdb_disk_ptr(disk, disk->data);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		__u32 got = lens[i] < VIRTIO_BLK_ID_BYTES ?
			    lens[i] : VIRTIO_BLK_ID_BYTES;

		memset(data, 0xa5, 1024);
		ASSERT_EQ(OK(got + 1), vhdb_disk_io(disk, 0,
						    VIRTIO_BLK_T_GET_ID, 0,
						    disk->data, lens[i]));
		ASSERT_EQ(0, memcmp(data, SERIAL, got));
		ASSERT_TRUE(vhdb_all(data + got, 1024 - got, 0xa5));
	}
}

TEST_F(blk, unknown_types_are_unsupp)
{
	static const __u32 types[] = {
		2, 3, 5, 7, 9, 10, 12, 15, 99, 0x80000000, 0xffffffff,
	};
	struct vhdb_disk *disk = &self->rig.disk;
	char *data = vhdb_disk_ptr(disk, disk->data);
	unsigned int i;

	memset(data, 0xa5, 512);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(UNSUPP, vhdb_disk_io(disk, 0, types[i], 0, 0, 0));
		ASSERT_EQ(UNSUPP, vhdb_disk_io(disk, 0, types[i], 0,
					       disk->data, 512));
	}
	ASSERT_TRUE(vhdb_all(data, 512, 0xa5));
}

TEST_F(blk, no_data_is_ok)
{
	ASSERT_EQ(OK(1), vhdb_disk_io(&self->rig.disk, 0, T_IN, 0, 0, 0));
	ASSERT_EQ(OK(1), vhdb_disk_io(&self->rig.disk, 0, T_OUT, 0, 0, 0));
}

/* ---- every way to ask for what can't be had ---- */

TEST_F(blk, capacity_is_the_end)
{
	__u64 end = sectors(&self->rig.backing);
	struct {
		__u64 sector;
		__u32 len;
		__s64 in, out;
	} tests[] = {
		{ end - 1, 512, OK(513), OK(1) },
		{ end - 1, 1024, IOERR, IOERR },
		{ end - 8, 8192, IOERR, IOERR },
		{ end, 512, IOERR, IOERR },
		{ end + 1, 512, IOERR, IOERR },
		/* Byte offsets which do not fit 64 bits, or only unsigned */
		{ 1ULL << 54, 512, IOERR, IOERR },
		{ 1ULL << 55, 512, IOERR, IOERR },
		{ 1ULL << 63, 512, IOERR, IOERR },
		{ -1ULL, 512, IOERR, IOERR },
		{ -1ULL, 1024, IOERR, IOERR },
		{ -8ULL, 8192, IOERR, IOERR },
	};
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int i;

	PEEK_WRITE(0, 65536, 7);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		EXPECT_EQ(tests[i].in, vhdb_disk_io(disk, 0, T_IN,
						    tests[i].sector,
						    disk->data, tests[i].len))
			TH_LOG("IN case %u", i);
		EXPECT_EQ(tests[i].out, vhdb_disk_io(disk, 0, T_OUT,
						     tests[i].sector,
						     disk->data, tests[i].len))
			TH_LOG("OUT case %u", i);
	}
	PEEK_CHECK(0, 65536, 7);
}

TEST_F(blk, partial_sectors_are_ioerr)
{
	static const __u32 lens[] = { 1, 100, 511, 513, 4095, 4097 };
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int i;

	PEEK_WRITE(0, 65536, 7);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, disk->data,
					      lens[i]));
		EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, disk->data,
					      lens[i]));
	}
	PEEK_CHECK(0, 65536, 7);
}

TEST_F(blk, data_in_the_wrong_direction_is_ioerr)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf = VHDB_OUT(disk->data, 512);
	char *data = vhdb_disk_ptr(disk, disk->data);

	PEEK_WRITE(0, 65536, 7);
	memset(data, 0xa5, 512);
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, T_IN, 0, &buf, 1));
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, VIRTIO_BLK_T_GET_ID, 0, &buf,
				       1));
	buf.in = true;
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, T_OUT, 0, &buf, 1));
	EXPECT_TRUE(vhdb_all(data, 512, 0xa5));
	PEEK_CHECK(0, 65536, 7);
}

TEST_F(blk, iotlb_permission_is_honoured)
{
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 ro = VHDB_IOVA_DISK + (1ULL << 30), wo = ro + 8192;
	struct vhdb_guest_mem mem;

	PEEK_WRITE(0, 65536, 7);
	ASSERT_EQ(0, vhdb_mem_alloc(&mem, VHDB_MEM_ANON, ro, 4096, NULL));
	ASSERT_EQ(0, vhdb_iotlb_update(disk->dev.fd, ro, 4096, mem.hva,
				       VHOST_ACCESS_RO));
	ASSERT_EQ(0, vhdb_iotlb_update(disk->dev.fd, wo, 4096, mem.hva,
				       VHOST_ACCESS_WO));

	vhdb_fill(mem.hva, 4096, 8);
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, ro, 512));
	EXPECT_TRUE(vhdb_filled(mem.hva, 4096, 8));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, wo, 512));
	/* Half of it may be read */
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, ro + 3584, 1024));
	PEEK_CHECK(0, 65536, 7);

	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 64, ro, 4096));
	PEEK_CHECK(64, 4096, 8);
	EXPECT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, 0, wo, 4096));
	EXPECT_TRUE(vhdb_filled(mem.hva, 4096, 7));
	vhdb_mem_free(&mem);
}

TEST_F(blk, unmapped_data_is_ioerr)
{
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 end = disk->mem.iova + disk->mem.size;
	__u64 addrs[] = { 0, end, end - 511, end - 256, 1ULL << 63, -512ULL,
			  -1ULL };
	unsigned int i;

	PEEK_WRITE(0, 65536, 7);
	memset(vhdb_disk_ptr(disk, end - 512), 0xa5, 512);
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, addrs[i], 512));
		EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, addrs[i],
					      512));
	}
	PEEK_CHECK(0, 65536, 7);
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, 0, end - 512, 512));
}

TEST_F(blk, largest_request)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf data[SEG_MAX];
	unsigned int i;

	/* One buffer all over: the device must not care. */
	for (i = 0; i < SEG_MAX; i++)
		data[i] = VHDB_OUT(disk->data, SIZE_MAX_BYTES);
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), SIZE_MAX_BYTES, 3);
	ASSERT_EQ(OK(1), vhdb_disk_iov(disk, 0, T_OUT, 0, data, SEG_MAX));
	for (i = 0; i < SEG_MAX; i += 23)
		PEEK_CHECK(i * (SIZE_MAX_BYTES / VHDB_SECTOR), SIZE_MAX_BYTES,
			   3);

	for (i = 0; i < SEG_MAX; i++)
		data[i] = VHDB_IN(disk->data + (i & 1) * SIZE_MAX_BYTES,
				  SIZE_MAX_BYTES);
	memset(vhdb_disk_ptr(disk, disk->data), 0, 2 * SIZE_MAX_BYTES);
	ASSERT_EQ(OK(SEG_MAX * SIZE_MAX_BYTES + 1),
		  vhdb_disk_iov(disk, 0, T_IN, 0, data, SEG_MAX));
	ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data),
				SIZE_MAX_BYTES, 3));

	/* The same number of pieces, one of them a sector too long */
	data[7].len += 512;
	ASSERT_EQ(IOERR, vhdb_disk_iov(disk, 0, T_IN, 0, data, SEG_MAX));
}

/* ---- layouts ---- */

/* Header at data, status at data + 64, payload at data + 512 */
#define AT(off)		(disk->data + (off))

static __s64 raw(struct vhdb_disk *disk, __u32 type, __u64 sector,
		 const struct vhdb_buf *buf, unsigned int count)
{
	struct vhdb_blk_slot *slot = vhdb_disk_ptr(disk, disk->data);

	vhdb_blk_slot_set(slot, type, sector);
	return vhdb_disk_raw(disk, 0, buf, count, &slot->status);
}

#define STATUS	(disk->data + offsetof(struct vhdb_blk_slot, status))

TEST_F(blk, header_in_three_pieces)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf[] = {
		VHDB_OUT(AT(0), 5), VHDB_OUT(AT(5), 6), VHDB_OUT(AT(11), 5),
		VHDB_IN(AT(512), 512), VHDB_IN(STATUS, 1),
	};

	PEEK_WRITE(5, 512, 9);
	ASSERT_EQ(OK(513), raw(disk, T_IN, 5, buf, ARRAY_SIZE(buf)));
	ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, AT(512)), 512, 9));
}

TEST_F(blk, header_and_data_in_one)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf[] = {
		VHDB_OUT(AT(512 - HDR), HDR + 1024), VHDB_IN(STATUS, 1),
	};
	struct vhdb_blk_slot *slot = vhdb_disk_ptr(disk, AT(0));
	struct virtio_blk_outhdr *hdr = vhdb_disk_ptr(disk, AT(512 - HDR));

	vhdb_blk_slot_set(slot, T_OUT, 6);
	*hdr = slot->hdr;
	vhdb_fill(vhdb_disk_ptr(disk, AT(512)), 1024, 10);
	ASSERT_EQ(OK(1), vhdb_disk_raw(disk, 0, buf, 2, &slot->status));
	PEEK_CHECK(6, 1024, 10);
}

TEST_F(blk, status_behind_the_data)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf[] = {
		VHDB_OUT(AT(0), HDR), VHDB_IN(AT(512), 1025),
	};
	__u8 *status = vhdb_disk_ptr(disk, AT(512 + 1024));
	struct vhdb_blk_slot *slot = vhdb_disk_ptr(disk, AT(0));

	PEEK_WRITE(7, 1024, 11);
	vhdb_blk_slot_set(slot, T_IN, 7);
	memset(status, VHDB_UNANSWERED, 2);
	ASSERT_EQ(OK(1025), vhdb_disk_raw(disk, 0, buf, 2, status));
	ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, AT(512)), 1024, 11));
	ASSERT_EQ(VHDB_UNANSWERED, status[1]);
}

TEST_F(blk, zero_length_pieces_are_nothing)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf[] = {
		VHDB_OUT(AT(0), 0), VHDB_OUT(AT(0), 8), VHDB_OUT(0, 0),
		VHDB_OUT(AT(8), 8), VHDB_OUT(-1ULL, 0), VHDB_IN(0, 0),
		VHDB_IN(AT(512), 256), VHDB_IN(1ULL << 63, 0),
		VHDB_IN(AT(768), 256), VHDB_IN(AT(0), 0), VHDB_IN(STATUS, 1),
		VHDB_IN(-1ULL, 0),
	};

	PEEK_WRITE(8, 512, 12);
	ASSERT_EQ(OK(513), raw(disk, T_IN, 8, buf, ARRAY_SIZE(buf)));
	ASSERT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, AT(512)), 512, 12));
}

TEST_F(blk, data_in_a_hundred_pieces)
{
	struct vhdb_disk *disk = &self->rig.disk;
	/* 98 odd pieces apart from each other, then what is missing: 8 KiB */
	struct vhdb_buf data[100];
	char want[8192];
	__u32 sum = 0;
	unsigned int i;
	char *p;

	for (i = 0; i < 100; i++) {
		__u32 len = i < 98 ? 1 + (i * 37) % 150 :
				     i < 99 ? 300 : 8192 - sum;

		data[i] = VHDB_IN(disk->data + i * 8192 + i, len);
		sum += len;
	}
	ASSERT_EQ(8192, sum);
	PEEK_WRITE(9, 8192, 13);
	vhdb_fill(want, 8192, 13);
	memset(vhdb_disk_ptr(disk, disk->data), 0xa5, 101 * 8192);
	ASSERT_EQ(OK(8193), vhdb_disk_iov(disk, 0, T_IN, 9, data, 100));
	for (i = 0, sum = 0; i < 100; sum += data[i++].len) {
		p = vhdb_disk_ptr(disk, data[i].addr);
		ASSERT_EQ(0, memcmp(p, want + sum, data[i].len));
		ASSERT_EQ(0xa5, (__u8)p[data[i].len]);
	}

	for (i = 0; i < 100; i++)
		data[i].in = false;
	ASSERT_EQ(OK(1), vhdb_disk_iov(disk, 0, T_OUT, 99, data, 100));
	PEEK_CHECK(99, 8192, 13);
}

TEST_F(blk, request_spans_regions)
{
	static const __u32 before[] = { 512, 1024, 256, 1, 511, 7 };
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 edge = VHDB_IOVA_DISK + (1ULL << 30) + 65536;
	struct vhdb_blk_slot *slot;
	struct vhdb_buf buf[3];
	char *area, *below, *above, want[2048];
	unsigned int i;

	/* Adjacent for the device; the other way round, and apart, for us */
	area = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	above = area + 4096;
	below = area + (1 << 20) - 4096;
	ASSERT_EQ(0, vhdb_iotlb_update(disk->dev.fd, edge - 4096, 4096, below,
				       VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_iotlb_update(disk->dev.fd, edge, 4096, above,
				       VHOST_ACCESS_RW));

	for (i = 0; i < ARRAY_SIZE(before); i++) {
		__u32 n = before[i];

		PEEK_WRITE(10, 2048, i);
		vhdb_fill(want, 2048, i);
		memset(area, 0xa5, 1 << 20);
		ASSERT_EQ(OK(2049), vhdb_disk_io(disk, 0, T_IN, 10, edge - n,
						 2048));
		ASSERT_EQ(0, memcmp(below + 4096 - n, want, n));
		ASSERT_EQ(0, memcmp(above, want + n, 2048 - n));
		ASSERT_TRUE(vhdb_all(area, 4096, 0xa5));
		ASSERT_TRUE(vhdb_all(above + 2048 - n,
				     below + 4096 - n - (above + 2048 - n),
				     0xa5));
		ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 20, edge - n,
					      2048));
		PEEK_CHECK(20, 2048, i);
	}

	/* A header across the edge; data and status behind each other there */
	slot = vhdb_disk_ptr(disk, disk->data);
	vhdb_blk_slot_set(slot, T_IN, 10);
	memcpy(below + 4096 - 9, &slot->hdr, 9);
	memcpy(above, (char *)&slot->hdr + 9, HDR - 9);
	buf[0] = VHDB_OUT(edge - 9, HDR);
	buf[1] = VHDB_IN(disk->data + 512, 512);
	buf[2] = VHDB_IN(STATUS, 1);
	ASSERT_EQ(OK(513), vhdb_disk_raw(disk, 0, buf, 3, &slot->status));
	buf[0] = VHDB_OUT(disk->data, HDR);
	buf[1] = VHDB_IN(edge - 512, 513);
	*above = (char)VHDB_UNANSWERED;
	ASSERT_EQ(OK(513), vhdb_disk_raw(disk, 0, buf, 2, (__u8 *)above));
	munmap(area, 1 << 20);
}

/* ---- what a queue does with many of them ---- */

TEST_F(blk, full_ring)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_disk_queue *q = &disk->q[0];
	unsigned int round, n, depth = variant->how == VHDB_INDIRECT ?
				       q->vq.vr->num : q->vq.vr->num / 2;

	for (round = 0; round < 3; round++) {
		for (n = 0; !vhdb_disk_submit(disk, 0, T_IN, 0, NULL, 0, n);)
			n++;
		ASSERT_EQ(depth, n);
		vhdb_vq_kick(&q->vq);
		while (n--)
			ASSERT_EQ(OK(1), vhdb_disk_reap(disk, 0, NULL));
		ASSERT_EQ(q->vq.vr->num, q->vq.num_free);
	}
}

TEST_F(blk, counters_add_up)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhost_doorbell_stats a, b, q;

	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, VHOST_DOORBELL_ALL_QUEUES,
				    &a));
	ASSERT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, 0, disk->data, 4096));
	ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 0, disk->data, 1024));
	ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0));
	ASSERT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, -1ULL, disk->data, 512));
	ASSERT_EQ(UNSUPP, vhdb_disk_io(disk, 0, 99, 0, 0, 0));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, VHOST_DOORBELL_ALL_QUEUES,
				    &b));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &q));

	EXPECT_EQ(5, b.requests - a.requests);
	EXPECT_EQ(5, b.completions - a.completions);
	EXPECT_EQ(4096, b.bytes_read - a.bytes_read);
	EXPECT_EQ(1024, b.bytes_written - a.bytes_written);
	EXPECT_EQ(2, b.errors - a.errors);
	EXPECT_EQ(0, b.bounced);
	EXPECT_EQ(0, b.broken);
	EXPECT_LE(1, b.kicks);
	EXPECT_LE(1, b.wakeups);
	EXPECT_GE(disk->q[0].vq.kicks + 1, b.kicks);
	EXPECT_EQ(b.completions, q.completions);
	EXPECT_EQ(b.signals, q.signals);

	/* They outlive a reset. */
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &q));
	EXPECT_EQ(b.completions, q.completions);
}

/* ---- stopped, started and rewired while it works ---- */

#define WRITES	24

/* Writes of 4 KiB, one behind the other, published and kicked, not waited for */
static int post_writes(struct vhdb_disk *disk, __u64 sector, __u32 seed)
{
	unsigned int i;

	for (i = 0; i < WRITES; i++) {
		struct vhdb_buf data = VHDB_OUT(disk->data + i * 4096, 4096);

		vhdb_fill(vhdb_disk_ptr(disk, data.addr), 4096, seed + i);
		if (vhdb_disk_submit(disk, 0, T_OUT, sector + i * 8, &data, 1,
				     i))
			return -ENOSPC;
	}
	vhdb_vq_kick(&disk->q[0].vq);
	return 0;
}

/* All of them answered, each once */
static int reap_writes(struct vhdb_disk *disk)
{
	__u32 seen = 0;
	__u64 token;
	int i;

	for (i = 0; i < WRITES; i++) {
		__s64 answer = vhdb_disk_reap(disk, 0, &token);

		if (answer != OK(1))
			return answer < 0 ? answer : -EIO;
		if (seen & 1u << token)
			return -EBADMSG;
		seen |= 1u << token;
	}
	return vhdb_disk_poll(disk, 0, NULL) == -EAGAIN ? 0 : -EBADMSG;
}

#define CHECK_WRITES(sector, seed)					\
do {									\
	unsigned int __i;						\
									\
	for (__i = 0; __i < WRITES; __i++)				\
		PEEK_CHECK((sector) + __i * 8, 4096, (seed) + __i);	\
} while (0)

/* Where GET_VRING_BASE is to say that the ring stands */
static unsigned int used_base(struct vhdb_disk *disk)
{
	return disk->q[0].vq.ops->base(used_idx(disk));
}

TEST_F(blk, suspend_drains_and_resume_goes_on)
{
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int round, base;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, post_writes(disk, 8, round * 100));
		ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
		ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));
		/* What was taken was answered, and no more is. */
		ASSERT_EQ(base, used_base(disk));
		vhdb_vq_ring(&disk->q[0].vq);
		usleep(2000);
		ASSERT_EQ(base, used_base(disk));
		ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
		ASSERT_EQ(0, reap_writes(disk));
		CHECK_WRITES(8, round * 100);
	}
	ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));
	ASSERT_EQ(used_base(disk), base);
	if (!(disk->dev.features & VHDB_BIT(VIRTIO_F_RING_PACKED)))
		ASSERT_EQ((round * WRITES) & 0xffff, base);
}

/* Set up anew as a VMM does that moves the device: same ring, at @base */
static int start_at(struct vhdb_disk *disk, unsigned int base)
{
	struct vhdb_vring vr = disk->dev.vring[0];
	int ret;

	vr.avail_idx = base;
	ret = vhdb_negotiate(disk->dev.fd, disk->features, NULL);
	if (!ret)
		ret = vhdb_vring_setup(disk->dev.fd, &vr);
	if (!ret)
		ret = __vhdb_set_vring_enable(disk->dev.fd, 0, 1);
	return ret ? ret : vhdb_driver_ok(disk->dev.fd);
}

TEST_F(blk, restart_from_base_loses_nothing)
{
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int round, base;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, post_writes(disk, 8, round * 100));
		if (round & 1) {
			ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
			ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0,
							   &base));
			ASSERT_EQ(base, used_base(disk));
		}
		/* Reset drains, too: what it took is in the used ring. */
		ASSERT_EQ(0, vhdb_reset(disk->dev.fd));
		ASSERT_EQ(0, start_at(disk, used_idx(disk)));
		vhdb_vq_ring(&disk->q[0].vq);
		ASSERT_EQ(0, reap_writes(disk));
		CHECK_WRITES(8, round * 100);
	}
}

TEST_F(blk, queue_disabled_and_enabled)
{
	struct vhdb_disk *disk = &self->rig.disk;
	unsigned int base = 77;
	__u16 start;

	ASSERT_EQ(0, post_writes(disk, 8, 1));
	ASSERT_EQ(0, reap_writes(disk));
	ASSERT_EQ(0, __vhdb_set_vring_enable(disk->dev.fd, 0, 0));
	ASSERT_EQ(0, __vhdb_get_vring_base(disk->dev.fd, 0, &base));

	/* It starts over at the start, with requests that came meanwhile. */
	vhdb_vq_reset(&disk->q[0].vq, disk->q[0].vq.event_idx);
	EXPECT_EQ(used_base(disk), base);
	start = used_idx(disk);
	ASSERT_EQ(0, post_writes(disk, 16, 2));
	usleep(2000);
	ASSERT_EQ(start, used_idx(disk));
	ASSERT_EQ(0, __vhdb_set_vring_enable(disk->dev.fd, 0, 1));
	vhdb_vq_ring(&disk->q[0].vq);
	ASSERT_EQ(0, reap_writes(disk));
	CHECK_WRITES(16, 2);
}

/* Take what was posted without any help of the call eventfd */
static int poll_writes(struct vhdb_disk *disk)
{
	struct vhdb_vring *vr = &disk->dev.vring[0];

	/* All that is out. */
	return vhdb_wait_for(used_idx(disk) == vr->avail_idx) ?
	       reap_writes(disk) : -ETIMEDOUT;
}

/*
 * Writes, after which nobody signalled @quiet. A used entry is seen before its
 * signal is, so a first round only settles what was on its way.
 */
static int writes_leave_quiet(struct vhdb_disk *disk, int quiet,
			      int (*reap)(struct vhdb_disk *disk))
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < 2; i++) {
		vhdb_eventfd_take(quiet);
		ret = post_writes(disk, 8, i);
		if (!ret)
			ret = reap(disk);
	}
	return !ret && vhdb_eventfd_take(quiet) ? -EBUSY : ret;
}

TEST_F(blk, call_changed_while_running)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	int fds[] = { vr->call, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	unsigned int round;

	for (round = 0; round < 10; round++) {
		int old = fds[round & 1], new = fds[~round & 1];

		ASSERT_EQ(0, post_writes(disk, 8, round));
		/* A signal of before may have gone to the old one. */
		ASSERT_EQ(0, __vhdb_set_vring_call(disk->dev.fd, 0, new));
		ASSERT_EQ(0, poll_writes(disk));
		vr->call = new;
		ASSERT_EQ(0, writes_leave_quiet(disk, old, reap_writes));

		ASSERT_EQ(0, __vhdb_set_vring_call(disk->dev.fd, 0, -1));
		ASSERT_EQ(0, writes_leave_quiet(disk, new, poll_writes));
		ASSERT_EQ(0, __vhdb_set_vring_call(disk->dev.fd, 0, new));
		ASSERT_EQ(0, writes_leave_quiet(disk, old, reap_writes));
	}
	/* The library closes the one, the end of the process the other. */
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
