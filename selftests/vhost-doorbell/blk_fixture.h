/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk of the usual kinds, started, and a second look at what it serves, for
 * the tests of the disk. To be included behind the harness and lib/vhdb_mock.h,
 * once.
 */
#ifndef BLK_FIXTURE_H
#define BLK_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define NO_EVENT_IDX	(~VHDB_BIT(VIRTIO_RING_F_EVENT_IDX))
#define PACKED		VHDB_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER	VHDB_BIT(VIRTIO_F_IN_ORDER)

#define SIZE_MAX_BYTES	65536		/* config.size_max and seg_max */
#define SEG_MAX		254

#define OK(used)	VHDB_ANSWER(VIRTIO_BLK_S_OK, used)
#define IOERR		VHDB_ANSWER(VIRTIO_BLK_S_IOERR, 1)
#define UNSUPP		VHDB_ANSWER(VIRTIO_BLK_S_UNSUPP, 1)

#define T_IN		VIRTIO_BLK_T_IN
#define T_OUT		VIRTIO_BLK_T_OUT

#define ALL		(~0ULL)

#define DATA_BYTES	(4UL << 20)
#define FILE_BYTES	(32UL << 20)	/* sparse; holds a largest request */
#define FILL_BYTES	1048576UL

enum kind {
	RAM,
	FILE_BUFFERED,
	FILE_DIRECT,
	FILE_TMPFS,
	LOOP,
};

/* An ext4, mounted once for all tests; empty if there is none */
static char ext4_dir[128];

static inline int get_backing(struct vhdb_backing *b, enum kind kind)
{
	int ret;

	if (kind == RAM)
		return vhdb_backing_ram_as_is(b);
	if (kind == FILE_TMPFS)
		return vhdb_backing_memfd(b, FILL_BYTES);
	if (!ext4_dir[0])
		return -ENODEV;
	if (kind == LOOP)
		return vhdb_backing_loop(b, ext4_dir, FILL_BYTES, 0);
	ret = vhdb_backing_file(b, ext4_dir, FILL_BYTES,
				kind == FILE_DIRECT ? O_DIRECT : 0);
	if (!ret && ftruncate(b->fd, FILE_BYTES))
		ret = -errno;
	b->size = FILE_BYTES;
	return ret;
}

/* ---- a disk and the second look at what it serves ---- */

struct rig {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
	int peek;
};

/* -ENODEV when the test is to be skipped */
static inline int rig_create(struct rig *rig, enum kind kind,
			     const struct vhdb_opts *opts, __u64 features)
{
	int ret;

	rig->peek = -1;
	if (!vhdb_present() || get_backing(&rig->backing, kind))
		return -ENODEV;
	/* tmpfs has no O_DIRECT, and a memfd no path. */
	if (kind == FILE_TMPFS)
		rig->peek = dup(rig->backing.fd);
	else
		rig->peek = open(rig->backing.path, O_RDWR | O_DIRECT);
	if (rig->peek < 0)
		return -EIO;
	ret = vhdb_disk_create(&rig->disk, rig->backing.fd, opts, features,
			       DATA_BYTES);
	return ret ? ret : vhdb_disk_start(&rig->disk);
}

static inline void rig_destroy(struct rig *rig)
{
	vhdb_disk_destroy(&rig->disk);
	close(rig->peek);
	vhdb_backing_free(&rig->backing);
}

#define PEEK_WRITE(sector, bytes, seed) \
	ASSERT_EQ(0, vhdb_peek_write(self->rig.peek, sector, bytes, seed))
#define PEEK_CHECK(sector, bytes, seed) \
	ASSERT_EQ(0, vhdb_peek_check(self->rig.peek, sector, bytes, seed))

static inline __u64 sectors(const struct vhdb_backing *b)
{
	return b->size / VHDB_SECTOR;
}

/* main(), with an ext4 around it; @tests is test_harness_run() */
static inline int blk_main(int argc, char **argv,
			   int (*tests)(int argc, char **argv))
{
	int ret;

	if (!vhdb_present() ||
	    vhdb_ext4_mount(ext4_dir, sizeof(ext4_dir), 96UL << 20))
		ext4_dir[0] = '\0';
	ret = tests(argc, argv);
	if (ext4_dir[0])
		vhdb_ext4_umount(ext4_dir);
	return ret;
}

static inline __u16 used_idx(struct vhdb_disk *disk)
{
	struct vhdb_vq *vq = &disk->q[0].vq;

	return vq->ops->used_pos(vq);
}

#endif /* BLK_FIXTURE_H */
