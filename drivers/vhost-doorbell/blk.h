/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_BLK_H
#define VHDB_BLK_H

#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/vhost_doorbell.h>
#include <linux/workqueue.h>

/* 5.2.4: what config space tells of a request's size. */
#define BLK_SIZE_MAX	65536u
#define BLK_SEG_MAX	254u

/* The largest payload that a driver can send which heeds both of them. */
#define BLK_BYTES_MAX	(BLK_SIZE_MAX * BLK_SEG_MAX)

/* Pages that a device's bounced requests may hold, two large requests' worth. */
#define BLK_BOUNCE_MAX	(2 * DIV_ROUND_UP(BLK_BYTES_MAX, PAGE_SIZE))

struct blk;

/**
 * struct blk_req - a request of the guest
 * @rq: the core's part
 * @blk: its device
 * @data: the guest's pages that the payload goes to or comes from; none once
 *	a payload to be written was copied
 * @status: the guest's page that the status byte goes to
 * @bounce: pages of our own, if the guest's are not aligned
 * @pos: first byte on the backing
 * @len: bytes of payload
 * @write: direction
 * @sync: the payload is to be on stable storage when the request completes
 * @pending: parts under way, and one while parts are being submitted
 * @error: a part failed
 * @iocb: for files
 * @work: for what may sleep
 */
struct blk_req {
	struct vhdb_request rq;
	struct blk *blk;
	struct vhdb_pages data;
	struct vhdb_pages status;
	struct vhdb_pages bounce;
	loff_t pos;
	u32 len;
	bool write;
	bool sync;
	bool error;
	atomic_t pending;
	struct kiocb iocb;
	struct work_struct work;
};

/**
 * struct blk_ops - a kind of backing
 * @submit: starts to move the payload, which lies in blk_req_pages();
 *	blk_req_done() when it ends, in any context
 * @flush: starts to make what was completed stable; likewise
 */
struct blk_ops {
	void (*submit)(struct blk_req *req);
	void (*flush)(struct blk_req *req);
};

/**
 * struct blk - a disk
 * @ops: kind of backing
 * @file: the backing
 * @bdev: the backing, if it is a block device
 * @readonly: the guest may not write
 * @write_cache: a flush is needed to make writes stable
 * @capacity: bytes, a multiple of @block_size
 * @block_size: logical block, bytes
 * @offset_mask: bits that a piece's place in memory must not have
 * @len_mask: bits that a piece's length must not have
 * @queues: number of queues
 * @seg_max: pieces of a request
 * @serial: what GET_ID answers
 * @bounced: pages of our own that hold payload now. Any context.
 * @bounce_wait: who waits for some of them
 *
 * The rest is immutable after attach.
 */
struct blk {
	const struct blk_ops *ops;
	struct file *file;
	struct block_device *bdev;
	bool readonly;
	bool write_cache;
	u64 capacity;
	u32 block_size;
	u32 offset_mask;
	u32 len_mask;
	u16 queues;
	u32 seg_max;
	char serial[20];
	atomic_t bounced;
	wait_queue_head_t bounce_wait;
};

/* The pages that the backing sees. */
static inline struct vhdb_pages *blk_req_pages(struct blk_req *req)
{
	return req->bounce.nr ? &req->bounce : &req->data;
}

void blk_req_done(struct blk_req *req, bool error);
void blk_queue_work(struct blk_req *req, work_func_t fn);

int blk_bio_init(void);
void blk_bio_exit(void);
int blk_bio_attach(struct blk *blk);

int blk_file_attach(struct blk *blk);

#endif /* VHDB_BLK_H */
