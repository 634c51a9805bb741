// SPDX-License-Identifier: GPL-2.0
/*
 * DISCARD and WRITE_ZEROES (virtio 1.3, 5.2.6) on every kind of backing: what
 * they do to the sectors that are meant, that they do nothing to others, and
 * each way to ask wrongly, which does nothing at all.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "blk_fixture.h"

#define DISCARD		VIRTIO_BLK_T_DISCARD
#define ZEROES		VIRTIO_BLK_T_WRITE_ZEROES
#define ERASE		VIRTIO_BLK_T_SECURE_ERASE
#define UNMAP		VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

#define F_DISCARD	VHDB_BIT(VIRTIO_BLK_F_DISCARD)
#define F_ZEROES	VHDB_BIT(VIRTIO_BLK_F_WRITE_ZEROES)
#define F_ERASE		VHDB_BIT(VIRTIO_BLK_F_SECURE_ERASE)

#define HDR		sizeof(struct virtio_blk_outhdr)
#define RANGE		sizeof(struct virtio_blk_discard_write_zeroes)
#define RANGES_MAX	32		/* config.max_discard_seg and its like */
#define SEED		7
#define PATTERN		524288		/* bytes at the start that are checked */

struct range {
	__u64 sector;
	__u32 nr;
	__u32 flags;
};

/* Puts ranges into the data space, for the driver's data buffer. */
static void put_ranges(struct vhdb_disk *disk, const struct range *r,
		       unsigned int nr)
{
	struct virtio_blk_discard_write_zeroes *seg =
		vhdb_disk_ptr(disk, disk->data);

	for (; nr--; r++, seg++) {
		seg->sector = htole64(r->sector);
		seg->num_sectors = htole32(r->nr);
		seg->flags = htole32(r->flags);
	}
}

static __s64 trim(struct vhdb_disk *disk, __u32 type, const struct range *r,
		  unsigned int nr)
{
	struct vhdb_buf buf = VHDB_OUT(disk->data, nr * RANGE);

	put_ranges(disk, r, nr);
	return vhdb_disk_iov(disk, 0, type, 0, &buf, nr ? 1 : 0);
}

static __s64 trim_one(struct vhdb_disk *disk, __u32 type, __u64 sector,
		      __u32 nr, __u32 flags)
{
	struct range r = { sector, nr, flags };

	return trim(disk, type, &r, 1);
}

/*
 * Is all of the pattern there, but for @nr sectors from @sector on, which are
 * zero? (After a discard, which promises nothing, they are not looked at.)
 */
static int check(int fd, __u64 sector, __u32 nr, bool zero)
{
	size_t from = sector * VHDB_SECTOR, len = (size_t)nr * VHDB_SECTOR;
	int ret = -EILSEQ;
	char *want, *got;

	want = malloc(PATTERN);
	if (posix_memalign((void **)&got, 4096, PATTERN) || !want)
		return -ENOMEM;
	vhdb_fill(want, PATTERN, SEED);
	if (pread(fd, got, PATTERN, 0) != PATTERN)
		ret = -EIO;
	else if (!memcmp(want, got, from) &&
		 !memcmp(want + from + len, got + from + len,
			 PATTERN - from - len) &&
		 (!zero || !len || vhdb_all(got + from, len, 0)))
		ret = 0;
	free(want);
	free(got);
	return ret;
}

FIXTURE(trim) {
	struct rig rig;
};

FIXTURE_VARIANT(trim) {
	enum kind kind;
	bool discard;		/* it is offered; else the kernel decides */
	__u64 ask;		/* features that are offered on request */
};

FIXTURE_VARIANT_ADD(trim, file) { .kind = FILE_BUFFERED, .discard = true };
FIXTURE_VARIANT_ADD(trim, file_direct) { .kind = FILE_DIRECT, .discard = true };
/* No FALLOC_FL_ZERO_RANGE */
FIXTURE_VARIANT_ADD(trim, tmpfs) { .kind = FILE_TMPFS, .discard = true };
FIXTURE_VARIANT_ADD(trim, loop) { .kind = LOOP, .discard = true };
FIXTURE_VARIANT_ADD(trim, loop_in_order) {
	.kind = LOOP, .discard = true,
	.ask = VHDB_BIT(VIRTIO_F_RING_PACKED) | VHDB_BIT(VIRTIO_F_IN_ORDER),
};

/* Zeroes are written; discards came to brd later than 6.1. */
FIXTURE_VARIANT_ADD(trim, ram) { .kind = RAM };

FIXTURE_SETUP(trim)
{
	struct vhdb_opts opts = { .require = variant->ask };
	int ret = rig_create(&self->rig, variant->kind, &opts, ALL);

	if (ret == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no such backing");
	ASSERT_EQ(0, ret);
	PEEK_WRITE(0, PATTERN, SEED);
}

FIXTURE_TEARDOWN(trim)
{
	rig_destroy(&self->rig);
}

static int get_config(struct vhdb_disk *disk, struct virtio_blk_config *config)
{
	return __vhdb_get_config(disk->dev.fd, 0,
				 offsetof(struct virtio_blk_config,
					  secure_erase_sector_alignment) + 4,
				 config);
}

static bool can_discard(struct vhdb_disk *disk)
{
	return disk->dev.features & F_DISCARD;
}

TEST_F(trim, config_space)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct virtio_blk_config c;
	__u32 block;

	ASSERT_EQ(0, get_config(disk, &c));
	block = le32toh(c.blk_size) / VHDB_SECTOR;
	ASSERT_NE(0, disk->dev.features & F_ZEROES);
	EXPECT_LE(2048, le32toh(c.max_write_zeroes_sectors));
	EXPECT_EQ(RANGES_MAX, le32toh(c.max_write_zeroes_seg));
	EXPECT_EQ(variant->kind != RAM, c.write_zeroes_may_unmap);
	if (variant->discard)
		ASSERT_TRUE(can_discard(disk));
	if (can_discard(disk)) {
		EXPECT_LE(2048, le32toh(c.max_discard_sectors));
		EXPECT_EQ(RANGES_MAX, le32toh(c.max_discard_seg));
		EXPECT_LE(block, le32toh(c.discard_sector_alignment));
		EXPECT_EQ(0, le32toh(c.discard_sector_alignment) % block);
	}
	/* None of these can erase for good. */
	EXPECT_EQ(0, disk->dev.features & F_ERASE);
	EXPECT_EQ(0, c.max_secure_erase_sectors);
	EXPECT_EQ(0, c.max_secure_erase_seg);
	EXPECT_EQ(0, c.secure_erase_sector_alignment);
	EXPECT_EQ(UNSUPP, trim_one(disk, ERASE, 0, 8, 0));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
}

TEST_F(trim, zeroes_are_read_back)
{
	static const struct range ranges[] = {
		{ 0, 8, 0 }, { 8, 8, UNMAP }, { 17, 1, 0 }, { 33, 7, UNMAP },
		{ 65, 127, 0 }, { 255, 130, UNMAP }, { 1016, 8, 0 },
		{ 1023, 1, UNMAP },
	};
	struct vhdb_disk *disk = &self->rig.disk;
	struct virtio_blk_config c;
	unsigned int i;

	ASSERT_EQ(0, get_config(disk, &c));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		const struct range *r = &ranges[i];

		if ((r->sector | r->nr) & (le32toh(c.blk_size) / 512 - 1))
			continue;
		ASSERT_EQ(OK(1), trim(disk, ZEROES, r, 1));
		ASSERT_EQ(0, check(self->rig.peek, r->sector, r->nr, true))
			TH_LOG("range %u", i);
		/* The guest sees the same. */
		memset(vhdb_disk_ptr(disk, disk->data), 0xa5, 512);
		ASSERT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, r->sector,
						disk->data, 512));
		ASSERT_TRUE(vhdb_all(vhdb_disk_ptr(disk, disk->data), 512, 0));
		PEEK_WRITE(0, PATTERN, SEED);
	}
}

/* Bytes that a file really has */
static long allocated(int fd)
{
	struct stat st;

	return fsync(fd) || fstat(fd, &st) ? -1 : st.st_blocks * 512;
}

TEST_F(trim, discard_spares_the_rest)
{
	struct vhdb_disk *disk = &self->rig.disk;
	int fd = self->rig.backing.fd;
	long before = allocated(fd);

	if (!can_discard(disk)) {
		EXPECT_FALSE(variant->discard);
		EXPECT_EQ(UNSUPP, trim_one(disk, DISCARD, 0, 8, 0));
		return;
	}
	ASSERT_EQ(OK(1), trim_one(disk, DISCARD, 128, 256, 0));
	ASSERT_EQ(0, check(self->rig.peek, 128, 256, false));
	/* The room is the file system's again. */
	if (!self->rig.backing.block)
		EXPECT_EQ(256 * VHDB_SECTOR, before - allocated(fd));
	/* And the guest's to write. */
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), 131072, 9);
	ASSERT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 128, disk->data, 131072));
	PEEK_CHECK(128, 131072, 9);
}

TEST_F(trim, unmap_is_the_drivers_choice)
{
	struct vhdb_disk *disk = &self->rig.disk;
	int fd = self->rig.backing.fd;
	long before = allocated(fd);

	if (self->rig.backing.block)
		return;
	ASSERT_EQ(OK(1), trim_one(disk, ZEROES, 128, 256, 0));
	EXPECT_EQ(before, allocated(fd));
	ASSERT_EQ(OK(1), trim_one(disk, ZEROES, 128, 256, UNMAP));
	EXPECT_EQ(256 * VHDB_SECTOR, before - allocated(fd));
	ASSERT_EQ(0, check(self->rig.peek, 128, 256, true));
}

TEST_F(trim, many_ranges)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct range r[RANGES_MAX + 1];
	unsigned int i;

	for (i = 0; i <= RANGES_MAX; i++)
		r[i] = (struct range){ 8 * i, 8, i & 1 };
	/* 5.2.6.1: no more than max_write_zeroes_seg */
	EXPECT_EQ(IOERR, trim(disk, ZEROES, r, RANGES_MAX + 1));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	/* The last one would go too far; the others are not begun. */
	r[RANGES_MAX - 1].sector = sectors(&self->rig.backing);
	EXPECT_EQ(IOERR, trim(disk, ZEROES, r, RANGES_MAX));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	r[RANGES_MAX - 1].sector = 8 * (RANGES_MAX - 1);
	EXPECT_EQ(OK(1), trim(disk, ZEROES, r, RANGES_MAX));
	EXPECT_EQ(0, check(self->rig.peek, 0, 8 * RANGES_MAX, true));

	if (!can_discard(disk))
		return;
	for (i = 0; i <= RANGES_MAX; i++)
		r[i] = (struct range){ 512 + 8 * i, 8, 0 };
	PEEK_WRITE(0, PATTERN, SEED);
	EXPECT_EQ(IOERR, trim(disk, DISCARD, r, RANGES_MAX + 1));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	EXPECT_EQ(OK(1), trim(disk, DISCARD, r, RANGES_MAX));
	EXPECT_EQ(0, check(self->rig.peek, 512, 8 * RANGES_MAX, false));
}

TEST_F(trim, refused)
{
	__u64 end = sectors(&self->rig.backing);
	struct vhdb_disk *disk = &self->rig.disk;
	struct virtio_blk_config c;
	struct {
		struct range r;
		__s64 discard, zeroes;
	} tests[] = {
		/* 5.2.6.2: unknown flags, and unmap in a discard */
		{ { 0, 8, 1 }, UNSUPP, OK(1) },
		{ { 0, 8, 2 }, UNSUPP, UNSUPP },
		{ { 0, 8, 3 }, UNSUPP, UNSUPP },
		{ { 0, 8, 1u << 31 }, UNSUPP, UNSUPP },
		/* Both wrong: UNSUPP is a MUST. */
		{ { end, 8, 2 }, UNSUPP, UNSUPP },
		{ { end - 8, 16, 0 }, IOERR, IOERR },
		{ { end, 8, 0 }, IOERR, IOERR },
		{ { end + 8, 0, 0 }, IOERR, IOERR },
		{ { end + 8, 8, 0 }, IOERR, IOERR },
		{ { 1ULL << 55, 8, 0 }, IOERR, IOERR },
		{ { -8ULL, 8, 0 }, IOERR, IOERR },
		{ { -8ULL, 16, 0 }, IOERR, IOERR },
		{ { 0, -1u, 0 }, IOERR, IOERR },
		{ { 0, -8u, 0 }, IOERR, IOERR },
		/* Nothing at all is no error. */
		{ { 0, 0, 0 }, OK(1), OK(1) },
		{ { end, 0, 0 }, OK(1), OK(1) },
	};
	struct vhost_doorbell_stats s;
	unsigned int i, unsupp = 0;

	ASSERT_EQ(0, get_config(disk, &c));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (can_discard(disk))
			EXPECT_EQ(tests[i].discard, trim(disk, DISCARD,
							 &tests[i].r, 1))
				TH_LOG("discard %u", i);
		if (tests[i].zeroes != OK(1) || !tests[i].r.nr)
			EXPECT_EQ(tests[i].zeroes, trim(disk, ZEROES,
							&tests[i].r, 1))
				TH_LOG("zeroes %u", i);
		unsupp += can_discard(disk) && tests[i].discard == UNSUPP;
		unsupp += tests[i].zeroes == UNSUPP;
	}
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));

	/* More than config space has, on a disk that is large enough */
	if (end > le32toh(c.max_write_zeroes_sectors)) {
		EXPECT_EQ(IOERR, trim_one(disk, ZEROES, 0,
					  le32toh(c.max_write_zeroes_sectors) +
					  8, 0));
		EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	}
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(unsupp, s.unsupported);
	EXPECT_LT(unsupp, s.errors);
	EXPECT_EQ(0, s.no_space);
	EXPECT_EQ(0, s.broken);
}

TEST_F(trim, a_bad_range_spares_the_good)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct range r[] = { { 0, 8, 0 }, { 16, 8, 0 }, { 32, 8, 0 } };

	r[1].flags = 4;
	EXPECT_EQ(UNSUPP, trim(disk, ZEROES, r, 3));
	r[1].flags = 0;
	r[1].sector = -8ULL;
	EXPECT_EQ(IOERR, trim(disk, ZEROES, r, 3));
	r[2].flags = 4;
	EXPECT_EQ(UNSUPP, trim(disk, ZEROES, r, 3));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
}

TEST_F(trim, parts_of_ranges)
{
	static const __u32 lens[] = { 1, 8, 15, 17, 24, 31, 33 };
	struct vhdb_disk *disk = &self->rig.disk;
	struct vhdb_buf buf = VHDB_OUT(disk->data, 16);
	struct range r[] = { { 0, 8, 0 }, { 8, 8, 0 }, { 16, 8, 0 } };
	unsigned int i;

	put_ranges(disk, r, 3);
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, ZEROES, 0, NULL, 0));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		buf.len = lens[i];
		EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, ZEROES, 0, &buf, 1));
	}
	/* In the wrong direction, or with room for an answer that has no data */
	buf = VHDB_IN(disk->data, 16);
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, ZEROES, 0, &buf, 1));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	/* Not mapped */
	buf = VHDB_OUT(0, 16);
	EXPECT_EQ(IOERR, vhdb_disk_iov(disk, 0, ZEROES, 0, &buf, 1));
}

TEST_F(trim, ranges_in_any_pieces)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct range r[] = { { 0, 8, 0 }, { 8, 8, UNMAP } };
	struct vhdb_buf buf[] = {
		VHDB_OUT(disk->data, 3), VHDB_OUT(disk->data + 3, 12),
		VHDB_OUT(disk->data + 15, 16), VHDB_OUT(disk->data + 31, 1),
	};
	struct vhdb_blk_slot *slot;
	struct vhdb_buf one[2];

	put_ranges(disk, r, 2);
	ASSERT_EQ(OK(1), vhdb_disk_iov(disk, 0, ZEROES, 0, buf, 4));
	ASSERT_EQ(0, check(self->rig.peek, 0, 16, true));

	/* Header and range in one descriptor */
	PEEK_WRITE(0, PATTERN, SEED);
	slot = vhdb_disk_ptr(disk, disk->data + 512);
	vhdb_blk_slot_set(slot, ZEROES, 0);
	memcpy(vhdb_disk_ptr(disk, disk->data + 1024), &slot->hdr, HDR);
	memcpy(vhdb_disk_ptr(disk, disk->data + 1024 + HDR),
	       vhdb_disk_ptr(disk, disk->data), RANGE);
	one[0] = VHDB_OUT(disk->data + 1024, HDR + RANGE);
	one[1] = VHDB_IN(disk->data + 512 +
			 offsetof(struct vhdb_blk_slot, status), 1);
	ASSERT_EQ(OK(1), vhdb_disk_raw(disk, 0, one, 2, &slot->status));
	ASSERT_EQ(0, check(self->rig.peek, 0, 8, true));
}

/* Behind a reader and in front of a writer: one queue, all kinds, all answered */
TEST_F(trim, among_others)
{
	struct vhdb_disk *disk = &self->rig.disk;
	struct range r = { 0, 8, 0 };
	unsigned int i;

	put_ranges(disk, &r, 1);
	for (i = 0; i < 60; i++) {
		struct vhdb_buf range = VHDB_OUT(disk->data, RANGE);
		struct vhdb_buf data = VHDB_OUT(disk->data + 4096 * (i + 1),
						4096);

		switch (i % 3) {
		case 0:
			ASSERT_EQ(0, vhdb_disk_submit(disk, 0, ZEROES, 0,
						      &range, 1, i));
			break;
		case 1:
			vhdb_fill(vhdb_disk_ptr(disk, data.addr), 4096, i);
			ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_OUT, 8 * i,
						      &data, 1, i));
			break;
		default:
			data.in = true;
			ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 1016,
						      &data, 1, i));
		}
	}
	vhdb_vq_kick(&disk->q[0].vq);
	for (i = 0; i < 60; i++) {
		__u64 token;
		__s64 answer = vhdb_disk_reap(disk, 0, &token);

		ASSERT_EQ(token % 3 == 2 ? OK(4097) : OK(1), answer);
	}
	EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	for (i = 1; i < 60; i += 3)
		PEEK_CHECK(8 * i, 4096, i);
}

/* ---- what is offered to whom ---- */

FIXTURE(offer) {
	struct rig rig;
};

FIXTURE_SETUP(offer)
{
	memset(&self->rig, 0, sizeof(self->rig));
}

FIXTURE_TEARDOWN(offer)
{
	rig_destroy(&self->rig);
}

TEST_F(offer, not_negotiated)
{
	struct vhdb_disk *disk = &self->rig.disk;

	ASSERT_EQ(0, rig_create(&self->rig, FILE_TMPFS, NULL,
				~(F_DISCARD | F_ZEROES)));
	PEEK_WRITE(0, PATTERN, SEED);
	EXPECT_EQ(UNSUPP, trim_one(disk, DISCARD, 0, 8, 0));
	EXPECT_EQ(UNSUPP, trim_one(disk, ZEROES, 0, 8, 0));
	EXPECT_EQ(UNSUPP, trim_one(disk, ERASE, 0, 8, 0));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
}

TEST_F(offer, read_only)
{
	struct vhdb_opts opts = { .ro = true };
	struct vhdb_disk *disk = &self->rig.disk;
	struct virtio_blk_config c;

	ASSERT_EQ(0, rig_create(&self->rig, FILE_TMPFS, &opts, ALL));
	PEEK_WRITE(0, PATTERN, SEED);
	EXPECT_EQ(0, disk->dev.features & (F_DISCARD | F_ZEROES | F_ERASE));
	ASSERT_EQ(0, get_config(disk, &c));
	EXPECT_EQ(0, c.max_discard_sectors);
	EXPECT_EQ(0, c.max_write_zeroes_sectors);
	EXPECT_EQ(UNSUPP, trim_one(disk, DISCARD, 0, 8, 0));
	EXPECT_EQ(UNSUPP, trim_one(disk, ZEROES, 0, 8, 0));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
}

TEST_F(offer, masked_at_attach)
{
	struct vhdb_opts opts = { .allow = ~(F_DISCARD | F_ZEROES) &
					   ((1ULL << 24) - 1) };
	struct vhdb_disk *disk = &self->rig.disk;

	ASSERT_EQ(0, rig_create(&self->rig, FILE_TMPFS, &opts, ALL));
	EXPECT_EQ(0, disk->dev.features & (F_DISCARD | F_ZEROES));
	EXPECT_EQ(UNSUPP, trim_one(disk, DISCARD, 0, 8, 0));
}

TEST_F(offer, whole_blocks_only)
{
	struct vhdb_opts opts = { .lbs = 4096 };
	struct vhdb_disk *disk = &self->rig.disk;

	ASSERT_EQ(0, rig_create(&self->rig, FILE_TMPFS, &opts, ALL));
	PEEK_WRITE(0, PATTERN, SEED);
	EXPECT_EQ(IOERR, trim_one(disk, ZEROES, 0, 4, 0));
	EXPECT_EQ(IOERR, trim_one(disk, ZEROES, 4, 8, 0));
	EXPECT_EQ(IOERR, trim_one(disk, DISCARD, 8, 12, 0));
	EXPECT_EQ(0, check(self->rig.peek, 0, 0, true));
	EXPECT_EQ(OK(1), trim_one(disk, ZEROES, 8, 8, 0));
	EXPECT_EQ(0, check(self->rig.peek, 8, 8, true));
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
