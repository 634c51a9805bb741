// SPDX-License-Identifier: GPL-2.0
/* See vhdb_classic.h. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "vhdb_classic.h"

#define PAGE	VHDB_CLASSIC_PAGE
#define DISK	(1 << 20)	/* bytes of a disk of its own */

/* ---- raw ---- */

int __vhdb_set_mem_table(int fd, const struct vhost_memory_region *region,
			 unsigned int nr)
{
	size_t size = nr * sizeof(*region);
	struct vhost_memory *memory = calloc(1, sizeof(*memory) + size);
	int ret;

	if (!memory)
		return -ENOMEM;
	memory->nregions = nr;
	if (nr)
		memcpy(memory->regions, region, size);
	ret = __vhdb_ioctl(fd, VHOST_SET_MEM_TABLE, memory);
	free(memory);
	return ret;
}

int __vhdb_set_log_base(int fd, const void *log)
{
	__u64 base = (uintptr_t)log;

	return __vhdb_ioctl(fd, VHOST_SET_LOG_BASE, &base);
}

int __vhdb_start(int fd)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_START, NULL);
}

int __vhdb_stop(int fd)
{
	return __vhdb_ioctl(fd, VHOST_DOORBELL_STOP, NULL);
}

int __vhdb_classic_addr(int fd, unsigned int index, __u64 desc, __u64 avail,
			__u64 used, __u64 log_addr, unsigned int flags)
{
	struct vhost_vring_addr addr = {
		.index = index,
		.flags = flags,
		.desc_user_addr = desc,
		.avail_user_addr = avail,
		.used_user_addr = used,
		.log_guest_addr = log_addr,
	};

	return __vhdb_ioctl(fd, VHOST_SET_VRING_ADDR, &addr);
}

/* ---- a device ---- */

static bool has_iotlb(const struct vhdb_classic *c)
{
	return c->features & VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM);
}

void *vhdb_classic_ptr(const struct vhdb_classic *c, __u64 gpa)
{
	return vhdb_mem_ptr(&c->mem, gpa);
}

__u64 vhdb_classic_addr(const struct vhdb_classic *c, __u64 gpa)
{
	return has_iotlb(c) ? gpa + VHDB_CLASSIC_IOVA : gpa;
}

int vhdb_classic_table(struct vhdb_classic *c)
{
	struct vhost_memory_region region = {
		.guest_phys_addr = c->mem.iova,
		.memory_size = c->mem.size,
		.userspace_addr = (uintptr_t)c->mem.hva,
	};

	return __vhdb_set_mem_table(c->fd, &region, 1);
}

int vhdb_classic_attach(int fd, unsigned int queues, int backing_fd)
{
	const struct vhdb_opts opts = {
		.queues = queues,
		.dialect = VHOST_DOORBELL_DIALECT_CLASSIC,
	};
	struct vhost_doorbell_attach arg;

	vhdb_attach_init(&arg, backing_fd, &opts);
	if (backing_fd < 0) {
		memset(arg.backend, 0, sizeof(arg.backend));
		memcpy(arg.backend, "copy", sizeof("copy"));
	}
	return __vhdb_attach(fd, &arg);
}

static int queue_create(struct vhdb_classic *c, unsigned int i, __u64 *gpa)
{
	struct vhdb_classic_queue *q = &c->q[i];
	int ret;

	ret = vhdb_vring_init(&q->vring, i, VHDB_CLASSIC_NUM, &c->mem, *gpa);
	if (ret)
		return ret;
	*gpa += (vhdb_vring_bytes(VHDB_CLASSIC_NUM) + PAGE - 1) & ~(PAGE - 1);
	q->hdr = *gpa;
	*gpa += VHDB_CLASSIC_NUM * VHDB_CLASSIC_HDR;
	q->end = *gpa;
	*gpa += VHDB_CLASSIC_NUM * VHDB_CLASSIC_HDR;
	return vhdb_vq_init(&q->vq, &vhdb_vq_split, &q->vring);
}

int vhdb_classic_init(struct vhdb_classic *c, int fd, unsigned int queues,
		      __u64 features, size_t data_bytes)
{
	__u64 gpa = VHDB_CLASSIC_GPA;
	size_t bytes;
	unsigned int i;
	int ret;

	memset(c, 0, sizeof(*c));
	c->log = MAP_FAILED;
	c->mem.fd = -1;
	c->queues = queues;
	c->features = features | VHDB_BIT(VIRTIO_F_VERSION_1);
	c->fd = fd;
	bytes = queues * (vhdb_vring_bytes(VHDB_CLASSIC_NUM) + PAGE +
			  2 * VHDB_CLASSIC_NUM * VHDB_CLASSIC_HDR) + data_bytes;
	ret = vhdb_mem_alloc(&c->mem, VHDB_MEM_ANON, gpa, bytes, NULL);
	for (i = 0; !ret && i < queues; i++)
		ret = queue_create(c, i, &gpa);
	c->data = gpa;
	c->data_bytes = data_bytes;
	c->log_bytes = (VHDB_CLASSIC_GPA + bytes) / PAGE / 8 + PAGE;
	c->log = mmap(NULL, c->log_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!ret && c->log == MAP_FAILED)
		ret = -errno;
	if (ret)
		vhdb_classic_destroy(c);
	return ret;
}

int vhdb_classic_own(struct vhdb_classic *c)
{
	int ret = __vhdb_set_owner(c->fd);

	if (!ret)
		ret = vhdb_classic_table(c);
	if (ret)
		vhdb_classic_destroy(c);
	return ret;
}

int vhdb_classic_adopt(struct vhdb_classic *c, int fd, unsigned int queues,
		       __u64 features, size_t data_bytes)
{
	int ret = vhdb_classic_init(c, fd, queues, features, data_bytes);

	return ret ? ret : vhdb_classic_own(c);
}

int vhdb_classic_create(struct vhdb_classic *c, int backing_fd,
			unsigned int queues, __u64 features, size_t data_bytes)
{
	int fd = vhdb_open(), ret;

	if (fd < 0)
		return fd;
	ret = vhdb_classic_attach(fd, queues, backing_fd);
	if (!ret)
		ret = vhdb_classic_adopt(c, fd, queues, features, data_bytes);
	else
		close(fd);
	c->blk = backing_fd >= 0;
	return ret;
}

int vhdb_classic_make(struct vhdb_classic *c, bool blk, __u64 features,
		      size_t data_bytes)
{
	struct vhdb_backing disk = { .fd = -1 };
	int ret = blk ? vhdb_backing_memfd(&disk, DISK) : 0;

	if (ret)
		return ret;
	ret = vhdb_classic_create(c, disk.fd, 2, features, data_bytes);
	if (ret && blk)
		vhdb_backing_free(&disk);
	c->own_disk = blk && !ret;
	c->disk = disk;
	return ret;
}

void vhdb_classic_destroy(struct vhdb_classic *c)
{
	unsigned int i;

	if (c->fd > 0)
		close(c->fd);
	c->fd = -1;
	for (i = 0; i < c->queues; i++) {
		if (c->q[i].vring.num)
			vhdb_vring_free(&c->q[i].vring);
		vhdb_vq_free(&c->q[i].vq);
	}
	vhdb_mem_free(&c->mem);
	if (c->log != MAP_FAILED)
		munmap(c->log, c->log_bytes);
	c->log = MAP_FAILED;
	if (c->own_disk)
		vhdb_backing_free(&c->disk);
	c->own_disk = false;
}

static int set_addr(struct vhdb_classic *c, unsigned int queue,
		    unsigned int flags)
{
	const struct vhdb_vring *vr = &c->q[queue].vring;

	if (has_iotlb(c))
		return __vhdb_classic_addr(c->fd, queue,
					   vhdb_classic_addr(c, vr->desc_iova),
					   vhdb_classic_addr(c, vr->avail_iova),
					   vhdb_classic_addr(c, vr->used_iova),
					   vhdb_classic_addr(c, vr->used_iova),
					   flags);
	return __vhdb_classic_addr(c->fd, queue, (uintptr_t)vr->desc,
				   (uintptr_t)vr->avail, (uintptr_t)vr->used,
				   vr->used_iova, flags);
}

int vhdb_classic_setup_queue(struct vhdb_classic *c, unsigned int queue,
			     unsigned int base)
{
	const struct vhdb_vring *vr = &c->q[queue].vring;
	int ret;

	ret = __vhdb_set_vring_num(c->fd, queue, vr->num);
	if (!ret)
		ret = __vhdb_set_vring_base(c->fd, queue, base);
	if (!ret)
		ret = set_addr(c, queue, 0);
	if (!ret)
		ret = __vhdb_set_vring_kick(c->fd, queue, vr->kick);
	if (!ret)
		ret = __vhdb_set_vring_call(c->fd, queue, vr->call);
	return ret ? ret : __vhdb_set_vring_err(c->fd, queue, vr->err);
}

int vhdb_classic_setup_queues(struct vhdb_classic *c)
{
	bool packed = c->features & VHDB_BIT(VIRTIO_F_RING_PACKED);
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < c->queues; i++) {
		struct vhdb_classic_queue *q = &c->q[i];

		q->vq.ops = packed ? &vhdb_vq_packed : &vhdb_vq_split;
		vhdb_vq_reset(&q->vq, c->features &
			      VHDB_BIT(VIRTIO_RING_F_EVENT_IDX));
		q->next = 0;
		memset(q->busy, 0, sizeof(q->busy));
		ret = vhdb_classic_setup_queue(c, i, packed ? 0x80008000 : 0);
	}
	return ret;
}

int vhdb_classic_setup(struct vhdb_classic *c)
{
	int ret = __vhdb_set_features(c->fd, c->features);

	return ret ? ret : vhdb_classic_setup_queues(c);
}

int vhdb_classic_start(struct vhdb_classic *c)
{
	int ret = vhdb_classic_setup(c);

	return ret ? ret : __vhdb_start(c->fd);
}

int vhdb_classic_log_ring(struct vhdb_classic *c, unsigned int queue, bool on)
{
	return set_addr(c, queue, on ? 1 << VHOST_VRING_F_LOG : 0);
}

int vhdb_classic_log_all(struct vhdb_classic *c, bool on)
{
	return __vhdb_set_features(c->fd, c->features |
				   (on ? VHDB_BIT(VHOST_F_LOG_ALL) : 0));
}

/* ---- requests ---- */

/* In turn, but for those that are still under way; there are enough */
static unsigned int next_slot(const struct vhdb_classic_queue *q)
{
	unsigned int i;

	for (i = q->next; i < q->next + VHDB_CLASSIC_NUM; i++)
		if (!q->busy[i % VHDB_CLASSIC_NUM])
			break;
	return i % VHDB_CLASSIC_NUM;
}

int vhdb_classic_submit(struct vhdb_classic *c, unsigned int queue, __u64 gpa,
			__u32 len, __u64 sector)
{
	struct vhdb_classic_queue *q = &c->q[queue];
	unsigned int slot = next_slot(q);
	__u64 hdr = q->hdr + slot * VHDB_CLASSIC_HDR;
	__u64 end = q->end + slot * VHDB_CLASSIC_HDR;
	struct virtio_blk_outhdr *blk = vhdb_classic_ptr(c, hdr);
	struct vhost_doorbell_copy_hdr *copy = (void *)blk;
	struct vhdb_buf buf[3] = {
		VHDB_OUT(vhdb_classic_addr(c, hdr), c->blk ? sizeof(*blk) :
							     sizeof(*copy)),
		VHDB_IN(vhdb_classic_addr(c, gpa), len),
		VHDB_IN(vhdb_classic_addr(c, end), c->blk ? 1 :
			sizeof(struct vhost_doorbell_copy_trailer)),
	};
	int ret;

	/* Not answered yet; no more than what the answer overwrites */
	memset(vhdb_classic_ptr(c, end), 0xff, buf[2].len);
	if (c->blk) {
		*blk = (struct virtio_blk_outhdr){
			.type = htole32(VIRTIO_BLK_T_IN),
			.sector = htole64(sector),
		};
	} else {
		*copy = (struct vhost_doorbell_copy_hdr){
			.op = htole32(VHOST_DOORBELL_COPY_OP_FILL),
			.len = htole64(len),
			.arg = htole64(sector),
		};
	}
	ret = vhdb_vq_add(&q->vq, buf, 3, slot, VHDB_DIRECT);
	if (ret < 0)
		return ret;
	q->busy[slot] = true;
	q->next = slot + 1;
	return 0;
}

int vhdb_classic_reap(struct vhdb_classic *c, unsigned int queue)
{
	struct vhdb_classic_queue *q = &c->q[queue];
	const void *end;
	__u64 slot;
	__u32 used;
	int ret;

	ret = vhdb_vq_wait(&q->vq);
	if (ret)
		return ret;
	ret = vhdb_vq_get(&q->vq, &slot, &used);
	if (ret != 1)
		return ret ? ret : -EAGAIN;
	q->busy[slot] = false;
	end = vhdb_classic_ptr(c, q->end + slot * VHDB_CLASSIC_HDR);
	if (c->blk)
		return *(const __u8 *)end;
	return le32toh(((const struct vhost_doorbell_copy_trailer *)end)->status);
}

bool vhdb_classic_right(const struct vhdb_classic *c, const void *data,
			__u32 len, __u64 sector)
{
	char *want = malloc(len);
	bool right;
	__u32 i;

	if (!want)
		return false;
	if (c->blk)
		vhdb_pattern(want, sector, len);
	for (i = 0; !c->blk && i < len; i++)
		want[i] = sector >> i % 8 * 8;
	right = !memcmp(data, want, len);
	free(want);
	return right;
}

int vhdb_classic_do(struct vhdb_classic *c, unsigned int queue, __u64 gpa,
		    __u32 len, __u64 sector)
{
	int ret = vhdb_classic_submit(c, queue, gpa, len, sector);

	if (ret)
		return ret;
	vhdb_vq_kick(&c->q[queue].vq);
	ret = vhdb_classic_reap(c, queue);
	if (ret)
		return ret;
	return vhdb_classic_right(c, vhdb_classic_ptr(c, gpa), len, sector) ?
	       0 : -EILSEQ;
}

/* ---- the log ---- */

#define WORD_BITS	(8 * sizeof(unsigned long))

bool vhdb_classic_logged(struct vhdb_classic *c, __u64 gpa)
{
	__u64 pfn = gpa / PAGE;
	unsigned long bit = 1UL << pfn % WORD_BITS;

	return __atomic_fetch_and(&c->log[pfn / WORD_BITS], ~bit,
				  __ATOMIC_SEQ_CST) & bit;
}

static void log_span(const struct vhdb_classic *c, size_t *first, size_t *last)
{
	*first = c->mem.iova / PAGE / WORD_BITS;
	*last = (c->mem.iova + c->mem.size - 1) / PAGE / WORD_BITS;
}

unsigned int vhdb_classic_log_count(const struct vhdb_classic *c)
{
	unsigned int count = 0;
	size_t i, last;

	for (log_span(c, &i, &last); i <= last; i++)
		count += __builtin_popcountl(c->log[i]);
	return count;
}

void vhdb_classic_log_clear(struct vhdb_classic *c)
{
	size_t i, last;

	for (log_span(c, &i, &last); i <= last; i++)
		__atomic_store_n(&c->log[i], 0, __ATOMIC_SEQ_CST);
}
