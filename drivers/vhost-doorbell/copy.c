// SPDX-License-Identifier: GPL-2.0
/*
 * The 'copy' back end: copies, fills and checksums of the guest's own memory.
 * What is said on the wire stands in <uapi/linux/vhost_doorbell_copy.h>.
 *
 * All is done by the worker, through the owner's page tables, a block at a
 * time. Blocks are counted from the request's start, whatever the descriptors
 * and whenever a run ends: that is what gives overlapping copies one result. A
 * block is small enough to stay in the cache between its two copies.
 *
 * When the run's budget is used up, the rest of a request is deferred.
 */
#include <linux/crc32c.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vhost_doorbell.h>

#include <uapi/linux/vhost_doorbell_copy.h>

#define COPY_QUEUES_MAX	256
#define COPY_BYTES_MAX	SZ_64M
#define COPY_BLOCK	SZ_16K

/* The ABI: sizes never change. */
static_assert(sizeof(struct vhost_doorbell_copy_hdr) == 24);
static_assert(sizeof(struct vhost_doorbell_copy_trailer) == 16);
static_assert(sizeof(struct vhost_doorbell_copy_config) == 24);
/* A fill's pattern starts anew with each block. */
static_assert(COPY_BLOCK % sizeof(__le64) == 0);
/* A used length has to hold a whole request. */
static_assert(COPY_BYTES_MAX <=
	      U32_MAX - sizeof(struct vhost_doorbell_copy_trailer));

/**
 * struct copy - a device
 * @queues: number of queues
 * @queue_size: largest queue size
 * @blocks: room for a block, for each queue; its run() has it
 *
 * Immutable after attach.
 */
struct copy {
	u16 queues;
	u32 queue_size;
	u8 (*blocks)[COPY_BLOCK];
};

/**
 * struct copy_req - a request of the guest
 * @rq: the core's part
 * @op: what to do
 * @crc: CRC32C: of what is done
 * @pattern: FILL: the pattern
 * @len: bytes of payload; nothing is done for a request that is refused
 * @done: bytes of payload that are done
 * @room: bytes of the destination, whether or not they are @len
 */
struct copy_req {
	struct vhdb_request rq;
	u32 op;
	u32 crc;
	__le64 pattern;
	u64 len;
	u64 done;
	u64 room;
};

static bool reads(u32 op)
{
	return op != VHOST_DOORBELL_COPY_OP_FILL;
}

static bool writes(u32 op)
{
	return op != VHOST_DOORBELL_COPY_OP_CRC32C;
}

static u32 src_status(int err)
{
	return err == -EACCES ? VHOST_DOORBELL_COPY_S_SRC_DENIED :
				VHOST_DOORBELL_COPY_S_SRC_UNMAPPED;
}

static u32 dst_status(int err)
{
	return err == -EACCES ? VHOST_DOORBELL_COPY_S_DST_DENIED :
				VHOST_DOORBELL_COPY_S_DST_UNMAPPED;
}

/* Writes the trailer and gives the request back. */
static void answer(struct copy_req *req, u32 status)
{
	struct vhdb_vq *vq = req->rq.vq;
	bool ok = status == VHOST_DOORBELL_COPY_S_OK;
	bool crc = ok && req->op == VHOST_DOORBELL_COPY_OP_CRC32C;
	struct vhost_doorbell_copy_trailer trailer = {
		.status = cpu_to_le32(status),
		.crc = cpu_to_le32(crc ? ~req->crc : 0),
		.done = cpu_to_le64(req->done),
	};
	/* 2.7.8.2: no more than was written, from the first byte on */
	u32 used = writes(req->op) ? req->done : 0;

	if (used == req->room)
		used += sizeof(trailer);
	if (reads(req->op))
		req->rq.bytes_written = req->done;
	if (writes(req->op))
		req->rq.bytes_read = req->done;
	req->rq.error = ok ? 0 : -EIO;

	vhdb_vq_in_skip(vq, vhdb_vq_in_left(vq) - sizeof(trailer));
	if (vhdb_vq_copy_to(vq, &trailer, sizeof(trailer))) {
		req->rq.error = -EIO;
		used = 0;
	}
	vhdb_request_complete(&req->rq, used);
}

/* Is it a request that can be done? Takes what is to be known of it. */
static u32 parse(struct copy_req *req, const struct vhost_doorbell_copy_hdr *hdr)
{
	u64 len = le64_to_cpu(hdr->len), arg = le64_to_cpu(hdr->arg);
	u32 op = le32_to_cpu(hdr->op);
	u64 arg_max = 0;

	switch (op) {
	case VHOST_DOORBELL_COPY_OP_COPY:
		break;
	case VHOST_DOORBELL_COPY_OP_FILL:
		arg_max = U64_MAX;
		break;
	case VHOST_DOORBELL_COPY_OP_CRC32C:
		arg_max = U32_MAX;
		break;
	default:
		return VHOST_DOORBELL_COPY_S_OP;
	}
	if (hdr->flags)
		return VHOST_DOORBELL_COPY_S_FLAGS;
	if (arg > arg_max)
		return VHOST_DOORBELL_COPY_S_ARG;
	if (len > COPY_BYTES_MAX)
		return VHOST_DOORBELL_COPY_S_TOO_LONG;
	if (vhdb_vq_out_left(req->rq.vq) != (reads(op) ? len : 0) ||
	    req->room != (writes(op) ? len : 0))
		return VHOST_DOORBELL_COPY_S_LENGTH;

	req->op = op;
	req->len = len;
	req->pattern = hdr->arg;
	/* The register's form: it starts from, and ends as, the inverse. */
	req->crc = ~(u32)arg;
	return VHOST_DOORBELL_COPY_S_OK;
}

/* Takes a new request; false if it has been answered already. */
static bool begin(struct copy_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	struct vhost_doorbell_copy_hdr hdr;
	u32 status;
	int err;

	if (vhdb_vq_out_left(vq) < sizeof(hdr) ||
	    vhdb_vq_in_left(vq) < sizeof(struct vhost_doorbell_copy_trailer)) {
		vhdb_vq_break(vq, -ENOMSG);
		req->rq.error = -EIO;
		vhdb_request_complete(&req->rq, 0);
		return false;
	}
	req->op = VHOST_DOORBELL_COPY_OP_COPY;
	req->done = 0;
	req->room = vhdb_vq_in_left(vq) -
		    sizeof(struct vhost_doorbell_copy_trailer);

	err = vhdb_vq_copy_from(vq, &hdr, sizeof(hdr));
	status = err ? src_status(err) : parse(req, &hdr);
	if (status == VHOST_DOORBELL_COPY_S_OK)
		return true;
	answer(req, status);
	return false;
}

/* Deals with one block of @n bytes; a status. */
static u32 do_block(struct copy_req *req, u8 *block, u32 n)
{
	struct vhdb_vq *vq = req->rq.vq;
	int err;

	if (reads(req->op)) {
		err = vhdb_vq_copy_from(vq, block, n);
		if (err)
			return src_status(err);
	}
	if (req->op == VHOST_DOORBELL_COPY_OP_CRC32C)
		req->crc = crc32c(req->crc, block, n);
	if (writes(req->op)) {
		err = vhdb_vq_copy_to(vq, block, n);
		if (err)
			return dst_status(err);
	}
	return VHOST_DOORBELL_COPY_S_OK;
}

/* Goes on with a request; false if the run's budget does not last. */
static bool proceed(struct copy_req *req)
{
	struct vhdb_vq *vq = req->rq.vq;
	struct copy *copy = vhdb_vq_priv(vq);
	u8 *block = copy->blocks[vhdb_vq_index(vq)];
	u32 status = VHOST_DOORBELL_COPY_S_OK;

	/* The room is this queue's alone; the pattern stays from run to run. */
	if (req->op == VHOST_DOORBELL_COPY_OP_FILL && !req->rq.resumed)
		memset64((u64 *)block, (__force u64)req->pattern,
			 COPY_BLOCK / sizeof(u64));

	while (req->done < req->len) {
		u32 n = min_t(u64, req->len - req->done, COPY_BLOCK);

		if (!vhdb_vq_budget(vq))
			return false;
		vhdb_vq_charge(vq, n);
		status = do_block(req, block, n);
		if (status != VHOST_DOORBELL_COPY_S_OK)
			break;
		req->done += n;
		cond_resched();
	}
	answer(req, status);
	return true;
}

static void copy_run(struct vhdb_vq *vq)
{
	struct vhdb_request *rq;

	while ((rq = vhdb_vq_next(vq))) {
		struct copy_req *req = container_of(rq, struct copy_req, rq);

		if (!rq->resumed && !begin(req))
			continue;
		if (!proceed(req)) {
			vhdb_request_defer(rq);
			return;
		}
	}
}

static void copy_get_config(void *priv, void *config)
{
	const struct copy *copy = priv;
	struct vhost_doorbell_copy_config *c = config;

	c->max_bytes = cpu_to_le64(COPY_BYTES_MAX);
	/* 2.7.5.3.1: no longer than the queue, an indirect table neither */
	c->max_segs = cpu_to_le32(min_t(u32, copy->queue_size, VHDB_SEGS_MAX));
	c->block = cpu_to_le32(COPY_BLOCK);
	c->ops = cpu_to_le32(BIT(VHOST_DOORBELL_COPY_OP_COPY) |
			     BIT(VHOST_DOORBELL_COPY_OP_FILL) |
			     BIT(VHOST_DOORBELL_COPY_OP_CRC32C));
	c->queues = cpu_to_le32(copy->queues);
}

/* None of its own. */
static u64 copy_device_features(void *priv)
{
	return 0;
}

static void *copy_attach(const struct vhdb_attach *attach)
{
	struct copy *copy;

	if (attach->readonly || attach->logical_block_size ||
	    memchr_inv(attach->serial, 0, sizeof(attach->serial)))
		return ERR_PTR(-EINVAL);

	copy = kzalloc(sizeof(*copy), GFP_KERNEL_ACCOUNT);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	copy->queues = attach->queues;
	copy->queue_size = attach->queue_size;
	copy->blocks = kvmalloc_array(attach->queues, sizeof(*copy->blocks),
				      GFP_KERNEL_ACCOUNT);
	if (!copy->blocks) {
		kfree(copy);
		return ERR_PTR(-ENOMEM);
	}
	return copy;
}

static void copy_detach(void *priv)
{
	struct copy *copy = priv;

	kvfree(copy->blocks);
	kfree(copy);
}

static const struct vhdb_backend copy_backend = {
	.name = "copy",
	.owner = THIS_MODULE,
	.device_id = VHOST_DOORBELL_COPY_DEVICE_ID,
	.queues_max = COPY_QUEUES_MAX,
	.config_size = sizeof(struct vhost_doorbell_copy_config),
	.request_size = sizeof(struct copy_req),
	.no_file = true,
	.attach = copy_attach,
	.detach = copy_detach,
	.device_features = copy_device_features,
	.get_config = copy_get_config,
	.run = copy_run,
};

static int __init copy_init(void)
{
	return vhdb_register_backend(&copy_backend);
}
module_init(copy_init);

static void __exit copy_exit(void)
{
	vhdb_unregister_backend(&copy_backend);
}
module_exit(copy_exit);

MODULE_DESCRIPTION("vhost-doorbell: copies, fills and checksums of guest memory");
MODULE_ALIAS("vhost-doorbell-copy");
MODULE_LICENSE("GPL");
