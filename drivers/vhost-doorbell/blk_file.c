// SPDX-License-Identifier: GPL-2.0
/*
 * A disk on a regular file (a raw image), by kiocb.
 *
 * A file that was opened with O_DIRECT is submitted to by the worker and
 * completes where its I/O ends. Anything that is sure to sleep (the page
 * cache, fsync, a file system that is frozen) goes through a workqueue, so
 * that the worker serves on, and so do several of them at a time.
 */
#include <linux/blkdev.h>
#include <linux/cred.h>
#include <linux/falloc.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "blk.h"
#include "compat.h"

/* Pages of zeroes that are written at a time: one page, many times. */
#define ZERO_PAGES	32

static void iocb_end(struct blk_req *req, ssize_t ret, bool queued)
{
	if (req->write)
		vhdb_kiocb_end_write(&req->iocb, queued);
	/* Part of it: no room for the rest, or the file has been truncated. */
	if (ret >= 0 && ret < req->len)
		ret = req->write ? -ENOSPC : -EIO;
	else if (ret >= 0)
		ret = 0;
	blk_req_done(req, ret);
}

static void iocb_complete(struct kiocb *iocb, long ret)
{
	/* Module exit waits for this section: see vhdb_unregister_backend(). */
	rcu_read_lock();
	iocb_end(container_of(iocb, struct blk_req, iocb), ret, true);
	rcu_read_unlock();
}

/* The caller holds a part of the request, so that it outlives this. */
static void file_rw(struct blk_req *req)
{
	struct vhdb_pages *pages = blk_req_pages(req);
	struct file *file = req->blk->file;
	const struct cred *cred;
	struct iov_iter iter;
	ssize_t ret;

	init_sync_kiocb(&req->iocb, file);
	req->iocb.ki_complete = iocb_complete;
	req->iocb.ki_pos = req->pos;
	/* It can be set on an open file, after attach has looked. */
	req->iocb.ki_flags &= ~IOCB_APPEND;
	if (req->sync)
		req->iocb.ki_flags |= IOCB_DSYNC;

	iov_iter_bvec(&iter, req->write ? WRITE : READ, pages->bvec, pages->nr,
		      req->len);
	/* It is who opened the file that reads and writes it. */
	cred = override_creds(file->f_cred);
	atomic_inc(&req->pending);
	if (req->write) {
		vhdb_kiocb_start_write(&req->iocb);
		ret = vfs_iocb_iter_write(file, &req->iocb, &iter);
	} else {
		ret = vfs_iocb_iter_read(file, &req->iocb, &iter);
	}
	revert_creds(cred);
	/* Otherwise iocb_complete() was or will be called. */
	if (ret != -EIOCBQUEUED)
		iocb_end(req, ret, false);
}

static void file_rw_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);

	file_rw(req);
	blk_req_done(req, 0);
}

static void file_flush_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	struct file *file = req->blk->file;
	const struct cred *cred = override_creds(file->f_cred);
	int err = vfs_fsync(file, 1);

	revert_creds(cred);
	blk_req_done(req, err);
}

static void file_submit_rw(struct blk_req *req)
{
	struct file *file = req->blk->file;
	struct super_block *sb = file_inode(file)->i_sb;
	bool frozen = READ_ONCE(sb->s_writers.frozen) != SB_UNFROZEN;

	if ((file->f_flags & O_DIRECT) && !(req->write && frozen))
		file_rw(req);
	else
		blk_req_queue(req, file_rw_work);
}

static void file_submit_flush(struct blk_req *req)
{
	blk_req_queue(req, file_flush_work);
}

/* Zeroes for a file system that has no other way to make some. */
static int write_zeroes(struct file *file, loff_t pos, u64 len, bool sync)
{
	struct bio_vec bvec[ZERO_PAGES];
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;
	int i;

	for (i = 0; i < ZERO_PAGES; i++)
		bvec[i] = (struct bio_vec){ .bv_page = ZERO_PAGE(0),
					    .bv_len = PAGE_SIZE };
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = pos;
	iocb.ki_flags &= ~IOCB_APPEND;
	if (sync)
		iocb.ki_flags |= IOCB_DSYNC;

	while (len) {
		iov_iter_bvec(&iter, WRITE, bvec, ZERO_PAGES,
			      min_t(u64, len, sizeof(bvec)));
		vhdb_kiocb_start_write(&iocb);
		ret = vfs_iocb_iter_write(file, &iocb, &iter);
		vhdb_kiocb_end_write(&iocb, false);
		if (ret <= 0)
			return ret ?: -EIO;
		len -= ret;
		cond_resched();
	}
	return 0;
}

static int zero_range(struct file *file, const struct blk_range *range,
		      bool sync)
{
	loff_t pos = range->sector << SECTOR_SHIFT;
	u64 len = (u64)range->nr << SECTOR_SHIFT;
	int mode = FALLOC_FL_KEEP_SIZE;
	int err;

	mode |= range->unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	err = vfs_fallocate(file, mode, pos, len);
	return err == -EOPNOTSUPP ? write_zeroes(file, pos, len, sync) : err;
}

static int discard_range(struct file *file, const struct blk_range *range)
{
	return vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     range->sector << SECTOR_SHIFT,
			     (u64)range->nr << SECTOR_SHIFT);
}

static void file_trim_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	bool zeroes = req->op == VIRTIO_BLK_T_WRITE_ZEROES;
	struct file *file = req->blk->file;
	const struct cred *cred = override_creds(file->f_cred);
	int err = 0;
	u32 i;

	for (i = 0; i < req->nr_ranges && !err; i++) {
		struct blk_range *range = &req->ranges[i];

		err = zeroes ? zero_range(file, range, req->sync) :
			       discard_range(file, range);
	}
	if (!err && zeroes && req->sync)
		err = vfs_fsync(file, 1);
	revert_creds(cred);
	blk_req_done(req, err);
}

static void file_submit_trim(struct blk_req *req)
{
	blk_req_queue(req, file_trim_work);
}

static u64 file_bytes(const struct blk *blk)
{
	return i_size_read(file_inode(blk->file));
}

static const struct blk_ops blk_file_ops = {
	.bytes = file_bytes,
	.submit = file_submit_rw,
	.flush = file_submit_flush,
	.trim = file_submit_trim,
};

/* What O_DIRECT needs: from the file system, or else a safe guess. */
static int direct_limits(struct blk *blk, u32 *offset)
{
	struct super_block *sb = file_inode(blk->file)->i_sb;
	u32 mem = SZ_4K;
	struct kstat stat;
	int err;

	*offset = sb->s_bdev ? bdev_logical_block_size(sb->s_bdev) : SZ_4K;
	if (sb->s_bdev)
		mem = bdev_dma_alignment(sb->s_bdev) + 1;

	err = vfs_getattr(&blk->file->f_path, &stat, STATX_DIOALIGN, 0);
	if (err)
		return err;
	if ((stat.result_mask & STATX_DIOALIGN) && stat.dio_offset_align) {
		*offset = max_t(u32, stat.dio_offset_align, SECTOR_SIZE);
		mem = stat.dio_mem_align;
	}
	/* The driver below may be one of bios: see blk_bio_attach(). */
	blk->offset_mask = max_t(u32, mem, SECTOR_SIZE) - 1;
	blk->len_mask = *offset - 1;
	return 0;
}

/*
 * Whether a file system knows FALLOC_FL_PUNCH_HOLE is seen when it is asked
 * to: if not, a discard is answered with UNSUPP, and zeroes are written.
 */
static void trim_limits(struct blk *blk)
{
	struct inode *inode = file_inode(blk->file);
	bool fallocate = blk->file->f_op->fallocate;

	blk->discard = (struct blk_trim){
		.sectors = fallocate ? BLK_RANGE_SECTORS : 0,
		.align = max(i_blocksize(inode), blk->block_size) >> SECTOR_SHIFT,
	};
	blk->zeroes.sectors = fallocate ? BLK_RANGE_SECTORS : BLK_WRITTEN_SECTORS;
	blk->may_unmap = fallocate;
}

/**
 * blk_file_attach() - make a disk of a regular file
 * @blk: the disk, @blk->file being a regular file
 *
 * Context: process.
 * Return: 0; -EINVAL for a logical block that is too small for the file's
 * O_DIRECT, or for a file that is not read and written by iterators; what
 * asking the file system gave.
 */
int blk_file_attach(struct blk *blk)
{
	u32 offset = SECTOR_SIZE;
	int err;

	if (!blk->file->f_op->read_iter ||
	    (!blk->readonly && !blk->file->f_op->write_iter))
		return -EINVAL;
	if (blk->file->f_flags & O_DIRECT) {
		err = direct_limits(blk, &offset);
		if (err)
			return err;
	}
	if (!blk->block_size)
		blk->block_size = offset;
	else if (blk->block_size < offset)
		return -EINVAL;

	blk->ops = &blk_file_ops;
	blk->write_cache = true;
	trim_limits(blk);
	return 0;
}
