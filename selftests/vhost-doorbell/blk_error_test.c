// SPDX-License-Identifier: GPL-2.0
/*
 * What the disk asks of its storage, and what it makes of the answers: on a
 * block device of our own, which counts, fails and stalls as it is told.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_testdisk.h"
#include "blk_fixture.h"

#define T_FLUSH		VIRTIO_BLK_T_FLUSH
#define DISCARD		VIRTIO_BLK_T_DISCARD
#define ZEROES		VIRTIO_BLK_T_WRITE_ZEROES
#define ERASE		VIRTIO_BLK_T_SECURE_ERASE
#define RANGE		sizeof(struct virtio_blk_discard_write_zeroes)
#define NO_FLUSH	(~VHDB_BIT(VIRTIO_BLK_F_FLUSH))

FIXTURE(error) {
	struct vhdb_disk disk;
	int fd;
};

FIXTURE_VARIANT(error) {
	__u64 features;
};

FIXTURE_VARIANT_ADD(error, write_back) { .features = ALL };
FIXTURE_VARIANT_ADD(error, write_through) { .features = NO_FLUSH };

FIXTURE_SETUP(error)
{
	struct vhdb_opts opts = { .queues = 2 };

	memset(&self->disk, 0, sizeof(self->disk));
	self->fd = vhdb_present() ? vhdb_testdisk_open() : -ENODEV;
	if (self->fd == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no test module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vhdb_disk_create(&self->disk, self->fd, &opts,
				      variant->features, DATA_BYTES));
	ASSERT_EQ(0, vhdb_disk_start(&self->disk));
}

FIXTURE_TEARDOWN(error)
{
	vhdb_testdisk_set("hold_op", VHDB_OP_NONE);
	vhdb_disk_destroy(&self->disk);
	EXPECT_EQ(0, vhdb_testdisk_close(self->fd));
}

/* Ranges of 8 sectors, 16 apart, from @sector on, at the start of the data */
static struct vhdb_buf ranges(struct vhdb_disk *disk, __u64 sector, __u32 nr,
			      __u32 flags, unsigned int count)
{
	struct virtio_blk_discard_write_zeroes *seg =
		vhdb_disk_ptr(disk, disk->data);
	unsigned int i;

	for (i = 0; i < count; i++) {
		seg[i].sector = htole64(sector + 16 * i);
		seg[i].num_sectors = htole32(nr);
		seg[i].flags = htole32(flags);
	}
	return VHDB_OUT(disk->data, count * RANGE);
}

static __s64 trim(struct vhdb_disk *disk, __u32 type, __u64 sector, __u32 nr,
		  __u32 flags, unsigned int count)
{
	struct vhdb_buf buf = ranges(disk, sector, nr, flags, count);

	return vhdb_disk_iov(disk, 0, type, 0, &buf, 1);
}

TEST_F(error, limits_are_the_devices)
{
	struct vhdb_disk *disk = &self->disk;
	struct virtio_blk_config c;

	ASSERT_EQ(0, __vhdb_get_config(disk->dev.fd, 0,
				       offsetof(typeof(c),
						secure_erase_sector_alignment) +
				       4, &c));
	EXPECT_EQ(VHDB_TESTDISK_LIMIT, le32toh(c.max_discard_sectors));
	EXPECT_EQ(VHDB_TESTDISK_GRANULE, le32toh(c.discard_sector_alignment));
	EXPECT_NE(0, disk->dev.features & VHDB_BIT(VIRTIO_BLK_F_SECURE_ERASE));
	EXPECT_EQ(VHDB_TESTDISK_LIMIT, le32toh(c.max_secure_erase_sectors));
	EXPECT_EQ(VHDB_TESTDISK_GRANULE,
		  le32toh(c.secure_erase_sector_alignment));
	EXPECT_LE(1, le32toh(c.max_secure_erase_seg));
	/* The kernel divides these. */
	EXPECT_LT(VHDB_TESTDISK_LIMIT, le32toh(c.max_write_zeroes_sectors));
	EXPECT_EQ(1, c.write_zeroes_may_unmap);

	EXPECT_EQ(IOERR, trim(disk, DISCARD, 0, VHDB_TESTDISK_LIMIT + 8, 0, 1));
	EXPECT_EQ(IOERR, trim(disk, ERASE, 0, VHDB_TESTDISK_LIMIT + 8, 0, 1));
	EXPECT_EQ(0, vhdb_testdisk_get("discards"));
	EXPECT_EQ(0, vhdb_testdisk_get("erases"));
	EXPECT_EQ(OK(1), trim(disk, DISCARD, 0, VHDB_TESTDISK_LIMIT, 0, 1));
	EXPECT_EQ(OK(1), trim(disk, ERASE, 0, VHDB_TESTDISK_LIMIT, 0, 1));
	EXPECT_EQ(VHDB_TESTDISK_LIMIT, vhdb_testdisk_get("last_sectors"));
}

TEST_F(error, each_range_reaches_the_device)
{
	struct vhdb_disk *disk = &self->disk;

	EXPECT_EQ(OK(1), trim(disk, DISCARD, 8, 8, 0, 5));
	EXPECT_EQ(5, vhdb_testdisk_get("discards"));
	EXPECT_EQ(8 + 4 * 16, vhdb_testdisk_get("last_sector"));
	EXPECT_EQ(8, vhdb_testdisk_get("last_sectors"));

	EXPECT_EQ(OK(1), trim(disk, ERASE, 800, 8, 0, 3));
	EXPECT_EQ(3, vhdb_testdisk_get("erases"));
	EXPECT_EQ(800 + 2 * 16, vhdb_testdisk_get("last_sector"));
	EXPECT_EQ(8, vhdb_testdisk_get("last_sectors"));
	/* 5.2.6.2: no flag is known to it */
	EXPECT_EQ(UNSUPP, trim(disk, ERASE, 800, 8, 1, 1));
	EXPECT_EQ(UNSUPP, trim(disk, ERASE, 800, 8, 2, 1));
	EXPECT_EQ(IOERR, trim(disk, ERASE, VHDB_TESTDISK_SECTORS, 8, 0, 1));
	EXPECT_EQ(3, vhdb_testdisk_get("erases"));

	/* Whether it may deallocate is the driver's choice. */
	EXPECT_EQ(OK(1), trim(disk, ZEROES, 1600, 8, 0, 4));
	EXPECT_EQ(4, vhdb_testdisk_get("zeroes"));
	EXPECT_EQ(4, vhdb_testdisk_get("zeroes_kept"));
	EXPECT_EQ(OK(1), trim(disk, ZEROES, 1600, 8, 1, 2));
	EXPECT_EQ(6, vhdb_testdisk_get("zeroes"));
	EXPECT_EQ(4, vhdb_testdisk_get("zeroes_kept"));
	EXPECT_EQ(1616, vhdb_testdisk_get("last_sector"));
	EXPECT_EQ(0, vhdb_testdisk_get("writes"));
}

/* 5.2.6.2: without FLUSH the driver takes what it wrote for stable. */
TEST_F(error, zeroes_are_stable_without_flush)
{
	struct vhdb_disk *disk = &self->disk;
	bool through = variant->features == NO_FLUSH;
	long before = vhdb_testdisk_get("flushes");

	EXPECT_EQ(OK(1), trim(disk, ZEROES, 0, 8, 0, 2));
	EXPECT_EQ(through, vhdb_testdisk_get("flushes") - before);
	EXPECT_EQ(OK(1), trim(disk, DISCARD, 0, 8, 0, 2));
	EXPECT_EQ(through, vhdb_testdisk_get("flushes") - before);
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 0, disk->data, 512));
	EXPECT_EQ(through, vhdb_testdisk_get("fua"));
}

static void fail(int op, int error)
{
	vhdb_testdisk_set("fail_errno", error);
	vhdb_testdisk_set("fail_op", op);
}

TEST_F(error, zeroes_are_written_where_there_is_no_other_way)
{
	struct vhdb_disk *disk = &self->disk;

	/* It promised what it cannot do. */
	fail(VHDB_OP_WRITE_ZEROES, EOPNOTSUPP);
	EXPECT_EQ(OK(1), trim(disk, ZEROES, 64, 4096, 0, 1));
	EXPECT_LE(1, vhdb_testdisk_get("writes"));
	EXPECT_EQ(0, vhdb_testdisk_get("nonzero"));
	EXPECT_EQ(0, vhdb_testdisk_get("zeroes"));
	/* The test would notice other bytes. */
	memset(vhdb_disk_ptr(disk, disk->data), 1, 512);
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 0, disk->data, 512));
	EXPECT_EQ(1, vhdb_testdisk_get("nonzero"));
}

/* Submit one request of @type, and take its answer. */
static __s64 ask(struct vhdb_disk *disk, __u32 type)
{
	if (type == T_IN || type == T_OUT)
		return vhdb_disk_io(disk, 0, type, 0, disk->data, 4096);
	if (type == T_FLUSH)
		return vhdb_disk_io(disk, 0, type, 0, 0, 0);
	return trim(disk, type, 0, 8, 0, 3);
}

TEST_F(error, each_error_has_its_answer)
{
	static const struct {
		__u32 type;
		int op;
	} types[] = {
		{ T_IN, VHDB_OP_READ }, { T_OUT, VHDB_OP_WRITE },
		{ T_FLUSH, VHDB_OP_WRITE }, { DISCARD, VHDB_OP_DISCARD },
		{ ERASE, VHDB_OP_SECURE_ERASE },
	};
	static const int errors[] = { EIO, ETIMEDOUT, ENOSPC, EOPNOTSUPP };
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_stats a, b;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (j = 0; j < ARRAY_SIZE(errors); j++) {
			bool unsupp = errors[j] == EOPNOTSUPP && i > 2;

			ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &a));
			fail(types[i].op, errors[j]);
			EXPECT_EQ(unsupp ? UNSUPP : IOERR,
				  ask(disk, types[i].type))
				TH_LOG("type %u, errno %d", types[i].type,
				       errors[j]);
			fail(VHDB_OP_NONE, 0);
			ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &b));
			EXPECT_EQ(1, b.errors - a.errors);
			EXPECT_EQ(unsupp, b.unsupported - a.unsupported);
			EXPECT_EQ(errors[j] == ENOSPC, b.no_space - a.no_space);
		}
		/* It does when the storage does. */
		EXPECT_EQ(VIRTIO_BLK_S_OK, ask(disk, types[i].type) & 0xff);
	}
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Lines of the kernel's log, from where @kmsg stands to its end */
static int lines_with(int kmsg, const char *what)
{
	char record[8192];
	int lines = 0;
	ssize_t len;

	for (;;) {
		len = read(kmsg, record, sizeof(record) - 1);
		if (len <= 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return lines;
		record[len] = '\0';
		lines += !!strstr(record, what);
	}
}

TEST_F(error, full_storage_is_logged_and_does_not_flood)
{
	static const char text[] = "no space left under vhdb_test";
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), before;
	const unsigned int total = 400;
	struct vhdb_disk *disk = &self->disk;
	unsigned int i;

	ASSERT_LE(0, kmsg);
	before = lines_with(kmsg, text);
	fail(VHDB_OP_WRITE, ENOSPC);
	for (i = 0; i < total; i++)
		ASSERT_EQ(IOERR, ask(disk, T_OUT));
	/* Ten in five seconds; even an emulated machine is faster. */
	EXPECT_GT(total / 2, lines_with(kmsg, text));
	/* What came a moment ago may have used up this moment's lines. */
	lseek(kmsg, 0, SEEK_SET);
	EXPECT_LE(1, before + lines_with(kmsg, text));
	close(kmsg);
}

/* ---- storage that does not answer ---- */

static bool taken(struct vhdb_disk *disk, unsigned int n)
{
	struct vhost_doorbell_stats s;

	return !vhdb_get_stats(disk->dev.fd, 0, &s) && s.requests == n;
}

/* One worker serves both queues: it does not wait for the storage. */
TEST_F(error, nothing_waits_for_a_stalled_one)
{
	static const struct {
		__u32 type;
		int op;
	} types[] = {
		{ DISCARD, VHDB_OP_DISCARD }, { ERASE, VHDB_OP_SECURE_ERASE },
		{ ZEROES, VHDB_OP_WRITE_ZEROES },
	};
	struct vhdb_disk *disk = &self->disk;
	struct vhdb_buf buf = ranges(disk, 0, 8, 0, 3);
	unsigned int i, j, n = 0;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, vhdb_testdisk_set("hold_op", types[i].op));
		for (j = 0; j < 40; j++)
			ASSERT_EQ(0, vhdb_disk_submit(disk, 0, types[i].type,
						      0, &buf, 1, j));
		vhdb_vq_kick(&disk->q[0].vq);
		n += 40;
		EXPECT_TRUE(vhdb_wait_for(taken(disk, n)));
		EXPECT_EQ(OK(513), vhdb_disk_io(disk, 1, T_IN, 0,
						disk->data + 65536, 512));
		EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));

		ASSERT_EQ(0, vhdb_testdisk_set("hold_op", VHDB_OP_NONE));
		for (j = 0; j < 40; j++)
			ASSERT_EQ(OK(1), vhdb_disk_reap(disk, 0, NULL));
		EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	}
}

TEST_HARNESS_MAIN
