/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VHDB_MEMORY_H
#define VHDB_MEMORY_H

#include <linux/minmax.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/vhost_iotlb.h>

struct page;

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
 * @removals: how often it did. Like @map.
 */
struct vhdb_memory {
	struct vhost_iotlb *map;
	struct vhost_iotlb *shadow;
	struct vhost_iotlb *table;
	struct rw_semaphore sem;
	u8 epoch;
	u64 removals;
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

/**
 * vhdb_memory_translate() - find where a range starts in the owner's memory
 * @memory: the map
 * @iova: the range's start
 * @len: bytes, not 0
 * @perm: what is going to be done there
 * @piece: out: the user address, and how much of @len lies there in one run
 * @near: where the last one was found, looked at first, and where this one is; NULL
 *	for nowhere. Of the map as it is now.
 *
 * Context: @memory->sem or the device's mutex is held.
 * Return: 0; -EFAULT if nothing is mapped, -EACCES if not for @perm.
 */
static inline int vhdb_memory_translate(const struct vhdb_memory *memory, u64 iova,
					u64 len, u8 perm,
					struct vhdb_piece *piece,
					struct vhost_iotlb_map **near)
{
	struct vhost_iotlb_map *m = *near;

	if (!m || iova < m->start || iova > m->last) {
		m = vhost_iotlb_itree_first(memory->map, iova, iova);
		if (!m)
			return -EFAULT;
		*near = m;
	}
	if ((m->perm & perm) != perm)
		return -EACCES;
	piece->uaddr = m->addr + (iova - m->start);
	/* m->last may be the last address of all: no "+ 1" before the min. */
	piece->len = min(len - 1, m->last - iova) + 1;
	return 0;
}

#endif /* VHDB_MEMORY_H */
