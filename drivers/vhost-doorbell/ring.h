/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtqueue engine: what a virtio device does to a ring, and nothing else.
 *
 * It uses no service of the kernel beyond types, barriers and READ_ONCE, so
 * that the very same object is compiled in userspace (selftests/ring), where
 * it is unit-tested and fuzzed. The three areas of a ring are plain mapped
 * memory here; who mapped them, and who the driver is, is the caller's affair.
 *
 * The driver is hostile. Each field that it can write is read once into a
 * local, checked, and never read again. A violation is answered with an error
 * from vhdb_ring_pop(), after which the caller stops using the ring.
 *
 * What the engine does not know is which buffers are out: a driver may offer
 * one twice, or more of them than the ring has descriptors. The caller bounds
 * that, and indexes nothing by a head.
 *
 * A ring has two sides that may run at the same time:
 *
 *   available side: vhdb_ring_pop(), the notification calls. One caller at a
 *                   time (the queue's worker).
 *   used side:      vhdb_ring_push(), vhdb_ring_publish(). One caller at a
 *                   time (who holds the queue's completion lock).
 *
 * Numbers of clauses are those of the virtio specification, version 1.3.
 */
#ifndef VHDB_RING_H
#define VHDB_RING_H

#ifdef __KERNEL__
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_config.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
#else
#include "ring_shim.h"
#endif

/* Entries of an indirect table at the most, whatever the queue's size. */
#define VHDB_RING_INDIRECT_MAX	1024

/* 2.7: "Queue Size is always a power of 2", "maximum 32768" (split). */
#define VHDB_RING_SIZE_MAX	32768

/**
 * struct vhdb_seg - one piece of a buffer, in the driver's addresses
 * @addr: address as the driver wrote it (an IOVA)
 * @len: bytes, never zero
 */
struct vhdb_seg {
	u64 addr;
	u32 len;
};

/**
 * struct vhdb_chain - one buffer that the driver made available
 * @segs: its pieces: first those that the device reads, then those that it
 *	writes (2.7.4.2). Room for the ring's max_segs.
 * @nr_out: pieces that the device reads
 * @nr_in: pieces that the device writes
 * @head: what vhdb_ring_push() wants back
 */
struct vhdb_chain {
	struct vhdb_seg *segs;
	u32 nr_out;
	u32 nr_in;
	u16 head;
};

/**
 * struct vhdb_ring_config - what a ring is made from
 * @num: queue size in descriptors
 * @features: negotiated features
 * @desc: descriptor area
 * @driver: driver area (split: the available ring)
 * @device: device area (split: the used ring)
 * @base: position on the available side to start at (split: the index)
 * @table: room for VHDB_RING_INDIRECT_MAX descriptors, for indirect tables
 * @max_segs: room in &vhdb_chain.segs
 * @fetch: copies @len bytes of the driver's memory at @addr to @dst; 0 or
 *	-errno. Called by vhdb_ring_pop() for an indirect table, whole and once.
 * @fetch_data: first argument of @fetch
 */
struct vhdb_ring_config {
	u32 num;
	u64 features;
	void *desc;
	void *driver;
	void *device;
	u16 base;
	struct vring_desc *table;
	u32 max_segs;
	int (*fetch)(void *data, u64 addr, void *dst, u32 len);
	void *fetch_data;
};

/**
 * struct vhdb_ring - one virtqueue as its device sees it
 * @num: queue size
 * @event_idx: VIRTIO_RING_F_EVENT_IDX negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC negotiated
 * @max_segs: as configured
 * @desc: descriptor area, as configured
 * @avail: driver area of a split ring
 * @used: device area of a split ring
 * @table: as configured
 * @fetch: as configured
 * @fetch_data: as configured
 * @last_avail: next position to take (available side)
 * @avail_seen: driver's index when it was last read (available side)
 * @last_used: next position to write (used side)
 * @published: position up to which the driver was told (used side)
 * @signalled: position of the last decision to signal (used side)
 * @signalled_valid: @signalled counts (used side)
 *
 * The first group does not change after vhdb_ring_init(). The two sides stand
 * on cache lines of their own, since they run on different CPUs.
 */
struct vhdb_ring {
	u32 num;
	bool event_idx;
	bool indirect;
	u32 max_segs;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_desc *table;
	int (*fetch)(void *data, u64 addr, void *dst, u32 len);
	void *fetch_data;

	u16 last_avail ____cacheline_aligned_in_smp;
	u16 avail_seen;

	u16 last_used ____cacheline_aligned_in_smp;
	u16 published;
	u16 signalled;
	bool signalled_valid;
};

/* Why a ring is broken; also the values that the tracepoint shows. */
#define VHDB_RING_EJUMP		EOVERFLOW	/* index too far ahead */
#define VHDB_RING_EINDEX	ERANGE		/* descriptor index too large */
#define VHDB_RING_ELOOP		ELOOP		/* chain longer than allowed */
#define VHDB_RING_EORDER	EBADMSG		/* readable after writable */
#define VHDB_RING_EINDIRECT	EPROTO		/* bad use of INDIRECT */
#define VHDB_RING_ETOOBIG	E2BIG		/* more pieces than allowed */

/**
 * vhdb_ring_area_sizes() - sizes of a ring's areas
 * @num: queue size
 * @desc: out: bytes of the descriptor area
 * @driver: out: bytes of the driver area
 * @device: out: bytes of the device area
 *
 * 2.7: the sizes include the event index fields, which are there whether or
 * not VIRTIO_F_EVENT_IDX was negotiated.
 *
 * Context: any.
 */
static inline void vhdb_ring_area_sizes(u32 num, size_t *desc, size_t *driver,
					size_t *device)
{
	*desc = sizeof(struct vring_desc) * (size_t)num;
	*driver = sizeof(u16) * (3 + (size_t)num);
	*device = sizeof(u16) * 3 + sizeof(struct vring_used_elem) * (size_t)num;
}

int vhdb_ring_init(struct vhdb_ring *ring, const struct vhdb_ring_config *cfg);
void vhdb_ring_move(struct vhdb_ring *ring, void *desc, void *driver,
		    void *device);
int vhdb_ring_pop(struct vhdb_ring *ring, struct vhdb_chain *chain);
bool vhdb_ring_has_work(struct vhdb_ring *ring);
void vhdb_ring_disable_notify(struct vhdb_ring *ring);
bool vhdb_ring_enable_notify(struct vhdb_ring *ring);
void vhdb_ring_push(struct vhdb_ring *ring, u16 head, u32 len);
bool vhdb_ring_publish(struct vhdb_ring *ring);

#endif /* VHDB_RING_H */
