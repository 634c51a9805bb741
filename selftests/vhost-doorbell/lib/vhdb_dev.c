// SPDX-License-Identifier: GPL-2.0
/* See vhdb_dev.h: time, the device file, guest memory, rings. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "vhdb_dev.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB		0x0004U
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif

/* ---- time ---- */

unsigned int vhdb_scale(void)
{
	const char *scale = getenv("VHDB_TIMEOUT_SCALE");
	int n = scale ? atoi(scale) : 1;

	return n > 0 ? n : 1;
}

unsigned int vhdb_rounds(unsigned int n)
{
	unsigned int least = n < VHDB_ROUNDS_MIN ? n : VHDB_ROUNDS_MIN;
	unsigned int some = n / vhdb_scale();

	return some < least ? least : some;
}

int vhdb_timeout_ms(void)
{
	return 10000 * vhdb_scale();
}

__u64 vhdb_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void vhdb_relax(void)
{
	usleep(100);
}

/* ---- the device file ---- */

int vhdb_open(void)
{
	int fd = open(VHDB_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool vhdb_present(void)
{
	int fd = vhdb_open();

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void vhdb_attach_init(struct vhost_doorbell_attach *attach, int backing_fd,
		      const struct vhdb_opts *opts)
{
	memset(attach, 0, sizeof(*attach));
	attach->size = sizeof(*attach);
	memcpy(attach->backend, "blk", sizeof("blk"));
	attach->fd = backing_fd;
	attach->dialect = VHOST_DOORBELL_DIALECT_VDPA;
	if (!opts)
		return;

	if (opts->dialect == VHDB_DIALECT_AUTO)
		attach->dialect = VHOST_DOORBELL_DIALECT_AUTO;
	else if (opts->dialect)
		attach->dialect = opts->dialect;
	attach->flags = opts->flags;
	if (opts->ro)
		attach->flags |= VHOST_DOORBELL_ATTACH_RO;
	if (opts->serial)
		memcpy(attach->serial, opts->serial,
		       strnlen(opts->serial, sizeof(attach->serial)));
	attach->features_allow = opts->allow;
	attach->features_require = opts->require;
	attach->queues = opts->queues;
	attach->queue_size = opts->queue_size;
	attach->logical_block_size = opts->lbs;
	attach->poll_us = opts->poll_us;
	attach->rate_requests = opts->rate_requests;
	attach->burst_requests = opts->burst_requests;
	attach->rate_bytes = opts->rate_bytes;
	attach->burst_bytes = opts->burst_bytes;
}

int vhdb_attach_blk(int fd, int backing_fd, const struct vhdb_opts *opts)
{
	struct vhost_doorbell_attach attach;

	vhdb_attach_init(&attach, backing_fd, opts);
	return __vhdb_attach(fd, &attach);
}

int vhdb_attach_blk_path(int fd, const char *path, const struct vhdb_opts *opts)
{
	int backing = open(path, (opts && opts->ro ? O_RDONLY : O_RDWR) |
			   O_CLOEXEC);
	int ret;

	if (backing < 0)
		return -errno;
	ret = vhdb_attach_blk(fd, backing, opts);
	close(backing);
	return ret;
}

int vhdb_get_stats(int fd, unsigned int queue,
		   struct vhost_doorbell_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	stats->queue = queue;
	return __vhdb_get_stats(fd, stats);
}

/* ---- status ---- */

int vhdb_status(int fd)
{
	__u8 status;
	int ret = __vhdb_get_status(fd, &status);

	return ret ? ret : status;
}

int vhdb_reset(int fd)
{
	return __vhdb_set_status(fd, 0);
}

int vhdb_negotiate(int fd, __u64 want, __u64 *got)
{
	__u64 offered, features;
	int ret;

	ret = vhdb_reset(fd);
	if (ret)
		return ret;
	ret = __vhdb_set_status(fd, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (ret)
		return ret;
	ret = __vhdb_set_status(fd, VHDB_S_DRIVER);
	if (ret)
		return ret;
	ret = __vhdb_get_features(fd, &offered);
	if (ret)
		return ret;
	features = (want | VHDB_F_REQUIRED) & offered;
	ret = __vhdb_set_features(fd, features);
	if (ret)
		return ret;
	ret = __vhdb_set_status(fd, VHDB_S_FEATURES_OK);
	if (ret)
		return ret;
	ret = vhdb_status(fd);
	if (ret < 0)
		return ret;
	if (!(ret & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EPROTO;
	if (got)
		*got = features;
	return 0;
}

int vhdb_driver_ok(int fd)
{
	int status = vhdb_status(fd);

	if (status < 0)
		return status;
	return __vhdb_set_status(fd, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ---- guest memory ---- */

size_t vhdb_hugepage_size(void)
{
	unsigned long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Hugepagesize: %lu kB", &kb) == 1)
			break;
	fclose(f);
	return kb << 10;
}

static unsigned long hugepages_free(void)
{
	unsigned long n = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "HugePages_Free: %lu", &n) == 1)
			break;
	fclose(f);
	return n;
}

int vhdb_hugepages_reserve(unsigned int n)
{
	unsigned long total = 0;
	FILE *f;

	if (hugepages_free() >= n)
		return 0;
	f = fopen("/proc/sys/vm/nr_hugepages", "r+e");
	if (!f)
		return -errno;
	if (fscanf(f, "%lu", &total) != 1)
		total = 0;
	rewind(f);
	fprintf(f, "%lu\n", total + n - hugepages_free());
	fclose(f);
	return hugepages_free() >= n ? 0 : -ENOMEM;
}

/* An unlinked file in @dir */
static int file_unnamed(const char *dir)
{
	char path[256];
	int fd;

	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/vhdb-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* The file that a kind maps, or -errno; 0 for those that map none */
static int mem_file(enum vhdb_mem_kind kind, const char *dir)
{
	int fd = -1;

	switch (kind) {
	case VHDB_MEM_ANON:
	case VHDB_MEM_SHARED_ANON:
		return 0;
	case VHDB_MEM_MEMFD:
		fd = memfd_create("vhdb-mem", MFD_CLOEXEC);
		break;
	case VHDB_MEM_HUGETLB:
		fd = memfd_create("vhdb-mem", MFD_CLOEXEC | MFD_HUGETLB);
		break;
	case VHDB_MEM_FILE_PRIVATE:
	case VHDB_MEM_FILE_SHARED:
		return file_unnamed(dir ? dir : vhdb_tmpdir());
	case VHDB_MEM_SECRET:
		fd = syscall(SYS_memfd_secret, O_CLOEXEC);
		break;
	}
	return fd < 0 ? -errno : fd;
}

int vhdb_mem_alloc(struct vhdb_guest_mem *mem, enum vhdb_mem_kind kind,
		   __u64 iova, size_t size, const char *dir)
{
	bool anon = kind == VHDB_MEM_ANON || kind == VHDB_MEM_SHARED_ANON;
	bool private = kind == VHDB_MEM_ANON || kind == VHDB_MEM_FILE_PRIVATE;
	int flags = private ? MAP_PRIVATE : MAP_SHARED;
	size_t page = sysconf(_SC_PAGESIZE);
	int fd, ret;

	memset(mem, 0, sizeof(*mem));
	mem->fd = -1;
	if (kind == VHDB_MEM_HUGETLB)
		page = vhdb_hugepage_size();
	if (!page)
		return -ENODEV;
	size = (size + page - 1) & ~(page - 1);

	fd = mem_file(kind, dir);
	if (fd < 0)
		return fd;
	if (anon) {
		fd = -1;
		flags |= MAP_ANONYMOUS;
	} else if (ftruncate(fd, size)) {
		ret = -errno;
		goto err_close;
	}
	mem->hva = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (mem->hva == MAP_FAILED) {
		ret = -errno;
		mem->hva = NULL;
		goto err_close;
	}
	memset(mem->hva, 0, size);
	mem->kind = kind;
	mem->iova = iova;
	mem->size = size;
	mem->fd = fd;
	return 0;

err_close:
	if (fd >= 0)
		close(fd);
	return ret;
}

void vhdb_mem_free(struct vhdb_guest_mem *mem)
{
	if (mem->hva)
		munmap(mem->hva, mem->size);
	if (mem->fd >= 0 && mem->size)
		close(mem->fd);
	memset(mem, 0, sizeof(*mem));
	mem->fd = -1;
}

int vhdb_mem_map(int fd, const struct vhdb_guest_mem *mem, __u8 perm)
{
	return vhdb_iotlb_update(fd, mem->iova, mem->size, mem->hva, perm);
}

int vhdb_mem_unmap(int fd, const struct vhdb_guest_mem *mem)
{
	return vhdb_iotlb_invalidate(fd, mem->iova, mem->size);
}

void *vhdb_mem_ptr(const struct vhdb_guest_mem *mem, __u64 iova)
{
	if (iova < mem->iova || iova - mem->iova >= mem->size)
		return NULL;
	return (char *)mem->hva + (iova - mem->iova);
}

/* ---- rings ---- */

#define PAGE_UP(x)	(((x) + 4095) & ~(size_t)4095)

/* The event index fields lie behind the rings (virtio spec 1.3, 2.7.6, 2.7.8) */
static size_t desc_bytes(unsigned int num)
{
	return num * sizeof(struct vring_desc);
}

static size_t avail_bytes(unsigned int num)
{
	return sizeof(struct vring_avail) + (num + 1) * sizeof(__virtio16);
}

static size_t used_bytes(unsigned int num)
{
	return sizeof(struct vring_used) +
	       num * sizeof(struct vring_used_elem) + sizeof(__virtio16);
}

size_t vhdb_vring_bytes(unsigned int num)
{
	return PAGE_UP(desc_bytes(num)) + PAGE_UP(avail_bytes(num)) +
	       PAGE_UP(used_bytes(num));
}

void vhdb_vring_clear(struct vhdb_vring *vr)
{
	memset(vr->desc, 0, desc_bytes(vr->num));
	memset(vr->avail, 0, avail_bytes(vr->num));
	memset(vr->used, 0, used_bytes(vr->num));
	vr->avail_idx = 0;
	vr->used_idx = 0;
}

int vhdb_vring_init(struct vhdb_vring *vr, unsigned int index, unsigned int num,
		    const struct vhdb_guest_mem *mem, __u64 iova)
{
	memset(vr, 0, sizeof(*vr));
	vr->kick = -1;
	vr->call = -1;
	vr->err = -1;
	if (!vhdb_mem_ptr(mem, iova) ||
	    !vhdb_mem_ptr(mem, iova + vhdb_vring_bytes(num) - 1))
		return -ERANGE;
	vr->index = index;
	vr->num = num;
	vr->desc_iova = iova;
	vr->avail_iova = vr->desc_iova + PAGE_UP(desc_bytes(num));
	vr->used_iova = vr->avail_iova + PAGE_UP(avail_bytes(num));
	vr->desc = vhdb_mem_ptr(mem, vr->desc_iova);
	vr->avail = vhdb_mem_ptr(mem, vr->avail_iova);
	vr->used = vhdb_mem_ptr(mem, vr->used_iova);
	vhdb_vring_clear(vr);

	vr->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vr->kick < 0 || vr->call < 0 || vr->err < 0) {
		vhdb_vring_free(vr);
		return -EMFILE;
	}
	return 0;
}

void vhdb_vring_free(struct vhdb_vring *vr)
{
	int *fds[] = { &vr->kick, &vr->call, &vr->err };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int vhdb_vring_setup(int fd, const struct vhdb_vring *vr)
{
	int ret;

	ret = __vhdb_set_vring_num(fd, vr->index, vr->num);
	if (ret)
		return ret;
	ret = __vhdb_set_vring_base(fd, vr->index, vr->avail_idx);
	if (ret)
		return ret;
	ret = __vhdb_set_vring_addr(fd, vr->index, vr->desc_iova,
				    vr->avail_iova, vr->used_iova);
	if (ret)
		return ret;
	ret = __vhdb_set_vring_kick(fd, vr->index, vr->kick);
	if (ret)
		return ret;
	ret = __vhdb_set_vring_call(fd, vr->index, vr->call);
	if (ret)
		return ret;
	return __vhdb_set_vring_err(fd, vr->index, vr->err);
}

int vhdb_vring_kick(const struct vhdb_vring *vr)
{
	__u64 one = 1;

	return write(vr->kick, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

__u64 vhdb_eventfd_take(int eventfd)
{
	__u64 count;

	return read(eventfd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

int vhdb_eventfd_wait(int eventfd)
{
	struct pollfd pfd = { .fd = eventfd, .events = POLLIN };

	if (poll(&pfd, 1, vhdb_timeout_ms()) != 1)
		return -ETIMEDOUT;
	return vhdb_eventfd_take(eventfd) ? 0 : -ETIMEDOUT;
}

/* ---- one whole device ---- */

static void dev_release(struct vhdb_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_vrings; i++)
		vhdb_vring_free(&dev->vring[i]);
	dev->nr_vrings = 0;
	vhdb_mem_free(&dev->mem);
}

int vhdb_dev_adopt(struct vhdb_dev *dev, int fd, const struct vhdb_opts *opts)
{
	unsigned int num = opts && opts->queue_size ? opts->queue_size :
						      VHDB_QUEUE_SIZE;
	unsigned int queues = opts && opts->queues ? opts->queues : 1;
	unsigned int i;
	int ret;

	memset(dev, 0, sizeof(*dev));
	dev->fd = fd;
	if (queues > ARRAY_SIZE(dev->vring))
		return -ERANGE;
	ret = vhdb_mem_alloc(&dev->mem, VHDB_MEM_ANON, VHDB_IOVA_BASE,
			     VHDB_DEV_MEM_SIZE, NULL);
	if (ret)
		return ret;
	ret = vhdb_mem_map(fd, &dev->mem, VHOST_ACCESS_RW);
	if (ret)
		goto err_release;

	dev->buf_iova = dev->mem.iova;
	for (i = 0; i < queues; i++) {
		ret = vhdb_vring_init(&dev->vring[i], i, num, &dev->mem,
				      dev->buf_iova);
		if (ret)
			goto err_release;
		dev->nr_vrings++;
		dev->buf_iova += vhdb_vring_bytes(num);
	}
	return 0;

err_release:
	dev_release(dev);
	return ret;
}

int vhdb_dev_create(struct vhdb_dev *dev, int backing_fd,
		    const struct vhdb_opts *opts)
{
	int ret, fd = vhdb_open();

	memset(dev, 0, sizeof(*dev));
	if (fd < 0)
		return fd;
	ret = vhdb_attach_blk(fd, backing_fd, opts);
	if (!ret)
		ret = __vhdb_set_owner(fd);
	if (!ret)
		ret = vhdb_dev_adopt(dev, fd, opts);
	if (ret) {
		close(fd);
		dev->fd = -1;
	}
	return ret;
}

int vhdb_dev_prepare(struct vhdb_dev *dev)
{
	unsigned int i;
	int ret;

	ret = vhdb_negotiate(dev->fd, ~0ULL, &dev->features);
	for (i = 0; !ret && i < dev->nr_vrings; i++) {
		ret = vhdb_vring_setup(dev->fd, &dev->vring[i]);
		if (!ret)
			ret = __vhdb_set_vring_enable(dev->fd, i, 1);
	}
	return ret;
}

int vhdb_dev_start(struct vhdb_dev *dev)
{
	int ret = vhdb_dev_prepare(dev);

	return ret ? ret : vhdb_driver_ok(dev->fd);
}

int vhdb_dev_restart(struct vhdb_dev *dev)
{
	unsigned int i;
	int ret = vhdb_reset(dev->fd);

	if (ret)
		return ret;
	for (i = 0; i < dev->nr_vrings; i++)
		vhdb_vring_clear(&dev->vring[i]);
	return vhdb_dev_start(dev);
}

void vhdb_dev_destroy(struct vhdb_dev *dev)
{
	if (dev->fd > 0)
		close(dev->fd);
	dev->fd = -1;
	dev_release(dev);
}

struct vhdb_scratch vhdb_dev_scratch(const struct vhdb_dev *dev,
				     unsigned int vring)
{
	__u64 iova = dev->buf_iova + (__u64)vring * VHDB_SCRATCH_BYTES;
	struct vhdb_scratch scratch = {
		.hva = vhdb_mem_ptr(&dev->mem, iova),
		.iova = iova,
	};

	return scratch;
}

/* Offset of the status byte in the scratch page; the header is at 0 */
#define SCRATCH_STATUS	64

void __vhdb_blk_put_at(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		       __u32 type, __u64 sector, __u64 data, __u32 len)
{
	struct virtio_blk_outhdr *hdr = scratch->hva;
	bool out = type == VIRTIO_BLK_T_OUT;
	struct vring_desc *desc = vr->desc;
	__u16 mask = vr->num - 1;

	hdr->type = htole32(type);
	hdr->ioprio = 0;
	hdr->sector = htole64(sector);
	*((__u8 *)scratch->hva + SCRATCH_STATUS) = 0xff;

	desc[0].addr = htole64(scratch->iova);
	desc[0].len = htole32(sizeof(*hdr));
	desc[0].flags = htole16(VRING_DESC_F_NEXT);
	desc[0].next = htole16(len ? 1 : 2);
	desc[1].addr = htole64(data);
	desc[1].len = htole32(len);
	desc[1].flags = htole16(VRING_DESC_F_NEXT |
				(out ? 0 : VRING_DESC_F_WRITE));
	desc[1].next = htole16(2);
	desc[2].addr = htole64(scratch->iova + SCRATCH_STATUS);
	desc[2].len = htole32(1);
	desc[2].flags = htole16(VRING_DESC_F_WRITE);
	desc[2].next = 0;

	vr->avail->ring[vr->avail_idx & mask] = 0;
	/* used_event: ask for a signal for the very next completion */
	vr->avail->ring[vr->num] = htole16(vr->used_idx);
	vr->avail_idx++;
	/* Release: the chain is seen no later than the index (2.7.13.3.1) */
	__atomic_store_n(&vr->avail->idx, htole16(vr->avail_idx),
			 __ATOMIC_RELEASE);
}

void __vhdb_blk_put(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		    __u32 type, __u64 sector, __u32 len)
{
	__vhdb_blk_put_at(vr, scratch, type, sector,
			  scratch->iova + VHDB_SCRATCH_DATA, len);
}

bool __vhdb_blk_done(const struct vhdb_vring *vr)
{
	/* Acquire: pairs with the device's release of used->idx */
	return le16toh(__atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE)) !=
	       vr->used_idx;
}

int __vhdb_blk_wait(struct vhdb_vring *vr, const struct vhdb_scratch *scratch)
{
	struct vring_used_elem *elem = &vr->used->ring[vr->used_idx &
						       (vr->num - 1)];
	__u8 status;

	if (!vhdb_wait_for(__vhdb_blk_done(vr)))
		return -ETIMEDOUT;
	vr->used_idx++;
	status = __atomic_load_n((__u8 *)scratch->hva + SCRATCH_STATUS,
				 __ATOMIC_RELAXED);
	/* One request at a time: its head is 0, and the status was written */
	if (elem->id || !le32toh(elem->len) ||
	    le16toh(vr->used->idx) != vr->used_idx || status == 0xff)
		return -EPROTO;
	return status;
}

int vhdb_blk_io_at(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		   __u32 type, __u64 sector, __u64 data, __u32 len)
{
	int ret;

	__vhdb_blk_put_at(vr, scratch, type, sector, data, len);
	ret = vhdb_vring_kick(vr);
	return ret ? ret : __vhdb_blk_wait(vr, scratch);
}

int vhdb_blk_io(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		__u32 type, __u64 sector, __u32 len)
{
	return vhdb_blk_io_at(vr, scratch, type, sector,
			      scratch->iova + VHDB_SCRATCH_DATA, len);
}

int vhdb_blk_check_read(struct vhdb_vring *vr,
			const struct vhdb_scratch *scratch, __u64 sector)
{
	char *data = (char *)scratch->hva + VHDB_SCRATCH_DATA;
	char want[VHDB_SECTOR];
	int ret;

	memset(data, 0x5a, VHDB_SECTOR);
	ret = vhdb_blk_io(vr, scratch, VIRTIO_BLK_T_IN, sector, VHDB_SECTOR);
	if (ret)
		return ret;
	vhdb_pattern(want, sector, sizeof(want));
	return memcmp(data, want, sizeof(want)) ? -EILSEQ : 0;
}

int vhdb_dev_read(struct vhdb_dev *dev, unsigned int vring, __u64 sector)
{
	struct vhdb_scratch scratch = vhdb_dev_scratch(dev, vring);

	return vhdb_blk_check_read(&dev->vring[vring], &scratch, sector);
}

int vhdb_dev_check(struct vhdb_dev *dev)
{
	unsigned int i;
	int ret = vhdb_dev_restart(dev);

	for (i = 0; !ret && i < dev->nr_vrings; i++)
		ret = vhdb_dev_read(dev, i, i + 3);
	return ret;
}
