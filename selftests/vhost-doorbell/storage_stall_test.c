// SPDX-License-Identifier: GPL-2.0
/*
 * Storage that is slow or does not answer: nothing else waits for it, and what
 * it kept comes back once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <pthread.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "storage_fixture.h"

/* ---- storage that does not answer ---- */

/*
 * A suspended device-mapper device keeps what it is given. Sixteen requests
 * fill the ring; the driver then shows a seventeenth, which it may not: it
 * has no descriptor left that is not in flight.
 */
TEST_F(storage, more_in_flight_than_the_ring_holds)
{
	struct vhdb_opts opts = { .queues = 2, .queue_size = 16 };
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	struct vhdb_buf data;
	struct vhost_doorbell_stats s;
	unsigned int i;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, &opts, ALL));
	disk->how = VHDB_INDIRECT;

	ASSERT_EQ(0, dm_suspend(rig));
	for (i = 0; i < 16; i++) {
		data = VHDB_IN(disk->data + i * 512, 512);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, i, &data, 1, i));
	}
	vhdb_vq_kick(&disk->q[0].vq);
	EXPECT_EQ(0, taken(disk, 16));
	EXPECT_EQ(0, vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* The storage hangs; what needs none of it is answered meanwhile. */
	EXPECT_EQ(OK(21), vhdb_disk_io(disk, 1, T_GET_ID, 0,
				       disk->data + 65536, 20));

	vr->avail->ring[vr->avail_idx++ & 15] = vr->avail->ring[0];
	vhdb_vq_ring(&disk->q[0].vq);
	EXPECT_TRUE(vhdb_wait_for(vhdb_status(disk->dev.fd) &
				  VIRTIO_CONFIG_S_NEEDS_RESET));
	EXPECT_EQ(OK(21), vhdb_disk_io(disk, 1, T_GET_ID, 0,
				       disk->data + 65536, 20));

	/* A reset waits for all of it. */
	ASSERT_EQ(0, run("dmsetup resume %s", rig->dm));
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	EXPECT_EQ(OK(513), io(disk, T_IN, 0, 512));
	ASSERT_EQ(0, vhdb_get_stats(disk->dev.fd, 0, &s));
	EXPECT_EQ(1, s.broken);
}

TEST_F(storage, stalled_requests_come_back_once)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	__u32 seen = 0;
	unsigned int i;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));

	ASSERT_EQ(0, dm_suspend(rig));
	for (i = 0; i < 20; i++) {
		struct vhdb_buf data = VHDB_OUT(disk->data + i * 4096, 4096);

		vhdb_fill(vhdb_disk_ptr(disk, data.addr), 4096, i);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_OUT, i * 8, &data, 1,
					      i));
	}
	vhdb_vq_kick(&disk->q[0].vq);
	EXPECT_EQ(0, taken(disk, 20));
	EXPECT_EQ(-EAGAIN, vhdb_disk_poll(disk, 0, NULL));
	/* In the background, since SUSPEND has to wait for the storage. */
	ASSERT_EQ(0, run("(sleep 0.2; dmsetup resume %s) &",
			 rig->dm));
	ASSERT_EQ(0, __vhdb_suspend(disk->dev.fd));
	for (i = 0; i < 20; i++) {
		__u64 token;

		ASSERT_EQ(OK(1), vhdb_disk_poll(disk, 0, &token));
		ASSERT_EQ(0, seen & 1u << token);
		seen |= 1u << token;
	}
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, vhdb_peek_check(rig->peek, i * 8, 4096, i));
}

static void *invalidate(void *arg)
{
	struct vhdb_disk *disk = arg;

	return (void *)(long)vhdb_mem_unmap(disk->dev.fd, &disk->mem);
}

TEST_F(storage, invalidate_waits_for_stalled_requests)
{
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct vhdb_vring *vr = &disk->dev.vring[0];
	struct vhdb_buf data;
	pthread_t thread;
	void *ret;

	if (dm_on_ram(rig))
		SKIP(return, "no device-mapper");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, NULL, ALL));
	ASSERT_EQ(0, vhdb_peek_write(rig->peek, 0, 4096, 1));
	ASSERT_EQ(0, dm_suspend(rig));
	data = VHDB_IN(disk->data, 4096);
	ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, &data, 1, 0));
	vhdb_vq_kick(&disk->q[0].vq);
	ASSERT_EQ(0, taken(disk, 1));

	/* The memory is in use until the request has been given back. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate, disk));
	usleep(50000);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
	EXPECT_EQ(0, vr->used->idx);
	ASSERT_EQ(0, run("dmsetup resume %s", rig->dm));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(1, le16toh(vr->used->idx));
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data), 4096, 1));

	/* Nothing of a request can be had now; mapped again, everything can. */
	EXPECT_EQ(VHDB_ANSWER(0, 4097), vhdb_disk_poll(disk, 0, NULL));
	EXPECT_EQ(VHDB_ANSWER(VHDB_UNANSWERED, 0), io(disk, T_IN, 0, 512));
	ASSERT_EQ(0, vhdb_mem_map(disk->dev.fd, &disk->mem, VHOST_ACCESS_RW));
	EXPECT_EQ(OK(513), io(disk, T_IN, 0, 512));
}

/* A write to a frozen file system waits, and nothing else does. */
static int frozen_file(struct storage_rig *rig)
{
	struct vhdb_buf data = VHDB_OUT(rig->disk.data, 4096);
	struct vhdb_disk *disk = &rig->disk;
	int round;

	/* What is taken twice, or never given back, shows by the next freeze. */
	for (round = 0; round < 3; round++) {
		if (io(disk, T_OUT, round * 8, 4096) != OK(1) ||
		    io(disk, T_FLUSH, 0, 0) != OK(1))
			return -1;
		if (storage_stall(rig))
			return -2;
		if (vhdb_disk_submit(disk, 0, T_OUT, round * 8, &data, 1, 0))
			return -3;
		vhdb_vq_kick(&disk->q[0].vq);
		usleep(20000);
		if (vhdb_disk_poll(disk, 0, NULL) != -EAGAIN)
			return -4;
		if (vhdb_disk_io(disk, 1, T_GET_ID, 0, disk->data + 8192,
				 20) != OK(21) ||
		    vhdb_disk_io(disk, 1, T_IN, 128, disk->data + 8192,
				 4096) != OK(4097))
			return -5;
		/* What it holds was written back when it was frozen. */
		if (vhdb_disk_io(disk, 1, T_FLUSH, 0, 0, 0) != OK(1))
			return -6;
		storage_goes_on(rig);
		if (vhdb_disk_reap(disk, 0, NULL) != OK(1))
			return -7;
	}
	return 0;
}

TEST_F(storage, frozen_file_system)
{
	struct vhdb_opts opts = { .queues = 2 };

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, 0, &opts,
			     ALL));
	EXPECT_EQ(0, frozen_file(&self->rig));
}

TEST_F(storage, frozen_file_system_direct)
{
	struct vhdb_opts opts = { .queues = 2 };

	if (!ext4_dir[0] ||
	    vhdb_backing_file(&self->rig.backing, ext4_dir, 1 << 20, 0))
		SKIP(return, "no ext4");
	ASSERT_EQ(0, disk_on(&self->rig, self->rig.backing.path, O_DIRECT,
			     &opts, ALL));
	EXPECT_EQ(0, frozen_file(&self->rig));
}

/* Storage that is slow, and keeps what it is given for a while */
TEST_F(storage, delayed)
{
	struct vhdb_opts opts = { .queues = 2 };
	struct storage_rig *rig = &self->rig;
	struct vhdb_disk *disk = &rig->disk;
	struct tally t;

	if (vhdb_backing_ram_as_is(&rig->backing) ||
	    dm_create(rig, "0 " HALF " delay /dev/ram0 0 100 /dev/ram0 0 200\\n"))
		SKIP(return, "no dm-delay");
	ASSERT_EQ(0, disk_on(rig, rig->dm_path, 0, &opts, ALL));
	ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, 1));
	EXPECT_EQ(OK(21), vhdb_disk_io(disk, 1, T_GET_ID, 0,
				       disk->data + 131072, 20));
	ASSERT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_EQ(ALL_OF(MANY), t.ok);
	ASSERT_EQ(0, submit_many(disk, T_IN, 0, MANY, 0));
	ASSERT_EQ(0, reap_many(disk, MANY, &t));
	EXPECT_EQ(ALL_OF(MANY), t.ok);
	EXPECT_TRUE(vhdb_filled(vhdb_disk_ptr(disk, disk->data + 4096), 4096,
				2));

	/* What a guest has given and not got back is done when close returns. */
	ASSERT_EQ(0, submit_many(disk, T_OUT, 0, MANY, 100));
	EXPECT_EQ(0, taken(disk, 3 * MANY));
	vhdb_disk_destroy(disk);
	rig->has_disk = false;
	EXPECT_EQ(0, vhdb_peek_check(rig->peek, 31 * 8, 4096, 131));
}

int main(int argc, char **argv)
{
	return blk_main(argc, argv, test_harness_run);
}
