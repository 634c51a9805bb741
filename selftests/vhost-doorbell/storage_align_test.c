// SPDX-License-Identifier: GPL-2.0
/*
 * Where data lies: the RAM disk wants sectors in one piece, and what is not is
 * bounced.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "storage_fixture.h"

/* ---- the RAM disk and where data lies ---- */

static __u64 stat_bounced(struct vhdb_disk *disk)
{
	struct vhost_doorbell_stats s;

	return vhdb_get_stats(disk->dev.fd, 0, &s) ? 0 : s.bounced;
}

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
	struct storage_rig *rig = &self->rig;
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
	struct storage_rig *rig = &self->rig;
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
	struct storage_rig *rig = &self->rig;
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
	struct storage_rig *rig = &self->rig;
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

TEST_HARNESS_MAIN
