/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_MEMORY_H
#define VHDB_MEMORY_H

#include <linux/rwsem.h>
#include <linux/types.h>

struct page;
struct vhost_iotlb;

extern unsigned int vhdb_iotlb_max;

/**
 * struct vhdb_memory - a device's view of its owner's memory
 * @map: IOVA to user address, with permissions. Read under @sem; changed
 *	under the device's mutex with @sem held for writing, so the holder of
 *	the device's mutex may read it too.
 * @shadow: what @map will be at BATCH_END; NULL outside of a batch. Under the
 *	device's mutex.
 * @table: the classic dialect's memory table: guest physical to user address.
 *	What @map is a copy of, unless there is an IOTLB. Like @map.
 * @sem: held for reading while a worker serves a queue
 * @epoch: flips when something was taken away from @map. A request counts
 *	for the epoch in which it started. Like @map.
 */
struct vhdb_memory {
	struct vhost_iotlb *map;
	struct vhost_iotlb *shadow;
	struct vhost_iotlb *table;
	struct rw_semaphore sem;
	u8 epoch;
};

/**
 * struct vhdb_piece - a run of user memory
 * @uaddr: its start
 * @len: bytes
 */
struct vhdb_piece {
	unsigned long uaddr;
	u64 len;
};

/* Permissions, with the values of VHOST_ACCESS_*. */
#define VHDB_READ	1
#define VHDB_WRITE	2

/* Runs of user memory that one area of a ring may consist of. */
#define VHDB_AREA_PIECES	8

/**
 * struct vhdb_area - an area of a ring, pinned and mapped
 * @addr: where the kernel sees it
 * @pages: its pages
 * @nr_pages: number of them
 * @pieces: where it lay in the owner's memory when it was pinned
 * @nr_pieces: number of them
 */
struct vhdb_area {
	void *addr;
	struct page **pages;
	unsigned long nr_pages;
	struct vhdb_piece pieces[VHDB_AREA_PIECES];
	unsigned int nr_pieces;
};

int vhdb_memory_init(struct vhdb_memory *memory);
void vhdb_memory_free(struct vhdb_memory *memory);
int vhdb_memory_update(struct vhdb_memory *memory, u64 iova, u64 size,
		       u64 uaddr, u8 perm);
int vhdb_memory_invalidate(struct vhdb_memory *memory, u64 iova, u64 size,
			   bool *published);
int vhdb_memory_batch_begin(struct vhdb_memory *memory);
int vhdb_memory_batch_end(struct vhdb_memory *memory);
void vhdb_memory_batch_drop(struct vhdb_memory *memory);
int vhdb_memory_translate(const struct vhdb_memory *memory, u64 iova, u64 len,
			  u8 perm, struct vhdb_piece *piece);
bool vhdb_memory_find_hole(const struct vhdb_memory *memory, u64 iova, u64 len,
			   u64 *hole);
bool vhdb_memory_has(const struct vhdb_memory *memory, u64 iova, u64 size,
		     u64 uaddr, u8 perm);
bool vhdb_memory_oldest(const struct vhdb_memory *memory, u64 *iova, u64 *size);
struct vhost_iotlb *vhdb_memory_new_map(void);
int vhdb_memory_add(struct vhost_iotlb *map, u64 iova, u64 size, u64 uaddr,
		    u8 perm);
int vhdb_memory_set_table(struct vhdb_memory *memory, struct vhost_iotlb *table,
			  bool is_map);
int vhdb_memory_renew(struct vhdb_memory *memory, bool from_table);

/* @memory is NULL where the address is the owner's own. */
int vhdb_area_map(struct vhdb_area *area, const struct vhdb_memory *memory,
		  u64 iova, size_t len);
void vhdb_area_unmap(struct vhdb_area *area, struct mm_struct *mm);
bool vhdb_area_moved(const struct vhdb_area *area,
		     const struct vhdb_memory *memory, u64 iova, size_t len);

#endif /* VHDB_MEMORY_H */
