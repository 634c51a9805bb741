/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver side of a virtqueue and of a disk, in userspace: what a guest's
 * drivers do, and nothing that a guest could not do. The ring part is written
 * from the virtio spec 1.3, 2.7 (split virtqueues) and 2.8 (packed ones), one
 * struct vhdb_vq_ops each.
 *
 * What the mock must remember is kept outside of guest memory, so that a test
 * may scribble over the ring and the mock still tells a right answer from a
 * wrong one: an answer for a chain that is not in flight, or one answered
 * twice, is -EPROTO.
 */
#ifndef VHDB_MOCK_H
#define VHDB_MOCK_H

#include "vhdb_dev.h"

/* ---- one virtqueue ---- */

/* One buffer of a request, as the device is told of it. */
struct vhdb_buf {
	__u64 addr;		/* IOVA */
	__u32 len;
	bool in;		/* the device writes it */
};

#define VHDB_OUT(a, l)	((struct vhdb_buf){ .addr = (a), .len = (l) })
#define VHDB_IN(a, l)	((struct vhdb_buf){ .addr = (a), .len = (l), \
					    .in = true })

/* How vhdb_vq_add() lays out a chain. */
enum vhdb_vq_how {
	VHDB_DIRECT,
	VHDB_INDIRECT,
};

/* What the driver knows about a descriptor that it gave to the device. */
struct vhdb_vq_slot {
	__u64 token;
	__u16 next;		/* of the free list, or of the chain */
	__u16 count;		/* descriptors of the chain */
	__u32 writable;		/* bytes that the device may write */
	bool in_flight;		/* it is the head of a chain that is */
};

struct vhdb_vq;

struct vhdb_vq_ops {
	void (*reset)(struct vhdb_vq *vq);
	int (*add)(struct vhdb_vq *vq, const struct vhdb_buf *buf,
		   unsigned int count, __u64 token, bool indirect);
	void (*publish)(struct vhdb_vq *vq);
	bool (*kick_needed)(struct vhdb_vq *vq);
	bool (*more_used)(struct vhdb_vq *vq);
	int (*get)(struct vhdb_vq *vq, __u64 *token, __u32 *len);
	void (*want_signal)(struct vhdb_vq *vq, bool on);
	/* Up to where the device has used them */
	__u16 (*used_pos)(struct vhdb_vq *vq);
	/* What GET_VRING_BASE is to answer there, with nothing in flight */
	unsigned int (*base)(__u16 pos);
};

extern const struct vhdb_vq_ops vhdb_vq_split;
extern const struct vhdb_vq_ops vhdb_vq_packed;

struct vhdb_vq {
	const struct vhdb_vq_ops *ops;
	struct vhdb_vring *vr;
	bool event_idx;
	bool in_order;
	struct vring_desc *table;	/* vr->num indirect tables, or NULL */
	__u64 table_iova;
	unsigned int table_len;		/* entries of each */

	struct vhdb_vq_slot *slot;	/* by descriptor */
	__u16 free_head;
	unsigned int num_free;
	unsigned int in_flight;		/* chains */
	__u16 *order;			/* heads, as they were added */
	unsigned int nr_sent;
	bool in_batch;			/* a used entry is for more to come */
	__u16 batch_id;			/* what it said */
	__u32 batch_len;
	__u16 head_pos;			/* packed: not published from here */
	__u16 head_flags;
	__u16 avail_kicked;		/* avail index at the last kick */
	__u64 kicks;			/* written to the eventfd */
	__u64 kicks_saved;		/* the device did not ask for them */
	__u64 signals;			/* taken from the call eventfd */
};

/* vq->vr must be laid out and stay; indirect tables may be added later. */
int vhdb_vq_init(struct vhdb_vq *vq, const struct vhdb_vq_ops *ops,
		 struct vhdb_vring *vr);
void vhdb_vq_free(struct vhdb_vq *vq);
/* Clear the ring, forget what was in flight, start over at index 0 */
void vhdb_vq_reset(struct vhdb_vq *vq, bool event_idx);

/*
 * For the forms themselves: a chain is the device's; a used entry says @id and
 * @len: the chain that it is for (in order: the oldest), or -EPROTO; the
 * oldest of @nr chains in flight.
 */
void vhdb_vq_sent(struct vhdb_vq *vq, __u16 id, const struct vhdb_buf *buf,
		  unsigned int count, unsigned int slots, __u64 token);
int vhdb_vq_returned(struct vhdb_vq *vq, __u32 id, __u32 used, __u32 *len);
__u16 vhdb_vq_oldest(const struct vhdb_vq *vq, unsigned int nr);

/*
 * Add a chain; the device does not see it before vhdb_vq_publish(). Returns
 * the head, or -ENOSPC.
 */
int vhdb_vq_add(struct vhdb_vq *vq, const struct vhdb_buf *buf,
		unsigned int count, __u64 token, enum vhdb_vq_how how);
void vhdb_vq_publish(struct vhdb_vq *vq);

/* Publish, and ring the doorbell: always, or if the device wants it */
void vhdb_vq_ring(struct vhdb_vq *vq);
void vhdb_vq_kick(struct vhdb_vq *vq);

/* Take one answer: 1, 0 if there is none, or -EPROTO */
int vhdb_vq_get(struct vhdb_vq *vq, __u64 *token, __u32 *len);
/*
 * Sleep on the call eventfd until there is an answer: 0, -ETIMEDOUT, or
 * -ENOMSG if there is one whose signal never came.
 */
int vhdb_vq_wait(struct vhdb_vq *vq);
void vhdb_vq_want_signal(struct vhdb_vq *vq, bool on);

/* ---- a disk ---- */

/*
 * What became of a request: its status byte (VHDB_UNANSWERED if the device did
 * not write it) and the used length, in one value. Errors are negative.
 */
#define VHDB_ANSWER(status, used)	((__s64)(used) << 8 | (status))
#define VHDB_UNANSWERED			0xff

/* Header and status of one request, in guest memory */
struct vhdb_blk_slot {
	struct virtio_blk_outhdr hdr;
	__u8 gap[16];
	__u8 status;
	__u8 rest[31];
};

struct vhdb_disk_queue {
	struct vhdb_vq vq;
	struct vhdb_blk_slot *slot;	/* one for each descriptor */
	__u64 slot_iova;
	__u64 *token;			/* the test's, by slot */
	__u16 *free_slot;		/* a stack */
	unsigned int nr_free;
};

#define VHDB_TABLE_LEN	256

struct vhdb_disk {
	struct vhdb_dev dev;		/* its own region holds the rings */
	struct vhdb_guest_mem mem;	/* tables and slots, then data */
	__u64 data;			/* IOVA of the data space */
	__u64 features;			/* wanted */
	enum vhdb_vq_how how;
	int config_call;
	struct vhdb_disk_queue q[VHDB_VRINGS_MAX];
};

#define VHDB_IOVA_DISK	(VHDB_IOVA_BASE + (1ULL << 30))

/*
 * Open, attach, allocate @data_bytes of data space and what the queues need.
 * Start negotiates no more than @features, restart is a guest's reboot.
 */
int vhdb_disk_create(struct vhdb_disk *disk, int backing_fd,
		     const struct vhdb_opts *opts, __u64 features,
		     size_t data_bytes);
int vhdb_disk_start(struct vhdb_disk *disk);
int vhdb_disk_restart(struct vhdb_disk *disk);
void vhdb_disk_destroy(struct vhdb_disk *disk);

/* Host pointer of an IOVA of disk->mem */
void *vhdb_disk_ptr(const struct vhdb_disk *disk, __u64 iova);

/* A header, and a status byte that is not answered yet */
void vhdb_blk_slot_set(struct vhdb_blk_slot *slot, __u32 type, __u64 sector);

/*
 * Add a request: header, @count data buffers, status. Not published. 0, or
 * -ENOSPC when the ring is full. vhdb_disk_reap() takes one answer, waiting
 * for it; -EAGAIN when nothing is in flight. vhdb_disk_poll() does not wait
 * (nor touch the call eventfd), -EAGAIN when nothing is there.
 */
int vhdb_disk_submit(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		     __u64 sector, const struct vhdb_buf *data,
		     unsigned int count, __u64 token);
__s64 vhdb_disk_reap(struct vhdb_disk *disk, unsigned int queue, __u64 *token);
__s64 vhdb_disk_poll(struct vhdb_disk *disk, unsigned int queue, __u64 *token);

/* Submit, kick and reap one request, with several or one data buffers */
__s64 vhdb_disk_iov(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		    __u64 sector, const struct vhdb_buf *data,
		    unsigned int count);
__s64 vhdb_disk_io(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		   __u64 sector, __u64 addr, __u32 len);
/* A chain of the test's own making, with its status byte at @status */
__s64 vhdb_disk_raw(struct vhdb_disk *disk, unsigned int queue,
		    const struct vhdb_buf *buf, unsigned int count,
		    const __u8 *status);

/* Bytes that depend on where they are and on @seed, and their check */
void vhdb_fill(void *buf, size_t bytes, __u32 seed);
bool vhdb_filled(const void *buf, size_t bytes, __u32 seed);
/* true if all bytes are @byte */
bool vhdb_all(const void *buf, size_t bytes, __u8 byte);
/*
 * A second look at a backing, through an O_DIRECT file descriptor: put
 * vhdb_fill()'s bytes there behind the device's back, or see them there: 0,
 * -EILSEQ, -EIO.
 */
int vhdb_peek_write(int fd, __u64 sector, size_t bytes, __u32 seed);
int vhdb_peek_check(int fd, __u64 sector, size_t bytes, __u32 seed);
/*
 * vhdb_backing_ram() without the pattern, whose writing takes longer than many
 * a test does.
 */
int vhdb_backing_ram_as_is(struct vhdb_backing *b);

#endif /* VHDB_MOCK_H */
