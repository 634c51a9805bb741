// SPDX-License-Identifier: GPL-2.0
/*
 * The owner's memory: the map from the driver's addresses (IOVAs) to user
 * addresses, and the pinned areas of the rings.
 *
 * A worker that serves a queue holds the map's semaphore for reading, so a
 * translation needs no lock of its own, and what it has translated stays true
 * until its request has been handed out. From there on the request counts for
 * an epoch, and who takes something away from the map waits for that epoch.
 *
 * A batch of changes is made on a copy, which replaces the map as a whole: a
 * VMM deletes and re-adds all of its memory in one batch when firmware
 * switches a part of it, while rings are in use.
 */
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <uapi/linux/vhost_types.h>

#include "memory.h"

unsigned int vhdb_iotlb_max = 4096;

/**
 * vhdb_memory_init() - an empty map
 * @memory: the map
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int vhdb_memory_init(struct vhdb_memory *memory)
{
	init_rwsem(&memory->sem);
	memory->epoch = 0;
	memory->removals = 0;
	memory->shadow = NULL;
	memory->map = vhdb_memory_new_map();
	memory->table = vhdb_memory_new_map();
	if (memory->map && memory->table)
		return 0;
	vhdb_memory_free(memory);
	return -ENOMEM;
}

/**
 * vhdb_memory_free() - the end of a map
 * @memory: the map; nobody uses it
 *
 * Context: process.
 */
void vhdb_memory_free(struct vhdb_memory *memory)
{
	vhdb_memory_batch_drop(memory);
	vhost_iotlb_free(memory->map);
	vhost_iotlb_free(memory->table);
}

/**
 * vhdb_memory_new_map() - an empty map or table
 *
 * Context: process.
 * Return: the map, or NULL without memory.
 */
struct vhost_iotlb *vhdb_memory_new_map(void)
{
	return vhost_iotlb_alloc(vhdb_iotlb_max, 0);
}

/* Older kernels enforce the limit only where the oldest entry is to go. */
static int add(struct vhost_iotlb *map, u64 start, u64 last, u64 addr, u8 perm)
{
	if (map->nmaps >= vhdb_iotlb_max)
		return -ENOSPC;
	return vhost_iotlb_add_range(map, start, last, addr, perm);
}

/* Removes a range; what an entry has outside of it stays. */
static int del(struct vhost_iotlb *map, u64 start, u64 last)
{
	struct vhost_iotlb_map *m;

	while ((m = vhost_iotlb_itree_first(map, start, last))) {
		struct vhost_iotlb_map old = *m;
		int err = 0;

		vhost_iotlb_map_free(map, m);
		if (old.start < start)
			err = add(map, old.start, start - 1, old.addr, old.perm);
		if (!err && old.last > last)
			err = add(map, last + 1, old.last,
				  old.addr + (last + 1 - old.start), old.perm);
		if (err)
			return err;
	}
	return 0;
}

static struct vhost_iotlb *duplicate(struct vhost_iotlb *map)
{
	struct vhost_iotlb *copy = vhdb_memory_new_map();
	struct vhost_iotlb_map *m;

	if (!copy)
		return NULL;
	list_for_each_entry(m, &map->list, link) {
		if (vhost_iotlb_add_range(copy, m->start, m->last, m->addr,
					  m->perm)) {
			vhost_iotlb_free(copy);
			return NULL;
		}
	}
	return copy;
}

/* Something was taken away. @sem is held for writing. */
static void new_epoch(struct vhdb_memory *memory)
{
	memory->epoch ^= 1;
	memory->removals++;
}

/* Replaces the map by another and starts a new epoch. 0 or -EINTR. */
static int publish(struct vhdb_memory *memory, struct vhost_iotlb *map)
{
	struct vhost_iotlb *old = memory->map;

	if (down_write_killable(&memory->sem))
		return -EINTR;
	memory->map = map;
	new_epoch(memory);
	up_write(&memory->sem);
	vhost_iotlb_free(old);
	return 0;
}

/* Does an entry begin before @start or end after @last? Only two can. */
static bool straddled(struct vhost_iotlb *map, u64 start, u64 last)
{
	struct vhost_iotlb_map *m;

	m = vhost_iotlb_itree_first(map, start, start);
	if (m && m->start < start)
		return true;
	m = vhost_iotlb_itree_first(map, last, last);
	return m && m->last > last;
}

static int check_range(const struct vhost_iotlb *map, u64 iova, u64 size,
		       u64 uaddr, u8 perm)
{
	u64 last = iova + size - 1;

	if (!size || last < iova)
		return -EINVAL;
	if (!perm || (perm & ~(VHDB_READ | VHDB_WRITE)))
		return -EINVAL;
	if (uaddr != (unsigned long)uaddr || size != (unsigned long)size ||
	    !access_ok((void __user *)(unsigned long)uaddr, size))
		return -EFAULT;
	if (vhost_iotlb_itree_first((struct vhost_iotlb *)map, iova, last))
		return -EEXIST;
	return 0;
}

/**
 * vhdb_memory_add() - add an entry to a map that nobody uses yet
 * @map: the map
 * @iova: as of vhdb_memory_update()
 * @size: likewise
 * @uaddr: likewise
 * @perm: likewise
 *
 * Context: process.
 * Return: as of vhdb_memory_update().
 */
int vhdb_memory_add(struct vhost_iotlb *map, u64 iova, u64 size, u64 uaddr,
		    u8 perm)
{
	int err = check_range(map, iova, size, uaddr, perm);

	return err ?: add(map, iova, iova + size - 1, uaddr, perm);
}

/**
 * vhdb_memory_update() - add an entry
 * @memory: the map
 * @iova: where it starts for the driver
 * @size: bytes
 * @uaddr: where it starts for the owner
 * @perm: VHDB_READ and VHDB_WRITE bits
 *
 * Context: process, under the device's mutex.
 * Return: 0; -EINVAL for a size of 0, a range that wraps or odd permissions,
 * -EFAULT if @uaddr is not a user address, -EEXIST if it overlaps an entry,
 * -ENOSPC if there are too many, -ENOMEM, -EINTR.
 */
int vhdb_memory_update(struct vhdb_memory *memory, u64 iova, u64 size,
		       u64 uaddr, u8 perm)
{
	struct vhost_iotlb *map = memory->shadow ?: memory->map;
	u64 last = iova + size - 1;
	int err = check_range(map, iova, size, uaddr, perm);

	if (err)
		return err;
	if (memory->shadow)
		return add(map, iova, last, uaddr, perm);

	if (down_write_killable(&memory->sem))
		return -EINTR;
	err = add(map, iova, last, uaddr, perm);
	up_write(&memory->sem);
	return err;
}

/**
 * vhdb_memory_invalidate() - take a range away
 * @memory: the map
 * @iova: its start
 * @size: bytes
 * @published: set if the map has changed, so that the caller has to wait for
 *	the requests of the old epoch
 *
 * Within an entry, the rest of it stays. Nothing there is fine.
 *
 * Context: process, under the device's mutex.
 * Return: 0; -EINVAL for a size of 0 or a range that wraps, -ENOMEM, -ENOSPC
 * or -EINTR, and then nothing has changed.
 */
int vhdb_memory_invalidate(struct vhdb_memory *memory, u64 iova, u64 size,
			   bool *published)
{
	struct vhost_iotlb *map = memory->shadow ?: memory->map;
	u64 last = iova + size - 1;
	struct vhost_iotlb *copy;
	int err;

	*published = false;
	if (!size || last < iova)
		return -EINVAL;
	if (!vhost_iotlb_itree_first(map, iova, last))
		return 0;
	*published = !memory->shadow;

	if (!straddled(map, iova, last)) {
		if (memory->shadow) {
			vhost_iotlb_del_range(map, iova, last);
			return 0;
		}
		if (down_write_killable(&memory->sem))
			return -EINTR;
		vhost_iotlb_del_range(map, iova, last);
		new_epoch(memory);
		up_write(&memory->sem);
		return 0;
	}

	/* What is left of an entry has to be added, which may fail. */
	copy = duplicate(map);
	if (!copy)
		return -ENOMEM;
	err = del(copy, iova, last);
	if (!err && !memory->shadow)
		err = publish(memory, copy);
	if (err) {
		vhost_iotlb_free(copy);
		return err;
	}
	if (memory->shadow) {
		vhost_iotlb_free(memory->shadow);
		memory->shadow = copy;
	}
	return 0;
}

/**
 * vhdb_memory_batch_begin() - start to change a copy of the map
 * @memory: the map
 *
 * Context: process, under the device's mutex.
 * Return: 0; -EBUSY within a batch, -ENOMEM.
 */
int vhdb_memory_batch_begin(struct vhdb_memory *memory)
{
	if (memory->shadow)
		return -EBUSY;
	memory->shadow = duplicate(memory->map);
	return memory->shadow ? 0 : -ENOMEM;
}

/**
 * vhdb_memory_batch_end() - let the changed copy become the map
 * @memory: the map
 *
 * Context: process, under the device's mutex. The caller waits for the
 * requests of the old epoch.
 * Return: 0; -EINVAL outside of a batch; -EINTR, and then it is still open.
 */
int vhdb_memory_batch_end(struct vhdb_memory *memory)
{
	int err;

	if (!memory->shadow)
		return -EINVAL;
	err = publish(memory, memory->shadow);
	if (!err)
		memory->shadow = NULL;
	return err;
}

/**
 * vhdb_memory_batch_drop() - forget an open batch
 * @memory: the map; within a batch or not
 *
 * Context: process, under the device's mutex.
 */
void vhdb_memory_batch_drop(struct vhdb_memory *memory)
{
	if (memory->shadow)
		vhost_iotlb_free(memory->shadow);
	memory->shadow = NULL;
}

/**
 * vhdb_memory_find_hole() - is all of a range mapped?
 * @memory: the map
 * @iova: the range's start
 * @len: bytes, not 0; cut off where it wraps
 * @hole: out: the first address that is not
 *
 * Context: @memory->sem or the device's mutex is held.
 * Return: true if there is a hole.
 */
bool vhdb_memory_find_hole(const struct vhdb_memory *memory, u64 iova, u64 len,
			   u64 *hole)
{
	u64 last = iova + (len - 1);

	if (last < iova)
		last = U64_MAX;
	for (;;) {
		struct vhost_iotlb_map *m;

		m = vhost_iotlb_itree_first(memory->map, iova, iova);
		if (!m) {
			*hole = iova;
			return true;
		}
		if (m->last >= last)
			return false;
		iova = m->last + 1;
	}
}

/**
 * vhdb_memory_has() - would an update change nothing?
 * @memory: the map, or its copy within a batch
 * @iova: as of vhdb_memory_update()
 * @size: likewise
 * @uaddr: likewise
 * @perm: likewise
 *
 * Context: process, under the device's mutex.
 * Return: true if there is an entry that says the same.
 */
bool vhdb_memory_has(const struct vhdb_memory *memory, u64 iova, u64 size,
		     u64 uaddr, u8 perm)
{
	struct vhost_iotlb *map = memory->shadow ?: memory->map;
	struct vhost_iotlb_map *m = vhost_iotlb_itree_first(map, iova, iova);

	return m && size && m->last - iova >= size - 1 && m->perm == perm &&
	       m->addr + (iova - m->start) == uaddr;
}

/**
 * vhdb_memory_oldest() - which entry is there for longest?
 * @memory: the map, or its copy within a batch
 * @iova: out: its start
 * @size: out: its bytes
 *
 * Context: process, under the device's mutex.
 * Return: false if the map is empty.
 */
bool vhdb_memory_oldest(const struct vhdb_memory *memory, u64 *iova, u64 *size)
{
	struct vhost_iotlb *map = memory->shadow ?: memory->map;
	struct vhost_iotlb_map *m;

	m = list_first_entry_or_null(&map->list, struct vhost_iotlb_map, link);
	if (!m)
		return false;
	*iova = m->start;
	*size = m->last - m->start + 1;
	return true;
}

/**
 * vhdb_memory_set_table() - another memory table
 * @memory: the map
 * @table: guest physical to user addresses; not the caller's any more,
 *	whatever is returned
 * @is_map: it is what requests are translated by
 *
 * Context: process, under the device's mutex. With @is_map, the caller waits
 * for the requests of the old epoch.
 * Return: 0; -ENOMEM or -EINTR, and then nothing has changed.
 */
int vhdb_memory_set_table(struct vhdb_memory *memory, struct vhost_iotlb *table,
			  bool is_map)
{
	struct vhost_iotlb *map = NULL;
	int err = 0;

	if (is_map) {
		map = duplicate(table);
		if (!map)
			err = -ENOMEM;
	}
	if (!err && down_write_killable(&memory->sem))
		err = -EINTR;
	if (!err) {
		swap(memory->table, table);
		if (is_map) {
			swap(memory->map, map);
			new_epoch(memory);
		}
		up_write(&memory->sem);
	}
	/* Now those that are not used any more. */
	vhost_iotlb_free(table);
	vhost_iotlb_free(map);
	return err;
}

/**
 * vhdb_memory_renew() - start over with the map
 * @memory: the map; no queue uses it
 * @from_table: it is to be what the table says, and not empty
 *
 * Context: process, under the device's mutex.
 * Return: 0; -ENOMEM or -EINTR, and then nothing has changed.
 */
int vhdb_memory_renew(struct vhdb_memory *memory, bool from_table)
{
	struct vhost_iotlb *map = from_table ? duplicate(memory->table) :
					       vhdb_memory_new_map();
	int err;

	if (!map)
		return -ENOMEM;
	err = publish(memory, map);
	if (err)
		vhost_iotlb_free(map);
	else
		vhdb_memory_batch_drop(memory);
	return err;
}

/* Can this memory be pinned for long? See the table of errors at DRIVER_OK. */
static int check_vma(const struct vm_area_struct *vma)
{
	unsigned long magic;

	if (!(vma->vm_flags & VM_WRITE) || !(vma->vm_flags & VM_READ))
		return -EACCES;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return -EOPNOTSUPP;
	if (!vma->vm_file || !(vma->vm_flags & VM_SHARED))
		return 0;
	/*
	 * A page of a file may be written back while it is pinned, and the
	 * file system may drop or move it. shmem (memfd) and hugetlbfs do
	 * neither. secretmem must not be mapped by the kernel at all.
	 */
	magic = file_inode(vma->vm_file)->i_sb->s_magic;
	if (magic != TMPFS_MAGIC && magic != HUGETLBFS_MAGIC)
		return -EOPNOTSUPP;
	return 0;
}

static int check_vmas(unsigned long start, unsigned long end)
{
	struct mm_struct *mm = current->mm;
	unsigned long addr = start;
	int err = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	while (!err && addr < end) {
		struct vm_area_struct *vma = find_vma(mm, addr);

		if (!vma || vma->vm_start > addr) {
			err = -EFAULT;
			break;
		}
		err = check_vma(vma);
		addr = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return err;
}

/*
 * Fills area->pieces, as few as there can be, so that two looks at the same
 * memory give the same, however the map's entries are cut.
 */
static int find_pieces(struct vhdb_area *area, const struct vhdb_memory *memory,
		       u64 iova, size_t len)
{
	struct vhost_iotlb_map *near = NULL;
	struct vhdb_piece *last = NULL;

	area->nr_pieces = 0;
	if (iova + (len - 1) < iova)
		return -EFAULT;
	if (!memory) {
		if (iova != (unsigned long)iova ||
		    !access_ok((void __user *)(unsigned long)iova, len))
			return -EFAULT;
		area->pieces[0] = (struct vhdb_piece){ iova, len };
		area->nr_pieces = 1;
		return 0;
	}
	while (len) {
		struct vhdb_piece piece;
		int err;

		err = vhdb_memory_translate(memory, iova, len,
					    VHDB_READ | VHDB_WRITE, &piece,
					    &near);
		if (err)
			return err;
		iova += piece.len;
		len -= piece.len;

		if (last && last->uaddr + last->len == piece.uaddr) {
			last->len += piece.len;
			continue;
		}
		/* Runs are joined in the kernel's view page by page. */
		if (last && (!PAGE_ALIGNED(last->uaddr + last->len) ||
			     !PAGE_ALIGNED(piece.uaddr)))
			return -EOPNOTSUPP;
		if (area->nr_pieces == VHDB_AREA_PIECES)
			return -EOPNOTSUPP;
		last = &area->pieces[area->nr_pieces++];
		*last = piece;
	}
	return 0;
}

static unsigned long piece_pages(const struct vhdb_piece *piece)
{
	return DIV_ROUND_UP(offset_in_page(piece->uaddr) + piece->len,
			    PAGE_SIZE);
}

static int pin_piece(struct vhdb_area *area, const struct vhdb_piece *piece)
{
	unsigned long start = piece->uaddr & PAGE_MASK;
	unsigned long nr = piece_pages(piece);
	int got, err;

	err = check_vmas(start, start + nr * PAGE_SIZE);
	if (err)
		return err;

	while (nr) {
		got = pin_user_pages_fast(start, nr, FOLL_WRITE | FOLL_LONGTERM,
					  area->pages + area->nr_pages);
		if (got <= 0)
			return got ?: -EFAULT;
		area->nr_pages += got;
		start += got * PAGE_SIZE;
		nr -= got;
	}
	return 0;
}

static void unpin(struct vhdb_area *area)
{
	unpin_user_pages_dirty_lock(area->pages, area->nr_pages, true);
	kvfree(area->pages);
}

/**
 * vhdb_area_map() - pin an area of a ring and map it
 * @area: out: the area
 * @memory: the owner's memory; NULL if @iova is an address of the owner itself
 * @iova: the area's start
 * @len: bytes
 *
 * The pages are charged to the owner's RLIMIT_MEMLOCK.
 *
 * Context: process, the owner's; under the device's mutex.
 * Return: 0; -EFAULT if a part is not mapped, -EACCES if not readable and
 * writable, -EOPNOTSUPP if it cannot be pinned or its runs do not join at
 * page boundaries, -ENOMEM over the limit or without memory, -EINTR.
 */
int vhdb_area_map(struct vhdb_area *area, const struct vhdb_memory *memory,
		  u64 iova, size_t len)
{
	unsigned long nr = 0;
	unsigned int i;
	void *base;
	int err;

	*area = (struct vhdb_area){};
	err = find_pieces(area, memory, iova, len);
	if (err)
		return err;
	for (i = 0; i < area->nr_pieces; i++)
		nr += piece_pages(&area->pieces[i]);

	err = account_locked_vm(current->mm, nr, true);
	if (err)
		return err;
	area->pages = kvcalloc(nr, sizeof(*area->pages), GFP_KERNEL_ACCOUNT);
	if (!area->pages) {
		err = -ENOMEM;
		goto err_account;
	}
	for (i = 0; i < area->nr_pieces; i++) {
		err = pin_piece(area, &area->pieces[i]);
		if (err)
			goto err_pin;
	}
	base = vmap(area->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!base) {
		err = -ENOMEM;
		goto err_pin;
	}
	area->addr = base + offset_in_page(area->pieces[0].uaddr);
	return 0;

err_pin:
	unpin(area);
err_account:
	account_locked_vm(current->mm, nr, false);
	*area = (struct vhdb_area){};
	return err;
}

/**
 * vhdb_area_unmap() - give an area of a ring back
 * @area: the area; one that is not mapped is left alone
 * @mm: the owner's memory, which may be gone already
 *
 * Context: process, any; nobody uses the area any more.
 */
void vhdb_area_unmap(struct vhdb_area *area, struct mm_struct *mm)
{
	if (!area->addr)
		return;
	vunmap((void *)((unsigned long)area->addr & PAGE_MASK));
	/* With the memory, its account has gone. */
	if (mmget_not_zero(mm)) {
		account_locked_vm(mm, area->nr_pages, false);
		mmput(mm);
	}
	unpin(area);
	*area = (struct vhdb_area){};
}

/**
 * vhdb_area_moved() - does a mapped area lie elsewhere now, or nowhere?
 * @area: the area
 * @memory: as it was for vhdb_area_map()
 * @iova: the area's start
 * @len: bytes
 *
 * Context: process, under the device's mutex.
 * Return: true if the map no longer leads to the pages that are pinned.
 */
bool vhdb_area_moved(const struct vhdb_area *area,
		     const struct vhdb_memory *memory, u64 iova, size_t len)
{
	struct vhdb_area now;
	unsigned int i;

	if (find_pieces(&now, memory, iova, len) ||
	    now.nr_pieces != area->nr_pieces)
		return true;
	for (i = 0; i < now.nr_pieces; i++)
		if (now.pieces[i].uaddr != area->pieces[i].uaddr ||
		    now.pieces[i].len != area->pieces[i].len)
			return true;
	return false;
}
