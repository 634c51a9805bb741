// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that grows: by UPDATE, and a block device by itself; with requests in
 * flight, and refused where it would shrink.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_bell.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_testdisk.h"
#include "blk_fixture.h"

#define MIB	(1ULL << 20)

static int update(int fd, struct vhost_doorbell_update *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	return __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, arg);
}

/* What the driver reads */
static __u64 capacity(struct vhdb_disk *disk)
{
	__le64 sectors = 0;

	__vhdb_get_config(disk->dev.fd, 0, sizeof(sectors), &sectors);
	return le64toh(sectors) * VHDB_SECTOR;
}

static __u64 interrupts(struct vhdb_disk *disk)
{
	return vhdb_eventfd_take(disk->config_call);
}

FIXTURE(grow) {
	struct rig rig;
};

FIXTURE_VARIANT(grow) {
	enum kind kind;
	__u64 ask;
};

FIXTURE_VARIANT_ADD(grow, file) { .kind = FILE_BUFFERED };
FIXTURE_VARIANT_ADD(grow, file_direct) { .kind = FILE_DIRECT };
FIXTURE_VARIANT_ADD(grow, packed) {
	.kind = FILE_TMPFS, .ask = VHDB_BIT(VIRTIO_F_RING_PACKED),
};

FIXTURE_SETUP(grow)
{
	struct vhdb_opts opts = { .require = variant->ask, .lbs = 4096 };
	int ret = rig_create(&self->rig, variant->kind, &opts, ALL);

	if (ret == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no such backing");
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(grow)
{
	rig_destroy(&self->rig);
}

TEST_F(grow, by_update)
{
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 size = self->rig.backing.size, end = size / VHDB_SECTOR;
	struct vhost_doorbell_update u;

	ASSERT_EQ(size, capacity(disk));
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + 2 * MIB));
	/* The guest knows nothing yet. */
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, end, disk->data, 4096));
	EXPECT_EQ(size, capacity(disk));
	EXPECT_EQ(0, interrupts(disk));

	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(size + 2 * MIB, u.bytes);
	EXPECT_EQ(sizeof(u), u.size);
	EXPECT_EQ(1, interrupts(disk));
	EXPECT_EQ(size + 2 * MIB, capacity(disk));
	vhdb_fill(vhdb_disk_ptr(disk, disk->data), 65536, 5);
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, end - 8, disk->data,
				      65536));
	PEEK_CHECK(end - 8, 65536, 5);
	EXPECT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, end + 4088, disk->data,
					 4096));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, end + 4096, disk->data,
				      4096));

	/* Nothing new: nobody is disturbed. */
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(size + 2 * MIB, u.bytes);
	/* Nor by what is no whole block */
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + 2 * MIB + 4095));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(size + 2 * MIB, u.bytes);
	EXPECT_EQ(0, interrupts(disk));
}

TEST_F(grow, never_shrinks)
{
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 size = self->rig.backing.size, end = size / VHDB_SECTOR;
	struct vhost_doorbell_update u;

	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size - MIB / 2));
	ASSERT_EQ(-EFBIG, update(disk->dev.fd, &u));
	EXPECT_EQ(0, interrupts(disk));
	EXPECT_EQ(size, capacity(disk));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, end - 8, disk->data,
				      4096));
	EXPECT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, 0, disk->data, 4096));

	/* As it was is nothing new. */
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(0, interrupts(disk));
	EXPECT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, end - 8, disk->data,
					 4096));
}

TEST_F(grow, in_every_state)
{
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 size = self->rig.backing.size;
	struct vhost_doorbell_update u;

	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + MIB));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(1, interrupts(disk));
	ASSERT_EQ(0, __vhdb_resume(disk->dev.fd));
	EXPECT_EQ(OK(4097), vhdb_disk_io(disk, 0, T_IN, size / VHDB_SECTOR,
					 disk->data, 4096));

	/* Nobody to be told, and it is true all the same. */
	ASSERT_EQ(0, __vhdb_set_config_call(disk->dev.fd, -1));
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + 2 * MIB));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(0, interrupts(disk));
	EXPECT_EQ(size + 2 * MIB, capacity(disk));

	/* A reset is no reason to forget it. */
	ASSERT_EQ(0, vhdb_reset(disk->dev.fd));
	EXPECT_EQ(size + 2 * MIB, capacity(disk));
	ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + 3 * MIB));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	ASSERT_EQ(0, vhdb_disk_start(disk));
	EXPECT_EQ(size + 3 * MIB, capacity(disk));
	EXPECT_EQ(0, interrupts(disk));
}

/* ---- with requests in flight ---- */

struct traffic {
	struct vhdb_disk *disk;
	bool stop;
	__u64 sent, good, bad;
};

/* Sixteen at a time, until it is told to stop; every answer is counted. */
static void *keep_busy(void *arg)
{
	struct traffic *t = arg;
	struct vhdb_disk *disk = t->disk;
	unsigned int i;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 16; i++) {
			struct vhdb_buf data = VHDB_IN(disk->data + i * 4096,
						       4096);

			t->sent += !vhdb_disk_submit(disk, 0, T_IN, 8 * i,
						     &data, 1, i);
		}
		vhdb_vq_kick(&disk->q[0].vq);
		for (i = 0; i < 16; i++) {
			if (vhdb_disk_reap(disk, 0, NULL) == OK(4097))
				t->good++;
			else
				t->bad++;
		}
	}
	return NULL;
}

TEST_F(grow, with_requests_in_flight)
{
	const unsigned int steps = 50;
	struct vhdb_disk *disk = &self->rig.disk;
	__u64 size = self->rig.backing.size;
	struct traffic t = { .disk = disk };
	struct vhost_doorbell_update u;
	struct vhost_doorbell_stats s;
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_busy, &t));
	for (i = 1; i <= steps; i++) {
		ASSERT_EQ(0, ftruncate(self->rig.backing.fd, size + i * 65536));
		ASSERT_EQ(0, update(disk->dev.fd, &u));
		ASSERT_EQ(size + i * 65536, u.bytes);
		ASSERT_EQ(size + i * 65536, capacity(disk));
		/* One for each time */
		ASSERT_EQ(1, interrupts(disk));
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, t.bad);
	EXPECT_EQ(t.sent, t.good);
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(t.sent, s.completions);
	EXPECT_EQ(0, s.errors);
}

/* ---- a block device tells by itself ---- */

FIXTURE(device) {
	struct vhdb_disk disk;
	int fd;
};

FIXTURE_SETUP(device)
{
	memset(&self->disk, 0, sizeof(self->disk));
	self->fd = vhdb_present() ? vhdb_testdisk_open() : -ENODEV;
	if (self->fd == -ENODEV)
		SKIP(return, "no " VHDB_PATH " or no test module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vhdb_disk_create(&self->disk, self->fd, NULL, ALL,
				      DATA_BYTES));
	ASSERT_EQ(0, vhdb_disk_start(&self->disk));
}

FIXTURE_TEARDOWN(device)
{
	vhdb_disk_destroy(&self->disk);
	EXPECT_EQ(0, vhdb_testdisk_close(self->fd));
}

#define SECTORS	VHDB_TESTDISK_SECTORS

TEST_F(device, is_seen_when_it_is_served)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_update u;

	ASSERT_EQ(SECTORS * VHDB_SECTOR, capacity(disk));
	ASSERT_EQ(0, vhdb_testdisk_set("sectors", SECTORS + 2048));
	EXPECT_EQ(SECTORS * VHDB_SECTOR, capacity(disk));
	/* The very request that makes it look */
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, SECTORS, disk->data,
					512));
	EXPECT_EQ((SECTORS + 2048) * VHDB_SECTOR, capacity(disk));
	EXPECT_EQ(1, interrupts(disk));
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, SECTORS, disk->data,
					512));
	EXPECT_EQ(0, interrupts(disk));

	/* By UPDATE, where nothing is asked for */
	ASSERT_EQ(0, vhdb_testdisk_set("sectors", SECTORS + 4096));
	ASSERT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ((SECTORS + 4096) * VHDB_SECTOR, u.bytes);
	EXPECT_EQ(1, interrupts(disk));
}

TEST_F(device, shrunk_and_as_it_was)
{
	struct vhdb_disk *disk = &self->disk;
	struct vhost_doorbell_update u;

	ASSERT_EQ(0, vhdb_testdisk_set("sectors", SECTORS / 2));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, SECTORS / 2, disk->data,
				      512));
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, SECTORS / 2 - 1,
					disk->data, 512));
	EXPECT_EQ(-EFBIG, update(disk->dev.fd, &u));
	EXPECT_EQ(SECTORS * VHDB_SECTOR, capacity(disk));
	ASSERT_EQ(0, vhdb_testdisk_set("sectors", SECTORS));
	EXPECT_EQ(0, update(disk->dev.fd, &u));
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, SECTORS / 2, disk->data,
					512));
	EXPECT_EQ(0, interrupts(disk));
}

/* ---- the ioctl as such ---- */

TEST(bad_arguments)
{
	struct {
		struct vhost_doorbell_update u;
		__u64 more;
	} later = { .u.size = sizeof(later) };
	struct vhost_doorbell_update u = { .size = sizeof(u) };
	struct vhdb_backing b;
	int fd = vhdb_open();

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	EXPECT_EQ(-ENODEV, update(fd, &u));
	ASSERT_EQ(0, vhdb_backing_memfd(&b, MIB));
	ASSERT_EQ(0, vhdb_attach_blk(fd, b.fd, NULL));
	u.size = sizeof(u) - 1;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &u));
	u.size = sizeof(u);
	u.flags = 1;
	EXPECT_EQ(-EINVAL, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &u));
	EXPECT_EQ(-EFAULT, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, NULL));
	EXPECT_EQ(0, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &later));
	EXPECT_EQ(sizeof(u), later.u.size);
	EXPECT_EQ(MIB, later.u.bytes);
	later.u.size = sizeof(later);
	later.more = 1;
	EXPECT_EQ(-E2BIG, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &later));
	/* What is written to @bytes is nobody's wish. */
	u.flags = 0;
	u.bytes = 12345;
	EXPECT_EQ(0, __vhdb_ioctl(fd, VHOST_DOORBELL_UPDATE, &u));
	EXPECT_EQ(MIB, u.bytes);
	close(fd);
	vhdb_backing_free(&b);
}

TEST(of_what_does_not_change)
{
	struct vhost_doorbell_update u;
	struct vhost_doorbell_attach attach;
	int fd = vhdb_bell_open();

	if (fd < 0)
		SKIP(return, "no " VHDB_PATH);
	EXPECT_EQ(-EOPNOTSUPP, update(fd, &u));
	close(fd);

	fd = vhdb_open();
	vhdb_attach_init(&attach, -1, NULL);
	snprintf(attach.backend, sizeof(attach.backend), "copy");
	ASSERT_EQ(0, __vhdb_attach(fd, &attach));
	EXPECT_EQ(-EOPNOTSUPP, update(fd, &u));
	close(fd);
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
