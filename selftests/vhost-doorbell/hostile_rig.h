/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of hostile_test.c: a disk with two queues, one to be abused, guarded
 * memory, and how to tell what became of either. To be included behind the
 * harness and lib/vhdb_mock.h, once.
 */
#ifndef HOSTILE_RIG_H
#define HOSTILE_RIG_H

#define OK(used)	VHDB_ANSWER(VIRTIO_BLK_S_OK, used)
#define IOERR		VHDB_ANSWER(VIRTIO_BLK_S_IOERR, 1)
/* Given back, with nothing written */
#define UNANSWERED	VHDB_ANSWER(VHDB_UNANSWERED, 0)

#define T_IN		VIRTIO_BLK_T_IN
#define T_OUT		VIRTIO_BLK_T_OUT
#define HDR		sizeof(struct virtio_blk_outhdr)
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

#define NUM		64		/* small: 65,536 / NUM laps are quick */
#define TABLE_MAX	1024
#define DATA_BYTES	(4UL << 20)
#define NO_INDIRECT	(~VHDB_BIT(VIRTIO_RING_F_INDIRECT_DESC))

/* Parts of the data space */
#define SLOT		0		/* a struct vhdb_blk_slot */
#define DATA		4096		/* data of the request */
#define GUARD		0x100000	/* nobody's: must keep its pattern */
#define TABLE		0x200000	/* a table of 65,536 descriptors */
#define GUARD_BYTES	65536

FIXTURE(hostile) {
	struct vhdb_backing backing;
	struct vhdb_disk disk;
	struct vhdb_vring *vr;		/* of the queue that is abused */
	struct vhdb_blk_slot *slot;
	struct vring_desc *table;
	char *data;
	char *guard;
	/* Memory of ours that the device was never told of */
	char *private;
};

FIXTURE_VARIANT(hostile) {
	bool ram;
};

FIXTURE_VARIANT_ADD(hostile, ram) {
	.ram = true,
};

FIXTURE_VARIANT_ADD(hostile, file) {
	.ram = false,
};

FIXTURE_SETUP(hostile)
{
	struct vhdb_opts opts = { .queues = 2, .queue_size = NUM };
	struct vhdb_disk *disk = &self->disk;
	int ret;

	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ret = variant->ram ? vhdb_backing_ram_as_is(&self->backing) :
			     vhdb_backing_memfd(&self->backing, 1 << 20);
	if (ret)
		SKIP(return, "no backing: %s", strerror(-ret));
	ASSERT_EQ(0, vhdb_disk_create(disk, self->backing.fd, &opts, ~0ULL,
				      DATA_BYTES));
	ASSERT_EQ(0, vhdb_disk_start(disk));
	self->vr = &disk->dev.vring[0];
	self->slot = vhdb_disk_ptr(disk, disk->data + SLOT);
	self->table = vhdb_disk_ptr(disk, disk->data + TABLE);
	self->data = vhdb_disk_ptr(disk, disk->data + DATA);
	self->guard = vhdb_disk_ptr(disk, disk->data + GUARD);
	vhdb_fill(self->guard, GUARD_BYTES, 1);
	self->private = mmap(NULL, GUARD_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->private);
	vhdb_fill(self->private, GUARD_BYTES, 2);
	vhdb_blk_slot_set(self->slot, T_IN, 0);
}

FIXTURE_TEARDOWN(hostile)
{
	vhdb_disk_destroy(&self->disk);
	vhdb_backing_free(&self->backing);
	munmap(self->private, GUARD_BYTES);
}

/* ---- the abused queue ---- */

#define AT(off)		(self->disk.data + (off))
#define STATUS		AT(SLOT + offsetof(struct vhdb_blk_slot, status))

static void desc_set(struct vring_desc *desc, __u64 addr, __u32 len,
		     __u16 flags, __u16 next)
{
	desc->addr = htole64(addr);
	desc->len = htole32(len);
	desc->flags = htole16(flags);
	desc->next = htole16(next);
}

/* Descriptor @i of the abused ring, or of the table */
#define RING(i, addr, len, flags, next) \
	desc_set(&self->vr->desc[i], addr, len, flags, next)
#define ENTRY(i, addr, len, flags, next) \
	desc_set(&self->table[i], addr, len, flags, next)

/* Three good descriptors from @first in @desc: a read of 512 bytes */
static void good_chain(struct vring_desc *desc, __u16 first, __u64 base)
{
	desc_set(&desc[first], base + SLOT, HDR, NEXT, first + 1);
	desc_set(&desc[first + 1], base + DATA, 512, NEXT | WRITE, first + 2);
	desc_set(&desc[first + 2], base + SLOT +
		 offsetof(struct vhdb_blk_slot, status), 1, WRITE, 0);
}

static void expose(struct vhdb_vring *vr, __u16 head)
{
	vr->avail->ring[vr->avail_idx++ & (vr->num - 1)] = htole16(head);
	__atomic_store_n(&vr->avail->idx, htole16(vr->avail_idx),
			 __ATOMIC_RELEASE);
}

static __u16 used_idx(const struct vhdb_vring *vr)
{
	return le16toh(__atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE));
}

static bool is_broken(struct vhdb_disk *disk)
{
	return vhdb_status(disk->dev.fd) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Both queues do a request after a reset. */
static int revives(struct vhdb_disk *disk)
{
	unsigned int i;
	int ret = vhdb_disk_restart(disk);

	for (i = 0; !ret && i < disk->dev.nr_vrings; i++)
		if (vhdb_disk_io(disk, i, T_IN, i, disk->data + DATA, 512) !=
		    OK(513))
			ret = -EIO;
	return ret ? ret : is_broken(disk) ? -EPROTO : 0;
}

#define EXPECT_REVIVES()						\
do {									\
	EXPECT_EQ(0, revives(&self->disk));				\
	EXPECT_TRUE(vhdb_filled(self->guard, GUARD_BYTES, 1));		\
	EXPECT_TRUE(vhdb_filled(self->private, GUARD_BYTES, 2));	\
} while (0)

static __u64 stat_broken(struct vhdb_disk *disk)
{
	struct vhost_doorbell_stats s;

	return vhdb_get_stats(disk->dev.fd, 0, &s) ? 0 : s.broken;
}

/*
 * How things stood before the driver broke a rule. Taken before that can be
 * seen: a device may look at its ring without being rung.
 */
struct seen {
	__u64 broken;
	__u16 used;
};

static struct seen see(struct vhdb_disk *disk)
{
	return (struct seen){
		.broken = stat_broken(disk),
		.used = used_idx(&disk->dev.vring[0]),
	};
}

/*
 * Kick, and see the queue break: told everywhere where it is to be told; the
 * other queue lives. The bad request may be given back, but with nothing done.
 */
static int breaks(struct vhdb_disk *disk, struct seen before)
{
	struct vhdb_vring *vr = &disk->dev.vring[0];
	__u16 used = before.used;

	vhdb_vring_kick(vr);
	if (!vhdb_wait_for(is_broken(disk)))
		return used_idx(vr) == used ? -ETIMEDOUT : -EALREADY;
	if (vhdb_eventfd_wait(vr->err))
		return -ENOMSG;
	if (vhdb_eventfd_wait(disk->config_call))
		return -ENODATA;
	if (stat_broken(disk) != before.broken + 1)
		return -ERANGE;
	if (vhdb_disk_io(disk, 1, T_IN, 0, disk->data + DATA, 512) != OK(513))
		return -EIO;
	if ((__u16)(used_idx(vr) - used) > 1 ||
	    (used_idx(vr) != used && vr->used->ring[used & (NUM - 1)].len))
		return -EALREADY;
	return 0;
}

#define EXPECT_BREAKS(before)						\
do {									\
	EXPECT_EQ(0, breaks(&self->disk, before));			\
	EXPECT_REVIVES();						\
} while (0)

/* The chain at @head breaks the queue. */
#define EXPECT_CHAIN_BREAKS(head)					\
do {									\
	struct seen before_ = see(&self->disk);				\
									\
	expose(self->vr, head);						\
	EXPECT_BREAKS(before_);						\
} while (0)

/* The table, of which @bytes are told, breaks the queue. */
#define EXPECT_TABLE_BREAKS(bytes, more_flags)				\
do {									\
	RING(0, AT(TABLE), bytes, INDIRECT | (more_flags), 1);		\
	EXPECT_CHAIN_BREAKS(0);						\
} while (0)

static __s64 raw(struct vhdb_disk *disk, const struct vhdb_buf *buf,
		 unsigned int count)
{
	struct vhdb_blk_slot *slot = vhdb_disk_ptr(disk, disk->data + SLOT);

	vhdb_blk_slot_set(slot, T_IN, 0);
	return vhdb_disk_raw(disk, 0, buf, count, &slot->status);
}

#define RAW(...)							\
({									\
	struct vhdb_buf __buf[] = { __VA_ARGS__ };			\
									\
	raw(&self->disk, __buf, sizeof(__buf) / sizeof(*__buf));	\
})

static __u64 stat_errors(struct vhdb_disk *disk)
{
	struct vhost_doorbell_stats s;

	return vhdb_get_stats(disk->dev.fd, 0, &s) ? 0 : s.errors;
}

#endif /* HOSTILE_RIG_H */
