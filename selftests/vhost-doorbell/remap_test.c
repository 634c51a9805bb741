// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of the memory map under rings that run: what is rewritten in one
 * batch is not noticed, a ring that lost its memory pauses and goes on, with
 * nothing lost, when it is mapped again. After each test the device is brought
 * up anew and serves a read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "dev_fixture.h"

/* Answer to a read of one sector to @data: 0, 1 for an I/O error, or < 0 */
static int read_to(struct vhdb_dev *dev, __u64 data, __u32 len)
{
	struct vhdb_scratch scratch = vhdb_dev_scratch(dev, 0);

	return vhdb_blk_io_at(&dev->vring[0], &scratch, VIRTIO_BLK_T_IN, 0,
			      data, len);
}

/* ---- under rings that run ---- */

/* What firmware does: whole RAM sections go and come back (D2) */
TEST_F(dev, memory_rewritten_in_a_batch_while_running)
{
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 200; i++) {
		/* In flight, or not yet seen, while the map changes */
		__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, i,
			       VHDB_SECTOR);
		ASSERT_EQ(0, vhdb_vring_kick(self->vr));
		ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
		ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
		ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem,
					  VHOST_ACCESS_RW));
		ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
		ASSERT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr,
							   &self->scratch));
	}
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
}

/*
 * It is not even looked at: the ring's pages could not be pinned once more,
 * because this process has taken away its own right to write to them.
 */
TEST_F(dev, what_did_not_move_is_not_pinned_anew)
{
	struct vhdb_vring *vr = self->vr, good = *vr;
	struct vhdb_guest_mem mem;
	void *view;
	int i;

	ASSERT_EQ(0, vhdb_mem_alloc(&mem, VHDB_MEM_MEMFD, SIDE_IOVA, SIDE_SIZE,
				    NULL));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_vring_init(vr, 0, VHDB_QUEUE_SIZE, &mem, SIDE_IOVA));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));

	view = mmap(NULL, mem.size, PROT_READ | PROT_WRITE, MAP_SHARED, mem.fd,
		    0);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, mprotect(mem.hva, mem.size, PROT_READ));
	vr->desc = view + (vr->desc_iova - SIDE_IOVA);
	vr->avail = view + (vr->avail_iova - SIDE_IOVA);
	vr->used = view + (vr->used_iova - SIDE_IOVA);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
		ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &mem));
		ASSERT_EQ(0, vhdb_mem_map(self->fd, &mem, VHOST_ACCESS_RW));
		ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
	ASSERT_EQ(0, vhdb_reset(self->fd));
	vhdb_vring_free(vr);
	*vr = good;
	munmap(view, mem.size);
	vhdb_mem_free(&mem);
}

/* The same memory in other pieces: the ring's translation is what it was */
TEST_F(dev, memory_cut_up_in_a_batch_while_running)
{
	struct vhdb_guest_mem *mem = &self->dev.mem;
	__u64 cut, off;
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 1; i < 16; i++) {
		ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
		ASSERT_EQ(0, vhdb_mem_unmap(self->fd, mem));
		cut = i * PAGE;
		for (off = 0; off < mem->size; off += cut) {
			__u64 len = mem->size - off < cut ? mem->size - off :
							    cut;

			ASSERT_EQ(0, vhdb_iotlb_update(self->fd,
						       mem->iova + off, len,
						       mem->hva + off,
						       VHOST_ACCESS_RW));
		}
		ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* A request that is put while the ring is gone is served when it is back */
static int paused_request(struct vhdb_dev *dev, int unmap_only_used)
{
	struct vhdb_vring *vr = &dev->vring[0];
	struct vhdb_scratch scratch = vhdb_dev_scratch(dev, 0);
	int ret;

	if (unmap_only_used)
		ret = vhdb_iotlb_invalidate(dev->fd, vr->used_iova, PAGE);
	else
		ret = vhdb_mem_unmap(dev->fd, &dev->mem);
	if (ret)
		return ret;
	__vhdb_blk_put(vr, &scratch, VIRTIO_BLK_T_IN, 1, VHDB_SECTOR);
	ret = vhdb_vring_kick(vr);
	if (ret)
		return ret;
	/* Long enough for a device that would serve it nonetheless */
	usleep(20000);
	if (__vhdb_blk_done(vr))
		return -EALREADY;
	if (vhdb_status(dev->fd) != VHDB_S_DRIVER_OK)
		return -EBADE;
	if (unmap_only_used)
		ret = vhdb_iotlb_update(dev->fd, vr->used_iova, PAGE, vr->used,
					VHOST_ACCESS_RW);
	else
		ret = vhdb_mem_map(dev->fd, &dev->mem, VHOST_ACCESS_RW);
	return ret ? ret : __vhdb_blk_wait(vr, &scratch);
}

TEST_F(dev, ring_unmapped_while_running)
{
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(VIRTIO_BLK_S_OK, paused_request(&self->dev, 0));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

TEST_F(dev, one_page_of_a_ring_unmapped_while_running)
{
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(VIRTIO_BLK_S_OK, paused_request(&self->dev, 1));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* Before the write() returns nothing of the ring is pinned any more */
TEST_F(dev, pause_drops_the_pins)
{
	unsigned long before = vhdb_pinned(), running;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	running = vhdb_pinned();
	EXPECT_LT(before, running);
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	EXPECT_EQ(before, vhdb_pinned());
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	EXPECT_EQ(running, vhdb_pinned());
	ASSERT_EQ(0, vhdb_reset(self->fd));
	EXPECT_EQ(before, vhdb_pinned());
}

/* Mapped again, but not so that a ring can live there */
TEST_F(dev, ring_remapped_read_only)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RO));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	usleep(20000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

/* Let @dev's memory be @to, with what was in it; the old one is gone */
static void move_memory(struct vhdb_dev *dev, struct vhdb_guest_mem *to)
{
	struct vhdb_vring *vr = &dev->vring[0];

	memcpy(to->hva, dev->mem.hva, dev->mem.size);
	vhdb_mem_free(&dev->mem);
	dev->mem = *to;
	vr->desc = vhdb_mem_ptr(&dev->mem, vr->desc_iova);
	vr->avail = vhdb_mem_ptr(&dev->mem, vr->avail_iova);
	vr->used = vhdb_mem_ptr(&dev->mem, vr->used_iova);
}

TEST_F(dev, ring_remapped_at_another_place)
{
	struct vhdb_guest_mem to;
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
		ASSERT_EQ(0, vhdb_mem_alloc(&to, VHDB_MEM_ANON,
					    self->dev.mem.iova,
					    self->dev.mem.size, NULL));
		ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
		move_memory(&self->dev, &to);
		ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem,
					  VHOST_ACCESS_RW));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

TEST_F(dev, ring_moved_in_a_batch)
{
	struct vhdb_guest_mem to;
	int i;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
		ASSERT_EQ(0, vhdb_mem_alloc(&to, VHDB_MEM_MEMFD,
					    self->dev.mem.iova,
					    self->dev.mem.size, NULL));
		ASSERT_EQ(0, vhdb_iotlb_batch_begin(self->fd));
		ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
		ASSERT_EQ(0, vhdb_mem_map(self->fd, &to, VHOST_ACCESS_RW));
		move_memory(&self->dev, &to);
		ASSERT_EQ(0, vhdb_iotlb_batch_end(self->fd));
		ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, i));
	}
}

/* What stop and reset mean to a ring that is paused */
TEST_F(dev, paused_then_reset)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	EXPECT_EQ(0, vhdb_reset(self->fd));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
}

TEST_F(dev, paused_then_suspended)
{
	unsigned int base;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	EXPECT_EQ(0, __vhdb_suspend(self->fd));
	EXPECT_EQ(0, __vhdb_get_vring_base(self->fd, 0, &base));
	EXPECT_EQ(1, base);
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	/* Mapped again, but it stands still until it is resumed */
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
	usleep(20000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	ASSERT_EQ(0, __vhdb_resume(self->fd));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

TEST_F(dev, resumed_while_paused)
{
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, __vhdb_suspend(self->fd));
	ASSERT_EQ(0, vhdb_mem_unmap(self->fd, &self->dev.mem));
	ASSERT_EQ(0, __vhdb_resume(self->fd));
	__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(self->vr));
	usleep(20000);
	EXPECT_FALSE(__vhdb_blk_done(self->vr));
	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->dev.mem, VHOST_ACCESS_RW));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(self->vr, &self->scratch));
}

TEST_F(dev, paused_then_closed)
{
	unsigned long before = vhdb_pinned();
	struct vhdb_dev dev;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, NULL));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	ASSERT_EQ(0, vhdb_mem_unmap(dev.fd, &dev.mem));
	vhdb_dev_destroy(&dev);
	EXPECT_EQ(before, vhdb_pinned());
}

/* One ring loses its memory, the other does not notice */
TEST_F(dev, one_ring_of_two_is_paused)
{
	struct vhdb_opts opts = { .queues = 2 };
	struct vhdb_scratch scratch;
	struct vhdb_dev dev;
	int i;

	ASSERT_EQ(0, vhdb_dev_create(&dev, self->disk.fd, &opts));
	vhdb_vring_free(&dev.vring[1]);
	ASSERT_EQ(0, vhdb_vring_init(&dev.vring[1], 1, VHDB_QUEUE_SIZE,
				     &self->side, self->side.iova));
	ASSERT_EQ(0, vhdb_mem_map(dev.fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_start(&dev));
	scratch = vhdb_dev_scratch(&dev, 1);
	ASSERT_EQ(0, vhdb_dev_read(&dev, 1, 1));
	ASSERT_EQ(0, vhdb_mem_unmap(dev.fd, &self->side));
	__vhdb_blk_put(&dev.vring[1], &scratch, VIRTIO_BLK_T_IN, 1,
		       VHDB_SECTOR);
	ASSERT_EQ(0, vhdb_vring_kick(&dev.vring[1]));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, vhdb_dev_read(&dev, 0, i));
	EXPECT_FALSE(__vhdb_blk_done(&dev.vring[1]));
	ASSERT_EQ(0, vhdb_mem_map(dev.fd, &self->side, VHOST_ACCESS_RW));
	EXPECT_EQ(VIRTIO_BLK_S_OK, __vhdb_blk_wait(&dev.vring[1], &scratch));
	vhdb_dev_destroy(&dev);
}

/* ---- changes and requests at the same time ---- */

struct storm {
	struct vhdb_dev *dev;
	struct vhdb_guest_mem *side;
	bool rings;		/* the rings' region too */
	int rounds;
	int err;
	atomic_bool done;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	struct vhdb_guest_mem *mem = storm->rings ? &storm->dev->mem :
						    storm->side;
	int i;

	for (i = 0; i < storm->rounds && !storm->err; i++) {
		storm->err = vhdb_mem_unmap(storm->dev->fd, mem);
		if (!storm->err)
			storm->err = vhdb_mem_map(storm->dev->fd, mem,
						  VHOST_ACCESS_RW);
	}
	atomic_store(&storm->done, true);
	return NULL;
}

/* Each request is served or fails, and none is lost or stays */
TEST_F(dev, data_mapped_and_unmapped_under_requests)
{
	struct storm storm = {
		.dev = &self->dev,
		.side = &self->side,
		.rounds = 1000,
	};
	pthread_t thread;
	int ret;

	ASSERT_EQ(0, vhdb_mem_map(self->fd, &self->side, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, pthread_create(&thread, NULL, storm_thread, &storm));
	while (!atomic_load(&storm.done)) {
		ret = read_to(&self->dev, SIDE_IOVA, 8 * PAGE);
		EXPECT_TRUE(ret == VIRTIO_BLK_S_OK || ret == VIRTIO_BLK_S_IOERR) {
			TH_LOG("answer %d", ret);
			break;
		}
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, storm.err);
	EXPECT_EQ(VIRTIO_BLK_S_OK, read_to(&self->dev, SIDE_IOVA, 8 * PAGE));
}

/*
 * The rings' region holds the status bytes too: a request that was taken may
 * find its status gone and come back unanswered, but it comes back.
 */
TEST_F(dev, rings_mapped_and_unmapped_under_requests)
{
	struct storm storm = {
		.dev = &self->dev,
		.rings = true,
		.rounds = 300,
	};
	pthread_t thread;

	ASSERT_EQ(0, vhdb_dev_start(&self->dev));
	ASSERT_EQ(0, pthread_create(&thread, NULL, storm_thread, &storm));
	while (!atomic_load(&storm.done)) {
		__vhdb_blk_put(self->vr, &self->scratch, VIRTIO_BLK_T_IN, 0,
			       VHDB_SECTOR);
		ASSERT_EQ(0, vhdb_vring_kick(self->vr));
		ASSERT_TRUE(vhdb_wait_for(__vhdb_blk_done(self->vr)));
		self->vr->used_idx++;
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, storm.err);
	EXPECT_EQ(VHDB_S_DRIVER_OK, vhdb_status(self->fd));
	EXPECT_EQ(0, vhdb_dev_read(&self->dev, 0, 1));
}

TEST_HARNESS_MAIN
