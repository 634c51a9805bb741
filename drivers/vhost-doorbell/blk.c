// SPDX-License-Identifier: GPL-2.0
/*
 * The 'blk' back end: a virtio block device (virtio 1.3, 5.2) on a block
 * device or a file.
 *
 * A request is parsed by the worker, submitted, and completed where its I/O
 * ends: there the status byte is written to the guest's pinned page and the
 * request is given back. What is answered at once (an error, an identity) is
 * written by the worker through the owner's page tables instead.
 *
 * What the backing cannot take as it is (address or length of a piece not
 * aligned) goes through pages of our own. For a read, they are copied to the
 * guest's from a workqueue, not in interrupt context: it may be megabytes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <uapi/linux/virtio_ids.h>

#include "blk.h"

/* Requests of a disk that wait for their storage at a time. */
#define BLK_WORKERS	32

/*
 * Completions that may sleep. Nothing here waits for I/O, so that no disk
 * keeps another's from ending.
 */
static struct workqueue_struct *blk_wq;

static void share_init(struct blk_share *share, int max)
{
	atomic_set(&share->used, 0);
	share->max = max;
	init_waitqueue_head(&share->wait);
}

static bool share_try(struct blk_share *share, u32 nr)
{
	if (atomic_add_return(nr, &share->used) <= share->max)
		return true;
	atomic_sub(nr, &share->used);
	return false;
}

/* Given back by requests in flight: the wait is no longer than their I/O. */
static int share_get(struct blk_share *share, u32 nr)
{
	return wait_event_killable(share->wait, share_try(share, nr)) ? -EINTR : 0;
}

/* Any context. */
static void share_put(struct blk_share *share, u32 nr)
{
	atomic_sub(nr, &share->used);
	if (wq_has_sleeper(&share->wait))
		wake_up(&share->wait);
}

/* Any context, but with a large array not an atomic one: see defer(). */
static void release_data(struct blk_req *req)
{
	vhdb_pages_release(&req->data);
	share_put(&req->blk->pin, req->pinned);
	req->pinned = 0;
}

/*
 * Why a request failed, as it is counted and told. There is no status for
 * storage that is full, a thin pool or a file system: an I/O error it is, which
 * a guest does not try again for ever; counters and log tell the two apart.
 */
static int reason_of(const struct blk_req *req)
{
	switch (req->error) {
	case -EOPNOTSUPP:
		/* Of a read or a write it would be no answer. */
		return req->nr_ranges ? -EOPNOTSUPP : -EIO;
	case -ENOSPC:
	case -EDQUOT:
		pr_warn_ratelimited("no space left under %pD: its guest gets I/O errors\n",
				    req->blk->file);
		return -ENOSPC;
	default:
		return req->error;
	}
}

/* Writes the status byte and gives the request back. Any context. */
static void finish(struct blk_req *req)
{
	const struct bio_vec *bv = req->status.bvec;
	u8 status = VIRTIO_BLK_S_OK;
	u32 len = sizeof(status);
	u8 *page;

	req->rq.error = reason_of(req);
	if (req->rq.error)
		status = req->rq.error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP :
							VIRTIO_BLK_S_IOERR;
	else if (req->write)
		req->rq.bytes_written = req->len;
	else
		req->rq.bytes_read = req->len;
	len += req->rq.bytes_read;

	page = kmap_local_page(bv->bv_page);
	WRITE_ONCE(page[bv->bv_offset], status);
	kunmap_local(page);

	release_data(req);
	vhdb_pages_release(&req->status);
	if (req->ranges != &req->one)
		kfree(req->ranges);
	vhdb_request_complete(&req->rq, len);
}

static u32 bounce_pages(const struct blk_req *req)
{
	return DIV_ROUND_UP(req->len, PAGE_SIZE);
}

static void free_bounce(struct blk_req *req)
{
	u32 i;

	for (i = 0; i < req->bounce.nr; i++)
		__free_page(req->bounce.bvec[i].bv_page);
	if (req->bounce.bvec != req->bounce.few)
		kvfree(req->bounce.bvec);
	vhdb_pages_init(&req->bounce);

	share_put(&req->blk->bounce, bounce_pages(req));
}

/* Copies between the pieces of two sets, however each is cut. */
static void copy_pages(struct vhdb_pages *to, struct vhdb_pages *from, u32 len)
{
	u32 i = 0, j = 0, ioff = 0, joff = 0;

	while (len) {
		struct bio_vec *t = &to->bvec[i], *f = &from->bvec[j];
		u32 n = min3(len, t->bv_len - ioff, f->bv_len - joff);

		memcpy_page(t->bv_page, t->bv_offset + ioff,
			    f->bv_page, f->bv_offset + joff, n);
		len -= n;
		ioff += n;
		joff += n;
		if (ioff == t->bv_len) {
			i++;
			ioff = 0;
		}
		if (joff == f->bv_len) {
			j++;
			joff = 0;
		}
	}
}

/* The end of a request that has to copy or to dirty pages first. */
static void finish_work(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);

	if (req->bounce.nr) {
		if (!req->write && !req->error)
			copy_pages(&req->data, &req->bounce, req->len);
		free_bounce(req);
	}
	if (req->data.writable)
		vhdb_pages_redirty(&req->data);
	vhdb_pages_redirty(&req->status);
	finish(req);
}

/*
 * Has a request's end to be put off to where one may sleep? If there is to be
 * copied or dirtied, or if a large array is to be freed.
 */
static bool defer(const struct blk_req *req)
{
	return req->bounce.nr || is_vmalloc_addr(req->data.bvec) ||
	       !vhdb_pages_dirty(&req->data) || !vhdb_pages_dirty(&req->status);
}

/**
 * blk_req_done() - a part of a request has ended
 * @req: the request
 * @error: 0, or why it failed: -EOPNOTSUPP, -ENOSPC, or whatever else
 *
 * Context: any.
 */
void blk_req_done(struct blk_req *req, int error)
{
	/* The first one tells. */
	if (error)
		cmpxchg(&req->error, 0, error);
	/* A full barrier: who ends last sees the others' error. */
	if (!atomic_dec_and_test(&req->pending))
		return;

	if (defer(req)) {
		INIT_WORK(&req->work, finish_work);
		queue_work(blk_wq, &req->work);
	} else {
		finish(req);
	}
}

/**
 * blk_req_queue() - leave a part of a request to what may sleep for long
 * @req: the request
 * @fn: the part, which ends with blk_req_done()
 *
 * Context: within a start's submit().
 */
void blk_req_queue(struct blk_req *req, work_func_t fn)
{
	atomic_inc(&req->pending);
	INIT_WORK(&req->work, fn);
	queue_work(req->blk->wq, &req->work);
}

/**
 * blk_answer() - answer from the worker
 * @req: the request; not the caller's any more
 * @status: VIRTIO_BLK_S_*
 * @len: bytes that the driver is told were written
 *
 * Room before the status byte that is not written yet stays so.
 *
 * Context: the worker.
 */
void blk_answer(struct blk_req *req, u8 status, u32 len)
{
	struct vhdb_vq *vq = req->rq.vq;

	if (status == VIRTIO_BLK_S_UNSUPP)
		req->rq.error = -EOPNOTSUPP;
	else
		req->rq.error = status == VIRTIO_BLK_S_OK ? 0 : -EIO;
	/* 5.2.6: the last byte, wherever that is */
	vhdb_vq_in_skip(vq, vhdb_vq_in_left(vq) - 1);
	if (vhdb_vq_copy_to(vq, &status, sizeof(status))) {
		/* Nobody can be told: the request is returned, empty. */
		req->rq.error = -EFAULT;
		len = 0;
	}
	vhdb_request_complete(&req->rq, len);
}

/**
 * blk_answer_error() - answer without data
 * @req: the request; not the caller's any more
 * @status: VIRTIO_BLK_S_*
 *
 * Context: the worker.
 */
void blk_answer_error(struct blk_req *req, u8 status)
{
	blk_answer(req, status, sizeof(status));
}

/* May the guest's pages be given to the backing as they are? */
static bool aligned(const struct blk *blk, const struct vhdb_pages *pages)
{
	u32 offsets = 0, lens = 0, i;

	for (i = 0; i < pages->nr; i++) {
		offsets |= pages->bvec[i].bv_offset;
		lens |= pages->bvec[i].bv_len;
	}
	return !(offsets & blk->offset_mask) && !(lens & blk->len_mask);
}

/* Pages of our own for @req->len bytes. */
static int alloc_bounce(struct blk_req *req)
{
	u32 nr = bounce_pages(req), left = req->len;
	struct vhdb_pages *b = &req->bounce;

	if (share_get(&req->blk->bounce, nr))
		return -EINTR;

	if (nr > b->max) {
		struct bio_vec *bvec = kvmalloc_array(nr, sizeof(*bvec),
						      GFP_KERNEL_ACCOUNT);

		if (!bvec) {
			free_bounce(req);
			return -ENOMEM;
		}
		b->bvec = bvec;
		b->max = nr;
	}
	while (left) {
		struct bio_vec *bv = &b->bvec[b->nr];

		bv->bv_page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!bv->bv_page) {
			free_bounce(req);
			return -ENOMEM;
		}
		bv->bv_offset = 0;
		bv->bv_len = min_t(u32, left, PAGE_SIZE);
		left -= bv->bv_len;
		b->nr++;
	}
	return 0;
}

/* Gets hold of the memory of a read or a write. */
static int get_pages(struct blk_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	int err;

	if (req->write)
		err = vhdb_vq_pin_out(vq, &req->data, req->len);
	else
		err = vhdb_vq_pin_in(vq, &req->data, req->len);
	if (err)
		return err;
	if (share_get(&req->blk->pin, req->data.nr)) {
		vhdb_pages_release(&req->data);
		return -EINTR;
	}
	req->pinned = req->data.nr;
	if (aligned(req->blk, &req->data))
		return 0;

	vhdb_vq_count_bounce(vq);
	err = alloc_bounce(req);
	if (!err && req->write)
		copy_pages(&req->bounce, &req->data, req->len);
	/* A read needs the guest's pages at its end. */
	if (err || req->write)
		release_data(req);
	return err;
}

/**
 * blk_req_start() - hand a request to the backing
 * @req: the request; not the caller's any more
 * @submit: submits its parts, which may end before it returns
 *
 * Context: the worker.
 */
void blk_req_start(struct blk_req *req, void (*submit)(struct blk_req *req))
{
	atomic_set(&req->pending, 1);
	req->error = 0;
	submit(req);
	blk_req_done(req, 0);
}

/**
 * blk_write_through() - is what a request writes to be stable when it ends?
 * @req: the request
 *
 * 5.2.6.2: with CONFIG_WCE, if the driver has chosen so for all the time from its
 * submission to its completion; one look at that in between will do. Without, if
 * it cannot flush.
 *
 * Context: the worker.
 * Return: true if it is.
 */
bool blk_write_through(const struct blk_req *req)
{
	const struct vhdb_vq *vq = req->rq.vq;

	if (vhdb_vq_has_feature(vq, VIRTIO_BLK_F_CONFIG_WCE))
		return !READ_ONCE(req->blk->writeback);
	return !vhdb_vq_has_feature(vq, VIRTIO_BLK_F_FLUSH);
}

/* 5.2.6.2: what may be asked of which disk, and where. */
static bool rw_allowed(const struct blk *blk, u64 sector, u64 len)
{
	u64 end = blk_sectors(blk);

	if ((len | (sector << SECTOR_SHIFT)) & (blk->block_size - 1))
		return false;
	return len <= BLK_BYTES_MAX && sector <= end &&
	       len >> SECTOR_SHIFT <= end - sector;
}

static void read_or_write(struct blk_req *req, u64 sector)
{
	struct vhdb_vq *vq = req->rq.vq;
	struct blk *blk = req->blk;
	u64 out = vhdb_vq_out_left(vq), in = vhdb_vq_in_left(vq) - 1;
	u64 len = req->write ? out : in;

	/* 5.2.6: payload in the one direction or in the other */
	if ((req->write ? in : out) || (req->write && blk->readonly) ||
	    !rw_allowed(blk, sector, len)) {
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!len) {
		blk_answer(req, VIRTIO_BLK_S_OK, 1);
		return;
	}

	req->pos = sector << SECTOR_SHIFT;
	req->len = len;
	req->sync = req->write && blk_write_through(req);
	vhdb_vq_charge(vq, len);
	if (get_pages(req)) {
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (vhdb_vq_pin_in(vq, &req->status, 1)) {
		release_data(req);
		if (req->bounce.nr)
			free_bounce(req);
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	blk_req_start(req, blk->ops->submit);
}

static void flush(struct blk_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;

	vhdb_vq_in_skip(vq, vhdb_vq_in_left(vq) - 1);
	if (req->blk->readonly) {
		blk_answer(req, VIRTIO_BLK_S_OK, 1);
		return;
	}
	if (vhdb_vq_pin_in(vq, &req->status, 1)) {
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	blk_req_start(req, req->blk->ops->flush);
}

static void get_id(struct blk_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	u32 len = min_t(u64, vhdb_vq_in_left(vq) - 1, VIRTIO_BLK_ID_BYTES);

	if (vhdb_vq_out_left(vq) || vhdb_vq_copy_to(vq, req->blk->serial, len))
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
	else
		blk_answer(req, VIRTIO_BLK_S_OK, len + 1);
}

/* 5.2.6: one request of the driver. */
static void handle(struct blk_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	struct virtio_blk_outhdr hdr;

	req->blk = vhdb_vq_priv(vq);
	req->pinned = 0;
	req->len = 0;
	req->nr_ranges = 0;
	req->ranges = NULL;
	vhdb_pages_init(&req->data);
	vhdb_pages_init(&req->status);
	vhdb_pages_init(&req->bounce);

	if (vhdb_vq_out_left(vq) < sizeof(hdr) || !vhdb_vq_in_left(vq)) {
		/* No header, or no room for a status: no request at all. */
		vhdb_vq_break(vq, -ENOMSG);
		req->rq.error = -EBADMSG;
		vhdb_request_complete(&req->rq, 0);
		return;
	}
	if (vhdb_vq_copy_from(vq, &hdr, sizeof(hdr))) {
		blk_answer_error(req, VIRTIO_BLK_S_IOERR);
		return;
	}

	req->op = le32_to_cpu((__force __le32)hdr.type);
	req->write = req->op != VIRTIO_BLK_T_IN;
	switch (req->op) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		read_or_write(req, le64_to_cpu((__force __le64)hdr.sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(req);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
	case VIRTIO_BLK_T_SECURE_ERASE:
		blk_trim(req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(req);
		break;
	default:
		blk_answer_error(req, VIRTIO_BLK_S_UNSUPP);
	}
}

static u64 whole_blocks(const struct blk *blk)
{
	return round_down(blk->ops->bytes(blk), (u64)blk->block_size);
}

/*
 * Takes notice of a backing that has become larger. Several may see it, and one
 * of them has done it: 1; 0 if there is nothing new, -EFBIG if it is smaller.
 */
static int grow(struct blk *blk)
{
	u64 old = READ_ONCE(blk->capacity), now = whole_blocks(blk);

	if (now <= old)
		return now < old ? -EFBIG : 0;
	return cmpxchg64(&blk->capacity, old, now) == old;
}

static int blk_update(void *priv, u64 *bytes)
{
	struct blk *blk = priv;
	int ret = grow(blk);

	*bytes = READ_ONCE(blk->capacity);
	return ret;
}

static void blk_run(struct vhdb_vq *vq)
{
	struct blk *blk = vhdb_vq_priv(vq);
	struct vhdb_request *rq;
	struct blk_plug plug;

	/* A file's size is its owner's to change as he goes: UPDATE tells. */
	if (blk->bdev && grow(blk) > 0)
		vhdb_vq_config_changed(vq);
	blk_start_plug(&plug);
	while ((rq = vhdb_vq_next(vq)))
		handle(container_of(rq, struct blk_req, rq));
	blk_finish_plug(&plug);
}

static void blk_get_config(void *priv, void *config)
{
	struct blk *blk = priv;
	struct virtio_blk_config *c = config;
	u32 physical = blk->block_size, io_min = 0, io_opt = 0;

	if (blk->bdev) {
		physical = max(physical, bdev_physical_block_size(blk->bdev));
		io_min = bdev_io_min(blk->bdev);
		io_opt = bdev_io_opt(blk->bdev);
	}

#define LE16(x) ((__force __virtio16)cpu_to_le16(x))
#define LE32(x) ((__force __virtio32)cpu_to_le32(x))
#define LE64(x) ((__force __virtio64)cpu_to_le64(x))
	c->capacity = LE64(blk_sectors(blk));
	c->size_max = LE32(BLK_SIZE_MAX);
	c->seg_max = LE32(blk->seg_max);
	c->blk_size = LE32(blk->block_size);
	c->physical_block_exp = ilog2(physical / blk->block_size);
	/* Both in logical blocks. */
	c->min_io_size = LE16(min_t(u32, io_min / blk->block_size, U16_MAX));
	c->opt_io_size = LE32(io_opt / blk->block_size);
	c->wce = READ_ONCE(blk->writeback);
	c->num_queues = LE16(blk->queues);
#undef LE16
#undef LE32
#undef LE64
	blk_trim_config(blk, c);
}

/*
 * 5.2.5.2: who can choose begins with write-back, or without FLUSH with
 * write-through. Who cannot is told what the backing is like.
 */
static void blk_negotiated(void *priv, u64 features)
{
	struct blk *blk = priv;

	blk->config_wce = features & BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);
	WRITE_ONCE(blk->writeback, blk->config_wce ?
		   !!(features & BIT_ULL(VIRTIO_BLK_F_FLUSH)) :
		   blk->write_cache);
}

/* 5.2.5: of all of it, the driver may write @wce alone. */
static int blk_set_config(void *priv, u32 off, const u8 *data, u32 len)
{
	const u32 wce = offsetof(struct virtio_blk_config, wce);
	struct blk *blk = priv;

	if (!blk->config_wce || off > wce || len <= wce - off)
		return 0;
	if (data[wce - off] > 1)
		return -EINVAL;
	WRITE_ONCE(blk->writeback, data[wce - off]);
	return 0;
}

static u64 blk_device_features(void *priv)
{
	struct blk *blk = priv;
	u64 features = BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) |
		       BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
		       BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
		       BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) |
		       BIT_ULL(VIRTIO_BLK_F_FLUSH);

	/* 5.2.5.2: never CONFIG_WCE without FLUSH */
	if (blk->readonly)
		features |= BIT_ULL(VIRTIO_BLK_F_RO);
	else if (blk->may_flush)
		features |= BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);
	if (blk->queues > 1)
		features |= BIT_ULL(VIRTIO_BLK_F_MQ);
	return features | blk_trim_features(blk);
}

/* Is it something that we can serve, and opened as it is to be used? */
static int check_file(const struct vhdb_attach *attach)
{
	struct file *file = attach->file;
	umode_t mode = file_inode(file)->i_mode;

	if (S_ISDIR(mode))
		return -EISDIR;
	if (!S_ISBLK(mode) && !S_ISREG(mode))
		return -ENOTBLK;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (!attach->readonly && !(file->f_mode & FMODE_WRITE))
		return -EROFS;
	/* Writes would go to the end, wherever they are for. */
	return file->f_flags & O_APPEND ? -EINVAL : 0;
}

static void *blk_attach(const struct vhdb_attach *attach)
{
	u32 size = attach->logical_block_size;
	struct blk *blk;
	int err;

	err = check_file(attach);
	if (err)
		return ERR_PTR(err);
	if (size && (!is_power_of_2(size) || size < SECTOR_SIZE || size > SZ_4K))
		return ERR_PTR(-EINVAL);

	blk = kzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	if (!blk)
		return ERR_PTR(-ENOMEM);
	share_init(&blk->bounce, BLK_BOUNCE_MAX);
	share_init(&blk->pin, BLK_PIN_MAX);
	blk->file = attach->file;
	blk->readonly = attach->readonly;
	blk->may_flush = attach->features & BIT_ULL(VIRTIO_BLK_F_FLUSH);
	blk->queues = attach->queues;
	blk->block_size = size;
	memcpy(blk->serial, attach->serial, sizeof(blk->serial));
	/* Header and status need a descriptor each. */
	blk->seg_max = attach->queue_size > 3 ?
		       min(attach->queue_size - 2, BLK_SEG_MAX) : 1;

	/* Its own, so that storage that hangs holds up no other disk. */
	blk->wq = alloc_workqueue("vhost-doorbell-disk",
				  WQ_UNBOUND | WQ_MEM_RECLAIM, BLK_WORKERS);
	if (!blk->wq) {
		err = -ENOMEM;
		goto err_free;
	}
	if (S_ISBLK(file_inode(blk->file)->i_mode))
		err = blk_bio_attach(blk);
	else
		err = blk_file_attach(blk);
	if (err)
		goto err_wq;
	blk->capacity = whole_blocks(blk);
	blk->writeback = blk->write_cache;
	return blk;

err_wq:
	destroy_workqueue(blk->wq);
err_free:
	kfree(blk);
	return ERR_PTR(err);
}

static void blk_detach(void *priv)
{
	struct blk *blk = priv;

	destroy_workqueue(blk->wq);
	kfree(blk);
}

static const struct vhdb_backend blk_backend = {
	.name = "blk",
	.owner = THIS_MODULE,
	.device_id = VIRTIO_ID_BLOCK,
	.queues_max = 256,
	.features = BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) |
		    BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
		    BIT_ULL(VIRTIO_BLK_F_RO) |
		    BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
		    BIT_ULL(VIRTIO_BLK_F_FLUSH) |
		    BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) |
		    BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) |
		    BIT_ULL(VIRTIO_BLK_F_MQ) |
		    BIT_ULL(VIRTIO_BLK_F_DISCARD) |
		    BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES) |
		    BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE),
	.on_request = BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE),
	.config_size = offsetofend(struct virtio_blk_config,
				   secure_erase_sector_alignment),
	.request_size = sizeof(struct blk_req),
	.attach = blk_attach,
	.detach = blk_detach,
	/* The status byte tells. */
	.lens_implied = true,
	.device_features = blk_device_features,
	.negotiated = blk_negotiated,
	.get_config = blk_get_config,
	.set_config = blk_set_config,
	.update = blk_update,
	.run = blk_run,
};

static int __init blk_init(void)
{
	int err;

	blk_wq = alloc_workqueue("vhost-doorbell-blk", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!blk_wq)
		return -ENOMEM;
	err = blk_bio_init();
	if (err)
		goto err_wq;
	err = vhdb_register_backend(&blk_backend);
	if (err)
		goto err_bio;
	return 0;

err_bio:
	blk_bio_exit();
err_wq:
	destroy_workqueue(blk_wq);
	return err;
}
module_init(blk_init);

static void __exit blk_exit(void)
{
	vhdb_unregister_backend(&blk_backend);
	blk_bio_exit();
	destroy_workqueue(blk_wq);
}
module_exit(blk_exit);

MODULE_DESCRIPTION("vhost-doorbell: virtio block devices");
MODULE_ALIAS("vhost-doorbell-blk");
MODULE_LICENSE("GPL");
