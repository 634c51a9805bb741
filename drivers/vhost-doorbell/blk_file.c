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
#include <linux/stat.h>
#include <linux/uio.h>

#include "blk.h"
#include "compat.h"

/* Requests of a disk that wait for the file system at a time. */
#define FILE_WORKERS	32

static void iocb_end(struct blk_req *req, ssize_t ret, bool queued)
{
	if (req->write)
		vhdb_kiocb_end_write(&req->iocb, queued);
	/* Less than asked: the file has been truncated, or is full. */
	blk_req_done(req, ret != req->len);
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
	blk_req_done(req, false);
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

static void queue_part(struct blk_req *req, work_func_t fn)
{
	atomic_inc(&req->pending);
	INIT_WORK(&req->work, fn);
	queue_work(req->blk->wq, &req->work);
}

static void file_submit_rw(struct blk_req *req)
{
	struct file *file = req->blk->file;
	struct super_block *sb = file_inode(file)->i_sb;
	bool frozen = READ_ONCE(sb->s_writers.frozen) != SB_UNFROZEN;

	if ((file->f_flags & O_DIRECT) && !(req->write && frozen))
		file_rw(req);
	else
		queue_part(req, file_rw_work);
}

static void file_submit_flush(struct blk_req *req)
{
	queue_part(req, file_flush_work);
}

static void file_detach(struct blk *blk)
{
	destroy_workqueue(blk->wq);
}

static const struct blk_ops blk_file_ops = {
	.submit = file_submit_rw,
	.flush = file_submit_flush,
	.detach = file_detach,
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
 * asking the file system gave, -ENOMEM.
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

	/* Its own, so that a file that hangs holds up no other disk. */
	blk->wq = alloc_workqueue("vhost-doorbell-file",
				  WQ_UNBOUND | WQ_MEM_RECLAIM, FILE_WORKERS);
	if (!blk->wq)
		return -ENOMEM;
	blk->ops = &blk_file_ops;
	blk->capacity = i_size_read(file_inode(blk->file));
	blk->write_cache = true;
	return 0;
}
