/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A request lies in pieces, by the driver's addresses. A cursor is at one byte of
 * them and moves on; what it passes is translated then, and what is to be written
 * is noted for the log.
 *
 * Inline, since each packet goes through all of it, some of them many times over.
 */
#ifndef VHDB_CURSOR_H
#define VHDB_CURSOR_H

#include <linux/uio.h>

#include "device.h"

/**
 * vhdb_cursor_init() - begin with a request's pieces
 * @c: the cursor
 * @seg: the pieces
 * @nr: how many there are
 *
 * Context: the worker, during a run.
 */
static __always_inline void vhdb_cursor_init(struct vhdb_cursor *c,
					     const struct vhdb_seg *seg, u32 nr)
{
	u64 left = 0;
	u32 i;

	c->seg = seg;
	c->nr = nr;
	c->off = 0;
	for (i = 0; i < nr; i++)
		left += seg[i].len;
	c->left = left;
}

/* Moves on by what is left of the present piece at the most. */
static __always_inline void vhdb_cursor_advance(struct vhdb_cursor *c, u32 len)
{
	c->off += len;
	c->left -= len;
	if (c->off == c->seg->len) {
		c->seg++;
		c->off = 0;
		c->nr--;
	}
}

/*
 * The next run of user memory under a cursor, at most @max bytes of it, and
 * moves on behind it. What is asked for must be there (@c->left).
 */
static __always_inline int vhdb_cursor_next(struct vhdb_vq *vq,
					    struct vhdb_cursor *c, u32 max,
					    u8 perm, struct vhdb_piece *piece)
{
	u32 len = min(max, c->seg->len - c->off);
	u64 iova = c->seg->addr + c->off;
	int err;

	/* The driver's address may be anything; a piece must not wrap. */
	if (iova < c->seg->addr || iova + (len - 1) < iova)
		return -EFAULT;
	err = vhdb_memory_translate(&vq->dev->memory, iova, len, perm, piece,
				    &vq->near);
	if (!err && perm == VHDB_WRITE && vq->log.data)
		err = vhdb_log_note(vq, iova, piece);
	if (err)
		return err;
	vhdb_cursor_advance(c, piece->len);
	return 0;
}

/*
 * The next @len bytes under a cursor as user memory: entries of @iov, at most @max,
 * or -errno.
 */
static __always_inline int vhdb_cursor_iov(struct vhdb_vq *vq,
					   struct vhdb_cursor *c,
					   struct iovec *iov, u32 max, u32 len,
					   u8 perm)
{
	u32 nr = 0;

	if (len > c->left)
		return -EINVAL;
	while (len) {
		struct vhdb_piece piece;
		int err;

		if (nr == max)
			return -E2BIG;
		err = vhdb_cursor_next(vq, c, len, perm, &piece);
		if (err)
			return err;
		iov[nr].iov_base = (void __user *)piece.uaddr;
		iov[nr++].iov_len = piece.len;
		len -= piece.len;
	}
	return nr;
}

#endif /* VHDB_CURSOR_H */
