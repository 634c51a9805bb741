// SPDX-License-Identifier: GPL-2.0
/* See vhdb_mock.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "vhdb_mock.h"

/* ---- one virtqueue, whatever its form ---- */

int vhdb_vq_init(struct vhdb_vq *vq, const struct vhdb_vq_ops *ops,
		 struct vhdb_vring *vr)
{
	memset(vq, 0, sizeof(*vq));
	vq->ops = ops;
	vq->vr = vr;
	vq->slot = calloc(vr->num, sizeof(*vq->slot));
	vq->order = calloc(vr->num, sizeof(*vq->order));
	if (!vq->slot || !vq->order)
		return -ENOMEM;
	vhdb_vq_reset(vq, false);
	return 0;
}

void vhdb_vq_free(struct vhdb_vq *vq)
{
	free(vq->slot);
	free(vq->order);
	vq->slot = NULL;
	vq->order = NULL;
}

void vhdb_vq_reset(struct vhdb_vq *vq, bool event_idx)
{
	unsigned int i;

	for (i = 0; i < vq->vr->num; i++) {
		vq->slot[i].in_flight = false;
		vq->slot[i].next = i + 1;
	}
	vq->free_head = 0;
	vq->num_free = vq->vr->num;
	vq->in_flight = 0;
	vq->nr_sent = 0;
	vq->in_batch = false;
	vq->event_idx = event_idx;
	vhdb_vring_clear(vq->vr);
	vq->ops->reset(vq);
}

int vhdb_vq_add(struct vhdb_vq *vq, const struct vhdb_buf *buf,
		unsigned int count, __u64 token, enum vhdb_vq_how how)
{
	return vq->ops->add(vq, buf, count, token, how == VHDB_INDIRECT);
}

void vhdb_vq_publish(struct vhdb_vq *vq)
{
	vq->ops->publish(vq);
}

void vhdb_vq_ring(struct vhdb_vq *vq)
{
	vhdb_vq_publish(vq);
	vq->kicks++;
	/* An eventfd that is full holds a kick already. */
	vhdb_vring_kick(vq->vr);
}

void vhdb_vq_kick(struct vhdb_vq *vq)
{
	vhdb_vq_publish(vq);
	if (vq->ops->kick_needed(vq))
		vhdb_vq_ring(vq);
	else
		vq->kicks_saved++;
}

int vhdb_vq_get(struct vhdb_vq *vq, __u64 *token, __u32 *len)
{
	return vq->ops->get(vq, token, len);
}

void vhdb_vq_want_signal(struct vhdb_vq *vq, bool on)
{
	vq->ops->want_signal(vq, on);
}

/*
 * The signal is asked for before the ring is looked at: an answer that comes
 * in between is seen by one of the two. A signal that tells nothing new is
 * that of an answer which was seen without it; there is another to come.
 */
int vhdb_vq_wait(struct vhdb_vq *vq)
{
	struct pollfd pfd = { .fd = vq->vr->call, .events = POLLIN };

	for (;;) {
		vhdb_vq_want_signal(vq, true);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (vq->ops->more_used(vq))
			return 0;
		if (poll(&pfd, 1, vhdb_timeout_ms()) < 1)
			return vq->ops->more_used(vq) ? -ENOMSG : -ETIMEDOUT;
		vq->signals += vhdb_eventfd_take(vq->vr->call);
	}
}

void vhdb_vq_sent(struct vhdb_vq *vq, __u16 id, const struct vhdb_buf *buf,
		  unsigned int count, unsigned int slots, __u64 token)
{
	struct vhdb_vq_slot *slot = &vq->slot[id];

	slot->token = token;
	slot->count = slots;
	slot->in_flight = true;
	slot->writable = 0;
	while (count--)
		slot->writable += buf[count].in ? buf[count].len : 0;
	vq->order[vq->nr_sent++ % vq->vr->num] = id;
	vq->in_flight++;
}

__u16 vhdb_vq_oldest(const struct vhdb_vq *vq, unsigned int nr)
{
	return vq->order[(vq->nr_sent - nr) % vq->vr->num];
}

/*
 * 2.7.9, 2.8.8: in order, one entry may stand for all up to the chain that it
 * names; those in front of that were used completely.
 */
int vhdb_vq_returned(struct vhdb_vq *vq, __u32 id, __u32 used, __u32 *len)
{
	__u16 oldest = vhdb_vq_oldest(vq, vq->in_flight);

	if (vq->in_batch) {
		id = vq->batch_id;
		used = vq->batch_len;
	}
	if (!vq->in_flight || id >= vq->vr->num || !vq->slot[id].in_flight)
		return -EPROTO;
	if (vq->in_order) {
		vq->in_batch = id != oldest;
		vq->batch_id = id;
		vq->batch_len = used;
		id = oldest;
	}
	*len = vq->in_batch ? vq->slot[id].writable : used;
	vq->slot[id].in_flight = false;
	vq->in_flight--;
	return id;
}

/* ---- the split form, virtio 1.3, 2.7 ---- */

static __u16 load16(const __virtio16 *p, int order)
{
	return le16toh(order == __ATOMIC_ACQUIRE ?
		       __atomic_load_n(p, __ATOMIC_ACQUIRE) :
		       __atomic_load_n(p, __ATOMIC_RELAXED));
}

/* The event index fields, 2.7.6 and 2.7.8: behind the rings */
static __virtio16 *used_event(struct vhdb_vq *vq)
{
	return &vq->vr->avail->ring[vq->vr->num];
}

static __virtio16 *avail_event(struct vhdb_vq *vq)
{
	return (__virtio16 *)&vq->vr->used->ring[vq->vr->num];
}

static void split_reset(struct vhdb_vq *vq)
{
	vq->avail_kicked = 0;
}

static void split_fill(struct vring_desc *desc, const struct vhdb_buf *buf,
		       __u16 flags, __u16 next)
{
	if (buf->in)
		flags |= VRING_DESC_F_WRITE;
	desc->addr = htole64(buf->addr);
	desc->len = htole32(buf->len);
	desc->flags = htole16(flags);
	desc->next = htole16(next);
}

/* 2.7.5.3: a table, which the device only reads, stands for the chain. */
static void split_fill_table(struct vhdb_vq *vq, __u16 head,
			     const struct vhdb_buf *buf, unsigned int count)
{
	unsigned int first = head * vq->table_len;
	struct vring_desc *table = vq->table + first;
	struct vhdb_buf all = VHDB_OUT(vq->table_iova + first * sizeof(*table),
				       count * sizeof(*table));
	unsigned int i;

	for (i = 0; i < count; i++)
		split_fill(&table[i], &buf[i],
			   i + 1 < count ? VRING_DESC_F_NEXT : 0, i + 1);
	split_fill(&vq->vr->desc[head], &all, VRING_DESC_F_INDIRECT, 0);
}

/* 2.7.5: in order, one descriptor behind the other, and around. */
static __u16 split_next(struct vhdb_vq *vq, __u16 at)
{
	return vq->in_order ? (at + 1) % vq->vr->num : vq->slot[at].next;
}

static int split_add(struct vhdb_vq *vq, const struct vhdb_buf *buf,
		     unsigned int count, __u64 token, bool indirect)
{
	unsigned int need = indirect ? 1 : count;
	struct vhdb_vring *vr = vq->vr;
	__u16 head = vq->free_head;
	__u16 at = head;
	unsigned int i;

	if (!count || need > vq->num_free ||
	    (indirect && count > vq->table_len))
		return -ENOSPC;

	if (indirect) {
		split_fill_table(vq, head, buf, count);
		at = split_next(vq, head);
	} else {
		for (i = 0; i < count; i++) {
			split_fill(&vr->desc[at], &buf[i],
				   i + 1 < count ? VRING_DESC_F_NEXT : 0,
				   split_next(vq, at));
			at = split_next(vq, at);
		}
	}
	vq->free_head = at;
	vq->num_free -= need;
	vhdb_vq_sent(vq, head, buf, count, need, token);
	vr->avail->ring[vr->avail_idx++ & (vr->num - 1)] = htole16(head);
	return head;
}

static void split_publish(struct vhdb_vq *vq)
{
	/* 2.7.13.3.1: descriptors and entries are seen before the index. */
	__atomic_store_n(&vq->vr->avail->idx, htole16(vq->vr->avail_idx),
			 __ATOMIC_RELEASE);
}

static bool split_kick_needed(struct vhdb_vq *vq)
{
	__u16 old = vq->avail_kicked;
	__u16 new = vq->vr->avail_idx;

	/* 2.7.13.4.1: the index is seen before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vq->avail_kicked = new;
	if (vq->event_idx)
		return vring_need_event(load16(avail_event(vq),
					       __ATOMIC_RELAXED), new, old);
	return !(load16(&vq->vr->used->flags, __ATOMIC_RELAXED) &
		 VRING_USED_F_NO_NOTIFY);
}

static bool split_more_used(struct vhdb_vq *vq)
{
	/* Pairs with the device's barrier before it moves the index. */
	return load16(&vq->vr->used->idx, __ATOMIC_ACQUIRE) !=
	       vq->vr->used_idx;
}

static int split_get(struct vhdb_vq *vq, __u64 *token, __u32 *len)
{
	struct vhdb_vring *vr = vq->vr;
	struct vring_used_elem *elem = &vr->used->ring[vr->used_idx &
						       (vr->num - 1)];
	struct vhdb_vq_slot *slot;
	__u16 at, ready;
	unsigned int i;
	int id;

	/* Pairs with the device's barrier before it moves the index. */
	ready = load16(&vr->used->idx, __ATOMIC_ACQUIRE) - vr->used_idx;
	if (!ready)
		return 0;
	if (ready > vq->in_flight)
		return -EPROTO;
	id = vhdb_vq_returned(vq, le32toh(elem->id), le32toh(elem->len), len);
	if (id < 0)
		return id;

	slot = &vq->slot[id];
	*token = slot->token;
	vr->used_idx++;
	vq->num_free += slot->count;
	if (vq->in_order)
		return 1;

	/* The chain goes to the front of the list: heads get well mixed. */
	for (at = id, i = 1; i < slot->count; i++)
		at = vq->slot[at].next;
	vq->slot[at].next = vq->free_head;
	vq->free_head = id;
	return 1;
}

static void split_want_signal(struct vhdb_vq *vq, bool on)
{
	__u16 used = vq->vr->used_idx;

	if (vq->event_idx)
		/*
		 * 2.7.10: there is no "off", only an index that is far off. Not
		 * the one just behind: the device may have shown that one, and
		 * look at the event only now.
		 */
		__atomic_store_n(used_event(vq),
				 htole16(on ? used : used + 0x8000),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vq->vr->avail->flags,
				 htole16(on ? 0 : VRING_AVAIL_F_NO_INTERRUPT),
				 __ATOMIC_RELAXED);
}

static __u16 split_used_pos(struct vhdb_vq *vq)
{
	return load16(&vq->vr->used->idx, __ATOMIC_ACQUIRE);
}

static unsigned int split_base(__u16 pos)
{
	return pos;
}

const struct vhdb_vq_ops vhdb_vq_split = {
	.reset		= split_reset,
	.add		= split_add,
	.publish	= split_publish,
	.kick_needed	= split_kick_needed,
	.more_used	= split_more_used,
	.get		= split_get,
	.want_signal	= split_want_signal,
	.used_pos	= split_used_pos,
	.base		= split_base,
};

/* ---- a disk ---- */

static int queue_create(struct vhdb_disk *disk, unsigned int index,
			__u64 *iova)
{
	struct vhdb_disk_queue *q = &disk->q[index];
	unsigned int num = disk->dev.vring[index].num;
	int ret;

	ret = vhdb_vq_init(&q->vq, &vhdb_vq_split, &disk->dev.vring[index]);
	if (ret)
		return ret;
	q->token = calloc(num, sizeof(*q->token));
	q->free_slot = calloc(num, sizeof(*q->free_slot));
	if (!q->token || !q->free_slot)
		return -ENOMEM;

	q->vq.table_iova = *iova;
	q->vq.table = vhdb_disk_ptr(disk, *iova);
	q->vq.table_len = VHDB_TABLE_LEN;
	*iova += (__u64)num * VHDB_TABLE_LEN * sizeof(struct vring_desc);
	q->slot_iova = *iova;
	q->slot = vhdb_disk_ptr(disk, *iova);
	*iova += (num * sizeof(*q->slot) + 4095) & ~4095ULL;
	return 0;
}

int vhdb_disk_create(struct vhdb_disk *disk, int backing_fd,
		     const struct vhdb_opts *opts, __u64 features,
		     size_t data_bytes)
{
	__u64 iova = VHDB_IOVA_DISK;
	unsigned int i, num;
	size_t bytes;
	int ret;

	memset(disk, 0, sizeof(*disk));
	disk->config_call = -1;
	disk->mem.fd = -1;
	disk->features = features;
	ret = vhdb_dev_create(&disk->dev, backing_fd, opts);
	if (ret)
		return ret;

	num = disk->dev.vring[0].num;
	bytes = VHDB_TABLE_LEN * sizeof(struct vring_desc) +
		sizeof(struct vhdb_blk_slot);
	bytes = disk->dev.nr_vrings * (bytes * num + 4096) + data_bytes;
	ret = vhdb_mem_alloc(&disk->mem, VHDB_MEM_ANON, iova, bytes, NULL);
	if (!ret)
		ret = vhdb_mem_map(disk->dev.fd, &disk->mem, VHOST_ACCESS_RW);
	for (i = 0; !ret && i < disk->dev.nr_vrings; i++)
		ret = queue_create(disk, i, &iova);
	disk->data = iova;
	disk->config_call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!ret && disk->config_call < 0)
		ret = -errno;
	if (ret)
		vhdb_disk_destroy(disk);
	return ret;
}

int vhdb_disk_start(struct vhdb_disk *disk)
{
	struct vhdb_dev *dev = &disk->dev;
	unsigned int i, j;
	int ret;

	ret = vhdb_negotiate(dev->fd, disk->features, &dev->features);
	for (i = 0; !ret && i < dev->nr_vrings; i++) {
		struct vhdb_disk_queue *q = &disk->q[i];
		unsigned int num = dev->vring[i].num;

		q->vq.ops = dev->features & VHDB_BIT(VIRTIO_F_RING_PACKED) ?
			    &vhdb_vq_packed : &vhdb_vq_split;
		q->vq.in_order = dev->features & VHDB_BIT(VIRTIO_F_IN_ORDER);
		vhdb_vq_reset(&q->vq, dev->features &
			      VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
		for (j = 0; j < num; j++)
			q->free_slot[j] = j;
		q->nr_free = num;
		ret = vhdb_vring_setup(dev->fd, &dev->vring[i]);
		if (!ret)
			ret = __vhdb_set_vring_enable(dev->fd, i, 1);
	}
	if (!ret)
		ret = __vhdb_set_config_call(dev->fd, disk->config_call);
	return ret ? ret : vhdb_driver_ok(dev->fd);
}

int vhdb_disk_restart(struct vhdb_disk *disk)
{
	/* The rings are cleared by start, which the device must not see. */
	int ret = vhdb_reset(disk->dev.fd);

	return ret ? ret : vhdb_disk_start(disk);
}

void vhdb_disk_destroy(struct vhdb_disk *disk)
{
	unsigned int i;

	for (i = 0; i < disk->dev.nr_vrings; i++) {
		vhdb_vq_free(&disk->q[i].vq);
		free(disk->q[i].token);
		free(disk->q[i].free_slot);
	}
	vhdb_dev_destroy(&disk->dev);
	vhdb_mem_free(&disk->mem);
	if (disk->config_call >= 0)
		close(disk->config_call);
	disk->config_call = -1;
}

void *vhdb_disk_ptr(const struct vhdb_disk *disk, __u64 iova)
{
	return vhdb_mem_ptr(&disk->mem, iova);
}

void vhdb_blk_slot_set(struct vhdb_blk_slot *slot, __u32 type, __u64 sector)
{
	slot->hdr.type = htole32(type);
	slot->hdr.ioprio = 0;
	slot->hdr.sector = htole64(sector);
	slot->status = VHDB_UNANSWERED;
}

int vhdb_disk_submit(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		     __u64 sector, const struct vhdb_buf *data,
		     unsigned int count, __u64 token)
{
	struct vhdb_disk_queue *q = &disk->q[queue];
	struct vhdb_buf buf[VHDB_TABLE_LEN];
	__u16 slot;
	__u64 iova;
	int ret;

	if (count > VHDB_TABLE_LEN - 2 || !q->nr_free)
		return -ENOSPC;
	slot = q->free_slot[q->nr_free - 1];
	iova = q->slot_iova + slot * sizeof(*q->slot);
	vhdb_blk_slot_set(&q->slot[slot], type, sector);
	buf[0] = VHDB_OUT(iova, sizeof(struct virtio_blk_outhdr));
	if (count)
		memcpy(&buf[1], data, count * sizeof(*buf));
	buf[count + 1] = VHDB_IN(iova + offsetof(struct vhdb_blk_slot, status),
				 1);
	ret = vhdb_vq_add(&q->vq, buf, count + 2, slot, disk->how);
	if (ret < 0)
		return ret;
	q->token[slot] = token;
	q->nr_free--;
	return 0;
}

__s64 vhdb_disk_poll(struct vhdb_disk *disk, unsigned int queue, __u64 *token)
{
	struct vhdb_disk_queue *q = &disk->q[queue];
	__u64 slot;
	__u32 used;
	int ret;

	ret = vhdb_vq_get(&q->vq, &slot, &used);
	if (ret <= 0)
		return ret ? ret : -EAGAIN;
	q->free_slot[q->nr_free++] = slot;
	if (token)
		*token = q->token[slot];
	return VHDB_ANSWER(__atomic_load_n(&q->slot[slot].status,
					   __ATOMIC_RELAXED), used);
}

__s64 vhdb_disk_reap(struct vhdb_disk *disk, unsigned int queue, __u64 *token)
{
	struct vhdb_vq *vq = &disk->q[queue].vq;
	__s64 answer = vhdb_disk_poll(disk, queue, token);
	int ret;

	if (answer != -EAGAIN || !vq->in_flight)
		return answer;
	ret = vhdb_vq_wait(vq);
	return ret ? ret : vhdb_disk_poll(disk, queue, token);
}

__s64 vhdb_disk_iov(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		    __u64 sector, const struct vhdb_buf *data,
		    unsigned int count)
{
	int ret = vhdb_disk_submit(disk, queue, type, sector, data, count, 0);

	if (ret)
		return ret;
	vhdb_vq_kick(&disk->q[queue].vq);
	return vhdb_disk_reap(disk, queue, NULL);
}

__s64 vhdb_disk_io(struct vhdb_disk *disk, unsigned int queue, __u32 type,
		   __u64 sector, __u64 addr, __u32 len)
{
	struct vhdb_buf data = {
		.addr = addr,
		.len = len,
		.in = type != VIRTIO_BLK_T_OUT,
	};

	return vhdb_disk_iov(disk, queue, type, sector, &data, len ? 1 : 0);
}

__s64 vhdb_disk_raw(struct vhdb_disk *disk, unsigned int queue,
		    const struct vhdb_buf *buf, unsigned int count,
		    const __u8 *status)
{
	struct vhdb_vq *vq = &disk->q[queue].vq;
	__u64 token;
	__u32 used;
	int ret;

	ret = vhdb_vq_add(vq, buf, count, 0, disk->how);
	if (ret < 0)
		return ret;
	vhdb_vq_kick(vq);
	ret = vhdb_vq_wait(vq);
	if (ret)
		return ret;
	ret = vhdb_vq_get(vq, &token, &used);
	if (ret != 1)
		return ret ? ret : -EAGAIN;
	return VHDB_ANSWER(__atomic_load_n(status, __ATOMIC_RELAXED), used);
}

/* ---- contents ---- */

/* A multiplicative hash of the word's number; plenty to tell words apart */
static __u32 fill_word(size_t word, __u32 seed)
{
	__u32 x = (word + 1) * 2654435761u ^ seed * 2246822519u;

	return x ^ x >> 15;
}

void vhdb_fill(void *buf, size_t bytes, __u32 seed)
{
	unsigned char *p = buf;
	size_t at;

	for (at = 0; at < bytes; at += 4) {
		__u32 word = fill_word(at / 4, seed);

		memcpy(p + at, &word, bytes - at < 4 ? bytes - at : 4);
	}
}

bool vhdb_filled(const void *buf, size_t bytes, __u32 seed)
{
	const unsigned char *p = buf;
	size_t at;

	for (at = 0; at < bytes; at += 4) {
		__u32 word = fill_word(at / 4, seed);

		if (memcmp(p + at, &word, bytes - at < 4 ? bytes - at : 4))
			return false;
	}
	return true;
}

bool vhdb_all(const void *buf, size_t bytes, __u8 byte)
{
	const unsigned char *p = buf;

	return !bytes || (p[0] == byte && !memcmp(p, p + 1, bytes - 1));
}

/* Aligned for O_DIRECT */
static void *peek_buffer(size_t bytes)
{
	void *buf;

	return posix_memalign(&buf, 4096, bytes) ? NULL : buf;
}

int vhdb_peek_write(int fd, __u64 sector, size_t bytes, __u32 seed)
{
	void *buf = peek_buffer(bytes);
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	vhdb_fill(buf, bytes, seed);
	if (pwrite(fd, buf, bytes, sector * VHDB_SECTOR) != (ssize_t)bytes)
		ret = -EIO;
	free(buf);
	return ret;
}

int vhdb_peek_check(int fd, __u64 sector, size_t bytes, __u32 seed)
{
	void *buf = peek_buffer(bytes);
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	if (pread(fd, buf, bytes, sector * VHDB_SECTOR) != (ssize_t)bytes)
		ret = -EIO;
	else if (!vhdb_filled(buf, bytes, seed))
		ret = -EILSEQ;
	free(buf);
	return ret;
}

int vhdb_backing_ram_as_is(struct vhdb_backing *b)
{
	int fd = open("/dev/ram0", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return vhdb_backing_ram(b, 0);
	memset(b, 0, sizeof(*b));
	b->fd = fd;
	b->block = true;
	snprintf(b->path, sizeof(b->path), "/dev/ram0");
	return ioctl(fd, BLKGETSIZE64, &b->size) ? -errno : 0;
}
