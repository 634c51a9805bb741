// SPDX-License-Identifier: GPL-2.0
/*
 * A request's data: copied, as user memory, or as pinned pages.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "cursor.h"

/* Copies the next bytes under a cursor; they must be there. */
static int cursor_copy(struct vhdb_vq *vq, struct vhdb_cursor *c, void *to,
		       u32 len)
{
	while (len) {
		struct vhdb_piece piece;
		int err = vhdb_cursor_next(vq, c, len, VHDB_READ, &piece);

		if (err)
			return err;
		if (copy_from_user(to, (void __user *)piece.uaddr, piece.len))
			return -EFAULT;
		to += piece.len;
		len -= piece.len;
	}
	return 0;
}

/**
 * vhdb_fetch() - copy an indirect table, for the engine
 * @data: the queue
 * @iova: the table
 * @to: where to
 * @len: bytes
 *
 * Context: the worker, during a run.
 * Return: 0 or -EFAULT, -EACCES; -EAGAIN if a mapping was asked for.
 */
int vhdb_fetch(void *data, u64 iova, void *to, u32 len)
{
	struct vhdb_seg seg = { .addr = iova, .len = len };
	struct vhdb_vq *vq = data;
	struct vhdb_cursor c;

	if (vhdb_device_has_iotlb(vq->dev) &&
	    vhdb_miss_ask(vq, iova, len, VHDB_READ) > 0)
		return -EAGAIN;
	vhdb_cursor_init(&c, &seg, 1);
	return cursor_copy(data, &c, to, len);
}

/**
 * vhdb_vq_out_left() - bytes of the request that are yet to be read
 * @vq: the queue
 *
 * Context: the worker, within run().
 * Return: bytes; no more than 1024 times 4 GiB.
 */
u64 vhdb_vq_out_left(const struct vhdb_vq *vq)
{
	return vq->out.left;
}
EXPORT_SYMBOL_GPL(vhdb_vq_out_left);

/**
 * vhdb_vq_in_left() - room of the request that is yet to be written
 * @vq: the queue
 *
 * Context: the worker, within run().
 * Return: bytes; no more than 1024 times 4 GiB.
 */
u64 vhdb_vq_in_left(const struct vhdb_vq *vq)
{
	return vq->in.left;
}
EXPORT_SYMBOL_GPL(vhdb_vq_in_left);

/**
 * vhdb_vq_in_skip() - leave room of the request unwritten
 * @vq: the queue
 * @len: bytes, at most vhdb_vq_in_left()
 *
 * Context: the worker, within run().
 */
void vhdb_vq_in_skip(struct vhdb_vq *vq, u64 len)
{
	while (len) {
		u32 step = min_t(u64, len, vq->in.seg->len - vq->in.off);

		vhdb_cursor_advance(&vq->in, step);
		len -= step;
	}
}
EXPORT_SYMBOL_GPL(vhdb_vq_in_skip);

/**
 * vhdb_vq_copy_from() - read the next bytes of the request
 * @vq: the queue
 * @to: where to
 * @len: bytes
 *
 * Context: the worker, within run(); may sleep.
 * Return: 0; -EINVAL if the request has less, -EFAULT or -EACCES if they
 * cannot be read.
 */
int vhdb_vq_copy_from(struct vhdb_vq *vq, void *to, u32 len)
{
	if (len > vq->out.left)
		return -EINVAL;
	return cursor_copy(vq, &vq->out, to, len);
}
EXPORT_SYMBOL_GPL(vhdb_vq_copy_from);

/**
 * vhdb_vq_copy_to() - write the next bytes of the request
 * @vq: the queue
 * @from: where from
 * @len: bytes
 *
 * Context: the worker, within run(); may sleep.
 * Return: 0; -EINVAL if there is less room, -EFAULT or -EACCES if it cannot
 * be written.
 */
int vhdb_vq_copy_to(struct vhdb_vq *vq, const void *from, u32 len)
{
	if (len > vq->in.left)
		return -EINVAL;
	while (len) {
		struct vhdb_piece piece;
		int err = vhdb_cursor_next(vq, &vq->in, len, VHDB_WRITE, &piece);

		if (err)
			return err;
		if (copy_to_user((void __user *)piece.uaddr, from, piece.len))
			return -EFAULT;
		from += piece.len;
		len -= piece.len;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(vhdb_vq_copy_to);

/**
 * vhdb_vq_iov_out() - the next bytes of the request, to be read, as user memory
 * @vq: the queue
 * @iov: out: where they are
 * @max: room in @iov
 * @len: bytes
 *
 * Context: the worker, within run(); they are valid until it returns.
 * Return: entries of @iov; -EINVAL if the request has less, -EFAULT or -EACCES,
 * -E2BIG if @max is too small.
 */
int vhdb_vq_iov_out(struct vhdb_vq *vq, struct iovec *iov, u32 max, u32 len)
{
	return vhdb_cursor_iov(vq, &vq->out, iov, max, len, VHDB_READ);
}
EXPORT_SYMBOL_GPL(vhdb_vq_iov_out);

/* Pages that are pinned in one go. */
#define PIN_BATCH	32

/* Makes room for @more pieces. */
static int pages_reserve(struct vhdb_pages *pages, u32 more)
{
	u32 max = max(pages->nr + more, 2 * pages->max);
	struct bio_vec *bvec;

	if (pages->nr + more <= pages->max)
		return 0;
	bvec = kvmalloc_array(max, sizeof(*bvec), GFP_KERNEL_ACCOUNT);
	if (!bvec)
		return -ENOMEM;
	memcpy(bvec, pages->bvec, pages->nr * sizeof(*bvec));
	if (pages->bvec != pages->few)
		kvfree(pages->bvec);
	pages->bvec = bvec;
	pages->max = max;
	return 0;
}

/* Pins a run of user memory and appends it. */
static int pin_piece(struct vhdb_pages *pages, struct vhdb_piece piece)
{
	struct page *batch[PIN_BATCH];

	while (piece.len) {
		u32 off = offset_in_page(piece.uaddr);
		int nr = min_t(u64, DIV_ROUND_UP(off + piece.len, PAGE_SIZE),
			       PIN_BATCH);
		int i, err;

		err = pages_reserve(pages, nr);
		if (err)
			return err;
		nr = pin_user_pages_fast(piece.uaddr - off, nr,
					 pages->writable ? FOLL_WRITE : 0, batch);
		if (nr <= 0)
			return nr ?: -EFAULT;
		for (i = 0; i < nr; i++) {
			u32 len = min_t(u64, piece.len, PAGE_SIZE - off);
			struct bio_vec *bv = &pages->bvec[pages->nr++];

			bv->bv_page = batch[i];
			bv->bv_len = len;
			bv->bv_offset = off;
			piece.uaddr += len;
			piece.len -= len;
			off = 0;
		}
	}
	return 0;
}

static int pin(struct vhdb_vq *vq, struct vhdb_cursor *c,
	       struct vhdb_pages *pages, u32 len, u8 perm)
{
	struct vhdb_cursor start = *c;
	int err = 0;

	vhdb_pages_init(pages);
	pages->writable = perm == VHDB_WRITE;
	if (len > c->left)
		return -EINVAL;
	while (len && !err) {
		struct vhdb_piece piece;

		err = vhdb_cursor_next(vq, c, len, perm, &piece);
		if (err)
			break;
		len -= piece.len;
		err = pin_piece(pages, piece);
	}
	if (!err && pages->writable)
		vhdb_pages_redirty(pages);
	if (err) {
		vhdb_pages_release(pages);
		/* The bytes are still to be had, by copying say. */
		*c = start;
	}
	return err;
}

/**
 * vhdb_vq_pin_out() - pin the next bytes of the request, to be read
 * @vq: the queue
 * @pages: out: the pages; to be released unless this fails
 * @len: bytes
 *
 * Context: the worker, within run(); may sleep.
 * Return: 0; -EINVAL if the request has less, -EFAULT, -EACCES, -ENOMEM, and
 * then the bytes are still the next ones.
 */
int vhdb_vq_pin_out(struct vhdb_vq *vq, struct vhdb_pages *pages, u32 len)
{
	return pin(vq, &vq->out, pages, len, VHDB_READ);
}
EXPORT_SYMBOL_GPL(vhdb_vq_pin_out);

/**
 * vhdb_vq_pin_in() - pin the next bytes of the request, to be written
 * @vq: the queue
 * @pages: out: the pages, dirtied; to be released unless this fails
 * @len: bytes
 *
 * Context: the worker, within run(); may sleep.
 * Return: 0; -EINVAL if there is less room, -EFAULT, -EACCES, -ENOMEM, and
 * then the bytes are still the next ones.
 */
int vhdb_vq_pin_in(struct vhdb_vq *vq, struct vhdb_pages *pages, u32 len)
{
	return pin(vq, &vq->in, pages, len, VHDB_WRITE);
}
EXPORT_SYMBOL_GPL(vhdb_vq_pin_in);

/**
 * vhdb_pages_init() - no pages
 * @pages: the set
 *
 * Context: any.
 */
void vhdb_pages_init(struct vhdb_pages *pages)
{
	pages->bvec = pages->few;
	pages->max = ARRAY_SIZE(pages->few);
	pages->nr = 0;
	pages->writable = false;
}
EXPORT_SYMBOL_GPL(vhdb_pages_init);

/**
 * vhdb_pages_dirty() - are written pages still dirty?
 * @pages: the pages
 *
 * They were dirtied when they were pinned. If one was cleaned (written out)
 * since, it has to be dirtied again, by vhdb_pages_redirty(), which may
 * sleep; the kernel's own direct I/O has the same to do.
 *
 * Context: any.
 * Return: true if they may be released as they are.
 */
bool vhdb_pages_dirty(const struct vhdb_pages *pages)
{
	u32 i;

	if (pages->writable)
		for (i = 0; i < pages->nr; i++)
			if (!PageDirty(pages->bvec[i].bv_page))
				return false;
	return true;
}
EXPORT_SYMBOL_GPL(vhdb_pages_dirty);

/**
 * vhdb_pages_redirty() - dirty those written pages that are not
 * @pages: the pages
 *
 * Context: process.
 */
void vhdb_pages_redirty(struct vhdb_pages *pages)
{
	u32 i;

	for (i = 0; i < pages->nr; i++)
		if (!PageDirty(pages->bvec[i].bv_page))
			set_page_dirty_lock(pages->bvec[i].bv_page);
}
EXPORT_SYMBOL_GPL(vhdb_pages_redirty);

/**
 * vhdb_pages_release() - unpin pages
 * @pages: the pages; none afterwards
 *
 * Context: any.
 */
void vhdb_pages_release(struct vhdb_pages *pages)
{
	u32 i;

	for (i = 0; i < pages->nr; i++)
		unpin_user_page(pages->bvec[i].bv_page);
	if (pages->bvec != pages->few)
		kvfree(pages->bvec);
	vhdb_pages_init(pages);
}
EXPORT_SYMBOL_GPL(vhdb_pages_release);
