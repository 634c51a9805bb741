/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver side of the back end "copy", and what a right answer looks like:
 * written from <linux/vhost_doorbell_copy.h>, not from the driver.
 */
#ifndef VHDB_COPY_H
#define VHDB_COPY_H

#include <linux/vhost_doorbell_copy.h>

#include "vhdb_mock.h"

#define VHDB_COPY_QUEUES	4
#define VHDB_COPY_SEGS		250	/* of payload, at the most */

/* Header and trailer of one request, in guest memory */
struct vhdb_copy_slot {
	struct vhost_doorbell_copy_hdr hdr;
	__u8 gap[8];
	struct vhost_doorbell_copy_trailer trailer;
	__u8 rest[16];
};

struct vhdb_copy_queue {
	struct vhdb_vq vq;
	struct vhdb_copy_slot *slot;	/* one for each descriptor */
	__u64 slot_iova;
	__u64 token[VHDB_QUEUE_SIZE];
	__u16 free_slot[VHDB_QUEUE_SIZE];	/* a stack */
	unsigned int nr_free;
};

/*
 * A device, and the data space that its requests are about. The space is one
 * run of IOVAs from @data on. In memory it may be cut into pieces of @cut
 * bytes which are shuffled, so that what is next to each other for the driver
 * is not for the device.
 */
struct vhdb_copy {
	struct vhdb_dev dev;
	struct vhdb_guest_mem ctl;	/* indirect tables and slots */
	struct vhdb_guest_mem mem;	/* the data space */
	__u64 data;
	size_t bytes;
	size_t cut;			/* 0: one piece */
	enum vhdb_vq_how how;
	__u64 features;			/* wanted */
	__u64 ask;			/* those that are offered on request */
	struct vhost_doorbell_copy_config config;
	struct vhdb_copy_queue q[VHDB_COPY_QUEUES];
};

#define VHDB_IOVA_COPY_CTL	(VHDB_IOVA_BASE + (1ULL << 30))
#define VHDB_IOVA_COPY_DATA	(VHDB_IOVA_BASE + (2ULL << 30))

/* Allocates; @cut, @how, @features and @ask are set before, the rest is zeroed */
int vhdb_copy_create(struct vhdb_copy *c, size_t bytes);
int vhdb_copy_start(struct vhdb_copy *c);
void vhdb_copy_destroy(struct vhdb_copy *c);

/* Between the data space, at offset @off, and a flat buffer */
void vhdb_copy_get(const struct vhdb_copy *c, __u64 off, void *to, size_t len);
void vhdb_copy_put(struct vhdb_copy *c, __u64 off, const void *from, size_t len);
/* Does the data space look like @want, all of it? */
bool vhdb_copy_same(const struct vhdb_copy *c, const void *want);

struct vhdb_copy_op {
	__u32 op;
	__u32 flags;
	__u64 len;
	__u64 arg;
};

struct vhdb_copy_answer {
	__u64 token;
	__u32 used;
	__u32 status;
	__u32 crc;
	__u64 done;
};

/*
 * Header, @count buffers of payload (readable ones first), trailer. Not
 * published. 0 or -ENOSPC.
 */
int vhdb_copy_submit(struct vhdb_copy *c, unsigned int queue,
		     const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		     unsigned int count, __u64 token);
/* One answer, waited for: 0, -EAGAIN when nothing is in flight, -ETIMEDOUT */
int vhdb_copy_reap(struct vhdb_copy *c, unsigned int queue,
		   struct vhdb_copy_answer *answer);
/* All three: submit, kick, reap */
int vhdb_copy_do(struct vhdb_copy *c, unsigned int queue,
		 const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		 unsigned int count, struct vhdb_copy_answer *answer);
/* The slot that the next submit takes */
struct vhdb_copy_slot *vhdb_copy_next_slot(struct vhdb_copy *c,
					   unsigned int queue);

/* ---- the reference ---- */

/* Of @len bytes, after others whose checksum was @crc */
__u32 vhdb_ref_crc32c(__u32 crc, const void *buf, size_t len);
/*
 * Does the request to @image, a flat copy of the data space, where the buffers'
 * addresses are those of the data space. The checksum, or 0.
 */
__u32 vhdb_ref_do(const struct vhdb_copy *c, void *image,
		  const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		  unsigned int count);

#endif /* VHDB_COPY_H */
