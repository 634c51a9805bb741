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
#include <linux/stat.h>
#include <linux/uio.h>

#include "blk.h"
#include "compat.h"

static void iocb_end(struct blk_req *req, ssize_t ret, bool queued)
{
	if (req->write)
		vhdb_kiocb_end_write(&req->iocb, queued);
	/* Less than asked: the file has been truncated, or is full. */
	rcu_read_lock();
	blk_req_done(req, ret != req->len);
	rcu_read_unlock();
}

static void iocb_complete(struct kiocb *iocb, long ret)
{
	iocb_end(container_of(iocb, struct blk_req, iocb), ret, true);
}

static void file_rw(struct blk_req *req)
{
	struct vhdb_pages *pages = blk_req_pages(req);
	struct file *file = req->blk->file;
	struct iov_iter iter;
	ssize_t ret;

	init_sync_kiocb(&req->iocb, file);
	req->iocb.ki_complete = iocb_complete;
	req->iocb.ki_pos = req->pos;
	if (req->sync)
		req->iocb.ki_flags |= IOCB_DSYNC;

	iov_iter_bvec(&iter, req->write ? WRITE : READ, pages->bvec, pages->nr,
		      req->len);
	if (req->write) {
		vhdb_kiocb_start_write(&req->iocb);
		ret = vfs_iocb_iter_write(file, &req->iocb, &iter);
	} else {
		ret = vfs_iocb_iter_read(file, &req->iocb, &iter);
	}
	/* Otherwise iocb_complete() was or will be called. */
	if (ret != -EIOCBQUEUED)
		iocb_end(req, ret, false);
}

static void file_rw_work(struct work_struct *work)
{
	file_rw(container_of(work, struct blk_req, work));
}

static void file_flush_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	int err = vfs_fsync(req->blk->file, 1);

	rcu_read_lock();
	blk_req_done(req, err);
	rcu_read_unlock();
}

static void file_submit_rw(struct blk_req *req)
{
	struct file *file = req->blk->file;
	struct super_block *sb = file_inode(file)->i_sb;

	atomic_inc(&req->pending);
	if ((file->f_flags & O_DIRECT) &&
	    READ_ONCE(sb->s_writers.frozen) == SB_UNFROZEN)
		file_rw(req);
	else
		blk_queue_work(req, file_rw_work);
}

static void file_submit_flush(struct blk_req *req)
{
	atomic_inc(&req->pending);
	blk_queue_work(req, file_flush_work);
}

static const struct blk_ops blk_file_ops = {
	.submit = file_submit_rw,
	.flush = file_submit_flush,
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
	blk->capacity = i_size_read(file_inode(blk->file));
	blk->write_cache = true;
	return 0;
}
