/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device in the classic dialect, and the driver of its queues: what QEMU's
 * vhost clients do, in their order. The queues are those of vhdb_mock.h.
 *
 * Guest physical memory is one region, told by SET_MEM_TABLE; no address of it
 * is one of this process. With ACCESS_PLATFORM the driver's addresses are IOVAs,
 * which differ from both by VHDB_CLASSIC_IOVA.
 */
#ifndef VHDB_CLASSIC_H
#define VHDB_CLASSIC_H

#include <linux/vhost_doorbell_copy.h>

#include "vhdb_mock.h"

#ifndef VHOST_GET_FEATURES_ARRAY
struct vhost_features_array {
	__u64 count;
	__u64 features[];
};

#define VHOST_GET_FEATURES_ARRAY	_IOR(VHOST_VIRTIO, 0x83, \
					     struct vhost_features_array)
#define VHOST_SET_FEATURES_ARRAY	_IOW(VHOST_VIRTIO, 0x83, \
					     struct vhost_features_array)
#endif

#define VHDB_CLASSIC_QUEUES	4
#define VHDB_CLASSIC_NUM	64	/* descriptors of a queue */
#define VHDB_CLASSIC_PAGE	4096UL	/* of the log, VHOST_PAGE_SIZE */

/* Where things are in guest memory, in pages from its start */
#define VHDB_CLASSIC_GPA	0x100000000ULL
#define VHDB_CLASSIC_IOVA	0x10000000000ULL

/* What the device writes at the end of a request lies apart from what it reads */
#define VHDB_CLASSIC_HDR	64	/* bytes for each */

struct vhdb_classic_queue {
	struct vhdb_vring vring;
	struct vhdb_vq vq;
	__u64 hdr;			/* GPA: a header for each descriptor */
	__u64 end;			/* GPA: a status or trailer for each */
	unsigned int next;		/* of those */
	bool busy[VHDB_CLASSIC_NUM];
};

struct vhdb_classic {
	int fd;
	bool blk;			/* or else copy */
	bool own_disk;
	struct vhdb_backing disk;	/* if it is our own */
	unsigned int queues;
	__u64 features;			/* to be chosen */
	struct vhdb_guest_mem mem;	/* .iova is its GPA */
	struct vhdb_classic_queue q[VHDB_CLASSIC_QUEUES];
	__u64 data;			/* GPA: what is left, page-aligned */
	__u64 data_bytes;
	unsigned long *log;		/* a bit for each page from GPA 0 on */
	size_t log_bytes;
};

/* ---- raw ---- */

int __vhdb_set_mem_table(int fd, const struct vhost_memory_region *region,
			 unsigned int nr);
int __vhdb_set_log_base(int fd, const void *log);
int __vhdb_start(int fd);
int __vhdb_stop(int fd);
int __vhdb_classic_addr(int fd, unsigned int index, __u64 desc, __u64 avail,
			__u64 used, __u64 log_addr, unsigned int flags);

/* ---- a device ---- */

/*
 * Open, attach @backing_fd (-1: a copy device), SET_OWNER, memory with
 * @data_bytes for data, MEM_TABLE; a log. @features is what will be chosen
 * besides VERSION_1. Nothing else is set up.
 */
int vhdb_classic_create(struct vhdb_classic *c, int backing_fd,
			unsigned int queues, __u64 features, size_t data_bytes);
/*
 * Two queues, of a blk device with a disk of its own, which goes with it, or of a
 * copy device
 */
int vhdb_classic_make(struct vhdb_classic *c, bool blk, __u64 features,
		      size_t data_bytes);
/*
 * The same from an open file on, which is attached. It is closed with the
 * device, also on an error.
 */
int vhdb_classic_adopt(struct vhdb_classic *c, int fd, unsigned int queues,
		       __u64 features, size_t data_bytes);
/* The same in steps: memory, rings and log; SET_OWNER and MEM_TABLE */
int vhdb_classic_init(struct vhdb_classic *c, int fd, unsigned int queues,
		      __u64 features, size_t data_bytes);
int vhdb_classic_own(struct vhdb_classic *c);
/* ATTACH of @backing_fd, or with -1 of a copy device */
int vhdb_classic_attach(int fd, unsigned int queues, int backing_fd);
/* SET_FEATURES, and each queue: NUM, BASE, ADDR, KICK, CALL, ERR; a new ring */
int vhdb_classic_setup(struct vhdb_classic *c);
/* Without the features */
int vhdb_classic_setup_queues(struct vhdb_classic *c);
/* Of one queue, going on at @base */
int vhdb_classic_setup_queue(struct vhdb_classic *c, unsigned int queue,
			     unsigned int base);
/* ADDR again, with the log of the ring on or off */
int vhdb_classic_log_ring(struct vhdb_classic *c, unsigned int queue, bool on);
/* SET_FEATURES again, with LOG_ALL or without it */
int vhdb_classic_log_all(struct vhdb_classic *c, bool on);
/* Setup and START */
int vhdb_classic_start(struct vhdb_classic *c);
/* MEM_TABLE with the region as it is */
int vhdb_classic_table(struct vhdb_classic *c);
void vhdb_classic_destroy(struct vhdb_classic *c);

/* Of a GPA: the pointer, and the address that the device is given */
void *vhdb_classic_ptr(const struct vhdb_classic *c, __u64 gpa);
__u64 vhdb_classic_addr(const struct vhdb_classic *c, __u64 gpa);

/* ---- requests ---- */

/*
 * Blk: a read of @len bytes from @sector to @gpa. Copy: a fill of as many with
 * @sector. Added, not published: 0 or -ENOSPC.
 */
int vhdb_classic_submit(struct vhdb_classic *c, unsigned int queue, __u64 gpa,
			__u32 len, __u64 sector);
/* One answer, waited for: 0, the status, or -errno */
int vhdb_classic_reap(struct vhdb_classic *c, unsigned int queue);
/* Submit, kick, reap; and whether what came is right (-EILSEQ) */
int vhdb_classic_do(struct vhdb_classic *c, unsigned int queue, __u64 gpa,
		    __u32 len, __u64 sector);
bool vhdb_classic_right(const struct vhdb_classic *c, const void *data,
			__u32 len, __u64 sector);

/* ---- the log ---- */

/* Is the page of @gpa logged? Cleared by it */
bool vhdb_classic_logged(struct vhdb_classic *c, __u64 gpa);
/* Number of pages that are logged */
unsigned int vhdb_classic_log_count(const struct vhdb_classic *c);
void vhdb_classic_log_clear(struct vhdb_classic *c);

#endif /* VHDB_CLASSIC_H */
