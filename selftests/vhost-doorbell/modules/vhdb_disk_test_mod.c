// SPDX-License-Identifier: GPL-2.0
/*
 * A block device that can do everything and keeps nothing, for tests of the
 * disk: it counts what it is asked for, fails or stalls on request, and changes
 * its size.
 * /dev/vhdb_test; all knobs are parameters in sysfs.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#define GRANULE		4096u
/* Fewer than our back end would tell its guest by itself */
#define LIMIT_SECTORS	8192u

static struct gendisk *disk;

/* What was asked for, last and altogether. Tests look when nothing is under way. */
static unsigned long reads, writes, flushes, discards, erases, zeroes;
static unsigned long zeroes_kept, fua, nonzero, last_sector, last_sectors;
module_param(reads, ulong, 0644);
module_param(writes, ulong, 0644);
module_param(flushes, ulong, 0644);
module_param(discards, ulong, 0644);
module_param(erases, ulong, 0644);
module_param(zeroes, ulong, 0644);
module_param(zeroes_kept, ulong, 0644);
MODULE_PARM_DESC(zeroes_kept, "of zeroes, those that must not deallocate");
module_param(fua, ulong, 0644);
MODULE_PARM_DESC(fua, "of writes, those that are to be stable at once");
module_param(nonzero, ulong, 0644);
MODULE_PARM_DESC(nonzero, "of writes, those that held other bytes than zeroes");
module_param(last_sector, ulong, 0644);
module_param(last_sectors, ulong, 0644);

/* What is to fail, by REQ_OP_*, and how: an errno, positive */
static int fail_op = -1, fail_errno;
module_param(fail_op, int, 0644);
module_param(fail_errno, int, 0644);

/* What is to be kept until this is set to something else, by REQ_OP_* */
static int hold_op = -1;
static DEFINE_SPINLOCK(held_lock);	/* for held */
static struct bio_list held = BIO_EMPTY_LIST;

static int set_hold_op(const char *val, const struct kernel_param *kp)
{
	struct bio_list list = BIO_EMPTY_LIST;
	int err = param_set_int(val, kp);
	struct bio *bio;

	spin_lock_irq(&held_lock);
	bio_list_merge(&list, &held);
	bio_list_init(&held);
	spin_unlock_irq(&held_lock);
	while ((bio = bio_list_pop(&list)))
		bio_endio(bio);
	return err;
}

static const struct kernel_param_ops hold_op_ops = {
	.set = set_hold_op,
	.get = param_get_int,
};
module_param_cb(hold_op, &hold_op_ops, &hold_op, 0644);

static unsigned long sectors = 65536;

static int set_sectors(const char *val, const struct kernel_param *kp)
{
	int err = param_set_ulong(val, kp);

	if (!err && disk)
		set_capacity_and_notify(disk, sectors);
	return err;
}

static const struct kernel_param_ops sectors_ops = {
	.set = set_sectors,
	.get = param_get_ulong,
};
module_param_cb(sectors, &sectors_ops, &sectors, 0644);

static void count_write(struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bv;
	bool other = false;

	bio_for_each_segment(bv, bio, iter) {
		char *data = bvec_kmap_local(&bv);

		other |= !!memchr_inv(data, 0, bv.bv_len);
		kunmap_local(data);
	}
	writes += !!bio_sectors(bio);
	nonzero += other;
	fua += !!(bio->bi_opf & REQ_FUA);
	flushes += !!(bio->bi_opf & REQ_PREFLUSH);
}

static void count(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		zero_fill_bio(bio);
		reads++;
		break;
	case REQ_OP_WRITE:
		count_write(bio);
		break;
	case REQ_OP_DISCARD:
		discards++;
		break;
	case REQ_OP_SECURE_ERASE:
		erases++;
		break;
	case REQ_OP_WRITE_ZEROES:
		zeroes++;
		zeroes_kept += !!(bio->bi_opf & REQ_NOUNMAP);
		break;
	default:
		break;
	}
	if (bio_sectors(bio)) {
		last_sector = bio->bi_iter.bi_sector;
		last_sectors = bio_sectors(bio);
	}
}

static void test_submit_bio(struct bio *bio)
{
	int op = (__force int)bio_op(bio);
	bool hold;

	if (fail_op == op)
		bio->bi_status = errno_to_blk_status(-fail_errno);
	else
		count(bio);
	/* Looked at under the lock, so that none comes after the release. */
	spin_lock_irq(&held_lock);
	hold = hold_op == op;
	if (hold)
		bio_list_add(&held, bio);
	spin_unlock_irq(&held_lock);
	if (!hold)
		bio_endio(bio);
}

static const struct block_device_operations ops = {
	.owner = THIS_MODULE,
	.submit_bio = test_submit_bio,
};

/* Limits became an argument in 6.9, and features a part of them in 6.11. */
#ifdef BLK_FEAT_WRITE_CACHE
static struct gendisk *alloc_disk(void)
{
	struct queue_limits limits = {
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
		.discard_granularity = GRANULE,
		.max_hw_discard_sectors = LIMIT_SECTORS,
		.max_secure_erase_sectors = LIMIT_SECTORS,
		.max_write_zeroes_sectors = LIMIT_SECTORS,
	};

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
}
#else
static struct gendisk *alloc_disk(void)
{
	struct gendisk *new = blk_alloc_disk(NUMA_NO_NODE);
	struct request_queue *q;

	if (!new)
		return ERR_PTR(-ENOMEM);
	q = new->queue;
	blk_queue_write_cache(q, true, true);
	q->limits.discard_granularity = GRANULE;
	blk_queue_max_discard_sectors(q, LIMIT_SECTORS);
	blk_queue_max_secure_erase_sectors(q, LIMIT_SECTORS);
	blk_queue_max_write_zeroes_sectors(q, LIMIT_SECTORS);
	return new;
}
#endif

static int __init disk_test_init(void)
{
	int err;

	disk = alloc_disk();
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->flags = GENHD_FL_NO_PART;
	disk->fops = &ops;
	disk->minors = 1;
	disk->major = register_blkdev(0, "vhdb_test");
	err = disk->major;
	if (err < 0)
		goto err_put;
	strscpy(disk->disk_name, "vhdb_test", sizeof(disk->disk_name));
	set_capacity(disk, sectors);
	err = add_disk(disk);
	if (err)
		goto err_major;
	return 0;

err_major:
	unregister_blkdev(disk->major, "vhdb_test");
err_put:
	put_disk(disk);
	return err;
}
module_init(disk_test_init);

static void __exit disk_test_exit(void)
{
	int major = disk->major;

	del_gendisk(disk);
	put_disk(disk);
	unregister_blkdev(major, "vhdb_test");
}
module_exit(disk_test_exit);

MODULE_DESCRIPTION("a block device for the tests of vhost-doorbell");
MODULE_LICENSE("GPL");
