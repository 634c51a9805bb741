/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_BLK_H
#define VHDB_BLK_H

#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/vhost_doorbell.h>
#include <linux/workqueue.h>

#include <uapi/linux/virtio_blk.h>

/* 5.2.4: what config space tells of a request's size. */
#define BLK_SIZE_MAX	65536u
#define BLK_SEG_MAX	254u

/* The largest payload that a driver can send which heeds both of them. */
#define BLK_BYTES_MAX	(BLK_SIZE_MAX * BLK_SEG_MAX)

/* Pages that a disk's bounced requests may hold, two large requests' worth. */
#define BLK_BOUNCE_MAX	(2 * DIV_ROUND_UP(BLK_BYTES_MAX, PAGE_SIZE))

/*
 * Pieces of the guest's memory that a disk's requests may have pinned. A page
 * can be pinned many times over, but its count must not run over.
 */
#define BLK_PIN_MAX	65536

/**
 * struct blk_share - a disk's share of something
 * @used: how much it has now; @max is exceeded by those who wait, one each
 * @max: how much it may have
 * @wait: who waits for some of it
 */
struct blk_share {
	atomic_t used;
	int max;
	wait_queue_head_t wait;
};

struct blk;

/*
 * Ranges of a request that discards, erases or zeroes; each may become a bio.
 * A driver that takes the limits as they are sends one at a time.
 */
#define BLK_RANGES_MAX	32

/*
 * Sectors of one range: what a bio's 32-bit count of bytes holds, and a
 * multiple of every granule.
 */
#define BLK_RANGE_SECTORS	((u32)(SZ_2G >> SECTOR_SHIFT))

/*
 * The same where zeroes have to be written: a reset waits for them, and it
 * should not be for minutes.
 */
#define BLK_WRITTEN_SECTORS	((u32)(SZ_64M >> SECTOR_SHIFT))

/**
 * struct blk_range - sectors that a request discards, erases or zeroes
 * @sector: first
 * @nr: how many
 * @unmap: they may be deallocated
 */
struct blk_range {
	sector_t sector;
	u32 nr;
	bool unmap;
};

/**
 * struct blk_trim - how a disk does DISCARD, WRITE_ZEROES or SECURE_ERASE
 * @sectors: in one range at the most; 0 if it does not do it
 * @align: what a range should be aligned to, sectors
 */
struct blk_trim {
	u32 sectors;
	u32 align;
};

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
 * @error: 0, or why a part failed
 * @op: what it is, VIRTIO_BLK_T_*
 * @ranges: of those that have them; NULL for none
 * @nr_ranges: number of them
 * @one: room for one
 * @pinned: pieces that count against the disk's share
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
	int error;
	atomic_t pending;
	u32 op;
	struct blk_range *ranges;
	u32 nr_ranges;
	struct blk_range one;
	u32 pinned;
	struct kiocb iocb;
	struct work_struct work;
};

/**
 * struct blk_ops - a kind of backing
 * @submit: starts to move the payload, which lies in blk_req_pages();
 *	blk_req_done() when it ends, in any context
 * @bytes: the backing's size now. Process.
 * @flush: starts to make what was completed stable; likewise
 * @trim: starts to discard, erase or zero &blk_req.ranges; likewise. Zeroes are
 *	to be stable when it ends, if &blk_req.sync is set.
 */
struct blk_ops {
	u64 (*bytes)(const struct blk *blk);
	void (*submit)(struct blk_req *req);
	void (*flush)(struct blk_req *req);
	void (*trim)(struct blk_req *req);
};

/**
 * struct blk - a disk
 * @ops: kind of backing
 * @file: the backing
 * @bdev: the backing, if it is a block device
 * @readonly: the guest may not write
 * @may_flush: ATTACH lets FLUSH be offered
 * @write_cache: whether a flush is needed to make writes stable, as it was at
 *	attach: what config space tells
 * @config_wce: the driver may choose between the two. Process.
 * @writeback: it has to flush what it wants to be stable; or else writes are
 *	stable when they are complete. Config space tells.
 * @capacity: bytes, a multiple of @block_size; grows by cmpxchg
 * @block_size: logical block, bytes
 * @offset_mask: bits that a piece's place in memory must not have
 * @len_mask: bits that a piece's length must not have
 * @queues: number of queues
 * @seg_max: pieces of a request
 * @serial: what GET_ID answers
 * @discard: DISCARD
 * @zeroes: WRITE_ZEROES
 * @erase: SECURE_ERASE
 * @may_unmap: WRITE_ZEROES may deallocate
 * @wq: what waits for I/O
 * @bounce: pages of our own that hold payload. Any context.
 * @pin: pieces of the guest's memory that are pinned. Any context.
 *
 * Immutable after attach, but for @config_wce, @writeback, @capacity and the last
 * two.
 */
struct blk {
	const struct blk_ops *ops;
	struct file *file;
	struct block_device *bdev;
	bool readonly;
	bool may_flush;
	bool write_cache;
	bool config_wce;
	bool writeback;
	u64 capacity;
	u32 block_size;
	u32 offset_mask;
	u32 len_mask;
	u16 queues;
	u32 seg_max;
	char serial[20];
	struct blk_trim discard;
	struct blk_trim zeroes;
	struct blk_trim erase;
	bool may_unmap;
	struct workqueue_struct *wq;
	struct blk_share bounce;
	struct blk_share pin;
};

/* What config space says now; a request is judged by one reading of it. */
static inline u64 blk_sectors(const struct blk *blk)
{
	return READ_ONCE(blk->capacity) >> SECTOR_SHIFT;
}

/* The pages that the backing sees. */
static inline struct vhdb_pages *blk_req_pages(struct blk_req *req)
{
	return req->bounce.nr ? &req->bounce : &req->data;
}

void blk_req_done(struct blk_req *req, int error);
void blk_req_queue(struct blk_req *req, work_func_t fn);
void blk_req_start(struct blk_req *req, void (*submit)(struct blk_req *req));
void blk_answer(struct blk_req *req, u8 status, u32 len);
void blk_answer_error(struct blk_req *req, u8 status);
bool blk_write_through(const struct blk_req *req);

u64 blk_trim_features(const struct blk *blk);
void blk_trim_config(const struct blk *blk, struct virtio_blk_config *config);
void blk_trim(struct blk_req *req);

int blk_bio_init(void);
void blk_bio_exit(void);
int blk_bio_attach(struct blk *blk);

int blk_file_attach(struct blk *blk);

#endif /* VHDB_BLK_H */
