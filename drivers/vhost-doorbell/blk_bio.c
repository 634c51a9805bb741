// SPDX-License-Identifier: GPL-2.0
/*
 * A disk on a block device: bios, past the page cache.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>

#include "blk.h"

static struct bio_set bios;

static void bio_done(struct bio *bio)
{
	struct blk_req *req = bio->bi_private;
	int error = blk_status_to_errno(bio->bi_status);

	bio_put(bio);
	/* Module exit waits for this section: see vhdb_unregister_backend(). */
	rcu_read_lock();
	blk_req_done(req, error);
	rcu_read_unlock();
}

static struct bio *new_bio(struct blk_req *req, unsigned int nr, blk_opf_t opf)
{
	struct bio *bio = bio_alloc_bioset(req->blk->bdev, nr, opf, GFP_KERNEL,
					   &bios);

	bio->bi_private = req;
	bio->bi_end_io = bio_done;
	atomic_inc(&req->pending);
	return bio;
}

static void bio_submit_rw(struct blk_req *req)
{
	struct vhdb_pages *pages = blk_req_pages(req);
	sector_t sector = req->pos >> SECTOR_SHIFT;
	blk_opf_t opf = REQ_OP_READ;
	struct bio *bio = NULL;
	u32 i;

	if (req->write)
		opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
		      (req->sync ? REQ_FUA : 0);

	for (i = 0; i < pages->nr; i++) {
		struct bio_vec *bv = &pages->bvec[i];

		if (bio && !bio_add_page(bio, bv->bv_page, bv->bv_len,
					 bv->bv_offset)) {
			/*
			 * Full. Submitted before another is allocated, so
			 * that the pool behind them can always be refilled.
			 */
			sector += bio_sectors(bio);
			submit_bio(bio);
			bio = NULL;
		}
		if (!bio) {
			bio = new_bio(req, bio_max_segs(pages->nr - i), opf);
			bio->bi_iter.bi_sector = sector;
			__bio_add_page(bio, bv->bv_page, bv->bv_len,
				       bv->bv_offset);
		}
	}
	submit_bio(bio);
}

static void bio_submit_flush(struct blk_req *req)
{
	submit_bio(new_bio(req, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC));
}

/*
 * Through the kernel's own function, which knows what the device can, and
 * writes pages of zeroes if it cannot, or finds out only now that it cannot.
 */
static void bio_zero_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	struct block_device *bdev = req->blk->bdev;
	int err = 0;
	u32 i;

	for (i = 0; i < req->nr_ranges && !err; i++) {
		struct blk_range *range = &req->ranges[i];

		err = blkdev_issue_zeroout(bdev, range->sector, range->nr,
					   GFP_KERNEL, range->unmap ?
					   0 : BLKDEV_ZERO_NOUNMAP);
	}
	if (!err && req->sync)
		err = blkdev_issue_flush(bdev);
	blk_req_done(req, err);
}

static void bio_submit_trim(struct blk_req *req)
{
	blk_opf_t opf = REQ_OP_DISCARD;
	u32 i;

	if (req->op == VIRTIO_BLK_T_WRITE_ZEROES) {
		blk_req_queue(req, bio_zero_work);
		return;
	}
	if (req->op == VIRTIO_BLK_T_SECURE_ERASE)
		opf = REQ_OP_SECURE_ERASE;
	for (i = 0; i < req->nr_ranges; i++) {
		struct bio *bio = new_bio(req, 0, opf);

		bio->bi_iter.bi_sector = req->ranges[i].sector;
		bio->bi_iter.bi_size = req->ranges[i].nr << SECTOR_SHIFT;
		submit_bio(bio);
	}
}

static u64 bio_bytes(const struct blk *blk)
{
	return bdev_nr_bytes(blk->bdev);
}

static const struct blk_ops blk_bio_ops = {
	.bytes = bio_bytes,
	.submit = bio_submit_rw,
	.flush = bio_submit_flush,
	.trim = bio_submit_trim,
};

/* What the device can of what its guest may ask for. */
static void trim_limits(struct blk *blk)
{
	struct block_device *bdev = blk->bdev;
	u32 granule = bdev_discard_granularity(bdev) >> SECTOR_SHIFT;
	u32 zeroes = bdev_write_zeroes_sectors(bdev);
	u32 block = blk->block_size >> SECTOR_SHIFT;

	blk->discard = (struct blk_trim){
		.sectors = min(bdev_max_discard_sectors(bdev),
			       BLK_RANGE_SECTORS),
		.align = max(granule, block),
	};
	blk->erase = (struct blk_trim){
		.sectors = min(bdev_max_secure_erase_sectors(bdev),
			       BLK_RANGE_SECTORS),
		.align = max(granule, block),
	};
	blk->zeroes.sectors = zeroes ? BLK_RANGE_SECTORS : BLK_WRITTEN_SECTORS;
	blk->may_unmap = zeroes;
}

/**
 * blk_bio_attach() - make a disk of a block device
 * @blk: the disk, @blk->file being a block device
 *
 * Context: process.
 * Return: 0; -EOPNOTSUPP for zoned storage, -EINVAL for a logical block that
 * is smaller than the device's, or what writing back the page cache gave.
 */
int blk_bio_attach(struct blk *blk)
{
	struct block_device *bdev = I_BDEV(blk->file->f_mapping->host);
	int err;

	if (bdev_is_zoned(bdev))
		return -EOPNOTSUPP;
	if (!blk->block_size)
		blk->block_size = bdev_logical_block_size(bdev);
	else if (blk->block_size < bdev_logical_block_size(bdev))
		return -EINVAL;

	/* What the page cache holds is not what the guest will see. */
	err = sync_blockdev(bdev);
	if (!err)
		err = invalidate_inode_pages2(blk->file->f_mapping);
	if (err)
		return err;

	blk->ops = &blk_bio_ops;
	blk->bdev = bdev;
	blk->write_cache = bdev_write_cache(bdev);
	blk->offset_mask = bdev_dma_alignment(bdev);
	/* A driver of bios may take sectors apart: a RAM disk WARNs. */
	if (bdev->bd_disk->fops->submit_bio)
		blk->offset_mask |= SECTOR_SIZE - 1;
	blk->len_mask = bdev_logical_block_size(bdev) - 1;
	trim_limits(blk);
	return 0;
}

/**
 * blk_bio_init() - at module init
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int __init blk_bio_init(void)
{
	return bioset_init(&bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
}

/**
 * blk_bio_exit() - at module exit
 *
 * Context: process; no bio is in flight.
 */
void blk_bio_exit(void)
{
	bioset_exit(&bios);
}
