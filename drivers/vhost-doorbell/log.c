// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: which pages of the guest's memory the device has written. A
 * bit for each 4 KiB of guest physical memory, in the owner's memory, which the
 * owner reads and clears at any time, to send those pages to where the guest
 * migrates.
 *
 * So a bit is set after the write that it stands for: a page that is sent in
 * between is sent again. And it is set before the driver can know of the
 * write: data before its used element is published. A page that the driver
 * acts upon is one that will be sent.
 *
 * The log is user memory, so it is written by the worker (or by the owner, who
 * waits for a queue to stand still), never where a request's I/O ends.
 */
#include <linux/bitops.h>
#include <linux/highmem.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost_iotlb.h>

#include <uapi/linux/vhost_types.h>

#include "device.h"
#include "log.h"

/**
 * struct vhdb_log_notes - what a request has written or is going to write
 * @nr: number of ranges
 * @max: room for them
 * @range: guest physical addresses
 */
struct vhdb_log_notes {
	u32 nr;
	u32 max;
	struct {
		u64 addr;
		u64 len;
	} range[];
};

/* A page of the log that bits are being set in: it covers 128 MiB. */
struct writer {
	u64 base;
	unsigned long at;
	struct page *page;
	int err;
};

static u64 bit_addr(u64 base, u64 pfn)
{
	return base + pfn / 8;
}

/**
 * vhdb_log_fits() - is a range of guest memory within what a log can cover?
 * @base: the log
 * @addr: guest physical address
 * @len: bytes, not 0
 *
 * How long a log is the owner does not say; only that its bits are at user
 * addresses can be checked beforehand.
 *
 * Context: any.
 * Return: true if it is.
 */
bool vhdb_log_fits(u64 base, u64 addr, u64 len)
{
	u64 last = addr + (len - 1), end;

	if (last < addr)
		return false;
	end = bit_addr(base, last / VHOST_PAGE_SIZE) + 1;
	return end > base && end == (unsigned long)end && base &&
	       access_ok((void __user *)(unsigned long)base, end - base);
}

/**
 * vhdb_log_fits_table() - can a log cover the memory table?
 * @base: the log
 * @memory: the owner's memory
 *
 * Context: process, under the device's mutex.
 * Return: true if it can.
 */
bool vhdb_log_fits_table(u64 base, const struct vhdb_memory *memory)
{
	struct vhost_iotlb_map *m;

	list_for_each_entry(m, &memory->table->list, link)
		if (!vhdb_log_fits(base, m->start, m->last - m->start + 1))
			return false;
	return base;
}

static size_t device_area_size(const struct vhdb_vq *vq)
{
	return vhdb_ring_area_size(vq->dev->features, vq->num,
				   VHDB_AREA_DEVICE);
}

/**
 * vhdb_log_fits_ring() - can a log cover a queue's device area?
 * @vq: the queue
 * @base: the log
 * @ring_addr: guest physical address of the area
 *
 * With an IOTLB, where that is follows from the memory table.
 *
 * Context: process, under the device's mutex.
 * Return: true if it can.
 */
bool vhdb_log_fits_ring(const struct vhdb_vq *vq, u64 base, u64 ring_addr)
{
	return base && (vhdb_device_has_iotlb(vq->dev) ||
			vhdb_log_fits(base, ring_addr, device_area_size(vq)));
}

static void writer_end(struct writer *w)
{
	if (w->page)
		unpin_user_pages_dirty_lock(&w->page, 1, true);
	w->page = NULL;
}

static void writer_begin(struct writer *w, struct vhdb_vq *vq)
{
	*w = (struct writer){ .base = vq->log.base };
	/*
	 * What was written is seen before a bit is set, or is found set. Pairs
	 * with the owner's atomic exchange of the bits, after which it reads
	 * the memory.
	 */
	smp_mb();
}

/* Logs one page. An error is kept, so that it is told once. */
static void log_page(struct writer *w, u64 pfn)
{
	u64 addr = bit_addr(w->base, pfn);
	unsigned long at = addr & PAGE_MASK;
	unsigned int bit = offset_in_page(addr) * 8 + pfn % 8;
	void *kaddr;
	int ret;

	if (!w->page || w->at != at) {
		writer_end(w);
		ret = pin_user_pages_fast(at, 1, FOLL_WRITE, &w->page);
		if (ret != 1) {
			w->page = NULL;
			w->err = ret ?: -EFAULT;
			return;
		}
		w->at = at;
	}
	/* Bits as the owner counts them: in its words, not in bytes. */
	kaddr = kmap_local_page(w->page);
	if (!test_bit(bit, kaddr))
		set_bit(bit, kaddr);
	kunmap_local(kaddr);
}

static void log_range(struct writer *w, u64 addr, u64 len)
{
	u64 pfn = addr / VHOST_PAGE_SIZE;
	u64 last = (addr + (len - 1)) / VHOST_PAGE_SIZE;

	/* Its end was checked when the log was turned on. */
	for (; pfn <= last; pfn++)
		log_page(w, pfn);
}

/* Tells the owner: of an error on the queue's, else on the log's eventfd. */
static void writer_tell(struct writer *w, struct vhdb_vq *vq)
{
	writer_end(w);
	if (w->err)
		vhdb_call_signal(&vq->err);
	vhdb_call_signal(&vq->dev->log_call);
}

/*
 * Calls @fn for each place in the guest's physical memory where a run of user
 * memory can be seen. There may be several.
 */
static int visit_places(const struct vhdb_memory *memory,
			const struct vhdb_piece *piece,
			int (*fn)(void *data, u64 addr, u64 len), void *data)
{
	u64 first = piece->uaddr, last = first + (piece->len - 1);
	struct vhost_iotlb_map *m;
	int err = 0;

	list_for_each_entry(m, &memory->table->list, link) {
		u64 m_last = m->addr + (m->last - m->start);
		u64 from = max(first, m->addr), to = min(last, m_last);

		if (from > to)
			continue;
		err = fn(data, m->start + (from - m->addr), to - from + 1);
		if (err)
			break;
	}
	return err;
}

static int add_note(void *data, u64 addr, u64 len)
{
	struct vhdb_request *rq = data;
	struct vhdb_log_notes *notes = rq->notes, *more;
	u32 max;

	/* Blocks that are written one after the other are one range. */
	if (notes && notes->nr &&
	    notes->range[notes->nr - 1].addr +
	    notes->range[notes->nr - 1].len == addr) {
		notes->range[notes->nr - 1].len += len;
		return 0;
	}
	if (!notes || notes->nr == notes->max) {
		max = notes ? 2 * notes->max : 8;
		more = kvmalloc(struct_size(more, range, max),
				GFP_KERNEL_ACCOUNT);
		if (!more)
			return -ENOMEM;
		more->max = max;
		more->nr = notes ? notes->nr : 0;
		if (notes)
			memcpy(more->range, notes->range,
			       flex_array_size(more, range, notes->nr));
		kvfree(notes);
		rq->notes = more;
		notes = more;
	}
	notes->range[notes->nr].addr = addr;
	notes->range[notes->nr].len = len;
	notes->nr++;
	return 0;
}

/**
 * vhdb_log_note() - remember what the present request is going to write
 * @vq: the queue
 * @iova: the driver's address
 * @piece: where that is, mapped
 *
 * Before it is written: what can't be noted must not be written.
 *
 * Context: the worker, within run().
 * Return: 0 or -ENOMEM.
 */
int vhdb_log_note(struct vhdb_vq *vq, u64 iova, const struct vhdb_piece *piece)
{
	if (!vhdb_device_has_iotlb(vq->dev))
		return add_note(vq->current_rq, iova, piece->len);
	return visit_places(&vq->dev->memory, piece, add_note, vq->current_rq);
}

/**
 * vhdb_log_requests() - log what requests have written
 * @vq: their queue
 * @list: the requests, complete
 *
 * Context: the owner's memory; the queue's mutex is held.
 */
void vhdb_log_requests(struct vhdb_vq *vq, struct llist_node *list)
{
	struct vhdb_request *rq;
	struct writer w;
	bool any = false;
	u32 i;

	lockdep_assert_held(&vq->mutex);
	writer_begin(&w, vq);
	llist_for_each_entry(rq, list, node) {
		struct vhdb_log_notes *notes = rq->notes;

		for (i = 0; notes && i < notes->nr; i++) {
			log_range(&w, notes->range[i].addr, notes->range[i].len);
			any = true;
		}
		/* Its room is for the next one. */
		if (notes)
			notes->nr = 0;
	}
	if (any)
		writer_tell(&w, vq);
}

static int log_place(void *data, u64 addr, u64 len)
{
	log_range(data, addr, len);
	return 0;
}

/*
 * Logs a part of a ring. Where it is in the guest's memory: of the device area
 * the owner has said it, unless there is an IOTLB; else it is looked up. A ring
 * need not be in the guest's memory at all.
 */
static void log_area(struct writer *w, struct vhdb_vq *vq,
		     enum vhdb_area_kind kind, size_t off, size_t len)
{
	const struct vhdb_area *area = &vq->area[kind];
	unsigned int i;

	if (kind == VHDB_AREA_DEVICE && !vhdb_device_has_iotlb(vq->dev)) {
		log_range(w, vq->log.ring_addr + off, len);
		return;
	}
	for (i = 0; len && i < area->nr_pieces; i++) {
		struct vhdb_piece piece = area->pieces[i];

		if (off >= piece.len) {
			off -= piece.len;
			continue;
		}
		piece.uaddr += off;
		piece.len = min_t(u64, piece.len - off, len);
		visit_places(&vq->dev->memory, &piece, log_place, w);
		len -= piece.len;
		off = 0;
	}
}

/* Used elements, or used descriptors, from one position to another. */
static void log_slots(struct writer *w, struct vhdb_vq *vq,
		      enum vhdb_area_kind kind, size_t off, size_t size,
		      u32 from, u32 nr)
{
	u32 first = min(nr, vq->num - from);

	log_area(w, vq, kind, off + from * size, first * size);
	if (nr > first)
		log_area(w, vq, kind, off, (nr - first) * size);
}

/**
 * vhdb_log_used() - log what was published
 * @vq: the queue
 * @from: vhdb_ring_used_pos() before
 * @to: and after; the same after a whole lap
 *
 * Context: the owner's memory; the queue's mutex is held, and @dev->memory.sem.
 */
void vhdb_log_used(struct vhdb_vq *vq, u16 from, u16 to)
{
	struct writer w;
	u32 nr;

	lockdep_assert_held(&vq->mutex);
	writer_begin(&w, vq);
	if (vq->ring.packed) {
		nr = to > from ? to - from : to + vq->num - from;
		log_slots(&w, vq, VHDB_AREA_DESC, 0,
			  sizeof(struct vring_packed_desc), from, nr);
	} else {
		nr = min_t(u32, (u16)(to - from), vq->num);
		log_slots(&w, vq, VHDB_AREA_DEVICE,
			  offsetof(struct vring_used, ring),
			  sizeof(struct vring_used_elem),
			  from & (vq->num - 1), nr);
		log_area(&w, vq, VHDB_AREA_DEVICE,
			 offsetof(struct vring_used, idx), sizeof(__virtio16));
	}
	writer_tell(&w, vq);
}

/**
 * vhdb_log_event() - log that notifications were turned on or off
 * @vq: the queue
 *
 * Context: as of vhdb_log_used().
 */
void vhdb_log_event(struct vhdb_vq *vq)
{
	struct writer w;

	lockdep_assert_held(&vq->mutex);
	writer_begin(&w, vq);
	if (vq->ring.packed)
		log_area(&w, vq, VHDB_AREA_DEVICE, 0,
			 sizeof(struct vring_packed_desc_event));
	else
		log_area(&w, vq, VHDB_AREA_DEVICE,
			 offsetof(struct vring_used, flags), sizeof(__virtio16));
	/* 2.7.8: avail_event lies behind the elements. */
	if (!vq->ring.packed && vq->ring.event_idx)
		log_area(&w, vq, VHDB_AREA_DEVICE,
			 offsetof(struct vring_used, ring) +
			 vq->num * sizeof(struct vring_used_elem),
			 sizeof(__virtio16));
	writer_tell(&w, vq);
}

/**
 * vhdb_log_forget() - what was noted has not come to pass
 * @rq: a request that goes back into its ring
 *
 * Context: the worker, within run().
 */
void vhdb_log_forget(struct vhdb_request *rq)
{
	if (rq->notes)
		rq->notes->nr = 0;
}

/**
 * vhdb_log_free() - free what was noted
 * @rq: a request that is not in flight
 *
 * Context: process.
 */
void vhdb_log_free(struct vhdb_request *rq)
{
	kvfree(rq->notes);
	rq->notes = NULL;
}
