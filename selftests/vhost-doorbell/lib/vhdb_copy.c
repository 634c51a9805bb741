// SPDX-License-Identifier: GPL-2.0
/* See vhdb_copy.h. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhdb_copy.h"

static int copy_open(const struct vhdb_opts *opts)
{
	struct vhost_doorbell_attach attach;
	int fd = vhdb_open(), ret;

	if (fd < 0)
		return fd;
	vhdb_attach_init(&attach, -1, opts);
	memset(attach.backend, 0, sizeof(attach.backend));
	memcpy(attach.backend, "copy", sizeof("copy"));
	ret = __vhdb_attach(fd, &attach);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* ---- the data space ---- */

/* Pieces of the data space, the last of which may be short and stays */
static size_t pieces(const struct vhdb_copy *c)
{
	return c->cut ? c->bytes / c->cut : 0;
}

/* Where the byte at @off lies in memory, and how many more follow it there */
static char *place(const struct vhdb_copy *c, __u64 off, size_t *run)
{
	size_t i = c->cut ? off / c->cut : 0;

	*run = c->bytes - off;
	if (i < pieces(c)) {
		*run = c->cut - off % c->cut;
		/* Back to front: a shuffle of any number of pieces */
		off = (pieces(c) - 1 - i) * c->cut + off % c->cut;
	}
	return (char *)c->mem.hva + off;
}

void vhdb_copy_get(const struct vhdb_copy *c, __u64 off, void *to, size_t len)
{
	size_t run;

	for (; len; off += run, to += run, len -= run) {
		char *at = place(c, off, &run);

		run = run < len ? run : len;
		memcpy(to, at, run);
	}
}

void vhdb_copy_put(struct vhdb_copy *c, __u64 off, const void *from, size_t len)
{
	size_t run;

	for (; len; off += run, from += run, len -= run) {
		char *at = place(c, off, &run);

		run = run < len ? run : len;
		memcpy(at, from, run);
	}
}

bool vhdb_copy_same(const struct vhdb_copy *c, const void *want)
{
	__u64 off = 0;
	size_t run;

	for (; off < c->bytes; off += run) {
		char *at = place(c, off, &run);

		if (memcmp(at, want + off, run))
			return false;
	}
	return true;
}

static int map_data(struct vhdb_copy *c)
{
	__u64 off = 0;
	size_t run;
	int ret = 0;

	for (; !ret && off < c->bytes; off += run) {
		char *at = place(c, off, &run);

		ret = vhdb_iotlb_update(c->dev.fd, c->data + off, run, at,
					VHOST_ACCESS_RW);
	}
	return ret;
}

/* ---- the device ---- */

static int queue_create(struct vhdb_copy *c, unsigned int i, __u64 *iova)
{
	const size_t table_len = VHDB_COPY_SEGS + 2;
	struct vhdb_copy_queue *q = &c->q[i];
	unsigned int num = c->dev.vring[i].num;
	int ret;

	ret = vhdb_vq_init(&q->vq, &vhdb_vq_split, &c->dev.vring[i]);
	if (ret)
		return ret;
	q->vq.table_iova = *iova;
	q->vq.table = vhdb_mem_ptr(&c->ctl, *iova);
	q->vq.table_len = table_len;
	*iova += num * table_len * sizeof(struct vring_desc);
	q->slot_iova = *iova;
	q->slot = vhdb_mem_ptr(&c->ctl, *iova);
	*iova += num * sizeof(*q->slot);
	return 0;
}

int vhdb_copy_create(struct vhdb_copy *c, size_t bytes)
{
	const struct vhdb_opts opts = {
		.queues = VHDB_COPY_QUEUES, .require = c->ask,
	};
	__u64 iova = VHDB_IOVA_COPY_CTL;
	size_t ctl;
	unsigned int i;
	int ret, fd;

	fd = copy_open(&opts);
	if (fd < 0)
		return fd;
	ret = __vhdb_set_owner(fd);
	if (!ret)
		ret = vhdb_dev_adopt(&c->dev, fd, &opts);
	if (ret) {
		close(fd);
		return ret;
	}

	ctl = VHDB_QUEUE_SIZE * (sizeof(struct vhdb_copy_slot) +
				 (VHDB_COPY_SEGS + 2) * sizeof(struct vring_desc));
	ret = vhdb_mem_alloc(&c->ctl, VHDB_MEM_ANON, iova,
			     ctl * VHDB_COPY_QUEUES, NULL);
	if (!ret)
		ret = vhdb_mem_map(fd, &c->ctl, VHOST_ACCESS_RW);
	if (!ret)
		ret = vhdb_mem_alloc(&c->mem, VHDB_MEM_ANON,
				     VHDB_IOVA_COPY_DATA, bytes, NULL);
	c->data = VHDB_IOVA_COPY_DATA;
	c->bytes = bytes;
	if (!ret)
		ret = map_data(c);
	if (!ret)
		ret = __vhdb_get_config(fd, 0, sizeof(c->config), &c->config);
	for (i = 0; !ret && i < VHDB_COPY_QUEUES; i++)
		ret = queue_create(c, i, &iova);
	if (ret)
		vhdb_copy_destroy(c);
	return ret;
}

int vhdb_copy_start(struct vhdb_copy *c)
{
	struct vhdb_dev *dev = &c->dev;
	unsigned int i, j;
	int ret;

	ret = vhdb_negotiate(dev->fd, c->features, &dev->features);
	for (i = 0; !ret && i < dev->nr_vrings; i++) {
		struct vhdb_copy_queue *q = &c->q[i];

		q->vq.ops = dev->features & VHDB_BIT(VIRTIO_F_RING_PACKED) ?
			    &vhdb_vq_packed : &vhdb_vq_split;
		q->vq.in_order = dev->features & VHDB_BIT(VIRTIO_F_IN_ORDER);
		vhdb_vq_reset(&q->vq, dev->features &
			      VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
		for (j = 0; j < VHDB_QUEUE_SIZE; j++)
			q->free_slot[j] = j;
		q->nr_free = VHDB_QUEUE_SIZE;
		ret = vhdb_vring_setup(dev->fd, &dev->vring[i]);
		if (!ret)
			ret = __vhdb_set_vring_enable(dev->fd, i, 1);
	}
	return ret ? ret : vhdb_driver_ok(dev->fd);
}

void vhdb_copy_destroy(struct vhdb_copy *c)
{
	unsigned int i;

	for (i = 0; i < VHDB_COPY_QUEUES; i++)
		vhdb_vq_free(&c->q[i].vq);
	vhdb_dev_destroy(&c->dev);
	vhdb_mem_free(&c->ctl);
	vhdb_mem_free(&c->mem);
}

/* ---- requests ---- */

struct vhdb_copy_slot *vhdb_copy_next_slot(struct vhdb_copy *c,
					   unsigned int queue)
{
	struct vhdb_copy_queue *q = &c->q[queue];

	return &q->slot[q->free_slot[q->nr_free - 1]];
}

int vhdb_copy_submit(struct vhdb_copy *c, unsigned int queue,
		     const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		     unsigned int count, __u64 token)
{
	struct vhdb_copy_queue *q = &c->q[queue];
	struct vhdb_buf all[VHDB_COPY_SEGS + 2];
	struct vhdb_copy_slot *slot;
	__u16 index;
	__u64 iova;
	int ret;

	if (count > VHDB_COPY_SEGS || !q->nr_free)
		return -ENOSPC;
	index = q->free_slot[q->nr_free - 1];
	slot = &q->slot[index];
	iova = q->slot_iova + index * sizeof(*slot);

	slot->hdr.op = htole32(op->op);
	slot->hdr.flags = htole32(op->flags);
	slot->hdr.len = htole64(op->len);
	slot->hdr.arg = htole64(op->arg);
	memset(&slot->trailer, 0xff, sizeof(slot->trailer));

	all[0] = VHDB_OUT(iova, sizeof(slot->hdr));
	if (count)
		memcpy(&all[1], buf, count * sizeof(*buf));
	all[count + 1] = VHDB_IN(iova + offsetof(struct vhdb_copy_slot, trailer),
				 sizeof(slot->trailer));
	ret = vhdb_vq_add(&q->vq, all, count + 2, index, c->how);
	if (ret < 0)
		return ret;
	q->token[index] = token;
	q->nr_free--;
	return 0;
}

int vhdb_copy_reap(struct vhdb_copy *c, unsigned int queue,
		   struct vhdb_copy_answer *answer)
{
	struct vhdb_copy_queue *q = &c->q[queue];
	struct vhdb_copy_slot *slot;
	__u64 index;
	int ret;

	if (!q->vq.in_flight)
		return -EAGAIN;
	ret = vhdb_vq_wait(&q->vq);
	if (ret)
		return ret;
	ret = vhdb_vq_get(&q->vq, &index, &answer->used);
	if (ret != 1)
		return ret ? ret : -EAGAIN;
	slot = &q->slot[index];
	q->free_slot[q->nr_free++] = index;
	answer->token = q->token[index];
	answer->status = le32toh(slot->trailer.status);
	answer->crc = le32toh(slot->trailer.crc);
	answer->done = le64toh(slot->trailer.done);
	return 0;
}

int vhdb_copy_do(struct vhdb_copy *c, unsigned int queue,
		 const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		 unsigned int count, struct vhdb_copy_answer *answer)
{
	int ret = vhdb_copy_submit(c, queue, op, buf, count, 0);

	if (ret)
		return ret;
	vhdb_vq_kick(&c->q[queue].vq);
	return vhdb_copy_reap(c, queue, answer);
}

/* ---- the reference ---- */

__u32 vhdb_ref_crc32c(__u32 crc, const void *buf, size_t len)
{
	static __u32 table[256];
	const __u8 *p = buf;
	unsigned int i, bit;

	for (i = 0; !table[255] && i < 256; i++) {
		__u32 r = i;

		/* 0x1edc6f41, bits reversed */
		for (bit = 0; bit < 8; bit++)
			r = r & 1 ? r >> 1 ^ 0x82f63b78 : r >> 1;
		table[i] = r;
	}
	crc = ~crc;
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

/* Copies @len bytes from @skip on between the readable or writable buffers of
 * a request and a flat buffer.
 */
static void ref_move(const struct vhdb_copy *c, char *image,
		     const struct vhdb_buf *buf, unsigned int count, bool in,
		     __u64 skip, char *flat, size_t len)
{
	for (; count && len; buf++, count--) {
		size_t n;
		char *at;

		if (buf->in != in)
			continue;
		if (skip >= buf->len) {
			skip -= buf->len;
			continue;
		}
		at = image + (buf->addr - c->data) + skip;
		n = buf->len - skip < len ? buf->len - skip : len;
		memcpy(in ? at : flat, in ? flat : at, n);
		skip = 0;
		flat += n;
		len -= n;
	}
}

__u32 vhdb_ref_do(const struct vhdb_copy *c, void *image,
		  const struct vhdb_copy_op *op, const struct vhdb_buf *buf,
		  unsigned int count)
{
	size_t block = le32toh(c->config.block), i;
	char *flat = malloc(block);
	__u32 crc = op->arg;
	__u64 done;

	for (done = 0; done < op->len; done += block) {
		size_t n = op->len - done < block ? op->len - done : block;

		if (op->op == VHOST_DOORBELL_COPY_OP_FILL)
			for (i = 0; i < n; i++)
				flat[i] = op->arg >> (done + i) % 8 * 8;
		else
			ref_move(c, image, buf, count, false, done, flat, n);
		if (op->op == VHOST_DOORBELL_COPY_OP_CRC32C)
			crc = vhdb_ref_crc32c(crc, flat, n);
		else
			ref_move(c, image, buf, count, true, done, flat, n);
	}
	free(flat);
	return op->op == VHOST_DOORBELL_COPY_OP_CRC32C ? crc : 0;
}
