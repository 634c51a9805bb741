// SPDX-License-Identifier: GPL-2.0
/*
 * DISCARD, WRITE_ZEROES and SECURE_ERASE (virtio 1.3, 5.2.6): requests whose
 * data are ranges of the disk. All ranges are read and checked before any of
 * them is touched, so that a request that is refused has done nothing.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include "blk.h"

/* Which of the three, and how this disk does it. */
static const struct blk_trim *find_trim(const struct blk *blk, u32 op,
					unsigned int *feature)
{
	switch (op) {
	case VIRTIO_BLK_T_DISCARD:
		*feature = VIRTIO_BLK_F_DISCARD;
		return &blk->discard;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		*feature = VIRTIO_BLK_F_WRITE_ZEROES;
		return &blk->zeroes;
	default:
		*feature = VIRTIO_BLK_F_SECURE_ERASE;
		return &blk->erase;
	}
}

/**
 * blk_trim_features() - what of it is offered
 * @blk: the disk
 *
 * Context: process.
 * Return: feature bits.
 */
u64 blk_trim_features(const struct blk *blk)
{
	u64 features = 0;

	if (blk->readonly)
		return 0;
	if (blk->discard.sectors)
		features |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	if (blk->zeroes.sectors)
		features |= BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (blk->erase.sectors)
		features |= BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE);
	return features;
}

/**
 * blk_trim_config() - the limits, in config space
 * @blk: the disk
 * @config: filled in as far as they go
 *
 * Context: process.
 */
void blk_trim_config(const struct blk *blk, struct virtio_blk_config *config)
{
	u64 features = blk_trim_features(blk);

#define LE32(x) ((__force __virtio32)cpu_to_le32(x))
	if (features & BIT_ULL(VIRTIO_BLK_F_DISCARD)) {
		config->max_discard_sectors = LE32(blk->discard.sectors);
		config->max_discard_seg = LE32(BLK_RANGES_MAX);
		config->discard_sector_alignment = LE32(blk->discard.align);
	}
	if (features & BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES)) {
		config->max_write_zeroes_sectors = LE32(blk->zeroes.sectors);
		config->max_write_zeroes_seg = LE32(BLK_RANGES_MAX);
		config->write_zeroes_may_unmap = blk->may_unmap;
	}
	if (features & BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE)) {
		config->max_secure_erase_sectors = LE32(blk->erase.sectors);
		config->max_secure_erase_seg = LE32(BLK_RANGES_MAX);
		config->secure_erase_sector_alignment = LE32(blk->erase.align);
	}
#undef LE32
}

/* One range as the driver has it, checked. Return: VIRTIO_BLK_S_*. */
static u8 take_range(struct blk_req *req, const struct blk_trim *trim,
		     const struct virtio_blk_discard_write_zeroes *seg,
		     struct blk_range *range)
{
	const u32 unmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	u32 nr = le32_to_cpu(seg->num_sectors), flags = le32_to_cpu(seg->flags);
	u64 sector = le64_to_cpu(seg->sector);
	const struct blk *blk = req->blk;
	u64 end = blk_sectors(blk);

	/* 5.2.6.2: flags that are not known; unmap is known to one of them */
	if (flags & ~(req->op == VIRTIO_BLK_T_WRITE_ZEROES ? unmap : 0))
		return VIRTIO_BLK_S_UNSUPP;
	/* 5.2.6.1: the limits of config space, and whole logical blocks */
	if (nr > trim->sectors || sector > end || nr > end - sector ||
	    ((sector | nr) & ((blk->block_size >> SECTOR_SHIFT) - 1)))
		return VIRTIO_BLK_S_IOERR;

	*range = (struct blk_range){
		.sector = sector,
		.nr = nr,
		.unmap = flags & unmap,
	};
	return VIRTIO_BLK_S_OK;
}

/* Reads the ranges. Return: VIRTIO_BLK_S_*; if not OK, there are none. */
static u8 get_ranges(struct blk_req *req, const struct blk_trim *trim)
{
	struct virtio_blk_discard_write_zeroes seg;
	struct vhdb_vq *vq = req->rq.vq;
	u64 len = vhdb_vq_out_left(vq);
	u8 status = VIRTIO_BLK_S_OK;
	u32 i, nr;

	/* 5.2.6.1: whole ranges, one or more, no more than were told */
	if (!len || len % sizeof(seg) || len > BLK_RANGES_MAX * sizeof(seg) ||
	    vhdb_vq_in_left(vq) != 1)
		return VIRTIO_BLK_S_IOERR;
	nr = len / sizeof(seg);
	req->ranges = &req->one;
	if (nr > 1)
		req->ranges = kmalloc_array(nr, sizeof(*req->ranges),
					    GFP_KERNEL_ACCOUNT);
	if (!req->ranges)
		return VIRTIO_BLK_S_IOERR;

	for (i = 0; i < nr && status != VIRTIO_BLK_S_UNSUPP; i++) {
		struct blk_range *range = &req->ranges[req->nr_ranges];
		u8 what = VIRTIO_BLK_S_IOERR;

		if (!vhdb_vq_copy_from(vq, &seg, sizeof(seg)))
			what = take_range(req, trim, &seg, range);
		/* UNSUPP is a MUST: it tells more than an error elsewhere. */
		status = max(status, what);
		/* No sectors: nothing to do. */
		if (what == VIRTIO_BLK_S_OK && range->nr)
			req->nr_ranges++;
	}
	return status;
}

static void drop_ranges(struct blk_req *req)
{
	if (req->ranges != &req->one)
		kfree(req->ranges);
	req->ranges = NULL;
	req->nr_ranges = 0;
}

/**
 * blk_trim() - DISCARD, WRITE_ZEROES or SECURE_ERASE
 * @req: the request, its header read; not the caller's any more
 *
 * Context: the worker.
 */
void blk_trim(struct blk_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	const struct blk_trim *trim;
	unsigned int feature;
	u8 status = VIRTIO_BLK_S_UNSUPP;

	/* Not offered, read-only say: cannot have been negotiated. */
	trim = find_trim(req->blk, req->op, &feature);
	if (vhdb_vq_has_feature(vq, feature))
		status = get_ranges(req, trim);
	if (status == VIRTIO_BLK_S_OK && req->nr_ranges &&
	    vhdb_vq_pin_in(vq, &req->status, 1))
		status = VIRTIO_BLK_S_IOERR;
	if (status != VIRTIO_BLK_S_OK || !req->nr_ranges) {
		drop_ranges(req);
		blk_answer_error(req, status);
		return;
	}
	/* As of a write (5.2.6.2); a discard leaves nothing to be kept. */
	req->sync = blk_write_through(req);
	blk_req_start(req, req->blk->ops->trim);
}
