// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that means harm. Each test does one thing that a driver must not,
 * and sees that the damage ends where it should: at the request, or at the
 * queue, which is then marked broken while the other queue of the device goes
 * on. Afterwards a reset gives a device which works. The rows are those of
 * bug-classes.md that reach a split ring and a disk.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "hostile_rig.h"

/* ---- chains ---- */

TEST_F(hostile, index_out_of_range)
{
	static const __u16 nexts[] = { NUM, NUM + 1, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nexts); i++) {
		good_chain(self->vr->desc, 0, self->disk.data);
		self->vr->desc[1].next = htole16(nexts[i]);
		EXPECT_CHAIN_BREAKS(0);
	}
}

TEST_F(hostile, head_out_of_range)
{
	static const __u16 heads[] = { NUM, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		good_chain(self->vr->desc, 0, self->disk.data);
		EXPECT_CHAIN_BREAKS(heads[i]);
	}
}

TEST_F(hostile, loop_of_one)
{
	RING(0, AT(SLOT), HDR, NEXT, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, loop_of_writable)
{
	good_chain(self->vr->desc, 0, self->disk.data);
	RING(2, STATUS, 1, NEXT | WRITE, 1);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, loop_of_nothing)
{
	/* Zero-length descriptors are skipped, but not without an end. */
	RING(0, 0, 0, NEXT, 1);
	RING(1, 0, 0, NEXT, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, loop_of_all)
{
	unsigned int i;

	for (i = 0; i < NUM; i++)
		RING(i, AT(SLOT), 1, NEXT, (i + 1) % NUM);
	EXPECT_CHAIN_BREAKS(5);
}

TEST_F(hostile, longest_chain_is_fine)
{
	unsigned int i;

	good_chain(self->vr->desc, 0, self->disk.data);
	for (i = 1; i < NUM - 1; i++)
		RING(i, AT(DATA) + i * 512, 512, NEXT | WRITE, i + 1);
	RING(NUM - 1, STATUS, 1, WRITE, 0);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->slot->status);
	EXPECT_EQ((NUM - 2) * 512 + 1, le32toh(self->vr->used->ring[0].len));
	EXPECT_FALSE(is_broken(&self->disk));
}

TEST_F(hostile, readable_after_writable)
{
	good_chain(self->vr->desc, 0, self->disk.data);
	RING(2, STATUS, 1, NEXT | WRITE, 3);
	RING(3, AT(DATA), 512, 0, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, short_header)
{
	RING(0, AT(SLOT), HDR - 1, NEXT, 1);
	RING(1, STATUS, 1, WRITE, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, no_header)
{
	RING(0, AT(DATA), 512, NEXT | WRITE, 1);
	RING(1, STATUS, 1, WRITE, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, no_status)
{
	RING(0, AT(SLOT), HDR, NEXT, 1);
	RING(1, AT(DATA), 512, 0, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, status_of_no_length)
{
	RING(0, AT(SLOT), HDR, NEXT, 1);
	RING(1, STATUS, 0, WRITE, 0);
	EXPECT_CHAIN_BREAKS(0);
}

TEST_F(hostile, nothing_at_all)
{
	RING(0, 0, 0, 0, 0);
	EXPECT_CHAIN_BREAKS(0);
}

/* ---- indirect tables ---- */

TEST_F(hostile, table_with_next)
{
	/* A good request, if only the two did not exclude each other */
	good_chain(self->table, 0, self->disk.data);
	ENTRY(1, AT(DATA), 512, WRITE, 0);
	RING(1, STATUS, 1, WRITE, 0);
	EXPECT_TABLE_BREAKS(32, NEXT);
}

TEST_F(hostile, table_in_a_table)
{
	good_chain(self->table, 0, self->disk.data);
	ENTRY(1, AT(TABLE) + 4096, 48, INDIRECT, 0);
	good_chain(self->table, 256, self->disk.data);
	EXPECT_TABLE_BREAKS(48, 0);

	/* With the flag overlooked, it would be a good request. */
	good_chain(self->table, 0, self->disk.data);
	ENTRY(1, AT(DATA), 512, INDIRECT | NEXT | WRITE, 2);
	EXPECT_TABLE_BREAKS(48, 0);
}

TEST_F(hostile, table_is_itself)
{
	ENTRY(0, AT(TABLE), 48, INDIRECT, 0);
	EXPECT_TABLE_BREAKS(48, 0);
}

TEST_F(hostile, table_loops)
{
	good_chain(self->table, 0, self->disk.data);
	ENTRY(2, STATUS, 1, NEXT | WRITE, 1);
	EXPECT_TABLE_BREAKS(48, 0);
}

TEST_F(hostile, table_index_out_of_range)
{
	good_chain(self->table, 0, self->disk.data);
	good_chain(self->table, 3, self->disk.data);
	ENTRY(1, AT(DATA), 512, NEXT | WRITE, 3);
	EXPECT_TABLE_BREAKS(48, 0);
}

TEST_F(hostile, table_of_bad_length)
{
	static const __u32 lens[] = { 0, 1, 15, 17, 47, 49, 63,
				      0xffffffff };
	unsigned int i;

	/* 49 to 63: all of a good table, and a bit of another entry */
	good_chain(self->table, 0, self->disk.data);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		EXPECT_TABLE_BREAKS(lens[i], 0);
}

TEST_F(hostile, table_too_long)
{
	static const __u32 counts[] = { TABLE_MAX + 1, 65536, 0x0fffffff };
	unsigned int i;

	/* 2^16 tiny segments, all of them good */
	for (i = 0; i < 65536; i++)
		ENTRY(i, i ? AT(DATA) : AT(SLOT), i ? 1 : HDR,
		      i ? NEXT | WRITE : NEXT, i + 1);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		EXPECT_TABLE_BREAKS(counts[i] * 16, 0);
}

TEST_F(hostile, longest_table_is_fine)
{
	unsigned int i;

	/* 1,022 pieces that make 512 bytes: every other one is empty. */
	for (i = 1; i < TABLE_MAX - 1; i++)
		ENTRY(i, AT(DATA) + i, i % 2, NEXT | WRITE, i + 1);
	ENTRY(2, AT(DATA) + 2, 1, NEXT | WRITE, 3);
	ENTRY(0, AT(SLOT), HDR, NEXT, 1);
	ENTRY(TABLE_MAX - 1, STATUS, 1, WRITE, 0);
	RING(0, AT(TABLE), TABLE_MAX * 16, INDIRECT, 0);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->slot->status);
	EXPECT_EQ(513, le32toh(self->vr->used->ring[0].len));
	EXPECT_FALSE(is_broken(&self->disk));
}

TEST_F(hostile, table_not_mapped)
{
	__u64 end = self->disk.mem.iova + self->disk.mem.size;
	__u64 addrs[] = { 0, end, end - 16, end - 40, -16ULL, -48ULL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		RING(0, addrs[i], 48, INDIRECT, 0);
		EXPECT_CHAIN_BREAKS(0);
	}
}

/* 2.7.5.3.2: "The device MUST ignore the write-only flag" of such a one. */
TEST_F(hostile, table_with_write_is_fine)
{
	good_chain(self->table, 0, self->disk.data);
	RING(0, AT(TABLE), 48, INDIRECT | WRITE, 0);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->slot->status);
}

/* 2.7.5.3.2: descriptors of the ring, and "a single" table behind them */
TEST_F(hostile, table_behind_descriptors_is_fine)
{
	good_chain(self->table, 0, self->disk.data);
	RING(0, AT(SLOT), HDR, NEXT, 1);
	RING(1, AT(TABLE) + 16, 32, INDIRECT, 0);
	self->table[1].next = htole16(1);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->slot->status);
	EXPECT_EQ(513, le32toh(self->vr->used->ring[0].len));
}

TEST_F(hostile, table_at_the_end_of_memory)
{
	__u64 end = self->disk.mem.iova + self->disk.mem.size;

	good_chain(vhdb_disk_ptr(&self->disk, end - 48), 0, self->disk.data);
	RING(0, end - 48, 48, INDIRECT, 0);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->slot->status);
}

TEST_F(hostile, table_not_negotiated)
{
	self->disk.features = NO_INDIRECT;
	ASSERT_EQ(0, vhdb_disk_restart(&self->disk));
	good_chain(self->table, 0, self->disk.data);
	EXPECT_TABLE_BREAKS(48, 0);
}

/* ---- the available ring ---- */

TEST_F(hostile, avail_index_jumps)
{
	static const __u16 jumps[] = { NUM + 1, 0x8000, 0xffff };
	struct seen before;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		before = see(&self->disk);
		good_chain(self->vr->desc, 0, self->disk.data);
		for (j = 0; j < NUM; j++)
			self->vr->avail->ring[j] = 0;
		self->vr->avail_idx += jumps[i];
		__atomic_store_n(&self->vr->avail->idx,
				 htole16(self->vr->avail_idx),
				 __ATOMIC_RELEASE);
		EXPECT_BREAKS(before);
	}
}

TEST_F(hostile, head_repeated)
{
	unsigned int i;

	/*
	 * A device need not see this. It may take each, or break; what must
	 * not happen is that it takes more than it was given.
	 */
	good_chain(self->vr->desc, 0, self->disk.data);
	for (i = 0; i < NUM; i++)
		expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	EXPECT_TRUE(vhdb_wait_for(used_idx(self->vr) == NUM ||
				  is_broken(&self->disk)));
	EXPECT_GE(NUM, used_idx(self->vr));
	EXPECT_REVIVES();
}

TEST_F(hostile, broken_queue_stays_so)
{
	struct seen before = see(&self->disk);
	struct vhdb_vring *vr = self->vr;

	good_chain(vr->desc, 0, self->disk.data);
	expose(vr, NUM);
	EXPECT_EQ(0, breaks(&self->disk, before));
	/* A good request does not mend it, nor does a bad one count twice. */
	expose(vr, 0);
	vhdb_vring_kick(vr);
	EXPECT_EQ(OK(513), vhdb_disk_io(&self->disk, 1, T_IN, 0, AT(DATA),
					512));
	usleep(2000);
	EXPECT_EQ(0, used_idx(vr));
	EXPECT_EQ(1, stat_broken(&self->disk));
	EXPECT_TRUE(is_broken(&self->disk));
	EXPECT_REVIVES();
}

TEST_F(hostile, both_queues_broken)
{
	struct vhdb_vring *other = &self->disk.dev.vring[1];
	struct seen before = see(&self->disk);

	expose(self->vr, NUM);
	EXPECT_EQ(0, breaks(&self->disk, before));
	expose(other, NUM);
	vhdb_vring_kick(other);
	EXPECT_EQ(0, vhdb_eventfd_wait(other->err));
	EXPECT_REVIVES();
}

/* ---- requests: the queue lives ---- */

/* It did no harm: nothing broke, @n errors were counted, requests go on. */
#define EXPECT_ALIVE(before, n)						\
do {									\
	EXPECT_FALSE(is_broken(&self->disk));				\
	EXPECT_EQ((before) + (n), stat_errors(&self->disk));		\
	EXPECT_EQ(OK(513), vhdb_disk_io(&self->disk, 0, T_IN, 0,	\
					AT(DATA), 512));		\
	EXPECT_TRUE(vhdb_filled(self->guard, GUARD_BYTES, 1));		\
	EXPECT_TRUE(vhdb_filled(self->private, GUARD_BYTES, 2));	\
} while (0)

TEST_F(hostile, header_not_mapped)
{
	__u64 end = self->disk.mem.iova + self->disk.mem.size;
	__u64 before = stat_errors(&self->disk);

	EXPECT_EQ(IOERR, RAW(VHDB_OUT(0, HDR), VHDB_IN(AT(DATA), 512),
			     VHDB_IN(STATUS, 1)));
	EXPECT_EQ(IOERR, RAW(VHDB_OUT(end - 8, HDR), VHDB_IN(AT(DATA), 512),
			     VHDB_IN(STATUS, 1)));
	EXPECT_EQ(IOERR, RAW(VHDB_OUT(AT(SLOT), 8), VHDB_OUT(-8ULL, 8),
			     VHDB_IN(STATUS, 1)));
	EXPECT_ALIVE(before, 3);
}

TEST_F(hostile, status_not_mapped)
{
	__u64 end = self->disk.mem.iova + self->disk.mem.size;
	__u64 before = stat_errors(&self->disk);

	EXPECT_EQ(UNANSWERED, RAW(VHDB_OUT(AT(SLOT), HDR), VHDB_IN(0, 1)));
	EXPECT_EQ(UNANSWERED, RAW(VHDB_OUT(AT(SLOT), HDR),
				  VHDB_IN(end - 512, 513)));
	EXPECT_EQ(UNANSWERED, RAW(VHDB_OUT(AT(SLOT), HDR),
				  VHDB_IN(-1ULL, 1)));
	EXPECT_ALIVE(before, 3);
}

TEST_F(hostile, lengths_that_do_not_fit_64_bits)
{
	__u64 before = stat_errors(&self->disk);
	struct vhdb_buf buf[NUM];
	unsigned int i;

	buf[0] = VHDB_OUT(AT(SLOT), HDR);
	for (i = 1; i < NUM - 1; i++)
		buf[i] = VHDB_IN(AT(DATA), 0xffffffff);
	buf[NUM - 1] = VHDB_IN(STATUS, 1);
	EXPECT_EQ(IOERR, raw(&self->disk, buf, NUM));
	for (i = 1; i < NUM - 1; i++)
		buf[i].addr = -(__u64)i;
	EXPECT_EQ(IOERR, raw(&self->disk, buf, NUM));

	/* 1,022 * 4 GiB from one table */
	EXPECT_ALIVE(before, 2);
	ASSERT_EQ(0, vhdb_disk_restart(&self->disk));
	vhdb_blk_slot_set(self->slot, T_IN, 0);
	for (i = 1; i < TABLE_MAX - 1; i++)
		ENTRY(i, AT(DATA), 0xffffffff, NEXT | WRITE, i + 1);
	ENTRY(0, AT(SLOT), HDR, NEXT, 1);
	ENTRY(TABLE_MAX - 1, STATUS, 1, WRITE, 0);
	RING(0, AT(TABLE), TABLE_MAX * 16, INDIRECT, 0);
	expose(self->vr, 0);
	vhdb_vring_kick(self->vr);
	ASSERT_TRUE(vhdb_wait_for(used_idx(self->vr) == 1));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, self->slot->status);
	EXPECT_REVIVES();
}

/* Pages that the IOTLB knows and that the process took away, or protects */
TEST_F(hostile, pages_protected_by_the_owner)
{
	char *page = self->data + 4096 - DATA % 4096;
	__u64 iova = AT(DATA) + (page - self->data);
	__u64 before = stat_errors(&self->disk);
	struct vhdb_disk *disk = &self->disk;

	vhdb_fill(page, 4096, 3);
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, iova, 512));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, iova + 5, 4096));
	EXPECT_TRUE(vhdb_filled(page, 4096, 3));
	EXPECT_EQ(OK(1), vhdb_disk_io(disk, 0, T_OUT, 8, iova, 512));
	EXPECT_EQ(UNANSWERED, RAW(VHDB_OUT(AT(SLOT), HDR), VHDB_IN(iova, 1)));

	ASSERT_EQ(0, mprotect(page, 4096, PROT_NONE));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, iova, 512));
	EXPECT_EQ(IOERR, RAW(VHDB_OUT(iova, HDR), VHDB_IN(STATUS, 1)));
	EXPECT_ALIVE(before, 5);

	ASSERT_EQ(0, munmap(page, 4096));
	before = stat_errors(disk);
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_IN, 0, iova, 512));
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, iova, 512));
	/* The page before it is good, and the request begins there. */
	EXPECT_EQ(IOERR, vhdb_disk_io(disk, 0, T_OUT, 0, iova - 512, 1024));
	EXPECT_ALIVE(before, 3);
	RING(0, iova, 48, INDIRECT, 0);
	ASSERT_EQ(0, vhdb_disk_restart(disk));
	RING(0, iova, 48, INDIRECT, 0);
	EXPECT_CHAIN_BREAKS(0);
}

/* ---- the ring's own memory ---- */

/* A request that the device may see or not, now that the pages have parted */
static void poke(struct vhdb_vring *vr, __u64 base)
{
	good_chain(vr->desc, 0, base);
	expose(vr, 0);
	vhdb_vring_kick(vr);
	usleep(1000);
}

TEST_F(hostile, ring_pages_discarded)
{
	struct vhdb_guest_mem *mem = &self->disk.dev.mem;

	ASSERT_EQ(0, madvise(mem->hva, mem->size, MADV_DONTNEED));
	poke(self->vr, self->disk.data);
	EXPECT_REVIVES();
}

TEST_F(hostile, ring_pages_remapped_and_punched)
{
	struct vhdb_guest_mem *mem = &self->disk.dev.mem;
	int fd = memfd_create("vhdb-ring", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, mem->size));
	ASSERT_EQ(mem->hva, mmap(mem->hva, mem->size, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0));
	poke(self->vr, self->disk.data);
	EXPECT_REVIVES();

	/* Now the device has the memfd's pages. */
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       0, mem->size));
	poke(self->vr, self->disk.data);
	EXPECT_REVIVES();

	ASSERT_EQ(0, munmap(mem->hva, mem->size));
	vhdb_vring_kick(self->vr);
	usleep(1000);
	EXPECT_EQ(0, vhdb_reset(self->disk.dev.fd));
	ASSERT_EQ(mem->hva, mmap(mem->hva, mem->size, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_REVIVES();
	close(fd);
}

/* ---- eventfds ---- */

static void *kicker(void *arg)
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		vhdb_vring_kick(arg);
	return NULL;
}

TEST_F(hostile, kick_storm)
{
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, kicker,
					    self->vr));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(OK(513), vhdb_disk_io(&self->disk, i & 1, T_IN, 0,
						AT(DATA), 512));
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	EXPECT_FALSE(is_broken(&self->disk));
	EXPECT_REVIVES();
}

TEST_F(hostile, call_saturated)
{
	struct vhdb_disk *disk = &self->disk;
	__u64 full = 0xfffffffffffffffe;
	unsigned int i;

	ASSERT_EQ(sizeof(full), write(self->vr->call, &full, sizeof(full)));
	for (i = 0; i < 10; i++) {
		__s64 answer;

		vhdb_vq_want_signal(&disk->q[0].vq, true);
		ASSERT_EQ(0, vhdb_disk_submit(disk, 0, T_IN, 0, NULL, 0, 0));
		vhdb_vq_kick(&disk->q[0].vq);
		ASSERT_TRUE(vhdb_wait_for((answer = vhdb_disk_poll(disk, 0,
								   NULL)) !=
					  -EAGAIN));
		ASSERT_EQ(OK(1), answer);
	}
	EXPECT_LT(full, vhdb_eventfd_take(self->vr->call));
	EXPECT_EQ(OK(513), vhdb_disk_io(disk, 0, T_IN, 0, AT(DATA), 512));
}

/* ---- double fetch: fields that change while the device looks ---- */

/* Two bytes of guest memory that a second thread keeps changing */
struct flip {
	const char *what;
	__virtio16 *where;
	__u16 a;
	__u16 b;
	bool first;		/* in every round the ring is new */
	bool stop;
};

static void *flipper(void *arg)
{
	struct flip *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(f->where, htole16(f->b), __ATOMIC_RELAXED);
		__atomic_store_n(f->where, htole16(f->a), __ATOMIC_RELAXED);
	}
	return NULL;
}

#define FLIP_ROUNDS	vhdb_rounds(60)

/* -ETIMEDOUT: a request vanished; -EOVERFLOW: more came back than was given */
static int flip(struct vhdb_disk *disk, struct flip *f)
{
	struct vhdb_vring *vr = &disk->dev.vring[0];
	struct vring_desc *table = vhdb_disk_ptr(disk, disk->data + TABLE);
	bool in_table = f->where >= (__virtio16 *)table &&
			f->where < (__virtio16 *)(table + 3);
	unsigned int i, rounds = FLIP_ROUNDS;
	pthread_t thread;
	int ret = 0;

	f->stop = false;
	if (pthread_create(&thread, NULL, flipper, f))
		return -EAGAIN;
	for (i = 0; !ret && i < rounds; i++) {
		/* A flipped index shows a first request before it is there. */
		__u16 used = vr->avail_idx;

		/* Chains at 0 and at 3; 0 is a table if a table is flipped. */
		good_chain(vr->desc, 0, disk->data);
		good_chain(vr->desc, 3, disk->data);
		good_chain(table, 0, disk->data);
		if (in_table)
			desc_set(&vr->desc[0], disk->data + TABLE, 48,
				 INDIRECT, 0);
		expose(vr, 0);
		vhdb_vring_kick(vr);
		if (!vhdb_wait_for(used_idx(vr) != used || is_broken(disk)))
			ret = -ETIMEDOUT;
		else if ((__u16)(used_idx(vr) - used) > 1)
			ret = -EOVERFLOW;
		else if (f->first || is_broken(disk))
			ret = vhdb_disk_restart(disk);
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return ret;
}

#define FLIP(what, where, a, b)	{ what, (void *)(where), a, b, false, false }
#define FLIP_1ST(what, where, a, b) { what, (void *)(where), a, b, true, false }

TEST_F(hostile, fields_change_under_the_device)
{
	struct vring_desc *d = self->vr->desc, *t = self->table;
	struct virtio_blk_outhdr *hdr = &self->slot->hdr;
	struct vring_avail *avail = self->vr->avail;
	/* Of an address the third 16 bits, of a length the second, ... */
	struct flip flips[] = {
		FLIP("address", (char *)&d[1].addr + 4, 1, 0x7777),
		FLIP("length", (char *)&d[1].len + 2, 0, 0xffff),
		FLIP("flags", &d[1].flags, NEXT | WRITE, NEXT),
		FLIP("indirect", &d[0].flags, NEXT, INDIRECT),
		FLIP("next", &d[0].next, 1, 0xffff),
		FLIP("loop", &d[1].next, 2, 0),
		FLIP("header address", (char *)&d[0].addr + 4, 1, 0x7777),
		FLIP("header length", &d[0].len, HDR, HDR - 1),
		FLIP("type", &hdr->type, T_IN, 0x55),
		FLIP("sector", (char *)&hdr->sector + 6, 0, 0x100),
		FLIP("table address", (char *)&t[1].addr + 4, 1, 0x7777),
		FLIP("table length", (char *)&t[1].len + 2, 0, 0xffff),
		FLIP("table flags", &t[1].flags, NEXT | WRITE, INDIRECT),
		FLIP("table next", &t[1].next, 2, 0x4000),
		FLIP_1ST("entry", &avail->ring[0], 0, 3),
		FLIP_1ST("bad entry", &avail->ring[0], 0, NUM),
		FLIP_1ST("index", &avail->idx, 1, 1 + NUM + 7),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flips); i++) {
		/* Chains are there before anything moves. */
		ASSERT_EQ(0, vhdb_disk_restart(&self->disk));
		EXPECT_EQ(0, flip(&self->disk, &flips[i]))
			TH_LOG("%s", flips[i].what);
		EXPECT_REVIVES();
	}
}

TEST_HARNESS_MAIN
