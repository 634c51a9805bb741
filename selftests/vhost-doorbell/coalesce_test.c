// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with many requests out is asked to ring for one that is some way
 * ahead, and what it makes available in front of that is served all the same.
 * Nothing here depends on how long that takes: it is waited for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <endian.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "lib/vhdb_classic.h"

#define PAGE	VHDB_CLASSIC_PAGE
#define F_EVENT	VHDB_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PACKED VHDB_BIT(VIRTIO_F_RING_PACKED)
/* Requests that the driver makes one by one before it looks for answers */
#define BURST	16
/* Times that something is tried which another process may spoil */
#define TRIES	20000

FIXTURE(coalesce) {
	struct vhdb_classic c;
};

FIXTURE_VARIANT(coalesce) {
	__u64 features;
};

FIXTURE_VARIANT_ADD(coalesce, split) { .features = F_EVENT };
FIXTURE_VARIANT_ADD(coalesce, packed) { .features = F_EVENT | F_PACKED };

FIXTURE_SETUP(coalesce)
{
	if (!vhdb_present())
		SKIP(return, "no " VHDB_PATH);
	ASSERT_EQ(0, vhdb_classic_create(&self->c, -1, 2, variant->features,
					 64 * PAGE));
	ASSERT_EQ(0, vhdb_classic_start(&self->c));
}

FIXTURE_TEARDOWN(coalesce)
{
	vhdb_classic_destroy(&self->c);
}

/* The device's wish, as it stands in the ring: it is the device that writes */
static __u16 wish(struct vhdb_classic *c, unsigned int queue)
{
	struct vhdb_vring *vr = c->q[queue].vq.vr;
	bool packed = c->features & F_PACKED;
	__u16 *at = packed ? (__u16 *)vr->used :
			     (__u16 *)&vr->used->ring[vr->num];

	return le16toh(__atomic_load_n(at, __ATOMIC_ACQUIRE));
}

/*
 * How far behind the next buffer the one is that is to be rung for; -1 if none
 * is. All that the driver has made available has been answered.
 */
static int ahead(struct vhdb_classic *c, unsigned int queue)
{
	struct vhdb_vq *vq = &c->q[queue].vq;
	struct vhdb_vring *vr = vq->vr;
	struct vring_packed_desc_event *event = (void *)vr->used;
	__u16 off = wish(c, queue), far;

	if (!(c->features & F_PACKED)) {
		far = off - vr->avail_idx;
		return far < vr->num ? far : -1;
	}
	if (le16toh(__atomic_load_n(&event->flags, __ATOMIC_ACQUIRE)) !=
	    VRING_PACKED_EVENT_FLAG_DESC)
		return -1;
	far = (off & 0x7fff) + vr->num - vq->ops->used_pos(vq) % vr->num;
	return far % vr->num;
}

static int submit(struct vhdb_classic *c, unsigned int queue)
{
	int ret = vhdb_classic_submit(c, queue, c->data, PAGE, 1);

	if (!ret)
		vhdb_vq_kick(&c->q[queue].vq);
	return ret;
}

static int burst(struct vhdb_classic *c, unsigned int queue)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < BURST && !ret; i++)
		ret = submit(c, queue);
	for (i = 0; i < BURST && !ret; i++)
		ret = vhdb_classic_reap(c, queue);
	return ret;
}

/* Until the device waits for more than one buffer */
static bool waited_for(struct vhdb_classic *c, unsigned int queue)
{
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		if (burst(c, queue))
			return false;
		if (ahead(c, queue) > 0)
			return true;
	}
	return false;
}

/* What comes in front of the one that would be rung for is served as well */
TEST_F(coalesce, one_that_is_not_rung_for)
{
	struct vhdb_classic *c = &self->c;
	unsigned int i, saved = 0;

	for (i = 0; i < TRIES && saved < 20; i++) {
		__u64 kicks;

		ASSERT_TRUE(waited_for(c, 0));
		kicks = c->q[0].vq.kicks;
		ASSERT_EQ(0, submit(c, 0));
		ASSERT_EQ(0, vhdb_classic_reap(c, 0));
		saved += c->q[0].vq.kicks == kicks;
	}
	EXPECT_LE(20, saved);
}

/* A driver that makes one at a time has nobody wait for another one */
TEST_F(coalesce, one_at_a_time)
{
	struct vhdb_classic *c = &self->c;
	unsigned int i;

	for (i = 0; i < vhdb_rounds(500); i++) {
		ASSERT_EQ(0, submit(c, 0));
		ASSERT_EQ(0, vhdb_classic_reap(c, 0));
		ASSERT_GE(0, ahead(c, 0));
	}
}

/* A driver that has stopped is to ring for the next one */
TEST_F(coalesce, ends_by_itself)
{
	struct vhdb_classic *c = &self->c;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ASSERT_TRUE(waited_for(c, 0));
		ASSERT_TRUE(vhdb_wait_for(!ahead(c, 0)));
	}
}

/* Whatever comes while the device waits: nothing is lost */
TEST_F(coalesce, stop_and_start)
{
	struct vhdb_classic *c = &self->c;
	unsigned int i, base;

	for (i = 0; i < vhdb_rounds(20); i++) {
		ASSERT_TRUE(waited_for(c, 0));
		ASSERT_EQ(0, submit(c, 0));
		if (i % 2) {
			ASSERT_EQ(0, __vhdb_get_vring_base(c->fd, 0, &base));
			ASSERT_EQ(0, vhdb_classic_setup_queue(c, 0, base));
		} else {
			ASSERT_EQ(0, __vhdb_stop(c->fd));
		}
		ASSERT_EQ(0, __vhdb_start(c->fd));
		ASSERT_EQ(0, vhdb_classic_reap(c, 0));
	}
}

/* So it is if the device goes, with both of its queues in that state or one */
TEST_F(coalesce, close)
{
	struct vhdb_classic *c = &self->c;
	unsigned int i;

	for (i = 0; i < vhdb_rounds(50); i++) {
		ASSERT_TRUE(waited_for(c, 0));
		ASSERT_TRUE(waited_for(c, 1));
		ASSERT_EQ(0, submit(c, i % 2));
		vhdb_classic_destroy(c);
		ASSERT_EQ(0, vhdb_classic_create(c, -1, 2, variant->features,
						 64 * PAGE));
		ASSERT_EQ(0, vhdb_classic_start(c));
	}
}

TEST_HARNESS_MAIN
