/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test of the driver needs: the ioctls, the IOTLB, guest
 * memory of every kind, rings laid out in it, and something to serve.
 *
 * Two layers. __vhdb_xxx() is one system call; vhdb_xxx() is made of several.
 * None of them asserts or prints: 0 (or a value) is success, -errno failure,
 * so that a test says itself what it expects. Include kselftest_harness.h
 * first, if at all.
 */
#ifndef VHDB_DEV_H
#define VHDB_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>
#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/vhost_doorbell.h>

/* Newer than the headers of Debian 12 (6.1) */
#ifndef VHOST_VDPA_RESUME
#define VHOST_VDPA_RESUME		_IO(VHOST_VIRTIO, 0x7E)
#endif
#ifndef VHOST_VDPA_GET_VRING_DESC_GROUP
#define VHOST_VDPA_GET_VRING_DESC_GROUP	_IOWR(VHOST_VIRTIO, 0x7F, \
					      struct vhost_vring_state)
#endif
#ifndef VHOST_VDPA_GET_VRING_SIZE
#define VHOST_VDPA_GET_VRING_SIZE	_IOWR(VHOST_VIRTIO, 0x82, \
					      struct vhost_vring_state)
#endif
#ifndef VHOST_NEW_WORKER
#define VHOST_NEW_WORKER		_IOR(VHOST_VIRTIO, 0x08, __u32)
#define VHOST_FREE_WORKER		_IOW(VHOST_VIRTIO, 0x09, __u32)
#define VHOST_ATTACH_VRING_WORKER	_IOW(VHOST_VIRTIO, 0x15, \
					     struct vhost_vring_state)
#define VHOST_GET_VRING_WORKER		_IOWR(VHOST_VIRTIO, 0x16, \
					      struct vhost_vring_state)
#endif
#ifndef VHOST_BACKEND_F_RESUME
#define VHOST_BACKEND_F_RESUME			0x5
#endif
#ifndef VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK
#define VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK	0x6
#endif

/*
 * The harness kills a test after 30 s, which a sanitizing kernel under
 * emulation needs more of. A test ends by its own, scaled timeout before that.
 */
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif

#define VHDB_PATH		"/dev/vhost-doorbell/control"
#define VHDB_SECTOR		512
#define VHDB_QUEUE_SIZE		256	/* what ATTACH gives unless told */

#define VHDB_BIT(n)		(1ULL << (n))

/* Status bits as one driver sets them one after the other */
#define VHDB_S_DRIVER		(VIRTIO_CONFIG_S_ACKNOWLEDGE | \
				 VIRTIO_CONFIG_S_DRIVER)
#define VHDB_S_FEATURES_OK	(VHDB_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define VHDB_S_DRIVER_OK	(VHDB_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* Features without which FEATURES_OK is refused */
#define VHDB_F_REQUIRED		(VHDB_BIT(VIRTIO_F_VERSION_1) | \
				 VHDB_BIT(VIRTIO_F_ACCESS_PLATFORM))

/* ---- time ---- */

/* How slow this machine is: VHDB_TIMEOUT_SCALE, 1 unless it is set */
unsigned int vhdb_scale(void);
/*
 * How often to do what may go wrong at any moment, or what is only done often:
 * @n times; on a slow machine as many times less as it is slower, but no less
 * than VHDB_ROUNDS_MIN. Not for what is counted by a contract ("more than 1,000
 * entries") or by cases.
 */
#define VHDB_ROUNDS_MIN	8
unsigned int vhdb_rounds(unsigned int n);
/* Longest wait for anything that must happen, ms: 10 s x VHDB_TIMEOUT_SCALE */
int vhdb_timeout_ms(void);
/* Monotonic clock in ms */
__u64 vhdb_now_ms(void);
/* Poll until cond or until the time is out; the value is that of cond. */
#define vhdb_wait_for(cond)						\
({									\
	__u64 __end = vhdb_now_ms() + vhdb_timeout_ms();		\
	bool __late, __ok;						\
									\
	for (;;) {							\
		__late = vhdb_now_ms() >= __end;			\
		__ok = (cond);						\
		if (__ok || __late)					\
			break;						\
		vhdb_relax();						\
	}								\
	__ok;								\
})
/* Sleep for a moment (100 us) */
void vhdb_relax(void);

/* ---- raw: one system call each, 0 or a value, or -errno ---- */

int __vhdb_ioctl(int fd, unsigned long request, void *arg);
/* For ioctls whose argument is a number or a bad pointer */
int __vhdb_ioctl_ul(int fd, unsigned long request, unsigned long arg);

int __vhdb_get_info(int fd, struct vhost_doorbell_info *info);
int __vhdb_backend_info(int fd, struct vhost_doorbell_backend_info *info);
int __vhdb_attach(int fd, const struct vhost_doorbell_attach *attach);
int __vhdb_get_stats(int fd, struct vhost_doorbell_stats *stats);

int __vhdb_set_owner(int fd);
int __vhdb_get_features(int fd, __u64 *features);
int __vhdb_set_features(int fd, __u64 features);
int __vhdb_get_backend_features(int fd, __u64 *features);
int __vhdb_set_backend_features(int fd, __u64 features);

int __vhdb_get_device_id(int fd, __u32 *id);
int __vhdb_get_status(int fd, __u8 *status);
int __vhdb_set_status(int fd, __u8 status);
/* @buf holds @len bytes; the ioctl's variable struct is built inside */
int __vhdb_get_config(int fd, __u32 off, __u32 len, void *buf);
int __vhdb_set_config(int fd, __u32 off, __u32 len, const void *buf);
int __vhdb_get_config_size(int fd, __u32 *size);
int __vhdb_set_config_call(int fd, int eventfd);
int __vhdb_get_vring_num(int fd, __u16 *num);
int __vhdb_get_vqs_count(int fd, __u32 *count);
int __vhdb_get_iova_range(int fd, struct vhost_vdpa_iova_range *range);
int __vhdb_get_group_num(int fd, __u32 *num);
int __vhdb_get_as_num(int fd, __u32 *num);
int __vhdb_get_vring_group(int fd, unsigned int index, unsigned int *group);
int __vhdb_get_vring_size(int fd, unsigned int index, unsigned int *size);
int __vhdb_set_group_asid(int fd, unsigned int group, unsigned int asid);
int __vhdb_suspend(int fd);
int __vhdb_resume(int fd);

int __vhdb_set_vring_num(int fd, unsigned int index, unsigned int num);
int __vhdb_set_vring_base(int fd, unsigned int index, unsigned int base);
int __vhdb_get_vring_base(int fd, unsigned int index, unsigned int *base);
int __vhdb_set_vring_addr(int fd, unsigned int index, __u64 desc, __u64 avail,
			  __u64 used);
int __vhdb_set_vring_kick(int fd, unsigned int index, int eventfd);
int __vhdb_set_vring_call(int fd, unsigned int index, int eventfd);
int __vhdb_set_vring_err(int fd, unsigned int index, int eventfd);
int __vhdb_set_vring_enable(int fd, unsigned int index, unsigned int on);

/* write() of one message: 0 when all of it was taken, -EIO when a part */
int __vhdb_msg_v2(int fd, const struct vhost_msg_v2 *msg);
int __vhdb_msg_v1(int fd, const struct vhost_msg *msg);

/* ---- IOTLB ---- */

int vhdb_iotlb_update(int fd, __u64 iova, __u64 size, const void *uaddr,
		      __u8 perm);
int vhdb_iotlb_invalidate(int fd, __u64 iova, __u64 size);
int vhdb_iotlb_batch_begin(int fd);
int vhdb_iotlb_batch_end(int fd);

/* ---- the device file ---- */

/* Options of vhdb_attach_blk(); all zero are the defaults. */
struct vhdb_opts {
	unsigned int queues;		/* 0: one */
	unsigned int queue_size;	/* 0: VHDB_QUEUE_SIZE */
	bool ro;
	const char *serial;
	unsigned int lbs;		/* logical block size, 0: the device's */
	int dialect;			/* 0: vdpa, VHDB_DIALECT_AUTO, or the enum */
	__u64 allow;
	__u64 require;
	unsigned int poll_us;
	__u32 flags;			/* VHOST_DOORBELL_ATTACH_* */
	__u32 rate_requests, burst_requests;
	__u64 rate_bytes, burst_bytes;
};

#define VHDB_DIALECT_AUTO	(-1)

/* Open the device: the file descriptor, or -errno */
int vhdb_open(void);
/* A struct for blk with everything else zero and the vdpa dialect */
void vhdb_attach_init(struct vhost_doorbell_attach *attach, int backing_fd,
		      const struct vhdb_opts *opts);
int vhdb_attach_blk(int fd, int backing_fd, const struct vhdb_opts *opts);
/* The same by path; O_RDONLY when opts->ro, else O_RDWR */
int vhdb_attach_blk_path(int fd, const char *path, const struct vhdb_opts *opts);

/* Counters of @queue or VHOST_DOORBELL_ALL_QUEUES */
int vhdb_get_stats(int fd, unsigned int queue,
		   struct vhost_doorbell_stats *stats);
/*
 * BACKEND_INFO of the back end called @name; -ENOENT if it isn't registered. Its
 * index says nothing: they stand in the order in which they were loaded.
 */
int vhdb_backend_find(int fd, const char *name,
		      struct vhost_doorbell_backend_info *info);

/* ---- status ---- */

/* Status now, or -errno */
int vhdb_status(int fd);
/*
 * Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK. @want is intersected with
 * what is offered, the required bits are added; ~0ULL takes all.
 * -EPROTO when the device refused FEATURES_OK.
 */
int vhdb_negotiate(int fd, __u64 want, __u64 *got);
/* Adds DRIVER_OK to the status */
int vhdb_driver_ok(int fd);
int vhdb_reset(int fd);

/* ---- guest memory ---- */

enum vhdb_mem_kind {
	VHDB_MEM_ANON,			/* private anonymous */
	VHDB_MEM_MEMFD,			/* shared mapping of a memfd */
	VHDB_MEM_SHARED_ANON,		/* shared anonymous (shmem) */
	VHDB_MEM_HUGETLB,		/* shared mapping of a hugetlb memfd */
	VHDB_MEM_FILE_PRIVATE,		/* private mapping of a file in dir */
	VHDB_MEM_FILE_SHARED,		/* shared mapping of a file in dir */
	VHDB_MEM_SECRET,		/* memfd_secret */
};

/*
 * A region of guest memory. @iova is never equal to the user address, so that
 * a driver or a test that mixes them up fails.
 */
struct vhdb_guest_mem {
	enum vhdb_mem_kind kind;
	void *hva;
	__u64 iova;
	size_t size;
	int fd;				/* what is mapped, or -1 */
};

#define VHDB_IOVA_BASE		0x100000000ULL	/* where tests put region 0 */

/*
 * Map @size bytes (rounded up to the kind's page size) and zero them. @dir is
 * where the file kinds put their (unlinked) file, NULL for the others. Not yet
 * told to any device. -ENOSYS, -ENOMEM, ... when the kind is not to be had.
 */
int vhdb_mem_alloc(struct vhdb_guest_mem *mem, enum vhdb_mem_kind kind,
		   __u64 iova, size_t size, const char *dir);
void vhdb_mem_free(struct vhdb_guest_mem *mem);
/* IOTLB UPDATE / INVALIDATE of the whole region */
int vhdb_mem_map(int fd, const struct vhdb_guest_mem *mem, __u8 perm);
int vhdb_mem_unmap(int fd, const struct vhdb_guest_mem *mem);
/* Host pointer for an IOVA inside the region; NULL outside */
void *vhdb_mem_ptr(const struct vhdb_guest_mem *mem, __u64 iova);
/* Hugepage size, and at least @n of them free if it can be had (root) */
size_t vhdb_hugepage_size(void);
int vhdb_hugepages_reserve(unsigned int n);

/* ---- rings ---- */

/*
 * A split ring. The IOVAs are what the device is told, the pointers are the
 * same memory as this process sees it.
 */
struct vhdb_vring {
	unsigned int index;
	unsigned int num;
	__u64 desc_iova;
	__u64 avail_iova;
	__u64 used_iova;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	int kick;
	int call;
	int err;
	__u16 avail_idx;		/* next index that we publish */
	__u16 used_idx;			/* next used entry that we look at */
};

/* Bytes of a ring of @num, areas page-aligned and apart from each other */
size_t vhdb_vring_bytes(unsigned int num);
/*
 * Lay out ring @index of @num descriptors at @iova inside @mem, zero it, and
 * create its three eventfds (non-blocking).
 */
int vhdb_vring_init(struct vhdb_vring *vr, unsigned int index, unsigned int num,
		    const struct vhdb_guest_mem *mem, __u64 iova);
void vhdb_vring_free(struct vhdb_vring *vr);
/* Clear the ring's memory and indices, as a driver does before a new start */
void vhdb_vring_clear(struct vhdb_vring *vr);
/* NUM, BASE = avail_idx, ADDR, KICK, CALL, ERR; not ENABLE */
int vhdb_vring_setup(int fd, const struct vhdb_vring *vr);
int vhdb_vring_kick(const struct vhdb_vring *vr);

/* Take an eventfd's count, 0 when it was not signalled */
__u64 vhdb_eventfd_take(int eventfd);
/* Wait for a signal: 0, or -ETIMEDOUT; the count is taken */
int vhdb_eventfd_wait(int eventfd);

/* ---- one whole device ---- */

#define VHDB_VRINGS_MAX	32

/*
 * A device with one region of memory that holds its rings in front and free
 * space for buffers behind. vhdb_mock.h has more; this is for tests of set-up.
 */
struct vhdb_dev {
	int fd;
	__u64 features;
	unsigned int nr_vrings;
	struct vhdb_vring vring[VHDB_VRINGS_MAX];
	struct vhdb_guest_mem mem;
	__u64 buf_iova;			/* first free byte behind the rings */
};

#define VHDB_DEV_MEM_SIZE	(4UL << 20)

/*
 * Open, attach @backing_fd, SET_OWNER, allocate anonymous memory and map it,
 * lay out the rings (ring size: opts->queue_size or VHDB_QUEUE_SIZE). Status
 * is 0 and no ring is set up yet. On an error everything is undone.
 */
int vhdb_dev_create(struct vhdb_dev *dev, int backing_fd,
		    const struct vhdb_opts *opts);
/*
 * The same from an open file on: attached with @opts, and owned by this
 * process. On an error the file stays open.
 */
int vhdb_dev_adopt(struct vhdb_dev *dev, int fd, const struct vhdb_opts *opts);
/* Negotiate all features, set up and enable every ring; not DRIVER_OK */
int vhdb_dev_prepare(struct vhdb_dev *dev);
/* vhdb_dev_prepare() and DRIVER_OK */
int vhdb_dev_start(struct vhdb_dev *dev);
/* Reset, clear the rings, start again: what a guest's reboot does */
int vhdb_dev_restart(struct vhdb_dev *dev);
void vhdb_dev_destroy(struct vhdb_dev *dev);

/*
 * One blk request at a time on @vr, for proofs that a ring works. The header
 * and the status byte live at @scratch, a user pointer with its IOVA; 4 KiB
 * there are used. __vhdb_blk_put() publishes without a kick (descriptors
 * 0, 1, 2), __vhdb_blk_wait() takes the answer: the status byte (0 OK, 1
 * IOERR, 2 UNSUPP), -ETIMEDOUT, or -EPROTO for a wrong used element.
 */
struct vhdb_scratch {
	void *hva;
	__u64 iova;
};

#define VHDB_SCRATCH_BYTES	4096
#define VHDB_SCRATCH_DATA	512	/* offset of up to 2,048 bytes of data */

void __vhdb_blk_put(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		    __u32 type, __u64 sector, __u32 len);
bool __vhdb_blk_done(const struct vhdb_vring *vr);
int __vhdb_blk_wait(struct vhdb_vring *vr, const struct vhdb_scratch *scratch);
/* Both with the data at an IOVA of the caller's choice */
void __vhdb_blk_put_at(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		       __u32 type, __u64 sector, __u64 data, __u32 len);
int vhdb_blk_io_at(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		   __u32 type, __u64 sector, __u64 data, __u32 len);
/* put, kick, wait; data in or out at scratch + VHDB_SCRATCH_DATA */
int vhdb_blk_io(struct vhdb_vring *vr, const struct vhdb_scratch *scratch,
		__u32 type, __u64 sector, __u32 len);
/* Scratch space of a struct vhdb_dev */
struct vhdb_scratch vhdb_dev_scratch(const struct vhdb_dev *dev,
				     unsigned int vring);
/*
 * Reads sector @sector and compares it with vhdb_backing_fill()'s pattern: 0,
 * the request's error, or -EILSEQ.
 */
int vhdb_blk_check_read(struct vhdb_vring *vr,
			const struct vhdb_scratch *scratch, __u64 sector);
/* The same on ring @vring of @dev, with scratch space of its own */
int vhdb_dev_read(struct vhdb_dev *dev, unsigned int vring, __u64 sector);
/*
 * The proof that a device is still usable: restart it from scratch and read a
 * sector on every ring. 0, or what went wrong.
 */
int vhdb_dev_check(struct vhdb_dev *dev);

/* ---- something to serve ---- */

struct vhdb_backing {
	int fd;				/* O_RDWR, or O_RDWR | O_DIRECT */
	bool block;
	__u64 size;			/* bytes */
	char path[128];			/* empty for a memfd */
	char loop[32];			/* loop device to detach, or empty */
	char file[128];			/* file to unlink, or empty */
};

/* A memfd: a regular file that is always there. Filled with the pattern. */
int vhdb_backing_memfd(struct vhdb_backing *b, __u64 size);
/* A regular file in @dir; @flags as O_DIRECT */
int vhdb_backing_file(struct vhdb_backing *b, const char *dir, __u64 size,
		      int flags);
/* /dev/ram0 of brd, loaded when it is not; -ENODEV if it can't be */
int vhdb_backing_ram(struct vhdb_backing *b, int flags);
/*
 * A loop device on a file in @dir (modprobe loop), its logical blocks of
 * @block_size bytes, 0 for 512. Not by LOOP_SET_BLOCK_SIZE: 6.12 freezes the queue
 * for that before it takes limits_lock, and lockdep then finds fault with the next
 * SCSI disk that goes.
 */
int vhdb_backing_loop(struct vhdb_backing *b, const char *dir, __u64 size,
		      __u32 block_size);
void vhdb_backing_free(struct vhdb_backing *b);
/* Pattern: little-endian 64-bit words, word w of sector s is s * 64 + w + 1 */
void vhdb_pattern(void *buf, __u64 sector, size_t bytes);
int vhdb_backing_fill(int fd, __u64 size);

/*
 * A writable directory for files: $VHDB_TMPDIR, or /tmp. And an ext4 of
 * @bytes on a loop device, mounted on a fresh directory whose path goes to
 * @dir; -ENODEV when it can't be had.
 */
const char *vhdb_tmpdir(void);
int vhdb_ext4_mount(char *dir, size_t dir_len, __u64 bytes);
void vhdb_ext4_umount(const char *dir);

/* modprobe; 0 or -ENODEV */
int vhdb_modprobe(const char *arguments);
/* Drop CAP_IPC_LOCK (and only it) from every set of this process */
int vhdb_drop_cap_ipc_lock(void);
/* Bytes that this process has locked or pinned (VmLck and VmPin) */
unsigned long vhdb_pinned(void);
/* Pages that the whole system has pinned (pin_user_pages) */
long vhdb_pins_held(void);
/* Write @text to a file in one go: 0 or -errno */
int vhdb_write_file(const char *path, const char *text);
/* First @len - 1 bytes of a file, an empty string if it can't be read */
void vhdb_read_file(const char *path, char *text, size_t len);
/* The number behind @key at the start of a line; @def if it isn't there */
long vhdb_file_value(const char *path, const char *key, long def);
/* true when the device can be opened; tests SKIP or fail otherwise */
bool vhdb_present(void);

#endif /* VHDB_DEV_H */
